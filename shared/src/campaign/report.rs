//! What a campaign came to, for the controller.
//!
//! Computed from arcs and ledgers at any time; exact at the campaign's close.

use std::collections::BTreeMap;

use serde::Serialize;

use super::arc::{Arc, ArcState};
use super::ledger::{Entry, Ledger, Skip, Totals};
use super::outcome::Failure;
use super::{Campaign, CampaignState, Limits};

/// The report in the API's shape.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// How far the campaign is.
    pub state: CampaignState,
    /// Everybody chosen; grows while the campaign runs.
    pub selected: u64,
    /// Taken by the mail service.
    pub sent: u64,
    /// Not mailed, by reason.
    pub skipped: BTreeMap<Skip, u64>,
    /// Refused, by reason.
    pub failed: BTreeMap<Failure, u64>,
    /// Nobody knows; while the campaign runs, also what is under way.
    pub unknown: u64,
    /// Of those sent, delivered as the service's events say.
    pub delivered: u64,
    /// Bounced for good.
    pub bounced: u64,
    /// Complained.
    pub complained: u64,
}

impl Report {
    /// Nothing sent yet.
    pub fn of(campaign: &Campaign) -> Self {
        Self {
            state: campaign.state,
            selected: 0,
            sent: 0,
            skipped: BTreeMap::new(),
            failed: BTreeMap::new(),
            unknown: 0,
            delivered: 0,
            bounced: 0,
            complained: 0,
        }
    }

    /// Adds an arc with its ledger.
    pub fn add(&mut self, arc: &Arc, entries: Vec<Entry>, limits: &Limits) {
        for entry in &entries {
            self.delivered += entry.delivered.len() as u64;
            self.bounced += entry.bounced.len() as u64;
            self.complained += entry.complained.len() as u64;
        }
        let totals = match arc.state {
            ArcState::Closed => arc.totals.clone(),
            ArcState::Released | ArcState::Waiting => {
                Ledger::new(arc.span, entries).totals(limits, self.state).0
            }
        };
        let mut sum = Totals {
            selected: self.selected,
            sent: self.sent,
            skipped: std::mem::take(&mut self.skipped),
            failed: std::mem::take(&mut self.failed),
            unknown: self.unknown,
        };
        sum.add(&totals);
        self.selected = sum.selected;
        self.sent = sum.sent;
        self.skipped = sum.skipped;
        self.failed = sum.failed;
        self.unknown = sum.unknown;
    }
}
