//! SQS on the wire: the AWS JSON 1.0 protocol, as the SDKs speak it.
//!
//! Signatures are not looked at. Error codes and limits are those of the SQS API reference.

use std::collections::HashSet;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Map, Value, json};

use super::store::{self, Received};
use super::{
    ACCOUNT, MAX_MESSAGE_BYTES, NewMessage, QueueError, QueueSpec, Queues, digest, engine_ms,
};

/// What a call was refused with: the shape's name and the code of the older query protocol.
struct Refused {
    status: StatusCode,
    shape: &'static str,
    query_code: &'static str,
    message: &'static str,
}

const fn refused(shape: &'static str, query_code: &'static str, message: &'static str) -> Refused {
    Refused {
        status: StatusCode::BAD_REQUEST,
        shape,
        query_code,
        message,
    }
}

const INVALID_VALUE: Refused = refused(
    "InvalidParameterValue",
    "InvalidParameterValue",
    "a parameter's value is missing or out of range",
);
const NO_SUCH_QUEUE: Refused = refused(
    "QueueDoesNotExist",
    "AWS.SimpleQueueService.NonExistentQueue",
    "The specified queue does not exist.",
);
const INVALID_RECEIPT: Refused = refused(
    "ReceiptHandleIsInvalid",
    "ReceiptHandleIsInvalid",
    "The input receipt handle is invalid.",
);
const INVALID_CONTENTS: Refused = refused(
    "InvalidMessageContents",
    "InvalidMessageContents",
    "The message contains characters outside the allowed set, or is empty.",
);

impl From<QueueError> for Refused {
    fn from(error: QueueError) -> Self {
        match error {
            QueueError::NoSuchQueue => NO_SUCH_QUEUE,
            QueueError::Storage(error) => {
                tracing::error!(%error, "the queues' state failed");
                let status = StatusCode::INTERNAL_SERVER_ERROR;
                Refused {
                    status,
                    ..refused(
                        "InternalFailure",
                        "InternalFailure",
                        "the state file failed",
                    )
                }
            }
        }
    }
}

impl From<rusqlite::Error> for Refused {
    fn from(error: rusqlite::Error) -> Self {
        QueueError::from(error).into()
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let body = json!({ "__type": format!("com.amazonaws.sqs#{}", self.shape), "message": self.message });
        let side = if self.status.is_server_error() {
            "Receiver"
        } else {
            "Sender"
        };
        let mut response = (self.status, body.to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            header::HeaderValue::from_static("application/x-amz-json-1.0"),
        );
        if let Ok(value) = header::HeaderValue::try_from(format!("{};{side}", self.query_code)) {
            headers.insert("x-amzn-query-error", value);
        }
        response
    }
}

impl Queues {
    /// The SQS endpoint.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/", post(call))
            .route("/{*path}", post(call))
            .layer(DefaultBodyLimit::max(12 * MAX_MESSAGE_BYTES))
            .with_state(self.clone())
    }
}

async fn call(State(queues): State<Queues>, headers: HeaderMap, body: Bytes) -> Response {
    match answer(&queues, &headers, &body).await {
        Ok(answer) => (
            [(header::CONTENT_TYPE, "application/x-amz-json-1.0")],
            answer.to_string(),
        )
            .into_response(),
        Err(refused) => refused.into_response(),
    }
}

async fn answer(queues: &Queues, headers: &HeaderMap, body: &[u8]) -> Result<Value, Refused> {
    let target = headers
        .get("x-amz-target")
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let input: Value =
        serde_json::from_slice(if body.is_empty() { b"{}" } else { body }).map_err(|_| {
            refused(
                "SerializationException",
                "MalformedInput",
                "the body is no JSON",
            )
        })?;
    let host = headers
        .get(header::HOST)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("127.0.0.1");
    let call = Call {
        queues,
        input: &input,
        origin: format!("http://{host}"),
    };
    match target.strip_prefix("AmazonSQS.").unwrap_or_default() {
        "SendMessage" => call.send_message(),
        "SendMessageBatch" => call.send_message_batch(),
        "ReceiveMessage" => call.receive_message().await,
        "DeleteMessage" => call.delete_message(&input).map(|()| json!({})),
        "DeleteMessageBatch" => call.each(|entry| call.delete_message(entry).map(|()| json!({}))),
        "ChangeMessageVisibility" => call.change_visibility(&input).map(|()| json!({})),
        "ChangeMessageVisibilityBatch" => {
            call.each(|entry| call.change_visibility(entry).map(|()| json!({})))
        }
        "GetQueueUrl" => call.queue_url(),
        "GetQueueAttributes" => call.queue_attributes(),
        "ListQueues" => Ok(call.list_queues()),
        "PurgeQueue" => call.purge(),
        _ => Err(refused(
            "UnsupportedOperation",
            "AWS.SimpleQueueService.UnsupportedOperation",
            "not offered here",
        )),
    }
}

