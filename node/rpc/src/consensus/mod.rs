//! The `consensus` namespace: how blocks became final, and who broke the rules of that.

use alloy_eips::BlockId;
use alloy_primitives::{BlockNumber, Bytes, U64};
use jsonrpsee::{core::RpcResult, core::async_trait, proc_macros::rpc};
use serde::Serialize;
use wattline_storage::Reader;

use crate::{
    RpcError,
    shared::{
        agreement::{RpcAgreementStatus, RpcCertificate, RpcEvidence},
        backend::Backend,
        block_id,
        error::LookupError,
    },
};

/// Most headers in one answer.
const MAX_HEADERS: u64 = 1_024;
/// Records of evidence in one answer, unless fewer are asked for.
const MAX_EVIDENCE: usize = 100;

#[rpc(server, namespace = "consensus")]
trait Consensus {
    #[method(name = "getFinalization")]
    async fn finalization(&self, block: BlockId) -> RpcResult<Option<Finalization>>;

    #[method(name = "getEvidence")]
    async fn evidence(&self, from: Option<U64>, limit: Option<U64>) -> RpcResult<Vec<RpcEvidence>>;

    #[method(name = "status")]
    fn status(&self) -> RpcResult<Option<RpcAgreementStatus>>;
}

/// All methods of the namespace.
pub(crate) fn methods(backend: Backend) -> impl Into<jsonrpsee::Methods> {
    ConsensusServer::into_rpc(Handler(backend))
}

/// Why a block is final: a certificate, and how the block leads to the one that it is of.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Finalization {
    #[serde(flatten)]
    certificate: RpcCertificate,
    /// The RLP of the headers from the block that was asked for to the one with the certificate.
    headers: Vec<Bytes>,
}

struct Handler(Backend);

#[async_trait]
impl ConsensusServer for Handler {
    async fn finalization(&self, block: BlockId) -> RpcResult<Option<Finalization>> {
        let found = self.0.read(move |backend, reader| {
            let (Some(agreement), Some(number)) =
                (backend.agreement(), block_id::find(reader, block)?)
            else {
                return Ok(None);
            };
            let Some(certificate) = agreement.finalization(number)? else {
                return Ok(None);
            };
            // The certificate may be of a block that came after this reader's view of the chain.
            let reader = backend.chain().storage().reader()?;
            let headers = headers(&reader, number, certificate.block_number.to())?;
            Ok(Some(Finalization {
                certificate,
                headers,
            }))
        });
        Ok(found.await?)
    }

    async fn evidence(&self, from: Option<U64>, limit: Option<U64>) -> RpcResult<Vec<RpcEvidence>> {
        let from = from.unwrap_or_default().to();
        let limit = limit.and_then(|limit| usize::try_from(limit.to::<u64>()).ok());
        let limit = limit.unwrap_or(MAX_EVIDENCE).min(MAX_EVIDENCE);
        let found = self.0.read(move |backend, _| match backend.agreement() {
            Some(agreement) => agreement.evidence(from, limit),
            None => Ok(Vec::new()),
        });
        Ok(found.await?)
    }

    fn status(&self) -> RpcResult<Option<RpcAgreementStatus>> {
        Ok(self.0.agreement().map(|agreement| agreement.status()))
    }
}

/// The RLP of the headers of these blocks, first and last inclusive.
fn headers(reader: &Reader, first: BlockNumber, last: BlockNumber) -> Result<Vec<Bytes>, RpcError> {
    let count = last.saturating_sub(first).saturating_add(1);
    if count > MAX_HEADERS {
        return Err(RpcError::LimitExceeded(format!(
            "the first certificate is that of block {last}, {count} headers from block {first}: \
             expected at most {MAX_HEADERS}; ask for a later block"
        )));
    }
    (first..=last)
        .map(|number| {
            let header = reader.header(number)?.ok_or(LookupError::UnknownBlock)?;
            Ok(alloy_rlp::encode(header.header()).into())
        })
        .collect()
}
