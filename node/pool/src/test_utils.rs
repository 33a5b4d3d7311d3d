//! A chain in a temporary directory with accounts that sign, and a pool over it.

#![allow(missing_docs, clippy::unwrap_used, clippy::new_without_default)]

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::{Pool, PoolConfig, PoolError, ReplayReport, TimeSource};
use alloy_consensus::{
    Block, SignableTransaction, Transaction as _, TxEip1559, TxEip2930, TxEip4844, TxEip7702,
    TxLegacy,
};
use alloy_eips::eip7702::{Authorization, SignedAuthorization};
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, address};
use alloy_signer::SignerSync as _;
use alloy_signer_local::PrivateKeySigner;
use serde_json::{Value, json};
use wattline_chainspec::ChainSpec;
use wattline_evm::{EvmConfig, NextBlock};
use wattline_primitives::{
    BlockWithReceipts, Millis, RecoveredBlock, SealedHeader, TransactionSigned,
};
use wattline_storage::{ChainIdentity, ExecutedBlock, Storage};

pub const CHAIN_ID: u64 = 57836;
pub const BLOCK_GAS_LIMIT: u64 = 30_000_000;
/// Writes its second calldata word into the slot that the first one names.
pub const WRITER: Address = address!("0000000000000000000000000000000000009e17");
/// Does nothing.
pub const CONTRACT: Address = address!("000000000000000000000000000000000000c0de");
pub const ONE_ETHER: u128 = 1_000_000_000_000_000_000;

/// Tells blocks apart as their seals would.
static SEAL: AtomicU64 = AtomicU64::new(0);

const SEALER: Address = address!("00000000000000000000000000000000005ea1e7");

/// The key of the test wallet with this number.
pub fn wallet(number: u8) -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&B256::with_last_byte(number)).unwrap()
}

/// A clock that the test moves.
#[derive(Clone, Default)]
pub struct ManualClock(Arc<AtomicU64>);

impl ManualClock {
    pub fn advance(&self, duration: Duration) {
        self.0.fetch_add(duration.as_secs(), Ordering::SeqCst);
    }

    fn clock(&self) -> TimeSource {
        let seconds = Arc::clone(&self.0);
        Arc::new(move || Duration::from_secs(seconds.load(Ordering::SeqCst)))
    }
}

/// A chain on disk.
pub struct TestChain {
    pub directory: tempfile::TempDir,
    pub storage: Storage,
    pub evm: EvmConfig,
    pub clock: ManualClock,
}

/// A genesis file: wallets 1 to 7 have an ether each, and the address of wallet 8 has code.
pub fn genesis(wattline: &Value) -> Value {
    let mut alloc: serde_json::Map<String, Value> = (1..=7)
        .map(|number| {
            let address = wallet(number).address().to_string();
            (address, json!({ "balance": ONE_ETHER.to_string() }))
        })
        .collect();
    let code = |code: &str| json!({ "balance": "0", "code": code });
    alloc.insert(CONTRACT.to_string(), code("0x00"));
    alloc.insert(wallet(8).address().to_string(), code("0x00"));
    let mut writer = code("0x602035600035550000");
    writer["storage"] = json!({});
    for number in 1..=2 {
        let slot = wattline_evm::permission_slot(wallet(number).address());
        writer["storage"][B256::from(slot).to_string()] =
            json!(B256::with_last_byte(if number == 1 { 3 } else { 1 }));
    }
    alloc.insert(WRITER.to_string(), writer);
    let extra_data = [vec![0; 32], SEALER.to_vec(), vec![0; 65]].concat();
    let mut config = json!({
        "chainId": CHAIN_ID,
        "terminalTotalDifficulty": 0,
        "shanghaiTime": 0, "cancunTime": 0, "pragueTime": 0, "osakaTime": 0,
        "clique": { "period": 1, "epoch": 30000 },
        "wattline": wattline,
    });
    for fork in [
        "homestead",
        "eip150",
        "eip155",
        "eip158",
        "byzantium",
        "constantinople",
        "petersburg",
        "istanbul",
        "berlin",
        "london",
    ] {
        config[format!("{fork}Block")] = json!(0);
    }
    json!({
        "config": config,
        "difficulty": "0x1",
        "gasLimit": format!("{BLOCK_GAS_LIMIT:#x}"),
        "extraData": Bytes::from(extra_data),
        "alloc": alloc,
    })
}

impl TestChain {
    pub fn new() -> Self {
        Self::with(&json!({}))
    }

