//! Event source mappings: feeds a queue's messages to a function, as Lambda's pollers do.
//!
//! Three things differ from AWS on purpose: a failed batch comes back after a short backoff
//! instead of the visibility timeout, every message is delivered twice (A-39: at least once), and
//! no more batches run at once than this machine's cores are good for.

use std::collections::HashSet;
use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;

use super::store::{self, Received};
use super::{QueueError, Queues, digest, engine_ms};
use crate::lambda::Invoke;

/// How many batches of one mapping run at the same time, unless it says otherwise.
const PARALLEL_BATCHES: usize = 2;
/// The most batches of one mapping for each core: a Lambda environment brings its own machine, a
/// worker here waits for SES at times. Twenty workers on two cores would only wait for each other.
const BATCHES_PER_CORE: usize = 2;
/// The longest a part-filled batch waits here for more, whatever the mapping asks for: a person
/// sits in front of this machine.
const LONGEST_WINDOW: Duration = Duration::from_millis(500);
/// The first backoff after a failure; doubled with every further receive. The four receives that
/// a message has left after a restart span 21 s: longer than a killed run's lease of an outbox
/// record (20 s), so that it does not end in the dead-letter queue. AWS waits for the visibility
/// timeout, three minutes.
const FIRST_BACKOFF_MS: i64 = 1_500;
const LONGEST_BACKOFF_MS: i64 = 30_000;

/// An event source mapping of the template.
#[derive(Clone, Debug)]
pub struct MappingSpec {
    /// The queue's name.
    pub queue: String,
    /// The function's name, as `Invoke` takes it.
    pub function: String,
    /// The most messages one event holds.
    pub batch_size: usize,
    /// How long to wait for a full batch (shortened to half a second here).
    pub batching_window: Duration,
    /// Whether the function names the messages that failed (`ReportBatchItemFailures`).
    pub report_batch_item_failures: bool,
    /// Batches in flight at a time; nothing means two. Never more than this machine can do.
    pub parallel: Option<usize>,
}

/// How often a function gets each message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Once, unless it fails.
    Once,
    /// Twice: the second time a little later, of one message in four at the same time. Which, the
    /// message id decides.
    Twice,
}

impl Queues {
    /// Starts feeding the function; ends when the handle is aborted or the runtime stops.
    ///
    /// # Errors
    /// When there is no such queue.
    pub fn start_mapping(
        &self,
        spec: MappingSpec,
        invoke: Invoke,
        delivery: Delivery,
    ) -> Result<JoinHandle<()>, QueueError> {
        let changed = self.watch(&spec.queue)?;
        let hide = i64::try_from(self.spec(&spec.queue)?.visibility_timeout.as_millis())
            .unwrap_or(i64::MAX);
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        let parallel = Arc::new(Semaphore::new(batches_at_once(spec.parallel, cores)));
        let mapping = Arc::new(Mapping {
            queues: self.clone(),
            spec,
            invoke,
            delivery,
            hide,
        });
        Ok(tokio::spawn(poll(mapping, changed, parallel)))
    }
}

/// How many batches of a mapping run at the same time on a machine with so many cores.
pub(super) fn batches_at_once(wanted: Option<usize>, cores: usize) -> usize {
    wanted
        .unwrap_or(PARALLEL_BATCHES)
        .clamp(1, cores.max(1) * BATCHES_PER_CORE)
}

struct Mapping {
    queues: Queues,
    spec: MappingSpec,
    invoke: Invoke,
    delivery: Delivery,
    hide: i64,
}

enum Next {
    Batch(Vec<Received>),
    WaitUntil(Option<i64>),
}

