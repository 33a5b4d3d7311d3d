//! A few registered meters on a node's chain, and what the chain holds of them.

use alloy::{
    eips::BlockNumberOrTag,
    primitives::{B256, U256, Uint},
    providers::{DynProvider, Provider},
    rpc::types::{Filter, TransactionRequest},
    signers::{SignerSync, local::PrivateKeySigner},
    sol_types::{SolCall, SolEvent, SolStruct, eip712_domain},
};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};
use wattline_market::{
    MeterId, ReadingKey, Registers, WattHours,
    abi::{IMetering, IRegistry},
    predeploys::{METERING, REGISTRY},
};
use wattline_testing::{CHAIN_ID, RunningNode, dev_key};

const ZONE: u64 = 1;

/// A line of an interval file: an interval's number, a meter, its energies.
pub(crate) fn row(interval: u64, meter: &str, consumption: &str, generation: u64) -> String {
    let start: jiff::Timestamp = "2016-06-07T00:00:00Z".parse().expect("time");
    let start =
        start + jiff::SignedDuration::from_mins(15 * i64::try_from(interval).expect("small"));
    format!("{start},{meter},{consumption},{generation}")
}

pub(crate) struct Village {
    operator: DynProvider,
    carrier: DynProvider,
    submitter: PrivateKeySigner,
    submitting: DynProvider,
    meters: usize,
}

impl Village {
    /// Creates a zone of one-second intervals with meters M0, M1, …, each rated 1000 Wh.
    pub(crate) async fn found(node: &RunningNode, meters: usize) -> Self {
        let wallet = |key: PrivateKeySigner| node.wallet(key).expect("a provider");
        let operator_key = dev_key(0);
        let submitter = dev_key(9);
        let village = Self {
            operator: wallet(operator_key.clone()),
            carrier: wallet(dev_key(5)),
            submitting: wallet(submitter.clone()),
            submitter,
            meters,
        };
        let registry = IRegistry::new(REGISTRY, &village.operator);
        let settings = IRegistry::ZoneSettings {
            operator: operator_key.address(),
            intervalLength: 1,
            gateLead: 1,
            openLead: 2,
            minPrice: -1,
            maxPrice: 1,
            shortagePrice: 1,
            surplusPrice: -1,
            gridFee: 0,
            securityIntervals: 0,
            reportingDeadline: Uint::from(1),
            maxRating: Uint::from(1_000),
            finalDeadline: 120,
            correctionPeriod: 120,
            maxOrders: Uint::from(1),
        };
        mined(registry.createZone(ZONE, settings).send().await).await;
        let accounts = vec![operator_key.address()];
        village
            .agree(&IRegistry::registerParticipantsCall {
                zone: ZONE,
                accounts,
            })
            .await;
        for number in 0..meters {
            village.register(number).await;
        }
        village
    }

    pub(crate) async fn register(&self, number: usize) {
        let meter = IRegistry::NewMeter {
            id: self.id(number).0,
            owner: dev_key(0).address(),
            signer: self.key(number).address(),
            maxImportWh: Uint::from(1_000),
            maxExportWh: Uint::from(1_000),
            renewable: false,
            importWh: 0,
            exportWh: 0,
        };
        let meters = vec![meter];
        self.agree(&IRegistry::registerMetersCall { meters }).await;
    }

    /// Proposes a call as the registrar and makes it as the zone's operator: here they are one.
    async fn agree<C: SolCall + Clone>(&self, call: &C) {
        let registry = IRegistry::new(REGISTRY, &self.operator);
        mined(registry.propose(call.abi_encode().into()).send().await).await;
        mined(registry.call_builder(call).send().await).await;
    }

    pub(crate) const fn len(&self) -> usize {
        self.meters
    }

    pub(crate) fn id(&self, number: usize) -> MeterId {
        MeterId::from_name(&format!("M{number}")).expect("name")
    }

    pub(crate) fn key(&self, number: usize) -> PrivateKeySigner {
        Self::key_of(number)
    }

