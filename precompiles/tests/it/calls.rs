//! Everything a call can go wrong on, and what each call costs.

use alloy_evm::{
    Evm, EvmInternals,
    precompiles::{Precompile, PrecompileInput},
};
use alloy_primitives::{Address, B256, U256, address, b256};
use alloy_sol_types::{SolCall, SolError, SolInterface};
use core::{convert::Infallible, fmt};
use proptest::{collection::vec, prelude::*, sample::Index};
use revm::{
    Database, MainContext,
    context::{Context, TxEnv, result::EVMError, result::ExecutionResult},
    database::{DBErrorMarker, InMemoryDB},
    precompile::{PrecompileOutput, PrecompileStatus},
    state::{AccountInfo, Bytecode},
};
use wattline_precompiles::{
    DEFAULT_ADDRESS,
    abi::IBatchAuction,
    gas::{self, BASE, COLD_SLOAD_COST, WARM_STORAGE_READ_COST},
    install::install,
    matching::MAX_ORDERS,
    test_utils::{
        evm::{self, AMPLE_GAS, CallOp, FORWARDER, Request, Response, SENDER, call, try_call},
        vectors::cases,
    },
};

const BID: B256 = b256!("0x0000000000000a000000000500000000000000000000000000000000000000b1");
const ASK: B256 = b256!("0x00000100000004000000000500000000000000000000000000000000000000a5");
const BAD_SIDE: B256 = b256!("0x00000200000004000000000500000000000000000000000000000000000000a5");
const BAD_RESERVE: B256 =
    b256!("0x80000100000004000000000500000000000000000000000000000000000000a5");
const BAD_EMPTY: B256 = b256!("0xffffffffffffff0000000000ffffffffffffffffffffffffffffffffffffffff");

fn cleared() -> Vec<u8> {
    let level = |price| IBatchAuction::Level {
        price,
        quantity: 5,
        filled: 5,
    };
    let clearing = IBatchAuction::Clearing {
        price: 7,
        volume: 5,
        bid: level(10),
        ask: level(4),
    };
    IBatchAuction::clearCall::abi_encode_returns(&clearing)
}

fn filled() -> Vec<u8> {
    IBatchAuction::fillsCall::abi_encode_returns(&IBatchAuction::fillsReturn {
        _0: IBatchAuction::clearCall::abi_decode_returns(&cleared()).unwrap(),
        _1: vec![U256::from(5), U256::from(5)],
    })
}

fn malformed() -> Response {
    Response::revert(BASE, &IBatchAuction::MalformedInput {})
}

fn too_many(count: U256) -> Response {
    Response::revert(BASE, &IBatchAuction::TooManyOrders { count })
}

fn invalid(gas: u64, index: u64) -> Response {
    Response::revert(
        gas,
        &IBatchAuction::InvalidOrder {
            index: U256::from(index),
        },
    )
}

/// Calldata from a selector and words.
fn raw(selector: [u8; 4], words: &[U256]) -> Vec<u8> {
    let words = words.iter().flat_map(|word| word.to_be_bytes::<32>());
    selector.into_iter().chain(words).collect()
}

/// The selectors and gas per word of the functions that take an array.
const ARRAY_FUNCTIONS: [([u8; 4], u64); 2] = [
    (IBatchAuction::clearCall::SELECTOR, gas::CLEAR_PER_WORD),
    (IBatchAuction::fillsCall::SELECTOR, gas::FILLS_PER_WORD),
];

#[test]
fn the_schedule_is_the_published_one() {
    assert_eq!(
        (
            gas::BASE,
            gas::CLEAR_PER_WORD,
            gas::FILLS_PER_WORD,
            gas::CLEAR_STORED_PER_WORD
        ),
        (1_000, 16, 24, 16)
    );
    assert_eq!((COLD_SLOAD_COST, WARM_STORAGE_READ_COST), (2_100, 100));
}

