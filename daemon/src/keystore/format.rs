//! What a keystore file says of itself, checked before anything is derived from it: the decrypting
//! library takes all of it on trust.

use alloy_primitives::Address;
use serde::Deserialize;

/// The most memory that deriving a key may take: scrypt's n·r·128 bytes.
const MAX_SCRYPT_BYTES: u64 = 1 << 30;
/// The greatest block size and parallelism of scrypt: with them p·r·128 bytes are little, too.
const MAX_SCRYPT_R: u64 = 64;
const MAX_SCRYPT_P: u64 = 16;
/// The most rounds of PBKDF2.
const MAX_PBKDF2_ROUNDS: u64 = 10_000_000;

/// Why a file is refused.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It is not a keystore.
    Format(String),
    /// Deriving its key would take too much memory or time.
    Cost(String),
}

impl From<&str> for Refusal {
    fn from(reason: &str) -> Self {
        Self::Format(reason.to_owned())
    }
}

#[derive(Deserialize)]
struct Keystore {
    version: Option<u64>,
    #[serde(alias = "Crypto")]
    crypto: Option<Crypto>,
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
    n: Option<u64>,
    r: Option<u64>,
    p: Option<u64>,
    c: Option<u64>,
}

/// Checks the text of a keystore file.
pub(super) fn check(text: &str) -> Result<(), Refusal> {
    let keystore: Keystore = serde_json::from_str(text).map_err(|error| {
        let what = if error.is_data() {
            ""
        } else {
            "it is not JSON: "
        };
        Refusal::Format(format!("{what}{error}"))
    })?;
    let crypto = keystore.crypto.ok_or("it has no `crypto` section")?;
    match keystore.version {
        Some(3) => {}
        Some(version) => {
            return Err(Refusal::Format(format!("version must be 3, got {version}")));
        }
        None => return Err("it has no `version`".into()),
    }
    if crypto.cipher != "aes-128-ctr" {
        return Err(Refusal::Format(format!(
            "cipher must be aes-128-ctr, got {:?}",
            crypto.cipher
        )));
    }
    if crypto.cipherparams.iv.len() != 32 {
        return Err("cipherparams.iv must be 16 bytes".into());
    }
    if crypto.ciphertext.len() != 64 {
        return Err("ciphertext must be 32 bytes".into());
    }
    crypto.kdfparams.check()
}

impl KdfParams {
    fn check(&self) -> Result<(), Refusal> {
        if self.dklen != 32 {
            return Err(Refusal::Format(format!(
                "kdfparams.dklen must be 32, got {}",
                self.dklen
            )));
        }
        match (self.n, self.r, self.p, self.c) {
            (Some(n), Some(r), Some(p), None) => check_scrypt(n, r, p),
            (None, None, None, Some(0)) => Err("PBKDF2's rounds must not be zero".into()),
            (None, None, None, Some(rounds)) if rounds > MAX_PBKDF2_ROUNDS => Err(Refusal::Cost(
                format!("PBKDF2 may have at most 10,000,000 rounds, got {rounds}"),
            )),
            (None, None, None, Some(_)) => Ok(()),
            _ => Err("kdfparams must be those of scrypt or of PBKDF2".into()),
        }
    }
}

fn check_scrypt(n: u64, r: u64, p: u64) -> Result<(), Refusal> {
    if !n.is_power_of_two() || n < 2 || r == 0 || p == 0 {
        return Err("scrypt's n must be a power of two, its r and p not zero".into());
    }
    let bytes = n.checked_mul(r).and_then(|blocks| blocks.checked_mul(128));
    if r > MAX_SCRYPT_R || p > MAX_SCRYPT_P || bytes.is_none_or(|bytes| bytes > MAX_SCRYPT_BYTES) {
        return Err(Refusal::Cost(format!(
            "scrypt may have n·r·128 at most 1 GiB, r at most 64 and p at most 16, got n = {n}, \
             r = {r}, p = {p}"
        )));
    }
    Ok(())
}

/// The address that a keystore file names, which takes no password.
pub(super) fn address(text: &str) -> Option<Address> {
    #[derive(Deserialize)]
    struct Named {
        address: String,
    }
    let named: Named = serde_json::from_str(text).ok()?;
    named.address.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cost_of_scrypt_is_bounded_in_each_parameter() {
        assert_eq!(check_scrypt(1 << 18, 8, 1), Ok(())); // geth's own
        assert_eq!(check_scrypt(1 << 20, 8, 16), Ok(())); // all that is allowed
        for (n, r, p) in [
            (1 << 21, 8, 1),
            (1 << 20, 9, 1),
            (1 << 63, 8, 1),
            (2, 65, 1),
            (2, 1, 17),
        ] {
            assert!(
                matches!(check_scrypt(n, r, p), Err(Refusal::Cost(_))),
                "n = {n}, r = {r}, p = {p}"
            );
        }
        for (n, r, p) in [
            (0, 8, 1),
            (1, 8, 1),
            (8191, 8, 1),
            (8192, 0, 1),
            (8192, 8, 0),
        ] {
            assert!(
                matches!(check_scrypt(n, r, p), Err(Refusal::Format(_))),
                "n = {n}, r = {r}, p = {p}"
            );
        }
    }
}
