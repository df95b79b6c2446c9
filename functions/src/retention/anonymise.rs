//! Unsubscriptions whose period is over become nobody's (P-14).
//!
//! When that is, the record says; what is left of it, the domain.

use jiff::Timestamp;
use rundbrief::id::{AccountId, EventId, PersonKey};
use rundbrief::key::{Key, Table};
use rundbrief::person::Unsubscription;
use rundbrief::record::{DueWork, Expect, Record, Stored, Transaction};
use rundbrief::unsubscribe_setup::anonymised;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::app::{App, Trouble};
use crate::due::Walk;
use crate::store::WriteError;

/// Goes over what is due; answers in numbers.
pub(super) async fn run(app: &App, now: Timestamp, stop_at: Instant) -> Result<Value, Trouble> {
    let (mut done, mut failed) = (0_usize, 0_usize);
    let mut walk = Walk::begin(app, DueWork::Anonymise, now);
    while Instant::now() < stop_at
        && let Some(keys) = walk.next().await?
    {
        for key in keys {
            match Box::pin(one(app, &key, now)).await {
                Ok(true) => done += 1,
                Ok(false) => {}
                // The others are not to wait for this one; the next run comes back to it.
                Err(trouble) => {
                    failed += 1;
                    tracing::error!(%trouble, "an unsubscription could not be anonymised");
                }
            }
        }
    }
    Ok(json!({"done": done, "failed": failed}))
}

/// The account, person and event of an unsubscription's key.
fn parts(key: &Key) -> Option<(AccountId, PersonKey, EventId)> {
    let account = key.pk.strip_prefix("A#")?.split('#').next()?;
    let mut parts = key.sk.split('#');
    let (person, kind, event) = (parts.next()?, parts.next()?, parts.next()?);
    (key.table == Table::Main && kind == Unsubscription::RECORD).then_some(())?;
    Some((
        AccountId::parse(account).ok()?,
        PersonKey::parse(person).ok()?,
        EventId::parse(event).ok()?,
    ))
}

async fn one(app: &App, key: &Key, now: Timestamp) -> Result<bool, Trouble> {
    let Some((account, person, event)) = parts(key) else {
        return Ok(false);
    };
    // What is in an account that is gone goes with it.
    let Some((_, scope)) = app.account(&account, now).await? else {
        return Ok(false);
    };
    let place = scope.record(person, Unsubscription::RECORD, event);
    let Some(left) = app.store.get::<Unsubscription>(&place, now).await? else {
        return Ok(false);
    };
    if left.anonymise_at.is_none_or(|at| at > now) {
        return Ok(false);
    }
    let mut random = [0; 32];
    app.entropy.fill(&mut random);
    let nobody = anonymised(&left, random, now);
    let is_there: Option<Unsubscription> = app.store.get(&nobody.key(&scope), now).await?;
    let mut transaction = Transaction::default();
    transaction.delete(place, Expect::Revision(left.rev));
    if is_there.is_none() {
        transaction.put(Record::Unsubscription(nobody), Expect::Absent);
    }
    match app.store.commit(&scope, &transaction, now).await {
        Ok(()) => Ok(true),
        // Another run was faster.
        Err(WriteError::Conflict) => Ok(false),
        Err(WriteError::Trouble(trouble)) => Err(trouble),
    }
}
