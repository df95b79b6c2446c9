//! What restores hold of a person in quarantine: deleted, whatever became of the restore.
//!
//! A restore that is staging reads the tombstone before each step; one that had read the person
//! before the erasure has written within its grace, and is looked through again after it.

use jiff::Timestamp;
use rundbrief::erasure::Erasure;
use rundbrief::id::PersonKey;
use rundbrief::key::AccountScope;
use rundbrief::record::Stored;
use rundbrief::restore::{Restore, RestoreState, Staged};

use crate::app::{App, Trouble};
use crate::store::WriteError;

/// Whether nothing is left.
pub(super) async fn clean(
    app: &App,
    scope: &AccountScope,
    erasure: &Erasure,
) -> Result<bool, Trouble> {
    let now = app.now();
    let mut all = true;
    for staged in of_person(app, scope, erasure.person, now).await? {
        match app.store.delete(&staged.key(scope), staged.rev).await {
            Ok(()) => {}
            Err(WriteError::Conflict) => all = false,
            Err(WriteError::Trouble(trouble)) => return Err(trouble),
        }
    }
    let restores = restores(app, scope, now).await?;
    let is_staging = restores
        .iter()
        .any(|restore| restore.state == RestoreState::Staging);
    Ok(all && !(is_staging && erasure.ledgers_may_move(now)))
}

/// All that is in quarantine of a person, its time over or not.
pub(super) async fn of_person(
    app: &App,
    scope: &AccountScope,
    person: PersonKey,
    now: Timestamp,
) -> Result<Vec<Staged>, Trouble> {
    let mut all = Vec::new();
    for restore in restores(app, scope, now).await? {
        let partition = scope.quarantine_partition(&restore.id, Some(person.partition()));
        let prefix = format!("{person}#");
        let staged: Vec<Staged> = app.store.all_even_expired(&partition, &prefix).await?;
        all.extend(staged);
    }
    Ok(all)
}

async fn restores(
    app: &App,
    scope: &AccountScope,
    now: Timestamp,
) -> Result<Vec<Restore>, Trouble> {
    let prefix = format!("{}#", Restore::KIND);
    app.store
        .all(&scope.configuration_partition(), &prefix, now)
        .await
}
