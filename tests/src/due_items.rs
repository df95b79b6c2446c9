//! Items whose time is over, in numbers that no visitor would bring in a test: written straight to
//! the table, with the attributes that the sweeper and the `due` index go by.
//!
//! Beside some of them stands what must stay: the same kind with a later end, and what has none.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use futures::{StreamExt, TryStreamExt};
use jiff::{SignedDuration, Timestamp};
use rundbrief::entropy::SeededEntropy;
use rundbrief::id::EventId;
use rundbrief::record::{DUE_SHARDS, DueWork};

/// The kinds, in turn.
pub const KINDS: [&str; 8] = [
    "sign_up",
    "profile",
    "outbox",
    "entry",
    "staged",
    "delivery",
    "audit",
    "deletion_report",
];

/// One in so many has neighbours that stay.
const STAYS_ONE_IN: u64 = 50;
/// Items of one batch (the service takes 25).
const BATCH: usize = 25;
/// Batches under way at the same time.
const AT_ONCE: usize = 8;

/// An item of a batch.
type Item = HashMap<String, AttributeValue>;

fn text(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

fn number(number: i64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

/// The partition and sort key of item `count` of this kind in this account.
fn place(account: &str, kind: &str, count: u64, now: Timestamp) -> (String, String) {
    let person = format!("{count:032x}");
    let partition = format!("{:x}", count / 8 % 16);
    let event = EventId::generate(now, &SeededEntropy::new(count)).to_string();
    let (pk, sk) = match kind {
        "profile" => (format!("#P#{partition}"), person),
        "sign_up" => (
            format!("#R#{partition}"),
            format!("{person}#signup#{event}"),
        ),
        "outbox" => (
            format!("#R#{partition}"),
            format!("{person}#outbox#{event}"),
        ),
        "entry" => (
            format!("#C#cmp_old#0#{}", count / 8 % 1_000),
            format!("e#{count:08}"),
        ),
        "staged" => (
            format!("#Q#res_old#{partition}"),
            format!("subscribers#{count:012}"),
        ),
        "delivery" => ("#W".to_owned(), format!("{person}#{event}")),
        "audit" => ("#U".to_owned(), event),
        _ => (String::new(), format!("deletion_report#{event}")),
    };
    (format!("A#{account}{pk}"), sk)
}

/// Item `count`, over since some time before `now`; or with `stays` another of the same kind that
/// is not over.
fn item(account: &str, count: u64, now: Timestamp, stays: bool) -> Item {
    let kind = KINDS[usize::try_from(count % 8).unwrap_or_default()];
    let place_of = if stays { count + (1 << 40) } else { count };
    let (pk, sk) = place(account, kind, place_of, now);
    let minutes = SignedDuration::from_mins(i64::try_from(count % 50_000).unwrap_or_default());
    let ends = if stays {
        now + SignedDuration::from_hours(24 * 400) + minutes
    } else {
        now - minutes
    };
    // What waits to be told stands under the time of its next attempt, long after its end.
    let next = now - SignedDuration::from_mins(1);
    let (work, due) = match kind {
        "outbox" => (DueWork::Outbox, next),
        "delivery" => (DueWork::Tell, next),
        _ => (DueWork::Expire, ends),
    };
    let shard = u8::try_from(count / 8 % u64::from(DUE_SHARDS)).unwrap_or_default();
    HashMap::from([
        ("pk".to_owned(), text(pk)),
        ("sk".to_owned(), text(sk)),
        ("kind".to_owned(), text(kind)),
        ("rev".to_owned(), number(1)),
        ("expires_at".to_owned(), number(ends.as_second() + 1)),
        ("expires_ms".to_owned(), number(ends.as_millisecond())),
        ("due_shard".to_owned(), text(work.partition(shard))),
        ("due_at".to_owned(), number(due.as_millisecond())),
        // As much as records have: from a small one's 300 bytes to 1.5 KB.
        (
            "body".to_owned(),
            text("x".repeat(if count % 16 < 8 { 300 } else { 1_500 })),
        ),
    ])
}

/// A withdrawal item, which has no end.
fn withdrawal(account: &str, count: u64) -> Item {
    let person = format!("{count:032x}");
    HashMap::from([
        (
            "pk".to_owned(),
            text(format!("A#{account}#P#{:x}", count / 8 % 16)),
        ),
        ("sk".to_owned(), text(format!("{person}!w"))),
        ("kind".to_owned(), text("withdrawal")),
        ("rev".to_owned(), number(1)),
        ("person".to_owned(), text(person)),
    ])
}

/// How many items stay beside so many due ones.
pub fn staying(due: u64) -> u64 {
    2 * due.div_ceil(STAYS_ONE_IN)
}

/// Writes `count` items that are due at `now`, of all kinds, the accounts in turn; and what stays.
///
/// # Panics
/// When the table does not take them.
pub async fn write(
    client: &aws_sdk_dynamodb::Client,
    table: &str,
    accounts: &[&str],
    count: u64,
    now: Timestamp,
) {
    // The kinds come in turn, too: an account's turn is as long as theirs.
    let account_of = |number: u64| accounts[(number / 8) as usize % accounts.len()];
    let items = (0..count).flat_map(|number| {
        let account = account_of(number);
        let due = item(account, number, now, false);
        let neighbours = (number % STAYS_ONE_IN == 0).then(|| {
            [
                item(account, number, now, true),
                withdrawal(account, number),
            ]
        });
        std::iter::once(due).chain(neighbours.into_iter().flatten())
    });
    let requests = items.map(|item| {
        let put = PutRequest::builder().set_item(Some(item)).build();
        WriteRequest::builder()
            .put_request(put.expect("an item"))
            .build()
    });
    futures::stream::iter(requests)
        .chunks(BATCH)
        .map(|batch| put_all(client, table, batch))
        .buffer_unordered(AT_ONCE)
        .try_collect::<()>()
        .await
        .expect("the table takes them");
}

async fn put_all(
    client: &aws_sdk_dynamodb::Client,
    table: &str,
    batch: Vec<WriteRequest>,
) -> Result<(), &'static str> {
    let answer = client
        .batch_write_item()
        .request_items(table, batch)
        .send()
        .await
        .map_err(|_| "refused")?;
    let left = answer.unprocessed_items.unwrap_or_default();
    if left.is_empty() {
        Ok(())
    } else {
        Err("not all of them")
    }
}
