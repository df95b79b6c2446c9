//! Sending one arc: a state machine that answers each event with the next command.
//!
//! No I/O, no clock, no mails: whoever carries the commands out keeps the rendered mails and
//! tells sizes. Any command may fail before or after its effect, or the worker may die at any
//! moment; the ledger alone says where the next one goes on.

mod draft;

use jiff::Timestamp;

use super::Limits;
use super::arc::{Arc, ArcState};
use super::audience::Judgement;
use super::control::{NoSlot, PauseReason};
use super::ledger::{Class, Entry, Ledger, Named, Retry, Skip};
use super::outcome::{CallAnswer, Outcome, Outcomes, Then, Unsent};
use crate::entropy::Entropy;
use crate::id::{EventId, ListId, PersonKey};
use crate::record::Expect;
use crate::time::plus_seconds;
use draft::Draft;

/// What is to be done next.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Read the arc and all entries of its ledger, strongly consistent.
    LoadLedger,
    /// Take a slot for so many recipients and wait until it begins; 0 only asks whether the
    /// campaign is still being sent.
    TakeSlot {
        /// For how many.
        recipients: u16,
    },
    /// Read about so many people of the arc from here on, strongly consistent, and judge them.
    Read {
        /// The first position.
        from: PersonKey,
        /// How many.
        people: u16,
    },
    /// Read and judge these people again, strongly consistent.
    ReadAgain(Vec<PersonKey>),
    /// Render the mails of these people, each through this list, and tell their sizes.
    Render(Vec<(PersonKey, ListId)>),
    /// Write this entry unless there is one with its number.
    Claim(Box<Entry>),
    /// Hand the mails of these recipients (index and person) over in one call, without retries.
    Send {
        /// The entry.
        entry: u32,
        /// Their class.
        class: Class,
        /// Index in the entry, and who.
        recipients: Vec<(u16, PersonKey)>,
    },
    /// Add these outcomes to the entry unless it has some.
    Record {
        /// The entry.
        entry: u32,
        /// The claim's number: only that very claim gets them.
        nonce: EventId,
        /// One per recipient.
        outcomes: Outcomes,
    },
    /// Hold the campaign for this reason.
    Hold(PauseReason),
    /// Write the arc.
    PutArc(Box<Arc>, Expect),
    /// Nothing more: delete the message.
    Stop(Stop),
}

/// Why a worker stopped; for logs and tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The arc is closed.
    Closed,
    /// There is no such arc (any more).
    NoArc,
    /// Another worker is at this arc, and faster.
    Busy,
    /// The campaign is not being sent.
    NotSending,
    /// No slot within the time that is worth waiting for.
    NoSlot,
    /// The worker's own time is up.
    OutOfTime,
    /// Everything is claimed; some people wait for another attempt or for settling.
    Waiting,
    /// The mail service asked for less, or did not answer.
    Rest,
    /// The store did not answer.
    StoreFailed,
    /// Something answered that was not asked.
    OutOfStep,
}

/// What came of a command.
#[derive(Debug, Clone)]
pub enum Event {
    /// The arc, its ledger, and the campaign's pace in microseconds per recipient.
    Loaded {
        /// The arc.
        arc: Box<Arc>,
        /// Its entries in order.
        entries: Vec<Entry>,
        /// [`super::control::Control::spacing`].
        spacing: i64,
    },
    /// There is no such arc.
    NoArc,
    /// The slot has begun.
    Slot,
    /// There is none.
    NoSlot(NoSlot),
    /// People and where reading goes on, `None` at the end of the arc; or, for
    /// [`Command::ReadAgain`], exactly those asked for in their order.
    People {
        /// In order.
        people: Vec<(PersonKey, Judgement)>,
        /// Where reading goes on.
        next: Option<PersonKey>,
    },
    /// Bytes per mail, in order; `None` where it could not be rendered.
    Rendered(Vec<Option<usize>>),
    /// The entry stands.
    Claimed,
    /// There is another entry with that number, with this nonce.
    Taken(EventId),
    /// What the call came to.
    Answered(CallAnswer),
    /// The outcomes stand, or others did before.
    Recorded,
    /// The campaign is held, or was over.
    Held,
    /// The arc is written.
    ArcPut,
    /// The arc was not as expected.
    ArcConflict,
    /// The store did not answer: the command may or may not have had its effect.
    Failed,
}

/// Store failures in a row that are answered by asking again.
const PATIENCE: u8 = 3;

/// Claims in a row that another worker won: two at one arc would do all work twice.
const PATIENCE_WITH_OTHERS: u8 = 2;

