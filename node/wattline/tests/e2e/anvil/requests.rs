//! What is asked, and what the names in it stand for.

use std::{collections::BTreeMap, fmt};

use eyre::OptionExt;
use serde::Deserialize;
use serde_json::{Value, json};

use wattline_testing::{
    rpc::{Peer, substitute},
    story::Story,
};

use super::read;

/// Requests about one matter.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    #[serde(rename = "about")]
    _about: String,
    /// Names with the values that each of them takes in turn.
    #[serde(default)]
    each: BTreeMap<String, Vec<Value>>,
    /// Method and parameters.
    requests: Vec<(String, Value)>,
}

/// One request, still with names.
pub(crate) struct Request {
    pub(crate) method: String,
    params: Value,
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.params)
    }
}

/// All requests in order.
pub(crate) fn requests() -> eyre::Result<Vec<Request>> {
    let groups: Vec<Group> = read("requests.json")?;
    let mut all = Vec::new();
    for group in groups {
        let mut choices = vec![BTreeMap::new()];
        for (name, values) in group.each {
            choices = choices
                .iter()
                .flat_map(|choice| {
                    values.iter().map(|value| {
                        let mut choice = choice.clone();
                        choice.insert(name.clone(), value.clone());
                        choice
                    })
                })
                .collect();
        }
        for choice in choices {
            for (method, params) in &group.requests {
                let method = substitute(&json!(method), &choice);
                all.push(Request {
                    method: method.as_str().unwrap_or_default().to_owned(),
                    params: substitute(params, &choice),
                });
            }
        }
    }
    Ok(all)
}

/// What names stand for at one node, and its block hashes, which no two nodes share.
pub(crate) struct Names {
    names: BTreeMap<String, Value>,
    hashes: BTreeMap<String, Value>,
}

impl Names {
    /// Reads all blocks: `$hash.2` is the hash of block 2, `$at.legacy` and `$in.legacy` are number
    /// and hash of the block with that transaction.
    pub(crate) async fn of(story: &Story, peer: &Peer, head: u64) -> eyre::Result<Self> {
        let mut names = story.names.clone();
        let mut hashes = BTreeMap::new();
        for number in 0..=head {
            let params = json!([format!("0x{number:x}"), false]);
            let mut block = peer.result("eth_getBlockByNumber", params).await?;
            let hash = block["hash"].take();
            let text = hash.as_str().ok_or_eyre("a block without a hash")?;
            hashes.insert(text.to_owned(), format!("hash of block {number}").into());
            for tx in block["transactions"].as_array().into_iter().flatten() {
                for (name, _) in story.names.iter().filter(|(_, known)| *known == tx) {
                    if let Some(name) = name.strip_prefix("$tx.") {
                        names.insert(format!("$at.{name}"), format!("0x{number:x}").into());
                        names.insert(format!("$in.{name}"), hash.clone());
                    }
                }
            }
            names.insert(format!("$hash.{number}"), hash);
        }
        Ok(Self { names, hashes })
    }

    /// Asks, and returns the answer with words in the place of block hashes.
    pub(crate) async fn ask(&self, peer: &Peer, request: &Request) -> eyre::Result<Value> {
        let params = substitute(&request.params, &self.names);
        let answer = peer.ask(&request.method, &params).await?;
        Ok(substitute(&answer, &self.hashes))
    }
}
