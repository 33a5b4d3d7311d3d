//! Each rule of the header, seen by its error.

use crate::common::*;
use alloy_consensus::{
    Header,
    constants::{EMPTY_OMMER_ROOT_HASH, EMPTY_WITHDRAWALS},
};
use alloy_eips::eip7685::EMPTY_REQUESTS_HASH;
use alloy_primitives::{Address, B64, B256, U256, b64, b256};
use serde_json::json;
use wattline_chainspec::ChainSpec;
use wattline_clique::{CliqueError, NONCE_ADD, Snapshot, validate_header};
use wattline_primitives::{Millis, SealedHeader};

const WRONG: B256 = B256::repeat_byte(0xee);
/// The three signers of these tests.
const SIGNERS: [u8; 3] = [1, 2, 3];

/// A chain with a block on which the next one is validated.
struct Chain {
    spec: ChainSpec,
    parent: SealedHeader,
    snapshot: Snapshot,
}

impl Chain {
    /// A chain that stands at its genesis block.
    fn new(epoch: u64) -> Self {
        Self::on(spec(epoch, &SIGNERS))
    }

    /// A chain that stands at the genesis block of `spec`.
    fn on(spec: ChainSpec) -> Self {
        let parent = spec.genesis_header().clone();
        let snapshot = Snapshot::genesis(&spec);
        Self {
            spec,
            parent,
            snapshot,
        }
    }

    /// The signer in turn at the next block.
    fn in_turn(&self) -> u8 {
        let next = self.parent.number + 1;
        SIGNERS
            .into_iter()
            .find(|n| self.snapshot.in_turn(next, account(*n)))
            .expect("somebody is in turn")
    }

    fn child(&self, n: u8) -> Header {
        child(&self.spec, &self.parent, &self.snapshot, n, None)
    }

    fn validate(&self, header: &SealedHeader) -> Result<Address, CliqueError> {
        validate_header(&self.spec, header, &self.parent, &self.snapshot)
    }

    /// Validates the in-turn signer's block with `change` made before it is sealed.
    fn changed(&self, change: impl FnOnce(&mut Header)) -> Result<Address, CliqueError> {
        let n = self.in_turn();
        let mut header = self.child(n);
        change(&mut header);
        self.validate(&sealed(n, header))
    }

    /// Appends a block.
    fn extend(self, n: u8) -> Self {
        let header = sealed(n, self.child(n));
        self.append(header)
    }

    fn append(mut self, header: SealedHeader) -> Self {
        self.validate(&header).expect("a valid block");
        self.snapshot = self
            .snapshot
            .apply(&header, self.spec.clique().epoch)
            .expect("a valid block");
        self.parent = header;
        self
    }
}

fn error(change: impl FnOnce(&mut Header)) -> CliqueError {
    Chain::new(30_000)
        .changed(change)
        .expect_err("the header is wrong")
}

#[test]
fn valid_headers_name_their_signer() {
    let chain = Chain::new(30_000);
    for n in SIGNERS {
        assert_eq!(chain.validate(&sealed(n, chain.child(n))), Ok(account(n)));
    }
    assert_eq!(
        chain.changed(|header| header.nonce = NONCE_ADD),
        Ok(account(chain.in_turn()))
    );
    chain.extend(1).extend(2).extend(3).extend(1);
}

#[test]
fn the_number_follows_the_parents() {
    assert_eq!(
        error(|header| header.number = 2),
        CliqueError::Number {
            got: 2,
            expected: 1
        }
    );
}

#[test]
fn the_parent_hash_is_the_parents() {
    let expected = Chain::new(30_000).parent.hash();
    assert_eq!(
        error(|header| header.parent_hash = WRONG),
        CliqueError::ParentHash {
            got: WRONG,
            expected
        }
    );
}

#[test]
fn the_snapshot_must_be_the_parents() {
    let mut chain = Chain::new(30_000);
    chain.snapshot.hash = WRONG;
    let expected = CliqueError::WrongSnapshot {
        got: WRONG,
        expected: chain.parent.hash(),
    };
    assert_eq!(chain.changed(|_| {}), Err(expected));
}

