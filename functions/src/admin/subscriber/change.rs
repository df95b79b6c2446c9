//! `PATCH subscribers/{id}`: completing what is known of a person.
//!
//! Neither consent nor address change here; nothing does while processing is restricted.

use std::collections::BTreeMap;

use rundbrief::account::Scope;
use rundbrief::address::EmailAddress;
use rundbrief::consent::{changed, mark_customer};
use rundbrief::form::{FieldValue, fits_field};
use rundbrief::id::FieldKey;
use rundbrief::person::Profile;
use rundbrief::personal::{InvalidText, PersonalText};
use rundbrief::record::{Expect, Record, Transaction};
use rundbrief::setup::{BUILT_IN_FIELDS, Field, FieldType};
use rundbrief::time::plus_seconds;
use serde_json::Value;

use super::super::access::{Access, Sent};
use super::super::answer::{Answer, RESTRICTED, if_match, lost_race};
use super::super::body::{self, Code, MAX_BODY_OCTETS, Object, boolean, object, string};
use super::super::resource::ATTEMPTS;
use super::super::setup::declared_fields;
use super::{EMAIL_CHANGE, etag, known, shown};
use crate::store::WriteError;

/// Values of a repeatable field at most, as in a form.
const MAX_VALUES: usize = 50;

/// What answers show and this request does not change.
const READ_ONLY: [&str; 10] = [
    "id",
    "state",
    "lists",
    "interests",
    "tracking_consent_since",
    "profiling_consent_since",
    "language",
    "created_at",
    "ended_on",
    "deletion_due_at",
];

pub(super) async fn change(access: Access, sent: Sent) -> Answer {
    let desk = access.with(Scope::Write)?;
    let zone = rundbrief::time::zone(&desk.account.time_zone)?;
    let mut told_at = desk.now;
    for _ in 0..ATTEMPTS {
        let (person, before) = known(&desk).await?;
        if_match(&desk.headers, &etag(&before, person.withdrawal.as_ref()))?;
        let mut body = sent.object(MAX_BODY_OCTETS)?;
        let email = body.optional("email", string);
        let patch = Patch::read(&mut body, &declared_fields(&desk).await?);
        let patch = body.finish(Some(patch))?;
        if let Some(email) = email
            && !EmailAddress::parse(&email).is_ok_and(|email| email == before.address)
        {
            return Err(EMAIL_CHANGE.into());
        }
        if person.is_restricted() {
            return Err(RESTRICTED.into());
        }
        let mut profile = before.clone();
        profile.rev += 1;
        for (key, value) in patch.values {
            match value {
                Some(value) => profile.values.insert(key, value),
                None => profile.values.remove(&key),
            };
        }
        if let Some(customer) = patch.customer {
            profile = mark_customer(&person, &profile, customer, &zone, desk.now);
        }
        let mut transaction = Transaction::default();
        transaction.put(
            Record::Profile(Box::new(profile.clone())),
            Expect::Revision(before.rev),
        );
        // A restriction that comes at the same time wins.
        transaction.check(
            desk.scope.withdrawal(person.key),
            Expect::unchanged(person.withdrawal.as_ref()),
        );
        let is_news = Profile {
            rev: before.rev,
            ..profile.clone()
        } != before;
        if is_news {
            transaction.tell(changed(person.key, told_at));
            told_at = plus_seconds(told_at, 1);
        }
        match desk
            .app
            .store
            .commit(&desk.scope, &transaction, desk.now)
            .await
        {
            Ok(()) => {
                return shown(&rundbrief::person::Person {
                    profile: Some(profile),
                    ..person
                });
            }
            Err(WriteError::Conflict) => {}
            Err(WriteError::Trouble(trouble)) => return Err(trouble.into()),
        }
    }
    Err(lost_race(&desk.headers))
}

/// What is to change: a value, or `None` to take it away.
#[derive(Default)]
struct Patch {
    values: BTreeMap<FieldKey, Option<FieldValue>>,
    customer: Option<bool>,
}

impl Patch {
    fn read(body: &mut Object, declared: &[Field]) -> Self {
        let mut patch = Self::default();
        body.refuse(&READ_ONLY, "read_only");
        for name in BUILT_IN_FIELDS {
            let Ok(key) = FieldKey::parse(name) else {
                continue;
            };
            if name == "advertising_criteria" {
                let given = body.given(name, |value| many(&value));
                patch.set(key, given);
            } else {
                let field_type = match name {
                    "date_of_birth" => FieldType::Date,
                    _ => FieldType::Text,
                };
                let given = body.given(name, |value| one(value, name, field_type));
                patch.set(key, given);
            }
        }
        for (name, value) in body.optional("fields", object).into_iter().flatten() {
            let Some(field) = declared.iter().find(|field| field.key.as_str() == name) else {
                body.unknown_member("fields", &name);
                continue;
            };
            match value {
                Value::Null => patch.set(field.key.clone(), Some(None)),
                value => match declared_value(value, field) {
                    Ok(value) => patch.set(field.key.clone(), Some(Some(value))),
                    Err(code) => body.problem(&format!("fields.{}", field.key), code),
                },
            }
        }
        patch.customer = body.optional("customer", boolean);
        patch
    }

    #[expect(
        clippy::option_option,
        reason = "missing and null mean different things in a merge patch (RFC 7396)"
    )]
    fn set(&mut self, key: FieldKey, given: Option<Option<Option<FieldValue>>>) {
        if let Some(value) = given {
            self.values.insert(key, value.flatten());
        }
    }
}

/// Text as it is kept; an empty one takes the value away.
fn one(value: Value, key: &str, field_type: FieldType) -> Result<Option<FieldValue>, Code> {
    let text = text(&string(value)?)?;
    if text.is_empty() {
        Ok(None)
    } else if fits_field(key, field_type, &text) {
        Ok(Some(FieldValue::One(text)))
    } else {
        Err("invalid")
    }
}

fn many(value: &Value) -> Result<Option<FieldValue>, Code> {
    let entries = value.as_array().ok_or("not_an_array")?;
    if entries.len() > MAX_VALUES {
        return Err("too_many");
    }
    let texts = entries
        .iter()
        .map(|entry| text(&body::string(entry.clone())?))
        .filter(|text| !text.as_ref().is_ok_and(PersonalText::is_empty))
        .collect::<Result<Vec<_>, Code>>()?;
    Ok((!texts.is_empty()).then_some(FieldValue::Many(texts)))
}

fn declared_value(value: Value, field: &Field) -> Result<Option<FieldValue>, Code> {
    // Numbers and booleans may come as such; they are kept as text.
    let value = match (field.field_type, &value) {
        (FieldType::Number, Value::Number(number)) => Value::String(number.to_string()),
        (FieldType::Boolean, Value::Bool(flag)) => Value::String(flag.to_string()),
        _ => value,
    };
    one(value, field.key.as_str(), field.field_type)
}

fn text(text: &str) -> Result<PersonalText, Code> {
    PersonalText::parse(text).map_err(|invalid| match invalid {
        InvalidText::TooLong => "too_long",
        InvalidText::Control => "control_character",
    })
}
