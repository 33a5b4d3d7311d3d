// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// @title Zones, participants and meters
/// @notice Who takes part in the market, where, under which rules and with which meters.
/// @dev What a product was opened under never changes:
///      - a zone's settings are versioned by delivery time, and a new version starts at products that have not opened;
///      - a meter counts for its owner from the first interval on that has not opened, and its registers when it was
///        installed bound its first reading;
///      - a meter changes owner, or leaves, only from products on that have not opened;
///      - a meter's ratings and a zone's interval length never change.
///
///      Participants, meters, their owners and their keys take two: the registrar proposes a call, word for word, and the
///      zone's operator makes it. Neither can move money alone by what it writes here.
interface IRegistry {
    /// @notice The rules of a zone.
    /// @param operator The zone operator's account: balancing counterparty in the vault, supplier of substitutes.
    /// @param intervalLength Length of a delivery interval in seconds; fixed for the life of the zone.
    /// @param gateLead Seconds before delivery at which the order book closes.
    /// @param openLead Seconds before delivery at which the order book opens; more than `gateLead`.
    /// @param minPrice Lowest limit price of an order, in ticks.
    /// @param maxPrice Highest limit price of an order, in ticks.
    /// @param shortagePrice What a participant short of contract pays the operator, in ticks.
    /// @param surplusPrice What a participant long of contract gets from the operator, in ticks.
    /// @param gridFee What the operator gets per Wh bought, in ticks.
    /// @param securityIntervals For how many intervals participants secure what their meters can take, and the operator what
    ///        it may have to pay. Accounts are safe from debts as long as no more intervals than these wait for settlement.
    /// @param reportingDeadline Seconds after a boundary from which the operator may substitute its reading; not zero.
    /// @param maxRating The most that a meter may take or deliver in one interval, in Wh.
    /// @param finalDeadline Seconds after the end of delivery from which anybody may settle it with the readings that are
    ///        there; more than `reportingDeadline`, so that the operator can substitute before.
    /// @param correctionPeriod Seconds after the end of delivery within which readings that come later are settled by
    ///        their difference; at least `finalDeadline`, at most 32 days.
    /// @param maxOrders The most orders of one product, such that clearing them fits into a block: about 2,120 gas each. Not
    ///        zero.
    struct ZoneSettings {
        address operator;
        uint32 intervalLength;
        uint32 gateLead;
        uint32 openLead;
        int32 minPrice;
        int32 maxPrice;
        int32 shortagePrice;
        int32 surplusPrice;
        uint32 gridFee;
        uint16 securityIntervals;
        uint24 reportingDeadline;
        uint40 maxRating;
        uint32 finalDeadline;
        uint32 correctionPeriod;
        uint24 maxOrders;
    }

    /// @notice A meter to register.
    /// @param id The meter's identifier, unique and not zero.
    /// @param owner The participant whose energy it measures.
    /// @param signer The address of the meter's signing key.
    /// @param maxImportWh The most it can take from the grid in one interval, in Wh.
    /// @param maxExportWh The most it can feed into the grid in one interval, in Wh.
    /// @param renewable Whether what it feeds in is of renewable origin.
    /// @param importWh Its import register when it was installed, read off by the registrar, in Wh.
    /// @param exportWh Its export register then, in Wh.
    struct NewMeter {
        bytes32 id;
        address owner;
        address signer;
        uint40 maxImportWh;
        uint40 maxExportWh;
        bool renewable;
        uint64 importWh;
        uint64 exportWh;
    }

    /// @notice A registered meter.
    /// @param owner The latest owner, possibly from a coming interval on; zero if it was retired so long ago that nothing of
    ///        it can be settled or corrected any more.
    /// @param signer The address of the meter's latest signing key.
    /// @param zone The zone it measures in.
    /// @param maxImportWh The most it can take from the grid in one interval, in Wh.
    /// @param maxExportWh The most it can feed into the grid in one interval, in Wh.
    /// @param renewable Whether what it feeds in is of renewable origin.
    /// @param since The first interval start for which it counts for `owner`.
    /// @param until The first interval start for which it no longer counts for `owner`; zero: no end.
    struct Meter {
        address owner;
        address signer;
        uint64 zone;
        uint40 maxImportWh;
        uint40 maxExportWh;
        bool renewable;
        uint64 since;
        uint64 until;
    }

