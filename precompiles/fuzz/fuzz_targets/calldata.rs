//! Any calldata, called as a contract would, ends in the result that the definition of the auction
//! asks for, or in the error that names what is wrong.
//!
//! In `precompiles/`: `cargo +nightly fuzz run calldata fuzz/corpus/calldata fuzz/seeds`.

#![no_main]

use alloy_primitives::{B256, U256};
use alloy_sol_types::{SolCall, SolInterface};
use libfuzzer_sys::fuzz_target;
use wattline_precompiles::{
    abi::IBatchAuction::{self, IBatchAuctionErrors},
    gas,
    matching::Clearing,
    order::Order,
    test_utils::{
        evm::{Request, Response, call},
        oracle,
    },
};

fuzz_target!(|data: &[u8]| {
    // The forwarder holds the calldata's words in storage too, for `clearStored` to find.
    let words = data
        .get(4..)
        .unwrap_or_default()
        .as_chunks()
        .0
        .iter()
        .copied()
        .map(B256::new);
    let storage: Vec<_> = words
        .enumerate()
        .map(|(i, word)| (U256::from(i), word))
        .collect();
    let request = Request {
        gas: 10_000_000,
        storage,
        ..Request::new(data.to_vec())
    };
    let response = call(&request);

    if !response.success && response.output.is_empty() {
        assert_eq!(
            response.gas, request.gas,
            "only running out of gas gives no reason"
        );
        return;
    }
    assert!(response.gas >= gas::BASE);
    let expected = match data.split_first_chunk() {
        Some((&IBatchAuction::clearCall::SELECTOR, arguments)) => array(arguments).map(|words| {
            let gas = gas::BASE + gas::CLEAR_PER_WORD * words.len() as u64;
            auction(gas, &words, |clearing| {
                IBatchAuction::clearCall::abi_encode_returns(&clearing.into())
            })
        }),
        Some((&IBatchAuction::fillsCall::SELECTOR, arguments)) => array(arguments).map(|words| {
            let gas = gas::BASE + gas::FILLS_PER_WORD * words.len() as u64;
            auction(gas, &words, |clearing| {
                let fills = oracle::fills(&words, &clearing)
                    .into_iter()
                    .map(U256::from)
                    .collect();
                let output = IBatchAuction::fillsReturn {
                    _0: clearing.into(),
                    _1: fills,
                };
                IBatchAuction::fillsCall::abi_encode_returns(&output)
            })
        }),
        Some((&IBatchAuction::clearStoredCall::SELECTOR, arguments)) => {
            return stored(&request, &response, arguments);
        }
        _ => Some(Response::revert(
            gas::BASE,
            &IBatchAuction::UnknownFunction {},
        )),
    };
    let malformed = || Response::revert(gas::BASE, &IBatchAuction::MalformedInput {});
    assert_eq!(response, expected.unwrap_or_else(malformed));
});

/// The array as another decoder of the same encoding reads it.
fn array(arguments: &[u8]) -> Option<Vec<B256>> {
    IBatchAuction::clearCall::abi_decode_raw(arguments)
        .ok()
        .map(|call| call.orders)
}

fn auction(gas: u64, words: &[B256], output: impl Fn(Clearing) -> Vec<u8>) -> Response {
    match words.iter().position(|word| Order::decode(*word).is_err()) {
        Some(index) => Response::revert(
            gas,
            &IBatchAuction::InvalidOrder {
                index: U256::from(index),
            },
        ),
        None => Response::success(gas, output(oracle::clear(words))),
    }
}

fn stored(request: &Request, response: &Response, arguments: &[u8]) {
    if !response.success {
        // Which error it is depends on slots by arithmetic modulo 2²⁵⁶, which other tests cover.
        IBatchAuctionErrors::abi_decode(&response.output).unwrap();
        return;
    }
    let call = IBatchAuction::clearStoredCall::abi_decode_raw(arguments).unwrap();
    let first = U256::from_be_bytes(call.firstSlot.0);
    let words: Vec<B256> = (0..call.count.to::<usize>())
        .map(|i| {
            let slot = first.wrapping_add(U256::from(i));
            let word = request.storage.iter().find(|(stored, _)| *stored == slot);
            word.map_or(B256::ZERO, |(_, word)| *word)
        })
        .collect();
    let output = IBatchAuction::clearStoredCall::abi_encode_returns(&oracle::clear(&words).into());
    assert_eq!(response.output, output);
}
