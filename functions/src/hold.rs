//! The end of a legal hold whose day is over: the old end counts again, and an erasure that was
//! asked for meanwhile is done.
//!
//! `retention` calls it hourly; what ends is decided in `rundbrief::hold`.

use jiff::Timestamp;
use rundbrief::account::Account;
use rundbrief::hold;
use rundbrief::id::{AccountId, PersonKey};
use rundbrief::key::{AccountScope, Key};
use tokio::time::Instant;

use crate::app::{App, Trouble};
use crate::erasure::{self, Erased};
use crate::store::WriteError;

/// How often an end is decided again after somebody else changed the person meanwhile.
const ATTEMPTS: usize = 8;

/// Ends the hold in the withdrawal with this key, if its day is over.
///
/// # Errors
/// When the store does not answer, or the person is changed again and again.
pub(crate) async fn end(
    app: &App,
    key: &Key,
    now: Timestamp,
    stop_at: Instant,
) -> Result<(), Trouble> {
    let account = key
        .pk
        .strip_prefix("A#")
        .and_then(|rest| rest.split('#').next());
    let account = account.and_then(|account| AccountId::parse(account).ok());
    let person = key.sk.strip_suffix("!w").map(PersonKey::parse);
    let (Some(account), Some(Ok(person))) = (account, person) else {
        return Ok(());
    };
    let Some((account, scope)) = app.account(&account, now).await? else {
        return Ok(());
    };
    let zone = rundbrief::time::zone(&account.time_zone).map_err(|_| Trouble::Damaged)?;
    for _ in 0..ATTEMPTS {
        let known = app.store.person(&scope, person, now).await?;
        let held = known.withdrawal.as_ref().and_then(|one| one.hold.as_ref());
        let Some(held) = held.filter(|hold| !hold.stands(now)) else {
            return Ok(());
        };
        if held.erasure.is_some() {
            carry_out(app, &account, &scope, person, now, stop_at).await?;
            return Ok(());
        }
        let Some(transaction) = hold::lift(&scope, &known, &zone, now) else {
            return Ok(());
        };
        match app.store.commit(&scope, &transaction, now).await {
            Ok(()) => return Ok(()),
            Err(WriteError::Conflict) => {}
            Err(WriteError::Trouble(trouble)) => return Err(trouble),
        }
    }
    Err(Trouble::Contended)
}

/// Does the erasure that waited for the end of a hold; what the clean-up does not manage the next
/// hour does.
///
/// # Errors
/// When the store does not answer.
pub(crate) async fn carry_out(
    app: &App,
    account: &Account,
    scope: &AccountScope,
    person: PersonKey,
    now: Timestamp,
    stop_at: Instant,
) -> Result<Option<rundbrief::erasure::Erasure>, Trouble> {
    let known = app.store.person(scope, person, now).await?;
    let asked = known
        .withdrawal
        .and_then(|withdrawal| withdrawal.hold)
        .and_then(|hold| hold.erasure);
    let Some(asked) = asked else {
        return Ok(None);
    };
    match Box::pin(erasure::erase(app, scope, person, asked.by, now)).await? {
        Erased::Begun(erasure) => erasure::clean_up(app, account, scope, *erasure, stop_at)
            .await
            .map(Some),
        Erased::Nobody | Erased::Held(_) => Ok(None),
    }
}
