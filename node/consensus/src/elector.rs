//! Who leads which view.

use commonware_consensus::{
    simplex::elector::{Config, Elector, Scheduled, Terms},
    types::{Participant, Round},
};
use commonware_cryptography::{certificate::Scheme, ed25519::PublicKey};
use commonware_utils::ordered::{Quorum as _, Set};

use crate::Committee;

/// Leaders take turns in the order of their signers' addresses, beginning with the one who is in
/// turn (EIP-225) at the first block of the epoch. As long as no view fails, every block is that
/// of the signer in turn. A leader follows from the view alone and never from the height: nodes
/// that know of different blocks must name the same one.
#[derive(Clone, Debug)]
pub struct Turns {
    order: Vec<PublicKey>,
    first: u64,
}

impl Turns {
    /// The turns of `committee`, in the epoch whose first block is number `first`.
    pub fn new(committee: &Committee, first: u64) -> Self {
        Self {
            order: committee
                .validators()
                .iter()
                .map(|member| member.node.key.clone())
                .collect(),
            first,
        }
    }
}

impl<S: Scheme<PublicKey = PublicKey>> Config<S> for Turns {
    type Elector = Leaders;

    fn build(self, participants: &Set<PublicKey>) -> Leaders {
        let order = self.order.iter().filter_map(|key| participants.index(key));
        let order: Vec<_> = order.collect();
        assert!(!order.is_empty(), "a committee has members");
        Leaders {
            order,
            first: self.first,
        }
    }
}

/// The leaders of an epoch, by their place among the keys of its committee.
#[derive(Clone, Debug)]
pub struct Leaders {
    order: Vec<Participant>,
    first: u64,
}

impl<S: Scheme> Elector<S> for Leaders {
    type Mode = Scheduled;

    fn terms(&self) -> Terms {
        Terms::rotating()
    }

    fn elect(&self, round: Round, (): ()) -> Participant {
        let members = self.order.len() as u64;
        // Views count from 1.
        let view = round.view().get().saturating_sub(1) % members;
        let place = (self.first % members + view) % members;
        self.order[place as usize]
    }
}
