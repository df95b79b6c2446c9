//! `signups` and `unsubscriptions`: the evidence of coming and going, to be read only.
//!
//! Written by the functions that visitors reach.

use std::collections::BTreeSet;

use axum::Router;
use axum::routing::get;
use jiff::Timestamp;
use lambda_http::http::Uri;
use rundbrief::account::Scope;
use rundbrief::address::EmailAddress;
use rundbrief::id::{PersonKey, RecordId};
use rundbrief::key::AccountScope;
use rundbrief::person::Unsubscription;
use rundbrief::record::Stored;
use rundbrief::sign_up::{SignUp, SignUpState};
use rundbrief::time::ShownInstant;
use serde_json::{Value, json};

use super::access::{Access, Desk};
use super::answer::{Answer, Refused, etag, found, found_at};
use super::listing::{Parameters, Window, listed, walk_records};
use crate::problem::Problem;

pub(super) fn routes() -> Router {
    Router::new()
        .route("/accounts/{account}/signups", get(list))
        .route("/accounts/{account}/signups/{id}", get(read))
        .route("/accounts/{account}/unsubscriptions", get(unsubscriptions))
}

/// The person that `?email=` asks for: nobody where it is no address.
pub(super) enum Asked {
    Everybody,
    Nobody,
    One(PersonKey),
}

impl Asked {
    pub(super) fn of(parameters: &Parameters, scope: &AccountScope) -> Self {
        let Some(email) = parameters.get("email") else {
            return Self::Everybody;
        };
        // No address has a space in it: a plus sign was sent as it is.
        match EmailAddress::parse(&email.trim().replace(' ', "+")) {
            Ok(address) => Self::One(scope.person(&address)),
            Err(_) => Self::Nobody,
        }
    }
}

/// The evidence, in the shape of the contract: what is not known yet is null.
pub(super) fn show(sign_up: &SignUp) -> Value {
    json!({
        "id": sign_up.id(),
        "setup": sign_up.setup,
        "mode": sign_up.mode,
        "channel": sign_up.channel,
        "suits_as_proof": sign_up.mode.suits_as_proof(),
        "state": sign_up.state,
        "email": sign_up.email,
        "form_url": sign_up.form_url,
        "form_url_claimed": sign_up.form_url_claimed,
        "form_ip": sign_up.form_ip,
        "confirm_ip": sign_up.confirm_ip,
        "signed_up_at": ShownInstant(sign_up.signed_up_at),
        "confirmed_at": sign_up.confirmed_at.map(ShownInstant),
        "fields": sign_up.fields,
        "lists": sign_up.lists,
        "interests": sign_up.interests,
        "tracking_consent": sign_up.tracking_consent,
        "profiling_consent": sign_up.profiling_consent,
        "age_confirmed": sign_up.age_confirmed,
        "subscriber": sign_up.subscriber,
        "form_version": sign_up.form_version,
        "consent_wording": sign_up.consent_wording,
        "notice_version": sign_up.notice_version,
        "language": sign_up.language,
        "expires_at": sign_up.gone_at.map(ShownInstant),
    })
}

pub(super) fn show_unsubscription(unsubscription: &Unsubscription) -> Value {
    json!({
        "id": unsubscription.id(),
        // Who it was is not known any more: the key is a random one.
        "subscriber": unsubscription
            .anonymised_at
            .is_none()
            .then_some(unsubscription.person),
        "at": ShownInstant(unsubscription.at),
        "via": unsubscription.via,
        "lists": unsubscription.lists,
        "all": unsubscription.all,
        "campaign": unsubscription.campaign,
        "setup": unsubscription.setup,
        "reason": unsubscription.reason,
        "anonymised_at": unsubscription.anonymised_at.map(ShownInstant),
    })
}

/// A record of a person that an erasure hides.
pub(super) trait OfPerson {
    /// Whose it is and of when.
    fn whose(&self) -> (PersonKey, Timestamp);
}

