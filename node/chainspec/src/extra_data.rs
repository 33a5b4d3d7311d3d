use crate::ChainSpecError;
use alloy_primitives::{Address, Bytes};

/// Bytes of `extraData` that a signer may fill as it likes (EIP-225, `EXTRA_VANITY`).
pub const VANITY_LENGTH: usize = 32;
/// Bytes of `extraData` that hold the seal (EIP-225, `EXTRA_SEAL`).
pub const SEAL_LENGTH: usize = 65;

/// The genesis block's `extraData` for the given signers: zero vanity, the signers in ascending
/// order, and an empty seal.
pub fn genesis_extra_data(signers: impl IntoIterator<Item = Address>) -> Bytes {
    let mut signers: Vec<Address> = signers.into_iter().collect();
    signers.sort_unstable();
    let mut data = vec![0; VANITY_LENGTH];
    data.extend(signers.iter().flat_map(|signer| signer.into_array()));
    data.extend([0; SEAL_LENGTH]);
    data.into()
}

/// The signers named in the genesis block's `extraData`, in ascending order.
pub(crate) fn genesis_signers(extra_data: &[u8]) -> Result<Vec<Address>, ChainSpecError> {
    let wrong_length = ChainSpecError::ExtraDataLength {
        found: extra_data.len(),
    };
    let Some((_, rest)) = extra_data.split_at_checked(VANITY_LENGTH) else {
        return Err(wrong_length);
    };
    let Some((list, seal)) = rest.split_last_chunk::<SEAL_LENGTH>() else {
        return Err(wrong_length);
    };
    let (chunks, []) = list.as_chunks::<20>() else {
        return Err(wrong_length);
    };
    let signers: Vec<Address> = chunks.iter().map(Address::from).collect();
    if signers.is_empty() {
        return Err(ChainSpecError::NoSigners);
    }
    if signers.contains(&Address::ZERO) {
        return Err(ChainSpecError::ZeroSigner);
    }
    for (first, second) in signers.iter().zip(signers.iter().skip(1)) {
        if first >= second {
            return Err(ChainSpecError::UnsortedSigners {
                first: *first,
                second: *second,
            });
        }
    }
    if seal.iter().any(|byte| *byte != 0) {
        return Err(ChainSpecError::GenesisSeal);
    }
    Ok(signers)
}
