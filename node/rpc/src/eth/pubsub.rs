//! Subscriptions, pushed over WebSocket: new heads, logs, transactions that become executable and
//! how far the node is behind.

use std::{convert::Infallible, sync::Arc, time::Duration};

use alloy_rpc_types_eth::{
    Filter, SyncStatus,
    pubsub::{PubSubSyncStatus, SyncStatusMetadata},
};
use jsonrpsee::{
    PendingSubscriptionSink, SendTimeoutError, SubscriptionSink,
    core::{SubscriptionResult, async_trait, to_json_raw_value},
    proc_macros::rpc,
    types::{
        ErrorObjectOwned,
        error::{INVALID_PARAMS_CODE, METHOD_NOT_FOUND_CODE},
    },
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use tokio::sync::broadcast::{Receiver, error::RecvError};
use wattline_chain::CanonicalUpdate;
use wattline_pool::PooledTransaction;

use super::{blocks::sync_status, logs::check_alternatives};
use crate::shared::{backend::Backend, convert, header::RpcHeader};

/// How often a `syncing` subscription looks whether the node is behind.
const SYNC_LOOK: Duration = Duration::from_secs(1);

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
pub(super) fn methods(backend: Backend) -> impl Into<jsonrpsee::Methods> {
    PubSubServer::into_rpc(Handler(backend))
}

struct Handler(Backend);

/// What a client wants to hear of, and where it comes from.
enum Topic {
    NewHeads(Receiver<Arc<CanonicalUpdate>>),
    Logs(Receiver<Arc<CanonicalUpdate>>, Box<Filter>),
    /// Whole transactions or their hashes.
    Transactions(Receiver<Arc<PooledTransaction>>, bool),
    Syncing(Backend),
}

/// Why a subscription ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Closed,
    Shutdown,
    Slow,
}

impl End {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Shutdown => "shutdown",
            Self::Slow => "slow",
        }
    }
}

#[async_trait]
impl PubSubServer for Handler {
    async fn subscribe(
        &self,
        pending: PendingSubscriptionSink,
        kind: String,
        params: Option<Box<RawValue>>,
    ) -> SubscriptionResult {
        // Listening from before the client hears that it is subscribed, so that it misses nothing
        // after.
        let topic = match self.topic(&kind, params.as_deref()) {
            Ok(topic) => topic,
            Err(error) => {
                pending.reject(error).await;
                return Ok(());
            }
        };
        let sink = Sink {
            sink: pending.accept().await?,
            patience: self.0.server_limits().write_timeout,
        };
        let end = match sink.forward(topic).await {
            Ok(never) => match never {},
            Err(end) => end,
        };
        wattline_rpc_server::metrics::subscription_ended(end.as_str());
        match end {
            End::Slow => Err("the client does not keep up with the chain: subscribe again".into()),
            End::Closed | End::Shutdown => Ok(()),
        }
    }
}

impl Handler {
    fn topic(&self, kind: &str, params: Option<&RawValue>) -> Result<Topic, ErrorObjectOwned> {
        match kind {
            "newHeads" => Ok(Topic::NewHeads(self.0.chain().subscribe())),
            "logs" => {
                let filter: Option<Box<Filter>> = parse(params, "log filter")?;
                let filter = filter.unwrap_or_default();
                check_alternatives(&filter, self.0.limits())?;
                Ok(Topic::Logs(self.0.chain().subscribe(), filter))
            }
            "newPendingTransactions" => {
                let full: Option<bool> = parse(params, "choice of whole transactions")?;
                let transactions = self.0.pool().subscribe();
                Ok(Topic::Transactions(transactions, full.unwrap_or_default()))
            }
            "syncing" => Ok(Topic::Syncing(self.0.clone())),
            other => Err(ErrorObjectOwned::owned(
                METHOD_NOT_FOUND_CODE,
                format!(
                    "no \"{}\" subscription in eth namespace: expected newHeads, logs, \
                     newPendingTransactions or syncing",
                    other.chars().take(64).collect::<String>()
                ),
                None::<()>,
            )),
        }
    }
}

