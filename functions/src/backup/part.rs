//! Reading one part of an account, page by page, into the sets that the policy puts it in.
//!
//! Profiles before records: a subscriber in the archive has the evidence beside it. What has
//! expired is absent here as everywhere (T-04).

use std::collections::BTreeMap;

use jiff::Timestamp;
use rundbrief::archive::{Archive, ArchiveObject, ArchiveSet, PartName};
use rundbrief::id::Partition;
use rundbrief::key::{AccountScope, Table};
use rundbrief::person::{Profile, Withdrawal};
use rundbrief::policy::{InArchive, Store as Kind};
use rundbrief::record::Stored;
use serde_json::Value;

use super::objects::SetWriter;
use crate::app::{App, Trouble};
use crate::store::{Item, Range, kind, plain};

/// Items per page; a page is at most 1 MB in any case.
const PAGE: i32 = 500;

type Sets = BTreeMap<ArchiveSet, Vec<ArchiveObject>>;

/// Writes one part; returns its objects by set.
pub(super) async fn write(
    app: &App,
    scope: &AccountScope,
    archive: &Archive,
    part: PartName,
    now: Timestamp,
) -> Result<Sets, Trouble> {
    match part {
        PartName::People(partition) => {
            let mut sets = Sets::new();
            let subscribers = subscribers(app, scope, archive, partition, now).await?;
            sets.insert(ArchiveSet::Subscribers, subscribers);
            records(app, scope, archive, partition, now, &mut sets).await?;
            Ok(sets)
        }
        PartName::Configuration => configuration(app, scope, archive, now).await,
    }
}

/// The pages of a partition, one after the other.
struct Pages<'a> {
    app: &'a App,
    range: Range,
    at_end: bool,
    now: Timestamp,
}

impl<'a> Pages<'a> {
    fn of(app: &'a App, pk: String, prefix: String, now: Timestamp) -> Self {
        Self {
            app,
            range: Range {
                table: Table::Main,
                pk,
                prefix,
                after: None,
                limit: PAGE,
            },
            at_end: false,
            now,
        }
    }

    async fn next(&mut self) -> Result<Option<Vec<Item>>, Trouble> {
        if self.at_end {
            return Ok(None);
        }
        let page = self.app.store.item_page(&self.range, self.now).await?;
        self.at_end = page.next.is_none();
        self.range.after = page.next;
        Ok(Some(page.items))
    }
}

/// One line per profile, with the withdrawal item that stands right behind it. A withdrawal whose
/// profile has gone belongs to no subscriber any more: the tombstone remembers it, and no
/// restore goes without the tombstones.
async fn subscribers(
    app: &App,
    scope: &AccountScope,
    archive: &Archive,
    partition: Partition,
    now: Timestamp,
) -> Result<Vec<ArchiveObject>, Trouble> {
    let part = PartName::People(partition);
    let mut writer = SetWriter::new(app, archive, ArchiveSet::Subscribers, part);
    let mut pages = Pages::of(app, scope.profiles(partition), String::new(), now);
    let mut profile: Option<Value> = None;
    while let Some(items) = pages.next().await? {
        for item in items {
            match kind(&item) {
                Some(Profile::KIND) => {
                    if let Some(before) = profile.replace(plain(item)?) {
                        writer.push(&before).await?;
                    }
                }
                Some(Withdrawal::KIND) => {
                    let withdrawal = plain(item)?;
                    if let Some(profile) = &mut profile
                        && profile["person"] == withdrawal["person"]
                    {
                        profile["withdrawal"] = withdrawal;
                    }
                }
                _ => {}
            }
        }
    }
    if let Some(last) = profile {
        writer.push(&last).await?;
    }
    writer.finish().await
}

/// The evidence: sign-ups and unsubscriptions, in one pass; what else stands there stays out.
async fn records(
    app: &App,
    scope: &AccountScope,
    archive: &Archive,
    partition: Partition,
    now: Timestamp,
    sets: &mut Sets,
) -> Result<(), Trouble> {
    let part = PartName::People(partition);
    let mut sign_ups = SetWriter::new(app, archive, ArchiveSet::SignUps, part);
    let mut unsubscriptions = SetWriter::new(app, archive, ArchiveSet::Unsubscriptions, part);
    let mut pages = Pages::of(app, scope.records(partition), String::new(), now);
    while let Some(items) = pages.next().await? {
        for item in items {
            let set = kind(&item).and_then(|kind| Kind::of_kind(kind).next());
            match set.map(Kind::in_archive) {
                Some(InArchive::Set(ArchiveSet::SignUps)) => {
                    let sign_up = plain(item)?;
                    if !is_open_change(&sign_up) {
                        sign_ups.push(&sign_up).await?;
                    }
                }
                Some(InArchive::Set(ArchiveSet::Unsubscriptions)) => {
                    unsubscriptions.push(&plain(item)?).await?;
                }
                Some(InArchive::Set(_) | InArchive::No(_)) | None => {}
            }
        }
    }
    sets.insert(ArchiveSet::SignUps, sign_ups.finish().await?);
    sets.insert(ArchiveSet::Unsubscriptions, unsubscriptions.finish().await?);
    Ok(())
}

/// Whether a sign-up asks a new address to take over and has no answer: what an erasure of the
/// former person follows to it is in no archive, so neither is it.
fn is_open_change(sign_up: &Value) -> bool {
    !sign_up["former"].is_null() && sign_up["confirmed_at"].is_null()
}

/// The configuration, each kind by its own prefix: keys and the account itself are never read.
async fn configuration(
    app: &App,
    scope: &AccountScope,
    archive: &Archive,
    now: Timestamp,
) -> Result<Sets, Trouble> {
    let mut sets = Sets::new();
    for set in ArchiveSet::ALL {
        let Some(store) = set.configuration() else {
            continue;
        };
        let mut writer = SetWriter::new(app, archive, set, PartName::Configuration);
        for wanted in store.kinds() {
            let pk = scope.configuration_partition();
            let mut pages = Pages::of(app, pk, format!("{wanted}#"), now);
            while let Some(items) = pages.next().await? {
                for item in items {
                    if kind(&item) == Some(wanted) {
                        writer.push(&plain(item)?).await?;
                    }
                }
            }
        }
        sets.insert(set, writer.finish().await?);
    }
    Ok(sets)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn of_changes_of_address_only_those_that_were_confirmed_are_archived() {
        let former = "00000000000000000000000000000007";
        let at = "2027-03-01T10:00:00Z";
        for (sign_up, is_open) in [
            (json!({"former": former, "confirmed_at": null}), true),
            (json!({"former": former, "confirmed_at": at}), false),
            // An ordinary one has no such member.
            (json!({"confirmed_at": null}), false),
        ] {
            assert_eq!(is_open_change(&sign_up), is_open, "{sign_up}");
        }
    }
}
