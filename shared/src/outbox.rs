//! The outbox: a mail to one person that was promised in the same transaction as its cause.
//!
//! Decides when it may be sent and by whom, and what becomes of it when the address has had its
//! mails for now; composing and sending are `notice`'s part.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::guard::ADDRESS_LIMIT;
use crate::id::{CampaignId, EventId, ListId, PersonKey};
use crate::key::{AccountScope, Key};
use crate::policy::Store;
use crate::record::{Due, DueWork, Stored};
use crate::time::{plus_days, plus_seconds};
use crate::unsubscribe_setup::Reason;

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
    /// Not at all: its cause is void by now, or it is of no more use.
    #[serde(default)]
    pub given_up: bool,
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
    /// Asks once more, of who has not answered (O-07).
    Reminder {
        /// Which sign-up.
        sign_up: EventId,
    },
    /// Tells of a Confirmed sign-up, with a way out (O-02).
    Information {
        /// Which sign-up.
        sign_up: EventId,
    },
    /// A link to the person's data, asked for on the preference page (P-06).
    MailboxProof,
    /// Asks to confirm that somebody wants to leave (P-14, mode `double`).
    LeaveRequest {
        /// The campaign whose mail the link stood in.
        campaign: Option<CampaignId>,
        /// One list, or all list mail.
        list: Option<ListId>,
        /// Why, if they said so.
        reason: Option<Reason>,
    },
    /// Tells that somebody has left (P-14, mode `confirmed`).
    Farewell {
        /// Which unsubscription.
        unsubscription: EventId,
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
    /// It was mailed or given up.
    Done,
}

impl Outbox {
    /// The kind of record in keys.
    pub const RECORD: &'static str = "outbox";

    /// A new record, to be sent from `now` on and given up at `gone_at`.
    pub fn new(
        event: EventId,
        person: PersonKey,
        notice: Notice,
        now: Timestamp,
        gone_at: Timestamp,
    ) -> Self {
        Self {
            event,
            person,
            rev: 1,
            notice,
            not_before: now,
            given_up: false,
            retry_at: plus_seconds(now, RETRY_SECONDS),
            leased_until: None,
            attempts: 0,
            mailed_at: None,
            gone_at,
        }
    }

    /// Until when a mail promised now may wait for its turn: some forty mails at the limit of an
    /// address. The question to confirm ends with its sign-up, which is no later.
    pub fn waits_until(now: Timestamp) -> Timestamp {
        Store::Outbox.kept().until(now).unwrap_or(Timestamp::MAX)
    }

    /// The one reminder of a sign-up, for `at`. It has the sign-up's own event, so there can be no
    /// second one.
    pub fn reminder(sign_up: EventId, person: PersonKey, at: Timestamp, end: Timestamp) -> Self {
        Self {
            retry_at: at,
            ..Self::new(sign_up, person, Notice::Reminder { sign_up }, at, end)
        }
    }

    /// Whether it asks already what another press of the button would ask: whether to leave this
    /// list, or all. It waits for its turn, or was mailed within a day and not answered since;
    /// `answered` is when the person last left what it is about.
    pub fn asks_to_leave(
        &self,
        list: Option<&ListId>,
        answered: Option<Timestamp>,
        now: Timestamp,
    ) -> bool {
        let Notice::LeaveRequest { list: asked, .. } = &self.notice else {
            return false;
        };
        let stands = |mailed: Timestamp| {
            now < plus_days(mailed, KEPT_DAYS) && answered.is_none_or(|left| left < mailed)
        };
        asked.as_ref() == list && !self.given_up && self.mailed_at.is_none_or(stands)
    }

    /// Whether an attempt may begin at `now`.
    pub fn attempt(&self, now: Timestamp) -> Attempt {
        if self.is_done() {
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

    /// The record once the limit of its address (M-30) forbids the mail before `from`.
    ///
    /// The question to confirm waits for its turn among those of the last minutes. Where the
    /// address has had its mails of a day it is given up: who asked has forgotten it by then, and
    /// who did not ask would be mailed day after day for one burst of somebody else's requests.
    /// Whoever was subscribed must be told (O-02), so that mail waits as long as it takes.
    #[must_use]
    pub fn held_back(&self, from: Timestamp, now: Timestamp) -> Self {
        let in_turn = from <= plus_seconds(now, ADDRESS_LIMIT.gap_seconds);
        let waits = match self.notice {
            // Who asked for the link waits for it now, or has gone.
            Notice::Confirmation { .. } | Notice::Reminder { .. } | Notice::MailboxProof => in_turn,
            // Whoever wants to leave is heard, however many mails there were today.
            Notice::Information { .. } | Notice::LeaveRequest { .. } | Notice::Farewell { .. } => {
                true
            }
        };
        if !waits || from >= self.gone_at {
            return self.given_up(now);
        }
        Self {
            rev: self.rev + 1,
            not_before: from,
            retry_at: from,
            leased_until: None,
            ..self.clone()
        }
    }

    /// The record once nothing is to be mailed any more.
    #[must_use]
    pub fn given_up(&self, now: Timestamp) -> Self {
        Self {
            rev: self.rev + 1,
            given_up: true,
            leased_until: None,
            gone_at: plus_days(now, KEPT_DAYS),
            ..self.clone()
        }
    }

    fn is_done(&self) -> bool {
        self.mailed_at.is_some() || self.given_up
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
        Some(if self.is_done() {
            Due {
                work: DueWork::Expire,
                at: self.gone_at,
            }
        } else {
            Due {
                work: DueWork::Outbox,
                at: self.retry_at,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_its_addresss_limit_holds_back_waits_for_its_turn_or_is_given_up() {
        let now: Timestamp = "2027-03-01T10:00:00Z".parse().unwrap();
        let event = EventId::from_bytes([1; 16]);
        let person = PersonKey::from_bytes([2; 16]);
        let ask = Notice::Confirmation { sign_up: event };
        let tell = Notice::Information { sign_up: event };
        for (notice, days, wait, waits) in [
            (&ask, 7, 1, true),
            (&ask, 7, 600, true),
            (&ask, 7, 601, false),
            (&ask, 7, 86_400, false),
            (&tell, 7, 600, true),
            (&tell, 7, 86_400, true),
            (&tell, 1, 86_399, true),
            (&tell, 1, 86_400, false),
        ] {
            let until = plus_days(now, days);
            let record = Outbox::new(event, person, notice.clone(), now, until);
            let Attempt::Lease(leased) = record.attempt(now) else {
                panic!("free");
            };
            let from = plus_seconds(now, wait);
            let held = leased.held_back(from, now);
            assert_eq!(held.rev, leased.rev + 1);
            if waits {
                assert_eq!(held.attempt(plus_seconds(from, -1)), Attempt::NotYet);
                assert!(matches!(held.attempt(from), Attempt::Lease(_)));
                let due = held.due().unwrap();
                assert_eq!(
                    (due.work, due.at),
                    (DueWork::Outbox, from),
                    "looked for then"
                );
            } else {
                assert_eq!(held.attempt(from), Attempt::Done, "{notice:?} {wait}");
                assert_eq!(held.due().unwrap().work, DueWork::Expire);
            }
        }
    }
}
