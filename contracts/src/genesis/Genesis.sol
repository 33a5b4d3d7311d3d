// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Consortium} from "../Consortium.sol";
import {Market} from "../Market.sol";
import {Metering} from "../Metering.sol";
import {Permissions} from "../Permissions.sol";
import {Registry} from "../Registry.sol";
import {Settlement} from "../Settlement.sol";
import {SettlementToken} from "../SettlementToken.sol";
import {Vault} from "../Vault.sol";
import {IConsortium} from "../interfaces/IConsortium.sol";
import {IRegistry} from "../interfaces/IRegistry.sol";
import {Predeploys} from "../libraries/Predeploys.sol";
import {
    AccessManagerUpgradeable
} from "@openzeppelin/contracts-upgradeable/access/manager/AccessManagerUpgradeable.sol";
import {IAccessManager} from "@openzeppelin/contracts/access/manager/IAccessManager.sol";
import {ERC1967Proxy} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol";

/// @title The set-up of the system
/// @notice Says, once and for everybody, which proxies stand where and which calls turn them into a working market. The
///         genesis builder and the tests put the proxies in place and then make these calls; README.md tells how.
contract Genesis {
    /// @notice The role that mints, burns and pauses the settlement token.
    uint64 public constant BANK_ROLE = 1;
    /// @notice The role that proposes participants and meters.
    uint64 public constant REGISTRAR_ROLE = 2;

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
    function placements() external pure returns (Placement[] memory list) {
        list = new Placement[](9);
        list[0] = Placement(Predeploys.ACCESS_MANAGER, "AccessManager");
        list[1] = Placement(Predeploys.SETTLEMENT_TOKEN, "SettlementToken");
        list[2] = Placement(Predeploys.PERMISSIONS, "Permissions");
        list[3] = Placement(Predeploys.REGISTRY, "Registry");
        list[4] = Placement(Predeploys.VAULT, "Vault");
        list[5] = Placement(Predeploys.MARKET, "Market");
        list[6] = Placement(Predeploys.METERING, "Metering");
        list[7] = Placement(Predeploys.SETTLEMENT, "Settlement");
        list[8] = Placement(Predeploys.CONSORTIUM, "Consortium");
    }

    /// @notice The calls that set the system up, in order. All must succeed, at a block time that is not zero: the
    ///         AccessManager takes a role granted at time zero for one never granted.
    function calls(Config calldata config) external pure returns (Call[] memory list) {
        list = new Call[](15 + _permissionCalls(config) + config.zones.length + config.funding.length);
        uint256 n = _initialize(list, 0, config);
        n = _assignRoles(list, n, config);
        n = _grantPermissions(list, n, config);
        for (uint256 i = 0; i < config.zones.length; ++i) {
            bytes memory data = abi.encodeCall(Registry.createZone, (config.zones[i].id, config.zones[i].settings));
            list[n++] = Call(config.admin, Predeploys.REGISTRY, data);
        }
        for (uint256 i = 0; i < config.funding.length; ++i) {
            bytes memory data =
                abi.encodeCall(SettlementToken.mintMany, (config.funding[i].accounts, config.funding[i].amount));
            list[n++] = Call(config.bank, Predeploys.SETTLEMENT_TOKEN, data);
        }
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
        n = _assignRole(list, n, config, BANK_ROLE, "bank", config.bank, Predeploys.SETTLEMENT_TOKEN, bank);
        return
            _assignRole(list, n, config, REGISTRAR_ROLE, "registrar", config.registrar, Predeploys.REGISTRY, registrar);
    }

    function _assignRole(
        Call[] memory list,
        uint256 n,
        Config calldata config,
        uint64 role,
        string memory label,
        address member,
        address target,
        bytes4[] memory selectors
    ) private pure returns (uint256) {
        address manager = Predeploys.ACCESS_MANAGER;
        list[n++] = Call(config.admin, manager, abi.encodeCall(IAccessManager.labelRole, (role, label)));
        list[n++] = Call(
            config.admin, manager, abi.encodeCall(IAccessManager.setTargetFunctionRole, (target, selectors, role))
        );
        list[n++] = Call(config.admin, manager, abi.encodeCall(IAccessManager.grantRole, (role, member, 0)));
        return n;
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
