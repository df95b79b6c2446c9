//! What the sweeper needs: to see an item whose end is over, and to delete it if it still is.
//!
//! The only reads to which an expired item is not absent. Only `retention` may delete in bulk.

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use jiff::Timestamp;
use rundbrief::key::Key;
use rundbrief::record::Stored;

use super::{Store, item, trouble};
use crate::app::Trouble;

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
}
