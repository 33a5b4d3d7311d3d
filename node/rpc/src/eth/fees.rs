//! What a transaction has to pay. With free gas that is nothing, until blocks fill up.

use alloy_consensus::{BlockHeader as _, Transaction as _};
use alloy_eips::{BlockNumberOrTag, eip7840::BlobParams};
use alloy_primitives::{B256, U64, U256};
use alloy_rpc_types_eth::{FeeHistory, TxGasAndReward};
use jsonrpsee::{core::RpcResult, core::async_trait, proc_macros::rpc};
use parking_lot::Mutex;
use wattline_primitives::{BlockWithReceipts, SealedHeader};
use wattline_storage::Reader;

use crate::{
    RpcError,
    shared::{backend::Backend, block_id, error::LookupError},
};

/// Recent blocks that a suggestion looks at.
const SAMPLE_BLOCKS: u64 = 20;
/// The part of the sampled tips that a suggestion outbids, in percent.
const SAMPLE_PERCENTILE: usize = 60;
/// A block that used less than this part of its gas had room for any tip, in percent.
const CONGESTED_PERCENT: u64 = 90;
/// Percentiles that `eth_feeHistory` takes.
const MAX_PERCENTILES: usize = 100;

#[rpc(server, namespace = "eth")]
trait Fees {
    #[method(name = "gasPrice")]
    async fn gas_price(&self) -> RpcResult<U256>;

    #[method(name = "maxPriorityFeePerGas")]
    async fn max_priority_fee_per_gas(&self) -> RpcResult<U256>;

    #[method(name = "blobBaseFee")]
    async fn blob_base_fee(&self) -> RpcResult<U256>;

    #[method(name = "feeHistory")]
    async fn fee_history(
        &self,
        block_count: U64,
        newest_block: BlockNumberOrTag,
        reward_percentiles: Option<Vec<f64>>,
    ) -> RpcResult<FeeHistory>;
}

/// The methods of this file.
pub(super) fn methods(backend: Backend) -> impl Into<jsonrpsee::Methods> {
    FeesServer::into_rpc(Handler {
        backend,
        suggested: Mutex::new(None),
    })
}

struct Handler {
    backend: Backend,
    /// The last suggestion and the head it was made for.
    suggested: Mutex<Option<(B256, u128)>>,
}

impl Handler {
    async fn suggested_tip(&self) -> Result<u128, RpcError> {
        let head = self.backend.chain().head().hash();
        if let Some((_, tip)) = (*self.suggested.lock()).filter(|(at, _)| *at == head) {
            return Ok(tip);
        }
        let tip = self.backend.read(|_, reader| suggest_tip(reader)).await?;
        *self.suggested.lock() = Some((head, tip));
        Ok(tip)
    }
}

#[async_trait]
impl FeesServer for Handler {
    async fn gas_price(&self) -> RpcResult<U256> {
        let base_fee = self.backend.chain().spec().base_fee_per_gas();
        Ok(U256::from(base_fee) + U256::from(self.suggested_tip().await?))
    }

    async fn max_priority_fee_per_gas(&self) -> RpcResult<U256> {
        Ok(U256::from(self.suggested_tip().await?))
    }

    async fn blob_base_fee(&self) -> RpcResult<U256> {
        Ok(U256::from(blob_fee(&self.backend.chain().head())))
    }

    async fn fee_history(
        &self,
        block_count: U64,
        newest_block: BlockNumberOrTag,
        reward_percentiles: Option<Vec<f64>>,
    ) -> RpcResult<FeeHistory> {
        let percentiles = reward_percentiles.unwrap_or_default();
        check_percentiles(&percentiles)?;
        let history = self.backend.read(move |backend, reader| {
            let count = block_count
                .to::<u64>()
                .min(backend.limits().fee_history_blocks);
            fee_history(backend, reader, count, newest_block, &percentiles)
        });
        Ok(history.await?)
    }
}

/// Looks for the lowest tips that got into full blocks; while blocks have room there are none.
///
/// # Errors
///
/// [`RpcError::Storage`].
pub(super) fn suggest_tip(reader: &Reader) -> Result<u128, RpcError> {
    let head = reader.head()?.number;
    let mut lowest = Vec::new();
    for number in head.saturating_sub(SAMPLE_BLOCKS - 1)..=head {
        let Some(header) = reader.header(number)? else {
            continue;
        };
        if header.gas_used().saturating_mul(100)
            < header.gas_limit().saturating_mul(CONGESTED_PERCENT)
        {
            continue;
        }
        let Some(block) = reader.block(number)? else {
            continue;
        };
        let base_fee = header.base_fee_per_gas().unwrap_or_default();
        let tips = block
            .body()
            .transactions
            .iter()
            .filter_map(|tx| tx.effective_tip_per_gas(base_fee));
        lowest.extend(tips.min());
    }
    lowest.sort_unstable();
    let index = lowest.len().saturating_sub(1) * SAMPLE_PERCENTILE / 100;
    Ok(lowest.get(index).copied().unwrap_or_default())
}

