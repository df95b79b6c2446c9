//! After a region switch: a person's profile, withdrawal and tombstone derived anew from what
//! replication cannot overwrite: sign-ups, unsubscriptions, erasures (A-30, T-10).
//!
//! Decides only, about one person as they are once both regions hold the same. Of two writes to one
//! item the later stays whole; records of their own are never lost. What stands in none of them,
//! a bounce, a complaint or a restriction of the last moment, may be: that is the stated loss.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::consent::{ended, may_add, subscribed};
use crate::erasure::Erasure;
use crate::hold;
use crate::id::ListId;
use crate::key::AccountScope;
use crate::person::{
    ListConsent, Person, Profile, Proof, Purpose, Tombstone, TombstoneKind, Unsubscription,
    Withdrawal,
};
use crate::record::{Expect, Record, Transaction};
use crate::setup::Mode;
use crate::sign_up::{SignUp, SignUpState};
use crate::time::day_in;

/// All that is remembered of a person.
#[derive(Debug, Clone, Copy)]
pub struct Remembered<'a> {
    /// As the last write to each item left them.
    pub person: &'a Person,
    /// Their sign-ups.
    pub sign_ups: &'a [SignUp],
    /// Their unsubscriptions.
    pub unsubscriptions: &'a [Unsubscription],
    /// Their erasures.
    pub erasures: &'a [Erasure],
    /// Since when the account suppresses the address, if it does.
    pub suppressed_since: Option<Timestamp>,
}

/// What people do to leave for good; bounces and complaints are told later than they happen.
const LEAVING: [TombstoneKind; 3] = [
    TombstoneKind::Unsubscribed,
    TombstoneKind::Objected,
    TombstoneKind::Erased,
];

/// What must be written so that a withdrawal wins unless a later confirmed sign-up exists, and so
/// that no consent of the time `since` then is lost; `None` when all is as it should be.
///
/// `since` is an instant up to which both regions were the same. Consents of before then, or of
/// before the profile that is there, are not added: theirs may have ended and be gone for good.
pub fn rederive(
    scope: &AccountScope,
    remembered: Remembered<'_>,
    since: Timestamp,
    zone: &TimeZone,
) -> Option<Transaction> {
    let before = remembered.person;
    let tombstone = tombstone(remembered, since);
    let withdrawal = withdrawal(before, tombstone.as_ref());
    let profile = Derivation {
        remembered,
        tombstone: tombstone.as_ref(),
        withdrawal: withdrawal.as_ref(),
    }
    .profile(since, zone);
    let mut transaction = Transaction::default();
    if let Some(tombstone) = tombstone.filter(|one| before.tombstone.as_ref() != Some(one)) {
        let rev = tombstone.rev + 1;
        transaction.put(
            Record::Tombstone(Tombstone { rev, ..tombstone }),
            Expect::unchanged(before.tombstone.as_ref()),
        );
    }
    if let Some(withdrawal) = withdrawal.filter(|one| before.withdrawal.as_ref() != Some(one)) {
        let rev = withdrawal.rev + 1;
        transaction.put(
            Record::Withdrawal(Withdrawal { rev, ..withdrawal }),
            Expect::unchanged(before.withdrawal.as_ref()),
        );
    }
    match (profile, &before.profile) {
        (Some(profile), known) if known.as_ref() != Some(&profile) => {
            let rev = known.as_ref().map_or(0, |known| known.rev) + 1;
            transaction.put(
                Record::Profile(Box::new(Profile { rev, ..profile })),
                Expect::unchanged(known.as_ref()),
            );
        }
        (None, Some(known)) => {
            transaction.delete(scope.profile(known.person), Expect::Revision(known.rev));
        }
        _ => {}
    }
    (!transaction.0.is_empty()).then_some(transaction)
}

fn later<K: Ord>(times: &mut BTreeMap<K, Timestamp>, key: K, at: Timestamp) {
    let known = times.entry(key).or_insert(at);
    *known = (*known).max(at);
}

