//! `legal`: opens the sealed evidence of an erased person for a legal claim, started by an operator.
//!
//! The only function that may read the legal secret. Nothing is opened without a line in the
//! account's audit log; the daily schedule does nothing but publish the public key.

use std::sync::Arc;

use rundbrief::address::EmailAddress;
use rundbrief::audit::{Actor, Call};
use rundbrief::id::{AccountId, EventId, PersonKey};
use rundbrief::key::AccountScope;
use rundbrief::legal::{AuditEntry, AuditedAction, LegalKey, LegalSecret, SealedEvidence};
use rundbrief::record::Expect;
use rundbrief::time::to_millisecond;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::{App, Trouble};
use crate::audit::record;
use crate::function::Failure;
use crate::settings::InvalidSetting;
use crate::store::WriteError;

/// Longest reason and operator, in characters.
const MAX_CHARACTERS: usize = 500;

/// What an operator asks for.
#[derive(Deserialize)]
#[serde(
    tag = "action",
    rename_all = "snake_case",
    rename_all_fields = "snake_case",
    deny_unknown_fields
)]
enum Wanted {
    Publish {},
    Open {
        account: AccountId,
        #[serde(default)]
        person: Option<PersonKey>,
        #[serde(default)]
        email: Option<String>,
        reason: String,
        operator: String,
    },
}

/// Handles an operator's call, or the schedule's.
///
/// # Errors
/// When the event has another shape or a service does not answer.
pub async fn handle(app: Arc<App>, event: Value) -> Result<Value, Failure> {
    let wanted: Wanted = serde_json::from_value(event).map_err(|_| Failure::UnknownEvent)?;
    let secret = secret(&app).await?;
    match wanted {
        Wanted::Publish {} => Ok(publish(&app, &secret.public()).await?),
        Wanted::Open {
            account,
            person,
            email,
            reason,
            operator,
        } => {
            let (Some(reason), Some(operator)) = (line(&reason), line(&operator)) else {
                return Err(Failure::UnknownEvent);
            };
            let Some((account, scope)) = app.account(&account, app.now()).await? else {
                return Ok(json!({"error": "unknown_account"}));
            };
            let person = match (person, email) {
                (Some(person), None) => person,
                (None, Some(email)) => {
                    scope.person(&EmailAddress::parse(&email).map_err(|_| Failure::UnknownEvent)?)
                }
                _ => return Err(Failure::UnknownEvent),
            };
            let shown = open(&app, &scope, &secret, person, reason, operator).await?;
            // In the log of all that is called, too: it is not shown unrecorded.
            let call = Call {
                method: "INVOKE".to_owned(),
                route: "legal/open".to_owned(),
                named: vec![("id".to_owned(), person.to_string())],
                status: 200,
                created: None,
            };
            let by = Actor::Function {
                name: "legal".to_owned(),
            };
            record(&app, Some((&account, &scope)), by, call, app.now()).await?;
            Ok(shown)
        }
    }
}

/// One line that says something.
fn line(text: &str) -> Option<String> {
    let text = text.trim();
    let fits = !text.is_empty()
        && text.chars().count() <= MAX_CHARACTERS
        && !text.chars().any(char::is_control);
    fits.then(|| text.to_owned())
}

async fn secret(app: &App) -> Result<LegalSecret, Trouble> {
    #[derive(Deserialize)]
    struct Legal {
        key: String,
    }
    let setting = InvalidSetting("LEGAL_SECRET_ARN");
    let arn = app.settings.legal_secret_arn.as_deref().ok_or(setting)?;
    let secret: Legal =
        serde_json::from_str(&app.secret(arn).await?).map_err(|_| Trouble::Secret)?;
    LegalSecret::of(&secret.key).map_err(|_| Trouble::Secret)
}

/// Publishes the key if none is: the first stays, what was sealed with it must open.
async fn publish(app: &App, key: &LegalKey) -> Result<Value, Trouble> {
    let place = LegalKey::place();
    match app
        .store
        .put_at(&place, key, Expect::Absent, app.now())
        .await
    {
        Ok(()) => Ok(json!({"published": true, "key": key.name()})),
        Err(WriteError::Conflict) => {
            let known: Option<LegalKey> = app.store.get(&place, app.now()).await?;
            if known.as_ref() != Some(key) {
                tracing::error!("the published legal key is not the one of the legal secret");
            }
            Ok(json!({"published": false, "key": known.map(|known| known.name())}))
        }
        Err(WriteError::Trouble(trouble)) => Err(trouble),
    }
}

async fn open(
    app: &App,
    scope: &AccountScope,
    secret: &LegalSecret,
    person: PersonKey,
    reason: String,
    operator: String,
) -> Result<Value, Trouble> {
    let now = app.now();
    let sealed: Vec<SealedEvidence> = app
        .store
        .all(
            &scope.sealed_partition(person.partition()),
            &scope.erasure_prefix(person),
            now,
        )
        .await?;
    let opened = sealed
        .iter()
        .map(|one| {
            let text = secret.open(scope.account(), one).map_err(|_| {
                tracing::error!(account = %scope.account(), "sealed evidence does not open");
                Trouble::Damaged
            })?;
            let mut shown: Value = serde_json::from_str(&text).map_err(|_| Trouble::Damaged)?;
            shown["sealed_at"] = json!(one.sealed_at);
            shown["kept_until"] = json!(one.gone_at);
            Ok(shown)
        })
        .collect::<Result<Vec<Value>, Trouble>>()?;
    // Written before anything is shown; a look that found nothing is a look, too.
    let at = to_millisecond(now);
    let entry = AuditEntry {
        event: EventId::generate(now, app.entropy.as_ref()),
        rev: 1,
        at,
        action: AuditedAction::OpenedSealedEvidence,
        person,
        operator,
        reason,
        records: u32::try_from(opened.len()).unwrap_or(u32::MAX),
        gone_at: AuditEntry::gone_at(at),
    };
    match app.store.put(scope, &entry, Expect::Absent, now).await {
        Ok(()) => {}
        Err(WriteError::Conflict) => return Err(Trouble::Contended),
        Err(WriteError::Trouble(trouble)) => return Err(trouble),
    }
    Ok(json!({
        "account": scope.account(),
        "person": person,
        "audit": entry.event.to_string(),
        "evidence": opened,
    }))
}
