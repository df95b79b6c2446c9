//! `suppressions`: addresses, domains and patterns that an account writes to no more, and the
//! Austrian ECG list.
//!
//! An address is taken and never shown again: what is kept is its keyed hash.

use axum::Router;
use axum::routing::get;
use lambda_http::http::{StatusCode, Uri};
use rundbrief::account::{Account, Scope};
use rundbrief::address::{EmailAddress, InvalidAddress};
use rundbrief::crypto::sha256_hex;
use rundbrief::id::{EventId, SuppressionId};
use rundbrief::record::{Expect, Record, Stored, Transaction};
use rundbrief::suppression::ecg::{EcgChunk, EcgDigests, EcgList, InvalidEcgFile};
use rundbrief::suppression::{self, InvalidRule, MAX_RULES, Pattern, Rule, Suppression, mark};
use rundbrief::time::{ShownInstant, to_millisecond};
use serde_json::{Value, json};

use super::access::{Access, Desk, Sent};
use super::answer::{
    Answer, Refused, created, etag, found, found_at, gone, if_match, json as answer, lost_race,
};
use super::body::{Code, MAX_BODY_OCTETS, Object, line, line_or_empty, string};
use super::listing::page_of_kind;
use super::resource::ATTEMPTS;
use crate::app::Trouble;
use crate::problem::Problem;
use crate::store::WriteError;

const PATH: &str = "suppressions";
/// Longest note in characters.
const MAX_NOTE_CHARACTERS: usize = 500;

pub(super) fn routes() -> Router {
    Router::new()
        .route("/accounts/{account}/suppressions", get(list).post(create))
        .route(
            "/accounts/{account}/suppressions/{id}",
            get(read).put(replace).delete(remove),
        )
        .route(
            "/accounts/{account}/suppressions/ecg",
            get(ecg).post(upload).delete(drop_ecg),
        )
}

fn show(suppression: &Suppression) -> Value {
    let (kind, value) = match &suppression.rule {
        Rule::Address(_) => ("address", None),
        Rule::Domain(domain) => ("domain", Some(domain.as_str())),
        Rule::Pattern(pattern) => ("pattern", Some(pattern.text())),
    };
    json!({
        "id": suppression.id,
        "kind": kind,
        "value": value,
        "note": suppression.note,
        "created_at": ShownInstant(suppression.created_at),
    })
}

async fn list(access: Access, uri: Uri) -> Answer {
    let desk = access.with(Scope::Read)?;
    page_of_kind::<Suppression>(&desk, &uri, PATH, Suppression::prefix(), show).await
}

async fn current(desk: &Desk) -> Result<Suppression, Refused> {
    let place = Suppression::place(&desk.scope, &desk.id::<SuppressionId>()?);
    let found: Option<Suppression> = desk.app.store.get(&place, desk.now).await?;
    found.ok_or_else(|| Problem::NOT_FOUND.into())
}

async fn read(access: Access) -> Answer {
    let desk = access.with(Scope::Read)?;
    let suppression = current(&desk).await?;
    Ok(found_at(&etag(suppression.rev), &show(&suppression)))
}

/// What the body says is to be suppressed.
fn rule(desk: &Desk, body: &mut Object) -> Option<Rule> {
    let kind = body.required("kind", line(20));
    let value = |read: fn(&Desk, &str) -> Result<Rule, Code>| {
        move |value: Value| read(desk, &string(value)?)
    };
    match kind.as_deref() {
        Some("address") => body.required("value", value(address)),
        Some("domain") => body.required("value", value(domain)),
        Some("pattern") => body.required("value", value(pattern)),
        known => {
            if known.is_some() {
                body.problem("kind", "unknown");
            }
            body.ignore(&["value"]);
            None
        }
    }
}

fn address(desk: &Desk, text: &str) -> Result<Rule, Code> {
    let address = EmailAddress::parse(text).map_err(InvalidAddress::code)?;
    Ok(Rule::Address(desk.scope.person(&address)))
}

fn domain(_: &Desk, text: &str) -> Result<Rule, Code> {
    Rule::domain(text).map_err(InvalidRule::code)
}

fn pattern(_: &Desk, text: &str) -> Result<Rule, Code> {
    Pattern::parse(text)
        .map(Rule::Pattern)
        .map_err(InvalidRule::code)
}

