//! Counting what the limits limit: one conditional update each.

use std::fmt::Write as _;

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use jiff::Timestamp;
pub use rundbrief::guard::GuardAnswer;
use rundbrief::guard::{HourlyBudget, SlidingLimit};
use rundbrief::id::{AccountId, EventId, SetupId};
use rundbrief::key::Key;
use rundbrief::time::{DueHour, plus_seconds};

use super::{Item, Store, item, trouble};
use crate::app::Trouble;

impl Store {
    /// Counts an event in the sliding log under `hash`, unless the limit forbids it.
    ///
    /// The log is the item's attributes `t1` (oldest) to `tn` (newest), shifted by the update that
    /// adds to it, so the limit is exact and takes one call.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn count(
        &self,
        limit: &SlidingLimit,
        hash: &str,
        now: Timestamp,
    ) -> Result<GuardAnswer, Trouble> {
        self.count_in_log(limit, hash, None, now).await
    }

    /// Counts like [`Store::count`], and nothing for whoever was counted last: an attempt that is
    /// made again counts once.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn count_once(
        &self,
        limit: &SlidingLimit,
        hash: &str,
        who: EventId,
        now: Timestamp,
    ) -> Result<GuardAnswer, Trouble> {
        self.count_in_log(limit, hash, Some(who), now).await
    }

    async fn count_in_log(
        &self,
        limit: &SlidingLimit,
        hash: &str,
        who: Option<EventId>,
        now: Timestamp,
    ) -> Result<GuardAnswer, Trouble> {
        let n = limit.count;
        let mut update = String::from("SET ");
        for slot in 1..n {
            let _ = write!(update, "t{slot} = if_not_exists(t{}, :zero), ", slot + 1);
        }
        let _ = write!(update, "t{n} = :now, expires_at = :expires_at");
        let mut condition = format!(
            "(attribute_not_exists(t1) OR t1 <= :oldest) AND (attribute_not_exists(t{n}) OR t{n} <= :newest)"
        );
        if who.is_some() {
            update.push_str(", last_by = :who");
            condition.push_str(" AND (attribute_not_exists(last_by) OR last_by <> :who)");
        }
        let who = who.map(|who| AttributeValue::S(who.to_string()));
        let is_mine = |item: Option<&Item>| {
            who.is_some() && item.and_then(|item| item.get("last_by")) == who.as_ref()
        };
        let ms = |at: Timestamp| AttributeValue::N(at.as_millisecond().to_string());
        let key = Key::guard(hash, limit.kind);
        // DynamoDB refuses a value that no expression names, and a log of one shifts nothing.
        let zero = (n > 1).then(|| (":zero".to_owned(), AttributeValue::N("0".to_owned())));
        let result = self
            .client()
            .update_item()
            .table_name(self.name(key.table))
            .set_key(Some(item::key(&key)))
            .update_expression(update)
            .condition_expression(condition)
            .set_expression_attribute_values(Some(
                zero.into_iter()
                    .chain(who.clone().map(|who| (":who".to_owned(), who)))
                    .collect(),
            ))
            .expression_attribute_values(":now", ms(now))
            .expression_attribute_values(":oldest", ms(limit.oldest_before(now)))
            .expression_attribute_values(":newest", ms(limit.newest_before(now)))
            .expression_attribute_values(
                ":expires_at",
                AttributeValue::N(limit.expires_at(now).as_second().to_string()),
            )
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let Err(error) = result else {
            return Ok(GuardAnswer::Counted);
        };
        match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(failed))
                if is_mine(failed.item()) =>
            {
                Ok(GuardAnswer::Counted)
            }
            Some(UpdateItemError::ConditionalCheckFailedException(failed)) => Ok(
                GuardAnswer::NotBefore(limit.allowed_from(&log(failed.item(), n)).max(now)),
            ),
            _ => Err(trouble(&error, "count")),
        }
    }

    /// Counts one sign-up of a setup's hour, unless its budget is used up. The counter asked first
    /// is `first`, any number; the others are asked only where it is full.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn count_for_setup(
        &self,
        account: &AccountId,
        setup: &SetupId,
        budget: HourlyBudget,
        first: u8,
        now: Timestamp,
    ) -> Result<GuardAnswer, Trouble> {
        let hour = DueHour::of(now);
        let hash = format!("{account}#{setup}#{}", hour.0);
        for shard in HourlyBudget::shards(first) {
            let key = Key::guard(&hash, &format!("setup#{shard}"));
            if self.count_up_to(&key, budget.of_shard(shard), now).await? {
                return Ok(GuardAnswer::Counted);
            }
        }
        Ok(GuardAnswer::NotBefore(HourlyBudget::from(now)))
    }

    /// Adds one to a counter of this hour, if it stays within `most`.
    async fn count_up_to(&self, key: &Key, most: u32, now: Timestamp) -> Result<bool, Trouble> {
        if most == 0 {
            return Ok(false);
        }
        let result = self
            .client()
            .update_item()
            .table_name(self.name(key.table))
            .set_key(Some(item::key(key)))
            .update_expression("SET expires_at = :expires_at ADD n :one")
            .condition_expression("attribute_not_exists(n) OR n < :most")
            .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
            .expression_attribute_values(":most", AttributeValue::N(most.to_string()))
            .expression_attribute_values(
                ":expires_at",
                AttributeValue::N(plus_seconds(now, 7_200).as_second().to_string()),
            )
            .send()
            .await;
        let Err(error) = result else {
            return Ok(true);
        };
        match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(false),
            _ => Err(trouble(&error, "count")),
        }
    }
}

/// The events in a log, oldest first; zero stands for none.
fn log(item: Option<&Item>, n: u8) -> Vec<Timestamp> {
    let Some(item) = item else { return Vec::new() };
    (1..=n)
        .filter_map(|slot| {
            item.get(&format!("t{slot}"))?
                .as_n()
                .ok()?
                .parse::<i64>()
                .ok()
        })
        .filter(|ms| *ms > 0)
        .filter_map(|ms| Timestamp::from_millisecond(ms).ok())
        .collect()
}
