// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Tariff} from "./Tariff.sol";
import {ISettlementToken} from "wattline/interfaces/ISettlementToken.sol";
import {Predeploys} from "wattline/libraries/Predeploys.sol";

/// @title Bills at a tariff, paid in the chain's settlement token
contract Billing {
    /// @dev Base units of the token in a tick per Wh.
    uint256 private constant TICK = 1e10;

    Tariff public immutable tariff;

    event Billed(address indexed customer, uint256 energy, uint256 amount);

    /// @notice There is no bill at a price below zero.
    error NegativePrice(int32 price);

    constructor(Tariff tariff_) {
        tariff = tariff_;
    }

    /// @notice Takes the price of `energy` Wh from the customer's allowance.
    function bill(address customer, uint256 energy) external returns (uint256 amount) {
        int32 price = tariff.price();
        if (price < 0) revert NegativePrice(price);
        // forge-lint: disable-next-line(unsafe-typecast)
        amount = energy * uint256(int256(price)) * TICK;
        emit Billed(customer, energy, amount);
        // The token reverts when it cannot transfer.
        // forge-lint: disable-next-line(erc20-unchecked-transfer)
        ISettlementToken(Predeploys.SETTLEMENT_TOKEN).transferFrom(customer, tariff.owner(), amount);
    }
}
