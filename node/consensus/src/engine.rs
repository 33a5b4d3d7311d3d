//! The two engines of the agreement: one that agrees on the blocks of an epoch, and one for all
//! epochs that puts what is final in order.

use commonware_broadcast::buffered;
use commonware_consensus::{
    Reporter, Reporters,
    marshal::{
        self, Start, Update,
        resolver::p2p as resolver,
        store::{Blocks, Certificates},
    },
    simplex::{self, Floor, config::ForwardPolicy},
    types::{Epoch, FixedEpocher},
};
use commonware_cryptography::{
    Digested,
    certificate::{Provider, Scheme as _},
    ed25519::PublicKey,
};
use commonware_p2p::{Blocker, Provider as Peers, Receiver, Sender};
use commonware_parallel::Sequential;
use commonware_runtime::{Handle, buffer::paged::CacheRef};

use crate::{
    AgreedBlock, AgreementError, BlockHash, BlockLimits, Scheme, Turns,
    runtime::{Activity, ChainApplication, Inline, Marshal, Runtime, Variant},
    settings::{self, Timing},
};
use std::sync::Arc;

/// Where a node's engine for `epoch` keeps its votes and what it saw. `partition` is how the names
/// of all partitions of the node begin.
pub(crate) fn journal(partition: &str, epoch: Epoch) -> String {
    format!("{partition}-epoch-{epoch}")
}

/// What putting final blocks in order takes.
pub(crate) struct MarshalParts<P, FC, FB, M, B> {
    pub(crate) partition: String,
    /// The number of the last stored block.
    pub(crate) head: u64,
    pub(crate) me: PublicKey,
    pub(crate) epocher: FixedEpocher,
    pub(crate) start: Start<Scheme, BlockHash, Digested<AgreedBlock>>,
    pub(crate) schemes: P,
    pub(crate) certificates: FC,
    pub(crate) blocks: FB,
    pub(crate) peers: M,
    pub(crate) blocker: B,
    pub(crate) limits: BlockLimits,
    pub(crate) page_cache: CacheRef,
}

impl<P, FC, FB, M, B> MarshalParts<P, FC, FB, M, B>
where
    P: Provider<Scope = Epoch, Scheme = Scheme>,
    FC: Certificates<BlockDigest = BlockHash, Commitment = BlockHash, Scheme = Scheme>,
    FB: Blocks<Block = Arc<AgreedBlock>>,
    M: Peers<PublicKey = PublicKey>,
    B: Blocker<PublicKey = PublicKey>,
{
    /// Starts it, with the exchange of blocks between nodes. Final blocks go to `application`.
    ///
    /// # Errors
    ///
    /// [`AgreementError::OlderDatabase`] if the database and the agreement's own storage are not of
    /// one time.
    pub(crate) async fn start<E: Runtime>(
        self,
        ctx: &E,
        application: impl Reporter<Activity = Update<AgreedBlock>>,
        blocks: (
            impl Sender<PublicKey = PublicKey>,
            impl Receiver<PublicKey = PublicKey>,
        ),
        backfill: (
            impl Sender<PublicKey = PublicKey>,
            impl Receiver<PublicKey = PublicKey>,
        ),
    ) -> Result<(Marshal, Vec<Handle<()>>), AgreementError> {
        let (broadcast, buffer) = buffered::Engine::new(
            ctx.child("broadcast"),
            buffered::Config {
                public_key: self.me.clone(),
                mailbox_size: settings::MAILBOX,
                deque_size: settings::BLOCKS_PER_PEER,
                priority: true,
                codec_config: self.limits,
                peer_provider: self.peers.clone(),
                strategy: Sequential,
            },
        );
        let broadcast = broadcast.start(blocks);
        let resolver = resolver::init(
            ctx.child("backfill"),
            resolver::Config {
                public_key: self.me,
                peer_provider: self.peers,
                blocker: self.blocker,
                mailbox_size: settings::MAILBOX,
                fetch_timeout: settings::fetch_timeout(),
                fetch_retry_delay: settings::FETCH_RETRY,
                priority_requests: false,
                priority_responses: false,
            },
            backfill,
        );
        let head = self.head;
        let (actor, marshal, floor) = marshal::core::Actor::<_, Variant, _, _, _, _, _>::init(
            ctx.child("marshal"),
            self.certificates,
            self.blocks,
            marshal::Config {
                provider: self.schemes,
                epocher: self.epocher,
                start: self.start,
                partition_prefix: format!("{}-marshal", self.partition),
                mailbox_size: settings::MAILBOX,
                view_retention: settings::VIEWS,
                prunable_items_per_section: settings::BLOCKS_PER_FILE,
                page_cache: self.page_cache,
                replay_buffer: settings::REPLAY_BUFFER,
                key_write_buffer: settings::WRITE_BUFFER,
                value_write_buffer: settings::WRITE_BUFFER,
                block_codec_config: self.limits,
                max_repair: settings::MAX_REPAIR,
                max_pending_acks: settings::MAX_PENDING_ACKS,
                strategy: Sequential,
            },
        )
        .await;
        // It is told of a block's end only when the block is stored.
        if let Some(processed) = floor.processed()
            && processed.height().get() > head
        {
            return Err(AgreementError::OlderDatabase {
                processed: processed.height().get(),
                head,
            });
        }
        let marshal_task = actor.start(application, buffer, resolver);
        Ok((marshal, vec![broadcast, marshal_task]))
    }
}

