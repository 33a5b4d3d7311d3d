//! A village trades, is metered and is settled by the real binary; everything is then checked from
//! outside, by RPC alone, against the data and the rules.

use std::{collections::BTreeMap, fs, path::Path};

use alloy::{
    consensus::BlockHeader,
    eips::BlockId,
    network::BlockResponse,
    primitives::{Address, B256, I256, U256},
    providers::{DynProvider, Provider},
    rpc::types::Filter,
    signers::local::PrivateKeySigner,
    sol_types::{SolCall, SolEvent},
};
use eyre::{OptionExt, WrapErr, ensure};
use serde_json::Value;
use tokio::process::Command;
use wattline_devnet::{Household, OPERATOR_INDEX, dataset::Dataset, development_key};
use wattline_market::{
    Money, Product, Ticks, WattHours,
    abi::{ILens, IMarket, IMetering, IRegistry, ISettlement, ISettlementToken, IVault},
    predeploys::{LENS, MARKET, METERING, REGISTRY, SETTLEMENT, SETTLEMENT_TOKEN, VAULT},
};
use wattline_precompiles::{
    matching,
    order::{Order, Side},
};
use wattline_testing::{
    CHAIN_ID, RunningNode, dev_key,
    tool::{foundry, succeed},
    wait_for_block,
};

use crate::common::replays::check_replays;

const FROM: &str = "2016-06-07T11:00:00Z";
const INTERVALS: usize = 8;
const INTERVAL_SECONDS: &str = "6";
const HOUSEHOLDS: usize = 93;

/// What the checks look at: the chain from outside, and what it should show.
struct Village {
    provider: DynProvider,
    dataset: Dataset,
    /// Index of the first traded quarter hour in the data set.
    first: usize,
    /// The products in order of delivery.
    products: Vec<Product>,
    zone: u64,
    accounts: Vec<Address>,
    settings: IRegistry::ZoneSettings,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_village_trades_is_metered_and_settles() -> eyre::Result<()> {
    let dir = tempfile::tempdir()?;
    let datadir = dir.path().join("data");
    let report = run_market(&datadir, &dir.path().join("report.json"))?;

    // The chain restarted on the same directory continues.
    let node = RunningNode::dev_chain(&datadir)?;
    let provider = node.provider()?;
    let head = provider.get_block_number().await?;
    wait_for_block(&provider, head + 2).await?;

    let village = Village::read(provider, &report).await?;
    village.check_report(&report)?;
    for index in 0..INTERVALS {
        village
            .check_auction(index)
            .await
            .wrap_err_with(|| format!("auction {index}"))?;
        village
            .check_metering(index)
            .await
            .wrap_err_with(|| format!("metering {index}"))?;
        village
            .check_delivery(index)
            .await
            .wrap_err_with(|| format!("delivery {index}"))?;
    }
    village.check_registers().await?;
    village.check_money().await?;
    let replayed = check_replays(&village.provider, head).await?;
    assert!(replayed > HOUSEHOLDS, "{replayed} transactions");
    village.trade_again_with_cast(&node.url).await?;
    assert!(node.stop()?.success());
    Ok(())
}

fn text(path: &Path) -> eyre::Result<&str> {
    path.to_str().ok_or_eyre("the path is not UTF-8")
}

/// Runs the whole market to its end and returns the report.
fn run_market(datadir: &Path, report: &Path) -> eyre::Result<Value> {
    let intervals = INTERVALS.to_string();
    let mut node = RunningNode::start(&[
        "dev",
        "--datadir",
        text(datadir)?,
        "--http.port",
        "0",
        "--from",
        FROM,
        "--intervals",
        &intervals,
        "--interval-seconds",
        INTERVAL_SECONDS,
        "--seed",
        "7",
        "--report",
        text(report)?,
    ])?;
    let status = node.wait()?;
    let printed = node.printed();
    ensure!(
        status.success(),
        "the market ended with {status}:\n{}",
        printed.join("\n")
    );
    Ok(serde_json::from_str(&fs::read_to_string(report)?)?)
}

impl Village {
    async fn read(provider: DynProvider, report: &Value) -> eyre::Result<Self> {
        let intervals = report["intervals"].as_array().ok_or_eyre("no intervals")?;
        let products = intervals
            .iter()
            .map(|interval| {
                Ok(interval["product"]
                    .as_str()
                    .ok_or_eyre("no product")?
                    .parse::<U256>()?
                    .try_into()?)
            })
            .collect::<eyre::Result<Vec<Product>>>()?;
        let zone = products.first().ok_or_eyre("no products")?.zone();
        let registry = IRegistry::new(REGISTRY, &provider);
        let accounts = registry
            .participants(zone, U256::ZERO, U256::from(1_000))
            .call()
            .await?;
        let start = products[0].start();
        let settings = registry.settingsAt(zone, start).call().await?;
        let dataset = Dataset::village()?;
        let first = dataset.index_of(FROM.parse()?)?;
        Ok(Self {
            provider,
            dataset,
            first,
            products,
            zone,
            accounts,
            settings,
        })
    }

