//! Queues as SQS has them: durable, at least once, with a dead-letter queue behind each.
//!
//! The SDK talks to `protocol`, functions are fed by `mapping`; not FIFO, no queue is made at run time.

mod digest;
mod mapping;
mod protocol;
mod store;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use ring::rand::{SecureRandom, SystemRandom};
use rusqlite::{Connection, Transaction};
use tokio::sync::watch;

use crate::clock::Clock;
use crate::state::State;

pub use mapping::{Delivery, MappingSpec};

/// The account number of everything on this machine.
pub const ACCOUNT: &str = "000000000000";

/// Body and attributes together; AWS raised it from 256 KiB to 1 MiB in August 2025.
pub(crate) const MAX_MESSAGE_BYTES: usize = 1_048_576;

/// How often [`Queues::drained`] looks: a count takes some 30 µs, and a clock that is moved by
/// months stands still once or twice a day for it.
const IDLE_POLL: Duration = Duration::from_millis(5);

/// A queue of the template.
#[derive(Clone, Debug)]
pub struct QueueSpec {
    /// The physical name, the last part of its URL.
    pub name: String,
    /// How long a received message stays hidden.
    pub visibility_timeout: Duration,
    /// The dead-letter queue's name and how many receives a message gets before it goes there.
    pub redrive: Option<(String, u32)>,
}

/// What a new message is made of.
#[derive(Clone, Debug, Default)]
pub struct NewMessage {
    /// The text.
    pub body: String,
    /// Message attributes as the API has them (`{"name":{"DataType":...}}`), or nothing.
    pub attributes: Option<serde_json::Value>,
    /// How long nobody sees it.
    pub delay: Duration,
}

/// Why a queue did not do it.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// No queue of the template has that name.
    #[error("the specified queue does not exist")]
    NoSuchQueue,
    /// The state file could not be read or written.
    #[error("the state file failed")]
    Storage(#[from] rusqlite::Error),
}

struct Queue {
    spec: QueueSpec,
    changed: watch::Sender<()>,
}

/// All queues; cheap to clone.
#[derive(Clone)]
pub struct Queues {
    state: State,
    clock: Clock,
    region: Arc<str>,
    by_name: Arc<HashMap<String, Queue>>,
    random: SystemRandom,
}

impl Queues {
    /// Opens the queues; whatever a killed run had in flight is visible at once.
    ///
    /// # Errors
    /// When the state file cannot be read or written.
    pub fn open(
        state: &State,
        clock: &Clock,
        region: &str,
        specs: Vec<QueueSpec>,
    ) -> rusqlite::Result<Self> {
        state.with(|db| store::prepare(db, engine_ms()))?;
        let queues = specs
            .into_iter()
            .map(|spec| {
                (
                    spec.name.clone(),
                    Queue {
                        spec,
                        changed: watch::Sender::new(()),
                    },
                )
            })
            .collect();
        Ok(Self {
            state: state.clone(),
            clock: clock.clone(),
            region: Arc::from(region),
            by_name: Arc::new(queues),
            random: SystemRandom::new(),
        })
    }

    /// Puts a message into a queue; durable once it returns its message id.
    ///
    /// # Errors
    /// When there is no such queue or the state file fails.
    pub fn send(&self, queue: &str, message: &NewMessage) -> Result<String, QueueError> {
        let id = self.state.with(|db| {
            let tx = db.transaction()?;
            let id = self.insert(&tx, queue, message)?;
            tx.commit()?;
            Ok::<_, QueueError>(id)
        })?;
        self.wake(queue);
        Ok(id)
    }

    /// Puts a message into a queue as part of the caller's transaction; call [`Self::wake`] after
    /// the commit.
    ///
    /// # Errors
    /// When there is no such queue or the state file fails.
    pub fn insert(
        &self,
        tx: &Transaction<'_>,
        queue: &str,
        message: &NewMessage,
    ) -> Result<String, QueueError> {
        if !self.by_name.contains_key(queue) {
            return Err(QueueError::NoSuchQueue);
        }
        let id = uuid(&self.random);
        let sent_at = self.clock.now().as_millisecond();
        store::insert(tx, queue, &id, message, sent_at, engine_ms())?;
        Ok(id)
    }