fn check_percentiles(percentiles: &[f64]) -> Result<(), RpcError> {
    if percentiles.len() > MAX_PERCENTILES {
        return Err(RpcError::InvalidParams(format!(
            "invalid reward percentile: {} given, over the query limit {MAX_PERCENTILES}",
            percentiles.len()
        )));
    }
    if let Some(found) = percentiles
        .iter()
        .find(|found| !(0.0..=100.0).contains(*found))
    {
        return Err(RpcError::InvalidParams(format!(
            "invalid reward percentile: {found}, expected a number from 0 to 100"
        )));
    }
    if let Some([low, high]) = percentiles.array_windows().find(|[low, high]| low > high) {
        return Err(RpcError::InvalidParams(format!(
            "invalid reward percentile: {low} comes before {high}, expected ascending numbers"
        )));
    }
    Ok(())
}

fn fee_history(
    backend: &Backend,
    reader: &Reader,
    count: u64,
    newest: BlockNumberOrTag,
    percentiles: &[f64],
) -> Result<FeeHistory, RpcError> {
    let head = reader.head()?.number;
    let newest = block_id::number(reader, newest)?;
    if newest > head {
        return Err(RpcError::InvalidParams(format!(
            "request beyond head block: requested {newest}, head {head}"
        )));
    }
    if count == 0 {
        return Ok(FeeHistory::default());
    }
    let oldest = (newest + 1).saturating_sub(count);
    let mut history = FeeHistory {
        oldest_block: oldest,
        reward: (!percentiles.is_empty()).then(Vec::new),
        ..Default::default()
    };
    for number in oldest..=newest {
        let header = reader.header(number)?.ok_or(LookupError::HeaderNotFound)?;
        history
            .base_fee_per_gas
            .push(header.base_fee_per_gas().unwrap_or_default().into());
        history
            .gas_used_ratio
            .push(ratio(header.gas_used(), header.gas_limit()));
        history.base_fee_per_blob_gas.push(blob_fee(&header));
        history.blob_gas_used_ratio.push(0.0);
        if let Some(rewards) = &mut history.reward {
            let block = reader
                .block_with_receipts(number)?
                .ok_or(LookupError::HeaderNotFound)?;
            rewards.push(block_rewards(&block, percentiles));
        }
        if number == newest {
            let next = backend.chain().spec().base_fee_per_gas();
            history.base_fee_per_gas.push(next.into());
            history.base_fee_per_blob_gas.push(blob_fee(&header));
        }
    }
    Ok(history)
}

/// The price of blob gas, which never moves: blob transactions are refused.
fn blob_fee(header: &SealedHeader) -> u128 {
    BlobParams::osaka().calc_blob_fee(header.excess_blob_gas().unwrap_or_default())
}

fn ratio(used: u64, limit: u64) -> f64 {
    if limit == 0 {
        0.0
    } else {
        used as f64 / limit as f64
    }
}

/// The tips at the given percentiles of the block's gas, cheapest first.
fn block_rewards(block: &BlockWithReceipts, percentiles: &[f64]) -> Vec<u128> {
    let header = block.block.header();
    let base_fee = header.base_fee_per_gas().unwrap_or_default();
    let mut before = 0;
    let mut rewards: Vec<_> = block
        .block
        .body()
        .transactions
        .iter()
        .zip(&block.receipts)
        .map(|(tx, receipt)| {
            let gas_used = receipt.cumulative_gas_used.saturating_sub(before);
            before = receipt.cumulative_gas_used;
            let reward = tx.effective_tip_per_gas(base_fee).unwrap_or_default();
            TxGasAndReward { gas_used, reward }
        })
        .collect();
    rewards.sort_unstable();
    let mut gas = 0;
    let mut sorted = rewards.iter().peekable();
    percentiles
        .iter()
        .map(|percentile| {
            let threshold = (header.gas_used() as f64 * percentile / 100.0) as u64;
            while let Some(next) = sorted.peek() {
                gas += next.gas_used;
                if gas >= threshold {
                    gas -= next.gas_used;
                    return next.reward;
                }
                sorted.next();
            }
            rewards.last().map(|last| last.reward).unwrap_or_default()
        })
        .collect()
}
