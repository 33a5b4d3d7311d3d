//! The interface by which contracts call the precompile, and the conversion of its results.

use crate::matching;

// The generated items carry the documentation of the Solidity source, where it has any.
#[allow(missing_docs)]
mod interface {
    alloy_sol_types::sol! {
        /// Clears a sealed double auction at one price.
        #[derive(Debug, Default, PartialEq, Eq)]
        interface IBatchAuction {
            /// The worst price level that still trades on one side: its price in ticks, its
            /// quantity and the part of it that trades, in Wh.
            struct Level { int32 price; uint64 quantity; uint64 filled; }
            /// The price of every trade in ticks, the volume in Wh and both marginal levels.
            struct Clearing { int32 price; uint64 volume; Level bid; Level ask; }

            /// The calldata starts with no selector of this interface.
            error UnknownFunction();
            /// The arguments are too short, or an offset or a length leads out of them.
            error MalformedInput();
            /// More than 2^24 words.
            error TooManyOrders(uint256 count);
            /// The word at `index` has a side above 1 or a reserved bit set.
            error InvalidOrder(uint256 index);
            /// The call carries value.
            error NotPayable();
            /// Called by DELEGATECALL or CALLCODE.
            error DelegateCallNotAllowed();

            /// Clears the given orders.
            function clear(bytes32[] calldata orders) external view returns (Clearing memory);
            /// Clears `count` consecutive words of the caller's own storage, starting at
            /// `firstSlot`.
            function clearStored(bytes32 firstSlot, uint256 count) external view returns (Clearing memory);
            /// Clears the given orders and returns each order's fill in Wh.
            function fills(bytes32[] calldata orders) external view returns (Clearing memory, uint256[] memory);
        }
    }
}

pub use interface::IBatchAuction;

impl From<matching::Level> for IBatchAuction::Level {
    fn from(level: matching::Level) -> Self {
        Self {
            price: level.price.0,
            quantity: level.quantity.0,
            filled: level.filled.0,
        }
    }
}

impl From<matching::Clearing> for IBatchAuction::Clearing {
    fn from(clearing: matching::Clearing) -> Self {
        Self {
            price: clearing.price.0,
            volume: clearing.volume.0,
            bid: clearing.bid.into(),
            ask: clearing.ask.into(),
        }
    }
}
