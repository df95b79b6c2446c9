//! `restores`: begins one, shows what it would change, releases or discards it.
//!
//! The work is the function `restore`'s; here are the decisions that only a person makes.

use axum::Router;
use axum::routing::{get, post};
use lambda_http::http::{HeaderValue, StatusCode, Uri, header};
use rundbrief::account::Scope;
use rundbrief::archive::Archive;
use rundbrief::id::{BackupId, RestoreId};
use rundbrief::record::Expect;
use rundbrief::restore::{Damage, Restore, RestoreState};
use rundbrief::time::{ShownInstant, to_millisecond};
use serde_json::{Value, json};

use super::access::{Access, Desk, Sent};
use super::answer::{Answer, Refused, found, json as answer};
use super::body::{self, MAX_BODY_OCTETS};
use super::listing::page_of_kind;
use super::resource::ATTEMPTS;
use crate::app::Trouble;
use crate::problem::Problem;
use crate::restore;
use crate::store::WriteError;

const PATH: &str = "restores";

/// Another restore of the account is under way.
const RUNNING: Problem = Problem {
    code: "restore_running",
    title: "Another restore of this account is under way",
    ..Problem::CONFLICT
};
/// It is not in the state for this.
const NOT_NOW: Problem = Problem {
    code: "restore_state",
    title: "The restore does not allow this now",
    ..Problem::CONFLICT
};
/// What was staged is gone.
const EXPIRED: Problem = Problem {
    code: "restore_expired",
    title: "What was staged is kept for seven days, and they are over",
    ..Problem::CONFLICT
};

pub(super) fn routes() -> Router {
    let action = |name: &str| format!("/accounts/{{account}}/restores/{{id}}/{name}");
    Router::new()
        .route("/accounts/{account}/restores", get(list).post(begin))
        .route("/accounts/{account}/restores/{id}", get(read))
        .route(&action("release"), post(release))
        .route(&action("discard"), post(discard))
}

fn show(restore: &Restore) -> Value {
    json!({
        "id": restore.id,
        "backup": restore.backup,
        "state": restore.state,
        "difference": restore.difference,
        "dropped": {"persons": restore.dropped, "more": restore.more_dropped},
        "released": restore.released,
        "problems": restore.problems,
        "created_at": ShownInstant(restore.created_at),
        "staged_at": restore.staged_at.map(ShownInstant),
        "staged_until": ShownInstant(restore.quarantined_until()),
        "ended_at": restore.ended_at.map(ShownInstant),
    })
}

fn accepted(restore: &Restore) -> axum::response::Response {
    answer(StatusCode::ACCEPTED, &show(restore))
}

async fn list(access: Access, uri: Uri) -> Answer {
    let desk = access.with(Scope::Read)?;
    page_of_kind::<Restore>(&desk, &uri, PATH, Restore::prefix(), show).await
}

async fn current(desk: &Desk) -> Result<Restore, Refused> {
    let place = Restore::place(&desk.scope, &desk.id::<RestoreId>()?);
    let restore: Option<Restore> = desk.app.store.get(&place, desk.now).await?;
    restore.ok_or_else(|| Problem::NOT_FOUND.into())
}

async fn read(access: Access) -> Answer {
    let desk = access.with(Scope::Read)?;
    Ok(found(&show(&current(&desk).await?)))
}

/// Begins one: sending is frozen from the answer on.
async fn begin(access: Access, sent: Sent) -> Answer {
    let desk = access.with(Scope::Restore)?;
    let mut sent = sent.object(MAX_BODY_OCTETS)?;
    let backup = sent.required("backup", body::id::<BackupId>);
    let backup = sent.finish(backup)?;
    let place = Archive::place(&desk.scope, &backup);
    let archive: Option<Archive> = desk.app.store.get(&place, desk.now).await?;
    if archive.is_none_or(|archive| archive.listed(desk.now).is_none()) {
        return Err(Refused::field("backup", "unknown"));
    }
    let id = RestoreId::generate(desk.now, desk.app.entropy.as_ref());
    let begun = Restore::begin(id, backup, to_millisecond(desk.now));
    let transaction = begun.beginning();
    match desk
        .app
        .store
        .commit(&desk.scope, &transaction, desk.now)
        .await
    {
        Ok(()) => {}
        Err(WriteError::Conflict) => return Err(RUNNING.into()),
        Err(WriteError::Trouble(trouble)) => return Err(trouble.into()),
    }
    if let Err(trouble) = restore::ask(&desk.app, &desk.account.id, &begun).await {
        // Nobody was promised this restore: the account must not stay frozen for it.
        let problem = Some(Damage::NotQueued.into());
        let state = RestoreState::Refused;
        let ended = restore::end(&desk.app, &desk.scope, &begun, state, problem, desk.now);
        if ended.await.is_err() {
            tracing::error!(restore = %begun.id, "a restore that was not queued could not be ended");
        }
        return Err(trouble.into());
    }
    let mut response = accepted(&begun);
    if let Ok(location) = HeaderValue::from_str(&desk.path(PATH, begun.id.as_str())) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// Lets what is staged go where it belongs, and the account mail again after that.
async fn release(access: Access, sent: Sent) -> Answer {
    let desk = access.with(Scope::Restore)?;
    sent.object_if_any(MAX_BODY_OCTETS)?.finish(Some(()))?;
    for _ in 0..ATTEMPTS {
        let known = current(&desk).await?;
        match known.state {
            RestoreState::Staged if known.quarantined_until() <= desk.now => {
                return Err(EXPIRED.into());
            }
            RestoreState::Staged => {}
            // Asked twice: its message may have got lost.
            RestoreState::Releasing => {
                restore::ask(&desk.app, &desk.account.id, &known).await?;
                return Ok(accepted(&known));
            }
            _ => return Err(NOT_NOW.into()),
        }
        let mut moved = known.moved(RestoreState::Releasing);
        moved.leg += 1;
        let expect = Expect::Revision(known.rev);
        let put = desk.app.store.put(&desk.scope, &moved, expect, desk.now);
        match put.await {
            Ok(()) => {
                restore::ask(&desk.app, &desk.account.id, &moved).await?;
                return Ok(accepted(&moved));
            }
            Err(WriteError::Conflict) => {}
            Err(WriteError::Trouble(trouble)) => return Err(trouble.into()),
        }
    }
    Err(Trouble::Contended.into())
}

/// Decides against it: nothing is changed, what is staged is forgotten.
async fn discard(access: Access, sent: Sent) -> Answer {
    let desk = access.with(Scope::Restore)?;
    sent.object_if_any(MAX_BODY_OCTETS)?.finish(Some(()))?;
    // The work goes on meanwhile, and each of its steps is a change.
    for _ in 0..10 * ATTEMPTS {
        let known = current(&desk).await?;
        if known.state.is_over() || known.state == RestoreState::Releasing {
            return Err(NOT_NOW.into());
        }
        let state = RestoreState::Discarded;
        match restore::end(&desk.app, &desk.scope, &known, state, None, desk.now).await {
            Ok(()) => return Ok(accepted(&current(&desk).await?)),
            Err(WriteError::Conflict) => {}
            Err(WriteError::Trouble(trouble)) => return Err(trouble.into()),
        }
    }
    Err(Trouble::Contended.into())
}
