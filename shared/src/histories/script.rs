//! What happens in a history, step by step: generated from a seed, without looking at anything.
//!
//! A step that makes no sense where it stands (confirming what nobody asked for) does nothing.

use super::premises::{FORMS, LISTS, Premises};
use crate::entropy::SeededEntropy;

/// What a history is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// People and the controller, on machines whose clocks agree.
    Plain,
    /// The same on two machines, of which one is some seconds behind.
    TwoClocks,
    /// With archives, accidents and restores.
    Archive,
    /// On two replicas of the tables.
    Replicas,
    /// Only what the API and the public pages offer, one after the other.
    OverHttp,
}

/// Somebody's wish, or something that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// A form is sent.
    SignUp {
        /// Whose address.
        who: usize,
        /// Which form.
        form: usize,
        /// In which spelling.
        spelling: usize,
    },
    /// The button behind a confirmation link is pressed.
    Confirm {
        /// Who.
        who: usize,
        /// Which of their sign-ups, the oldest first.
        which: usize,
    },
    /// Somebody leaves a list, or all.
    Leave {
        /// Who.
        who: usize,
        /// Which list.
        list: Option<usize>,
    },
    /// The controller changes a person's data.
    Change {
        /// Whose.
        who: usize,
    },
    /// The person changes them on the preference page (Art. 16).
    Rectify {
        /// Who.
        who: usize,
    },
    /// Processing is restricted (Art. 18).
    Restrict {
        /// Whose.
        who: usize,
    },
    /// The restriction is lifted.
    Lift {
        /// Whose.
        who: usize,
    },
    /// Somebody objects (Art. 21).
    Object {
        /// Who.
        who: usize,
    },
    /// SES reports a permanent bounce or a complaint.
    Report {
        /// Whose.
        who: usize,
        /// A complaint, and no bounce.
        complaint: bool,
        /// How long ago it was, in seconds.
        ago: i64,
    },
    /// The controller suppresses the address, or no more.
    Suppress {
        /// Whose.
        who: usize,
        /// Or no more.
        on: bool,
    },
    /// Erasure (Art. 17).
    Erase {
        /// Whose.
        who: usize,
    },
    /// The clean-up behind an erasure.
    CleanUp {
        /// Whose.
        who: usize,
    },
    /// A row of an import.
    Import {
        /// Who.
        who: usize,
        /// For which list.
        list: usize,
        /// With day and proof of the consent.
        proven: bool,
    },
    /// The controller ends the relationship.
    End {
        /// With whom.
        who: usize,
        /// So many days from today.
        days: i64,
    },
    /// An archive is written.
    Backup,
    /// Everything of a person but the tombstone is lost.
    Lose {
        /// Whose.
        who: usize,
    },
    /// An archive is staged.
    Stage {
        /// Which.
        which: usize,
    },
    /// Some of what is in quarantine is released.
    Release,
    /// The restore is given up.
    Discard,
    /// The hourly sweep.
    Sweep,
    /// Time passes.
    Wait {
        /// Seconds.
        seconds: i64,
    },
    /// Something that was held back goes on.
    Settle {
        /// Which of those.
        which: usize,
    },
    /// A change arrives at the other replica.
    Deliver {
        /// Which of those under way.
        which: usize,
    },
    /// The other region takes over.
    Switch,
    /// Replication catches up, and the repair job runs.
    Reconcile,
}

/// How a command gets there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// As it should.
    Once,
    /// Others come between the reading and the writing.
    Held,
    /// Twice at the same moment.
    AtOnceTwice,
    /// Again later: the answer was lost, or the queue delivers twice.
    Again,
    /// The process dies before it writes.
    Dies,
}

/// A step of a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// What.
    pub what: What,
    /// How.
    pub way: Way,
    /// On which of the two machines.
    pub machine: usize,
}

/// A history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// What it is about.
    pub kind: Kind,
    /// What happens.
    pub steps: Vec<Step>,
}

struct Chance(SeededEntropy);

impl Chance {
    fn below(&self, limit: usize) -> usize {
        usize::try_from(self.0.next_u64() % (limit as u64)).unwrap_or(0)
    }

    fn of(&self, in_hundred: usize) -> bool {
        self.below(100) < in_hundred
    }

