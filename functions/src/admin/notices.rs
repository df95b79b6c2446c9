//! `notices`: versions of the privacy notice (Art. 13 GDPR) in the controller's own words.
//!
//! A version never changes and never goes: evidence names it. Setups that name none show the one
//! that follows from the account.

use std::collections::BTreeMap;

use axum::Router;
use axum::routing::get;
use lambda_http::http::Uri;
use rundbrief::account::Scope;
use rundbrief::evidence::Digest;
use rundbrief::evidence::document::{Document, Subject};
use rundbrief::id::InvalidId;
use rundbrief::page_language::Language;
use rundbrief::privacy_notice::{Element, NoticeVersion, PrivacyNotice};
use rundbrief::record::Expect;
use rundbrief::time::{ShownInstant, to_millisecond};
use rundbrief::web_address::WebAddress;
use serde_json::{Value, json};

use super::access::{Access, Desk, Sent};
use super::answer::{Answer, created, etag, found_at};
use super::body::{MAX_BODY_OCTETS, MAX_NAME_CHARACTERS, Object, line, lines, web_address, word};
use super::listing::page_of_kind;
use crate::problem::Problem;
use crate::signup::privacy_notice;
use crate::store::WriteError;

/// Their collection in the path.
const PATH: &str = "notices";
/// Longest element, in characters.
const MAX_ELEMENT_CHARACTERS: usize = 5_000;

pub(super) fn routes() -> Router {
    Router::new()
        .route("/accounts/{account}/notices", get(list).post(create))
        .route("/accounts/{account}/notices/{id}", get(read))
}

/// A version in the path.
struct VersionId(Digest);

impl TryFrom<String> for VersionId {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        Digest::try_from(text).map(Self).map_err(|_| InvalidId)
    }
}

fn show(version: &NoticeVersion, desk: &Desk) -> Value {
    let page = privacy_notice::path(&desk.account.id, version.sha256);
    let base = desk.app.settings.public_url.as_deref();
    let mut shown = json!({
        "version": version.sha256,
        "name": version.name,
        "language": version.notice.language,
        "url": version.notice.url,
        "created_at": ShownInstant(version.created_at),
        "page_url": base.map(|base| format!("{base}{page}")),
    });
    for (element, text) in &version.notice.elements {
        shown[element.name()] = text.as_str().into();
    }
    shown
}

/// Takes all elements: one that says nothing is named.
fn take(body: &mut Object) -> Option<(String, PrivacyNotice)> {
    let name = body.required("name", line(MAX_NAME_CHARACTERS));
    let language: Option<Language> = body.required("language", word);
    let url: Option<WebAddress> = body.optional("url", web_address);
    let mut elements = BTreeMap::new();
    for element in Element::ALL {
        let said = |value| match lines(MAX_ELEMENT_CHARACTERS)(value)? {
            text if text.is_empty() => Err("empty"),
            text => Ok(text),
        };
        if let Some(text) = body.required(element.name(), said) {
            elements.insert(element, text);
        }
    }
    let url = url.map(|url| url.as_str().to_owned());
    Some((name?, PrivacyNotice::new(language?, elements, url)))
}

async fn create(access: Access, sent: Sent) -> Answer {
    let desk = access.with(Scope::Write)?;
    let mut body = sent.object(MAX_BODY_OCTETS)?;
    let taken = take(&mut body);
    let (name, notice) = body.finish(taken)?;
    let now = to_millisecond(desk.now);
    let version = NoticeVersion::new(name, notice, now);
    // The words first: whatever names a version finds them.
    let words = Document::new(Subject::Notice, version.notice.text(), now);
    desk.app.keep_document(&desk.scope, words, desk.now).await?;
    let put = desk
        .app
        .store
        .put(&desk.scope, &version, Expect::Absent, desk.now);
    match put.await {
        Ok(()) => {
            let path = desk.path(PATH, &version.sha256.to_string());
            Ok(created(&path, &etag(version.rev), &show(&version, &desk)))
        }
        // The same words are the same version.
        Err(WriteError::Conflict) => shown(&desk, version.sha256).await,
        Err(WriteError::Trouble(trouble)) => Err(trouble.into()),
    }
}

async fn shown(desk: &Desk, version: Digest) -> Answer {
    let place = NoticeVersion::place(&desk.scope, version);
    let version: Option<NoticeVersion> = desk.app.store.get(&place, desk.now).await?;
    let version = version.ok_or(Problem::NOT_FOUND)?;
    Ok(found_at(&etag(version.rev), &show(&version, desk)))
}

async fn read(access: Access) -> Answer {
    let desk = access.with(Scope::Read)?;
    let VersionId(version) = desk.id()?;
    shown(&desk, version).await
}

async fn list(access: Access, uri: Uri) -> Answer {
    let desk = access.with(Scope::Read)?;
    page_of_kind::<NoticeVersion>(&desk, &uri, PATH, NoticeVersion::prefix(), |one| {
        show(one, &desk)
    })
    .await
}
