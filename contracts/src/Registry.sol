// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Managed} from "./base/Managed.sol";
import {IRegistry} from "./interfaces/IRegistry.sol";
import {IVault} from "./interfaces/IVault.sol";
import {Credit} from "./libraries/Credit.sol";
import {Predeploys} from "./libraries/Predeploys.sol";
import {Ring} from "./libraries/Ring.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

/// @title Zones, participants and meters
contract Registry is IRegistry, Managed {
    using SafeCast for uint256;

    /// @notice The most meters that one account can hold; it bounds the work of an order and of a settlement.
    uint256 public constant MAX_METERS_OF_ACCOUNT = 64;

    /// @dev Three slots: a zone's settings for intervals that start at or after `validFrom`.
    struct Version {
        address operator;
        uint32 intervalLength;
        uint32 gateLead;
        uint32 openLead;
        int32 minPrice;
        int32 maxPrice;
        int32 shortagePrice;
        int32 surplusPrice;
        uint32 gridFee;
        uint40 validFrom;
        uint24 maxOrders;
        uint16 securityIntervals;
        uint40 maxRating;
        uint24 reportingDeadline;
        uint32 finalDeadline;
        uint32 correctionPeriod;
        uint32 tradeLead;
    }

    /// @dev One slot. `meters` are the places of `_holdings` in use.
    struct Participant {
        uint64 zone;
        uint64 place;
        bool active;
        uint8 meters;
    }

    /// @dev Three slots, of which a reading needs the first and the zone, and the third if it has no earlier neighbour or
    ///      the meter has had another key.
    struct MeterRecord {
        address signer;
        uint40 maxImportWh;
        uint40 maxExportWh;
        bool renewable;
        bool rekeyed;
        address owner;
        uint64 zone;
        uint32 number;
        uint48 since;
        uint64 importWh;
        uint64 exportWh;
        uint48 keySince;
        bool released;
    }

    /// @dev A key that a meter had, for boundaries at or after `since`.
    struct FormerKey {
        address signer;
        uint48 since;
    }

    /// @dev One slot: whom a meter counted for, in intervals that start before `until` and not for an earlier owner.
    struct FormerOwner {
        address owner;
        uint48 until;
    }

    /// @dev One slot: a meter that counts for an account in intervals that start in [since, until).
    struct Holding {
        uint32 number;
        uint40 maxImportWh;
        uint40 maxExportWh;
        uint64 since;
        uint64 until;
    }

    /// @dev What all meters of a zone can take and deliver in an interval.
    struct Ratings {
        uint128 importWh;
        uint128 exportWh;
    }

    uint64 private constant FOREVER = type(uint64).max;

    IVault private constant VAULT = IVault(Predeploys.VAULT);

    uint64[] private _zones;
    mapping(uint64 zone => Version[]) private _versions;
    mapping(address account => Participant) private _participants;
    mapping(uint64 zone => address[]) private _participantsOf;
    bytes32[] private _meterIds;
    mapping(bytes32 id => MeterRecord) private _meters;
    mapping(address account => mapping(uint256 place => Holding)) private _holdings;
    mapping(uint64 zone => Ratings) private _ratings;
    /// @dev The zones that an account operates, operated or is announced to operate.
    mapping(address operator => uint64[]) private _zonesOf;
    /// @dev Oldest first.
    mapping(bytes32 id => FormerKey[]) private _formerKeys;
    /// @dev Oldest first.
    mapping(bytes32 id => FormerOwner[]) private _formerOwners;
    /// @dev By the hash of the call.
    mapping(bytes32 proposal => bool) private _proposed;

    /// @dev For calls that the registrar proposed, word for word. Who may make them is the function's to say.
    modifier proposed() {
        bytes32 proposal = keccak256(msg.data);
        if (!_proposed[proposal]) revert NotProposed(proposal);
        delete _proposed[proposal];
        emit Confirmed(proposal, msg.sender);
        _;
    }

    /// @notice Sets up the proxy.
    function initialize() external initializer {
        __Managed_init();
    }

    // Zones

    /// @inheritdoc IRegistry
    function createZone(uint64 zone, ZoneSettings calldata settings) external restricted {
        if (zone == 0) revert ZoneZero();
        if (_versions[zone].length != 0) revert ZoneExists(zone);
        _checkSettings(settings);
        _zones.push(zone);
        _zonesOf[settings.operator].push(zone);
        _addVersion(zone, settings, 0, _nextBoundary(block.timestamp, settings.intervalLength));
    }

    /// @inheritdoc IRegistry
    function changeZone(uint64 zone, ZoneSettings calldata settings, uint64 validFrom) external restricted {
        Version storage last = _lastVersion(zone);
        uint32 length = last.intervalLength;
        if (settings.intervalLength != length) revert IntervalLengthFixed(zone, length);
        _checkSettings(settings);
        _checkUnopened(zone, last, settings.openLead, validFrom);
        if (settings.operator != last.operator) _zonesOf[settings.operator].push(zone);
        uint256 before = securityOf(settings.operator);
        _addVersion(zone, settings, last.tradeLead, validFrom);
        _checkReserve(settings.operator, before);
    }

    /// @inheritdoc IRegistry
    function setTradeLead(uint64 zone, uint32 tradeLead, uint64 validFrom) external restricted {
        Version storage last = _lastVersion(zone);
        _checkUnopened(zone, last, 0, validFrom);
        _addVersion(zone, _toSettings(last), tradeLead, validFrom);
    }

    /// @inheritdoc IRegistry
    function withdrawZoneChange(uint64 zone) external restricted {
        uint64 validFrom = _lastVersion(zone).validFrom;
        Version[] storage versions = _versions[zone];
        if (versions.length == 1 || validFrom < _earliestUnopened(zone, validFrom, 0)) {
            revert NothingToWithdraw(zone, validFrom);
        }
        versions.pop();
        emit ZoneChangeWithdrawn(zone, validFrom);
    }

    // Proposals

    /// @inheritdoc IRegistry
    function propose(bytes calldata call) external restricted {
        bytes32 proposal = keccak256(call);
        _proposed[proposal] = true;
        emit Proposed(proposal, call);
    }

    /// @inheritdoc IRegistry
    function withdrawProposal(bytes32 proposal) external restricted {
        if (!_proposed[proposal]) revert NotProposed(proposal);
        delete _proposed[proposal];
        emit ProposalWithdrawn(proposal);
    }

    // Participants

    /// @inheritdoc IRegistry
    function registerParticipants(uint64 zone, address[] calldata accounts) external proposed {
        if (_versions[zone].length == 0) revert UnknownZone(zone);
        _checkOperator(zone);
        for (uint256 i = 0; i < accounts.length; ++i) {
            address account = accounts[i];
            if (account == address(0)) revert ZeroAddress();
            if (_participants[account].zone != 0) revert ParticipantExists(account);
            _participants[account] =
                Participant({zone: zone, place: _participantsOf[zone].length.toUint64(), active: true, meters: 0});
            _participantsOf[zone].push(account);
            emit ParticipantRegistered(account, zone);
        }
    }

    /// @inheritdoc IRegistry
    function setParticipantActive(address account, bool active) external restricted {
        if (_participants[account].zone == 0) revert UnknownParticipant(account);
        _participants[account].active = active;
        emit ParticipantActivity(account, active);
    }

    /// @inheritdoc IRegistry
    function leaveZone() external {
        Participant memory record = _participants[msg.sender];
        if (record.zone == 0) revert UnknownParticipant(msg.sender);
        uint256 period = _currentSettings(record.zone).correctionPeriod;
        mapping(uint256 place => Holding) storage holdings = _holdings[msg.sender];
        for (uint256 i = 0; i < record.meters; ++i) {
            if (!_isOver(holdings[i], period)) revert NotSettledYet(msg.sender);
            delete holdings[i];
        }
        IVault.Balance memory balance = VAULT.balanceOf(msg.sender);
        if (balance.locked != 0 || balance.debt != 0) revert NotSettledYet(msg.sender);

        delete _participants[msg.sender];
        address[] storage others = _participantsOf[record.zone];
        address last = others[others.length - 1];
        others.pop();
        if (last != msg.sender) {
            others[record.place] = last;
            _participants[last].place = record.place;
        }
        emit ParticipantLeft(msg.sender, record.zone);
    }

    // Meters

    /// @inheritdoc IRegistry
    function registerMeters(NewMeter[] calldata meters) external proposed {
        // The caller operates the zones of all of them.
        uint256 before = securityOf(msg.sender);
        for (uint256 i = 0; i < meters.length; ++i) {
            _registerMeter(meters[i]);
        }
        _checkReserve(msg.sender, before);
    }

    /// @inheritdoc IRegistry
    function assignMeter(bytes32 id, address owner, uint64 since) external proposed {
        MeterRecord storage record = _knownMeter(id);
        uint64 zone = record.zone;
        _checkOperator(zone);
        (bool found, uint256 place) = _currentHolding(record);
        if (!found || _holdings[record.owner][place].until != FOREVER) revert MeterRetired(id);
        Holding storage holding = _holdings[record.owner][place];
        uint32 length = _lastVersion(zone).intervalLength;
        if (since % length != 0) revert UnalignedTime(since, length);
        // A shorter past would leave the previous owner's end behind the new owner's beginning.
        uint64 earliest = _earliestUnopened(zone, since, 0);
        if (earliest < holding.since) earliest = holding.since;
        if (since < earliest) revert TooSoon(since, earliest);

        holding.until = since;
        _formerOwners[id].push(FormerOwner({owner: record.owner, until: uint256(since).toUint48()}));
        if (owner != address(0)) {
            uint64 ownerZone = _participants[owner].zone;
            if (ownerZone == 0) revert UnknownParticipant(owner);
            if (ownerZone != zone) revert WrongZone(id, owner, ownerZone);
            record.owner = owner;
            _hold(owner, record, since);
        }
        emit MeterAssigned(id, owner, since);
    }

    /// @inheritdoc IRegistry
    function releaseMeter(bytes32 id) external {
        MeterRecord storage record = _knownMeter(id);
        (bool found, uint256 place) = _currentHolding(record);
        uint256 period = _lastVersion(record.zone).correctionPeriod;
        // A holding that gave its place away was over.
        bool over = !found || _isOver(_holdings[record.owner][place], period);
        if (record.released || !over) revert MeterNotReleased(id);
        record.released = true;
        Ratings storage ratings = _ratings[record.zone];
        ratings.importWh -= record.maxImportWh;
        ratings.exportWh -= record.maxExportWh;
        emit MeterReleased(id);
    }

    /// @inheritdoc IRegistry
    function setMeterSigner(bytes32 id, address signer) external proposed {
        MeterRecord storage record = _knownMeter(id);
        _checkOperator(record.zone);
        if (signer == address(0)) revert InvalidMeter(id);
        uint64 since = _nextBoundary(block.timestamp, _versions[record.zone][0].intervalLength);
        _formerKeys[id].push(FormerKey({signer: record.signer, since: record.keySince}));
        record.signer = signer;
        record.keySince = uint256(since).toUint48();
        record.rekeyed = true;
        emit MeterSignerChanged(id, signer, since);
    }

    // Views

    /// @inheritdoc IRegistry
    function settingsAt(uint64 zone, uint64 start) public view returns (ZoneSettings memory) {
        return _toSettings(_versionAt(zone, start));
    }

    /// @inheritdoc IRegistry
    function latestSettings(uint64 zone) external view returns (ZoneSettings memory settings, uint64 validFrom) {
        Version storage version = _lastVersion(zone);
        return (_toSettings(version), version.validFrom);
    }

    /// @inheritdoc IRegistry
    function zones() external view returns (uint64[] memory) {
        return _zones;
    }

    /// @inheritdoc IRegistry
    function participant(address account) external view returns (uint64 zone, bool active) {
        Participant storage record = _participants[account];
        return (record.zone, record.active);
    }

    /// @inheritdoc IRegistry
    function participantCount(uint64 zone) external view returns (uint256) {
        return _participantsOf[zone].length;
    }

    /// @inheritdoc IRegistry
    function participants(uint64 zone, uint256 from, uint256 max) external view returns (address[] memory page) {
        address[] storage all = _participantsOf[zone];
        page = new address[](_pageSize(all.length, from, max));
        for (uint256 i = 0; i < page.length; ++i) {
            page[i] = all[from + i];
        }
    }

    /// @inheritdoc IRegistry
    function meter(bytes32 id) external view returns (Meter memory) {
        _knownMeter(id);
        return _toMeter(id);
    }

    /// @inheritdoc IRegistry
    function meterRecords(bytes32[] calldata ids) external view returns (Meter[] memory records) {
        records = new Meter[](ids.length);
        for (uint256 i = 0; i < ids.length; ++i) {
            if (_meters[ids[i]].signer != address(0)) records[i] = _toMeter(ids[i]);
        }
    }

    /// @inheritdoc IRegistry
    function ownerAt(bytes32 id, uint64 start) external view returns (address) {
        MeterRecord storage record = _knownMeter(id);
        if (start < record.since) return address(0);
        FormerOwner[] storage former = _formerOwners[id];
        for (uint256 i = 0; i < former.length; ++i) {
            if (start < former[i].until) return former[i].owner;
        }
        (bool found, uint256 place) = _currentHolding(record);
        return found && _holdings[record.owner][place].until == FOREVER ? record.owner : address(0);
    }

    /// @inheritdoc IRegistry
    function meterCount() external view returns (uint256) {
        return _meterIds.length;
    }

    /// @inheritdoc IRegistry
    function meterIds(uint256 from, uint256 max) external view returns (bytes32[] memory page) {
        page = new bytes32[](_pageSize(_meterIds.length, from, max));
        for (uint256 i = 0; i < page.length; ++i) {
            page[i] = _meterIds[from + i];
        }
    }

    /// @inheritdoc IRegistry
    function metersOf(address account, uint64 start) external view returns (bytes32[] memory ids) {
        uint32[] memory numbers = _metersOf(account, start);
        ids = new bytes32[](numbers.length);
        for (uint256 i = 0; i < numbers.length; ++i) {
            ids[i] = _meterIds[numbers[i] - 1];
        }
    }

    /// @inheritdoc IRegistry
    function tradingRules(uint64 zone, uint64 start, uint32 intervals, address[] calldata accounts)
        external
        view
        returns (ZoneSettings memory settings, uint32 tradeLead, Standing[] memory standings)
    {
        Version storage version = _versionAt(zone, start);
        (settings, tradeLead) = (_toSettings(version), version.tradeLead);
        uint256 last = start + (uint256(intervals) - 1) * settings.intervalLength;
        if (intervals > 1) {
            uint64 validFrom = _versionAt(zone, last).validFrom;
            if (validFrom != version.validFrom) revert SettingsChange(zone, validFrom);
        }
        standings = new Standing[](accounts.length);
        for (uint256 i = 0; i < accounts.length; ++i) {
            standings[i] = _standing(zone, start, last, accounts[i], settings);
        }
    }

    /// @inheritdoc IRegistry
    function securityOf(address account) public view returns (uint256 security) {
        uint64 zone = _participants[account].zone;
        if (zone != 0) {
            ZoneSettings[] memory settings = _securedSettings(zone);
            for (uint256 i = 0; i < settings.length; ++i) {
                security = Math.max(security, _securityOfMeters(account, settings[i]));
            }
        }
        uint64[] storage operated = _zonesOf[account];
        for (uint256 i = 0; i < operated.length; ++i) {
            zone = operated[i];
            bool counted = false;
            for (uint256 j = 0; j < i; ++j) {
                counted = counted || operated[j] == zone;
            }
            if (!counted && _answersFor(account, zone)) security += _reserveOf(zone);
        }
    }

    /// @inheritdoc IRegistry
    function memberships(uint64 zone, uint64 start, address[] calldata accounts)
        external
        view
        returns (bool[] memory members, uint32[][] memory meters)
    {
        members = new bool[](accounts.length);
        meters = new uint32[][](accounts.length);
        for (uint256 i = 0; i < accounts.length; ++i) {
            if (zone == 0 || _participants[accounts[i]].zone != zone) continue;
            (members[i], meters[i]) = (true, _metersOf(accounts[i], start));
        }
    }

    /// @inheritdoc IRegistry
    function readingRules(bytes32 id, uint64 time) external view returns (ReadingRules memory) {
        return _readingRules(id, time);
    }

    /// @inheritdoc IRegistry
    function readingRulesOf(bytes32[] calldata ids, uint64 time) external view returns (ReadingRules[] memory rules) {
        rules = new ReadingRules[](ids.length);
        for (uint256 i = 0; i < ids.length; ++i) {
            rules[i] = _readingRules(ids[i], time);
        }
    }

    /// @inheritdoc IRegistry
    function numbersOf(bytes32[] calldata ids) external view returns (uint32[] memory numbers) {
        numbers = new uint32[](ids.length);
        for (uint256 i = 0; i < ids.length; ++i) {
            numbers[i] = _meters[ids[i]].number;
        }
    }

    /// @inheritdoc IRegistry
    function installation(bytes32 id) external view returns (uint64 since, uint64 importWh, uint64 exportWh) {
        MeterRecord storage record = _meters[id];
        return (record.since, record.importWh, record.exportWh);
    }

    // Internals

    function _checkSettings(ZoneSettings calldata settings) private pure {
        if (settings.operator == address(0)) revert InvalidSetting("operator");
        if (settings.intervalLength == 0) revert InvalidSetting("intervalLength");
        if (settings.openLead <= settings.gateLead) revert InvalidSetting("openLead");
        // At the boundary itself the operator would always be ahead of the meter.
        if (settings.reportingDeadline == 0) revert InvalidSetting("reportingDeadline");
        // After the final deadline who consumed more than it bought would gain by silence.
        if (settings.finalDeadline <= settings.reportingDeadline) revert InvalidSetting("finalDeadline");
        // Registers last as long again, so that certificates can be issued by them.
        if (settings.correctionPeriod < settings.finalDeadline || settings.correctionPeriod > Ring.PERIOD / 2) {
            revert InvalidSetting("correctionPeriod");
        }
        if (settings.maxOrders == 0) revert InvalidSetting("maxOrders");
        if (settings.minPrice > settings.maxPrice) revert InvalidSetting("maxPrice");
        // A surplus worth more than a shortage costs would let two accounts earn from the operator without end.
        if (settings.surplusPrice > settings.shortagePrice) revert InvalidSetting("surplusPrice");
    }

    /// @dev New settings count from a boundary on, from which nothing has opened under any that were announced.
    function _checkUnopened(uint64 zone, Version storage last, uint32 openLead, uint64 validFrom) private view {
        uint32 length = last.intervalLength;
        if (validFrom % length != 0) revert UnalignedTime(validFrom, length);
        uint64 earliest = _earliestUnopened(zone, validFrom, openLead);
        // Versions follow each other in time.
        if (earliest <= last.validFrom) earliest = uint64(last.validFrom) + length;
        if (validFrom < earliest) revert TooSoon(validFrom, earliest);
    }

    function _addVersion(uint64 zone, ZoneSettings memory settings, uint32 tradeLead, uint64 validFrom) private {
        _versions[zone].push(
            Version({
                operator: settings.operator,
                intervalLength: settings.intervalLength,
                gateLead: settings.gateLead,
                openLead: settings.openLead,
                minPrice: settings.minPrice,
                maxPrice: settings.maxPrice,
                shortagePrice: settings.shortagePrice,
                surplusPrice: settings.surplusPrice,
                gridFee: settings.gridFee,
                securityIntervals: settings.securityIntervals,
                reportingDeadline: settings.reportingDeadline,
                maxRating: settings.maxRating,
                finalDeadline: settings.finalDeadline,
                correctionPeriod: settings.correctionPeriod,
                maxOrders: settings.maxOrders,
                validFrom: uint256(validFrom).toUint40(),
                tradeLead: tradeLead
            })
        );
        emit ZoneSettingsChanged(zone, validFrom, settings);
        emit TradeLeadChanged(zone, validFrom, tradeLead);
    }

    function _registerMeter(NewMeter calldata input) private {
        if (input.id == bytes32(0) || input.signer == address(0)) revert InvalidMeter(input.id);
        MeterRecord storage record = _meters[input.id];
        if (record.signer != address(0)) revert MeterExists(input.id);
        uint64 zone = _participants[input.owner].zone;
        if (zone == 0) revert UnknownParticipant(input.owner);
        _checkOperator(zone);
        uint40 maxRating = _lastVersion(zone).maxRating;
        if (Math.max(input.maxImportWh, input.maxExportWh) > maxRating) revert BeyondMaxRating(input.id, maxRating);

        record.signer = input.signer;
        record.maxImportWh = input.maxImportWh;
        record.maxExportWh = input.maxExportWh;
        record.renewable = input.renewable;
        record.owner = input.owner;
        record.zone = zone;
        // Zero is no meter's number.
        _meterIds.push(input.id);
        record.number = _meterIds.length.toUint32();
        uint64 since = _earliestUnopened(zone, block.timestamp.toUint64(), 0);
        record.since = uint256(since).toUint48();
        record.importWh = input.importWh;
        record.exportWh = input.exportWh;
        emit MeterRegistered(
            input.id,
            zone,
            input.signer,
            input.maxImportWh,
            input.maxExportWh,
            input.renewable,
            input.importWh,
            input.exportWh
        );
        Ratings storage ratings = _ratings[zone];
        ratings.importWh += input.maxImportWh;
        ratings.exportWh += input.maxExportWh;
        _hold(input.owner, record, since);
        emit MeterAssigned(input.id, input.owner, since);
    }

    function _hold(address owner, MeterRecord storage record, uint64 since) private {
        Holding memory holding = Holding({
            number: record.number,
            maxImportWh: record.maxImportWh,
            maxExportWh: record.maxExportWh,
            since: since,
            until: FOREVER
        });
        mapping(uint256 place => Holding) storage holdings = _holdings[owner];
        uint256 period = _lastVersion(record.zone).correctionPeriod;
        uint256 count = _participants[owner].meters;
        uint256 place = 0;
        while (place < count && !_isOver(holdings[place], period)) ++place;
        if (place == MAX_METERS_OF_ACCOUNT) revert TooManyMeters(owner, MAX_METERS_OF_ACCOUNT);
        holdings[place] = holding;
        if (place == count) ++_participants[owner].meters;
    }

    /// @dev The latest owner's latest holding of the meter, the only one that can still be without end; none if it ended so
    ///      long ago that another took its place.
    function _currentHolding(MeterRecord storage record) private view returns (bool found, uint256 place) {
        mapping(uint256 place => Holding) storage holdings = _holdings[record.owner];
        uint256 count = _participants[record.owner].meters;
        uint64 until = 0;
        for (uint256 i = 0; i < count; ++i) {
            if (holdings[i].number != record.number || holdings[i].until < until) continue;
            (found, place, until) = (true, i, holdings[i].until);
        }
    }

    /// @dev Whether the holding ended so long ago that nothing of it can be settled or corrected any more.
    function _isOver(Holding storage holding, uint256 correctionPeriod) private view returns (bool) {
        uint64 until = holding.until;
        // No sum that starts from FOREVER.
        return until <= block.timestamp && block.timestamp - until >= correctionPeriod;
    }

    function _formerSigner(bytes32 id, uint64 time) private view returns (address) {
        FormerKey[] storage keys = _formerKeys[id];
        uint256 i = keys.length - 1;
        // The first is of all times.
        while (i != 0 && keys[i].since > time) {
            --i;
        }
        return keys[i].signer;
    }

    function _checkOperator(uint64 zone) private view {
        if (msg.sender != _currentSettings(zone).operator) revert NotZoneOperator(msg.sender, zone);
    }

    /// @dev The security for meters that count or will, or did until less than a correction period ago.
    function _securityOfMeters(address account, ZoneSettings memory settings) private view returns (uint256) {
        if (settings.securityIntervals == 0) return 0;
        (uint256 importWh, uint256 exportWh) = (0, 0);
        uint256 count = _participants[account].meters;
        for (uint256 i = 0; i < count; ++i) {
            Holding storage holding = _holdings[account][i];
            if (_isOver(holding, settings.correctionPeriod)) continue;
            importWh += holding.maxImportWh;
            exportWh += holding.maxExportWh;
        }
        return settings.securityIntervals * Credit.ofMeters(importWh, exportWh, settings);
    }

    /// @dev What an account may do in the intervals that start from `start` to `last`.
    function _standing(uint64 zone, uint64 start, uint256 last, address account, ZoneSettings memory settings)
        private
        view
        returns (Standing memory standing)
    {
        Participant storage record = _participants[account];
        if (!record.active || record.zone != zone) return standing;
        standing.active = true;
        uint256 count = record.meters;
        for (uint256 i = 0; i < count; ++i) {
            Holding memory holding = _holdings[account][i];
            if (holding.since > start || last >= holding.until) continue;
            standing.capacityImportWh += holding.maxImportWh;
            standing.capacityExportWh += holding.maxExportWh;
        }
        standing.security = _securityOfMeters(account, settings);
        standing.capacityImportWh = Math.min(standing.capacityImportWh, type(uint40).max);
        standing.capacityExportWh = Math.min(standing.capacityExportWh, type(uint40).max);
    }

    /// @dev The numbers of the meters that count for an account.
    function _metersOf(address account, uint64 start) private view returns (uint32[] memory numbers) {
        mapping(uint256 place => Holding) storage holdings = _holdings[account];
        uint256 count = _participants[account].meters;
        numbers = new uint32[](count);
        uint256 found = 0;
        for (uint256 i = 0; i < count; ++i) {
            Holding memory holding = holdings[i];
            if (holding.since <= start && start < holding.until) numbers[found++] = holding.number;
        }
        // Shorter than it was made.
        assembly ("memory-safe") {
            mstore(numbers, found)
        }
    }

    function _readingRules(bytes32 id, uint64 time) private view returns (ReadingRules memory rules) {
        MeterRecord storage record = _meters[id];
        rules.signer = record.signer;
        if (rules.signer == address(0)) return rules;
        if (record.rekeyed && time < record.keySince) rules.signer = _formerSigner(id, time);
        (rules.zone, rules.number) = (record.zone, record.number);
        rules.intervalLength = _versions[rules.zone][0].intervalLength;
        (rules.maxImportWh, rules.maxExportWh) = (record.maxImportWh, record.maxExportWh);
    }

    function _reserveOf(uint64 zone) private view returns (uint256 reserve) {
        ZoneSettings[] memory settings = _securedSettings(zone);
        Ratings storage ratings = _ratings[zone];
        for (uint256 i = 0; i < settings.length; ++i) {
            uint256 each = Credit.ofZone(ratings.importWh, ratings.exportWh, settings[i]);
            reserve = Math.max(reserve, settings[i].securityIntervals * each);
        }
    }

    /// @dev What makes an operator answer for more finds it with a reserve for that.
    function _checkReserve(address operator, uint256 before) private view {
        uint256 reserve = securityOf(operator);
        if (reserve <= before) return;
        uint256 free = VAULT.balanceOf(operator).free;
        if (free < reserve) revert ReserveNeeded(operator, free, reserve);
    }

    /// @dev The settings of the interval that runs, those before it whose intervals can still be settled or corrected, and
    ///      those that are announced.
    function _securedSettings(uint64 zone) private view returns (ZoneSettings[] memory settings) {
        Version[] storage versions = _versions[zone];
        uint256 end = versions.length;
        uint256 first = end - 1;
        while (
            first != 0 && uint256(versions[first].validFrom) + versions[first - 1].correctionPeriod > block.timestamp
        ) {
            --first;
        }
        settings = new ZoneSettings[](end - first);
        for (uint256 i = first; i < end; ++i) {
            settings[i - first] = _toSettings(versions[i]);
        }
    }

    /// @dev Whether the account operates the zone, will, or did until less than a correction period ago.
    function _answersFor(address account, uint64 zone) private view returns (bool) {
        Version[] storage versions = _versions[zone];
        uint256 i = versions.length;
        uint256 period = versions[i - 1].correctionPeriod;
        while (i != 0) {
            Version storage version = versions[--i];
            if (version.operator == account) return true;
            if (version.validFrom + period <= block.timestamp) return false;
        }
        return false;
    }

    /// @dev The settings of the interval that runs, or of the zone's first.
    function _currentSettings(uint64 zone) private view returns (ZoneSettings memory) {
        uint64 first = _versions[zone][0].validFrom;
        return settingsAt(zone, block.timestamp < first ? first : block.timestamp.toUint64());
    }

    function _knownMeter(bytes32 id) private view returns (MeterRecord storage record) {
        record = _meters[id];
        if (record.signer == address(0)) revert UnknownMeter(id);
    }

    function _versionAt(uint64 zone, uint256 start) private view returns (Version storage version) {
        Version[] storage versions = _versions[zone];
        uint256 i = versions.length;
        if (i == 0) revert UnknownZone(zone);
        // Almost always the latest version or the one before it.
        while (i != 0) {
            version = versions[--i];
            if (version.validFrom <= start) return version;
        }
        revert BeforeZone(zone, start.toUint64());
    }

    function _lastVersion(uint64 zone) private view returns (Version storage) {
        Version[] storage versions = _versions[zone];
        if (versions.length == 0) revert UnknownZone(zone);
        return versions[versions.length - 1];
    }

    /// @dev The first interval start of which it is certain that neither it nor a later one has opened, under `openLead`
    ///      or any settings in force at or after `from`.
    function _earliestUnopened(uint64 zone, uint64 from, uint256 openLead) private view returns (uint64) {
        Version[] storage versions = _versions[zone];
        uint256 i = versions.length;
        while (i != 0) {
            Version storage version = versions[--i];
            openLead = Math.max(openLead, version.openLead);
            if (version.validFrom <= from) break;
        }
        return _nextBoundary(block.timestamp + openLead + 1, versions[0].intervalLength);
    }

    function _nextBoundary(uint256 time, uint32 length) private pure returns (uint64) {
        return (Math.ceilDiv(time, length) * length).toUint64();
    }

    function _pageSize(uint256 length, uint256 from, uint256 max) private pure returns (uint256) {
        return from >= length ? 0 : Math.min(length - from, max);
    }

    function _toMeter(bytes32 id) private view returns (Meter memory) {
        MeterRecord storage record = _meters[id];
        (bool found, uint256 place) = _currentHolding(record);
        Holding memory holding;
        if (found) holding = _holdings[record.owner][place];
        uint64 until = holding.until;
        return Meter({
            owner: found ? record.owner : address(0),
            signer: record.signer,
            zone: record.zone,
            maxImportWh: record.maxImportWh,
            maxExportWh: record.maxExportWh,
            renewable: record.renewable,
            since: holding.since,
            until: until == FOREVER ? 0 : until
        });
    }

    function _toSettings(Version storage version) private view returns (ZoneSettings memory) {
        return ZoneSettings({
            operator: version.operator,
            intervalLength: version.intervalLength,
            gateLead: version.gateLead,
            openLead: version.openLead,
            minPrice: version.minPrice,
            maxPrice: version.maxPrice,
            shortagePrice: version.shortagePrice,
            surplusPrice: version.surplusPrice,
            gridFee: version.gridFee,
            securityIntervals: version.securityIntervals,
            reportingDeadline: version.reportingDeadline,
            maxRating: version.maxRating,
            finalDeadline: version.finalDeadline,
            correctionPeriod: version.correctionPeriod,
            maxOrders: version.maxOrders
        });
    }
}
