//! A legal hold: a duty of the controller to keep a person's data for some time (Art. 17(3)(b) and
//! (e) GDPR), with the provision or the claim it rests on.
//!
//! Decides only. While it stands the data are kept and used for nothing else (Art. 18): nobody
//! mails the person or changes them, no end of the relationship takes them away, and an erasure is
//! noted and done when it ends. Nothing but such a record ever holds up an erasure (S-10).

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde::{Deserialize, Serialize};

use crate::erasure::AskedBy;
use crate::key::AccountScope;
use crate::person::{Person, Profile, Withdrawal};
use crate::record::{Expect, Record, Transaction};
use crate::time::{day_in, one_month_after, to_millisecond};
use crate::webhook::{News, Topic};

/// The longest hold: the longest limitation period there is (§ 1478 ABGB, § 197 BGB).
pub const MAX_YEARS: i16 = 30;

/// A hold on a person's data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// On what it rests, in the controller's words: "§ 132 BAO".
    pub basis: String,
    /// Its last day.
    pub required_until: Date,
    /// From when on it holds nothing any more: the end of that day in the account's zone.
    pub until: Timestamp,
    /// Since when.
    pub since: Timestamp,
    /// An erasure that was asked for meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erasure: Option<Postponed>,
}

/// An erasure that waits for the end of a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Postponed {
    /// When it was asked for first.
    pub asked_at: Timestamp,
    /// By whom.
    pub by: AskedBy,
}

/// Why there can be no such hold; a stable code for answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHold {
    /// Its last day is over.
    #[error("the last day is over")]
    Past,
    /// Longer than [`MAX_YEARS`].
    #[error("the last day is too far away")]
    TooLong,
}

impl InvalidHold {
    /// Stable code for answers.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Past => "past",
            Self::TooLong => "too_far_away",
        }
    }
}

impl Hold {
    /// A hold from `now` to the end of `required_until` in the account's zone.
    ///
    /// # Errors
    /// When that day is over or too far away.
    pub fn new(
        basis: String,
        required_until: Date,
        zone: &TimeZone,
        now: Timestamp,
    ) -> Result<Self, InvalidHold> {
        let today = day_in(now, zone);
        if required_until < today {
            return Err(InvalidHold::Past);
        }
        let latest = today.checked_add(MAX_YEARS.years());
        if latest.is_ok_and(|latest| required_until > latest) {
            return Err(InvalidHold::TooLong);
        }
        let until = required_until
            .checked_add(1.day())
            .ok()
            .and_then(|next| next.to_zoned_datetime(zone.clone()).ok())
            .ok_or(InvalidHold::TooLong)?;
        Ok(Self {
            basis,
            required_until,
            until: until.timestamp(),
            since: to_millisecond(now),
            erasure: None,
        })
    }

    /// Whether it was noted with an erasure because `other` stood ([`postpone_with`]).
    pub fn follows(&self, other: &Self) -> bool {
        let same = |hold: &Self| (hold.basis.clone(), hold.required_until, hold.since);
        self.erasure.is_some() && same(self) == same(other)
    }

    /// Whether it still holds anything at `now`.
    pub fn stands(&self, now: Timestamp) -> bool {
        now < self.until
    }
}

/// What placing a hold changes, or placing another in its stead; `None` when nobody is there to
/// hold. The profile loses its end in the same write: from then on nothing deletes it.
pub fn place(scope: &AccountScope, person: &Person, hold: Hold) -> Option<Transaction> {
    let profile = person.profile.as_ref()?;
    let before = withdrawal_of(person);
    // Whoever has asked to be erased has not to ask again.
    let known = before.hold.as_ref();
    let hold = Hold {
        since: known.map_or(hold.since, |known| known.since),
        erasure: known.and_then(|known| known.erasure),
        ..hold
    };
    let is_news = !before.is_restricted();
    let at = hold.since;
    let withdrawal = Withdrawal {
        rev: before.rev + 1,
        hold: Some(hold),
        ..before
    };
    let mut transaction = Transaction::default();
    if is_news {
        transaction.tell(news(Topic::Restricted, person, at));
    }
    transaction.put(
        Record::Withdrawal(withdrawal),
        Expect::unchanged(person.withdrawal.as_ref()),
    );
    let expect = Expect::Revision(profile.rev);
    if profile.gone_at.is_some() {
        let kept = Profile {
            rev: profile.rev + 1,
            gone_at: None,
            ..profile.clone()
        };
        transaction.put(Record::Profile(Box::new(kept)), expect);
    } else {
        transaction.check(scope.profile(person.key), expect);
    }
    Some(transaction)
}