    /// @notice What an account may do in an interval, or in all intervals of a series.
    /// @param active Whether it is an active participant of the zone.
    /// @param capacityImportWh What its meters can take in each interval, in Wh, at most 2^40 − 1.
    /// @param capacityExportWh What its meters can deliver in each interval, in Wh, at most 2^40 − 1.
    /// @param security What it must keep free when it orders, in base units.
    struct Standing {
        bool active;
        uint256 capacityImportWh;
        uint256 capacityExportWh;
        uint256 security;
    }

    /// @notice What Metering asks before it takes a reading; all zero for an unknown meter.
    /// @param signer The address of the key that signs for the boundary.
    /// @param zone The zone the meter measures in.
    /// @param number The meter's number, from one, in order of registration.
    /// @param intervalLength The length of the zone's intervals in seconds.
    /// @param maxImportWh The most it can take from the grid in one interval, in Wh.
    /// @param maxExportWh The most it can feed into the grid in one interval, in Wh.
    struct ReadingRules {
        address signer;
        uint64 zone;
        uint32 number;
        uint32 intervalLength;
        uint40 maxImportWh;
        uint40 maxExportWh;
    }

    /// @notice The registrar proposed a call that only a zone's operator makes.
    event Proposed(bytes32 indexed proposal, bytes call);
    /// @notice A proposed call was made.
    event Confirmed(bytes32 indexed proposal, address indexed operator);
    /// @notice The registrar took a proposal back.
    event ProposalWithdrawn(bytes32 indexed proposal);
    /// @notice A zone was created, or has new settings for intervals that start at or after `validFrom`.
    event ZoneSettingsChanged(uint64 indexed zone, uint64 validFrom, ZoneSettings settings);
    /// @notice Direct trades of intervals that start at or after `validFrom` end `tradeLead` seconds before delivery.
    event TradeLeadChanged(uint64 indexed zone, uint64 validFrom, uint32 tradeLead);
    /// @notice The settings that were announced for intervals from `validFrom` on are withdrawn.
    event ZoneChangeWithdrawn(uint64 indexed zone, uint64 validFrom);
    /// @notice An account became a participant of a zone.
    event ParticipantRegistered(address indexed account, uint64 indexed zone);
    /// @notice A participant may order (`active`) or no longer may.
    event ParticipantActivity(address indexed account, bool active);
    /// @notice A meter was registered, with the registers that were read off when it was installed.
    event MeterRegistered(
        bytes32 indexed meter,
        uint64 indexed zone,
        address signer,
        uint40 maxImportWh,
        uint40 maxExportWh,
        bool renewable,
        uint64 importWh,
        uint64 exportWh
    );
    /// @notice A meter counts for `owner` for intervals that start at or after `since`; zero owner: for nobody.
    event MeterAssigned(bytes32 indexed meter, address indexed owner, uint64 since);
    /// @notice A retired meter no longer counts for its operator's reserve.
    event MeterReleased(bytes32 indexed meter);
    /// @notice A meter signs with another key for boundaries at or after `since`.
    event MeterSignerChanged(bytes32 indexed meter, address signer, uint64 since);
    /// @notice A participant left its zone.
    event ParticipantLeft(address indexed account, uint64 indexed zone);

