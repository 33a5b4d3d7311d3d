// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Product} from "../types/Product.sol";

/// @title Settlement of delivery
/// @notice Compares contracted with metered energy, in money. With c the contracted position and m the metered net
///         import, e = m − c: a participant short of contract (e > 0) buys e at the zone's shortage price from the zone
///         operator, one that is long (e < 0) sells −e at the surplus price. The operator gets the grid fee for each Wh
///         bought: max(c, 0) in the auction and max(e, 0) from the operator.
interface ISettlement {
    /// @notice Whether an account's delivery can be settled, and if not, why.
    /// @param Ready It can be settled now.
    /// @param Done It is settled, or lies back so long that it counts as that.
    /// @param NotParticipant The account is not a participant of the product's zone.
    /// @param DeliveryNotOver The interval has not ended.
    /// @param OrdersNotSettled The product is not cleared, or not all of its orders are settled.
    /// @param ReadingMissing One of the account's meters has not been read at both boundaries, and the final deadline has
    ///        not passed.
    /// @param EarlierNotSettled The account's part in the product 64 days ago, or a multiple of that, is to be settled first.
    enum Status {
        Ready,
        Done,
        NotParticipant,
        DeliveryNotOver,
        OrdersNotSettled,
        ReadingMissing,
        EarlierNotSettled
    }

    /// @notice What became of an account in a correction.
    /// @param Corrected Its delivery is settled by what its meters signed now.
    /// @param Unchanged It was settled by that already.
    /// @param NotDelivered Its delivery is not settled yet.
    /// @param ReadingMissing Not all of its meters have signed both boundaries.
    /// @param NotParticipant The account is not a participant of the product's zone.
    enum Outcome {
        Corrected,
        Unchanged,
        NotDelivered,
        ReadingMissing,
        NotParticipant
    }

    /// @notice The settlement of one account's delivery.
    /// @param contracted c, in Wh, buying positive.
    /// @param metered m, in Wh, import positive.
    /// @param imbalance e = m − c, in Wh.
    /// @param imbalanceCost What the imbalance costs the account, in base units; negative: what it earns.
    /// @param gridFee What the account pays for the grid, in base units.
    struct Statement {
        int256 contracted;
        int256 metered;
        int256 imbalance;
        int256 imbalanceCost;
        uint256 gridFee;
    }

    /// @notice An account's delivery was settled.
    event DeliverySettled(
        Product indexed product,
        address indexed account,
        int256 contracted,
        int256 metered,
        int256 imbalanceCost,
        uint256 gridFee
    );

    /// @notice An account's delivery is settled anew by what its meters signed: it paid `cost` more (negative: less).
    event DeliveryCorrected(
        Product indexed product, address indexed account, int256 before, int256 metered, int256 cost
    );
    /// @notice An account of a batch was passed over.
    event DeliverySkipped(Product indexed product, address indexed account, Status status);

    /// @notice The account is not a participant of the product's zone.
    error NotParticipant(address account, uint64 zone);
    /// @notice Delivery ends at `end`; settle then.
    error DeliveryNotOver(Product product, uint64 end);
    /// @notice Corrections ended at `end`.
    error CorrectionPeriodOver(Product product, uint64 end);
    /// @notice One of the account's meters has not been read at both boundaries.
    error ReadingMissing(Product product, address account);

    /// @notice Settles the delivery of a product for the given participants, each on its own: one that is settled already,
    ///         not read yet or not of the zone is passed over. Anyone may call. A product whose delivery is not over or
    ///         whose orders are not settled is refused as a whole, the latter with IMarket.OrdersNotSettled or
    ///         IMarket.NotCleared.
    ///         After the zone's final deadline nobody waits for readings any more: an interval in which one is missing counts
    ///         as delivered as contracted. So does every interval that nobody settled within the correction period: securities
    ///         and reserves, which answer for readings, end with it.
    /// @return found How each was found: those that were `Ready` are settled now.
    function settle(Product product, address[] calldata accounts) external returns (Status[] memory found);
    /// @notice Settles deliveries again by what the meters have signed meanwhile, by the difference, within the zone's
    ///         correction period. Anyone may call; each account is judged on its own.
    function correct(Product product, address[] calldata accounts) external returns (Outcome[] memory outcomes);

    /// @notice For each account whether its delivery can be settled now, on its own.
    function statuses(Product product, address[] calldata accounts) external view returns (Status[] memory);
    /// @notice The settlement of an account's delivery as it was, or as it would be; then its readings must be there.
    function statement(Product product, address account) external view returns (Statement memory);
}
