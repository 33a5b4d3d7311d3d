// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IMarket} from "../../src/interfaces/IMarket.sol";
import {IMetering} from "../../src/interfaces/IMetering.sol";
import {IRegistry} from "../../src/interfaces/IRegistry.sol";
import {ISettlement} from "../../src/interfaces/ISettlement.sol";
import {IVault} from "../../src/interfaces/IVault.sol";
import {Money} from "../../src/libraries/Money.sol";
import {BID, Order} from "../../src/types/Order.sol";
import {Product} from "../../src/types/Product.sol";
import {System} from "../base/System.sol";
import {Adversary} from "./Adversary.sol";
import {Handler} from "./Handler.sol";
import {IERC1155} from "@openzeppelin/contracts/token/ERC1155/IERC1155.sol";

/// @notice The invariants of the market, whatever people, operators, roles and thieves do in whatever order.
abstract contract Invariants is System {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    Adversary internal handler;

    function setUp() public override {
        super.setUp();
        handler = new Adversary();
        handler.setUp();
    }

    /// @dev Short lives of products, and imbalances dear enough to run into debt.
    function _settings() internal view virtual override returns (IRegistry.ZoneSettings memory settings) {
        settings = super._settings();
        (settings.shortagePrice, settings.surplusPrice, settings.gridFee) = (20_000, 50, 7);
        (settings.securityIntervals, settings.openLead) = (0, 1200);
        (settings.reportingDeadline, settings.finalDeadline, settings.correctionPeriod) = (600, 1800, 3600);
    }

    /// @notice Where forge takes its steps.
    function targetContracts() external view returns (address[] memory) {
        return _list(address(handler));
    }

    /// @notice The steps that forge takes.
    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        // Time passes and orders come more often than the rest.
        bytes4[] memory steps = new bytes4[](30);
        steps[0] = Handler.submit.selector;
        steps[1] = Handler.submit.selector;
        steps[2] = Handler.submit.selector;
        steps[3] = Handler.cancel.selector;
        steps[4] = Handler.clear.selector;
        steps[5] = Handler.settleOrders.selector;
        steps[6] = Handler.read.selector;
        steps[7] = Handler.substitute.selector;
        steps[8] = Handler.settle.selector;
        steps[9] = Handler.deposit.selector;
        steps[10] = Handler.withdraw.selector;
        steps[11] = Handler.pause.selector;
        steps[12] = Handler.passTime.selector;
        steps[13] = Handler.passTime.selector;
        steps[14] = Handler.settle.selector;
        steps[15] = Adversary.trade.selector;
        steps[16] = Adversary.trade.selector;
        steps[17] = Adversary.takeAgain.selector;
        steps[18] = Adversary.takeBack.selector;
        steps[19] = Adversary.carry.selector;
        steps[20] = Adversary.forge.selector;
        steps[21] = Adversary.readLate.selector;
        steps[22] = Adversary.correct.selector;
        steps[23] = Adversary.actAlone.selector;
        steps[24] = Adversary.rotate.selector;
        steps[25] = Adversary.changeZone.selector;
        steps[26] = Adversary.moveMeter.selector;
        steps[27] = Adversary.steal.selector;
        steps[28] = Adversary.issue.selector;
        steps[29] = Adversary.claim.selector;
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(handler), steps);
    }

    /// @notice 1. The vault's token balance equals the sum of all free and locked balances less the debts, and what was
    ///         taken from buyers and not yet passed on to sellers while a product's orders are settled in part.
    function invariant_1_the_vaults_books_balance() external view {
        address[] memory traders = handler.traders();
        address[] memory operators = handler.operators();
        int256 sum = VAULT.clearingBalance() + _net(operators[0]) + _net(operators[1]);
        for (uint256 i = 0; i < traders.length; ++i) {
            sum += _net(traders[i]);
        }
        vm.assertEq(int256(TOKEN.balanceOf(address(VAULT))), sum, "books");
        if (!_anySettledInPart()) vm.assertEq(VAULT.clearingBalance(), 0, "nothing stays between buyers and sellers");
    }

    /// @notice 2. Per product, after all orders are settled, positions sum to zero, direct trades included, and both sides'
    ///         fills equal the cleared volume.
    function invariant_2_positions_and_fills_add_up() external view {
        Product[] memory products = handler.products();
        address[] memory traders = handler.traders();
        for (uint256 p = 0; p < products.length; ++p) {
            IMarket.ProductInfo memory info = MARKET.productInfo(products[p]);
            if (info.stage != IMarket.Stage.Settled) continue;
            int256 positions = 0;
            for (uint256 i = 0; i < traders.length; ++i) {
                positions += MARKET.position(products[p], traders[i]);
            }
            vm.assertEq(positions, 0, "positions");
            (uint256 bought, uint256 sold) = _volumes(products[p]);
            vm.assertEq(bought, info.clearing.volume, "bought");
            vm.assertEq(sold, info.clearing.volume, "sold");
        }
    }

    /// @notice 3. Nobody pays more per Wh than their bid or receives less than their ask: in money, order by order.
    function invariant_3_limits_are_kept() external view {
        Product[] memory products = handler.products();
        for (uint256 p = 0; p < products.length; ++p) {
            IMarket.ProductInfo memory info = MARKET.productInfo(products[p]);
            if (info.stage < IMarket.Stage.Cleared) continue;
            Order[] memory words = MARKET.orders(products[p]);
            uint256[] memory fills = LENS.fillsOf(products[p]);
            for (uint256 i = 0; i < info.ordersSettled; ++i) {
                Order order = words[i];
                vm.assertEq(handler.filled(products[p], i), fills[i], "fill");
                int256 worst = int256(order.price()) * int256(fills[i]) * 1e10;
                int256 paid = handler.paid(products[p], i);
                if (order.side() == BID) vm.assertLe(paid, worst, "bid");
                else vm.assertGe(-paid, worst, "ask");
            }
        }
    }

    /// @notice 4. No order appears, changes or disappears after gate closure.
    function invariant_4_closed_books_stay() external view {
        Product[] memory products = handler.products();
        for (uint256 p = 0; p < products.length; ++p) {
            bytes32 then = handler.frozen(products[p]);
            if (then == 0) continue;
            vm.assertEq(keccak256(abi.encode(MARKET.orders(products[p]))), then);
        }
    }

    /// @notice 5. Settling delivery and its corrections moves money between participants and the zone operator only: its
    ///         sum is zero. After corrections the result is the same as if the true readings had been there at first.
    function invariant_5_corrected_deliveries_are_what_was_delivered() external {
        vm.assertEq(handler.deliverySum(), 0, "delivery");
        Product[] memory products = handler.products();
        address[] memory traders = handler.traders();
        for (uint256 p = 0; p < products.length; ++p) {
            Product product = products[p];
            uint64 end = product.start() + LENGTH;
            bool correctable = block.timestamp < end + REGISTRY.settingsAt(ZONE, T0).correctionPeriod;
            for (uint256 i = 0; i < traders.length; ++i) {
                if (!MARKET.accountInfo(product, traders[i]).delivered) continue;
                ISettlement.Statement memory bill = SETTLEMENT.statement(product, traders[i]);
                int256 due = bill.imbalanceCost + int256(bill.gridFee);
                vm.assertEq(handler.costOf(product, traders[i]), due, "a delivery cost another amount in all");
                if (!correctable) continue;
                uint32[][] memory meters = new uint32[][](1);
                meters[0] = REGISTRY.numbersOf(REGISTRY.metersOf(traders[i], product.start()));
                IMetering.NetImport memory net = METERING.netImports(meters, product.start(), end)[0];
                if (!net.read || net.substituted) continue;
                SETTLEMENT.correct(product, _list(traders[i]));
                vm.assertEq(MARKET.accountInfo(product, traders[i]).metered, net.netWh, "the true readings");
            }
        }
    }

    /// @notice 6. Anyone can take out what is free and above its security, at any time, unless the token is paused: all of them, one after the
    ///         other. (Who is in debt has nothing free, once what it was paid itself has gone to its creditors.)
    function invariant_6_what_is_free_can_be_taken_out() external {
        if (TOKEN.paused()) return;
        _takeOut(handler.operators());
        _takeOut(handler.traders());
    }

    /// @notice 7. After the final deadline every lock can be released by calls that anybody may make.
    function invariant_7_after_the_final_deadline_every_lock_is_released() external {
        Product[] memory products = handler.products();
        address[] memory traders = handler.traders();
        for (uint256 p = 0; p < products.length; ++p) {
            Product product = products[p];
            if (block.timestamp < product.start() + LENGTH + _settings().finalDeadline) continue;
            IMarket.Stage stage = MARKET.productInfo(product).stage;
            if (stage == IMarket.Stage.Closed) MARKET.clear(product);
            if (MARKET.productInfo(product).stage == IMarket.Stage.Cleared) MARKET.settleOrders(product, 1000);
            SETTLEMENT.settle(product, traders);
            for (uint256 i = 0; i < traders.length; ++i) {
                bool ours = (product.zone() == ZONE) == (handler.operatorOf(traders[i]) == operator);
                IMarket.AccountInfo memory info = MARKET.accountInfo(product, traders[i]);
                vm.assertEq(info.delivered, ours);
                vm.assertEq(info.locked, 0, "still locked");
            }
        }
    }

    /// @notice 8. Certificates issued for a meter equal its signed net export; claims never exceed what was issued.
    function invariant_8_certificates_are_what_meters_fed_in() external view {
        IERC1155 certificates = IERC1155(address(CERTIFICATES));
        Product[] memory products = handler.products();
        address[] memory traders = handler.traders();
        for (uint256 p = 0; p < products.length; ++p) {
            (uint256 id, uint64 start) = (CERTIFICATES.idOf(products[p]), products[p].start());
            uint256 found = handler.retired(id);
            uint256 issued = 0;
            for (uint256 i = 0; i < traders.length; ++i) {
                found += certificates.balanceOf(traders[i], id);
                vm.assertLe(
                    CERTIFICATES.claimedConsumption(products[p], traders[i]),
                    CERTIFICATES.consumption(products[p], traders[i]),
                    "claimed beyond consumption"
                );
                bytes32 meter = _meterOf(traders[i]);
                if (REGISTRY.meter(meter).zone != products[p].zone() || !CERTIFICATES.isIssued(meter, start)) continue;
                IMetering.Energy memory energy = METERING.energy(meter, start, start + LENGTH);
                vm.assertEq(energy.complete && !energy.substituted, true);
                if (energy.exportWh > energy.importWh) issued += energy.exportWh - energy.importWh;
            }
            vm.assertEq(found, issued, "certificates");
        }
    }

    /// @dev Who neither takes nor delivers anything pays for that out of what the product itself has locked: nobody's
    ///      default pays.
    function invariant_locks_cover_a_default() external view {
        Product[] memory products = handler.products();
        address[] memory traders = handler.traders();
        for (uint256 p = 0; p < products.length; ++p) {
            if (MARKET.productInfo(products[p]).stage != IMarket.Stage.Settled) continue;
            IRegistry.ZoneSettings memory settings = REGISTRY.settingsAt(products[p].zone(), products[p].start());
            for (uint256 i = 0; i < traders.length; ++i) {
                IMarket.AccountInfo memory info = MARKET.accountInfo(products[p], traders[i]);
                if (info.delivered) continue;
                uint256 energy = uint256(info.position > 0 ? info.position : -info.position);
                int256 due = info.position > 0
                    ? -Money.value(settings.surplusPrice, energy)
                    : Money.value(settings.shortagePrice, energy);
                due += Money.value(int256(uint256(settings.gridFee)), energy);
                vm.assertGe(int256(info.locked), due, "a default is not covered");
            }
        }
    }

    /// @dev Locks of the accounts are the sum of their locks in the products and of what the operator owes them, so
    ///      nothing is locked for nothing.
    function invariant_locks_belong_to_products() external view {
        Product[] memory products = handler.products();
        address[] memory traders = handler.traders();
        for (uint256 i = 0; i < traders.length; ++i) {
            uint256 locked = VAULT.debtTo(handler.operatorOf(traders[i]), traders[i]);
            for (uint256 p = 0; p < products.length; ++p) {
                locked += MARKET.accountInfo(products[p], traders[i]).locked;
            }
            vm.assertEq(VAULT.balanceOf(traders[i]).locked, locked, "locks");
        }
    }

    function _takeOut(address[] memory accounts) private {
        for (uint256 i = 0; i < accounts.length; ++i) {
            _takeOut(accounts[i]);
        }
    }

    function _takeOut(address account) private {
        VAULT.payDebts(account, type(uint256).max);
        IVault.Balance memory balance = VAULT.balanceOf(account);
        uint256 security = REGISTRY.securityOf(account);
        if (balance.debt != 0) {
            vm.assertEq(balance.free, 0, "who is in debt has nothing free");
        } else if (balance.free > security) {
            uint256 before = TOKEN.balanceOf(account);
            vm.prank(account);
            VAULT.withdraw(balance.free - security);
            vm.assertEq(TOKEN.balanceOf(account), before + balance.free - security, "taken out");
        }
    }

    function _volumes(Product product) private view returns (uint256 bought, uint256 sold) {
        Order[] memory words = MARKET.orders(product);
        uint256[] memory fills = LENS.fillsOf(product);
        for (uint256 i = 0; i < words.length; ++i) {
            if (words[i].side() == BID) bought += fills[i];
            else sold += fills[i];
        }
    }

    function _anySettledInPart() private view returns (bool) {
        Product[] memory products = handler.products();
        for (uint256 p = 0; p < products.length; ++p) {
            IMarket.ProductInfo memory info = MARKET.productInfo(products[p]);
            if (info.stage == IMarket.Stage.Cleared && info.ordersSettled != 0) return true;
        }
        return false;
    }

    function _net(address account) private view returns (int256) {
        IVault.Balance memory balance = VAULT.balanceOf(account);
        return int256(balance.free + balance.locked) - int256(balance.debt);
    }
}

