//! What is known of one person and one list while their lines are gone through, one by one.
//!
//! Each place that leaves something open says why; nothing here looks at what is stored.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::{Fact, Line, Verdict, When};
use crate::histories::premises::{FORMS, LISTS};
use crate::id::EventId;
use crate::setup::Mode;

/// By what somebody agreed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    /// A form alone.
    Form,
    /// A form that was confirmed.
    Double,
    /// What the controller says of it.
    Import,
}

/// A consent as the list of what happened has it.
#[derive(Debug, Clone, Copy)]
struct Join {
    by: By,
    /// Since when.
    at: Timestamp,
    /// When the form was sent.
    form: When,
    /// When they agreed: pressed the button, where a form asks for that.
    agreed: When,
    /// Nothing leaves it open.
    firm: bool,
}

impl Join {
    /// Whether they came back after they had left all: they sent the form after it, for a link of
    /// before leads nowhere any more.
    fn is_return(&self, left: When, open: bool) -> bool {
        self.by != By::Import && is_later(self.form, left, open)
    }

    /// Whether they came back to a list after they had left it. A form that nobody confirms is
    /// anybody's, and a link of before leads nowhere for that list. What one of two regions took
    /// that did not know of the other's is decided once both do: until the order is known either
    /// may be so.
    fn is_renewal(&self, left: When, open: bool) -> bool {
        if self.by == By::Import {
            false
        } else if open {
            is_later(self.agreed, left, open)
        } else {
            self.by == By::Double && is_later(self.form, left, open)
        }
    }
}

/// Whether something was asked for after something else. Two regions know the written times only.
fn is_later(this: When, than: When, open: bool) -> bool {
    this.asked > than.asked || (open && this.at > than.at)
}

/// When a relationship ended, and when that was said.
type Ended = (Timestamp, Timestamp);

/// What is known while going through a person's lines, for one list.
#[derive(Debug, Default, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is something of its own that may have happened"
)]
pub(super) struct State {
    /// Every consent given that nothing has ended: each stands on its own.
    joins: Vec<Join>,
    /// Every double opt-in that was completed, for whatever list.
    confirmed: Vec<Join>,
    /// Left for good, and not come back: order and time; a report counts by its time only.
    block: Option<(Option<usize>, Timestamp)>,
    /// All that ever blocked.
    blocks: Vec<(Option<usize>, Timestamp)>,
    /// This list was left by name or with all: an import never brings it back.
    left: bool,
    /// Anything was left, objected to or restricted since the last double opt-in.
    troubled: bool,
    left_at: Option<Timestamp>,
    /// Lists that were left by name: which, and order and time of it.
    left_by_name: Vec<(usize, usize, Timestamp)>,
    /// By list: it may ever have been left, by name or with all.
    ever_left: [bool; LISTS.len()],
    /// By list: it was left for sure, and no double opt-in has brought them back to it.
    out: [bool; LISTS.len()],
    /// Any list was ever left.
    has_left: bool,
    /// When a double opt-in was last completed.
    lifted_at: Option<Timestamp>,
    restricted: bool,
    suppressed: bool,
    /// When something last ended that barred a form.
    barred_until: Option<Timestamp>,
    /// Two regions wrote of the person at once: times decide, not the order.
    open: bool,
    /// The relationship's end.
    ended: Option<Ended>,
    lost: Option<usize>,
    /// What was lost is partly back, out of an archive that does not know it all.
    is_half_back: bool,
    sign_ups: BTreeMap<EventId, (usize, When, usize)>,
    archives: BTreeMap<usize, (Vec<Join>, Option<Ended>)>,
    /// The last line that changed anything.
    changed: usize,
}

/// A calendar month and the day itself are shorter than this, in every zone.
const GONE_AFTER: SignedDuration = SignedDuration::from_hours(24 * 33);
/// And longer than this.
const THERE_UNTIL: SignedDuration = SignedDuration::from_hours(24 * 26);

impl State {
    /// Nothing has happened yet.
    pub(super) fn new(open: bool) -> Self {
        Self {
            open,
            ..Self::default()
        }
    }

    /// What follows from all that happened.
    pub(super) fn verdict(&self, now: Timestamp) -> Verdict {
        let over = |after: SignedDuration| self.ended.is_some_and(|(on, _)| now - after >= on);
        if self.suppressed {
            return Verdict::MustNot("suppressed");
        }
        if self.restricted {
            return Verdict::MustNot("restricted");
        }
        if self.joins.is_empty() {
            return Verdict::MustNot("no consent stands");
        }
        if over(GONE_AFTER) {
            return Verdict::MustNot("the relationship is over");
        }
        if self.is_firm() && !over(THERE_UNTIL) && !self.open {
            Verdict::Must
        } else {
            Verdict::May
        }
    }

