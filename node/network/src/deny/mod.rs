//! A file of keys that an operator wants out at once.
//!
//! The consortium removes a member by its contract, which takes effect at the next epoch. Until
//! then, or where there is no agreement about it, each operator can deny a key on its own node:
//! `KEY # why`, one a line. Denied keys are left out of the sets that the library tracks and blocked
//! there; the library lifts every block after a while, so they are blocked again then. A key that is
//! taken out of the file comes back when its block ends, at the next epoch at the latest.

mod file;

use std::{collections::BTreeSet, fmt, path::PathBuf, sync::Arc, time::Duration};

use commonware_cryptography::ed25519::PublicKey;
use commonware_p2p::Blocker;
use commonware_runtime::{Clock, Spawner};
use futures::StreamExt as _;
use parking_lot::RwLock;
use tracing::{error, info, warn};

use crate::{
    blocker::{PeerBlocker, Reason},
    metrics,
    peers::PeersHandle,
};

pub use file::{DenyError, MAX_BYTES, MAX_KEYS};

/// How often the file is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The denied keys. Clones share them.
#[derive(Clone, Default)]
pub struct Denied(Arc<RwLock<BTreeSet<PublicKey>>>);

impl fmt::Debug for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Denied").field(&self.keys().len()).finish()
    }
}

impl Denied {
    /// Whether a key is denied.
    pub fn contains(&self, key: &PublicKey) -> bool {
        self.0.read().contains(key)
    }

    fn keys(&self) -> BTreeSet<PublicKey> {
        self.0.read().clone()
    }

    fn set(&self, keys: BTreeSet<PublicKey>) {
        metrics::denied(keys.len());
        *self.0.write() = keys;
    }
}

/// Keeps the denied keys out, and follows the file.
pub(crate) struct DenyList<B> {
    path: Option<PathBuf>,
    content: Vec<u8>,
    denied: Denied,
    peers: PeersHandle,
    blocker: PeerBlocker<B>,
}

impl<B: Blocker<PublicKey = PublicKey>> DenyList<B> {
    /// Reads the file, if there is one.
    ///
    /// # Errors
    /// It cannot be read, or a line of it is no key.
    pub(crate) fn open(
        path: Option<PathBuf>,
        peers: PeersHandle,
        blocker: PeerBlocker<B>,
    ) -> Result<Self, DenyError> {
        let denied = Denied::default();
        let mut content = Vec::new();
        if let Some(path) = &path {
            content = file::read(path)?;
            denied.set(file::parse(path, &content)?);
        }
        Ok(Self {
            path,
            content,
            denied,
            peers,
            blocker,
        })
    }

    /// The keys, which follow the file while [`DenyList::run`] does.
    pub(crate) fn denied(&self) -> Denied {
        self.denied.clone()
    }

    /// Blocks what is denied, for as long as it is.
    pub(crate) async fn run<E: Spawner + Clock>(mut self, context: E) {
        let mut stopped = context.stopped();
        let mut blocked = self.blocker.blocked();
        if self.denied.contains(&self.peers.local().key) {
            warn!("this node's own key is in its file of denied keys, which has no effect");
        }
        loop {
            tokio::select! {
                biased;
                _ = &mut stopped => return,
                update = blocked.next() => match update {
                    Some(keys) => self.blocked_now(&keys.into_iter().collect()),
                    None => return,
                },
                () = context.sleep(LOOK_EVERY) => self.look(&context).await,
            }
        }
    }

    /// Takes over whom the library blocks, and blocks again whom it should.
    fn blocked_now(&mut self, blocked: &BTreeSet<PublicKey>) {
        self.peers.set_blocked(blocked);
        for key in self.denied.keys().difference(blocked) {
            self.blocker.leave(key, &Reason::Denied);
        }
    }

    /// Reads the file again. While it is bad, what was last read from it stays.
    async fn look<E: Spawner>(&mut self, context: &E) {
        let Some(path) = self.path.clone() else {
            return;
        };
        let reading = context.child("deny").shared(true).spawn({
            let path = path.clone();
            move |_| async move { file::read(&path) }
        });
        let read = match reading.await {
            Ok(read) => read,
            // The runtime stops.
            Err(_) => return,
        };
        let parsed = match read {
            Ok(content) if content == self.content => return,
            Ok(content) => {
                let parsed = file::parse(&path, &content);
                self.content = content;
                parsed
            }
            Err(error) => Err(error),
        };
        match parsed {
            Ok(keys) => self.change(&keys),
            Err(error) => {
                metrics::denied_error();
                error!(%error, "the denied keys stay as they were");
            }
        }
    }

    fn change(&mut self, keys: &BTreeSet<PublicKey>) {
        let before = self.denied.keys();
        self.denied.set(keys.clone());
        let (added, removed) = (keys.difference(&before), before.difference(keys));
        info!(
            added = added.clone().count(),
            removed = removed.count(),
            "the file of denied keys has changed"
        );
        for key in added {
            self.blocker.leave(key, &Reason::Denied);
        }
    }
}
