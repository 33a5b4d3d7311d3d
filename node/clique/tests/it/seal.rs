use crate::common::*;
use alloy_consensus::Header;
use alloy_primitives::{B256, Bytes, U256, keccak256, uint};
use alloy_rlp::{Encodable, Header as ListHeader};
use proptest::prelude::*;
use wattline_clique::{CliqueError, SealError, Snapshot, recover_signer, seal, seal_hash};

fn unsealed() -> Header {
    let spec = spec(30_000, &[1]);
    child(
        &spec,
        spec.genesis_header(),
        &Snapshot::genesis(&spec),
        1,
        None,
    )
}

/// The fields of a header one by one, as the rule lists them, with `extra_data` as given.
fn hash_of_fields(header: &Header, extra_data: &[u8]) -> B256 {
    let mut fields = Vec::new();
    header.parent_hash.encode(&mut fields);
    header.ommers_hash.encode(&mut fields);
    header.beneficiary.encode(&mut fields);
    header.state_root.encode(&mut fields);
    header.transactions_root.encode(&mut fields);
    header.receipts_root.encode(&mut fields);
    header.logs_bloom.encode(&mut fields);
    header.difficulty.encode(&mut fields);
    header.number.encode(&mut fields);
    header.gas_limit.encode(&mut fields);
    header.gas_used.encode(&mut fields);
    header.timestamp.encode(&mut fields);
    extra_data.encode(&mut fields);
    header.mix_hash.encode(&mut fields);
    header.nonce.encode(&mut fields);
    header
        .base_fee_per_gas
        .expect("present")
        .encode(&mut fields);
    header
        .withdrawals_root
        .expect("present")
        .encode(&mut fields);
    header.blob_gas_used.expect("present").encode(&mut fields);
    header.excess_blob_gas.expect("present").encode(&mut fields);
    header
        .parent_beacon_block_root
        .expect("present")
        .encode(&mut fields);
    header.requests_hash.expect("present").encode(&mut fields);
    let mut list = Vec::new();
    ListHeader {
        list: true,
        payload_length: fields.len(),
    }
    .encode(&mut list);
    list.extend(fields);
    keccak256(list)
}

#[test]
fn the_seal_hash_covers_all_but_the_seal() {
    let mut header = unsealed();
    header.extra_data = [&[7; 32][..], &[9; 20], &[1; 65]].concat().into();
    assert_eq!(
        seal_hash(&header),
        hash_of_fields(&header, &[&[7; 32][..], &[9; 20]].concat())
    );
}

#[test]
fn the_signer_is_recovered() {
    for n in 1..20 {
        assert_eq!(recover_signer(&sealed(n, unsealed())), Ok(account(n)));
    }
}

#[test]
fn sealing_touches_the_seal_only() {
    let header = Header {
        extra_data: [&[7; 32][..], &[0; 65]].concat().into(),
        ..unsealed()
    };
    let sealed = seal(header.clone(), |hash| Ok::<_, ()>(sign(3, hash))).expect("room");
    assert_eq!(&sealed.extra_data[..32], &[7; 32]);
    assert_eq!(sealed.extra_data.len(), 97);
    let blank = Header {
        extra_data: header.extra_data.clone(),
        ..sealed
    };
    assert_eq!(blank, header);
}

#[test]
fn a_failing_key_is_reported() {
    match seal(unsealed(), |_| Err("the key is locked")) {
        Err(SealError::Sign("the key is locked")) => {}
        other => panic!("{other:?}"),
    }
    let short = Header {
        extra_data: Bytes::from(vec![0; 96]),
        ..unsealed()
    };
    match seal(short, |hash| Ok::<_, ()>(sign(1, hash))) {
        Err(SealError::Layout(CliqueError::MissingSeal { got: 96 })) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_twin_of_a_seal_is_refused() {
    const ORDER: U256 =
        uint!(0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141_U256);
    let header = sealed(5, unsealed()).into_header();
    let mut data = header.extra_data.to_vec();
    let s = U256::from_be_slice(&data[64..96]);
    data[64..96].copy_from_slice(&(ORDER - s).to_be_bytes::<32>());
    data[96] ^= 1;
    let flipped = Header {
        extra_data: data.into(),
        ..header
    };
    assert_eq!(recover_signer(&flipped), Err(CliqueError::HighS));
}

proptest! {
    #[test]
    fn arbitrary_extra_data_never_panics(data in prop::collection::vec(any::<u8>(), 0..200)) {
        let header = Header { extra_data: data.into(), ..unsealed() };
        let _ = seal_hash(&header);
        let _ = recover_signer(&header);
    }

    /// A changed field is a changed hash: the seal of one header fits no other.
    #[test]
    fn a_seal_fits_its_header_only(timestamp in any::<u64>(), gas_used in any::<u64>()) {
        let header = sealed(4, unsealed()).into_header();
        prop_assume!((timestamp, gas_used) != (header.timestamp, header.gas_used));
        let other = Header { timestamp, gas_used, ..header };
        prop_assert_ne!(recover_signer(&other), Ok(account(4)));
    }
}
