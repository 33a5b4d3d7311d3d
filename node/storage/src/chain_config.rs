//! The chain's settings, as the genesis file's `config` has them. The genesis hash does not cover
//! them, and yet blocks are valid by them alone.

use serde_json::Value;

use crate::error::{StorageError, StorageResult};

/// Compares the settings that a database was created with to those it is opened with. The order
/// of keys and white space do not matter.
///
/// # Errors
/// [`StorageError::ConfigMismatch`] with the first setting that differs, and
/// [`StorageError::Decode`] if what is stored is not JSON.
pub(crate) fn check(stored: &[u8], configured: &str) -> StorageResult<()> {
    if stored == configured.as_bytes() {
        return Ok(());
    }
    let found = serde_json::from_slice(stored).map_err(|error| StorageError::Decode {
        table: "Meta",
        reason: error.to_string(),
    })?;
    let expected = serde_json::from_str(configured).unwrap_or(Value::Null);
    match difference(&found, &expected) {
        None => Ok(()),
        Some((key, found, expected)) => Err(StorageError::ConfigMismatch {
            key,
            found: found.to_string(),
            expected: expected.to_string(),
        }),
    }
}

/// The first value that differs: its path and both values, null where there is none.
fn difference<'a>(found: &'a Value, expected: &'a Value) -> Option<(String, &'a Value, &'a Value)> {
    if found == expected {
        return None;
    }
    let (Value::Object(a), Value::Object(b)) = (found, expected) else {
        return Some((String::new(), found, expected));
    };
    a.keys().chain(b.keys()).find_map(|key| {
        let value = |map: &'a serde_json::Map<String, Value>| map.get(key).unwrap_or(&Value::Null);
        let (path, found, expected) = difference(value(a), value(b))?;
        let separator = if path.is_empty() { "" } else { "." };
        Some((format!("{key}{separator}{path}"), found, expected))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_setting_that_differs_is_named() {
        let stored = br#"{"chainId": 1, "clique": {"period": 1, "epoch": 5}}"#;
        check(stored, r#"{"clique":{"epoch":5,"period":1},"chainId":1}"#).unwrap();
        let named = |configured| check(stored, configured).unwrap_err().to_string();
        assert!(
            named(r#"{"chainId":1,"clique":{"period":2,"epoch":5}}"#).starts_with(
                "the data directory holds a chain whose `config.clique.period` is 1, but this \
                 node is configured with 2: "
            )
        );
        assert!(
            named(r#"{"chainId":1,"clique":{"period":1,"epoch":5},"wattline":{}}"#)
                .contains("`config.wattline` is null, but this node is configured with {}")
        );
    }
}