    /// Data of a relationship that is over do not come back with a new one.
    fn begin_anew(&mut self, when: When) {
        let Some((on, told)) = self.ended.take() else {
            return;
        };
        self.barred_until = self.barred_until.max(Some(when.done));
        if when.at - GONE_AFTER >= on && when.asked > told {
            self.joins.clear();
        } else if when.at - THERE_UNTIL >= on {
            // The days around the month's end; or what was asked for before the end was told, and
            // done after it: which of them came first is open.
            self.loosen();
        }
    }

    /// Whether one of the consents is beyond doubt.
    fn is_firm(&self) -> bool {
        self.joins.iter().any(|join| join.firm)
    }

    /// None of the consents is any more.
    fn loosen(&mut self) {
        for join in &mut self.joins {
            join.firm = false;
        }
    }

    /// A consent is given. Who has one beyond doubt keeps its date: the later one proves the same
    /// and need not be kept, but where the first falls away it may be what they are mailed by.
    fn join(&mut self, join: Join) {
        let firm = join.firm && !self.is_firm();
        self.joins.push(Join { firm, ..join });
    }

    fn leave_for_good(&mut self, line: &Line) {
        // Whoever left, then sent a form and confirmed it, is back, although the request to leave
        // was on its way for longer; what they asked for after that stands too.
        let (open, left) = (self.open, line.when);
        let back = self
            .confirmed
            .iter()
            .filter(|one| one.is_return(left, open));
        let back = back.map(|one| one.at).min();
        self.joins.retain(|join| {
            join.is_return(left, open)
                && (join.by == By::Double || back.is_some_and(|back| join.at >= back))
        });
        self.loosen();
        if back.is_none() {
            self.block = Some((Some(line.order), line.when.at));
        }
        self.blocks.push((Some(line.order), line.when.at));
        self.left_at = self.left_at.max(Some(line.when.at));
        self.has_left = true;
        self.troubled = true;
    }

    /// A suppression is the controller's own and takes back nobody's consent: where one region did
    /// not know of it, what it took stands once the suppression is gone.
    fn is_suppressed_for_sure(&self) -> bool {
        self.suppressed && !self.open
    }

    /// Whether an instant is later than all that was left, by every clock.
    fn is_after_all(&self, at: Timestamp) -> bool {
        self.left_at.is_none_or(|left| at > left) && self.blocks.iter().all(|(_, left)| at > *left)
    }

    fn is_void(&self, (order, When { at, .. }, _): (usize, When, usize)) -> bool {
        self.blocks.iter().any(|(left, left_at)| {
            let later = match left {
                // Clocks may differ: later by either is later.
                Some(left) => order > *left || at > *left_at,
                None => at > *left_at,
            };
            !later
        })
    }

    /// Whether no form that nobody confirms may put them on this list.
    fn is_out(&self, list: usize) -> bool {
        self.out[list] && !self.open
    }

    /// Whether a link was sent before this list was left by name: by either clock later is later.
    fn is_void_for(&self, list: usize, (order, When { at, .. }, _): (usize, When, usize)) -> bool {
        let mut left = self.left_by_name.iter();
        !self.open && left.any(|(of, left, left_at)| *of == list && order < *left && at <= *left_at)
    }

