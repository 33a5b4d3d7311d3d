//! How fast the auction is, and what a unit of its gas costs in time.
//!
//! Three questions, each answered by a ratio within one run, printed at the end:
//! - how long does matching take, against sorting as many random `u64`;
//! - how long does a call take, against the Solidity reference on the same EVM;
//! - how long does a unit of its gas take, at the worst input, against one of `ecrecover`.

#![allow(clippy::unwrap_used)]

mod patterns;
mod subjects;

use alloy_primitives::{B256, address};
use core::{hint::black_box, time::Duration};
use criterion::{BenchmarkId, Criterion, SamplingMode};
use patterns::{Pattern, numbers};
use std::time::Instant;
use subjects::{DirectCall, ECRECOVER, SIGNATURE, Transaction};
use tikv_jemallocator::Jemalloc;
use wattline_precompiles::{
    DEFAULT_ADDRESS, matching,
    test_utils::{evm, reference::REFERENCE},
};

/// The allocator of the node. The C library's own returns an auction's memory to the system after
/// each, and the page faults of getting it back would be timed with it.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// Numbers of orders.
const SIZES: [usize; 4] = [100, 1_000, 10_000, 100_000];

/// Matching takes at most this many times the sort, at 100,000 orders.
const SORT_GOAL: f64 = 3.0;

/// The reference takes at least this many times the precompile, at 1,000 orders.
const REFERENCE_GOAL: f64 = 100.0;

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800))
        .sample_size(20)
        .configure_from_args();
    let matching = time_matching(&mut criterion);
    let calls = time_calls(&mut criterion);
    let gas = time_gas(&mut criterion);
    criterion.final_summary();

    println!("\nMatching against sorting as many random u64");
    print_matching(&matching);
    println!("\n`clear` in a transaction against the Solidity reference in the same EVM");
    print_calls(&calls);
    println!("\nTime per unit of gas against `ecrecover`");
    print_gas(&gas);
}

/// Times `run`, and returns the nanoseconds of its fastest sample, to which other work on the
/// machine added least; `None` if the command line left it out.
fn time<T>(
    criterion: &mut Criterion,
    group: &str,
    id: BenchmarkId,
    mut run: impl FnMut() -> T,
) -> Option<f64> {
    let mut samples = Vec::new();
    criterion
        .benchmark_group(group)
        .sampling_mode(SamplingMode::Flat)
        .bench_function(id, |bencher| {
            bencher.iter_custom(|iterations| {
                let start = Instant::now();
                for _ in 0..iterations {
                    black_box(run());
                }
                let elapsed = start.elapsed();
                samples.push(elapsed.as_nanos() as f64 / iterations as f64);
                elapsed
            });
        });
    samples.into_iter().min_by(f64::total_cmp)
}

struct Matching {
    orders: usize,
    pattern: Pattern,
    matching: Option<f64>,
    sort: Option<f64>,
}

fn time_matching(criterion: &mut Criterion) -> Vec<Matching> {
    let mut rows = Vec::new();
    for orders in SIZES {
        let unsorted = numbers(orders);
        let sort = time(criterion, "sort", BenchmarkId::new("u64", orders), || {
            let mut numbers = unsorted.clone();
            numbers.sort_unstable();
            numbers
        });
        for pattern in Pattern::ALL {
            let words = pattern.words(orders);
            let id = BenchmarkId::new(pattern.name(), orders);
            let matching = time(criterion, "matching", id, || {
                matching::clear(&words).unwrap()
            });
            rows.push(Matching {
                orders,
                pattern,
                matching,
                sort,
            });
        }
    }
    rows
}

fn print_matching(rows: &[Matching]) {
    println!(
        "{:>9}  {:13}{:>12}{:>12}{:>9}",
        "orders", "pattern", "ns/order", "sort", "ratio"
    );
    for row in rows {
        let per_order = |time: Option<f64>| time.map(|time| time / row.orders as f64);
        let [matching, sort, ratio] = [
            per_order(row.matching),
            per_order(row.sort),
            ratio(row.matching, row.sort),
        ]
        .map(show);
        println!(
            "{:>9}  {:13}{matching:>12}{sort:>12}{ratio:>9}",
            row.orders,
            row.pattern.name()
        );
    }
    let worst = rows.iter().filter(|row| row.orders == 100_000);
    let worst = worst
        .filter_map(|row| ratio(row.matching, row.sort))
        .max_by(f64::total_cmp);
    goal(
        "worst ratio at 100,000 orders",
        worst,
        |ratio| ratio <= SORT_GOAL,
        SORT_GOAL,
        "at most",
    );
}

struct Call {
    orders: usize,
    pattern: Pattern,
    precompile: Option<f64>,
    reference: Option<f64>,
}

fn time_calls(criterion: &mut Criterion) -> Vec<Call> {
    let uniform = SIZES.map(|orders| (orders, Pattern::Uniform));
    let adversarial = Pattern::ALL[1..].iter().map(|pattern| (1_000, *pattern));
    uniform
        .into_iter()
        .chain(adversarial)
        .map(|(orders, pattern)| {
            let words = pattern.words(orders);
            let [mut precompile, mut reference] =
                [DEFAULT_ADDRESS, REFERENCE].map(|callee| Transaction::new(callee, &words));
            assert_eq!(
                precompile.run(),
                reference.run(),
                "both are to do the same work"
            );
            let id = BenchmarkId::new(pattern.name(), orders);
            let precompile = time(criterion, "precompile", id.clone(), || precompile.run());
            let reference = time(criterion, "reference", id, || reference.run());
            Call {
                orders,
                pattern,
                precompile,
                reference,
            }
        })
        .collect()
}

