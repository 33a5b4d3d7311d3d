//! The methods as an OpenRPC document, from which tools make clients and tests.

mod requests;
mod results;
mod schemas;

use serde_json::{Value, json};

use self::schemas::Schemas;
use crate::{
    Namespaces,
    doc::{self, Method, Param},
};

/// The version of the OpenRPC specification that the document follows.
const OPENRPC_VERSION: &str = "1.3.2";

/// The document of all methods in `namespaces`, sorted by name.
pub(crate) fn document(namespaces: Namespaces) -> Value {
    let mut schemas = Schemas::default();
    let methods: Vec<Value> = doc::all()
        .filter(|method| namespaces.serve(method.name))
        .map(|method| describe(method, &mut schemas))
        .collect();
    json!({
        "openrpc": OPENRPC_VERSION,
        "info": {
            "title": "Wattline JSON-RPC",
            "description": "Ethereum's JSON-RPC as a node of Wattline serves it on this listener.",
            "license": {"name": env!("CARGO_PKG_LICENSE")},
            "version": env!("CARGO_PKG_VERSION"),
        },
        "methods": methods,
        "components": {"schemas": schemas.defined()},
    })
}

fn describe(method: &Method, schemas: &mut Schemas) -> Value {
    let params: Vec<Value> = method
        .params
        .iter()
        .map(
            |Param {
                 name,
                 schema,
                 required,
             }| {
                json!({"name": name, "required": required, "schema": schemas.at(*schema)})
            },
        )
        .collect();
    json!({
        "name": method.name,
        "summary": method.summary,
        "paramStructure": "by-position",
        "params": params,
        "result": {"name": "result", "schema": schemas.at(method.result)},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn every_reference_leads_to_a_schema() {
        let document = document(Namespaces::ALL);
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > doc::all().count());
        for target in found {
            let schema = target
                .strip_prefix('#')
                .and_then(|pointer| document.pointer(pointer));
            assert!(schema.is_some_and(Value::is_object), "{target}");
        }
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
}
