//! A chain whose state is also kept in plain maps, to compare the database with.

#![allow(missing_docs, clippy::unwrap_used)]

use crate::{
    ChainIdentity, ExecutedBlock, Overlay, ProofBudget, Storage, StorageConfig, StorageError,
    StorageResult, TrieUpdates,
};
use alloy_consensus::{Header, TxLegacy, TxType};
use alloy_eips::eip4895::Withdrawals;
use alloy_genesis::GenesisAccount;
use alloy_primitives::{Address, B256, Bytes, Log, Signature, TxKind, U256, keccak256};
use alloy_trie::root::{state_root_unhashed, storage_root_unhashed};
use proptest::prelude::*;
use reth_primitives_traits::Account;
use revm::{
    Database, DatabaseCommit, DatabaseRef,
    database::{BundleState, State, states::bundle_state::BundleRetention},
    state::{Account as EvmAccount, AccountInfo, AccountStatus, Bytecode, EvmStorageSlot},
};
use std::{collections::BTreeMap, path::Path};
use wattline_primitives::{
    BlockBody, Receipt, RecoveredBlock, SealedBlock, SealedHeader, TransactionSigned,
};

/// An account with its code and storage.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holding {
    pub nonce: u64,
    pub balance: U256,
    pub code: Bytes,
    pub slots: BTreeMap<B256, U256>,
}

/// A whole state.
pub type World = BTreeMap<Address, Holding>;

impl Holding {
    pub fn account(&self) -> Account {
        Account {
            nonce: self.nonce,
            balance: self.balance,
            bytecode_hash: (!self.code.is_empty()).then(|| keccak256(&self.code)),
        }
    }
}

/// The root of a state, computed from nothing but its contents.
pub fn root_of(world: &World) -> B256 {
    state_root_unhashed(world.iter().map(|(address, holding)| {
        let slots = holding.slots.iter().map(|(slot, value)| (*slot, *value));
        (
            *address,
            holding
                .account()
                .into_trie_account(storage_root_unhashed(slots)),
        )
    }))
}

/// What a transaction may do to the state.
#[derive(Clone, Debug)]
pub enum Op {
    /// Pays an account, creating it.
    Pay(u16, u64),
    /// Sets a slot of a contract, to zero perhaps.
    Set(u16, u16, u64),
    /// Creates a contract with some storage.
    Create(u16, u8, Vec<(u16, u64)>),
    /// Destroys a contract with all its storage.
    Destroy(u16),
    /// Touches an account without changing it; EIP-161 deletes it if it is empty.
    Touch(u16),
}

pub fn op() -> impl Strategy<Value = Op> {
    let who = || prop_oneof![3 => 0u16..12, 1 => 0u16..400];
    let slot = || prop_oneof![2 => 0u16..8, 1 => 0u16..300];
    let value = || prop_oneof![1 => Just(0u64), 3 => 1u64..1000, 1 => any::<u64>()];
    prop_oneof![
        4 => (who(), value()).prop_map(|(who, value)| Op::Pay(who, value)),
        8 => (who(), slot(), value()).prop_map(|(who, slot, value)| Op::Set(who, slot, value)),
        3 => (who(), any::<u8>(), prop::collection::vec((slot(), value()), 0..20))
            .prop_map(|(who, code, slots)| Op::Create(who, code, slots)),
        1 => who().prop_map(Op::Destroy),
        1 => who().prop_map(Op::Touch),
    ]
}

pub fn address(n: u16) -> Address {
    Address::from_word(keccak256(n.to_be_bytes()))
}

pub fn slot(n: u16) -> B256 {
    B256::from(U256::from(n))
}

/// Executes a block of operations on the state in `db`, through revm's own state journal, and on
/// `world`.
pub fn execute(
    db: impl DatabaseRef<Error = StorageError>,
    world: &mut World,
    ops: &[Op],
) -> BundleState {
    let mut state = State::builder()
        .with_database_ref(db)
        .with_bundle_update()
        .build();
    for op in ops {
        execute_op(&mut state, world, op);
    }
    state.merge_transitions(BundleRetention::Reverts);
    state.take_bundle()
}

