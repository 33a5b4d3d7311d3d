//! What a signer puts into its blocks.

use alloy_consensus::{SignableTransaction, TxEip7702};
use alloy_eips::eip7702::Authorization;
use alloy_primitives::{Address, B256, U256};
use alloy_signer::SignerSync;
use wattline_chain::test_utils::{Signers, TEST_GAS_LIMIT, TestGenesis, transfer};
use wattline_clique::recover_signer;
use wattline_primitives::{RecoveredTransaction, TransactionSigned};
use wattline_producer::ProducerConfig;

use crate::support::{Node, RECEIVER, hashes, simulate};

fn accounts() -> Signers {
    Signers::named("account", 3)
}

fn genesis() -> TestGenesis {
    TestGenesis::new(Signers::new(1).addresses()).fund(accounts().addresses())
}

fn hash(transaction: &RecoveredTransaction) -> B256 {
    *transaction.tx_hash()
}

#[test]
fn a_block_is_sealed_and_valid() {
    simulate(|ctx| async move {
        let signers = Signers::new(1);
        let node = Node::new(&genesis(), &signers, 0);
        let waiting = transfer(accounts().key(0), 0, RECEIVER, 5);
        node.add([waiting.clone()]);
        let block = node.block(&ctx).await;
        assert_eq!(hashes(&block.block), [hash(&waiting)]);
        assert_eq!(
            recover_signer(block.block.header()).unwrap(),
            signers.address(0)
        );
        assert!(block.block.extra_data.starts_with(b"wattline/"));
        assert_eq!(block.block.beneficiary, Address::ZERO);
        assert_eq!(block.block.difficulty, U256::from(2));
        assert_eq!(block.block.gas_limit, TEST_GAS_LIMIT);

        // Another node finds the same.
        let other = Node::new(&genesis(), &signers, 0);
        let sealed = block.block.sealed_block().clone();
        let executed = other.chain.execute(sealed, &|_| None).unwrap();
        assert_eq!(executed.receipts, block.receipts);
        other.finalize(executed.block.hash());
        let reader = other.chain.storage().reader().unwrap();
        assert_eq!(
            reader.recompute_state_root().unwrap(),
            block.block.state_root
        );
    });
}

#[test]
fn a_transaction_that_fails_to_apply_holds_up_nobody() {
    simulate(|ctx| async move {
        let node = Node::new(&genesis(), &Signers::new(1), 0);
        let accounts = accounts();
        let [first, victim, other] = [0, 1, 2].map(|index| accounts.key(index));
        // Whoever includes this raises the victim's nonce to 1 (EIP-7702).
        let authorization = Authorization {
            chain_id: U256::from(57836),
            address: Address::ZERO,
            nonce: 0,
        };
        let consent = victim
            .sign_hash_sync(&authorization.signature_hash())
            .unwrap();
        let raise = TxEip7702 {
            chain_id: 57836,
            gas_limit: 100_000,
            to: RECEIVER,
            authorization_list: vec![authorization.into_signed(consent)],
            ..TxEip7702::default()
        };
        let signature = first.sign_hash_sync(&raise.signature_hash()).unwrap();
        let raise = RecoveredTransaction::new_unchecked(
            TransactionSigned::from(raise.into_signed(signature)),
            first.address(),
        );
        let stale = transfer(victim, 0, RECEIVER, 1);
        let behind = transfer(victim, 1, RECEIVER, 2);
        let unconcerned = transfer(other, 0, RECEIVER, 4);
        node.add([
            raise.clone(),
            stale.clone(),
            behind.clone(),
            unconcerned.clone(),
        ]);

        let block = node.block(&ctx).await;
        assert_eq!(hashes(&block.block), [hash(&raise), hash(&unconcerned)]);
        // On the next head the one behind applies; the stale one is gone for good.
        let block = node.block(&ctx).await;
        assert_eq!(hashes(&block.block), [hash(&behind)]);
        assert!(!node.pool.contains(&hash(&stale)));
    });
}

#[test]
fn a_full_block_leaves_the_rest_for_the_next() {
    simulate(|ctx| async move {
        let node = Node::new(&genesis().gas_limit(105_000), &Signers::new(1), 0);
        let all: Vec<_> = (0..7)
            .map(|nonce| transfer(accounts().key(0), nonce, RECEIVER, nonce))
            .collect();
        node.add(all.clone());

        let all: Vec<_> = all.iter().map(hash).collect();
        let block = node.block(&ctx).await;
        assert_eq!(hashes(&block.block), all[..5]);
        assert_eq!(block.block.gas_used, 105_000);
        let block = node.block(&ctx).await;
        assert_eq!(hashes(&block.block), all[5..]);
    });
}

#[test]
fn the_gas_limit_moves_to_its_target() {
    simulate(|ctx| async move {
        let config = ProducerConfig {
            gas_limit: Some(TEST_GAS_LIMIT + 40_000),
            ..Default::default()
        };
        let node = Node::with_config(&genesis(), &Signers::new(1), 0, config);
        let step = TEST_GAS_LIMIT / 1024 - 1;
        let expected = [
            TEST_GAS_LIMIT + step,
            TEST_GAS_LIMIT + 40_000,
            TEST_GAS_LIMIT + 40_000,
        ];
        for gas_limit in expected {
            assert_eq!(node.block(&ctx).await.block.gas_limit, gas_limit);
        }
    });
}
