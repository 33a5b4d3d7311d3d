//! What JSON-RPC asks of the agreement and of the network, answered from their handles.

use std::sync::Arc;

use alloy_primitives::{B256, BlockNumber, U64, U256};
use alloy_rpc_types_eth::SyncInfo;
use arc_swap::ArcSwap;
use commonware_cryptography::ed25519::PublicKey;
use wattline_chain::Chain;
use wattline_consensus::{AgreementError, Evidence, EvidenceKind, Finality, MemberSignature, Role};
use wattline_network::{PeerInfo, Role as PeerRole, address};
use wattline_rpc::{
    RpcError,
    agreement::{
        AgreementSource, RpcAgreementStatus, RpcCertificate, RpcCommitteeMember, RpcEvidence,
        RpcSignature,
    },
    peers::{
        PeerSource, RpcNode, RpcPeer, RpcPeerNetwork, RpcPeerProtocols, RpcPeerRole, RpcPeerStatus,
    },
};

use super::{Handles, progress::target};

/// The agreement's answers.
#[derive(Debug)]
pub(crate) struct AgreementAnswers {
    chain: Chain,
    handles: Arc<ArcSwap<Handles>>,
    /// The head when the node started.
    started_at: BlockNumber,
}

impl AgreementAnswers {
    pub(super) fn new(chain: Chain, handles: Arc<ArcSwap<Handles>>) -> Self {
        Self {
            started_at: chain.head().number,
            chain,
            handles,
        }
    }
}

impl AgreementSource for AgreementAnswers {
    fn finalization(&self, number: BlockNumber) -> Result<Option<RpcCertificate>, RpcError> {
        let finality = self
            .handles
            .load()
            .agreement
            .finalization(number)
            .map_err(rpc_error)?;
        Ok(finality.map(certificate))
    }

    fn evidence(&self, from: u64, limit: usize) -> Result<Vec<RpcEvidence>, RpcError> {
        let found = self
            .handles
            .load()
            .agreement
            .evidence(from, limit)
            .map_err(rpc_error)?;
        Ok(found.into_iter().map(evidence).collect())
    }

    fn status(&self) -> RpcAgreementStatus {
        let status = self.handles.load().agreement.status();
        let votes = status.role == Role::Votes;
        let members = status.committee.validators().iter();
        RpcAgreementStatus {
            epoch: U64::from(status.epoch),
            committee: members
                .map(|member| RpcCommitteeMember {
                    signer: member.signer,
                    node_key: key(&member.node.key),
                })
                .collect(),
            votes,
            reason: (!votes).then(|| status.role.to_string()),
        }
    }

    fn syncing(&self) -> Option<SyncInfo> {
        let target = target(&self.chain, &self.handles.load().peers)?;
        Some(SyncInfo {
            starting_block: U256::from(self.started_at),
            current_block: U256::from(self.chain.head().number),
            highest_block: U256::from(target),
            ..SyncInfo::default()
        })
    }
}

fn rpc_error(error: AgreementError) -> RpcError {
    match error {
        AgreementError::Storage(error) => error.into(),
        error => RpcError::Internal(error.to_string()),
    }
}

fn key(key: &PublicKey) -> B256 {
    B256::from_slice(key.as_ref())
}

fn certificate(finality: Finality) -> RpcCertificate {
    let signature = |one: MemberSignature| RpcSignature {
        signer: one.signer,
        node_key: key(&one.key),
        signature: one.signature,
    };
    RpcCertificate {
        block_number: U64::from(finality.number),
        block_hash: finality.hash,
        epoch: U64::from(finality.epoch),
        view: U64::from(finality.view),
        signatures: finality.signatures.into_iter().map(signature).collect(),
        certificate: finality.certificate,
    }
}

fn evidence(found: Evidence) -> RpcEvidence {
    let kind = match found.kind {
        EvidenceKind::ConflictingNotarize => "conflictingNotarize",
        EvidenceKind::ConflictingFinalize => "conflictingFinalize",
        EvidenceKind::NullifyFinalize => "nullifyFinalize",
    };
    RpcEvidence {
        index: U64::from(found.index),
        kind: kind.to_owned(),
        node_key: key(&found.key),
        epoch: U64::from(found.epoch),
        view: U64::from(found.view),
        proof: found.proof.into(),
    }
}

/// The network's answers.
#[derive(Debug)]
pub(crate) struct PeerAnswers(Arc<ArcSwap<Handles>>);

impl PeerAnswers {
    pub(super) const fn new(handles: Arc<ArcSwap<Handles>>) -> Self {
        Self(handles)
    }
}

impl PeerSource for PeerAnswers {
    fn local(&self) -> RpcNode {
        let handles = self.0.load();
        let local = handles.peers.local();
        RpcNode {
            node_key: key(&local.key),
            listen: local.listen,
        }
    }

    fn count(&self) -> usize {
        self.0.load().peers.count()
    }

    fn peers(&self) -> Vec<RpcPeer> {
        let handles = self.0.load();
        let listen = handles.peers.local().listen.to_string();
        let peers = handles.peers.peers().into_iter();
        peers.map(|info| peer(info, &listen)).collect()
    }
}

fn peer(info: PeerInfo, listen: &str) -> RpcPeer {
    let id = key(&info.key);
    let address = info.address.as_ref().map(address::display);
    let status = info.status;
    RpcPeer {
        enode: address
            .as_ref()
            .map(|address| format!("{id:x}@{address}"))
            .unwrap_or_default(),
        id,
        name: info.name.unwrap_or_default(),
        caps: vec!["wattline/1".to_owned()],
        network: RpcPeerNetwork {
            local_address: listen.to_owned(),
            remote_address: address.unwrap_or_default(),
        },
        protocols: RpcPeerProtocols {
            wattline: RpcPeerStatus {
                role: info.role.map(|role| match role {
                    PeerRole::Primary => RpcPeerRole::Validator,
                    PeerRole::Secondary => RpcPeerRole::Observer,
                }),
                connected_since: info.connected_since.map(|since| U64::from(since.as_secs())),
                head_number: status.map(|status| U64::from(status.tip.number)),
                head_hash: status.map(|status| status.tip.hash),
                certified_number: status.map(|status| U64::from(status.tip.certified)),
                clock_ahead: status.map(|status| status.clock_ahead),
                bytes_sent: info.traffic.sent_bytes,
                bytes_received: info.traffic.received_bytes,
                blocked: info.blocked.map(|reason| reason.to_string()),
            },
        },
    }
}
