//! From one epoch to the next.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    future::{Future as _, pending, poll_fn},
    net::{Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::Arc,
};

use commonware_codec::EncodeFixed as _;
use commonware_consensus::{
    Epochable as _,
    simplex::Floor,
    types::{Epoch, Height},
};
use commonware_cryptography::{
    Signer as _,
    ed25519::{PrivateKey, PublicKey},
};
use commonware_p2p::{
    Address, AddressableManager, AddressableTrackedPeers, Blocker, Ingress, Receiver, Sender,
    utils::mux::{Builder as _, MuxHandle, Muxer},
};
use commonware_runtime::{Error as RuntimeError, Handle, buffer::paged::CacheRef};
use commonware_utils::{hostname::Hostname, ordered::Map, vec::NonEmptyVec};
use tokio::sync::watch;
use tracing::info;
use wattline_chain::Chain;
use wattline_primitives::{Endpoint, Host};

use crate::{
    AgreementError, BlockHash, Committee, CommitteeError, Peer, Scheme, Turns,
    committee::Committees,
    engine::{EpochParts, journal},
    evidence::Observer,
    rules::Rule,
    runtime::{ChainApplication, Inline, Marshal, Runtime},
    settings::Timing,
    status::{Rejoin, Role, Status},
    store::Keeper,
};

/// What following the epochs takes.
pub(crate) struct Epochs<E, A, M, B>
where
    E: Runtime,
    A: ChainApplication<E>,
{
    pub(crate) partition: String,
    pub(crate) chain: Chain,
    pub(crate) keeper: Arc<Keeper>,
    pub(crate) committees: Committees,
    pub(crate) key: PrivateKey,
    pub(crate) rejoin: Rejoin,
    /// The epoch in which this node started.
    pub(crate) began: Epoch,
    pub(crate) marshal: Marshal,
    pub(crate) inline: Inline<E, A>,
    pub(crate) peers: M,
    pub(crate) blocker: B,
    pub(crate) timing: Timing,
    pub(crate) page_cache: CacheRef,
    /// The number of the last block that is stored.
    pub(crate) stored: watch::Receiver<u64>,
    /// The number of the last block that is known to be final.
    pub(crate) tip: watch::Receiver<u64>,
    pub(crate) status: watch::Sender<Status>,
}

/// The subchannels of every epoch.
struct Muxes<S: Sender> {
    votes: MuxHandle<S>,
    certificates: MuxHandle<S>,
    resolver: MuxHandle<S>,
}

