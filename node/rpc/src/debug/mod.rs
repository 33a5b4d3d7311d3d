//! The `debug` namespace, one file per kind of question.

mod calls;
mod options;
mod raw;
mod storage;
mod transactions;

use jsonrpsee::{RpcModule, core::RegisterMethodError};

use crate::node::Node;

/// All methods of the namespace.
pub(crate) fn methods(node: &Node) -> Result<RpcModule<()>, RegisterMethodError> {
    let mut module = RpcModule::new(());
    module.merge(transactions::methods(node.clone()))?;
    module.merge(calls::methods(node.clone()))?;
    module.merge(raw::methods(node.clone()))?;
    module.merge(storage::methods(node.clone()))?;
    Ok(module)
}
