//! Every rule that a transaction can break, and the message that its sender gets.

use alloy_consensus::{SignableTransaction as _, TxEip1559};
use alloy_primitives::{Signature, U256, uint};
use serde_json::json;
use wattline_pool::{
    Pool, PoolConfig, PoolError,
    config::MAX_TRANSACTION_BYTES,
    test_utils::{
        BLOCK_GAS_LIMIT, CHAIN_ID, CONTRACT, ONE_ETHER, TestChain, WRITER, authorize, draft,
        refusal, wallet,
    },
};

fn pool() -> (TestChain, Pool) {
    let chain = TestChain::new();
    let pool = chain.pool(PoolConfig::default());
    (chain, pool)
}

#[test]
fn types_0_1_2_and_4_are_taken() {
    let (chain, pool) = pool();
    let all = [
        draft(1, 0).legacy(Some(CHAIN_ID)),
        draft(1, 1).access_list(),
        draft(1, 2).sign(),
        draft(1, 3)
            .gas(100_000)
            .set_code(vec![authorize(2, 0, CONTRACT)]),
    ];
    let hashes = all.clone().map(|transaction| *transaction.tx_hash());
    let outcomes: Result<Vec<_>, _> = pool.add_many(all.to_vec()).into_iter().collect();
    assert_eq!(outcomes.expect("all are taken"), hashes);
    let block = chain.mine(&pool);
    assert_eq!(block.receipts.len(), 4);
    assert!(block.receipts.iter().all(|receipt| receipt.success));
}

#[test]
fn a_blob_is_refused_with_a_reason() {
    let (_chain, pool) = pool();
    assert_eq!(
        refusal(pool.add(draft(1, 0).blob())),
        "transaction type not supported: blob transactions (EIP-4844) are refused on this chain"
    );
}

#[test]
fn another_chain_is_refused() {
    let (_chain, pool) = pool();
    let mut foreign = draft(1, 0);
    foreign.chain_id = 1;
    assert_eq!(
        refusal(pool.add(foreign.sign())),
        "invalid chain id for signer: have 1 want 57836"
    );
    assert_eq!(
        refusal(pool.add(draft(1, 0).legacy(None))),
        "only replay-protected (EIP-155) transactions allowed: sign with chain id 57836"
    );
}

#[test]
fn a_bad_signature_is_refused() {
    let (_chain, pool) = pool();
    let message = "invalid sender: the signature recovers no address, or its s value is in the upper half of the curve order";
    let transaction = draft(1, 0).dynamic();
    let nonsense = Signature::new(U256::MAX, U256::from(1), false);
    assert_eq!(
        refusal(pool.add(transaction.clone().into_signed(nonsense).into())),
        message
    );

    // The same signature with the other s is valid on the curve, and malleable.
    let signed = draft(1, 0).sign();
    let signature = signed.signature();
    let order = uint!(0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141_U256);
    let mirrored = Signature::new(signature.r(), order - signature.s(), !signature.v());
    assert_eq!(
        refusal(pool.add(transaction.into_signed(mirrored).into())),
        message
    );
}

#[test]
fn a_signature_by_somebody_else_is_somebody_elses_transaction() {
    let (_chain, pool) = pool();
    let signature = *draft(1, 0).sign().signature();
    let altered: TxEip1559 = draft(1, 0).value(5).dynamic();
    let refused = refusal(pool.add(altered.into_signed(signature).into()));
    assert!(
        refused.starts_with("insufficient funds for gas * price + value: balance 0"),
        "{refused}"
    );
}

#[test]
fn a_stale_nonce_is_refused() {
    let (chain, pool) = pool();
    for nonce in 0..2 {
        pool.add(draft(1, nonce).sign()).expect("taken");
    }
    chain.mine(&pool);
    assert_eq!(
        refusal(pool.add(draft(1, 1).value(1).sign())),
        "nonce too low: next nonce 2, tx nonce 1"
    );
    assert_eq!(
        refusal(pool.add(draft(1, u64::MAX).sign())),
        "nonce has max value: a transaction's nonce must be below 2^64 - 1"
    );
}

#[test]
fn the_same_transaction_twice_is_known() {
    let (_chain, pool) = pool();
    pool.add(draft(1, 0).sign()).expect("taken");
    assert_eq!(refusal(pool.add(draft(1, 0).sign())), "already known");
    let twice = pool.add_many(vec![draft(2, 0).sign(), draft(2, 0).sign()]);
    assert!(twice[0].is_ok());
    assert!(matches!(twice[1], Err(PoolError::AlreadyKnown)));
}

