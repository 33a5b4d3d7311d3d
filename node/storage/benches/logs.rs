//! What a search of logs costs with the index of marks, next to a scan of the headers' blooms, over
//! 100,000 blocks of a few logs each; and what the marks of a large block cost when it is stored.

#![allow(missing_docs, clippy::unwrap_used)]

use alloy_consensus::{Header, TxReceipt, TxType};
use alloy_eips::eip4895::Withdrawals;
use alloy_primitives::{Address, B256, Bloom, BloomInput, Log, keccak256};
use criterion::Criterion;
use revm::database::BundleState;
use std::{
    hint::black_box,
    path::Path,
    time::{Duration, Instant},
};
use wattline_primitives::{
    BlockBody, Receipt, RecoveredBlock, SealedBlock, SealedHeader, TransactionSigned,
};
use wattline_storage::{ExecutedBlock, LogPattern, Reader, Storage, test_utils};

const BLOCKS: u64 = 100_000;
const LOGS: u64 = 4;
/// Transfers in a large block: what a second of ten thousand transfers comes to.
const TRANSFERS: u64 = 10_000;
const LARGE_BLOCKS: u64 = 72;

/// The first topic of a token's transfers.
fn transfer() -> B256 {
    keccak256("Transfer(address,address,uint256)")
}

fn token(n: u64) -> Address {
    Address::from_word(keccak256((n % 50).to_be_bytes()))
}

fn rare_token() -> Address {
    Address::repeat_byte(0x77)
}

fn account(n: u64) -> B256 {
    Address::from_word(keccak256(n.to_le_bytes())).into_word()
}

fn rare_account() -> B256 {
    account(u64::MAX)
}

fn log(token: Address, from: B256, to: B256) -> Log {
    Log::new_unchecked(token, vec![transfer(), from, to], vec![0; 32].into())
}

/// Numbers that look random.
fn scatter(n: u64) -> u64 {
    u64::from_be_bytes(keccak256(n.to_be_bytes())[..8].try_into().unwrap())
}

fn receipt(logs: Vec<Log>) -> Receipt {
    Receipt {
        tx_type: TxType::Legacy,
        success: true,
        cumulative_gas_used: 21_000,
        logs,
    }
}

/// Transactions that differ.
fn transactions(number: u64, count: usize) -> Vec<TransactionSigned> {
    (0..count as u64)
        .map(|n| test_utils::transaction(number * TRANSFERS + n, 0))
        .collect()
}

struct Chain {
    _dir: tempfile::TempDir,
    storage: Storage,
    head: SealedHeader,
}

impl Chain {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path: &Path = dir.path();
        let world = test_utils::genesis_world();
        let storage = test_utils::open(path, &world).unwrap();
        let head = test_utils::genesis_header(&world);
        Self {
            _dir: dir,
            storage,
            head,
        }
    }

    /// The next block, with one transaction per receipt.
    fn next(&mut self, receipts: Vec<Receipt>) -> ExecutedBlock {
        let state = BundleState::default();
        let (root, trie) = (self.head.state_root, test_utils::no_changes(&self.head));
        let number = self.head.number + 1;
        let body = BlockBody {
            transactions: transactions(number, receipts.len()),
            ommers: Vec::new(),
            withdrawals: Some(Withdrawals::default()),
        };
        let header = Header {
            logs_bloom: receipts
                .iter()
                .fold(Bloom::ZERO, |bloom, receipt| bloom | receipt.bloom()),
            ..test_utils::header(number, self.head.hash(), root, 0)
        };
        self.head = SealedHeader::seal_slow(header);
        let senders = vec![Address::ZERO; receipts.len()];
        let block = SealedBlock::from_sealed_parts(self.head.clone(), body);
        ExecutedBlock {
            block: RecoveredBlock::new_sealed(block, senders),
            receipts,
            state,
            trie,
        }
    }
}