fn print_calls(rows: &[Call]) {
    println!(
        "{:>9}  {:13}{:>12}{:>12}{:>9}",
        "orders", "pattern", "ns/order", "reference", "ratio"
    );
    for row in rows {
        let per_order = |time: Option<f64>| time.map(|time| time / row.orders as f64);
        let [precompile, reference, ratio] = [
            per_order(row.precompile),
            per_order(row.reference),
            ratio(row.reference, row.precompile),
        ]
        .map(show);
        println!(
            "{:>9}  {:13}{precompile:>12}{reference:>12}{ratio:>9}",
            row.orders,
            row.pattern.name()
        );
    }
    let least = rows.iter().filter(|row| row.orders == 1_000);
    let least = least
        .filter_map(|row| ratio(row.reference, row.precompile))
        .min_by(f64::total_cmp);
    let reached = |ratio| ratio >= REFERENCE_GOAL;
    goal(
        "least ratio at 1,000 orders",
        least,
        reached,
        REFERENCE_GOAL,
        "at least",
    );
}

struct Gas {
    function: &'static str,
    input: String,
    gas: u64,
    time: Option<f64>,
}

impl Gas {
    fn per_gas(&self) -> Option<f64> {
        self.time.map(|time| time / self.gas as f64)
    }
}

fn time_gas(criterion: &mut Criterion) -> Vec<Gas> {
    let mut rows = Vec::new();
    let mut add = |function, input: String, mut call: DirectCall| {
        let (gas, _) = call.run();
        let time = time(criterion, "gas", BenchmarkId::new(function, &input), || {
            call.run()
        });
        rows.push(Gas {
            function,
            input,
            gas,
            time,
        });
    };

    let mut ecrecover = DirectCall::new(ECRECOVER, SIGNATURE.to_vec());
    let signer = address!("0x7156526fbd7a3c72969b54f64e42c10fbb768c8a");
    assert_eq!(B256::from_slice(&ecrecover.run().1), signer.into_word());
    add("ecrecover", "a signature".to_owned(), ecrecover);

    add(
        "none",
        "no calldata".to_owned(),
        DirectCall::new(DEFAULT_ADDRESS, Vec::new()),
    );
    // The longest auction here uses the gas of a whole block.
    for orders in [1, 100, 10_000, 1_000_000] {
        for pattern in Pattern::ALL {
            let words = pattern.words(orders);
            let input = || format!("{orders} {}", pattern.name());
            add(
                "clear",
                input(),
                DirectCall::new(DEFAULT_ADDRESS, evm::clear(&words)),
            );
            add(
                "fills",
                input(),
                DirectCall::new(DEFAULT_ADDRESS, evm::fills(&words)),
            );
        }
    }
    for orders in [1, 100, 10_000, 100_000] {
        for pattern in Pattern::ALL {
            let call = DirectCall::stored(&pattern.words(orders));
            add(
                "clearStored",
                format!("{orders} {}, warm", pattern.name()),
                call,
            );
        }
    }
    rows
}

fn print_gas(rows: &[Gas]) {
    println!(
        "{:12}{:30}{:>12}{:>12}{:>9}",
        "function", "worst input", "gas", "ns/gas", "ratio"
    );
    let worst = |function| {
        let rows = rows.iter().filter(|row| row.function == function);
        rows.max_by(|a, b| a.per_gas().partial_cmp(&b.per_gas()).unwrap())
    };
    let Some(ecrecover) = worst("ecrecover") else {
        return;
    };
    for function in ["ecrecover", "none", "clear", "fills", "clearStored"] {
        let Some(row) = worst(function) else { continue };
        let [per_gas, ratio] = [row.per_gas(), ratio(row.per_gas(), ecrecover.per_gas())].map(show);
        println!(
            "{function:12}{:30}{:>12}{per_gas:>12}{ratio:>9}",
            row.input, row.gas
        );
    }
    let dearest = rows.iter().filter(|row| row.function != "ecrecover");
    let dearest = dearest
        .filter_map(|row| ratio(row.per_gas(), ecrecover.per_gas()))
        .max_by(f64::total_cmp);
    goal("dearest gas", dearest, |ratio| ratio <= 1.0, 1.0, "at most");
}

fn ratio(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    Some(a? / b?)
}

fn show(number: Option<f64>) -> String {
    number.map_or_else(|| "-".to_owned(), |number| format!("{number:.2}"))
}

fn goal(what: &str, found: Option<f64>, reached: impl Fn(f64) -> bool, limit: f64, bound: &str) {
    let verdict = match found.map(reached) {
        Some(true) => "reached",
        Some(false) => "MISSED",
        None => "not measured",
    };
    println!("{what}: {}; goal: {bound} {limit}: {verdict}", show(found));
}
