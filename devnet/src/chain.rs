//! The chain over JSON-RPC: views, and transactions of many accounts in few requests.

use crate::abi::{
    IBatchAuction, IMarket, IMetering, IRegistry, ISettlement, ISettlementToken, IVault,
};
use alloy::{
    consensus::{SignableTransaction, TxEip1559, TxEnvelope},
    eips::{BlockId, BlockNumberOrTag, eip2718::Encodable2718},
    network::TxSignerSync,
    primitives::{Address, B256, Bytes, TxKind, U64, U256, hex, keccak256},
    providers::{Provider, RootProvider},
    rpc::{
        client::{BatchRequest, RpcClient},
        types::{TransactionInput, TransactionReceipt, TransactionRequest},
    },
    signers::local::PrivateKeySigner,
    sol_types::{SolCall, SolInterface},
    transports::{RpcError, TransportError, http::reqwest},
};
use std::{
    collections::BTreeMap,
    fmt::Debug,
    time::{Duration, Instant},
};
use tracing::warn;

/// How long a call may take before the node counts as out of reach.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// The most calls in one JSON-RPC batch.
const BATCH: usize = 50;
/// How often a block or a receipt is looked for.
pub(crate) const POLL: Duration = Duration::from_millis(150);

/// What went wrong between here and the chain.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// The node does not answer.
    #[error("the node at {url} does not answer: {error}")]
    Node {
        /// Where it should be.
        url: String,
        /// What happened.
        error: Box<TransportError>,
    },
    /// Another chain.
    #[error("the node at {url} is on chain {found}, expected chain {expected}")]
    WrongChain {
        /// The node.
        url: String,
        /// Its chain id.
        found: u64,
        /// The wanted one.
        expected: u64,
    },
    /// The chain does not have the market's contracts.
    #[error(
        "there is no contract at {0}; use a genesis file with the market's contracts, such as genesis/dev.json"
    )]
    NoContract(Address),
    /// A call was refused.
    #[error("{what} is refused: {reason}")]
    Refused {
        /// The call.
        what: &'static str,
        /// Why.
        reason: String,
    },
    /// A transaction is in no block for long.
    #[error("{what} is in no block after {seconds} s; is the chain producing blocks?")]
    NotMined {
        /// The call.
        what: &'static str,
        /// How long it was waited for.
        seconds: u64,
    },
    /// A view answered with something else than it declares.
    #[error("a view of {contract} answered with something unreadable: {reason}")]
    Unreadable {
        /// The contract.
        contract: Address,
        /// Why.
        reason: String,
    },
    /// An account whose key is not here.
    #[error("no key for account {0}")]
    NoKey(Address),
    /// A key cannot sign.
    #[error("cannot sign")]
    Sign(#[from] alloy::signers::Error),
}

impl ChainError {
    /// Whether the same may succeed later.
    pub const fn is_passing(&self) -> bool {
        matches!(self, Self::Node { .. } | Self::NotMined { .. })
    }
}

/// The head block, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) number: u64,
    pub(crate) timestamp: u64,
    pub(crate) base_fee: u128,
}

/// A call to make by transaction.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) what: &'static str,
    pub(crate) from: Address,
    pub(crate) to: Address,
    pub(crate) data: Bytes,
    pub(crate) value: U256,
    pub(crate) gas: u64,
}

impl Call {
    pub(crate) fn new(
        from: Address,
        to: Address,
        call: &impl SolCall,
        what: &'static str,
        gas: u64,
    ) -> Self {
        Self {
            what,
            from,
            to,
            data: call.abi_encode().into(),
            value: U256::ZERO,
            gas,
        }
    }
}

/// The chain, and the accounts that act on it.
#[derive(Debug)]
pub(crate) struct Chain {
    url: String,
    chain_id: u64,
    provider: RootProvider,
    keys: BTreeMap<Address, PrivateKeySigner>,
    /// The next nonce of an account; absent when the chain must be asked.
    nonces: BTreeMap<Address, u64>,
}

