//! After a restore of the full copy: works through the check list on the restored table, before
//! anything else uses it. For an operator's own credentials; no Lambda runs it.
//!
//! Every step can be repeated, and goes on where it was killed. What is decided about a person is
//! `rundbrief::restore::full`'s part; an account's archive is `restore`'s.

pub(crate) mod accounts;
mod people;
mod table;

use futures::future::LocalBoxFuture;
use jiff::Timestamp;
use rundbrief::record::{DueWork, Expect, Stored};
use rundbrief::restore::full::FullRestore;
use serde_json::Value;

use crate::app::{App, Trouble};
use crate::due::Walk;
use crate::retention::{self, Bounds};
use crate::store::WriteError;

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Look only.
    Check,
    /// Do what is missing.
    Apply,
    /// Let the accounts send again, once everything else is done.
    Release,
}

/// How the platform is deployed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// What is to be done.
    pub mode: Mode,
    /// Whether the table has a replica in a second region, which needs its stream.
    pub replicated: bool,
}

/// How a line of the check list stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// As it must be.
    Done,
    /// Not yet; `Apply` does it.
    ToDo,
    /// It was tried and is not as it must be.
    Failed,
    /// This engine has no such thing: nobody can say that it is done.
    NotSupported,
}

impl Standing {
    /// As the check list shows it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::ToDo => "to do",
            Self::Failed => "FAILED",
            Self::NotSupported => "not supported here",
        }
    }
}

/// A line of the check list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What.
    pub step: &'static str,
    /// How it stands.
    pub standing: Standing,
    /// In words and numbers; never a person's data.
    pub note: String,
}

impl Line {
    fn new(step: &'static str, standing: Standing, note: impl Into<String>) -> Self {
        Self {
            step,
            standing,
            note: note.into(),
        }
    }

    /// A line about things that are still to be changed, or were.
    fn counted(step: &'static str, mode: Mode, open: u64, note: String) -> Self {
        let standing = match mode {
            _ if open == 0 => Standing::Done,
            Mode::Check => Standing::ToDo,
            Mode::Apply | Mode::Release => Standing::Failed,
        };
        Self::new(step, standing, note)
    }
}

/// Told of each line as soon as it is known.
pub type Tell<'a> = &'a mut (dyn FnMut(Line) + Send);

/// Works through the check list; the lines, in their order. It stops early only where going on
/// would do harm: the wrong tables, an account whose key cannot be derived, or one whose tombstones are
/// not here.
pub fn run<'a>(app: &'a App, options: Options, tell: Tell<'a>) -> LocalBoxFuture<'a, Vec<Line>> {
    Box::pin(work_through(app, options, tell))
}

async fn work_through(app: &App, options: Options, tell: Tell<'_>) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let mut say = |line: Line| {
        tell(line.clone());
        lines.push(line);
    };
    let mode = options.mode;
    let mut is_safe = true;
    for line in [
        table::tables(app).await,
        line_of("keys", accounts::keys(app).await),
    ] {
        is_safe &= line.standing == Standing::Done;
        say(line);
    }
    if !is_safe {
        return lines;
    }
    let marks = line_of("tombstones known", accounts::marks(app).await);
    let are_known = marks.standing == Standing::Done;
    say(marks);
    if !are_known {
        return lines;
    }
    if mode == Mode::Apply && was_released(app).await {
        let note = "this table is in use since it was released";
        say(Line::new("sending released", Standing::Done, note));
        return lines;
    }
    // First of all, so that a platform that is pointed here too early mails nobody.
    if mode == Mode::Apply {
        say(line_of("sending frozen", accounts::freeze(app, mode).await));
    }
    say(table::time_to_live(app, mode).await);
    say(table::stream(app, mode, options.replicated).await);
    say(table::recovery_window(app, mode).await);
    say(table::deletion_protection(app, mode).await);
    say(line_of(
        "campaigns held",
        accounts::hold_campaigns(app, mode).await,
    ));
    say(line_of(
        "mails not repeated",
        accounts::give_up_mails(app, mode).await,
    ));
    say(line_of(
        "tombstones replayed",
        Box::pin(people::replay_all(app, mode)).await,
    ));
    // From the cut-over on this is the hourly run's.
    if mode != Mode::Release {
        let dropped = drop_expired(app, mode).await;
        say(line_of("expired items dropped", dropped));
    }
    if mode != Mode::Apply {
        // Asked last: a release lifts it only when all else stands.
        let stands = lines
            .iter()
            .all(|line| matches!(line.standing, Standing::Done | Standing::NotSupported));
        let line = match mode {
            Mode::Release if stands => line_of("sending released", accounts::release(app).await),
            Mode::Release => Line::new(
                "sending released",
                Standing::Failed,
                "not before every line above is done: run it with --apply",
            ),
            Mode::Check | Mode::Apply => {
                line_of("sending frozen", accounts::freeze(app, mode).await)
            }
        };
        tell(line.clone());
        lines.push(line);
    }
    lines
}