    fn one<T: Copy>(&self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

const MINUTE: i64 = 60;
const DAY: i64 = 86_400;

impl History {
    /// The history of a seed.
    pub fn of(seed: u64) -> Self {
        let kind = [Kind::Plain, Kind::TwoClocks, Kind::Archive, Kind::Replicas]
            [usize::try_from(seed % 4).unwrap_or(0)];
        Self::of_kind(kind, seed)
    }

    /// The history of a seed that is about this.
    pub fn of_kind(kind: Kind, seed: u64) -> Self {
        let chance = Chance(SeededEntropy::new(seed ^ 0x005E_ED0F_4157));
        let length = 12 + chance.below(24);
        // Often about one person alone: then more happens to them.
        let people = 1 + chance.below(Premises::PEOPLE);
        let mut steps = Vec::new();
        while steps.len() < length {
            if kind == Kind::Archive && chance.of(6) {
                accident(&chance, people, &mut steps);
                continue;
            }
            let what = what(kind, &chance, people);
            let way = match kind {
                Kind::OverHttp if chance.of(10) => Way::Again,
                Kind::OverHttp => Way::Once,
                _ => match chance.below(100) {
                    0..=64 => Way::Once,
                    65..=79 => Way::Held,
                    80..=87 => Way::AtOnceTwice,
                    88..=96 => Way::Again,
                    _ => Way::Dies,
                },
            };
            let machine = chance.below(2);
            steps.push(Step { what, way, machine });
        }
        Self { kind, steps }
    }
}

/// Somebody is lost, and restored at once, often from an archive of just before.
fn accident(chance: &Chance, people: usize, steps: &mut Vec<Step>) {
    let who = chance.below(people);
    let backup = chance.of(60).then_some(What::Backup);
    let which = chance.below(2);
    let rest = [
        What::Lose { who },
        What::Stage { which },
        What::Release,
        What::Release,
        What::Release,
    ];
    steps.extend(backup.into_iter().chain(rest).map(|what| Step {
        what,
        way: Way::Once,
        machine: 0,
    }));
}

fn what(kind: Kind, chance: &Chance, people: usize) -> What {
    let who = chance.below(people);
    let extra = match kind {
        Kind::Archive => 28,
        Kind::Replicas => 30,
        Kind::Plain | Kind::TwoClocks | Kind::OverHttp => 0,
    };
    if extra > 0 && chance.of(extra) {
        return match kind {
            Kind::Archive => match chance.below(12) {
                0..=2 => What::Backup,
                3..=4 => What::Lose { who },
                5..=6 => What::Stage {
                    which: chance.below(3),
                },
                7..=10 => What::Release,
                _ => What::Discard,
            },
            _ => match chance.below(10) {
                0..=5 => What::Deliver {
                    which: chance.below(8),
                },
                6..=7 => What::Switch,
                _ => What::Reconcile,
            },
        };
    }
    let http = kind == Kind::OverHttp;
    match chance.below(100) {
        0..=21 => What::SignUp {
            who,
            form: chance.below(FORMS.len()),
            spelling: chance.below(2),
        },
        22..=42 => What::Confirm {
            who,
            which: chance.below(4),
        },
        43..=49 => What::Leave {
            who,
            list: chance.of(50).then(|| chance.below(LISTS.len())),
        },
        50..=51 => What::Change { who },
        52 if http => What::Change { who },
        52 => What::Rectify { who },
        53..=54 => What::Restrict { who },
        55..=56 => What::Lift { who },
        57..=58 => What::Object { who },
        59..=62 if !http => What::Report {
            who,
            complaint: chance.of(50),
            ago: chance.one(&[0, 5, MINUTE, DAY]),
        },
        63..=64 => What::Suppress {
            who,
            on: chance.of(50),
        },
        65..=68 => What::Erase { who },
        69 if !http => What::CleanUp { who },
        70..=77 => What::Import {
            who,
            list: chance.below(LISTS.len()),
            proven: chance.of(60),
        },
        78..=79 => What::End {
            who,
            days: chance.one(&[-40, -10, 0, 0, 20]),
        },
        80..=82 => What::Sweep,
        83..=87 if !http => What::Settle {
            which: chance.below(3),
        },
        // The platform's clock is everybody's: over HTTP time passes between the steps.
        _ if http => What::Confirm {
            who,
            which: chance.below(2),
        },
        _ => What::Wait {
            seconds: chance.one(&[
                1,
                30,
                11 * MINUTE,
                11 * MINUTE,
                DAY,
                3 * DAY,
                7 * DAY,
                8 * DAY,
                40 * DAY,
            ]),
        },
    }
}
