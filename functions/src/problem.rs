//! What went wrong, as callers read it: a status, a stable code, a title (RFC 9457).
//!
//! A `Copy` value without any text of the request, so it cannot leak one.

use lambda_http::http::{HeaderValue, StatusCode, header};
use lambda_http::{Body, Response};
use serde_json::{Value, json};

use crate::app::Trouble;
use crate::store::WriteError;

/// A problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Problem {
    /// The HTTP status.
    pub status: StatusCode,
    /// The stable code.
    pub code: &'static str,
    /// What it means, in English.
    pub title: &'static str,
}

/// One field that could not be taken: where, why, and what would do better.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// The field's path, in the names of the interface.
    pub field: String,
    /// The stable code.
    pub code: &'static str,
    /// One more member of the error, such as `expected`; never a person's value.
    pub about: Option<(&'static str, String)>,
}

impl FieldError {
    /// A field and a code.
    pub fn new(field: impl Into<String>, code: &'static str) -> Self {
        Self {
            field: field.into(),
            code,
            about: None,
        }
    }

    fn json(&self) -> Value {
        let mut error = json!({"field": self.field, "code": self.code});
        if let Some((name, value)) = &self.about {
            error[*name] = json!(value);
        }
        error
    }
}

macro_rules! problems {
    ($($(#[$doc:meta])* $name:ident = $status:ident, $code:literal, $title:literal;)+) => {
        impl Problem {
            $($(#[$doc])* pub const $name: Self =
                Self { status: StatusCode::$status, code: $code, title: $title };)+
        }
    };
}

problems! {
    /// No such thing, or not in this account.
    NOT_FOUND = NOT_FOUND, "not_found", "Not found";
    /// The HTTP method is not offered here.
    METHOD_NOT_ALLOWED = METHOD_NOT_ALLOWED, "method_not_allowed", "Method not allowed";
    /// Fields could not be taken.
    INVALID = UNPROCESSABLE_ENTITY, "invalid", "Some of what was sent cannot be taken";
    /// The body is no JSON, form or UTF-8.
    MALFORMED = UNPROCESSABLE_ENTITY, "malformed", "The body cannot be read";
    /// Above 64 KB.
    TOO_LARGE = PAYLOAD_TOO_LARGE, "too_large", "The body is too large";
    /// Neither form nor JSON.
    UNSUPPORTED_TYPE = UNSUPPORTED_MEDIA_TYPE, "unsupported_type", "This content type is not taken here";
    /// Too many from one client, or over a setup's budget.
    TOO_MANY = TOO_MANY_REQUESTS, "too_many_requests", "Too many requests";
    /// No key, or none that is known.
    UNAUTHORIZED = UNAUTHORIZED, "unauthorized", "A valid key is needed";
    /// The key lacks the scope.
    FORBIDDEN = FORBIDDEN, "missing_scope", "The key lacks the scope for this";
    /// It is there already, or was changed by somebody else.
    CONFLICT = CONFLICT, "conflict", "This was changed or exists already";
    /// `If-Match` names another state.
    PRECONDITION_FAILED = PRECONDITION_FAILED, "precondition_failed", "It was changed since it was read";
    /// Something of ours does not work; trying again may help.
    UNAVAILABLE = SERVICE_UNAVAILABLE, "unavailable", "Something does not work right now; please try again";
    /// Something of ours is broken.
    INTERNAL = INTERNAL_SERVER_ERROR, "internal", "Something went wrong on our side";
}

impl Problem {
    /// The problem as `application/problem+json`, with `errors` per field.
    pub fn json_with(self, errors: &[FieldError]) -> Response<Body> {
        let mut body = json!({
            "type": "about:blank",
            "title": self.title,
            "status": self.status.as_u16(),
            "code": self.code,
        });
        if !errors.is_empty() {
            body["errors"] = errors.iter().map(FieldError::json).collect();
        }
        let mut response = Response::new(Body::Text(body.to_string()));
        *response.status_mut() = self.status;
        response.headers_mut().insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        response
            .headers_mut()
            .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    /// The problem as `application/problem+json`.
    pub fn json(self) -> Response<Body> {
        self.json_with(&[])
    }
}

impl From<Trouble> for Problem {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Store
            | Trouble::Queue
            | Trouble::Mail
            | Trouble::Bucket
            | Trouble::Secret
            | Trouble::Contended => Self::UNAVAILABLE,
            Trouble::TooLarge => Self::TOO_LARGE,
            Trouble::Setting(_) | Trouble::Damaged => Self::INTERNAL,
        }
    }
}

impl From<WriteError> for Problem {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Conflict => Self::CONFLICT,
            WriteError::Trouble(trouble) => trouble.into(),
        }
    }
}
