//! Every transaction of a chain, executed again by the node and compared with its receipt.

use std::collections::BTreeMap;

use alloy::{
    primitives::{U64, U256},
    providers::{DynProvider, Provider},
};
use eyre::{OptionExt, WrapErr, ensure};
use serde_json::{Value, json};

/// Has `debug_traceBlockByNumber` execute all blocks up to `last` again; returns how many
/// transactions they hold.
pub async fn check_replays(provider: &DynProvider, last: u64) -> eyre::Result<usize> {
    let tracer = json!({"tracer": "callTracer", "tracerConfig": {"withLog": true}});
    let mut transactions = 0;
    for number in 1..=last {
        let block = U64::from(number);
        let receipts: Vec<Value> = provider
            .raw_request("eth_getBlockReceipts".into(), json!([block]))
            .await?;
        let traces: Vec<Value> = provider
            .raw_request("debug_traceBlockByNumber".into(), json!([block, tracer]))
            .await?;
        ensure!(
            traces.len() == receipts.len(),
            "block {number} has {} receipts and {} traces",
            receipts.len(),
            traces.len()
        );
        for (trace, receipt) in traces.iter().zip(&receipts) {
            let hash = &receipt["transactionHash"];
            check(&trace["result"], receipt).wrap_err_with(|| format!("transaction {hash}"))?;
        }
        transactions += receipts.len();
    }
    Ok(transactions)
}

fn check(frame: &Value, receipt: &Value) -> eyre::Result<()> {
    ensure!(
        frame["gasUsed"] == receipt["gasUsed"],
        "it used {} gas, and {} when it was executed again",
        receipt["gasUsed"],
        frame["gasUsed"]
    );
    ensure!(
        frame.get("error").is_none() == (receipt["status"] == "0x1"),
        "executed again it ends with {}",
        frame["error"]
    );
    let mut found = BTreeMap::new();
    logs(frame, &mut found)?;
    let found: Vec<Value> = found.into_values().collect();
    let expected: Vec<Value> = receipt["logs"]
        .as_array()
        .ok_or_eyre("no logs")?
        .iter()
        .map(essence)
        .collect();
    ensure!(
        found == expected,
        "it logged {expected:?}, and then {found:?}"
    );
    Ok(())
}

/// What a log says, without where it is.
fn essence(log: &Value) -> Value {
    json!([log["address"], log["topics"], log["data"]])
}

/// The logs of a call and of the calls in it, by their place in the transaction.
fn logs(frame: &Value, found: &mut BTreeMap<U256, Value>) -> eyre::Result<()> {
    for log in frame["logs"].as_array().into_iter().flatten() {
        let place = log["index"].as_str().ok_or_eyre("a log without a place")?;
        let twice = found.insert(place.parse()?, essence(log));
        ensure!(twice.is_none(), "two logs at {place}");
    }
    for call in frame["calls"].as_array().into_iter().flatten() {
        logs(call, found)?;
    }
    Ok(())
}
