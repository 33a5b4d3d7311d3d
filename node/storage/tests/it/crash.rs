//! A node killed while it writes restarts at a whole commit.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    sync::Arc,
};
use wattline_storage::{
    ExecutedBlock, LogPattern, Storage, StorageConfig, StorageResult,
    test_utils::{self, Op, World, genesis_world},
};

const DIR: &str = "WATTLINE_CRASH_TEST_DIR";
const ROUNDS: u64 = 24;

/// Older states are pruned under fire, too.
fn open(dir: &Path) -> Storage {
    let config = StorageConfig {
        history: Some(3),
        ..StorageConfig::default()
    };
    test_utils::open_with(dir, &genesis_world(), &config).unwrap()
}

/// What block `number` does; the same in every process.
fn ops(number: u64) -> Vec<Op> {
    (0..60u64)
        .map(|n| {
            let mix = (number * 31 + n * 17) as u16;
            match n % 6 {
                0 => Op::Pay(mix % 300, number),
                1 => Op::Create(mix % 40, n as u8, vec![(mix % 9, n), (n as u16, number)]),
                2 if number.is_multiple_of(5) => Op::Destroy(mix % 40),
                _ => Op::Set(mix % 40, mix % 64, (number + n) % 4),
            }
        })
        .collect()
}

/// Appends the next one, two or three blocks to the database in `storage`, whose head state is
/// `world`, in one commit: the last number is never two more than a multiple of three.
fn append(storage: &Storage, world: &mut World) {
    let reader = storage.reader().unwrap();
    let head = reader.head().unwrap();
    let mut parent = reader.header(head.number).unwrap().unwrap();
    let mut blocks = Vec::new();
    for _ in 0..=head.number % 3 {
        let number = parent.number + 1;
        let overlay = storage.overlay(parent.hash(), &blocks).unwrap();
        let state = test_utils::execute(overlay.clone(), world, &ops(number));
        let (root, trie) = overlay.state_root(&state).unwrap();
        let (block, receipts) = test_utils::block(&parent, root, number % 7, 1);
        parent = block.clone_sealed_header();
        blocks.push(Arc::new(ExecutedBlock {
            block,
            receipts,
            state,
            trie,
        }));
    }
    let mut writer = storage.writer().unwrap();
    for executed in &blocks {
        writer.append(executed).unwrap();
    }
    writer
        .put_snapshot(head.hash, &head.number.to_be_bytes())
        .unwrap();
    writer.commit().unwrap();
}

/// The state after block `number`, from the operations alone.
fn world_at(number: u64) -> World {
    let dir = tempfile::tempdir().unwrap();
    let mut chain = test_utils::TestChain::new(dir.path());
    for number in 1..=number {
        chain.append(&ops(number));
    }
    chain.worlds.pop().unwrap()
}

/// The process that is killed: appends blocks until it is, and says so after each.
#[test]
fn appending_process() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let storage = open(Path::new(&dir));
    let mut world = world_at(storage.reader().unwrap().head().unwrap().number);
    println!("open");
    loop {
        append(&storage, &mut world);
        println!(
            "appended {}",
            storage.reader().unwrap().head().unwrap().number
        );
        std::io::stdout().flush().unwrap();
    }
}

fn start(dir: &Path) -> (Child, BufReader<ChildStdout>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::appending_process", "--nocapture"])
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    (child, output)
}

/// Reads until the process said that it appended `count` blocks; returns the last one's number.
fn wait_for(output: &mut impl BufRead, count: u64) -> u64 {
    let mut appended = 0;
    let mut line = String::new();
    loop {
        line.clear();
        assert!(
            output.read_line(&mut line).unwrap() > 0,
            "the process ended by itself"
        );
        if let Some(number) = line.trim().strip_prefix("appended ") {
            appended += 1;
            if appended == count {
                return number.parse().unwrap();
            }
        }
    }
}

#[test]
fn a_process_killed_while_appending_reopens_at_a_whole_commit() {
    let mut dir = tempfile::tempdir().unwrap();
    for round in 0..ROUNDS {
        if round.is_multiple_of(6) {
            dir = tempfile::tempdir().unwrap();
        }
        let (mut child, mut output) = start(dir.path());
        let acknowledged = wait_for(&mut output, 1 + round % 4);
        // The process goes on meanwhile, so this hits it at any point of its work.
        for spin in 0..round * 97_003 % 2_000_000 {
            std::hint::black_box(spin);
        }
        child.kill().unwrap();
        child.wait().unwrap();

        let storage = open(dir.path());
        let reader = storage.reader().unwrap();
        let head = reader.head().unwrap();
        assert!(
            head.number >= acknowledged,
            "block {acknowledged} was acknowledged, then lost"
        );
        assert_ne!(head.number % 3, 2, "a commit was stored in part");
        reader.verify().unwrap();
        let header = reader.header(head.number).unwrap().unwrap();
        assert_eq!(reader.recompute_state_root().unwrap(), header.state_root);
        let any = LogPattern::new(&[], [&[]; 4]);
        let with_logs: StorageResult<Vec<_>> =
            reader.log_blocks(&any, 0..=u64::MAX).unwrap().collect();
        let with_logs = with_logs.unwrap().concat();
        for number in 1..=head.number {
            let block = reader.block(number).unwrap().unwrap();
            let receipts = reader.receipts(number).unwrap().unwrap();
            assert_eq!(receipts.len(), block.body().transactions.len());
            let logs = receipts.iter().any(|receipt| !receipt.logs.is_empty());
            assert_eq!(with_logs.contains(&number), logs);
            assert_eq!(
                block.parent_hash,
                reader.block_hash(number - 1).unwrap().unwrap()
            );
        }
        assert!(reader.block(head.number + 1).unwrap().is_none());
        // A proof of an old state needs every change since, and leads to the header's root.
        let oldest = reader.oldest_state().unwrap();
        assert!(oldest + 3 >= head.number || head.number <= 3, "{oldest}");
        for number in oldest..=head.number {
            let proof = reader.proof(number, test_utils::address(1), &[], test_utils::ANY_COST);
            proof.unwrap();
        }
    }
}
