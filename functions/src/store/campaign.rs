//! The send path's own reads and writes: people in a row, slots, claims, outcomes, feedback.
//!
//! Whole records of campaigns go through the store's general part.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use jiff::Timestamp;
use rundbrief::campaign::Limits;
use rundbrief::campaign::control::{Control, NoSlot, SlotUpdate};
use rundbrief::campaign::ledger::Entry;
use rundbrief::campaign::outcome::Outcomes;
use rundbrief::campaign::reading::{PeopleQuery, PersonItem};
use rundbrief::id::EventId;
use rundbrief::key::{AccountScope, Key, Table};
use rundbrief::person::{Profile, Withdrawal};
use rundbrief::record::Stored as _;

use super::{Store, WriteError, item, trouble};
use crate::app::Trouble;

/// How often a slot is tried for when others take theirs at the same time.
const SLOT_ATTEMPTS: usize = 8;

/// What a claim came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claim {
    /// It stands.
    Stands,
    /// Another one stands, with this nonce.
    Taken(EventId),
}

/// Whose mails of an entry were delivered, bounced for good, or complained about: indexes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Happened {
    pub(crate) delivered: BTreeSet<u16>,
    pub(crate) bounced: BTreeSet<u16>,
    pub(crate) complained: BTreeSet<u16>,
}

