//! `subscribers`: reading people, completing their data, and what the controller may decide.
//!
//! Nobody is added here: people come in by sign-up or import.

mod change;
mod erase;
mod export;
mod hold;
mod relationship;

use axum::Router;
use axum::routing::{get, post};
use lambda_http::http::{StatusCode, Uri};
use rundbrief::account::Scope;
use rundbrief::id::{Partition, PersonKey};
use rundbrief::person::{ImportedConsent, Person, Profile, Purpose, Unsubscription, Withdrawal};
use rundbrief::setup::BUILT_IN_FIELDS;
use rundbrief::sign_up::SignUp;
use rundbrief::time::ShownInstant;
use serde_json::{Map, Value, json};

use super::access::{Access, Desk};
use super::answer::{Answer, Refused, found, found_at};
use super::listing::{Parameters, Window, listed};
use super::sign_up::{self, Asked};
use crate::problem::Problem;

/// Their collection in the path.
const PATH: &str = "subscribers";

const EMAIL_CHANGE: Problem = Problem {
    status: StatusCode::UNPROCESSABLE_ENTITY,
    code: "email_cannot_change",
    title: "A new address is a new person, who must sign up",
};

pub(super) fn routes() -> Router {
    let one = "/accounts/{account}/subscribers/{id}";
    Router::new()
        .route(
            "/accounts/{account}/subscribers",
            get(list).delete(erase::erase_by_email),
        )
        .route(one, get(read).patch(change::change).delete(erase::erase))
        .route(&format!("{one}/evidence"), get(evidence))
        .route(&format!("{one}/export"), get(export::export))
        .route(
            &format!("{one}/hold"),
            get(hold::read).post(hold::place).delete(hold::lift),
        )
        .route(&format!("{one}/portable"), get(export::portable))
        .route(
            &format!("{one}/unsubscribe"),
            post(relationship::unsubscribe),
        )
        .route(&format!("{one}/restrict"), post(relationship::restrict))
        .route(
            &format!("{one}/lift-restriction"),
            post(relationship::lift_restriction),
        )
        .route(&format!("{one}/object"), post(relationship::object))
        .route(&format!("{one}/end-relationship"), post(relationship::end))
}

/// A subscriber in the shape of the contract.
fn show(profile: &Profile, withdrawal: Option<&Withdrawal>) -> Value {
    let mut shown = Map::new();
    shown.insert("id".to_owned(), json!(profile.person));
    shown.insert("state".to_owned(), json!(profile.standing(withdrawal)));
    shown.insert("email".to_owned(), json!(profile.address));
    for name in BUILT_IN_FIELDS {
        let value = profile
            .values
            .iter()
            .find(|(key, _)| key.as_str() == name)
            .map(|(_, value)| json!(value));
        let empty = || match name {
            "advertising_criteria" => json!([]),
            _ => Value::Null,
        };
        shown.insert(name.to_owned(), value.unwrap_or_else(empty));
    }
    let declared: Map<String, Value> = profile
        .values
        .iter()
        .filter(|(key, _)| !BUILT_IN_FIELDS.contains(&key.as_str()))
        .map(|(key, value)| (key.to_string(), json!(value)))
        .collect();
    shown.insert("fields".to_owned(), declared.into());
    let since = |purpose| profile.agrees_since(purpose, withdrawal);
    for (name, value) in [
        ("lists", json!(profile.active_lists(withdrawal))),
        ("sendable_lists", json!(profile.sendable_lists(withdrawal))),
        ("interests", json!(profile.interests)),
        (
            "tracking_consent_since",
            json!(since(Purpose::Tracking).map(ShownInstant)),
        ),
        (
            "profiling_consent_since",
            json!(since(Purpose::Profiling).map(ShownInstant)),
        ),
        ("language", json!(profile.language)),
        ("customer", json!(profile.customer)),
        ("created_at", json!(ShownInstant(profile.created_at))),
        ("ended_on", json!(profile.ended_on)),
        ("deletion_due_at", json!(profile.gone_at.map(ShownInstant))),
    ] {
        shown.insert(name.to_owned(), value);
    }
    shown.into()
}

/// Changes with either item: what a person is depends on both.
fn etag(profile: &Profile, withdrawal: Option<&Withdrawal>) -> String {
    let withdrawal = withdrawal.map_or(0, |withdrawal| withdrawal.rev);
    format!("\"{}-{withdrawal}\"", profile.rev)
}

