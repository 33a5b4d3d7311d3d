//! What `rpc_discover` answers, from which tools make clients and tests.

use std::{collections::BTreeSet, sync::LazyLock};

use serde_json::{Map, Value};

use super::{TEXT, find};
use crate::Namespaces;

/// Where the document has its schemas.
const SCHEMAS: &str = "#/components/schemas/";

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(TEXT).expect("the document is part of the program, and tested")
});

/// The document of all methods in `namespaces` and of the schemas that they refer to.
pub(crate) fn document(namespaces: Namespaces) -> Value {
    let mut document = DOCUMENT.clone();
    document["info"]["version"] = env!("CARGO_PKG_VERSION").into();
    if let Some(methods) = document["methods"].as_array_mut() {
        methods.retain(|method| {
            let method = method["name"].as_str().and_then(find);
            method.is_some_and(|method| namespaces.contains(method.namespace))
        });
    }
    let mut needed = BTreeSet::new();
    if let Some(schemas) = DOCUMENT["components"]["schemas"].as_object() {
        add_references(&document["methods"], schemas, &mut needed);
    }
    if let Some(schemas) = document["components"]["schemas"].as_object_mut() {
        schemas.retain(|name, _| needed.contains(name));
    }
    document
}

/// Adds the names of the schemas that `value` refers to, be it through others.
fn add_references(value: &Value, schemas: &Map<String, Value>, found: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => {
            for item in items {
                add_references(item, schemas, found);
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                let target = field.as_str().filter(|_| name == "$ref");
                let target = target.and_then(|target| target.strip_prefix(SCHEMAS));
                match target {
                    Some(target) if found.insert(target.to_owned()) => {
                        if let Some(schema) = schemas.get(target) {
                            add_references(schema, schemas, found);
                        }
                    }
                    Some(_) => {}
                    None => add_references(field, schemas, found),
                }
            }
        }
        _ => {}
    }
}
