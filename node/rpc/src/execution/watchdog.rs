//! The inspector that watches the time of an execution.

use revm::{
    Inspector,
    context::{ContextTr, JournalTr as _},
    interpreter::{CallInputs, CallOutcome, Interpreter, interpreter::EthInterpreter},
};

use super::workers::Stop;

/// Ends an execution whose time is up.
#[derive(Debug)]
pub(crate) struct Watchdog {
    stop: Stop,
    /// Steps between two looks at the clock.
    interval: u32,
    steps: u32,
    stopped: bool,
}

impl Watchdog {
    /// Some tens of microseconds.
    const INTERVAL: u32 = 4096;
    /// Fewer for inline work, as a step may read from the database. What takes fewer steps than
    /// this is done inline, even if the system gave the thread to others meanwhile.
    const INLINE_INTERVAL: u32 = 1024;
    /// Bytes of memory beyond which inline work ends: one step may hash or copy all of it.
    const INLINE_MEMORY: usize = 64 * 1024;

    pub(crate) const fn new(stop: Stop) -> Self {
        let interval = if stop.inline() {
            Self::INLINE_INTERVAL
        } else {
            Self::INTERVAL
        };
        Self {
            stop,
            interval,
            steps: 0,
            stopped: false,
        }
    }

    /// Whether it has ended an execution.
    pub(crate) const fn stopped(&self) -> bool {
        self.stopped
    }

    fn look(&mut self) {
        self.stopped = self.stopped || self.stop.requested();
    }
}

impl<CTX: ContextTr> Inspector<CTX, EthInterpreter> for Watchdog {
    fn step(&mut self, interpreter: &mut Interpreter<EthInterpreter>, _: &mut CTX) {
        self.steps = self.steps.wrapping_add(1);
        if self.steps.is_multiple_of(self.interval) {
            self.look();
        }
        if self.stop.inline() && interpreter.memory.len() > Self::INLINE_MEMORY {
            self.stopped = true;
        }
        if self.stopped {
            interpreter.halt_oog();
        }
    }

    // A precompile can take long in a single step, so none is begun inline.
    fn call(&mut self, context: &mut CTX, inputs: &mut CallInputs) -> Option<CallOutcome> {
        if !self.stop.inline() {
            self.look();
            return None;
        }
        let precompiles = context.journal_ref().precompile_addresses();
        if !precompiles.contains(&inputs.bytecode_address) {
            return None;
        }
        self.stopped = true;
        Some(CallOutcome::new_oog(
            inputs.gas_limit,
            inputs.return_memory_offset.clone(),
            inputs.reservoir,
        ))
    }
}
