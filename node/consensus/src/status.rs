//! What this node does in the agreement.

use std::{fmt, sync::Arc};

use commonware_consensus::types::Epoch;

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
    /// It follows: it joined when the epoch had begun, and may have voted in it before.
    CatchingUp,
    /// It follows: it voted before, and those votes are lost. The operator must confirm.
    VotesLost,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Votes => "in the committee",
            Self::NotAMember => "the node key is not in the committee of this epoch",
            Self::CatchingUp => {
                "the epoch had begun when this node came to it; it votes from the next epoch on"
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
    /// Nothing: it follows.
    #[default]
    No,
    /// No other node has its key. It votes from the next epoch on, which no lost vote can
    /// contradict.
    NextEpoch,
    /// Nor is there a lost vote: the chain stands without it. It votes at once.
    Now,
}

impl Rejoin {
    /// Whether a node that started in epoch `began` votes in `epoch`.
    pub(crate) fn permits(self, epoch: Epoch, began: Epoch) -> bool {
        match self {
            Self::No => false,
            Self::NextEpoch => epoch > began,
            Self::Now => true,
        }
    }
}
