//! Who may talk to the server, and for how long one request may take.

pub(crate) mod token;

use std::{
    convert::Infallible,
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use alloy_rpc_types_engine::JwtSecret;
use http::{HeaderMap, HeaderValue, StatusCode, header, uri::Authority};
use jsonrpsee::{
    core::BoxError,
    server::{HttpBody, HttpRequest, HttpResponse, ws},
};
use tower::{Layer, Service};
use tower_http::cors::{AllowHeaders, Any, CorsLayer};

/// Longest time from the first byte of an HTTP request to its answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(120);

/// Marks requests that came over HTTP, where nothing can be pushed to the client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OverHttp;

/// Marks answers to notifications, which are none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unanswered;

/// How long a browser need not ask again which requests a web page may send.
const PREFLIGHT_AGE: Duration = Duration::from_secs(600);

/// Tells browsers which web pages may read answers; `None` if none may. Such a page may send any
/// header, but the browser adds no cookies or passwords, which no answer depends on.
pub(crate) fn cors(origins: &[String]) -> Result<Option<CorsLayer>, header::InvalidHeaderValue> {
    if origins.is_empty() {
        return Ok(None);
    }
    let layer = CorsLayer::new()
        .allow_methods([http::Method::POST, http::Method::GET])
        // Unlike `*`, this covers `Authorization`, too.
        .allow_headers(AllowHeaders::mirror_request())
        .max_age(PREFLIGHT_AGE);
    if origins.iter().any(|origin| origin == "*") {
        return Ok(Some(layer.allow_origin(Any)));
    }
    let origins: Result<Vec<HeaderValue>, _> =
        origins.iter().map(|origin| origin.parse()).collect();
    Ok(Some(layer.allow_origin(origins?)))
}

/// Refuses requests to names, from web pages and without the token that are not allowed.
#[derive(Clone, Debug)]
pub(crate) struct AccessLayer(Arc<Allowed>);

#[derive(Debug)]
struct Allowed {
    /// What the options that allow more begin with, for errors.
    options: &'static str,
    hosts: Vec<String>,
    origins: Vec<String>,
    /// What the token of each request has to be signed with.
    secret: Option<JwtSecret>,
}

impl AccessLayer {
    pub(crate) fn new(
        options: &'static str,
        hosts: Vec<String>,
        origins: Vec<String>,
        secret: Option<JwtSecret>,
    ) -> Self {
        Self(Arc::new(Allowed {
            options,
            hosts,
            origins,
            secret,
        }))
    }
}

impl<S> Layer<S> for AccessLayer {
    type Service = Access<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Access {
            inner,
            allowed: Arc::clone(&self.0),
        }
    }
}

/// See [`AccessLayer`].
#[derive(Clone, Debug)]
pub(crate) struct Access<S> {
    inner: S,
    allowed: Arc<Allowed>,
}

impl<S, B> Service<HttpRequest<B>> for Access<S>
where
    S: Service<HttpRequest<B>, Response = HttpResponse, Error = BoxError>,
    S::Future: Send + 'static,
{
    type Response = HttpResponse;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: HttpRequest<B>) -> Self::Future {
        let host = request.uri().authority().map(Authority::as_str);
        let host = host
            .or_else(|| text(request.headers(), &header::HOST))
            .unwrap_or_default();
        if !self.allowed.host(host) {
            let options = self.allowed.options;
            return answer(
                StatusCode::FORBIDDEN,
                format!(
                    "invalid host specified: the operator allows other names with \
                     --{options}.vhosts"
                ),
            );
        }
        if let Err(reason) = self.allowed.token(request.headers()) {
            return answer(StatusCode::UNAUTHORIZED, reason);
        }
        let upgrade = ws::is_upgrade_request(&request);
        if upgrade {
            // Browsers let any page open a WebSocket and leave the check to the server.
            let origin = text(request.headers(), &header::ORIGIN);
            if origin.is_some_and(|origin| !self.allowed.origin(origin)) {
                return answer(
                    StatusCode::FORBIDDEN,
                    "origin not allowed: the operator allows others with --http.corsdomain".into(),
                );
            }
            return Box::pin(self.inner.call(request));
        }
        request.extensions_mut().insert(OverHttp);
        let response = tokio::time::timeout(REQUEST_TIMEOUT, self.inner.call(request));
        Box::pin(async move {
            match response.await {
                Ok(response) => response.map(without_answer_to_notifications),
                Err(_) => {
                    let reason = "the request took too long".to_owned();
                    answer(StatusCode::REQUEST_TIMEOUT, reason).await
                }
            }
        })
    }
}

