// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Genesis} from "../../src/genesis/Genesis.sol";
import {ICertificates} from "../../src/interfaces/ICertificates.sol";
import {IConsortium} from "../../src/interfaces/IConsortium.sol";
import {ILens} from "../../src/interfaces/ILens.sol";
import {IMarket} from "../../src/interfaces/IMarket.sol";
import {IMetering} from "../../src/interfaces/IMetering.sol";
import {IPermissions} from "../../src/interfaces/IPermissions.sol";
import {IRegistry} from "../../src/interfaces/IRegistry.sol";
import {ISettlement} from "../../src/interfaces/ISettlement.sol";
import {ISettlementToken} from "../../src/interfaces/ISettlementToken.sol";
import {ITrades} from "../../src/interfaces/ITrades.sol";
import {IVault} from "../../src/interfaces/IVault.sol";
import {Predeploys} from "../../src/libraries/Predeploys.sol";
import {Product, packProduct} from "../../src/types/Product.sol";
import {Test} from "./Test.sol";
import {IAccessManager} from "@openzeppelin/contracts/access/manager/IAccessManager.sol";
import {ERC1967Utils} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Utils.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";

/// @title The whole system, set up as the genesis file has it
/// @notice The contracts are those of `npm run build`. Places the proxies and makes the calls of Genesis, with the auction reference in the precompile's place.
abstract contract System is Test {
    uint64 internal constant ZONE = 7;
    uint32 internal constant LENGTH = 900;
    uint32 internal constant GATE_LEAD = 300;
    uint32 internal constant OPEN_LEAD = 3600;
    uint24 internal constant DEADLINE = 1800;
    uint32 internal constant FINAL_DEADLINE = 4 hours;
    uint32 internal constant CORRECTION_PERIOD = 30 days;
    /// @dev An interval boundary.
    uint64 internal constant T0 = 1_465_257_600;
    /// @dev How many contracts the genesis file places, the AccessManager first.
    uint160 internal constant CONTRACTS = 12;
    /// @dev One whole unit of currency.
    uint256 internal constant COIN = 1e18;
    bytes32 internal constant PERMIT_TYPEHASH =
        keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");

    IAccessManager internal constant MANAGER = IAccessManager(Predeploys.ACCESS_MANAGER);
    ISettlementToken internal constant TOKEN = ISettlementToken(Predeploys.SETTLEMENT_TOKEN);
    IPermissions internal constant PERMISSIONS = IPermissions(Predeploys.PERMISSIONS);
    IRegistry internal constant REGISTRY = IRegistry(Predeploys.REGISTRY);
    IVault internal constant VAULT = IVault(Predeploys.VAULT);
    IMarket internal constant MARKET = IMarket(Predeploys.MARKET);
    IMetering internal constant METERING = IMetering(Predeploys.METERING);
    ISettlement internal constant SETTLEMENT = ISettlement(Predeploys.SETTLEMENT);
    IConsortium internal constant CONSORTIUM = IConsortium(Predeploys.CONSORTIUM);
    ITrades internal constant TRADES = ITrades(Predeploys.TRADES);
    ICertificates internal constant CERTIFICATES = ICertificates(Predeploys.CERTIFICATES);
    ILens internal constant LENS = ILens(Predeploys.LENS);

    address internal admin = _named("admin");
    address internal bank = _named("bank");
    address internal registrar = _named("registrar");
    address internal pauser = _named("pauser");
    address internal permissionOperator = _named("permission operator");
    address internal operator = _named("zone operator");
    address internal alice = _named("alice");
    address internal bob = _named("bob");
    address internal carol = _named("carol");

    Genesis internal genesis;

    function setUp() public virtual {
        vm.warp(T0);
        genesis = Genesis(vm.deployCode("out/Genesis.sol/Genesis.json", ""));
        bytes memory proxyCode = genesis.proxyCode();
        Genesis.Placement[] memory placements = genesis.placements();
        for (uint256 i = 0; i < placements.length; ++i) {
            Genesis.Placement memory placement = placements[i];
            bool market = placement.proxy == Predeploys.MARKET;
            bytes memory arguments = market ? abi.encode(Predeploys.BATCH_AUCTION) : bytes("");
            string memory artifact = string.concat("out/", placement.artifact, ".sol/", placement.artifact, ".json");
            address implementation = vm.deployCode(artifact, arguments);
            vm.etch(placement.proxy, proxyCode);
            vm.store(placement.proxy, ERC1967Utils.IMPLEMENTATION_SLOT, bytes32(uint256(uint160(implementation))));
        }
        Genesis.Call[] memory calls = genesis.calls(_config());
        for (uint256 i = 0; i < calls.length; ++i) {
            vm.prank(calls[i].from);
            Address.functionCall(calls[i].to, calls[i].data);
        }
        address auction = vm.deployCode(
            "out/BatchAuctionReference.sol/BatchAuctionReference.json", abi.encode(Predeploys.BATCH_AUCTION)
        );
        vm.etch(Predeploys.BATCH_AUCTION, auction.code);
    }

    // Set-up

    function _config() internal view virtual returns (Genesis.Config memory config) {
        config.admin = admin;
        config.zoneAdministrator = admin;
        config.pausers = _list(pauser);
        config.bank = bank;
        config.registrar = registrar;
        config.permissionOperators = _list(permissionOperator, admin);
        config.transactors = _list(alice, bob);
        config.deployers = _list(carol);
        config.tokenName = "Wattline Euro";
        config.tokenSymbol = "wEUR";
        config.zones = new Genesis.Zone[](1);
        config.zones[0] = Genesis.Zone({id: ZONE, settings: _settings()});
        config.funding = new Genesis.Funding[](1);
        config.funding[0] = Genesis.Funding({accounts: _list(operator, alice, bob, carol), amount: 1000 * COIN});
    }

    function _settings() internal view virtual returns (IRegistry.ZoneSettings memory) {
        return IRegistry.ZoneSettings({
            operator: operator,
            intervalLength: LENGTH,
            gateLead: GATE_LEAD,
            openLead: OPEN_LEAD,
            minPrice: -5000,
            maxPrice: 50_000,
            shortagePrice: 40_000,
            surplusPrice: 1500,
            gridFee: 700,
            securityIntervals: 0,
            maxRating: type(uint40).max,
            reportingDeadline: DEADLINE,
            finalDeadline: FINAL_DEADLINE,
            correctionPeriod: CORRECTION_PERIOD,
            maxOrders: 200
        });
    }

    /// @dev The registrar proposes what the zone's operator does next.
    function _propose(bytes memory call) internal {
        vm.prank(registrar);
        REGISTRY.propose(call);
    }

    /// @dev Registers participants with a meter each that can take 5,000 Wh and deliver 3,000 Wh in an interval.
    function _enrol(address[] memory accounts) internal {
        _propose(abi.encodeCall(REGISTRY.registerParticipants, (ZONE, accounts)));
        vm.prank(operator);
        REGISTRY.registerParticipants(ZONE, accounts);
        for (uint256 i = 0; i < accounts.length; ++i) {
            _addMeter(accounts[i], _meterOf(accounts[i]), 5000, 3000);
        }
    }

    function _addMeter(address owner, bytes32 id, uint40 maxImportWh, uint40 maxExportWh) internal {
        _addMeter(owner, id, maxImportWh, maxExportWh, 0, 0);
    }

    /// @dev Registers a meter that shows `importWh` and `exportWh` when it is installed, in time to count from the next
    ///      boundary on.
    function _addMeter(
        address owner,
        bytes32 id,
        uint40 maxImportWh,
        uint40 maxExportWh,
        uint64 importWh,
        uint64 exportWh
    ) internal {
        IRegistry.NewMeter[] memory meters = new IRegistry.NewMeter[](1);
        meters[0] = IRegistry.NewMeter({
            id: id,
            owner: owner,
            signer: vm.addr(_keyOf(id)),
            maxImportWh: maxImportWh,
            maxExportWh: maxExportWh,
            renewable: maxExportWh != 0,
            importWh: importWh,
            exportWh: exportWh
        });
        _registerInTime(meters);
    }

    /// @dev Registers meters of one zone before the products from the next boundary on opened.
    function _registerInTime(IRegistry.NewMeter[] memory meters) internal {
        uint256 today = block.timestamp;
        (uint64 zone,) = REGISTRY.participant(meters[0].owner);
        uint64 next = uint64(today + LENGTH - 1) / LENGTH * LENGTH;
        IRegistry.ZoneSettings memory settings = REGISTRY.settingsAt(zone, next);
        _propose(abi.encodeCall(REGISTRY.registerMeters, (meters)));
        vm.warp(today - settings.openLead - 1);
        vm.prank(settings.operator);
        REGISTRY.registerMeters(meters);
        vm.warp(today);
    }

    function _deposit(address account, uint256 amount) internal {
        vm.startPrank(account);
        TOKEN.approve(address(VAULT), amount);
        VAULT.deposit(amount);
        vm.stopPrank();
    }

    // Acting

    function _submit(address account, Product product, uint8 side, int32 price, uint40 quantity)
        internal
        returns (uint256)
    {
        vm.prank(account);
        return MARKET.submit(product, side, price, quantity);
    }

    function _reading(bytes32 meter, uint64 time, uint64 importWh, uint64 exportWh)
        internal
        pure
        returns (IMetering.Reading memory)
    {
        return IMetering.Reading({meter: meter, time: time, importWh: importWh, exportWh: exportWh});
    }

    function _sign(IMetering.Reading memory reading) internal view returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(_keyOf(reading.meter), METERING.digest(reading));
        return abi.encodePacked(r, s, v);
    }

    /// @dev Submits one reading signed by its meter.
    function _read(bytes32 meter, uint64 time, uint64 importWh, uint64 exportWh) internal returns (IMetering.Verdict) {
        IMetering.Reading[] memory readings = new IMetering.Reading[](1);
        readings[0] = _reading(meter, time, importWh, exportWh);
        bytes[] memory signatures = new bytes[](1);
        signatures[0] = _sign(readings[0]);
        return METERING.submit(readings, signatures)[0];
    }

    /// @dev Submits one reading in the meter's place.
    function _substitute(address by, IMetering.Reading memory reading) internal returns (IMetering.Verdict) {
        IMetering.Reading[] memory readings = new IMetering.Reading[](1);
        readings[0] = reading;
        vm.prank(by);
        return METERING.substitute(readings)[0];
    }

    /// @dev What the owner signs to let the spender have `value`.
    function _permitDigest(address owner, address spender, uint256 value, uint256 deadline)
        internal
        view
        returns (bytes32)
    {
        bytes32 structHash =
            keccak256(abi.encode(PERMIT_TYPEHASH, owner, spender, value, TOKEN.nonces(owner), deadline));
        return keccak256(abi.encodePacked(hex"1901", TOKEN.DOMAIN_SEPARATOR(), structHash));
    }

    /// @dev What an account may do in an interval.
    function _standing(uint64 zone, uint64 start, address account) internal view returns (IRegistry.Standing memory) {
        (,, IRegistry.Standing[] memory standings) = REGISTRY.tradingRules(zone, start, 1, _list(account));
        return standings[0];
    }

    // Names and keys

    function _product(uint64 start) internal pure returns (Product) {
        return packProduct(ZONE, start);
    }

    /// @dev The address of a contract by its place in the order of set-up: the number before the lens's is free.
    function _predeploy(uint160 place) internal pure returns (address) {
        return address((uint160(0xE1EC) << 144) + (place < 11 ? place : place + 1));
    }

    function _implementation(address proxy) internal view returns (address) {
        return address(uint160(uint256(vm.load(proxy, ERC1967Utils.IMPLEMENTATION_SLOT))));
    }

    function _meterOf(address account) internal pure returns (bytes32) {
        return bytes32(uint256(uint160(account)));
    }

    function _keyOf(bytes32 meter) internal pure returns (uint256) {
        return uint256(keccak256(abi.encode("meter key", meter))) >> 8;
    }

    function _named(string memory name) internal pure returns (address) {
        return vm.addr(_keyOfNamed(name));
    }

    function _keyOfNamed(string memory name) internal pure returns (uint256) {
        return uint256(keccak256(bytes(name))) >> 8;
    }

    function _list(address a) internal pure returns (address[] memory list) {
        list = new address[](1);
        list[0] = a;
    }

    function _list(address a, address b) internal pure returns (address[] memory list) {
        list = new address[](2);
        (list[0], list[1]) = (a, b);
    }

    function _list(address a, address b, address c) internal pure returns (address[] memory list) {
        list = new address[](3);
        (list[0], list[1], list[2]) = (a, b, c);
    }

    function _list(address a, address b, address c, address d) internal pure returns (address[] memory list) {
        list = new address[](4);
        (list[0], list[1], list[2], list[3]) = (a, b, c, d);
    }
}
