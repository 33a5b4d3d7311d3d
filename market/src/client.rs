//! A node, seen over JSON-RPC.

use crate::{ChainHead, ContractCall, MarketError, Refusal, revert};
use alloy::{
    eips::{BlockId, BlockNumberOrTag},
    primitives::{Address, B256, Bytes, U64, U256, hex, keccak256},
    providers::{Provider, RootProvider},
    rpc::{
        client::{BatchRequest, RpcClient},
        json_rpc::{RpcRecv, RpcSend},
        types::{TransactionInput, TransactionReceipt, TransactionRequest},
    },
    sol_types::SolCall,
    transports::{TransportError, TransportResult, http::reqwest},
};
use std::time::Duration;
use tracing::warn;

/// How long a call may take before the node counts as out of reach.
const CALL_TIMEOUT: Duration = Duration::from_secs(20);
/// The most calls in one JSON-RPC batch.
const BATCH: usize = 50;

/// A node of the market's chain.
#[derive(Clone, Debug)]
pub struct Client {
    url: String,
    chain_id: u64,
    provider: RootProvider,
}

impl Client {
    /// The node at `url`, which must be on the chain `chain_id`. Nothing is asked yet.
    ///
    /// # Errors
    ///
    /// [`MarketError::Http`] when this machine cannot speak HTTP.
    pub fn new(url: reqwest::Url, chain_id: u64) -> Result<Self, MarketError> {
        let client = reqwest::Client::builder().timeout(CALL_TIMEOUT).build()?;
        let text = url.to_string();
        let provider = RootProvider::new(RpcClient::new_http_with_client(client, url));
        Ok(Self {
            url: text,
            chain_id,
            provider,
        })
    }

    /// The chain that the node must be on.
    pub const fn chain_id(&self) -> u64 {
        self.chain_id
    }

    fn unreachable(&self, error: TransportError) -> MarketError {
        MarketError::Unreachable {
            url: self.url.clone(),
            error: Box::new(error),
        }
    }

    fn reached<T>(&self, answer: TransportResult<T>) -> Result<T, MarketError> {
        answer.map_err(|error| self.unreachable(error))
    }

    /// Whether this is the wanted chain, with the wanted contracts.
    ///
    /// # Errors
    ///
    /// [`MarketError::WrongChain`] or [`MarketError::NoContract`] if not, and
    /// [`MarketError::Unreachable`] if nobody says.
    pub async fn check(&self, contracts: &[Address]) -> Result<(), MarketError> {
        let found = self.reached(self.provider.get_chain_id().await)?;
        if found != self.chain_id {
            return Err(MarketError::WrongChain {
                url: self.url.clone(),
                found,
                expected: self.chain_id,
            });
        }
        for contract in contracts {
            let code = self.reached(self.provider.get_code_at(*contract).await)?;
            if code.is_empty() {
                return Err(MarketError::NoContract {
                    contract: *contract,
                    chain_id: self.chain_id,
                });
            }
        }
        Ok(())
    }

    /// The head block.
    ///
    /// # Errors
    ///
    /// [`MarketError::Unreachable`] or [`MarketError::NoHead`].
    pub async fn head(&self) -> Result<ChainHead, MarketError> {
        let latest = BlockNumberOrTag::Latest;
        let block = self.reached(self.provider.get_block_by_number(latest).await)?;
        let block = block.ok_or_else(|| MarketError::NoHead(self.url.clone()))?;
        let header = block.header.inner;
        Ok(ChainHead {
            number: header.number,
            timestamp: header.timestamp,
            gas_limit: header.gas_limit,
            base_fee: header.base_fee_per_gas.unwrap_or_default().into(),
        })
    }

    /// An account's next nonce after the head block, and after what waits in the node's pool.
    ///
    /// # Errors
    ///
    /// [`MarketError::Unreachable`].
    pub async fn nonces(&self, account: Address) -> Result<(u64, u64), MarketError> {
        let mined = self.provider.get_transaction_count(account).latest();
        let pending = self.provider.get_transaction_count(account).pending();
        let mined = self.reached(mined.await)?;
        let pending = self.reached(pending.await)?;
        Ok((mined, pending.max(mined)))
    }

    /// Each account's next nonce after what waits in the node's pool.
    ///
    /// # Errors
    ///
    /// [`MarketError::Unreachable`].
    pub async fn pending_nonces(&self, accounts: &[Address]) -> Result<Vec<u64>, MarketError> {
        let pending = |account: &Address| (*account, BlockNumberOrTag::Pending);
        let counts: Vec<U64> = self
            .batch("eth_getTransactionCount", accounts, pending)
            .await?;
        Ok(counts.into_iter().map(|count| count.to()).collect())
    }

    /// What each account has of the chain's coin, in wei.
    ///
    /// # Errors
    ///
    /// [`MarketError::Unreachable`].
    pub async fn coins(&self, accounts: &[Address]) -> Result<Vec<U256>, MarketError> {
        let latest = |account: &Address| (*account, BlockNumberOrTag::Latest);
        self.batch("eth_getBalance", accounts, latest).await
    }

