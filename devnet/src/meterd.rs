//! Writes what a meter oracle daemon needs to read the neighbourhood's meters.

use crate::run::Ready;
use alloy::signers::{
    k256::elliptic_curve::rand_core::OsRng,
    local::{LocalSignerError, PrivateKeySigner},
};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// The password of the keystores written here. It protects nothing: the keys follow from public ones.
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
    #[error("cannot write the keystore {}: {error}", path.display())]
    Keystore {
        /// The file.
        path: PathBuf,
        /// Why.
        error: LocalSignerError,
    },
}

/// Writes `meterd.toml`, the meters' keystores and the submitter's into a folder; returns the configuration's path.
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
    fs::create_dir_all(&keys).map_err(|error| MeterdError::Write {
        path: keys.clone(),
        error,
    })?;
    for household in ready.households.iter() {
        keystore(
            &keys,
            &format!("{}.json", household.name),
            &household.meter_key,
        )?;
    }
    keystore(folder, "submitter.json", submitter)?;
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

fn keystore(folder: &Path, name: &str, key: &PrivateKeySigner) -> Result<(), MeterdError> {
    PrivateKeySigner::encrypt_keystore(folder, &mut OsRng, key.to_bytes(), PASSWORD, Some(name))
        .map_err(|error| MeterdError::Keystore {
            path: folder.join(name),
            error,
        })?;
    Ok(())
}
