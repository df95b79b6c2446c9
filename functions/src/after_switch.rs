//! After a region switch, once replication has caught up: derives everybody anew from what
//! replication cannot overwrite. For an operator's own credentials; no Lambda runs it.
//!
//! What is derived of a person is `rundbrief::repair`'s part. Whoever is as they should be is not
//! touched, so it can be killed and begun again at any time.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rundbrief::id::{Partition, PersonKey};
use rundbrief::key::{AccountScope, Table};
use rundbrief::person::{Tombstone, Unsubscription};
use rundbrief::repair::{Remembered, rederive};
use rundbrief::sign_up::SignUp;
use rundbrief::suppression::{Rule, Suppression};
use rundbrief::time::zone;

use crate::after_restore::accounts::Accounts;
use crate::app::{App, Trouble};
use crate::erasure;
use crate::store::{Range, WriteError};

/// People of one page.
const PAGE: usize = 100;
/// How often one person is decided anew when somebody else changes them.
const ATTEMPTS: usize = 8;

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Write; only count otherwise.
    pub apply: bool,
    /// An instant up to which both regions held the same: some minutes before the first write that
    /// may not have been replicated.
    pub since: Timestamp,
}

/// What was found, or done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Report {
    /// People who were looked at.
    pub people: u64,
    /// Of them, who was not as they should be.
    pub repaired: u64,
    /// Accounts without a key under this platform secret: nobody of theirs was looked at.
    pub without_key: u64,
}

/// Looks at everybody of every account.
///
/// # Errors
/// When the tables cannot be read or written; what was done stays done.
pub async fn run(app: &App, options: Options) -> Result<Report, Trouble> {
    let mut report = Report::default();
    let mut accounts = Accounts::after(app, None);
    while let Some(page) = accounts.next().await? {
        for (account, scope) in page {
            let Some(scope) = scope else {
                report.without_key += 1;
                continue;
            };
            let zone = zone(&account.time_zone).map_err(|_| Trouble::Damaged)?;
            let work = Work {
                app,
                scope: &scope,
                zone: &zone,
                options,
            };
            for partition in Partition::all() {
                Box::pin(work.partition(partition, &mut report)).await?;
            }
        }
    }
    Ok(report)
}

/// One account.
struct Work<'a> {
    app: &'a App,
    scope: &'a AccountScope,
    zone: &'a TimeZone,
    options: Options,
}

impl Work<'_> {
    /// Whoever withdrew anything has a tombstone; everybody else who may be mailed, a profile.
    async fn partition(&self, partition: Partition, report: &mut Report) -> Result<(), Trouble> {
        let (app, scope) = (self.app, self.scope);
        let mut after = None;
        loop {
            let range = Range {
                table: Table::Tombstones,
                pk: scope.tombstones(partition),
                prefix: String::new(),
                after,
                limit: i32::try_from(PAGE).unwrap_or(i32::MAX),
            };
            let page = app.store.page::<Tombstone>(&range, app.now()).await?;
            for tombstone in page.items {
                Box::pin(self.person(tombstone.person, report)).await?;
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        loop {
            let now = app.now();
            let page = app
                .store
                .people_page(scope, partition, after, PAGE, now)
                .await?;
            let keys = page.items.iter().map(|(profile, _)| profile.person);
            let known = app.store.tombstones(scope, &keys.clone().collect()).await?;
            for key in keys.filter(|key| !known.contains_key(key)) {
                Box::pin(self.person(key, report)).await?;
            }
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    async fn person(&self, key: PersonKey, report: &mut Report) -> Result<(), Trouble> {
        let (store, scope) = (&self.app.store, self.scope);
        let rule = Rule::Address(key).id().map_err(|_| Trouble::Damaged)?;
        let rule = Suppression::place(scope, &rule);
        report.people += 1;
        for _ in 0..ATTEMPTS {
            let now = self.app.now();
            let (person, sign_ups, unsubscriptions, erasures) = futures::try_join!(
                store.person(scope, key, now),
                store.records::<SignUp>(scope, key, SignUp::RECORD, now),
                store.records::<Unsubscription>(scope, key, Unsubscription::RECORD, now),
                erasure::of_person(self.app, scope, key, now),
            )?;
            let suppression: Option<Suppression> = store.get(&rule, now).await?;
            let remembered = Remembered {
                person: &person,
                sign_ups: &sign_ups,
                unsubscriptions: &unsubscriptions,
                erasures: &erasures,
                suppressed_since: suppression.map(|one| one.created_at),
            };
            let derived = rederive(scope, remembered, self.options.since, self.zone);
            let Some(transaction) = derived else {
                return Ok(());
            };
            if !self.options.apply {
                report.repaired += 1;
                return Ok(());
            }
            match store.commit(scope, &transaction, now).await {
                Ok(()) => {
                    report.repaired += 1;
                    return Ok(());
                }
                Err(WriteError::Conflict) => {}
                Err(WriteError::Trouble(trouble)) => return Err(trouble),
            }
        }
        Err(Trouble::Contended)
    }
}
