// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// @notice One order in the auction's word format (see IBatchAuction).
type Order is bytes32;

using {side, price, quantity, trader} for Order global;

uint8 constant BID = 0;
uint8 constant ASK = 1;

/// @dev Packs an order; the side must be BID or ASK.
function packOrder(uint8 side_, int32 price_, uint40 quantity_, address trader_) pure returns (Order) {
    // The cast keeps the price's two's complement bits, which is what the format wants.
    // forge-lint: disable-next-line(unsafe-typecast)
    uint256 priceBits = uint256(uint32(price_)) << 200;
    return
        Order.wrap(bytes32(uint256(side_) << 232 | priceBits | uint256(quantity_) << 160 | uint256(uint160(trader_))));
}

function side(Order order) pure returns (uint8) {
    return uint8(Order.unwrap(order)[2]);
}

function price(Order order) pure returns (int32) {
    // forge-lint: disable-next-line(unsafe-typecast)
    return int32(uint32(uint256(Order.unwrap(order)) >> 200));
}

function quantity(Order order) pure returns (uint40) {
    // forge-lint: disable-next-line(unsafe-typecast)
    return uint40(uint256(Order.unwrap(order)) >> 160);
}

function trader(Order order) pure returns (address) {
    // forge-lint: disable-next-line(unsafe-typecast)
    return address(uint160(uint256(Order.unwrap(order))));
}
