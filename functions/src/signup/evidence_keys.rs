//! `GET /.well-known/rundbrief-evidence.json`: the public keys by which seals are checked.

use jiff::Timestamp;
use lambda_http::http::{HeaderValue, header};
use lambda_http::{Body, Response};
use rundbrief::evidence::seal::PublicKey;
use serde_json::{Value, json};

use crate::app::App;
use crate::problem::Problem;

/// The path of the document.
pub(super) const PATH: &str = "/.well-known/rundbrief-evidence.json";

/// Answers with all keys that ever sealed.
pub(super) async fn respond(app: &App, now: Timestamp) -> Response<Body> {
    let keys: Vec<PublicKey> = match app.store.all(&PublicKey::partition(), "", now).await {
        Ok(keys) => keys,
        Err(trouble) => return Problem::from(trouble).json(),
    };
    let keys: Vec<Value> = keys
        .iter()
        .map(|key| json!({"id": key.id, "algorithm": key.algorithm, "key": key.key}))
        .collect();
    let mut response = Response::new(Body::Text(json!({ "keys": keys }).to_string()));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}
