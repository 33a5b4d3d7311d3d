// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IMetering} from "../src/interfaces/IMetering.sol";
import {System} from "./base/System.sol";

/// @notice What holds for Metering whatever it is told, against a model that looks at all registers for each reading.
///         The meter can take 5,000 Wh and deliver 3,000 Wh in an interval.
contract MeteringPropertiesTest is System {
    uint64 private constant BOUNDARIES = 12;

    /// @dev What the fuzzer makes a reading of.
    struct Seed {
        uint8 boundary;
        uint8 offset;
        uint16 importWh;
        uint16 exportWh;
    }

    bytes32 private meter = _meterOf(alice);
    /// @dev The model: what is stored for the boundary T0 + i × LENGTH.
    IMetering.Register[BOUNDARIES] private stored;
    uint64 private now_;

    function setUp() public override {
        super.setUp();
        _enrol(_list(alice));
        // The last boundary comes at this moment, and so does the reporting deadline of the one two intervals before.
        now_ = T0 + (BOUNDARIES - 1) * LENGTH;
        vm.warp(now_);
    }

    function test_substitute_judges_any_batch_as_the_rules_have_it(Seed[6] memory seeds, bool byOperator) public {
        _readSome();
        IMetering.Reading[] memory readings = _readings(seeds);
        IMetering.Verdict[] memory expected = new IMetering.Verdict[](readings.length);
        for (uint256 i = 0; i < readings.length; ++i) {
            expected[i] = _timely(readings[i]);
            if (expected[i] == IMetering.Verdict.Accepted) expected[i] = _substitutable(readings[i], byOperator);
            if (expected[i] == IMetering.Verdict.Accepted) expected[i] = _judge(readings[i], true);
            _expectEvent(readings[i], expected[i], true);
        }
        vm.prank(byOperator ? operator : bob);
        IMetering.Verdict[] memory verdicts = METERING.substitute(readings);
        _expectVerdicts(verdicts, expected);
        _expectRegisters();
    }

    function test_submit_judges_any_batch_as_the_rules_have_it(Seed[6] memory seeds, uint8 forged) public {
        IMetering.Reading[] memory readings = _readings(seeds);
        IMetering.Verdict[] memory expected = new IMetering.Verdict[](readings.length);
        bytes[] memory signatures = new bytes[](readings.length);
        uint256 wrong = forged % 8;
        for (uint256 i = 0; i < readings.length; ++i) {
            // A signature over another value, unless none is wrong.
            (uint64 importWh, uint64 exportWh) = (readings[i].importWh, readings[i].exportWh);
            signatures[i] = _sign(_reading(meter, readings[i].time, importWh, i == wrong ? exportWh + 1 : exportWh));
        }
        for (uint256 i = 0; i < readings.length; ++i) {
            expected[i] = _timely(readings[i]);
            if (expected[i] == IMetering.Verdict.Accepted) {
                expected[i] = i == wrong ? IMetering.Verdict.WrongSigner : _judge(readings[i], false);
            }
            _expectEvent(readings[i], expected[i], false);
        }
        IMetering.Verdict[] memory verdicts = METERING.submit(readings, signatures);
        _expectVerdicts(verdicts, expected);
        _expectRegisters();
    }

    function test_energies_add_up(
        uint16[BOUNDARIES] memory imports,
        uint16[BOUNDARIES] memory exports,
        uint8[3] memory ends
    ) public {
        uint64 importWh = 0;
        uint64 exportWh = 0;
        for (uint64 i = 0; i < BOUNDARIES; ++i) {
            (importWh, exportWh) = (importWh + imports[i] % 5001, exportWh + exports[i] % 3001);
            stored[i] = IMetering.Register(importWh, exportWh, true, false);
            _read(meter, _time(i), importWh, exportWh);
        }
        uint64 a = ends[0] % BOUNDARIES;
        uint64 b = uint64(bound(uint256(ends[1]), a, BOUNDARIES - 1));
        uint64 c = uint64(bound(uint256(ends[2]), b, BOUNDARIES - 1));
        IMetering.Energy memory whole = METERING.energy(meter, _time(a), _time(c));
        vm.assertEq(whole.importWh, stored[c].importWh - stored[a].importWh);
        vm.assertEq(whole.exportWh, stored[c].exportWh - stored[a].exportWh);
        vm.assertEq(whole.complete, true);

        bytes32[] memory meters = new bytes32[](1);
        meters[0] = meter;
        IMetering.Energy memory first = METERING.energies(meters, _time(a), _time(b))[0];
        IMetering.Energy memory second = METERING.energies(meters, _time(b), _time(c))[0];
        vm.assertEq(first.importWh + second.importWh, whole.importWh);
        vm.assertEq(first.exportWh + second.exportWh, whole.exportWh);
        int256 net = int256(uint256(whole.importWh)) - int256(uint256(whole.exportWh));
        _expectNetImport(meters, _time(a), _time(c), net);
        // Backwards nothing is complete.
        vm.assertEq(METERING.energy(meter, _time(c), _time(a)).complete, a == c);
    }

    // The model

    function _timely(IMetering.Reading memory reading) private view returns (IMetering.Verdict) {
        if (reading.time % LENGTH != 0) return IMetering.Verdict.UnalignedTime;
        return reading.time > now_ ? IMetering.Verdict.InFuture : IMetering.Verdict.Accepted;
    }

    /// @dev The zone begins at T0, and one operator answers for all of it.
    function _substitutable(IMetering.Reading memory reading, bool byOperator)
        private
        view
        returns (IMetering.Verdict)
    {
        if (!byOperator || reading.time < T0) return IMetering.Verdict.NotZoneOperator;
        return now_ < reading.time + DEADLINE ? IMetering.Verdict.BeforeDeadline : IMetering.Verdict.Accepted;
    }

    /// @dev Judges a reading against the signed registers before and after it, wherever they are, and stores it if it fits.
    function _judge(IMetering.Reading memory reading, bool substituted) private returns (IMetering.Verdict verdict) {
        if (reading.time < T0) return IMetering.Verdict.BeforeRegistration;
        uint256 place = (reading.time - T0) / LENGTH;
        IMetering.Register memory next = IMetering.Register(reading.importWh, reading.exportWh, true, substituted);
        if (stored[place].known) {
            bool same = stored[place].importWh == next.importWh && stored[place].exportWh == next.exportWh;
            if (same && (substituted || !stored[place].substituted)) return IMetering.Verdict.Repeated;
            if (!stored[place].substituted) return IMetering.Verdict.Conflict;
        }
        // The meter showed nothing when it was installed; that stands for the boundary before T0.
        IMetering.Register memory before;
        uint256 elapsed = place + 1;
        for (uint256 i = 0; i < place; ++i) {
            if (_isSigned(i)) (before, elapsed) = (stored[i], place - i);
        }
        verdict = _follows(before, next, elapsed);
        for (uint256 i = place + 1; verdict == IMetering.Verdict.Accepted && i < BOUNDARIES; ++i) {
            if (!_isSigned(i)) continue;
            verdict = _follows(next, stored[i], i - place);
            break;
        }
        if (verdict == IMetering.Verdict.Accepted) stored[place] = next;
    }

    function _isSigned(uint256 place) private view returns (bool) {
        return stored[place].known && !stored[place].substituted;
    }

    function _follows(IMetering.Register memory earlier, IMetering.Register memory later, uint256 intervals)
        private
        pure
        returns (IMetering.Verdict)
    {
        if (later.importWh < earlier.importWh || later.exportWh < earlier.exportWh) {
            return IMetering.Verdict.Backwards;
        }
        bool possible = later.importWh <= earlier.importWh + 5000 * intervals
            && later.exportWh <= earlier.exportWh + 3000 * intervals;
        return possible ? IMetering.Verdict.Accepted : IMetering.Verdict.BeyondRating;
    }

    // Readings

    /// @dev The meter's own readings between which substitutes must fit.
    function _readSome() private {
        uint64[3] memory known = [uint64(2), 5, 6];
        for (uint256 i = 0; i < known.length; ++i) {
            (uint64 importWh, uint64 exportWh) = (known[i] * 2500, known[i] * 1500);
            stored[known[i]] = IMetering.Register(importWh, exportWh, true, false);
            _read(meter, _time(known[i]), importWh, exportWh);
        }
    }

    /// @dev Readings around a line of 2,500 Wh taken and 1,500 Wh delivered in each interval, one in eight off the
    ///      boundary, some before the meter's time and some in the future.
    function _readings(Seed[6] memory seeds) private view returns (IMetering.Reading[] memory readings) {
        readings = new IMetering.Reading[](seeds.length);
        for (uint256 i = 0; i < seeds.length; ++i) {
            Seed memory seed = seeds[i];
            uint64 place = seed.boundary % (BOUNDARIES + 3);
            uint64 time = T0 + place * LENGTH - LENGTH;
            if (seed.offset % 8 == 0) time += 1 + seed.offset;
            // Values from a few, so that some repeat what is stored.
            uint64 importWh = place * 2500 + uint64(seed.importWh % 7) * 1250;
            uint64 exportWh = place * 1500 + uint64(seed.exportWh % 7) * 750;
            readings[i] =
                _reading(meter, time, importWh < 6250 ? 0 : importWh - 6250, exportWh < 3750 ? 0 : exportWh - 3750);
        }
    }

    function _time(uint64 boundary) private pure returns (uint64) {
        return T0 + boundary * LENGTH;
    }

    // Expectations

    function _expectEvent(IMetering.Reading memory reading, IMetering.Verdict verdict, bool substituted) private {
        (uint64 importWh, uint64 exportWh) = (reading.importWh, reading.exportWh);
        vm.expectEmit(address(METERING));
        if (verdict == IMetering.Verdict.Accepted) {
            emit IMetering.ReadingAccepted(meter, reading.time, importWh, exportWh, substituted);
        } else if (verdict == IMetering.Verdict.Repeated) {
            emit IMetering.ReadingRepeated(meter, reading.time);
        } else if (verdict == IMetering.Verdict.Conflict) {
            IMetering.Register memory there = stored[(reading.time - T0) / LENGTH];
            emit IMetering.ReadingConflict(meter, reading.time, there.importWh, there.exportWh, importWh, exportWh);
        } else {
            emit IMetering.ReadingRejected(meter, reading.time, verdict, importWh, exportWh);
        }
    }

    function _expectVerdicts(IMetering.Verdict[] memory got, IMetering.Verdict[] memory expected) private pure {
        vm.assertEq(got.length, expected.length);
        for (uint256 i = 0; i < got.length; ++i) {
            vm.assertEq(uint256(got[i]), uint256(expected[i]), "verdict");
        }
    }

    /// @dev Everything stored is as in the model, and nothing else is.
    function _expectRegisters() private view {
        uint256 count = 0;
        uint64 last = 0;
        for (uint64 i = 0; i < BOUNDARIES; ++i) {
            vm.assertEq(abi.encode(METERING.register(meter, _time(i))), abi.encode(stored[i]));
            if (_isSigned(i)) (count, last) = (count + 1, _time(i));
        }
        bytes32[] memory meters = new bytes32[](1);
        meters[0] = meter;
        uint64[] memory times = new uint64[](1);
        times[0] = last;
        vm.assertEq(abi.encode(METERING.registers(meters, times)), abi.encode(METERING.registersAt(meters, last)));
        IMetering.Register memory newest = METERING.registersAt(meters, last)[0];
        IMetering.LatestRegister memory head =
            IMetering.LatestRegister(last, newest.importWh, newest.exportWh, uint64(count));
        vm.assertEq(abi.encode(METERING.latestOf(meters)[0]), abi.encode(head));
        vm.assertEq(METERING.latest(meter).count, count);
        vm.assertEq(METERING.latest(meter).time, last);
        vm.assertEq(METERING.register(meter, T0 - LENGTH).known, false);
    }

    /// @dev Next to a group without meters, which takes nothing.
    function _expectNetImport(bytes32[] memory meters, uint64 start, uint64 end, int256 net) private view {
        uint32[][] memory groups = new uint32[][](2);
        groups[1] = REGISTRY.numbersOf(meters);
        IMetering.NetImport[] memory nets = METERING.netImports(groups, start, end);
        vm.assertEq(abi.encode(nets[0]), abi.encode(IMetering.NetImport(true, false, 0)));
        vm.assertEq(abi.encode(nets[1]), abi.encode(IMetering.NetImport(true, false, net)));
    }
}
