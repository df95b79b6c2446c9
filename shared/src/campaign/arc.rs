//! Arcs: the circle of person keys, cut by arithmetic into parts of about equal audience.
//!
//! No people here. An arc is never aligned to the sixteen partitions; crossing their borders is
//! `reading`'s part.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Limits;
use super::ledger::Totals;
use crate::id::{CampaignId, PersonKey};
use crate::key::{AccountScope, Key};
use crate::policy::Store;
use crate::record::{Due, DueWork, Stored};

/// Until when what is written to a ledger now is kept.
pub(super) fn ledger_kept_until(now: Timestamp) -> Timestamp {
    Store::Ledger.kept().until(now).unwrap_or(Timestamp::MAX)
}

/// A part of the circle, from a key up to but not including another; `None` is the circle's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// The first position.
    pub from: PersonKey,
    /// The first position behind it.
    pub until: Option<PersonKey>,
}

impl Span {
    /// The 1/256 of the circle that an audience is estimated from.
    pub const SAMPLE: Self = Self {
        from: PersonKey::at(0),
        until: Some(PersonKey::at(1 << 120)),
    };

    /// Whether the person is in it.
    pub fn contains(&self, person: PersonKey) -> bool {
        self.from <= person && self.until.is_none_or(|until| person < until)
    }

    /// Its last position.
    pub(super) fn last(&self) -> PersonKey {
        PersonKey::at(
            self.until
                .map_or(u128::MAX, |until| until.position().saturating_sub(1)),
        )
    }
}

/// What was found in [`Span::SAMPLE`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Estimate {
    /// People there.
    pub people: u32,
    /// Those of them who are in the audience.
    pub hits: u32,
}

/// The circle, cut into this many arcs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Circle(u32);

impl Circle {
    /// At most this many arcs: beyond, each is larger.
    const MAX_ARCS: u64 = 1_000_000;

    /// Cuts so that an arc has about [`Limits::arc_recipients`]; at least one arc, also for an
    /// empty sample.
    pub fn for_audience(estimate: Estimate, limits: &Limits) -> Self {
        let by_hits = (u64::from(estimate.hits) * 256).div_ceil(u64::from(limits.arc_recipients));
        let by_people = (u64::from(estimate.people) * 256).div_ceil(u64::from(limits.arc_people));
        let arcs = by_hits.max(by_people).clamp(1, Self::MAX_ARCS);
        Self(u32::try_from(arcs).unwrap_or(1))
    }

    /// Cut into `arcs`, at least one.
    pub fn of(arcs: u32) -> Self {
        Self(arcs.max(1))
    }

    /// How many arcs.
    pub fn arcs(self) -> u32 {
        self.0
    }

    /// The arc that a person is in.
    pub fn number_of(self, person: PersonKey) -> u32 {
        // floor(position * arcs / 2^128), in two halves.
        let (position, arcs) = (person.position(), u128::from(self.0));
        let (high, low) = (position >> 64, position & u128::from(u64::MAX));
        let number = (high * arcs + ((low * arcs) >> 64)) >> 64;
        let number = u32::try_from(number).unwrap_or(u32::MAX).min(self.0 - 1);
        // Where an arc begins is rounded down: its first position may still be counted before it.
        let next = number.saturating_add(1);
        if next < self.0 && position >= self.start(next) {
            next
        } else {
            number
        }
    }

    /// Arc `number`, counted from 0.
    pub fn span(self, number: u32) -> Span {
        let next = number.saturating_add(1);
        Span {
            from: PersonKey::at(self.start(number)),
            until: (next < self.0).then(|| PersonKey::at(self.start(next))),
        }
    }

    /// `number * 2^128 / arcs`, without leaving 128 bits.
    fn start(self, number: u32) -> u128 {
        let (arcs, number) = (u128::from(self.0), u128::from(number));
        // 2^128 = arcs * quotient + rest; u128::MAX is one less.
        let (mut quotient, mut rest) = (u128::MAX / arcs, u128::MAX % arcs + 1);
        if rest == arcs {
            quotient = quotient.wrapping_add(1);
            rest = 0;
        }
        number
            .wrapping_mul(quotient)
            .wrapping_add(number * rest / arcs)
    }
}

/// What is kept of one arc.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arc {
    /// Whose.
    pub campaign: CampaignId,
    /// The round: 0 is the first send.
    pub round: u16,
    /// Its number.
    pub number: u32,
    /// Grows with each write.
    pub rev: u64,
    /// The part of the circle.
    pub span: Span,
    /// Where it is.
    pub state: ArcState,
    /// When it was last put into the queue.
    pub released_at: Timestamp,
    /// Ledger entries when a worker last let go of it.
    #[serde(default)]
    pub entries: u32,
    /// When that number last grew.
    pub progress_at: Timestamp,
    /// What became of everybody, once closed.
    #[serde(default)]
    pub totals: Totals,
    /// When it counts as absent: with its ledger.
    pub gone_at: Timestamp,
}

/// Where an arc is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ArcState {
    /// In the queue or with a worker.
    Released,
    /// A worker let go of it before its end.
    Waiting,
    /// Everybody in it is accounted for.
    Closed,
}

impl Arc {
    /// An arc that goes into the queue for the first time.
    pub fn released(
        campaign: &CampaignId,
        round: u16,
        circle: Circle,
        number: u32,
        now: Timestamp,
    ) -> Self {
        Self {
            campaign: campaign.clone(),
            round,
            number,
            rev: 1,
            span: circle.span(number),
            state: ArcState::Released,
            released_at: now,
            entries: 0,
            progress_at: now,
            totals: Totals::default(),
            gone_at: ledger_kept_until(now),
        }
    }

    /// The arc back in the queue.
    #[must_use]
    pub fn released_again(&self, now: Timestamp) -> Self {
        Self {
            rev: self.rev + 1,
            state: ArcState::Released,
            released_at: now,
            ..self.clone()
        }
    }

    /// The arc after a worker let go of it with so many ledger entries.
    #[must_use]
    pub fn returned(&self, entries: u32, now: Timestamp) -> Self {
        Self {
            rev: self.rev + 1,
            state: ArcState::Waiting,
            entries,
            progress_at: if entries > self.entries {
                now
            } else {
                self.progress_at
            },
            ..self.clone()
        }
    }

    /// The arc with everybody accounted for.
    #[must_use]
    pub fn closed(&self, entries: u32, totals: Totals, now: Timestamp) -> Self {
        Self {
            state: ArcState::Closed,
            totals,
            ..self.returned(entries, now)
        }
    }

    /// The sort key of arc `number`; numbers sort as text.
    pub fn sort_key(round: u16, number: u32) -> String {
        format!("arc#{round:05}#{number:08}")
    }

    /// Round and number of the arc with this sort key.
    pub fn of_sort_key(sort_key: &str) -> Option<(u16, u32)> {
        let (round, number) = sort_key.strip_prefix("arc#")?.split_once('#')?;
        Some((round.parse().ok()?, number.parse().ok()?))
    }
}

impl Stored for Arc {
    const KIND: &'static str = "arc";

    fn key(&self, scope: &AccountScope) -> Key {
        scope.campaign(&self.campaign, Self::sort_key(self.round, self.number))
    }

    fn revision(&self) -> u64 {
        self.rev
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.gone_at)
    }

    fn due(&self) -> Option<Due> {
        Some(Due {
            work: DueWork::Expire,
            at: self.gone_at,
        })
    }
}
