// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IRegistry} from "../src/interfaces/IRegistry.sol";
import {System} from "./base/System.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @notice What holds for the Registry whatever it is told, against models of their own.
contract RegistryPropertiesTest is System {
    uint64 private constant OTHER_ZONE = 8;
    bytes32 private constant METER = "meter";

    /// @dev The model of a zone: from when on which opening lead and which grid fee are in force.
    struct Version {
        uint64 from;
        uint32 openLead;
        uint32 gridFee;
    }

    /// @dev The model of a meter: from when on whose it is; nobody's once retired.
    struct Ownership {
        uint64 since;
        address owner;
    }

    Version[] private versions;
    Ownership[] private ownerships;
    uint64 private time = T0;

    // Zones

    function test_changeZone_changes_products_that_have_not_opened(
        uint256[6] memory leads,
        uint256[6] memory steps,
        uint256[6] memory waits
    ) public {
        versions.push(Version(T0, OPEN_LEAD, 700));
        for (uint32 i = 0; i < leads.length; ++i) {
            _wait(waits[i]);
            uint32 lead = uint32(bound(leads[i], GATE_LEAD + 1, 20 * LENGTH));
            _changeZone(Version(T0 + uint64(bound(steps[i], 0, 100)) * LENGTH, lead, 701 + i));
        }
        for (uint64 start = T0; start <= T0 + 100 * LENGTH; start += LENGTH) {
            vm.assertEq(REGISTRY.settingsAt(ZONE, start).gridFee, _versionAt(start).gridFee);
        }
        (IRegistry.ZoneSettings memory latest, uint64 validFrom) = REGISTRY.latestSettings(ZONE);
        vm.assertEq(latest.openLead, versions[versions.length - 1].openLead);
        vm.assertEq(validFrom, versions[versions.length - 1].from);
    }

    function _changeZone(Version memory next) private {
        IRegistry.ZoneSettings memory settings = _settings();
        (settings.openLead, settings.gridFee) = (next.openLead, next.gridFee);
        uint64 earliest = _unopened(Math.max(next.openLead, _greatestLeadFrom(next.from)));
        uint64 last = versions[versions.length - 1].from;
        if (earliest <= last) earliest = last + LENGTH;
        if (next.from < earliest) {
            vm.expectRevert(abi.encodeWithSelector(IRegistry.TooSoon.selector, next.from, earliest));
        } else {
            vm.expectEmit(address(REGISTRY));
            emit IRegistry.ZoneSettingsChanged(ZONE, next.from, settings);
            versions.push(next);
        }
        vm.prank(admin);
        REGISTRY.changeZone(ZONE, settings, next.from);
    }

    /// @dev The greatest lead in force at `from` or later.
    function _greatestLeadFrom(uint64 from) private view returns (uint256 lead) {
        for (uint256 i = 0; i < versions.length; ++i) {
            if (i + 1 == versions.length || versions[i + 1].from > from) lead = Math.max(lead, versions[i].openLead);
        }
    }

    function _versionAt(uint64 start) private view returns (Version memory version) {
        for (uint256 i = 0; i < versions.length; ++i) {
            if (versions[i].from <= start) version = versions[i];
        }
    }

    /// @dev Most random settings contradict themselves in one way or another.
    function test_changeZone_and_createZone_judge_settings_alike(IRegistry.ZoneSettings memory settings) public {
        settings.intervalLength = LENGTH;
        uint64 from = T0 + (type(uint32).max / LENGTH + 2) * uint64(LENGTH);
        vm.startPrank(admin);
        (bool created, bytes memory whyNotCreated) =
            address(REGISTRY).call(abi.encodeCall(REGISTRY.createZone, (OTHER_ZONE, settings)));
        (bool changed, bytes memory whyNotChanged) =
            address(REGISTRY).call(abi.encodeCall(REGISTRY.changeZone, (ZONE, settings, from)));
        vm.stopPrank();
        vm.assertEq(created, changed);
        vm.assertEq(whyNotCreated, whyNotChanged);
        bytes memory expected = abi.encode(created ? settings : _settings());
        vm.assertEq(abi.encode(REGISTRY.settingsAt(ZONE, from)), expected);
        vm.assertEq(REGISTRY.zones().length, created ? 2 : 1);
    }

    function test_changeZone_wants_boundaries_of_a_known_zone(uint64 zone, uint64 from) public {
        vm.startPrank(admin);
        if (zone != ZONE) {
            vm.expectRevert(abi.encodeWithSelector(IRegistry.UnknownZone.selector, zone));
            REGISTRY.changeZone(zone, _settings(), from);
        }
        if (from % LENGTH == 0) ++from;
        vm.expectRevert(abi.encodeWithSelector(IRegistry.UnalignedTime.selector, from, LENGTH));
        REGISTRY.changeZone(ZONE, _settings(), from);
        vm.stopPrank();
    }

    function test_settingsAt_knows_nothing_before_the_zone(uint64 start) public {
        start = uint64(bound(uint256(start), 0, T0 - 1));
        vm.expectRevert(abi.encodeWithSelector(IRegistry.BeforeZone.selector, ZONE, start));
        REGISTRY.settingsAt(ZONE, start);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.BeforeZone.selector, ZONE, start));
        REGISTRY.tradingRules(ZONE, start, 1, _list(alice));
    }

    // Participants

    function test_registerParticipants_lists_everybody_once(uint160 seed, uint256 count, uint256 from, uint256 max)
        public
    {
        address[] memory accounts = new address[](bound(count, 0, 12));
        for (uint160 i = 0; i < accounts.length; ++i) {
            accounts[i] = address(uint160(bound(uint256(seed), 1, type(uint160).max - 12)) + i);
        }
        _propose(abi.encodeCall(REGISTRY.registerParticipants, (ZONE, accounts)));
        for (uint256 i = 0; i < accounts.length; ++i) {
            vm.expectEmit(address(REGISTRY));
            emit IRegistry.ParticipantRegistered(accounts[i], ZONE);
        }
        vm.prank(operator);
        REGISTRY.registerParticipants(ZONE, accounts);
        vm.assertEq(REGISTRY.participantCount(ZONE), accounts.length);
        vm.assertEq(REGISTRY.participants(ZONE, 0, type(uint256).max), accounts);

        address[] memory page = REGISTRY.participants(ZONE, from, max);
        vm.assertEq(page.length, from >= accounts.length ? 0 : Math.min(accounts.length - from, max));
        for (uint256 i = 0; i < accounts.length; ++i) {
            (uint64 zone, bool active) = REGISTRY.participant(accounts[i]);
            vm.assertEq(zone, ZONE);
            vm.assertEq(active, true);
            if (i < page.length) vm.assertEq(page[i], accounts[from + i]);
        }
    }

    function test_setParticipantActive_has_the_last_word(bool[5] memory words) public {
        _registerParticipants();
        for (uint256 i = 0; i < words.length; ++i) {
            vm.expectEmit(address(REGISTRY));
            emit IRegistry.ParticipantActivity(alice, words[i]);
            vm.prank(registrar);
            REGISTRY.setParticipantActive(alice, words[i]);
            (uint64 zone, bool active) = REGISTRY.participant(alice);
            vm.assertEq(zone, ZONE);
            vm.assertEq(active, words[i]);
            vm.assertEq(_standing(ZONE, T0, alice).active, words[i]);
            vm.assertEq(_standing(ZONE, T0, bob).active, true);
        }
    }

    // Meters

    function test_registerMeters_keeps_what_it_is_given(IRegistry.NewMeter[5] memory random, uint256 wait) public {
        _registerParticipants();
        _wait(wait);
        uint64 since = _unopened(OPEN_LEAD);
        IRegistry.NewMeter[] memory meters = new IRegistry.NewMeter[](random.length);
        for (uint256 i = 0; i < meters.length; ++i) {
            meters[i] = _valid(random[i], i);
        }
        _propose(abi.encodeCall(REGISTRY.registerMeters, (meters)));
        for (uint256 i = 0; i < meters.length; ++i) {
            _expectMeterEvents(meters[i], since);
        }
        vm.prank(operator);
        REGISTRY.registerMeters(meters);

        vm.assertEq(REGISTRY.meterCount(), meters.length);
        bytes32[] memory ids = REGISTRY.meterIds(0, type(uint256).max);
        for (uint256 i = 0; i < meters.length; ++i) {
            vm.assertEq(ids[i], meters[i].id);
            _expectMeter(meters[i], since);
        }
        vm.assertEq(abi.encode(REGISTRY.meterRecords(ids)[4]), abi.encode(REGISTRY.meter(ids[4])));
        _expectCapacity(alice, meters, since);
        _expectCapacity(bob, meters, since);
    }

    /// @dev Makes a random meter one that can be registered, Alice's or Bob's.
    function _valid(IRegistry.NewMeter memory random, uint256 i) private view returns (IRegistry.NewMeter memory) {
        random.id = keccak256(abi.encode(random.id, i));
        if (random.signer == address(0)) random.signer = carol;
        random.owner = uint160(random.owner) % 2 == 0 ? alice : bob;
        return random;
    }

    function _expectMeterEvents(IRegistry.NewMeter memory given, uint64 since) private {
        vm.expectEmit(address(REGISTRY));
        emit IRegistry.MeterRegistered(
            given.id,
            ZONE,
            given.signer,
            given.maxImportWh,
            given.maxExportWh,
            given.renewable,
            given.importWh,
            given.exportWh
        );
        vm.expectEmit(address(REGISTRY));
        emit IRegistry.MeterAssigned(given.id, given.owner, since);
    }

    function _expectMeter(IRegistry.NewMeter memory given, uint64 since) private view {
        IRegistry.Meter memory expected = IRegistry.Meter(
            given.owner, given.signer, ZONE, given.maxImportWh, given.maxExportWh, given.renewable, since, 0
        );
        vm.assertEq(abi.encode(REGISTRY.meter(given.id)), abi.encode(expected));
        IRegistry.ReadingRules memory rules = REGISTRY.readingRules(given.id, T0);
        vm.assertEq(REGISTRY.meterIds(rules.number - 1, 1)[0], given.id);
        rules.number = 0;
        vm.assertEq(
            abi.encode(rules),
            abi.encode(IRegistry.ReadingRules(given.signer, ZONE, 0, LENGTH, given.maxImportWh, given.maxExportWh))
        );
        (uint64 from, uint64 importWh, uint64 exportWh) = REGISTRY.installation(given.id);
        vm.assertEq(abi.encode(from, importWh, exportWh), abi.encode(since, given.importWh, given.exportWh));
    }

    function _expectCapacity(address account, IRegistry.NewMeter[] memory meters, uint64 since) private view {
        uint256 count = 0;
        uint256 importWh = 0;
        uint256 exportWh = 0;
        for (uint256 i = 0; i < meters.length; ++i) {
            if (meters[i].owner != account) continue;
            vm.assertEq(REGISTRY.metersOf(account, since)[count++], meters[i].id);
            importWh += meters[i].maxImportWh;
            exportWh += meters[i].maxExportWh;
        }
        vm.assertEq(REGISTRY.metersOf(account, since).length, count);
        vm.assertEq(REGISTRY.metersOf(account, since - 1).length, 0);
        IRegistry.Standing memory standing = _standing(ZONE, since, account);
        vm.assertEq(standing.capacityImportWh, Math.min(importWh, type(uint40).max));
        vm.assertEq(standing.capacityExportWh, Math.min(exportWh, type(uint40).max));
    }

    function test_registerMeters_registers_all_or_none(
        IRegistry.NewMeter[4] memory random,
        uint256 place,
        uint256 mistake
    ) public {
        _registerParticipants();
        IRegistry.NewMeter[] memory meters = new IRegistry.NewMeter[](random.length);
        for (uint256 i = 0; i < meters.length; ++i) {
            meters[i] = _valid(random[i], i);
        }
        IRegistry.NewMeter memory wrong = meters[bound(place, 1, 3)];
        bytes memory reason;
        mistake = bound(mistake, 0, 3);
        if (mistake == 0) {
            wrong.id = 0;
            reason = abi.encodeWithSelector(IRegistry.InvalidMeter.selector, bytes32(0));
        } else if (mistake == 1) {
            wrong.signer = address(0);
            reason = abi.encodeWithSelector(IRegistry.InvalidMeter.selector, wrong.id);
        } else if (mistake == 2) {
            wrong.id = meters[0].id;
            reason = abi.encodeWithSelector(IRegistry.MeterExists.selector, wrong.id);
        } else {
            wrong.owner = operator;
            reason = abi.encodeWithSelector(IRegistry.UnknownParticipant.selector, operator);
        }
        _propose(abi.encodeCall(REGISTRY.registerMeters, (meters)));
        vm.expectRevert(reason);
        vm.prank(operator);
        REGISTRY.registerMeters(meters);
        vm.assertEq(REGISTRY.meterCount(), 0);
        vm.assertEq(REGISTRY.metersOf(alice, T0).length + REGISTRY.metersOf(bob, T0).length, 0);
    }

    function test_meterIds_come_in_pages(uint256 count, uint256 from, uint256 max) public {
        _registerParticipants();
        count = bound(count, 0, 8);
        for (uint256 i = 1; i <= count; ++i) {
            _addMeter(alice, bytes32(i), 1, 1);
        }
        bytes32[] memory page = REGISTRY.meterIds(from, max);
        vm.assertEq(page.length, from >= count ? 0 : Math.min(count - from, max));
        for (uint256 i = 0; i < page.length; ++i) {
            vm.assertEq(page[i], bytes32(from + i + 1));
        }
    }

    function test_setMeterSigner_changes_nothing_but_the_key(address signer) public {
        vm.assume(signer != address(0));
        _registerParticipants();
        _addMeter(alice, METER, 5000, 3000);
        IRegistry.Meter memory expected = REGISTRY.meter(METER);
        expected.signer = signer;
        _propose(abi.encodeCall(REGISTRY.setMeterSigner, (METER, signer)));
        vm.expectEmit(address(REGISTRY));
        emit IRegistry.MeterSignerChanged(METER, signer, T0);
        vm.prank(operator);
        REGISTRY.setMeterSigner(METER, signer);
        vm.assertEq(abi.encode(REGISTRY.meter(METER)), abi.encode(expected));
        vm.assertEq(REGISTRY.readingRules(METER, T0).signer, signer);
    }

    function test_assignMeter_gives_every_interval_one_owner(
        uint8[6] memory picks,
        uint256[6] memory steps,
        uint256[6] memory waits
    ) public {
        _registerParticipants();
        _addMeter(alice, METER, 5000, 3000);
        ownerships.push(Ownership(T0, alice));
        address[] memory owners = _list(alice, bob, carol, address(0));
        for (uint256 i = 0; i < picks.length; ++i) {
            _wait(waits[i]);
            // Few meters are retired, since that is their end.
            address owner = owners[picks[i] < 32 ? 3 : picks[i] % 3];
            _assignMeter(Ownership(T0 + uint64(bound(steps[i], 0, 40)) * LENGTH, owner));
        }
        for (uint64 start = T0; start <= T0 + 40 * LENGTH; start += LENGTH) {
            address owner = _ownerAt(start);
            for (uint256 i = 0; i < 3; ++i) {
                bytes32[] memory ids = REGISTRY.metersOf(owners[i], start);
                vm.assertEq(ids.length, owners[i] == owner ? 1 : 0);
                IRegistry.Standing memory standing = _standing(ZONE, start, owners[i]);
                vm.assertEq(standing.capacityImportWh, owners[i] == owner ? 5000 : 0);
                vm.assertEq(standing.capacityExportWh, owners[i] == owner ? 3000 : 0);
            }
        }
    }

    function _assignMeter(Ownership memory next) private {
        Ownership memory last = ownerships[ownerships.length - 1];
        uint64 earliest = uint64(Math.max(_unopened(OPEN_LEAD), last.since));
        _propose(abi.encodeCall(REGISTRY.assignMeter, (METER, next.owner, next.since)));
        if (last.owner == address(0)) {
            vm.expectRevert(abi.encodeWithSelector(IRegistry.MeterRetired.selector, METER));
        } else if (next.since < earliest) {
            vm.expectRevert(abi.encodeWithSelector(IRegistry.TooSoon.selector, next.since, earliest));
        } else {
            vm.expectEmit(address(REGISTRY));
            emit IRegistry.MeterAssigned(METER, next.owner, next.since);
            ownerships.push(next);
        }
        vm.prank(operator);
        REGISTRY.assignMeter(METER, next.owner, next.since);
    }

    function _ownerAt(uint64 start) private view returns (address owner) {
        for (uint256 i = 0; i < ownerships.length; ++i) {
            if (ownerships[i].since <= start) owner = ownerships[i].owner;
        }
    }

    /// @dev The first interval that, with this lead, opens later than now.
    function _unopened(uint256 lead) private view returns (uint64 start) {
        for (start = T0; start <= time + lead;) {
            start += LENGTH;
        }
    }

    function _wait(uint256 seconds_) private {
        time += uint64(bound(seconds_, 0, 6 * LENGTH));
        vm.warp(time);
    }

    function _registerParticipants() private {
        _propose(abi.encodeCall(REGISTRY.registerParticipants, (ZONE, _list(alice, bob, carol))));
        vm.prank(operator);
        REGISTRY.registerParticipants(ZONE, _list(alice, bob, carol));
    }
}