    /// Tells whoever waits for this queue that something changed.
    pub fn wake(&self, queue: &str) {
        if let Some(queue) = self.by_name.get(queue) {
            queue.changed.send_replace(());
        }
    }

    /// How many messages each queue still has (visible, delayed or in flight), dead-letter queues
    /// apart; queues without any are left out.
    ///
    /// # Errors
    /// When the state file cannot be read.
    pub fn waiting(&self) -> rusqlite::Result<BTreeMap<String, u64>> {
        let mut counts = self.counts()?;
        counts.retain(|name, _| !self.is_dead_letter_queue(name));
        Ok(counts)
    }

    /// How many messages each queue has, dead-letter queues included.
    ///
    /// # Errors
    /// When the state file cannot be read.
    pub fn counts(&self) -> rusqlite::Result<BTreeMap<String, u64>> {
        self.state.with(|db: &mut Connection| store::counts(db))
    }

    /// Whether no message waits anywhere, dead-letter queues apart.
    ///
    /// # Errors
    /// When the state file cannot be read.
    pub fn idle(&self) -> rusqlite::Result<bool> {
        Ok(self.waiting()?.is_empty())
    }

    /// Waits until all queues are idle, at most `timeout`; says what is still waiting then.
    ///
    /// # Errors
    /// When the state file cannot be read.
    pub async fn drained(&self, timeout: Duration) -> rusqlite::Result<BTreeMap<String, u64>> {
        let deadline = tokio::time::Instant::now() + timeout.min(Duration::from_mins(5));
        loop {
            let waiting = self.waiting()?;
            if waiting.is_empty() || tokio::time::Instant::now() >= deadline {
                return Ok(waiting);
            }
            tokio::time::sleep(IDLE_POLL).await;
        }
    }

    /// The queue's URL under this origin (`http://127.0.0.1:PORT`).
    pub fn url(origin: &str, name: &str) -> String {
        format!("{origin}/{ACCOUNT}/{name}")
    }

    /// The queue's ARN.
    pub fn arn(&self, name: &str) -> String {
        format!("arn:aws:sqs:{}:{ACCOUNT}:{name}", self.region)
    }

    /// Speaks SQS (AWS JSON 1.0) to whoever connects, until the listener fails.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn serve(self, listener: tokio::net::TcpListener) -> std::io::Result<()> {
        axum::serve(listener, self.router()).await
    }

    fn is_dead_letter_queue(&self, name: &str) -> bool {
        self.by_name.values().any(|queue| {
            queue
                .spec
                .redrive
                .as_ref()
                .is_some_and(|(dlq, _)| dlq == name)
        })
    }

    fn spec(&self, name: &str) -> Result<&QueueSpec, QueueError> {
        self.by_name
            .get(name)
            .map(|queue| &queue.spec)
            .ok_or(QueueError::NoSuchQueue)
    }

    fn watch(&self, name: &str) -> Result<watch::Receiver<()>, QueueError> {
        self.by_name
            .get(name)
            .map(|queue| queue.changed.subscribe())
            .ok_or(QueueError::NoSuchQueue)
    }
}

/// Real time in epoch milliseconds: visibility and delays stay on it when people move the clock.
#[expect(
    clippy::disallowed_methods,
    reason = "engine time is real time, whatever the platform's clock says"
)]
pub(crate) fn engine_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// A random version 4 UUID (RFC 9562), the form of AWS message and event ids.
pub(crate) fn uuid(random: &SystemRandom) -> String {
    let mut bytes = [0_u8; 16];
    // The system's generator does not fail on the platforms this runs on; were it to, equal ids
    // would collide in the unique index and the send would be refused, not lost.
    let _ = random.fill(&mut bytes);
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex = digest::hex(&bytes);
    format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}
