//! The end of an account: everything that is in it, page by page, the account itself last.
//!
//! Nothing of it can be reached any more when this begins. A run that is cut short leaves the
//! account's item, through which the next finds it again and goes on. An account that lost its item
//! is found through its entry in the list of all.

use jiff::Timestamp;
use rundbrief::account::{Account, DirectoryEntry};
use rundbrief::campaign::arc::Arc;
use rundbrief::id::{AccountId, CampaignId, ImportId, RestoreId};
use rundbrief::key::{Key, Table};
use rundbrief::record::Expect;
use rundbrief::record::Stored;
use rundbrief::retention::{ClosingReport, Remains, Tally};
use tokio::time::Instant;

use super::objects;
use crate::app::{App, Trouble};
use crate::store::{Page, Range, WriteError};

/// Items per page: of each only key and kind are read.
const PAGE: usize = 1_000;
/// Accounts of a page of the list of all.
const ACCOUNTS: i32 = 100;
/// How often the report is written again after another run wrote it meanwhile.
const ATTEMPTS: usize = 8;

/// What a run may still do.
pub(super) struct Budget {
    /// Items to delete.
    pub(super) items: usize,
    /// When to begin nothing new.
    pub(super) stop_at: Instant,
}

impl Budget {
    fn is_spent(&self) -> bool {
        self.items == 0 || Instant::now() >= self.stop_at
    }
}

/// Whether a place is empty now, or the budget was spent before.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    Done,
    CutShort,
}

/// Deletes the account that this key names, with everything in it, as far as the budget goes.
///
/// # Errors
/// When a service does not answer; the next run goes on.
pub(super) async fn end(
    app: &App,
    key: &Key,
    now: Timestamp,
    budget: &mut Budget,
    deleted: &mut Tally,
) -> Result<Progress, Trouble> {
    let Some(account) = app.store.get_even_expired::<Account>(key).await? else {
        return Ok(Progress::Done);
    };
    let Some(remains) = Remains::of(&account, now) else {
        return Ok(Progress::Done);
    };
    if purge(app, &remains, account.closed_at, budget, deleted).await? == Progress::CutShort {
        return Ok(Progress::CutShort);
    }
    match app.store.delete(key, account.rev).await {
        Ok(()) => {}
        Err(WriteError::Conflict) => return Err(Trouble::Contended),
        Err(WriteError::Trouble(trouble)) => return Err(trouble),
    }
    deleted.count(Account::KIND);
    tracing::info!(account = %account.id, "a closed account is gone");
    Ok(Progress::Done)
}

/// Deletes what is left under the names of accounts that are in the list of all and not there any
/// more; one that is missed for the first time is noted, as it may be on its way.
///
/// # Errors
/// When a service does not answer; the next run goes on.
pub(super) async fn end_orphans(
    app: &App,
    now: Timestamp,
    budget: &mut Budget,
    deleted: &mut Tally,
) -> Result<Progress, Trouble> {
    let mut after = None;
    loop {
        let page = app.store.accounts(after, ACCOUNTS, now).await?;
        let keys: Vec<Key> = page.items.iter().map(Key::account).collect();
        let reads = keys.iter().map(|key| app.store.ending(key));
        let found = futures::future::try_join_all(reads).await?;
        for (id, found) in page.items.iter().zip(found) {
            if found.is_none() && orphan(app, id, now, budget, deleted).await? == Progress::CutShort
            {
                return Ok(Progress::CutShort);
            }
        }
        after = page.next;
        if after.is_none() {
            return Ok(Progress::Done);
        }
        if budget.is_spent() {
            return Ok(Progress::CutShort);
        }
    }
}

