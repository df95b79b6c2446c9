//! What each command leads to: reads, a decision of the product's own, and what to write.
//!
//! The same as the handlers do, without their tables; nothing is decided here.

use std::collections::HashMap;

use jiff::Timestamp;

use super::command::{Asked, Command};
use super::copies::Copies;
use super::oracle::Fact;
use super::premises::Premises;
use super::restoring::Quarantine;
use super::{Mistake, Seen};
use crate::consent::{
    self, Confirmation, FormOrigin, Leaving, Press, REPEAT_SECONDS, Rectified, SignUpRequest,
};
use crate::erasure::{self, AskedBy, Decision, Erasure, Known};
use crate::form::{FieldValue, SentValue};
use crate::id::{EventId, FieldKey, PersonKey};
use crate::import::{ImportChunk, Row};
use crate::page_language::Language;
use crate::person::{Person, Profile, TombstoneKind, UnsubscribedVia, Unsubscription};
use crate::personal::PersonalText;
use crate::record::{Expect, Record, Step, Stored as _, Transaction};
use crate::setup::Mode;
use crate::sign_up::{SignUp, SignUpState};
use crate::suppression::{self, Rule, Suppression};
use crate::time::{plus_seconds, to_millisecond};

/// What a command leads to.
#[derive(Debug, Clone, Default)]
pub(super) struct Decided {
    pub(super) transaction: Option<Transaction>,
    /// What has happened once it is written; with nothing to write, at once.
    pub(super) facts: Vec<(Timestamp, Fact)>,
}

impl Decided {
    fn nothing() -> Self {
        Self::default()
    }

    fn write(transaction: Transaction, at: Timestamp, fact: Fact) -> Self {
        Self {
            transaction: Some(transaction),
            facts: vec![(at, fact)],
        }
    }
}

/// The desk of one machine.
pub(super) struct Desk<'a> {
    pub(super) premises: &'a Premises,
    pub(super) copies: &'a Copies,
    pub(super) quarantine: Option<&'a Quarantine>,
    pub(super) seen: &'a mut Seen,
}

