//! The key of a node: an ed25519 seed in a file of its own, not encrypted, as the node has to
//! start without anybody there. Its owner alone may read it.

use std::{
    fmt,
    fs::{self, File},
    io::{self, Read, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use alloy_primitives::hex;
use rand_core_06::{OsRng, RngCore};
use tempfile::NamedTempFile;

/// Hexadecimal digits in the file; the end of the line follows.
const DIGITS: usize = 64;

/// The secret from which a node's ed25519 key follows (RFC 8032).
#[derive(Clone, PartialEq, Eq)]
pub struct NodeSecret([u8; 32]);

impl NodeSecret {
    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for NodeSecret {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeSecret").finish_non_exhaustive()
    }
}

/// Why a node has no key.
#[derive(Debug, thiserror::Error)]
pub enum NodeKeyError {
    /// The file cannot be read.
    #[error("cannot read the node key {}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The file holds something else.
    #[error(
        "the node key {} is damaged: expected 64 hexadecimal digits and nothing else; restore the \
         file, or remove it to start with a new key, which the Consortium contract must then be \
         told",
        .0.display()
    )]
    Damaged(PathBuf),
    /// Others may read the file.
    #[error(
        "the node key {} has mode {mode:o}: expected 600, nobody but its owner may read it",
        path.display()
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file cannot be made.
    #[error("cannot write the node key {}: {error}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// The secret in the file `path`. If there is no such file a new secret is made and kept there.
///
/// # Errors
///
/// A [`NodeKeyError`] if the file is damaged, can be read by others, or can neither be read nor
/// made. A damaged file is left as it is: a new key would be another node.
pub fn node_secret(path: &Path) -> Result<NodeSecret, NodeKeyError> {
    match File::open(path) {
        Ok(file) => read(path, &file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => create(path),
        Err(error) => Err(NodeKeyError::Read {
            path: path.to_owned(),
            error,
        }),
    }
}

fn read(path: &Path, file: &File) -> Result<NodeSecret, NodeKeyError> {
    let unreadable = |error| NodeKeyError::Read {
        path: path.to_owned(),
        error,
    };
    check_mode(path, file)?;
    let mut bytes = Vec::new();
    file.take(DIGITS as u64 + 2)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    let digits = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    let mut secret = [0; 32];
    if digits.len() == DIGITS && hex::decode_to_slice(digits, &mut secret).is_ok() {
        Ok(NodeSecret(secret))
    } else {
        Err(NodeKeyError::Damaged(path.to_owned()))
    }
}

/// Nobody but the file's owner may read it.
fn check_mode(path: &Path, file: &File) -> Result<(), NodeKeyError> {
    let metadata = file.metadata().map_err(|error| NodeKeyError::Read {
        path: path.to_owned(),
        error,
    })?;
    match metadata.permissions().mode() & 0o777 {
        mode if mode & 0o077 == 0 => Ok(()),
        mode => Err(NodeKeyError::Exposed {
            path: path.to_owned(),
            mode,
        }),
    }
}

/// A new secret, written whole or not at all.
fn create(path: &Path) -> Result<NodeSecret, NodeKeyError> {
    let mut secret = [0; 32];
    OsRng.fill_bytes(&mut secret);
    let written = || -> io::Result<()> {
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        fs::create_dir_all(directory)?;
        // A temporary file is its owner's alone, and stays so when it is renamed.
        let mut file = NamedTempFile::new_in(directory)?;
        writeln!(file, "{}", hex::encode(secret))?;
        file.as_file().sync_all()?;
        // Not in place of a key that another start of the node has made meanwhile.
        file.persist_noclobber(path)
            .map_err(|failed| failed.error)?;
        // The name must outlast a power cut as the file does: the key votes from now on.
        File::open(directory)?.sync_all()
    };
    match written() {
        Ok(()) => Ok(NodeSecret(secret)),
        Err(error) => Err(NodeKeyError::Write {
            path: path.to_owned(),
            error,
        }),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn write(path: &Path, text: &str) {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    #[test]
    fn it_is_made_once_and_is_its_owners_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("node/key");
        let secret = node_secret(&path).unwrap();
        assert_ne!(secret.as_bytes(), &[0; 32]);
        assert_eq!(node_secret(&path).unwrap(), secret);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{mode:o}");
        let files = fs::read_dir(path.parent().unwrap()).unwrap();
        assert_eq!(files.count(), 1);

        let other = node_secret(&dir.path().join("other")).unwrap();
        assert_ne!(other, secret);
        assert_eq!(format!("{secret:?}"), "NodeSecret { .. }");
    }

    #[test]
    fn the_file_holds_the_seed_in_hexadecimal() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        for end in ["", "\n"] {
            write(&path, &format!("{}{end}", "0a".repeat(32)));
            assert_eq!(node_secret(&path).unwrap().as_bytes(), &[10; 32]);
        }
    }

    #[test]
    fn a_damaged_file_is_left_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let digits = "0a".repeat(32);
        for text in [
            "",
            "\n",
            &digits[..63],
            &digits[..62],
            &format!("{digits}0a"),
            &format!("{digits}\n\n"),
            &format!("{}zz", &digits[..62]),
            &format!("0x{digits}"),
            &format!("0x{digits}\n"),
            &"0".repeat(100_000),
        ] {
            write(&path, text);
            match node_secret(&path) {
                Err(NodeKeyError::Damaged(named)) => assert_eq!(named, path),
                other => panic!("{other:?}"),
            }
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        node_secret(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        match node_secret(&path) {
            Err(NodeKeyError::Exposed { mode, .. }) => assert_eq!(mode, 0o640),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_cannot_be_read_or_made_is_named() {
        let dir = tempfile::tempdir().unwrap();
        // A directory opens, and cannot be read.
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let error = node_secret(dir.path()).unwrap_err();
        assert!(matches!(error, NodeKeyError::Read { .. }), "{error}");
        fs::write(dir.path().join("file"), "").unwrap();
        let below = dir.path().join("file/key");
        match node_secret(&below) {
            Err(NodeKeyError::Read { path, .. } | NodeKeyError::Write { path, .. }) => {
                assert_eq!(path, below);
            }
            other => panic!("{other:?}"),
        }
    }
}
