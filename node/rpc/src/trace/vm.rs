//! The trace of every instruction, with what it pushed, stored and wrote.

use alloy_primitives::{Address, Bytes, U256};
use alloy_rpc_types_trace::parity::{
    MemoryDelta, StorageDelta, VmExecutedOperation, VmInstruction, VmTrace,
};
use revm::bytecode::opcode::{self, OpCode};
use revm_inspectors::tracing::types::{CallTraceNode, CallTraceStep, TraceMemberOrder};

/// The instructions of a transaction, those of inner calls below the instruction that called. The
/// nodes hold full stacks and the memory before each step. `code` finds the code of an account.
///
/// # Errors
///
/// Those of `code`.
pub(super) fn vm_trace<E>(
    nodes: &[CallTraceNode],
    mut code: impl FnMut(Address) -> Result<Bytes, E>,
) -> Result<VmTrace, E> {
    let mut traces: Vec<Option<VmTrace>> = nodes.iter().map(|_| None).collect();
    // Calls come after the calls that they are in.
    for (index, backend) in nodes.iter().enumerate().rev() {
        let mut ops: Vec<VmInstruction> = Vec::with_capacity(backend.trace.steps.len());
        for member in &backend.ordering {
            match *member {
                TraceMemberOrder::Step(step) => {
                    let steps = backend.trace.steps.get(step..).unwrap_or_default();
                    if let Some((step, later)) = steps.split_first() {
                        ops.push(instruction(step, later.first()));
                    }
                }
                TraceMemberOrder::Call(child) => {
                    let child = backend.children.get(child).copied();
                    let sub = child.and_then(|child| traces.get_mut(child)?.take());
                    if let Some(caller) = ops.last_mut() {
                        caller.sub = sub;
                    }
                }
                TraceMemberOrder::Log(_) => {}
            }
        }
        let code = if backend.trace.kind.is_any_create() {
            backend.trace.data.clone()
        } else {
            code(backend.trace.address)?
        };
        if let Some(trace) = traces.get_mut(index) {
            *trace = Some(VmTrace { code, ops });
        }
    }
    Ok(traces
        .first_mut()
        .and_then(Option::take)
        .unwrap_or_default())
}

/// One instruction. What it left behind is what the next one in its call found.
fn instruction(step: &CallTraceStep, next: Option<&CallTraceStep>) -> VmInstruction {
    let executed = next.map(|next| {
        let stack = next.stack.as_deref().unwrap_or_default();
        let pushed = usize::from(step.op.outputs());
        VmExecutedOperation {
            used: next.gas_remaining,
            push: stack
                .get(stack.len().saturating_sub(pushed)..)
                .unwrap_or_default()
                .to_vec(),
            mem: written(step, next),
            store: stored(step),
        }
    });
    // The last instruction of a call that ended well has nothing after it.
    let ended = || {
        let failed = step.status.is_some_and(|status| !status.is_ok_or_revert());
        (!failed).then(|| VmExecutedOperation {
            used: step.gas_remaining.saturating_sub(step.gas_cost),
            push: Vec::new(),
            mem: None,
            store: None,
        })
    };
    VmInstruction {
        pc: step.pc,
        cost: step.gas_cost,
        ex: executed.or_else(ended),
        sub: None,
        op: Some(step.op.to_string()),
        idx: None,
    }
}

/// An item of the stack before the step, counted from the top.
fn item(step: &CallTraceStep, depth: usize) -> Option<U256> {
    let stack = step.stack.as_deref()?;
    stack
        .len()
        .checked_sub(depth + 1)
        .and_then(|index| stack.get(index).copied())
}

fn stored(step: &CallTraceStep) -> Option<StorageDelta> {
    (step.op == OpCode::SSTORE)
        .then(|| {
            Some(StorageDelta {
                key: item(step, 0)?,
                val: item(step, 1)?,
            })
        })
        .flatten()
}

fn written(step: &CallTraceStep, next: &CallTraceStep) -> Option<MemoryDelta> {
    let (offset, length) = match step.op.get() {
        opcode::MSTORE => (item(step, 0)?, U256::from(32)),
        opcode::MSTORE8 => (item(step, 0)?, U256::ONE),
        opcode::CALLDATACOPY | opcode::CODECOPY | opcode::RETURNDATACOPY | opcode::MCOPY => {
            (item(step, 0)?, item(step, 2)?)
        }
        opcode::EXTCODECOPY => (item(step, 1)?, item(step, 3)?),
        opcode::CALL | opcode::CALLCODE => (item(step, 5)?, item(step, 6)?),
        opcode::DELEGATECALL | opcode::STATICCALL => (item(step, 4)?, item(step, 5)?),
        _ => return None,
    };
    let memory = next.memory.as_ref()?.as_bytes();
    let off = usize::try_from(offset).ok()?;
    let end = off.checked_add(usize::try_from(length).ok()?)?;
    (off < end && end <= memory.len()).then(|| MemoryDelta {
        off,
        data: memory.slice(off..end),
    })
}
