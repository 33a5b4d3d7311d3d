//! What the log index finds, against the receipts themselves.

use alloy_consensus::TxType;
use alloy_primitives::{Address, B256, Log};
use proptest::prelude::*;
use revm::database::BundleState;
use std::ops::RangeInclusive;
use wattline_primitives::Receipt;
use wattline_storage::{
    ExecutedBlock, LogPattern, Storage, StorageResult, Writer,
    test_utils::{self, TestChain},
};

/// Address and topics of a log, as small numbers.
type Spec = (u8, Vec<u16>);

#[derive(Clone, Debug)]
struct Query {
    addresses: Vec<Address>,
    topics: [Vec<B256>; 4],
    range: (u64, u64),
}

fn address(n: u8) -> Address {
    test_utils::address(n.into())
}

fn topic(n: u16) -> B256 {
    test_utils::slot(n)
}

fn spec() -> impl Strategy<Value = Spec> {
    (0u8..5, prop::collection::vec(0u16..5, 0..=4))
}

/// The logs of a block: mostly few or none, at times of hundreds of accounts.
fn block() -> impl Strategy<Value = Vec<Spec>> {
    let transfers = |count: u16| {
        (0..count)
            .map(|n| (7, vec![1, 1_000 + n, 5_000 + n % 7]))
            .collect()
    };
    prop_oneof![
        8 => prop::collection::vec(spec(), 0..4),
        1 => (300u16..900).prop_map(transfers),
    ]
}

fn query() -> impl Strategy<Value = Query> {
    let addresses = prop_oneof![
        2 => Just(Vec::new()),
        3 => prop::collection::vec((0u8..9).prop_map(address), 1..4),
    ];
    let value = prop_oneof![3 => 0u16..6, 1 => 1_000u16..1_900, 1 => 5_000u16..5_008];
    let topics = || {
        prop_oneof![
            3 => Just(Vec::new()),
            1 => prop::collection::vec(value.clone().prop_map(topic), 1..6),
        ]
    };
    let range = (0u64..300, 0u64..200).prop_map(|(from, blocks)| (from, from + blocks));
    (
        addresses,
        [topics(), topics(), topics(), topics()],
        prop_oneof![1 => Just((0, u64::MAX)), 1 => range],
    )
        .prop_map(|(addresses, topics, range)| Query {
            addresses,
            topics,
            range,
        })
}

impl Query {
    fn range(&self) -> RangeInclusive<u64> {
        self.range.0..=self.range.1
    }

    fn matches(&self, log: &Log) -> bool {
        self.meets_address(log) && (0..4).all(|position| self.meets_topic(position, log))
    }

    fn meets_address(&self, log: &Log) -> bool {
        self.addresses.is_empty() || self.addresses.contains(&log.address)
    }

    fn meets_topic(&self, position: usize, log: &Log) -> bool {
        let topics = &self.topics[position];
        topics.is_empty()
            || log
                .topics()
                .get(position)
                .is_some_and(|t| topics.contains(t))
    }

    /// Whether each condition is met by a log of the block, if not all by one.
    fn is_candidate(&self, logs: &[Log]) -> bool {
        logs.iter().any(|log| self.meets_address(log))
            && (0..4).all(|at| logs.iter().any(|log| self.meets_topic(at, log)))
    }

    fn candidates(&self, storage: &Storage) -> Vec<u64> {
        let reader = storage.reader().unwrap();
        let pattern = LogPattern::new(&self.addresses, self.topics.each_ref());
        let steps: StorageResult<Vec<_>> =
            reader.log_blocks(&pattern, self.range()).unwrap().collect();
        steps.unwrap().concat()
    }
}

fn receipt(logs: &[Spec]) -> Receipt {
    Receipt {
        tx_type: TxType::Legacy,
        success: true,
        cumulative_gas_used: 21_000,
        logs: logs
            .iter()
            .map(|(who, topics)| {
                let topics = topics.iter().map(|n| topic(*n)).collect();
                Log::new_unchecked(address(*who), topics, vec![1].into())
            })
            .collect(),
    }
}

/// Appends a block with these logs, without any change of state.
fn append(chain: &mut TestChain, writer: &mut Writer, logs: &[Spec], salt: u64) {
    let state = BundleState::default();
    let parent = chain.head();
    let trie = test_utils::no_changes(&parent);
    let (block, _) = test_utils::block(&parent, parent.state_root, 2, salt);
    let (one, other) = logs.split_at(logs.len() / 3);
    let executed = ExecutedBlock {
        block,
        receipts: vec![receipt(one), receipt(other)],
        state,
        trie,
    };
    writer.append(&executed).unwrap();
    chain.blocks.push(executed);
    chain.worlds.push(chain.worlds[0].clone());
}

