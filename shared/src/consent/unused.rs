//! Consents that nobody has used for long (L-13): a court has held one lapsed after four years
//! without a mailing (AG Bonn, 104 C 227/15).
//!
//! Flags only: whether such a consent still carries is the controller's to decide.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::campaign::Campaign;
use crate::id::ListId;
use crate::person::{LegalBasis, ListConsent, Profile, Proof, Withdrawal};

/// Calendar months after which an unused consent is flagged.
pub const UNUSED_MONTHS: i32 = 24;

/// When each list was last mailed to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LastUse(BTreeMap<ListId, Timestamp>);

/// A consent that is flagged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unused {
    /// For which list.
    pub list: ListId,
    /// Since when it is there.
    pub since: Timestamp,
    /// When the list was last mailed to, if ever.
    pub last_used_at: Option<Timestamp>,
}

/// When a consent was given: of an imported one, the day that the import says.
fn given(profile: &Profile, consent: &ListConsent) -> Timestamp {
    let Proof::Import(import) = &consent.proof else {
        return consent.since;
    };
    let said = profile.provenance.iter();
    let said = said.filter(|said| said.import == *import && !said.data_only);
    said.filter_map(|said| said.provenance.consented_on)
        .filter_map(|day| day.to_zoned_datetime(TimeZone::UTC).ok())
        .map(|day| day.timestamp())
        .fold(consent.since, Timestamp::min)
}

impl LastUse {
    /// Counts a campaign, if it ever began.
    pub fn add(&mut self, campaign: &Campaign) {
        let Some(started) = campaign.started_at else {
            return;
        };
        for list in &campaign.lists {
            let last = self.0.entry(list.clone()).or_insert(started);
            *last = (*last).max(started);
        }
    }

    /// The person's consents that are in force, older than the months, and not used since.
    pub fn unused(
        &self,
        profile: &Profile,
        withdrawal: Option<&Withdrawal>,
        now: Timestamp,
    ) -> Vec<Unused> {
        let limit = now
            .to_zoned_datetime(TimeZone::UTC)
            .checked_sub(UNUSED_MONTHS.months())
            .map_or(Timestamp::MIN, |limit| limit.timestamp());
        let active = profile.active_lists(withdrawal);
        profile
            .lists
            .iter()
            .filter(|(list, consent)| {
                active.contains(*list)
                    && consent.basis == LegalBasis::Consent
                    && self.0.get(*list).is_none_or(|used| *used < limit)
            })
            .map(|(list, consent)| Unused {
                list: list.clone(),
                since: given(profile, consent),
                last_used_at: self.0.get(list).copied(),
            })
            .filter(|unused| unused.since < limit)
            .collect()
    }
}