/// The tombstone with all that the records say, and lifted by what lifts it.
fn tombstone(remembered: Remembered<'_>, since: Timestamp) -> Option<Tombstone> {
    let person = remembered.person;
    let mut tombstone = person
        .tombstone
        .clone()
        .unwrap_or_else(|| Tombstone::none(person.key));
    let before = tombstone.clone();
    for erasure in remembered.erasures {
        later(
            &mut tombstone.at,
            TombstoneKind::Erased,
            erasure.requested_at,
        );
    }
    for left in remembered.unsubscriptions {
        if left.all {
            later(&mut tombstone.at, TombstoneKind::Unsubscribed, left.at);
        }
        for list in &left.lists {
            later(&mut tombstone.lists, list.clone(), left.at);
        }
    }
    if let Some(withdrawal) = &person.withdrawal {
        for purpose in Purpose::ALL {
            tombstone.note_purpose(purpose, withdrawal.purpose_at(purpose));
        }
        for (kind, at) in [
            (TombstoneKind::Bounced, withdrawal.bounced_at),
            (TombstoneKind::Complained, withdrawal.complained_at),
        ] {
            if let Some(at) = at {
                later(&mut tombstone.at, kind, at);
            }
        }
        let known = newest(&tombstone, &LEAVING, Timestamp::MAX);
        if let Some(at) = withdrawal.all_at.filter(|at| Some(*at) > known) {
            later(&mut tombstone.at, TombstoneKind::Unsubscribed, at);
        }
    }
    if remembered.suppressed_since.is_some() {
        tombstone.suppressed_at = tombstone.suppressed_at.or(remembered.suppressed_since);
    }
    let lift = remembered
        .sign_ups
        .iter()
        .filter_map(|sign_up| confirmed(sign_up, &tombstone))
        .max();
    // What a region lifted that did not know of the withdrawal stands.
    if tombstone.lifted_at > lift && tombstone.lifted_at >= Some(since) {
        tombstone.lifted_at = lift;
    }
    if let Some(lift) = lift {
        let lifts = LEAVING.iter().filter_map(|kind| tombstone.at.get(kind));
        let stands = |at: Timestamp| tombstone.lifted_at.is_none_or(|lifted| at >= lifted);
        if lifts.clone().any(|at| *at <= lift && stands(*at)) {
            tombstone.lifted_at = tombstone.lifted_at.max(Some(lift));
        }
    }
    (person.tombstone.is_some() || tombstone != before).then_some(tombstone)
}

/// When a double opt-in was completed that nobody had left in between.
fn confirmed(sign_up: &SignUp, tombstone: &Tombstone) -> Option<Timestamp> {
    let at = sign_up.confirmed_at?;
    let is_confirmed = sign_up.state == SignUpState::Confirmed;
    let void = LEAVING
        .iter()
        .filter_map(|kind| tombstone.at.get(kind))
        .any(|left| (sign_up.signed_up_at..=at).contains(left));
    (is_confirmed && !void).then_some(at)
}

/// The last of these up to an instant.
fn newest(tombstone: &Tombstone, kinds: &[TombstoneKind], until: Timestamp) -> Option<Timestamp> {
    kinds
        .iter()
        .filter_map(|kind| tombstone.at.get(kind).copied())
        .filter(|at| *at <= until)
        .max()
}

/// The withdrawal item with all that the tombstone says since the last erasure.
fn withdrawal(person: &Person, tombstone: Option<&Tombstone>) -> Option<Withdrawal> {
    let Some(tombstone) = tombstone else {
        return person.withdrawal.clone();
    };
    let before = person
        .withdrawal
        .clone()
        .unwrap_or_else(|| Withdrawal::none(person.key));
    let mut after = before.clone();
    let erased = tombstone.erased_at();
    if let Some(erased) = erased {
        after.all_at = after.all_at.max(Some(erased));
    }
    for (kind, at) in &tombstone.at {
        if erased.is_some_and(|erased| *at <= erased) {
            continue;
        }
        let slot = match kind {
            TombstoneKind::Erased => continue,
            TombstoneKind::Unsubscribed | TombstoneKind::Objected => &mut after.all_at,
            TombstoneKind::Bounced => &mut after.bounced_at,
            TombstoneKind::Complained => &mut after.complained_at,
            // A restricted person can confirm nothing: it was lifted before.
            TombstoneKind::Restricted if tombstone.lifted_at > Some(*at) => continue,
            TombstoneKind::Restricted => &mut after.restricted_at,
        };
        *slot = (*slot).max(Some(*at));
    }
    for (list, at) in &tombstone.lists {
        if erased.is_none_or(|erased| *at > erased) {
            later(&mut after.lists, list.clone(), *at);
        }
    }
    for purpose in Purpose::ALL {
        let at = tombstone.purpose_at(purpose);
        after.note_purpose(
            purpose,
            at.filter(|at| erased.is_none_or(|erased| *at > erased)),
        );
    }
    after.suppressed_at = after.suppressed_at.or(tombstone.suppressed_at);
    (person.withdrawal.is_some() || after != before).then_some(after)
}

struct Derivation<'a> {
    remembered: Remembered<'a>,
    tombstone: Option<&'a Tombstone>,
    withdrawal: Option<&'a Withdrawal>,
}