    /// A chain with these settings under `config.wattline`.
    pub fn with(wattline: &Value) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (storage, evm) = open(directory.path(), wattline);
        Self {
            directory,
            storage,
            evm,
            clock: ManualClock::default(),
        }
    }

    pub fn journal(&self) -> PathBuf {
        self.directory.path().join("pool.journal")
    }

    /// A pool without a journal.
    pub fn pool(&self, config: PoolConfig) -> Pool {
        self.open(config, None).0
    }

    /// A pool with a journal, which another may have left.
    pub fn durable_pool(&self, config: PoolConfig) -> (Pool, ReplayReport) {
        self.open(config, Some(&self.journal()))
    }

    fn open(&self, config: PoolConfig, journal: Option<&Path>) -> (Pool, ReplayReport) {
        let (storage, evm) = (self.storage.clone(), self.evm.clone());
        Pool::open_with_clock(config, journal, storage, evm, self.clock.clock()).unwrap()
    }

    pub fn head(&self) -> SealedHeader {
        let reader = self.storage.reader().unwrap();
        let head = reader.head().unwrap();
        reader.header(head.number).unwrap().unwrap()
    }

    /// Puts what the pool offers into the next block, tells the pool, and returns the block.
    pub fn mine(&self, pool: &Pool) -> Arc<BlockWithReceipts> {
        let block = self.append(pool.best().map(|transaction| transaction.signed().clone()));
        pool.on_canonical_update(&self.head(), std::slice::from_ref(&block));
        block
    }

    /// Appends a block with these transactions, which must all apply, without telling a pool.
    pub fn append(
        &self,
        transactions: impl IntoIterator<Item = TransactionSigned>,
    ) -> Arc<BlockWithReceipts> {
        use alloy_consensus::transaction::SignerRecoverable as _;

        let parent = self.head();
        let next = NextBlock {
            time: Millis::from_secs(parent.timestamp + 1),
            gas_limit: parent.gas_limit,
            signer: SEALER,
        };
        let state = self.storage.state().unwrap();
        let mut builder = self.evm.builder(state, &parent, next).unwrap();
        for transaction in transactions {
            builder
                .execute(transaction.try_into_recovered().unwrap())
                .unwrap();
        }
        let built = builder.finish().unwrap();
        let (root, trie) = self
            .storage
            .state_root(parent.num_hash(), &built.output.state)
            .unwrap();
        let mut header = built.header;
        header.state_root = root;
        header.difficulty = U256::from(2);
        // Two blocks of the same content must differ, as they do by their seals.
        header.extra_data =
            Bytes::from(SEAL.fetch_add(1, Ordering::Relaxed).to_be_bytes().to_vec());
        let block = RecoveredBlock::new_unhashed(
            Block {
                header,
                body: built.body,
            },
            built.senders,
        );
        let receipts = built.output.receipts;
        let executed = ExecutedBlock {
            block,
            receipts,
            state: built.output.state,
            trie,
        };
        let mut writer = self.storage.writer().unwrap();
        writer.append(&executed).unwrap();
        writer.commit().unwrap();
        Arc::new(BlockWithReceipts {
            block: executed.block,
            receipts: executed.receipts,
        })
    }
}

pub fn open(directory: &Path, wattline: &Value) -> (Storage, EvmConfig) {
    let spec = ChainSpec::from_json(&genesis(wattline).to_string()).unwrap();
    let identity = ChainIdentity {
        genesis_header: spec.genesis_header(),
        alloc: &spec.genesis().alloc,
        config_json: String::new(),
    };
    let storage = Storage::open(&directory.join("db"), identity).unwrap();
    (storage, EvmConfig::new(Arc::new(spec)))
}

/// A transaction that a wallet sends, to be changed and signed.
#[derive(Clone)]
pub struct Draft {
    pub wallet: u8,
    pub chain_id: u64,
    pub nonce: u64,
    pub gas_limit: u64,
    pub max_fee: u128,
    pub tip: u128,
    pub to: TxKind,
    pub value: U256,
    pub input: Bytes,
}

/// A free transfer of nothing to `wallet(9)`.
pub fn draft(wallet_number: u8, nonce: u64) -> Draft {
    Draft {
        wallet: wallet_number,
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: 21_000,
        max_fee: 0,
        tip: 0,
        to: TxKind::Call(wallet(9).address()),
        value: U256::ZERO,
        input: Bytes::new(),
    }
}