async fn orphan(
    app: &App,
    id: &AccountId,
    now: Timestamp,
    budget: &mut Budget,
    deleted: &mut Tally,
) -> Result<Progress, Trouble> {
    let place = Key::directory(id);
    let Some(entry) = app.store.get::<DirectoryEntry>(&place, now).await? else {
        return Ok(Progress::Done);
    };
    if let Some(noted) = entry.noted_missing(now) {
        let expect = Expect::Revision(entry.rev);
        tracing::error!(account = %id, "an account in the list of all is not there");
        return match app.store.put_at(&place, &noted, expect, now).await {
            Ok(()) | Err(WriteError::Conflict) => Ok(Progress::Done),
            Err(WriteError::Trouble(trouble)) => Err(trouble),
        };
    }
    let Some(remains) = Remains::of_orphan(&entry, now) else {
        return Ok(Progress::Done);
    };
    let progress = purge(app, &remains, None, budget, deleted).await?;
    if progress == Progress::Done {
        tracing::warn!(account = %id, "what was left of a lost account is gone");
    }
    Ok(progress)
}

/// Deletes all but the account's own item, its entry in the list last, as far as the budget goes,
/// and reports it.
async fn purge(
    app: &App,
    remains: &Remains,
    closed_at: Option<Timestamp>,
    budget: &mut Budget,
    deleted: &mut Tally,
) -> Result<Progress, Trouble> {
    let mut closure = Closure {
        app,
        remains,
        budget,
        deleted: Tally::default(),
        objects: 0,
    };
    let progress = closure.empty().await;
    let (of_this_run, objects) = (closure.deleted, closure.objects);
    deleted.add(&of_this_run);
    let is_done = matches!(progress, Ok(Progress::Done));
    // Before the last that names the account goes: a run that is cut short here finds it again, and
    // says once more when nothing was left.
    report(app, (remains, closed_at), &of_this_run, objects, is_done).await?;
    if is_done {
        app.store.delete_all(&[remains.directory()]).await?;
    }
    progress
}

/// Adds to the closing report what this run deleted.
async fn report(
    app: &App,
    (remains, closed_at): (&Remains, Option<Timestamp>),
    deleted: &Tally,
    objects: u64,
    is_done: bool,
) -> Result<(), Trouble> {
    let place = ClosingReport::place(remains.account());
    for _ in 0..ATTEMPTS {
        let now = app.now();
        let known: Option<ClosingReport> = app.store.get(&place, now).await?;
        let expect = Expect::unchanged(known.as_ref());
        let report =
            known.unwrap_or_else(|| ClosingReport::begin(remains.account(), closed_at, now));
        let report = report.after(deleted, objects, is_done, now);
        match app.store.put_at(&place, &report, expect, now).await {
            Ok(()) => return Ok(()),
            // Another run is at it, too.
            Err(WriteError::Conflict) => {}
            Err(WriteError::Trouble(trouble)) => return Err(trouble),
        }
    }
    Err(Trouble::Contended)
}

struct Closure<'a> {
    app: &'a App,
    remains: &'a Remains,
    budget: &'a mut Budget,
    deleted: Tally,
    objects: u64,
}