/// What agreeing on the blocks of one epoch takes.
pub(crate) struct EpochParts<E, A, B, O>
where
    E: Runtime,
    A: ChainApplication<E>,
{
    /// Where it keeps its votes and what it saw.
    pub(crate) journal: String,
    pub(crate) epoch: Epoch,
    pub(crate) scheme: Scheme,
    pub(crate) turns: Turns,
    pub(crate) floor: Floor<Scheme, BlockHash>,
    pub(crate) inline: Inline<E, A>,
    pub(crate) observer: O,
    pub(crate) blocker: B,
    pub(crate) timing: Timing,
    pub(crate) page_cache: CacheRef,
}

impl<E, A, B, O> EpochParts<E, A, B, O>
where
    E: Runtime,
    A: ChainApplication<E>,
    B: Blocker<PublicKey = PublicKey>,
    O: Reporter<Activity = Activity>,
{
    /// Starts it on the subchannels of the epoch. It ends when it is aborted, or with its channels.
    pub(crate) fn start(
        self,
        ctx: &E,
        votes: (
            impl Sender<PublicKey = PublicKey>,
            impl Receiver<PublicKey = PublicKey>,
        ),
        certificates: (
            impl Sender<PublicKey = PublicKey>,
            impl Receiver<PublicKey = PublicKey>,
        ),
        resolver: (
            impl Sender<PublicKey = PublicKey>,
            impl Receiver<PublicKey = PublicKey>,
        ),
    ) -> Handle<()> {
        let members = self.scheme.participants().len();
        let engine = simplex::Engine::new(
            ctx.child("simplex").with_attribute("epoch", self.epoch),
            simplex::Config {
                scheme: self.scheme,
                elector: self.turns,
                blocker: self.blocker,
                automaton: self.inline.clone(),
                relay: self.inline.clone(),
                reporter: Reporters::from((self.inline, self.observer)),
                track_historical_votes: true,
                strategy: Sequential,
                partition: self.journal,
                mailbox_size: settings::MAILBOX,
                epoch: self.epoch,
                floor: self.floor,
                replay_buffer: settings::REPLAY_BUFFER,
                write_buffer: settings::WRITE_BUFFER,
                page_cache: self.page_cache,
                leader_timeout: self.timing.leader(),
                certification_timeout: self.timing.certification(),
                timeout_retry: settings::TIMEOUT_RETRY,
                view_retention: settings::VIEWS,
                skip: self.timing.skip(members),
                fetch_timeout: settings::fetch_timeout(),
                fetch_retry_delay: settings::FETCH_RETRY,
                forward: ForwardPolicy::SilentVoters,
            },
        );
        engine.start(votes, certificates, resolver)
    }
}
