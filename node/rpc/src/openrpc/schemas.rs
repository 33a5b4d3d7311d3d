//! The schemas that the document refers to.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    requests::{
        block_id, block_number, block_overrides, bundles, filter, simulate_payload, state_context,
        state_overrides, transaction_request,
    },
    results::{
        access_list_result, block, by_sender, call_results, fee_history, header, log, node_info,
        pool, proof, receipt, simulated_blocks, syncing, transaction,
    },
};
use crate::doc::Schema;

/// The schemas that the document refers to, by name.
#[derive(Default)]
pub(super) struct Schemas(BTreeMap<&'static str, Value>);

/// Makes a schema, which may refer to others.
type Define = fn(&mut Schemas) -> Value;

impl Schemas {
    /// All that were defined.
    pub(super) fn defined(self) -> Value {
        json!(self.0)
    }

    /// A reference to a schema, which is defined if it was not.
    pub(super) fn at(&mut self, schema: Schema) -> Value {
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

    pub(super) fn named(&mut self, name: &'static str, define: Define) -> Value {
        if !self.0.contains_key(name) {
            // Before it is defined, since it may refer to itself.
            self.0.insert(name, Value::Null);
            let schema = define(self);
            self.0.insert(name, schema);
        }
        json!({"$ref": format!("#/components/schemas/{name}")})
    }

    pub(super) fn or_null(&mut self, schema: Schema) -> Value {
        or_null(self.at(schema))
    }
}

pub(super) fn bytes(length: usize) -> Value {
    json!({"type": "string", "pattern": format!("^0x[0-9a-fA-F]{{{}}}$", 2 * length)})
}

pub(super) fn list(items: Value) -> Value {
    Value::from_iter([("type", "array".into()), ("items", items)])
}

pub(super) fn or_null(schema: Value) -> Value {
    Value::from_iter([("anyOf", vec![schema, json!({"type": "null"})])])
}

/// An object that may have other fields, too.
pub(super) fn object(required: &[&str], properties: Value) -> Value {
    Value::from_iter([
        ("type", "object".into()),
        ("required", required.into()),
        ("properties", properties),
    ])
}
