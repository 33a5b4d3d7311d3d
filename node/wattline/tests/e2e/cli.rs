//! The command line: what it does, and what bad input gets.

use std::{fs, path::Path};

use alloy::{providers::Provider, signers::local::PrivateKeySigner};
use wattline_daemon::keystore;
use wattline_testing::{MNEMONIC, RunningNode, wait_for_block};

use crate::common::{fails, run};

const DEV_KEY_0: &str = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";

fn text(path: &Path) -> &str {
    path.to_str().unwrap_or_default()
}

fn dev_genesis() -> eyre::Result<serde_json::Value> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../genesis/dev.json");
    Ok(serde_json::from_str(&fs::read_to_string(file)?)?)
}

/// A small genesis of the same chain without the contracts, changed by `change`.
fn genesis(dir: &Path, change: impl FnOnce(&mut serde_json::Value)) -> eyre::Result<String> {
    let mut genesis = dev_genesis()?;
    genesis["alloc"] = serde_json::json!({});
    genesis["config"]["wattline"] = serde_json::json!({});
    genesis["config"]["clique"]["period"] = 1.into();
    change(&mut genesis);
    let path = dir.join("genesis.json");
    fs::write(&path, genesis.to_string())?;
    Ok(text(&path).to_owned())
}

fn files(dir: &Path) -> eyre::Result<Vec<(String, Vec<u8>)>> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next)? {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
            } else if !text(&path).ends_with(".lck") && !text(&path).ends_with("lock") {
                found.push((text(&path).to_owned(), fs::read(&path)?));
            }
        }
    }
    found.sort();
    Ok(found)
}

#[test]
fn help_names_every_command() -> eyre::Result<()> {
    let (status, help, _) = run(&["--help"])?;
    assert!(status.success());
    for command in [
        "dev", "node", "network", "init", "account", "export", "import", "db",
    ] {
        assert!(
            help.contains(&format!("\n  {command} ")),
            "{command} is missing in {help}"
        );
    }
    Ok(())
}

#[test]
fn an_account_is_imported_listed_and_made() -> eyre::Result<()> {
    let dir = tempfile::tempdir()?;
    let (key, password, store) = (
        dir.path().join("key"),
        dir.path().join("password"),
        dir.path().join("keys"),
    );
    fs::write(&key, DEV_KEY_0)?;
    fs::write(&password, "secret\n")?;
    let protected = [
        "--keystore",
        text(&store),
        "--password-file",
        text(&password),
    ];

    let (status, out, err) = run(&[&["account", "import", text(&key)], &protected[..]].concat())?;
    assert!(status.success(), "{err}");
    assert!(
        out.starts_with("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266 "),
        "{out}"
    );

    let (status, _, err) = run(&[&["account", "new"], &protected[..]].concat())?;
    assert!(status.success(), "{err}");
    let (_, list, _) = run(&["account", "list", "--keystore", text(&store)])?;
    assert_eq!(list.lines().count(), 2, "{list}");

    fs::write(&key, "xyz")?;
    let said = fails(&[&["account", "import", text(&key)], &protected[..]].concat())?;
    assert!(
        said.contains("does not start with a private key: 64 hex digits"),
        "{said}"
    );
    Ok(())
}

#[test]
fn a_wrong_password_is_named_as_such() -> eyre::Result<()> {
    let dir = tempfile::tempdir()?;
    let (key, password) = (dir.path().join("key"), dir.path().join("password"));
    fs::write(&key, DEV_KEY_0)?;
    fs::write(&password, "secret")?;
    let store = dir.path().join("keys");
    let (_, out, _) = run(&[
        "account",
        "import",
        text(&key),
        "--keystore",
        text(&store),
        "--password-file",
        text(&password),
    ])?;
    let keystore = out
        .trim()
        .split_once(' ')
        .map(|(_, path)| path)
        .unwrap_or_default();
    fs::write(&password, "guess")?;
    let datadir = dir.path().join("data");
    let said = fails(&[
        "node",
        "--datadir",
        text(&datadir),
        "--chain",
        "dev",
        "--signer",
        keystore,
        "--password-file",
        text(&password),
    ])?;
    assert!(
        said.contains(&format!("wrong password for the keystore {keystore}")),
        "{said}"
    );
    assert!(!datadir.exists(), "a failed start left something behind");
    Ok(())
}

