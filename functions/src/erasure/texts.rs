//! What the controller wrote about a person, beside their records: reasons on their requests, the
//! note on the suppression of their address. The texts go, the marks stay.

use jiff::Timestamp;
use rundbrief::id::PersonKey;
use rundbrief::key::AccountScope;
use rundbrief::person_request::PersonRequest;
use rundbrief::record::Expect;
use rundbrief::suppression::Suppression;

use crate::app::{App, Trouble};
use crate::store::WriteError;

/// Clears them; whether none is left.
pub(super) async fn clear(
    app: &App,
    scope: &AccountScope,
    person: PersonKey,
    now: Timestamp,
) -> Result<bool, Trouble> {
    let store = &app.store;
    let mut all = true;
    let prefix = PersonRequest::prefix_of(person);
    let requests: Vec<PersonRequest> = store
        .all(&scope.configuration_partition(), &prefix, now)
        .await?;
    for request in requests {
        if let Some(cleared) = request.without_texts() {
            let expect = Expect::Revision(request.rev);
            all &= written(store.put(scope, &cleared, expect, now).await)?;
        }
    }
    let place = Suppression::place_of(scope, person).map_err(|_| Trouble::Damaged)?;
    let suppression: Option<Suppression> = store.get(&place, now).await?;
    if let Some(suppression) = suppression
        && let Some(cleared) = suppression.without_note()
    {
        let expect = Expect::Revision(suppression.rev);
        all &= written(store.put(scope, &cleared, expect, now).await)?;
    }
    Ok(all)
}

/// Whether it was: somebody may have changed it meanwhile.
fn written(result: Result<(), WriteError>) -> Result<bool, Trouble> {
    match result {
        Ok(()) => Ok(true),
        Err(WriteError::Conflict) => Ok(false),
        Err(WriteError::Trouble(trouble)) => Err(trouble),
    }
}