#[test]
fn too_little_balance_is_refused() {
    let (_chain, pool) = pool();
    assert_eq!(
        refusal(pool.add(draft(1, 0).value(ONE_ETHER + 1).sign())),
        "insufficient funds for gas * price + value: balance 1000000000000000000, queued cost 0, tx cost 1000000000000000001"
    );
    pool.add(draft(1, 0).value(ONE_ETHER - 21_000).sign())
        .expect("taken");
    assert_eq!(
        refusal(pool.add(draft(1, 1).fees(1, 0).value(1).sign())),
        "insufficient funds for gas * price + value: balance 1000000000000000000, queued cost 999999999999979000, tx cost 21001"
    );
    pool.add(draft(1, 1).fees(1, 0).sign()).expect("taken");
    let mut everything = draft(2, 0).fees(u128::MAX, 0);
    everything.value = U256::MAX;
    let refused = refusal(pool.add(everything.sign()));
    assert!(
        refused.ends_with(&format!("tx cost {}", U256::MAX)),
        "{refused}"
    );
}

#[test]
fn too_much_gas_is_refused() {
    let (_chain, pool) = pool();
    assert_eq!(
        refusal(pool.add(draft(1, 0).gas(BLOCK_GAS_LIMIT + 1).sign())),
        "exceeds block gas limit: transaction gas limit 30000001, block gas limit 30000000"
    );
    pool.add(draft(1, 0).gas(BLOCK_GAS_LIMIT).sign())
        .expect("taken");

    let chain = TestChain::with(&json!({ "transactionGasCap": 1_000_000 }));
    let pool = chain.pool(PoolConfig::default());
    assert_eq!(
        refusal(pool.add(draft(1, 0).gas(1_000_001).sign())),
        "transaction gas limit too high (cap: 1000000, tx: 1000001)"
    );
    pool.add(draft(1, 0).gas(1_000_000).sign()).expect("taken");
}

#[test]
fn too_little_gas_is_refused() {
    let (_chain, pool) = pool();
    assert_eq!(
        refusal(pool.add(draft(1, 0).gas(20_999).sign())),
        "intrinsic gas too low: gas 20999, minimum needed 21000"
    );
    // EIP-7623: 10 gas per token of calldata, and a byte that is not zero is four tokens.
    let data = draft(1, 0).input(vec![1; 1_000]);
    assert_eq!(
        refusal(pool.add(data.clone().gas(60_999).sign())),
        "insufficient gas for floor data gas cost: gas 60999, minimum needed 61000"
    );
    pool.add(data.gas(61_000).sign()).expect("taken");
    // 21,000 + 32,000 for the creation, 4 per zero byte and 2 per word of init code (EIP-3860).
    assert_eq!(
        refusal(pool.add(draft(2, 0).create(53_129, vec![0; 32]).sign())),
        "intrinsic gas too low: gas 53129, minimum needed 53130"
    );
    // EIP-7702: 25,000 per authorization.
    let set_code = |gas| {
        draft(2, 0)
            .gas(gas)
            .set_code(vec![authorize(3, 0, CONTRACT)])
    };
    assert_eq!(
        refusal(pool.add(set_code(45_999))),
        "intrinsic gas too low: gas 45999, minimum needed 46000"
    );
    pool.add(set_code(46_000)).expect("taken");
}

#[test]
fn oversized_data_is_refused() {
    let (_chain, pool) = pool();
    let large = draft(1, 0)
        .gas(BLOCK_GAS_LIMIT)
        .input(vec![0; MAX_TRANSACTION_BYTES])
        .sign();
    let size = alloy_eips::eip2718::Encodable2718::encode_2718_len(&large);
    assert_eq!(
        refusal(pool.add(large)),
        format!("oversized data: transaction size {size}, limit 131072")
    );
    assert_eq!(
        refusal(pool.add(draft(1, 0).create(BLOCK_GAS_LIMIT, vec![0; 49_153]).sign())),
        "max initcode size exceeded: code size 49153, limit 49152"
    );
    pool.add(draft(1, 0).create(BLOCK_GAS_LIMIT, vec![0; 49_152]).sign())
        .expect("taken");
}

