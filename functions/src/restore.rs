//! `restore`: brings back what an archive has and the account has lost, through quarantine.
//!
//! Verifies, stages, and after a person's release publishes; what becomes of each record is the
//! domain's part. Each step is written together with how far it got, so any message may come
//! twice or again, and a restore that was killed goes on where it was.

mod archive;
mod decided;
mod publish;
mod stage;
mod verify;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rundbrief::id::AccountId;
use rundbrief::key::AccountScope;
use rundbrief::message::{MESSAGE_VERSION, RestoreMessage};
use rundbrief::record::{Expect, Transaction};
use rundbrief::restore::{Freeze, Problem, Restore, RestoreState};
use rundbrief::time::zone;
use serde_json::Value;
use tokio::time::Instant;

use self::stage::Open;
use crate::app::{App, Trouble};
use crate::function::{self, Failure, QueueMessage, Verdict};
use crate::settings::InvalidSetting;
use crate::store::WriteError;

/// How long one message works; the rest of the function's 300 s is for ending a step.
const WORK: Duration = Duration::from_secs(200);
/// Records of one transaction: at most three steps each and one for the restore, of the 100 that
/// a transaction may have.
const RECORDS: usize = 25;
/// Text of one transaction in octets; it may have 4 MB.
const OCTETS: usize = 1 << 20;
/// How often one record is decided anew when others change the same person.
const ATTEMPTS: u32 = 12;

/// Handles an SQS event.
///
/// # Errors
/// When the event is none.
pub async fn handle(app: Arc<App>, event: Value) -> Result<Value, Failure> {
    function::queue(&app, event, take).await
}

/// Asks the queue to go on with a restore.
///
/// # Errors
/// When the queue does not take the message.
pub async fn ask(app: &App, account: &AccountId, restore: &Restore) -> Result<(), Trouble> {
    ask_leg(app, account, restore, restore.leg).await
}

async fn ask_leg(
    app: &App,
    account: &AccountId,
    restore: &Restore,
    leg: u32,
) -> Result<(), Trouble> {
    let setting = InvalidSetting("RESTORE_QUEUE_URL");
    let queue = app.settings.restore_queue_url.as_deref().ok_or(setting)?;
    let message = RestoreMessage {
        v: MESSAGE_VERSION,
        account: account.clone(),
        restore: restore.id.clone(),
        leg,
    };
    app.enqueue(queue, &message).await
}

/// Ends a restore in this state and lifts its freeze.
///
/// # Errors
/// [`WriteError::Conflict`] when it was changed meanwhile.
pub async fn end(
    app: &App,
    scope: &AccountScope,
    restore: &Restore,
    state: RestoreState,
    problem: Option<Problem>,
    now: Timestamp,
) -> Result<(), WriteError> {
    let mut ended = restore.moved(state);
    ended.problems.extend(problem);
    let freeze: Option<Freeze> = app.store.get(&Freeze::place(scope), now).await?;
    let transaction = restore.ending(ended, freeze.as_ref(), now);
    app.store.commit(scope, &transaction, now).await
}

async fn take(app: &App, message: QueueMessage) -> Verdict {
    let Ok(message) = serde_json::from_str::<RestoreMessage>(&message.body) else {
        tracing::error!("a message has another shape than a restore's; it is dropped");
        return Verdict::Done;
    };
    if message.v != MESSAGE_VERSION {
        tracing::error!(
            version = message.v,
            "a message has another version; it is dropped"
        );
        return Verdict::Done;
    }
    match Box::pin(run(app, &message)).await {
        Ok(()) => Verdict::Done,
        Err(trouble) => {
            tracing::warn!(account = %message.account, restore = %message.restore, %trouble, "a restore could not go on yet");
            Verdict::Again
        }
    }
}

/// The work on one restore.
struct Work<'a> {
    app: &'a App,
    scope: AccountScope,
    zone: TimeZone,
    now: Timestamp,
    /// The object that is being staged.
    open: Option<Open>,
    /// Records of the next transaction at most.
    records: usize,
    attempts: u32,
}

