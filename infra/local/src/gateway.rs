//! The HTTP API: plain requests become API Gateway events, answers become HTTP again.
//!
//! Limits and refusals are API Gateway's own, so that what works here works there.

mod event;
pub(crate) mod route;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use http_body_util::BodyExt;
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::Value as Json;

use crate::clock::Clock;
use crate::lambda::Invoke;
use crate::template::Stack;

use event::Peer;
use route::Routes;

/// Payload limit of an HTTP API (API Gateway quotas). What lies above is answered by API Gateway
/// itself, 413 in its own form; the text of the message is documented nowhere, so nobody should
/// read it.
const MAX_BODY_BYTES: usize = 10 * 1024 * 1024;
/// What is read and thrown away of a larger body, so that the client gets to see the answer.
const MAX_DISCARDED_BYTES: usize = 64 * 1024 * 1024;
/// Longest time an integration of an HTTP API may take (API Gateway quotas).
const INTEGRATION_TIMEOUT: Duration = Duration::from_secs(30);

/// Passes requests to functions; cheap to clone.
#[derive(Clone)]
pub struct Gateway(Arc<Inner>);

struct Inner {
    routes: Routes,
    invoke: Invoke,
    clock: Clock,
    random: SystemRandom,
}

impl Gateway {
    /// Takes the routes of the stack's functions.
    pub fn new(stack: &Stack, invoke: Invoke, clock: Clock) -> Self {
        Self(Arc::new(Inner {
            routes: Routes::new(stack),
            invoke,
            clock,
            random: SystemRandom::new(),
        }))
    }

    /// The fallback handler of the API's port.
    pub async fn handle(
        State(gateway): State<Self>,
        ConnectInfo(peer): ConnectInfo<SocketAddr>,
        request: Request,
    ) -> Response {
        let (parts, body) = request.into_parts();
        let Ok(body) = read(body).await else {
            return refusal(StatusCode::BAD_REQUEST, "Bad Request");
        };
        let Some(body) = body else {
            return refusal(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large");
        };
        gateway.pass_on(&parts, &body, peer).await
    }

    async fn pass_on(
        &self,
        parts: &http::request::Parts,
        body: &[u8],
        peer: SocketAddr,
    ) -> Response {
        let inner = &self.0;
        let Some(found) = inner.routes.find(parts.method.as_str(), parts.uri.path()) else {
            return refusal(StatusCode::NOT_FOUND, "Not Found");
        };
        let function = found.function.to_owned();
        let peer = Peer {
            address: peer.ip().to_canonical(),
            received_at: inner.clock.now(),
            request_id: self.request_id(),
        };
        let event = event::from_http(parts, body, &found, &peer);
        let invocation = (inner.invoke)(&function, event);
        match tokio::time::timeout(INTEGRATION_TIMEOUT, invocation).await {
            Ok(Ok(answer)) => event::into_http(&answer).unwrap_or_else(|| {
                tracing::error!(function, "the answer is no HTTP response");
                refusal(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
            }),
            Ok(Err(error)) => {
                tracing::error!(function, error, "a function failed");
                refusal(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
            }
            Err(_) => refusal(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable"),
        }
    }

    /// Calls the API as a client on this machine would; for what the platform sets up itself.
    pub async fn call(
        &self,
        method: &str,
        path: &str,
        key: &str,
        body: Option<&Json>,
    ) -> Option<(StatusCode, Json)> {
        let body = body.map(Json::to_string).unwrap_or_default();
        let (parts, ()) = http::Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "127.0.0.1")
            .header(header::AUTHORIZATION, format!("Bearer {key}"))
            .header(header::CONTENT_TYPE, "application/json")
            .body(())
            .ok()?
            .into_parts();
        let peer = SocketAddr::from(([127, 0, 0, 1], 0));
        let response = self.pass_on(&parts, body.as_bytes(), peer).await;
        let status = response.status();
        let bytes = response.into_body().collect().await.ok()?.to_bytes();
        Some((status, serde_json::from_slice(&bytes).unwrap_or_default()))
    }

    /// Route templates, methods and functions, for the start page.
    pub fn overview(&self) -> Vec<(String, String, String)> {
        self.0.routes.overview()
    }

    fn request_id(&self) -> String {
        let mut bytes = [0; 9];
        // Without randomness the id is all zeros: it is for reading logs, not a secret.
        let _ = self.0.random.fill(&mut bytes);
        format!(
            "{}=",
            base64::Engine::encode(&base64::prelude::BASE64_URL_SAFE, bytes)
        )
    }
}

/// The body; `Ok(None)` is one beyond the limit.
async fn read(mut body: Body) -> Result<Option<Vec<u8>>, axum::Error> {
    let mut bytes = Vec::new();
    let mut seen = 0;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else {
            continue;
        };
        seen += data.len();
        if seen > MAX_DISCARDED_BYTES {
            return Ok(None);
        }
        if seen <= MAX_BODY_BYTES {
            bytes.extend_from_slice(&data);
        }
    }
    Ok((seen <= MAX_BODY_BYTES).then_some(bytes))
}

fn refusal(status: StatusCode, message: &str) -> Response {
    let mut response = Response::new(Body::from(format!(r#"{{"message":"{message}"}}"#)));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

fn header_pair(name: &str, value: &str) -> Option<(HeaderName, HeaderValue)> {
    Some((name.parse().ok()?, HeaderValue::from_str(value).ok()?))
}

#[cfg(test)]
mod tests;
