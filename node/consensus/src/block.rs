//! The block that the engine carries between nodes.

use alloy_rlp::Decodable;
use bytes::{BufMut, Bytes};
use commonware_codec::{Buf, EncodeSize, Error, RangeCfg, Read, Write, varint};
use commonware_consensus::{self as consensus, BoundedBlock, Heightable, types::Height};
use commonware_cryptography::{Digested, Digestible};
use wattline_evm::{BodyError, MAX_BLOCK_SIZE, validate_body};
use wattline_primitives::{Block, SealedBlock};

use crate::{BlockHash, rules::Rule};

/// Which blocks are taken in at all, whoever sends them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockLimits {
    /// Greatest size of a block's RLP in bytes.
    pub bytes: usize,
}

impl Default for BlockLimits {
    /// EIP-7934's bound, which the producer keeps too.
    fn default() -> Self {
        Self {
            bytes: MAX_BLOCK_SIZE,
        }
    }
}

/// Why bytes are no block. Says nothing yet about the rules of the chain.
#[derive(Debug, thiserror::Error)]
pub enum BlockError {
    /// They do not read as the RLP of a block.
    #[error("not the RLP of a block: {0}")]
    Rlp(#[from] alloy_rlp::Error),
    /// They read as a block that is written differently.
    #[error("a block of {got} bytes, written as {expected} bytes: expected its only encoding")]
    NotCanonical {
        /// Their number.
        got: usize,
        /// The number of bytes of the block's encoding.
        expected: usize,
    },
    /// The body is not the one that the header commits to.
    #[error(transparent)]
    Body(#[from] BodyError),
}

/// A sealed block with its encoding. Its body is the one that its header commits to: nodes keep
/// blocks by the hash of the header, so one with another body would take the true one's place, and
/// would get honest peers blocked for sending it on.
#[derive(Clone, Debug)]
pub struct AgreedBlock {
    block: SealedBlock,
    encoded: Bytes,
}

impl AgreedBlock {
    /// A block that was made or checked here.
    pub fn new(block: SealedBlock) -> Self {
        let encoded = alloy_rlp::encode(&block).into();
        Self { block, encoded }
    }

    /// Reads a block from its RLP.
    ///
    /// # Errors
    ///
    /// A [`BlockError`] unless `encoded` is the encoding of a block whose body fits its header.
    pub fn from_rlp(encoded: Bytes) -> Result<Self, BlockError> {
        let mut rest = encoded.as_ref();
        let block = SealedBlock::seal_slow(Block::decode(&mut rest)?);
        if !rest.is_empty() {
            return Err(alloy_rlp::Error::UnexpectedLength.into());
        }
        let expected = alloy_rlp::encode(&block);
        if expected != encoded {
            return Err(BlockError::NotCanonical {
                got: encoded.len(),
                expected: expected.len(),
            });
        }
        if Rule::CheckBody.holds() {
            validate_body(&block)?;
        }
        Ok(Self { block, encoded })
    }

    /// The block itself.
    pub const fn block(&self) -> &SealedBlock {
        &self.block
    }

    /// Its RLP.
    pub const fn rlp(&self) -> &Bytes {
        &self.encoded
    }

    /// The block as the engine passes it on: shared, with its hash.
    pub fn digested(self) -> Digested<Self> {
        let hash = self.digest();
        Digested::precomputed(self, hash)
    }
}

impl PartialEq for AgreedBlock {
    fn eq(&self, other: &Self) -> bool {
        self.digest() == other.digest()
    }
}

impl Eq for AgreedBlock {}

impl Write for AgreedBlock {
    fn write(&self, buf: &mut impl BufMut) {
        self.encoded.write(buf);
    }
}

impl EncodeSize for AgreedBlock {
    fn encode_size(&self) -> usize {
        self.encoded.encode_size()
    }
}

impl Read for AgreedBlock {
    type Cfg = BlockLimits;

    fn read_cfg(buf: &mut impl Buf, limits: &BlockLimits) -> Result<Self, Error> {
        let encoded = Bytes::read_cfg(buf, &RangeCfg::from(..=limits.bytes))?;
        Self::from_rlp(encoded).map_err(|error| Error::Wrapped("block", Box::new(error)))
    }
}

impl Digestible for AgreedBlock {
    type Digest = BlockHash;

    fn digest(&self) -> BlockHash {
        BlockHash(self.block.hash())
    }
}

impl Heightable for AgreedBlock {
    fn height(&self) -> Height {
        Height::new(self.block.number)
    }
}

impl consensus::Block for AgreedBlock {
    fn parent(&self) -> BlockHash {
        BlockHash(self.block.parent_hash)
    }
}

impl BoundedBlock for AgreedBlock {
    fn max_encode_size(limits: &BlockLimits) -> usize {
        varint::MAX_U32_VARINT_SIZE + limits.bytes
    }
}
