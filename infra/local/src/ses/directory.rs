//! What SES knows of the account: quota, identities, suppression list.
//!
//! An identity is verified by its name here (`*.example`), as there is no DNS to look at.

use std::collections::HashMap;

use axum::Json;
use axum::extract::{Path, Query, State as Shared};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};
use serde_json::{Value, json};

use super::Ses;
use super::refusal::Refusal;
use crate::state::State;

type Answer = Result<Json<Value>, Refusal>;

pub(super) fn prepare(
    state: &State,
    verified_domains: &[String],
    now: Timestamp,
) -> rusqlite::Result<()> {
    state.with(|db| {
        db.execute_batch(
            "CREATE TABLE IF NOT EXISTS ses_identity (name TEXT PRIMARY KEY, verified INTEGER NOT NULL);
             CREATE TABLE IF NOT EXISTS ses_suppressed (
                 address TEXT PRIMARY KEY, folded TEXT NOT NULL, reason TEXT NOT NULL, updated_at INTEGER NOT NULL);
             CREATE INDEX IF NOT EXISTS ses_suppressed_folded ON ses_suppressed (folded);
             CREATE TABLE IF NOT EXISTS ses_opened (id INTEGER PRIMARY KEY CHECK (id = 1), at INTEGER NOT NULL);",
        )?;
        // Only on the first start: a deleted identity stays deleted.
        let first = db.execute("INSERT OR IGNORE INTO ses_opened VALUES (1, ?1)", [now.as_second()])? > 0;
        if first {
            for domain in verified_domains {
                db.execute("INSERT OR IGNORE INTO ses_identity VALUES (?1, 1)", [domain.to_lowercase()])?;
            }
        }
        Ok(())
    })
}