/// Each block has some transfers of busy tokens between ten thousand accounts; every thousandth
/// one of the rare token, every five-thousandth one to the rare account.
fn receipts(number: u64) -> Vec<Receipt> {
    let busy = (0..LOGS).map(|n| {
        let seed = scatter(number * LOGS + n);
        let accounts = |n: u64| account(n % 10_000);
        log(token(seed), accounts(seed >> 16), accounts(seed >> 32))
    });
    let mut logs: Vec<_> = busy.collect();
    if number.is_multiple_of(1_000) {
        logs.push(log(rare_token(), account(1), account(2)));
    }
    if number.is_multiple_of(5_000) {
        logs.push(log(token(number), account(1), rare_account()));
    }
    logs.into_iter().map(|log| receipt(vec![log])).collect()
}

fn small_blocks() -> Chain {
    let mut chain = Chain::new();
    let storage = chain.storage.clone();
    while chain.head.number < BLOCKS {
        let mut writer = storage.writer().unwrap();
        for _ in 0..1_000 {
            let block = chain.next(receipts(chain.head.number + 1));
            writer.append(&block).unwrap();
        }
        writer.commit().unwrap();
    }
    chain
}

#[derive(Clone)]
struct Query {
    name: &'static str,
    addresses: Vec<Address>,
    topics: [Vec<B256>; 4],
}

impl Query {
    fn new(name: &'static str) -> Self {
        Self {
            name,
            addresses: Vec::new(),
            topics: Default::default(),
        }
    }

    fn addresses(mut self, addresses: impl IntoIterator<Item = Address>) -> Self {
        self.addresses.extend(addresses);
        self
    }

    fn topic(mut self, position: usize, topic: B256) -> Self {
        self.topics[position].push(topic);
        self
    }

    fn all() -> Vec<Self> {
        vec![
            Self::new("rare contract").addresses([rare_token()]),
            Self::new("rare topic").topic(2, rare_account()),
            Self::new("busy contract, rare topic")
                .addresses([token(0)])
                .topic(0, transfer())
                .topic(1, account(1)),
            Self::new("unknown contract").addresses([Address::repeat_byte(0x99)]),
            Self::new("unknown topic").topic(1, B256::repeat_byte(0x99)),
            Self::new("1,000 contracts, one known").addresses(
                (0..1_000)
                    .map(|n| Address::from_word(keccak256([n as u8, (n >> 8) as u8, 9])))
                    .chain([rare_token()]),
            ),
        ]
    }

    fn matches(&self, log: &Log) -> bool {
        let any = |set: &[B256], topic: Option<&B256>| {
            set.is_empty() || topic.is_some_and(|topic| set.contains(topic))
        };
        (self.addresses.is_empty() || self.addresses.contains(&log.address))
            && (0..4).all(|at| any(&self.topics[at], log.topics().get(at)))
    }

    /// Logs that match, by the index.
    fn search(&self, reader: &Reader, last: u64) -> usize {
        let pattern = LogPattern::new(&self.addresses, self.topics.each_ref());
        let blocks = reader.log_blocks(&pattern, 0..=last).unwrap();
        blocks
            .flat_map(Result::unwrap)
            .map(|number| self.count(reader, number))
            .sum()
    }

    /// Logs that match, by the blooms of all headers.
    fn scan(&self, reader: &Reader, last: u64) -> usize {
        let bloom = |value: &[u8]| Bloom::from(BloomInput::Raw(value));
        let mut conditions: Vec<Vec<Bloom>> = vec![
            self.addresses
                .iter()
                .map(|value| bloom(value.as_slice()))
                .collect(),
        ];
        conditions.extend(
            self.topics
                .iter()
                .map(|topics| topics.iter().map(|value| bloom(value.as_slice())).collect()),
        );
        conditions.retain(|alternatives| !alternatives.is_empty());
        (0..=last)
            .filter(|number| {
                let header = reader.header(*number).unwrap().unwrap();
                conditions
                    .iter()
                    .all(|any| any.iter().any(|bloom| header.logs_bloom.contains(bloom)))
            })
            .map(|number| self.count(reader, number))
            .sum()
    }

    fn count(&self, reader: &Reader, number: u64) -> usize {
        let receipts = reader.receipts(number).unwrap().unwrap();
        let logs = receipts.iter().flat_map(|receipt| &receipt.logs);
        logs.filter(|log| self.matches(log)).count()
    }
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let started = Instant::now();
    let done = work();
    (done, started.elapsed())
}

