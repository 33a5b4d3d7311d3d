//! One call: from calldata and gas to output or error.

use crate::{
    abi::IBatchAuction::{self, IBatchAuctionErrors},
    gas,
    matching::{Book, Clearing, MAX_ORDERS, OrderError, Rationing},
};
use alloy_evm::precompiles::PrecompileInput;
use alloy_primitives::{B256, Bytes, U256};
use alloy_sol_types::{SolCall, SolInterface};
use revm::{
    context_interface::{cfg::gas::GasTracker, journaled_state::JournalLoadError},
    precompile::{
        PrecompileError, PrecompileHalt, PrecompileOutput, PrecompileResult, PrecompileStatus,
    },
};

/// Bytes of a word.
const WORD: usize = 32;

/// Why a call does not succeed.
enum Failure {
    /// The input is wrong: revert with this error and keep the gas charged so far.
    Revert(IBatchAuctionErrors),
    /// The gas does not suffice.
    OutOfGas,
    /// The state cannot be read: the fault of this machine, not of the caller.
    Fatal(PrecompileError),
}

impl From<OrderError> for Failure {
    fn from(error: OrderError) -> Self {
        Self::Revert(match error {
            OrderError::TooMany { count } => too_many(U256::from(count)),
            OrderError::Invalid { index, .. } => {
                IBatchAuctionErrors::InvalidOrder(IBatchAuction::InvalidOrder {
                    index: U256::from(index),
                })
            }
        })
    }
}

const fn too_many(count: U256) -> IBatchAuctionErrors {
    IBatchAuctionErrors::TooManyOrders(IBatchAuction::TooManyOrders { count })
}

const fn malformed() -> Failure {
    Failure::Revert(IBatchAuctionErrors::MalformedInput(
        IBatchAuction::MalformedInput {},
    ))
}

/// Runs one call.
///
/// # Errors
///
/// Only if the state cannot be read. Bad input reverts, and too little gas halts the call.
pub(crate) fn run(mut input: PrecompileInput<'_>) -> PrecompileResult {
    let reservoir = input.reservoir;
    let mut gas = GasTracker::new(input.gas, input.gas, reservoir);
    let (status, output) = match dispatch(&mut input, &mut gas) {
        Ok(output) => (PrecompileStatus::Success, output),
        Err(Failure::Revert(error)) => (PrecompileStatus::Revert, error.abi_encode()),
        Err(Failure::OutOfGas) => {
            return Ok(PrecompileOutput::halt(PrecompileHalt::OutOfGas, reservoir));
        }
        Err(Failure::Fatal(error)) => return Err(error),
    };
    Ok(PrecompileOutput::from_gas_tracker(
        status,
        Bytes::from(output),
        gas,
    ))
}

fn dispatch(input: &mut PrecompileInput<'_>, gas: &mut GasTracker) -> Result<Vec<u8>, Failure> {
    charge(gas, gas::BASE)?;
    if !input.is_direct_call() {
        let error = IBatchAuction::DelegateCallNotAllowed {};
        return Err(Failure::Revert(
            IBatchAuctionErrors::DelegateCallNotAllowed(error),
        ));
    }
    if !input.value.is_zero() {
        return Err(Failure::Revert(IBatchAuctionErrors::NotPayable(
            IBatchAuction::NotPayable {},
        )));
    }
    match input.data.split_first_chunk() {
        Some((&IBatchAuction::clearCall::SELECTOR, arguments)) => {
            let words = orders(arguments)?;
            charge_words(gas, gas::CLEAR_PER_WORD, words.len())?;
            clear(words)
        }
        Some((&IBatchAuction::fillsCall::SELECTOR, arguments)) => {
            let words = orders(arguments)?;
            charge_words(gas, gas::FILLS_PER_WORD, words.len())?;
            fills(words)
        }
        Some((&IBatchAuction::clearStoredCall::SELECTOR, arguments)) => {
            let (first_slot, count) = slots(arguments)?;
            charge_words(gas, gas::CLEAR_STORED_PER_WORD, count)?;
            clear_stored(input, gas, first_slot, count)
        }
        _ => {
            let error = IBatchAuction::UnknownFunction {};
            Err(Failure::Revert(IBatchAuctionErrors::UnknownFunction(error)))
        }
    }
}

fn clear(words: &[[u8; WORD]]) -> Result<Vec<u8>, Failure> {
    let clearing = cross(words)?;
    Ok(IBatchAuction::clearCall::abi_encode_returns(
        &clearing.into(),
    ))
}

