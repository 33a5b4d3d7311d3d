//! Any bytes from a peer, on any channel, end in a message that is written as it was read, or in an
//! error. The first byte is the number of the channel.
//!
//! In `node/network/`: `cargo +nightly fuzz run messages fuzz/corpus/messages fuzz/seeds/messages`.

#![no_main]

use std::fmt::Debug;

use alloy_eips::eip2718::{Decodable2718, Encodable2718};
use bytes::Bytes;
use commonware_codec::{Decode, Encode, RangeCfg, Read};
use commonware_consensus::{
    marshal::resolver::handler::Key,
    simplex::types::{Certificate, Notarization, Vote},
    types::View,
};
use commonware_cryptography::certificate::Verifier;
use commonware_p2p::utils::mux;
use commonware_runtime::IoBuf;
use libfuzzer_sys::fuzz_target;
use wattline_consensus::{AgreedBlock, BlockHash, BlockLimits, Finalization, Scheme};
use wattline_network::{Channel, gossip, status::Status};
use wattline_primitives::TransactionSigned;

fuzz_target!(|data: &[u8]| {
    let Some((channel, data)) = data.split_first() else {
        return;
    };
    let channel = Channel::ALL.get(usize::from(*channel));
    let message = IoBuf::from(data.to_vec());
    match channel {
        Some(Channel::Votes) => {
            in_epoch(message, |message| {
                check::<Vote<Scheme, BlockHash>>(message, &());
            });
        }
        Some(Channel::Certificates) => in_epoch(message, certificate),
        Some(Channel::Resolver) => {
            in_epoch(message, |message| {
                resolved(message, check::<View>, |answer| certificate(answer));
            });
        }
        Some(Channel::Blocks) => {
            check::<AgreedBlock>(message, &BlockLimits::default());
        }
        Some(Channel::Backfill) => {
            resolved(message, check::<Key<BlockHash>>, backfilled);
        }
        Some(Channel::Transactions) => transactions(data),
        Some(Channel::Status) => {
            if let Ok(status) = Status::decode(data) {
                assert_eq!(status.encode(), data);
            }
        }
        // Read by the agreement alone, whose own tests try any bytes of that fixed length.
        Some(Channel::Standings) | None => {}
    }
});

/// A message behind the number of its epoch.
fn in_epoch(message: IoBuf, read: impl FnOnce(IoBuf)) {
    if let Ok((_, message)) = mux::parse(message) {
        read(message);
    }
}

/// Whether the message is one. It is written as it was read then.
fn check<T: Read + Encode + Debug>(message: IoBuf, limits: &T::Cfg) -> bool {
    let Ok(read) = T::decode_cfg(message.clone(), limits) else {
        return false;
    };
    assert_eq!(read.encode().as_ref(), message.as_ref(), "{read:?}");
    true
}

/// Committees of the largest size that the network carries.
fn members() -> <<Scheme as Verifier>::Certificate as Read>::Cfg {
    128
}

fn certificate(message: IoBuf) {
    check::<Certificate<Scheme, BlockHash>>(message, &members());
}

/// A message of the library's resolver: the number of the request, what the message is, and the key
/// or the answer behind its length.
fn resolved(
    message: IoBuf,
    request: impl FnOnce(IoBuf, &()) -> bool,
    answer: impl FnOnce(IoBuf),
) {
    let bytes = message.as_ref();
    match bytes.get(8) {
        Some(0) => {
            request(IoBuf::from(bytes[9..].to_vec()), &());
        }
        Some(1) => {
            let value = IoBuf::from(bytes[9..].to_vec());
            if let Ok(value) = Bytes::decode_cfg(value, &RangeCfg::from(..)) {
                answer(IoBuf::from(value));
            }
        }
        _ => {}
    }
}

/// A block, alone or behind the proof that it is notarized or final.
fn backfilled(answer: IoBuf) {
    let limits = BlockLimits::default();
    check::<AgreedBlock>(answer.clone(), &limits);
    check::<(Finalization, AgreedBlock)>(answer.clone(), &(members(), limits));
    check::<(Notarization<Scheme, BlockHash>, AgreedBlock)>(answer, &(members(), limits));
}

fn transactions(data: &[u8]) {
    let Ok(transactions) = gossip::decode(data) else {
        return;
    };
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
