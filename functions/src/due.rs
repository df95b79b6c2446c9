//! Walking the `due` index: everything whose time has come, page by page, the oldest first.
//!
//! What is done about a key is the caller's part; until it is done the key stays in the index.

use std::collections::VecDeque;

use jiff::Timestamp;
use rundbrief::key::Key;
use rundbrief::record::{DUE_SHARDS, DueWork};

use crate::app::{App, Trouble};
use crate::store::{DueEntry, DuePage, DuePosition};

/// Keys of one page.
const PAGE: i32 = 250;

/// The most instants that [`instants`] names: far more than anybody plans for one step of a clock.
const MOST_INSTANTS: usize = 10_000;

/// A walk over everything that is due for one work. It begins at the beginning each time: what
/// was dealt with is not in the index any more, however long nobody has walked.
pub struct Walk<'a> {
    app: &'a App,
    now: Timestamp,
    /// The shards in turn, so that a walk that is cut short has been to each.
    left: VecDeque<DuePosition>,
    /// First pages, asked for together: mostly nothing is due, and then they are all there is.
    ready: Option<VecDeque<Vec<DueEntry>>>,
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
            ready: None,
        }
    }

    /// The next keys whose time has come; `None` at the end.
    ///
    /// # Errors
    /// When the index does not answer.
    pub async fn next(&mut self) -> Result<Option<Vec<Key>>, Trouble> {
        let entries = self.entries().await?;
        Ok(entries.map(|entries| entries.into_iter().map(|entry| entry.key).collect()))
    }

    /// The same, each with the time at which it fell due.
    ///
    /// # Errors
    /// When the index does not answer.
    pub async fn entries(&mut self) -> Result<Option<Vec<DueEntry>>, Trouble> {
        if self.ready.is_none() {
            let first = std::mem::take(&mut self.left);
            let first = first.iter().map(|position| self.page(position));
            let mut ready = VecDeque::new();
            for page in futures::future::try_join_all(first).await? {
                self.left.extend(page.next);
                ready.push_back(page.entries);
            }
            self.ready = Some(ready);
        }
        while let Some(entries) = self.ready.as_mut().and_then(VecDeque::pop_front) {
            if !entries.is_empty() {
                return Ok(Some(entries));
            }
        }
        while let Some(position) = self.left.pop_front() {
            let page = self.page(&position).await?;
            self.left.extend(page.next);
            if !page.entries.is_empty() {
                return Ok(Some(page.entries));
            }
        }
        Ok(None)
    }

    async fn page(&self, position: &DuePosition) -> Result<DuePage, Trouble> {
        self.app.store.due(position, self.now, PAGE).await
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

/// The instants up to `until` at which something falls due.
///
/// # Errors
/// When the index does not answer.
pub async fn instants(
    app: &App,
    work: DueWork,
    until: Timestamp,
) -> Result<Vec<Timestamp>, Trouble> {
    let mut walk = Walk::begin(app, work, until);
    let mut all = Vec::new();
    while all.len() < MOST_INSTANTS
        && let Some(entries) = walk.entries().await?
    {
        all.extend(entries.iter().map(|entry| entry.at));
    }
    Ok(all)
}
