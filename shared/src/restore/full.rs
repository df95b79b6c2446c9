//! Restoring the full copy: what a restored table may still say of a person, and how far the work
//! over all accounts is.
//!
//! The tombstones are newer than the copy: each is replayed over what it says. Decides only;
//! walking the accounts is the function's part. An account's own archive is `restore`'s.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::Freeze;
use super::replay::{ArchivedSubscriber, Fate, Known, subscriber};
use crate::erasure::{AskedBy, Erasure, SesEntries, left};
use crate::id::{AccountId, EventId, RestoreId};
use crate::key::{AccountScope, Key};
use crate::person::{Person, Tombstone, Unsubscription, Withdrawal};
use crate::policy::Store;
use crate::record::{Due, DueWork, Expect, Record, Stored, Transaction};
use crate::sign_up::SignUp;
use crate::webhook::{News, Topic};

/// What the restored table and the live tombstones say of one person.
#[derive(Debug, Clone, Copy)]
pub struct Restored<'a> {
    /// Profile and withdrawal out of the copy, the tombstone of today.
    pub person: &'a Person,
    /// The sign-ups in the copy.
    pub sign_ups: &'a [SignUp],
    /// The unsubscriptions in the copy.
    pub unsubscriptions: &'a [Unsubscription],
    /// The erasures in the copy.
    pub erasures: &'a [Erasure],
}

/// What a tombstone changes in the copy.
#[derive(Debug, Clone, PartialEq)]
pub enum Replay {
    /// Nothing: the copy knew.
    Same,
    /// The person left, objected, bounced, complained or was restricted since.
    Withdrawn(Transaction),
    /// The person was erased since: gone again for every reader, the clean-up is due.
    Erased(Transaction),
}

/// Replays a tombstone. `event` numbers a new erasure.
pub fn replay(
    scope: &AccountScope,
    restored: Restored<'_>,
    event: EventId,
    zone: &TimeZone,
    now: Timestamp,
) -> Replay {
    let person = restored.person;
    let Some(tombstone) = &person.tombstone else {
        return Replay::Same;
    };
    let Some(profile) = &person.profile else {
        // Nobody to mail; but what an erasure hides must go.
        return match tombstone.erased_at() {
            Some(at) if has_hidden(tombstone, restored) => {
                Replay::Erased(erased(scope, restored, tombstone, at, event))
            }
            _ => Replay::Same,
        };
    };
    let archived = ArchivedSubscriber {
        profile: profile.clone(),
        withdrawal: person.withdrawal.clone(),
    };
    let live = Person {
        tombstone: Some(tombstone.clone()),
        ..Person::unknown(person.key)
    };
    let replayed = subscriber(&archived, &live, Known::Absent, zone, now);
    match (replayed.fate, tombstone.erased_at()) {
        (Fate::DroppedTombstone, Some(at)) => {
            Replay::Erased(erased(scope, restored, tombstone, at, event))
        }
        (Fate::DroppedTombstone | Fate::DroppedExpired, _) => {
            let mut transaction = Transaction::default();
            transaction.delete(scope.profile(person.key), Expect::Revision(profile.rev));
            Replay::Withdrawn(transaction)
        }
        (Fate::Added | Fate::Present, _) => {
            let mut transaction = Transaction::default();
            let known = person.withdrawal.as_ref();
            let revision = known.map_or(0, |known| known.rev);
            let withdrawal = replayed.withdrawal.map(|withdrawal| Withdrawal {
                rev: revision,
                ..withdrawal
            });
            if let Some(withdrawal) = withdrawal.filter(|after| Some(after) != known) {
                let after = Withdrawal {
                    rev: revision + 1,
                    ..withdrawal
                };
                transaction.put(Record::Withdrawal(after), Expect::unchanged(known));
            }
            if let Some(mut after) = replayed.profile.filter(|after| after != profile) {
                after.rev = profile.rev + 1;
                let expect = Expect::Revision(profile.rev);
                transaction.put(Record::Profile(Box::new(after)), expect);
            }
            if transaction.0.is_empty() {
                Replay::Same
            } else {
                Replay::Withdrawn(transaction)
            }
        }
    }
}

