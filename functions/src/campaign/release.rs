//! The minute's work on running campaigns: shares, arcs into the queue, totals, the end.
//!
//! What is released is decided in the domain; a second firing at once finds the conditions taken.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rundbrief::campaign::arc::Arc;
use rundbrief::campaign::control::Control;
use rundbrief::campaign::release::{Quota, fold, release, share};
use rundbrief::campaign::{CampaignState, Limits, Refusal, Running};
use rundbrief::id::{AccountId, CampaignId};
use rundbrief::key::{AccountScope, Table};
use rundbrief::message::{ArcMessage, MESSAGE_VERSION};
use rundbrief::record::Expect;

use super::change::{ChangeError, decide};
use crate::app::{App, Trouble};
use crate::settings::InvalidSetting;
use crate::store::{Range, WriteError};

/// Arcs put into the queue at the same time.
const AT_ONCE: usize = 10;

/// What was done in one minute.
#[derive(Debug, Default)]
pub(super) struct Released {
    pub(super) running: usize,
    pub(super) arcs: usize,
    pub(super) finished: usize,
    pub(super) stuck: u32,
}

struct Job {
    account: AccountId,
    campaign: CampaignId,
    scope: AccountScope,
    control: Control,
}

/// Goes over all running campaigns.
///
/// # Errors
/// When a service does not answer; one campaign's trouble does not hold another's.
pub(super) async fn all(app: &App, now: Timestamp) -> Result<Released, Trouble> {
    let running: Vec<Running> = app.store.all(&Running::partition(), "", now).await?;
    let mut scopes: BTreeMap<AccountId, Option<AccountScope>> = BTreeMap::new();
    let mut jobs = Vec::new();
    for Running {
        account, campaign, ..
    } in running
    {
        if !scopes.contains_key(&account) {
            // A closed account's campaigns rest; nobody mails for it any more.
            let open = app.open_account(&account, now).await?;
            scopes.insert(account.clone(), open.map(|(_, scope)| scope));
        }
        let Some(scope) = scopes.get(&account).cloned().flatten() else {
            continue;
        };
        let key = scope.campaign(&campaign, Control::SORT_KEY);
        if let Some(control) = app.store.get::<Control>(&key, now).await? {
            jobs.push(Job {
                account,
                campaign,
                scope,
                control,
            });
        }
    }
    let sending: Vec<_> = jobs
        .iter()
        .filter(|job| job.control.state == CampaignState::Sending)
        .map(|job| (job.account.clone(), job.campaign.clone()))
        .collect();
    let shares = if sending.is_empty() {
        BTreeMap::new()
    } else {
        share(&quota(app).await?, &sending)
    };
    let mut done = Released {
        running: jobs.len(),
        ..Released::default()
    };
    let mut worst = Ok(());
    for job in jobs {
        let name = (job.account.clone(), job.campaign.clone());
        let spacing = shares.get(&name).copied().unwrap_or(0);
        match one(app, &job, spacing, now).await {
            Ok((arcs, finished, stuck)) => {
                done.arcs += arcs;
                done.finished += usize::from(finished);
                done.stuck += stuck;
            }
            Err(trouble) => {
                tracing::error!(account = %job.account, campaign = %job.campaign, %trouble, "a campaign's minute failed");
                worst = Err(trouble);
            }
        }
    }
    if done.stuck > 0 {
        tracing::error!(arcs = done.stuck, "arcs make no progress");
    }
    worst.map(|()| done)
}

async fn quota(app: &App) -> Result<Quota, Trouble> {
    let answer = app
        .clients
        .ses()
        .get_account()
        .send()
        .await
        .map_err(|error| {
            let code = aws_smithy_types::error::metadata::ProvideErrorMetadata::code(&error);
            tracing::error!(code, "the mail service's quota could not be read");
            Trouble::Mail
        })?;
    let quota = answer.send_quota().ok_or(Trouble::Mail)?;
    Ok(Quota {
        rate: if answer.sending_enabled() {
            quota.max_send_rate()
        } else {
            0.0
        },
        day: quota.max24_hour_send(),
        used: quota.sent_last24_hours(),
    })
}

