// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// @title The settlement token
/// @notice The currency of the market: an ERC-20 with ERC-2612 permits and 18 decimals. The consortium's bank mints
///         against deposits and burns what it redeems; it can pause all transfers.
/// @dev The whole face of the token in one place, for clients. The contract inherits the standard parts from
///      OpenZeppelin; a test holds the two together.
interface ISettlementToken {
    event Transfer(address indexed from, address indexed to, uint256 value);
    event Approval(address indexed owner, address indexed spender, uint256 value);
    event Paused(address account);
    event Unpaused(address account);
    /// @notice There may be `cap` of money from now on.
    event CapChanged(uint256 cap);

    error ERC20InsufficientBalance(address sender, uint256 balance, uint256 needed);
    error ERC20InvalidSender(address sender);
    error ERC20InvalidReceiver(address receiver);
    error ERC20InsufficientAllowance(address spender, uint256 allowance, uint256 needed);
    error ERC20InvalidApprover(address approver);
    error ERC20InvalidSpender(address spender);
    /// @notice The permit's deadline has passed.
    error ERC2612ExpiredSignature(uint256 deadline);
    /// @notice The permit is signed by another account than its owner.
    error ERC2612InvalidSigner(address signer, address owner);
    /// @notice Transfers, mints and burns are paused.
    error EnforcedPause();
    /// @notice `unpause` on a token that is not paused.
    error ExpectedPause();
    /// @notice Tokens come into the vault by its deposit functions only: sent straight to it they would be nobody's.
    error DepositNeeded(address caller);
    /// @notice With this there would be `supply` of money, where there may be `cap`.
    error CapExceeded(uint256 supply, uint256 cap);
    /// @notice A cap of zero would be none.
    error ZeroCap();
    /// @notice The caller does not hold the role that the function needs.
    error AccessManagedUnauthorized(address caller);

    function name() external view returns (string memory);
    function symbol() external view returns (string memory);
    function decimals() external view returns (uint8);
    function totalSupply() external view returns (uint256);
    function balanceOf(address account) external view returns (uint256);
    function allowance(address owner, address spender) external view returns (uint256);
    function transfer(address to, uint256 value) external returns (bool);
    function approve(address spender, uint256 value) external returns (bool);
    function transferFrom(address from, address to, uint256 value) external returns (bool);

    /// @notice Approves by the owner's signature (ERC-2612).
    function permit(address owner, address spender, uint256 value, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        external;
    /// @notice The nonce of the owner's next permit.
    function nonces(address owner) external view returns (uint256);
    /// @notice The EIP-712 domain separator of permits.
    function DOMAIN_SEPARATOR() external view returns (bytes32);

    /// @notice How much money there may be; without limit until that is set.
    function cap() external view returns (uint256);
    /// @notice Sets how much money there may be. Less than there is stops new money and takes none away. Council only.
    function setCap(uint256 newCap) external;
    /// @notice Creates money, within the cap. Bank only.
    function mint(address to, uint256 value) external;
    /// @notice Creates money in several accounts at once. Bank only.
    /// @param to The receivers.
    /// @param value The base units that each of them gets.
    function mintMany(address[] calldata to, uint256 value) external;
    /// @notice Destroys money of the caller's own account, into which it was redeemed. Bank only.
    function burn(uint256 value) external;
    /// @notice Stops all transfers, mints and burns. Bank only.
    function pause() external;
    /// @notice Ends a pause. Bank only.
    function unpause() external;
    /// @notice Whether transfers are stopped.
    function paused() external view returns (bool);
}