struct Call<'a> {
    queues: &'a Queues,
    input: &'a Value,
    origin: String,
}

impl Call<'_> {
    fn queue(&self) -> Result<&QueueSpec, Refused> {
        let url = self.input["QueueUrl"].as_str().ok_or(NO_SUCH_QUEUE)?;
        let name = url.rsplit('/').next().unwrap_or_default();
        Ok(self.queues.spec(name)?)
    }

    fn send_message(&self) -> Result<Value, Refused> {
        let queue = self.queue()?;
        let message = new_message(self.input)?;
        let id = self.queues.send(&queue.name, &message)?;
        Ok(sent(&id, &message))
    }

    /// All entries or none are stored in one transaction; each is judged by itself.
    fn send_message_batch(&self) -> Result<Value, Refused> {
        let queue = self.queue()?;
        let entries = entries(self.input)?;
        let total: usize = entries.iter().map(message_bytes).sum();
        if total > MAX_MESSAGE_BYTES {
            return Err(refused(
                "BatchRequestTooLong",
                "AWS.SimpleQueueService.BatchRequestTooLong",
                "Batch requests cannot be longer than 1048576 bytes.",
            ));
        }
        let (mut successful, mut failed) = (Vec::new(), Vec::new());
        self.queues.state.with(|db| {
            let tx = db.transaction()?;
            for entry in entries {
                match new_message(entry) {
                    Ok(message) => {
                        let id = self.queues.insert(&tx, &queue.name, &message)?;
                        successful.push(with_id(entry, sent(&id, &message)));
                    }
                    Err(refused) => failed.push(entry_error(entry, &refused)),
                }
            }
            tx.commit()?;
            Ok::<_, QueueError>(())
        })?;
        self.queues.wake(&queue.name);
        Ok(json!({ "Successful": successful, "Failed": failed }))
    }

    async fn receive_message(&self) -> Result<Value, Refused> {
        let queue = self.queue()?;
        let max = number(self.input, "MaxNumberOfMessages", 1, 1..=10)?;
        let wait = number(self.input, "WaitTimeSeconds", 0, 0..=20)?;
        let timeout = i64::try_from(queue.visibility_timeout.as_secs()).unwrap_or(30);
        let hide = number(self.input, "VisibilityTimeout", timeout, 0..=43_200)? * 1_000;
        let mut changed = self.queues.watch(&queue.name)?;
        let deadline = tokio::time::Instant::now() + Duration::from_secs(wait.unsigned_abs());
        loop {
            changed.mark_unchanged();
            let (messages, next) = self.queues.state.with(|db| {
                let max = usize::try_from(max).unwrap_or(1);
                let now = engine_ms();
                let messages =
                    store::receive(db, &queue.name, queue.redrive.as_ref(), max, hide, now)?;
                Ok::<_, rusqlite::Error>((messages, store::next_visible_at(db, &queue.name)?))
            })?;
            if !messages.is_empty() {
                let messages: Vec<Value> = messages
                    .iter()
                    .map(|message| self.received(message))
                    .collect();
                return Ok(json!({ "Messages": messages }));
            }
            if tokio::time::Instant::now() >= deadline {
                return Ok(json!({}));
            }
            let due = next.map_or(Duration::from_secs(20), |at| {
                Duration::from_millis(u64::try_from(at - engine_ms()).unwrap_or(0).max(1))
            });
            tokio::select! {
                _ = changed.changed() => {}
                () = tokio::time::sleep(due) => {}
                () = tokio::time::sleep_until(deadline) => {}
            }
        }
    }

    fn received(&self, message: &Received) -> Value {
        let mut out = json!({
            "MessageId": message.message_id,
            "ReceiptHandle": message.receipt,
            "MD5OfBody": digest::body(&message.body),
            "Body": message.body,
        });
        let system = json!({
            "ApproximateReceiveCount": message.receive_count.to_string(),
            "SentTimestamp": message.sent_at.to_string(),
            "SenderId": ACCOUNT,
            "ApproximateFirstReceiveTimestamp": message.first_receive.to_string(),
        });
        let mut asked = names(self.input, "MessageSystemAttributeNames");
        asked.extend(names(self.input, "AttributeNames"));
        let system = chosen(&system, &asked);
        if !system.is_empty() {
            out["Attributes"] = Value::Object(system);
        }
        if let Some(attributes) = &message.attributes {
            let chosen = chosen(attributes, &names(self.input, "MessageAttributeNames"));
            if !chosen.is_empty() {
                let chosen = Value::Object(chosen);
                out["MD5OfMessageAttributes"] = json!(digest::attributes(Some(&chosen)));
                out["MessageAttributes"] = chosen;
            }
        }
        out
    }

    fn delete_message(&self, entry: &Value) -> Result<(), Refused> {
        let queue = self.queue()?;
        let receipt = receipt(entry)?;
        self.queues
            .state
            .with(|db| store::delete(db, &queue.name, receipt))?;
        self.queues.wake(&queue.name);
        Ok(())
    }

    fn change_visibility(&self, entry: &Value) -> Result<(), Refused> {
        let queue = self.queue()?;
        let receipt = receipt(entry)?;
        let seconds = number(entry, "VisibilityTimeout", -1, 0..=43_200)?;
        let found = self.queues.state.with(|db| {
            store::change_visibility(db, &queue.name, receipt, seconds * 1_000, engine_ms())
        })?;
        self.queues.wake(&queue.name);
        if found {
            Ok(())
        } else {
            Err(refused(
                "MessageNotInflight",
                "AWS.SimpleQueueService.MessageNotInflight",
                "not in flight",
            ))
        }
    }

    fn each(&self, act: impl Fn(&Value) -> Result<Value, Refused>) -> Result<Value, Refused> {
        self.queue()?;
        let (mut successful, mut failed) = (Vec::new(), Vec::new());
        for entry in entries(self.input)? {
            match act(entry) {
                Ok(answer) => successful.push(with_id(entry, answer)),
                Err(refused) => failed.push(entry_error(entry, &refused)),
            }
        }
        Ok(json!({ "Successful": successful, "Failed": failed }))
    }

    fn queue_url(&self) -> Result<Value, Refused> {
        let name = self.input["QueueName"].as_str().ok_or(INVALID_VALUE)?;
        let queue = self.queues.spec(name)?;
        Ok(json!({ "QueueUrl": Queues::url(&self.origin, &queue.name) }))
    }

    fn list_queues(&self) -> Value {
        let prefix = self.input["QueueNamePrefix"].as_str().unwrap_or_default();
        let mut names: Vec<&str> = self.queues.by_name.keys().map(String::as_str).collect();
        names.retain(|name| name.starts_with(prefix));
        names.sort_unstable();
        json!({ "QueueUrls": names.iter().map(|name| Queues::url(&self.origin, name)).collect::<Vec<_>>() })
    }

    fn queue_attributes(&self) -> Result<Value, Refused> {
        let queue = self.queue()?;
        let numbers = self
            .queues
            .state
            .with(|db| store::numbers(db, &queue.name, engine_ms()))?;
        let mut all = json!({
            "QueueArn": self.queues.arn(&queue.name),
            "ApproximateNumberOfMessages": numbers.visible.to_string(),
            "ApproximateNumberOfMessagesDelayed": numbers.delayed.to_string(),
            "ApproximateNumberOfMessagesNotVisible": numbers.in_flight.to_string(),
            "VisibilityTimeout": queue.visibility_timeout.as_secs().to_string(),
            "DelaySeconds": "0",
            "MaximumMessageSize": MAX_MESSAGE_BYTES.to_string(),
            "ReceiveMessageWaitTimeSeconds": "0",
        });
        if let Some((dead, most)) = &queue.redrive {
            let policy =
                json!({ "deadLetterTargetArn": self.queues.arn(dead), "maxReceiveCount": most });
            all["RedrivePolicy"] = Value::String(policy.to_string());
        }
        Ok(json!({ "Attributes": chosen(&all, &names(self.input, "AttributeNames")) }))
    }

    fn purge(&self) -> Result<Value, Refused> {
        let queue = self.queue()?;
        self.queues.state.with(|db| store::purge(db, &queue.name))?;
        Ok(json!({}))
    }
}

