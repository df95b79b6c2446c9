//! Starting handlers: with a raw Lambda event in, a raw answer out.
//!
//! The binaries and the one-machine platform come through here, so both run the same code.

use std::future::Future;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use lambda_http::http::{HeaderValue, header};
use lambda_http::request::LambdaRequest;
use lambda_http::{Body, Request, Response};
use lambda_runtime::{LambdaEvent, service_fn};
use rundbrief::entropy::SystemEntropy;
use rundbrief::message::{MESSAGE_VERSION, Message};
use rundbrief::record::DueWork;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::{App, Trouble};
use crate::settings::Settings;

/// A function failed as a whole; the event comes again or goes to the dead-letter queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The event has another shape than this function takes.
    #[error("the event has another shape than this function takes")]
    UnknownEvent,
    /// No function has this name.
    #[error("no function has this name")]
    UnknownFunction,
    /// A service did not do what was asked.
    #[error(transparent)]
    Trouble(#[from] Trouble),
}

impl From<Failure> for lambda_runtime::Diagnostic {
    fn from(failure: Failure) -> Self {
        Self {
            error_type: "Failure".to_owned(),
            error_message: failure.to_string(),
        }
    }
}

/// Runs a handler of HTTP requests with an API Gateway event (format 2.0).
///
/// # Errors
/// When the event is no such event.
pub async fn http<'a, F>(
    app: &'a App,
    event: Value,
    respond: impl FnOnce(&'a App, Request) -> F,
) -> Result<Value, Failure>
where
    F: Future<Output = Response<Body>> + 'a,
{
    let request: LambdaRequest =
        serde_json::from_value(event).map_err(|_| Failure::UnknownEvent)?;
    let response = respond(app, Request::from(request)).await;
    Ok(answer(response))
}

/// For a year, browsers come back by TLS only (RFC 6797); over plain HTTP, as on one machine, they
/// pass this over (section 8.1).
const TLS_ONLY: &str = "max-age=31536000";

/// The answer in API Gateway's format 2.0.
fn answer(response: Response<Body>) -> Value {
    let (mut parts, body) = response.into_parts();
    parts.headers.insert(
        header::STRICT_TRANSPORT_SECURITY,
        HeaderValue::from_static(TLS_ONLY),
    );
    let mut headers = serde_json::Map::new();
    let mut cookies = Vec::new();
    for (name, value) in &parts.headers {
        let value = value.to_str().unwrap_or_default();
        if name == header::SET_COOKIE {
            cookies.push(value.to_owned());
            continue;
        }
        let joined = match headers.get(name.as_str()).and_then(Value::as_str) {
            Some(before) => format!("{before}, {value}"),
            None => value.to_owned(),
        };
        headers.insert(name.as_str().to_owned(), joined.into());
    }
    let (body, encoded) = match body {
        Body::Text(text) => (text, false),
        Body::Binary(bytes) => (BASE64_STANDARD.encode(bytes), true),
        _ => (String::new(), false),
    };
    json!({
        "statusCode": parts.status.as_u16(),
        "headers": headers,
        "cookies": cookies,
        "body": body,
        "isBase64Encoded": encoded,
    })
}

/// One message of an SQS event.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueueMessage {
    /// Names the message in the answer.
    pub message_id: String,
    /// The message itself: identifiers only.
    pub body: String,
}

/// What to do with a message that was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is done with; delete it.
    Done,
    /// Bring it again.
    Again,
}

/// Runs a handler of queue messages with an SQS event, one message at a time; what must come
/// again is named in `batchItemFailures`.
///
/// # Errors
/// When the event is no SQS event.
pub async fn queue<'a, F>(
    app: &'a App,
    event: Value,
    mut handle: impl FnMut(&'a App, QueueMessage) -> F,
) -> Result<Value, Failure>
where
    F: Future<Output = Verdict> + 'a,
{
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct QueueEvent {
        records: Vec<QueueMessage>,
    }
    let event: QueueEvent = serde_json::from_value(event).map_err(|_| Failure::UnknownEvent)?;
    let mut again = Vec::new();
    for message in event.records {
        let id = message.message_id.clone();
        if handle(app, message).await == Verdict::Again {
            again.push(json!({"itemIdentifier": id}));
        }
    }
    Ok(json!({"batchItemFailures": again}))
}

