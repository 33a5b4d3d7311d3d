use crate::{CliqueError, ExtraData};
use alloy_consensus::Header;
use alloy_primitives::{Address, B256, keccak256};
use alloy_rlp::Encodable;
use secp256k1::{
    Message, PublicKey, SECP256K1,
    ecdsa::{RecoverableSignature, RecoveryId},
};
use wattline_chainspec::SEAL_LENGTH;

/// The hash that a signer signs: keccak256 of the RLP of the whole header, every present field
/// included, with the 65 bytes of the seal cut from `extraData`. A header too short for a seal is
/// hashed with empty `extraData`; no seal over it can be found in it.
pub fn seal_hash(header: &Header) -> B256 {
    let mut unsealed = header.clone();
    let end = header.extra_data.len().saturating_sub(SEAL_LENGTH);
    unsealed.extra_data = header.extra_data.slice(..end);
    let mut buffer = Vec::with_capacity(unsealed.length());
    unsealed.encode(&mut buffer);
    keccak256(buffer)
}

/// The account whose key sealed the header.
///
/// Of the two signatures that every key can make of one, only that with the low `s` is a seal
/// (EIP-2 says the same of transactions). geth takes both; but the seal is part of the block hash,
/// so anybody could turn a sealed block into a twin with another hash, and have two valid blocks
/// out of one.
///
/// # Errors
///
/// [`CliqueError::MissingVanity`] and [`CliqueError::MissingSeal`] for an `extraData` that is too
/// short, [`CliqueError::RecoveryId`] for a recovery id above 1, [`CliqueError::HighS`] for the
/// wrong one of two twin signatures, [`CliqueError::InvalidSeal`] if r and s are no signature of
/// any key.
pub fn recover_signer(header: &Header) -> Result<Address, CliqueError> {
    let seal = ExtraData::parse(&header.extra_data)?.seal;
    let [compact @ .., recovery_id] = seal;
    let id = match recovery_id {
        0 => RecoveryId::Zero,
        1 => RecoveryId::One,
        got => return Err(CliqueError::RecoveryId { got: *got }),
    };
    let invalid = |error: secp256k1::Error| CliqueError::InvalidSeal(error.to_string());
    let signature = RecoverableSignature::from_compact(compact, id).map_err(invalid)?;
    let mut low = signature.to_standard();
    low.normalize_s();
    if low != signature.to_standard() {
        return Err(CliqueError::HighS);
    }
    let message = Message::from_digest(seal_hash(header).0);
    let key = SECP256K1
        .recover_ecdsa(message, &signature)
        .map_err(invalid)?;
    Ok(address_of(&key))
}

fn address_of(key: &PublicKey) -> Address {
    let [_, point @ ..] = key.serialize_uncompressed();
    Address::from_word(keccak256(point))
}

/// Why a header could not be sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError<E> {
    /// `extraData` has no place for the seal.
    #[error(transparent)]
    Layout(#[from] CliqueError),
    /// The key refused or failed to sign.
    #[error("cannot sign the block: {0}")]
    Sign(E),
}

/// Puts a seal into the last 65 bytes of the header's `extraData`, which must be there already.
/// `sign` returns r, s and the recovery id (0 or 1) over the hash it is given.
///
/// # Errors
///
/// [`SealError::Layout`] if `extraData` is too short, [`SealError::Sign`] if `sign` fails.
pub fn seal<E>(
    mut header: Header,
    sign: impl FnOnce(B256) -> Result<[u8; SEAL_LENGTH], E>,
) -> Result<Header, SealError<E>> {
    ExtraData::parse(&header.extra_data)?;
    let signature = sign(seal_hash(&header)).map_err(SealError::Sign)?;
    let mut data = header.extra_data.to_vec();
    data.truncate(data.len() - SEAL_LENGTH);
    data.extend(signature);
    header.extra_data = data.into();
    Ok(header)
}
