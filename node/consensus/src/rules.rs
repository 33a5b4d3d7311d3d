//! The rules of this crate that safety or liveness needs, by name, so that a simulation can switch
//! one off and show that it notices. Nothing can be switched off in a node: that takes the feature
//! `mutants`, which only tests of this crate have.

/// A rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// A block is executed before it is voted for.
    ExecuteBeforeVote,
    /// No vote for a block after which the chain could stand still.
    KeepGoing,
    /// A node whose votes are lost does not vote.
    KeepVotes,
    /// A node without votes asks the committee before it votes.
    AskFirst,
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
