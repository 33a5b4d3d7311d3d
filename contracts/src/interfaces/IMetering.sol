// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// @title Meter registers
/// @notice Keeps what meters say: at each interval boundary the pair of their two registers that only grow, energy
///         taken from the grid (OBIS 1.8.0) and fed into it (OBIS 2.8.0), in Wh. A reading is signed by the meter's
///         key as EIP-712 typed data in the domain {name: "Wattline Metering", version: "1", chainId,
///         verifyingContract} with the type
///         `Reading(bytes32 meter,uint64 time,uint64 importWh,uint64 exportWh)`. Anybody may carry it here.
interface IMetering {
    /// @notice A meter's registers at a boundary.
    /// @param meter The meter.
    /// @param time The boundary, Unix seconds, a multiple of the zone's interval length.
    /// @param importWh Energy taken from the grid since the meter was installed, in Wh.
    /// @param exportWh Energy fed into the grid since the meter was installed, in Wh.
    struct Reading {
        bytes32 meter;
        uint64 time;
        uint64 importWh;
        uint64 exportWh;
    }

    /// @notice What one of many meters showed at a boundary.
    /// @param meter The meter's identifier.
    /// @param importWh Energy taken from the grid, in Wh.
    /// @param exportWh Energy fed into the grid, in Wh.
    struct MeterRegisters {
        bytes32 meter;
        uint64 importWh;
        uint64 exportWh;
    }

    /// @notice What became of a reading.
    /// @param Accepted It was stored.
    /// @param Repeated The same values were stored before; nothing changed.
    /// @param UnknownMeter The meter is not registered.
    /// @param WrongSigner The signature is not one of the meter's key over this reading.
    /// @param UnalignedTime The time is not a multiple of the zone's interval length.
    /// @param InFuture The time has not come.
    /// @param Backwards A register is below that of an earlier reading, or above that of a later one. The earlier
    ///        neighbour of the first reading is what the registrar read off when the meter was installed; it stands for
    ///        the boundary before the first interval for which the meter counts.
    /// @param BeyondRating More energy since the reading before, or until the one after, than the meter's rating allows.
    /// @param Conflict Other values, signed by the meter, are stored for this boundary; they stay.
    /// @param OutOfReach It lies in a gap too far behind the latest reading, away from both its ends; fill the gap in
    ///        order of time. Or its place was used again: registers last for 64 days.
    /// @param NotZoneOperator Only the operator of the meter's zone may substitute, by the settings of the interval that
    ///        ends at the boundary or of the one that starts there.
    /// @param BeforeDeadline The reporting deadline has not passed; the meter's own reading may still come.
    /// @param BeforeRegistration The boundary lies before the first interval for which the meter counts.
    enum Verdict {
        Accepted,
        Repeated,
        UnknownMeter,
        WrongSigner,
        UnalignedTime,
        InFuture,
        Backwards,
        BeyondRating,
        Conflict,
        OutOfReach,
        NotZoneOperator,
        BeforeDeadline,
        BeforeRegistration
    }

    /// @notice What is stored for a boundary.
    /// @param importWh Energy taken from the grid, in Wh.
    /// @param exportWh Energy fed into the grid, in Wh.
    /// @param known Whether anything is stored.
    /// @param substituted Whether it is the operator's substitute rather than the meter's reading.
    struct Register {
        uint64 importWh;
        uint64 exportWh;
        bool known;
        bool substituted;
    }

    /// @notice The latest register that a meter signed.
    /// @param time The boundary; zero when there is none.
    /// @param importWh Energy taken from the grid, in Wh.
    /// @param exportWh Energy fed into the grid, in Wh.
    /// @param count How many boundaries the meter signed.
    struct LatestRegister {
        uint64 time;
        uint64 importWh;
        uint64 exportWh;
        uint64 count;
    }

    /// @notice The energy of one interval.
    /// @param importWh Energy taken from the grid in it, in Wh.
    /// @param exportWh Energy fed into the grid in it, in Wh.
    /// @param complete Whether both boundaries are stored and, if one of them is a substitute, fit each other; if not, the
    ///        energies are zero.
    /// @param substituted Whether one of the boundaries is a substitute.
    struct Energy {
        uint64 importWh;
        uint64 exportWh;
        bool complete;
        bool substituted;
    }