#[test]
fn the_selectors_are_those_of_the_published_interface() {
    let selector = |signature: &str| alloy_primitives::keccak256(signature)[..4].to_vec();
    assert_eq!(
        IBatchAuction::clearCall::SELECTOR,
        *selector("clear(bytes32[])")
    );
    assert_eq!(
        IBatchAuction::fillsCall::SELECTOR,
        *selector("fills(bytes32[])")
    );
    assert_eq!(
        IBatchAuction::clearStoredCall::SELECTOR,
        *selector("clearStored(bytes32,uint256)")
    );
}

#[test]
fn no_function_or_an_unknown_one_is_unknown() {
    let clear = IBatchAuction::clearCall::SELECTOR;
    for data in [vec![], clear[..3].to_vec(), vec![0; 4], vec![0xff; 100]] {
        assert_eq!(
            call(&Request::new(data)),
            Response::revert(BASE, &IBatchAuction::UnknownFunction {})
        );
    }
}

#[test]
fn cut_or_misdirected_calldata_is_malformed() {
    let max = U256::MAX;
    let [zero, one, word] = [U256::ZERO, U256::ONE, U256::from(32)];
    for (selector, _) in ARRAY_FUNCTIONS {
        let full = [selector.to_vec(), evm::clear(&[BID, ASK])[4..].to_vec()].concat();
        for end in 4..full.len() {
            assert_eq!(
                call(&Request::new(full[..end].to_vec())),
                malformed(),
                "cut at {end}"
            );
        }
        for words in [
            vec![word],                                   // the array itself is missing
            vec![U256::from(33), zero],                   // offset one byte too far
            vec![max, zero],                              // offset beyond any memory
            vec![max - U256::from(31), zero],             // offset plus a word wraps to zero
            vec![U256::from(u64::MAX), zero],             // offset at the end of 64 bits
            vec![U256::from(u64::MAX - 31), zero],        // offset plus a word wraps 64 bits
            vec![word, one],                              // one element short
            vec![word, U256::from(2), BID.into()],        // one of two elements
            vec![word, max, BID.into()],                  // length beyond any memory
            vec![word, U256::from(u64::MAX), BID.into()], // length at the end of 64 bits
            vec![word, one << 59, BID.into()],            // length times 32 wraps to zero
            vec![word, one << 251, BID.into()],           // the same in 256 bits
            vec![word, U256::from(MAX_ORDERS + 1), zero], // too long, but not there at all
        ] {
            assert_eq!(
                call(&Request::new(raw(selector, &words))),
                malformed(),
                "{words:?}"
            );
        }
    }
    let stored = raw(IBatchAuction::clearStoredCall::SELECTOR, &[zero, zero]);
    for end in 4..stored.len() {
        assert_eq!(
            call(&Request::new(stored[..end].to_vec())),
            malformed(),
            "cut at {end}"
        );
    }
}

/// Solidity's decoder takes these too.
#[test]
fn unusual_but_whole_calldata_is_read() {
    let [clear, fills] = ARRAY_FUNCTIONS;
    for ((selector, per_word), output) in [(clear, cleared()), (fills, filled())] {
        let expected = Response::success(BASE + 2 * per_word, output);
        let [bid, ask]: [U256; 2] = [BID.into(), ASK.into()];
        let [two, dirt] = [U256::from(2), U256::MAX];
        for words in [
            vec![U256::from(32), two, bid, ask],
            vec![U256::from(32), two, bid, ask, dirt],
            vec![U256::from(96), dirt, dirt, two, bid, ask],
        ] {
            assert_eq!(
                call(&Request::new(raw(selector, &words))),
                expected,
                "{words:?}"
            );
        }
        // An array at an odd offset, and bytes after it that are no whole word.
        let mut odd = raw(selector, &[U256::from(35)]);
        odd.extend([0xee; 3]);
        odd.extend(raw([0xdd; 4], &[two, bid, ask]).split_off(4));
        odd.extend([0xcc; 31]);
        assert_eq!(call(&Request::new(odd)), expected);
    }
    // The offset word serves as the length of an empty array.
    let empty = IBatchAuction::clearCall::abi_encode_returns(&Default::default());
    let overlapping = raw(IBatchAuction::clearCall::SELECTOR, &[U256::ZERO]);
    assert_eq!(
        call(&Request::new(overlapping)),
        Response::success(BASE, empty)
    );
}

