use alloy_primitives::{Address, B256, keccak256};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;

/// Keys that sign blocks and transactions, ascending by address as Clique lists signers.
#[derive(Clone, Debug)]
pub struct Signers {
    keys: Vec<PrivateKeySigner>,
}

impl Signers {
    /// `count` keys, the same in every run.
    pub fn new(count: usize) -> Self {
        Self::named("signer", count)
    }

    /// `count` keys derived from `name`, the same in every run.
    pub fn named(name: &str, count: usize) -> Self {
        let mut keys: Vec<_> = (0..count)
            .map(|index| {
                PrivateKeySigner::from_bytes(&keccak256(format!("{name} {index}")))
                    .expect("a hash is a valid key but for one in 2^128")
            })
            .collect();
        keys.sort_by_key(PrivateKeySigner::address);
        Self { keys }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The addresses, ascending.
    pub fn addresses(&self) -> Vec<Address> {
        self.keys.iter().map(PrivateKeySigner::address).collect()
    }

    /// The address at `index`.
    pub fn address(&self, index: usize) -> Address {
        self.keys[index].address()
    }

    /// The key at `index`.
    pub fn key(&self, index: usize) -> &PrivateKeySigner {
        &self.keys[index]
    }

    /// The index of the signer that is in turn at block `number`.
    pub fn in_turn(&self, number: u64) -> usize {
        (number % self.keys.len() as u64) as usize
    }

    /// A seal of the signer at `index` over `hash`: r, s and the recovery id.
    pub fn seal(&self, index: usize, hash: B256) -> [u8; 65] {
        let signature = self.keys[index]
            .sign_hash_sync(&hash)
            .expect("local keys sign any hash");
        let mut seal = [0; 65];
        seal[..64].copy_from_slice(&signature.as_rsy()[..64]);
        seal[64] = u8::from(signature.v());
        seal
    }
}