impl Allowed {
    fn host(&self, host: &str) -> bool {
        if self.hosts.iter().any(|allowed| allowed == "*") {
            return true;
        }
        let Ok(authority) = host.parse::<Authority>() else {
            return false;
        };
        let name = authority.host();
        let address = name.trim_start_matches('[').trim_end_matches(']');
        address.parse::<IpAddr>().is_ok()
            || self
                .hosts
                .iter()
                .any(|allowed| allowed.eq_ignore_ascii_case(name))
    }

    /// Checks the token in the headers, if one is asked for.
    fn token(&self, headers: &HeaderMap) -> Result<(), String> {
        let Some(secret) = &self.secret else {
            return Ok(());
        };
        let token = text(headers, &header::AUTHORIZATION)
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .ok_or(
                "missing token: send `Authorization: Bearer TOKEN` with a JSON Web Token (HS256, \
                 with iat) signed with the secret in the node's --authrpc.jwtsecret",
            )?
            .1;
        token::validate(token.trim(), secret).map_err(|error| error.to_string())
    }

    fn origin(&self, origin: &str) -> bool {
        self.origins
            .iter()
            .any(|allowed| allowed == "*" || allowed == origin)
    }
}

/// Empties what would say `null`, which is no JSON-RPC.
fn without_answer_to_notifications(mut response: HttpResponse) -> HttpResponse {
    if response.extensions().get::<Unanswered>().is_some() {
        *response.body_mut() = HttpBody::empty();
        response.headers_mut().remove(header::CONTENT_TYPE);
    }
    response
}

fn text<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn answer(
    status: StatusCode,
    message: String,
) -> Pin<Box<dyn Future<Output = Result<HttpResponse, BoxError>> + Send>> {
    let mut response = HttpResponse::new(HttpBody::from(message));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    Box::pin(async move { Ok::<_, Infallible>(response).map_err(Into::into) })
}

#[cfg(test)]
mod tests {
    use super::Allowed;

    fn allowed(hosts: &[&str], origins: &[&str]) -> Allowed {
        let owned = |list: &[&str]| list.iter().map(|&item| item.to_owned()).collect();
        Allowed {
            options: "http",
            hosts: owned(hosts),
            origins: owned(origins),
            secret: None,
        }
    }

    #[test]
    fn addresses_and_listed_names_are_hosts() {
        let allowed = allowed(&["localhost", "node.example"], &[]);
        for host in [
            "localhost",
            "LocalHost:8545",
            "127.0.0.1:8545",
            "[::1]:8545",
            "node.example",
        ] {
            assert!(allowed.host(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "localhost.evil.example:8545",
            "a b",
            "node.example.evil",
        ] {
            assert!(!allowed.host(host), "{host}");
        }
    }

    #[test]
    fn a_star_allows_everything() {
        let all = allowed(&["*"], &["*"]);
        assert!(all.host("anything.example:1") && all.host(""));
        assert!(all.origin("https://anything.example"));
    }

    #[test]
    fn origins_are_compared_whole() {
        let allowed = allowed(&[], &["https://market.example"]);
        assert!(allowed.origin("https://market.example"));
        assert!(!allowed.origin("http://market.example"));
        assert!(!allowed.origin("https://market.example.evil"));
    }
}
