//! `GET record`: the record of processing of an account, as a page, as Markdown or as JSON.
//!
//! Gathers and renders; what stands in the record is `rundbrief::processing`'s part.

use askama::Template;
use axum::Router;
use axum::routing::get;
use lambda_http::http::Uri;
use rundbrief::account::Scope;
use rundbrief::page_language::Language;
use rundbrief::processing::{Document, Role};
use serde_json::json;

use super::access::Access;
use super::answer::{Answer, Refused, found, written};
use super::listing::Parameters;
use crate::problem::Problem;
use crate::record_of_processing::document;

pub(super) fn routes() -> Router {
    Router::new().route("/accounts/{account}/record", get(read))
}

#[derive(Clone, Copy)]
pub(super) enum Format {
    Html,
    Markdown,
    Json,
}

/// What the query string asks for.
pub(super) struct Wanted {
    pub(super) language: Language,
    pub(super) format: Format,
    role: Role,
    strict: bool,
}

impl Wanted {
    pub(super) fn of(uri: &Uri) -> Result<Self, Refused> {
        let parameters = Parameters::of(uri);
        let mut problems = Vec::new();
        let mut unknown = |name: &str| problems.push((name.to_owned(), "unknown"));
        let language = match parameters.get("lang").map(Language::parse) {
            None => Language::De,
            Some(Ok(language)) => language,
            Some(Err(_)) => {
                unknown("lang");
                Language::De
            }
        };
        let format = match parameters.get("format") {
            None | Some("html") => Format::Html,
            Some("md") => Format::Markdown,
            Some("json") => Format::Json,
            Some(_) => {
                unknown("format");
                Format::Html
            }
        };
        let role = match parameters.get("role") {
            None | Some("controller") => Role::Controller,
            Some("processor") => Role::Processor,
            Some(_) => {
                unknown("role");
                Role::Controller
            }
        };
        let strict = match parameters.get("strict") {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => {
                unknown("strict");
                false
            }
        };
        if problems.is_empty() {
            Ok(Self {
                language,
                format,
                role,
                strict,
            })
        } else {
            Err(Refused::fields(problems))
        }
    }
}

async fn read(access: Access, uri: Uri) -> Answer {
    let desk = access.with(Scope::Read)?;
    let wanted = Wanted::of(&uri)?;
    // Six reads: too large for the stack of every request.
    let of = (&desk.account, &desk.scope);
    let document = Box::pin(document(
        &desk.app,
        of,
        wanted.language,
        wanted.role,
        desk.now,
    ))
    .await?;
    if wanted.strict && !document.complete {
        // S-02: an incomplete record is no record; the flags say where.
        let missing = document.missing.into_iter();
        let missing = missing.map(|one| (one.path, "to_complete"));
        return Err(Refused::fields(missing.collect()));
    }
    rendered(&document, wanted.format)
}

/// A document as it was asked for.
pub(super) fn rendered(document: &Document, format: Format) -> Answer {
    Ok(match format {
        Format::Html => {
            let page = RecordPage { document };
            let html = page.render().map_err(|_| Problem::INTERNAL)?;
            written("text/html; charset=utf-8", html)
        }
        // RFC 7763.
        Format::Markdown => written("text/markdown; charset=utf-8", document.markdown()),
        Format::Json => found(&json!(document)),
    })
}

/// The record as a page to read and to print.
#[derive(Template)]
#[template(path = "record.html")]
struct RecordPage<'a> {
    document: &'a Document,
}

impl RecordPage<'_> {
    fn say(&self, de: &'static str, en: &'static str) -> &'static str {
        self.document.language.pick(de, en)
    }
}
