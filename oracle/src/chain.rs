//! The metering contract, seen over JSON-RPC.

use crate::{MeterId, Reading, ReadingKey, Registers, WattHours};
use alloy::{
    consensus::{SignableTransaction, TxEip1559, TxEnvelope},
    eips::{BlockNumberOrTag, eip2718::Encodable2718},
    network::TxSignerSync,
    primitives::{Address, B256, Bytes, TxKind},
    providers::{Provider, RootProvider},
    rpc::{client::RpcClient, types::TransactionReceipt},
    signers::{SignerSync, local::PrivateKeySigner},
    sol_types::{Eip712Domain, SolCall, SolEvent, SolStruct, eip712_domain},
    transports::{TransportError, http::reqwest},
};
use std::{collections::BTreeMap, time::Duration};

#[allow(missing_docs)]
mod abi {
    alloy::sol!(
        #[sol(rpc, all_derives)]
        "../contracts/src/interfaces/IMetering.sol"
    );
}

pub use abi::IMetering;

/// How long a call may take before the node counts as out of reach.
const CALL_TIMEOUT: Duration = Duration::from_secs(20);
/// How many meters or readings one view call asks for.
const VIEW_PAGE: usize = 500;

/// Why the chain could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// The node does not answer, or not as it should.
    #[error("the node at {url} does not answer: {error}")]
    Node {
        /// Where it should be.
        url: String,
        /// What happened.
        error: Box<TransportError>,
    },
    /// The contract does not answer.
    #[error("the metering contract {contract} does not answer: {error}")]
    Contract {
        /// Its address.
        contract: Address,
        /// What happened.
        error: Box<alloy::contract::Error>,
    },
    /// Another chain.
    #[error("the node at {url} is on chain {found}, the configuration says {expected}")]
    WrongChain {
        /// The node.
        url: String,
        /// Its chain id.
        found: u64,
        /// The configured one.
        expected: u64,
    },
    /// No contract there.
    #[error(
        "there is no contract at {contract} on chain {chain_id}; check `contract` in the configuration"
    )]
    NoContract {
        /// The address.
        contract: Address,
        /// The chain.
        chain_id: u64,
    },
    /// The node has no head block.
    #[error("the node at {0} has no head block")]
    NoHead(String),
    /// A key cannot sign.
    #[error("cannot sign")]
    Sign(#[from] alloy::signers::Error),
}

impl ChainError {
    /// Whether asking again cannot help.
    pub const fn is_fatal(&self) -> bool {
        matches!(
            self,
            Self::WrongChain { .. } | Self::NoContract { .. } | Self::Sign(_)
        )
    }
}

/// The head block, as far as it matters here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    pub(crate) number: u64,
    pub(crate) timestamp: u64,
    pub(crate) gas_limit: u64,
    pub(crate) base_fee: u128,
}

/// What the node said to a transaction.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// It has it now, or had it before.
    Taken,
    /// Its nonce is used up.
    NonceUsed,
    /// It offers too little for its gas.
    Underpriced(String),
    /// Something else.
    Refused(String),
}

