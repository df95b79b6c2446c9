//! What becomes of one archived record: all tombstones are replayed over it, and what has expired
//! or is there today is left alone.
//!
//! A pure function of the line, of what is stored today, and of the time: it is asked when the
//! record is staged and again when it is released.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize as _;
use serde_json::Value;

use crate::consent::ended;
use crate::hold;
use crate::person::{Person, Profile, Purpose, Tombstone, TombstoneKind, Withdrawal};
use crate::record::Expect;
use crate::sign_up::SignUp;
use crate::time::day_in;

/// What becomes of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It comes back.
    Added,
    /// It is there today and stays as it is.
    Present,
    /// The person was erased after it came to be.
    DroppedTombstone,
    /// Its time is over (T-05).
    DroppedExpired,
}

/// Whether an item is there today.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// No.
    Absent,
    /// Yes.
    Present,
    /// It is, but its time is over and nobody has deleted it yet: no older copy of it may come
    /// back (T-04).
    Expired,
    /// A sign-up is there that nobody has confirmed.
    Unconfirmed {
        /// Its revision.
        revision: u64,
        /// Whether its time is over.
        is_over: bool,
    },
}

/// A line of the set of subscribers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchivedSubscriber {
    /// The profile.
    pub profile: Profile,
    /// What the person had withdrawn by then.
    pub withdrawal: Option<Withdrawal>,
}

impl ArchivedSubscriber {
    /// Reads a line; `None` when it is none.
    pub fn parse(line: &str) -> Option<Self> {
        let mut value: Value = serde_json::from_str(line).ok()?;
        let withdrawal = match value.as_object_mut()?.remove("withdrawal") {
            None | Some(Value::Null) => None,
            Some(withdrawal) => Some(Withdrawal::deserialize(withdrawal).ok()?),
        };
        let profile = Profile::deserialize(value).ok()?;
        let is_one_person = withdrawal
            .as_ref()
            .is_none_or(|withdrawal| withdrawal.person == profile.person);
        is_one_person.then_some(Self {
            profile,
            withdrawal,
        })
    }
}

/// What becomes of an archived subscriber.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    /// Of the profile.
    pub fate: Fate,
    /// The profile to put where none is.
    pub profile: Option<Profile>,
    /// The withdrawal item to put, in place of what is there: nothing in it is earlier than that.
    pub withdrawal: Option<Withdrawal>,
}

impl Replayed {
    fn nothing(fate: Fate) -> Self {
        Self {
            fate,
            profile: None,
            withdrawal: None,
        }
    }

    /// Whether anything is to be written.
    pub fn writes(&self) -> bool {
        self.profile.is_some() || self.withdrawal.is_some()
    }
}

/// What becomes of a subscriber. `live` is what is stored of the person today; `known` says of
/// the profile whether one that has expired is still there.
///
/// Whoever left, objected, bounced, complained or is restricted comes back with the times of it,
/// so that nobody who left can be mailed; a relationship that ended with it ends again.
pub fn subscriber(
    archived: &ArchivedSubscriber,
    live: &Person,
    known: Known,
    zone: &TimeZone,
    now: Timestamp,
) -> Replayed {
    let tombstone = live.tombstone.as_ref();
    let withdrawn = merged(archived, live);
    if live.profile.is_some() {
        // What is there stays; but a withdrawal that is missing beside it is filled in.
        let missing = live.withdrawal.is_none() && !erases(tombstone, archived.profile.created_at);
        return Replayed {
            withdrawal: withdrawn.filter(|_| missing),
            ..Replayed::nothing(Fate::Present)
        };
    }
    if erases(tombstone, archived.profile.created_at) {
        return Replayed::nothing(Fate::DroppedTombstone);
    }
    let stands = withdrawn.as_ref().or(live.withdrawal.as_ref());
    // What a duty to keep holds today is not over, whatever the archive says.
    let archived = &ArchivedSubscriber {
        profile: hold::kept(archived.profile.clone(), stands),
        ..archived.clone()
    };
    if known == Known::Expired || is_over(archived.profile.gone_at, now) {
        return Replayed::nothing(Fate::DroppedExpired);
    }
    let profile = hold::kept(ended_with(&archived.profile, stands, zone), stands);
    if is_over(profile.gone_at, now) {
        return Replayed::nothing(Fate::DroppedExpired);
    }
    Replayed {
        fate: Fate::Added,
        profile: Some(profile),
        withdrawal: withdrawn,
    }
}

/// What becomes of a sign-up, and what to put if it comes back.
///
/// One that was confirmed comes back over one that was not: that was brought back by the restore
/// of an archive of before the confirmation, and the profile that comes now needs its proof.
pub fn sign_up(
    archived: &SignUp,
    tombstone: Option<&Tombstone>,
    known: Known,
    now: Timestamp,
) -> (Fate, Option<(SignUp, Expect)>) {
    let (known, rev, expect) = match known {
        Known::Unconfirmed { revision, is_over } if archived.confirmed_at.is_some() => {
            let expect = if is_over {
                Expect::Absent
            } else {
                Expect::Revision(revision)
            };
            (Known::Absent, revision + 1, expect)
        }
        Known::Unconfirmed { is_over: true, .. } => (Known::Expired, archived.rev, Expect::Absent),
        Known::Unconfirmed { is_over: false, .. } => (Known::Present, archived.rev, Expect::Absent),
        known => (known, archived.rev, Expect::Absent),
    };
    let fate = evidence(
        archived.signed_up_at,
        archived.gone_at,
        tombstone,
        known,
        now,
    );
    let put = (fate == Fate::Added).then(|| {
        let sign_up = SignUp {
            rev: rev.max(archived.rev),
            ..archived.clone()
        };
        (sign_up, expect)
    });
    (fate, put)
}