    /// The next line.
    pub(super) fn take(&mut self, line: &Line, list: usize) {
        if !matches!(
            line.fact,
            Fact::Archived | Fact::Lost | Fact::Restored { .. }
        ) {
            self.changed = line.order;
        }
        match &line.fact {
            Fact::SignedUp { event, form, .. } => {
                self.sign_ups.insert(*event, (line.order, line.when, *form));
                let (_, mode, lists) = FORMS[*form];
                let barred = self.block.is_some()
                    || self.restricted
                    || self.is_suppressed_for_sure()
                    || lists.iter().all(|list| self.is_out(*list));
                if mode == Mode::Double || barred {
                    return;
                }
                // What was decided while something barred it led to nothing; and after anything that
                // was left or reported such a form may be asked to be confirmed instead. It leads
                // to something if it asks for a list that nobody ever left.
                let firm = !self.troubled
                    && lists.iter().any(|list| !self.ever_left[*list])
                    && self.lost.is_none()
                    && self
                        .barred_until
                        .is_none_or(|until| line.when.asked > until)
                    && self.is_after_all(line.when.at);
                if !firm && self.ended.is_some() {
                    self.loosen();
                }
                self.begin_anew(line.when);
                if lists.contains(&list) && !self.is_out(list) {
                    self.join(Join {
                        by: By::Form,
                        at: line.when.at,
                        form: line.when,
                        agreed: line.when,
                        firm: firm && !self.ever_left[list],
                    });
                }
            }
            Fact::Confirmed { event, .. } => {
                let Some(sign_up) = self.sign_ups.get(event).copied() else {
                    return;
                };
                if self.is_void(sign_up) {
                    return;
                }
                self.begin_anew(line.when);
                self.block = None;
                self.troubled = false;
                self.lifted_at = self.lifted_at.max(Some(line.when.at));
                self.barred_until = self.barred_until.max(Some(line.when.done));
                // The accident took the restriction with it; coming back is their own wish.
                self.restricted &= self.lost.is_none();
                let join = Join {
                    by: By::Double,
                    at: line.when.at,
                    form: sign_up.1,
                    agreed: line.when,
                    // By the clock of whoever took the form, a list may have been left after it.
                    firm: self.is_after_all(sign_up.1.at),
                };
                self.confirmed.push(join);
                for one in FORMS[sign_up.2].2 {
                    if self.is_void_for(*one, sign_up) {
                        continue;
                    }
                    self.out[*one] = false;
                    if *one == list {
                        self.join(join);
                    }
                }
            }
            Fact::Left { list: None, .. } | Fact::Objected => {
                // Of lists that they may or may not have been on it says nothing for later.
                self.left |= self.is_firm() && !self.open;
                let recorded = matches!(line.fact, Fact::Left { recorded: true, .. });
                self.out[list] |= recorded && self.is_firm() && self.ended.is_none();
                self.ever_left = [true; LISTS.len()];
                self.leave_for_good(line);
            }
            Fact::Left {
                list: Some(left), ..
            } => {
                self.troubled = true;
                self.has_left = true;
                self.ever_left[*left] = true;
                self.out[*left] = true;
                self.left_by_name.push((*left, line.order, line.when.at));
                if *left == list {
                    self.left = true;
                    let (open, left) = (self.open, line.when);
                    self.joins.retain(|join| join.is_renewal(left, open));
                    self.loosen();
                    self.left_at = self.left_at.max(Some(line.when.at));
                }
            }
            Fact::Reported { happened } => {
                let before = self.joins.len();
                self.joins.retain(|join| join.at > *happened);
                // A consent to what they had agreed to already may count from the first time on.
                if self.joins.len() < before {
                    self.loosen();
                }
                // A mail of before they came back tells nothing of the time since.
                if self.lifted_at.is_none_or(|lifted| *happened >= lifted) {
                    self.block = Some((None, *happened));
                }
                self.blocks.push((None, *happened));
                self.troubled = true;
            }
            Fact::Restricted => {
                self.restricted = true;
                self.troubled = true;
            }
            Fact::Lifted => {
                self.restricted = false;
                self.barred_until = self.barred_until.max(Some(line.when.done));
            }
            Fact::Suppressed(on) => {
                self.suppressed = *on;
                self.barred_until = self.barred_until.max(Some(line.when.done));
            }
            Fact::Erased => {
                // Withdrawn is what was agreed to; of lists it says nothing for the time after they
                // have come back themselves by double opt-in (Art. 17, not Art. 21 GDPR).
                self.leave_for_good(line);
                self.restricted = false;
                self.ended = None;
                self.lost = None;
            }
            Fact::Imported { list: of, proven } => {
                let has_ended = |after: SignedDuration| {
                    self.ended.is_some_and(|(on, _)| line.when.at - after >= on)
                };
                let (may_be_over, is_over) = (has_ended(THERE_UNTIL), has_ended(GONE_AFTER));
                let barred = self.block.is_some()
                    || self.restricted
                    || self.is_suppressed_for_sure()
                    || (self.ended.is_some() && !may_be_over);
                if barred {
                    return;
                }
                if may_be_over && !is_over {
                    self.loosen();
                }
                self.begin_anew(line.when);
                if *of == list && *proven && !self.left {
                    // Whether a row came before or after the end of what is over now is open. And
                    // of a day nobody knows the hour: whatever was left on it wins, and the last
                    // list is all of them.
                    let firm = self.joins.is_empty()
                        && self.barred_until.is_none_or(|until| line.when.at > until)
                        && !self.troubled
                        && !may_be_over
                        && !self.has_left
                        && self.blocks.is_empty()
                        && self.lost.is_none();
                    self.join(Join {
                        by: By::Import,
                        at: line.when.at,
                        form: line.when,
                        agreed: line.when,
                        firm,
                    });
                }
            }
            Fact::Ended { on } => self.ended = Some((*on, line.when.asked)),
            Fact::Archived => {
                self.archives
                    .insert(line.order, (self.joins.clone(), self.ended));
            }
            Fact::Lost => {
                self.lost = Some(line.order);
                self.is_half_back = false;
                // The end may be lost with the profile.
                self.ended = None;
                self.loosen();
            }
            Fact::Restored { archived, staged } => {
                let Some((joins, ended)) = self.archives.get(archived).cloned() else {
                    return;
                };
                let lost_before = self.lost.is_some_and(|lost| lost < *staged);
                if lost_before && self.changed < *archived {
                    self.joins = joins;
                    self.ended = ended;
                    self.lost = None;
                    // What is there stays, whatever a later archive says more.
                    if self.is_half_back {
                        self.loosen();
                    }
                } else {
                    self.is_half_back = true;
                }
            }
        }
    }
}
