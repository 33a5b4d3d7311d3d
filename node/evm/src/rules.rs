use alloy_primitives::B256;
use revm::context::{BlockEnv, CfgEnv};
use wattline_chainspec::ChainSpec;

/// Puts this chain's rules into an environment in place of Ethereum's: the base fee is constant
/// (EIP-1559's follows how full the parent was), a transaction may ask for as much gas as the
/// chain's settings say, or a whole block's (EIP-7825's cap is 2^24), and PREVRANDAO is zero
/// (EIP-4399's is the header's `mixHash`, which holds milliseconds here).
pub(crate) fn apply_chain_rules(spec: &ChainSpec, cfg: &mut CfgEnv, block: &mut BlockEnv) {
    block.basefee = spec.base_fee_per_gas();
    block.prevrandao = Some(B256::ZERO);
    cfg.tx_gas_limit_cap = Some(transaction_gas_cap(spec, block.gas_limit));
}

/// The highest gas limit of one transaction in a block of the given gas limit.
pub(crate) fn transaction_gas_cap(spec: &ChainSpec, block_gas_limit: u64) -> u64 {
    spec.transaction_gas_cap().unwrap_or(block_gas_limit)
}
