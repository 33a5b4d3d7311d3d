use alloy_consensus::{
    Header, constants::EMPTY_OMMER_ROOT_HASH, proofs::calculate_transaction_root,
};
use alloy_primitives::B256;
use alloy_rlp::Encodable;
use wattline_primitives::SealedBlock;

/// Greatest size of a block's RLP in bytes (EIP-7934: 10 MiB less a margin of 2 MiB).
pub const MAX_BLOCK_SIZE: usize = 8 * 1024 * 1024;

/// Why a body is not the one its header commits to, or not one this chain allows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// The transactions are not those of the header.
    #[error("transactions root {got}: expected {expected}, that of the body's transactions")]
    TransactionsRoot {
        /// What the header says.
        got: B256,
        /// The root of the body's transactions.
        expected: B256,
    },
    /// The body has ommers.
    #[error("{got} ommers: expected none")]
    Ommers {
        /// How many.
        got: usize,
    },
    /// The body has withdrawals, or no list of them.
    #[error("withdrawals {got:?}: expected an empty list")]
    Withdrawals {
        /// How many; `None` if the list is absent.
        got: Option<usize>,
    },
    /// The header has ommers.
    #[error("ommers hash {got}: expected {expected}, that of the empty list")]
    OmmersHash {
        /// What the header says.
        got: B256,
        /// The hash of the empty list.
        expected: B256,
    },
    /// The block is too large.
    #[error("block of {got} bytes: expected at most {limit} (EIP-7934)")]
    Size {
        /// The size of its RLP in bytes.
        got: usize,
        /// The greatest size.
        limit: usize,
    },
}

/// Checks a body against its header, before anything is executed.
///
/// # Errors
///
/// The [`BodyError`] of the first rule that is broken.
pub fn validate_body(block: &SealedBlock) -> Result<(), BodyError> {
    validate_layout(block)?;
    let expected = calculate_transaction_root(&block.body().transactions);
    check_transactions_root(block.header(), expected)
}

/// Checks that the transactions are those of the header.
pub(crate) fn check_transactions_root(header: &Header, expected: B256) -> Result<(), BodyError> {
    if header.transactions_root == expected {
        return Ok(());
    }
    Err(BodyError::TransactionsRoot {
        got: header.transactions_root,
        expected,
    })
}

/// Checks all of a body but its transactions.
pub(crate) fn validate_layout(block: &SealedBlock) -> Result<(), BodyError> {
    let (header, body) = (block.header(), block.body());
    let got = block.length();
    if got > MAX_BLOCK_SIZE {
        return Err(BodyError::Size {
            got,
            limit: MAX_BLOCK_SIZE,
        });
    }
    if !body.ommers.is_empty() {
        return Err(BodyError::Ommers {
            got: body.ommers.len(),
        });
    }
    if header.ommers_hash != EMPTY_OMMER_ROOT_HASH {
        return Err(BodyError::OmmersHash {
            got: header.ommers_hash,
            expected: EMPTY_OMMER_ROOT_HASH,
        });
    }
    let withdrawals = body.withdrawals.as_ref().map(|list| list.len());
    if withdrawals != Some(0) {
        return Err(BodyError::Withdrawals { got: withdrawals });
    }
    Ok(())
}
