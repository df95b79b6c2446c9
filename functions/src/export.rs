//! Everything that is stored of a person (Art. 15 and 20 GDPR), store by store as the policy says.
//!
//! Reads and shows; who may ask is the caller's part. A new store does not compile until it has
//! said here what is exported of it.

pub(crate) mod answer;
mod page;
pub(crate) mod portable;
mod words;

use jiff::Timestamp;
use rundbrief::address_change::AddressChange;
use rundbrief::campaign::Limits;
use rundbrief::campaign::arc::Arc;
use rundbrief::campaign::content::Content;
use rundbrief::campaign::control::Control;
use rundbrief::campaign::ledger::Ledger;
use rundbrief::campaign::{Campaign, CampaignState};
use rundbrief::consent;
use rundbrief::id::{CampaignId, PersonKey};
use rundbrief::key::{AccountScope, Table};
use rundbrief::legal::{AuditEntry, SealedEvidence};
use rundbrief::outbox::Outbox;
use rundbrief::person::{Person, Unsubscription};
use rundbrief::person_request::PersonRequest;
use rundbrief::policy::{Exported, Store as Kind};
use rundbrief::record::Stored;
use rundbrief::sign_up::{SignUp, SignUpState};
use rundbrief::suppression::Suppression;
use rundbrief::time::ShownInstant;
use rundbrief::webhook::delivery::Delivery;
use serde_json::{Map, Value, json};

use crate::app::{App, Trouble};
use crate::campaign::look::{LogItem, ledger, log_item};
use crate::erasure;
use crate::store::Range;

/// The copy of all data of a person, by the policy's names; `None` where there are none.
///
/// # Errors
/// When the store does not answer.
pub(crate) async fn copy(
    app: &App,
    scope: &AccountScope,
    person: &Person,
    now: Timestamp,
) -> Result<Option<Map<String, Value>>, Trouble> {
    let mut data = Map::new();
    for store in Kind::ALL {
        let exported = store.exported();
        let Some(name) = exported.name() else {
            continue;
        };
        let value = match exported {
            Exported::Nothing(_) => Value::Null,
            Exported::Profile => json!(person.profile),
            Exported::Withdrawal => json!(person.withdrawal),
            Exported::Suppression => json!(person.tombstone),
            Exported::SignUps => sign_ups(app, scope, person, now).await?,
            Exported::Unsubscriptions => unsubscriptions(app, scope, person, now).await?,
            Exported::AddressChanges => address_changes(app, scope, person, now).await?,
            Exported::SingleMails => {
                let key = person.key;
                let mails: Vec<Outbox> = app.store.records(scope, key, Outbox::RECORD, now).await?;
                json!(mails)
            }
            Exported::Campaigns => campaigns(app, scope, person.key, now).await?,
            Exported::Erasures => {
                let erasures = erasure::of_person(app, scope, person.key, now).await?;
                json!(erasures)
            }
            Exported::SealedEvidence => sealed(app, scope, person.key, now).await?,
            Exported::Requests => requests(app, scope, person.key, now).await?,
            Exported::Audit => audit(app, scope, person.key, now).await?,
            Exported::SuppressedAddress => suppressed(app, scope, person.key, now).await?,
            Exported::Disclosures => {
                let partition = scope.webhooks_partition();
                let prefix = Delivery::prefix(person.key);
                let told: Vec<Delivery> = app.store.all(&partition, &prefix, now).await?;
                json!(told)
            }
        };
        let empty = value.is_null() || value.as_array().is_some_and(Vec::is_empty);
        if !empty {
            data.insert(name.to_owned(), instants(value));
        }
    }
    Ok((!data.is_empty()).then_some(data))
}

/// Instants in the form that all answers have.
fn instants(value: Value) -> Value {
    match value {
        Value::String(text) => match text.parse::<Timestamp>() {
            Ok(instant) => json!(ShownInstant(instant)),
            Err(_) => Value::String(text),
        },
        Value::Array(values) => values.into_iter().map(instants).collect(),
        Value::Object(members) => members
            .into_iter()
            .map(|(name, value)| (name, instants(value)))
            .collect::<Map<_, _>>()
            .into(),
        other => other,
    }
}

async fn sign_ups(
    app: &App,
    scope: &AccountScope,
    person: &Person,
    now: Timestamp,
) -> Result<Value, Trouble> {
    let mut found: Vec<SignUp> = app
        .store
        .records(scope, person.key, SignUp::RECORD, now)
        .await?;
    if let Some(tombstone) = &person.tombstone {
        found.retain(|sign_up| !tombstone.hides(sign_up.signed_up_at));
    }
    Ok(json!(found))
}

async fn unsubscriptions(
    app: &App,
    scope: &AccountScope,
    person: &Person,
    now: Timestamp,
) -> Result<Value, Trouble> {
    let mut found: Vec<Unsubscription> = app
        .store
        .records(scope, person.key, Unsubscription::RECORD, now)
        .await?;
    if let Some(tombstone) = &person.tombstone {
        found.retain(|left| !tombstone.hides(left.at));
    }
    Ok(json!(found))
}