fn line_of(step: &'static str, result: Result<Line, Trouble>) -> Line {
    result.unwrap_or_else(|trouble| Line::new(step, Standing::Failed, trouble.to_string()))
}

async fn was_released(app: &App) -> bool {
    let known = work(app, Mode::Check).await;
    known.is_ok_and(|known| known.is_some_and(|known| known.released_at.is_some()))
}

/// What is older than this came out of the copy.
async fn begun_at(app: &App, mode: Mode) -> Result<Timestamp, Trouble> {
    let known = work(app, mode).await?;
    Ok(known.map_or_else(|| app.now(), |known| known.begun_at))
}

/// The work on this table, begun if it is not.
async fn work(app: &App, mode: Mode) -> Result<Option<FullRestore>, Trouble> {
    let now = app.now();
    let place = FullRestore::place();
    let known: Option<FullRestore> = app.store.get(&place, now).await?;
    if known.is_some() || mode != Mode::Apply {
        return Ok(known);
    }
    let id = rundbrief::id::RestoreId::generate(now, app.entropy.as_ref());
    let begun = FullRestore::begin(id, now);
    match app.store.put_at(&place, &begun, Expect::Absent, now).await {
        Ok(()) => Ok(Some(begun)),
        Err(WriteError::Conflict) => app.store.get(&place, now).await,
        Err(WriteError::Trouble(trouble)) => Err(trouble),
    }
}

/// Writes down how far the work is; two commands at once do no harm, but one of them stops.
async fn put_work(
    app: &App,
    before: &FullRestore,
    after: FullRestore,
) -> Result<FullRestore, Trouble> {
    let after = FullRestore {
        rev: before.rev + 1,
        ..after
    };
    let expect = Expect::Revision(before.revision());
    let place = FullRestore::place();
    match app.store.put_at(&place, &after, expect, app.now()).await {
        Ok(()) => Ok(after),
        Err(WriteError::Conflict) => Err(Trouble::Contended),
        Err(WriteError::Trouble(trouble)) => Err(trouble),
    }
}

/// Deletes what expired since the copy was made, and goes on with erasures, as the hourly run does.
async fn drop_expired(app: &App, mode: Mode) -> Result<Line, Trouble> {
    let step = "expired items dropped";
    if mode != Mode::Apply {
        let mut walk = Walk::begin(app, DueWork::Expire, app.now());
        let mut open = 0;
        while let Some(keys) = walk.next().await? {
            open += keys.len() as u64;
        }
        let note = format!("{open} items are due");
        return Ok(Line::counted(step, mode, open, note));
    }
    let mut deleted = 0;
    loop {
        let report: Value = retention::run(app, Bounds::default()).await?;
        let kinds = report["deleted"].as_object().into_iter().flatten();
        deleted += kinds.filter_map(|(_, count)| count.as_u64()).sum::<u64>();
        let failed = report["failed"].as_u64().unwrap_or_default();
        if report["more"] != true || failed > 0 {
            let note = format!("{deleted} deleted, {failed} could not be");
            return Ok(Line::counted(step, mode, failed, note));
        }
    }
}
