//! `cast`: reading, sending, proving and signing by hand.

use alloy::{
    hex,
    primitives::{Address, B256, U256, keccak256},
    providers::Provider,
    rpc::types::EIP1186AccountProofResponse,
    sol_types::{SolError, SolEvent},
};
use alloy_trie::{Nibbles, TrieAccount, proof::verify_proof};
use eyre::{OptionExt, bail, ensure};
use serde_json::{Value, json};
use tokio::process::Command;
use wattline_market::{abi::ISettlementToken, predeploys::SETTLEMENT_TOKEN};
use wattline_testing::{
    CHAIN_ID, RunningNode, dev_key,
    tool::{fail, foundry, succeed},
};

/// A user with `ETH_RPC_URL` set.
struct Shell<'a> {
    node: &'a RunningNode,
}

impl Shell<'_> {
    fn command(&self, arguments: &[&str]) -> eyre::Result<Command> {
        let mut command = Command::new(foundry("cast")?);
        command.args(arguments).env("ETH_RPC_URL", &self.node.url);
        Ok(command)
    }

    async fn cast(&self, arguments: &[&str]) -> eyre::Result<String> {
        let printed = succeed(&mut self.command(arguments)?).await?;
        Ok(printed.trim().to_owned())
    }

    async fn json(&self, arguments: &[&str]) -> eyre::Result<Value> {
        Ok(serde_json::from_str(&self.cast(arguments).await?)?)
    }

    async fn refused(&self, arguments: &[&str]) -> eyre::Result<String> {
        fail(&mut self.command(arguments)?).await
    }
}

