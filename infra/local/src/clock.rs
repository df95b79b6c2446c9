//! The platform's `now`, which a person can move forward.
//!
//! Engines and signatures stay on real time; only what handlers are told as `now` moves.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::state::State;

/// A clock that runs with real time plus a durable offset.
#[derive(Clone)]
pub struct Clock {
    state: State,
    offset: Arc<std::sync::atomic::AtomicI64>,
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
            offset: Arc::new(std::sync::atomic::AtomicI64::new(offset)),
        })
    }

    /// The platform's time: real time plus what people advanced it by.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is where the platform's time comes from"
    )]
    pub fn now(&self) -> Timestamp {
        let offset = self.offset.load(std::sync::atomic::Ordering::SeqCst);
        let real = Timestamp::now();
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
        self.offset
            .fetch_add(ms, std::sync::atomic::Ordering::SeqCst);
        Ok(self.now())
    }
}
