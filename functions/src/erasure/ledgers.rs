//! Blanks a person in the send ledger of every campaign of the account.
//!
//! Arcs are key ranges, so of each campaign and round only one arc's entries are read. Who was
//! claimed keeps their index and outcome, so every report goes on to reconcile.

use jiff::Timestamp;
use rundbrief::campaign::Campaign;
use rundbrief::campaign::arc::ArcState;
use rundbrief::erasure::Erasure;
use rundbrief::id::{CampaignId, PersonKey};
use rundbrief::key::{AccountScope, Table};
use rundbrief::record::Stored;
use tokio::time::Instant;

use crate::app::{App, Trouble};
use crate::campaign::look::ledger;
use crate::export::arcs_of;
use crate::store::Range;

/// How often an entry is blanked again that another erasure changed meanwhile.
const ATTEMPTS: usize = 8;

/// Whether nobody's entry names the person, and no worker can still write one that does.
pub(super) async fn clean(
    app: &App,
    scope: &AccountScope,
    erasure: &Erasure,
    stop_at: Instant,
) -> Result<bool, Trouble> {
    let begun = app.now();
    let mut range = campaigns(scope);
    let mut open = false;
    loop {
        let page = app.store.page::<Campaign>(&range, begun).await?;
        for campaign in &page.items {
            if Instant::now() >= stop_at {
                return Ok(false);
            }
            if campaign.started_at.is_some() {
                open |= blank(app, scope, &campaign.id, erasure.person).await?;
            }
        }
        range.after = page.next;
        if range.after.is_none() {
            break;
        }
    }
    // A worker may have read the person before they were erased and claims them now.
    Ok(!(open && erasure.ledgers_may_move(begun)))
}

/// Whether an entry of any campaign names the person.
pub(super) async fn name(
    app: &App,
    scope: &AccountScope,
    person: PersonKey,
    now: Timestamp,
) -> Result<bool, Trouble> {
    let mut range = campaigns(scope);
    loop {
        let page = app.store.page::<Campaign>(&range, now).await?;
        for campaign in page.items.iter().filter(|one| one.started_at.is_some()) {
            for arc in arcs_of(app, scope, &campaign.id, person, now).await? {
                let entries = ledger(app, scope, &arc, now).await?;
                if entries.iter().any(|entry| entry.blanked(person).is_some()) {
                    return Ok(true);
                }
            }
        }
        range.after = page.next;
        if range.after.is_none() {
            return Ok(false);
        }
    }
}

fn campaigns(scope: &AccountScope) -> Range {
    Range {
        table: Table::Main,
        pk: scope.configuration_partition(),
        prefix: format!("{}#", Campaign::KIND),
        after: None,
        limit: 100,
    }
}

/// Blanks the person in one campaign; whether a worker may still be at their arc.
async fn blank(
    app: &App,
    scope: &AccountScope,
    campaign: &CampaignId,
    person: PersonKey,
) -> Result<bool, Trouble> {
    let now = app.now();
    let mut open = false;
    for arc in arcs_of(app, scope, campaign, person, now).await? {
        open |= arc.state != ArcState::Closed;
        for attempt in 1..=ATTEMPTS {
            let mut all = true;
            for entry in ledger(app, scope, &arc, now).await? {
                if let Some(after) = entry.blanked(person) {
                    all &= app.store.blank(scope, &entry, &after).await?;
                }
            }
            if all {
                break;
            }
            if attempt == ATTEMPTS {
                return Err(Trouble::Contended);
            }
        }
    }
    Ok(open)
}