fn secret(index: u32) -> String {
    dev_key(index).to_bytes().to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cast_reads_the_chain() -> eyre::Result<()> {
    let node = RunningNode::new_dev_chain()?;
    let shell = Shell { node: &node };
    let account = dev_key(9).address().to_string();

    assert_eq!(shell.cast(&["chain-id"]).await?, CHAIN_ID.to_string());
    assert_eq!(shell.cast(&["rpc", "eth_chainId"]).await?, "\"0xe1ec\"");
    let client = shell.cast(&["client"]).await?;
    assert!(client.starts_with("wattline/v"), "{client}");
    assert_eq!(shell.cast(&["gas-price"]).await?, "0");
    assert_eq!(shell.cast(&["base-fee"]).await?, "0");
    assert_eq!(
        shell.cast(&["balance", "--ether", &account]).await?,
        "10000.000000000000000000"
    );

    let genesis = shell.json(&["block", "0", "--json"]).await?;
    let provider = node.provider()?;
    let known = provider.get_block(0.into()).await?.ok_or_eyre("no block")?;
    assert_eq!(genesis["hash"], json!(known.header.hash));
    let raw = ["rpc", "--raw", "eth_getBlockByNumber", r#"["0x0", false]"#];
    assert_eq!(shell.json(&raw).await?["hash"], genesis["hash"]);

    let unknown = shell.refused(&["rpc", "eth_nothing"]).await?;
    assert!(
        unknown.contains("error code -32601: the method eth_nothing does not exist"),
        "{unknown}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cast_sends_and_finds_receipts_and_logs() -> eyre::Result<()> {
    let node = RunningNode::new_dev_chain()?;
    let shell = Shell { node: &node };
    let token = SETTLEMENT_TOKEN.to_string();
    let (from, to) = (dev_key(1).address(), Address::repeat_byte(0x77).to_string());
    let key = secret(1);
    let transfer = [token.as_str(), "transfer(address,uint256)", &to, "5"];

    for (kind, fees) in [
        ("0x2", &[][..]),
        ("0x2", &["--gas-price", "0", "--priority-gas-price", "0"]),
        ("0x0", &["--legacy", "--gas-price", "0"]),
    ] {
        let mut arguments = vec!["send", "--json", "--private-key", &key];
        arguments.extend(fees);
        arguments.extend(transfer);
        let sent = shell.json(&arguments).await?;
        let hash = sent["transactionHash"].as_str().ok_or_eyre("no hash")?;
        let receipt = shell.json(&["receipt", "--json", hash]).await?;
        assert_eq!(receipt, sent);
        assert_eq!(receipt["type"], kind);
        assert_eq!(receipt["status"], "0x1");
        assert_eq!(receipt["from"], json!(from));
        let transaction = shell.json(&["tx", "--json", hash]).await?;
        assert_eq!(transaction["type"], kind);
        assert_eq!(transaction["blockHash"], receipt["blockHash"]);
    }
    let balance = [&token, "balanceOf(address)(uint256)", &to];
    assert_eq!(shell.cast(&[&["call"][..], &balance].concat()).await?, "15");

    let logs = shell
        .json(&[
            "logs",
            "--json",
            "--from-block",
            "0",
            "--address",
            &token,
            "Transfer(address indexed,address indexed,uint256)",
            &from.to_string(),
        ])
        .await?;
    let logs = logs.as_array().ok_or_eyre("no logs")?;
    assert_eq!(logs.len(), 3);
    for log in logs {
        assert_eq!(
            log["topics"][0],
            json!(ISettlementToken::Transfer::SIGNATURE_HASH)
        );
        assert_eq!(log["data"], json!(B256::from(U256::from(5))));
    }

    // What reverts is told with its error, before anything is sent.
    let nonce = shell.cast(&["nonce", &from.to_string()]).await?;
    let refused = shell
        .refused(&[
            "send",
            "--private-key",
            &key,
            &token,
            "mint(address,uint256)",
            &to,
            "1",
        ])
        .await?;
    let selector = hex::encode_prefixed(ISettlementToken::AccessManagedUnauthorized::SELECTOR);
    ensure!(
        refused.contains("error code 3: execution reverted") && refused.contains(&selector),
        "{refused}"
    );
    assert_eq!(shell.cast(&["nonce", &from.to_string()]).await?, nonce);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cast_wallet_signs_what_the_node_takes() -> eyre::Result<()> {
    let node = RunningNode::new_dev_chain()?;
    let shell = Shell { node: &node };
    let made = shell.json(&["wallet", "new", "--json"]).await?;
    let key = made[0]["private_key"].as_str().ok_or_eyre("no key")?;
    let address = made[0]["address"].as_str().ok_or_eyre("no address")?;

    let signature = shell
        .cast(&["wallet", "sign", "--private-key", key, "hello"])
        .await?;
    let other = dev_key(1).address().to_string();
    let verify = |address| {
        [
            "wallet",
            "verify",
            "--address",
            address,
            "hello",
            &signature,
        ]
    };
    let verified = shell.cast(&verify(address)).await?;
    assert!(verified.contains("Validation succeeded"), "{verified}");
    let denied = shell.refused(&verify(&other)).await?;
    assert!(denied.contains("did not sign this message"), "{denied}");

    // The new account owns nothing, and a transaction costs nothing.
    let target = Address::repeat_byte(0x55).to_string();
    let mut arguments = vec!["mktx", "--private-key", key, &target];
    arguments.extend(["--gas-price", "0", "--priority-gas-price", "0"]);
    let raw = shell.cast(&arguments).await?;
    let published = shell.json(&["publish", "--json", &raw]).await?;
    assert_eq!(published["status"], "0x1");
    assert_eq!(
        published["from"].as_str().map(str::to_lowercase),
        Some(address.to_lowercase())
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cast_gets_proofs_that_hold() -> eyre::Result<()> {
    let node = RunningNode::new_dev_chain()?;
    let shell = Shell { node: &node };
    let token = SETTLEMENT_TOKEN.to_string();
    let slot = B256::ZERO.to_string();
    let proof = shell
        .json(&["proof", &token, &slot, "--block", "0"])
        .await?;

    let genesis = shell.json(&["block", "0", "--json"]).await?;
    let proof: EIP1186AccountProofResponse = serde_json::from_value(proof)?;
    let root: B256 = serde_json::from_value(genesis["stateRoot"].clone())?;
    assert_eq!(proof.address, SETTLEMENT_TOKEN);
    let account = TrieAccount {
        nonce: proof.nonce,
        balance: proof.balance,
        storage_root: proof.storage_hash,
        code_hash: proof.code_hash,
    };
    verify_proof(
        root,
        Nibbles::unpack(keccak256(proof.address)),
        Some(alloy_rlp::encode(account)),
        &proof.account_proof,
    )?;
    // The slot holds nothing; the proof shows that.
    let [storage] = proof.storage_proof.as_slice() else {
        bail!("one slot was asked for");
    };
    assert_eq!(storage.value, U256::ZERO);
    verify_proof(
        proof.storage_hash,
        Nibbles::unpack(keccak256(B256::ZERO)),
        None,
        &storage.proof,
    )?;
    Ok(())
}
