//! What runs in the simulation: workers with one arc each, and releases, step by step.
//!
//! Carries commands out as the adapters do, on the model store.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;

use super::world::{Fault, World};
use crate::campaign::arc::Arc;
use crate::campaign::audience::{Audience, Judgement};
use crate::campaign::outcome::{CallAnswer, CallRefusal, Outcome, Verdict};
use crate::campaign::reading::Reader;
use crate::campaign::release::{Quota, fold, release, share};
use crate::campaign::worker::{Command, Event, Stop, Worker};
use crate::campaign::{CampaignState, Limits};
use crate::id::PersonKey;
use crate::record::{Expect, Record, Transaction};
use crate::time::plus_seconds;

/// A worker with its arc.
#[derive(Debug)]
pub(super) struct Sender {
    pub(super) arc: u32,
    worker: Worker,
    next: Next,
    /// The step of the last read of people.
    read_at_step: u64,
    /// Calls made while the campaign was not being sent: one may have been under way.
    pub(super) calls_while_held: u32,
}

#[derive(Debug)]
enum Next {
    Do(Command),
    Hear(Timestamp, Event),
}

impl Sender {
    pub(super) fn new(world: &World, arc: u32) -> Self {
        let deadline = plus_seconds(world.now, 240);
        let (worker, command) = Worker::new(world.limits, deadline);
        let held = world
            .model
            .control
            .as_ref()
            .is_none_or(|control| control.state != CampaignState::Sending);
        Self {
            arc,
            worker,
            next: Next::Do(command),
            read_at_step: 0,
            calls_while_held: u32::from(held),
        }
    }

    /// When it can do its next step.
    pub(super) fn ready_at(&self) -> Option<Timestamp> {
        match &self.next {
            Next::Do(_) => None,
            Next::Hear(at, _) => Some(*at),
        }
    }

    /// One step; the reason when it has stopped, `Err` when it died.
    pub(super) fn step(&mut self, world: &mut World) -> Result<Option<Stop>, ()> {
        match std::mem::replace(&mut self.next, Next::Do(Command::LoadLedger)) {
            Next::Hear(_, event) => {
                world.tell(|| format!("arc {} hears {event:?}", self.arc));
                let command = self.worker.next(event, world.now, &world.entropy);
                self.next = Next::Do(command);
                Ok(None)
            }
            Next::Do(Command::Stop(stop)) => {
                assert_ne!(stop, Stop::OutOfStep, "the machine and its commands agree");
                Ok(Some(stop))
            }
            Next::Do(command) => {
                let fault = world.fault();
                world.tell(|| format!("arc {} does {command:?} ({fault:?})", self.arc));
                if fault == Fault::DiesBefore {
                    return Err(());
                }
                let fails_before = fault == Fault::FailsBefore;
                let (at, event) = match command {
                    Command::Send { recipients, .. } => {
                        (world.now, self.send(world, fault, &recipients))
                    }
                    _ if fails_before => (world.now, Event::Failed),
                    command => {
                        let (at, event) = self.carry_out(world, command);
                        if fault == Fault::FailsAfter {
                            (world.now, Event::Failed)
                        } else {
                            (at, event)
                        }
                    }
                };
                if fault == Fault::DiesAfter {
                    return Err(());
                }
                self.next = Next::Hear(at, event);
                Ok(None)
            }
        }
    }

    fn carry_out(&mut self, world: &mut World, command: Command) -> (Timestamp, Event) {
        let now = world.now;
        let event = match command {
            Command::LoadLedger => match (world.model.arcs.get(&self.arc), &world.model.control) {
                (Some(arc), Some(control)) => Event::Loaded {
                    arc: Box::new(arc.clone()),
                    entries: world.model.ledger(self.arc),
                    spacing: control.spacing,
                },
                _ => Event::NoArc,
            },
            Command::TakeSlot { recipients } => return Self::take_slot(world, recipients),
            Command::Read { from, people } => {
                self.read_at_step = world.step;
                let span = world.model.arcs[&self.arc].span;
                let mut reader = Reader::new(span, from, usize::from(people));
                while let Some(query) = reader.query() {
                    let (items, more) = world.model.query(&query);
                    reader.take(items, more, now);
                }
                let page = reader.finish();
                let audience = world.audience();
                Event::People {
                    people: page
                        .people
                        .iter()
                        .map(|found| (found.person, audience.judge(found)))
                        .collect(),
                    next: page.next,
                }
            }
            Command::ReadAgain(people) => {
                self.read_at_step = world.step;
                Event::People {
                    people: people
                        .into_iter()
                        .map(|person| (person, judge_one(world, person, &world.audience())))
                        .collect(),
                    next: None,
                }
            }
            Command::Render(people) => Event::Rendered(
                people
                    .into_iter()
                    .map(|(person, _)| world.mail_size(person))
                    .collect(),
            ),
            Command::Claim(entry) => match world.model.claim(&entry) {
                Ok(()) => Event::Claimed,
                Err(nonce) => {
                    world.saw("a claim lost");
                    Event::Taken(nonce)
                }
            },
            Command::Record {
                entry,
                nonce,
                outcomes,
            } => {
                if outcomes.0.contains(&Outcome::Unknown) {
                    world.saw("an unknown outcome");
                }
                world.model.record(self.arc, entry, nonce, outcomes);
                Event::Recorded
            }
            Command::Hold(why) => {
                if let Some(control) = world.model.control.clone()
                    && let Ok(pause) = world.model.campaign.pause(&control, why, now)
                {
                    world.model.commit(&pause).unwrap();
                    world.saw("a hold by the mail service");
                }
                Event::Held
            }
            Command::PutArc(arc, expect) => match world.model.put_arc(&arc, expect) {
                Ok(()) => Event::ArcPut,
                Err(_) => Event::ArcConflict,
            },
            Command::Send { .. } | Command::Stop(_) => panic!("handled by the caller"),
        };
        (now, event)
    }

