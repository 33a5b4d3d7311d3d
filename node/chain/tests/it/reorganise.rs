//! Blocks beside the head: stored, preferred by fork choice, adopted or refused.

use std::sync::Arc;

use alloy_primitives::{Address, B256, U256};
use proptest::{prelude::*, sample::Index, test_runner::Config};
use tempfile::TempDir;
use wattline_chain::{
    Chain, ChainError, Imported,
    test_utils::{Forge, ManualClock, Signers, Template, TestGenesis, transfer},
};
use wattline_primitives::{BlockWithReceipts, SealedBlock};

/// Later than any block of these tests, in seconds since the Unix epoch.
const NOW: u64 = 1_000_000;
const RECEIVER: Address = Address::repeat_byte(0x77);

fn signers() -> Signers {
    Signers::new(4)
}

fn accounts() -> Signers {
    Signers::named("account", 2)
}

fn genesis() -> TestGenesis {
    TestGenesis::new(signers().addresses()).fund(accounts().addresses())
}

fn forge() -> Forge {
    Forge::new(genesis(), signers())
}

/// A chain in a directory of its own.
fn chain() -> (Chain, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    (genesis().open(&dir, Arc::new(ManualClock::at(NOW))), dir)
}

/// `blocks` in this order on a chain of their own; the outcomes and the chain.
fn import_all<'a>(
    blocks: impl IntoIterator<Item = &'a SealedBlock>,
) -> (Vec<Imported>, Chain, TempDir) {
    let (chain, dir) = chain();
    let outcomes = blocks
        .into_iter()
        .map(|block| chain.import(block.clone()).unwrap())
        .collect();
    (outcomes, chain, dir)
}

fn balance(chain: &Chain, account: Address) -> U256 {
    let state = chain.storage().state().unwrap();
    state
        .account(&account)
        .unwrap()
        .map(|account| account.balance)
        .unwrap_or_default()
}

/// The database holds `head` and a state of its root, computed anew from all accounts.
fn assert_whole(chain: &Chain, head: &SealedBlock) {
    assert_eq!(chain.head().hash(), head.hash());
    let reader = chain.storage().reader().unwrap();
    assert_eq!(reader.head().unwrap(), head.num_hash());
    assert_eq!(reader.recompute_state_root().unwrap(), head.state_root);
}

fn hashes(blocks: &[Arc<BlockWithReceipts>]) -> Vec<B256> {
    blocks.iter().map(|block| block.block.hash()).collect()
}

#[test]
fn the_heavier_branch_wins_and_its_rival_s_transactions_come_back() {
    let accounts = accounts();
    let trunk = forge();
    let common = trunk.extend(Template::by(1));
    let rival = trunk.fork();
    // Out of turn, difficulty 1 each.
    let light = [
        trunk.extend(Template::by(3).with(vec![transfer(accounts.key(0), 0, RECEIVER, 5)])),
        trunk.extend(Template::by(0).with(vec![transfer(accounts.key(1), 0, RECEIVER, 7)])),
    ];
    // In turn, difficulty 2 each.
    let heavy = [
        rival.extend(Template::by(2)),
        rival.extend(Template::by(3).with(vec![transfer(accounts.key(1), 0, RECEIVER, 7)])),
    ];
    let (chain, _dir) = chain();
    for block in [&common, &light[0], &light[1]] {
        assert_eq!(chain.import(block.clone()).unwrap(), Imported::Canonical);
    }
    assert_eq!(balance(&chain, RECEIVER), U256::from(12));

    // 1 + 2 + 2 against 1 + 2 + 1 + 1: the same weight, and the lower number wins.
    let mut updates = chain.subscribe();
    assert_eq!(chain.import(heavy[0].clone()).unwrap(), Imported::Canonical);
    let update = updates.try_recv().unwrap();
    assert_eq!(hashes(&update.reverted), [light[0].hash(), light[1].hash()]);
    assert_eq!(hashes(&update.committed), [heavy[0].hash()]);
    assert_eq!(update.head().hash(), heavy[0].hash());
    let dropped: Vec<_> = update
        .reverted
        .iter()
        .flat_map(|block| block.block.body().transactions.clone())
        .collect();
    assert_eq!(
        dropped,
        [
            transfer(accounts.key(0), 0, RECEIVER, 5).into_inner(),
            transfer(accounts.key(1), 0, RECEIVER, 7).into_inner(),
        ]
    );
    assert_eq!(balance(&chain, RECEIVER), U256::ZERO);
    assert_whole(&chain, &heavy[0]);

    assert_eq!(chain.import(heavy[1].clone()).unwrap(), Imported::Canonical);
    assert_eq!(balance(&chain, RECEIVER), U256::from(7));
    assert_whole(&chain, &heavy[1]);
    // The rival branch is kept, with its weight.
    let reader = chain.storage().reader().unwrap();
    assert_eq!(
        reader.side_block(light[1].hash()).unwrap().as_ref(),
        Some(&light[1])
    );
    assert_eq!(
        reader.total_difficulty(light[1].hash()).unwrap(),
        Some(U256::from(5))
    );
    assert_eq!(
        reader.total_difficulty(heavy[1].hash()).unwrap(),
        Some(U256::from(7))
    );
}

