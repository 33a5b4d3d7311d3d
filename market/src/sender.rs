//! Sends the transactions of many accounts.

use crate::{ChainHead, Client, ContractCall, MarketError, Refusal};
use alloy::{
    primitives::{Address, B256, Bytes},
    rpc::types::TransactionReceipt,
    signers::local::PrivateKeySigner,
};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// How often receipts are looked for.
const POLL: Duration = Duration::from_millis(150);

/// A [`Client`] with the keys of accounts: signs their transactions, counts their nonces, and sends
/// them in few requests.
#[derive(Debug)]
pub struct TransactionSender {
    client: Client,
    keys: BTreeMap<Address, PrivateKeySigner>,
    /// The next nonce of an account; absent when the chain must be asked.
    nonces: BTreeMap<Address, u64>,
}

impl TransactionSender {
    /// Sends for the accounts of these keys.
    pub fn new(client: Client, keys: impl IntoIterator<Item = PrivateKeySigner>) -> Self {
        let keys = keys.into_iter().map(|key| (key.address(), key));
        Self {
            client,
            keys: keys.collect(),
            nonces: BTreeMap::new(),
        }
    }

    /// What it sends through.
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// Sends a transaction for each call, with fees that fit `head`. Answers with the hash of each,
    /// or why the node does not take it.
    ///
    /// # Errors
    ///
    /// [`MarketError::NoKey`] for an account of no key here; [`MarketError::Unreachable`]: some may
    /// have arrived, and the next call counts the nonces anew.
    pub async fn submit(
        &mut self,
        calls: &[ContractCall],
        head: &ChainHead,
    ) -> Result<Vec<Result<B256, Refusal>>, MarketError> {
        let sent = self.sign_and_send(calls, head).await;
        match &sent {
            Ok(answers) => {
                for (answer, call) in answers.iter().zip(calls) {
                    if answer.is_err() {
                        self.nonces.remove(&call.from);
                    }
                }
            }
            // Nobody knows which nonces are used; the chain does.
            Err(_) => self.nonces.clear(),
        }
        sent
    }

    async fn sign_and_send(
        &mut self,
        calls: &[ContractCall],
        head: &ChainHead,
    ) -> Result<Vec<Result<B256, Refusal>>, MarketError> {
        self.learn_nonces(calls).await?;
        let mut raws = Vec::with_capacity(calls.len());
        for call in calls {
            raws.push(self.sign(call, head)?);
        }
        self.client.send_all(&raws).await
    }

    async fn learn_nonces(&mut self, calls: &[ContractCall]) -> Result<(), MarketError> {
        let mut unknown: Vec<_> = calls
            .iter()
            .map(|call| call.from)
            .filter(|from| !self.nonces.contains_key(from))
            .collect();
        unknown.sort();
        unknown.dedup();
        let nonces = self.client.pending_nonces(&unknown).await?;
        self.nonces.extend(unknown.into_iter().zip(nonces));
        Ok(())
    }

    fn sign(&mut self, call: &ContractCall, head: &ChainHead) -> Result<Bytes, MarketError> {
        let key = self.keys.get(&call.from);
        let key = key.ok_or(MarketError::NoKey(call.from))?;
        let nonce = self.nonces.entry(call.from).or_default();
        let raw = call.sign(self.client.chain_id(), *nonce, head.fee(0), key)?;
        *nonce = nonce.saturating_add(1);
        Ok(raw)
    }

    /// Sends the calls and waits until each is in a block and has succeeded.
    ///
    /// # Errors
    ///
    /// [`MarketError::Refused`] with the reason of the first that fails, [`MarketError::NotMined`]
    /// when `patience` is over, or as [`submit`](Self::submit).
    pub async fn transact(
        &mut self,
        calls: &[ContractCall],
        patience: Duration,
    ) -> Result<(), MarketError> {
        let head = self.client.head().await?;
        let answers = self.submit(calls, &head).await?;
        let mut open = Vec::with_capacity(calls.len());
        for (call, answer) in calls.iter().zip(answers) {
            let hash = answer.map_err(|refusal| MarketError::Refused {
                what: call.what,
                reason: refusal.to_string(),
            })?;
            open.push((call, hash));
        }
        let begun = Instant::now();
        while let Some((first, _)) = open.first() {
            if begun.elapsed() > patience {
                self.nonces.clear();
                return Err(MarketError::NotMined {
                    what: first.what,
                    seconds: patience.as_secs(),
                });
            }
            tokio::time::sleep(POLL).await;
            let hashes: Vec<_> = open.iter().map(|(_, hash)| *hash).collect();
            let receipts = self.client.receipts(&hashes).await?;
            let mut left = Vec::new();
            for ((call, hash), receipt) in open.into_iter().zip(receipts) {
                match receipt {
                    None => left.push((call, hash)),
                    Some(receipt) if receipt.status() => {}
                    Some(receipt) => return Err(self.failed(call, &receipt).await),
                }
            }
            open = left;
        }
        Ok(())
    }

    async fn failed(&self, call: &ContractCall, receipt: &TransactionReceipt) -> MarketError {
        let reason = match self.client.refusal(call).await {
            Some(reason) => reason,
            None if receipt.gas_used >= call.gas => format!("it needs more than {} gas", call.gas),
            None => format!("transaction {} was reverted", receipt.transaction_hash),
        };
        MarketError::Refused {
            what: call.what,
            reason,
        }
    }
}
