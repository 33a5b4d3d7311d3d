//! The same requests to this node and to anvil, in the same state: every difference between the
//! answers is one that `docs/rpc-differences.md` explains.
//!
//! `story.json` holds what happens on the chain, `requests.json` what is asked then, and
//! `differences.json` the explanations, from which the page is made. After changing them, run the
//! test with `UPDATE_DOCS=1` to write the page anew.

mod compare;
mod explain;
mod peers;
mod requests;

use std::{collections::BTreeMap, fs, path::Path};

use eyre::{OptionExt, WrapErr, bail, ensure};
use serde_json::{Value, json};
use wattline_daemon::keystore;
use wattline_testing::{RunningNode, dev_key, rpc::Peer, story::Story};

use self::{
    compare::{Difference, differences},
    explain::Explanations,
    peers::Anvil,
    requests::{Names, requests},
};

/// Reads a file that lies next to this one.
fn read<T: serde::de::DeserializeOwned>(name: &str) -> eyre::Result<T> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/e2e/anvil")
        .join(name);
    let text = fs::read_to_string(&path).wrap_err_with(|| format!("cannot read {name}"))?;
    serde_json::from_str(&text).wrap_err_with(|| format!("{name} is not what it should be"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_differ_from_anvils_only_where_explained() -> eyre::Result<()> {
    let (dir, story) = sealed().await?;
    let datadir = dir.path().join("data");
    let datadir = datadir.to_str().ok_or_eyre("the path is not UTF-8")?;
    // Without a signer the head stays where it is.
    let node = RunningNode::start(&[
        "node",
        "--datadir",
        datadir,
        "--http.port",
        "0",
        "--http.api",
        "all",
        "--metrics.port",
        "0",
    ])?;
    let ours = Peer::new(&node.url);
    let anvil = Anvil::start()?;
    let theirs = Peer::new(&anvil.url);
    let head = replay(&story, &ours, &theirs).await?;

    let names = [
        Names::of(&story, &ours, head).await?,
        Names::of(&story, &theirs, head).await?,
    ];
    let mut explanations = Explanations::read()?;
    let mut unexplained = Vec::new();
    let mut asked = 0;
    for request in requests()? {
        let ours = names[0].ask(&ours, &request).await?;
        let theirs = names[1].ask(&theirs, &request).await?;
        asked += 1;
        for difference in differences(&ours, &theirs) {
            if !explanations.explain(&request.method, &difference) {
                unexplained.push((request.to_string(), difference));
            }
        }
    }
    println!("{asked} requests");
    assert!(unexplained.is_empty(), "{}", listing(unexplained));
    let idle = explanations.idle();
    assert!(
        idle.is_empty(),
        "no answer differs like this any more, strike it from differences.json:\n{}",
        idle.join("\n")
    );

    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/rpc-differences.md");
    let rendered = explanations.page(asked)?;
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&page, &rendered)?;
    }
    assert!(
        fs::read_to_string(&page)? == rendered,
        "docs/rpc-differences.md is not what differences.json says: run this test with \
         UPDATE_DOCS=1"
    );
    Ok(())
}

/// A directory with a data directory in which the story has happened, each part of it in one block: on a machine
/// that is very busy a slot may end in the middle of a part, then another try is made.
async fn sealed() -> eyre::Result<(tempfile::TempDir, Story)> {
    for _ in 0..3 {
        let dir = tempfile::tempdir()?;
        let node = signer(dir.path())?;
        let mut story = Story::read(include_str!("story.json"))?;
        let together = story.happen(&Peer::new(&node.url)).await?;
        ensure!(node.stop()?.success(), "the node did not stop cleanly");
        if together {
            return Ok((dir, story));
        }
    }
    bail!("transactions that were sent together are not in one block")
}

/// A node that seals the development chain in `dir`, but a block every second: anvil makes no two
/// blocks of one timestamp.
fn signer(dir: &Path) -> eyre::Result<RunningNode> {
    let mut genesis: Value = serde_json::from_str(include_str!("../../../../../genesis/dev.json"))?;
    genesis["config"]["clique"]["period"] = json!(1);
    genesis["config"]["wattline"] = json!({});
    let [chain, password, data] = ["genesis.json", "password", "data"].map(|name| dir.join(name));
    fs::write(&chain, genesis.to_string())?;
    fs::write(&password, "secret")?;
    let keystore = keystore::save(dir, "signer", "secret", &dev_key(0))?;
    let text = |path: &Path| path.to_str().map(str::to_owned).ok_or_eyre("not UTF-8");
    RunningNode::start(&[
        "node",
        "--chain",
        &text(&chain)?,
        "--datadir",
        &text(&data)?,
        "--signer",
        &text(&keystore)?,
        "--password-file",
        &text(&password)?,
        "--http.port",
        "0",
        "--metrics.port",
        "0",
    ])
}

/// Plays our blocks on anvil: the same transactions in the same order, at the same times.
async fn replay(story: &Story, ours: &Peer, theirs: &Peer) -> eyre::Result<u64> {
    let head = ours.result("eth_blockNumber", json!([])).await?;
    let head = head.as_str().ok_or_eyre("no block number")?;
    let head = u64::from_str_radix(head.trim_start_matches("0x"), 16)?;
    let signer = story.address(0);
    theirs.result("anvil_setCoinbase", json!([signer])).await?;
    for number in 1..=head {
        let params = json!([format!("0x{number:x}"), false]);
        let block = ours.result("eth_getBlockByNumber", params).await?;
        for hash in block["transactions"].as_array().into_iter().flatten() {
            let raw = story.raw(hash.as_str().unwrap_or_default())?;
            let found = theirs
                .result("eth_sendRawTransaction", json!([raw]))
                .await?;
            ensure!(found == *hash, "anvil says {found} for {hash}");
        }
        let time = block["timestamp"].as_str().ok_or_eyre("no timestamp")?;
        let time = u64::from_str_radix(time.trim_start_matches("0x"), 16)?;
        theirs.result("evm_mine", json!([time])).await?;
    }
    Ok(head)
}

/// The differences that nothing explains, those alike together.
fn listing(unexplained: Vec<(String, Difference)>) -> String {
    let mut kinds: BTreeMap<String, (usize, String)> = BTreeMap::new();
    for (request, difference) in unexplained {
        let method = request.split(' ').next().unwrap_or_default();
        let kind = format!("{method} {}", difference.kind());
        let entry = kinds
            .entry(kind)
            .or_insert_with(|| (0, format!("{request}\n      {difference}")));
        entry.0 += 1;
    }
    let mut text = String::from("differences that differences.json does not explain:\n");
    for (kind, (count, example)) in kinds {
        text.push_str(&format!("{count} × {kind}\n      {example}\n"));
    }
    text
}

/// JSON in one line, shortened.
fn short(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    if text.chars().count() > 300 {
        text.chars().take(300).chain(['…']).collect()
    } else {
        text
    }
}
