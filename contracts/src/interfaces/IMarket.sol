// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Order} from "../types/Order.sol";
import {Product} from "../types/Product.sol";
import {IRegistry} from "./IRegistry.sol";

/// @title Orders and auctions
/// @notice One call auction for each product: one delivery interval in one zone, packed as `zone << 64 | start`.
///         An order is one word of the auction's format (see IBatchAuction): side, limit price in ticks of
///         10⁻⁵ currency/kWh, quantity in Wh, trader. Money is price × quantity × 10¹⁰ base units.
///         Orders are public as soon as they are sent, and the last to move can set the price, within what is an
///         equilibrium, with an order that does not fill.
interface IMarket {
    /// @notice Where a product is in its life.
    /// @param NotOpen Its order book has not opened.
    /// @param Open It takes orders and cancellations.
    /// @param Closed The gate is closed; `clear` may be called.
    /// @param Cleared It has a price; `settleOrders` may be called.
    /// @param Settled Every order is settled; delivery can be settled once it is over and read.
    enum Stage {
        NotOpen,
        Open,
        Closed,
        Cleared,
        Settled
    }

    /// @notice An order to submit.
    /// @param product The product.
    /// @param side 0 bid (buy), 1 ask (sell).
    /// @param price The limit price in ticks.
    /// @param quantity The quantity in Wh.
    struct NewOrder {
        Product product;
        uint8 side;
        int32 price;
        uint40 quantity;
    }

    /// @notice An order that its trader signed as EIP-712 typed data in the domain {name: "Wattline Market", version: "1",
    ///         chainId, verifyingContract} with the type `Order(address trader,uint256 product,uint8 side,int32 price,
    ///         uint40 quantity,uint256 nonce,uint64 deadline)` (without the line break), or that a trader which is a
    ///         contract confirms by ERC-1271. An agent of the trader signs the same with its own key.
    /// @param trader Whose order it is.
    /// @param product The product.
    /// @param side 0 bid (buy), 1 ask (sell).
    /// @param price The limit price in ticks.
    /// @param quantity The quantity in Wh.
    /// @param nonce Any number that the trader has not used before; orders do not wait for each other.
    /// @param deadline Until when the order may be submitted, Unix seconds, itself included.
    /// @param signature The trader's signature, or its agent's.
    struct SignedOrder {
        address trader;
        Product product;
        uint8 side;
        int32 price;
        uint40 quantity;
        uint256 nonce;
        uint64 deadline;
        bytes signature;
    }

    /// @notice What a key may order for the account that made it its agent: a home energy manager's, say. An agent also
    ///         cancels the account's orders, and does nothing else in its name.
    /// @param until Until when, Unix seconds, itself included; a time past: no longer.
    /// @param minPrice The lowest limit price of its orders, in ticks.
    /// @param maxPrice The highest limit price of its orders, in ticks.
    /// @param maxQuantity The most Wh that the account's orders and trades may come to on a side, in an interval, with an
    ///        order of the agent.
    struct Agent {
        uint64 until;
        int32 minPrice;
        int32 maxPrice;
        uint40 maxQuantity;
    }

    /// @notice A direct trade that Trades made: `quantity` Wh in each of a series of intervals.
    /// @param buyer Who buys.
    /// @param seller Who sells.
    /// @param zone The zone.
    /// @param firstStart When the first interval starts.
    /// @param intervals How many intervals follow one another.
    /// @param price The price in ticks.
    /// @param quantity The quantity in each interval, in Wh.
    struct DirectTrade {
        address buyer;
        address seller;
        uint64 zone;
        uint64 firstStart;
        uint32 intervals;
        int32 price;
        uint40 quantity;
    }

    /// @notice The marginal level of one side: the worst price that still trades.
    /// @param price The level's limit price in ticks.
    /// @param quantity All Wh offered at that price on that side.
    /// @param filled The Wh of them that trade.
    struct Level {
        int32 price;
        uint64 quantity;
        uint64 filled;
    }

    /// @notice The result of an auction. Every field is zero when nothing trades.
    /// @param price The clearing price in ticks.
    /// @param volume The Wh that change hands.
    /// @param bid The marginal level of the buyers.
    /// @param ask The marginal level of the sellers.
    struct Clearing {
        int32 price;
        uint64 volume;
        Level bid;
        Level ask;
    }

