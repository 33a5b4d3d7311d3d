//! What a transaction does, and what it offers for its place in a block.

use crate::MarketError;
use alloy::{
    consensus::{SignableTransaction, TxEip1559, TxEnvelope},
    eips::eip2718::Encodable2718,
    network::TxSignerSync,
    primitives::{Address, Bytes, TxKind, U256},
    signers::local::PrivateKeySigner,
    sol_types::SolCall,
};

/// The head block, as far as clients go by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainHead {
    /// Its number.
    pub number: u64,
    /// Its time, Unix seconds.
    pub timestamp: u64,
    /// How much gas a block may use.
    pub gas_limit: u64,
    /// What each gas costs, in wei.
    pub base_fee: u128,
}

impl ChainHead {
    /// What to offer for each gas, such that a doubled base fee still leaves the block's signer
    /// `priority` wei.
    pub const fn fee(&self, priority: u128) -> GasFee {
        let max = self.base_fee.saturating_mul(2).saturating_add(priority);
        GasFee { max, priority }
    }
}

/// What is offered for each gas (EIP-1559), in wei.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GasFee {
    /// At most.
    pub max: u128,
    /// Of it to the block's signer, at most.
    pub priority: u128,
}

/// A call to make by transaction.
#[derive(Clone, Debug)]
pub struct ContractCall {
    /// What it does, for messages: "ordering".
    pub what: &'static str,
    /// Who calls.
    pub from: Address,
    /// Who is called.
    pub to: Address,
    /// The call's data.
    pub input: Bytes,
    /// The chain's coin that goes with it, in wei.
    pub value: U256,
    /// How much gas it may use.
    pub gas: u64,
}

impl ContractCall {
    /// A call of a contract's function.
    pub fn new(
        from: Address,
        to: Address,
        call: &impl SolCall,
        what: &'static str,
        gas: u64,
    ) -> Self {
        Self {
            what,
            from,
            to,
            input: call.abi_encode().into(),
            value: U256::ZERO,
            gas,
        }
    }

    /// The signed transaction that makes the call, ready to be sent.
    ///
    /// # Errors
    ///
    /// [`MarketError::Sign`] when the key cannot sign.
    pub fn sign(
        &self,
        chain_id: u64,
        nonce: u64,
        fee: GasFee,
        key: &PrivateKeySigner,
    ) -> Result<Bytes, MarketError> {
        let mut transaction = TxEip1559 {
            chain_id,
            nonce,
            gas_limit: self.gas,
            max_fee_per_gas: fee.max,
            max_priority_fee_per_gas: fee.priority,
            to: TxKind::Call(self.to),
            value: self.value,
            input: self.input.clone(),
            ..TxEip1559::default()
        };
        let signature = key.sign_transaction_sync(&mut transaction)?;
        Ok(TxEnvelope::from(transaction.into_signed(signature))
            .encoded_2718()
            .into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{abi::IMarket, predeploys::MARKET};
    use alloy::{
        consensus::{Transaction, transaction::SignerRecoverable},
        eips::eip2718::Decodable2718,
    };

    #[test]
    fn the_transaction_says_what_the_call_does() {
        let key = PrivateKeySigner::random();
        let head = ChainHead {
            number: 1,
            timestamp: 2,
            gas_limit: 3,
            base_fee: 100,
        };
        let clear = IMarket::clearCall {
            product: U256::from(5),
        };
        let call = ContractCall::new(key.address(), MARKET, &clear, "clearing", 700);
        let raw = call.sign(57_836, 9, head.fee(7), &key).expect("signs");
        let sent = TxEnvelope::decode_2718(&mut raw.as_ref()).expect("decodes");
        assert_eq!(sent.recover_signer().expect("recovers"), key.address());
        assert_eq!(sent.chain_id(), Some(57_836));
        assert_eq!((sent.nonce(), sent.gas_limit()), (9, 700));
        assert_eq!(sent.max_fee_per_gas(), 207);
        assert_eq!(sent.max_priority_fee_per_gas(), Some(7));
        assert_eq!(sent.to(), Some(MARKET));
        assert_eq!(sent.input(), &Bytes::from(clear.abi_encode()));
    }

    #[test]
    fn a_fee_beyond_all_bounds_stays_at_the_greatest() {
        let head = ChainHead {
            number: 1,
            timestamp: 2,
            gas_limit: 3,
            base_fee: u128::MAX,
        };
        assert_eq!(head.fee(1).max, u128::MAX);
    }
}
