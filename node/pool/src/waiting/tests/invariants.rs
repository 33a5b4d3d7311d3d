//! Random changes, after each of which everything that is kept in step is counted from scratch.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Insert {
        sender: u8,
        nonce: u64,
        tip: u128,
        cost: u64,
        size: usize,
        authority: Option<u8>,
    },
    Undo {
        sender: u8,
        nonce: u64,
        tip: u128,
    },
    Account {
        sender: u8,
        nonce: u64,
        balance: u64,
        permitted: bool,
    },
    Remove {
        index: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let insert = (
        1u8..5,
        0u64..8,
        0u128..4,
        0u64..40,
        50usize..400,
        prop::option::of(1u8..5),
    );
    prop_oneof![
        6 => insert.prop_map(|(sender, nonce, tip, cost, size, authority)| {
            Step::Insert { sender, nonce, tip, cost, size, authority }
        }),
        1 => (1u8..5, 0u64..8, 0u128..9).prop_map(|(sender, nonce, tip)| Step::Undo { sender, nonce, tip }),
        2 => (1u8..5, 0u64..6, 0u64..120, prop::bool::weighted(0.8)).prop_map(
            |(sender, nonce, balance, permitted)| Step::Account { sender, nonce, balance, permitted }
        ),
        1 => (0usize..20).prop_map(|index| Step::Remove { index }),
    ]
}

proptest! {
    #[test]
    fn nothing_ever_exceeds_a_limit_or_falls_out_of_step(
        steps in prop::collection::vec(step(), 1..80)
    ) {
        let mut waiting = pool(PoolConfig {
            max_transactions: 10,
            max_bytes: 2_000,
            max_sender_transactions: 4,
            max_sender_bytes: 900,
            max_delegated_sender_transactions: 2,
            ..PoolConfig::default()
        });
        let mut accounts: HashMap<u8, SenderAccount> = HashMap::new();
        for (step, arrival) in steps.into_iter().zip(0..) {
            match step {
                Step::Insert { sender, nonce, tip, cost, size, authority } => {
                    let account = *accounts.entry(sender).or_insert(with_balance(100));
                    if nonce >= account.nonce {
                        let transaction = PooledTransaction {
                            cost: U256::from(cost),
                            size,
                            authorities: authority.map(address).into_iter().collect(),
                            ..transaction(sender, nonce, tip, arrival)
                        };
                        let before = summary(&waiting);
                        let outcome =
                            waiting.insert(&Arc::new(transaction), account, Acceptance::First);
                        if outcome.is_err() {
                            prop_assert_eq!(summary(&waiting), before);
                        }
                    }
                }
                Step::Undo { sender, nonce, tip } => {
                    let account = *accounts.entry(sender).or_insert(with_balance(100));
                    if nonce >= account.nonce {
                        let transaction = transaction(sender, nonce, tip, arrival);
                        let transaction = PooledTransaction { cost: U256::ZERO, ..transaction };
                        let (hash, before) = (transaction.hash(), summary(&waiting));
                        if let Ok(inserted) =
                            waiting.insert(&Arc::new(transaction), account, Acceptance::First)
                        {
                            waiting.undo(&hash, inserted);
                            prop_assert_eq!(summary(&waiting), before);
                        }
                    }
                }
                Step::Account { sender, nonce, balance, permitted } => {
                    let rights = if permitted { SenderRights::Deploy } else { SenderRights::None };
                    let account = SenderAccount { nonce, rights, ..with_balance(balance) };
                    accounts.insert(sender, account);
                    waiting.set_account(address(sender), account, NOW);
                }
                Step::Remove { index } => {
                    let hash = waiting.iter().map(|transaction| transaction.hash()).nth(index);
                    if let Some(hash) = hash {
                        waiting.remove(&hash);
                    }
                }
            }
            check(&waiting);
        }
    }
}
