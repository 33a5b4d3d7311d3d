// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IMarket} from "../../src/interfaces/IMarket.sol";
import {IMetering} from "../../src/interfaces/IMetering.sol";
import {ISettlement} from "../../src/interfaces/ISettlement.sol";
import {IVault} from "../../src/interfaces/IVault.sol";
import {Order} from "../../src/types/Order.sol";
import {Product} from "../../src/types/Product.sol";
import {System} from "../base/System.sol";
import {Vm} from "../base/Vm.sol";

/// @notice What people do in the market, at random: each public function is one step that the fuzzer can take. A step
///         that must succeed or must fail, given where the product is in its life, is held to that.
contract Handler is System {
    uint256 private constant TRADERS = 4;
    /// @dev How many of the latest products a step chooses from that does not look for one at a certain stage.
    uint256 private constant IN_FLIGHT = 4;

    struct MeterState {
        uint64 next;
        uint64 skipped;
        uint64 importWh;
        uint64 exportWh;
        uint64 skippedImportWh;
        uint64 skippedExportWh;
    }

    address[] private _traders;
    Product[] private _products;
    uint64 private _nextStart;
    uint64 private _openLead;
    mapping(address trader => MeterState) private _meters;
    /// @dev The books as they were when their gates closed.
    mapping(Product product => bytes32) public frozen;
    /// @notice What an order was settled for: Wh, and what it paid, or got if negative, in base units.
    mapping(Product product => mapping(uint256 index => uint256)) public filled;
    mapping(Product product => mapping(uint256 index => int256)) public paid;
    /// @notice By how much the money of participants and operator together has changed in settlements of delivery.
    int256 public deliverySum;
    /// @notice How often a step did something, by name: without deeds the invariants would say little.
    mapping(string step => uint256) public done;

    /// @dev The system stands already; only the traders are new.
    function setUp() public override {
        for (uint256 i = 0; i < TRADERS; ++i) {
            _traders.push(_named(string.concat("trader ", vm.toString(i))));
        }
        vm.prank(bank);
        TOKEN.mintMany(_traders, 1000 * COIN);
        _enrol(_traders);
        for (uint256 i = 0; i < TRADERS; ++i) {
            _deposit(_traders[i], COIN);
            _meters[_traders[i]].next = T0;
        }
        _deposit(operator, COIN);
        _nextStart = T0 + LENGTH;
        _openLead = REGISTRY.settingsAt(ZONE, T0).openLead;
        _passTime(0);
    }

    // Steps

    /// @dev Few prices, so that orders cross and share levels.
    function submit(uint256 who, uint256 which, uint256 side, int256 price, uint256 quantity) external {
        (address account, Product product) = (_trader(who), _pick(which));
        bool open = _stage(product) == IMarket.Stage.Open;
        vm.prank(account);
        try MARKET.submit(product, uint8(side % 2), int32(bound(price, -4, 6)) * 50, uint40(bound(quantity, 1, 1500))) {
            _must(open, "an order was taken outside the opening hours");
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
        if (state.skipped == 0 || block.timestamp < state.skipped + DEADLINE) return;
        IMetering.Reading[] memory readings = new IMetering.Reading[](1);
        readings[0] = _reading(_meterOf(account), state.skipped, state.skippedImportWh, state.skippedExportWh);
        vm.prank(operator);
        IMetering.Verdict verdict = METERING.substitute(readings)[0];
        _must(verdict == IMetering.Verdict.Accepted, "a good substitute was refused");
        state.skipped = 0;
        ++done["substitute"];
    }

    function settle(uint256 who, uint256 which) external {
        address account = _trader(who);
        Product product = which % 4 == 0 ? _pick(which / 4) : _oldestUndelivered(account);
        bool ready = SETTLEMENT.statuses(product, _list(account))[0] == ISettlement.Status.Ready;
        int256 before = _money();
        try SETTLEMENT.settle(product, _list(account)) returns (ISettlement.Status[] memory found) {
            _must(ready == (found[0] == ISettlement.Status.Ready), "a delivery was settled that was not ready");
            if (ready) ++done["settle"];
            if (ready && VAULT.balanceOf(account).debt != 0) ++done["debt"];
        } catch {
            _must(!ready, "a delivery that was ready could not be settled");
        }
        deliverySum += _money() - before;
    }

    function deposit(uint256 who, uint256 amount) external {
        if (TOKEN.paused()) return;
        address account = _account(who);
        amount = bound(amount, 1, COIN / 5);
        if (TOKEN.balanceOf(account) < amount) return;
        _deposit(account, amount);
        ++done["deposit"];
    }

    /// @dev Anyone can take out what is free, at any time, unless the token is paused.
    function withdraw(uint256 who, uint256 part) external {
        address account = _account(who);
        IVault.Balance memory balance = VAULT.balanceOf(account);
        if (balance.free == 0) return;
        uint256 amount = part % 2 == 0 ? balance.free : bound(part, 1, balance.free);
        bool allowed = !TOKEN.paused() && balance.debt == 0;
        uint256 before = TOKEN.balanceOf(account);
        vm.prank(account);
        try VAULT.withdraw(amount) {
            _must(allowed, "a withdrawal went through in debt or in a pause");
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

    function _passTime(uint256 time) private {
        vm.warp(block.timestamp + time);
        while (_nextStart <= block.timestamp + _openLead) {
            _products.push(_product(_nextStart));
            _nextStart += LENGTH;
        }
        for (uint256 i = _products.length; i != 0; --i) {
            Product product = _products[i - 1];
            if (frozen[product] != 0) break;
            if (_stage(product) == IMarket.Stage.Closed) {
                frozen[product] = keccak256(abi.encode(MARKET.orders(product)));
            }
        }
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

    function _moneyOf(address account) private view returns (int256) {
        IVault.Balance memory balance = VAULT.balanceOf(account);
        return int256(balance.free + balance.locked) - int256(balance.debt);
    }

    /// @dev All money in the vault, what is owed taken off.
    function _money() private view returns (int256 sum) {
        for (uint256 i = 0; i <= TRADERS; ++i) {
            sum += _moneyOf(_account(i));
        }
    }

    function _stage(Product product) private view returns (IMarket.Stage) {
        return MARKET.productInfo(product).stage;
    }

    function _trader(uint256 who) private view returns (address) {
        return _traders[who % TRADERS];
    }

    /// @dev A trader or the zone operator.
    function _account(uint256 who) private view returns (address) {
        return who % (TRADERS + 1) == TRADERS ? operator : _traders[who % (TRADERS + 1)];
    }

    function _pick(uint256 which) private view returns (Product) {
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

    function _oldestUndelivered(address account) private view returns (Product product) {
        for (uint256 i = 0; i < _products.length; ++i) {
            product = _products[i];
            if (!MARKET.accountInfo(product, account).delivered) return product;
        }
    }

    function _must(bool condition, string memory otherwise) private pure {
        vm.assertTrue(condition, otherwise);
    }
}