/// Stores a large block of transfers between accounts that are new in each, as topics or, for
/// comparison, as data that is not searched.
fn store_large(chain: &mut Chain, topics: bool) -> Duration {
    let number = chain.head.number + 1;
    let receipts = (0..TRANSFERS).map(|n| {
        let seed = 2 * (number * TRANSFERS + n);
        let mut log = log(rare_token(), account(seed), account(seed + 1));
        if !topics {
            let data = log.data.topics()[1..].concat().into();
            log = Log::new_unchecked(rare_token(), vec![transfer()], data);
        }
        receipt(vec![log])
    });
    let receipts = receipts.collect();
    let mut writer = chain.storage.writer().unwrap();
    let block = chain.next(receipts);
    let ((), time) = timed(|| {
        writer.append(&block).unwrap();
        writer.commit().unwrap();
    });
    time
}

fn large_blocks() {
    println!("\nblocks of {TRANSFERS} transfers, appended and committed");
    println!(
        "{:>28} {:>12} {:>12} {:>16}",
        "accounts", "median", "longest", "index per block"
    );
    let (mut plain, mut searched) = ((Chain::new(), Vec::new()), (Chain::new(), Vec::new()));
    for _ in 0..LARGE_BLOCKS {
        plain.1.push(store_large(&mut plain.0, false));
        searched.1.push(store_large(&mut searched.0, true));
    }
    for (name, (chain, times)) in [("as data", &mut plain), ("as topics", &mut searched)] {
        times.sort();
        let (median, longest) = (times[times.len() / 2], times[times.len() - 1]);
        let stats = chain.storage.stats().unwrap();
        let index = |name: &str| name == "LogSections" || name == "RecentLogs";
        let bytes = stats.iter().filter(|table| index(table.name));
        let bytes = bytes.map(|table| table.bytes).sum::<u64>() / LARGE_BLOCKS / 1024;
        println!("{name:>28} {median:>12.1?} {longest:>12.1?} {bytes:>12} KiB");
    }
    let reader = searched.0.storage.reader().unwrap();
    let query = Query::new("one account").topic(2, account(2 * TRANSFERS + 1));
    let (found, searched) = timed(|| query.search(&reader, LARGE_BLOCKS));
    let (expected, scanned) = timed(|| query.scan(&reader, LARGE_BLOCKS));
    assert_eq!(found, expected);
    println!("search for one account: {searched:.1?} with the index, {scanned:.1?} with blooms");
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args().sample_size(10);
    let (chain, built) = timed(small_blocks);
    let reader = chain.storage.reader().unwrap();
    let mut group = criterion.benchmark_group("logs");
    let mut rows = Vec::new();
    for query in Query::all() {
        group.bench_function(query.name, |bencher| {
            bencher.iter(|| black_box(&query).search(&reader, BLOCKS));
        });
        let (found, searched) = timed(|| query.search(&reader, BLOCKS));
        let (expected, scanned) = timed(|| query.scan(&reader, BLOCKS));
        assert_eq!(found, expected, "{}", query.name);
        rows.push((query.name, found, searched, scanned));
    }
    group.finish();
    criterion.final_summary();

    println!("\n{BLOCKS} blocks of {LOGS} logs, written in {built:.1?}");
    println!(
        "{:>28} {:>6} {:>12} {:>12} {:>8}",
        "search", "found", "index", "blooms", "ratio"
    );
    for (name, found, searched, scanned) in rows {
        let ratio = scanned.as_secs_f64() / searched.as_secs_f64();
        println!("{name:>28} {found:>6} {searched:>12.2?} {scanned:>12.2?} {ratio:>7.0}x");
    }
    for table in chain.storage.stats().unwrap() {
        if ["LogSections", "RecentLogs", "Receipts", "Headers"].contains(&table.name) {
            println!("{:>28} {:>8} KiB", table.name, table.bytes / 1024);
        }
    }

    large_blocks();
}