fn execute_op<DB: Database<Error = StorageError>>(
    state: &mut State<DB>,
    world: &mut World,
    op: &Op,
) {
    let (Op::Pay(who, _)
    | Op::Set(who, ..)
    | Op::Create(who, ..)
    | Op::Destroy(who)
    | Op::Touch(who)) = op;
    let address = address(*who);
    let info = state.basic(address).unwrap();
    let held = world.get(&address).cloned();
    assert_eq!(
        info.as_ref().map(Account::from),
        held.as_ref().map(Holding::account)
    );
    let existed = info.is_some();
    let mut account = EvmAccount::default();
    account.info = info.unwrap_or_default();
    account.status = AccountStatus::Touched;
    if !existed {
        account.status |= AccountStatus::LoadedAsNotExisting;
    }
    let mut holding = held.unwrap_or_default();
    let mut set = |holding: &mut Holding, n: u16, value: u64, original: U256| {
        let value = U256::from(value);
        if value.is_zero() {
            holding.slots.remove(&slot(n));
        } else {
            holding.slots.insert(slot(n), value);
        }
        let changed = EvmStorageSlot::new_changed(original, value, Default::default());
        account.storage.insert(U256::from(n), changed);
    };
    match op {
        Op::Pay(_, amount) => {
            account.info.balance = account.info.balance.wrapping_add(U256::from(*amount));
            holding.balance = account.info.balance;
        }
        Op::Touch(_) => {}
        Op::Set(_, n, value) => {
            if holding.code.is_empty() {
                return;
            }
            let original = state.storage(address, U256::from(*n)).unwrap();
            assert_eq!(
                original,
                holding.slots.get(&slot(*n)).copied().unwrap_or_default()
            );
            set(&mut holding, *n, *value, original);
        }
        Op::Create(_, code, slots) => {
            if !holding.code.is_empty() || holding.nonce > 0 {
                return;
            }
            holding.nonce = 1;
            holding.code = vec![0x60, *code, 0x50, 0x00].into();
            for (n, value) in slots {
                set(&mut holding, *n, *value, U256::ZERO);
            }
            let code = Bytecode::new_raw(holding.code.clone());
            account.info = AccountInfo::new(holding.balance, 1, code.hash_slow(), code);
            account.status |= AccountStatus::Created;
        }
        Op::Destroy(_) => {
            if holding.code.is_empty() {
                return;
            }
            account.status |= AccountStatus::SelfDestructed;
            holding = Holding::default();
        }
    }
    state.commit([(address, account)].into_iter().collect());
    // EIP-161: an account that was touched and is empty does not exist.
    if holding == Holding::default() {
        world.remove(&address);
    } else {
        world.insert(address, holding);
    }
}

pub fn genesis_world() -> World {
    let mut world = World::new();
    for n in 0..20u16 {
        let mut holding = Holding {
            balance: U256::from(1_000 + n),
            ..Holding::default()
        };
        if n.is_multiple_of(4) {
            holding.nonce = 1;
            holding.code = vec![0x00, n as u8].into();
            holding.slots = (1..=n).map(|s| (slot(s), U256::from(s))).collect();
        }
        world.insert(address(n), holding);
    }
    world
}

pub fn alloc_of(world: &World) -> BTreeMap<Address, GenesisAccount> {
    let account = |holding: &Holding| GenesisAccount {
        nonce: Some(holding.nonce),
        balance: holding.balance,
        code: (!holding.code.is_empty()).then(|| holding.code.clone()),
        storage: Some(
            holding
                .slots
                .iter()
                .map(|(k, v)| (*k, B256::from(*v)))
                .collect(),
        ),
        private_key: None,
    };
    world
        .iter()
        .map(|(address, holding)| (*address, account(holding)))
        .collect()
}

