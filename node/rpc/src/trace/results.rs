//! What a client wants to know of a transaction, and what a tracer found.

use alloy_primitives::{Address, Bytes, map::HashSet};
use alloy_rpc_types_trace::parity::{Delta, StateDiff, TraceResults, TraceType};
use revm::{
    DatabaseRef,
    context::result::ResultAndState,
    primitives::KECCAK_EMPTY,
    state::{AccountInfo, EvmState},
};
use revm_inspectors::tracing::{
    StackSnapshotType, TracingInspector, TracingInspectorConfig, parity::populate_state_diff,
};

use super::vm::vm_trace;
use crate::{
    RpcError, RpcLimits,
    execution::{
        tracer::{Bounded, Memory, Records, Steps},
        workers::Stop,
    },
};

/// A tracer of calls.
pub(super) fn call_tracer(limits: &RpcLimits, stop: &Stop) -> Bounded<TracingInspector> {
    let types = HashSet::from_iter([TraceType::Trace]);
    tracer(&types, limits, stop)
}

/// A tracer that finds what `types` name.
pub(super) fn tracer(
    types: &HashSet<TraceType>,
    limits: &RpcLimits,
    stop: &Stop,
) -> Bounded<TracingInspector> {
    let steps = types.contains(&TraceType::VmTrace);
    let calls = steps || types.contains(&TraceType::Trace);
    let config = TracingInspectorConfig::default_parity()
        .set_steps(steps)
        .set_memory_snapshots(steps)
        .set_stack_snapshots(if steps {
            StackSnapshotType::Full
        } else {
            StackSnapshotType::None
        });
    let records = Records {
        steps: steps.then_some(Steps {
            stack: true,
            memory: Memory::Changes,
            ..Steps::default()
        }),
        inner_calls: calls,
        call_tree: calls,
    };
    Bounded::new(
        TracingInspector::new(config),
        records,
        *limits,
        stop.clone(),
    )
}

/// What the tracer found of a transaction. `state` is the one before it.
///
/// # Errors
///
/// Those of [`Bounded::finish`], and those of `state`, as `storage` sees them.
pub(super) fn results<DB: DatabaseRef>(
    tracer: Bounded<TracingInspector>,
    types: &HashSet<TraceType>,
    outcome: &ResultAndState,
    state: &DB,
    storage: impl Fn(DB::Error) -> RpcError,
) -> Result<TraceResults, RpcError> {
    let inspector = tracer.finish()?;
    let mut vm = None;
    if types.contains(&TraceType::VmTrace) {
        let trace = vm_trace(inspector.traces().nodes(), |address| {
            account_code(address, &outcome.state, state)
        });
        vm = Some(trace.map_err(&storage)?);
    }
    let mut diff = None;
    if types.contains(&TraceType::StateDiff) {
        diff = Some(state_diff(&outcome.state, state).map_err(&storage)?);
    }
    let mut trace = Vec::new();
    if types.contains(&TraceType::Trace) {
        trace = inspector.into_parity_builder().into_transaction_traces();
    }
    Ok(TraceResults {
        output: outcome.result.output().cloned().unwrap_or_default(),
        trace,
        vm_trace: vm,
        state_diff: diff,
    })
}

fn state_diff<DB: DatabaseRef>(changes: &EvmState, state: &DB) -> Result<StateDiff, DB::Error> {
    let mut diff = StateDiff::default();
    populate_state_diff(&mut diff, state, changes.iter())?;
    // Code also changes where none is created: with a delegation (EIP-7702).
    for (address, account) in &mut *diff {
        let Some(after) = changes.get(address).filter(|_| account.code.is_unchanged()) else {
            continue;
        };
        let before = state.basic_ref(*address)?.unwrap_or_default();
        if before.code_hash != after.info.code_hash {
            account.code = Delta::changed(code(&before, state)?, code(&after.info, state)?);
        }
    }
    Ok(diff)
}

fn account_code<DB: DatabaseRef>(
    address: Address,
    changes: &EvmState,
    state: &DB,
) -> Result<Bytes, DB::Error> {
    match changes.get(&address) {
        Some(account) => code(&account.info, state),
        None => match state.basic_ref(address)? {
            Some(account) => code(&account, state),
            None => Ok(Bytes::new()),
        },
    }
}

fn code<DB: DatabaseRef>(account: &AccountInfo, state: &DB) -> Result<Bytes, DB::Error> {
    match &account.code {
        Some(code) => Ok(code.original_bytes()),
        None if account.code_hash == KECCAK_EMPTY || account.code_hash.is_zero() => {
            Ok(Bytes::new())
        }
        None => Ok(state.code_by_hash_ref(account.code_hash)?.original_bytes()),
    }
}
