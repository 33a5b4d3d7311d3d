//! All waiting transactions in memory: insertion, replacement, limits.
//!
//! Nothing here touches a disk, so the lock around it is held for microseconds.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
    time::Duration,
};

use alloy_consensus::Transaction as _;
use alloy_primitives::{Address, B256, BlockNumber, U256};

use crate::{
    best::{BestTransactions, Candidate, Progress},
    config::PoolConfig,
    error::PoolError,
    evict::EvictionOrder,
    sender::{SenderAccount, SenderQueue, SenderStanding},
    transaction::PooledTransaction,
};

/// Whether a transaction was accepted before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Acceptance {
    /// It comes from a client or a peer.
    First,
    /// It comes from the journal: it may wait for funds or for a right that its sender no longer
    /// has, and limits of one sender do not apply to it, as it would be in a pool that had kept it.
    Again,
}

/// A transaction that left, with what is needed to put it back.
#[derive(Clone, Debug)]
pub(crate) struct RemovedTransaction {
    pub(crate) transaction: Arc<PooledTransaction>,
    standing: SenderStanding,
}

/// What an insertion did.
#[derive(Debug, Default)]
pub(crate) struct Inserted {
    /// The transaction that had the same sender and nonce.
    pub(crate) replaced: Option<RemovedTransaction>,
    /// Transactions that had to go because the pool was full.
    pub(crate) evicted: Vec<RemovedTransaction>,
}

/// Transactions that have waited too long, by what they waited for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Expired {
    /// A nonce, funds, or one before them.
    pub(crate) waiting: Vec<B256>,
    /// The right to send them.
    pub(crate) without_rights: Vec<B256>,
}

/// All waiting transactions.
#[derive(Debug)]
pub(crate) struct Waiting {
    config: PoolConfig,
    by_hash: HashMap<B256, Arc<PooledTransaction>>,
    senders: HashMap<Address, SenderQueue>,
    eviction: EvictionOrder,
    /// How many waiting transactions set the code of an account (EIP-7702).
    authorities: HashMap<Address, usize>,
    executable: usize,
    bytes: usize,
    /// Of the executable transactions that builders could not apply: at how many heads, and the
    /// last of these.
    reports: HashMap<B256, (usize, BlockNumber)>,
    /// What has become executable since it was last asked for.
    newly_executable: Vec<Arc<PooledTransaction>>,
}

