//! Encrypted keys (Web3 Secret Storage).

use alloy::signers::{
    k256::elliptic_curve::rand_core::OsRng,
    local::{LocalSignerError, PrivateKeySigner},
};
use rayon::prelude::*;
use serde::Deserialize;
use std::{
    fs::{self, File},
    io::{BufRead, BufReader, ErrorKind, Read, Write},
    path::{Path, PathBuf},
};

/// The greatest keystore file that is read, and the most that is read of a password file.
const MAX_FILE_BYTES: u64 = 64 * 1024;
/// The most memory that deriving a key may take: scrypt's n·r·128 bytes.
const MAX_SCRYPT_BYTES: u64 = 1 << 30;
/// The most work that deriving a key may take: scrypt's p, and PBKDF2's rounds.
const MAX_SCRYPT_P: u64 = 16;
const MAX_PBKDF2_ROUNDS: u64 = 10_000_000;

/// Why a key cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeystoreError {
    /// The file cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The file is not a keystore.
    #[error("{} is not a keystore (Web3 Secret Storage, version 3): {reason}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The password is wrong.
    #[error("wrong password for {}", .0.display())]
    Password(PathBuf),
    /// There is a key of that name.
    #[error("{} exists; it is left as it is", .0.display())]
    Exists(PathBuf),
    /// The file cannot be written.
    #[error("cannot write {}: {reason}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

#[derive(Deserialize)]
struct Keystore {
    version: u64,
    #[serde(alias = "Crypto")]
    crypto: Crypto,
}

#[derive(Deserialize)]
struct Crypto {
    cipher: String,
    cipherparams: CipherParams,
    ciphertext: String,
    kdfparams: KdfParams,
}

#[derive(Deserialize)]
struct CipherParams {
    iv: String,
}

#[derive(Deserialize)]
struct KdfParams {
    dklen: u64,
    #[serde(default)]
    n: Option<u64>,
    #[serde(default)]
    r: Option<u64>,
    #[serde(default)]
    p: Option<u64>,
    #[serde(default)]
    c: Option<u64>,
}

impl Keystore {
    /// The parameters that the decrypting library takes on trust.
    fn check(&self) -> Result<(), String> {
        let Self { version, crypto } = self;
        let kdf = &crypto.kdfparams;
        if *version != 3 {
            return Err(format!("version must be 3, got {version}"));
        }
        if crypto.cipher != "aes-128-ctr" {
            return Err(format!(
                "cipher must be aes-128-ctr, got {:?}",
                crypto.cipher
            ));
        }
        if crypto.cipherparams.iv.len() != 32 {
            return Err("cipherparams.iv must be 16 bytes".to_owned());
        }
        if crypto.ciphertext.len() != 64 {
            return Err("ciphertext must be 32 bytes".to_owned());
        }
        if kdf.dklen != 32 {
            return Err(format!("kdfparams.dklen must be 32, got {}", kdf.dklen));
        }
        match (kdf.n, kdf.r, kdf.p, kdf.c) {
            (Some(n), Some(r), Some(p), None) => {
                let bytes = n
                    .checked_mul(r)
                    .and_then(|product| product.checked_mul(128));
                if !n.is_power_of_two() || n < 2 || r == 0 || p == 0 {
                    return Err(
                        "scrypt's n must be a power of two, its r and p not zero".to_owned()
                    );
                }
                if p > MAX_SCRYPT_P || bytes.is_none_or(|bytes| bytes > MAX_SCRYPT_BYTES) {
                    return Err(
                        "scrypt's parameters ask for too much: n·r·128 at most 1 GiB, p at most 16"
                            .to_owned(),
                    );
                }
            }
            (None, None, None, Some(c)) if (1..=MAX_PBKDF2_ROUNDS).contains(&c) => {}
            _ => {
                return Err(
                    "kdfparams must be those of scrypt, or of PBKDF2 with 1 to 10,000,000 rounds"
                        .to_owned(),
                );
            }
        }
        Ok(())
    }
}

/// Reads a password: the first line of a file.
///
/// # Errors
///
/// The file cannot be read.
pub fn password(path: &Path) -> Result<String, KeystoreError> {
    let first_line = || {
        let mut line = String::new();
        BufReader::new(File::open(path)?.take(MAX_FILE_BYTES)).read_line(&mut line)?;
        Ok(line.trim_end_matches(['\r', '\n']).to_owned())
    };
    first_line().map_err(|error| KeystoreError::Read {
        path: path.to_owned(),
        error,
    })
}

/// Decrypts a key.
///
/// # Errors
///
/// The file cannot be read, is not a keystore, or has another password.
pub fn load(path: &Path, password: &str) -> Result<PrivateKeySigner, KeystoreError> {
    let read = |error| KeystoreError::Read {
        path: path.to_owned(),
        error,
    };
    let format = |reason: String| KeystoreError::Format {
        path: path.to_owned(),
        reason,
    };
    let length = fs::metadata(path).map_err(read)?.len();
    if length > MAX_FILE_BYTES {
        return Err(format(format!(
            "it has {length} bytes, a keystore has fewer than {MAX_FILE_BYTES}"
        )));
    }
    let text = fs::read_to_string(path).map_err(read)?;
    let keystore: Keystore =
        serde_json::from_str(&text).map_err(|error| format(error.to_string()))?;
    keystore.check().map_err(format)?;
    PrivateKeySigner::decrypt_keystore(path, password).map_err(|error| match error {
        LocalSignerError::EthKeystoreError(error) if error.to_string().contains("Mac") => {
            KeystoreError::Password(path.to_owned())
        }
        error => format(error.to_string()),
    })
}

