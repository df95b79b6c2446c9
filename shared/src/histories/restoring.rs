//! Archives, their restore into quarantine, and its release, person by person.
//!
//! As `functions::restore` does it; what becomes of each record `restore::replay` decides.

use jiff::Timestamp;

use super::command::Asked;
use super::copies::Copies;
use super::decide::{Decided, Desk};
use super::oracle::Fact;
use super::premises::Premises;
use crate::id::PersonKey;
use crate::person::{Person, Unsubscription};
use crate::record::{Expect, Record, Stored as _, Transaction};
use crate::restore::replay::{self, ArchivedSubscriber, Fate};
use crate::sign_up::SignUp;

/// A line of an archive.
#[derive(Debug, Clone)]
pub(super) enum Line {
    Subscriber(Box<ArchivedSubscriber>),
    SignUp(Box<SignUp>),
    Unsubscription(Box<Unsubscription>),
}

impl Line {
    fn person(&self) -> PersonKey {
        match self {
            Self::Subscriber(one) => one.profile.person,
            Self::SignUp(one) => one.person,
            Self::Unsubscription(one) => one.person,
        }
    }
}

/// An archive.
#[derive(Debug, Clone)]
pub(super) struct Archive {
    pub(super) written_at: Timestamp,
    /// The line of what happened at which it was written, by person.
    pub(super) orders: Vec<usize>,
    lines: Vec<Line>,
}

/// What a restore holds back until a person releases it.
#[derive(Debug, Clone)]
pub(super) struct Quarantine {
    archived: Vec<usize>,
    staged: usize,
    lines: Vec<Line>,
}

impl Quarantine {
    pub(super) fn holds(&self, person: PersonKey) -> bool {
        self.lines.iter().any(|line| line.person() == person)
    }

    pub(super) fn forget(&mut self, person: PersonKey) {
        self.lines.retain(|line| line.person() != person);
    }

    /// Whose turn it is.
    pub(super) fn next(&self) -> Option<PersonKey> {
        self.lines.first().map(Line::person)
    }
}

impl Archive {
    pub(super) fn write(premises: &Premises, copies: &Copies, now: Timestamp) -> Self {
        let scope = &premises.scope;
        let mut lines = Vec::new();
        for somebody in &premises.people {
            let person = copies.person(0, scope, somebody.key, now);
            if let Some(profile) = person.profile {
                let withdrawal = person.withdrawal;
                lines.push(Line::Subscriber(Box::new(ArchivedSubscriber {
                    profile,
                    withdrawal,
                })));
            }
            let pk = scope.records(somebody.key.partition());
            for record in copies.all(0, &pk, &format!("{}#", somebody.key), now) {
                match record {
                    Record::SignUp(one) => lines.push(Line::SignUp(one.clone())),
                    Record::Unsubscription(one) => {
                        lines.push(Line::Unsubscription(Box::new(one.clone())));
                    }
                    _ => {}
                }
            }
        }
        Self {
            written_at: now,
            orders: Vec::new(),
            lines,
        }
    }
}

impl Desk<'_> {
    /// What a restore would bring back of an archive.
    pub(super) fn stage(&mut self, archive: &Archive, staged: usize, now: Timestamp) -> Quarantine {
        let asked = |who| Asked {
            command: super::command::Command::Release { who },
            at: now,
            copy: 0,
        };
        let mut lines = Vec::new();
        for (who, somebody) in self.premises.people.iter().enumerate() {
            let asked = asked(who);
            let scope = &self.premises.scope;
            let mut person = self.copies.person(0, scope, somebody.key, now);
            if let Some(mistake) = self.copies.mistake {
                mistake.sees(&asked.command, &mut person);
            }
            for line in archive
                .lines
                .iter()
                .filter(|line| line.person() == somebody.key)
            {
                let (fate, puts) = self.puts(&asked, &person, line);
                if puts.is_empty() {
                    self.met(fate);
                } else {
                    lines.push(line.clone());
                }
            }
        }
        Quarantine {
            archived: archive.orders.clone(),
            staged,
            lines,
        }
    }

    fn met(&mut self, fate: Fate) {
        self.seen.count(match fate {
            Fate::Added => "a record restored",
            Fate::Present => "a record that was there",
            Fate::DroppedTombstone => "a record that a tombstone held back",
            Fate::DroppedExpired => "a record that had expired",
        });
    }

    fn puts(&self, asked: &Asked, person: &Person, line: &Line) -> (Fate, Vec<(Record, Expect)>) {
        let (scope, now) = (&self.premises.scope, asked.at);
        let tombstone = person.tombstone.as_ref();
        let known = |key: &crate::key::Key| self.copies.known(asked.copy, key, now);
        match line {
            Line::Subscriber(one) => {
                let known = known(&one.profile.key(scope));
                let replayed = replay::subscriber(one, person, known, &self.premises.zone, now);
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
            Line::SignUp(one) => {
                let known = known(&one.key(scope));
                let (fate, put) = replay::sign_up(one, tombstone, known, now);
                let put = put.map(|(one, expect)| (Record::SignUp(Box::new(one)), expect));
                (fate, put.into_iter().collect())
            }
            Line::Unsubscription(one) => {
                let known = known(&one.key(scope));
                let fate = replay::evidence(one.at, None, tombstone, known, now);
                let puts = (fate == Fate::Added)
                    .then(|| (Record::Unsubscription(one.as_ref().clone()), Expect::Absent));
                (fate, puts.into_iter().collect())
            }
        }
    }

    pub(super) fn release(
        &mut self,
        asked: &Asked,
        person: &Person,
        quarantine: &Quarantine,
    ) -> Decided {
        let scope = &self.premises.scope;
        let lines = quarantine
            .lines
            .iter()
            .filter(|line| line.person() == person.key);
        let (mut transaction, mut writes) = (Transaction::default(), false);
        let mut writes_withdrawal = false;
        for line in lines {
            let (fate, puts) = self.puts(asked, person, line);
            self.met(fate);
            for (record, expect) in puts {
                writes = true;
                writes_withdrawal |= matches!(record, Record::Withdrawal(_));
                transaction.put(record, expect);
            }
        }
        if writes {
            transaction.check(
                scope.tombstone(person.key),
                Expect::unchanged(person.tombstone.as_ref()),
            );
            if !writes_withdrawal {
                transaction.check(
                    scope.withdrawal(person.key),
                    Expect::unchanged(person.withdrawal.as_ref()),
                );
            }
        }
        let who = asked.command.who();
        let fact = Fact::Restored {
            archived: quarantine.archived[who],
            staged: quarantine.staged,
        };
        Decided {
            transaction: writes.then_some(transaction),
            facts: vec![(asked.at, fact)],
        }
    }
}
