//! One peer in the table.

use std::{sync::Arc, time::SystemTime};

use commonware_cryptography::ed25519::PublicKey;
use commonware_p2p::Ingress;

use super::{PeerInfo, PeerStatus, Role, STATUS_LIFETIME, traffic::Counted};
use crate::{Reason, metrics, status::millis};

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) role: Option<Role>,
    pub(super) ingress: Option<Ingress>,
    pub(super) session: Option<Session>,
    pub(super) blocked: Option<Blocked>,
    pub(super) traffic: Arc<Counted>,
    head: ::metrics::Gauge,
}

/// A connection, as long as it lasts.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) number: u64,
    pub(super) since: SystemTime,
    /// When the peer was last told how we are.
    pub(super) told: Option<SystemTime>,
    /// What the peer last said of itself.
    pub(super) heard: Option<Heard>,
}

#[derive(Debug)]
pub(super) struct Heard {
    pub(super) status: PeerStatus,
    pub(super) at: SystemTime,
}

#[derive(Debug)]
pub(super) struct Blocked {
    pub(super) reason: Reason,
    /// Whether the library has confirmed it.
    confirmed: bool,
}

impl Entry {
    pub(super) fn new(key: &PublicKey) -> Self {
        let label = metrics::peer_label(key);
        Self {
            role: None,
            ingress: None,
            session: None,
            blocked: None,
            traffic: Arc::new(Counted::new(&label)),
            head: metrics::peer_head(&label),
        }
    }

    /// Whether it is connected, follows this chain and said so lately.
    pub(super) fn is_present(&self) -> bool {
        self.heard().is_some()
    }

    pub(super) fn heard(&self) -> Option<&Heard> {
        self.session
            .as_ref()
            .filter(|_| self.blocked.is_none())?
            .heard
            .as_ref()
    }

    /// Whether there is nothing left to know.
    pub(super) const fn is_idle(&self) -> bool {
        self.role.is_none() && self.session.is_none() && self.blocked.is_none()
    }

    pub(super) fn note_head(&self, number: u64) {
        self.head.set(number as f64);
    }

    /// True if there was one, and it was too old.
    pub(super) fn forget_old_status(&mut self, now: SystemTime) -> bool {
        let Some(session) = &mut self.session else {
            return false;
        };
        let is_old = session.heard.as_ref().is_some_and(|heard| {
            now.duration_since(heard.at)
                .is_ok_and(|age| age > STATUS_LIFETIME)
        });
        if is_old {
            session.heard = None;
        }
        is_old
    }

    pub(super) fn block(&mut self, reason: Reason) {
        self.session = None;
        self.blocked = Some(Blocked {
            reason,
            confirmed: false,
        });
    }

    /// Compares with what the library says. True if the peer is not blocked any more: it was said
    /// to be once, and is not now.
    pub(super) fn unblock(&mut self, is_blocked: bool) -> bool {
        match &mut self.blocked {
            Some(blocked) if is_blocked => {
                blocked.confirmed = true;
                false
            }
            Some(blocked) if blocked.confirmed => {
                self.blocked = None;
                true
            }
            _ => false,
        }
    }

    pub(super) fn info(&self, key: PublicKey, name: Option<String>) -> PeerInfo {
        PeerInfo {
            key,
            name,
            role: self.role,
            address: self.ingress.clone(),
            connected_since: self.session.as_ref().map(|session| millis(session.since)),
            status: self.heard().map(|heard| heard.status),
            traffic: self.traffic.snapshot(),
            blocked: self.blocked.as_ref().map(|blocked| blocked.reason.clone()),
        }
    }
}
