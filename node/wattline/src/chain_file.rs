//! Reads a chain file: RLP blocks one after another, and after some of them the certificate that
//! proves the block before it final, as an RLP string. Nothing loads the file whole.

use std::io::{self, BufRead, Read, Seek, SeekFrom};

use alloy_primitives::{B256, BlockNumber};
use alloy_rlp::{Decodable, Header};
use thiserror::Error;
use wattline_primitives::{Block, SealedBlock};

/// No block is larger: EIP-7934 limits blocks to 8 MiB and a little of room for the header.
const MAX_ITEM_BYTES: usize = 16 * 1024 * 1024;
/// The longest RLP prefix: one byte and eight bytes of length.
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
        "the block at byte {position} claims {bytes} bytes; at most {MAX_ITEM_BYTES} are allowed"
    )]
    TooLarge { position: u64, bytes: usize },
    #[error("the certificate at byte {position} follows no block")]
    StrayCertificate { position: u64 },
    #[error(
        "block {number} does not follow block {before} of the file: its parent is {parent}, \
         expected {expected}"
    )]
    Unlinked {
        number: BlockNumber,
        before: BlockNumber,
        parent: B256,
        expected: B256,
    },
}

/// What stands in a chain file.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Item {
    Block(Box<Block>),
    Certificate(Vec<u8>),
}

/// Blocks of a chain file that are proven final together, or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    /// Number and hash of each block, which follow one another.
    pub(crate) blocks: Vec<(BlockNumber, B256)>,
    /// The certificate of the last of them.
    pub(crate) certificate: Option<Vec<u8>>,
    /// Where the first of them starts.
    position: u64,
}

/// Reads a chain file, segment by segment.
#[derive(Debug)]
pub(crate) struct ChainFile<R> {
    input: R,
    position: u64,
    buffer: Vec<u8>,
}

impl<R: BufRead + Seek> ChainFile<R> {
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

    /// The next segment: the blocks up to the next certificate, or the next `unproven` ones if none
    /// comes before; `None` at the end of the file. Blocks themselves are read by
    /// [`rewind`](Self::rewind) and [`next_block`](Self::next_block): a segment may be large.
    ///
    /// # Errors
    ///
    /// See [`ChainFileError`].
    pub(crate) fn next_segment(
        &mut self,
        unproven: usize,
    ) -> Result<Option<Segment>, ChainFileError> {
        let mut segment = Segment {
            blocks: Vec::new(),
            certificate: None,
            position: self.position,
        };
        let mut last: Option<(BlockNumber, B256)> = None;
        while segment.blocks.len() < unproven {
            let position = self.position;
            match self.next_item()? {
                Some(Item::Block(block)) => {
                    let block = SealedBlock::seal_slow(*block);
                    let (number, hash, parent) = (block.number, block.hash(), block.parent_hash);
                    if let Some((before, expected)) = last.replace((number, hash))
                        && (parent, Some(number)) != (expected, before.checked_add(1))
                    {
                        return Err(ChainFileError::Unlinked {
                            number,
                            before,
                            parent,
                            expected,
                        });
                    }
                    segment.blocks.push((number, hash));
                }
                Some(Item::Certificate(_)) if segment.blocks.is_empty() => {
                    return Err(ChainFileError::StrayCertificate { position });
                }
                Some(Item::Certificate(certificate)) => {
                    segment.certificate = Some(certificate);
                    break;
                }
                None => break,
            }
        }
        Ok((!segment.blocks.is_empty()).then_some(segment))
    }

    /// Goes back to the first block of a segment.
    ///
    /// # Errors
    ///
    /// [`ChainFileError::Io`].
    pub(crate) fn rewind(&mut self, segment: &Segment) -> Result<(), ChainFileError> {
        let position = segment.position;
        self.input
            .seek(SeekFrom::Start(position))
            .map_err(|source| ChainFileError::Io { position, source })?;
        self.position = position;
        Ok(())
    }

    /// The next block; certificates before it are passed over. `None` at the end of the file.
    ///
    /// # Errors
    ///
    /// See [`ChainFileError`].
    pub(crate) fn next_block(&mut self) -> Result<Option<Block>, ChainFileError> {
        loop {
            match self.next_item()? {
                Some(Item::Block(block)) => return Ok(Some(*block)),
                Some(Item::Certificate(_)) => {}
                None => return Ok(None),
            }
        }
    }

    fn next_item(&mut self) -> Result<Option<Item>, ChainFileError> {
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
        // 0xb8..=0xbf and 0xf8..=0xff announce how many bytes of length follow; below, the length
        // is in the byte.
        let prefix = match self.buffer.first() {
            Some(&first @ 0xb8..=0xbf) => 1 + usize::from(first - 0xb7),
            Some(&first @ 0xf8..=0xff) => 1 + usize::from(first - 0xf7),
            _ => 1,
        };
        self.read_to_length(prefix.min(MAX_PREFIX_BYTES))?;
        let payload = payload_length(&self.buffer)
            .map_err(|source| ChainFileError::NotABlock { position, source })?;
        let bytes = prefix.saturating_add(payload);
        if bytes > MAX_ITEM_BYTES {
            return Err(ChainFileError::TooLarge { position, bytes });
        }
        self.read_to_length(bytes)?;
        self.position += bytes as u64;
        let item = if self.buffer.first() < Some(&0xc0) {
            Header::decode_bytes(&mut self.buffer.as_slice(), false)
                .map(|certificate| Item::Certificate(certificate.to_vec()))
        } else {
            Block::decode(&mut self.buffer.as_slice()).map(|block| Item::Block(Box::new(block)))
        };
        item.map(Some)
            .map_err(|source| ChainFileError::NotABlock { position, source })
    }

