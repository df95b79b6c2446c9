//! The table of messages and the statements on it.
//!
//! Knows nothing of HTTP or functions. Times are engine milliseconds, but for `sent_at`.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension as _, Transaction, params};
use serde_json::Value;

use super::NewMessage;

/// A message somebody received.
#[derive(Clone)]
pub(super) struct Received {
    pub(super) seq: i64,
    pub(super) message_id: String,
    pub(super) body: String,
    pub(super) attributes: Option<Value>,
    pub(super) sent_at: i64,
    pub(super) first_receive: i64,
    pub(super) receive_count: u32,
    pub(super) receipt: String,
    /// 1 until a function has handled it once, then 2 (`Delivery::Twice`).
    pub(super) round: u32,
}

/// How many messages of a queue are visible, delayed and in flight.
#[derive(Default)]
pub(super) struct Numbers {
    pub(super) visible: u64,
    pub(super) delayed: u64,
    pub(super) in_flight: u64,
}

pub(super) fn prepare(db: &Connection, now: i64) -> rusqlite::Result<()> {
    db.execute_batch(
        "CREATE TABLE IF NOT EXISTS queue_message (
             seq INTEGER PRIMARY KEY AUTOINCREMENT,
             queue TEXT NOT NULL,
             message_id TEXT NOT NULL UNIQUE,
             body TEXT NOT NULL,
             attributes TEXT,
             sent_at INTEGER NOT NULL,
             visible_at INTEGER NOT NULL,
             first_receive INTEGER NOT NULL DEFAULT 0,
             receive_count INTEGER NOT NULL DEFAULT 0,
             receipt TEXT,
             round INTEGER NOT NULL DEFAULT 1);
         CREATE INDEX IF NOT EXISTS queue_message_due ON queue_message (queue, visible_at, seq);",
    )?;
    // Whoever had these is dead: the process that held them is the one that ended.
    db.execute(
        "UPDATE queue_message SET visible_at = ?1 WHERE receipt IS NOT NULL AND visible_at > ?1",
        [now],
    )?;
    Ok(())
}

pub(super) fn insert(
    tx: &Transaction<'_>,
    queue: &str,
    id: &str,
    message: &NewMessage,
    sent_at: i64,
    now: i64,
) -> rusqlite::Result<()> {
    let delay = i64::try_from(message.delay.as_millis()).unwrap_or(i64::MAX);
    tx.prepare_cached(
        "INSERT INTO queue_message (queue, message_id, body, attributes, sent_at, visible_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![
        queue,
        id,
        message.body,
        message.attributes.as_ref().map(Value::to_string),
        sent_at,
        now.saturating_add(delay)
    ])?;
    Ok(())
}

/// Takes up to `max` visible messages and hides them for `hide` milliseconds; those that had
/// their receives go to the dead-letter queue instead.
pub(super) fn receive(
    db: &mut Connection,
    queue: &str,
    redrive: Option<&(String, u32)>,
    max: usize,
    hide: i64,
    now: i64,
) -> rusqlite::Result<Vec<Received>> {
    let tx = db.transaction()?;
    let mut taken = Vec::new();
    loop {
        let wanted = max - taken.len();
        if wanted == 0 {
            break;
        }
        let due = due(&tx, queue, wanted, now)?;
        let found = due.len();
        let mut redriven = 0;
        for mut message in due {
            if let Some((dead, most)) = redrive
                && message.receive_count >= *most
            {
                tx.prepare_cached(
                    "UPDATE queue_message SET queue = ?2, visible_at = ?3, receive_count = 0, receipt = NULL, round = 1 WHERE seq = ?1",
                )?
                .execute(params![message.seq, dead, now])?;
                redriven += 1;
                continue;
            }
            message.receive_count += 1;
            if message.first_receive == 0 {
                message.first_receive = now;
            }
            message.receipt = format!(
                "{}:{}:{}",
                message.message_id, message.round, message.receive_count
            );
            tx.prepare_cached(
                "UPDATE queue_message SET visible_at = ?2, receive_count = ?3, first_receive = ?4, receipt = ?5 WHERE seq = ?1",
            )?
            .execute(params![message.seq, now.saturating_add(hide), message.receive_count, message.first_receive, message.receipt])?;
            // Taken with a timeout of nothing it is visible again, but not twice in one answer.
            taken.push(message);
        }
        if found < wanted || redriven == 0 {
            break;
        }
    }
    tx.commit()?;
    Ok(taken)
}

