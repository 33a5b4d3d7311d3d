// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// @title The cheat codes of forge that this project uses
interface Vm {
    function addr(uint256 privateKey) external pure returns (address);
    function assertEq(address left, address right) external pure;
    function assertEq(int256 left, int256 right) external pure;
    function assertEq(string calldata left, string calldata right) external pure;
    function assertEq(uint256 left, uint256 right) external pure;
    function deployCode(string calldata artifact, bytes calldata arguments) external returns (address);
    function envAddress(string calldata name) external view returns (address);
    function etch(address target, bytes calldata code) external;
    function prank(address sender) external;
    function startBroadcast() external;
    function startPrank(address sender) external;
    function stopBroadcast() external;
    function stopPrank() external;
    function warp(uint256 timestamp) external;
}

Vm constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
