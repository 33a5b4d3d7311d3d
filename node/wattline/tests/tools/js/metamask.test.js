// MetaMask's own building blocks, put together as the wallet puts them together.
//
// What the wallet asks of servers on the internet (gas prices, incoming transactions, simulations, security checks) is
// switched off; what it still asks of them finds no network, as on a closed site.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { AccountsController } from "@metamask/accounts-controller";
import { ApprovalController } from "@metamask/approval-controller";
import { GasFeeController } from "@metamask/gas-fee-controller";
import { KeyringController, SignTypedDataVersion } from "@metamask/keyring-controller";
import { Messenger } from "@metamask/messenger";
import { NetworkController, RpcEndpointType } from "@metamask/network-controller";
import { TransactionController, TransactionStatus } from "@metamask/transaction-controller";
import { HDNodeWallet, Interface, JsonRpcProvider, Mnemonic, Contract, Signature, verifyTypedData } from "ethers";
import { artifact, chainId, mnemonic, permitDomain, permitTypes, token, url } from "./chain.js";

const hexChainId = `0x${chainId.toString(16)}`;
const origin = "metamask";
const tokenAbi = artifact("ISettlementToken").abi;
const tokenInterface = new Interface(tokenAbi);

// Another client, for what the wallet itself does not do.
const provider = new JsonRpcProvider(url, undefined, { cacheTimeout: -1, pollingInterval: 100 });
const bank = HDNodeWallet.fromMnemonic(Mnemonic.fromPhrase(mnemonic), "m/44'/60'/0'/0/0").connect(provider);
const tokenByBank = new Contract(token, tokenAbi, bank);
const receiver = "0x1234567890AbcdEF1234567890aBcdef12345678";

const { fetch } = globalThis;
globalThis.fetch = (resource, options) => {
  const address = new URL(resource instanceof Request ? resource.url : resource);
  if (address.host === new URL(url).host) return fetch(resource, options);
  return Promise.reject(new Error(`not the node: ${address.href}`));
};

/** The wallet's controllers and the wires between them. */
function openWallet() {
  const root = new Messenger({ namespace: "Root" });
  const messenger = (namespace, actions = [], events = []) => {
    const child = new Messenger({ namespace, parent: root });
    root.delegate({ messenger: child, actions, events });
    return child;
  };
  // Services of the wallet that report to servers: here they know nothing and report nothing.
  const errors = new Messenger({ namespace: "ErrorReportingService", parent: root });
  errors.registerActionHandler("ErrorReportingService:captureException", () => {});
  const flags = new Messenger({ namespace: "RemoteFeatureFlagController", parent: root });
  flags.registerActionHandler("RemoteFeatureFlagController:getState", () => ({
    remoteFeatureFlags: {},
    cacheTimestamp: 0,
  }));

  const keyring = new KeyringController({ messenger: messenger("KeyringController") });
  const network = new NetworkController({
    messenger: messenger("NetworkController", ["ErrorReportingService:captureException"]),
    infuraProjectId: "none",
    getRpcServiceOptions: () => ({ fetch: globalThis.fetch, btoa: globalThis.btoa }),
    getBlockTrackerOptions: () => ({ pollingInterval: 200 }),
  });
  network.initializeProvider();
  const approval = new ApprovalController({ messenger: messenger("ApprovalController"), showApprovalRequest: () => {} });
  const gasFees = new GasFeeController({
    messenger: messenger(
      "GasFeeController",
      [
        "NetworkController:getState",
        "NetworkController:getNetworkClientById",
        "NetworkController:getEIP1559Compatibility",
      ],
      ["NetworkController:networkDidChange"],
    ),
    state: {
      gasFeeEstimates: {},
      gasFeeEstimatesByChainId: {},
      estimatedGasFeeTimeBounds: {},
      gasEstimateType: "none",
      nonRPCGasFeeApisDisabled: true,
    },
    EIP1559APIEndpoint: `${url}/<chain_id>`,
    getCurrentNetworkEIP1559Compatibility: () => network.getEIP1559Compatibility(),
    getCurrentNetworkLegacyGasAPICompatibility: () => false,
    getProvider: () => network.getProviderAndBlockTracker().provider,
  });
  const accounts = new AccountsController({
    messenger: messenger(
      "AccountsController",
      ["KeyringController:getState", "KeyringController:getKeyringsByType"],
      ["KeyringController:stateChange", "NetworkController:networkDidChange"],
    ),
  });
  const transactions = new TransactionController({
    messenger: messenger(
      "TransactionController",
      [
        "AccountsController:getSelectedAccount",
        "AccountsController:getState",
        "ApprovalController:addRequest",
        "KeyringController:signEip7702Authorization",
        "NetworkController:findNetworkClientIdByChainId",
        "NetworkController:getNetworkClientById",
        "RemoteFeatureFlagController:getState",
      ],
      ["NetworkController:stateChange"],
    ),
    disableHistory: true,
    disableSendFlowHistory: true,
    disableSwaps: true,
    getCurrentNetworkEIP1559Compatibility: () => network.getEIP1559Compatibility(),
    getGasFeeEstimates: (options) => gasFees.fetchGasFeeEstimates(options),
    getNetworkClientRegistry: () => network.getNetworkClientRegistry(),
    getNetworkState: () => network.state,
    hooks: {},
    incomingTransactions: { isEnabled: () => false },
    isFirstTimeInteractionEnabled: () => false,
    isSimulationEnabled: () => false,
    sign: (transaction, from) => keyring.signTransaction(transaction, from),
  });
  return { root, keyring, network, approval, gasFees, accounts, transactions };
}

