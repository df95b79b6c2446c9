//! What was deleted, in numbers: `deletions` of an account and of the platform, `closures` of
//! accounts that are gone. Read only; no report names anybody.

use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use lambda_http::http::Uri;
use rundbrief::account::Scope;
use rundbrief::id::AccountId;
use rundbrief::key::Key;
use rundbrief::record::Stored;
use rundbrief::retention::{ClosingReport, DeletionReport};
use rundbrief::time::ShownInstant;
use serde_json::{Value, json};

use super::access::{Access, PlatformAccess};
use super::answer::{Answer, Refused, etag, found_at};
use super::listing::{Parameters, Window, page_at};
use crate::problem::Problem;

pub(super) fn routes() -> Router {
    Router::new()
        .route("/accounts/{account}/deletions", get(of_account))
        .route("/deletions", get(of_platform))
        .route("/closures", get(closures))
        .route("/closures/{account}", get(closure))
}

fn show(report: &DeletionReport) -> Value {
    json!({
        "id": report.run.to_string(),
        "at": ShownInstant(report.at),
        "deleted": report.deleted.0,
        "total": report.deleted.total(),
        "finished": report.finished,
        "last_archive_copy_gone_by": report.archives_gone_by().map(ShownInstant),
        "last_full_copy_gone_by": report.full_copies_gone_by().map(ShownInstant),
    })
}

fn show_closing(report: &ClosingReport) -> Value {
    let is_done = report.finished_at.is_some();
    json!({
        "account": report.account,
        "state": if is_done { "done" } else { "running" },
        "closed_at": report.closed_at.map(ShownInstant),
        "began_at": ShownInstant(report.began_at),
        "finished_at": report.finished_at.map(ShownInstant),
        "deleted": report.deleted.0,
        "objects_deleted": report.objects,
        "nothing_left": is_done,
        "last_full_copy_gone_by": report.full_copies_gone_by().map(ShownInstant),
        "last_suppression_copy_gone_by": report.tombstone_copies_gone_by().map(ShownInstant),
    })
}

async fn of_account(access: Access, uri: Uri) -> Answer {
    let desk = access.with(Scope::Read)?;
    let window = Window::of(&Parameters::of(&uri), desk.account.id.as_str(), "deletions")?;
    let place = desk.scope.configuration(DeletionReport::KIND, "");
    page_at(&desk.app, &window, (place.pk, place.sk), desk.now, show).await
}

async fn of_platform(PlatformAccess(context): PlatformAccess, uri: Uri) -> Answer {
    let window = Window::of(&Parameters::of(&uri), "platform", "deletions")?;
    let place = DeletionReport::all();
    page_at(
        &context.app,
        &window,
        (place.pk, place.sk),
        context.now,
        show,
    )
    .await
}

async fn closures(PlatformAccess(context): PlatformAccess, uri: Uri) -> Answer {
    let window = Window::of(&Parameters::of(&uri), "platform", "closures")?;
    let place = Key::global(ClosingReport::PARTITION, "");
    page_at(
        &context.app,
        &window,
        (place.pk, place.sk),
        context.now,
        show_closing,
    )
    .await
}

async fn closure(PlatformAccess(context): PlatformAccess, Path(account): Path<String>) -> Answer {
    let account = AccountId::parse(&account).map_err(|_| Refused::from(Problem::NOT_FOUND))?;
    let place = ClosingReport::place(&account);
    let report: Option<ClosingReport> = context.app.store.get(&place, context.now).await?;
    let report = report.ok_or(Problem::NOT_FOUND)?;
    Ok(found_at(&etag(report.rev), &show_closing(&report)))
}
