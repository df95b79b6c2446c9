//! Scheduling, pausing, resuming, cancelling: each a decision of the domain, carried out.
//!
//! A decision is made again when somebody else changed the campaign meanwhile.

use jiff::Timestamp;
use rundbrief::account::Account;
use rundbrief::campaign::control::{Control, PauseReason};
use rundbrief::campaign::{Campaign, Problem, Refusal, Running};
use rundbrief::id::CampaignId;
use rundbrief::key::AccountScope;
use rundbrief::record::{Expect, Record, Transaction};
use rundbrief::restore::Freeze;

use super::start;
use crate::app::{App, Trouble};
use crate::store::WriteError;

/// How often a decision is made again after somebody else changed the campaign meanwhile.
const ATTEMPTS: usize = 8;

/// Why a campaign was not changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// There is no such campaign.
    #[error("no such campaign")]
    NotFound,
    /// The campaign's state does not allow it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A service did not do what was asked.
    #[error(transparent)]
    Trouble(#[from] Trouble),
}

/// Plans a campaign for `at`, after checking that it could be sent as it is.
///
/// # Errors
/// [`Refusal::NotReady`] when it could not; when it has started.
pub async fn schedule(
    app: &App,
    account: &Account,
    scope: &AccountScope,
    id: &CampaignId,
    at: Timestamp,
    now: Timestamp,
) -> Result<Campaign, ChangeError> {
    let campaign: Campaign = app
        .store
        .get(&scope.configuration("campaign", id.as_str()), now)
        .await?
        .ok_or(ChangeError::NotFound)?;
    campaign.editable()?;
    not_frozen(app, scope, now).await?;
    start::check(app, account, scope, &campaign, now).await?;
    decide(app, scope, id, now, |campaign, _| {
        Ok(alone(campaign, campaign.scheduled(at, now)?))
    })
    .await
}

/// Sends a campaign as soon as possible: at the next minute.
///
/// # Errors
/// As [`schedule`].
pub async fn send_now(
    app: &App,
    account: &Account,
    scope: &AccountScope,
    id: &CampaignId,
    now: Timestamp,
) -> Result<Campaign, ChangeError> {
    schedule(app, account, scope, id, now, now).await
}

/// Puts a scheduled campaign back into draft.
///
/// # Errors
/// When it has started.
pub async fn unschedule(
    app: &App,
    scope: &AccountScope,
    id: &CampaignId,
    problem: Option<Problem>,
    now: Timestamp,
) -> Result<Campaign, ChangeError> {
    decide(app, scope, id, now, |campaign, _| {
        Ok(alone(campaign, campaign.unscheduled(problem)?))
    })
    .await
}

/// Holds a campaign; from the answer on, each running worker makes at most the one call it is at.
///
/// # Errors
/// When it is not being sent.
pub async fn pause(
    app: &App,
    scope: &AccountScope,
    id: &CampaignId,
    why: PauseReason,
    now: Timestamp,
) -> Result<Campaign, ChangeError> {
    decide(app, scope, id, now, |campaign, control| {
        let control = control.ok_or_else(|| without_control(campaign))?;
        Ok(campaign.pause(control, why, now)?)
    })
    .await
}

/// Lets a paused campaign go on.
///
/// # Errors
/// When it is not paused.
pub async fn resume(
    app: &App,
    scope: &AccountScope,
    id: &CampaignId,
    now: Timestamp,
) -> Result<Campaign, ChangeError> {
    not_frozen(app, scope, now).await?;
    decide(app, scope, id, now, |campaign, control| {
        let control = control.ok_or_else(|| without_control(campaign))?;
        let mut transaction = campaign.resume(control, now)?;
        transaction.check(Freeze::place(scope), Expect::Absent);
        Ok(transaction)
    })
    .await
}

/// Holds every campaign of the account that is being sent, for a restore; how many. None starts
/// or goes on behind its back: that takes the absence of the freeze.
///
/// # Errors
/// When the store does not answer.
pub async fn interrupt_all(
    app: &App,
    scope: &AccountScope,
    now: Timestamp,
) -> Result<usize, Trouble> {
    let prefix = format!("{}#", scope.account());
    let running: Vec<Running> = app.store.all(&Running::partition(), &prefix, now).await?;
    let mut interrupted = 0;
    for Running { campaign: id, .. } in running {
        let held = decide(app, scope, &id, now, |campaign, control| {
            let control = control.ok_or_else(|| without_control(campaign))?;
            let transaction = campaign.interrupt(control, now);
            Ok(transaction.ok_or(Refusal::NotSending)?)
        });
        match held.await {
            Ok(_) => interrupted += 1,
            Err(ChangeError::Trouble(trouble)) => return Err(trouble),
            Err(ChangeError::NotFound | ChangeError::Refused(_)) => {}
        }
    }
    Ok(interrupted)
}

/// Whether a restore holds the account's sending.
///
/// # Errors
/// When the store does not answer.
pub(super) async fn is_frozen(
    app: &App,
    scope: &AccountScope,
    now: Timestamp,
) -> Result<bool, Trouble> {
    let freeze: Option<Freeze> = app.store.get(&Freeze::place(scope), now).await?;
    Ok(freeze.is_some())
}

async fn not_frozen(app: &App, scope: &AccountScope, now: Timestamp) -> Result<(), ChangeError> {
    if is_frozen(app, scope, now).await? {
        Err(Refusal::Frozen.into())
    } else {
        Ok(())
    }
}

/// Ends a campaign for good, whether it waits for its time or runs.
///
/// # Errors
/// When it is over, or a draft.
pub async fn cancel(
    app: &App,
    scope: &AccountScope,
    id: &CampaignId,
    now: Timestamp,
) -> Result<Campaign, ChangeError> {
    decide(app, scope, id, now, |campaign, control| {
        Ok(campaign.cancel(scope.account(), control, now)?)
    })
    .await
}

/// Why a campaign that never started can neither be held nor go on.
fn without_control(campaign: &Campaign) -> Refusal {
    campaign.editable().err().unwrap_or(Refusal::NotStarted)
}

/// A change of the campaign item alone.
fn alone(before: &Campaign, after: Campaign) -> Transaction {
    let mut transaction = Transaction::default();
    transaction.put(
        Record::Campaign(Box::new(after)),
        Expect::Revision(before.rev),
    );
    transaction
}

/// Reads, decides, writes; again when what was read has changed.
pub(super) async fn decide(
    app: &App,
    scope: &AccountScope,
    id: &CampaignId,
    now: Timestamp,
    decision: impl Fn(&Campaign, Option<&Control>) -> Result<Transaction, ChangeError>,
) -> Result<Campaign, ChangeError> {
    let key = scope.configuration("campaign", id.as_str());
    for _ in 0..ATTEMPTS {
        let campaign: Campaign = app
            .store
            .get(&key, now)
            .await?
            .ok_or(ChangeError::NotFound)?;
        let control: Option<Control> = app
            .store
            .get(&scope.campaign(id, Control::SORT_KEY), now)
            .await?;
        let transaction = decision(&campaign, control.as_ref())?;
        match app.store.commit(scope, &transaction, now).await {
            Ok(()) => {
                let changed = transaction.0.into_iter().find_map(|step| match step {
                    rundbrief::record::Step::Put(Record::Campaign(campaign), _) => Some(*campaign),
                    _ => None,
                });
                return Ok(changed.unwrap_or(campaign));
            }
            Err(WriteError::Conflict) => {}
            Err(WriteError::Trouble(trouble)) => return Err(trouble.into()),
        }
    }
    Err(Trouble::Contended.into())
}
