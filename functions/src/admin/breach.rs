//! `breach-notification`: what a controller is told of a personal data breach, from the audit log
//! and the configuration (L-22). Keeps nothing.
//!
//! What it says is `rundbrief::processing::breach`'s part; when to use it is in
//! `docs/runbooks/breach.md`.

use axum::Router;
use axum::routing::post;
use jiff::Timestamp;
use lambda_http::http::Uri;
use rundbrief::account::Scope;
use rundbrief::archive::{Archive, ArchiveSet};
use rundbrief::audit::AuditEntry;
use rundbrief::id::EventId;
use rundbrief::key::Table;
use rundbrief::processing::breach::{Counts, Incident, Trail, notification};
use serde_json::Value;

use super::access::{Access, Desk, Sent};
use super::answer::{Answer, Refused};
use super::body::{Code, MAX_BODY_OCTETS, line, lines, string};
use super::record::{self, Wanted};
use crate::app::Trouble;
use crate::record_of_processing::with_basis;
use crate::store::Range;

/// Longest description, in characters.
const MAX_CHARACTERS: usize = 4_000;
/// Consequences or measures at most.
const MAX_ENTRIES: usize = 20;
/// Entries of the log that are looked at: a request ends after 29 s.
const MAX_LOG: usize = 20_000;

pub(super) fn routes() -> Router {
    Router::new().route("/accounts/{account}/breach-notification", post(make))
}

fn instant(value: Value) -> Result<Timestamp, Code> {
    string(value)?.parse().map_err(|_| "not_an_instant")
}

async fn make(access: Access, uri: Uri, sent: Sent) -> Answer {
    // A closed account's people are told, too.
    let desk = access.even_closed(Scope::Admin)?;
    let wanted = Wanted::of(&uri)?;
    let mut body = sent.object(MAX_BODY_OCTETS)?;
    let nature = body.required("nature", lines(MAX_CHARACTERS));
    let aware_at = body.required("aware_at", instant);
    let since = body.required("since", instant);
    let until = body.optional("until", instant).unwrap_or(desk.now);
    let text = || line(MAX_CHARACTERS);
    let consequences = body.array("consequences", MAX_ENTRIES, text());
    let measures = body.array("measures", MAX_ENTRIES, text());
    if since.is_some_and(|since| since > until) {
        body.problem("until", "before_since");
    }
    if aware_at.is_some_and(|aware_at| aware_at > desk.now) {
        body.problem("aware_at", "in_the_future");
    }
    let incident = match (nature, aware_at, since) {
        (Some(nature), Some(aware_at), Some(since)) => Some(Incident {
            nature,
            aware_at,
            since,
            until,
            consequences: consequences.unwrap_or_default(),
            measures: measures.unwrap_or_default(),
        }),
        _ => None,
    };
    let incident = body.finish(incident)?;
    let (counts, trail) =
        futures::try_join!(counts(&desk), trail(&desk, incident.since, incident.until))?;
    let of = (&desk.account, &desk.scope);
    let made = with_basis(&desk.app, of, wanted.language, desk.now, |basis| {
        notification(basis, &incident, counts.as_ref(), &trail)
    });
    record::rendered(&Box::pin(made).await?, wanted.format)
}

/// What the newest archive counted; none where there is none.
async fn counts(desk: &Desk) -> Result<Option<Counts>, Refused> {
    let prefix = Archive::catalogue_prefix();
    let partition = desk.scope.configuration_partition();
    let archives: Vec<Archive> = desk.app.store.all(&partition, &prefix, desk.now).await?;
    let newest = archives.iter().filter_map(|one| one.listed(desk.now));
    let newest = newest.max_by_key(|manifest| manifest.created_at);
    Ok(newest.map(|manifest| {
        let count = |set| manifest.sets.get(&set).map_or(0, |summary| summary.count);
        Counts {
            at: manifest.created_at,
            subscribers: count(ArchiveSet::Subscribers),
            sign_ups: count(ArchiveSet::SignUps),
            unsubscriptions: count(ArchiveSet::Unsubscriptions),
        }
    }))
}

/// The log of the time of the incident.
async fn trail(desk: &Desk, since: Timestamp, until: Timestamp) -> Result<Trail, Refused> {
    let mut trail = Trail::default();
    let mut range = Range {
        table: Table::Main,
        pk: desk.scope.audit_partition(),
        prefix: String::new(),
        after: Some(EventId::earliest(since).to_string()),
        limit: 1_000,
    };
    let mut seen = 0;
    loop {
        let page = desk.app.store.page::<AuditEntry>(&range, desk.now).await;
        let page = page.map_err(|trouble: Trouble| Refused::from(trouble))?;
        for entry in &page.items {
            if entry.at > until {
                return Ok(trail);
            }
            trail.add(entry);
        }
        seen += page.items.len();
        range.after = page.next;
        if range.after.is_none() {
            return Ok(trail);
        }
        if seen >= MAX_LOG {
            trail.more = true;
            return Ok(trail);
        }
    }
}
