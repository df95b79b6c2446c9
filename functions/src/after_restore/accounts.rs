//! The check list's lines about accounts: their keys, their sending, their campaigns and mails.
//!
//! What is said of people is in `people`.

use jiff::Timestamp;
use rundbrief::account::Account;
use rundbrief::campaign::{Campaign, CampaignState, Running};
use rundbrief::key::{AccountScope, Key, Table};
use rundbrief::outbox::{Attempt, Outbox};
use rundbrief::record::{DueWork, Expect, Stored};
use rundbrief::restore::Freeze;
use rundbrief::restore::full::FullRestore;
use rundbrief::time::plus_days;
use rundbrief::tombstone_mark::TombstoneMark;

use super::{Line, Mode, Standing, begun_at, put_work, work};
use crate::app::{App, Trouble};
use crate::campaign::{ChangeError, interrupt_all, unschedule};
use crate::due::Walk;
use crate::store::{Range, WriteError};

/// Accounts per page of the directory.
const ACCOUNTS: i32 = 100;
/// Further ahead than any mail waits for its next attempt.
const WAITS_DAYS: u32 = 60;
/// How often a write that lost a race is tried again.
const ATTEMPTS: usize = 8;

/// The accounts that are there, one page after the other.
pub(crate) struct Accounts<'a> {
    app: &'a App,
    after: Option<String>,
    is_over: bool,
}

impl<'a> Accounts<'a> {
    /// Begins behind this account.
    pub(crate) fn after(app: &'a App, after: Option<String>) -> Self {
        Self {
            app,
            after,
            is_over: false,
        }
    }

    /// The next accounts, each with its scope if its key can be derived; `None` at the end.
    pub(crate) async fn next(
        &mut self,
    ) -> Result<Option<Vec<(Account, Option<AccountScope>)>>, Trouble> {
        if self.is_over {
            return Ok(None);
        }
        let (app, now) = (self.app, self.app.now());
        let page = app.store.accounts(self.after.take(), ACCOUNTS, now).await?;
        self.is_over = page.next.is_none();
        self.after = page.next;
        let secrets = &app.keys().await?.secrets;
        let reads = page.items.iter().map(|id| app.store.account(id, now));
        // An entry may outlive its account.
        let found = futures::future::try_join_all(reads).await?;
        let found = found.into_iter().flatten().map(|account| {
            let scope = account.scope(secrets, now);
            (account, scope)
        });
        Ok(Some(found.collect()))
    }
}

/// Every account's key can be derived: with another secret its tombstones name nobody.
pub(super) async fn keys(app: &App) -> Result<Line, Trouble> {
    let (mut all, mut without) = (0_u64, 0_u64);
    let mut accounts = Accounts::after(app, None);
    while let Some(page) = accounts.next().await? {
        for (_, scope) in page {
            all += 1;
            without += u64::from(scope.is_none());
        }
    }
    let note = format!("{all} accounts, {without} without a key under this platform secret");
    let standing = if without == 0 && all > 0 {
        Standing::Done
    } else {
        Standing::Failed
    };
    Ok(Line::new("keys", standing, note))
}

/// Every account's mark is beside its tombstones: an empty table knows nobody who left, and one of
/// another platform knows others.
pub(super) async fn marks(app: &App) -> Result<Line, Trouble> {
    let (mut all, mut without) = (0_u64, 0_u64);
    let mut accounts = Accounts::after(app, None);
    while let Some(page) = accounts.next().await? {
        for (account, scope) in page {
            let Some(scope) = scope else { continue };
            let place = Key::tombstone_mark(&account.id);
            let mark: Option<TombstoneMark> = app.store.get(&place, app.now()).await?;
            all += 1;
            without += u64::from(!mark.is_some_and(|mark| mark.vouches_for(&scope)));
        }
    }
    let note = format!("{all} accounts, {without} without their mark in the tombstone table");
    let standing = if without == 0 {
        Standing::Done
    } else {
        Standing::Failed
    };
    Ok(Line::new("tombstones known", standing, note))
}