/// The machine.
#[derive(Debug)]
pub struct Worker {
    limits: Limits,
    deadline: Timestamp,
    phase: Phase,
    arc: Option<Box<Arc>>,
    ledger: Option<Ledger>,
    /// Recipients that slots were taken for and nobody was mailed in.
    credit: u16,
    /// Most recipients of the next entry.
    chunk: u16,
    failures: u8,
    /// Claims in a row that another worker won.
    lost: u8,
}

#[derive(Debug)]
enum Phase {
    Loading,
    Settling(Command),
    Slot(Option<Retry>),
    Reading(Draft),
    ReadingAgain(Retry, Timestamp),
    Rendering(Draft),
    Claiming(Box<Entry>, Timestamp),
    Checking(Calls),
    Sending(Calls, Vec<(u16, PersonKey)>),
    Recording(Command, Then),
    Holding,
    Closing(Command),
    Returning(Stop),
    Stopped,
}

/// The calls of one entry.
#[derive(Debug)]
struct Calls {
    entry: u32,
    nonce: EventId,
    read_at: Timestamp,
    left: Vec<(Class, Vec<(u16, PersonKey)>)>,
    outcomes: Vec<Outcome>,
    then: Then,
}

impl Worker {
    /// A worker that begins with [`Command::LoadLedger`] and lets go in time before `deadline`.
    pub fn new(limits: Limits, deadline: Timestamp) -> (Self, Command) {
        let worker = Self {
            limits,
            deadline,
            phase: Phase::Loading,
            arc: None,
            ledger: None,
            credit: 0,
            chunk: limits.call_recipients.max(1),
            failures: 0,
            lost: 0,
        };
        (worker, Command::LoadLedger)
    }

    /// The next command after `event`.
    pub fn next(&mut self, event: Event, now: Timestamp, entropy: &dyn Entropy) -> Command {
        if matches!(event, Event::Failed) {
            self.failures += 1;
        } else {
            self.failures = 0;
        }
        let again = self.failures <= PATIENCE;
        let phase = std::mem::replace(&mut self.phase, Phase::Stopped);
        match (phase, event) {
            (
                Phase::Loading,
                Event::Loaded {
                    arc,
                    entries,
                    spacing,
                },
            ) => self.loaded(arc, entries, spacing, now),
            (Phase::Loading, Event::NoArc) => Command::Stop(Stop::NoArc),
            (Phase::Loading, Event::Failed) if again => self.load(),
            // Another worker may have settled it otherwise, or closed the arc; or the arc was
            // released again.
            (Phase::Settling(_), Event::Recorded) | (Phase::Closing(_), Event::ArcConflict) => {
                self.load()
            }

            (Phase::Settling(command), Event::Failed) if again => {
                self.phase = Phase::Settling(command.clone());
                command
            }

            (Phase::Slot(retry), Event::Slot) => self.read(retry, now),
            (Phase::Slot(_), Event::NoSlot(why)) => self.let_go(
                match why {
                    NoSlot::State(_) => Stop::NotSending,
                    NoSlot::Full => Stop::NoSlot,
                },
                now,
            ),

            (Phase::Reading(draft), Event::People { people, next }) => {
                self.judged(draft, people, next, now, entropy)
            }
            (Phase::ReadingAgain(retry, read_at), Event::People { people, .. }) => {
                let draft = Draft::retry(retry, people, read_at);
                self.render(draft, now, entropy)
            }
            (Phase::Rendering(mut draft), Event::Rendered(sizes)) => {
                let largest = draft.cut(&sizes, &self.limits);
                if let Some(fits) = self.limits.call_bytes.checked_div(largest) {
                    let fits = u16::try_from(fits).unwrap_or(u16::MAX).max(1);
                    self.chunk = self.chunk.min(fits);
                }
                self.claim(draft, now, entropy)
            }

            (Phase::Claiming(entry, read_at), Event::Claimed) => self.claimed(*entry, read_at, now),
            (Phase::Claiming(entry, read_at), Event::Taken(nonce)) => {
                if entry.nonce == nonce {
                    return self.claimed(*entry, read_at, now);
                }
                self.lost += 1;
                if self.lost < PATIENCE_WITH_OTHERS {
                    self.load()
                } else {
                    // The arc stays released: should the other one die, it comes again.
                    Command::Stop(Stop::Busy)
                }
            }
            (Phase::Claiming(entry, read_at), Event::Failed) if again => {
                self.phase = Phase::Claiming(entry.clone(), read_at);
                Command::Claim(entry)
            }

            (Phase::Checking(calls), Event::Slot) => self.send(calls, now),
            (Phase::Checking(mut calls), Event::NoSlot(_) | Event::Failed) => {
                calls.then = harder(calls.then, Then::Rest);
                calls.left.clear();
                self.record(calls)
            }
            (Phase::Sending(calls, recipients), Event::Answered(answer)) => {
                self.answered(calls, &recipients, &answer)
            }

            (Phase::Recording(_, then), Event::Recorded) => self.recorded(then, now),
            (Phase::Recording(command, then), Event::Failed) if again => {
                self.phase = Phase::Recording(command.clone(), then);
                command
            }

            (Phase::Holding, Event::Held) => self.let_go(Stop::NotSending, now),

            (Phase::Closing(_), Event::ArcPut) => Command::Stop(Stop::Closed),
            (Phase::Closing(command), Event::Failed) if again => {
                self.phase = Phase::Closing(command.clone());
                command
            }

            (Phase::Returning(stop), Event::ArcPut | Event::ArcConflict | Event::Failed) => {
                Command::Stop(stop)
            }

            (_, Event::Failed) => self.let_go(Stop::StoreFailed, now),
            _ => Command::Stop(Stop::OutOfStep),
        }
    }

