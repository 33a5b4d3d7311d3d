//! The methods, handed to the server.

use jsonrpsee::{RpcModule, core::RegisterMethodError};
use rayon::ThreadPoolBuildError;
use wattline_rpc_server::{Method, MethodTable, RpcServerError, RpcServerHandle};

use crate::{
    RpcConfig, RpcContext, admin, clique, consensus, debug, eth, methods as described, net, rpc,
    shared::backend::Backend, trace, txpool, web3,
};

/// Why JSON-RPC could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The system gives no threads.
    #[error(
        "cannot start the threads of JSON-RPC: {0}; free some, or raise the limit of processes"
    )]
    Threads(#[from] ThreadPoolBuildError),
    /// Two methods of one name: a fault of this program.
    #[error("cannot register the JSON-RPC methods: {0}")]
    Methods(#[from] RegisterMethodError),
    /// A listener cannot start.
    #[error(transparent)]
    Server(#[from] RpcServerError),
}

/// Opens all listeners and serves them until the handle is stopped or dropped.
///
/// # Errors
///
/// [`StartError`] if one of them cannot start.
pub async fn serve(config: RpcConfig, context: RpcContext) -> Result<RpcServerHandle, StartError> {
    let node = Backend::new(context, &config)?;
    let handle = wattline_rpc_server::serve(config.server, methods(&node)?, table()).await?;
    node.listens_on(handle.local_addr());
    Ok(handle)
}

/// What the server has to know of each method.
fn table() -> MethodTable {
    let methods = described::all().map(|method| Method {
        name: &method.name,
        group: method.namespace.name(),
        usage: method.usage().to_string(),
        batched: method.batched,
        subscription: method.subscription,
    });
    methods.collect()
}

/// All methods of all namespaces. Each listener serves those that its configuration names.
fn methods(node: &Backend) -> Result<RpcModule<()>, RegisterMethodError> {
    let mut module = RpcModule::new(());
    module.merge(eth::methods(node)?)?;
    module.merge(net::methods(node.clone()))?;
    module.merge(web3::methods(node.clone()))?;
    module.merge(clique::methods(node.clone()))?;
    module.merge(consensus::methods(node.clone()))?;
    module.merge(debug::methods(node)?)?;
    module.merge(trace::methods(node)?)?;
    module.merge(txpool::methods(node.clone()))?;
    module.merge(admin::methods(node.clone()))?;
    module.merge(rpc::methods())?;
    Ok(module)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use wattline_chain::test_utils::{Forge, Signers, TestGenesis};
    use wattline_pool::{Pool, PoolConfig};

    use super::*;
    use crate::Namespaces;

    #[test]
    fn described_methods_are_the_registered_ones() {
        let signers = Signers::new(1);
        let forge = Forge::new(TestGenesis::new(signers.addresses()), signers);
        let chain = forge.chain().clone();
        let (storage, evm) = (chain.storage().clone(), chain.evm().clone());
        let context = RpcContext {
            chain,
            pool: Pool::open(PoolConfig::default(), None, storage, evm).expect("a pool opens"),
            producer: None,
            agreement: None,
            peers: None,
            dev_accounts: Vec::new(),
        };
        let node = Backend::new(context, &RpcConfig::new(([127, 0, 0, 1], 0).into()))
            .expect("the system gives threads");
        let methods = methods(&node).expect("each name is registered once");
        let registered: BTreeSet<_> = methods.method_names().collect();
        let names: BTreeSet<_> = described::all()
            .map(|method| method.name.as_str())
            .collect();
        assert_eq!(registered, names);

        let document = described::document(Namespaces::ALL);
        let documented = document["methods"].as_array().expect("a list");
        let documented = documented.iter().map(|method| method["name"].as_str());
        assert!(documented.eq(registered.into_iter().map(Some)), "sorted");
    }
}
