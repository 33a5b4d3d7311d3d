// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Genesis} from "../src/genesis/Genesis.sol";
import {IConsortium} from "../src/interfaces/IConsortium.sol";
import {System} from "./base/System.sol";
import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";

/// @notice Members, their nodes, and what nobody can do to them. The genesis file admits a grid operator, which
///         validates, and a regulator, which observes.
contract ConsortiumTest is System {
    address private grid = _named("grid");
    address private regulator = _named("regulator");
    address private utility = _named("utility");

    function _config() internal view override returns (Genesis.Config memory config) {
        config = super._config();
        config.members = new IConsortium.NewMember[](2);
        config.members[0] = _new("grid", IConsortium.Role.Validator, "grid.example:30303");
        config.members[1] = _new("regulator", IConsortium.Role.Observer, "[2001:db8::1]:30304");
    }

    function test_the_genesis_file_admits_the_first_members() public view {
        IConsortium.Member[] memory members = CONSORTIUM.members();
        vm.assertEq(members.length, 2);
        vm.assertEq(CONSORTIUM.memberCount(), 2);
        vm.assertEq(
            abi.encode(members[0]), abi.encode(_member("grid", IConsortium.Role.Validator, "grid.example:30303"))
        );
        vm.assertEq(
            abi.encode(members[1]), abi.encode(_member("regulator", IConsortium.Role.Observer, "[2001:db8::1]:30304"))
        );
        vm.assertEq(abi.encode(CONSORTIUM.member(regulator)), abi.encode(members[1]));
        bytes32[] memory keys = CONSORTIUM.nodeKeysOf(_list(regulator, grid, utility));
        vm.assertEq(keys[0], _nodeKey("regulator"));
        vm.assertEq(keys[1], _nodeKey("grid"));
        vm.assertEq(keys[2], bytes32(0));
        vm.assertEq(CONSORTIUM.signerOf(_nodeKey("grid")), grid);
        vm.assertEq(CONSORTIUM.signerOf(_nodeKey("utility")), address(0));
    }

    function test_nodes_find_the_members_in_storage() public {
        vm.assertEq(uint256(vm.load(address(CONSORTIUM), 0)), 2);
        bytes32 first = keccak256(abi.encode(uint256(0)));
        vm.assertEq(uint256(vm.load(address(CONSORTIUM), bytes32(uint256(first) + 1))), uint160(regulator));

        uint256 record = uint256(keccak256(abi.encode(regulator, uint256(1))));
        vm.assertEq(vm.load(address(CONSORTIUM), bytes32(record)), _nodeKey("regulator"));
        uint256 packed = uint256(vm.load(address(CONSORTIUM), bytes32(record + 1)));
        vm.assertEq(packed, 1 << 168 | 1 << 160 | uint160(regulator));
        // A short string lies in its slot with twice its length behind it.
        uint256 name = uint256(bytes32("regulator")) | 18;
        vm.assertEq(uint256(vm.load(address(CONSORTIUM), bytes32(record + 2))), name);
        uint256 endpoint = uint256(bytes32("[2001:db8::1]:30304")) | 38;
        vm.assertEq(uint256(vm.load(address(CONSORTIUM), bytes32(record + 3))), endpoint);

        vm.prank(admin);
        CONSORTIUM.setMemberActive(regulator, false);
        vm.assertEq(uint256(vm.load(address(CONSORTIUM), bytes32(record + 1))), 1 << 160 | uint160(regulator));
    }

    // Admission and removal

    function test_the_administrator_admits_members() public {
        IConsortium.NewMember memory newMember = _new("utility", IConsortium.Role.Validator, "10.0.0.7:1");
        vm.expectEmit(address(CONSORTIUM));
        emit IConsortium.MemberAdded(utility, _nodeKey("utility"), IConsortium.Role.Validator, "utility", "10.0.0.7:1");
        _add(newMember);
        vm.assertEq(
            abi.encode(CONSORTIUM.members()[2]),
            abi.encode(_member("utility", IConsortium.Role.Validator, "10.0.0.7:1"))
        );
    }

    function test_nobody_else_admits_removes_or_changes_roles(address anybody) public {
        vm.assume(anybody != admin);
        bytes memory unauthorized = abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, anybody);
        vm.expectRevert(unauthorized);
        vm.prank(anybody);
        CONSORTIUM.addMember(_new("utility", IConsortium.Role.Validator, "utility.example:1"));
        vm.expectRevert(unauthorized);
        vm.prank(anybody);
        CONSORTIUM.setMemberActive(grid, false);
        vm.expectRevert(unauthorized);
        vm.prank(anybody);
        CONSORTIUM.setMemberRole(grid, IConsortium.Role.Observer);
    }

    function test_bad_members_are_refused() public {
        IConsortium.NewMember memory bad = _new("utility", IConsortium.Role.Validator, "utility.example:1");
        bad.signer = address(0);
        _expectRefused(bad, abi.encodeWithSelector(IConsortium.ZeroSigner.selector));
        bad.signer = grid;
        _expectRefused(bad, abi.encodeWithSelector(IConsortium.MemberExists.selector, grid));
        bad.signer = utility;
        bad.nodeKey = bytes32(0);
        _expectRefused(bad, abi.encodeWithSelector(IConsortium.ZeroNodeKey.selector));
        bad.nodeKey = _nodeKey("grid");
        _expectRefused(bad, abi.encodeWithSelector(IConsortium.NodeKeyTaken.selector, bad.nodeKey, grid));
        bad.nodeKey = _nodeKey("utility");
        bad.name = "";
        _expectRefused(bad, abi.encodeWithSelector(IConsortium.InvalidName.selector, 0, 64));
        bad.name = string(new bytes(65));
        _expectRefused(bad, abi.encodeWithSelector(IConsortium.InvalidName.selector, 65, 64));
        bad.name = string(new bytes(64));
        bad.endpoint = "nowhere";
        _expectRefused(bad, abi.encodeWithSelector(IConsortium.InvalidEndpoint.selector, "nowhere"));
        bad.endpoint = "utility.example:1";
        _add(bad);
        vm.assertEq(CONSORTIUM.memberCount(), 3);
    }

    function test_who_never_was_a_member_is_unknown(address stranger) public {
        vm.assume(stranger != grid && stranger != regulator);
        bytes memory unknown = abi.encodeWithSelector(IConsortium.UnknownMember.selector, stranger);
        vm.expectRevert(unknown);
        CONSORTIUM.member(stranger);
        vm.expectRevert(unknown);
        vm.prank(admin);
        CONSORTIUM.setMemberActive(stranger, true);
        vm.expectRevert(unknown);
        vm.prank(admin);
        CONSORTIUM.setMemberRole(stranger, IConsortium.Role.Observer);
        vm.expectRevert(abi.encodeWithSelector(IConsortium.NotMember.selector, stranger));
        vm.prank(stranger);
        CONSORTIUM.setNode(_nodeKey("another"), "stranger.example:1");
    }

    function test_a_removed_member_keeps_its_node_key_and_changes_nothing() public {
        vm.expectEmit(address(CONSORTIUM));
        emit IConsortium.MemberActivity(grid, false);
        vm.prank(admin);
        CONSORTIUM.setMemberActive(grid, false);
        vm.assertEq(CONSORTIUM.member(grid).active, false);
        vm.assertEq(CONSORTIUM.nodeKeysOf(_list(grid))[0], _nodeKey("grid"));

        vm.expectRevert(abi.encodeWithSelector(IConsortium.NotMember.selector, grid));
        vm.prank(grid);
        CONSORTIUM.setNode(_nodeKey("another"), "grid.example:1");
        _expectRefused(
            _new("grid", IConsortium.Role.Validator, "grid.example:1"),
            abi.encodeWithSelector(IConsortium.MemberExists.selector, grid)
        );

        vm.prank(admin);
        CONSORTIUM.setMemberActive(grid, true);
        _setNode(grid, _nodeKey("another"), "grid.example:1");
        vm.assertEq(CONSORTIUM.nodeKeysOf(_list(grid))[0], _nodeKey("another"));
    }

    function test_a_role_changes_nothing_else() public {
        vm.expectEmit(address(CONSORTIUM));
        emit IConsortium.MemberRoleChanged(grid, IConsortium.Role.Observer);
        vm.prank(admin);
        CONSORTIUM.setMemberRole(grid, IConsortium.Role.Observer);
        vm.assertEq(
            abi.encode(CONSORTIUM.member(grid)),
            abi.encode(_member("grid", IConsortium.Role.Observer, "grid.example:30303"))
        );
    }

    // Nodes

    function test_a_member_changes_its_own_node() public {
        vm.expectEmit(address(CONSORTIUM));
        emit IConsortium.NodeChanged(grid, _nodeKey("another"), "a.grid.example:65535");
        _setNode(grid, _nodeKey("another"), "a.grid.example:65535");
        vm.assertEq(CONSORTIUM.member(grid).nodeKey, _nodeKey("another"));
        vm.assertEq(CONSORTIUM.member(grid).endpoint, "a.grid.example:65535");
        vm.assertEq(CONSORTIUM.member(regulator).nodeKey, _nodeKey("regulator"));

        vm.expectRevert(IConsortium.ZeroNodeKey.selector);
        _setNode(grid, bytes32(0), "grid.example:1");
        vm.expectRevert(abi.encodeWithSelector(IConsortium.InvalidEndpoint.selector, ""));
        _setNode(grid, _nodeKey("another"), "");
    }

    function test_a_node_key_names_one_member_for_ever() public {
        _setNode(grid, _nodeKey("another"), "grid.example:1");
        bytes32[2] memory used = [_nodeKey("grid"), _nodeKey("another")];
        for (uint256 i = 0; i < used.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IConsortium.NodeKeyTaken.selector, used[i], grid));
            _setNode(regulator, used[i], "regulator.example:1");
        }
        // Its own it can take up again.
        _setNode(grid, _nodeKey("grid"), "grid.example:1");
        vm.assertEq(CONSORTIUM.member(grid).nodeKey, _nodeKey("grid"));
    }

    /// @dev Whatever is tried, each signer that ever was a member has a node key, and no two have the same.
    function test_every_signer_keeps_a_node_key_of_its_own(uint256[24] memory seeds) public {
        _add(_new("utility", IConsortium.Role.Validator, "utility.example:1"));
        address[] memory signers = _list(grid, regulator, utility);
        for (uint256 i = 0; i < seeds.length; ++i) {
            address signer = signers[seeds[i] % 3];
            uint256 seed = seeds[i] / 3;
            if (seed % 4 == 0) {
                vm.prank(admin);
                CONSORTIUM.setMemberActive(signer, seed / 4 % 2 == 0);
            } else if (seed % 4 == 1) {
                vm.prank(admin);
                CONSORTIUM.setMemberRole(signer, IConsortium.Role(seed / 4 % 2));
            } else {
                vm.prank(signer);
                try CONSORTIUM.setNode(bytes32(seed / 4 % 5), "node.example:1") {} catch {}
            }
            bytes32[] memory keys = CONSORTIUM.nodeKeysOf(signers);
            vm.assertTrue(keys[0] != 0 && keys[1] != 0 && keys[2] != 0, "a signer without a node key");
            vm.assertTrue(keys[0] != keys[1] && keys[1] != keys[2] && keys[2] != keys[0], "a shared node key");
        }
    }

    // Endpoints

    function test_endpoints_are_host_and_port() public {
        string[8] memory good = [
            "a:1",
            "node-1.Grid.example:30303",
            "192.168.0.10:65535",
            "[::1]:80",
            "[2001:DB8::dead:beef]:30303",
            "[::ffff:10.0.0.1]:9",
            string.concat(string(_filled(253)), ":65535"),
            "0:10000"
        ];
        for (uint256 i = 0; i < good.length; ++i) {
            _setNode(grid, _nodeKey("grid"), good[i]);
            vm.assertEq(CONSORTIUM.member(grid).endpoint, good[i]);
        }
        string[20] memory bad = [
            "",
            ":",
            ":1",
            "a",
            "a:",
            "a:0",
            "a:01",
            "a:65536",
            "a:100000",
            "a:1 ",
            "a b:1",
            "a:b:1",
            "::1:80",
            "[]:80",
            "[:]:80",
            "[::g]:80",
            "[::1:80",
            "a/b:1",
            unicode"ö:1",
            string.concat(string(_filled(254)), ":1")
        ];
        for (uint256 i = 0; i < bad.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IConsortium.InvalidEndpoint.selector, bad[i]));
            _setNode(grid, _nodeKey("grid"), bad[i]);
        }
    }

    function test_any_port_but_zero_is_one(uint256 port) public {
        port %= 70_000;
        string memory endpoint = string.concat("a:", vm.toString(port));
        if (port == 0 || port > 65_535) {
            vm.expectRevert(abi.encodeWithSelector(IConsortium.InvalidEndpoint.selector, endpoint));
        }
        _setNode(grid, _nodeKey("grid"), endpoint);
    }

    function _add(IConsortium.NewMember memory newMember) private {
        vm.prank(admin);
        CONSORTIUM.addMember(newMember);
    }

    function _expectRefused(IConsortium.NewMember memory newMember, bytes memory reason) private {
        vm.expectRevert(reason);
        _add(newMember);
    }

    function _setNode(address signer, bytes32 nodeKey, string memory endpoint) private {
        vm.prank(signer);
        CONSORTIUM.setNode(nodeKey, endpoint);
    }

    function _new(string memory name, IConsortium.Role role, string memory endpoint)
        private
        pure
        returns (IConsortium.NewMember memory)
    {
        return IConsortium.NewMember(_nodeKey(name), _named(name), role, name, endpoint);
    }

    function _member(string memory name, IConsortium.Role role, string memory endpoint)
        private
        pure
        returns (IConsortium.Member memory)
    {
        return IConsortium.Member(_nodeKey(name), _named(name), role, true, name, endpoint);
    }

    function _nodeKey(string memory name) private pure returns (bytes32) {
        return keccak256(abi.encode("node key", name));
    }

    function _filled(uint256 length) private pure returns (bytes memory text) {
        text = new bytes(length);
        for (uint256 i = 0; i < length; ++i) {
            text[i] = "a";
        }
    }
}
