//! `accounts`: making, reading and completing a controller's account.
//!
//! Closing one is `close`.

mod close;

use axum::Router;
use axum::routing::{get, post};
use lambda_http::http::{StatusCode, Uri};
use rundbrief::account::{Account, ApiKey, DirectoryEntry, MAX_EVIDENCE_YEARS, Scope};
use rundbrief::address::EmailAddress;
use rundbrief::audit;
use rundbrief::crypto::{AccountKeyMaterial, KeySecret};
use rundbrief::header::MAX_SENDER_NAME_CHARACTERS;
use rundbrief::id::{AccountId, KeyId};
use rundbrief::key::{Key, Table};
use rundbrief::page_language::Language;
use rundbrief::record::{Expect, Record, Transaction};
use rundbrief::time::ShownInstant;
use rundbrief::tombstone_mark::TombstoneMark;
use serde_json::{Value, json};

use super::access::{Access, Context, PlatformAccess, Sent, key_text};
use super::answer::{Answer, created, etag, found, found_at, if_match, lost_race};
use super::body::{
    self, Code, MAX_BODY_OCTETS, Object, line, line_or_empty, lines, number, string, web_address,
    word,
};
use super::key::shown_once;
use super::listing::{Parameters, Window, listed};
use super::resource::ATTEMPTS;
use super::unsubscribe_setup;
use crate::problem::Problem;
use crate::store::{Range, WriteError};

/// Its name is free again once nothing is left of it.
const BEING_DELETED: Problem = Problem {
    status: StatusCode::CONFLICT,
    code: "being_deleted",
    title: "An account of this name is still being deleted",
};

/// Until the controller says otherwise.
const DEFAULT_TIME_ZONE: &str = "Europe/Vienna";
/// Longest imprint, in characters: it stands in every mail.
const MAX_IMPRINT_CHARACTERS: usize = 2_000;
/// Longest contact, in characters.
const MAX_CONTACT_CHARACTERS: usize = 500;
/// Domains one account may send from (engineering).
const MAX_SENDER_DOMAINS: usize = 20;

pub(super) fn routes() -> Router {
    Router::new()
        .route("/accounts", get(list).post(create))
        .route("/accounts/{account}", get(read).patch(change))
        .route("/accounts/{account}/close", post(close::close))
}

fn show(account: &Account) -> Value {
    json!({
        "id": account.id,
        "name": account.name,
        "imprint": account.imprint,
        "privacy_url": account.privacy_url,
        "language": account.language,
        "time_zone": account.time_zone,
        "contact": account.contact,
        "sender_domains": account.sender_domains,
        "evidence_years_after_erasure": account.evidence_years_after_erasure,
        "audit_months": account.audit_months.unwrap_or(audit::DEFAULT_MONTHS),
        "unsubscribe_setup": account.unsubscribe_setup,
        "created_at": ShownInstant(account.created_at),
        "closed_at": account.closed_at.map(ShownInstant),
        "deletion_due_at": account.gone_at.map(ShownInstant),
    })
}

async fn list(PlatformAccess(context): PlatformAccess, uri: Uri) -> Answer {
    let Context { app, now, .. } = context;
    let window = Window::of(&Parameters::of(&uri), "", "accounts")?;
    let range = Range {
        table: Table::Main,
        pk: Key::directory_partition(),
        prefix: String::new(),
        after: window.after_in("")?,
        limit: i32::try_from(window.limit).unwrap_or(1),
    };
    let page = app.store.page::<DirectoryEntry>(&range, now).await?;
    let reads = page
        .items
        .iter()
        .map(|entry| app.store.account(&entry.id, now));
    // An entry may outlive its account.
    let items = futures::future::try_join_all(reads)
        .await?
        .iter()
        .flatten()
        .map(show)
        .collect();
    let next = page.next.map(|after| window.cursor(0, &after));
    Ok(found(&listed(items, next)))
}

