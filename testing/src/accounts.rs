//! The accounts and the chain of development.

use alloy::signers::local::{MnemonicBuilder, PrivateKeySigner};

/// The development mnemonic; its first ten accounts are funded in the development genesis.
pub const MNEMONIC: &str = "test test test test test test test test test test test junk";

/// The chain id of the development genesis files.
pub const CHAIN_ID: u64 = 57836;

/// The key of a development account.
pub fn dev_key(index: u32) -> PrivateKeySigner {
    MnemonicBuilder::from_phrase_nth(MNEMONIC, index)
}
