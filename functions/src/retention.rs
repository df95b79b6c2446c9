//! `retention`: hourly, deletes what is due, leaves a report in numbers, seals the evidence.
//!
//! What is due is already absent to everybody else; here it goes for good, TTL being only the
//! backstop. A run that is cut short is gone on with by the next; two at once do no harm. What it
//! holds in memory is a page of keys, and for each account it touched the numbers of its report.

mod anonymise;
mod closure;
mod import_files;
mod marks;
pub(crate) mod objects;
mod reports;
mod seal;

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use jiff::Timestamp;
use rundbrief::archive::Archive;
use rundbrief::erasure::{Erasure, is_overdue};
use rundbrief::key::Key;
use rundbrief::policy::Store as Kind;
use rundbrief::record::DueWork;
use rundbrief::retention::{Tally, Verdict, kinds_apart, verdict};
use serde_json::{Value, json};
use tokio::time::Instant;

use self::closure::{Budget, Progress};
use self::reports::Reports;
use crate::app::{App, Trouble};
use crate::due::Walk;
use crate::function::Failure;
use crate::store::{DueEntry, WriteError};
use crate::{erasure, hold};

/// How much one run does.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Items to look at.
    pub items: usize,
    /// Items of closed accounts to delete besides.
    pub purge: usize,
    /// How long to look at items: a backlog is not to keep erasures and seals waiting.
    pub sweep: Duration,
    /// How long to begin something new: sealing has its own time after it.
    pub time: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            items: 1_000_000,
            purge: 1_000_000,
            sweep: Duration::from_mins(5),
            time: Duration::from_secs(380),
        }
    }
}

/// How long the function begins something new, sealing included; the rest of its 600 s is for
/// ending it.
const ALL_TIME: Duration = Duration::from_secs(500);

/// Items worked on at the same time.
const AT_ONCE: usize = 16;

/// Handles the schedule's call.
///
/// # Errors
/// When a service does not answer; the next run goes on.
pub async fn handle(app: Arc<App>, _event: Value) -> Result<Value, Failure> {
    let stop_at = Instant::now() + ALL_TIME;
    let report = run(&app, Bounds::default()).await;
    // Whatever became of the deletions: evidence is not to wait for them.
    let sealed = seal::seal_all(&app, stop_at).await;
    let mut answer = report?;
    answer["sealed"] = sealed?;
    Ok(answer)
}

/// What a run has done so far.
struct Run {
    examined: usize,
    failed: usize,
    archives: usize,
    objects: usize,
    more: bool,
    /// The accounts whose end is over.
    ended: Vec<Key>,
    reports: Reports,
}

/// What became of one key.
enum Outcome {
    /// This run deleted it, with so many objects if it was an archive.
    Deleted { kind: String, objects: usize },
    /// An account that is over: what is in it goes first.
    EndsAccount,
    /// It stays, or is gone already.
    Left,
    /// It could not be deleted this time.
    Failed,
}

