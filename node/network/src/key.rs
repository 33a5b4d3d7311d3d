//! Node keys as text: the public keys (ed25519) by which nodes know each other.

use alloy_primitives::hex;
use commonware_codec::{Copying, DecodeExt as _};
use commonware_cryptography::ed25519::PublicKey;

/// Why something is no node key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not 32 bytes of hexadecimal digits.
    #[error(
        "{found:?} is no node key: expected 64 hexadecimal digits, with or without 0x before them"
    )]
    NotHex {
        /// What was there instead.
        found: String,
    },
    /// 32 bytes that are no public key.
    #[error("{found} is no node key: these 32 bytes are no point of the curve Ed25519")]
    NotAPoint {
        /// The bytes.
        found: String,
    },
}

/// The node key with these bytes, as the Consortium contract holds it.
///
/// # Errors
/// They are no point of the curve.
pub fn from_bytes(bytes: &[u8; 32]) -> Result<PublicKey, KeyError> {
    PublicKey::decode(Copying(bytes)).map_err(|_| KeyError::NotAPoint {
        found: hex::encode(bytes),
    })
}

/// Reads a node key: 64 hexadecimal digits, with or without `0x` before them.
///
/// # Errors
/// It is something else.
pub fn parse(text: &str) -> Result<PublicKey, KeyError> {
    let bytes = hex::decode_to_array(text).map_err(|_| KeyError::NotHex {
        // Enough to find it in a file, however long the line is.
        found: text.chars().take(80).collect(),
    })?;
    from_bytes(&bytes)
}

#[cfg(test)]
mod tests {
    use commonware_cryptography::{Signer as _, ed25519::PrivateKey};

    use super::*;

    #[test]
    fn keys_are_read_as_they_are_written() {
        let key = PrivateKey::from_seed(1).public_key();
        assert_eq!(parse(&key.to_string()), Ok(key.clone()));
        assert_eq!(parse(&format!("0x{key}")), Ok(key));
    }

    #[test]
    fn what_is_no_key_is_named() {
        for bad in [
            "",
            "0x",
            "12",
            &"0".repeat(63),
            &"g".repeat(64),
            &"0".repeat(66),
        ] {
            assert_eq!(
                parse(bad),
                Err(KeyError::NotHex {
                    found: bad.to_owned()
                })
            );
        }
        // y = 2 has no x on the curve.
        let found = format!("02{}", "0".repeat(62));
        assert_eq!(parse(&found), Err(KeyError::NotAPoint { found }));
    }
}
