use std::time::{Duration, Instant};

use super::*;
use crate::shared::error::FilterError;

fn filters(max: usize, lifetime: Duration) -> Filters {
    Filters::new(&RpcLimits {
        max_filters: max,
        filter_lifetime: lifetime,
        filter_arrivals: 3,
        ..RpcLimits::default()
    })
}

/// A filter that needs no pool.
fn install(filters: &Filters, places: usize) -> Result<String, RpcError> {
    filters.install(places, |_| Wanted::Blocks(0))
}

#[test]
fn filters_take_places_until_they_are_gone() {
    let filters = filters(3, Duration::from_secs(600));
    let first = install(&filters, 2).expect("there is room");
    let error = install(&filters, 2).expect_err("one place is left");
    assert_eq!(
        error.to_string(),
        "too many filters on this node, limit 3: uninstall those not needed, try again later, or \
         subscribe over WebSocket"
    );
    install(&filters, 1).expect("there is room");
    assert!(filters.uninstall(&first));
    assert!(!filters.uninstall(&first), "it is gone");
    install(&filters, 2).expect("there is room again");
}

#[test]
fn filters_live_from_poll_to_poll() {
    let lifetime = Duration::from_secs(60);
    let filters = filters(3, lifetime);
    let start = Instant::now();
    let id = install(&filters, 1).expect("there is room");
    let expire = |after| filters.0.state.lock().expire(start + after, lifetime);
    expire(Duration::from_secs(59));
    filters.get(&id).expect("it lives");
    expire(Duration::from_secs(70));
    assert!(matches!(
        filters.get(&id),
        Err(RpcError::Filter(FilterError::NotFound))
    ));
}

#[test]
fn an_expired_filter_is_gone_before_it_is_removed() {
    let filters = filters(1, Duration::ZERO);
    let id = install(&filters, 1).expect("there is room");
    assert!(matches!(
        filters.get(&id),
        Err(RpcError::Filter(FilterError::NotFound))
    ));
    assert!(!filters.uninstall(&id));
    install(&filters, 1).expect("there is room");
    install(&filters, 1).expect("an expired filter makes room");
}

#[tokio::test]
async fn the_task_removes_expired_filters_and_ends_with_the_last() {
    let (sender, _) = tokio::sync::broadcast::channel(4);
    let filters = filters(1, Duration::from_millis(20));
    let follow = |state: &mut FilterState| {
        state.pool = Some(filters.follow(|| sender.subscribe()));
        Wanted::Transactions {
            full: false,
            from: 0,
        }
    };
    filters.install(1, follow).expect("there is room");
    assert_eq!(sender.receiver_count(), 2);
    let ended = async {
        while sender.receiver_count() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), ended)
        .await
        .expect("nobody follows the pool for no filter");
    assert!(filters.0.state.lock().filters.is_empty());
}

#[tokio::test]
async fn the_task_ends_with_the_node() {
    let (sender, _) = tokio::sync::broadcast::channel(4);
    let filters = filters(1, Duration::from_secs(600));
    let follow = |state: &mut FilterState| {
        state.pool = Some(filters.follow(|| sender.subscribe()));
        Wanted::Transactions {
            full: false,
            from: 0,
        }
    };
    filters.install(1, follow).expect("there is room");
    drop(filters);
    tokio::time::timeout(Duration::from_secs(20), sender.closed())
        .await
        .expect("nobody is left");
}

#[test]
fn arrivals_keep_their_places_when_the_oldest_go() {
    let mut arrivals = Arrivals::new(3);
    assert_eq!(arrivals.since(0).count(), 0);
    for byte in 0..5 {
        arrivals.push(B256::repeat_byte(byte));
    }
    let known = |from| arrivals.since(from).collect::<Vec<_>>();
    let last = [2, 3, 4].map(|byte| (B256::repeat_byte(byte), u64::from(byte) + 1));
    assert_eq!(known(0), last, "the first two are gone");
    assert_eq!(known(3), last[1..]);
    assert_eq!(known(5), []);
    assert_eq!(known(u64::MAX), []);
    arrivals.clear();
    arrivals.push(B256::repeat_byte(5));
    assert_eq!(arrivals.end(), 6);
    assert_eq!(
        arrivals.since(0).collect::<Vec<_>>(),
        [(B256::repeat_byte(5), 6)]
    );
}
