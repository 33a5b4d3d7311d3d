// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// @title Direct trades
/// @notice Energy from account to account at a price of their own, in a series of delivery intervals of one zone: so many
///         Wh in each. An offer binds its maker until it expires, is taken whole or is cancelled; whoever it is for takes
///         it, whole or in part, for the whole series. Every interval must be open, under one set of rules, and not within
///         the zone's trade lead of delivery.
///         A trade moves positions, and the money from the buyer to the seller's locked proceeds. Both lock what an order
///         of that price would lock, and keep to the limits of orders.
interface ITrades {
    /// @notice An offer, which its maker posts, or signs as EIP-712 typed data in the domain {name: "Wattline Trades",
    ///         version: "1", chainId, verifyingContract} with the type `Offer(address maker,address taker,uint8 side,
    ///         uint64 zone,uint64 firstStart,uint32 intervals,int32 price,uint40 quantity,uint256 nonce,uint64 expiry)`
    ///         (without the line break), or, being a contract, confirms by ERC-1271.
    /// @param maker Whose offer it is.
    /// @param taker Who may take it; zero: anybody in the zone.
    /// @param side What the maker does: 0 buys, 1 sells.
    /// @param zone The zone.
    /// @param firstStart When the first interval of the series starts, Unix seconds.
    /// @param intervals How many intervals follow one another.
    /// @param price The price in ticks.
    /// @param quantity The quantity in each interval, in Wh.
    /// @param nonce Any number that the maker has not used here before: one nonce serves one offer.
    /// @param expiry Until when it may be taken, Unix seconds, itself included.
    struct Offer {
        address maker;
        address taker;
        uint8 side;
        uint64 zone;
        uint64 firstStart;
        uint32 intervals;
        int32 price;
        uint40 quantity;
        uint256 nonce;
        uint64 expiry;
    }

    /// @notice An offer with its signature.
    /// @param offer The offer.
    /// @param signature The maker's signature; empty for an offer that is posted.
    struct SignedOffer {
        Offer offer;
        bytes signature;
    }

    /// @notice An acceptance that its taker signed as EIP-712 typed data in the same domain with the type
    ///         `Take(address taker,Offer offer,uint40 quantity,uint256 nonce,uint64 deadline)`, followed by that of `Offer`,
    ///         or confirms by ERC-1271.
    /// @param taker Who takes.
    /// @param offer What it takes.
    /// @param offerSignature The maker's signature; empty for an offer that is posted.
    /// @param quantity How much of it in each interval, in Wh.
    /// @param nonce Any number that the taker has not used here before.
    /// @param deadline Until when it may be carried here, Unix seconds, itself included.
    /// @param signature The taker's signature.
    struct SignedTake {
        address taker;
        Offer offer;
        bytes offerSignature;
        uint40 quantity;
        uint256 nonce;
        uint64 deadline;
        bytes signature;
    }

    /// @notice An offer stands on the board. `digest` is what `offerDigest` says of it.
    event OfferPosted(bytes32 indexed digest, address indexed maker, uint64 indexed zone, Offer offer);
    /// @notice A signed offer was not posted, for `reason`, an encoded error.
    event OfferRefused(address indexed maker, uint256 indexed nonce, bytes reason);
    /// @notice An offer was taken: `quantity` Wh in each of its intervals; `left` can still be taken.
    event OfferTaken(
        bytes32 indexed digest,
        address indexed maker,
        address indexed taker,
        uint8 side,
        uint64 zone,
        uint64 firstStart,
        uint32 intervals,
        int32 price,
        uint40 quantity,
        uint40 left
    );
    /// @notice A signed acceptance made no trade, for `reason`, an encoded error.
    event TakeRefused(address indexed taker, uint256 indexed nonce, bytes reason);
    /// @notice An account cancelled a nonce: no offer and no acceptance of it with that nonce counts any more.
    event NonceCancelled(address indexed account, uint256 indexed nonce);

