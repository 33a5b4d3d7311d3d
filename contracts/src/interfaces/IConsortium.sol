// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// @title The members of the consortium and their nodes
/// @notice Who runs nodes, under which keys, and where they are reached. Nodes read this contract's state as it is after
///         the last block of an epoch and hold to it in the next: the signers then in office take part in the agreement,
///         each with the node key that stands here; only nodes of active members and of those signers connect. So a
///         change counts from the next epoch on, and the state of a past block answers for the epoch that followed it.
///
///         Votes on the chain decide who signs, not this contract. It can neither take a present signer's node key away
///         nor give two signers the same one: a node key is never empty, only its own member replaces it, it stays when
///         the member is removed, and once used it names that member for ever.
/// @dev The storage layout is stable, for nodes that read it directly. An array of the members' signers, in order of
///      admission, is at slot 0; a mapping from signer to `Member` at slot 1, so that with
///      `m = keccak256(abi.encode(signer, uint256(1)))`
///
///      | slot    | what                                                                         |
///      | ------- | ---------------------------------------------------------------------------- |
///      | `m`     | node key; zero for an account that never was a member                        |
///      | `m` + 1 | bits 0–159 the signer, 160–167 the role, 168 whether active                   |
///      | `m` + 2 | name, as Solidity stores strings                                             |
///      | `m` + 3 | endpoint, likewise                                                           |
interface IConsortium {
    /// @notice What a member's node does.
    /// @param Validator It takes part in the agreement while its signer is one of the chain's signers.
    /// @param Observer It follows the chain.
    enum Role {
        Validator,
        Observer
    }

    /// @notice A member to admit.
    /// @param nodeKey The ed25519 public key of its node, not zero, of no other member now or before.
    /// @param signer The account that changes the member's node and, for a validator, seals blocks.
    /// @param role What its node does.
    /// @param name What people call it, 1 to 64 bytes.
    /// @param endpoint Where its node is reached: `host:port`, the host a DNS name, an IPv4 address or an IPv6 address in
    ///        brackets.
    struct NewMember {
        bytes32 nodeKey;
        address signer;
        Role role;
        string name;
        string endpoint;
    }

    /// @notice A member. `active` is whether it belongs to the consortium still; the others are as in `NewMember`.
    struct Member {
        bytes32 nodeKey;
        address signer;
        Role role;
        bool active;
        string name;
        string endpoint;
    }

    /// @notice A member was admitted.
    event MemberAdded(address indexed signer, bytes32 indexed nodeKey, Role role, string name, string endpoint);
    /// @notice A member was removed (`active` false) or is one again.
    event MemberActivity(address indexed signer, bool active);
    /// @notice A member's node has another role.
    event MemberRoleChanged(address indexed signer, Role role);
    /// @notice A member's node has another key or is reached elsewhere.
    event NodeChanged(address indexed signer, bytes32 indexed nodeKey, string endpoint);

    /// @notice The signer is a member already, or was one and can be again: see `setMemberActive`.
    error MemberExists(address signer);
    /// @notice No member ever had this signer.
    error UnknownMember(address signer);
    /// @notice The caller is not an active member's signer.
    error NotMember(address caller);
    /// @notice A member needs a signer.
    error ZeroSigner();
    /// @notice A node key must not be zero.
    error ZeroNodeKey();
    /// @notice The node key is, or was, that of another member.
    error NodeKeyTaken(bytes32 nodeKey, address signer);
    /// @notice A name has 1 to `limit` bytes; this one has `length`.
    error InvalidName(uint256 length, uint256 limit);
    /// @notice The endpoint is not `host:port`.
    error InvalidEndpoint(string endpoint);

    /// @notice Admits a member, active. The consortium's administrator only.
    function addMember(NewMember calldata newMember) external;
    /// @notice Removes a member, which may then change nothing here, or takes it back. Its node key stays for as long as
    ///         its signer is in office. The consortium's administrator only.
    function setMemberActive(address signer, bool active) external;
    /// @notice Changes what a member's node does. The consortium's administrator only.
    function setMemberRole(address signer, Role role) external;
    /// @notice Changes the node of the member whose signer calls, from the next epoch on.
    function setNode(bytes32 nodeKey, string calldata endpoint) external;

    /// @notice All members ever admitted, in order of admission.
    function members() external view returns (Member[] memory);
    /// @notice One member.
    function member(address signer) external view returns (Member memory);
    /// @notice How many members were ever admitted.
    function memberCount() external view returns (uint256);
    /// @notice The node keys of signers; zero for one that never was a member.
    function nodeKeysOf(address[] calldata signers) external view returns (bytes32[] memory);
    /// @notice The signer of the member whose node key this is or was; zero if there is none.
    function signerOf(bytes32 nodeKey) external view returns (address);
}
