//! Reads a chain file: RLP blocks one after another, without loading the file whole.

use std::io::{self, BufRead, Read};

use alloy_rlp::Decodable;
use thiserror::Error;
use wattline_primitives::Block;

/// No block is larger: EIP-7934 limits blocks to 8 MiB and a little of room for the header.
const MAX_BLOCK_BYTES: usize = 16 * 1024 * 1024;
/// The longest RLP list prefix: one byte and eight bytes of length.
const MAX_PREFIX_BYTES: usize = 9;

/// Why a chain file cannot be read on.
#[derive(Debug, Error)]
pub(crate) enum ChainFileError {
    #[error("the file cannot be read at byte {position}: {source}")]
    Io { position: u64, source: io::Error },
    #[error("the file ends within a block that starts at byte {position}; it was cut off")]
    CutOff { position: u64 },
    #[error("no block starts at byte {position}: {source}")]
    NotABlock {
        position: u64,
        source: alloy_rlp::Error,
    },
    #[error(
        "the block at byte {position} claims {bytes} bytes; at most {MAX_BLOCK_BYTES} are allowed"
    )]
    TooLarge { position: u64, bytes: usize },
}

/// Blocks of a chain file, in their order.
#[derive(Debug)]
pub(crate) struct BlockReader<R> {
    input: R,
    position: u64,
    buffer: Vec<u8>,
}

impl<R: BufRead> BlockReader<R> {
    /// Reads from the start of `input`.
    pub(crate) const fn new(input: R) -> Self {
        Self {
            input,
            position: 0,
            buffer: Vec::new(),
        }
    }

    /// Bytes read so far.
    pub(crate) const fn position(&self) -> u64 {
        self.position
    }

    /// The next block; `None` at the end of the file.
    ///
    /// # Errors
    ///
    /// See [`ChainFileError`].
    pub(crate) fn next_block(&mut self) -> Result<Option<Block>, ChainFileError> {
        let position = self.position;
        let at_end = self
            .input
            .fill_buf()
            .map_err(|source| ChainFileError::Io { position, source })?
            .is_empty();
        if at_end {
            return Ok(None);
        }

        self.buffer.clear();
        self.read_to_length(1)?;
        // 0xf8..=0xff announce how many bytes of length follow; below, the length is in the byte.
        let prefix = match self.buffer.first() {
            Some(&first) if first > 0xf7 => 1 + usize::from(first - 0xf7),
            _ => 1,
        };
        self.read_to_length(prefix.min(MAX_PREFIX_BYTES))?;
        let payload = payload_length(&self.buffer)
            .map_err(|source| ChainFileError::NotABlock { position, source })?;
        let bytes = prefix.saturating_add(payload);
        if bytes > MAX_BLOCK_BYTES {
            return Err(ChainFileError::TooLarge { position, bytes });
        }
        self.read_to_length(bytes)?;
        self.position += bytes as u64;
        Block::decode(&mut self.buffer.as_slice())
            .map(Some)
            .map_err(|source| ChainFileError::NotABlock { position, source })
    }

    /// Reads until the buffer holds `length` bytes of the current block.
    fn read_to_length(&mut self, length: usize) -> Result<(), ChainFileError> {
        let missing = length.saturating_sub(self.buffer.len()) as u64;
        let read = (&mut self.input)
            .take(missing)
            .read_to_end(&mut self.buffer)
            .map_err(|source| ChainFileError::Io {
                position: self.position,
                source,
            })?;
        if (read as u64) < missing {
            return Err(ChainFileError::CutOff {
                position: self.position,
            });
        }
        Ok(())
    }
}

/// The length an RLP list prefix announces. `alloy_rlp::Header::decode` also wants the payload
/// itself to be there, which it is not yet, so only the prefix rules are applied here.
fn payload_length(prefix: &[u8]) -> alloy_rlp::Result<usize> {
    match prefix {
        [first @ 0xc0..=0xf7] => Ok(usize::from(first - 0xc0)),
        [0xf8..=0xff, length @ ..] => {
            if length.first() == Some(&0) {
                return Err(alloy_rlp::Error::LeadingZero);
            }
            let length = length
                .iter()
                .fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
            usize::try_from(length).map_err(|_| alloy_rlp::Error::Overflow)
        }
        _ => Err(alloy_rlp::Error::UnexpectedString),
    }
}

#[cfg(test)]
mod tests {
    use alloy_rlp::Encodable;

    use super::*;

    fn file_of(blocks: &[Block]) -> Vec<u8> {
        let mut bytes = Vec::new();
        blocks.iter().for_each(|block| block.encode(&mut bytes));
        bytes
    }

    fn numbered(number: u64) -> Block {
        let mut block = Block::default();
        block.header.number = number;
        block
    }

    #[test]
    fn blocks_come_back_in_order() {
        let bytes = file_of(&[numbered(1), numbered(2)]);
        let mut reader = BlockReader::new(bytes.as_slice());
        assert_eq!(reader.next_block().unwrap(), Some(numbered(1)));
        assert_eq!(reader.next_block().unwrap(), Some(numbered(2)));
        assert_eq!(reader.next_block().unwrap(), None);
        assert_eq!(reader.position(), bytes.len() as u64);
    }

    #[test]
    fn a_file_that_was_cut_off_is_told_from_one_that_holds_no_blocks() {
        let bytes = file_of(&[numbered(1)]);
        let mut cut = BlockReader::new(&bytes[..bytes.len() - 1]);
        assert!(matches!(
            cut.next_block(),
            Err(ChainFileError::CutOff { position: 0 })
        ));

        let mut text = BlockReader::new(&b"not a chain"[..]);
        assert!(matches!(
            text.next_block(),
            Err(ChainFileError::NotABlock { position: 0, .. })
        ));
    }

    #[test]
    fn a_block_that_claims_to_be_huge_is_not_read() {
        let mut reader = BlockReader::new(&[0xff, 1, 0, 0, 0, 0, 0, 0, 0][..]);
        assert!(matches!(
            reader.next_block(),
            Err(ChainFileError::TooLarge { .. })
        ));
    }
}
