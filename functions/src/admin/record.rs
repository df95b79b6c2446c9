//! `GET record`: the record of processing of an account, as a page, as Markdown or as JSON.
//!
//! Gathers and renders; what stands in the record is `rundbrief::processing`'s part.

use std::sync::LazyLock;

use askama::Template;
use axum::Router;
use axum::response::Response;
use axum::routing::get;
use lambda_http::http::{HeaderValue, Uri, header};
use rundbrief::account::Scope;
use rundbrief::page_language::Language;
use rundbrief::processing::{
    Basis, ControllerRecord, Document, Dpia, InfrastructureFacts, Role, record_of_processing,
};
use serde_json::json;

use super::access::{Access, Desk};
use super::answer::{Answer, Refused, found};
use super::listing::Parameters;
use super::operator;
use super::setup::{all, declared_fields, setups};
use crate::problem::Problem;

/// What `infra/template.yaml` deploys; the `facts` program writes it.
static FACTS: LazyLock<Option<InfrastructureFacts>> = LazyLock::new(|| {
    let text = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../infra/facts.json"));
    InfrastructureFacts::parse(text).ok()
});

pub(super) fn routes() -> Router {
    Router::new().route("/accounts/{account}/record", get(read))
}

#[derive(Clone, Copy)]
enum Format {
    Html,
    Markdown,
    Json,
}

/// What the query string asks for.
struct Wanted {
    language: Language,
    format: Format,
    role: Role,
    strict: bool,
}

impl Wanted {
    fn of(uri: &Uri) -> Result<Self, Refused> {
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
    let document = Box::pin(document(&desk, &wanted)).await?;
    if wanted.strict && !document.complete {
        // S-02: an incomplete record is no record; the flags say where.
        let missing = document.missing.into_iter();
        let missing = missing.map(|one| (one.path, "to_complete"));
        return Err(Refused::fields(missing.collect()));
    }
    Ok(match wanted.format {
        Format::Html => {
            let page = RecordPage {
                document: &document,
            };
            let html = page.render().map_err(|_| Problem::INTERNAL)?;
            text("text/html; charset=utf-8", html)
        }
        // RFC 7763.
        Format::Markdown => text("text/markdown; charset=utf-8", document.markdown()),
        Format::Json => found(&json!(document)),
    })
}

/// The controller's record, complete or not.
pub(super) async fn in_language(desk: &Desk, language: Language) -> Result<Document, Refused> {
    let wanted = Wanted {
        language,
        format: Format::Json,
        role: Role::Controller,
        strict: false,
    };
    Box::pin(document(desk, &wanted)).await
}

async fn document(desk: &Desk, wanted: &Wanted) -> Result<Document, Refused> {
    let facts = FACTS.as_ref().ok_or(Problem::INTERNAL)?;
    let store = &desk.app.store;
    let (controller_key, dpia_key) = (
        ControllerRecord::place(&desk.scope),
        Dpia::place(&desk.scope),
    );
    let (controller, dpia, operator) = futures::try_join!(
        store.get::<ControllerRecord>(&controller_key, desk.now),
        store.get::<Dpia>(&dpia_key, desk.now),
        operator::current(&desk.app, desk.now),
    )?;
    let (setups, lists, fields) =
        futures::try_join!(setups(desk), all(desk), declared_fields(desk))?;
    let basis = Basis {
        account: &desk.account,
        controller: &controller.unwrap_or_default(),
        operator: &operator.unwrap_or_default(),
        dpia: dpia.as_ref(),
        facts,
        region: &desk.app.settings.region,
        setups: &setups,
        lists: &lists,
        fields: &fields,
        language: wanted.language,
        made_at: desk.now,
    };
    Ok(record_of_processing(&basis, wanted.role))
}

fn text(content_type: &'static str, text: String) -> Response {
    let mut response = Response::new(axum::body::Body::from(text));
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, content_type),
        // It names people of the controller.
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_facts_that_were_compiled_in_can_be_read() {
        assert!(FACTS.is_some());
    }
}
