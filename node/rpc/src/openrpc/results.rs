//! What the node answers.

use serde_json::{Value, json};

use super::{
    requests::{access_list, authorization_list},
    schemas::{Schemas, bytes, list, object, or_null},
};
use crate::doc::Schema;

pub(super) fn transaction(all: &mut Schemas) -> Value {
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

pub(super) fn log(all: &mut Schemas) -> Value {
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

pub(super) fn receipt(all: &mut Schemas) -> Value {
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
pub(super) const HEADER_FIELDS: &[&str] = &[
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

pub(super) fn header(all: &mut Schemas) -> Value {
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

pub(super) fn block(all: &mut Schemas) -> Value {
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

pub(super) fn access_list_result(all: &mut Schemas) -> Value {
    object(
        &["accessList", "gasUsed"],
        json!({
            "accessList": all.named("AccessList", access_list),
            "gasUsed": all.at(Schema::Quantity),
            "error": all.at(Schema::Text),
        }),
    )
}

pub(super) fn call_results(all: &mut Schemas) -> Value {
    let fields = json!({"value": all.at(Schema::Bytes), "error": all.at(Schema::Text)});
    list(list(object(&[], fields)))
}

pub(super) fn simulated_blocks(all: &mut Schemas) -> Value {
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

pub(super) fn fee_history(all: &mut Schemas) -> Value {
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

pub(super) fn proof(all: &mut Schemas) -> Value {
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

/// What waits for a block, and what waits for a nonce or for funds: `item`s by nonce in decimal,
/// by what `group` groups them.
pub(super) fn pool(group: &dyn Fn(Value) -> Value, item: &Value) -> Value {
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

pub(super) fn by_sender(transactions: &Value) -> Value {
    json!({"type": "object", "additionalProperties": transactions})
}

pub(super) fn node_info(all: &mut Schemas) -> Value {
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

pub(super) fn syncing(all: &mut Schemas) -> Value {
    let quantity = all.at(Schema::Quantity);
    let progress = object(
        &["startingBlock", "currentBlock", "highestBlock"],
        json!({"startingBlock": quantity, "currentBlock": quantity, "highestBlock": quantity}),
    );
    json!({"anyOf": [{"type": "boolean", "const": false}, progress]})
}
