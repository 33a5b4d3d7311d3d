// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// @notice A delivery interval in a zone: `zone << 64 | start`.
type Product is uint256;

using {zone, start, next, same as ==} for Product global;

function packProduct(uint64 zone_, uint64 start_) pure returns (Product) {
    return Product.wrap(uint256(zone_) << 64 | start_);
}

/// @dev The zone; zero, which is none, for what is no product: more than 64 bits of zone or 48 bits of time.
function zone(Product product) pure returns (uint64) {
    uint256 id = Product.unwrap(product) >> 64;
    if (id > type(uint64).max || start(product) > type(uint48).max) return 0;
    // forge-lint: disable-next-line(unsafe-typecast)
    return uint64(id);
}

/// @dev The start of delivery in Unix seconds.
function start(Product product) pure returns (uint64) {
    // forge-lint: disable-next-line(unsafe-typecast)
    return uint64(Product.unwrap(product));
}

/// @dev The product `length` seconds later.
function next(Product product, uint64 length) pure returns (Product) {
    return Product.wrap(Product.unwrap(product) + length);
}

function same(Product a, Product b) pure returns (bool) {
    return Product.unwrap(a) == Product.unwrap(b);
}