async fn create(access: Access, sent: Sent) -> Answer {
    let desk = access.with(Scope::Write)?;
    let mut body = sent.object(MAX_BODY_OCTETS)?;
    let note = body.optional("note", line_or_empty(MAX_NOTE_CHARACTERS));
    let rule = rule(&desk, &mut body);
    let rule = body.finish(rule)?;
    let suppression = Suppression {
        id: rule.id().map_err(|_| Problem::INTERNAL)?,
        rev: 1,
        rule,
        note: note.unwrap_or_default(),
        created_at: to_millisecond(desk.now),
    };
    match suppression.rule {
        Rule::Address(_) => mark_person(&desk, &suppression).await?,
        Rule::Domain(_) | Rule::Pattern(_) => add_rule(&desk, &suppression).await?,
    }
    Ok(created(
        &desk.path(PATH, suppression.id.as_str()),
        &etag(suppression.rev),
        &show(&suppression),
    ))
}

/// The suppression and the marks of its person, together.
async fn mark_person(desk: &Desk, suppression: &Suppression) -> Result<(), Refused> {
    let Rule::Address(key) = &suppression.rule else {
        return Ok(());
    };
    let place = suppression.key(&desk.scope);
    for _ in 0..ATTEMPTS {
        let known: Option<Suppression> = desk.app.store.get(&place, desk.now).await?;
        if known.is_some() {
            return Err(Problem::CONFLICT.into());
        }
        let person = desk.app.store.person(&desk.scope, *key, desk.now).await?;
        let mut transaction = mark(&person, Some(desk.now));
        let record = Record::Suppression(suppression.clone());
        transaction.put(record, Expect::Absent);
        if commit(desk, &transaction).await? {
            return Ok(());
        }
    }
    Err(Trouble::Contended.into())
}

/// Whether it was carried out: somebody may have changed what it is about.
async fn commit(desk: &Desk, transaction: &Transaction) -> Result<bool, Refused> {
    let store = &desk.app.store;
    match store.commit(&desk.scope, transaction, desk.now).await {
        Ok(()) => Ok(true),
        Err(WriteError::Conflict) => Ok(false),
        Err(WriteError::Trouble(trouble)) => Err(trouble.into()),
    }
}

/// The account says that it has rules before it has one: a sign-up looks when it says so.
async fn add_rule(desk: &Desk, suppression: &Suppression) -> Result<(), Refused> {
    let store = &desk.app.store;
    let rules = store.address_rules(&desk.scope, desk.now).await?;
    if rules.count() >= MAX_RULES {
        return Err(Refused::field("value", "too_many"));
    }
    for _ in 0..ATTEMPTS {
        let account = store.account(&desk.account.id, desk.now).await?;
        let account = account.ok_or(Problem::NOT_FOUND)?;
        if account.has_address_rules {
            let put = store.put(&desk.scope, suppression, Expect::Absent, desk.now);
            return Ok(put.await?);
        }
        let expect = Expect::Revision(account.rev);
        let marked = Account {
            rev: account.rev + 1,
            has_address_rules: true,
            ..account
        };
        match store.put(&desk.scope, &marked, expect, desk.now).await {
            Ok(()) | Err(WriteError::Conflict) => {}
            Err(WriteError::Trouble(trouble)) => return Err(trouble.into()),
        }
    }
    Err(Trouble::Contended.into())
}

/// Changes the note; what is suppressed stays what it is.
async fn replace(access: Access, sent: Sent) -> Answer {
    let desk = access.with(Scope::Write)?;
    for _ in 0..ATTEMPTS {
        let before = current(&desk).await?;
        if_match(&desk.headers, &etag(before.rev))?;
        let mut body = sent.object(MAX_BODY_OCTETS)?;
        body.ignore(&["created_at"]);
        let note = body.optional("note", line_or_empty(MAX_NOTE_CHARACTERS));
        let shown = show(&before);
        for name in ["id", "kind"] {
            if body
                .optional(name, string)
                .is_some_and(|sent| shown[name] != sent)
            {
                body.problem(name, "cannot_change");
            }
        }
        let same = |text: &str| match &before.rule {
            Rule::Address(person) => address(&desk, text) == Ok(Rule::Address(*person)),
            Rule::Domain(_) => domain(&desk, text).as_ref() == Ok(&before.rule),
            Rule::Pattern(_) => pattern(&desk, text).as_ref() == Ok(&before.rule),
        };
        if body
            .optional("value", string)
            .is_some_and(|sent| !same(&sent))
        {
            body.problem("value", "cannot_change");
        }
        let after = Suppression {
            rev: before.rev + 1,
            note: note.unwrap_or_default(),
            ..before.clone()
        };
        let after = body.finish(Some(after))?;
        let expect = Expect::Revision(before.rev);
        let put = desk.app.store.put(&desk.scope, &after, expect, desk.now);
        match put.await {
            Ok(()) => return Ok(found_at(&etag(after.rev), &show(&after))),
            Err(WriteError::Conflict) => {}
            Err(WriteError::Trouble(trouble)) => return Err(trouble.into()),
        }
    }
    Err(lost_race(&desk.headers))
}

