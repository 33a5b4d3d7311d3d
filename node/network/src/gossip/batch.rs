//! Transactions on the wire: an RLP list of EIP-2718 encodings.

use alloy_eips::eip2718::Decodable2718 as _;
use alloy_rlp::{Header, length_of_length};
use wattline_pool::config::MAX_TRANSACTION_BYTES;
use wattline_primitives::TransactionSigned;

/// Bytes that a batch is filled up to. A larger transaction goes alone.
pub const BATCH_BYTES: usize = 64 * 1024;
/// Bytes of the largest batch: one transaction of the size that pools take at most.
pub const MAX_BATCH_BYTES: usize = MAX_TRANSACTION_BYTES + 8;
/// Most transactions in a batch. The smallest that can be valid have some 100 bytes.
pub const MAX_BATCH_TRANSACTIONS: usize = 1_024;

/// Why something is no batch of transactions.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// More bytes than a batch has.
    #[error("{found} bytes, expected at most {limit}")]
    TooLong {
        /// Bytes of the message.
        found: usize,
        /// Most bytes of a batch.
        limit: usize,
    },
    /// More transactions than a batch has.
    #[error("more than {limit} transactions")]
    TooMany {
        /// Most transactions of a batch.
        limit: usize,
    },
    /// Nothing in it.
    #[error("no transaction")]
    Empty,
    /// Not an RLP list of byte strings.
    #[error("not a list of byte strings: {0}")]
    List(alloy_rlp::Error),
    /// One of the byte strings is no transaction.
    #[error("transaction {index}: {reason}")]
    Transaction {
        /// Its place, from 0 on.
        index: usize,
        /// What is wrong with it.
        reason: String,
    },
}

/// Encodes as many of the transactions as fit, at least one, and tells how many. None if there is
/// none.
pub fn encode<'a>(transactions: impl Iterator<Item = &'a [u8]>) -> Option<(Vec<u8>, usize)> {
    let mut items = Vec::new();
    let mut payload_length = 0;
    for transaction in transactions.take(MAX_BATCH_TRANSACTIONS) {
        // A transaction has more than one byte, so its string always has a header.
        let length = transaction.len() + length_of_length(transaction.len());
        if payload_length + length > BATCH_BYTES && !items.is_empty() {
            break;
        }
        payload_length += length;
        items.push(transaction);
    }
    if items.is_empty() {
        return None;
    }
    let header = |list, payload_length| Header {
        list,
        payload_length,
    };
    let mut bytes = Vec::with_capacity(payload_length + length_of_length(payload_length));
    header(true, payload_length).encode(&mut bytes);
    for item in &items {
        header(false, item.len()).encode(&mut bytes);
        bytes.extend_from_slice(item);
    }
    Some((bytes, items.len()))
}

/// Reads a batch. Allocates in proportion to the bytes there are, whatever they claim.
///
/// # Errors
/// It is none. A node sends only what its own pool took, so this is never an accident.
pub fn decode(bytes: &[u8]) -> Result<Vec<TransactionSigned>, BatchError> {
    if bytes.len() > MAX_BATCH_BYTES {
        return Err(BatchError::TooLong {
            found: bytes.len(),
            limit: MAX_BATCH_BYTES,
        });
    }
    let mut rest = bytes;
    let mut list = Header::decode_bytes(&mut rest, true).map_err(BatchError::List)?;
    if !rest.is_empty() {
        return Err(BatchError::List(alloy_rlp::Error::UnexpectedLength));
    }
    let mut transactions = Vec::new();
    while !list.is_empty() {
        let index = transactions.len();
        if index == MAX_BATCH_TRANSACTIONS {
            return Err(BatchError::TooMany {
                limit: MAX_BATCH_TRANSACTIONS,
            });
        }
        let encoded = Header::decode_bytes(&mut list, false).map_err(BatchError::List)?;
        let transaction = TransactionSigned::decode_2718_exact(encoded).map_err(|error| {
            BatchError::Transaction {
                index,
                reason: error.to_string(),
            }
        })?;
        transactions.push(transaction);
    }
    if transactions.is_empty() {
        return Err(BatchError::Empty);
    }
    Ok(transactions)
}