/// Whether SES may send from this address: it, its domain or a domain above is verified.
pub(super) fn may_send_from(db: &Connection, address: &str) -> rusqlite::Result<bool> {
    let address = address.to_lowercase();
    let mut names = vec![address.as_str()];
    let mut domain = address.rsplit_once('@').map(|(_, domain)| domain);
    while let Some(name) = domain {
        names.push(name);
        domain = name.split_once('.').map(|(_, above)| above);
    }
    let mut known =
        db.prepare_cached("SELECT 1 FROM ses_identity WHERE name = ?1 AND verified = 1")?;
    for name in names {
        if known.exists([name])? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Sending matches suppressed addresses without case, unlike the calls below.
pub(super) fn is_suppressed(db: &Connection, address: &str) -> rusqlite::Result<bool> {
    db.prepare_cached("SELECT 1 FROM ses_suppressed WHERE folded = ?1")?
        .exists([address.to_lowercase()])
}

pub(super) async fn account(Shared(ses): Shared<Ses>) -> Answer {
    let inner = ses.inner();
    let sent = inner.mails.sent_last_24_hours(inner.clock.now())?;
    Ok(Json(json!({
        "DedicatedIpAutoWarmupEnabled": false,
        "EnforcementStatus": "HEALTHY",
        "ProductionAccessEnabled": true,
        "SendQuota": {
            "Max24HourSend": inner.options.max_24_hour_send,
            "MaxSendRate": inner.options.send_rate,
            "SentLast24Hours": f64::from(sent),
        },
        "SendingEnabled": true,
        "SuppressionAttributes": { "SuppressedReasons": [] },
    })))
}

pub(super) async fn create_identity(Shared(ses): Shared<Ses>, Json(input): Json<Value>) -> Answer {
    let name = input["EmailIdentity"]
        .as_str()
        .unwrap_or_default()
        .to_lowercase();
    if name.is_empty() || !name.contains('.') || !name.is_ascii() {
        return Err(Refusal::BadRequest(
            "the identity is no domain and no address",
        ));
    }
    let verified = name
        .strip_suffix('.')
        .unwrap_or(&name)
        .ends_with(".example");
    let added = ses.inner().state().with(|db| {
        db.execute(
            "INSERT OR IGNORE INTO ses_identity VALUES (?1, ?2)",
            params![name, verified],
        )
    })?;
    if added == 0 {
        return Err(Refusal::AlreadyExists("the identity exists"));
    }
    Ok(Json(json!({
        "IdentityType": kind(&name), "VerifiedForSendingStatus": verified, "DkimAttributes": dkim(&name, verified),
    })))
}

pub(super) async fn identity(Shared(ses): Shared<Ses>, Path(name): Path<String>) -> Answer {
    let name = name.to_lowercase();
    let verified: Option<bool> = ses.inner().state().with(|db| {
        db.query_row(
            "SELECT verified FROM ses_identity WHERE name = ?1",
            [&name],
            |row| row.get(0),
        )
        .optional()
    })?;
    let verified = verified.ok_or(Refusal::NotFound("the identity does not exist"))?;
    let status = if verified { "SUCCESS" } else { "PENDING" };
    Ok(Json(json!({
        "IdentityType": kind(&name),
        "FeedbackForwardingStatus": true,
        "VerifiedForSendingStatus": verified,
        "VerificationStatus": status,
        "DkimAttributes": dkim(&name, verified),
        "MailFromAttributes": {
            "MailFromDomain": format!("bounce.{name}"), "MailFromDomainStatus": status,
            "BehaviorOnMxFailure": "REJECT_MESSAGE",
        },
        "Policies": {},
        "Tags": [],
    })))
}

pub(super) async fn delete_identity(Shared(ses): Shared<Ses>, Path(name): Path<String>) -> Answer {
    let gone = ses.inner().state().with(|db| {
        db.execute(
            "DELETE FROM ses_identity WHERE name = ?1",
            [name.to_lowercase()],
        )
    })?;
    if gone == 0 {
        Err(Refusal::NotFound("the identity does not exist"))
    } else {
        Ok(Json(json!({})))
    }
}

pub(super) async fn list_identities(Shared(ses): Shared<Ses>) -> Answer {
    let identities: Vec<Value> = ses.inner().state().with(|db| {
        db.prepare("SELECT name, verified FROM ses_identity ORDER BY name")?
            .query_map([], |row| {
                let (name, verified): (String, bool) = (row.get(0)?, row.get(1)?);
                Ok(json!({ "IdentityType": kind(&name), "IdentityName": name, "SendingEnabled": verified }))
            })?
            .collect::<rusqlite::Result<_>>()
    })?;
    Ok(Json(json!({ "EmailIdentities": identities })))
}

pub(super) async fn suppress(Shared(ses): Shared<Ses>, Json(input): Json<Value>) -> Answer {
    let address = input["EmailAddress"].as_str().unwrap_or_default();
    let reason = input["Reason"].as_str().unwrap_or_default();
    super::limits::bare_address(address)?;
    if !["BOUNCE", "COMPLAINT"].contains(&reason) {
        return Err(Refusal::BadRequest(
            "the reason is neither BOUNCE nor COMPLAINT",
        ));
    }
    let now = ses.inner().clock.now().as_second();
    ses.inner().state().with(|db| {
        db.execute(
            "INSERT OR REPLACE INTO ses_suppressed VALUES (?1, ?2, ?3, ?4)",
            params![address, address.to_lowercase(), reason, now],
        )
    })?;
    Ok(Json(json!({})))
}

pub(super) async fn suppressed(Shared(ses): Shared<Ses>, Path(address): Path<String>) -> Answer {
    let found = ses.inner().state().with(|db| {
        db.query_row(
            "SELECT address, reason, updated_at FROM ses_suppressed WHERE address = ?1",
            [address],
            summary,
        )
        .optional()
    })?;
    let found = found.ok_or(Refusal::NotFound(
        "the address is not on the suppression list",
    ))?;
    Ok(Json(json!({ "SuppressedDestination": found })))
}

pub(super) async fn unsuppress(Shared(ses): Shared<Ses>, Path(address): Path<String>) -> Answer {
    let gone = ses
        .inner()
        .state()
        .with(|db| db.execute("DELETE FROM ses_suppressed WHERE address = ?1", [address]))?;
    if gone == 0 {
        Err(Refusal::NotFound(
            "the address is not on the suppression list",
        ))
    } else {
        Ok(Json(json!({})))
    }
}

pub(super) async fn list_suppressed(
    Shared(ses): Shared<Ses>,
    Query(query): Query<HashMap<String, String>>,
) -> Answer {
    let size: usize = query
        .get("PageSize")
        .and_then(|size| size.parse().ok())
        .unwrap_or(1_000)
        .clamp(1, 1_000);
    let after = query.get("NextToken").map_or("", String::as_str);
    let list: Vec<Value> = ses.inner().state().with(|db| {
        db.prepare("SELECT address, reason, updated_at FROM ses_suppressed WHERE address > ?1 ORDER BY address LIMIT ?2")?
            .query_map(params![after, i64::try_from(size).unwrap_or(1_000)], summary)?
            .collect::<rusqlite::Result<_>>()
    })?;
    let next = list
        .last()
        .filter(|_| list.len() == size)
        .map(|last| last["EmailAddress"].clone());
    Ok(Json(
        json!({ "SuppressedDestinationSummaries": list, "NextToken": next }),
    ))
}

fn summary(row: &rusqlite::Row<'_>) -> rusqlite::Result<Value> {
    let (address, reason, at): (String, String, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
    Ok(json!({ "EmailAddress": address, "Reason": reason, "LastUpdateTime": at }))
}

fn kind(name: &str) -> &'static str {
    if name.contains('@') {
        "EMAIL_ADDRESS"
    } else {
        "DOMAIN"
    }
}

/// Three tokens that a name always gives, in the alphabet of SES's.
fn dkim(name: &str, verified: bool) -> Value {
    let tokens: Vec<String> = (0..3)
        .map(|number| {
            let digest =
                ring::digest::digest(&ring::digest::SHA256, format!("{number}:{name}").as_bytes());
            digest
                .as_ref()
                .iter()
                .map(|byte| char::from(b"abcdefghijklmnopqrstuvwxyz234567"[usize::from(byte % 32)]))
                .collect()
        })
        .collect();
    json!({
        "SigningEnabled": true,
        "Status": if verified { "SUCCESS" } else { "PENDING" },
        "Tokens": tokens,
        "SigningAttributesOrigin": "AWS_SES",
        "NextSigningKeyLength": "RSA_2048_BIT",
        "CurrentSigningKeyLength": "RSA_2048_BIT",
    })
}
