//! Lists in pages: `?limit=&cursor=`, and `{"items":[…],"next":CURSOR|null}`.
//!
//! A cursor names a place in one list of one account and is refused in any other.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;
use lambda_http::http::Uri;
use rundbrief::crypto::sha256_hex;
use rundbrief::id::Partition;
use rundbrief::key::{AccountScope, Table};
use rundbrief::record::Stored;
use serde_json::{Value, json};

use super::access::Desk;
use super::answer::{Answer, Refused, found};
use crate::app::App;
use crate::store::{Page, Range};

const DEFAULT_LIMIT: usize = 50;
const MAX_LIMIT: usize = 100;
/// Queries of one request at most: what is searched for may be rare, and a request ends after
/// 29 seconds. The page is then shorter than asked for, and `next` goes on.
const MAX_QUERIES: usize = 64;
/// Items one query evaluates at most, so that a page stays under 1 MB (the Query limit).
const ITEMS_PER_QUERY: i32 = 100;

/// The query string's values.
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    pub(super) fn of(uri: &Uri) -> Self {
        let query = uri.query().unwrap_or_default();
        Self(
            form_urlencoded::parse(query.as_bytes())
                .into_owned()
                .collect(),
        )
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

/// The page that `window` asks for of a partition's items whose sort keys begin with a prefix.
pub(super) async fn page_at<T: Stored>(
    app: &App,
    window: &Window,
    (pk, prefix): (String, String),
    now: Timestamp,
    show: impl Fn(&T) -> Value,
) -> Answer {
    let range = Range {
        table: Table::Main,
        after: window.after_in(&prefix)?,
        pk,
        prefix,
        limit: i32::try_from(window.limit).unwrap_or(1),
    };
    let page = app.store.page::<T>(&range, now).await?;
    let items = page.items.iter().map(show).collect();
    let next = page.next.map(|after| window.cursor(0, &after));
    Ok(found(&listed(items, next)))
}

/// The page of what an account has configured of one kind; `list` names the list.
pub(super) async fn page_of_kind<T: Stored>(
    desk: &Desk,
    uri: &Uri,
    list: &str,
    prefix: String,
    show: impl Fn(&T) -> Value,
) -> Answer {
    let window = Window::of(&Parameters::of(uri), desk.account.id.as_str(), list)?;
    let place = (desk.scope.configuration_partition(), prefix);
    page_at(&desk.app, &window, place, desk.now, show).await
}

/// Which part of a list is asked for.
pub(super) struct Window {
    pub(super) limit: usize,
    /// The partition to go on in, and behind which sort key.
    after: Option<(u8, String)>,
    /// Which list of which account, with its filters.
    bound_to: String,
}

impl Window {
    /// Reads `limit` and `cursor`. `list` names the list and its filters.
    pub(super) fn of(parameters: &Parameters, account: &str, list: &str) -> Result<Self, Refused> {
        let limit = match parameters.get("limit") {
            None => DEFAULT_LIMIT,
            Some(limit) => limit
                .parse()
                .ok()
                .filter(|limit| (1..=MAX_LIMIT).contains(limit))
                .ok_or_else(|| Refused::field("limit", "out_of_range"))?,
        };
        let bound_to = sha256_hex(format!("{account}\n{list}").as_bytes())[..16].to_owned();
        let after = match parameters.get("cursor") {
            None => None,
            Some(cursor) => {
                Some(open(cursor, &bound_to).ok_or_else(|| Refused::field("cursor", "invalid"))?)
            }
        };
        Ok(Self {
            limit,
            after,
            bound_to,
        })
    }

    /// Where to begin in a list of one partition whose sort keys begin with `prefix`.
    pub(super) fn after_in(&self, prefix: &str) -> Result<Option<String>, Refused> {
        match &self.after {
            None => Ok(None),
            Some((0, after)) if after.starts_with(prefix) => Ok(Some(after.clone())),
            Some(_) => Err(Refused::field("cursor", "invalid")),
        }
    }

    /// Where to begin in a list over the sixteen partitions.
    pub(super) fn partition(&self) -> Result<(Partition, Option<String>), Refused> {
        let (number, after) = match &self.after {
            None => (0, None),
            // An empty sort key is before all others of its partition.
            Some((number, after)) => (
                *number,
                Some(after.clone()).filter(|after| !after.is_empty()),
            ),
        };
        Partition::new(number)
            .map(|partition| (partition, after))
            .ok_or_else(|| Refused::field("cursor", "invalid"))
    }

    /// The page of a short list that was read whole, in the order of its sort keys.
    pub(super) fn page_of<T>(
        &self,
        all: Vec<T>,
        key: impl Fn(&T) -> String,
    ) -> Result<(Vec<T>, Option<String>), Refused> {
        let after = self.after_in("")?;
        let mut rest: Vec<T> = all
            .into_iter()
            .filter(|record| after.as_ref().is_none_or(|after| key(record) > *after))
            .collect();
        let more = rest.len() > self.limit;
        rest.truncate(self.limit);
        let next = rest
            .last()
            .filter(|_| more)
            .map(|last| self.cursor(0, &key(last)));
        Ok((rest, next))
    }

    /// The cursor to go on behind this place.
    pub(super) fn cursor(&self, partition: u8, after: &str) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(format!("{}\n{partition}\n{after}", self.bound_to))
    }
}

