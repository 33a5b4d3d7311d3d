use crate::CliqueError;
use alloy_consensus::Header;

/// A block further ahead of the clock than this is refused, one less far ahead waits.
pub const MAX_FUTURE_SECONDS: u64 = 15;

/// Checks the header's timestamp against the clock.
///
/// `now` is this node's time in whole seconds since 1970.
///
/// # Errors
///
/// [`CliqueError::FutureBlock`] for a block more than [`MAX_FUTURE_SECONDS`] ahead, to be refused;
/// [`CliqueError::NotYet`] for one less far ahead, to be tried again when its time has come.
pub fn validate_time(header: &Header, now: u64) -> Result<(), CliqueError> {
    let timestamp = header.timestamp;
    let latest = now.saturating_add(MAX_FUTURE_SECONDS);
    if timestamp > latest {
        Err(CliqueError::FutureBlock { timestamp, latest })
    } else if timestamp > now {
        Err(CliqueError::NotYet { timestamp, now })
    } else {
        Ok(())
    }
}
