//! The `eth` namespace, one file per kind of question.

mod blocks;
mod call;
mod fees;
mod filters;
mod logs;
mod proof;
mod pubsub;
mod state;
mod submit;

use jsonrpsee::{RpcModule, core::RegisterMethodError};

use crate::{doc::Method, node::Node};

/// The methods of the namespace, described, by file.
pub(crate) const DOCS: &[&[Method]] = &[
    blocks::DOCS,
    state::DOCS,
    call::DOCS,
    logs::DOCS,
    filters::DOCS,
    proof::DOCS,
    fees::DOCS,
    submit::DOCS,
    pubsub::DOCS,
];

/// All methods of the namespace.
pub(crate) fn methods(node: &Node) -> Result<RpcModule<()>, RegisterMethodError> {
    let mut module = RpcModule::new(());
    module.merge(blocks::methods(node.clone()))?;
    module.merge(state::methods(node.clone()))?;
    module.merge(call::methods(node.clone()))?;
    module.merge(logs::methods(node.clone()))?;
    module.merge(filters::methods(node.clone()))?;
    module.merge(proof::methods(node.clone()))?;
    module.merge(fees::methods(node.clone()))?;
    module.merge(submit::methods(node.clone()))?;
    module.merge(pubsub::methods(node.clone()))?;
    Ok(module)
}