#[test]
fn a_keystore_that_asks_for_too_much_memory_is_refused() -> eyre::Result<()> {
    let dir = tempfile::tempdir()?;
    let password = dir.path().join("password");
    fs::write(&password, "secret")?;
    let path = keystore::save(dir.path(), "signer", "secret", &PrivateKeySigner::random())?;
    let modest = fs::read_to_string(&path)?;
    // Two tebibytes.
    let greedy = modest.replace("\"n\":8192", "\"n\":2147483648");
    assert_ne!(greedy, modest);
    fs::write(&path, greedy)?;
    let datadir = dir.path().join("data");
    let said = fails(&[
        "node",
        "--datadir",
        text(&datadir),
        "--chain",
        "dev",
        "--signer",
        text(&path),
        "--password-file",
        text(&password),
    ])?;
    assert!(
        said.contains(&format!(
            "the keystore {} asks for too much work: scrypt may have n·r·128 at most 1 GiB",
            path.display()
        )),
        "{said}"
    );
    assert!(!datadir.exists(), "a failed start left something behind");
    Ok(())
}

#[tokio::test]
async fn a_node_of_its_own_genesis_seals_with_its_keystore_and_stops_cleanly() -> eyre::Result<()> {
    let dir = tempfile::tempdir()?;
    let (key, password) = (dir.path().join("key"), dir.path().join("password"));
    fs::write(&key, DEV_KEY_0)?;
    fs::write(&password, "secret")?;
    let store = dir.path().join("keys");
    let (_, out, _) = run(&[
        "account",
        "import",
        text(&key),
        "--keystore",
        text(&store),
        "--password-file",
        text(&password),
    ])?;
    let keystore = out
        .trim()
        .split_once(' ')
        .map(|(_, path)| path.to_owned())
        .unwrap_or_default();
    let datadir = dir.path().join("data");
    let chain = genesis(dir.path(), |_| {})?;
    let (status, out, err) = run(&["init", "--datadir", text(&datadir), "--chain", &chain])?;
    assert!(status.success(), "{err}");
    assert!(out.contains("holds chain 57836 with genesis 0x"), "{out}");

    let args = [
        "node",
        "--datadir",
        text(&datadir),
        "--signer",
        &keystore,
        "--password-file",
        text(&password),
        "--http.port",
        "0",
        "--metrics.port",
        "0",
    ];
    let node = RunningNode::start(&args)?;
    let head = wait_for_block(&node.provider()?, 2).await?;
    assert!(node.stop()?.success());

    let node = RunningNode::start(&args)?;
    let provider = node.provider()?;
    assert!(provider.get_block_number().await? >= head);
    wait_for_block(&provider, head + 1).await?;

    // A second node on the same directory is refused while the first runs.
    let said = fails(&args)?;
    assert!(said.contains(text(&datadir)), "{said}");
    assert!(node.stop()?.success());

    let (status, stats, err) = run(&["db", "stats", "--datadir", text(&datadir)])?;
    assert!(status.success(), "{err}");
    assert!(stats.contains("Headers"), "{stats}");
    Ok(())
}

#[test]
fn a_directory_of_another_genesis_is_refused_and_left_as_it_is() -> eyre::Result<()> {
    let dir = tempfile::tempdir()?;
    let datadir = dir.path().join("data");
    let chain = genesis(dir.path(), |_| {})?;
    assert!(
        run(&["init", "--datadir", text(&datadir), "--chain", &chain])?
            .0
            .success()
    );
    let before = files(&datadir)?;

    let other = genesis(dir.path(), |genesis| {
        genesis["gasLimit"] = "0x1c9c380".into();
    })?;
    let said = fails(&["init", "--datadir", text(&datadir), "--chain", &other])?;
    assert!(said.contains("genesis"), "{said}");
    assert!(said.contains(text(&datadir)), "{said}");
    assert_eq!(files(&datadir)?, before);
    Ok(())
}

#[test]
fn a_genesis_file_with_mistakes_says_which() -> eyre::Result<()> {
    let dir = tempfile::tempdir()?;
    let datadir = dir.path().join("data");
    let init = |chain: &str| fails(&["init", "--datadir", text(&datadir), "--chain", chain]);

    let chain = genesis(dir.path(), |genesis| {
        genesis["config"]["wattline"]["baseFeePerGass"] = 7.into();
    })?;
    assert!(init(&chain)?.contains("baseFeePerGass"));

    let vanity = "00".repeat(32);
    let seal = "00".repeat(65);
    let two = ["ff".repeat(20), "11".repeat(20)].concat();
    let chain = genesis(dir.path(), |genesis| {
        genesis["extraData"] = format!("0x{vanity}{two}{seal}").into();
    })?;
    assert!(init(&chain)?.contains("in ascending order"));

    let chain = genesis(dir.path(), |genesis| {
        genesis["extraData"] = format!("0x{vanity}{seal}").into();
    })?;
    assert!(init(&chain)?.contains("signer"));

    let path = dir.path().join("no.json");
    fs::write(&path, "{")?;
    assert!(init(text(&path))?.contains("is not valid"));
    assert!(init("absent.json")?.contains("cannot read the genesis file absent.json"));
    assert!(!datadir.exists());
    let said = fails(&["node", "--datadir", text(&datadir)])?;
    assert!(
        said.contains("holds no chain yet; say which one with --chain"),
        "{said}"
    );
    Ok(())
}