/// Ends it, with the marks of its person.
async fn remove(access: Access) -> Answer {
    let desk = access.with(Scope::Write)?;
    for _ in 0..ATTEMPTS {
        let suppression = current(&desk).await?;
        if_match(&desk.headers, &etag(suppression.rev))?;
        let person = match &suppression.rule {
            Rule::Address(key) => Some(desk.app.store.person(&desk.scope, *key, desk.now).await?),
            Rule::Domain(_) | Rule::Pattern(_) => None,
        };
        let transaction = suppression::end(&desk.scope, &suppression, person.as_ref());
        if commit(&desk, &transaction).await? {
            return Ok(gone());
        }
    }
    Err(lost_race(&desk.headers))
}

fn show_ecg(list: &EcgList) -> Value {
    json!({
        "entries": list.entries,
        "sha256": list.sha256,
        "uploaded_at": ShownInstant(list.uploaded_at),
    })
}

async fn known_ecg(desk: &Desk) -> Result<Option<EcgList>, Refused> {
    let place = EcgList::place(&desk.scope);
    Ok(desk.app.store.get(&place, desk.now).await?)
}

async fn ecg(access: Access) -> Answer {
    let desk = access.with(Scope::Read)?;
    let list = known_ecg(&desk).await?.ok_or(Problem::NOT_FOUND)?;
    Ok(found(&show_ecg(&list)))
}

/// Takes the list as it is published; it replaces the one before.
async fn upload(access: Access, sent: Sent) -> Answer {
    let desk = access.with(Scope::Write)?;
    if sent.content_type.as_deref() != Some("application/octet-stream") {
        return Err(Problem::UNSUPPORTED_TYPE.into());
    }
    let digests = EcgDigests::parse(&sent.bytes).map_err(|invalid| match invalid {
        InvalidEcgFile::TooLong => Problem::TOO_LARGE.into(),
        invalid => Refused::field("file", invalid.code()),
    })?;
    let version = EventId::generate(desk.now, desk.app.entropy.as_ref());
    let store = &desk.app.store;
    // The digests first: a list that can be read is complete.
    for chunk in digests.chunks(version) {
        store
            .put(&desk.scope, &chunk, Expect::Absent, desk.now)
            .await?;
    }
    let before = known_ecg(&desk).await?;
    let list = EcgList {
        version,
        rev: before.as_ref().map_or(1, |before| before.rev + 1),
        entries: digests.count(),
        sha256: sha256_hex(&sent.bytes),
        uploaded_at: to_millisecond(desk.now),
    };
    let expect = Expect::unchanged(before.as_ref());
    store.put(&desk.scope, &list, expect, desk.now).await?;
    if let Some(before) = before {
        forget(&desk, &before).await?;
    }
    Ok(answer(StatusCode::ACCEPTED, &show_ecg(&list)))
}

async fn drop_ecg(access: Access) -> Answer {
    let desk = access.with(Scope::Write)?;
    let list = known_ecg(&desk).await?.ok_or(Problem::NOT_FOUND)?;
    let place = EcgList::place(&desk.scope);
    desk.app.store.delete(&place, list.rev).await?;
    forget(&desk, &list).await?;
    Ok(gone())
}

/// Deletes the digests of a list that is in force no more.
async fn forget(desk: &Desk, list: &EcgList) -> Result<(), Refused> {
    let (partition, prefix) = (
        desk.scope.configuration_partition(),
        EcgChunk::prefix(list.version),
    );
    let store = &desk.app.store;
    for chunk in store.all::<EcgChunk>(&partition, &prefix, desk.now).await? {
        store.delete(&chunk.key(&desk.scope), chunk.rev).await?;
    }
    Ok(())
}
