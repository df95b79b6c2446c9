//! The send ledger of an arc: who was claimed in which order, and what became of them.
//!
//! An entry covers a key interval that begins where the one before it ended, or names people of
//! earlier entries who certainly were not mailed. What follows from all entries of an arc is
//! computed by [`Ledger`]; nothing here writes.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::arc::Span;
use super::outcome::{Failure, Outcome, Outcomes, Unsent};
use super::{CampaignState, Limits};
use crate::id::{CampaignId, EventId, InvalidId, PersonKey};
use crate::key::{AccountScope, Key};
use crate::page_language::Language;
use crate::record::{Due, DueWork, Stored};
use crate::time::plus_seconds;

/// Which call a recipient may share: one bulk call never mixes classes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Class {
    /// Consent to tracking.
    #[serde(rename = "t")]
    pub tracked: bool,
    /// The variant of a test; 0 without one.
    #[serde(rename = "v")]
    pub variant: u8,
    /// The language of the content.
    #[serde(rename = "l")]
    pub language: Language,
}

/// Why somebody chosen was not mailed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Skip {
    /// Left the list, or all.
    Unsubscribed,
    /// Processing is restricted.
    Restricted,
    /// The mailbox does not exist.
    Bounced,
    /// Complained.
    Complained,
    /// The controller writes to this address, its domain or its like no more (P-13).
    Suppressed,
    /// Imported with consent as the ground, without its day or what proves it (T-15).
    NoProof,
    /// Agreed only after the campaign had started.
    ConsentAfterStart,
    /// No subscriber of the list any more.
    NotInList,
    /// The template could not be rendered for the person, or the mail is too large.
    TemplateFailed,
    /// Waited for another attempt when the campaign was cancelled.
    Cancelled,
}

/// Person keys in order, packed: 22 bytes each instead of 34.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct People(pub Vec<PersonKey>);

impl TryFrom<String> for People {
    type Error = InvalidId;
    fn try_from(text: String) -> Result<Self, InvalidId> {
        let bytes = BASE64_STANDARD_NO_PAD.decode(text).map_err(|_| InvalidId)?;
        let (keys, rest) = bytes.as_chunks::<16>();
        if !rest.is_empty() {
            return Err(InvalidId);
        }
        Ok(Self(
            keys.iter().copied().map(PersonKey::from_bytes).collect(),
        ))
    }
}

impl From<People> for String {
    fn from(people: People) -> String {
        let bytes: Vec<u8> = people.0.iter().flat_map(|key| *key.as_bytes()).collect();
        BASE64_STANDARD_NO_PAD.encode(bytes)
    }
}

/// A recipient of an earlier entry: entry and index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Named(pub u32, pub u16);

/// One entry of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Whose.
    pub campaign: CampaignId,
    /// The round.
    pub round: u16,
    /// The arc.
    pub arc: u32,
    /// Its number in the arc, from 0.
    pub number: u32,
    /// 1: what comes later is added by updates of their own.
    pub rev: u64,
    /// The claim's own number: a lost answer is recognised by it.
    pub nonce: EventId,
    /// When it was claimed.
    pub claimed_at: Timestamp,
    /// The interval; `None` in a retry entry.
    #[serde(default)]
    pub span: Option<Span>,
    /// Who is to be mailed, in order.
    pub recipients: People,
    /// Their classes in order: so many of this one, then so many of that.
    #[serde(default)]
    pub classes: Vec<(Class, u16)>,
    /// Who is not mailed, and why.
    #[serde(default)]
    pub skipped: BTreeMap<Skip, People>,
    /// In a retry entry: whom of before each recipient is.
    #[serde(default)]
    pub retries: Vec<Named>,
    /// In a retry entry: whom of before is not mailed any more, and why.
    #[serde(default)]
    pub retries_skipped: Vec<(Named, Skip)>,
    /// Counted attempts before this one.
    #[serde(default)]
    pub attempt: u8,
    /// What became of the recipients; absent from the claim until the calls are over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcomes: Option<Outcomes>,
    /// Indexes of recipients whose mail was delivered, as the service's events say.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub delivered: BTreeSet<u16>,
    /// Of those whose mail bounced for good.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub bounced: BTreeSet<u16>,
    /// Of those who complained.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub complained: BTreeSet<u16>,
    /// When it counts as absent.
    pub gone_at: Timestamp,
}

/// Stands in a ledger for somebody who was erased: counts stay, identity goes.
pub const BLANK: PersonKey = PersonKey::at(0);

impl Entry {
    /// The entry with a person blanked; `None` where they are not in it. Everybody keeps their
    /// index, so that outcomes and later events go on meaning the same.
    #[must_use]
    pub fn blanked(&self, person: PersonKey) -> Option<Self> {
        let blank = |people: &People| {
            People(
                people
                    .0
                    .iter()
                    .map(|known| if *known == person { BLANK } else { *known })
                    .collect(),
            )
        };
        let after = Self {
            recipients: blank(&self.recipients),
            skipped: self
                .skipped
                .iter()
                .map(|(why, people)| (*why, blank(people)))
                .collect(),
            ..self.clone()
        };
        (after != *self).then_some(after)
    }