#[test]
fn of_equal_weight_the_lower_number_wins_whichever_came_first() {
    let long = forge();
    let short = long.fork();
    let long = [long.extend(Template::by(3)), long.extend(Template::by(1))];
    let short = short.extend(Template::by(1));

    let (outcomes, chain, _dir) = import_all([&long[0], &long[1], &short]);
    assert_eq!(outcomes, [Imported::Canonical; 3]);
    assert_whole(&chain, &short);

    let (outcomes, chain, _dir) = import_all([&short, &long[0], &long[1]]);
    assert_eq!(
        outcomes,
        [
            Imported::Canonical,
            Imported::SideChain,
            Imported::SideChain
        ]
    );
    assert_whole(&chain, &short);
}

#[test]
fn of_equal_weight_and_number_the_signer_in_turn_most_recently_wins() {
    let forge = forge();
    // At block 1 signer 1 is in turn, signer 0 was one block ago, signer 3 two blocks ago.
    let recent = forge.build(Template::by(0));
    let earlier = forge.build(Template::by(3));

    let (outcomes, chain, _dir) = import_all([&earlier, &recent]);
    assert_eq!(outcomes, [Imported::Canonical; 2]);
    assert_whole(&chain, &recent);

    let (outcomes, chain, _dir) = import_all([&recent, &earlier]);
    assert_eq!(outcomes, [Imported::Canonical, Imported::SideChain]);
    assert_whole(&chain, &recent);
}

#[test]
fn the_lower_hash_wins_when_all_else_is_equal() {
    let forge = forge();
    let mut twins: Vec<_> = (0..2)
        .map(|salt| {
            forge.build(Template {
                salt,
                ..Template::by(1)
            })
        })
        .collect();
    twins.sort_by_key(SealedBlock::hash);

    let (outcomes, chain, _dir) = import_all([&twins[1], &twins[0]]);
    assert_eq!(outcomes, [Imported::Canonical; 2]);
    assert_whole(&chain, &twins[0]);

    let (outcomes, chain, _dir) = import_all([&twins[0], &twins[1]]);
    assert_eq!(outcomes, [Imported::Canonical, Imported::SideChain]);
    assert_whole(&chain, &twins[0]);
}

#[test]
fn a_side_branch_outlives_a_restart_and_is_adopted_when_it_is_heavier() {
    let light = forge();
    let heavy = light.fork();
    let light = [light.extend(Template::by(1)), light.extend(Template::by(3))];
    let heavy = [
        heavy.extend(Template::by(0).with(vec![transfer(accounts().key(0), 0, RECEIVER, 5)])),
        heavy.extend(Template::by(2)),
        heavy.extend(Template::by(3)),
    ];
    let (outcomes, chain, dir) = import_all([&light[0], &light[1], &heavy[0]]);
    assert_eq!(
        outcomes,
        [
            Imported::Canonical,
            Imported::Canonical,
            Imported::SideChain
        ]
    );
    drop(chain);

    let chain = genesis().open(&dir, Arc::new(ManualClock::at(NOW)));
    assert_eq!(chain.head().hash(), light[1].hash());
    assert_eq!(
        chain.import(heavy[0].clone()).unwrap(),
        Imported::AlreadyKnown
    );
    // 1 + 1 + 2 against 1 + 2 + 1: not the lower number, nor heavier, but in turn.
    assert_eq!(chain.import(heavy[1].clone()).unwrap(), Imported::Canonical);
    assert_eq!(chain.import(heavy[2].clone()).unwrap(), Imported::Canonical);
    assert_eq!(balance(&chain, RECEIVER), U256::from(5));
    assert_whole(&chain, &heavy[2]);
}

#[test]
fn an_invalid_branch_leaves_the_head_where_it_is() {
    let canonical = forge();
    let branch = canonical.fork();
    let head =
        canonical.extend(Template::by(1).with(vec![transfer(accounts().key(0), 0, RECEIVER, 5)]));
    // Valid as far as its header shows, so it is stored; only execution will tell.
    let mut bad = branch.build(Template::by(0)).into_block();
    bad.header.state_root = B256::repeat_byte(1);
    let bad = branch.reseal(bad, 0);
    let child = {
        let mut block = branch.build(Template::default()).into_block();
        block.header.number = 2;
        block.header.timestamp += 1;
        block.header.parent_hash = bad.hash();
        branch.reseal(block, 2)
    };
    let (outcomes, chain, dir) = import_all([&head, &bad]);
    assert_eq!(outcomes, [Imported::Canonical, Imported::SideChain]);

    let error = chain.import(child.clone()).unwrap_err();
    assert!(error.is_invalid_block());
    assert!(
        matches!(
            error,
            ChainError::BadAncestor { hash, ancestor, .. }
                if hash == child.hash() && ancestor == bad.hash()
        ),
        "{error}"
    );
    assert_whole(&chain, &head);
    assert_eq!(balance(&chain, RECEIVER), U256::from(5));
    // Both are remembered, and the invalid one is not stored any longer.
    for block in [&bad, &child] {
        let error = chain.import(block.clone()).unwrap_err();
        assert!(
            matches!(error, ChainError::KnownBad { hash, .. } if hash == block.hash()),
            "{error}"
        );
    }
    assert!(
        chain
            .storage()
            .reader()
            .unwrap()
            .side_hashes()
            .unwrap()
            .is_empty()
    );

    drop(chain);
    let chain = genesis().open(&dir, Arc::new(ManualClock::at(NOW)));
    assert_whole(&chain, &head);
    let next = canonical.extend(Template::default());
    assert_eq!(chain.import(next.clone()).unwrap(), Imported::Canonical);
    assert_whole(&chain, &next);
}

