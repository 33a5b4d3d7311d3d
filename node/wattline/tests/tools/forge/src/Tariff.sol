// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// @title A retail tariff
/// @notice Its publisher sets the price of a Wh in ticks, within bounds fixed at its creation.
contract Tariff {
    int32 public immutable maxPrice;
    address public immutable owner;
    address public publisher;
    int32 public price;

    event PublisherChanged(address indexed from, address indexed to);
    event PriceChanged(address indexed publisher, int32 price);

    /// @notice The caller may not do this.
    error NotAllowed(address caller, address expected);
    /// @notice The price is above the bound.
    error PriceTooHigh(int32 price, int32 maxPrice);

    constructor(int32 maxPrice_) {
        maxPrice = maxPrice_;
        owner = msg.sender;
        publisher = msg.sender;
        emit PublisherChanged(address(0), msg.sender);
    }

    function setPublisher(address to) external {
        if (msg.sender != owner) revert NotAllowed(msg.sender, owner);
        emit PublisherChanged(publisher, to);
        publisher = to;
    }

    function setPrice(int32 to) external {
        if (msg.sender != publisher) revert NotAllowed(msg.sender, publisher);
        if (to > maxPrice) revert PriceTooHigh(to, maxPrice);
        price = to;
        emit PriceChanged(msg.sender, to);
    }
}