fn new_message(entry: &Value) -> Result<NewMessage, Refused> {
    let body = entry["MessageBody"].as_str().unwrap_or_default();
    // The characters SQS takes: #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | from #x10000.
    let allowed = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..);
    if body.is_empty() || !body.chars().all(allowed) {
        return Err(INVALID_CONTENTS);
    }
    if message_bytes(entry) > MAX_MESSAGE_BYTES {
        return Err(refused(
            "InvalidParameterValue",
            "InvalidParameterValue",
            "One or more parameters are invalid. Reason: Message must be shorter than 1048576 bytes.",
        ));
    }
    let attributes = entry.get("MessageAttributes").filter(|attributes| {
        attributes
            .as_object()
            .is_some_and(|attributes| !attributes.is_empty())
    });
    if attributes
        .and_then(Value::as_object)
        .is_some_and(|attributes| attributes.len() > 10)
    {
        return Err(INVALID_VALUE);
    }
    let delay = number(entry, "DelaySeconds", 0, 0..=900)?;
    Ok(NewMessage {
        body: body.to_owned(),
        attributes: attributes.cloned(),
        delay: Duration::from_secs(delay.unsigned_abs()),
    })
}

fn message_bytes(entry: &Value) -> usize {
    let text = |value: &Value| value.as_str().map_or(0, str::len);
    let attributes = entry.get("MessageAttributes").and_then(Value::as_object);
    text(&entry["MessageBody"])
        + attributes
            .into_iter()
            .flatten()
            .fold(0, |sum, (name, value)| {
                sum + name.len()
                    + text(&value["DataType"])
                    + text(&value["StringValue"])
                    + text(&value["BinaryValue"]) * 3 / 4
            })
}