impl Waiting {
    pub(crate) fn new(config: PoolConfig) -> Self {
        Self {
            config,
            by_hash: HashMap::new(),
            senders: HashMap::new(),
            eviction: EvictionOrder::default(),
            authorities: HashMap::new(),
            executable: 0,
            bytes: 0,
            reports: HashMap::new(),
            newly_executable: Vec::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.by_hash.len()
    }

    pub(crate) const fn executable_len(&self) -> usize {
        self.executable
    }

    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn get(&self, hash: &B256) -> Option<&Arc<PooledTransaction>> {
        self.by_hash.get(hash)
    }

    pub(crate) fn sender(&self, sender: &Address) -> Option<&SenderQueue> {
        self.senders.get(sender)
    }

    pub(crate) fn senders(&self) -> impl Iterator<Item = (&Address, &SenderQueue)> {
        self.senders.iter()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<PooledTransaction>> {
        self.by_hash.values()
    }

    pub(crate) fn best(&self, progress: &Progress) -> BestTransactions {
        BestTransactions::new(
            self.senders
                .iter()
                .map(|(sender, queue)| {
                    let taken = progress.of(sender);
                    Candidate {
                        sender: *sender,
                        last_served: queue.standing.last_served.max(taken.served),
                        taken: taken.count,
                        transactions: queue.offered_from(taken.next_nonce).cloned().collect(),
                    }
                })
                .filter(|candidate| !candidate.transactions.is_empty()),
        )
    }

    /// Puts a transaction in that meets the rules on its own, if it also meets those that depend
    /// on the others: it is new, it outbids what it replaces, the sender can pay for it and has
    /// room for it, and the pool has or can make room.
    ///
    /// # Errors
    /// The rule it breaks; nothing has changed then, except for what `account` says about the
    /// sender.
    pub(crate) fn insert(
        &mut self,
        transaction: &Arc<PooledTransaction>,
        account: SenderAccount,
        acceptance: Acceptance,
    ) -> Result<Inserted, PoolError> {
        let (hash, sender, nonce) = (
            transaction.hash(),
            transaction.sender(),
            transaction.nonce(),
        );
        if self.by_hash.contains_key(&hash) {
            return Err(PoolError::AlreadyKnown);
        }
        if self.senders.contains_key(&sender) {
            self.set_account(sender, account, transaction.arrived_at);
        }
        if let Some(queue) = self.senders.get(&sender) {
            if let Some(old) = queue.get(nonce) {
                self.check_replacement(old, transaction)?;
            }
            if acceptance == Acceptance::First {
                self.check_sender_limits(sender, queue, transaction)?;
            }
        }
        let queued = self
            .senders
            .get(&sender)
            .map_or(U256::ZERO, |queue| queue.executable_cost_without(nonce));
        if acceptance == Acceptance::First
            && queued
                .checked_add(transaction.cost)
                .is_none_or(|total| total > account.balance)
        {
            return Err(PoolError::InsufficientFunds {
                balance: account.balance,
                queued,
                cost: transaction.cost,
            });
        }

        let known = self
            .senders
            .get(&sender)
            .map(|queue| queue.standing)
            .unwrap_or_default();
        let standing = SenderStanding {
            account,
            last_active: known.last_active.max(transaction.arrived_at),
            ..known
        };
        let frontier = self
            .senders
            .get(&sender)
            .map_or(account.nonce, SenderQueue::next_nonce);
        if nonce < frontier {
            // What follows the executable ones is noticed by itself, what replaces one is not.
            self.newly_executable.push(Arc::clone(transaction));
        }
        let mut inserted = Inserted {
            replaced: self.insert_unchecked(Arc::clone(transaction), standing),
            ..Inserted::default()
        };
        while self.by_hash.len() > self.config.max_transactions
            || self.bytes > self.config.max_bytes
        {
            let Some(victim) = self.worst() else { break };
            if victim == hash {
                self.undo(&hash, inserted);
                return Err(PoolError::PoolFull {
                    transactions: self.len(),
                    bytes: self.bytes,
                });
            }
            inserted.evicted.extend(self.remove(&victim));
        }
        Ok(inserted)
    }

    /// Takes an insertion back, as if it had not been.
    pub(crate) fn undo(&mut self, hash: &B256, inserted: Inserted) {
        self.remove(hash);
        // Those that come back were announced when they came.
        let announced = self.newly_executable.len();
        for removed in inserted
            .replaced
            .into_iter()
            .chain(inserted.evicted.into_iter().rev())
        {
            self.insert_unchecked(removed.transaction, removed.standing);
        }
        self.newly_executable.truncate(announced);
    }

    /// Takes a transaction out. Those of the same sender behind it wait for another in its place.
    pub(crate) fn remove(&mut self, hash: &B256) -> Option<RemovedTransaction> {
        let transaction = self.by_hash.get(hash).cloned()?;
        let sender = transaction.sender();
        let standing = self.change(sender, |queue| {
            queue.remove(transaction.nonce());
            queue.standing
        })?;
        self.unindex(&transaction);
        Some(RemovedTransaction {
            transaction,
            standing,
        })
    }

    /// The transactions that have become executable since this was last asked, as far as they
    /// still are; those of one sender in the order of their nonces.
    pub(crate) fn take_newly_executable(&mut self) -> Vec<Arc<PooledTransaction>> {
        let mut newly = std::mem::take(&mut self.newly_executable);
        newly.retain(|transaction| self.is_executable(transaction));
        newly
    }

    /// Whether the next block could take this transaction of the pool.
    pub(crate) fn is_executable(&self, transaction: &PooledTransaction) -> bool {
        self.senders
            .get(&transaction.sender())
            .is_some_and(|queue| {
                let nonce = transaction.nonce();
                let found = queue.get(nonce).map(|found| found.hash());
                nonce < queue.next_nonce() && found == Some(transaction.hash())
            })
    }

    /// Notes that a builder could not apply a transaction on the block with number `head`.
    /// Returns at how many heads that has happened.
    pub(crate) fn count_invalid(&mut self, hash: &B256, head: BlockNumber) -> usize {
        if !self.by_hash.contains_key(hash) {
            return 0;
        }
        let (count, last) = self.reports.entry(*hash).or_insert((0, head));
        if *count == 0 || *last != head {
            (*count, *last) = (*count + 1, head);
        }
        *count
    }

    /// Takes over what the state says about a sender at the time `now`. Returns the transactions
    /// whose nonce is used up.
    pub(crate) fn set_account(
        &mut self,
        sender: Address,
        account: SenderAccount,
        now: Duration,
    ) -> Vec<Arc<PooledTransaction>> {
        let stale = self
            .change(sender, |queue| queue.set_account(account, now))
            .unwrap_or_default();
        for transaction in &stale {
            self.unindex(transaction);
        }
        stale
    }

    /// Notes that block `number` held a transaction of this sender.
    pub(crate) fn served(&mut self, sender: &Address, number: u64, now: Duration) {
        if let Some(queue) = self.senders.get_mut(sender) {
            queue.standing.last_served = number;
            queue.standing.last_active = now;
        }
    }

    /// Lets those who lack a right wait from `now` on: a restart does not know since when they do.
    pub(crate) fn renew_without_rights(&mut self, now: Duration) {
        for queue in self.senders.values_mut() {
            if queue.lacks_rights() {
                queue.standing.last_active = queue.standing.last_active.max(now);
            }
        }
    }

    /// The transactions that cannot be executed and whose senders have not been active since
    /// `before`.
    pub(crate) fn expired(&self, before: Duration) -> Expired {
        let mut expired = Expired::default();
        for queue in self.senders.values() {
            if queue.standing.last_active >= before {
                continue;
            }
            let rights = queue.standing.account.rights;
            for transaction in queue.queued() {
                let of_its_kind = if rights.cover(transaction) {
                    &mut expired.waiting
                } else {
                    &mut expired.without_rights
                };
                of_its_kind.push(transaction.hash());
            }
        }
        expired
    }

    /// Both fees must rise by the configured percentage, and at least by one wei: an equal bid
    /// would let anyone keep the network busy with versions of one transaction for nothing.
    fn check_replacement(
        &self,
        old: &PooledTransaction,
        new: &PooledTransaction,
    ) -> Result<(), PoolError> {
        let percent = u128::from(self.config.replacement_bump_percent);
        let raised =
            |fee: u128| fee.saturating_add(fee.saturating_mul(percent).div_ceil(100).max(1));
        let fees = |transaction: &PooledTransaction| {
            let max_fee = transaction.transaction.max_fee_per_gas();
            (
                max_fee,
                transaction
                    .transaction
                    .max_priority_fee_per_gas()
                    .unwrap_or(max_fee),
            )
        };
        let ((old_fee, old_tip), (new_fee, new_tip)) = (fees(old), fees(new));
        let (required_max_fee, required_tip) = (raised(old_fee), raised(old_tip));
        if new_fee < required_max_fee || new_tip < required_tip {
            return Err(PoolError::ReplacementUnderpriced {
                replaced: old.hash(),
                required_max_fee,
                required_tip,
            });
        }
        Ok(())
    }

    fn check_sender_limits(
        &self,
        sender: Address,
        queue: &SenderQueue,
        new: &PooledTransaction,
    ) -> Result<(), PoolError> {
        let old = queue.get(new.nonce());
        let count = queue.len();
        if old.is_none() {
            let limit = self.config.max_sender_transactions;
            if count >= limit {
                return Err(PoolError::SenderLimit {
                    sender,
                    count,
                    limit,
                });
            }
            let limit = self.config.max_delegated_sender_transactions;
            let delegated =
                queue.standing.account.delegated || self.authorities.contains_key(&sender);
            if delegated && count >= limit {
                return Err(PoolError::DelegatedSenderLimit {
                    sender,
                    count,
                    limit,
                });
            }
        }
        let bytes = queue.bytes() - old.map_or(0, |old| old.size) + new.size;
        let limit = self.config.max_sender_bytes;
        if bytes > limit {
            return Err(PoolError::SenderBytesLimit {
                sender,
                bytes,
                limit,
            });
        }
        Ok(())
    }

    fn worst(&self) -> Option<B256> {
        let sender = self.eviction.worst()?;
        Some(self.senders.get(&sender)?.tail()?.hash())
    }

    /// Puts a transaction in without asking whether it may.
    fn insert_unchecked(
        &mut self,
        transaction: Arc<PooledTransaction>,
        standing: SenderStanding,
    ) -> Option<RemovedTransaction> {
        let sender = transaction.sender();
        self.bytes += transaction.size;
        for authority in &transaction.authorities {
            *self.authorities.entry(*authority).or_default() += 1;
        }
        self.by_hash
            .insert(transaction.hash(), Arc::clone(&transaction));
        self.senders
            .entry(sender)
            .or_insert_with(|| SenderQueue::new(standing));
        let (replaced, before) = self.change(sender, |queue| {
            let before = std::mem::replace(&mut queue.standing, standing);
            (queue.insert(transaction), before)
        })?;
        let replaced = replaced?;
        self.unindex(&replaced);
        Some(RemovedTransaction {
            transaction: replaced,
            standing: before,
        })
    }

    /// Changes a sender's queue and everything that is derived from it.
    fn change<R>(
        &mut self,
        sender: Address,
        change: impl FnOnce(&mut SenderQueue) -> R,
    ) -> Option<R> {
        let Entry::Occupied(mut entry) = self.senders.entry(sender) else {
            return None;
        };
        let queue = entry.get_mut();
        let frontier = queue.next_nonce();
        self.executable -= queue.executable_len();
        let result = change(queue);
        self.executable += queue.executable_len();
        if queue.next_nonce() > frontier {
            self.newly_executable
                .extend(queue.executable_from(frontier).cloned());
        }
        self.eviction.update(sender, Some(queue));
        if queue.is_empty() {
            entry.remove();
        }
        Some(result)
    }

    /// Drops what is kept about a transaction outside of its sender's queue.
    fn unindex(&mut self, transaction: &PooledTransaction) {
        if self.by_hash.remove(&transaction.hash()).is_some() {
            self.bytes -= transaction.size;
            self.reports.remove(&transaction.hash());
            for authority in &transaction.authorities {
                if let Entry::Occupied(mut count) = self.authorities.entry(*authority) {
                    *count.get_mut() -= 1;
                    if *count.get() == 0 {
                        count.remove();
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