/// What asking to be erased changes while a hold stands: it is noted, the first time counts;
/// `None` when it was.
pub fn postpone(person: &Person, by: AskedBy, now: Timestamp) -> Option<Transaction> {
    let before = person.withdrawal.as_ref()?;
    let hold = before.hold.as_ref().filter(|hold| hold.erasure.is_none())?;
    let noted = Withdrawal {
        rev: before.rev + 1,
        hold: Some(Hold {
            erasure: Some(Postponed {
                asked_at: to_millisecond(now),
                by,
            }),
            ..hold.clone()
        }),
        ..before.clone()
    };
    let mut transaction = Transaction::default();
    transaction.put(Record::Withdrawal(noted), Expect::Revision(before.rev));
    Some(transaction)
}

/// What asking to erase the person of a former address changes while the hold of the one that took
/// over stands: it is noted here, with that hold, and done when it ends; `None` when it was noted.
///
/// The profile keeps the end that it has: of this person only the erasure waits.
pub fn postpone_with(
    former: &Person,
    successors: &Hold,
    by: AskedBy,
    now: Timestamp,
) -> Option<Transaction> {
    let before = withdrawal_of(former);
    if before
        .hold
        .as_ref()
        .is_some_and(|hold| hold.erasure.is_some())
    {
        return None;
    }
    let noted = Withdrawal {
        rev: before.rev + 1,
        hold: Some(Hold {
            erasure: Some(Postponed {
                asked_at: to_millisecond(now),
                by,
            }),
            ..successors.clone()
        }),
        ..before
    };
    let mut transaction = Transaction::default();
    transaction.put(
        Record::Withdrawal(noted),
        Expect::unchanged(former.withdrawal.as_ref()),
    );
    Some(transaction)
}

/// What the end of a hold changes, by its day or because it was lifted; `None` when there is none.
///
/// The old end of the relationship counts again, from the day it had: who was due meanwhile is
/// due at once. Where an erasure waits the record stays, ended, until that is done.
pub fn lift(
    scope: &AccountScope,
    person: &Person,
    zone: &TimeZone,
    now: Timestamp,
) -> Option<Transaction> {
    let before = person.withdrawal.as_ref()?;
    let hold = before.hold.as_ref()?;
    let now = to_millisecond(now);
    let waits = hold.erasure.is_some();
    if waits && !hold.stands(now) {
        return None;
    }
    let mut transaction = Transaction::default();
    let ended = Withdrawal {
        rev: before.rev + 1,
        hold: waits.then(|| Hold {
            until: now,
            ..hold.clone()
        }),
        ..before.clone()
    };
    // Whoever is to be erased is told so, and not that all is well.
    if !ended.is_restricted() {
        transaction.tell(news(Topic::RestrictionLifted, person, now));
    }
    transaction.put(Record::Withdrawal(ended), Expect::Revision(before.rev));
    let Some(profile) = &person.profile else {
        return Some(transaction);
    };
    let expect = Expect::Revision(profile.rev);
    match profile.ended_on {
        // Whoever is to be erased is erased from here, not forgotten half.
        Some(on) if !waits => {
            let due = Profile {
                rev: profile.rev + 1,
                gone_at: Some(one_month_after(on, zone)),
                ..profile.clone()
            };
            transaction.put(Record::Profile(Box::new(due)), expect);
        }
        _ => {
            transaction.check(scope.profile(person.key), expect);
        }
    }
    Some(transaction)
}

/// The profile as it may be stored beside this withdrawal: without an end while data are held.
#[must_use]
pub fn kept(profile: Profile, withdrawal: Option<&Withdrawal>) -> Profile {
    if withdrawal.is_some_and(|withdrawal| withdrawal.hold.is_some()) {
        Profile {
            gone_at: None,
            ..profile
        }
    } else {
        profile
    }
}

/// What a hold changes for whoever got the data: they are restricted, or no more (Art. 19 GDPR).
fn news(topic: Topic, person: &Person, at: Timestamp) -> News {
    News {
        topic,
        person: person.key,
        at,
        record: None,
    }
}

fn withdrawal_of(person: &Person) -> Withdrawal {
    person
        .withdrawal
        .clone()
        .unwrap_or_else(|| Withdrawal::none(person.key))
}

#[cfg(test)]
mod tests;
