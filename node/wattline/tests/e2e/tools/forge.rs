//! `forge` with the project of a contract developer in `forge/`.

use std::{fs, path::PathBuf};

use alloy::{
    consensus::TxType,
    network::{ReceiptResponse, TransactionResponse},
    primitives::{Address, B256},
    providers::{DynProvider, Provider},
    sol,
};
use eyre::{OptionExt, WrapErr, ensure};
use serde_json::Value;
use tokio::process::Command;
use wattline_testing::{
    RunningNode, dev_key,
    tool::{foundry, succeed},
};

use super::folder;

sol!(
    #[sol(rpc)]
    "tests/tools/forge/src/Tariff.sol"
);

sol! {
    #[sol(rpc)]
    interface IBilling {
        function tariff() external view returns (address);
    }
}

/// Where forge puts what it makes of the project.
fn made(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
        .join("tools")
        .join(name)
}

/// forge on the project.
fn forge(arguments: &[&str]) -> eyre::Result<Command> {
    let mut command = Command::new(foundry("forge")?);
    command
        .current_dir(folder().join("forge"))
        .args(arguments)
        .env("FOUNDRY_OUT", made("out"))
        .env("FOUNDRY_CACHE_PATH", made("cache"));
    Ok(command)
}

/// Compiles the project and returns the folder of its artifacts. One at a time, also among
/// processes: all but the first find everything compiled.
pub(crate) async fn artifacts() -> eyre::Result<PathBuf> {
    fs::create_dir_all(made(""))?;
    let lock = fs::File::create(made("lock"))?;
    lock.lock()?;
    succeed(&mut forge(&["build"])?).await?;
    Ok(made("out"))
}

/// The creation code of a contract of the project, and its ABI.
pub(crate) async fn artifact(name: &str) -> eyre::Result<Value> {
    let file = artifacts().await?.join(format!("{name}.sol/{name}.json"));
    Ok(serde_json::from_str(&fs::read_to_string(file)?)?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forge_create_deploys() -> eyre::Result<()> {
    artifacts().await?;
    let node = RunningNode::new_dev_chain()?;
    let provider = node.provider()?;
    let runtime = artifact("Tariff").await?;
    let length = runtime["deployedBytecode"]["object"]
        .as_str()
        .ok_or_eyre("no code")?
        .len();

    for (fees, transaction_type) in [
        (vec![], TxType::Eip1559),
        (vec!["--legacy", "--gas-price", "0"], TxType::Legacy),
    ] {
        let key = dev_key(1);
        let secret = key.to_bytes().to_string();
        let mut arguments = vec!["create", "src/Tariff.sol:Tariff", "--broadcast", "--json"];
        arguments.extend(["--rpc-url", &node.url, "--private-key", &secret]);
        arguments.extend(fees);
        arguments.extend(["--constructor-args", "1234"]);
        let printed: Value = serde_json::from_str(&succeed(&mut forge(&arguments)?).await?)?;
        let deployed: Address = field(&printed["deployedTo"])?;
        let hash: B256 = field(&printed["transactionHash"])?;

        check_receipt(&provider, hash, key.address(), transaction_type).await?;
        let code = provider.get_code_at(deployed).await?;
        assert_eq!(2 + 2 * code.len(), length);
        let tariff = Tariff::new(deployed, &provider);
        assert_eq!(tariff.maxPrice().call().await?, 1234);
        assert_eq!(tariff.owner().call().await?, key.address());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forge_script_deploys_and_wires_and_forge_test_forks() -> eyre::Result<()> {
    artifacts().await?;
    let node = RunningNode::new_dev_chain()?;
    let provider = node.provider()?;
    let directory = tempfile::tempdir()?;
    let publisher = dev_key(2).address();

    for (fees, transaction_type) in [
        (vec![], TxType::Eip1559),
        (vec!["--legacy", "--with-gas-price", "0"], TxType::Legacy),
    ] {
        let key = dev_key(1);
        let secret = key.to_bytes().to_string();
        let broadcast = directory.path().join("broadcast");
        let mut arguments = vec!["script", "script/Deploy.s.sol", "--broadcast"];
        arguments.extend(["--rpc-url", &node.url, "--private-key", &secret]);
        arguments.extend(fees);
        succeed(
            forge(&arguments)?
                .env("PUBLISHER", publisher.to_string())
                .env("FOUNDRY_BROADCAST", &broadcast),
        )
        .await?;
        let run = broadcast.join("Deploy.s.sol/57836/run-latest.json");
        let run: Value = serde_json::from_str(&fs::read_to_string(run)?)?;
        let transactions = run["transactions"].as_array().ok_or_eyre("none sent")?;
        assert_eq!(transactions.len(), 4);
        for transaction in transactions {
            let hash = field(&transaction["hash"])?;
            check_receipt(&provider, hash, key.address(), transaction_type).await?;
        }

        let [tariff, billing] = [0, 1].map(|index| &transactions[index]["contractAddress"]);
        let (tariff, billing): (Address, Address) = (field(tariff)?, field(billing)?);
        let wired = Tariff::new(tariff, &provider);
        assert_eq!(wired.price().call().await?, 28_000);
        assert_eq!(wired.publisher().call().await?, publisher);
        let of = IBilling::new(billing, &provider).tariff().call().await?;
        assert_eq!(of, tariff);

        let printed = succeed(
            forge(&["test", "--fork-url", &node.url])?
                .env("PUBLISHER", publisher.to_string())
                .env("TARIFF", tariff.to_string())
                .env("BILLING", billing.to_string()),
        )
        .await?;
        ensure!(
            printed.contains("3 tests passed, 0 failed, 0 skipped"),
            "{printed}"
        );
    }
    Ok(())
}

fn field<T: std::str::FromStr>(value: &Value) -> eyre::Result<T>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    let text = value.as_str().ok_or_eyre("not a string")?;
    text.parse().wrap_err_with(|| text.to_owned())
}

/// The transaction is on the chain, of this type, and succeeded.
async fn check_receipt(
    provider: &DynProvider,
    hash: B256,
    from: Address,
    transaction_type: TxType,
) -> eyre::Result<()> {
    let receipt = provider.get_transaction_receipt(hash).await?;
    let receipt = receipt.ok_or_eyre("no receipt")?;
    assert!(receipt.status());
    assert_eq!(receipt.from(), from);
    assert_eq!(receipt.transaction_type(), transaction_type);
    let transaction = provider.get_transaction_by_hash(hash).await?;
    let transaction = transaction.ok_or_eyre("no transaction")?;
    assert_eq!(transaction.block_hash(), receipt.block_hash());
    Ok(())
}
