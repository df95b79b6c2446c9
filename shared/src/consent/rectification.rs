//! Rectification by the person (Art. 16 GDPR): what they may change of what is stored of them.
//!
//! Only what is there can be changed or taken away: nothing is collected that no form asked for.
//! The address is no field: a new one is a new person, who must confirm (L-18).

use jiff::Timestamp;

use crate::form::{FieldProblem, FieldProblemCode, FieldValue, SentValue, fits_field, wire_name};
use crate::id::{FieldKey, PersonKey};
use crate::key::AccountScope;
use crate::person::{Person, Profile};
use crate::personal::PersonalText;
use crate::record::{Expect, Record, Transaction};
use crate::setup::{Field, FieldType};
use crate::time::to_millisecond;
use crate::webhook::{News, Topic};

/// What the controller assigns and not the person: shown, not changed here.
const ASSIGNED: [&str; 3] = ["customer_number", "branch_number", "advertising_criteria"];

/// What rectifying leads to.
#[derive(Debug, Clone, PartialEq)]
pub enum Rectified {
    /// Write this.
    Write(Transaction),
    /// It says what is stored already.
    Unchanged,
    /// These fields have values that do not fit.
    Invalid(Vec<FieldProblem>),
    /// Processing is restricted: nothing is changed (Art. 18(2) GDPR).
    Restricted,
}

/// The fields whose values a person may change, with their types.
pub fn changeable(profile: &Profile, declared: &[Field]) -> Vec<(FieldKey, FieldType)> {
    let one = |value: &FieldValue| matches!(value, FieldValue::One(_));
    profile
        .values
        .iter()
        .filter(|(key, value)| one(value) && !ASSIGNED.contains(&key.as_str()))
        .map(|(key, _)| (key.clone(), field_type(key, declared)))
        .collect()
}

fn field_type(key: &FieldKey, declared: &[Field]) -> FieldType {
    if key.as_str() == "date_of_birth" {
        return FieldType::Date;
    }
    declared
        .iter()
        .find(|field| field.key == *key)
        .map_or(FieldType::Text, |field| field.field_type)
}

/// What a form with these values changes; an empty value takes what is stored away.
pub fn rectify(
    scope: &AccountScope,
    person: &Person,
    declared: &[Field],
    sent: &[(String, SentValue)],
    now: Timestamp,
) -> Rectified {
    let Some(before) = &person.profile else {
        return Rectified::Unchanged;
    };
    if person.is_restricted() {
        return Rectified::Restricted;
    }
    let mut profile = before.clone();
    let mut invalid = Vec::new();
    for (key, field_type) in changeable(before, declared) {
        let name = wire_name(key.as_str());
        let Some((_, value)) = sent.iter().find(|(sent, _)| *sent == name) else {
            continue;
        };
        let text = match value {
            SentValue::Text(text) => PersonalText::parse(text).map_err(FieldProblemCode::from),
            _ => Err(FieldProblemCode::Invalid),
        };
        let code = match text {
            Ok(text) if text.is_empty() => {
                profile.values.remove(&key);
                continue;
            }
            Ok(text) if fits_field(key.as_str(), field_type, &text) => {
                profile.values.insert(key, FieldValue::One(text));
                continue;
            }
            Ok(_) => FieldProblemCode::Invalid,
            Err(code) => code,
        };
        invalid.push(FieldProblem { field: name, code });
    }
    if !invalid.is_empty() {
        return Rectified::Invalid(invalid);
    }
    if profile == *before {
        return Rectified::Unchanged;
    }
    profile.rev += 1;
    let mut transaction = Transaction::default();
    transaction.put(
        Record::Profile(Box::new(profile)),
        Expect::Revision(before.rev),
    );
    // A restriction that comes at the same time wins.
    transaction.check(
        scope.withdrawal(person.key),
        Expect::unchanged(person.withdrawal.as_ref()),
    );
    transaction.tell(changed(person.key, now));
    Rectified::Write(transaction)
}

/// What recipients are told of data that were changed (Art. 19 GDPR): of whom, not what.
///
/// Of what has no record of its own a person has one message at an instant: whoever decides again
/// after a conflict says a later one.
pub fn changed(person: PersonKey, now: Timestamp) -> News {
    News {
        topic: Topic::Changed,
        person,
        at: to_millisecond(now),
        record: None,
    }
}
