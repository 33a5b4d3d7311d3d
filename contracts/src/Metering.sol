// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Managed} from "./base/Managed.sol";
import {IMetering} from "./interfaces/IMetering.sol";
import {IRegistry} from "./interfaces/IRegistry.sol";
import {Predeploys} from "./libraries/Predeploys.sol";
import {Ring} from "./libraries/Ring.sol";
import {EIP712Upgradeable} from "@openzeppelin/contracts-upgradeable/utils/cryptography/EIP712Upgradeable.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

/// @title Meter registers
/// @dev The registers that a meter signed are a list in order of time, linked both ways, so that a reading that comes
///      late is judged against both of its neighbours. Substitutes stand outside of the list until they are replaced.
///      Registers that are a period old give place to new ones.
contract Metering is IMetering, EIP712Upgradeable, Managed {
    using SafeCast for uint256;

    /// @notice How many registers back from the latest one a reading's place is searched when neither boundary next to
    ///         it is known.
    uint256 public constant MAX_SEARCH = 128;

    bytes32 private constant READING_TYPEHASH =
        keccak256("Reading(bytes32 meter,uint64 time,uint64 importWh,uint64 exportWh)");
    bytes32 private constant READINGS_TYPEHASH = keccak256(
        "Readings(uint64 time,MeterRegisters[] registers)"
        "MeterRegisters(bytes32 meter,uint64 importWh,uint64 exportWh)"
    );
    bytes32 private constant METER_REGISTERS_TYPEHASH =
        keccak256("MeterRegisters(bytes32 meter,uint64 importWh,uint64 exportWh)");

    /// @dev One slot. Times of zero mean none: the boundary at time zero cannot be read. A signed entry that names no next
    ///      is followed by the next boundary, if that is signed, or is the latest.
    struct Entry {
        uint64 importWh;
        uint64 exportWh;
        uint48 previous;
        uint48 next;
        bool known;
        bool substituted;
        uint16 round;
    }

    /// @dev One slot: the latest register that a meter signed. In order of time a reading needs no other.
    struct Head {
        uint48 latest;
        uint64 importWh;
        uint64 exportWh;
        uint48 count;
    }

    IRegistry private constant REGISTRY = IRegistry(Predeploys.REGISTRY);

    /// @dev By the meter's number.
    mapping(uint32 meter => mapping(uint256 place => Entry)) private _entries;
    mapping(uint32 meter => Head) private _heads;

    /// @notice Sets up the proxy.
    function initialize() external initializer {
        __Managed_init();
    }

    /// @inheritdoc IMetering
    function submit(Reading[] calldata readings, bytes[] calldata signatures)
        external
        returns (Verdict[] memory verdicts)
    {
        if (readings.length != signatures.length) revert LengthMismatch(readings.length, signatures.length);
        bytes32 domain = _domainSeparatorV4();
        verdicts = new Verdict[](readings.length);
        for (uint256 i = 0; i < readings.length; ++i) {
            Reading memory reading = readings[i];
            IRegistry.ReadingRules memory rules = REGISTRY.readingRules(reading.meter, reading.time);
            Verdict verdict = _checkTime(reading, rules);
            if (verdict == Verdict.Accepted && _signerOf(_digest(domain, reading), signatures[i]) != rules.signer) {
                verdict = Verdict.WrongSigner;
            }
            verdicts[i] = _take(reading, rules, verdict, false);
        }
    }

    /// @inheritdoc IMetering
    function submitTogether(uint64 time, MeterRegisters[] calldata found, bytes calldata signature)
        external
        returns (Verdict[] memory verdicts)
    {
        bytes32[] memory meters = new bytes32[](found.length);
        for (uint256 i = 0; i < found.length; ++i) {
            meters[i] = found[i].meter;
        }
        address signer = _signerOf(digestTogether(time, found), signature);
        IRegistry.ReadingRules[] memory rules = REGISTRY.readingRulesOf(meters, time);
        verdicts = new Verdict[](found.length);
        for (uint256 i = 0; i < found.length; ++i) {
            Reading memory reading = Reading(meters[i], time, found[i].importWh, found[i].exportWh);
            Verdict verdict = _checkTime(reading, rules[i]);
            if (verdict == Verdict.Accepted && signer != rules[i].signer) verdict = Verdict.WrongSigner;
            verdicts[i] = _take(reading, rules[i], verdict, false);
        }
    }

    /// @inheritdoc IMetering
    function substitute(Reading[] calldata readings) external returns (Verdict[] memory verdicts) {
        verdicts = new Verdict[](readings.length);
        for (uint256 i = 0; i < readings.length; ++i) {
            Reading memory reading = readings[i];
            IRegistry.ReadingRules memory rules = REGISTRY.readingRules(reading.meter, reading.time);
            Verdict verdict = _checkTime(reading, rules);
            if (verdict == Verdict.Accepted) verdict = _checkSubstitution(reading, rules);
            verdicts[i] = _take(reading, rules, verdict, true);
        }
    }

    /// @inheritdoc IMetering
    function register(bytes32 meter, uint64 time) public view returns (Register memory) {
        Entry memory entry = _at(_entries[_numberOf(meter)], time);
        return Register(entry.importWh, entry.exportWh, entry.known, entry.substituted);
    }

    /// @inheritdoc IMetering
    function registersAt(bytes32[] calldata meters, uint64 time) external view returns (Register[] memory found) {
        found = new Register[](meters.length);
        for (uint256 i = 0; i < meters.length; ++i) {
            found[i] = register(meters[i], time);
        }
    }

    /// @inheritdoc IMetering
    function registers(bytes32[] calldata meters, uint64[] calldata times)
        external
        view
        returns (Register[] memory found)
    {
        if (meters.length != times.length) revert LengthMismatch(meters.length, times.length);
        found = new Register[](meters.length);
        for (uint256 i = 0; i < meters.length; ++i) {
            found[i] = register(meters[i], times[i]);
        }
    }

    /// @inheritdoc IMetering
    function latest(bytes32 meter) public view returns (LatestRegister memory) {
        Head storage head = _heads[_numberOf(meter)];
        return LatestRegister(head.latest, head.importWh, head.exportWh, head.count);
    }

    /// @inheritdoc IMetering
    function latestOf(bytes32[] calldata meters) external view returns (LatestRegister[] memory found) {
        found = new LatestRegister[](meters.length);
        for (uint256 i = 0; i < meters.length; ++i) {
            found[i] = latest(meters[i]);
        }
    }

    /// @inheritdoc IMetering
    function energy(bytes32 meter, uint64 start, uint64 end) public view returns (Energy memory) {
        return _energy(_numberOf(meter), start, end);
    }

    /// @inheritdoc IMetering
    function energies(bytes32[] calldata meters, uint64 start, uint64 end)
        external
        view
        returns (Energy[] memory found)
    {
        found = new Energy[](meters.length);
        for (uint256 i = 0; i < meters.length; ++i) {
            found[i] = energy(meters[i], start, end);
        }
    }

    /// @inheritdoc IMetering
    function netImports(uint32[][] calldata groups, uint64 start, uint64 end)
        external
        view
        returns (NetImport[] memory found)
    {
        found = new NetImport[](groups.length);
        for (uint256 i = 0; i < groups.length; ++i) {
            found[i] = _netImport(groups[i], start, end);
        }
    }

    /// @inheritdoc IMetering
    function digest(Reading calldata reading) external view returns (bytes32) {
        return _digest(_domainSeparatorV4(), reading);
    }

    /// @inheritdoc IMetering
    function digestTogether(uint64 time, MeterRegisters[] calldata found) public view returns (bytes32) {
        bytes32[] memory hashes = new bytes32[](found.length);
        for (uint256 i = 0; i < found.length; ++i) {
            MeterRegisters calldata each = found[i];
            hashes[i] = keccak256(abi.encode(METER_REGISTERS_TYPEHASH, each.meter, each.importWh, each.exportWh));
        }
        bytes32 hash = keccak256(abi.encode(READINGS_TYPEHASH, time, keccak256(abi.encodePacked(hashes))));
        return _hashTypedDataV4(hash);
    }

    function _energy(uint32 meter, uint64 start, uint64 end) private view returns (Energy memory) {
        Entry memory first = _at(_entries[meter], start);
        Entry memory last = _at(_entries[meter], end);
        if (start > end || !first.known || !last.known) return Energy(0, 0, false, false);
        bool substituted = first.substituted || last.substituted;
        // What meters signed was judged when it came; substitutes are judged by what there is now.
        if (substituted) {
            bytes32 id = REGISTRY.meterIds(meter - 1, 1)[0];
            if (_compare(first, last, end - start, REGISTRY.readingRules(id, end)) != Verdict.Accepted) {
                return Energy(0, 0, false, false);
            }
        }
        return Energy(last.importWh - first.importWh, last.exportWh - first.exportWh, true, substituted);
    }

    function _netImport(uint32[] calldata meters, uint64 start, uint64 end) private view returns (NetImport memory) {
        NetImport memory net = NetImport(true, false, 0);
        for (uint256 i = 0; i < meters.length; ++i) {
            Energy memory taken = _energy(meters[i], start, end);
            if (!taken.complete) return NetImport(false, false, 0);
            net.netWh += int256(uint256(taken.importWh)) - int256(uint256(taken.exportWh));
            if (taken.substituted) net.substituted = true;
        }
        return net;
    }

    /// @dev The number under which a meter's registers stand; zero, where nothing stands, for an unknown meter.
    function _numberOf(bytes32 meter) private view returns (uint32) {
        return REGISTRY.readingRules(meter, 0).number;
    }

    function _checkTime(Reading memory reading, IRegistry.ReadingRules memory rules) private view returns (Verdict) {
        if (rules.signer == address(0)) return Verdict.UnknownMeter;
        if (reading.time == 0 || reading.time % rules.intervalLength != 0) return Verdict.UnalignedTime;
        if (reading.time > block.timestamp) return Verdict.InFuture;
        return Verdict.Accepted;
    }

    /// @dev The operators of both intervals that meet at a boundary answer for it, each by its own deadline: one of them
    ///      may be gone.
    function _checkSubstitution(Reading memory reading, IRegistry.ReadingRules memory rules)
        private
        view
        returns (Verdict verdict)
    {
        verdict = _checkOperator(rules.zone, reading.time - rules.intervalLength, reading.time);
        if (verdict == Verdict.NotZoneOperator) verdict = _checkOperator(rules.zone, reading.time, reading.time);
    }

    /// @dev Whether the caller, as operator of the interval that starts at `start`, may substitute the boundary `time`.
    function _checkOperator(uint64 zone, uint64 start, uint64 time) private view returns (Verdict) {
        try REGISTRY.settingsAt(zone, start) returns (IRegistry.ZoneSettings memory settings) {
            if (msg.sender != settings.operator) return Verdict.NotZoneOperator;
            return
                block.timestamp < uint256(time) + settings.reportingDeadline ? Verdict.BeforeDeadline : Verdict.Accepted;
        } catch {
            // Before the zone's first interval nobody is its operator.
            return Verdict.NotZoneOperator;
        }
    }

    /// @dev Stores a reading that is accepted so far, if it fits, and says what became of it.
    function _take(Reading memory reading, IRegistry.ReadingRules memory rules, Verdict verdict, bool substituted)
        private
        returns (Verdict)
    {
        if (verdict == Verdict.Accepted) verdict = _place(reading, rules, substituted);
        _report(reading, rules.number, verdict, substituted);
        return verdict;
    }

    /// @dev Judges a reading against what is stored and, if it fits, links it in.
    function _place(Reading memory reading, IRegistry.ReadingRules memory rules, bool substituted)
        private
        returns (Verdict)
    {
        mapping(uint256 place => Entry) storage entries = _entries[rules.number];
        Entry memory stored = entries[Ring.place(reading.time)];
        uint16 round = Ring.round(reading.time);
        if (stored.known && stored.round == round) {
            bool same = stored.importWh == reading.importWh && stored.exportWh == reading.exportWh;
            if (same && (substituted || !stored.substituted)) return Verdict.Repeated;
            if (!stored.substituted) return Verdict.Conflict;
        } else if (stored.round > round) {
            return Verdict.OutOfReach;
        }

        Head memory head = _heads[rules.number];
        Entry memory entry = Entry({
            importWh: reading.importWh,
            exportWh: reading.exportWh,
            previous: head.latest,
            next: 0,
            known: true,
            substituted: substituted,
            round: round
        });
        if (
            reading.time <= head.latest
                && !_findNeighbours(entries, entry, reading.time, rules.intervalLength, head.latest)
        ) {
            return Verdict.OutOfReach;
        }
        Verdict verdict = _fits(entries, entry, reading, rules, head);
        if (verdict != Verdict.Accepted) return verdict;
        entries[Ring.place(reading.time)] = entry;
        if (!substituted) _link(entries, entry, reading.time, rules, head);
        return verdict;
    }

    /// @dev Judges an entry against its neighbours.
    function _fits(
        mapping(uint256 place => Entry) storage entries,
        Entry memory entry,
        Reading memory reading,
        IRegistry.ReadingRules memory rules,
        Head memory head
    ) private view returns (Verdict verdict) {
        if (entry.previous == 0) {
            verdict = _followsInstallation(entry, reading, rules);
        } else {
            Entry memory previous;
            if (entry.previous == head.latest) {
                (previous.known, previous.importWh, previous.exportWh) = (true, head.importWh, head.exportWh);
            } else {
                previous = _at(entries, entry.previous);
            }
            // What gave its place away long ago judges nobody.
            if (previous.known) verdict = _compare(previous, entry, reading.time - entry.previous, rules);
        }
        if (verdict != Verdict.Accepted || entry.next == 0) return verdict;
        return _compare(entry, _at(entries, entry.next), entry.next - reading.time, rules);
    }

    /// @dev Judges an entry without an earlier neighbour.
    function _followsInstallation(Entry memory entry, Reading memory reading, IRegistry.ReadingRules memory rules)
        private
        view
        returns (Verdict)
    {
        Entry memory base;
        uint64 since;
        (since, base.importWh, base.exportWh) = REGISTRY.installation(reading.meter);
        if (reading.time < since) return Verdict.BeforeRegistration;
        // The base stands for the boundary before `since`.
        return _compare(base, entry, uint256(reading.time) - since + rules.intervalLength, rules);
    }

    function _link(
        mapping(uint256 place => Entry) storage entries,
        Entry memory entry,
        uint256 boundary,
        IRegistry.ReadingRules memory rules,
        Head memory head
    ) private {
        uint48 time = boundary.toUint48();
        bool follows = entry.previous + rules.intervalLength == time && entry.next == 0;
        if (!follows && _at(entries, entry.previous).known) entries[Ring.place(entry.previous)].next = time;
        if (entry.next != 0) entries[Ring.place(entry.next)].previous = time;
        else (head.latest, head.importWh, head.exportWh) = (time, entry.importWh, entry.exportWh);
        ++head.count;
        _heads[rules.number] = head;
    }

    /// @dev Whether the later of two registers can follow the earlier one after `elapsed` seconds.
    function _compare(Entry memory earlier, Entry memory later, uint256 elapsed, IRegistry.ReadingRules memory rules)
        private
        pure
        returns (Verdict)
    {
        uint256 intervals = elapsed / rules.intervalLength;
        if (later.importWh < earlier.importWh || later.exportWh < earlier.exportWh) return Verdict.Backwards;
        if (
            later.importWh - earlier.importWh > intervals * rules.maxImportWh
                || later.exportWh - earlier.exportWh > intervals * rules.maxExportWh
        ) return Verdict.BeyondRating;
        return Verdict.Accepted;
    }

    /// @dev Fills in the signed times next to `time`, which is not beyond the latest, zero meaning none. Filling a gap in
    ///      order this reads one or two entries; else it walks back from the latest as far as MAX_SEARCH allows.
    function _findNeighbours(
        mapping(uint256 place => Entry) storage entries,
        Entry memory entry,
        uint256 time,
        uint256 length,
        uint256 latest_
    ) private view returns (bool found) {
        Entry memory other = _at(entries, time - length);
        if (_isSigned(other)) {
            // It names its next, since that is not this boundary.
            (entry.previous, entry.next) = ((time - length).toUint48(), other.next);
            return true;
        }
        other = _at(entries, time + length);
        uint256 next = _isSigned(other) ? time + length : latest_;
        for (uint256 i = 0; i < MAX_SEARCH && next != 0; ++i) {
            other = _at(entries, next);
            if (!_isSigned(other)) return false;
            if (other.previous < time) {
                (entry.previous, entry.next) = (other.previous, next.toUint48());
                return true;
            }
            next = other.previous;
        }
    }

    /// @dev What stands for a boundary: nothing, if its place was used again.
    function _at(mapping(uint256 place => Entry) storage entries, uint256 time)
        private
        view
        returns (Entry memory entry)
    {
        entry = entries[Ring.place(time)];
        if (entry.round != Ring.round(time)) delete entry;
    }

    function _isSigned(Entry memory entry) private pure returns (bool) {
        return entry.known && !entry.substituted;
    }

    function _report(Reading memory reading, uint32 number, Verdict verdict, bool substituted) private {
        (bytes32 meter, uint64 time) = (reading.meter, reading.time);
        if (verdict == Verdict.Accepted) {
            emit ReadingAccepted(meter, time, reading.importWh, reading.exportWh, substituted);
        } else if (verdict == Verdict.Repeated) {
            emit ReadingRepeated(meter, time);
        } else if (verdict == Verdict.Conflict) {
            Entry memory stored = _at(_entries[number], time);
            emit ReadingConflict(meter, time, stored.importWh, stored.exportWh, reading.importWh, reading.exportWh);
        } else {
            emit ReadingRejected(meter, time, verdict, reading.importWh, reading.exportWh);
        }
    }

    /// @dev Whose signature it is; zero, which is no meter's key, for none.
    function _signerOf(bytes32 hash, bytes calldata signature) private pure returns (address signer) {
        (signer,,) = ECDSA.tryRecoverCalldata(hash, signature);
    }

    function _digest(bytes32 domain, Reading memory reading) private pure returns (bytes32) {
        return MessageHashUtils.toTypedDataHash(
            domain,
            keccak256(abi.encode(READING_TYPEHASH, reading.meter, reading.time, reading.importWh, reading.exportWh))
        );
    }

    function _EIP712Name() internal pure override returns (string memory) {
        return "Wattline Metering";
    }

    function _EIP712Version() internal pure override returns (string memory) {
        return "1";
    }
}
