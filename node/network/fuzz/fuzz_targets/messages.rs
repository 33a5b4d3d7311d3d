//! Any bytes from a peer, on any channel that the network reads itself, end in a message that is
//! written as it was read, or in an error.
//!
//! In `node/network/`: `cargo +nightly fuzz run messages fuzz/corpus/messages`.

#![no_main]

use alloy_eips::eip2718::{Decodable2718, Encodable2718};
use libfuzzer_sys::fuzz_target;
use wattline_network::{gossip, status::Status};
use wattline_primitives::TransactionSigned;

fuzz_target!(|data: &[u8]| {
    if let Ok(status) = Status::decode(data) {
        assert_eq!(status.encode(), data);
    }
    if let Ok(transactions) = gossip::decode(data) {
        let encoded = transactions.iter().map(AsRef::as_ref);
        let (batch, count) = gossip::encode(encoded).expect("not empty");
        assert_eq!(gossip::decode(&batch).as_deref(), Ok(&transactions[..count]));
        // What the pool does with them first.
        for encoded in &transactions {
            if let Ok(transaction) = TransactionSigned::decode_2718_exact(encoded) {
                let again = transaction.encoded_2718();
                let again = TransactionSigned::decode_2718_exact(&again).expect("our encoding");
                assert_eq!(again, transaction);
            }
        }
    }
});
