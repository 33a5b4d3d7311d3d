// viem: public and wallet clients over HTTP and WebSocket.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import {
  BaseError,
  ContractFunctionRevertedError,
  createPublicClient,
  createWalletClient,
  defineChain,
  encodeFunctionData,
  getAddress,
  hashTypedData,
  http,
  keccak256,
  parseSignature,
  publicActions,
  recoverTypedDataAddress,
  webSocket,
} from "viem";
import { generatePrivateKey, mnemonicToAccount, privateKeyToAccount } from "viem/accounts";
import { artifact, chainId, mnemonic, permitDomain, permitTypes, token, url, vault, webSocketUrl } from "./chain.js";

const chain = defineChain({
  id: chainId,
  name: "Wattline",
  nativeCurrency: { name: "Watt", symbol: "WATT", decimals: 18 },
  rpcUrls: { default: { http: [url], webSocket: [webSocketUrl] } },
});
const bank = mnemonicToAccount(mnemonic, { addressIndex: 0 });
const alice = mnemonicToAccount(mnemonic, { addressIndex: 1 });
const bob = mnemonicToAccount(mnemonic, { addressIndex: 2 });

const client = createPublicClient({ chain, transport: http(), pollingInterval: 100 });
const socket = createPublicClient({ chain, transport: webSocket() });
const wallet = (account) =>
  createWalletClient({ account, chain, transport: http(), pollingInterval: 100 }).extend(publicActions);

const tariff = artifact("Tariff");
const batch = artifact("Batch");
const { abi: tokenAbi } = artifact("ISettlementToken");
const { abi: vaultAbi } = artifact("IVault");

let address;

after(async () => {
  (await socket.transport.getRpcClient()).close();
});

/** Waits for a transaction and sees that it succeeded. */
async function mined(hash) {
  const receipt = await client.waitForTransactionReceipt({ hash, timeout: 30_000 });
  assert.equal(receipt.status, "success");
  return receipt;
}

/** A promise of what a watcher hands over first. */
function first(watch) {
  return new Promise((resolve, reject) => {
    const unwatch = watch(
      (value) => {
        unwatch();
        resolve(value);
      },
      (error) => {
        unwatch();
        reject(error);
      },
    );
  });
}

test("reads the chain and its blocks by tag", async () => {
  assert.equal(await client.getChainId(), chainId);
  const latest = await client.getBlock();
  const genesis = await client.getBlock({ blockTag: "earliest" });
  assert.equal(genesis.number, 0n);
  for (const blockTag of ["safe", "finalized", "pending"]) {
    const block = await client.getBlock({ blockTag });
    assert.ok(block.number >= latest.number, blockTag);
  }
  const { hash } = await client.getBlock({ blockNumber: latest.number });
  assert.equal(hash, latest.hash);
  const { address: idle } = mnemonicToAccount(mnemonic, { addressIndex: 9 });
  assert.equal(await client.getBalance({ address: idle }), 10_000n * 10n ** 18n);
});

test("offers fees of zero", async () => {
  assert.equal(await client.getGasPrice(), 0n);
  const fees = await client.estimateFeesPerGas();
  assert.deepEqual([fees.maxFeePerGas, fees.maxPriorityFeePerGas], [0n, 0n]);
  const history = await client.getFeeHistory({ blockCount: 1, rewardPercentiles: [50] });
  assert.deepEqual(history.baseFeePerGas, [0n, 0n]);
});

test("deploys with EIP-1559 fees, writes and reads", async () => {
  const signer = wallet(alice);
  const created = await mined(await signer.deployContract({ ...tariff, args: [40_000] }));
  address = created.contractAddress;
  assert.equal(created.type, "eip1559");

  const call = { address, abi: tariff.abi, functionName: "setPrice", args: [28_000] };
  const gas = await signer.estimateContractGas(call);
  const receipt = await mined(await signer.writeContract({ ...call, gas }));
  assert.ok(receipt.gasUsed <= gas);
  assert.equal(receipt.effectiveGasPrice, 0n);
  assert.equal(await client.readContract({ address, abi: tariff.abi, functionName: "price" }), 28_000);
});

test("sends legacy and access list transactions", async () => {
  const signer = wallet(alice);
  for (const [type, fields] of [
    ["legacy", { gasPrice: 0n }],
    ["eip2930", { gasPrice: 1n, accessList: [{ address: bob.address, storageKeys: [] }] }],
  ]) {
    const before = await client.getBalance({ address: bob.address });
    const receipt = await mined(await signer.sendTransaction({ to: bob.address, value: 7n, type, ...fields }));
    assert.equal(receipt.type, type);
    assert.equal(await client.getBalance({ address: bob.address }), before + 7n);
  }
});

