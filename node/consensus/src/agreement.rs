//! The start of all parts.

use commonware_consensus::marshal::Start;
use commonware_cryptography::{
    Signer as _,
    ed25519::{PrivateKey, PublicKey},
};
use commonware_p2p::{AddressableManager, Blocker, Receiver, Sender};
use commonware_runtime::Handle;
use tokio::sync::watch;
use wattline_chain::Chain;
use wattline_pool::Pool;
use wattline_producer::Producer;

use crate::{
    AgreementError, AgreementHandle, BlockLimits, Channels, PeerHeads, Runtime, Status,
    application::Execution,
    committee::Committees,
    deliver::Deliverer,
    engine::MarshalParts,
    epoch::Epochs,
    rejoin::{Asker, Bound, OwnVotes},
    runtime::{ChainApplication, Inline},
    settings::{Timing, page_cache},
    status::{Rejoin, Role},
    store::Store,
};

/// What a node brings into the agreement.
#[derive(Debug)]
pub struct Agreement {
    /// The chain that it agrees on.
    pub chain: Chain,
    /// The transactions that wait.
    pub pool: Pool,
    /// What makes blocks; `None` on a node that only follows.
    pub producer: Option<Producer>,
    /// The node key: its votes, and its identity among peers.
    pub key: PrivateKey,
    /// How the names of all partitions of this node in the runtime's storage begin.
    pub partition: String,
    /// What the operator says should its votes be lost.
    pub rejoin: Rejoin,
}

/// The network that the agreement runs on.
#[derive(Debug)]
pub struct Network<S, R, M, B> {
    /// The channels to the other nodes.
    pub channels: Channels<S, R>,
    /// Is told who the peers of each epoch are.
    pub peers: M,
    /// Are told of peers that break the rules.
    pub blockers: Blockers<B>,
    /// How far the peers are.
    pub heads: PeerHeads,
}

/// What is told of peers that break the rules, by the part of the agreement that finds it.
#[derive(Clone, Debug)]
pub struct Blockers<B> {
    /// Votes, certificates of them, and requests for those.
    pub votes: B,
    /// Blocks and certificates that were asked for.
    pub backfill: B,
    /// What members say of their votes.
    pub standings: B,
}

impl Agreement {
    /// Starts the agreement. Everything that it starts ends with the returned task, and that with
    /// the error that ended it.
    ///
    /// # Errors
    ///
    /// An [`AgreementError`] if the database cannot be read or there is no committee.
    pub async fn start<E, S, R, M, B>(
        self,
        ctx: E,
        network: Network<S, R, M, B>,
    ) -> Result<(AgreementHandle, Handle<Result<(), AgreementError>>), AgreementError>
    where
        E: Runtime,
        S: Sender<PublicKey = PublicKey>,
        R: Receiver<PublicKey = PublicKey>,
        M: AddressableManager<PublicKey = PublicKey> + Sync,
        B: Blocker<PublicKey = PublicKey> + Sync,
    {
        self.start_with(ctx, network, |execution| execution).await
    }

    /// As [`start`](Self::start), with the application changed by `wrap`: a simulation makes nodes
    /// that lie this way.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub async fn start_with<E, S, R, M, B, A>(
        self,
        ctx: E,
        network: Network<S, R, M, B>,
        wrap: impl FnOnce(Execution) -> A,
    ) -> Result<(AgreementHandle, Handle<Result<(), AgreementError>>), AgreementError>
    where
        E: Runtime,
        S: Sender<PublicKey = PublicKey>,
        R: Receiver<PublicKey = PublicKey>,
        M: AddressableManager<PublicKey = PublicKey> + Sync,
        B: Blocker<PublicKey = PublicKey> + Sync,
        A: ChainApplication<E>,
    {
        let Self {
            chain,
            pool,
            producer,
            key,
            partition,
            rejoin,
        } = self;
        let Network {
            channels,
            peers,
            blockers,
            heads,
        } = network;
        let spec = chain.spec();
        let timing = Timing::new(spec.idle_period());
        let committees = Committees::new(chain.clone(), Some(key.public_key()));
        let epocher = committees.epocher();
        let epoch = committees.epoch(chain.head().number + 1);
        let committee = committees.enter(epoch)?;

        let (store, keeper) = Store::open(ctx.child("store"), chain.clone())?;
        let start = match keeper.finalization_to(chain.head().number)? {
            Some((_, newest)) => Start::Floor(newest),
            None => Start::Genesis(keeper.genesis()?),
        };
        let (blocks, certificates) = store.split();
        let page_cache = page_cache();
        let (deliverer, delivery, stored, tip) =
            Deliverer::new(chain.clone(), pool.clone(), keeper.clone());
        let (marshal, tasks) = MarshalParts {
            partition: partition.clone(),
            head: chain.head().number,
            me: key.public_key(),
            epocher: epocher.clone(),
            start,
            schemes: committees.clone(),
            certificates,
            blocks,
            peers: peers.clone(),
            blocker: blockers.backfill,
            limits: BlockLimits::default(),
            page_cache: page_cache.clone(),
        }
        .start(&ctx, delivery, channels.blocks, channels.backfill)
        .await?;

        let execution = Execution::new(chain.clone(), pool, producer, committees.clone());
        let inline = Inline::new(
            ctx.child("application"),
            wrap(execution),
            marshal.clone(),
            epocher,
        );
        let (status, mut status_receiver) = watch::channel(Status {
            epoch: epoch.get(),
            committee,
            role: Role::Asks,
        });
        let handle =
            AgreementHandle::new(chain.clone(), committees.clone(), status_receiver.clone());
        let votes = OwnVotes::new(epoch);
        let (question, asked) = watch::channel(None);
        let (answer, bound) = watch::channel(Bound::load(&ctx, &partition).await?);
        let asker = Asker {
            partition: partition.clone(),
            sender: channels.standings.0,
            receiver: channels.standings.1,
            blocker: blockers.standings,
            votes: votes.clone(),
            question: asked,
            bound: answer,
        };
        let epochs = Epochs {
            // Votes are those of a key: a node that goes on with another one leaves them behind.
            partition: format!("{partition}-{}", key.public_key()),
            chain,
            keeper,
            committees,
            key,
            rejoin,
            votes,
            question,
            bound,
            heads,
            marshal,
            inline,
            peers,
            blocker: blockers.votes,
            timing,
            page_cache,
            stored,
            tip,
            status,
        };
        let task = ctx.child("agreement").spawn(move |ctx| async move {
            let deliver = ctx.child("deliver").spawn(|ctx| deliverer.run(ctx));
            let asker = ctx.child("asker").spawn(|ctx| asker.run(ctx));
            let epochs = ctx.child("epochs").spawn(move |ctx| {
                epochs.run(ctx, channels.votes, channels.certificates, channels.resolver)
            });
            tokio::select! {
                biased;
                ended = deliver => ended?,
                ended = epochs => ended?,
                ended = asker => ended?,
                _ = Handle::select(tasks) => Err(AgreementError::Ended("the order of final blocks")),
            }
        });
        // From here on the status says what this node does. If it says nothing, the task has ended.
        let _ = status_receiver.changed().await;
        Ok((handle, task))
    }
}
