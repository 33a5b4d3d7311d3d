//! Every table of the database: its name, key and value.

use crate::{
    codec::{BodyIndex, Branch, HashedAccount, Key, Value},
    logs::{Mark, Marks},
};
use alloy_consensus::Header;
use alloy_primitives::{Address, B256, U256};
use nybbles::Nibbles;
use reth_primitives_traits::{Account, Bytecode};
use wattline_primitives::{Receipt, TransactionSigned};

/// Version of the layout below. Raise it with every change that older builds cannot read. There were
/// two before: 2, and 3 for the same layout with pruned states.
pub(crate) const SCHEMA_VERSION: u32 = 4;

/// A table of the database.
pub(crate) trait Table {
    /// Its name in the MDBX environment.
    const NAME: &'static str;
    /// Its place in [`NAMES`].
    const INDEX: usize;
    /// What it is sorted by.
    type Key: Key;
    /// What it holds.
    type Value: Value;
}

macro_rules! tables {
    ($($(#[$doc:meta])+ $name:ident: $key:ty => $value:ty;)+) => {
        #[derive(Clone, Copy)]
        enum Index { $($name),+ }

        /// Names of all tables, in the order of their declaration.
        pub(crate) const NAMES: &[&str] = &[$(stringify!($name)),+];

        $(
            $(#[$doc])+
            #[derive(Clone, Copy, Debug)]
            pub(crate) struct $name;

            impl Table for $name {
                const NAME: &'static str = stringify!($name);
                const INDEX: usize = Index::$name as usize;
                type Key = $key;
                type Value = $value;
            }
        )+
    };
}

tables! {
    /// Headers of the canonical chain by number.
    Headers: u64 => Header;
    /// Hashes of the canonical chain by number; the last is the head.
    CanonicalHashes: u64 => B256;
    /// Number of each canonical block by hash.
    HeaderNumbers: B256 => u64;
    /// First transaction and number of transactions of each canonical block by block number.
    BlockBodies: u64 => BodyIndex;
    /// Canonical transactions by their number, counted from the first of the chain.
    Transactions: u64 => TransactionSigned;
    /// Recovered sender by transaction number.
    TransactionSenders: u64 => Address;
    /// Receipt by transaction number.
    Receipts: u64 => Receipt;
    /// Block number and position in the block by transaction hash.
    TransactionHashNumbers: B256 => (u64, u64);
    /// What the logs of each whole section of blocks say, as sorted marks in parts: by number of
    /// the section and last mark of the part.
    LogSections: (u64, Mark) => Marks;
    /// The same of the blocks after the last whole section, by block number.
    RecentLogs: (u64, Mark) => Marks;
    /// Accounts of the head state by address.
    PlainAccounts: Address => Account;
    /// Non-zero storage of the head state by address and slot.
    PlainStorage: (Address, B256) => U256;
    /// Accounts of the head state with their storage roots by hash of the address: the leaves of
    /// the state trie.
    HashedAccounts: B256 => HashedAccount;
    /// Non-zero storage of the head state by hash of the address and hash of the slot: the leaves
    /// of the storage tries.
    HashedStorage: (B256, B256) => U256;
    /// Branch nodes of the state trie by path, those that lead to other branches.
    AccountTrie: Nibbles => Branch;
    /// Branch nodes of the storage tries by hash of the address and path.
    StorageTrie: (B256, Nibbles) => Branch;
    /// What each account that a block changed was before it, by block number and address.
    AccountChangeSets: (u64, Address) => Option<Account>;
    /// What each slot that a block changed was before it, by block number, address and slot.
    StorageChangeSets: (u64, Address, B256) => U256;
    /// Which blocks changed an account: one entry per address and block number.
    AccountHistory: (Address, u64) => ();
    /// Which blocks changed a slot: one entry per address, slot and block number.
    StorageHistory: (Address, B256, u64) => ();
    /// Contract code by hash, kept also when no account has it any more.
    Bytecodes: B256 => Bytecode;
    /// Consensus snapshots by block hash, in the consensus engine's own encoding.
    Snapshots: B256 => Vec<u8>;
    /// Blocks that are final but not part of the stored chain yet, by number: hash and contents in
    /// the agreement's own encoding.
    AheadBlocks: u64 => (B256, Vec<u8>);
    /// Finalization certificates by number of the block: its hash and the certificate in the
    /// agreement's own encoding. A block that became final through a later one has none.
    Certificates: u64 => (B256, Vec<u8>);
    /// Runs of blocks that all have a certificate: the last number by the first.
    CertifiedRanges: u64 => u64;
    /// Committees by epoch, in the agreement's own encoding.
    Committees: u64 => Vec<u8>;
    /// Evidence against validators, in the order in which it was found.
    Evidence: u64 => Vec<u8>;
    /// The last epoch that this node voted in, by node key.
    VotedEpochs: B256 => u64;
    /// Facts about the database itself, by the keys in [`meta`].
    Meta: u64 => Vec<u8>;
}

/// Keys of the [`Meta`] table.
pub(crate) mod meta {
    /// [`SCHEMA_VERSION`](super::SCHEMA_VERSION), as four big-endian bytes.
    pub(crate) const SCHEMA: u64 = 0;
    /// Hash of the genesis block.
    pub(crate) const GENESIS: u64 = 1;
    /// The chain configuration, as JSON.
    pub(crate) const CHAIN_CONFIG: u64 = 2;
    /// Number of the oldest block whose state can be read, as eight big-endian bytes; absent if
    /// nothing was pruned yet.
    pub(crate) const OLDEST_STATE: u64 = 3;
}
