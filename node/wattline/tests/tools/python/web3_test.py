"""web3.py with its proof-of-authority middleware, against the node at WATTLINE_RPC."""

import asyncio
import json
import os
import unittest
from pathlib import Path

from eth_account import Account
from eth_account.messages import encode_typed_data
from web3 import AsyncWeb3, Web3
from web3.exceptions import ContractCustomError, ExtraDataLengthError
from web3.middleware import ExtraDataToPOAMiddleware

URL = os.environ.get("WATTLINE_RPC", "http://127.0.0.1:8545")
ARTIFACTS = Path(os.environ.get("WATTLINE_ARTIFACTS", Path(__file__).parent.parent / "forge" / "out"))
CHAIN_ID = 57836
MNEMONIC = "test test test test test test test test test test test junk"
TOKEN = "0xE1eC000000000000000000000000000000000001"


def artifact(name):
    """What forge compiled of a contract."""
    return json.loads((ARTIFACTS / f"{name}.sol" / f"{name}.json").read_text())


def development_account(index):
    Account.enable_unaudited_hdwallet_features()
    return Account.from_mnemonic(MNEMONIC, account_path=f"m/44'/60'/0'/0/{index}")


class Web3Test(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.w3 = Web3(Web3.HTTPProvider(URL))
        cls.w3.middleware_onion.inject(ExtraDataToPOAMiddleware, layer=0)
        cls.bank, cls.alice, cls.bob = (development_account(index) for index in range(3))
        cls.token = cls.w3.eth.contract(address=TOKEN, abi=artifact("ISettlementToken")["abi"])
        tariff = artifact("Tariff")
        factory = cls.w3.eth.contract(abi=tariff["abi"], bytecode=tariff["bytecode"]["object"])
        receipt = cls.send(cls, cls.alice, factory.constructor(40_000))
        cls.tariff = cls.w3.eth.contract(address=receipt["contractAddress"], abi=tariff["abi"])

    def send(self, account, call, **fields):
        """Signs a contract call or creation, sends it and waits for its receipt."""
        nonce = self.w3.eth.get_transaction_count(account.address, "pending")
        transaction = call.build_transaction({"from": account.address, "nonce": nonce, **fields})
        signed = account.sign_transaction(transaction)
        hash = self.w3.eth.send_raw_transaction(signed.raw_transaction)
        receipt = self.w3.eth.wait_for_transaction_receipt(hash, timeout=60)
        if receipt["status"] != 1:
            raise AssertionError(f"reverted: {receipt}")
        return receipt

    def test_blocks_need_the_middleware(self):
        with self.assertRaises(ExtraDataLengthError):
            Web3(Web3.HTTPProvider(URL)).eth.get_block("latest")
        block = self.w3.eth.get_block("latest")
        self.assertEqual(len(block["proofOfAuthorityData"]), 97)
        self.assertEqual(self.w3.eth.get_block(block["number"])["hash"], block["hash"])
        self.assertEqual(self.w3.eth.get_block("earliest")["number"], 0)

    def test_the_asynchronous_client_needs_the_middleware_too(self):
        async def blocks():
            w3 = AsyncWeb3(AsyncWeb3.AsyncHTTPProvider(URL))
            try:
                with self.assertRaises(ExtraDataLengthError):
                    await w3.eth.get_block("latest")
                w3.middleware_onion.inject(ExtraDataToPOAMiddleware, layer=0)
                return await w3.eth.get_block("earliest"), await w3.eth.get_block("latest")
            finally:
                await w3.provider.disconnect()

        earliest, latest = asyncio.run(blocks())
        self.assertEqual(earliest["number"], 0)
        self.assertEqual(len(latest["proofOfAuthorityData"]), 97)

    def test_reads_the_chain(self):
        self.assertEqual(self.w3.eth.chain_id, CHAIN_ID)
        self.assertEqual(self.w3.eth.gas_price, 0)
        self.assertEqual(self.w3.eth.max_priority_fee, 0)
        self.assertEqual(self.w3.eth.fee_history(1, "latest", [50])["baseFeePerGas"], [0, 0])
        self.assertEqual(self.w3.eth.get_balance(development_account(9).address), Web3.to_wei(10_000, "ether"))
        self.assertEqual(self.token.functions.symbol().call(), "WEUR")

    def test_writes_and_finds_events(self):
        for fields, kind in [({}, 2), ({"gasPrice": 0}, 0)]:
            receipt = self.send(self.alice, self.tariff.functions.setPrice(28_000 + kind), **fields)
            self.assertEqual(receipt["type"], kind)
            self.assertEqual(receipt["effectiveGasPrice"], 0)
            self.assertEqual(self.tariff.functions.price().call(), 28_000 + kind)
            (event,) = self.tariff.events.PriceChanged().process_receipt(receipt)
            self.assertEqual(event["args"], {"publisher": self.alice.address, "price": 28_000 + kind})
            number = receipt["blockNumber"]
            (found,) = self.tariff.events.PriceChanged().get_logs(from_block=number, to_block=number)
            self.assertEqual(found["transactionHash"], receipt["transactionHash"])

    def test_polls_filters(self):
        events = self.tariff.events.PriceChanged().create_filter(from_block="latest")
        blocks = self.w3.eth.filter("latest")
        receipt = self.send(self.alice, self.tariff.functions.setPrice(11_000))
        (event,) = events.get_new_entries()
        self.assertEqual(event["transactionHash"], receipt["transactionHash"])
        self.assertIn(receipt["blockHash"], blocks.get_new_entries())
        self.assertEqual(events.get_new_entries(), [])
        self.assertTrue(self.w3.eth.uninstall_filter(events.filter_id))

    def test_decodes_custom_errors(self):
        call = self.tariff.functions.setPrice(40_001)
        for attempt in (call.call, call.estimate_gas):
            with self.assertRaises(ContractCustomError) as raised:
                attempt({"from": self.alice.address})
            selector = Web3.keccak(text="PriceTooHigh(int32,int32)")[:4]
            error = selector + self.w3.codec.encode(["int32", "int32"], [40_001, 40_000])
            self.assertEqual(raised.exception.data, Web3.to_hex(error))

    def test_signs_a_permit(self):
        value = 5 * 10**18
        deadline = self.w3.eth.get_block("latest")["timestamp"] + 3600
        message = {
            "owner": self.alice.address,
            "spender": self.bob.address,
            "value": value,
            "nonce": self.token.functions.nonces(self.alice.address).call(),
            "deadline": deadline,
        }
        domain = {"name": "Wattline Euro", "version": "1", "chainId": CHAIN_ID, "verifyingContract": TOKEN}
        fields = [("owner", "address"), ("spender", "address"), ("value", "uint256"), ("nonce", "uint256")]
        types = {"Permit": [{"name": name, "type": kind} for name, kind in [*fields, ("deadline", "uint256")]]}
        signed = self.alice.sign_typed_data(domain, types, message)
        recovered = Account.recover_message(encode_typed_data(domain, types, message), signature=signed.signature)
        self.assertEqual(recovered, self.alice.address)
        arguments = [self.alice.address, self.bob.address, value, deadline, signed.v]
        arguments += [part.to_bytes(32, "big") for part in (signed.r, signed.s)]
        self.send(self.bob, self.token.functions.permit(*arguments))
        self.assertEqual(self.token.functions.allowance(self.alice.address, self.bob.address).call(), value)

    def test_delegates_an_account(self):
        """EIP-7702."""
        owner = Account.create()
        batch = artifact("Batch")
        factory = self.w3.eth.contract(abi=batch["abi"], bytecode=batch["bytecode"]["object"])
        code = self.send(self.bob, factory.constructor())["contractAddress"]
        authorization = owner.sign_authorization({"chainId": CHAIN_ID, "address": code, "nonce": 1})
        execute = self.w3.eth.contract(address=owner.address, abi=batch["abi"]).encode_abi("execute", [[]])
        transaction = {
            "chainId": CHAIN_ID,
            "nonce": 0,
            "gas": 200_000,
            "maxFeePerGas": 0,
            "maxPriorityFeePerGas": 0,
            "to": owner.address,
            "data": execute,
            "authorizationList": [authorization],
        }
        hash = self.w3.eth.send_raw_transaction(owner.sign_transaction(transaction).raw_transaction)
        receipt = self.w3.eth.wait_for_transaction_receipt(hash, timeout=60)
        self.assertEqual((receipt["status"], receipt["type"]), (1, 4))
        self.assertEqual(self.w3.eth.get_code(owner.address), bytes.fromhex(f"ef0100{code[2:]}"))
        self.assertEqual(len(receipt["logs"]), 1)

    def test_an_account_without_coins_sends(self):
        owner = Account.create()
        self.send(self.bank, self.token.functions.mint(owner.address, 100))
        self.assertEqual(self.w3.eth.get_balance(owner.address), 0)
        self.send(owner, self.token.functions.transfer(self.bob.address, 40))
        self.assertEqual(self.token.functions.balanceOf(owner.address).call(), 60)


if __name__ == "__main__":
    unittest.main()
