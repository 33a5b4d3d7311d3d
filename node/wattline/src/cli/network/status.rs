//! Where the nodes are, by what they answer.

use std::time::Duration;

use alloy::{
    rpc::client::RpcClient,
    transports::{TransportResult, http::reqwest::Url},
};
use alloy_primitives::{B256, U64};
use eyre::WrapErr;
use futures::future::join_all;
use serde::Deserialize;
use serde_json::Value;

use super::{directory::NodeDir, process::Ended};

/// How long a node may take to answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// A node that is asked from time to time.
pub(super) struct Watched {
    name: String,
    is_validator: bool,
    client: RpcClient,
    /// What it answered the last time, if it did.
    seen: Option<Seen>,
    /// How its process ended.
    ended: Option<String>,
}

/// What a node says of itself.
struct Seen {
    head: Block,
    last_final: Block,
    peers: U64,
    agreement: Option<Agreement>,
    pool: Pool,
}

#[derive(Debug, Deserialize)]
struct Block {
    number: U64,
    hash: B256,
}

#[derive(Debug, Deserialize)]
struct Agreement {
    epoch: U64,
    committee: Vec<Value>,
    votes: bool,
    reason: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Pool {
    pending: U64,
    queued: U64,
}

impl Watched {
    /// A node that was started.
    ///
    /// # Errors
    ///
    /// None does: the address is valid.
    pub(super) fn new(node: &NodeDir) -> eyre::Result<Self> {
        let url: Url = node.url().parse().wrap_err("the node has no address")?;
        Ok(Self {
            name: node.name.clone(),
            is_validator: node.is_validator,
            client: RpcClient::new_http(url),
            seen: None,
            ended: None,
        })
    }

    /// Its process has ended.
    pub(super) fn ended(&mut self, ended: &Ended) {
        self.ended = Some(ended.how());
    }

    /// Whether it is the node `name`, and answers.
    pub(super) fn answers_as(&self, name: &str) -> bool {
        self.name == name && self.seen.is_some()
    }

    async fn look(&mut self) {
        let answer = tokio::time::timeout(PATIENCE, ask(&self.client)).await;
        self.seen = answer.ok().and_then(Result::ok);
    }

    /// Where it is, in one line.
    pub(super) fn line(&self) -> String {
        let Self { name, .. } = self;
        match (&self.seen, &self.ended) {
            // Somebody may have started it again.
            (Some(seen), _) => format!("{name:<13} {}", seen.told(self.is_validator)),
            (None, Some(how)) => format!("{name:<13} ended: {how}"),
            (None, None) => format!("{name:<13} does not answer"),
        }
    }
}

impl Seen {
    fn told(&self, is_validator: bool) -> String {
        let Self { head, pool, .. } = self;
        let hash = head.hash.to_string();
        let agreement = self.agreement.as_ref();
        let role = agreement.map(|agreement| agreement.told(is_validator));
        format!(
            "head {:<7} {}  final {:<7} peers {:<2} pool {:<11} {}",
            head.number,
            hash.get(..10).unwrap_or_default(),
            self.last_final.number,
            self.peers,
            format!("{} + {}", pool.pending, pool.queued),
            role.unwrap_or_default()
        )
    }
}

impl Agreement {
    fn told(&self, is_validator: bool) -> String {
        let does = match &self.reason {
            _ if self.votes => "votes".to_owned(),
            // That an observer follows needs no reason.
            Some(reason) if is_validator => format!("follows: {reason}"),
            _ => "follows".to_owned(),
        };
        format!(
            "epoch {}, committee of {}, {does}",
            self.epoch,
            self.committee.len()
        )
    }
}

/// Asks all nodes.
pub(super) async fn look(nodes: &mut [Watched]) {
    join_all(nodes.iter_mut().map(Watched::look)).await;
}

async fn ask(client: &RpcClient) -> TransportResult<Seen> {
    let (head, last_final, peers, agreement, pool) = tokio::try_join!(
        client.request("eth_getBlockByNumber", ("latest", false)),
        client.request("eth_getBlockByNumber", ("finalized", false)),
        client.request_noparams("net_peerCount"),
        client.request_noparams("consensus_status"),
        client.request_noparams("txpool_status"),
    )?;
    Ok(Seen {
        head,
        last_final,
        peers,
        agreement,
        pool,
    })
}
