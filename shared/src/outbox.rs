//! The outbox: a mail to one person that was promised in the same transaction as its cause.
//!
//! Decides when it may be sent and by whom; composing and sending are `notice`'s part.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{EventId, PersonKey};
use crate::key::{AccountScope, Key};
use crate::record::{Due, DueWork, Stored};
use crate::time::{plus_days, plus_seconds};

/// How long one attempt has the record for itself: longer than a call to SES may take.
pub const LEASE_SECONDS: i64 = 20;
/// When a record is looked for again that nobody has taken: the queue's message was lost.
pub const RETRY_SECONDS: i64 = 90;
/// How long a sent record is kept, against duplicates of its message.
const KEPT_DAYS: u32 = 1;

/// A mail to one person, by reference: it holds no personal data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outbox {
    /// Which.
    pub event: EventId,
    /// For whom.
    pub person: PersonKey,
    /// Grows with each write.
    pub rev: u64,
    /// What is to be said.
    pub notice: Notice,
    /// Not before this instant (limits per address, M-30).
    pub not_before: Timestamp,
    /// When it is looked for again.
    pub retry_at: Timestamp,
    /// Until when an attempt has it for itself.
    #[serde(default)]
    pub leased_until: Option<Timestamp>,
    /// How often it was tried.
    #[serde(default)]
    pub attempts: u32,
    /// When SES took it.
    #[serde(default)]
    pub mailed_at: Option<Timestamp>,
    /// When it counts as absent.
    pub gone_at: Timestamp,
}

/// What a mail to one person says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Notice {
    /// Asks to confirm a double opt-in.
    Confirmation {
        /// Which sign-up.
        sign_up: EventId,
    },
    /// Tells of a Confirmed sign-up, with a way out (O-02).
    Information {
        /// Which sign-up.
        sign_up: EventId,
    },
}

/// What to do with an outbox record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempt {
    /// Write this leased record under the old revision, then send.
    Lease(Box<Outbox>),
    /// Somebody else is at it until this instant: try again then.
    Busy(Timestamp),
    /// It is not time yet; the due index brings it back.
    NotYet,
    /// It was mailed.
    Done,
}

impl Outbox {
    /// The kind of record in keys.
    pub const RECORD: &'static str = "outbox";

    /// A new record, to be sent from `not_before` on and given up at `gone_at`.
    pub fn new(
        event: EventId,
        person: PersonKey,
        notice: Notice,
        not_before: Timestamp,
        gone_at: Timestamp,
    ) -> Self {
        Self {
            event,
            person,
            rev: 1,
            notice,
            not_before,
            retry_at: plus_seconds(not_before, RETRY_SECONDS),
            leased_until: None,
            attempts: 0,
            mailed_at: None,
            gone_at,
        }
    }

    /// Whether an attempt may begin at `now`.
    pub fn attempt(&self, now: Timestamp) -> Attempt {
        if self.mailed_at.is_some() {
            return Attempt::Done;
        }
        if now < self.not_before {
            return Attempt::NotYet;
        }
        match self.leased_until {
            Some(until) if now < until => Attempt::Busy(until),
            _ => Attempt::Lease(Box::new(Self {
                rev: self.rev + 1,
                leased_until: Some(plus_seconds(now, LEASE_SECONDS)),
                retry_at: plus_seconds(now, RETRY_SECONDS << self.attempts.min(6)),
                attempts: self.attempts + 1,
                ..self.clone()
            })),
        }
    }

    /// The record once SES took the mail.
    #[must_use]
    pub fn mailed(&self, now: Timestamp) -> Self {
        Self {
            rev: self.rev + 1,
            mailed_at: Some(now),
            leased_until: None,
            gone_at: plus_days(now, KEPT_DAYS),
            ..self.clone()
        }
    }

    /// The record after SES refused it for now: free for the next attempt.
    #[must_use]
    pub fn released(&self) -> Self {
        Self {
            rev: self.rev + 1,
            leased_until: None,
            ..self.clone()
        }
    }
}

impl Stored for Outbox {
    const KIND: &'static str = "outbox";

    fn key(&self, scope: &AccountScope) -> Key {
        scope.record(self.person, Self::RECORD, self.event)
    }

    fn revision(&self) -> u64 {
        self.rev
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.gone_at)
    }

    fn due(&self) -> Option<Due> {
        Some(match self.mailed_at {
            None => Due {
                work: DueWork::Outbox,
                at: self.retry_at,
            },
            Some(_) => Due {
                work: DueWork::Expire,
                at: self.gone_at,
            },
        })
    }
}