test("decodes custom errors of calls and estimates", async () => {
  const tooHigh = { account: alice, address, abi: tariff.abi, functionName: "setPrice", args: [40_001] };
  for (const attempt of [client.simulateContract(tooHigh), client.estimateContractGas(tooHigh)]) {
    const error = await attempt.then(
      () => assert.fail("it succeeded"),
      (error) => error,
    );
    assert.ok(error instanceof BaseError);
    const reverted = error.walk((cause) => cause instanceof ContractFunctionRevertedError);
    assert.equal(reverted?.data?.errorName, "PriceTooHigh", error.message);
    assert.deepEqual(reverted.data.args, [40_001, 40_000]);
  }
});

test("makes an access list that a transaction can use", async () => {
  const data = encodeFunctionData({ abi: tariff.abi, functionName: "setPrice", args: [27_000] });
  const { accessList, gasUsed } = await client.createAccessList({ account: alice, to: address, data });
  assert.ok(gasUsed > 21_000n);
  const entry = accessList.find((entry) => getAddress(entry.address) === getAddress(address));
  assert.ok(entry?.storageKeys.length > 0);
  const receipt = await mined(await wallet(alice).sendTransaction({ to: address, data, accessList }));
  assert.ok(receipt.gasUsed <= gasUsed);
});

test("simulates blocks in which calls build on each other", async () => {
  const stranger = privateKeyToAccount(generatePrivateKey()).address;
  const balanceOf = { to: token, abi: tokenAbi, functionName: "balanceOf", args: [stranger] };
  const transfer = { account: alice.address, to: token, abi: tokenAbi, functionName: "transfer", args: [stranger, 4n] };
  await mined(
    await wallet(bank).writeContract({
      address: token,
      abi: tokenAbi,
      functionName: "mint",
      args: [alice.address, 100n],
    }),
  );
  const head = await client.getBlock();
  const blocks = await client.simulateBlocks({
    blockNumber: head.number,
    blocks: [{ calls: [balanceOf, transfer, balanceOf] }, { calls: [transfer, balanceOf] }],
  });
  assert.deepEqual(
    blocks.map((block) => block.number),
    [head.number + 1n, head.number + 2n],
  );
  assert.ok(blocks.every((block) => block.calls.every((call) => call.status === "success")));
  assert.deepEqual(
    [blocks[0].calls[0].result, blocks[0].calls[2].result, blocks[1].calls[1].result],
    [0n, 4n, 8n],
  );
  assert.equal(blocks[0].calls[1].logs.length, 1);
  // Nothing of it has happened.
  assert.equal(
    await client.readContract({ address: token, abi: tokenAbi, functionName: "balanceOf", args: [stranger] }),
    0n,
  );
});

for (const [how, watcher] of [
  ["filters", client],
  ["a subscription", socket],
]) {
  test(`watches events by ${how}`, async () => {
    const events = first((onLogs, onError) =>
      watcher.watchContractEvent({ address, abi: tariff.abi, eventName: "PriceChanged", onLogs, onError }),
    );
    // The watcher starts in its own time: prices change until it has seen one.
    let seen;
    events.then((logs) => (seen = logs)).catch(() => (seen = []));
    const sent = new Map();
    for (let price = 1000; seen === undefined; price += 1) {
      const hash = await wallet(alice).writeContract({
        address,
        abi: tariff.abi,
        functionName: "setPrice",
        args: [price],
      });
      sent.set(hash, price);
      await mined(hash);
    }
    const [log] = await events;
    assert.equal(log.args.price, sent.get(log.transactionHash));
    assert.equal(log.args.publisher, alice.address);
    const block = { fromBlock: log.blockNumber, toBlock: log.blockNumber };
    const found = await client.getContractEvents({ address, abi: tariff.abi, eventName: "PriceChanged", ...block });
    assert.deepEqual(
      found.map(({ transactionHash, logIndex }) => [transactionHash, logIndex]),
      [[log.transactionHash, log.logIndex]],
    );
  });
}

test("watches blocks by a subscription", async () => {
  const block = await first((onBlock, onError) => socket.watchBlocks({ onBlock, onError }));
  const { hash } = await client.getBlock({ blockNumber: block.number });
  assert.equal(hash, block.hash);
});