#[test]
fn a_block_comes_a_period_after_its_parent() {
    assert_eq!(
        error(|header| header.timestamp -= 1),
        CliqueError::TooEarly {
            got: Millis::from_secs(104),
            earliest: Millis::from_secs(105),
        }
    );
    Chain::new(30_000)
        .changed(|header| header.timestamp += 1_000)
        .expect("later is fine");
}

/// A block at `millis` on a chain of 250 ms blocks whose last one came at `parent`.
fn at(parent: u64, millis: u64) -> Result<Address, CliqueError> {
    let spec = spec_with(30_000, &SIGNERS, 0, &json!({ "periodMilliseconds": 250 }));
    let mut chain = Chain::on(spec);
    let set = |header: &mut Header, millis: u64| {
        header.timestamp = Millis::new(millis).as_secs();
        header.mix_hash = Millis::new(millis).mix_hash();
    };
    let mut header = chain.child(1);
    set(&mut header, parent);
    chain = chain.append(sealed(1, header));
    chain.changed(|header| set(header, millis))
}

#[test]
fn a_period_is_counted_in_milliseconds() {
    let too_early = |got: u64, earliest: u64| {
        Err(CliqueError::TooEarly {
            got: Millis::new(got),
            earliest: Millis::new(earliest),
        })
    };
    // Within a second, and from one to the next.
    assert_eq!(at(200_100, 200_350), Ok(account(2)));
    assert_eq!(at(200_100, 200_349), too_early(200_349, 200_350));
    assert_eq!(at(200_800, 201_050), Ok(account(2)));
    assert_eq!(at(200_800, 201_049), too_early(201_049, 201_050));
    assert_eq!(at(200_800, 200_799), too_early(200_799, 201_050));
    assert_eq!(
        at(200_800, 201_000).expect_err("200 ms later").to_string(),
        "time 201.000 s: expected at least 201.050 s, the parent's plus the period"
    );
    // A second later by the timestamps, and yet one millisecond only.
    assert_eq!(at(200_999, 201_000), too_early(201_000, 201_249));
}

#[test]
fn extra_data_has_vanity_and_seal_and_nothing_else() {
    let chain = Chain::new(30_000);
    let with = |data: Vec<u8>| {
        let header = Header {
            extra_data: data.into(),
            ..chain.child(1)
        };
        chain.validate(&SealedHeader::seal_slow(header))
    };
    assert_eq!(
        with(vec![0; 31]),
        Err(CliqueError::MissingVanity { got: 31 })
    );
    assert_eq!(with(vec![0; 32]), Err(CliqueError::MissingSeal { got: 32 }));
    assert_eq!(with(vec![0; 96]), Err(CliqueError::MissingSeal { got: 96 }));
    let surplus = CliqueError::UnexpectedSigners { got: 20, number: 1 };
    assert_eq!(with(vec![0; 117]), Err(surplus));
    chain
        .changed(|header| header.extra_data = [&[7; 32][..], &[0; 65]].concat().into())
        .expect("vanity is free");
}

#[test]
fn a_checkpoint_lists_the_signers_in_order() {
    let chain = Chain::new(2).extend(1);
    let expected: Vec<Address> = chain.snapshot.signers.iter().copied().collect();
    let listing = |signers: &[Address]| {
        let list: Vec<u8> = signers
            .iter()
            .flat_map(|signer| signer.into_array())
            .collect();
        [&[0; 32][..], &list, &[0; 65]].concat()
    };
    let validate = |data: Vec<u8>| {
        let header = Header {
            extra_data: data.into(),
            ..chain.child(2)
        };
        chain.validate(&sealed(2, header))
    };
    assert_eq!(validate(listing(&expected)), Ok(account(2)));

    let mut unsorted = expected.clone();
    unsorted.reverse();
    for got in [unsorted, expected[..2].to_vec(), vec![]] {
        assert_eq!(
            validate(listing(&got)),
            Err(CliqueError::CheckpointSigners {
                got,
                expected: expected.clone()
            })
        );
    }
    let ragged = [&[0; 32][..], &[1; 30], &[0; 65]].concat();
    assert_eq!(
        validate(ragged),
        Err(CliqueError::CheckpointLength { got: 30 })
    );
}