    /// The recipients' classes, one each.
    pub fn class_of_each(&self) -> impl Iterator<Item = Class> + '_ {
        self.classes
            .iter()
            .flat_map(|(class, count)| std::iter::repeat_n(*class, usize::from(*count)))
    }

    /// The outcome of a recipient; `None` while there is none.
    pub fn outcome(&self, index: u16) -> Option<Outcome> {
        self.outcomes
            .as_ref()
            .map(|outcomes| match outcomes.0.get(usize::from(index)) {
                Some(outcome) => *outcome,
                None => Outcome::Unknown,
            })
    }

    /// How many recipients.
    pub fn len(&self) -> u16 {
        u16::try_from(self.recipients.0.len()).unwrap_or(u16::MAX)
    }

    /// Whether nobody is to be mailed by it.
    pub fn is_empty(&self) -> bool {
        self.recipients.0.is_empty()
    }
}

impl Stored for Entry {
    const KIND: &'static str = "entry";

    fn key(&self, scope: &AccountScope) -> Key {
        scope.ledger_entry(&self.campaign, self.round, self.arc, self.number)
    }

    fn revision(&self) -> u64 {
        self.rev
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.gone_at)
    }

    fn due(&self) -> Option<Due> {
        Some(Due {
            work: DueWork::Expire,
            at: self.gone_at,
        })
    }
}

/// What became of everybody who was chosen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Everybody chosen.
    pub selected: u64,
    /// Taken by the mail service.
    pub sent: u64,
    /// Not mailed, by reason.
    #[serde(default)]
    pub skipped: BTreeMap<Skip, u64>,
    /// Refused, by reason.
    #[serde(default)]
    pub failed: BTreeMap<Failure, u64>,
    /// Nobody knows (yet).
    pub unknown: u64,
}

impl Totals {
    /// Adds another arc's.
    pub fn add(&mut self, other: &Self) {
        self.selected += other.selected;
        self.sent += other.sent;
        self.unknown += other.unknown;
        for (why, count) in &other.skipped {
            *self.skipped.entry(*why).or_default() += count;
        }
        for (why, count) in &other.failed {
            *self.failed.entry(*why).or_default() += count;
        }
    }

    /// Whether everybody chosen is accounted for once (P-20).
    pub fn reconciles(&self) -> bool {
        let skipped: u64 = self.skipped.values().sum();
        let failed: u64 = self.failed.values().sum();
        self.selected == self.sent + skipped + failed + self.unknown
    }
}

/// What became of one person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Taken by the mail service.
    Sent,
    /// Not mailed any more.
    Skipped(Skip),
    /// Refused for good.
    Failed(Failure),
    /// Nobody knows.
    Unknown,
    /// Claimed; no outcome yet.
    InFlight,
    /// Certainly not mailed, and waits for a retry entry from this instant on.
    Waits(Timestamp),
}

/// All entries of one arc, in order.
#[derive(Debug, Clone)]
pub struct Ledger {
    span: Span,
    entries: Vec<Entry>,
}

/// Who goes into the next retry entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    /// Whom of before, and who they are.
    pub people: Vec<(Named, PersonKey)>,
    /// Counted attempts so far.
    pub attempt: u8,
}

impl Ledger {
    /// The ledger of the arc with this span.
    pub fn new(span: Span, entries: Vec<Entry>) -> Self {
        Self { span, entries }
    }

    /// Its entries.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The number of the next entry.
    pub fn next_number(&self) -> u32 {
        u32::try_from(self.entries.len()).unwrap_or(u32::MAX)
    }

    /// Adds the next entry.
    pub fn push(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    /// Adds outcomes to an entry.
    pub fn record(&mut self, number: u32, outcomes: Outcomes) {
        if let Some(entry) = self.entries.get_mut(number as usize) {
            entry.outcomes = Some(outcomes);
        }
    }

    /// Where the next interval begins; `None` when the whole arc is covered.
    pub fn position(&self) -> Option<PersonKey> {
        match self.entries.iter().rev().find_map(|entry| entry.span) {
            None => Some(self.span.from),
            Some(last) if last.until == self.span.until => None,
            Some(last) => last.until,
        }
    }

    /// The first claim without outcome that is old enough to count as unknown.
    pub fn to_settle(&self, limits: &Limits, now: Timestamp) -> Option<&Entry> {
        self.entries.iter().find(|entry| {
            entry.outcomes.is_none()
                && plus_seconds(entry.claimed_at, limits.settling_seconds) <= now
        })
    }

    /// What became of each recipient of each entry, and of those skipped in retry entries.
    fn fates(&self, limits: &Limits) -> Fates<'_> {
        let mut named = BTreeMap::new();
        for entry in &self.entries {
            for (index, name) in entry.retries.iter().enumerate() {
                let index = u16::try_from(index).unwrap_or(u16::MAX);
                named.insert(*name, Successor::Recipient(Named(entry.number, index)));
            }
            for (name, why) in &entry.retries_skipped {
                named.insert(*name, Successor::Skipped(*why));
            }
        }
        Fates {
            entries: &self.entries,
            named,
            limits: *limits,
        }
    }