    /// The receipt of a transaction; `None` while it is in no block.
    ///
    /// # Errors
    ///
    /// [`MarketError::Unreachable`].
    pub async fn receipt(&self, hash: B256) -> Result<Option<TransactionReceipt>, MarketError> {
        self.reached(self.provider.get_transaction_receipt(hash).await)
    }

    /// The receipts of many transactions.
    ///
    /// # Errors
    ///
    /// [`MarketError::Unreachable`].
    pub async fn receipts(
        &self,
        hashes: &[B256],
    ) -> Result<Vec<Option<TransactionReceipt>>, MarketError> {
        self.batch("eth_getTransactionReceipt", hashes, |hash| (*hash,))
            .await
    }

    /// Asks a view at the head.
    ///
    /// # Errors
    ///
    /// [`MarketError::Refused`] where the contract or the node refuses, [`MarketError::Unreadable`]
    /// where the answer is not the view's, [`MarketError::Unreachable`].
    pub async fn view<C: SolCall>(
        &self,
        contract: Address,
        call: &C,
    ) -> Result<C::Return, MarketError> {
        let input = TransactionInput::new(call.abi_encode().into());
        let request = TransactionRequest::default().to(contract).input(input);
        let answer = self.provider.call(request).block(BlockId::latest()).await;
        let answer = answer.map_err(|error| match revert::explain(&error) {
            Some(reason) => MarketError::Refused {
                what: C::SIGNATURE,
                reason,
            },
            None => self.unreachable(error),
        })?;
        C::abi_decode_returns(&answer).map_err(|error| MarketError::Unreadable {
            contract,
            reason: format!("{}: {error}", C::SIGNATURE),
        })
    }

    /// Why a call would fail at the head, if it would and if that can be found out.
    pub async fn refusal(&self, call: &ContractCall) -> Option<String> {
        let request = TransactionRequest::default()
            .from(call.from)
            .to(call.to)
            .gas_limit(call.gas)
            .value(call.value)
            .input(TransactionInput::new(call.input.clone()));
        let answer = self.provider.call(request).block(BlockId::latest()).await;
        let error = answer.err()?;
        let reason = revert::explain(&error);
        if reason.is_none() {
            warn!(%error, "cannot find out why {} fails", call.what);
        }
        reason
    }

    /// Sends a signed transaction. The node has it now, or had it before, where it answers with
    /// the hash.
    ///
    /// # Errors
    ///
    /// [`MarketError::Unreachable`].
    pub async fn send(&self, raw: &Bytes) -> Result<Result<B256, Refusal>, MarketError> {
        let sent = self.provider.send_raw_transaction(raw).await;
        self.sent(raw, sent.map(|pending| *pending.tx_hash()))
    }

    /// Sends signed transactions in few requests.
    ///
    /// # Errors
    ///
    /// [`MarketError::Unreachable`]: some may have arrived.
    pub async fn send_all(
        &self,
        raws: &[Bytes],
    ) -> Result<Vec<Result<B256, Refusal>>, MarketError> {
        let params = |raw: &Bytes| (hex::encode_prefixed(raw),);
        let mut sent = Vec::with_capacity(raws.len());
        for page in raws.chunks(BATCH) {
            let answers = self.page("eth_sendRawTransaction", page, params).await?;
            for (raw, answer) in page.iter().zip(answers) {
                sent.push(self.sent(raw, answer)?);
            }
        }
        Ok(sent)
    }

    fn sent(
        &self,
        raw: &Bytes,
        answer: TransportResult<B256>,
    ) -> Result<Result<B256, Refusal>, MarketError> {
        match answer {
            Ok(hash) => Ok(Ok(hash)),
            Err(TransportError::ErrorResp(error)) => {
                Ok(Refusal::from_message(&error.message).map_or_else(|| Ok(keccak256(raw)), Err))
            }
            Err(error) => Err(self.unreachable(error)),
        }
    }

    /// One JSON-RPC call for each item, in few requests; any error fails all.
    async fn batch<I, P: RpcSend, R: RpcRecv>(
        &self,
        method: &'static str,
        items: &[I],
        params: impl Fn(&I) -> P,
    ) -> Result<Vec<R>, MarketError> {
        let mut results = Vec::with_capacity(items.len());
        for page in items.chunks(BATCH) {
            for answer in self.page(method, page, &params).await? {
                results.push(self.reached(answer)?);
            }
        }
        Ok(results)
    }

    /// One JSON-RPC call for each item, in one request.
    async fn page<I, P: RpcSend, R: RpcRecv>(
        &self,
        method: &'static str,
        items: &[I],
        params: impl Fn(&I) -> P,
    ) -> Result<Vec<TransportResult<R>>, MarketError> {
        let mut batch = BatchRequest::new(self.provider.client());
        let mut waiters = Vec::with_capacity(items.len());
        for item in items {
            waiters.push(self.reached(batch.add_call::<P, R>(method, &params(item)))?);
        }
        self.reached(batch.send().await)?;
        let mut answers = Vec::with_capacity(items.len());
        for waiter in waiters {
            answers.push(waiter.await);
        }
        Ok(answers)
    }
}
