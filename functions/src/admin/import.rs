//! `imports`: takes a CSV file with its provenance, or a place to upload one to, says how far it is, hands out the report.
//!
//! The rows are worked on by the function `import`, chunk by chunk.

mod upload;

use axum::Router;
use axum::response::Response;
use axum::routing::{get, post};
use jiff::Timestamp;
use lambda_http::http::{HeaderValue, StatusCode, Uri, header};
use rundbrief::account::Scope;
use rundbrief::id::{ImportId, ListId};
use rundbrief::import::{
    ClaimedProvenance, Import, ImportChunk, ImportFailure, ImportRequest, Provenance,
};
use rundbrief::key::Table;
use rundbrief::person::LegalBasis;
use rundbrief::record::{Expect, Stored};
use rundbrief::setup::{Field, List};
use rundbrief::subscriber_file::{InvalidFile, Layout, MAX_FILE_OCTETS, write_report};
use rundbrief::time::ShownInstant;
use rundbrief::time::{day_in, to_millisecond, zone};
use serde_json::{Value, json};

use super::access::{Access, Desk, Sent};
use super::answer::{Answer, Refused, etag, found_at, json as answer_json};
use super::listing::{Parameters, Window, page_of_kind};
use crate::app::Trouble;
use crate::import;
use crate::problem::Problem;
use crate::store::Range;

const PATH: &str = "imports";
/// Chunks of one page of a report: 50,000 rows are some 2 MB; an answer may have 6 MB.
const REPORT_CHUNKS: i32 = 100;
/// What the query may say; a misspelt `proof` must not get lost.
const PARAMETERS: [&str; 7] = [
    "list",
    "source",
    "legal_basis",
    "consented_on",
    "proof",
    "conditions",
    "dry_run",
];

pub(super) fn routes() -> Router {
    Router::new()
        .route("/accounts/{account}/imports", get(list).post(create))
        .route("/accounts/{account}/imports/{id}", get(read))
        .route("/accounts/{account}/imports/{id}/report", get(report))
        .route(
            "/accounts/{account}/imports/{id}/start",
            post(upload::start),
        )
}

async fn create(access: Access, uri: Uri, sent: Sent) -> Answer {
    let desk = access.with(Scope::Write)?;
    if upload::is_asked_for(sent.content_type.as_deref()) {
        let request = asked(&desk, &uri).await?;
        return upload::promise(&desk, request, &sent).await;
    }
    if !is_csv(sent.content_type.as_deref()) {
        return Err(Problem::UNSUPPORTED_TYPE.into());
    }
    if sent.bytes.len() > MAX_FILE_OCTETS {
        return Err(Problem::TOO_LARGE.into());
    }
    let request = asked(&desk, &uri).await?;
    let layout = Layout::of_file(&sent.bytes, &declared(&desk).await?).map_err(refused)?;
    let (taken, chunks) = Import::of_file(&desk.scope, request, layout, &sent.bytes);
    import::keep(&desk.app, &desk.account.id, &taken.id, sent.bytes.to_vec()).await?;
    write(&desk, &taken, &chunks).await?;
    queue(&desk, &taken).await?;
    Ok(accepted(&desk, &taken, &show(&desk, &taken)))
}

/// `text/csv`, in UTF-8 if it says so at all.
fn is_csv(content_type: Option<&str>) -> bool {
    let content_type = content_type.unwrap_or_default().to_ascii_lowercase();
    let mut parts = content_type.split(';').map(str::trim);
    parts.next() == Some("text/csv")
        && parts
            .filter_map(|part| part.strip_prefix("charset="))
            .all(|charset| matches!(charset.trim_matches('"'), "utf-8" | "utf8" | "us-ascii"))
}

