//! What the server has to know of the methods that it serves.

use std::{collections::HashMap, fmt, sync::Arc};

use crate::metrics::MethodMetrics;

/// One method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Method {
    /// Its name.
    pub name: &'static str,
    /// The group that it belongs to, which a listener serves or not.
    pub group: &'static str,
    /// How it is called, for errors about parameters: their names, such as `address, block?`.
    pub usage: String,
    /// Whether requests for such methods that follow each other in a batch are answered together,
    /// not one after the other.
    pub batched: bool,
    /// Whether it needs a connection on which the server can push.
    pub subscription: bool,
}

/// The methods that there are. To clients, one that is not among them does not exist.
#[derive(Debug, Default)]
pub struct MethodTable {
    methods: HashMap<&'static str, Entry>,
    /// Calls of methods that are not in the table.
    pub(crate) unknown: MethodMetrics,
}

/// A method, with the count of its calls.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) method: Method,
    pub(crate) metrics: MethodMetrics,
}

impl MethodTable {
    pub(crate) fn get(&self, name: &str) -> Option<&Entry> {
        self.methods.get(name)
    }

    /// All groups of the methods.
    pub fn groups(&self) -> Groups {
        self.methods
            .values()
            .map(|entry| entry.method.group)
            .collect()
    }
}

impl FromIterator<Method> for MethodTable {
    fn from_iter<I: IntoIterator<Item = Method>>(methods: I) -> Self {
        let entries = methods.into_iter().map(|method| {
            let entry = Entry {
                metrics: MethodMetrics::new(method.name),
                method,
            };
            (entry.method.name, entry)
        });
        Self {
            methods: entries.collect(),
            unknown: MethodMetrics::default(),
        }
    }
}

/// A set of groups of methods. Every request carries that of its listener among its extensions.
#[derive(Clone, PartialEq, Eq)]
pub struct Groups(Arc<[&'static str]>);

impl Groups {
    /// Whether a group is in the set.
    pub fn contains(&self, group: &str) -> bool {
        self.0.contains(&group)
    }
}

impl Default for Groups {
    /// None.
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl FromIterator<&'static str> for Groups {
    fn from_iter<I: IntoIterator<Item = &'static str>>(groups: I) -> Self {
        let mut groups: Vec<_> = groups.into_iter().collect();
        groups.sort_unstable();
        groups.dedup();
        Self(groups.into())
    }
}

impl fmt::Display for Groups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        f.write_str(&self.0.join(","))
    }
}

impl fmt::Debug for Groups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_each_group_once() {
        let groups: Groups = ["web3", "eth", "web3"].into_iter().collect();
        assert_eq!(groups.to_string(), "eth,web3");
        assert!(groups.contains("eth") && !groups.contains("e"));
        assert_eq!(Groups::default().to_string(), "none");
    }
}
