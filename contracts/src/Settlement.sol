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
    function settle(Product product, address[] calldata accounts) external {
        (uint64 zone, uint64 start) = (product.zone(), product.start());
        IRegistry.ZoneSettings memory settings = REGISTRY.settingsAt(zone, start);
        uint64 end = start + settings.intervalLength;
        if (block.timestamp < end) revert DeliveryNotOver(product, end);

        for (uint256 i = 0; i < accounts.length; ++i) {
            address account = accounts[i];
            _checkParticipant(account, zone);
            (int256 contracted, uint256 released) = MARKET.closePosition(product, account);
            Statement memory bill = _bill(contracted, _metered(account, start, end), settings);
            emit DeliverySettled(product, account, bill.contracted, bill.metered, bill.imbalanceCost, bill.gridFee);
            VAULT.bookDelivery(account, settings.operator, released, _due(bill));
        }
    }

    /// @inheritdoc ISettlement
    function statuses(Product product, address[] calldata accounts) external view returns (Status[] memory found) {
        IMarket.ProductInfo memory info = MARKET.productInfo(product);
        IMarket.AccountInfo[] memory infos = MARKET.accountInfos(product, accounts);
        uint64 zone = product.zone();
        IRegistry.ZoneSettings memory settings = REGISTRY.settingsAt(zone, info.start);
        uint256 cover = VAULT.balanceOf(settings.operator).free;

        found = new Status[](accounts.length);
        for (uint256 i = 0; i < accounts.length; ++i) {
            (uint64 home,) = REGISTRY.participant(accounts[i]);
            if (home != zone) found[i] = Status.NotParticipant;
            else if (infos[i].delivered) found[i] = Status.Done;
            else if (block.timestamp < info.end) found[i] = Status.DeliveryNotOver;
            else if (info.stage != IMarket.Stage.Settled) found[i] = Status.OrdersNotSettled;
            else found[i] = _statusOfRead(accounts[i], infos[i].position, info, settings, cover);
        }
    }

    /// @inheritdoc ISettlement
    function statement(Product product, address account) external view returns (Statement memory) {
        (uint64 zone, uint64 start) = (product.zone(), product.start());
        _checkParticipant(account, zone);
        IRegistry.ZoneSettings memory settings = REGISTRY.settingsAt(zone, start);
        int256 metered = _metered(account, start, start + settings.intervalLength);
        return _bill(MARKET.position(product, account), metered, settings);
    }

    /// @dev Of an account of which nothing but the readings and the operator's money can be missing.
    function _statusOfRead(
        address account,
        int256 contracted,
        IMarket.ProductInfo memory info,
        IRegistry.ZoneSettings memory settings,
        uint256 cover
    ) private view returns (Status) {
        bytes32[] memory meters = REGISTRY.metersOf(account, info.start);
        try METERING.netImport(meters, info.start, info.end) returns (int256 metered) {
            (, uint256 earned) = Money.split(_due(_bill(contracted, metered, settings)));
            return earned > cover && account != settings.operator ? Status.OperatorWithoutCover : Status.Ready;
        } catch {
            return Status.ReadingMissing;
        }
    }

    function _metered(address account, uint64 start, uint64 end) private view returns (int256) {
        return METERING.netImport(REGISTRY.metersOf(account, start), start, end);
    }

    function _checkParticipant(address account, uint64 zone) private view {
        (uint64 home,) = REGISTRY.participant(account);
        if (home != zone || zone == 0) revert NotParticipant(account, zone);
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
