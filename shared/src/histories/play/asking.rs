//! What handlers are asked in a history, how they get to writing it, and what has happened then.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{ATTEMPTS, Flight, Play};
use crate::consent::Barred;
use crate::evidence::Entry;
use crate::histories::command::{Asked, Command};
use crate::histories::decide::{Decided, Desk};
use crate::histories::oracle::{Fact, When};
use crate::histories::premises::FORMS;
use crate::histories::script::{Kind, Step, Way, What};
use crate::id::{EventId, ImportId};
use crate::import::{Import, ImportChunk, Provenance};
use crate::person::LegalBasis;
use crate::personal::ClientIp;
use crate::record::{Record, Stored as _};
use crate::setup::Mode;
use crate::time::{day_in, plus_seconds, to_millisecond};

impl Play<'_> {
    fn entry(&self) -> Entry {
        Entry::generate(self.now, &self.entropy)
    }

    fn event(&self) -> EventId {
        EventId::generate(self.now, &self.entropy)
    }

    fn ip(&self) -> ClientIp {
        let [a, b, ..] = self.entropy.next_u64().to_le_bytes();
        ClientIp::parse(&format!("127.9.{a}.{b}")).expect("an address")
    }

    pub(super) fn command(&mut self, what: What) -> Option<Command> {
        Some(match what {
            What::SignUp {
                who,
                form,
                spelling,
            } => Command::SignUp {
                who,
                form,
                spelling,
                event: self.event(),
                outbox: self.event(),
                entry: self.entry(),
                ip: self.ip(),
            },
            What::Confirm { who, which } => {
                let links = &self.links[who];
                // The last links are pressed most.
                let event = *links.iter().rev().nth(which % links.len().max(1))?;
                Command::Confirm {
                    who,
                    event,
                    entry: self.entry(),
                    ip: self.ip(),
                }
            }
            What::Leave { who, list } => Command::Leave {
                who,
                list,
                objects: false,
                event: self.event(),
                entry: self.entry(),
            },
            What::Object { who } => Command::Leave {
                who,
                list: None,
                objects: true,
                event: self.event(),
                entry: self.entry(),
            },
            What::Change { who } => Command::Change { who },
            What::Restrict { who } => Command::Restrict { who },
            What::Lift { who } => Command::Lift { who },
            What::Report {
                who,
                complaint,
                ago,
            } => Command::Report {
                who,
                why: if complaint {
                    Barred::Complained
                } else {
                    Barred::Bounced
                },
                happened: plus_seconds(self.now, -ago),
            },
            What::Suppress { who, on } => Command::Suppress { who, on },
            What::Erase { who } => Command::Erase {
                who,
                event: self.event(),
            },
            What::CleanUp { who } => Command::CleanUp { who },
            What::Import { who, list, proven } => self.import(who, list, proven),
            What::End { who, days } => Command::End {
                who,
                on: day_in(plus_seconds(self.now, days * 86_400), &self.premises.zone),
            },
            _ => return None,
        })
    }

    /// An import is taken: its only chunk is written down, and a message of it queued.
    fn import(&mut self, who: usize, list: usize, proven: bool) -> Command {
        let premises = self.premises;
        let taken = &premises.people[who].import;
        let now = to_millisecond(self.now);
        let id = ImportId::generate(now, &self.entropy);
        let day = day_in(now, &TimeZone::UTC);
        let chunk = ImportChunk {
            import: id.clone(),
            gone_at: ImportChunk::gone_at(now),
            ..taken.chunk.clone()
        };
        let key = chunk.key(&premises.scope);
        let chunk = Record::ImportChunk(Box::new(chunk));
        self.copies.write(self.active, key, Some(chunk), now);
        let import = Import {
            id,
            provenance: Provenance {
                source: "Messe".to_owned(),
                legal_basis: LegalBasis::Consent,
                consented_on: proven.then_some(day),
                proof: proven.then(|| "Formular".to_owned()),
                conditions: std::collections::BTreeSet::new(),
            },
            list: premises.lists[list].clone(),
            created_at: now,
            ..taken.import.clone()
        };
        Command::Import {
            who,
            list,
            proven,
            import: Box::new(import),
            row: Box::new(taken.row.clone()),
        }
    }

    pub(super) fn desk(&mut self) -> Desk<'_> {
        Desk {
            premises: self.premises,
            copies: &self.copies,
            quarantine: self.quarantine.as_ref(),
            seen: &mut self.seen,
        }
    }

    fn skew_of(&self, step: &Step) -> i64 {
        if step.machine == 0 { 0 } else { self.skew }
    }

    fn asked(&self, command: Command, step: &Step) -> Asked {
        let skew = self.skew_of(step);
        Asked {
            command,
            at: plus_seconds(self.now, skew),
            copy: self.active,
        }
    }

    pub(super) fn ask(&mut self, command: Command, step: &Step) -> Result<(), String> {
        let skew = self.skew_of(step);
        let asked = self.asked(command, step);
        match step.way {
            Way::Once | Way::Again => self.settle(Flight {
                asked,
                skew,
                decided: None,
            }),
            // The other of two at the same moment reads the same.
            Way::Held | Way::AtOnceTwice => {
                let arrivals = self.copies.arrivals();
                let decided = self.desk().decide(&asked);
                // With nothing to write the answer is given at once.
                let waits = decided.transaction.is_some();
                let flight = Flight {
                    asked,
                    skew,
                    decided: Some((decided, arrivals)),
                };
                if !waits {
                    return self.settle(flight);
                }
                self.flights.push(flight);
                Ok(())
            }
            Way::Dies => {
                let _ = self.desk().decide(&asked);
                self.seen.count("a death before the write");
                Ok(())
            }
        }
    }

    pub(super) fn ask_again(
        &mut self,
        command: Option<Command>,
        step: &Step,
    ) -> Result<(), String> {
        let Some(command) = command else {
            return Ok(());
        };
        let skew = self.skew_of(step);
        match step.way {
            Way::AtOnceTwice => {
                let asked = self.asked(command, step);
                let arrivals = self.copies.arrivals();
                let decided = Some((self.desk().decide(&asked), arrivals));
                // The first is the last that was held back, unless it had nothing to write.
                let first = self.flights.pop();
                self.settle(Flight {
                    asked,
                    skew,
                    decided,
                })?;
                self.seen.count("two at the same moment");
                first.map_or(Ok(()), |first| self.settle(first))
            }
            Way::Again => {
                let asked = self.asked(command, step);
                self.seen.count("a repetition later");
                let flight = Flight {
                    asked,
                    skew,
                    decided: None,
                };
                if self.kind == Kind::OverHttp {
                    return self.settle(flight);
                }
                self.flights.push(flight);
                Ok(())
            }
            Way::Once | Way::Held | Way::Dies => Ok(()),
        }
    }

    /// Writes what was decided, and decides again while somebody else was faster.
    pub(super) fn settle(&mut self, flight: Flight) -> Result<(), String> {
        let Flight {
            mut asked,
            skew,
            mut decided,
        } = flight;
        if decided.is_none() {
            asked.at = plus_seconds(self.now, skew);
        }
        let who = asked.command.who();
        for _ in 0..ATTEMPTS {
            let (Decided { transaction, facts }, arrivals) = match decided.take() {
                Some(decided) => decided,
                None => (self.desk().decide(&asked), self.copies.arrivals()),
            };
            let mut mails = false;
            if let Some(transaction) = transaction {
                let is_mail = |step: &crate::record::Step| {
                    matches!(step, crate::record::Step::Put(Record::Outbox(_), _))
                };
                mails = transaction.0.iter().any(is_mail);
                let key = self.premises.people[who].key;
                // Revisions of two regions may be the same and what they count not.
                let misses = self.copies.misses(asked.copy, key)
                    || self.copies.got(asked.copy, key, arrivals)
                    || asked.copy != self.active;
                let scope = &self.premises.scope;
                let written = self
                    .copies
                    .commit(asked.copy, scope, &transaction, asked.at);
                if written.is_err() {
                    self.seen.count("a conflict");
                    continue;
                }
                if misses {
                    self.note_split(who);
                }
            }
            return self.happened(&asked, skew, facts, mails);
        }
        // Nobody else writes meanwhile: nothing can be in the way that often.
        Err(format!("never written: {:?}", asked.command))
    }

    /// The regions wrote of somebody without knowing of each other.
    pub(super) fn note_split(&mut self, who: usize) {
        self.split = true;
        self.contended[who] = true;
        self.seen.count("a write that knows not all");
    }

    fn happened(
        &mut self,
        asked: &Asked,
        skew: i64,
        facts: Vec<(Timestamp, Fact)>,
        mails: bool,
    ) -> Result<(), String> {
        let who = asked.command.who();
        for (at, fact) in facts {
            match &fact {
                Fact::SignedUp { event, form, .. } => {
                    self.seen.count("a sign-up");
                    // Over HTTP only what was mailed can be pressed.
                    if FORMS[*form].1 == Mode::Double && (mails || self.kind != Kind::OverHttp) {
                        self.links[who].push(*event);
                    }
                }
                Fact::Confirmed { event, .. } => {
                    self.seen.count("a confirmation");
                    // Two regions may both take a press; an accident may undo one.
                    let once = matches!(self.kind, Kind::Plain | Kind::TwoClocks);
                    if once && self.oracle.was_confirmed(who, *event) {
                        return Err("confirmed twice".to_owned());
                    }
                }
                Fact::Left { .. } => self.seen.count("a leaving"),
                Fact::Objected => self.seen.count("an objection"),
                Fact::Reported { .. } => self.seen.count("a bounce or complaint"),
                Fact::Restricted => self.seen.count("a restriction"),
                Fact::Lifted => self.seen.count("a restriction lifted"),
                Fact::Suppressed(_) => self.seen.count("a suppression"),
                Fact::Erased => self.seen.count("an erasure"),
                Fact::Imported { proven: true, .. } => self.seen.count("an import with proof"),
                Fact::Imported { .. } => self.seen.count("an import without proof"),
                Fact::Ended { .. } => self.seen.count("a relationship's end"),
                Fact::Archived | Fact::Lost | Fact::Restored { .. } => {}
            }
            let right = plus_seconds(asked.at, -skew);
            let when = When {
                at,
                asked: if matches!(fact, Fact::Imported { .. }) {
                    at
                } else {
                    right
                },
                done: self.now,
            };
            self.oracle.note(who, when, fact);
        }
        let key = self.premises.people[who].key;
        if let Command::Release { .. } | Command::CleanUp { .. } = asked.command
            && let Some(quarantine) = &mut self.quarantine
        {
            quarantine.forget(key);
        }
        Ok(())
    }
}
