//! Walking the `due` index: everything whose time has come, page by page, the oldest first.
//!
//! What is done about a key is the caller's part; until it is done the key stays in the index.

use std::collections::VecDeque;

use jiff::Timestamp;
use rundbrief::key::Key;
use rundbrief::record::{DUE_SHARDS, DueWork};

use crate::app::{App, Trouble};
use crate::store::DuePosition;

/// Keys of one page.
const PAGE: i32 = 250;

/// A walk over everything that is due for one work. It begins at the beginning each time: what
/// was dealt with is not in the index any more, however long nobody has walked.
pub struct Walk<'a> {
    app: &'a App,
    now: Timestamp,
    /// The shards in turn, so that a walk that is cut short has been to each.
    left: VecDeque<DuePosition>,
}

impl<'a> Walk<'a> {
    /// Begins one; asks nothing yet.
    pub fn begin(app: &'a App, work: DueWork, now: Timestamp) -> Self {
        Self {
            app,
            now,
            left: (0..DUE_SHARDS)
                .map(|shard| DuePosition::first(work, shard))
                .collect(),
        }
    }

    /// The next keys whose time has come; `None` at the end.
    ///
    /// # Errors
    /// When the index does not answer.
    pub async fn next(&mut self) -> Result<Option<Vec<Key>>, Trouble> {
        while let Some(position) = self.left.pop_front() {
            let page = self.app.store.due(&position, self.now, PAGE).await?;
            self.left.extend(page.next);
            if !page.keys.is_empty() {
                return Ok(Some(page.keys));
            }
        }
        Ok(None)
    }
}

/// The keys whose time has come, at most `limit` of them.
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
    let mut walk = Walk::begin(app, work, now);
    let mut all = Vec::new();
    while all.len() < limit
        && let Some(keys) = walk.next().await?
    {
        all.extend(keys);
    }
    all.truncate(limit);
    Ok(all)
}
