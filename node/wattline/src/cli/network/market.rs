//! A neighbourhood that trades on the network.

use std::net::{Ipv4Addr, SocketAddr};

use tokio_util::sync::CancellationToken;

use super::{directory::Directory, screen::Screen};
use crate::market::{Market, MarketConfig};

/// Length of a delivery interval on the chain, in seconds.
const INTERVAL_SECONDS: u32 = 15;

/// A market that is ready to be played on a network.
pub(super) struct NetworkMarket {
    market: Market,
    node: String,
    rpc: SocketAddr,
}

impl NetworkMarket {
    /// Reads its data and chooses the node: an observer, so that the validators are left alone.
    ///
    /// # Errors
    ///
    /// When the data cannot be read.
    pub(super) fn new(directory: &Directory) -> eyre::Result<Self> {
        let nodes = directory.nodes();
        let node = nodes.iter().find(|node| !node.is_validator);
        let node = node.or(nodes.first());
        let node = node.ok_or_else(|| eyre::eyre!("the network has no nodes"))?;
        let market = Market::new(MarketConfig {
            data: None,
            from: None,
            intervals: None,
            interval_seconds: INTERVAL_SECONDS,
            seed: 1,
            report: None,
            outbox: directory.path().join("meterd").join("outbox.redb"),
        })?;
        Ok(Self {
            market,
            node: node.name.clone(),
            rpc: SocketAddr::from((Ipv4Addr::LOCALHOST, node.ports.rpc)),
        })
    }

    /// The node through which it trades.
    pub(super) fn node(&self) -> &str {
        &self.node
    }

    /// Plays it until it is over or `stop`. What makes it fail is said, and the network goes on.
    pub(super) async fn play(self, screen: Screen, stop: CancellationToken) {
        let say = {
            let screen = screen.clone();
            move |text: &str| screen.say(text)
        };
        match self.market.play(self.rpc, say, stop).await {
            Ok(()) => screen.say("the market has ended"),
            Err(report) => screen.say(&format!("the market has ended: {report:#}")),
        }
    }
}
