//! Where transactions go, and how often.

use std::time::Duration;

use alloy_eips::eip2718::{Decodable2718 as _, Encodable2718 as _};
use commonware_runtime::Clock as _;
use wattline_network::{Runtime, gossip};
use wattline_pool::test_utils::draft;
use wattline_primitives::TransactionSigned;

use crate::{
    harness::{Node, Places, Played, by_name, config, public, tracked, until},
    on_both_runtimes,
};

on_both_runtimes!(
    transactions_reach_every_pool,
    a_peer_gets_each_transaction_once_and_never_back,
);

const TRANSACTIONS: usize = 5;
const NAMES: [&str; 4] = ["zero", "one", "two", "three"];

pub(crate) fn batch(transactions: &[TransactionSigned]) -> Vec<u8> {
    let encoded: Vec<_> = transactions.iter().map(|one| one.encoded_2718()).collect();
    gossip::encode(encoded.iter().map(Vec::as_slice))
        .expect("not empty")
        .0
}

/// What a played peer receives until it has a transaction, in order.
async fn receive_up_to<E: Runtime>(
    played: &mut Played<E>,
    last: &TransactionSigned,
) -> Vec<TransactionSigned> {
    let mut received = Vec::new();
    while !received.contains(last) {
        let (_, message) = played.receive(TRANSACTIONS).await;
        let encoded = gossip::decode(&message).expect("a batch");
        received.extend(
            encoded.iter().map(|encoded| {
                TransactionSigned::decode_2718_exact(encoded).expect("a transaction")
            }),
        );
    }
    received
}

async fn transactions_reach_every_pool<E: Runtime>(context: E, places: Places) {
    let listen: Vec<_> = (0..4).map(places).collect();
    // Two in the committee, two observers that are connected through it only.
    let members = by_name(&listen);
    let (primary, secondary) = (members[..2].to_vec(), members[2..].to_vec());
    let mut nodes = Vec::new();
    for (number, name) in (0..).zip(NAMES) {
        let config = config(number, listen[usize::from(number)]);
        let mut node = Node::start(&context, name, config).await;
        node.track(&primary, &secondary);
        nodes.push(node);
    }
    // From before anybody was connected.
    nodes[2].pool.add(draft(1, 0).sign()).expect("taken");
    until(&context, "they are connected", || {
        nodes[..2].iter().all(|node| node.peers().count() == 3)
            && nodes[2..].iter().all(|node| node.peers().count() == 2)
    })
    .await;
    for nonce in 1..100_u64 {
        let node = &nodes[usize::from(nonce % 4 == 0)];
        node.pool.add(draft(2, nonce - 1).sign()).expect("taken");
        nodes[3]
            .pool
            .add(draft(3, nonce - 1).sign())
            .expect("taken");
    }
    until(&context, "all pools are the same", || {
        nodes.iter().all(|node| node.pool.status().pending == 199)
    })
    .await;
    // Each transaction costs no peer more than it has bytes, and a few for batches and statuses.
    let bytes: usize = nodes[0]
        .pool
        .best()
        .map(|transaction| transaction.size() + 8)
        .sum();
    for node in &nodes {
        for peer in node.peers().peers() {
            let received = usize::try_from(peer.traffic.received_bytes).expect("few");
            assert!(received < bytes + 8 * 1024, "{received} bytes for {bytes}");
        }
    }
}

