//! The `eth` namespace, one file per kind of question.

mod access_list;
mod accounts;
mod blocks;
mod call;
mod call_many;
mod config;
mod fees;
mod filters;
mod logs;
mod proof;
mod pubsub;
mod simulate;
mod state;
mod submit;
mod transactions;

use jsonrpsee::{RpcModule, core::RegisterMethodError};

use crate::node::Node;

/// All methods of the namespace.
pub(crate) fn methods(node: &Node) -> Result<RpcModule<()>, RegisterMethodError> {
    let mut module = RpcModule::new(());
    module.merge(blocks::methods(node.clone()))?;
    module.merge(transactions::methods(node.clone()))?;
    module.merge(state::methods(node.clone()))?;
    module.merge(call::methods(node.clone()))?;
    module.merge(call_many::methods(node.clone()))?;
    module.merge(access_list::methods(node.clone()))?;
    module.merge(simulate::methods(node.clone()))?;
    module.merge(logs::methods(node.clone()))?;
    module.merge(filters::methods(node.clone()))?;
    module.merge(proof::methods(node.clone()))?;
    module.merge(fees::methods(node.clone()))?;
    module.merge(config::methods(node.clone()))?;
    module.merge(accounts::methods(node.clone()))?;
    module.merge(accounts::personal_methods(node.clone()))?;
    module.merge(submit::methods(node.clone()))?;
    module.merge(pubsub::methods(node.clone()))?;
    Ok(module)
}
