//! What the gossip keeps for one peer.

use std::{collections::VecDeque, time::SystemTime};

use alloy_primitives::Bytes;

use super::{batch, standing::Standing};
use crate::peers::Role;

/// Most bytes that wait for one peer. What finds no room is offered again later.
const MAX_QUEUED_BYTES: usize = 4 * 1024 * 1024;
/// Most transactions that wait for one peer.
const MAX_QUEUED: usize = 16_384;

#[derive(Debug)]
pub(super) struct Link {
    /// By which the knowledge about transactions knows this connection.
    pub(super) number: u32,
    /// The connection, once the peer has said that it is on this chain.
    pub(super) session: Option<u64>,
    pub(super) role: Role,
    pub(super) standing: Standing,
    queue: VecDeque<Bytes>,
    queued_bytes: usize,
}

impl Link {
    pub(super) const fn new(number: u32, role: Role, now: SystemTime) -> Self {
        Self {
            number,
            session: None,
            role,
            standing: Standing::new(now),
            queue: VecDeque::new(),
            queued_bytes: 0,
        }
    }

    /// Has an encoded transaction wait for the next batch. False if there is no room.
    pub(super) fn enqueue(&mut self, transaction: Bytes) -> bool {
        if self.queue.len() >= MAX_QUEUED || self.queued_bytes >= MAX_QUEUED_BYTES {
            return false;
        }
        self.queued_bytes += transaction.len();
        self.queue.push_back(transaction);
        true
    }

    pub(super) fn is_waiting(&self) -> bool {
        !self.queue.is_empty()
    }

    /// The next batch and how many transactions it has.
    pub(super) fn next_batch(&self) -> Option<(Vec<u8>, usize)> {
        batch::encode(self.queue.iter().map(|transaction| transaction.as_ref()))
    }

    /// Forgets the first of those that wait.
    pub(super) fn sent(&mut self, count: usize) {
        for transaction in self.queue.drain(..count.min(self.queue.len())) {
            self.queued_bytes -= transaction.len();
        }
    }
}
