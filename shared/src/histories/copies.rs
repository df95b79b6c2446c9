//! A model of the tables: a map with conditions; two of them replicate item by item.
//!
//! Last writer wins per item, whole items, in any order; conditions see the local copy only
//! . What has expired is absent to readers and conditions (T-04).

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::Mistake;
use crate::id::PersonKey;
use crate::key::{AccountScope, Key, Table};
use crate::person::{Person, Profile};
use crate::record::{Expect, Record, Step, Transaction};
use crate::restore::replay::Known;

/// An item with the time of its last write; a deletion is one too.
#[derive(Debug, Clone, PartialEq)]
struct Version {
    record: Option<Record>,
    written: (i64, u64),
}

/// A condition did not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Conflict;

/// The copies of the tables.
#[derive(Debug)]
pub(super) struct Copies {
    items: Vec<BTreeMap<Key, Version>>,
    under_way: Vec<(usize, Key, Version)>,
    /// What arrived, in order: at which copy, under which sort key.
    arrived: Vec<(usize, String)>,
    writes: u64,
    pub(super) mistake: Option<Mistake>,
}

impl Copies {
    pub(super) fn new(count: usize, mistake: Option<Mistake>) -> Self {
        Self {
            items: vec![BTreeMap::new(); count],
            under_way: Vec::new(),
            arrived: Vec::new(),
            writes: 0,
            mistake,
        }
    }

    pub(super) fn get(&self, copy: usize, key: &Key, now: Timestamp) -> Option<&Record> {
        let record = self.items[copy].get(key)?.record.as_ref()?;
        let over = record.expires_at().is_some_and(|at| at <= now);
        (!over || self.mistake == Some(Mistake::ExpiredIsThere)).then_some(record)
    }

    /// Whether an item is there, expired or not.
    fn has(&self, copy: usize, key: &Key) -> bool {
        let there = self.items[copy].get(key);
        there.is_some_and(|version| version.record.is_some())
    }

    /// A profile that is there still and counts as absent.
    pub(super) fn expired_profile(
        &self,
        copy: usize,
        key: &Key,
        now: Timestamp,
    ) -> Option<&Profile> {
        match self.items[copy].get(key)?.record.as_ref()? {
            Record::Profile(profile) if profile.gone_at.is_some_and(|at| at <= now) => {
                Some(profile)
            }
            _ => None,
        }
    }

    pub(super) fn known(&self, copy: usize, key: &Key, now: Timestamp) -> Known {
        let there = self.items[copy].get(key);
        match there.and_then(|version| version.record.as_ref()) {
            None => Known::Absent,
            Some(Record::SignUp(sign_up)) if sign_up.confirmed_at.is_none() => Known::Unconfirmed {
                revision: sign_up.rev,
                is_over: sign_up.gone_at.is_some_and(|at| at <= now),
            },
            Some(record) if record.expires_at().is_some_and(|at| at <= now) => Known::Expired,
            Some(_) => Known::Present,
        }
    }

    pub(super) fn person(
        &self,
        copy: usize,
        scope: &AccountScope,
        key: PersonKey,
        now: Timestamp,
    ) -> Person {
        let mut person = Person::unknown(key);
        if let Some(Record::Profile(profile)) = self.get(copy, &scope.profile(key), now) {
            person.profile = Some(profile.as_ref().clone());
        }
        if let Some(Record::Withdrawal(withdrawal)) = self.get(copy, &scope.withdrawal(key), now) {
            person.withdrawal = Some(withdrawal.clone());
        }
        if let Some(Record::Tombstone(tombstone)) = self.get(copy, &scope.tombstone(key), now) {
            person.tombstone = Some(tombstone.clone());
        }
        person
    }

