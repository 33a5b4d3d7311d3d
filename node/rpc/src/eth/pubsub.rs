//! Subscriptions: new heads and logs, pushed over WebSocket.

use std::{sync::Arc, time::Duration};

use alloy_rpc_types_eth::Filter;
use jsonrpsee::{
    PendingSubscriptionSink, SendTimeoutError, SubscriptionSink,
    core::{SubscriptionResult, async_trait, to_json_raw_value},
    proc_macros::rpc,
    types::{
        ErrorObjectOwned,
        error::{INVALID_PARAMS_CODE, METHOD_NOT_FOUND_CODE},
    },
};
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::broadcast::{Receiver, error::RecvError};
use wattline_chain::CanonicalUpdate;

use super::logs::check_alternatives;
use crate::{
    convert,
    doc::{Method, Schema, optional, required},
    node::Node,
};

#[rpc(server, namespace = "eth")]
trait PubSub {
    #[subscription(
        name = "subscribe" => "subscription",
        unsubscribe = "unsubscribe",
        item = serde_json::Value
    )]
    async fn subscribe(&self, kind: String, params: Option<Box<RawValue>>) -> SubscriptionResult;
}

/// The methods of this file, described.
pub(super) const DOCS: &[Method] = &[
    Method {
        name: "eth_subscribe",
        summary: "Tells of new heads or logs as they come.",
        params: &[
            required("\"newHeads\" or \"logs\"", Schema::SubscriptionKind),
            optional("log filter", Schema::Filter),
        ],
        result: Schema::SubscriptionId,
    },
    Method {
        name: "eth_unsubscribe",
        summary: "Ends a subscription.",
        params: &[required("subscription id", Schema::SubscriptionId)],
        result: Schema::Bool,
    },
];

/// The methods of this file.
pub(super) fn methods(node: Node) -> impl Into<jsonrpsee::Methods> {
    PubSubServer::into_rpc(Handler(node))
}

struct Handler(Node);

/// What a client wants to hear of.
enum Topic {
    NewHeads,
    Logs(Box<Filter>),
}

#[async_trait]
impl PubSubServer for Handler {
    async fn subscribe(
        &self,
        pending: PendingSubscriptionSink,
        kind: String,
        params: Option<Box<RawValue>>,
    ) -> SubscriptionResult {
        let topic = match self.topic(&kind, params.as_deref()) {
            Ok(topic) => topic,
            Err(error) => {
                pending.reject(error).await;
                return Ok(());
            }
        };
        // Before the client hears that it is subscribed, so that it misses nothing after.
        let updates = self.0.chain().subscribe();
        let sink = pending.accept().await?;
        let reason = forward(&sink, updates, &topic, self.0.limits().write_timeout).await;
        ::metrics::counter!(crate::metrics::SUBSCRIPTIONS_ENDED, "reason" => reason).increment(1);
        match reason {
            "slow" => Err("the client does not keep up with the chain: subscribe again".into()),
            _ => Ok(()),
        }
    }
}

impl Handler {
    fn topic(&self, kind: &str, params: Option<&RawValue>) -> Result<Topic, ErrorObjectOwned> {
        match kind {
            "newHeads" => Ok(Topic::NewHeads),
            "logs" => {
                let text = params.map_or("{}", RawValue::get);
                let filter: Filter = serde_json::from_str(text).map_err(|error| {
                    ErrorObjectOwned::owned(
                        INVALID_PARAMS_CODE,
                        format!("invalid log filter: {error}"),
                        None::<()>,
                    )
                })?;
                check_alternatives(&filter, self.0.limits())?;
                Ok(Topic::Logs(Box::new(filter)))
            }
            other => Err(ErrorObjectOwned::owned(
                METHOD_NOT_FOUND_CODE,
                format!(
                    "no \"{}\" subscription in eth namespace: expected newHeads or logs",
                    other.chars().take(64).collect::<String>()
                ),
                None::<()>,
            )),
        }
    }
}

/// Sends updates until the client leaves or does not keep up; says which. The chain does not wait
/// for this: a client that falls behind by more updates than the chain's channel holds has
/// missed some, and is better told so by the end of its subscription.
async fn forward(
    sink: &SubscriptionSink,
    mut updates: Receiver<Arc<CanonicalUpdate>>,
    topic: &Topic,
    patience: Duration,
) -> &'static str {
    loop {
        let update = tokio::select! {
            () = sink.closed() => return "closed",
            update = updates.recv() => match update {
                Ok(update) => update,
                Err(RecvError::Closed) => return "shutdown",
                Err(RecvError::Lagged(_)) => return "slow",
            },
        };
        let sent = match topic {
            Topic::NewHeads => send_heads(sink, &update, patience).await,
            Topic::Logs(filter) => send_logs(sink, &update, filter, patience).await,
        };
        match sent {
            Ok(()) => {}
            Err(SendTimeoutError::Timeout(_)) => return "slow",
            Err(SendTimeoutError::Closed(_)) => return "closed",
        }
    }
}

async fn send_heads(
    sink: &SubscriptionSink,
    update: &CanonicalUpdate,
    patience: Duration,
) -> Result<(), SendTimeoutError> {
    for block in &update.committed {
        let header = convert::header(block.block.clone_sealed_header());
        send(sink, &header, patience).await?;
    }
    Ok(())
}

/// Logs that are no longer on the chain first, marked as removed, then the new ones.
async fn send_logs(
    sink: &SubscriptionSink,
    update: &CanonicalUpdate,
    filter: &Filter,
    patience: Duration,
) -> Result<(), SendTimeoutError> {
    let removed = update.reverted.iter().map(|block| (block, true));
    let added = update.committed.iter().map(|block| (block, false));
    for (block, removed) in removed.chain(added) {
        let wanted = |log: &_| filter.matches(log);
        for log in convert::logs(&block.block, &block.receipts, removed, wanted) {
            send(sink, &log, patience).await?;
        }
    }
    Ok(())
}

/// Queues one notification, for which a slow client may take some time to make room.
async fn send(
    sink: &SubscriptionSink,
    item: &(impl Serialize + Sync),
    patience: Duration,
) -> Result<(), SendTimeoutError> {
    match to_json_raw_value(item) {
        Ok(json) => sink.send_timeout(json, patience).await,
        Err(error) => {
            tracing::error!(%error, "cannot write a notification");
            Ok(())
        }
    }
}
