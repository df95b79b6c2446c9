//! Limits on sign-ups, by client, setup and address (M-30).
//!
//! Says what is counted and how often it may happen; counting is the adapter's part.

use jiff::Timestamp;

use crate::time::plus_seconds;

/// A sliding log of the last `count` events: one more is allowed when the oldest of them is
/// `window_seconds` old and the newest `gap_seconds`.
///
/// Exact at every boundary, unlike a counter per fixed window, and one conditional update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlidingLimit {
    /// Names the counter's item.
    pub kind: &'static str,
    /// Events per window.
    pub count: u8,
    /// The window in seconds.
    pub window_seconds: i64,
    /// The least distance between two events in seconds.
    pub gap_seconds: i64,
}

/// Sign-ups from one client (M-30): 5 in 10 minutes.
pub const CLIENT_LIMIT: SlidingLimit = SlidingLimit {
    kind: "client",
    count: 5,
    window_seconds: 600,
    gap_seconds: 0,
};

/// Mails to one address across the whole platform (M-30): 3 in 24 hours, 10 minutes apart.
pub const ADDRESS_LIMIT: SlidingLimit = SlidingLimit {
    kind: "address",
    count: 3,
    window_seconds: 86_400,
    gap_seconds: 600,
};

/// Links to a person's data that an account mails to them: 5 in 24 hours, a minute apart
/// (engineering). A limit of its own: nobody's sign-ups keep a person from their rights.
pub const PROOF_LIMIT: SlidingLimit = SlidingLimit {
    kind: "proof",
    count: 5,
    window_seconds: 86_400,
    gap_seconds: 60,
};

impl SlidingLimit {
    /// The newest instant the oldest event may have.
    pub fn oldest_before(&self, now: Timestamp) -> Timestamp {
        plus_seconds(now, -self.window_seconds)
    }

    /// The newest instant the newest event may have.
    pub fn newest_before(&self, now: Timestamp) -> Timestamp {
        plus_seconds(now, -self.gap_seconds)
    }

    /// When the counter's item is of no more use.
    pub fn expires_at(&self, now: Timestamp) -> Timestamp {
        plus_seconds(now, self.window_seconds)
    }

    /// When an event is allowed, given the logged ones, oldest first.
    pub fn allowed_from(&self, events: &[Timestamp]) -> Timestamp {
        let oldest = (events.len() >= usize::from(self.count))
            .then(|| events[events.len() - usize::from(self.count)])
            .map(|at| plus_seconds(at, self.window_seconds));
        let newest = events.last().map(|at| plus_seconds(*at, self.gap_seconds));
        oldest.max(newest).unwrap_or(Timestamp::MIN)
    }
}
