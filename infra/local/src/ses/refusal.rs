//! What SES refuses a call with: a status and an exception name, as the SDK's error types.
//!
//! The texts name what is wrong, never whose address it was.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    BadRequest(&'static str),
    MessageRejected(&'static str),
    TooManyRequests(&'static str),
    NotFound(&'static str),
    AlreadyExists(&'static str),
    Storage,
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        tracing::error!(%error, "the state of SES failed");
        Self::Storage
    }
}

impl From<crate::queues::QueueError> for Refusal {
    fn from(error: crate::queues::QueueError) -> Self {
        tracing::error!(%error, "an event of SES could not be queued");
        Self::Storage
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, kind, message) = match self {
            Self::BadRequest(message) => (StatusCode::BAD_REQUEST, "BadRequestException", message),
            Self::MessageRejected(message) => (StatusCode::BAD_REQUEST, "MessageRejected", message),
            Self::TooManyRequests(message) => (
                StatusCode::TOO_MANY_REQUESTS,
                "TooManyRequestsException",
                message,
            ),
            Self::NotFound(message) => (StatusCode::NOT_FOUND, "NotFoundException", message),
            Self::AlreadyExists(message) => {
                (StatusCode::BAD_REQUEST, "AlreadyExistsException", message)
            }
            Self::Storage => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "InternalServiceErrorException",
                "the state file failed",
            ),
        };
        let headers = [
            (header::CONTENT_TYPE.as_str(), "application/json"),
            ("x-amzn-errortype", kind),
        ];
        (status, headers, json!({ "message": message }).to_string()).into_response()
    }
}