/// One campaign's minute: arcs released, whether it finished, how many arcs are stuck.
async fn one(
    app: &App,
    job: &Job,
    spacing: i64,
    now: Timestamp,
) -> Result<(usize, bool, u32), Trouble> {
    let limits = Limits::default();
    let open = open_arcs(app, job, now).await?;
    // Pace and totals first: a worker without pace gets no slot. The arcs released below are
    // counted in the next minute; which exist says the table.
    let (stuck, finished) = write_folded(app, job, &open, spacing, now).await?;
    if finished {
        return Ok((0, true, 0));
    }
    let mut released = 0;
    let todo = release(&job.control, &open, spacing, &limits, now);
    for some in todo.chunks(AT_ONCE) {
        let results = futures::future::join_all(
            some.iter()
                .map(|(arc, expect)| put_out(app, job, arc, *expect, now)),
        )
        .await;
        for result in results {
            released += usize::from(result?);
        }
    }
    Ok((released, false, stuck))
}

/// The arcs that exist, from the first unfolded one on.
async fn open_arcs(app: &App, job: &Job, now: Timestamp) -> Result<Vec<Arc>, Trouble> {
    let round = job.control.round;
    let mut range = Range {
        table: Table::Main,
        pk: job.scope.campaign_partition(&job.campaign),
        prefix: format!("arc#{round:05}#"),
        after: job
            .control
            .folded
            .checked_sub(1)
            .map(|last| Arc::sort_key(round, last)),
        limit: 1_000,
    };
    let mut arcs = Vec::new();
    loop {
        let page = app.store.page::<Arc>(&range, now).await?;
        arcs.extend(page.items);
        match page.next {
            Some(next) => range.after = Some(next),
            None => return Ok(arcs),
        }
    }
}

/// Writes the arc, then puts its message into the queue; whether this firing did it.
async fn put_out(
    app: &App,
    job: &Job,
    arc: &Arc,
    expect: Expect,
    now: Timestamp,
) -> Result<bool, Trouble> {
    match app.store.put(&job.scope, arc, expect, now).await {
        Ok(()) => {}
        Err(WriteError::Conflict) => return Ok(false),
        Err(WriteError::Trouble(trouble)) => return Err(trouble),
    }
    let queue = app
        .settings
        .send_queue_url
        .as_deref()
        .ok_or(InvalidSetting("SEND_QUEUE_URL"))?;
    let message = ArcMessage {
        v: MESSAGE_VERSION,
        account: job.account.clone(),
        campaign: job.campaign.clone(),
        round: arc.round,
        arc: arc.number,
    };
    app.enqueue(queue, &message).await?;
    Ok(true)
}

/// Writes pace, cursor and totals; ends the campaign when all arcs are closed. How many arcs are
/// stuck, and whether it ended.
async fn write_folded(
    app: &App,
    job: &Job,
    open: &[Arc],
    spacing: i64,
    now: Timestamp,
) -> Result<(u32, bool), Trouble> {
    let limits = Limits::default();
    let (folded, all_closed) = fold(&job.control, open, spacing, &limits, now);
    if all_closed && job.control.state == CampaignState::Sending {
        return Ok((0, finish(app, job, open, spacing, now).await?));
    }
    if folded != job.control {
        match app.store.put_folded(&job.scope, &folded).await {
            // Another firing, or a change of state: the next minute folds again.
            Ok(()) | Err(WriteError::Conflict) => {}
            Err(WriteError::Trouble(trouble)) => return Err(trouble),
        }
    }
    Ok((folded.stuck, false))
}

async fn finish(
    app: &App,
    job: &Job,
    open: &[Arc],
    spacing: i64,
    now: Timestamp,
) -> Result<bool, Trouble> {
    let result = decide(app, &job.scope, &job.campaign, now, |campaign, control| {
        let control = control.ok_or(ChangeError::NotFound)?;
        let (folded, all_closed) = fold(control, open, spacing, &Limits::default(), now);
        if !all_closed || control.state != CampaignState::Sending {
            return Err(ChangeError::Refused(Refusal::NotSending));
        }
        Ok(campaign.finish(&job.account, &folded, now))
    })
    .await;
    match result {
        Ok(_) => {
            tracing::info!(account = %job.account, campaign = %job.campaign, "a campaign is finished");
            Ok(true)
        }
        Err(ChangeError::Trouble(trouble)) => Err(trouble),
        Err(ChangeError::NotFound | ChangeError::Refused(_)) => Ok(false),
    }
}
