//! Encrypted keys on disk: Web3 Secret Storage, version 3, as every Ethereum wallet reads it.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use alloy_primitives::Address;
use alloy_signer_local::PrivateKeySigner;
use eyre::{WrapErr, bail, eyre};
use serde_json::Value;

/// Reads the password that unlocks a keystore: the first line of `file`, or typed by the user.
///
/// # Errors
///
/// When the file cannot be read or there is no terminal to ask on.
pub(crate) fn password(file: Option<&Path>, prompt: &str) -> eyre::Result<String> {
    match file {
        Some(path) => {
            let text = fs::read_to_string(path)
                .wrap_err_with(|| format!("cannot read the password file {}", path.display()))?;
            Ok(text.lines().next().unwrap_or_default().to_owned())
        }
        None => rpassword::prompt_password(prompt)
            .wrap_err("cannot ask for the password here; give it with --password-file"),
    }
}

/// Decrypts the key in `path`.
///
/// # Errors
///
/// A file that is not a keystore and a password that does not unlock it are told apart.
pub(crate) fn unlock(path: &Path, password: &str) -> eyre::Result<PrivateKeySigner> {
    let text = fs::read_to_string(path)
        .wrap_err_with(|| format!("cannot read the keystore {}", path.display()))?;
    let value: Value = serde_json::from_str(&text)
        .wrap_err_with(|| format!("{} is not a keystore: it is not JSON", path.display()))?;
    if value.get("crypto").is_none() && value.get("Crypto").is_none() {
        bail!(
            "{} is not a keystore: it has no `crypto` section",
            path.display()
        );
    }
    PrivateKeySigner::decrypt_keystore(path, password).map_err(|error| {
        if error.to_string().contains("Mac Mismatch") {
            eyre!("wrong password for the keystore {}", path.display())
        } else {
            eyre!(
                "the keystore {} cannot be decrypted: {error}",
                path.display()
            )
        }
    })
}

/// Encrypts `key` into a new file in `dir` and returns its path. The name has the time and the
/// address, as geth's do; the address also stands in the file, so that wallets can list it locked.
///
/// # Errors
///
/// When the directory or the file cannot be written.
pub(crate) fn store(dir: &Path, key: &PrivateKeySigner, password: &str) -> eyre::Result<PathBuf> {
    fs::create_dir_all(dir)
        .wrap_err_with(|| format!("cannot create the key directory {}", dir.display()))?;
    let address = format!("{:x}", key.address());
    if let Some((_, path)) = list(dir)?
        .into_iter()
        .find(|(known, _)| *known == key.address())
    {
        bail!(
            "the key of {} is already in {}",
            key.address(),
            path.display()
        );
    }
    let time = jiff::Timestamp::now().strftime("%Y-%m-%dT%H-%M-%SZ");
    let name = format!("UTC--{time}--{address}.json");

    // The encryption is written next to its final place and renamed, so that a key file is
    // either whole or absent.
    let scratch = tempfile::tempdir_in(dir)?;
    PrivateKeySigner::encrypt_keystore(
        scratch.path(),
        &mut rand_core_06::OsRng,
        key.to_bytes(),
        password,
        Some(&name),
    )?;
    let written = scratch.path().join(&name);
    let mut value: Value = serde_json::from_str(&fs::read_to_string(&written)?)?;
    value["address"] = Value::String(address);
    let mut file = tempfile::NamedTempFile::new_in(dir)?; // created readable by its owner alone
    serde_json::to_writer_pretty(&mut file, &value)?;
    file.write_all(b"\n")?;
    file.as_file().sync_all()?;
    let path = dir.join(name);
    file.persist_noclobber(&path)?;
    Ok(path)
}

/// The keys in `dir`: address and file, in order of their names. Other files are passed over.
///
/// # Errors
///
/// When the directory cannot be read; a directory that does not exist holds no keys.
pub(crate) fn list(dir: &Path) -> eyre::Result<Vec<(Address, PathBuf)>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => {
            return Err(error).wrap_err_with(|| format!("cannot read {}", dir.display()));
        }
    };
    let mut keys = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let address = fs::read_to_string(&path)
            .ok()
            .and_then(|text| serde_json::from_str::<Value>(&text).ok())
            .and_then(|value| value.get("address")?.as_str()?.parse().ok());
        if let Some(address) = address {
            keys.push((address, path));
        }
    }
    keys.sort_by(|a, b| a.1.cmp(&b.1));
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_key_is_listed_and_unlocks_with_its_password_alone() {
        let dir = tempfile::tempdir().unwrap();
        let key = PrivateKeySigner::random();
        let path = store(dir.path(), &key, "open sesame").unwrap();

        assert_eq!(
            list(dir.path()).unwrap(),
            vec![(key.address(), path.clone())]
        );
        assert_eq!(
            unlock(&path, "open sesame").unwrap().to_bytes(),
            key.to_bytes()
        );
        assert_eq!(
            unlock(&path, "open barley").unwrap_err().to_string(),
            format!("wrong password for the keystore {}", path.display())
        );
        assert_eq!(
            store(dir.path(), &key, "again").unwrap_err().to_string(),
            format!(
                "the key of {} is already in {}",
                key.address(),
                path.display()
            )
        );
    }

    #[test]
    fn a_file_that_is_no_keystore_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notes.json");
        fs::write(&path, "{}").unwrap();
        assert_eq!(
            unlock(&path, "x").unwrap_err().to_string(),
            format!(
                "{} is not a keystore: it has no `crypto` section",
                path.display()
            )
        );
        assert!(list(dir.path()).unwrap().is_empty());
    }
}
