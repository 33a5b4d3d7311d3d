//! How far this node's own votes have come.

use std::sync::Arc;

use commonware_consensus::types::{Epoch, View};
use parking_lot::Mutex;

/// How far the votes of a node have come in an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It does not know: its votes may be lost, or its journal is not read yet.
    Unknown,
    /// It has not voted.
    NotBegun,
    /// No vote of it is above this view.
    Voted(View),
}

/// The standing of this node, kept right by what lets its votes out. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct OwnVotes(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    epoch: Epoch,
    standing: Standing,
    /// The highest view of a vote of this node that was seen, maybe in the journal.
    highest: View,
}

impl OwnVotes {
    pub(crate) fn new(epoch: Epoch) -> Self {
        Self(Arc::new(Mutex::new(State {
            epoch,
            standing: Standing::Unknown,
            highest: View::zero(),
        })))
    }

    /// Where this node stands at the beginning of an epoch, or of its votes in it.
    pub(crate) fn set(&self, epoch: Epoch, standing: Standing) {
        let highest = match standing {
            Standing::Voted(view) => view,
            _ => View::zero(),
        };
        *self.0.lock() = State {
            epoch,
            standing,
            highest,
        };
    }

    pub(crate) fn get(&self) -> (Epoch, Standing) {
        let state = self.0.lock();
        (state.epoch, state.standing)
    }

    /// The engine tells of a vote of this node. While it reads its journal the highest is yet to
    /// come, so that alone makes nothing known.
    pub(crate) fn seen(&self, epoch: Epoch, view: View) {
        let mut state = self.0.lock();
        if state.epoch == epoch {
            state.highest = state.highest.max(view);
            if state.standing != Standing::Unknown {
                state.standing = Standing::Voted(state.highest);
            }
        }
    }

    /// A vote is about to leave, of a view that is not known yet.
    pub(crate) fn leaving(&self, epoch: Epoch) {
        let mut state = self.0.lock();
        if state.epoch == epoch {
            state.standing = Standing::Unknown;
        }
    }

    /// A vote leaves. The engine lets none out before it has read its journal.
    pub(crate) fn leaves(&self, epoch: Epoch, view: View) {
        let mut state = self.0.lock();
        if state.epoch == epoch {
            state.highest = state.highest.max(view);
            state.standing = Standing::Voted(state.highest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_that_is_read_says_nothing_before_a_vote_leaves() {
        let (now, before) = (Epoch::new(3), Epoch::new(2));
        let votes = OwnVotes::new(now);
        votes.seen(now, View::new(8));
        votes.seen(now, View::new(7));
        assert_eq!(votes.get(), (now, Standing::Unknown));
        // A late vote of a view before the highest.
        votes.leaving(now);
        votes.leaves(now, View::new(7));
        assert_eq!(votes.get(), (now, Standing::Voted(View::new(8))));
        votes.leaves(before, View::new(20));
        votes.leaving(before);
        assert_eq!(votes.get(), (now, Standing::Voted(View::new(8))));
        // A vote that the network did not take may be in a certificate nevertheless.
        votes.leaving(now);
        assert_eq!(votes.get(), (now, Standing::Unknown));
        votes.set(Epoch::new(4), Standing::NotBegun);
        votes.seen(Epoch::new(4), View::new(1));
        assert_eq!(votes.get(), (Epoch::new(4), Standing::Voted(View::new(1))));
    }
}
