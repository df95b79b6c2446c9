//! Requests of persons for their rights (Art. 12(3) GDPR): what was asked, by when it must be
//! answered, and what became of it (L-15).
//!
//! Names a person by key. What is done on the preference page is answered at once, and written
//! down here as such.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use ring::digest;
use serde::{Deserialize, Serialize};

use crate::id::{EventId, PersonKey, RecordId};
use crate::key::{AccountScope, Key};
use crate::policy::Store;
use crate::record::{Due, DueWork, Stored};
use crate::time::{day_in, to_millisecond};

/// Months within which a request is answered (Art. 12(3), first sentence).
pub const MONTHS: i32 = 1;
/// Further months by which that may be extended, with a reason (second sentence).
pub const MORE_MONTHS: i32 = 2;

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestKind {
    /// Art. 15 GDPR.
    Access,
    /// Art. 16 GDPR.
    Rectification,
    /// Art. 17 GDPR.
    Erasure,
    /// Art. 18 GDPR.
    Restriction,
    /// Art. 20 GDPR.
    Portability,
    /// Art. 21 GDPR.
    Objection,
}

impl RequestKind {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Access,
        Self::Rectification,
        Self::Erasure,
        Self::Restriction,
        Self::Portability,
        Self::Objection,
    ];

    /// The name used on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Rectification => "rectification",
            Self::Erasure => "erasure",
            Self::Restriction => "restriction",
            Self::Portability => "portability",
            Self::Objection => "objection",
        }
    }

    /// Reads the name used on the wire.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestState {
    /// To be answered within a month.
    Open,
    /// Within three, for a reason.
    Extended,
    /// Done as asked.
    Answered,
    /// Not done, for a reason (Art. 12(4) GDPR).
    Refused,
}

/// A request and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonRequest {
    /// Which.
    pub event: EventId,
    /// Whose.
    pub person: PersonKey,
    /// Grows with each write.
    pub rev: u64,
    /// What was asked for.
    pub request: RequestKind,
    /// On the preference page, by the person themselves; or told to the controller.
    pub by_person: bool,
    /// The day it was received, in the account's time zone.
    pub received_on: Date,
    /// How far it is.
    pub state: RequestState,
    /// Why it takes longer.
    #[serde(default)]
    pub extended_because: Option<String>,
    /// When it was answered or refused.
    #[serde(default)]
    pub closed_at: Option<Timestamp>,
    /// Why it was refused, or what was done.
    #[serde(default)]
    pub closed_because: Option<String>,
    /// When it counts as absent; while it is open it does not.
    #[serde(default)]
    pub gone_at: Option<Timestamp>,
}

/// Why nothing changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unchanged {
    /// It was answered or refused before.
    #[error("the request is closed")]
    Closed,
    /// It was extended before: once is what the law allows.
    #[error("the request is extended already")]
    Extended,
    /// The month in which the person must be told is over.
    #[error("the month for telling the person is over")]
    TooLate,
}

impl PersonRequest {
    /// A request that the controller was told of on this day.
    pub fn new(event: EventId, person: PersonKey, kind: RequestKind, received_on: Date) -> Self {
        Self {
            event,
            person,
            rev: 1,
            request: kind,
            by_person: false,
            received_on,
            state: RequestState::Open,
            extended_because: None,
            closed_at: None,
            closed_because: None,
            gone_at: None,
        }
    }

    /// A request that was answered while the person watched. The same on one day is one.
    pub fn answered_at_once(
        person: PersonKey,
        kind: RequestKind,
        now: Timestamp,
        zone: &TimeZone,
    ) -> Self {
        let day = day_in(now, zone);
        let name = format!("{person}\n{}\n{day}", kind.name());
        let hash = digest::digest(&digest::SHA256, name.as_bytes());
        let mut event = [0; 16];
        event.copy_from_slice(&hash.as_ref()[..16]);
        let event = EventId::from_bytes(event);
        let asked = Self {
            by_person: true,
            ..Self::new(event, person, kind, day)
        };
        Self {
            rev: 1,
            ..asked.closed(RequestState::Answered, None, now)
        }
    }

    /// The last day for the answer.
    pub fn due_on(&self) -> Date {
        let extended = self.extended_because.is_some();
        let months = if extended {
            MONTHS + MORE_MONTHS
        } else {
            MONTHS
        };
        after(self.received_on, months)
    }

    /// Whether it waits although its last day is over.
    pub fn is_overdue(&self, now: Timestamp, zone: &TimeZone) -> bool {
        self.closed_at.is_none() && self.due_on() < day_in(now, zone)
    }

    /// The request with two more months, of which the person must be told within the first.
    ///
    /// # Errors
    /// When the law does not allow it any more.
    pub fn extend(
        &self,
        reason: String,
        now: Timestamp,
        zone: &TimeZone,
    ) -> Result<Self, Unchanged> {
        match self.state {
            RequestState::Answered | RequestState::Refused => Err(Unchanged::Closed),
            RequestState::Extended => Err(Unchanged::Extended),
            RequestState::Open if self.is_overdue(now, zone) => Err(Unchanged::TooLate),
            RequestState::Open => Ok(Self {
                rev: self.rev + 1,
                state: RequestState::Extended,
                extended_because: Some(reason),
                ..self.clone()
            }),
        }
    }

    /// The request once it is answered, or refused for a reason.
    ///
    /// # Errors
    /// When it was closed before.
    pub fn close(
        &self,
        state: RequestState,
        because: Option<String>,
        now: Timestamp,
    ) -> Result<Self, Unchanged> {
        if self.closed_at.is_some() {
            return Err(Unchanged::Closed);
        }
        Ok(self.closed(state, because, now))
    }