#[test]
fn opening_adopts_a_preferable_branch_and_drops_an_invalid_one() {
    let forge = forge();
    let light = forge.build(Template::by(3));
    let heavy =
        forge.build(Template::by(1).with(vec![transfer(accounts().key(0), 0, RECEIVER, 5)]));
    // The most preferable of all, by what its header says.
    let invalid = (0..=u8::MAX)
        .map(|salt| {
            let mut block = forge
                .build(Template {
                    salt,
                    ..Template::by(1)
                })
                .into_block();
            block.header.gas_used = 1;
            forge.reseal(block, 1)
        })
        .find(|block| block.hash() < heavy.hash())
        .unwrap();
    let (_, chain, dir) = import_all([&light]);
    let mut writer = chain.storage().writer().unwrap();
    for block in [&heavy, &invalid] {
        writer.put_side_block(block, U256::from(3)).unwrap();
    }
    writer.commit().unwrap();
    drop(chain);

    let chain = genesis().open(&dir, Arc::new(ManualClock::at(NOW)));

    assert_whole(&chain, &heavy);
    assert_eq!(balance(&chain, RECEIVER), U256::from(5));
    assert_eq!(
        chain.storage().reader().unwrap().side_hashes().unwrap(),
        [light.hash()]
    );
    let error = chain.import(invalid).unwrap_err();
    assert!(matches!(error, ChainError::KnownBad { .. }), "{error}");
}

/// Three branches from one block, of all weights and lengths, with transactions.
fn thicket() -> Vec<SealedBlock> {
    let accounts = accounts();
    let pay = |nonce, value| vec![transfer(accounts.key(0), nonce, RECEIVER, value)];
    let first = forge();
    first.extend(Template::by(1).with(pay(0, 1)));
    let (second, third) = (first.fork(), first.fork());
    first.extend(Template::by(2).with(pay(1, 2)));
    let fourth = first.fork();
    first.extend(Template::by(0));
    first.extend(Template::by(3).with(pay(2, 4)));
    second.extend(Template::by(3).with(pay(1, 8)));
    second.extend(Template::by(0).with(pay(2, 16)));
    second.extend(Template::by(1));
    third.extend(Template {
        salt: 1,
        ..Template::by(2)
    });
    third.extend(Template::by(3).with(pay(1, 32)));
    third.extend(Template {
        salt: 2,
        ..Template::by(0)
    });
    fourth.extend(Template::by(3).with(pay(2, 64)));
    fourth.extend(Template {
        salt: 3,
        ..Template::by(0)
    });

    let mut blocks: Vec<_> = [first, second, third, fourth]
        .iter()
        .flat_map(Forge::blocks)
        .collect();
    blocks.sort_by_key(|block| (block.number, block.hash()));
    blocks.dedup();
    blocks
}

#[test]
fn every_order_of_arrival_ends_on_the_same_head() {
    let blocks = thicket();
    let (_, reference, _dir) = import_all(&blocks);
    let head = reference.head().hash();
    let paid = balance(&reference, RECEIVER);

    let config = Config {
        cases: 48,
        ..Config::default()
    };
    proptest!(config, |(picks in prop::collection::vec(any::<Index>(), blocks.len()))| {
        let (chain, _dir) = chain();
        let mut left = blocks.clone();
        for pick in picks {
            // Any block whose parent has come.
            let reader = chain.storage().reader().unwrap();
            let ready: Vec<usize> = (0..left.len())
                .filter(|index| {
                    reader.header_by_hash(left[*index].parent_hash).unwrap().is_some()
                })
                .collect();
            drop(reader);
            let block = left.remove(ready[pick.index(ready.len())]);
            let outcome = chain.import(block).unwrap();
            prop_assert!(matches!(outcome, Imported::Canonical | Imported::SideChain));
        }
        let last = blocks.iter().find(|block| block.hash() == head).unwrap();
        assert_whole(&chain, last);
        prop_assert_eq!(balance(&chain, RECEIVER), paid);
    });
}
