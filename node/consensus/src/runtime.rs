//! What the agreement asks of the place where it runs, and commonware's types as used here.

use commonware_consensus::{
    Application,
    marshal::{self, standard::Standard},
    simplex,
    types::FixedEpocher,
};
use commonware_runtime::{Clock, Metrics, Spawner, Storage};
use rand_core::CryptoRng;

use crate::{AgreedBlock, BlockHash};

/// A runtime of commonware: its tokio one in a node, its deterministic one in a simulation.
pub trait Runtime: Clock + CryptoRng + Metrics + Spawner + Storage {}

impl<E: Clock + CryptoRng + Metrics + Spawner + Storage> Runtime for E {}

/// Single ed25519 signatures with a bitmap of who signed: anybody can attribute each of them.
pub type Scheme = simplex::scheme::ed25519::Scheme;
/// A certificate that a block is final.
pub type Finalization = simplex::types::Finalization<Scheme, BlockHash>;
/// What the engine reports.
pub(crate) type Activity = simplex::types::Activity<Scheme, BlockHash>;
/// What a proposal is made or judged in.
pub type Context = simplex::types::Context<BlockHash, commonware_cryptography::ed25519::PublicKey>;
/// Blocks travel whole.
pub(crate) type Variant = Standard<AgreedBlock>;
/// The way to the actor that puts final blocks in order.
pub(crate) type Marshal = marshal::core::Mailbox<Scheme, Variant>;
/// The application as the engine sees it.
pub(crate) type Inline<E, A> = marshal::standard::Inline<E, Scheme, A, AgreedBlock, FixedEpocher>;

/// An application of the engine that speaks of the chain's blocks: [`crate::Execution`], or one that
/// changes what it does.
pub trait ChainApplication<E>:
    Application<E, SigningScheme = Scheme, Block = AgreedBlock, Context = Context, Input = ()> + Sync
{
}

impl<E, A> ChainApplication<E> for A where
    A: Application<E, SigningScheme = Scheme, Block = AgreedBlock, Context = Context, Input = ()>
        + Sync
{
}
