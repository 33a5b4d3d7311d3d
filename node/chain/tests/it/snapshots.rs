//! Voting snapshots of a long chain: stored now and then, found for any block.

use std::sync::Arc;

use wattline_chain::{
    ChainError, Imported,
    test_utils::{Forge, ManualClock, Signers, Template, TestGenesis},
};
use wattline_clique::Snapshot;

#[test]
fn snapshots_are_stored_at_intervals_and_equal_those_from_genesis() {
    let signers = Signers::new(2);
    let genesis = TestGenesis::new(signers.addresses()).epoch(400);
    let forge = Forge::new(genesis.clone(), signers);
    let stranger = Signers::named("stranger", 1).address(0);
    forge.extend_in_turn(1020);
    forge.extend(Template {
        vote: Some((stranger, true)),
        ..Template::default()
    });
    forge.extend_in_turn(7);
    let blocks = forge.blocks();

    // From genesis, header by header.
    let spec = genesis.spec();
    let mut expected = vec![Snapshot::genesis(&spec)];
    for block in &blocks {
        let last = expected.last().unwrap();
        expected.push(last.apply(block.sealed_header(), 400).unwrap());
    }
    assert_eq!(expected[1028].votes.len(), 1);

    let dir = tempfile::tempdir().unwrap();
    let chain = genesis.open(&dir, Arc::new(ManualClock::at(1 << 40)));
    for block in &blocks {
        chain.import(block.clone()).unwrap();
    }
    drop(chain);
    // Nothing is in memory now.
    let chain = genesis.open(&dir, Arc::new(ManualClock::at(1 << 40)));
    let reader = chain.storage().reader().unwrap();
    for number in [1, 400, 1023, 1025, 1028] {
        assert_eq!(reader.snapshot(blocks[number - 1].hash()).unwrap(), None);
    }
    let stored = reader.snapshot(blocks[1023].hash()).unwrap().unwrap();
    assert_eq!(
        serde_json::from_slice::<Snapshot>(&stored).unwrap(),
        expected[1024]
    );
    for number in [1028, 1024, 1023, 400, 1, 0] {
        assert_eq!(
            *chain.snapshot(expected[number].hash).unwrap(),
            expected[number]
        );
    }
}

#[test]
fn a_damaged_or_missing_snapshot_has_its_error() {
    let signers = Signers::new(1);
    let genesis = TestGenesis::new(signers.addresses());
    let forge = Forge::new(genesis.clone(), signers);
    let block = forge.extend(Template::default());
    let dir = tempfile::tempdir().unwrap();
    let chain = genesis.open(&dir, Arc::new(ManualClock::at(1 << 40)));

    let error = chain.snapshot(block.hash()).unwrap_err();
    assert!(
        matches!(error, ChainError::UnknownBlock(hash) if hash == block.hash()),
        "{error}"
    );

    chain.import(block.clone()).unwrap();
    let mut writer = chain.storage().writer().unwrap();
    writer
        .put_snapshot(block.hash(), b"{\"number\": 1")
        .unwrap();
    writer.commit().unwrap();
    let error = chain.snapshot(block.hash()).unwrap_err();
    assert!(
        matches!(error, ChainError::DamagedSnapshot { hash, .. } if hash == block.hash()),
        "{error}"
    );
}

#[test]
fn a_reorganisation_stores_the_snapshots_of_its_branch() {
    let signers = Signers::new(3);
    let genesis = TestGenesis::new(signers.addresses());
    let trunk = Forge::new(genesis, signers);
    trunk.extend_in_turn(1022);
    let branch = trunk.fork();
    let head = trunk.extend(Template::by(0));
    // Out of turn twice, then in turn: lighter, as heavy but longer, heavier.
    let rivals = [1, 0, 2].map(|signer| branch.extend(Template::by(signer)));

    // The trunk's own chain takes the branch over.
    let chain = trunk.chain();
    assert_eq!(
        chain.import(rivals[0].clone()).unwrap(),
        Imported::SideChain
    );
    assert_eq!(
        chain.import(rivals[1].clone()).unwrap(),
        Imported::SideChain
    );
    assert_eq!(chain.head().hash(), head.hash());
    assert_eq!(
        chain.import(rivals[2].clone()).unwrap(),
        Imported::Canonical
    );
    assert_eq!(chain.head().hash(), rivals[2].hash());

    let reader = chain.storage().reader().unwrap();
    let stored = reader.snapshot(rivals[1].hash()).unwrap().unwrap();
    let expected = branch.chain().snapshot(rivals[1].hash()).unwrap();
    assert_eq!(expected.number, 1024);
    assert_eq!(
        serde_json::from_slice::<Snapshot>(&stored).unwrap(),
        *expected
    );
    assert_eq!(reader.snapshot(rivals[2].hash()).unwrap(), None);
}