    /// @notice No such zone.
    error UnknownZone(uint64 zone);
    /// @notice Zone zero means no zone and cannot be created.
    error ZoneZero();
    /// @notice The zone exists.
    error ZoneExists(uint64 zone);
    /// @notice The named setting contradicts the rules of `ZoneSettings`.
    error InvalidSetting(string name);
    /// @notice The interval length of a zone is fixed.
    error IntervalLengthFixed(uint64 zone, uint32 length);
    /// @notice The change would touch products that have opened; the earliest possible time is `earliest`.
    error TooSoon(uint64 validFrom, uint64 earliest);
    /// @notice A series of intervals is judged by one set of rules; the zone has others from `validFrom` on.
    error SettingsChange(uint64 zone, uint64 validFrom);
    /// @notice The time is not a multiple of the zone's interval length.
    error UnalignedTime(uint64 time, uint32 length);
    /// @notice The zone has no settings for intervals that start at `time`: it was created for later ones.
    error BeforeZone(uint64 zone, uint64 time);
    /// @notice The zone's latest settings are its first, or products have opened under them: they stay.
    error NothingToWithdraw(uint64 zone, uint64 validFrom);
    /// @notice The account is not a registered participant.
    error UnknownParticipant(address account);
    /// @notice The account is a participant already.
    error ParticipantExists(address account);
    /// @notice No such meter.
    error UnknownMeter(bytes32 meter);
    /// @notice The meter is registered already.
    error MeterExists(bytes32 meter);
    /// @notice A meter needs an identifier and a signing key.
    error InvalidMeter(bytes32 meter);
    /// @notice The meter's next owner belongs to another zone.
    error WrongZone(bytes32 meter, address owner, uint64 zone);
    /// @notice The registrar has proposed no such call, or it was made already.
    error NotProposed(bytes32 proposal);
    /// @notice Only the zone's operator makes calls that the registrar proposed.
    error NotZoneOperator(address caller, uint64 zone);
    /// @notice The meter's ratings are beyond what the zone allows.
    error BeyondMaxRating(bytes32 meter, uint40 maxRating);
    /// @notice The account has meters whose intervals may still be settled or corrected, or money locked, or debts.
    error NotSettledYet(address account);
    /// @notice An account can hold no more meters, those counted whose intervals may still be settled or corrected.
    error TooManyMeters(address account, uint256 limit);
    /// @notice The meter was retired.
    error MeterRetired(bytes32 meter);
    /// @notice The meter is not retired, or intervals of it may still be settled or corrected, or it was released before.
    error MeterNotReleased(bytes32 meter);
    /// @notice The operator would answer for more than it has in the vault: `free`, where it needs `reserve`.
    error ReserveNeeded(address operator, uint256 free, uint256 reserve);
    /// @notice An address that must not be zero is.
    error ZeroAddress();

    /// @notice Creates a zone whose first product starts at the next interval boundary. Administrator only.
    function createZone(uint64 zone, ZoneSettings calldata settings) external;
    /// @notice Changes a zone's rules for intervals that start at or after `validFrom`, none of which may have opened.
    ///         An operator whose reserve grows by that has it in the vault already. Administrator only.
    function changeZone(uint64 zone, ZoneSettings calldata settings, uint64 validFrom) external;
    /// @notice Changes how long before delivery direct trades end, for intervals that start at or after `validFrom`, none of
    ///         which may have opened; zero, as every zone begins: at delivery. Administrator only.
    function setTradeLead(uint64 zone, uint32 tradeLead, uint64 validFrom) external;
    /// @notice Withdraws a zone's latest settings as long as no product has opened under them. Administrator only.
    function withdrawZoneChange(uint64 zone) external;
    /// @notice Proposes a call of one of the functions that say so, with its arguments. Registrar only.
    function propose(bytes calldata call) external;
    /// @notice Takes a proposal back, named by the hash of the call. Registrar only.
    function withdrawProposal(bytes32 proposal) external;
    /// @notice Makes accounts active participants of a zone. Its operator, as proposed.
    function registerParticipants(uint64 zone, address[] calldata accounts) external;
    /// @notice Lets a participant order, or stops it. What it ordered stands. Registrar only.
    function setParticipantActive(address account, bool active) external;
    /// @notice Leaves the zone, once all that the caller had there is settled, corrected and unlocked.
    function leaveZone() external;
    /// @notice Registers meters of participants of one zone or several. Their operator, as proposed, which has the reserve for
    ///         them in the vault.
    function registerMeters(NewMeter[] calldata meters) external;
    /// @notice Gives a meter to another participant of its zone from an interval on that has not opened; to the zero
    ///         address: retires it. The zone's operator, as proposed.
    function assignMeter(bytes32 meter, address owner, uint64 since) external;
    /// @notice Ends what a retired meter adds to its operator's reserve, once nothing of it can be settled or corrected any
    ///         more. Anybody may call.
    function releaseMeter(bytes32 meter) external;
    /// @notice Changes a meter's signing key from the next boundary on; readings of earlier ones are checked against the
    ///         key of their time. The zone's operator, as proposed.
    function setMeterSigner(bytes32 meter, address signer) external;

