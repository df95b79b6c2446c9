//! What callers get back: resources with their state, and refusals as problem+json.
//!
//! Refusals name fields and codes, never a value of the request.

use axum::response::{IntoResponse, Response};
use lambda_http::Body;
use lambda_http::http::{HeaderMap, HeaderValue, StatusCode, header};
use rundbrief::time::InvalidTimeZone;
use serde_json::Value;

use crate::app::Trouble;
use crate::problem::{FieldError, Problem};
use crate::store::WriteError;

/// What a handler answers.
pub(super) type Answer = Result<Response, Refused>;

/// It is used elsewhere and cannot go.
pub(super) const IN_USE: Problem = Problem {
    status: StatusCode::CONFLICT,
    code: "in_use",
    title: "This is used by something else",
};

/// The domain does not allow changes to this person.
pub(super) const RESTRICTED: Problem = Problem {
    status: StatusCode::CONFLICT,
    code: "restricted",
    title: "Processing of this person's data is restricted",
};

/// Nothing is changed any more in a closed account.
pub(super) const ACCOUNT_CLOSED: Problem = Problem {
    status: StatusCode::CONFLICT,
    code: "account_closed",
    title: "The account is closed; until it is deleted it can be read",
};

/// A request that was not done, and why.
#[derive(Debug)]
pub(super) struct Refused {
    problem: Problem,
    errors: Vec<FieldError>,
    id: Option<String>,
    choices: Option<Box<(&'static str, &'static [&'static str])>>,
    more: Option<Box<(&'static str, Value)>>,
}

impl Refused {
    /// Some fields could not be taken.
    pub(super) fn fields(errors: Vec<(String, &'static str)>) -> Self {
        let errors = errors.into_iter();
        Self::errors(
            errors
                .map(|(field, code)| FieldError::new(field, code))
                .collect(),
        )
    }

    /// Some fields could not be taken, with what would do better.
    pub(super) fn errors(errors: Vec<FieldError>) -> Self {
        Self {
            errors,
            ..Problem::INVALID.into()
        }
    }

    /// One field could not be taken.
    pub(super) fn field(name: &str, code: &'static str) -> Self {
        Self::fields(vec![(name.to_owned(), code)])
    }

    /// The fields that could not be taken, where that is all there is to it.
    pub(super) fn into_errors(self) -> Result<Vec<FieldError>, Self> {
        if self.problem == Problem::INVALID {
            Ok(self.errors)
        } else {
            Err(self)
        }
    }

    /// Says under a name what could have been sent instead.
    pub(super) fn with_choices(self, name: &'static str, choices: &'static [&'static str]) -> Self {
        Self {
            choices: Some(Box::new((name, choices))),
            ..self
        }
    }

    /// Says more about it, under a name.
    pub(super) fn with(self, name: &'static str, value: Value) -> Self {
        Self {
            more: Some(Box::new((name, value))),
            ..self
        }
    }

    /// Names what the refusal is about.
    pub(super) fn about(problem: Problem, id: String) -> Self {
        Self {
            id: Some(id),
            ..problem.into()
        }
    }
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self {
            problem,
            errors: Vec::new(),
            id: None,
            choices: None,
            more: None,
        }
    }
}

impl From<Trouble> for Refused {
    fn from(trouble: Trouble) -> Self {
        Problem::from(trouble).into()
    }
}

impl From<WriteError> for Refused {
    fn from(error: WriteError) -> Self {
        Problem::from(error).into()
    }
}

impl From<InvalidTimeZone> for Refused {
    fn from(_: InvalidTimeZone) -> Self {
        // An account's zone was checked when it was set.
        Problem::INTERNAL.into()
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let (mut parts, body) = self.problem.json_with(&self.errors).into_parts();
        let mut text = match body {
            Body::Text(text) => text,
            _ => String::new(),
        };
        if (self.id.is_some() || self.choices.is_some() || self.more.is_some())
            && let Ok(mut value) = serde_json::from_str::<Value>(&text)
        {
            if let Some(id) = self.id {
                value["id"] = id.into();
            }
            if let Some((name, choices)) = self.choices.map(|choices| *choices) {
                value[name] = choices.into();
            }
            if let Some((name, more)) = self.more.map(|more| *more) {
                value[name] = more;
            }
            text = value.to_string();
        }
        if self.problem.status == StatusCode::UNAUTHORIZED {
            parts
                .headers
                .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        Response::from_parts(parts, axum::body::Body::from(text))
    }
}

/// `200` with a body.
pub(super) fn found(value: &Value) -> Response {
    json(StatusCode::OK, value)
}

/// `200` with a body and its state.
pub(super) fn found_at(etag: &str, value: &Value) -> Response {
    let mut response = json(StatusCode::OK, value);
    set(response.headers_mut(), header::ETAG, etag);
    response
}

/// `201` with where it is, its state and itself.
pub(super) fn created(location: &str, etag: &str, value: &Value) -> Response {
    let mut response = json(StatusCode::CREATED, value);
    set(response.headers_mut(), header::LOCATION, location);
    set(response.headers_mut(), header::ETAG, etag);
    response
}

/// `204`.
pub(super) fn gone() -> Response {
    StatusCode::NO_CONTENT.into_response()
}

pub(super) fn json(status: StatusCode, value: &Value) -> Response {
    let mut response = Response::new(axum::body::Body::from(value.to_string()));
    *response.status_mut() = status;
    set(
        response.headers_mut(),
        header::CONTENT_TYPE,
        "application/json",
    );
    // Answers hold personal data.
    set(response.headers_mut(), header::CACHE_CONTROL, "no-store");
    response
}

fn set(headers: &mut HeaderMap, name: header::HeaderName, value: &str) {
    // Identifiers and revisions are plain ASCII.
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// The entity tag of a revision.
pub(super) fn etag(revision: u64) -> String {
    format!("\"{revision}\"")
}

/// Whether `If-Match` (RFC 9110 section 13.1.1) allows changing what has this tag.
pub(super) fn if_match(headers: &HeaderMap, etag: &str) -> Result<(), Refused> {
    let mut values = headers.get_all(header::IF_MATCH).iter().peekable();
    if values.peek().is_none() {
        return Ok(());
    }
    let matches = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|tag| matches!(tag.trim(), tag if tag == etag || tag == "*"));
    if matches {
        Ok(())
    } else {
        Err(Problem::PRECONDITION_FAILED.into())
    }
}

/// What losing a race means: with `If-Match` the caller knew an older state.
pub(super) fn lost_race(headers: &HeaderMap) -> Refused {
    if headers.contains_key(header::IF_MATCH) {
        Problem::PRECONDITION_FAILED.into()
    } else {
        Problem::CONFLICT.into()
    }
}

/// The answer as the Lambda runtime takes it.
pub(super) async fn lambda_response(response: Response) -> lambda_http::Response<Body> {
    let (parts, body) = response.into_parts();
    let text = axum::body::to_bytes(body, usize::MAX)
        .await
        .ok()
        .and_then(|bytes| String::from_utf8(bytes.into()).ok())
        .unwrap_or_default();
    lambda_http::Response::from_parts(parts, Body::Text(text))
}

/// A text to read, to print or to keep, which may name people: nobody stores it on the way, and a
/// page of it loads and sends nothing.
pub(super) fn written(content_type: &'static str, text: String) -> Response {
    let mut response = Response::new(axum::body::Body::from(text));
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