/// Holds every account's list mail until a person releases it.
pub(super) async fn freeze(app: &App, mode: Mode) -> Result<Line, Trouble> {
    let step = "sending frozen";
    let begun = work(app, mode).await?;
    if let Some(released) = begun.as_ref().and_then(|begun| begun.released_at) {
        return Ok(Line::new(
            step,
            Standing::Done,
            format!("released at {released}"),
        ));
    }
    let (mut frozen, mut open) = (0_u64, 0_u64);
    let mut accounts = Accounts::after(app, None);
    while let Some(page) = accounts.next().await? {
        for (_, scope) in page {
            let Some(scope) = scope else { continue };
            let holds = match &begun {
                Some(begun) if mode == Mode::Apply => freeze_one(app, &scope, begun).await?,
                Some(begun) => {
                    let known = current(app, &scope).await?;
                    known.is_some_and(|known| begun.owns(&known))
                }
                None => false,
            };
            frozen += u64::from(holds);
            open += u64::from(!holds);
        }
    }
    let note = format!("{frozen} accounts frozen, {open} not");
    Ok(Line::counted(step, mode, open, note))
}

async fn current(app: &App, scope: &AccountScope) -> Result<Option<Freeze>, Trouble> {
    app.store.get(&Freeze::place(scope), app.now()).await
}

/// Also in the place of a freeze out of the copy: whoever discards that restore must not lift
/// this one.
async fn freeze_one(app: &App, scope: &AccountScope, begun: &FullRestore) -> Result<bool, Trouble> {
    for _ in 0..ATTEMPTS {
        let known = current(app, scope).await?;
        if known.as_ref().is_some_and(|known| begun.owns(known)) {
            return Ok(true);
        }
        let freeze = Freeze {
            rev: known.as_ref().map_or(1, |known| known.rev + 1),
            ..begun.freeze()
        };
        let expect = Expect::unchanged(known.as_ref());
        match app.store.put(scope, &freeze, expect, app.now()).await {
            Ok(()) => return Ok(true),
            Err(WriteError::Conflict) => {}
            Err(WriteError::Trouble(trouble)) => return Err(trouble),
        }
    }
    Ok(false)
}

/// Lifts what [`freeze`] put, and nothing else.
pub(super) async fn release(app: &App) -> Result<Line, Trouble> {
    let step = "sending released";
    let now = app.now();
    let Some(begun) = work(app, Mode::Release).await? else {
        return Ok(Line::new(step, Standing::Failed, "nothing was begun here"));
    };
    let mut released = 0_u64;
    let mut accounts = Accounts::after(app, None);
    while let Some(page) = accounts.next().await? {
        for (_, scope) in page {
            let Some(scope) = scope else { continue };
            let Some(known) = current(app, &scope)
                .await?
                .filter(|known| begun.owns(known))
            else {
                continue;
            };
            let lifted = Freeze {
                rev: known.rev + 1,
                gone_at: Some(now),
                ..known.clone()
            };
            let expect = Expect::Revision(known.rev);
            match app.store.put(&scope, &lifted, expect, now).await {
                Ok(()) => released += 1,
                Err(WriteError::Conflict) => return Err(Trouble::Contended),
                Err(WriteError::Trouble(trouble)) => return Err(trouble),
            }
        }
    }
    if begun.released_at.is_none() {
        let done = FullRestore {
            released_at: Some(now),
            ..begun.clone()
        };
        put_work(app, &begun, done).await?;
    }
    let note = format!("{released} accounts may send again");
    Ok(Line::new(step, Standing::Done, note))
}