#[test]
fn clear_stored_refuses_more_orders_than_an_auction_takes() {
    for count in [
        U256::from(MAX_ORDERS + 1),
        U256::from(u64::MAX),
        U256::ONE << 64,
        U256::MAX,
    ] {
        let call_data = IBatchAuction::clearStoredCall {
            firstSlot: B256::ZERO,
            count,
        }
        .abi_encode();
        assert_eq!(call(&Request::new(call_data)), too_many(count));
    }
}

/// Half a gigabyte of calldata, which no transaction could pay for, so past the EVM.
#[test]
fn arrays_of_more_orders_than_an_auction_takes_are_refused() {
    for (selector, _) in ARRAY_FUNCTIONS {
        let mut data = vec![0; 4 + 64 + 32 * (MAX_ORDERS + 1)];
        data[..4].copy_from_slice(&selector);
        data[4 + 31] = 32;
        data[4 + 32..4 + 64].copy_from_slice(&U256::from(MAX_ORDERS + 1).to_be_bytes::<32>());
        let output = call_directly(&data, AMPLE_GAS);
        assert_eq!(output.status, PrecompileStatus::Revert);
        assert_eq!(output.gas_used, BASE);
        let error = IBatchAuction::TooManyOrders {
            count: U256::from(MAX_ORDERS + 1),
        };
        assert_eq!(output.bytes, error.abi_encode());
    }
}

/// As many orders as an auction takes are paid for before anything of their number is allocated.
#[test]
fn the_longest_auction_runs_out_of_gas_first() {
    let count = U256::from(MAX_ORDERS);
    let data = IBatchAuction::clearStoredCall {
        firstSlot: B256::ZERO,
        count,
    }
    .abi_encode();
    let gas = BASE + gas::CLEAR_STORED_PER_WORD * MAX_ORDERS as u64 - 1;
    assert_eq!(
        call(&Request {
            gas,
            ..Request::new(data)
        }),
        Response::out_of_gas(gas)
    );
}

#[test]
fn the_first_invalid_order_is_named() {
    for bad in [BAD_SIDE, BAD_RESERVE] {
        let words = [BID, BAD_EMPTY, B256::ZERO, ASK, bad, BID, bad];
        let clear = call(&Request::new(evm::clear(&words)));
        assert_eq!(clear, invalid(BASE + 7 * gas::CLEAR_PER_WORD, 4));
        let fills = call(&Request::new(evm::fills(&words)));
        assert_eq!(fills, invalid(BASE + 7 * gas::FILLS_PER_WORD, 4));
        // Slots behind the invalid order are neither read nor charged.
        let stored = call(&Request::stored(U256::ZERO, &words));
        let gas = BASE + 7 * gas::CLEAR_STORED_PER_WORD + 5 * COLD_SLOAD_COST;
        assert_eq!(stored, invalid(gas, 4));
    }
}

#[test]
fn value_is_refused_and_stays_with_the_caller() {
    for data in [evm::clear(&[BID, ASK]), vec![], vec![0xff; 4]] {
        let request = Request {
            value: 1,
            ..Request::new(data)
        };
        let error = Response::revert(BASE, &IBatchAuction::NotPayable {});
        assert_eq!(call(&request), error);

        let mut evm = evm::evm(evm::database(&request));
        let state = evm.transact_raw(evm::transaction(&request)).unwrap().state;
        assert_eq!(state[&FORWARDER].info.balance, U256::from(u64::MAX));
        assert!(
            state
                .get(&DEFAULT_ADDRESS)
                .is_none_or(|account| account.info.balance.is_zero())
        );
    }
}

