// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IMetering} from "../src/interfaces/IMetering.sol";
import {IRegistry} from "../src/interfaces/IRegistry.sol";
import {IVault} from "../src/interfaces/IVault.sol";
import {Product, packProduct} from "../src/types/Product.sol";
import {Ledger} from "./base/Ledger.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

/// @notice Numbers at and beyond what the packed slots hold: they go through whole or are refused, never cut.
contract BoundsTest is Ledger {
    uint64 private constant WIDE = 8;
    uint40 private constant MOST = type(uint40).max;
    bytes32 private constant METER = "meter";

    // Times

    function test_settings_start_below_two_to_the_forty(uint64 from) public {
        uint64 first = _boundaryFrom(1 << 40);
        // A multiple of the length, up to the last that a `uint64` holds.
        from = uint64(bound(uint256(from), first / LENGTH, type(uint64).max / LENGTH)) * LENGTH;
        vm.startPrank(admin);
        _expectTooLarge(40, from);
        REGISTRY.changeZone(ZONE, _settings(), from);
        _expectTooLarge(40, first);
        REGISTRY.changeZone(ZONE, _settings(), first);
        REGISTRY.changeZone(ZONE, _settings(), first - LENGTH);
        vm.stopPrank();
        (, uint64 validFrom) = REGISTRY.latestSettings(ZONE);
        vm.assertEq(validFrom, first - LENGTH);
    }

    function test_nothing_follows_the_last_settings_that_fit() public {
        uint64 last = _boundaryFrom(1 << 40) - LENGTH;
        vm.startPrank(admin);
        REGISTRY.changeZone(ZONE, _settings(), last);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.TooSoon.selector, last, last + LENGTH));
        REGISTRY.changeZone(ZONE, _settings(), last);
        vm.stopPrank();
    }

    function test_zones_start_below_two_to_the_forty() public {
        uint64 first = _boundaryFrom(1 << 40);
        vm.warp(first);
        _expectTooLarge(40, first);
        vm.prank(admin);
        REGISTRY.createZone(WIDE, _settings());
        vm.warp(first - LENGTH);
        vm.prank(admin);
        REGISTRY.createZone(WIDE, _settings());
        (, uint64 validFrom) = REGISTRY.latestSettings(WIDE);
        vm.assertEq(validFrom, first - LENGTH);
    }

    function test_readings_are_of_times_below_two_to_the_forty_eight() public {
        _enrol(_list(alice));
        uint64 first = _boundaryFrom(1 << 48);
        vm.warp(first);
        IMetering.Reading[] memory readings = new IMetering.Reading[](1);
        bytes[] memory signatures = new bytes[](1);
        readings[0] = _reading(_meterOf(alice), first, 1, 1);
        signatures[0] = _sign(readings[0]);
        _expectTooLarge(48, first);
        METERING.submit(readings, signatures);
        IMetering.Verdict verdict = _read(_meterOf(alice), first - LENGTH, 1, 1);
        vm.assertEq(uint256(verdict), uint256(IMetering.Verdict.Accepted));
        vm.assertEq(METERING.latest(_meterOf(alice)).time, first - LENGTH);
    }

    // Meters

    function test_meters_are_numbered_below_two_to_the_thirty_two() public {
        _propose(abi.encodeCall(REGISTRY.registerParticipants, (ZONE, _list(alice))));
        vm.prank(operator);
        REGISTRY.registerParticipants(ZONE, _list(alice));
        // The slot of the list of all meters, as if so many had been registered.
        bytes32 slot = bytes32(uint256(4));
        vm.store(address(REGISTRY), slot, bytes32((uint256(1) << 32) - 1));
        vm.assertEq(REGISTRY.meterCount(), (1 << 32) - 1);
        IRegistry.NewMeter[] memory meters = new IRegistry.NewMeter[](1);
        meters[0] = IRegistry.NewMeter(METER, alice, bob, 7, 1, false, 0, 0);
        _propose(abi.encodeCall(REGISTRY.registerMeters, (meters)));
        _expectTooLarge(32, 1 << 32);
        vm.prank(operator);
        REGISTRY.registerMeters(meters);
        vm.store(address(REGISTRY), slot, bytes32((uint256(1) << 32) - 2));
        _propose(abi.encodeCall(REGISTRY.registerMeters, (meters)));
        vm.prank(operator);
        REGISTRY.registerMeters(meters);
        vm.assertEq(REGISTRY.metersOf(alice, T0 + OPEN_LEAD + LENGTH)[0], METER);
        vm.assertEq(REGISTRY.meter(METER).maxImportWh, 7);
    }

    // Money

    function test_deposits_stay_below_two_to_the_hundred_twenty(uint256 amount) public {
        amount = bound(amount, 1 << 120, type(uint256).max);
        _expectTooLarge(120, amount);
        vm.prank(alice);
        VAULT.deposit(amount);
        _expectTooLarge(120, amount);
        vm.prank(bob);
        VAULT.depositFor(alice, amount);
        _expectBalance(alice, 0, 0, 0);
    }

    function test_free_money_stays_below_two_to_the_hundred_twenty(uint256 first) public {
        uint256 most = type(uint120).max;
        first = bound(first, 1, most);
        vm.prank(bank);
        TOKEN.mint(alice, 1 << 120);
        _deposit(alice, first);
        vm.startPrank(alice);
        TOKEN.approve(address(VAULT), type(uint256).max);
        vm.expectRevert(OVERFLOW);
        VAULT.deposit((1 << 120) - first);
        if (first != most) VAULT.deposit(most - first);
        vm.stopPrank();
        _expectBalance(alice, most, 0, 0);
        vm.prank(alice);
        VAULT.withdraw(most);
        vm.assertEq(TOKEN.balanceOf(alice), 1000 * COIN + (1 << 120));
    }

    function test_what_is_not_there_is_neither_locked_nor_taken(uint256 amount) public {
        _deposit(alice, 100);
        _lock(alice, 40);
        amount = bound(amount, 61, type(uint256).max);
        bytes memory notFree = abi.encodeWithSelector(IVault.InsufficientFree.selector, alice, 60, amount);
        bytes memory notLocked = abi.encodeWithSelector(IVault.InsufficientLocked.selector, alice, 40, amount);
        vm.startPrank(alice);
        vm.expectRevert(notFree);
        VAULT.withdraw(amount);
        vm.expectRevert(notFree);
        VAULT.withdrawTo(bob, amount);
        vm.stopPrank();
        vm.expectRevert(notFree);
        _lock(alice, amount);
        vm.expectRevert(notLocked);
        vm.prank(address(MARKET));
        VAULT.unlock(alice, amount);
        vm.expectRevert(notLocked);
        _book(alice, operator, amount, 0);
        _expectBalance(alice, 60, 40, 0);
    }

    function test_trades_keep_locked_money_below_two_to_the_hundred_twenty(uint256 received) public {
        received = bound(received, 1 << 120, type(uint256).max);
        _deposit(alice, 100);
        _lock(alice, 40);
        _expectTooLarge(120, received);
        _bookTrade(0, received, 0);
        // 40 are locked already.
        vm.expectRevert(OVERFLOW);
        _bookTrade(0, type(uint120).max - 39, 0);
        vm.expectRevert(OVERFLOW);
        _bookTrade(type(uint256).max, 0, 1);
        _expectBalance(alice, 60, 40, 0);
        _bookTrade(0, type(uint120).max - 40, 0);
        _expectBalance(alice, 60, type(uint120).max, 0);
        vm.assertEq(VAULT.clearingBalance(), -int256(uint256(type(uint120).max - 40)));
    }

    function test_debts_stay_below_two_to_the_hundred_twenty(uint256 due) public {
        due = bound(due, 1 << 120, uint256(type(int256).max));
        _expectTooLarge(120, due);
        _book(alice, operator, 0, int256(due));
        _book(alice, operator, 0, int256(uint256(type(uint120).max)));
        _expectBalance(alice, 0, 0, type(uint120).max);
        _expectBalance(operator, 0, type(uint120).max, 0);
        vm.expectRevert(OVERFLOW);
        _book(alice, operator, 0, 1);
    }

    function test_no_operator_owes_the_greatest_earning() public {
        _deposit(operator, COIN);
        _expectTooLarge(120, (uint256(1) << 255) - COIN);
        _book(alice, operator, 0, type(int256).min);
        _expectBalance(operator, COIN, 0, 0);
    }

    // The greatest order

    /// @dev Alice buys of Bob the most Wh that a word holds, at any price that it holds, and Bob delivers nothing. Each
    ///      rate and price of the zone is the greatest there is.
    function test_the_greatest_orders_go_through_at_any_price(int32 price) public {
        _openWideZone();
        uint64 start = T0 + OPEN_LEAD;
        Product id = packProduct(WIDE, start);
        uint256 before = VAULT.balanceOf(alice).free;
        _submit(alice, id, 0, price, MOST);
        _submit(bob, id, 1, price, MOST);
        _expectBalance(alice, before - _lockedFor(price), _lockedFor(price), 0);
        uint256 asked = uint256(_worth(int256(type(int32).max) + int256(uint256(type(uint32).max)) - price));
        _expectBalance(bob, before - asked, asked, 0);

        vm.warp(start - GATE_LEAD);
        MARKET.clear(id);
        vm.assertEq(MARKET.clearing(id).price, price);
        vm.assertEq(MARKET.clearing(id).volume, MOST);
        MARKET.settleOrders(id, 2);
        vm.assertEq(MARKET.position(id, alice), int256(uint256(MOST)));
        vm.assertEq(MARKET.position(id, bob), -int256(uint256(MOST)));

        vm.warp(start + LENGTH);
        _readAround(alice, start, MOST);
        _readAround(bob, start, 0);
        SETTLEMENT.settle(id, _list(alice, bob));
        int256 cost = _worth(price);
        int256 fee = _worth(int256(uint256(type(uint32).max)));
        int256 shortage = _worth(type(int32).max);
        _expectBalance(alice, uint256(int256(before) - cost - fee), 0, 0);
        _expectBalance(bob, uint256(int256(before) + cost - shortage - fee), 0, 0);
        _expectBalance(operator, before + uint256(shortage + 2 * fee), 0, 0);
        _expectBooksBalance();
    }

    function _openWideZone() private {
        IRegistry.ZoneSettings memory settings = _settings();
        (settings.minPrice, settings.maxPrice) = (type(int32).min, type(int32).max);
        (settings.shortagePrice, settings.surplusPrice) = (type(int32).max, type(int32).max);
        settings.gridFee = type(uint32).max;
        vm.prank(admin);
        REGISTRY.createZone(WIDE, settings);
        _propose(abi.encodeCall(REGISTRY.registerParticipants, (WIDE, _list(alice, bob))));
        vm.prank(operator);
        REGISTRY.registerParticipants(WIDE, _list(alice, bob));
        _addMeter(alice, _meterOf(alice), MOST, MOST);
        _addMeter(bob, _meterOf(bob), MOST, MOST);
        vm.prank(bank);
        TOKEN.mintMany(_list(alice, bob, operator), 1e33);
        _deposit(alice, 1e33);
        _deposit(bob, 1e33);
        _deposit(operator, 1e33);
    }

    function _readAround(address account, uint64 start, uint64 importWh) private {
        _read(_meterOf(account), start, MOST, MOST);
        _read(_meterOf(account), start + LENGTH, MOST + importWh, MOST);
    }

    /// @dev What the greatest order costs at a price.
    function _worth(int256 price) private pure returns (int256) {
        return price * int256(uint256(MOST)) * 1e10;
    }

    /// @dev What the greatest order locks that may cost this price.
    function _lockedFor(int256 price) private pure returns (uint256) {
        return uint256(_worth((price > 0 ? price : int256(0)) + int256(uint256(type(uint32).max))));
    }

    function _bookTrade(uint256 paid, uint256 received, uint256 freed) private {
        IVault.Trade[] memory trades = new IVault.Trade[](1);
        trades[0] = IVault.Trade(alice, paid, received, freed);
        vm.prank(address(MARKET));
        VAULT.bookTrades(trades);
    }

    function _boundaryFrom(uint64 time) private pure returns (uint64) {
        return (time + LENGTH - 1) / LENGTH * LENGTH;
    }

    function _expectTooLarge(uint8 bits, uint256 value) private {
        vm.expectRevert(abi.encodeWithSelector(SafeCast.SafeCastOverflowedUintDowncast.selector, bits, value));
    }
}
