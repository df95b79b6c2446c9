//! Walking the `due` index: hour by hour, from where the last walk left something behind.
//!
//! What is done about a key is the caller's part; until it is done the key stays in its hour.

use std::collections::VecDeque;

use jiff::Timestamp;
use rundbrief::key::{AccountScope, Key};
use rundbrief::record::{DUE_SHARDS, DueWork, Expect, Stored};
use rundbrief::time::DueHour;
use serde::{Deserialize, Serialize};

use crate::app::{App, Trouble};
use crate::store::{DuePosition, WriteError};

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

/// Hours asked at the same time: a walk over years of empty hours, after a long stop, takes
/// seconds.
const HOURS_AT_ONCE: i64 = 8;
/// Keys of one page.
const PAGE: i32 = 250;

/// A walk over everything that is due, page by page.
pub struct Walk<'a> {
    app: &'a App,
    work: DueWork,
    now: Timestamp,
    cursor: Option<Cursor>,
    /// The hour of now.
    last: DueHour,
    /// The next hour to ask for.
    hour: DueHour,
    ready: VecDeque<Ready>,
    first_with_something: Option<DueHour>,
}

/// What the index has said and nobody has taken yet.
struct Ready {
    hour: DueHour,
    keys: Vec<Key>,
    next: Option<DuePosition>,
}

impl<'a> Walk<'a> {
    /// Begins where the last walk left something behind.
    ///
    /// # Errors
    /// When the cursor cannot be read.
    pub async fn begin(app: &'a App, work: DueWork, now: Timestamp) -> Result<Self, Trouble> {
        let last = DueHour::of(now);
        let cursor: Option<Cursor> = app.store.get(&Cursor::key(work), now).await?;
        let hour = cursor
            .as_ref()
            .map_or(DueHour(last.0 - FIRST_LOOK_BACK_HOURS), |cursor| {
                cursor.hour
            });
        Ok(Self {
            app,
            work,
            now,
            cursor,
            last,
            hour,
            ready: VecDeque::new(),
            first_with_something: None,
        })
    }

    /// The next keys whose time has come; `None` at the end. They stay in the index until
    /// something is done about them.
    ///
    /// # Errors
    /// When the index does not answer.
    pub async fn next(&mut self) -> Result<Option<Vec<Key>>, Trouble> {
        loop {
            while let Some(ready) = self.ready.pop_front() {
                if let Some(next) = ready.next {
                    let page = self.app.store.due(&next, self.now, PAGE).await?;
                    self.ready.push_front(Ready {
                        hour: ready.hour,
                        keys: page.keys,
                        next: page.next,
                    });
                }
                if !ready.keys.is_empty() {
                    self.first_with_something.get_or_insert(ready.hour);
                    return Ok(Some(ready.keys));
                }
            }
            if self.hour > self.last {
                return Ok(None);
            }
            self.look_ahead().await?;
        }
    }

    async fn look_ahead(&mut self) -> Result<(), Trouble> {
        let end = DueHour(self.hour.0 + HOURS_AT_ONCE).min(self.last.next());
        let (work, now, store) = (self.work, self.now, &self.app.store);
        let asked = (self.hour.0..end.0).flat_map(|hour| {
            (0..DUE_SHARDS).map(move |shard| async move {
                let hour = DueHour(hour);
                let page = store
                    .due(&DuePosition::first(work, hour, shard), now, PAGE)
                    .await?;
                Ok::<_, Trouble>(Ready {
                    hour,
                    keys: page.keys,
                    next: page.next,
                })
            })
        });
        self.ready
            .extend(futures::future::try_join_all(asked).await?);
        self.hour = end;
        Ok(())
    }

    /// Ends the walk, wherever it is: the next one begins at the first hour that had something.
    ///
    /// # Errors
    /// When the cursor cannot be written.
    pub async fn end(self) -> Result<(), Trouble> {
        // The hour before this one stays in view: another machine's clock may be a little behind.
        let reached = self
            .first_with_something
            .or_else(|| self.ready.front().map(|ready| ready.hour))
            .unwrap_or(self.hour)
            .min(DueHour(self.last.0 - 1));
        if self
            .cursor
            .as_ref()
            .is_some_and(|cursor| cursor.hour == reached)
        {
            return Ok(());
        }
        let moved = Cursor {
            rev: self.cursor.as_ref().map_or(1, |cursor| cursor.rev + 1),
            work: self.work,
            hour: reached,
        };
        let key = Cursor::key(self.work);
        let expect = Expect::unchanged(self.cursor.as_ref());
        match self.app.store.put_at(&key, &moved, expect, self.now).await {
            // Another walk moved it: both looked at the same hours.
            Ok(()) | Err(WriteError::Conflict) => Ok(()),
            Err(WriteError::Trouble(trouble)) => Err(trouble),
        }
    }
}

/// The keys whose time has come, oldest hour first, at most `limit` of them.
///
/// A list and no callback: a future that holds an async closure cannot be shown to be `Send`.
///
/// # Errors
/// When the index does not answer.
pub async fn keys(
    app: &App,
    work: DueWork,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<Key>, Trouble> {
    let mut walk = Walk::begin(app, work, now).await?;
    let mut all = Vec::new();
    while all.len() < limit
        && let Some(keys) = walk.next().await?
    {
        all.extend(keys);
    }
    all.truncate(limit);
    walk.end().await?;
    Ok(all)
}