impl Desk<'_> {
    fn mistake(&self) -> Option<Mistake> {
        self.copies.mistake
    }

    /// What a command leads to, given what is stored now.
    pub(super) fn decide(&mut self, asked: &Asked) -> Decided {
        let key = self.premises.people[asked.command.who()].key;
        let scope = &self.premises.scope;
        let mut person = self.copies.person(asked.copy, scope, key, asked.at);
        if let Some(mistake) = self.mistake() {
            mistake.sees(&asked.command, &mut person);
        }
        let mut decided = self.decided(asked, &person);
        if let (Some(mistake), Some(transaction)) = (self.mistake(), &mut decided.transaction) {
            mistake.spoil(&asked.command, transaction);
        }
        decided
    }

    pub(super) fn records<'c>(
        &'c self,
        asked: &Asked,
        key: PersonKey,
        kind: &str,
    ) -> Vec<&'c Record> {
        let scope = &self.premises.scope;
        let prefix = scope.record_prefix(key, kind);
        let pk = scope.records(key.partition());
        let all = self.copies.all_even_expired(asked.copy, &pk, &prefix);
        let over = |record: &Record| record.expires_at().is_some_and(|at| at <= asked.at);
        let reads_expired = self.mistake() == Some(Mistake::ExpiredIsThere);
        all.map(|(_, record)| record)
            .filter(|record| reads_expired || !over(record))
            .collect()
    }

    pub(super) fn sign_ups(&self, asked: &Asked, key: PersonKey) -> Vec<SignUp> {
        self.records(asked, key, SignUp::RECORD)
            .into_iter()
            .filter_map(|record| match record {
                Record::SignUp(sign_up) => Some(sign_up.as_ref().clone()),
                _ => None,
            })
            .collect()
    }

    fn unsubscriptions(&self, asked: &Asked, key: PersonKey) -> Vec<Unsubscription> {
        self.records(asked, key, Unsubscription::RECORD)
            .into_iter()
            .filter_map(|record| match record {
                Record::Unsubscription(left) => Some(left.clone()),
                _ => None,
            })
            .collect()
    }

    fn erasures(&self, asked: &Asked, key: PersonKey) -> Vec<Erasure> {
        let scope = &self.premises.scope;
        let prefix = scope.erasure_prefix(key);
        let pk = scope.erasures_partition();
        self.copies
            .all(asked.copy, &pk, &prefix, asked.at)
            .filter_map(|record| match record {
                Record::Erasure(erasure) => Some(erasure.as_ref().clone()),
                _ => None,
            })
            .collect()
    }

    fn decided(&mut self, asked: &Asked, person: &Person) -> Decided {
        let (premises, at) = (self.premises, asked.at);
        let scope = &premises.scope;
        match &asked.command {
            Command::SignUp { .. } => self.sign_up(asked, person),
            Command::Confirm { .. } => self.confirm(asked, person),
            Command::Leave { .. } => self.leave(asked, person),
            Command::Change { who } => {
                let Some(profile) = person.profile.as_ref().filter(|_| !person.is_restricted())
                else {
                    return Decided::nothing();
                };
                let mut changed = profile.clone();
                changed.rev += 1;
                let name = PersonalText::parse(&format!("Anders{who}")).expect("a name");
                let key = FieldKey::parse("last_name").expect("a key");
                changed.values.insert(key, FieldValue::One(name));
                Decided {
                    transaction: Some(self.changed(person, profile, changed)),
                    facts: Vec::new(),
                }
            }
            Command::Rectify { who } => {
                let name = SentValue::Text(format!("Neu{who}"));
                let sent = [("first_name".to_owned(), name)];
                match consent::rectify(scope, person, &[], &sent, at) {
                    Rectified::Write(transaction) => Decided {
                        transaction: Some(transaction),
                        facts: Vec::new(),
                    },
                    Rectified::Unchanged | Rectified::Invalid(_) | Rectified::Restricted => {
                        Decided::nothing()
                    }
                }
            }
            Command::Restrict { .. } => {
                if person.profile.is_none() {
                    return Decided::nothing();
                }
                match consent::restrict(person, at) {
                    Some(transaction) => Decided::write(transaction, at, Fact::Restricted),
                    None => Decided::nothing(),
                }
            }
            Command::Lift { .. } => match consent::lift_restriction(person, at) {
                Some(transaction) => Decided::write(transaction, at, Fact::Lifted),
                None => Decided::nothing(),
            },
            Command::Report { why, happened, .. } => match consent::bar(person, *why, *happened) {
                Some(transaction) => {
                    let happened = to_millisecond(*happened);
                    Decided::write(transaction, at, Fact::Reported { happened })
                }
                None => Decided::nothing(),
            },
            Command::Suppress { on, .. } => self.suppress(asked, person, *on),
            Command::Erase { event, .. } => {
                let sign_ups = self.sign_ups(asked, person.key);
                let unsubscriptions = self.unsubscriptions(asked, person.key);
                let before = self.erasures(asked, person.key);
                let place = scope.profile(person.key);
                let known = Known {
                    person,
                    sign_ups: &sign_ups,
                    unsubscriptions: &unsubscriptions,
                    before: &before,
                    is_quarantined: self
                        .quarantine
                        .is_some_and(|quarantine| quarantine.holds(person.key)),
                    expired: self.copies.expired_profile(asked.copy, &place, at),
                    is_named: false,
                    linked: &[],
                };
                match erasure::erase(scope, known, *event, AskedBy::Controller, at) {
                    Decision::Unknown | Decision::Done(_) | Decision::Held(..) => {
                        Decided::nothing()
                    }
                    Decision::Erase(transaction, erasure) => {
                        Decided::write(transaction, erasure.requested_at, Fact::Erased)
                    }
                }
            }
            Command::CleanUp { .. } => self.clean_up(asked, person),
            Command::Import { .. } => self.import(asked, person),
            Command::End { on, .. } => {
                let Some(profile) = person.profile.as_ref().filter(|_| !person.is_restricted())
                else {
                    return Decided::nothing();
                };
                let Ok(Some(ended)) = consent::end(profile, *on, &premises.zone, at) else {
                    return Decided::nothing();
                };
                let on = on.to_zoned_datetime(jiff::tz::TimeZone::UTC);
                let on = on.expect("a day").timestamp();
                let transaction = self.changed(person, profile, ended);
                Decided::write(transaction, at, Fact::Ended { on })
            }
            Command::Release { .. } => match self.quarantine {
                Some(quarantine) => self.release(asked, person, quarantine),
                None => Decided::nothing(),
            },
        }
    }

    fn changed(&self, person: &Person, before: &Profile, after: Profile) -> Transaction {
        let mut transaction = Transaction::default();
        transaction.put(
            Record::Profile(Box::new(after)),
            Expect::Revision(before.rev),
        );
        transaction.check(
            self.premises.scope.withdrawal(person.key),
            Expect::unchanged(person.withdrawal.as_ref()),
        );
        transaction
    }

    fn sign_up(&mut self, asked: &Asked, person: &Person) -> Decided {
        let Command::SignUp {
            who,
            form,
            spelling,
            event,
            outbox,
            entry,
            ip,
        } = &asked.command
        else {
            return Decided::nothing();
        };
        let mut definition = self.premises.forms[*form].clone();
        let submission = self.premises.submission(*form, *who, *spelling).clone();
        let since = EventId::earliest(plus_seconds(asked.at, -REPEAT_SECONDS));
        let mut recent = self.sign_ups(asked, person.key);
        recent.retain(|sign_up| sign_up.event > since);
        if consent::repeats(&definition.setup, &submission, &recent, asked.at) {
            self.seen.count("a repetition");
            return Decided::nothing();
        }
        if self.mistake() == Some(Mistake::DoubleIsSingle) {
            definition.setup.mode = Mode::Single;
        }
        let decision = consent::sign_up(
            &self.premises.scope,
            person,
            SignUpRequest {
                form: &definition,
                submission,
                origin: FormOrigin {
                    ip: *ip,
                    claimed: None,
                },
                is_suppressed: false,
                event: *event,
                outbox: *outbox,
                entry: *entry,
                now: asked.at,
            },
        );
        let fact = Fact::SignedUp {
            event: *event,
            form: *form,
            spelling: *spelling,
            ip: *ip,
        };
        Decided::write(decision.transaction, to_millisecond(asked.at), fact)
    }

    fn confirm(&mut self, asked: &Asked, person: &Person) -> Decided {
        let Command::Confirm {
            event, entry, ip, ..
        } = &asked.command
        else {
            return Decided::nothing();
        };
        let (mut this, others): (Vec<SignUp>, Vec<SignUp>) = self
            .sign_ups(asked, person.key)
            .into_iter()
            .partition(|sign_up| sign_up.event == *event);
        if let Some(sign_up) = this.first_mut() {
            if self.mistake().is_some_and(Mistake::renews_links) {
                sign_up.signed_up_at = asked.at;
            }
            if self.mistake() == Some(Mistake::LinksConfirmAgain)
                && sign_up.state == SignUpState::Confirmed
            {
                sign_up.state = SignUpState::Pending;
            }
        }
        let by = Press {
            ip: *ip,
            entry: *entry,
            now: asked.at,
        };
        match consent::confirm(&self.premises.scope, person, this.first(), &others, by) {
            Ok(Confirmation::Complete(transaction)) => {
                let puts = transaction.0.iter().filter_map(|step| match step {
                    Step::Put(Record::SignUp(sign_up), _) => Some(sign_up),
                    _ => None,
                });
                if puts.clone().count() > 1 {
                    self.seen.count("a superseded sign-up");
                }
                let at = puts
                    .filter_map(|sign_up| sign_up.confirmed_at)
                    .max()
                    .unwrap_or(asked.at);
                let fact = Fact::Confirmed {
                    event: *event,
                    ip: *ip,
                };
                Decided::write(transaction, at, fact)
            }
            Ok(Confirmation::AlreadyComplete) => {
                self.seen.count("a second press");
                Decided::nothing()
            }
            Err(consent::ConfirmRefusal::NothingToConfirm) => {
                self.seen.count("an expired or deleted link");
                Decided::nothing()
            }
            Err(_) => {
                self.seen.count("a void link");
                Decided::nothing()
            }
        }
    }

    fn leave(&mut self, asked: &Asked, person: &Person) -> Decided {
        let Command::Leave {
            list,
            objects,
            event,
            entry,
            ..
        } = &asked.command
        else {
            return Decided::nothing();
        };
        let leaving = Leaving {
            list: list.map(|list| self.premises.lists[list].clone()),
            via: UnsubscribedVia::OneClick,
            campaign: None,
            event: *event,
            entry: *entry,
            now: asked.at,
        };
        let (scope, zone) = (&self.premises.scope, &self.premises.zone);
        let transaction = if *objects {
            Some(consent::object(scope, person, &leaving, zone))
        } else {
            consent::leave(scope, person, &leaving, zone)
        };
        let Some(transaction) = transaction else {
            return Decided::nothing();
        };
        // The clock of whoever took the consent may have been ahead: what is written says when.
        let record = transaction.0.iter().find_map(|step| match step {
            Step::Put(Record::Unsubscription(left), _) => Some(left.at),
            _ => None,
        });
        let objected = transaction.0.iter().find_map(|step| match step {
            Step::Put(Record::Tombstone(stone), _) => stone.at.get(&TombstoneKind::Objected),
            _ => None,
        });
        let mut facts = Vec::new();
        if !*objects || record.is_some() {
            let left = Fact::Left {
                list: *list,
                recorded: record.is_some(),
            };
            facts.push((record.unwrap_or(to_millisecond(asked.at)), left));
        }
        if *objects {
            let at = objected.copied().unwrap_or(to_millisecond(asked.at));
            facts.push((at, Fact::Objected));
        }
        Decided {
            transaction: Some(transaction),
            facts,
        }
    }

    fn suppress(&mut self, asked: &Asked, person: &Person, on: bool) -> Decided {
        let rule = Rule::Address(person.key);
        let id = rule.id().expect("an identifier");
        let scope = &self.premises.scope;
        let place = Suppression::place(scope, &id);
        let known = match self.copies.get(asked.copy, &place, asked.at) {
            Some(Record::Suppression(known)) => Some(known),
            _ => None,
        };
        if known.is_some() == on {
            return Decided::nothing();
        }
        let mut transaction = suppression::mark(person, on.then_some(asked.at));
        match known {
            Some(known) => {
                transaction.delete(place, Expect::Revision(known.rev));
            }
            None => {
                let suppression = Suppression {
                    id,
                    rev: 1,
                    rule,
                    note: String::new(),
                    created_at: asked.at,
                };
                transaction.put(Record::Suppression(suppression), Expect::Absent);
            }
        }
        Decided::write(transaction, asked.at, Fact::Suppressed(on))
    }

    fn clean_up(&mut self, asked: &Asked, person: &Person) -> Decided {
        let erasures = self.erasures(asked, person.key);
        let Some(last) = erasures.iter().map(|erasure| erasure.requested_at).max() else {
            return Decided::nothing();
        };
        let scope = &self.premises.scope;
        let mut transaction = Transaction::default();
        for sign_up in self.sign_ups(asked, person.key) {
            if sign_up.signed_up_at <= last {
                transaction.delete(sign_up.key(scope), Expect::Revision(sign_up.rev));
            }
        }
        for left in self.unsubscriptions(asked, person.key) {
            if left.at <= last {
                transaction.delete(left.key(scope), Expect::Revision(left.rev));
            }
        }
        self.seen.count("a clean-up");
        Decided {
            transaction: (!transaction.0.is_empty()).then_some(transaction),
            facts: Vec::new(),
        }
    }

    fn import(&mut self, asked: &Asked, person: &Person) -> Decided {
        let Command::Import {
            list,
            proven,
            import,
            row,
            ..
        } = &asked.command
        else {
            return Decided::nothing();
        };
        let scope = &self.premises.scope;
        let place = ImportChunk::key_of(scope, &import.id, 0);
        let Some(Record::ImportChunk(chunk)) = self.copies.get(asked.copy, &place, asked.at) else {
            // A message of an import that is over.
            return Decided::nothing();
        };
        if chunk.is_complete() {
            self.seen.count("an import's message twice");
            return Decided::nothing();
        }
        let mut import = import.as_ref().clone();
        if self.mistake() == Some(Mistake::ImportsNeedNoProof) {
            let day = crate::time::day_in(asked.at, &jiff::tz::TimeZone::UTC);
            import.provenance.consented_on = import.provenance.consented_on.or(Some(day));
            import.provenance.proof = Some("?".to_owned());
        }
        let rows: [Row; 1] = [(chunk.place.first_row, Ok(row.as_ref().clone()))];
        let people = HashMap::from([(person.key, person.clone())]);
        let batch = chunk.step(scope, &import, Language::De, &rows, &people);
        let fact = Fact::Imported {
            list: *list,
            proven: *proven,
        };
        Decided::write(batch.transaction, import.created_at, fact)
    }
}