async fn poll(
    mapping: Arc<Mapping>,
    mut changed: tokio::sync::watch::Receiver<()>,
    parallel: Arc<Semaphore>,
) {
    while let Ok(permit) = Arc::clone(&parallel).acquire_owned().await {
        changed.mark_unchanged();
        match mapping.next() {
            Ok(Next::Batch(batch)) => {
                tokio::spawn(handle(Arc::clone(&mapping), batch, permit));
            }
            Ok(Next::WaitUntil(at)) => {
                drop(permit);
                let wait = at.map_or(Duration::from_mins(1), |at| {
                    Duration::from_millis(u64::try_from(at - engine_ms()).unwrap_or(0).max(1))
                });
                tokio::select! {
                    _ = changed.changed() => {}
                    () = tokio::time::sleep(wait) => {}
                }
            }
            Err(error) => {
                drop(permit);
                tracing::error!(queue = mapping.spec.queue, %error, "cannot read the queue");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

async fn handle(mapping: Arc<Mapping>, batch: Vec<Received>, permit: OwnedSemaphorePermit) {
    let twice_now: Vec<Received> = batch
        .iter()
        .filter(|message| mapping.at_once(message))
        .cloned()
        .collect();
    let (first, second) = tokio::join!(mapping.failures(&batch), async {
        if twice_now.is_empty() {
            HashSet::new()
        } else {
            mapping.failures(&twice_now).await
        }
    });
    let twice_now: HashSet<i64> = twice_now.iter().map(|message| message.seq).collect();
    let settled = mapping.queues.state.with(|db| {
        let tx = db.transaction()?;
        for message in &batch {
            let failed = first.contains(&message.message_id);
            let done = if twice_now.contains(&message.seq) {
                [failed, second.contains(&message.message_id)]
                    .iter()
                    .filter(|failed| !**failed)
                    .count()
            } else {
                usize::from(!failed)
            };
            mapping.settle(
                &tx,
                message,
                failed || second.contains(&message.message_id),
                done,
            )?;
        }
        tx.commit()
    });
    if let Err(error) = settled {
        // They come again after the visibility timeout, as on AWS when a delete fails.
        tracing::error!(queue = mapping.spec.queue, %error, "cannot settle a batch");
    }
    drop(permit);
    mapping.queues.wake(&mapping.spec.queue);
}

impl Mapping {
    fn next(&self) -> rusqlite::Result<Next> {
        let queue = self.spec.queue.as_str();
        let now = engine_ms();
        let window =
            i64::try_from(self.spec.batching_window.min(LONGEST_WINDOW).as_millis()).unwrap_or(0);
        let redrive = self
            .queues
            .spec(queue)
            .ok()
            .and_then(|spec| spec.redrive.as_ref());
        self.queues.state.with(|db| {
            match store::next_visible_at(db, queue)? {
                None => return Ok(Next::WaitUntil(None)),
                Some(at) if at > now => return Ok(Next::WaitUntil(Some(at))),
                Some(oldest) if window > 0 && oldest + window > now => {
                    if store::visible_up_to(db, queue, self.spec.batch_size, now)?
                        < self.spec.batch_size
                    {
                        return Ok(Next::WaitUntil(Some(oldest + window)));
                    }
                }
                Some(_) => {}
            }
            let batch = store::receive(
                db,
                queue,
                redrive,
                self.spec.batch_size.max(1),
                self.hide,
                now,
            )?;
            // Nothing is left when all that was due went to the dead-letter queue: look again.
            Ok(if batch.is_empty() {
                Next::WaitUntil(Some(now))
            } else {
                Next::Batch(batch)
            })
        })
    }

    /// Starts the function with these messages; the ids of those that it did not handle.
    async fn failures(&self, batch: &[Received]) -> HashSet<String> {
        let records: Vec<Value> = batch.iter().map(|message| self.record(message)).collect();
        let all = || {
            batch
                .iter()
                .map(|message| message.message_id.clone())
                .collect::<HashSet<_>>()
        };
        // A task of its own: a panic fails this batch, as a crash of the function does on Lambda.
        let event = json!({ "Records": records });
        let answer = tokio::spawn((self.invoke)(&self.spec.function, event)).await;
        match answer.unwrap_or_else(|_| Err("the function panicked".to_owned())) {
            Err(error) => {
                tracing::warn!(
                    function = self.spec.function,
                    error,
                    messages = batch.len(),
                    "function failed"
                );
                all()
            }
            Ok(answer) if self.spec.report_batch_item_failures => {
                let known = all();
                // Lambda takes a batch as failed as a whole when the answer names an unknown or
                // empty identifier.
                named_failures(&answer)
                    .filter(|failed| failed.is_subset(&known))
                    .unwrap_or(known)
            }
            Ok(_) => HashSet::new(),
        }
    }

    fn settle(
        &self,
        db: &rusqlite::Connection,
        message: &Received,
        failed: bool,
        done: usize,
    ) -> rusqlite::Result<()> {
        let queue = self.spec.queue.as_str();
        let wanted = match self.delivery {
            Delivery::Once => 1,
            Delivery::Twice => 2,
        };
        let handled = done + usize::from(message.round > 1);
        if handled >= wanted {
            store::delete(db, queue, &message.receipt)?;
        } else if done > 0 {
            let wait = if failed {
                FIRST_BACKOFF_MS
            } else {
                5 + i64::from(mark(&message.message_id) / 8)
            };
            store::second_round(db, queue, &message.receipt, wait, engine_ms())?;
        } else {
            let doublings = message.receive_count.saturating_sub(1).min(10);
            let wait = (FIRST_BACKOFF_MS << doublings).min(LONGEST_BACKOFF_MS);
            store::change_visibility(db, queue, &message.receipt, wait, engine_ms())?;
        }
        Ok(())
    }

    fn at_once(&self, message: &Received) -> bool {
        self.delivery == Delivery::Twice
            && message.round == 1
            && mark(&message.message_id).is_multiple_of(4)
    }

    /// One record of an SQS event, in the shape of the Lambda developer guide.
    fn record(&self, message: &Received) -> Value {
        json!({
            "messageId": message.message_id,
            "receiptHandle": message.receipt,
            "body": message.body,
            "attributes": {
                "ApproximateReceiveCount": (message.receive_count + message.round - 1).to_string(),
                "SentTimestamp": message.sent_at.to_string(),
                "SenderId": super::ACCOUNT,
                "ApproximateFirstReceiveTimestamp": message.first_receive.to_string(),
            },
            "messageAttributes": lambda_attributes(message.attributes.as_ref()),
            "md5OfBody": digest::body(&message.body),
            "eventSource": "aws:sqs",
            "eventSourceARN": self.queues.arn(&self.spec.queue),
            "awsRegion": &*self.queues.region,
        })
    }
}

/// The identifiers in `batchItemFailures`; nothing when the answer is malformed.
fn named_failures(answer: &Value) -> Option<HashSet<String>> {
    match answer.get("batchItemFailures") {
        None | Some(Value::Null) => Some(HashSet::new()),
        Some(failures) => failures
            .as_array()?
            .iter()
            .map(|failure| failure.get("itemIdentifier")?.as_str().map(str::to_owned))
            .collect(),
    }
}

fn lambda_attributes(attributes: Option<&Value>) -> Value {
    let mut out = Map::new();
    for (name, value) in attributes.and_then(Value::as_object).into_iter().flatten() {
        let mut attribute = Map::new();
        for (theirs, ours) in [
            ("StringValue", "stringValue"),
            ("BinaryValue", "binaryValue"),
            ("DataType", "dataType"),
        ] {
            if let Some(value) = value.get(theirs) {
                attribute.insert(ours.to_owned(), value.clone());
            }
        }
        attribute.insert("stringListValues".to_owned(), json!([]));
        attribute.insert("binaryListValues".to_owned(), json!([]));
        out.insert(name.clone(), Value::Object(attribute));
    }
    Value::Object(out)
}

/// A number that a message id always gives: which messages come twice at once, and how much
/// later the others do.
pub(super) fn mark(message_id: &str) -> u8 {
    message_id
        .bytes()
        .fold(7, |mark, byte| mark.wrapping_mul(31).wrapping_add(byte))
}
