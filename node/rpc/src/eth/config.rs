//! What the chain's rules are (EIP-7910).

use alloy_eips::{
    eip2124::ForkHash,
    eip7840::BlobParams,
    eip7910::{EthConfig, EthForkConfig, SystemContract},
};
use alloy_evm::{Evm as _, precompiles::Precompile as _};
use jsonrpsee::{core::RpcResult, core::async_trait, proc_macros::rpc};
use revm::database::EmptyDB;

use crate::shared::backend::Backend;

#[rpc(server, namespace = "eth")]
trait Config {
    #[method(name = "config")]
    async fn config(&self) -> RpcResult<EthConfig>;
}

/// The methods of this file.
pub(super) fn methods(backend: Backend) -> impl Into<jsonrpsee::Methods> {
    ConfigServer::into_rpc(Handler(backend))
}

struct Handler(Backend);

#[async_trait]
impl ConfigServer for Handler {
    async fn config(&self) -> RpcResult<EthConfig> {
        // All forks are active from genesis and none is planned, so there is no other to tell of.
        Ok(EthConfig {
            current: current(&self.0),
            next: None,
            last: None,
        })
    }
}

fn current(backend: &Backend) -> EthForkConfig {
    let spec = backend.chain().spec();
    let evm = backend.chain().evm();
    let header = spec.genesis_header();
    let env = evm.evm_env(header, header.beneficiary);
    let evm = evm.evm(EmptyDB::new(), env);
    let precompiles = evm.precompiles();
    let alloc = &spec.genesis().alloc;
    // Of a beacon chain's contracts, this chain calls those that keep hashes, where the genesis
    // has them. Deposits and requests do nothing here.
    let system_contracts = SystemContract::cancun()
        .into_iter()
        .chain(SystemContract::prague(None))
        .filter(|(name, address)| {
            matches!(
                name,
                SystemContract::BeaconRoots | SystemContract::HistoryStorage
            ) && alloc
                .get(address)
                .is_some_and(|account| account.code.is_some())
        })
        .collect();
    EthForkConfig {
        activation_time: 0,
        // No block has room for a blob; their price moves as Osaka's would.
        blob_schedule: BlobParams {
            target_blob_count: 0,
            max_blob_count: 0,
            max_blobs_per_tx: 0,
            ..BlobParams::osaka()
        },
        chain_id: spec.chain_id(),
        fork_id: ForkHash::from(spec.genesis_hash()).0.into(),
        precompiles: precompiles
            .addresses()
            .filter_map(|address| {
                let name = precompiles.get(address)?.precompile_id().name().to_owned();
                Some((name, *address))
            })
            .collect(),
        system_contracts,
    }
}
