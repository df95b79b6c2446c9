//! `Idempotency-Key` on POST: an answer is kept for 24 hours and given again.
//!
//! Kept per key of the caller. A key's text is never kept, and neither is a person's data: such
//! answers are made anew by reading.

use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use lambda_http::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use rundbrief::crypto::sha256_hex;
use rundbrief::key::{AccountScope, Key};
use rundbrief::policy::Store;
use rundbrief::record::{Expect, Stored};
use rundbrief::time::plus_seconds;
use serde::{Deserialize, Serialize};

use super::access::Context;
use super::answer::Refused;
use super::route;
use crate::problem::Problem;
use crate::store::WriteError;

static IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Longer than a request can run (29 s): after that nobody is at it any more.
const LEASE_SECONDS: i64 = 60;
/// Longest answer that is kept as it is; longer ones are read again.
const MAX_KEPT_OCTETS: usize = 64 * 1024;

const MISMATCH: Problem = Problem {
    status: StatusCode::UNPROCESSABLE_ENTITY,
    code: "idempotency_mismatch",
    title: "This Idempotency-Key was used for another request",
};
const IN_PROGRESS: Problem = Problem {
    status: StatusCode::CONFLICT,
    code: "in_progress",
    title: "The first request with this Idempotency-Key is not done yet",
};
const ALREADY_DONE: Problem = Problem {
    status: StatusCode::CONFLICT,
    code: "already_done",
    title: "This was done already; its answer is shown only once",
};

/// What a handler says about keeping its answer, as an extension of the response.
#[derive(Clone)]
pub(super) enum Keep {
    /// It shows a secret: only that it was done is kept.
    Never {
        /// What was made.
        id: String,
    },
    /// It shows a person: read this path again.
    Read {
        /// The path to read.
        path: String,
    },
}

/// What is kept.
#[derive(Clone, Serialize, Deserialize)]
struct Kept {
    name: String,
    rev: u64,
    /// Hash of method, path and body.
    request: String,
    /// Absent while the first request is being answered.
    answer: Option<KeptAnswer>,
    lease_until: Timestamp,
    valid_until: Timestamp,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum KeptAnswer {
    Whole {
        status: u16,
        headers: Vec<(String, String)>,
        body: String,
    },
    Read {
        status: u16,
        path: String,
    },
    Secret {
        id: String,
    },
}

impl Stored for Kept {
    const KIND: &'static str = "idempotency";

    fn key(&self, scope: &AccountScope) -> Key {
        scope.configuration(Self::KIND, &self.name)
    }

    fn revision(&self) -> u64 {
        self.rev
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.valid_until)
    }
}