    fn load(&mut self) -> Command {
        self.phase = Phase::Loading;
        Command::LoadLedger
    }

    fn loaded(
        &mut self,
        arc: Box<Arc>,
        entries: Vec<Entry>,
        spacing: i64,
        now: Timestamp,
    ) -> Command {
        if arc.state == ArcState::Closed {
            return Command::Stop(Stop::Closed);
        }
        // A chunk is at most what the rate allows in a second.
        if let Some(rate) = 1_000_000_i64.checked_div(spacing) {
            let rate = u16::try_from(rate).unwrap_or(u16::MAX).max(1);
            self.chunk = self.chunk.min(rate);
        }
        self.ledger = Some(Ledger::new(arc.span, entries));
        self.arc = Some(arc);
        self.decide(now)
    }

    /// What the ledger asks for next.
    fn decide(&mut self, now: Timestamp) -> Command {
        let Some(ledger) = &self.ledger else {
            return self.load();
        };
        if let Some(entry) = ledger.to_settle(&self.limits, now) {
            let command = Command::Record {
                entry: entry.number,
                nonce: entry.nonce,
                outcomes: Outcomes(vec![Outcome::Unknown; entry.recipients.0.len()]),
            };
            self.phase = Phase::Settling(command.clone());
            return command;
        }
        if now >= self.deadline {
            return self.let_go(Stop::OutOfTime, now);
        }
        if ledger.position().is_some() {
            return self.slot(None);
        }
        if let Some(retry) = ledger.retry(self.chunk, &self.limits, now) {
            return self.slot(Some(retry));
        }
        let (totals, complete) = ledger.totals(&self.limits, super::CampaignState::Sending);
        if !complete {
            return self.let_go(Stop::Waiting, now);
        }
        let entries = ledger.next_number();
        let Some(arc) = &self.arc else {
            return self.load();
        };
        let closed = Box::new(arc.closed(entries, totals, now));
        let command = Command::PutArc(closed, Expect::Revision(arc.rev));
        self.phase = Phase::Closing(command.clone());
        command
    }

    fn slot(&mut self, retry: Option<Retry>) -> Command {
        let wanted = retry.as_ref().map_or(self.chunk, |retry| {
            u16::try_from(retry.people.len()).unwrap_or(self.chunk)
        });
        let recipients = wanted.saturating_sub(self.credit);
        self.credit = self.credit.max(wanted);
        self.phase = Phase::Slot(retry);
        Command::TakeSlot { recipients }
    }

    fn read(&mut self, retry: Option<Retry>, now: Timestamp) -> Command {
        if let Some(retry) = retry {
            let people = retry.people.iter().map(|(_, person)| *person).collect();
            self.phase = Phase::ReadingAgain(retry, now);
            return Command::ReadAgain(people);
        }
        let Some(from) = self.ledger.as_ref().and_then(Ledger::position) else {
            return self.load();
        };
        self.phase = Phase::Reading(Draft::fresh(from, now));
        Command::Read {
            from,
            people: self.chunk,
        }
    }

    fn judged(
        &mut self,
        mut draft: Draft,
        people: Vec<(PersonKey, Judgement)>,
        next: Option<PersonKey>,
        now: Timestamp,
        entropy: &dyn Entropy,
    ) -> Command {
        let Some(arc) = &self.arc else {
            return self.load();
        };
        draft.take(people, next.or(arc.span.until), self.chunk);
        match next {
            // Nobody to be mailed so far: read on instead of writing an entry about nobody.
            Some(next) if draft.is_empty() && now < self.deadline => {
                draft.read_at = now;
                self.phase = Phase::Reading(draft);
                Command::Read {
                    from: next,
                    people: self.chunk,
                }
            }
            _ => self.render(draft, now, entropy),
        }
    }