#[test]
fn code_of_others_may_not_run_it_as_their_own() {
    for op in [CallOp::DelegateCall, CallOp::CallCode] {
        for data in [evm::clear(&[BID, ASK]), vec![]] {
            assert_eq!(
                call(&Request {
                    op,
                    ..Request::new(data)
                }),
                Response::revert(BASE, &IBatchAuction::DelegateCallNotAllowed {})
            );
        }
    }
    // With value as well, the kind of call is what is named.
    let request = Request {
        op: CallOp::CallCode,
        value: 1,
        ..Request::new(evm::clear(&[BID, ASK]))
    };
    assert_eq!(
        call(&request),
        Response::revert(BASE, &IBatchAuction::DelegateCallNotAllowed {})
    );
}

#[test]
fn static_calls_are_fine() {
    let op = CallOp::StaticCall;
    let clear = call(&Request {
        op,
        ..Request::new(evm::clear(&[BID, ASK]))
    });
    assert_eq!(
        clear,
        Response::success(BASE + 2 * gas::CLEAR_PER_WORD, cleared())
    );
    let fills = call(&Request {
        op,
        ..Request::new(evm::fills(&[BID, ASK]))
    });
    assert_eq!(
        fills,
        Response::success(BASE + 2 * gas::FILLS_PER_WORD, filled())
    );
    let stored = call(&Request {
        op,
        ..Request::stored(U256::ZERO, &[BID, ASK])
    });
    let gas = BASE + 2 * (gas::CLEAR_STORED_PER_WORD + COLD_SLOAD_COST);
    assert_eq!(stored, Response::success(gas, cleared()));
}

#[test]
fn exact_gas_suffices_and_one_less_does_not() {
    let slots = [U256::ZERO, U256::ONE];
    let stored = Request::stored(U256::ZERO, &[BID, ASK]);
    for (request, needed, output) in [
        (
            Request::new(evm::clear(&[BID, ASK])),
            BASE + 2 * gas::CLEAR_PER_WORD,
            cleared(),
        ),
        (
            Request::new(evm::fills(&[BID, ASK])),
            BASE + 2 * gas::FILLS_PER_WORD,
            filled(),
        ),
        (
            stored.clone(),
            BASE + 2 * (gas::CLEAR_STORED_PER_WORD + COLD_SLOAD_COST),
            cleared(),
        ),
        (
            Request {
                warm: slots.to_vec(),
                ..stored.clone()
            },
            BASE + 2 * (gas::CLEAR_STORED_PER_WORD + WARM_STORAGE_READ_COST),
            cleared(),
        ),
        (
            Request {
                warm: slots[..1].to_vec(),
                ..stored.clone()
            },
            BASE + 2 * gas::CLEAR_STORED_PER_WORD + WARM_STORAGE_READ_COST + COLD_SLOAD_COST,
            cleared(),
        ),
        (
            Request {
                warm: slots[1..].to_vec(),
                ..stored
            },
            BASE + 2 * gas::CLEAR_STORED_PER_WORD + WARM_STORAGE_READ_COST + COLD_SLOAD_COST,
            cleared(),
        ),
    ] {
        assert_eq!(
            call(&Request {
                gas: needed,
                ..request.clone()
            }),
            Response::success(needed, output)
        );
        for gas in [needed - 1, needed / 2, BASE, BASE - 1, 0] {
            let gas = gas.min(needed - 1);
            assert_eq!(
                call(&Request {
                    gas,
                    ..request.clone()
                }),
                Response::out_of_gas(gas),
                "{gas} of {needed}"
            );
        }
    }
    // Errors cost the base, and less than that is less than any call costs.
    for (gas, expected) in [
        (BASE, malformed()),
        (BASE - 1, Response::out_of_gas(BASE - 1)),
    ] {
        let request = Request::new(IBatchAuction::clearCall::SELECTOR.to_vec());
        assert_eq!(call(&Request { gas, ..request }), expected);
    }
}

