//! JavaScript libraries: each has its file of tests in `js/`, for Node.js's own test runner.

use eyre::ensure;
use tokio::process::Command;
use wattline_testing::{RunningNode, tool};

use super::{folder, forge};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn viem() -> eyre::Result<()> {
    passes("viem.test.js", 15).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ethers() -> eyre::Result<()> {
    passes("ethers.test.js", 13).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metamask() -> eyre::Result<()> {
    passes("metamask.test.js", 8).await
}

/// Runs a file of tests against a fresh node; all of them must pass, none may be left out.
async fn passes(file: &str, tests: usize) -> eyre::Result<()> {
    let node = RunningNode::new_dev_chain()?;
    let ended = tool::run(
        Command::new("node")
            .current_dir(folder().join("js"))
            // A wallet's polling may outlive its end.
            .args(["--test", "--test-force-exit", "--test-reporter=tap", file])
            .env("WATTLINE_RPC", &node.url)
            .env("WATTLINE_ARTIFACTS", forge::artifacts().await?),
    )
    .await?;
    ensure!(
        ended.status.success() && ended.stdout.contains(&format!("\n# pass {tests}\n")),
        "{file} was to pass {tests} tests (are the tools installed? `make tools`):\n{}\n{}",
        ended.stdout,
        ended.stderr
    );
    Ok(())
}