impl OfPerson for SignUp {
    fn whose(&self) -> (PersonKey, Timestamp) {
        (self.person, self.signed_up_at)
    }
}

impl OfPerson for Unsubscription {
    fn whose(&self) -> (PersonKey, Timestamp) {
        (self.person, self.at)
    }
}

/// Takes out the records of people who were erased since: they are gone for every reader, whether
/// clean-up has come to them or not.
pub(super) async fn retain_visible<T: OfPerson>(
    desk: &Desk,
    records: &mut Vec<T>,
) -> Result<(), Refused> {
    let people: BTreeSet<PersonKey> = records.iter().map(|record| record.whose().0).collect();
    let tombstones = desk.app.store.tombstones(&desk.scope, &people).await?;
    records.retain(|record| {
        let (person, at) = record.whose();
        !tombstones
            .get(&person)
            .is_some_and(|tombstone| tombstone.hides(at))
    });
    Ok(())
}

/// A record, unless its person was erased.
pub(super) async fn visible<T: Stored + OfPerson>(
    desk: &Desk,
    record: &str,
    id: RecordId,
) -> Result<T, Refused> {
    let key = desk.scope.record(id.person, record, id.event);
    let found: Option<T> = desk.app.store.get(&key, desk.now).await?;
    let mut found: Vec<T> = found.into_iter().collect();
    retain_visible(desk, &mut found).await?;
    found.pop().ok_or_else(|| Problem::NOT_FOUND.into())
}

/// All records of a kind of one person, or a page of everybody's.
async fn records<T: Stored + OfPerson>(
    desk: &Desk,
    parameters: &Parameters,
    list: &str,
    record: &str,
    accept: impl Fn(&T) -> bool,
) -> Result<(Vec<T>, Option<String>), Refused> {
    let window = Window::of(parameters, desk.account.id.as_str(), list)?;
    match Asked::of(parameters, &desk.scope) {
        Asked::Everybody => {
            let (mut records, next) = walk_records(desk, &window, accept).await?;
            retain_visible(desk, &mut records).await?;
            Ok((records, next))
        }
        Asked::Nobody => Ok((Vec::new(), None)),
        Asked::One(person) => {
            let mut records: Vec<T> = desk
                .app
                .store
                .records(&desk.scope, person, record, desk.now)
                .await?;
            records.retain(accept);
            retain_visible(desk, &mut records).await?;
            window.page_of(records, |record| record.key(&desk.scope).sk)
        }
    }
}

async fn list(access: Access, uri: Uri) -> Answer {
    let desk = access.with(Scope::Read)?;
    let parameters = Parameters::of(&uri);
    let state: Option<SignUpState> = parameters
        .get("state")
        .map(|state| serde_json::from_value(state.into()))
        .transpose()
        .map_err(|_| Refused::field("state", "unknown"))?;
    let name = format!(
        "signups {:?} {:?}",
        parameters.get("email"),
        parameters.get("state")
    );
    let (sign_ups, next) = records(
        &desk,
        &parameters,
        &name,
        SignUp::RECORD,
        |found: &SignUp| state.is_none_or(|state| found.state == state),
    )
    .await?;
    Ok(found(&listed(sign_ups.iter().map(show).collect(), next)))
}

async fn read(access: Access) -> Answer {
    let desk = access.with(Scope::Read)?;
    let id: RecordId = desk.id()?;
    let sign_up: SignUp = visible(&desk, SignUp::RECORD, id).await?;
    Ok(found_at(&etag(sign_up.rev), &show(&sign_up)))
}

async fn unsubscriptions(access: Access, uri: Uri) -> Answer {
    let desk = access.with(Scope::Read)?;
    let parameters = Parameters::of(&uri);
    let name = format!("unsubscriptions {:?}", parameters.get("email"));
    let (left, next) = records(
        &desk,
        &parameters,
        &name,
        Unsubscription::RECORD,
        |_: &Unsubscription| true,
    )
    .await?;
    let items = left.iter().map(show_unsubscription).collect();
    Ok(found(&listed(items, next)))
}
