//! The methods as an OpenRPC document, from which tools make clients and tests.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{
    Namespaces,
    doc::{self, Method, Param, Schema},
};

/// The version of the OpenRPC specification that the document follows.
const OPENRPC_VERSION: &str = "1.3.2";

/// The document of all methods in `namespaces`, sorted by name.
pub(crate) fn document(namespaces: Namespaces) -> Value {
    let mut schemas = Schemas::default();
    let methods: Vec<Value> = doc::all()
        .filter(|method| namespaces.serve(method.name))
        .map(|method| describe(method, &mut schemas))
        .collect();
    json!({
        "openrpc": OPENRPC_VERSION,
        "info": {
            "title": "Wattline JSON-RPC",
            "description": "Ethereum's JSON-RPC as a node of Wattline serves it on this listener.",
            "license": {"name": env!("CARGO_PKG_LICENSE")},
            "version": env!("CARGO_PKG_VERSION"),
        },
        "methods": methods,
        "components": {"schemas": schemas.0},
    })
}

fn describe(method: &Method, schemas: &mut Schemas) -> Value {
    let params: Vec<Value> = method
        .params
        .iter()
        .map(
            |Param {
                 name,
                 schema,
                 required,
             }| {
                json!({"name": name, "required": required, "schema": schemas.at(*schema)})
            },
        )
        .collect();
    json!({
        "name": method.name,
        "summary": method.summary,
        "paramStructure": "by-position",
        "params": params,
        "result": {"name": "result", "schema": schemas.at(method.result)},
    })
}

