//! Blocks on their way between nodes.

use alloy_consensus::{
    Header, SignableTransaction as _, TxEip1559,
    constants::{EMPTY_OMMER_ROOT_HASH, EMPTY_WITHDRAWALS},
    proofs::calculate_transaction_root,
};
use alloy_primitives::{B256, Signature, U256};
use commonware_codec::{Decode as _, Encode as _, Error};
use commonware_consensus::{Block as _, BoundedBlock as _, Heightable as _};
use commonware_cryptography::Digestible as _;
use proptest::{collection::vec, prelude::*};
use wattline_consensus::{AgreedBlock, BlockError, BlockHash, BlockLimits};
use wattline_evm::BodyError;
use wattline_primitives::{Block, BlockBody, SealedBlock, TransactionSigned};

/// A transaction that nobody signed: nobody looks at signatures here.
fn transaction(nonce: u64, input: Vec<u8>) -> TransactionSigned {
    let transaction = TxEip1559 {
        nonce,
        input: input.into(),
        ..TxEip1559::default()
    };
    let signature = Signature::new(U256::from(1), U256::from(1), false);
    transaction.into_signed(signature).into()
}

fn block(number: u64, parent: B256, transactions: Vec<TransactionSigned>) -> Block {
    Block {
        header: Header {
            number,
            parent_hash: parent,
            ommers_hash: EMPTY_OMMER_ROOT_HASH,
            transactions_root: calculate_transaction_root(&transactions),
            withdrawals_root: Some(EMPTY_WITHDRAWALS),
            base_fee_per_gas: Some(0),
            ..Header::default()
        },
        body: BlockBody {
            transactions,
            ommers: Vec::new(),
            withdrawals: Some(Default::default()),
        },
    }
}

fn sealed(block: Block) -> AgreedBlock {
    AgreedBlock::new(SealedBlock::seal_slow(block))
}

/// The error by which the block is refused.
fn refusal(bytes: impl Into<bytes::Bytes>, limits: BlockLimits) -> Error {
    AgreedBlock::decode_cfg(bytes.into(), &limits).expect_err("the block is refused")
}

fn block_error(error: &Error) -> &BlockError {
    let Error::Wrapped("block", source) = error else {
        panic!("not an error of the block: {error}");
    };
    source.downcast_ref().expect("a block's error")
}

prop_compose! {
    fn any_block()(
        number in 1..u64::MAX,
        parent: [u8; 32],
        inputs in vec(vec(any::<u8>(), 0..64), 0..8),
    ) -> Block {
        let transactions = (0..).zip(inputs).map(|(nonce, input)| transaction(nonce, input));
        block(number, B256::new(parent), transactions.collect())
    }
}

proptest! {
    #[test]
    fn a_block_arrives_as_it_was_sent(block in any_block()) {
        let sent = sealed(block);
        let bytes = sent.encode();
        let limits = BlockLimits::default();
        prop_assert!(bytes.len() <= AgreedBlock::max_encode_size(&limits));
        let got = AgreedBlock::decode_cfg(bytes.clone(), &limits).expect("it reads");
        prop_assert_eq!(got.block(), sent.block());
        prop_assert_eq!(got.digest(), BlockHash(sent.block().hash()));
        prop_assert_eq!(got.parent(), BlockHash(sent.block().parent_hash));
        prop_assert_eq!(got.height().get(), sent.block().number);
        prop_assert_eq!(got.encode(), bytes);
    }

    #[test]
    fn a_block_has_one_encoding(block in any_block(), flips in vec((any::<prop::sample::Index>(), 1..=255_u8), 1..4)) {
        let mut bytes = sealed(block).encode().to_vec();
        for (at, flip) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
        }
        if let Ok(got) = AgreedBlock::decode_cfg(bytes::Bytes::from(bytes.clone()), &BlockLimits::default()) {
            prop_assert_eq!(got.encode().to_vec(), bytes);
        }
    }

    #[test]
    fn junk_is_refused_without_a_panic(bytes in vec(any::<u8>(), 0..2_000)) {
        let _ = AgreedBlock::decode_cfg(bytes::Bytes::from(bytes), &BlockLimits::default());
    }
}

#[test]
fn another_body_is_refused() {
    let mut block = block(1, B256::ZERO, vec![transaction(0, Vec::new())]);
    block.body.transactions = vec![transaction(1, Vec::new())];
    let error = refusal(sealed(block).encode(), BlockLimits::default());
    assert!(matches!(
        block_error(&error),
        BlockError::Body(BodyError::TransactionsRoot { .. })
    ));
}

#[test]
fn a_block_that_is_too_large_is_refused_before_it_is_read() {
    let bytes = sealed(block(1, B256::ZERO, vec![transaction(0, vec![7; 4_000])])).encode();
    let error = refusal(bytes, BlockLimits { bytes: 4_000 });
    assert!(matches!(error, Error::InvalidLength(length) if length > 4_000));
}

#[test]
fn a_length_beyond_what_was_sent_is_refused() {
    let mut bytes = sealed(block(1, B256::ZERO, Vec::new())).encode().to_vec();
    bytes.truncate(bytes.len() - 1);
    let error = refusal(bytes, BlockLimits::default());
    assert!(matches!(error, Error::EndOfBuffer));
}

#[test]
fn bytes_after_the_block_are_refused() {
    let mut rlp = sealed(block(1, B256::ZERO, Vec::new())).rlp().to_vec();
    rlp.push(0);
    let error = AgreedBlock::from_rlp(rlp.into()).expect_err("it is refused");
    assert!(matches!(
        error,
        BlockError::Rlp(alloy_rlp::Error::UnexpectedLength)
    ));
}