impl Draft {
    pub fn fees(self, max_fee: u128, tip: u128) -> Self {
        Self {
            max_fee,
            tip,
            ..self
        }
    }

    pub fn value(self, value: u128) -> Self {
        Self {
            value: U256::from(value),
            ..self
        }
    }

    pub fn gas(self, gas_limit: u64) -> Self {
        Self { gas_limit, ..self }
    }

    pub fn input(self, input: impl Into<Bytes>) -> Self {
        Self {
            input: input.into(),
            ..self
        }
    }

    pub fn create(self, gas_limit: u64, input: impl Into<Bytes>) -> Self {
        Self {
            to: TxKind::Create,
            gas_limit,
            input: input.into(),
            ..self
        }
    }

    /// Writes a word into a slot of [`WRITER`].
    pub fn write(self, slot: U256, word: u64) -> Self {
        let input = [slot.to_be_bytes::<32>(), U256::from(word).to_be_bytes()].concat();
        Self {
            to: TxKind::Call(WRITER),
            gas_limit: 100_000,
            input: input.into(),
            ..self
        }
    }

    pub fn dynamic(&self) -> TxEip1559 {
        TxEip1559 {
            chain_id: self.chain_id,
            nonce: self.nonce,
            gas_limit: self.gas_limit,
            max_fee_per_gas: self.max_fee,
            max_priority_fee_per_gas: self.tip,
            to: self.to,
            value: self.value,
            access_list: Default::default(),
            input: self.input.clone(),
        }
    }

    pub fn sign(&self) -> TransactionSigned {
        self.signed(self.dynamic()).into()
    }

    pub fn legacy(&self, chain_id: Option<u64>) -> TransactionSigned {
        let transaction = TxLegacy {
            chain_id,
            nonce: self.nonce,
            gas_price: self.max_fee,
            gas_limit: self.gas_limit,
            to: self.to,
            value: self.value,
            input: self.input.clone(),
        };
        self.signed(transaction).into()
    }

    pub fn access_list(&self) -> TransactionSigned {
        let transaction = TxEip2930 {
            chain_id: self.chain_id,
            nonce: self.nonce,
            gas_price: self.max_fee,
            gas_limit: self.gas_limit,
            to: self.to,
            value: self.value,
            access_list: Default::default(),
            input: self.input.clone(),
        };
        self.signed(transaction).into()
    }

    pub fn blob(&self) -> TransactionSigned {
        let transaction = TxEip4844 {
            chain_id: self.chain_id,
            nonce: self.nonce,
            gas_limit: self.gas_limit,
            blob_versioned_hashes: vec![B256::with_last_byte(1)],
            max_fee_per_blob_gas: 1,
            ..TxEip4844::default()
        };
        self.signed(transaction).into()
    }

    pub fn set_code(&self, authorizations: Vec<SignedAuthorization>) -> TransactionSigned {
        let transaction = TxEip7702 {
            chain_id: self.chain_id,
            nonce: self.nonce,
            gas_limit: self.gas_limit,
            max_fee_per_gas: self.max_fee,
            max_priority_fee_per_gas: self.tip,
            to: wallet(9).address(),
            value: self.value,
            authorization_list: authorizations,
            ..TxEip7702::default()
        };
        self.signed(transaction).into()
    }

    fn signed<T: SignableTransaction<Signature>>(
        &self,
        transaction: T,
    ) -> alloy_consensus::Signed<T> {
        let signature = wallet(self.wallet)
            .sign_hash_sync(&transaction.signature_hash())
            .unwrap();
        transaction.into_signed(signature)
    }
}

/// A wallet's consent to run the code of `contract`.
pub fn authorize(wallet_number: u8, nonce: u64, contract: Address) -> SignedAuthorization {
    let authorization = Authorization {
        chain_id: U256::from(CHAIN_ID),
        address: contract,
        nonce,
    };
    let signature = wallet(wallet_number)
        .sign_hash_sync(&authorization.signature_hash())
        .unwrap();
    authorization.into_signed(signature)
}

/// The message with which a transaction was refused.
pub fn refusal(outcome: Result<B256, PoolError>) -> String {
    outcome.unwrap_err().to_string()
}

/// The nonces in a block's order of one wallet.
pub fn nonces(block: &BlockWithReceipts, wallet_number: u8) -> Vec<u64> {
    let sender = wallet(wallet_number).address();
    block
        .block
        .transactions_recovered()
        .filter(|transaction| transaction.signer() == sender)
        .map(|transaction| transaction.nonce())
        .collect()
}