/// What becomes of the evidence of a sign-up or of leaving: `at` is when it happened.
pub fn evidence(
    at: Timestamp,
    gone_at: Option<Timestamp>,
    tombstone: Option<&Tombstone>,
    known: Known,
    now: Timestamp,
) -> Fate {
    if known == Known::Present {
        Fate::Present
    } else if erases(tombstone, at) {
        Fate::DroppedTombstone
    } else if known == Known::Expired || is_over(gone_at, now) {
        Fate::DroppedExpired
    } else {
        Fate::Added
    }
}

/// What becomes of a configured thing.
pub fn configured(known: Known) -> Fate {
    match known {
        Known::Absent => Fate::Added,
        Known::Present | Known::Unconfirmed { .. } => Fate::Present,
        Known::Expired => Fate::DroppedExpired,
    }
}

fn is_over(gone_at: Option<Timestamp>, now: Timestamp) -> bool {
    gone_at.is_some_and(|gone_at| gone_at <= now)
}

/// Whether an erasure takes what came to be at `since`: everything while it stands, and what is
/// older than it also after a later confirmed sign-up. That brought the person back, not the data
/// that were erased.
fn erases(tombstone: Option<&Tombstone>, since: Timestamp) -> bool {
    let Some(tombstone) = tombstone else {
        return false;
    };
    tombstone
        .at
        .get(&TombstoneKind::Erased)
        .is_some_and(|erased| stands(tombstone, *erased) || *erased >= since)
}

fn stands(tombstone: &Tombstone, at: Timestamp) -> bool {
    tombstone.lifted_at.is_none_or(|lifted| at >= lifted)
}

/// Everything that was withdrawn, as far as anything remembers it; `None` when the item that is
/// there says it all, or there is nothing to say. Times only move forward.
fn merged(archived: &ArchivedSubscriber, live: &Person) -> Option<Withdrawal> {
    let newest = archived.profile.lists.values().map(|one| one.since).max();
    let archived = archived.withdrawal.as_ref();
    let before = live
        .withdrawal
        .clone()
        .unwrap_or_else(|| Withdrawal::none(live.key));
    let mut after = before.clone();
    if let Some(archived) = archived {
        for (slot, at) in [
            (&mut after.all_at, archived.all_at),
            (&mut after.bounced_at, archived.bounced_at),
            (&mut after.complained_at, archived.complained_at),
            (&mut after.restricted_at, archived.restricted_at),
            (
                &mut after.restriction_lifted_at,
                archived.restriction_lifted_at,
            ),
        ] {
            *slot = (*slot).max(at);
        }
        for (list, at) in &archived.lists {
            later(&mut after, list, *at);
        }
        for purpose in Purpose::ALL {
            after.note_purpose(purpose, archived.purpose_at(purpose));
        }
    }
    if let Some(tombstone) = &live.tombstone {
        for (kind, at) in &tombstone.at {
            let slot = match kind {
                // Decided on its own: what it does not take is newer than it.
                TombstoneKind::Erased => continue,
                TombstoneKind::Unsubscribed | TombstoneKind::Objected => {
                    // No consent outlives it but one that lifted it: what the archive dates later
                    // was taken while the request to leave was on its way.
                    if stands(tombstone, *at) {
                        after.all_at = after.all_at.max(newest);
                    }
                    &mut after.all_at
                }
                TombstoneKind::Bounced => &mut after.bounced_at,
                TombstoneKind::Complained => &mut after.complained_at,
                // A restricted person can confirm nothing: it was lifted before.
                TombstoneKind::Restricted if !stands(tombstone, *at) => continue,
                TombstoneKind::Restricted => &mut after.restricted_at,
            };
            *slot = (*slot).max(Some(*at));
        }
        for (list, at) in &tombstone.lists {
            later(&mut after, list, *at);
        }
        for purpose in Purpose::ALL {
            after.note_purpose(purpose, tombstone.purpose_at(purpose));
        }
    }
    // What stands today counts, and the archive only where nothing else remembers.
    let remembered = live.withdrawal.is_some() || live.tombstone.is_some();
    let buried = live
        .tombstone
        .as_ref()
        .and_then(|tombstone| tombstone.suppressed_at);
    after.suppressed_at = after.suppressed_at.or(buried);
    if !remembered {
        after.suppressed_at = archived.and_then(|archived| archived.suppressed_at);
    }
    // A duty to keep the data comes back with them, unless what stands today says otherwise.
    if live.withdrawal.is_none() {
        after.hold = archived.and_then(|archived| archived.hold.clone());
    }
    if after == before {
        return None;
    }
    after.rev = before.rev + 1;
    Some(after)
}

fn later(withdrawal: &mut Withdrawal, list: &crate::id::ListId, at: Timestamp) {
    let known = withdrawal.lists.entry(list.clone()).or_insert(at);
    *known = (*known).max(at);
}

/// The profile of somebody who left all lists after the archive was written: leaving the last one
/// ended the relationship then, and does so again (S-08).
fn ended_with(profile: &Profile, withdrawal: Option<&Withdrawal>, zone: &TimeZone) -> Profile {
    let left_at = withdrawal.and_then(|withdrawal| withdrawal.all_at);
    let Some(left_at) = left_at.filter(|_| !profile.customer) else {
        return profile.clone();
    };
    let day = day_in(left_at, zone);
    let consents = profile
        .lists
        .values()
        .any(|consent| consent.basis.carries_list_mail());
    let ended_later = profile.ended_on.is_none_or(|end| end > day);
    if consents && ended_later && profile.active_lists(withdrawal).is_empty() {
        ended(profile, day, zone)
    } else {
        profile.clone()
    }
}

#[cfg(test)]
mod tests;