fn number(value: i64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

impl Store {
    /// One page of people, strongly consistent; whether it stopped at its limit.
    ///
    /// # Errors
    /// When the table cannot be read or an item is damaged.
    pub(crate) async fn people(
        &self,
        scope: &AccountScope,
        query: &PeopleQuery,
    ) -> Result<(Vec<PersonItem>, bool), Trouble> {
        let answer = self
            .client()
            .query()
            .table_name(self.name(Table::Main))
            .consistent_read(true)
            .limit(i32::try_from(query.items).unwrap_or(i32::MAX))
            .key_condition_expression("pk = :pk AND sk BETWEEN :first AND :last")
            .expression_attribute_values(":pk", AttributeValue::S(scope.profiles(query.partition)))
            .expression_attribute_values(":first", AttributeValue::S(query.first.clone()))
            .expression_attribute_values(":last", AttributeValue::S(query.last.clone()))
            .send()
            .await
            .map_err(|error| trouble(&error, "query people"))?;
        let more = answer.last_evaluated_key.is_some();
        let people = answer
            .items
            .unwrap_or_default()
            .into_iter()
            .map(|found| match item::kind(&found) {
                Some(Profile::KIND) => item::record(found).map(PersonItem::Profile),
                Some(Withdrawal::KIND) => item::record(found).map(PersonItem::Withdrawal),
                _ => Err(Trouble::Damaged),
            })
            .collect::<Result<_, _>>()?;
        Ok((people, more))
    }

    /// Takes a slot, beginning with what is `known` of the control item; the item as it is then,
    /// and when the slot begins in microseconds since 1970.
    ///
    /// # Errors
    /// When the table cannot be written or too many take slots at once.
    pub async fn take_slot(
        &self,
        scope: &AccountScope,
        mut known: Control,
        recipients: u16,
        limits: &Limits,
        now: Timestamp,
    ) -> Result<(Control, Result<i64, NoSlot>), Trouble> {
        for _ in 0..SLOT_ATTEMPTS {
            let update = match known.slot(recipients, limits, now) {
                Ok(update) => update,
                Err(why) => return Ok((known, Err(why))),
            };
            let request = self
                .client()
                .update_item()
                .table_name(self.name(Table::Main))
                .set_key(Some(item::key(&known.key(scope))))
                .expression_attribute_names("#state", "state")
                .expression_attribute_values(":sending", AttributeValue::S("sending".to_owned()))
                .return_values(ReturnValue::AllNew)
                .return_values_on_condition_check_failure(
                    ReturnValuesOnConditionCheckFailure::AllOld,
                );
            let request = match update {
                SlotUpdate::Ask { .. } => request
                    .update_expression("SET next_at = next_at")
                    .condition_expression("#state = :sending"),
                SlotUpdate::Fresh { now, cost } => request
                    .update_expression("SET next_at = :next")
                    .condition_expression("#state = :sending AND next_at < :now")
                    .expression_attribute_values(":now", number(now))
                    .expression_attribute_values(":next", number(now.saturating_add(cost))),
                SlotUpdate::Queue { now, latest, cost } => request
                    .update_expression("SET next_at = next_at + :cost")
                    .condition_expression("#state = :sending AND next_at BETWEEN :now AND :latest")
                    .expression_attribute_values(":now", number(now))
                    .expression_attribute_values(":latest", number(latest))
                    .expression_attribute_values(":cost", number(cost)),
            };
            match request.send().await {
                Ok(answer) => {
                    let control: Control =
                        item::record(answer.attributes.ok_or(Trouble::Damaged)?)?;
                    let begins = match update {
                        SlotUpdate::Ask { now } | SlotUpdate::Fresh { now, .. } => now,
                        SlotUpdate::Queue { cost, .. } => control.next_at.saturating_sub(cost),
                    };
                    return Ok((control, Ok(begins)));
                }
                Err(error) => match error.as_service_error() {
                    Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                        known = item::record(failed.item().cloned().ok_or(Trouble::Damaged)?)?;
                    }
                    // A pause is being written at this moment: look again.
                    Some(UpdateItemError::TransactionConflictException(_)) => {
                        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                    }
                    _ => return Err(trouble(&error, "slot")),
                },
            }
        }
        Err(Trouble::Contended)
    }

    /// Writes pace, cursor, totals and the number of stuck arcs, and nothing that slots or
    /// changes of state write.
    ///
    /// # Errors
    /// [`WriteError::Conflict`] when the item is not of this revision any more.
    pub(crate) async fn put_folded(
        &self,
        scope: &AccountScope,
        folded: &Control,
    ) -> Result<(), WriteError> {
        let item = item::item(&folded.key(scope), folded)?;
        let names = ["cursor", "folded", "totals", "spacing", "stuck"];
        let mut request = self
            .client()
            .update_item()
            .table_name(self.name(Table::Main))
            .set_key(Some(item::key(&folded.key(scope))))
            .condition_expression("rev = :rev")
            .expression_attribute_values(":rev", AttributeValue::N(folded.rev.to_string()))
            .expression_attribute_values(":one", number(1));
        let mut sets = vec!["rev = rev + :one".to_owned()];
        for name in names {
            let value = item.get(name).cloned().ok_or(Trouble::Damaged)?;
            sets.push(format!("#{name} = :{name}"));
            request = request
                .expression_attribute_names(format!("#{name}"), name)
                .expression_attribute_values(format!(":{name}"), value);
        }
        let result = request
            .update_expression(format!("SET {}", sets.join(", ")))
            .send()
            .await;
        match result {
            Ok(_) => Ok(()),
            Err(error) => Err(super::write_error(&error, "fold")),
        }
    }

    /// Writes a ledger entry unless there is one with its number.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub(crate) async fn claim(
        &self,
        scope: &AccountScope,
        entry: &Entry,
    ) -> Result<Claim, Trouble> {
        let key = entry.key(scope);
        let result = self
            .client()
            .put_item()
            .table_name(self.name(Table::Main))
            .set_item(Some(item::item(&key, entry)?))
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let Err(error) = result else {
            return Ok(Claim::Stands);
        };
        match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(failed)) => {
                let there: Entry = item::record(failed.item().cloned().ok_or(Trouble::Damaged)?)?;
                Ok(Claim::Taken(there.nonce))
            }
            _ => Err(trouble(&error, "claim")),
        }
    }

    /// Adds outcomes to the claim with this nonce, unless it has some.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub(crate) async fn record_outcomes(
        &self,
        key: &Key,
        nonce: EventId,
        outcomes: Outcomes,
    ) -> Result<(), Trouble> {
        let result = self
            .client()
            .update_item()
            .table_name(self.name(key.table))
            .set_key(Some(item::key(key)))
            .update_expression("SET outcomes = :outcomes")
            .condition_expression("nonce = :nonce AND attribute_not_exists(outcomes)")
            .expression_attribute_values(":outcomes", AttributeValue::S(outcomes.into()))
            .expression_attribute_values(":nonce", AttributeValue::S(nonce.to_string()))
            .send()
            .await;
        match result.map_err(|error| super::write_error(&error, "record outcomes")) {
            Ok(_) | Err(WriteError::Conflict) => Ok(()),
            Err(WriteError::Trouble(trouble)) => Err(trouble),
        }
    }

    /// Replaces the people of an entry by those of `after`, unless somebody else did so since
    /// `before` was read; whether it happened. What workers and feedback write stays as it is.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub(crate) async fn blank(
        &self,
        scope: &AccountScope,
        before: &Entry,
        after: &Entry,
    ) -> Result<bool, Trouble> {
        let key = before.key(scope);
        let (old, new) = (item::item(&key, before)?, item::item(&key, after)?);
        let mut request = self
            .client()
            .update_item()
            .table_name(self.name(key.table))
            .set_key(Some(item::key(&key)))
            .update_expression("SET recipients = :new_recipients, skipped = :new_skipped")
            .condition_expression(
                "nonce = :nonce AND recipients = :old_recipients AND skipped = :old_skipped",
            )
            .expression_attribute_values(":nonce", AttributeValue::S(before.nonce.to_string()));
        for (name, from, member) in [
            (":old_recipients", &old, "recipients"),
            (":new_recipients", &new, "recipients"),
            (":old_skipped", &old, "skipped"),
            (":new_skipped", &new, "skipped"),
        ] {
            let value = from.get(member).cloned().ok_or(Trouble::Damaged)?;
            request = request.expression_attribute_values(name, value);
        }
        match request
            .send()
            .await
            .map_err(|error| super::write_error(&error, "blank"))
        {
            Ok(_) => Ok(true),
            Err(WriteError::Conflict) => Ok(false),
            Err(WriteError::Trouble(trouble)) => Err(trouble),
        }
    }

    /// Adds indexes to an entry's sets; the entry as it is then, `None` when there is none (any
    /// more). Adding twice changes nothing.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub(crate) async fn add_happened(
        &self,
        key: &Key,
        happened: &Happened,
        now: Timestamp,
    ) -> Result<Option<Entry>, Trouble> {
        let sets = [
            ("delivered", &happened.delivered),
            ("bounced", &happened.bounced),
            ("complained", &happened.complained),
        ];
        let mut request = self
            .client()
            .update_item()
            .table_name(self.name(key.table))
            .set_key(Some(item::key(key)))
            .condition_expression("attribute_exists(pk) AND expires_at > :now")
            .expression_attribute_values(":now", number(now.as_second()))
            .return_values(ReturnValue::AllNew);
        let mut adds = Vec::new();
        for (name, indexes) in sets {
            if indexes.is_empty() {
                continue;
            }
            adds.push(format!("{name} :{name}"));
            let indexes = indexes.iter().map(ToString::to_string).collect();
            request = request
                .expression_attribute_values(format!(":{name}"), AttributeValue::Ns(indexes));
        }
        if adds.is_empty() {
            return Ok(None);
        }
        let result = request
            .update_expression(format!("ADD {}", adds.join(", ")))
            .send()
            .await;
        match result {
            Ok(answer) => answer.attributes.map(item::record).transpose(),
            Err(error) => match super::write_error(&error, "add feedback") {
                WriteError::Conflict => Ok(None),
                WriteError::Trouble(trouble) => Err(trouble),
            },
        }
    }
}
