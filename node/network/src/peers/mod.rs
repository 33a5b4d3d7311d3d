//! What is known about each peer, for whoever asks.

mod entry;
mod info;
mod traffic;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use alloy_primitives::B256;
use commonware_cryptography::ed25519::PublicKey;
use commonware_p2p::{Address, AddressableTrackedPeers};
use commonware_utils::ordered::Map;
use parking_lot::RwLock;
use tracing::info;

use crate::{Reason, metrics};
use entry::{Entry, Heard, Session};

pub use info::{LocalNode, PeerInfo, PeerStatus, Role, Tip, Traffic};

/// How long a peer counts as present after its last status message.
pub(crate) const STATUS_LIFETIME: Duration = Duration::from_secs(15);
/// How often every peer gets a status message.
pub(crate) const STATUS_EVERY: Duration = Duration::from_secs(5);

/// What is known about each peer. Clones share the same knowledge.
#[derive(Clone)]
pub struct PeersHandle(Arc<Table>);

struct Table {
    local: LocalNode,
    entries: RwLock<BTreeMap<PublicKey, Entry>>,
    names: RwLock<BTreeMap<PublicKey, String>>,
    /// How often each peer was left, by reason.
    left: RwLock<BTreeMap<(PublicKey, &'static str), u64>>,
    sessions: AtomicU64,
    /// Rises when somebody comes, goes, or changes its role.
    generation: AtomicU64,
}

impl fmt::Debug for PeersHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeersHandle")
            .field("local", &self.0.local.key)
            .field("count", &self.count())
            .finish_non_exhaustive()
    }
}

impl PeersHandle {
    pub(crate) fn new(key: PublicKey, chain: B256, listen: SocketAddr) -> Self {
        metrics::describe();
        Self(Arc::new(Table {
            local: LocalNode { key, chain, listen },
            entries: RwLock::default(),
            names: RwLock::default(),
            left: RwLock::default(),
            sessions: AtomicU64::new(1),
            generation: AtomicU64::new(0),
        }))
    }

    /// This node, as its peers see it.
    pub fn local(&self) -> &LocalNode {
        &self.0.local
    }

    /// How many peers are connected, follow this chain and said so lately.
    pub fn count(&self) -> usize {
        let entries = self.0.entries.read();
        entries.values().filter(|entry| entry.is_present()).count()
    }

    /// All peers: the members of the sets that are tracked, connected or not, and whoever was left.
    pub fn peers(&self) -> Vec<PeerInfo> {
        let entries = self.0.entries.read();
        let names = self.0.names.read();
        entries
            .iter()
            .map(|(key, entry)| entry.info(key.clone(), names.get(key).cloned()))
            .collect()
    }

    /// How far the peers that are present have come.
    pub fn tips(&self) -> Vec<(PublicKey, Tip)> {
        let entries = self.0.entries.read();
        entries
            .iter()
            .filter_map(|(key, entry)| Some((key.clone(), entry.heard()?.status.tip)))
            .collect()
    }

    /// How often each peer was left for each reason, in this process.
    pub fn times_left(&self) -> Vec<(PublicKey, &'static str, u64)> {
        let left = self.0.left.read();
        left.iter()
            .map(|((key, reason), count)| (key.clone(), *reason, *count))
            .collect()
    }

    /// Gives the members the names that the Consortium contract has for them, in place of all names
    /// so far.
    pub fn set_names(&self, names: impl IntoIterator<Item = (PublicKey, String)>) {
        let names: BTreeMap<_, _> = names.into_iter().collect();
        let mut known = self.0.names.write();
        for (key, name) in known
            .iter()
            .filter(|(key, name)| names.get(key) != Some(name))
        {
            metrics::peer_name(key, name, false);
        }
        for (key, name) in &names {
            metrics::peer_name(key, name, true);
        }
        *known = names;
    }

    /// A member's name, or nothing.
    pub fn name(&self, key: &PublicKey) -> Option<String> {
        self.0.names.read().get(key).cloned()
    }

    /// Takes over who is a member, and drops whoever is neither that nor connected nor blocked.
    pub(crate) fn set_members(&self, members: &AddressableTrackedPeers<PublicKey>) {
        let mut entries = self.0.entries.write();
        for entry in entries.values_mut() {
            entry.role = None;
        }
        let roles = [
            (Role::Secondary, &members.secondary),
            (Role::Primary, &members.primary),
        ];
        for (role, map) in roles {
            for (key, address) in map.iter_pairs() {
                if *key == self.0.local.key {
                    continue;
                }
                let entry = entries
                    .entry(key.clone())
                    .or_insert_with(|| Entry::new(key));
                entry.role = Some(role);
                entry.ingress = Some(address.ingress());
            }
        }
        entries.retain(|_, entry| !entry.is_idle());
        drop(entries);
        self.changed();
    }

    pub(crate) fn set_addresses(&self, addresses: &Map<PublicKey, Address>) {
        let mut entries = self.0.entries.write();
        for (key, address) in addresses.iter_pairs() {
            if let Some(entry) = entries.get_mut(key) {
                entry.ingress = Some(address.ingress());
            }
        }
    }

