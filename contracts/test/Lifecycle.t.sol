// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IMarket} from "../src/interfaces/IMarket.sol";
import {IMetering} from "../src/interfaces/IMetering.sol";
import {ISettlement} from "../src/interfaces/ISettlement.sol";
import {Product} from "../src/types/Product.sol";
import {System} from "./base/System.sol";

/// @notice One product from its opening to the settled delivery, with every amount worked out by hand.
contract LifecycleTest is System {
    uint64 private constant START = T0 + OPEN_LEAD;
    Product private product = _product(START);

    function setUp() public override {
        super.setUp();
        _enrol(_list(alice, bob, carol));
        _deposit(alice, 100 * COIN);
        _deposit(bob, 100 * COIN);
        _deposit(carol, 100 * COIN);
        _deposit(operator, 100 * COIN);
    }

    function test_A_product_lives_from_opening_to_settled_delivery() public {
        vm.assertEq(uint256(MARKET.productInfo(product).stage), uint256(IMarket.Stage.Open));
        // Alice wants 1,000 Wh at up to 20,000 ticks, Carol 500 Wh at up to 12,000, Bob has 1,200 Wh for at least 8,000.
        vm.assertEq(_submit(alice, product, 0, 20_000, 1000), 0);
        vm.assertEq(_submit(bob, product, 1, 8000, 1200), 1);
        vm.assertEq(_submit(carol, product, 0, 12_000, 500), 2);
        vm.assertEq(VAULT.balanceOf(alice).locked, (20_000 + 700) * 1000 * 1e10);
        vm.assertEq(VAULT.balanceOf(bob).locked, (40_700 - 8000) * 1200 * 1e10);

        vm.warp(START - GATE_LEAD);
        MARKET.clear(product);
        // All of Bob's 1,200 Wh trade: Alice's 1,000 and 200 of Carol's 500, whose partly filled level is the price.
        IMarket.Clearing memory result = MARKET.clearing(product);
        vm.assertEq(result.price, 12_000);
        vm.assertEq(result.volume, 1200);
        vm.assertEq(LENS.fillOf(product, 0), 1000);
        vm.assertEq(LENS.fillOf(product, 1), 1200);
        vm.assertEq(LENS.fillOf(product, 2), 200);

        vm.assertEq(MARKET.settleOrders(product, 2), false);
        vm.assertEq(MARKET.settleOrders(product, 2), true);
        vm.assertEq(MARKET.position(product, alice), 1000);
        vm.assertEq(MARKET.position(product, bob), -1200);
        vm.assertEq(MARKET.position(product, carol), 200);
        // Alice paid 12,000 × 1,000 and keeps the grid fee locked; what Bob earned and what he keeps locked is all that he
        // can come to owe.
        vm.assertEq(VAULT.balanceOf(alice).free, 100 * COIN - 12_700 * 1000 * 1e10);
        vm.assertEq(VAULT.balanceOf(alice).locked, 700 * 1000 * 1e10);
        vm.assertEq(VAULT.balanceOf(bob).locked, 40_700 * 1200 * 1e10);
        vm.assertEq(VAULT.clearingBalance(), 0);

        // Alice takes what she bought, Bob delivers 200 Wh too little, Carol takes 50 Wh less than she bought.
        vm.warp(START + LENGTH);
        _readInterval(alice, 1000, 0);
        _readInterval(bob, 0, 1000);
        _readInterval(carol, 150, 0);
        address[] memory all = _list(alice, bob, carol);
        SETTLEMENT.settle(product, all);

        uint256 aliceOut = (12_000 + 700) * 1000 * 1e10;
        uint256 bobIn = 12_000 * 1200 * 1e10 - (40_000 + 700) * 200 * 1e10;
        uint256 carolOut = (12_000 + 700) * 200 * 1e10 - 1500 * 50 * 1e10;
        vm.assertEq(VAULT.balanceOf(alice).free, 100 * COIN - aliceOut);
        vm.assertEq(VAULT.balanceOf(bob).free, 100 * COIN + bobIn);
        vm.assertEq(VAULT.balanceOf(carol).free, 100 * COIN - carolOut);
        vm.assertEq(VAULT.balanceOf(operator).free, 100 * COIN + aliceOut + carolOut - bobIn);
        for (uint256 i = 0; i < all.length; ++i) {
            vm.assertEq(VAULT.balanceOf(all[i]).locked, 0);
            vm.assertEq(uint256(SETTLEMENT.statuses(product, all)[i]), uint256(ISettlement.Status.Done));
        }
        vm.prank(bob);
        VAULT.withdraw(100 * COIN + bobIn);
        vm.assertEq(TOKEN.balanceOf(bob), 1000 * COIN + bobIn);
    }

    function _readInterval(address account, uint64 importWh, uint64 exportWh) private {
        bytes32 meter = _meterOf(account);
        vm.assertEq(uint256(_read(meter, START, 20_000, 12_000)), uint256(IMetering.Verdict.Accepted));
        vm.assertEq(
            uint256(_read(meter, START + LENGTH, 20_000 + importWh, 12_000 + exportWh)),
            uint256(IMetering.Verdict.Accepted)
        );
    }
}