    fn start(&self, index: usize) -> u64 {
        self.products[index].start()
    }

    fn end(&self, index: usize) -> u64 {
        self.start(index) + u64::from(self.settings.intervalLength)
    }

    /// What the data says of an interval: meter, import and export in Wh.
    fn data(&self, index: usize) -> eyre::Result<BTreeMap<B256, (u64, u64)>> {
        let energies = self
            .dataset
            .interval(self.first + index)
            .ok_or_eyre("beyond the data")?;
        let meters = self.dataset.meters().iter().zip(energies);
        Ok(meters
            .map(|(meter, energy)| {
                let id = B256::right_padding_from(meter.name.as_bytes());
                (id, (energy.import(), energy.export()))
            })
            .collect())
    }

    /// Every interval cleared with both sides trading, is read and settled, and the report's sums
    /// are the data's.
    fn check_report(&self, report: &Value) -> eyre::Result<()> {
        let intervals = report["intervals"].as_array().ok_or_eyre("no intervals")?;
        assert_eq!(intervals.len(), INTERVALS);
        let number = |value: &Value| value.as_u64().ok_or_eyre("not a number");
        let (mut volume, mut imports, mut exports) = (0, 0, 0);
        for (index, interval) in intervals.iter().enumerate() {
            assert!(
                number(&interval["bids"])? > 0 && number(&interval["asks"])? > 0,
                "{interval}"
            );
            assert_eq!(
                number(&interval["orders"])?,
                number(&interval["bids"])? + number(&interval["asks"])?
            );
            assert!(
                number(&interval["volumeWh"])? > 0,
                "nothing traded: {interval}"
            );
            assert_eq!(
                number(&interval["readings"])?,
                HOUSEHOLDS as u64,
                "{interval}"
            );
            assert_eq!(interval["settled"], true, "{interval}");
            let data = self.data(index)?;
            let (import, export) = data
                .values()
                .fold((0, 0), |sum, energy| (sum.0 + energy.0, sum.1 + energy.1));
            assert_eq!(number(&interval["importWh"])?, import);
            assert_eq!(number(&interval["exportWh"])?, export);
            volume += number(&interval["volumeWh"])?;
            imports += import;
            exports += export;
        }
        let totals = &report["totals"];
        assert_eq!(number(&totals["volumeWh"])?, volume);
        assert_eq!(number(&totals["importWh"])?, imports);
        assert_eq!(number(&totals["exportWh"])?, exports);
        Ok(())
    }

    /// Price, marginal levels and every fill are those of the matching core on the words that lie
    /// in the contract's storage; positions sum to zero.
    async fn check_auction(&self, index: usize) -> eyre::Result<()> {
        let market = IMarket::new(MARKET, &self.provider);
        let words = stored_orders(&self.provider, self.products[index]).await?;
        let product = self.products[index].number();
        assert_eq!(market.orders(product).call().await?, words);

        let (clearing, fills) = matching::fills(&words)?;
        let on_chain = market.clearing(product).call().await?;
        assert_same_clearing(&on_chain, &clearing);
        assert!(on_chain.volume > 0);
        let fills: Vec<U256> = fills.into_iter().map(U256::from).collect();
        let lens = ILens::new(LENS, &self.provider);
        assert_eq!(lens.fillsOf(product).call().await?, fills);

        let infos = market
            .accountInfos(product, self.accounts.clone())
            .call()
            .await?;
        let sum = infos
            .iter()
            .fold(I256::ZERO, |sum, info| sum + info.position);
        assert_eq!(sum, I256::ZERO);
        assert!(
            infos
                .iter()
                .all(|info| info.delivered && info.locked.is_zero())
        );
        Ok(())
    }

