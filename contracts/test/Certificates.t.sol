// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {ICertificates} from "../src/interfaces/ICertificates.sol";
import {IRegistry} from "../src/interfaces/IRegistry.sol";
import {Predeploys} from "../src/libraries/Predeploys.sol";
import {Product} from "../src/types/Product.sol";
import {System} from "./base/System.sol";
import {Wallet} from "./base/Wallet.sol";
import {IERC1155Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {IERC1155} from "@openzeppelin/contracts/token/ERC1155/IERC1155.sol";

/// @notice Certificates of origin. Alice and Bob have a renewable meter each; Carol's only takes.
contract CertificatesTest is System {
    IERC1155 private constant TOKENS = IERC1155(Predeploys.CERTIFICATES);
    uint64 private constant FINAL = T0 + 2 * LENGTH + CORRECTION_PERIOD;
    Product private product = _product(T0);
    uint256 private id = 1 << 128 | uint256(ZONE) << 64 | T0;

    function setUp() public override {
        super.setUp();
        _enrol(_list(alice, bob));
        _propose(abi.encodeCall(REGISTRY.registerParticipants, (ZONE, _list(carol))));
        vm.prank(operator);
        REGISTRY.registerParticipants(ZONE, _list(carol));
        _addMeter(carol, _meterOf(carol), 5000, 0);
    }

    // Issuing

    function test_anybody_issues_what_a_meter_fed_in_to_its_owner_once() public {
        _measure(alice, 100, 1100, 0, 300);
        vm.warp(FINAL);
        vm.expectEmit(address(CERTIFICATES));
        emit ICertificates.CertificatesIssued(_meterOf(alice), alice, id, 1000);
        vm.prank(carol);
        vm.assertEq(CERTIFICATES.issue(_meterOf(alice), T0, T0 + 2 * LENGTH), 1300);
        vm.assertEq(CERTIFICATES.idOf(product), id);
        vm.assertEq(TOKENS.balanceOf(alice, id), 1000);
        vm.assertEq(TOKENS.balanceOf(alice, id + LENGTH), 300);
        vm.assertEq(CERTIFICATES.isIssued(_meterOf(alice), T0), true);
        vm.assertEq(CERTIFICATES.isIssued(_meterOf(alice), T0 + 2 * LENGTH), false);
        vm.assertEq(CERTIFICATES.issue(_meterOf(alice), T0, T0 + 2 * LENGTH), 0);
        vm.assertEq(TOKENS.balanceOf(alice, id), 1000);
    }

    function test_what_cannot_be_told_yet_is_passed_over() public {
        _read(_meterOf(alice), T0, 0, 0);
        _readAt(alice, 2, 0, 500);
        vm.warp(FINAL - LENGTH - 1);
        bytes memory reason = abi.encodeWithSelector(ICertificates.NotFinalYet.selector, FINAL - LENGTH);
        vm.expectRevert(reason);
        CERTIFICATES.issue(_meterOf(alice), T0, T0 + LENGTH);
        vm.warp(FINAL);
        // A substitute is no signed reading.
        _substitute(operator, _reading(_meterOf(alice), T0 + LENGTH, 0, 200));
        vm.assertEq(CERTIFICATES.issue(_meterOf(alice), T0, T0 + 2 * LENGTH), 0);
        vm.assertEq(CERTIFICATES.isIssued(_meterOf(alice), T0), false);
        _read(_meterOf(alice), T0 + LENGTH, 0, 300);
        vm.assertEq(CERTIFICATES.issue(_meterOf(alice), T0, T0 + 2 * LENGTH), 500);
    }

    function test_what_a_meter_took_meanwhile_is_deducted() public {
        _read(_meterOf(alice), T0, 0, 0);
        _readAt(alice, 1, 200, 300);
        _readAt(alice, 2, 400, 300);
        vm.warp(FINAL);
        vm.assertEq(CERTIFICATES.issue(_meterOf(alice), T0, T0 + 2 * LENGTH), 100);
        vm.assertEq(TOKENS.balanceOf(alice, id), 100);
    }

    function test_only_renewable_meters_and_whole_intervals_have_certificates() public {
        vm.warp(FINAL);
        vm.expectRevert(abi.encodeWithSelector(ICertificates.NotRenewable.selector, _meterOf(carol)));
        CERTIFICATES.issue(_meterOf(carol), T0, T0 + LENGTH);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.UnknownMeter.selector, bytes32("none")));
        CERTIFICATES.issue("none", T0, T0 + LENGTH);
        uint64 end = type(uint64).max / LENGTH * LENGTH;
        uint64[2][4] memory periods = [[T0, T0], [T0 + 1, T0 + LENGTH], [T0, T0 + LENGTH + 1], [end - LENGTH, end]];
        for (uint256 i = 0; i < periods.length; ++i) {
            (uint64 from, uint64 to) = (periods[i][0], periods[i][1]);
            vm.expectRevert(abi.encodeWithSelector(ICertificates.InvalidPeriod.selector, from, to));
            CERTIFICATES.issue(_meterOf(alice), from, to);
        }
    }

    /// @dev However long ago, and whatever became of the meter since.
    function test_certificates_go_to_who_owned_the_meter_then() public {
        uint64 since = T0 + OPEN_LEAD + LENGTH;
        _assign(bob, since);
        vm.warp(since);
        _assign(address(0), since + OPEN_LEAD + LENGTH);
        uint64 until = since + OPEN_LEAD + LENGTH;
        uint64 last = until + LENGTH;
        vm.warp(last);
        uint64 exported = 0;
        for (uint64 time = T0; time <= last; time += LENGTH) {
            _read(_meterOf(alice), time, 0, exported);
            exported += 10;
        }
        vm.warp(last + CORRECTION_PERIOD);
        // A meter takes the place of the one that is gone.
        _addMeter(bob, "next", 1, 1);
        CERTIFICATES.issue(_meterOf(alice), T0, last);
        for (uint64 start = T0; start < last; start += LENGTH) {
            uint256 each = id - T0 + start;
            vm.assertEq(TOKENS.balanceOf(alice, each), start < since ? 10 : 0);
            vm.assertEq(TOKENS.balanceOf(bob, each), start >= since && start < until ? 10 : 0);
        }
        vm.assertEq(REGISTRY.ownerAt(_meterOf(alice), T0 - LENGTH), address(0));
        vm.assertEq(REGISTRY.ownerAt(_meterOf(alice), until), address(0));
        vm.assertEq(REGISTRY.ownerAt(_meterOf(bob), until), bob);
    }

    /// @dev An owner that is a contract and cannot take them has none, and nothing counts as issued.
    function test_owners_that_cannot_hold_certificates_get_none() public {
        Wallet wallet = new Wallet();
        _enrol(_list(address(wallet)));
        _measure(address(wallet), 0, 10, 0, 0);
        vm.warp(FINAL);
        bytes32 meter = _meterOf(address(wallet));
        vm.expectRevert(abi.encodeWithSelector(IERC1155Errors.ERC1155InvalidReceiver.selector, address(wallet)));
        CERTIFICATES.issue(meter, T0, T0 + LENGTH);
        vm.assertEq(CERTIFICATES.isIssued(meter, T0), false);
    }

    // Claiming

    function test_claims_retire() public {
        _issueToAlice();
        (uint256[] memory ids, uint256[] memory amounts) = (new uint256[](2), new uint256[](2));
        (ids[0], ids[1], amounts[0], amounts[1]) = (id, id + LENGTH, 400, 300);
        vm.startPrank(alice);
        vm.expectEmit(address(CERTIFICATES));
        emit ICertificates.CertificatesClaimed(alice, carol, ids, amounts, "bread");
        CERTIFICATES.claim(ids, amounts, carol, "bread");
        vm.assertEq(TOKENS.balanceOf(alice, id), 600);
        vm.assertEq(TOKENS.balanceOf(alice, id + LENGTH), 0);
        vm.expectRevert(
            abi.encodeWithSelector(IERC1155Errors.ERC1155InsufficientBalance.selector, alice, 0, 300, id + LENGTH)
        );
        CERTIFICATES.claim(ids, amounts, carol, "bread");
        amounts[1] = 0;
        vm.expectRevert(ICertificates.ZeroAmount.selector);
        CERTIFICATES.claim(ids, amounts, carol, "bread");
    }

    function test_consumption_is_claimed_hour_by_hour_and_never_beyond() public {
        _issueToAlice();
        _read(_meterOf(carol), T0, 0, 0);
        _readPast(carol, 1, 700, 0);
        vm.prank(alice);
        TOKENS.safeTransferFrom(alice, carol, id, 900, "");
        vm.assertEq(CERTIFICATES.consumption(product, carol), 700);
        vm.startPrank(carol);
        CERTIFICATES.claimConsumption(product, 500);
        vm.expectRevert(abi.encodeWithSelector(ICertificates.BeyondConsumption.selector, product, 701, 700));
        CERTIFICATES.claimConsumption(product, 201);
        vm.expectEmit(address(CERTIFICATES));
        emit ICertificates.ConsumptionClaimed(carol, product, 200);
        CERTIFICATES.claimConsumption(product, 200);
        vm.assertEq(CERTIFICATES.claimedConsumption(product, carol), 700);
        vm.assertEq(TOKENS.balanceOf(carol, id), 200);
        vm.expectRevert(ICertificates.ZeroAmount.selector);
        CERTIFICATES.claimConsumption(product, 0);
        // Certificates of one interval say nothing of another.
        vm.expectRevert(
            abi.encodeWithSelector(IERC1155Errors.ERC1155InsufficientBalance.selector, carol, 0, 1, id + LENGTH)
        );
        CERTIFICATES.claimConsumption(_product(T0 + LENGTH), 1);
    }

    function test_only_signed_consumption_of_ones_own_meters_counts() public {
        _issueToAlice();
        vm.prank(alice);
        TOKENS.safeTransferFrom(alice, carol, id, 900, "");
        bytes memory reason = abi.encodeWithSelector(ICertificates.BeyondConsumption.selector, product, 1, 0);
        vm.startPrank(carol);
        vm.expectRevert(reason);
        CERTIFICATES.claimConsumption(product, 1);
        vm.stopPrank();
        _read(_meterOf(carol), T0, 0, 0);
        _substitute(operator, _reading(_meterOf(carol), T0 + LENGTH, 700, 0));
        vm.expectRevert(reason);
        vm.prank(carol);
        CERTIFICATES.claimConsumption(product, 1);
        // Who fed in did not consume, and who is no participant has no meters.
        vm.assertEq(CERTIFICATES.consumption(product, alice), 0);
        vm.assertEq(CERTIFICATES.consumption(product, operator), 0);
    }

    // Helpers

    function _issueToAlice() private {
        _measure(alice, 0, 1000, 0, 300);
        vm.warp(FINAL);
        CERTIFICATES.issue(_meterOf(alice), T0, T0 + 2 * LENGTH);
    }

    /// @dev Two intervals: what the export register shows first, and what is fed in and taken.
    function _measure(address account, uint64 first, uint64 fed, uint64 taken, uint64 fedNext) private {
        _read(_meterOf(account), T0, 0, first);
        _readAt(account, 1, taken, fed);
        _readAt(account, 2, taken, fed + fedNext);
    }

    function _readAt(address account, uint64 interval, uint64 importWh, uint64 exportWh) private {
        vm.warp(T0 + interval * LENGTH);
        _readPast(account, interval, importWh, exportWh);
    }

    function _readPast(address account, uint64 interval, uint64 importWh, uint64 exportWh) private {
        _read(_meterOf(account), T0 + interval * LENGTH, importWh, exportWh);
    }

    function _assign(address owner, uint64 since) private {
        _propose(abi.encodeCall(REGISTRY.assignMeter, (_meterOf(alice), owner, since)));
        vm.prank(operator);
        REGISTRY.assignMeter(_meterOf(alice), owner, since);
    }
}
