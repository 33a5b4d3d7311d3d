// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Certificates} from "../Certificates.sol";
import {Consortium} from "../Consortium.sol";
import {Lens} from "../Lens.sol";
import {Market} from "../Market.sol";
import {Metering} from "../Metering.sol";
import {Permissions} from "../Permissions.sol";
import {Registry} from "../Registry.sol";
import {Settlement} from "../Settlement.sol";
import {SettlementToken} from "../SettlementToken.sol";
import {Trades} from "../Trades.sol";
import {Vault} from "../Vault.sol";
import {IConsortium} from "../interfaces/IConsortium.sol";
import {IRegistry} from "../interfaces/IRegistry.sol";
import {Predeploys} from "../libraries/Predeploys.sol";
import {
    AccessManagerUpgradeable
} from "@openzeppelin/contracts-upgradeable/access/manager/AccessManagerUpgradeable.sol";
import {IAccessManager} from "@openzeppelin/contracts/access/manager/IAccessManager.sol";
import {ERC1967Proxy} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";

/// @title The set-up of the system
/// @notice Says, once and for everybody, which proxies stand where and which calls turn them into a working market. The
///         genesis builder and the tests put the proxies in place and then make these calls; README.md tells how.
contract Genesis {
    /// @notice The role that mints, burns and pauses the settlement token.
    uint64 public constant BANK_ROLE = 1;
    /// @notice The role that proposes participants and meters.
    uint64 public constant REGISTRAR_ROLE = 2;

    /// @notice The role that upgrades contracts, after a delay.
    uint64 public constant UPGRADER_ROLE = 3;
    /// @notice The role that creates and changes zones.
    uint64 public constant ZONE_ROLE = 4;
    /// @notice The role that stops new orders for a day: each member alone.
    uint64 public constant PAUSER_ROLE = 5;
    /// @notice The role that cancels what holders of the other roles and the administrator have scheduled: each member
    ///         alone. AccessManager knows it.
    uint64 public constant GUARDIAN_ROLE = 6;

    uint256 private constant CONTRACTS = 12;

    /// @notice The administrator could give itself a shorter delay for upgrades than it has.
    error DelayTooShort(uint32 adminDelay, uint32 upgradeDelay);

    /// @notice A zone to create.
    struct Zone {
        uint64 id;
        IRegistry.ZoneSettings settings;
    }

    /// @notice Money to mint: `amount` base units to each account.
    struct Funding {
        address[] accounts;
        uint256 amount;
    }

    /// @notice What differs from network to network.
    /// @param admin Administrator of the AccessManager: roles, upgrades, zones, permission operators.
    /// @param adminDelay Seconds for which the administrator announces what it does; at least `upgradeDelay`.
    /// @param upgradeDelay Seconds for which the administrator announces upgrades.
    /// @param zoneAdministrator Creates and changes zones.
    /// @param pausers Each can stop new orders for a day.
    /// @param guardians Each can cancel upgrades and what else has been scheduled.
    /// @param bank Mints, burns and pauses.
    /// @param registrar Proposes participants and meters.
    /// @param permissionOperators Permission operators, at least one.
    /// @param transactors Accounts that may transact.
    /// @param deployers Accounts that may transact and create contracts.
    /// @param tokenName Name of the settlement token.
    /// @param tokenSymbol Symbol of the settlement token.
    /// @param zones Zones to create.
    /// @param funding Money to mint.
    /// @param members The first members of the consortium.
    struct Config {
        address admin;
        uint32 adminDelay;
        uint32 upgradeDelay;
        address zoneAdministrator;
        address[] pausers;
        address[] guardians;
        address bank;
        address registrar;
        address[] permissionOperators;
        address[] transactors;
        address[] deployers;
        string tokenName;
        string tokenSymbol;
        Zone[] zones;
        Funding[] funding;
        IConsortium.NewMember[] members;
    }

    /// @notice A contract behind a proxy.
    /// @param proxy Where its proxy stands.
    /// @param artifact The name of the contract that implements it. Market's constructor takes the auction's address,
    ///        the others' take nothing.
    struct Placement {
        address proxy;
        string artifact;
    }

    /// @notice A call of the set-up.
    struct Call {
        address from;
        address to;
        bytes data;
    }

    /// @notice The runtime code of every proxy.
    function proxyCode() external pure returns (bytes memory) {
        return type(ERC1967Proxy).runtimeCode;
    }

    /// @notice The proxies and what is behind them.
    function placements() public pure returns (Placement[] memory list) {
        list = new Placement[](CONTRACTS);
        list[0] = Placement(Predeploys.ACCESS_MANAGER, "AccessManager");
        list[1] = Placement(Predeploys.SETTLEMENT_TOKEN, "SettlementToken");
        list[2] = Placement(Predeploys.PERMISSIONS, "Permissions");
        list[3] = Placement(Predeploys.REGISTRY, "Registry");
        list[4] = Placement(Predeploys.VAULT, "Vault");
        list[5] = Placement(Predeploys.MARKET, "Market");
        list[6] = Placement(Predeploys.METERING, "Metering");
        list[7] = Placement(Predeploys.SETTLEMENT, "Settlement");
        list[8] = Placement(Predeploys.CONSORTIUM, "Consortium");
        list[9] = Placement(Predeploys.TRADES, "Trades");
        list[10] = Placement(Predeploys.CERTIFICATES, "Certificates");
        list[11] = Placement(Predeploys.LENS, "Lens");
    }

    /// @notice The calls that set the system up, in order. All must succeed, at a block time that is not zero: the
    ///         AccessManager takes a role granted at time zero for one never granted.
    function calls(Config calldata config) external pure returns (Call[] memory list) {
        if (config.adminDelay < config.upgradeDelay) revert DelayTooShort(config.adminDelay, config.upgradeDelay);
        uint256 variable = _permissionCalls(config) + config.zones.length + config.funding.length
            + config.pausers.length + config.guardians.length;
        list = new Call[](2 * CONTRACTS + 15 + variable);
        uint256 n = _initialize(list, 0, config);
        n = _assignRoles(list, n, config);
        n = _guardRoles(list, n, config);
        n = _grantPermissions(list, n, config);
        for (uint256 i = 0; i < config.zones.length; ++i) {
            bytes memory data = abi.encodeCall(Registry.createZone, (config.zones[i].id, config.zones[i].settings));
            list[n++] = Call(config.zoneAdministrator, Predeploys.REGISTRY, data);
        }
        for (uint256 i = 0; i < config.funding.length; ++i) {
            bytes memory data =
                abi.encodeCall(SettlementToken.mintMany, (config.funding[i].accounts, config.funding[i].amount));
            list[n++] = Call(config.bank, Predeploys.SETTLEMENT_TOKEN, data);
        }
        // From here on the administrator announces what it does.
        list[n++] = _managed(config, abi.encodeCall(IAccessManager.grantRole, (0, config.admin, config.adminDelay)));
    }

    function _initialize(Call[] memory list, uint256 n, Config calldata config) private pure returns (uint256) {
        address admin = config.admin;
        list[n++] = Call(admin, Predeploys.ACCESS_MANAGER, abi.encodeCall(AccessManagerUpgradeable.initialize, (admin)));
        list[n++] = Call(
            admin,
            Predeploys.SETTLEMENT_TOKEN,
            abi.encodeCall(SettlementToken.initialize, (config.tokenName, config.tokenSymbol))
        );
        address[] memory protectedAccounts = new address[](3);
        (protectedAccounts[0], protectedAccounts[1], protectedAccounts[2]) = (admin, config.bank, config.registrar);
        list[n++] = Call(
            admin,
            Predeploys.PERMISSIONS,
            abi.encodeCall(Permissions.initialize, (config.permissionOperators, protectedAccounts))
        );
        list[n++] = Call(admin, Predeploys.REGISTRY, abi.encodeCall(Registry.initialize, ()));
        list[n++] = Call(admin, Predeploys.VAULT, abi.encodeCall(Vault.initialize, ()));
        list[n++] = Call(admin, Predeploys.MARKET, abi.encodeCall(Market.initialize, ()));
        list[n++] = Call(admin, Predeploys.METERING, abi.encodeCall(Metering.initialize, ()));
        list[n++] = Call(admin, Predeploys.SETTLEMENT, abi.encodeCall(Settlement.initialize, ()));
        list[n++] = Call(admin, Predeploys.CONSORTIUM, abi.encodeCall(Consortium.initialize, (config.members)));
        list[n++] = Call(admin, Predeploys.TRADES, abi.encodeCall(Trades.initialize, ()));
        list[n++] = Call(admin, Predeploys.CERTIFICATES, abi.encodeCall(Certificates.initialize, ()));
        list[n++] = Call(admin, Predeploys.LENS, abi.encodeCall(Lens.initialize, ()));
        return n;
    }

    /// @dev Functions that are not named here and are restricted stay the administrator's.
    function _assignRoles(Call[] memory list, uint256 n, Config calldata config) private pure returns (uint256) {
        bytes4[] memory bank = new bytes4[](5);
        bank[0] = SettlementToken.mint.selector;
        bank[1] = SettlementToken.mintMany.selector;
        bank[2] = SettlementToken.burn.selector;
        bank[3] = SettlementToken.pause.selector;
        bank[4] = SettlementToken.unpause.selector;
        bytes4[] memory registrar = new bytes4[](3);
        registrar[0] = Registry.propose.selector;
        registrar[1] = Registry.withdrawProposal.selector;
        registrar[2] = Registry.setParticipantActive.selector;
        bytes4[] memory zones = new bytes4[](4);
        zones[0] = Registry.createZone.selector;
        zones[1] = Registry.changeZone.selector;
        zones[2] = Registry.withdrawZoneChange.selector;
        zones[3] = Registry.setTradeLead.selector;
        bytes4[] memory pauser = new bytes4[](1);
        pauser[0] = Market.pauseOrders.selector;
        n = _assignRole(list, n, config, BANK_ROLE, "bank", Predeploys.SETTLEMENT_TOKEN, bank);
        n = _assignRole(list, n, config, REGISTRAR_ROLE, "registrar", Predeploys.REGISTRY, registrar);
        n = _assignRole(list, n, config, ZONE_ROLE, "zone administrator", Predeploys.REGISTRY, zones);
        n = _assignRole(list, n, config, PAUSER_ROLE, "pauser", Predeploys.MARKET, pauser);
        n = _assignUpgrades(list, n, config);
        list[n++] = _grant(config, BANK_ROLE, config.bank, 0);
        list[n++] = _grant(config, REGISTRAR_ROLE, config.registrar, 0);
        list[n++] = _grant(config, ZONE_ROLE, config.zoneAdministrator, 0);
        for (uint256 i = 0; i < config.pausers.length; ++i) {
            list[n++] = _grant(config, PAUSER_ROLE, config.pausers[i], 0);
        }
        return n;
    }

    function _assignRole(
        Call[] memory list,
        uint256 n,
        Config calldata config,
        uint64 role,
        string memory label,
        address target,
        bytes4[] memory selectors
    ) private pure returns (uint256) {
        list[n++] = _managed(config, abi.encodeCall(IAccessManager.labelRole, (role, label)));
        list[n++] = _managed(config, abi.encodeCall(IAccessManager.setTargetFunctionRole, (target, selectors, role)));
        return n;
    }

    /// @dev Upgrades of all contracts, the AccessManager itself included.
    function _assignUpgrades(Call[] memory list, uint256 n, Config calldata config) private pure returns (uint256) {
        bytes4[] memory upgrade = new bytes4[](1);
        upgrade[0] = UUPSUpgradeable.upgradeToAndCall.selector;
        list[n++] = _managed(config, abi.encodeCall(IAccessManager.labelRole, (UPGRADER_ROLE, "upgrader")));
        Placement[] memory all = placements();
        for (uint256 i = 0; i < CONTRACTS; ++i) {
            list[n++] = _managed(
                config, abi.encodeCall(IAccessManager.setTargetFunctionRole, (all[i].proxy, upgrade, UPGRADER_ROLE))
            );
        }
        list[n++] = _grant(config, UPGRADER_ROLE, config.admin, config.upgradeDelay);
        return n;
    }

    function _guardRoles(Call[] memory list, uint256 n, Config calldata config) private pure returns (uint256) {
        list[n++] = _managed(config, abi.encodeCall(IAccessManager.labelRole, (GUARDIAN_ROLE, "guardian")));
        for (uint256 i = 0; i < config.guardians.length; ++i) {
            list[n++] = _grant(config, GUARDIAN_ROLE, config.guardians[i], 0);
        }
        return n;
    }

    function _grant(Config calldata config, uint64 role, address member, uint32 delay)
        private
        pure
        returns (Call memory)
    {
        return _managed(config, abi.encodeCall(IAccessManager.grantRole, (role, member, delay)));
    }

    function _managed(Config calldata config, bytes memory data) private pure returns (Call memory) {
        return Call(config.admin, Predeploys.ACCESS_MANAGER, data);
    }

    function _permissionCalls(Config calldata config) private pure returns (uint256) {
        return (config.transactors.length == 0 ? 0 : 1) + (config.deployers.length == 0 ? 0 : 1);
    }

    function _grantPermissions(Call[] memory list, uint256 n, Config calldata config) private pure returns (uint256) {
        if (config.transactors.length != 0) {
            list[n++] = Call(
                config.permissionOperators[0],
                Predeploys.PERMISSIONS,
                abi.encodeCall(Permissions.setFlags, (config.transactors, 1))
            );
        }
        if (config.deployers.length != 0) {
            list[n++] = Call(
                config.permissionOperators[0],
                Predeploys.PERMISSIONS,
                abi.encodeCall(Permissions.setFlags, (config.deployers, 3))
            );
        }
        return n;
    }
}
