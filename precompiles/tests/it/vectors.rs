//! Every auction of the shared vectors, by the matching core and through an EVM.

use alloy_primitives::U256;
use alloy_sol_types::SolCall;
use wattline_precompiles::{
    abi::IBatchAuction,
    gas, matching,
    order::{Order, Side},
    test_utils::{
        evm::{self, Request, Response, call},
        oracle,
        vectors::cases,
    },
};

#[test]
fn words_are_the_orders_they_say() {
    for case in cases() {
        for order in &case.orders {
            let decoded = Order::decode(order.word).unwrap();
            if order.quantity == 0 {
                assert_eq!(decoded, None, "{}", case.name);
                continue;
            }
            let decoded = decoded.unwrap();
            let side = if order.side == "bid" {
                Side::Bid
            } else {
                Side::Ask
            };
            assert_eq!(
                (decoded.side, decoded.price.0, decoded.quantity.0),
                (side, order.price, order.quantity),
                "{}",
                case.name
            );
        }
    }
}

#[test]
fn the_core_clears_and_fills() {
    for case in cases() {
        let words = case.words();
        assert_eq!(
            matching::clear(&words),
            Ok(case.clearing()),
            "{}",
            case.name
        );
        assert_eq!(
            matching::fills(&words),
            Ok((case.clearing(), case.fills.clone())),
            "{}",
            case.name
        );
    }
}

/// What the property tests are held against is itself right.
#[test]
fn the_oracle_clears_and_fills() {
    for case in cases() {
        let words = case.words();
        assert_eq!(oracle::clear(&words), case.clearing(), "{}", case.name);
        assert_eq!(
            oracle::fills(&words, &case.clearing()),
            case.fills,
            "{}",
            case.name
        );
    }
}

#[test]
fn clear_in_an_evm() {
    for case in cases() {
        let response = call(&Request::new(evm::clear(&case.words())));
        let gas = gas::BASE + gas::CLEAR_PER_WORD * case.orders.len() as u64;
        let output = IBatchAuction::clearCall::abi_encode_returns(&case.clearing().into());
        assert_eq!(response, Response::success(gas, output), "{}", case.name);
    }
}

#[test]
fn fills_in_an_evm() {
    for case in cases() {
        let response = call(&Request::new(evm::fills(&case.words())));
        let gas = gas::BASE + gas::FILLS_PER_WORD * case.orders.len() as u64;
        let output = IBatchAuction::fillsCall::abi_encode_returns(&IBatchAuction::fillsReturn {
            _0: case.clearing().into(),
            _1: case.fills.iter().map(|fill| U256::from(*fill)).collect(),
        });
        assert_eq!(response, Response::success(gas, output), "{}", case.name);
    }
}

#[test]
fn clear_stored_in_an_evm() {
    for case in cases() {
        let response = call(&Request::stored(U256::from(7), &case.words()));
        let per_word = gas::CLEAR_STORED_PER_WORD + gas::COLD_SLOAD_COST;
        let gas = gas::BASE + per_word * case.orders.len() as u64;
        let output = IBatchAuction::clearCall::abi_encode_returns(&case.clearing().into());
        assert_eq!(response, Response::success(gas, output), "{}", case.name);
    }
}
