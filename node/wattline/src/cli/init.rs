//! `wattline init`: sets up a data directory.

use clap::Args;

use super::ChainArgs;
use crate::node::open_storage;

/// Set up a data directory from a genesis file, without starting the node.
#[derive(Args, Debug)]
pub(crate) struct Init {
    #[command(flatten)]
    chain: ChainArgs,
}

impl Init {
    pub(super) fn run(self) -> eyre::Result<()> {
        let loaded = self.chain.load()?;
        open_storage(&self.chain.datadir, &loaded)?;
        println!(
            "{} holds chain {} with genesis {}",
            self.chain.datadir.display(),
            loaded.spec.chain_id(),
            loaded.spec.genesis_hash(),
        );
        Ok(())
    }
}