    /// Takes over who is connected, and forgets what is too old.
    pub(crate) fn set_connected(&self, connected: &BTreeSet<PublicKey>, now: SystemTime) {
        let mut changed = false;
        let mut entries = self.0.entries.write();
        for (key, entry) in entries.iter_mut() {
            if entry.session.is_some() && !connected.contains(key) {
                info!(peer = %key, name = self.name(key), "a peer is gone");
                entry.session = None;
                changed = true;
            } else if entry.forget_old_status(now) {
                changed = true;
            }
        }
        for key in connected {
            let entry = entries
                .entry(key.clone())
                .or_insert_with(|| Entry::new(key));
            // One that is left may stay connected for a moment.
            if entry.session.is_none() && entry.blocked.is_none() {
                info!(peer = %key, name = self.name(key), "a peer has connected");
                entry.session = Some(self.session(now));
                changed = true;
            }
        }
        entries.retain(|_, entry| !entry.is_idle());
        metrics::peers(
            entries.values().filter(|entry| entry.is_present()).count(),
            entries
                .values()
                .filter(|entry| entry.blocked.is_some())
                .count(),
        );
        drop(entries);
        if changed {
            self.changed();
        }
    }

    /// Connected peers that have not been sent a status message for a while, which they are noted
    /// to get now.
    pub(crate) fn due_for_status(&self, now: SystemTime) -> Vec<PublicKey> {
        let mut entries = self.0.entries.write();
        entries
            .iter_mut()
            .filter_map(|(key, entry)| {
                let session = entry.session.as_mut()?;
                let is_due = session.told.is_none_or(|told| {
                    // A clock that was put back is no reason to be silent.
                    now.duration_since(told)
                        .map_or(true, |age| age >= STATUS_EVERY)
                });
                is_due.then(|| {
                    session.told = Some(now);
                    key.clone()
                })
            })
            .collect()
    }

    /// Takes note of what a peer says of itself.
    pub(crate) fn hear(&self, key: &PublicKey, status: PeerStatus, now: SystemTime) {
        let mut entries = self.0.entries.write();
        let entry = entries
            .entry(key.clone())
            .or_insert_with(|| Entry::new(key));
        if entry.blocked.is_some() {
            return;
        }
        let session = entry.session.get_or_insert_with(|| self.session(now));
        let is_first = session.heard.is_none();
        session.heard = Some(Heard { status, at: now });
        entry.note_head(status.tip.number);
        drop(entries);
        if is_first {
            self.changed();
        }
    }

    /// By how many milliseconds the clocks of the committee's members that are present are ahead of
    /// ours: theirs decide.
    pub(crate) fn clock_offsets(&self) -> Vec<i64> {
        let entries = self.0.entries.read();
        entries
            .values()
            .filter(|entry| entry.role == Some(Role::Primary))
            .filter_map(|entry| Some(entry.heard()?.status.clock_ahead))
            .collect()
    }

    /// Whether a member would be dialled, and how many peers are connected.
    pub(crate) fn reach(&self) -> (bool, usize) {
        let entries = self.0.entries.read();
        let dialled = entries
            .values()
            .any(|entry| entry.role == Some(Role::Primary) && entry.blocked.is_none());
        let connected = entries.values().filter(|entry| entry.session.is_some());
        (dialled, connected.count())
    }

    /// The peers that are present, with a number that changes when they connect anew.
    pub(crate) fn sessions(&self) -> Vec<(PublicKey, u64, Role)> {
        let entries = self.0.entries.read();
        entries
            .iter()
            .filter(|(_, entry)| entry.is_present())
            .filter_map(|(key, entry)| {
                let session = entry.session.as_ref()?;
                let role = entry.role.unwrap_or(Role::Secondary);
                Some((key.clone(), session.number, role))
            })
            .collect()
    }

    /// Changes when [`PeersHandle::sessions`] does.
    pub(crate) fn generation(&self) -> u64 {
        self.0.generation.load(Ordering::Acquire)
    }

    pub(crate) fn role(&self, key: &PublicKey) -> Role {
        let entries = self.0.entries.read();
        entries
            .get(key)
            .and_then(|entry| entry.role)
            .unwrap_or(Role::Secondary)
    }

    /// Takes note that a peer is left. False if it was left before and still is.
    pub(crate) fn block(&self, key: &PublicKey, reason: &Reason) -> bool {
        let mut entries = self.0.entries.write();
        let entry = entries
            .entry(key.clone())
            .or_insert_with(|| Entry::new(key));
        if entry.blocked.is_some() {
            return false;
        }
        *self
            .0
            .left
            .write()
            .entry((key.clone(), reason.label()))
            .or_default() += 1;
        entry.block(reason.clone());
        drop(entries);
        self.changed();
        true
    }

    /// Takes over who is blocked now: whoever was and is not any more may come back.
    pub(crate) fn set_blocked(&self, blocked: &BTreeSet<PublicKey>) {
        let mut entries = self.0.entries.write();
        for (key, entry) in entries.iter_mut() {
            if entry.unblock(blocked.contains(key)) {
                info!(peer = %key, name = self.name(key), "a peer that was left may come back");
            }
        }
    }

    pub(crate) fn count_sent(&self, recipients: &[PublicKey], bytes: u64) {
        let entries = self.0.entries.read();
        for key in recipients {
            if let Some(entry) = entries.get(key) {
                entry.traffic.sent(bytes);
            }
        }
    }

    pub(crate) fn count_received(&self, key: &PublicKey, bytes: u64) {
        if let Some(entry) = self.0.entries.read().get(key) {
            entry.traffic.received(bytes);
        }
    }

    fn session(&self, now: SystemTime) -> Session {
        Session {
            number: self.0.sessions.fetch_add(1, Ordering::Relaxed),
            since: now,
            told: None,
            heard: None,
        }
    }

    fn changed(&self) {
        self.0.generation.fetch_add(1, Ordering::AcqRel);
    }
}
