//! Voting snapshots of a long chain: stored now and then, found for any block.

use wattline_chain::{
    ChainError,
    test_utils::{Forge, Signers, Template, TestGenesis, import},
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
    let chain = genesis.open(&dir);
    for block in &blocks {
        import(&chain, block.clone()).unwrap();
    }
    drop(chain);
    // Nothing is in memory now.
    let chain = genesis.open(&dir);
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
    let chain = genesis.open(&dir);

    let error = chain.snapshot(block.hash()).unwrap_err();
    assert!(
        matches!(error, ChainError::UnknownBlock(hash) if hash == block.hash()),
        "{error}"
    );

    import(&chain, block.clone()).unwrap();
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
fn blocks_in_memory_have_snapshots_each_its_own() {
    let signers = Signers::new(3);
    let genesis = TestGenesis::new(signers.addresses());
    let forge = Forge::new(genesis, signers.clone());
    let stranger = Signers::named("stranger", 1).address(0);
    let trunk = forge.add(Template::by(1));
    let voted = forge.add(Template {
        vote: Some((stranger, true)),
        ..Template::by(2).on(trunk.block.hash())
    });
    let silent = forge.add(Template::by(2).on(trunk.block.hash()));

    let chain = forge.chain();
    let snapshot = chain.snapshot(voted.block.hash()).unwrap();
    assert_eq!(snapshot.number, 2);
    assert_eq!(snapshot.tally[&stranger].votes, 1);
    let snapshot = chain.snapshot(silent.block.hash()).unwrap();
    assert!(snapshot.tally.is_empty());
    let recent: Vec<_> = snapshot.recents.values().copied().collect();
    assert_eq!(recent, [signers.address(1), signers.address(2)]);
}

#[test]
fn one_commit_of_several_blocks_stores_the_snapshot_among_them() {
    let signers = Signers::new(1);
    let genesis = TestGenesis::new(signers.addresses());
    let forge = Forge::new(genesis, signers);
    forge.extend_in_turn(1022);
    let mut blocks: Vec<wattline_primitives::SealedHeader> = Vec::new();
    for _ in 0..4 {
        let parent = blocks.last().map(|block| block.hash());
        let block = forge.add(Template {
            parent,
            ..Template::default()
        });
        blocks.push(block.block.clone_sealed_header());
    }
    let chain = forge.chain();
    let expected = chain.snapshot(blocks[1].hash()).unwrap();
    assert_eq!(expected.number, 1024);
    chain.finalize(blocks[3].hash(), &|_| Ok(())).unwrap();

    let reader = chain.storage().reader().unwrap();
    let stored = reader.snapshot(blocks[1].hash()).unwrap().unwrap();
    assert_eq!(
        serde_json::from_slice::<Snapshot>(&stored).unwrap(),
        *expected
    );
    assert_eq!(reader.snapshot(blocks[0].hash()).unwrap(), None);
    assert_eq!(reader.snapshot(blocks[2].hash()).unwrap(), None);
}
