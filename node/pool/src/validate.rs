//! The rules one transaction must meet, with and without state.

use alloy_consensus::{Transaction as _, TxType, transaction::SignerRecoverable as _};
use alloy_eips::eip2718::Encodable2718 as _;
use alloy_primitives::{Address, B256, KECCAK256_EMPTY, U256};
use revm::{
    DatabaseRef,
    context_interface::cfg::GasParams,
    primitives::{eip3860::MAX_INITCODE_SIZE, hardfork::SpecId},
};
use std::time::Duration;
use wattline_evm::{EvmConfig, PermissionError};
use wattline_primitives::{RecoveredTransaction, TransactionSigned};
use wattline_storage::StorageError;

use crate::{
    config::MAX_TRANSACTION_BYTES,
    error::PoolError,
    sender::{SenderAccount, SenderRights},
    transaction::{Origin, PooledTransaction},
    waiting::Acceptance,
};

/// Checks transactions one at a time against the chain's rules.
#[derive(Debug)]
pub(crate) struct Validator {
    evm: EvmConfig,
    gas: GasParams,
    chain_id: u64,
    base_fee: u64,
    min_tip: u128,
}

impl Validator {
    pub(crate) fn new(evm: EvmConfig, min_tip: u128) -> Self {
        let (chain_id, base_fee) = (evm.spec().chain_id(), evm.spec().base_fee_per_gas());
        // Every fork up to and including Osaka is active from genesis.
        let gas = GasParams::new_spec(SpecId::OSAKA);
        Self {
            evm,
            gas,
            chain_id,
            base_fee,
            min_tip,
        }
    }

    /// Checks all that needs no state, then recovers the sender: the dear part comes last. The
    /// authorities, dearer still, are left to [`with_authorities`](Self::with_authorities).
    ///
    /// # Errors
    /// The first rule it breaks.
    pub(crate) fn prepare(
        &self,
        transaction: TransactionSigned,
        block_gas_limit: u64,
    ) -> Result<PooledTransaction, PoolError> {
        self.check_form(&transaction, block_gas_limit)?;
        let recovered = transaction
            .try_into_recovered()
            .map_err(|_| PoolError::InvalidSignature)?;
        Ok(self.describe(recovered))
    }

    /// Checks a transaction against a state and returns what that says about its sender. One that
    /// was accepted before may wait for a right that its sender has lost.
    ///
    /// # Errors
    /// The first rule it breaks, or the state cannot be read.
    pub(crate) fn check_state<DB>(
        &self,
        state: &DB,
        transaction: &PooledTransaction,
        acceptance: Acceptance,
    ) -> Result<SenderAccount, PoolError>
    where
        DB: DatabaseRef<Error = StorageError>,
    {
        let sender = transaction.sender();
        let (account, code_hash) = self.account(state, sender)?;
        if let Some(code_hash) = code_hash {
            return Err(PoolError::SenderNotEoa { sender, code_hash });
        }
        let (expected, found) = (account.nonce, transaction.nonce());
        if found < expected {
            return Err(PoolError::NonceTooLow { expected, found });
        }
        if acceptance == Acceptance::First && !account.rights.cover(transaction) {
            let is_create = transaction.transaction().is_create();
            self.evm.check_permission(state, sender, is_create)?;
        }
        Ok(account)
    }

    /// Checks a transaction by itself against a state, before more work is done for it.
    ///
    /// # Errors
    /// The first rule it breaks, or the state cannot be read.
    pub(crate) fn check_alone<DB>(
        &self,
        state: &DB,
        transaction: &PooledTransaction,
    ) -> Result<(), PoolError>
    where
        DB: DatabaseRef<Error = StorageError>,
    {
        let account = self.check_state(state, transaction, Acceptance::First)?;
        if transaction.cost > account.balance {
            return Err(PoolError::InsufficientFunds {
                balance: account.balance,
                queued: U256::ZERO,
                cost: transaction.cost,
            });
        }
        Ok(())
    }

    /// What a state says about an account, with the hash of its code if it is a contract, which
    /// may not send (EIP-3607). A delegation (EIP-7702) is no such code.
    ///
    /// # Errors
    /// The state cannot be read.
    pub(crate) fn account<DB>(
        &self,
        state: &DB,
        address: Address,
    ) -> Result<(SenderAccount, Option<B256>), PoolError>
    where
        DB: DatabaseRef<Error = StorageError>,
    {
        let mut account = SenderAccount {
            rights: self.rights(state, address)?,
            ..SenderAccount::default()
        };
        let Some(info) = state.basic_ref(address)? else {
            return Ok((account, None));
        };
        (account.nonce, account.balance) = (info.nonce, info.balance);
        if info.code_hash == KECCAK256_EMPTY || info.code_hash.is_zero() {
            return Ok((account, None));
        }
        let code = match info.code {
            Some(code) => code,
            None => state.code_by_hash_ref(info.code_hash)?,
        };
        account.delegated = code.is_eip7702();
        let contract = !account.delegated && !code.is_empty();
        Ok((account, contract.then_some(info.code_hash)))
    }

    /// What the chain's permission rule lets a sender do.
    fn rights<DB>(&self, state: &DB, sender: Address) -> Result<SenderRights, PoolError>
    where
        DB: DatabaseRef<Error = StorageError>,
    {
        // Who may create contracts may do everything, so one question tells all.
        match self.evm.check_permission(state, sender, true) {
            Ok(()) => Ok(SenderRights::Deploy),
            Err(PermissionError::MayNotDeploy { .. }) => Ok(SenderRights::Transact),
            Err(PermissionError::MayNotTransact { .. }) => Ok(SenderRights::None),
            Err(error @ PermissionError::State { .. }) => Err(error.into()),
        }
    }

