//! Why a filter cannot be polled.

/// Why a filter cannot be polled.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    /// No such filter, or nobody has polled it for too long, or it does not give what was asked.
    #[error("filter not found")]
    NotFound,
}
