//! JSON Web Tokens by which clients show that they know the node's secret, as Ethereum's Engine
//! API has them (`engine/authentication.md` in ethereum/execution-apis).

use std::time::SystemTime;

use alloy_rpc_types_engine::JwtSecret;
use hmac::{Hmac, Mac as _};
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Validation,
    crypto::{CryptoProvider, JwkUtils, JwtSigner, JwtVerifier},
    errors::{ErrorKind, Result as JwtResult},
};
use serde::Deserialize;
use sha2::Sha256;
use signature::{Signer, Verifier};

/// How far the time in a token may be from ours, in seconds.
const TOLERANCE: u64 = 60;

/// Why a token does not count.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenError {
    #[error("invalid token: {0}; expected HS256 with the claim iat, signed with the node's secret")]
    Invalid(String),
    #[error(
        "stale token: it was issued at {issued}, now is {now}; expected at most {TOLERANCE} \
         seconds between them"
    )]
    Stale { issued: u64, now: u64 },
    #[error("expired token: it was good until {until}, now is {now}")]
    Expired { until: u64, now: u64 },
}

#[derive(Deserialize)]
struct Claims {
    iat: u64,
    exp: Option<u64>,
}

/// Checks that a token was made with `secret`, just now.
///
/// # Errors
///
/// [`TokenError`].
pub(crate) fn validate(token: &str, secret: &JwtSecret) -> Result<(), TokenError> {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |time| time.as_secs());
    validate_at(token, secret, now)
}

fn validate_at(token: &str, secret: &JwtSecret, now: u64) -> Result<(), TokenError> {
    // Fails where it was installed before.
    let _ = PROVIDER.install_default();
    let mut validation = Validation::new(Algorithm::HS256);
    // The rules for time are those below.
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    let key = DecodingKey::from_secret(secret.as_bytes());
    let claims: Claims = jsonwebtoken::decode(token, &key, &validation)
        .map_err(|error| TokenError::Invalid(error.to_string().chars().take(200).collect()))?
        .claims;
    if claims.iat.abs_diff(now) > TOLERANCE {
        return Err(TokenError::Stale {
            issued: claims.iat,
            now,
        });
    }
    match claims.exp {
        Some(until) if until < now => Err(TokenError::Expired { until, now }),
        _ => Ok(()),
    }
}

/// All the cryptography that these tokens need. The library's own choices bring algorithms that
/// nobody may use here.
static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| Ok(Box::new(Hs256::signer(*algorithm, key)?)),
    verifier_factory: |algorithm, key| Ok(Box::new(Hs256::verifier(*algorithm, key)?)),
    jwk_utils: JwkUtils::new_unimplemented(),
};

struct Hs256(Hmac<Sha256>);

impl Hs256 {
    fn signer(algorithm: Algorithm, key: &EncodingKey) -> JwtResult<Self> {
        Self::new(algorithm, key.try_get_hmac_secret()?)
    }

    fn verifier(algorithm: Algorithm, key: &DecodingKey) -> JwtResult<Self> {
        Self::new(algorithm, key.try_get_hmac_secret()?)
    }

    fn new(algorithm: Algorithm, secret: &[u8]) -> JwtResult<Self> {
        if algorithm != Algorithm::HS256 {
            return Err(ErrorKind::InvalidAlgorithm.into());
        }
        Hmac::new_from_slice(secret)
            .map(Self)
            .map_err(|_| ErrorKind::InvalidKeyFormat.into())
    }
}

impl Signer<Vec<u8>> for Hs256 {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        let tag = self.0.clone().chain_update(message).finalize();
        Ok(tag.into_bytes().to_vec())
    }
}

impl Verifier<Vec<u8>> for Hs256 {
    fn verify(&self, message: &[u8], tag: &Vec<u8>) -> Result<(), signature::Error> {
        // Takes the same time for every wrong tag.
        let computed = self.0.clone().chain_update(message);
        computed
            .verify_slice(tag)
            .map_err(signature::Error::from_source)
    }
}

impl JwtSigner for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

impl JwtVerifier for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// HS256 over {"iat":1700000000} with the secret of 32 bytes 0x07, made with another library.
    const TOKEN: &str = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.eyJpYXQiOjE3MDAwMDAwMDB9.3wCGXXTeh_0sda31JyFKKj0I4-FtWzlPsQ1ofl35GGI";
    /// The same claims without a signature and the algorithm `none`.
    const UNSIGNED: &str = "eyJ0eXAiOiJKV1QiLCJhbGciOiJub25lIn0.eyJpYXQiOjE3MDAwMDAwMDB9.";
    /// The same claims with HS384.
    const HS384: &str = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzM4NCJ9.eyJpYXQiOjE3MDAwMDAwMDB9.lxlFn1jzZuRnIa54G-vFwEznIIgv3fmf-QZuVuQs8V6vL6zHA8q5cDxcZmzuTd6f";
    /// HS256 over {"iat":1700000000,"exp":1700000010}.
    const EXPIRING: &str = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.eyJpYXQiOjE3MDAwMDAwMDAsImV4cCI6MTcwMDAwMDAxMH0.B3ZhUH6YqTybgwRPAeGVUuRT064VoGB5b5uOJRPRGJw";
    /// HS256 over {}.
    const WITHOUT_TIME: &str =
        "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.e30.3UeM8i7kgH8mcclCivJXUKeagi_h0jDDHRFOBn6SsXM";
    const ISSUED: u64 = 1_700_000_000;

    fn secret() -> JwtSecret {
        JwtSecret::from_hex("07".repeat(32)).expect("a secret")
    }

    #[test]
    fn a_token_counts_for_a_minute_around_its_time() {
        for now in [ISSUED - 60, ISSUED, ISSUED + 60] {
            assert_eq!(validate_at(TOKEN, &secret(), now), Ok(()));
        }
        for now in [ISSUED - 61, ISSUED + 61, 0, u64::MAX] {
            let issued = ISSUED;
            let expected = Err(TokenError::Stale { issued, now });
            assert_eq!(validate_at(TOKEN, &secret(), now), expected);
        }
        assert_eq!(validate_at(EXPIRING, &secret(), ISSUED + 10), Ok(()));
        let (until, now) = (ISSUED + 10, ISSUED + 11);
        let expected = Err(TokenError::Expired { until, now });
        assert_eq!(validate_at(EXPIRING, &secret(), now), expected);
    }

    #[test]
    fn only_the_secret_makes_tokens() {
        let other = JwtSecret::from_hex("08".repeat(32)).expect("a secret");
        let error = validate_at(TOKEN, &other, ISSUED).expect_err("another secret");
        assert_eq!(
            error.to_string(),
            "invalid token: InvalidSignature; expected HS256 with the claim iat, signed with the \
             node's secret"
        );
        let spoilt = format!("{}A", &TOKEN[..TOKEN.len() - 1]);
        for token in [
            UNSIGNED,
            HS384,
            WITHOUT_TIME,
            &spoilt,
            "",
            ".",
            "..",
            "a.b.c",
            "\u{1F4A3}.\u{1F4A3}.\u{1F4A3}",
        ] {
            let result = validate_at(token, &secret(), ISSUED);
            assert!(matches!(result, Err(TokenError::Invalid(_))), "{token}");
        }
    }
}