#[test]
fn a_port_in_use_is_named() -> eyre::Result<()> {
    let dir = tempfile::tempdir()?;
    let taken = std::net::TcpListener::bind("127.0.0.1:0")?;
    let port = taken.local_addr()?.port().to_string();
    let said = fails(&[
        "dev",
        "--no-market",
        "--datadir",
        text(dir.path()),
        "--http.port",
        &port,
    ])?;
    assert!(said.contains(&format!("127.0.0.1:{port}")), "{said}");
    assert!(said.contains("--http.port"), "{said}");
    Ok(())
}

#[tokio::test]
async fn a_chain_file_is_exported_and_imported_and_a_damaged_one_is_refused() -> eyre::Result<()> {
    assert!(MNEMONIC.ends_with("junk"));
    let dir = tempfile::tempdir()?;
    let datadir = dir.path().join("data");
    let node = RunningNode::dev_chain(&datadir)?;
    wait_for_block(&node.provider()?, 3).await?;
    assert!(node.stop()?.success());

    let file = dir.path().join("chain.rlp");
    let (status, out, err) = run(&["export", text(&file), "--datadir", text(&datadir)])?;
    assert!(status.success(), "{err}");
    assert!(out.contains("exported"), "{out}");

    let copy = dir.path().join("copy");
    let import = [
        "import",
        text(&file),
        "--datadir",
        text(&copy),
        "--chain",
        "dev",
    ];
    let (status, out, err) = run(&import)?;
    assert!(status.success(), "{err}");
    assert!(out.contains("0 were there already"), "{out}");
    let (status, out, _) = run(&import)?;
    assert!(status.success());
    assert!(out.starts_with("imported 0 blocks"), "{out}");

    // The last bytes lie in the last block's body, the middle of the file in a header's seal.
    let mut bytes = fs::read(&file)?;
    fs::write(&file, &bytes[..bytes.len() - 3])?;
    assert!(fails(&import)?.contains("it was cut off"));

    let fresh = dir.path().join("fresh");
    let import = [
        "import",
        text(&file),
        "--datadir",
        text(&fresh),
        "--chain",
        "dev",
    ];
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    fs::write(&file, &bytes)?;
    let said = fails(&import)?;
    let reasons = ["was refused", "no block starts", "does not follow"];
    assert!(reasons.iter().any(|reason| said.contains(reason)), "{said}");
    Ok(())
}

#[test]
fn a_node_serves_its_socket_as_long_as_it_runs() -> eyre::Result<()> {
    use std::io::{BufRead, BufReader, Write};

    let dir = tempfile::tempdir()?;
    let node = RunningNode::dev_chain(dir.path())?;
    let socket = dir.path().join("wattline.ipc");
    let mut client = std::os::unix::net::UnixStream::connect(&socket)?;
    writeln!(
        client,
        r#"{{"jsonrpc": "2.0", "id": 1, "method": "rpc_modules"}}"#
    )?;
    let mut line = String::new();
    BufReader::new(&client).read_line(&mut line)?;
    let answer: serde_json::Value = serde_json::from_str(&line)?;
    for namespace in ["eth", "clique", "debug", "txpool", "admin"] {
        assert_eq!(answer["result"][namespace], "1.0", "{answer}");
    }
    // A developer gets the same from the port.
    let modules: serde_json::Value = tokio::runtime::Runtime::new()?.block_on(async {
        eyre::Ok(
            node.provider()?
                .raw_request("rpc_modules".into(), ())
                .await?,
        )
    })?;
    assert_eq!(modules, answer["result"]);
    assert!(node.stop()?.success());
    assert!(!socket.exists());
    Ok(())
}

#[test]
fn unknown_namespaces_and_bad_secrets_are_named() -> eyre::Result<()> {
    let said = fails(&["node", "--http.api", "eth,personal"])?;
    assert!(
        said.contains("unknown namespace \"personal\": expected eth,net,web3,"),
        "{said}"
    );
    let said = fails(&["node", "--authrpc.port", "1"])?;
    assert!(said.contains("--authrpc.jwtsecret <FILE>"), "{said}");

    let dir = tempfile::tempdir()?;
    let secret = dir.path().join("jwt.hex");
    fs::write(&secret, "no secret")?;
    let said = fails(&[
        "dev",
        "--no-market",
        "--authrpc.jwtsecret",
        text(&secret),
        "--datadir",
        text(&dir.path().join("data")),
    ])?;
    assert!(said.contains("jwt.hex holds no JWT secret: "), "{said}");
    Ok(())
}
