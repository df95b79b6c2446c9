//! What the sweeper decides about something that is due, and the report it leaves.
//!
//! Finding what is due and deleting it is the function's part.

mod closing;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::account::{Account, DirectoryEntry};
use crate::campaign::Running;
use crate::id::{AccountId, CampaignId, EventId, ImportId, Partition, RestoreId};
use crate::key::{AccountScope, Key, Places, Table};
use crate::policy::{DeletedBy, Store};
use crate::record::{Due, DueWork, Stored};

pub use self::closing::{ClosingReport, TOMBSTONE_COPY_DAYS};

/// What is to be done about an item that the index named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Its time has not come, or came and was put off: leave it.
    Keep,
    /// Delete it, unless it was put off meanwhile.
    Delete,
    /// It is an archive's entry: its objects go first.
    DeleteArchive,
    /// It is an account: everything in it goes first.
    EndAccount,
}

/// What to do about an item of this kind with this end.
///
/// Whatever has an end that is over is absent everywhere (T-04), so it may go, whatever it is.
/// What goes with a profile: nothing. Withdrawal, tombstone and evidence have their own terms.
pub fn verdict(kind: &str, expires_at: Option<Timestamp>, now: Timestamp) -> Verdict {
    let with_objects =
        Store::of_kind(kind).any(|store| store.deleted_by() == DeletedBy::SweeperWithObjects);
    match expires_at {
        _ if with_objects => Verdict::DeleteArchive,
        Some(at)
            if Store::Account.kinds().contains(&kind)
                && at.as_millisecond() <= now.as_millisecond() =>
        {
            Verdict::EndAccount
        }
        Some(at) if at.as_millisecond() <= now.as_millisecond() => Verdict::Delete,
        Some(_) | None => Verdict::Keep,
    }
}

/// The kinds that are not deleted by themselves, because something else goes first.
pub fn kinds_apart() -> Vec<&'static str> {
    Store::ALL
        .into_iter()
        .filter(|store| {
            *store == Store::Account || store.deleted_by() == DeletedBy::SweeperWithObjects
        })
        .flat_map(|store| store.kinds().iter().copied())
        .collect()
}

/// What is left of an account that is gone: where everything of it stands, to be deleted.
///
/// Made of an account whose end is over, or that is lost, only. No key is needed: what is to go is
/// not read.
#[derive(Debug)]
pub struct Remains(AccountId);

impl Remains {
    /// What is left of the account, once it counts as absent.
    pub fn of(account: &Account, now: Timestamp) -> Option<Self> {
        let is_gone = account.gone_at.is_some_and(|gone_at| gone_at <= now);
        is_gone.then(|| Self(account.id.clone()))
    }

    /// What is left under the name of an account that is not there any more, but in the list of
    /// all. To be asked only where its item is not there at all, expired or not.
    pub fn of_orphan(entry: &DirectoryEntry, now: Timestamp) -> Option<Self> {
        entry.is_orphan(now).then(|| Self(entry.id.clone()))
    }

    /// Whose it is.
    pub fn account(&self) -> &AccountId {
        &self.0
    }

    /// The partitions of its people: tombstones and the mark beside them, the seals over their
    /// evidence, and what is kept of
    /// erased ones included; and the partition of who did what.
    pub fn people(&self) -> impl Iterator<Item = (Table, String)> {
        let places = Places(&self.0);
        Partition::all()
            .flat_map(move |partition| {
                [
                    (Table::Main, places.profiles(partition)),
                    (Table::Main, places.records(partition)),
                    (Table::Tombstones, places.tombstones(partition)),
                    (Table::Main, places.sealed(partition)),
                ]
            })
            .chain([
                (Table::Tombstones, places.tombstone_mark()),
                (Table::Main, places.evidence()),
                (Table::Main, places.erasures()),
                (Table::Main, places.audit()),
                (Table::Main, places.webhooks()),
            ])
    }

    /// The partition with its configuration, in which it stands itself.
    pub fn configuration(&self) -> String {
        Places(&self.0).configuration()
    }

    /// The partition with a campaign's content, control item and arcs.
    pub fn campaign(&self, campaign: &CampaignId) -> String {
        Places(&self.0).campaign(campaign)
    }

    /// The partition with the ledger of one arc.
    pub fn ledger(&self, campaign: &CampaignId, round: u16, arc: u32) -> String {
        Places(&self.0).ledger(campaign, round, arc)
    }

    /// What names a campaign among the running ones.
    pub fn running(&self, campaign: &CampaignId) -> Key {
        Running::place(&self.0, campaign)
    }

    /// The partition with an import's chunks.
    pub fn import(&self, import: &ImportId) -> String {
        Places(&self.0).import(import)
    }

    /// The partitions of a restore's quarantine.
    pub fn quarantine(&self, restore: &RestoreId) -> impl Iterator<Item = String> {
        let places = Places(&self.0);
        Partition::all()
            .map(Some)
            .chain([None])
            .map(move |partition| places.quarantine(restore, partition))
    }

    /// Its entry in the list of all accounts.
    pub fn directory(&self) -> Key {
        Key::directory(&self.0)
    }

    /// What the keys of its objects begin with.
    pub fn objects(&self) -> [String; 3] {
        ["archives", "imports", "exports"].map(|kind| Places(&self.0).objects(kind))
    }
}

