//! Blocks on parents that are not final, and parents that become so meanwhile.

use std::{sync::Arc, time::Duration};

use alloy_primitives::{Address, B256};
use commonware_runtime::{Clock as _, Spawner as _, Supervisor as _};
use wattline_chain::{
    ChainError,
    test_utils::{Signers, TestGenesis, transfer},
};
use wattline_primitives::RecoveredTransaction;
use wattline_producer::{Declined, ProducerError};

use crate::support::{Node, RECEIVER, hashes, simulate};

fn accounts() -> Signers {
    Signers::named("account", 2)
}

fn node() -> Node {
    let signers = Signers::new(1);
    let genesis = TestGenesis::new(signers.addresses()).fund(accounts().addresses());
    Node::new(&genesis, &signers, 0)
}

fn pay(index: usize, nonce: u64) -> RecoveredTransaction {
    transfer(accounts().key(index), nonce, RECEIVER, 1)
}

fn of(transactions: &[RecoveredTransaction]) -> Vec<B256> {
    transactions.iter().map(|it| *it.tx_hash()).collect()
}

#[test]
fn what_parents_that_are_not_final_took_is_not_taken_again() {
    simulate(|ctx| async move {
        let node = node();
        let (first, second) = ([pay(0, 0), pay(0, 1)], [pay(0, 2), pay(1, 0)]);
        node.add(first.clone());
        let parent = node.propose(&ctx, &node.chain.head()).await;
        assert_eq!(hashes(&parent.block), of(&first));
        node.add(second.clone());
        let child = node.propose(&ctx, parent.block.sealed_header()).await;
        let mut got = hashes(&child.block);
        got.sort();
        let mut expected = of(&second);
        expected.sort();
        assert_eq!(got, expected);
        let grandchild = node.propose(&ctx, child.block.sealed_header()).await;
        assert!(hashes(&grandchild.block).is_empty());
        // All of it still waits, for none of it is final.
        assert_eq!(node.pool.status().pending, 4);

        // A sibling takes what the parent took, and what is there besides.
        let rival = node.propose(&ctx, &node.chain.head()).await;
        assert_eq!(rival.block.body().transactions.len(), 4);
        // The rival becomes final; the others are as if they had not been.
        node.finalize(rival.block.hash());
        assert_eq!(node.pool.status().pending, 0);
        let error = node
            .build(&ctx, grandchild.block.sealed_header())
            .await
            .unwrap_err();
        let gone = grandchild.block.hash();
        assert!(
            matches!(error, ProducerError::Chain(ChainError::UnknownBlock(hash)) if hash == gone),
            "{error}"
        );
    });
}

#[test]
fn what_a_dropped_block_took_is_taken_again() {
    simulate(|ctx| async move {
        let node = node();
        let genesis = node.chain.head();
        let empty = node.propose(&ctx, &genesis).await;
        let waiting = [pay(0, 0), pay(0, 1)];
        node.add(waiting.clone());
        let lost = node.propose(&ctx, &genesis).await;
        assert_eq!(hashes(&lost.block), of(&waiting));
        // Its child finds the nonces used up. That throws nothing out of the pool.
        let child = node.propose(&ctx, lost.block.sealed_header()).await;
        assert!(hashes(&child.block).is_empty());

        node.finalize(empty.block.hash());
        assert_eq!(node.pool.status().pending, 2);
        let block = node.block(&ctx).await;
        assert_eq!(hashes(&block.block), of(&waiting));
    });
}

#[test]
fn a_block_is_built_while_its_parent_is_being_stored() {
    simulate(|ctx| async move {
        let node = node();
        node.add([pay(0, 0)]);
        let parent = node.propose(&ctx, &node.chain.head()).await;
        let (storing, hash) = (node.clone(), parent.block.hash());
        ctx.child("store").spawn(move |ctx| async move {
            ctx.sleep(Duration::from_millis(400)).await;
            storing.finalize(hash);
            storing.add([pay(0, 1)]);
        });
        let child = node.propose(&ctx, parent.block.sealed_header()).await;
        assert_eq!(node.chain.head().hash(), hash);
        assert_eq!(hashes(&child.block), of(&[pay(0, 1)]));
        node.finalize(child.block.hash());
        let reader = node.chain.storage().reader().unwrap();
        assert_eq!(
            reader.recompute_state_root().unwrap(),
            child.block.state_root
        );
    });
}

#[test]
fn a_block_is_built_when_the_pool_has_seen_the_head() {
    simulate(|ctx| async move {
        let node = node();
        node.add([pay(0, 0)]);
        let first = node.propose(&ctx, &node.chain.head()).await;
        let update = node.store(first.block.hash());
        // The next block is due, but the pool still offers what is in the first.
        ctx.sleep(Duration::from_secs(2)).await;
        let building = node.clone();
        let mut second = ctx.child("build").spawn(move |ctx| async move {
            let head = building.chain.head();
            building.build(&ctx, &head).await
        });
        let early = tokio::select! {
            biased;
            _ = &mut second => true,
            () = ctx.sleep(Duration::from_secs(5)) => false,
        };
        assert!(!early);
        assert_eq!(node.pool.status().pending, 1);
        node.pool.follow(&update).unwrap();
        let second = second.await.unwrap().unwrap();
        assert_eq!((second.block.number, second.receipts.len()), (2, 0));
        assert_eq!(node.pool.status().pending, 0);
    });
}

#[test]
fn nothing_is_left_of_a_block_that_is_given_up() {
    simulate(|ctx| async move {
        let node = node();
        let first = node.block(&ctx).await;
        node.add([pay(0, 0)]);
        let head = node.chain.head();
        tokio::select! {
            biased;
            _ = node.build(&ctx, &head) => panic!("its slot has not come"),
            () = ctx.sleep(Duration::from_millis(500)) => {}
        }
        ctx.sleep(Duration::from_secs(5)).await;
        assert_eq!(node.chain.head().hash(), first.block.hash());
        assert_eq!(node.chain.pending().hash(), first.block.hash());
        let block = node.block(&ctx).await;
        assert_eq!(hashes(&block.block), of(&[pay(0, 0)]));
    });
}

#[test]
fn a_block_on_what_nobody_knows_is_an_error() {
    simulate(|ctx| async move {
        let node = node();
        let elsewhere = TestGenesis::new([Address::repeat_byte(1)]).spec();
        let unknown = elsewhere.genesis_header();
        let error = node.build(&ctx, unknown).await.unwrap_err();
        assert!(
            matches!(error, ProducerError::Chain(ChainError::UnknownBlock(hash)) if hash == unknown.hash()),
            "{error}"
        );
    });
}

#[test]
fn with_64_blocks_that_are_not_final_no_more_are_built() {
    simulate(|ctx| async move {
        let node = node();
        let mut parent = (*node.chain.head()).clone();
        for nonce in 0..64 {
            node.add([pay(0, nonce)]);
            let block = node.propose(&ctx, &parent).await;
            assert_eq!(hashes(&block.block), of(&[pay(0, nonce)]));
            parent = block.block.clone_sealed_header();
        }
        let error = node.build(&ctx, &parent).await.unwrap_err();
        assert!(
            matches!(error, ProducerError::Declined(Declined::TooDeep(64))),
            "{error}"
        );
        let update: Arc<_> = node.finalize(parent.hash());
        assert_eq!(update.committed.len(), 64);
        assert_eq!(node.pool.status().pending, 0);
        assert_eq!(node.block(&ctx).await.block.number, 65);
    });
}
