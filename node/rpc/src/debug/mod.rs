//! The `debug` namespace, one file per kind of question.

mod calls;
mod options;
mod raw;
mod storage;
mod transactions;

use jsonrpsee::{RpcModule, core::RegisterMethodError};

use crate::shared::backend::Backend;

/// All methods of the namespace.
pub(crate) fn methods(backend: &Backend) -> Result<RpcModule<()>, RegisterMethodError> {
    let mut module = RpcModule::new(());
    module.merge(transactions::methods(backend.clone()))?;
    module.merge(calls::methods(backend.clone()))?;
    module.merge(raw::methods(backend.clone()))?;
    module.merge(storage::methods(backend.clone()))?;
    Ok(module)
}
