//! What nodes say of how far they are, as the network's status messages would.

use std::{collections::BTreeMap, fmt, sync::Arc};

use commonware_cryptography::ed25519::PublicKey;
use parking_lot::Mutex;
use wattline_chain::Chain;
use wattline_consensus::PeerHeads;

/// The chains of the nodes that run, and what liars say. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Heads(Arc<Mutex<BTreeMap<PublicKey, Said>>>);

enum Said {
    Truth(Chain),
    Lie(u64),
}

impl Heads {
    /// A node says how far its chain is, until what is returned is dropped.
    pub(crate) fn say(&self, key: PublicKey, chain: Chain) -> Saying {
        self.0.lock().insert(key.clone(), Said::Truth(chain));
        Saying(self.clone(), key)
    }

    /// A node says from now on that its head is another one.
    pub(crate) fn lie(&self, key: PublicKey, head: u64) {
        self.0.lock().insert(key, Said::Lie(head));
    }

    /// What the others say.
    pub(crate) fn seen_by(&self, me: PublicKey) -> PeerHeads {
        let this = self.clone();
        PeerHeads::new(move || {
            let heads = this.0.lock();
            let others = heads.iter().filter(|(key, _)| **key != me);
            let head = |said: &Said| match said {
                Said::Truth(chain) => chain.head().number,
                Said::Lie(head) => *head,
            };
            others
                .map(|(key, said)| (key.clone(), head(said)))
                .collect()
        })
    }
}

impl fmt::Debug for Heads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Heads").finish_non_exhaustive()
    }
}

/// A node that says how far it is.
pub(crate) struct Saying(Heads, PublicKey);

impl Drop for Saying {
    fn drop(&mut self) {
        self.0.0.lock().remove(&self.1);
    }
}
