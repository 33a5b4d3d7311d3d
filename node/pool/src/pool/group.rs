//! Group commit: submissions that arrive while the journal is being written go into it together, so
//! that they wait for the disk once.
//!
//! Whoever comes first leads: it takes in what has gathered, its own submission first, hands the
//! outcomes out, and passes the lead to the next that waits. Nobody leads more than one group, so
//! that nobody works for others without end.

use std::{
    collections::VecDeque,
    io, mem,
    sync::{Arc, mpsc},
};

use alloy_primitives::B256;
use parking_lot::Mutex;

use crate::{error::PoolError, transaction::PooledTransaction};

/// Transactions of one group. Larger submissions are a group of their own; more wait, so that none
/// waits long for its outcome.
const GROUP: usize = 1_024;

/// A transaction that was checked as far as it can be without the others.
pub(super) type Prepared = Result<PooledTransaction, PoolError>;
/// What became of a transaction.
pub(super) type Outcome = Result<B256, PoolError>;

/// Gathers submissions.
#[derive(Debug, Default)]
pub(super) struct GroupCommit(Mutex<Queue>);

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Submission>,
    /// Whether somebody leads.
    led: bool,
}

#[derive(Debug)]
struct Submission {
    prepared: Vec<Prepared>,
    wake: mpsc::Sender<Wake>,
}

/// Why a submission need not wait any longer.
enum Wake {
    Lead,
    Done(Vec<Outcome>),
}

/// Passes the lead on when dropped, also by a panic.
struct Lead<'a>(&'a Mutex<Queue>);

impl GroupCommit {
    /// Has `commit` take these transactions in, by this thread or by another that waits here, and
    /// returns their outcomes in their order. Blocks until then.
    pub(super) fn submit(
        &self,
        prepared: Vec<Prepared>,
        commit: impl FnOnce(Vec<Prepared>) -> Vec<Outcome>,
    ) -> Vec<Outcome> {
        let count = prepared.len();
        let (wake, woken) = mpsc::channel();
        let leads = {
            let mut queue = self.0.lock();
            queue.waiting.push_back(Submission { prepared, wake });
            !mem::replace(&mut queue.led, true)
        };
        if !leads {
            match woken.recv() {
                Ok(Wake::Done(outcomes)) => return outcomes,
                Ok(Wake::Lead) => {}
                Err(mpsc::RecvError) => return lost(count),
            }
        }
        self.lead(commit);
        // The leader is the first of its group.
        match woken.try_recv() {
            Ok(Wake::Done(outcomes)) => outcomes,
            _ => lost(count),
        }
    }

    fn lead(&self, commit: impl FnOnce(Vec<Prepared>) -> Vec<Outcome>) {
        let _lead = Lead(&self.0);
        let (mut prepared, mut shares) = (Vec::new(), Vec::new());
        {
            let mut queue = self.0.lock();
            while let Some(next) = queue.waiting.front()
                && (shares.is_empty() || prepared.len() + next.prepared.len() <= GROUP)
                && let Some(next) = queue.waiting.pop_front()
            {
                shares.push((next.wake, next.prepared.len()));
                prepared.extend(next.prepared);
            }
        }
        let mut outcomes = commit(prepared).into_iter();
        for (wake, count) in shares {
            // Who waits does so until it is woken.
            let _ = wake.send(Wake::Done(outcomes.by_ref().take(count).collect()));
        }
    }

    /// How many submissions wait for the next group.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.0.lock().waiting.len()
    }
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        let mut queue = self.0.lock();
        queue.led = queue
            .waiting
            .front()
            .is_some_and(|next| next.wake.send(Wake::Lead).is_ok());
    }
}

/// The outcomes of a submission whose leader died.
fn lost(count: usize) -> Vec<Outcome> {
    let error = io::Error::other("the thread that wrote it ended early");
    vec![Err(PoolError::JournalWrite(Arc::new(error))); count]
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    /// Hands every transaction back as it came; all of these were refused before.
    fn refuse(prepared: Vec<Prepared>) -> Vec<Outcome> {
        let refused = prepared.into_iter().filter_map(Result::err);
        refused.map(Err).collect()
    }

    fn message(outcomes: Vec<Outcome>) -> Vec<String> {
        let errors = outcomes.into_iter().filter_map(Result::err);
        errors.map(|error| error.to_string()).collect()
    }

    #[test]
    fn everybody_gets_the_outcomes_of_what_they_brought() {
        let group = GroupCommit::default();
        let (leads, led) = mpsc::channel();
        let (go_on, may_go_on) = mpsc::channel();
        thread::scope(|scope| {
            let first = scope.spawn(|| {
                group.submit(vec![Err(PoolError::AlreadyKnown)], move |prepared| {
                    leads.send(()).expect("is awaited");
                    may_go_on.recv().expect("is sent");
                    refuse(prepared)
                })
            });
            led.recv().expect("leads");
            let others = [
                vec![Err(PoolError::NonceMax), Err(PoolError::BlobRefused)],
                vec![],
                vec![Err(PoolError::InvalidSignature)],
            ]
            .map(|prepared| {
                let (expected, group) = (prepared.clone(), &group);
                (
                    expected,
                    scope.spawn(move || group.submit(prepared, refuse)),
                )
            });
            while group.waiting() < others.len() {
                thread::yield_now();
            }
            go_on.send(()).expect("is awaited");
            assert_eq!(message(first.join().expect("no panic")), ["already known"]);
            for (expected, other) in others {
                assert_eq!(
                    message(other.join().expect("no panic")),
                    message(refuse(expected))
                );
            }
        });
        assert_eq!(
            message(group.submit(vec![Err(PoolError::AlreadyKnown)], refuse)).len(),
            1
        );
    }

    #[test]
    fn a_leader_that_dies_takes_only_its_group_with_it() {
        let group = GroupCommit::default();
        let known = || vec![Err(PoolError::AlreadyKnown)];
        let (leads, led) = mpsc::channel();
        let (go_on, may_go_on) = mpsc::channel();
        let mut outcomes = thread::scope(|scope| {
            let first = scope.spawn(|| {
                group.submit(known(), move |prepared| {
                    leads.send(()).expect("is awaited");
                    may_go_on.recv().expect("is sent");
                    refuse(prepared)
                })
            });
            led.recv().expect("leads");
            let others = [0, 1].map(|_| scope.spawn(|| group.submit(known(), |_| panic!("dies"))));
            while group.waiting() < others.len() {
                thread::yield_now();
            }
            go_on.send(()).expect("is awaited");
            first.join().expect("no panic");
            others.map(|other| other.join().ok().map(message))
        });
        outcomes.sort_unstable();
        let lost = "the transaction was not accepted because the pool's journal could not be written: the thread that wrote it ended early";
        assert_eq!(outcomes, [None, Some(vec![lost.to_owned()])]);
        assert_eq!(message(group.submit(known(), refuse)), ["already known"]);
    }
}
