//! Transactions on the wire: an RLP list of EIP-2718 encodings.

use alloy_primitives::Bytes;
use alloy_rlp::{Encodable as _, Header};
use wattline_pool::config::MAX_TRANSACTION_BYTES;

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
    List(#[from] alloy_rlp::Error),
}

/// Encodes as many of the transactions as fit, at least one, and tells how many. None if there is
/// none.
pub fn encode<'a>(transactions: impl Iterator<Item = &'a [u8]>) -> Option<(Vec<u8>, usize)> {
    let mut items = Vec::new();
    let mut payload_length = 0;
    for transaction in transactions.take(MAX_BATCH_TRANSACTIONS) {
        let length = transaction.length();
        if payload_length + length > BATCH_BYTES && !items.is_empty() {
            break;
        }
        payload_length += length;
        items.push(transaction);
    }
    if items.is_empty() {
        return None;
    }
    let header = Header {
        list: true,
        payload_length,
    };
    let mut bytes = Vec::with_capacity(header.length_with_payload());
    header.encode(&mut bytes);
    for item in &items {
        item.encode(&mut bytes);
    }
    Some((bytes, items.len()))
}

/// Takes a batch apart into the encodings of its transactions, which the pool reads. Allocates in
/// proportion to the bytes there are, whatever they claim.
///
/// # Errors
/// It is no batch.
pub fn decode(bytes: &[u8]) -> Result<Vec<Bytes>, BatchError> {
    if bytes.len() > MAX_BATCH_BYTES {
        return Err(BatchError::TooLong {
            found: bytes.len(),
            limit: MAX_BATCH_BYTES,
        });
    }
    let mut rest = bytes;
    let mut list = Header::decode_bytes(&mut rest, true)?;
    if !rest.is_empty() {
        return Err(alloy_rlp::Error::UnexpectedLength.into());
    }
    let mut transactions = Vec::new();
    while !list.is_empty() {
        if transactions.len() == MAX_BATCH_TRANSACTIONS {
            return Err(BatchError::TooMany {
                limit: MAX_BATCH_TRANSACTIONS,
            });
        }
        let encoded = Header::decode_bytes(&mut list, false)?;
        transactions.push(Bytes::copy_from_slice(encoded));
    }
    if transactions.is_empty() {
        return Err(BatchError::Empty);
    }
    Ok(transactions)
}

#[cfg(test)]
mod tests {
    use alloy_eips::eip2718::Encodable2718 as _;
    use proptest::prelude::*;
    use wattline_pool::test_utils::{authorize, draft, wallet};

    use super::*;

    fn batch(transactions: &[Bytes]) -> (Vec<u8>, usize) {
        encode(transactions.iter().map(AsRef::as_ref)).expect("not empty")
    }

    /// One transaction of each type that nodes take.
    fn all_types() -> Vec<Bytes> {
        let draft = draft(1, 0);
        let set_code = draft.set_code(vec![authorize(2, 0, wallet(3).address())]);
        let transactions = [
            draft.sign(),
            draft.legacy(Some(1)),
            draft.access_list(),
            set_code,
        ];
        transactions.map(|one| one.encoded_2718().into()).to_vec()
    }

    fn message(bytes: &[u8]) -> String {
        decode(bytes).expect_err("no batch").to_string()
    }

    #[test]
    fn transactions_are_read_as_they_are_written() {
        let transactions = all_types();
        let (bytes, count) = batch(&transactions);
        assert_eq!(count, 4);
        assert_eq!(decode(&bytes), Ok(transactions));
        assert_eq!(encode(std::iter::empty()), None);
    }

    #[test]
    fn batches_are_filled_up_to_their_size_and_the_largest_transaction_goes_alone() {
        let kilobytes = |kilobytes: usize| Bytes::from(vec![1; kilobytes * 1024]);
        let (bytes, count) = batch(&vec![kilobytes(10); 20]);
        assert_eq!((count, bytes.len() < BATCH_BYTES), (6, true));
        let (_, count) = batch(&[kilobytes(1), kilobytes(100)]);
        assert_eq!(count, 1);
        let largest = Bytes::from(vec![1; MAX_TRANSACTION_BYTES]);
        let (bytes, count) = batch(std::slice::from_ref(&largest));
        assert_eq!((count, bytes.len() <= MAX_BATCH_BYTES), (1, true));
        assert_eq!(decode(&bytes), Ok(vec![largest]));
        let (bytes, count) = batch(&vec![Bytes::from_static(b"ab"); MAX_BATCH_TRANSACTIONS + 1]);
        assert_eq!(count, MAX_BATCH_TRANSACTIONS);
        assert_eq!(decode(&bytes).map(|all| all.len()), Ok(count));
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
        let many = vec![Bytes::from_static(b"ab"); MAX_BATCH_TRANSACTIONS + 1];
        let mut bytes = Vec::new();
        alloy_rlp::encode_list::<_, Bytes>(&many, &mut bytes);
        assert_eq!(message(&bytes), "more than 1024 transactions");
    }

    /// What is read is written so that it is read again.
    fn check(bytes: &[u8]) {
        if let Ok(transactions) = decode(bytes) {
            let (again, count) = batch(&transactions);
            assert_eq!(decode(&again).as_deref(), Ok(&transactions[..count]));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_batch_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            check(&bytes);
        }

        #[test]
        fn a_damaged_batch_is_a_batch_or_an_error(
            place in 0_usize..600,
            byte in any::<u8>(),
            cut in 0_usize..600,
        ) {
            let (mut bytes, _) = batch(&all_types());
            let length = bytes.len();
            prop_assert!(decode(&bytes[..cut % length]).is_err());
            bytes[place % length] = byte;
            check(&bytes);
        }
    }
}
