//! Keys: fixed-size parts, big-endian, one after the other, so that MDBX's byte order is the order
//! of the parts.

use crate::logs::Mark;
use alloy_primitives::{Address, B256};
use nybbles::Nibbles;

/// Longest key: an account's hash and a full nibble path.
const MAX_KEY_LEN: usize = 32 + 64;

/// An encoded key, on the stack.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyBytes {
    bytes: [u8; MAX_KEY_LEN],
    len: usize,
}

impl KeyBytes {
    const fn new() -> Self {
        Self {
            bytes: [0; MAX_KEY_LEN],
            len: 0,
        }
    }

    /// Appends `part`, of which all callers together never give more than the array holds.
    fn push(mut self, part: &[u8]) -> Self {
        self.bytes[self.len..self.len + part.len()].copy_from_slice(part);
        self.len += part.len();
        self
    }

    /// The key of all of `parts`.
    pub(crate) fn of(parts: &[&[u8]]) -> Self {
        parts.iter().fold(Self::new(), |key, part| key.push(part))
    }
}

impl AsRef<[u8]> for KeyBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// A type that is the key of a table.
pub(crate) trait Key: Sized {
    /// The bytes under which MDBX sorts it.
    fn encode(&self) -> KeyBytes;
    /// The key of these bytes, unless they have another length than its keys have.
    fn decode(bytes: &[u8]) -> Option<Self>;
}

impl Key for u64 {
    fn encode(&self) -> KeyBytes {
        KeyBytes::of(&[&self.to_be_bytes()])
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        Some(Self::from_be_bytes(bytes.try_into().ok()?))
    }
}

impl Key for B256 {
    fn encode(&self) -> KeyBytes {
        KeyBytes::of(&[self.as_slice()])
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        Self::try_from(bytes).ok()
    }
}

impl Key for Address {
    fn encode(&self) -> KeyBytes {
        KeyBytes::of(&[self.as_slice()])
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        Self::try_from(bytes).ok()
    }
}

impl Key for Nibbles {
    /// One nibble per byte, so that a branch sorts right before the branches below it.
    fn encode(&self) -> KeyBytes {
        let mut key = KeyBytes::new();
        for nibble in 0..self.len() {
            key = key.push(&[self.get_unchecked(nibble)]);
        }
        key
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        (bytes.len() <= 64 && bytes.iter().all(|nibble| *nibble < 16))
            .then(|| Self::from_nibbles_unchecked(bytes))
    }
}

macro_rules! tuple_keys {
    ($(($($part:ident: $type:ty = $len:expr),+)),+ $(,)?) => {$(
        impl Key for ($($type,)+) {
            fn encode(&self) -> KeyBytes {
                let ($($part,)+) = self;
                KeyBytes::of(&[$($part.encode().as_ref()),+])
            }

            fn decode(bytes: &[u8]) -> Option<Self> {
                $(
                    let ($part, bytes) = bytes.split_at_checked($len.unwrap_or(bytes.len()))?;
                    let $part = <$type>::decode($part)?;
                )+
                bytes.is_empty().then_some(($($part,)+))
            }
        }
    )+};
}

const NUMBER: Option<usize> = Some(8);
const ADDRESS: Option<usize> = Some(20);
const HASH: Option<usize> = Some(32);
const REST: Option<usize> = None;

tuple_keys!(
    (address: Address = ADDRESS, slot: B256 = HASH),
    (address: B256 = HASH, slot: B256 = HASH),
    (address: B256 = HASH, path: Nibbles = REST),
    (run: u64 = NUMBER, last: Mark = REST),
    (block: u64 = NUMBER, address: Address = ADDRESS),
    (block: u64 = NUMBER, address: Address = ADDRESS, slot: B256 = HASH),
    (address: Address = ADDRESS, block: u64 = NUMBER),
    (address: Address = ADDRESS, slot: B256 = HASH, block: u64 = NUMBER),
);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn round_trip<K: Key + PartialEq + std::fmt::Debug>(key: &K) {
        let bytes = key.encode();
        assert_eq!(K::decode(bytes.as_ref()).as_ref(), Some(key));
        let mut longer = bytes.as_ref().to_vec();
        longer.push(0xff);
        assert_eq!(K::decode(&longer), None, "a byte too many must not decode");
    }

    proptest! {
        #[test]
        fn keys_round_trip_and_keep_their_order(
            number in any::<u64>(),
            address in any::<[u8; 20]>(),
            hash in any::<[u8; 32]>(),
            other in any::<[u8; 32]>(),
            nibbles in prop::collection::vec(0u8..16, 0..=64),
        ) {
            let (address, hash, other) = (Address::from(address), B256::from(hash), B256::from(other));
            let path = Nibbles::from_nibbles(&nibbles);
            round_trip(&number);
            round_trip(&address);
            round_trip(&hash);
            round_trip(&path);
            round_trip(&(address, hash));
            round_trip(&(hash, other));
            round_trip(&(hash, path));
            round_trip(&(number, address));
            round_trip(&(number, address, hash));
            round_trip(&(address, number));
            round_trip(&(address, hash, number));
            if let Some(next) = number.checked_add(1) {
                prop_assert!((address, number).encode().as_ref() < (address, next).encode().as_ref());
            }
            prop_assert_eq!(
                (hash, path).cmp(&(other, path)),
                (hash, path).encode().as_ref().cmp((other, path).encode().as_ref())
            );
        }
    }

    #[test]
    fn a_branch_sorts_before_the_branches_below_it() {
        let path = |nibbles: &[u8]| Nibbles::from_nibbles(nibbles).encode();
        assert!(path(&[]).as_ref() < path(&[0]).as_ref());
        assert!(path(&[1]).as_ref() < path(&[1, 0]).as_ref());
        assert!(path(&[1, 15]).as_ref() < path(&[2]).as_ref());
    }
}