/// What one run deleted, by kind: numbers only.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tally(pub BTreeMap<String, u64>);

impl Tally {
    /// One more of this kind.
    pub fn count(&mut self, kind: &str) {
        *self.0.entry(kind.to_owned()).or_default() += 1;
    }

    /// What another run deleted, too.
    pub fn add(&mut self, other: &Self) {
        for (kind, count) in &other.0 {
            *self.0.entry(kind.clone()).or_default() += count;
        }
    }

    /// All of them.
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }
}

/// Deletions after which a report is written while its run goes on: of a run that is killed, so
/// many at most (and those just under way) are in no report.
pub const UNTOLD: u64 = 1_000;

/// The proof of a run: of one account's part of it, or of the whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeletionReport {
    /// Which run.
    pub run: EventId,
    /// Whose items; none for the whole run.
    #[serde(default)]
    pub account: Option<AccountId>,
    /// Grows while the run goes on.
    pub rev: u64,
    /// When the run began.
    pub at: Timestamp,
    /// When the last of it was deleted; reports of before this was told say only when it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// What was deleted.
    pub deleted: Tally,
    /// Whether the run came to its end. Where it was killed, up to [`UNTOLD`] more are gone.
    #[serde(default = "yes")]
    pub finished: bool,
    /// When it counts as absent.
    pub gone_at: Timestamp,
}

/// Reports were once written at the end only.
const fn yes() -> bool {
    true
}

impl DeletionReport {
    /// A report of what a run deleted from the first of these instants to the second.
    pub fn new(
        run: EventId,
        account: Option<AccountId>,
        (at, until): (Timestamp, Timestamp),
        deleted: Tally,
    ) -> Self {
        Self {
            run,
            account,
            rev: 1,
            at,
            until: Some(until),
            deleted,
            finished: true,
            gone_at: Store::DeletionReport
                .kept()
                .until(at)
                .unwrap_or(Timestamp::MAX),
        }
    }

    /// Where the report of a whole run is.
    pub fn place(run: EventId) -> Key {
        Key::global(Self::PARTITION, run.to_string())
    }

    /// Where all reports of whole runs begin.
    pub fn all() -> Key {
        Key::global(Self::PARTITION, "")
    }

    const PARTITION: &'static str = "deletions";

    /// By when the last archive is gone that may hold what this run deleted.
    pub fn archives_gone_by(&self) -> Option<Timestamp> {
        Store::Archive.kept().until(self.until.unwrap_or(self.at))
    }

    /// By when the last full copy is gone that may hold it.
    pub fn full_copies_gone_by(&self) -> Option<Timestamp> {
        Store::FullCopy.kept().until(self.until.unwrap_or(self.at))
    }
}

impl Stored for DeletionReport {
    const KIND: &'static str = "deletion_report";

    fn key(&self, scope: &AccountScope) -> Key {
        match self.account {
            Some(_) => scope.configuration(Self::KIND, &self.run.to_string()),
            None => Self::place(self.run),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_copy_is_gone_so_long_after_the_last_deletion_and_not_after_the_first() {
        let at = |text: &str| -> Timestamp { text.parse().unwrap() };
        let (began, ended) = (at("2027-03-01T00:00:00Z"), at("2027-03-01T00:09:00Z"));
        let run = EventId::earliest(began);
        let report = DeletionReport::new(run, None, (began, ended), Tally::default());
        let by = report.full_copies_gone_by();
        assert_eq!(by, Store::FullCopy.kept().until(ended));
        let by = report.archives_gone_by();
        assert_eq!(by, Store::Archive.kept().until(ended));
        // One of before says when it began only.
        let before = DeletionReport {
            until: None,
            ..report
        };
        let stored = serde_json::to_string(&before).unwrap();
        assert!(!stored.contains("until"));
        let before: DeletionReport = serde_json::from_str(&stored).unwrap();
        let by = before.full_copies_gone_by();
        assert_eq!(by, Store::FullCopy.kept().until(began));
    }

    #[test]
    fn only_what_is_over_goes_and_an_archive_goes_with_its_objects() {
        let now: Timestamp = "2027-03-01T00:00:00Z".parse().unwrap();
        let at = |text: &str| Some(text.parse().unwrap());
        for (kind, expires_at, expected) in [
            ("profile", at("2027-03-01T00:00:00Z"), Verdict::Delete),
            ("profile", at("2027-03-01T00:00:01Z"), Verdict::Keep),
            ("profile", None, Verdict::Keep),
            ("sign_up", at("2020-01-01T00:00:00Z"), Verdict::Delete),
            ("outbox", at("2027-02-01T00:00:00Z"), Verdict::Delete),
            ("something_new", at("2027-02-01T00:00:00Z"), Verdict::Delete),
            ("backup", at("2027-03-03T00:00:00Z"), Verdict::DeleteArchive),
            ("account", None, Verdict::Keep),
            ("account", at("2027-03-01T00:00:01Z"), Verdict::Keep),
            ("account", at("2027-03-01T00:00:00Z"), Verdict::EndAccount),
            ("key", None, Verdict::Keep),
        ] {
            assert_eq!(
                verdict(kind, expires_at, now),
                expected,
                "{kind} {expires_at:?}"
            );
            let apart = matches!(expected, Verdict::DeleteArchive | Verdict::EndAccount);
            assert!(!apart || kinds_apart().contains(&kind), "{kind}");
        }
    }
}
