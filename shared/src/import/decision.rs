//! What one row of a file leads to, given the person as stored.
//!
//! An import can never bring back who left (T-11): only a completed double opt-in can. It may
//! rectify what is known of a subscriber, add a list that the person never left, and bring the
//! proof that an earlier import lacked.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;

use super::Import;
use crate::page_language::Language;
use crate::person::{ImportedConsent, ListConsent, Person, Profile, Proof, TombstoneKind};
use crate::subscriber_file::{ImportRow, Outcome};
use crate::time::day_in;

/// Why a row was left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SkipReason {
    /// Processing is restricted (Art. 18 GDPR).
    Restricted,
    /// Erased (Art. 17 GDPR).
    Erased,
    /// Objected (Art. 21 GDPR).
    Objected,
    /// Complained about a mail.
    Complained,
    /// The mailbox does not exist.
    Bounced,
    /// Left all lists.
    Unsubscribed,
    /// Left this list.
    LeftList,
    /// Left after the day of the consent that the import brings.
    WithdrawnSince,
    /// The relationship has ended; the data wait for their deletion (S-08).
    RelationshipEnded,
    /// The controller writes to this address, its domain or its like no more (P-13).
    Suppressed,
    /// It stands in the Austrian ECG list, so no soft opt-in holds (§ 7 ECG, L-03).
    EcgListed,
}

impl SkipReason {
    /// The stable code in reports.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Restricted => "restricted",
            Self::Erased => "erased",
            Self::Objected => "objected",
            Self::Complained => "complained",
            Self::Bounced => "bounced",
            Self::Unsubscribed => "unsubscribed",
            Self::LeftList => "left_list",
            Self::WithdrawnSince => "withdrawn_since_consent",
            Self::RelationshipEnded => "relationship_ended",
            Self::Suppressed => "suppressed",
            Self::EcgListed => "ecg_listed",
        }
    }
}

/// Sources that a person's record names beside those of consents, at most: a file a day with a name
/// of its own must not fill the item (engineering; A-25).
const MAX_SOURCES: usize = 100;

/// What a row leads to.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// Put this profile, unless the person changed meanwhile.
    Write {
        /// The whole profile.
        profile: Box<Profile>,
        /// Created or updated.
        outcome: Outcome,
    },
    /// Change nothing.
    Skip(SkipReason),
}

/// What a row leads to. `language` is the account's, for new subscribers.
pub fn decide(person: &Person, row: &ImportRow, import: &Import, language: Language) -> Decision {
    if let Some(reason) = barred(person).or(row.barred) {
        return Decision::Skip(reason);
    }
    let active = person.active_lists().contains(&import.list);
    let sendable = person.sendable_lists().contains(&import.list);
    // What makes no difference is not recorded: the person's record would grow with each file.
    let brings_consent = !active || (!sendable && import.provenance.is_sendable());
    if brings_consent && let Some(reason) = left(person, import) {
        return Decision::Skip(reason);
    }
    let Some(profile) = &person.profile else {
        let mut profile = new_profile(person, row, import, language);
        bring_consent(&mut profile, import);
        return Decision::Write {
            profile: Box::new(profile),
            outcome: Outcome::Created,
        };
    };
    if profile.ended_on.is_some() {
        return Decision::Skip(SkipReason::RelationshipEnded);
    }
    let mut profile = profile.clone();
    profile.rev += 1;
    let mut brings_data = false;
    for (key, value) in &row.values {
        let before = profile.values.insert(key.clone(), value.clone());
        brings_data |= before.as_ref() != Some(value);
    }
    if brings_consent {
        bring_consent(&mut profile, import);
    } else if brings_data {
        name_source(&mut profile, import);
    }
    Decision::Write {
        profile: Box::new(profile),
        outcome: Outcome::Updated,
    }
}