/// Whether the copy has records that an erasure hides and no erasure in it will clean up.
fn has_hidden(tombstone: &Tombstone, restored: Restored<'_>) -> bool {
    let known = restored
        .erasures
        .iter()
        .any(|known| tombstone.erased_at() <= Some(known.requested_at));
    let signed_up = restored.sign_ups.iter().map(|one| one.signed_up_at);
    let left = restored.unsubscriptions.iter().map(|one| one.at);
    !known && signed_up.chain(left).any(|at| tombstone.hides(at))
}

/// The erasure of `at` once more: the tombstone stands already, and stays as it is.
fn erased(
    scope: &AccountScope,
    restored: Restored<'_>,
    tombstone: &Tombstone,
    at: Timestamp,
    event: EventId,
) -> Transaction {
    let person = restored.person;
    let known = person.withdrawal.as_ref();
    let withdrawal = Withdrawal {
        rev: known.map_or(0, |known| known.rev) + 1,
        all_at: known.and_then(|known| known.all_at).max(Some(at)),
        suppressed_at: tombstone.suppressed_at,
        ..Withdrawal::none(person.key)
    };
    let erasure = Erasure {
        event,
        person: person.key,
        rev: 1,
        requested_at: at,
        by: AskedBy::Restore,
        done: std::collections::BTreeMap::new(),
        sealed: 0,
        sealed_until: None,
        recipients: std::collections::BTreeMap::new(),
        linked: Vec::new(),
        ses: SesEntries::default(),
        archives_gone_by: None,
        left: Some(left(person.profile.as_ref(), None, restored.sign_ups)),
    };
    let mut transaction = Transaction::default();
    transaction.put(Record::Withdrawal(withdrawal), Expect::unchanged(known));
    // Also one whose time is over, which counts as absent.
    transaction.delete(
        scope.profile(person.key),
        Expect::unchanged(person.profile.as_ref()),
    );
    transaction.put(Record::Erasure(Box::new(erasure)), Expect::Absent);
    // Whether they were told before, the copy does not say: hearing it twice does no harm.
    transaction.tell(News {
        topic: Topic::Erasure,
        person: person.key,
        at,
        record: Some(event),
    });
    transaction
}

/// How far the work on a restored table is: what is written down goes on after a kill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FullRestore {
    /// Which; every account's freeze names it.
    pub id: RestoreId,
    /// Grows with each write.
    pub rev: u64,
    /// When it began.
    pub begun_at: Timestamp,
    /// The last account whose tombstones are all replayed.
    #[serde(default)]
    pub account: Option<AccountId>,
    /// Partitions of the next account that are replayed.
    #[serde(default)]
    pub partitions: u8,
    /// The last tombstone of the next partition that is replayed.
    #[serde(default)]
    pub after: Option<String>,
    /// Tombstones that were looked at.
    #[serde(default)]
    pub tombstones: u64,
    /// People who had withdrawn since.
    #[serde(default)]
    pub withdrawn: u64,
    /// People who were erased since.
    #[serde(default)]
    pub erased: u64,
    /// When all tombstones were replayed.
    #[serde(default)]
    pub replayed_at: Option<Timestamp>,
    /// When a person let sending go on.
    #[serde(default)]
    pub released_at: Option<Timestamp>,
    /// When it counts as absent.
    pub gone_at: Timestamp,
}

impl FullRestore {
    /// One that begins now.
    pub fn begin(id: RestoreId, now: Timestamp) -> Self {
        Self {
            id,
            rev: 1,
            begun_at: now,
            account: None,
            partitions: 0,
            after: None,
            tombstones: 0,
            withdrawn: 0,
            erased: 0,
            replayed_at: None,
            released_at: None,
            gone_at: Store::Restore.kept().until(now).unwrap_or(Timestamp::MAX),
        }
    }

    /// Where it is kept: in the restored table itself, so that it belongs to this copy.
    pub fn place() -> Key {
        Key::global(Self::KIND, "work")
    }

    /// What holds an account's sending until a person releases it.
    pub fn freeze(&self) -> Freeze {
        Freeze {
            restore: self.id.clone(),
            rev: 1,
            gone_at: None,
        }
    }

    /// Whether this freeze is its own.
    pub fn owns(&self, freeze: &Freeze) -> bool {
        freeze.restore == self.id
    }
}

impl Stored for FullRestore {
    const KIND: &'static str = "full_restore";

    fn key(&self, _: &AccountScope) -> Key {
        Self::place()
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
