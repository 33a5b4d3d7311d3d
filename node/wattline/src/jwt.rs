//! The secret that the node shares with the clients of its authenticated port.

use std::{fs, io, io::Write as _, os::unix::fs::OpenOptionsExt as _, path::Path};

use eyre::{WrapErr, eyre};
use wattline_rpc_server::JwtSecret;

/// Reads the secret from a file; makes both if there is no such file, readable by its owner alone.
///
/// # Errors
///
/// When the file cannot be read or written, or holds no secret.
pub(crate) fn secret(file: &Path) -> eyre::Result<JwtSecret> {
    match fs::read_to_string(file) {
        Ok(text) => JwtSecret::from_hex(text.trim()).map_err(|error| {
            eyre!(
                "{} holds no JWT secret: {error}; expected 64 hex digits",
                file.display()
            )
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let secret = JwtSecret::random();
            make(file, &secret)
                .wrap_err_with(|| format!("cannot write a JWT secret to {}", file.display()))?;
            tracing::info!(file = %file.display(), "made a JWT secret");
            Ok(secret)
        }
        Err(error) => {
            Err(error).wrap_err_with(|| format!("cannot read the JWT secret in {}", file.display()))
        }
    }
}

fn make(file: &Path, secret: &JwtSecret) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)?;
    writeln!(file, "{}", alloy_primitives::hex::encode(secret.as_bytes()))?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_secret_is_made_once_and_for_its_owner() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("deep").join("jwt.hex");
        let made = secret(&file).expect("it is made");
        assert_eq!(secret(&file).expect("it is there"), made);
        let mode = fs::metadata(&file).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn secrets_are_64_hex_digits() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("jwt.hex");
        fs::write(&file, format!("0x{}\n", "ab".repeat(32))).expect("a file");
        assert_eq!(secret(&file).expect("a secret").as_bytes(), &[0xab; 32]);
        for text in ["", "0xab", &"zz".repeat(32), &"ab".repeat(33)] {
            fs::write(&file, text).expect("a file");
            let error = secret(&file).expect_err("no secret").to_string();
            assert!(error.contains(" holds no JWT secret: "), "{error}");
            assert!(error.ends_with("; expected 64 hex digits"), "{error}");
        }
    }
}
