//! Reading the file of denied keys.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use commonware_cryptography::ed25519::PublicKey;

use crate::key::{self, KeyError};

/// Most bytes of the file.
pub const MAX_BYTES: usize = 1024 * 1024;
/// Most keys in the file.
pub const MAX_KEYS: usize = 4096;

/// Why the file of denied keys is not followed.
#[derive(Debug, thiserror::Error)]
pub enum DenyError {
    /// The file cannot be read.
    #[error("cannot read the file of denied keys {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is too long.
    #[error("the file of denied keys {} is longer than {limit} bytes", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// Most bytes.
        limit: usize,
    },
    /// There are too many keys.
    #[error("the file of denied keys {} has more than {limit} keys", path.display())]
    TooMany {
        /// The file.
        path: PathBuf,
        /// Most keys.
        limit: usize,
    },
    /// A line is no key.
    #[error("line {line} of the file of denied keys {}: {source}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The number of the line, from 1 on.
        line: usize,
        /// What is wrong with it.
        source: KeyError,
    },
}

/// The content of the file. A file that does not exist denies nobody.
///
/// # Errors
/// It cannot be read, or is too long.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, DenyError> {
    let failed = |source| DenyError::Read {
        path: path.to_owned(),
        source,
    };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut content = Vec::new();
    file.take(MAX_BYTES as u64 + 1)
        .read_to_end(&mut content)
        .map_err(failed)?;
    if content.len() > MAX_BYTES {
        return Err(DenyError::TooLong {
            path: path.to_owned(),
            limit: MAX_BYTES,
        });
    }
    Ok(content)
}

/// The keys, one a line. What follows a `#` is a note.
///
/// # Errors
/// A line is no key, or there are too many of them.
pub(super) fn parse(path: &Path, content: &[u8]) -> Result<BTreeSet<PublicKey>, DenyError> {
    let mut keys = BTreeSet::new();
    for (index, line) in String::from_utf8_lossy(content).lines().enumerate() {
        let text = line.split('#').next().unwrap_or_default().trim();
        if text.is_empty() {
            continue;
        }
        let key = key::parse(text).map_err(|source| DenyError::Line {
            path: path.to_owned(),
            line: index + 1,
            source,
        })?;
        keys.insert(key);
        if keys.len() > MAX_KEYS {
            return Err(DenyError::TooMany {
                path: path.to_owned(),
                limit: MAX_KEYS,
            });
        }
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use commonware_cryptography::{Signer as _, ed25519::PrivateKey};
    use proptest::prelude::*;

    use super::*;

    fn parsed(content: &str) -> Result<BTreeSet<PublicKey>, String> {
        parse(Path::new("denied"), content.as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn keys_stand_one_a_line_with_notes() {
        let keys: Vec<_> = (0..3)
            .map(|seed| PrivateKey::from_seed(seed).public_key())
            .collect();
        let text = format!(
            "# out since Monday\n\n{}\n  0x{}  # lost its disk\r\n{}",
            keys[0], keys[1], keys[2]
        );
        assert_eq!(parsed(&text), Ok(keys.into_iter().collect()));
        assert_eq!(parsed(""), Ok(BTreeSet::new()));
    }

    #[test]
    fn a_bad_line_is_named_with_its_number() {
        let key = PrivateKey::from_seed(1).public_key();
        assert_eq!(
            parsed(&format!("{key}\n\n{key} node-3\n")),
            Err(format!(
                "line 3 of the file of denied keys denied: \"{key} node-3\" is no node key: \
                 expected 64 hexadecimal digits, with or without 0x before them"
            ))
        );
    }

    #[test]
    fn too_many_keys_are_refused() {
        let text: String = (0..=MAX_KEYS as u64)
            .map(|seed| format!("{}\n", PrivateKey::from_seed(seed).public_key()))
            .collect();
        assert_eq!(
            parsed(&text),
            Err("the file of denied keys denied has more than 4096 keys".to_owned())
        );
    }

    #[test]
    fn no_file_denies_nobody_and_a_long_one_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("denied");
        assert_eq!(read(&path).expect("nothing"), Vec::<u8>::new());
        std::fs::write(&path, vec![b'#'; MAX_BYTES + 1]).expect("written");
        assert!(matches!(read(&path), Err(DenyError::TooLong { .. })));
        assert!(matches!(
            read(directory.path()),
            Err(DenyError::Read { .. })
        ));
    }

    proptest! {
        #[test]
        fn any_content_is_keys_or_an_error(content in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(Path::new("denied"), &content);
        }
    }
}
