//! What the server says of itself.

use alloy_primitives::{Address, B256};
use serde_json::{Value, json};

use crate::{chain::empty, client::Served};

#[tokio::test]
async fn modules_are_listed() {
    let node = Served::new(empty().chain()).await;
    let modules = node.result("rpc_modules", json!([])).await;
    for name in ["eth", "net", "web3", "clique", "rpc"] {
        assert_eq!(modules[name], "1.0", "{modules}");
    }
}

#[tokio::test]
async fn the_document_tells_how_each_method_is_called() {
    let node = Served::new(empty().chain()).await;
    let document = node.result("rpc_discover", json!([])).await;
    assert_eq!(document["openrpc"], "1.3.2");
    assert_eq!(document["info"]["title"], "Wattline JSON-RPC");
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    for method in document["methods"].as_array().expect("a list") {
        let name = method["name"].as_str().expect("a name");
        assert!(
            method["summary"]
                .as_str()
                .is_some_and(|text| text.ends_with('.')),
            "{name}"
        );
        let required = method["params"].as_array().expect("a list").iter();
        let required = required.filter(|param| param["required"] == true).count();
        if required > 0 && !name.ends_with("subscribe") {
            // What the document says is what the method does.
            let (code, message) = node.error(name, json!([])).await;
            assert_eq!(
                (code, message.contains("a parameter is missing")),
                (-32602, true),
                "{name}: {message}"
            );
        }
    }
}

/// A parameter of this schema.
fn example(schema: &Value) -> Value {
    let schema = schema["$ref"].as_str().expect("a reference");
    let (_, name) = schema.rsplit_once('/').expect("a path");
    match name {
        "Address" => json!(Address::ZERO),
        "Hash" => json!(B256::ZERO),
        "Block" | "BlockNumber" | "BlockOrHeader" => json!("latest"),
        "Bool" => json!(true),
        "Bytes" | "Text" => json!("0x"),
        "Quantity" | "Slot" | "FilterId" => json!("0x1"),
        "Bundles" | "Objects" | "Percentiles" | "Quantities" | "Slots" | "TraceTypes" => json!([]),
        "BlockOverrides" | "Filter" | "Object" | "StateContext" | "StateOverrides"
        | "TransactionRequest" => json!({}),
        "SimulatePayload" => json!({"blockStateCalls": []}),
        "TypedData" => {
            json!({"types": {}, "primaryType": "EIP712Domain", "domain": {}, "message": {}})
        }
        _ => panic!("no example of {name}"),
    }
}

/// Whether what is wrong with the value is only found out after the account.
fn is_any_json(schema: &Value) -> bool {
    schema["$ref"] == "#/components/schemas/TypedData"
}

/// Each parameter of the document is read, and no other: only there a value that is of no type is
/// found fault with.
#[tokio::test]
async fn the_document_names_the_parameters_that_are_read() {
    let node = Served::new(empty().chain()).await;
    let document = node.result("rpc_discover", json!([])).await;
    for method in document["methods"].as_array().expect("a list") {
        if method["x-subscription"] == true {
            continue;
        }
        let name = method["name"].as_str().expect("a name");
        let params = method["params"].as_array().expect("a list").iter();
        let examples: Vec<Value> = params.map(|param| example(&param["schema"])).collect();
        for count in 0..=examples.len() {
            let next = method["params"].get(count);
            if next.is_some_and(|param| is_any_json(&param["schema"])) {
                continue;
            }
            let mut params = examples[..count].to_vec();
            params.push(json!([[["nonsense"]]]));
            let answer = node.answer(name, json!(params)).await;
            let message = answer["error"]["message"].as_str().unwrap_or_default();
            let faulty = message.contains(&format!("; expected {name}("));
            assert_eq!(
                faulty,
                count < examples.len(),
                "{name} {params:?}: {answer}"
            );
        }
    }
}
