use crate::CliqueError;
use alloy_primitives::{Address, B64};
use wattline_chainspec::{SEAL_LENGTH, VANITY_LENGTH};

/// The nonce of a vote to add a signer (EIP-225, `NONCE_AUTH`).
pub const NONCE_ADD: B64 = B64::new([0xff; 8]);
/// The nonce of a vote to drop a signer, or of no vote (EIP-225, `NONCE_DROP`).
pub const NONCE_DROP: B64 = B64::ZERO;

/// The parts of a header's `extraData`: vanity, signers (on checkpoints), seal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExtraData<'a> {
    /// Bytes the signer may fill as it likes.
    pub vanity: &'a [u8; VANITY_LENGTH],
    /// The checkpoint's signers, 20 bytes each; empty on other blocks.
    pub signers: &'a [u8],
    /// r, s and recovery id over the seal hash.
    pub seal: &'a [u8; SEAL_LENGTH],
}

impl<'a> ExtraData<'a> {
    /// Splits `extraData` into its parts.
    ///
    /// # Errors
    ///
    /// [`CliqueError::MissingVanity`] or [`CliqueError::MissingSeal`] if it is too short.
    pub fn parse(data: &'a [u8]) -> Result<Self, CliqueError> {
        let got = data.len();
        let (vanity, rest) = data
            .split_first_chunk()
            .ok_or(CliqueError::MissingVanity { got })?;
        let (signers, seal) = rest
            .split_last_chunk()
            .ok_or(CliqueError::MissingSeal { got })?;
        Ok(Self {
            vanity,
            signers,
            seal,
        })
    }

    /// The signers that a checkpoint lists, in the order listed.
    ///
    /// # Errors
    ///
    /// [`CliqueError::CheckpointLength`] if the list is no whole number of addresses.
    pub fn checkpoint_signers(&self) -> Result<Vec<Address>, CliqueError> {
        match self.signers.as_chunks::<20>() {
            (addresses, []) => Ok(addresses.iter().map(Address::from).collect()),
            _ => Err(CliqueError::CheckpointLength {
                got: self.signers.len(),
            }),
        }
    }
}
