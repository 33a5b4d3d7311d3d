//! Access lists (EIP-2930), found by trying.

use alloy_consensus::TxType;
use alloy_eips::{BlockId, eip2930::AccessList};
use alloy_primitives::U256;
use alloy_rpc_types_eth::{AccessListResult, TransactionRequest, state::StateOverride};
use jsonrpsee::{core::RpcResult, core::async_trait, proc_macros::rpc};
use revm::context::{TxEnv, result::ExecutionResult};
use revm_inspectors::access_list::AccessListInspector;

use crate::{
    RpcError,
    execution::call::{CallExecutor, Overrides},
    shared::{backend::Backend, error::CallError},
};

/// Runs after which the list is answered as it is. Each run can only add to it, and hardly any
/// contract takes another way more than once because of the gas that the list changes.
const MAX_RUNS: usize = 16;

#[rpc(server, namespace = "eth")]
trait AccessLists {
    #[method(name = "createAccessList")]
    async fn create_access_list(
        &self,
        request: TransactionRequest,
        block: Option<BlockId>,
        state_overrides: Option<StateOverride>,
    ) -> RpcResult<AccessListResult>;
}

/// The methods of this file.
pub(super) fn methods(backend: Backend) -> impl Into<jsonrpsee::Methods> {
    AccessListsServer::into_rpc(Handler(backend))
}

struct Handler(Backend);

#[async_trait]
impl AccessListsServer for Handler {
    async fn create_access_list(
        &self,
        request: TransactionRequest,
        block: Option<BlockId>,
        state_overrides: Option<StateOverride>,
    ) -> RpcResult<AccessListResult> {
        let backend = self.0.clone();
        let list = self.0.workers().call(move |stop| {
            let reader = backend.chain().storage().reader()?;
            let overrides = Overrides {
                state: state_overrides,
                block: None,
            };
            let executor = CallExecutor::new(&backend, &reader, block, overrides, stop)?;
            find(executor, request, backend.limits().call_gas)
        });
        Ok(list.await?)
    }
}

/// Runs the transaction with the list that it has come to, until it touches nothing else.
fn find(
    mut executor: CallExecutor,
    request: TransactionRequest,
    cap: u64,
) -> Result<AccessListResult, RpcError> {
    let gas = request.gas.unwrap_or(cap).min(cap);
    let mut list = request.access_list.clone().unwrap_or_default();
    let tx = executor.transaction(request, gas)?;
    // A legacy transaction has no list.
    let tx_type = tx.tx_type.max(TxType::Eip2930 as u8);
    let mut runs = 0;
    loop {
        let mut inspector = AccessListInspector::new(list.clone());
        let tx = TxEnv {
            tx_type,
            access_list: list.clone(),
            ..tx.clone()
        };
        let outcome = executor.watch(tx, &mut inspector)?;
        runs += 1;
        let touched = sorted(inspector.into_access_list());
        if touched == sorted(list) || runs == MAX_RUNS {
            return Ok(AccessListResult {
                access_list: touched,
                gas_used: U256::from(outcome.result.tx_gas_used()),
                error: failure(outcome.result).map(|error| error.to_string()),
            });
        }
        list = touched;
    }
}

/// In an order of its own, so that the same transaction always gets the same list.
fn sorted(mut list: AccessList) -> AccessList {
    list.0.sort_unstable_by_key(|item| item.address);
    for item in &mut list.0 {
        item.storage_keys.sort_unstable();
    }
    list
}

fn failure(result: ExecutionResult) -> Option<RpcError> {
    match result {
        ExecutionResult::Success { .. } => None,
        ExecutionResult::Revert { output, .. } => Some(RpcError::Call(CallError::Reverted(output))),
        ExecutionResult::Halt { reason, .. } => Some(RpcError::Call(CallError::Halted(reason))),
    }
}