#[cfg(test)]
mod tests {
    use alloy_eips::eip2718::Encodable2718 as _;
    use alloy_primitives::Bytes;
    use proptest::prelude::*;
    use wattline_pool::test_utils::{authorize, draft, wallet};

    use super::*;

    fn encoded(transactions: &[TransactionSigned]) -> Vec<Vec<u8>> {
        transactions.iter().map(|one| one.encoded_2718()).collect()
    }

    fn batch(encoded: &[Vec<u8>]) -> (Vec<u8>, usize) {
        encode(encoded.iter().map(Vec::as_slice)).expect("not empty")
    }

    /// One transaction of each type that nodes take.
    fn all_types() -> Vec<TransactionSigned> {
        let draft = draft(1, 0);
        vec![
            draft.sign(),
            draft.legacy(Some(1)),
            draft.access_list(),
            draft.set_code(vec![authorize(2, 0, wallet(3).address())]),
        ]
    }

    fn message(bytes: &[u8]) -> String {
        decode(bytes).expect_err("no batch").to_string()
    }

    #[test]
    fn transactions_of_all_types_are_read_as_they_are_written() {
        let transactions = all_types();
        let (bytes, count) = batch(&encoded(&transactions));
        assert_eq!(count, 4);
        assert_eq!(decode(&bytes), Ok(transactions));
        assert_eq!(encode(std::iter::empty()), None);
    }

    #[test]
    fn batches_are_filled_up_to_their_size_and_the_largest_transaction_goes_alone() {
        let kilobytes = |kilobytes: usize| {
            encoded(&[draft(1, 0).input(vec![1; kilobytes * 1024]).sign()]).remove(0)
        };
        let (bytes, count) = batch(&vec![kilobytes(10); 20]);
        assert_eq!((count, bytes.len() < BATCH_BYTES), (6, true));
        let (_, count) = batch(&[kilobytes(1), kilobytes(100)]);
        assert_eq!(count, 1);
        let mut largest = kilobytes(100);
        largest.resize(MAX_TRANSACTION_BYTES, 0);
        let (bytes, count) = batch(&[largest]);
        assert_eq!((count, bytes.len() <= MAX_BATCH_BYTES), (1, true));
    }

    #[test]
    fn what_is_no_batch_is_named() {
        assert_eq!(message(&[]), "not a list of byte strings: input too short");
        assert_eq!(message(&[0xc0]), "no transaction");
        assert_eq!(
            message(&[0xc0, 0]),
            "not a list of byte strings: unexpected length"
        );
        assert_eq!(
            message(&[0x80]),
            "not a list of byte strings: unexpected string"
        );
        // The list claims four gigabytes.
        assert_eq!(
            message(&[0xfb, 0xff, 0xff, 0xff, 0xff]),
            "not a list of byte strings: input too short"
        );
        assert_eq!(
            message(&vec![0; MAX_BATCH_BYTES + 1]),
            "131081 bytes, expected at most 131080"
        );
        let mut transactions = encoded(&all_types());
        transactions[1].push(0);
        let (bytes, _) = batch(&transactions);
        assert_eq!(message(&bytes), "transaction 1: unexpected length");
        let many = vec![encoded(&all_types()).remove(0); MAX_BATCH_TRANSACTIONS + 1];
        let mut bytes = Vec::new();
        alloy_rlp::encode_list::<_, Bytes>(
            &many.into_iter().map(Bytes::from).collect::<Vec<_>>(),
            &mut bytes,
        );
        assert_eq!(
            message(&bytes),
            if bytes.len() > MAX_BATCH_BYTES {
                format!("{} bytes, expected at most {MAX_BATCH_BYTES}", bytes.len())
            } else {
                "more than 1024 transactions".to_owned()
            }
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_batch_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = decode(&bytes);
        }

        #[test]
        fn a_damaged_batch_is_a_batch_or_an_error(
            place in 0_usize..600,
            byte in any::<u8>(),
            cut in 0_usize..600,
        ) {
            let (mut bytes, _) = batch(&encoded(&all_types()));
            let place = place % bytes.len();
            bytes[place] = byte;
            let _ = decode(&bytes);
            bytes.truncate(cut);
            prop_assert!(cut >= bytes.len() || decode(&bytes).is_err());
        }
    }
}
