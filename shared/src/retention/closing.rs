//! The closing report: what went with an account (Art. 28(3)(g) GDPR), in numbers, and by when the
//! last copy of it is gone. It outlives the account, for the operator, and names nobody.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::Tally;
use crate::account::Account;
use crate::id::AccountId;
use crate::key::{AccountScope, Key};
use crate::policy::{Event, Period, Store};
use crate::record::{Due, DueWork, Stored};
use crate::time::plus_days;

/// The recovery window of the tombstone table: longer than any copy of the main one (T-02).
pub const TOMBSTONE_COPY_DAYS: u32 = 35;

/// What went with an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClosingReport {
    /// Which account.
    pub account: AccountId,
    /// Grows with each run that deleted some of it.
    pub rev: u64,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
    /// When deleting began.
    pub began_at: Timestamp,
    /// When nothing of it was left.
    #[serde(default)]
    pub finished_at: Option<Timestamp>,
    /// Items that were deleted, by kind.
    pub deleted: Tally,
    /// Objects that were deleted, each version counted.
    #[serde(default)]
    pub objects: u64,
    /// When it counts as absent.
    pub gone_at: Timestamp,
}

impl ClosingReport {
    /// The report of a deletion that begins now.
    pub fn begin(account: &AccountId, closed_at: Option<Timestamp>, now: Timestamp) -> Self {
        Self {
            account: account.clone(),
            rev: 0,
            closed_at,
            began_at: now,
            finished_at: None,
            deleted: Tally::default(),
            objects: 0,
            gone_at: end(now),
        }
    }

    /// The report after a run: with what it deleted, and whether that was the last of it.
    #[must_use]
    pub fn after(&self, deleted: &Tally, objects: u64, is_done: bool, now: Timestamp) -> Self {
        let mut all = self.deleted.clone();
        all.add(deleted);
        if is_done {
            // Its own item, however often its end was begun.
            all.0.insert(Account::KIND.to_owned(), 1);
        }
        Self {
            rev: self.rev + 1,
            deleted: all,
            objects: self.objects + objects,
            finished_at: is_done.then_some(now),
            gone_at: end(now),
            ..self.clone()
        }
    }

    /// When the last full copy of the main table is gone that may hold any of it.
    pub fn full_copies_gone_by(&self) -> Option<Timestamp> {
        Store::FullCopy.kept().until(self.finished_at?)
    }

    /// When the last copy of its suppression marks is gone: keyed hashes, which mean nothing once
    /// the account's key is.
    pub fn tombstone_copies_gone_by(&self) -> Option<Timestamp> {
        Some(plus_days(self.finished_at?, TOMBSTONE_COPY_DAYS))
    }

    /// Where the report of an account is.
    pub fn place(account: &AccountId) -> Key {
        Key::global(Self::PARTITION, account.as_str())
    }

    /// What the partition of all of them is called.
    pub const PARTITION: &'static str = "closures";
}

fn end(now: Timestamp) -> Timestamp {
    match Store::ClosingReport.kept() {
        crate::policy::Kept::For(Event::Written, period) => {
            Period::after(period, now, &TimeZone::UTC)
        }
        _ => Timestamp::MAX,
    }
}

impl Stored for ClosingReport {
    const KIND: &'static str = "closing_report";

    fn key(&self, _: &AccountScope) -> Key {
        Self::place(&self.account)
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
