//! `webhook`: tells an account's recipients what happened to a person, from the outbox record that
//! the cause wrote.
//!
//! At least once: the attempt is written down, the endpoint called, its answer recorded; what got
//! lost in between is found again through the due index. Knows people by key only.

pub(crate) mod call;

use std::sync::Arc;

use jiff::Timestamp;
use rundbrief::key::Key;
use rundbrief::message::WebhookMessage;
use rundbrief::record::{DueWork, Expect};
use rundbrief::webhook::Webhook;
use rundbrief::webhook::delivery::{Attempt, Delivery};
use serde_json::Value;

use self::call::Answer;
use crate::app::{App, Trouble};
use crate::due;
use crate::function::{self, Failure, Verdict};
use crate::settings::InvalidSetting;
use crate::store::WriteError;

/// Messages put into the queue per minute at most.
const REQUEUE_LIMIT: usize = 1_000;
/// How often the state of an endpoint is written again after somebody else changed it meanwhile.
const ATTEMPTS: usize = 8;

/// Handles an SQS event.
///
/// # Errors
/// When the event is none.
pub async fn handle(app: Arc<App>, event: Value) -> Result<Value, Failure> {
    function::messages(&app, event, tell).await
}

async fn tell(app: &App, message: WebhookMessage) -> Result<Verdict, Trouble> {
    let now = app.now();
    let place = Key::webhook(&message.account, &message.webhook);
    let key = Key::delivery(
        &message.account,
        message.person,
        message.event,
        message.topic,
        &message.webhook,
    );
    let (delivery, webhook) = futures::try_join!(
        app.store.get::<Delivery>(&key, now),
        app.store.get::<Webhook>(&place, now),
    )?;
    let Some(delivery) = delivery else {
        return Ok(Verdict::Done);
    };
    match (delivery.attempt(webhook.as_ref(), now), webhook) {
        (Attempt::Done | Attempt::NotYet, _) | (Attempt::Call(_), None) => {}
        (Attempt::PutOff(later), _) => {
            written(app, &key, &later, delivery.rev, now).await?;
        }
        (Attempt::GiveUp(given_up), _) => {
            if written(app, &key, &given_up, delivery.rev, now).await? {
                // The alarm counts this line by its message.
                tracing::error!(account = %message.account, webhook = %message.webhook, topic = message.topic.name(), "a recipient was not told");
                endpoint(app, &place, now, |webhook| Some(webhook.given_up_on(now))).await?;
            }
        }
        (Attempt::Call(leased), Some(webhook)) => {
            if written(app, &key, &leased, delivery.rev, now).await? {
                attempt(app, &webhook, &key, &leased, now).await?;
            }
        }
    }
    // What did not succeed comes back through the index, not through the queue.
    Ok(Verdict::Done)
}

async fn attempt(
    app: &App,
    webhook: &Webhook,
    key: &Key,
    leased: &Delivery,
    now: Timestamp,
) -> Result<(), Trouble> {
    let place = Key::webhook(&leased.account, &webhook.id);
    let secrets = app.webhook_secrets().await?;
    match call::post(app, webhook, secrets, leased, now).await? {
        Answer::Acknowledged => {
            let after = app.now();
            written(app, key, &leased.acknowledged(after), leased.rev, after).await?;
            if webhook.acknowledged().is_some() {
                endpoint(app, &place, after, Webhook::acknowledged).await?;
            }
        }
        Answer::Failed { reason, status } => {
            // Never the URL: it may hold a token of the recipient's.
            tracing::warn!(account = %leased.account, webhook = %webhook.id, reason, status, attempts = leased.attempts, "a recipient did not acknowledge");
            let after = app.now();
            endpoint(app, &place, after, |webhook| Some(webhook.failed(after))).await?;
        }
    }
    Ok(())
}

/// Whether this write happened; if not, another attempt was faster.
async fn written(
    app: &App,
    key: &Key,
    delivery: &Delivery,
    before: u64,
    now: Timestamp,
) -> Result<bool, Trouble> {
    let expect = Expect::Revision(before);
    match app.store.put_at(key, delivery, expect, now).await {
        Ok(()) => Ok(true),
        Err(WriteError::Conflict) => Ok(false),
        Err(WriteError::Trouble(trouble)) => Err(trouble),
    }
}

/// Writes down how the endpoint is, beside what its controller changes meanwhile.
async fn endpoint(
    app: &App,
    place: &Key,
    now: Timestamp,
    change: impl Fn(&Webhook) -> Option<Webhook>,
) -> Result<(), Trouble> {
    for _ in 0..ATTEMPTS {
        let Some(webhook) = app.store.get::<Webhook>(place, now).await? else {
            return Ok(());
        };
        let Some(changed) = change(&webhook) else {
            return Ok(());
        };
        let expect = Expect::Revision(webhook.rev);
        match app.store.put_at(place, &changed, expect, now).await {
            Ok(()) => return Ok(()),
            Err(WriteError::Conflict) => {}
            Err(WriteError::Trouble(trouble)) => return Err(trouble),
        }
    }
    Err(Trouble::Contended)
}

/// Puts what recipients are to be told into the queue, as far as its time has come; returns how
/// much. Nobody else does: whoever writes the record need not reach the queue.
///
/// # Errors
/// When index or queue do not answer.
pub async fn requeue_due(app: &App, now: Timestamp) -> Result<usize, Trouble> {
    let setting = InvalidSetting("WEBHOOK_QUEUE_URL");
    let queue = app.settings.webhook_queue_url.as_deref().ok_or(setting)?;
    let keys = due::keys(app, DueWork::Tell, now, REQUEUE_LIMIT).await?;
    for message in keys.iter().filter_map(Delivery::message) {
        app.enqueue(queue, &message).await?;
    }
    Ok(keys.len())
}