    /// @notice The rules of a zone for the interval that starts at `start`.
    function settingsAt(uint64 zone, uint64 start) external view returns (ZoneSettings memory);
    /// @notice A zone's latest settings and the first interval start that they hold for.
    function latestSettings(uint64 zone) external view returns (ZoneSettings memory settings, uint64 validFrom);
    /// @notice All zones, in order of creation.
    function zones() external view returns (uint64[] memory);
    /// @notice A participant's zone (zero: not a participant) and whether it may order.
    function participant(address account) external view returns (uint64 zone, bool active);
    /// @notice How many participants a zone has.
    function participantCount(uint64 zone) external view returns (uint256);
    /// @notice Participants of a zone in order of registration, from index `from`, at most `max`.
    function participants(uint64 zone, uint256 from, uint256 max) external view returns (address[] memory);
    /// @notice A meter's record.
    function meter(bytes32 id) external view returns (Meter memory);
    /// @notice The records of many meters; an unknown one has a zero signer.
    function meterRecords(bytes32[] calldata ids) external view returns (Meter[] memory);
    /// @notice Whom a meter counted for in the interval that starts at `start`, however long ago; zero: nobody.
    function ownerAt(bytes32 id, uint64 start) external view returns (address);
    /// @notice How many meters are registered.
    function meterCount() external view returns (uint256);
    /// @notice Identifiers of meters in order of registration, from index `from`, at most `max`.
    function meterIds(uint256 from, uint256 max) external view returns (bytes32[] memory);
    /// @notice The meters that count for an account in the interval that starts at `start`.
    function metersOf(address account, uint64 start) external view returns (bytes32[] memory);
    /// @notice What the Market asks before it takes orders of accounts for an interval, or a direct trade for a series of
    ///         `intervals` from `start` on; then meters count that count in all of them, and rules that hold for all.
    /// @return settings The rules of the zone for the interval, or for all of them.
    /// @return tradeLead Seconds before delivery at which direct trades end.
    /// @return standings What each of the accounts may do.
    function tradingRules(uint64 zone, uint64 start, uint32 intervals, address[] calldata accounts)
        external
        view
        returns (ZoneSettings memory settings, uint32 tradeLead, Standing[] memory standings);
    /// @notice What Settlement asks before it settles an interval of accounts: which of them are participants of the zone,
    ///         and the numbers of their meters that count in the interval.
    function memberships(uint64 zone, uint64 start, address[] calldata accounts)
        external
        view
        returns (bool[] memory members, uint32[][] memory meters);
    /// @notice What an account must keep free in the vault, in base units: the standing security of a participant for its
    ///         meters, until the correction period after their last interval is over, and the reserve of an operator for
    ///         the meters of its zones, likewise. By the dearest of the settings whose intervals can still be settled or are to come.
    function securityOf(address account) external view returns (uint256);
    /// @notice What Metering asks before it takes a reading of the boundary `time`.
    function readingRules(bytes32 id, uint64 time) external view returns (ReadingRules memory);
    /// @notice What Metering asks before it takes readings of many meters of one boundary.
    function readingRulesOf(bytes32[] calldata ids, uint64 time) external view returns (ReadingRules[] memory);
    /// @notice The numbers of meters; zero for unknown ones.
    function numbersOf(bytes32[] calldata ids) external view returns (uint32[] memory);
    /// @notice What Metering asks before it takes a reading that has no earlier neighbour.
    /// @return since The first interval start for which the meter ever counted; zero for an unknown meter.
    /// @return importWh Its import register when it was installed, in Wh.
    /// @return exportWh Its export register then, in Wh.
    function installation(bytes32 id) external view returns (uint64 since, uint64 importWh, uint64 exportWh);
}
