//! Who has to go when the pool is full.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, HashMap},
};

use alloy_primitives::Address;

use crate::sender::SenderQueue;

/// How far a sender's last transaction is from being worth its place; the smallest goes first.
///
/// Only the transaction with the highest nonce is ever evicted, because taking one from the
/// middle would make those behind it useless. It cannot be executed before the others, so it is
/// worth no more than the cheapest of them: a high tip at the end of a long cheap queue protects
/// nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Worth {
    /// What cannot be executed goes before what can.
    executable: bool,
    /// Then the worst tip.
    lowest_tip: u128,
    /// Then the sender with the most transactions.
    count: Reverse<usize>,
    /// Then what came last.
    arrival: Reverse<u64>,
    sender: Address,
}

impl Worth {
    fn of(sender: Address, queue: &SenderQueue) -> Option<Self> {
        Some(Self {
            executable: queue.executable_len() == queue.len(),
            lowest_tip: queue.lowest_tip()?,
            count: Reverse(queue.len()),
            arrival: Reverse(queue.tail()?.arrival),
            sender,
        })
    }
}

/// All senders, the one to lose its last transaction first.
#[derive(Debug, Default)]
pub(crate) struct EvictionOrder {
    order: BTreeSet<Worth>,
    by_sender: HashMap<Address, Worth>,
}

impl EvictionOrder {
    /// Notes what became of a sender's queue; `None` or an empty queue forgets the sender.
    pub(crate) fn update(&mut self, sender: Address, queue: Option<&SenderQueue>) {
        if let Some(old) = self.by_sender.remove(&sender) {
            self.order.remove(&old);
        }
        if let Some(worth) = queue.and_then(|queue| Worth::of(sender, queue)) {
            self.order.insert(worth);
            self.by_sender.insert(sender, worth);
        }
    }

    /// The sender that loses its last transaction next.
    pub(crate) fn worst(&self) -> Option<Address> {
        self.order.first().map(|worth| worth.sender)
    }
}
