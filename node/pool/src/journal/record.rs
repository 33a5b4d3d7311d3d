//! One record of the journal.
//!
//! | bytes | field |
//! | --- | --- |
//! | 4 | marker, by which a reader finds the next record after a damaged one |
//! | 4 | length of the content, big-endian |
//! | 8 | checksum: the first bytes of the content's keccak256 |
//! | … | content: a byte that tells the kind, then that kind's fields |
//!
//! A transaction that came (kind 0) is the time of its arrival in milliseconds since the Unix
//! epoch (8 bytes, big-endian) and its EIP-2718 encoding. One that was thrown out (kind 1) is its
//! hash.

use std::time::Duration;

use alloy_eips::eip2718::{Decodable2718 as _, Encodable2718 as _};
use alloy_primitives::{B256, keccak256};
use wattline_primitives::TransactionSigned;

use crate::config::MAX_TRANSACTION_BYTES;

/// The marker at the beginning of each record.
pub(super) const MARKER: [u8; 4] = [0xe1, 0xec, 0x70, 0x01];
/// Bytes before the content.
pub(super) const HEADER_BYTES: usize = 16;
/// Most bytes of content: the largest transaction with its kind and time.
pub(super) const MAX_CONTENT_BYTES: usize = MAX_TRANSACTION_BYTES + 9;

const ADDED: u8 = 0;
const REMOVED: u8 = 1;

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A transaction was accepted.
    Added {
        /// When it came, since the Unix epoch, in whole milliseconds.
        arrived_at: Duration,
        /// The transaction.
        transaction: Box<TransactionSigned>,
    },
    /// A transaction was thrown out for good.
    Removed {
        /// Its hash.
        hash: B256,
    },
}

impl Entry {
    /// Reads the content of a record. `None` if it is none, which a record with a right checksum
    /// can only be if another version wrote it.
    pub(super) fn decode(content: &[u8]) -> Option<Self> {
        let (kind, fields) = content.split_first()?;
        match *kind {
            ADDED => {
                let (millis, mut encoded) = fields.split_first_chunk::<8>()?;
                let transaction = TransactionSigned::decode_2718(&mut encoded).ok()?;
                encoded.is_empty().then_some(Self::Added {
                    arrived_at: Duration::from_millis(u64::from_be_bytes(*millis)),
                    transaction: Box::new(transaction),
                })
            }
            REMOVED => Some(Self::Removed {
                hash: B256::try_from(fields).ok()?,
            }),
            _ => None,
        }
    }
}

/// Appends the record of an accepted transaction to `out`.
pub fn encode_added(out: &mut Vec<u8>, transaction: &TransactionSigned, arrived_at: Duration) {
    encode(out, |content| {
        content.push(ADDED);
        // Milliseconds overflow 64 bits in 584 million years.
        content.extend_from_slice(&(arrived_at.as_millis() as u64).to_be_bytes());
        transaction.encode_2718(content);
    });
}

/// Appends the record of a transaction that was thrown out to `out`.
pub fn encode_removed(out: &mut Vec<u8>, hash: &B256) {
    encode(out, |content| {
        content.push(REMOVED);
        content.extend_from_slice(hash.as_slice());
    });
}

/// The checksum of a record's content.
pub(super) fn checksum(content: &[u8]) -> [u8; 8] {
    let mut checksum = [0; 8];
    checksum.copy_from_slice(&keccak256(content)[..8]);
    checksum
}

fn encode(out: &mut Vec<u8>, content: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&MARKER);
    out.extend_from_slice(&[0; HEADER_BYTES - MARKER.len()]);
    content(out);
    let (header, content) = out[start..].split_at_mut(HEADER_BYTES);
    header[4..8].copy_from_slice(&(content.len() as u32).to_be_bytes());
    header[8..].copy_from_slice(&checksum(content));
}
