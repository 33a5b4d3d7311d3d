//! `wattline export` and `wattline import`: the chain as a file of RLP blocks.

use std::{
    fs::File,
    io::{BufReader, BufWriter, Write},
    path::PathBuf,
    sync::Arc,
};

use alloy_rlp::Encodable;
use clap::Args;
use eyre::{WrapErr, bail, ensure};
use wattline_chain::{Chain, Imported, SystemClock};
use wattline_primitives::SealedBlock;
use wattline_storage::StorageConfig;

use super::{ChainArgs, database::DatabaseArgs};
use crate::{chain_file::BlockReader, node::open_storage, progress};

/// Write the chain's blocks to a file, one RLP block after another, as geth does.
#[derive(Args, Debug)]
pub(crate) struct Export {
    /// The file to write
    file: PathBuf,

    #[command(flatten)]
    chain: ChainArgs,

    /// First block
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    first: u64,

    /// Last block [default: the head]
    #[arg(long, value_name = "NUMBER")]
    last: Option<u64>,
}

/// Import blocks from a file that `wattline export` wrote. Every block is checked and executed;
/// blocks that are there already are passed over, so that an interrupted import goes on where it
/// stopped.
#[derive(Args, Debug)]
pub(crate) struct Import {
    /// The file to read
    file: PathBuf,

    #[command(flatten)]
    chain: ChainArgs,

    #[command(flatten)]
    database: DatabaseArgs,
}

impl Export {
    pub(super) fn run(self) -> eyre::Result<()> {
        let storage = open_storage(
            &self.chain.datadir,
            &self.chain.load()?,
            &StorageConfig::default(),
        )?;
        let reader = storage.reader()?;
        let head = reader.head()?.number;
        let last = self.last.unwrap_or(head);
        ensure!(
            last <= head,
            "--last {last} is beyond the head, block {head}"
        );
        ensure!(
            self.first <= last || self.last.is_none(),
            "--first {} comes after --last {last}",
            self.first
        );

        let directory = match self.file.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => std::path::Path::new("."),
        };
        let scratch = tempfile::NamedTempFile::new_in(directory)
            .wrap_err_with(|| format!("cannot write to {}", directory.display()))?;
        let mut out = BufWriter::new(scratch);
        let blocks = self.first..=last;
        let bar = progress::bar(blocks.clone().count() as u64, "exporting", "blocks");
        let mut encoded = Vec::new();
        for number in blocks.clone() {
            let Some(block) = reader.block(number)? else {
                bail!("block {number} is missing from the database");
            };
            encoded.clear();
            block.into_block().encode(&mut encoded);
            out.write_all(&encoded)?;
            bar.inc(1);
        }
        bar.finish_and_clear();
        let scratch = out.into_inner().map_err(|error| error.into_error())?;
        scratch.as_file().sync_all()?;
        scratch
            .persist(&self.file)
            .wrap_err_with(|| format!("cannot write {}", self.file.display()))?;
        println!(
            "exported {} blocks to {}",
            blocks.count(),
            self.file.display()
        );
        Ok(())
    }
}

impl Import {
    pub(super) fn run(self) -> eyre::Result<()> {
        let loaded = self.chain.load()?;
        let storage = open_storage(&self.chain.datadir, &loaded, &self.database.config())?;
        let chain = Chain::open(storage, loaded.spec, Arc::new(SystemClock))?;

        let file = File::open(&self.file)
            .wrap_err_with(|| format!("cannot open the chain file {}", self.file.display()))?;
        let bar = progress::bar(file.metadata()?.len(), "importing", "bytes");
        let mut blocks = BlockReader::new(BufReader::new(file));
        let (mut imported, mut known) = (0_u64, 0_u64);
        while let Some(block) = blocks.next_block().wrap_err_with(|| {
            format!(
                "after {} blocks of {}",
                imported + known,
                self.file.display()
            )
        })? {
            let number = block.header.number;
            match chain
                .import(SealedBlock::seal_slow(block))
                .wrap_err_with(|| {
                    format!("block {number} of {} was refused", self.file.display())
                })? {
                Imported::AlreadyKnown => known += 1,
                Imported::Waiting { until } => {
                    bail!(
                        "block {number} is from the future: it is valid from Unix time {} on",
                        until.as_secs()
                    );
                }
                Imported::Canonical | Imported::SideChain => imported += 1,
            }
            bar.set_position(blocks.position());
        }
        bar.finish_and_clear();
        println!(
            "imported {imported} blocks, {known} were there already; the head is block {}",
            chain.head().number
        );
        Ok(())
    }
}
