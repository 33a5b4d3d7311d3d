//! Block execution: EVM rules, the auction precompile, the permission check and the fee rule.
//!
//! Built on alloy-evm's seams: [`WattlineEvmFactory`] makes EVMs that have the batch auction,
//! [`WattlineBlockExecutorFactory`] makes block executors that apply this chain's rules: the
//! permission of senders, the constant base fee and the gas cap of a transaction, whatever the
//! environment says that they are handed. [`EvmConfig`] is the face that the rest of this node
//! uses: environments, execution and validation of blocks, building of blocks, and the members of
//! the consortium.
//!
//! The two factories go into a Reth v2.5 node builder as they are. What is left to write there is
//! the glue around them: an implementation of Reth's `ConfigureEvm` that holds the block executor
//! factory (some hundred lines, for the environments that [`EvmConfig`] makes here), one of
//! `EthChainSpec` for the chain specification, the seal and header rules as Reth's consensus, and
//! the pool's refusal of senders without permission. Reth's own rule for the next base fee must not
//! validate headers: theirs is constant.

mod body;
mod builder;
mod config;
mod consortium;
mod error;
mod execute;
mod executor;
mod factory;
mod permission;
mod receipt;
mod replay;
mod rules;

pub use body::{BodyError, MAX_BLOCK_SIZE, validate_body};
pub use builder::{BlockBuilder, BuildSession, BuiltBlock};
pub use config::{EvmConfig, NextBlock};
pub use consortium::{ConsortiumError, MAX_MEMBERS, Member, MemberRole};
pub use error::{BuildError, ExecutionError, FatalError, TransactionError};
pub use execute::ExecutionOutput;
pub use executor::{WattlineBlockExecutor, WattlineBlockExecutorFactory};
pub use factory::{WattlineEvm, WattlineEvmFactory};
pub use permission::{Permission, PermissionError, permission_slot};
pub use receipt::WattlineReceiptBuilder;
