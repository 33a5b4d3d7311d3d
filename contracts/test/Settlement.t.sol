// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IMarket} from "../src/interfaces/IMarket.sol";
import {IMetering} from "../src/interfaces/IMetering.sol";
import {IRegistry} from "../src/interfaces/IRegistry.sol";
import {ISettlement} from "../src/interfaces/ISettlement.sol";
import {IVault} from "../src/interfaces/IVault.sol";
import {Product, packProduct} from "../src/types/Product.sol";
import {System} from "./base/System.sol";

/// @notice Contracted against metered energy. Alice buys 1,000 Wh of Bob at 10,000 ticks; Carol does not trade.
contract SettlementTest is System {
    uint64 private constant START = T0 + OPEN_LEAD;
    Product private product = _product(START);
    /// @dev Money of one Wh at one tick.
    uint256 private constant UNIT = 1e10;

    function setUp() public override {
        super.setUp();
        _enrol(_list(alice, bob, carol));
        _deposit(alice, COIN);
        _deposit(bob, COIN);
        _deposit(carol, COIN);
        _deposit(operator, COIN);
    }

    function test_an_account_on_plan_pays_the_grid_fee_only() public {
        _trade();
        _deliver(alice, 1000, 0);
        vm.expectEmit(address(SETTLEMENT));
        emit ISettlement.DeliverySettled(product, alice, 1000, 1000, 0, 700 * 1000 * UNIT);
        SETTLEMENT.settle(product, _list(alice));
        vm.assertEq(VAULT.balanceOf(alice).free, COIN - 10_700 * 1000 * UNIT);
        vm.assertEq(VAULT.balanceOf(operator).free, COIN + 700 * 1000 * UNIT);
    }

    function test_short_of_contract_one_buys_at_the_shortage_price() public {
        _trade();
        _deliver(alice, 1300, 0);
        SETTLEMENT.settle(product, _list(alice));
        ISettlement.Statement memory bill = SETTLEMENT.statement(product, alice);
        vm.assertEq(bill.contracted, 1000);
        vm.assertEq(bill.metered, 1300);
        vm.assertEq(bill.imbalance, 300);
        vm.assertEq(bill.imbalanceCost, int256(40_000 * 300 * UNIT));
        vm.assertEq(bill.gridFee, 700 * 1300 * UNIT);
        vm.assertEq(VAULT.balanceOf(alice).free, COIN - (10_000 * 1000 + 40_000 * 300 + 700 * 1300) * UNIT);
    }

    function test_long_of_contract_one_sells_at_the_surplus_price() public {
        _trade();
        _deliver(bob, 0, 1100);
        SETTLEMENT.settle(product, _list(bob));
        ISettlement.Statement memory bill = SETTLEMENT.statement(product, bob);
        vm.assertEq(bill.contracted, -1000);
        vm.assertEq(bill.metered, -1100);
        vm.assertEq(bill.imbalance, -100);
        vm.assertEq(bill.imbalanceCost, -int256(1500 * 100 * UNIT));
        vm.assertEq(bill.gridFee, 0);
        vm.assertEq(VAULT.balanceOf(bob).free, COIN + (10_000 * 1000 + 1500 * 100) * UNIT);
        vm.assertEq(VAULT.balanceOf(operator).free, COIN - 1500 * 100 * UNIT);
    }

    function test_a_seller_who_delivers_less_buys_what_is_missing() public {
        _trade();
        _deliver(bob, 0, 400);
        SETTLEMENT.settle(product, _list(bob));
        vm.assertEq(VAULT.balanceOf(bob).free, COIN + 10_000 * 1000 * UNIT - 40_700 * 600 * UNIT);
    }

    function test_who_did_not_trade_is_settled_too() public {
        _trade();
        _deliver(carol, 200, 0);
        SETTLEMENT.settle(product, _list(carol));
        vm.assertEq(VAULT.balanceOf(carol).free, COIN - 40_700 * 200 * UNIT);
    }

    function test_all_meters_of_an_account_count() public {
        _addMeter(alice, "second", 1000, 1000);
        _trade();
        _deliver(alice, 1500, 0);
        vm.assertEq(uint256(_status(alice)), uint256(ISettlement.Status.ReadingMissing));
        _read("second", START, 0, 10);
        _read("second", START + LENGTH, 0, 510);
        SETTLEMENT.settle(product, _list(alice));
        vm.assertEq(SETTLEMENT.statement(product, alice).metered, 1000);
        vm.assertEq(SETTLEMENT.statement(product, alice).imbalance, 0);
    }

    function test_a_meter_registered_during_delivery_counts_later() public {
        _trade();
        vm.warp(START + 1);
        _addMeter(alice, "second", 1000, 1000);
        _deliver(alice, 1000, 0);
        SETTLEMENT.settle(product, _list(alice));
        vm.assertEq(SETTLEMENT.statement(product, alice).imbalance, 0);
    }

    function test_a_meter_sold_meanwhile_counts_for_its_owner_at_delivery() public {
        _propose(abi.encodeCall(REGISTRY.assignMeter, (_meterOf(alice), carol, START + LENGTH)));
        vm.prank(operator);
        REGISTRY.assignMeter(_meterOf(alice), carol, START + LENGTH);
        _trade();
        _deliver(alice, 1000, 0);
        _deliver(carol, 0, 0);
        SETTLEMENT.settle(product, _list(alice, carol));
        vm.assertEq(SETTLEMENT.statement(product, alice).metered, 1000);
        vm.assertEq(SETTLEMENT.statement(product, carol).metered, 0);
    }

    function test_at_negative_prices_money_flows_the_other_way() public {
        IRegistry.ZoneSettings memory settings = _settings();
        (settings.shortagePrice, settings.surplusPrice, settings.gridFee) = (-100, -300, 0);
        uint64 start = START + LENGTH;
        vm.prank(admin);
        REGISTRY.changeZone(ZONE, settings, start);
        vm.warp(start);
        MARKET.clear(_product(start));
        vm.warp(start + LENGTH);
        _readBoth(alice, start, 50, 0);
        _readBoth(bob, start, 0, 50);
        SETTLEMENT.settle(_product(start), _list(alice, bob));
        // The operator pays who takes energy and is paid by who brings it.
        vm.assertEq(VAULT.balanceOf(alice).free, COIN + 100 * 50 * UNIT);
        vm.assertEq(VAULT.balanceOf(bob).free, COIN - 300 * 50 * UNIT);
    }

    function test_settings_changed_meanwhile_leave_the_product_alone() public {
        IRegistry.ZoneSettings memory settings = _settings();
        (settings.operator, settings.shortagePrice) = (carol, 50_000);
        vm.prank(admin);
        REGISTRY.changeZone(ZONE, settings, START + LENGTH);
        _trade();
        _deliver(alice, 1300, 0);
        SETTLEMENT.settle(product, _list(alice));
        vm.assertEq(VAULT.balanceOf(carol).free, COIN);
        vm.assertEq(SETTLEMENT.statement(product, alice).imbalanceCost, int256(40_000 * 300 * UNIT));
    }

    function test_what_an_account_cannot_pay_becomes_a_debt() public {
        _trade();
        vm.startPrank(alice);
        VAULT.withdraw(VAULT.balanceOf(alice).free);
        vm.stopPrank();
        _deliver(alice, 2000, 0);
        SETTLEMENT.settle(product, _list(alice));
        // The grid fee for what was traded is all there is.
        uint256 due = (40_000 * 1000 + 700 * 2000) * UNIT;
        vm.assertEq(VAULT.balanceOf(alice).debt, due - 700 * 1000 * UNIT);
        vm.assertEq(VAULT.balanceOf(alice).locked, 0);
        vm.assertEq(VAULT.debtTo(alice, operator), due - 700 * 1000 * UNIT);
    }

    // When it cannot be settled

    function test_settle_waits_for_the_end_of_delivery() public {
        _trade();
        vm.warp(START + LENGTH - 1);
        vm.assertEq(uint256(_status(alice)), uint256(ISettlement.Status.DeliveryNotOver));
        vm.expectRevert(abi.encodeWithSelector(ISettlement.DeliveryNotOver.selector, product, START + LENGTH));
        SETTLEMENT.settle(product, _list(alice));
    }

    function test_settle_waits_for_the_orders() public {
        _submit(alice, product, 0, 10_000, 1000);
        _submit(bob, product, 1, 10_000, 1000);
        _deliver(alice, 1000, 0);
        vm.assertEq(uint256(_status(alice)), uint256(ISettlement.Status.OrdersNotSettled));
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotCleared.selector, product));
        SETTLEMENT.settle(product, _list(alice));
        MARKET.clear(product);
        MARKET.settleOrders(product, 1);
        vm.assertEq(uint256(_status(alice)), uint256(ISettlement.Status.OrdersNotSettled));
        vm.expectRevert(abi.encodeWithSelector(IMarket.OrdersNotSettled.selector, product, 1, 2));
        SETTLEMENT.settle(product, _list(alice));
    }

    function test_settle_waits_for_both_readings() public {
        _trade();
        bytes32 meter = _meterOf(alice);
        vm.warp(START + LENGTH);
        vm.assertEq(uint256(_status(alice)), uint256(ISettlement.Status.ReadingMissing));
        _expectSkipped(alice, ISettlement.Status.ReadingMissing);
        _read(meter, START, 0, 0);
        _expectSkipped(alice, ISettlement.Status.ReadingMissing);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.ReadingMissing.selector, product, alice));
        SETTLEMENT.statement(product, alice);

        // The operator's substitute serves as well.
        vm.warp(START + LENGTH + DEADLINE);
        IMetering.Reading[] memory readings = new IMetering.Reading[](1);
        readings[0] = _reading(meter, START + LENGTH, 1000, 0);
        vm.prank(operator);
        METERING.substitute(readings);
        vm.assertEq(uint256(_status(alice)), uint256(ISettlement.Status.Ready));
        SETTLEMENT.settle(product, _list(alice));
        vm.assertEq(uint256(_status(alice)), uint256(ISettlement.Status.Done));
    }

    /// @dev A silent meter and an operator that lost its key.
    function test_after_the_final_deadline_anybody_ends_an_interval() public {
        _trade();
        vm.warp(START + LENGTH + FINAL_DEADLINE - 1);
        _expectSkipped(bob, ISettlement.Status.ReadingMissing);
        vm.assertEq(uint256(_status(bob)), uint256(ISettlement.Status.ReadingMissing));
        vm.warp(START + LENGTH + FINAL_DEADLINE);
        vm.assertEq(uint256(_status(bob)), uint256(ISettlement.Status.Ready));
        vm.expectEmit(address(SETTLEMENT));
        emit ISettlement.DeliverySettled(product, bob, -1000, -1000, 0, 0);
        vm.prank(carol);
        SETTLEMENT.settle(product, _list(bob));
        vm.assertEq(VAULT.balanceOf(bob).free, COIN + 10_000 * 1000 * UNIT);
        vm.assertEq(VAULT.balanceOf(bob).locked, 0);
        vm.assertEq(SETTLEMENT.statement(product, bob).metered, -1000);

        // A meter that speaks after all is heard until the correction period is over.
        vm.warp(START + LENGTH + CORRECTION_PERIOD - 1);
        _readBoth(bob, START, 0, 900);
        vm.expectEmit(address(SETTLEMENT));
        emit ISettlement.DeliveryCorrected(product, bob, -1000, -900, int256(40_700 * 100 * UNIT));
        _expectOutcome(bob, ISettlement.Outcome.Corrected);
        vm.assertEq(VAULT.balanceOf(bob).free, COIN + (10_000 * 1000 - 40_700 * 100) * UNIT);
        vm.assertEq(SETTLEMENT.statement(product, bob).metered, -900);
        _expectOutcome(bob, ISettlement.Outcome.Unchanged);
        vm.warp(START + LENGTH + CORRECTION_PERIOD);
        uint64 end = START + LENGTH + CORRECTION_PERIOD;
        vm.expectRevert(abi.encodeWithSelector(ISettlement.CorrectionPeriodOver.selector, product, end));
        SETTLEMENT.correct(product, _list(bob));
    }

    /// @dev Securities have ended by then, and nothing but the locks answers.
    function test_after_the_correction_period_readings_count_no_more() public {
        _trade();
        uint64 end = START + LENGTH + CORRECTION_PERIOD;
        vm.warp(end - 1);
        _readBoth(alice, START, 900, 0);
        _readBoth(bob, START, 0, 900);
        SETTLEMENT.settle(product, _list(alice));
        vm.assertEq(SETTLEMENT.statement(product, alice).metered, 900);
        vm.assertEq(SETTLEMENT.statement(product, bob).metered, -900);
        vm.warp(end);
        vm.assertEq(SETTLEMENT.statement(product, bob).metered, -1000);
        vm.assertEq(uint256(_status(bob)), uint256(ISettlement.Status.Ready));
        vm.expectEmit(address(SETTLEMENT));
        emit ISettlement.DeliverySettled(product, bob, -1000, -1000, 0, 0);
        SETTLEMENT.settle(product, _list(bob));
        vm.assertEq(VAULT.balanceOf(bob).free, COIN + 10_000 * 1000 * UNIT);
        vm.assertEq(VAULT.balanceOf(bob).locked, 0);
    }

    function test_correct_says_of_each_account_why_not() public {
        _trade();
        _deliver(alice, 1000, 0);
        SETTLEMENT.settle(product, _list(alice));
        vm.warp(START + LENGTH + DEADLINE);
        IMetering.Reading memory guess = _reading(_meterOf(bob), START, 20_000, 12_000);
        _substitute(operator, guess);
        guess = _reading(_meterOf(bob), START + LENGTH, 20_000, 12_500);
        _substitute(operator, guess);
        SETTLEMENT.settle(product, _list(bob));
        _readBoth(carol, START, 10, 0);

        ISettlement.Outcome[] memory outcomes = SETTLEMENT.correct(product, _list(alice, bob, carol, operator));
        vm.assertEq(uint256(outcomes[0]), uint256(ISettlement.Outcome.Unchanged));
        // Another guess of the operator's is no reason.
        vm.assertEq(uint256(outcomes[1]), uint256(ISettlement.Outcome.ReadingMissing));
        vm.assertEq(uint256(outcomes[2]), uint256(ISettlement.Outcome.NotDelivered));
        vm.assertEq(uint256(outcomes[3]), uint256(ISettlement.Outcome.NotParticipant));

        _read(_meterOf(bob), START, 20_000, 12_000);
        _read(_meterOf(bob), START + LENGTH, 20_000, 13_000);
        outcomes = SETTLEMENT.correct(product, _list(bob, carol, bob));
        vm.assertEq(uint256(outcomes[0]), uint256(ISettlement.Outcome.Corrected));
        vm.assertEq(uint256(outcomes[1]), uint256(ISettlement.Outcome.NotDelivered));
        vm.assertEq(uint256(outcomes[2]), uint256(ISettlement.Outcome.Unchanged));
        vm.assertEq(VAULT.balanceOf(bob).free, COIN + 10_000 * 1000 * UNIT);
    }

    /// @dev Whatever the operator guesses first, in the end everybody has what the true readings give.
    function test_corrections_end_where_true_readings_would_have(uint16[2] memory guesses, uint16[2] memory truths)
        public
    {
        vm.prank(bank);
        TOKEN.mint(operator, 10_000 * COIN);
        _deposit(operator, 10_000 * COIN);
        _deposit(alice, 900 * COIN);
        _trade();
        vm.warp(START + LENGTH + DEADLINE);
        bytes32 meter = _meterOf(alice);
        _substitute(operator, _reading(meter, START, 0, 0));
        uint64 importWh = uint64(guesses[0] % 5001);
        _substitute(operator, _reading(meter, START + LENGTH, importWh, guesses[1] % 3001));
        SETTLEMENT.settle(product, _list(alice));
        int256 guessed = int256(uint256(importWh)) - int256(uint256(guesses[1] % 3001));
        vm.assertEq(SETTLEMENT.statement(product, alice).metered, guessed);

        _read(meter, START, 0, 0);
        _read(meter, START + LENGTH, truths[0] % 5001, truths[1] % 3001);
        SETTLEMENT.correct(product, _list(alice));
        int256 metered = int256(uint256(truths[0] % 5001)) - int256(uint256(truths[1] % 3001));
        int256 e = metered - 1000;
        int256 due = e * (e > 0 ? int256(40_700) : int256(1500)) + 700 * 1000;
        vm.assertEq(int256(VAULT.balanceOf(alice).free), int256(901 * COIN) - (10_000 * 1000 + due) * int256(UNIT));
        vm.assertEq(int256(VAULT.balanceOf(operator).free), int256(10_001 * COIN) + due * int256(UNIT));
    }

    function test_settle_settles_once() public {
        _trade();
        _deliver(alice, 1000, 0);
        _deliver(bob, 0, 1000);
        SETTLEMENT.settle(product, _list(alice));
        IVault.Balance memory balance = VAULT.balanceOf(alice);
        _expectSkipped(alice, ISettlement.Status.Done);
        vm.assertEq(abi.encode(VAULT.balanceOf(alice)), abi.encode(balance));

        // Nor twice in one call. The others of a batch go on.
        ISettlement.Status[] memory found = SETTLEMENT.settle(product, _list(carol, alice, bob, bob));
        vm.assertEq(uint256(found[0]), uint256(ISettlement.Status.ReadingMissing));
        vm.assertEq(uint256(found[1]), uint256(ISettlement.Status.Done));
        vm.assertEq(uint256(found[2]), uint256(ISettlement.Status.Ready));
        vm.assertEq(uint256(found[3]), uint256(ISettlement.Status.Done));
        vm.assertEq(abi.encode(VAULT.balanceOf(alice)), abi.encode(balance));
        vm.assertEq(VAULT.balanceOf(bob).free, COIN + 10_000 * 1000 * UNIT);
        vm.assertEq(VAULT.balanceOf(bob).locked, 0);
    }

    function test_settle_is_for_participants_of_the_zone() public {
        _trade();
        vm.warp(START + LENGTH);
        vm.assertEq(uint256(_status(operator)), uint256(ISettlement.Status.NotParticipant));
        _expectSkipped(operator, ISettlement.Status.NotParticipant);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.NotParticipant.selector, operator, ZONE));
        SETTLEMENT.statement(product, operator);
    }

    function test_settle_refuses_what_is_no_product() public {
        Product unaligned = _product(START - 1);
        vm.warp(START + LENGTH);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.UnknownZone.selector, 9));
        SETTLEMENT.settle(packProduct(9, START), _list(alice));
        vm.expectRevert(abi.encodeWithSelector(IRegistry.BeforeZone.selector, ZONE, T0 - LENGTH));
        SETTLEMENT.settle(_product(T0 - LENGTH), _list(alice));
        vm.expectRevert(abi.encodeWithSelector(IRegistry.UnknownZone.selector, 0));
        SETTLEMENT.settle(Product.wrap(uint256(1) << 128 | Product.unwrap(product)), _list(alice));
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotCleared.selector, unaligned));
        SETTLEMENT.settle(unaligned, _list(alice));

        vm.expectRevert(abi.encodeWithSelector(IMarket.UnalignedStart.selector, unaligned, LENGTH));
        SETTLEMENT.statuses(unaligned, _list(alice));
        vm.expectRevert(abi.encodeWithSelector(IMarket.InvalidProduct.selector, START));
        SETTLEMENT.statuses(Product.wrap(START), _list(alice));
        vm.expectRevert(abi.encodeWithSelector(IRegistry.UnknownZone.selector, 0));
        SETTLEMENT.statement(Product.wrap(START), operator);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.BeforeZone.selector, ZONE, T0 - LENGTH));
        SETTLEMENT.statement(_product(T0 - LENGTH), alice);
    }

    function test_an_operator_without_money_holds_up_no_settlement() public {
        _trade();
        vm.prank(operator);
        VAULT.withdraw(COIN);
        _deliver(bob, 0, 1100);
        _deliver(alice, 1000, 0);
        uint256 earned = 1500 * 100 * UNIT;
        SETTLEMENT.settle(product, _list(bob));
        // All that Bob sold is his; the rest the operator owes him, and pays from the first that it gets.
        vm.assertEq(VAULT.balanceOf(bob).free, COIN + 10_000 * 1000 * UNIT);
        vm.assertEq(VAULT.balanceOf(bob).locked, earned);
        vm.assertEq(VAULT.debtTo(operator, bob), earned);
        SETTLEMENT.settle(product, _list(alice));
        vm.assertEq(VAULT.balanceOf(bob).free, COIN + (10_000 * 1000 + 1500 * 100) * UNIT);
        vm.assertEq(VAULT.balanceOf(bob).locked, 0);
        vm.assertEq(VAULT.balanceOf(operator).free, 700 * 1000 * UNIT - earned);
    }

    /// @dev Alice has bought 1,000 Wh, and has no more than half a coin for what comes. A pause of the token changes
    ///      nothing, since money moves inside the vault only.
    function test_settle_moves_what_the_statement_says(uint256 importWh, uint256 exportWh, bool paused) public {
        vm.prank(alice);
        VAULT.withdraw(COIN / 2);
        _trade();
        importWh = bound(importWh, 0, 5000);
        exportWh = bound(exportWh, 0, 3000);
        _deliver(alice, uint64(importWh), uint64(exportWh));
        int256 imbalance = int256(importWh) - int256(exportWh) - 1000;
        int256 cost = imbalance * (imbalance > 0 ? int256(40_000) : int256(1500)) * int256(UNIT);
        uint256 fee = 700 * (imbalance > 0 ? 1000 + uint256(imbalance) : 1000) * UNIT;
        if (paused) {
            vm.prank(bank);
            TOKEN.pause();
        }
        vm.expectEmit(address(SETTLEMENT));
        emit ISettlement.DeliverySettled(product, alice, 1000, imbalance + 1000, cost, fee);
        SETTLEMENT.settle(product, _list(alice));

        ISettlement.Statement memory bill = SETTLEMENT.statement(product, alice);
        vm.assertEq(abi.encode(bill), abi.encode(ISettlement.Statement(1000, imbalance + 1000, imbalance, cost, fee)));
        int256 left = int256(COIN / 2 - 10_000 * 1000 * UNIT) - cost - int256(fee);
        IVault.Balance memory balance = VAULT.balanceOf(alice);
        vm.assertEq(balance.free, left > 0 ? uint256(left) : 0);
        vm.assertEq(balance.locked, 0);
        vm.assertEq(balance.debt, left < 0 ? uint256(-left) : 0);
        vm.assertEq(VAULT.debtTo(alice, operator), balance.debt);
        balance = VAULT.balanceOf(operator);
        vm.assertEq(int256(balance.free + balance.locked), int256(COIN) + cost + int256(fee));
    }

    function test_delivery_sums_to_zero(uint16[3] memory imports, uint16[3] memory exports) public {
        _trade();
        address[] memory all = _list(alice, bob, carol);
        vm.prank(bank);
        TOKEN.mint(operator, 10_000 * COIN);
        _deposit(operator, 10_000 * COIN);
        uint256 before = _total(all);
        for (uint256 i = 0; i < 3; ++i) {
            _deliver(all[i], uint64(bound(uint256(imports[i]), 0, 5000)), uint64(bound(uint256(exports[i]), 0, 3000)));
        }
        SETTLEMENT.settle(product, all);
        vm.assertEq(_total(all), before);
        for (uint256 i = 0; i < 3; ++i) {
            ISettlement.Statement memory bill = SETTLEMENT.statement(product, all[i]);
            vm.assertEq(bill.contracted + bill.imbalance, bill.metered);
            vm.assertEq(VAULT.balanceOf(all[i]).locked, 0);
        }
    }

    /// @dev All money of the accounts and the operator, what is owed counted once.
    function _total(address[] memory accounts) private view returns (uint256 sum) {
        IVault.Balance memory balance = VAULT.balanceOf(operator);
        sum = balance.free + balance.locked;
        for (uint256 i = 0; i < accounts.length; ++i) {
            balance = VAULT.balanceOf(accounts[i]);
            sum = sum + balance.free + balance.locked - balance.debt;
        }
    }

    function _expectSkipped(address account, ISettlement.Status status) private {
        vm.expectEmit(address(SETTLEMENT));
        emit ISettlement.DeliverySkipped(product, account, status);
        ISettlement.Status[] memory found = SETTLEMENT.settle(product, _list(account));
        vm.assertEq(uint256(found[0]), uint256(status));
    }

    function _expectOutcome(address account, ISettlement.Outcome outcome) private {
        vm.assertEq(uint256(SETTLEMENT.correct(product, _list(account))[0]), uint256(outcome));
    }

    function _trade() private {
        _submit(alice, product, 0, 10_000, 1000);
        _submit(bob, product, 1, 10_000, 1000);
        vm.warp(START - GATE_LEAD);
        MARKET.clear(product);
        MARKET.settleOrders(product, 2);
    }

    function _deliver(address account, uint64 importWh, uint64 exportWh) private {
        vm.warp(START + LENGTH);
        _readBoth(account, START, importWh, exportWh);
    }

    function _readBoth(address account, uint64 start, uint64 importWh, uint64 exportWh) private {
        _read(_meterOf(account), start, 20_000, 12_000);
        _read(_meterOf(account), start + LENGTH, 20_000 + importWh, 12_000 + exportWh);
    }

    function _status(address account) private view returns (ISettlement.Status) {
        return SETTLEMENT.statuses(product, _list(account))[0];
    }
}
