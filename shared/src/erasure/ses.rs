//! What became of a person's entries in the suppression list that SES keeps of its own (T-14).
//!
//! Numbers and reasons, never an address. Whatever the reason, an entry goes: it is the address in
//! the clear, and what keeps the person from being mailed is the tombstone, a keyed hash.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Why SES had put an address on its list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SesReason {
    /// There was no mailbox.
    Bounce,
    /// The person complained.
    Complaint,
    /// A reason that SES named since.
    Other,
}

/// What became of the entries.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SesEntries {
    /// Spellings that were looked for: the list is exact, so each of them.
    #[serde(default)]
    pub spellings: u32,
    /// Entries taken off, by their reason. A run that ends between call and note leaves one out.
    #[serde(default)]
    pub removed: BTreeMap<SesReason, u32>,
    /// Calls that failed; each was made again later.
    #[serde(default)]
    pub failed_calls: u32,
}

impl SesEntries {
    /// Whether nothing is known yet.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Notes an entry taken off.
    pub fn note(&mut self, reason: SesReason) {
        *self.removed.entry(reason).or_default() += 1;
    }

    /// Spellings that were not on the list.
    pub fn not_listed(&self) -> u32 {
        let removed: u32 = self.removed.values().sum();
        self.spellings.saturating_sub(removed)
    }

    /// What stands here, and what another run added to what it began with.
    #[must_use]
    pub fn with(&self, began: &Self, ended: &Self) -> Self {
        let mut sum = self.clone();
        sum.spellings = sum.spellings.max(ended.spellings);
        sum.failed_calls += ended.failed_calls.saturating_sub(began.failed_calls);
        for (reason, count) in &ended.removed {
            let before = began.removed.get(reason).copied().unwrap_or_default();
            *sum.removed.entry(*reason).or_default() += count.saturating_sub(before);
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_runs_at_once_count_each_entry_that_either_took_off() {
        let mut began = SesEntries {
            spellings: 3,
            failed_calls: 1,
            ..SesEntries::default()
        };
        began.note(SesReason::Bounce);
        assert_eq!(began.not_listed(), 2);
        let (mut one, mut other) = (began.clone(), began.clone());
        one.note(SesReason::Bounce);
        other.note(SesReason::Complaint);
        other.failed_calls += 1;
        let both = one.with(&began, &other);
        assert_eq!(both.removed[&SesReason::Bounce], 2);
        assert_eq!(both.removed[&SesReason::Complaint], 1);
        assert_eq!((both.failed_calls, both.not_listed()), (2, 0));
        assert_eq!(both.with(&both, &both), both, "nothing is counted twice");
    }

    #[test]
    fn an_erasure_of_before_reads_without_and_says_nothing_of_it() {
        let nothing: SesEntries = serde_json::from_str("{}").unwrap();
        assert!(nothing.is_empty());
        let mut told = nothing;
        told.note(SesReason::Complaint);
        let text = serde_json::to_value(&told).unwrap();
        assert_eq!(text["removed"], serde_json::json!({"complaint": 1}));
    }
}
