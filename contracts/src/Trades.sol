// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Managed} from "./base/Managed.sol";
import {IMarket} from "./interfaces/IMarket.sol";
import {IRegistry} from "./interfaces/IRegistry.sol";
import {ITrades} from "./interfaces/ITrades.sol";
import {Predeploys} from "./libraries/Predeploys.sol";
import {ASK, BID} from "./types/Order.sol";
import {EIP712Upgradeable} from "@openzeppelin/contracts-upgradeable/utils/cryptography/EIP712Upgradeable.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

/// @title Direct trades
contract Trades is ITrades, EIP712Upgradeable, Managed {
    /// @notice The most intervals of a series: a week of quarter hours. It keeps a trade within a block.
    uint32 public constant MAX_INTERVALS = 672;

    /// @dev What the account of a maker or taker that is a contract can spend of a carrier's gas, with all the rest of an
    ///      entry but its intervals.
    uint256 private constant GAS_OF_ENTRY = 1_000_000;
    /// @dev What an interval of a trade takes at most.
    uint256 private constant GAS_OF_INTERVAL = 60_000;

    bytes32 private constant OFFER_TYPEHASH = keccak256(
        "Offer(address maker,address taker,uint8 side,uint64 zone,uint64 firstStart,uint32 intervals,int32 price,"
        "uint40 quantity,uint256 nonce,uint64 expiry)"
    );
    bytes32 private constant TAKE_TYPEHASH = keccak256(
        "Take(address taker,Offer offer,uint40 quantity,uint256 nonce,uint64 deadline)"
        "Offer(address maker,address taker,uint8 side,uint64 zone,uint64 firstStart,uint32 intervals,int32 price,"
        "uint40 quantity,uint256 nonce,uint64 expiry)"
    );
    bytes32 private constant CANCELLATION_TYPEHASH = keccak256("Cancellation(address account,uint256[] nonces)");

    /// @dev What stands in the place of an offer when a nonce is cancelled, or was used for an acceptance.
    bytes26 private constant NO_OFFER = bytes26(type(uint208).max);

    IRegistry private constant REGISTRY = IRegistry(Predeploys.REGISTRY);
    IMarket private constant MARKET = IMarket(Predeploys.MARKET);

    /// @dev One slot: what a nonce is used for.
    struct Use {
        uint40 taken;
        bool posted;
        /// @dev The first bytes of the offer's digest; zero while the nonce is unused.
        bytes26 offer;
    }

    mapping(address account => mapping(uint256 nonce => Use)) private _uses;

    /// @notice Sets up the proxy.
    function initialize() external initializer {
        __Managed_init();
    }

    /// @inheritdoc ITrades
    function take(Offer calldata offer, bytes calldata signature, uint40 quantity) external {
        _take(msg.sender, offer, signature, quantity);
    }

    /// @inheritdoc ITrades
    function takeSigned(SignedTake[] calldata takes) external returns (bool[] memory taken) {
        taken = new bool[](takes.length);
        for (uint256 i = 0; i < takes.length; ++i) {
            uint256 intervals = takes[i].offer.intervals > MAX_INTERVALS ? 0 : takes[i].offer.intervals;
            uint256 gas = _checkGas(GAS_OF_ENTRY + intervals * GAS_OF_INTERVAL);
            try this.takeSignedOffer{gas: gas}(takes[i]) {
                taken[i] = true;
            } catch (bytes memory reason) {
                emit TakeRefused(takes[i].taker, takes[i].nonce, reason);
            }
        }
    }

    /// @inheritdoc ITrades
    function takeSignedOffer(SignedTake calldata signedTake) external {
        if (msg.sender != address(this)) revert NotSelf(msg.sender);
        (address taker, uint256 nonce) = (signedTake.taker, signedTake.nonce);
        if (block.timestamp > signedTake.deadline) revert TakeExpired(signedTake.deadline);
        if (isNonceUsed(taker, nonce)) revert NonceUsed(taker, nonce);
        _uses[taker][nonce].offer = NO_OFFER;
        _checkSignature(taker, takeDigest(signedTake), signedTake.signature);
        _take(taker, signedTake.offer, signedTake.offerSignature, signedTake.quantity);
    }

    /// @inheritdoc ITrades
    function post(Offer calldata offer) external {
        if (msg.sender != offer.maker) revert NotMaker(offer.maker);
        _post(offer, offerDigest(offer));
    }

    /// @inheritdoc ITrades
    function postSigned(SignedOffer[] calldata offers) external returns (bool[] memory posted) {
        posted = new bool[](offers.length);
        for (uint256 i = 0; i < offers.length; ++i) {
            uint256 gas = _checkGas(GAS_OF_ENTRY);
            try this.postSignedOffer{gas: gas}(offers[i]) {
                posted[i] = true;
            } catch (bytes memory reason) {
                emit OfferRefused(offers[i].offer.maker, offers[i].offer.nonce, reason);
            }
        }
    }

    /// @inheritdoc ITrades
    function postSignedOffer(SignedOffer calldata signedOffer) external {
        if (msg.sender != address(this)) revert NotSelf(msg.sender);
        bytes32 digest = offerDigest(signedOffer.offer);
        _checkSignature(signedOffer.offer.maker, digest, signedOffer.signature);
        _post(signedOffer.offer, digest);
    }

    /// @inheritdoc ITrades
    function cancel(Offer calldata offer) external {
        if (msg.sender != offer.maker) revert NotMaker(offer.maker);
        _useOf(offer, offerDigest(offer));
        _cancel(msg.sender, offer.nonce);
    }

    /// @inheritdoc ITrades
    function cancelNonces(uint256[] calldata nonces) external {
        for (uint256 i = 0; i < nonces.length; ++i) {
            _cancel(msg.sender, nonces[i]);
        }
    }

    /// @inheritdoc ITrades
    function cancelNoncesBySig(address account, uint256[] calldata nonces, bytes calldata signature) external {
        _checkSignature(account, cancellationDigest(account, nonces), signature);
        for (uint256 i = 0; i < nonces.length; ++i) {
            _cancel(account, nonces[i]);
        }
    }

    // Views

    /// @inheritdoc ITrades
    function left(Offer calldata offer) external view returns (uint40) {
        Use storage use = _uses[offer.maker][offer.nonce];
        if (use.offer == 0) return offer.quantity;
        return use.offer == _short(offerDigest(offer)) ? offer.quantity - use.taken : 0;
    }

    /// @inheritdoc ITrades
    function isPosted(Offer calldata offer) external view returns (bool) {
        Use storage use = _uses[offer.maker][offer.nonce];
        return use.posted && use.offer == _short(offerDigest(offer));
    }

    /// @inheritdoc ITrades
    function isNonceUsed(address account, uint256 nonce) public view returns (bool) {
        return _uses[account][nonce].offer != 0;
    }

    /// @inheritdoc ITrades
    function offerDigest(Offer calldata offer) public view returns (bytes32) {
        return _hashTypedDataV4(_hashOffer(offer));
    }

    /// @inheritdoc ITrades
    function takeDigest(SignedTake calldata signedTake) public view returns (bytes32) {
        return _hashTypedDataV4(
            keccak256(
                abi.encode(
                    TAKE_TYPEHASH,
                    signedTake.taker,
                    _hashOffer(signedTake.offer),
                    signedTake.quantity,
                    signedTake.nonce,
                    signedTake.deadline
                )
            )
        );
    }

    /// @inheritdoc ITrades
    function cancellationDigest(address account, uint256[] calldata nonces) public view returns (bytes32) {
        bytes32 hashOfNonces = keccak256(abi.encodePacked(nonces));
        return _hashTypedDataV4(keccak256(abi.encode(CANCELLATION_TYPEHASH, account, hashOfNonces)));
    }

    // Internals

    /// @dev As much of a digest as tells an offer from another.
    function _short(bytes32 digest) private pure returns (bytes26) {
        // forge-lint: disable-next-line(unsafe-typecast)
        return bytes26(digest);
    }

    function _take(address taker, Offer calldata offer, bytes calldata signature, uint40 quantity) private {
        _checkTerms(offer);
        if (taker == offer.maker) revert OwnOffer(taker);
        if (offer.taker != address(0) && taker != offer.taker) revert NotYourOffer(offer.taker);
        if (quantity == 0) revert ZeroQuantity();
        bytes32 digest = offerDigest(offer);
        Use storage use = _useOf(offer, digest);
        if (!use.posted) _checkSignature(offer.maker, digest, signature);
        uint40 rest = offer.quantity - use.taken;
        if (quantity > rest) revert BeyondOffer(quantity, rest);
        use.taken += quantity;
        use.offer = _short(digest);
        emit OfferTaken(
            digest,
            offer.maker,
            taker,
            offer.side,
            offer.zone,
            offer.firstStart,
            offer.intervals,
            offer.price,
            quantity,
            rest - quantity
        );
        bool buys = offer.side == BID;
        MARKET.bookTrade(
            IMarket.DirectTrade({
                buyer: buys ? offer.maker : taker,
                seller: buys ? taker : offer.maker,
                zone: offer.zone,
                firstStart: offer.firstStart,
                intervals: offer.intervals,
                price: offer.price,
                quantity: quantity
            })
        );
    }

    function _post(Offer calldata offer, bytes32 digest) private {
        _checkTerms(offer);
        (uint64 zone, bool active) = REGISTRY.participant(offer.maker);
        if (!active || zone != offer.zone) revert NotParticipant(offer.maker, offer.zone);
        Use storage use = _useOf(offer, digest);
        if (use.posted) revert AlreadyPosted(digest);
        use.posted = true;
        use.offer = _short(digest);
        emit OfferPosted(digest, offer.maker, offer.zone, offer);
    }

    /// @dev What does not depend on the Market.
    function _checkTerms(Offer calldata offer) private view {
        if (block.timestamp > offer.expiry) revert OfferExpired(offer.expiry);
        if (offer.side > ASK) revert InvalidSide(offer.side);
        if (offer.quantity == 0) revert ZeroQuantity();
        if (offer.intervals == 0 || offer.intervals > MAX_INTERVALS) {
            revert InvalidSeries(offer.intervals, MAX_INTERVALS);
        }
    }

    /// @dev What the offer's nonce is used for: nothing yet, or this offer.
    function _useOf(Offer calldata offer, bytes32 digest) private view returns (Use storage use) {
        use = _uses[offer.maker][offer.nonce];
        if (use.offer != 0 && use.offer != _short(digest)) revert NonceUsed(offer.maker, offer.nonce);
    }

    function _cancel(address account, uint256 nonce) private {
        _uses[account][nonce] = Use({taken: 0, posted: false, offer: NO_OFFER});
        emit NonceCancelled(account, nonce);
    }

    /// @dev A carrier that brings too little gas must not pass that off as the entry's fault.
    function _checkGas(uint256 needed) private view returns (uint256) {
        if (gasleft() < needed * 64 / 63 + 50_000) revert NotEnoughGas(needed);
        return needed;
    }

    function _checkSignature(address account, bytes32 digest, bytes calldata signature) private view {
        if (!SignatureChecker.isValidSignatureNowCalldata(account, digest, signature)) revert WrongSignature(account);
    }

    function _hashOffer(Offer calldata offer) private pure returns (bytes32) {
        return keccak256(
            abi.encode(
                OFFER_TYPEHASH,
                offer.maker,
                offer.taker,
                offer.side,
                offer.zone,
                offer.firstStart,
                offer.intervals,
                offer.price,
                offer.quantity,
                offer.nonce,
                offer.expiry
            )
        );
    }

    function _EIP712Name() internal pure override returns (string memory) {
        return "Wattline Trades";
    }

    function _EIP712Version() internal pure override returns (string memory) {
        return "1";
    }
}
