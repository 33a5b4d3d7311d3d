//! Whole nodes in one process, on a runtime and a network that do as a seed says: real execution,
//! real databases, simulated time.

mod byzantine;
mod changes;
mod clock;
mod cluster;
mod faults;
mod genesis;
mod heads;
mod load;
mod mutants;
mod node;
mod rejoin;
mod seeds;
mod stories;
mod tap;

use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    time::Duration,
};

use commonware_runtime::{Runner as _, deterministic};
use rand_core::Rng as _;

pub(crate) use cluster::Cluster;
pub(crate) use load::Load;

/// Runs a simulation, and names the seed if it fails.
pub(crate) fn simulate<F: Future>(
    seed: u64,
    limit: Duration,
    run: impl FnOnce(deterministic::Context) -> F,
) -> F::Output {
    let config = deterministic::Config::default()
        .with_seed(seed)
        .with_timeout(Some(limit));
    let runner = deterministic::Runner::new(config);
    catch_unwind(AssertUnwindSafe(|| runner.start(run))).unwrap_or_else(|panic| {
        eprintln!("seed {seed} fails: repeat it with `make simulate SEED={seed}`");
        resume_unwind(panic)
    })
}

/// A number below `bound`, by the seed.
pub(crate) fn below(ctx: &mut deterministic::Context, bound: u64) -> u64 {
    ctx.next_u64() % bound
}
