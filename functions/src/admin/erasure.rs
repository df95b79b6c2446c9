//! `erasures`: the proof of each erasure (P-42): when the live data went, by when the last copy is
//! gone, and what remains. Read only; it names people by key, never by address.

use axum::Router;
use axum::routing::get;
use lambda_http::http::Uri;
use rundbrief::account::Scope;
use rundbrief::erasure::{Erasure, Task, Told};
use rundbrief::id::RecordId;
use rundbrief::time::ShownInstant;
use serde_json::{Value, json};

use super::access::Access;
use super::answer::{Answer, etag, found_at};
use super::listing::{Parameters, Window, page_at};
use crate::problem::Problem;

/// Their collection in the path.
pub(super) const PATH: &str = "erasures";

pub(super) fn routes() -> Router {
    Router::new()
        .route("/accounts/{account}/erasures", get(list))
        .route("/accounts/{account}/erasures/{id}", get(read))
}

fn recipient(told: Told) -> (&'static str, Option<ShownInstant>) {
    match told {
        Told::Waiting => ("waiting", None),
        Told::Acknowledged(at) => ("acknowledged", Some(ShownInstant(at))),
        Told::NotAcknowledged(at) => ("not_acknowledged", Some(ShownInstant(at))),
    }
}

pub(super) fn show(erasure: &Erasure) -> Value {
    let webhooks: Vec<Value> = erasure
        .recipients
        .iter()
        .map(|(webhook, told)| {
            let (state, at) = recipient(*told);
            json!({"id": webhook, "state": state, "at": at})
        })
        .collect();
    let done = |task| erasure.done.get(&task).copied().map(ShownInstant);
    let live_gone_at = erasure.live_gone_at();
    let outstanding: Vec<Task> = Task::ALL
        .into_iter()
        .filter(|task| !erasure.has(*task))
        .collect();
    // Without any archive the last copy in one went with the live data.
    let archives = live_gone_at.map(|at| erasure.archives_gone_by.map_or(at, |by| by.max(at)));
    json!({
        "id": erasure.id(),
        "subscriber": erasure.person,
        "requested_at": ShownInstant(erasure.requested_at),
        "requested_by": erasure.by,
        "state": if outstanding.is_empty() { "done" } else { "running" },
        "outstanding": outstanding,
        "unreadable_since": ShownInstant(erasure.requested_at),
        "live_data_gone_at": live_gone_at.map(ShownInstant),
        "last_archive_copy_gone_by": archives.map(ShownInstant),
        "last_full_copy_gone_by": erasure.full_copies_gone_by().map(ShownInstant),
        "remains": {
            "tombstone": "a keyed hash and times, so that nobody is added again without a new confirmation",
            "sealed_evidence": {
                "records": erasure.sealed,
                "until": erasure.sealed_until.map(ShownInstant),
            },
        },
        "evidence_deleted_in_clear_at": done(Task::Records),
        "quarantined_copies_deleted_at": done(Task::Quarantine),
        "campaign_ledgers_blanked_at": done(Task::Ledgers),
        "import_files_deleted_at": done(Task::ImportFiles),
        "ses_suppression_list_cleaned_at": done(Task::Ses),
        "linked": erasure.linked,
        "former_addresses_erased_at": done(Task::Linked),
        "ses_suppression_list": {
            "spellings": erasure.ses.spellings,
            "removed": erasure.ses.removed,
            "not_listed": erasure.ses.not_listed(),
            "failed_calls": erasure.ses.failed_calls,
        },
        "recipients": {
            "notified": erasure.notified(),
            "not_acknowledged": erasure
                .recipients
                .values()
                .filter(|told| matches!(told, Told::NotAcknowledged(_)))
                .count(),
            "webhooks": webhooks,
            "settled_at": done(Task::Recipients),
        },
    })
}

async fn list(access: Access, uri: Uri) -> Answer {
    let desk = access.with(Scope::Read)?;
    let window = Window::of(&Parameters::of(&uri), desk.account.id.as_str(), PATH)?;
    let place = (desk.scope.erasures_partition(), String::new());
    page_at(&desk.app, &window, place, desk.now, show).await
}

async fn read(access: Access) -> Answer {
    let desk = access.with(Scope::Read)?;
    let id: RecordId = desk.id()?;
    let key = desk.scope.erasure(id.person, id.event);
    let erasure: Erasure = desk
        .app
        .store
        .get(&key, desk.now)
        .await?
        .ok_or(Problem::NOT_FOUND)?;
    Ok(found_at(&etag(erasure.rev), &show(&erasure)))
}
