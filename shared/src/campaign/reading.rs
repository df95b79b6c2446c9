//! Reading people along the circle: which queries, and what their items add up to.
//!
//! A person is a profile and, beside it, perhaps a withdrawal item; a page that ends between the
//! two must not show the one without the other.

use jiff::Timestamp;

use super::arc::Span;
use crate::id::{Partition, PersonKey};
use crate::person::{Profile, Withdrawal};
use crate::record::Stored as _;

/// An item of a partition of people.
#[derive(Debug, Clone)]
pub enum PersonItem {
    /// A profile.
    Profile(Box<Profile>),
    /// A withdrawal item.
    Withdrawal(Box<Withdrawal>),
}

impl PersonItem {
    fn person(&self) -> PersonKey {
        match self {
            Self::Profile(profile) => profile.person,
            Self::Withdrawal(withdrawal) => withdrawal.person,
        }
    }
}

/// A person as read.
#[derive(Debug, Clone)]
pub struct Found {
    /// Who.
    pub person: PersonKey,
    /// The profile, unless it has expired.
    pub profile: Option<Box<Profile>>,
    /// The withdrawal item.
    pub withdrawal: Option<Box<Withdrawal>>,
}

/// One strongly consistent query of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeopleQuery {
    /// Which sixteenth.
    pub partition: Partition,
    /// The first sort key.
    pub first: String,
    /// The last sort key, itself included.
    pub last: String,
    /// The most items to return.
    pub items: u32,
}

/// Reads at least so many people from a span, as far as there are any.
#[derive(Debug)]
pub struct Reader {
    span: Span,
    at: Option<PersonKey>,
    wanted: usize,
    found: Vec<Found>,
}

/// People in a row.
#[derive(Debug, Clone)]
pub struct Page {
    /// In order of their keys.
    pub people: Vec<Found>,
    /// Where reading goes on; `None` when the span is read to its end.
    pub next: Option<PersonKey>,
}

impl Reader {
    /// Reads about `wanted` people from `from` on; `from` is in the span.
    pub fn new(span: Span, from: PersonKey, wanted: usize) -> Self {
        Self {
            span,
            at: Some(from),
            wanted,
            found: Vec::new(),
        }
    }

    /// The query to carry out next; `None` when enough is read.
    pub fn query(&self) -> Option<PeopleQuery> {
        let at = self.at?;
        if self.found.len() >= self.wanted {
            return None;
        }
        let partition = at.partition();
        let end_of_partition = PersonKey::at(at.position() | (u128::MAX >> 4));
        let last = self.span.last().min(end_of_partition);
        let missing = self.wanted - self.found.len();
        Some(PeopleQuery {
            partition,
            first: at.to_string(),
            // `!w` is the last of a person's sort keys.
            last: format!("{last}!w"),
            // Some have two items; four are enough for any person to be complete.
            items: u32::try_from(missing + missing / 8).unwrap_or(u32::MAX - 4) + 4,
        })
    }

    /// Takes what the last query returned; `more` when it stopped at its limit.
    pub fn take(&mut self, items: Vec<PersonItem>, more: bool, now: Timestamp) {
        let Some(at) = self.at else { return };
        let mut people: Vec<Found> = Vec::with_capacity(items.len());
        for item in items {
            let person = item.person();
            if people.last().is_none_or(|last| last.person != person) {
                people.push(Found {
                    person,
                    profile: None,
                    withdrawal: None,
                });
            }
            let Some(last) = people.last_mut() else {
                continue;
            };
            match item {
                PersonItem::Profile(profile) => {
                    if profile.expires_at().is_none_or(|gone_at| gone_at > now) {
                        last.profile = Some(profile);
                    }
                }
                PersonItem::Withdrawal(withdrawal) => last.withdrawal = Some(withdrawal),
            }
        }
        self.at = if more {
            // The last one may have been cut apart: they come again, whole.
            match people.pop() {
                Some(cut) => Some(cut.person),
                None => Some(at),
            }
        } else {
            let end_of_partition = at.position() | (u128::MAX >> 4);
            end_of_partition
                .checked_add(1)
                .map(PersonKey::at)
                .filter(|next| self.span.contains(*next))
        };
        self.found.append(&mut people);
    }

    /// What was read.
    pub fn finish(self) -> Page {
        Page {
            people: self.found,
            next: self.at,
        }
    }
}