#[test]
fn a_checkpoint_carries_no_vote() {
    let chain = Chain::new(2).extend(1);
    let vote = |beneficiary: Address, nonce: B64| {
        let header = Header {
            beneficiary,
            nonce,
            ..chain.child(2)
        };
        chain.validate(&sealed(2, header))
    };
    for (beneficiary, nonce) in [(account(9), B64::ZERO), (Address::ZERO, NONCE_ADD)] {
        assert_eq!(
            vote(beneficiary, nonce),
            Err(CliqueError::CheckpointVote { beneficiary, nonce })
        );
    }
}

#[test]
fn the_nonce_is_a_vote() {
    let got = b64!("0x0000000000000001");
    assert_eq!(
        error(|header| header.nonce = got),
        CliqueError::InvalidVote { got }
    );
}

#[test]
fn the_mix_hash_is_a_number_of_milliseconds() {
    let thousand = U256::from(1_000).into();
    let little_endian = b256!("0xfa00000000000000000000000000000000000000000000000000000000000000");
    for got in [WRONG, thousand, little_endian] {
        // However late the block is.
        let change = |header: &mut Header| {
            header.mix_hash = got;
            header.timestamp += 1_000;
        };
        assert_eq!(error(change), CliqueError::MixHash { got });
    }
    Chain::new(30_000)
        .changed(|header| header.mix_hash = U256::from(999).into())
        .expect("the last millisecond of the second");
}

#[test]
fn there_are_no_ommers() {
    assert_eq!(
        error(|header| header.ommers_hash = WRONG),
        CliqueError::OmmersHash {
            got: WRONG,
            expected: EMPTY_OMMER_ROOT_HASH
        }
    );
}

#[test]
fn the_gas_limit_stays_in_bounds() {
    let bound = GAS_LIMIT / 1_024;
    let chain = Chain::new(30_000);
    let limit = |gas_limit| chain.changed(|header| header.gas_limit = gas_limit);
    for valid in [GAS_LIMIT + bound, GAS_LIMIT - bound] {
        limit(valid).expect("at most 1/1024");
    }
    for got in [GAS_LIMIT + bound + 1, GAS_LIMIT - bound - 1] {
        let expected = CliqueError::GasLimitChange {
            got,
            parent: GAS_LIMIT,
            bound,
        };
        assert_eq!(limit(got), Err(expected));
    }
    assert_eq!(
        limit(4_999),
        Err(CliqueError::GasLimitTooLow {
            got: 4_999,
            minimum: 5_000
        })
    );
    let maximum = i64::MAX as u64;
    let got = maximum + 1;
    assert_eq!(
        limit(got),
        Err(CliqueError::GasLimitTooHigh { got, maximum })
    );
}

#[test]
fn gas_used_is_within_the_limit() {
    assert_eq!(
        error(|header| header.gas_used = GAS_LIMIT + 1),
        CliqueError::GasUsed {
            got: GAS_LIMIT + 1,
            limit: GAS_LIMIT
        }
    );
}

#[test]
fn the_base_fee_is_the_constant() {
    for got in [None, Some(8)] {
        assert_eq!(
            error(|header| header.base_fee_per_gas = got),
            CliqueError::BaseFee {
                got,
                expected: BASE_FEE
            }
        );
    }
}

