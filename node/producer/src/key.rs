use std::fmt;

use alloy_primitives::{Address, B256};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;

/// The key that seals blocks.
#[derive(Clone)]
pub struct SignerKey(PrivateKeySigner);

impl SignerKey {
    /// The signer's account.
    pub const fn address(&self) -> Address {
        self.0.address()
    }

    /// Signs a seal hash: r, s and the recovery id (0 or 1), as a seal holds them. The same hash
    /// always gets the same signature (RFC 6979).
    ///
    /// # Errors
    ///
    /// When the key refuses, which a key in memory does not.
    pub fn seal(&self, hash: B256) -> Result<[u8; 65], alloy_signer::Error> {
        Ok(self.0.sign_hash_sync(&hash)?.as_rsy())
    }
}

impl From<PrivateKeySigner> for SignerKey {
    fn from(key: PrivateKeySigner) -> Self {
        Self(key)
    }
}

/// Shows the account and never the key.
impl fmt::Debug for SignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SignerKey").field(&self.address()).finish()
    }
}
