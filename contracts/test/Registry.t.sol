// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IRegistry} from "../src/interfaces/IRegistry.sol";
import {System} from "./base/System.sol";
import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";

contract RegistryTest is System {
    uint64 private constant OTHER_ZONE = 8;
    bytes32 private constant METER = "meter";

    // Zones

    function test_createZone_starts_at_the_next_boundary() public {
        vm.warp(T0 + 1);
        IRegistry.ZoneSettings memory settings = _settings();
        settings.intervalLength = 60;
        vm.expectEmit(address(REGISTRY));
        emit IRegistry.ZoneSettingsChanged(OTHER_ZONE, T0 + 60, settings);
        vm.prank(admin);
        REGISTRY.createZone(OTHER_ZONE, settings);

        uint64[] memory zones = REGISTRY.zones();
        vm.assertEq(zones.length, 2);
        vm.assertEq(zones[0], ZONE);
        vm.assertEq(zones[1], OTHER_ZONE);
        (IRegistry.ZoneSettings memory latest, uint64 validFrom) = REGISTRY.latestSettings(OTHER_ZONE);
        vm.assertEq(abi.encode(latest), abi.encode(settings));
        vm.assertEq(validFrom, T0 + 60);
        vm.assertEq(abi.encode(REGISTRY.settingsAt(OTHER_ZONE, T0 + 60)), abi.encode(settings));
        vm.expectRevert(abi.encodeWithSelector(IRegistry.BeforeZone.selector, OTHER_ZONE, T0));
        REGISTRY.settingsAt(OTHER_ZONE, T0);
    }

    function test_createZone_keeps_any_valid_settings(IRegistry.ZoneSettings memory settings) public {
        settings.operator = alice;
        settings.intervalLength = uint32(bound(uint256(settings.intervalLength), 1, 86_400));
        settings.openLead = uint32(bound(uint256(settings.openLead), 1, type(uint32).max));
        settings.gateLead = uint32(bound(uint256(settings.gateLead), 0, settings.openLead - 1));
        if (settings.minPrice > settings.maxPrice) settings.minPrice = settings.maxPrice;
        if (settings.surplusPrice > settings.shortagePrice) settings.surplusPrice = settings.shortagePrice;
        settings.reportingDeadline = uint24(bound(uint256(settings.reportingDeadline), 1, 31 days));
        settings.maxOrders = uint24(bound(uint256(settings.maxOrders), 1, type(uint24).max));
        settings.finalDeadline =
            uint32(bound(uint256(settings.finalDeadline), uint256(settings.reportingDeadline) + 1, 32 days));
        settings.correctionPeriod = uint32(bound(uint256(settings.correctionPeriod), settings.finalDeadline, 32 days));
        vm.prank(admin);
        REGISTRY.createZone(OTHER_ZONE, settings);
        vm.assertEq(abi.encode(REGISTRY.settingsAt(OTHER_ZONE, type(uint64).max)), abi.encode(settings));
    }

    function test_createZone_refuses_zone_zero_and_a_second_one() public {
        vm.startPrank(admin);
        vm.expectRevert(IRegistry.ZoneZero.selector);
        REGISTRY.createZone(0, _settings());
        vm.expectRevert(abi.encodeWithSelector(IRegistry.ZoneExists.selector, ZONE));
        REGISTRY.createZone(ZONE, _settings());
        vm.stopPrank();
    }

    function test_createZone_refuses_contradictory_settings() public {
        IRegistry.ZoneSettings memory settings = _settings();
        settings.operator = address(0);
        _expectInvalid(settings, "operator");
        settings = _settings();
        settings.intervalLength = 0;
        _expectInvalid(settings, "intervalLength");
        settings = _settings();
        settings.openLead = settings.gateLead;
        _expectInvalid(settings, "openLead");
        settings = _settings();
        settings.reportingDeadline = 0;
        _expectInvalid(settings, "reportingDeadline");
        settings = _settings();
        settings.finalDeadline = DEADLINE;
        _expectInvalid(settings, "finalDeadline");
        settings = _settings();
        settings.correctionPeriod = FINAL_DEADLINE - 1;
        _expectInvalid(settings, "correctionPeriod");
        settings.correctionPeriod = 32 days + 1;
        _expectInvalid(settings, "correctionPeriod");
        settings = _settings();
        settings.maxOrders = 0;
        _expectInvalid(settings, "maxOrders");
        settings = _settings();
        settings.maxPrice = settings.minPrice - 1;
        _expectInvalid(settings, "maxPrice");
        settings = _settings();
        settings.surplusPrice = settings.shortagePrice + 1;
        _expectInvalid(settings, "surplusPrice");
    }

    function test_changeZone_leaves_earlier_products_alone() public {
        IRegistry.ZoneSettings memory settings = _settings();
        settings.gridFee = 701;
        uint64 from = T0 + OPEN_LEAD + LENGTH;
        vm.expectEmit(address(REGISTRY));
        emit IRegistry.ZoneSettingsChanged(ZONE, from, settings);
        vm.prank(admin);
        REGISTRY.changeZone(ZONE, settings, from);
        vm.assertEq(REGISTRY.settingsAt(ZONE, from - 1).gridFee, 700);
        vm.assertEq(REGISTRY.settingsAt(ZONE, from).gridFee, 701);
    }

    function test_changeZone_refuses_products_that_have_opened() public {
        // The product at T0 + OPEN_LEAD opens at this very moment.
        uint64 earliest = T0 + OPEN_LEAD + LENGTH;
        vm.startPrank(admin);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.TooSoon.selector, earliest - LENGTH, earliest));
        REGISTRY.changeZone(ZONE, _settings(), earliest - LENGTH);

        // One that would open earlier under the new settings must not have opened under those either.
        IRegistry.ZoneSettings memory settings = _settings();
        settings.openLead = OPEN_LEAD + 2 * LENGTH;
        vm.expectRevert(abi.encodeWithSelector(IRegistry.TooSoon.selector, earliest, earliest + 2 * LENGTH));
        REGISTRY.changeZone(ZONE, settings, earliest);
        REGISTRY.changeZone(ZONE, settings, earliest + 2 * LENGTH);

        // What was announced is not taken back.
        vm.expectRevert(
            abi.encodeWithSelector(IRegistry.TooSoon.selector, earliest + 2 * LENGTH, earliest + 3 * LENGTH)
        );
        REGISTRY.changeZone(ZONE, _settings(), earliest + 2 * LENGTH);
        vm.stopPrank();
    }

    function test_a_change_that_nothing_has_opened_under_can_be_withdrawn() public {
        IRegistry.ZoneSettings memory settings = _settings();
        settings.gridFee = 701;
        // A slip: the rules would be frozen until then.
        uint64 year2400 = 13_569_465_600 / LENGTH * LENGTH;
        vm.startPrank(admin);
        REGISTRY.changeZone(ZONE, settings, year2400);
        vm.expectEmit(address(REGISTRY));
        emit IRegistry.ZoneChangeWithdrawn(ZONE, year2400);
        REGISTRY.withdrawZoneChange(ZONE);
        vm.assertEq(REGISTRY.settingsAt(ZONE, year2400).gridFee, 700);

        uint64 from = T0 + OPEN_LEAD + LENGTH;
        REGISTRY.changeZone(ZONE, settings, from);
        vm.warp(from - OPEN_LEAD - 1);
        REGISTRY.withdrawZoneChange(ZONE);
        from += LENGTH;
        REGISTRY.changeZone(ZONE, settings, from);
        vm.warp(from - OPEN_LEAD);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.NothingToWithdraw.selector, ZONE, from));
        REGISTRY.withdrawZoneChange(ZONE);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.UnknownZone.selector, OTHER_ZONE));
        REGISTRY.withdrawZoneChange(OTHER_ZONE);
        // The first settings are no change.
        REGISTRY.createZone(OTHER_ZONE, settings);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.NothingToWithdraw.selector, OTHER_ZONE, T0 + 2 * LENGTH));
        REGISTRY.withdrawZoneChange(OTHER_ZONE);
        vm.stopPrank();
    }

    function test_changeZone_refuses_bad_input() public {
        vm.startPrank(admin);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.UnknownZone.selector, OTHER_ZONE));
        REGISTRY.changeZone(OTHER_ZONE, _settings(), T0 + 100 * LENGTH);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.UnalignedTime.selector, T0 + 100 * LENGTH + 1, LENGTH));
        REGISTRY.changeZone(ZONE, _settings(), T0 + 100 * LENGTH + 1);
        IRegistry.ZoneSettings memory settings = _settings();
        settings.intervalLength = 60;
        vm.expectRevert(abi.encodeWithSelector(IRegistry.IntervalLengthFixed.selector, ZONE, LENGTH));
        REGISTRY.changeZone(ZONE, settings, T0 + 100 * LENGTH);
        settings = _settings();
        settings.operator = address(0);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.InvalidSetting.selector, "operator"));
        REGISTRY.changeZone(ZONE, settings, T0 + 100 * LENGTH);
        vm.stopPrank();
    }

    function test_views_refuse_unknown_zones() public {
        vm.expectRevert(abi.encodeWithSelector(IRegistry.UnknownZone.selector, OTHER_ZONE));
        REGISTRY.settingsAt(OTHER_ZONE, T0);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.UnknownZone.selector, OTHER_ZONE));
        REGISTRY.latestSettings(OTHER_ZONE);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.UnknownZone.selector, OTHER_ZONE));
        REGISTRY.tradingRules(OTHER_ZONE, T0, 1, _list(alice));
    }

    // Participants

    function test_registerParticipants_registers_many() public {
        _propose(abi.encodeCall(REGISTRY.registerParticipants, (ZONE, _list(alice, bob))));
        vm.expectEmit(address(REGISTRY));
        emit IRegistry.ParticipantRegistered(alice, ZONE);
        vm.expectEmit(address(REGISTRY));
        emit IRegistry.ParticipantRegistered(bob, ZONE);
        vm.prank(operator);
        REGISTRY.registerParticipants(ZONE, _list(alice, bob));
        (uint64 zone, bool active) = REGISTRY.participant(alice);
        vm.assertEq(zone, ZONE);
        vm.assertEq(active, true);
        (zone, active) = REGISTRY.participant(carol);
        vm.assertEq(zone, 0);
        vm.assertEq(active, false);
        vm.assertEq(REGISTRY.participantCount(ZONE), 2);
        vm.assertEq(REGISTRY.participants(ZONE, 0, 10), _list(alice, bob));
        vm.assertEq(REGISTRY.participants(ZONE, 1, 1), _list(bob));
        vm.assertEq(REGISTRY.participants(ZONE, 0, 1), _list(alice));
        vm.assertEq(REGISTRY.participants(ZONE, 2, 1), new address[](0));
    }

    function test_registerParticipants_refuses_bad_input() public {
        _propose(abi.encodeCall(REGISTRY.registerParticipants, (OTHER_ZONE, _list(alice))));
        vm.expectRevert(abi.encodeWithSelector(IRegistry.UnknownZone.selector, OTHER_ZONE));
        vm.prank(operator);
        REGISTRY.registerParticipants(OTHER_ZONE, _list(alice));
        _propose(abi.encodeCall(REGISTRY.registerParticipants, (ZONE, _list(alice, address(0)))));
        vm.expectRevert(IRegistry.ZeroAddress.selector);
        vm.prank(operator);
        REGISTRY.registerParticipants(ZONE, _list(alice, address(0)));
        _propose(abi.encodeCall(REGISTRY.registerParticipants, (ZONE, _list(alice, alice))));
        vm.expectRevert(abi.encodeWithSelector(IRegistry.ParticipantExists.selector, alice));
        vm.prank(operator);
        REGISTRY.registerParticipants(ZONE, _list(alice, alice));
    }

    function test_setParticipantActive_stops_and_resumes() public {
        _enrol(_list(alice));
        vm.expectEmit(address(REGISTRY));
        emit IRegistry.ParticipantActivity(alice, false);
        vm.startPrank(registrar);
        REGISTRY.setParticipantActive(alice, false);
        vm.assertEq(_standing(ZONE, T0, alice).active, false);
        REGISTRY.setParticipantActive(alice, true);
        vm.assertEq(_standing(ZONE, T0, alice).active, true);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.UnknownParticipant.selector, bob));
        REGISTRY.setParticipantActive(bob, true);
        vm.stopPrank();
    }

    // Meters

    function test_registerMeters_counts_from_products_that_have_not_opened() public {
        _registerParticipant(alice);
        vm.warp(T0 + 1);
        uint64 since = T0 + OPEN_LEAD + LENGTH;
        IRegistry.NewMeter[] memory meters = new IRegistry.NewMeter[](2);
        meters[0] = IRegistry.NewMeter(METER, alice, bob, 5000, 3000, true, 123_456, 789);
        meters[1] = IRegistry.NewMeter("second", alice, carol, 200, 0, false, 0, 0);
        _propose(abi.encodeCall(REGISTRY.registerMeters, (meters)));
        vm.expectEmit(address(REGISTRY));
        emit IRegistry.MeterRegistered(METER, ZONE, bob, 5000, 3000, true, 123_456, 789);
        vm.expectEmit(address(REGISTRY));
        emit IRegistry.MeterAssigned(METER, alice, since);
        vm.prank(operator);
        REGISTRY.registerMeters(meters);

        IRegistry.Meter memory meter = REGISTRY.meter(METER);
        IRegistry.Meter memory expected = IRegistry.Meter(alice, bob, ZONE, 5000, 3000, true, since, 0);
        vm.assertEq(abi.encode(meter), abi.encode(expected));
        vm.assertEq(REGISTRY.meterCount(), 2);
        vm.assertEq(REGISTRY.meterIds(0, 9).length, 2);
        vm.assertEq(REGISTRY.meterIds(1, 1)[0], "second");
        vm.assertEq(REGISTRY.meterIds(2, 1).length, 0);

        vm.assertEq(REGISTRY.metersOf(alice, since - LENGTH).length, 0);
        vm.assertEq(REGISTRY.metersOf(alice, since).length, 2);
        IRegistry.Standing memory standing = _standing(ZONE, since, alice);
        vm.assertEq(standing.capacityImportWh, 5200);
        vm.assertEq(standing.capacityExportWh, 3000);
        vm.assertEq(_standing(ZONE, since - LENGTH, alice).capacityImportWh, 0);

        IRegistry.ReadingRules memory reading = REGISTRY.readingRules(METER, T0);
        vm.assertEq(abi.encode(reading), abi.encode(IRegistry.ReadingRules(bob, ZONE, 1, LENGTH, 5000, 3000)));
        bytes32[] memory ids = new bytes32[](2);
        (ids[0], ids[1]) = ("nobody's", METER);
        IRegistry.ReadingRules[] memory readings = REGISTRY.readingRulesOf(ids, T0);
        vm.assertEq(abi.encode(readings[0]), abi.encode(IRegistry.ReadingRules(address(0), 0, 0, 0, 0, 0)));
        vm.assertEq(abi.encode(readings[1]), abi.encode(reading));
    }

    function test_a_meter_is_registered_with_its_registers() public {
        _registerParticipant(alice);
        _registerParticipant(bob);
        vm.warp(T0 + 1);
        _addMeter(alice, METER, 5000, 3000, 123_456, 789);
        _expectInstallation(METER, T0 + LENGTH, 123_456, 789);
        _expectInstallation("nobody's", 0, 0, 0);
        // They stay what they were when it changes hands.
        _propose(abi.encodeCall(REGISTRY.assignMeter, (METER, bob, T0 + OPEN_LEAD + LENGTH * 2)));
        vm.prank(operator);
        REGISTRY.assignMeter(METER, bob, T0 + OPEN_LEAD + LENGTH * 2);
        _expectInstallation(METER, T0 + LENGTH, 123_456, 789);
    }

    function test_registerMeters_refuses_bad_input() public {
        _registerParticipant(alice);
        IRegistry.NewMeter memory good = IRegistry.NewMeter(METER, alice, bob, 1, 1, false, 0, 0);
        IRegistry.NewMeter memory bad = IRegistry.NewMeter(0, alice, bob, 1, 1, false, 0, 0);
        _expectRefused(good, bad, abi.encodeWithSelector(IRegistry.InvalidMeter.selector, bytes32(0)));
        bad = IRegistry.NewMeter("other", alice, address(0), 1, 1, false, 0, 0);
        _expectRefused(good, bad, abi.encodeWithSelector(IRegistry.InvalidMeter.selector, bytes32("other")));
        _expectRefused(good, good, abi.encodeWithSelector(IRegistry.MeterExists.selector, METER));
        bad = IRegistry.NewMeter("other", carol, bob, 1, 1, false, 0, 0);
        _expectRefused(good, bad, abi.encodeWithSelector(IRegistry.UnknownParticipant.selector, carol));
        vm.assertEq(REGISTRY.meterCount(), 0);
    }

    function test_registerMeters_bounds_an_accounts_meters() public {
        _registerParticipant(alice);
        for (uint256 i = 1; i <= 64; ++i) {
            _addMeter(alice, bytes32(i), type(uint40).max, 1);
        }
        // The capacity is what an order can hold at most.
        IRegistry.Standing memory standing = _standing(ZONE, T0, alice);
        vm.assertEq(standing.capacityImportWh, type(uint40).max);
        vm.assertEq(standing.capacityExportWh, 64);
        IRegistry.NewMeter[] memory meters = new IRegistry.NewMeter[](1);
        meters[0] = IRegistry.NewMeter(METER, alice, bob, 1, 1, false, 0, 0);
        _propose(abi.encodeCall(REGISTRY.registerMeters, (meters)));
        vm.expectRevert(abi.encodeWithSelector(IRegistry.TooManyMeters.selector, alice, 64));
        vm.prank(operator);
        REGISTRY.registerMeters(meters);
    }

    function test_assignMeter_changes_owner_from_an_unopened_product_on() public {
        _registerParticipant(alice);
        _registerParticipant(bob);
        _addMeter(alice, METER, 5000, 3000);
        uint64 since = T0 + OPEN_LEAD + LENGTH;
        _propose(abi.encodeCall(REGISTRY.assignMeter, (METER, bob, since)));
        vm.expectEmit(address(REGISTRY));
        emit IRegistry.MeterAssigned(METER, bob, since);
        vm.prank(operator);
        REGISTRY.assignMeter(METER, bob, since);

        vm.assertEq(REGISTRY.metersOf(alice, since - LENGTH).length, 1);
        vm.assertEq(REGISTRY.metersOf(bob, since - LENGTH).length, 0);
        vm.assertEq(REGISTRY.metersOf(alice, since).length, 0);
        vm.assertEq(REGISTRY.metersOf(bob, since)[0], METER);
        vm.assertEq(_standing(ZONE, since, alice).capacityImportWh, 0);
        vm.assertEq(_standing(ZONE, since, bob).capacityImportWh, 5000);
        vm.assertEq(REGISTRY.meter(METER).owner, bob);
        vm.assertEq(REGISTRY.meter(METER).since, since);

        // Back again: the account's second holding of the same meter is the one that counts.
        _propose(abi.encodeCall(REGISTRY.assignMeter, (METER, alice, since + LENGTH)));
        vm.prank(operator);
        REGISTRY.assignMeter(METER, alice, since + LENGTH);
        vm.assertEq(REGISTRY.metersOf(bob, since).length, 1);
        vm.assertEq(REGISTRY.metersOf(alice, since).length, 0);
        vm.assertEq(REGISTRY.metersOf(alice, since + LENGTH).length, 1);
        vm.assertEq(REGISTRY.meter(METER).since, since + LENGTH);
    }

    function test_assignMeter_to_nobody_retires() public {
        _registerParticipant(alice);
        _addMeter(alice, METER, 5000, 3000);
        uint64 since = T0 + OPEN_LEAD + LENGTH;
        _propose(abi.encodeCall(REGISTRY.assignMeter, (METER, address(0), since)));
        vm.prank(operator);
        REGISTRY.assignMeter(METER, address(0), since);
        vm.assertEq(REGISTRY.meter(METER).owner, alice);
        vm.assertEq(REGISTRY.meter(METER).until, since);
        vm.assertEq(REGISTRY.metersOf(alice, since - LENGTH).length, 1);
        vm.assertEq(REGISTRY.metersOf(alice, since).length, 0);
        _propose(abi.encodeCall(REGISTRY.assignMeter, (METER, alice, since + LENGTH)));
        vm.expectRevert(abi.encodeWithSelector(IRegistry.MeterRetired.selector, METER));
        vm.prank(operator);
        REGISTRY.assignMeter(METER, alice, since + LENGTH);
    }

    function test_assignMeter_refuses_bad_input() public {
        _registerParticipant(alice);
        _registerParticipant(bob);
        _addMeter(alice, METER, 5000, 3000);
        uint64 since = T0 + OPEN_LEAD + LENGTH;
        vm.prank(admin);
        REGISTRY.createZone(OTHER_ZONE, _settings());
        _propose(abi.encodeCall(REGISTRY.registerParticipants, (OTHER_ZONE, _list(carol))));
        vm.prank(operator);
        REGISTRY.registerParticipants(OTHER_ZONE, _list(carol));

        _propose(abi.encodeCall(REGISTRY.assignMeter, ("other", bob, since)));
        vm.expectRevert(abi.encodeWithSelector(IRegistry.UnknownMeter.selector, bytes32("other")));
        vm.prank(operator);
        REGISTRY.assignMeter("other", bob, since);
        _propose(abi.encodeCall(REGISTRY.assignMeter, (METER, bob, since + 1)));
        vm.expectRevert(abi.encodeWithSelector(IRegistry.UnalignedTime.selector, since + 1, LENGTH));
        vm.prank(operator);
        REGISTRY.assignMeter(METER, bob, since + 1);
        _propose(abi.encodeCall(REGISTRY.assignMeter, (METER, bob, since - LENGTH)));
        vm.expectRevert(abi.encodeWithSelector(IRegistry.TooSoon.selector, since - LENGTH, since));
        vm.prank(operator);
        REGISTRY.assignMeter(METER, bob, since - LENGTH);
        _propose(abi.encodeCall(REGISTRY.assignMeter, (METER, operator, since)));
        vm.expectRevert(abi.encodeWithSelector(IRegistry.UnknownParticipant.selector, operator));
        vm.prank(operator);
        REGISTRY.assignMeter(METER, operator, since);
        _propose(abi.encodeCall(REGISTRY.assignMeter, (METER, carol, since)));
        vm.expectRevert(abi.encodeWithSelector(IRegistry.WrongZone.selector, METER, carol, OTHER_ZONE));
        vm.prank(operator);
        REGISTRY.assignMeter(METER, carol, since);
        // No earlier than the owner before began.
        _propose(abi.encodeCall(REGISTRY.assignMeter, (METER, bob, since + LENGTH)));
        vm.prank(operator);
        REGISTRY.assignMeter(METER, bob, since + LENGTH);
        _propose(abi.encodeCall(REGISTRY.assignMeter, (METER, alice, since)));
        vm.expectRevert(abi.encodeWithSelector(IRegistry.TooSoon.selector, since, since + LENGTH));
        vm.prank(operator);
        REGISTRY.assignMeter(METER, alice, since);
    }

    function test_assignMeter_bounds_an_accounts_meters() public {
        _registerParticipant(alice);
        _registerParticipant(bob);
        _addMeter(alice, METER, 5000, 3000);
        for (uint256 i = 1; i <= 64; ++i) {
            _addMeter(bob, bytes32(i), 1, 1);
        }
        uint64 since = T0 + OPEN_LEAD + LENGTH;
        _propose(abi.encodeCall(REGISTRY.assignMeter, (METER, bob, since)));
        vm.expectRevert(abi.encodeWithSelector(IRegistry.TooManyMeters.selector, bob, 64));
        vm.prank(operator);
        REGISTRY.assignMeter(METER, bob, since);
        vm.assertEq(REGISTRY.metersOf(alice, since)[0], METER);
        vm.assertEq(REGISTRY.meter(METER).until, 0);
    }

    function test_assignMeter_minds_settings_to_come() public {
        _registerParticipant(alice);
        _registerParticipant(bob);
        _addMeter(alice, METER, 5000, 3000);
        IRegistry.ZoneSettings memory settings = _settings();
        settings.openLead = 10 * OPEN_LEAD;
        uint64 from = T0 + 10 * OPEN_LEAD + LENGTH;
        vm.prank(admin);
        REGISTRY.changeZone(ZONE, settings, from);
        // The products after `from` open so early that the change must wait for all of them.
        _propose(abi.encodeCall(REGISTRY.assignMeter, (METER, bob, T0 + OPEN_LEAD + LENGTH)));
        vm.expectRevert(abi.encodeWithSelector(IRegistry.TooSoon.selector, T0 + OPEN_LEAD + LENGTH, from));
        vm.prank(operator);
        REGISTRY.assignMeter(METER, bob, T0 + OPEN_LEAD + LENGTH);
    }

    function test_setMeterSigner_changes_the_key() public {
        _registerParticipant(alice);
        _addMeter(alice, METER, 5000, 3000);
        _propose(abi.encodeCall(REGISTRY.setMeterSigner, (METER, carol)));
        vm.expectEmit(address(REGISTRY));
        emit IRegistry.MeterSignerChanged(METER, carol, T0);
        vm.prank(operator);
        REGISTRY.setMeterSigner(METER, carol);
        vm.assertEq(REGISTRY.meter(METER).signer, carol);
        _propose(abi.encodeCall(REGISTRY.setMeterSigner, (METER, address(0))));
        vm.expectRevert(abi.encodeWithSelector(IRegistry.InvalidMeter.selector, METER));
        vm.prank(operator);
        REGISTRY.setMeterSigner(METER, address(0));
        _propose(abi.encodeCall(REGISTRY.setMeterSigner, ("other", carol)));
        vm.expectRevert(abi.encodeWithSelector(IRegistry.UnknownMeter.selector, bytes32("other")));
        vm.prank(operator);
        REGISTRY.setMeterSigner("other", carol);
    }

    function test_meterRecords_leaves_unknown_ones_empty() public {
        _registerParticipant(alice);
        _addMeter(alice, METER, 5000, 3000);
        bytes32[] memory ids = new bytes32[](2);
        (ids[0], ids[1]) = ("other", METER);
        IRegistry.Meter[] memory records = REGISTRY.meterRecords(ids);
        vm.assertEq(records[0].signer, address(0));
        vm.assertEq(abi.encode(records[1]), abi.encode(REGISTRY.meter(METER)));
        vm.expectRevert(abi.encodeWithSelector(IRegistry.UnknownMeter.selector, bytes32("other")));
        REGISTRY.meter("other");
    }

    // Roles

    function test_only_the_administrator_and_the_registrar_change_anything(address anybody) public {
        vm.assume(anybody != admin && anybody != registrar);
        bytes[] memory calls = new bytes[](6);
        calls[0] = abi.encodeCall(REGISTRY.createZone, (OTHER_ZONE, _settings()));
        calls[1] = abi.encodeCall(REGISTRY.changeZone, (ZONE, _settings(), T0 + 100 * LENGTH));
        calls[2] = abi.encodeCall(REGISTRY.withdrawZoneChange, (ZONE));
        calls[3] = abi.encodeCall(REGISTRY.propose, (""));
        calls[4] = abi.encodeCall(REGISTRY.withdrawProposal, (bytes32(0)));
        calls[5] = abi.encodeCall(REGISTRY.setParticipantActive, (anybody, true));
        for (uint256 i = 0; i < calls.length; ++i) {
            _expectUnauthorized(anybody, calls[i]);
            // The administrator's role does not include the registrar's, nor the other way round.
            if (i < 3) _expectUnauthorized(registrar, calls[i]);
            else _expectUnauthorized(admin, calls[i]);
        }
    }

    /// @dev Neither the registrar nor the operator enters anything alone.
    function test_the_registrar_proposes_and_the_operator_confirms() public {
        _enrol(_list(alice));
        IRegistry.NewMeter[] memory meters = new IRegistry.NewMeter[](1);
        meters[0] = IRegistry.NewMeter(METER, alice, bob, 5000, 3000, true, 0, 0);
        bytes[4] memory calls = [
            abi.encodeCall(REGISTRY.registerParticipants, (ZONE, _list(bob))),
            abi.encodeCall(REGISTRY.registerMeters, (meters)),
            abi.encodeCall(REGISTRY.assignMeter, (_meterOf(alice), address(0), T0 + 2 * OPEN_LEAD)),
            abi.encodeCall(REGISTRY.setMeterSigner, (_meterOf(alice), carol))
        ];
        for (uint256 i = 0; i < calls.length; ++i) {
            bytes32 proposal = keccak256(calls[i]);
            bytes memory notProposed = abi.encodeWithSelector(IRegistry.NotProposed.selector, proposal);
            _expectFailure(operator, calls[i], notProposed);
            vm.expectEmit(address(REGISTRY));
            emit IRegistry.Proposed(proposal, calls[i]);
            _propose(calls[i]);
            bytes memory notOperator = abi.encodeWithSelector(IRegistry.NotZoneOperator.selector, registrar, ZONE);
            _expectFailure(registrar, calls[i], notOperator);
            vm.expectEmit(address(REGISTRY));
            emit IRegistry.ProposalWithdrawn(proposal);
            vm.prank(registrar);
            REGISTRY.withdrawProposal(proposal);
            _expectFailure(operator, calls[i], notProposed);
            vm.expectRevert(notProposed);
            vm.prank(registrar);
            REGISTRY.withdrawProposal(proposal);

            _propose(calls[i]);
            vm.expectEmit(address(REGISTRY));
            emit IRegistry.Confirmed(proposal, operator);
            vm.prank(operator);
            Address.functionCall(address(REGISTRY), calls[i]);
            // Once.
            _expectFailure(operator, calls[i], notProposed);
        }
    }

    function test_a_meters_rating_has_a_limit() public {
        IRegistry.ZoneSettings memory settings = _settings();
        settings.maxRating = 5000;
        vm.prank(admin);
        REGISTRY.changeZone(ZONE, settings, T0 + OPEN_LEAD + LENGTH);
        _registerParticipant(alice);
        IRegistry.NewMeter memory good = IRegistry.NewMeter(METER, alice, bob, 5000, 5000, true, 0, 0);
        bytes memory reason = abi.encodeWithSelector(IRegistry.BeyondMaxRating.selector, bytes32("other"), 5000);
        _expectRefused(good, IRegistry.NewMeter("other", alice, bob, 5001, 0, true, 0, 0), reason);
        _expectRefused(good, IRegistry.NewMeter("other", alice, bob, 0, 5001, true, 0, 0), reason);
    }

    function test_who_has_nothing_open_leaves_and_joins_elsewhere() public {
        _enrol(_list(alice, bob, carol));
        _deposit(alice, COIN);
        bytes memory notYet = abi.encodeWithSelector(IRegistry.NotSettledYet.selector, alice);
        vm.expectRevert(notYet);
        vm.prank(alice);
        REGISTRY.leaveZone();
        uint64 until = T0 + OPEN_LEAD + LENGTH;
        _propose(abi.encodeCall(REGISTRY.assignMeter, (_meterOf(alice), address(0), until)));
        vm.prank(operator);
        REGISTRY.assignMeter(_meterOf(alice), address(0), until);
        vm.warp(until + CORRECTION_PERIOD - 1);
        vm.expectRevert(notYet);
        vm.prank(alice);
        REGISTRY.leaveZone();
        vm.warp(until + CORRECTION_PERIOD);
        vm.prank(address(MARKET));
        VAULT.lock(alice, 1, 0);
        vm.expectRevert(notYet);
        vm.prank(alice);
        REGISTRY.leaveZone();
        vm.prank(address(MARKET));
        VAULT.unlock(alice, 1);

        vm.expectEmit(address(REGISTRY));
        emit IRegistry.ParticipantLeft(alice, ZONE);
        vm.prank(alice);
        REGISTRY.leaveZone();
        vm.prank(alice);
        VAULT.withdraw(COIN);
        (uint64 zone,) = REGISTRY.participant(alice);
        vm.assertEq(zone, 0);
        vm.assertEq(REGISTRY.participants(ZONE, 0, 9), _list(carol, bob));
        vm.expectRevert(abi.encodeWithSelector(IRegistry.UnknownParticipant.selector, alice));
        vm.prank(alice);
        REGISTRY.leaveZone();
        // Who took the place in the list can leave as well, and the retired meter stays that.
        vm.assertEq(REGISTRY.meter(_meterOf(alice)).owner, address(0));
        _propose(abi.encodeCall(REGISTRY.assignMeter, (_meterOf(alice), bob, until + 2 * CORRECTION_PERIOD)));
        vm.expectRevert(abi.encodeWithSelector(IRegistry.MeterRetired.selector, _meterOf(alice)));
        vm.prank(operator);
        REGISTRY.assignMeter(_meterOf(alice), bob, until + 2 * CORRECTION_PERIOD);
        vm.prank(admin);
        REGISTRY.createZone(OTHER_ZONE, _settings());
        _propose(abi.encodeCall(REGISTRY.registerParticipants, (OTHER_ZONE, _list(alice))));
        vm.prank(operator);
        REGISTRY.registerParticipants(OTHER_ZONE, _list(alice));
        (zone,) = REGISTRY.participant(alice);
        vm.assertEq(zone, OTHER_ZONE);
    }

    function test_the_limit_of_meters_counts_present_ones() public {
        _registerParticipant(alice);
        IRegistry.NewMeter[] memory meters = new IRegistry.NewMeter[](64);
        for (uint256 i = 0; i < meters.length; ++i) {
            meters[i] = IRegistry.NewMeter(bytes32(i + 1), alice, bob, 10, 10, false, 0, 0);
        }
        _registerInTime(meters);
        uint64 until = T0 + OPEN_LEAD + LENGTH;
        _propose(abi.encodeCall(REGISTRY.assignMeter, (bytes32(uint256(3)), address(0), until)));
        vm.prank(operator);
        REGISTRY.assignMeter(bytes32(uint256(3)), address(0), until);
        vm.warp(until + CORRECTION_PERIOD - 1);
        meters = new IRegistry.NewMeter[](1);
        meters[0] = IRegistry.NewMeter(METER, alice, bob, 10, 10, false, 0, 0);
        _propose(abi.encodeCall(REGISTRY.registerMeters, (meters)));
        vm.expectRevert(abi.encodeWithSelector(IRegistry.TooManyMeters.selector, alice, 64));
        vm.prank(operator);
        REGISTRY.registerMeters(meters);
        vm.warp(until + CORRECTION_PERIOD);
        vm.prank(operator);
        REGISTRY.registerMeters(meters);
        vm.assertEq(REGISTRY.metersOf(alice, until + 2 * CORRECTION_PERIOD).length, 64);
        vm.assertEq(REGISTRY.meter(bytes32(uint256(3))).owner, address(0));
        vm.assertEq(REGISTRY.meter(METER).owner, alice);
    }

    /// @dev Where the holding in force stands before one that was over at its beginning.
    function test_a_meter_that_went_and_came_back_at_once_is_not_retired() public {
        _enrol(_list(alice, bob));
        _addMeter(alice, METER, 10, 10);
        bytes32 first = _meterOf(alice);
        uint64 until = T0 + OPEN_LEAD + LENGTH;
        _assign(first, bob, until);
        _assign(METER, bob, until);
        uint64 since = until + CORRECTION_PERIOD + OPEN_LEAD + LENGTH;
        since -= since % LENGTH;
        vm.warp(until + CORRECTION_PERIOD - 1);
        _assign(METER, alice, since);
        vm.warp(until + CORRECTION_PERIOD);
        _assign(METER, bob, since);
        _assign(METER, alice, since);
        vm.assertEq(REGISTRY.meter(METER).owner, alice);
        vm.assertEq(REGISTRY.meter(METER).until, 0);
        vm.assertEq(REGISTRY.ownerAt(METER, since), alice);
        _assign(METER, bob, since + LENGTH);
    }

    function _assign(bytes32 meter, address owner, uint64 since) private {
        _propose(abi.encodeCall(REGISTRY.assignMeter, (meter, owner, since)));
        vm.prank(operator);
        REGISTRY.assignMeter(meter, owner, since);
    }

    function _expectFailure(address caller, bytes memory data, bytes memory expected) private {
        vm.prank(caller);
        (bool success, bytes memory reason) = address(REGISTRY).call(data);
        vm.assertEq(success, false);
        vm.assertEq(reason, expected);
    }

    function _expectUnauthorized(address caller, bytes memory data) private {
        vm.prank(caller);
        (bool success, bytes memory reason) = address(REGISTRY).call(data);
        vm.assertEq(success, false);
        vm.assertEq(reason, abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, caller));
    }

    function _expectInvalid(IRegistry.ZoneSettings memory settings, string memory name) private {
        vm.expectRevert(abi.encodeWithSelector(IRegistry.InvalidSetting.selector, name));
        vm.prank(admin);
        REGISTRY.createZone(OTHER_ZONE, settings);
    }

    function _expectRefused(IRegistry.NewMeter memory first, IRegistry.NewMeter memory second, bytes memory reason)
        private
    {
        IRegistry.NewMeter[] memory meters = new IRegistry.NewMeter[](2);
        (meters[0], meters[1]) = (first, second);
        _propose(abi.encodeCall(REGISTRY.registerMeters, (meters)));
        vm.expectRevert(reason);
        vm.prank(operator);
        REGISTRY.registerMeters(meters);
    }

    function _expectInstallation(bytes32 id, uint64 since, uint64 importWh, uint64 exportWh) private view {
        (uint64 foundSince, uint64 foundImportWh, uint64 foundExportWh) = REGISTRY.installation(id);
        vm.assertEq(foundSince, since);
        vm.assertEq(foundImportWh, importWh);
        vm.assertEq(foundExportWh, exportWh);
    }

    function _registerParticipant(address account) private {
        _propose(abi.encodeCall(REGISTRY.registerParticipants, (ZONE, _list(account))));
        vm.prank(operator);
        REGISTRY.registerParticipants(ZONE, _list(account));
    }
}