/// Which other addresses wait to take over from the person. As long as one may, it is what the
/// person stated; afterwards, or where it was mistyped, it is nobody's here.
async fn address_changes(
    app: &App,
    scope: &AccountScope,
    person: &Person,
    now: Timestamp,
) -> Result<Value, Trouble> {
    let mut found: Vec<AddressChange> = app
        .store
        .records(scope, person.key, AddressChange::RECORD, now)
        .await?;
    if let Some(tombstone) = &person.tombstone {
        found.retain(|change| !tombstone.hides(change.asked_at));
    }
    let mut changes = Vec::new();
    for change in found {
        let asked: Option<SignUp> = app.store.get(&change.sign_up(scope), now).await?;
        let waits = asked.filter(|asked| {
            asked.state == SignUpState::Pending && consent::taken(person, asked).is_ok()
        });
        changes.push(json!({
            "asked_at": change.asked_at,
            "until": change.gone_at,
            "successor": change.successor,
            "email": waits.as_ref().map(|asked| &asked.email),
            "lists": waits.as_ref().map(|asked| &asked.lists),
            "form_ip": waits.as_ref().map(|asked| asked.form_ip),
        }));
    }
    Ok(changes.into())
}

/// What is kept for legal claims only: that it is, and until when.
async fn sealed(
    app: &App,
    scope: &AccountScope,
    person: PersonKey,
    now: Timestamp,
) -> Result<Value, Trouble> {
    let partition = scope.sealed_partition(person.partition());
    let prefix = scope.erasure_prefix(person);
    let sealed: Vec<SealedEvidence> = app.store.all(&partition, &prefix, now).await?;
    Ok(sealed
        .iter()
        .map(|one| json!({"sealed_at": one.sealed_at, "kept_until": one.gone_at}))
        .collect())
}

/// What the person asked for, and what became of it.
async fn requests(
    app: &App,
    scope: &AccountScope,
    person: PersonKey,
    now: Timestamp,
) -> Result<Value, Trouble> {
    let prefix = PersonRequest::prefix_of(person);
    let requests: Vec<PersonRequest> = app
        .store
        .all(&scope.configuration_partition(), &prefix, now)
        .await?;
    Ok(json!(requests))
}

/// What was noted when the address was suppressed.
async fn suppressed(
    app: &App,
    scope: &AccountScope,
    person: PersonKey,
    now: Timestamp,
) -> Result<Value, Trouble> {
    let place = Suppression::place_of(scope, person).map_err(|_| Trouble::Damaged)?;
    let found: Option<Suppression> = app.store.get(&place, now).await?;
    Ok(found.map_or(
        Value::Null,
        |one| json!({"note": one.note, "created_at": one.created_at}),
    ))
}

async fn audit(
    app: &App,
    scope: &AccountScope,
    person: PersonKey,
    now: Timestamp,
) -> Result<Value, Trouble> {
    let entries: Vec<AuditEntry> = app
        .store
        .all(&scope.configuration_partition(), &AuditEntry::prefix(), now)
        .await?;
    Ok(entries
        .iter()
        .filter(|entry| entry.person == person)
        // Who looked is no data of the person.
        .map(|entry| json!({"at": entry.at, "action": entry.action, "reason": entry.reason}))
        .collect())
}

/// The campaigns whose ledger names the person, with what became of their mail.
async fn campaigns(
    app: &App,
    scope: &AccountScope,
    person: PersonKey,
    now: Timestamp,
) -> Result<Value, Trouble> {
    let mut range = Range {
        table: Table::Main,
        pk: scope.configuration_partition(),
        prefix: format!("{}#", Campaign::KIND),
        after: None,
        limit: 100,
    };
    let mut all = Vec::new();
    loop {
        let page = app.store.page::<Campaign>(&range, now).await?;
        for campaign in page.items.iter().filter(|one| one.started_at.is_some()) {
            for item in mails(app, scope, campaign, person, now).await? {
                let place = scope.campaign(&campaign.id, Content::SORT_KEY);
                let content: Option<Content> = app.store.get(&place, now).await?;
                all.push(json!({
                    "campaign": campaign.id,
                    "name": campaign.name,
                    "subject": content.map(|content| content.source.subject),
                    "at": item.at,
                    "state": item.state,
                    "reason": item.reason,
                    "events": item.events,
                }));
            }
        }
        range.after = page.next;
        if range.after.is_none() {
            return Ok(all.into());
        }
    }
}

async fn mails(
    app: &App,
    scope: &AccountScope,
    campaign: &Campaign,
    person: PersonKey,
    now: Timestamp,
) -> Result<Vec<LogItem>, Trouble> {
    let mut items = Vec::new();
    for arc in arcs_of(app, scope, &campaign.id, person, now).await? {
        let entries = ledger(app, scope, &arc, now).await?;
        let ledger = Ledger::new(arc.span, entries);
        let is_over = campaign.state == CampaignState::Cancelled;
        items.extend(
            ledger
                .people(&Limits::default())
                .into_iter()
                .filter(|(_, whose, _)| *whose == person)
                .map(|(name, whose, fate)| log_item(&ledger, &arc, is_over, name, whose, fate)),
        );
    }
    Ok(items)
}

/// The arc that covers a person, of each round of a campaign.
pub(crate) async fn arcs_of(
    app: &App,
    scope: &AccountScope,
    campaign: &CampaignId,
    person: PersonKey,
    now: Timestamp,
) -> Result<Vec<Arc>, Trouble> {
    let place = scope.campaign(campaign, Control::SORT_KEY);
    let Some(control) = app.store.get::<Control>(&place, now).await? else {
        return Ok(Vec::new());
    };
    let number = control.circle().number_of(person);
    let mut arcs = Vec::new();
    for round in 0..=control.round {
        let place = scope.campaign(campaign, Arc::sort_key(round, number));
        arcs.extend(app.store.get::<Arc>(&place, now).await?);
    }
    Ok(arcs)
}