/// What became of a reading in a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Stored, or stored before.
    Stored,
    /// Refused; the same reading may be taken later.
    Later(&'static str),
    /// Refused for good.
    Never(&'static str),
}

#[derive(Clone, Debug)]
pub(crate) struct Chain {
    url: String,
    chain_id: u64,
    contract: Address,
    provider: RootProvider,
    domain: Eip712Domain,
}

impl Chain {
    pub(crate) fn new(
        url: reqwest::Url,
        chain_id: u64,
        contract: Address,
    ) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder().timeout(CALL_TIMEOUT).build()?;
        let text = url.to_string();
        let domain = eip712_domain! {
            name: "Wattline Metering",
            version: "1",
            chain_id: chain_id,
            verifying_contract: contract,
        };
        let provider = RootProvider::new(RpcClient::new_http_with_client(client, url));
        Ok(Self {
            url: text,
            chain_id,
            contract,
            provider,
            domain,
        })
    }

    fn node(&self, error: TransportError) -> ChainError {
        ChainError::Node {
            url: self.url.clone(),
            error: Box::new(error),
        }
    }

    fn view(&self, error: alloy::contract::Error) -> ChainError {
        match error {
            alloy::contract::Error::TransportError(error) => self.node(error),
            error => ChainError::Contract {
                contract: self.contract,
                error: Box::new(error),
            },
        }
    }

    /// Whether this is the configured chain, with the contract on it.
    pub(crate) async fn check(&self) -> Result<(), ChainError> {
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
        let code = self
            .provider
            .get_code_at(self.contract)
            .await
            .map_err(|error| self.node(error))?;
        if code.is_empty() {
            return Err(ChainError::NoContract {
                contract: self.contract,
                chain_id: self.chain_id,
            });
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
            .ok_or_else(|| ChainError::NoHead(self.url.clone()))?;
        let header = block.header.inner;
        Ok(Head {
            number: header.number,
            timestamp: header.timestamp,
            gas_limit: header.gas_limit,
            base_fee: header.base_fee_per_gas.unwrap_or_default().into(),
        })
    }

    /// An account's next nonce after the head block, and after what waits in the node's pool.
    pub(crate) async fn nonces(&self, account: Address) -> Result<(u64, u64), ChainError> {
        let mined = self.provider.get_transaction_count(account).latest();
        let pending = self.provider.get_transaction_count(account).pending();
        let mined = mined.await.map_err(|error| self.node(error))?;
        let pending = pending.await.map_err(|error| self.node(error))?;
        Ok((mined, pending.max(mined)))
    }

    pub(crate) async fn receipt(
        &self,
        hash: B256,
    ) -> Result<Option<TransactionReceipt>, ChainError> {
        self.provider
            .get_transaction_receipt(hash)
            .await
            .map_err(|error| self.node(error))
    }

    pub(crate) async fn send(&self, transaction: &Bytes) -> Result<Sent, ChainError> {
        match self.provider.send_raw_transaction(transaction).await {
            Ok(_) => Ok(Sent::Taken),
            Err(TransportError::ErrorResp(error)) => Ok(classify(&error.message)),
            Err(error) => Err(self.node(error)),
        }
    }

    /// What the contract holds for each pair of meter and boundary.
    pub(crate) async fn registers(
        &self,
        keys: &[ReadingKey],
    ) -> Result<Vec<Option<Registers>>, ChainError> {
        let contract = IMetering::new(self.contract, &self.provider);
        let mut stored = Vec::with_capacity(keys.len());
        for page in keys.chunks(VIEW_PAGE) {
            let meters = page.iter().map(|(_, meter)| meter.0).collect();
            let times = page.iter().map(|(time, _)| *time).collect();
            let registers = contract
                .registers(meters, times)
                .call()
                .await
                .map_err(|error| self.view(error))?;
            stored.extend(registers.iter().map(|register| {
                let registers = Registers {
                    import: WattHours(register.importWh),
                    export: WattHours(register.exportWh),
                };
                register.known.then_some(registers)
            }));
        }
        Ok(stored)
    }

    /// Each meter's latest reading on the chain.
    pub(crate) async fn latest(
        &self,
        meters: &[MeterId],
    ) -> Result<Vec<Option<Reading>>, ChainError> {
        let contract = IMetering::new(self.contract, &self.provider);
        let mut latest = Vec::with_capacity(meters.len());
        for page in meters.chunks(VIEW_PAGE) {
            let ids = page.iter().map(|meter| meter.0).collect();
            let registers = contract
                .latestOf(ids)
                .call()
                .await
                .map_err(|error| self.view(error))?;
            latest.extend(page.iter().zip(registers).map(|(meter, register)| {
                let registers = Registers {
                    import: WattHours(register.importWh),
                    export: WattHours(register.exportWh),
                };
                (register.count > 0).then_some(Reading {
                    meter: *meter,
                    time: register.time,
                    registers,
                })
            }));
        }
        Ok(latest)
    }

    /// A reading with the signature of its meter's key.
    pub(crate) fn sign(
        &self,
        reading: &Reading,
        key: &PrivateKeySigner,
    ) -> Result<SignedReading, ChainError> {
        let reading = IMetering::Reading {
            meter: reading.meter.0,
            time: reading.time,
            importWh: reading.registers.import.0,
            exportWh: reading.registers.export.0,
        };
        let signature = key.sign_hash_sync(&reading.eip712_signing_hash(&self.domain))?;
        Ok(SignedReading {
            reading,
            signature: signature.as_bytes().into(),
        })
    }

    /// A signed transaction that carries readings.
    pub(crate) fn transaction(
        &self,
        readings: Vec<SignedReading>,
        offer: &Offer,
        submitter: &PrivateKeySigner,
    ) -> Result<Bytes, ChainError> {
        let (readings, signatures) = readings
            .into_iter()
            .map(|signed| (signed.reading, signed.signature))
            .unzip();
        let call = IMetering::submitCall {
            readings,
            signatures,
        };
        let mut transaction = TxEip1559 {
            chain_id: self.chain_id,
            nonce: offer.nonce,
            gas_limit: offer.gas_limit,
            max_fee_per_gas: offer.max_fee,
            max_priority_fee_per_gas: offer.priority_fee,
            to: TxKind::Call(self.contract),
            input: call.abi_encode().into(),
            ..TxEip1559::default()
        };
        let signature = submitter.sign_transaction_sync(&mut transaction)?;
        Ok(TxEnvelope::from(transaction.into_signed(signature))
            .encoded_2718()
            .into())
    }

    /// What became of the readings of a transaction, from its events.
    pub(crate) fn verdicts(&self, receipt: &TransactionReceipt) -> BTreeMap<ReadingKey, Verdict> {
        let mut verdicts = BTreeMap::new();
        for log in receipt
            .logs()
            .iter()
            .filter(|log| log.address() == self.contract)
        {
            let log = &log.inner;
            if let Ok(event) = IMetering::ReadingAccepted::decode_log(log) {
                verdicts.insert((event.time, MeterId(event.meter)), Verdict::Stored);
            } else if let Ok(event) = IMetering::ReadingRepeated::decode_log(log) {
                verdicts.insert((event.time, MeterId(event.meter)), Verdict::Stored);
            } else if let Ok(event) = IMetering::ReadingConflict::decode_log(log) {
                verdicts.insert(
                    (event.time, MeterId(event.meter)),
                    Verdict::Never("conflict"),
                );
            } else if let Ok(event) = IMetering::ReadingRejected::decode_log(log) {
                verdicts.insert((event.time, MeterId(event.meter)), judge(event.verdict));
            }
        }
        verdicts
    }
}

/// A reading with its meter's signature.
#[derive(Clone, Debug)]
pub(crate) struct SignedReading {
    reading: IMetering::Reading,
    signature: Bytes,
}

/// What a transaction offers for its place in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Offer {
    pub(crate) nonce: u64,
    pub(crate) gas_limit: u64,
    pub(crate) max_fee: u128,
    pub(crate) priority_fee: u128,
}

