//! Holds the answers to the schemas that Ethereum's clients share: the OpenRPC document of
//! ethereum/execution-apis, of which `tests/data/execution-apis` keeps the facts.

mod document;
mod everything;
mod requests;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use self::{
    document::Document,
    everything::Everything,
    requests::{Answer, Request, requests},
};
use crate::client::Served;

/// Methods of the document that the node does not serve, and why.
const NOT_SERVED: &[(&str, &str)] = &[
    ("debug_getRawBlockAccessList", NO_ACCESS_LISTS),
    (
        "eth_baseFee",
        "the base fee is constant; every header and eth_feeHistory tell it",
    ),
    (
        "eth_capabilities",
        "every node keeps everything: there is nothing to route by",
    ),
    (
        "eth_coinbase",
        "the account that seals is the signer: clique_getSigner",
    ),
    (
        "eth_fillTransaction",
        "the node has no keys; wallets fill in what they sign",
    ),
    ("eth_getBlockAccessList", NO_ACCESS_LISTS),
    (
        "eth_getStorageValues",
        "eth_getStorageAt in a batch says the same",
    ),
];

const NO_ACCESS_LISTS: &str = "EIP-7928 is not part of the chain's rules";

/// Namespaces of the document that the node does not serve, and why.
const NOT_SERVED_NAMESPACES: &[(&str, &str)] = &[
    (
        "engine_",
        "blocks are sealed by Clique signers, not by a consensus client",
    ),
    (
        "testing_",
        "builds blocks for the document's own test vectors",
    ),
];

/// Where an answer departs from the document on purpose, or the document from itself: method, what
/// the check says of it, and why.
const DIFFERENCES: &[(&str, &str, &str)] = &[
    (
        "eth_feeHistory",
        "\"baseFeePerGas\" is a required property",
        "of no blocks there are no fees; geth leaves the field out, too",
    ),
    ("eth_getLogs", "[] is valid under more than one", EMPTY),
    (
        "eth_getFilterChanges",
        "[] is valid under more than one",
        EMPTY,
    ),
    (
        "eth_simulateV1",
        "\"error\":{\"code\":-32015,\"message\":\"invalid opcode: INVALID\"}} is not valid",
        "the schema wants `vm execution error`, the document's own examples have the EVM's words",
    ),
];

const EMPTY: &str = "an empty list may be one of hashes or one of logs";

const FORGOTTEN: &str =
    "the document does not say that it must be given, but of what else is the count?";

/// Parameters that must be given or not, other than the document says: method, position, and why.
const PARAMETER_DIFFERENCES: &[(&str, usize, &str)] = &[
    (
        "eth_feeHistory",
        2,
        "percentiles may be left out, as with every client",
    ),
    ("eth_getBlockTransactionCountByHash", 0, FORGOTTEN),
    ("eth_getBlockTransactionCountByNumber", 0, FORGOTTEN),
];

fn not_served(method: &str) -> bool {
    NOT_SERVED.iter().any(|(name, _)| *name == method)
        || NOT_SERVED_NAMESPACES
            .iter()
            .any(|(prefix, _)| method.starts_with(prefix))
}

