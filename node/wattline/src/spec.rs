//! Which chain a command is about: a genesis file, a built-in one, or the one in the data
//! directory.

use std::{fs, path::Path, sync::Arc};

use eyre::{WrapErr, bail};
use wattline_chainspec::ChainSpec;

/// Where a data directory keeps the genesis file it was made from.
pub(crate) const GENESIS_FILE: &str = "genesis.json";

/// One signer, everyone may transact; for `wattline dev`.
pub(crate) const DEV: &str = include_str!("../../../genesis/dev.json");
/// Four signers, permissioned.
pub(crate) const DEVNET: &str = include_str!("../../../genesis/devnet.json");

/// A chain specification with the genesis text it was read from.
#[derive(Clone, Debug)]
pub(crate) struct LoadedSpec {
    pub(crate) spec: Arc<ChainSpec>,
    text: String,
}

impl LoadedSpec {
    /// Loads `chain` (`dev`, `devnet` or a genesis file), else the genesis file of `datadir`.
    ///
    /// # Errors
    ///
    /// When there is neither, or the file is not a genesis file of this chain.
    pub(crate) fn load(chain: Option<&str>, datadir: &Path) -> eyre::Result<Self> {
        match chain {
            Some("dev") => Self::parse(DEV.to_owned(), "the built-in `dev` genesis"),
            Some("devnet") => Self::parse(DEVNET.to_owned(), "the built-in `devnet` genesis"),
            Some(path) => Self::read(Path::new(path)),
            None => {
                let path = datadir.join(GENESIS_FILE);
                if !path.exists() {
                    bail!(
                        "{} holds no chain yet; say which one with --chain FILE (or --chain dev)",
                        datadir.display()
                    );
                }
                Self::read(&path)
            }
        }
    }

    fn read(path: &Path) -> eyre::Result<Self> {
        let text = fs::read_to_string(path)
            .wrap_err_with(|| format!("cannot read the genesis file {}", path.display()))?;
        Self::parse(text, &format!("the genesis file {}", path.display()))
    }

    fn parse(text: String, name: &str) -> eyre::Result<Self> {
        let spec = ChainSpec::from_json(&text).wrap_err_with(|| format!("{name} is not valid"))?;
        Ok(Self {
            spec: Arc::new(spec),
            text,
        })
    }

    /// Keeps the genesis file in `datadir`, so that later commands need no `--chain`. Called only
    /// once the database there is known to be of this genesis.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub(crate) fn keep_in(&self, datadir: &Path) -> eyre::Result<()> {
        let path = datadir.join(GENESIS_FILE);
        if path.exists() {
            return Ok(());
        }
        let file = tempfile::NamedTempFile::new_in(datadir)?;
        fs::write(file.path(), &self.text)?;
        file.persist(&path)
            .wrap_err_with(|| format!("cannot write {}", path.display()))?;
        Ok(())
    }
}