/// Deletes what is due, within `bounds`; answers with the report.
///
/// # Errors
/// When the index does not answer or the report cannot be written.
pub async fn run(app: &App, bounds: Bounds) -> Result<Value, Trouble> {
    let now = app.now();
    let stop_at = Instant::now() + bounds.time;
    let sweep_until = stop_at.min(Instant::now() + bounds.sweep);
    let mut run = Run {
        examined: 0,
        failed: 0,
        archives: 0,
        objects: 0,
        more: false,
        ended: Vec::new(),
        reports: Reports::begin(app, now),
    };
    // First: what was held and is due goes with the same run.
    let holds = holds(app, now, stop_at).await?;
    // What waits to be mailed or told stands under the time of its next attempt, not of its end.
    for work in [DueWork::Expire, DueWork::Outbox, DueWork::Tell] {
        let mut walk = Walk::begin(app, work, now);
        loop {
            if run.examined >= bounds.items || Instant::now() >= sweep_until {
                run.more = true;
                break;
            }
            let Some(keys) = walk.next().await? else {
                break;
            };
            sweep(app, keys, now, &mut run).await?;
        }
    }
    end_accounts(app, &mut run, bounds, stop_at, now).await;
    if run.failed > 0 {
        // By this event the log is watched (docs/runbooks/retention.md), as by the others here.
        tracing::error!(
            event = "deletions_failed",
            failed = run.failed,
            "some of what is due could not be deleted"
        );
    }
    let erasures = erasures(app, now, stop_at).await?;
    let anonymised = Box::pin(anonymise::run(app, now, stop_at)).await?;
    let import_files = match Box::pin(import_files::delete(app, now, stop_at)).await {
        Ok(deleted) => json!(deleted),
        // The rest of the run is not to wait for the bucket; the next run comes back to it.
        Err(trouble) => {
            tracing::error!(%trouble, "files of imports could not be deleted");
            Value::Null
        }
    };
    let mut answer = answer(app, &run, now);
    run.reports.finish(app).await?;
    answer["erasures"] = erasures;
    answer["anonymised"] = anonymised;
    answer["import_files_deleted"] = import_files;
    answer["holds_ended"] = holds.into();
    Ok(answer)
}

/// One account after the other, each as far as the bounds go.
async fn end_accounts(app: &App, run: &mut Run, bounds: Bounds, stop_at: Instant, now: Timestamp) {
    let begun = Instant::now();
    let mut budget = Budget {
        items: bounds.purge,
        // Half of what is left: erasures and seals come after this.
        stop_at: begun + stop_at.saturating_duration_since(begun) / 2,
    };
    for key in std::mem::take(&mut run.ended) {
        let mut deleted = Tally::default();
        match closure::end(app, &key, now, &mut budget, &mut deleted).await {
            Ok(Progress::Done) => {}
            Ok(Progress::CutShort) => run.more = true,
            Err(_) => run.failed += 1,
        }
        run.reports.add(&deleted);
    }
    let mut deleted = Tally::default();
    match closure::end_orphans(app, now, &mut budget, &mut deleted).await {
        Ok(Progress::Done) => {}
        Ok(Progress::CutShort) => run.more = true,
        Err(_) => run.failed += 1,
    }
    run.reports.add(&deleted);
}

/// Ends the legal holds whose day is over; answers with how many.
async fn holds(app: &App, now: Timestamp, stop_at: Instant) -> Result<usize, Trouble> {
    let mut ended = 0;
    let mut walk = Walk::begin(app, DueWork::Hold, now);
    while Instant::now() < stop_at
        && let Some(keys) = walk.next().await?
    {
        for key in keys {
            match hold::end(app, &key, now, stop_at).await {
                Ok(()) => ended += 1,
                Err(trouble) => tracing::error!(%trouble, "a legal hold could not be ended"),
            }
        }
    }
    Ok(ended)
}

/// Goes on with the clean-up after erasures; answers in numbers.
async fn erasures(app: &App, now: Timestamp, stop_at: Instant) -> Result<Value, Trouble> {
    let mut went = Erasures::default();
    let mut walk = Walk::begin(app, DueWork::Erase, now);
    while Instant::now() < stop_at
        && let Some(entries) = walk.entries().await?
    {
        for DueEntry { key, at } in entries {
            let resumed = erasure::resume(app, &key, now, stop_at).await;
            went.overdue += usize::from(match &resumed {
                Ok(erasure) => erasure.as_ref().is_some_and(|one| one.is_overdue(now)),
                // It is due from its beginning on.
                Err(_) => is_overdue(at, now),
            });
            went.count(resumed);
        }
    }
    // Of these nothing is left to delete: a few reads each, and many at once.
    let mut walk = Walk::begin(app, DueWork::Settle, now);
    while Instant::now() < stop_at
        && let Some(keys) = walk.next().await?
    {
        let mut looked = futures::stream::iter(keys)
            .map(|key| async move { erasure::resume(app, &key, now, stop_at).await })
            .buffer_unordered(AT_ONCE);
        while let Some(resumed) = looked.next().await {
            went.count(resumed);
        }
    }
    if went.overdue > 0 {
        tracing::error!(
            event = "erasures_overdue",
            overdue = went.overdue,
            "erasures of more than a day ago have not deleted everything"
        );
    }
    Ok(json!({
        "completed": went.completed,
        "waiting": went.waiting,
        "failed": went.failed,
        "overdue": went.overdue,
    }))
}

