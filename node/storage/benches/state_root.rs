//! What the state root of a block costs as the state grows: 1,000 accounts touched among 10^4,
//! 10^5 and 10^6.
//!
//! It should grow with the depth of the trie, that is the logarithm of the size.

#![allow(missing_docs, clippy::unwrap_used)]

use alloy_primitives::{Address, U256, keccak256};
use criterion::{BenchmarkId, Criterion};
use revm::{
    Database, DatabaseCommit,
    database::{BundleState, State, states::bundle_state::BundleRetention},
    state::{Account, AccountStatus},
};
use std::{
    hint::black_box,
    path::Path,
    time::{Duration, Instant},
};
use wattline_primitives::SealedHeader;
use wattline_storage::{
    ExecutedBlock, Storage,
    test_utils::{self, Holding, World},
};

const SIZES: [u32; 3] = [10_000, 100_000, 1_000_000];
const TOUCHED: u32 = 1_000;
const BLOCKS: u32 = 20;

fn address(n: u32) -> Address {
    Address::from_word(keccak256(n.to_be_bytes()))
}

/// A database with `size` accounts in its genesis.
fn create(dir: &Path, size: u32) -> (Storage, SealedHeader) {
    let holding = |n: u32| Holding {
        balance: U256::from(1_000_000_000_000_000_000u64) + U256::from(n),
        ..Holding::default()
    };
    let world: World = (0..size).map(|n| (address(n), holding(n))).collect();
    (
        test_utils::open(dir, &world).unwrap(),
        test_utils::genesis_header(&world),
    )
}

/// Pays accounts spread over the whole state, others in every block.
fn touch(storage: &Storage, size: u32, block: u32) -> BundleState {
    let mut state = State::builder()
        .with_database_ref(storage.state().unwrap())
        .with_bundle_update()
        .build();
    for n in 0..TOUCHED {
        let who = address((n * (size / TOUCHED) + block) % size);
        let mut info = state.basic(who).unwrap().unwrap();
        info.balance += U256::ONE;
        let mut account = Account::from(info);
        account.status = AccountStatus::Touched;
        state.commit([(who, account)].into_iter().collect());
    }
    state.merge_transitions(BundleRetention::Reverts);
    state.take_bundle()
}

/// Median times of the state root and of storing the block durably.
fn measure(storage: &Storage, genesis: &SealedHeader, size: u32) -> (Duration, Duration) {
    let mut parent = genesis.clone();
    let (mut rooting, mut storing) = (Vec::new(), Vec::new());
    for n in 0..BLOCKS {
        let state = touch(storage, size, n);
        let started = Instant::now();
        let (root, trie) = storage.state_root(parent.num_hash(), &state).unwrap();
        rooting.push(started.elapsed());
        let (block, receipts) = test_utils::block(&parent, root, 0, 0);
        parent = block.clone_sealed_header();
        let executed = ExecutedBlock {
            block,
            receipts,
            state,
            trie,
        };
        let started = Instant::now();
        let mut writer = storage.writer().unwrap();
        writer.append(&executed).unwrap();
        writer.commit().unwrap();
        storing.push(started.elapsed());
    }
    (median(rooting), median(storing))
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args().sample_size(20);
    let mut group = criterion.benchmark_group("state_root");
    let mut rows = Vec::new();
    for size in SIZES {
        let dir = tempfile::tempdir().unwrap();
        let started = Instant::now();
        let (storage, genesis) = create(dir.path(), size);
        let created = started.elapsed();
        let (rooting, storing) = measure(&storage, &genesis, size);
        let head = storage.reader().unwrap().head().unwrap();
        let state = touch(&storage, size, BLOCKS);
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter(|| storage.state_root(head, black_box(&state)).unwrap());
        });
        rows.push((size, rooting, storing, created));
    }
    group.finish();
    criterion.final_summary();

    println!("\n{TOUCHED} accounts touched in a block, median of {BLOCKS} blocks");
    println!(
        "{:>10} {:>14} {:>20} {:>16}",
        "accounts", "state root", "append and commit", "genesis written"
    );
    for (size, rooting, storing, created) in rows {
        println!("{size:>10} {rooting:>14.2?} {storing:>20.2?} {created:>16.2?}");
    }
}