    /// The energy of every meter in the interval is the data's.
    async fn check_metering(&self, index: usize) -> eyre::Result<()> {
        let data = self.data(index)?;
        assert_eq!(data.len(), HOUSEHOLDS);
        let metering = IMetering::new(METERING, &self.provider);
        let ids: Vec<_> = data.keys().copied().collect();
        let energies = metering
            .energies(ids, self.start(index), self.end(index))
            .call()
            .await?;
        for ((meter, (import, export)), energy) in data.iter().zip(energies) {
            assert!(energy.complete && !energy.substituted, "meter {meter}");
            assert_eq!(
                (energy.importWh, energy.exportWh),
                (*import, *export),
                "meter {meter}"
            );
        }
        Ok(())
    }

    /// Contracted plus imbalance is metered, for every participant, and costs what the zone says.
    async fn check_delivery(&self, index: usize) -> eyre::Result<()> {
        let product = self.products[index].number();
        let data = self.data(index)?;
        let registry = IRegistry::new(REGISTRY, &self.provider);
        let market = IMarket::new(MARKET, &self.provider);

        let filter = Filter::new()
            .address(SETTLEMENT)
            .event_signature(ISettlement::DeliverySettled::SIGNATURE_HASH)
            .topic1(B256::from(product))
            .from_block(0);
        let mut settled = BTreeMap::new();
        for log in self.provider.get_logs(&filter).await? {
            let event = ISettlement::DeliverySettled::decode_log(&log.inner)?.data;
            assert!(
                settled.insert(event.account, event).is_none(),
                "settled twice"
            );
        }
        assert_eq!(settled.len(), self.accounts.len());
        assert_eq!(settled.len(), HOUSEHOLDS);

        for (account, event) in settled {
            let meters = registry.metersOf(account, self.start(index)).call().await?;
            let net = meters.iter().fold(I256::ZERO, |sum, meter| {
                let (import, export) = data[meter];
                sum + signed(import) - signed(export)
            });
            let position = market.position(product, account).call().await?;
            assert_eq!(event.contracted, position);
            assert_eq!(event.metered, net);
            let imbalance = net - position;
            let ticks = if imbalance.is_negative() {
                self.settings.surplusPrice
            } else {
                self.settings.shortagePrice
            };
            let cost = worth(Ticks(ticks), imbalance)?;
            assert_eq!(event.imbalanceCost, cost, "account {account}");
            let bought = position.max(I256::ZERO) + imbalance.max(I256::ZERO);
            let fee = worth(Ticks(i32::try_from(self.settings.gridFee)?), bought)?;
            assert_eq!(I256::from_raw(event.gridFee), fee, "account {account}");
        }
        Ok(())
    }

    /// Each register grew by the data's sums, boundary by boundary.
    async fn check_registers(&self) -> eyre::Result<()> {
        let metering = IMetering::new(METERING, &self.provider);
        let ids: Vec<_> = self.data(0)?.into_keys().collect();
        let mut expected: Vec<(u64, u64)> = vec![(0, 0); ids.len()];
        for index in 0..=INTERVALS {
            let time = match index {
                0 => self.start(0),
                _ => self.end(index - 1),
            };
            let registers = metering.registersAt(ids.clone(), time).call().await?;
            let found: Vec<_> = registers.iter().map(|r| (r.importWh, r.exportWh)).collect();
            assert!(registers.iter().all(|register| register.known));
            assert_eq!(found, expected, "at boundary {index}");
            if index < INTERVALS {
                for (sum, energy) in expected.iter_mut().zip(self.data(index)?.into_values()) {
                    *sum = (sum.0 + energy.0, sum.1 + energy.1);
                }
            }
        }
        Ok(())
    }

