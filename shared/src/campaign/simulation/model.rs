//! The model store: maps with the same conditions as the table.
//!
//! Strongly consistent; faults are the world's part.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::campaign::arc::Arc;
use crate::campaign::control::Control;
use crate::campaign::ledger::Entry;
use crate::campaign::outcome::Outcomes;
use crate::campaign::reading::{PeopleQuery, PersonItem};
use crate::campaign::{Campaign, Running};
use crate::id::{EventId, PersonKey};
use crate::person::{Profile, Withdrawal};
use crate::record::{Expect, Record, Step, Transaction};

#[derive(Debug)]
pub(super) struct Model {
    pub(super) campaign: Campaign,
    pub(super) control: Option<Control>,
    pub(super) running: Option<Running>,
    pub(super) arcs: BTreeMap<u32, Arc>,
    pub(super) entries: BTreeMap<(u32, u32), Entry>,
    people: BTreeMap<String, PersonItem>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Conflict;

impl Model {
    pub(super) fn new(campaign: Campaign) -> Self {
        Self {
            campaign,
            control: None,
            running: None,
            arcs: BTreeMap::new(),
            entries: BTreeMap::new(),
            people: BTreeMap::new(),
        }
    }

    pub(super) fn commit(&mut self, transaction: &Transaction) -> Result<(), Conflict> {
        for step in &transaction.0 {
            let Step::Put(record, expect) = step else {
                panic!("the send path puts only");
            };
            let there = match record {
                Record::Campaign(_) => Some(self.campaign.rev),
                Record::Control(_) => self.control.as_ref().map(|control| control.rev),
                Record::Running(_) => self.running.as_ref().map(|running| running.rev),
                Record::Arc(arc) => self.arcs.get(&arc.number).map(|arc| arc.rev),
                Record::Content(_) => None,
                _ => panic!("the send path writes nothing else in transactions"),
            };
            let holds = match expect {
                Expect::Absent => there.is_none(),
                Expect::Revision(rev) => there == Some(*rev),
            };
            if !holds {
                return Err(Conflict);
            }
            if let Expect::Revision(rev) = expect {
                assert_eq!(record.revision(), rev + 1, "revisions grow by one");
            }
        }
        for step in &transaction.0 {
            match step {
                Step::Put(Record::Campaign(campaign), _) => self.campaign = *campaign.clone(),
                Step::Put(Record::Control(control), _) => self.control = Some(*control.clone()),
                Step::Put(Record::Running(running), _) => self.running = Some(running.clone()),
                Step::Put(Record::Arc(arc), _) => {
                    self.arcs.insert(arc.number, *arc.clone());
                }
                _ => {}
            }
        }
        Ok(())
    }

    pub(super) fn put_arc(&mut self, arc: &Arc, expect: Expect) -> Result<(), Conflict> {
        let mut transaction = Transaction::default();
        transaction.put(Record::Arc(Box::new(arc.clone())), expect);
        self.commit(&transaction)
    }

    pub(super) fn claim(&mut self, entry: &Entry) -> Result<(), EventId> {
        if let Some(there) = self.entries.get(&(entry.arc, entry.number)) {
            return Err(there.nonce);
        }
        self.entries
            .insert((entry.arc, entry.number), entry.clone());
        Ok(())
    }

    pub(super) fn record(&mut self, arc: u32, number: u32, nonce: EventId, outcomes: Outcomes) {
        if let Some(entry) = self.entries.get_mut(&(arc, number))
            && entry.nonce == nonce
            && entry.outcomes.is_none()
        {
            assert_eq!(outcomes.0.len(), entry.recipients.0.len());
            entry.outcomes = Some(outcomes);
        }
    }

    pub(super) fn ledger(&self, arc: u32) -> Vec<Entry> {
        self.entries
            .range((arc, 0)..=(arc, u32::MAX))
            .map(|(_, entry)| entry.clone())
            .collect()
    }

    pub(super) fn query(&self, query: &PeopleQuery) -> (Vec<PersonItem>, bool) {
        let items: Vec<PersonItem> = self
            .people
            .range(query.first.clone()..=query.last.clone())
            .take(query.items as usize)
            .map(|(_, item)| item.clone())
            .collect();
        // DynamoDB names a last key whenever the limit was reached, also at the very end.
        let more = items.len() == query.items as usize;
        (items, more)
    }

    pub(super) fn put_profile(&mut self, profile: Profile) {
        let key = profile.person.to_string();
        self.people
            .insert(key, PersonItem::Profile(Box::new(profile)));
    }

    pub(super) fn erase(&mut self, person: PersonKey) {
        self.people.remove(&person.to_string());
    }

    pub(super) fn withdraw(&mut self, person: PersonKey, now: Timestamp) {
        let withdrawal = Withdrawal {
            rev: 1,
            all_at: Some(now),
            ..Withdrawal::none(person)
        };
        self.people.insert(
            format!("{person}!w"),
            PersonItem::Withdrawal(Box::new(withdrawal)),
        );
    }

    pub(super) fn restrict(&mut self, person: PersonKey, now: Timestamp) {
        let withdrawal = Withdrawal {
            rev: 1,
            restricted_at: Some(now),
            ..Withdrawal::none(person)
        };
        self.people.insert(
            format!("{person}!w"),
            PersonItem::Withdrawal(Box::new(withdrawal)),
        );
    }
}
