//! Which tracer a client wants, and how.

use std::time::Duration;

use alloy_rpc_types_trace::geth::{
    CallConfig, GethDebugBuiltInTracerType as BuiltIn, GethDebugTracerConfig, GethDebugTracerType,
    GethDebugTracingOptions, GethDefaultTracingOptions, GethTrace, mux::MuxConfig,
};
use revm::{
    DatabaseRef,
    context::{BlockEnv, TxEnv, result::ResultAndState},
};
use revm_inspectors::tracing::{DebugInspector, DebugInspectorError, TransactionContext};
use wattline_storage::StorageError;

use crate::{
    RpcError, RpcLimits,
    execution::{
        tracer::{Bounded, Memory, Records, Steps},
        workers::Stop,
    },
};

/// The tracers there are.
const KNOWN: &str =
    "callTracer, flatCallTracer, prestateTracer, 4byteTracer, noopTracer, muxTracer";

/// Longest part of an unknown tracer that an error repeats.
const SHOWN: usize = 40;

/// How to trace, checked.
#[derive(Clone, Debug)]
pub(super) struct Tracing {
    options: GethDebugTracingOptions,
    records: Records,
    timeout: Option<Duration>,
}

impl Tracing {
    /// # Errors
    ///
    /// [`RpcError::InvalidParams`] for tracers that are not known, settings that a tracer does not
    /// have, and durations that are none.
    pub(super) fn new(options: Option<GethDebugTracingOptions>) -> Result<Self, RpcError> {
        let mut options = options.unwrap_or_default();
        let timeout = options.timeout.as_deref().map(duration).transpose()?;
        let records = match &options.tracer {
            None => steps(&options.config),
            Some(GethDebugTracerType::JsTracer(code)) => return Err(unknown(code)),
            Some(GethDebugTracerType::BuiltInTracer(tracer)) => {
                let config = options.tracer_config.clone();
                if matches!(tracer, BuiltIn::MuxTracer) {
                    options.tracer_config = mux(config)?.into();
                    calls()
                } else {
                    records(*tracer, config)?
                }
            }
        };
        let tracing = Self {
            options,
            records,
            timeout,
        };
        tracing.inspector()?;
        Ok(tracing)
    }

    /// How long the client wants to wait at most.
    pub(super) const fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    /// A tracer for one transaction.
    ///
    /// # Errors
    ///
    /// As [`Self::new`].
    pub(super) fn tracer(
        &self,
        limits: &RpcLimits,
        stop: &Stop,
    ) -> Result<Bounded<DebugInspector>, RpcError> {
        let inspector = self.inspector()?;
        Ok(Bounded::new(inspector, self.records, *limits, stop.clone()))
    }

    fn inspector(&self) -> Result<DebugInspector, RpcError> {
        DebugInspector::new(self.options.clone())
            .map_err(|error| RpcError::InvalidParams(error.to_string()))
    }
}

/// What a tracer recorded of a transaction. `state` is the one before it.
///
/// # Errors
///
/// Those of [`Bounded::finish`], and [`RpcError::Storage`].
pub(super) fn result<DB: DatabaseRef>(
    tracer: Bounded<DebugInspector>,
    place: TransactionContext,
    tx: &TxEnv,
    block: &BlockEnv,
    result: &ResultAndState,
    state: &mut DB,
    storage: impl FnOnce(DB::Error) -> StorageError,
) -> Result<GethTrace, RpcError> {
    let mut inspector = tracer.finish()?;
    let trace = inspector
        .get_result(Some(place), tx, block, result, state)
        .map_err(|error| match error {
            DebugInspectorError::Database(error) => RpcError::Storage(storage(error)),
            other => RpcError::Internal(other.to_string()),
        })?;
    Ok(match trace {
        GethTrace::Default(mut frame) => {
            for step in &mut frame.struct_logs {
                // A frame that takes back refunds given before it counts below zero.
                step.refund_counter = step.refund_counter.map(|refund| {
                    if i64::try_from(refund).is_ok() {
                        refund
                    } else {
                        0
                    }
                });
            }
            GethTrace::Default(frame)
        }
        other => other,
    })
}

fn unknown(tracer: &str) -> RpcError {
    let shown: String = tracer.chars().take(SHOWN).collect();
    let more = if shown.len() < tracer.len() {
        "…"
    } else {
        ""
    };
    RpcError::InvalidParams(format!(
        "unknown tracer {shown:?}{more}: expected {KNOWN}, or none for the struct logger; \
         JavaScript is not executed here"
    ))
}

