//! From one epoch to the next.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::{Future as _, pending, poll_fn},
    net::{Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use commonware_codec::EncodeFixed as _;
use commonware_consensus::{
    Epochable as _, Viewable as _,
    simplex::Floor,
    types::{Epoch, Height, View},
};
use commonware_cryptography::{
    Signer as _,
    ed25519::{PrivateKey, PublicKey},
};
use commonware_p2p::{
    Address, AddressableManager, AddressableTrackedPeers, Blocker, Ingress, Receiver, Sender,
    utils::mux::{Builder as _, Error as MuxError, MuxHandle, Muxer, SubReceiver, SubSender},
};
use commonware_runtime::{Error as RuntimeError, Handle, buffer::paged::CacheRef};
use commonware_utils::{
    Faults as _, N3f1, SystemTimeExt as _, hostname::Hostname, ordered::Map, vec::NonEmptyVec,
};
use tokio::sync::watch;
use tracing::info;
use wattline_chain::Chain;
use wattline_primitives::{Endpoint, Host};

use crate::{
    AgreementError, BlockHash, Committee, CommitteeError, Finalization, Peer, PeerHeads, Scheme,
    Turns,
    committee::Committees,
    engine::{EpochParts, journal},
    evidence::Observer,
    rejoin::{Bound, OwnVotes, Question, Standing, Voice, mark, marks, remove},
    rules::Rule,
    runtime::{ChainApplication, Inline, Marshal, Runtime},
    settings::Timing,
    status::{Rejoin, Role, Status},
    store::Keeper,
};

/// How often a node looks whether its peers are ahead.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long an engine that is ended needs to leave its subchannels, at most some of these.
const MOMENT: Duration = Duration::from_millis(10);

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
    /// Where the votes of this node stand.
    pub(crate) votes: OwnVotes,
    /// What the committee is asked of them, and what it answered.
    pub(crate) question: watch::Sender<Option<Question>>,
    pub(crate) bound: watch::Receiver<Option<Bound>>,
    /// How far the peers are.
    pub(crate) heads: PeerHeads,
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

/// The engine of an epoch, and what this node does in it.
struct Running {
    engine: Handle<()>,
    committee: Arc<Committee>,
    role: Role,
}

/// What this node knows of its own votes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Memory {
    /// All that it cast are in its storage.
    Kept,
    /// The operator says that none is lost, or that it does not matter.
    Vouched,
    /// There are none, of what may be a node that never voted.
    Empty,
    /// It voted, and its votes are not there.
    Lost,
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

        let mut engines: BTreeMap<Epoch, Running> = BTreeMap::new();
        // All before it are left behind.
        let mut left = Epoch::zero();
        let mut look_at = ctx.current();
        loop {
            let head = *self.stored.borrow_and_update();
            let epoch = self.committees.epoch(head + 1);
            let running = match engines.remove(&epoch) {
                Some(running) => self.reconsider(&ctx, epoch, running, &mut muxes).await?,
                None => self.enter(&ctx, epoch, &mut muxes).await?,
            };
            engines.insert(epoch, running);
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
                changed = self.bound.changed() => if changed.is_err() {
                    return Err(AgreementError::Ended("the exchange of standings"));
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
                () = ctx.sleep_until(look_at) => {
                    look_at = ctx.current().saturating_add_ext(LOOK_EVERY);
                    // Where nobody votes, or nobody's votes come here, only this shows it.
                    let known = head.max(*self.tip.borrow());
                    for (height, peers) in self.heads.wanted(known, self.committees.last(epoch)) {
                        self.marshal.hint_finalized(height, peers);
                    }
                },
            }
        }
    }

    /// Begins an epoch, of which the block before is stored.
    async fn enter<S: Sender<PublicKey = PublicKey>>(
        &self,
        ctx: &E,
        epoch: Epoch,
        muxes: &mut Muxes<S>,
    ) -> Result<Running, AgreementError> {
        let committee = self.committees.enter(epoch)?;
        let mut peers = self.peers.clone();
        peers.track(epoch.get(), tracked(&committee));

        let memory = self.memory(ctx, epoch).await?;
        let role = self.role(epoch, &committee, memory)?;
        self.inquire(epoch, &committee, role, memory);
        self.start(ctx, epoch, committee, role, memory, muxes).await
    }

    /// Votes from now on, if this node waited and need wait no longer.
    async fn reconsider<S: Sender<PublicKey = PublicKey>>(
        &self,
        ctx: &E,
        epoch: Epoch,
        mut running: Running,
        muxes: &mut Muxes<S>,
    ) -> Result<Running, AgreementError> {
        if !matches!(running.role, Role::Asks | Role::Waits) {
            return Ok(running);
        }
        let memory = self.memory(ctx, epoch).await?;
        let role = self.role(epoch, &running.committee, memory)?;
        if role == running.role {
            // What it takes for the chain's start may have turned out not to be.
            self.votes.set(epoch, self.standing(epoch, role, memory));
            return Ok(running);
        }
        self.inquire(epoch, &running.committee, role, memory);
        if role == Role::Votes {
            running.engine.abort();
            let _ = running.engine.await;
            let committee = running.committee;
            return self.start(ctx, epoch, committee, role, memory, muxes).await;
        }
        running.role = role;
        self.tell(epoch, &running.committee, role);
        self.votes.set(epoch, self.standing(epoch, role, memory));
        Ok(running)
    }

    /// Asks the committee of `epoch`, if there is something to ask. Who only follows asks as well,
    /// once: should it become a member, the others may need its vote at once.
    fn inquire(&self, epoch: Epoch, committee: &Committee, role: Role, memory: Memory) {
        let is_member = role != Role::NotAMember;
        let asks = match role {
            Role::Asks => true,
            Role::NotAMember => memory == Memory::Empty && self.bound.borrow().is_none(),
            _ => false,
        };
        let question = asks.then(|| {
            let me = self.key.public_key();
            let keys = committee.validators().iter().map(|member| &member.node.key);
            let members: BTreeSet<_> = keys.filter(|key| **key != me).cloned().collect();
            let quorum = N3f1::quorum(committee.validators().len()) as usize;
            Question {
                epoch,
                members,
                needed: quorum - usize::from(is_member),
                is_member,
            }
        });
        self.question.send_if_modified(|asked| {
            let is_new = *asked != question;
            *asked = question;
            is_new
        });
    }

    fn tell(&self, epoch: Epoch, committee: &Arc<Committee>, role: Role) {
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
    }

    /// Starts the engine of `epoch`.
    async fn start<S: Sender<PublicKey = PublicKey>>(
        &self,
        ctx: &E,
        epoch: Epoch,
        committee: Arc<Committee>,
        role: Role,
        memory: Memory,
        muxes: &mut Muxes<S>,
    ) -> Result<Running, AgreementError> {
        let standing = match role {
            Role::Votes => self.begin(ctx, epoch, memory).await?,
            role => self.standing(epoch, role, memory),
        };
        self.votes.set(epoch, standing);
        let namespace = self.committees.namespace();
        let scheme = match role {
            Role::Votes => Scheme::signer(namespace, committee.keys(), self.key.clone()),
            _ => None,
        };
        let scheme = scheme.unwrap_or_else(|| Scheme::verifier(namespace, committee.keys()));
        self.tell(epoch, &committee, role);

        let (votes, received) = register(ctx, &mut muxes.votes, epoch).await?;
        let certificates = register(ctx, &mut muxes.certificates, epoch).await?;
        let resolver = register(ctx, &mut muxes.resolver, epoch).await?;
        let observer = Observer::new(
            ctx.child("observer"),
            self.chain.clone(),
            scheme.clone(),
            self.votes.clone(),
        );
        let engine = EpochParts {
            journal: self.journal(epoch, role),
            epoch,
            turns: Turns::new(&committee, self.committees.first(epoch)),
            floor: self.floor(epoch)?,
            inline: self.inline.clone(),
            observer,
            blocker: self.blocker.clone(),
            timing: self.timing,
            page_cache: self.page_cache.clone(),
            scheme,
        };
        let votes = Voice::new(votes, epoch, self.votes.clone());
        Ok(Running {
            engine: engine.start(ctx, (votes, received), certificates, resolver),
            committee,
            role,
        })
    }

    /// Where the engine keeps what it saw. That of a node that follows is no journal of votes, and
    /// may be open for a moment after its engine was ended.
    fn journal(&self, epoch: Epoch, role: Role) -> String {
        let journal = journal(&self.partition, epoch);
        match role {
            Role::Votes => journal,
            _ => format!("{journal}-following"),
        }
    }

    /// Takes note that this node votes in `epoch` from now on, and tells how its votes stand.
    async fn begin(
        &self,
        ctx: &E,
        epoch: Epoch,
        memory: Memory,
    ) -> Result<Standing, AgreementError> {
        let has_journal = self.own_epochs(ctx).await?.contains(&epoch);
        // In this order: the database must not know of votes that the other storage does not.
        mark(ctx, &self.voted(), &epoch.get().to_be_bytes()).await?;
        let mut writer = self.chain.storage().writer()?;
        writer.put_voted_epoch(&self.key.public_key().encode_fixed(), epoch.get())?;
        writer.commit()?;
        Ok(if has_journal {
            // Known when the journal is read.
            Standing::Unknown
        } else {
            self.standing(epoch, Role::Votes, memory)
        })
    }

    /// How the votes of a node without a journal of `epoch` stand.
    fn standing(&self, epoch: Epoch, role: Role, memory: Memory) -> Standing {
        let lost = self.bound_in(epoch).map(|bound| bound.lost());
        match (role, memory, lost) {
            (Role::Votes | Role::Waits, _, Some(lost)) if !lost.is_zero() => Standing::Voted(lost),
            (Role::Votes, Memory::Kept | Memory::Empty, _) => Standing::NotBegun,
            // Nothing is final in it yet, as far as this node knows: it may be the chain's start.
            (Role::Asks, Memory::Empty, _) if *self.tip.borrow() < self.committees.first(epoch) => {
                Standing::NotBegun
            }
            _ => Standing::Unknown,
        }
    }

    /// Ends the engines of the epochs before `epoch`, and removes what they kept.
    async fn leave(
        &self,
        ctx: &E,
        engines: &mut BTreeMap<Epoch, Running>,
        epoch: Epoch,
    ) -> Result<(), AgreementError> {
        // Those that ran before this node started, too.
        for past in epoch.get().saturating_sub(2)..epoch.get() {
            let past = Epoch::new(past);
            if let Some(Running { engine, .. }) = engines.remove(&past) {
                engine.abort();
                // Its files are closed when it is gone.
                let _ = engine.await;
            }
            for role in [Role::Votes, Role::NotAMember] {
                remove(ctx, &self.journal(past, role)).await?;
            }
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
        if let Some(newest) = self.newest(epoch)? {
            return Ok(Floor::Finalized(newest));
        }
        let before = self.committees.first(epoch) - 1;
        let hash = self.chain.storage().reader()?.block_hash(before)?;
        let hash = hash.ok_or_else(|| CommitteeError::NotAtHead {
            epoch: epoch.get(),
            expected: before,
            head: self.chain.head().number,
        })?;
        Ok(Floor::Genesis(BlockHash(hash)))
    }

    /// The newest certificate of `epoch` of a block that is stored.
    fn newest(&self, epoch: Epoch) -> Result<Option<Finalization>, AgreementError> {
        let newest = self.keeper.finalization_to(self.chain.head().number)?;
        Ok(newest
            .map(|(_, newest)| newest)
            .filter(|newest| newest.epoch() == epoch))
    }

    /// What this node does in `epoch`: it votes where it contradicts no vote that is lost.
    fn role(
        &self,
        epoch: Epoch,
        committee: &Committee,
        memory: Memory,
    ) -> Result<Role, AgreementError> {
        if committee.signer_of(&self.key.public_key()).is_none() {
            return Ok(Role::NotAMember);
        }
        let is_alone = committee.validators().len() == 1;
        match memory {
            Memory::Kept | Memory::Vouched => return Ok(Role::Votes),
            // Nobody else can say what a committee of one voted for.
            Memory::Lost if is_alone || self.rejoin == Rejoin::No => return Ok(Role::VotesLost),
            Memory::Empty if !Rule::AskFirst.holds() => return Ok(Role::Votes),
            Memory::Empty | Memory::Lost => {}
        }
        if self.is_free(epoch) {
            return Ok(Role::Votes);
        }
        let Some(bound) = self.bound_in(epoch) else {
            return Ok(Role::Asks);
        };
        let newest = self.newest(epoch)?.map_or(View::zero(), |it| it.view());
        Ok(if newest > bound.lost() {
            Role::Votes
        } else {
            Role::Waits
        })
    }

    /// Whether no vote of `epoch` is lost, by what the committee of this epoch or an earlier one
    /// said.
    fn is_free(&self, epoch: Epoch) -> bool {
        let Some(Bound { epoch: asked, view }) = *self.bound.borrow() else {
            return false;
        };
        if asked == epoch {
            return view.is_zero();
        }
        // Each block takes a view of its own, and the next epoch begins when the last is final.
        let blocks = self.committees.last(asked) + 1 - self.committees.first(asked);
        asked < epoch && (asked.next() < epoch || view.get() < blocks)
    }

    /// What the committee of `epoch` said, if it was asked.
    fn bound_in(&self, epoch: Epoch) -> Option<Bound> {
        let bound = *self.bound.borrow();
        bound.filter(|bound| bound.epoch == epoch)
    }

    /// What this node knows of its votes: all, if the agreement's own storage knows of this epoch,
    /// or of the last one that the database knows this node to have voted in.
    async fn memory(&self, ctx: &E, epoch: Epoch) -> Result<Memory, AgreementError> {
        let own = self.own_epochs(ctx).await?;
        // Without peers there is nobody whom a vote could contradict.
        let is_alone = self.chain.spec().consortium().is_none();
        if is_alone || own.contains(&epoch) {
            return Ok(Memory::Kept);
        }
        let key: [u8; 32] = self.key.public_key().encode_fixed();
        let voted = self.chain.storage().reader()?.voted_epoch(&key)?;
        Ok(match voted.map(Epoch::new) {
            Some(voted) if own.contains(&voted) => Memory::Kept,
            _ if self.rejoin == Rejoin::Now || !Rule::KeepVotes.holds() => Memory::Vouched,
            Some(_) => Memory::Lost,
            None => Memory::Empty,
        })
    }

    /// The epochs that this node began to vote in, by the agreement's own storage.
    async fn own_epochs(&self, ctx: &E) -> Result<BTreeSet<Epoch>, RuntimeError> {
        let epochs = marks(ctx, &self.voted()).await?;
        let epochs = epochs
            .into_iter()
            .filter_map(|name| Some(u64::from_be_bytes(name.try_into().ok()?)));
        Ok(epochs.map(Epoch::new).collect())
    }

    /// The partition that has a file for each epoch that this node began to vote in.
    fn voted(&self) -> String {
        format!("{}-voted", self.partition)
    }
}

/// A subchannel of an epoch. If another engine of this epoch was just ended, that leaves it in a
/// moment.
async fn register<E: Runtime, S: Sender<PublicKey = PublicKey>>(
    ctx: &E,
    mux: &mut MuxHandle<S>,
    epoch: Epoch,
) -> Result<(SubSender<S>, SubReceiver<PublicKey>), MuxError> {
    loop {
        match mux.register(epoch.get()).await {
            Err(MuxError::AlreadyRegistered(_)) => ctx.sleep(MOMENT).await,
            registered => return registered,
        }
    }
}

/// Completes when the engine has ended.
async fn ended(running: Option<&mut Running>) {
    match running {
        Some(Running { engine, .. }) => {
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
