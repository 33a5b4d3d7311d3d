//! What peers tell each other of themselves: at once when they connect, and every few seconds.
//!
//! The handshake says who a peer is, not which chain it follows: a namespace that differs would end
//! it without a word. So every node says so itself, and peers of another chain are left with that
//! reason. The same message feeds what RPC tells of peers, the target of a node that catches up, and
//! the watch over this machine's clock.

mod clock;
mod message;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, SystemTime},
};

use alloy_primitives::B256;
use commonware_cryptography::ed25519::PublicKey;
use commonware_p2p::{Blocker, CheckedSender as _, Receiver, Recipients, Sender};
use commonware_runtime::{Clock, Spawner};
use commonware_utils::SystemTimeExt as _;
use tokio::sync::watch;
use tracing::{debug, warn};

use crate::{
    blocker::{PeerBlocker, Reason},
    peers::{PeerStatus, PeersHandle, Tip},
};
use clock::Watchman;

pub(crate) use clock::millis;
pub use message::{PROTOCOL_VERSION, STATUS_BYTES, Status, StatusError};

/// How often a node looks who is connected.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Tells the peers how this node is, and listens how they are.
pub(crate) struct Statuses<S, R, B> {
    pub(crate) sender: S,
    pub(crate) receiver: R,
    pub(crate) blocker: PeerBlocker<B>,
    pub(crate) peers: PeersHandle,
    pub(crate) tip: watch::Receiver<Tip>,
    /// Peers of another chain, which chain that is, and when they said so. They are left a moment
    /// later, so that they hear the same of this node and not only lose a connection.
    pub(crate) foreign: BTreeMap<PublicKey, (B256, SystemTime)>,
}

impl<S, R, B> Statuses<S, R, B>
where
    S: Sender<PublicKey = PublicKey>,
    R: Receiver<PublicKey = PublicKey>,
    B: Blocker<PublicKey = PublicKey>,
{
    pub(crate) async fn run<E: Spawner + Clock>(mut self, context: E) {
        let mut stopped = context.stopped();
        let mut watchman = Watchman::default();
        let mut look_at = context.current();
        loop {
            tokio::select! {
                biased;
                _ = &mut stopped => return,
                () = context.sleep_until(look_at) => {
                    look_at = context.current().saturating_add_ext(LOOK_EVERY);
                    self.look(&context);
                    watchman.look(&self.peers, context.current());
                }
                received = self.receiver.recv() => match received {
                    Ok((peer, message)) => {
                        self.hear(&context, &peer, message.as_ref());
                        self.tell(&context);
                    }
                    Err(_) => return,
                },
            }
        }
    }

    /// Notices who came and went.
    fn look<E: Clock>(&mut self, context: &E) {
        // Only a sender knows who is connected, and leaves out whom it may not send to yet: the
        // channel's quota is large enough for this look and all messages.
        if let Ok(checked) = self.sender.check(Recipients::All) {
            let connected: BTreeSet<_> = checked.recipients().into_iter().collect();
            self.peers.set_connected(&connected, context.current());
        }
        self.tell(context);
        self.leave_foreign(context.current());
    }

    /// Leaves the peers of other chains that have been told so.
    fn leave_foreign(&mut self, now: SystemTime) {
        let ours = self.peers.local().chain;
        self.foreign.retain(|peer, (theirs, said)| {
            let is_told = now
                .duration_since(*said)
                .map_or(true, |passed| passed >= LOOK_EVERY);
            if is_told {
                let theirs = *theirs;
                self.blocker
                    .leave(peer, &Reason::WrongChain { theirs, ours });
            }
            !is_told
        });
    }

    /// Sends a status to those that have waited long enough for it, newcomers first of all.
    fn tell<E: Clock>(&mut self, context: &E) {
        let now = context.current();
        let due = self.peers.due_for_status(now);
        if due.is_empty() {
            return;
        }
        let mut tip = *self.tip.borrow();
        tip.certified = tip.certified.max(tip.number);
        let status = Status {
            chain: self.peers.local().chain,
            tip,
            time: clock::millis(now),
        };
        self.sender
            .send(Recipients::Some(due), status.encode(), true);
    }

    fn hear<E: Clock>(&mut self, context: &E, peer: &PublicKey, message: &[u8]) {
        let now = context.current();
        let ours = self.peers.local().chain;
        match Status::decode(message) {
            Ok(status) if status.chain != ours => {
                self.foreign
                    .entry(peer.clone())
                    .or_insert((status.chain, now));
            }
            Ok(status) => {
                debug!(%peer, number = status.tip.number, certified = status.tip.certified, "status");
                let clock_ahead = clock::difference(status.time, clock::millis(now));
                let tip = status.tip;
                self.peers.hear(peer, PeerStatus { tip, clock_ahead }, now);
            }
            // While a network is updated node by node, versions may differ.
            Err(error @ StatusError::Version { .. }) => {
                warn!(%peer, name = self.peers.name(peer), %error, "cannot follow a peer");
            }
            Err(error) => {
                self.blocker.leave(peer, &Reason::Status(error));
            }
        }
    }
}
