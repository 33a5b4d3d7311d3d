//! The `trace` namespace as Parity and OpenEthereum had it, one file per kind of question.

mod calls;
mod chain;
mod replays;
mod results;
mod vm;

use jsonrpsee::{RpcModule, core::RegisterMethodError};

use crate::shared::backend::Backend;

/// All methods of the namespace.
pub(crate) fn methods(backend: &Backend) -> Result<RpcModule<()>, RegisterMethodError> {
    let mut module = RpcModule::new(());
    module.merge(chain::methods(backend.clone()))?;
    module.merge(replays::methods(backend.clone()))?;
    module.merge(calls::methods(backend.clone()))?;
    Ok(module)
}
