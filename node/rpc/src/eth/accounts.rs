//! Accounts that the node signs for: those of a development chain, whose keys are public.

use alloy_consensus::{SignableTransaction as _, TypedTransaction};
use alloy_dyn_abi::TypedData;
use alloy_eips::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind};
use alloy_rpc_types_eth::TransactionRequest;
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use jsonrpsee::{core::RpcResult, core::async_trait, proc_macros::rpc};
use parking_lot::Mutex;
use serde_json::Value;
use wattline_pool::PoolError;
use wattline_primitives::TransactionSigned;

use super::{call::estimate, fees::suggest_tip, state::next_nonce};
use crate::{
    RpcError,
    execution::call::{CallExecutor, Overrides},
    shared::{
        backend::Backend,
        error::{SignerError, SubmitError},
    },
};

/// Types of one EIP-712 document, and dimensions of one of its arrays. Both are resolved
/// recursively.
const MAX_TYPES: usize = 64;
const MAX_ARRAY_DIMENSIONS: usize = 16;

#[rpc(server, namespace = "eth")]
trait Accounts {
    #[method(name = "accounts")]
    async fn accounts(&self) -> RpcResult<Vec<Address>>;

    #[method(name = "sendTransaction")]
    async fn send_transaction(&self, request: TransactionRequest) -> RpcResult<B256>;

    #[method(name = "signTransaction")]
    async fn sign_transaction(&self, request: TransactionRequest) -> RpcResult<Bytes>;

    #[method(name = "sign")]
    async fn sign(&self, address: Address, message: Bytes) -> RpcResult<Bytes>;

    #[method(name = "signTypedData")]
    async fn sign_typed_data(&self, address: Address, data: Value) -> RpcResult<Bytes>;

    #[method(name = "signTypedData_v4")]
    async fn sign_typed_data_v4(&self, address: Address, data: Value) -> RpcResult<Bytes>;
}

/// What libraries call for a message that a user signs: `eth_sign` the other way round.
#[rpc(server, namespace = "personal")]
trait Personal {
    #[method(name = "sign")]
    async fn sign(
        &self,
        message: Bytes,
        address: Address,
        password: Option<String>,
    ) -> RpcResult<Bytes>;
}

/// The methods of this file.
pub(super) fn methods(backend: Backend) -> impl Into<jsonrpsee::Methods> {
    AccountsServer::into_rpc(Handler {
        backend,
        nonces: std::sync::Arc::default(),
    })
}

/// The method of this file whose name does not begin with `eth`.
pub(super) fn personal_methods(backend: Backend) -> impl Into<jsonrpsee::Methods> {
    PersonalServer::into_rpc(Handler {
        backend,
        nonces: std::sync::Arc::default(),
    })
}

struct Handler {
    backend: Backend,
    /// Held from choosing a nonce until the pool has the transaction.
    nonces: std::sync::Arc<Mutex<()>>,
}

#[async_trait]
impl AccountsServer for Handler {
    async fn accounts(&self) -> RpcResult<Vec<Address>> {
        let accounts = self.backend.dev_accounts().iter();
        Ok(accounts.map(PrivateKeySigner::address).collect())
    }

    async fn send_transaction(&self, request: TransactionRequest) -> RpcResult<B256> {
        let signer = self.signer(request.from)?;
        let request = self.with_gas(request).await?;
        let nonces = self.nonces.clone();
        let hash = self.backend.read(move |backend, reader| {
            let _guard = nonces.lock();
            let nonce = next_nonce(backend, reader, signer.address())?;
            let transaction = sign(&signer, request, nonce)?;
            Ok(backend.pool().add(transaction).map_err(SubmitError::from)?)
        });
        Ok(hash.await?)
    }

    async fn sign_transaction(&self, request: TransactionRequest) -> RpcResult<Bytes> {
        let signer = self.signer(request.from)?;
        let request = self.with_gas(request).await?;
        let bytes = self.backend.read(move |backend, reader| {
            let nonce = next_nonce(backend, reader, signer.address())?;
            Ok(sign(&signer, request, nonce)?.encoded_2718().into())
        });
        Ok(bytes.await?)
    }

    async fn sign(&self, address: Address, message: Bytes) -> RpcResult<Bytes> {
        let signer = self.signer(Some(address))?;
        Ok(as_bytes(signer.sign_message_sync(&message))?)
    }

    async fn sign_typed_data(&self, address: Address, data: Value) -> RpcResult<Bytes> {
        let signer = self.signer(Some(address))?;
        let hash = typed_data_hash(data)?;
        Ok(as_bytes(signer.sign_hash_sync(&hash))?)
    }

    async fn sign_typed_data_v4(&self, address: Address, data: Value) -> RpcResult<Bytes> {
        self.sign_typed_data(address, data).await
    }
}

#[async_trait]
impl PersonalServer for Handler {
    async fn sign(
        &self,
        message: Bytes,
        address: Address,
        _password: Option<String>,
    ) -> RpcResult<Bytes> {
        AccountsServer::sign(self, address, message).await
    }
}

impl Handler {
    fn signer(&self, address: Option<Address>) -> Result<PrivateKeySigner, RpcError> {
        let address = address.ok_or_else(|| {
            RpcError::InvalidParams("from is missing: it names the account that signs".to_owned())
        })?;
        let accounts = self.backend.dev_accounts();
        let found = accounts.iter().find(|known| known.address() == address);
        found
            .cloned()
            .ok_or(RpcError::Signer(SignerError::UnknownAccount {
                address,
                development: !accounts.is_empty(),
            }))
    }