/// Decrypts many keys on all cores: each takes a while by design.
///
/// # Errors
///
/// As [`load`], for the first key that fails.
pub fn load_all(paths: &[(PathBuf, String)]) -> Result<Vec<PrivateKeySigner>, KeystoreError> {
    paths
        .par_iter()
        .map(|(path, password)| load(path, password))
        .collect()
}

/// Makes a new key and writes it, encrypted, to `directory/name.json`.
///
/// # Errors
///
/// The file exists or cannot be written.
pub fn create(
    directory: &Path,
    name: &str,
    password: &str,
) -> Result<PrivateKeySigner, KeystoreError> {
    save(
        directory,
        name,
        password,
        &PrivateKeySigner::random_with(&mut OsRng),
    )
}

/// Writes a key, encrypted, to `directory/name.json`, which only its owner may read.
///
/// # Errors
///
/// The file exists or cannot be written.
pub fn save(
    directory: &Path,
    name: &str,
    password: &str,
    key: &PrivateKeySigner,
) -> Result<PrivateKeySigner, KeystoreError> {
    let file = format!("{name}.json");
    let path = directory.join(&file);
    let write = |reason: String| KeystoreError::Write {
        path: path.clone(),
        reason,
    };
    let io = |error: std::io::Error| write(error.to_string());
    fs::create_dir_all(directory).map_err(io)?;
    if path.exists() {
        return Err(KeystoreError::Exists(path));
    }
    // Written beside its place and renamed, so that a keystore is either whole or absent.
    let scratch = tempfile::tempdir_in(directory).map_err(io)?;
    PrivateKeySigner::encrypt_keystore(
        scratch.path(),
        &mut OsRng,
        key.to_bytes(),
        password,
        Some(&file),
    )
    .map_err(|error| write(error.to_string()))?;
    let encrypted = fs::read(scratch.path().join(&file)).map_err(io)?;
    // A temporary file is its owner's alone, and stays so when it is renamed.
    let mut written = tempfile::NamedTempFile::new_in(directory).map_err(io)?;
    written.write_all(&encrypted).map_err(io)?;
    written.as_file().sync_all().map_err(io)?;
    match written.persist_noclobber(&path) {
        Ok(_) => Ok(key.clone()),
        Err(failed) if failed.error.kind() == ErrorKind::AlreadyExists => {
            Err(KeystoreError::Exists(path))
        }
        Err(failed) => Err(io(failed.error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_comes_back_with_its_password_only() {
        let dir = tempfile::tempdir().expect("dir");
        let key = create(dir.path(), "M001", "secret").expect("created");
        let path = dir.path().join("M001.json");
        assert_eq!(
            load(&path, "secret").expect("loads").address(),
            key.address()
        );
        let error = load(&path, "wrong").expect_err("refused");
        assert!(
            matches!(&error, KeystoreError::Password(at) if *at == path),
            "{error}"
        );
        assert!(matches!(
            create(dir.path(), "M001", "secret"),
            Err(KeystoreError::Exists(_))
        ));
        let missing = dir.path().join("M002.json");
        assert!(matches!(
            load(&missing, "secret"),
            Err(KeystoreError::Read { .. })
        ));
    }

    #[cfg(unix)]
    #[test]
    fn a_keystore_is_its_owners_alone_and_nothing_else_is_left() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().expect("dir");
        create(dir.path(), "M001", "secret").expect("created");
        let path = dir.path().join("M001.json");
        let mode = fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{mode:o}");
        let files = fs::read_dir(dir.path())
            .expect("read")
            .map(|entry| entry.expect("entry").path())
            .collect::<Vec<_>>();
        assert_eq!(files, [path]);
    }

    #[test]
    fn a_password_is_the_first_line_of_its_file() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("password");
        for (text, expected) in [
            ("secret", "secret"),
            ("secret\n", "secret"),
            ("secret\r\nsecond\n", "secret"),
            (" two words \n\n", " two words "),
            ("", ""),
        ] {
            fs::write(&path, text).expect("written");
            assert_eq!(password(&path).expect("read"), expected, "{text:?}");
        }
        let missing = dir.path().join("missing");
        assert_eq!(
            password(&missing).expect_err("missing").to_string(),
            format!(
                "cannot read {}: No such file or directory (os error 2)",
                missing.display()
            )
        );
    }

    #[test]
    fn a_file_that_asks_for_too_much_or_too_little_is_no_keystore() {
        let dir = tempfile::tempdir().expect("dir");
        create(dir.path(), "good", "secret").expect("created");
        let good = std::fs::read_to_string(dir.path().join("good.json")).expect("read");
        let path = dir.path().join("bad.json");
        for (from, to, reason) in [
            ("\"version\":3", "\"version\":1", "version must be 3, got 1"),
            ("\"n\":8192", "\"n\":1099511627776", "n·r·128 at most 1 GiB"),
            ("\"n\":8192", "\"n\":8191", "power of two"),
            (
                "\"dklen\":32",
                "\"dklen\":8",
                "kdfparams.dklen must be 32, got 8",
            ),
            ("\"iv\":\"", "\"iv\":\"00", "16 bytes"),
            ("aes-128-ctr", "none", "cipher must be aes-128-ctr"),
        ] {
            assert!(good.contains(from), "{good}");
            std::fs::write(&path, good.replace(from, to)).expect("written");
            let error = load(&path, "secret").expect_err("refused").to_string();
            assert!(error.contains(reason), "{error}");
        }
        std::fs::write(&path, "{").expect("written");
        assert!(matches!(
            load(&path, "secret"),
            Err(KeystoreError::Format { .. })
        ));
    }
}