let wallet;
let account;
let networkClientId;

before(async () => {
  wallet = openWallet();
  await wallet.keyring.createNewVaultAndKeychain("correct horse battery staple");
  [account] = await wallet.keyring.getAccounts();
});

after(() => {
  wallet.transactions.destroy();
  wallet.gasFees.destroy();
  wallet.network.destroy();
  provider.destroy();
});

/** What the chosen network answers to a request of a web page. */
const ask = (method, ...params) =>
  wallet.network.getNetworkClientById(networkClientId).provider.request({ method, params });

/** Sends as the user does who confirms what the wallet shows; returns the wallet's last word on the transaction. */
async function confirmAndSend(fields) {
  const { transactionMeta, result } = await wallet.transactions.addTransaction(
    { from: account, ...fields },
    { networkClientId, origin },
  );
  const { id } = transactionMeta;
  const confirmed = new Promise((resolve, reject) => {
    const events = {
      "TransactionController:transactionConfirmed": (meta) => meta.id === id && resolve(meta),
      "TransactionController:transactionFailed": ({ transactionMeta, error }) =>
        transactionMeta.id === id && reject(new Error(error)),
      "TransactionController:transactionDropped": ({ transactionMeta }) =>
        transactionMeta.id === id && reject(new Error("dropped")),
    };
    for (const [event, handler] of Object.entries(events)) wallet.root.subscribe(event, handler);
  });
  await wallet.approval.accept(id, { txMeta: transactionMeta });
  const hash = await result;
  const meta = await confirmed;
  assert.equal(meta.hash, hash);
  return meta;
}

test("adds the network and switches to it", async () => {
  const added = wallet.network.addNetwork({
    chainId: hexChainId,
    name: "Wattline",
    nativeCurrency: "WATT",
    rpcEndpoints: [{ type: RpcEndpointType.Custom, url, name: "this machine" }],
    defaultRpcEndpointIndex: 0,
    blockExplorerUrls: [],
  });
  [{ networkClientId }] = added.rpcEndpoints;
  await wallet.network.setActiveNetwork(networkClientId);
  assert.equal(wallet.network.state.selectedNetworkClientId, networkClientId);
  assert.equal(wallet.network.state.networksMetadata[networkClientId].status, "available");
  assert.equal(await wallet.network.getEIP1559Compatibility(), true);
  assert.equal(await ask("eth_chainId"), hexChainId);
  assert.equal(await ask("net_version"), String(chainId));
});

