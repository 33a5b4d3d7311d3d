// ethers: providers over HTTP and WebSocket, wallets, contracts.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import {
  Contract,
  ContractFactory,
  HDNodeWallet,
  Interface,
  JsonRpcProvider,
  Mnemonic,
  Signature,
  Transaction,
  Wallet,
  WebSocketProvider,
  isCallException,
  verifyMessage,
  verifyTypedData,
} from "ethers";
import { artifact, chainId, mnemonic, permitDomain, permitTypes, token, url, vault, webSocketUrl } from "./chain.js";

// Answers are not kept for a quarter of a second, as is the default: what was just sent is seen at once.
const provider = new JsonRpcProvider(url, undefined, { cacheTimeout: -1, pollingInterval: 100 });
const socket = new WebSocketProvider(webSocketUrl, undefined, { cacheTimeout: -1 });
const wallet = (index) =>
  HDNodeWallet.fromMnemonic(Mnemonic.fromPhrase(mnemonic), `m/44'/60'/0'/0/${index}`).connect(provider);
const bank = wallet(0);
const alice = wallet(1);
const bob = wallet(2);

const tariff = artifact("Tariff");
const batch = artifact("Batch");
const tokenAbi = artifact("ISettlementToken").abi;
const vaultAbi = artifact("IVault").abi;
const tokenOf = (runner) => new Contract(token, tokenAbi, runner);

let contract;

after(async () => {
  provider.destroy();
  await socket.destroy();
});

/** Waits for a transaction and sees that it succeeded. */
async function mined(sent) {
  const receipt = await (await sent).wait(1, 30_000);
  assert.equal(receipt.status, 1);
  return receipt;
}

/** Makes changes, one after another, until `event` resolves. */
async function until(event, change) {
  let seen = false;
  event.then(() => (seen = true)).catch(() => (seen = true));
  while (!seen) await change();
  return event;
}

test("reads the chain and its blocks by tag", async () => {
  assert.equal((await provider.getNetwork()).chainId, BigInt(chainId));
  assert.equal((await provider.getBlock("earliest")).number, 0);
  const latest = await provider.getBlock("latest");
  assert.equal((await provider.getBlock(latest.number)).hash, latest.hash);
  assert.ok((await provider.getBlock("pending")).number >= latest.number);
  assert.equal(await provider.getBalance(wallet(9).address), 10_000n * 10n ** 18n);
});

test("signs and sends with the accounts of a development chain", async () => {
  const signer = await provider.getSigner(3);
  assert.equal(verifyMessage("sun on the roof", await signer.signMessage("sun on the roof")), signer.address);
  const receipt = await mined(signer.sendTransaction({ to: bob.address, value: 1n }));
  assert.equal(receipt.from, signer.address);
});

test("offers fees of zero", async () => {
  const { gasPrice } = await provider.getFeeData();
  assert.equal(gasPrice, 0n);
});

test("deploys, writes and reads", async () => {
  const deployed = await new ContractFactory(tariff.abi, tariff.bytecode, alice).deploy(40_000);
  await mined(deployed.deploymentTransaction());
  contract = deployed;

  const gas = await contract.setPrice.estimateGas(28_000);
  const receipt = await mined(contract.setPrice(28_000, { gasLimit: gas }));
  assert.ok(receipt.gasUsed <= gas);
  assert.equal(await contract.price(), 28_000n);
});

test("sends legacy, access list and EIP-1559 transactions", async () => {
  for (const [type, fees] of [
    [0, { gasPrice: 0 }],
    [1, { gasPrice: 0, accessList: [{ address: bob.address, storageKeys: [] }] }],
    [2, { maxFeePerGas: 0, maxPriorityFeePerGas: 0 }],
    [2, { maxFeePerGas: 2, maxPriorityFeePerGas: 1 }],
  ]) {
    const before = await provider.getBalance(bob.address);
    const receipt = await mined(alice.sendTransaction({ type, to: bob.address, value: 7, ...fees }));
    assert.equal(receipt.type, type);
    assert.equal(await provider.getBalance(bob.address), before + 7n);
    const transaction = await provider.getTransaction(receipt.hash);
    assert.equal(transaction.blockHash, receipt.blockHash);
    assert.equal(transaction.from, alice.address);
  }
});