/// Runs a handler of one kind of message with an SQS event. A body that is none of that kind, or
/// of a version that nobody writes today, is dropped: bringing it again would change nothing.
/// What a service did not do is tried again.
///
/// # Errors
/// When the event is no SQS event.
pub async fn messages<'a, M, F>(
    app: &'a App,
    event: Value,
    handle: impl Fn(&'a App, M) -> F,
) -> Result<Value, Failure>
where
    M: Message + 'a,
    F: Future<Output = Result<Verdict, Trouble>> + 'a,
{
    queue(app, event, |app, message| {
        let handled = read::<M>(&message.body).map(|message| {
            let account = message.account().clone();
            // Boxed: what handles a message is far larger than what only waits for it.
            (account, Box::pin(handle(app, message)))
        });
        async move {
            let Some((account, handled)) = handled else {
                return Verdict::Done;
            };
            handled.await.unwrap_or_else(|trouble| {
                tracing::warn!(message = M::NAME, %account, %trouble, "a message is not done with yet");
                Verdict::Again
            })
        }
    })
    .await
}

fn read<M: Message>(body: &str) -> Option<M> {
    let Ok(message) = serde_json::from_str::<M>(body) else {
        tracing::error!(
            message = M::NAME,
            "a message has another shape; it is dropped"
        );
        return None;
    };
    if message.version() == MESSAGE_VERSION {
        return Some(message);
    }
    let version = message.version();
    tracing::error!(
        message = M::NAME,
        version,
        "a message has another version; it is dropped"
    );
    None
}

/// Starts the function with this name.
///
/// # Errors
/// When there is none, the event has another shape, or the function failed as a whole.
pub async fn invoke(name: &str, app: Arc<App>, event: Value) -> Result<Value, Failure> {
    match name {
        "admin" => crate::admin::handle(app, event).await,
        "backup" => crate::backup::handle(app, event).await,
        "confirm" => crate::confirm::handle(app, event).await,
        "import" => crate::import::handle(app, event).await,
        "legal" => crate::legal::handle(app, event).await,
        "notice" => crate::notice::handle(app, event).await,
        "restore" => crate::restore::handle(app, event).await,
        "retention" => crate::retention::handle(app, event).await,
        "campaign" => crate::campaign::handle(app, event).await,
        "feedback" => crate::feedback::handle(app, event).await,
        "send" => crate::send::handle(app, event).await,
        "signup" => crate::signup::handle(app, event).await,
        "unsubscribe" => crate::unsubscribe::handle(app, event).await,
        "preferences" => crate::preferences::handle(app, event).await,
        "webhook" => crate::webhook::handle(app, event).await,
        _ => Err(Failure::UnknownFunction),
    }
}

/// The instants up to `until` at which the scheduled function of this name has something to do
/// that does not wait. Nobody asks on AWS, where each schedule fires as often as it says.
///
/// # Errors
/// When the index does not answer.
pub async fn awaited(name: &str, app: &App, until: Timestamp) -> Result<Vec<Timestamp>, Trouble> {
    match name {
        "campaign" => crate::due::instants(app, DueWork::Start, until).await,
        // The sweeper's promise is the hour, and an archive has no cause but its schedule.
        _ => Ok(Vec::new()),
    }
}

/// The main function of a Lambda binary: serves events with `handle` until the runtime ends it.
///
/// One thread: a Lambda environment handles one event at a time and has a fraction of a core.
///
/// # Errors
/// When the environment lacks what the runtime always sets, or the runtime ends with an error.
pub fn serve<F>(
    handle: impl Fn(Arc<App>, Value) -> F + Clone + Send + Sync + 'static,
) -> Result<(), lambda_runtime::Error>
where
    F: Future<Output = Result<Value, Failure>> + Send + 'static,
{
    tracing_subscriber::fmt()
        .json()
        .without_time()
        .with_target(false)
        .with_max_level(tracing::Level::INFO)
        .init();
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the environment is read"
    )]
    let settings = Settings::read(&|name| std::env::var(name).ok())?;
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where a Lambda's time comes from"
    )]
    let clock = Arc::new(jiff::Timestamp::now);
    let app = Arc::new(App::new(settings, clock, Arc::new(SystemEntropy::new())));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(lambda_runtime::run(service_fn(
        move |event: LambdaEvent<Value>| {
            let (app, handle) = (Arc::clone(&app), handle.clone());
            // Boxed: the types of the handlers' futures nest deeper than the compiler looks.
            let handled: futures::future::BoxFuture<'static, Result<Value, Failure>> =
                Box::pin(handle(app, event.payload));
            handled
        },
    )))
}