fn shown(person: &Person) -> Answer {
    let profile = person.profile.as_ref().ok_or(Problem::NOT_FOUND)?;
    let withdrawal = person.withdrawal.as_ref();
    Ok(found_at(
        &etag(profile, withdrawal),
        &show(profile, withdrawal),
    ))
}

/// The person that the path names and their profile; not found without one.
async fn known(desk: &Desk) -> Result<(Person, Profile), Refused> {
    let key: PersonKey = desk.id()?;
    let person = desk.app.store.person(&desk.scope, key, desk.now).await?;
    let profile = person.profile.clone().ok_or(Problem::NOT_FOUND)?;
    Ok((person, profile))
}

async fn list(access: Access, uri: Uri) -> Answer {
    let desk = access.with(Scope::Read)?;
    let parameters = Parameters::of(&uri);
    let window = Window::of(&parameters, desk.account.id.as_str(), PATH)?;
    let (items, next) = match Asked::of(&parameters, &desk.scope) {
        Asked::Nobody => (Vec::new(), None),
        Asked::One(key) => {
            let person = desk.app.store.person(&desk.scope, key, desk.now).await?;
            let withdrawal = person.withdrawal.as_ref();
            let items = person.profile.iter();
            (
                items.map(|profile| show(profile, withdrawal)).collect(),
                None,
            )
        }
        Asked::Everybody => page(&desk, &window).await?,
    };
    Ok(found(&listed(items, next)))
}

async fn page(desk: &Desk, window: &Window) -> Result<(Vec<Value>, Option<String>), Refused> {
    let (first, mut after) = window.partition()?;
    let mut items = Vec::new();
    for partition in Partition::all().skip(usize::from(first.number())) {
        loop {
            let wanted = window.limit - items.len();
            if wanted == 0 {
                let after = after.unwrap_or_default();
                return Ok((items, Some(window.cursor(partition.number(), &after))));
            }
            let page = desk
                .app
                .store
                .people_page(&desk.scope, partition, after.take(), wanted, desk.now)
                .await?;
            items.extend(
                page.items
                    .iter()
                    .map(|(profile, withdrawal)| show(profile, withdrawal.as_ref())),
            );
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    Ok((items, None))
}

async fn read(access: Access) -> Answer {
    let desk = access.with(Scope::Read)?;
    let (person, _) = known(&desk).await?;
    shown(&person)
}

/// What an import said of a consent.
fn show_import(said: &ImportedConsent) -> Value {
    let mut shown = json!(said);
    shown["at"] = json!(ShownInstant(said.at));
    shown
}

/// What proves a person's consent, also when the profile is gone already.
async fn evidence(access: Access) -> Answer {
    let desk = access.with(Scope::Read)?;
    let key: PersonKey = desk.id()?;
    let store = &desk.app.store;
    let (person, mut sign_ups, mut unsubscriptions) = futures::try_join!(
        store.person(&desk.scope, key, desk.now),
        store.records::<SignUp>(&desk.scope, key, SignUp::RECORD, desk.now),
        store.records::<Unsubscription>(&desk.scope, key, Unsubscription::RECORD, desk.now),
    )?;
    if let Some(tombstone) = &person.tombstone {
        sign_ups.retain(|sign_up| !tombstone.hides(sign_up.signed_up_at));
        unsubscriptions.retain(|left| !tombstone.hides(left.at));
    }
    if person.profile.is_none() && sign_ups.is_empty() && unsubscriptions.is_empty() {
        return Err(Problem::NOT_FOUND.into());
    }
    let consents: Vec<Value> = person
        .profile
        .iter()
        .flat_map(|profile| profile.lists.iter().map(move |entry| (profile, entry)))
        .map(|(profile, (list, consent))| {
            json!({
                "list": list,
                "since": ShownInstant(consent.since),
                "legal_basis": consent.basis,
                "proof": consent.proof,
                "proven": profile.is_proven(list),
            })
        })
        .collect();
    Ok(found(&json!({
        "subscriber": key,
        "consents": consents,
        "imports": person
            .profile
            .iter()
            .flat_map(|profile| &profile.provenance)
            .map(show_import)
            .collect::<Vec<_>>(),
        "signups": sign_ups.iter().map(sign_up::show).collect::<Vec<_>>(),
        "unsubscriptions": unsubscriptions
            .iter()
            .map(sign_up::show_unsubscription)
            .collect::<Vec<_>>(),
    })))
}
