// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Managed} from "./base/Managed.sol";
import {ICertificates} from "./interfaces/ICertificates.sol";
import {IMetering} from "./interfaces/IMetering.sol";
import {IRegistry} from "./interfaces/IRegistry.sol";
import {Predeploys} from "./libraries/Predeploys.sol";
import {Product, packProduct} from "./types/Product.sol";
import {ERC1155Upgradeable} from "@openzeppelin/contracts-upgradeable/token/ERC1155/ERC1155Upgradeable.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {BitMaps} from "@openzeppelin/contracts/utils/structs/BitMaps.sol";

/// @title Certificates of origin
contract Certificates is ICertificates, ERC1155Upgradeable, Managed {
    using BitMaps for BitMaps.BitMap;

    /// @dev What Registry says of a meter: renewable, and no more.
    uint256 private constant RENEWABLE = 1;

    IRegistry private constant REGISTRY = IRegistry(Predeploys.REGISTRY);
    IMetering private constant METERING = IMetering(Predeploys.METERING);

    /// @dev By interval number: 256 intervals a slot.
    mapping(bytes32 meter => BitMaps.BitMap) private _issued;
    mapping(Product product => mapping(address account => uint256)) private _claimed;

    /// @notice Sets up the proxy.
    function initialize() external initializer {
        __Managed_init();
    }

    /// @inheritdoc ICertificates
    function issue(bytes32 meter, uint64 from, uint64 to) external returns (uint256 issued) {
        IRegistry.Meter memory record = REGISTRY.meter(meter);
        if (!record.renewable) revert NotRenewable(meter);
        (IRegistry.ZoneSettings memory settings,) = REGISTRY.latestSettings(record.zone);
        uint64 length = settings.intervalLength;
        bool aligned = from % length == 0 && to % length == 0;
        if (from >= to || !aligned || to > type(uint48).max) revert InvalidPeriod(from, to);
        for (uint64 start = from; start < to; start += length) {
            settings = REGISTRY.settingsAt(record.zone, start);
            uint64 end = start + length;
            if (block.timestamp < uint256(end) + settings.correctionPeriod) {
                revert NotFinalYet(end + settings.correctionPeriod);
            }
            issued += _issue(meter, record.zone, start, end);
        }
    }

    /// @inheritdoc ICertificates
    function claim(uint256[] calldata ids, uint256[] calldata amounts, address beneficiary, string calldata purpose)
        external
    {
        for (uint256 i = 0; i < amounts.length; ++i) {
            if (amounts[i] == 0) revert ZeroAmount();
        }
        _burnBatch(msg.sender, ids, amounts);
        emit CertificatesClaimed(msg.sender, beneficiary, ids, amounts, purpose);
    }

    /// @inheritdoc ICertificates
    function claimConsumption(Product product, uint256 amount) external {
        if (amount == 0) revert ZeroAmount();
        // What the caller holds is far less than what overflows.
        _burn(msg.sender, idOf(product), amount);
        uint256 wanted = _claimed[product][msg.sender] + amount;
        uint256 consumed = consumption(product, msg.sender);
        if (wanted > consumed) revert BeyondConsumption(product, wanted, consumed);
        _claimed[product][msg.sender] = wanted;
        emit ConsumptionClaimed(msg.sender, product, amount);
    }

    // Views

    /// @inheritdoc ICertificates
    function isIssued(bytes32 meter, uint64 start) external view returns (bool) {
        (IRegistry.ZoneSettings memory settings,) = REGISTRY.latestSettings(REGISTRY.meter(meter).zone);
        return _issued[meter].get(start / settings.intervalLength);
    }

    /// @inheritdoc ICertificates
    function claimedConsumption(Product product, address account) external view returns (uint256) {
        return _claimed[product][account];
    }

    /// @inheritdoc ICertificates
    function consumption(Product product, address account) public view returns (uint256 consumed) {
        (uint64 zone,) = REGISTRY.participant(account);
        if (zone != product.zone()) return 0;
        uint64 start = product.start();
        uint64 end = start + REGISTRY.settingsAt(zone, start).intervalLength;
        IMetering.Energy[] memory taken = METERING.energies(REGISTRY.metersOf(account, start), start, end);
        for (uint256 i = 0; i < taken.length; ++i) {
            if (_isSigned(taken[i])) consumed += Math.saturatingSub(taken[i].importWh, taken[i].exportWh);
        }
    }

    /// @inheritdoc ICertificates
    function idOf(Product product) public pure returns (uint256) {
        return RENEWABLE << 128 | Product.unwrap(product);
    }

    // Internals

    /// @dev Issues the certificates of one interval, once they can be told.
    function _issue(bytes32 meter, uint64 zone, uint64 start, uint64 end) private returns (uint256 amount) {
        uint256 number = start / (end - start);
        if (_issued[meter].get(number)) return 0;
        IMetering.Energy memory fed = METERING.energy(meter, start, end);
        address owner = REGISTRY.ownerAt(meter, start);
        if (!_isSigned(fed) || owner == address(0)) return 0;
        amount = Math.saturatingSub(fed.exportWh, fed.importWh);
        _issued[meter].set(number);
        if (amount == 0) return 0;
        uint256 id = idOf(packProduct(zone, start));
        emit CertificatesIssued(meter, owner, id, amount);
        _mint(owner, id, amount, "");
    }

    function _isSigned(IMetering.Energy memory energy) private pure returns (bool) {
        return energy.complete && !energy.substituted;
    }
}
