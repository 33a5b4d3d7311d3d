//! How each method is called, so that a client who calls it wrongly learns how.

/// Every method with its parameters; those with `?` may be left out.
const METHODS: &[(&str, &str)] = &[
    ("clique_discard", "address"),
    ("clique_getSigner", "block number, tag, hash or header RLP?"),
    ("clique_getSigners", "block number or tag?"),
    ("clique_getSignersAtHash", "block hash"),
    ("clique_getSnapshot", "block number or tag?"),
    ("clique_getSnapshotAtHash", "block hash"),
    ("clique_proposals", ""),
    ("clique_propose", "address, authorize: true or false"),
    ("clique_status", ""),
    ("eth_accounts", ""),
    ("eth_blockNumber", ""),
    (
        "eth_call",
        "transaction object, block?, state overrides?, block overrides?",
    ),
    ("eth_chainId", ""),
    (
        "eth_estimateGas",
        "transaction object, block?, state overrides?, block overrides?",
    ),
    (
        "eth_feeHistory",
        "block count, newest block number or tag, ascending percentiles?",
    ),
    ("eth_gasPrice", ""),
    ("eth_getBalance", "address, block?"),
    (
        "eth_getBlockByHash",
        "block hash, full transactions: true or false",
    ),
    (
        "eth_getBlockByNumber",
        "block number or tag, full transactions: true or false",
    ),
    ("eth_getBlockReceipts", "block"),
    ("eth_getCode", "address, block?"),
    (
        "eth_getLogs",
        "filter object of fromBlock and toBlock or blockHash, address, topics",
    ),
    (
        "eth_getStorageAt",
        "address, slot of up to 32 bytes, block?",
    ),
    ("eth_getTransactionByHash", "transaction hash"),
    ("eth_getTransactionCount", "address, block?"),
    ("eth_getTransactionReceipt", "transaction hash"),
    ("eth_maxPriorityFeePerGas", ""),
    ("eth_sendRawTransaction", "signed transaction bytes"),
    ("eth_subscribe", "\"newHeads\" or \"logs\", log filter?"),
    ("eth_syncing", ""),
    ("eth_unsubscribe", "subscription id"),
    ("net_listening", ""),
    ("net_peerCount", ""),
    ("net_version", ""),
    ("web3_clientVersion", ""),
    ("web3_sha3", "bytes"),
];

/// The method's name, living as long as the program, and its parameters; `None` for unknown
/// methods.
pub(crate) fn of(method: &str) -> Option<(&'static str, &'static str)> {
    let index = METHODS
        .binary_search_by_key(&method, |(name, _)| name)
        .ok()?;
    METHODS.get(index).copied()
}

#[cfg(test)]
mod tests {
    use super::{METHODS, of};

    #[test]
    fn the_table_is_sorted() {
        assert!(METHODS.is_sorted_by(|(left, _), (right, _)| left < right));
    }

    #[test]
    fn finds_each_method_and_no_other() {
        for entry in METHODS {
            assert_eq!(of(entry.0), Some(*entry));
        }
        assert_eq!(of("eth_coinbase"), None);
        assert_eq!(of(""), None);
    }
}
