//! Tracers that end in time and stay small: what any of them records is counted while it is
//! recorded, and recording ends with the execution when it is too much or takes too long.

use std::collections::{HashMap, HashSet};

use alloy_primitives::{Address, Log, U256};
use revm::{
    Inspector,
    bytecode::opcode::{self, OpCode},
    context::ContextTr,
    inspector::JournalExt,
    interpreter::{
        CallInputs, CallOutcome, CreateInputs, CreateOutcome, Interpreter,
        interpreter_types::{InputsTr as _, Jumps as _, MemoryTr as _, ReturnData as _},
    },
};

use crate::{RpcError, RpcLimits, execution::workers::Stop};

/// Bytes that a step takes at least, as recorded and as answered.
const STEP_BYTES: usize = 200;
/// Bytes of a word on the stack.
const WORD_BYTES: usize = 40;
/// Bytes of a slot and its value in the answer.
const SLOT_BYTES: usize = 150;
/// Bytes that a call or a log takes at least.
const CALL_BYTES: usize = 600;

/// What a tracer records.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Records {
    /// Every step.
    pub(crate) steps: Option<Steps>,
    /// Calls within the transaction. The outermost one is always recorded.
    pub(crate) inner_calls: bool,
    /// The tree of those calls, of which building takes more than proportional time.
    pub(crate) call_tree: bool,
}

/// What a tracer answers of the memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Memory {
    /// Nothing.
    #[default]
    No,
    /// What a step changed. Memory is recorded once per change then.
    Changes,
    /// All of it at every step.
    All,
}

/// What a tracer records of a step.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Steps {
    pub(crate) stack: bool,
    pub(crate) memory: Memory,
    pub(crate) return_data: bool,
    pub(crate) storage: bool,
    /// How many steps, if not all.
    pub(crate) limit: Option<u64>,
}

/// Why a tracer stopped the execution.
#[derive(Clone, Copy, Debug)]
enum End {
    Time,
    Bytes,
    Calls,
}

/// A tracer within limits of time and size; or none, which sees nothing.
pub(crate) struct Bounded<T>(Option<Box<Running<T>>>);

impl<T> Default for Bounded<T> {
    fn default() -> Self {
        Self(None)
    }
}

struct Running<T> {
    tracer: T,
    watch: Watch,
}

struct Watch {
    records: Records,
    stop: Stop,
    limits: RpcLimits,
    end: Option<End>,
    bytes: usize,
    steps: u64,
    calls: usize,
    depth: usize,
    recording: bool,
    slots: HashMap<Address, HashSet<U256>>,
}

impl Watch {
    /// Steps between two looks at the clock.
    const INTERVAL: u64 = 1024;

    fn look(&mut self) {
        if self.stop.requested() {
            self.end.get_or_insert(End::Time);
        }
    }

    fn take(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > self.limits.trace_bytes {
            self.end.get_or_insert(End::Bytes);
        }
    }

    /// Whether the tracer sees what happens at the present depth.
    const fn sees_calls(&self) -> bool {
        self.records.inner_calls || self.records.steps.is_some() || self.depth <= 1
    }

    /// Counts a step; says whether the tracer records it.
    fn step(&mut self, interpreter: &Interpreter) -> bool {
        self.steps += 1;
        if self.steps.is_multiple_of(Self::INTERVAL) {
            self.look();
        }
        let Some(keeps) = self.records.steps else {
            return false;
        };
        if keeps.limit.is_some_and(|limit| self.steps > limit) {
            return false;
        }
        let mut bytes = STEP_BYTES;
        if keeps.stack {
            bytes += interpreter.stack.len() * WORD_BYTES;
        }
        let op = interpreter.bytecode.opcode();
        let changes = OpCode::new(op).is_some_and(|op| op.modifies_memory());
        if keeps.memory == Memory::All || (keeps.memory == Memory::Changes && changes) {
            bytes += interpreter.memory.size() * 3;
        }
        if keeps.return_data {
            bytes += interpreter.return_data.buffer().len() * 2;
        }
        if keeps.storage && matches!(op, opcode::SLOAD | opcode::SSTORE) {
            let slots = self
                .slots
                .entry(interpreter.input.target_address())
                .or_default();
            slots.extend(interpreter.stack.peek(0).ok());
            bytes += slots.len() * SLOT_BYTES;
        }
        self.take(bytes);
        true
    }

    /// Counts a call; says whether the tracer sees it.
    fn enter(&mut self, input: usize) -> bool {
        self.look();
        self.depth += 1;
        let seen = self.sees_calls();
        if seen {
            self.calls += 1;
            self.take(input * 3 + CALL_BYTES);
        }
        if self.records.call_tree && self.calls > self.limits.trace_calls {
            self.end.get_or_insert(End::Calls);
        }
        seen
    }

