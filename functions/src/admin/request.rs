//! `requests`: what persons asked for under Art. 15 to 21 GDPR, with the day by which each must be
//! answered (L-15).
//!
//! What is done on the preference page stands here as answered; the rest the controller enters.

use axum::Router;
use axum::routing::{get, post};
use jiff::tz::TimeZone;
use lambda_http::http::{StatusCode, Uri};
use rundbrief::account::Scope;
use rundbrief::id::{EventId, PersonKey, RecordId};
use rundbrief::key::Table;
use rundbrief::person::Person;
use rundbrief::person_request::{PersonRequest, RequestKind, RequestState, Unchanged};
use rundbrief::record::Expect;
use rundbrief::time::{ShownInstant, day_in};
use serde_json::{Value, json};

use super::access::{Access, Desk, Sent};
use super::answer::{Answer, Refused, created, etag, found, found_at, if_match, lost_race};
use super::body::{Code, MAX_BODY_OCTETS, date, id, line, string};
use super::listing::{Parameters, Window, listed, page_at, walk};
use super::resource::ATTEMPTS;
use crate::app::Trouble;
use crate::problem::Problem;
use crate::store::{Range, WriteError};

const PATH: &str = "requests";
/// Longest reason in characters.
const MAX_REASON_CHARACTERS: usize = 500;

const CLOSED: Problem = Problem {
    status: StatusCode::CONFLICT,
    code: "request_closed",
    title: "The request was answered or refused before",
};
const EXTENDED: Problem = Problem {
    status: StatusCode::CONFLICT,
    code: "request_extended",
    title: "The request was extended before: once is what the law allows",
};
const TOO_LATE: Problem = Problem {
    status: StatusCode::CONFLICT,
    code: "month_is_over",
    title: "The person must be told of an extension within the first month",
};

impl From<Unchanged> for Refused {
    fn from(why: Unchanged) -> Self {
        match why {
            Unchanged::Closed => CLOSED.into(),
            Unchanged::Extended => EXTENDED.into(),
            Unchanged::TooLate => TOO_LATE.into(),
        }
    }
}

pub(super) fn routes() -> Router {
    let one = "/accounts/{account}/requests/{id}";
    Router::new()
        .route("/accounts/{account}/requests", get(list).post(create))
        .route(one, get(read))
        .route(&format!("{one}/extend"), post(extend))
        .route(&format!("{one}/close"), post(close))
}

fn show(request: &PersonRequest, zone: &TimeZone, now: jiff::Timestamp) -> Value {
    json!({
        "id": request.id(),
        "kind": request.request,
        "subscriber": request.person,
        "by": if request.by_person { "person" } else { "controller" },
        "received_on": request.received_on,
        "due_on": request.due_on(),
        "overdue": request.is_overdue(now, zone),
        "state": request.state,
        "extended_because": request.extended_because,
        "closed_at": request.closed_at.map(ShownInstant),
        "closed_because": request.closed_because,
    })
}

fn zone(desk: &Desk) -> Result<TimeZone, Refused> {
    Ok(rundbrief::time::zone(&desk.account.time_zone)?)
}

/// Only those that wait with `?state=due`, within a page the earliest due day first; else all.
async fn list(access: Access, uri: Uri) -> Answer {
    let desk = access.with(Scope::Read)?;
    let zone = zone(&desk)?;
    let parameters = Parameters::of(&uri);
    let account = desk.account.id.as_str();
    let place = (
        desk.scope.configuration_partition(),
        PersonRequest::prefix(),
    );
    let show = |one: &PersonRequest| show(one, &zone, desk.now);
    match parameters.get("state") {
        None => {
            let window = Window::of(&parameters, account, PATH)?;
            page_at(&desk.app, &window, place, desk.now, show).await
        }
        Some("due") => {
            let window = Window::of(&parameters, account, "requests?state=due")?;
            let waits = |one: &PersonRequest| one.closed_at.is_none();
            let (mut due, next) = walk(&desk, &window, place, waits).await?;
            due.sort_by_key(PersonRequest::due_on);
            Ok(found(&listed(due.iter().map(show).collect(), next)))
        }
        Some(_) => Err(Refused::field("state", "unknown")),
    }
}

