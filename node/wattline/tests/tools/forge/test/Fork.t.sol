// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {vm} from "../lib/Vm.sol";
import {Billing} from "../src/Billing.sol";
import {Tariff} from "../src/Tariff.sol";
import {ILens} from "wattline/interfaces/ILens.sol";
import {IMarket} from "wattline/interfaces/IMarket.sol";
import {IRegistry} from "wattline/interfaces/IRegistry.sol";
import {ISettlementToken} from "wattline/interfaces/ISettlementToken.sol";
import {IVault} from "wattline/interfaces/IVault.sol";
import {Predeploys} from "wattline/libraries/Predeploys.sol";
import {Product, packProduct} from "wattline/types/Product.sol";

/// @title What a contract developer tests on a fork of a running chain
/// @notice The chain is a development chain on which script/Deploy.s.sol ran.
contract ForkTest {
    ISettlementToken internal constant TOKEN = ISettlementToken(Predeploys.SETTLEMENT_TOKEN);
    IRegistry internal constant REGISTRY = IRegistry(Predeploys.REGISTRY);
    IVault internal constant VAULT = IVault(Predeploys.VAULT);
    ILens internal constant LENS = ILens(Predeploys.LENS);
    IMarket internal constant MARKET = IMarket(Predeploys.MARKET);
    /// @dev Development account 0: administrator, registrar, bank and zone operator.
    address internal constant ADMIN = 0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266;
    string internal constant REFERENCE =
        "../../../../../contracts/out/BatchAuctionReference.sol/BatchAuctionReference.json";
    uint64 internal constant ZONE = 77;
    uint32 internal constant LENGTH = 900;
    uint32 internal constant OPEN_LEAD = 3600;

    address internal buyer = vm.addr(0xb0e);
    address internal seller = vm.addr(0x5e11);

    /// @dev A fork carries a chain's state, not its precompiles: the reference stands in for the batch auction.
    function setUp() public {
        address auction = vm.deployCode(REFERENCE, abi.encode(Predeploys.BATCH_AUCTION));
        vm.etch(Predeploys.BATCH_AUCTION, auction.code);
    }

    function test_ReadsThePredeployedContracts() public view {
        vm.assertEq(block.chainid, 57_836);
        vm.assertEq(TOKEN.symbol(), "WEUR");
        vm.assertEq(TOKEN.balanceOf(ADMIN), 100_000 ether);
        vm.assertEq(MARKET.auction(), Predeploys.BATCH_AUCTION);
    }

    function test_ReadsWhatTheScriptDeployed() public view {
        Tariff tariff = Tariff(vm.envAddress("TARIFF"));
        vm.assertEq(tariff.price(), 28_000);
        vm.assertEq(tariff.publisher(), vm.envAddress("PUBLISHER"));
        vm.assertEq(address(Billing(vm.envAddress("BILLING")).tariff()), address(tariff));
    }

    function test_TradesOnTheMarket() public {
        _openZone();
        // Meters count for products that open after they were registered.
        uint64 start = (uint64(block.timestamp) + OPEN_LEAD) / LENGTH * LENGTH + LENGTH;
        vm.warp(start - OPEN_LEAD);
        Product product = packProduct(ZONE, start);
        _order(buyer, product, 0, 28_000, 600);
        _order(seller, product, 1, 12_000, 400);

        vm.warp(start);
        MARKET.clear(product);

        IMarket.Clearing memory clearing = MARKET.clearing(product);
        vm.assertEq(uint256(clearing.volume), 400);
        vm.assertEq(clearing.price, 28_000);
        vm.assertEq(LENS.fillOf(product, 0), 400);
        vm.assertEq(LENS.fillOf(product, 1), 400);
    }

    function _openZone() private {
        vm.startPrank(ADMIN);
        REGISTRY.createZone(
            ZONE,
            IRegistry.ZoneSettings({
                operator: ADMIN,
                intervalLength: LENGTH,
                gateLead: 300,
                openLead: OPEN_LEAD,
                minPrice: -5000,
                maxPrice: 50_000,
                shortagePrice: 40_000,
                surplusPrice: 1500,
                gridFee: 700,
                securityIntervals: 1,
                reportingDeadline: 1800,
                maxRating: 2000,
                finalDeadline: 7200,
                correctionPeriod: 14_400,
                maxOrders: 10_000
            })
        );
        // Every meter wants a reserve of the zone's operator.
        TOKEN.approve(address(VAULT), 10 ether);
        VAULT.deposit(10 ether);
        vm.stopPrank();
        _enrol(buyer);
        _enrol(seller);
    }

    function _enrol(address account) private {
        address[] memory accounts = new address[](1);
        accounts[0] = account;
        IRegistry.NewMeter[] memory meters = new IRegistry.NewMeter[](1);
        meters[0] = IRegistry.NewMeter({
            id: bytes32(uint256(uint160(account))),
            owner: account,
            signer: account,
            maxImportWh: 2000,
            maxExportWh: 2000,
            renewable: true,
            importWh: 0,
            exportWh: 0
        });
        vm.startPrank(ADMIN);
        REGISTRY.propose(abi.encodeCall(IRegistry.registerParticipants, (ZONE, accounts)));
        REGISTRY.registerParticipants(ZONE, accounts);
        REGISTRY.propose(abi.encodeCall(IRegistry.registerMeters, (meters)));
        REGISTRY.registerMeters(meters);
        TOKEN.approve(address(VAULT), 10 ether);
        VAULT.depositFor(account, 10 ether);
        vm.stopPrank();
    }

    function _order(address account, Product product, uint8 side, int32 price, uint40 quantity) private {
        vm.prank(account);
        MARKET.submit(product, side, price, quantity);
    }
}
