//! The simulated world: people, time, chance, and what must never happen.
//!
//! One seed decides everything.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::model::Model;
use super::process::{Release, Sender};
use crate::address::EmailAddress;
use crate::campaign::arc::{Circle, Estimate};
use crate::campaign::audience::Audience;
use crate::campaign::content::Content;
use crate::campaign::control::PauseReason;
use crate::campaign::ledger::{Fate, Ledger};
use crate::campaign::report::Report;
use crate::campaign::{Campaign, CampaignState, Limits, Sender as From};
use crate::entropy::SeededEntropy;
use crate::header::SenderName;
use crate::id::{AccountId, CampaignId, EventId, ListId, PersonKey, TemplateId};
use crate::page_language::Language;
use crate::person::{LegalBasis, ListConsent, Profile, Proof};
use crate::template::TemplateSource;
use crate::time::plus_seconds;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    FailsBefore,
    FailsAfter,
    DiesBefore,
    DiesAfter,
}

/// How often what was met.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Seen(BTreeMap<&'static str, u64>);

impl Seen {
    pub(super) fn add(&mut self, other: &Self) {
        for (what, count) in &other.0 {
            *self.0.entry(what).or_default() += count;
        }
    }

    pub(super) fn counts(&mut self) -> &BTreeMap<&'static str, u64> {
        for what in [
            "a claim lost",
            "an unknown outcome",
            "a hold by the mail service",
            "no slot",
            "a refused call",
            "a death",
            "a pause",
            "a cancellation",
            "a withdrawal",
            "a retry entry",
            "an entry across partitions",
            "finished",
        ] {
            self.0.entry(what).or_default();
        }
        &self.0
    }
}

