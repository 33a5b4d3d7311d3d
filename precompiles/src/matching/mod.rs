//! The auction: orders in, one price and the traded quantities out.
//!
//! With D(p) the bid quantity limited at p or higher and S(p) the ask quantity limited at p or
//! lower, the auction trades the greatest min(D(p), S(p)) over all prices, at the midpoint of the
//! prices at which it can. Integers only, so every machine finds the same result.

mod book;
mod ladder;
mod rationing;

pub use book::Book;
pub use rationing::Rationing;

use crate::order::{Ticks, WattHours, WordError};
use alloy_primitives::B256;

/// The most words one auction takes. The sum of this many quantities still fits 64 bits:
/// 2²⁴ · (2⁴⁰ − 1) < 2⁶⁴.
pub const MAX_ORDERS: usize = 1 << 24;

/// The worst price level that still trades on one side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Level {
    /// The limit price of the level's orders.
    pub price: Ticks,
    /// What the level's orders want to trade.
    pub quantity: WattHours,
    /// What they trade, from 1 Wh to the whole quantity.
    pub filled: WattHours,
}

/// What an auction results in. All zero if nothing trades.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clearing {
    /// The price of every trade.
    pub price: Ticks,
    /// What each side trades.
    pub volume: WattHours,
    /// The marginal level of the bids.
    pub bid: Level,
    /// The marginal level of the asks.
    pub ask: Level,
}

/// Why there is no auction over some words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// More words than [`MAX_ORDERS`].
    #[error("{count} orders, expected at most {MAX_ORDERS}")]
    TooMany {
        /// The number of words, or the first number found to be too great.
        count: usize,
    },
    /// A word that is neither an order nor an empty slot.
    #[error("order {index}: {reason}")]
    Invalid {
        /// Its position among the words, from zero; the first one if there are several.
        index: usize,
        /// What is wrong with it.
        reason: WordError,
    },
}

/// Clears an auction.
///
/// # Errors
///
/// [`OrderError::TooMany`] and [`OrderError::Invalid`].
pub fn clear(words: &[B256]) -> Result<Clearing, OrderError> {
    Ok(Book::from_words(words.iter().copied())?.clear())
}

/// Clears an auction and shares its volume out: the fill of each word, in Wh, in their order.
///
/// # Errors
///
/// [`OrderError::TooMany`] and [`OrderError::Invalid`].
pub fn fills(words: &[B256]) -> Result<(Clearing, Vec<u64>), OrderError> {
    let clearing = clear(words)?;
    let fills = Rationing::new(&clearing)
        .fills(words.iter().copied())
        .map(|fill| fill.map(|quantity| quantity.0))
        .collect::<Result<_, _>>()?;
    Ok((clearing, fills))
}
