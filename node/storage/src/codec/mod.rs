//! How keys and values are laid out in bytes.

mod branch;
mod keys;
mod values;

pub(crate) use branch::Branch;
pub(crate) use keys::{Key, KeyBytes};
pub(crate) use values::{BodyIndex, HashedAccount, Value};