async fn run(app: &App, message: &RestoreMessage) -> Result<(), Trouble> {
    let now = app.now();
    let Some(account) = app.store.account(&message.account, now).await? else {
        return Ok(());
    };
    let Some(scope) = account.scope(&app.keys().await?.secrets, now) else {
        return Ok(());
    };
    let mut work = Work {
        app,
        scope,
        zone: zone(&account.time_zone).map_err(|_| Trouble::Damaged)?,
        now,
        open: None,
        records: RECORDS,
        attempts: 0,
    };
    let place = Restore::place(&work.scope, &message.restore);
    let stop_at = Instant::now() + WORK;
    loop {
        work.now = app.now();
        let Some(restore) = app.store.get::<Restore>(&place, work.now).await? else {
            return Ok(());
        };
        // An older leg was handed over: its successor is in the queue.
        if message.leg < restore.leg {
            return Ok(());
        }
        if Instant::now() >= stop_at {
            return work.hand_over(&restore, message).await;
        }
        let stepped = match restore.state {
            RestoreState::Queued | RestoreState::Verifying => work.verify(&restore).await,
            RestoreState::Staging => work.stage(&restore).await,
            RestoreState::Releasing => work.publish(&restore).await,
            RestoreState::Staged
            | RestoreState::Released
            | RestoreState::Refused
            | RestoreState::Discarded => return Ok(()),
        };
        match stepped {
            Ok(()) => (work.records, work.attempts) = (RECORDS, 0),
            Err(WriteError::Trouble(trouble)) => return Err(trouble),
            Err(WriteError::Conflict) => {
                let moved = app.store.get::<Restore>(&place, work.now).await?;
                if moved.is_none_or(|moved| moved.rev != restore.rev) {
                    // Another delivery of the message was faster.
                    continue;
                }
                work.stumble(&restore).await?;
            }
        }
    }
}

impl Work<'_> {
    /// The message is as good as done: another one goes on. It is in the queue before the restore
    /// says so, or nobody would.
    async fn hand_over(&self, restore: &Restore, message: &RestoreMessage) -> Result<(), Trouble> {
        let leg = message.leg + 1;
        ask_leg(self.app, &message.account, restore, leg).await?;
        let mut moved = restore.moved(restore.state);
        moved.leg = leg;
        match self.put(restore, &moved).await {
            Ok(()) | Err(WriteError::Conflict) => Ok(()),
            Err(WriteError::Trouble(trouble)) => Err(trouble),
        }
    }

    /// Somebody changed one of the records meanwhile: smaller steps meet fewer others.
    async fn stumble(&mut self, restore: &Restore) -> Result<(), Trouble> {
        self.attempts += 1;
        self.records = (self.records / 2).max(1);
        if self.attempts <= ATTEMPTS {
            tokio::time::sleep(Duration::from_millis(15 << self.attempts.min(6))).await;
            return Ok(());
        }
        if restore.state == RestoreState::Staging {
            // Nobody else writes there: the same record was staged before.
            let problem = rundbrief::restore::Damage::RecordRepeated.into();
            return match self.refuse(restore, problem).await {
                Ok(()) | Err(WriteError::Conflict) => Ok(()),
                Err(WriteError::Trouble(trouble)) => Err(trouble),
            };
        }
        Err(Trouble::Contended)
    }

    async fn refuse(&self, restore: &Restore, problem: Problem) -> Result<(), WriteError> {
        tracing::error!(restore = %restore.id, code = ?problem.code, "an archive cannot be restored");
        let state = RestoreState::Refused;
        let problem = Some(problem);
        end(self.app, &self.scope, restore, state, problem, self.now).await
    }

    async fn put(&self, before: &Restore, after: &Restore) -> Result<(), WriteError> {
        let expect = Expect::Revision(before.rev);
        let store = &self.app.store;
        store.put(&self.scope, after, expect, self.now).await
    }

    async fn commit(&self, transaction: &Transaction) -> Result<(), WriteError> {
        let store = &self.app.store;
        store.commit(&self.scope, transaction, self.now).await
    }
}
