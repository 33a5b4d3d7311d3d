//! Peers that send what they should not.

use std::time::Duration;

use alloy_primitives::B256;
use commonware_p2p::Receiver as _;
use futures::future::{Either, select};
use wattline_network::{Runtime, Tip, status::Status};
use wattline_pool::test_utils::draft;
use wattline_primitives::Millis;

use crate::{
    gossip::batch,
    harness::{CHAIN, Node, Places, Played, by_name, config, public, tracked, until},
    on_both_runtimes,
};

on_both_runtimes!(
    whoever_sends_what_is_no_message_is_left_with_the_reason,
    whoever_sends_only_junk_is_left,
    a_flood_is_slowed_down_and_delays_nobody_else,
);

const VOTES: usize = 0;
const TRANSACTIONS: usize = 5;
const STATUS: usize = 6;

/// A node and three peers that the test plays, who have introduced themselves.
async fn node_and_three<E: Runtime>(context: &E, places: Places) -> (Node<E>, Vec<Played<E>>) {
    let listen: Vec<_> = (0..4).map(places).collect();
    let members = by_name(&listen);
    let mut node = Node::start(context, "node", config(0, listen[0])).await;
    node.track(&members, &vec![]);
    let mut peers = Vec::new();
    for (number, name) in (1..).zip(["first", "second", "third"]) {
        let tracked = tracked(&members, &vec![]);
        let place = listen[usize::from(number)];
        let mut played = Played::start(context, name, number, place, tracked);
        played.introduce(context, &node, 0).await;
        peers.push(played);
    }
    (node, peers)
}

async fn whoever_sends_what_is_no_message_is_left_with_the_reason<E: Runtime>(
    context: E,
    places: Places,
) {
    let (mut node, mut peers) = node_and_three(&context, places).await;
    let status = Status {
        chain: CHAIN,
        tip: Tip {
            number: 5,
            hash: B256::ZERO,
            certified: 4,
        },
        time: Millis::default(),
    };
    peers[0].send(0, STATUS, status.encode());
    peers[1].send(0, TRANSACTIONS, vec![0xc1, 0xc0]);
    // Its votes are too large: the agreement does not get to see them.
    peers[2].send(0, VOTES, vec![0; 4 * 1024 + 1]);
    {
        let vote = node.network.channels.votes.1.recv();
        let timer = context.sleep(Duration::from_secs(2));
        futures::pin_mut!(vote, timer);
        let first = select(vote, timer).await;
        assert!(matches!(first, Either::Right(_)), "no vote arrives");
    }
    until(&context, "all are left", || {
        (1..4).all(|number| node.reason(number).is_some())
    })
    .await;
    let reasons: Vec<_> = (1..4).filter_map(|number| node.reason(number)).collect();
    assert_eq!(
        reasons,
        [
            "it sent a malformed status message: certified up to 4, which is below its last final \
             block 5",
            "it sent a malformed batch of transactions: not a list of byte strings: \
             unexpected list",
            "it sent 4097 bytes on the channel of votes, which carries at most 4096",
        ]
    );
    assert_eq!(node.peers().count(), 0);
    let mut left = node.peers().times_left();
    left.sort_by_key(|(_, reason, _)| *reason);
    assert_eq!(
        left,
        [
            (public(2), "batch", 1),
            (public(3), "oversized", 1),
            (public(1), "status", 1),
        ]
    );
}

async fn whoever_sends_only_junk_is_left<E: Runtime>(context: E, places: Places) {
    let (node, mut peers) = node_and_three(&context, places).await;
    let foreign = |nonce| {
        let mut draft = draft(1, nonce);
        draft.chain_id += 1;
        draft.sign()
    };
    let junk: Vec<_> = (0..64).map(foreign).collect();
    peers[0].send(0, TRANSACTIONS, batch(&junk));
    // As much of it, but with as many good ones.
    let mixed: Vec<_> = (0..64)
        .flat_map(|nonce| [foreign(nonce), draft(2, nonce).sign()])
        .collect();
    peers[1].send(0, TRANSACTIONS, batch(&mixed));
    until(&context, "the first is left", || node.reason(1).is_some()).await;
    assert_eq!(
        node.reason(1).as_deref(),
        Some(
            "it sent 64 transactions that no node accepts, and fewer good ones: the last failed \
             with \"invalid chain id for signer: have 57837 want 57836\""
        )
    );
    until(&context, "the pool has the good ones", || {
        node.pool.status().pending == 64
    })
    .await;
    assert_eq!(node.reason(2), None);
}

async fn a_flood_is_slowed_down_and_delays_nobody_else<E: Runtime>(context: E, places: Places) {
    let (node, mut peers) = node_and_three(&context, places).await;
    // Well-formed, and what no pool takes twice.
    let flood = batch(&[draft(1, 0).sign()]);
    let before = node.peer(1).expect("known").traffic.received_messages;
    let started = context.current();
    for _ in 0..2_000 {
        peers[0].send(0, TRANSACTIONS, flood.clone());
    }
    let other = draft(2, 0).sign();
    peers[1].send(0, TRANSACTIONS, batch(std::slice::from_ref(&other)));
    until(&context, "another peer's transaction is here", || {
        node.pool.contains(other.tx_hash())
    })
    .await;
    let took = context.current().duration_since(started).expect("forward");
    assert!(took < Duration::from_secs(10), "it took {took:?}");
    context.sleep(Duration::from_secs(3)).await;
    let passed = context.current().duration_since(started).expect("forward");
    let received = node.peer(1).expect("known").traffic.received_messages - before;
    let allowed = passed.as_secs_f64() * 64.0 + 8.0 + 16.0;
    assert!(
        (received as f64) < allowed,
        "{received} messages in {passed:?}"
    );
    assert!(received > 100, "only {received} messages in {passed:?}");
}
