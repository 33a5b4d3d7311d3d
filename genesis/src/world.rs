//! A chain before its first block: calls run in the EVM and what they leave becomes the genesis
//! state.

use std::collections::BTreeMap;

use alloy_genesis::GenesisAccount;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, hex};
use alloy_sol_types::SolCall;
use revm::{
    Context, ExecuteCommitEvm, MainBuilder, MainContext,
    bytecode::Bytecode,
    context::{
        TxEnv,
        result::{ExecutionResult, Output},
    },
    database::InMemoryDB,
    primitives::hardfork::SpecId,
    state::AccountInfo,
};
use thiserror::Error;

/// Gas for one call of the set-up; there is no block to fit into yet.
const GAS: u64 = 1_000_000_000;

/// Why a step of the set-up failed.
#[derive(Debug, Error)]
pub enum WorldError {
    /// The call reverted.
    #[error("{step} reverted with 0x{}", hex::encode(output))]
    Reverted {
        /// What was being done.
        step: String,
        /// The revert data.
        output: Bytes,
    },
    /// The call ran out of gas or hit an invalid instruction.
    #[error("{step} halted: {reason}")]
    Halted {
        /// What was being done.
        step: String,
        /// The EVM's reason.
        reason: String,
    },
    /// An account's code cannot run.
    #[error("the code of {address} cannot be used: {reason}")]
    Code {
        /// The account.
        address: Address,
        /// The EVM's reason.
        reason: String,
    },
    /// The EVM refused the call.
    #[error("{step} is not a valid transaction: {reason}")]
    Refused {
        /// What was being done.
        step: String,
        /// The EVM's reason.
        reason: String,
    },
}

/// The state that the set-up builds.
#[derive(Debug)]
pub struct World {
    db: InMemoryDB,
    chain_id: u64,
    timestamp: u64,
}

impl World {
    /// An empty state of the chain `chain_id`, at `timestamp` (Unix seconds).
    pub fn new(chain_id: u64, timestamp: u64) -> Self {
        Self {
            db: InMemoryDB::default(),
            chain_id,
            timestamp,
        }
    }

    /// The state that a genesis file lists, to build on.
    ///
    /// # Errors
    ///
    /// [`WorldError::Code`] for code that no account can have.
    pub fn from_alloc(
        chain_id: u64,
        timestamp: u64,
        alloc: BTreeMap<Address, GenesisAccount>,
    ) -> Result<Self, WorldError> {
        let mut world = Self::new(chain_id, timestamp);
        for (address, account) in alloc {
            let code = Bytecode::new_raw_checked(account.code.unwrap_or_default());
            let code = code.map_err(|error| WorldError::Code {
                address,
                reason: error.to_string(),
            })?;
            let info = AccountInfo::from_bytecode(code)
                .with_balance(account.balance)
                .with_nonce(account.nonce.unwrap_or_default());
            world.db.insert_account_info(address, info);
            for (slot, word) in account.storage.unwrap_or_default() {
                world.store(address, slot.into(), word.into());
            }
        }
        Ok(world)
    }

    /// Creates a contract from `creation_code` and returns its address.
    ///
    /// # Errors
    ///
    /// [`WorldError`] when the constructor fails.
    pub fn create(
        &mut self,
        name: &str,
        from: Address,
        creation_code: Bytes,
    ) -> Result<Address, WorldError> {
        let step = format!("creating {name}");
        match self.transact(step.clone(), from, TxKind::Create, creation_code)? {
            Output::Create(_, Some(address)) => Ok(address),
            _ => Err(WorldError::Halted {
                step,
                reason: "no contract was created".to_owned(),
            }),
        }
    }

    /// Calls `target` with `data`.
    ///
    /// # Errors
    ///
    /// [`WorldError`] when the call fails.
    pub fn call(
        &mut self,
        from: Address,
        target: Address,
        data: Bytes,
    ) -> Result<Bytes, WorldError> {
        let selector = hex::encode(data.get(..4).unwrap_or(&data));
        let step = format!("the call of 0x{selector} on {target} from {from}");
        self.transact(step, from, TxKind::Call(target), data)
            .map(Output::into_data)
    }

