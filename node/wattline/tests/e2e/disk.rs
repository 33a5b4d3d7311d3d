//! A disk that fills up under a running node, and a database at its limit.

use std::{
    fs::{self, File},
    io::Write,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use crate::common::{fails, run};
use alloy::{
    consensus::{SignableTransaction, TxEip1559, TxEnvelope},
    eips::eip2718::Encodable2718,
    network::TxSignerSync,
    primitives::{Address, B256, TxKind},
    providers::{DynProvider, Provider},
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use wattline_storage::Storage;
use wattline_testing::{CHAIN_ID, PATIENCE, RunningNode, dev_key, wait_for_block};

/// A small file system in memory, as long as it lives.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// None where this process may not mount one.
    fn mount(mebibytes: u64) -> eyre::Result<Option<Self>> {
        let dir = tempfile::tempdir()?;
        let size = format!("size={mebibytes}m");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(dir.path())
            .output();
        match mounted {
            Ok(output) if output.status.success() => Ok(Some(Self(dir))),
            refused => {
                eprintln!("SKIPPED: no file system can be mounted here: {refused:?}");
                Ok(None)
            }
        }
    }

    fn text(&self) -> &str {
        text(self.0.path())
    }

    /// Takes all the room but so many bytes.
    fn fill_up_to(&self, left: u64) -> eyre::Result<()> {
        let path = self.0.path().join("filler");
        let mut file = File::options().create(true).append(true).open(path)?;
        let zeros = vec![0; 4096];
        while file.write_all(&zeros).is_ok() {}
        file.set_len(file.metadata()?.len().saturating_sub(left))?;
        Ok(())
    }

    fn make_room(&self) -> eyre::Result<()> {
        Ok(fs::remove_file(self.0.path().join("filler"))?)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap_or_default()
}

fn dev_chain(datadir: &str, options: &[&str]) -> eyre::Result<RunningNode> {
    let args = [
        "dev",
        "--no-market",
        "--http.port",
        "0",
        "--datadir",
        datadir,
    ];
    RunningNode::start(&[&args, options].concat())
}

/// Sends a transaction that pays nobody, with so many bytes of `data` that do not compress.
async fn send(provider: &DynProvider, nonce: u64, data: usize) -> Result<B256, String> {
    let key = dev_key(1);
    let mut input = vec![0; data];
    StdRng::seed_from_u64(nonce).fill(&mut input[..]);
    let mut tx = TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: 21_000 + 50 * data as u64,
        to: TxKind::Call(Address::with_last_byte(0x77)),
        input: input.into(),
        ..Default::default()
    };
    let signature = key
        .sign_transaction_sync(&mut tx)
        .map_err(|error| error.to_string())?;
    let raw = TxEnvelope::from(tx.into_signed(signature)).encoded_2718();
    match provider.send_raw_transaction(&raw).await {
        Ok(pending) => Ok(*pending.tx_hash()),
        Err(error) => Err(error.to_string()),
    }
}

/// Sends transactions until one is refused with a message that has `part`.
async fn sent_until_refused(
    provider: &DynProvider,
    nonce: &mut u64,
    data: usize,
    part: &str,
) -> eyre::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        match send(provider, *nonce, data).await {
            Ok(_) => *nonce += 1,
            Err(refusal) if refusal.contains(part) => return Ok(()),
            // The pool takes so many of one sender; blocks make room.
            Err(refusal) if refusal.contains("sender limit reached") => {}
            Err(refusal) => eyre::bail!("refused otherwise: {refusal}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    eyre::bail!("nothing was refused with {part:?}")
}

/// Sends one transaction as soon as it is taken again.
async fn sent_at_last(provider: &DynProvider, nonce: &mut u64) -> eyre::Result<B256> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match send(provider, *nonce, 0).await {
            Ok(hash) => {
                *nonce += 1;
                return Ok(hash);
            }
            Err(refusal) if Instant::now() > deadline => eyre::bail!("still refused: {refusal}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn wait_for_receipt(provider: &DynProvider, hash: B256) -> eyre::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while provider.get_transaction_receipt(hash).await?.is_none() {
        eyre::ensure!(Instant::now() < deadline, "{hash} is in no block");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_disk_is_low_no_transactions_are_taken_and_the_chain_goes_on() -> eyre::Result<()>
{
    let Some(disk) = SmallDisk::mount(64)? else {
        return Ok(());
    };
    // On a small disk the default bound is small.
    let node = dev_chain(disk.text(), &[])?;
    let mut nonce = 0;
    wait_for_receipt(
        &node.provider()?,
        sent_at_last(&node.provider()?, &mut nonce).await?,
    )
    .await?;
    node.stop()?;

    let node = dev_chain(
        disk.text(),
        &["--disk.min-free", "16MiB", "--metrics.port", "0"],
    )?;
    let provider = node.provider()?;
    let metrics = metrics_url(&node)?;
    disk.fill_up_to(8 << 20)?;
    let refusal = "free, less than --disk.min-free, 16.00 MiB; its operator has to make room";
    sent_until_refused(&provider, &mut nonce, 0, refusal).await?;
    let shown = reqwest::get(&metrics).await?.text().await?;
    assert!(shown.contains("\nwattline_space_low 1\n"), "{shown}");
    assert!(shown.contains("\nwattline_disk_free_bytes "), "{shown}");
    let head = provider.get_block_number().await?;
    wait_for_block(&provider, head + 2).await?;

    disk.make_room()?;
    let hash = sent_at_last(&provider, &mut nonce).await?;
    wait_for_receipt(&provider, hash).await?;
    assert!(node.stop()?.success());
    Ok(())
}

fn metrics_url(node: &RunningNode) -> eyre::Result<String> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        for line in node.printed() {
            if let Some(start) = line.find("http://").filter(|_| line.contains("Metrics")) {
                return Ok(line[start..].trim().to_owned());
            }
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    eyre::bail!("the node does not say where its metrics are")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_stops_the_chain_until_there_is_room_and_damages_nothing() -> eyre::Result<()> {
    let Some(disk) = SmallDisk::mount(64)? else {
        return Ok(());
    };
    let unwatched = ["--disk.min-free", "0"];
    let mut node = dev_chain(disk.text(), &unwatched)?;
    let provider = node.provider()?;
    let mut nonce = 0;
    let acknowledged = sent_at_last(&provider, &mut nonce).await?;
    wait_for_receipt(&provider, acknowledged).await?;
    disk.fill_up_to(0)?;
    // Neither the journal nor the database can be written to the end.
    sent_until_refused(&provider, &mut nonce, 4_000, "journal could not be written").await?;
    let head = stands_still(&provider).await?;
    disk.make_room()?;
    wait_for_block(&provider, head + 2).await?;
    let hash = sent_at_last(&provider, &mut nonce).await?;
    wait_for_receipt(&provider, hash).await?;

    // Killed on the full disk, it starts again when there is room.
    disk.fill_up_to(0)?;
    let head = stands_still(&provider).await?;
    node.kill()?;
    disk.make_room()?;
    let storage = Storage::open_existing(disk.0.path())?;
    let reader = storage.reader()?;
    reader.verify()?;
    assert!(reader.head()?.number >= head);
    drop((reader, storage));
    let node = dev_chain(disk.text(), &unwatched)?;
    let provider = node.provider()?;
    wait_for_block(&provider, head + 2).await?;
    wait_for_receipt(&provider, hash).await?;
    assert!(node.stop()?.success());
    Ok(())
}

/// Waits until no block comes for a while, and returns the last one's number.
async fn stands_still(provider: &DynProvider) -> eyre::Result<u64> {
    let deadline = Instant::now() + PATIENCE;
    let mut head = provider.get_block_number().await?;
    loop {
        // Several periods.
        tokio::time::sleep(Duration::from_secs(5)).await;
        let now = provider.get_block_number().await?;
        if now == head {
            return Ok(head);
        }
        eyre::ensure!(
            Instant::now() < deadline,
            "the chain goes on at block {now}"
        );
        head = now;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_at_its_limit_takes_no_transactions_until_it_is_restarted_with_more()
-> eyre::Result<()> {
    let dir = tempfile::tempdir()?;
    let datadir = text(dir.path());
    let small = ["--db.max-size", "16MiB", "--db.growth-step", "1MiB"];
    let node = dev_chain(datadir, &small)?;
    let provider = node.provider()?;
    let mut nonce = 0;
    let refusal =
        "its database comes up to --db.max-size, 16.00 MiB; its operator has to restart it";
    sent_until_refused(&provider, &mut nonce, 60_000, refusal).await?;
    provider.get_block_number().await?;
    assert!(node.stop()?.success());
    let (_, stats, _) = run(&["db", "stats", "--datadir", datadir])?;
    assert!(stats.contains("in use, --db.max-size 16MiB"), "{stats}");
    assert!(stats.contains("\nstate of every block\n"), "{stats}");

    let node = dev_chain(datadir, &["--db.max-size", "64MiB"])?;
    let provider = node.provider()?;
    let nonce = &mut provider
        .get_transaction_count(dev_key(1).address())
        .pending()
        .await?;
    let hash = sent_at_last(&provider, nonce).await?;
    wait_for_receipt(&provider, hash).await?;
    assert!(node.stop()?.success());
    Ok(())
}

#[test]
fn a_limit_beyond_the_address_space_names_the_option() -> eyre::Result<()> {
    let dir = tempfile::tempdir()?;
    let init = |options: &str| {
        let command = format!(
            "ulimit -v 16000000 && exec {} init --chain dev --datadir {} {options}",
            env!("CARGO_BIN_EXE_wattline"),
            text(dir.path())
        );
        Command::new("bash").args(["-c", &command]).output()
    };
    let refused = init("")?;
    let error = String::from_utf8(refused.stderr)?;
    assert!(error.contains("choose a smaller --db.max-size"), "{error}");
    assert!(!refused.status.success());
    let done = init("--db.max-size 1GiB")?;
    assert!(done.status.success(), "{}", String::from_utf8(done.stderr)?);
    Ok(())
}

#[test]
fn a_history_too_short_for_the_chain_is_refused_with_the_reason() -> eyre::Result<()> {
    let error = fails(&["dev", "--prune.history", "100"])?;
    assert!(
        error.contains("expected at least 128 blocks: up to 64 may be stored at once"),
        "{error}"
    );
    Ok(())
}
