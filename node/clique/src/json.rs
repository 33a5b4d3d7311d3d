//! The JSON forms in which geth writes a snapshot's sets and maps.

use serde::{Deserialize, Deserializer, Serializer};

/// A set of addresses as an object from address to `{}`.
pub(crate) mod signers {
    use super::{Deserialize, Deserializer, Serializer};
    use alloy_primitives::Address;
    use std::collections::{BTreeMap, BTreeSet};

    #[derive(serde::Serialize, Deserialize)]
    struct Empty {}

    pub(crate) fn serialize<S: Serializer>(
        set: &BTreeSet<Address>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_map(set.iter().map(|address| (address, Empty {})))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeSet<Address>, D::Error> {
        let map = BTreeMap::<Address, Empty>::deserialize(deserializer)?;
        Ok(map.into_keys().collect())
    }
}

/// `null`, which Go writes for an empty list, or a list.
pub(crate) fn null_as_empty<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
