//! Taking in transactions.

use std::{sync::Arc, time::Duration};

use alloy_consensus::Transaction as _;
use alloy_eips::{Decodable2718, eip2718::EIP4844_TX_TYPE_ID};
use alloy_primitives::{B256, Bytes, U64};
use alloy_rpc_types_eth::TransactionReceipt;
use jsonrpsee::{core::RpcResult, core::async_trait, proc_macros::rpc};
use tokio::sync::broadcast::{Receiver, error::RecvError};
use wattline_chain::CanonicalUpdate;
use wattline_pool::PoolError;
use wattline_primitives::{BlockWithReceipts, TransactionSigned};

use super::transactions::receipt;
use crate::{
    RpcError,
    shared::{backend::Backend, convert, error::SubmitError},
};

#[rpc(server, namespace = "eth")]
trait Submit {
    #[method(name = "sendRawTransaction")]
    async fn send_raw_transaction(&self, transaction: Bytes) -> RpcResult<B256>;

    #[method(name = "sendRawTransactionSync")]
    async fn send_raw_transaction_sync(
        &self,
        transaction: Bytes,
        timeout: Option<U64>,
    ) -> RpcResult<TransactionReceipt>;
}

/// The methods of this file.
pub(super) fn methods(backend: Backend) -> impl Into<jsonrpsee::Methods> {
    SubmitServer::into_rpc(Handler(backend))
}

struct Handler(Backend);

#[async_trait]
impl SubmitServer for Handler {
    async fn send_raw_transaction(&self, transaction: Bytes) -> RpcResult<B256> {
        let transaction = decode(&transaction)?;
        Ok(self.0.submissions().add(transaction).await?)
    }

    async fn send_raw_transaction_sync(
        &self,
        transaction: Bytes,
        timeout: Option<U64>,
    ) -> RpcResult<TransactionReceipt> {
        let transaction = decode(&transaction)?;
        let patience = self.patience(timeout.map(|timeout| timeout.to()));
        // Before the pool has it, so that no block is missed.
        let updates = self.0.chain().subscribe();
        let nonce = transaction.nonce();
        let hash = self.0.submissions().add(transaction).await?;
        let pool = self.0.pool();
        // It may be in a block already, and then no longer in the pool.
        let ready = pool.get(&hash).is_none_or(|waiting| {
            let sender = waiting.transaction().signer();
            pool.pending_nonce(&sender).is_some_and(|next| next > nonce)
        });
        if !ready {
            return Err(RpcError::Submit(SubmitError::NotReady(hash)).into());
        }
        match tokio::time::timeout(patience, self.included(hash, updates)).await {
            Ok(receipt) => Ok(receipt?),
            Err(_) => Err(RpcError::Submit(SubmitError::NotIncluded {
                hash,
                after: patience,
            })
            .into()),
        }
    }
}

impl Handler {
    /// How long to wait; the default also for what EIP-7966 calls an invalid timeout.
    fn patience(&self, milliseconds: Option<u64>) -> Duration {
        let limits = self.0.limits();
        milliseconds
            .map(Duration::from_millis)
            .filter(|timeout| !timeout.is_zero() && *timeout <= limits.max_inclusion_wait)
            .unwrap_or(limits.inclusion_wait)
    }

    /// The receipt of a transaction, once it is in a block.
    async fn included(
        &self,
        hash: B256,
        mut updates: Receiver<Arc<CanonicalUpdate>>,
    ) -> Result<TransactionReceipt, RpcError> {
        loop {
            match updates.recv().await {
                Ok(update) => {
                    let found = update.committed.iter().find_map(|block| find(block, hash));
                    if let Some(receipt) = found {
                        return Ok(receipt);
                    }
                }
                // Those that were missed may have had it.
                Err(RecvError::Lagged(_)) => {
                    let found = self
                        .0
                        .read(move |backend, reader| receipt(backend, reader, hash));
                    if let Some(receipt) = found.await? {
                        return Ok(receipt);
                    }
                }
                Err(RecvError::Closed) => {
                    return Err(RpcError::Internal("the node is stopping".to_owned()));
                }
            }
        }
    }
}

fn find(block: &BlockWithReceipts, hash: B256) -> Option<TransactionReceipt> {
    let transactions = &block.block.body().transactions;
    let index = transactions.iter().position(|tx| *tx.tx_hash() == hash)?;
    convert::receipt(block, index)
}

fn decode(bytes: &[u8]) -> Result<TransactionSigned, RpcError> {
    match bytes.first() {
        None => Err(RpcError::Submit(SubmitError::Decode(
            "no bytes given".to_owned(),
        ))),
        // With its sidecar it would not even decode.
        Some(&EIP4844_TX_TYPE_ID) => Err(SubmitError::from(PoolError::BlobRefused).into()),
        Some(_) => TransactionSigned::decode_2718_exact(bytes)
            .map_err(|error| RpcError::Submit(SubmitError::Decode(error.to_string()))),
    }
}