impl Closure<'_> {
    /// Deletes everything but the account and its entry in the list.
    async fn empty(&mut self) -> Result<Progress, Trouble> {
        let people: Vec<_> = self.remains.people().collect();
        for (table, pk) in people {
            if self.range(table, pk, "").await? == Progress::CutShort {
                return Ok(Progress::CutShort);
            }
        }
        // What is in a campaign, an import or a restore's quarantine before what names it.
        for kind in ["campaign", "import", "restore"] {
            let mut range = self.configuration(&format!("{kind}#"));
            while let Some(page) = self.page(&mut range).await? {
                for (key, kind) in page.items {
                    let inside = match kind.as_str() {
                        "campaign" => self.campaign(&key.sk).await?,
                        "restore" => self.restore(&key.sk).await?,
                        _ => self.import(&key.sk).await?,
                    };
                    if inside == Progress::CutShort {
                        return Ok(Progress::CutShort);
                    }
                    self.delete(vec![(key, kind)]).await?;
                }
                if page.next.is_none() {
                    break;
                }
            }
            if self.budget.is_spent() {
                return Ok(Progress::CutShort);
            }
        }
        for prefix in self.remains.objects() {
            let count = objects::delete_all(self.app, &prefix).await?;
            self.objects += u64::try_from(count).unwrap_or(u64::MAX);
        }
        let configuration = self.remains.configuration();
        self.range(Table::Main, configuration, "").await
    }

    async fn campaign(&mut self, sort_key: &str) -> Result<Progress, Trouble> {
        let Some(id) = named(sort_key).and_then(|id| CampaignId::parse(id).ok()) else {
            return Ok(Progress::Done);
        };
        let pk = self.remains.campaign(&id);
        let mut arcs = range(Table::Main, pk.clone(), "arc#");
        while let Some(page) = self.page(&mut arcs).await? {
            for (key, _) in &page.items {
                let Some((round, number)) = Arc::of_sort_key(&key.sk) else {
                    continue;
                };
                let ledger = self.remains.ledger(&id, round, number);
                if self.range(Table::Main, ledger, "").await? == Progress::CutShort {
                    return Ok(Progress::CutShort);
                }
            }
            self.delete(page.items).await?;
            if page.next.is_none() {
                break;
            }
        }
        if self.range(Table::Main, pk, "").await? == Progress::CutShort {
            return Ok(Progress::CutShort);
        }
        let running = self.remains.running(&id);
        self.app.store.delete_all(&[running]).await?;
        Ok(Progress::Done)
    }

    async fn import(&mut self, sort_key: &str) -> Result<Progress, Trouble> {
        let Some(id) = named(sort_key).and_then(|id| ImportId::parse(id).ok()) else {
            return Ok(Progress::Done);
        };
        let pk = self.remains.import(&id);
        self.range(Table::Main, pk, "").await
    }

    async fn restore(&mut self, sort_key: &str) -> Result<Progress, Trouble> {
        let Some(id) = named(sort_key).and_then(|id| RestoreId::parse(id).ok()) else {
            return Ok(Progress::Done);
        };
        let partitions: Vec<_> = self.remains.quarantine(&id).collect();
        for pk in partitions {
            if self.range(Table::Main, pk, "").await? == Progress::CutShort {
                return Ok(Progress::CutShort);
            }
        }
        Ok(Progress::Done)
    }

    /// Deletes a range, but not the account's own item.
    async fn range(&mut self, table: Table, pk: String, prefix: &str) -> Result<Progress, Trouble> {
        let mut range = range(table, pk, prefix);
        while let Some(page) = self.page(&mut range).await? {
            self.delete(page.items).await?;
            if page.next.is_none() {
                return Ok(Progress::Done);
            }
        }
        Ok(Progress::CutShort)
    }

    /// The next page; `None` when the budget is spent.
    async fn page(&self, range: &mut Range) -> Result<Option<Page<(Key, String)>>, Trouble> {
        if self.budget.is_spent() {
            return Ok(None);
        }
        range.limit = i32::try_from(self.budget.items.min(PAGE)).unwrap_or(1);
        let page = self.app.store.remains(range).await?;
        range.after.clone_from(&page.next);
        Ok(Some(page))
    }

    async fn delete(&mut self, mut items: Vec<(Key, String)>) -> Result<(), Trouble> {
        items.retain(|(_, kind)| kind != Account::KIND);
        let (keys, kinds): (Vec<Key>, Vec<String>) = items.into_iter().unzip();
        self.app.store.delete_all(&keys).await?;
        self.budget.items = self.budget.items.saturating_sub(keys.len());
        for kind in kinds {
            self.deleted.count(&kind);
        }
        Ok(())
    }

    fn configuration(&self, prefix: &str) -> Range {
        range(Table::Main, self.remains.configuration(), prefix)
    }
}

fn range(table: Table, pk: String, prefix: &str) -> Range {
    Range {
        table,
        pk,
        prefix: prefix.to_owned(),
        after: None,
        limit: 1,
    }
}

/// What a sort key of the configuration names.
fn named(sort_key: &str) -> Option<&str> {
    sort_key.split_once('#').map(|(_, id)| id)
}
