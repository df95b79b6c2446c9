//! `ANY /api/v1/{proxy+}`: the management API with scoped keys.
//!
//! Authenticates, routes, answers; one file per resource. What may change is decided in the domain.

mod access;
mod account;
mod answer;
mod audit;
mod backups;
mod body;
mod breach;
mod campaign;
mod certificate;
mod dpia;
mod erasure;
mod field;
mod idempotency;
mod import;
mod interest;
mod key;
mod list;
mod listing;
mod notices;
mod operator;
mod processing;
mod record;
mod reports;
mod request;
mod resource;
mod restores;
mod sender_domains;
mod setup;
mod sign_up;
mod snippet;
mod subscriber;
mod suppressions;
mod template;
#[cfg(test)]
mod tests;
mod unsubscribe_setup;
mod unused_consents;
mod webhook;

use std::sync::{Arc, LazyLock};

use axum::Router;
use lambda_http::http::HeaderMap;
use lambda_http::{Body, Request, Response};
use serde_json::Value;

use self::access::{Caller, Context};
use self::answer::{Refused, lambda_response};
use crate::app::App;
use crate::function::{self, Failure};
use crate::problem::Problem;

/// What all paths begin with.
pub(crate) const PREFIX: &str = "/api/v1";

/// Takes an API Gateway event (format 2.0).
///
/// # Errors
/// When the event is no such event.
pub async fn handle(app: Arc<App>, event: Value) -> Result<Value, Failure> {
    function::http(&app, event, |_, request| respond(Arc::clone(&app), request)).await
}

/// Answers one request.
pub async fn respond(app: Arc<App>, request: Request) -> Response<Body> {
    let response = match serve(app, request).await {
        Ok(response) => response,
        Err(refused) => axum::response::IntoResponse::into_response(refused),
    };
    lambda_response(response).await
}

async fn serve(app: Arc<App>, request: Request) -> Result<axum::response::Response, Refused> {
    let now = app.now();
    let (parts, body) = request.into_parts();
    let caller = Caller::authenticate(&app, &parts.headers, now).await?;
    let body = match body {
        Body::Text(text) => text.into_bytes(),
        Body::Binary(bytes) => bytes,
        _ => Vec::new(),
    };
    let context = Context {
        app,
        caller: Arc::new(caller),
        now,
        body: body.into(),
    };
    let served = idempotency::serve(context.clone(), parts.method, parts.uri, parts.headers).await;
    let response = served.unwrap_or_else(axum::response::IntoResponse::into_response);
    Ok(audit::recorded(&context, response).await)
}

/// Sends a request through the routes.
async fn route(
    context: Context,
    method: lambda_http::http::Method,
    uri: lambda_http::http::Uri,
    headers: HeaderMap,
) -> axum::response::Response {
    let mut request = axum::extract::Request::new(axum::body::Body::empty());
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    request.extensions_mut().insert(context);
    let router = ROUTER.clone();
    match tower::ServiceExt::oneshot(router, request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

static ROUTER: LazyLock<Router> = LazyLock::new(|| {
    let routes = Router::new()
        .merge(account::routes())
        .merge(audit::routes())
        .merge(breach::routes())
        .merge(sender_domains::routes())
        .merge(backups::routes())
        .merge(campaign::routes())
        .merge(certificate::routes())
        .merge(key::routes())
        .merge(field::routes())
        .merge(list::routes())
        .merge(interest::routes())
        .merge(setup::routes())
        .merge(snippet::routes())
        .merge(notices::routes())
        .merge(import::routes())
        .merge(dpia::routes())
        .merge(erasure::routes())
        .merge(processing::routes())
        .merge(operator::routes())
        .merge(record::routes())
        .merge(request::routes())
        .merge(reports::routes())
        .merge(restores::routes())
        .merge(suppressions::routes())
        .merge(template::routes())
        .merge(unsubscribe_setup::routes())
        .merge(subscriber::routes())
        .merge(webhook::routes())
        .merge(sign_up::routes())
        .merge(unused_consents::routes());
    Router::new()
        .nest(PREFIX, audit::told(routes))
        .fallback(async || Refused::from(Problem::NOT_FOUND))
        .method_not_allowed_fallback(async || Refused::from(Problem::METHOD_NOT_ALLOWED))
});
