//! Walking the `due` index: hour by hour, from where the last walk left something behind.
//!
//! What is done about a key is the caller's part; until it is done the key stays in its hour.

use jiff::Timestamp;
use rundbrief::key::{AccountScope, Key};
use rundbrief::record::{DUE_SHARDS, DueWork, Expect, Stored};
use rundbrief::time::DueHour;
use serde::{Deserialize, Serialize};

use crate::app::{App, Trouble};
use crate::store::WriteError;

/// Hours to look back when there is no cursor yet: a restored table may be older than its cursor.
const FIRST_LOOK_BACK_HOURS: i64 = 48;

/// The earliest hour that may still hold something.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Cursor {
    rev: u64,
    work: DueWork,
    hour: DueHour,
}

impl Cursor {
    fn key(work: DueWork) -> Key {
        Key::global("due", format!("{work:?}"))
    }
}

impl Stored for Cursor {
    const KIND: &'static str = "due_cursor";

    fn key(&self, _: &AccountScope) -> Key {
        Self::key(self.work)
    }

    fn revision(&self) -> u64 {
        self.rev
    }
}

/// Calls `each` with every key whose time has come, at most `limit` of them; returns how many.
///
/// # Errors
/// When the index does not answer, or with the first error of `each`.
pub async fn walk(
    app: &App,
    work: DueWork,
    now: Timestamp,
    limit: usize,
    mut each: impl AsyncFnMut(Key) -> Result<(), Trouble>,
) -> Result<usize, Trouble> {
    let last = DueHour::of(now);
    let cursor: Option<Cursor> = app.store.get(&Cursor::key(work), now).await?;
    let mut hour = cursor
        .as_ref()
        .map_or(DueHour(last.0 - FIRST_LOOK_BACK_HOURS), |cursor| {
            cursor.hour
        });
    let mut first_with_something = None;
    let mut count = 0;
    while hour <= last {
        for shard in 0..DUE_SHARDS {
            let room = limit.saturating_sub(count);
            if room == 0 {
                break;
            }
            let keys = app
                .store
                .due(
                    work,
                    hour,
                    shard,
                    now,
                    i32::try_from(room.min(1_000)).unwrap_or(1_000),
                )
                .await?;
            if !keys.is_empty() {
                first_with_something.get_or_insert(hour);
            }
            for key in keys {
                each(key).await?;
                count += 1;
            }
        }
        if count >= limit {
            first_with_something.get_or_insert(hour);
            break;
        }
        hour = hour.next();
    }
    // The hour before this one stays in view: another machine's clock may be a little behind.
    let reached = first_with_something
        .unwrap_or(last)
        .min(DueHour(last.0 - 1));
    let moved = Cursor {
        rev: cursor.as_ref().map_or(1, |cursor| cursor.rev + 1),
        work,
        hour: reached,
    };
    if cursor.as_ref().is_none_or(|cursor| cursor.hour != reached) {
        match app
            .store
            .put_at(
                &Cursor::key(work),
                &moved,
                Expect::unchanged(cursor.as_ref()),
                now,
            )
            .await
        {
            // Another walk moved it: both looked at the same hours.
            Ok(()) | Err(WriteError::Conflict) => {}
            Err(WriteError::Trouble(trouble)) => return Err(trouble),
        }
    }
    Ok(count)
}
