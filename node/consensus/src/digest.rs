//! The hash of a block as the engine wants it.

use std::{fmt, ops::Deref};

use alloy_primitives::B256;
use commonware_codec::{Buf, Error, FixedSize, Read, ReadExt as _, Write};
use commonware_cryptography::Digest;
use commonware_math::algebra::Random;
use commonware_utils::{Array, Span};

/// What the engine agrees on: the hash of a sealed block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockHash(pub B256);

impl fmt::Display for BlockHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Deref for BlockHash {
    type Target = [u8];

    fn deref(&self) -> &Self::Target {
        self.0.as_slice()
    }
}

impl AsRef<[u8]> for BlockHash {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl FixedSize for BlockHash {
    const SIZE: usize = 32;
}

impl Write for BlockHash {
    fn write(&self, buf: &mut impl bytes::BufMut) {
        self.0.0.write(buf);
    }
}

impl Read for BlockHash {
    type Cfg = ();

    fn read_cfg(buf: &mut impl Buf, (): &()) -> Result<Self, Error> {
        Ok(Self(B256::new(<[u8; 32]>::read(buf)?)))
    }
}

impl Random for BlockHash {
    fn random(mut rng: impl rand_core::CryptoRng) -> Self {
        let mut hash = B256::ZERO;
        rng.fill_bytes(hash.as_mut_slice());
        Self(hash)
    }
}

impl Span for BlockHash {}
impl Array for BlockHash {}

impl Digest for BlockHash {
    const EMPTY: Self = Self(B256::ZERO);
}
