//! Carries waiting readings to the chain, and stays with each until it is there for good.

use crate::{
    Batch, MeterId, Outbox, OutboxError, Outcome, ReadingKey, Waiting, backoff::Backoff,
    daemon::CLOCK_TOLERANCE, judgement::Judgement, submission::Submission, telemetry::Telemetry,
};
use alloy::{
    consensus::{Transaction, TxEnvelope},
    eips::eip2718::Decodable2718,
    primitives::{Bytes, keccak256},
    rpc::types::TransactionReceipt,
    signers::local::PrivateKeySigner,
};
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};
use wattline_market::{
    ChainHead, Client, ContractCall, GasFee, MarketError, Metering, Refusal, SignedReading,
};

/// How often the node is asked while nothing waits, so that operators see it leave before readings
/// need it.
const IDLE_POLL: Duration = Duration::from_secs(10);

/// Why the submitter had to stop.
#[derive(Debug, thiserror::Error)]
pub enum SubmitterError {
    /// The chain is not the right one.
    #[error(transparent)]
    Chain(#[from] MarketError),
    /// The outbox fails.
    #[error(transparent)]
    Outbox(#[from] OutboxError),
}

pub(crate) struct Submitter {
    pub(crate) metering: Metering,
    pub(crate) outbox: Outbox,
    pub(crate) submission: Submission,
    pub(crate) key: PrivateKeySigner,
    pub(crate) meters: BTreeMap<MeterId, PrivateKeySigner>,
    pub(crate) telemetry: Arc<Telemetry>,
    /// The batch limit just now: halved by a transaction that failed, doubled by one that did not.
    batch_limit: usize,
    resends: BTreeMap<u64, (Instant, Backoff)>,
    connected: bool,
    clock_off: bool,
}

impl Submitter {
    pub(crate) fn new(
        metering: Metering,
        outbox: Outbox,
        submission: Submission,
        key: PrivateKeySigner,
        meters: BTreeMap<MeterId, PrivateKeySigner>,
        telemetry: Arc<Telemetry>,
    ) -> Self {
        Self {
            metering,
            outbox,
            submission,
            key,
            meters,
            telemetry,
            batch_limit: submission.batch.max(1),
            resends: BTreeMap::new(),
            connected: false,
            clock_off: false,
        }
    }

    /// Works until `shutdown`, or until `drain` is cancelled and nothing waits any more.
    pub(crate) async fn run(
        mut self,
        news: Arc<Notify>,
        drain: CancellationToken,
        shutdown: CancellationToken,
    ) -> Result<(), SubmitterError> {
        let poll = Duration::from_millis(self.submission.poll_ms.max(10));
        let longest = Duration::from_secs(self.submission.retry_seconds.max(1));
        let mut backoff = Backoff::new(Duration::from_millis(500), longest);
        let mut asked = Instant::now();
        loop {
            let stats = self.outbox.stats()?;
            self.telemetry.outbox(stats, now());
            if stats.waiting == 0 && drain.is_cancelled() {
                return Ok(());
            }
            let mut wait = poll;
            if stats.waiting > 0 || !self.connected || asked.elapsed() >= IDLE_POLL {
                match self.step().await {
                    Ok(()) => {
                        backoff.reset();
                        self.telemetry.reachable(true);
                    }
                    Err(SubmitterError::Chain(error)) if !error.is_fatal() => {
                        wait = backoff.wait();
                        self.lose(&error, wait);
                    }
                    Err(error) => return Err(error),
                }
                asked = Instant::now();
            }
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                () = tokio::time::sleep(wait) => {}
                () = news.notified(), if self.connected => {}
                () = drain.cancelled(), if stats.waiting == 0 => {}
            }
        }
    }

    fn lose(&mut self, error: &MarketError, wait: Duration) {
        if self.connected || self.resends.is_empty() {
            warn!(%error, again_in = ?wait, "the chain is out of reach; readings wait in the outbox");
        }
        self.connected = false;
        // A node that was away may have forgotten what it was given: all of it is sent again at
        // once.
        self.resends.clear();
        self.telemetry.reachable(false);
    }

    /// One look at the chain: end what is done, send again what got lost, send what waits.
    async fn step(&mut self) -> Result<(), SubmitterError> {
        if !self.connected {
            let contract = self.metering.contract();
            self.client().check(&[contract]).await?;
            self.connected = true;
            info!("connected to the chain");
        }
        let head = self.client().head().await?;
        self.watch_clock(&head);
        let (mined, pending) = self.client().nonces(self.key.address()).await?;
        let mut batches = self.outbox.batches()?;
        if let Some(lowest) = batches.first().map(|batch| batch.nonce)
            && pending < lowest
        {
            warn!(
                lowest,
                pending,
                "the chain lacks the transactions before these; the readings are sent anew"
            );
            for batch in batches.drain(..) {
                self.release(&batch, 0).await?;
            }
        }
        for batch in &batches {
            self.follow(batch, &head, mined).await?;
        }
        self.send_waiting(&head, mined, pending).await
    }

    /// A chain ahead of this machine's clock means that one of the clocks is off: readings come
    /// late, or too early for the chain to take them.
    fn watch_clock(&mut self, head: &ChainHead) {
        let ahead = head.timestamp.saturating_sub(now());
        self.telemetry.chain_ahead(ahead);
        let off = ahead > CLOCK_TOLERANCE;
        if off && !self.clock_off {
            warn!(
                ahead,
                "the chain is ahead of this machine's clock; one of the clocks is off"
            );
        }
        self.clock_off = off;
    }

    /// Looks after one batch under way.
    async fn follow(
        &mut self,
        batch: &Batch,
        head: &ChainHead,
        mined: u64,
    ) -> Result<(), SubmitterError> {
        for transaction in &batch.transactions {
            let Some(receipt) = self.client().receipt(keccak256(transaction)).await? else {
                continue;
            };
            let Some(number) = receipt.block_number else {
                continue;
            };
            if head.number < number.saturating_add(self.submission.confirmations) {
                return Ok(());
            }
            return if receipt.status() {
                self.conclude(batch, &receipt).await
            } else {
                self.reverted(batch, &receipt).await
            };
        }
        if mined > batch.nonce {
            warn!(
                nonce = batch.nonce,
                "another transaction took the nonce; the readings are sent anew"
            );
            self.resends.remove(&batch.nonce);
            return self.release(batch, 0).await;
        }
        let due = self
            .resends
            .get(&batch.nonce)
            .is_none_or(|(at, _)| *at <= Instant::now());
        if due {
            self.broadcast(batch, head).await
        } else {
            Ok(())
        }
    }

    /// A batch's transaction is in the chain for good: each reading ends as its event says.
    async fn conclude(
        &mut self,
        batch: &Batch,
        receipt: &TransactionReceipt,
    ) -> Result<(), SubmitterError> {
        let verdicts = self.metering.verdicts(receipt);
        let mut outcomes = Vec::with_capacity(batch.readings.len());
        for key in &batch.readings {
            let judgement = verdicts
                .get(key)
                .map_or(Judgement::Later("no_event"), |verdict| (*verdict).into());
            outcomes.push(self.outcome(*key, judgement)?);
        }
        let (nonce, count) = (batch.nonce, outcomes.len());
        let delivered = outcomes
            .iter()
            .filter(|outcome| **outcome == Outcome::Delivered)
            .count();
        self.outbox
            .blocking(move |outbox| outbox.finish(nonce, &outcomes))
            .await?;
        self.resends.remove(&nonce);
        self.telemetry.confirmed(delivered);
        self.batch_limit = self
            .batch_limit
            .saturating_mul(2)
            .min(self.submission.batch.max(1));
        info!(
            block = receipt.block_number,
            transaction = %receipt.transaction_hash,
            delivered,
            refused = count - delivered,
            "readings are on the chain"
        );
        Ok(())
    }

    fn outcome(&self, key: ReadingKey, judgement: Judgement) -> Result<Outcome, OutboxError> {
        let (time, meter) = key;
        let reason = match judgement {
            Judgement::Stored => return Ok(Outcome::Delivered),
            Judgement::Later(reason) | Judgement::Never(reason) => reason,
        };
        let attempts = self.outbox.get(key)?.map_or(0, |waiting| waiting.attempts);
        self.telemetry.rejected(reason);
        if matches!(judgement, Judgement::Later(_)) && attempts < self.submission.attempts {
            let wait = retry_wait(attempts);
            warn!(%meter, time, reason, attempts, again_in = ?wait, "the chain does not take a reading yet");
            return Ok(Outcome::Again {
                not_before: now().saturating_add(wait.as_secs()),
            });
        }
        warn!(%meter, time, reason, "the chain refused a reading");
        Ok(Outcome::Refused {
            reason: reason.to_owned(),
            at: now(),
        })
    }

    /// A transaction failed as a whole (too little gas, a paused contract): its readings wait, in
    /// smaller batches.
    async fn reverted(
        &mut self,
        batch: &Batch,
        receipt: &TransactionReceipt,
    ) -> Result<(), SubmitterError> {
        self.batch_limit = (batch.readings.len() / 2).max(1);
        warn!(
            transaction = %receipt.transaction_hash,
            gas_used = receipt.gas_used,
            next_batch = self.batch_limit,
            "a transaction was reverted; its readings are sent anew"
        );
        self.telemetry.reverted();
        self.resends.remove(&batch.nonce);
        let first = batch.readings.first().copied();
        let attempts = first
            .map(|key| self.outbox.get(key))
            .transpose()?
            .flatten()
            .map_or(0, |row| row.attempts);
        self.release(batch, now().saturating_add(retry_wait(attempts).as_secs()))
            .await
    }

    async fn release(&self, batch: &Batch, not_before: u64) -> Result<(), SubmitterError> {
        let (nonce, outcomes) = (
            batch.nonce,
            vec![Outcome::Again { not_before }; batch.readings.len()],
        );
        Ok(self
            .outbox
            .blocking(move |outbox| outbox.finish(nonce, &outcomes))
            .await?)
    }

    /// Sends a batch's latest transaction, again if need be; offers more only if the chain asks for
    /// more.
    async fn broadcast(&mut self, batch: &Batch, head: &ChainHead) -> Result<(), SubmitterError> {
        let Some(transaction) = batch.transactions.last() else {
            return self.release(batch, 0).await;
        };
        let (_, mut backoff) = self.resends.get(&batch.nonce).copied().unwrap_or_else(|| {
            let first = Duration::from_secs(self.submission.resend_seconds.max(1));
            (
                Instant::now(),
                Backoff::new(first, Duration::from_secs(300)),
            )
        });
        match self.client().send(transaction).await? {
            Ok(_) => debug!(
                nonce = batch.nonce,
                readings = batch.readings.len(),
                "sent a transaction"
            ),
            Err(Refusal::NonceUsed(_)) => debug!(
                nonce = batch.nonce,
                "the nonce is used; its receipt decides"
            ),
            Err(Refusal::Underpriced(reason)) => {
                self.offer_more(batch, transaction, head, &reason).await?;
            }
            Err(Refusal::Other(reason)) => warn!(
                nonce = batch.nonce,
                reason, "the node refuses a transaction"
            ),
        }
        self.telemetry.sent();
        let wait = backoff.wait();
        self.resends
            .insert(batch.nonce, (Instant::now() + wait, backoff));
        Ok(())
    }

    async fn offer_more(
        &self,
        batch: &Batch,
        transaction: &Bytes,
        head: &ChainHead,
        reason: &str,
    ) -> Result<(), SubmitterError> {
        let offered =
            TxEnvelope::decode_2718(&mut transaction.as_ref()).map_or(0, |tx| tx.max_fee_per_gas());
        let needed = self.fee(head).max;
        if needed <= offered {
            warn!(
                nonce = batch.nonce,
                reason, "the node asks for more than the chain's fee; waiting"
            );
            return Ok(());
        }
        // A pool takes a replacement only if it offers a tenth more.
        let max = needed.max(offered.saturating_add(offered / 8));
        let fee = GasFee {
            max,
            ..self.fee(head)
        };
        let readings = self.readings(&batch.readings)?;
        let transaction = self.transaction(&readings, batch.nonce, fee)?;
        info!(
            nonce = batch.nonce,
            fee = max,
            "offering the chain's higher fee"
        );
        let (nonce, offered) = (batch.nonce, transaction.clone());
        self.outbox
            .blocking(move |outbox| outbox.offer(nonce, offered))
            .await?;
        if let Err(refusal) = self.client().send(&transaction).await? {
            debug!(nonce, %refusal, "the node does not take the higher fee; it is sent again");
        }
        Ok(())
    }

    fn readings(&self, keys: &[ReadingKey]) -> Result<Vec<Waiting>, OutboxError> {
        keys.iter()
            .filter_map(|key| self.outbox.get(*key).transpose())
            .collect()
    }

    const fn fee(&self, head: &ChainHead) -> GasFee {
        head.fee(self.submission.priority_fee)
    }

    const fn client(&self) -> &Client {
        self.metering.client()
    }

    /// Packs waiting readings into new transactions and sends them.
    async fn send_waiting(
        &mut self,
        head: &ChainHead,
        mined: u64,
        pending: u64,
    ) -> Result<(), SubmitterError> {
        loop {
            let batches = self.outbox.batches()?;
            if batches.len() >= self.submission.in_flight.max(1) {
                return Ok(());
            }
            let ready = self.outbox.ready(now(), self.limit(head))?;
            let ready = self.drop_stored(ready).await?;
            if ready.is_empty() {
                return Ok(());
            }
            let nonce = batches.last().map_or(pending.max(mined), |last| {
                pending.max(last.nonce.saturating_add(1))
            });
            let transaction = self.transaction(&ready, nonce, self.fee(head))?;
            let readings = ready
                .iter()
                .map(|waiting| (waiting.reading.time, waiting.reading.meter))
                .collect();
            let batch = Batch {
                nonce,
                transactions: vec![transaction],
                readings,
            };
            let packed = batch.clone();
            self.outbox
                .blocking(move |outbox| outbox.pack(&packed))
                .await?;
            info!(
                nonce,
                readings = batch.readings.len(),
                head_time = head.timestamp,
                "sending readings"
            );
            self.broadcast(&batch, head).await?;
        }
    }

    /// Readings that were sent before may be on the chain after all; those are not sent again.
    async fn drop_stored(&self, ready: Vec<Waiting>) -> Result<Vec<Waiting>, SubmitterError> {
        let key = |waiting: &Waiting| (waiting.reading.time, waiting.reading.meter);
        let again = ready
            .iter()
            .filter(|waiting| waiting.attempts > 0)
            .map(key)
            .collect::<Vec<_>>();
        if again.is_empty() {
            return Ok(ready);
        }
        let stored: BTreeMap<_, _> = again
            .iter()
            .copied()
            .zip(self.metering.registers(&again).await?)
            .collect();
        let (mut left, mut settled) = (Vec::new(), Vec::new());
        for waiting in ready {
            let key = key(&waiting);
            match stored.get(&key).copied().flatten() {
                None => left.push(waiting),
                Some(registers) if registers == waiting.reading.registers => {
                    settled.push((key, Outcome::Delivered));
                }
                Some(_) => settled.push((key, self.outcome(key, Judgement::Never("conflict"))?)),
            }
        }
        let delivered = settled
            .iter()
            .filter(|(_, outcome)| *outcome == Outcome::Delivered)
            .count();
        self.outbox
            .blocking(move |outbox| outbox.settle(&settled))
            .await?;
        self.telemetry.confirmed(delivered);
        Ok(left)
    }

    /// How many readings the next transaction may carry: at most half a block of them.
    fn limit(&self, head: &ChainHead) -> usize {
        let room = (head.gas_limit / 2).saturating_sub(self.submission.gas_base);
        let fit = room / self.submission.gas_per_reading.max(1);
        self.batch_limit
            .min(usize::try_from(fit).unwrap_or(usize::MAX))
            .max(1)
    }

    fn transaction(
        &self,
        readings: &[Waiting],
        nonce: u64,
        fee: GasFee,
    ) -> Result<Bytes, SubmitterError> {
        let mut signed = Vec::with_capacity(readings.len());
        for Waiting { reading, .. } in readings {
            // A reading of a meter that has left the configuration is signed with the submitter's
            // key: the contract refuses it by name, which ends it where operators look.
            let key = self.meters.get(&reading.meter).unwrap_or(&self.key);
            signed.push(self.metering.sign(reading, key)?);
        }
        let gas = self
            .submission
            .gas_per_reading
            .saturating_mul(readings.len() as u64);
        let call = ContractCall::new(
            self.key.address(),
            self.metering.contract(),
            &SignedReading::submission(signed),
            "submitting readings",
            self.submission.gas_base.saturating_add(gas),
        );
        Ok(call.sign(self.client().chain_id(), nonce, fee, &self.key)?)
    }
}

fn retry_wait(attempts: u32) -> Duration {
    Backoff::new(Duration::from_secs(1), Duration::from_secs(300))
        .after(attempts)
        .wait()
}

pub(crate) fn now() -> u64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
