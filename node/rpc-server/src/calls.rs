//! What happens around every call: metrics, a bound on the work of one connection, and errors
//! that say what was expected.

use std::{sync::Arc, time::Instant};

use futures::future::join_all;
use jsonrpsee::{
    BatchResponseBuilder, MethodResponse,
    core::middleware::{Batch, BatchEntry, Notification, RpcServiceT},
    types::{
        ErrorObject, ErrorObjectOwned, Id, Request,
        error::{INVALID_PARAMS_CODE, INVALID_PARAMS_MSG, METHOD_NOT_FOUND_CODE},
    },
};
use serde::Deserialize;
use tokio::sync::Semaphore;

use crate::{
    LIMIT_EXCEEDED_CODE, Method, MethodTable, ServerLimits,
    access::{OverHttp, Unanswered},
    listener::Serves,
};

/// What holds for every connection of a listener.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) table: Arc<MethodTable>,
    pub(crate) limits: ServerLimits,
    pub(crate) serves: Serves,
}

impl Rules {
    /// Whether requests like this that follow each other in a batch are answered together.
    fn batched(&self, request: &Request<'_>) -> bool {
        let known = self.table.get(&request.method);
        known.is_some_and(|known| known.method.batched)
    }

    /// Whether an entry of a batch is such a request.
    fn batched_entry<E>(&self, entry: &Result<BatchEntry<'_>, E>) -> bool {
        matches!(entry, Ok(BatchEntry::Call(request)) if self.batched(request))
    }
}

/// Wraps the methods of one connection.
#[derive(Clone, Debug)]
pub(crate) struct Calls<S> {
    service: S,
    rules: Arc<Rules>,
    in_flight: Arc<Semaphore>,
}

impl<S> Calls<S> {
    pub(crate) fn new(service: S, rules: Arc<Rules>) -> Self {
        let in_flight = Arc::new(Semaphore::new(rules.limits.max_requests_in_flight as usize));
        Self {
            service,
            rules,
            in_flight,
        }
    }
}

impl<S> RpcServiceT for Calls<S>
where
    S: RpcServiceT<
            MethodResponse = MethodResponse,
            BatchResponse = MethodResponse,
            NotificationResponse = MethodResponse,
        > + Clone
        + Send
        + Sync
        + 'static,
{
    type MethodResponse = MethodResponse;
    type NotificationResponse = MethodResponse;
    type BatchResponse = MethodResponse;

    fn call<'a>(
        &self,
        request: Request<'a>,
    ) -> impl Future<Output = Self::MethodResponse> + Send + 'a {
        let this = self.clone();
        async move {
            let Ok(_permit) = this.in_flight.try_acquire() else {
                return this.too_many(request.id.into_owned());
            };
            this.one_of_batch(request).await
        }
    }

    fn batch<'a>(&self, batch: Batch<'a>) -> impl Future<Output = Self::BatchResponse> + Send + 'a {
        let this = self.clone();
        async move {
            let Ok(_permit) = this.in_flight.try_acquire() else {
                return this.too_many(Id::Null);
            };
            let limit = this.rules.limits.max_response_bytes as usize;
            let mut responses = BatchResponseBuilder::new_with_limit(limit);
            let mut notified = false;
            let mut entries = batch.into_iter().peekable();
            while let Some(entry) = entries.next() {
                let response = match entry {
                    Ok(BatchEntry::Call(request)) if this.rules.batched(&request) => {
                        let mut run = vec![this.one_of_batch(request)];
                        while let Some(Ok(BatchEntry::Call(next))) =
                            entries.next_if(|entry| this.rules.batched_entry(entry))
                        {
                            run.push(this.one_of_batch(next));
                        }
                        for response in join_all(run).await {
                            if let Err(too_large) = responses.append(response) {
                                return too_large;
                            }
                        }
                        continue;
                    }
                    Ok(BatchEntry::Call(request)) => this.one_of_batch(request).await,
                    Ok(BatchEntry::Notification(notification)) => {
                        notified = true;
                        this.notification(notification).await;
                        continue;
                    }
                    Err(invalid) => {
                        let (error, id) = invalid.into_parts();
                        MethodResponse::error(id, error)
                    }
                };
                if let Err(too_large) = responses.append(response) {
                    return too_large;
                }
            }
            if responses.is_empty() && notified {
                return unanswered(MethodResponse::notification());
            }
            MethodResponse::from_batch(responses.finish())
        }
    }

    fn notification<'a>(
        &self,
        notification: Notification<'a>,
    ) -> impl Future<Output = Self::NotificationResponse> + Send + 'a {
        let service = self.service.clone();
        async move { unanswered(service.notification(notification).await) }
    }
}

