//! `wattline export` and `wattline import`: the chain as a file of RLP blocks and certificates.

use std::{
    fs::File,
    io::{BufRead, BufReader, BufWriter, Seek, Write},
    path::PathBuf,
};

use alloy_rlp::Encodable;
use clap::Args;
use eyre::{WrapErr, bail, ensure};
use indicatif::ProgressBar;
use wattline_chain::Chain;
use wattline_consensus::Verifier;
use wattline_primitives::SealedBlock;
use wattline_storage::{Reader, StorageConfig};

use super::{ChainArgs, database::DatabaseArgs};
use crate::{
    chain_file::{ChainFile, ChainFileError},
    node::open_storage,
    progress,
};

/// How many blocks go into one commit.
const BATCH: usize = 32;
/// After so many blocks at the latest a file has a certificate, if the chain has one there.
const CERTIFICATE_INTERVAL: u64 = 64;

/// Write the chain's blocks to a file: one RLP block after another, as geth does, and on the chain
/// of a consortium the certificates that prove them final.
#[derive(Args, Debug)]
pub(crate) struct Export {
    /// The file to write
    file: PathBuf,

    #[command(flatten)]
    chain: ChainArgs,

    /// First block
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    first: u64,

    /// Last block; the file ends with the first block from it on that has a certificate [default:
    /// the head]
    #[arg(long, value_name = "NUMBER")]
    last: Option<u64>,
}

/// Import blocks from a file that `wattline export` wrote. Every block is checked and executed, and
/// on the chain of a consortium it must be proven final by a certificate of its committee. Blocks
/// that are there already are passed over, so that an interrupted import goes on where it stopped.
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
        let loaded = self.chain.load()?;
        let storage = open_storage(&self.chain.datadir, &loaded, &StorageConfig::default())?;
        let chain = Chain::open(storage, loaded.spec)?;
        let reader = chain.storage().reader()?;
        let head = reader.head()?.number;
        let asked = self.last.unwrap_or(head);
        ensure!(
            asked <= head,
            "--last {asked} is beyond the head, block {head}"
        );
        ensure!(
            self.first <= asked || self.last.is_none(),
            "--first {} comes after --last {asked}",
            self.first
        );
        let verifier = verifier(&chain);
        let last = match &verifier {
            Some(_) => provable(&reader, asked, head)?,
            None => asked,
        };

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
        let mut unproven = 0;
        for number in blocks.clone() {
            let Some(block) = reader.block(number)? else {
                bail!("block {number} is missing from the database");
            };
            encoded.clear();
            block.into_block().encode(&mut encoded);
            unproven += 1;
            if let Some(verifier) = &verifier
                && (unproven >= CERTIFICATE_INTERVAL
                    || number == last
                    || verifier.ends_epoch(number))
                && let Some((_, certificate)) = reader.certificate(number)?
            {
                certificate.as_slice().encode(&mut encoded);
                unproven = 0;
            }
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
        if last < asked {
            println!(
                "the blocks after {last} have no certificate here yet and are left out; they get \
                 one as soon as the node runs"
            );
        }
        Ok(())
    }
}

/// The number of the last block that a file can prove final if it is asked for block `asked`.
fn provable(reader: &Reader, asked: u64, head: u64) -> eyre::Result<u64> {
    if let Some((number, ..)) = reader.certificate_from(asked)?
        && number <= head
    {
        return Ok(number);
    }
    let before = reader.certificate_to(asked)?;
    Ok(before.map_or(0, |(number, ..)| number))
}

/// What checks certificates; `None` on a chain without a consortium, where the seal of the one
/// signer is all that proves a block.
fn verifier(chain: &Chain) -> Option<Verifier> {
    chain.spec().consortium()?;
    Some(Verifier::new(chain.clone()))
}

impl Import {
    pub(super) fn run(self) -> eyre::Result<()> {
        let loaded = self.chain.load()?;
        let storage = open_storage(&self.chain.datadir, &loaded, &self.database.config())?;
        let chain = Chain::open(storage, loaded.spec)?;

        let file = File::open(&self.file)
            .wrap_err_with(|| format!("cannot open the chain file {}", self.file.display()))?;
        let bar = progress::bar(file.metadata()?.len(), "importing", "bytes");
        let mut file = ChainFile::new(BufReader::new(file));
        let mut counts = Counts::default();
        let read = self.import_all(&chain, &mut file, &mut counts, &bar);
        // What was executed before something went wrong is good: its segment is proven.
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

    /// Takes in segment after segment.
    fn import_all(
        &self,
        chain: &Chain,
        file: &mut ChainFile<impl BufRead + Seek>,
        counts: &mut Counts,
        bar: &ProgressBar,
    ) -> eyre::Result<()> {
        let verifier = verifier(chain);
        let unproven = match verifier {
            Some(_) => usize::MAX,
            None => BATCH,
        };
        while let Some(segment) = self.read(counts, || file.next_segment(unproven))? {
            let (Some(&(first, _)), Some(&(number, hash))) =
                (segment.blocks.first(), segment.blocks.last())
            else {
                break;
            };
            if chain.is_known(&hash)? {
                counts.known += segment.blocks.len();
                bar.set_position(file.position());
                continue;
            }
            if let Some(verifier) = &verifier {
                let Some(certificate) = &segment.certificate else {
                    bail!(
                        "blocks {first} to {number} of {} have no certificate after them: expected \
                         one that proves them final; was the file cut?",
                        self.file.display()
                    );
                };
                verifier
                    .verify(number, hash, certificate)
                    .wrap_err_with(|| {
                        format!(
                            "blocks {first} to {number} of {} are not proven final",
                            self.file.display()
                        )
                    })?;
            }
            self.read(counts, || file.rewind(&segment))?;
            for (index, &(number, hash)) in segment.blocks.iter().enumerate() {
                let block = self.read(counts, || file.next_block())?;
                let block = block.map(SealedBlock::seal_slow);
                let Some(block) = block.filter(|block| block.hash() == hash) else {
                    bail!("{} changed while it was read", self.file.display());
                };
                bar.set_position(file.position());
                if chain.is_known(&hash)? {
                    counts.known += 1;
                    continue;
                }
                chain.execute(block, &|_| None).wrap_err_with(|| {
                    format!("block {number} of {} was refused", self.file.display())
                })?;
                chain.set_pending(hash);
                counts.imported += 1;
                if (index + 1).is_multiple_of(BATCH) {
                    chain.finalize(hash, &|_| Ok(()))?;
                }
            }
            chain.finalize(hash, &|writer| match &segment.certificate {
                Some(certificate) => writer.put_certificate(number, hash, certificate),
                None => Ok(()),
            })?;
        }
        Ok(())
    }

    /// Reads from the file, and says of an error where.
    fn read<T>(
        &self,
        counts: &Counts,
        read: impl FnOnce() -> Result<T, ChainFileError>,
    ) -> eyre::Result<T> {
        read().wrap_err_with(|| {
            let passed = counts.imported + counts.known;
            format!("after {passed} blocks of {}", self.file.display())
        })
    }
}

/// What became of the blocks of a file.
#[derive(Default)]
struct Counts {
    imported: usize,
    known: usize,
}