fn open(cursor: &str, bound_to: &str) -> Option<(u8, String)> {
    let text = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
    let mut parts = text.splitn(3, '\n');
    let (bound, partition, after) = (parts.next()?, parts.next()?, parts.next()?);
    // Sort keys are ASCII of at most 1 KB.
    let is_key = after.len() <= 1_024 && after.bytes().all(|byte| byte.is_ascii_graphic());
    (bound == bound_to && is_key)
        .then(|| Some((partition.parse().ok()?, after.to_owned())))
        .flatten()
}

/// A list's answer.
#[expect(
    clippy::needless_pass_by_value,
    reason = "what `json!` takes by reference is not needed any more"
)]
pub(super) fn listed(items: Vec<Value>, next: Option<String>) -> Value {
    json!({"items": items, "next": next})
}

/// One page over the sixteen partitions of records, of one kind and as `accept` says.
pub(super) async fn walk_records<T: Stored>(
    desk: &Desk,
    window: &Window,
    accept: impl Fn(&T) -> bool,
) -> Result<(Vec<T>, Option<String>), Refused> {
    let (first, mut after) = window.partition()?;
    let mut found: Vec<T> = Vec::new();
    let mut queries = 0;
    for partition in Partition::all().skip(usize::from(first.number())) {
        loop {
            if queries == MAX_QUERIES {
                let after = after.unwrap_or_default();
                return Ok((found, Some(window.cursor(partition.number(), &after))));
            }
            queries += 1;
            let page: Page<T> = desk
                .app
                .store
                .page(&records(&desk.scope, partition, after.take()), desk.now)
                .await?;
            for record in page.items {
                if !accept(&record) {
                    continue;
                }
                if found.len() == window.limit {
                    let last = found.last().map(|last| last.key(&desk.scope).sk);
                    return Ok((
                        found,
                        last.map(|last| window.cursor(partition.number(), &last)),
                    ));
                }
                found.push(record);
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        // The next partition may begin with a full page's first record.
        if found.len() == window.limit {
            let next = Partition::new(partition.number() + 1);
            return Ok((found, next.map(|next| window.cursor(next.number(), ""))));
        }
    }
    Ok((found, None))
}

/// One page of a partition's items whose sort keys begin with a prefix, as `accept` says.
pub(super) async fn walk<T: Stored>(
    desk: &Desk,
    window: &Window,
    (pk, prefix): (String, String),
    accept: impl Fn(&T) -> bool,
) -> Result<(Vec<T>, Option<String>), Refused> {
    let mut found: Vec<T> = Vec::new();
    let mut range = Range {
        table: Table::Main,
        after: window.after_in(&prefix)?,
        pk,
        prefix,
        limit: ITEMS_PER_QUERY,
    };
    for _ in 0..MAX_QUERIES {
        let page: Page<T> = desk.app.store.page(&range, desk.now).await?;
        for record in page.items.into_iter().filter(|record| accept(record)) {
            if found.len() == window.limit {
                let last = found.last().map(|last| last.key(&desk.scope).sk);
                return Ok((found, last.map(|last| window.cursor(0, &last))));
            }
            found.push(record);
        }
        range.after = page.next;
        if range.after.is_none() {
            break;
        }
    }
    let next = range.after.map(|after| window.cursor(0, &after));
    Ok((found, next))
}

fn records(scope: &AccountScope, partition: Partition, after: Option<String>) -> Range {
    Range {
        table: Table::Main,
        pk: scope.records(partition),
        prefix: String::new(),
        after,
        limit: ITEMS_PER_QUERY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(query: &str, list: &str) -> Result<Window, Refused> {
        let uri: Uri = format!("/x?{query}").parse().unwrap();
        Window::of(&Parameters::of(&uri), "demo", list)
    }

    #[test]
    fn a_cursor_is_good_for_its_own_list_only() {
        let first = window("limit=7", "lists").unwrap();
        assert_eq!(first.limit, 7);
        let cursor = first.cursor(0, "list#a");
        let next = window(&format!("cursor={cursor}"), "lists").unwrap();
        assert_eq!(next.after_in("list#").unwrap().as_deref(), Some("list#a"));
        assert!(next.after_in("setup#").is_err());
        assert!(window(&format!("cursor={cursor}"), "setups").is_err());
        assert!(
            cursor
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        );
    }

    #[test]
    fn what_is_no_limit_and_no_cursor_is_refused() {
        for query in [
            "limit=0",
            "limit=101",
            "limit=",
            "limit=x",
            "cursor=",
            "cursor=%00",
            "cursor=abc",
        ] {
            assert!(window(query, "lists").is_err(), "{query}");
        }
        assert_eq!(window("", "lists").unwrap().limit, 50);
    }
}
