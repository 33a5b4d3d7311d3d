// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IMarket} from "../../src/interfaces/IMarket.sol";
import {IMetering} from "../../src/interfaces/IMetering.sol";
import {IRegistry} from "../../src/interfaces/IRegistry.sol";
import {ISettlement} from "../../src/interfaces/ISettlement.sol";
import {IVault} from "../../src/interfaces/IVault.sol";
import {Order} from "../../src/types/Order.sol";
import {Product, packProduct} from "../../src/types/Product.sol";
import {System} from "../base/System.sol";
import {Vm} from "../base/Vm.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";

/// @notice What people do in the market, at random: each public function is one step that the fuzzer can take. A step
///         that must succeed or must fail, given where the product is in its life, is held to that.
contract Handler is System {
    uint256 internal constant TRADERS = 6;
    /// @dev The first of them are in ZONE, the others in another.
    uint256 internal constant TRADERS_OF_ZONE = 4;
    uint64 internal constant OTHER_ZONE = ZONE + 1;
    /// @dev How many of the latest products a step chooses from that does not look for one at a certain stage.
    uint256 private constant IN_FLIGHT = 8;

    struct MeterState {
        uint64 next;
        uint64 skipped;
        uint64 importWh;
        uint64 exportWh;
        uint64 skippedImportWh;
        uint64 skippedExportWh;
    }

    address internal otherOperator = _named("other operator");
    address[] internal _traders;
    Product[] internal _products;
    uint64 private _nextStart;
    uint64 private _openLead;
    mapping(address trader => MeterState) internal _meters;
    /// @dev The books as they were when their gates closed.
    mapping(Product product => bytes32) public frozen;
    /// @notice What an order was settled for: Wh, and what it paid, or got if negative, in base units.
    mapping(Product product => mapping(uint256 index => uint256)) public filled;
    mapping(Product product => mapping(uint256 index => int256)) public paid;
    /// @notice By how much the money of participants and operator together has changed in settlements of delivery.
    int256 public deliverySum;
    /// @notice What deliveries and their corrections have cost an account, by their events.
    mapping(Product product => mapping(address account => int256)) public costOf;
    /// @notice How often a step did something, by name: without deeds the invariants would say little.
    mapping(string step => uint256) public done;

    /// @dev The system stands already; only the other zone and the traders are new.
    function setUp() public virtual override {
        IRegistry.ZoneSettings memory settings = REGISTRY.settingsAt(ZONE, T0);
        settings.operator = otherOperator;
        vm.prank(admin);
        REGISTRY.createZone(OTHER_ZONE, settings);
        vm.prank(bank);
        TOKEN.mint(otherOperator, 1000 * COIN);
        // The reserves for the meters that follow.
        _deposit(operator, 100 * COIN);
        _deposit(otherOperator, 100 * COIN);
        for (uint256 i = 0; i < TRADERS; ++i) {
            address trader = _named(_name(i));
            _traders.push(trader);
            _meters[trader].next = T0;
            bytes memory call = abi.encodeCall(REGISTRY.registerParticipants, (_zoneOf(trader), _list(trader)));
            _propose(call);
            vm.prank(_operatorOf(trader));
            Address.functionCall(address(REGISTRY), call);
            _addMeter(trader, _meterOf(trader), 5000, 3000);
        }
        vm.prank(bank);
        TOKEN.mintMany(_traders, 1000 * COIN);
        for (uint256 i = 0; i < TRADERS + 2; ++i) {
            address account = _account(i);
            uint256 security = REGISTRY.securityOf(account);
            if (i < TRADERS) {
                _deposit(account, 4 * COIN + security);
            } else {
                vm.prank(account);
                VAULT.withdraw(96 * COIN - security);
            }
        }
        _nextStart = T0 + LENGTH;
        _openLead = settings.openLead;
        _passTime(0);
    }

    // Steps

    /// @dev Few prices, so that orders cross and share levels.
    function submit(uint256 who, uint256 which, uint256 side, int256 price, uint256 quantity) external {
        address account = _trader(who);
        Product product = which % 16 == 0 ? _pick(which) : _at(account, _pick(which));
        bool open = _stage(product) == IMarket.Stage.Open;
        vm.prank(account);
        try MARKET.submit(product, uint8(side % 2), int32(bound(price, -4, 6)) * 50, uint40(bound(quantity, 1, 1500))) {
            _must(open, "an order was taken outside the opening hours");
            _must(product.zone() == _zoneOf(account), "an order was taken from outside the zone");
            ++done["submit"];
        } catch {
            // Beyond capacity, without money or in debt: nothing happened.
        }
    }

    function cancel(uint256 which, uint256 index) external {
        Product product = _pick(which);
        Order[] memory words = MARKET.orders(product);
        if (words.length == 0) return;
        index = bound(index, 0, words.length - 1);
        bool open = _stage(product) == IMarket.Stage.Open && words[index].quantity() != 0;
        vm.prank(words[index].trader());
        try MARKET.cancel(product, index) {
            _must(open, "an order was cancelled outside the opening hours");
            ++done["cancel"];
        } catch {
            _must(!open, "an open order could not be cancelled");
        }
    }

    function clear(uint256 which) external {
        Product product = which % 4 == 0 ? _pick(which / 4) : _oldestAt(IMarket.Stage.Closed);
        bool closed = _stage(product) == IMarket.Stage.Closed;
        try MARKET.clear(product) {
            _must(closed, "a product was cleared at the wrong time");
            ++done["clear"];
            if (MARKET.clearing(product).volume != 0) ++done["trade"];
        } catch {
            _must(!closed, "a closed product could not be cleared");
        }
    }

    function settleOrders(uint256 which, uint256 max) external {
        Product product = which % 4 == 0 ? _pick(which / 4) : _oldestAt(IMarket.Stage.Cleared);
        bool cleared = _stage(product) == IMarket.Stage.Cleared;
        int256[] memory before = new int256[](TRADERS);
        for (uint256 i = 0; i < TRADERS; ++i) {
            before[i] = _moneyOf(_traders[i]);
        }
        vm.recordLogs();
        try MARKET.settleOrders(product, bound(max, 1, 5)) {
            _must(cleared, "orders were settled at the wrong time");
            ++done["settleOrders"];
            _bookCosts(product, before);
        } catch {
            _must(!cleared, "orders of a cleared product could not be settled");
        }
    }

    /// @dev All boundaries of a meter that have come, but for one now and then, which leaves a gap.
    function read(uint256 who, uint256 seed) external {
        address account = _trader(who);
        MeterState storage state = _meters[account];
        while (state.next <= block.timestamp) {
            seed = uint256(keccak256(abi.encode(seed)));
            if (seed % 8 == 0 && state.skipped == 0 && state.next != T0) {
                (state.skipped, state.skippedImportWh, state.skippedExportWh) =
                (state.next, state.importWh, state.exportWh);
            } else {
                state.importWh += uint64((seed >> 8) % 1200);
                state.exportWh += uint64((seed >> 64) % 1200);
                IMetering.Verdict verdict = _read(_meterOf(account), state.next, state.importWh, state.exportWh);
                _must(verdict == IMetering.Verdict.Accepted, "a good reading was refused");
                ++done["read"];
            }
            state.next += LENGTH;
        }
    }

    /// @dev Fills a meter's gap with the register before it.
    function substitute(uint256 who) external {
        address account = _trader(who);
        MeterState storage state = _meters[account];
        uint256 deadline = REGISTRY.settingsAt(ZONE, T0).reportingDeadline;
        if (state.skipped == 0 || block.timestamp < state.skipped + deadline) return;
        IMetering.Verdict verdict = _substitute(
            _operatorOf(account),
            _reading(_meterOf(account), state.skipped, state.skippedImportWh, state.skippedExportWh)
        );
        bool good = verdict == IMetering.Verdict.Accepted || verdict == IMetering.Verdict.Repeated;
        _must(good, "a good substitute was refused");
        state.skipped = 0;
        ++done["substitute"];
    }

    function settle(uint256 who, uint256 which) external {
        address account = _trader(who);
        Product product = which % 4 == 0 ? _pick(which / 4) : _oldestUndelivered(account);
        settleAt(account, product);
    }

    function settleAt(address account, Product product) public {
        vm.recordLogs();
        bool ready = SETTLEMENT.statuses(product, _list(account))[0] == ISettlement.Status.Ready;
        int256 before = _money();
        try SETTLEMENT.settle(product, _list(account)) returns (ISettlement.Status[] memory found) {
            _must(ready == (found[0] == ISettlement.Status.Ready), "a delivery was settled that was not ready");
            if (ready) ++done["settle"];
            if (ready && VAULT.balanceOf(account).debt != 0) ++done["debt"];
        } catch {
            _must(!ready, "a delivery that was ready could not be settled");
        }
        _bookDeliveries(before);
    }

    function deposit(uint256 who, uint256 amount) external {
        if (TOKEN.paused()) return;
        address account = _account(who);
        amount = bound(amount, 1, 2 * COIN);
        if (TOKEN.balanceOf(account) < amount) return;
        _deposit(account, amount);
        ++done["deposit"];
    }

    /// @dev Anyone can take out what is free and above its security, at any time, unless the token is paused.
    function withdraw(uint256 who, uint256 part) external {
        address account = _account(who);
        IVault.Balance memory balance = VAULT.balanceOf(account);
        if (balance.free == 0) return;
        uint256 amount = part % 2 == 0 ? balance.free : bound(part, 1, balance.free);
        uint256 security = REGISTRY.securityOf(account);
        if (part % 4 == 0 && balance.free > security) amount = balance.free - security;
        bool allowed = !TOKEN.paused() && balance.debt == 0 && balance.free - amount >= security;
        uint256 before = TOKEN.balanceOf(account);
        vm.prank(account);
        try VAULT.withdraw(amount) {
            _must(allowed, "a withdrawal went through in debt, in a pause or through a security");
            _must(TOKEN.balanceOf(account) == before + amount, "a withdrawal paid another amount");
            ++done["withdraw"];
        } catch {
            _must(!allowed, "free money could not be taken out");
        }
    }

    function pause(uint256 seed) external {
        bool wanted = seed % 8 == 0;
        if (wanted == TOKEN.paused()) return;
        vm.prank(bank);
        if (wanted) TOKEN.pause();
        else TOKEN.unpause();
        ++done["pause"];
    }

    function passTime(uint256 time) external {
        _passTime(bound(time, 1, LENGTH));
    }

    // Views

    function traders() external view returns (address[] memory) {
        return _traders;
    }

    function products() external view returns (Product[] memory) {
        return _products;
    }

    function operators() external view returns (address[] memory) {
        return _list(operator, otherOperator);
    }

    function operatorOf(address account) external view returns (address) {
        return _operatorOf(account);
    }

    function _passTime(uint256 time) internal {
        vm.warp(block.timestamp + time);
        while (_nextStart <= block.timestamp + _openLead) {
            _products.push(_product(_nextStart));
            _products.push(packProduct(OTHER_ZONE, _nextStart));
            _nextStart += LENGTH;
        }
        for (uint256 i = _products.length; i != 0; --i) {
            Product product = _products[i - 1];
            if (frozen[product] != 0 && i % 2 == 1) break;
            if (frozen[product] == 0 && _stage(product) == IMarket.Stage.Closed) {
                frozen[product] = keccak256(abi.encode(MARKET.orders(product)));
            }
        }
    }

    /// @dev Keeps what deliveries just settled or corrected cost, and by how much all the money changed.
    function _bookDeliveries(int256 before) internal {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].emitter != address(SETTLEMENT)) continue;
            int256 due;
            if (logs[i].topics[0] == ISettlement.DeliverySettled.selector) {
                (,, int256 imbalance, uint256 fee) = abi.decode(logs[i].data, (int256, int256, int256, uint256));
                due = imbalance + int256(fee);
            } else if (logs[i].topics[0] == ISettlement.DeliveryCorrected.selector) {
                (,, due) = abi.decode(logs[i].data, (int256, int256, int256));
            }
            costOf[Product.wrap(uint256(logs[i].topics[1]))][address(uint160(uint256(logs[i].topics[2])))] += due;
        }
        deliverySum += _money() - before;
    }

    /// @dev Keeps what the orders just settled cost, and holds it to what their traders' money lost.
    function _bookCosts(Product product, int256[] memory before) private {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].topics[0] != IMarket.OrderSettled.selector) continue;
            (uint256 index,, uint256 fill, int256 cost) = abi.decode(logs[i].data, (uint256, uint8, uint256, int256));
            filled[product][index] += fill;
            paid[product][index] += cost;
            address account = address(uint160(uint256(logs[i].topics[2])));
            for (uint256 t = 0; t < TRADERS; ++t) {
                if (_traders[t] == account) before[t] -= cost;
            }
        }
        for (uint256 t = 0; t < TRADERS; ++t) {
            _must(_moneyOf(_traders[t]) == before[t], "the vault moved another amount than the orders cost");
        }
    }

    function _moneyOf(address account) internal view returns (int256) {
        IVault.Balance memory balance = VAULT.balanceOf(account);
        return int256(balance.free + balance.locked) - int256(balance.debt);
    }

    /// @dev All money in the vault, what is owed taken off.
    function _money() internal view returns (int256 sum) {
        for (uint256 i = 0; i < TRADERS + 2; ++i) {
            sum += _moneyOf(_account(i));
        }
    }

    function _stage(Product product) internal view returns (IMarket.Stage) {
        return MARKET.productInfo(product).stage;
    }

    function _trader(uint256 who) internal view returns (address) {
        return _traders[who % TRADERS];
    }

    /// @dev A trader or a zone operator.
    function _account(uint256 who) internal view returns (address) {
        who %= TRADERS + 2;
        if (who < TRADERS) return _traders[who];
        return who == TRADERS ? operator : otherOperator;
    }

    function _name(uint256 who) internal pure returns (string memory) {
        return string.concat("trader ", vm.toString(who % TRADERS));
    }

    function _zoneOf(address trader) internal view returns (uint64) {
        for (uint256 i = TRADERS_OF_ZONE; i < _traders.length; ++i) {
            if (_traders[i] == trader) return OTHER_ZONE;
        }
        return ZONE;
    }

    function _operatorOf(address trader) internal view returns (address) {
        return _zoneOf(trader) == ZONE ? operator : otherOperator;
    }

    /// @dev The same interval in a trader's zone.
    function _at(address trader, Product product) internal view returns (Product) {
        return packProduct(_zoneOf(trader), product.start());
    }

    function _pick(uint256 which) internal view returns (Product) {
        uint256 count = _products.length < IN_FLIGHT ? _products.length : IN_FLIGHT;
        return _products[_products.length - 1 - which % count];
    }

    /// @dev The oldest product at the stage, or the newest of all.
    function _oldestAt(IMarket.Stage stage) private view returns (Product product) {
        for (uint256 i = 0; i < _products.length; ++i) {
            product = _products[i];
            if (_stage(product) == stage) return product;
        }
    }

    function _oldestUndelivered(address account) internal view returns (Product product) {
        for (uint256 i = 0; i < _products.length; ++i) {
            product = _products[i];
            if (product.zone() != _zoneOf(account)) continue;
            if (!MARKET.accountInfo(product, account).delivered) return product;
        }
    }

    function _must(bool condition, string memory otherwise) internal pure {
        vm.assertTrue(condition, otherwise);
    }
}
