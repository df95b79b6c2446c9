//! What the sweeper needs: to see an item whose end is over, and to delete it if it still is.
//!
//! The only reads to which an expired item is not absent. Only `retention` may delete in bulk.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::{AttributeValue, DeleteRequest, ReturnValue, WriteRequest};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use jiff::Timestamp;
use rundbrief::id::PersonKey;
use rundbrief::key::{AccountScope, Key, Table};
use rundbrief::record::Stored;

use super::{Page, Range, Store, item, trouble};
use crate::app::Trouble;

/// Items of one batch (the service takes 25).
const BATCH: usize = 25;
/// Batches under way at the same time.
const BATCHES_AT_ONCE: usize = 8;
/// How often what was not processed is asked for again: for some three seconds.
const BATCH_ATTEMPTS: u32 = 6;

/// What is left to say of an item without reading what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// Its kind.
    pub kind: String,
    /// When it counts as absent, if ever.
    pub expires_at: Option<Timestamp>,
}

impl Store {
    /// Kind and end of an item, expired or not, consistently; nothing else of it is read.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn ending(&self, key: &Key) -> Result<Option<Ending>, Trouble> {
        let answer = self
            .client()
            .get_item()
            .table_name(self.name(key.table))
            .set_key(Some(item::key(key)))
            .consistent_read(true)
            .projection_expression("kind, expires_ms")
            .send()
            .await
            .map_err(|error| trouble(&error, "get ending"))?;
        Ok(answer.item.map(|found| Ending {
            kind: item::kind(&found).unwrap_or_default().to_owned(),
            expires_at: found
                .get(item::EXPIRES_MS)
                .and_then(|at| at.as_n().ok()?.parse().ok())
                .and_then(|at| Timestamp::from_millisecond(at).ok()),
        }))
    }

    /// A record, expired or not.
    ///
    /// # Errors
    /// When the table cannot be read or the item is damaged.
    pub async fn get_even_expired<T: Stored>(&self, key: &Key) -> Result<Option<T>, Trouble> {
        let found = self.get_item_even_expired(key).await?;
        found.map(item::record).transpose()
    }

    /// All records of one kind of a person, expired or not: what an erasure must find.
    ///
    /// # Errors
    /// When the table cannot be read or an item is damaged.
    pub(crate) async fn records_even_expired<T: Stored>(
        &self,
        scope: &AccountScope,
        person: PersonKey,
        record: &str,
    ) -> Result<Vec<T>, Trouble> {
        let partition = scope.records(person.partition());
        self.all_even_expired(&partition, &scope.record_prefix(person, record))
            .await
    }

    /// All records of a partition that begin so, whatever their time; for erasing them.
    ///
    /// # Errors
    /// When the table cannot be read or an item is damaged.
    pub(crate) async fn all_even_expired<T: Stored>(
        &self,
        partition: &str,
        prefix: &str,
    ) -> Result<Vec<T>, Trouble> {
        let mut pages = self
            .client()
            .query()
            .table_name(self.name(Table::Main))
            .consistent_read(true)
            .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
            .expression_attribute_values(":pk", AttributeValue::S(partition.to_owned()))
            .expression_attribute_values(":prefix", AttributeValue::S(prefix.to_owned()))
            .into_paginator()
            .items()
            .send();
        let mut records = Vec::new();
        while let Some(found) = pages.next().await {
            let found = found.map_err(|error| trouble(&error, "query even expired"))?;
            records.push(item::record(found)?);
        }
        Ok(records)
    }

    /// Deletes an item if its end is over and its kind is none of `kinds_apart`; the kind of what
    /// this call deleted. One that was lawfully revived since it was found stays.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn delete_expired(
        &self,
        key: &Key,
        kinds_apart: &[&str],
        now: Timestamp,
    ) -> Result<Option<String>, Trouble> {
        let mut condition = "attribute_exists(pk) AND expires_ms <= :now".to_owned();
        let mut delete = self.client().delete_item();
        for (number, kind) in kinds_apart.iter().enumerate() {
            condition.push_str(&format!(" AND kind <> :apart{number}"));
            let kind = AttributeValue::S((*kind).to_owned());
            delete = delete.expression_attribute_values(format!(":apart{number}"), kind);
        }
        let result = delete
            .table_name(self.name(key.table))
            .set_key(Some(item::key(key)))
            .condition_expression(condition)
            .expression_attribute_values(
                ":now",
                AttributeValue::N(now.as_millisecond().to_string()),
            )
            .return_values(ReturnValue::AllOld)
            .send()
            .await;
        match result {
            Ok(deleted) => {
                let deleted = deleted.attributes.unwrap_or_default();
                Ok(Some(item::kind(&deleted).unwrap_or_default().to_owned()))
            }
            Err(error) if error.code() == Some("ConditionalCheckFailedException") => Ok(None),
            Err(error) => Err(trouble(&error, "delete expired")),
        }
    }

    /// One page of a range: keys and kinds of all that is in it, expired or not.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn remains(&self, range: &Range) -> Result<Page<(Key, String)>, Trouble> {
        let page = self
            .item_page_even_expired(range, Some("pk, sk, kind"))
            .await?;
        let named = page.items.iter().filter_map(|found| {
            let key = Key {
                table: range.table,
                pk: range.pk.clone(),
                sk: found.get("sk")?.as_s().ok()?.clone(),
            };
            Some((key, item::kind(found).unwrap_or_default().to_owned()))
        });
        Ok(Page {
            items: named.collect(),
            next: page.next,
        })
    }

    /// Deletes items, whatever they are; absent ones count as deleted.
    ///
    /// # Errors
    /// When a table cannot be written; some may be deleted then.
    pub async fn delete_all(&self, keys: &[Key]) -> Result<(), Trouble> {
        for some in keys.chunks(BATCH * BATCHES_AT_ONCE) {
            // A loop and no closure: a future that holds one cannot be shown to be `Send`.
            let mut batches = Vec::new();
            for batch in some.chunks(BATCH) {
                batches.push(self.delete_batch(batch));
            }
            futures::future::try_join_all(batches).await?;
        }
        Ok(())
    }

    async fn delete_batch(&self, keys: &[Key]) -> Result<(), Trouble> {
        let mut left: HashMap<String, Vec<WriteRequest>> = HashMap::new();
        for key in keys {
            let delete = DeleteRequest::builder().set_key(Some(item::key(key)));
            let delete = delete.build().map_err(|_| Trouble::Store)?;
            let write = WriteRequest::builder().delete_request(delete).build();
            let table = self.name(key.table).to_owned();
            left.entry(table).or_default().push(write);
        }
        // What the service had no room for comes back unprocessed.
        for attempt in 0..BATCH_ATTEMPTS {
            let answer = self
                .client()
                .batch_write_item()
                .set_request_items(Some(left))
                .send()
                .await
                .map_err(|error| trouble(&error, "batch write"))?;
            left = answer.unprocessed_items.unwrap_or_default();
            if left.is_empty() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50 << attempt)).await;
        }
        Err(Trouble::Contended)
    }
}
