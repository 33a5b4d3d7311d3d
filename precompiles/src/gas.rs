//! What a call costs. Charged before the work it pays for and before any allocation of that size;
//! `benches/auction` holds each figure against the time of `ecrecover`'s gas.
//!
//! A call that reverts keeps what was charged until then: the base, and once the arguments are
//! found to be whole its words. `clearStored` stops at the first invalid order, so that slots
//! behind it are neither read nor charged.

pub use revm::context_interface::cfg::gas::{COLD_SLOAD_COST, WARM_STORAGE_READ_COST};

/// Every call, whatever becomes of it.
pub const BASE: u64 = 1_000;

/// Each word given to `clear`.
pub const CLEAR_PER_WORD: u64 = 16;

/// Each word given to `fills`.
pub const FILLS_PER_WORD: u64 = 24;

/// Each word that `clearStored` is to read, besides reading it: [`COLD_SLOAD_COST`] or
/// [`WARM_STORAGE_READ_COST`], by EIP-2929.
pub const CLEAR_STORED_PER_WORD: u64 = 16;
