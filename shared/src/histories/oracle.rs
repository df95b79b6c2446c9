//! What happened, as a plain list, and what follows from it for whom a list may write to.
//!
//! Written without any of the code under test: no profile, no withdrawal, no tombstone. It says
//! "may" where two machines' clocks or two regions leave the order of two wishes open.

mod state;

use jiff::Timestamp;

use self::state::State;
use crate::id::EventId;
use crate::personal::ClientIp;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// A form was taken.
    SignedUp {
        /// Which sign-up.
        event: EventId,
        /// Which form.
        form: usize,
        /// In which spelling.
        spelling: usize,
        /// From where.
        ip: ClientIp,
    },
    /// A double opt-in was completed.
    Confirmed {
        /// Which sign-up.
        event: EventId,
        /// From where.
        ip: ClientIp,
    },
    /// Somebody left a list, or all.
    Left {
        /// Which.
        list: Option<usize>,
        /// Whether there is a record of it.
        recorded: bool,
    },
    /// A bounce or a complaint.
    Reported {
        /// When it happened.
        happened: Timestamp,
    },
    /// Processing was restricted.
    Restricted,
    /// And no more.
    Lifted,
    /// Somebody objected.
    Objected,
    /// The address was suppressed, or no more.
    Suppressed(bool),
    /// The person was erased.
    Erased,
    /// An import named the person.
    Imported {
        /// For which list.
        list: usize,
        /// With day and proof.
        proven: bool,
    },
    /// The relationship ended.
    Ended {
        /// When its day begins, about.
        on: Timestamp,
    },
    /// An archive was written.
    Archived,
    /// Everything but the tombstone was lost.
    Lost,
    /// A restore released what it held of the person.
    Restored {
        /// The number of the line at which the archive was written.
        archived: usize,
        /// And of the one at which it was staged.
        staged: usize,
    },
}

/// When something happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct When {
    /// By the clock of the machine that did it; the only time that is written down.
    pub at: Timestamp,
    /// When it was asked for, by a clock that is right.
    pub asked: Timestamp,
    /// When it was done, by that clock.
    pub done: Timestamp,
}

impl When {
    /// All at once.
    pub fn at(now: Timestamp) -> Self {
        Self {
            at: now,
            asked: now,
            done: now,
        }
    }
}

/// A line of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    /// The place among all lines.
    order: usize,
    when: When,
    fact: Fact,
    /// It may have been overwritten by the other region.
    doubtful: bool,
}

/// What must be so of a person and a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The list may write to them.
    Must,
    /// The order of what happened is open.
    May,
    /// It may not, for this reason.
    MustNot(&'static str),
}

/// What the list of what happened says of a sign-up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked<'a> {
    /// Which form.
    pub form: usize,
    /// In which spelling.
    pub spelling: usize,
    /// From where.
    pub ip: &'a ClientIp,
    /// When.
    pub at: Timestamp,
    /// From where and when it was confirmed: more than once by two regions, or after an accident.
    pub confirmed: Vec<(&'a ClientIp, Timestamp)>,
}

/// The list of what happened.
#[derive(Debug, Default)]
pub struct Oracle {
    lines: Vec<Vec<Line>>,
    count: usize,
    /// Whose order is open: nothing must be so of them.
    open: Vec<bool>,
}

impl Oracle {
    /// An empty list for so many people.
    pub fn new(people: usize) -> Self {
        Self {
            lines: vec![Vec::new(); people],
            count: 0,
            open: vec![false; people],
        }
    }

    /// How many lines there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Adds a line.
    pub fn note(&mut self, who: usize, when: When, fact: Fact) {
        self.count += 1;
        self.lines[who].push(Line {
            order: self.count,
            when,
            fact,
            doubtful: false,
        });
    }

    /// Two regions wrote of a person without knowing of each other: what stands in no record of
    /// its own may be lost, from this line on, and no consent is sure to stay.
    pub fn doubt(&mut self, who: usize, from: usize) {
        self.open[who] = true;
        for line in &mut self.lines[who] {
            let weak = match &line.fact {
                Fact::Left { recorded, .. } => !recorded,
                Fact::Reported { .. } | Fact::Restricted | Fact::Objected | Fact::Ended { .. } => {
                    true
                }
                _ => false,
            };
            line.doubtful |= weak && line.order > from;
        }
    }

    /// What happened to a person, for whoever looks into a failure.
    pub fn tell(&self, who: usize) -> String {
        let lines = self.lines[who].iter();
        let lines = lines.map(|line| {
            let doubtful = if line.doubtful { " (?)" } else { "" };
            format!("{} {} {:?}{doubtful}", line.order, line.when.at, line.fact)
        });
        let open = if self.open[who] { "open\n" } else { "" };
        format!("{open}{}", lines.collect::<Vec<_>>().join("\n"))
    }

    /// Whether a sign-up was confirmed before.
    pub fn was_confirmed(&self, who: usize, event: EventId) -> bool {
        self.lines[who].iter().any(
            |line| matches!(&line.fact, Fact::Confirmed { event: known, .. } if *known == event),
        )
    }

    /// What happened about a sign-up.
    pub fn sign_up(&self, who: usize, wanted: EventId) -> Option<Asked<'_>> {
        let mut found: Option<Asked<'_>> = None;
        for line in &self.lines[who] {
            match &line.fact {
                Fact::SignedUp {
                    event,
                    form,
                    spelling,
                    ip,
                } if *event == wanted => {
                    found = Some(Asked {
                        form: *form,
                        spelling: *spelling,
                        ip,
                        at: line.when.at,
                        confirmed: Vec::new(),
                    });
                }
                Fact::Confirmed { event, ip } if *event == wanted => {
                    if let Some(found) = &mut found {
                        found.confirmed.push((ip, line.when.at));
                    }
                }
                _ => {}
            }
        }
        found
    }

    /// What must be so of a person and a list.
    pub fn judge(&self, who: usize, list: usize, now: Timestamp) -> Verdict {
        let mut state = State::new(self.open[who]);
        for line in self.lines[who].iter().filter(|line| !line.doubtful) {
            state.take(line, list);
        }
        state.verdict(now)
    }
}
