//! Subscriptions: new heads and logs, pushed over WebSocket.

use std::sync::Arc;

use alloy_rpc_types_eth::Filter;
use jsonrpsee::{
    PendingSubscriptionSink, SubscriptionSink,
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
use crate::{convert, node::Node};

#[rpc(server, namespace = "eth")]
trait PubSub {
    #[subscription(
        name = "subscribe" => "subscription",
        unsubscribe = "unsubscribe",
        item = serde_json::Value
    )]
    async fn subscribe(&self, kind: String, params: Option<Box<RawValue>>) -> SubscriptionResult;
}

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
        let reason = forward(sink, updates, &topic).await;
        metrics::counter!("wattline_rpc_subscriptions_ended_total", "reason" => reason)
            .increment(1);
        Ok(())
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

/// Sends updates until the client leaves or does not keep up; says which.
async fn forward(
    mut sink: SubscriptionSink,
    mut updates: Receiver<Arc<CanonicalUpdate>>,
    topic: &Topic,
) -> &'static str {
    loop {
        let update = tokio::select! {
            () = sink.closed() => return "closed",
            update = updates.recv() => match update {
                Ok(update) => update,
                Err(RecvError::Closed) => return "shutdown",
                // The client's connection was too slow for the chain.
                Err(RecvError::Lagged(_)) => return "slow",
            },
        };
        let sent = match topic {
            Topic::NewHeads => send_heads(&mut sink, &update),
            Topic::Logs(filter) => send_logs(&mut sink, &update, filter),
        };
        if !sent {
            return "slow";
        }
    }
}

fn send_heads(sink: &mut SubscriptionSink, update: &CanonicalUpdate) -> bool {
    update
        .committed
        .iter()
        .all(|block| send(sink, &convert::header(block.block.clone_sealed_header())))
}

/// Logs that are no longer on the chain first, marked as removed, then the new ones.
fn send_logs(sink: &mut SubscriptionSink, update: &CanonicalUpdate, filter: &Filter) -> bool {
    let removed = update.reverted.iter().map(|block| (block, true));
    let added = update.committed.iter().map(|block| (block, false));
    removed.chain(added).all(|(block, removed)| {
        let wanted = |log: &_| filter.matches(log);
        let mut logs = convert::logs(&block.block, &block.receipts, removed, wanted);
        logs.all(|log| send(sink, &log))
    })
}

/// Queues one notification; false if there is no room or nobody to receive it.
fn send(sink: &mut SubscriptionSink, item: &impl Serialize) -> bool {
    match to_json_raw_value(item) {
        Ok(json) => sink.try_send(json).is_ok(),
        Err(error) => {
            tracing::error!(%error, "cannot write a notification");
            false
        }
    }
}
