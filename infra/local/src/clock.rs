//! The platform's `now`, which a person can move forward.
//!
//! Engines and signatures stay on real time; only what handlers are told as `now` moves.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};

use crate::state::State;

/// The clock runs: nobody holds it.
const RUNNING: i64 = i64::MIN;

/// A clock that runs with real time plus a durable offset.
#[derive(Clone)]
pub struct Clock {
    state: State,
    inner: Arc<Inner>,
}

struct Inner {
    offset_ms: AtomicI64,
    held_ms: AtomicI64,
}

/// Why the clock did not move.
#[derive(Debug, thiserror::Error)]
pub enum ClockError {
    /// Time does not go back: records of a future that never was would remain.
    #[error("the clock only moves forward; it is {now} now")]
    Backwards {
        /// The platform's time.
        now: Timestamp,
    },
    /// The state file refused the write.
    #[error("the clock could not be written to the state file")]
    Storage(#[from] rusqlite::Error),
}

impl Clock {
    /// Opens the clock with the offset the last run left behind.
    ///
    /// # Errors
    /// When the state file cannot be read or written.
    pub fn open(state: &State) -> rusqlite::Result<Self> {
        let offset = state.with(|db| {
            db.execute_batch(
                "CREATE TABLE IF NOT EXISTS clock (id INTEGER PRIMARY KEY CHECK (id = 1), offset_ms INTEGER NOT NULL);
                 INSERT OR IGNORE INTO clock VALUES (1, 0);",
            )?;
            db.query_row("SELECT offset_ms FROM clock", [], |row| row.get(0))
        })?;
        Ok(Self {
            state: state.clone(),
            inner: Arc::new(Inner {
                offset_ms: AtomicI64::new(offset),
                held_ms: AtomicI64::new(RUNNING),
            }),
        })
    }

    /// The platform's time: real time plus what people advanced it by.
    pub fn now(&self) -> Timestamp {
        let held = self.inner.held_ms.load(Ordering::SeqCst);
        if held != RUNNING {
            return Timestamp::from_millisecond(held).unwrap_or(Timestamp::MAX);
        }
        let offset = self.inner.offset_ms.load(Ordering::SeqCst);
        let real = real_now();
        real.checked_add(SignedDuration::from_millis(offset))
            .unwrap_or(real)
    }

    /// Moves the clock by `step`; durable before it returns.
    ///
    /// # Errors
    /// When the state file cannot be written.
    pub fn advance(&self, step: SignedDuration) -> rusqlite::Result<Timestamp> {
        let ms = i64::try_from(step.as_millis()).unwrap_or(i64::MAX);
        self.state
            .with(|db| db.execute("UPDATE clock SET offset_ms = offset_ms + ?1", [ms]))?;
        self.inner.offset_ms.fetch_add(ms, Ordering::SeqCst);
        Ok(self.now())
    }

    /// Stops the clock at an instant, at whole milliseconds, until [`Clock::release`].
    ///
    /// # Errors
    /// When the instant is before now, or the state file cannot be written.
    pub fn hold(&self, at: Timestamp) -> Result<(), ClockError> {
        let now = self.now();
        if at.as_millisecond() < now.as_millisecond() {
            return Err(ClockError::Backwards { now });
        }
        self.keep(at.as_millisecond() - real_now().as_millisecond())?;
        self.inner
            .held_ms
            .store(at.as_millisecond(), Ordering::SeqCst);
        Ok(())
    }

    /// Lets the clock run on from where it is held.
    ///
    /// # Errors
    /// When the state file cannot be written; the clock runs all the same.
    pub fn release(&self) -> rusqlite::Result<()> {
        let held = self.inner.held_ms.load(Ordering::SeqCst);
        if held == RUNNING {
            return Ok(());
        }
        let kept = self.keep(held - real_now().as_millisecond());
        self.inner.held_ms.store(RUNNING, Ordering::SeqCst);
        kept
    }

    fn keep(&self, offset_ms: i64) -> rusqlite::Result<()> {
        self.state
            .with(|db| db.execute("UPDATE clock SET offset_ms = ?1", [offset_ms]))?;
        self.inner.offset_ms.store(offset_ms, Ordering::SeqCst);
        Ok(())
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is where the platform's time comes from"
)]
fn real_now() -> Timestamp {
    Timestamp::now()
}
