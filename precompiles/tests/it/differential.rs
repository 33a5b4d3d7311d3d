//! The precompile against its Solidity reference, side by side on one EVM.

use alloy_primitives::{B256, Bytes, U256};
use alloy_sol_types::SolCall;
use proptest::{collection::vec, prelude::*, sample::select};
use revm::database::InMemoryDB;
use wattline_precompiles::{
    abi::IBatchAuction,
    test_utils::{
        evm::{self, CallOp, Request, TestEvm, call_in},
        reference::{self, REFERENCE},
        vectors::cases,
    },
};

fn both() -> TestEvm<InMemoryDB> {
    let mut db = InMemoryDB::default();
    reference::deploy(&mut db);
    evm::evm(db)
}

/// Whether the call succeeds and what it returns, on which both agree.
fn agreed(evm: &mut TestEvm<InMemoryDB>, request: &Request) -> (bool, Bytes) {
    let precompile = call_in(evm, request);
    let reference = call_in(
        evm,
        &Request {
            callee: REFERENCE,
            ..request.clone()
        },
    );
    assert_eq!(
        (precompile.success, &precompile.output),
        (reference.success, &reference.output),
        "{request:?}"
    );
    assert!(
        precompile.success || !precompile.output.is_empty(),
        "{request:?} ran out of gas"
    );
    (precompile.success, precompile.output)
}

/// The calls of all three functions with the same words.
fn calls(words: &[B256]) -> [Request; 3] {
    [
        Request::new(evm::clear(words)),
        Request::new(evm::fills(words)),
        Request::stored(U256::MAX, words),
    ]
}

#[test]
fn they_agree_on_the_vectors() {
    let mut evm = both();
    for case in cases() {
        for request in calls(&case.words()) {
            let (success, _) = agreed(&mut evm, &request);
            assert!(success, "{}", case.name);
        }
    }
}

#[test]
fn they_agree_on_what_is_wrong() {
    let mut evm = both();
    let clear = evm::clear(&[B256::ZERO, B256::ZERO]);
    let stored = IBatchAuction::clearStoredCall {
        firstSlot: B256::ZERO,
        count: U256::from((1 << 24) + 1),
    };
    let mut requests = vec![Request::new(stored.abi_encode()), Request::new([0xff; 40])];
    for end in 0..clear.len() {
        requests.push(Request::new(clear[..end].to_vec()));
    }
    for place in 4..68 {
        for byte in [1, 0x20, 0x80, 0xff] {
            let mut data = clear.clone();
            data[place] = byte;
            requests.push(Request::new(data));
        }
    }
    for op in [CallOp::DelegateCall, CallOp::CallCode, CallOp::StaticCall] {
        requests.push(Request {
            op,
            ..Request::new(clear.clone())
        });
    }
    for op in [CallOp::Call, CallOp::CallCode] {
        requests.push(Request {
            op,
            value: 1,
            ..Request::new(clear.clone())
        });
        requests.push(Request {
            op,
            value: 1,
            ..Request::new(vec![])
        });
    }
    for request in requests {
        agreed(&mut evm, &request);
    }
}

/// Words of colliding prices, now and then empty or invalid.
fn word() -> impl Strategy<Value = B256> {
    let side = prop_oneof![64 => 0u8..2, 1 => 2u8..];
    let reserved = prop_oneof![64 => Just(0u16), 1 => 1u16..];
    let price = prop_oneof![
        8 => -8i32..8,
        1 => any::<i32>(),
        1 => select(&[i32::MIN, i32::MAX]),
    ];
    let quantity = prop_oneof![8 => 0u64..100, 1 => 0u64..1 << 40, 1 => Just((1 << 40) - 1)];
    (reserved, side, price, quantity, any::<[u8; 20]>()).prop_map(
        |(reserved, side, price, quantity, trader)| {
            let mut word = B256::ZERO;
            word[..2].copy_from_slice(&reserved.to_be_bytes());
            word[2] = side;
            word[3..7].copy_from_slice(&price.to_be_bytes());
            word[7..12].copy_from_slice(&quantity.to_be_bytes()[3..]);
            word[12..].copy_from_slice(&trader);
            word
        },
    )
}

proptest! {
    #[test]
    fn they_agree_on_random_auctions(words in vec(word(), 0..80)) {
        let mut evm = both();
        let [clear, fills, stored] = calls(&words).map(|request| agreed(&mut evm, &request));
        // The result of `clear` heads that of `fills`, and its errors are those of all three.
        prop_assert_eq!(&stored, &clear);
        prop_assert_eq!(fills.0, clear.0);
        prop_assert!(fills.1.starts_with(&clear.1));
    }
}