fn steps(options: &GethDefaultTracingOptions) -> Records {
    Records {
        steps: Some(Steps {
            stack: options.is_stack_enabled(),
            memory: if options.is_memory_enabled() {
                Memory::All
            } else {
                Memory::No
            },
            return_data: options.is_return_data_enabled(),
            storage: options.is_storage_enabled(),
            limit: options.limit.filter(|limit| *limit > 0),
        }),
        ..Records::default()
    }
}

const fn calls() -> Records {
    Records {
        steps: None,
        inner_calls: true,
        call_tree: true,
    }
}

fn records(tracer: BuiltIn, config: GethDebugTracerConfig) -> Result<Records, RpcError> {
    Ok(match tracer {
        BuiltIn::CallTracer => {
            let config: CallConfig = config
                .into_call_config()
                .map_err(|error| invalid("callTracer", &error))?;
            if config.only_top_call.unwrap_or_default() {
                Records::default()
            } else {
                calls()
            }
        }
        BuiltIn::FlatCallTracer => {
            config
                .into_flat_call_config()
                .map_err(|error| invalid("flatCallTracer", &error))?;
            calls()
        }
        BuiltIn::PreStateTracer => {
            config
                .into_pre_state_config()
                .map_err(|error| invalid("prestateTracer", &error))?;
            Records::default()
        }
        BuiltIn::FourByteTracer => Records {
            inner_calls: true,
            ..Records::default()
        },
        BuiltIn::NoopTracer => Records::default(),
        other => return Err(unknown(GethDebugTracerType::from(other).as_str())),
    })
}

/// The settings of several tracers at once, each with settings if it takes any, as geth allows to
/// leave out what is not needed.
fn mux(config: GethDebugTracerConfig) -> Result<MuxConfig, RpcError> {
    let MuxConfig(tracers) = config
        .into_mux_config()
        .map_err(|error| invalid("muxTracer", &error))?;
    let tracers = tracers.into_iter().map(|(tracer, config)| {
        let built_in = match &tracer {
            GethDebugTracerType::BuiltInTracer(BuiltIn::MuxTracer) => {
                return Err(RpcError::InvalidParams(
                    "muxTracer cannot run within muxTracer".to_owned(),
                ));
            }
            GethDebugTracerType::BuiltInTracer(built_in) => *built_in,
            GethDebugTracerType::JsTracer(code) => return Err(unknown(code)),
        };
        let config = config.unwrap_or_default();
        records(built_in, config.clone())?;
        let config = match built_in {
            BuiltIn::FourByteTracer | BuiltIn::NoopTracer => None,
            _ if config.is_null() => Some(GethDebugTracerConfig(serde_json::json!({}))),
            _ => Some(config),
        };
        Ok((tracer, config))
    });
    tracers.collect::<Result<_, _>>().map(MuxConfig)
}

fn invalid(tracer: &str, error: &serde_json::Error) -> RpcError {
    RpcError::InvalidParams(format!("invalid tracerConfig for {tracer}: {error}"))
}

/// A duration as Go writes it, such as `1m30s` or `300ms`.
fn duration(text: &str) -> Result<Duration, RpcError> {
    parse_duration(text).ok_or_else(|| {
        let shown: String = text.chars().take(SHOWN).collect();
        RpcError::InvalidParams(format!(
            "invalid timeout {shown:?}: expected a duration such as 5s, 300ms or 1m30s"
        ))
    })
}

fn parse_duration(text: &str) -> Option<Duration> {
    const UNITS: [(&str, f64); 8] = [
        ("ns", 1e-9),
        ("us", 1e-6),
        ("µs", 1e-6),
        ("μs", 1e-6),
        ("ms", 1e-3),
        ("s", 1.0),
        ("m", 60.0),
        ("h", 3600.0),
    ];
    let mut rest = text;
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(digits);
        let number: f64 = number.parse().ok()?;
        let (unit, factor) = UNITS.iter().find(|(unit, _)| after.starts_with(unit))?;
        seconds += number * factor;
        rest = after.get(unit.len()..)?;
    }
    (!text.is_empty())
        .then(|| Duration::try_from_secs_f64(seconds).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_durations() {
        for (text, millis) in [
            ("5s", 5_000),
            ("300ms", 300),
            ("1m30s", 90_000),
            ("1.5s", 1_500),
            ("2h", 7_200_000),
            ("2000us", 2),
        ] {
            assert_eq!(parse_duration(text), Some(Duration::from_millis(millis)));
        }
        for text in [
            "",
            "5",
            "s",
            "5x",
            "-5s",
            "5s ",
            "1..2s",
            "99999999999999999999h",
        ] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }
}
