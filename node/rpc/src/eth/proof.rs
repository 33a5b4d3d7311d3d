//! Merkle proofs of accounts and storage (EIP-1186).

use alloy_eips::BlockId;
use alloy_primitives::{Address, B256, KECCAK256_EMPTY};
use alloy_rpc_types_eth::{EIP1186AccountProofResponse, EIP1186StorageProof};
use alloy_serde::JsonStorageKey;
use jsonrpsee::{core::RpcResult, core::async_trait, proc_macros::rpc};
use wattline_storage::{AccountProof, ProofBudget, Reader, StorageError};

use crate::{
    RpcError,
    execution::workers::Stop,
    shared::{backend::Backend, block_id},
};

#[rpc(server, namespace = "eth")]
trait Proofs {
    #[method(name = "getProof")]
    async fn proof(
        &self,
        address: Address,
        slots: Vec<JsonStorageKey>,
        block: Option<BlockId>,
    ) -> RpcResult<EIP1186AccountProofResponse>;
}

/// The methods of this file.
pub(super) fn methods(backend: Backend) -> impl Into<jsonrpsee::Methods> {
    ProofsServer::into_rpc(Handler(backend))
}

struct Handler(Backend);

#[async_trait]
impl ProofsServer for Handler {
    async fn proof(
        &self,
        address: Address,
        slots: Vec<JsonStorageKey>,
        block: Option<BlockId>,
    ) -> RpcResult<EIP1186AccountProofResponse> {
        let limit = self.0.limits().proof_slots;
        if slots.len() > limit {
            return Err(RpcError::LimitExceeded(format!(
                "too many slots: {} given, limit {limit}: split the query",
                slots.len()
            ))
            .into());
        }
        let backend = self.0.clone();
        let proof = self.0.workers().call(move |stop| {
            let reader = backend.chain().storage().reader()?;
            let proof = prove(&backend, &reader, address, &slots, block, &stop)?;
            Ok(answer(address, slots, proof))
        });
        Ok(proof.await?)
    }
}

fn prove(
    backend: &Backend,
    reader: &Reader,
    address: Address,
    slots: &[JsonStorageKey],
    block: Option<BlockId>,
    stop: &Stop,
) -> Result<AccountProof, RpcError> {
    let number = block_id::header(backend, reader, block.unwrap_or_default())?.number;
    let slots: Vec<B256> = slots.iter().map(JsonStorageKey::as_b256).collect();
    let budget = ProofBudget {
        changes: backend.limits().proof_changes,
        stop: &|| stop.requested(),
    };
    match reader.proof(number, address, &slots, budget) {
        Err(StorageError::Stopped) => Err(stop.error()),
        Err(error @ StorageError::ProofTooFar { .. }) => {
            Err(RpcError::LimitExceeded(error.to_string()))
        }
        result => Ok(result?),
    }
}

/// The proof as clients see it. An account that does not exist has the hashes of an empty one.
fn answer(
    address: Address,
    slots: Vec<JsonStorageKey>,
    proof: AccountProof,
) -> EIP1186AccountProofResponse {
    let account = proof.account.unwrap_or_default();
    let storage_proof = slots.into_iter().zip(proof.slots);
    EIP1186AccountProofResponse {
        address,
        balance: account.balance,
        code_hash: account.bytecode_hash.unwrap_or(KECCAK256_EMPTY),
        nonce: account.nonce,
        storage_hash: proof.storage_root,
        account_proof: proof.nodes,
        storage_proof: storage_proof
            .map(|(key, proof)| EIP1186StorageProof {
                key,
                value: proof.value,
                proof: proof.nodes,
            })
            .collect(),
    }
}
