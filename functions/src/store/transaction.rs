//! Transactions: all steps or none.

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, ConditionCheck, Delete, Put, TransactWriteItem};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use jiff::Timestamp;
use rundbrief::key::AccountScope;
use rundbrief::record::{Expect, Record, Step, Stored as _, Transaction};
use rundbrief::webhook::Webhook;
use rundbrief::webhook::delivery::Delivery;

use super::{Item, Store, WriteError, expression, item};
use crate::app::Trouble;

/// How often a transaction that met another one is tried again.
const CONFLICT_ATTEMPTS: u32 = 5;

impl Store {
    /// Carries out a transaction.
    ///
    /// # Errors
    /// [`WriteError::Conflict`] when an expectation does not hold: read again, decide again.
    pub async fn commit(
        &self,
        scope: &AccountScope,
        transaction: &Transaction,
        now: Timestamp,
    ) -> Result<(), WriteError> {
        let mut steps = Vec::new();
        let told = self.told(scope, transaction, now).await?;
        for step in transaction.0.iter().chain(&told) {
            steps.extend(self.write(scope, step, now)?);
        }
        for attempt in 0..CONFLICT_ATTEMPTS {
            let result = self
                .client()
                .transact_write_items()
                .set_transact_items(Some(steps.clone()))
                .send()
                .await;
            let Err(error) = result else { return Ok(()) };
            match error.as_service_error() {
                Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
                    let codes: Vec<&str> = cancelled
                        .cancellation_reasons()
                        .iter()
                        .filter_map(|reason| reason.code())
                        .collect();
                    match verdict(&codes) {
                        Verdict::Conflict => return Err(WriteError::Conflict),
                        Verdict::TooLarge => return Err(WriteError::Trouble(Trouble::TooLarge)),
                        Verdict::TryAgain => {
                            tokio::time::sleep(std::time::Duration::from_millis(20 << attempt))
                                .await;
                        }
                        Verdict::Trouble => {
                            tracing::error!(call = "transact", "a transaction was cancelled");
                            return Err(WriteError::Trouble(Trouble::Store));
                        }
                    }
                }
                _ => {
                    tracing::error!(
                        code = error.code(),
                        call = "transact",
                        "the store did not answer as it should"
                    );
                    return Err(WriteError::Trouble(Trouble::Store));
                }
            }
        }
        Err(WriteError::Trouble(Trouble::Contended))
    }

    /// The messages to the account's webhooks that the transaction's news lead to; reads them only
    /// where there are news.
    async fn told(
        &self,
        scope: &AccountScope,
        transaction: &Transaction,
        now: Timestamp,
    ) -> Result<Vec<Step>, Trouble> {
        let mut news = transaction.0.iter().filter_map(|step| match step {
            Step::Tell(news) => Some(news),
            Step::Put(..) | Step::Check(..) | Step::Delete(..) => None,
        });
        let Some(first) = news.next() else {
            return Ok(Vec::new());
        };
        let webhooks = self.webhooks(scope, now).await?;
        let mut messages = Vec::new();
        for news in std::iter::once(first).chain(news) {
            for webhook in &webhooks {
                let message = Delivery::of(scope.account(), webhook, news, now);
                messages.extend(
                    message.map(|message| {
                        Step::Put(Record::Delivery(Box::new(message)), Expect::Absent)
                    }),
                );
            }
        }
        Ok(messages)
    }

    /// The account's webhooks.
    ///
    /// # Errors
    /// When the table cannot be read or an item is damaged.
    pub async fn webhooks(
        &self,
        scope: &AccountScope,
        now: Timestamp,
    ) -> Result<Vec<Webhook>, Trouble> {
        let prefix = format!("{}#", Webhook::KIND);
        self.all(&scope.webhooks_partition(), &prefix, now).await
    }

    fn write(
        &self,
        scope: &AccountScope,
        step: &Step,
        now: Timestamp,
    ) -> Result<Option<TransactWriteItem>, Trouble> {
        let item = match step {
            // Its messages stand beside it.
            Step::Tell(_) => return Ok(None),
            Step::Put(record, expect) => {
                let key = record.key(scope);
                let item = item_of(scope, record)?;
                let condition = expression::condition(*expect, now);
                let put = Put::builder()
                    .table_name(self.name(key.table))
                    .set_item(Some(item))
                    .condition_expression(condition.text)
                    .set_expression_attribute_values(Some(condition.values))
                    .build()
                    .map_err(|_| Trouble::Store)?;
                TransactWriteItem::builder().put(put)
            }
            Step::Delete(key, expect) => {
                let condition = expression::condition(*expect, now);
                let delete = Delete::builder()
                    .table_name(self.name(key.table))
                    .set_key(Some(item::key(key)))
                    .condition_expression(condition.text)
                    .set_expression_attribute_values(Some(condition.values))
                    .build()
                    .map_err(|_| Trouble::Store)?;
                TransactWriteItem::builder().delete(delete)
            }
            Step::Check(key, expect) => {
                let condition = expression::condition(*expect, now);
                let check = ConditionCheck::builder()
                    .table_name(self.name(key.table))
                    .set_key(Some(item::key(key)))
                    .condition_expression(condition.text)
                    .set_expression_attribute_values(Some(condition.values))
                    .build()
                    .map_err(|_| Trouble::Store)?;
                TransactWriteItem::builder().condition_check(check)
            }
        };
        Ok(Some(item.build()))
    }

    /// Does the work of a transaction and changes nothing: what a sign-up does that leads to
    /// nothing, so that its answer takes as long as any other (M-28).
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn commit_nothing(
        &self,
        scope: &AccountScope,
        now: Timestamp,
    ) -> Result<(), Trouble> {
        let mut nothing = Transaction::default();
        nothing.check(scope.configuration("nothing", "nothing"), Expect::Absent);
        match self.commit(scope, &nothing, now).await {
            Ok(()) | Err(WriteError::Conflict) => Ok(()),
            Err(WriteError::Trouble(trouble)) => Err(trouble),
        }
    }
}

