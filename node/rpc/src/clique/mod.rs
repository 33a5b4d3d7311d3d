//! The `clique` namespace: signers, their votes and how they take turns.

use std::collections::BTreeMap;

use alloy_consensus::{BlockHeader as _, Header};
use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_rlp::Decodable;
use jsonrpsee::{core::RpcResult, core::async_trait, proc_macros::rpc};
use serde::{Deserialize, Deserializer, Serialize, de};
use wattline_clique::{DIFFICULTY_IN_TURN, Snapshot, recover_signer};
use wattline_primitives::SealedHeader;
use wattline_storage::Reader;

use crate::{
    RpcError,
    shared::{
        backend::Backend,
        block_id,
        error::{LookupError, SignerError},
    },
};

/// Latest blocks that `clique_status` looks at.
const STATUS_BLOCKS: u64 = 64;

#[rpc(server, namespace = "clique")]
trait Clique {
    #[method(name = "getSigners")]
    async fn signers(&self, block: Option<BlockNumberOrTag>) -> RpcResult<Vec<Address>>;

    #[method(name = "getSignersAtHash")]
    async fn signers_at_hash(&self, hash: B256) -> RpcResult<Vec<Address>>;

    #[method(name = "getSnapshot")]
    async fn snapshot(&self, block: Option<BlockNumberOrTag>) -> RpcResult<Snapshot>;

    #[method(name = "getSnapshotAtHash")]
    async fn snapshot_at_hash(&self, hash: B256) -> RpcResult<Snapshot>;

    #[method(name = "getSigner")]
    async fn signer(&self, block: Option<BlockOrHeader>) -> RpcResult<Address>;

    #[method(name = "status")]
    async fn status(&self) -> RpcResult<Status>;

    #[method(name = "propose")]
    async fn propose(&self, address: Address, authorize: bool) -> RpcResult<()>;

    #[method(name = "proposals")]
    async fn proposals(&self) -> RpcResult<BTreeMap<Address, bool>>;

    #[method(name = "discard")]
    async fn discard(&self, address: Address) -> RpcResult<()>;
}

/// All methods of the namespace.
pub(crate) fn methods(backend: Backend) -> impl Into<jsonrpsee::Methods> {
    CliqueServer::into_rpc(Handler(backend))
}

/// How the signers took turns in the latest blocks.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Status {
    /// How many of the blocks were sealed in turn, in percent.
    inturn_percent: f64,
    /// Blocks by signer; zero for signers who sealed none.
    sealing_activity: BTreeMap<Address, u64>,
    /// How many blocks were looked at.
    num_blocks: u64,
}

/// A block parameter, or the RLP of a header that need not be on the chain.
#[derive(Clone, Debug)]
pub(crate) enum BlockOrHeader {
    Block(BlockId),
    Header(Bytes),
}

impl<'de> Deserialize<'de> for BlockOrHeader {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        // A header is far longer than any block parameter.
        match value.as_str().filter(|text| text.len() > 66) {
            Some(text) => text.parse().map(Self::Header).map_err(de::Error::custom),
            None => BlockId::deserialize(value)
                .map(Self::Block)
                .map_err(de::Error::custom),
        }
    }
}

struct Handler(Backend);

impl Handler {
    async fn snapshot_of(
        &self,
        find: impl FnOnce(&Reader) -> Result<Option<SealedHeader>, RpcError> + Send + 'static,
    ) -> Result<Snapshot, RpcError> {
        let snapshot = self.0.read(move |backend, reader| {
            let header = find(reader)?.ok_or(LookupError::UnknownBlock)?;
            Ok(backend.chain().snapshot(header.hash())?.as_ref().clone())
        });
        snapshot.await
    }

    async fn snapshot_at(&self, block: Option<BlockNumberOrTag>) -> Result<Snapshot, RpcError> {
        self.snapshot_of(move |reader| {
            let number = block_id::number(reader, block.unwrap_or_default())?;
            Ok(reader.header(number)?)
        })
        .await
    }

    async fn snapshot_by_hash(&self, hash: B256) -> Result<Snapshot, RpcError> {
        self.snapshot_of(move |reader| Ok(reader.header_by_hash(hash)?))
            .await
    }
}

