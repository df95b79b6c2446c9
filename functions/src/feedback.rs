//! `feedback`: what SES reports of campaign mails: deliveries, permanent bounces, complaints.
//!
//! One idempotent update per ledger entry and batch, in any order. An event about what does not
//! exist (any more) is counted and dropped. Events carry no address: who is meant says the ledger.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use rundbrief::consent::{self, Barred};
use rundbrief::id::{AccountId, CampaignId, PersonKey};
use rundbrief::key::AccountScope;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::{App, Trouble};
use crate::function::{Failure, QueueMessage};
use crate::store::{Happened, WriteError};

/// How often a decision is made again after somebody else changed the person meanwhile.
const ATTEMPTS: usize = 8;
/// Entries updated at the same time.
const AT_ONCE: usize = 16;

/// An event as the rule's input transformer passes it on.
#[derive(Debug, Deserialize)]
struct Report {
    v: u8,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    time: String,
    #[serde(default)]
    tags: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    bounce_type: String,
    #[serde(default)]
    complaint_type: String,
}

/// The version of the transformer's output.
const VERSION: u8 = 1;

/// The ledger entry a report is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    account: AccountId,
    campaign: CampaignId,
    round: u16,
    arc: u32,
    entry: u32,
}

/// What a report says about one recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum News {
    Delivered,
    Bounced,
    Complained,
}

/// Everything in a batch about one entry.
#[derive(Debug, Default)]
struct Gathered {
    messages: Vec<String>,
    happened: Happened,
    barring: Vec<(u16, Barred, Timestamp)>,
}

/// Handles an SQS event.
///
/// # Errors
/// When the event is none.
pub async fn handle(app: Arc<App>, event: Value) -> Result<Value, Failure> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Batch {
        records: Vec<QueueMessage>,
    }
    let batch: Batch = serde_json::from_value(event).map_err(|_| Failure::UnknownEvent)?;
    let now = app.now();
    let (mut gathered, mut dropped) = (BTreeMap::<Place, Gathered>::new(), 0_usize);
    for message in batch.records {
        let Some((place, index, news, at)) = read(&message.body, now) else {
            dropped += 1;
            continue;
        };
        let entry = gathered.entry(place).or_default();
        entry.messages.push(message.message_id);
        match news {
            News::Delivered => entry.happened.delivered.insert(index),
            News::Bounced => {
                entry.barring.push((index, Barred::Bounced, at));
                entry.happened.bounced.insert(index)
            }
            News::Complained => {
                entry.barring.push((index, Barred::Complained, at));
                entry.happened.complained.insert(index)
            }
        };
    }
    let mut scopes: BTreeMap<AccountId, Option<AccountScope>> = BTreeMap::new();
    let mut again = Vec::new();
    let gathered: Vec<(Place, Gathered)> = gathered.into_iter().collect();
    for some in gathered.chunks(AT_ONCE) {
        for (place, _) in some {
            if !scopes.contains_key(&place.account) {
                let found = app.account(&place.account, now).await?;
                scopes.insert(place.account.clone(), found.map(|(_, scope)| scope));
            }
        }
        let results = futures::future::join_all(some.iter().map(|(place, gathered)| {
            let scope = scopes.get(&place.account).and_then(Option::as_ref);
            take(&app, scope, place, gathered, now)
        }))
        .await;
        for (result, (_, gathered)) in results.into_iter().zip(some) {
            match result {
                Ok(true) => {}
                Ok(false) => dropped += gathered.messages.len(),
                Err(trouble) => {
                    tracing::warn!(%trouble, "feedback could not be taken in yet");
                    again.extend(gathered.messages.iter());
                }
            }
        }
    }
    tracing::info!(entries = gathered.len(), dropped, "feedback taken in");
    let failures: Vec<Value> = again
        .into_iter()
        .map(|id| json!({"itemIdentifier": id}))
        .collect();
    Ok(json!({"batchItemFailures": failures}))
}

/// What a report is about and says; `None` for what is of no interest, or malformed.
fn read(body: &str, now: Timestamp) -> Option<(Place, u16, News, Timestamp)> {
    let report: Report = serde_json::from_str(body).ok()?;
    if report.v != VERSION {
        return None;
    }
    // Only a permanent bounce says that there is no mailbox (A-19).
    let news = match report.kind.as_str() {
        "Delivery" => News::Delivered,
        "Bounce" if report.bounce_type == "Permanent" => News::Bounced,
        "Complaint" if report.complaint_type != "not-spam" => News::Complained,
        _ => return None,
    };
    let tag = |name: &str| report.tags.get(name)?.first().map(String::as_str);
    let place = Place {
        account: AccountId::parse(tag("account")?).ok()?,
        campaign: CampaignId::parse(tag("campaign")?).ok()?,
        round: tag("round")?.parse().ok()?,
        arc: tag("arc")?.parse().ok()?,
        entry: tag("entry")?.parse().ok()?,
    };
    let at = report.time.parse().unwrap_or(now);
    Some((place, tag("index")?.parse().ok()?, news, at))
}