#[test]
fn slots_are_numbers_modulo_two_to_the_256() {
    let expected = BASE + 2 * (gas::CLEAR_STORED_PER_WORD + COLD_SLOAD_COST);
    let wrapped = call(&Request::stored(U256::MAX, &[BID, ASK]));
    assert_eq!(wrapped, Response::success(expected, cleared()));
    // A slot that comes round again is warm.
    let request = Request {
        warm: vec![U256::ZERO],
        ..Request::stored(U256::MAX, &[BID, ASK])
    };
    let expected = expected - COLD_SLOAD_COST + WARM_STORAGE_READ_COST;
    assert_eq!(call(&request), Response::success(expected, cleared()));
}

/// Slots read by one call are warm for the next one of the transaction.
#[test]
fn reading_warms_the_slots() {
    let inner = Request::stored(U256::from(3), &[BID, ASK]);
    let relay = address!("0x3000000000000000000000000000000000000003");
    let mut db = evm::database(&inner);
    db.insert_account_info(relay, AccountInfo::from_bytecode(call_twice(FORWARDER)));
    let tx = TxEnv {
        kind: relay.into(),
        ..evm::transaction(&inner)
    };
    let result = evm::evm(db).transact_raw(tx).unwrap().result;
    let gas = |response: &[u8]| U256::from_be_slice(&response[32..64]).to::<u64>();
    let output = result.into_output().unwrap();
    let (first, second) = output.split_at(64);
    assert_eq!(
        gas(first) - gas(second),
        2 * (COLD_SLOAD_COST - WARM_STORAGE_READ_COST)
    );
}

/// Bytecode that forwards its calldata twice and returns the first 64 bytes of both answers.
fn call_twice(callee: Address) -> Bytecode {
    let mut code = Vec::new();
    for output in [0u8, 64] {
        code.extend([0x36, 0x5f, 0x60, 128, 0x37]); // calldatacopy(128, 0, calldatasize())
        code.extend([0x60, 64, 0x60, output, 0x36, 0x60, 128, 0x5f, 0x73]);
        code.extend(callee);
        code.extend([0x5a, 0xf1, 0x50]); // pop(call(gas(), callee, 0, 128, …, output, 64))
    }
    code.extend([0x60, 128, 0x5f, 0xf3]);
    Bytecode::new_raw(code.into())
}

/// An account without code has storage too: empty, so nothing trades.
#[test]
fn a_wallet_may_call_it_and_its_address_is_warm() {
    let data = IBatchAuction::clearStoredCall {
        firstSlot: B256::ZERO,
        count: U256::from(2),
    };
    let tx = TxEnv {
        caller: SENDER,
        kind: DEFAULT_ADDRESS.into(),
        gas_limit: 1_000_000,
        data: data.abi_encode().into(),
        ..Default::default()
    };
    let mut evm = evm::evm(InMemoryDB::default());
    let result = evm.transact_raw(tx).unwrap().result;
    let ExecutionResult::Success { output, .. } = result else {
        panic!("{result:?}")
    };
    assert_eq!(
        *output.data(),
        IBatchAuction::clearCall::abi_encode_returns(&Default::default())
    );
    // `overhead` counts a warm account; a cold one would show as 2,500 gas more.
    let other = address!("0x4000000000000000000000000000000000000004");
    let cold = call(&Request {
        callee: other,
        ..Request::new(vec![])
    });
    assert_eq!(cold, Response::success(2_500, vec![]));
}

#[test]
fn it_answers_at_the_address_it_is_installed_at() {
    let elsewhere = address!("0x5000000000000000000000000000000000000005");
    let request = Request {
        callee: elsewhere,
        ..Request::new(evm::clear(&[BID, ASK]))
    };
    let mut evm = evm::evm(evm::database(&request));
    install(evm.precompiles_mut(), elsewhere);
    let result = evm.transact_raw(evm::transaction(&request)).unwrap().result;
    let output = result.into_output().unwrap();
    assert_eq!(output[64..], cleared());
}

/// A database whose storage cannot be read.
struct Broken(InMemoryDB);

#[derive(Debug)]
struct DiskFailure;

impl fmt::Display for DiskFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the disk failed")
    }
}