fn item_of(scope: &AccountScope, record: &Record) -> Result<Item, Trouble> {
    let key = record.key(scope);
    match record {
        Record::Profile(record) => item::item(&key, record.as_ref()),
        Record::Withdrawal(record) => item::item(&key, record),
        Record::Tombstone(record) => item::item(&key, record),
        Record::SignUp(record) => item::item(&key, record.as_ref()),
        Record::Unsubscription(record) => item::item(&key, record),
        Record::AddressChange(record) => item::item(&key, record),
        Record::Leaf(record) => item::item(&key, record),
        Record::LedgerHead(record) => item::item(&key, record),
        Record::Seal(record) => item::item(&key, record.as_ref()),
        Record::Outbox(record) => item::item(&key, record.as_ref()),
        Record::Campaign(record) => item::item(&key, record.as_ref()),
        Record::Control(record) => item::item(&key, record.as_ref()),
        Record::Content(record) => item::item(&key, record.as_ref()),
        Record::Arc(record) => item::item(&key, record.as_ref()),
        Record::Running(record) => item::item(&key, record),
        Record::List(record) => item::item(&key, record.as_ref()),
        Record::Import(record) => item::item(&key, record.as_ref()),
        Record::ImportChunk(record) => item::item(&key, record.as_ref()),
        Record::Suppression(record) => item::item(&key, record),
        Record::Restore(record) => item::item(&key, record.as_ref()),
        Record::Freeze(record) => item::item(&key, record),
        Record::Staged(record) => item::item(&key, record.as_ref()),
        Record::Configured(record) => {
            let mut item = item::item(&key, record.as_ref())?;
            // It is what it was, whatever brings it back.
            let kind = AttributeValue::S(record.kind().to_owned());
            item.insert("kind".to_owned(), kind);
            Ok(item)
        }
        Record::Erasure(record) => item::item(&key, record.as_ref()),
        Record::SealedEvidence(record) => item::item(&key, record.as_ref()),
        Record::Delivery(record) => item::item(&key, record.as_ref()),
        Record::Account(record) => item::item(&key, record.as_ref()),
        Record::TombstoneMark(record) => item::item(&key, record),
    }
}

#[derive(Debug, PartialEq)]
enum Verdict {
    Conflict,
    TryAgain,
    TooLarge,
    Trouble,
}

/// What a cancelled transaction means: innocent items say "None".
fn verdict(codes: &[&str]) -> Verdict {
    if codes.contains(&"ConditionalCheckFailed") {
        Verdict::Conflict
    } else if codes.contains(&"ValidationError")
        || codes.contains(&"ItemCollectionSizeLimitExceeded")
    {
        Verdict::TooLarge
    } else if codes.iter().any(|code| {
        matches!(
            *code,
            "TransactionConflict" | "ThrottlingError" | "ProvisionedThroughputExceeded"
        )
    }) {
        Verdict::TryAgain
    } else {
        Verdict::Trouble
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_condition_outweighs_a_conflict_and_innocent_items_say_none() {
        for (codes, expected) in [
            (&["None", "ConditionalCheckFailed"][..], Verdict::Conflict),
            (
                &["TransactionConflict", "ConditionalCheckFailed"],
                Verdict::Conflict,
            ),
            (&["None", "TransactionConflict", "None"], Verdict::TryAgain),
            (&["ThrottlingError"], Verdict::TryAgain),
            (&["None", "ValidationError"], Verdict::TooLarge),
            (&["None", "None"], Verdict::Trouble),
            (&[], Verdict::Trouble),
        ] {
            assert_eq!(verdict(codes), expected, "{codes:?}");
        }
    }
}
