//! Hashed keys as paths.

use alloy_primitives::B256;
use nybbles::Nibbles;

/// Nibbles of a hashed key; a branch is always above that.
pub(super) const KEY_NIBBLES: usize = 64;

/// The first key under `path`.
pub(super) fn lowest_key(path: &Nibbles) -> B256 {
    let mut key = B256::ZERO;
    path.pack_to(key.as_mut_slice());
    key
}

/// Whether `path` leads to `key`.
pub(super) fn is_below(key: &B256, path: &Nibbles) -> bool {
    Nibbles::unpack(key).starts_with(path)
}

/// Nibble of `key` at `depth`, which is less than [`KEY_NIBBLES`].
pub(super) fn nibble_of(key: &B256, depth: usize) -> u8 {
    let byte = key[depth / 2];
    if depth.is_multiple_of(2) {
        byte >> 4
    } else {
        byte & 0xf
    }
}

/// Splits `changes`, which all lie under `path`, by the nibble that follows it.
pub(super) fn by_nibble<'a, T>(path: &Nibbles, changes: &'a [(B256, T)]) -> [&'a [(B256, T)]; 16] {
    let mut rest = changes;
    let mut nibble = 0;
    [(); 16].map(|()| {
        let end = rest.partition_point(|(key, _)| nibble_of(key, path.len()) <= nibble);
        let (here, after) = rest.split_at(end);
        rest = after;
        nibble += 1;
        here
    })
}
