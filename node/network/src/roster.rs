//! Who may connect and where they are dialled.
//!
//! The agreement tracks the members of each epoch; this stands between it and the library, and does
//! what the operator wants: denied keys are left out, bootnodes are dialled where the operator says.

use std::{collections::BTreeMap, fmt, num::NonZeroUsize, sync::Arc};

use commonware_actor::Feedback;
use commonware_cryptography::ed25519::PublicKey;
use commonware_p2p::{
    Address, AddressableManager, AddressableTrackedPeers, Ingress, PeerSetSubscription, Provider,
    TrackedPeers,
};
use commonware_utils::ordered::Map;
use tracing::{error, info};

use crate::{
    address::{self, Bootnode},
    deny::Denied,
    peers::PeersHandle,
};

/// Tracks the members of each epoch.
#[derive(Clone)]
pub struct Roster<M> {
    inner: M,
    bootnodes: Arc<BTreeMap<PublicKey, Ingress>>,
    denied: Denied,
    peers: PeersHandle,
    max_peers: NonZeroUsize,
}

impl<M> fmt::Debug for Roster<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Roster")
            .field("bootnodes", &self.bootnodes.len())
            .field("denied", &self.denied)
            .finish_non_exhaustive()
    }
}

impl<M> Roster<M> {
    pub(crate) fn new(
        inner: M,
        bootnodes: impl IntoIterator<Item = Bootnode>,
        denied: Denied,
        peers: PeersHandle,
        max_peers: NonZeroUsize,
    ) -> Self {
        let bootnodes = bootnodes
            .into_iter()
            .map(|bootnode| (bootnode.key, bootnode.ingress));
        Self {
            inner,
            bootnodes: Arc::new(bootnodes.collect()),
            denied,
            peers,
            max_peers,
        }
    }

    /// Where to dial a peer that the chain gives this address.
    fn address(&self, key: &PublicKey, address: Address) -> Address {
        let Some(ingress) = self.bootnodes.get(key) else {
            return address;
        };
        if address.ingress() != *ingress {
            info!(
                peer = %key,
                chain = address::display(&address.ingress()),
                bootnode = address::display(ingress),
                "a peer is dialled as the operator says, not as the chain does"
            );
        }
        address::peer(ingress.clone())
    }

    /// What the library is to track: without denied keys, with the bootnodes' addresses, and all
    /// bootnodes among the primary peers, because only those are dialled. The library panics at a
    /// set that is too large, so the last of the secondary peers are left out then.
    fn arrange(
        &self,
        peers: AddressableTrackedPeers<PublicKey>,
    ) -> AddressableTrackedPeers<PublicKey> {
        let mut primary = BTreeMap::new();
        let mut secondary = BTreeMap::new();
        let allowed = |map: Map<PublicKey, Address>| {
            map.into_iter()
                .filter(|(key, _)| !self.denied.contains(key))
                .map(|(key, address)| {
                    let address = self.address(&key, address);
                    (key, address)
                })
        };
        primary.extend(allowed(peers.primary));
        for (key, address) in allowed(peers.secondary) {
            if self.bootnodes.contains_key(&key) {
                primary.entry(key).or_insert(address);
            } else if !primary.contains_key(&key) {
                secondary.insert(key, address);
            }
        }
        let local = &self.peers.local().key;
        let is_listed = primary.contains_key(local) || secondary.contains_key(local);
        let limit = self.max_peers.get() - usize::from(!is_listed);
        let found = primary.len() + secondary.len();
        if found > limit {
            error!(
                found,
                limit, "the consortium has more members than nodes can connect: some are left out"
            );
        }
        let primary: Vec<_> = primary.into_iter().take(limit).collect();
        let room = limit - primary.len();
        let secondary = secondary.into_iter().take(room);
        AddressableTrackedPeers::new(
            Map::from_iter_dedup(primary),
            Map::from_iter_dedup(secondary),
        )
    }
}

impl<M: Provider<PublicKey = PublicKey>> Provider for Roster<M> {
    type PublicKey = PublicKey;

    async fn peer_set(&mut self, id: u64) -> Option<TrackedPeers<PublicKey>> {
        self.inner.peer_set(id).await
    }

    async fn subscribe(&mut self) -> PeerSetSubscription<PublicKey> {
        self.inner.subscribe().await
    }
}

impl<M: AddressableManager<PublicKey = PublicKey>> AddressableManager for Roster<M> {
    fn track<R>(&mut self, id: u64, peers: R) -> Feedback
    where
        R: Into<AddressableTrackedPeers<PublicKey>> + Send,
    {
        let peers = self.arrange(peers.into());
        self.peers.set_members(&peers);
        self.inner.track(id, peers)
    }

