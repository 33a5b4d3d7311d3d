//! One delivery interval's life, as the households and the keeper live it: ordering, clearing,
//! delivery, settlement.
//!
//! Every step looks at the chain and does what is missing there, so that a lost transaction,
//! somebody else's help or a node that was away change nothing but the time it takes.

use crate::{
    dataset::IntervalEnergy,
    household::{Household, Intent, PriceSpan},
    report::IntervalReport,
};
use alloy::primitives::{Address, U256};
use jiff::Timestamp;
use tracing::{debug, info, warn};
use wattline_market::{
    ChainHead, Client, ContractCall, InvalidProduct, MarketError, MeterId, Metering, Product, Side,
    Ticks, TransactionSender,
    abi::{IMarket, IRegistry, ISettlement},
    predeploys::{MARKET, METERING, SETTLEMENT},
};

/// Blocks that a transaction is given before it is looked for.
const PATIENCE: u64 = 3;
/// How often the households' orders are sent at most.
const ORDER_ATTEMPTS: u32 = 3;
/// Orders settled by one transaction, and accounts.
const ORDERS_PAGE: u64 = 200;
const ACCOUNTS_PAGE: usize = 50;
/// Gas offered for an order, for clearing (and for each order in it), for settling an order, and an
/// account.
const ORDER_GAS: u64 = 500_000;
const CLEAR_GAS: u64 = 500_000;
const CLEAR_GAS_PER_ORDER: u64 = 5_000;
const SETTLE_GAS: u64 = 300_000;
const SETTLE_GAS_PER_ORDER: u64 = 150_000;
const DELIVER_GAS_PER_ACCOUNT: u64 = 250_000;

/// Who plays, and by which rules.
#[derive(Debug)]
pub(crate) struct Players {
    pub(crate) households: Vec<Household>,
    pub(crate) keeper: Address,
    pub(crate) settings: IRegistry::ZoneSettings,
    pub(crate) zone: u64,
    pub(crate) seed: u64,
}

impl Players {
    fn accounts(&self) -> Vec<Address> {
        self.households.iter().map(Household::account).collect()
    }

    fn meters(&self) -> Vec<MeterId> {
        self.households
            .iter()
            .map(|household| household.meter)
            .collect()
    }