/// What the query asks for, all problems named at once.
async fn asked(desk: &Desk, uri: &Uri) -> Result<ImportRequest, Refused> {
    let mut problems: Vec<(String, &'static str)> = Vec::new();
    let mut names: Vec<String> = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes())
        .map(|(name, _)| name.into_owned())
        .collect();
    names.sort_unstable();
    // A stranger's name is not repeated.
    if names
        .iter()
        .any(|name| !PARAMETERS.contains(&name.as_str()))
    {
        problems.push(("query".to_owned(), "unknown_parameter"));
    }
    if names.windows(2).any(|pair| pair[0] == pair[1]) {
        problems.push(("query".to_owned(), "repeated_parameter"));
    }
    let parameters = Parameters::of(uri);
    let list = match parameters.get("list").map(ListId::parse) {
        None => Err("missing"),
        Some(Err(_)) => Err("unknown"),
        Some(Ok(list)) => {
            let key = desk.scope.configuration(List::KIND, list.as_str());
            let known: Option<List> = desk.app.store.get(&key, desk.now).await?;
            known.map(|list| list.id).ok_or("unknown")
        }
    };
    if let Err(code) = list {
        problems.push(("list".to_owned(), code));
    }
    let dry_run = match parameters.get("dry_run") {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => {
            problems.push(("dry_run".to_owned(), "not_a_boolean"));
            false
        }
    };
    let claimed = ClaimedProvenance {
        source: parameters.get("source"),
        legal_basis: parameters.get("legal_basis"),
        consented_on: parameters.get("consented_on"),
        proof: parameters.get("proof"),
        conditions: parameters.get("conditions"),
    };
    let zone = zone(&desk.account.time_zone).map_err(|_| Trouble::Damaged)?;
    let provenance = Provenance::parse(claimed, day_in(desk.now, &zone));
    match (list, provenance) {
        (Ok(list), Ok(provenance)) if problems.is_empty() => Ok(ImportRequest {
            id: ImportId::generate(desk.now, desk.app.entropy.as_ref()),
            provenance,
            list,
            dry_run,
            now: to_millisecond(desk.now),
        }),
        (_, provenance) => {
            let more = provenance.err().unwrap_or_default();
            problems.extend(
                more.into_iter()
                    .map(|(field, code)| (field.to_owned(), code)),
            );
            let basis = problems.iter().any(|(field, _)| field == "legal_basis");
            let refused = Refused::fields(problems);
            Err(if basis {
                refused.with_choices("legal_bases", &LegalBasis::NAMES)
            } else {
                refused
            })
        }
    }
}

fn refused(invalid: InvalidFile) -> Refused {
    let field = match invalid {
        InvalidFile::TooLong => return Problem::TOO_LARGE.into(),
        InvalidFile::UnknownColumn { column } | InvalidFile::DuplicateColumn { column } => {
            format!("file.columns.{column}")
        }
        InvalidFile::Empty | InvalidFile::HeaderNotUtf8 | InvalidFile::MissingEmailColumn => {
            "file".to_owned()
        }
    };
    Refused::fields(vec![(field, invalid.code())])
}

/// Chunks first: an import that can be read is complete.
async fn write(desk: &Desk, taken: &Import, chunks: &[ImportChunk]) -> Result<(), Refused> {
    import::write_chunks(&desk.app, &desk.scope, chunks, desk.now).await?;
    desk.app
        .store
        .put(&desk.scope, taken, Expect::Absent, desk.now)
        .await?;
    Ok(())
}

/// Puts an import's messages into the queue, or gives it up: nobody was promised it then, and
/// what is queued of it must not go on.
async fn queue(desk: &Desk, taken: &Import) -> Result<(), Refused> {
    let Err(trouble) = import::queue(&desk.app, &desk.account.id, taken).await else {
        return Ok(());
    };
    if let Some(failed) = taken.given_up(ImportFailure::NotQueued, desk.now) {
        let expect = Expect::Revision(taken.rev);
        let put = desk.app.store.put(&desk.scope, &failed, expect, desk.now);
        if put.await.is_err() {
            tracing::warn!(import = %taken.id, "an import that was not queued could not be given up");
        }
    }
    Err(trouble.into())
}

/// The account's own fields.
pub(super) async fn declared(desk: &Desk) -> Result<Vec<Field>, Trouble> {
    desk.app
        .store
        .all(&desk.scope.configuration_partition(), "field#", desk.now)
        .await
}

