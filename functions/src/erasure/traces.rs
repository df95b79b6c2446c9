//! What may still name somebody of whom nothing else is there: campaigns' ledgers, requests, and
//! what recipients were told.

use jiff::Timestamp;
use rundbrief::id::PersonKey;
use rundbrief::key::AccountScope;
use rundbrief::person_request::PersonRequest;
use rundbrief::webhook::delivery::Delivery;

use super::ledgers;
use crate::app::{App, Trouble};

/// Whether anything names them.
pub(super) async fn name(
    app: &App,
    scope: &AccountScope,
    person: PersonKey,
    now: Timestamp,
) -> Result<bool, Trouble> {
    let prefix = Delivery::prefix(person);
    let told: Vec<Delivery> = app
        .store
        .all(&scope.webhooks_partition(), &prefix, now)
        .await?;
    if !told.is_empty() {
        return Ok(true);
    }
    let prefix = PersonRequest::prefix_of(person);
    let requests: Vec<PersonRequest> = app
        .store
        .all(&scope.configuration_partition(), &prefix, now)
        .await?;
    if !requests.is_empty() {
        return Ok(true);
    }
    ledgers::name(app, scope, person, now).await
}
