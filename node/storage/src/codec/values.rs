//! Values: Reth's compact encoding where Reth has one, fixed-size fields otherwise.
//!
//! Reth's decoders trust their input and panic on bytes of another shape. A damaged database must
//! end in an error instead, so the small, hot values are measured before they are decoded, and the
//! others are decoded with the panic caught.

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, U256};
use alloy_trie::EMPTY_ROOT_HASH;
use reth_codecs::Compact;
use reth_primitives_traits::{Account, Bytecode};
use std::panic::{AssertUnwindSafe, catch_unwind};
use wattline_primitives::{Receipt, TransactionSigned};

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

impl Value for (B256, Vec<u8>) {
    fn encode(&self, out: &mut Vec<u8>) {
        Value::encode(&self.0, out);
        Value::encode(&self.1, out);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (hash, contents) = bytes.split_at_checked(B256::len_bytes())?;
        Some((Value::decode(hash)?, contents.to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::{Bytes, KECCAK256_EMPTY, Log, Signature};
    use proptest::prelude::*;
    use std::fmt::Debug;

    fn round_trip<V: Value + PartialEq + Debug>(value: &V) -> Vec<u8> {
        let mut bytes = Vec::new();
        value.encode(&mut bytes);
        assert_eq!(V::decode(&bytes).as_ref(), Some(value));
        bytes
    }

    /// Every truncation, and a byte too many, is refused.
    fn refuses_other_lengths<V: Value + PartialEq + Debug>(value: &V) {
        let mut bytes = round_trip(value);
        for len in 0..bytes.len() {
            assert_eq!(
                V::decode(&bytes[..len]),
                None,
                "{len} of {} bytes",
                bytes.len()
            );
        }
        bytes.push(0);
        assert_eq!(V::decode(&bytes), None);
    }

    fn word() -> impl Strategy<Value = U256> {
        prop_oneof![
            Just(U256::ZERO),
            Just(U256::MAX),
            any::<u64>().prop_map(U256::from),
            any::<[u8; 32]>().prop_map(U256::from_be_bytes),
        ]
    }

    fn account() -> impl Strategy<Value = Account> {
        let nonce = prop_oneof![Just(0), any::<u64>()];
        (nonce, word(), prop::option::of(any::<[u8; 32]>())).prop_map(|(nonce, balance, code)| {
            Account {
                nonce,
                balance,
                bytecode_hash: code.map(B256::from),
            }
        })
    }

    proptest! {
        #[test]
        fn accounts_round_trip_and_other_lengths_are_refused(account in account()) {
            refuses_other_lengths(&account);
        }

        #[test]
        fn hashed_accounts_round_trip(account in account(), root in any::<[u8; 32]>()) {
            for storage_root in [EMPTY_ROOT_HASH, B256::from(root)] {
                round_trip(&HashedAccount { account, storage_root });
            }
        }

        #[test]
        fn previous_accounts_round_trip(account in prop::option::of(account())) {
            round_trip(&account);
        }

        #[test]
        fn words_round_trip(word in word()) {
            round_trip(&word);
        }

        #[test]
        fn no_bytes_make_a_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            // What these return does not matter, only that they do.
            let _ = Account::decode(&bytes);
            let _ = <Option<Account>>::decode(&bytes);
            let _ = HashedAccount::decode(&bytes);
            let _ = super::super::Branch::decode(&bytes);
            let _ = U256::decode(&bytes);
            let _ = BodyIndex::decode(&bytes);
        }
    }

    #[test]
    fn fixed_size_values_refuse_other_lengths() {
        refuses_other_lengths(&7u64);
        refuses_other_lengths(&B256::repeat_byte(1));
        refuses_other_lengths(&Address::repeat_byte(1));
        refuses_other_lengths(&(3u64, 4u64));
        refuses_other_lengths(&BodyIndex { first: 1, count: 2 });
    }

    #[test]
    fn contents_with_a_hash_round_trip_and_lack_no_part_of_the_hash() {
        for contents in [vec![], vec![7; 300]] {
            let bytes = round_trip(&(B256::repeat_byte(1), contents));
            assert_eq!(<(B256, Vec<u8>)>::decode(&bytes[..31]), None);
        }
    }

    #[test]
    fn a_full_header_keeps_its_hash() {
        let header = Header {
            parent_hash: B256::repeat_byte(1),
            ommers_hash: alloy_consensus::constants::EMPTY_OMMER_ROOT_HASH,
            beneficiary: Address::repeat_byte(2),
            state_root: B256::repeat_byte(3),
            transactions_root: B256::repeat_byte(4),
            receipts_root: B256::repeat_byte(5),
            difficulty: U256::from(2),
            number: 30_000,
            gas_limit: 60_000_000,
            gas_used: 21_000,
            timestamp: 1_790_000_000,
            extra_data: Bytes::from(vec![9; 32 + 4 * 20 + 65]),
            mix_hash: B256::ZERO,
            nonce: [0xff; 8].into(),
            base_fee_per_gas: Some(0),
            withdrawals_root: Some(EMPTY_ROOT_HASH),
            blob_gas_used: Some(0),
            excess_blob_gas: Some(0),
            parent_beacon_block_root: Some(B256::ZERO),
            requests_hash: Some(alloy_eips::eip7685::EMPTY_REQUESTS_HASH),
            ..Header::default()
        };
        let mut bytes = Vec::new();
        Value::encode(&header, &mut bytes);
        let decoded = <Header as Value>::decode(&bytes).map(|header| header.hash_slow());
        assert_eq!(decoded, Some(header.hash_slow()));
    }

    #[test]
    fn damaged_headers_transactions_receipts_and_code_are_refused() {
        assert_eq!(<Header as Value>::decode(&[0xff; 9]), None);
        assert_eq!(<TransactionSigned as Value>::decode(&[]), None);
        assert_eq!(<Receipt as Value>::decode(&[]), None);
        assert_eq!(<Bytecode as Value>::decode(&[0, 0, 0, 9, 1]), None);
        assert_eq!(<Bytecode as Value>::decode(&[0, 0, 0, 0, 3]), None);

        let tx = alloy_consensus::TxLegacy {
            input: vec![5; 300].into(),
            ..Default::default()
        };
        let tx = TransactionSigned::new_unhashed(tx.into(), Signature::test_signature());
        let bytes = round_trip(&tx);
        assert_eq!(<TransactionSigned as Value>::decode(&bytes[..40]), None);
        let log = Log::new_unchecked(Address::ZERO, vec![B256::ZERO], vec![1; 99].into());
        let receipt = Receipt {
            logs: vec![log],
            ..Receipt::default()
        };
        let bytes = round_trip(&receipt);
        assert_eq!(<Receipt as Value>::decode(&bytes[..6]), None);
    }

    #[test]
    fn code_round_trips() {
        for code in [vec![], vec![0x60, 1, 0x5b, 0], vec![0x5b; 24_576]] {
            round_trip(&Bytecode::new_raw(code.into()));
        }
        let delegation = [&[0xef, 0x01, 0x00][..], &[7; 20]].concat();
        let code = Bytecode::new_raw(delegation.into());
        assert!(code.is_eip7702());
        assert_ne!(code.hash_slow(), KECCAK256_EMPTY);
        round_trip(&code);
    }
}