    pub(crate) fn key_of(number: usize) -> PrivateKeySigner {
        PrivateKeySigner::from_bytes(&B256::from(U256::from(number + 1_000))).expect("key")
    }

    pub(crate) const fn submitter(&self) -> &PrivateKeySigner {
        &self.submitter
    }

    async fn now(&self) -> u64 {
        let head = self
            .operator
            .get_block_by_number(BlockNumberOrTag::Latest)
            .await
            .expect("answer")
            .expect("block");
        head.header.timestamp
    }

    /// The first interval start for which a registered meter counts.
    pub(crate) async fn since(&self, number: usize) -> u64 {
        IRegistry::new(REGISTRY, &self.operator)
            .installation(self.id(number).0)
            .call()
            .await
            .expect("installation")
            .since
    }

    /// A boundary that lies so many seconds behind the head block, once all meters have counted for
    /// that long: what was before is none of the chain's business.
    pub(crate) async fn past(&self, seconds: u64) -> u64 {
        let since = self.since(self.meters - 1).await;
        let deadline = Instant::now() + Duration::from_secs(seconds + 30);
        loop {
            let now = self.now().await;
            if now >= since + seconds {
                return now - seconds;
            }
            assert!(Instant::now() < deadline, "blocks stopped coming");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// A file in which every meter uses a little more each interval, and feeds in now and then.
    pub(crate) fn regular_intervals(&self, intervals: u64) -> String {
        let mut lines = vec!["interval_start,meter,consumption_wh,generation_wh".to_owned()];
        for interval in 0..intervals {
            for number in 0..self.meters {
                let consumption = (interval % 7 + 1 + 2 * number as u64).to_string();
                lines.push(row(
                    interval,
                    &format!("M{number}"),
                    &consumption,
                    if interval % 5 == 4 { 9 } else { 0 },
                ));
            }
        }
        lines.join("\n")
    }

    /// The registers that a regular file amounts to, counted here on their own.
    pub(crate) fn expected(
        &self,
        start: u64,
        boundaries: u64,
        intervals: &str,
    ) -> BTreeMap<ReadingKey, Registers> {
        let mut expected = BTreeMap::new();
        for number in 0..self.meters {
            let (mut import, mut export) = (0, 0);
            let name = format!("M{number}");
            let rows = intervals
                .lines()
                .skip(1)
                .map(|line| line.split(',').collect::<Vec<_>>());
            let energies = rows.filter(|fields| fields[1] == name).map(|fields| {
                (
                    fields[2].parse::<u64>().expect("energy"),
                    fields[3].parse::<u64>().expect("energy"),
                )
            });
            let mut energies = energies.take(usize::try_from(boundaries).expect("small"));
            for time in start.. {
                let registers = Registers {
                    import: WattHours(import),
                    export: WattHours(export),
                };
                expected.insert((time, self.id(number)), registers);
                let Some((consumption, generation)) = energies.next() else {
                    break;
                };
                import += consumption.saturating_sub(generation);
                export += generation.saturating_sub(consumption);
            }
        }
        expected
    }

    async fn events<E: SolEvent>(&self) -> Vec<E> {
        let filter = Filter::new()
            .address(METERING)
            .event_signature(E::SIGNATURE_HASH)
            .from_block(0);
        let logs = self.operator.get_logs(&filter).await.expect("logs");
        logs.iter()
            .map(|log| E::decode_log(&log.inner).expect("event").data)
            .collect()
    }

    /// What the chain has accepted: each boundary's values, one for each time that it was accepted.
    pub(crate) async fn accepted(&self) -> BTreeMap<ReadingKey, Vec<Registers>> {
        let mut accepted = BTreeMap::<_, Vec<_>>::new();
        for event in self.events::<IMetering::ReadingAccepted>().await {
            let registers = Registers {
                import: WattHours(event.importWh),
                export: WattHours(event.exportWh),
            };
            accepted
                .entry((event.time, MeterId(event.meter)))
                .or_default()
                .push(registers);
        }
        accepted
    }

    pub(crate) async fn repeated(&self) -> Vec<ReadingKey> {
        let events = self.events::<IMetering::ReadingRepeated>().await;
        events
            .iter()
            .map(|event| (event.time, MeterId(event.meter)))
            .collect()
    }

    pub(crate) async fn conflicts(&self) -> Vec<ReadingKey> {
        let events = self.events::<IMetering::ReadingConflict>().await;
        events
            .iter()
            .map(|event| (event.time, MeterId(event.meter)))
            .collect()
    }

    pub(crate) async fn rejected(&self) -> Vec<ReadingKey> {
        let events = self.events::<IMetering::ReadingRejected>().await;
        events
            .iter()
            .map(|event| (event.time, MeterId(event.meter)))
            .collect()
    }

    /// Every boundary is stored with the file's registers, accepted once, and nothing was refused.
    pub(crate) async fn assert_exactly_once(&self, start: u64, boundaries: u64, intervals: &str) {
        let expected = self.expected(start, boundaries, intervals);
        assert_eq!(expected.len() as u64, self.meters as u64 * (boundaries + 1));
        let once: BTreeMap<_, _> = expected
            .iter()
            .map(|(key, registers)| (*key, vec![*registers]))
            .collect();
        assert_eq!(self.accepted().await, once);
        assert_eq!(self.rejected().await, []);
        assert_eq!(self.conflicts().await, []);
        for (key, registers) in expected {
            assert!(self.holds(key, registers).await, "{key:?}");
        }
    }

    /// Stores the zone operator's guess at a reading.
    pub(crate) async fn substitute(&self, key: ReadingKey, registers: Registers) {
        let metering = IMetering::new(METERING, &self.operator);
        let readings = vec![reading(key, registers)];
        mined(metering.substitute(readings).send().await).await;
    }

    /// Whether the chain holds these registers, signed by the meter.
    pub(crate) async fn holds(&self, (time, meter): ReadingKey, registers: Registers) -> bool {
        let metering = IMetering::new(METERING, &self.operator);
        let stored = metering.register(meter.0, time).call().await.expect("view");
        let found = (stored.importWh, stored.exportWh);
        stored.known && !stored.substituted && found == (registers.import.0, registers.export.0)
    }

    /// Carries a reading to the chain by another way than the daemon.
    pub(crate) async fn carry(&self, key: ReadingKey, registers: Registers) {
        let reading = reading(key, registers);
        let domain = eip712_domain! {
            name: "Wattline Metering",
            version: "1",
            chain_id: CHAIN_ID,
            verifying_contract: METERING,
        };
        let number = (0..self.meters)
            .find(|number| self.id(*number) == key.1)
            .expect("a meter of the village");
        let signature = self
            .key(number)
            .sign_hash_sync(&reading.eip712_signing_hash(&domain))
            .expect("signs");
        let metering = IMetering::new(METERING, &self.carrier);
        mined(
            metering
                .submit(vec![reading], vec![signature.as_bytes().into()])
                .send()
                .await,
        )
        .await;
    }

    /// Uses the submitter's next nonce for something else.
    pub(crate) async fn spend_nonce_of_submitter(&self) {
        let transaction = TransactionRequest::default()
            .to(self.submitter.address())
            .value(U256::ZERO);
        mined(
            self.submitting
                .send_transaction(transaction)
                .await
                .map_err(Into::into),
        )
        .await;
    }
}

fn reading((time, meter): ReadingKey, registers: Registers) -> IMetering::Reading {
    IMetering::Reading {
        meter: meter.0,
        time,
        importWh: registers.import.0,
        exportWh: registers.export.0,
    }
}

async fn mined(
    sent: Result<
        alloy::providers::PendingTransactionBuilder<alloy::network::Ethereum>,
        alloy::contract::Error,
    >,
) {
    let receipt = sent.expect("sent").get_receipt().await.expect("mined");
    assert!(receipt.status(), "{receipt:?}");
}
