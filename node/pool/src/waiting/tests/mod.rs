mod invariants;

use super::*;
use crate::sender::SenderRights;
use crate::testing::{address, costing, rich, transaction, with_balance, with_fees};

/// What the clock shows where that does not matter.
const NOW: Duration = Duration::ZERO;

fn pool(config: PoolConfig) -> Waiting {
    Waiting::new(config)
}

fn add(waiting: &mut Waiting, transaction: PooledTransaction) -> Result<Inserted, PoolError> {
    waiting.insert(&Arc::new(transaction), rich(0), Acceptance::First)
}

fn put(waiting: &mut Waiting, transaction: PooledTransaction) -> B256 {
    let hash = transaction.hash();
    add(waiting, transaction).expect("fits");
    hash
}

fn nonces(transactions: &[Arc<PooledTransaction>]) -> Vec<u64> {
    transactions
        .iter()
        .map(|transaction| transaction.nonce())
        .collect()
}

/// The nonces of what has become executable.
fn newly(waiting: &mut Waiting) -> Vec<u64> {
    nonces(&waiting.take_newly_executable())
}

fn gone(removed: &[RemovedTransaction]) -> Vec<B256> {
    removed
        .iter()
        .map(|removed| removed.transaction.hash())
        .collect()
}

fn message(outcome: Result<Inserted, PoolError>) -> String {
    outcome.expect_err("must be refused").to_string()
}

#[test]
fn a_nonce_gap_waits_until_it_is_filled() {
    let mut waiting = pool(PoolConfig::default());
    put(&mut waiting, transaction(1, 1, 0, 1));
    assert!(newly(&mut waiting).is_empty());
    assert_eq!((waiting.executable_len(), waiting.len()), (0, 1));
    put(&mut waiting, transaction(1, 0, 0, 2));
    assert_eq!(newly(&mut waiting), [0, 1]);
    assert_eq!(waiting.executable_len(), 2);
    put(&mut waiting, transaction(1, 2, 0, 3));
    assert_eq!(newly(&mut waiting), [2]);
    assert_eq!(
        waiting.sender(&address(1)).map(SenderQueue::next_nonce),
        Some(3)
    );
}

#[test]
fn the_same_transaction_again_is_known() {
    let mut waiting = pool(PoolConfig::default());
    put(&mut waiting, transaction(1, 0, 0, 1));
    assert_eq!(
        message(add(&mut waiting, transaction(1, 0, 0, 1))),
        "already known"
    );
}

#[test]
fn a_replacement_of_a_free_transaction_must_pay_something() {
    let mut waiting = pool(PoolConfig::default());
    let old = put(&mut waiting, transaction(1, 0, 0, 1));
    assert_eq!(
        message(add(&mut waiting, transaction(1, 0, 0, 2))),
        format!(
            "replacement transaction underpriced: need maxFeePerGas 1 and maxPriorityFeePerGas 1 to replace {old}"
        )
    );
    let inserted = add(&mut waiting, transaction(1, 0, 1, 3)).expect("outbids");
    assert_eq!(
        inserted.replaced.map(|removed| removed.transaction.hash()),
        Some(old)
    );
    assert_eq!(newly(&mut waiting), [0]);
    assert_eq!(waiting.len(), 1);
    assert!(waiting.get(&old).is_none());
}

#[test]
fn a_replacement_must_raise_both_fees_by_a_tenth() {
    let mut waiting = pool(PoolConfig::default());
    put(&mut waiting, with_fees(1, 0, 200, 100, 1));
    for (max_fee, tip) in [(219, 110), (220, 109), (1_000, 100)] {
        let refused = message(add(&mut waiting, with_fees(1, 0, max_fee, tip, 2)));
        assert!(
            refused.starts_with(
                "replacement transaction underpriced: need maxFeePerGas 220 and maxPriorityFeePerGas 110"
            ),
            "{refused}"
        );
    }
    put(&mut waiting, with_fees(1, 0, 220, 110, 2));
    assert_eq!(waiting.len(), 1);
}

