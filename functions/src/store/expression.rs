//! Condition expressions: the domain's expectations in DynamoDB's words.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use rundbrief::record::Expect;

/// A condition with its values.
pub(super) struct Condition {
    pub(super) text: &'static str,
    pub(super) names: Option<HashMap<String, String>>,
    pub(super) values: HashMap<String, AttributeValue>,
}

/// What must be so. Expired means absent here as in every read (T-04).
pub(super) fn condition(expect: Expect, now: Timestamp) -> Condition {
    let now = AttributeValue::N(now.as_millisecond().to_string());
    let mut values = HashMap::from([(":now".to_owned(), now)]);
    let text = match expect {
        Expect::Absent => "attribute_not_exists(pk) OR expires_ms <= :now",
        Expect::Revision(revision) => {
            values.insert(":rev".to_owned(), AttributeValue::N(revision.to_string()));
            "rev = :rev AND (attribute_not_exists(expires_ms) OR expires_ms > :now)"
        }
    };
    Condition {
        text,
        names: None,
        values,
    }
}