test("decodes custom errors of calls and estimates", async () => {
  for (const attempt of [contract.setPrice.staticCall(40_001), contract.setPrice.estimateGas(40_001)]) {
    const error = await attempt.then(
      () => assert.fail("it succeeded"),
      (error) => error,
    );
    assert.ok(isCallException(error), error.message);
    const { name, args } = contract.interface.parseError(error.data);
    assert.equal(name, "PriceTooHigh");
    assert.deepEqual([...args], [40_001n, 40_000n]);
  }
});

for (const [how, runner] of [
  ["polling", provider],
  ["a subscription", socket],
]) {
  test(`watches events by ${how}`, async () => {
    const watched = contract.connect(runner);
    const event = new Promise((resolve) => watched.once("PriceChanged", (...values) => resolve(values)));
    const sent = new Map();
    let price = 1000n;
    const [publisher, seen, { log }] = await until(event, async () => {
      const { hash } = await mined(contract.setPrice(price));
      sent.set(hash, price);
      price += 1n;
    });
    assert.equal(publisher, alice.address);
    assert.equal(seen, sent.get(log.transactionHash));
    const found = await contract.queryFilter("PriceChanged", log.blockNumber, log.blockNumber);
    assert.deepEqual(
      found.map((entry) => [entry.transactionHash, entry.index]),
      [[log.transactionHash, log.index]],
    );
  });
}

test("watches blocks by polling and by a subscription", async () => {
  for (const watcher of [provider, socket]) {
    const number = await new Promise((resolve) => watcher.once("block", resolve));
    assert.equal((await provider.getBlock(number)).number, number);
  }
});

test("signs EIP-712 data that the token accepts", async () => {
  const value = 5n * 10n ** 18n;
  const nonce = await tokenOf(provider).nonces(alice.address);
  const deadline = (await provider.getBlock("latest")).timestamp + 3600;
  const message = { owner: alice.address, spender: bob.address, value, nonce, deadline };
  const signed = await alice.signTypedData(permitDomain, permitTypes, message);
  assert.equal(verifyTypedData(permitDomain, permitTypes, message, signed), alice.address);

  const { v, r, s } = Signature.from(signed);
  await mined(tokenOf(bob).permit(alice.address, bob.address, value, deadline, v, r, s));
  assert.equal(await tokenOf(provider).allowance(alice.address, bob.address), value);
});

test("delegates an account by EIP-7702 and batches calls", async () => {
  const owner = Wallet.createRandom().connect(provider);
  const amount = 3n * 10n ** 18n;
  await mined(tokenOf(bank).mint(owner.address, amount));
  const code = await new ContractFactory(batch.abi, batch.bytecode, alice).deploy();
  await mined(code.deploymentTransaction());

  const address = await code.getAddress();
  // Sent by the account itself, whose nonce has gone up by then.
  const authorization = await owner.authorize({ address, nonce: 1, chainId });
  const calls = [
    { to: token, value: 0, data: new Interface(tokenAbi).encodeFunctionData("approve", [vault, amount]) },
    { to: vault, value: 0, data: new Interface(vaultAbi).encodeFunctionData("deposit", [amount]) },
  ];
  const receipt = await mined(
    owner.sendTransaction({
      type: 4,
      to: owner.address,
      data: code.interface.encodeFunctionData("execute", [calls]),
      authorizationList: [authorization],
      maxFeePerGas: 0,
      maxPriorityFeePerGas: 0,
    }),
  );
  assert.equal(receipt.type, 4);
  assert.equal(await provider.getCode(owner.address), `0xef0100${address.slice(2).toLowerCase()}`);
  const { free } = await new Contract(vault, vaultAbi, provider).balanceOf(owner.address);
  assert.equal(free, amount);
  const transaction = await provider.getTransaction(receipt.hash);
  assert.equal(transaction.authorizationList[0].address, address);
});

test("sends from an account that owns no coin", async () => {
  const owner = Wallet.createRandom().connect(provider);
  await mined(tokenOf(bank).mint(owner.address, 100));
  assert.equal(await provider.getBalance(owner.address), 0n);
  await mined(tokenOf(owner).transfer(bob.address, 40));
  assert.equal(await tokenOf(provider).balanceOf(owner.address), 60n);
});

test("publishes a transaction that was signed elsewhere", async () => {
  const transaction = await alice.populateTransaction({ to: bob.address, value: 3 });
  delete transaction.from;
  const { serialized, hash } = Transaction.from(await alice.signTransaction(transaction));
  const receipt = await mined(provider.broadcastTransaction(serialized));
  assert.equal(receipt.hash, hash);
});