    fn closed(&self, state: RequestState, because: Option<String>, now: Timestamp) -> Self {
        let now = to_millisecond(now);
        Self {
            rev: self.rev + 1,
            state,
            closed_at: Some(now),
            closed_because: because,
            gone_at: Store::PersonRequest.kept().until(now),
            ..self.clone()
        }
    }

    /// The request once its person is erased: the texts about them are gone, that there were
    /// reasons, and when, stays. `None` where there is no text.
    pub fn without_texts(&self) -> Option<Self> {
        let blank = |text: &Option<String>| text.as_ref().map(|_| String::new());
        let blanked = Self {
            rev: self.rev + 1,
            extended_because: blank(&self.extended_because),
            closed_because: blank(&self.closed_because),
            ..self.clone()
        };
        let has_text = |one: &Self| {
            let texts = [&one.extended_because, &one.closed_because];
            texts.into_iter().flatten().any(|text| !text.is_empty())
        };
        has_text(self).then_some(blanked)
    }

    /// What the keys of a person's requests begin with, in the account's partition.
    pub fn prefix_of(person: PersonKey) -> String {
        format!("{}{person}-", Self::prefix())
    }

    /// Its identifier in the API.
    pub fn id(&self) -> RecordId {
        RecordId {
            person: self.person,
            event: self.event,
        }
    }

    /// What the keys of all requests begin with, in the account's partition.
    pub fn prefix() -> String {
        format!("{}#", Self::KIND)
    }

    /// Where one stands.
    pub fn place(scope: &AccountScope, id: &RecordId) -> Key {
        scope.configuration(Self::KIND, &id.to_string())
    }
}

/// A day so many calendar months later; the month's last where that has fewer days (Regulation
/// 1182/71, Art. 3(2)(c)). Holidays are not added: the earlier day is the safe one.
fn after(day: Date, months: i32) -> Date {
    day.checked_add(Span::new().months(months))
        .unwrap_or(Date::MAX)
}

impl Stored for PersonRequest {
    const KIND: &'static str = "person_request";

    fn key(&self, scope: &AccountScope) -> Key {
        Self::place(scope, &self.id())
    }

    fn revision(&self) -> u64 {
        self.rev
    }

    fn expires_at(&self) -> Option<Timestamp> {
        self.gone_at
    }

    fn due(&self) -> Option<Due> {
        self.gone_at.map(|at| Due {
            work: DueWork::Expire,
            at,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::zone;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_request_is_due_one_calendar_month_after_it_came_and_three_when_extended() {
        let vienna = zone("Europe/Vienna").unwrap();
        let person = PersonKey::from_bytes([7; 16]);
        for (received, due, extended) in [
            ("2027-01-15", "2027-02-15", "2027-04-15"),
            ("2027-01-31", "2027-02-28", "2027-04-30"),
            ("2028-01-31", "2028-02-29", "2028-04-30"),
            ("2027-11-30", "2027-12-30", "2028-02-29"),
        ] {
            let event = EventId::from_bytes([1; 16]);
            let day: Date = received.parse().unwrap();
            let asked = PersonRequest::new(event, person, RequestKind::Access, day);
            assert_eq!(asked.due_on(), due.parse().unwrap(), "{received}");
            // The whole last day counts, in the controller's time.
            let next = asked.due_on().tomorrow().unwrap().at(0, 0, 0, 0);
            let next = vienna.to_ambiguous_timestamp(next).compatible().unwrap();
            let last = crate::time::plus_seconds(next, -1);
            let late = crate::time::plus_seconds(last, 1);
            assert!(!asked.is_overdue(last, &vienna) && asked.is_overdue(late, &vienna));
            let longer = asked.extend("many".to_owned(), last, &vienna).unwrap();
            assert_eq!(longer.due_on(), extended.parse().unwrap(), "{received}");
            assert!(!longer.is_overdue(late, &vienna));
            let again = longer.extend("more".to_owned(), last, &vienna);
            assert_eq!(again, Err(Unchanged::Extended));
            let too_late = asked.extend("late".to_owned(), late, &vienna);
            assert_eq!(too_late, Err(Unchanged::TooLate));
            let closed = longer.close(RequestState::Answered, None, late).unwrap();
            let years = closed.gone_at.unwrap().duration_since(late).as_hours() / 24 / 365;
            assert_eq!(years, 3);
            assert_eq!(closed.expires_at(), closed.gone_at);
            for state in [RequestState::Answered, RequestState::Refused] {
                assert_eq!(closed.close(state, None, late), Err(Unchanged::Closed));
            }
            let extended = closed.extend("x".to_owned(), last, &vienna);
            assert_eq!(extended, Err(Unchanged::Closed));
        }
    }

    #[test]
    fn what_is_answered_at_once_is_one_request_a_day() {
        let vienna = zone("Europe/Vienna").unwrap();
        let person = PersonKey::from_bytes([7; 16]);
        let made =
            |kind, now: &str| PersonRequest::answered_at_once(person, kind, at(now), &vienna);
        let first = made(RequestKind::Access, "2027-03-01T10:00:00Z");
        assert_eq!((first.rev, first.state), (1, RequestState::Answered));
        let same_day = made(RequestKind::Access, "2027-03-01T22:30:00Z");
        assert_eq!(first.event, same_day.event);
        // 23:30 in UTC is the next day in Vienna.
        let next_day = made(RequestKind::Access, "2027-03-01T23:30:00Z");
        let other = made(RequestKind::Portability, "2027-03-01T10:00:00Z");
        assert!(first.event != next_day.event && first.event != other.event);
    }
}