async fn create(PlatformAccess(context): PlatformAccess, sent: Sent) -> Answer {
    let Context { app, now, .. } = context;
    let mut body = sent.object(MAX_BODY_OCTETS)?;
    let id = body
        .optional("id", body::id::<AccountId>)
        .unwrap_or_else(|| AccountId::generate(now, app.entropy.as_ref()));
    let mut account = Account {
        id,
        rev: 1,
        name: String::new(),
        imprint: String::new(),
        privacy_url: String::new(),
        language: Language::default(),
        time_zone: DEFAULT_TIME_ZONE.to_owned(),
        contact: String::new(),
        sender_domains: Vec::new(),
        key: AccountKeyMaterial::generate(&app.keys().await?.secrets, app.entropy.as_ref()),
        has_address_rules: false,
        tombstones_marked: true,
        automated_decisions: false,
        audit_months: None,
        created_at: now,
        evidence_years_after_erasure: MAX_EVIDENCE_YEARS,
        unsubscribe_setup: None,
        closed_at: None,
        gone_at: None,
    };
    if !body.has("name") {
        body.problem("name", "missing");
    }
    apply(&mut account, &mut body);
    // A new account has none to name.
    if account.unsubscribe_setup.is_some() {
        body.problem("unsubscribe_setup", "unknown");
    }
    let account = body.finish(Some(account))?;
    // Over one that waits for its deletion a new one would own what is left of it.
    let place = Key::account(&account.id);
    let known: Option<Account> = app.store.get_even_expired(&place).await?;
    if known.is_some_and(|known| known.gone_at.is_some_and(|at| at <= now)) {
        return Err(BEING_DELETED.into());
    }

    let secret = KeySecret::generate(app.entropy.as_ref());
    let key = ApiKey {
        id: KeyId::generate(now, app.entropy.as_ref()),
        rev: 1,
        name: "First key".to_owned(),
        scopes: Scope::ALL.to_vec(),
        secret_hash: secret.hash(),
        created_at: now,
    };
    // The directory first: an entry without account does no harm, an account that the sweeper
    // cannot find would be kept for ever.
    let entry = DirectoryEntry::new(account.id.clone());
    match app
        .store
        .put_at(&Key::directory(&account.id), &entry, Expect::Absent, now)
        .await
    {
        Ok(()) | Err(WriteError::Conflict) => {}
        Err(WriteError::Trouble(trouble)) => return Err(trouble.into()),
    }
    // With the mark that its tombstones are here: from the first moment on a restore looks for it.
    let scope = account.scope(&app.keys().await?.secrets, now);
    let scope = scope.ok_or(Problem::INTERNAL)?;
    let mut transaction = Transaction::default();
    let mark = TombstoneMark::new(&scope, now);
    transaction.put(Record::TombstoneMark(mark), Expect::Absent);
    let made = Record::Account(Box::new(account.clone()));
    transaction.put(made, Expect::Absent);
    app.store.commit(&scope, &transaction, now).await?;
    app.store
        .put_at(
            &Key::api_key(&account.id, &key.id),
            &key,
            Expect::Absent,
            now,
        )
        .await?;
    let mut shown = show(&account);
    shown["key"] = key_text(&account.id, &key.id, &secret).into();
    let location = format!("{}/accounts/{}", super::PREFIX, account.id);
    Ok(shown_once(
        created(&location, &etag(account.rev), &shown),
        account.id.as_str(),
    ))
}

async fn read(access: Access) -> Answer {
    let account = access.with(Scope::Read)?.account;
    Ok(found_at(&etag(account.rev), &show(&account)))
}