    const fn span(&self) -> PriceSpan {
        PriceSpan {
            surplus: Ticks(self.settings.surplusPrice),
            shortage: Ticks(self.settings.shortagePrice),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The book is open, or will be.
    Ordering,
    /// The gate is closed: to be cleared, and its orders settled.
    Auction,
    /// To be delivered, read and settled.
    Delivery,
    Settled,
}

/// One delivery interval on its way.
#[derive(Debug)]
pub(crate) struct TradedInterval {
    product: Product,
    start: u64,
    end: u64,
    opens: u64,
    gate: u64,
    intents: Vec<Option<Intent>>,
    phase: Phase,
    attempts: u32,
    /// The block at which the last transactions for it were sent.
    sent: Option<u64>,
    report: IntervalReport,
    told_late: bool,
}

impl TradedInterval {
    /// The interval whose delivery starts at `start` on the chain and plays the given interval of
    /// the data.
    pub(crate) fn new(
        players: &Players,
        start: u64,
        data: Timestamp,
        energies: &[IntervalEnergy],
    ) -> Result<Self, InvalidProduct> {
        let product = Product::new(players.zone, start)?;
        let intents = players.households.iter().zip(energies);
        let intents = intents.map(|(household, energy)| {
            let net = i64::try_from(energy.import()).unwrap_or(i64::MAX)
                - i64::try_from(energy.export()).unwrap_or(i64::MAX);
            household.intent(players.seed, data.as_second(), net, players.span())
        });
        Ok(Self {
            product,
            start,
            end: start.saturating_add(players.settings.intervalLength.into()),
            opens: start.saturating_sub(players.settings.openLead.into()),
            gate: start.saturating_sub(players.settings.gateLead.into()),
            intents: intents.collect(),
            phase: Phase::Ordering,
            attempts: 0,
            sent: None,
            report: IntervalReport {
                product: product.number(),
                start: data,
                ..IntervalReport::default()
            },
            told_late: false,
        })
    }

    pub(crate) const fn is_settled(&self) -> bool {
        matches!(self.phase, Phase::Settled)
    }

    /// What there is to tell: once when all is settled, and once before if that takes long.
    pub(crate) fn news(&mut self, head: &ChainHead, grace: u64) -> Option<IntervalReport> {
        if self.is_settled() {
            return Some(self.report.clone());
        }
        if !self.told_late && head.timestamp > self.end.saturating_add(grace) {
            self.told_late = true;
            warn!(start = self.start, phase = ?self.phase, readings = self.report.readings, "an interval is late");
            return Some(self.report.clone());
        }
        None
    }

    /// Does what is due at this head.
    pub(crate) async fn advance(
        &mut self,
        sender: &mut TransactionSender,
        players: &Players,
        head: &ChainHead,
    ) -> Result<(), MarketError> {
        if self.phase == Phase::Ordering {
            if head.timestamp >= self.gate {
                self.phase = Phase::Auction;
                self.sent = None;
                if self.attempts == 0 {
                    warn!(
                        start = self.start,
                        "the gate closed before anybody could order"
                    );
                }
            } else if head.timestamp >= self.opens {
                self.order(sender, players, head).await?;
            }
        }
        if self.phase == Phase::Auction {
            self.clear(sender, players, head).await?;
        }
        if self.phase == Phase::Delivery && head.timestamp >= self.end {
            self.settle(sender, players, head).await?;
        }
        Ok(())
    }

    /// Whether what was sent may still be on its way.
    fn is_waiting(&self, head: &ChainHead) -> bool {
        self.sent
            .is_some_and(|sent| head.number < sent.saturating_add(PATIENCE))
    }

    async fn order(
        &mut self,
        sender: &mut TransactionSender,
        players: &Players,
        head: &ChainHead,
    ) -> Result<(), MarketError> {
        if self.is_waiting(head) || self.attempts >= ORDER_ATTEMPTS {
            return Ok(());
        }
        let mut calls = Vec::new();
        let ordered = if self.attempts == 0 {
            vec![false; players.households.len()]
        } else {
            let (client, accounts) = (sender.client(), players.accounts());
            let infos = client.account_infos(self.product, &accounts).await?;
            infos
                .iter()
                .map(|info| !info.orderCount.is_zero())
                .collect()
        };
        for ((household, intent), ordered) in
            players.households.iter().zip(&self.intents).zip(ordered)
        {
            let Some(intent) = intent else { continue };
            if !ordered {
                let call = IMarket::submitCall {
                    product: self.product.into(),
                    side: intent.side.into(),
                    price: intent.price.0,
                    quantity: intent.quantity.try_into()?,
                };
                calls.push(ContractCall::new(
                    household.account(),
                    MARKET,
                    &call,
                    "ordering",
                    ORDER_GAS,
                ));
            }
        }
        if self.attempts > 0
            && let Some(first) = calls.first()
        {
            let reason = sender.client().refusal(first).await;
            warn!(
                start = self.start,
                missing = calls.len(),
                reason,
                "orders are missing; sending them again"
            );
        }
        self.attempts = if calls.is_empty() {
            ORDER_ATTEMPTS
        } else {
            self.attempts + 1
        };
        self.send(sender, &calls, head).await
    }

    async fn clear(
        &mut self,
        sender: &mut TransactionSender,
        players: &Players,
        head: &ChainHead,
    ) -> Result<(), MarketError> {
        let info = sender.client().product_info(self.product).await?;
        let orders = info.orderCount.saturating_to::<u64>();
        self.report.orders = orders;
        let settle = |from: u64| {
            let page = orders.saturating_sub(from).min(ORDERS_PAGE);
            let call = IMarket::settleOrdersCall {
                product: self.product.into(),
                max: U256::from(ORDERS_PAGE),
            };
            let gas = SETTLE_GAS + SETTLE_GAS_PER_ORDER * page;
            ContractCall::new(players.keeper, MARKET, &call, "settling orders", gas)
        };
        let mut calls = Vec::new();
        match info.stage {
            IMarket::Stage::Settled => {
                // The next phase begins only once this one's result is read: the node may go away
                // in between.
                self.read_auction(sender.client(), &info).await?;
                self.phase = Phase::Delivery;
                self.sent = None;
                return Ok(());
            }
            IMarket::Stage::Closed if !self.is_waiting(head) => {
                let call = IMarket::clearCall {
                    product: self.product.into(),
                };
                let gas = CLEAR_GAS + CLEAR_GAS_PER_ORDER * orders;
                calls.push(ContractCall::new(
                    players.keeper,
                    MARKET,
                    &call,
                    "clearing",
                    gas,
                ));
                calls.extend(
                    (0..orders.div_ceil(ORDERS_PAGE)).map(|page| settle(page * ORDERS_PAGE)),
                );
            }
            IMarket::Stage::Cleared if !self.is_waiting(head) => {
                calls.push(settle(info.ordersSettled.saturating_to()));
            }
            _ => return Ok(()),
        }
        if self.sent.is_some() {
            let reason = match calls.first() {
                Some(call) => sender.client().refusal(call).await,
                None => None,
            };
            warn!(
                start = self.start,
                reason, "the auction is not through; sending again"
            );
        }
        self.send(sender, &calls, head).await
    }

    async fn read_auction(
        &mut self,
        client: &Client,
        info: &IMarket::ProductInfo,
    ) -> Result<(), MarketError> {
        let orders = client.orders(self.product).await?;
        let bids = orders.iter().filter(|order| order.side == Side::Bid);
        self.report.bids = bids.count() as u64;
        self.report.asks = orders.len() as u64 - self.report.bids;
        self.report.price_ticks = info.clearing.price;
        self.report.volume_wh = info.clearing.volume;
        debug!(
            start = self.start,
            price = info.clearing.price,
            volume = info.clearing.volume,
            "cleared"
        );
        Ok(())
    }

    async fn settle(
        &mut self,
        sender: &mut TransactionSender,
        players: &Players,
        head: &ChainHead,
    ) -> Result<(), MarketError> {
        // A product that nobody reads for long is looked at now and then only.
        if self.told_late && head.number % 8 != self.start % 8 {
            return Ok(());
        }
        let accounts = players.accounts();
        let client = sender.client();
        let statuses = client.delivery_statuses(self.product, &accounts).await?;
        let metering = Metering::new(client.clone(), METERING);
        let boundary: Vec<_> = players
            .meters()
            .into_iter()
            .map(|meter| (self.end, meter))
            .collect();
        let registers = metering.registers(&boundary).await?;
        self.report.readings = registers.iter().flatten().count() as u64;
        if statuses
            .iter()
            .all(|status| *status == ISettlement::Status::Done)
        {
            self.read_delivery(&metering, players).await?;
            self.report.settled = true;
            self.phase = Phase::Settled;
            info!(start = self.start, data = %self.report.start, volume = self.report.volume_wh, "delivery settled");
            return Ok(());
        }
        if self.is_waiting(head) {
            return Ok(());
        }
        let found = accounts.iter().zip(&statuses);
        let ready = found.filter(|(_, status)| **status == ISettlement::Status::Ready);
        let ready: Vec<_> = ready.map(|(account, _)| *account).collect();
        let calls: Vec<_> = ready
            .chunks(ACCOUNTS_PAGE)
            .map(|page| {
                let call = ISettlement::settleCall {
                    product: self.product.into(),
                    accounts: page.to_vec(),
                };
                let gas = SETTLE_GAS + DELIVER_GAS_PER_ACCOUNT * page.len() as u64;
                ContractCall::new(players.keeper, SETTLEMENT, &call, "settling delivery", gas)
            })
            .collect();
        if self.sent.is_some()
            && let Some(first) = calls.first()
        {
            let reason = sender.client().refusal(first).await;
            debug!(
                start = self.start,
                left = ready.len(),
                reason,
                "settling the rest of the delivery"
            );
        }
        self.send(sender, &calls, head).await
    }

    /// What was metered, against what was contracted.
    async fn read_delivery(
        &mut self,
        metering: &Metering,
        players: &Players,
    ) -> Result<(), MarketError> {
        let meters = players.meters();
        let energies = metering.energies(&meters, self.start, self.end).await?;
        let infos = metering.client();
        let infos = infos
            .account_infos(self.product, &players.accounts())
            .await?;
        let (mut import, mut export, mut imbalance) = (0u64, 0u64, 0u64);
        for (energy, info) in energies.iter().zip(&infos) {
            import = import.saturating_add(energy.importWh);
            export = export.saturating_add(energy.exportWh);
            let metered = i128::from(energy.importWh) - i128::from(energy.exportWh);
            let contracted = i128::try_from(info.position).unwrap_or_default();
            let off = (metered - contracted).unsigned_abs();
            imbalance = imbalance.saturating_add(u64::try_from(off).unwrap_or(u64::MAX));
        }
        self.report.import_wh = import;
        self.report.export_wh = export;
        self.report.imbalance_wh = imbalance;
        Ok(())
    }

    async fn send(
        &mut self,
        sender: &mut TransactionSender,
        calls: &[ContractCall],
        head: &ChainHead,
    ) -> Result<(), MarketError> {
        if calls.is_empty() {
            return Ok(());
        }
        self.sent = Some(head.number);
        let answers = sender.submit(calls, head).await?;
        let refused: Vec<_> = answers
            .iter()
            .filter_map(|answer| answer.as_ref().err())
            .collect();
        if let Some(first) = refused.first() {
            warn!(start = self.start, refused = refused.len(), reason = %first, "the node refuses transactions");
        }
        Ok(())
    }
}