impl core::error::Error for DiskFailure {}

impl DBErrorMarker for DiskFailure {}

impl From<Infallible> for DiskFailure {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl fmt::Debug for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Broken")
    }
}

impl Database for Broken {
    type Error = DiskFailure;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, DiskFailure> {
        Ok(self.0.basic(address)?)
    }

    fn code_by_hash(&mut self, code_hash: B256) -> Result<Bytecode, DiskFailure> {
        Ok(self.0.code_by_hash(code_hash)?)
    }

    fn storage(&mut self, _: Address, _: U256) -> Result<U256, DiskFailure> {
        Err(DiskFailure)
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, DiskFailure> {
        Ok(self.0.block_hash(number)?)
    }
}

/// No result is made up: the transaction as a whole is not executed.
#[test]
fn unreadable_storage_is_fatal() {
    let request = Request::stored(U256::ZERO, &[BID]);
    let error = try_call(&request, Broken(evm::database(&request))).unwrap_err();
    let EVMError::Custom(message) = error else {
        panic!("{error:?}")
    };
    assert_eq!(message, "fatal: cannot read the orders: the disk failed");
}

/// Here reading storage is fatal, so running out of gas shows that it was not tried.
#[test]
fn storage_that_is_not_paid_for_is_not_read() {
    let request = Request::stored(U256::ZERO, &[BID]);
    let needed = BASE + gas::CLEAR_STORED_PER_WORD + COLD_SLOAD_COST;
    let short = Request {
        gas: needed - 1,
        ..request
    };
    let response = try_call(&short, Broken(evm::database(&short))).unwrap();
    assert_eq!(response, Response::out_of_gas(needed - 1));
}

/// Calls the installed precompile itself.
fn call_directly(data: &[u8], gas: u64) -> PrecompileOutput {
    let evm = evm::evm(InMemoryDB::default());
    let mut context = Context::mainnet().with_db(InMemoryDB::default());
    evm.precompiles()
        .get(&DEFAULT_ADDRESS)
        .unwrap()
        .call(PrecompileInput {
            data,
            gas,
            reservoir: 0,
            caller: FORWARDER,
            value: U256::ZERO,
            target_address: DEFAULT_ADDRESS,
            bytecode_address: DEFAULT_ADDRESS,
            is_static: false,
            internals: EvmInternals::from_context(&mut context),
        })
        .unwrap()
}

#[test]
fn its_results_are_not_cached_by_calldata() {
    let evm = evm::evm(InMemoryDB::default());
    let auction = evm.precompiles().get(&DEFAULT_ADDRESS).unwrap();
    assert!(!auction.supports_caching());
    assert_eq!(auction.precompile_id().name(), "BATCH_AUCTION");
}

proptest! {
    /// Whatever becomes of good calldata on its way, the call ends in a result or a named error,
    /// and its gas is accounted for.
    #[test]
    fn damaged_calldata_never_does_worse_than_revert(
        case in 0usize..142,
        function in 0usize..3,
        damage in vec((any::<Index>(), any::<u8>()), 0..4),
        cut in proptest::option::of(any::<Index>()),
    ) {
        let words = cases().swap_remove(case).words();
        let mut request = match function {
            0 => Request::new(evm::clear(&words)),
            1 => Request::new(evm::fills(&words)),
            _ => Request::stored(U256::ZERO, &words),
        };
        let mut data = request.data.to_vec();
        for (place, byte) in damage {
            let place = place.index(data.len());
            data[place] = byte;
        }
        if let Some(cut) = cut {
            data.truncate(cut.index(data.len() + 1));
        }
        request.data = data.into();
        request.gas = 1_000_000;
        let response = call(&request);
        if response.success {
            prop_assert!(response.output.len() >= 256);
        } else if response.output.is_empty() {
            prop_assert_eq!(response.gas, request.gas);
        } else {
            IBatchAuction::IBatchAuctionErrors::abi_decode(&response.output).unwrap();
            prop_assert!(response.gas >= BASE);
        }
    }
}
