//! The `txpool` namespace: transactions that wait.

use std::{collections::BTreeMap, sync::Arc};

use alloy_consensus::Transaction as _;
use alloy_primitives::Address;
use alloy_rpc_types_txpool::{
    TxpoolContent, TxpoolContentFrom, TxpoolInspect, TxpoolInspectSummary, TxpoolStatus,
};
use jsonrpsee::{core::RpcResult, core::async_trait, proc_macros::rpc};
use wattline_pool::PooledTransaction;

use crate::shared::{
    backend::Backend,
    convert::{self, RpcTransaction},
};

#[rpc(server, namespace = "txpool")]
trait Txpool {
    #[method(name = "status")]
    async fn status(&self) -> RpcResult<TxpoolStatus>;

    #[method(name = "content")]
    async fn content(&self) -> RpcResult<TxpoolContent<RpcTransaction>>;

    #[method(name = "contentFrom")]
    async fn content_from(&self, sender: Address) -> RpcResult<TxpoolContentFrom<RpcTransaction>>;

    #[method(name = "inspect")]
    async fn inspect(&self) -> RpcResult<TxpoolInspect>;
}

/// All methods of the namespace.
pub(crate) fn methods(backend: Backend) -> impl Into<jsonrpsee::Methods> {
    TxpoolServer::into_rpc(Handler(backend))
}

struct Handler(Backend);

/// Transactions by nonce, in decimal as geth has it.
fn by_nonce<T>(
    transactions: Vec<Arc<PooledTransaction>>,
    convert: impl Fn(&PooledTransaction) -> T,
) -> BTreeMap<String, T> {
    let entries = transactions.into_iter();
    entries
        .map(|transaction| (transaction.nonce().to_string(), convert(&transaction)))
        .collect()
}

fn by_sender<T>(
    senders: BTreeMap<Address, Vec<Arc<PooledTransaction>>>,
    convert: impl Fn(&PooledTransaction) -> T + Copy,
) -> BTreeMap<Address, BTreeMap<String, T>> {
    let entries = senders.into_iter();
    entries
        .map(|(sender, transactions)| (sender, by_nonce(transactions, convert)))
        .collect()
}

fn summary(transaction: &PooledTransaction) -> TxpoolInspectSummary {
    let transaction = transaction.signed();
    TxpoolInspectSummary {
        to: transaction.to(),
        value: transaction.value(),
        gas: transaction.gas_limit(),
        gas_price: transaction.max_fee_per_gas(),
    }
}

#[async_trait]
impl TxpoolServer for Handler {
    async fn status(&self) -> RpcResult<TxpoolStatus> {
        let status = self.0.pool().status();
        Ok(TxpoolStatus {
            pending: status.pending as u64,
            queued: status.queued as u64,
        })
    }

    async fn content(&self) -> RpcResult<TxpoolContent<RpcTransaction>> {
        let backend = self.0.clone();
        let content = self.0.workers().read(move || {
            let content = backend.pool().content();
            Ok(TxpoolContent {
                pending: by_sender(content.pending, convert::pooled_transaction),
                queued: by_sender(content.queued, convert::pooled_transaction),
            })
        });
        Ok(content.await?)
    }

    async fn content_from(&self, sender: Address) -> RpcResult<TxpoolContentFrom<RpcTransaction>> {
        let backend = self.0.clone();
        let content = self.0.workers().read(move || {
            let (pending, queued) = backend.pool().content_from(&sender);
            Ok(TxpoolContentFrom {
                pending: by_nonce(pending, convert::pooled_transaction),
                queued: by_nonce(queued, convert::pooled_transaction),
            })
        });
        Ok(content.await?)
    }

    async fn inspect(&self) -> RpcResult<TxpoolInspect> {
        let backend = self.0.clone();
        let content = self.0.workers().read(move || {
            let content = backend.pool().content();
            Ok(TxpoolInspect {
                pending: by_sender(content.pending, summary),
                queued: by_sender(content.queued, summary),
            })
        });
        Ok(content.await?)
    }
}
