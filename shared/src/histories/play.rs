//! Plays a history: machines that read, decide and write, and after each step the question whom
//! a campaign would write to, answered by the tables and by the oracle.
//!
//! What is asked and written is in `decide`; what must be so only `oracle` knows.

mod asking;
mod judging;

use jiff::Timestamp;

use super::command::{Asked, Command};
use super::copies::Copies;
use super::decide::Decided;
use super::oracle::{Fact, Oracle, When};
use super::premises::{FORMS, Premises, Somebody};
use super::reconcile::repair;
use super::restoring::{Archive, Quarantine};
use super::script::{Kind, Step, What};
use super::{Mistake, Seen};
use crate::entropy::SeededEntropy;
use crate::id::EventId;
use crate::person::Person;
use crate::record::Record;
use crate::sign_up::{SignUp, SignUpState};
use crate::time::{plus_days, plus_seconds};

/// How often a handler decides again when somebody else was faster.
const ATTEMPTS: usize = 8;
/// How much the second machine's clock may be behind the first's, or ahead of it.
const SKEW_SECONDS: [i64; 4] = [-3, -1, 2, 4];
/// How many days an archive exists.
const ARCHIVE_DAYS: u32 = 14;

/// A handler between its reading and its writing, or before both.
struct Flight {
    asked: Asked,
    /// How much the machine's clock differs.
    skew: i64,
    /// With how much had arrived at the replicas by then.
    decided: Option<(Decided, usize)>,
}

/// A history while it is played.
pub struct Play<'a> {
    premises: &'a Premises,
    kind: Kind,
    copies: Copies,
    /// The copy that the active region works on.
    active: usize,
    now: Timestamp,
    skew: i64,
    entropy: SeededEntropy,
    flights: Vec<Flight>,
    /// Every confirmation link that was ever mailed, by person.
    links: Vec<Vec<EventId>>,
    archives: Vec<Archive>,
    quarantine: Option<Quarantine>,
    /// The regions may have written without knowing of each other.
    split: bool,
    /// People of whom they have.
    contended: Vec<bool>,
    /// When and at which line both were last the same.
    calm: (Timestamp, usize),
    oracle: Oracle,
    /// What was met.
    pub seen: Seen,
}

impl<'a> Play<'a> {
    /// Begins one.
    pub fn new(premises: &'a Premises, seed: u64, kind: Kind, mistake: Option<Mistake>) -> Self {
        let entropy = SeededEntropy::new(seed);
        let skew = match kind {
            Kind::TwoClocks => {
                SKEW_SECONDS[usize::try_from(entropy.next_u64() % 4).unwrap_or_default()]
            }
            _ => 0,
        };
        let copies = if kind == Kind::Replicas { 2 } else { 1 };
        let people = premises.people.len();
        Self {
            premises,
            kind,
            copies: Copies::new(copies, mistake),
            active: 0,
            now: premises.begins,
            skew,
            entropy,
            flights: Vec::new(),
            links: vec![Vec::new(); people],
            archives: Vec::new(),
            quarantine: None,
            split: false,
            contended: vec![false; people],
            calm: (premises.begins, 0),
            oracle: Oracle::new(people),
            seen: Seen::default(),
        }
    }

    /// Lets it be this time.
    pub fn set_clock(&mut self, now: Timestamp) {
        self.now = now;
    }

    /// A person as stored now.
    pub fn person(&self, who: usize) -> Person {
        let key = self.premises.people[who].key;
        self.copies
            .person(self.active, &self.premises.scope, key, self.now)
    }

    /// A person's sign-ups as stored now, the oldest first: number of the form and state.
    pub fn sign_ups(&self, who: usize) -> Vec<(usize, SignUpState)> {
        self.stored_sign_ups(who)
            .iter()
            .filter_map(|sign_up| {
                let form = FORMS
                    .iter()
                    .position(|(id, ..)| *id == sign_up.setup.as_str())?;
                Some((form, sign_up.state))
            })
            .collect()
    }

    fn stored_sign_ups(&self, who: usize) -> Vec<SignUp> {
        let (key, scope) = (self.premises.people[who].key, &self.premises.scope);
        let prefix = scope.record_prefix(key, SignUp::RECORD);
        self.copies
            .all(
                self.active,
                &scope.records(key.partition()),
                &prefix,
                self.now,
            )
            .filter_map(|record| match record {
                Record::SignUp(sign_up) => Some(sign_up.as_ref().clone()),
                _ => None,
            })
            .collect()
    }

    /// How many confirmation links a person ever got.
    pub fn links(&self, who: usize) -> usize {
        self.links[who].len()
    }

