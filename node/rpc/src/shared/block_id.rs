//! From a block parameter (EIP-1898) to a block.

use alloy_consensus::BlockHeader as _;
use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::BlockNumber;
use wattline_chain::{Chain, ChainError};
use wattline_primitives::SealedHeader;
use wattline_storage::Reader;

use crate::{
    RpcError,
    shared::{backend::Backend, error::LookupError, state::ChainState},
};

/// The number that a tag or number stands for; the block need not exist. A block is shown when it
/// is final, so all tags but `earliest` are the head here.
///
/// # Errors
///
/// [`RpcError::Storage`].
pub(crate) fn number(reader: &Reader, id: BlockNumberOrTag) -> Result<BlockNumber, RpcError> {
    match id {
        BlockNumberOrTag::Number(number) => Ok(number),
        BlockNumberOrTag::Earliest => Ok(0),
        BlockNumberOrTag::Latest
        | BlockNumberOrTag::Safe
        | BlockNumberOrTag::Finalized
        | BlockNumberOrTag::Pending => Ok(reader.head()?.number),
    }
}

/// The number of the block that `id` names; `None` if there is no such block.
///
/// # Errors
///
/// [`RpcError::Storage`].
pub(crate) fn find(reader: &Reader, id: BlockId) -> Result<Option<BlockNumber>, RpcError> {
    match id {
        BlockId::Number(id) => {
            let number = number(reader, id)?;
            Ok((number <= reader.head()?.number).then_some(number))
        }
        BlockId::Hash(id) => Ok(reader.block_number(id.block_hash)?),
    }
}

/// The header of the block that `id` names.
///
/// # Errors
///
/// Those of [`find`], and [`RpcError::Lookup`].
pub(crate) fn header(
    backend: &Backend,
    reader: &Reader,
    id: BlockId,
) -> Result<SealedHeader, RpcError> {
    let number = number_of(reader, id)?;
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
fn number_of(reader: &Reader, id: BlockId) -> Result<BlockNumber, RpcError> {
    find(reader, id)?.ok_or(match id {
        BlockId::Number(_) => RpcError::Lookup(LookupError::HeaderNotFound),
        BlockId::Hash(_) => RpcError::Lookup(LookupError::HeaderForHashNotFound),
    })
}

/// The state after the block that `id` names, the head's by default. Here `pending` is the block
/// that the next one is expected to stand on, as far as it is executed.
///
/// # Errors
///
/// Those of [`header`].
pub(crate) fn state(
    backend: &Backend,
    reader: &Reader,
    id: Option<BlockId>,
) -> Result<ChainState, RpcError> {
    let id = id.unwrap_or_default();
    if let Some((_, state)) = pending(backend.chain(), reader, id)? {
        return Ok(state);
    }
    Ok(ChainState::Final(reader.state_at(number_of(reader, id)?)?))
}

/// As [`state`], with the block's header.
///
/// # Errors
///
/// Those of [`header`].
pub(crate) fn header_and_state(
    backend: &Backend,
    reader: &Reader,
    id: BlockId,
) -> Result<(SealedHeader, ChainState), RpcError> {
    if let Some(pending) = pending(backend.chain(), reader, id)? {
        return Ok(pending);
    }
    let header = header(backend, reader, id)?;
    let state = reader.state_at(header.number)?;
    Ok((header, ChainState::Final(state)))
}

/// Header and state of the pending block if `id` asks for it and it is above the head.
fn pending(
    chain: &Chain,
    reader: &Reader,
    id: BlockId,
) -> Result<Option<(SealedHeader, ChainState)>, RpcError> {
    if !id.is_pending() {
        return Ok(None);
    }
    loop {
        let header = chain.pending();
        if header.hash() == reader.head()?.hash {
            return Ok(None);
        }
        match chain.overlay(header.hash()) {
            Ok(state) => {
                let header = SealedHeader::clone(&header);
                return Ok(Some((header, ChainState::Pending(state))));
            }
            // The chain went on meanwhile.
            Err(ChainError::UnknownBlock(_)) if chain.pending().hash() != header.hash() => {}
            Err(error) => return Err(error.into()),
        }
    }
}
