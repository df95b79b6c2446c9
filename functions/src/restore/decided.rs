//! What becomes of some archived records, given what is stored now: the reads for it, and the
//! writes that follow.
//!
//! Asked when they are staged and again when they are released.

use std::collections::BTreeSet;

use jiff::Timestamp;
use rundbrief::archive::ArchiveSet;
use rundbrief::id::{Partition, PersonKey};
use rundbrief::key::{AccountScope, Key};
use rundbrief::person::{Person, Unsubscription};
use rundbrief::record::{Expect, Record, Stored};
use rundbrief::restore::Configured;
use rundbrief::restore::replay::{self, ArchivedSubscriber, Fate, Known};
use rundbrief::sign_up::SignUp;
use rundbrief::unsubscribe_setup::anonymised;

use super::Work;
use crate::app::Trouble;

/// The configuration in the order of its references: whatever something refers to comes first.
const ORDER: [ArchiveSet; 8] = [
    ArchiveSet::Lists,
    ArchiveSet::Fields,
    ArchiveSet::Interests,
    ArchiveSet::TargetGroups,
    ArchiveSet::Helpers,
    ArchiveSet::DynamicContents,
    ArchiveSet::Templates,
    ArchiveSet::Setups,
];

/// A record of an archive.
pub(super) enum Archived {
    Subscriber(Box<ArchivedSubscriber>),
    SignUp(Box<SignUp>),
    Unsubscription(Box<Unsubscription>),
    Configured(ArchiveSet, Box<Configured>),
}

/// What becomes of a record.
pub(super) struct Decided {
    pub(super) fate: Fate,
    /// Written when it is released; none for what stays away.
    pub(super) puts: Vec<(Record, Expect)>,
    /// Must still be so then.
    pub(super) checks: Vec<(Key, Expect)>,
}

impl Archived {
    /// Reads a line; `None` when it is no record of its set.
    pub(super) fn parse(set: ArchiveSet, line: &str) -> Option<Self> {
        Some(match set {
            ArchiveSet::Subscribers => Self::Subscriber(Box::new(ArchivedSubscriber::parse(line)?)),
            ArchiveSet::SignUps => Self::SignUp(serde_json::from_str(line).ok()?),
            ArchiveSet::Unsubscriptions => Self::Unsubscription(serde_json::from_str(line).ok()?),
            _ => Self::Configured(set, Box::new(Configured::parse(set, line)?)),
        })
    }

    /// Whose it is.
    pub(super) fn person(&self) -> Option<PersonKey> {
        match self {
            Self::Subscriber(one) => Some(one.profile.person),
            Self::SignUp(one) => Some(one.person),
            Self::Unsubscription(one) => Some(one.person),
            Self::Configured(..) => None,
        }
    }

    /// Which partition of the quarantine it goes into.
    pub(super) fn partition(&self) -> Option<Partition> {
        self.person().map(PersonKey::partition)
    }

    /// Its sort key there: all that is of a person stands together.
    pub(super) fn order(&self) -> String {
        match self {
            Self::Subscriber(one) => format!("{}#0", one.profile.person),
            Self::SignUp(one) => format!("{}#1#{}", one.person, one.event),
            Self::Unsubscription(one) => format!("{}#2#{}", one.person, one.event),
            Self::Configured(set, one) => {
                let rank = ORDER.iter().position(|known| known == set);
                format!("{:02}#{}", rank.unwrap_or(ORDER.len()), one.id())
            }
        }
    }

    /// Where it belongs at `now`.
    fn place(&self, scope: &AccountScope, now: Timestamp) -> Key {
        match self {
            Self::Subscriber(one) => one.profile.key(scope),
            Self::SignUp(one) => one.key(scope),
            Self::Unsubscription(one) => of_today(one, now).key(scope),
            Self::Configured(_, one) => one.key(scope),
        }
    }
}