/// How it went with the erasures that were due.
#[derive(Default)]
struct Erasures {
    completed: usize,
    waiting: usize,
    failed: usize,
    overdue: usize,
}

impl Erasures {
    fn count(&mut self, resumed: Result<Option<Erasure>, Trouble>) {
        match resumed {
            Ok(Some(erasure)) if !erasure.is_complete() => self.waiting += 1,
            Ok(_) => self.completed += 1,
            // The others are not to wait for this one; the next run comes back to it.
            Err(trouble) => {
                self.failed += 1;
                tracing::error!(%trouble, "an erasure could not be gone on with");
            }
        }
    }
}

async fn sweep(app: &App, keys: Vec<Key>, now: Timestamp, run: &mut Run) -> Result<(), Trouble> {
    let mut outcomes = futures::stream::iter(keys)
        .map(|key| async move {
            let outcome = look_at(app, &key, now).await;
            (key, outcome)
        })
        .buffer_unordered(AT_ONCE);
    while let Some((key, outcome)) = outcomes.next().await {
        run.examined += 1;
        match outcome {
            Ok(Outcome::Deleted { kind, objects }) => {
                run.reports.count(&key, &kind);
                run.archives += usize::from(Kind::Archive.kinds().contains(&kind.as_str()));
                run.objects += objects;
                run.reports.keep(app).await?;
            }
            Ok(Outcome::EndsAccount) => run.ended.push(key),
            Ok(Outcome::Left) => {}
            Ok(Outcome::Failed) | Err(_) => run.failed += 1,
        }
    }
    Ok(())
}

async fn look_at(app: &App, key: &Key, now: Timestamp) -> Result<Outcome, Trouble> {
    // Mostly it is over and stands alone: one call.
    if let Some(kind) = app.store.delete_expired(key, &kinds_apart(), now).await? {
        return Ok(Outcome::Deleted { kind, objects: 0 });
    }
    let Some(ending) = app.store.ending(key).await? else {
        return Ok(Outcome::Left);
    };
    match verdict(&ending.kind, ending.expires_at, now) {
        // What may go but did not has been put off meanwhile: the index names it again.
        Verdict::Keep | Verdict::Delete => Ok(Outcome::Left),
        Verdict::DeleteArchive => archive(app, key, ending.kind, now).await,
        Verdict::EndAccount => Ok(Outcome::EndsAccount),
    }
}

/// An archive's objects first, then its entry: were it the other way round, a run that is cut
/// short would leave objects that nothing names.
async fn archive(app: &App, key: &Key, kind: String, now: Timestamp) -> Result<Outcome, Trouble> {
    let Some(archive) = app.store.get_even_expired::<Archive>(key).await? else {
        return Ok(Outcome::Left);
    };
    if !archive.is_over(now) {
        return Ok(Outcome::Left);
    }
    let objects = objects::delete_all(app, &archive.object_prefix()).await?;
    match app.store.delete(key, archive.rev).await {
        Ok(()) => Ok(Outcome::Deleted { kind, objects }),
        Err(WriteError::Conflict) => Ok(Outcome::Failed),
        Err(WriteError::Trouble(trouble)) => Err(trouble),
    }
}

/// What the function answers with: the report of the whole run, and how it went.
fn answer(app: &App, run: &Run, now: Timestamp) -> Value {
    json!({
        "id": run.reports.run().to_string(),
        "from": now,
        "until": app.now(),
        "examined": run.examined,
        "deleted": run.reports.deleted(),
        "archives_deleted": run.archives,
        "objects_deleted": run.objects,
        "failed": run.failed,
        "more": run.more,
    })
}
