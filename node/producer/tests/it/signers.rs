//! A signer among others: turns, votes, checkpoints.

use std::collections::BTreeSet;

use alloy_primitives::{Address, U256};
use commonware_runtime::deterministic::Context;
use wattline_chain::test_utils::{Forge, Signers, Template, TestGenesis, import};
use wattline_clique::{ExtraData, NONCE_ADD, NONCE_DROP, Snapshot, recover_signer};
use wattline_primitives::{Millis, SealedBlock};
use wattline_producer::{Declined, ProducerError, ProposalError};

use crate::support::{NOW, Node, elapsed, now, simulate};

/// Why the node seals nothing on its head.
async fn declined(ctx: &Context, node: &Node) -> Declined {
    let began = elapsed(ctx);
    let error = node.build(ctx, &node.chain.head()).await.unwrap_err();
    // It says so at once: others wait for it.
    assert!(elapsed(ctx) - began < 20);
    match error {
        ProducerError::Declined(reason) => reason,
        other => panic!("{other}"),
    }
}

/// A node takes a block that another signer made.
fn follow(node: &Node, block: SealedBlock) {
    let executed = node.chain.execute(block, &|_| None).unwrap();
    node.finalize(executed.block.hash());
}

#[test]
fn a_stranger_seals_once_it_is_voted_in() {
    simulate(|ctx| async move {
        let all = Signers::new(2);
        let genesis = TestGenesis::new(all.addresses()[..1].to_vec());
        let forge = Forge::new(genesis.clone(), all.clone());
        let node = Node::new(&genesis, &all, 1);
        assert_eq!(node.producer.handle().signer(), all.address(1));
        assert_eq!(declined(&ctx, &node).await, Declined::NotASigner);

        let vote = forge.extend(Template {
            vote: Some((all.address(1), true)),
            time: Some(Millis::from_secs(NOW)),
            ..Template::by(0)
        });
        follow(&node, vote);
        let block = node.block(&ctx).await;
        assert_eq!(block.block.timestamp, NOW + 1);
        assert_eq!(
            recover_signer(block.block.header()).unwrap(),
            all.address(1)
        );
        assert_eq!(block.block.difficulty, U256::from(1));
        assert_eq!(declined(&ctx, &node).await, Declined::SignedRecently);
    });
}

#[test]
fn votes_are_cast_and_checkpoints_carry_none() {
    simulate(|ctx| async move {
        let all = Signers::new(3);
        let genesis = TestGenesis::new(all.addresses()).epoch(6);
        let forge = Forge::new(genesis.clone(), all.clone());
        let node = Node::new(&genesis, &all, 0);
        let stranger = Address::repeat_byte(9);
        let handle = node.producer.handle();
        handle.propose(stranger, true).unwrap();
        // This one would change nothing, so it is never cast.
        handle.propose(all.address(1), true).unwrap();
        assert_eq!(handle.proposals().len(), 2);

        // The other signers' blocks, and between them those of the one under test: in turn at 3, 6
        // and 9.
        let mut own = Vec::new();
        for number in 1..=9 {
            let block = if number % 3 == 0 {
                let block = node.block(&ctx).await;
                let block = block.block.sealed_block().clone();
                import(forge.chain(), block.clone()).unwrap();
                own.push(block.clone());
                block
            } else {
                let block = forge.extend(Template {
                    time: Some(now(&ctx)).filter(|_| number == 1),
                    ..Template::default()
                });
                follow(&node, block.clone());
                block
            };
            assert_eq!(block.number, number);
        }
        let [first, checkpoint, second] = &*own else {
            panic!("three blocks")
        };
        assert_eq!((first.beneficiary, first.nonce), (stranger, NONCE_ADD));
        assert_eq!(checkpoint.number, 6);
        assert_eq!(checkpoint.beneficiary, Address::ZERO);
        assert_eq!(checkpoint.nonce, NONCE_DROP);
        let extra_data = ExtraData::parse(&checkpoint.extra_data).unwrap();
        assert_eq!(extra_data.checkpoint_signers().unwrap(), all.addresses());
        assert_eq!((second.beneficiary, second.nonce), (stranger, NONCE_ADD));
        let snapshot = node.chain.snapshot(second.hash()).unwrap();
        assert_eq!(snapshot.tally[&stranger].votes, 1);
        assert_eq!(snapshot.votes[0].signer, all.address(0));

        handle.discard(stranger);
        assert!(handle.proposals().into_keys().eq([all.address(1)]));
    });
}

#[test]
fn a_vote_after_which_the_chain_could_stand_still_waits() {
    simulate(|ctx| async move {
        let all = Signers::new(2);
        let genesis = TestGenesis::new(all.addresses()[..1].to_vec());
        let node = Node::new(&genesis, &all, 0);
        let newcomer = all.address(1);
        node.producer.handle().propose(newcomer, true).unwrap();
        let build = |committee: Vec<Address>| {
            let (node, ctx) = (&node, &ctx);
            async move {
                let committee = BTreeSet::from_iter(committee);
                let head = node.chain.head();
                let decided_by = move |_: &Snapshot| committee.clone();
                node.producer.build(ctx, &head, decided_by).await.unwrap()
            }
        };

        // Both would take turns, of which only one could have its blocks decided.
        let block = build(vec![all.address(0)]).await;
        assert_eq!(block.block.beneficiary, Address::ZERO);
        let block = node.chain.adopt(block).unwrap();
        node.finalize(block.block.hash());
        // Where both decide the next block, the vote is cast.
        let block = build(all.addresses()).await;
        assert_eq!(
            (block.block.beneficiary, block.block.nonce),
            (newcomer, NONCE_ADD)
        );
        let block = node.chain.adopt(block).unwrap();
        let snapshot = node.chain.snapshot(block.block.hash()).unwrap();
        assert!(snapshot.signers.contains(&newcomer));
    });
}

#[test]
fn the_only_signer_is_not_voted_out() {
    for (count, allowed) in [(1, false), (2, true)] {
        let all = Signers::new(count);
        let node = Node::new(&TestGenesis::new(all.addresses()), &all, 0);
        let handle = node.producer.handle();
        let signer = all.address(0);
        match handle.propose(signer, false) {
            Ok(()) => assert!(allowed),
            Err(ProposalError::OnlySigner(account)) => {
                assert_eq!((account, allowed), (signer, false));
            }
            Err(error) => panic!("{error}"),
        }
        assert_eq!(handle.proposals().contains_key(&signer), allowed);
        // Strangers and new signers are nobody's end.
        handle.propose(Address::repeat_byte(9), false).unwrap();
        handle.propose(Address::repeat_byte(8), true).unwrap();
    }
}
