//! Who connects, who does not, and what is known of them.

use std::{fs, net::SocketAddr, time::Duration};

use alloy_primitives::B256;
use commonware_p2p::{Receiver as _, Recipients, Sender as _};
use commonware_runtime::Clock as _;
use wattline_network::{NetworkError, Role, Runtime, Tip, claim_address};

use crate::{
    harness::{
        CHAIN, Members, Node, Places, Played, by_name, config, millis, public, tracked, until,
    },
    on_both_runtimes,
};

on_both_runtimes!(
    four_nodes_connect_by_key_and_name,
    a_stranger_is_not_let_in,
    a_node_of_another_chain_is_left_with_that_reason,
    a_denied_key_is_out_at_once_and_comes_back_when_it_is_not_denied_any_more,
    a_bootnode_is_dialled_where_the_operator_says,
);

const NAMES: [&str; 4] = ["zero", "one", "two", "three"];

fn place_all(places: Places) -> Vec<SocketAddr> {
    (0..4).map(places).collect()
}

/// Four members that know each other.
async fn four<E: Runtime>(context: &E, listen: &[SocketAddr], members: &Members) -> Vec<Node<E>> {
    let mut nodes = Vec::new();
    for (number, name) in (0..).zip(NAMES) {
        let config = config(number, listen[usize::from(number)]);
        let mut node = Node::start(context, name, config).await;
        node.track(members, &vec![]);
        nodes.push(node);
    }
    nodes
}

fn all_have<E: Runtime>(nodes: &[Node<E>], count: usize) -> bool {
    nodes.iter().all(|node| node.peers().count() == count)
}

async fn four_nodes_connect_by_key_and_name<E: Runtime>(context: E, places: Places) {
    let listen = place_all(places);
    let members = by_name(&listen);
    let mut nodes = four(&context, &listen, &members).await;
    let tip = Tip {
        number: 7,
        hash: B256::repeat_byte(7),
        certified: 9,
    };
    nodes[0].tip.send_replace(tip);
    until(&context, "everybody knows everybody", || {
        all_have(&nodes, 3)
    })
    .await;
    until(&context, "the others hear how far node 0 is", || {
        nodes[1].peers().tips().contains(&(public(0), tip))
    })
    .await;

    nodes[1]
        .peers()
        .set_names([(public(0), "Stadtwerke".to_owned())]);
    let peer = nodes[1].peer(0).expect("known");
    assert_eq!(peer.name.as_deref(), Some("Stadtwerke"));
    assert_eq!(peer.role, Some(Role::Primary));
    assert_eq!(
        peer.address.map(|ingress| ingress.port()),
        Some(listen[0].port())
    );
    assert_eq!(peer.blocked, None);
    assert!(
        peer.connected_since
            .is_some_and(|since| since <= millis(&context))
    );
    let ahead = peer.status.expect("heard").clock_ahead;
    assert!(
        ahead.abs() < 5_000,
        "clocks of one machine differ by {ahead} ms"
    );
    assert!(peer.traffic.received_messages >= 1 && peer.traffic.received_bytes >= 90);

    // The channels of the agreement carry what it sends.
    let before = nodes[2].peer(0).expect("known").traffic;
    let sent = nodes[0]
        .network
        .channels
        .votes
        .0
        .send(Recipients::All, b"vote".to_vec(), true);
    assert_eq!(sent.len(), 3);
    for node in &mut nodes[1..] {
        let (from, vote) = node.network.channels.votes.1.recv().await.expect("a vote");
        assert_eq!((from, vote.as_ref()), (public(0), b"vote".as_slice()));
    }
    let after = nodes[2].peer(0).expect("known").traffic;
    assert!(after.received_bytes >= before.received_bytes + 4);

    // What is too large for its channel is not sent, where the library would panic.
    let too_large = vec![0; 4 * 1024 + 1];
    let sent = nodes[0]
        .network
        .channels
        .votes
        .0
        .send(Recipients::All, too_large, true);
    assert!(sent.is_empty());
}