/// The second parameter, if it is there.
fn parse<T: DeserializeOwned>(
    params: Option<&RawValue>,
    what: &str,
) -> Result<Option<T>, ErrorObjectOwned> {
    let text = params.map_or("null", RawValue::get);
    serde_json::from_str(text).map_err(|error| {
        let message = format!("invalid {what}: {error}");
        let message: String = message.chars().take(300).collect();
        ErrorObjectOwned::owned(INVALID_PARAMS_CODE, message, None::<()>)
    })
}

/// What is pushed when the node falls behind its peers, or has caught up.
fn pushed(status: SyncStatus) -> PubSubSyncStatus {
    match status {
        SyncStatus::None => PubSubSyncStatus::Simple(false),
        SyncStatus::Info(progress) => PubSubSyncStatus::Detailed(SyncStatusMetadata {
            syncing: true,
            starting_block: progress.starting_block.saturating_to(),
            current_block: progress.current_block.saturating_to(),
            highest_block: Some(progress.highest_block.saturating_to()),
        }),
    }
}

/// A subscriber, who may take some time to read.
struct Sink {
    sink: SubscriptionSink,
    patience: Duration,
}

impl Sink {
    /// Sends what comes until the client leaves or does not keep up. Neither chain nor pool wait
    /// for this: a client that falls behind by more than their channels hold has missed some, and
    /// is better told so by the end of its subscription.
    async fn forward(&self, topic: Topic) -> Result<Infallible, End> {
        match topic {
            Topic::NewHeads(mut updates) => loop {
                self.send_heads(&*self.next(&mut updates).await?).await?;
            },
            Topic::Logs(mut updates, filter) => loop {
                let update = self.next(&mut updates).await?;
                self.send_logs(&update, &filter).await?;
            },
            Topic::Transactions(mut transactions, full) => loop {
                let transaction = self.next(&mut transactions).await?;
                if full {
                    let transaction = convert::pooled_transaction(&transaction);
                    self.send(&transaction).await?;
                } else {
                    self.send(&transaction.hash()).await?;
                }
            },
            Topic::Syncing(backend) => {
                let mut told = None;
                let mut looks = tokio::time::interval(SYNC_LOOK);
                loop {
                    let status = sync_status(&backend);
                    let syncing = matches!(status, SyncStatus::Info(_));
                    if told != Some(syncing) {
                        self.send(&pushed(status)).await?;
                        told = Some(syncing);
                    }
                    tokio::select! {
                        () = self.sink.closed() => return Err(End::Closed),
                        _ = looks.tick() => {}
                    }
                }
            }
        }
    }

    async fn next<T: Clone>(&self, receiver: &mut Receiver<T>) -> Result<T, End> {
        tokio::select! {
            () = self.sink.closed() => Err(End::Closed),
            next = receiver.recv() => next.map_err(|error| match error {
                RecvError::Closed => End::Shutdown,
                RecvError::Lagged(_) => End::Slow,
            }),
        }
    }

    async fn send_heads(&self, update: &CanonicalUpdate) -> Result<(), End> {
        for block in &update.committed {
            let header = RpcHeader::new(block.block.clone_sealed_header());
            self.send(&header).await?;
        }
        Ok(())
    }

    async fn send_logs(&self, update: &CanonicalUpdate, filter: &Filter) -> Result<(), End> {
        for block in &update.committed {
            let wanted = |log: &_| filter.matches(log);
            for log in convert::logs(&block.block, &block.receipts, wanted) {
                self.send(&log).await?;
            }
        }
        Ok(())
    }

    /// Queues one notification, for which a slow client may take some time to make room.
    async fn send(&self, item: &(impl Serialize + Sync)) -> Result<(), End> {
        let json = match to_json_raw_value(item) {
            Ok(json) => json,
            Err(error) => {
                tracing::error!(%error, "cannot write a notification");
                return Ok(());
            }
        };
        let sent = self.sink.send_timeout(json, self.patience).await;
        sent.map_err(|error| match error {
            SendTimeoutError::Timeout(_) => End::Slow,
            SendTimeoutError::Closed(_) => End::Closed,
        })
    }
}