    /// @notice A product at a glance.
    /// @param stage Where it is in its life.
    /// @param opensAt When its book opens, Unix seconds.
    /// @param gateClosesAt When its book closes.
    /// @param start When delivery starts.
    /// @param end When delivery ends.
    /// @param orderCount Places in the book; those of cancelled orders are vacant until they are used again.
    /// @param ordersSettled How many of them `settleOrders` has walked.
    /// @param clearing The auction's result; all zero before it is cleared.
    struct ProductInfo {
        Stage stage;
        uint64 opensAt;
        uint64 gateClosesAt;
        uint64 start;
        uint64 end;
        uint256 orderCount;
        uint256 ordersSettled;
        Clearing clearing;
    }

    /// @notice What a product means for one account.
    /// @param position Contracted energy in Wh, buying positive; changes as orders are settled and by direct trades.
    /// @param locked Base units locked for this product.
    /// @param openBidWh Wh of bids not yet cancelled or settled.
    /// @param openAskWh Wh of asks not yet cancelled or settled.
    /// @param orderCount Orders submitted and not cancelled.
    /// @param delivered Whether its delivery is settled.
    /// @param metered Net import in Wh by which it was settled.
    /// @param gone Whether a product 64 days later, or a multiple of that, has its place; the rest is zero then.
    /// @param waits Whether the account's part in the product 64 days ago, or a multiple of that, is to be settled first.
    struct AccountInfo {
        int256 position;
        uint256 locked;
        uint256 openBidWh;
        uint256 openAskWh;
        uint256 orderCount;
        bool delivered;
        int256 metered;
        bool gone;
        bool waits;
    }

    /// @notice A delivery to settle or to correct.
    /// @param account The account.
    /// @param read Whether its meters were read; if not, its contracted energy counts as delivered.
    /// @param metered Their net import in Wh.
    struct Delivery {
        address account;
        bool read;
        int256 metered;
    }

    /// @notice What closing an account's part in a product came to.
    /// @param closed Whether it was closed now; false if it had been before, or waits.
    /// @param waits Whether the account's part in the product 64 days ago, or a multiple of that, is to be settled first.
    /// @param contracted The account's position in Wh.
    /// @param metered The net import by which it is settled, in Wh.
    /// @param released The base units that were locked for the product.
    struct Closing {
        bool closed;
        bool waits;
        int256 contracted;
        int256 metered;
        uint256 released;
    }

    /// @notice An order was submitted.
    event OrderSubmitted(
        Product indexed product,
        address indexed account,
        uint256 index,
        uint8 side,
        int32 price,
        uint40 quantity,
        uint256 locked
    );
    /// @notice A signed order was not taken, for `reason`, an encoded error.
    event SignedOrderRefused(address indexed trader, uint256 indexed nonce, bytes reason);
    /// @notice A trader cancelled a nonce: no order that it signed with it is taken any more.
    event NonceCancelled(address indexed trader, uint256 indexed nonce);
    /// @notice An order was cancelled and `unlocked` freed.
    event OrderCancelled(Product indexed product, address indexed account, uint256 index, uint256 unlocked);
    /// @notice A product was cleared.
    event ProductCleared(Product indexed product, int32 price, uint64 volume, uint256 orderCount, Level bid, Level ask);
    /// @notice An order was settled: `fill` Wh at the clearing price, costing `cost` (negative: earning).
    event OrderSettled(
        Product indexed product, address indexed account, uint256 index, uint8 side, uint256 fill, int256 cost
    );
    /// @notice All orders of a product are settled.
    event OrdersSettled(Product indexed product);
    /// @notice An account made a key its agent, or changed what it may.
    event AgentSet(address indexed trader, address indexed agent, Agent powers);
    /// @notice A pauser stopped new orders and direct trades until then.
    event OrdersPaused(address indexed pauser, uint64 until);