    fn render(&mut self, draft: Draft, now: Timestamp, entropy: &dyn Entropy) -> Command {
        let mails = draft.mails();
        if mails.is_empty() {
            return self.claim(draft, now, entropy);
        }
        self.phase = Phase::Rendering(draft);
        Command::Render(mails)
    }

    fn claim(&mut self, draft: Draft, now: Timestamp, entropy: &dyn Entropy) -> Command {
        let (Some(arc), Some(ledger)) = (&self.arc, &self.ledger) else {
            return self.load();
        };
        let read_at = draft.read_at;
        let nonce = EventId::generate(now, entropy);
        let entry = Box::new(draft.entry(arc, ledger.next_number(), nonce, now));
        self.phase = Phase::Claiming(entry.clone(), read_at);
        Command::Claim(entry)
    }

    fn claimed(&mut self, entry: Entry, read_at: Timestamp, now: Timestamp) -> Command {
        self.lost = 0;
        let mut left: Vec<(Class, Vec<(u16, PersonKey)>)> = Vec::new();
        for ((person, class), index) in entry
            .recipients
            .0
            .iter()
            .zip(entry.class_of_each())
            .zip(0..)
        {
            match left.iter_mut().find(|(known, _)| *known == class) {
                Some((_, recipients)) => recipients.push((index, *person)),
                None => left.push((class, vec![(index, *person)])),
            }
        }
        left.reverse();
        let calls = Calls {
            entry: entry.number,
            nonce: entry.nonce,
            read_at,
            left,
            outcomes: vec![Outcome::Unsent(Unsent::Stopped); entry.recipients.0.len()],
            then: Then::GoOn,
        };
        self.credit = self.credit.saturating_sub(entry.len());
        let is_empty = entry.is_empty();
        if let Some(ledger) = &mut self.ledger {
            ledger.push(entry);
        }
        if is_empty {
            self.decide(now)
        } else {
            self.send(calls, now)
        }
    }

    fn send(&mut self, mut calls: Calls, now: Timestamp) -> Command {
        if now > plus_seconds(calls.read_at, self.limits.read_age_seconds) {
            for (_, recipients) in std::mem::take(&mut calls.left) {
                for (index, _) in recipients {
                    calls.outcomes[usize::from(index)] = Outcome::Unsent(Unsent::TooOld);
                }
            }
            calls.then = harder(calls.then, Then::Rest);
        }
        let Some((class, recipients)) = calls.left.pop() else {
            return self.record(calls);
        };
        let entry = calls.entry;
        self.phase = Phase::Sending(calls, recipients.clone());
        Command::Send {
            entry,
            class,
            recipients,
        }
    }

    fn answered(
        &mut self,
        mut calls: Calls,
        recipients: &[(u16, PersonKey)],
        answer: &CallAnswer,
    ) -> Command {
        let (outcomes, then) = answer.verdicts(recipients.len());
        for ((index, _), outcome) in recipients.iter().zip(outcomes) {
            calls.outcomes[usize::from(*index)] = outcome;
        }
        calls.then = harder(calls.then, then);
        if calls.then != Then::GoOn || calls.left.is_empty() {
            return self.record(calls);
        }
        // One call each after a pause, not one entry each: ask again before the next class.
        self.phase = Phase::Checking(calls);
        Command::TakeSlot { recipients: 0 }
    }

    fn record(&mut self, calls: Calls) -> Command {
        let outcomes = Outcomes(calls.outcomes);
        if let Some(ledger) = &mut self.ledger {
            ledger.record(calls.entry, outcomes.clone());
        }
        let command = Command::Record {
            entry: calls.entry,
            nonce: calls.nonce,
            outcomes,
        };
        self.phase = Phase::Recording(command.clone(), calls.then);
        command
    }

    fn recorded(&mut self, then: Then, now: Timestamp) -> Command {
        match then {
            Then::GoOn => self.decide(now),
            Then::Rest => self.let_go(Stop::Rest, now),
            Then::Hold(why) => {
                self.phase = Phase::Holding;
                Command::Hold(why)
            }
        }
    }

    /// Gives the arc back, so that it is released again soon instead of after its time.
    fn let_go(&mut self, stop: Stop, now: Timestamp) -> Command {
        let (Some(arc), Some(ledger)) = (&self.arc, &self.ledger) else {
            return Command::Stop(stop);
        };
        let returned = arc.returned(ledger.next_number(), now);
        let command = Command::PutArc(Box::new(returned), Expect::Revision(arc.rev));
        self.phase = Phase::Returning(stop);
        command
    }
}

fn harder(one: Then, other: Then) -> Then {
    match (one, other) {
        (Then::Hold(why), _) | (_, Then::Hold(why)) => Then::Hold(why),
        (Then::Rest, _) | (_, Then::Rest) => Then::Rest,
        (Then::GoOn, Then::GoOn) => Then::GoOn,
    }
}