    /// No money appeared or disappeared since trading began, and the vault's books balance.
    async fn check_money(&self) -> eyre::Result<()> {
        let token = ISettlementToken::new(SETTLEMENT_TOKEN, &self.provider);
        let vault = IVault::new(VAULT, &self.provider);
        let supply = token.totalSupply().call().await?;

        let first_order = Filter::new()
            .address(MARKET)
            .event_signature(IMarket::OrderSubmitted::SIGNATURE_HASH)
            .from_block(0);
        let orders = self.provider.get_logs(&first_order).await?;
        let began = orders
            .iter()
            .filter_map(|log| log.block_number)
            .min()
            .ok_or_eyre("no order")?;
        let then = token
            .totalSupply()
            .block(BlockId::number(began))
            .call()
            .await?;
        assert_eq!(supply, then, "the supply changed since block {began}");

        let transfers = Filter::new()
            .address(SETTLEMENT_TOKEN)
            .event_signature(ISettlementToken::Transfer::SIGNATURE_HASH)
            .from_block(0);
        let mut holders: Vec<Address> = (0..10).map(|index| dev_key(index).address()).collect();
        for log in self.provider.get_logs(&transfers).await? {
            let event = ISettlementToken::Transfer::decode_log(&log.inner)?.data;
            holders.extend([event.from, event.to]);
        }
        holders.sort_unstable();
        holders.dedup();
        let mut held = U256::ZERO;
        for holder in holders {
            held += token.balanceOf(holder).call().await?;
        }
        assert_eq!(held, supply, "the balances do not add up to the supply");

        let mut accounts = self.accounts.clone();
        accounts.push(self.settings.operator);
        let books = vault.balancesOf(accounts).call().await?;
        let booked = books.iter().fold(I256::ZERO, |sum, balance| {
            sum + I256::from_raw(balance.free) + I256::from_raw(balance.locked)
                - I256::from_raw(balance.debt)
        });
        assert!(
            books
                .iter()
                .all(|balance| balance.locked.is_zero() || !balance.debt.is_zero())
        );
        assert_eq!(vault.clearingBalance().call().await?, I256::ZERO);
        let deposited = token.balanceOf(VAULT).call().await?;
        assert_eq!(
            booked,
            I256::from_raw(deposited),
            "the vault's books do not balance"
        );
        Ok(())
    }

    /// The orders of the first product again, for a coming one, each signed and sent by `cast` as
    /// a wallet would: the same orders give the same price and fills.
    async fn trade_again_with_cast(&self, url: &str) -> eyre::Result<()> {
        let market = IMarket::new(MARKET, &self.provider);
        let keys = household_keys(&self.dataset)?;
        let opened = self.coming_product(url).await?;
        let product = opened.number();

        // Signed before the book opens, sent once it has.
        let words = stored_orders(&self.provider, self.products[0]).await?;
        let mut nonces = BTreeMap::new();
        let mut signed = Vec::new();
        for word in &words {
            let order = Order::decode(*word)?.ok_or_eyre("an order was cancelled")?;
            let key = keys
                .get(&order.trader)
                .ok_or_eyre("an order of somebody else")?;
            let next = match nonces.get(&order.trader) {
                Some(nonce) => nonce + 1,
                None => self.provider.get_transaction_count(order.trader).await?,
            };
            nonces.insert(order.trader, next);
            let side = match order.side {
                Side::Bid => "0",
                Side::Ask => "1",
            };
            let raw = cast(&[
                "mktx",
                &MARKET.to_string(),
                "submit(uint256,uint8,int32,uint40)(uint256)",
                &product.to_string(),
                side,
                &order.price.0.to_string(),
                &order.quantity.0.to_string(),
                "--private-key",
                &key.to_bytes().to_string(),
                "--chain",
                &CHAIN_ID.to_string(),
                "--nonce",
                &next.to_string(),
                "--gas-limit",
                "1000000",
                "--gas-price",
                "0",
                "--priority-gas-price",
                "0",
                "--rpc-url",
                url,
            ])
            .await?;
            signed.push(raw);
        }
        let info = market.productInfo(product).call().await?;
        wait_for_time(&self.provider, info.opensAt).await?;
        for raw in signed {
            cast(&["publish", "--async", "--rpc-url", url, raw.trim()]).await?;
        }

        wait_for_time(&self.provider, info.gateClosesAt).await?;
        let mut submitted = stored_orders(&self.provider, opened).await?;
        let clear = cast(&[
            "send",
            &MARKET.to_string(),
            "clear(uint256)",
            &product.to_string(),
            "--private-key",
            &dev_key(1).to_bytes().to_string(),
            "--rpc-url",
            url,
        ])
        .await?;
        assert!(clear.contains("1 (success)"), "{clear}");

        let (clearing, fills) = matching::fills(&submitted)?;
        let on_chain = market.clearing(product).call().await?;
        assert_same_clearing(&on_chain, &clearing);
        let first = market.clearing(self.products[0].number()).call().await?;
        assert!(on_chain == first, "the same orders, another result");
        let fills: Vec<U256> = fills.into_iter().map(U256::from).collect();
        let lens = ILens::new(LENS, &self.provider);
        assert_eq!(lens.fillsOf(product).call().await?, fills);
        let mut expected = words;
        expected.sort_unstable();
        submitted.sort_unstable();
        assert_eq!(submitted, expected);
        Ok(())
    }