async fn change(access: Access, sent: Sent) -> Answer {
    let desk = access.with(Scope::Admin)?;
    for _ in 0..ATTEMPTS {
        let before = desk
            .app
            .store
            .account(&desk.account.id, desk.now)
            .await?
            .ok_or(Problem::NOT_FOUND)?;
        if_match(&desk.headers, &etag(before.rev))?;
        let mut body = sent.object(MAX_BODY_OCTETS)?;
        if body.has("sender_domains") && !desk.caller.is_platform() {
            return Err(Problem::FORBIDDEN.into());
        }
        body.ignore(&["created_at", "closed_at", "deletion_due_at"]);
        if body
            .optional("id", body::id::<AccountId>)
            .is_some_and(|id| id != before.id)
        {
            body.problem("id", "cannot_change");
        }
        let mut account = before.clone();
        account.rev += 1;
        apply(&mut account, &mut body);
        if let Some(id) = &account.unsubscribe_setup
            && !unsubscribe_setup::exists(&desk, id).await?
        {
            body.problem("unsubscribe_setup", "unknown");
        }
        let account = body.finish(Some(account))?;
        let expect = Expect::Revision(before.rev);
        match desk
            .app
            .store
            .put(&desk.scope, &account, expect, desk.now)
            .await
        {
            Ok(()) => return Ok(found_at(&etag(account.rev), &show(&account))),
            Err(WriteError::Conflict) => {}
            Err(WriteError::Trouble(trouble)) => return Err(trouble.into()),
        }
    }
    Err(lost_race(&desk.headers))
}

/// Changes what was sent; null empties what may be empty.
fn apply(account: &mut Account, body: &mut Object) {
    // Every notice is sent under this name.
    match body.given("name", line(MAX_SENDER_NAME_CHARACTERS)) {
        Some(Some(name)) => account.name = name,
        Some(None) => body.problem("name", "missing"),
        None => {}
    }
    if let Some(imprint) = body.given("imprint", lines(MAX_IMPRINT_CHARACTERS)) {
        account.imprint = imprint.unwrap_or_default();
    }
    if let Some(contact) = body.given("contact", lines(MAX_CONTACT_CHARACTERS)) {
        account.contact = contact.unwrap_or_default();
    }
    if let Some(url) = body.given("privacy_url", address_or_empty) {
        account.privacy_url = url.unwrap_or_default();
    }
    if let Some(months) = body.given("audit_months", number(1..=audit::MAX_MONTHS)) {
        account.audit_months = months;
    }
    if let Some(id) = body.given("unsubscribe_setup", body::id) {
        account.unsubscribe_setup = id;
    }
    match body.given("language", word) {
        Some(Some(language)) => account.language = language,
        Some(None) => body.problem("language", "missing"),
        None => {}
    }
    match body.given("time_zone", time_zone) {
        Some(Some(zone)) => account.time_zone = zone,
        Some(None) => body.problem("time_zone", "missing"),
        None => {}
    }
    match body.given("evidence_years_after_erasure", years) {
        Some(Some(years)) => account.evidence_years_after_erasure = years,
        Some(None) => account.evidence_years_after_erasure = MAX_EVIDENCE_YEARS,
        None => {}
    }
    if body.has("sender_domains") {
        let mut domains = body
            .array("sender_domains", MAX_SENDER_DOMAINS, domain)
            .unwrap_or_default();
        let mut seen = std::collections::BTreeSet::new();
        domains.retain(|domain| seen.insert(domain.clone()));
        account.sender_domains = domains;
    }
}

fn years(value: Value) -> Result<u8, Code> {
    value
        .as_u64()
        .and_then(|years| u8::try_from(years).ok())
        .filter(|years| *years <= MAX_EVIDENCE_YEARS)
        .ok_or("out_of_range")
}

fn address_or_empty(value: Value) -> Result<String, Code> {
    if value.as_str().is_some_and(|text| text.trim().is_empty()) {
        return Ok(String::new());
    }
    web_address(value).map(|address| address.as_str().to_owned())
}

fn time_zone(value: Value) -> Result<String, Code> {
    let name = string(value)?;
    match rundbrief::time::zone(&name) {
        Ok(_) => Ok(name),
        Err(rundbrief::time::InvalidTimeZone) => Err("unknown"),
    }
}

/// A domain in the form in which addresses have it.
fn domain(value: Value) -> Result<String, Code> {
    let name = line_or_empty(255)(value)?;
    match EmailAddress::parse(&format!("newsletter@{name}")) {
        Ok(address) if !name.contains('@') => Ok(address.domain().to_owned()),
        _ => Err("invalid_domain"),
    }
}
