//! The methods, as `methods.json` describes them.
//!
//! That file is an OpenRPC document and the only list of what there is: `rpc_discover` answers it,
//! errors about parameters quote it, and the tables of `docs/rpc.md` are made from it. Besides
//! OpenRPC's fields a method has these:
//!
//! | field | meaning |
//! | --- | --- |
//! | `x-namespace` | the group to which it belongs, which a listener serves or not |
//! | `x-batched` | requests that follow each other in a batch are answered together |
//! | `x-subscription` | it needs a connection on which the node can push |

mod document;
pub(crate) mod namespace;
#[cfg(test)]
mod tests;

use std::{fmt, sync::LazyLock};

use serde::Deserialize;

use crate::Namespace;

pub(crate) use document::document;

/// The document in which the methods are described.
const TEXT: &str = include_str!("../../methods.json");

/// One method.
#[derive(Debug, Deserialize)]
pub(crate) struct Method {
    /// Its name, with the namespace.
    pub(crate) name: String,
    /// The group to which it belongs.
    #[serde(rename = "x-namespace")]
    pub(crate) namespace: Namespace,
    /// Whether requests that follow each other in a batch are answered together.
    #[serde(rename = "x-batched", default)]
    pub(crate) batched: bool,
    /// Whether it needs a connection on which the node can push.
    #[serde(rename = "x-subscription", default)]
    pub(crate) subscription: bool,
    /// Its parameters in order.
    params: Vec<Param>,
}

/// One parameter.
#[derive(Debug, Deserialize)]
struct Param {
    /// What it is, in words of the API.
    name: String,
    /// Whether it must be given. Those behind an optional one are optional too.
    required: bool,
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
static METHODS: LazyLock<Vec<Method>> = LazyLock::new(|| {
    #[derive(Deserialize)]
    struct Document {
        methods: Vec<Method>,
    }
    let document: Document =
        serde_json::from_str(TEXT).expect("the document is part of the program, and tested");
    document.methods
});

/// All methods, sorted by name.
pub(crate) fn all() -> impl Iterator<Item = &'static Method> {
    METHODS.iter()
}

/// The method of this name; `None` if there is none.
pub(crate) fn find(name: &str) -> Option<&'static Method> {
    let index = METHODS
        .binary_search_by_key(&name, |method| &method.name)
        .ok()?;
    METHODS.get(index)
}
