use alloy_primitives::U64;
use alloy_rpc_types_eth::Header;
use reth_rpc_traits::FromConsensusHeader;
use serde::Serialize;
use wattline_primitives::{Millis, SealedHeader};

/// A header as clients see it: Ethereum's fields, and the time in milliseconds as BEP-520 names it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RpcHeader {
    #[serde(flatten)]
    pub(crate) ethereum: Header,
    /// Since the Unix epoch.
    milli_timestamp: U64,
}

impl RpcHeader {
    /// A header alone.
    pub(crate) fn new(header: SealedHeader) -> Self {
        Self {
            milli_timestamp: U64::from(Millis::of(&header).get()),
            ethereum: Header::from_consensus(header.into(), None, None),
        }
    }

    /// The header of a block of `size` bytes.
    pub(crate) fn of_block(header: SealedHeader, size: usize) -> Self {
        Self {
            milli_timestamp: U64::from(Millis::of(&header).get()),
            ethereum: Header::from_consensus_header(header, size),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use alloy_consensus::Header as ConsensusHeader;
    use serde_json::json;

    use super::*;

    #[test]
    fn the_time_is_shown_in_milliseconds_too() {
        let time = Millis::new(1_767_225_600_250);
        let header = SealedHeader::seal_slow(ConsensusHeader {
            timestamp: time.as_secs(),
            mix_hash: time.mix_hash(),
            ..ConsensusHeader::default()
        });
        let hash = header.hash();
        for shown in [
            RpcHeader::new(header.clone()),
            RpcHeader::of_block(header, 600),
        ] {
            let shown = serde_json::to_value(&shown).unwrap();
            assert_eq!(shown["milliTimestamp"], "0x19b76daa8fa");
            assert_eq!(shown["timestamp"], "0x6955b900");
            assert_eq!(shown["mixHash"], json!(time.mix_hash()));
            // A client library that does not know the field comes to the same hash.
            let decoded: Header = serde_json::from_value(shown).unwrap();
            assert_eq!(decoded.inner.hash_slow(), hash);
        }
    }
}
