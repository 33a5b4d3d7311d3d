//! Writes what a meter oracle daemon needs to read the neighbourhood's meters.

use crate::run::Ready;
use alloy::signers::{
    k256::elliptic_curve::rand_core::OsRng,
    local::{LocalSignerError, PrivateKeySigner},
};
use std::{
    fs,
    io::Write,
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

/// Writes a keystore that only its owner may read, in place of an older one if there is one.
fn keystore(folder: &Path, name: &str, key: &PrivateKeySigner) -> Result<(), MeterdError> {
    let path = folder.join(name);
    let io = |error| MeterdError::Write {
        path: path.clone(),
        error,
    };
    // Written beside its place and renamed, so that a keystore is never half of one.
    let scratch = tempfile::tempdir_in(folder).map_err(io)?;
    PrivateKeySigner::encrypt_keystore(
        scratch.path(),
        &mut OsRng,
        key.to_bytes(),
        PASSWORD,
        Some(name),
    )
    .map_err(|error| MeterdError::Keystore {
        path: path.clone(),
        error,
    })?;
    let encrypted = fs::read(scratch.path().join(name)).map_err(io)?;
    // A temporary file is its owner's alone, and stays so when it is renamed.
    let mut written = tempfile::NamedTempFile::new_in(folder).map_err(io)?;
    written.write_all(&encrypted).map_err(io)?;
    written.as_file().sync_all().map_err(io)?;
    written.persist(&path).map_err(|failed| io(failed.error))?;
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_keystore_is_its_owners_alone_and_replaces_the_older_one() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("M001.json");
        fs::write(&path, "old").expect("written");
        let key = PrivateKeySigner::random();
        keystore(dir.path(), "M001.json", &key).expect("written");
        let mode = fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{mode:o}");
        assert_eq!(
            PrivateKeySigner::decrypt_keystore(&path, PASSWORD)
                .expect("decrypts")
                .address(),
            key.address()
        );
        assert_eq!(fs::read_dir(dir.path()).expect("read").count(), 1);
    }
}