    /// @notice The offer may be taken until `expiry`, which has passed.
    error OfferExpired(uint64 expiry);
    /// @notice The acceptance's deadline has passed.
    error TakeExpired(uint64 deadline);
    /// @notice The offer is for `taker` alone.
    error NotYourOffer(address taker);
    /// @notice Nobody trades with itself.
    error OwnOffer(address maker);
    /// @notice Only its maker posts an offer without a signature, or cancels it.
    error NotMaker(address maker);
    /// @notice The account used the nonce for something else, or cancelled it.
    error NonceUsed(address account, uint256 nonce);
    /// @notice The signature is not the account's over this.
    error WrongSignature(address account);
    /// @notice The side is neither 0 (the maker buys) nor 1 (it sells).
    error InvalidSide(uint8 side);
    /// @notice At least 1 Wh must be offered and taken.
    error ZeroQuantity();
    /// @notice Of the `wanted` Wh only `left` can still be taken.
    error BeyondOffer(uint40 wanted, uint40 left);
    /// @notice A series has 1 to `limit` intervals.
    error InvalidSeries(uint32 intervals, uint32 limit);
    /// @notice The offer is posted already.
    error AlreadyPosted(bytes32 digest);
    /// @notice Only who may order in the zone posts there.
    error NotParticipant(address maker, uint64 zone);
    /// @notice Each signed entry needs as much gas as this at hand, whether it uses it or not.
    error NotEnoughGas(uint256 needed);
    /// @notice Only the contract itself calls this.
    error NotSelf(address caller);

    /// @notice Takes `quantity` Wh in each interval of an offer, as the caller. What the Market refuses is refused with its
    ///         errors: IMarket.NotOpenYet for a series that is not open to its end, IMarket.TradingOver for one whose first
    ///         interval is too near, IRegistry.SettingsChange for one across a change of rules, and the others of orders.
    /// @param signature The maker's signature; empty if the offer is posted.
    function take(Offer calldata offer, bytes calldata signature, uint40 quantity) external;
    /// @notice Takes offers as their takers signed, each on its own: one that is refused costs the others nothing. Anyone
    ///         may call.
    /// @return taken Which of them were taken.
    function takeSigned(SignedTake[] calldata takes) external returns (bool[] memory taken);
    /// @notice One step of `takeSigned`, which only that calls.
    function takeSignedOffer(SignedTake calldata signedTake) external;
    /// @notice Puts an offer of the caller on the board: it needs no signature any more.
    function post(Offer calldata offer) external;
    /// @notice Puts offers on the board that their makers signed, each on its own. Anyone may call.
    /// @return posted Which of them were posted.
    function postSigned(SignedOffer[] calldata offers) external returns (bool[] memory posted);
    /// @notice One step of `postSigned`, which only that calls.
    function postSignedOffer(SignedOffer calldata signedOffer) external;
    /// @notice Takes an offer of the caller back, posted or signed. What was taken of it stands.
    function cancel(Offer calldata offer) external;
    /// @notice Cancels nonces of the caller.
    function cancelNonces(uint256[] calldata nonces) external;
    /// @notice Cancels nonces as their account signed: EIP-712 typed data in the same domain with the type
    ///         `Cancellation(address account,uint256[] nonces)`. Anyone may call, as often as it likes.
    function cancelNoncesBySig(address account, uint256[] calldata nonces, bytes calldata signature) external;

    /// @notice How many Wh of each interval of an offer can still be taken, its expiry and its signature aside.
    function left(Offer calldata offer) external view returns (uint40);
    /// @notice Whether an offer stands on the board.
    function isPosted(Offer calldata offer) external view returns (bool);
    /// @notice Whether an account used or cancelled a nonce.
    function isNonceUsed(address account, uint256 nonce) external view returns (bool);
    /// @notice The EIP-712 digest that the maker of an offer signs.
    function offerDigest(Offer calldata offer) external view returns (bytes32);
    /// @notice The EIP-712 digest that the taker of an offer signs.
    function takeDigest(SignedTake calldata signedTake) external view returns (bytes32);
    /// @notice The EIP-712 digest that an account signs to cancel nonces.
    function cancellationDigest(address account, uint256[] calldata nonces) external view returns (bytes32);
}
