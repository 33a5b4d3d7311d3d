use alloy_consensus::TxType;
use alloy_evm::{
    Evm,
    eth::receipt_builder::{ReceiptBuilder, ReceiptBuilderCtx},
};
use wattline_primitives::{Receipt, TransactionSigned};

/// Builds the chain's receipts from execution results.
#[derive(Debug, Clone, Copy, Default)]
pub struct WattlineReceiptBuilder;

impl ReceiptBuilder for WattlineReceiptBuilder {
    type Transaction = TransactionSigned;
    type Receipt = Receipt;

    fn build_receipt<E: Evm>(&self, ctx: ReceiptBuilderCtx<'_, TxType, E>) -> Receipt {
        Receipt {
            tx_type: ctx.tx_type,
            success: ctx.result.is_success(),
            cumulative_gas_used: ctx.cumulative_gas_used,
            logs: ctx.result.into_logs(),
        }
    }
}
