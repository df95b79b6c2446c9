//! `/_local/`: what scripts and people ask the platform itself.
//!
//! Not part of the product: none of this exists in AWS. No page of another origin may drive it.

mod guard;
mod page;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use jiff::{Span, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::clock::{Clock, ClockError};
use crate::gateway::Gateway;
use crate::queues::Queues;
use crate::schedule::{Scheduler, Settle};

/// Longest time `drain` waits.
const DRAIN_TIMEOUT: Duration = Duration::from_mins(5);
/// How long the clock stands at an instant for what its functions put into queues.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(20);

/// Where everything is and what it takes to use it.
#[derive(Clone, Serialize)]
pub struct Endpoints {
    /// Base address of the API.
    pub api: String,
    /// Address of the shop's page.
    pub shop: String,
    /// Key that may create accounts.
    pub platform_key: String,
    /// Key of the demo account; empty until that account is there.
    pub demo_key: String,
    /// The region everything pretends to be in.
    pub region: String,
    /// For signing requests to the services below.
    pub access_key_id: String,
    /// For signing requests to the services below.
    pub secret_access_key: String,
    /// Endpoint of `DynamoDB`.
    pub dynamodb: String,
    /// Endpoint of S3, path style.
    pub s3: String,
    /// Endpoint of SES v2.
    pub ses: String,
    /// Endpoint of SQS.
    pub sqs: String,
    /// Name of the main table.
    pub table: String,
    /// Name of the tombstone table.
    pub tombstone_table: String,
    /// Name of the bucket.
    pub bucket: String,
}

/// What the routes need.
#[derive(Clone)]
pub struct Local {
    /// Reported by `endpoints`.
    pub endpoints: Arc<Endpoints>,
    /// The platform's clock.
    pub clock: Clock,
    /// The queues that `drain` waits for.
    pub queues: Queues,
    /// The schedules that `clock` steps through.
    pub scheduler: Scheduler,
    /// The API, for the start page.
    pub gateway: Gateway,
    /// Whether everything is up.
    pub ready: Arc<AtomicBool>,
}

/// The routes under `/_local`, with the inbox's; guarded against pages of other origins.
pub fn router(local: Local, inbox: Router) -> Router {
    let own = Router::new()
        .route("/endpoints", get(endpoints))
        .route("/clock", get(clock).post(move_clock))
        .route("/run/{function}", post(run))
        .route("/drain", post(drain))
        .route("/health", get(health))
        .with_state(local.clone())
        .merge(inbox);
    Router::new()
        .route(
            "/_local",
            get(|| async { (StatusCode::SEE_OTHER, [(header::LOCATION, "/_local/")]) }),
        )
        .route("/_local/", get(start_page))
        .with_state(local)
        .nest("/_local", own)
        .layer(axum::middleware::from_fn(guard::refuse_foreign))
}

fn refuse(status: StatusCode, message: &str) -> Response {
    (status, axum::Json(json!({ "error": message }))).into_response()
}

fn broken() -> Response {
    refuse(
        StatusCode::INTERNAL_SERVER_ERROR,
        "the state file cannot be read or written",
    )
}

async fn start_page(State(local): State<Local>) -> Html<String> {
    Html(page::start(&local))
}

async fn endpoints(State(local): State<Local>) -> axum::Json<Endpoints> {
    axum::Json((*local.endpoints).clone())
}

async fn health(State(local): State<Local>) -> Response {
    if local.ready.load(Ordering::SeqCst) {
        axum::Json(json!({"status": "up"})).into_response()
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            axum::Json(json!({"status": "starting"})),
        )
            .into_response()
    }
}

