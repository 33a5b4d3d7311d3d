// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IMarket} from "../src/interfaces/IMarket.sol";
import {IRegistry} from "../src/interfaces/IRegistry.sol";
import {ITrades} from "../src/interfaces/ITrades.sol";
import {IVault} from "../src/interfaces/IVault.sol";
import {Product} from "../src/types/Product.sol";
import {System} from "./base/System.sol";
import {Wallet} from "./base/Wallet.sol";

/// @notice Direct trades. Alice offers 400 Wh in each of four intervals at 12,000 ticks. Dave, who carries what others
///         signed, is no participant.
contract TradesTest is System {
    uint64 private constant START = T0 + OPEN_LEAD - 3 * LENGTH;
    uint32 private constant INTERVALS = 4;
    int32 private constant PRICE = 12_000;
    /// @dev Money of one Wh at one tick.
    uint256 private constant UNIT = 1e10;
    /// @dev What a Wh bought at PRICE leaves locked: the grid fee. A Wh sold: the shortage price and the grid fee.
    uint256 private constant BUYER_KEEPS = 700 * UNIT;
    uint256 private constant SELLER_KEEPS = 40_700 * UNIT;
    Product private first = _product(START);
    address private dave = _named("dave");

    function setUp() public override {
        super.setUp();
        _enrol(_list(alice, bob, carol));
        _deposit(alice, 100 * COIN);
        _deposit(bob, 100 * COIN);
        _deposit(operator, 100 * COIN);
    }

    // Taking

    function test_a_trade_moves_positions_and_money() public {
        ITrades.Offer memory offer = _offer();
        (bytes32 digest, bytes memory signature) = (TRADES.offerDigest(offer), _sign("alice", offer));
        vm.expectEmit(address(TRADES));
        emit ITrades.OfferTaken(digest, alice, bob, 1, ZONE, START, 4, PRICE, 400, 0);
        vm.prank(bob);
        TRADES.take(offer, signature, 400);
        for (uint64 i = 0; i < INTERVALS; ++i) {
            _expectStake(_product(START + i * LENGTH), alice, -400, SELLER_KEEPS * 400);
            _expectStake(_product(START + i * LENGTH), bob, 400, BUYER_KEEPS * 400);
        }
        _expectStake(_product(START + INTERVALS * LENGTH), alice, 0, 0);
        // Alice puts up the difference to what her default costs; her proceeds are locked beside it.
        uint256 price = uint32(PRICE) * UNIT;
        _expectMoney(alice, (SELLER_KEEPS - price) * 1600, SELLER_KEEPS * 1600);
        _expectMoney(bob, (BUYER_KEEPS + price) * 1600, BUYER_KEEPS * 1600);
        vm.assertEq(VAULT.clearingBalance(), 0);
        vm.assertEq(TRADES.left(offer), 0);
    }

    function test_who_offers_to_buy_buys() public {
        ITrades.Offer memory offer = _offer();
        offer.side = 0;
        _take(bob, offer, 400);
        _expectStake(first, alice, 400, BUYER_KEEPS * 400);
        _expectStake(first, bob, -400, SELLER_KEEPS * 400);
    }

    /// @dev At a negative price the seller pays, and its buyer's proceeds are locked.
    function test_a_trade_locks_what_an_order_of_its_price_would(uint8 side, int32 price, uint40 quantity) public {
        ITrades.Offer memory offer = _offer();
        (offer.side, offer.intervals) = (uint8(bound(uint256(side), 0, 1)), 1);
        (offer.price, offer.quantity) = (int32(bound(price, -5000, 50_000)), uint40(bound(quantity, 1, 3000)));
        _take(bob, offer, offer.quantity);
        for (uint8 i = 0; i < 2; ++i) {
            address account = i == offer.side ? alice : bob;
            uint256 locked = LENS.collateral(first, i, offer.price, offer.quantity);
            int256 cost = int256(offer.price) * int256(uint256(offer.quantity) * UNIT);
            if (i == 1) cost = -cost;
            uint256 kept = uint256(int256(locked) - cost);
            _expectStake(
                first, account, i == 0 ? int256(uint256(offer.quantity)) : -int256(uint256(offer.quantity)), kept
            );
            _expectMoney(account, locked, kept);
        }
    }

    function test_trades_are_settled_beside_fills() public {
        ITrades.Offer memory offer = _offer();
        offer.intervals = 1;
        _take(bob, offer, 400);
        // Bob sells some of it on, and buys more, in the auction.
        _submit(bob, first, 1, 11_000, 150);
        _submit(_carolWithMoney(), first, 0, 11_000, 150);
        vm.warp(START - GATE_LEAD);
        MARKET.clear(first);
        MARKET.settleOrders(first, 10);
        vm.assertEq(MARKET.position(first, bob), 250);
        vm.assertEq(MARKET.position(first, alice) + MARKET.position(first, bob) + MARKET.position(first, carol), 0);
        vm.warp(START + LENGTH);
        _deliver(alice, 0, 400);
        _deliver(bob, 250, 0);
        _deliver(carol, 150, 0);
        vm.prank(dave);
        SETTLEMENT.settle(first, _list(alice, bob, carol));
        // Each as contracted: the prices and the grid fee, and nothing stays locked.
        _expectBalance(alice, 100 * COIN + 12_000 * 400 * UNIT);
        _expectBalance(bob, 100 * COIN - (12_000 * 400 - 11_000 * 150 + 700 * 250) * UNIT);
        _expectBalance(carol, 100 * COIN - (11_000 * 150 + 700 * 150) * UNIT);
        _expectBalance(operator, 100 * COIN + 700 * 400 * UNIT);
    }

    /// @dev What the seller of a trade does not deliver, the operator does, and is paid for it out of the seller's locks.
    function test_a_seller_that_defaults_pays_out_of_its_locks() public {
        ITrades.Offer memory offer = _offer();
        offer.intervals = 1;
        _take(bob, offer, 400);
        uint256 free = VAULT.balanceOf(alice).free;
        vm.prank(alice);
        VAULT.withdraw(free);
        vm.warp(START - GATE_LEAD);
        MARKET.clear(first);
        vm.warp(START + LENGTH);
        _deliver(alice, 0, 0);
        SETTLEMENT.settle(first, _list(alice));
        _expectBalance(alice, 0);
        _expectBalance(operator, 100 * COIN + SELLER_KEEPS * 400);
    }

    function test_an_offer_is_taken_in_parts_and_never_beyond() public {
        ITrades.Offer memory offer = _offer();
        bytes memory signature = _sign("alice", offer);
        vm.assertEq(TRADES.left(offer), 400);
        vm.prank(bob);
        TRADES.take(offer, signature, 150);
        vm.assertEq(TRADES.left(offer), 250);
        vm.assertEq(TRADES.isNonceUsed(alice, 1), true);
        _depositFor(carol);
        _expectTake(carol, offer, signature, 251, abi.encodeWithSelector(ITrades.BeyondOffer.selector, 251, 250));
        vm.prank(carol);
        TRADES.take(offer, signature, 250);
        vm.assertEq(TRADES.left(offer), 0);
        _expectTake(bob, offer, signature, 1, abi.encodeWithSelector(ITrades.BeyondOffer.selector, 1, 0));
        vm.assertEq(MARKET.position(first, alice), -400);
        vm.assertEq(MARKET.position(first, bob), 150);
        vm.assertEq(MARKET.position(first, carol), 250);
    }

    function test_an_offer_for_one_is_for_nobody_else() public {
        ITrades.Offer memory offer = _offer();
        offer.taker = bob;
        bytes memory signature = _sign("alice", offer);
        _depositFor(carol);
        _expectTake(carol, offer, signature, 1, abi.encodeWithSelector(ITrades.NotYourOffer.selector, bob));
        vm.prank(bob);
        TRADES.take(offer, signature, 1);
    }

    // Times

    function test_offers_are_taken_until_they_expire() public {
        ITrades.Offer memory offer = _offer();
        bytes memory signature = _sign("alice", offer);
        vm.warp(offer.expiry);
        vm.prank(bob);
        TRADES.take(offer, signature, 1);
        vm.warp(offer.expiry + 1);
        _expectTake(bob, offer, signature, 1, abi.encodeWithSelector(ITrades.OfferExpired.selector, offer.expiry));
    }

    function test_a_series_is_open_to_its_end_or_not_at_all() public {
        ITrades.Offer memory offer = _offer();
        offer.intervals = 5;
        bytes memory signature = _sign("alice", offer);
        Product last = _product(START + 4 * LENGTH);
        bytes memory reason = abi.encodeWithSelector(IMarket.NotOpenYet.selector, last, T0 + LENGTH);
        _expectTake(bob, offer, signature, 1, reason);
        vm.warp(T0 + LENGTH - 1);
        _expectTake(bob, offer, signature, 1, reason);
        vm.warp(T0 + LENGTH);
        offer.expiry = START;
        reason = abi.encodeWithSelector(IMarket.TradingOver.selector, first, START);
        _expectTake(bob, offer, 1, reason);
        // A later series opens in time.
        offer.firstStart = START + LENGTH;
        (offer.intervals, offer.expiry) = (4, START + LENGTH);
        _take(bob, offer, 1);
    }

    /// @dev Trading goes on after the auction's gate has closed.
    function test_trades_end_a_lead_before_delivery() public {
        uint64 from = T0 + 2 * OPEN_LEAD;
        vm.prank(admin);
        REGISTRY.setTradeLead(ZONE, 60, from);
        ITrades.Offer memory offer = _offer();
        offer.expiry = type(uint64).max;
        bytes memory signature = _sign("alice", offer);
        vm.warp(START - 1);
        vm.prank(bob);
        TRADES.take(offer, signature, 1);
        vm.warp(START);
        _expectTake(bob, offer, signature, 1, abi.encodeWithSelector(IMarket.TradingOver.selector, first, START));

        (offer.firstStart, offer.intervals, offer.nonce) = (from, 1, 2);
        signature = _sign("alice", offer);
        vm.warp(from - 61);
        vm.prank(bob);
        TRADES.take(offer, signature, 1);
        vm.warp(from - 60);
        bytes memory reason = abi.encodeWithSelector(IMarket.TradingOver.selector, _product(from), from - 60);
        _expectTake(bob, offer, signature, 1, reason);
    }

    function test_a_trade_lead_changes_for_products_that_have_not_opened() public {
        uint64 earliest = T0 + OPEN_LEAD + LENGTH;
        vm.startPrank(admin);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.TooSoon.selector, earliest - LENGTH, earliest));
        REGISTRY.setTradeLead(ZONE, 60, earliest - LENGTH);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.UnalignedTime.selector, earliest + 1, LENGTH));
        REGISTRY.setTradeLead(ZONE, 60, earliest + 1);
        vm.expectEmit(address(REGISTRY));
        emit IRegistry.TradeLeadChanged(ZONE, earliest, 60);
        REGISTRY.setTradeLead(ZONE, 60, earliest);
        vm.assertEq(_tradeLead(earliest - LENGTH), 0);
        vm.assertEq(_tradeLead(earliest), 60);
        vm.assertEq(keccak256(abi.encode(REGISTRY.settingsAt(ZONE, earliest))), keccak256(abi.encode(_settings())));
        // Other changes leave it as it is, and it is withdrawn like them.
        REGISTRY.changeZone(ZONE, _settings(), earliest + LENGTH);
        vm.assertEq(_tradeLead(earliest + LENGTH), 60);
        REGISTRY.withdrawZoneChange(ZONE);
        REGISTRY.withdrawZoneChange(ZONE);
        vm.assertEq(_tradeLead(earliest), 0);
        vm.stopPrank();
    }

    function test_a_series_has_one_set_of_rules() public {
        uint64 from = T0 + 2 * OPEN_LEAD;
        IRegistry.ZoneSettings memory settings = _settings();
        settings.gridFee = 0;
        vm.prank(admin);
        REGISTRY.changeZone(ZONE, settings, from);
        vm.warp(from - OPEN_LEAD + 2 * LENGTH);
        ITrades.Offer memory offer = _offer();
        (offer.firstStart, offer.expiry) = (from - LENGTH, from);
        bytes memory reason = abi.encodeWithSelector(IRegistry.SettingsChange.selector, ZONE, from);
        _expectTake(bob, offer, _sign("alice", offer), 1, reason);
        (offer.firstStart, offer.intervals) = (from, 3);
        _take(bob, offer, 1);
        _expectStake(_product(from), bob, 1, 0);
    }

    // Terms

    function test_bad_terms_have_their_errors() public {
        ITrades.Offer memory offer = _offer();
        offer.side = 2;
        _expectTake(bob, offer, 1, abi.encodeWithSelector(ITrades.InvalidSide.selector, 2));
        offer = _offer();
        offer.quantity = 0;
        _expectTake(bob, offer, 1, abi.encodeWithSelector(ITrades.ZeroQuantity.selector));
        _expectTake(bob, _offer(), 0, abi.encodeWithSelector(ITrades.ZeroQuantity.selector));
        offer = _offer();
        offer.intervals = 0;
        _expectTake(bob, offer, 1, abi.encodeWithSelector(ITrades.InvalidSeries.selector, 0, 672));
        offer.intervals = 673;
        _expectTake(bob, offer, 1, abi.encodeWithSelector(ITrades.InvalidSeries.selector, 673, 672));
        offer = _offer();
        ++offer.firstStart;
        Product product = _product(START + 1);
        _expectTake(bob, offer, 1, abi.encodeWithSelector(IMarket.UnalignedStart.selector, product, LENGTH));
        offer = _offer();
        offer.firstStart = type(uint64).max;
        product = _product(type(uint64).max);
        _expectTake(bob, offer, 1, abi.encodeWithSelector(IMarket.InvalidProduct.selector, product));
        offer = _offer();
        offer.zone = 0;
        _expectTake(bob, offer, 1, abi.encodeWithSelector(IMarket.InvalidProduct.selector, uint256(START)));
        offer.zone = ZONE + 1;
        _expectTake(bob, offer, 1, abi.encodeWithSelector(IRegistry.UnknownZone.selector, ZONE + 1));
        offer = _offer();
        offer.price = 50_001;
        bytes memory reason = abi.encodeWithSelector(IMarket.PriceOutOfBounds.selector, 50_001, -5000, 50_000);
        _expectTake(bob, offer, 1, reason);
        _expectTake(alice, _offer(), 1, abi.encodeWithSelector(ITrades.OwnOffer.selector, alice));
    }

    function test_both_sides_trade_in_the_zone_and_neither_operates_it() public {
        bytes memory reason = abi.encodeWithSelector(IMarket.NotParticipant.selector, dave, ZONE);
        _expectTake(dave, _offer(), 1, reason);
        ITrades.Offer memory offer = _offer();
        offer.maker = dave;
        bytes memory signature = _sign("dave", offer);
        _expectTake(bob, offer, signature, 1, reason);
        vm.prank(registrar);
        REGISTRY.setParticipantActive(bob, false);
        _expectTake(bob, _offer(), 1, abi.encodeWithSelector(IMarket.NotParticipant.selector, bob, ZONE));
        _enrol(_list(operator));
        reason = abi.encodeWithSelector(IMarket.OperatorCannotTrade.selector, operator, ZONE);
        _expectTake(operator, _offer(), 1, reason);
    }

    function test_trades_keep_to_the_limits_of_orders() public {
        // Orders and trades together stay within what the meters can take or deliver: 5,000 Wh and 3,000 Wh.
        ITrades.Offer memory offer = _offer();
        (offer.quantity, offer.intervals) = (3001, 1);
        bytes memory reason = abi.encodeWithSelector(IMarket.BeyondCapacity.selector, 1, 3001, 3000);
        _expectTake(bob, offer, 3001, reason);
        _submit(alice, first, 1, 1000, 1000);
        reason = abi.encodeWithSelector(IMarket.BeyondCapacity.selector, 1, 3001, 3000);
        _expectTake(bob, offer, 2001, reason);
        _take(bob, offer, 2000);
        _expectTake(bob, offer, 1, reason);
        vm.expectRevert(reason);
        _submit(alice, first, 1, 1000, 1);
        _submit(bob, first, 0, 1000, 3000);
        vm.expectRevert(abi.encodeWithSelector(IMarket.BeyondCapacity.selector, 0, 5001, 5000));
        _submit(bob, first, 0, 1000, 1);
        // What was bought can be sold again.
        _submit(bob, first, 1, 1000, 3000);
    }

    /// @dev A meter counts for a series if it counts in each of its intervals.
    function test_capacity_holds_for_the_whole_series() public {
        _propose(abi.encodeCall(REGISTRY.assignMeter, (_meterOf(alice), carol, T0 + 2 * OPEN_LEAD)));
        vm.prank(operator);
        REGISTRY.assignMeter(_meterOf(alice), carol, T0 + 2 * OPEN_LEAD);
        uint64 from = T0 + 2 * OPEN_LEAD - LENGTH;
        vm.warp(from - OPEN_LEAD + LENGTH);
        ITrades.Offer memory offer = _offer();
        (offer.firstStart, offer.intervals, offer.expiry) = (from, 2, from);
        _expectTake(bob, offer, 1, abi.encodeWithSelector(IMarket.BeyondCapacity.selector, 1, 1, 0));
        offer.intervals = 1;
        _take(bob, offer, 1);
    }

    function test_who_has_no_money_makes_no_trade() public {
        bytes memory reason = abi.encodeWithSelector(IVault.InsufficientFree.selector, carol, 0, 12_700 * 4 * UNIT);
        _expectTake(carol, _offer(), 1, reason);
        vm.assertEq(TRADES.left(_offer()), 400);
    }

    function test_pausers_stop_trades() public {
        vm.prank(pauser);
        MARKET.pauseOrders();
        _expectTake(bob, _offer(), 1, abi.encodeWithSelector(IMarket.OrdersArePaused.selector, T0 + 1 days));
    }

    function test_only_trades_books_trades() public {
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotTrades.selector, dave));
        vm.prank(dave);
        MARKET.bookTrade(IMarket.DirectTrade(alice, bob, ZONE, START, 1, PRICE, 1));
    }

    // Signatures

    function test_the_digest_is_that_of_EIP_712() public view {
        ITrades.Offer memory offer = _offer();
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Wattline Trades"),
                keccak256("1"),
                block.chainid,
                address(TRADES)
            )
        );
        string memory offerType =
            "Offer(address maker,address taker,uint8 side,uint64 zone,uint64 firstStart,uint32 intervals,int32 price,uint40 quantity,uint256 nonce,uint64 expiry)";
        bytes32 hash = keccak256(abi.encode(keccak256(bytes(offerType)), offer));
        vm.assertEq(TRADES.offerDigest(offer), keccak256(abi.encodePacked(hex"1901", domain, hash)));

        ITrades.SignedTake memory signed = ITrades.SignedTake(bob, offer, "", 5, 8, START, "");
        bytes32 takeType = keccak256(
            abi.encodePacked("Take(address taker,Offer offer,uint40 quantity,uint256 nonce,uint64 deadline)", offerType)
        );
        hash = keccak256(abi.encode(takeType, bob, hash, 5, 8, START));
        vm.assertEq(TRADES.takeDigest(signed), keccak256(abi.encodePacked(hex"1901", domain, hash)));

        uint256[] memory nonces = new uint256[](2);
        (nonces[0], nonces[1]) = (3, 4);
        bytes32 type_ = keccak256("Cancellation(address account,uint256[] nonces)");
        hash = keccak256(abi.encode(type_, bob, keccak256(abi.encodePacked(uint256(3), uint256(4)))));
        vm.assertEq(TRADES.cancellationDigest(bob, nonces), keccak256(abi.encodePacked(hex"1901", domain, hash)));
    }

    function test_nothing_but_the_makers_signature_counts(bytes memory signature) public {
        bytes memory wrong = abi.encodeWithSelector(ITrades.WrongSignature.selector, alice);
        bytes memory right = _sign("alice", _offer());
        vm.assume(keccak256(signature) != keccak256(right));
        _expectTake(bob, _offer(), signature, 1, wrong);
        _expectTake(bob, _offer(), _sign("bob", _offer()), 1, wrong);
        ITrades.Offer memory offer = _offer();
        ++offer.price;
        _expectTake(bob, offer, right, 1, wrong);
        vm.chainId(block.chainid + 1);
        _expectTake(bob, _offer(), right, 1, wrong);
    }

    function test_contracts_confirm_by_ERC_1271(uint8 manner) public {
        Wallet wallet = _walletWithMoney(manner % 4);
        ITrades.Offer memory offer = _offer();
        offer.maker = address(wallet);
        if (wallet.manner() != Wallet.Manner.Confirms) {
            bytes memory reason = abi.encodeWithSelector(ITrades.WrongSignature.selector, address(wallet));
            _expectTake(bob, offer, "anything", 1, reason);
        } else {
            vm.prank(bob);
            TRADES.take(offer, "anything", 1);
            // It can think better of it.
            wallet.set(Wallet.Manner.Refuses);
            bytes memory reason = abi.encodeWithSelector(ITrades.WrongSignature.selector, address(wallet));
            _expectTake(bob, offer, "anything", 1, reason);
        }
    }

    function test_one_nonce_serves_one_offer() public {
        ITrades.Offer memory offer = _offer();
        _take(bob, offer, 1);
        ++offer.price;
        bytes memory reason = abi.encodeWithSelector(ITrades.NonceUsed.selector, alice, 1);
        _expectTake(bob, offer, 1, reason);
        vm.assertEq(TRADES.left(offer), 0);
        offer.nonce = 2;
        vm.assertEq(TRADES.left(offer), 400);
        _take(bob, offer, 1);
    }

    // The board

    function test_a_posted_offer_needs_no_signature() public {
        ITrades.Offer memory offer = _offer();
        vm.expectEmit(address(TRADES));
        emit ITrades.OfferPosted(TRADES.offerDigest(offer), alice, ZONE, offer);
        vm.prank(alice);
        TRADES.post(offer);
        vm.assertEq(TRADES.isPosted(offer), true);
        vm.prank(bob);
        TRADES.take(offer, "", 400);
        vm.assertEq(TRADES.left(offer), 0);
        // The same nonce stands for no other offer.
        offer.quantity = 500;
        vm.assertEq(TRADES.isPosted(offer), false);
        _expectTake(bob, offer, "", 1, abi.encodeWithSelector(ITrades.NonceUsed.selector, alice, 1));
    }

    function test_only_its_maker_posts_an_offer_and_once() public {
        ITrades.Offer memory offer = _offer();
        vm.expectRevert(abi.encodeWithSelector(ITrades.NotMaker.selector, alice));
        vm.prank(bob);
        TRADES.post(offer);
        vm.startPrank(alice);
        TRADES.post(offer);
        vm.expectRevert(abi.encodeWithSelector(ITrades.AlreadyPosted.selector, TRADES.offerDigest(offer)));
        TRADES.post(offer);
        vm.stopPrank();
        offer.maker = dave;
        vm.expectRevert(abi.encodeWithSelector(ITrades.NotParticipant.selector, dave, ZONE));
        vm.prank(dave);
        TRADES.post(offer);
    }

    function test_anybody_posts_what_makers_signed() public {
        ITrades.SignedOffer[] memory offers = new ITrades.SignedOffer[](4);
        for (uint256 i = 0; i < offers.length; ++i) {
            offers[i].offer = _offer();
            offers[i].offer.nonce = i;
            offers[i].signature = _sign("alice", offers[i].offer);
        }
        offers[1].offer.price = 1;
        offers[2] = offers[0];
        vm.expectEmit(address(TRADES));
        emit ITrades.OfferRefused(alice, 1, abi.encodeWithSelector(ITrades.WrongSignature.selector, alice));
        bytes memory reason =
            abi.encodeWithSelector(ITrades.AlreadyPosted.selector, TRADES.offerDigest(offers[0].offer));
        vm.expectEmit(address(TRADES));
        emit ITrades.OfferRefused(alice, 0, reason);
        vm.prank(dave);
        bool[] memory posted = TRADES.postSigned(offers);
        for (uint256 i = 0; i < offers.length; ++i) {
            vm.assertEq(posted[i], i == 0 || i == 3);
            vm.assertEq(TRADES.isPosted(offers[i].offer), i != 1);
        }
        vm.expectRevert(abi.encodeWithSelector(ITrades.NotSelf.selector, dave));
        vm.prank(dave);
        TRADES.postSignedOffer(offers[0]);
    }

    // Taking back

    function test_a_maker_takes_an_offer_back() public {
        ITrades.Offer memory offer = _offer();
        _take(bob, offer, 100);
        vm.expectRevert(abi.encodeWithSelector(ITrades.NotMaker.selector, alice));
        vm.prank(bob);
        TRADES.cancel(offer);
        vm.expectEmit(address(TRADES));
        emit ITrades.NonceCancelled(alice, 1);
        vm.prank(alice);
        TRADES.cancel(offer);
        bytes memory reason = abi.encodeWithSelector(ITrades.NonceUsed.selector, alice, 1);
        _expectTake(bob, offer, 1, reason);
        vm.assertEq(TRADES.left(offer), 0);
        vm.assertEq(MARKET.position(first, bob), 100);
        vm.expectRevert(reason);
        vm.prank(alice);
        TRADES.cancel(offer);
    }

    function test_cancelled_nonces_take_offers_back_posted_or_not() public {
        ITrades.Offer memory offer = _offer();
        vm.prank(alice);
        TRADES.post(offer);
        uint256[] memory nonces = new uint256[](2);
        (nonces[0], nonces[1]) = (1, 2);
        vm.prank(alice);
        TRADES.cancelNonces(nonces);
        vm.assertEq(TRADES.isPosted(offer), false);
        for (; offer.nonce < 3; ++offer.nonce) {
            bytes memory reason = abi.encodeWithSelector(ITrades.NonceUsed.selector, alice, offer.nonce);
            _expectTake(bob, offer, offer.nonce == 1 ? bytes("") : _sign("alice", offer), 1, reason);
        }
        _take(bob, offer, 1);
    }

    function test_anybody_carries_cancellations() public {
        uint256[] memory nonces = new uint256[](1);
        nonces[0] = 1;
        bytes32 digest = TRADES.cancellationDigest(alice, nonces);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(_keyOfNamed("alice"), digest);
        bytes memory signature = abi.encodePacked(r, s, v);
        nonces[0] = 2;
        vm.expectRevert(abi.encodeWithSelector(ITrades.WrongSignature.selector, alice));
        TRADES.cancelNoncesBySig(alice, nonces, signature);
        nonces[0] = 1;
        vm.prank(dave);
        TRADES.cancelNoncesBySig(alice, nonces, signature);
        _expectTake(bob, _offer(), 1, abi.encodeWithSelector(ITrades.NonceUsed.selector, alice, 1));
    }

    // Signed acceptances

    function test_anybody_carries_acceptances_each_on_its_own() public {
        ITrades.SignedTake[] memory takes = new ITrades.SignedTake[](8);
        takes[0] = _signedTake("bob", _offer(), 100, 1);
        takes[1] = takes[0];
        takes[2] = _signedTake("bob", _offer(), 100, 2);
        takes[2].quantity = 101;
        takes[3] = _signedTake("bob", _offer(), 100, 3);
        takes[3].deadline = T0 - 1;
        takes[4] = _signedTake("bob", _offer(), 301, 4);
        takes[5] = _signedTake("alice", _offer(), 1, 1);
        takes[6] = _signedTake("bob", _offer(), 1, 6);
        takes[6].offerSignature = takes[6].signature;
        takes[7] = _signedTake("bob", _offer(), 300, 4);
        _expectRefusal(bob, 1, abi.encodeWithSelector(ITrades.NonceUsed.selector, bob, 1));
        _expectRefusal(bob, 2, abi.encodeWithSelector(ITrades.WrongSignature.selector, bob));
        _expectRefusal(bob, 3, abi.encodeWithSelector(ITrades.TakeExpired.selector, T0 - 1));
        _expectRefusal(bob, 4, abi.encodeWithSelector(ITrades.BeyondOffer.selector, 301, 300));
        // What alice signs here she signs as a taker; her offer has the nonce.
        _expectRefusal(alice, 1, abi.encodeWithSelector(ITrades.NonceUsed.selector, alice, 1));
        _expectRefusal(bob, 6, abi.encodeWithSelector(ITrades.WrongSignature.selector, alice));
        vm.prank(dave);
        bool[] memory taken = TRADES.takeSigned(takes);
        for (uint256 i = 0; i < taken.length; ++i) {
            vm.assertEq(taken[i], i == 0 || i == 7);
        }
        vm.assertEq(MARKET.position(first, bob), 400);
        vm.expectRevert(abi.encodeWithSelector(ITrades.NotSelf.selector, dave));
        vm.prank(dave);
        TRADES.takeSignedOffer(takes[0]);
    }

    function test_a_carrier_without_gas_refuses_nothing() public {
        ITrades.SignedTake[] memory takes = new ITrades.SignedTake[](1);
        takes[0] = _signedTake("bob", _offer(), 100, 1);
        vm.expectRevert(abi.encodeWithSelector(ITrades.NotEnoughGas.selector, 1_240_000));
        TRADES.takeSigned{gas: 1_200_000}(takes);
        ITrades.SignedOffer[] memory offers = new ITrades.SignedOffer[](1);
        offers[0] = ITrades.SignedOffer(_offer(), _sign("alice", _offer()));
        vm.expectRevert(abi.encodeWithSelector(ITrades.NotEnoughGas.selector, 1_000_000));
        TRADES.postSigned{gas: 900_000}(offers);
    }

    // Helpers

    function _offer() private view returns (ITrades.Offer memory) {
        return ITrades.Offer({
            maker: alice,
            taker: address(0),
            side: 1,
            zone: ZONE,
            firstStart: START,
            intervals: INTERVALS,
            price: PRICE,
            quantity: 400,
            nonce: 1,
            expiry: START - 1
        });
    }

    function _sign(string memory name, ITrades.Offer memory offer) private view returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(_keyOfNamed(name), TRADES.offerDigest(offer));
        return abi.encodePacked(r, s, v);
    }

    function _signedTake(string memory name, ITrades.Offer memory offer, uint40 quantity, uint256 nonce)
        private
        view
        returns (ITrades.SignedTake memory signed)
    {
        signed = ITrades.SignedTake(_named(name), offer, _sign("alice", offer), quantity, nonce, T0 + 60, "");
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(_keyOfNamed(name), TRADES.takeDigest(signed));
        signed.signature = abi.encodePacked(r, s, v);
    }

    function _take(address taker, ITrades.Offer memory offer, uint40 quantity) private {
        bytes memory signature = _sign("alice", offer);
        vm.prank(taker);
        TRADES.take(offer, signature, quantity);
    }

    function _expectTake(address taker, ITrades.Offer memory offer, uint40 quantity, bytes memory reason) private {
        _expectTake(taker, offer, _sign("alice", offer), quantity, reason);
    }

    function _expectTake(
        address taker,
        ITrades.Offer memory offer,
        bytes memory signature,
        uint40 quantity,
        bytes memory reason
    ) private {
        vm.expectRevert(reason);
        vm.prank(taker);
        TRADES.take(offer, signature, quantity);
    }

    function _expectRefusal(address taker, uint256 nonce, bytes memory reason) private {
        vm.expectEmit(address(TRADES));
        emit ITrades.TakeRefused(taker, nonce, reason);
    }

    function _expectStake(Product product, address account, int256 position, uint256 locked) private view {
        IMarket.AccountInfo memory info = MARKET.accountInfo(product, account);
        vm.assertEq(info.position, position, "position");
        vm.assertEq(info.locked, locked, "locked for the product");
    }

    /// @dev What an account of 100 coins has paid out of its free money, and what is locked.
    function _expectMoney(address account, uint256 spent, uint256 locked) private view {
        IVault.Balance memory balance = VAULT.balanceOf(account);
        vm.assertEq(balance.free, 100 * COIN - spent, "free");
        vm.assertEq(balance.locked, locked, "locked");
    }

    function _expectBalance(address account, uint256 free) private view {
        IVault.Balance memory balance = VAULT.balanceOf(account);
        vm.assertEq(balance.free, free, "free");
        vm.assertEq(balance.locked, 0, "locked");
        vm.assertEq(balance.debt, 0, "debt");
    }

    function _deliver(address account, uint64 importWh, uint64 exportWh) private {
        _read(_meterOf(account), START, 0, 0);
        _read(_meterOf(account), START + LENGTH, importWh, exportWh);
    }

    function _carolWithMoney() private returns (address) {
        _depositFor(carol);
        return carol;
    }

    function _depositFor(address account) private {
        _deposit(account, 100 * COIN);
    }

    function _walletWithMoney(uint8 manner) private returns (Wallet wallet) {
        wallet = new Wallet();
        wallet.set(Wallet.Manner(manner));
        _enrol(_list(address(wallet)));
        vm.startPrank(alice);
        TOKEN.approve(address(VAULT), COIN);
        VAULT.depositFor(address(wallet), COIN);
        vm.stopPrank();
    }

    function _tradeLead(uint64 start) private view returns (uint32 lead) {
        (, lead,) = REGISTRY.tradingRules(ZONE, start, 1, _list(alice));
    }
}
