//! EIP-225's published voting scenarios on really sealed headers.

use crate::common::*;
use alloy_primitives::Address;
use serde::Deserialize;
use std::collections::BTreeSet;
use wattline_chainspec::ChainSpec;
use wattline_clique::{CliqueError, Snapshot, validate_header};
use wattline_primitives::SealedHeader;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vectors {
    #[serde(rename = "source")]
    _source: String,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Case {
    epoch: u64,
    signers: Vec<char>,
    blocks: Vec<BlockEntry>,
    signers_after: Option<Vec<char>>,
    fails: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct BlockEntry {
    signer: char,
    vote: Option<VoteEntry>,
    checkpoint: Option<Vec<char>>,
    #[serde(default)]
    fresh_start: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VoteEntry {
    account: char,
    authorize: bool,
}

/// A is account 1.
fn number(letter: char) -> u8 {
    letter as u8 - b'A' + 1
}

fn accounts(letters: &[char]) -> BTreeSet<Address> {
    letters
        .iter()
        .map(|letter| account(number(*letter)))
        .collect()
}

/// Verifies a header and, if it holds, moves the snapshot on.
fn step(
    spec: &ChainSpec,
    snapshot: &Snapshot,
    parent: &SealedHeader,
    header: &SealedHeader,
) -> Result<Snapshot, CliqueError> {
    let applied = snapshot.apply(header, spec.clique().epoch);
    // The header rules and the snapshot each see a wrong signer by themselves.
    match (validate_header(spec, header, parent, snapshot), &applied) {
        (Ok(_), Ok(_)) => {}
        (Err(of_header), Err(of_snapshot)) => assert_eq!(&of_header, of_snapshot),
        (of_header, of_snapshot) => panic!("{of_header:?} but {of_snapshot:?}"),
    }
    applied
}

fn play(case: &Case) -> Result<Snapshot, CliqueError> {
    let signers: Vec<u8> = case.signers.iter().copied().map(number).collect();
    let spec = spec(case.epoch, &signers);
    let mut chain = vec![spec.genesis_header().clone()];
    let mut snapshot = Snapshot::genesis(&spec);
    for entry in &case.blocks {
        if entry.fresh_start {
            // Nothing is cached: the state is what the chain of headers says from its start.
            snapshot = Snapshot::genesis(&spec);
            for (parent, header) in chain.iter().zip(chain.iter().skip(1)) {
                snapshot = step(&spec, &snapshot, parent, header)?;
            }
        }
        let parent = chain.last().expect("the genesis block at least").clone();
        let ballot = entry.vote.as_ref().map(|vote| Ballot {
            account: number(vote.account),
            authorize: vote.authorize,
        });
        let signer = number(entry.signer);
        let header = child(&spec, &parent, &snapshot, signer, ballot);
        if let Some(checkpoint) = &entry.checkpoint {
            assert_eq!(
                accounts(checkpoint),
                snapshot.signers,
                "the checkpoint of the scenario"
            );
            assert_eq!(header.extra_data.len(), 97 + 20 * checkpoint.len());
        }
        let header = sealed(signer, header);
        snapshot = step(&spec, &snapshot, &parent, &header)?;
        chain.push(header);
    }
    Ok(snapshot)
}

#[test]
fn published_scenarios_end_as_published() {
    let text = include_str!("../../vectors/clique.json");
    let vectors: Vectors = serde_json::from_str(text).expect("the vectors are readable");
    assert_eq!(vectors.cases.len(), 24);
    for (index, case) in vectors.cases.iter().enumerate() {
        match (play(case), &case.signers_after, case.fails.as_deref()) {
            (Ok(snapshot), Some(after), None) => {
                assert_eq!(snapshot.signers, accounts(after), "case {index}");
            }
            (
                Err(CliqueError::UnauthorizedSigner { signer, .. }),
                None,
                Some("unauthorized signer"),
            ) => {
                let last = case.blocks.last().expect("a block").signer;
                assert_eq!(signer, account(number(last)), "case {index}");
            }
            (Err(CliqueError::RecentlySigned { signer, .. }), None, Some("recently signed")) => {
                let last = case.blocks.last().expect("a block").signer;
                assert_eq!(signer, account(number(last)), "case {index}");
            }
            (result, _, _) => panic!("case {index} ended with {result:?}"),
        }
    }
}
