//! anvil, as a process.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use eyre::{OptionExt, bail};
use wattline_testing::{CHAIN_ID, tool::foundry};

/// A running anvil on the development genesis that mines when told to. Dropping it kills it.
pub(crate) struct Anvil {
    child: Child,
    pub(crate) url: String,
}

impl Anvil {
    pub(crate) fn start() -> eyre::Result<Self> {
        let genesis = concat!(env!("CARGO_MANIFEST_DIR"), "/../../genesis/dev.json");
        let chain_id = CHAIN_ID.to_string();
        let mut child = Command::new(foundry("anvil")?)
            .args(["--init", genesis, "--chain-id", &chain_id, "--port", "0"])
            .args(["--hardfork", "osaka", "--gas-limit", "100000000"])
            .args(["--base-fee", "0", "--disable-min-priority-fee"])
            .args(["--no-mining", "--order", "fifo", "--steps-tracing"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let stdout = child.stdout.take().ok_or_eyre("no standard output")?;
        let mut lines = BufReader::new(stdout).lines();
        let url = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| Some(format!("http://{}", line.strip_prefix("Listening on ")?)));
        // What anvil prints later must go somewhere, or it stops at a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        let Some(url) = url else {
            let status = child.wait()?;
            bail!("anvil did not start: {status}");
        };
        Ok(Self { child, url })
    }
}

impl Drop for Anvil {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