    /// Reads until the buffer holds `length` bytes of the current item.
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

/// The length that an RLP prefix announces. `alloy_rlp::Header::decode` also wants the payload
/// itself to be there, which it is not yet, so only the prefix rules are applied here. No
/// certificate is so short that it has no prefix.
fn payload_length(prefix: &[u8]) -> alloy_rlp::Result<usize> {
    match prefix {
        [first @ 0x80..=0xb7] => Ok(usize::from(first - 0x80)),
        [first @ 0xc0..=0xf7] => Ok(usize::from(first - 0xc0)),
        [0xb8..=0xbf | 0xf8..=0xff, length @ ..] => {
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
    use std::io::Cursor;

    use alloy_rlp::Encodable;

    use super::*;

    fn chain(numbers: std::ops::RangeInclusive<u64>) -> Vec<Block> {
        let mut parent = B256::ZERO;
        numbers
            .map(|number| {
                let mut block = Block::default();
                block.header.number = number;
                block.header.parent_hash = parent;
                parent = block.header.hash_slow();
                block
            })
            .collect()
    }

    fn file_of(blocks: &[Block]) -> Vec<u8> {
        let mut bytes = Vec::new();
        blocks.iter().for_each(|block| block.encode(&mut bytes));
        bytes
    }

    fn open(bytes: &[u8]) -> ChainFile<Cursor<&[u8]>> {
        ChainFile::new(Cursor::new(bytes))
    }

    #[test]
    fn blocks_come_back_in_order_up_to_each_certificate() {
        let blocks = chain(1..=3);
        let mut bytes = file_of(&blocks[..2]);
        let certificate = vec![7_u8; 300];
        certificate.as_slice().encode(&mut bytes);
        blocks[2].encode(&mut bytes);

        let mut file = open(&bytes);
        let first = file.next_segment(usize::MAX).unwrap().unwrap();
        assert_eq!(first.blocks.len(), 2);
        assert_eq!(first.blocks[1], (2, blocks[1].header.hash_slow()));
        assert_eq!(first.certificate, Some(certificate));
        let second = file.next_segment(usize::MAX).unwrap().unwrap();
        assert_eq!(second.blocks, [(3, blocks[2].header.hash_slow())]);
        assert_eq!(second.certificate, None);
        assert_eq!(file.next_segment(usize::MAX).unwrap(), None);
        assert_eq!(file.position(), bytes.len() as u64);

        file.rewind(&first).unwrap();
        for block in blocks {
            assert_eq!(file.next_block().unwrap(), Some(block));
        }
        assert_eq!(file.next_block().unwrap(), None);
    }

    #[test]
    fn without_certificates_blocks_come_in_parts() {
        let bytes = file_of(&chain(1..=5));
        let mut file = open(&bytes);
        for length in [2, 2, 1] {
            let segment = file.next_segment(2).unwrap().unwrap();
            assert_eq!(segment.blocks.len(), length);
        }
        assert_eq!(file.next_segment(2).unwrap(), None);
    }

    #[test]
    fn blocks_that_do_not_follow_one_another_are_no_segment() {
        let blocks = chain(1..=3);
        let bytes = file_of(&[blocks[0].clone(), blocks[2].clone()]);
        assert!(matches!(
            open(&bytes).next_segment(usize::MAX),
            Err(ChainFileError::Unlinked {
                number: 3,
                before: 1,
                ..
            })
        ));
    }

    #[test]
    fn a_certificate_of_nothing_is_refused() {
        let mut bytes = Vec::new();
        [7_u8; 60].as_slice().encode(&mut bytes);
        assert!(matches!(
            open(&bytes).next_segment(usize::MAX),
            Err(ChainFileError::StrayCertificate { position: 0 })
        ));
    }

    #[test]
    fn a_file_that_was_cut_off_is_told_from_one_that_holds_no_blocks() {
        let bytes = file_of(&chain(1..=1));
        assert!(matches!(
            open(&bytes[..bytes.len() - 1]).next_block(),
            Err(ChainFileError::CutOff { position: 0 })
        ));
        assert!(matches!(
            open(b"not a chain").next_block(),
            Err(ChainFileError::NotABlock { position: 0, .. })
        ));
    }

    #[test]
    fn a_block_that_claims_to_be_huge_is_not_read() {
        for first in [0xbf, 0xff] {
            assert!(matches!(
                open(&[first, 1, 0, 0, 0, 0, 0, 0, 0]).next_block(),
                Err(ChainFileError::TooLarge { .. })
            ));
        }
    }
}
