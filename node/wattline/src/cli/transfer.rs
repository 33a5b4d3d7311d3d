//! `wattline export` and `wattline import`: the chain as a file of RLP blocks.

use std::{
    fs::File,
    io::{BufRead, BufReader, BufWriter, Write},
    path::PathBuf,
};

use alloy_rlp::Encodable;
use clap::Args;
use eyre::{WrapErr, bail, ensure};
use indicatif::ProgressBar;
use wattline_chain::Chain;
use wattline_primitives::SealedBlock;
use wattline_storage::StorageConfig;

use super::{ChainArgs, database::DatabaseArgs};
use crate::{chain_file::BlockReader, node::open_storage, progress};

/// How many blocks go into one commit.
const BATCH: u64 = 32;

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
        let chain = Chain::open(storage, loaded.spec)?;

        let file = File::open(&self.file)
            .wrap_err_with(|| format!("cannot open the chain file {}", self.file.display()))?;
        let bar = progress::bar(file.metadata()?.len(), "importing", "bytes");
        let mut blocks = BlockReader::new(BufReader::new(file));
        let mut counts = Counts::default();
        let read = self.execute_all(&chain, &mut blocks, &mut counts, &bar);
        // What was executed before something went wrong is good.
        chain.finalize(chain.pending().hash(), &|_| Ok(()))?;
        read?;
        bar.finish_and_clear();
        let Counts { imported, known } = counts;
        println!(
            "imported {imported} blocks, {known} were there already; the head is block {}",
            chain.head().number
        );
        Ok(())
    }

    /// Executes block after block and stores them in batches; the last of them stay in memory.
    fn execute_all(
        &self,
        chain: &Chain,
        blocks: &mut BlockReader<impl BufRead>,
        counts: &mut Counts,
        bar: &ProgressBar,
    ) -> eyre::Result<()> {
        while let Some(block) = blocks.next_block().wrap_err_with(|| {
            let passed = counts.imported + counts.known;
            format!("after {passed} blocks of {}", self.file.display())
        })? {
            let block = SealedBlock::seal_slow(block);
            let (number, hash) = (block.number, block.hash());
            bar.set_position(blocks.position());
            if chain.is_known(&hash)? {
                counts.known += 1;
                continue;
            }
            chain.execute(block, &|_| None).wrap_err_with(|| {
                format!("block {number} of {} was refused", self.file.display())
            })?;
            chain.set_pending(hash);
            counts.imported += 1;
            if counts.imported.is_multiple_of(BATCH) {
                chain.finalize(hash, &|_| Ok(()))?;
            }
        }
        Ok(())
    }
}

/// What became of the blocks of a file.
#[derive(Default)]
struct Counts {
    imported: u64,
    known: u64,
}