/// Takes in what a batch says about one entry; `false` when there is no such entry (any more).
async fn take(
    app: &App,
    scope: Option<&AccountScope>,
    place: &Place,
    gathered: &Gathered,
    now: Timestamp,
) -> Result<bool, Trouble> {
    let Some(scope) = scope else { return Ok(false) };
    let key = scope.ledger_entry(&place.campaign, place.round, place.arc, place.entry);
    let store = &app.store;
    let Some(entry) = store.add_happened(&key, &gathered.happened, now).await? else {
        return Ok(false);
    };
    for (index, why, at) in &gathered.barring {
        if let Some(person) = entry.recipients.0.get(usize::from(*index)) {
            bar(app, scope, *person, *why, *at, now).await?;
        }
    }
    Ok(true)
}

async fn bar(
    app: &App,
    scope: &AccountScope,
    person: PersonKey,
    why: Barred,
    at: Timestamp,
    now: Timestamp,
) -> Result<(), Trouble> {
    for _ in 0..ATTEMPTS {
        let known = app.store.person(scope, person, now).await?;
        let Some(transaction) = consent::bar(&known, why, at) else {
            return Ok(());
        };
        match app.store.commit(scope, &transaction, now).await {
            Ok(()) => return Ok(()),
            Err(WriteError::Conflict) => {}
            Err(WriteError::Trouble(trouble)) => return Err(trouble),
        }
    }
    Err(Trouble::Contended)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(kind: &str, bounce: &str, complaint: &str, tags: Value) -> String {
        json!({
            "v": 1, "type": kind, "time": "2026-11-23T12:00:00Z", "message_id": "m", "tags": tags,
            "bounce_type": bounce, "bounce_subtype": "", "bounce_status": "",
            "complaint_type": complaint, "complaint_subtype": "",
        })
        .to_string()
    }

    fn tags() -> Value {
        json!({
            "account": ["demo"], "campaign": ["cmp_1"], "round": ["0"], "arc": ["3"],
            "entry": ["7"], "index": ["49"], "ses:configuration-set": ["x"],
        })
    }

    #[test]
    fn only_deliveries_permanent_bounces_and_real_complaints_are_news() {
        let now = Timestamp::UNIX_EPOCH;
        for (kind, bounce, complaint, news) in [
            ("Delivery", "", "", Some(News::Delivered)),
            ("Bounce", "Permanent", "", Some(News::Bounced)),
            ("Bounce", "Transient", "", None),
            ("Bounce", "Undetermined", "", None),
            ("Complaint", "", "abuse", Some(News::Complained)),
            ("Complaint", "", "", Some(News::Complained)),
            ("Complaint", "", "not-spam", None),
            ("Send", "", "", None),
            ("Reject", "", "", None),
            ("Rendering Failure", "", "", None),
            ("DeliveryDelay", "", "", None),
            ("", "", "", None),
        ] {
            let read = read(&body(kind, bounce, complaint, tags()), now);
            assert_eq!(read.as_ref().map(|read| read.2), news, "{kind} {bounce}");
            if let Some((place, index, _, at)) = read {
                assert_eq!((place.arc, place.entry, index), (3, 7, 49));
                assert_eq!(at.to_string(), "2026-11-23T12:00:00Z");
            }
        }
    }

    #[test]
    fn opens_and_clicks_are_no_news_whoever_or_whatever_made_them_and_whatever_is_added_to_them() {
        let now = Timestamp::UNIX_EPOCH;
        // SES marks machines in a member whose name it has not told (L-26).
        let more = json!({
            "machine": true, "isBot": "likely", "open": {"userAgent": "GoogleImageProxy"},
            "click": {"link": "https://shop.example/", "linkTags": null, "automated": [1, 2]},
        });
        for (kind, is_news) in [("Open", false), ("Click", false), ("Delivery", true)] {
            let mut sent: Value = serde_json::from_str(&body(kind, "", "", tags())).unwrap();
            for (member, value) in more.as_object().unwrap() {
                sent[member] = value.clone();
            }
            let sent = sent.to_string();
            assert!(serde_json::from_str::<Report>(&sent).is_ok(), "{kind}");
            assert_eq!(read(&sent, now).is_some(), is_news, "{kind}");
        }
    }

    #[test]
    fn a_report_about_no_campaign_mail_is_dropped() {
        let now = Timestamp::UNIX_EPOCH;
        for missing in ["account", "campaign", "round", "arc", "entry", "index"] {
            let mut tags = tags();
            tags.as_object_mut().unwrap().remove(missing);
            assert!(read(&body("Delivery", "", "", tags), now).is_none());
        }
        let mut foreign = tags();
        foreign["account"] = json!(["A#demo"]);
        assert!(read(&body("Delivery", "", "", foreign), now).is_none());
        assert!(read(&body("Delivery", "", "", json!({})), now).is_none());
        for malformed in ["", "[]", "{}", r#"{"v":2,"type":"Delivery"}"#] {
            assert!(read(malformed, now).is_none());
        }
    }
}