#[test]
fn the_balance_must_cover_all_that_the_sender_has_waiting() {
    let mut waiting = pool(PoolConfig::default());
    let account = with_balance(100);
    for (nonce, cost) in [(0, 60), (1, 40)] {
        waiting
            .insert(&costing(1, nonce, cost, nonce), account, Acceptance::First)
            .expect("covered");
    }
    let refused = waiting.insert(&costing(1, 2, 1, 2), account, Acceptance::First);
    assert_eq!(
        message(refused),
        "insufficient funds for gas * price + value: balance 100, queued cost 100, tx cost 1"
    );
    // A replacement frees what it replaces.
    let cheaper = PooledTransaction {
        cost: U256::from(59),
        ..transaction(1, 0, 1, 3)
    };
    waiting
        .insert(&Arc::new(cheaper), account, Acceptance::First)
        .expect("covered");
    waiting
        .insert(&costing(1, 2, 1, 4), account, Acceptance::First)
        .expect("covered");
    assert_eq!(waiting.executable_len(), 3);
}

#[test]
fn the_cost_of_everything_cannot_overflow() {
    let mut waiting = pool(PoolConfig::default());
    let dear = PooledTransaction {
        cost: U256::MAX,
        ..transaction(1, 0, 0, 1)
    };
    put(&mut waiting, dear);
    let refused = message(add(&mut waiting, transaction(1, 1, 1, 2)));
    assert!(
        refused.starts_with("insufficient funds for gas * price + value"),
        "{refused}"
    );
}

#[test]
fn what_was_accepted_before_may_wait_for_funds() {
    let mut waiting = pool(PoolConfig::default());
    waiting
        .insert(&costing(1, 0, 5, 1), with_balance(4), Acceptance::Again)
        .expect("waits");
    assert_eq!((waiting.executable_len(), waiting.len()), (0, 1));
    assert!(
        waiting
            .set_account(address(1), with_balance(5), NOW)
            .is_empty()
    );
    assert_eq!(newly(&mut waiting), [0]);
}

#[test]
fn a_falling_balance_parks_what_it_does_not_cover() {
    let mut waiting = pool(PoolConfig::default());
    for nonce in 0..3 {
        waiting
            .insert(
                &costing(1, nonce, 10, nonce),
                with_balance(30),
                Acceptance::First,
            )
            .expect("covered");
    }
    waiting.set_account(address(1), with_balance(25), NOW);
    assert_eq!((waiting.executable_len(), waiting.len()), (2, 3));
    newly(&mut waiting);
    waiting.set_account(address(1), with_balance(30), NOW);
    assert_eq!(newly(&mut waiting), [2]);
}

#[test]
fn what_lacks_a_right_waits_for_it_from_when_it_was_lost() {
    let mut waiting = pool(PoolConfig::default());
    for nonce in 0..3 {
        put(&mut waiting, transaction(1, nonce, 0, nonce));
    }
    assert_eq!(newly(&mut waiting), [0, 1, 2]);
    let without = SenderAccount {
        rights: SenderRights::None,
        ..rich(1)
    };
    let lost = Duration::from_secs(100);
    assert_eq!(nonces(&waiting.set_account(address(1), without, lost)), [0]);
    assert_eq!((waiting.executable_len(), waiting.len()), (0, 2));
    check(&waiting);

    let later = Duration::from_secs(1);
    waiting.set_account(address(1), without, lost + later);
    assert_eq!(waiting.expired(lost), Expired::default());
    let expired = waiting.expired(lost + later);
    assert_eq!(
        (expired.waiting.len(), expired.without_rights.len()),
        (0, 2)
    );

    waiting.set_account(address(1), rich(1), lost);
    assert_eq!(newly(&mut waiting), [1, 2]);
    assert_eq!(waiting.expired(lost + later), Expired::default());
    check(&waiting);
}

#[test]
fn limits_of_one_sender_are_for_what_is_new() {
    let mut waiting = pool(PoolConfig {
        max_transactions: 4,
        max_sender_transactions: 2,
        max_sender_bytes: 1,
        max_delegated_sender_transactions: 1,
        ..PoolConfig::default()
    });
    let account = SenderAccount {
        delegated: true,
        ..rich(0)
    };
    let mut restore = |nonce| {
        let transaction = Arc::new(transaction(1, nonce, 0, 9 - nonce));
        waiting.insert(&transaction, account, Acceptance::Again)
    };
    // The highest nonces first: in a full pool it is still the tail that goes.
    for nonce in [5, 4, 3, 2] {
        restore(nonce).expect("was accepted before");
    }
    for (nonce, tail) in [(1, 5), (0, 4)] {
        let evicted = restore(nonce).expect("was accepted before").evicted;
        let evicted: Vec<_> = evicted
            .iter()
            .map(|removed| removed.transaction.nonce())
            .collect();
        assert_eq!(evicted, [tail]);
    }
    assert_eq!(newly(&mut waiting), [0, 1, 2, 3]);
    let refused = waiting.insert(
        &Arc::new(transaction(1, 4, 0, 10)),
        account,
        Acceptance::First,
    );
    assert!(message(refused).starts_with("sender limit reached: "));
}

