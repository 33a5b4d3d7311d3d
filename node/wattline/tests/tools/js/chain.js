// What the tests of all libraries share: the node to talk to, keys, and compiled contracts.
import { readFileSync } from "node:fs";

/** Where the node serves JSON-RPC. */
export const url = process.env.WATTLINE_RPC ?? "http://127.0.0.1:8545";
export const webSocketUrl = url.replace(/^http/, "ws");
export const chainId = 57836;

/** The development mnemonic; account 0 is the bank that mints the token. */
export const mnemonic = "test test test test test test test test test test test junk";

export const token = "0xE1eC000000000000000000000000000000000001";
export const vault = "0xe1EC000000000000000000000000000000000004";

/** What forge compiled of a contract: its ABI and its creation code. */
export function artifact(name) {
  const folder = process.env.WATTLINE_ARTIFACTS ?? new URL("../forge/out", import.meta.url).pathname;
  const { abi, bytecode } = JSON.parse(readFileSync(`${folder}/${name}.sol/${name}.json`, "utf8"));
  return { abi, bytecode: bytecode.object };
}

/** What the token's owner signs so that a spender may take `value` (ERC-2612). */
export const permitTypes = {
  Permit: [
    { name: "owner", type: "address" },
    { name: "spender", type: "address" },
    { name: "value", type: "uint256" },
    { name: "nonce", type: "uint256" },
    { name: "deadline", type: "uint256" },
  ],
};

export const permitDomain = { name: "Wattline Euro", version: "1", chainId, verifyingContract: token };