    /// The highest gas limit of one transaction where blocks have `block_gas_limit`.
    pub(crate) fn gas_cap(&self, block_gas_limit: u64) -> u64 {
        self.evm
            .transaction_gas_limit_cap(block_gas_limit)
            .min(block_gas_limit)
    }

    fn check_form(
        &self,
        transaction: &TransactionSigned,
        block_gas_limit: u64,
    ) -> Result<(), PoolError> {
        if transaction.tx_type() == TxType::Eip4844 {
            return Err(PoolError::BlobRefused);
        }
        check_size(transaction)?;
        self.check_chain_id(transaction)?;
        if transaction.nonce() == u64::MAX {
            return Err(PoolError::NonceMax);
        }
        if transaction
            .authorization_list()
            .is_some_and(<[_]>::is_empty)
        {
            return Err(PoolError::EmptyAuthorizationList);
        }
        self.check_gas(transaction, block_gas_limit)?;
        self.check_fees(transaction)
    }

    fn check_chain_id(&self, transaction: &TransactionSigned) -> Result<(), PoolError> {
        let expected = self.chain_id;
        match transaction.chain_id() {
            None => Err(PoolError::NotReplayProtected { expected }),
            Some(found) if found != expected => Err(PoolError::WrongChainId { found, expected }),
            Some(_) => Ok(()),
        }
    }

    fn check_gas(
        &self,
        transaction: &TransactionSigned,
        block_gas_limit: u64,
    ) -> Result<(), PoolError> {
        let gas_limit = transaction.gas_limit();
        if gas_limit > block_gas_limit {
            return Err(PoolError::ExceedsBlockGasLimit {
                gas_limit,
                block_gas_limit,
            });
        }
        let cap = self.gas_cap(block_gas_limit);
        if gas_limit > cap {
            return Err(PoolError::ExceedsGasCap { gas_limit, cap });
        }
        let (accounts, slots) = transaction.access_list().map_or((0, 0), |list| {
            (
                list.len(),
                list.iter().map(|item| item.storage_keys.len()).sum(),
            )
        });
        let gas = self.gas.initial_tx_gas(
            transaction.input(),
            transaction.is_create(),
            accounts as u64,
            slots as u64,
            transaction.authorization_list().map_or(0, <[_]>::len) as u64,
            None,
        );
        let required = gas.initial_total_gas();
        if gas_limit < required {
            return Err(PoolError::IntrinsicGasTooLow {
                gas_limit,
                required,
            });
        }
        let required = gas.floor_gas();
        if gas_limit < required {
            return Err(PoolError::FloorGasTooLow {
                gas_limit,
                required,
            });
        }
        Ok(())
    }

    fn check_fees(&self, transaction: &TransactionSigned) -> Result<(), PoolError> {
        let (max_fee, base_fee) = (transaction.max_fee_per_gas(), self.base_fee);
        if let Some(tip) = transaction.max_priority_fee_per_gas()
            && tip > max_fee
        {
            return Err(PoolError::TipAboveMaxFee { tip, max_fee });
        }
        let tip = transaction
            .effective_tip_per_gas(base_fee)
            .ok_or(PoolError::MaxFeeBelowBaseFee { max_fee, base_fee })?;
        let minimum = self.min_tip;
        if tip < minimum {
            return Err(PoolError::Underpriced { tip, minimum });
        }
        Ok(())
    }

    /// Works out once what the pool asks for often, but for the authorities.
    fn describe(&self, transaction: RecoveredTransaction) -> PooledTransaction {
        let gas_cost =
            U256::from(transaction.gas_limit()) * U256::from(transaction.max_fee_per_gas());
        PooledTransaction {
            size: transaction.encode_2718_len(),
            cost: gas_cost.saturating_add(transaction.value()),
            tip: transaction
                .effective_tip_per_gas(self.base_fee)
                .unwrap_or_default(),
            authorities: Vec::new(),
            arrival: 0,
            arrived_at: Duration::ZERO,
            origin: Origin::Local,
            transaction,
        }
    }

    /// The same transaction with the accounts whose code it sets (EIP-7702). Each costs a recovery.
    pub(crate) fn with_authorities(&self, transaction: PooledTransaction) -> PooledTransaction {
        PooledTransaction {
            authorities: self.authorities(transaction.signed()),
            ..transaction
        }
    }

    /// The accounts whose code a transaction sets. Tuples for another chain and unsigned ones
    /// have no effect, so they do not count.
    fn authorities(&self, transaction: &TransactionSigned) -> Vec<Address> {
        let tuples = transaction.authorization_list().unwrap_or_default();
        let mut authorities: Vec<_> = tuples
            .iter()
            .filter(|tuple| {
                tuple.chain_id().is_zero() || *tuple.chain_id() == U256::from(self.chain_id)
            })
            .filter_map(|tuple| tuple.recover_authority().ok())
            .collect();
        authorities.sort_unstable();
        authorities.dedup();
        authorities
    }
}

fn check_size(transaction: &TransactionSigned) -> Result<(), PoolError> {
    let (size, limit) = (transaction.encode_2718_len(), MAX_TRANSACTION_BYTES);
    if size > limit {
        return Err(PoolError::Oversized { size, limit });
    }
    let (size, limit) = (transaction.input().len(), MAX_INITCODE_SIZE);
    if transaction.is_create() && size > limit {
        return Err(PoolError::InitCodeTooLarge { size, limit });
    }
    Ok(())
}
