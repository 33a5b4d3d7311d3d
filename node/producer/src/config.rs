use alloy_primitives::B256;

/// What its operator decides about a producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerConfig {
    /// The 32 bytes that open the `extraData` of every block sealed here. No rule reads them; the
    /// default is the version of the software.
    pub vanity: B256,
    /// The block gas limit to move to, as fast as the rules allow: by less than 1/1024 per block.
    /// `None` keeps the parent's.
    pub gas_limit: Option<u64>,
}

impl Default for ProducerConfig {
    fn default() -> Self {
        let version = concat!("wattline/", env!("CARGO_PKG_VERSION")).as_bytes();
        let version = version.get(..32).unwrap_or(version);
        Self {
            vanity: B256::right_padding_from(version),
            gas_limit: None,
        }
    }
}
