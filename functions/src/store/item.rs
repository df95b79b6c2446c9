//! Records to items and back; what an item must have besides its record.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use rundbrief::key::Key;
use rundbrief::record::{DUE_SHARDS, Stored};
use serde::de::DeserializeOwned;

use super::Item;
use crate::app::Trouble;

/// The TTL attribute: epoch seconds, rounded up; only the service reads it, and it stands
/// only where the service may delete (`Stored::ttl_at`).
pub(super) const EXPIRES_AT: &str = "expires_at";
/// The same end in epoch milliseconds, which every read and condition goes by: a link that lives
/// seven days lives them to the last (O-07).
pub(super) const EXPIRES_MS: &str = "expires_ms";

/// The primary key's two attributes.
pub(super) fn key(key: &Key) -> Item {
    Item::from([
        ("pk".to_owned(), AttributeValue::S(key.pk.clone())),
        ("sk".to_owned(), AttributeValue::S(key.sk.clone())),
    ])
}

/// The item of a record: its fields, its key, its kind, its end, its entry in the `due` index.
pub(super) fn item<T: Stored>(at: &Key, record: &T) -> Result<Item, Trouble> {
    let mut item: Item = serde_dynamo::to_item(record).map_err(|_| Trouble::Damaged)?;
    // Nothing is stored for what is not there.
    item.retain(|_, value| !matches!(value, AttributeValue::Null(_)));
    item.extend(key(at));
    item.insert("kind".to_owned(), AttributeValue::S(T::KIND.to_owned()));
    item.insert(
        "rev".to_owned(),
        AttributeValue::N(record.revision().to_string()),
    );
    if let Some(at) = record.ttl_at() {
        let ms = at.as_millisecond();
        let seconds = ms.div_euclid(1_000) + i64::from(ms.rem_euclid(1_000) > 0);
        item.insert(
            EXPIRES_AT.to_owned(),
            AttributeValue::N(seconds.to_string()),
        );
    }
    if let Some(at) = record.expires_at() {
        let ms = at.as_millisecond();
        item.insert(EXPIRES_MS.to_owned(), AttributeValue::N(ms.to_string()));
    }
    if let Some(due) = record.due() {
        let partition = due.work.partition(shard(at));
        item.insert("due_shard".to_owned(), AttributeValue::S(partition));
        item.insert(
            "due_at".to_owned(),
            AttributeValue::N(due.at.as_millisecond().to_string()),
        );
    }
    Ok(item)
}

/// Spreads the items over the shards, the same for the same key.
fn shard(key: &Key) -> u8 {
    let sum = key
        .pk
        .bytes()
        .chain(key.sk.bytes())
        .fold(0_u32, |sum, byte| {
            sum.wrapping_mul(31).wrapping_add(u32::from(byte))
        });
    u8::try_from(sum % u32::from(DUE_SHARDS)).unwrap_or(0)
}

/// The record in an item.
pub(super) fn record<T: DeserializeOwned>(item: Item) -> Result<T, Trouble> {
    serde_dynamo::from_item(item).map_err(|_| {
        // The error's text may quote the item, which is a person.
        tracing::error!("a stored item could not be read");
        Trouble::Damaged
    })
}

/// An item's own fields as JSON, members in the order of their names: without its place, its
/// entry in the index and its TTL, which follow from them.
pub(crate) fn plain(mut item: Item) -> Result<serde_json::Value, Trouble> {
    for name in ["pk", "sk", "due_shard", "due_at", EXPIRES_AT, EXPIRES_MS] {
        item.remove(name);
    }
    let mut fields: serde_json::Value = record(item)?;
    fields.sort_all_objects();
    Ok(fields)
}

/// The item's kind.
pub(crate) fn kind(item: &Item) -> Option<&str> {
    item.get("kind")?.as_s().ok().map(String::as_str)
}

/// Whether the item counts as being there (T-04).
pub(super) fn is_present(item: &Item, now: Timestamp) -> bool {
    match item.get(EXPIRES_MS) {
        Some(AttributeValue::N(at)) => at.parse::<i64>().is_ok_and(|at| at > now.as_millisecond()),
        Some(_) => false,
        None => true,
    }
}
