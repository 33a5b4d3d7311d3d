// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IRegistry} from "../src/interfaces/IRegistry.sol";
import {IVault} from "../src/interfaces/IVault.sol";
import {Product} from "../src/types/Product.sol";
import {Ledger} from "./base/Ledger.sol";

/// @notice What everybody keeps: nobody's default is another's loss, and nobody solvent comes into debt. Each meter can
///         take 5,000 Wh and deliver 3,000 Wh in an interval, and security is kept for two intervals.
contract CreditTest is Ledger {
    uint64 private constant START = T0 + OPEN_LEAD;
    uint256 private constant UNIT = 1e10;
    /// @dev What a Wh short of contract costs: the shortage price and the grid fee.
    uint256 private constant SHORT = 40_700;
    uint256 private constant SECURITY = 2 * 5000 * SHORT * UNIT;
    /// @dev What the operator may have to pay for a Wh delivered without a contract, or contracted and not taken.
    uint256 private constant RESERVE = 2 * 2 * (5000 + 3000) * 1500 * UNIT;
    Product private product = _product(START);

    function setUp() public override {
        super.setUp();
        _deposit(operator, RESERVE);
        _enrol(_list(alice, bob));
    }

    function _settings() internal view override returns (IRegistry.ZoneSettings memory settings) {
        settings = super._settings();
        settings.securityIntervals = 2;
    }

    // Security

    function test_meters_need_security() public {
        vm.assertEq(REGISTRY.securityOf(alice), SECURITY);
        vm.assertEq(REGISTRY.securityOf(carol), 0);
        _deposit(operator, 2 * 100 * 1500 * UNIT);
        _addMeter(alice, "second", 100, 0);
        vm.assertEq(REGISTRY.securityOf(alice), SECURITY + 2 * 100 * SHORT * UNIT);
        IRegistry.ZoneSettings memory settings = _settings();
        // Where surplus costs something, delivering is secured, too.
        settings.surplusPrice = -100;
        uint64 from = START + 2 * LENGTH;
        vm.prank(admin);
        REGISTRY.changeZone(ZONE, settings, from);
        // From the announcement on.
        vm.assertEq(REGISTRY.securityOf(alice), SECURITY + 2 * (100 * SHORT + 3000 * 100) * UNIT);
        vm.warp(from);
        vm.assertEq(REGISTRY.securityOf(alice), SECURITY + 2 * (100 * SHORT + 3000 * 100) * UNIT);
    }

    function test_below_its_security_an_account_orders_nothing() public {
        _deposit(alice, SECURITY + 700 * UNIT);
        vm.expectRevert(abi.encodeWithSelector(IVault.SecurityNeeded.selector, alice, SECURITY - UNIT, SECURITY));
        _submit(alice, product, 0, 1, 1);
        _submit(alice, product, 0, 0, 1);
        _expectBalance(alice, SECURITY, 700 * UNIT, 0);
    }

    function test_no_withdrawal_goes_through_the_security() public {
        _deposit(alice, SECURITY + 5);
        vm.expectRevert(abi.encodeWithSelector(IVault.SecurityNeeded.selector, alice, SECURITY - 1, SECURITY));
        vm.prank(alice);
        VAULT.withdraw(6);
        vm.prank(alice);
        VAULT.withdrawTo(bob, 5);
        _expectBalance(alice, SECURITY, 0, 0);
    }

    function test_security_ends_a_correction_period_after_the_last_interval() public {
        _deposit(alice, SECURITY);
        uint64 until = T0 + OPEN_LEAD + LENGTH;
        _retire(alice, until);
        vm.warp(until + CORRECTION_PERIOD - 1);
        vm.assertEq(REGISTRY.securityOf(alice), SECURITY);
        vm.warp(until + CORRECTION_PERIOD);
        vm.assertEq(REGISTRY.securityOf(alice), 0);
        vm.prank(alice);
        VAULT.withdraw(SECURITY);
    }

    /// @dev An account whose consumption is read already cannot take its money away before it is settled.
    function test_consumption_is_paid_for_whatever_is_withdrawn_first() public {
        _deposit(alice, 10 * SECURITY);
        vm.warp(START + LENGTH);
        MARKET.clear(product);
        _deliver(alice, START, 5000, 0);
        IVault.Balance memory balance = VAULT.balanceOf(alice);
        vm.startPrank(alice);
        VAULT.withdraw(balance.free - SECURITY);
        vm.expectRevert(abi.encodeWithSelector(IVault.SecurityNeeded.selector, alice, SECURITY - 1, SECURITY));
        VAULT.withdraw(1);
        vm.stopPrank();
        SETTLEMENT.settle(product, _list(alice));
        _expectBalance(alice, SECURITY / 2, 0, 0);
        _expectBalance(operator, RESERVE + SECURITY / 2, 0, 0);
    }

    // Orders

    /// @dev A straw account asks for anything, its owner's bid fills, the straw delivers nothing and has no more money
    ///      than it needs to order.
    function test_a_straw_sellers_default_costs_the_operator_nothing(int32 price, uint16 quantity, uint16 taken)
        public
    {
        price = int32(bound(int256(price), -5000, 50_000));
        quantity = uint16(bound(quantity, 1, 3000));
        taken = uint16(bound(taken, 0, 5000));
        vm.prank(bank);
        TOKEN.mint(alice, 1000 * COIN);
        _deposit(alice, 1000 * COIN);
        _deposit(operator, 100 * COIN);
        uint256 stake = SECURITY + LENS.collateral(product, 1, price, quantity);
        vm.prank(alice);
        TOKEN.transfer(bob, stake);
        _deposit(bob, stake);
        _trade(bob, alice, price, quantity);
        _deliver(alice, START, taken, 0);
        _deliver(bob, START, 5000, 0);
        SETTLEMENT.settle(product, _list(bob, alice));
        vm.assertEq(VAULT.balanceOf(bob).debt, 0);
        vm.assertEq(VAULT.balanceOf(alice).debt, 0);
        // What is short is paid for at the shortage price, less what is long at the surplus price.
        uint256 short = quantity + 5000 + (taken > quantity ? taken - quantity : 0);
        uint256 long = quantity > taken ? quantity - taken : 0;
        uint256 gained = (SHORT * short + 700 * uint256(quantity) - 1500 * long) * UNIT;
        _expectBalance(operator, 100 * COIN + RESERVE + gained, 0, 0);
    }

    /// @dev A buyer that takes nothing, where that costs something.
    function test_a_buyer_secures_what_taking_nothing_costs() public {
        IRegistry.ZoneSettings memory settings = _settings();
        settings.surplusPrice = -300;
        uint64 start = START + 2 * LENGTH;
        vm.prank(admin);
        REGISTRY.changeZone(ZONE, settings, start);
        product = _product(start);
        vm.warp(start - OPEN_LEAD);
        vm.assertEq(LENS.collateral(product, 0, 100, 1000), (100 + 700 + 300) * 1000 * UNIT);
        vm.assertEq(LENS.collateral(product, 0, -100, 1000), (700 + 300) * 1000 * UNIT);
    }

    function test_an_ask_above_all_that_it_can_come_to_owe_locks_nothing() public view {
        vm.assertEq(LENS.collateral(product, 1, 40_699, 1000), 1000 * UNIT);
        vm.assertEq(LENS.collateral(product, 1, 40_700, 1000), 0);
        vm.assertEq(LENS.collateral(product, 1, 50_000, 1000), 0);
        vm.assertEq(LENS.collateral(product, 1, -100, 1000), 40_800 * 1000 * UNIT);
    }

    /// @dev Where being short earns money, a seller at a negative price still pays that price when its order is settled.
    function test_an_ask_locks_its_negative_price_whatever_a_default_earns() public {
        IRegistry.ZoneSettings memory settings = _settings();
        (settings.shortagePrice, settings.surplusPrice, settings.securityIntervals) = (-2000, -2000, 0);
        uint64 from = START + 2 * LENGTH;
        vm.prank(admin);
        REGISTRY.changeZone(ZONE, settings, from);
        vm.warp(from - OPEN_LEAD);
        _deposit(alice, 10 * COIN);
        _deposit(bob, 10 * COIN);
        product = _product(from);
        _submit(alice, product, 0, -3000, 100);
        _submit(bob, product, 1, -3000, 100);
        vm.assertEq(VAULT.balanceOf(bob).locked, 3000 * 100 * UNIT);
        vm.warp(from - GATE_LEAD);
        MARKET.clear(product);
        MARKET.settleOrders(product, 2);
        _expectBalance(bob, 10 * COIN - 3000 * 100 * UNIT, 0, 0);
    }

    /// @dev Whatever is traded, taken and delivered in two intervals, settling them in either order leaves everybody
    ///      with the same money and nobody in debt.
    function test_the_order_of_settling_changes_nothing(
        bool[2] memory sells,
        int32[2] memory prices,
        uint16[2] memory quantities,
        uint16[4] memory imports,
        uint16[4] memory exports
    ) public {
        _fund(alice, 2 * 3000 * 90_000 * UNIT);
        _fund(bob, 2 * 3000 * 90_000 * UNIT);
        _fund(operator, 100 * COIN);
        for (uint64 i = 0; i < 2; ++i) {
            int32 price = int32(bound(int256(prices[i]), -5000, 50_000));
            product = _product(START + i * LENGTH);
            (address seller, address buyer) = sells[i] ? (alice, bob) : (bob, alice);
            vm.warp(START + i * LENGTH - GATE_LEAD - 1);
            _trade(seller, buyer, price, uint16(bound(quantities[i], 1, 3000)));
        }
        // Neither has more than its security but for what is locked.
        _drain(alice);
        _drain(bob);
        vm.warp(START + 2 * LENGTH);
        _readTwo(alice, [imports[0], imports[1]], [exports[0], exports[1]]);
        _readTwo(bob, [imports[2], imports[3]], [exports[2], exports[3]]);

        uint256 snapshot = vm.snapshotState();
        _settle(START);
        _settle(START + LENGTH);
        IVault.Balance[] memory inOrder = VAULT.balancesOf(_list(alice, bob, operator));
        vm.assertEq(inOrder[0].debt + inOrder[1].debt, 0, "debts");
        vm.assertTrue(vm.revertToState(snapshot), "back");
        _settle(START + LENGTH);
        vm.assertEq(VAULT.balanceOf(alice).debt + VAULT.balanceOf(bob).debt, 0, "debts of the second first");
        _settle(START);
        vm.assertEq(abi.encode(VAULT.balancesOf(_list(alice, bob, operator))), abi.encode(inOrder));
    }

    // The operator

    /// @dev A change of settings frees nothing that intervals under the old ones may cost.
    function test_security_and_reserve_outlast_a_change_of_settings() public {
        uint256 reserve = REGISTRY.securityOf(operator);
        IRegistry.ZoneSettings memory settings = _settings();
        (settings.shortagePrice, settings.surplusPrice, settings.gridFee) = (0, -1, 0);
        uint64 from = START + 2 * LENGTH;
        vm.prank(admin);
        REGISTRY.changeZone(ZONE, settings, from);
        vm.warp(from + CORRECTION_PERIOD - 1);
        vm.assertEq(REGISTRY.securityOf(alice), SECURITY);
        vm.assertEq(REGISTRY.securityOf(operator), reserve);
        vm.warp(from + CORRECTION_PERIOD);
        vm.assertEq(REGISTRY.securityOf(alice), 2 * 3000 * UNIT);
        vm.assertEq(REGISTRY.securityOf(operator), 0);
    }

    function test_the_operator_keeps_a_reserve_for_its_zone() public {
        vm.assertEq(REGISTRY.securityOf(operator), RESERVE);
        _deposit(operator, 1);
        vm.startPrank(operator);
        VAULT.withdraw(1);
        vm.expectRevert(abi.encodeWithSelector(IVault.SecurityNeeded.selector, operator, RESERVE - 1, RESERVE));
        VAULT.withdraw(1);
        vm.stopPrank();
    }

    /// @dev Less is needed when a meter leaves, but not before all its intervals can have been settled and corrected.
    function test_a_retired_meter_is_released_when_its_intervals_are_over() public {
        uint64 until = START + LENGTH;
        bytes32 meter = _meterOf(alice);
        bytes memory notYet = abi.encodeWithSelector(IRegistry.MeterNotReleased.selector, meter);
        vm.expectRevert(notYet);
        REGISTRY.releaseMeter(meter);
        _retire(alice, until);
        vm.assertEq(REGISTRY.securityOf(operator), RESERVE);
        vm.warp(until + CORRECTION_PERIOD - 1);
        vm.expectRevert(notYet);
        REGISTRY.releaseMeter(meter);
        vm.warp(until + CORRECTION_PERIOD);
        vm.assertEq(REGISTRY.securityOf(operator), RESERVE);
        vm.expectEmit(address(REGISTRY));
        emit IRegistry.MeterReleased(meter);
        REGISTRY.releaseMeter(meter);
        vm.assertEq(REGISTRY.securityOf(operator), RESERVE / 2);
        vm.expectRevert(notYet);
        REGISTRY.releaseMeter(meter);
    }

    /// @dev Also when another meter of its last owner has taken its place meanwhile.
    function test_a_retired_meter_is_released_when_another_has_its_place() public {
        uint64 until = START + LENGTH;
        _retire(alice, until);
        vm.warp(until + CORRECTION_PERIOD);
        _deposit(operator, RESERVE);
        _addMeter(alice, "second", 5000, 3000);
        REGISTRY.releaseMeter(_meterOf(alice));
        vm.assertEq(REGISTRY.securityOf(operator), RESERVE);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.MeterNotReleased.selector, bytes32("second")));
        REGISTRY.releaseMeter("second");
    }

    function test_the_operator_confirms_no_meter_beyond_its_reserve() public {
        IRegistry.NewMeter[] memory meters = new IRegistry.NewMeter[](1);
        meters[0] = IRegistry.NewMeter("second", alice, bob, 10, 0, false, 0, 0);
        _propose(abi.encodeCall(REGISTRY.registerMeters, (meters)));
        uint256 more = RESERVE + 2 * 10 * 1500 * UNIT;
        vm.expectRevert(abi.encodeWithSelector(IRegistry.ReserveNeeded.selector, operator, RESERVE, more));
        vm.prank(operator);
        REGISTRY.registerMeters(meters);
        _deposit(operator, more - RESERVE);
        vm.prank(operator);
        REGISTRY.registerMeters(meters);
        vm.assertEq(REGISTRY.securityOf(operator), more);
    }

    /// @dev Settings that are announced are secured before they are in force: the operator cannot leave in time.
    function test_an_operator_has_the_reserve_for_dearer_settings_when_they_are_announced() public {
        IRegistry.ZoneSettings memory settings = _settings();
        settings.surplusPrice *= 2;
        uint64 from = START + 2 * LENGTH;
        bytes memory reason = abi.encodeWithSelector(IRegistry.ReserveNeeded.selector, operator, RESERVE, 2 * RESERVE);
        vm.expectRevert(reason);
        vm.prank(admin);
        REGISTRY.changeZone(ZONE, settings, from);
        _deposit(operator, RESERVE);
        vm.prank(admin);
        REGISTRY.changeZone(ZONE, settings, from);
        vm.assertEq(REGISTRY.securityOf(operator), 2 * RESERVE);
        vm.expectRevert(abi.encodeWithSelector(IVault.SecurityNeeded.selector, operator, 2 * RESERVE - 1, 2 * RESERVE));
        vm.prank(operator);
        VAULT.withdraw(1);
        // What is withdrawn again needs nothing.
        vm.startPrank(admin);
        REGISTRY.withdrawZoneChange(ZONE);
        // Settings that cost less are announced whatever the operator has.
        settings.surplusPrice = 1;
        REGISTRY.changeZone(ZONE, settings, from);
        vm.stopPrank();
        vm.prank(operator);
        VAULT.withdraw(RESERVE);
    }

    function test_the_next_operator_has_its_reserve_when_it_is_named() public {
        IRegistry.ZoneSettings memory settings = _settings();
        settings.operator = carol;
        vm.expectRevert(abi.encodeWithSelector(IRegistry.ReserveNeeded.selector, carol, 0, RESERVE));
        vm.prank(admin);
        REGISTRY.changeZone(ZONE, settings, START + LENGTH);
    }

    function test_the_reserve_stays_with_an_operator_until_its_intervals_are_corrected() public {
        uint256 reserve = REGISTRY.securityOf(operator);
        _deposit(carol, reserve);
        IRegistry.ZoneSettings memory settings = _settings();
        settings.operator = carol;
        uint64 from = START + LENGTH;
        vm.prank(admin);
        REGISTRY.changeZone(ZONE, settings, from);
        vm.assertEq(REGISTRY.securityOf(operator), reserve);
        vm.assertEq(REGISTRY.securityOf(carol), reserve);
        vm.warp(from + CORRECTION_PERIOD - 1);
        vm.assertEq(REGISTRY.securityOf(operator), reserve);
        vm.warp(from + CORRECTION_PERIOD);
        vm.assertEq(REGISTRY.securityOf(operator), 0);
        // Back in office it keeps it once.
        settings.operator = operator;
        from = uint64(block.timestamp) / LENGTH * LENGTH + 2 * OPEN_LEAD;
        vm.prank(admin);
        REGISTRY.changeZone(ZONE, settings, from);
        vm.assertEq(REGISTRY.securityOf(operator), reserve);
    }

    // Acting

    function _retire(address account, uint64 until) private {
        _propose(abi.encodeCall(REGISTRY.assignMeter, (_meterOf(account), address(0), until)));
        vm.prank(operator);
        REGISTRY.assignMeter(_meterOf(account), address(0), until);
    }

    function _trade(address seller, address buyer, int32 price, uint16 quantity) private {
        _submit(seller, product, 1, price, quantity);
        _submit(buyer, product, 0, price, quantity);
        vm.warp(product.start() - GATE_LEAD);
        MARKET.clear(product);
        MARKET.settleOrders(product, 2);
    }

    function _deliver(address account, uint64 start, uint64 importWh, uint64 exportWh) private {
        vm.warp(start + LENGTH);
        _read(_meterOf(account), start, 20_000, 12_000);
        _read(_meterOf(account), start + LENGTH, 20_000 + importWh, 12_000 + exportWh);
    }

    function _readTwo(address account, uint16[2] memory imports, uint16[2] memory exports) private {
        (uint64 importWh, uint64 exportWh) = (0, 0);
        _read(_meterOf(account), START, 0, 0);
        for (uint64 i = 0; i < 2; ++i) {
            importWh += imports[i] % 5001;
            exportWh += exports[i] % 3001;
            _read(_meterOf(account), START + (i + 1) * LENGTH, importWh, exportWh);
        }
    }

    function _settle(uint64 start) private {
        SETTLEMENT.settle(_product(start), _list(alice, bob));
    }

    /// @dev Money in the vault, on top of the security.
    function _fund(address account, uint256 amount) private {
        amount += REGISTRY.securityOf(account);
        vm.prank(bank);
        TOKEN.mint(account, amount);
        _deposit(account, amount);
    }

    function _drain(address account) private {
        uint256 more = VAULT.balanceOf(account).free - SECURITY;
        if (more == 0) return;
        vm.prank(account);
        VAULT.withdraw(more);
    }
}