pub(super) struct World {
    pub(super) entropy: SeededEntropy,
    pub(super) now: Timestamp,
    pub(super) step: u64,
    pub(super) model: Model,
    pub(super) queue: Vec<u32>,
    pub(super) account: AccountId,
    pub(super) limits: Limits,
    pub(super) rate: f64,
    faults_in: usize,
    list: ListId,
    people: Vec<PersonKey>,
    started_at: Timestamp,
    /// Who withdrew or was erased at which step.
    withdrawn: BTreeMap<PersonKey, u64>,
    joined: BTreeSet<PersonKey>,
    sizes: BTreeMap<PersonKey, Option<usize>>,
    mailed: BTreeMap<PersonKey, u32>,
    seen: Seen,
    tells: bool,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let entropy = SeededEntropy::new(seed);
        let start: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
        let account = AccountId::parse("demo").unwrap();
        let list = ListId::parse("news").unwrap();
        let campaign = Campaign {
            id: CampaignId::parse("c").unwrap(),
            rev: 1,
            name: "c".to_owned(),
            template: TemplateId::parse("t").unwrap(),
            lists: vec![list.clone()],
            target_group: None,
            sender: From {
                name: SenderName::parse("Muster").unwrap(),
                email: EmailAddress::parse("news@muster.example").unwrap(),
            },
            scheduled_at: None,
            time_zone: "UTC".to_owned(),
            state: CampaignState::Draft,
            started_at: None,
            problem: None,
            created_at: start,
        };
        let limits = Limits {
            call_recipients: 5,
            arc_recipients: 8,
            arc_people: 100,
            ..Limits::default()
        };
        let mut world = Self {
            entropy,
            now: start,
            step: 0,
            model: Model::new(campaign),
            queue: Vec::new(),
            account,
            limits,
            rate: 0.0,
            faults_in: 0,
            list,
            people: Vec::new(),
            started_at: start,
            withdrawn: BTreeMap::new(),
            joined: BTreeSet::new(),
            sizes: BTreeMap::new(),
            mailed: BTreeMap::new(),
            seen: Seen::default(),
            tells: false,
        };
        world.rate = [2.0, 10.0, 1_000.0][world.below(3)];
        world.faults_in = [15, 60, 1_000][world.below(3)];
        world.populate();
        world.start();
        world
    }

    pub(super) fn telling(mut self) -> Self {
        self.tells = true;
        self
    }

    pub(super) fn tell(&self, what: impl FnOnce() -> String) {
        if self.tells {
            println!("{} {} {}", self.step, self.now, what());
        }
    }

    fn populate(&mut self) {
        let count = [0, 1, 4, 15, 40, 90][self.below(6)];
        for _ in 0..count {
            let position = if self.chance(4) {
                // Close to a border of partitions, on either side.
                let border = (self.below(16) as u128) << 124;
                border.wrapping_add(self.below(5) as u128).wrapping_sub(2)
            } else {
                u128::from(self.entropy.next_u64()) << 64 | u128::from(self.entropy.next_u64())
            };
            let person = PersonKey::at(position);
            let long_ago = plus_seconds(self.now, -1_000);
            self.join(person, long_ago);
            self.people.push(person);
            match self.below(14) {
                0 => self.leave(person, plus_seconds(self.now, -500)),
                1 => self.model.restrict(person, plus_seconds(self.now, -500)),
                _ => {}
            }
        }
        self.people.sort();
        self.people.dedup();
    }

    fn join(&mut self, person: PersonKey, since: Timestamp) {
        let list = if self.chance(8) {
            ListId::parse("other").unwrap()
        } else {
            self.list.clone()
        };
        let consent = ListConsent {
            since,
            basis: LegalBasis::Consent,
            proof: Proof::SignUp(EventId::generate(since, &self.entropy)),
        };
        let address = EmailAddress::parse("anna@example.com").unwrap();
        let tracked = self.chance(3);
        self.model.put_profile(Profile {
            person,
            rev: 1,
            address: address.clone(),
            spellings: vec![address],
            values: BTreeMap::new(),
            lists: BTreeMap::from([(list, consent)]),
            provenance: Vec::new(),
            interests: Vec::new(),
            tracking_since: tracked.then_some(since),
            profiling_since: None,
            language: Language::De,
            customer: false,
            created_at: since,
            ended_on: None,
            gone_at: None,
        });
        let size = match self.below(60) {
            0 => None,
            1 => Some(1_000_000),
            n => Some(n * 6_000),
        };
        self.sizes.insert(person, size);
    }

    fn leave(&mut self, person: PersonKey, at: Timestamp) {
        self.model.withdraw(person, at);
        self.withdrawn.insert(person, self.step);
    }

    fn start(&mut self) {
        let campaign = self.model.campaign.scheduled(self.now, self.now).unwrap();
        self.model.campaign = campaign.clone();
        let content = Content {
            campaign: campaign.id.clone(),
            rev: 1,
            source: TemplateSource {
                subject: String::new(),
                html: String::new(),
                text: None,
            },
            sender: campaign.sender.clone(),
            lists: campaign.lists.clone(),
            imprint: String::new(),
            controller: String::new(),
            privacy_url: String::new(),
            language: Language::De,
            started_at: self.now,
        };
        let hits = u32::try_from(self.below(3)).unwrap();
        let estimate = Estimate { people: hits, hits };
        // 256 times too large here: a few arcs are what the run needs.
        let limits = Limits {
            arc_recipients: 100,
            arc_people: 1_000,
            ..self.limits
        };
        assert!(Circle::for_audience(estimate, &limits).arcs() <= 6);
        let start = campaign
            .start(&self.account, content, estimate, &limits, self.now)
            .unwrap();
        self.model.commit(&start).unwrap();
        assert!(self.model.commit(&start).is_err(), "it starts once");
    }

    pub(super) fn below(&self, n: usize) -> usize {
        usize::try_from(self.entropy.next_u64() % n as u64).unwrap()
    }

    /// Once in `n`.
    pub(super) fn chance(&self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub(super) fn is_calm(&self) -> bool {
        self.faults_in == 0
    }

    pub(super) fn fault(&mut self) -> Fault {
        if self.is_calm() || !self.chance(self.faults_in) {
            return Fault::None;
        }
        match self.below(4) {
            0 => Fault::FailsBefore,
            1 => Fault::FailsAfter,
            2 => Fault::DiesBefore,
            _ => Fault::DiesAfter,
        }
    }

    pub(super) fn saw(&mut self, what: &'static str) {
        *self.seen.0.entry(what).or_default() += 1;
    }

    pub(super) fn audience(&self) -> Audience<'_> {
        Audience {
            lists: std::slice::from_ref(&self.list),
            started_at: self.started_at,
        }
    }

    pub(super) fn mail_size(&self, person: PersonKey) -> Option<usize> {
        self.sizes[&person]
    }

    pub(super) fn deliver(&mut self, person: PersonKey, read_at_step: u64) {
        let count = self.mailed.entry(person).or_default();
        *count += 1;
        assert_eq!(*count, 1, "nobody is mailed twice");
        assert!(
            !self.joined.contains(&person),
            "consent is older than the start"
        );
        assert!(
            self.withdrawn
                .get(&person)
                .is_none_or(|withdrawn| *withdrawn >= read_at_step),
            "a withdrawal before the read wins"
        );
    }

    pub(super) fn run(mut self) -> Seen {
        let (mut senders, mut releases) = (Vec::new(), Vec::new());
        let steps = 200 + self.below(600);
        for _ in 0..steps {
            self.wild_step(&mut senders, &mut releases);
        }
        self.faults_in = 0;
        if self.model.control.as_ref().unwrap().state == CampaignState::Paused {
            self.resume(&mut senders);
        }
        for _ in 0..400 {
            let state = self.model.control.as_ref().unwrap().state;
            match state {
                CampaignState::Finished | CampaignState::Cancelled => {
                    // What is still under way comes to its end.
                    self.settle(&mut senders);
                    self.check();
                    return self.seen;
                }
                CampaignState::Paused => self.resume(&mut senders),
                _ => {}
            }
            self.settle(&mut senders);
            releases.clear();
            if let Some(mut release) = Release::new(&self) {
                while !release.step(&mut self) {}
            }
            self.now = plus_seconds(self.now, 60);
        }
        panic!("a campaign finishes once faults stop");
    }

    fn wild_step(&mut self, senders: &mut Vec<Sender>, releases: &mut Vec<Release>) {
        self.step += 1;
        let pace = if self.chance(150) {
            20_000_000
        } else {
            120_000
        };
        self.now = self
            .now
            .checked_add(jiff::SignedDuration::from_micros(
                i64::try_from(self.below(pace)).unwrap(),
            ))
            .unwrap();
        match self.below(40) {
            0 | 1 => releases.extend(Release::new(self)),
            2..=6 => self.receive(senders),
            7 => self.somebody_acts(senders),
            8..=12 => {
                if !releases.is_empty() {
                    let index = self.below(releases.len());
                    let mut release = releases.swap_remove(index);
                    if !release.step(self) {
                        releases.push(release);
                    }
                }
            }
            _ => {
                if !senders.is_empty() {
                    let index = self.below(senders.len());
                    self.step_sender(senders, index);
                }
            }
        }
    }

    /// Takes a message in any order, often leaving a copy for later.
    fn receive(&mut self, senders: &mut Vec<Sender>) {
        if self.queue.is_empty() || senders.len() >= 4 {
            return;
        }
        let index = self.below(self.queue.len());
        let arc = if self.chance(2) {
            self.queue[index]
        } else {
            self.queue.swap_remove(index)
        };
        senders.push(Sender::new(self, arc));
    }

    fn step_sender(&mut self, senders: &mut Vec<Sender>, index: usize) {
        if let Some(at) = senders[index].ready_at()
            && at > self.now
        {
            return;
        }
        let mut sender = senders.swap_remove(index);
        match sender.step(self) {
            Ok(None) => senders.push(sender),
            Ok(Some(stop)) => self.tell(|| format!("arc {} stops: {stop:?}", sender.arc)),
            Err(()) => {
                self.saw("a death");
                // Its message becomes visible again.
                self.queue.push(sender.arc);
            }
        }
    }

    fn somebody_acts(&mut self, senders: &mut [Sender]) {
        let control = self.model.control.clone().unwrap();
        match self.below(24) {
            0..=12 if !self.people.is_empty() => {
                let person = self.people[self.below(self.people.len())];
                self.tell(|| format!("{person} leaves"));
                self.saw("a withdrawal");
                if self.chance(4) {
                    self.model.erase(person);
                    self.withdrawn.insert(person, self.step);
                } else {
                    self.leave(person, self.now);
                }
            }
            13..=15 => {
                let position = u128::from(self.entropy.next_u64()) << 64;
                let person = PersonKey::at(position);
                self.join(person, plus_seconds(self.now, 1));
                self.joined.insert(person);
            }
            16..=18 => {
                if let Ok(pause) =
                    self.model
                        .campaign
                        .pause(&control, PauseReason::Person, self.now)
                {
                    self.tell(|| "paused".to_owned());
                    self.saw("a pause");
                    self.model.commit(&pause).unwrap();
                }
            }
            19..=22 => self.resume(senders),
            23 if self.chance(2) => {
                if let Ok(cancel) =
                    self.model
                        .campaign
                        .cancel(&self.account, Some(&control), self.now)
                {
                    self.tell(|| "cancelled".to_owned());
                    self.saw("a cancellation");
                    self.model.commit(&cancel).unwrap();
                }
            }
            _ => {}
        }
    }

    fn resume(&mut self, senders: &mut [Sender]) {
        let control = self.model.control.clone().unwrap();
        if let Ok(resume) = self.model.campaign.resume(&control, self.now) {
            self.tell(|| "resumed".to_owned());
            self.model.commit(&resume).unwrap();
            for sender in senders {
                sender.calls_while_held = 0;
            }
        }
    }

    /// Lets every worker and every message come to its end.
    fn settle(&mut self, senders: &mut Vec<Sender>) {
        while !senders.is_empty() || !self.queue.is_empty() {
            if senders.is_empty() {
                let arc = self.queue.swap_remove(0);
                senders.push(Sender::new(self, arc));
            }
            self.step += 1;
            if let Some(at) = senders[0].ready_at() {
                self.now = self.now.max(at);
            }
            self.step_sender(senders, 0);
        }
    }

    fn check(&mut self) {
        let control = self.model.control.clone().unwrap();
        let campaign = self.model.campaign.clone();
        assert_eq!(campaign.state, control.state);
        assert!(self.model.running.as_ref().unwrap().gone_at.is_some());
        let mut report = Report::of(&campaign);
        let mut accounted: BTreeMap<PersonKey, Fate> = BTreeMap::new();
        for arc in self.model.arcs.values() {
            let entries = self.model.ledger(arc.number);
            let mut named = BTreeSet::new();
            for (number, entry) in entries.iter().enumerate() {
                assert_eq!(entry.number as usize, number);
                for name in entry
                    .retries
                    .iter()
                    .chain(entry.retries_skipped.iter().map(|(name, _)| name))
                {
                    assert!(named.insert(*name), "everybody is retried once per failure");
                    *self.seen.0.entry("a retry entry").or_default() += 1;
                }
                if let Some(span) = entry.span
                    && span
                        .until
                        .is_some_and(|until| until.partition() != span.from.partition())
                {
                    *self.seen.0.entry("an entry across partitions").or_default() += 1;
                }
            }
            let ledger = Ledger::new(arc.span, entries.clone());
            for (_, person, fate) in ledger.people(&self.limits) {
                assert!(arc.span.contains(person));
                assert!(
                    accounted.insert(person, fate).is_none(),
                    "nobody is claimed twice"
                );
                let mailed = self.mailed.get(&person).copied().unwrap_or(0);
                match fate {
                    Fate::Sent => assert_eq!(mailed, 1, "who counts as sent was mailed"),
                    Fate::Skipped(_) | Fate::Failed(_) | Fate::Waits(_) => {
                        assert_eq!(mailed, 0, "who does not count as sent was not mailed");
                    }
                    Fate::Unknown | Fate::InFlight => {}
                }
            }
            report.add(arc, entries, &self.limits);
        }
        for person in self.mailed.keys() {
            assert!(
                accounted.contains_key(person),
                "every mail is in the ledger"
            );
        }
        let skipped: u64 = report.skipped.values().sum();
        let failed: u64 = report.failed.values().sum();
        assert_eq!(
            report.selected,
            report.sent + skipped + failed + report.unknown
        );
        assert_eq!(report.selected, accounted.len() as u64);
        if control.state == CampaignState::Finished {
            self.saw("finished");
            assert_eq!(control.folded, control.arcs);
            assert!(control.totals.reconciles());
            assert_eq!(control.totals.selected, report.selected);
            assert_eq!(control.totals.sent, report.sent);
            for person in &self.people {
                let is_in_list = !matches!(
                    super::process::judge_now(self, *person),
                    crate::campaign::audience::Judgement::Outside
                );
                if is_in_list {
                    assert!(accounted.contains_key(person), "nobody is forgotten");
                }
            }
        }
    }
}
