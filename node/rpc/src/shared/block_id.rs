//! From a block parameter (EIP-1898) to a canonical block.

use alloy_consensus::BlockHeader as _;
use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::BlockNumber;
use wattline_clique::{safe_number, settled_number};
use wattline_primitives::SealedHeader;
use wattline_storage::{Reader, StateReader};

use crate::{
    RpcError,
    shared::{backend::Backend, error::LookupError},
};

/// The number that a tag or number stands for; the block need not exist. `pending` is the head:
/// this node shows no block before it is sealed. `safe` and `finalized` follow from how much of
/// the signers' work is on top of a block.
///
/// # Errors
///
/// [`RpcError::Chain`] and [`RpcError::Storage`].
pub(crate) fn number(
    backend: &Backend,
    reader: &Reader,
    id: BlockNumberOrTag,
) -> Result<BlockNumber, RpcError> {
    match id {
        BlockNumberOrTag::Number(number) => Ok(number),
        BlockNumberOrTag::Latest | BlockNumberOrTag::Pending => Ok(reader.head()?.number),
        BlockNumberOrTag::Earliest => Ok(0),
        BlockNumberOrTag::Safe => {
            let head = reader.head()?;
            let signers = backend.chain().snapshot(head.hash)?.signers.len();
            Ok(safe_number(head.number, signers))
        }
        BlockNumberOrTag::Finalized => {
            let head = reader.head()?;
            let signers = backend.chain().snapshot(head.hash)?.signers.len();
            settled_number(head.number, signers, |number| {
                let header = reader.header(number)?.ok_or(LookupError::HeaderNotFound)?;
                Ok(header.difficulty().saturating_to())
            })
        }
    }
}

/// The number of the canonical block that `id` names; `None` if there is no such block.
///
/// # Errors
///
/// Those of [`number`], and [`RpcError::Lookup`] for a known block off the chain.
pub(crate) fn find(
    backend: &Backend,
    reader: &Reader,
    id: BlockId,
) -> Result<Option<BlockNumber>, RpcError> {
    match id {
        BlockId::Number(id) => {
            let number = number(backend, reader, id)?;
            Ok((number <= reader.head()?.number).then_some(number))
        }
        BlockId::Hash(id) => match reader.block_number(id.block_hash)? {
            Some(number) => Ok(Some(number)),
            // The state of a block off the chain is not kept, so it cannot be read whether or
            // not the client requires a canonical block.
            None if reader.header_by_hash(id.block_hash)?.is_some() => {
                Err(RpcError::Lookup(LookupError::NotCanonical))
            }
            None => Ok(None),
        },
    }
}

/// The header of the canonical block that `id` names.
///
/// # Errors
///
/// Those of [`find`], and [`RpcError::Lookup`] or [`RpcError::Lookup`].
pub(crate) fn header(
    backend: &Backend,
    reader: &Reader,
    id: BlockId,
) -> Result<SealedHeader, RpcError> {
    let number = number_of(backend, reader, id)?;
    // The head is at hand, unless it has changed since the snapshot was taken.
    let head = backend.chain().head();
    if head.num_hash() == reader.head()? && number == head.number() {
        return Ok(SealedHeader::clone(&head));
    }
    reader
        .header(number)?
        .ok_or(RpcError::Lookup(LookupError::HeaderNotFound))
}

/// As [`find`], for blocks that have to be there.
fn number_of(backend: &Backend, reader: &Reader, id: BlockId) -> Result<BlockNumber, RpcError> {
    find(backend, reader, id)?.ok_or(match id {
        BlockId::Number(_) => RpcError::Lookup(LookupError::HeaderNotFound),
        BlockId::Hash(_) => RpcError::Lookup(LookupError::HeaderForHashNotFound),
    })
}

/// The state after the canonical block that `id` names, the head's by default.
///
/// # Errors
///
/// Those of [`header`].
pub(crate) fn state(
    backend: &Backend,
    reader: &Reader,
    id: Option<BlockId>,
) -> Result<StateReader, RpcError> {
    let number = number_of(backend, reader, id.unwrap_or_default())?;
    Ok(reader.state_at(number)?)
}
