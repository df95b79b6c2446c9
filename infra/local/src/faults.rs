//! Failures on purpose: the next calls to a service fail, before or after they had their effect.
//!
//! For tests only; nothing on the command line or under `/_local/` leads here.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Whose calls fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Calls that send mail.
    Ses,
    /// Calls about the suppression list.
    Suppression,
    /// Calls that put messages into queues.
    Sqs,
}

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing happens, and the caller reads an error.
    Before,
    /// It happens, and the caller reads an error all the same.
    After,
    /// Nothing happens, and the caller reads nothing: it runs into its timeout or is killed.
    Hang,
}

/// The failures that are still to come; cheap to clone.
#[derive(Clone, Default)]
pub struct Faults(Arc<Mutex<VecDeque<(Service, Fault)>>>);

impl Faults {
    /// Makes the next `calls` calls fail. The SDK repeats calls to queues, at most twice.
    pub fn fail_next(&self, service: Service, fault: Fault, calls: usize) {
        let mut coming = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        coming.extend(std::iter::repeat_n((service, fault), calls));
    }

    /// How many calls are still to fail.
    pub fn left(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn take(&self, service: Service) -> Option<Fault> {
        let mut coming = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = coming.iter().position(|(whose, _)| *whose == service)?;
        coming.remove(at).map(|(_, fault)| fault)
    }
}

/// Which service a request is for, if it is one that may fail.
fn service(request: &Request) -> Option<Service> {
    if request.uri().path().starts_with("/v2/email/outbound-") {
        return Some(Service::Ses);
    }
    if request.uri().path().starts_with("/v2/email/suppression/") {
        return Some(Service::Suppression);
    }
    let target = request.headers().get("x-amz-target")?.to_str().ok()?;
    target
        .starts_with("AmazonSQS.SendMessage")
        .then_some(Service::Sqs)
}

/// Lets calls through or fails them.
pub(crate) async fn inject(State(faults): State<Faults>, request: Request, next: Next) -> Response {
    let fault = service(&request).and_then(|service| faults.take(service));
    let answer = match fault {
        None => return next.run(request).await,
        Some(Fault::Before) => None,
        Some(Fault::After) => Some(next.run(request).await),
        Some(Fault::Hang) => std::future::pending().await,
    };
    drop(answer);
    (
        StatusCode::SERVICE_UNAVAILABLE,
        [(header::CONTENT_TYPE, "application/json")],
        r#"{"__type":"ServiceUnavailable","message":"failed on purpose"}"#,
    )
        .into_response()
}
