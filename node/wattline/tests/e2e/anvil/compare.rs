//! Where two answers differ.

use std::fmt;

use serde_json::Value;

use super::short;

/// One place where two answers differ.
pub(crate) struct Difference {
    /// JSON pointer into the answer.
    pub(crate) at: String,
    pub(crate) ours: String,
    pub(crate) anvil: String,
}

impl Difference {
    fn new(at: &str, ours: String, anvil: String) -> Self {
        Self {
            at: at.to_owned(),
            ours,
            anvil,
        }
    }

    /// Where it is, whatever the positions in lists.
    pub(crate) fn kind(&self) -> String {
        let parts = self.at.split('/').map(|part| {
            if part.parse::<usize>().is_ok() {
                "*"
            } else {
                part
            }
        });
        parts.collect::<Vec<_>>().join("/")
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ours {} | anvil {}", self.at, self.ours, self.anvil)
    }
}

/// All differences between two answers. An error is one value, its code and message together.
pub(crate) fn differences(ours: &Value, theirs: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    match (ours.get("error"), theirs.get("error")) {
        (Some(left), Some(right)) => {
            let (ours, anvil) = (error(left), error(right));
            if ours != anvil {
                found.push(Difference::new("/error", ours, anvil));
            }
            compare(
                "/error/data",
                left.get("data"),
                right.get("data"),
                &mut found,
            );
        }
        (None, None) => compare(
            "/result",
            ours.get("result"),
            theirs.get("result"),
            &mut found,
        ),
        (left, right) => {
            let side = |answer: &Value, failed: Option<&Value>| match failed {
                Some(failed) => format!("error {}", error(failed)),
                None => answer.get("result").map_or("absent".to_owned(), short),
            };
            found.push(Difference::new("", side(ours, left), side(theirs, right)));
        }
    }
    found
}

fn error(error: &Value) -> String {
    format!("{} {}", error["code"], short(&error["message"]))
}

fn compare(at: &str, ours: Option<&Value>, theirs: Option<&Value>, found: &mut Vec<Difference>) {
    let show = |value: Option<&Value>| value.map_or("absent".to_owned(), short);
    match (ours, theirs) {
        (Some(Value::Object(left)), Some(Value::Object(right))) => {
            let added = right.keys().filter(|key| !left.contains_key(*key));
            for key in left.keys().chain(added) {
                compare(&format!("{at}/{key}"), left.get(key), right.get(key), found);
            }
        }
        (Some(Value::Array(left)), Some(Value::Array(right))) if left.len() == right.len() => {
            for (index, (left, right)) in left.iter().zip(right).enumerate() {
                compare(&format!("{at}/{index}"), Some(left), Some(right), found);
            }
        }
        (Some(Value::Array(left)), Some(Value::Array(right))) => found.push(Difference::new(
            at,
            format!("{} items", left.len()),
            format!("{} items", right.len()),
        )),
        (left, right) if left == right => {}
        (left, right) => found.push(Difference::new(at, show(left), show(right))),
    }
}

#[test]
fn each_kind_of_difference_is_found() {
    use serde_json::json;
    let found = |ours: Value, theirs: Value| -> Vec<String> {
        differences(&ours, &theirs)
            .iter()
            .map(ToString::to_string)
            .collect()
    };
    let same = json!({"result": {"a": [1, {"b": null}]}});
    assert!(found(same.clone(), same.clone()).is_empty());
    assert_eq!(
        found(same.clone(), json!({"result": {"a": [1, {"c": "x"}]}})),
        [
            "/result/a/1/b: ours null | anvil absent",
            "/result/a/1/c: ours absent | anvil x"
        ]
    );
    assert_eq!(
        found(same, json!({"result": {"a": []}})),
        ["/result/a: ours 2 items | anvil 0 items"]
    );
    let error = |code: i64, message: &str| json!({"error": {"code": code, "message": message}});
    assert_eq!(
        found(error(3, "no"), error(-1, "no")),
        ["/error: ours 3 no | anvil -1 no"]
    );
    assert_eq!(
        found(json!({"result": null}), error(-1, "no")),
        [": ours null | anvil error -1 no"]
    );
}
