//! What is timed, ready to run again and again.

use alloy_evm::{
    Evm, EvmInternals,
    precompiles::{Precompile, PrecompileInput},
};
use alloy_primitives::{Address, B256, Bytes, U256, address, hex};
use alloy_sol_types::SolCall;
use revm::{Context, MainContext, context::TxEnv, database::InMemoryDB, handler::MainnetContext};
use wattline_precompiles::{
    DEFAULT_ADDRESS,
    abi::IBatchAuction,
    test_utils::{
        evm::{self, AMPLE_GAS, FORWARDER, SENDER, TestEvm},
        reference,
    },
};

pub(crate) const ECRECOVER: Address = address!("0x0000000000000000000000000000000000000001");

/// Hash, v, r and s of a signature.
pub(crate) const SIGNATURE: [u8; 128] = hex!(
    "456e9aea5e197a1f1af7a3e85a3212fa4049a3ba34c2289b4c860fc0b0c64ef3"
    "000000000000000000000000000000000000000000000000000000000000001c"
    "9242685bf161793cc25603c231bc2f568eb630ea16aa137d2664ac8038825608"
    "4f8ae3bd7535248d0bd448298cc2e2071e56992d0774dc340c368ae950852ada"
);

/// A precompile called without any transaction or interpreter around it.
pub(crate) struct DirectCall {
    evm: TestEvm<InMemoryDB>,
    context: MainnetContext<InMemoryDB>,
    callee: Address,
    data: Vec<u8>,
}

impl DirectCall {
    pub(crate) fn new(callee: Address, data: Vec<u8>) -> Self {
        Self {
            evm: evm::evm(InMemoryDB::default()),
            context: Context::mainnet().with_db(InMemoryDB::default()),
            callee,
            data,
        }
    }

    /// `clearStored` over words in storage that an earlier call has warmed.
    pub(crate) fn stored(words: &[B256]) -> Self {
        let first = U256::from(1);
        let call = IBatchAuction::clearStoredCall {
            firstSlot: first.into(),
            count: U256::from(words.len()),
        };
        let mut db = InMemoryDB::default();
        for (i, word) in words.iter().enumerate() {
            db.insert_account_storage(FORWARDER, first + U256::from(i), (*word).into())
                .unwrap();
        }
        let mut this = Self {
            context: Context::mainnet().with_db(db),
            ..Self::new(DEFAULT_ADDRESS, call.abi_encode())
        };
        this.run();
        this
    }

    /// Runs once; returns the gas used and the output.
    pub(crate) fn run(&mut self) -> (u64, Bytes) {
        let precompile = self.evm.precompiles().get(&self.callee).unwrap();
        let output = precompile
            .call(PrecompileInput {
                data: &self.data,
                gas: AMPLE_GAS,
                reservoir: 0,
                caller: FORWARDER,
                value: U256::ZERO,
                target_address: self.callee,
                bytecode_address: self.callee,
                is_static: false,
                internals: EvmInternals::from_context(&mut self.context),
            })
            .unwrap();
        assert!(!output.is_halt());
        (output.gas_used, output.bytes)
    }
}

/// `clear` called by a transaction, at the precompile or at the reference.
pub(crate) struct Transaction {
    evm: TestEvm<InMemoryDB>,
    tx: TxEnv,
}

impl Transaction {
    pub(crate) fn new(callee: Address, words: &[B256]) -> Self {
        let mut db = InMemoryDB::default();
        reference::deploy(&mut db);
        let tx = TxEnv {
            caller: SENDER,
            kind: callee.into(),
            gas_limit: u64::MAX,
            data: evm::clear(words).into(),
            ..Default::default()
        };
        Self {
            evm: evm::evm(db),
            tx,
        }
    }

    /// Runs once; returns the output.
    pub(crate) fn run(&mut self) -> Bytes {
        let result = self.evm.transact_raw(self.tx.clone()).unwrap().result;
        assert!(result.is_success());
        result.into_output().unwrap()
    }
}