    /// @notice Deliveries start at multiples of the zone's interval length.
    error UnalignedStart(Product product, uint32 length);
    /// @notice The product number has more than 64 bits of zone, or no zone.
    error InvalidProduct(Product product);
    /// @notice New orders and direct trades are stopped until then.
    error OrdersArePaused(uint64 until);
    /// @notice The account paused before; it can again from `next` on.
    error PausedRecently(address pauser, uint64 next);
    /// @notice The book opens at `opensAt`.
    error NotOpenYet(Product product, uint64 opensAt);
    /// @notice The gate closed at `closedAt`.
    error GateClosed(Product product, uint64 closedAt);
    /// @notice The gate closes at `closesAt`; clear then.
    error GateStillOpen(Product product, uint64 closesAt);
    /// @notice Direct trades of the product ended at `endedAt`.
    error TradingOver(Product product, uint64 endedAt);
    /// @notice Only Trades books direct trades.
    error NotTrades(address caller);
    /// @notice The key is no agent of the trader, or no longer.
    error NotAgent(address trader, address key);
    /// @notice The account is not an active participant of the product's zone.
    error NotParticipant(address account, uint64 zone);
    /// @notice The account operates the product's zone: as the counterparty of every imbalance it does not trade there, nor
    ///         for another.
    error OperatorCannotTrade(address account, uint64 zone);
    /// @notice The side is neither 0 (bid) nor 1 (ask).
    error InvalidSide(uint8 side);
    /// @notice The signed order's deadline has passed.
    error OrderExpired(uint64 deadline);
    /// @notice The trader used or cancelled the nonce before.
    error NonceUsed(address trader, uint256 nonce);
    /// @notice The signature over this order is neither the trader's nor an agent's.
    error WrongSignature(address trader);
    /// @notice Each signed order needs as much gas as this at hand, whether it uses it or not.
    error NotEnoughGas(uint256 needed);
    /// @notice Only the contract itself calls this.
    error NotSelf(address caller);
    /// @notice An order must be for at least 1 Wh.
    error ZeroQuantity();
    /// @notice The price is outside the zone's bounds, or the agent's.
    error PriceOutOfBounds(int32 price, int32 minPrice, int32 maxPrice);
    /// @notice With this order or trade the account's open orders and its position on that side would sum to `wanted` Wh; its
    ///         meters can take or deliver `capacity`, or its agent may order no more.
    error BeyondCapacity(uint8 side, uint256 wanted, uint256 capacity);
    /// @notice The book is full.
    error TooManyOrders(Product product, uint256 limit);
    /// @notice The account has as many orders in this product as one account may.
    error TooManyOrdersOfAccount(Product product, address account, uint256 limit);
    /// @notice The book of a product 64 days ago has this product's place, and its orders are not settled yet; anybody can
    ///         clear it and settle them.
    error BookNotSettled(Product former);
    /// @notice The account's part in the product 64 days ago, or a multiple of that, has this one's place and is not settled
    ///         yet; anybody can settle it.
    error StakeNotSettled(Product product, address account);
    /// @notice The account's part in a product 64 days later, or a multiple of that, has this one's place.
    error StakeGone(Product product, address account);
    /// @notice The product's book was settled and gave its place away, 64 days later: its events tell of it.
    error BookGone(Product product);
    /// @notice The product has no order at `index`.
    error UnknownOrder(Product product, uint256 index);
    /// @notice The order was cancelled before.
    error OrderEmpty(Product product, uint256 index);
    /// @notice The order belongs to `owner`.
    error NotYourOrder(Product product, uint256 index, address owner);
    /// @notice The product is cleared already.
    error AlreadyCleared(Product product);
    /// @notice The product is not cleared yet.
    error NotCleared(Product product);
    /// @notice All orders of the product are settled already.
    error OrdersAlreadySettled(Product product);
    /// @notice `settled` of the product's `count` orders are settled; settle the rest first.
    error OrdersNotSettled(Product product, uint256 settled, uint256 count);
    /// @notice A page must have at least one order.
    error EmptyPage();
    /// @notice Only Settlement closes positions.
    error NotSettlement(address caller);