test("reads balances: no coin, but tokens", async () => {
  await (await tokenByBank.mint(account, 1000)).wait();
  // The wallet reads at the latest block that it has seen.
  await wallet.network.getNetworkClientById(networkClientId).blockTracker.checkForLatestBlock();
  assert.equal(await ask("eth_getBalance", account, "latest"), "0x0");
  const data = tokenInterface.encodeFunctionData("balanceOf", [account]);
  const answer = await ask("eth_call", { to: token, data }, "latest");
  assert.deepEqual([...tokenInterface.decodeFunctionResult("balanceOf", answer)], [1000n]);
});

test("estimates gas and offers a gas price of zero", async () => {
  const { gasEstimateType, gasFeeEstimates } = await wallet.gasFees.fetchGasFeeEstimates({ networkClientId });
  assert.equal(gasEstimateType, "eth_gasPrice");
  assert.equal(Number(gasFeeEstimates.gasPrice), 0);
  const data = tokenInterface.encodeFunctionData("transfer", [receiver, 1]);
  const { gas, simulationFails } = await wallet.transactions.estimateGas(
    { from: account, to: token, data },
    networkClientId,
  );
  assert.equal(simulationFails, undefined);
  assert.ok(Number(gas) > 21_000 && Number(gas) < 200_000, gas);
});

for (const [how, fees, type] of [
  ["the suggested fees", {}, 2],
  ["fees of zero (EIP-1559)", { maxFeePerGas: "0x0", maxPriorityFeePerGas: "0x0" }, 2],
  ["a gas price of zero (legacy)", { gasPrice: "0x0", type: "0x0" }, 0],
]) {
  test(`sends without owning coins, with ${how}`, async () => {
    const before = await tokenByBank.balanceOf(receiver);
    const data = tokenInterface.encodeFunctionData("transfer", [receiver, 7]);
    const meta = await confirmAndSend({ to: token, data, ...fees });
    assert.equal(meta.status, TransactionStatus.confirmed, JSON.stringify(meta.error));
    assert.equal(meta.txReceipt.status, "0x1");
    const receipt = await provider.getTransactionReceipt(meta.hash);
    assert.equal(receipt.type, type);
    assert.equal(receipt.gasPrice, 0n);
    assert.equal(await tokenByBank.balanceOf(receiver), before + 7n);
    assert.equal(await provider.getBalance(account), 0n);
  });
}

test("shows the wallet that a transaction would fail", async () => {
  const data = tokenInterface.encodeFunctionData("mint", [receiver, 1]);
  const { simulationFails } = await wallet.transactions.estimateGas({ from: account, to: token, data }, networkClientId);
  assert.notEqual(simulationFails, undefined);
  // The wallet wraps what the node answers in an error of its own.
  await assert.rejects(ask("eth_call", { from: account, to: token, data }, "latest"), ({ data: answer }) => {
    const reverted = tokenInterface.parseError(answer.data);
    assert.deepEqual([answer.code, answer.message], [3, "execution reverted"]);
    assert.deepEqual([reverted.name, reverted.args[0].toLowerCase()], ["AccessManagedUnauthorized", account]);
    return true;
  });
});

test("signs a permit (EIP-712) that the token accepts", async () => {
  const deadline = (await provider.getBlock("latest")).timestamp + 3600;
  const message = { owner: account, spender: receiver, value: 11, nonce: 0, deadline };
  const domainFields = ["name:string", "version:string", "chainId:uint256", "verifyingContract:address"];
  const EIP712Domain = domainFields.map((field) => {
    const [name, type] = field.split(":");
    return { name, type };
  });
  const data = { domain: permitDomain, types: { EIP712Domain, ...permitTypes }, primaryType: "Permit", message };
  const signed = await wallet.keyring.signTypedMessage({ from: account, data }, SignTypedDataVersion.V4);
  assert.equal(verifyTypedData(permitDomain, permitTypes, message, signed).toLowerCase(), account);
  const { v, r, s } = Signature.from(signed);
  await (await tokenByBank.permit(account, receiver, 11, deadline, v, r, s)).wait();
  assert.equal(await tokenByBank.allowance(account, receiver), 11n);
});
