//! Passwords of keystores.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

/// The most that is read of a password file.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// Why there is no password.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// The file cannot be read.
    #[error("cannot read the password file {}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// There is no terminal to ask on.
    #[error("cannot ask for the password here; give it with --password-file")]
    Ask(#[source] io::Error),
    /// The same was not typed twice.
    #[error("the passwords differ; nothing was stored")]
    Differ,
}

/// The first line of a file.
///
/// # Errors
///
/// When the file cannot be read.
pub fn from_file(path: &Path) -> Result<String, PasswordError> {
    let first_line = || {
        let mut line = String::new();
        BufReader::new(File::open(path)?.take(MAX_FILE_BYTES)).read_line(&mut line)?;
        Ok(line.trim_end_matches(['\r', '\n']).to_owned())
    };
    first_line().map_err(|error| PasswordError::Read {
        path: path.to_owned(),
        error,
    })
}

/// Typed by the user.
///
/// # Errors
///
/// When there is no terminal to ask on.
pub fn ask(prompt: &str) -> Result<String, PasswordError> {
    rpassword::prompt_password(prompt).map_err(PasswordError::Ask)
}

/// Typed twice by the user, who chooses it.
///
/// # Errors
///
/// When there is no terminal to ask on, or the two differ.
pub fn choose(prompt: &str) -> Result<String, PasswordError> {
    let password = ask(prompt)?;
    if password == ask("Repeat it: ")? {
        Ok(password)
    } else {
        Err(PasswordError::Differ)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

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
            assert_eq!(from_file(&path).expect("read"), expected, "{text:?}");
        }
        let missing = dir.path().join("missing");
        assert_eq!(
            from_file(&missing).expect_err("missing").to_string(),
            format!(
                "cannot read the password file {}: No such file or directory (os error 2)",
                missing.display()
            )
        );
    }
}