pub fn header(number: u64, parent: B256, state_root: B256, salt: u64) -> Header {
    Header {
        number,
        parent_hash: parent,
        state_root,
        timestamp: 1_700_000_000 + number,
        difficulty: U256::from(1 + salt % 2),
        gas_limit: 30_000_000,
        extra_data: Bytes::from(salt.to_be_bytes().to_vec()),
        base_fee_per_gas: Some(0),
        withdrawals_root: Some(alloy_trie::EMPTY_ROOT_HASH),
        blob_gas_used: Some(0),
        excess_blob_gas: Some(0),
        parent_beacon_block_root: Some(B256::ZERO),
        requests_hash: Some(alloy_eips::eip7685::EMPTY_REQUESTS_HASH),
        ..Header::default()
    }
}

pub fn genesis_header(world: &World) -> SealedHeader {
    SealedHeader::seal_slow(header(0, B256::ZERO, root_of(world), 0))
}

pub fn transaction(nonce: u64, bytes: usize) -> TransactionSigned {
    let tx = TxLegacy {
        chain_id: Some(57836),
        nonce,
        gas_price: 0,
        gas_limit: 100_000,
        to: TxKind::Call(address(1)),
        value: U256::from(nonce),
        input: vec![0xab; bytes].into(),
    };
    TransactionSigned::new_unhashed(tx.into(), Signature::test_signature())
}

/// A block on `parent` with the given state root, `transactions` transactions and their receipts.
pub fn block(
    parent: &SealedHeader,
    state_root: B256,
    transactions: u64,
    salt: u64,
) -> (RecoveredBlock, Vec<Receipt>) {
    let number = parent.number + 1;
    let id = |i: u64| number * 1_000_000 + salt * 1_000 + i;
    let body = BlockBody {
        transactions: (0..transactions)
            .map(|i| transaction(id(i), i as usize * 20))
            .collect(),
        ommers: Vec::new(),
        withdrawals: Some(Withdrawals::default()),
    };
    let receipts = (0..transactions).map(|i| Receipt {
        tx_type: TxType::Legacy,
        success: i % 2 == 0,
        cumulative_gas_used: 21_000 * (i + 1),
        logs: (0..i)
            .map(|topic| {
                let topics = vec![B256::with_last_byte(topic as u8)];
                Log::new_unchecked(address(2), topics, vec![0xcd; 100].into())
            })
            .collect(),
    });
    let senders = (0..transactions).map(|i| address(i as u16)).collect();
    let header = SealedHeader::seal_slow(header(number, parent.hash(), state_root, salt));
    let block = SealedBlock::from_sealed_parts(header, body);
    (
        RecoveredBlock::new_sealed(block, senders),
        receipts.collect(),
    )
}

/// What a block on `parent` that changes no state does to the state trie.
pub fn no_changes(parent: &SealedHeader) -> TrieUpdates {
    TrieUpdates {
        parent: parent.hash(),
        root: parent.state_root,
        ..TrieUpdates::default()
    }
}

/// A database with the states that it should hold.
#[derive(Debug)]
pub struct TestChain {
    pub storage: Storage,
    /// State after each block.
    pub worlds: Vec<World>,
    pub blocks: Vec<ExecutedBlock>,
    pub genesis: SealedHeader,
    salt: u64,
}

pub fn open(dir: &Path, world: &World) -> StorageResult<Storage> {
    open_with(dir, world, &StorageConfig::default())
}

pub fn open_with(dir: &Path, world: &World, config: &StorageConfig) -> StorageResult<Storage> {
    let identity = ChainIdentity {
        genesis_header: &genesis_header(world),
        alloc: &alloc_of(world),
        config_json: r#"{"chainId":57836}"#.to_owned(),
    };
    Storage::open_with(dir, identity, config)
}

impl TestChain {
    pub fn new(dir: &Path) -> Self {
        Self::new_with(dir, &StorageConfig::default())
    }

