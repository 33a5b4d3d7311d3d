//! Python's web3.py: `python/web3_test.py`, in the virtual environment that `make tools` makes
//! where there is a Python.

use std::env;

use eyre::{bail, ensure};
use tokio::process::Command;
use wattline_testing::{RunningNode, tool};

use super::{folder, forge};

/// Set where the test must run, as in CI.
const REQUIRED: &str = "WATTLINE_REQUIRE_PYTHON";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn web3_py() -> eyre::Result<()> {
    let folder = folder().join("python");
    let python = folder.join(".venv/bin/python");
    if !folder.join(".venv/installed").exists() {
        let missing =
            "web3.py is not installed: get Python 3.10 or newer with venv, then run `make tools`";
        if env::var_os(REQUIRED).is_some() {
            bail!("{missing}");
        }
        eprintln!("skipped: {missing}");
        return Ok(());
    }
    let node = RunningNode::new_dev_chain()?;
    let ended = tool::run(
        Command::new(python)
            .current_dir(folder)
            .args(["-B", "web3_test.py"])
            .env("WATTLINE_RPC", &node.url)
            .env("WATTLINE_ARTIFACTS", forge::artifacts().await?),
    )
    .await?;
    ensure!(
        ended.status.success()
            && ended.stderr.contains("Ran 9 tests")
            && ended.stderr.trim_end().ends_with("\nOK"),
        "web3.py was to pass 9 tests:\n{}",
        ended.stderr
    );
    Ok(())
}
