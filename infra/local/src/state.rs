//! The platform's own durable state: queues, inbox, clock, pending events.
//!
//! One `SQLite` file beside the engine's; not where subscribers are kept.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;

/// A handle to the state file; cheap to clone.
#[derive(Clone)]
pub struct State(Arc<Mutex<Connection>>);

impl State {
    /// Opens or creates the file; a write is durable against a killed process once it returns.
    ///
    /// # Errors
    /// When the file is no database or cannot be opened.
    pub fn open(path: &Path) -> rusqlite::Result<Self> {
        let db = Connection::open(path)?;
        db.pragma_update(None, "journal_mode", "WAL")?;
        db.pragma_update(None, "synchronous", "NORMAL")?;
        db.busy_timeout(std::time::Duration::from_secs(5))?;
        Ok(Self(Arc::new(Mutex::new(db))))
    }

    /// Runs `work` with the connection; keep it short, everybody waits for it.
    pub fn with<T>(&self, work: impl FnOnce(&mut Connection) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