    /// The transaction with everything but a nonce.
    async fn with_gas(
        &self,
        mut request: TransactionRequest,
    ) -> Result<TransactionRequest, RpcError> {
        let chain_id = self.backend.chain().spec().chain_id();
        let found = *request.chain_id.get_or_insert(chain_id);
        if found != chain_id {
            return Err(RpcError::InvalidParams(format!(
                "chainId does not match node's (have={found}, want={chain_id})"
            )));
        }
        let input = request.input.clone().try_into_unique_input();
        let input = input.map_err(|error| RpcError::InvalidParams(error.to_string()))?;
        if request.to.is_none_or(|to| to.is_create()) {
            if input.as_ref().is_none_or(|code| code.is_empty()) {
                return Err(RpcError::InvalidParams(
                    "contract creation without any data provided".to_owned(),
                ));
            }
            request.to = Some(TxKind::Create);
        }
        request.input = input.into();
        if request.has_eip4844_fields() {
            return Err(SubmitError::from(PoolError::BlobRefused).into());
        }
        self.set_fees(&mut request).await?;
        if request.gas.is_none() {
            let backend = self.backend.clone();
            let unfilled = request.clone();
            let gas = self.backend.workers().call(move |stop| {
                let reader = backend.chain().storage().reader()?;
                let executor =
                    CallExecutor::new(&backend, &reader, None, Overrides::default(), stop)?;
                estimate(executor, unfilled, backend.limits().call_gas)
            });
            request.gas = Some(gas.await?);
        }
        Ok(request)
    }

    /// Fees where the client gives none, so that the transaction outbids a doubled base fee.
    async fn set_fees(&self, request: &mut TransactionRequest) -> Result<(), RpcError> {
        if request.gas_price.is_some() {
            if request.max_fee_per_gas.is_some() || request.max_priority_fee_per_gas.is_some() {
                return Err(RpcError::InvalidParams(
                    "both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified".to_owned(),
                ));
            }
            return Ok(());
        }
        let base_fee = u128::from(self.backend.chain().spec().base_fee_per_gas());
        let tip = match request.max_priority_fee_per_gas {
            Some(tip) => tip,
            None => {
                let suggested = self.backend.read(|_, reader| suggest_tip(reader)).await?;
                request
                    .max_fee_per_gas
                    .map_or(suggested, |most| suggested.min(most))
            }
        };
        request.max_priority_fee_per_gas = Some(tip);
        request
            .max_fee_per_gas
            .get_or_insert(base_fee.saturating_mul(2).saturating_add(tip));
        Ok(())
    }
}

/// Signs a transaction that wants only a nonce, unless the client gave one.
fn sign(
    signer: &PrivateKeySigner,
    mut request: TransactionRequest,
    nonce: u64,
) -> Result<TransactionSigned, RpcError> {
    request.nonce.get_or_insert(nonce);
    let typed = request.build_typed_tx().map_err(|_| {
        RpcError::InvalidParams(
            "the fields make no transaction: check type, fees and authorizationList".to_owned(),
        )
    })?;
    let signature = signer
        .sign_hash_sync(&typed.signature_hash())
        .map_err(cannot_sign)?;
    match typed {
        TypedTransaction::Legacy(tx) => Ok(tx.into_signed(signature).into()),
        TypedTransaction::Eip2930(tx) => Ok(tx.into_signed(signature).into()),
        TypedTransaction::Eip1559(tx) => Ok(tx.into_signed(signature).into()),
        TypedTransaction::Eip7702(tx) => Ok(tx.into_signed(signature).into()),
        TypedTransaction::Eip4844(_) => Err(SubmitError::from(PoolError::BlobRefused).into()),
    }
}

fn as_bytes(signature: alloy_signer::Result<Signature>) -> Result<Bytes, RpcError> {
    Ok(signature.map_err(cannot_sign)?.as_bytes().into())
}

#[allow(clippy::needless_pass_by_value, reason = "it maps an error")]
fn cannot_sign(error: alloy_signer::Error) -> RpcError {
    RpcError::Internal(format!("cannot sign: {error}"))
}

/// What is signed for a document of EIP-712, which may come as an object or as its text.
fn typed_data_hash(data: Value) -> Result<B256, RpcError> {
    let invalid = |reason: &dyn std::fmt::Display| {
        RpcError::InvalidParams(format!("invalid typed data: {reason}"))
    };
    let data = match data {
        Value::String(text) => serde_json::from_str(&text).map_err(|error| invalid(&error))?,
        data => data,
    };
    if let Some(types) = data.get("types").and_then(Value::as_object) {
        if types.len() > MAX_TYPES {
            return Err(invalid(&format!(
                "{} types, limit {MAX_TYPES}",
                types.len()
            )));
        }
        let names = types
            .values()
            .filter_map(Value::as_array)
            .flatten()
            .filter_map(|field| field.get("type")?.as_str());
        let deepest = names.map(|name| name.matches('[').count()).max();
        if deepest.is_some_and(|deepest| deepest > MAX_ARRAY_DIMENSIONS) {
            return Err(invalid(&format!(
                "an array of more than {MAX_ARRAY_DIMENSIONS} dimensions"
            )));
        }
    }
    let data: TypedData = serde_json::from_value(data).map_err(|error| invalid(&error))?;
    data.eip712_signing_hash().map_err(|error| invalid(&error))
}
