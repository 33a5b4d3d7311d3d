// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {vm} from "../lib/Vm.sol";
import {Billing} from "../src/Billing.sol";
import {Tariff} from "../src/Tariff.sol";

/// @title Deploys a tariff with its billing and wires them
contract Deploy {
    // forge takes this for its sign of a script.
    bool public constant IS_SCRIPT = true;

    function run() external returns (Tariff tariff, Billing billing) {
        address publisher = vm.envAddress("PUBLISHER");
        vm.startBroadcast();
        tariff = new Tariff(40_000);
        billing = new Billing(tariff);
        tariff.setPrice(28_000);
        tariff.setPublisher(publisher);
        vm.stopBroadcast();
    }
}