/// The schemas that the document refers to, by name.
#[derive(Default)]
struct Schemas(BTreeMap<&'static str, Value>);

/// Makes a schema, which may refer to others.
type Define = fn(&mut Schemas) -> Value;

impl Schemas {
    /// A reference to a schema, which is defined if it was not.
    fn at(&mut self, schema: Schema) -> Value {
        let (name, define): (_, Define) = match schema {
            Schema::AccessListResult => ("AccessListResult", access_list_result),
            Schema::Address => ("Address", |_| bytes(20)),
            Schema::Addresses => ("Addresses", |all| list(all.at(Schema::Address))),
            Schema::Block => ("Block", block_id),
            Schema::BlockNumber => ("BlockNumber", block_number),
            Schema::BlockOrHeader => (
                "BlockOrHeader",
                |all| json!({"anyOf": [all.at(Schema::Block), all.at(Schema::Bytes)]}),
            ),
            Schema::BlockOrNull => ("BlockOrNull", |all| {
                or_null(all.named("BlockObject", block))
            }),
            Schema::BlockOverrides => ("BlockOverrides", block_overrides),
            Schema::Bool => ("Bool", |_| json!({"type": "boolean"})),
            Schema::Bytes => (
                "Bytes",
                |_| json!({"type": "string", "pattern": "^0x([0-9a-fA-F]{2})*$"}),
            ),
            Schema::BytesList => ("BytesList", |all| list(all.at(Schema::Bytes))),
            Schema::FeeHistory => ("FeeHistory", fee_history),
            Schema::Filter => ("Filter", filter),
            Schema::FilterChanges => ("FilterChanges", |all| {
                let changes = [
                    all.at(Schema::Hash),
                    all.named("Log", log),
                    all.named("Transaction", transaction),
                ];
                list(json!({"anyOf": changes}))
            }),
            Schema::FilterId => (
                "FilterId",
                |_| json!({"type": "string", "pattern": "^0x[0-9a-f]{1,32}$"}),
            ),
            Schema::Bundles => ("Bundles", bundles),
            Schema::BytesOrNull => ("BytesOrNull", |all| all.or_null(Schema::Bytes)),
            Schema::CallResults => ("CallResults", call_results),
            Schema::ForkConfig => ("ForkConfig", |_| {
                object(
                    &["current", "next", "last"],
                    json!({"current": {"type": "object"}}),
                )
            }),
            Schema::Hash => ("Hash", |_| bytes(32)),
            Schema::HeaderOrNull => ("HeaderOrNull", |all| or_null(all.named("Header", header))),
            Schema::Logs => ("Logs", |all| list(all.named("Log", log))),
            Schema::Modules => (
                "Modules",
                |_| json!({"type": "object", "additionalProperties": {"type": "string"}}),
            ),
            Schema::NodeInfo => ("NodeInfo", node_info),
            Schema::Null => ("Null", |_| json!({"type": "null"})),
            Schema::Object => ("Object", |_| json!({"type": "object"})),
            Schema::Objects => ("Objects", |_| json!({"type": "array"})),
            Schema::ObjectsOrNull => ("ObjectsOrNull", |all| all.or_null(Schema::Objects)),
            Schema::ObjectOrNull => ("ObjectOrNull", |all| all.or_null(Schema::Object)),
            Schema::OpenRpc => ("OpenRpc", |_| {
                let fields = ["openrpc", "info", "methods"];
                json!({"type": "object", "required": fields})
            }),
            Schema::Peers => ("Peers", |_| {
                list(object(
                    &["enode", "id", "name", "caps", "network", "protocols"],
                    json!({}),
                ))
            }),
            Schema::Percentiles => ("Percentiles", |_| {
                list(json!({"type": "number", "minimum": 0, "maximum": 100}))
            }),
            Schema::Proof => ("Proof", proof),
            Schema::PoolContent => ("PoolContent", |all| {
                pool(
                    &|transactions| by_sender(&transactions),
                    &all.named("Transaction", transaction),
                )
            }),
            Schema::PoolContentFrom => ("PoolContentFrom", |all| {
                pool(
                    &|transactions| transactions,
                    &all.named("Transaction", transaction),
                )
            }),
            Schema::PoolInspect => ("PoolInspect", |all| {
                pool(&|lines| by_sender(&lines), &all.at(Schema::Text))
            }),
            Schema::PoolStatus => ("PoolStatus", |all| {
                let quantity = all.at(Schema::Quantity);
                object(
                    &["pending", "queued"],
                    json!({"pending": quantity, "queued": quantity}),
                )
            }),
            Schema::Quantities => ("Quantities", |all| list(all.at(Schema::Quantity))),
            Schema::Quantity => (
                "Quantity",
                |_| json!({"type": "string", "pattern": "^0x(0|[1-9a-f][0-9a-f]{0,63})$"}),
            ),
            Schema::QuantityOrNull => ("QuantityOrNull", |all| all.or_null(Schema::Quantity)),
            Schema::Receipt => ("Receipt", receipt),
            Schema::ReceiptOrNull => ("ReceiptOrNull", |all| {
                or_null(all.named("Receipt", receipt))
            }),
            Schema::ReceiptsOrNull => ("ReceiptsOrNull", |all| {
                or_null(list(all.named("Receipt", receipt)))
            }),
            Schema::SimulatePayload => ("SimulatePayload", simulate_payload),
            Schema::SimulatedBlocks => ("SimulatedBlocks", simulated_blocks),
            Schema::StateContext => ("StateContext", state_context),
            Schema::StateOverrides => ("StateOverrides", state_overrides),
            Schema::Slot => (
                "Slot",
                |_| json!({"type": "string", "pattern": "^(0x)?[0-9a-fA-F]{1,64}$"}),
            ),
            Schema::Slots => ("Slots", |all| list(all.at(Schema::Slot))),
            Schema::SubscriptionId => (
                "SubscriptionId",
                |_| json!({"type": "string", "pattern": "^0x[0-9a-f]{1,32}$"}),
            ),
            Schema::SubscriptionKind => ("SubscriptionKind", |_| {
                let kinds = ["newHeads", "logs", "newPendingTransactions", "syncing"];
                json!({"type": "string", "enum": kinds})
            }),
            Schema::SubscriptionParams => (
                "SubscriptionParams",
                |all| json!({"anyOf": [all.at(Schema::Filter), all.at(Schema::Bool)]}),
            ),
            Schema::Syncing => ("Syncing", syncing),
            Schema::Text => ("Text", |_| json!({"type": "string"})),
            Schema::TraceTypes => ("TraceTypes", |_| {
                list(json!({"type": "string", "enum": ["trace", "vmTrace", "stateDiff"]}))
            }),
            Schema::TransactionOrNull => ("TransactionOrNull", |all| {
                or_null(all.named("Transaction", transaction))
            }),
            Schema::TransactionRequest => ("TransactionRequest", transaction_request),
        };
        self.named(name, define)
    }

    fn named(&mut self, name: &'static str, define: Define) -> Value {
        if !self.0.contains_key(name) {
            // Before it is defined, since it may refer to itself.
            self.0.insert(name, Value::Null);
            let schema = define(self);
            self.0.insert(name, schema);
        }
        json!({"$ref": format!("#/components/schemas/{name}")})
    }

    fn or_null(&mut self, schema: Schema) -> Value {
        or_null(self.at(schema))
    }
}

fn bytes(length: usize) -> Value {
    json!({"type": "string", "pattern": format!("^0x[0-9a-fA-F]{{{}}}$", 2 * length)})
}

fn list(items: Value) -> Value {
    Value::from_iter([("type", "array".into()), ("items", items)])
}

fn or_null(schema: Value) -> Value {
    Value::from_iter([("anyOf", vec![schema, json!({"type": "null"})])])
}

/// An object that may have other fields, too.
fn object(required: &[&str], properties: Value) -> Value {
    Value::from_iter([
        ("type", "object".into()),
        ("required", required.into()),
        ("properties", properties),
    ])
}

fn block_number(all: &mut Schemas) -> Value {
    let tags = ["latest", "pending", "earliest", "safe", "finalized"];
    json!({"anyOf": [all.at(Schema::Quantity), {"type": "string", "enum": tags}]})
}

fn block_id(all: &mut Schemas) -> Value {
    let (number, hash) = (all.at(Schema::BlockNumber), all.at(Schema::Hash));
    let canonical = all.at(Schema::Bool);
    json!({"anyOf": [
        number,
        hash,
        object(&["blockNumber"], json!({"blockNumber": number})),
        object(&["blockHash"], json!({"blockHash": hash, "requireCanonical": canonical})),
    ]})
}

fn access_list(all: &mut Schemas) -> Value {
    list(object(
        &["address", "storageKeys"],
        json!({
            "address": all.at(Schema::Address),
            "storageKeys": list(all.at(Schema::Hash)),
        }),
    ))
}

fn authorization_list(all: &mut Schemas) -> Value {
    let quantity = all.at(Schema::Quantity);
    list(object(
        &["chainId", "address", "nonce", "yParity", "r", "s"],
        json!({
            "chainId": quantity,
            "address": all.at(Schema::Address),
            "nonce": quantity,
            "yParity": quantity,
            "r": quantity,
            "s": quantity,
        }),
    ))
}

fn transaction_request(all: &mut Schemas) -> Value {
    let (quantity, bytes) = (all.at(Schema::Quantity), all.at(Schema::Bytes));
    object(
        &[],
        json!({
            "type": quantity,
            "chainId": quantity,
            "from": all.at(Schema::Address),
            "to": all.or_null(Schema::Address),
            "nonce": quantity,
            "gas": quantity,
            "gasPrice": quantity,
            "maxFeePerGas": quantity,
            "maxPriorityFeePerGas": quantity,
            "value": quantity,
            "input": bytes,
            "data": bytes,
            "accessList": all.named("AccessList", access_list),
            "authorizationList": all.named("AuthorizationList", authorization_list),
        }),
    )
}

fn transaction(all: &mut Schemas) -> Value {
    let (quantity, address) = (all.at(Schema::Quantity), all.at(Schema::Address));
    let maybe_quantity = all.or_null(Schema::Quantity);
    object(
        &[
            "blockHash",
            "blockNumber",
            "transactionIndex",
            "hash",
            "type",
            "nonce",
            "from",
            "to",
            "gas",
            "gasPrice",
            "value",
            "input",
            "r",
            "s",
        ],
        json!({
            "blockHash": all.or_null(Schema::Hash),
            "blockNumber": maybe_quantity,
            "transactionIndex": maybe_quantity,
            "hash": all.at(Schema::Hash),
            "type": quantity,
            "chainId": maybe_quantity,
            "nonce": quantity,
            "from": address,
            "to": all.or_null(Schema::Address),
            "gas": quantity,
            "gasPrice": quantity,
            "maxFeePerGas": quantity,
            "maxPriorityFeePerGas": quantity,
            "value": quantity,
            "input": all.at(Schema::Bytes),
            "accessList": all.named("AccessList", access_list),
            "authorizationList": all.named("AuthorizationList", authorization_list),
            "v": quantity,
            "yParity": quantity,
            "r": quantity,
            "s": quantity,
        }),
    )
}

fn log(all: &mut Schemas) -> Value {
    let (quantity, hash) = (all.at(Schema::Quantity), all.at(Schema::Hash));
    object(
        &[
            "address",
            "topics",
            "data",
            "blockHash",
            "blockNumber",
            "transactionHash",
            "transactionIndex",
            "logIndex",
            "removed",
        ],
        json!({
            "address": all.at(Schema::Address),
            "topics": {"type": "array", "maxItems": 4, "items": hash},
            "data": all.at(Schema::Bytes),
            "blockHash": hash,
            "blockNumber": quantity,
            "blockTimestamp": quantity,
            "transactionHash": hash,
            "transactionIndex": quantity,
            "logIndex": quantity,
            "removed": all.at(Schema::Bool),
        }),
    )
}

fn receipt(all: &mut Schemas) -> Value {
    let (quantity, hash) = (all.at(Schema::Quantity), all.at(Schema::Hash));
    object(
        &[
            "type",
            "status",
            "cumulativeGasUsed",
            "logs",
            "logsBloom",
            "transactionHash",
            "transactionIndex",
            "blockHash",
            "blockNumber",
            "gasUsed",
            "effectiveGasPrice",
            "from",
            "to",
            "contractAddress",
        ],
        json!({
            "type": quantity,
            "status": quantity,
            "cumulativeGasUsed": quantity,
            "logs": all.at(Schema::Logs),
            "logsBloom": bytes(256),
            "transactionHash": hash,
            "transactionIndex": quantity,
            "blockHash": hash,
            "blockNumber": quantity,
            "gasUsed": quantity,
            "effectiveGasPrice": quantity,
            "from": all.at(Schema::Address),
            "to": all.or_null(Schema::Address),
            "contractAddress": all.or_null(Schema::Address),
        }),
    )
}

/// The fields of a header that every block shows.
const HEADER_FIELDS: &[&str] = &[
    "number",
    "hash",
    "parentHash",
    "sha3Uncles",
    "logsBloom",
    "transactionsRoot",
    "stateRoot",
    "receiptsRoot",
    "miner",
    "difficulty",
    "extraData",
    "gasLimit",
    "gasUsed",
    "timestamp",
    "mixHash",
    "nonce",
];

fn header(all: &mut Schemas) -> Value {
    let (quantity, hash) = (all.at(Schema::Quantity), all.at(Schema::Hash));
    object(
        HEADER_FIELDS,
        json!({
            "number": quantity,
            "hash": hash,
            "parentHash": hash,
            "sha3Uncles": hash,
            "logsBloom": bytes(256),
            "transactionsRoot": hash,
            "stateRoot": hash,
            "receiptsRoot": hash,
            "withdrawalsRoot": hash,
            "parentBeaconBlockRoot": hash,
            "requestsHash": hash,
            "miner": all.at(Schema::Address),
            "difficulty": quantity,
            "extraData": all.at(Schema::Bytes),
            "gasLimit": quantity,
            "gasUsed": quantity,
            "blobGasUsed": quantity,
            "excessBlobGas": quantity,
            "baseFeePerGas": quantity,
            "timestamp": quantity,
            "mixHash": hash,
            "nonce": bytes(8),
        }),
    )
}

fn block(all: &mut Schemas) -> Value {
    let (quantity, hash) = (all.at(Schema::Quantity), all.at(Schema::Hash));
    let header = all.named("Header", header);
    let transaction = all.named("Transaction", transaction);
    let body = object(
        &["size", "transactions", "uncles"],
        json!({
            "size": quantity,
            "transactions": {"anyOf": [list(hash.clone()), list(transaction)]},
            "uncles": list(hash),
            "withdrawals": {"type": "array"},
        }),
    );
    json!({"allOf": [header, body]})
}

fn access_list_result(all: &mut Schemas) -> Value {
    object(
        &["accessList", "gasUsed"],
        json!({
            "accessList": all.named("AccessList", access_list),
            "gasUsed": all.at(Schema::Quantity),
            "error": all.at(Schema::Text),
        }),
    )
}

fn bundles(all: &mut Schemas) -> Value {
    list(object(
        &["transactions"],
        json!({
            "transactions": list(all.at(Schema::TransactionRequest)),
            "blockOverride": all.or_null(Schema::BlockOverrides),
        }),
    ))
}

fn call_results(all: &mut Schemas) -> Value {
    let fields = json!({"value": all.at(Schema::Bytes), "error": all.at(Schema::Text)});
    list(list(object(&[], fields)))
}

fn state_context(all: &mut Schemas) -> Value {
    object(
        &[],
        json!({
            "blockNumber": all.or_null(Schema::Block),
            "transactionIndex": {"type": "integer", "minimum": -1},
        }),
    )
}

fn simulate_payload(all: &mut Schemas) -> Value {
    let flag = all.at(Schema::Bool);
    let block = object(
        &[],
        json!({
            "blockOverrides": all.at(Schema::BlockOverrides),
            "stateOverrides": all.at(Schema::StateOverrides),
            "calls": list(all.at(Schema::TransactionRequest)),
        }),
    );
    object(
        &["blockStateCalls"],
        json!({
            "blockStateCalls": list(block),
            "traceTransfers": flag,
            "validation": flag,
            "returnFullTransactions": flag,
        }),
    )
}

fn simulated_blocks(all: &mut Schemas) -> Value {
    let quantity = all.at(Schema::Quantity);
    let error = object(
        &["code", "message"],
        json!({
            "code": {"type": "integer"},
            "message": all.at(Schema::Text),
            "data": all.at(Schema::Bytes),
        }),
    );
    let call = object(
        &["returnData", "logs", "gasUsed", "status"],
        json!({
            "returnData": all.at(Schema::Bytes),
            "logs": all.at(Schema::Logs),
            "gasUsed": quantity,
            "maxUsedGas": quantity,
            "status": quantity,
            "error": error,
        }),
    );
    let calls = object(&["calls"], json!({"calls": list(call)}));
    list(json!({"allOf": [all.named("BlockObject", block), calls]}))
}

fn fee_history(all: &mut Schemas) -> Value {
    let quantity = all.at(Schema::Quantity);
    let ratio = json!({"type": "number", "minimum": 0, "maximum": 1});
    object(
        // Of no blocks there are no fees.
        &["oldestBlock", "gasUsedRatio"],
        json!({
            "oldestBlock": quantity,
            "baseFeePerGas": list(quantity.clone()),
            "gasUsedRatio": list(ratio.clone()),
            "baseFeePerBlobGas": list(quantity.clone()),
            "blobGasUsedRatio": list(ratio),
            "reward": or_null(list(list(quantity))),
        }),
    )
}

fn proof(all: &mut Schemas) -> Value {
    let (quantity, hash) = (all.at(Schema::Quantity), all.at(Schema::Hash));
    let nodes = list(all.at(Schema::Bytes));
    let slot = object(
        &["key", "value", "proof"],
        json!({"key": all.at(Schema::Slot), "value": quantity, "proof": nodes}),
    );
    object(
        &[
            "address",
            "balance",
            "codeHash",
            "nonce",
            "storageHash",
            "accountProof",
            "storageProof",
        ],
        json!({
            "address": all.at(Schema::Address),
            "balance": quantity,
            "codeHash": hash,
            "nonce": quantity,
            "storageHash": hash,
            "accountProof": nodes,
            "storageProof": list(slot),
        }),
    )
}

fn filter(all: &mut Schemas) -> Value {
    let (address, hash) = (all.at(Schema::Address), all.at(Schema::Hash));
    let number = all.at(Schema::BlockNumber);
    let topic = json!({"anyOf": [{"type": "null"}, hash, list(or_null(hash.clone()))]});
    object(
        &[],
        json!({
            "fromBlock": number,
            "toBlock": number,
            "blockHash": hash,
            "address": {"anyOf": [{"type": "null"}, address, list(address)]},
            "topics": {"type": "array", "maxItems": 4, "items": topic},
        }),
    )
}

fn state_overrides(all: &mut Schemas) -> Value {
    let (quantity, hash) = (all.at(Schema::Quantity), all.at(Schema::Hash));
    let slots = json!({"type": "object", "additionalProperties": hash});
    let account = object(
        &[],
        json!({
            "balance": quantity,
            "nonce": quantity,
            "code": all.at(Schema::Bytes),
            "state": slots,
            "stateDiff": slots,
            "movePrecompileToAddress": all.at(Schema::Address),
        }),
    );
    json!({"type": "object", "additionalProperties": account})
}

fn block_overrides(all: &mut Schemas) -> Value {
    let quantity = all.at(Schema::Quantity);
    object(
        &[],
        json!({
            "number": quantity,
            "difficulty": quantity,
            "time": quantity,
            "gasLimit": quantity,
            "feeRecipient": all.at(Schema::Address),
            "prevRandao": all.at(Schema::Hash),
            "baseFeePerGas": quantity,
            "blockHash": {"type": "object", "additionalProperties": all.at(Schema::Hash)},
        }),
    )
}

/// What waits for a block, and what waits for a nonce or for funds: `item`s by nonce in decimal,
/// by what `group` groups them.
fn pool(group: &dyn Fn(Value) -> Value, item: &Value) -> Value {
    let nonce = json!({"pattern": "^[0-9]+$"});
    let part = group(json!({
        "type": "object",
        "propertyNames": nonce,
        "additionalProperties": item,
    }));
    object(
        &["pending", "queued"],
        json!({"pending": part, "queued": part}),
    )
}

fn by_sender(transactions: &Value) -> Value {
    json!({"type": "object", "additionalProperties": transactions})
}

fn node_info(all: &mut Schemas) -> Value {
    let (text, hash) = (all.at(Schema::Text), all.at(Schema::Hash));
    let port = json!({"type": "integer", "minimum": 0, "maximum": 65535});
    let eth = object(
        &["network", "genesis", "config", "head"],
        json!({
            "network": {"type": "integer"},
            "difficulty": all.or_null(Schema::Quantity),
            "genesis": hash,
            "config": all.at(Schema::Object),
            "head": hash,
        }),
    );
    object(
        &[
            "id",
            "name",
            "enode",
            "enr",
            "ip",
            "ports",
            "listenAddr",
            "protocols",
        ],
        json!({
            "id": text,
            "name": text,
            "enode": text,
            "enr": text,
            "ip": text,
            "ports": object(&["discovery", "listener"], json!({"discovery": port, "listener": port})),
            "listenAddr": text,
            "protocols": object(&["eth"], json!({"eth": eth})),
        }),
    )
}

fn syncing(all: &mut Schemas) -> Value {
    let quantity = all.at(Schema::Quantity);
    let progress = object(
        &["startingBlock", "currentBlock", "highestBlock"],
        json!({"startingBlock": quantity, "currentBlock": quantity, "highestBlock": quantity}),
    );
    json!({"anyOf": [{"type": "boolean", "const": false}, progress]})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            Value::Object(fields) => {
                for (name, field) in fields {
                    match field.as_str().filter(|_| name == "$ref") {
                        Some(target) => found.push(target),
                        None => references(field, found),
                    }
                }
            }
            _ => {}
        }
    }

    #[test]
    fn every_reference_leads_to_a_schema() {
        let document = document(Namespaces::ALL);
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > doc::all().count());
        for target in found {
            let schema = target
                .strip_prefix('#')
                .and_then(|pointer| document.pointer(pointer));
            assert!(schema.is_some_and(Value::is_object), "{target}");
        }
    }

    #[test]
    fn a_listener_describes_only_what_it_serves() {
        let names = |document: &Value| -> Vec<String> {
            let methods = document["methods"].as_array().expect("a list");
            let names = methods.iter().map(|method| method["name"].as_str());
            names.map(|name| name.expect("a name").to_owned()).collect()
        };
        let web3 = document("web3".parse().expect("a namespace"));
        assert_eq!(names(&web3), ["web3_clientVersion", "web3_sha3"]);
        let schemas = web3["components"]["schemas"].as_object().expect("schemas");
        assert!(schemas.keys().eq(["Bytes", "Hash", "Text"]));
        let public = names(&document(Namespaces::PUBLIC));
        assert!(public.contains(&"clique_status".to_owned()));
        assert!(!public.contains(&"clique_propose".to_owned()));
    }

    #[test]
    fn a_method_is_described_in_full() {
        let document = document(Namespaces::ALL);
        let methods = document["methods"].as_array().expect("a list");
        let method = methods
            .iter()
            .find(|method| method["name"] == "eth_getBalance");
        assert_eq!(
            method.expect("a method"),
            &json!({
                "name": "eth_getBalance",
                "summary": "The balance of an account in wei.",
                "paramStructure": "by-position",
                "params": [
                    {
                        "name": "address",
                        "required": true,
                        "schema": {"$ref": "#/components/schemas/Address"},
                    },
                    {
                        "name": "block",
                        "required": false,
                        "schema": {"$ref": "#/components/schemas/Block"},
                    },
                ],
                "result": {
                    "name": "result",
                    "schema": {"$ref": "#/components/schemas/Quantity"},
                },
            })
        );
    }
}
