//! What members tell each other of their votes.

use commonware_consensus::types::{Epoch, View};

use super::Standing;

/// Bytes of a message.
const BYTES: usize = 1 + 1 + 8 + 8;

/// How far the votes of the sender have come.
///
/// On the wire: whether it asks the same of the receiver (1 byte, 0 or 1), how its votes stand (1
/// byte: 0 it does not know, 1 it has not voted, 2 it has), the epoch (8) and the view (8, zero if it
/// has not voted), big endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) asks: bool,
    pub(super) epoch: Epoch,
    pub(super) standing: Standing,
}

impl Message {
    pub(super) fn encode(&self) -> Vec<u8> {
        let (kind, view) = match self.standing {
            Standing::Unknown => (0, 0),
            Standing::NotBegun => (1, 0),
            Standing::Voted(view) => (2, view.get()),
        };
        let mut bytes = Vec::with_capacity(BYTES);
        bytes.extend([u8::from(self.asks), kind]);
        bytes.extend(self.epoch.get().to_be_bytes());
        bytes.extend(view.to_be_bytes());
        bytes
    }

    /// Reads a message; `None` if it is none.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; BYTES] = bytes.try_into().ok()?;
        let ([asks, kind], rest) = bytes.split_first_chunk()?;
        let (epoch, view) = rest.split_first_chunk()?;
        let epoch = Epoch::new(u64::from_be_bytes(*epoch));
        let view = u64::from_be_bytes(view.try_into().ok()?);
        let standing = match (kind, view) {
            (0, 0) => Standing::Unknown,
            (1, 0) => Standing::NotBegun,
            (2, 1..) => Standing::Voted(View::new(view)),
            _ => return None,
        };
        (*asks <= 1).then_some(Self {
            asks: *asks == 1,
            epoch,
            standing,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn standing() -> impl Strategy<Value = Standing> {
        prop_oneof![
            Just(Standing::Unknown),
            Just(Standing::NotBegun),
            (1..=u64::MAX).prop_map(|view| Standing::Voted(View::new(view))),
        ]
    }

    proptest! {
        #[test]
        fn messages_are_read_as_they_are_written(
            asks: bool, epoch: u64, standing in standing()
        ) {
            let message = Message { asks, epoch: Epoch::new(epoch), standing };
            prop_assert_eq!(Message::decode(&message.encode()), Some(message));
        }

        #[test]
        fn any_bytes_are_a_message_or_none(
            asks in 0..4_u8, kind in 0..4_u8,
            rest in prop::collection::vec(prop_oneof![Just(0), any::<u8>()], 0..20)
        ) {
            let bytes = [vec![asks, kind], rest].concat();
            if let Some(message) = Message::decode(&bytes) {
                prop_assert_eq!(message.encode(), bytes);
            }
        }
    }
}
