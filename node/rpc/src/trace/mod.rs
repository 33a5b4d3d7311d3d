//! The `trace` namespace as Parity and OpenEthereum had it, one file per kind of question.

mod calls;
mod chain;
mod replays;
mod results;
mod vm;

use jsonrpsee::{RpcModule, core::RegisterMethodError};

use crate::node::Node;

/// All methods of the namespace.
pub(crate) fn methods(node: &Node) -> Result<RpcModule<()>, RegisterMethodError> {
    let mut module = RpcModule::new(());
    module.merge(chain::methods(node.clone()))?;
    module.merge(replays::methods(node.clone()))?;
    module.merge(calls::methods(node.clone()))?;
    Ok(module)
}