    /// Calls a view of `target` and decodes what it returns.
    ///
    /// # Errors
    ///
    /// [`WorldError`] when the call fails or returns something else.
    pub fn ask<C: SolCall>(&mut self, target: Address, call: &C) -> Result<C::Return, WorldError> {
        let output = self.call(Address::ZERO, target, call.abi_encode().into())?;
        C::abi_decode_returns(&output).map_err(|error| WorldError::Halted {
            step: C::SIGNATURE.to_owned(),
            reason: error.to_string(),
        })
    }

    /// Puts `code` at `address`.
    pub fn etch(&mut self, address: Address, code: Bytes) {
        // A contract's account starts with nonce 1 (EIP-161).
        let info = AccountInfo::from_bytecode(Bytecode::new_raw(code)).with_nonce(1);
        self.db.insert_account_info(address, info);
    }

    /// Writes a storage word of `address`.
    pub fn store(&mut self, address: Address, slot: U256, word: U256) {
        let infallible = self.db.insert_account_storage(address, slot, word);
        debug_assert!(infallible.is_ok(), "an in-memory database does not fail");
    }

    /// Empties the storage of `address` but for one slot.
    pub fn wipe_storage(&mut self, address: Address, except: U256) {
        if let Some(account) = self.db.cache.accounts.get_mut(&address) {
            account.storage.retain(|slot, _| *slot == except);
        }
    }

    /// Gives `address` native coin, in wei.
    pub fn fund(&mut self, address: Address, wei: U256) {
        self.db
            .cache
            .accounts
            .entry(address)
            .or_default()
            .info
            .balance = wei;
    }

    /// Sets the nonce of `address` back to zero.
    pub fn reset_nonce(&mut self, address: Address) {
        if let Some(account) = self.db.cache.accounts.get_mut(&address) {
            account.info.nonce = 0;
        }
    }

    /// Forgets an account that only the set-up needed.
    pub fn remove(&mut self, address: Address) {
        self.db.cache.accounts.remove(&address);
    }

    /// The accounts as a genesis file lists them.
    pub fn into_alloc(self) -> BTreeMap<Address, GenesisAccount> {
        let contracts = self.db.cache.contracts;
        let accounts = self.db.cache.accounts.into_iter();
        accounts
            .filter_map(|(address, account)| {
                let storage: BTreeMap<B256, B256> = account
                    .storage
                    .into_iter()
                    .filter(|(_, word)| !word.is_zero())
                    .map(|(slot, word)| (slot.into(), word.into()))
                    .collect();
                let info = account.info;
                let code = contracts
                    .get(&info.code_hash)
                    .map(|code| code.original_bytes())
                    .filter(|code| !code.is_empty());
                let account = GenesisAccount {
                    nonce: (info.nonce > 0).then_some(info.nonce),
                    balance: info.balance,
                    code,
                    storage: (!storage.is_empty()).then_some(storage),
                    private_key: None,
                };
                let empty = GenesisAccount::default();
                (account != empty).then_some((address, account))
            })
            .collect()
    }

    fn transact(
        &mut self,
        step: String,
        from: Address,
        kind: TxKind,
        data: Bytes,
    ) -> Result<Output, WorldError> {
        let nonce = self
            .db
            .cache
            .accounts
            .get(&from)
            .map_or(0, |account| account.info.nonce);
        let tx = TxEnv {
            caller: from,
            kind,
            data,
            nonce,
            gas_limit: GAS,
            chain_id: Some(self.chain_id),
            ..Default::default()
        };
        let mut evm = Context::mainnet()
            .with_db(&mut self.db)
            .modify_cfg_chained(|cfg| {
                cfg.set_spec_and_mainnet_gas_params(SpecId::OSAKA);
                cfg.chain_id = self.chain_id;
                cfg.tx_gas_limit_cap = Some(GAS);
            })
            .modify_block_chained(|block| {
                block.timestamp = U256::from(self.timestamp);
                block.gas_limit = GAS;
                block.basefee = 0;
            })
            .build_mainnet();
        match evm.transact_commit(tx) {
            Ok(ExecutionResult::Success { output, .. }) => Ok(output),
            Ok(ExecutionResult::Revert { output, .. }) => {
                Err(WorldError::Reverted { step, output })
            }
            Ok(ExecutionResult::Halt { reason, .. }) => Err(WorldError::Halted {
                step,
                reason: format!("{reason:?}"),
            }),
            Err(error) => Err(WorldError::Refused {
                step,
                reason: error.to_string(),
            }),
        }
    }
}
