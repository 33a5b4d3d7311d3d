// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// @title Who may transact and who may deploy
/// @notice The node reads this contract's storage before it accepts a transaction. The layout is part of consensus:
///         a mapping from account to flags at slot 0, so an account's flags are the word at
///         `keccak256(abi.encode(account, uint256(0)))`.
///
///         | bit | flag     | meaning                                                                       |
///         | --- | -------- | ----------------------------------------------------------------------------- |
///         | 0   | TRANSACT | may send transactions                                                         |
///         | 1   | DEPLOY   | may also create contracts                                                     |
///         | 2   | OPERATOR | may change the two flags above of any account; may send transactions whatever |
///         |     |          | bit 0 says, so that operators cannot lock each other out                      |
///         | 3   | PROTECTED | operators cannot change the two flags of this account                          |
///
///         All other bits are zero.
interface IPermissions {
    /// @notice An account's flags changed.
    /// @param account Whose flags.
    /// @param by The operator or administrator who changed them.
    /// @param previous The flags before.
    /// @param current The flags now.
    event PermissionsChanged(address indexed account, address indexed by, uint256 previous, uint256 current);

    /// @notice The caller is not a permission operator.
    error NotPermissionOperator(address caller);
    /// @notice Operators set bits 0 and 1 only; got `flags`.
    error ReservedFlags(uint256 flags);
    /// @notice Only the administrator changes the flags of this account, by lifting its protection first.
    error AccountProtected(address account);
    /// @notice The last operator stays: without one nobody could change permissions again.
    error LastOperator(address account);

    /// @notice Sets the TRANSACT and DEPLOY flags of accounts; their other flags stay. Operators only. An account that is
    ///         protected is refused.
    /// @param accounts The accounts.
    /// @param flags The flags that each of them then has: any of bits 0 and 1.
    function setFlags(address[] calldata accounts, uint256 flags) external;

    /// @notice Names or dismisses a permission operator. Administrator only.
    function setOperator(address account, bool operator) external;
    /// @notice Protects an account, which may transact from then on, or lifts its protection. Administrator only: whoever
    ///         administers the chain, its money and its registers must not depend on an operator.
    function setProtected(address account, bool isProtected) external;

    /// @notice An account's flags.
    function flagsOf(address account) external view returns (uint256);
    /// @notice The flags of many accounts.
    function flagsOfMany(address[] calldata accounts) external view returns (uint256[] memory);
    /// @notice Whether the account may send transactions: bit 0 or bit 2 is set.
    function canTransact(address account) external view returns (bool);
    /// @notice Whether the account may create contracts: it may transact, and bit 1 is set.
    function canDeploy(address account) external view returns (bool);
    /// @notice How many operators there are; never zero once set up.
    function operatorCount() external view returns (uint256);
}
