//! Reading ranges of a partition, page by page; and the `due` index.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use rundbrief::id::{AccountId, PersonKey};
use rundbrief::key::{AccountScope, Key, Table};
use rundbrief::record::{DUE_SHARDS, DueWork, Stored};
use rundbrief::suppression::Rules;

use super::{Item, Store, item, trouble};
use crate::app::Trouble;

/// Part of a partition, in the order of its sort keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    /// Which table.
    pub table: Table,
    /// The partition key.
    pub pk: String,
    /// What the sort keys begin with; empty for all.
    pub prefix: String,
    /// Go on behind this sort key.
    pub after: Option<String>,
    /// Items to evaluate at most.
    pub limit: i32,
}

/// A page of records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The records that are there; may be fewer than asked for, even none, before the end.
    pub items: Vec<T>,
    /// Where to go on; `None` at the end.
    pub next: Option<String>,
}

impl Store {
    /// One page of records of one kind, consistently; other kinds in the range are passed over.
    ///
    /// # Errors
    /// When the table cannot be read or an item is damaged.
    pub async fn page<T: Stored>(&self, range: &Range, now: Timestamp) -> Result<Page<T>, Trouble> {
        let page = self.item_page(range, now).await?;
        let items = page
            .items
            .into_iter()
            .filter(|found| item::kind(found) == Some(T::KIND))
            .map(item::record)
            .collect::<Result<_, _>>()?;
        Ok(Page {
            items,
            next: page.next,
        })
    }

    /// One page of raw items with their sort keys.
    pub(crate) async fn item_page(
        &self,
        range: &Range,
        now: Timestamp,
    ) -> Result<Page<Item>, Trouble> {
        let mut page = self.item_page_even_expired(range, None).await?;
        page.items.retain(|found| item::is_present(found, now));
        Ok(page)
    }

    /// One page of raw items, expired or not; of each what is projected, or all.
    pub(super) async fn item_page_even_expired(
        &self,
        range: &Range,
        projected: Option<&str>,
    ) -> Result<Page<Item>, Trouble> {
        let mut query = self
            .client()
            .query()
            .table_name(self.name(range.table))
            .consistent_read(true)
            .limit(range.limit)
            .set_projection_expression(projected.map(str::to_owned))
            .expression_attribute_values(":pk", AttributeValue::S(range.pk.clone()));
        query = if range.prefix.is_empty() {
            query.key_condition_expression("pk = :pk")
        } else {
            query
                .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
                .expression_attribute_values(":prefix", AttributeValue::S(range.prefix.clone()))
        };
        if let Some(after) = &range.after {
            let start = Key {
                table: range.table,
                pk: range.pk.clone(),
                sk: after.clone(),
            };
            query = query.set_exclusive_start_key(Some(item::key(&start)));
        }
        let answer = query
            .send()
            .await
            .map_err(|error| trouble(&error, "query"))?;
        let next = answer
            .last_evaluated_key
            .as_ref()
            .and_then(|key| key.get("sk")?.as_s().ok().cloned());
        let items = answer.items.unwrap_or_default();
        Ok(Page { items, next })
    }

    /// All items whose sort key begins so; for small sets only.
    pub(super) async fn query_all(
        &self,
        pk: &str,
        prefix: &str,
        now: Timestamp,
    ) -> Result<Vec<Item>, Trouble> {
        let mut range = Range {
            table: Table::Main,
            pk: pk.to_owned(),
            prefix: prefix.to_owned(),
            after: None,
            limit: 1_000,
        };
        let mut all = Vec::new();
        loop {
            let page = self.item_page(&range, now).await?;
            all.extend(page.items);
            match page.next {
                Some(next) => range.after = Some(next),
                None => return Ok(all),
            }
        }
    }

    /// All records of one kind of a person.
    ///
    /// # Errors
    /// When the table cannot be read or an item is damaged.
    pub async fn records<T: Stored>(
        &self,
        scope: &AccountScope,
        person: PersonKey,
        record: &str,
        now: Timestamp,
    ) -> Result<Vec<T>, Trouble> {
        self.query_all(
            &scope.records(person.partition()),
            &scope.record_prefix(person, record),
            now,
        )
        .await?
        .into_iter()
        .map(item::record)
        .collect()
    }