impl<E, A, M, B> Epochs<E, A, M, B>
where
    E: Runtime,
    A: ChainApplication<E>,
    M: AddressableManager<PublicKey = PublicKey> + Sync,
    B: Blocker<PublicKey = PublicKey> + Sync,
{
    /// Runs the engine of each epoch in its time. An engine goes on until the next epoch has made
    /// its first block: others may still want its last certificate.
    ///
    /// # Errors
    ///
    /// If this node can take part no longer.
    pub(crate) async fn run<S, R>(
        mut self,
        ctx: E,
        votes: (S, R),
        certificates: (S, R),
        resolver: (S, R),
    ) -> Result<(), AgreementError>
    where
        S: Sender<PublicKey = PublicKey>,
        R: Receiver<PublicKey = PublicKey>,
    {
        let (mux, votes, mut later) = Muxer::builder(ctx.child("votes"), votes.0, votes.1)
            .with_backup()
            .build();
        mux.start();
        let (mux, certificates) =
            Muxer::new(ctx.child("certificates"), certificates.0, certificates.1);
        mux.start();
        let (mux, resolver) = Muxer::new(ctx.child("resolver"), resolver.0, resolver.1);
        mux.start();
        let mut muxes = Muxes {
            votes,
            certificates,
            resolver,
        };

        let mut engines: BTreeMap<Epoch, Handle<()>> = BTreeMap::new();
        // All before it are left behind.
        let mut left = Epoch::zero();
        loop {
            let head = *self.stored.borrow_and_update();
            let epoch = self.committees.epoch(head + 1);
            if let Entry::Vacant(vacant) = engines.entry(epoch) {
                vacant.insert(self.enter(&ctx, epoch, &mut muxes).await?);
            }
            if left < epoch && head >= self.committees.first(epoch) {
                self.leave(&ctx, &mut engines, epoch).await?;
                left = epoch;
            }
            let current = engines.get_mut(&epoch);
            tokio::select! {
                biased;
                changed = self.stored.changed() => if changed.is_err() {
                    return Err(AgreementError::Ended("the delivery of final blocks"));
                },
                message = later.recv() => match message {
                    Some((theirs, (peer, _))) if theirs > epoch.get() => {
                        // Their epoch began with the last block of this one.
                        let last = Height::new(self.committees.last(epoch));
                        self.marshal.hint_finalized(last, NonEmptyVec::new(peer));
                    }
                    Some(_) => {}
                    None => return Err(AgreementError::Ended("the channel of votes")),
                },
                () = ended(current) => return Err(AgreementError::Ended("the engine")),
            }
        }
    }

    /// Begins an epoch, of which the block before is stored.
    async fn enter<S: Sender<PublicKey = PublicKey>>(
        &self,
        ctx: &E,
        epoch: Epoch,
        muxes: &mut Muxes<S>,
    ) -> Result<Handle<()>, AgreementError> {
        let committee = self.committees.enter(epoch)?;
        let mut peers = self.peers.clone();
        peers.track(epoch.get(), tracked(&committee));

        let role = self.role(ctx, epoch, &committee).await?;
        let namespace = self.committees.namespace();
        let scheme = match role {
            Role::Votes => Scheme::signer(namespace, committee.keys(), self.key.clone()),
            _ => None,
        };
        let scheme = scheme.unwrap_or_else(|| Scheme::verifier(namespace, committee.keys()));
        let members = committee.validators().len();
        match role {
            Role::Votes => info!(%epoch, members, "in the committee"),
            role => info!(%epoch, members, "following: {role}"),
        }
        self.status.send_replace(Status {
            epoch: epoch.get(),
            committee: committee.clone(),
            role,
        });

        let votes = muxes.votes.register(epoch.get()).await?;
        let certificates = muxes.certificates.register(epoch.get()).await?;
        let resolver = muxes.resolver.register(epoch.get()).await?;
        let engine = EpochParts {
            partition: self.partition.clone(),
            epoch,
            turns: Turns::new(&committee, self.committees.first(epoch)),
            floor: self.floor(epoch)?,
            inline: self.inline.clone(),
            observer: Observer::new(ctx.child("observer"), self.chain.clone(), scheme.clone()),
            blocker: self.blocker.clone(),
            timing: self.timing,
            page_cache: self.page_cache.clone(),
            scheme,
        };
        Ok(engine.start(ctx, votes, certificates, resolver))
    }

    /// Ends the engines of the epochs before `epoch`, and removes what they kept.
    async fn leave(
        &self,
        ctx: &E,
        engines: &mut BTreeMap<Epoch, Handle<()>>,
        epoch: Epoch,
    ) -> Result<(), AgreementError> {
        // Those that ran before this node started, too.
        for past in epoch.get().saturating_sub(2)..epoch.get() {
            let past = Epoch::new(past);
            if let Some(engine) = engines.remove(&past) {
                engine.abort();
                // Its files are closed when it is gone.
                let _ = engine.await;
            }
            remove(ctx, &journal(&self.partition, past)).await?;
        }
        // That this node has its votes shows in the last epoch that it voted in.
        let mut own = self.own_epochs(ctx).await?;
        own.pop_last();
        for past in own {
            ctx.remove(&self.voted(), Some(&past.get().to_be_bytes()))
                .await?;
        }
        Ok(())
    }

    /// From where the engine of `epoch` starts: the newest certificate of the epoch, so that no
    /// view below is entered even if the votes of this node are lost.
    fn floor(&self, epoch: Epoch) -> Result<Floor<Scheme, BlockHash>, AgreementError> {
        let head = self.chain.head().number;
        if let Some((_, newest)) = self.keeper.finalization_to(head)?
            && newest.epoch() == epoch
        {
            return Ok(Floor::Finalized(newest));
        }
        let before = self.committees.first(epoch) - 1;
        let hash = self.chain.storage().reader()?.block_hash(before)?;
        let hash = hash.ok_or(CommitteeError::NotAtHead {
            epoch: epoch.get(),
            expected: before,
            head,
        })?;
        Ok(Floor::Genesis(BlockHash(hash)))
    }

    /// What this node does in `epoch`. It votes only where no vote of it can be lost: if the
    /// agreement's own storage knows of this epoch, or of the last one that the database knows this
    /// node to have voted in, or if it never voted.
    async fn role(
        &self,
        ctx: &E,
        epoch: Epoch,
        committee: &Committee,
    ) -> Result<Role, AgreementError> {
        let me = self.key.public_key();
        if committee.signer_of(&me).is_none() {
            return Ok(Role::NotAMember);
        }
        let key: [u8; 32] = me.encode_fixed();
        let storage = self.chain.storage();
        let voted = storage.reader()?.voted_epoch(&key)?.map(Epoch::new);
        let own = self.own_epochs(ctx).await?;
        // Without peers there is nobody whom a vote could contradict.
        let is_alone = self.chain.spec().consortium().is_none();
        let is_sure = is_alone
            || own.contains(&epoch)
            || self.rejoin.permits(epoch, self.began)
            || !Rule::KeepVotes.holds();
        if !is_sure {
            match voted {
                Some(voted) if !own.contains(&voted) => return Ok(Role::VotesLost),
                None if *self.tip.borrow() >= self.committees.first(epoch) => {
                    return Ok(Role::CatchingUp);
                }
                _ => {}
            }
        }
        // In this order: the database must not know of votes that the other storage does not.
        ctx.open(&self.voted(), &epoch.get().to_be_bytes()).await?;
        let mut writer = storage.writer()?;
        writer.put_voted_epoch(&key, epoch.get())?;
        writer.commit()?;
        Ok(Role::Votes)
    }

    /// The epochs that this node began to vote in, by the agreement's own storage.
    async fn own_epochs(&self, ctx: &E) -> Result<BTreeSet<Epoch>, RuntimeError> {
        let names = match ctx.scan(&self.voted()).await {
            Err(RuntimeError::PartitionMissing(_)) => Vec::new(),
            names => names?,
        };
        let epochs = names
            .into_iter()
            .filter_map(|name| Some(u64::from_be_bytes(name.try_into().ok()?)));
        Ok(epochs.map(Epoch::new).collect())
    }

    /// The partition that has a file for each epoch that this node began to vote in.
    fn voted(&self) -> String {
        format!("{}-voted", self.partition)
    }
}