const fn judge(verdict: IMetering::Verdict) -> Verdict {
    match verdict {
        IMetering::Verdict::Accepted | IMetering::Verdict::Repeated => Verdict::Stored,
        IMetering::Verdict::UnknownMeter => Verdict::Later("unknown_meter"),
        IMetering::Verdict::InFuture => Verdict::Later("in_future"),
        IMetering::Verdict::OutOfReach => Verdict::Later("out_of_reach"),
        IMetering::Verdict::WrongSigner => Verdict::Never("wrong_signer"),
        IMetering::Verdict::UnalignedTime => Verdict::Never("unaligned_time"),
        IMetering::Verdict::Backwards => Verdict::Never("backwards"),
        IMetering::Verdict::BeyondRating => Verdict::Never("beyond_rating"),
        IMetering::Verdict::Conflict => Verdict::Never("conflict"),
        IMetering::Verdict::NotZoneOperator => Verdict::Never("not_zone_operator"),
        IMetering::Verdict::BeforeDeadline => Verdict::Never("before_deadline"),
        IMetering::Verdict::BeforeRegistration => Verdict::Never("before_registration"),
        IMetering::Verdict::__Invalid => Verdict::Never("unknown_verdict"),
    }
}

fn classify(message: &str) -> Sent {
    let text = message.to_ascii_lowercase();
    let says = |phrases: &[&str]| phrases.iter().any(|phrase| text.contains(phrase));
    if says(&["already known", "known transaction", "already imported"]) {
        Sent::Taken
    } else if says(&["nonce too low"]) {
        Sent::NonceUsed
    } else if says(&[
        "underpriced",
        "fee cap",
        "max fee per gas less than",
        "gas price too low",
    ]) {
        Sent::Underpriced(message.to_owned())
    } else {
        Sent::Refused(message.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_nodes_are_understood() {
        assert_eq!(classify("already known"), Sent::Taken);
        assert_eq!(
            classify("nonce too low: next nonce 4, tx nonce 3"),
            Sent::NonceUsed
        );
        assert_eq!(
            classify("replacement transaction underpriced"),
            Sent::Underpriced("replacement transaction underpriced".to_owned())
        );
        assert_eq!(
            classify("insufficient funds"),
            Sent::Refused("insufficient funds".to_owned())
        );
    }

    #[test]
    fn a_signature_recovers_to_its_meters_key() {
        let contract = Address::with_last_byte(6);
        let chain = Chain::new("http://localhost:1".parse().expect("url"), 57_836, contract)
            .expect("client");
        let key = PrivateKeySigner::from_bytes(&B256::with_last_byte(9)).expect("key");
        let reading = Reading {
            meter: MeterId::from_name("M001").expect("name"),
            time: 900,
            registers: Registers {
                import: WattHours(5),
                export: WattHours(6),
            },
        };
        let signed = chain.sign(&reading, &key).expect("signs");
        let type_hash = alloy::primitives::keccak256(
            "Reading(bytes32 meter,uint64 time,uint64 importWh,uint64 exportWh)",
        );
        assert_eq!(
            signed.reading.eip712_type_hash(),
            type_hash,
            "the type string of IMetering"
        );
        let signature =
            alloy::primitives::Signature::from_raw(&signed.signature).expect("65 bytes");
        let digest = signed.reading.eip712_signing_hash(&chain.domain);
        assert_eq!(
            signature
                .recover_address_from_prehash(&digest)
                .expect("recovers"),
            key.address()
        );
    }
}
