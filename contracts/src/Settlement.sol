// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Managed} from "./base/Managed.sol";
import {IMarket} from "./interfaces/IMarket.sol";
import {IMetering} from "./interfaces/IMetering.sol";
import {IRegistry} from "./interfaces/IRegistry.sol";
import {ISettlement} from "./interfaces/ISettlement.sol";
import {IVault} from "./interfaces/IVault.sol";
import {Money} from "./libraries/Money.sol";
import {Predeploys} from "./libraries/Predeploys.sol";
import {Product} from "./types/Product.sol";
import {SignedMath} from "@openzeppelin/contracts/utils/math/SignedMath.sol";

/// @title Settlement of delivery
contract Settlement is ISettlement, Managed {
    IRegistry private constant REGISTRY = IRegistry(Predeploys.REGISTRY);
    IVault private constant VAULT = IVault(Predeploys.VAULT);
    IMarket private constant MARKET = IMarket(Predeploys.MARKET);
    IMetering private constant METERING = IMetering(Predeploys.METERING);

    /// @notice Sets up the proxy.
    function initialize() external initializer {
        __Managed_init();
    }

    /// @inheritdoc ISettlement
    function settle(Product product, address[] calldata accounts) external returns (Status[] memory found) {
        IRegistry.ZoneSettings memory settings = _settings(product);
        uint64 end = product.start() + settings.intervalLength;
        if (block.timestamp < end) revert DeliveryNotOver(product, end);

        IMarket.Delivery[] memory deliveries;
        (found, deliveries) = _find(product, settings, accounts);
        Status[] memory results = _settle(product, settings, deliveries);
        for ((uint256 i, uint256 count) = (accounts.length, results.length); i != 0;) {
            if (found[--i] == Status.Ready) found[i] = results[--count];
            if (found[i] != Status.Ready) emit DeliverySkipped(product, accounts[i], found[i]);
        }
    }

    /// @inheritdoc ISettlement
    function correct(Product product, address[] calldata accounts) external returns (Outcome[] memory outcomes) {
        IRegistry.ZoneSettings memory settings = _settings(product);
        if (_isOver(product, settings)) {
            revert CorrectionPeriodOver(product, product.start() + settings.intervalLength + settings.correctionPeriod);
        }

        (bool[] memory members, IMetering.NetImport[] memory nets) = _read(product, settings, accounts);
        outcomes = new Outcome[](accounts.length);
        IMarket.Delivery[] memory deliveries = new IMarket.Delivery[](accounts.length);
        uint256 count = 0;
        for (uint256 i = 0; i < accounts.length; ++i) {
            if (!members[i]) outcomes[i] = Outcome.NotParticipant;
            else if (!nets[i].read || nets[i].substituted) outcomes[i] = Outcome.ReadingMissing;
            else deliveries[count++] = IMarket.Delivery(accounts[i], true, nets[i].netWh);
        }
        Outcome[] memory corrected = _correct(product, settings, _first(deliveries, count));
        for (uint256 i = accounts.length; i != 0;) {
            if (outcomes[--i] == Outcome.Corrected) outcomes[i] = corrected[--count];
        }
    }

    /// @inheritdoc ISettlement
    function statuses(Product product, address[] calldata accounts) external view returns (Status[] memory found) {
        IMarket.ProductInfo memory info = MARKET.productInfo(product);
        IMarket.AccountInfo[] memory infos = MARKET.accountInfos(product, accounts);
        (found,) = _find(product, _settings(product), accounts);
        for (uint256 i = 0; i < accounts.length; ++i) {
            if (found[i] == Status.NotParticipant) continue;
            if (infos[i].delivered || infos[i].gone) found[i] = Status.Done;
            else if (block.timestamp < info.end) found[i] = Status.DeliveryNotOver;
            else if (info.stage != IMarket.Stage.Settled) found[i] = Status.OrdersNotSettled;
            else if (found[i] == Status.Ready && infos[i].waits) found[i] = Status.EarlierNotSettled;
        }
    }

    /// @inheritdoc ISettlement
    function statement(Product product, address account) external view returns (Statement memory) {
        IRegistry.ZoneSettings memory settings = _settings(product);
        IMarket.AccountInfo memory info = MARKET.accountInfo(product, account);
        if (info.gone) revert IMarket.StakeGone(product, account);
        if (info.delivered) return _bill(info.position, info.metered, settings);
        address[] memory one = new address[](1);
        one[0] = account;
        (bool[] memory members, IMetering.NetImport[] memory nets) = _read(product, settings, one);
        if (!members[0]) revert NotParticipant(account, product.zone());
        if (_isOver(product, settings)) return _bill(info.position, info.position, settings);
        if (!nets[0].read) revert ReadingMissing(product, account);
        return _bill(info.position, nets[0].netWh, settings);
    }

    /// @dev Settles deliveries; says which were ready.
    function _settle(Product product, IRegistry.ZoneSettings memory settings, IMarket.Delivery[] memory deliveries)
        private
        returns (Status[] memory found)
    {
        IMarket.Closing[] memory closings = MARKET.closePositions(product, deliveries);
        IVault.Delivery[] memory bookings = new IVault.Delivery[](deliveries.length);
        found = new Status[](deliveries.length);
        for (uint256 i = 0; i < deliveries.length; ++i) {
            // An empty delivery of the operator moves nothing.
            bookings[i].account = settings.operator;
            if (!closings[i].closed) {
                found[i] = closings[i].waits ? Status.EarlierNotSettled : Status.Done;
                continue;
            }
            address account = deliveries[i].account;
            Statement memory bill = _bill(closings[i].contracted, closings[i].metered, settings);
            emit DeliverySettled(product, account, bill.contracted, bill.metered, bill.imbalanceCost, bill.gridFee);
            bookings[i] = IVault.Delivery(account, closings[i].released, _due(bill));
        }
        VAULT.bookDeliveries(settings.operator, bookings);
    }

    /// @dev Settles settled deliveries anew, by the difference.
    function _correct(Product product, IRegistry.ZoneSettings memory settings, IMarket.Delivery[] memory deliveries)
        private
        returns (Outcome[] memory outcomes)
    {
        IMarket.Closing[] memory former = MARKET.correctPositions(product, deliveries);
        IVault.Delivery[] memory bookings = new IVault.Delivery[](deliveries.length);
        outcomes = new Outcome[](deliveries.length);
        for (uint256 i = 0; i < deliveries.length; ++i) {
            bookings[i].account = settings.operator;
            (int256 before, int256 metered) = (former[i].metered, deliveries[i].metered);
            if (!former[i].closed) outcomes[i] = Outcome.NotDelivered;
            else if (before == metered) outcomes[i] = Outcome.Unchanged;
            if (outcomes[i] != Outcome.Corrected) continue;
            address account = deliveries[i].account;
            int256 cost = _due(_bill(former[i].contracted, metered, settings))
                - _due(_bill(former[i].contracted, before, settings));
            emit DeliveryCorrected(product, account, before, metered, cost);
            bookings[i] = IVault.Delivery(account, 0, cost);
        }
        VAULT.bookDeliveries(settings.operator, bookings);
    }

    /// @dev Which of the accounts are ready but for what only the Market knows, and the deliveries of those.
    function _find(Product product, IRegistry.ZoneSettings memory settings, address[] calldata accounts)
        private
        view
        returns (Status[] memory found, IMarket.Delivery[] memory deliveries)
    {
        bool closing =
            block.timestamp >= uint256(product.start()) + settings.intervalLength + settings.finalDeadline;
        // Securities and the reserve answer for readings until then.
        bool over = _isOver(product, settings);
        (bool[] memory members, IMetering.NetImport[] memory nets) = _read(product, settings, accounts);
        found = new Status[](accounts.length);
        deliveries = new IMarket.Delivery[](accounts.length);
        uint256 count = 0;
        for (uint256 i = 0; i < accounts.length; ++i) {
            if (!members[i]) found[i] = Status.NotParticipant;
            else if (!nets[i].read && !closing) found[i] = Status.ReadingMissing;
            else deliveries[count++] = IMarket.Delivery(accounts[i], nets[i].read && !over, nets[i].netWh);
        }
        deliveries = _first(deliveries, count);
    }

    /// @dev Which of the accounts are participants, and what their meters say of the interval.
    function _read(Product product, IRegistry.ZoneSettings memory settings, address[] memory accounts)
        private
        view
        returns (bool[] memory members, IMetering.NetImport[] memory nets)
    {
        uint64 start = product.start();
        uint32[][] memory meters;
        (members, meters) = REGISTRY.memberships(product.zone(), start, accounts);
        nets = METERING.netImports(meters, start, start + settings.intervalLength);
    }

    /// @dev Whether the correction period is.
    function _isOver(Product product, IRegistry.ZoneSettings memory settings) private view returns (bool) {
        return block.timestamp >= uint256(product.start()) + settings.intervalLength + settings.correctionPeriod;
    }

    function _settings(Product product) private view returns (IRegistry.ZoneSettings memory) {
        return REGISTRY.settingsAt(product.zone(), product.start());
    }

    function _first(IMarket.Delivery[] memory list, uint256 count)
        private
        pure
        returns (IMarket.Delivery[] memory part)
    {
        part = new IMarket.Delivery[](count);
        for (uint256 i = 0; i < count; ++i) {
            part[i] = list[i];
        }
    }

    function _bill(int256 contracted, int256 metered, IRegistry.ZoneSettings memory settings)
        private
        pure
        returns (Statement memory bill)
    {
        int256 imbalance = metered - contracted;
        int256 price = imbalance > 0 ? settings.shortagePrice : settings.surplusPrice;
        int256 cost = Money.value(price, SignedMath.abs(imbalance));
        uint256 bought = _positive(contracted) + _positive(imbalance);
        return Statement({
            contracted: contracted,
            metered: metered,
            imbalance: imbalance,
            imbalanceCost: imbalance > 0 ? cost : -cost,
            gridFee: Money.cost(int256(uint256(settings.gridFee)), bought)
        });
    }

    /// @dev What the account owes the operator; negative: what the operator owes it.
    function _due(Statement memory bill) private pure returns (int256) {
        // forge-lint: disable-next-line(unsafe-typecast)
        return bill.imbalanceCost + int256(bill.gridFee);
    }

    function _positive(int256 value) private pure returns (uint256) {
        // forge-lint: disable-next-line(unsafe-typecast)
        return value > 0 ? uint256(value) : 0;
    }
}