impl Chain {
    pub(crate) fn new(url: reqwest::Url, chain_id: u64) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder().timeout(CALL_TIMEOUT).build()?;
        let text = url.to_string();
        let provider = RootProvider::new(RpcClient::new_http_with_client(client, url));
        Ok(Self {
            url: text,
            chain_id,
            provider,
            keys: BTreeMap::new(),
            nonces: BTreeMap::new(),
        })
    }

    pub(crate) fn add_key(&mut self, key: PrivateKeySigner) {
        self.keys.insert(key.address(), key);
    }

    pub(crate) const fn chain_id(&self) -> u64 {
        self.chain_id
    }

    fn node(&self, error: TransportError) -> ChainError {
        ChainError::Node {
            url: self.url.clone(),
            error: Box::new(error),
        }
    }

    /// Whether this is the wanted chain, with the wanted contracts.
    pub(crate) async fn check(&self, contracts: &[Address]) -> Result<(), ChainError> {
        let found = self
            .provider
            .get_chain_id()
            .await
            .map_err(|error| self.node(error))?;
        if found != self.chain_id {
            return Err(ChainError::WrongChain {
                url: self.url.clone(),
                found,
                expected: self.chain_id,
            });
        }
        for contract in contracts {
            if self
                .provider
                .get_code_at(*contract)
                .await
                .map_err(|error| self.node(error))?
                .is_empty()
            {
                return Err(ChainError::NoContract(*contract));
            }
        }
        Ok(())
    }

    pub(crate) async fn head(&self) -> Result<Head, ChainError> {
        let block = self
            .provider
            .get_block_by_number(BlockNumberOrTag::Latest)
            .await;
        let block = block
            .map_err(|error| self.node(error))?
            .ok_or_else(|| self.node(RpcError::NullResp))?;
        let header = block.header.inner;
        Ok(Head {
            number: header.number,
            timestamp: header.timestamp,
            base_fee: header.base_fee_per_gas.unwrap_or_default().into(),
        })
    }

    /// Asks a view at the head.
    pub(crate) async fn view<C: SolCall>(
        &self,
        contract: Address,
        call: &C,
    ) -> Result<C::Return, ChainError> {
        let input = TransactionInput::new(call.abi_encode().into());
        let request = TransactionRequest::default().to(contract).input(input);
        let answer = self.provider.call(request).block(BlockId::latest()).await;
        let answer = answer.map_err(|error| match explain(&error) {
            Some(reason) => ChainError::Refused {
                what: C::SIGNATURE,
                reason,
            },
            None => self.node(error),
        })?;
        C::abi_decode_returns(&answer).map_err(|error| ChainError::Unreadable {
            contract,
            reason: format!("{}: {error}", C::SIGNATURE),
        })
    }

    /// Balances of the chain's coin.
    pub(crate) async fn coins(&self, accounts: &[Address]) -> Result<Vec<U256>, ChainError> {
        self.batch("eth_getBalance", accounts, |account| {
            (*account, BlockNumberOrTag::Latest)
        })
        .await
    }

    /// One JSON-RPC call for each item, in few requests; any error fails all.
    async fn batch<I, P, R>(
        &self,
        method: &'static str,
        items: &[I],
        params: impl Fn(&I) -> P,
    ) -> Result<Vec<R>, ChainError>
    where
        P: alloy::rpc::json_rpc::RpcSend,
        R: alloy::rpc::json_rpc::RpcRecv,
    {
        let mut results = Vec::with_capacity(items.len());
        for page in items.chunks(BATCH) {
            let mut batch = BatchRequest::new(self.provider.client());
            let mut waiters = Vec::with_capacity(page.len());
            for item in page {
                waiters.push(
                    batch
                        .add_call::<P, R>(method, &params(item))
                        .map_err(|error| self.node(error))?,
                );
            }
            batch.send().await.map_err(|error| self.node(error))?;
            for waiter in waiters {
                results.push(waiter.await.map_err(|error| self.node(error))?);
            }
        }
        Ok(results)
    }

    /// Sends a transaction for each call: signed here, the nonces counted here, few requests. Answers with the hash of
    /// each, or why the node does not take it.
    pub(crate) async fn send(
        &mut self,
        calls: &[Call],
        head: &Head,
    ) -> Result<Vec<Result<B256, String>>, ChainError> {
        self.learn_nonces(calls).await?;
        let mut raw = Vec::with_capacity(calls.len());
        for call in calls {
            raw.push(self.sign(call, head)?);
        }
        let mut answers = Vec::with_capacity(calls.len());
        for (page, calls) in raw.chunks(BATCH).zip(calls.chunks(BATCH)) {
            let answer = self.send_page(page).await;
            if answer.is_err() {
                // Some may have arrived; the chain knows.
                self.nonces.clear();
            }
            for (answer, call) in answer?.into_iter().zip(calls) {
                if answer.is_err() {
                    self.nonces.remove(&call.from);
                }
                answers.push(answer);
            }
        }
        Ok(answers)
    }

    async fn send_page(&self, page: &[Bytes]) -> Result<Vec<Result<B256, String>>, ChainError> {
        let mut batch = BatchRequest::new(self.provider.client());
        let mut waiters = Vec::with_capacity(page.len());
        for raw in page {
            let call =
                batch.add_call::<_, B256>("eth_sendRawTransaction", &(hex::encode_prefixed(raw),));
            waiters.push(call.map_err(|error| self.node(error))?);
        }
        batch.send().await.map_err(|error| self.node(error))?;
        let mut answers = Vec::with_capacity(page.len());
        for (waiter, raw) in waiters.into_iter().zip(page) {
            answers.push(match waiter.await {
                Ok(hash) => Ok(hash),
                Err(RpcError::ErrorResp(error)) if error.message.contains("already known") => {
                    Ok(keccak256(raw))
                }
                Err(RpcError::ErrorResp(error)) => Err(error.message.into_owned()),
                Err(error) => return Err(self.node(error)),
            });
        }
        Ok(answers)
    }

    async fn learn_nonces(&mut self, calls: &[Call]) -> Result<(), ChainError> {
        let mut unknown: Vec<_> = calls
            .iter()
            .map(|call| call.from)
            .filter(|from| !self.nonces.contains_key(from))
            .collect();
        unknown.sort();
        unknown.dedup();
        let pending = |account: &Address| (*account, BlockNumberOrTag::Pending);
        let counts: Vec<U64> = self
            .batch("eth_getTransactionCount", &unknown, pending)
            .await?;
        self.nonces.extend(
            unknown
                .into_iter()
                .zip(counts.into_iter().map(|count| count.to::<u64>())),
        );
        Ok(())
    }

    fn sign(&mut self, call: &Call, head: &Head) -> Result<Bytes, ChainError> {
        let key = self
            .keys
            .get(&call.from)
            .ok_or(ChainError::NoKey(call.from))?;
        let nonce = self.nonces.entry(call.from).or_default();
        let mut transaction = TxEip1559 {
            chain_id: self.chain_id,
            nonce: *nonce,
            gas_limit: call.gas,
            max_fee_per_gas: head.base_fee.saturating_mul(2),
            to: TxKind::Call(call.to),
            value: call.value,
            input: call.data.clone(),
            ..TxEip1559::default()
        };
        let signature = key.sign_transaction_sync(&mut transaction)?;
        *nonce = nonce.saturating_add(1);
        Ok(TxEnvelope::from(transaction.into_signed(signature))
            .encoded_2718()
            .into())
    }

    /// Sends the calls and waits until each is in a block and has succeeded.
    pub(crate) async fn transact(
        &mut self,
        calls: &[Call],
        patience: Duration,
    ) -> Result<(), ChainError> {
        let head = self.head().await?;
        let answers = self.send(calls, &head).await?;
        let mut open = Vec::with_capacity(calls.len());
        for (call, answer) in calls.iter().zip(answers) {
            let hash = answer.map_err(|reason| ChainError::Refused {
                what: call.what,
                reason,
            })?;
            open.push((call, hash));
        }
        let begun = Instant::now();
        while let Some((first, _)) = open.first() {
            if begun.elapsed() > patience {
                self.nonces.clear();
                return Err(ChainError::NotMined {
                    what: first.what,
                    seconds: patience.as_secs(),
                });
            }
            tokio::time::sleep(POLL).await;
            let receipts: Vec<Option<TransactionReceipt>> = self
                .batch("eth_getTransactionReceipt", &open, |(_, hash)| (*hash,))
                .await?;
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

    async fn failed(&self, call: &Call, receipt: &TransactionReceipt) -> ChainError {
        let reason = match self.refusal(call).await {
            Some(reason) => reason,
            None if receipt.gas_used >= call.gas => format!("it needs more than {} gas", call.gas),
            None => format!("transaction {} was reverted", receipt.transaction_hash),
        };
        ChainError::Refused {
            what: call.what,
            reason,
        }
    }

    /// Why a call would fail now, if it would.
    pub(crate) async fn refusal(&self, call: &Call) -> Option<String> {
        let input = TransactionInput::new(call.data.clone());
        let request = TransactionRequest::default()
            .from(call.from)
            .to(call.to)
            .gas_limit(call.gas)
            .input(input);
        match self.provider.call(request).block(BlockId::latest()).await {
            Ok(_) => None,
            Err(error) => explain(&error).or_else(|| {
                warn!(%error, "cannot find out why {} fails", call.what);
                None
            }),
        }
    }
}

/// What a contract's refusal says.
fn explain(error: &TransportError) -> Option<String> {
    let error = error.as_error_resp()?;
    let Some(data) = error.as_revert_data() else {
        return Some(error.message.to_string());
    };
    named::<IMarket::IMarketErrors>(&data)
        .or_else(|| named::<IBatchAuction::IBatchAuctionErrors>(&data))
        .or_else(|| named::<IVault::IVaultErrors>(&data))
        .or_else(|| named::<IRegistry::IRegistryErrors>(&data))
        .or_else(|| named::<ISettlement::ISettlementErrors>(&data))
        .or_else(|| named::<IMetering::IMeteringErrors>(&data))
        .or_else(|| named::<ISettlementToken::ISettlementTokenErrors>(&data))
        .or_else(|| Some(format!("{} ({data})", error.message)))
}

fn named<E: SolInterface + Debug>(data: &[u8]) -> Option<String> {
    E::abi_decode(data).ok().map(|error| format!("{error:?}"))
}
