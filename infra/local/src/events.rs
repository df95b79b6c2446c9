//! `EventBridge`'s default bus: rules that pass SES events on to queues.
//!
//! Only rules with a queue as target; a pattern is matched as AWS does it, where it is supported.

#[cfg(test)]
mod tests;
mod transformer;

use std::collections::BTreeSet;
use std::sync::Arc;

use rusqlite::Transaction;
use serde_json::Value;

use crate::queues::{NewMessage, QueueError, Queues};

pub use transformer::InputTransformer;

/// A rule of the template.
#[derive(Clone, Debug)]
pub struct RuleSpec {
    /// The event pattern: nested objects whose leaves are lists of values or of the filters
    /// `prefix`, `exists` and `anything-but`.
    pub pattern: Value,
    /// How the event is rewritten; without one it goes on whole.
    pub input_transformer: Option<InputTransformer>,
    /// The target queue's name.
    pub target_queue: String,
}

/// The bus; cheap to clone.
#[derive(Clone)]
pub struct Events {
    queues: Queues,
    rules: Arc<[RuleSpec]>,
}

impl Events {
    /// Opens the bus.
    ///
    /// # Errors
    /// With a text for people when a pattern uses what is not supported here.
    pub fn open(queues: &Queues, rules: Vec<RuleSpec>) -> Result<Self, String> {
        for rule in &rules {
            check_pattern(&rule.pattern)?;
        }
        Ok(Self {
            queues: queues.clone(),
            rules: Arc::from(rules),
        })
    }

    /// Whether anybody listens at all.
    pub fn has_rules(&self) -> bool {
        !self.rules.is_empty()
    }

    /// Puts what the rules make of this event into their queues, as part of the caller's
    /// transaction; the queues named are to be woken after the commit.
    ///
    /// # Errors
    /// When there is no such queue or the state file fails.
    pub fn put(
        &self,
        tx: &Transaction<'_>,
        event: &Value,
        touched: &mut BTreeSet<String>,
    ) -> Result<(), QueueError> {
        for rule in self
            .rules
            .iter()
            .filter(|rule| matches(&rule.pattern, event))
        {
            let body = match &rule.input_transformer {
                Some(transformer) => transformer.apply(event),
                None => event.to_string(),
            };
            self.queues.insert(
                tx,
                &rule.target_queue,
                &NewMessage {
                    body,
                    ..NewMessage::default()
                },
            )?;
            touched.insert(rule.target_queue.clone());
        }
        Ok(())
    }

    /// Wakes the queues that [`Self::put`] put something into.
    pub fn wake(&self, touched: &BTreeSet<String>) {
        for queue in touched {
            self.queues.wake(queue);
        }
    }
}

fn matches(pattern: &Value, event: &Value) -> bool {
    pattern.as_object().is_some_and(|pattern| {
        pattern.iter().all(|(name, wanted)| {
            let found = event.get(name);
            match wanted {
                Value::Array(wanted) => wanted.iter().any(|wanted| leaf_matches(wanted, found)),
                nested => found.is_some_and(|found| matches(nested, found)),
            }
        })
    })
}

/// One leaf of a pattern against a value; of a list in the event one element is enough.
fn leaf_matches(wanted: &Value, found: Option<&Value>) -> bool {
    if let Some(exists) = wanted.get("exists") {
        return exists.as_bool() == Some(found.is_some());
    }
    let Some(found) = found else { return false };
    let one = |value: &Value| match wanted {
        Value::Object(filter) => {
            if let Some(prefix) = filter.get("prefix").and_then(Value::as_str) {
                value
                    .as_str()
                    .is_some_and(|value| value.starts_with(prefix))
            } else {
                match filter.get("anything-but") {
                    Some(Value::Array(not)) => !not.contains(value),
                    Some(not) => not != value,
                    None => false,
                }
            }
        }
        wanted => wanted == value,
    };
    match found {
        Value::Array(values) => values.iter().any(one),
        value => one(value),
    }
}

fn check_pattern(pattern: &Value) -> Result<(), String> {
    let members = pattern.as_object().filter(|members| !members.is_empty());
    for (name, wanted) in members.ok_or("an event pattern is an object with at least one member")? {
        match wanted {
            Value::Object(_) => check_pattern(wanted)?,
            Value::Array(leaves) if !leaves.is_empty() => {
                let known = |leaf: &Value| match leaf {
                    Value::Object(filter) => {
                        filter.len() == 1
                            && ["prefix", "exists", "anything-but"]
                                .iter()
                                .any(|known| filter.contains_key(*known))
                    }
                    Value::Array(_) => false,
                    _ => true,
                };
                if !leaves.iter().all(known) {
                    return Err(format!(
                        "the event pattern's {name} uses a filter that is not supported here"
                    ));
                }
            }
            _ => return Err(format!("the event pattern's {name} is no list of values")),
        }
    }
    Ok(())
}
