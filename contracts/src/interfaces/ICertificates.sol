// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Product} from "../types/Product.sol";

/// @title Certificates of origin
/// @notice ERC-1155, one unit for each Wh that a renewable meter fed into the grid in one delivery interval, what it took
///         from it meanwhile deducted. They are granular: the id packs technology, zone and interval start, as
///         `technology << 128 | zone << 64 | start`. They change hands until they are claimed, which retires them.
interface ICertificates {
    /// @notice Certificates were issued to who owned the meter in that interval.
    event CertificatesIssued(bytes32 indexed meter, address indexed owner, uint256 indexed id, uint256 amount);
    /// @notice An account retired certificates in favour of a beneficiary.
    event CertificatesClaimed(
        address indexed account, address indexed beneficiary, uint256[] ids, uint256[] amounts, string purpose
    );
    /// @notice An account retired certificates of an interval against what its own meters took in it.
    event ConsumptionClaimed(address indexed account, Product indexed product, uint256 amount);

    /// @notice The meter's energy is not of renewable origin.
    error NotRenewable(bytes32 meter);
    /// @notice Times are boundaries of the zone's intervals, the first before the last.
    error InvalidPeriod(uint64 from, uint64 to);
    /// @notice Readings may be corrected until `until`; issue then.
    error NotFinalYet(uint64 until);
    /// @notice A claim is for at least 1 Wh.
    error ZeroAmount();
    /// @notice With this claim the account would have claimed `wanted` Wh of the interval; its meters took `consumed`.
    error BeyondConsumption(Product product, uint256 wanted, uint256 consumed);

    /// @notice Issues certificates for the intervals of a meter that start in [from, to), each to who owned the meter then,
    ///         if both of its boundaries carry signed readings, and once. Intervals for which there are none, or which
    ///         have theirs, are passed over. Anyone may call once the correction period of the last interval is over.
    /// @return issued How many Wh.
    function issue(bytes32 meter, uint64 from, uint64 to) external returns (uint256 issued);
    /// @notice Retires certificates of the caller in favour of a beneficiary.
    function claim(uint256[] calldata ids, uint256[] calldata amounts, address beneficiary, string calldata purpose)
        external;
    /// @notice Retires the caller's certificates of an interval against what its own meters took in that very interval, as
    ///         signed, and never beyond it.
    function claimConsumption(Product product, uint256 amount) external;

    /// @notice Whether the certificates of a meter for the interval that starts at `start` are issued.
    function isIssued(bytes32 meter, uint64 start) external view returns (bool);
    /// @notice How much of its consumption in an interval an account has claimed, in Wh.
    function claimedConsumption(Product product, address account) external view returns (uint256);
    /// @notice What an account's meters took in an interval, as they signed, in Wh; what a meter fed in is deducted from
    ///         what it took.
    function consumption(Product product, address account) external view returns (uint256);
    /// @notice The id of certificates of an interval: renewable, the one technology that there is.
    function idOf(Product product) external pure returns (uint256);
}
