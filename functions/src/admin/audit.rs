//! `audit`: records what is called here, and lists what was.
//!
//! There is no route that changes or deletes an entry; `retention` does when its time is over.

use axum::Router;
use axum::extract::{MatchedPath, RawPathParams, Request};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use jiff::Timestamp;
use lambda_http::http::{Uri, header};
use rundbrief::account::Scope;
use rundbrief::audit::{self, Actor, AuditEntry, Call};
use rundbrief::id::{AccountId, EventId};
use rundbrief::key::{Key, Table};
use rundbrief::record::Stored;
use rundbrief::time::{ShownInstant, plus_seconds};
use serde_json::{Value, json};

use super::access::{Access, Context, PlatformAccess};
use super::answer::{Answer, Refused, found};
use super::listing::{Parameters, Window, listed};
use crate::app::{App, Trouble};
use crate::audit::{LOST, record};
use crate::problem::Problem;
use crate::store::Range;

pub(super) fn routes() -> Router {
    Router::new()
        .route("/accounts/{account}/audit", get(of_account))
        .route("/audit", get(of_platform))
}

/// What a request was routed to, as an extension of its answer.
#[derive(Clone)]
struct Routed(Call);

/// Lets every answer say which route it came from.
pub(super) fn told(routes: Router) -> Router {
    routes.route_layer(from_fn(tell))
}

async fn tell(
    route: MatchedPath,
    named: Result<RawPathParams, axum::extract::rejection::RawPathParamsRejection>,
    request: Request,
    next: Next,
) -> Response {
    let method = request.method().to_string();
    let named = named.map(|named| {
        let named = named.iter();
        named
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    });
    let mut response = next.run(request).await;
    let call = Call {
        method,
        route: route.as_str().to_owned(),
        named: named.unwrap_or_default(),
        status: response.status().as_u16(),
        created: created(&response),
    };
    response.extensions_mut().insert(Routed(call));
    response
}

/// The last part of where something new is.
fn created(response: &Response) -> Option<String> {
    let location = response.headers().get(header::LOCATION)?.to_str().ok()?;
    location.rsplit('/').next().map(str::to_owned)
}

/// Records the call that was answered so, if it is one that is recorded. What proves consent or
/// leaves the platform is not answered unrecorded.
pub(super) async fn recorded(context: &Context, response: Response) -> Response {
    let Some(Routed(call)) = response.extensions().get::<Routed>().cloned() else {
        // No route, or an answer given again: nothing was done.
        return response;
    };
    if !audit::is_recorded(&call.method, &call.route) {
        return response;
    }
    let reads = audit::only_reads(&call.method);
    let Err(trouble) = write(context, call).await else {
        return response;
    };
    tracing::error!(event = LOST, %trouble, reads, "a call could not be recorded");
    if reads {
        Refused::from(Problem::INTERNAL).into_response()
    } else {
        // It was carried out, and the caller must hear so.
        response
    }
}

async fn write(context: &Context, call: Call) -> Result<(), Trouble> {
    let (app, now) = (&context.app, context.now);
    // An account's own key is recorded in its account, whatever account the path names.
    if let Some((account, scope, key)) = context.caller.own() {
        let by = Actor::Key {
            id: key.id.clone(),
            scopes: key.scopes.clone(),
        };
        return record(app, Some((account, scope)), by, call, now).await;
    }
    let named = call.named.iter().find(|(name, _)| name == "account");
    let named = named.map(|(_, id)| id);
    // An account's log begins with its making, and goes with it.
    let named = named.or(call.created.as_ref());
    let account = match named.and_then(|id| AccountId::parse(id).ok()) {
        Some(id) => app.account(&id, now).await?,
        None => None,
    };
    let account = account.as_ref().map(|(account, scope)| (account, scope));
    record(app, account, Actor::Platform, call, now).await
}

fn show(entry: &AuditEntry) -> Value {
    json!({
        "id": entry.id.to_string(),
        "at": ShownInstant(entry.at),
        "by": entry.by.name(),
        "scopes": entry.by.scopes(),
        "method": entry.method,
        "route": entry.route,
        "targets": entry.targets,
        "status": entry.status,
        "kept_until": ShownInstant(entry.gone_at),
    })
}

async fn of_account(access: Access, uri: Uri) -> Answer {
    let desk = access.with(Scope::Admin)?;
    let partition = desk.scope.audit_partition();
    list(
        &desk.app,
        &uri,
        desk.account.id.as_str(),
        partition,
        desk.now,
    )
    .await
}

async fn of_platform(PlatformAccess(context): PlatformAccess, uri: Uri) -> Answer {
    let partition = Key::global(AuditEntry::KIND, "").pk;
    list(&context.app, &uri, "", partition, context.now).await
}

/// A page of a log, the oldest first, of a span of time if one is named.
async fn list(app: &App, uri: &Uri, account: &str, pk: String, now: Timestamp) -> Answer {
    let parameters = Parameters::of(uri);
    let instant = |name: &'static str| {
        let given = parameters.get(name).map(str::parse::<Timestamp>);
        given
            .transpose()
            .map_err(|_| Refused::field(name, "not_an_instant"))
    };
    let (since, until) = (instant("since")?, instant("until")?);
    let bound = format!("audit {since:?} {until:?}");
    let window = Window::of(&parameters, account, &bound)?;
    // The last number before the first instant asked for.
    let start = since.map(|since| EventId::earliest(since).to_string());
    let mut range = Range {
        table: Table::Main,
        pk,
        prefix: String::new(),
        after: window.after_in("")?.or(start),
        limit: 0,
    };
    let end = until.unwrap_or_else(|| plus_seconds(now, 1));
    let mut entries: Vec<AuditEntry> = Vec::new();
    let next = loop {
        range.limit = i32::try_from(window.limit - entries.len()).unwrap_or(1);
        let page = app.store.page::<AuditEntry>(&range, now).await?;
        let before = page.items.len();
        entries.extend(page.items.into_iter().filter(|entry| entry.at < end));
        let is_over = entries.len() < before || page.next.is_none();
        if is_over {
            break None;
        }
        if entries.len() >= window.limit {
            break page.next;
        }
        range.after = page.next;
    };
    let items = entries.iter().map(show).collect();
    let next = next.map(|after| window.cursor(0, &after));
    Ok(found(&listed(items, next)))
}
