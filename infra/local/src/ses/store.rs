//! The mails SES took, and how many. One row per recipient.
//!
//! The message itself is written from the row when somebody asks for it.

use jiff::Timestamp;
use rusqlite::{OptionalExtension as _, Row, Transaction, params};
use serde_json::{Map, Value};

use crate::state::State;

/// A mail for one recipient.
pub(crate) struct Mail {
    /// 0 until it is stored.
    pub(crate) seq: i64,
    pub(crate) message_id: String,
    pub(crate) received_at: Timestamp,
    pub(crate) region: String,
    /// The From header's mailbox, as the caller gave it.
    pub(crate) sender: String,
    /// The bare address this copy went to.
    pub(crate) recipient: String,
    pub(crate) to: Vec<String>,
    pub(crate) cc: Vec<String>,
    pub(crate) reply_to: Vec<String>,
    pub(crate) subject: String,
    /// Custom headers, in the order given.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) text: Option<String>,
    pub(crate) html: Option<String>,
    /// The message itself, where the caller wrote it (`Raw`).
    pub(crate) raw: Option<Vec<u8>>,
    /// The caller's tags.
    pub(crate) tags: Map<String, Value>,
    pub(crate) configuration_set: Option<String>,
    pub(crate) operation: String,
}

const COLUMNS: &str = "seq, message_id, received_at, region, sender, recipient, envelope, subject, headers, text, html, raw, tags, configuration_set, operation";

/// Which mails somebody asks for.
#[derive(Default)]
pub(crate) struct Query {
    /// The bare address, matched without case.
    pub(crate) to: Option<String>,
    /// Part of the address, matched without case.
    pub(crate) to_part: Option<String>,
    pub(crate) after: i64,
    pub(crate) before: Option<i64>,
    pub(crate) newest_first: bool,
    pub(crate) limit: i64,
}

#[derive(Clone)]
pub(crate) struct MailStore(State);

