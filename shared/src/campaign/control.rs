//! The control item of a running campaign: its state, its pace, and how far its arcs are.
//!
//! The one item that every worker asks before every call, so that pausing holds at once.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::arc::Circle;
use super::ledger::Totals;
use super::{CampaignState, Limits};
use crate::id::CampaignId;
use crate::key::{AccountScope, Key};
use crate::record::Stored;

/// What is kept of a running campaign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Control {
    /// Whose.
    pub campaign: CampaignId,
    /// Grows with each write but that of a slot: those are many, and must not hold up a pause.
    pub rev: u64,
    /// Slots are given while it is `sending` only.
    pub state: CampaignState,
    /// When it started.
    pub started_at: Timestamp,
    /// When its state last changed.
    pub changed_at: Timestamp,
    /// The round that is being sent.
    pub round: u16,
    /// Into how many arcs the circle is cut.
    pub arcs: u32,
    /// The first arc that was never released.
    pub cursor: u32,
    /// All arcs before this one are closed and in `totals`.
    pub folded: u32,
    /// What became of everybody in those.
    pub totals: Totals,
    /// When the next slot begins: microseconds since 1970.
    pub next_at: i64,
    /// Microseconds per recipient, the campaign's share of the rate; 0 gives no slots.
    pub spacing: i64,
    /// Open arcs without progress.
    #[serde(default)]
    pub stuck: u32,
}

/// Who or what holds a campaign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PauseReason {
    /// A person.
    Person,
    /// The platform's sending was suspended by the mail service.
    AccountSuspended,
    /// Sending is switched off for the platform or the configuration set.
    SendingPaused,
    /// The platform's quota of 24 hours is used up.
    DailyQuota,
    /// The sender's domain is not verified.
    SenderNotVerified,
    /// Configuration set, template or pool is missing: the deployment is broken.
    Misconfigured,
}

/// How a slot is to be taken: one conditional update (GCRA).
///
/// Without concurrency control beyond the condition: two workers at once both succeed, one
/// behind the other. Both forms also demand the state `sending`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotUpdate {
    /// If `next_at` is before `now`: set it to `now + cost`. The slot begins at once.
    Fresh {
        /// Now, in microseconds.
        now: i64,
        /// What the slot costs, in microseconds.
        cost: i64,
    },
    /// Whatever `next_at` is: change nothing, and begin at once. Only the state counts.
    Ask {
        /// Now, in microseconds.
        now: i64,
    },
    /// If `next_at` is from `now` to `latest`: add `cost`. The slot begins at the old value.
    Queue {
        /// Now, in microseconds.
        now: i64,
        /// The latest beginning that is worth waiting for.
        latest: i64,
        /// What the slot costs, in microseconds.
        cost: i64,
    },
}

/// Why there is no slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoSlot {
    /// The campaign is in this state.
    State(CampaignState),
    /// Too many are waiting, or the quota is used up.
    Full,
}

impl Control {
    /// The control item of a campaign that starts now; it gets its pace at its first release.
    pub fn new(campaign: CampaignId, circle: Circle, now: Timestamp) -> Self {
        Self {
            campaign,
            rev: 1,
            state: CampaignState::Sending,
            started_at: now,
            changed_at: now,
            round: 0,
            arcs: circle.arcs(),
            cursor: 0,
            folded: 0,
            totals: Totals::default(),
            next_at: now.as_microsecond(),
            spacing: 0,
            stuck: 0,
        }
    }

    /// The sort key of control items.
    pub const SORT_KEY: &'static str = "control";

    /// The circle as it was cut at the start.
    pub fn circle(&self) -> Circle {
        Circle::of(self.arcs)
    }

    /// The update that takes a slot for so many recipients, as the item was last seen.
    ///
    /// # Errors
    /// When there is no slot.
    pub fn slot(
        &self,
        recipients: u16,
        limits: &Limits,
        now: Timestamp,
    ) -> Result<SlotUpdate, NoSlot> {
        if self.state != CampaignState::Sending {
            return Err(NoSlot::State(self.state));
        }
        let now = now.as_microsecond();
        let cost = self.spacing.saturating_mul(i64::from(recipients));
        let latest = now.saturating_add(limits.slot_wait_seconds.saturating_mul(1_000_000));
        if recipients == 0 {
            Ok(SlotUpdate::Ask { now })
        } else if self.spacing <= 0 || self.next_at > latest {
            Err(NoSlot::Full)
        } else if self.next_at < now {
            Ok(SlotUpdate::Fresh { now, cost })
        } else {
            Ok(SlotUpdate::Queue { now, latest, cost })
        }
    }

    /// What the update does, for the model store and for adapters' tests: the item afterwards and
    /// when the slot begins; `None` when its condition fails.
    #[must_use]
    pub fn with_slot(&self, update: SlotUpdate) -> Option<(Self, i64)> {
        if self.state != CampaignState::Sending {
            return None;
        }
        let (next_at, begins) = match update {
            SlotUpdate::Ask { now } => (self.next_at, now),
            SlotUpdate::Fresh { now, cost } => {
                (self.next_at < now).then_some((now.saturating_add(cost), now))?
            }
            SlotUpdate::Queue { now, latest, cost } => (now..=latest)
                .contains(&self.next_at)
                .then_some((self.next_at.saturating_add(cost), self.next_at))?,
        };
        Some((
            Self {
                next_at,
                ..self.clone()
            },
            begins,
        ))
    }
}

impl Stored for Control {
    const KIND: &'static str = "control";

    fn key(&self, scope: &AccountScope) -> Key {
        scope.campaign(&self.campaign, Self::SORT_KEY)
    }

    fn revision(&self) -> u64 {
        self.rev
    }
}