#[test]
fn a_used_nonce_drops_its_transactions() {
    let mut waiting = pool(PoolConfig::default());
    for nonce in 0..4 {
        put(&mut waiting, transaction(1, nonce, 0, nonce));
    }
    assert_eq!(newly(&mut waiting), [0, 1, 2, 3]);
    assert_eq!(
        nonces(&waiting.set_account(address(1), rich(3), NOW)),
        [0, 1, 2]
    );
    assert!(
        newly(&mut waiting).is_empty(),
        "nonce 3 was executable before"
    );
    assert_eq!((waiting.executable_len(), waiting.len()), (1, 1));
    waiting.set_account(address(1), rich(4), NOW);
    assert_eq!((waiting.len(), waiting.bytes()), (0, 0));
    assert!(waiting.sender(&address(1)).is_none());
}

#[test]
fn one_sender_has_room_for_so_many() {
    let config = PoolConfig {
        max_sender_transactions: 2,
        ..PoolConfig::default()
    };
    let mut waiting = pool(config);
    put(&mut waiting, transaction(1, 0, 0, 1));
    put(&mut waiting, transaction(1, 1, 0, 2));
    let sender = address(1);
    assert_eq!(
        message(add(&mut waiting, transaction(1, 2, 0, 3))),
        format!(
            "sender limit reached: {sender} has 2 transactions waiting, limit 2: wait until some are in a block"
        )
    );
    put(&mut waiting, transaction(1, 1, 1, 4));
    put(&mut waiting, transaction(2, 0, 0, 5));
}

#[test]
fn one_sender_has_room_for_so_many_bytes() {
    let size = transaction(1, 0, 0, 1).size;
    let mut waiting = pool(PoolConfig {
        max_sender_bytes: 2 * size,
        ..PoolConfig::default()
    });
    put(&mut waiting, transaction(1, 0, 0, 1));
    put(&mut waiting, transaction(1, 1, 0, 2));
    let sender = address(1);
    let large = PooledTransaction {
        size: size + 1,
        ..transaction(1, 1, 1, 3)
    };
    assert_eq!(
        message(add(&mut waiting, large)),
        format!(
            "sender limit reached: {sender} would have {} bytes of transactions waiting, limit {}: wait until some are in a block",
            2 * size + 1,
            2 * size
        )
    );
}

#[test]
fn a_delegated_account_has_room_for_few() {
    let config = PoolConfig {
        max_delegated_sender_transactions: 1,
        ..PoolConfig::default()
    };
    let mut waiting = pool(config.clone());
    let delegated = SenderAccount {
        delegated: true,
        ..rich(0)
    };
    let mut add = |nonce| {
        let transaction = Arc::new(transaction(1, nonce, 0, nonce));
        waiting.insert(&transaction, delegated, Acceptance::First)
    };
    add(0).expect("fits");
    let refused = format!(
        "in-flight transaction limit reached for delegated accounts: {} has 1 transactions waiting, limit 1: wait until some are in a block",
        address(1)
    );
    assert_eq!(message(add(1)), refused);

    // So has one whose delegation waits, until it no longer does.
    let mut waiting = pool(config);
    let delegation = PooledTransaction {
        authorities: vec![address(1)],
        ..transaction(2, 0, 0, 1)
    };
    let delegation = put(&mut waiting, delegation);
    put(&mut waiting, transaction(1, 0, 0, 2));
    let outcome = waiting.insert(
        &Arc::new(transaction(1, 1, 0, 3)),
        rich(0),
        Acceptance::First,
    );
    assert_eq!(message(outcome), refused);
    waiting.remove(&delegation);
    put(&mut waiting, transaction(1, 1, 0, 3));
}

