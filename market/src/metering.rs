//! The metering contract: what it holds, and the readings that are brought to it.

use crate::{
    Client, MarketError, MeterId, Reading, ReadingKey, Registers, WattHours, abi::IMetering,
};
use alloy::{
    primitives::{Address, Bytes},
    rpc::types::TransactionReceipt,
    signers::{SignerSync, local::PrivateKeySigner},
    sol_types::{Eip712Domain, SolEvent, SolStruct, eip712_domain},
};
use std::collections::BTreeMap;

/// How many meters or readings one view call asks for.
const VIEW_PAGE: usize = 500;

/// A metering contract on a chain.
#[derive(Clone, Debug)]
pub struct Metering {
    client: Client,
    contract: Address,
    domain: Eip712Domain,
}

/// A reading with its meter's signature.
#[derive(Clone, Debug)]
pub struct SignedReading {
    reading: IMetering::Reading,
    signature: Bytes,
}

impl Metering {
    /// The contract at `contract`, which is [`METERING`](crate::predeploys::METERING) where the
    /// genesis file has the market's contracts.
    pub fn new(client: Client, contract: Address) -> Self {
        let domain = eip712_domain! {
            name: "Wattline Metering",
            version: "1",
            chain_id: client.chain_id(),
            verifying_contract: contract,
        };
        Self {
            client,
            contract,
            domain,
        }
    }

    /// The node that is asked.
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// Where the contract stands.
    pub const fn contract(&self) -> Address {
        self.contract
    }

    /// What the meter signed for each boundary, as the contract holds it. The operator's substitute is
    /// none: the meter's reading takes its place.
    ///
    /// # Errors
    ///
    /// As [`Client::view`].
    pub async fn registers(
        &self,
        keys: &[ReadingKey],
    ) -> Result<Vec<Option<Registers>>, MarketError> {
        let mut stored = Vec::with_capacity(keys.len());
        for page in keys.chunks(VIEW_PAGE) {
            let call = IMetering::registersCall {
                meters: page.iter().map(|(_, meter)| meter.0).collect(),
                times: page.iter().map(|(time, _)| *time).collect(),
            };
            let registers = self.client.view(self.contract, &call).await?;
            stored.extend(registers.iter().map(signed));
        }
        Ok(stored)
    }

    /// Each meter's latest reading on the chain.
    ///
    /// # Errors
    ///
    /// As [`Client::view`].
    pub async fn latest(&self, meters: &[MeterId]) -> Result<Vec<Option<Reading>>, MarketError> {
        let mut latest = Vec::with_capacity(meters.len());
        for page in meters.chunks(VIEW_PAGE) {
            let call = IMetering::latestOfCall {
                meters: page.iter().map(|meter| meter.0).collect(),
            };
            let registers = self.client.view(self.contract, &call).await?;
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

    /// How much flowed through each meter between two boundaries.
    ///
    /// # Errors
    ///
    /// As [`Client::view`].
    pub async fn energies(
        &self,
        meters: &[MeterId],
        start: u64,
        end: u64,
    ) -> Result<Vec<IMetering::Energy>, MarketError> {
        let mut energies = Vec::with_capacity(meters.len());
        for page in meters.chunks(VIEW_PAGE) {
            let meters = page.iter().map(|meter| meter.0).collect();
            let call = IMetering::energiesCall { meters, start, end };
            energies.extend(self.client.view(self.contract, &call).await?);
        }
        Ok(energies)
    }

    /// A reading with the signature of its meter's key (EIP-712).
    ///
    /// # Errors
    ///
    /// [`MarketError::Sign`] when the key cannot sign.
    pub fn sign(
        &self,
        reading: &Reading,
        key: &PrivateKeySigner,
    ) -> Result<SignedReading, MarketError> {
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

    /// The contract's verdict on each reading of a transaction, from its events.
    pub fn verdicts(
        &self,
        receipt: &TransactionReceipt,
    ) -> BTreeMap<ReadingKey, IMetering::Verdict> {
        let logs = receipt.logs().iter();
        let own = logs.filter(|log| log.address() == self.contract);
        own.filter_map(|log| {
            let log = &log.inner;
            let (time, meter, verdict) =
                if let Ok(event) = IMetering::ReadingAccepted::decode_log(log) {
                    (event.time, event.meter, IMetering::Verdict::Accepted)
                } else if let Ok(event) = IMetering::ReadingRepeated::decode_log(log) {
                    (event.time, event.meter, IMetering::Verdict::Repeated)
                } else if let Ok(event) = IMetering::ReadingConflict::decode_log(log) {
                    (event.time, event.meter, IMetering::Verdict::Conflict)
                } else if let Ok(event) = IMetering::ReadingRejected::decode_log(log) {
                    (event.time, event.meter, event.verdict)
                } else {
                    return None;
                };
            Some(((time, MeterId(meter)), verdict))
        })
        .collect()
    }
}

/// What the meter signed, if anything.
fn signed(register: &IMetering::Register) -> Option<Registers> {
    let registers = Registers {
        import: WattHours(register.importWh),
        export: WattHours(register.exportWh),
    };
    (register.known && !register.substituted).then_some(registers)
}

impl SignedReading {
    /// The call that brings readings to the contract.
    pub fn submission(readings: Vec<Self>) -> IMetering::submitCall {
        let (readings, signatures) = readings
            .into_iter()
            .map(|signed| (signed.reading, signed.signature))
            .unzip();
        IMetering::submitCall {
            readings,
            signatures,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::{B256, Signature, keccak256};

    #[test]
    fn a_substitute_is_no_reading_of_the_meter() {
        let mut register = IMetering::Register {
            importWh: 5,
            exportWh: 6,
            known: true,
            substituted: false,
        };
        let registers = Registers {
            import: WattHours(5),
            export: WattHours(6),
        };
        assert_eq!(signed(&register), Some(registers));
        register.substituted = true;
        assert_eq!(signed(&register), None);
    }

    #[test]
    fn a_signature_recovers_to_its_meters_key() {
        let url = "http://localhost:1".parse().expect("url");
        let client = Client::new(url, 57_836).expect("client");
        let metering = Metering::new(client, Address::with_last_byte(6));
        let key = PrivateKeySigner::from_bytes(&B256::with_last_byte(9)).expect("key");
        let reading = Reading {
            meter: MeterId::from_name("M001").expect("name"),
            time: 900,
            registers: Registers {
                import: WattHours(5),
                export: WattHours(6),
            },
        };
        let signed = metering.sign(&reading, &key).expect("signs");
        let type_hash =
            keccak256("Reading(bytes32 meter,uint64 time,uint64 importWh,uint64 exportWh)");
        assert_eq!(
            signed.reading.eip712_type_hash(),
            type_hash,
            "the type string of IMetering"
        );
        let signature = Signature::from_raw(&signed.signature).expect("65 bytes");
        let digest = signed.reading.eip712_signing_hash(&metering.domain);
        assert_eq!(
            signature
                .recover_address_from_prehash(&digest)
                .expect("recovers"),
            key.address()
        );
    }
}