    fn overwrite(&mut self, peers: Map<PublicKey, Address>) -> Feedback {
        let peers = Map::from_iter_dedup(peers.into_iter().map(|(key, address)| {
            let address = self.address(&key, address);
            (key, address)
        }));
        self.peers.set_addresses(&peers);
        self.inner.overwrite(peers)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use alloy_primitives::B256;
    use commonware_cryptography::{Signer as _, ed25519::PrivateKey};
    use commonware_p2p::{BlockedSubscription, Blocker};
    use commonware_utils::{NZUsize, channel::ring};

    use super::*;
    use crate::{Role, blocker::PeerBlocker, deny::DenyList};

    /// Keeps what it is told to track.
    #[derive(Clone, Debug, Default)]
    struct Library {
        tracked: Option<AddressableTrackedPeers<PublicKey>>,
        overwritten: Option<Map<PublicKey, Address>>,
    }

    impl Provider for Library {
        type PublicKey = PublicKey;

        async fn peer_set(&mut self, _: u64) -> Option<TrackedPeers<PublicKey>> {
            None
        }

        async fn subscribe(&mut self) -> PeerSetSubscription<PublicKey> {
            commonware_utils::channel::mpsc::unbounded_channel().1
        }
    }

    impl AddressableManager for Library {
        fn track<R>(&mut self, _: u64, peers: R) -> Feedback
        where
            R: Into<AddressableTrackedPeers<PublicKey>> + Send,
        {
            self.tracked = Some(peers.into());
            Feedback::Ok
        }

        fn overwrite(&mut self, peers: Map<PublicKey, Address>) -> Feedback {
            self.overwritten = Some(peers);
            Feedback::Ok
        }
    }

    impl Blocker for Library {
        type PublicKey = PublicKey;

        fn block(&mut self, _: PublicKey) -> Feedback {
            Feedback::Ok
        }

        fn blocked(&mut self) -> BlockedSubscription<PublicKey> {
            ring::channel(NZUsize!(1)).1
        }
    }

    fn key(number: u64) -> PublicKey {
        PrivateKey::from_seed(number).public_key()
    }

    fn members(numbers: impl IntoIterator<Item = u64>) -> Map<PublicKey, Address> {
        Map::from_iter_dedup(numbers.into_iter().map(|number| {
            let ingress = address::parse(&format!("chain:{}", number + 1)).expect("an address");
            (key(number), address::peer(ingress))
        }))
    }

    fn sorted(numbers: impl IntoIterator<Item = u64>) -> Vec<PublicKey> {
        let mut keys: Vec<_> = numbers.into_iter().map(key).collect();
        keys.sort();
        keys
    }

    /// Node 0's roster with node 1 as bootnode and node 2 denied.
    fn roster(max_peers: NonZeroUsize) -> Roster<Library> {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("denied");
        fs::write(&path, key(2).to_string()).expect("written");
        let listen = "127.0.0.1:1".parse().expect("an address");
        let peers = PeersHandle::new(key(0), B256::ZERO, listen);
        let library = Library::default();
        let blocker = PeerBlocker::new(library.clone(), peers.clone());
        let deny = DenyList::open(Some(path), peers.clone(), blocker).expect("a good file");
        let bootnode = format!("{}@operator:9", key(1))
            .parse()
            .expect("a bootnode");
        Roster::new(library, [bootnode], deny.denied(), peers, max_peers)
    }

    #[test]
    fn denied_keys_are_left_out_and_bootnodes_are_dialled_where_the_operator_says() {
        let mut roster = roster(NZUsize!(10));
        let peers = AddressableTrackedPeers::new(members([0, 2, 3]), members([1, 3, 4]));
        let _ = roster.track(0, peers);
        let tracked = roster.inner.tracked.clone().expect("tracked");
        // The bootnode is an observer, but only primary peers are dialled.
        assert_eq!(
            Vec::from(tracked.primary.clone().into_keys()),
            sorted([0, 1, 3])
        );
        assert_eq!(Vec::from(tracked.secondary.into_keys()), sorted([4]));
        let dialled = |map: &Map<PublicKey, Address>, number| {
            address::display(&map.get_value(&key(number)).expect("there").ingress())
        };
        assert_eq!(dialled(&tracked.primary, 1), "operator:9");
        assert_eq!(dialled(&tracked.primary, 3), "chain:4");

        let infos = roster.peers.peers();
        assert_eq!(infos.len(), 3, "all but this node and the denied one");
        let info = infos.iter().find(|info| info.key == key(4)).expect("there");
        assert_eq!(info.role, Some(Role::Secondary));

        let _ = roster.overwrite(members([1, 3]));
        let overwritten = roster.inner.overwritten.clone().expect("overwritten");
        assert_eq!(dialled(&overwritten, 1), "operator:9");
        assert_eq!(dialled(&overwritten, 3), "chain:4");
    }

    #[test]
    fn a_set_that_is_too_large_is_cut_where_the_library_would_panic() {
        let mut roster = roster(NZUsize!(5));
        let _ = roster.track(
            0,
            AddressableTrackedPeers::new(members([3, 4]), members(5..9)),
        );
        let tracked = roster.inner.tracked.clone().expect("tracked");
        assert_eq!(Vec::from(tracked.primary.into_keys()), sorted([3, 4]));
        // Two of the others: this node counts although it is not listed.
        assert_eq!(Vec::from(tracked.secondary.into_keys()), sorted(5..9)[..2]);
        let _ = roster.track(1, AddressableTrackedPeers::primary(members(3..12)));
        let tracked = roster.inner.tracked.expect("tracked");
        assert_eq!(Vec::from(tracked.primary.into_keys()), sorted(3..12)[..4]);
    }
}
