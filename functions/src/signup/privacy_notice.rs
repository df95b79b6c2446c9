//! `GET /notice/{account}/{version}`: a version of a privacy notice as visitors were shown it.
//!
//! Years later too: each is kept under the digest of its words, which evidence names (L-09, L-14).

use askama::Template;
use jiff::Timestamp;
use lambda_http::http::{HeaderValue, header};
use lambda_http::{Body, Request, Response};
use rundbrief::account::Account;
use rundbrief::evidence::Digest;
use rundbrief::evidence::document::{Document, Subject};
use rundbrief::id::AccountId;
use rundbrief::key::AccountScope;
use rundbrief::page_language::Language;
use rundbrief::privacy_notice::{Element, InForce, PrivacyNotice, is_published};
use rundbrief::setup::Setup;
use serde_json::json;

use super::LoadedForm;
use crate::app::{App, Trouble};
use crate::page;
use crate::problem::Problem;
use crate::visitor;

/// The parameter of the path.
pub(super) const VERSION: &str = "version";

/// The path of a version's page.
pub(crate) fn path(account: &AccountId, version: Digest) -> String {
    format!("/notice/{account}/{version}")
}

/// Keeps the notice in force with a sign-up, if it follows from the account: once per process and
/// version.
pub(super) async fn keep(app: &App, form: &LoadedForm, now: Timestamp) -> Result<(), Trouble> {
    match &form.notice {
        InForce::Named(_) => Ok(()),
        InForce::Derived { text, .. } => {
            let document = Document::new(Subject::Notice, text.clone(), now);
            app.keep_document(&form.scope, document, now).await
        }
    }
}

/// Shows the version that the path names.
pub(super) async fn respond(app: &App, request: &Request, now: Timestamp) -> Response<Body> {
    let as_json = visitor::wants_json(request.headers());
    match find(app, request, now).await {
        Ok(Some((notice, version))) if as_json => {
            let shown = json!({
                "version": version,
                "language": notice.language,
                "elements": notice.elements,
                "url": notice.url,
            });
            let mut response = Response::new(Body::Text(shown.to_string()));
            let headers = response.headers_mut();
            let json = HeaderValue::from_static("application/json");
            headers.insert(header::CONTENT_TYPE, json);
            response
        }
        Ok(Some((notice, version))) => shown(&notice, version),
        Ok(None) if as_json => Problem::NOT_FOUND.json(),
        Ok(None) => page::problem(Problem::NOT_FOUND, Language::default(), Vec::new()),
        Err(trouble) => page::problem(trouble.into(), Language::default(), Vec::new()),
    }
}

async fn find(
    app: &App,
    request: &Request,
    now: Timestamp,
) -> Result<Option<(PrivacyNotice, Digest)>, Trouble> {
    let id = |name| visitor::path_parameter(request, name);
    let (Some(account), Some(version)) = (id("account"), id(VERSION)) else {
        return Ok(None);
    };
    let (Ok(account), Ok(version)) = (AccountId::parse(&account), Digest::try_from(version)) else {
        return Ok(None);
    };
    let Some((account, scope)) = app.account(&account, now).await? else {
        return Ok(None);
    };
    let place = Document::place(&scope, version);
    let document: Option<Document> = app.store.get(&place, now).await?;
    // The words of forms and mails are kept there too: they are not shown to everybody.
    let kept = document
        .filter(|document| document.subject == Subject::Notice && document.is_intact())
        .map(|document| document.text);
    let text = match kept {
        Some(text) => Some(text),
        None => in_force(app, &account, &scope, version, now).await?,
    };
    let notice = text.and_then(|text| PrivacyNotice::of_text(&text));
    Ok(notice.map(|notice| (notice, version)))
}

/// The text with this version that follows from the account today, while nobody has signed up
/// under it: looking at a form keeps nothing.
async fn in_force(
    app: &App,
    account: &Account,
    scope: &AccountScope,
    version: Digest,
    now: Timestamp,
) -> Result<Option<String>, Trouble> {
    let setups: Vec<Setup> = app.store.configured(scope, now).await?;
    let text = setups
        .into_iter()
        .filter(|setup| is_published(account, setup))
        .flat_map(|setup| {
            Language::ALL.map(|language| Setup {
                language,
                ..setup.clone()
            })
        })
        .find_map(|setup| InForce::of(account, &setup).text_of(version));
    Ok(text)
}

#[derive(Template)]
#[template(path = "privacy_notice.html")]
struct Shown<'a> {
    language: Language,
    title: &'static str,
    elements: Vec<(&'static str, &'a str)>,
    url: Option<&'a str>,
    more: &'static str,
    version_label: &'static str,
    version: String,
}

fn shown(notice: &PrivacyNotice, version: Digest) -> Response<Body> {
    let language = notice.language;
    let shown = Shown {
        language,
        title: language.pick(
            "Hinweise zum Datenschutz nach Art. 13 DSGVO",
            "Privacy notice under Art. 13 GDPR",
        ),
        elements: Element::ALL
            .into_iter()
            .filter_map(|element| {
                let text = notice.elements.get(&element)?;
                Some((element.heading(language), text.as_str()))
            })
            .collect(),
        url: notice.url.as_deref(),
        more: language.pick("Mehr dazu", "More about it"),
        version_label: language.pick("Fassung", "Version"),
        version: version.to_string(),
    };
    match shown.render() {
        Ok(html) => page::html(html),
        Err(_) => Problem::INTERNAL.json(),
    }
}
