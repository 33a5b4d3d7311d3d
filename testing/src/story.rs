//! What happens on a chain, told once and played on any node: contracts, and transactions of every
//! kind.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use alloy::{
    consensus::{SignableTransaction, TypedTransaction},
    eips::{eip2718::Encodable2718, eip7702::Authorization},
    primitives::{Address, B256, Bytes, U256, hex},
    rpc::types::TransactionRequest,
    signers::SignerSync,
};
use eyre::{OptionExt, WrapErr, bail, eyre};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    CHAIN_ID, PATIENCE, dev_key,
    rpc::{Peer, substitute},
};

/// The account that creates the contracts.
const DEPLOYER: u32 = 1;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Script {
    contracts: Vec<Contract>,
    /// Transactions that are sent together; the next when they are mined.
    blocks: Vec<Vec<Act>>,
    /// Transactions that requests send.
    unsent: Vec<Act>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Contract {
    name: String,
    #[serde(rename = "does")]
    _does: String,
    /// The code that runs, not the code that creates it.
    code: Bytes,
}

/// A transaction.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Act {
    name: String,
    /// The development account that sends it.
    by: u32,
    /// The development account that delegates to `delegate`.
    authority: Option<u32>,
    delegate: Option<String>,
    /// In the form of RPC; nonce and chain id are filled in.
    request: Value,
}

/// The story, and what its names stand for.
#[derive(Debug)]
pub struct Story {
    script: Script,
    nonces: BTreeMap<u32, u64>,
    /// What `$name` stands for in it.
    pub names: BTreeMap<String, Value>,
    /// Signed transactions by hash.
    raw: BTreeMap<String, Bytes>,
}

impl Story {
    /// Reads it. Names of accounts and contracts are known from the start: `$2` is a development
    /// account, `$logger` a contract, `$through.logger` calldata that makes the caller call it.
    ///
    /// # Errors
    ///
    /// It is not told in the right form.
    pub fn read(script: &str) -> eyre::Result<Self> {
        let script: Script = serde_json::from_str(script)?;
        let mut names = BTreeMap::new();
        for index in 0..10 {
            names.insert(format!("${index}"), json!(dev_key(index).address()));
        }
        for (nonce, contract) in (0..).zip(&script.contracts) {
            let address = dev_key(DEPLOYER).address().create(nonce);
            let calldata = [address.into_word(), U256::from(3).into()];
            let name = &contract.name;
            names.insert(format!("${name}"), json!(address));
            let calldata = hex::encode_prefixed(calldata.concat());
            names.insert(format!("$through.{name}"), calldata.into());
        }
        Ok(Self {
            script,
            nonces: BTreeMap::new(),
            names,
            raw: BTreeMap::new(),
        })
    }

    /// The address of a development account.
    pub fn address(&self, index: u32) -> Address {
        dev_key(index).address()
    }

    /// The signed transaction with a hash.
    ///
    /// # Errors
    ///
    /// The story has none.
    pub fn raw(&self, hash: &str) -> eyre::Result<&Bytes> {
        self.raw
            .get(hash)
            .ok_or_else(|| eyre!("the story has no transaction {hash}"))
    }

    /// Makes the story happen on a node that seals blocks. Tells whether transactions that were
    /// sent together came into one block.
    ///
    /// # Errors
    ///
    /// The node refuses a transaction or does not mine it.
    pub async fn happen(&mut self, node: &Peer) -> eyre::Result<bool> {
        let mut together = true;
        let mut deployments = Vec::new();
        for contract in std::mem::take(&mut self.script.contracts) {
            deployments.push(Act {
                name: format!("deploy.{}", contract.name),
                by: DEPLOYER,
                authority: None,
                delegate: None,
                request: json!({
                    "type": "0x2",
                    "input": init_code(&contract.code),
                    "gas": "0x4c4b40",
                    "maxFeePerGas": "0x0",
                    "maxPriorityFeePerGas": "0x0",
                }),
            });
        }
        let blocks = std::mem::take(&mut self.script.blocks);
        for acts in [deployments].into_iter().chain(blocks) {
            let mut hashes = Vec::new();
            let mut signed = Vec::new();
            for act in acts {
                let (hash, raw) = self.sign(&act)?;
                hashes.push(hash);
                signed.push(raw);
            }
            node.send(&signed).await?;
            let deadline = Instant::now() + PATIENCE;
            let mut blocks = BTreeSet::new();
            for hash in hashes {
                let receipt = loop {
                    let params = json!([hash]);
                    let receipt = node.result("eth_getTransactionReceipt", params).await?;
                    if !receipt.is_null() {
                        break receipt;
                    }
                    if Instant::now() > deadline {
                        bail!("{hash} is not mined");
                    }
                    tokio::time::sleep(Duration::from_millis(50)).await;
                };
                blocks.insert(receipt["blockNumber"].to_string());
            }
            together &= blocks.len() == 1;
        }
        for act in std::mem::take(&mut self.script.unsent) {
            self.sign(&act)?;
        }
        Ok(together)
    }

    /// Signs a transaction and names it: `$tx.legacy` is its hash, `$raw.legacy` itself.
    fn sign(&mut self, act: &Act) -> eyre::Result<(B256, Bytes)> {
        let key = dev_key(act.by);
        let mut request = act.request.clone();
        let unfilled = request.get("nonce").is_none();
        if unfilled {
            let nonce = self.nonces.entry(act.by).or_default();
            request["nonce"] = format!("0x{nonce:x}").into();
            *nonce += 1;
        }
        if request.get("chainId").is_none() {
            request["chainId"] = format!("0x{CHAIN_ID:x}").into();
        }
        let creates = request.get("to").is_none();
        let request = substitute(&request, &self.names);
        let mut request: TransactionRequest =
            serde_json::from_value(request).wrap_err_with(|| act.name.clone())?;
        if creates {
            request.to = Some(alloy::primitives::TxKind::Create);
        }
        if let (Some(authority), Some(delegate)) = (act.authority, &act.delegate) {
            let address = self.names.get(delegate).ok_or_eyre("an unknown delegate")?;
            let authorization = Authorization {
                chain_id: U256::from(CHAIN_ID),
                address: serde_json::from_value(address.clone())?,
                nonce: 0,
            };
            let seal = dev_key(authority).sign_hash_sync(&authorization.signature_hash())?;
            request.authorization_list = Some(vec![authorization.into_signed(seal)]);
        }
        let tx: TypedTransaction = request
            .build_consensus_tx()
            .map_err(|error| eyre!("{}: {error:?}", act.name))?;
        let seal = key.sign_hash_sync(&tx.signature_hash())?;
        let signed = tx.into_envelope(seal);
        let (hash, raw) = (*signed.tx_hash(), Bytes::from(signed.encoded_2718()));
        self.names.insert(format!("$tx.{}", act.name), json!(hash));
        self.names.insert(format!("$raw.{}", act.name), json!(raw));
        self.raw.insert(hash.to_string(), raw.clone());
        Ok((hash, raw))
    }
}

/// Code that creates a contract with `code`.
fn init_code(code: &[u8]) -> Bytes {
    let [high, low] = u16::try_from(code.len()).unwrap_or(u16::MAX).to_be_bytes();
    let copy_and_return = [0x61, high, low, 0x80, 0x60, 10, 0x5f, 0x39, 0x5f, 0xf3];
    [&copy_and_return[..], code].concat().into()
}