async fn clock(State(local): State<Local>) -> axum::Json<Json> {
    axum::Json(json!({"now": local.clock.now()}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Move {
    advance: Option<Span>,
    set: Option<Timestamp>,
}

/// Where the clock is to go; days and months of a span are counted in UTC.
fn target(wanted: &Move, now: Timestamp) -> Option<Timestamp> {
    match (wanted.advance, wanted.set) {
        (Some(step), None) => {
            let moved = now
                .to_zoned_datetime(jiff::tz::TimeZone::UTC)
                .checked_add(step)
                .ok()?;
            Some(moved.timestamp())
        }
        (None, Some(set)) => Some(set),
        _ => None,
    }
}

async fn move_clock(State(local): State<Local>, body: Bytes) -> Response {
    let wanted = serde_json::from_slice::<Move>(&body).ok();
    let Some(target) = wanted.and_then(|wanted| target(&wanted, local.clock.now())) else {
        return refuse(
            StatusCode::BAD_REQUEST,
            r#"expected {"advance":"P8D"} or {"set":"2027-01-31T12:00:00Z"}"#,
        );
    };
    let queues = local.queues.clone();
    let settle: Settle = Arc::new(move || {
        let queues = queues.clone();
        Box::pin(async move {
            if queues
                .drained(SETTLE_TIMEOUT)
                .await
                .is_ok_and(|waiting| !waiting.is_empty())
            {
                tracing::warn!("the clock moves on although queues are not empty");
            }
        })
    });
    // In a task of its own: a client that goes away must not leave the clock standing.
    let scheduler = local.scheduler.clone();
    let moved = tokio::spawn(async move { scheduler.move_to(target, &settle).await }).await;
    match moved {
        Ok(Ok(now)) => axum::Json(json!({ "now": now })).into_response(),
        Ok(Err(error @ ClockError::Backwards { .. })) => {
            refuse(StatusCode::BAD_REQUEST, &error.to_string())
        }
        Ok(Err(ClockError::Storage(_))) | Err(_) => broken(),
    }
}

async fn run(State(local): State<Local>, Path(function): Path<String>, body: Bytes) -> Response {
    // What an operator hands to the function; without it, what its schedule does.
    let input = match serde_json::from_slice::<Json>(&body) {
        Ok(input @ Json::Object(_)) => Some(input),
        Err(_) if body.is_empty() => None,
        _ => return refuse(StatusCode::BAD_REQUEST, "expected a JSON object or nothing"),
    };
    match local.scheduler.run(&function, input).await {
        None => refuse(
            StatusCode::NOT_FOUND,
            "there is no scheduled function of this name",
        ),
        Some(Ok(report)) => axum::Json(report).into_response(),
        Some(Err(error)) => {
            tracing::error!(function, error, "a function that was run by hand failed");
            refuse(
                StatusCode::INTERNAL_SERVER_ERROR,
                &format!("the function failed: {error}"),
            )
        }
    }
}

async fn drain(State(local): State<Local>) -> Response {
    match local.queues.drained(DRAIN_TIMEOUT).await {
        Ok(waiting) if waiting.is_empty() => axum::Json(json!({"idle": true})).into_response(),
        Ok(waiting) => axum::Json(json!({"idle": false, "waiting": waiting})).into_response(),
        Err(_) => broken(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_takes_a_step_or_an_instant_and_nothing_else() {
        let now: Timestamp = "2027-01-31T12:00:00Z".parse().unwrap();
        for (body, expected) in [
            (r#"{"advance":"P8D"}"#, Some("2027-02-08T12:00:00Z")),
            (r#"{"advance":"PT90M"}"#, Some("2027-01-31T13:30:00Z")),
            (r#"{"advance":"P1M"}"#, Some("2027-02-28T12:00:00Z")),
            (
                r#"{"set":"2027-02-01T00:00:00+01:00"}"#,
                Some("2027-01-31T23:00:00Z"),
            ),
            (r#"{"advance":"P8D","set":"2027-02-01T00:00:00Z"}"#, None),
            ("{}", None),
        ] {
            let wanted = serde_json::from_str(body).unwrap();
            let target = target(&wanted, now).map(|target| target.to_string());
            assert_eq!(target.as_deref(), expected, "{body}");
        }
        for body in [
            "",
            "[]",
            r#"{"set":"tomorrow"}"#,
            r#"{"advance":8}"#,
            r#"{"later":"P1D"}"#,
        ] {
            assert!(serde_json::from_str::<Move>(body).is_err(), "{body}");
        }
    }
}
