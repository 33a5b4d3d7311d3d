//! The rules of this crate that safety or liveness needs, by name, so that a simulation can switch
//! one off and show that it notices. Nothing can be switched off in a node: that takes the feature
//! `mutants`, which only tests of this crate have.
//!
//! | without | what goes wrong | what notices |
//! | --- | --- | --- |
//! | [`Rule::ExecuteBeforeVote`] | a leader's invalid block becomes final | nodes end: it cannot be executed |
//! | [`Rule::CheckBody`] | a body that is not the header's takes the true one's place | the same |
//! | [`Rule::LimitTime`] | a leader whose clock is ahead takes the chain with it | blocks are from the future |
//! | [`Rule::KeepGoing`] | after a vote nobody is left who may sign | the chain stands |
//! | [`Rule::KeepVotes`] | a node whose votes are lost votes again, otherwise | two blocks at one height |
//! | [`Rule::AskFirst`] | a wiped validator contradicts the votes that it lost | evidence against an honest node |
//! | [`Rule::CommitBeforeShowing`] | a client sees what a crash undoes | a head is taken back |
//! | [`Rule::StoreBeforeAcknowledging`] | the engine leaves a block to a node that loses it | a node that crashed does not start |
//!
//! How many votes are a quorum is the library's, and fixed by the type of the scheme. In its place a
//! simulation lets one validator more be at fault than a quorum bears.

/// A rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// A block is executed before it is voted for.
    ExecuteBeforeVote,
    /// A block has the body that its header commits to, whoever it comes from.
    CheckBody,
    /// No vote for a block that is far ahead of this node's clock.
    LimitTime,
    /// No vote for a block after which the chain could stand still.
    KeepGoing,
    /// A node whose votes are lost does not vote.
    KeepVotes,
    /// A node without votes asks the committee before it votes.
    AskFirst,
    /// A block is stored before a client is shown it.
    CommitBeforeShowing,
    /// A final block is stored before the engine is told that it is taken care of.
    StoreBeforeAcknowledging,
}

#[cfg(feature = "mutants")]
mod switch {
    use std::cell::Cell;

    use super::Rule;

    thread_local! {
        static OFF: Cell<Option<Rule>> = const { Cell::new(None) };
    }

    impl Rule {
        /// Switches one rule off for whatever runs on this thread, and the others on.
        pub fn switch_off(rule: Option<Self>) {
            OFF.set(rule);
        }

        pub(crate) fn holds(self) -> bool {
            OFF.get() != Some(self)
        }
    }
}

#[cfg(not(feature = "mutants"))]
impl Rule {
    pub(crate) const fn holds(self) -> bool {
        true
    }
}
