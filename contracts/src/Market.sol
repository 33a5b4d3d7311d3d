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

    /// @dev How long a pause lasts.
    uint64 private constant PAUSE = 1 days;
    /// @dev How long a pauser waits from one pause to the next.
    uint64 private constant PAUSE_INTERVAL = 7 days;

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
    ///      locked gives place to the metered energy, as an `int96`. Locked money is a price times an energy and kept in
    ///      that unit. It stands in a place that is used again.
    struct Stake {
        uint96 locked;
        int48 position;
        uint40 openBidWh;
        uint40 openAskWh;
        uint8 orderCount;
        bool delivered;
        uint16 round;
    }

    /// @dev One slot: what a key may order for an account.
    struct AgentRecord {
        uint48 until;
        int32 minPrice;
        int32 maxPrice;
        uint40 maxQuantity;
    }

    /// @dev Whose the place is in which an account's part of a product would stand: the product's, that of an earlier product
    ///      which is not settled yet, or that of a later one, so that the product's is gone.
    enum Place {
        Ours,
        Taken,
        Gone
    }

    IRegistry private constant REGISTRY = IRegistry(Predeploys.REGISTRY);
    IVault private constant VAULT = IVault(Predeploys.VAULT);

    /// @dev The slot of `_orders`, from which the precompile is told where a product's words lie.
    bytes32 private constant ORDERS_SLOT = 0;

    IBatchAuction private immutable _AUCTION;

    /// @dev Slot 0: must stay the first variable.
    mapping(Product place => Order[]) private _orders;
    mapping(Product product => Auction) private _auctions;
    mapping(Product place => mapping(address account => Stake)) private _stakes;
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
        for (uint256 from = 0; from < signedOrders.length;) {
            from = _submitRun(signedOrders, from, taken);
        }
    }

    /// @inheritdoc IMarket
    function submitSignedOrder(
        SignedOrder calldata signedOrder,
        IRegistry.ZoneSettings calldata settings,
        IRegistry.Standing calldata standing
    ) external {
        if (msg.sender != address(this)) revert NotSelf(msg.sender);
        address trader = signedOrder.trader;
        if (block.timestamp > signedOrder.deadline) revert OrderExpired(signedOrder.deadline);
        if (_nonces[trader].get(signedOrder.nonce)) revert NonceUsed(trader, signedOrder.nonce);
        _nonces[trader].set(signedOrder.nonce);
        address signer = _signerOf(trader, orderDigest(signedOrder), signedOrder.signature);
        NewOrder memory order = NewOrder(signedOrder.product, signedOrder.side, signedOrder.price, signedOrder.quantity);
        // Without rules it is an order for no product, which the registry says.
        if (settings.intervalLength == 0) _submit(trader, signer, order);
        else _submit(trader, signer, order, settings, standing);
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
        Stake memory stake = _stakeOf(product, trader);
        stake.locked -= _units(locked);
        if (order.side() == BID) stake.openBidWh -= order.quantity();
        else stake.openAskWh -= order.quantity();
        --stake.orderCount;
        _keep(product, trader, stake);
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
        Product product = packProduct(trade.zone, trade.firstStart);
        address[] memory traders = new address[](2);
        (traders[0], traders[1]) = (trade.buyer, trade.seller);
        (IRegistry.ZoneSettings memory settings, uint32 tradeLead, IRegistry.Standing[] memory standings) =
            REGISTRY.tradingRules(_zone(product), product.start(), trade.intervals, traders);
        _checkAligned(product, settings.intervalLength);
        uint64 length = settings.intervalLength;
        _checkOpen(packProduct(trade.zone, trade.firstStart + (trade.intervals - 1) * length), settings);
        uint64 endsAt = _before(product, tradeLead);
        if (block.timestamp >= endsAt) revert TradingOver(product, endsAt);
        IVault.Trade[] memory bookings = new IVault.Trade[](2);
        bookings[0] = _trade(trade.buyer, BID, trade, settings, standings[0]);
        bookings[1] = _trade(trade.seller, ASK, trade, settings, standings[1]);
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
        Clearing memory kept = _clearing(auction_);
        emit ProductCleared(product, kept.price, kept.volume, count, kept.bid, kept.ask);
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
            (Stake memory stake, Place place) = _find(product, delivery.account);
            closings[i].waits = place == Place.Taken;
            if (place != Place.Ours || stake.delivered) continue;
            int256 contracted = stake.position;
            int256 metered = delivery.read ? delivery.metered : contracted;
            closings[i] = Closing(true, false, contracted, metered, stake.locked * Money.UNIT);
            stake.delivered = true;
            _setMetered(stake, metered);
            _keep(product, delivery.account, stake);
        }
    }

    /// @inheritdoc IMarket
    function correctPositions(Product product, Delivery[] calldata deliveries)
        external
        onlySettlement
        returns (Closing[] memory former)
    {
        former = new Closing[](deliveries.length);
        for (uint256 i = 0; i < deliveries.length; ++i) {
            (Stake memory stake, Place place) = _find(product, deliveries[i].account);
            if (place != Place.Ours || !stake.delivered) continue;
            former[i] = Closing(true, false, stake.position, _metered(stake), 0);
            _setMetered(stake, deliveries[i].metered);
            _keep(product, deliveries[i].account, stake);
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
    function position(Product product, address account) external view returns (int256) {
        return accountInfo(product, account).position;
    }

    /// @inheritdoc IMarket
    function accountInfo(Product product, address account) public view returns (AccountInfo memory info) {
        (Stake memory stake, Place place) = _find(product, account);
        (info.gone, info.waits) = (place == Place.Gone, place == Place.Taken);
        if (place != Place.Ours) return info;
        info.position = stake.position;
        info.openBidWh = stake.openBidWh;
        info.openAskWh = stake.openAskWh;
        info.orderCount = stake.orderCount;
        info.delivered = stake.delivered;
        if (stake.delivered) info.metered = _metered(stake);
        else info.locked = stake.locked * Money.UNIT;
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
        AgentRecord memory record = _agents[trader][agent];
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

    /// @dev Takes signed orders for one product, as many as follow each other from the one at `from` on. Says where the next
    ///      product's begin.
    function _submitRun(SignedOrder[] calldata signedOrders, uint256 from, bool[] memory taken)
        private
        returns (uint256 end)
    {
        Product product = signedOrders[from].product;
        end = from + 1;
        while (end < signedOrders.length && signedOrders[end].product == product) ++end;
        address[] memory traders = new address[](end - from);
        for (uint256 i = from; i < end; ++i) {
            traders[i - from] = signedOrders[i].trader;
        }
        IRegistry.ZoneSettings memory settings;
        IRegistry.Standing[] memory standings = new IRegistry.Standing[](traders.length);
        try REGISTRY.tradingRules(product.zone(), product.start(), 1, traders) returns (
            IRegistry.ZoneSettings memory found, uint32, IRegistry.Standing[] memory each
        ) {
            (settings, standings) = (found, each);
        } catch {}
        for (uint256 i = from; i < end; ++i) {
            taken[i] = _trySigned(signedOrders[i], settings, standings[i - from]);
        }
    }

    function _trySigned(
        SignedOrder calldata order,
        IRegistry.ZoneSettings memory settings,
        IRegistry.Standing memory standing
    ) private returns (bool) {
        // A carrier that brings too little gas must not pass that off as the order's fault.
        if (gasleft() < GAS_OF_SIGNED_ORDER * 64 / 63 + 50_000) revert NotEnoughGas(GAS_OF_SIGNED_ORDER);
        try this.submitSignedOrder{gas: GAS_OF_SIGNED_ORDER}(order, settings, standing) {
            return true;
        } catch (bytes memory reason) {
            emit SignedOrderRefused(order.trader, order.nonce, reason);
            return false;
        }
    }

    /// @dev Takes an order that `by`, the trader or its agent, brings.
    function _submit(address trader, address by, NewOrder memory order) private returns (uint256 index) {
        address[] memory traders = new address[](1);
        traders[0] = trader;
        (IRegistry.ZoneSettings memory settings,, IRegistry.Standing[] memory standings) =
            REGISTRY.tradingRules(_zone(order.product), order.product.start(), 1, traders);
        return _submit(trader, by, order, settings, standings[0]);
    }

    /// @dev The same by rules that are known.
    function _submit(
        address trader,
        address by,
        NewOrder memory order,
        IRegistry.ZoneSettings memory settings,
        IRegistry.Standing memory standing
    ) private returns (uint256 index) {
        Product product = order.product;
        _checkAligned(product, settings.intervalLength);
        _checkOpen(product, settings);
        _checkGateOpen(product, settings);
        _checkTrader(trader, product.zone(), settings, standing);
        if (by != trader) _restrict(settings, standing, trader, by, product.zone());
        _checkTerms(order.side, order.price, order.quantity, settings);

        Order word = packOrder(order.side, order.price, order.quantity, trader);
        index = _place(product, word, settings.maxOrders);
        uint256 locked = Credit.ofOrder(order.side, order.price, order.quantity, settings);
        _addToStake(trader, order, standing, locked);
        VAULT.lock(trader, locked, standing.security);
        emit OrderSubmitted(product, trader, index, order.side, order.price, order.quantity, locked);
    }

    /// @dev One side of a direct trade: what an order at its price would lock is locked for each interval, and the vault
    ///      told what to move.
    function _trade(
        address trader,
        uint8 side,
        DirectTrade calldata trade,
        IRegistry.ZoneSettings memory settings,
        IRegistry.Standing memory standing
    ) private returns (IVault.Trade memory booking) {
        _checkTrader(trader, trade.zone, settings, standing);
        _checkTerms(side, trade.price, trade.quantity, settings);

        uint256 locked = Credit.ofOrder(side, trade.price, trade.quantity, settings);
        VAULT.lock(trader, locked * trade.intervals, standing.security);
        int256 cost = Money.value(side == BID ? int256(trade.price) : -int256(trade.price), trade.quantity);
        uint96 kept = _units((locked.toInt256() - cost).toUint256());
        int48 moved = int48(uint48(trade.quantity));
        if (side == ASK) moved = -moved;
        Product product = packProduct(trade.zone, trade.firstStart);
        for (uint256 i = 0; i < trade.intervals; ++i) {
            Stake memory stake = _stakeOf(product, trader);
            _checkCapacity(stake, side, trade.quantity, standing);
            stake.position += moved;
            stake.locked += kept;
            _keep(product, trader, stake);
            product = product.next(settings.intervalLength);
        }
        booking.account = trader;
        (booking.paid, booking.received) = Money.split(cost * int256(uint256(trade.intervals)));
    }

    function _checkOpen(Product product, IRegistry.ZoneSettings memory settings) private view {
        uint64 opensAt = _before(product, settings.openLead);
        if (block.timestamp < opensAt) revert NotOpenYet(product, opensAt);
    }

    function _checkTrader(
        address trader,
        uint64 zone,
        IRegistry.ZoneSettings memory settings,
        IRegistry.Standing memory standing
    ) private view {
        if (block.timestamp < _pausedUntil) {
            revert OrdersArePaused(_pausedUntil);
        }
        if (!standing.active) revert NotParticipant(trader, zone);
        if (trader == settings.operator) revert OperatorCannotTrade(trader, zone);
    }

    /// @dev Narrows the rules to what an agent may.
    function _restrict(
        IRegistry.ZoneSettings memory settings,
        IRegistry.Standing memory standing,
        address trader,
        address by,
        uint64 zone
    ) private view {
        AgentRecord memory agent = _agents[trader][by];
        if (agent.until < block.timestamp) revert NotAgent(trader, by);
        if (by == settings.operator) revert OperatorCannotTrade(by, zone);
        if (agent.minPrice > settings.minPrice) settings.minPrice = agent.minPrice;
        if (agent.maxPrice < settings.maxPrice) settings.maxPrice = agent.maxPrice;
        standing.capacityImportWh = Math.min(standing.capacityImportWh, agent.maxQuantity);
        standing.capacityExportWh = Math.min(standing.capacityExportWh, agent.maxQuantity);
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
        if (_auctions[product].orderCount != 0 && !(_booked[place] == product)) {
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

    /// @dev What an account has in a product's place.
    function _find(Product product, address account) private view returns (Stake memory stake, Place place) {
        stake = _stakes[_ringPlace(product)][account];
        uint16 round = Ring.round(product.start());
        if (stake.round == round) return (stake, Place.Ours);
        if (stake.round > round) return (stake, Place.Gone);
        bool settled = stake.delivered || (stake.locked == 0 && stake.position == 0);
        if (!settled || stake.openBidWh != 0 || stake.openAskWh != 0) return (stake, Place.Taken);
        delete stake;
        stake.round = round;
    }

    /// @dev What a product means for an account, to be changed and kept.
    function _stakeOf(Product product, address account) private view returns (Stake memory stake) {
        Place place;
        (stake, place) = _find(product, account);
        if (place == Place.Gone) revert StakeGone(product, account);
        if (place == Place.Taken) revert StakeNotSettled(product, account);
    }

    function _keep(Product product, address account, Stake memory stake) private {
        _stakes[_ringPlace(product)][account] = stake;
    }

    function _addToStake(address trader, NewOrder memory order, IRegistry.Standing memory standing, uint256 locked)
        private
    {
        Stake memory stake = _stakeOf(order.product, trader);
        if (stake.orderCount == MAX_ORDERS_OF_ACCOUNT) {
            revert TooManyOrdersOfAccount(order.product, trader, MAX_ORDERS_OF_ACCOUNT);
        }
        _checkCapacity(stake, order.side, order.quantity, standing);
        if (order.side == BID) stake.openBidWh += order.quantity;
        else stake.openAskWh += order.quantity;
        ++stake.orderCount;
        stake.locked += _units(locked);
        _keep(order.product, trader, stake);
    }

    /// @dev What an account has ordered and traded on a side stays within what its meters can take or deliver.
    function _checkCapacity(Stake memory stake, uint8 side, uint40 quantity, IRegistry.Standing memory standing)
        private
        pure
    {
        int256 traded = side == BID ? stake.position : -stake.position;
        uint256 wanted = uint256(side == BID ? stake.openBidWh : stake.openAskWh) + quantity;
        // forge-lint: disable-next-line(unsafe-typecast)
        if (traded > 0) wanted += uint256(traded);
        uint256 capacity = side == BID ? standing.capacityImportWh : standing.capacityExportWh;
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
        _moveStake(product, order, fill, trade);
        emit OrderSettled(product, trade.account, index, side, fill, trade.paid.toInt256() - trade.received.toInt256());
    }

    function _moveStake(Product product, Order order, uint256 fill, IVault.Trade memory trade) private {
        Stake memory stake = _stakeOf(product, trade.account);
        int48 moved = fill.toInt256().toInt48();
        stake.locked = stake.locked + _units(trade.received) - _units(trade.paid + trade.freed);
        if (order.side() == BID) {
            stake.position += moved;
            stake.openBidWh -= order.quantity();
        } else {
            stake.position -= moved;
            stake.openAskWh -= order.quantity();
        }
        _keep(product, trade.account, stake);
    }

    function _units(uint256 amount) private pure returns (uint96) {
        return (amount / Money.UNIT).toUint96();
    }

    function _setMetered(Stake memory stake, int256 metered) private pure {
        // forge-lint: disable-next-line(unsafe-typecast)
        stake.locked = uint96(metered.toInt96());
    }

    function _metered(Stake memory stake) private pure returns (int256) {
        // forge-lint: disable-next-line(unsafe-typecast)
        return int96(stake.locked);
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