    /// All records of one kind in a partition that begin so; for small sets only, such as the
    /// lists of an account.
    ///
    /// # Errors
    /// When the table cannot be read or an item is damaged.
    pub async fn all<T: Stored>(
        &self,
        pk: &str,
        prefix: &str,
        now: Timestamp,
    ) -> Result<Vec<T>, Trouble> {
        self.query_all(pk, prefix, now)
            .await?
            .into_iter()
            .filter(|found| item::kind(found) == Some(T::KIND))
            .map(item::record)
            .collect()
    }

    /// All records of one kind that an account has configured, such as its setups.
    ///
    /// # Errors
    /// When the table cannot be read or an item is damaged.
    pub async fn configured<T: Stored>(
        &self,
        scope: &AccountScope,
        now: Timestamp,
    ) -> Result<Vec<T>, Trouble> {
        let prefix = format!("{}#", T::KIND);
        self.all(&scope.configuration_partition(), &prefix, now)
            .await
    }

    /// What an account suppresses by domain or pattern.
    ///
    /// # Errors
    /// When the table cannot be read or an item is damaged.
    pub async fn address_rules(
        &self,
        scope: &AccountScope,
        now: Timestamp,
    ) -> Result<Rules, Trouble> {
        let partition = scope.configuration_partition();
        let rules = self.all(&partition, &Rules::prefix(), now).await?;
        Ok(Rules::of(rules))
    }

    /// One page of keys whose time has come, by the `due` index, in the order of their times. The
    /// index lags and may name what has changed: read the item again before acting.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub async fn due(
        &self,
        position: &DuePosition,
        now: Timestamp,
        limit: i32,
    ) -> Result<DuePage, Trouble> {
        debug_assert!(position.shard < DUE_SHARDS);
        let partition = position.work.partition(position.shard);
        let answer = self
            .client()
            .query()
            .table_name(self.name(Table::Main))
            .index_name("due")
            .key_condition_expression("due_shard = :shard AND due_at <= :now")
            .expression_attribute_values(":shard", AttributeValue::S(partition))
            .expression_attribute_values(
                ":now",
                AttributeValue::N(now.as_millisecond().to_string()),
            )
            .set_exclusive_start_key(position.after.clone())
            .limit(limit)
            .send()
            .await
            .map_err(|error| trouble(&error, "query due"))?;
        let text =
            |item: &Item, name: &str| item.get(name).and_then(|value| value.as_s().ok().cloned());
        let next = answer.last_evaluated_key.map(|after| DuePosition {
            after: Some(after),
            ..position.clone()
        });
        let entries = answer
            .items
            .unwrap_or_default()
            .iter()
            .filter_map(|found| {
                let key = Key {
                    table: Table::Main,
                    pk: text(found, "pk")?,
                    sk: text(found, "sk")?,
                };
                let at = found.get("due_at")?.as_n().ok()?.parse().ok()?;
                let at = Timestamp::from_millisecond(at).ok()?;
                Some(DueEntry { key, at })
            })
            .collect();
        Ok(DuePage { entries, next })
    }

    /// One page of the identifiers of all accounts, also of those that are gone.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn accounts(
        &self,
        after: Option<String>,
        limit: i32,
        now: Timestamp,
    ) -> Result<Page<AccountId>, Trouble> {
        let range = Range {
            table: Table::Main,
            pk: Key::directory_partition(),
            prefix: String::new(),
            after,
            limit,
        };
        let page = self.item_page(&range, now).await?;
        let items = page
            .items
            .iter()
            .filter_map(|found| AccountId::parse(found.get("sk")?.as_s().ok()?).ok())
            .collect();
        Ok(Page {
            items,
            next: page.next,
        })
    }
}

/// A place in the `due` index.
#[derive(Debug, Clone)]
pub struct DuePosition {
    /// What must happen.
    pub work: DueWork,
    /// The shard.
    pub shard: u8,
    /// Go on behind this entry.
    after: Option<Item>,
}

impl DuePosition {
    /// The beginning of a shard: what has been due longest.
    pub fn first(work: DueWork, shard: u8) -> Self {
        Self {
            work,
            shard,
            after: None,
        }
    }
}

/// Something in the `due` index.
#[derive(Debug, Clone)]
pub struct DueEntry {
    /// What it is about.
    pub key: Key,
    /// When it falls due.
    pub at: Timestamp,
}

/// A page of the `due` index.
#[derive(Debug, Clone)]
pub struct DuePage {
    /// What is due.
    pub entries: Vec<DueEntry>,
    /// Where to go on; `None` at the end.
    pub next: Option<DuePosition>,
}