impl Derivation<'_> {
    fn profile(&self, since: Timestamp, zone: &TimeZone) -> Option<Profile> {
        // What is not there may have ended and be gone for good: it stays away.
        let known = self.remembered.person.profile.as_ref()?;
        let erased = self.tombstone.and_then(Tombstone::erased_at);
        let mut person = Person {
            // Data of before an erasure do not come back with a later write.
            profile: erased
                .is_none_or(|erased| known.created_at > erased)
                .then(|| known.clone()),
            withdrawal: self.withdrawal.cloned(),
            tombstone: self.tombstone.cloned(),
            ..Person::unknown(self.remembered.person.key)
        };
        if let Some(profile) = &mut person.profile {
            profile
                .lists
                .retain(|list, consent| self.is_lawful(list, consent));
        }
        let mut given: Vec<(Timestamp, &SignUp)> = self
            .remembered
            .sign_ups
            .iter()
            .filter_map(|sign_up| Some((self.given_at(sign_up)?, sign_up)))
            // What is older than the profile belongs to a relationship that ended before it.
            .filter(|(at, _)| *at >= since.max(known.created_at))
            .collect();
        given.sort_by_key(|(at, sign_up)| (*at, sign_up.event));
        for (at, sign_up) in given {
            let sendable = person.sendable_lists();
            let lacks = sign_up.lists.iter().any(|list| {
                !sendable.contains(&list.id)
                    && may_add(&person, sign_up, &list.id)
                    && self
                        .withdrawal
                        .is_none_or(|withdrawal| withdrawal.leaves(&list.id, at))
            });
            if lacks {
                person.profile = Some(subscribed(&person, sign_up, at));
            }
        }
        let profile = person.profile?;
        // An erased person whom nothing lawful brought back: what a region wrote meanwhile goes.
        if erased.is_some() && profile.lists.is_empty() && !profile.customer {
            return None;
        }
        Some(hold::kept(self.ended(profile, zone), self.withdrawal))
    }

    /// When a sign-up led to consent that still counts as given.
    fn given_at(&self, sign_up: &SignUp) -> Option<Timestamp> {
        match sign_up.state {
            SignUpState::Confirmed => match self.tombstone {
                Some(tombstone) => confirmed(sign_up, tombstone),
                None => sign_up.confirmed_at,
            },
            SignUpState::Active => {
                (!self.was_blocked(sign_up.signed_up_at)).then_some(sign_up.signed_up_at)
            }
            SignUpState::Pending | SignUpState::Superseded | SignUpState::Suppressed => None,
        }
    }

    /// Whether somebody had left for good by an instant, and had not come back by double opt-in.
    fn was_blocked(&self, at: Timestamp) -> bool {
        let Some(tombstone) = self.tombstone else {
            return false;
        };
        let Some(left) = newest(tombstone, &LEAVING, at) else {
            return false;
        };
        !self
            .remembered
            .sign_ups
            .iter()
            .filter_map(|sign_up| confirmed(sign_up, tombstone))
            .any(|confirmed| (left..=at).contains(&confirmed))
    }

    fn is_lawful(&self, list: &ListId, consent: &ListConsent) -> bool {
        match &consent.proof {
            Proof::SignUp(event) => {
                let all = self.remembered.sign_ups;
                let sign_up = all.iter().find(|sign_up| sign_up.event == *event);
                sign_up.is_some_and(|sign_up| {
                    self.given_at(sign_up).is_some() && self.could_add(sign_up, list, consent.since)
                })
            }
            Proof::Import(_) => {
                let left = self.tombstone.and_then(|known| known.lists.get(list));
                left.is_none_or(|left| *left > consent.since) && !self.was_blocked(consent.since)
            }
        }
    }

    /// Whether a sign-up could put somebody on this list at `since`, had its region known who had
    /// left it by then: as `consent` decides where all is known.
    fn could_add(&self, sign_up: &SignUp, list: &ListId, since: Timestamp) -> bool {
        let left = self.tombstone.and_then(|known| known.lists.get(list));
        // Who left it later is out by the time of it.
        let Some(left) = left.filter(|left| **left < since) else {
            return true;
        };
        match sign_up.mode {
            Mode::Double => *left < sign_up.signed_up_at,
            Mode::Single | Mode::Confirmed => self.remembered.sign_ups.iter().any(|other| {
                let came_back = self
                    .tombstone
                    .and_then(|tombstone| confirmed(other, tombstone));
                other.mode == Mode::Double
                    && other.signed_up_at > *left
                    && other.lists.iter().any(|known| known.id == *list)
                    && came_back.is_some_and(|at| at <= since)
            }),
        }
    }

    /// Leaving the last list ended the relationship, whichever write of the profile stayed.
    fn ended(&self, profile: Profile, zone: &TimeZone) -> Profile {
        let left_at = self.withdrawal.and_then(|withdrawal| withdrawal.all_at);
        let Some(left_at) = left_at.filter(|_| !profile.customer) else {
            return profile;
        };
        let since = profile.lists.values().map(|consent| consent.since).max();
        let has_come_back = since.unwrap_or(profile.created_at) > left_at;
        if has_come_back || profile.ended_on.is_some() {
            return profile;
        }
        let ended = ended(&profile, day_in(left_at, zone), zone);
        Profile {
            rev: profile.rev,
            ..ended
        }
    }
}

#[cfg(test)]
mod tests;