/// Removes a partition, if it is there.
async fn remove<E: Runtime>(ctx: &E, partition: &str) -> Result<(), RuntimeError> {
    match ctx.remove(partition, None).await {
        Ok(()) | Err(RuntimeError::PartitionMissing(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Completes when the engine has ended.
async fn ended(engine: Option<&mut Handle<()>>) {
    match engine {
        Some(engine) => {
            let _ = poll_fn(|cx| Pin::new(&mut *engine).poll(cx)).await;
        }
        None => pending().await,
    }
}

/// The peers of an epoch: its committee, which is dialled, and the others, which dial.
fn tracked(committee: &Committee) -> AddressableTrackedPeers<PublicKey> {
    let at = |peer: &Peer| (peer.key.clone(), dialled(&peer.address));
    AddressableTrackedPeers::new(
        Map::from_iter_dedup(committee.validators().iter().map(|member| at(&member.node))),
        Map::from_iter_dedup(committee.others().iter().map(at)),
    )
}

/// Where a node is dialled; it may dial from anywhere, its key tells who it is. The contract takes
/// any text: where that is no address, nobody dials it.
fn dialled(text: &str) -> Address {
    let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    Address::Asymmetric {
        ingress: ingress(text).unwrap_or(Ingress::Socket(nowhere)),
        egress: nowhere,
    }
}

fn ingress(text: &str) -> Option<Ingress> {
    let Endpoint { host, port } = text.parse().ok()?;
    Some(match host {
        Host::Ip(ip) => Ingress::Socket(SocketAddr::from((ip, port))),
        Host::Name(name) => Ingress::Dns {
            host: Hostname::new(name).ok()?,
            port,
        },
    })
}