/// Asks all `requests` in their order and returns what is wrong with the answers.
async fn check(
    node: &Served,
    document: &Document,
    own: &Document,
    requests: Vec<Request>,
) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut kept: BTreeMap<&str, Value> = BTreeMap::new();
    let mut used = BTreeSet::new();
    for mut request in requests {
        if not_served(request.method) {
            continue;
        }
        for param in request.params.as_array_mut().into_iter().flatten() {
            if let Some(value) = param.as_str().and_then(|name| kept.get(name)) {
                *param = value.clone();
            }
        }
        let said = document.params_errors(request.method, &request.params);
        assert!(
            said.is_empty() || request.beyond,
            "{request}: the document would not ask like this: {said:?}"
        );
        let answer = node.answer(request.method, request.params.clone()).await;
        let mut complain = |what: String| wrong.push(format!("{request}: {what}\n  {answer}"));
        match (request.answer, answer.get("result")) {
            (Answer::Error(code), None) => {
                if answer["error"]["code"] != code {
                    complain(format!("the code is not {code}"));
                }
            }
            (Answer::Nothing, Some(Value::Null)) => {}
            (Answer::Value, Some(result)) if !result.is_null() => {
                let said = match request.schema {
                    Some(schema) => document.schema_errors(schema, result),
                    None => document.result_errors(request.method, result),
                };
                for error in said {
                    let known = DIFFERENCES.iter().position(|(method, what, _)| {
                        *method == request.method && error.contains(what)
                    });
                    match known {
                        Some(index) => {
                            used.insert(index);
                        }
                        None => complain(error),
                    }
                }
                for error in own.result_errors(request.method, result) {
                    complain(format!("rpc_discover says otherwise: {error}"));
                }
                if let Some(name) = request.keep {
                    kept.insert(name, result.clone());
                }
            }
            (expected, _) => complain(format!("not {expected:?}")),
        }
    }
    for (index, (method, what, _)) in DIFFERENCES.iter().enumerate() {
        if !used.contains(&index) {
            wrong.push(format!(
                "{method}: {what}: of no answer any more, strike it"
            ));
        }
    }
    wrong
}

#[tokio::test]
async fn answers_have_the_shapes_of_the_document() {
    let document = Document::read();
    let story = Everything::new();
    let node = story.serve().await;
    let requests = requests(&story);

    let asked: BTreeSet<&str> = requests.iter().map(|request| request.method).collect();
    for method in document.methods() {
        assert!(
            asked.contains(method) || not_served(method),
            "{method} is in the document: ask for it in requests.rs, or say in NOT_SERVED why not"
        );
    }
    for method in &asked {
        assert!(
            document.methods().any(|known| known == *method),
            "the document does not know {method}"
        );
    }
    let own = Document::of_node(&node).await;
    let wrong = check(&node, &document, &own, requests).await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn what_is_said_not_to_be_served_is_not() {
    let document = Document::read();
    let node = Everything::new().serve().await;
    for (method, reason) in NOT_SERVED {
        assert!(!reason.is_empty());
        assert!(
            document.methods().any(|known| known == *method),
            "the document does not know {method}"
        );
    }
    for method in document.methods().filter(|method| not_served(method)) {
        let answer = node.answer(method, json!([])).await;
        assert_eq!(
            answer["error"]["code"], -32601,
            "{method} is served now: take it out of NOT_SERVED"
        );
    }
}

#[tokio::test]
async fn parameters_are_those_of_the_document() {
    let document = Document::read();
    let node = Everything::new().serve().await;
    let own = Document::of_node(&node).await;
    let mut different = Vec::new();
    for method in document.methods().filter(|method| !not_served(method)) {
        let (theirs, ours) = (document.params(method), own.params(method));
        assert!(
            ours.len() >= theirs.len(),
            "{method} has {} parameters, not {}",
            ours.len(),
            theirs.len()
        );
        for (index, (name, _, required)) in ours.iter().enumerate() {
            // What the document does not know must not be needed.
            let wanted = theirs.get(index).is_some_and(|(_, _, required)| *required);
            if *required != wanted {
                different.push((method, index, *name));
            }
        }
    }
    let known = |method: &str, index: usize| {
        PARAMETER_DIFFERENCES
            .iter()
            .any(|(known, at, _)| *known == method && *at == index)
    };
    for (method, index, name) in &different {
        assert!(
            known(method, *index),
            "{method}: the document says otherwise of whether {name} must be given"
        );
    }
    for (method, index, _) in PARAMETER_DIFFERENCES {
        let found = different
            .iter()
            .any(|(name, at, _)| name == method && at == index);
        assert!(
            found,
            "{method}, parameter {index}: no difference any more, strike it"
        );
    }
}