#[test]
fn a_full_pool_evicts_what_cannot_be_executed_first() {
    let mut waiting = pool(PoolConfig {
        max_transactions: 2,
        ..PoolConfig::default()
    });
    let gapped = put(&mut waiting, transaction(1, 7, 100, 1));
    put(&mut waiting, transaction(2, 0, 0, 2));
    let inserted = add(&mut waiting, transaction(3, 0, 0, 3)).expect("makes room");
    assert_eq!(gone(&inserted.evicted), [gapped]);
}

#[test]
fn a_full_pool_then_evicts_the_worst_tip() {
    let mut waiting = pool(PoolConfig {
        max_transactions: 3,
        ..PoolConfig::default()
    });
    put(&mut waiting, transaction(1, 0, 5, 1));
    put(&mut waiting, transaction(2, 0, 1, 2));
    // The high tip behind the low one is worth no more than that.
    let tail = put(&mut waiting, transaction(2, 1, 100, 3));
    let inserted = add(&mut waiting, transaction(3, 0, 2, 4)).expect("makes room");
    assert_eq!(gone(&inserted.evicted), [tail]);
    assert_eq!(
        message(add(&mut waiting, transaction(4, 0, 1, 5))),
        format!(
            "txpool is full: 3 transactions of {} bytes wait before this one: raise the fee or try again later",
            waiting.bytes()
        )
    );
}

#[test]
fn a_full_pool_then_evicts_from_the_sender_with_the_most() {
    let mut waiting = pool(PoolConfig {
        max_transactions: 4,
        ..PoolConfig::default()
    });
    put(&mut waiting, transaction(1, 0, 0, 1));
    put(&mut waiting, transaction(2, 0, 0, 2));
    put(&mut waiting, transaction(2, 1, 0, 3));
    let tail = put(&mut waiting, transaction(2, 2, 0, 4));
    let inserted = add(&mut waiting, transaction(3, 0, 0, 5)).expect("makes room");
    assert_eq!(gone(&inserted.evicted), [tail]);
    let refused = message(add(&mut waiting, transaction(2, 2, 0, 6)));
    assert!(
        refused.starts_with("txpool is full: 4 transactions"),
        "{refused}"
    );
}

#[test]
fn a_large_transaction_that_finds_no_room_leaves_everything_as_it_was() {
    let size = transaction(1, 0, 0, 1).size;
    let mut waiting = pool(PoolConfig {
        max_bytes: 4 * size,
        ..PoolConfig::default()
    });
    for (sender, tip) in [(1, 0), (2, 0), (3, 9), (4, 9)] {
        put(&mut waiting, transaction(sender, 0, tip, u64::from(sender)));
    }
    let before = summary(&waiting);
    let large = PooledTransaction {
        size: 3 * size,
        ..transaction(5, 0, 5, 9)
    };
    assert_eq!(
        message(add(&mut waiting, large)),
        format!(
            "txpool is full: 4 transactions of {} bytes wait before this one: raise the fee or try again later",
            4 * size
        )
    );
    assert_eq!(summary(&waiting), before);
    let large = PooledTransaction {
        size: 2 * size,
        ..transaction(5, 0, 5, 9)
    };
    assert_eq!(
        add(&mut waiting, large).expect("makes room").evicted.len(),
        2
    );
}

#[test]
fn an_announcement_is_not_lost_when_the_insertion_that_found_it_is_refused() {
    let mut waiting = pool(PoolConfig::default());
    waiting
        .insert(&costing(1, 0, 10, 1), with_balance(9), Acceptance::Again)
        .expect("waits");
    let refused = waiting.insert(&costing(1, 0, 10, 2), with_balance(10), Acceptance::First);
    assert!(message(refused).starts_with("replacement transaction underpriced"));
    assert_eq!(newly(&mut waiting), [0]);
}

#[test]
fn what_was_undone_or_evicted_is_not_announced() {
    let mut waiting = pool(PoolConfig {
        max_transactions: 2,
        ..PoolConfig::default()
    });
    put(&mut waiting, transaction(1, 1, 0, 1));
    let filler = transaction(1, 0, 0, 2);
    let hash = filler.hash();
    let inserted = add(&mut waiting, filler).expect("fits");
    waiting.undo(&hash, inserted);
    assert!(newly(&mut waiting).is_empty());
    put(&mut waiting, transaction(2, 0, 0, 3));
    put(&mut waiting, transaction(3, 0, 0, 4));
    put(&mut waiting, transaction(4, 0, 1, 5));
    let announced = waiting.take_newly_executable();
    let senders: Vec<_> = announced
        .iter()
        .map(|transaction| transaction.sender())
        .collect();
    assert_eq!(senders, [address(2), address(4)]);
}

