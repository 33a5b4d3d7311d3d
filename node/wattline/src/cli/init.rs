//! `wattline init`: sets up a data directory.

use clap::Args;

use super::{ChainArgs, database::DatabaseArgs};
use crate::node::open_storage;

/// Set up a data directory from a genesis file, without starting the node.
#[derive(Args, Debug)]
pub(crate) struct Init {
    #[command(flatten)]
    chain: ChainArgs,

    #[command(flatten)]
    database: DatabaseArgs,
}

impl Init {
    pub(super) fn run(self) -> eyre::Result<()> {
        let loaded = self.chain.load()?;
        open_storage(&self.chain.datadir, &loaded, &self.database.config())?;
        println!(
            "{} holds chain {} with genesis {}",
            self.chain.datadir.display(),
            loaded.spec.chain_id(),
            loaded.spec.genesis_hash(),
        );
        Ok(())
    }
}
