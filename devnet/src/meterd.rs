//! Writes what a meter oracle daemon needs to read the neighbourhood's meters.

use crate::run::Ready;
use alloy::signers::local::PrivateKeySigner;
use std::{
    fs,
    path::{Path, PathBuf},
};
use wattline_daemon::keystore::{self, KeystoreError};

/// The password of the keystores written here. It protects nothing: the keys follow from public
/// ones.
const PASSWORD: &str = "development";

/// Why the daemon's files cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum MeterdError {
    /// A file.
    #[error("cannot write {}: {error}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A keystore.
    #[error(transparent)]
    Keystore(#[from] KeystoreError),
}

/// Writes `meterd.toml`, the meters' keystores and the submitter's into a folder; returns the
/// configuration's path.
/// `intervals` is the file of interval energies that the daemon replays.
///
/// # Errors
///
/// A file cannot be written.
pub fn write_meterd(
    folder: &Path,
    rpc: &str,
    ready: &Ready,
    intervals: &Path,
    submitter: &PrivateKeySigner,
) -> Result<PathBuf, MeterdError> {
    let keys = folder.join("keys");
    for household in ready.households.iter() {
        keystore::replace(&keys, &household.name, PASSWORD, &household.meter_key)?;
    }
    keystore::replace(folder, "submitter", PASSWORD, submitter)?;
    write(folder, "password", &format!("{PASSWORD}\n"))?;
    let config = format!(
        "rpc = {rpc:?}\nchain_id = {chain_id}\noutbox = \"outbox.redb\"\nlisten = \"127.0.0.1:9101\"\n\n\
         [submitter]\nkeystore = \"submitter.json\"\npassword_file = \"password\"\n\n\
         [meters]\nkeystores = \"keys\"\npassword_file = \"password\"\n\n\
         [source]\nkind = \"csv\"\nfile = {intervals:?}\nfrom = \"{from}\"\ndata_seconds = {data_seconds}\n\
         start = {start}\ninterval_seconds = {interval_seconds}\nintervals = {count}\n",
        chain_id = ready.chain_id,
        from = ready.from,
        data_seconds = ready.data_seconds,
        start = ready.start,
        interval_seconds = ready.interval_seconds,
        count = ready.intervals,
    );
    write(folder, "meterd.toml", &config)
}

fn write(folder: &Path, name: &str, text: &str) -> Result<PathBuf, MeterdError> {
    let path = folder.join(name);
    fs::write(&path, text).map_err(|error| MeterdError::Write {
        path: path.clone(),
        error,
    })?;
    Ok(path)
}