#[test]
fn an_undone_insertion_leaves_no_trace() {
    let mut waiting = pool(PoolConfig {
        max_transactions: 2,
        ..PoolConfig::default()
    });
    put(&mut waiting, transaction(1, 0, 0, 1));
    put(&mut waiting, transaction(2, 0, 0, 2));
    let before = summary(&waiting);
    for better in [transaction(1, 0, 7, 3), transaction(3, 0, 7, 4)] {
        let hash = better.hash();
        let inserted = add(&mut waiting, better).expect("fits");
        assert_ne!(summary(&waiting), before);
        waiting.undo(&hash, inserted);
        assert_eq!(summary(&waiting), before);
        check(&waiting);
    }
}

#[test]
fn only_what_waits_without_being_executable_expires() {
    let mut waiting = pool(PoolConfig::default());
    let at = |seconds, transaction| PooledTransaction {
        arrived_at: Duration::from_secs(seconds),
        ..transaction
    };
    put(&mut waiting, at(10, transaction(1, 0, 0, 1)));
    let old = put(&mut waiting, at(10, transaction(1, 2, 0, 2)));
    put(&mut waiting, at(20, transaction(2, 5, 0, 3)));
    let expired = |waiting: &Waiting, before| {
        let expired = waiting.expired(Duration::from_secs(before));
        assert!(expired.without_rights.is_empty());
        expired.waiting
    };
    assert!(expired(&waiting, 10).is_empty());
    assert_eq!(expired(&waiting, 11), [old]);
    waiting.served(&address(1), 3, Duration::from_secs(15));
    assert!(expired(&waiting, 11).is_empty());
}

/// All that one can see of the transactions.
fn summary(waiting: &Waiting) -> (Vec<(B256, bool)>, usize, usize) {
    let mut all: Vec<_> = waiting
        .senders()
        .flat_map(|(_, queue)| {
            queue
                .iter()
                .enumerate()
                .map(|(index, transaction)| (transaction.hash(), index < queue.executable_len()))
        })
        .collect();
    all.sort_unstable();
    (all, waiting.executable_len(), waiting.bytes())
}

/// Compares everything that is kept in step with a count from scratch.
fn check(waiting: &Waiting) {
    let (mut count, mut bytes, mut executable) = (0, 0, 0);
    let mut authorities: HashMap<Address, usize> = HashMap::new();
    for (sender, queue) in waiting.senders() {
        assert!(!queue.is_empty());
        let (mut nonce, mut cost) = (queue.standing.account.nonce, U256::ZERO);
        let mut blocked = false;
        for (index, transaction) in queue.iter().enumerate() {
            assert_eq!(transaction.sender(), *sender);
            assert_eq!(waiting.get(&transaction.hash()), Some(transaction));
            cost += transaction.cost;
            let account = &queue.standing.account;
            blocked |= transaction.nonce() != nonce
                || cost > account.balance
                || !account.rights.cover(transaction);
            assert_eq!(index < queue.executable_len(), !blocked);
            nonce += 1;
            count += 1;
            bytes += transaction.size;
            executable += usize::from(!blocked);
            for authority in &transaction.authorities {
                *authorities.entry(*authority).or_default() += 1;
            }
        }
        assert_eq!(
            queue.bytes(),
            queue
                .iter()
                .map(|transaction| transaction.size)
                .sum::<usize>()
        );
        assert!(queue.len() <= waiting.config.max_sender_transactions);
        assert!(queue.bytes() <= waiting.config.max_sender_bytes);
    }
    assert_eq!(
        (count, bytes, executable),
        (waiting.len(), waiting.bytes(), waiting.executable_len())
    );
    assert!(count <= waiting.config.max_transactions && bytes <= waiting.config.max_bytes);
    assert_eq!(authorities, waiting.authorities);
    assert_eq!(waiting.eviction.worst().is_some(), count > 0);
}
