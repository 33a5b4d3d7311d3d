use std::{env, fmt::Write as _, fs, path::Path};

use serde_json::{Value, json};

use super::*;
use crate::Namespaces;

/// What stands before and after the tables in the page.
const BEGIN: &str = "<!-- The tables are made from node/rpc/methods.json; edit that file, then run \
                     `UPDATE_DOCS=1 cargo test -p wattline-rpc --lib`. -->\n";
const END: &str = "\n<!-- End of the tables. -->";

#[test]
fn methods_are_sorted_and_described_once() {
    assert!(METHODS.is_sorted_by(|left, right| left.name < right.name));
}

#[test]
fn finds_each_method_and_no_other() {
    for method in all() {
        let found = find(&method.name).map(|found| &found.name);
        assert_eq!(found, Some(&method.name));
    }
    assert!(find("eth_coinbase").is_none());
    assert!(find("").is_none());
}

#[test]
fn a_method_is_in_the_namespace_that_its_name_begins_with() {
    let mut elsewhere = Vec::new();
    for method in all() {
        let (prefix, _) = method.name.split_once('_').expect("a prefix");
        if prefix != method.namespace.name() {
            elsewhere.push((method.name.as_str(), method.namespace));
        }
    }
    assert_eq!(
        elsewhere,
        [
            // Who may call them decides who seals blocks.
            ("clique_discard", Namespace::CliqueVote),
            ("clique_propose", Namespace::CliqueVote),
            // Another order of the parameters of eth_sign.
            ("personal_sign", Namespace::Eth),
        ]
    );
}

#[test]
fn voting_is_not_reading() {
    let public = |name: &str| {
        let method = find(name).expect("a method");
        Namespaces::PUBLIC.contains(method.namespace)
    };
    assert!(!public("clique_propose"));
    assert!(public("clique_status"));
    assert!(public("eth_call"));
    assert!(!public("debug_traceCall"));
    assert!(find("personal_unlockAccount").is_none());
}

#[test]
fn optional_parameters_come_last() {
    for method in all() {
        let required = method.params.iter().map(|param| param.required);
        assert!(required.is_sorted_by(|left, right| left >= right));
    }
}

#[test]
fn usage_marks_what_may_be_left_out() {
    let method = find("eth_getBalance").expect("a method");
    assert_eq!(method.usage().to_string(), "address, block?");
}

#[test]
fn only_some_are_answered_together_or_pushed() {
    let names = |wanted: fn(&Method) -> bool| -> Vec<_> {
        let methods = all().filter(|method| wanted(method));
        methods.map(|method| method.name.as_str()).collect()
    };
    assert_eq!(names(|method| method.batched), ["eth_sendRawTransaction"]);
    assert_eq!(
        names(|method| method.subscription),
        ["eth_subscribe", "eth_unsubscribe"]
    );
}

/// The targets of all references.
fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        Value::Object(fields) => {
            for (name, field) in fields {
                match field.as_str().filter(|_| name == "$ref") {
                    Some(target) => found.push(target),
                    None => references(field, found),
                }
            }
        }
        _ => {}
    }
}

#[test]
fn every_reference_leads_to_a_schema_and_every_schema_is_referred_to() {
    let document = document(Namespaces::ALL);
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > all().count());
    for target in found {
        let schema = target
            .strip_prefix('#')
            .and_then(|pointer| document.pointer(pointer));
        assert!(schema.is_some_and(Value::is_object), "{target}");
    }
    let text: Value = serde_json::from_str(TEXT).expect("JSON");
    assert_eq!(document["components"], text["components"]);
}

#[test]
fn a_listener_describes_only_what_it_serves() {
    let names = |document: &Value| -> Vec<String> {
        let methods = document["methods"].as_array().expect("a list");
        let names = methods.iter().map(|method| method["name"].as_str());
        names.map(|name| name.expect("a name").to_owned()).collect()
    };
    let web3 = document("web3".parse().expect("a namespace"));
    assert_eq!(names(&web3), ["web3_clientVersion", "web3_sha3"]);
    let schemas = web3["components"]["schemas"].as_object().expect("schemas");
    assert!(schemas.keys().eq(["Bytes", "Hash", "Text"]));
    let public = names(&document(Namespaces::PUBLIC));
    assert!(public.contains(&"clique_status".to_owned()));
    assert!(!public.contains(&"clique_propose".to_owned()));
    // What others are made of is there, too.
    let eth = document("eth".parse().expect("a namespace"));
    assert!(eth["components"]["schemas"]["AccessList"].is_object());
}

#[test]
fn a_method_is_described_in_full() {
    let document = document(Namespaces::ALL);
    let methods = document["methods"].as_array().expect("a list");
    let method = methods
        .iter()
        .find(|method| method["name"] == "eth_getBalance");
    assert_eq!(
        method.expect("a method"),
        &json!({
            "name": "eth_getBalance",
            "summary": "The balance of an account in wei.",
            "x-namespace": "eth",
            "paramStructure": "by-position",
            "params": [
                {
                    "name": "address",
                    "required": true,
                    "schema": {"$ref": "#/components/schemas/Address"},
                },
                {
                    "name": "block",
                    "required": false,
                    "schema": {"$ref": "#/components/schemas/Block"},
                },
            ],
            "result": {
                "name": "result",
                "schema": {"$ref": "#/components/schemas/Quantity"},
            },
        })
    );
}

/// The methods of each namespace in a table.
fn tables() -> String {
    let document = document(Namespaces::ALL);
    let mut page = String::new();
    for namespace in Namespace::ALL {
        let _ = write!(
            page,
            "\n### {namespace}\n\n| method | parameters | what it does |\n| --- | --- | --- |\n"
        );
        for described in document["methods"].as_array().expect("a list") {
            let name = described["name"].as_str().expect("a name");
            let method = find(name).expect("a method");
            if method.namespace != namespace {
                continue;
            }
            let texts = ["summary", "description"].map(|field| described[field].as_str());
            let text: Vec<_> = texts.into_iter().flatten().collect();
            let _ = writeln!(
                page,
                "| `{name}` | {} | {} |",
                method.usage(),
                text.join(" ")
            );
        }
    }
    page
}

#[test]
fn the_page_has_the_tables() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/rpc.md");
    let page = fs::read_to_string(&path).expect("docs/rpc.md can be read");
    let (before, rest) = page.split_once(BEGIN).expect("docs/rpc.md has the mark");
    let (_, after) = rest.split_once(END).expect("docs/rpc.md has the end mark");
    let rendered = format!("{before}{BEGIN}{}{END}{after}", tables());
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &rendered).expect("docs/rpc.md can be written");
    } else {
        assert!(
            page == rendered,
            "docs/rpc.md is not what methods.json says: run this test with UPDATE_DOCS=1"
        );
    }
}
