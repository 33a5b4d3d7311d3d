//! Why answers differ, and the page that says so.

use std::{collections::BTreeSet, fmt::Write as _};

use eyre::OptionExt;
use serde::Deserialize;

use super::{compare::Difference, read};

/// What stands before the tables.
const HEAD: &str = "\
# Differences from anvil

For developers who come from anvil, and for those who wonder what is ours. A test brings a node and anvil
({version}) into the same state, with the same accounts, contracts and transactions in the same blocks, sends both
the same {asked} requests and compares the answers. They agree but for what stands here: the test fails on a
difference that is not in these tables, and on a row of which no answer is an example any more. Block hashes,
which no two such chains share, are compared by the numbers of their blocks.

`…` stands for anything, *absent* for a field that is not there. An error is shown with its code. This page is
made from `node/wattline/tests/e2e/anvil/differences.json`; edit that file, then run

```sh
UPDATE_DOCS=1 cargo test -p wattline --test e2e anvil
```
";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    title: String,
    rows: Vec<Row>,
}

/// Differences with one reason.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    /// Names, in which `*` stands for any letters.
    methods: Vec<String>,
    /// Pointers into the answer, likewise; empty: the whole answer.
    at: Vec<String>,
    /// In which `…` stands for anything.
    ours: String,
    anvil: String,
    why: String,
}

/// All explanations, and which of them were needed.
pub(crate) struct Explanations {
    sections: Vec<Section>,
    /// Section, row, and the method's or place's pattern.
    used: BTreeSet<(usize, usize, String)>,
}

impl Explanations {
    pub(crate) fn read() -> eyre::Result<Self> {
        Ok(Self {
            sections: read("differences.json")?,
            used: BTreeSet::new(),
        })
    }

    /// Whether a row explains the difference; the first that does is noted as needed.
    pub(crate) fn explain(&mut self, method: &str, difference: &Difference) -> bool {
        for (section, rows) in self.sections.iter().enumerate() {
            for (index, row) in rows.rows.iter().enumerate() {
                let name = row.methods.iter().find(|name| fits(name, '*', method));
                let place = row.at.iter().find(|at| fits(at, '*', &difference.at));
                let (Some(name), Some(place)) = (name, place) else {
                    continue;
                };
                if fits(&row.ours, '…', &difference.ours)
                    && fits(&row.anvil, '…', &difference.anvil)
                {
                    self.used.insert((section, index, name.clone()));
                    self.used.insert((section, index, place.clone()));
                    return true;
                }
            }
        }
        false
    }

    /// Rows, methods and places that no answer needed.
    pub(crate) fn idle(&self) -> Vec<String> {
        let mut idle = Vec::new();
        for (section, rows) in self.sections.iter().enumerate() {
            for (index, row) in rows.rows.iter().enumerate() {
                for pattern in row.methods.iter().chain(&row.at) {
                    if !self.used.contains(&(section, index, pattern.clone())) {
                        idle.push(format!("{}, {}: {pattern}", rows.title, row.why));
                    }
                }
            }
        }
        idle
    }

    /// The page.
    pub(crate) fn page(&self, asked: usize) -> eyre::Result<String> {
        let head = HEAD.replace("{asked}", &asked.to_string());
        let mut page = head.replace("{version}", &anvil_version()?);
        for section in &self.sections {
            let _ = write!(page, "\n## {}\n\n", section.title);
            page.push_str("| method | what | ours | anvil | why |\n");
            page.push_str("| --- | --- | --- | --- | --- |\n");
            for row in &section.rows {
                let methods: Vec<_> = row.methods.iter().map(|name| code(name)).collect();
                let places: Vec<_> = row.at.iter().map(|at| place(at)).collect();
                let _ = writeln!(
                    page,
                    "| {} | {} | {} | {} | {} |",
                    methods.join(", "),
                    places.join(", "),
                    code(&row.ours),
                    code(&row.anvil),
                    row.why
                );
            }
        }
        Ok(page)
    }
}

/// The version of anvil that the contracts' tools name.
fn anvil_version() -> eyre::Result<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../contracts/package.json");
    let package: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path)?)?;
    let version = package["devDependencies"]["@foundry-rs/anvil"].as_str();
    Ok(version
        .ok_or_eyre("package.json names no anvil")?
        .to_owned())
}

fn place(at: &str) -> String {
    match at {
        "" => "answer".to_owned(),
        "/error" => "error".to_owned(),
        "/error/data" => "error data".to_owned(),
        _ => {
            let inner = at.trim_start_matches("/result").trim_start_matches('/');
            if inner.is_empty() {
                "result".to_owned()
            } else {
                code(inner)
            }
        }
    }
}

fn code(text: &str) -> String {
    match text {
        "absent" => "*absent*".to_owned(),
        "…" => "…".to_owned(),
        _ => format!("`{}`", text.replace('|', "\\|")),
    }
}

/// Whether `text` is like `pattern`, in which `any` stands for any text.
fn fits(pattern: &str, any: char, text: &str) -> bool {
    let mut parts = pattern.split(any);
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let parts: Vec<_> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.len() >= last.len() && rest.ends_with(last)
}

#[test]
fn patterns_fit_what_they_stand_for() {
    for (pattern, text, expected) in [
        ("a", "a", true),
        ("a", "ab", false),
        ("a*", "ab", true),
        ("*b", "ab", true),
        ("a*c*e", "abcde", true),
        ("a*e*c", "abcde", false),
        ("ab*ba", "aba", false),
        ("*", "", true),
        ("", "", true),
    ] {
        assert_eq!(fits(pattern, '*', text), expected, "{pattern} {text}");
    }
}