/// The consent that the import brings, with where it comes from beside what is known of earlier
/// ones.
fn bring_consent(profile: &mut Profile, import: &Import) {
    let consent = ListConsent {
        since: import.created_at,
        basis: import.provenance.legal_basis,
        proof: Proof::Import(import.id.clone()),
    };
    profile.lists.insert(import.list.clone(), consent);
    profile.provenance.push(said(import, false));
}

/// Where data come from that changed without any consent (Art. 15(1)(g) GDPR): each source once.
fn name_source(profile: &mut Profile, import: &Import) {
    let source = &import.provenance.source;
    let is_known = profile
        .provenance
        .iter()
        .any(|said| said.provenance.source == *source);
    if !is_known && profile.provenance.len() < MAX_SOURCES {
        profile.provenance.push(said(import, true));
    }
}

fn said(import: &Import, data_only: bool) -> ImportedConsent {
    ImportedConsent {
        import: import.id.clone(),
        at: import.created_at,
        list: import.list.clone(),
        data_only,
        provenance: import.provenance.clone(),
    }
}

fn new_profile(person: &Person, row: &ImportRow, import: &Import, language: Language) -> Profile {
    Profile {
        person: person.key,
        rev: Profile::first_revision(import.id.as_str().as_bytes()),
        address: row.address.clone(),
        spellings: vec![row.address.clone()],
        values: row.values.clone(),
        lists: BTreeMap::new(),
        provenance: Vec::new(),
        interests: Vec::new(),
        tracking_since: None,
        profiling_since: None,
        language,
        customer: false,
        created_at: import.created_at,
        ended_on: None,
        gone_at: None,
    }
}

/// Why only a completed double opt-in may bring the person back.
fn barred(person: &Person) -> Option<SkipReason> {
    if person.is_restricted() {
        return Some(SkipReason::Restricted);
    }
    if person.is_suppressed() {
        return Some(SkipReason::Suppressed);
    }
    let tombstone = person.tombstone.as_ref().filter(|t| t.blocks())?;
    // The gravest that stands: one that a later double opt-in lifted does not.
    let stands = |kind: &TombstoneKind| {
        tombstone
            .at
            .get(kind)
            .is_some_and(|at| tombstone.lifted_at.is_none_or(|lifted| *at >= lifted))
    };
    [
        (TombstoneKind::Restricted, SkipReason::Restricted),
        (TombstoneKind::Erased, SkipReason::Erased),
        (TombstoneKind::Objected, SkipReason::Objected),
        (TombstoneKind::Complained, SkipReason::Complained),
        (TombstoneKind::Bounced, SkipReason::Bounced),
        (TombstoneKind::Unsubscribed, SkipReason::Unsubscribed),
    ]
    .into_iter()
    .find(|(kind, _)| stands(kind))
    .map(|(_, reason)| reason)
}

/// Whether the person left this list, or left all after the consent that the import brings.
fn left(person: &Person, import: &Import) -> Option<SkipReason> {
    let withdrawal = person.withdrawal.as_ref();
    let tombstone = person.tombstone.as_ref();
    let left_list = withdrawal.is_some_and(|w| w.lists.contains_key(&import.list))
        || tombstone.is_some_and(|t| t.lists.contains_key(&import.list));
    if left_list {
        return Some(SkipReason::LeftList);
    }
    // Of a day only the latest instant that it can be anywhere is known for sure: a withdrawal
    // on the day itself wins.
    let since = import.provenance.consented_on;
    let withdrawn = withdrawal
        .into_iter()
        .flat_map(|w| [w.all_at, w.bounced_at, w.complained_at])
        .flatten()
        .chain(tombstone.into_iter().flat_map(|t| t.at.values().copied()));
    let mut withdrawn = withdrawn.map(|at| (at, day_in(at, &TimeZone::UTC)));
    withdrawn
        .any(|(at, day)| at >= import.created_at || since.is_some_and(|since| day >= since))
        .then_some(SkipReason::WithdrawnSince)
}
