//! Values: Reth's compact encoding where Reth has one, fixed-size fields otherwise.
//!
//! Reth's decoders trust their input and panic on bytes of another shape. A damaged database must
//! end in an error instead, so the small, hot values are measured before they are decoded, and the
//! others are decoded with the panic caught.

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, U256};
use alloy_trie::{BranchNodeCompact, EMPTY_ROOT_HASH, TrieMask};
use reth_codecs::Compact;
use reth_primitives_traits::{Account, Bytecode};
use std::panic::{AssertUnwindSafe, catch_unwind};
use wattline_primitives::{Block, Receipt, TransactionSigned};

/// A type that is the value of a table.
pub(crate) trait Value: Sized {
    /// Appends the value's bytes to `out`.
    fn encode(&self, out: &mut Vec<u8>);
    /// The value of these bytes, unless they are not the bytes of one.
    fn decode(bytes: &[u8]) -> Option<Self>;
}

/// Where a block's transactions are in the table of transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BodyIndex {
    /// Number of its first transaction.
    pub(crate) first: u64,
    /// How many it has.
    pub(crate) count: u64,
}

impl BodyIndex {
    /// Number of the transaction that follows the block's last.
    pub(crate) const fn end(&self) -> u64 {
        self.first.saturating_add(self.count)
    }
}

/// An account with the root of its storage: all that its leaf in the state trie says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HashedAccount {
    /// Nonce, balance and code hash.
    pub(crate) account: Account,
    /// Root of its storage trie.
    pub(crate) storage_root: B256,
}

/// A seal that this node's signer was about to release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct JournaledSeal {
    /// Number of the sealed block.
    pub(crate) number: u64,
    /// Hash that was signed.
    pub(crate) seal_hash: B256,
}

/// Decodes with one of Reth's panicking decoders.
fn decode_compact<T: Compact>(bytes: &[u8]) -> Option<T> {
    catch_unwind(AssertUnwindSafe(|| T::from_compact(bytes, bytes.len()).0)).ok()
}

macro_rules! compact_values {
    ($($type:ty),+) => {$(
        impl Value for $type {
            fn encode(&self, out: &mut Vec<u8>) {
                self.to_compact(out);
            }

            fn decode(bytes: &[u8]) -> Option<Self> {
                decode_compact(bytes)
            }
        }
    )+};
}

compact_values!(Header, TransactionSigned, Receipt, Bytecode);

impl Value for () {
    fn encode(&self, _out: &mut Vec<u8>) {}

    fn decode(bytes: &[u8]) -> Option<Self> {
        bytes.is_empty().then_some(())
    }
}

impl Value for Vec<u8> {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        Some(bytes.to_vec())
    }
}

impl Value for u64 {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_be_bytes());
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        Some(Self::from_be_bytes(bytes.try_into().ok()?))
    }
}

impl Value for B256 {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_slice());
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        Self::try_from(bytes).ok()
    }
}

impl Value for Address {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_slice());
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        Self::try_from(bytes).ok()
    }
}

impl Value for U256 {
    fn encode(&self, out: &mut Vec<u8>) {
        self.to_compact(out);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        (bytes.len() <= 32).then(|| Self::from_compact(bytes, bytes.len()).0)
    }
}

/// Length of a compact account at the start of `bytes`, unless they are too short for one.
///
/// Reth packs the byte lengths of nonce (4 bits) and balance (6 bits) and the presence of a code
/// hash (1 bit) into the first two bytes.
fn compact_account_len(bytes: &[u8]) -> Option<usize> {
    let flags = u16::from_le_bytes([*bytes.first()?, *bytes.get(1)?]);
    let (nonce, balance, code) = (flags & 0xf, (flags >> 4) & 0x3f, (flags >> 10) & 1);
    let len = 2 + usize::from(nonce) + usize::from(balance) + 32 * usize::from(code);
    (nonce <= 8 && balance <= 32 && flags >> 11 == 0 && bytes.len() >= len).then_some(len)
}

impl Value for Account {
    fn encode(&self, out: &mut Vec<u8>) {
        self.to_compact(out);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        (compact_account_len(bytes)? == bytes.len())
            .then(|| Self::from_compact(bytes, bytes.len()).0)
    }
}

impl Value for Option<Account> {
    /// Nothing at all for an account that does not exist.
    fn encode(&self, out: &mut Vec<u8>) {
        if let Some(account) = self {
            account.to_compact(out);
        }
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.is_empty() {
            Some(None)
        } else {
            Account::decode(bytes).map(Some)
        }
    }
}

impl Value for HashedAccount {
    /// The account, then the storage root unless it is that of an empty storage.
    fn encode(&self, out: &mut Vec<u8>) {
        self.account.to_compact(out);
        if self.storage_root != EMPTY_ROOT_HASH {
            out.extend_from_slice(self.storage_root.as_slice());
        }
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (account, root) = bytes.split_at_checked(compact_account_len(bytes)?)?;
        let storage_root = if root.is_empty() {
            EMPTY_ROOT_HASH
        } else {
            B256::try_from(root).ok()?
        };
        Some(Self {
            account: Account::from_compact(account, account.len()).0,
            storage_root,
        })
    }
}

impl Value for BranchNodeCompact {
    fn encode(&self, out: &mut Vec<u8>) {
        self.to_compact(out);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mask = |at: usize| {
            Some(TrieMask::new(u16::from_be_bytes([
                *bytes.get(at)?,
                *bytes.get(at + 1)?,
            ])))
        };
        let (state, tree, hash) = (mask(0)?, mask(2)?, mask(4)?);
        let hashes = bytes.len().checked_sub(6)?;
        let well_formed = tree.is_subset_of(state)
            && hash.is_subset_of(state)
            && hashes.is_multiple_of(32)
            && (hashes / 32 == hash.len() || hashes / 32 == hash.len() + 1);
        well_formed.then(|| Self::from_compact(bytes, bytes.len()).0)
    }
}

impl Value for Block {
    /// RLP, as blocks travel.
    fn encode(&self, out: &mut Vec<u8>) {
        alloy_rlp::Encodable::encode(self, out);
    }

    fn decode(mut bytes: &[u8]) -> Option<Self> {
        let block = <Self as alloy_rlp::Decodable>::decode(&mut bytes).ok()?;
        bytes.is_empty().then_some(block)
    }
}

impl Value for BodyIndex {
    fn encode(&self, out: &mut Vec<u8>) {
        Value::encode(&self.first, out);
        Value::encode(&self.count, out);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (first, count) = bytes.split_at_checked(8)?;
        Some(Self {
            first: Value::decode(first)?,
            count: Value::decode(count)?,
        })
    }
}

impl Value for (u64, u64) {
    fn encode(&self, out: &mut Vec<u8>) {
        Value::encode(&self.0, out);
        Value::encode(&self.1, out);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (first, second) = bytes.split_at_checked(8)?;
        Some((Value::decode(first)?, Value::decode(second)?))
    }
}

impl Value for JournaledSeal {
    fn encode(&self, out: &mut Vec<u8>) {
        Value::encode(&self.number, out);
        Value::encode(&self.seal_hash, out);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (number, seal_hash) = bytes.split_at_checked(8)?;
        Some(Self {
            number: Value::decode(number)?,
            seal_hash: Value::decode(seal_hash)?,
        })
    }
}
