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
        (IRegistry.ZoneSettings memory settings, uint64 end) = _rules(product);
        if (block.timestamp < end) revert DeliveryNotOver(product, end);

        IMetering.NetImport[] memory metered;
        (found, metered) = _read(product, end, accounts);
        address[] memory ready = new address[](accounts.length);
        int256[] memory nets = new int256[](accounts.length);
        uint256 count = 0;
        for (uint256 i = 0; i < accounts.length; ++i) {
            if (found[i] != Status.Ready) continue;
            (ready[count], nets[count]) = (accounts[i], metered[i].netWh);
            ++count;
        }
        bool[] memory closed = _settle(product, settings, _first(ready, count), nets);
        for (uint256 i = accounts.length; i != 0;) {
            if (found[--i] == Status.Ready && !closed[--count]) found[i] = Status.Done;
            if (found[i] != Status.Ready) emit DeliverySkipped(product, accounts[i], found[i]);
        }
    }

    /// @inheritdoc ISettlement
    function statuses(Product product, address[] calldata accounts) external view returns (Status[] memory found) {
        IMarket.ProductInfo memory info = MARKET.productInfo(product);
        IMarket.AccountInfo[] memory infos = MARKET.accountInfos(product, accounts);
        (found,) = _read(product, info.end, accounts);
        for (uint256 i = 0; i < accounts.length; ++i) {
            if (found[i] == Status.NotParticipant) continue;
            if (infos[i].delivered) found[i] = Status.Done;
            else if (block.timestamp < info.end) found[i] = Status.DeliveryNotOver;
            else if (info.stage != IMarket.Stage.Settled) found[i] = Status.OrdersNotSettled;
        }
    }

    /// @inheritdoc ISettlement
    function statement(Product product, address account) external view returns (Statement memory) {
        (IRegistry.ZoneSettings memory settings, uint64 end) = _rules(product);
        address[] memory one = new address[](1);
        one[0] = account;
        (Status[] memory found, IMetering.NetImport[] memory metered) = _read(product, end, one);
        if (found[0] == Status.NotParticipant) revert NotParticipant(account, product.zone());
        if (found[0] == Status.ReadingMissing) revert ReadingMissing(product, account);
        return _bill(MARKET.position(product, account), metered[0].netWh, settings);
    }

    /// @dev Settles accounts whose readings are there; says which were not settled before.
    function _settle(
        Product product,
        IRegistry.ZoneSettings memory settings,
        address[] memory accounts,
        int256[] memory nets
    ) private returns (bool[] memory closed) {
        IMarket.Closing[] memory closings = MARKET.closePositions(product, accounts);
        IVault.Delivery[] memory deliveries = new IVault.Delivery[](accounts.length);
        closed = new bool[](accounts.length);
        for (uint256 i = 0; i < accounts.length; ++i) {
            closed[i] = closings[i].closed;
            // An empty delivery of the operator moves nothing.
            deliveries[i].account = settings.operator;
            if (!closed[i]) continue;
            Statement memory bill = _bill(closings[i].contracted, nets[i], settings);
            emit DeliverySettled(product, accounts[i], bill.contracted, bill.metered, bill.imbalanceCost, bill.gridFee);
            deliveries[i] = IVault.Delivery(accounts[i], closings[i].released, _due(bill));
        }
        VAULT.bookDeliveries(settings.operator, deliveries);
    }

    /// @dev Who of the accounts is a participant, and what their meters say of the interval.
    function _read(Product product, uint64 end, address[] memory accounts)
        private
        view
        returns (Status[] memory found, IMetering.NetImport[] memory metered)
    {
        (uint64 zone, uint64 start) = (product.zone(), product.start());
        IRegistry.Membership[] memory memberships = REGISTRY.memberships(zone, start, accounts);
        bytes32[][] memory meters = new bytes32[][](accounts.length);
        for (uint256 i = 0; i < accounts.length; ++i) {
            meters[i] = memberships[i].meters;
        }
        metered = METERING.netImports(meters, start, end);
        found = new Status[](accounts.length);
        for (uint256 i = 0; i < accounts.length; ++i) {
            if (!memberships[i].member) found[i] = Status.NotParticipant;
            else if (!metered[i].read) found[i] = Status.ReadingMissing;
        }
    }

    function _rules(Product product) private view returns (IRegistry.ZoneSettings memory settings, uint64 end) {
        settings = REGISTRY.settingsAt(product.zone(), product.start());
        end = product.start() + settings.intervalLength;
    }

    function _first(address[] memory list, uint256 count) private pure returns (address[] memory part) {
        part = new address[](count);
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