    /// @notice Submits an order of the caller and locks what it can cost at most, with collateral.
    /// @return index The order's place in the product's book.
    function submit(Product product, uint8 side, int32 price, uint40 quantity) external returns (uint256 index);
    /// @notice Submits several orders of the caller, all or none, for one product or several.
    /// @return indices The orders' places in their products' books.
    function submitMany(NewOrder[] calldata newOrders) external returns (uint256[] memory indices);
    /// @notice Submits orders of a trader whose agent the caller is, all or none.
    /// @return indices The orders' places in their products' books.
    function submitFor(address trader, NewOrder[] calldata newOrders) external returns (uint256[] memory indices);
    /// @notice Submits orders that their traders or agents signed, each on its own: one that is not taken costs the others nothing.
    ///         Anyone may call.
    /// @return taken Which of them were taken.
    function submitSigned(SignedOrder[] calldata signedOrders) external returns (bool[] memory taken);
    /// @notice One step of `submitSigned`, which only that calls, with the rules of its product.
    function submitSignedOrder(
        SignedOrder calldata signedOrder,
        IRegistry.ZoneSettings calldata settings,
        IRegistry.Standing calldata standing
    ) external;
    /// @notice Cancels nonces of the caller.
    function cancelNonces(uint256[] calldata nonces) external;
    /// @notice Cancels an order of the caller, or of an account whose agent it is, before the gate closes and unlocks its
    ///         money. Other orders keep their index, and the next order takes its place.
    function cancel(Product product, uint256 index) external;
    /// @notice Lets a key order for the caller, within these bounds, or changes what it may.
    function setAgent(address agent, Agent calldata powers) external;
    /// @notice Books a direct trade: moves positions, and money as IVault.bookTrades does. Trades only.
    function bookTrade(DirectTrade calldata trade) external;
    /// @notice Stops new orders and direct trades for a day, and nothing else: cancelling, clearing, settling, readings and withdrawals go on.
    ///         Each pauser alone, once a week.
    function pauseOrders() external;
    /// @notice Clears a product after its gate closed. Anyone may call. A product without orders is then settled, too.
    function clear(Product product) external;
    /// @notice Settles the next orders of a cleared product, `max` of them at most. Anyone may call. The size of the
    ///         pages changes nothing in the result.
    /// @return done Whether all orders of the product are now settled.
    function settleOrders(Product product, uint256 max) external returns (bool done);
    /// @notice Closes the parts of accounts in a product whose orders are settled. Settlement only.
    function closePositions(Product product, Delivery[] calldata deliveries) external returns (Closing[] memory);
    /// @notice Replaces the net imports by which accounts were settled. Settlement only.
    /// @return The closings as they were, with nothing released; those of accounts that had not been settled are not
    ///         `closed`, and nothing is replaced.
    function correctPositions(Product product, Delivery[] calldata deliveries) external returns (Closing[] memory);

    /// @notice All order words of a product, by their places; a vacant one is zero. Orders at the marginal level share
    ///         what is left in this order.
    function orders(Product product) external view returns (Order[] memory);
    /// @notice How many places the book of a product has, vacant ones counted.
    function orderCount(Product product) external view returns (uint256);
    /// @notice The result of a cleared product's auction.
    function clearing(Product product) external view returns (Clearing memory);
    /// @notice An account's contracted energy in Wh, buying positive, over the orders settled so far.
    function position(Product product, address account) external view returns (int256);
    /// @notice What a product means for one account.
    function accountInfo(Product product, address account) external view returns (AccountInfo memory);
    /// @notice What a product means for many accounts.
    function accountInfos(Product product, address[] calldata accounts) external view returns (AccountInfo[] memory);
    /// @notice A product at a glance.
    function productInfo(Product product) external view returns (ProductInfo memory);
    /// @notice What an agent may order for an account.
    function agentOf(address trader, address agent) external view returns (Agent memory);
    /// @notice Until when new orders are stopped; a time past if they are not.
    function pausedUntil() external view returns (uint64);
    /// @notice Whether a trader used or cancelled a nonce.
    function isNonceUsed(address trader, uint256 nonce) external view returns (bool);
    /// @notice The EIP-712 digest that the trader of an order signs.
    function orderDigest(SignedOrder calldata signedOrder) external view returns (bytes32);
    /// @notice The auction precompile's address.
    function auction() external view returns (address);
    /// @notice The slot of the first order word of a product in this contract's storage; the others follow it.
    function ordersSlot(Product product) external view returns (bytes32);
    /// @notice Words of this contract's storage, `count` of them from slot `first` on.
    function extsload(bytes32 first, uint256 count) external view returns (bytes32[] memory);
}
