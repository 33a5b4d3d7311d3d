//! The `rpc` namespace: what the listener serves.

use std::collections::BTreeMap;

use jsonrpsee::{Extensions, core::RpcResult, proc_macros::rpc};
use serde_json::Value;
use wattline_rpc_server::Groups;

use crate::{Namespace, Namespaces, methods};

/// The version of every namespace, as geth gives it.
const VERSION: &str = "1.0";

#[rpc(server, namespace = "rpc")]
trait Rpc {
    #[method(name = "modules", with_extensions)]
    fn modules(&self) -> RpcResult<BTreeMap<&'static str, &'static str>>;

    #[method(name = "discover", with_extensions)]
    fn discover(&self) -> RpcResult<Value>;
}

/// All methods of the namespace.
pub(crate) fn methods() -> impl Into<jsonrpsee::Methods> {
    RpcServer::into_rpc(Handler)
}

struct Handler;

/// What the listener serves on which a request came.
fn served(extensions: &Extensions) -> Namespaces {
    extensions
        .get::<Groups>()
        .map_or(Namespaces::NONE, Namespaces::from)
}

impl RpcServer for Handler {
    fn modules(&self, extensions: &Extensions) -> RpcResult<BTreeMap<&'static str, &'static str>> {
        let namespaces = served(extensions).iter();
        Ok(namespaces
            // Part of another one, as clients see it.
            .filter(|namespace| *namespace != Namespace::CliqueVote)
            .map(|namespace| (namespace.name(), VERSION))
            .collect())
    }

    fn discover(&self, extensions: &Extensions) -> RpcResult<Value> {
        Ok(methods::document(served(extensions)))
    }
}
