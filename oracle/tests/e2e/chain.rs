//! `meterd` against a real node: whatever happens to either, each boundary ends on the chain
//! exactly once, and what was refused is visible.

use std::{collections::BTreeMap, time::Duration};
use wattline_market::{Registers, WattHours};
use wattline_testing::{RunningNode, eventually};

use crate::{
    daemon::Meterd,
    proxy::{Mode, Proxy},
    village::{Village, row},
};

/// The value of a metric without labels.
fn metric(metrics: &str, name: &str) -> Option<u64> {
    metrics
        .lines()
        .find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_random_it_reports_each_boundary_once() {
    let node = RunningNode::new_dev_chain().expect("the node starts");
    let village = Village::found(&node, 4).await;
    let boundaries = 24;
    let intervals = village.regular_intervals(boundaries);
    // Half of the boundaries lie behind, the others come while it is killed.
    let start = village.past(boundaries / 2).await;
    let meterd = Meterd::new(&village, &node.url, &intervals, start, Some(boundaries)).submission(
        "batch = 6\nin_flight = 3\nconfirmations = 2\npoll_ms = 100\nresend_seconds = 1",
    );

    let mut kills = 0;
    let mut life = 0x9e37_79b9_u64;
    loop {
        let mut running = meterd.spawn();
        // A fixed sequence of lifetimes, so that a failure can be seen again.
        life = life
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let span = Duration::from_millis(200 + (life >> 33) % 1_500);
        match running.ended_within(span) {
            Some(status) => {
                assert!(status.success(), "{status}");
                break;
            }
            None => {
                running.kill();
                kills += 1;
            }
        }
        assert!(kills < 200, "it never gets done");
    }
    assert!(kills >= 5, "only {kills} kills: the test did not test");
    village
        .assert_exactly_once(start, boundaries, &intervals)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_node_is_down_readings_wait() {
    let mut node = RunningNode::new_dev_chain().expect("the node starts");
    let village = Village::found(&node, 3).await;
    let boundaries = 16;
    let intervals = village.regular_intervals(boundaries);
    // Half of the boundaries lie behind, the others come while the node is away.
    let start = village.past(boundaries / 2).await;
    let meterd = Meterd::new(&village, &node.url, &intervals, start, Some(boundaries))
        .submission("confirmations = 2\npoll_ms = 100\nresend_seconds = 1\nretry_seconds = 1")
        .listening();
    let mut running = meterd.spawn();
    eventually("the first readings", async || {
        (village.accepted().await.len() >= 9).then_some(())
    })
    .await;

    node.kill().expect("killed");
    eventually("meterd sees that the node is away", async || {
        (running.health().await?["chainReachable"] == false).then_some(())
    })
    .await;
    eventually("readings wait", async || {
        (running.health().await?["waiting"].as_u64()? >= 9).then_some(())
    })
    .await;
    assert_eq!(running.health_status().await, Some(503));

    // All boundaries come and go, and waiting between two tries has long grown to its longest.
    let readings = village.len() as u64 * (boundaries + 1);
    eventually(
        "readings are taken, and the node tried again and again",
        async || {
            let metrics = running.metrics().await?;
            let tries = metric(&metrics, "meterd_chain_unreachable_total")?;
            (metric(&metrics, "meterd_readings_taken_total")? == readings && tries >= 6)
                .then_some(())
        },
    )
    .await;
    let health = running.health().await.expect("it goes on");
    assert_eq!(health["chainReachable"], false);
    assert!(health["waiting"].as_u64().expect("a number") >= 9);

    node.restart().expect("the node starts again");
    running.succeed();
    village
        .assert_exactly_once(start, boundaries, &intervals)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_nothing_to_send_the_node_is_still_watched() {
    let mut node = RunningNode::new_dev_chain().expect("the node starts");
    let village = Village::found(&node, 1).await;
    let intervals = village.regular_intervals(2);
    let start = village.past(0).await + 3_600;
    let meterd = Meterd::new(&village, &node.url, &intervals, start, Some(2)).listening();
    let mut running = meterd.spawn();
    for reachable in [true, false, true] {
        eventually("meterd sees whether the node is there", async || {
            (running.health().await?["chainReachable"] == reachable).then_some(())
        })
        .await;
        let waiting = &running.health().await.expect("health")["waiting"];
        assert_eq!(*waiting, 0);
        if reachable {
            node.kill().expect("killed");
        } else {
            node.restart().expect("the node starts again");
        }
    }
    running.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn dropped_transactions_are_sent_again() {
    let node = RunningNode::new_dev_chain().expect("the node starts");
    let village = Village::found(&node, 3).await;
    let proxy = Proxy::start(&node.url, Mode::Swallow(3)).await;
    let boundaries = 10;
    let intervals = village.regular_intervals(boundaries);
    let start = village.past(boundaries + 5).await;
    let meterd = Meterd::new(&village, &proxy.url(), &intervals, start, Some(boundaries))
        .submission("batch = 10\nconfirmations = 2\npoll_ms = 100\nresend_seconds = 1");
    meterd.spawn().succeed();
    assert_eq!(proxy.swallowed(), 3);
    village
        .assert_exactly_once(start, boundaries, &intervals)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_nonce_and_a_cut_network_lose_nothing() {
    let node = RunningNode::new_dev_chain().expect("the node starts");
    let village = Village::found(&node, 3).await;
    let proxy = Proxy::start(&node.url, Mode::Swallow(u64::MAX)).await;
    let boundaries = 10;
    let intervals = village.regular_intervals(boundaries);
    let start = village.past(boundaries + 5).await;
    let meterd = Meterd::new(&village, &proxy.url(), &intervals, start, Some(boundaries))
        .submission("batch = 10\nconfirmations = 2\npoll_ms = 100\nresend_seconds = 1");
    let mut running = meterd.spawn();
    eventually("meterd has sent", async || {
        (proxy.swallowed() >= 3).then_some(())
    })
    .await;
    // All its transactions are lost, and another one takes the first nonce.
    village.spend_nonce_of_submitter().await;
    proxy.set(Mode::Cut);
    eventually("the network is cut", async || {
        (proxy.cut() >= 3).then_some(())
    })
    .await;
    proxy.set(Mode::Forward);
    running.succeed();
    village
        .assert_exactly_once(start, boundaries, &intervals)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reading_that_was_lost_replaces_its_substitute() {
    let node = RunningNode::new_dev_chain().expect("the node starts");
    let village = Village::found(&node, 1).await;
    let proxy = Proxy::start(&node.url, Mode::Swallow(u64::MAX)).await;
    let boundaries = 5;
    let intervals = village.regular_intervals(boundaries);
    let start = village.past(boundaries + 5).await;
    let expected = village.expected(start, boundaries, &intervals);
    let meterd = Meterd::new(&village, &proxy.url(), &intervals, start, Some(boundaries));
    let mut running = meterd.spawn();
    eventually("meterd has sent", async || {
        (proxy.swallowed() >= 1).then_some(())
    })
    .await;

    let key = (start + 1, village.id(0));
    let guess = Registers {
        import: WattHours(expected[&key].import.0 + 1),
        ..expected[&key]
    };
    village.substitute(key, guess).await;
    assert_eq!(village.accepted().await[&key], [guess]);
    assert!(!village.holds(key, guess).await);
    proxy.set(Mode::Forward);
    running.succeed();
    assert_eq!(village.accepted().await[&key], [guess, expected[&key]]);
    assert!(village.holds(key, expected[&key]).await);
    assert_eq!(village.conflicts().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reading_sent_twice_counts_once_and_a_contradiction_is_visible() {
    let node = RunningNode::new_dev_chain().expect("the node starts");
    let village = Village::found(&node, 2).await;
    let boundaries = 300;
    let intervals = village.regular_intervals(boundaries);
    let start = village.past(10).await;
    let expected = village.expected(start, boundaries, &intervals);

    // Somebody else has carried two readings already, and a wrong one of the same key.
    let [first, second, other] = [0, 1, 2].map(|after| (start + after, village.id(0)));
    for same in [first, second] {
        village.carry(same, expected[&same]).await;
    }
    let wrong = Registers {
        import: WattHours(expected[&other].import.0 + 1),
        ..expected[&other]
    };
    village.carry(other, wrong).await;

    let meterd = Meterd::new(&village, &node.url, &intervals, start, None).listening();
    let mut running = meterd.spawn();
    let enough = 2 * 9;
    let accepted = eventually("the readings", async || {
        let accepted = village.accepted().await;
        (accepted.len() >= enough).then_some(accepted)
    })
    .await;
    for (key, registers) in &accepted {
        let right = if *key == other {
            &wrong
        } else {
            &expected[key]
        };
        assert_eq!(
            registers,
            &vec![*right],
            "{key:?}: once, and the first value stays"
        );
    }
    eventually("the refusal is counted", async || {
        let metrics = running.metrics().await?;
        metrics
            .contains("meterd_readings_rejected_total{reason=\"conflict\"} 1")
            .then_some(())
    })
    .await;
    assert_eq!(village.repeated().await, [first, second]);
    assert_eq!(village.conflicts().await, [other]);

    running.stop();
    let status = meterd.status();
    assert!(
        status.contains(&format!("M0 at {}: conflict", other.0)),
        "{status}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn unusable_lines_silence_their_meter_only_and_are_counted() {
    let node = RunningNode::new_dev_chain().expect("the node starts");
    let village = Village::found(&node, 3).await;
    let boundaries = 300;
    let mut lines: Vec<String> = village
        .regular_intervals(boundaries)
        .lines()
        .map(str::to_owned)
        .collect();
    // Three meters a line each: line 0 is the header, interval k has the lines 3k + 1 to 3k + 3.
    lines[3 * 4 + 2] = row(4, "M1", "seven", 0);
    lines.insert(3 * 6 + 1, row(6, "M9", "1", 0));
    lines.insert(3 * 6 + 1, row(2, "M0", "1", 0));
    lines.insert(3 * 6 + 1, "not a line at all".to_owned());
    let intervals = lines.join("\n");
    let start = village.past(12).await;
    let meterd = Meterd::new(&village, &node.url, &intervals, start, None).listening();
    let mut running = meterd.spawn();

    let regular = village.expected(start, boundaries, &village.regular_intervals(boundaries));
    let accepted = eventually("the readings", async || {
        let accepted = village.accepted().await;
        (accepted.len() >= 2 * 12 + 5).then_some(accepted)
    })
    .await;
    let silent: BTreeMap<_, _> = accepted
        .iter()
        .filter(|((_, meter), _)| *meter == village.id(1))
        .collect();
    assert_eq!(
        silent
            .keys()
            .map(|(time, _)| *time - start)
            .collect::<Vec<_>>(),
        [0, 1, 2, 3, 4]
    );
    for (key, registers) in &accepted {
        assert_eq!(registers, &vec![regular[key]], "{key:?}");
    }
    let metrics = running.metrics().await.expect("metrics");
    for (kind, count) in [
        ("unparsable", 2),
        ("unknown_meter", 1),
        ("out_of_order", 1),
        ("silent", 1),
    ] {
        let line = format!("meterd_faults_total{{kind=\"{kind}\"}} {count}");
        assert!(metrics.contains(&line), "{line} is not in\n{metrics}");
    }
    let help = "# HELP meterd_faults_total What the source said that is not a reading, by kind";
    assert!(metrics.contains(help), "{help} is not in\n{metrics}");
    let health = running.health().await.expect("health");
    assert_eq!(health["silentMeters"], serde_json::json!(["M1"]));
    assert_eq!(health["status"], "degraded");
    running.stop();
    assert!(
        running
            .log()
            .contains("consumption_wh must be a whole number of Wh, got \"seven\"")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_chain_does_not_take_yet_is_sent_again_and_what_it_never_takes_is_refused() {
    let node = RunningNode::new_dev_chain().expect("the node starts");
    let village = Village::found(&node, 2).await;
    let boundaries = 30;
    // M0 takes more than its rating allows in the third interval; M2 is registered only on the way.
    let intervals = village.regular_intervals(boundaries);
    let intervals = intervals.replace(&row(2, "M0", "3", 0), &row(2, "M0", "100000", 0));
    assert!(intervals.contains("100000"));
    let with_late = intervals.lines().enumerate().map(|(number, line)| {
        if number > 0 && line.contains(",M1,") {
            format!("{line}\n{}", line.replace(",M1,", ",M2,"))
        } else {
            line.to_owned()
        }
    });
    let intervals = with_late.collect::<Vec<_>>().join("\n");
    let start = village.past(6).await;
    let meterd =
        Meterd::new(&village, &node.url, &intervals, start, Some(boundaries)).with_extra_meter(2);
    let mut running = meterd.spawn();
    eventually("the first rejections", async || {
        (!village.rejected().await.is_empty()).then_some(())
    })
    .await;
    village.register(2).await;
    running.succeed();

    let accepted = village.accepted().await;
    let of = |number| {
        accepted
            .keys()
            .filter(|(_, meter)| *meter == village.id(number))
            .map(|(time, _)| *time)
            .collect::<Vec<_>>()
    };
    let since = village.since(2).await;
    assert!(
        (start + 1..start + boundaries).contains(&since),
        "M2 was registered too early or too late to see anything"
    );
    assert_eq!(of(1), (start..=start + boundaries).collect::<Vec<_>>());
    assert_eq!(
        of(2),
        (since..=start + boundaries).collect::<Vec<_>>(),
        "the late meter's boundaries arrive from its registration on"
    );
    let status = meterd.status();
    assert!(
        status.contains(&format!("M2 at {start}: before_registration")),
        "{status}"
    );
    assert!(
        status.contains(&format!("M0 at {}: beyond_rating", start + 3)),
        "{status}"
    );
}
