//! What each method is, what it takes and what it answers.
//!
//! Every file of methods describes its own in a table, next to the trait that they implement. The
//! tables say in errors how a method is called, and make the document of `rpc_discover`.

use std::{fmt, sync::LazyLock};

use crate::{admin, clique, debug, eth, net, rpc, trace, txpool, web3};

/// One method.
#[derive(Debug)]
pub(crate) struct Method {
    /// Its name, with the namespace.
    pub(crate) name: &'static str,
    /// One sentence on what it does.
    pub(crate) summary: &'static str,
    /// Its parameters in order.
    pub(crate) params: &'static [Param],
    /// What it answers.
    pub(crate) result: Schema,
}

/// One parameter.
#[derive(Debug)]
pub(crate) struct Param {
    /// What it is, in words of the API.
    pub(crate) name: &'static str,
    /// Its shape.
    pub(crate) schema: Schema,
    /// Whether it must be given. Those behind an optional one are optional too.
    pub(crate) required: bool,
}

/// A parameter that must be given.
pub(crate) const fn required(name: &'static str, schema: Schema) -> Param {
    Param {
        name,
        schema,
        required: true,
    }
}

/// A parameter that may be left out.
pub(crate) const fn optional(name: &'static str, schema: Schema) -> Param {
    Param {
        name,
        schema,
        required: false,
    }
}

/// The shape of a parameter or an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Schema {
    /// An access list, the gas used with it, and why the transaction failed if it did.
    AccessListResult,
    /// 20 bytes.
    Address,
    /// Addresses.
    Addresses,
    /// A block number, tag, hash, or an object of EIP-1898.
    Block,
    /// Fields of the block that a call sees differently.
    BlockOverrides,
    /// A block number or tag.
    BlockNumber,
    /// A block with its transactions or their hashes; null if unknown.
    BlockOrNull,
    /// `true` or `false`.
    Bool,
    /// Calls to make one after another, in groups that share a block.
    Bundles,
    /// Bytes of any number.
    Bytes,
    /// Several of them.
    BytesList,
    /// Bytes of any number; null if unknown.
    BytesOrNull,
    /// A block parameter or the RLP of a header.
    BlockOrHeader,
    /// What calls returned or why they failed, by bundle.
    CallResults,
    /// Fees of past blocks.
    FeeHistory,
    /// Which logs are wanted.
    Filter,
    /// What a filter has found: hashes, logs or transactions.
    FilterChanges,
    /// A filter's id.
    FilterId,
    /// The rules in force, those planned and the last ones known.
    ForkConfig,
    /// 32 bytes.
    Hash,
    /// A header; null if unknown.
    HeaderOrNull,
    /// Logs.
    Logs,
    /// Versions of namespaces by name.
    Modules,
    /// The node: version, addresses, chain.
    NodeInfo,
    /// Nothing.
    Null,
    /// Any object; the summary says which.
    Object,
    /// A list of objects or of lists of them; the summary says which.
    Objects,
    /// The same, or null.
    ObjectsOrNull,
    /// Any object, or null.
    ObjectOrNull,
    /// An OpenRPC document.
    OpenRpc,
    /// Other nodes.
    Peers,
    /// Percentiles, ascending.
    Percentiles,
    /// Waiting transactions by sender and nonce.
    PoolContent,
    /// Waiting transactions of one sender by nonce.
    PoolContentFrom,
    /// Lines about waiting transactions by sender and nonce.
    PoolInspect,
    /// How many transactions wait.
    PoolStatus,
    /// An account and slots, with the trie nodes that prove them.
    Proof,
    /// Numbers in hexadecimal.
    Quantities,
    /// A number in hexadecimal.
    Quantity,
    /// A number in hexadecimal; null if unknown.
    QuantityOrNull,
    /// A receipt.
    Receipt,
    /// A receipt; null if unknown.
    ReceiptOrNull,
    /// The receipts of a block; null if the block is unknown.
    ReceiptsOrNull,
    /// Blocks to simulate, and how.
    SimulatePayload,
    /// Blocks as they would be, with the results of their calls.
    SimulatedBlocks,
    /// The block, and the transaction in it, after which calls are made.
    StateContext,
    /// Accounts that a call sees differently.
    StateOverrides,
    /// A slot of up to 32 bytes.
    Slot,
    /// Slots.
    Slots,
    /// A subscription's id.
    SubscriptionId,
    /// What to subscribe to.
    SubscriptionKind,
    /// What of it: a log filter, or whether whole transactions.
    SubscriptionParams,
    /// How far the node is behind, or `false`.
    Syncing,
    /// A word or a sentence.
    Text,
    /// What to trace.
    TraceTypes,
    /// A transaction that need not be signed or complete.
    TransactionRequest,
    /// A transaction; null if unknown.
    TransactionOrNull,
}

impl Method {
    /// How it is called: its parameters' names, those with `?` may be left out.
    pub(crate) fn usage(&self) -> impl fmt::Display {
        fmt::from_fn(|f| {
            for (index, param) in self.params.iter().enumerate() {
                let comma = if index == 0 { "" } else { ", " };
                let mark = if param.required { "" } else { "?" };
                write!(f, "{comma}{}{mark}", param.name)?;
            }
            Ok(())
        })
    }
}

/// All methods, sorted by name.
static METHODS: LazyLock<Vec<&'static Method>> = LazyLock::new(|| {
    let mut methods: Vec<&'static Method> = [
        eth::DOCS,
        &[net::DOCS],
        &[web3::DOCS],
        &[clique::DOCS],
        &[txpool::DOCS],
        &[admin::DOCS],
        &[rpc::DOCS],
        debug::DOCS,
        trace::DOCS,
    ]
    .into_iter()
    .flatten()
    .copied()
    .flatten()
    .collect();
    methods.sort_unstable_by_key(|method| method.name);
    methods
});

/// All methods, sorted by name.
pub(crate) fn all() -> impl Iterator<Item = &'static Method> {
    METHODS.iter().copied()
}

/// The description of a method; `None` for unknown methods.
pub(crate) fn of(method: &str) -> Option<&'static Method> {
    let index = METHODS
        .binary_search_by_key(&method, |known| known.name)
        .ok()?;
    METHODS.get(index).copied()
}

#[cfg(test)]
mod tests {
    use super::{METHODS, of};

    #[test]
    fn no_method_is_described_twice() {
        assert!(METHODS.is_sorted_by(|left, right| left.name < right.name));
    }

    #[test]
    fn finds_each_method_and_no_other() {
        for method in METHODS.iter() {
            assert_eq!(of(method.name).map(|found| found.name), Some(method.name));
        }
        assert!(of("eth_coinbase").is_none());
        assert!(of("").is_none());
    }

    #[test]
    fn every_method_is_in_a_namespace() {
        for method in METHODS.iter() {
            assert!(
                crate::Namespace::of(method.name).is_some(),
                "{}",
                method.name
            );
        }
    }

    #[test]
    fn optional_parameters_come_last() {
        for method in METHODS.iter() {
            let required = method.params.iter().map(|param| param.required);
            assert!(required.is_sorted_by(|left, right| left >= right));
        }
    }

    #[test]
    fn usage_marks_what_may_be_left_out() {
        let method = of("eth_getBalance").expect("a method");
        assert_eq!(method.usage().to_string(), "address, block?");
    }
}
