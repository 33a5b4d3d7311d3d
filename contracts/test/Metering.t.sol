// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IMetering} from "../src/interfaces/IMetering.sol";
import {IRegistry} from "../src/interfaces/IRegistry.sol";
import {System} from "./base/System.sol";
import {IERC5267} from "@openzeppelin/contracts/interfaces/IERC5267.sol";

/// @notice Readings signed by meters. The meter can take 5,000 Wh and deliver 3,000 Wh in an interval.
contract MeteringTest is System {
    bytes32 private constant USED = "used";
    bytes32 private meter = _meterOf(alice);

    function setUp() public override {
        super.setUp();
        _enrol(_list(alice, bob));
        vm.warp(T0 + 1000 * LENGTH);
    }

    /// @dev A concentrator signs once for all meters of its key; each is judged on its own.
    function test_submitTogether_judges_each_reading_on_its_own() public {
        vm.warp(T0);
        address key = _named("concentrator");
        bytes32 second = "second";
        IRegistry.NewMeter[] memory meters = new IRegistry.NewMeter[](2);
        meters[0] = IRegistry.NewMeter("first", alice, key, 5000, 3000, false, 0, 0);
        meters[1] = IRegistry.NewMeter(second, alice, key, 5000, 3000, false, 0, 0);
        _registerInTime(meters);
        IMetering.MeterRegisters[] memory found = new IMetering.MeterRegisters[](4);
        found[0] = IMetering.MeterRegisters("first", 10, 2);
        found[1] = IMetering.MeterRegisters(_meterOf(bob), 10, 2);
        found[2] = IMetering.MeterRegisters("nobody's", 10, 2);
        found[3] = IMetering.MeterRegisters(second, 5001, 0);
        bytes memory signature = _signTogether(T0, found);
        vm.expectEmit(address(METERING));
        emit IMetering.ReadingAccepted("first", T0, 10, 2, false);
        IMetering.Verdict[] memory verdicts = METERING.submitTogether(T0, found, signature);
        vm.assertEq(uint256(verdicts[0]), uint256(IMetering.Verdict.Accepted));
        vm.assertEq(uint256(verdicts[1]), uint256(IMetering.Verdict.WrongSigner));
        vm.assertEq(uint256(verdicts[2]), uint256(IMetering.Verdict.UnknownMeter));
        vm.assertEq(uint256(verdicts[3]), uint256(IMetering.Verdict.BeyondRating));
        vm.assertEq(METERING.register("first", T0).importWh, 10);
        vm.assertEq(METERING.register(second, T0).known, false);
        // Again it changes nothing, and the signature holds for nothing else.
        verdicts = METERING.submitTogether(T0, found, signature);
        vm.assertEq(uint256(verdicts[0]), uint256(IMetering.Verdict.Repeated));
        vm.warp(T0 + LENGTH);
        verdicts = METERING.submitTogether(T0 + LENGTH, found, signature);
        vm.assertEq(uint256(verdicts[0]), uint256(IMetering.Verdict.WrongSigner));
        found[3].importWh = 7;
        verdicts = METERING.submitTogether(T0, found, signature);
        vm.assertEq(uint256(verdicts[3]), uint256(IMetering.Verdict.WrongSigner));
        verdicts = METERING.submitTogether(T0, found, "");
        vm.assertEq(uint256(verdicts[0]), uint256(IMetering.Verdict.WrongSigner));
        // It goes with readings that the key signs one by one.
        verdicts = METERING.submitTogether(T0 + LENGTH, found, _signTogether(T0 + LENGTH, found));
        vm.assertEq(uint256(verdicts[0]), uint256(IMetering.Verdict.Accepted));
        vm.assertEq(uint256(verdicts[3]), uint256(IMetering.Verdict.Accepted));
        vm.assertEq(METERING.latest("first").count, 2);
    }

    function _signTogether(uint64 time, IMetering.MeterRegisters[] memory found) private view returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(_keyOfNamed("concentrator"), METERING.digestTogether(time, found));
        return abi.encodePacked(r, s, v);
    }

    function test_a_reading_is_stored() public {
        vm.expectEmit(address(METERING));
        emit IMetering.ReadingAccepted(meter, T0, 4321, 1234, false);
        _expectVerdict(_read(meter, T0, 4321, 1234), IMetering.Verdict.Accepted);
        IMetering.LatestRegister memory latest = METERING.latest(meter);
        vm.assertEq(latest.time, T0);
        vm.assertEq(latest.importWh, 4321);
        vm.assertEq(latest.exportWh, 1234);
        vm.assertEq(latest.count, 1);
        _expectRegister(T0, 4321, 1234);
    }

    // Places that are used again

    function test_a_register_gives_its_place_to_one_of_the_next_round() public {
        uint64 period = 64 days;
        _read(meter, T0, 10, 0);
        _read(meter, T0 + LENGTH, 20, 0);
        vm.warp(T0 + period);
        vm.assertEq(uint256(_read(meter, T0 + period, 1000, 0)), uint256(IMetering.Verdict.Accepted));
        vm.assertEq(METERING.register(meter, T0).known, false);
        vm.assertEq(METERING.energy(meter, T0, T0 + LENGTH).complete, false);
        vm.assertEq(METERING.register(meter, T0 + period).importWh, 1000);
        vm.assertEq(METERING.register(meter, T0 + LENGTH).importWh, 20);
        vm.assertEq(METERING.latest(meter).count, 3);
        // What had the place does not come back, neither signed nor as a substitute.
        vm.assertEq(uint256(_read(meter, T0, 10, 0)), uint256(IMetering.Verdict.OutOfReach));
        IMetering.Verdict verdict = _substitute(operator, _reading(meter, T0, 10, 0));
        vm.assertEq(uint256(verdict), uint256(IMetering.Verdict.OutOfReach));
        // The gap is filled from the end that is known.
        vm.assertEq(uint256(_read(meter, T0 + 2 * LENGTH, 19, 0)), uint256(IMetering.Verdict.Backwards));
        vm.assertEq(uint256(_read(meter, T0 + 2 * LENGTH, 30, 0)), uint256(IMetering.Verdict.Accepted));
    }

    /// @dev A substitute in the place of the latest register takes nothing from what the next reading is judged by.
    function test_the_latest_register_outlives_its_place() public {
        uint64 period = 64 days;
        _read(meter, T0, 0, 0);
        _read(meter, T0 + LENGTH, 500, 0);
        uint64 time = T0 + LENGTH + period;
        vm.warp(time + DEADLINE);
        IMetering.Verdict verdict = _substitute(operator, _reading(meter, time, 600, 0));
        vm.assertEq(uint256(verdict), uint256(IMetering.Verdict.Accepted));
        vm.assertEq(METERING.latest(meter).importWh, 500);
        vm.assertEq(uint256(_read(meter, time + LENGTH, 499, 0)), uint256(IMetering.Verdict.Backwards));
        vm.assertEq(uint256(_read(meter, time + LENGTH, 700, 0)), uint256(IMetering.Verdict.Accepted));
        // The substitute bars no reading, and the neighbour that is gone judges none.
        vm.assertEq(uint256(_read(meter, time, 701, 0)), uint256(IMetering.Verdict.Backwards));
        vm.assertEq(uint256(_read(meter, time, 650, 0)), uint256(IMetering.Verdict.Accepted));
        vm.assertEq(uint256(_read(meter, time - LENGTH, 651, 0)), uint256(IMetering.Verdict.Backwards));
        vm.assertEq(uint256(_read(meter, time - LENGTH, 550, 0)), uint256(IMetering.Verdict.Accepted));
    }

    /// @dev A meter that showed 1,000,000 and 500,000 Wh when it was installed, and counts from `since` on.
    function _installUsed() private returns (uint64 since) {
        since = T0 + 1001 * LENGTH;
        vm.warp(since - 1);
        _addMeter(alice, USED, 5000, 3000, 1_000_000, 500_000);
        vm.warp(since + 10 * LENGTH);
    }

    function test_the_first_reading_follows_the_registers_at_installation() public {
        uint64 since = _installUsed();
        _expectRejected(_reading(USED, since, 999_999, 500_000), IMetering.Verdict.Backwards);
        _expectRejected(_reading(USED, since, 1_000_000, 499_999), IMetering.Verdict.Backwards);
        _expectRejected(_reading(USED, since, 1_005_001, 500_000), IMetering.Verdict.BeyondRating);
        _expectRejected(_reading(USED, since, 1_000_000, 503_001), IMetering.Verdict.BeyondRating);
        // Later, as much more as the intervals between allow.
        _expectRejected(_reading(USED, since + 2 * LENGTH, 1_015_001, 500_000), IMetering.Verdict.BeyondRating);
        _expectVerdict(_read(USED, since + 2 * LENGTH, 1_015_000, 509_000), IMetering.Verdict.Accepted);
        // What comes later for an earlier boundary is held to them too.
        _expectRejected(_reading(USED, since, 1_005_001, 503_000), IMetering.Verdict.BeyondRating);
        _expectVerdict(_read(USED, since, 1_005_000, 503_000), IMetering.Verdict.Accepted);
    }

    function test_what_was_before_registration_is_none_of_the_chains_business() public {
        uint64 since = _installUsed();
        _expectRejected(_reading(USED, since - LENGTH, 1_000_000, 500_000), IMetering.Verdict.BeforeRegistration);
        _read(USED, since, 1_000_000, 500_000);
        _expectRejected(_reading(USED, since - LENGTH, 1_000_000, 500_000), IMetering.Verdict.BeforeRegistration);
        // Who has owned it since changes nothing.
        _propose(abi.encodeCall(REGISTRY.assignMeter, (USED, bob, since + 10 * LENGTH + 2 * OPEN_LEAD)));
        vm.prank(operator);
        REGISTRY.assignMeter(USED, bob, since + 10 * LENGTH + 2 * OPEN_LEAD);
        _expectVerdict(_read(USED, since + LENGTH, 1_000_000, 500_000), IMetering.Verdict.Accepted);
    }

    function test_no_substitute_locks_a_fresh_meter_out() public {
        uint64 since = _installUsed();
        IMetering.Reading memory absurd = _reading(USED, since - 10 * LENGTH, type(uint64).max - 1e6, 0);
        _expectVerdict(_substitute(operator, absurd), IMetering.Verdict.BeforeRegistration);
        absurd.exportWh = type(uint64).max;
        _expectVerdict(_substitute(operator, absurd), IMetering.Verdict.BeforeRegistration);
        absurd = _reading(USED, since, 1e15, 500_000);
        _expectVerdict(_substitute(operator, absurd), IMetering.Verdict.BeyondRating);
        absurd = _reading(USED, since, 0, 0);
        _expectVerdict(_substitute(operator, absurd), IMetering.Verdict.Backwards);
        _expectVerdict(_read(USED, since, 1_000_100, 500_000), IMetering.Verdict.Accepted);
        _expectVerdict(_read(USED, since + LENGTH, 1_000_200, 500_000), IMetering.Verdict.Accepted);
    }

    function test_a_reading_may_use_the_rating_up_and_no_more() public {
        _read(meter, T0, 100, 100);
        _expectVerdict(_read(meter, T0 + LENGTH, 5101, 100), IMetering.Verdict.BeyondRating);
        _expectVerdict(_read(meter, T0 + LENGTH, 100, 3101), IMetering.Verdict.BeyondRating);
        _expectVerdict(_read(meter, T0 + LENGTH, 5100, 3100), IMetering.Verdict.Accepted);
        // Three intervals later three times as much.
        _expectVerdict(_read(meter, T0 + 4 * LENGTH, 5100 + 15_001, 3100), IMetering.Verdict.BeyondRating);
        _expectVerdict(_read(meter, T0 + 4 * LENGTH, 5100 + 15_000, 3100 + 9000), IMetering.Verdict.Accepted);
    }

    function test_registers_do_not_go_back() public {
        _read(meter, T0, 100, 100);
        _expectRejected(_reading(meter, T0 + LENGTH, 99, 100), IMetering.Verdict.Backwards);
        _expectRejected(_reading(meter, T0 + LENGTH, 100, 99), IMetering.Verdict.Backwards);
        _expectVerdict(_read(meter, T0 + LENGTH, 100, 100), IMetering.Verdict.Accepted);
    }

    function test_a_late_reading_is_judged_against_both_neighbours() public {
        _read(meter, T0, 100, 100);
        _read(meter, T0 + 3 * LENGTH, 8100, 100);
        _expectVerdict(_read(meter, T0 + LENGTH, 8101, 100), IMetering.Verdict.BeyondRating);
        _expectVerdict(_read(meter, T0 + 2 * LENGTH, 8101, 100), IMetering.Verdict.Backwards);
        _expectVerdict(_read(meter, T0 + 2 * LENGTH, 8100, 101), IMetering.Verdict.Backwards);
        _expectVerdict(_read(meter, T0 + 2 * LENGTH, 3099, 100), IMetering.Verdict.BeyondRating);
        _expectVerdict(_read(meter, T0 + 2 * LENGTH, 3100, 100), IMetering.Verdict.Accepted);
        _expectVerdict(_read(meter, T0 + LENGTH, 3101, 100), IMetering.Verdict.Backwards);
        _expectVerdict(_read(meter, T0 + LENGTH, 1100, 100), IMetering.Verdict.Accepted);
        vm.assertEq(METERING.latest(meter).time, T0 + 3 * LENGTH);
        vm.assertEq(METERING.latest(meter).count, 4);
    }

    function test_one_before_the_first_is_judged_against_the_first() public {
        _read(meter, T0 + LENGTH, 100, 100);
        _expectVerdict(_read(meter, T0, 101, 100), IMetering.Verdict.Backwards);
        _expectVerdict(_read(meter, T0, 50, 50), IMetering.Verdict.Accepted);
        vm.assertEq(METERING.latest(meter).time, T0 + LENGTH);
        vm.assertEq(METERING.latest(meter).count, 2);
    }

    function test_the_same_reading_again_changes_nothing() public {
        _read(meter, T0, 100, 100);
        bytes32 before = keccak256(abi.encode(METERING.latest(meter), METERING.register(meter, T0)));
        vm.expectEmit(address(METERING));
        emit IMetering.ReadingRepeated(meter, T0);
        _expectVerdict(_read(meter, T0, 100, 100), IMetering.Verdict.Repeated);
        vm.assertEq(keccak256(abi.encode(METERING.latest(meter), METERING.register(meter, T0))), before);
    }

    function test_a_contradicting_reading_is_recorded_and_changes_nothing() public {
        _read(meter, T0, 100, 100);
        vm.expectEmit(address(METERING));
        emit IMetering.ReadingConflict(meter, T0, 100, 100, 100, 101);
        _expectVerdict(_read(meter, T0, 100, 101), IMetering.Verdict.Conflict);
        _expectRegister(T0, 100, 100);
    }

    function test_a_reading_needs_a_known_meter() public {
        _expectRejected(_reading("unknown", T0, 1, 1), IMetering.Verdict.UnknownMeter);
    }

    function test_a_reading_is_of_a_boundary() public {
        _expectRejected(_reading(meter, T0 + 1, 1, 1), IMetering.Verdict.UnalignedTime);
        _expectRejected(_reading(meter, 0, 1, 1), IMetering.Verdict.UnalignedTime);
    }

    function test_a_reading_is_of_the_past() public {
        uint64 now_ = T0 + 1000 * LENGTH;
        _expectRejected(_reading(meter, now_ + LENGTH, 1, 1), IMetering.Verdict.InFuture);
        _expectRejected(_reading(meter, uint64(LENGTH) * (type(uint64).max / LENGTH), 1, 1), IMetering.Verdict.InFuture);
        _expectVerdict(_read(meter, now_, 1, 1), IMetering.Verdict.Accepted);
    }

    function test_a_reading_needs_its_meters_signature() public {
        IMetering.Reading memory reading = _reading(meter, T0, 100, 100);
        bytes memory signature = _sign(reading);
        bytes[6] memory wrong;
        wrong[0] = "";
        wrong[1] = abi.encodePacked(signature, uint8(0));
        wrong[2] = _sign(_reading(meter, T0, 100, 101));
        wrong[3] = _sign(_reading(meter, T0 + LENGTH, 100, 100));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(_keyOf(_meterOf(bob)), METERING.digest(reading));
        wrong[4] = abi.encodePacked(r, s, v);
        wrong[5] = abi.encodePacked(bytes32(0), bytes32(0), uint8(27));
        for (uint256 i = 0; i < wrong.length; ++i) {
            vm.expectEmit(address(METERING));
            emit IMetering.ReadingRejected(meter, T0, IMetering.Verdict.WrongSigner, 100, 100);
            _expectVerdict(_submitSigned(reading, wrong[i]), IMetering.Verdict.WrongSigner);
        }
        _expectVerdict(_submitSigned(reading, signature), IMetering.Verdict.Accepted);
        // A contradiction that the meter did not sign is none.
        _expectVerdict(_submitSigned(_reading(meter, T0, 5, 5), signature), IMetering.Verdict.WrongSigner);
    }

    function test_a_malleable_signature_is_refused() public {
        IMetering.Reading memory reading = _reading(meter, T0, 100, 100);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(_keyOf(meter), METERING.digest(reading));
        uint256 order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;
        bytes memory twin = abi.encodePacked(r, bytes32(order - uint256(s)), v == 27 ? uint8(28) : uint8(27));
        _expectVerdict(_submitSigned(reading, twin), IMetering.Verdict.WrongSigner);
    }

    /// @dev Not even with the operator's help does a key sign what another was there to sign.
    function test_a_boundary_is_signed_by_the_key_of_its_time() public {
        uint64 next = T0 + 1001 * LENGTH;
        address signer = vm.addr(_keyOf(_meterOf(bob)));
        vm.warp(next - 1);
        _propose(abi.encodeCall(REGISTRY.setMeterSigner, (meter, signer)));
        vm.prank(operator);
        REGISTRY.setMeterSigner(meter, signer);
        vm.warp(next);
        IMetering.Reading memory past = _reading(meter, next - LENGTH, 100, 100);
        IMetering.Reading memory present = _reading(meter, next, 100, 100);
        _expectVerdict(_submitSigned(past, _signBy(_meterOf(bob), past)), IMetering.Verdict.WrongSigner);
        _expectVerdict(_submitSigned(present, _sign(present)), IMetering.Verdict.WrongSigner);
        _expectVerdict(_submitSigned(past, _sign(past)), IMetering.Verdict.Accepted);
        _expectVerdict(_submitSigned(present, _signBy(_meterOf(bob), present)), IMetering.Verdict.Accepted);

        // Back for two intervals, and then another: each boundary keeps its own.
        _propose(abi.encodeCall(REGISTRY.setMeterSigner, (meter, vm.addr(_keyOf(meter)))));
        vm.prank(operator);
        REGISTRY.setMeterSigner(meter, vm.addr(_keyOf(meter)));
        vm.warp(next + 2 * LENGTH);
        _propose(abi.encodeCall(REGISTRY.setMeterSigner, (meter, signer)));
        vm.prank(operator);
        REGISTRY.setMeterSigner(meter, signer);
        present = _reading(meter, next + LENGTH, 100, 100);
        _expectVerdict(_submitSigned(present, _signBy(_meterOf(bob), present)), IMetering.Verdict.WrongSigner);
        _expectVerdict(_submitSigned(present, _sign(present)), IMetering.Verdict.Accepted);
        past = _reading(meter, next - 2 * LENGTH, 100, 100);
        _expectVerdict(_submitSigned(past, _sign(past)), IMetering.Verdict.Accepted);
    }

    function _signBy(bytes32 other, IMetering.Reading memory reading) private view returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(_keyOf(other), METERING.digest(reading));
        return abi.encodePacked(r, s, v);
    }

    function test_the_digest_is_EIP_712() public view {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Wattline Metering"),
                keccak256("1"),
                block.chainid,
                address(METERING)
            )
        );
        bytes32 structHash = keccak256(
            abi.encode(keccak256("Reading(bytes32 meter,uint64 time,uint64 importWh,uint64 exportWh)"), meter, T0, 1, 2)
        );
        bytes32 expected = keccak256(abi.encodePacked(hex"1901", domain, structHash));
        vm.assertEq(METERING.digest(_reading(meter, T0, 1, 2)), expected);
    }

    function test_the_domain_can_be_asked_for() public view {
        (bytes1 fields, string memory name, string memory version, uint256 chain, address verifier,,) =
            IERC5267(address(METERING)).eip712Domain();
        // Name, version, chain and contract, without a salt.
        vm.assertEq(fields, hex"0f");
        vm.assertEq(name, "Wattline Metering");
        vm.assertEq(version, "1");
        vm.assertEq(chain, block.chainid);
        vm.assertEq(verifier, address(METERING));
    }

    function test_a_batch_is_judged_one_by_one() public {
        IMetering.Reading[] memory readings = new IMetering.Reading[](6);
        readings[0] = _reading(meter, T0, 100, 100);
        readings[1] = _reading("unknown", T0, 100, 100);
        readings[2] = _reading(meter, T0, 100, 100);
        readings[3] = _reading(meter, T0 + 7, 100, 100);
        readings[4] = _reading(_meterOf(bob), T0, 5, 0);
        readings[5] = _reading(meter, T0 + LENGTH, 200, 100);
        IMetering.Verdict[] memory verdicts = _submitAll(readings);
        _expectVerdict(verdicts[0], IMetering.Verdict.Accepted);
        _expectVerdict(verdicts[1], IMetering.Verdict.UnknownMeter);
        _expectVerdict(verdicts[2], IMetering.Verdict.Repeated);
        _expectVerdict(verdicts[3], IMetering.Verdict.UnalignedTime);
        _expectVerdict(verdicts[4], IMetering.Verdict.Accepted);
        _expectVerdict(verdicts[5], IMetering.Verdict.Accepted);
        vm.assertEq(METERING.latest(meter).count, 2);
        vm.assertEq(METERING.latest(_meterOf(bob)).count, 1);
    }

    function test_each_reading_needs_a_signature() public {
        vm.expectRevert(abi.encodeWithSelector(IMetering.LengthMismatch.selector, 2, 1));
        METERING.submit(new IMetering.Reading[](2), new bytes[](1));
    }

    function test_in_any_order_the_registers_are_the_same(uint256 seed) public {
        uint256 count = 12;
        uint64[] memory order = new uint64[](count);
        for (uint64 i = 0; i < count; ++i) {
            order[i] = i;
        }
        for (uint256 i = count - 1; i != 0; --i) {
            seed = uint256(keccak256(abi.encode(seed)));
            (order[i], order[seed % (i + 1)]) = (order[seed % (i + 1)], order[i]);
        }
        for (uint256 i = 0; i < count; ++i) {
            _expectVerdict(_readAt(order[i]), IMetering.Verdict.Accepted);
        }
        IMetering.LatestRegister memory latest = METERING.latest(meter);
        vm.assertEq(latest.count, count);
        vm.assertEq(latest.time, T0 + 11 * LENGTH);
        for (uint64 i = 1; i < count; ++i) {
            IMetering.Energy memory energy = METERING.energy(meter, T0 + (i - 1) * LENGTH, T0 + i * LENGTH);
            vm.assertEq(energy.complete, true);
            vm.assertEq(energy.importWh, 2 * i - 1);
            vm.assertEq(energy.exportWh, 7);
        }
        // The list is whole: what is out of its neighbours' order is refused everywhere.
        for (uint64 i = 1; i < count - 1; ++i) {
            vm.assertEq(_readAt(i) == IMetering.Verdict.Repeated, true);
        }
    }

    function test_a_gap_is_filled_from_its_ends_however_far_back() public {
        _readAt(0);
        for (uint64 i = 200; i < 340; ++i) {
            _expectVerdict(_readAt(i), IMetering.Verdict.Accepted);
        }
        _expectRejected(_reading(meter, T0 + 100 * LENGTH, 100 * 100, 7 * 100), IMetering.Verdict.OutOfReach);
        _expectVerdict(_readAt(1), IMetering.Verdict.Accepted);
        _expectVerdict(_readAt(199), IMetering.Verdict.Accepted);
        // Within reach of the latest a reading finds its place anywhere in a gap.
        _readAt(345);
        _expectVerdict(_readAt(342), IMetering.Verdict.Accepted);
        vm.assertEq(METERING.latest(meter).count, 145);
    }

    function test_the_search_for_a_place_goes_128_registers_back_and_no_further() public {
        _readAt(0);
        for (uint64 i = 10; i < 138; ++i) {
            _readAt(i);
        }
        _expectVerdict(_readAt(7), IMetering.Verdict.Accepted);
        _expectRejected(_reading(meter, T0 + 4 * LENGTH, 4 * 4, 7 * 4), IMetering.Verdict.OutOfReach);
    }

    // Substitutes

    function test_the_operator_substitutes_after_the_deadline() public {
        uint64 time = T0 + 1000 * LENGTH;
        _read(meter, time - LENGTH, 100, 100);
        vm.warp(time + DEADLINE);
        vm.expectEmit(address(METERING));
        emit IMetering.ReadingAccepted(meter, time, 150, 100, true);
        _expectVerdict(_substitute(operator, _reading(meter, time, 150, 100)), IMetering.Verdict.Accepted);
        IMetering.Register memory register = METERING.register(meter, time);
        vm.assertEq(register.importWh, 150);
        vm.assertEq(register.substituted, true);
        vm.assertEq(METERING.latest(meter).time, time - LENGTH);
        vm.assertEq(METERING.energy(meter, time - LENGTH, time).substituted, true);
        vm.assertEq(METERING.energy(meter, time - LENGTH, time).importWh, 50);

        // It is provisional: another replaces it, and the meter's own reading ends that.
        _expectVerdict(_substitute(operator, _reading(meter, time, 140, 100)), IMetering.Verdict.Accepted);
        vm.expectEmit(address(METERING));
        emit IMetering.ReadingAccepted(meter, time, 160, 100, false);
        _expectVerdict(_read(meter, time, 160, 100), IMetering.Verdict.Accepted);
        vm.assertEq(METERING.energy(meter, time - LENGTH, time).substituted, false);
        vm.assertEq(METERING.energy(meter, time - LENGTH, time).importWh, 60);
        vm.assertEq(METERING.latest(meter).count, 2);
        vm.expectEmit(address(METERING));
        emit IMetering.ReadingConflict(meter, time, 160, 100, 150, 100);
        _expectVerdict(_substitute(operator, _reading(meter, time, 150, 100)), IMetering.Verdict.Conflict);
        _expectVerdict(_read(meter, time, 170, 100), IMetering.Verdict.Conflict);
    }

    function test_a_substitute_waits_for_the_deadline() public {
        uint64 time = T0 + 1000 * LENGTH;
        vm.warp(time + DEADLINE - 1);
        IMetering.Reading memory reading = _reading(meter, time, 150, 100);
        vm.expectEmit(address(METERING));
        emit IMetering.ReadingRejected(meter, time, IMetering.Verdict.BeforeDeadline, 150, 100);
        _expectVerdict(_substitute(operator, reading), IMetering.Verdict.BeforeDeadline);
    }

    function test_only_the_zones_operator_substitutes(address anybody) public {
        vm.assume(anybody != operator);
        _expectVerdict(_substitute(anybody, _reading(meter, T0, 1, 1)), IMetering.Verdict.NotZoneOperator);
        _expectVerdict(_substitute(operator, _reading(meter, T0, 1, 1)), IMetering.Verdict.Accepted);
    }

    function test_a_new_operator_answers_for_its_own_intervals() public {
        IRegistry.ZoneSettings memory settings = _settings();
        settings.operator = bob;
        uint64 from = T0 + 1000 * LENGTH + OPEN_LEAD + LENGTH;
        vm.prank(admin);
        REGISTRY.changeZone(ZONE, settings, from);
        vm.warp(from + 10 * LENGTH);
        _expectVerdict(_substitute(bob, _reading(meter, from - LENGTH, 1, 1)), IMetering.Verdict.NotZoneOperator);
        // The boundary at `from` ends an interval of the old operator's and starts one of the new operator's.
        _expectVerdict(_substitute(carol, _reading(meter, from, 1, 1)), IMetering.Verdict.NotZoneOperator);
        _expectVerdict(_substitute(bob, _reading(meter, from, 1, 1)), IMetering.Verdict.Accepted);
        bytes32 other = _meterOf(bob);
        _expectVerdict(_substitute(operator, _reading(other, from, 1, 1)), IMetering.Verdict.Accepted);
        _expectVerdict(_substitute(operator, _reading(meter, from + LENGTH, 1, 1)), IMetering.Verdict.NotZoneOperator);
        _expectVerdict(_substitute(bob, _reading(meter, from + LENGTH, 1, 1)), IMetering.Verdict.Accepted);
    }

    function test_old_and_new_operator_wait_for_their_own_deadlines() public {
        IRegistry.ZoneSettings memory settings = _settings();
        (settings.operator, settings.reportingDeadline) = (bob, 2 * DEADLINE);
        uint64 from = T0 + 1000 * LENGTH + OPEN_LEAD + LENGTH;
        vm.prank(admin);
        REGISTRY.changeZone(ZONE, settings, from);
        vm.warp(from + DEADLINE - 1);
        IMetering.Reading memory reading = _reading(meter, from, 1, 1);
        _expectVerdict(_substitute(operator, reading), IMetering.Verdict.BeforeDeadline);
        vm.warp(from + 2 * DEADLINE - 1);
        _expectVerdict(_substitute(bob, reading), IMetering.Verdict.BeforeDeadline);
        vm.warp(from + 2 * DEADLINE);
        _expectVerdict(_substitute(bob, reading), IMetering.Verdict.Accepted);
        _expectVerdict(_substitute(operator, _reading(_meterOf(bob), from, 1, 1)), IMetering.Verdict.Accepted);
    }

    function test_an_announced_operator_answers_for_nothing_yet() public {
        uint64 zone = 9;
        bytes32 other = "other";
        address dave = _named("dave");
        IRegistry.ZoneSettings memory settings = _settings();
        uint64 first = T0 + 1001 * LENGTH;
        vm.warp(first - 1);
        vm.startPrank(admin);
        REGISTRY.createZone(zone, settings);
        settings.operator = bob;
        REGISTRY.changeZone(zone, settings, first + 100 * LENGTH);
        vm.stopPrank();
        _propose(abi.encodeCall(REGISTRY.registerParticipants, (zone, _list(dave))));
        vm.prank(operator);
        REGISTRY.registerParticipants(zone, _list(dave));
        _addMeter(dave, other, 5000, 3000);
        vm.warp(first + DEADLINE);
        _expectVerdict(_substitute(bob, _reading(other, first, 1, 1)), IMetering.Verdict.NotZoneOperator);
        // Before the zone nobody is its operator, and at its first boundary only the first one.
        _expectVerdict(_substitute(operator, _reading(other, first - LENGTH, 1, 1)), IMetering.Verdict.NotZoneOperator);
        _expectVerdict(_substitute(operator, _reading(other, first, 1, 1)), IMetering.Verdict.Accepted);
    }

    function test_a_substitute_fits_between_its_neighbours() public {
        _read(meter, T0, 100, 100);
        _read(meter, T0 + 2 * LENGTH, 200, 100);
        _expectVerdict(_substitute(operator, _reading(meter, T0 + LENGTH, 201, 100)), IMetering.Verdict.Backwards);
        _expectVerdict(_substitute(operator, _reading(meter, T0 + LENGTH, 150, 100)), IMetering.Verdict.Accepted);
        _expectVerdict(_substitute(operator, _reading(meter, T0 + LENGTH, 150, 100)), IMetering.Verdict.Repeated);
        _expectVerdict(_substitute(operator, _reading(meter, T0, 150, 100)), IMetering.Verdict.Conflict);
        _expectVerdict(_substitute(operator, _reading("unknown", T0, 1, 1)), IMetering.Verdict.UnknownMeter);
        _expectVerdict(_substitute(operator, _reading(meter, T0 + 1, 1, 1)), IMetering.Verdict.UnalignedTime);
    }

    function test_a_reading_that_agrees_with_its_substitute_confirms_it() public {
        _substitute(operator, _reading(meter, T0, 10, 10));
        _expectVerdict(_read(meter, T0, 10, 10), IMetering.Verdict.Accepted);
        _expectRegister(T0, 10, 10);
        _expectVerdict(_substitute(operator, _reading(meter, T0, 10, 10)), IMetering.Verdict.Repeated);
        _expectVerdict(_read(meter, T0, 10, 10), IMetering.Verdict.Repeated);
    }

    /// @dev The operator, who is the counterparty, says all that the rating allows. The truth was less, and goes on from
    ///      there.
    function test_a_high_substitute_locks_no_true_reading_out() public {
        _read(meter, T0, 0, 0);
        _expectVerdict(_substitute(operator, _reading(meter, T0 + LENGTH, 5000, 0)), IMetering.Verdict.Accepted);
        _expectVerdict(_read(meter, T0 + 2 * LENGTH, 200, 0), IMetering.Verdict.Accepted);
        // The substitute fits no longer, and counts for nothing until it is replaced.
        vm.assertEq(METERING.energy(meter, T0, T0 + LENGTH).complete, true);
        vm.assertEq(METERING.energy(meter, T0 + LENGTH, T0 + 2 * LENGTH).complete, false);
        _expectVerdict(_substitute(operator, _reading(meter, T0 + LENGTH, 150, 0)), IMetering.Verdict.Accepted);
        vm.assertEq(METERING.energy(meter, T0 + LENGTH, T0 + 2 * LENGTH).importWh, 50);
        _expectVerdict(_read(meter, T0 + LENGTH, 100, 0), IMetering.Verdict.Accepted);
        vm.assertEq(METERING.energy(meter, T0 + LENGTH, T0 + 2 * LENGTH).importWh, 100);
        vm.assertEq(METERING.energy(meter, T0 + LENGTH, T0 + 2 * LENGTH).substituted, false);
    }

    /// @dev An honest guess of nothing, while the sun shone at the rating.
    function test_a_low_substitute_locks_no_true_reading_out() public {
        _read(meter, T0, 0, 0);
        _substitute(operator, _reading(meter, T0 + LENGTH, 0, 0));
        _expectVerdict(_read(meter, T0 + 2 * LENGTH, 0, 6000), IMetering.Verdict.Accepted);
        vm.assertEq(METERING.energy(meter, T0 + LENGTH, T0 + 2 * LENGTH).complete, false);
        _expectVerdict(_read(meter, T0 + LENGTH, 0, 3000), IMetering.Verdict.Accepted);
        vm.assertEq(METERING.energy(meter, T0 + LENGTH, T0 + 2 * LENGTH).exportWh, 3000);
    }

    function test_substitutes_are_bounded_by_the_rating_in_each_interval() public {
        _read(meter, T0, 0, 0);
        _substitute(operator, _reading(meter, T0 + LENGTH, 0, 0));
        _expectVerdict(
            _substitute(operator, _reading(meter, T0 + 2 * LENGTH, 10_001, 0)), IMetering.Verdict.BeyondRating
        );
        // In two intervals it could be, but not all of it in the second.
        _expectVerdict(_substitute(operator, _reading(meter, T0 + 2 * LENGTH, 5001, 0)), IMetering.Verdict.Accepted);
        vm.assertEq(METERING.energy(meter, T0 + LENGTH, T0 + 2 * LENGTH).complete, false);
        _substitute(operator, _reading(meter, T0 + 2 * LENGTH, 5000, 0));
        vm.assertEq(METERING.energy(meter, T0 + LENGTH, T0 + 2 * LENGTH).importWh, 5000);
    }

    // Views

    function test_views_show_registers_and_energies() public {
        _read(meter, T0, 100, 200);
        _read(meter, T0 + LENGTH, 160, 210);
        _read(_meterOf(bob), T0, 5, 5);
        bytes32[] memory meters = new bytes32[](2);
        (meters[0], meters[1]) = (meter, _meterOf(bob));
        uint64[] memory times = new uint64[](2);
        (times[0], times[1]) = (T0 + LENGTH, T0 + LENGTH);

        IMetering.Register[] memory registers = METERING.registers(meters, times);
        vm.assertEq(registers[0].importWh, 160);
        vm.assertEq(registers[0].known, true);
        vm.assertEq(registers[1].known, false);
        vm.assertEq(METERING.registersAt(meters, T0)[1].importWh, 5);
        vm.assertEq(METERING.latestOf(meters)[0].time, T0 + LENGTH);
        vm.assertEq(METERING.latestOf(meters)[1].time, T0);

        IMetering.Energy[] memory energies = METERING.energies(meters, T0, T0 + LENGTH);
        vm.assertEq(energies[0].importWh, 60);
        vm.assertEq(energies[0].exportWh, 10);
        vm.assertEq(energies[0].complete, true);
        vm.assertEq(energies[1].complete, false);
        vm.assertEq(METERING.energy(meter, T0 + LENGTH, T0).complete, false);

        uint32[][] memory groups = new uint32[][](1);
        groups[0] = REGISTRY.numbersOf(meters);
        vm.assertEq(METERING.netImports(groups, T0, T0 + LENGTH)[0].read, false);
        _read(_meterOf(bob), T0 + LENGTH, 5, 25);
        IMetering.NetImport memory net = METERING.netImports(groups, T0, T0 + LENGTH)[0];
        vm.assertEq(net.read, true);
        vm.assertEq(net.netWh, 60 - 10 - 20);
        vm.assertEq(METERING.netImports(groups, T0 - LENGTH, T0)[0].read, false);

        vm.expectRevert(abi.encodeWithSelector(IMetering.LengthMismatch.selector, 2, 1));
        METERING.registers(meters, new uint64[](1));
    }

    /// @dev A reading of interval `i` of a meter whose consumption grows: registers i² and 7·i.
    function _readAt(uint64 i) private returns (IMetering.Verdict) {
        return _read(meter, T0 + i * LENGTH, i * i, 7 * i);
    }

    function _expectRejected(IMetering.Reading memory reading, IMetering.Verdict verdict) private {
        bytes memory signature = _sign(reading);
        vm.expectEmit(address(METERING));
        emit IMetering.ReadingRejected(reading.meter, reading.time, verdict, reading.importWh, reading.exportWh);
        _expectVerdict(_submitSigned(reading, signature), verdict);
        vm.assertEq(METERING.register(reading.meter, reading.time).known, false);
    }

    function _expectVerdict(IMetering.Verdict got, IMetering.Verdict expected) private pure {
        vm.assertEq(uint256(got), uint256(expected), "verdict");
    }

    function _expectRegister(uint64 time, uint64 importWh, uint64 exportWh) private view {
        IMetering.Register memory register = METERING.register(meter, time);
        vm.assertEq(register.known, true);
        vm.assertEq(register.importWh, importWh);
        vm.assertEq(register.exportWh, exportWh);
        vm.assertEq(register.substituted, false);
    }

    function _submitSigned(IMetering.Reading memory reading, bytes memory signature)
        private
        returns (IMetering.Verdict)
    {
        IMetering.Reading[] memory readings = new IMetering.Reading[](1);
        readings[0] = reading;
        bytes[] memory signatures = new bytes[](1);
        signatures[0] = signature;
        return METERING.submit(readings, signatures)[0];
    }

    function _submitAll(IMetering.Reading[] memory readings) private returns (IMetering.Verdict[] memory) {
        bytes[] memory signatures = new bytes[](readings.length);
        for (uint256 i = 0; i < readings.length; ++i) {
            signatures[i] = _sign(readings[i]);
        }
        return METERING.submit(readings, signatures);
    }
}
