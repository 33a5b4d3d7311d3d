//! A chain with calls within calls, for tests of what tracers see.

use alloy_consensus::TxEip1559;
use alloy_eips::eip2935::{HISTORY_STORAGE_ADDRESS, HISTORY_STORAGE_CODE};
use alloy_genesis::GenesisAccount;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, address, bytes};
use serde_json::{Value, json};
use wattline_chain::test_utils::{Forge, Signers, Template};
use wattline_primitives::RecoveredTransaction;

use crate::{
    chain::{CHAIN_ID, LOGGER, accounts, call, genesis, sign, transfer},
    client::{Served, quantity, word_bytes},
};

/// Calls the logger with its first calldata word, then the reverter.
pub(crate) const CALLER: Address = address!("00000000000000000000000000000000000000b1");
/// Calls itself as deep as gas lets it.
pub(crate) const DIVER: Address = address!("00000000000000000000000000000000000000b2");
/// Calls account 0 without end.
pub(crate) const PESTER: Address = address!("00000000000000000000000000000000000000b3");
/// Asks the history contract for the hash of block 1 and stores the answer in slot 0.
pub(crate) const HISTORIAN: Address = address!("00000000000000000000000000000000000000b4");

/// Blocks with a transaction of every kind that tracers show differently.
pub(crate) struct Traced {
    pub(crate) forge: Forge,
    /// Block 1: account 0 sends account 1 five wei.
    pub(crate) transfer: RecoveredTransaction,
    /// Block 1: account 1 has the caller log 7 and be refused.
    pub(crate) nested: RecoveredTransaction,
    /// Block 1: account 1 logs 8.
    pub(crate) logged: RecoveredTransaction,
    /// Block 2: account 2 is refused.
    pub(crate) reverted: RecoveredTransaction,
    /// Block 2: account 0 creates a contract with the code `01`.
    pub(crate) created: RecoveredTransaction,
    /// Block 2: account 1 asks for the hash of block 1.
    pub(crate) asked: RecoveredTransaction,
}

/// Three blocks, the last one empty.
pub(crate) fn traced() -> Traced {
    let signers = Signers::new(1);
    let contracts = [
        // Word to memory; call the logger with it; call the reverter; stop.
        (
            CALLER,
            bytes!("5f355f525f5f60205f5f60a15af1505f5f5f5f5f60a25af15000"),
        ),
        (DIVER, bytes!("5f5f5f5f5f305af100")),
        (PESTER, bytes!("5b5f5f5f5f5f5f5af1505f56")),
        (HISTORIAN, historian()),
        (HISTORY_STORAGE_ADDRESS, HISTORY_STORAGE_CODE.clone()),
    ];
    let genesis = contracts
        .into_iter()
        .fold(genesis(&signers), |genesis, (address, code)| {
            genesis.account(address, GenesisAccount::default().with_code(Some(code)))
        });
    let create = TxEip1559 {
        chain_id: CHAIN_ID,
        nonce: 1,
        to: TxKind::Create,
        gas_limit: 200_000,
        input: bytes!("60015f5360015ff3"),
        ..Default::default()
    };
    let reverter = crate::chain::REVERTER;
    let traced = Traced {
        forge: Forge::new(genesis, signers),
        transfer: transfer(0, 0, accounts().address(1), 5),
        nested: call(1, 0, CALLER, word_bytes(7)),
        logged: call(1, 1, LOGGER, word_bytes(8)),
        reverted: call(2, 0, reverter, Bytes::new()),
        created: sign(0, create),
        asked: call(1, 2, HISTORIAN, Bytes::new()),
    };
    let first = [&traced.transfer, &traced.nested, &traced.logged];
    let second = [&traced.reverted, &traced.created, &traced.asked];
    for transactions in [first, second] {
        let transactions = transactions.into_iter().cloned().collect();
        traced.forge.extend(Template::default().with(transactions));
    }
    traced.forge.extend(Template::default());
    traced
}

/// Puts 1 into memory, static-calls the history contract with it, stores what it answers.
fn historian() -> Bytes {
    let mut code = bytes!("60015f5260205f60205f73").to_vec();
    code.extend(HISTORY_STORAGE_ADDRESS.as_slice());
    code.extend(bytes!("5afa505f515f5500"));
    code.into()
}

/// A transaction's hash as JSON.
pub(crate) fn hash(tx: &RecoveredTransaction) -> Value {
    json!(tx.tx_hash())
}

/// A call frame's logs and those of the calls in it, with their places in the transaction.
fn logs(frame: &Value, found: &mut Vec<(U256, Value)>) {
    for log in frame["logs"].as_array().into_iter().flatten() {
        let place = quantity(&log["index"]);
        found.push((place, json!([log["address"], log["topics"], log["data"]])));
    }
    for call in frame["calls"].as_array().into_iter().flatten() {
        logs(call, found);
    }
}

/// Executes every block again and compares gas and logs with the receipts.
pub(crate) async fn assert_replays(node: &Served) {
    let tracer = json!({"tracer": "callTracer", "tracerConfig": {"withLog": true}});
    for number in 1..=node.chain.head().number {
        let block = format!("{number:#x}");
        let receipts = node.result("eth_getBlockReceipts", json!([block])).await;
        let receipts = receipts.as_array().expect("receipts").clone();
        let traces = node
            .result("debug_traceBlockByNumber", json!([block, tracer]))
            .await;
        let traces = traces.as_array().expect("traces");
        assert_eq!(traces.len(), receipts.len(), "block {number}");
        for (trace, receipt) in traces.iter().zip(&receipts) {
            assert_eq!(trace["txHash"], receipt["transactionHash"]);
            let frame = &trace["result"];
            assert_eq!(frame["gasUsed"], receipt["gasUsed"], "{frame}");
            assert_eq!(frame["from"], receipt["from"]);
            assert_eq!(frame.get("error").is_none(), receipt["status"] == "0x1");
            let mut found = Vec::new();
            logs(frame, &mut found);
            found.sort_by_key(|(place, _)| *place);
            let found: Vec<Value> = found.into_iter().map(|(_, log)| log).collect();
            let expected: Vec<Value> = receipt["logs"]
                .as_array()
                .expect("logs")
                .iter()
                .map(|log| json!([log["address"], log["topics"], log["data"]]))
                .collect();
            assert_eq!(found, expected, "block {number}");
        }
    }
}

/// A word of storage as JSON.
pub(crate) fn slot(value: impl Into<U256>) -> Value {
    json!(B256::from(value.into()))
}
