//! What a neighbourhood is told.

use crate::dataset::Dataset;
use alloy::{
    signers::local::{LocalSignerError, MnemonicBuilder, PrivateKeySigner},
    transports::http::reqwest::Url,
};
use jiff::Timestamp;
use std::sync::Arc;

/// The development mnemonic. Its keys are public: never use them where money is.
pub const DEVELOPMENT_MNEMONIC: &str =
    "test test test test test test test test test test test junk";
/// The development chain's id.
pub const DEVELOPMENT_CHAIN_ID: u64 = 57_836;
/// The development account that holds all roles and operates the zone.
pub const OPERATOR_INDEX: u32 = 0;
/// The development account that clears and settles.
pub const KEEPER_INDEX: u32 = 8;
/// The development account that carries meter readings to the chain.
pub const METERD_INDEX: u32 = 9;

/// A key of the development mnemonic (`m/44'/60'/0'/0/index`).
///
/// # Errors
///
/// The index is beyond 2^31.
pub fn development_key(index: u32) -> Result<PrivateKeySigner, LocalSignerError> {
    MnemonicBuilder::try_from_phrase_nth(DEVELOPMENT_MNEMONIC, index)
}

/// Everything that [`run`](crate::run) needs.
#[derive(Clone, Debug)]
pub struct NeighbourhoodConfig {
    /// The node's JSON-RPC address.
    pub rpc: Url,
    /// The chain that the node must be on.
    pub chain_id: u64,
    /// The account that registers the households and operates their zone: it must hold the roles of
    /// administrator, bank, registrar and, on a permissioned chain, permission operator.
    pub operator: PrivateKeySigner,
    /// The account that clears products and settles them; any that may transact.
    pub keeper: PrivateKeySigner,
    /// What the households' keys follow from.
    pub root: PrivateKeySigner,
    /// The village.
    pub dataset: Arc<Dataset>,
    /// The first interval of the data to play; `None`: the first in which somebody has a surplus.
    pub from: Option<Timestamp>,
    /// How many intervals to play; `None`: to the data's end.
    pub intervals: Option<u64>,
    /// The length of a delivery interval on the chain, in seconds; at least 2.
    pub interval_seconds: u32,
    /// What the households' forecasts and prices follow from.
    pub seed: u64,
    /// The zone on the chain.
    pub zone: u64,
}

impl NeighbourhoodConfig {
    /// The neighbourhood of the development chain, with the village that comes with this program.
    ///
    /// # Errors
    ///
    /// None does: the mnemonic is valid.
    pub fn development(rpc: Url, dataset: Arc<Dataset>) -> Result<Self, LocalSignerError> {
        Ok(Self {
            rpc,
            chain_id: DEVELOPMENT_CHAIN_ID,
            operator: development_key(OPERATOR_INDEX)?,
            keeper: development_key(KEEPER_INDEX)?,
            root: development_key(OPERATOR_INDEX)?,
            dataset,
            from: None,
            intervals: None,
            interval_seconds: 15,
            seed: 1,
            zone: 1,
        })
    }
}