async fn a_peer_gets_each_transaction_once_and_never_back<E: Runtime>(context: E, places: Places) {
    let listen: Vec<_> = (0..4).map(places).collect();
    let members = by_name(&listen);
    let (primary, secondary) = (members[..3].to_vec(), members[3..].to_vec());
    let mut node = Node::start(&context, "node", config(0, listen[0])).await;
    node.track(&primary, &secondary);
    let play = |name, number: u16| {
        let members = tracked(&primary, &secondary);
        Played::start(&context, name, number, listen[usize::from(number)], members)
    };
    let (mut sender, mut primary, mut secondary) =
        (play("sender", 1), play("primary", 2), play("secondary", 3));
    // Waits before anybody is there.
    let offered = draft(1, 0).sign();
    node.pool.add(offered.clone()).expect("taken");
    for played in [&mut sender, &mut primary, &mut secondary] {
        played.introduce(&context, &node, 0).await;
    }

    // From a member of the committee: it has sent it to the other members of it itself.
    let relayed = draft(2, 0).sign();
    sender.send(0, TRANSACTIONS, batch(std::slice::from_ref(&relayed)));
    let hash = *relayed.tx_hash();
    until(&context, "the pool has it", || node.pool.contains(&hash)).await;
    // From a secondary member, which may not be connected with all of the committee. The second
    // one waits for the first.
    let (second, first) = (draft(3, 1).sign(), draft(3, 0).sign());
    secondary.send(0, TRANSACTIONS, batch(std::slice::from_ref(&second)));
    let hash = *second.tx_hash();
    until(&context, "the pool has it", || node.pool.contains(&hash)).await;
    secondary.send(0, TRANSACTIONS, batch(&[first.clone(), second.clone()]));
    let hash = *first.tx_hash();
    until(&context, "the pool has it", || node.pool.contains(&hash)).await;
    let last = draft(4, 0).sign();
    node.pool.add(last.clone()).expect("taken");

    let all = |received: Vec<TransactionSigned>| {
        let mut hashes: Vec<_> = received.iter().map(|one| *one.tx_hash()).collect();
        hashes.sort();
        hashes
    };
    let expected = |transactions: &[&TransactionSigned]| {
        all(transactions.iter().map(|one| (*one).clone()).collect())
    };
    let received = all(receive_up_to(&mut sender, &last).await);
    assert_eq!(received, expected(&[&offered, &first, &second, &last]));
    let received = all(receive_up_to(&mut primary, &last).await);
    assert_eq!(received, expected(&[&offered, &first, &second, &last]));
    let received = all(receive_up_to(&mut secondary, &last).await);
    assert_eq!(received, expected(&[&offered, &relayed, &last]));
    assert_eq!(node.peers().times_left(), []);
}

#[test]
fn what_waits_for_long_is_sent_to_the_committee_again() {
    crate::harness::deterministic(|context, places| async move {
        let listen: Vec<_> = (0..2).map(places).collect();
        let members = by_name(&listen);
        let mut node = Node::start(&context, "node", config(0, listen[0])).await;
        node.track(&members, &vec![]);
        let tracked = tracked(&members, &vec![]);
        let mut played = Played::start(&context, "played", 1, listen[1], tracked);
        played.introduce(&context, &node, 0).await;
        let transaction = draft(1, 0).sign();
        let started = context.current();
        node.pool.add(transaction.clone()).expect("taken");
        let received = receive_up_to(&mut played, &transaction).await;
        assert_eq!(received, std::slice::from_ref(&transaction));
        let passed = context.current().duration_since(started).expect("forward");
        assert!(passed < Duration::from_secs(1), "after {passed:?}");
        // It stays as long as it says that it is there.
        for _ in 0..5 {
            context.sleep(Duration::from_secs(5)).await;
            played.say(&context, 0);
        }
        let received = receive_up_to(&mut played, &transaction).await;
        assert_eq!(received, std::slice::from_ref(&transaction));
        // What is in a block is not.
        node.chain.mine(&node.pool);
        assert_eq!(node.pool.status().pending, 0);
        let next = draft(1, 1).sign();
        for _ in 0..5 {
            context.sleep(Duration::from_secs(5)).await;
            played.say(&context, 0);
        }
        node.pool.add(next.clone()).expect("taken");
        assert_eq!(receive_up_to(&mut played, &next).await, [next]);
        assert_eq!(node.peer(1).map(|peer| peer.key), Some(public(1)));
    });
}