    /// Who may go into a retry entry now: at most `most`, all with as many attempts behind them.
    pub fn retry(&self, most: u16, limits: &Limits, now: Timestamp) -> Option<Retry> {
        let fates = self.fates(limits);
        let mut retry: Option<Retry> = None;
        for (name, person) in self.recipients() {
            let Fate::Waits(from) = fates.here(name) else {
                continue;
            };
            let attempt = fates.attempts_behind(name);
            match &mut retry {
                _ if from > now => {}
                None => {
                    retry = Some(Retry {
                        people: vec![(name, person)],
                        attempt,
                    });
                }
                Some(retry) => {
                    if retry.attempt == attempt && retry.people.len() < usize::from(most) {
                        retry.people.push((name, person));
                    }
                }
            }
        }
        retry
    }

    fn recipients(&self) -> impl Iterator<Item = (Named, PersonKey)> + '_ {
        self.entries.iter().flat_map(|entry| {
            entry
                .recipients
                .0
                .iter()
                .zip(0..)
                .map(|(person, index)| (Named(entry.number, index), *person))
        })
    }

    /// What became of everybody; everybody once, however often they were tried.
    pub fn people(&self, limits: &Limits) -> Vec<(Named, PersonKey, Fate)> {
        let fates = self.fates(limits);
        self.entries
            .iter()
            .filter(|entry| entry.span.is_some())
            .flat_map(|entry| {
                let recipients = entry.recipients.0.iter().zip(0..).map(|(person, index)| {
                    let (name, fate) = fates.last(Named(entry.number, index));
                    (name, *person, fate)
                });
                let skipped = entry.skipped.iter().flat_map(|(why, people)| {
                    people
                        .0
                        .iter()
                        .map(|person| (Named(entry.number, u16::MAX), *person, Fate::Skipped(*why)))
                });
                recipients.chain(skipped).collect::<Vec<_>>()
            })
            .collect()
    }

    /// The totals if the arc were closed now, and whether it can be: it is covered, and nobody
    /// is in flight or waits.
    pub fn totals(&self, limits: &Limits, state: CampaignState) -> (Totals, bool) {
        let mut totals = Totals::default();
        let mut complete = self.position().is_none();
        for (_, _, fate) in self.people(limits) {
            totals.selected += 1;
            match fate {
                Fate::Sent => totals.sent += 1,
                Fate::Skipped(why) => *totals.skipped.entry(why).or_default() += 1,
                Fate::Failed(why) => *totals.failed.entry(why).or_default() += 1,
                Fate::Unknown => totals.unknown += 1,
                Fate::Waits(_) if state == CampaignState::Cancelled => {
                    *totals.skipped.entry(Skip::Cancelled).or_default() += 1;
                }
                Fate::InFlight | Fate::Waits(_) => {
                    totals.unknown += 1;
                    complete = false;
                }
            }
        }
        (totals, complete)
    }
}

enum Successor {
    Recipient(Named),
    Skipped(Skip),
}

struct Fates<'a> {
    entries: &'a [Entry],
    named: BTreeMap<Named, Successor>,
    limits: Limits,
}

impl Fates<'_> {
    /// Follows a recipient to the last entry that names them.
    fn last(&self, mut name: Named) -> (Named, Fate) {
        loop {
            match self.named.get(&name) {
                Some(Successor::Recipient(later)) if later.0 > name.0 => name = *later,
                Some(Successor::Skipped(why)) => return (name, Fate::Skipped(*why)),
                _ => return (name, self.here(name)),
            }
        }
    }

    /// What became of a recipient in this entry.
    fn here(&self, name: Named) -> Fate {
        let Some(entry) = self.entries.get(name.0 as usize) else {
            return Fate::Unknown;
        };
        match entry.outcome(name.1) {
            None => Fate::InFlight,
            Some(Outcome::Sent) => Fate::Sent,
            Some(Outcome::Unknown) => Fate::Unknown,
            Some(Outcome::Failed(why)) => Fate::Failed(why),
            Some(Outcome::Unsent(why)) => match self.named.get(&name) {
                Some(Successor::Skipped(skip)) => Fate::Skipped(*skip),
                // In another entry by now: of this one nothing is left to do.
                Some(Successor::Recipient(_)) => Fate::InFlight,
                None if self.attempts_behind(name) >= self.limits.attempts => {
                    Fate::Failed(match why {
                        Unsent::Refused => Failure::Refused,
                        _ => Failure::Transient,
                    })
                }
                None => Fate::Waits(plus_seconds(
                    entry.claimed_at,
                    self.limits.retry_after_seconds,
                )),
            },
        }
    }

    fn attempts_behind(&self, name: Named) -> u8 {
        let Some(entry) = self.entries.get(name.0 as usize) else {
            return 0;
        };
        let this = matches!(entry.outcome(name.1), Some(Outcome::Unsent(why)) if why.counts());
        entry.attempt.saturating_add(u8::from(this))
    }
}
