//! Transactions, in batches, once per peer, and never back.
//!
//! What becomes executable in this node's pool goes to every peer that does not know it. Members of
//! the committee are all connected with each other, so what one of them has sent goes to the other
//! members only. A batch collects for a few milliseconds, and no longer if the last one was sent a
//! while ago.
//!
//! Messages may be lost, in a queue that is full or with a connection. So a peer that connects is
//! offered what waits, and what waits for long goes to the committee again: a transaction that was
//! acknowledged here is not to depend on one message.
//!
//! What peers send enters the pool by the same rules as everything else, off the asynchronous
//! threads, one job at a time. What arrives meanwhile waits, a few batches per peer.

mod batch;
mod inbox;
mod knowledge;
mod link;
mod standing;

use std::{
    collections::{BTreeMap, HashSet},
    future::pending,
    sync::Arc,
    time::{Duration, SystemTime},
};

use alloy_eips::eip2718::Encodable2718 as _;
use alloy_primitives::{B256, Bytes, keccak256};
use commonware_cryptography::ed25519::PublicKey;
use commonware_p2p::{Blocker, Receiver, Recipients, Sender};
use commonware_runtime::{Clock, Handle, Spawner};
use commonware_utils::SystemTimeExt as _;
use tokio::sync::broadcast::{self, error::RecvError};
use tracing::{debug, warn};
use wattline_pool::{Pool, PoolError, PooledTransaction};

use crate::{
    blocker::{PeerBlocker, Reason},
    metrics,
    peers::{PeersHandle, Role},
};
use inbox::Inbox;
use knowledge::Knowledge;
use link::Link;
use standing::Verdict;

pub use batch::{BATCH_BYTES, BatchError, MAX_BATCH_BYTES, MAX_BATCH_TRANSACTIONS, decode, encode};

/// Least time between two batches for the same peer: below the channel's 64 batches a second.
const SEND_EVERY: Duration = Duration::from_millis(20);
/// How often the gossip looks who has come or gone when nothing else happens.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// After how long what still waits is sent again.
const REPEAT_EVERY: Duration = Duration::from_secs(10);
/// Most transactions that a peer that connects is offered.
const OFFERED: usize = 8_192;
/// Most transactions that are looked at for sending them again.
const REPEATED: usize = 256;

type Outcomes = Vec<(PublicKey, Result<B256, PoolError>)>;

/// Passes transactions on.
pub(crate) struct Gossip<S, R, B> {
    pool: Pool,
    announced: broadcast::Receiver<Arc<PooledTransaction>>,
    sender: S,
    receiver: R,
    blocker: PeerBlocker<B>,
    peers: PeersHandle,
    links: BTreeMap<PublicKey, Link>,
    knowledge: Knowledge,
    inbox: Inbox,
    next_number: u32,
    generation: Option<u64>,
    /// What waited when it was last looked at.
    waiting: HashSet<B256>,
}