    /// The next step.
    ///
    /// # Errors
    /// What must not be.
    pub fn step(&mut self, step: &Step) -> Result<(), String> {
        if self.kind != Kind::OverHttp {
            self.now = plus_seconds(self.now, 1);
        }
        match step.what {
            What::Wait { seconds } => {
                // No request takes that long; what comes later is asked then.
                while let Some(at) = (seconds > 60)
                    .then(|| self.flights.iter().position(|one| one.decided.is_some()))
                    .flatten()
                {
                    let flight = self.flights.swap_remove(at);
                    self.settle(flight)?;
                }
                self.now = plus_seconds(self.now, seconds);
            }
            What::Sweep => {
                let swept = self.copies.sweep(self.active, self.now);
                if !swept.is_empty() {
                    self.seen.count("something swept");
                }
                for (who, somebody) in self.premises.people.iter().enumerate() {
                    let key = somebody.key.to_string();
                    let loses = swept.iter().any(|one| one.sk.starts_with(&key));
                    if loses && self.copies.misses(self.active, somebody.key) {
                        self.note_split(who);
                    }
                }
            }
            What::Settle { which } => {
                if !self.flights.is_empty() {
                    let flight = self.flights.swap_remove(which % self.flights.len());
                    self.settle(flight)?;
                }
            }
            What::Deliver { which } => self.copies.deliver(which),
            What::Switch => {
                self.active = (self.active + 1) % 2;
                if self.copies.under_way() > 0 {
                    self.split = true;
                    self.seen.count("a switch before all had arrived");
                }
            }
            What::Reconcile => self.reconcile()?,
            What::Backup => self.back_up(),
            What::Lose { who } => self.lose(who),
            What::Stage { which } => self.stage(which),
            What::Discard => self.quarantine = None,
            What::Release => {
                let next = self.quarantine.as_ref().map(Quarantine::next);
                match next {
                    Some(Some(key)) => {
                        let person = |one: &Somebody| one.key == key;
                        let who = self.premises.people.iter().position(person);
                        let who = who.expect("one of them");
                        self.ask(Command::Release { who }, step)?;
                    }
                    Some(None) => {
                        self.quarantine = None;
                        self.seen.count("a restore released");
                    }
                    None => {}
                }
            }
            what => {
                if let Some(command) = self.command(what) {
                    // The same message comes again as it was; a visitor sends a request anew.
                    let again = match &command {
                        Command::Import { .. } => Some(command.clone()),
                        _ => self.command(what),
                    };
                    self.ask(command, step)?;
                    self.ask_again(again, step)?;
                }
            }
        }
        if self.copies.under_way() == 0 && !self.split {
            self.calm = (self.now, self.oracle.count());
        }
        self.check()
    }

    /// The end: whatever was held back happens, and all regions come to the same.
    ///
    /// # Errors
    /// What must not be.
    pub fn end(&mut self) -> Result<(), String> {
        while let Some(flight) = self.flights.pop() {
            self.settle(flight)?;
        }
        if self.kind == Kind::Replicas {
            self.reconcile()?;
        }
        if self.kind == Kind::Plain {
            // Where nothing was broken the repair changes nobody's standing; nothing is so new
            // that it could be missing.
            for who in 0..self.premises.people.len() {
                self.repair(who, plus_seconds(self.now, 5))?;
            }
        }
        self.check()
    }

    fn back_up(&mut self) {
        let mut archive = Archive::write(self.premises, &self.copies, self.now);
        for who in 0..self.premises.people.len() {
            self.oracle.note(who, When::at(self.now), Fact::Archived);
            archive.orders.push(self.oracle.count());
        }
        self.archives.push(archive);
        self.seen.count("a backup");
    }

    fn lose(&mut self, who: usize) {
        if self
            .copies
            .person(
                0,
                &self.premises.scope,
                self.premises.people[who].key,
                self.now,
            )
            .profile
            .is_none()
        {
            return;
        }
        let (key, scope) = (self.premises.people[who].key, &self.premises.scope);
        let places = [
            scope.profiles(key.partition()),
            scope.records(key.partition()),
        ];
        self.copies.lose(0, &places, &key.to_string());
        // An accident during a restore: the restore is begun anew.
        self.quarantine = None;
        self.oracle.note(who, When::at(self.now), Fact::Lost);
        self.seen.count("an accident");
    }

    fn stage(&mut self, which: usize) {
        if self.quarantine.is_some() || self.archives.is_empty() {
            return;
        }
        let archive = self.archives[self.archives.len() - 1 - which % self.archives.len()].clone();
        if plus_days(archive.written_at, ARCHIVE_DAYS) <= self.now {
            return;
        }
        let (staged, now) = (self.oracle.count() + 1, self.now);
        let quarantine = self.desk().stage(&archive, staged, now);
        self.quarantine = Some(quarantine);
        self.seen.count("a restore staged");
    }

    fn catch_up(&mut self) {
        while self.copies.under_way() > 0 {
            let which = usize::try_from(self.entropy.next_u64() % 1_000).unwrap_or_default();
            self.copies.deliver(which);
        }
    }

    fn repair(&mut self, who: usize, since: Timestamp) -> Result<(), String> {
        let key = self.premises.people[who].key;
        let needed = |play: &Self| {
            let (copy, now) = (play.active, play.now);
            repair(play.premises, &play.copies, copy, key, since, now)
        };
        let Some(transaction) = needed(self) else {
            return Ok(());
        };
        self.seen.count("a person repaired");
        let scope = &self.premises.scope;
        let written = self
            .copies
            .commit(self.active, scope, &transaction, self.now);
        if written.is_err() {
            return Err("the repair does not fit what it read".to_owned());
        }
        match needed(self) {
            Some(again) => Err(format!("repaired twice: {transaction:?} {again:?}")),
            None => Ok(()),
        }
    }

    fn reconcile(&mut self) -> Result<(), String> {
        self.catch_up();
        if !self.copies.agree() {
            return Err("the regions do not come to the same".to_owned());
        }
        let since = plus_seconds(self.calm.0, -60);
        for who in 0..self.premises.people.len() {
            if self.contended[who] {
                self.oracle.doubt(who, self.calm.1);
            }
            if self.copies.mistake == Some(Mistake::NoRepair) {
                continue;
            }
            self.repair(who, since)?;
        }
        self.catch_up();
        self.split = false;
        self.calm = (self.now, self.oracle.count());
        // They stay open for the oracle; what comes now is known to both.
        self.contended.fill(false);
        self.check()
    }
}
