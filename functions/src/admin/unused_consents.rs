//! `unused-consents`: whose consent was not used for more than 24 months (L-13).
//!
//! Reads only; what counts as unused is `rundbrief::consent::unused`'s part.

use axum::Router;
use axum::routing::get;
use lambda_http::http::Uri;
use rundbrief::account::Scope;
use rundbrief::campaign::Campaign;
use rundbrief::consent::unused::LastUse;
use rundbrief::id::Partition;
use rundbrief::time::ShownInstant;
use serde_json::json;

use super::access::Access;
use super::answer::{Answer, found};
use super::listing::{Parameters, Window, listed};
use super::setup::all;

const PATH: &str = "unused-consents";
/// People looked at by one request: a page may be empty and still have a next one.
const MAX_PEOPLE: usize = 2_000;
/// People of one read.
const PEOPLE_PER_READ: usize = 100;

pub(super) fn routes() -> Router {
    Router::new().route("/accounts/{account}/unused-consents", get(list))
}

async fn list(access: Access, uri: Uri) -> Answer {
    let desk = access.with(Scope::Read)?;
    let window = Window::of(&Parameters::of(&uri), desk.account.id.as_str(), PATH)?;
    let mut last = LastUse::default();
    for campaign in all::<Campaign>(&desk).await? {
        last.add(&campaign);
    }
    let (first, mut after) = window.partition()?;
    let (mut items, mut seen) = (Vec::new(), 0);
    for partition in Partition::all().skip(usize::from(first.number())) {
        loop {
            if items.len() >= window.limit || seen >= MAX_PEOPLE {
                let after = after.unwrap_or_default();
                let next = window.cursor(partition.number(), &after);
                return Ok(found(&listed(items, Some(next))));
            }
            // No more people than places: each may have several consents, and none is split.
            let people = PEOPLE_PER_READ.min(window.limit - items.len());
            let page = desk
                .app
                .store
                .people_page(&desk.scope, partition, after.take(), people, desk.now)
                .await?;
            seen += page.items.len();
            for (profile, withdrawal) in &page.items {
                for unused in last.unused(profile, withdrawal.as_ref(), desk.now) {
                    items.push(json!({
                        "subscriber": profile.person,
                        "list": unused.list,
                        "consented_at": ShownInstant(unused.since),
                        "last_used_at": unused.last_used_at.map(ShownInstant),
                    }));
                }
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    Ok(found(&listed(items, None)))
}
