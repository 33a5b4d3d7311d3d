//! A signer among others: turns, votes, checkpoints, rivals.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crate::support::{NOW, Node, RECEIVER, hashes, soon};
use alloy_primitives::{Address, B256};
use wattline_chain::{
    Chain, Imported,
    test_utils::{Forge, ManualClock, Signers, Template, TestGenesis, transfer},
};
use wattline_clique::{ExtraData, NONCE_ADD, NONCE_DROP, recover_signer};
use wattline_primitives::SealedBlock;
use wattline_producer::{ProducerConfig, ProposalError};

/// Imports a block that somebody else made.
async fn import(chain: &Chain, block: SealedBlock) -> Imported {
    let chain = chain.clone();
    let imported = tokio::task::spawn_blocking(move || chain.import(block));
    imported
        .await
        .expect("import does not panic")
        .expect("the block is valid")
}

fn at(timestamp: u64, signer: usize) -> Template {
    Template {
        timestamp: Some(timestamp),
        ..Template::by(signer)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_waits_until_it_is_voted_in() {
    let all = Signers::new(2);
    let genesis = TestGenesis::new(all.addresses()[..1].to_vec());
    let forge = Forge::new(genesis.clone(), all.clone());
    let mut node = Node::new(&genesis);
    let handle = node.start(&all, 1, ProducerConfig::default());
    assert_eq!(handle.signer(), all.address(1));

    let vote = Template {
        vote: Some((all.address(1), true)),
        ..at(NOW, 0)
    };
    let vote = forge.extend(vote);
    assert_eq!(import(&node.chain, vote.clone()).await, Imported::Canonical);
    assert_eq!(node.block().await.block.hash(), vote.hash());
    // Out of turn at block 2: it goes out after the delay, which is less than a period.
    let block = node.block_at(NOW + 2, 1).await;
    assert_eq!(block.block.timestamp, NOW + 1);
    assert_eq!(
        recover_signer(block.block.header()).unwrap(),
        all.address(1)
    );
    assert_eq!(block.block.difficulty, alloy_primitives::U256::from(1));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn votes_are_cast_and_checkpoints_carry_none() {
    let all = Signers::new(3);
    let genesis = TestGenesis::new(all.addresses()).epoch(6).period(15);
    let forge = Forge::new(genesis.clone(), all.clone());
    let mut node = Node::new(&genesis);
    let stranger = Address::repeat_byte(9);
    // The other signers' blocks; in turn at 3 and 6 is the one under test.
    for timestamp in [NOW - 30, NOW - 15] {
        let block = forge.extend(Template {
            timestamp: Some(timestamp),
            ..Template::default()
        });
        import(&node.chain, block).await;
        node.block().await;
    }
    let handle = node.start(&all, 0, ProducerConfig::default());
    handle.propose(stranger, true).unwrap();
    // This one would change nothing, so it is never cast.
    handle.propose(all.address(1), true).unwrap();
    assert_eq!(handle.proposals().into_iter().collect::<Vec<_>>().len(), 2);

    // The first head may be decided on before the proposals were made; the clock has not moved,
    // and the block is due now.
    let block = node.block().await;
    assert_eq!(block.block.number, 3);
    let forged = [block.block.sealed_block().clone()];
    let forge = replay(&genesis, &all, forge.blocks().into_iter().chain(forged));
    for (offset, signer) in [(15, 1), (30, 2)] {
        let block = forge.extend(at(NOW + offset, signer));
        node.clock.set(NOW + offset);
        import(&node.chain, block).await;
        node.block().await;
    }
    node.clock.set(NOW + 45);
    let checkpoint = node.block().await;
    assert_eq!(checkpoint.block.number, 6);
    assert_eq!(checkpoint.block.beneficiary, Address::ZERO);
    assert_eq!(checkpoint.block.nonce, NONCE_DROP);
    let extra_data = ExtraData::parse(&checkpoint.block.extra_data).unwrap();
    assert_eq!(extra_data.checkpoint_signers().unwrap(), all.addresses());

    let forged = [checkpoint.block.sealed_block().clone()];
    let forge = replay(&genesis, &all, forge.blocks().into_iter().chain(forged));
    for (offset, signer) in [(60, 1), (75, 2)] {
        let block = forge.extend(at(NOW + offset, signer));
        node.clock.set(NOW + offset);
        import(&node.chain, block).await;
        node.block().await;
    }
    node.clock.set(NOW + 90);
    let vote = node.block().await;
    assert_eq!(vote.block.number, 9);
    assert_eq!(
        (vote.block.beneficiary, vote.block.nonce),
        (stranger, NONCE_ADD)
    );
    let snapshot = node.chain.snapshot(vote.block.hash()).unwrap();
    assert_eq!(snapshot.tally[&stranger].votes, 1);
    assert_eq!(snapshot.votes[0].signer, all.address(0));

    handle.discard(stranger);
    assert_eq!(
        handle.proposals().into_keys().collect::<Vec<_>>(),
        [all.address(1)]
    );
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_only_signer_is_not_voted_out() {
    for (count, allowed) in [(1, false), (2, true)] {
        let all = Signers::new(count);
        let mut node = Node::new(&TestGenesis::new(all.addresses()));
        let handle = node.start(&all, 0, ProducerConfig::default());
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
        node.stop().await;
    }
}

/// A forge whose chain holds `blocks`.
fn replay(
    genesis: &TestGenesis,
    signers: &Signers,
    blocks: impl IntoIterator<Item = SealedBlock>,
) -> Forge {
    let forge = Forge::new(genesis.clone(), signers.clone());
    for block in blocks {
        assert_eq!(forge.chain().import(block).unwrap(), Imported::Canonical);
    }
    forge
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_head_makes_the_producer_start_again() {
    let (all, accounts) = (Signers::new(2), Signers::named("account", 2));
    let genesis = TestGenesis::new(all.addresses())
        .fund(accounts.addresses())
        .period(15);
    let forge = Forge::new(genesis.clone(), all.clone());
    let mut node = Node::new(&genesis);
    let shared = transfer(accounts.key(0), 0, RECEIVER, 1);
    let own = transfer(accounts.key(1), 0, RECEIVER, 2);
    node.add([shared.clone(), own.clone()]);
    // Out of turn at block 1, so it waits with its block for its delay to pass.
    node.start(&all, 0, ProducerConfig::default());
    soon(node.clock.slept(1)).await;
    let rival = forge.extend(at(NOW, 1).with(vec![shared]));
    import(&node.chain, rival.clone()).await;
    assert_eq!(node.block().await.block.hash(), rival.hash());

    // In turn at block 2, with what the rival did not take.
    soon(node.clock.slept(2)).await;
    node.clock.set(NOW + 15);
    let block = node.block().await;
    assert_eq!(block.block.parent_hash, rival.hash());
    assert_eq!(hashes(&block), [*own.tx_hash()]);
    // Nothing of it was sealed on the block that the rival was faster on.
    let reader = node.chain.storage().reader().unwrap();
    assert_eq!(
        reader.sealed_on(genesis.spec().genesis_hash()).unwrap(),
        None
    );
    assert!(reader.sealed_on(rival.hash()).unwrap().is_some());
    assert!(reader.side_hashes().unwrap().is_empty());
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_never_seals_twice_on_one_parent() {
    let all = Signers::new(2);
    let genesis = TestGenesis::new(all.addresses());
    let forge = Forge::new(genesis.clone(), all.clone());
    let mut node = Node::new(&genesis);
    let root = genesis.spec().genesis_hash();
    node.chain
        .storage()
        .journal_seal(1, root, B256::repeat_byte(1))
        .unwrap();
    node.start(&all, 1, ProducerConfig::default());
    // In turn and due, yet it leaves block 1 to the other, and goes on after that.
    let other = forge.extend(at(NOW, 0));
    import(&node.chain, other.clone()).await;
    assert_eq!(node.block().await.block.hash(), other.hash());
    let block = node.block_at(NOW + 2, 1).await;
    assert_eq!(block.block.parent_hash, other.hash());
    assert_eq!(
        recover_signer(block.block.header()).unwrap(),
        all.address(1)
    );
    let reader = node.chain.storage().reader().unwrap();
    assert_eq!(reader.sealed_on(root).unwrap(), Some(B256::repeat_byte(1)));
    node.stop().await;
}

/// Nodes that share a clock and hear of each other's blocks.
struct Consortium {
    nodes: Vec<Node>,
    clock: Arc<ManualClock>,
}

impl Consortium {
    fn start(total: usize, alive: &[usize]) -> Self {
        let signers = Signers::new(total);
        let genesis = TestGenesis::new(signers.addresses());
        let clock = Arc::new(ManualClock::at(NOW));
        let mut nodes: Vec<_> = alive
            .iter()
            .map(|_| Node::with_clock(&genesis, clock.clone()))
            .collect();
        for (from, node) in nodes.iter().enumerate() {
            for (to, peer) in nodes.iter().enumerate().filter(|(to, _)| *to != from) {
                assert_ne!(from, to);
                let (mut updates, peer) = (node.chain.subscribe(), peer.chain.clone());
                tokio::spawn(async move {
                    while let Ok(update) = updates.recv().await {
                        for block in &update.committed {
                            import(&peer, block.block.sealed_block().clone()).await;
                        }
                    }
                });
            }
        }
        for (node, index) in nodes.iter_mut().zip(alive) {
            node.start(&signers, *index, ProducerConfig::default());
        }
        Self { nodes, clock }
    }

    /// Moves the clock on in small steps until all nodes are on one head of at least `number`.
    async fn reach(&self, number: u64) {
        soon(async {
            loop {
                let heads: Vec<_> = self.nodes.iter().map(|node| node.chain.head()).collect();
                let agreed = heads.iter().all(|head| head.hash() == heads[0].hash());
                if agreed && heads[0].number >= number {
                    return;
                }
                self.clock.advance(Duration::from_millis(20));
                // Real time for the nodes to work in: the clock runs some ten times as fast.
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
        .await;
    }

    async fn stop(mut self) -> Vec<Node> {
        for node in &mut self.nodes {
            node.stop().await;
        }
        self.nodes
    }
}

/// How many of the first twelve blocks each signer sealed.
fn sealed_by(node: &Node) -> BTreeMap<Address, usize> {
    let reader = node.chain.storage().reader().unwrap();
    let mut sealed = BTreeMap::new();
    for number in 1..=12 {
        let header = reader.header(number).unwrap().unwrap();
        *sealed.entry(recover_signer(&header).unwrap()).or_default() += 1;
    }
    sealed
}

#[tokio::test(flavor = "multi_thread")]
async fn several_signers_agree_on_one_chain() {
    let consortium = Consortium::start(3, &[0, 1, 2]);
    consortium.reach(12).await;
    let nodes = consortium.stop().await;
    // Who is late leaves its turn to another, but nobody seals two in a row.
    let sealed = sealed_by(&nodes[0]);
    assert!(
        sealed.len() >= 2 && sealed.values().all(|blocks| *blocks <= 6),
        "{sealed:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_chain_goes_on_without_one_of_four_signers() {
    let consortium = Consortium::start(4, &[0, 2, 3]);
    consortium.reach(12).await;
    let nodes = consortium.stop().await;
    // Of any three blocks in a row each of the three seals one.
    let signers = Signers::new(4);
    let expected = [0, 2, 3].map(|index| (signers.address(index), 4));
    assert_eq!(sealed_by(&nodes[0]), BTreeMap::from(expected));
}