fn sent(id: &str, message: &NewMessage) -> Value {
    let mut out = json!({ "MessageId": id, "MD5OfMessageBody": digest::body(&message.body) });
    if let Some(sum) = digest::attributes(message.attributes.as_ref()) {
        out["MD5OfMessageAttributes"] = Value::String(sum);
    }
    out
}

fn receipt(entry: &Value) -> Result<&str, Refused> {
    let receipt = entry["ReceiptHandle"].as_str().ok_or(INVALID_RECEIPT)?;
    if store::message_id(receipt).len() == 36 {
        Ok(receipt)
    } else {
        Err(INVALID_RECEIPT)
    }
}

fn entries(input: &Value) -> Result<&Vec<Value>, Refused> {
    let entries = input["Entries"]
        .as_array()
        .filter(|entries| !entries.is_empty())
        .ok_or(refused(
            "EmptyBatchRequest",
            "AWS.SimpleQueueService.EmptyBatchRequest",
            "There should be at least one entry in the request.",
        ))?;
    if entries.len() > 10 {
        return Err(refused(
            "TooManyEntriesInBatchRequest",
            "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
            "Maximum number of entries per request are 10.",
        ));
    }
    let ids: HashSet<_> = entries.iter().map(|entry| entry["Id"].as_str()).collect();
    if ids.contains(&None) || ids.len() < entries.len() {
        return Err(refused(
            "BatchEntryIdsNotDistinct",
            "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
            "Two or more batch entries in the request have the same id, or none.",
        ));
    }
    Ok(entries)
}

fn with_id(entry: &Value, mut answer: Value) -> Value {
    answer["Id"] = entry["Id"].clone();
    answer
}

fn entry_error(entry: &Value, refused: &Refused) -> Value {
    let ours = refused.status.is_server_error();
    json!({ "Id": entry["Id"], "SenderFault": !ours, "Code": refused.query_code, "Message": refused.message })
}

fn number(
    input: &Value,
    name: &str,
    default: i64,
    range: std::ops::RangeInclusive<i64>,
) -> Result<i64, Refused> {
    match input.get(name) {
        None | Some(Value::Null) if range.contains(&default) => Ok(default),
        Some(value) => value
            .as_i64()
            .filter(|number| range.contains(number))
            .ok_or(INVALID_VALUE),
        None => Err(INVALID_VALUE),
    }
}

fn names<'a>(input: &'a Value, field: &str) -> Vec<&'a str> {
    input[field]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

/// The members that were asked for by name, by `All`, `.*` or a prefix (`name.*`).
fn chosen(all: &Value, asked: &[&str]) -> Map<String, Value> {
    let wanted = |name: &str| {
        asked.iter().any(|asked| {
            *asked == "All"
                || *asked == name
                || asked
                    .strip_suffix(".*")
                    .is_some_and(|prefix| name.starts_with(prefix))
        })
    };
    all.as_object()
        .into_iter()
        .flatten()
        .filter(|(name, _)| wanted(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}
