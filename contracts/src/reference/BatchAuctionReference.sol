// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IBatchAuction} from "../interfaces/IBatchAuction.sol";
import {IMarket} from "../interfaces/IMarket.sol";
import {ASK, BID, Order} from "../types/Order.sol";
import {SortedBook} from "./SortedBook.sol";

/// @title The batch auction in Solidity
/// @notice Follows the definition of the auction step by step, for clarity rather than speed. Tests put it in the
///         precompile's place, and the precompile is compared with it. It answers and fails as the precompile does, but
///         a contract cannot read its caller's storage: `clearStored` asks the caller for the words by
///         IMarket.extsload.
/// @dev Everything enters by the fallback function: Solidity's own dispatch would answer bad input with other errors.
contract BatchAuctionReference {
    using SortedBook for uint256[];

    /// @notice The most orders of one auction.
    uint256 private constant MAX_ORDERS = 1 << 24;

    address private immutable _SELF;

    /// @param self The address at which the code is going to be, which need not be where it is created.
    constructor(address self) {
        _SELF = self;
    }

    fallback(bytes calldata input) external payable returns (bytes memory) {
        if (address(this) != _SELF) revert IBatchAuction.DelegateCallNotAllowed();
        if (msg.value != 0) revert IBatchAuction.NotPayable();
        if (input.length < 4) revert IBatchAuction.UnknownFunction();
        bytes4 selector = bytes4(input[:4]);
        if (selector == IBatchAuction.clear.selector) {
            return abi.encode(_clear(_decodeOrders(input[4:])));
        }
        if (selector == IBatchAuction.fills.selector) {
            Order[] memory orders = _decodeOrders(input[4:]);
            IBatchAuction.Clearing memory result = _clear(orders);
            return abi.encode(result, _fills(orders, result));
        }
        if (selector == IBatchAuction.clearStored.selector) {
            if (input.length < 68) revert IBatchAuction.MalformedInput();
            (bytes32 first, uint256 count) = abi.decode(input[4:68], (bytes32, uint256));
            if (count > MAX_ORDERS) revert IBatchAuction.TooManyOrders(count);
            return abi.encode(_clear(_storedOrders(first, count)));
        }
        revert IBatchAuction.UnknownFunction();
    }

    /// @dev The one argument of `clear` and `fills`; an offset or a length that leads out of the calldata is malformed.
    function _decodeOrders(bytes calldata arguments) private pure returns (Order[] memory orders) {
        uint256 offset = _wordAt(arguments, 0);
        uint256 count = _wordAt(arguments, offset);
        bytes calldata elements = arguments[offset + 32:];
        if (count > elements.length / 32) revert IBatchAuction.MalformedInput();
        if (count > MAX_ORDERS) revert IBatchAuction.TooManyOrders(count);
        orders = new Order[](count);
        for (uint256 i = 0; i < count; ++i) {
            orders[i] = Order.wrap(bytes32(elements[i * 32:]));
        }
    }

    function _storedOrders(bytes32 first, uint256 count) private view returns (Order[] memory orders) {
        bytes32[] memory words = IMarket(msg.sender).extsload(first, count);
        orders = new Order[](count);
        for (uint256 i = 0; i < count; ++i) {
            orders[i] = Order.wrap(words[i]);
        }
    }

    function _wordAt(bytes calldata arguments, uint256 offset) private pure returns (uint256) {
        if (arguments.length < 32 || offset > arguments.length - 32) revert IBatchAuction.MalformedInput();
        return uint256(bytes32(arguments[offset:]));
    }

    function _clear(Order[] memory orders) private pure returns (IBatchAuction.Clearing memory result) {
        (uint256[] memory bids, uint256[] memory asks) = _book(orders);
        uint256 volume = _volume(bids, asks);
        if (volume == 0) return result;

        // Both are sums of at most 2^24 `uint40`.
        // forge-lint: disable-next-line(unsafe-typecast)
        result.volume = uint64(volume);
        int256 bestBidLeft;
        int256 bestAskLeft;
        (result.bid, bestBidLeft) = _marginal(bids, BID, volume);
        (result.ask, bestAskLeft) = _marginal(asks, ASK, volume);
        int256 low = bestBidLeft > result.ask.price ? bestBidLeft : int256(result.ask.price);
        int256 high = bestAskLeft < result.bid.price ? bestAskLeft : int256(result.bid.price);
        // An arithmetic shift rounds towards minus infinity, and the middle of two prices is a price.
        // forge-lint: disable-next-line(unsafe-typecast)
        result.price = int32((low + high) >> 1);
    }

    /// @dev Both sides, best price first, empty slots left out.
    function _book(Order[] memory orders) private pure returns (uint256[] memory bids, uint256[] memory asks) {
        uint256 bidCount = 0;
        uint256 askCount = 0;
        for (uint256 i = 0; i < orders.length; ++i) {
            Order order = orders[i];
            if (order.quantity() == 0) continue;
            if (uint256(Order.unwrap(order)) >> 240 != 0 || order.side() > ASK) revert IBatchAuction.InvalidOrder(i);
            if (order.side() == BID) ++bidCount;
            else ++askCount;
        }
        (bids, asks) = (new uint256[](bidCount), new uint256[](askCount));
        for (uint256 i = 0; i < orders.length; ++i) {
            Order order = orders[i];
            if (order.quantity() == 0) continue;
            if (order.side() == BID) bids[--bidCount] = SortedBook.key(order);
            else asks[--askCount] = SortedBook.key(order);
        }
        bids.sort();
        asks.sort();
    }

    /// @dev The greatest min(D(p), S(p)). Between two bid prices D is constant and S can only grow, so the bid prices
    ///      are all that need trying.
    function _volume(uint256[] memory bids, uint256[] memory asks) private pure returns (uint256 volume) {
        uint256 demand = 0;
        uint256 supply = 0;
        for (uint256 i = 0; i < asks.length; ++i) {
            supply += asks.quantityAt(i);
        }
        uint256 left = asks.length;
        for (uint256 i = 0; i < bids.length; ++i) {
            int256 price = bids.priceAt(i, BID);
            demand += bids.quantityAt(i);
            while (left != 0 && asks.priceAt(left - 1, ASK) > price) {
                supply -= asks.quantityAt(--left);
            }
            uint256 both = demand < supply ? demand : supply;
            if (both > volume) volume = both;
        }
    }

    /// @dev Accepts a side's orders, best first, until it holds `volume`: the level at which that is reached, and the
    ///      best price of what is not or only partly accepted; beyond any price if all is.
    function _marginal(uint256[] memory keys, uint8 side, uint256 volume)
        private
        pure
        returns (IBatchAuction.Level memory level, int256 bestLeft)
    {
        uint256 before = 0;
        uint256 quantity = 0;
        uint256 i = 0;
        while (before + quantity < volume) {
            before += quantity;
            quantity = 0;
            int256 price = keys.priceAt(i, side);
            while (i < keys.length && keys.priceAt(i, side) == price) {
                quantity += keys.quantityAt(i++);
            }
            // forge-lint: disable-next-line(unsafe-typecast)
            level.price = int32(price);
        }
        // forge-lint: disable-next-line(unsafe-typecast)
        (level.quantity, level.filled) = (uint64(quantity), uint64(volume - before));
        if (level.filled < level.quantity) bestLeft = level.price;
        else if (i < keys.length) bestLeft = keys.priceAt(i, side);
        else bestLeft = side == BID ? type(int256).min : type(int256).max;
    }

    /// @dev Orders better than the marginal level fill whole; those at it share by quantity, in submission order.
    function _fills(Order[] memory orders, IBatchAuction.Clearing memory result)
        private
        pure
        returns (uint256[] memory fills)
    {
        fills = new uint256[](orders.length);
        if (result.volume == 0) return fills;
        uint256[2] memory before;
        for (uint256 i = 0; i < orders.length; ++i) {
            Order order = orders[i];
            uint256 quantity = order.quantity();
            if (quantity == 0) continue;
            uint8 side = order.side();
            IBatchAuction.Level memory level = side == BID ? result.bid : result.ask;
            if (order.price() == level.price) {
                uint256 c = before[side];
                fills[i] = (c + quantity) * level.filled / level.quantity - c * level.filled / level.quantity;
                before[side] = c + quantity;
            } else if (side == BID ? order.price() > level.price : order.price() < level.price) {
                fills[i] = quantity;
            }
        }
    }
}
