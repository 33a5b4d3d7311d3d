//! Any bytes from a peer, on any channel that the network reads itself, end in a message that is
//! written as it was read, or in an error.
//!
//! In `node/network/`: `cargo +nightly fuzz run messages fuzz/corpus/messages`.

#![no_main]

use alloy_eips::eip2718::Encodable2718;
use libfuzzer_sys::fuzz_target;
use wattline_network::{gossip, status::Status};

fuzz_target!(|data: &[u8]| {
    if let Ok(status) = Status::decode(data) {
        assert_eq!(status.encode(), data);
    }
    if let Ok(transactions) = gossip::decode(data) {
        let encoded: Vec<_> = transactions.iter().map(|one| one.encoded_2718()).collect();
        let (batch, count) = gossip::encode(encoded.iter().map(Vec::as_slice)).expect("not empty");
        assert_eq!(gossip::decode(&batch).as_deref(), Ok(&transactions[..count]));
    }
});
