//! What a node tells its peers of itself.

use alloy_primitives::B256;
use wattline_primitives::Millis;

use crate::peers::Tip;

/// The version of everything that peers say to each other. Raised when an older node would
/// misunderstand.
pub const PROTOCOL_VERSION: u16 = 2;

/// Bytes of a status message.
pub const STATUS_BYTES: usize = 2 + 32 + 8 + 32 + 8 + 8;

/// What a node tells its peers of itself.
///
/// On the wire: version (2 bytes), chain (32), number (8) and hash (32) of the last final block, the
/// highest certified number (8), the sender's clock in milliseconds since the Unix epoch (8); all
/// integers big endian. A later version may go on behind, so the version is looked at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// The hash of genesis block and configuration.
    pub chain: B256,
    /// How far the node has come.
    pub tip: Tip,
    /// The node's clock.
    pub time: Millis,
}

/// Why something is no status message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StatusError {
    /// Not as long as a status message is.
    #[error("{found} bytes, expected {expected}")]
    Length {
        /// Bytes of the message.
        found: usize,
        /// Bytes of a status message.
        expected: usize,
    },
    /// The node speaks another version of the protocol.
    #[error("protocol version {found}, this node speaks {expected}")]
    Version {
        /// The peer's version.
        found: u16,
        /// This node's version.
        expected: u16,
    },
    /// The certificate is older than the block it must have.
    #[error("certified up to {certified}, which is below its last final block {number}")]
    Certified {
        /// The highest certified number.
        certified: u64,
        /// The number of the last final block.
        number: u64,
    },
}

impl Status {
    /// The message's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(STATUS_BYTES);
        bytes.extend(PROTOCOL_VERSION.to_be_bytes());
        bytes.extend(self.chain);
        bytes.extend(self.tip.number.to_be_bytes());
        bytes.extend(self.tip.hash);
        bytes.extend(self.tip.certified.to_be_bytes());
        bytes.extend(self.time.get().to_be_bytes());
        bytes
    }

    /// Reads a message.
    ///
    /// # Errors
    /// It is none.
    pub fn decode(bytes: &[u8]) -> Result<Self, StatusError> {
        let length = StatusError::Length {
            found: bytes.len(),
            expected: STATUS_BYTES,
        };
        let mut rest = bytes;
        let version = u16::from_be_bytes(take(&mut rest).ok_or(length)?);
        if version != PROTOCOL_VERSION {
            return Err(StatusError::Version {
                found: version,
                expected: PROTOCOL_VERSION,
            });
        }
        let mut read = || {
            let chain = B256::new(take(&mut rest)?);
            let number = u64::from_be_bytes(take(&mut rest)?);
            let hash = B256::new(take(&mut rest)?);
            let certified = u64::from_be_bytes(take(&mut rest)?);
            let time = Millis::new(u64::from_be_bytes(take(&mut rest)?));
            let tip = Tip {
                number,
                hash,
                certified,
            };
            rest.is_empty().then_some(Self { chain, tip, time })
        };
        let status = read().ok_or(length)?;
        let Tip {
            number, certified, ..
        } = status.tip;
        if certified < number {
            return Err(StatusError::Certified { certified, number });
        }
        Ok(status)
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*taken)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn status() -> impl Strategy<Value = Status> {
        (
            any::<[u8; 32]>(),
            any::<u64>(),
            any::<[u8; 32]>(),
            any::<u64>(),
            any::<u64>(),
        )
            .prop_map(|(chain, first, hash, second, time)| Status {
                chain: chain.into(),
                tip: Tip {
                    number: first.min(second),
                    hash: hash.into(),
                    certified: first.max(second),
                },
                time: Millis::new(time),
            })
    }

    #[test]
    fn what_is_no_status_is_named() {
        let status = Status {
            chain: B256::repeat_byte(1),
            tip: Tip {
                number: 7,
                hash: B256::repeat_byte(2),
                certified: 6,
            },
            time: Millis::new(9),
        };
        let message = |bytes: &[u8]| Status::decode(bytes).expect_err("none").to_string();
        let mut bytes = status.encode();
        assert_eq!(bytes.len(), STATUS_BYTES);
        assert_eq!(
            message(&bytes),
            "certified up to 6, which is below its last final block 7"
        );
        assert_eq!(message(&[]), "0 bytes, expected 90");
        bytes.push(0);
        assert_eq!(message(&bytes), "91 bytes, expected 90");
        bytes[1] = 3;
        assert_eq!(message(&bytes), "protocol version 3, this node speaks 2");
        assert_eq!(message(&[0, 3]), "protocol version 3, this node speaks 2");
    }

    proptest! {
        #[test]
        fn statuses_are_read_as_they_are_written(status in status()) {
            prop_assert_eq!(Status::decode(&status.encode()), Ok(status));
        }

        #[test]
        fn a_cut_status_is_refused(status in status(), cut in 0..STATUS_BYTES) {
            let bytes = status.encode();
            prop_assert_eq!(
                Status::decode(&bytes[..cut]),
                Err(StatusError::Length { found: cut, expected: STATUS_BYTES })
            );
        }

        #[test]
        fn any_bytes_are_a_status_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(status) = Status::decode(&bytes) {
                prop_assert_eq!(status.encode(), bytes);
            }
        }
    }
}
