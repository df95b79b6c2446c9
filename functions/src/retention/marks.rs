//! Marks accounts that were made before there were marks beside their tombstones.
//!
//! In the hourly run only, on the tables that the platform works with: neither a restore nor
//! `after-restore` ever puts one, or an empty table would vouch for itself.

use jiff::Timestamp;
use rundbrief::account::Account;
use rundbrief::key::{AccountScope, Key};
use rundbrief::tombstone_mark::{TombstoneMark, backfill};

use crate::app::{App, Trouble};
use crate::store::WriteError;

/// Marks the account, if it never was.
///
/// # Errors
/// When a table does not answer.
pub(super) async fn mark(
    app: &App,
    account: &Account,
    scope: &AccountScope,
    now: Timestamp,
) -> Result<(), Trouble> {
    if account.tombstones_marked {
        return Ok(());
    }
    let place = Key::tombstone_mark(&account.id);
    let known: Option<TombstoneMark> = app.store.get(&place, now).await?;
    let Some(transaction) = backfill(account, known.as_ref(), scope, now) else {
        return Ok(());
    };
    match app.store.commit(scope, &transaction, now).await {
        // Who changed the account meanwhile is not in the way of the next run.
        Ok(()) | Err(WriteError::Conflict) => Ok(()),
        Err(WriteError::Trouble(trouble)) => Err(trouble),
    }
}
