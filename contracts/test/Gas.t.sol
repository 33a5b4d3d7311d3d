// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IBatchAuction} from "../src/interfaces/IBatchAuction.sol";
import {IMarket} from "../src/interfaces/IMarket.sol";
import {IMetering} from "../src/interfaces/IMetering.sol";
import {IRegistry} from "../src/interfaces/IRegistry.sol";
import {Predeploys} from "../src/libraries/Predeploys.sol";
import {Product} from "../src/types/Product.sol";
import {System} from "./base/System.sol";

/// @notice Gas of the main calls, as transactions of their own, for a hundred households with a meter each.
/// forge-config: default.isolate = true
contract GasTest is System {
    uint64 private constant START = T0 + OPEN_LEAD;
    uint256 private constant HOUSEHOLDS = 100;
    Product private product = _product(START);
    address[] private households;

    function setUp() public override {
        super.setUp();
        IRegistry.NewMeter[] memory meters = new IRegistry.NewMeter[](HOUSEHOLDS);
        for (uint256 i = 0; i < HOUSEHOLDS; ++i) {
            address household = _named(string.concat("household ", vm.toString(i)));
            households.push(household);
            bytes32 id = _meterOf(household);
            meters[i] = IRegistry.NewMeter(id, household, vm.addr(_keyOf(id)), 5000, 3000, i % 2 == 1, 0, 0);
        }
        vm.prank(bank);
        TOKEN.mintMany(households, 1000 * COIN);
        _propose(abi.encodeCall(REGISTRY.registerParticipants, (ZONE, households)));
        vm.prank(operator);
        REGISTRY.registerParticipants(ZONE, households);
        vm.snapshotGasLastCall("Registry", "registerParticipants, 100");
        _registerInTime(meters);
        vm.snapshotGasLastCall("Registry", "registerMeters, 100");
        for (uint256 i = 0; i < HOUSEHOLDS; ++i) {
            _deposit(households[i], 1000 * COIN);
        }
        vm.snapshotGasLastCall("Vault", "deposit, first");
        _deposit(operator, 1000 * COIN);
    }

    function test_orders() public {
        _submit(households[0], product, 0, 10_000, 100);
        vm.snapshotGasLastCall("Market", "submit, first order of a product");
        _submit(households[1], product, 1, 9000, 100);
        vm.snapshotGasLastCall("Market", "submit, first order of an account");
        _submit(households[1], product, 1, 9500, 100);
        vm.snapshotGasLastCall("Market", "submit, further order of an account");

        IMarket.NewOrder[] memory newOrders = new IMarket.NewOrder[](10);
        for (uint256 i = 0; i < newOrders.length; ++i) {
            newOrders[i] = IMarket.NewOrder(product, 0, 10_000, 10);
        }
        vm.prank(households[2]);
        MARKET.submitMany(newOrders);
        vm.snapshotGasLastCall("Market", "submitMany, 10 orders");
        MARKET.submitSigned(_signedOrders(10, 0));
        vm.snapshotGasLastCall("Market", "submitSigned, first orders of 10 accounts");
        vm.prank(households[2]);
        MARKET.cancel(product, 5);
        vm.snapshotGasLastCall("Market", "cancel");
        vm.prank(households[3]);
        VAULT.withdraw(COIN);
        vm.snapshotGasLastCall("Vault", "withdraw");
    }

    function test_a_product_of_a_hundred_orders() public {
        for (uint256 i = 0; i < HOUSEHOLDS; ++i) {
            _submit(households[i], product, uint8(i % 2), 10_000, 100);
        }
        vm.warp(START - GATE_LEAD);
        // The reference's gas would say nothing about the precompile's, which is 1,000 and, for each order, 16 and an
        // SLOAD. So the answer is put in its place and what is measured is the Market's own part.
        bytes memory ask = abi.encodeCall(IBatchAuction.clearStored, (MARKET.ordersSlot(product), HOUSEHOLDS));
        IBatchAuction.Clearing memory result = IBatchAuction(Predeploys.BATCH_AUCTION).clear(MARKET.orders(product));
        vm.mockCall(Predeploys.BATCH_AUCTION, ask, abi.encode(result));
        MARKET.clear(product);
        vm.snapshotGasLastCall("Market", "clear, without the precompile's part");
        MARKET.settleOrders(product, 1);
        vm.snapshotGasLastCall("Market", "settleOrders, 1 order");
        MARKET.settleOrders(product, HOUSEHOLDS);
        vm.snapshotGasLastCall("Market", "settleOrders, 99 orders");

        vm.warp(START + LENGTH);
        _readAll(START, 1000, 1000);
        vm.snapshotGasLastCall("Metering", "submit, 100 first readings");
        _readAll(START + LENGTH, 1100, 1100);
        vm.snapshotGasLastCall("Metering", "submit, 100 readings");
        address[] memory one = _list(households[0]);
        SETTLEMENT.settle(product, one);
        vm.snapshotGasLastCall("Settlement", "settle, 1 account");
        address[] memory rest = new address[](HOUSEHOLDS - 1);
        for (uint256 i = 0; i < rest.length; ++i) {
            rest[i] = households[i + 1];
        }
        SETTLEMENT.settle(product, rest);
        vm.snapshotGasLastCall("Settlement", "settle, 99 accounts");
        vm.assertEq(MARKET.position(product, households[0]), 100);
        vm.assertEq(VAULT.balanceOf(households[99]).locked, 0);
    }

    /// @dev Where a settled book stood, and with nonces that follow one another.
    function test_orders_in_places_that_are_used_again() public {
        MARKET.submitSigned(_signedOrders(HOUSEHOLDS, 0));
        vm.warp(START + 64 days - OPEN_LEAD);
        MARKET.clear(product);
        MARKET.settleOrders(product, HOUSEHOLDS);
        SETTLEMENT.settle(product, households);
        product = _product(START + 64 days);
        MARKET.submitSigned(_signedOrders(HOUSEHOLDS, 1));
        vm.snapshotGasLastCall("Market", "submitSigned, 100 orders in places used again");
        vm.assertEq(MARKET.orderCount(product), HOUSEHOLDS);
    }

    /// @dev A concentrator has signed for all meters, where registers stood that are a period old.
    function test_readings_that_are_signed_together() public {
        IRegistry.NewMeter[] memory meters = new IRegistry.NewMeter[](HOUSEHOLDS);
        for (uint256 i = 0; i < HOUSEHOLDS; ++i) {
            bytes32 id = bytes32(uint256(keccak256(abi.encode("second", i))));
            meters[i] = IRegistry.NewMeter(id, households[i], _named("concentrator"), 5000, 3000, false, 0, 0);
        }
        vm.warp(START);
        _registerInTime(meters);
        uint64 period = 64 days;
        for (uint64 i = 0; i < 3; ++i) {
            vm.warp(START + i * LENGTH);
            _readTogether(meters, START + i * LENGTH, i);
        }
        vm.warp(START + period + 2 * LENGTH);
        _readTogether(meters, START + period, 100);
        _readTogether(meters, START + period + LENGTH, 200);
        _readTogether(meters, START + period + 2 * LENGTH, 300);
        vm.snapshotGasLastCall("Metering", "submitTogether, 100 readings in places used again");
    }

    /// @dev Where a register stood that is a period old.
    function test_readings_in_places_that_are_used_again() public {
        uint64 period = 64 days;
        for (uint64 i = 0; i < 3; ++i) {
            vm.warp(START + i * LENGTH);
            _readAll(START + i * LENGTH, i, i);
        }
        vm.warp(START + period + 2 * LENGTH);
        _readAll(START + period, 100, 100);
        _readAll(START + period + LENGTH, 200, 200);
        _readAll(START + period + 2 * LENGTH, 300, 300);
        vm.snapshotGasLastCall("Metering", "submit, 100 readings in places used again");
    }

    function test_single_readings() public {
        bytes32 meter = _meterOf(households[0]);
        vm.warp(START + LENGTH);
        _read(meter, START, 1000, 1000);
        vm.snapshotGasLastCall("Metering", "submit, 1 first reading");
        _read(meter, START + LENGTH, 1100, 1000);
        vm.snapshotGasLastCall("Metering", "submit, 1 reading");
        _read(meter, START + LENGTH, 1100, 1000);
        vm.snapshotGasLastCall("Metering", "submit, 1 repeated reading");
    }

    function _readTogether(IRegistry.NewMeter[] memory meters, uint64 time, uint64 energy) private {
        IMetering.MeterRegisters[] memory found = new IMetering.MeterRegisters[](meters.length);
        for (uint256 i = 0; i < meters.length; ++i) {
            found[i] = IMetering.MeterRegisters(meters[i].id, energy, energy);
        }
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(_keyOfNamed("concentrator"), METERING.digestTogether(time, found));
        bytes memory signature = abi.encodePacked(r, s, v);
        if (METERING.submitTogether(time, found, signature)[0] != IMetering.Verdict.Accepted) revert("refused");
    }

    /// @dev Orders of as many households from the eleventh on, and of the first ten after the last.
    function _signedOrders(uint256 count, uint256 nonce) private view returns (IMarket.SignedOrder[] memory signed) {
        signed = new IMarket.SignedOrder[](count);
        for (uint256 i = 0; i < count; ++i) {
            string memory name = string.concat("household ", vm.toString((10 + i) % HOUSEHOLDS));
            signed[i] = IMarket.SignedOrder(_named(name), product, 0, 10_000, 100, nonce, START + 64 days, "");
            (uint8 v, bytes32 r, bytes32 s) = vm.sign(_keyOfNamed(name), MARKET.orderDigest(signed[i]));
            signed[i].signature = abi.encodePacked(r, s, v);
        }
    }

    /// @dev All meters' readings of one boundary, in one batch.
    function _readAll(uint64 time, uint64 importWh, uint64 exportWh) private {
        IMetering.Reading[] memory readings = new IMetering.Reading[](HOUSEHOLDS);
        bytes[] memory signatures = new bytes[](HOUSEHOLDS);
        for (uint256 i = 0; i < HOUSEHOLDS; ++i) {
            readings[i] = _reading(_meterOf(households[i]), time, importWh, exportWh);
            signatures[i] = _sign(readings[i]);
        }
        IMetering.Verdict[] memory verdicts = METERING.submit(readings, signatures);
        for (uint256 i = 0; i < HOUSEHOLDS; ++i) {
            if (verdicts[i] != IMetering.Verdict.Accepted) revert("a reading was refused");
        }
    }
}
