//! Why the network did not start.

use std::{io, net::SocketAddr};

use crate::deny::DenyError;

/// Why the network did not start.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// The address for peers is taken, or is not this machine's.
    #[error("cannot listen for peers on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The file of denied keys cannot be read.
    #[error(transparent)]
    Denied(#[from] DenyError),
    /// A channel's messages do not fit into what a connection carries.
    #[error("messages of {bytes} bytes are too large: a connection carries at most {limit}")]
    MessageSize {
        /// Bytes of the largest message of all channels.
        bytes: usize,
        /// Most bytes.
        limit: u32,
    },
}