impl<S, R, B> Gossip<S, R, B>
where
    S: Sender<PublicKey = PublicKey>,
    R: Receiver<PublicKey = PublicKey>,
    B: Blocker<PublicKey = PublicKey>,
{
    pub(crate) fn new(
        pool: Pool,
        (sender, receiver): (S, R),
        blocker: PeerBlocker<B>,
        peers: PeersHandle,
    ) -> Self {
        Self {
            announced: pool.subscribe(),
            pool,
            sender,
            receiver,
            blocker,
            peers,
            links: BTreeMap::new(),
            knowledge: Knowledge::default(),
            inbox: Inbox::default(),
            next_number: 0,
            generation: None,
            waiting: HashSet::new(),
        }
    }

    pub(crate) async fn run<E: Spawner + Clock>(mut self, context: E) {
        let mut stopped = context.stopped();
        let mut admission: Option<Handle<Outcomes>> = None;
        let mut send_at = context.current();
        let mut repeat_at = send_at.saturating_add_ext(REPEAT_EVERY);
        loop {
            let now = context.current();
            if now >= send_at {
                self.look(now);
                self.send();
                send_at = now.saturating_add_ext(SEND_EVERY);
            }
            if now >= repeat_at {
                self.repeat();
                repeat_at = now.saturating_add_ext(REPEAT_EVERY);
            }
            if admission.is_none() {
                admission = self.admit(&context);
            }
            let wake_at = if self.links.values().any(Link::is_waiting) {
                send_at
            } else {
                now.saturating_add_ext(LOOK_EVERY)
            };
            tokio::select! {
                biased;
                _ = &mut stopped => return,
                outcomes = finished(&mut admission) => {
                    admission = None;
                    match outcomes {
                        Some(outcomes) => self.judge(outcomes),
                        // The runtime stops.
                        None => return,
                    }
                }
                announced = self.announced.recv() => match announced {
                    Ok(transaction) => self.announce(&transaction),
                    Err(RecvError::Lagged(missed)) => {
                        debug!(missed, "the gossip is behind the pool");
                        self.offer_to_all();
                    }
                    Err(RecvError::Closed) => return,
                },
                received = self.receiver.recv() => match received {
                    Ok((peer, message)) => self.receive(peer, message.as_ref(), now),
                    Err(_) => return,
                },
                () = context.sleep_until(wake_at) => {}
            }
        }
    }

    /// Notices who has come or gone, and offers newcomers what waits.
    fn look(&mut self, now: SystemTime) {
        let generation = self.peers.generation();
        if self.generation == Some(generation) {
            return;
        }
        self.generation = Some(generation);
        let sessions = self.peers.sessions();
        let present: HashSet<_> = sessions.iter().map(|(key, ..)| key.clone()).collect();
        self.links.retain(|key, _| present.contains(key));
        let mut newcomers = Vec::new();
        for (key, session, role) in sessions {
            let link = link(&mut self.links, &mut self.next_number, &key, role, now);
            link.role = role;
            match link.session.replace(session) {
                Some(before) if before == session => continue,
                // A new connection: what was sent on the old one may not have arrived.
                Some(_) => {
                    *link = Link::new(self.next_number, role, now);
                    self.next_number = self.next_number.wrapping_add(1);
                    link.session = Some(session);
                }
                None => {}
            }
            newcomers.push(key);
        }
        if newcomers.is_empty() {
            return;
        }
        for transaction in self.pool.best().take(OFFERED) {
            let (hash, encoded) = encoded(&transaction);
            for key in &newcomers {
                if let Some(link) = self.links.get_mut(key) {
                    pass_on(&mut self.knowledge, link, hash, &encoded);
                }
            }
        }
    }

    fn offer_to_all(&mut self) {
        for transaction in self.pool.best().take(OFFERED) {
            self.announce(&transaction);
        }
    }

    /// Passes on what has become executable.
    fn announce(&mut self, transaction: &PooledTransaction) {
        let (hash, encoded) = encoded(transaction);
        let is_spread = self.knowledge.came_from_primary(&hash);
        for link in self.links.values_mut() {
            if link.session.is_none() || (is_spread && link.role == Role::Primary) {
                continue;
            }
            pass_on(&mut self.knowledge, link, hash, &encoded);
        }
    }

    /// Sends what has waited long enough that it may have been lost.
    fn repeat(&mut self) {
        let mut waiting = HashSet::new();
        for transaction in self.pool.best().take(REPEATED) {
            let (hash, encoded) = encoded(&transaction);
            if self.waiting.contains(&hash) {
                let links = self.links.values_mut();
                for link in links.filter(|link| link.role == Role::Primary) {
                    link.enqueue(encoded.clone());
                }
            }
            waiting.insert(hash);
        }
        self.waiting = waiting;
    }

    /// Sends what waits, as far as the peers' limits allow.
    fn send(&mut self) {
        for (key, link) in &mut self.links {
            while let Some((batch, count)) = link.next_batch() {
                let recipients = Recipients::One(key.clone());
                if self.sender.send(recipients, batch, false).is_empty() {
                    break;
                }
                link.sent(count);
                metrics::transactions_sent(count);
            }
        }
    }

    /// Takes a peer's batch into the inbox.
    fn receive(&mut self, peer: PublicKey, message: &[u8], now: SystemTime) {
        let role = self.peers.role(&peer);
        let link = link(&mut self.links, &mut self.next_number, &peer, role, now);
        if !link.standing.may_send(now) || !self.inbox.has_room_for(&peer) {
            metrics::transactions_received("ignored", 1);
            return;
        }
        let mut transactions = match decode(message) {
            Ok(transactions) => transactions,
            Err(error) => {
                metrics::transactions_received("malformed", 1);
                self.blocker.leave(&peer, &Reason::Batch(error));
                return;
            }
        };
        let is_primary = role == Role::Primary;
        let number = link.number;
        let received = transactions.len();
        transactions.retain(|encoded| {
            // The hash of a transaction is that of its encoding.
            let hash = keccak256(encoded);
            self.knowledge.note_sender(hash, number, is_primary);
            !self.pool.contains(&hash)
        });
        let known = received - transactions.len();
        metrics::transactions_received(Verdict::Neutral.name(), known);
        self.inbox.put(peer, transactions);
    }

    /// Has the pool decide over what is in the inbox.
    fn admit<E: Spawner>(&mut self, context: &E) -> Option<Handle<Outcomes>> {
        let (senders, transactions) = self.inbox.take()?;
        let pool = self.pool.clone();
        let job = context.child("admission").shared(true);
        Some(job.spawn(move |_| async move {
            let outcomes = pool.add_remote(&transactions);
            senders.into_iter().zip(outcomes).collect()
        }))
    }

    /// Takes note of what the peers' transactions were worth.
    fn judge(&mut self, outcomes: Outcomes) {
        for (peer, outcome) in outcomes {
            let verdict = Verdict::of(&outcome);
            metrics::transactions_received(verdict.name(), 1);
            let Some(link) = self.links.get_mut(&peer) else {
                continue;
            };
            let Err(error) = outcome else {
                link.standing.judge(verdict);
                continue;
            };
            if error.is_internal() {
                warn!(%error, "the pool cannot take a peer's transaction");
            }
            if let Some(count) = link.standing.judge(verdict) {
                let last = error.to_string();
                self.links.remove(&peer);
                self.blocker.leave(&peer, &Reason::Junk { count, last });
            }
        }
    }
}

/// What is kept for a peer, from its first message or the first for it on.
fn link<'a>(
    links: &'a mut BTreeMap<PublicKey, Link>,
    next_number: &mut u32,
    peer: &PublicKey,
    role: Role,
    now: SystemTime,
) -> &'a mut Link {
    links.entry(peer.clone()).or_insert_with(|| {
        let number = *next_number;
        *next_number = next_number.wrapping_add(1);
        Link::new(number, role, now)
    })
}

fn encoded(transaction: &PooledTransaction) -> (B256, Bytes) {
    (
        transaction.hash(),
        transaction.signed().encoded_2718().into(),
    )
}

/// Has a transaction wait for a peer that does not know it.
fn pass_on(knowledge: &mut Knowledge, link: &mut Link, hash: B256, encoded: &Bytes) {
    if knowledge.note(hash, link.number) {
        link.enqueue(encoded.clone());
    }
}

/// What the pool decided, once it has. None if the runtime stops.
async fn finished(admission: &mut Option<Handle<Outcomes>>) -> Option<Outcomes> {
    match admission {
        Some(handle) => handle.await.ok(),
        None => pending().await,
    }
}
