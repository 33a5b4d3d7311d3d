//! A receiver that counts, and leaves whoever sends more than its channel carries.

use std::{fmt, num::NonZeroUsize};

use commonware_cryptography::ed25519::PublicKey;
use commonware_p2p::{self as p2p, Blocker, Message};

use super::Meter;
use crate::blocker::{PeerBlocker, Reason};

/// Receives from one channel.
pub struct Receiver<R, B> {
    inner: R,
    meter: Meter,
    blocker: PeerBlocker<B>,
}

impl<R, B> Receiver<R, B> {
    pub(crate) const fn new(inner: R, meter: Meter, blocker: PeerBlocker<B>) -> Self {
        Self {
            inner,
            meter,
            blocker,
        }
    }
}

impl<R, B> fmt::Debug for Receiver<R, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("channel", &self.meter.channel)
            .finish_non_exhaustive()
    }
}

impl<R, B> p2p::Receiver for Receiver<R, B>
where
    R: p2p::Receiver<PublicKey = PublicKey>,
    B: Blocker<PublicKey = PublicKey>,
{
    type Error = R::Error;
    type PublicKey = PublicKey;

    async fn recv(&mut self) -> Result<Message<PublicKey>, Self::Error> {
        loop {
            let (peer, message) = self.inner.recv().await?;
            self.meter.received(&peer, message.len());
            if message.len() <= self.meter.limit {
                return Ok((peer, message));
            }
            self.blocker.leave(
                &peer,
                &Reason::Oversized {
                    channel: self.meter.channel.name(),
                    bytes: message.len(),
                    limit: self.meter.limit,
                },
            );
        }
    }

    fn capacity(&self) -> NonZeroUsize {
        self.inner.capacity()
    }
}