fn due(tx: &Transaction<'_>, queue: &str, max: usize, now: i64) -> rusqlite::Result<Vec<Received>> {
    tx.prepare_cached(
        "SELECT seq, message_id, body, attributes, sent_at, first_receive, receive_count, round
         FROM queue_message WHERE queue = ?1 AND visible_at <= ?2 ORDER BY visible_at, seq LIMIT ?3",
    )?
    .query_map(params![queue, now, i64::try_from(max).unwrap_or(i64::MAX)], |row| {
        Ok(Received {
            seq: row.get(0)?,
            message_id: row.get(1)?,
            body: row.get(2)?,
            attributes: row.get::<_, Option<String>>(3)?.and_then(|text| serde_json::from_str(&text).ok()),
            sent_at: row.get(4)?,
            first_receive: row.get(5)?,
            receive_count: row.get(6)?,
            receipt: String::new(),
            round: row.get(7)?,
        })
    })?
    .collect()
}

/// Deletes by receipt handle; a stale one (somebody has received it since) deletes nothing.
pub(super) fn delete(db: &Connection, queue: &str, receipt: &str) -> rusqlite::Result<bool> {
    let rows = db
        .prepare_cached(
            "DELETE FROM queue_message WHERE queue = ?1 AND message_id = ?2 AND receipt = ?3",
        )?
        .execute(params![queue, message_id(receipt), receipt])?;
    Ok(rows > 0)
}

/// Makes a received message visible `wait` milliseconds from now.
pub(super) fn change_visibility(
    db: &Connection,
    queue: &str,
    receipt: &str,
    wait: i64,
    now: i64,
) -> rusqlite::Result<bool> {
    let rows = db
        .prepare_cached(
            "UPDATE queue_message SET visible_at = ?4 WHERE queue = ?1 AND message_id = ?2 AND receipt = ?3",
        )?
        .execute(params![queue, message_id(receipt), receipt, now.saturating_add(wait)])?;
    Ok(rows > 0)
}

/// Marks a message as handled once and lets it come again `wait` milliseconds from now, as a
/// duplicate that starts with all its receives.
pub(super) fn second_round(
    db: &Connection,
    queue: &str,
    receipt: &str,
    wait: i64,
    now: i64,
) -> rusqlite::Result<()> {
    db.prepare_cached(
        "UPDATE queue_message SET visible_at = ?4, round = 2, receive_count = 0
         WHERE queue = ?1 AND message_id = ?2 AND receipt = ?3",
    )?
    .execute(params![
        queue,
        message_id(receipt),
        receipt,
        now.saturating_add(wait)
    ])?;
    Ok(())
}

pub(super) fn purge(db: &Connection, queue: &str) -> rusqlite::Result<()> {
    db.execute("DELETE FROM queue_message WHERE queue = ?1", [queue])?;
    Ok(())
}

pub(super) fn counts(db: &Connection) -> rusqlite::Result<BTreeMap<String, u64>> {
    db.prepare_cached("SELECT queue, COUNT(*) FROM queue_message GROUP BY queue")?
        .query_map([], |row| {
            Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs()))
        })?
        .collect()
}

pub(super) fn numbers(db: &Connection, queue: &str, now: i64) -> rusqlite::Result<Numbers> {
    db.query_row(
        "SELECT COUNT(*) FILTER (WHERE visible_at <= ?2),
                COUNT(*) FILTER (WHERE visible_at > ?2 AND receipt IS NULL),
                COUNT(*) FILTER (WHERE visible_at > ?2 AND receipt IS NOT NULL)
         FROM queue_message WHERE queue = ?1",
        params![queue, now],
        |row| {
            Ok(Numbers {
                visible: row.get::<_, i64>(0)?.unsigned_abs(),
                delayed: row.get::<_, i64>(1)?.unsigned_abs(),
                in_flight: row.get::<_, i64>(2)?.unsigned_abs(),
            })
        },
    )
}

/// When the next message becomes visible (or became, if it already is).
pub(super) fn next_visible_at(db: &Connection, queue: &str) -> rusqlite::Result<Option<i64>> {
    db.prepare_cached(
        "SELECT visible_at FROM queue_message WHERE queue = ?1 ORDER BY visible_at LIMIT 1",
    )?
    .query_row([queue], |row| row.get(0))
    .optional()
}

/// How many messages are visible, counted up to `most`.
pub(super) fn visible_up_to(
    db: &Connection,
    queue: &str,
    most: usize,
    now: i64,
) -> rusqlite::Result<usize> {
    db.prepare_cached(
        "SELECT COUNT(*) FROM (SELECT 1 FROM queue_message WHERE queue = ?1 AND visible_at <= ?2 LIMIT ?3)",
    )?
    .query_row(params![queue, now, i64::try_from(most).unwrap_or(i64::MAX)], |row| {
        Ok(usize::try_from(row.get::<_, i64>(0)?).unwrap_or(0))
    })
}

/// The message id a receipt handle begins with.
pub(super) fn message_id(receipt: &str) -> &str {
    receipt.split(':').next().unwrap_or_default()
}
