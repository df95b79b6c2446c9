//! Sharing the rate among running campaigns and releasing their arcs, once a minute.
//!
//! Decides which arcs go into the queue and what the control item becomes; a second firing at
//! the same time finds the conditions taken.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::arc::{Arc, ArcState};
use super::control::Control;
use super::{CampaignState, Limits};
use crate::id::{AccountId, CampaignId};
use crate::record::Expect;
use crate::time::plus_seconds;

/// Of the live rate, campaigns get nine tenths: the rest is for mails to one person.
const CAMPAIGN_TENTHS: f64 = 9.0;
/// Arcs are released for so many seconds of sending.
const RELEASED_SECONDS: f64 = 120.0;
/// Most arcs in the queue per campaign: more would only wait there.
const MOST_RELEASED: usize = 400;
/// Of the quota of 24 hours, campaigns use so much.
const QUOTA_PERCENT: f64 = 95.0;

/// What the mail service allows, as `GetAccount` says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quota {
    /// Mails per second.
    pub rate: f64,
    /// Mails per rolling 24 hours; negative for no limit.
    pub day: f64,
    /// Mails of the last 24 hours.
    pub used: f64,
}

impl Quota {
    /// Whether campaigns may use any more of the day's quota.
    fn is_open(&self) -> bool {
        self.day < 0.0 || self.used < self.day * QUOTA_PERCENT / 100.0
    }
}

/// Microseconds per recipient for each sending campaign: equal between accounts, then equal
/// between an account's campaigns; 0 when nothing may be sent.
pub fn share(
    quota: &Quota,
    sending: &[(AccountId, CampaignId)],
) -> BTreeMap<(AccountId, CampaignId), i64> {
    let mut per_account: BTreeMap<&AccountId, u32> = BTreeMap::new();
    for (account, _) in sending {
        *per_account.entry(account).or_default() += 1;
    }
    let accounts = f64::from(u32::try_from(per_account.len()).unwrap_or(u32::MAX));
    sending
        .iter()
        .map(|(account, campaign)| {
            let campaigns = f64::from(per_account.get(account).copied().unwrap_or(1));
            let rate = quota.rate * CAMPAIGN_TENTHS / 10.0 / accounts / campaigns;
            let spacing = if quota.is_open() && rate > 0.0 {
                // At least a microsecond, at most a day.
                #[expect(clippy::cast_possible_truncation, reason = "clamped to a day")]
                let spacing = (1_000_000.0 / rate).ceil().clamp(1.0, 86_400_000_000.0) as i64;
                spacing
            } else {
                0
            };
            ((account.clone(), campaign.clone()), spacing)
        })
        .collect()
}

/// The arcs to put into the queue now, each with the condition of its write, oldest first.
///
/// `open` are all arcs of the round that exist, from the first unfolded one on, in order. An arc
/// is written before its message is sent: a message that gets lost is made up for by releasing
/// the arc again.
pub fn release(
    control: &Control,
    open: &[Arc],
    spacing: i64,
    limits: &Limits,
    now: Timestamp,
) -> Vec<(Arc, Expect)> {
    if control.state != CampaignState::Sending || spacing <= 0 {
        return Vec::new();
    }
    #[expect(clippy::cast_precision_loss, reason = "a pace, not an amount")]
    let arcs = RELEASED_SECONDS * 1_000_000.0 / spacing as f64 / f64::from(limits.arc_recipients);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "positive, and clamped"
    )]
    let most = (arcs.ceil() as usize).clamp(1, MOST_RELEASED);
    let is_out = |arc: &Arc| {
        arc.state == ArcState::Released
            && plus_seconds(arc.released_at, limits.release_seconds) > now
    };
    let out = open.iter().filter(|arc| is_out(arc)).count();
    let again = open
        .iter()
        .filter(|arc| arc.state != ArcState::Closed && !is_out(arc))
        .map(|arc| (arc.released_again(now), Expect::Revision(arc.rev)));
    let first = cursor(control, open);
    let new = (first..control.arcs).map(|number| {
        let arc = Arc::released(
            &control.campaign,
            control.round,
            control.circle(),
            number,
            now,
        );
        (arc, Expect::Absent)
    });
    again.chain(new).take(most.saturating_sub(out)).collect()
}

fn cursor(control: &Control, open: &[Arc]) -> u32 {
    let behind_last = open.last().map_or(0, |arc| arc.number.saturating_add(1));
    control.cursor.max(behind_last)
}

/// The control item with pace, cursor and the totals of arcs that closed since; and whether all
/// are closed. The revision stays: whoever writes it counts it up.
pub fn fold(
    control: &Control,
    open: &[Arc],
    spacing: i64,
    limits: &Limits,
    now: Timestamp,
) -> (Control, bool) {
    let mut folded = control.clone();
    folded.spacing = spacing;
    folded.cursor = cursor(control, open);
    for arc in open {
        if arc.number == folded.folded && arc.state == ArcState::Closed {
            folded.totals.add(&arc.totals);
            folded.folded += 1;
        }
    }
    let stuck_after = limits.settling_seconds + limits.stuck_seconds;
    let stuck = open
        .iter()
        .filter(|arc| arc.state != ArcState::Closed)
        .filter(|arc| plus_seconds(arc.progress_at.max(control.changed_at), stuck_after) <= now)
        .count();
    folded.stuck = u32::try_from(stuck).unwrap_or(u32::MAX);
    let all_closed = folded.folded >= folded.arcs;
    (folded, all_closed)
}