    /// What begins so in a partition of the main table, in order, expired or not.
    pub(super) fn all_even_expired<'a>(
        &'a self,
        copy: usize,
        pk: &str,
        prefix: &str,
    ) -> impl Iterator<Item = (&'a Key, &'a Record)> + use<'a> {
        let first = Key {
            table: Table::Main,
            pk: pk.to_owned(),
            sk: prefix.to_owned(),
        };
        let (pk, prefix) = (first.pk.clone(), first.sk.clone());
        self.items[copy]
            .range(first..)
            .take_while(move |(key, _)| {
                key.table == Table::Main && key.pk == pk && key.sk.starts_with(&prefix)
            })
            .filter_map(|(key, version)| Some((key, version.record.as_ref()?)))
    }

    pub(super) fn all<'a>(
        &'a self,
        copy: usize,
        pk: &str,
        prefix: &str,
        now: Timestamp,
    ) -> impl Iterator<Item = &'a Record> + use<'a> {
        self.all_even_expired(copy, pk, prefix)
            .filter(move |(_, record)| record.expires_at().is_none_or(|at| at > now))
            .map(|(_, record)| record)
    }

    fn holds(&self, copy: usize, key: &Key, expect: Expect, now: Timestamp) -> bool {
        match (self.get(copy, key, now), expect) {
            (None, Expect::Absent) => true,
            (Some(record), Expect::Revision(revision)) => record.revision() == revision,
            _ => false,
        }
    }

    pub(super) fn commit(
        &mut self,
        copy: usize,
        scope: &AccountScope,
        transaction: &Transaction,
        now: Timestamp,
    ) -> Result<(), Conflict> {
        let held = transaction.0.iter().all(|step| match step {
            Step::Put(record, expect) => {
                is_elsewhere(record) || self.holds(copy, &record.key(scope), *expect, now)
            }
            Step::Check(key, expect) | Step::Delete(key, expect) => {
                self.holds(copy, key, *expect, now)
            }
            Step::Tell(_) => true,
        });
        if !held && self.mistake != Some(Mistake::ConditionsIgnored) {
            return Err(Conflict);
        }
        for step in &transaction.0 {
            match step {
                Step::Put(record, _) if is_elsewhere(record) => {}
                Step::Put(record, _) => {
                    self.write(copy, record.key(scope), Some(record.clone()), now);
                }
                // Of nothing there is nothing to delete, and nothing to replicate.
                Step::Delete(key, _) if !self.has(copy, key) => {}
                Step::Delete(key, _) => self.write(copy, key.clone(), None, now),
                Step::Check(..) | Step::Tell(_) => {}
            }
        }
        Ok(())
    }

    /// Writes without a condition.
    pub(super) fn write(&mut self, copy: usize, key: Key, record: Option<Record>, now: Timestamp) {
        self.writes += 1;
        let before = self.items[copy]
            .get(&key)
            .map_or(0, |known| known.written.0);
        let version = Version {
            record,
            // A copy's own write is newer than what it overwrites, whatever the clock says.
            written: (now.as_millisecond().max(before), self.writes),
        };
        for other in 0..self.items.len() {
            if other != copy {
                self.under_way.push((other, key.clone(), version.clone()));
            }
        }
        self.items[copy].insert(key, version);
    }

    pub(super) fn under_way(&self) -> usize {
        self.under_way.len()
    }

    /// Whether something of a person has not arrived at this copy yet.
    pub(super) fn misses(&self, copy: usize, person: PersonKey) -> bool {
        let person = person.to_string();
        self.under_way
            .iter()
            .any(|(to, key, _)| *to == copy && key.sk.starts_with(&person))
    }

    /// How much has arrived anywhere.
    pub(super) fn arrivals(&self) -> usize {
        self.arrived.len()
    }

    /// Whether something of a person has arrived at this copy since so much had.
    pub(super) fn got(&self, copy: usize, person: PersonKey, since: usize) -> bool {
        let person = person.to_string();
        self.arrived[since..]
            .iter()
            .any(|(to, sk)| *to == copy && sk.starts_with(&person))
    }

    /// A change arrives: the later one stays.
    pub(super) fn deliver(&mut self, which: usize) {
        if self.under_way.is_empty() {
            return;
        }
        let (to, key, version) = self.under_way.swap_remove(which % self.under_way.len());
        self.arrived.push((to, key.sk.clone()));
        let copy = &mut self.items[to];
        if copy
            .get(&key)
            .is_none_or(|known| known.written < version.written)
        {
            copy.insert(key, version);
        }
    }

    /// Whether all copies are the same.
    pub(super) fn agree(&self) -> bool {
        self.items.windows(2).all(|pair| pair[0] == pair[1])
    }

    /// Deletes what has expired, as the sweeper does; what that was.
    pub(super) fn sweep(&mut self, copy: usize, now: Timestamp) -> Vec<Key> {
        let over: Vec<Key> = self.items[copy]
            .iter()
            .filter(|(_, version)| {
                let record = version.record.as_ref();
                record.is_some_and(|record| record.expires_at().is_some_and(|at| at <= now))
            })
            .map(|(key, _)| key.clone())
            .collect();
        for key in &over {
            self.write(copy, key.clone(), None, now);
        }
        over
    }

    /// An accident: everything in the main table under these keys is gone.
    pub(super) fn lose(&mut self, copy: usize, pks: &[String], prefix: &str) {
        self.items[copy].retain(|key, _| {
            key.table != Table::Main || !pks.contains(&key.pk) || !key.sk.starts_with(prefix)
        });
    }
}

/// What no history asks for again: leaves have their own tests, mails are not sent here.
fn is_elsewhere(record: &Record) -> bool {
    matches!(record, Record::Leaf(_) | Record::Outbox(_))
}