    fn take_slot(world: &mut World, recipients: u16) -> (Timestamp, Event) {
        let now = world.now;
        let control = world.model.control.as_mut().unwrap();
        match control.slot(recipients, &world.limits, now) {
            Err(why) => {
                world.saw("no slot");
                (now, Event::NoSlot(why))
            }
            Ok(update) => {
                let (taken, begins) = control.with_slot(update).unwrap();
                *control = taken;
                (Timestamp::from_microsecond(begins).unwrap(), Event::Slot)
            }
        }
    }

    fn send(&mut self, world: &mut World, fault: Fault, recipients: &[(u16, PersonKey)]) -> Event {
        if world.model.control.as_ref().unwrap().state != CampaignState::Sending {
            self.calls_while_held += 1;
            assert!(
                self.calls_while_held <= 1,
                "a pause is exact to one call per worker"
            );
        }
        let answer = match fault {
            Fault::FailsBefore => CallAnswer::Uncertain,
            _ if world.chance(40) => {
                world.saw("a refused call");
                CallAnswer::Refused(match world.below(5) {
                    0 => CallRefusal::Unreachable,
                    1 => CallRefusal::BadRequest,
                    2 if world.is_calm() => CallRefusal::Throttled,
                    2 => CallRefusal::DailyQuota,
                    _ => CallRefusal::Throttled,
                })
            }
            _ => {
                let mut verdicts = Vec::new();
                for (_, person) in recipients {
                    let status = if world.chance(30) {
                        [
                            "ACCOUNT_THROTTLED",
                            "TRANSIENT_FAILURE",
                            "MESSAGE_REJECTED",
                            "FAILED",
                        ][world.below(4)]
                    } else {
                        "SUCCESS"
                    };
                    let delivered = status == "SUCCESS" || status == "FAILED" && world.chance(2);
                    if delivered {
                        world.deliver(*person, self.read_at_step);
                    }
                    verdicts.push(Verdict::of_status(status));
                }
                if world.chance(100) {
                    verdicts.pop();
                }
                CallAnswer::Entries(verdicts)
            }
        };
        Event::Answered(match fault {
            Fault::FailsAfter => CallAnswer::Uncertain,
            _ => answer,
        })
    }
}

fn judge_one(world: &World, person: PersonKey, audience: &Audience<'_>) -> Judgement {
    let span = crate::campaign::arc::Span {
        from: person,
        until: person.position().checked_add(1).map(PersonKey::at),
    };
    let mut reader = Reader::new(span, person, 1);
    while let Some(query) = reader.query() {
        let (items, more) = world.model.query(&query);
        reader.take(items, more, world.now);
    }
    reader
        .finish()
        .people
        .first()
        .map_or(Judgement::Outside, |found| audience.judge(found))
}

/// One firing of the schedule.
#[derive(Debug)]
pub(super) struct Release {
    spacing: i64,
    open: Vec<Arc>,
    left: VecDeque<(Arc, Expect)>,
}

impl Release {
    pub(super) fn new(world: &World) -> Option<Self> {
        let control = world.model.control.as_ref()?;
        let running = [(world.account.clone(), control.campaign.clone())];
        let quota = Quota {
            rate: world.rate,
            day: -1.0,
            used: 0.0,
        };
        let spacing = share(&quota, &running).into_values().next().unwrap_or(0);
        let open: Vec<Arc> = world
            .model
            .arcs
            .range(control.folded..)
            .map(|(_, arc)| arc.clone())
            .collect();
        let left = release(control, &open, spacing, &world.limits, world.now).into();
        Some(Self {
            spacing,
            open,
            left,
        })
    }

    /// One step; whether it is over.
    pub(super) fn step(&mut self, world: &mut World) -> bool {
        let fault = world.fault();
        if matches!(fault, Fault::DiesBefore | Fault::FailsBefore) {
            return true;
        }
        let Some((arc, expect)) = self.left.pop_front() else {
            return self.close(world);
        };
        if world.model.put_arc(&arc, expect).is_ok() {
            world.tell(|| format!("releases arc {}", arc.number));
            if fault != Fault::None {
                return true;
            }
            world.queue.push(arc.number);
            let mut open: BTreeMap<u32, Arc> = std::mem::take(&mut self.open)
                .into_iter()
                .map(|arc| (arc.number, arc))
                .collect();
            open.insert(arc.number, arc);
            self.open = open.into_values().collect();
        }
        false
    }

    fn close(&self, world: &mut World) -> bool {
        let Some(control) = world.model.control.clone() else {
            return true;
        };
        let limits: Limits = world.limits;
        let (folded, all_closed) = fold(&control, &self.open, self.spacing, &limits, world.now);
        let transaction = if all_closed && folded.state == CampaignState::Sending {
            let campaign = world.model.campaign.clone();
            campaign.finish(&world.account.clone(), &folded, world.now)
        } else {
            let mut transaction = Transaction::default();
            transaction.put(
                Record::Control(Box::new(crate::campaign::control::Control {
                    rev: control.rev + 1,
                    ..folded
                })),
                Expect::Revision(control.rev),
            );
            transaction
        };
        // In a step of its own nothing comes in between.
        world.model.commit(&transaction).unwrap();
        true
    }
}

/// What the person is to the campaign now.
pub(super) fn judge_now(world: &World, person: PersonKey) -> Judgement {
    judge_one(world, person, &world.audience())
}