/// An unsubscription as it is by now: nobody's, where its time has come since it was archived, and
/// under the key that the sweeper gave it (P-14, T-05).
fn of_today(archived: &Unsubscription, now: Timestamp) -> Unsubscription {
    let is_due = archived.anonymise_at.is_some_and(|at| at <= now);
    // Without its salt no key follows from it: it is dropped as expired.
    if is_due && archived.entry.is_some() {
        anonymised(archived, [0; 32], now)
    } else {
        archived.clone()
    }
}

impl Work<'_> {
    /// What becomes of each of these, in their order.
    pub(super) async fn decide(&self, archived: &[Archived]) -> Result<Vec<Decided>, Trouble> {
        let places: BTreeSet<Key> = archived
            .iter()
            .map(|one| one.place(&self.scope, self.now))
            .collect();
        let places: Vec<Key> = places.into_iter().collect();
        let people: BTreeSet<PersonKey> = archived.iter().filter_map(Archived::person).collect();
        let people: Vec<PersonKey> = people.into_iter().collect();
        let (known, people) = futures::try_join!(
            self.app.store.known(&places, self.now),
            self.app.store.persons(&self.scope, &people, self.now),
        )?;
        archived
            .iter()
            .map(|one| {
                let known = known.get(&one.place(&self.scope, self.now));
                let known = known.copied().unwrap_or(Known::Absent);
                let person = match one.person() {
                    Some(person) => Some(people.get(&person).ok_or(Trouble::Damaged)?),
                    None => None,
                };
                Ok(self.decided(one, known, person))
            })
            .collect()
    }

    fn decided(&self, one: &Archived, known: Known, person: Option<&Person>) -> Decided {
        let tombstone = person.and_then(|person| person.tombstone.as_ref());
        let (fate, puts) = match (one, person) {
            (Archived::Subscriber(one), Some(person)) => {
                let replayed = replay::subscriber(one, person, known, &self.zone, self.now);
                let mut puts = Vec::new();
                if let Some(withdrawal) = replayed.withdrawal {
                    let expect = Expect::unchanged(person.withdrawal.as_ref());
                    puts.push((Record::Withdrawal(withdrawal), expect));
                }
                if let Some(profile) = replayed.profile {
                    puts.push((Record::Profile(Box::new(profile)), Expect::Absent));
                }
                (replayed.fate, puts)
            }
            (Archived::SignUp(one), _) => {
                let (fate, put) = replay::sign_up(one, tombstone, known, self.now);
                let put = put.map(|(one, expect)| (Record::SignUp(Box::new(one)), expect));
                (fate, put.into_iter().collect())
            }
            (Archived::Unsubscription(archived), _) => {
                let one = of_today(archived, self.now);
                let over = one.anonymise_at;
                (
                    replay::evidence(archived.at, over, tombstone, known, self.now),
                    vec![(Record::Unsubscription(one), Expect::Absent)],
                )
            }
            (Archived::Configured(_, one), _) => (
                replay::configured(known),
                vec![(Record::Configured(one.clone()), Expect::Absent)],
            ),
            (Archived::Subscriber(_), None) => (Fate::Present, Vec::new()),
        };
        // A withdrawal that is missing beside a profile is filled in; all else stays away whole.
        let fills = matches!(one, Archived::Subscriber(_));
        let puts = if fate == Fate::Added || fills {
            puts
        } else {
            Vec::new()
        };
        let checks = match person {
            Some(person) if !puts.is_empty() => {
                let mut checks = vec![(
                    self.scope.tombstone(person.key),
                    Expect::unchanged(person.tombstone.as_ref()),
                )];
                let writes = |wanted: &Key| {
                    puts.iter()
                        .any(|(record, _)| record.key(&self.scope) == *wanted)
                };
                let withdrawal = self.scope.withdrawal(person.key);
                if fills && !writes(&withdrawal) {
                    let expect = Expect::unchanged(person.withdrawal.as_ref());
                    checks.push((withdrawal, expect));
                }
                checks
            }
            _ => Vec::new(),
        };
        Decided { fate, puts, checks }
    }
}