async fn a_stranger_is_not_let_in<E: Runtime>(context: E, places: Places) {
    let listen = place_all(places);
    let everybody = by_name(&listen);
    let members = everybody[..3].to_vec();
    let mut nodes = Vec::new();
    for (number, name) in (0..3).zip(NAMES) {
        let config = config(number, listen[usize::from(number)]);
        let mut node = Node::start(&context, name, config).await;
        node.track(&members, &vec![]);
        nodes.push(node);
    }
    // The stranger knows them all, but nobody knows it.
    let mut stranger = Node::start(&context, "stranger", config(3, listen[3])).await;
    stranger.track(&everybody, &vec![]);
    until(&context, "the members know each other", || {
        all_have(&nodes, 2)
    })
    .await;
    let attempts = || {
        let metrics = context.encode();
        let attempts = metrics
            .lines()
            .filter(|line| line.contains("stranger") && line.contains("dialer_attempts_total{"));
        attempts
            .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
            .filter(|count| *count >= 2)
            .count()
    };
    until(&context, "the stranger has tried each member twice", || {
        attempts() == 3
    })
    .await;
    assert_eq!(stranger.peers().count(), 0);
    assert!(nodes.iter().all(|node| node.peer(3).is_none()));
    assert!(all_have(&nodes, 2));
}

async fn a_node_of_another_chain_is_left_with_that_reason<E: Runtime>(context: E, places: Places) {
    let listen = place_all(places);
    let members = by_name(&listen)[..2].to_vec();
    let mut ours = Node::start(&context, "ours", config(0, listen[0])).await;
    let other_chain = B256::repeat_byte(0xaa);
    let mut other = config(1, listen[1]);
    other.chain = other_chain;
    let mut other = Node::start(&context, "other", other).await;
    ours.track(&members, &vec![]);
    other.track(&members, &vec![]);
    until(&context, "both notice the other chain", || {
        ours.reason(1).is_some() && other.reason(0).is_some()
    })
    .await;
    assert_eq!(
        ours.reason(1),
        Some(format!(
            "it is on another chain: the hash of its genesis block and configuration is \
             {other_chain}, ours {CHAIN}"
        ))
    );
    assert_eq!(
        other.reason(0),
        Some(format!(
            "it is on another chain: the hash of its genesis block and configuration is {CHAIN}, \
             ours {other_chain}"
        ))
    );
    assert_eq!(ours.peers().count(), 0);
    assert_eq!(ours.peers().times_left(), [(public(1), "wrong_chain", 1)]);
}

async fn a_denied_key_is_out_at_once_and_comes_back_when_it_is_not_denied_any_more<E: Runtime>(
    context: E,
    places: Places,
) {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("denied");
    let listen = place_all(places);
    let members = by_name(&listen)[..3].to_vec();
    let mut nodes = Vec::new();
    for (number, name) in (0..3).zip(NAMES) {
        let mut config = config(number, listen[usize::from(number)]);
        if number == 0 {
            config.denied = Some(file.clone());
            config.limits.block_for = Duration::from_secs(2);
        }
        let mut node = Node::start(&context, name, config).await;
        node.track(&members, &vec![]);
        nodes.push(node);
    }
    until(&context, "everybody knows everybody", || {
        all_have(&nodes, 2)
    })
    .await;

    fs::write(&file, format!("{} # lost its key\n", public(2))).expect("written");
    until(&context, "the denied key is out", || {
        nodes[0].peers().count() == 1
    })
    .await;
    assert_eq!(
        nodes[0].reason(2).as_deref(),
        Some("its key is in this node's file of denied keys")
    );
    // A bad line changes nothing, and the library's block is renewed for as long as it takes.
    fs::write(&file, "nonsense\n").expect("written");
    let times_denied = || {
        nodes[0]
            .peers()
            .times_left()
            .first()
            .map_or(0, |(.., count)| *count)
    };
    until(&context, "it is denied again", || times_denied() >= 3).await;
    until(&context, "the others go on", || {
        nodes[1].peers().count() == 2
    })
    .await;

    fs::write(&file, "").expect("written");
    until(&context, "it is back", || all_have(&nodes, 2)).await;
    assert_eq!(nodes[0].reason(2), None);
}

