//! A chain with every kind of transaction and receipt, and a pool with waiting transactions.

use alloy_consensus::{TxEip1559, TxLegacy};
use alloy_eips::Encodable2718;
use alloy_primitives::{B256, TxKind, U256, bytes};
use serde_json::{Value, json};
use wattline_chain::test_utils::Template;
use wattline_primitives::RecoveredTransaction;

use crate::{
    chain::{
        BREAKER, CHAIN_ID, CHATTERER, GWEI, LOGGER, REVERTER, Story, accounts, call, sign, story,
        transfer,
    },
    client::{Served, hex, word_bytes},
};

/// The story, what happens after it, and what waits.
pub(super) struct Everything {
    story: Story,
    /// Block 4: a transfer that may be played on any chain (before EIP-155).
    unprotected: RecoveredTransaction,
    /// Block 4: a call that reverts.
    reverted: RecoveredTransaction,
    /// Block 4: a call that uses up its gas.
    broken: RecoveredTransaction,
    /// Block 4: a call with three logs.
    talkative: RecoveredTransaction,
    /// Block 4: a call of the account that is delegated to the logger.
    delegated: RecoveredTransaction,
    /// Block 4: a creation that reverts.
    stillborn: RecoveredTransaction,
    /// In the pool, to be mined next.
    pub(super) pending: RecoveredTransaction,
    /// In the pool, behind a missing nonce.
    pub(super) queued: RecoveredTransaction,
    /// Nowhere yet.
    pub(super) unsent: RecoveredTransaction,
}

impl Everything {
    pub(super) fn new() -> Self {
        let accounts = accounts();
        let unprotected = TxLegacy {
            chain_id: None,
            nonce: 1,
            gas_price: GWEI,
            gas_limit: 21_000,
            to: TxKind::Call(accounts.address(0)),
            value: U256::from(1),
            ..Default::default()
        };
        let stillborn = TxEip1559 {
            chain_id: CHAIN_ID,
            nonce: 4,
            gas_limit: 100_000,
            to: TxKind::Create,
            input: bytes!("5f5ffd"),
            ..Default::default()
        };
        let everything = Self {
            story: story(),
            unprotected: sign(1, unprotected),
            reverted: call(2, 2, REVERTER, bytes!("01")),
            broken: call(2, 3, BREAKER, bytes!("")),
            talkative: call(1, 2, CHATTERER, word_bytes(3)),
            delegated: call(0, 2, accounts.address(3), word_bytes(11)),
            stillborn: sign(2, stillborn),
            pending: transfer(0, 3, LOGGER, 1),
            queued: transfer(1, 9, LOGGER, 2),
            unsent: transfer(2, 5, LOGGER, 3),
        };
        let transactions = vec![
            everything.unprotected.clone(),
            everything.reverted.clone(),
            everything.broken.clone(),
            everything.talkative.clone(),
            everything.delegated.clone(),
            everything.stillborn.clone(),
        ];
        everything
            .story
            .forge
            .extend(Template::default().with(transactions));
        everything
    }

    /// Serves it, with transactions in the pool.
    pub(super) async fn serve(&self) -> Served {
        let node = Served::new(self.story.forge.chain()).await;
        for tx in [&self.pending, &self.queued] {
            node.result("eth_sendRawTransaction", json!([raw(tx)]))
                .await;
        }
        node
    }

    /// All transactions on the chain.
    pub(super) fn transactions(&self) -> [&RecoveredTransaction; 11] {
        [
            &self.story.legacy,
            &self.story.eip2930,
            &self.story.eip1559,
            &self.story.eip7702,
            &self.story.create,
            &self.unprotected,
            &self.reverted,
            &self.broken,
            &self.talkative,
            &self.delegated,
            &self.stillborn,
        ]
    }

    /// Hashes of the blocks from the genesis block on.
    pub(super) fn blocks(&self) -> Vec<B256> {
        let forge = &self.story.forge;
        let genesis = forge.chain().spec().genesis_hash();
        let later = forge.blocks();
        [genesis]
            .into_iter()
            .chain(later.iter().map(|block| block.hash()))
            .collect()
    }
}

/// A transaction as it is sent.
pub(super) fn raw(tx: &RecoveredTransaction) -> Value {
    hex(tx.inner().encoded_2718())
}
