// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Managed} from "./base/Managed.sol";
import {IBatchAuction} from "./interfaces/IBatchAuction.sol";
import {IMarket} from "./interfaces/IMarket.sol";
import {IRegistry} from "./interfaces/IRegistry.sol";
import {IVault} from "./interfaces/IVault.sol";
import {Credit} from "./libraries/Credit.sol";
import {Fill} from "./libraries/Fill.sol";
import {Money} from "./libraries/Money.sol";
import {Predeploys} from "./libraries/Predeploys.sol";
import {Ring} from "./libraries/Ring.sol";
import {ASK, BID, Order, packOrder} from "./types/Order.sol";
import {Product, packProduct} from "./types/Product.sol";
import {EIP712Upgradeable} from "@openzeppelin/contracts-upgradeable/utils/cryptography/EIP712Upgradeable.sol";
import {SlotDerivation} from "@openzeppelin/contracts/utils/SlotDerivation.sol";
import {StorageSlot} from "@openzeppelin/contracts/utils/StorageSlot.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {BitMaps} from "@openzeppelin/contracts/utils/structs/BitMaps.sol";

/// @title Orders and auctions
contract Market is IMarket, EIP712Upgradeable, Managed {
    using BitMaps for BitMaps.BitMap;
    using SafeCast for uint256;
    using SafeCast for int256;
    using SlotDerivation for bytes32;

    /// @notice The most orders of one account in one product, so that nobody fills the book alone.
    uint256 public constant MAX_ORDERS_OF_ACCOUNT = 64;

    /// @notice How long a pause lasts.
    uint64 public constant PAUSE = 1 days;
    /// @notice How long a pauser waits from one pause to the next.
    uint64 public constant PAUSE_INTERVAL = 7 days;

    /// @dev What the account of a trader that is a contract can spend of a carrier's gas, with all the rest of an order.
    uint256 private constant GAS_OF_SIGNED_ORDER = 1_000_000;

    bytes32 private constant ORDER_TYPEHASH = keccak256(
        "Order(address trader,uint256 product,uint8 side,int32 price,uint40 quantity,uint256 nonce,uint64 deadline)"
    );

    /// @dev Three slots; clearing writes the first two, each page of settled orders the first and the last. `vacant` is the
    ///      place, counted from one, whose order was cancelled last; the empty word there names the one before.
    struct Auction {
        int32 price;
        uint64 volume;
        int32 bidPrice;
        int32 askPrice;
        bool cleared;
        uint32 settled;
        uint32 vacant;
        uint24 orderCount;
        uint64 bidQuantity;
        uint64 bidFilled;
        uint64 askQuantity;
        uint64 askFilled;
        Fill.Seen seen;
    }

    /// @dev One slot: what a product means for an account. Once delivered, nothing is locked and no order open: what was
    ///      locked gives place to the metered energy, as an `int112`.
    struct Stake {
        uint112 locked;
        int48 position;
        uint40 openBidWh;
        uint40 openAskWh;
        uint8 orderCount;
        bool delivered;
    }

    /// @dev One slot: what a key may order for an account.
    struct AgentRecord {
        uint48 until;
        int32 minPrice;
        int32 maxPrice;
        uint40 maxQuantity;
    }

    IRegistry private constant REGISTRY = IRegistry(Predeploys.REGISTRY);
    IVault private constant VAULT = IVault(Predeploys.VAULT);

    /// @dev The slot of `_orders`, from which the precompile is told where a product's words lie.
    bytes32 private constant ORDERS_SLOT = 0;

    IBatchAuction private immutable _AUCTION;

    /// @dev Slot 0: must stay the first variable.
    mapping(Product place => Order[]) private _orders;
    mapping(Product product => Auction) private _auctions;
    mapping(Product product => mapping(address account => Stake)) private _stakes;
    mapping(address pauser => uint64) private _pausedAt;
    uint64 private _pausedUntil;
    mapping(address trader => BitMaps.BitMap) private _nonces;
    mapping(address trader => mapping(address agent => AgentRecord)) private _agents;
    /// @dev Whose book stands in a place. It is there until the place is used again.
    mapping(Product place => Product) private _booked;

    modifier onlySettlement() {
        if (msg.sender != Predeploys.SETTLEMENT) revert NotSettlement(msg.sender);
        _;
    }

    /// @param auction_ The batch auction precompile's address.
    constructor(address auction_) {
        _AUCTION = IBatchAuction(auction_);
    }

    /// @notice Sets up the proxy.
    function initialize() external initializer {
        __Managed_init();
    }

    // Until gate closure

    /// @inheritdoc IMarket
    function submit(Product product, uint8 side, int32 price, uint40 quantity) external returns (uint256 index) {
        NewOrder memory order = NewOrder({product: product, side: side, price: price, quantity: quantity});
        return _submit(msg.sender, msg.sender, order);
    }

    /// @inheritdoc IMarket
    function submitMany(NewOrder[] calldata newOrders) external returns (uint256[] memory) {
        return submitFor(msg.sender, newOrders);
    }

    /// @inheritdoc IMarket
    function submitFor(address trader, NewOrder[] calldata newOrders) public returns (uint256[] memory indices) {
        indices = new uint256[](newOrders.length);
        for (uint256 i = 0; i < newOrders.length; ++i) {
            indices[i] = _submit(trader, msg.sender, newOrders[i]);
        }
    }

    /// @inheritdoc IMarket
    function submitSigned(SignedOrder[] calldata signedOrders) external returns (bool[] memory taken) {
        taken = new bool[](signedOrders.length);
        for (uint256 i = 0; i < signedOrders.length; ++i) {
            // A carrier that brings too little gas must not pass that off as the order's fault.
            if (gasleft() < GAS_OF_SIGNED_ORDER * 64 / 63 + 50_000) revert NotEnoughGas(GAS_OF_SIGNED_ORDER);
            try this.submitSignedOrder{gas: GAS_OF_SIGNED_ORDER}(signedOrders[i]) {
                taken[i] = true;
            } catch (bytes memory reason) {
                emit SignedOrderRefused(signedOrders[i].trader, signedOrders[i].nonce, reason);
            }
        }
    }

    /// @inheritdoc IMarket
    function submitSignedOrder(SignedOrder calldata signedOrder) external {
        if (msg.sender != address(this)) revert NotSelf(msg.sender);
        address trader = signedOrder.trader;
        if (block.timestamp > signedOrder.deadline) revert OrderExpired(signedOrder.deadline);
        if (_nonces[trader].get(signedOrder.nonce)) revert NonceUsed(trader, signedOrder.nonce);
        _nonces[trader].set(signedOrder.nonce);
        address signer = _signerOf(trader, orderDigest(signedOrder), signedOrder.signature);
        _submit(
            trader, signer, NewOrder(signedOrder.product, signedOrder.side, signedOrder.price, signedOrder.quantity)
        );
    }

    /// @inheritdoc IMarket
    function cancelNonces(uint256[] calldata nonces) external {
        for (uint256 i = 0; i < nonces.length; ++i) {
            _nonces[msg.sender].set(nonces[i]);
            emit NonceCancelled(msg.sender, nonces[i]);
        }
    }

    /// @inheritdoc IMarket
    function cancel(Product product, uint256 index) external {
        if (index >= _auctions[product].orderCount) revert UnknownOrder(product, index);
        Order order = _bookOf(product)[index];
        if (order.quantity() == 0) revert OrderEmpty(product, index);
        address trader = order.trader();
        if (msg.sender != trader && !_isAgent(trader, msg.sender)) revert NotYourOrder(product, index, trader);
        IRegistry.ZoneSettings memory settings = _settings(product);
        _checkGateOpen(product, settings);

        uint256 locked = Credit.ofOrder(order.side(), order.price(), order.quantity(), settings);
        _vacate(product, index);
        Stake storage stake = _stakes[product][trader];
        stake.locked -= locked.toUint112();
        if (order.side() == BID) stake.openBidWh -= order.quantity();
        else stake.openAskWh -= order.quantity();
        --stake.orderCount;
        emit OrderCancelled(product, trader, index, locked);
        VAULT.unlock(trader, locked);
    }

    /// @inheritdoc IMarket
    function setAgent(address agent, Agent calldata powers) external {
        _agents[msg.sender][agent] = AgentRecord({
            until: Math.min(powers.until, type(uint48).max).toUint48(),
            minPrice: powers.minPrice,
            maxPrice: powers.maxPrice,
            maxQuantity: powers.maxQuantity
        });
        emit AgentSet(msg.sender, agent, powers);
    }

    /// @inheritdoc IMarket
    function bookTrade(DirectTrade calldata trade) external {
        if (msg.sender != Predeploys.TRADES) revert NotTrades(msg.sender);
        IVault.Trade[] memory bookings = new IVault.Trade[](2);
        bookings[0] = _trade(trade.buyer, BID, trade);
        bookings[1] = _trade(trade.seller, ASK, trade);
        VAULT.bookTrades(bookings);
    }

    /// @inheritdoc IMarket
    function pauseOrders() external restricted {
        uint64 next = _pausedAt[msg.sender] + PAUSE_INTERVAL;
        uint64 today = block.timestamp.toUint64();
        if (_pausedAt[msg.sender] != 0 && today < next) revert PausedRecently(msg.sender, next);
        _pausedAt[msg.sender] = today;
        _pausedUntil = today + PAUSE;
        emit OrdersPaused(msg.sender, _pausedUntil);
    }

    // After gate closure

    /// @inheritdoc IMarket
    function clear(Product product) external {
        Auction storage auction_ = _auctions[product];
        if (auction_.cleared) revert AlreadyCleared(product);
        uint64 closesAt = _gate(product, _settings(product));
        if (block.timestamp < closesAt) revert GateStillOpen(product, closesAt);

        uint256 count = auction_.orderCount;
        IBatchAuction.Clearing memory result = _AUCTION.clearStored(ordersSlot(product), count);
        auction_.price = result.price;
        auction_.volume = result.volume;
        auction_.bidPrice = result.bid.price;
        auction_.askPrice = result.ask.price;
        auction_.cleared = true;
        auction_.bidQuantity = result.bid.quantity;
        auction_.bidFilled = result.bid.filled;
        auction_.askQuantity = result.ask.quantity;
        auction_.askFilled = result.ask.filled;
        emit ProductCleared(
            product,
            result.price,
            result.volume,
            count,
            Level(result.bid.price, result.bid.quantity, result.bid.filled),
            Level(result.ask.price, result.ask.quantity, result.ask.filled)
        );
        if (count == 0) emit OrdersSettled(product);
    }

    /// @inheritdoc IMarket
    function settleOrders(Product product, uint256 max) external returns (bool done) {
        Auction storage auction_ = _auctions[product];
        if (!auction_.cleared) revert NotCleared(product);
        if (max == 0) revert EmptyPage();
        uint256 from = auction_.settled;
        uint256 count = auction_.orderCount;
        if (from == count) revert OrdersAlreadySettled(product);
        Order[] storage book = _bookOf(product);
        uint256 to = from + Math.min(max, count - from);

        IVault.Trade[] memory trades = new IVault.Trade[](to - from);
        {
            Clearing memory result = _clearing(auction_);
            Fill.Seen memory seen = auction_.seen;
            IRegistry.ZoneSettings memory settings = _settings(product);
            for (uint256 i = from; i < to; ++i) {
                Order order = book[i];
                trades[i - from] =
                    _settleOrder(product, i, order, Fill.next(result, seen, order), result.price, settings);
            }
            auction_.seen = seen;
        }
        auction_.settled = to.toUint32();
        done = to == count;
        if (done) emit OrdersSettled(product);
        VAULT.bookTrades(trades);
    }

    /// @inheritdoc IMarket
    function closePositions(Product product, Delivery[] calldata deliveries)
        external
        onlySettlement
        returns (Closing[] memory closings)
    {
        Auction storage auction_ = _auctions[product];
        if (!auction_.cleared) revert NotCleared(product);
        uint256 count = auction_.orderCount;
        if (auction_.settled != count) revert OrdersNotSettled(product, auction_.settled, count);

        closings = new Closing[](deliveries.length);
        for (uint256 i = 0; i < deliveries.length; ++i) {
            Delivery calldata delivery = deliveries[i];
            Stake storage stake = _stakes[product][delivery.account];
            if (stake.delivered) continue;
            int256 contracted = stake.position;
            int256 metered = delivery.read ? delivery.metered : contracted;
            closings[i] = Closing(true, contracted, metered, stake.locked);
            stake.delivered = true;
            _setMetered(stake, metered);
            emit PositionClosed(product, delivery.account, contracted, metered, closings[i].released);
        }
    }

    /// @inheritdoc IMarket
    function correctPositions(Product product, Delivery[] calldata deliveries)
        external
        onlySettlement
        returns (Correction[] memory corrections)
    {
        corrections = new Correction[](deliveries.length);
        for (uint256 i = 0; i < deliveries.length; ++i) {
            Stake storage stake = _stakes[product][deliveries[i].account];
            if (!stake.delivered) continue;
            corrections[i] = Correction(true, stake.position, _metered(stake));
            _setMetered(stake, deliveries[i].metered);
        }
    }

    // Views

    /// @inheritdoc IMarket
    function orders(Product product) external view returns (Order[] memory words) {
        words = new Order[](_auctions[product].orderCount);
        Order[] storage book = _bookOf(product);
        for (uint256 i = 0; i < words.length; ++i) {
            Order order = book[i];
            if (order.quantity() != 0) words[i] = order;
        }
    }

    /// @inheritdoc IMarket
    function orderCount(Product product) external view returns (uint256) {
        return _auctions[product].orderCount;
    }

    /// @inheritdoc IMarket
    function clearing(Product product) public view returns (Clearing memory) {
        Auction storage auction_ = _auctions[product];
        if (!auction_.cleared) revert NotCleared(product);
        return _clearing(auction_);
    }

    /// @inheritdoc IMarket
    function fillOf(Product product, uint256 index) external view returns (uint256) {
        if (index >= _auctions[product].orderCount) revert UnknownOrder(product, index);
        return _fills(product, index + 1)[index];
    }

    /// @inheritdoc IMarket
    function fillsOf(Product product) external view returns (uint256[] memory) {
        return _fills(product, _auctions[product].orderCount);
    }

    /// @inheritdoc IMarket
    function position(Product product, address account) external view returns (int256) {
        return _stakes[product][account].position;
    }

    /// @inheritdoc IMarket
    function accountInfo(Product product, address account) public view returns (AccountInfo memory) {
        Stake storage stake = _stakes[product][account];
        return AccountInfo({
            position: stake.position,
            locked: stake.delivered ? 0 : stake.locked,
            openBidWh: stake.openBidWh,
            openAskWh: stake.openAskWh,
            orderCount: stake.orderCount,
            delivered: stake.delivered,
            metered: stake.delivered ? _metered(stake) : int256(0)
        });
    }

    /// @inheritdoc IMarket
    function accountInfos(Product product, address[] calldata accounts)
        external
        view
        returns (AccountInfo[] memory infos)
    {
        infos = new AccountInfo[](accounts.length);
        for (uint256 i = 0; i < accounts.length; ++i) {
            infos[i] = accountInfo(product, accounts[i]);
        }
    }

    /// @inheritdoc IMarket
    function productInfo(Product product) external view returns (ProductInfo memory info) {
        IRegistry.ZoneSettings memory settings = _settings(product);
        Auction storage auction_ = _auctions[product];
        info.start = product.start();
        info.end = info.start + settings.intervalLength;
        info.opensAt = _before(product, settings.openLead);
        info.gateClosesAt = _gate(product, settings);
        info.orderCount = auction_.orderCount;
        info.ordersSettled = auction_.settled;
        info.clearing = _clearing(auction_);
        if (auction_.cleared) info.stage = info.ordersSettled == info.orderCount ? Stage.Settled : Stage.Cleared;
        else if (block.timestamp >= info.gateClosesAt) info.stage = Stage.Closed;
        else if (block.timestamp >= info.opensAt) info.stage = Stage.Open;
    }

    /// @inheritdoc IMarket
    function pausedUntil() external view returns (uint64) {
        return _pausedUntil;
    }

    /// @inheritdoc IMarket
    function agentOf(address trader, address agent) external view returns (Agent memory) {
        AgentRecord storage record = _agents[trader][agent];
        return Agent(record.until, record.minPrice, record.maxPrice, record.maxQuantity);
    }

    /// @inheritdoc IMarket
    function isNonceUsed(address trader, uint256 nonce) external view returns (bool) {
        return _nonces[trader].get(nonce);
    }

    /// @inheritdoc IMarket
    function orderDigest(SignedOrder calldata order) public view returns (bytes32) {
        return _hashTypedDataV4(
            keccak256(
                abi.encode(
                    ORDER_TYPEHASH,
                    order.trader,
                    order.product,
                    order.side,
                    order.price,
                    order.quantity,
                    order.nonce,
                    order.deadline
                )
            )
        );
    }

    /// @inheritdoc IMarket
    function auction() external view returns (address) {
        return address(_AUCTION);
    }

    /// @inheritdoc IMarket
    function ordersSlot(Product product) public view returns (bytes32) {
        return ORDERS_SLOT.deriveMapping(Product.unwrap(_placeOf(product))).deriveArray();
    }

    /// @inheritdoc IMarket
    function extsload(bytes32 first, uint256 count) external view returns (bytes32[] memory words) {
        words = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) {
            words[i] = StorageSlot.getBytes32Slot(first.offset(i)).value;
        }
    }

    // Internals

    /// @dev Takes an order that `by`, the trader or its agent, brings.
    function _submit(address trader, address by, NewOrder memory order) private returns (uint256 index) {
        Product product = order.product;
        IRegistry.TradingRules memory rules = _tradingRules(product, 1, trader);
        _checkOpen(product, rules.settings);
        _checkGateOpen(product, rules.settings);
        _checkTrader(trader, product.zone(), rules);
        if (by != trader) _restrict(rules, trader, by, product.zone());
        _checkTerms(order.side, order.price, order.quantity, rules.settings);

        index = _place(product, packOrder(order.side, order.price, order.quantity, trader), rules.settings.maxOrders);
        uint256 locked = Credit.ofOrder(order.side, order.price, order.quantity, rules.settings);
        _addToStake(trader, order, rules, locked);
        emit OrderSubmitted(product, trader, index, order.side, order.price, order.quantity, locked);
        VAULT.lock(trader, locked, rules.security);
    }

    /// @dev One side of a direct trade: what an order at its price would lock is locked for each interval, and the vault
    ///      told what to move.
    function _trade(address trader, uint8 side, DirectTrade calldata trade)
        private
        returns (IVault.Trade memory booking)
    {
        Product product = packProduct(trade.zone, trade.firstStart);
        IRegistry.TradingRules memory rules = _tradingRules(product, trade.intervals, trader);
        uint64 length = rules.settings.intervalLength;
        _checkOpen(packProduct(trade.zone, trade.firstStart + (trade.intervals - 1) * length), rules.settings);
        uint64 endsAt = _before(product, rules.tradeLead);
        if (block.timestamp >= endsAt) revert TradingOver(product, endsAt);
        _checkTrader(trader, trade.zone, rules);
        _checkTerms(side, trade.price, trade.quantity, rules.settings);

        uint256 locked = Credit.ofOrder(side, trade.price, trade.quantity, rules.settings);
        VAULT.lock(trader, locked * trade.intervals, rules.security);
        int256 cost = Money.value(side == BID ? int256(trade.price) : -int256(trade.price), trade.quantity);
        uint112 kept = (locked.toInt256() - cost).toUint256().toUint112();
        int48 moved = int48(uint48(trade.quantity));
        if (side == ASK) moved = -moved;
        for (uint256 i = 0; i < trade.intervals; ++i) {
            Stake storage stake = _stakes[product][trader];
            _checkCapacity(stake, side, trade.quantity, rules);
            stake.position += moved;
            stake.locked += kept;
            product = product.next(length);
        }
        booking.account = trader;
        (booking.paid, booking.received) = Money.split(cost * int256(uint256(trade.intervals)));
    }

    function _tradingRules(Product product, uint32 intervals, address trader)
        private
        view
        returns (IRegistry.TradingRules memory rules)
    {
        rules = REGISTRY.tradingRules(_zone(product), product.start(), intervals, trader);
        _checkAligned(product, rules.settings.intervalLength);
    }

    function _checkOpen(Product product, IRegistry.ZoneSettings memory settings) private view {
        uint64 opensAt = _before(product, settings.openLead);
        if (block.timestamp < opensAt) revert NotOpenYet(product, opensAt);
    }

    function _checkTrader(address trader, uint64 zone, IRegistry.TradingRules memory rules) private view {
        if (block.timestamp < _pausedUntil) revert OrdersArePaused(_pausedUntil);
        if (!rules.active) revert NotParticipant(trader, zone);
        if (trader == rules.settings.operator) revert OperatorCannotTrade(trader, zone);
    }

    /// @dev Narrows the rules to what an agent may.
    function _restrict(IRegistry.TradingRules memory rules, address trader, address by, uint64 zone) private view {
        AgentRecord memory agent = _agents[trader][by];
        if (agent.until < block.timestamp) revert NotAgent(trader, by);
        if (by == rules.settings.operator) revert OperatorCannotTrade(by, zone);
        if (agent.minPrice > rules.settings.minPrice) rules.settings.minPrice = agent.minPrice;
        if (agent.maxPrice < rules.settings.maxPrice) rules.settings.maxPrice = agent.maxPrice;
        rules.capacityImportWh = Math.min(rules.capacityImportWh, agent.maxQuantity);
        rules.capacityExportWh = Math.min(rules.capacityExportWh, agent.maxQuantity);
    }

    function _isAgent(address trader, address key) private view returns (bool) {
        return _agents[trader][key].until >= block.timestamp;
    }

    /// @dev Whose signature it is: the trader's, or that of a key that is its agent.
    function _signerOf(address trader, bytes32 digest, bytes calldata signature) private view returns (address) {
        (address signer, ECDSA.RecoverError error_,) = ECDSA.tryRecoverCalldata(digest, signature);
        if (error_ == ECDSA.RecoverError.NoError && (signer == trader || _isAgent(trader, signer))) return signer;
        if (!SignatureChecker.isValidERC1271SignatureNowCalldata(trader, digest, signature)) {
            revert WrongSignature(trader);
        }
        return trader;
    }

    /// @dev Puts an order into a place that was vacated, or at the end of the book.
    function _place(Product product, Order order, uint256 maxOrders) private returns (uint256 index) {
        Auction storage auction_ = _auctions[product];
        Order[] storage book;
        uint32 vacant = auction_.vacant;
        if (vacant != 0) {
            book = _bookOf(product);
            index = vacant - 1;
            // An empty word has nothing but the number of the next vacant place.
            // forge-lint: disable-next-line(unsafe-typecast)
            auction_.vacant = uint32(uint256(Order.unwrap(book[index])));
            book[index] = order;
            return index;
        }
        index = auction_.orderCount;
        if (index >= maxOrders) revert TooManyOrders(product, maxOrders);
        if (index == 0) _openBook(product);
        auction_.orderCount = (index + 1).toUint24();
        book = _bookOf(product);
        // Words of the book that stood here before.
        if (index < book.length) book[index] = order;
        else book.push(order);
    }

    /// @dev Takes over the place of a book whose orders are all settled.
    function _openBook(Product product) private {
        Product place = _ringPlace(product);
        Product former = _booked[place];
        Auction storage auction_ = _auctions[former];
        if (auction_.orderCount != 0 && (!auction_.cleared || auction_.settled != auction_.orderCount)) {
            revert BookNotSettled(former);
        }
        _booked[place] = product;
    }

    function _bookOf(Product product) private view returns (Order[] storage) {
        return _orders[_placeOf(product)];
    }

    /// @dev Where a product's book stands, if no other took its place.
    function _placeOf(Product product) private view returns (Product place) {
        place = _ringPlace(product);
        if (_auctions[product].orderCount != 0 && Product.unwrap(_booked[place]) != Product.unwrap(product)) {
            revert BookGone(product);
        }
    }

    function _ringPlace(Product product) private pure returns (Product) {
        // Less than a period.
        // forge-lint: disable-next-line(unsafe-typecast)
        return packProduct(product.zone(), uint64(Ring.place(product.start())));
    }

    function _vacate(Product product, uint256 index) private {
        Auction storage auction_ = _auctions[product];
        _bookOf(product)[index] = Order.wrap(bytes32(uint256(auction_.vacant)));
        auction_.vacant = (index + 1).toUint32();
    }

    function _checkTerms(uint8 side, int32 price, uint40 quantity, IRegistry.ZoneSettings memory settings)
        private
        pure
    {
        if (side > ASK) revert InvalidSide(side);
        if (quantity == 0) revert ZeroQuantity();
        if (price < settings.minPrice || price > settings.maxPrice) {
            revert PriceOutOfBounds(price, settings.minPrice, settings.maxPrice);
        }
    }

    function _addToStake(address trader, NewOrder memory order, IRegistry.TradingRules memory rules, uint256 locked)
        private
    {
        Stake memory stake = _stakes[order.product][trader];
        if (stake.orderCount == MAX_ORDERS_OF_ACCOUNT) {
            revert TooManyOrdersOfAccount(order.product, trader, MAX_ORDERS_OF_ACCOUNT);
        }
        _checkCapacity(stake, order.side, order.quantity, rules);
        if (order.side == BID) stake.openBidWh += order.quantity;
        else stake.openAskWh += order.quantity;
        ++stake.orderCount;
        stake.locked += locked.toUint112();
        _stakes[order.product][trader] = stake;
    }

    /// @dev What an account has ordered and traded on a side stays within what its meters can take or deliver.
    function _checkCapacity(Stake memory stake, uint8 side, uint40 quantity, IRegistry.TradingRules memory rules)
        private
        pure
    {
        int256 traded = side == BID ? stake.position : -stake.position;
        uint256 wanted = uint256(side == BID ? stake.openBidWh : stake.openAskWh) + quantity;
        // forge-lint: disable-next-line(unsafe-typecast)
        if (traded > 0) wanted += uint256(traded);
        uint256 capacity = side == BID ? rules.capacityImportWh : rules.capacityExportWh;
        if (wanted > capacity) revert BeyondCapacity(side, wanted, capacity);
    }

    /// @dev Moves the position and says what the vault must book. A cancelled order's trade is all zero.
    function _settleOrder(
        Product product,
        uint256 index,
        Order order,
        uint256 fill,
        int32 price,
        IRegistry.ZoneSettings memory settings
    ) private returns (IVault.Trade memory trade) {
        if (order.quantity() == 0) return trade;
        uint8 side = order.side();
        trade.account = order.trader();
        (trade.paid, trade.received) = Money.split(Money.value(side == BID ? int256(price) : -int256(price), fill));
        // The clearing price is never worse than the limit, so what the trade keeps is never more than the order locked.
        trade.freed = Credit.ofOrder(side, order.price(), order.quantity(), settings)
            - Credit.ofOrder(side, price, fill, settings);
        _moveStake(_stakes[product][trade.account], order, fill, trade);
        emit OrderSettled(product, trade.account, index, side, fill, trade.paid.toInt256() - trade.received.toInt256());
    }

    function _moveStake(Stake storage stake, Order order, uint256 fill, IVault.Trade memory trade) private {
        int48 moved = fill.toInt256().toInt48();
        stake.locked = (stake.locked + trade.received - trade.paid - trade.freed).toUint112();
        if (order.side() == BID) {
            stake.position += moved;
            stake.openBidWh -= order.quantity();
        } else {
            stake.position -= moved;
            stake.openAskWh -= order.quantity();
        }
    }

    /// @dev The fills of a cleared product's first `count` orders.
    function _fills(Product product, uint256 count) private view returns (uint256[] memory fills) {
        Clearing memory result = clearing(product);
        Order[] storage book = _bookOf(product);
        Fill.Seen memory seen;
        fills = new uint256[](count);
        for (uint256 i = 0; i < count; ++i) {
            fills[i] = Fill.next(result, seen, book[i]);
        }
    }

    function _setMetered(Stake storage stake, int256 metered) private {
        // forge-lint: disable-next-line(unsafe-typecast)
        stake.locked = uint112(metered.toInt112());
    }

    function _metered(Stake storage stake) private view returns (int256) {
        // forge-lint: disable-next-line(unsafe-typecast)
        return int112(stake.locked);
    }

    function _clearing(Auction storage auction_) private view returns (Clearing memory) {
        return Clearing({
            price: auction_.price,
            volume: auction_.volume,
            bid: Level(auction_.bidPrice, auction_.bidQuantity, auction_.bidFilled),
            ask: Level(auction_.askPrice, auction_.askQuantity, auction_.askFilled)
        });
    }

    /// @dev The rules of the product, which must be one.
    function _settings(Product product) private view returns (IRegistry.ZoneSettings memory settings) {
        settings = REGISTRY.settingsAt(_zone(product), product.start());
        _checkAligned(product, settings.intervalLength);
    }

    function _zone(Product product) private pure returns (uint64 zone) {
        zone = product.zone();
        if (zone == 0) revert InvalidProduct(product);
    }

    function _checkAligned(Product product, uint32 length) private pure {
        if (product.start() % length != 0) revert UnalignedStart(product, length);
    }

    function _checkGateOpen(Product product, IRegistry.ZoneSettings memory settings) private view {
        uint64 closesAt = _gate(product, settings);
        if (block.timestamp >= closesAt) revert GateClosed(product, closesAt);
    }

    function _gate(Product product, IRegistry.ZoneSettings memory settings) private pure returns (uint64) {
        return _before(product, settings.gateLead);
    }

    /// @dev The time `lead` seconds before delivery.
    function _before(Product product, uint32 lead) private pure returns (uint64) {
        uint64 start = product.start();
        return start > lead ? start - lead : 0;
    }

    function _EIP712Name() internal pure override returns (string memory) {
        return "Wattline Market";
    }

    function _EIP712Version() internal pure override returns (string memory) {
        return "1";
    }
}
