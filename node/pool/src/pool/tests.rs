use super::*;
use crate::test_utils::{TestChain, draft};

#[test]
fn nothing_is_accepted_that_cannot_be_journaled() {
    let chain = TestChain::new();
    let config = PoolConfig {
        max_transactions: 3,
        ..PoolConfig::default()
    };
    let (pool, _) = chain.durable_pool(config.clone());
    let queued = pool.add(draft(1, 0).sign()).expect("taken");
    pool.add(draft(2, 0).sign()).expect("taken");
    pool.add(draft(2, 1).sign()).expect("taken");
    let before = pool.content();
    let mut receiver = pool.subscribe();

    pool.0
        .admission
        .lock()
        .journal
        .as_mut()
        .expect("is there")
        .make_read_only();
    let replacing = draft(1, 0).fees(1, 1).sign();
    let evicting = draft(3, 0).fees(1, 1).sign();
    for outcome in pool.add_many(vec![replacing, evicting]) {
        let error = outcome.expect_err("cannot be journaled");
        assert!(error.is_internal());
        assert!(
            error.to_string().starts_with(
                "the transaction was not accepted because the pool's journal could not be written: "
            ),
            "{error}"
        );
    }
    assert_eq!(pool.content(), before);
    assert!(pool.contains(&queued));
    assert!(
        receiver.try_recv().is_err(),
        "nothing is announced that was not accepted"
    );
    drop(pool);
    let (pool, report) = chain.durable_pool(config);
    assert_eq!((pool.content(), report.restored), (before, 3));
}
