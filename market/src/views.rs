//! What the predeployed contracts answer, as types.

use crate::{
    Client, InvalidOrder, MarketError, MeterId, Order, Product,
    abi::{IMarket, IPermissions, IRegistry, ISettlement, ISettlementToken, IVault},
    predeploys::{MARKET, PERMISSIONS, REGISTRY, SETTLEMENT, SETTLEMENT_TOKEN, VAULT},
};
use alloy::primitives::{Address, B256, U256};

/// How many accounts one view call asks for.
const VIEW_PAGE: u64 = 1_000;

/// Views of the predeployed contracts at the head block.
///
/// # Errors
///
/// Each fails as [`Client::view`] does.
impl Client {
    /// The zones.
    pub async fn zones(&self) -> Result<Vec<u64>, MarketError> {
        self.view(REGISTRY, &IRegistry::zonesCall {}).await
    }

    /// A zone's rules as they were set last.
    pub async fn latest_settings(&self, zone: u64) -> Result<IRegistry::ZoneSettings, MarketError> {
        let call = IRegistry::latestSettingsCall { zone };
        Ok(self.view(REGISTRY, &call).await?.settings)
    }

    /// The participants of a zone.
    pub async fn participants(&self, zone: u64) -> Result<Vec<Address>, MarketError> {
        let mut participants = Vec::new();
        loop {
            let call = IRegistry::participantsCall {
                zone,
                from: U256::from(participants.len()),
                max: U256::from(VIEW_PAGE),
            };
            let page = self.view(REGISTRY, &call).await?;
            if page.is_empty() {
                return Ok(participants);
            }
            participants.extend(page);
        }
    }

    /// The zone that an account participates in, if any.
    pub async fn zone_of(&self, account: Address) -> Result<Option<u64>, MarketError> {
        let call = IRegistry::participantCall { account };
        let zone = self.view(REGISTRY, &call).await?.zone;
        Ok((zone != 0).then_some(zone))
    }

    /// What the registry knows of meters; all zero for one that it does not know.
    pub async fn meter_records(
        &self,
        meters: &[MeterId],
    ) -> Result<Vec<IRegistry::Meter>, MarketError> {
        let ids = meters.iter().map(|meter| meter.0).collect();
        self.view(REGISTRY, &IRegistry::meterRecordsCall { ids })
            .await
    }

    /// The permissions of accounts, as bits: 0 to transact, 1 to create contracts.
    pub async fn permissions(&self, accounts: &[Address]) -> Result<Vec<U256>, MarketError> {
        let accounts = accounts.to_vec();
        self.view(PERMISSIONS, &IPermissions::flagsOfManyCall { accounts })
            .await
    }

    /// What accounts have in the vault.
    pub async fn vault_balances(
        &self,
        accounts: &[Address],
    ) -> Result<Vec<IVault::Balance>, MarketError> {
        let accounts = accounts.to_vec();
        self.view(VAULT, &IVault::balancesOfCall { accounts }).await
    }

    /// The domain of the settlement token's permits (ERC-2612).
    pub async fn permit_domain(&self) -> Result<B256, MarketError> {
        let call = ISettlementToken::DOMAIN_SEPARATORCall {};
        self.view(SETTLEMENT_TOKEN, &call).await
    }

    /// The nonce of an account's next permit.
    pub async fn permit_nonce(&self, owner: Address) -> Result<U256, MarketError> {
        let call = ISettlementToken::noncesCall { owner };
        self.view(SETTLEMENT_TOKEN, &call).await
    }

    /// A product at a glance.
    pub async fn product_info(
        &self,
        product: Product,
    ) -> Result<IMarket::ProductInfo, MarketError> {
        let product = product.into();
        self.view(MARKET, &IMarket::productInfoCall { product })
            .await
    }

    /// What a product means for accounts.
    pub async fn account_infos(
        &self,
        product: Product,
        accounts: &[Address],
    ) -> Result<Vec<IMarket::AccountInfo>, MarketError> {
        let call = IMarket::accountInfosCall {
            product: product.into(),
            accounts: accounts.to_vec(),
        };
        self.view(MARKET, &call).await
    }

    /// The orders of a product that are not cancelled, in the order of their places.
    pub async fn orders(&self, product: Product) -> Result<Vec<Order>, MarketError> {
        let product = product.into();
        let words = self.view(MARKET, &IMarket::ordersCall { product }).await?;
        let orders = words.into_iter().map(Order::decode);
        let orders: Result<_, InvalidOrder> = orders.filter_map(Result::transpose).collect();
        orders.map_err(|error| MarketError::Unreadable {
            contract: MARKET,
            reason: error.to_string(),
        })
    }

    /// How far the settlement of a product's delivery is for accounts.
    pub async fn delivery_statuses(
        &self,
        product: Product,
        accounts: &[Address],
    ) -> Result<Vec<ISettlement::Status>, MarketError> {
        let call = ISettlement::statusesCall {
            product: product.into(),
            accounts: accounts.to_vec(),
        };
        self.view(SETTLEMENT, &call).await
    }
}
