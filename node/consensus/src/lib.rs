//! The agreement: which sealed block is the chain.
//!
//! [`wattline_clique`] says who may seal a block; here the validators agree on one of the sealed
//! blocks, and it is final. The engine is Simplex of commonware: the leader of a view proposes a
//! block on the last notarized one, the others execute it before they vote for it, and two rounds
//! of votes later it is final and stored. Each epoch has its own [`Committee`] and its own engine.
//! [`Agreement::start`] starts it all, on any runtime and network of commonware.

mod agreement;
mod application;
mod block;
mod certificate;
mod channels;
mod committee;
mod deliver;
mod digest;
mod elector;
mod engine;
mod epoch;
mod error;
mod evidence;
mod handle;
mod heads;
mod rejoin;
mod rules;
mod runtime;
mod settings;
mod status;
mod store;

pub use agreement::{Agreement, Blockers, Network};
pub use application::Execution;
pub use block::{AgreedBlock, BlockError, BlockLimits};
pub use certificate::{CertificateError, Verifier};
pub use channels::Channels;
pub use committee::{Committee, CommitteeError, Peer, Validator};
pub use digest::BlockHash;
pub use elector::{Leaders, Turns};
pub use error::AgreementError;
pub use evidence::{Evidence, EvidenceKind};
pub use handle::{AgreementHandle, Finality, MemberSignature};
pub use heads::PeerHeads;
#[cfg(feature = "mutants")]
pub use rules::Rule;
pub use runtime::{ChainApplication, Context, Finalization, Runtime, Scheme};
pub use status::{Rejoin, Role, Status};
pub use store::StoreError;
