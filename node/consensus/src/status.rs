//! What this node does in the agreement.

use std::{fmt, sync::Arc};

use crate::Committee;

/// Where a node stands in the agreement.
#[derive(Clone, Debug)]
pub struct Status {
    /// The epoch of the next block.
    pub epoch: u64,
    /// Its committee.
    pub committee: Arc<Committee>,
    /// What this node does in it.
    pub role: Role,
}

/// What a node does in an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It proposes and votes.
    Votes,
    /// It follows: its node key is not in the committee.
    NotAMember,
    /// It follows: it has no votes of its own, and asks the committee whether there were any.
    Asks,
    /// It follows: it may have voted in this epoch. It votes when a later view has a final block.
    Waits,
    /// It follows: it voted before, and those votes are lost. The operator must confirm.
    VotesLost,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Votes => "in the committee",
            Self::NotAMember => "the node key is not in the committee of this epoch",
            Self::Asks => {
                "no vote of this node key is here: asking the committee whether it voted before; if \
                 the chain stands because too few answer, and no other node has this key, \
                 --consensus.rejoin=now takes part at once"
            }
            Self::Waits => {
                "this node key may have voted in this epoch: it votes again when a later view has a \
                 final block; if the chain stands without it, and no other node has this key, \
                 --consensus.rejoin=now takes part at once"
            }
            Self::VotesLost => {
                "this node key voted before and its votes are not here (a restored backup, a \
                 copied disk?); confirm with --consensus.rejoin that no other node has this key"
            }
        })
    }
}

/// What the operator says of a node whose votes may be lost: that of a restored backup, of a copied
/// disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rejoin {
    /// Nothing: if it is known to have voted, it follows.
    #[default]
    No,
    /// No other node has its key. It votes as soon as what the committee says shows that it
    /// contradicts no lost vote.
    Ask,
    /// Nor does it matter whether a vote is lost: the chain stands without it. It votes at once.
    Now,
}
