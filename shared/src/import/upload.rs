//! A file that does not come with the request: promised, uploaded, started, read through.
//!
//! Decides only what state it is in; where the file is uploaded to is the adapter's part.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::time::plus_seconds;

/// So long the file is waited for, in seconds: as long as the bucket keeps it.
const WAITS_SECONDS: i64 = 86_400;

/// How far an uploaded file is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upload {
    /// Its length.
    pub octets: u32,
    /// Until when it must be started.
    pub until: Timestamp,
    /// When that was.
    #[serde(default)]
    pub started_at: Option<Timestamp>,
    /// Whether its chunks are known.
    #[serde(default)]
    pub planned: bool,
}

impl Upload {
    pub(super) fn of(octets: u32, now: Timestamp) -> Self {
        Self {
            octets,
            until: plus_seconds(now, WAITS_SECONDS),
            started_at: None,
            planned: false,
        }
    }

    /// `None` when it was started before.
    pub(super) fn started(&self, now: Timestamp) -> Option<Self> {
        self.started_at.is_none().then(|| Self {
            started_at: Some(now),
            ..self.clone()
        })
    }

    /// `None` when it must not be read yet, or was.
    pub(super) fn planned(&self) -> Option<Self> {
        (self.started_at.is_some() && !self.planned).then(|| Self {
            planned: true,
            ..self.clone()
        })
    }

    /// When an import whose file nobody started counts as absent.
    pub(super) fn gives_up_at(&self) -> Option<Timestamp> {
        self.started_at.is_none().then_some(self.until)
    }
}
