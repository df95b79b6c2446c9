//! The record of processing of an account, gathered from what is configured and deployed.
//!
//! Who may read it and in which form is the caller's part; what stands in it is
//! `rundbrief::processing`'s.

use std::sync::LazyLock;

use jiff::Timestamp;
use rundbrief::account::Account;
use rundbrief::key::AccountScope;
use rundbrief::page_language::Language;
use rundbrief::processing::{
    Basis, ControllerRecord, Document, Dpia, InfrastructureFacts, Operator, Role,
    record_of_processing,
};
use rundbrief::setup::{Field, Interest, List, Setup};

use crate::app::{App, Trouble};

/// What `infra/template.yaml` deploys; the `facts` program writes it.
static FACTS: LazyLock<Option<InfrastructureFacts>> = LazyLock::new(|| {
    let text = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../infra/facts.json"));
    InfrastructureFacts::parse(text).ok()
});

/// The record, complete or not.
///
/// # Errors
/// When the store does not answer.
pub(crate) async fn document(
    app: &App,
    of: (&Account, &AccountScope),
    language: Language,
    role: Role,
    now: Timestamp,
) -> Result<Document, Trouble> {
    let make = |basis: &Basis<'_>| record_of_processing(basis, role);
    Box::pin(with_basis(app, of, language, now, make)).await
}

/// A document made of everything that a record is made of.
///
/// # Errors
/// When the store does not answer.
pub(crate) async fn with_basis(
    app: &App,
    (account, scope): (&Account, &AccountScope),
    language: Language,
    now: Timestamp,
    make: impl FnOnce(&Basis<'_>) -> Document,
) -> Result<Document, Trouble> {
    let facts = FACTS.as_ref().ok_or(Trouble::Damaged)?;
    let store = &app.store;
    let (controller_key, dpia_key) = (ControllerRecord::place(scope), Dpia::place(scope));
    let (controller, dpia, operator) = futures::try_join!(
        store.get::<ControllerRecord>(&controller_key, now),
        store.get::<Dpia>(&dpia_key, now),
        operator(app, now),
    )?;
    let (setups, lists, fields, interests, webhooks) = futures::try_join!(
        store.configured::<Setup>(scope, now),
        store.configured::<List>(scope, now),
        store.configured::<Field>(scope, now),
        store.configured::<Interest>(scope, now),
        store.webhooks(scope, now),
    )?;
    let basis = Basis {
        account,
        controller: &controller.unwrap_or_default(),
        operator: &operator.unwrap_or_default(),
        dpia: dpia.as_ref(),
        facts,
        region: &app.settings.region,
        setups: &setups,
        lists: &lists,
        fields: &fields,
        interests: &interests,
        webhooks: &webhooks,
        language,
        made_at: now,
    };
    Ok(make(&basis))
}

/// What the operator has stated.
pub(crate) async fn operator(app: &App, now: Timestamp) -> Result<Option<Operator>, Trouble> {
    app.store.get(&Operator::place(), now).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_facts_that_were_compiled_in_can_be_read() {
        assert!(FACTS.is_some());
    }
}