impl MailStore {
    pub(super) fn open(state: &State) -> rusqlite::Result<Self> {
        state.with(|db| {
            db.execute_batch(
                "CREATE TABLE IF NOT EXISTS mail (
                     seq INTEGER PRIMARY KEY AUTOINCREMENT,
                     message_id TEXT NOT NULL, received_at INTEGER NOT NULL, region TEXT NOT NULL,
                     sender TEXT NOT NULL, recipient TEXT NOT NULL, folded TEXT NOT NULL, envelope TEXT NOT NULL,
                     subject TEXT NOT NULL, headers TEXT NOT NULL, text TEXT, html TEXT, raw BLOB,
                     tags TEXT NOT NULL, configuration_set TEXT, operation TEXT NOT NULL);
                 CREATE INDEX IF NOT EXISTS mail_recipient ON mail (folded, seq);
                 CREATE TABLE IF NOT EXISTS mail_counted (id INTEGER PRIMARY KEY CHECK (id = 1), mails INTEGER NOT NULL);
                 INSERT OR IGNORE INTO mail_counted VALUES (1, 0);
                 CREATE TABLE IF NOT EXISTS mail_hour (hour INTEGER PRIMARY KEY, mails INTEGER NOT NULL);",
            )
        })?;
        Ok(Self(state.clone()))
    }

    pub(super) fn insert(tx: &Transaction<'_>, mail: &Mail) -> rusqlite::Result<()> {
        let envelope = serde_json::json!([mail.to, mail.cc, mail.reply_to]).to_string();
        tx.prepare_cached(
            "INSERT INTO mail (message_id, received_at, region, sender, recipient, folded, envelope, subject, headers,
                 text, html, raw, tags, configuration_set, operation)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
        )?
        .execute(params![
            mail.message_id,
            mail.received_at.as_millisecond(),
            mail.region,
            mail.sender,
            mail.recipient,
            mail.recipient.to_lowercase(),
            envelope,
            mail.subject,
            serde_json::json!(mail.headers).to_string(),
            mail.text,
            mail.html,
            mail.raw,
            serde_json::json!(mail.tags).to_string(),
            mail.configuration_set,
            mail.operation,
        ])?;
        Ok(())
    }

    /// Counts mails that are not kept.
    pub(super) fn count_only(tx: &Transaction<'_>, mails: usize) -> rusqlite::Result<()> {
        tx.execute(
            "UPDATE mail_counted SET mails = mails + ?1",
            [i64::try_from(mails).unwrap_or(0)],
        )?;
        Ok(())
    }

    /// Adds to what was sent in this hour.
    pub(super) fn add_sent(
        tx: &Transaction<'_>,
        now: Timestamp,
        recipients: usize,
    ) -> rusqlite::Result<()> {
        tx.execute(
            "INSERT INTO mail_hour VALUES (?1, ?2) ON CONFLICT (hour) DO UPDATE SET mails = mails + excluded.mails",
            params![now.as_second() / 3_600, i64::try_from(recipients).unwrap_or(0)],
        )?;
        Ok(())
    }

    /// Recipients of the last 24 hours, to the hour.
    pub(super) fn sent_last_24_hours(&self, now: Timestamp) -> rusqlite::Result<u32> {
        self.0.with(|db| {
            db.query_row(
                "SELECT COALESCE(SUM(mails), 0) FROM mail_hour WHERE hour > ?1",
                [now.as_second() / 3_600 - 24],
                |row| row.get(0),
            )
        })
    }

    pub(crate) fn count(&self) -> rusqlite::Result<i64> {
        self.0.with(|db| {
            db.query_row(
                "SELECT (SELECT COUNT(*) FROM mail) + (SELECT mails FROM mail_counted)",
                [],
                |row| row.get(0),
            )
        })
    }

    pub(crate) fn clear(&self) -> rusqlite::Result<()> {
        self.0.with(|db| {
            db.execute_batch("BEGIN; DELETE FROM mail; UPDATE mail_counted SET mails = 0; COMMIT;")
        })
    }

    pub(crate) fn last_seq(&self) -> rusqlite::Result<i64> {
        self.0.with(|db| {
            db.query_row("SELECT COALESCE(MAX(seq), 0) FROM mail", [], |row| {
                row.get(0)
            })
        })
    }

    pub(crate) fn get(&self, seq: i64) -> rusqlite::Result<Option<Mail>> {
        self.0.with(|db| {
            db.prepare_cached(&format!("SELECT {COLUMNS} FROM mail WHERE seq = ?1"))?
                .query_row([seq], read)
                .optional()
        })
    }

    pub(crate) fn list(&self, query: &Query) -> rusqlite::Result<Vec<Mail>> {
        let order = if query.newest_first { "DESC" } else { "ASC" };
        self.0.with(|db| {
            db.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM mail WHERE seq > ?1 AND seq < ?2 AND (?3 IS NULL OR folded = ?3)
                     AND (?4 IS NULL OR instr(folded, ?4) > 0) ORDER BY seq {order} LIMIT ?5"
            ))?
            .query_map(
                params![
                    query.after,
                    query.before.unwrap_or(i64::MAX),
                    query.to.as_ref().map(|to| to.to_lowercase()),
                    query.to_part.as_ref().map(|to| to.to_lowercase()),
                    query.limit
                ],
                read,
            )?
            .collect()
        })
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<Mail> {
    let envelope: String = row.get(6)?;
    let (to, cc, reply_to) = serde_json::from_str(&envelope).unwrap_or_default();
    let headers: String = row.get(8)?;
    let tags: String = row.get(12)?;
    Ok(Mail {
        seq: row.get(0)?,
        message_id: row.get(1)?,
        received_at: Timestamp::from_millisecond(row.get(2)?).unwrap_or_default(),
        region: row.get(3)?,
        sender: row.get(4)?,
        recipient: row.get(5)?,
        to,
        cc,
        reply_to,
        subject: row.get(7)?,
        headers: serde_json::from_str(&headers).unwrap_or_default(),
        text: row.get(9)?,
        html: row.get(10)?,
        raw: row.get(11)?,
        tags: serde_json::from_str(&tags).unwrap_or_default(),
        configuration_set: row.get(13)?,
        operation: row.get(14)?,
    })
}
