// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Managed} from "./base/Managed.sol";
import {ISettlementToken} from "./interfaces/ISettlementToken.sol";
import {Predeploys} from "./libraries/Predeploys.sol";
import {ERC20Upgradeable} from "@openzeppelin/contracts-upgradeable/token/ERC20/ERC20Upgradeable.sol";
import {
    ERC20PausableUpgradeable
} from "@openzeppelin/contracts-upgradeable/token/ERC20/extensions/ERC20PausableUpgradeable.sol";
import {
    ERC20PermitUpgradeable
} from "@openzeppelin/contracts-upgradeable/token/ERC20/extensions/ERC20PermitUpgradeable.sol";

/// @title The settlement token
/// @notice See ISettlementToken, which repeats what OpenZeppelin declares and is therefore not inherited.
contract SettlementToken is ERC20PermitUpgradeable, ERC20PausableUpgradeable, Managed {
    /// @custom:storage-location erc7201:wattline.storage.SettlementToken
    struct Storage {
        /// @dev Zero: none was set.
        uint256 cap;
    }

    /// @dev keccak256(abi.encode(uint256(keccak256("wattline.storage.SettlementToken")) - 1)) & ~bytes32(uint256(0xff))
    bytes32 private constant STORAGE =
        keccak256(abi.encode(uint256(keccak256("wattline.storage.SettlementToken")) - 1)) & ~bytes32(uint256(0xff));

    /// @notice Sets up the proxy.
    function initialize(string calldata name, string calldata symbol) external initializer {
        __ERC20_init(name, symbol);
        __ERC20Permit_init(name);
        __ERC20Pausable_init();
        __Managed_init();
    }

    /// @notice Creates money. Bank only.
    function mint(address to, uint256 value) external restricted {
        _mint(to, value);
    }

    /// @notice Creates money in several accounts at once. Bank only.
    function mintMany(address[] calldata to, uint256 value) external restricted {
        for (uint256 i = 0; i < to.length; ++i) {
            _mint(to[i], value);
        }
    }

    /// @notice Sets how much money there may be. Less than there is stops new money and takes none away. Council only.
    function setCap(uint256 newCap) external restricted {
        if (newCap == 0) revert ISettlementToken.ZeroCap();
        _storage().cap = newCap;
        emit ISettlementToken.CapChanged(newCap);
    }

    /// @notice How much money there may be; without limit until that is set.
    function cap() public view returns (uint256 limit) {
        limit = _storage().cap;
        if (limit == 0) limit = type(uint256).max;
    }

    /// @notice Destroys money of the caller's own account, into which it was redeemed. Bank only.
    /// @dev Not of anybody else's account: not even the bank can take the money that lies in the vault.
    function burn(uint256 value) external restricted {
        _burn(msg.sender, value);
    }

    /// @notice Stops all transfers, mints and burns. Bank only.
    function pause() external restricted {
        _pause();
    }

    /// @notice Ends a pause. Bank only.
    function unpause() external restricted {
        _unpause();
    }

    function _update(address from, address to, uint256 value)
        internal
        override(ERC20Upgradeable, ERC20PausableUpgradeable)
    {
        // The vault books what it fetches itself; anything else it got would be nobody's.
        if (to == Predeploys.VAULT && msg.sender != Predeploys.VAULT) {
            revert ISettlementToken.DepositNeeded(msg.sender);
        }
        super._update(from, to, value);
        if (from == address(0) && totalSupply() > cap()) revert ISettlementToken.CapExceeded(totalSupply(), cap());
    }

    function _storage() private pure returns (Storage storage stored) {
        bytes32 slot = STORAGE;
        assembly ("memory-safe") {
            stored.slot := slot
        }
    }
}
