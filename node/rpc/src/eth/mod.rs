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

use crate::shared::backend::Backend;

/// All methods of the namespace.
pub(crate) fn methods(backend: &Backend) -> Result<RpcModule<()>, RegisterMethodError> {
    let mut module = RpcModule::new(());
    module.merge(blocks::methods(backend.clone()))?;
    module.merge(transactions::methods(backend.clone()))?;
    module.merge(state::methods(backend.clone()))?;
    module.merge(call::methods(backend.clone()))?;
    module.merge(call_many::methods(backend.clone()))?;
    module.merge(access_list::methods(backend.clone()))?;
    module.merge(simulate::methods(backend.clone()))?;
    module.merge(logs::methods(backend.clone()))?;
    module.merge(filters::methods(backend.clone()))?;
    module.merge(proof::methods(backend.clone()))?;
    module.merge(fees::methods(backend.clone()))?;
    module.merge(config::methods(backend.clone()))?;
    module.merge(accounts::methods(backend.clone()))?;
    module.merge(accounts::personal_methods(backend.clone()))?;
    module.merge(submit::methods(backend.clone()))?;
    module.merge(pubsub::methods(backend.clone()))?;
    Ok(module)
}