impl<S> Calls<S>
where
    S: RpcServiceT<MethodResponse = MethodResponse> + Send + Sync,
{
    /// Answers a request that has its place among those in flight.
    async fn one_of_batch(&self, request: Request<'_>) -> MethodResponse {
        let started = Instant::now();
        let table = &self.rules.table;
        let known = table.get(&request.method);
        let response = self.answer(request, known.map(|known| &known.method)).await;
        known
            .map_or(&table.unknown, |known| &known.metrics)
            .record(started.elapsed(), response.as_error_code());
        response
    }

    fn too_many(&self, id: Id<'_>) -> MethodResponse {
        let message = format!(
            "too many requests at once on this connection, limit {}: wait for answers",
            self.rules.limits.max_requests_in_flight
        );
        error(id, LIMIT_EXCEEDED_CODE, message)
    }

    async fn answer(&self, mut request: Request<'_>, known: Option<&Method>) -> MethodResponse {
        let id = request.id.clone().into_owned();
        let Some(method) = known else {
            let name: String = request.method.chars().take(128).collect();
            let message = format!("the method {name} does not exist/is not available");
            return error(id, METHOD_NOT_FOUND_CODE, message);
        };
        let over_http = request.extensions.get::<OverHttp>().is_some();
        let served = if over_http {
            &self.rules.serves.http
        } else {
            &self.rules.serves.push
        };
        if !served.contains(method.group) {
            let option = if over_http { "--http.api" } else { "--ws.api" };
            return error(id, METHOD_NOT_FOUND_CODE, off(method, option));
        }
        if method.subscription && over_http {
            let message = "notifications not supported over HTTP: open a WebSocket connection to \
                           the same address";
            return error(id, METHOD_NOT_FOUND_CODE, message.to_owned());
        }
        request.extensions.insert(served.clone());
        let response = self.service.call(request).await;
        if response.as_error_code() == Some(INVALID_PARAMS_CODE) && !response.is_subscription() {
            return explain(id, response, method);
        }
        response
    }
}

fn unanswered(mut response: MethodResponse) -> MethodResponse {
    response.extensions_mut().insert(Unanswered);
    response
}

fn error(id: Id<'_>, code: i32, message: String) -> MethodResponse {
    MethodResponse::error(id, ErrorObjectOwned::owned(code, message, None::<()>))
}

/// Says of a method that exists where it can be had.
fn off(method: &Method, option: &str) -> String {
    let Method { name, group, .. } = method;
    format!(
        "the method {name} does not exist/is not available on this listener, where the namespace \
         {group} is off: use the node's IPC socket or its authenticated port, or let its operator \
         add {group} to {option}"
    )
}

/// Puts what the parser said, and how the method is called, into the message of an error about
/// parameters: few clients show the data of an error.
fn explain(id: Id<'_>, response: MethodResponse, method: &Method) -> MethodResponse {
    #[derive(Deserialize)]
    struct Failed<'a> {
        #[serde(borrow)]
        error: ErrorObject<'a>,
    }
    let Ok(failed) = serde_json::from_str::<Failed<'_>>(response.as_json().get()) else {
        return response;
    };
    if failed.error.message() != INVALID_PARAMS_MSG {
        return response;
    }
    let reason = failed
        .error
        .data()
        .and_then(|data| serde_json::from_str(data.get()).ok());
    let reason: String = reason.unwrap_or_else(|| "wrong parameters".to_owned());
    let reason = if reason == "No more params" {
        "a parameter is missing"
    } else {
        &reason
    };
    // What a parser quotes of the request may be as long as the request.
    let reason: String = reason.chars().take(300).collect();
    let message = format!(
        "invalid params: {reason}; expected {}({})",
        method.name, method.usage
    );
    error(id, INVALID_PARAMS_CODE, message)
}
