//! A sender that counts, and refuses what is too large for its channel.

use std::time::SystemTime;

use commonware_actor::{Feedback, Unreliable};
use commonware_cryptography::ed25519::PublicKey;
use commonware_p2p::{self as p2p, LimitedSender, Recipients};
use commonware_runtime::IoBufs;
use tracing::error;

use super::Meter;

/// Sends on one channel.
#[derive(Clone, Debug)]
pub struct Sender<S> {
    inner: S,
    meter: Meter,
}

impl<S> Sender<S> {
    pub(crate) const fn new(inner: S, meter: Meter) -> Self {
        Self { inner, meter }
    }
}

/// Sends one message to recipients that may be sent to now.
#[derive(Debug)]
pub struct CheckedSender<'a, C> {
    inner: C,
    meter: &'a Meter,
}

impl<S: LimitedSender<PublicKey = PublicKey>> LimitedSender for Sender<S> {
    type PublicKey = PublicKey;
    type Checked<'a>
        = CheckedSender<'a, S::Checked<'a>>
    where
        Self: 'a;

    fn check(
        &mut self,
        recipients: Recipients<PublicKey>,
    ) -> Result<Self::Checked<'_>, SystemTime> {
        let inner = self.inner.check(recipients)?;
        Ok(CheckedSender {
            inner,
            meter: &self.meter,
        })
    }
}

impl<C: p2p::CheckedSender<PublicKey = PublicKey>> p2p::CheckedSender for CheckedSender<'_, C> {
    type PublicKey = PublicKey;

    fn recipients(&self) -> Vec<PublicKey> {
        self.inner.recipients()
    }

    fn send(self, message: impl Into<IoBufs> + Send, priority: bool) -> Unreliable<Feedback> {
        let message = message.into();
        let bytes = message.len();
        if bytes > self.meter.limit {
            let (channel, limit) = (self.meter.channel.name(), self.meter.limit);
            error!(
                channel,
                bytes, limit, "a message of this node's is too large and not sent"
            );
            return Unreliable::rejected();
        }
        let recipients = self.inner.recipients();
        let feedback = self.inner.send(message, priority);
        if feedback.accepted() {
            self.meter.sent(&recipients, bytes);
        }
        feedback
    }
}