/// @notice Where nobody keeps a security, and many come into debt.
contract MarketInvariants is Invariants {
    /// @notice A walk of the same steps gets everywhere: without that the invariants would say little.
    function test_the_steps_get_everywhere() external {
        uint256 seed = 1;
        for (uint256 i = 0; i < 4800; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            _step(seed % 24, seed >> 8);
        }
        string[28] memory steps = [
            "submit",
            "cancel",
            "clear",
            "trade",
            "settleOrders",
            "read",
            "substitute",
            "settle",
            "deposit",
            "withdraw",
            "pause",
            "direct",
            "take the rest",
            "take back",
            "carry",
            "agent",
            "forge",
            "read late",
            "correct",
            "act alone",
            "rotate",
            "change zone",
            "move meter",
            "steal",
            "issue",
            "claim",
            "claim consumption",
            "debt"
        ];
        for (uint256 i = 0; i < steps.length; ++i) {
            vm.assertGe(handler.done(steps[i]), 1, steps[i]);
        }
    }

    function _step(uint256 choice, uint256 seed) private {
        uint256 more = uint256(keccak256(abi.encode(seed)));
        if (choice >= 22 || choice < 4) handler.submit(seed, more, seed >> 8, int256(more >> 8), more >> 16);
        else if (choice == 4) handler.cancel(seed, more);
        else if (choice == 5) handler.clear(seed);
        else if (choice == 6) handler.settleOrders(seed, more);
        else if (choice == 7) handler.read(seed, more);
        else if (choice == 8) handler.substitute(seed);
        else if (choice == 9) handler.settle(seed, more);
        else if (choice == 10) handler.passTime(seed);
        else if (choice == 11) handler.trade(seed, more, seed >> 8, more >> 8, int256(more >> 16), more >> 24);
        else if (choice == 12) handler.carry(seed, more, seed >> 8, int256(more >> 8), more >> 16);
        else if (choice == 13) handler.readLate(seed);
        else if (choice == 14) handler.correct(seed);
        else if (choice == 15) handler.issue(seed, more);
        else if (choice == 16) handler.claim(seed, more, seed >> 8);
        else if (choice == 17) handler.forge(seed, more);
        else if (choice == 18) _mischief(seed, more);
        else if (choice == 20 || choice == 21) handler.takeAgain(more, seed);
        else if (seed % 3 == 0) handler.pause(more);
        else if (seed % 3 == 1) handler.deposit(more, seed);
        else handler.withdraw(more, seed);
    }

    function _mischief(uint256 seed, uint256 more) private {
        uint256 choice = seed % 6;
        if (choice == 0) handler.takeBack(more);
        else if (choice == 1) handler.actAlone(more);
        else if (choice == 2) handler.rotate(more);
        else if (choice == 3) handler.changeZone(more);
        else if (choice == 4) handler.moveMeter(more, more >> 8);
        else handler.steal(more, seed);
    }
}

/// @notice Where everybody keeps a security, and operators a reserve. Then nobody comes into debt.
contract SecuredMarketInvariants is Invariants {
    function _settings() internal view override returns (IRegistry.ZoneSettings memory settings) {
        settings = super._settings();
        settings.securityIntervals = 40;
    }

    /// @notice Nobody comes into debt.
    function invariant_nobody_comes_into_debt() external view {
        _owesNothing(handler.traders());
        _owesNothing(handler.operators());
    }

    function _owesNothing(address[] memory accounts) private view {
        for (uint256 i = 0; i < accounts.length; ++i) {
            vm.assertEq(VAULT.balanceOf(accounts[i]).debt, 0, "somebody owes");
        }
    }
}