fn fills(words: &[[u8; WORD]]) -> Result<Vec<u8>, Failure> {
    let clearing = cross(words)?;

    // The clearing, then the array's offset, length and elements. Written in place: a vector of
    // words to encode from would cost as much again as the auction.
    let mut output = IBatchAuction::clearCall::abi_encode_returns(&clearing.into());
    let array = output.len() + WORD;
    let elements = array + WORD;
    output.reserve_exact(elements - output.len() + words.len() * WORD);
    output.extend_from_slice(&U256::from(array).to_be_bytes::<WORD>());
    output.extend_from_slice(&U256::from(words.len()).to_be_bytes::<WORD>());
    for fill in Rationing::new(&clearing).fills(words.iter().copied().map(B256::new)) {
        output.extend_from_slice(&U256::from(fill?.0).to_be_bytes::<WORD>());
    }
    Ok(output)
}

fn cross(words: &[[u8; WORD]]) -> Result<Clearing, OrderError> {
    Ok(Book::from_words(words.iter().copied().map(B256::new))?.clear())
}

fn clear_stored(
    input: &mut PrecompileInput<'_>,
    gas: &mut GasTracker,
    first_slot: U256,
    count: usize,
) -> Result<Vec<u8>, Failure> {
    let fatal = |error: &dyn core::error::Error| {
        Failure::Fatal(PrecompileError::Fatal(format!(
            "cannot read the orders: {error}"
        )))
    };
    let mut caller = input
        .internals
        .load_account_mut(input.caller)
        .map_err(|error| fatal(&error))?;
    let mut book = Book::with_capacity(count);
    let mut slot = first_slot;
    for _ in 0..count {
        charge(gas, gas::WARM_STORAGE_READ_COST)?;
        // As SLOAD does: what cannot be paid for is neither read nor warmed.
        let cold_surcharge = gas::COLD_SLOAD_COST - gas::WARM_STORAGE_READ_COST;
        let word = match caller.sload(slot, gas.remaining() < cold_surcharge) {
            Ok(word) => word,
            Err(JournalLoadError::ColdLoadSkipped) => return Err(Failure::OutOfGas),
            Err(JournalLoadError::DBError(error)) => return Err(fatal(&error)),
        };
        if word.is_cold {
            charge(gas, cold_surcharge)?;
        }
        book.push(word.data.present_value().into())?;
        // Solidity's slots are numbers modulo 2²⁵⁶ too.
        slot = slot.wrapping_add(U256::ONE);
    }
    Ok(IBatchAuction::clearStoredCall::abi_encode_returns(
        &book.clear().into(),
    ))
}

fn charge(gas: &mut GasTracker, cost: u64) -> Result<(), Failure> {
    if gas.record_regular_cost(cost) {
        Ok(())
    } else {
        Err(Failure::OutOfGas)
    }
}

/// Charges for at most [`MAX_ORDERS`] words.
fn charge_words(gas: &mut GasTracker, per_word: u64, words: usize) -> Result<(), Failure> {
    charge(gas, per_word * words as u64)
}

/// The one argument of `clear` and `fills`, where it lies in the calldata. What follows the array
/// is left alone, as Solidity does.
fn orders(arguments: &[u8]) -> Result<&[[u8; WORD]], Failure> {
    let (offset, _) = index_at(arguments, 0).ok_or_else(malformed)?;
    let (length, elements) = index_at(arguments, offset).ok_or_else(malformed)?;
    let (words, _) = elements.as_chunks();
    let words = words.get(..length).ok_or_else(malformed)?;
    if length > MAX_ORDERS {
        return Err(Failure::Revert(too_many(U256::from(length))));
    }
    Ok(words)
}

/// The arguments of `clearStored`: the first slot and the number of words.
fn slots(arguments: &[u8]) -> Result<(U256, usize), Failure> {
    let (first_slot, rest) = word_at(arguments, 0).ok_or_else(malformed)?;
    let (count, _) = word_at(rest, 0).ok_or_else(malformed)?;
    if count > U256::from(MAX_ORDERS) {
        return Err(Failure::Revert(too_many(count)));
    }
    Ok((first_slot, count.saturating_to()))
}

/// The word at `offset`, if it can be an offset or a length, and what follows it.
fn index_at(arguments: &[u8], offset: usize) -> Option<(usize, &[u8])> {
    let (word, rest) = word_at(arguments, offset)?;
    Some((usize::try_from(word).ok()?, rest))
}

/// The word at `offset` and what follows it.
fn word_at(arguments: &[u8], offset: usize) -> Option<(U256, &[u8])> {
    let (word, rest) = arguments.get(offset..)?.split_first_chunk::<WORD>()?;
    Some((U256::from_be_bytes(*word), rest))
}
