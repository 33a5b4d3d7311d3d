//! Keys on disk: those of accounts encrypted, that of a node ([`node_secret`]) not.
//!
//! Encrypted keys are Web3 Secret Storage, version 3, as every Ethereum wallet reads it.
//!
//! A key is a file that its owner alone may read, named by the caller ([`save`], [`replace`]) or
//! as geth names it ([`store`]). The key's address also stands in the file, so that wallets and
//! [`list`] know it locked. [`load`] decrypts whatever file it is given, whoever wrote it, and so
//! bounds first what deriving the key may cost.

mod format;
mod node;

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use alloy_primitives::Address;
use alloy_signer_local::PrivateKeySigner;
use rand_core_06::OsRng;
use serde_json::Value;
use tempfile::NamedTempFile;

use self::format::Refusal;
pub use self::node::{NodeKeyError, NodeSecret, node_secret};

/// The greatest keystore file that is read.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// Why a key cannot be had or kept.
#[derive(Debug, thiserror::Error)]
pub enum KeystoreError {
    /// The file cannot be read.
    #[error("cannot read the keystore {}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The file is not a keystore.
    #[error("{} is not a keystore: {reason}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Deriving the key would take too much memory or time.
    #[error("the keystore {} asks for too much work: {reason}", path.display())]
    Cost {
        /// The file.
        path: PathBuf,
        /// What is too much.
        reason: String,
    },
    /// The password is wrong.
    #[error("wrong password for the keystore {}", .0.display())]
    Password(PathBuf),
    /// The file is damaged.
    #[error("the keystore {} cannot be decrypted: {reason}", path.display())]
    Decrypt {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// There is a file of that name.
    #[error("{} exists; it is left as it is", .0.display())]
    Exists(PathBuf),
    /// The directory has that key.
    #[error("the key of {address} is already in {}", path.display())]
    Known {
        /// The key's address.
        address: Address,
        /// Its file.
        path: PathBuf,
    },
    /// The directory of the keys cannot be read or made.
    #[error("cannot use the key directory {}: {error}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The file cannot be written.
    #[error("cannot write the keystore {}: {reason}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// Decrypts the key in a file.
///
/// # Errors
///
/// The file cannot be read, is not a keystore, asks for too much work, or has another password.
pub fn load(path: &Path, password: &str) -> Result<PrivateKeySigner, KeystoreError> {
    let path = path.to_owned();
    let text = match read(&path) {
        Ok(text) => text,
        Err(error) => return Err(KeystoreError::Read { path, error }),
    };
    match format::check(&text) {
        Ok(()) => {}
        Err(Refusal::Format(reason)) => return Err(KeystoreError::Format { path, reason }),
        Err(Refusal::Cost(reason)) => return Err(KeystoreError::Cost { path, reason }),
    }
    PrivateKeySigner::decrypt_keystore(&path, password).map_err(|error| {
        let reason = error.to_string();
        if reason.contains("Mac Mismatch") {
            KeystoreError::Password(path)
        } else {
            KeystoreError::Decrypt { path, reason }
        }
    })
}

/// Encrypts a key into the new file `directory/name.json` and returns its path.
///
/// # Errors
///
/// The file exists or cannot be written.
pub fn save(
    directory: &Path,
    name: &str,
    password: &str,
    key: &PrivateKeySigner,
) -> Result<PathBuf, KeystoreError> {
    let path = directory.join(format!("{name}.json"));
    if path.exists() {
        return Err(KeystoreError::Exists(path));
    }
    match encrypt(directory, &path, password, key)?.persist_noclobber(&path) {
        Ok(_) => Ok(path),
        Err(failed) if failed.error.kind() == io::ErrorKind::AlreadyExists => {
            Err(KeystoreError::Exists(path))
        }
        Err(failed) => Err(cannot_write(&path, &failed.error)),
    }
}

/// As [`save`], but in place of an older file if there is one.
///
/// # Errors
///
/// The file cannot be written.
pub fn replace(
    directory: &Path,
    name: &str,
    password: &str,
    key: &PrivateKeySigner,
) -> Result<PathBuf, KeystoreError> {
    let path = directory.join(format!("{name}.json"));
    encrypt(directory, &path, password, key)?
        .persist(&path)
        .map_err(|failed| cannot_write(&path, &failed.error))?;
    Ok(path)
}

/// Encrypts a key into a new file in `directory` and returns its path. The name has the time and
/// the address, as geth's do.
///
/// # Errors
///
/// The directory has the key already, or cannot be read or written.
pub fn store(
    directory: &Path,
    password: &str,
    key: &PrivateKeySigner,
) -> Result<PathBuf, KeystoreError> {
    let address = key.address();
    if let Some((_, path)) = list(directory)?
        .into_iter()
        .find(|(known, _)| *known == address)
    {
        return Err(KeystoreError::Known { address, path });
    }
    let time = jiff::Timestamp::now().strftime("%Y-%m-%dT%H-%M-%SZ");
    save(
        directory,
        &format!("UTC--{time}--{address:x}"),
        password,
        key,
    )
}

/// The keys in `directory`: address and file, in order of their names. Other files are passed
/// over.
///
/// # Errors
///
/// When the directory cannot be read; a directory that does not exist holds no keys.
pub fn list(directory: &Path) -> Result<Vec<(Address, PathBuf)>, KeystoreError> {
    let cannot = |error| KeystoreError::Directory {
        path: directory.to_owned(),
        error,
    };
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(cannot(error)),
    };
    let mut keys = Vec::new();
    for entry in entries {
        let path = entry.map_err(cannot)?.path();
        if let Some(address) = read(&path).ok().and_then(|text| format::address(&text)) {
            keys.push((address, path));
        }
    }
    keys.sort_by(|a, b| a.1.cmp(&b.1));
    Ok(keys)
}

/// The text of a file of a keystore's size.
fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let length = File::open(path)?
        .take(MAX_FILE_BYTES + 1)
        .read_to_string(&mut text)?;
    if length as u64 > MAX_FILE_BYTES {
        return Err(io::Error::other(format!(
            "it has more than {MAX_FILE_BYTES} bytes"
        )));
    }
    Ok(text)
}

/// The encrypted key in a temporary file in `directory`, to be renamed to `path`, so that a
/// keystore is either whole or absent.
fn encrypt(
    directory: &Path,
    path: &Path,
    password: &str,
    key: &PrivateKeySigner,
) -> Result<NamedTempFile, KeystoreError> {
    fs::create_dir_all(directory).map_err(|error| KeystoreError::Directory {
        path: directory.to_owned(),
        error,
    })?;
    let written = || -> Result<NamedTempFile, Box<dyn std::error::Error>> {
        // The library writes to a file of its own, readable by others: in a directory that is not.
        let scratch = tempfile::tempdir_in(directory)?;
        PrivateKeySigner::encrypt_keystore(
            scratch.path(),
            &mut OsRng,
            key.to_bytes(),
            password,
            Some("key"),
        )?;
        let mut keystore: Value = serde_json::from_slice(&fs::read(scratch.path().join("key"))?)?;
        keystore["address"] = Value::String(format!("{:x}", key.address()));
        // A temporary file is its owner's alone, and stays so when it is renamed.
        let mut file = NamedTempFile::new_in(directory)?;
        serde_json::to_writer(&mut file, &keystore)?;
        file.write_all(b"\n")?;
        file.as_file().sync_all()?;
        Ok(file)
    };
    written().map_err(|error| cannot_write(path, &error))
}

fn cannot_write(path: &Path, reason: &impl ToString) -> KeystoreError {
    KeystoreError::Write {
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}

#[cfg(test)]
mod tests;
