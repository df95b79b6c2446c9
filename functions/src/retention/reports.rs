//! The reports of a run, of the whole and of each account, kept while it goes on.
//!
//! What is deleted cannot be counted again: a run that is killed leaves what it had told. How a
//! report looks is `rundbrief::retention`'s part.

use std::collections::BTreeMap;

use futures::StreamExt;
use jiff::Timestamp;
use rundbrief::id::{AccountId, EventId};
use rundbrief::key::Key;
use rundbrief::record::Expect;
use rundbrief::retention::{DeletionReport, Tally, UNTOLD};

use crate::app::{App, Trouble};
use crate::store::WriteError;

/// Reports written at the same time.
const AT_ONCE: usize = 16;

/// What a run deleted so far, and how much of it its reports tell.
pub(super) struct Reports {
    run: EventId,
    at: Timestamp,
    whole: Part,
    accounts: BTreeMap<AccountId, Part>,
    /// The accounts of which there is enough to tell; `None` is the whole run.
    ready: Vec<Option<AccountId>>,
}

/// One of the reports.
#[derive(Default)]
struct Part {
    deleted: Tally,
    untold: u64,
    /// The revision of what is stored; 0 for nothing.
    rev: u64,
}

impl Part {
    /// Whether there is enough now that is not told yet.
    fn count(&mut self, kind: &str) -> bool {
        self.deleted.count(kind);
        self.untold += 1;
        self.untold == UNTOLD
    }
}

impl Reports {
    pub(super) fn begin(app: &App, now: Timestamp) -> Self {
        Self {
            run: EventId::generate(now, app.entropy.as_ref()),
            at: now,
            whole: Part::default(),
            accounts: BTreeMap::new(),
            ready: Vec::new(),
        }
    }

    pub(super) fn run(&self) -> EventId {
        self.run
    }

    /// What the whole run deleted.
    pub(super) fn deleted(&self) -> &Tally {
        &self.whole.deleted
    }

    /// One more item of this kind is gone.
    pub(super) fn count(&mut self, key: &Key, kind: &str) {
        if self.whole.count(kind) {
            self.ready.push(None);
        }
        if let Some(account) = account_of(key) {
            let part = self.accounts.entry(account.clone()).or_default();
            if part.count(kind) {
                self.ready.push(Some(account));
            }
        }
    }

    /// What went with an account, which has its own report.
    pub(super) fn add(&mut self, deleted: &Tally) {
        self.whole.deleted.add(deleted);
        self.whole.untold += deleted.total();
    }

    /// Tells what there is enough of.
    ///
    /// # Errors
    /// When a report cannot be written.
    pub(super) async fn keep(&mut self, app: &App) -> Result<(), Trouble> {
        for account in std::mem::take(&mut self.ready) {
            let part = match &account {
                None => Some(&mut self.whole),
                Some(account) => self.accounts.get_mut(account),
            };
            if let Some(part) = part {
                write(app, self.run, self.at, account, part, false).await?;
            }
        }
        Ok(())
    }

    /// Tells the rest, and that it is all.
    ///
    /// # Errors
    /// When a report cannot be written.
    pub(super) async fn finish(self, app: &App) -> Result<(), Trouble> {
        let (run, at) = (self.run, self.at);
        let mut written = futures::stream::iter(self.accounts)
            .map(|(account, mut part)| async move {
                write(app, run, at, Some(account), &mut part, true).await
            })
            .buffer_unordered(AT_ONCE);
        while let Some(result) = written.next().await {
            result?;
        }
        let mut whole = self.whole;
        write(app, run, at, None, &mut whole, true).await
    }
}

async fn write(
    app: &App,
    run: EventId,
    at: Timestamp,
    account: Option<AccountId>,
    part: &mut Part,
    finished: bool,
) -> Result<(), Trouble> {
    let expect = match part.rev {
        0 => Expect::Absent,
        rev => Expect::Revision(rev),
    };
    let report = DeletionReport {
        rev: part.rev + 1,
        finished,
        ..DeletionReport::new(run, account.clone(), (at, app.now()), part.deleted.clone())
    };
    let written = match account {
        None => {
            let key = DeletionReport::place(run);
            app.store.put_at(&key, &report, expect, at).await
        }
        Some(account) => {
            let scope = match app.store.account(&account, at).await? {
                Some(account) => account.scope(&app.keys().await?.secrets, at),
                None => None,
            };
            match scope {
                Some(scope) => app.store.put(&scope, &report, expect, at).await,
                // An account that is gone has nobody to report to; the run's own report counts it.
                None => Ok(()),
            }
        }
    };
    match written {
        Ok(()) => {}
        // The run's number is random, nobody else writes there: it is what an attempt wrote whose
        // answer was lost.
        Err(WriteError::Conflict) => {}
        Err(WriteError::Trouble(trouble)) => return Err(trouble),
    }
    (part.rev, part.untold) = (report.rev, 0);
    Ok(())
}

/// The account whose item this is.
fn account_of(key: &Key) -> Option<AccountId> {
    let account = key.pk.strip_prefix("A#")?.split('#').next()?;
    AccountId::parse(account).ok()
}
