// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IMarket} from "../src/interfaces/IMarket.sol";
import {Product} from "../src/types/Product.sol";
import {System} from "./base/System.sol";

/// @notice Keys that order for an account: Alice's home energy manager may order for an hour, from 500 to 2,000 ticks, up
///         to 1,500 Wh in an interval.
contract AgentsTest is System {
    uint64 private constant START = T0 + OPEN_LEAD;
    uint64 private constant UNTIL = T0 + 600;
    Product private product = _product(START);
    address private manager = _named("manager");

    function setUp() public override {
        super.setUp();
        _enrol(_list(alice, bob));
        _deposit(alice, 100 * COIN);
        _deposit(bob, 100 * COIN);
        vm.prank(alice);
        MARKET.setAgent(manager, _powers());
    }

    function test_an_agent_orders_and_cancels() public {
        vm.startPrank(manager);
        vm.expectEmit(address(MARKET));
        emit IMarket.OrderSubmitted(product, alice, 0, 0, 1000, 20, 1700 * 20 * 1e10);
        MARKET.submitFor(alice, _orders(0, 1000, 20));
        vm.assertEq(VAULT.balanceOf(alice).locked, 1700 * 20 * 1e10);
        MARKET.cancel(product, 0);
        vm.assertEq(VAULT.balanceOf(alice).locked, 0);
        vm.stopPrank();
        // Alice and nobody else does the same.
        vm.prank(alice);
        MARKET.submitFor(alice, _orders(0, 1000, 20));
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotAgent.selector, alice, bob));
        vm.prank(bob);
        MARKET.submitFor(alice, _orders(0, 1000, 20));
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotYourOrder.selector, product, 0, alice));
        vm.prank(bob);
        MARKET.cancel(product, 0);
    }

    function test_an_agent_signs_for_its_trader() public {
        vm.assertEq(_carry(_signed("manager", 1, 1000, 20)), true);
        vm.assertEq(MARKET.isNonceUsed(alice, 1), true);
        vm.assertEq(MARKET.accountInfo(product, alice).openBidWh, 20);
        // The nonce is Alice's, whoever signs.
        _expectRefused(_signed("alice", 1, 1000, 20), abi.encodeWithSelector(IMarket.NonceUsed.selector, alice, 1));
        _expectRefused(_signed("bob", 2, 1000, 20), abi.encodeWithSelector(IMarket.WrongSignature.selector, alice));
    }

    function test_an_agent_keeps_within_its_bounds() public {
        _expectRefused(
            _signed("manager", 1, 2001, 20), abi.encodeWithSelector(IMarket.PriceOutOfBounds.selector, 2001, 500, 2000)
        );
        _expectRefused(
            _signed("manager", 2, 499, 20), abi.encodeWithSelector(IMarket.PriceOutOfBounds.selector, 499, 500, 2000)
        );
        _submit(alice, product, 0, 3000, 1000);
        _expectRefused(
            _signed("manager", 3, 1000, 501), abi.encodeWithSelector(IMarket.BeyondCapacity.selector, 0, 1501, 1500)
        );
        vm.assertEq(_carry(_signed("manager", 3, 1000, 500)), true);
        vm.startPrank(manager);
        vm.expectRevert(abi.encodeWithSelector(IMarket.BeyondCapacity.selector, 1, 1501, 1500));
        MARKET.submitFor(alice, _orders(1, 1000, 1501));
        // The bounds are the agent's, not its trader's.
        vm.stopPrank();
        _submit(alice, product, 0, 3000, 1000);
    }

    /// @dev Bounds wider than the zone's and ratings change neither.
    function test_an_agent_may_no_more_than_its_trader() public {
        IMarket.Agent memory powers = IMarket.Agent(UNTIL, type(int32).min, type(int32).max, type(uint40).max);
        vm.prank(alice);
        MARKET.setAgent(manager, powers);
        vm.startPrank(manager);
        vm.expectRevert(abi.encodeWithSelector(IMarket.PriceOutOfBounds.selector, 50_001, -5000, 50_000));
        MARKET.submitFor(alice, _orders(0, 50_001, 20));
        vm.expectRevert(abi.encodeWithSelector(IMarket.PriceOutOfBounds.selector, -5001, -5000, 50_000));
        MARKET.submitFor(alice, _orders(0, -5001, 20));
        vm.expectRevert(abi.encodeWithSelector(IMarket.BeyondCapacity.selector, 0, 5001, 5000));
        MARKET.submitFor(alice, _orders(0, 1000, 5001));
        vm.expectRevert(abi.encodeWithSelector(IMarket.BeyondCapacity.selector, 1, 3001, 3000));
        MARKET.submitFor(alice, _orders(1, 1000, 3001));
    }

    function test_an_agent_acts_until_its_time_ends() public {
        vm.warp(UNTIL);
        vm.assertEq(_carry(_signed("manager", 1, 1000, 20)), true);
        vm.warp(UNTIL + 1);
        _expectRefused(_signed("manager", 2, 1000, 20), abi.encodeWithSelector(IMarket.WrongSignature.selector, alice));
        vm.startPrank(manager);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotAgent.selector, alice, manager));
        MARKET.submitFor(alice, _orders(0, 1000, 20));
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotYourOrder.selector, product, 0, alice));
        MARKET.cancel(product, 0);
    }

    function test_a_revoked_agents_signatures_are_worth_nothing() public {
        IMarket.SignedOrder memory order = _signed("manager", 1, 1000, 20);
        IMarket.Agent memory none;
        vm.expectEmit(address(MARKET));
        emit IMarket.AgentSet(alice, manager, none);
        vm.prank(alice);
        MARKET.setAgent(manager, none);
        _expectRefused(order, abi.encodeWithSelector(IMarket.WrongSignature.selector, alice));
        vm.assertEq(MARKET.agentOf(alice, manager).until, 0);
    }

    function test_an_operator_is_nobodys_agent_in_its_zone() public {
        vm.prank(alice);
        MARKET.setAgent(operator, _powers());
        bytes memory reason = abi.encodeWithSelector(IMarket.OperatorCannotTrade.selector, operator, ZONE);
        _expectRefused(_signed("zone operator", 1, 1000, 20), reason);
        vm.expectRevert(reason);
        vm.prank(operator);
        MARKET.submitFor(alice, _orders(0, 1000, 20));
    }

    function test_powers_are_kept_as_given(uint48 until, int32 minPrice, int32 maxPrice, uint40 maxQuantity) public {
        vm.prank(alice);
        MARKET.setAgent(manager, IMarket.Agent(until, minPrice, maxPrice, maxQuantity));
        IMarket.Agent memory powers = MARKET.agentOf(alice, manager);
        vm.assertEq(powers.until, until);
        vm.assertEq(powers.minPrice, minPrice);
        vm.assertEq(powers.maxPrice, maxPrice);
        vm.assertEq(powers.maxQuantity, maxQuantity);
        // For ever is as long as 48 bits last.
        vm.prank(alice);
        MARKET.setAgent(manager, IMarket.Agent(type(uint64).max, minPrice, maxPrice, maxQuantity));
        vm.assertEq(MARKET.agentOf(alice, manager).until, type(uint48).max);
    }

    function _powers() private pure returns (IMarket.Agent memory) {
        return IMarket.Agent({until: UNTIL, minPrice: 500, maxPrice: 2000, maxQuantity: 1500});
    }

    function _orders(uint8 side, int32 price, uint40 quantity) private view returns (IMarket.NewOrder[] memory list) {
        list = new IMarket.NewOrder[](1);
        list[0] = IMarket.NewOrder(product, side, price, quantity);
    }

    function _expectRefused(IMarket.SignedOrder memory order, bytes memory reason) private {
        vm.expectEmit(address(MARKET));
        emit IMarket.SignedOrderRefused(alice, order.nonce, reason);
        vm.assertEq(_carry(order), false);
    }

    function _carry(IMarket.SignedOrder memory order) private returns (bool) {
        IMarket.SignedOrder[] memory signed = new IMarket.SignedOrder[](1);
        signed[0] = order;
        return MARKET.submitSigned(signed)[0];
    }

    /// @dev A bid of Alice's that the named key signs.
    function _signed(string memory name, uint256 nonce, int32 price, uint40 quantity)
        private
        view
        returns (IMarket.SignedOrder memory order)
    {
        order = IMarket.SignedOrder(alice, product, 0, price, quantity, nonce, START, "");
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(_keyOfNamed(name), MARKET.orderDigest(order));
        order.signature = abi.encodePacked(r, s, v);
    }
}
