//! Block execution: EVM rules, the auction precompile, the permission check and the fee rule.
//!
//! Built on alloy-evm's seams: [`WattlineEvmFactory`] makes EVMs that have the batch auction,
//! [`WattlineBlockExecutorFactory`] makes block executors that apply this chain's rules. Both go
//! into a Reth node builder as they are. [`EvmConfig`] is the face that the rest of this node
//! uses: environments, execution and validation of blocks, and building of blocks.

mod body;
mod builder;
mod config;
mod error;
mod execute;
mod executor;
mod factory;
mod permission;
mod receipt;
mod replay;

pub use body::{BodyError, MAX_BLOCK_SIZE, validate_body};
pub use builder::{BlockBuilder, BuildSession, BuiltBlock};
pub use config::{EvmConfig, NextBlock};
pub use error::{BuildError, ExecutionError, FatalError, TransactionError};
pub use execute::ExecutionOutput;
pub use executor::{WattlineBlockExecutor, WattlineBlockExecutorFactory};
pub use factory::{WattlineEvm, WattlineEvmFactory};
pub use permission::{Permission, PermissionError, permission_slot};
pub use receipt::WattlineReceiptBuilder;