    /// Whether the tracer saw the call that ends.
    fn leave(&mut self, output: usize) -> bool {
        let seen = self.sees_calls();
        if seen {
            self.take(output * 3);
        }
        self.depth = self.depth.saturating_sub(1);
        seen
    }
}

impl<T> Bounded<T> {
    pub(crate) fn new(tracer: T, records: Records, limits: RpcLimits, stop: Stop) -> Self {
        Self(Some(Box::new(Running {
            tracer,
            watch: Watch {
                records,
                stop,
                limits,
                end: None,
                bytes: 0,
                steps: 0,
                calls: 0,
                depth: 0,
                recording: false,
                slots: HashMap::new(),
            },
        })))
    }

    /// The tracer with what it recorded.
    ///
    /// # Errors
    ///
    /// [`RpcError::Timeout`] or [`RpcError::LimitExceeded`] if it was ended early.
    pub(crate) fn finish(self) -> Result<T, RpcError> {
        let running = self.0.ok_or_else(|| {
            RpcError::Internal("a transaction was traced without a tracer".to_owned())
        })?;
        let Running { tracer, watch } = *running;
        match watch.end {
            None => Ok(tracer),
            Some(End::Time) => Err(watch.stop.error()),
            Some(End::Bytes) => Err(too_large(watch.limits.trace_bytes)),
            Some(End::Calls) => Err(RpcError::LimitExceeded(format!(
                "the transaction makes more than {} calls, the limit of this node for one trace: \
                 use callTracer with onlyTopCall, prestateTracer or 4byteTracer",
                watch.limits.trace_calls
            ))),
        }
    }
}

/// The error for traces that are too large, with what to do about it.
pub(crate) fn too_large(limit: usize) -> RpcError {
    RpcError::LimitExceeded(format!(
        "the trace is larger than {limit} bytes, the limit of this node: ask for less, for the \
         struct logger with limit, disableStack, disableStorage or without enableMemory, or for a \
         tracer that records less, such as callTracer"
    ))
}

impl<CTX, T> Inspector<CTX> for Bounded<T>
where
    CTX: ContextTr<Journal: JournalExt>,
    T: Inspector<CTX>,
{
    fn step(&mut self, interpreter: &mut Interpreter, context: &mut CTX) {
        let Some(Running { tracer, watch }) = self.0.as_deref_mut() else {
            return;
        };
        watch.recording = watch.end.is_none() && watch.step(interpreter);
        if watch.end.is_some() {
            watch.recording = false;
            interpreter.halt_oog();
        } else if watch.recording {
            tracer.step(interpreter, context);
        }
    }

    fn step_end(&mut self, interpreter: &mut Interpreter, context: &mut CTX) {
        if let Some(Running { tracer, watch }) = self.0.as_deref_mut()
            && watch.recording
        {
            tracer.step_end(interpreter, context);
        }
    }

    fn log(&mut self, context: &mut CTX, log: Log) {
        if let Some(Running { tracer, watch }) = self.0.as_deref_mut()
            && watch.sees_calls()
        {
            watch.take(log.data.data.len() * 3 + CALL_BYTES);
            tracer.log(context, log);
        }
    }

    fn call(&mut self, context: &mut CTX, inputs: &mut CallInputs) -> Option<CallOutcome> {
        let Running { tracer, watch } = self.0.as_deref_mut()?;
        if watch.enter(inputs.input.len()) {
            tracer.call(context, inputs)
        } else {
            None
        }
    }

    fn call_end(&mut self, context: &mut CTX, inputs: &CallInputs, outcome: &mut CallOutcome) {
        if let Some(Running { tracer, watch }) = self.0.as_deref_mut()
            && watch.leave(outcome.result.output.len())
        {
            tracer.call_end(context, inputs, outcome);
        }
    }

    fn create(&mut self, context: &mut CTX, inputs: &mut CreateInputs) -> Option<CreateOutcome> {
        let Running { tracer, watch } = self.0.as_deref_mut()?;
        if watch.enter(inputs.init_code().len()) {
            tracer.create(context, inputs)
        } else {
            None
        }
    }

    fn create_end(
        &mut self,
        context: &mut CTX,
        inputs: &CreateInputs,
        outcome: &mut CreateOutcome,
    ) {
        if let Some(Running { tracer, watch }) = self.0.as_deref_mut()
            && watch.leave(outcome.result.output.len())
        {
            tracer.create_end(context, inputs, outcome);
        }
    }

    fn selfdestruct(&mut self, contract: Address, target: Address, value: U256) {
        if let Some(Running { tracer, watch }) = self.0.as_deref_mut()
            && watch.sees_calls()
        {
            tracer.selfdestruct(contract, target, value);
        }
    }
}
