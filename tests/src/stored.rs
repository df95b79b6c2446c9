//! What is stored: every item of both tables, read with the real SDK.
//!
//! For finding out that something is not there, or did not change; how it is stored is not the
//! system tests' business.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};

/// Every item of both tables, by table and key.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored(pub BTreeMap<(String, String, String), Value>);

impl Stored {
    /// Reads everything.
    pub async fn scan(dynamodb: &aws_sdk_dynamodb::Client, tables: &[&str]) -> Self {
        let mut items = BTreeMap::new();
        for table in tables {
            let mut pages = dynamodb
                .scan()
                .table_name(*table)
                .consistent_read(true)
                .into_paginator()
                .items()
                .send();
            while let Some(item) = pages.next().await {
                let Ok(item) = item else {
                    panic!("the table {table} cannot be read");
                };
                let item: serde_json::Map<String, Value> = item
                    .iter()
                    .map(|(name, value)| (name.clone(), plain(value)))
                    .collect();
                let key = |name: &str| item[name].as_str().unwrap_or_default().to_owned();
                let key = ((*table).to_owned(), key("pk"), key("sk"));
                items.insert(key, Value::Object(item));
            }
        }
        Self(items)
    }

    /// Without what requests and schedules write for themselves: rate counters, cursors, the
    /// share of SES's rate, the audit log. Nothing of it is a person's data or an account's.
    #[must_use]
    pub fn without_counters(mut self) -> Self {
        self.0.retain(|(_, pk, _), item| {
            (!pk.starts_with("G#") || pk == "G#accounts") && item["kind"] != "audit"
        });
        self
    }

    /// Without the items of these kinds.
    #[must_use]
    pub fn without(mut self, kinds: &[&str]) -> Self {
        self.0
            .retain(|_, item| !kinds.iter().any(|kind| item["kind"] == *kind));
        self
    }

    /// Expects nothing to be stored, changed or deleted since `before`; `what` was tried.
    #[track_caller]
    pub fn expect_same(&self, before: &Self, what: &str) {
        let differs: Vec<_> = self
            .0
            .keys()
            .chain(before.0.keys())
            .filter(|key| self.0.get(*key) != before.0.get(*key))
            .map(|key| (key, before.0.get(key), self.0.get(key)))
            .collect();
        assert!(differs.is_empty(), "{what} changed: {differs:#?}");
    }

    /// The items of one kind.
    pub fn of_kind(&self, kind: &str) -> Vec<&Value> {
        self.0
            .values()
            .filter(|item| item["kind"] == kind)
            .collect()
    }

    /// The items whose text holds this.
    pub fn holding(&self, text: &str) -> Vec<&Value> {
        self.0
            .values()
            .filter(|item| item.to_string().contains(text))
            .collect()
    }
}

/// An attribute as JSON.
fn plain(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => json!(text),
        AttributeValue::N(number) => number
            .parse::<serde_json::Number>()
            .map_or_else(|_| json!(number), Value::Number),
        AttributeValue::Bool(flag) => json!(flag),
        AttributeValue::Null(_) => Value::Null,
        AttributeValue::M(map) => map
            .iter()
            .map(|(name, value)| (name.clone(), plain(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        AttributeValue::L(list) => list.iter().map(plain).collect(),
        AttributeValue::Ss(set) | AttributeValue::Ns(set) => {
            let mut set = set.clone();
            set.sort();
            json!(set)
        }
        AttributeValue::B(bytes) => json!(base64::Engine::encode(
            &base64::prelude::BASE64_STANDARD,
            bytes
        )),
        AttributeValue::Bs(set) => json!(set.len()),
        _ => json!("an attribute of an unknown type"),
    }
}
