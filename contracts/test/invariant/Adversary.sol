// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IMarket} from "../../src/interfaces/IMarket.sol";
import {IMetering} from "../../src/interfaces/IMetering.sol";
import {IRegistry} from "../../src/interfaces/IRegistry.sol";
import {ISettlement} from "../../src/interfaces/ISettlement.sol";
import {ITrades} from "../../src/interfaces/ITrades.sol";
import {IVault} from "../../src/interfaces/IVault.sol";
import {Predeploys} from "../../src/libraries/Predeploys.sol";
import {Product, packProduct} from "../../src/types/Product.sol";
import {Handler} from "./Handler.sol";
import {IERC1155} from "@openzeppelin/contracts/token/ERC1155/IERC1155.sol";

/// @notice What people do besides, and what those do who mean the market ill: operators that guess in their favour, roles
///         that act alone or rotate keys for a minute, carriers that forge and replay, makers that sell twice, thieves.
contract Adversary is Handler {
    IERC1155 private constant TOKENS = IERC1155(Predeploys.CERTIFICATES);
    uint256 private constant KEPT = 4;

    address private _thief = _named("thief");
    address private _agent = _named("agent");
    uint256 private _nonce;
    uint256 private _last;
    /// @dev The latest offers that were taken, with their signatures.
    ITrades.SignedOffer[KEPT] private _offers;
    /// @notice How much was taken of an offer, by its digest.
    mapping(bytes32 digest => uint256) public takenOf;
    /// @notice The nonces of the signed orders that were taken.
    mapping(address trader => mapping(uint256 nonce => bool)) public carried;
    /// @notice Certificates that were retired, by id.
    mapping(uint256 id => uint256) public retired;

    function setUp() public override {
        super.setUp();
        for (uint256 i = 0; i < TRADERS; ++i) {
            vm.prank(_traders[i]);
            MARKET.setAgent(_agent, IMarket.Agent(type(uint64).max, -100, 250, 1200));
        }
    }

    // Direct trades

    function trade(uint256 who, uint256 whom, uint256 which, uint256 side, int256 price, uint256 quantity) external {
        address maker = _trader(who);
        address taker = _neighbour(maker, whom);
        bool series = quantity % 4 == 0 && _products.length > 2;
        // The latest product is open, the one before it almost always.
        Product product = _at(maker, _products[_products.length - (series ? 4 : 1)]);
        ITrades.SignedOffer memory signed;
        signed.offer = ITrades.Offer({
            maker: maker,
            taker: which % 3 == 0 ? _trader(which >> 8) : address(0),
            side: uint8(side % 2),
            zone: product.zone(),
            firstStart: product.start(),
            intervals: series ? 2 : 1,
            price: int32(bound(price, -4, 6)) * 50,
            quantity: uint40(bound(quantity, 1, 1500)),
            nonce: _nonce++,
            expiry: uint64(block.timestamp + 1200)
        });
        signed.signature = _signOf(_keyOfNamed(_name(who)), TRADES.offerDigest(signed.offer));
        uint40 part = uint40(bound(quantity >> 64, 1, signed.offer.quantity));
        if (_take(taker, signed, part)) {
            _last = _nonce % KEPT;
            _offers[_last] = signed;
            ++done["direct"];
        }
    }

    /// @dev What is left of an offer can be taken, nothing beyond it, and nothing of another offer with its signature.
    function takeAgain(uint256 who, uint256 which) external {
        ITrades.SignedOffer memory signed = _offers[which % 2 == 0 ? _last : which % KEPT];
        if (signed.offer.maker == address(0)) return;
        uint40 left = TRADES.left(signed.offer);
        address taker = signed.offer.taker == address(0) ? _neighbour(signed.offer.maker, who) : signed.offer.taker;
        _must(!_take(taker, signed, left + 1), "more was taken than offered");
        if (left != 0 && _take(taker, signed, left)) ++done["take the rest"];
        ++signed.offer.quantity;
        _must(!_take(taker, signed, 1), "an offer was taken that nobody made");
    }

    function takeBack(uint256 which) external {
        ITrades.SignedOffer memory signed = _offers[which % KEPT];
        if (signed.offer.maker == address(0)) return;
        address maker = signed.offer.maker;
        vm.prank(maker);
        try TRADES.cancel(signed.offer) {
            ++done["take back"];
        } catch {}
        address taker = maker == _traders[0] ? _traders[1] : _traders[0];
        _must(!_take(taker, signed, 1), "an offer was taken that had been taken back");
    }

    // Signed orders

    /// @dev Signed by the trader, its agent, a thief or another trader, with nonces that come again.
    function carry(uint256 who, uint256 which, uint256 side, int256 price, uint256 quantity) external {
        address account = _trader(who);
        IMarket.SignedOrder[] memory orders = new IMarket.SignedOrder[](1);
        orders[0] = IMarket.SignedOrder({
            trader: account,
            product: _at(account, _pick(which)),
            side: uint8(side % 2),
            price: int32(bound(price, -4, 6)) * 50,
            quantity: uint40(bound(quantity, 1, 1500)),
            nonce: side >> 8 & 0x1f,
            deadline: uint64(block.timestamp + 60),
            signature: ""
        });
        uint256 signer = quantity >> 64 & 3;
        uint256[4] memory keys = [
            _keyOfNamed(_name(who)), _keyOfNamed("agent"), _keyOfNamed("thief"), _keyOfNamed(_name(who % TRADERS + 1))
        ];
        orders[0].signature = _signOf(keys[signer], MARKET.orderDigest(orders[0]));
        vm.prank(_thief);
        if (!MARKET.submitSigned(orders)[0]) return;
        _must(!carried[account][orders[0].nonce], "a nonce counted twice");
        carried[account][orders[0].nonce] = true;
        _must(signer < 2, "an order was taken that its trader had not signed");
        if (signer == 1) {
            IMarket.AccountInfo memory info = MARKET.accountInfo(orders[0].product, account);
            _must(orders[0].price >= -100 && orders[0].price <= 250, "an agent ordered beyond its prices");
            _must((side % 2 == 0 ? info.openBidWh : info.openAskWh) <= 1200, "an agent ordered beyond its quantity");
            ++done["agent"];
        }
        ++done["carry"];
    }

    // Operators and roles

    /// @dev An operator substitutes whatever it likes for what was not read yet.
    function forge(uint256 who, uint256 seed) external {
        address account = _trader(who);
        MeterState storage state = _meters[account];
        (uint64 time, uint64 importWh, uint64 exportWh) = (state.next, state.importWh, state.exportWh);
        if (seed % 4 != 0 && state.skipped != 0) {
            (time, importWh, exportWh) = (state.skipped, state.skippedImportWh, state.skippedExportWh);
        }
        IMetering.Reading memory reading = _reading(
            _meterOf(account), time, importWh + uint64(seed >> 8) % 1200, exportWh + uint64(seed >> 80) % 1200
        );
        if (_substitute(_operatorOf(account), reading) == IMetering.Verdict.Accepted) {
            ++done["forge"];
            // And settles by it at once.
            if (time != T0) settleAt(account, packProduct(_zoneOf(account), time - LENGTH));
            settleAt(account, packProduct(_zoneOf(account), time));
        }
        IMetering.Verdict verdict = _substitute(_thief, reading);
        _must(verdict == IMetering.Verdict.NotZoneOperator || time > block.timestamp, "a thief substituted");
    }

    /// @dev A reading that was held back comes as it is.
    function readLate(uint256 who) external {
        address account = _trader(who);
        MeterState storage state = _meters[account];
        if (state.skipped == 0) return;
        IMetering.Verdict verdict =
            _read(_meterOf(account), state.skipped, state.skippedImportWh, state.skippedExportWh);
        _must(verdict == IMetering.Verdict.Accepted, "a late reading was refused");
        state.skipped = 0;
        ++done["read late"];
    }

    /// @dev Whatever of an account can still be corrected, and what cannot is not.
    function correct(uint256 who) external {
        address account = _trader(who);
        uint256 count = _products.length < 16 ? _products.length : 16;
        for (uint256 i = 1; i <= count; ++i) {
            Product product = _products[_products.length - i];
            vm.recordLogs();
            int256 before = _money();
            try SETTLEMENT.correct(product, _list(account)) returns (ISettlement.Outcome[] memory outcomes) {
                if (outcomes[0] == ISettlement.Outcome.Corrected) ++done["correct"];
            } catch {}
            _bookDeliveries(before);
        }
    }

    /// @dev Whoever acts alone gets nowhere.
    function actAlone(uint256 seed) external {
        IRegistry.NewMeter[] memory meters = new IRegistry.NewMeter[](1);
        meters[0] = IRegistry.NewMeter(bytes32(seed), _traders[0], _thief, 2 ** 40 - 1, 2 ** 40 - 1, true, 0, 0);
        bytes[4] memory calls = [
            abi.encodeCall(REGISTRY.registerMeters, (meters)),
            abi.encodeCall(REGISTRY.registerParticipants, (ZONE, _list(_thief))),
            abi.encodeCall(REGISTRY.setMeterSigner, (_meterOf(_traders[0]), _thief)),
            abi.encodeCall(REGISTRY.assignMeter, (_meterOf(_traders[0]), _traders[1], T0 + 1000 * LENGTH))
        ];
        bytes memory call = calls[seed % 4];
        _mustFail(operator, address(REGISTRY), call);
        _propose(call);
        _mustFail(registrar, address(REGISTRY), call);
        _mustFail(otherOperator, address(REGISTRY), call);
        vm.prank(registrar);
        REGISTRY.withdrawProposal(keccak256(call));
        ++done["act alone"];
    }

    /// @dev A key that is rotated for a minute signs nothing of the past.
    function rotate(uint256 who) external {
        address account = _trader(who);
        bytes32 meter = _meterOf(account);
        _rekey(account, _thief);
        MeterState storage state = _meters[account];
        uint64 time = state.skipped != 0 ? state.skipped : state.next;
        if (time <= block.timestamp && block.timestamp % LENGTH != 0) {
            IMetering.Reading[] memory readings = new IMetering.Reading[](1);
            readings[0] = _reading(meter, time, state.importWh, state.exportWh);
            bytes[] memory signatures = new bytes[](1);
            signatures[0] = _signOf(_keyOfNamed("thief"), METERING.digest(readings[0]));
            _must(METERING.submit(readings, signatures)[0] == IMetering.Verdict.WrongSigner, "a key signed the past");
            ++done["rotate"];
        }
        _rekey(account, vm.addr(_keyOf(meter)));
    }

    function changeZone(uint256 seed) external {
        uint64 zone = seed % 2 == 0 ? ZONE : OTHER_ZONE;
        (IRegistry.ZoneSettings memory settings, uint64 last) = REGISTRY.latestSettings(zone);
        uint64 from = uint64(block.timestamp + settings.openLead) / LENGTH * LENGTH + LENGTH;
        vm.startPrank(admin);
        if (last >= from) {
            REGISTRY.withdrawZoneChange(zone);
        } else {
            settings.shortagePrice = 20_000 + int32(uint32(seed >> 8) % 1000);
            settings.surplusPrice = int32(uint32(seed >> 40) % 200) - 100;
            settings.gridFee = uint32(seed >> 72) % 20;
            try REGISTRY.changeZone(zone, settings, from) {
                ++done["change zone"];
            } catch {
                // The operator has no reserve for that.
                uint256 free = VAULT.balanceOf(settings.operator).free;
                _must(free < 8000 * 4 * 100 * 1e10 * uint256(settings.securityIntervals), "a change was refused");
            }
        }
        vm.stopPrank();
    }

    /// @dev A meter goes to a neighbour, who had two then, or back.
    function moveMeter(uint256 who, uint256 whom) external {
        address account = _trader(who);
        address neighbour = _neighbour(account, whom);
        IRegistry.ZoneSettings memory settings = REGISTRY.settingsAt(ZONE, T0);
        IRegistry.Meter memory meter = REGISTRY.meter(_meterOf(account));
        uint64 since = uint64(block.timestamp + settings.openLead) / LENGTH * LENGTH + LENGTH;
        if (since < meter.since) return;
        _together(account, abi.encodeCall(REGISTRY.assignMeter, (_meterOf(account), neighbour, since)));
        ++done["move meter"];
    }

    function steal(uint256 who, uint256 seed) external {
        address account = _account(who);
        IVault.Trade[] memory trades = new IVault.Trade[](1);
        trades[0] = IVault.Trade(account, 0, 1, 0);
        IVault.Delivery[] memory deliveries = new IVault.Delivery[](1);
        deliveries[0] = IVault.Delivery(account, 0, 1);
        IMarket.Delivery[] memory positions = new IMarket.Delivery[](1);
        positions[0] = IMarket.Delivery(account, true, 0);
        IVault.Withdrawal memory withdrawal = IVault.Withdrawal(account, _thief, 1, seed, type(uint64).max);
        bytes memory signature = _signOf(_keyOfNamed("thief"), VAULT.withdrawalDigest(withdrawal));
        _mustFail(_thief, address(VAULT), abi.encodeCall(VAULT.lock, (account, 1, 0)));
        _mustFail(_thief, address(VAULT), abi.encodeCall(VAULT.unlock, (account, 1)));
        _mustFail(_thief, address(VAULT), abi.encodeCall(VAULT.bookTrades, (trades)));
        _mustFail(_thief, address(VAULT), abi.encodeCall(VAULT.bookDeliveries, (_thief, deliveries)));
        _mustFail(_thief, address(VAULT), abi.encodeCall(VAULT.withdrawBySig, (withdrawal, signature)));
        _mustFail(_thief, address(MARKET), abi.encodeCall(MARKET.closePositions, (_products[0], positions)));
        _mustFail(_thief, address(MARKET), abi.encodeCall(MARKET.correctPositions, (_products[0], positions)));
        IMarket.DirectTrade memory direct = IMarket.DirectTrade(account, _thief, ZONE, T0, 1, 0, 1);
        _mustFail(_thief, address(MARKET), abi.encodeCall(MARKET.bookTrade, (direct)));
        ++done["steal"];
    }

    // Certificates

    /// @dev For all intervals up to one, whether they have theirs or not.
    function issue(uint256 who, uint256 which) external {
        uint64 to = _products[which % _products.length].start() + LENGTH;
        uint256 end = to + REGISTRY.settingsAt(ZONE, T0).correctionPeriod;
        try CERTIFICATES.issue(_meterOf(_trader(who)), _products[0].start(), to) returns (uint256 issued) {
            _must(block.timestamp >= end, "certificates were issued before their time");
            if (issued != 0) ++done["issue"];
        } catch {
            _must(block.timestamp < end, "certificates could not be issued");
        }
    }

    /// @dev Half of what a trader holds it claims for itself, the rest goes to a neighbour, who claims what it consumed.
    function claim(uint256 who, uint256 whom, uint256 which) external {
        address account = _trader(who);
        address neighbour = _neighbour(account, whom);
        Product product = _at(account, _products[which % _products.length]);
        uint256 id = CERTIFICATES.idOf(product);
        uint256 held = TOKENS.balanceOf(account, id);
        if (held == 0) return;
        (uint256[] memory ids, uint256[] memory amounts) = (new uint256[](1), new uint256[](1));
        (ids[0], amounts[0]) = (id, (held + 1) / 2);
        vm.startPrank(account);
        CERTIFICATES.claim(ids, amounts, account, "");
        retired[id] += amounts[0];
        TOKENS.safeTransferFrom(account, neighbour, id, held - amounts[0], "");
        vm.stopPrank();
        ++done["claim"];

        uint256 claimable =
            CERTIFICATES.consumption(product, neighbour) - CERTIFICATES.claimedConsumption(product, neighbour);
        held = TOKENS.balanceOf(neighbour, id);
        if (held > claimable) {
            _mustFail(
                neighbour,
                address(CERTIFICATES),
                abi.encodeCall(CERTIFICATES.claimConsumption, (product, claimable + 1))
            );
            held = claimable;
        }
        if (held == 0) return;
        vm.prank(neighbour);
        CERTIFICATES.claimConsumption(product, held);
        retired[id] += held;
        ++done["claim consumption"];
    }

    // Helpers

    /// @dev Takes an offer, if it can be taken; then the money is to the last unit what was agreed.
    function _take(address taker, ITrades.SignedOffer memory signed, uint40 quantity) private returns (bool) {
        ITrades.Offer memory offer = signed.offer;
        Product product = _at(offer.maker, Product.wrap(offer.firstStart));
        (int256 made, int256 taken) = (_moneyOf(offer.maker), _moneyOf(taker));
        int256 position = MARKET.position(product, offer.maker);
        vm.prank(taker);
        try TRADES.take(offer, signed.signature, quantity) {}
        catch {
            return false;
        }
        bytes32 digest = TRADES.offerDigest(offer);
        takenOf[digest] += quantity;
        _must(takenOf[digest] <= offer.quantity, "more was taken than offered");
        int256 energy = int256(uint256(quantity));
        int256 price = int256(offer.price) * energy * 1e10 * int256(uint256(offer.intervals));
        if (offer.side == 1) (price, energy) = (-price, -energy);
        _must(_moneyOf(offer.maker) == made - price, "the maker paid another price");
        _must(_moneyOf(taker) == taken + price, "the taker paid another price");
        _must(MARKET.position(product, offer.maker) == position + energy, "another quantity was traded");
        return true;
    }

    /// @dev A trader of the same zone.
    function _neighbour(address account, uint256 whom) private view returns (address neighbour) {
        whom %= TRADERS;
        neighbour = _trader(whom);
        while (_zoneOf(neighbour) != _zoneOf(account)) neighbour = _trader(++whom);
    }

    function _rekey(address account, address signer) private {
        _together(account, abi.encodeCall(REGISTRY.setMeterSigner, (_meterOf(account), signer)));
    }

    /// @dev What the registrar proposes and the operator makes.
    function _together(address account, bytes memory call) private {
        _propose(call);
        vm.prank(_operatorOf(account));
        (bool success,) = address(REGISTRY).call(call);
        _must(success, "registrar and operator together could not");
    }

    function _mustFail(address from, address to, bytes memory call) private {
        vm.prank(from);
        (bool success,) = to.call(call);
        _must(!success, "somebody did what it must not");
    }

    function _signOf(uint256 key, bytes32 digest) private pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }
}
