//! What clients send.

use serde_json::{Value, json};

use super::schemas::{Schemas, list, object, or_null};
use crate::doc::Schema;

pub(super) fn block_number(all: &mut Schemas) -> Value {
    let tags = ["latest", "pending", "earliest", "safe", "finalized"];
    json!({"anyOf": [all.at(Schema::Quantity), {"type": "string", "enum": tags}]})
}

pub(super) fn block_id(all: &mut Schemas) -> Value {
    let (number, hash) = (all.at(Schema::BlockNumber), all.at(Schema::Hash));
    let canonical = all.at(Schema::Bool);
    json!({"anyOf": [
        number,
        hash,
        object(&["blockNumber"], json!({"blockNumber": number})),
        object(&["blockHash"], json!({"blockHash": hash, "requireCanonical": canonical})),
    ]})
}

pub(super) fn access_list(all: &mut Schemas) -> Value {
    list(object(
        &["address", "storageKeys"],
        json!({
            "address": all.at(Schema::Address),
            "storageKeys": list(all.at(Schema::Hash)),
        }),
    ))
}

pub(super) fn authorization_list(all: &mut Schemas) -> Value {
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

pub(super) fn transaction_request(all: &mut Schemas) -> Value {
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

pub(super) fn bundles(all: &mut Schemas) -> Value {
    list(object(
        &["transactions"],
        json!({
            "transactions": list(all.at(Schema::TransactionRequest)),
            "blockOverride": all.or_null(Schema::BlockOverrides),
        }),
    ))
}

pub(super) fn state_context(all: &mut Schemas) -> Value {
    object(
        &[],
        json!({
            "blockNumber": all.or_null(Schema::Block),
            "transactionIndex": {"type": "integer", "minimum": -1},
        }),
    )
}

pub(super) fn simulate_payload(all: &mut Schemas) -> Value {
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

pub(super) fn filter(all: &mut Schemas) -> Value {
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

pub(super) fn state_overrides(all: &mut Schemas) -> Value {
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

pub(super) fn block_overrides(all: &mut Schemas) -> Value {
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
