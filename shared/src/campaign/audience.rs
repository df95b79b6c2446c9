//! Who a campaign reaches, judged from what was read of a person just before sending (L-12).
//!
//! The audience is whoever holds a consent for one of the lists; who holds one and may not be
//! mailed is skipped with the reason. Everybody else is no part of the campaign.

use jiff::Timestamp;

use super::ledger::{Class, Skip};
use super::reading::Found;
use crate::id::ListId;
use crate::person::{Profile, Purpose, Withdrawal};

/// Whom a campaign is for.
#[derive(Debug, Clone, Copy)]
pub struct Audience<'a> {
    /// Any of these lists.
    pub lists: &'a [ListId],
    /// Consent must be at least this old.
    pub started_at: Timestamp,
}

/// What a person is to a campaign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// No part of it.
    Outside,
    /// Chosen, and not mailed.
    Skipped(Skip),
    /// To be mailed.
    Recipient {
        /// The list the mail is sent through.
        list: ListId,
        /// Which call it may share.
        class: Class,
    },
}

impl Audience<'_> {
    /// What the person is to the campaign.
    pub fn judge(&self, found: &Found) -> Judgement {
        let Some(profile) = &found.profile else {
            return Judgement::Outside;
        };
        self.judge_profile(profile, found.withdrawal.as_deref())
    }

    /// What somebody with this profile and this withdrawal item is to it.
    pub(crate) fn judge_profile(
        &self,
        profile: &Profile,
        withdrawal: Option<&Withdrawal>,
    ) -> Judgement {
        let consents: Vec<_> = self
            .lists
            .iter()
            .filter_map(|list| Some((list, profile.lists.get(list)?)))
            .filter(|(_, consent)| consent.basis.carries_list_mail())
            .collect();
        if consents.is_empty() {
            return Judgement::Outside;
        }
        if withdrawal.is_some_and(Withdrawal::is_restricted) {
            return Judgement::Skipped(Skip::Restricted);
        }
        if withdrawal.is_some_and(|withdrawal| withdrawal.suppressed_at.is_some()) {
            return Judgement::Skipped(Skip::Suppressed);
        }
        let sendable = profile.sendable_lists(withdrawal);
        let mut standing = consents.iter().filter(|(list, _)| sendable.contains(*list));
        if let Some((list, _)) = standing
            .clone()
            .find(|(_, consent)| consent.since <= self.started_at)
        {
            return Judgement::Recipient {
                list: (*list).clone(),
                class: Class {
                    tracked: profile
                        .agrees_since(Purpose::Tracking, withdrawal)
                        .is_some(),
                    ..Class::default()
                },
            };
        }
        if standing.next().is_some() {
            return Judgement::Skipped(Skip::ConsentAfterStart);
        }
        let active = profile.active_lists(withdrawal);
        if consents.iter().any(|(list, _)| active.contains(*list)) {
            return Judgement::Skipped(Skip::NoProof);
        }
        let barred = |at: Option<Timestamp>| {
            at.is_some_and(|at| consents.iter().all(|(_, consent)| consent.since <= at))
        };
        Judgement::Skipped(match withdrawal {
            Some(withdrawal) if barred(withdrawal.complained_at) => Skip::Complained,
            Some(withdrawal)
                if barred(withdrawal.bounced_at) && withdrawal.bounced_at > withdrawal.all_at =>
            {
                Skip::Bounced
            }
            _ => Skip::Unsubscribed,
        })
    }
}