/// Interrupts what was being sent when the copy was made, and takes back plans whose time has
/// come: both may have gone out since.
pub(super) async fn hold_campaigns(app: &App, mode: Mode) -> Result<Line, Trouble> {
    let now = app.now();
    let copied = begun_at(app, mode).await?;
    let (mut open, mut interrupted, mut unscheduled) = (0_u64, 0, 0_u64);
    let mut accounts = Accounts::after(app, None);
    while let Some(page) = accounts.next().await? {
        for (account, scope) in page {
            let Some(scope) = scope else { continue };
            if mode == Mode::Apply {
                interrupted += interrupt_all(app, &scope, now).await?;
            }
            let prefix = format!("{}#", account.id);
            let running: Vec<Running> = app.store.all(&Running::partition(), &prefix, now).await?;
            for one in running {
                let key = scope.campaign(&one.campaign, "control");
                let control: Option<rundbrief::campaign::control::Control> =
                    app.store.get(&key, now).await?;
                let sends = |state| state == CampaignState::Sending;
                open += u64::from(control.is_some_and(|control| sends(control.state)));
            }
            for campaign in due_plans(app, &scope, copied).await? {
                if mode != Mode::Apply {
                    open += 1;
                    continue;
                }
                match unschedule(app, &scope, &campaign.id, campaign.problem, now).await {
                    Ok(_) => unscheduled += 1,
                    Err(ChangeError::Trouble(trouble)) => return Err(trouble),
                    Err(ChangeError::NotFound | ChangeError::Refused(_)) => open += 1,
                }
            }
        }
    }
    let note = match mode {
        Mode::Apply => format!("{interrupted} interrupted, {unscheduled} plans taken back"),
        Mode::Check | Mode::Release => format!("{open} would send by themselves"),
    };
    Ok(Line::counted("campaigns held", mode, open, note))
}

/// The campaigns that were to start by the time the work began.
async fn due_plans(
    app: &App,
    scope: &AccountScope,
    copied: Timestamp,
) -> Result<Vec<Campaign>, Trouble> {
    let now = app.now();
    let mut range = Range {
        table: Table::Main,
        pk: scope.configuration_partition(),
        prefix: format!("{}#", Campaign::KIND),
        after: None,
        limit: 100,
    };
    let mut due = Vec::new();
    loop {
        let page = app.store.page::<Campaign>(&range, now).await?;
        due.extend(page.items.into_iter().filter(|campaign| {
            campaign.state == CampaignState::Scheduled
                && campaign.scheduled_at.is_none_or(|at| at <= copied)
        }));
        range.after = page.next;
        if range.after.is_none() {
            return Ok(due);
        }
    }
}

/// Gives up every mail to one person that the copy says is still to be sent: most were sent since,
/// and who did not get theirs can sign up again.
pub(super) async fn give_up_mails(app: &App, mode: Mode) -> Result<Line, Trouble> {
    let (mut given_up, mut open) = (0_u64, 0_u64);
    let copied = begun_at(app, mode).await?;
    let end = plus_days(app.now(), WAITS_DAYS);
    let mut walk = Walk::begin(app, DueWork::Outbox, end);
    while let Some(keys) = walk.next().await? {
        for key in keys {
            let now = app.now();
            let Some(outbox) = app.store.get::<Outbox>(&key, now).await? else {
                continue;
            };
            // What was promised since is none of the copy's.
            if outbox.attempt(now) == Attempt::Done || outbox.event.made_at() > copied {
                continue;
            }
            if mode != Mode::Apply {
                open += 1;
                continue;
            }
            let over = outbox.given_up(now);
            let expect = Expect::Revision(outbox.rev);
            match app.store.put_at(&key, &over, expect, now).await {
                Ok(()) => given_up += 1,
                Err(WriteError::Conflict) => open += 1,
                Err(WriteError::Trouble(trouble)) => return Err(trouble),
            }
        }
    }
    let note = match mode {
        Mode::Apply => format!("{given_up} given up, {open} changed meanwhile"),
        Mode::Check | Mode::Release => format!("{open} would be mailed"),
    };
    Ok(Line::counted("mails not repeated", mode, open, note))
}