#[test]
fn fields_of_other_chains_hold_their_empty_values() {
    let field = |field, got: &str, expected: String| CliqueError::EmptyField {
        field,
        got: got.to_owned(),
        expected,
    };
    let wrong = format!("{WRONG:?}");
    let withdrawals = format!("{EMPTY_WITHDRAWALS:?}");
    let requests = format!("{EMPTY_REQUESTS_HASH:?}");
    let zero_hash = format!("{:?}", B256::ZERO);
    let zero = "0".to_owned();
    // An absent field ends the header, so those after it go too and the first is named.
    assert_eq!(
        error(|header| {
            header.withdrawals_root = None;
            header.blob_gas_used = None;
            header.excess_blob_gas = None;
            header.parent_beacon_block_root = None;
            header.requests_hash = None;
        }),
        field("withdrawalsRoot", "missing", withdrawals.clone())
    );
    assert_eq!(
        error(|header| header.withdrawals_root = Some(WRONG)),
        field("withdrawalsRoot", &wrong, withdrawals)
    );
    assert_eq!(
        error(|header| header.blob_gas_used = Some(1)),
        field("blobGasUsed", "1", zero.clone())
    );
    assert_eq!(
        error(|header| header.excess_blob_gas = Some(1)),
        field("excessBlobGas", "1", zero)
    );
    assert_eq!(
        error(|header| header.parent_beacon_block_root = Some(WRONG)),
        field("parentBeaconBlockRoot", &wrong, zero_hash)
    );
    assert_eq!(
        error(|header| header.requests_hash = None),
        field("requestsHash", "missing", requests.clone())
    );
    assert_eq!(
        error(|header| header.requests_hash = Some(WRONG)),
        field("requestsHash", &wrong, requests)
    );
}

#[test]
fn fields_of_later_forks_are_absent() {
    assert_eq!(
        error(|header| header.block_access_list_hash = Some(WRONG)),
        CliqueError::UnknownField {
            field: "blockAccessListHash"
        }
    );
    assert_eq!(
        error(|header| {
            header.block_access_list_hash = None;
            header.slot_number = Some(1);
        }),
        CliqueError::UnknownField {
            field: "slotNumber"
        }
    );
}

#[test]
fn the_difficulty_tells_the_turn() {
    for got in [U256::ZERO, U256::from(3), U256::MAX] {
        assert_eq!(
            error(|header| header.difficulty = got),
            CliqueError::InvalidDifficulty { got }
        );
    }
    let chain = Chain::new(30_000);
    let in_turn = chain.in_turn();
    assert_eq!(
        chain.changed(|header| header.difficulty = U256::ONE),
        Err(CliqueError::WrongDifficulty {
            got: U256::ONE,
            expected: 2,
            signer: account(in_turn)
        })
    );
    let other = SIGNERS
        .into_iter()
        .find(|n| *n != in_turn)
        .expect("three signers");
    let eager = Header {
        difficulty: U256::from(2),
        ..chain.child(other)
    };
    assert_eq!(
        chain.validate(&sealed(other, eager)),
        Err(CliqueError::WrongDifficulty {
            got: U256::from(2),
            expected: 1,
            signer: account(other)
        })
    );
}

#[test]
fn the_signer_is_authorized() {
    let chain = Chain::new(30_000);
    assert_eq!(
        chain.validate(&sealed(9, chain.child(9))),
        Err(CliqueError::UnauthorizedSigner {
            signer: account(9),
            number: 1
        })
    );
}

#[test]
fn the_signer_waits_for_the_others() {
    let chain = Chain::new(30_000).extend(1);
    assert_eq!(
        chain.validate(&sealed(1, chain.child(1))),
        Err(CliqueError::RecentlySigned {
            signer: account(1),
            number: 2,
            last: 1
        })
    );
    let chain = chain.extend(2);
    assert_eq!(chain.validate(&sealed(1, chain.child(1))), Ok(account(1)));
}

#[test]
fn the_seal_is_recoverable() {
    let chain = Chain::new(30_000);
    let with_seal = |seal: [u8; 65]| {
        let data = [&[0; 32][..], &seal].concat();
        let header = Header {
            extra_data: data.into(),
            ..chain.child(1)
        };
        chain.validate(&SealedHeader::seal_slow(header))
    };
    let mut seal = [1; 65];
    for got in [2, 27, 255] {
        seal[64] = got;
        assert_eq!(with_seal(seal), Err(CliqueError::RecoveryId { got }));
    }
    match with_seal([0; 65]) {
        Err(CliqueError::InvalidSeal(_)) => {}
        other => panic!("zero is no signature, got {other:?}"),
    }
    let mut overflow = [0xff; 65];
    overflow[64] = 0;
    match with_seal(overflow) {
        Err(CliqueError::InvalidSeal(_)) => {}
        other => panic!("r and s exceed the group order, got {other:?}"),
    }
}
