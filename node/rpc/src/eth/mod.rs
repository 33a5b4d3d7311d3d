//! The `eth` namespace, one file per kind of question.

mod blocks;
mod call;
mod fees;
mod logs;
mod pubsub;
mod simulation;
mod state;
mod submit;

use jsonrpsee::{RpcModule, core::RegisterMethodError};

use crate::node::Node;

/// All methods of the namespace.
pub(crate) fn methods(node: &Node) -> Result<RpcModule<()>, RegisterMethodError> {
    let mut module = RpcModule::new(());
    module.merge(blocks::methods(node.clone()))?;
    module.merge(state::methods(node.clone()))?;
    module.merge(call::methods(node.clone()))?;
    module.merge(logs::methods(node.clone()))?;
    module.merge(fees::methods(node.clone()))?;
    module.merge(submit::methods(node.clone()))?;
    module.merge(pubsub::methods(node.clone()))?;
    Ok(module)
}