/// On the deterministic runtime an address stays taken for ever.
#[test]
fn a_node_that_restarts_is_back_within_seconds() {
    crate::harness::on_sockets(a_node_restarts);
}

async fn a_node_restarts<E: Runtime>(context: E, places: Places) {
    let listen = place_all(places);
    let members = by_name(&listen);
    let mut nodes = four(&context, &listen, &members).await;
    until(&context, "everybody knows everybody", || {
        all_have(&nodes, 3)
    })
    .await;
    nodes.pop().expect("four").kill().await;
    until(&context, "the others notice", || all_have(&nodes, 2)).await;
    let started = context.current();
    let mut node = Node::start(&context, "again", config(3, listen[3])).await;
    node.track(&members, &vec![]);
    nodes.push(node);
    until(&context, "everybody is back", || all_have(&nodes, 3)).await;
    let took = context.current().duration_since(started).expect("forward");
    assert!(took < Duration::from_secs(10), "it took {took:?}");
}

async fn a_bootnode_is_dialled_where_the_operator_says<E: Runtime>(context: E, places: Places) {
    let listen = place_all(places);
    // Nobody listens at what the chain says.
    let outdated = vec![
        (0, format!("localhost:{}", listen[2].port())),
        (1, format!("localhost:{}", listen[3].port())),
    ];
    let mut zero = Node::start(&context, "zero", config(0, listen[0])).await;
    zero.track(&outdated, &vec![]);
    let mut config = config(1, listen[1]);
    let bootnode = format!("{}@localhost:{}", public(0), listen[0].port());
    config.bootnodes = vec![bootnode.parse().expect("a bootnode")];
    let mut one = Node::start(&context, "one", config).await;
    one.track(&outdated, &vec![]);
    until(&context, "they are connected", || {
        zero.peers().count() == 1 && one.peers().count() == 1
    })
    .await;
    let address = one
        .peer(0)
        .and_then(|peer| peer.address)
        .expect("an address");
    assert_eq!(address.port(), listen[0].port());
}

#[test]
fn a_peer_that_falls_silent_does_not_count_any_more() {
    crate::harness::deterministic(|context, places| async move {
        let listen = place_all(places);
        let members = by_name(&listen)[..2].to_vec();
        let mut node = Node::start(&context, "node", config(0, listen[0])).await;
        node.track(&members, &vec![]);
        let members = tracked(&members, &vec![]);
        let mut played = Played::start(&context, "played", 1, listen[1], members);
        played.introduce(&context, &node, 0).await;
        assert_eq!(node.peers().count(), 1);
        let heard = context.current();
        until(&context, "it is forgotten", || node.peers().count() == 0).await;
        let passed = context.current().duration_since(heard).expect("forward");
        assert!((14..17).contains(&passed.as_secs()), "after {passed:?}");
        let peer = node.peer(1).expect("known");
        assert!(peer.connected_since.is_some() && peer.status.is_none());

        // It says that its clock is 20 seconds ahead.
        let status = wattline_network::status::Status {
            chain: CHAIN,
            tip: Tip::default(),
            time: millis(&context).saturating_add(Duration::from_secs(20)),
        };
        played.send(0, 6, status.encode());
        until(&context, "it is back", || node.peers().count() == 1).await;
        let ahead = node
            .peer(1)
            .and_then(|peer| peer.status)
            .expect("heard")
            .clock_ahead;
        assert!((19_000..=20_000).contains(&ahead), "{ahead} ms");
    });
}

#[test]
fn an_address_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address");
    let error = claim_address(address).expect_err("taken");
    assert!(matches!(error, NetworkError::Listen { .. }));
    assert!(
        error
            .to_string()
            .starts_with(&format!("cannot listen for peers on {address}: ")),
        "{error}"
    );
}