/// Whether anything is stored of a person: a request of nobody is a mistyped key.
async fn is_known(desk: &Desk, key: PersonKey) -> Result<bool, Trouble> {
    let person = desk.app.store.person(&desk.scope, key, desk.now).await?;
    if person != Person::unknown(key) {
        return Ok(true);
    }
    let mut range = Range {
        table: Table::Main,
        pk: desk.scope.records(key.partition()),
        prefix: format!("{key}#"),
        after: None,
        limit: 10,
    };
    loop {
        let page = desk.app.store.item_page(&range, desk.now).await?;
        if !page.items.is_empty() {
            return Ok(true);
        }
        // What expired is passed over; behind it may be something that has not.
        range.after = page.next;
        if range.after.is_none() {
            return Ok(false);
        }
    }
}

async fn current(desk: &Desk) -> Result<PersonRequest, Refused> {
    let place = PersonRequest::place(&desk.scope, &desk.id::<RecordId>()?);
    let found: Option<PersonRequest> = desk.app.store.get(&place, desk.now).await?;
    found.ok_or_else(|| Problem::NOT_FOUND.into())
}

async fn read(access: Access) -> Answer {
    let desk = access.with(Scope::Read)?;
    let request = current(&desk).await?;
    let shown = show(&request, &zone(&desk)?, desk.now);
    Ok(found_at(&etag(request.rev), &shown))
}

fn kind(value: Value) -> Result<RequestKind, Code> {
    RequestKind::parse(&string(value)?).ok_or("unknown")
}

async fn create(access: Access, sent: Sent) -> Answer {
    let desk = access.with(Scope::Write)?;
    let zone = zone(&desk)?;
    let today = day_in(desk.now, &zone);
    let mut body = sent.object(MAX_BODY_OCTETS)?;
    let asked = body.required("kind", kind);
    let person = body.required("subscriber", id::<PersonKey>);
    let received_on = body.optional("received_on", date).unwrap_or(today);
    if received_on > today {
        body.problem("received_on", "in_the_future");
    }
    let (asked, person) = body.finish(asked.zip(person))?;
    if !is_known(&desk, person).await? {
        return Err(Refused::field("subscriber", "unknown"));
    }
    let event = EventId::generate(desk.now, desk.app.entropy.as_ref());
    let request = PersonRequest::new(event, person, asked, received_on);
    let put = desk
        .app
        .store
        .put(&desk.scope, &request, Expect::Absent, desk.now);
    put.await?;
    let path = desk.path(PATH, &request.id().to_string());
    let shown = show(&request, &zone, desk.now);
    Ok(created(&path, &etag(request.rev), &shown))
}

/// Puts what `decide` makes of the request, until nobody else was faster.
async fn change(
    desk: &Desk,
    decide: impl Fn(&PersonRequest) -> Result<PersonRequest, Unchanged>,
) -> Answer {
    let zone = zone(desk)?;
    for _ in 0..ATTEMPTS {
        let before = current(desk).await?;
        if_match(&desk.headers, &etag(before.rev))?;
        let after = decide(&before)?;
        let expect = Expect::Revision(before.rev);
        match desk
            .app
            .store
            .put(&desk.scope, &after, expect, desk.now)
            .await
        {
            Ok(()) => {
                let shown = show(&after, &zone, desk.now);
                return Ok(found_at(&etag(after.rev), &shown));
            }
            Err(WriteError::Conflict) => {}
            Err(WriteError::Trouble(trouble)) => return Err(trouble.into()),
        }
    }
    Err(lost_race(&desk.headers))
}

async fn extend(access: Access, sent: Sent) -> Answer {
    let desk = access.with(Scope::Write)?;
    let zone = zone(&desk)?;
    let mut body = sent.object(MAX_BODY_OCTETS)?;
    let reason = body.required("reason", line(MAX_REASON_CHARACTERS));
    let reason = body.finish(reason)?;
    change(&desk, |before| {
        before.extend(reason.clone(), desk.now, &zone)
    })
    .await
}

async fn close(access: Access, sent: Sent) -> Answer {
    let desk = access.with(Scope::Write)?;
    let mut body = sent.object(MAX_BODY_OCTETS)?;
    let outcome = body.required("outcome", |value| match string(value)?.as_str() {
        "answered" => Ok(RequestState::Answered),
        "refused" => Ok(RequestState::Refused),
        _ => Err("unknown"),
    });
    let reason = body.optional("reason", line(MAX_REASON_CHARACTERS));
    if outcome == Some(RequestState::Refused) && reason.is_none() {
        // Art. 12(4) GDPR: the person is told why.
        body.problem("reason", "missing");
    }
    let outcome = body.finish(outcome)?;
    change(&desk, |before| {
        before.close(outcome, reason.clone(), desk.now)
    })
    .await
}