    /// Gives the zone a longer order book, from a product on that is far enough away to be signed
    /// for, and returns that product.
    async fn coming_product(&self, url: &str) -> eyre::Result<Product> {
        // Time for the change to be mined, and then for orders to be sent.
        const BEFORE_OPENING: u64 = 8;
        const OPEN: u64 = 24;
        let registry = IRegistry::new(REGISTRY, &self.provider);
        let head = self
            .provider
            .get_block(BlockId::latest())
            .await?
            .ok_or_eyre("no head")?;
        let now = head.header().timestamp();
        let length = u64::from(self.settings.intervalLength);
        let start = (now + BEFORE_OPENING + OPEN).next_multiple_of(length);
        let mut settings = registry.latestSettings(self.zone).call().await?.settings;
        settings.openLead = u32::try_from(start - now - BEFORE_OPENING)?;
        let data = IRegistry::changeZoneCall {
            zone: self.zone,
            settings,
            validFrom: start,
        };
        let sent = cast(&[
            "send",
            &REGISTRY.to_string(),
            &alloy::primitives::hex::encode_prefixed(data.abi_encode()),
            "--private-key",
            &dev_key(0).to_bytes().to_string(),
            "--rpc-url",
            url,
        ])
        .await?;
        assert!(sent.contains("1 (success)"), "{sent}");
        Ok(Product::new(self.zone, start)?)
    }
}

/// The trading keys of the households that `wattline dev` plays.
fn household_keys(dataset: &Dataset) -> eyre::Result<BTreeMap<Address, PrivateKeySigner>> {
    let households = Household::all(&development_key(OPERATOR_INDEX)?, dataset);
    Ok(households
        .into_iter()
        .map(|household| (household.account(), household.trader))
        .collect())
}

/// What so much energy costs at a price; negative energy is sold.
fn worth(price: Ticks, energy: I256) -> eyre::Result<I256> {
    let Money(money) = price.value(WattHours(energy.unsigned_abs().try_into()?));
    Ok(if energy.is_negative() { -money } else { money })
}

fn signed(value: u64) -> I256 {
    I256::from_raw(U256::from(value))
}

/// A product's order words, slot by slot from the contract's storage.
async fn stored_orders(provider: &DynProvider, product: Product) -> eyre::Result<Vec<B256>> {
    let product = product.number();
    let market = IMarket::new(MARKET, provider);
    let count: u64 = market.orderCount(product).call().await?.to();
    let first = U256::from_be_bytes(market.ordersSlot(product).call().await?.0);
    let mut words = Vec::new();
    for index in 0..count {
        let slot = first.wrapping_add(U256::from(index));
        words.push(provider.get_storage_at(MARKET, slot).await?.into());
    }
    Ok(words)
}

fn assert_same_clearing(on_chain: &IMarket::Clearing, core: &matching::Clearing) {
    assert_eq!(i64::from(on_chain.price), i64::from(core.price.0));
    assert_eq!(on_chain.volume, core.volume.0);
    for (level, expected) in [(&on_chain.bid, &core.bid), (&on_chain.ask, &core.ask)] {
        assert_eq!(i64::from(level.price), i64::from(expected.price.0));
        assert_eq!(level.quantity, expected.quantity.0);
        assert_eq!(level.filled, expected.filled.0);
    }
}

async fn wait_for_time(provider: &DynProvider, time: u64) -> eyre::Result<()> {
    loop {
        let head = provider
            .get_block(BlockId::latest())
            .await?
            .ok_or_eyre("no head")?;
        if head.header().timestamp() >= time {
            return Ok(());
        }
        wait_for_block(provider, head.header().number() + 1).await?;
    }
}

/// Runs `cast` and returns what it printed.
async fn cast(args: &[&str]) -> eyre::Result<String> {
    succeed(Command::new(foundry("cast")?).args(args)).await
}