/// `202` with where it is.
pub(super) fn accepted(desk: &Desk, import: &Import, shown: &Value) -> Response {
    let mut response = answer_json(StatusCode::ACCEPTED, shown);
    if let Ok(location) = HeaderValue::from_str(&desk.path(PATH, import.id.as_str())) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

fn show(desk: &Desk, import: &Import) -> Value {
    let path = desk.path(PATH, import.id.as_str());
    json!({
        "id": import.id,
        "state": import.state,
        "failure": import.failure,
        "list": import.list,
        "source": import.provenance.source,
        "legal_basis": import.provenance.legal_basis,
        "consented_on": import.provenance.consented_on,
        "proof": import.provenance.proof,
        "conditions": import.provenance.conditions,
        "sendable": import.provenance.is_sendable(),
        "warnings": import.provenance.warning().into_iter().collect::<Vec<_>>(),
        "dry_run": import.dry_run,
        "upload": import.upload.as_ref().map(upload::show),
        "created_at": ShownInstant(import.created_at),
        "ended_at": import.ended_at.map(ShownInstant),
        "rows": import.layout.rows(),
        "created": import.tally.created,
        "updated": import.tally.updated,
        "skipped": import.tally.skipped,
        "failed": import.tally.failed,
        "report": format!("{path}/report"),
    })
}

async fn list(access: Access, uri: Uri) -> Answer {
    let desk = access.with(Scope::Read)?;
    page_of_kind::<Import>(&desk, &uri, PATH, format!("{}#", Import::KIND), |one| {
        show(&desk, one)
    })
    .await
}

async fn current(desk: &Desk) -> Result<Import, Refused> {
    let id: ImportId = desk.id()?;
    let key = desk.scope.configuration(Import::KIND, id.as_str());
    let found: Option<Import> = desk.app.store.get(&key, desk.now).await?;
    found.ok_or_else(|| Problem::NOT_FOUND.into())
}

async fn read(access: Access) -> Answer {
    let desk = access.with(Scope::Read)?;
    let import = current(&desk).await?;
    Ok(found_at(&etag(import.rev), &show(&desk, &import)))
}

/// The report as CSV, a row per row of the file, in its order; long ones in pages, of which each
/// names the next in its `Link` (RFC 8288).
async fn report(access: Access, uri: Uri) -> Answer {
    let desk = access.with(Scope::Read)?;
    let import = current(&desk).await?;
    let name = format!("{PATH}/{}/report", import.id);
    let window = Window::of(&Parameters::of(&uri), desk.account.id.as_str(), &name)?;
    let prefix = "chunk#".to_owned();
    let page = desk
        .app
        .store
        .page::<ImportChunk>(
            &Range {
                table: Table::Main,
                pk: desk.scope.import_partition(&import.id),
                after: window.after_in(&prefix)?,
                prefix,
                limit: REPORT_CHUNKS,
            },
            desk.now,
        )
        .await?;
    if page.items.is_empty() && import.chunks > 0 && reports_are_gone(&import, desk.now) {
        return Err(Problem::NOT_FOUND.into());
    }
    let rows: Vec<_> = page.items.iter().flat_map(ImportChunk::report).collect();
    let mut response = Response::new(axum::body::Body::from(write_report(&rows)));
    let headers = response.headers_mut();
    let mut set = |name, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    set(
        header::CONTENT_TYPE,
        "text/csv; charset=utf-8; header=present",
    );
    set(header::CACHE_CONTROL, "no-store");
    if let Some(after) = page.next {
        let cursor = window.cursor(0, &after);
        let path = desk.path(PATH, import.id.as_str());
        set(
            header::LINK,
            &format!("<{path}/report?cursor={cursor}>; rel=\"next\""),
        );
    }
    Ok(response)
}

/// Whether the chunks have expired.
fn reports_are_gone(import: &Import, now: Timestamp) -> bool {
    ImportChunk::gone_at(import.created_at) <= now
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_in_utf_8_is_taken_and_nothing_else() {
        for (content_type, taken) in [
            (Some("text/csv"), true),
            (Some("Text/CSV; charset=UTF-8; header=present"), true),
            (Some("text/csv; charset=\"utf-8\""), true),
            (Some("text/csv; charset=windows-1252"), false),
            (Some("text/plain"), false),
            (Some("application/json"), false),
            (None, false),
        ] {
            assert_eq!(is_csv(content_type), taken, "{content_type:?}");
        }
    }
}