/// Answers a request, or gives its first answer again.
pub(super) async fn serve(
    context: Context,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let Some(given) = headers.get(&IDEMPOTENCY_KEY) else {
        return Ok(route(context, method, uri, headers).await);
    };
    if method != Method::POST {
        return Ok(route(context, method, uri, headers).await);
    }
    let given = given
        .to_str()
        .ok()
        .filter(|given| (1..=255).contains(&given.len()))
        .ok_or_else(|| Refused::field("Idempotency-Key", "invalid"))?;
    let name = sha256_hex(format!("{}\n{given}", context.caller.name()).as_bytes());
    // Salted with the caller's own key, as a short body could be guessed.
    let request = [
        format!("{name}\n{method}\n{uri}\n").as_bytes(),
        context.body.as_ref(),
    ]
    .concat();
    let request = sha256_hex(&request);
    let key = match context.caller.account_scope() {
        Some(scope) => scope.configuration(Kept::KIND, &name),
        None => Key::global(&format!("idempotency#{name}"), "answer"),
    };

    let kept: Option<Kept> = context.app.store.get(&key, context.now).await?;
    match &kept {
        Some(kept) if kept.request != request => return Err(MISMATCH.into()),
        Some(Kept {
            answer: Some(answer),
            ..
        }) => return again(context, answer.clone(), headers).await,
        Some(kept) if kept.lease_until > context.now => return Err(IN_PROGRESS.into()),
        _ => {}
    }
    let claim = Kept {
        name,
        rev: kept.as_ref().map_or(1, |kept| kept.rev + 1),
        request,
        answer: None,
        lease_until: plus_seconds(context.now, LEASE_SECONDS),
        // How long an answer is kept the draft standard leaves to the service.
        valid_until: Store::IdempotencyKey
            .kept()
            .until(context.now)
            .unwrap_or(context.now),
    };
    let (app, now) = (context.app.clone(), context.now);
    match app
        .store
        .put_at(&key, &claim, Expect::unchanged(kept.as_ref()), now)
        .await
    {
        Ok(()) => {}
        Err(WriteError::Conflict) => return Err(IN_PROGRESS.into()),
        Err(WriteError::Trouble(trouble)) => return Err(trouble.into()),
    }

    let response = route(context, method, uri, headers).await;
    // What was refused is not done: with a better body the same key may be used again.
    if !response.status().is_success() {
        if app.store.delete(&key, claim.rev).await.is_err() {
            tracing::warn!("a refused request keeps its idempotency key for a minute");
        }
        return Ok(response);
    }
    let (response, answer) = keep(response).await;
    let done = Kept {
        rev: claim.rev + 1,
        answer: Some(answer),
        ..claim.clone()
    };
    let expect = Expect::Revision(claim.rev);
    if app.store.put_at(&key, &done, expect, now).await.is_err() {
        // It was done, and the caller hears so: only a repetition would not.
        tracing::warn!("an answer could not be kept for its idempotency key");
    }
    Ok(response)
}

/// What to keep of an answer, and the answer itself.
async fn keep(response: Response) -> (Response, KeptAnswer) {
    let status = response.status().as_u16();
    match response.extensions().get::<Keep>().cloned() {
        Some(Keep::Never { id }) => return (response, KeptAnswer::Secret { id }),
        Some(Keep::Read { path }) => return (response, KeptAnswer::Read { status, path }),
        None => {}
    }
    let headers: Vec<(String, String)> = [header::CONTENT_TYPE, header::ETAG, header::LOCATION]
        .iter()
        .filter_map(|name| {
            let value = response.headers().get(name)?.to_str().ok()?;
            Some((name.to_string(), value.to_owned()))
        })
        .collect();
    let location = headers
        .iter()
        .find(|(name, _)| name == header::LOCATION.as_str())
        .map(|(_, path)| path.clone());
    let (parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX)
        .await
        .unwrap_or_default();
    let answer = match location {
        Some(path) if bytes.len() > MAX_KEPT_OCTETS => KeptAnswer::Read { status, path },
        _ => KeptAnswer::Whole {
            status,
            headers,
            body: String::from_utf8_lossy(&bytes).into_owned(),
        },
    };
    (
        Response::from_parts(parts, axum::body::Body::from(bytes)),
        answer,
    )
}

async fn again(
    context: Context,
    answer: KeptAnswer,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let (status, mut response) = match answer {
        KeptAnswer::Secret { id } => return Err(Refused::about(ALREADY_DONE, id)),
        KeptAnswer::Read { status, path } => {
            let uri = path.parse().map_err(|_| Problem::INTERNAL)?;
            let response = route(context, Method::GET, uri, headers).await;
            if !response.status().is_success() {
                return Ok(response);
            }
            (status, response)
        }
        KeptAnswer::Whole {
            status,
            headers,
            body,
        } => {
            let mut response = axum::body::Body::from(body).into_response();
            for (name, value) in headers {
                if let (Ok(name), Ok(value)) =
                    (HeaderName::try_from(name), HeaderValue::try_from(value))
                {
                    response.headers_mut().insert(name, value);
                }
            }
            response
                .headers_mut()
                .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            (status, response)
        }
    };
    *response.status_mut() = StatusCode::from_u16(status).map_err(|_| Problem::INTERNAL)?;
    Ok(response)
}
