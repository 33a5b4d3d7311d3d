// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Genesis} from "../src/genesis/Genesis.sol";
import {IRegistry} from "../src/interfaces/IRegistry.sol";
import {ISettlement} from "../src/interfaces/ISettlement.sol";
import {IVault} from "../src/interfaces/IVault.sol";
import {Product, packProduct} from "../src/types/Product.sol";
import {Ledger} from "./base/Ledger.sol";

/// @notice Deliveries in two zones. Alice lives in the first, Carol in the second, and each zone's operator takes part
///         in the zone of the other. Nobody trades, so all that is taken is bought of the operator.
contract SettlementZonesTest is Ledger {
    uint64 private constant EAST = 8;
    uint64 private constant START = T0 + OPEN_LEAD;
    /// @dev Money of one Wh at one tick.
    uint256 private constant UNIT = 1e10;
    /// @dev Shortage price and grid fee.
    uint256 private constant HERE = 40_700;
    uint256 private constant THERE = 30_100;

    function setUp() public override {
        super.setUp();
        _propose(abi.encodeCall(REGISTRY.registerParticipants, (ZONE, _list(alice, secondOperator))));
        vm.prank(operator);
        REGISTRY.registerParticipants(ZONE, _list(alice, secondOperator));
        _propose(abi.encodeCall(REGISTRY.registerParticipants, (EAST, _list(carol, operator))));
        vm.prank(secondOperator);
        REGISTRY.registerParticipants(EAST, _list(carol, operator));
        address[] memory accounts = _everybody();
        for (uint256 i = 0; i < accounts.length; ++i) {
            _addMeter(accounts[i], _meterOf(accounts[i]), 5000, 3000);
        }
        vm.prank(alice);
        TOKEN.transfer(secondOperator, 500 * COIN);
    }

    function _config() internal view override returns (Genesis.Config memory config) {
        config = super._config();
        config.zones = new Genesis.Zone[](2);
        config.zones[0] = Genesis.Zone({id: ZONE, settings: _settings()});
        config.zones[1] = Genesis.Zone({id: EAST, settings: _easternSettings()});
    }

    function _easternSettings() private view returns (IRegistry.ZoneSettings memory settings) {
        settings = _settings();
        (settings.operator, settings.shortagePrice, settings.gridFee) = (secondOperator, 30_000, 100);
        settings.surplusPrice = 200;
    }

    function test_each_zone_settles_with_its_own_operator_by_its_own_prices() public {
        _deposit(alice, COIN);
        _deposit(carol, COIN);
        _clearBoth(START);
        _take(alice, START, 1000);
        _take(carol, START, 1000);
        SETTLEMENT.settle(packProduct(ZONE, START), _list(alice));
        SETTLEMENT.settle(packProduct(EAST, START), _list(carol));
        _expectBalance(alice, COIN - HERE * 1000 * UNIT, 0, 0);
        _expectBalance(carol, COIN - THERE * 1000 * UNIT, 0, 0);
        _expectBalance(operator, HERE * 1000 * UNIT, 0, 0);
        _expectBalance(secondOperator, THERE * 1000 * UNIT, 0, 0);
        _expectBooksBalance();
    }

    function test_nobody_is_settled_in_the_other_zone() public {
        _clearBoth(START);
        _take(alice, START, 1000);
        _expectNotParticipant(EAST, alice);
        // An operator is no participant of its own zone for that.
        _expectNotParticipant(ZONE, operator);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.NotParticipant.selector, carol, ZONE));
        SETTLEMENT.statement(packProduct(ZONE, START), carol);
    }

    function test_operators_can_owe_each_other_and_pay_each_other_back() public {
        _clearBoth(START);
        _take(secondOperator, START, 1000);
        _take(operator, START, 500);
        SETTLEMENT.settle(packProduct(ZONE, START), _list(secondOperator));
        SETTLEMENT.settle(packProduct(EAST, START), _list(operator));
        uint256 more = HERE * 1000 * UNIT;
        uint256 less = THERE * 500 * UNIT;
        // What they owe each other is set off.
        _expectBalance(secondOperator, 0, 0, more - less);
        _expectBalance(operator, 0, more - less, 0);
        vm.assertEq(VAULT.debtTo(secondOperator, operator), more - less);
        vm.assertEq(VAULT.debtTo(operator, secondOperator), 0);
        _expectBooksBalance();

        _deposit(secondOperator, more - less);
        vm.prank(operator);
        VAULT.withdraw(more - less);
        vm.assertEq(TOKEN.balanceOf(operator), 1000 * COIN + more - less);
        vm.assertEq(TOKEN.balanceOf(address(VAULT)), 0);
        _expectBooksBalance();
    }

    function test_a_change_of_operator_leaves_the_debt_with_the_one_before() public {
        uint64 later = START + LENGTH;
        IRegistry.ZoneSettings memory settings = _settings();
        settings.operator = secondOperator;
        vm.prank(admin);
        REGISTRY.changeZone(ZONE, settings, later);
        _clearBoth(later);
        MARKET.clear(packProduct(ZONE, START));
        _read(_meterOf(alice), START, 0, 0);
        _read(_meterOf(alice), later, 1000, 0);
        vm.warp(later + LENGTH);
        _read(_meterOf(alice), later + LENGTH, 3000, 0);
        SETTLEMENT.settle(packProduct(ZONE, START), _list(alice));
        SETTLEMENT.settle(packProduct(ZONE, later), _list(alice));
        (uint256 old, uint256 recent) = (HERE * 1000 * UNIT, HERE * 2000 * UNIT);
        _expectBalance(alice, 0, 0, old + recent);
        vm.assertEq(VAULT.debtTo(alice, operator), old);
        vm.assertEq(VAULT.debtTo(alice, secondOperator), recent);

        _deposit(alice, old + 1);
        _expectBalance(operator, old, 0, 0);
        _expectBalance(secondOperator, 1, recent - 1, 0);
        _deposit(alice, recent);
        _expectBalance(alice, 1, 0, 0);
        _expectBooksBalance();
    }

    function test_one_operator_of_two_zones_covers_one_with_the_other() public {
        uint64 later = START + LENGTH;
        IRegistry.ZoneSettings memory settings = _easternSettings();
        settings.operator = operator;
        vm.prank(admin);
        REGISTRY.changeZone(EAST, settings, later);
        _deposit(alice, COIN);
        _clearBoth(later);
        _take(alice, later, 1000);
        _read(_meterOf(carol), later, 0, 0);
        _read(_meterOf(carol), later + LENGTH, 0, 1000);
        SETTLEMENT.settle(packProduct(EAST, later), _list(carol));
        _expectBalance(carol, 0, 200 * 1000 * UNIT, 0);
        SETTLEMENT.settle(packProduct(ZONE, later), _list(alice));
        _expectBalance(carol, 200 * 1000 * UNIT, 0, 0);
        _expectBalance(operator, (HERE - 200) * 1000 * UNIT, 0, 0);
        _expectBooksBalance();
    }

    /// @dev Whoever owes whom, and however often debts are passed on, money neither comes nor goes.
    function test_deliveries_across_zones_sum_to_zero(
        uint256[4] memory imports,
        uint256[4] memory exports,
        uint256[4] memory deposits,
        uint8[8] memory payers
    ) public {
        address[] memory accounts = _everybody();
        _clearBoth(START);
        uint256 sum = 0;
        for (uint256 i = 0; i < 4; ++i) {
            uint256 deposit = bound(deposits[i], 1, COIN / 5);
            sum += deposit;
            _deposit(accounts[i], deposit);
            _read(_meterOf(accounts[i]), START, 0, 0);
        }
        vm.warp(START + LENGTH);
        for (uint256 i = 0; i < 4; ++i) {
            uint64 importWh = uint64(bound(imports[i], 0, 5000));
            _read(_meterOf(accounts[i]), START + LENGTH, importWh, uint64(bound(exports[i], 0, 3000)));
            Product id = packProduct(i < 2 ? ZONE : EAST, START);
            bool ready = SETTLEMENT.statuses(id, _list(accounts[i]))[0] == ISettlement.Status.Ready;
            if (ready) SETTLEMENT.settle(id, _list(accounts[i]));
            _expectTotal(accounts, sum);
        }
        for (uint256 i = 0; i < payers.length; ++i) {
            address payer = accounts[payers[i] % 4];
            IVault.Balance memory before = VAULT.balanceOf(payer);
            uint256 paid = VAULT.payDebts(payer, 8);
            vm.assertEq(paid, before.free < before.debt ? before.free : before.debt);
            _expectBalance(payer, before.free - paid, before.locked, before.debt - paid);
            _expectTotal(accounts, sum);
        }
    }

    function _expectTotal(address[] memory accounts, uint256 expected) private view {
        uint256 sum = 0;
        uint256 debts = 0;
        IVault.Balance[] memory balances = VAULT.balancesOf(accounts);
        for (uint256 i = 0; i < accounts.length; ++i) {
            vm.assertEq(abi.encode(balances[i]), abi.encode(VAULT.balanceOf(accounts[i])));
            sum += balances[i].free + balances[i].locked;
            debts += balances[i].debt;
        }
        vm.assertEq(sum - debts, expected);
        vm.assertEq(TOKEN.balanceOf(address(VAULT)), expected);
    }

    function _expectNotParticipant(uint64 zone, address account) private {
        ISettlement.Status[] memory found = SETTLEMENT.settle(packProduct(zone, START), _list(account));
        vm.assertEq(uint256(found[0]), uint256(ISettlement.Status.NotParticipant));
        vm.assertEq(MARKET.accountInfo(packProduct(zone, START), account).delivered, false);
    }

    /// @dev Two participants of the first zone and two of the second.
    function _everybody() private view returns (address[] memory) {
        return _list(alice, secondOperator, carol, operator);
    }

    /// @dev Clears a product without orders in both zones, which settles its orders.
    function _clearBoth(uint64 start) private {
        vm.warp(start + LENGTH);
        MARKET.clear(packProduct(ZONE, start));
        MARKET.clear(packProduct(EAST, start));
    }

    function _take(address account, uint64 start, uint64 importWh) private {
        _read(_meterOf(account), start, 0, 0);
        _read(_meterOf(account), start + LENGTH, importWh, 0);
    }
}
