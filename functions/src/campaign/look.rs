//! Looking at a campaign: its report, and what became of each recipient.
//!
//! Reads only; what it adds up to is the domain's part.

use jiff::Timestamp;
use rundbrief::campaign::arc::{Arc, ArcState};
use rundbrief::campaign::ledger::{BLANK, Entry, Fate, Ledger, Named};
use rundbrief::campaign::report::Report;
use rundbrief::campaign::{Campaign, CampaignState, Limits};
use rundbrief::id::{CampaignId, PersonKey};
use rundbrief::key::{AccountScope, Table};
use rundbrief::time::ShownInstant;
use serde::Serialize;

use super::change::ChangeError;
use crate::app::{App, Trouble};
use crate::store::Range;

/// Ledgers read at the same time.
const AT_ONCE: usize = 8;

/// What became of one recipient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogItem {
    /// Who: the subscriber's identifier; `None` once erased.
    pub subscriber: Option<PersonKey>,
    /// `sent`, `skipped`, `failed`, `unknown`, or `pending` while the campaign runs.
    pub state: &'static str,
    /// Why, if skipped or failed.
    pub reason: Option<String>,
    /// When the last claim for the person was made.
    pub at: Option<ShownInstant>,
    /// What the mail service reported since.
    pub events: Vec<&'static str>,
}

/// Part of a campaign's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogPage {
    /// In the order of arcs and entries.
    pub items: Vec<LogItem>,
    /// Where to go on; `None` at the end.
    pub next: Option<String>,
}

async fn campaign(
    app: &App,
    scope: &AccountScope,
    id: &CampaignId,
    now: Timestamp,
) -> Result<Campaign, ChangeError> {
    let key = scope.configuration("campaign", id.as_str());
    app.store.get(&key, now).await?.ok_or(ChangeError::NotFound)
}

/// The report of a campaign, computed from its arcs and ledgers.
///
/// # Errors
/// When there is no such campaign or the store does not answer.
pub async fn report(
    app: &App,
    scope: &AccountScope,
    id: &CampaignId,
    now: Timestamp,
) -> Result<Report, ChangeError> {
    let campaign = campaign(app, scope, id, now).await?;
    let mut report = Report::of(&campaign);
    if matches!(
        campaign.state,
        CampaignState::Draft | CampaignState::Scheduled
    ) {
        return Ok(report);
    }
    let mut range = Range {
        table: Table::Main,
        pk: scope.campaign_partition(id),
        prefix: "arc#".to_owned(),
        after: None,
        limit: 500,
    };
    loop {
        let page = app.store.page::<Arc>(&range, now).await?;
        for some in page.items.chunks(AT_ONCE) {
            let ledgers =
                futures::future::try_join_all(some.iter().map(|arc| ledger(app, scope, arc, now)))
                    .await?;
            for (arc, entries) in some.iter().zip(ledgers) {
                report.add(arc, entries, &Limits::default());
            }
        }
        match page.next {
            Some(next) => range.after = Some(next),
            None => return Ok(report),
        }
    }
}

/// All entries of an arc's ledger, in order.
pub(crate) async fn ledger(
    app: &App,
    scope: &AccountScope,
    arc: &Arc,
    now: Timestamp,
) -> Result<Vec<Entry>, Trouble> {
    let mut range = Range {
        table: Table::Main,
        pk: scope.ledger_partition(&arc.campaign, arc.round, arc.number),
        prefix: "e#".to_owned(),
        after: None,
        limit: 1_000,
    };
    let mut entries = Vec::new();
    loop {
        let page = app.store.page::<Entry>(&range, now).await?;
        entries.extend(page.items);
        match page.next {
            Some(next) => range.after = Some(next),
            None => return Ok(entries),
        }
    }
}

/// One arc's worth of the campaign log; `cursor` is what the page before said.
///
/// # Errors
/// When there is no such campaign or the store does not answer.
pub async fn log(
    app: &App,
    scope: &AccountScope,
    id: &CampaignId,
    cursor: Option<&str>,
    now: Timestamp,
) -> Result<LogPage, ChangeError> {
    let campaign = campaign(app, scope, id, now).await?;
    // A cursor is `{round}-{arc}` of the last arc shown.
    let after = cursor.and_then(|cursor| {
        let (round, arc) = cursor.split_once('-')?;
        Some(Arc::sort_key(round.parse().ok()?, arc.parse().ok()?))
    });
    let range = Range {
        table: Table::Main,
        pk: scope.campaign_partition(id),
        prefix: "arc#".to_owned(),
        after,
        limit: 1,
    };
    let page = app.store.page::<Arc>(&range, now).await?;
    let Some(arc) = page.items.into_iter().next() else {
        return Ok(LogPage {
            items: Vec::new(),
            next: None,
        });
    };
    let entries = ledger(app, scope, &arc, now).await?;
    let is_over = campaign.state == CampaignState::Cancelled;
    let ledger = Ledger::new(arc.span, entries);
    let items = ledger
        .people(&Limits::default())
        .into_iter()
        .map(|(name, subscriber, fate)| log_item(&ledger, &arc, is_over, name, subscriber, fate))
        .collect();
    Ok(LogPage {
        items,
        next: page.next.map(|_| format!("{}-{}", arc.round, arc.number)),
    })
}

/// What became of one of an arc's people; `is_over` once nothing more is sent in the campaign.
pub(crate) fn log_item(
    ledger: &Ledger,
    arc: &Arc,
    is_over: bool,
    name: Named,
    subscriber: PersonKey,
    fate: Fate,
) -> LogItem {
    let entry = ledger.entries().get(name.0 as usize);
    let (state, reason) = told(fate, is_over || arc.state == ArcState::Closed);
    let events = entry.map(|entry| {
        [
            ("delivered", &entry.delivered),
            ("bounced", &entry.bounced),
            ("complained", &entry.complained),
        ]
        .into_iter()
        .filter(|(_, indexes)| indexes.contains(&name.1))
        .map(|(event, _)| event)
        .collect()
    });
    LogItem {
        subscriber: (subscriber != BLANK).then_some(subscriber),
        state,
        reason,
        at: entry.map(|entry| ShownInstant(entry.claimed_at)),
        events: events.unwrap_or_default(),
    }
}

fn told(fate: Fate, is_over: bool) -> (&'static str, Option<String>) {
    match fate {
        Fate::Sent => ("sent", None),
        Fate::Skipped(why) => ("skipped", word(why)),
        Fate::Failed(why) => ("failed", word(why)),
        Fate::Unknown => ("unknown", None),
        Fate::InFlight if is_over => ("unknown", None),
        Fate::Waits(_) if is_over => ("skipped", Some("cancelled".to_owned())),
        Fate::InFlight | Fate::Waits(_) => ("pending", None),
    }
}

/// The name that a reason has on the wire.
fn word(reason: impl Serialize) -> Option<String> {
    serde_json::to_value(reason)
        .ok()?
        .as_str()
        .map(str::to_owned)
}
