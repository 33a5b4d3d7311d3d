//! What JSON-RPC asks of the agreement, and the answers as clients see them. Whoever wires the node
//! answers for the engine; how validators come to agree is not known here.

use std::fmt::Debug;

use alloy_primitives::{Address, B256, BlockNumber, Bytes, U64};
use alloy_rpc_types_eth::SyncInfo;
use serde::Serialize;

use crate::RpcError;

/// The agreement, as far as clients may ask of it.
pub trait AgreementSource: Debug + Send + Sync {
    /// The certificate of the first block at or above `number` that has one; `None` if none has.
    /// Blocks that became final through a child have none of their own. May read the disk.
    ///
    /// # Errors
    ///
    /// [`RpcError::Storage`], and [`RpcError::Internal`] for a certificate that is damaged.
    fn finalization(&self, number: BlockNumber) -> Result<Option<RpcCertificate>, RpcError>;

    /// What proves that a key broke the protocol: at most `limit` records from the place `from` on,
    /// in the order in which they were found. May read the disk.
    ///
    /// # Errors
    ///
    /// [`RpcError::Storage`], and [`RpcError::Internal`] for a record that is damaged.
    fn evidence(&self, from: u64, limit: usize) -> Result<Vec<RpcEvidence>, RpcError>;

    /// Where the agreement is, and this node in it. Quick.
    fn status(&self) -> RpcAgreementStatus;

    /// How far the node has come if it is behind its peers; `None` if it is in step. Quick.
    fn syncing(&self) -> Option<SyncInfo>;
}

/// Proof that a quorum of a committee made a block final.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RpcCertificate {
    /// The block that the signatures are of.
    pub block_number: U64,
    /// Its hash.
    pub block_hash: B256,
    /// The epoch whose committee signed.
    pub epoch: U64,
    /// The view of that epoch in which it became final.
    pub view: U64,
    /// Who signed, in the committee's order.
    pub signatures: Vec<RpcSignature>,
    /// The whole as the nodes exchange it.
    pub certificate: Bytes,
}

/// What one node signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RpcSignature {
    /// The account that seals the node's blocks.
    pub signer: Address,
    /// The node's key (ed25519).
    pub node_key: B256,
    /// Its signature.
    pub signature: Bytes,
}

/// Proof that a key broke the protocol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RpcEvidence {
    /// Its place in the order in which this node found them.
    pub index: U64,
    /// What was done, for example `conflictingNotarize`.
    pub kind: String,
    /// Whose key it was.
    pub node_key: B256,
    /// The epoch in which it happened.
    pub epoch: U64,
    /// The view in which it happened.
    pub view: U64,
    /// The conflicting messages as the nodes exchange them.
    pub proof: Bytes,
}

/// Where the agreement is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RpcAgreementStatus {
    /// The epoch of the next block.
    pub epoch: U64,
    /// The epoch's committee, ascending by signer, which is how it takes turns.
    pub committee: Vec<RpcCommitteeMember>,
    /// Whether this node votes in the epoch.
    pub votes: bool,
    /// Why it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// One of the committee.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RpcCommitteeMember {
    /// The account that seals blocks.
    pub signer: Address,
    /// The key that votes (ed25519).
    pub node_key: B256,
}