    pub fn new_with(dir: &Path, config: &StorageConfig) -> Self {
        let world = genesis_world();
        let storage = open_with(dir, &world, config).unwrap();
        let genesis = genesis_header(&world);
        Self {
            storage,
            worlds: vec![world],
            blocks: Vec::new(),
            genesis,
            salt: 0,
        }
    }

    pub fn head(&self) -> SealedHeader {
        self.blocks
            .last()
            .map_or_else(|| self.genesis.clone(), |b| b.block.clone_sealed_header())
    }

    /// The next block, executed but not stored.
    pub fn next(&mut self, ops: &[Op]) -> (ExecutedBlock, World) {
        let parent = self.head();
        let overlay = self.storage.overlay(parent.hash(), &[]).unwrap();
        let mut world = self.worlds.last().unwrap().clone();
        let executed = self.next_on(&parent, &overlay, &mut world, ops);
        (executed, world)
    }

    /// A block on `parent`, after which the state is `state` and `world`; the latter becomes that
    /// after the block.
    pub fn next_on(
        &mut self,
        parent: &SealedHeader,
        state: &Overlay,
        world: &mut World,
        ops: &[Op],
    ) -> ExecutedBlock {
        let number = parent.number + 1;
        let changes = execute(state.clone(), world, ops);
        let (root, trie) = state.state_root(&changes).unwrap();
        assert_eq!(root, root_of(world), "state root of block {number}");
        self.salt += 1;
        let (block, receipts) = block(parent, root, ops.len() as u64 % 5, self.salt);
        ExecutedBlock {
            block,
            receipts,
            state: changes,
            trie,
        }
    }

    pub fn append(&mut self, ops: &[Op]) {
        self.try_append(ops).unwrap();
    }

    /// Appends a block, or leaves everything as it is if it cannot be stored.
    pub fn try_append(&mut self, ops: &[Op]) -> StorageResult<()> {
        let (block, world) = self.next(ops);
        let mut writer = self.storage.writer()?;
        writer.append(&block)?;
        writer.commit()?;
        self.blocks.push(block);
        self.worlds.push(world);
        Ok(())
    }

    /// The database holds exactly the head's state, with a consistent trie.
    pub fn assert_head(&self) {
        let reader = self.storage.reader().unwrap();
        let head = self.head();
        assert_eq!(reader.head().unwrap(), head.num_hash());
        assert_eq!(reader.header(head.number).unwrap().as_ref(), Some(&head));
        assert_eq!(head.state_root, root_of(self.worlds.last().unwrap()));
        assert_eq!(reader.recompute_state_root().unwrap(), head.state_root);
        reader.verify().unwrap();
    }

    /// Every past state reads back: accounts, code and slots.
    pub fn assert_history(&self, addresses: impl IntoIterator<Item = u16>) {
        let addresses: Vec<_> = addresses.into_iter().map(address).collect();
        let reader = self.storage.reader().unwrap();
        for (number, world) in self.worlds.iter().enumerate() {
            let state = reader.state_at(number as u64).unwrap();
            for address in &addresses {
                let held = world.get(address).cloned();
                let account = state.account(address).unwrap();
                assert_eq!(
                    account,
                    held.as_ref().map(Holding::account),
                    "{address} at {number}"
                );
                let held = held.unwrap_or_default();
                if let Some(hash) = account.and_then(|account| account.bytecode_hash) {
                    let code = state.bytecode(&hash).unwrap().unwrap();
                    assert_eq!(code.original_bytes(), held.code);
                }
                for n in (0..9).chain([20, 100, 299]) {
                    let expected = held.slots.get(&slot(n)).copied().unwrap_or_default();
                    assert_eq!(state.storage_at(address, slot(n)).unwrap(), expected);
                }
                for (slot, expected) in &held.slots {
                    assert_eq!(state.storage_at(address, *slot).unwrap(), *expected);
                }
            }
        }
    }
}

/// Whatever a proof costs, it is wanted.
pub const ANY_COST: ProofBudget<'static> = ProofBudget {
    changes: usize::MAX,
    stop: &|| false,
};