#[async_trait]
impl CliqueServer for Handler {
    async fn signers(&self, block: Option<BlockNumberOrTag>) -> RpcResult<Vec<Address>> {
        Ok(self.snapshot_at(block).await?.signers.into_iter().collect())
    }

    async fn signers_at_hash(&self, hash: B256) -> RpcResult<Vec<Address>> {
        Ok(self
            .snapshot_by_hash(hash)
            .await?
            .signers
            .into_iter()
            .collect())
    }

    async fn snapshot(&self, block: Option<BlockNumberOrTag>) -> RpcResult<Snapshot> {
        Ok(self.snapshot_at(block).await?)
    }

    async fn snapshot_at_hash(&self, hash: B256) -> RpcResult<Snapshot> {
        Ok(self.snapshot_by_hash(hash).await?)
    }

    async fn signer(&self, block: Option<BlockOrHeader>) -> RpcResult<Address> {
        let block = block.unwrap_or(BlockOrHeader::Block(BlockId::latest()));
        let signer = self.0.read(move |_, reader| {
            let header = match block {
                BlockOrHeader::Block(BlockId::Number(number)) => reader
                    .header(block_id::number(reader, number)?)?
                    .ok_or(LookupError::UnknownBlock)?
                    .into_header(),
                BlockOrHeader::Block(BlockId::Hash(hash)) => reader
                    .header_by_hash(hash.block_hash)?
                    .ok_or(LookupError::UnknownBlock)?
                    .into_header(),
                BlockOrHeader::Header(bytes) => decode_header(&bytes)?,
            };
            recover_signer(&header)
                .map_err(|error| RpcError::Signer(SignerError::Seal(error.to_string())))
        });
        Ok(signer.await?)
    }

    async fn status(&self) -> RpcResult<Status> {
        Ok(self.0.read(status).await?)
    }

    async fn propose(&self, address: Address, authorize: bool) -> RpcResult<()> {
        let proposed = self.0.read(move |backend, _| {
            let proposed = backend.producer()?.propose(address, authorize);
            proposed.map_err(SignerError::from)?;
            Ok(())
        });
        Ok(proposed.await?)
    }

    async fn proposals(&self) -> RpcResult<BTreeMap<Address, bool>> {
        Ok(self.0.producer()?.proposals().into_iter().collect())
    }

    async fn discard(&self, address: Address) -> RpcResult<()> {
        self.0.producer()?.discard(address);
        Ok(())
    }
}

fn decode_header(mut bytes: &[u8]) -> Result<Header, RpcError> {
    let invalid = |reason: String| {
        RpcError::InvalidParams(format!(
            "invalid block: expected a number, tag, hash or the RLP of a header: {reason}"
        ))
    };
    let header = Header::decode(&mut bytes).map_err(|error| invalid(error.to_string()))?;
    if bytes.is_empty() {
        Ok(header)
    } else {
        Err(invalid(format!("{} bytes follow the header", bytes.len())))
    }
}

fn status(backend: &Backend, reader: &Reader) -> Result<Status, RpcError> {
    let head = reader.head()?;
    let snapshot = backend.chain().snapshot(head.hash)?;
    let mut activity: BTreeMap<_, _> = snapshot.signers.iter().map(|signer| (*signer, 0)).collect();
    // The genesis block has no signer.
    let first = head.number.saturating_sub(STATUS_BLOCKS - 1).max(1);
    let (mut blocks, mut in_turn) = (0_u64, 0_u64);
    for number in first..=head.number {
        let header = reader.header(number)?.ok_or(LookupError::UnknownBlock)?;
        let signer = recover_signer(&header)
            .map_err(|error| RpcError::Signer(SignerError::Seal(error.to_string())))?;
        *activity.entry(signer).or_default() += 1;
        blocks += 1;
        in_turn += u64::from(header.difficulty() == U256::from(DIFFICULTY_IN_TURN));
    }
    let inturn_percent = if blocks == 0 {
        0.0
    } else {
        (100 * in_turn) as f64 / blocks as f64
    };
    Ok(Status {
        inturn_percent,
        sealing_activity: activity,
        num_blocks: blocks,
    })
}