fn check(chain: &TestChain, query: &Query) {
    let found = query.candidates(&chain.storage);
    let range = query.range();
    let blocks = chain
        .blocks
        .iter()
        .filter(|b| range.contains(&b.block.number));
    let logs = |receipts: &[Receipt]| -> Vec<Log> {
        receipts
            .iter()
            .flat_map(|receipt| receipt.logs.clone())
            .collect()
    };
    let (mut candidates, mut linear) = (Vec::new(), Vec::new());
    for block in blocks {
        let number = block.block.number;
        let logs = logs(&block.receipts);
        if query.is_candidate(&logs) {
            candidates.push(number);
        }
        linear.extend(
            logs.into_iter()
                .filter(|log| query.matches(log))
                .map(|log| (number, log)),
        );
    }
    assert_eq!(found, candidates, "{query:?}");
    let reader = chain.storage.reader().unwrap();
    let mut searched = Vec::new();
    for number in found {
        let logs = logs(&reader.receipts(number).unwrap().unwrap());
        searched.extend(
            logs.into_iter()
                .filter(|log| query.matches(log))
                .map(|log| (number, log)),
        );
    }
    assert_eq!(searched, linear, "{query:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn a_search_finds_what_a_scan_of_all_receipts_finds(
        commits in prop::collection::vec(prop::collection::vec(block(), 1..60), 1..7),
        queries in prop::collection::vec(query(), 12),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut chain = TestChain::new(dir.path());
        let mut salt = 0;
        for blocks in &commits {
            let mut writer = chain.storage.writer().unwrap();
            for logs in blocks {
                salt += 1;
                append(&mut chain, &mut writer, logs, salt);
            }
            writer.commit().unwrap();
            queries.iter().for_each(|query| check(&chain, query));
        }
    }
}

fn all() -> Query {
    Query {
        addresses: Vec::new(),
        topics: [const { Vec::new() }; 4],
        range: (0, u64::MAX),
    }
}

fn entries(storage: &Storage, table: &str) -> u64 {
    let stats = storage.stats().unwrap();
    stats
        .iter()
        .find(|stat| stat.name == table)
        .unwrap()
        .entries
}

/// A chain with one log in each block after the first.
fn chain_of(blocks: u64) -> (tempfile::TempDir, TestChain) {
    let dir = tempfile::tempdir().unwrap();
    let mut chain = TestChain::new(dir.path());
    let mut writer = chain.storage.writer().unwrap();
    for n in 1..=blocks {
        append(&mut chain, &mut writer, &[(1, vec![n as u16])], n);
    }
    writer.commit().unwrap();
    (dir, chain)
}

#[test]
fn a_whole_section_is_one_run() {
    for (blocks, sections, recent) in [(62, 0, 62), (63, 1, 0), (126, 1, 63), (128, 2, 1)] {
        let (_dir, chain) = chain_of(blocks);
        let of = |table| entries(&chain.storage, table);
        assert_eq!((of("LogSections"), of("RecentLogs")), (sections, recent));
        assert!(all().candidates(&chain.storage).into_iter().eq(1..=blocks));
    }
}

#[test]
fn a_dropped_writer_leaves_no_marks() {
    let (_dir, mut chain) = chain_of(63);
    let (blocks, worlds) = (chain.blocks.clone(), chain.worlds.clone());
    let mut writer = chain.storage.writer().unwrap();
    append(&mut chain, &mut writer, &[(1, vec![500])], 1_000);
    drop(writer);
    (chain.blocks, chain.worlds) = (blocks, worlds);
    check(&chain, &all());
    let query = Query {
        topics: [vec![topic(500)], Vec::new(), Vec::new(), Vec::new()],
        ..all()
    };
    assert_eq!(query.candidates(&chain.storage), Vec::<u64>::new());
}

#[test]
fn the_last_of_a_thousand_alternatives_is_found() {
    let (_dir, chain) = chain_of(200);
    let query = Query {
        topics: [
            (150..1_150).map(topic).collect(),
            Vec::new(),
            Vec::new(),
            Vec::new(),
        ],
        ..all()
    };
    assert_eq!(
        query.candidates(&chain.storage),
        (150..=200).collect::<Vec<_>>()
    );
}
