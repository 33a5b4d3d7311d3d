// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IMarket} from "../src/interfaces/IMarket.sol";
import {IRegistry} from "../src/interfaces/IRegistry.sol";
import {IVault} from "../src/interfaces/IVault.sol";
import {Order, packOrder} from "../src/types/Order.sol";
import {Product} from "../src/types/Product.sol";
import {System} from "./base/System.sol";
import {Wallet} from "./base/Wallet.sol";

/// @notice Orders that traders sign and anybody carries. Dave, who carries them, is no participant.
contract SignedOrdersTest is System {
    uint64 private constant START = T0 + OPEN_LEAD;
    Product private product = _product(START);
    address private dave = _named("dave");

    function setUp() public override {
        super.setUp();
        _enrol(_list(alice, bob));
        _deposit(alice, 100 * COIN);
        _deposit(bob, 100 * COIN);
    }

    function test_anybody_carries_orders_that_traders_signed() public {
        IMarket.SignedOrder[] memory signed = new IMarket.SignedOrder[](2);
        signed[0] = _signed("alice", 7, 0, 1000, 20);
        signed[1] = _signed("bob", 7, 1, 900, 30);
        vm.expectEmit(address(MARKET));
        emit IMarket.OrderSubmitted(product, alice, 0, 0, 1000, 20, 1700 * 20 * 1e10);
        vm.prank(dave);
        bool[] memory taken = MARKET.submitSigned(signed);
        vm.assertEq(taken[0] && taken[1], true);
        vm.assertEq(Order.unwrap(MARKET.orders(product)[0]), Order.unwrap(packOrder(0, 1000, 20, alice)));
        vm.assertEq(Order.unwrap(MARKET.orders(product)[1]), Order.unwrap(packOrder(1, 900, 30, bob)));
        vm.assertEq(VAULT.balanceOf(alice).locked, 1700 * 20 * 1e10);
        vm.assertEq(MARKET.isNonceUsed(alice, 7), true);
        vm.assertEq(MARKET.isNonceUsed(alice, 8), false);
        // The trader cancels it like any other.
        vm.prank(alice);
        MARKET.cancel(product, 0);
    }

    function test_one_bad_order_costs_the_others_nothing() public {
        IMarket.SignedOrder[] memory signed = new IMarket.SignedOrder[](8);
        signed[0] = _signed("alice", 1, 0, 1000, 20);
        signed[1] = signed[0];
        signed[2] = _signed("alice", 2, 0, 1000, 20);
        signed[2].price = 1001;
        signed[3] = _signed("alice", 3, 0, 1000, 20);
        signed[3].deadline = T0 - 1;
        signed[4] = _signed("alice", 4, 0, 1000, 20);
        signed[4].trader = bob;
        signed[5] = _signed("carol", 5, 0, 1000, 20);
        signed[6] = _signed("alice", 6, 0, 1000, 5000);
        signed[7] = _signed("alice", 0, 0, 1000, 4980);
        _expectRefusal(alice, 1, abi.encodeWithSelector(IMarket.NonceUsed.selector, alice, 1));
        _expectRefusal(alice, 2, abi.encodeWithSelector(IMarket.WrongSignature.selector, alice));
        _expectRefusal(alice, 3, abi.encodeWithSelector(IMarket.OrderExpired.selector, T0 - 1));
        _expectRefusal(bob, 4, abi.encodeWithSelector(IMarket.WrongSignature.selector, bob));
        _expectRefusal(carol, 5, abi.encodeWithSelector(IMarket.NotParticipant.selector, carol, ZONE));
        _expectRefusal(alice, 6, abi.encodeWithSelector(IMarket.BeyondCapacity.selector, 0, 5020, 5000));
        bool[] memory taken = MARKET.submitSigned(signed);
        for (uint256 i = 0; i < taken.length; ++i) {
            vm.assertEq(taken[i], i == 0 || i == 7);
        }
        vm.assertEq(MARKET.orderCount(product), 2);
        // What was refused may be carried again when the reason is gone.
        vm.assertEq(MARKET.isNonceUsed(alice, 6), false);
    }

    function test_an_order_counts_on_one_chain_and_one_contract() public {
        IMarket.SignedOrder memory order = _signed("alice", 1, 0, 1000, 20);
        vm.chainId(block.chainid + 1);
        _expectOne(order, false);
        vm.chainId(block.chainid - 1);
        _expectOne(order, true);
    }

    function test_the_digest_is_EIP_712() public view {
        IMarket.SignedOrder memory order = _signed("alice", 9, 1, -5, 20);
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Wattline Market"),
                keccak256("1"),
                block.chainid,
                address(MARKET)
            )
        );
        bytes32 typeHash = keccak256(
            "Order(address trader,uint256 product,uint8 side,int32 price,uint40 quantity,uint256 nonce,uint64 deadline)"
        );
        bytes32 structHash = keccak256(abi.encode(typeHash, alice, product, 1, int32(-5), 20, 9, order.deadline));
        vm.assertEq(MARKET.orderDigest(order), keccak256(abi.encodePacked(hex"1901", domain, structHash)));
    }

    function test_deadlines_include_themselves() public {
        IMarket.SignedOrder memory order = _signed("alice", 1, 0, 1000, 20);
        vm.warp(order.deadline + 1);
        _expectOne(order, false);
        vm.warp(order.deadline);
        _expectOne(order, true);
    }

    function test_nonces_are_used_in_any_order_and_can_be_cancelled(uint256[3] memory nonces) public {
        vm.assume(nonces[0] != nonces[1] && nonces[1] != nonces[2] && nonces[2] != nonces[0]);
        _expectOne(_signed("alice", nonces[0], 0, 1000, 20), true);
        uint256[] memory cancelled = new uint256[](1);
        cancelled[0] = nonces[1];
        vm.expectEmit(address(MARKET));
        emit IMarket.NonceCancelled(alice, nonces[1]);
        vm.prank(alice);
        MARKET.cancelNonces(cancelled);
        _expectOne(_signed("alice", nonces[1], 0, 1000, 20), false);
        _expectOne(_signed("bob", nonces[1], 0, 1000, 20), true);
        _expectOne(_signed("alice", nonces[2], 0, 1000, 20), true);
        _expectOne(_signed("alice", nonces[0], 0, 1000, 20), false);
    }

    function test_malformed_signatures_are_refused(bytes memory signature) public {
        IMarket.SignedOrder memory order = _signed("alice", 1, 0, 1000, 20);
        vm.assume(keccak256(signature) != keccak256(order.signature));
        order.signature = signature;
        _expectOne(order, false);
    }

    /// @dev Whatever a contract does when it is asked, the order after it goes through.
    function test_contracts_confirm_by_ERC_1271(uint8 manner) public {
        Wallet wallet = new Wallet();
        wallet.set(Wallet.Manner(manner % 5));
        _enrol(_list(address(wallet)));
        vm.startPrank(alice);
        TOKEN.approve(address(VAULT), COIN);
        VAULT.depositFor(address(wallet), COIN);
        vm.stopPrank();
        IMarket.SignedOrder[] memory signed = new IMarket.SignedOrder[](2);
        signed[0] = _signed("alice", 1, 0, 1000, 20);
        signed[0].trader = address(wallet);
        signed[1] = _signed("alice", 1, 0, 1000, 20);
        bool[] memory taken = MARKET.submitSigned(signed);
        vm.assertEq(taken[0], wallet.manner() == Wallet.Manner.Confirms);
        vm.assertEq(taken[1], true);
    }

    function test_a_carrier_without_gas_refuses_nothing() public {
        IMarket.SignedOrder[] memory signed = new IMarket.SignedOrder[](1);
        signed[0] = _signed("alice", 1, 0, 1000, 20);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotEnoughGas.selector, 1_000_000));
        MARKET.submitSigned{gas: 900_000}(signed);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotSelf.selector, dave));
        vm.prank(dave);
        MARKET.submitSignedOrder(signed[0], _settings(), IRegistry.Standing(true, 100, 100, 0));
    }

    function _expectRefusal(address trader, uint256 nonce, bytes memory reason) private {
        vm.expectEmit(address(MARKET));
        emit IMarket.SignedOrderRefused(trader, nonce, reason);
    }

    function _expectOne(IMarket.SignedOrder memory order, bool taken) private {
        IMarket.SignedOrder[] memory signed = new IMarket.SignedOrder[](1);
        signed[0] = order;
        IVault.Balance memory balance = VAULT.balanceOf(order.trader);
        vm.assertEq(MARKET.submitSigned(signed)[0], taken);
        bool moved = VAULT.balanceOf(order.trader).locked != balance.locked;
        vm.assertEq(moved, taken);
    }

    function _signed(string memory name, uint256 nonce, uint8 side, int32 price, uint40 quantity)
        private
        view
        returns (IMarket.SignedOrder memory order)
    {
        order = IMarket.SignedOrder(_named(name), product, side, price, quantity, nonce, T0 + 600, "");
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(_keyOfNamed(name), MARKET.orderDigest(order));
        order.signature = abi.encodePacked(r, s, v);
    }
}