test("watches pending transactions by filters and by a subscription", async () => {
  for (const watcher of [client, socket]) {
    const events = first((onTransactions, onError) => watcher.watchPendingTransactions({ onTransactions, onError }));
    let seen;
    events.then((hashes) => (seen = hashes)).catch(() => (seen = []));
    const sent = [];
    while (seen === undefined) {
      const hash = await wallet(alice).sendTransaction({ to: bob.address, value: 1n });
      sent.push(hash);
      await mined(hash);
    }
    const [hash] = await events;
    assert.ok(sent.includes(hash));
  }
});

test("signs EIP-712 data that the token and the node verify", async () => {
  const value = 5n * 10n ** 18n;
  const nonce = await client.readContract({
    address: token,
    abi: tokenAbi,
    functionName: "nonces",
    args: [alice.address],
  });
  const deadline = (await client.getBlock()).timestamp + 3600n;
  const data = {
    domain: permitDomain,
    types: permitTypes,
    primaryType: "Permit",
    message: { owner: alice.address, spender: bob.address, value, nonce, deadline },
  };
  const signature = await alice.signTypedData(data);
  assert.equal(await recoverTypedDataAddress({ ...data, signature }), alice.address);
  assert.equal(await client.verifyTypedData({ ...data, address: alice.address, signature }), true);
  assert.equal(await client.verifyTypedData({ ...data, address: bob.address, signature }), false);
  assert.equal(await client.verifyHash({ address: alice.address, hash: hashTypedData(data), signature }), true);

  const { r, s, v } = parseSignature(signature);
  const args = [alice.address, bob.address, value, deadline, Number(v), r, s];
  await mined(await wallet(bob).writeContract({ address: token, abi: tokenAbi, functionName: "permit", args }));
  assert.equal(
    await client.readContract({
      address: token,
      abi: tokenAbi,
      functionName: "allowance",
      args: [alice.address, bob.address],
    }),
    value,
  );
});

test("delegates an account by EIP-7702 and batches calls", async () => {
  const owner = privateKeyToAccount(generatePrivateKey());
  const signer = wallet(owner);
  const amount = 3n * 10n ** 18n;
  await mined(
    await wallet(bank).writeContract({
      address: token,
      abi: tokenAbi,
      functionName: "mint",
      args: [owner.address, amount],
    }),
  );
  const { contractAddress } = await mined(await wallet(alice).deployContract({ ...batch, args: [] }));

  const authorization = await signer.signAuthorization({ contractAddress, executor: "self" });
  const calls = [
    { to: token, value: 0n, data: encodeFunctionData({ abi: tokenAbi, functionName: "approve", args: [vault, amount] }) },
    { to: vault, value: 0n, data: encodeFunctionData({ abi: vaultAbi, functionName: "deposit", args: [amount] }) },
  ];
  const receipt = await mined(
    await signer.writeContract({
      address: owner.address,
      abi: batch.abi,
      functionName: "execute",
      args: [calls],
      authorizationList: [authorization],
    }),
  );
  assert.equal(receipt.type, "eip7702");
  assert.equal(await client.getCode({ address: owner.address }), `0xef0100${contractAddress.slice(2)}`);
  assert.equal(await client.getDelegation({ address: owner.address }), getAddress(contractAddress));
  const { free } = await client.readContract({
    address: vault,
    abi: vaultAbi,
    functionName: "balanceOf",
    args: [owner.address],
  });
  assert.equal(free, amount);
});

test("sends from an account that owns no coin", async () => {
  const owner = privateKeyToAccount(generatePrivateKey());
  const mint = { address: token, abi: tokenAbi, functionName: "mint", args: [owner.address, 100n] };
  await mined(await wallet(bank).writeContract(mint));
  assert.equal(await client.getBalance({ address: owner.address }), 0n);

  const transfer = { address: token, abi: tokenAbi, functionName: "transfer", args: [bob.address, 40n] };
  const receipt = await mined(await wallet(owner).writeContract(transfer));
  assert.equal(receipt.from, owner.address.toLowerCase());
  assert.equal(
    await client.readContract({ address: token, abi: tokenAbi, functionName: "balanceOf", args: [owner.address] }),
    60n,
  );
});

test("proves an account and its storage", async () => {
  const slot = `0x${"00".repeat(32)}`;
  const proof = await client.getProof({ address, storageKeys: [slot] });
  assert.equal(proof.nonce, 1);
  assert.equal(proof.codeHash, keccak256(await client.getCode({ address })));
  assert.ok(proof.accountProof.length > 0);
  assert.equal(proof.storageProof[0].value, BigInt(await client.getStorageAt({ address, slot })));
});
