//! How keys and values are laid out in bytes.

mod keys;
mod values;

pub(crate) use keys::{Key, KeyBytes};
pub(crate) use values::{BodyIndex, HashedAccount, JournaledSeal, Value};