#[test]
fn fees_that_make_no_sense_are_refused() {
    let chain = TestChain::with(&json!({ "baseFeePerGas": 7 }));
    let pool = chain.pool(PoolConfig {
        min_tip: 2,
        ..PoolConfig::default()
    });
    assert_eq!(
        refusal(pool.add(draft(1, 0).fees(8, 9).sign())),
        "max priority fee per gas higher than max fee per gas: maxPriorityFeePerGas: 9, maxFeePerGas: 8"
    );
    assert_eq!(
        refusal(pool.add(draft(1, 0).fees(6, 0).sign())),
        "max fee per gas less than block base fee: maxFeePerGas: 6, baseFee: 7"
    );
    assert_eq!(
        refusal(pool.add(draft(1, 0).fees(8, 8).sign())),
        "transaction underpriced: gas tip 1, minimum needed 2"
    );
    let hash = pool.add(draft(1, 0).fees(9, 9).sign()).expect("taken");
    let tip = pool
        .get(&hash)
        .map(|transaction| transaction.effective_tip());
    assert_eq!(tip, Some(2));
}

#[test]
fn a_replacement_must_outbid() {
    let (_chain, pool) = pool();
    let first = pool.add(draft(1, 0).sign()).expect("taken");
    assert_eq!(
        refusal(pool.add(draft(1, 0).value(1).sign())),
        format!(
            "replacement transaction underpriced: need maxFeePerGas 1 and maxPriorityFeePerGas 1 to replace {first}"
        )
    );
    let second = pool.add(draft(1, 0).fees(1, 1).sign()).expect("outbids");
    assert!(!pool.contains(&first));
    assert!(pool.contains(&second));
}

#[test]
fn a_set_code_transaction_without_authorizations_is_refused() {
    let (_chain, pool) = pool();
    assert_eq!(
        refusal(pool.add(draft(1, 0).gas(100_000).set_code(vec![]))),
        "set code tx must have at least one authorization tuple"
    );
}

#[test]
fn permission_is_asked_for_early() {
    // Wallet 1 may transact and deploy, wallet 2 may transact, wallet 3 may not.
    let chain = TestChain::with(&json!({ "permissions": WRITER }));
    let pool = chain.pool(PoolConfig::default());
    pool.add(draft(1, 0).create(100_000, vec![0]).sign())
        .expect("taken");
    pool.add(draft(2, 0).sign()).expect("taken");
    let (two, three) = (wallet(2).address(), wallet(3).address());
    assert_eq!(
        refusal(pool.add(draft(2, 1).create(100_000, vec![0]).sign())),
        format!(
            "account {two} may send transactions but not create contracts on this chain: ask a permission operator to grant it"
        )
    );
    assert_eq!(
        refusal(pool.add(draft(3, 0).sign())),
        format!(
            "account {three} may not send transactions on this chain: ask a permission operator to grant it"
        )
    );
}

#[test]
fn a_delegated_account_has_room_for_few() {
    let (chain, pool) = pool();
    let delegation = draft(1, 0)
        .gas(100_000)
        .set_code(vec![authorize(2, 0, CONTRACT)]);
    pool.add(delegation).expect("taken");
    chain.mine(&pool);
    // The authorization has used up nonce 0 of wallet 2, which stays an account of its own
    // (EIP-3607 as amended by EIP-7702).
    for nonce in 1..=4 {
        pool.add(draft(2, nonce).sign()).expect("taken");
    }
    assert_eq!(
        refusal(pool.add(draft(2, 5).sign())),
        format!(
            "in-flight transaction limit reached for delegated accounts: {} has 4 transactions waiting, limit 4: wait until some are in a block",
            wallet(2).address()
        )
    );
}

#[test]
fn a_contract_is_no_sender() {
    let (_chain, pool) = pool();
    let sender = wallet(8).address();
    let code_hash = alloy_primitives::keccak256([0]);
    assert_eq!(
        refusal(pool.add(draft(8, 0).sign())),
        format!("sender not an eoa: address {sender}, codehash: {code_hash}")
    );
}

#[test]
fn limits_hold_through_the_public_face() {
    let chain = TestChain::new();
    let pool = chain.pool(PoolConfig {
        max_transactions: 3,
        max_sender_transactions: 2,
        ..PoolConfig::default()
    });
    pool.add(draft(1, 0).sign()).expect("taken");
    pool.add(draft(1, 1).sign()).expect("taken");
    assert_eq!(
        refusal(pool.add(draft(1, 2).sign())),
        format!(
            "sender limit reached: {} has 2 transactions waiting, limit 2: wait until some are in a block",
            wallet(1).address()
        )
    );
    pool.add(draft(2, 0).sign()).expect("taken");
    pool.add(draft(3, 0).sign())
        .expect("the sender with the most makes room");
    assert_eq!(pool.pending_nonce(&wallet(1).address()), Some(1));
    let refused = refusal(pool.add(draft(4, 5).sign()));
    assert!(
        refused.starts_with("txpool is full: 3 transactions of "),
        "{refused}"
    );
    let status = pool.status();
    assert_eq!((status.pending, status.queued), (3, 0));
}
