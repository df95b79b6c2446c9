//! Both tables, behind the domain's records and conditions.
//!
//! The one place that turns records into items, and the one place that knows what expired means:
//! in every read and in every condition an expired item is absent (T-04).

mod campaign;
mod expire;
mod expression;
mod guard;
mod item;
mod page;
mod people;
mod people_page;
mod transaction;

use std::collections::HashMap;
use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use jiff::Timestamp;
use rundbrief::account::Account;
use rundbrief::id::{AccountId, PersonKey};
use rundbrief::key::{AccountScope, Key, Table};
use rundbrief::person::Person;
use rundbrief::record::{Expect, Stored};

pub(crate) use self::campaign::{Claim, Happened};
pub use self::expire::Ending;
pub use self::guard::GuardAnswer;
pub(crate) use self::item::{kind, plain};
pub use self::page::{DueEntry, DuePage, DuePosition, Page, Range};
use crate::app::Trouble;
use crate::aws::Clients;
use crate::settings::Settings;

/// An item as DynamoDB has it.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// Both tables.
pub struct Store {
    clients: Arc<Clients>,
    table: String,
    tombstone_table: String,
}

/// A conditional write did not happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// What was expected is not so (any more): read again and decide again.
    #[error("changed meanwhile")]
    Conflict,
    /// The store could not be asked.
    #[error(transparent)]
    Trouble(#[from] Trouble),
}

impl Store {
    pub(crate) fn new(clients: Arc<Clients>, settings: &Settings) -> Self {
        Self {
            clients,
            table: settings.table.clone().unwrap_or_default(),
            tombstone_table: settings.tombstone_table.clone().unwrap_or_default(),
        }
    }

    fn client(&self) -> &aws_sdk_dynamodb::Client {
        self.clients.dynamodb()
    }

    fn name(&self, table: Table) -> &str {
        match table {
            Table::Main => &self.table,
            Table::Tombstones => &self.tombstone_table,
        }
    }

    /// Reads one record, consistently.
    ///
    /// # Errors
    /// When the table cannot be read or the item is damaged.
    pub async fn get<T: Stored>(&self, key: &Key, now: Timestamp) -> Result<Option<T>, Trouble> {
        match self.get_item(key, now).await? {
            Some(item) => Ok(Some(item::record(item)?)),
            None => Ok(None),
        }
    }

    pub(crate) async fn get_item(
        &self,
        key: &Key,
        now: Timestamp,
    ) -> Result<Option<Item>, Trouble> {
        let found = self.get_item_even_expired(key).await?;
        Ok(found.filter(|item| item::is_present(item, now)))
    }

    async fn get_item_even_expired(&self, key: &Key) -> Result<Option<Item>, Trouble> {
        let answer = self
            .client()
            .get_item()
            .table_name(self.name(key.table))
            .set_key(Some(item::key(key)))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| trouble(&error, "get"))?;
        Ok(answer.item)
    }

    /// Reads an account.
    ///
    /// # Errors
    /// When the table cannot be read or the item is damaged.
    pub async fn account(
        &self,
        id: &AccountId,
        now: Timestamp,
    ) -> Result<Option<Account>, Trouble> {
        self.get(&Key::account(id), now).await
    }

    /// Reads everything that decides about one person, consistently: profile and withdrawal with
    /// one query, the tombstone beside it.
    ///
    /// # Errors
    /// When a table cannot be read or an item is damaged.
    pub async fn person(
        &self,
        scope: &AccountScope,
        key: PersonKey,
        now: Timestamp,
    ) -> Result<Person, Trouble> {
        let (profiles, prefix, tombstone_key) = (
            scope.profiles(key.partition()),
            key.to_string(),
            scope.tombstone(key),
        );
        let (items, tombstone) = futures::try_join!(
            self.query_all(&profiles, &prefix, now),
            self.get(&tombstone_key, now),
        )?;
        let mut person = Person {
            tombstone,
            ..Person::unknown(key)
        };
        for found in items {
            match item::kind(&found) {
                Some(<rundbrief::person::Profile as Stored>::KIND) => {
                    person.profile = Some(item::record(found)?);
                }
                Some(<rundbrief::person::Withdrawal as Stored>::KIND) => {
                    person.withdrawal = Some(item::record(found)?);
                }
                _ => return Err(Trouble::Damaged),
            }
        }
        Ok(person)
    }

    /// Puts a whole record if the expectation holds.
    ///
    /// # Errors
    /// [`WriteError::Conflict`] when it does not.
    pub async fn put<T: Stored>(
        &self,
        scope: &AccountScope,
        record: &T,
        expect: Expect,
        now: Timestamp,
    ) -> Result<(), WriteError> {
        self.put_at(&record.key(scope), record, expect, now).await
    }

    /// Puts a whole record at a key that needs no scope.
    ///
    /// # Errors
    /// [`WriteError::Conflict`] when the expectation does not hold.
    pub async fn put_at<T: Stored>(
        &self,
        key: &Key,
        record: &T,
        expect: Expect,
        now: Timestamp,
    ) -> Result<(), WriteError> {
        let item = item::item(key, record)?;
        let condition = expression::condition(expect, now);
        let result = self
            .client()
            .put_item()
            .table_name(self.name(key.table))
            .set_item(Some(item))
            .condition_expression(condition.text)
            .set_expression_attribute_names(condition.names)
            .set_expression_attribute_values(Some(condition.values))
            .send()
            .await;
        match result {
            Ok(_) => Ok(()),
            Err(error) => Err(write_error(&error, "put")),
        }
    }

    /// Deletes an item if the expectation holds; an absent one counts as deleted.
    ///
    /// # Errors
    /// [`WriteError::Conflict`] when the expectation does not hold.
    pub async fn delete(&self, key: &Key, revision: u64) -> Result<(), WriteError> {
        let result = self
            .client()
            .delete_item()
            .table_name(self.name(key.table))
            .set_key(Some(item::key(key)))
            .condition_expression("attribute_not_exists(pk) OR rev = :rev")
            .expression_attribute_values(":rev", AttributeValue::N(revision.to_string()))
            .send()
            .await;
        match result {
            Ok(_) => Ok(()),
            Err(error) => Err(write_error(&error, "delete")),
        }
    }
}

/// Logs what went wrong by its code, and nothing of the request or the item.
fn trouble(error: &impl ProvideErrorMetadata, call: &'static str) -> Trouble {
    match error.code() {
        Some("ValidationException")
            if error.message().is_some_and(|text| text.contains("size")) =>
        {
            Trouble::TooLarge
        }
        code => {
            tracing::error!(code, call, "the store did not answer as it should");
            Trouble::Store
        }
    }
}

fn write_error(error: &impl ProvideErrorMetadata, call: &'static str) -> WriteError {
    match error.code() {
        Some("ConditionalCheckFailedException") => WriteError::Conflict,
        _ => WriteError::Trouble(trouble(error, call)),
    }
}
