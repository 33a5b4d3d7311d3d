//! Certificates that come with a chain file.

use std::time::Duration;

use alloy_primitives::B256;
use commonware_codec::{Decode as _, Encode as _};
use commonware_consensus::{
    simplex::types::{Finalize, Proposal},
    types::{Round, View},
};
use commonware_cryptography::{
    Signer as _,
    certificate::{Signers, Verifier as _},
    ed25519::PrivateKey,
};
use commonware_parallel::Sequential;
use commonware_utils::{non_empty, ordered::Set};
use tempfile::TempDir;
use wattline_chain::Chain;
use wattline_consensus::{BlockHash, CertificateError, Finalization, Scheme, Verifier};
use wattline_primitives::SealedBlock;

use crate::simulation::{Cluster, simulate};

/// Epochs of the simulation.
const EPOCH: u64 = 8;

/// What a cluster of four agreed on: blocks, and the certificates that some of them have.
type Agreed = Vec<(SealedBlock, Option<Vec<u8>>)>;

/// Has a cluster of four agree on blocks up to number `last`, and hands them to `check`.
fn agreed(last: u64, check: impl FnOnce(&Cluster, Agreed) + 'static) {
    simulate(11, Duration::from_secs(600), move |ctx| async move {
        let mut cluster = Cluster::new(&ctx, 4, 4).await;
        cluster.start_all().await;
        cluster.reach(last, Duration::from_secs(120)).await;
        let storage = cluster.parts(0).chain.storage();
        let reader = storage.reader().expect("the database reads");
        let blocks = (1..=last).map(|number| {
            let block = reader.block(number).expect("the database reads");
            let certificate = reader.certificate(number).expect("the database reads");
            (
                block.expect("a stored block").into_sealed_block(),
                certificate.map(|(_, bytes)| bytes),
            )
        });
        check(&cluster, blocks.collect());
    });
}

fn store(chain: &Chain, block: &SealedBlock) {
    let executed = chain.execute(block.clone(), &|_| None);
    executed.expect("a good block");
    let stored = chain.finalize(block.hash(), &|_| Ok(()));
    stored.expect("the database writes");
}

#[test]
fn those_of_every_epoch_are_checked_by_blocks_alone() {
    agreed(3 * EPOCH + 2, |cluster, blocks| {
        let dir = TempDir::new().unwrap();
        let chain = cluster.genesis.open(&dir);
        let verifier = Verifier::new(chain.clone());
        let mut proven = 0;
        for (block, certificate) in &blocks {
            let number = block.number;
            assert_eq!(verifier.ends_epoch(number), number % EPOCH == EPOCH - 1);
            if let Some(certificate) = certificate {
                verifier.verify(number, block.hash(), certificate).unwrap();
                proven += 1;
            }
            assert!(certificate.is_some() || !verifier.ends_epoch(number));
            store(&chain, block);
        }
        assert!(proven > 3, "{proven} certificates");
        // The committee of an epoch to come follows from blocks that are not there.
        let (block, certificate) = blocks.last().unwrap();
        let early = verifier.verify(
            block.number + 2 * EPOCH,
            block.hash(),
            certificate.as_deref().unwrap_or_default(),
        );
        assert!(
            matches!(early, Err(CertificateError::Committee(_))),
            "{early:?}"
        );
    });
}

#[test]
fn what_proves_nothing_is_refused_with_its_reason() {
    agreed(EPOCH - 1, |cluster, blocks| {
        let dir = TempDir::new().unwrap();
        let chain = cluster.genesis.open(&dir);
        let verifier = Verifier::new(chain.clone());
        let (block, certificate) = blocks.last().unwrap();
        let (number, hash) = (block.number, block.hash());
        let good = certificate
            .clone()
            .expect("the last block of an epoch has a certificate");
        let verify = |bytes: &[u8]| verifier.verify(number, hash, bytes);
        verify(&good).unwrap();

        for cut in [0, 1, good.len() / 2, good.len() - 1] {
            let outcome = verify(&good[..cut]);
            assert!(
                matches!(outcome, Err(CertificateError::Malformed { .. })),
                "{outcome:?}"
            );
        }
        let outcome = verify(&[good.as_slice(), &[0]].concat());
        assert!(
            matches!(outcome, Err(CertificateError::Malformed { .. })),
            "{outcome:?}"
        );

        let outcome = verifier.verify(number, B256::repeat_byte(1), &good);
        assert!(
            matches!(outcome, Err(CertificateError::OtherBlock { .. })),
            "{outcome:?}"
        );

        let read = || {
            let unbounded = Scheme::certificate_codec_config_unbounded();
            Finalization::decode_cfg(bytes::Bytes::from(good.clone()), &unbounded).unwrap()
        };
        let few = {
            let mut few = read();
            let places: Vec<_> = few.certificate.signers.iter().take(2).collect();
            few.certificate.signers = Signers::new(4, places).unwrap();
            few.certificate.signatures.truncate(2);
            few
        };
        let repeated = {
            let mut repeated = read();
            let first = repeated.certificate.signatures[0].clone();
            repeated.certificate.signatures.fill(first);
            repeated
        };
        let keys: Vec<_> = (100..104).map(PrivateKey::from_seed).collect();
        let namespace = [b"wattline:", chain.spec().chain_hash().as_slice()].concat();
        let foreign = sign(&namespace, &keys, &read().proposal);
        let members: Vec<_> = cluster.nodes.iter().map(|node| node.key.clone()).collect();
        let elsewhere = sign(b"wattline:another chain", &members, &read().proposal);
        for (what, certificate) in [
            ("too few", few),
            ("repeated", repeated),
            ("foreign", foreign),
            ("of another chain", elsewhere),
        ] {
            let outcome = verify(&certificate.encode());
            assert!(
                matches!(
                    outcome,
                    Err(CertificateError::Signatures { .. } | CertificateError::Malformed { .. })
                ),
                "{what}: {outcome:?}"
            );
        }

        // Signed by the committee, and of an epoch that the block is not in.
        let mut proposal = read().proposal;
        proposal.round = Round::new(proposal.round.epoch().next(), View::new(1));
        let outcome = verify(&sign(&namespace, &members, &proposal).encode());
        assert!(
            matches!(outcome, Err(CertificateError::OtherEpoch { found: 1, .. })),
            "{outcome:?}"
        );
    });
}

/// A certificate of what all of `keys` sign.
fn sign(namespace: &[u8], keys: &[PrivateKey], proposal: &Proposal<BlockHash>) -> Finalization {
    let set = Set::from_iter_dedup(keys.iter().map(PrivateKey::public_key));
    let votes: Vec<_> = keys
        .iter()
        .map(|key| {
            let scheme =
                Scheme::signer(namespace, set.clone(), key.clone()).expect("a key of the set");
            Finalize::sign(&scheme, proposal.clone()).expect("a signer's scheme")
        })
        .collect();
    let scheme = Scheme::verifier(namespace, set);
    Finalization::from_finalizes(&scheme, non_empty![@votes.iter()], &Sequential)
        .expect("votes of all")
}