    /// @notice What a group of meters took in an interval, net.
    /// @param read Whether the energies of all of them are complete; if not, the energy is zero.
    /// @param substituted Whether one of them rests on a substitute.
    /// @param netWh Import minus export, in Wh.
    struct NetImport {
        bool read;
        bool substituted;
        int256 netWh;
    }

    /// @notice A reading was stored.
    event ReadingAccepted(
        bytes32 indexed meter, uint64 indexed time, uint64 importWh, uint64 exportWh, bool substituted
    );
    /// @notice A reading came again; nothing changed.
    event ReadingRepeated(bytes32 indexed meter, uint64 indexed time);
    /// @notice A reading was refused. A conflict has an event of its own.
    event ReadingRejected(
        bytes32 indexed meter, uint64 indexed time, Verdict indexed verdict, uint64 importWh, uint64 exportWh
    );
    /// @notice A rightly signed reading contradicts the stored one, which stays.
    event ReadingConflict(
        bytes32 indexed meter,
        uint64 indexed time,
        uint64 storedImportWh,
        uint64 storedExportWh,
        uint64 importWh,
        uint64 exportWh
    );

    /// @notice There must be one signature for each reading.
    error LengthMismatch(uint256 readings, uint256 signatures);

    /// @notice Judges each reading on its own: stores it, or says by an event why not.
    /// @param readings The readings, best in order of time.
    /// @param signatures For each reading the meter's 65-byte signature (r, s, v).
    /// @return verdicts What became of each.
    function submit(Reading[] calldata readings, bytes[] calldata signatures)
        external
        returns (Verdict[] memory verdicts);
    /// @notice The same for readings of one boundary of many meters with one key, signed together: what a concentrator
    ///         brings. The key signs EIP-712 typed data
    ///         `Readings(uint64 time,MeterRegisters[] registers)` with
    ///         `MeterRegisters(bytes32 meter,uint64 importWh,uint64 exportWh)` in the same domain as single readings.
    /// @return verdicts What became of each.
    function submitTogether(uint64 time, MeterRegisters[] calldata registers, bytes calldata signature)
        external
        returns (Verdict[] memory verdicts);
    /// @notice Stores the zone operator's values, marked as substitutes, for boundaries whose readings did not come by
    ///         the reporting deadline. They must fit between the readings around them that meters signed, and are
    ///         provisional: the meter's own reading replaces them whenever it comes, and is never judged by them; nor is
    ///         another substitute.
    /// @return verdicts What became of each.
    function substitute(Reading[] calldata readings) external returns (Verdict[] memory verdicts);

    /// @notice What is stored for a meter at a boundary.
    function register(bytes32 meter, uint64 time) external view returns (Register memory);
    /// @notice What is stored for many meters at one boundary.
    function registersAt(bytes32[] calldata meters, uint64 time) external view returns (Register[] memory);
    /// @notice What is stored for pairs of meter and boundary.
    function registers(bytes32[] calldata meters, uint64[] calldata times) external view returns (Register[] memory);
    /// @notice The latest register that a meter signed.
    function latest(bytes32 meter) external view returns (LatestRegister memory);
    /// @notice The latest registers that many meters signed.
    function latestOf(bytes32[] calldata meters) external view returns (LatestRegister[] memory);
    /// @notice A meter's energy in the interval [start, end).
    function energy(bytes32 meter, uint64 start, uint64 end) external view returns (Energy memory);
    /// @notice The energies of many meters in the interval [start, end).
    function energies(bytes32[] calldata meters, uint64 start, uint64 end) external view returns (Energy[] memory);
    /// @notice What each of several groups of meters, given by their numbers, took in [start, end), net. A group without
    ///         meters took nothing.
    function netImports(uint32[][] calldata groups, uint64 start, uint64 end) external view returns (NetImport[] memory);
    /// @notice The EIP-712 digest that the meter's key signs.
    function digest(Reading calldata reading) external view returns (bytes32);
    /// @notice The EIP-712 digest that the key of many meters signs.
    function digestTogether(uint64 time, MeterRegisters[] calldata registers) external view returns (bytes32);
}
