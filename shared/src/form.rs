//! Reading a sign-up form: the names and values a visitor sent, against the setup.
//!
//! Names and values come from strangers; errors name the contract's fields and never a value.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::ToSpan as _;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::address::{EmailAddress, InvalidAddress};
use crate::id::{FieldKey, InterestId, ListId};
use crate::personal::{InvalidText, PersonalText};
use crate::setup::{BUILT_IN_FIELDS, FieldType, FormDefinition};

#[cfg(test)]
mod tests;

/// Values one repeatable field may have (engineering).
const MAX_VALUES: usize = 50;
/// The one field of a person that has several values.
const REPEATABLE_FIELD: &str = "advertising_criteria";

/// What a visitor sent, complete and valid for its setup.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a box of its own that was ticked or not"
)]
pub struct Submission {
    /// The address, as typed and canonical.
    pub address: EmailAddress,
    /// Values by field; empty ones are left out.
    pub values: BTreeMap<FieldKey, FieldValue>,
    /// The lists asked for, each once, in the setup's order.
    pub lists: Vec<ListId>,
    /// The interests ticked.
    pub interests: Vec<InterestId>,
    /// Whether tracking was agreed to.
    pub tracking_consent: bool,
    /// Whether profiling was agreed to.
    pub profiling_consent: bool,
    /// Whether the age was confirmed; the age itself is not asked (L-27).
    pub age_confirmed: bool,
    /// The honeypot was filled in: a bot.
    pub honeypot: bool,
    /// The signed form time, where the form carries one.
    pub form_time: Option<String>,
}

/// The value of a field in evidence and profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum FieldValue {
    /// Of a field with one value.
    One(PersonalText),
    /// Of a repeatable one.
    Many(Vec<PersonalText>),
}

impl FieldValue {
    /// The value, several separated by commas.
    pub fn reveal(&self) -> String {
        match self {
            Self::One(text) => text.reveal().to_owned(),
            Self::Many(texts) => texts
                .iter()
                .map(PersonalText::reveal)
                .collect::<Vec<_>>()
                .join(", "),
        }
    }
}

/// A value as it was sent. Forms send texts; JSON can say more, and null is nothing at all.
#[derive(Clone, PartialEq, Eq)]
pub enum SentValue {
    /// Of a form, or a JSON string.
    Text(String),
    /// A JSON number, as it was written.
    Number(String),
    /// `true` or `false` in JSON.
    Boolean(bool),
    /// A JSON array.
    Many(Vec<SentValue>),
    /// What no field takes: a file of a multipart form, a JSON object, a null within an array.
    Unfit,
}

impl fmt::Debug for SentValue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SentValue(***)")
    }
}

/// The text that was sent under a name: the first one.
pub fn sent_text<'a>(sent: &'a [(String, SentValue)], name: &str) -> Option<&'a str> {
    sent.iter().find_map(|(known, value)| match value {
        SentValue::Text(text) | SentValue::Number(text) if known == name => Some(text.as_str()),
        _ => None,
    })
}

/// What a field takes from JSON. Every one of them also takes its text, as forms send it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// One text.
    Text,
    /// One text or an array of texts: the repeatable fields.
    Texts,
    /// A whole number.
    Number,
    /// `true` or `false`.
    Boolean,
}

impl Expected {
    /// Its name in errors.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Texts => "text or array of texts",
            Self::Number => "number",
            Self::Boolean => "boolean",
        }
    }

    /// The value as a form would send it, if it is of this type.
    fn texts(self, value: &SentValue) -> Option<Vec<&str>> {
        match (value, self) {
            (SentValue::Text(text), _) | (SentValue::Number(text), Self::Number) => {
                Some(vec![text])
            }
            (SentValue::Boolean(true), Self::Boolean) => Some(vec!["true"]),
            (SentValue::Boolean(false), Self::Boolean) => Some(vec!["false"]),
            (SentValue::Many(values), Self::Texts) => values
                .iter()
                .map(|value| match value {
                    SentValue::Text(text) => Some(text.as_str()),
                    _ => None,
                })
                .collect(),
            _ => None,
        }
    }
}

/// One entry of a form that could not be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldProblem {
    /// The contract's name of the field, or `field.{key}` with a well-formed key.
    pub field: String,
    /// A stable code.
    pub code: FieldProblemCode,
}

/// Why an entry could not be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldProblemCode {
    /// The setup requires it.
    Missing,
    /// The setup does not ask for it.
    NotAsked,
    /// It was sent more than once, or more often than it may.
    TooMany,
    /// Not one of the setup's.
    Unknown,
    /// More characters than it may have.
    TooLong,
    /// A control character in it (M-23).
    ControlCharacter,
    /// Not what the field takes.
    Invalid,
    /// Another JSON type than the field takes, or a file.
    WrongType(Expected),
    /// The address could not be taken.
    Address(InvalidAddress),
}

impl FieldProblemCode {
    /// The stable code on the wire.
    pub fn code(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::NotAsked => "not_asked",
            Self::TooMany => "too_many",
            Self::Unknown => "unknown",
            Self::TooLong => "too_long",
            Self::ControlCharacter => "control_character",
            Self::Invalid => "invalid",
            Self::WrongType(_) => "wrong_type",
            Self::Address(invalid) => invalid.code(),
        }
    }

    /// What the field takes, where that was the problem.
    pub fn expected(self) -> Option<Expected> {
        match self {
            Self::WrongType(expected) => Some(expected),
            _ => None,
        }
    }
}

impl From<InvalidText> for FieldProblemCode {
    fn from(invalid: InvalidText) -> Self {
        match invalid {
            InvalidText::TooLong => Self::TooLong,
            InvalidText::Control => Self::ControlCharacter,
        }
    }
}

impl Submission {
    /// Reads the pairs of a form against its definition. Names outside the contract (submit
    /// buttons, `utm_*`) are passed over.
    ///
    /// `today` is the day at UTC: nobody was born later.
    ///
    /// # Errors
    /// One problem per field that could not be taken.
    pub fn parse(
        pairs: &[(String, SentValue)],
        form: &FormDefinition,
        today: Date,
    ) -> Result<Self, Vec<FieldProblem>> {
        let mut reader = Reader {
            form,
            problems: BTreeMap::new(),
        };
        let mut given: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (name, value) in pairs {
            let texts = match reader.expected(name) {
                Some(expected) => expected.texts(value).unwrap_or_else(|| {
                    reader.problem(name, FieldProblemCode::WrongType(expected));
                    Vec::new()
                }),
                // The honeypot, and names outside the contract: that they are there is enough.
                None => match value {
                    SentValue::Text(text) => vec![text.as_str()],
                    SentValue::Many(values) if values.is_empty() => Vec::new(),
                    _ => vec![UNREAD],
                },
            };
            // An empty array is as good as nothing.
            if !texts.is_empty() {
                given.entry(name).or_default().extend(texts);
            }
        }

        let address = reader.address(given.get("email"));
        let mut values = BTreeMap::new();
        for field in &form.setup.fields {
            let key = field.key.as_str();
            let name = wire_name(key);
            let value = given
                .get(name.as_str())
                .and_then(|sent| reader.value(&field.key, &name, sent));
            if value.is_none() && field.required {
                reader.problem(&name, FieldProblemCode::Missing);
            }
            // It is tomorrow somewhere.
            if key == "date_of_birth"
                && value
                    .as_ref()
                    .is_some_and(|value| is_after(value, today.saturating_add(1.day())))
            {
                reader.problem(&name, FieldProblemCode::Invalid);
            }
            if let Some(value) = value {
                values.insert(field.key.clone(), value);
            }
        }
        reader.refuse_what_is_not_asked(&given);
        let lists = reader.lists(given.get("list"));
        let interests = reader.interests(given.get("interest"));
        let asks = &form.setup;
        let tracking_consent = reader.consent(
            "tracking_consent",
            asks.asks_tracking_consent,
            given.get("tracking_consent"),
        );
        let profiling_consent = reader.consent(
            "profiling_consent",
            asks.asks_profiling_consent,
            given.get("profiling_consent"),
        );
        let age_confirmed = asks.minimum_age.is_some() && reader.age(given.get("age_confirmed"));
        let honeypot = given
            .get("website")
            .is_some_and(|sent| sent.iter().any(|value| !value.trim().is_empty()));
        let form_time = given
            .get("_form")
            .and_then(|sent| sent.first())
            .filter(|value| !value.is_empty())
            .map(|value| (*value).to_owned());

        match address {
            Some(address) if reader.problems.is_empty() => Ok(Self {
                address,
                values,
                lists,
                interests,
                tracking_consent,
                profiling_consent,
                age_confirmed,
                honeypot,
                form_time,
            }),
            _ => Err(reader.finish()),
        }
    }
}

/// How a field is called in forms.
pub fn wire_name(key: &str) -> String {
    if BUILT_IN_FIELDS.contains(&key) {
        key.to_owned()
    } else {
        format!("field.{key}")
    }
}

/// Stands for a value that nobody reads.
const UNREAD: &str = "-";

struct Reader<'a> {
    form: &'a FormDefinition,
    /// One per field: the first is enough to mend it.
    problems: BTreeMap<String, FieldProblemCode>,
}

impl Reader<'_> {
    fn problem(&mut self, field: &str, code: FieldProblemCode) {
        self.problems.entry(field.to_owned()).or_insert(code);
    }

    /// What a field that this setup asks takes; nothing is known of others.
    fn expected(&self, name: &str) -> Option<Expected> {
        match name {
            "email" | "_form" => return Some(Expected::Text),
            "list" => return Some(Expected::Texts),
            "interest" if !self.form.setup.interests.is_empty() => return Some(Expected::Texts),
            "tracking_consent" if self.form.setup.asks_tracking_consent => {
                return Some(Expected::Boolean);
            }
            "profiling_consent" if self.form.setup.asks_profiling_consent => {
                return Some(Expected::Boolean);
            }
            "age_confirmed" if self.form.setup.minimum_age.is_some() => {
                return Some(Expected::Boolean);
            }
            _ => {}
        }
        let asked = &self.form.setup.fields;
        let field = asked
            .iter()
            .find(|field| wire_name(field.key.as_str()) == name)?;
        if field.key.as_str() == REPEATABLE_FIELD {
            return Some(Expected::Texts);
        }
        Some(match self.form.type_of(&field.key) {
            FieldType::Text | FieldType::Date | FieldType::Birthday => Expected::Text,
            FieldType::Number => Expected::Number,
            FieldType::Boolean => Expected::Boolean,
        })
    }

    fn finish(self) -> Vec<FieldProblem> {
        self.problems
            .into_iter()
            .map(|(field, code)| FieldProblem { field, code })
            .collect()
    }

    fn address(&mut self, sent: Option<&Vec<&str>>) -> Option<EmailAddress> {
        let problem = match sent.map_or(&[][..], Vec::as_slice) {
            [] => FieldProblemCode::Missing,
            [one] if one.trim().is_empty() => FieldProblemCode::Missing,
            [one] => match EmailAddress::parse(one) {
                Ok(address) => return Some(address),
                Err(invalid) => FieldProblemCode::Address(invalid),
            },
            _ => FieldProblemCode::TooMany,
        };
        self.problem("email", problem);
        None
    }

    fn value(&mut self, key: &FieldKey, name: &str, sent: &[&str]) -> Option<FieldValue> {
        let repeatable = key.as_str() == REPEATABLE_FIELD;
        if sent.len() > if repeatable { MAX_VALUES } else { 1 } {
            self.problem(name, FieldProblemCode::TooMany);
            return None;
        }
        let mut texts = Vec::new();
        for value in sent {
            match PersonalText::parse(value) {
                Ok(text) if text.is_empty() => {}
                Ok(text) if fits_type(self.form.type_of(key), &text) => texts.push(text),
                Ok(_) => self.problem(name, FieldProblemCode::Invalid),
                Err(invalid) => self.problem(name, invalid.into()),
            }
        }
        if repeatable {
            (!texts.is_empty()).then_some(FieldValue::Many(texts))
        } else {
            texts.pop().map(FieldValue::One)
        }
    }

    fn refuse_what_is_not_asked(&mut self, given: &BTreeMap<&str, Vec<&str>>) {
        let asked: BTreeSet<String> = self
            .form
            .setup
            .fields
            .iter()
            .map(|field| wire_name(field.key.as_str()))
            .collect();
        for name in given.keys().copied() {
            let of_the_contract = BUILT_IN_FIELDS.contains(&name)
                || name
                    .strip_prefix("field.")
                    .is_some_and(|key| FieldKey::parse(key).is_ok());
            if of_the_contract && !asked.contains(name) {
                self.problem(name, FieldProblemCode::NotAsked);
            } else if name.starts_with("field.") && !of_the_contract {
                // A name no field can have; it is a stranger's text, so it is not repeated.
                self.problem("field", FieldProblemCode::Unknown);
            }
        }
    }

    fn lists(&mut self, sent: Option<&Vec<&str>>) -> Vec<ListId> {
        let Some(sent) = sent else {
            return self.form.setup.lists.clone();
        };
        let known = &self.form.setup.lists;
        // Our own forms send an empty one along, so that nothing ticked is not everything (L-10).
        let chosen: Vec<&str> = sent
            .iter()
            .map(|value| value.trim())
            .filter(|value| !value.is_empty())
            .collect();
        if chosen.is_empty() {
            self.problem("list", FieldProblemCode::Missing);
        }
        if chosen
            .iter()
            .any(|value| !known.iter().any(|list| list.as_str() == *value))
        {
            self.problem("list", FieldProblemCode::Unknown);
        }
        known
            .iter()
            .filter(|list| chosen.contains(&list.as_str()))
            .cloned()
            .collect()
    }

    fn interests(&mut self, sent: Option<&Vec<&str>>) -> Vec<InterestId> {
        let Some(sent) = sent else { return Vec::new() };
        let known = &self.form.setup.interests;
        if known.is_empty() {
            self.problem("interest", FieldProblemCode::NotAsked);
        } else if sent.iter().any(|value| {
            !known
                .iter()
                .any(|interest| interest.as_str() == value.trim())
        }) {
            self.problem("interest", FieldProblemCode::Unknown);
        }
        known
            .iter()
            .filter(|interest| sent.iter().any(|value| value.trim() == interest.as_str()))
            .cloned()
            .collect()
    }

    /// A consent of its own: no answer is none.
    fn consent(&mut self, name: &str, is_asked: bool, sent: Option<&Vec<&str>>) -> bool {
        let Some(sent) = sent else { return false };
        if !is_asked {
            self.problem(name, FieldProblemCode::NotAsked);
            return false;
        }
        match ticked(sent) {
            Ok(ticked) => ticked,
            Err(code) => {
                self.problem(name, code);
                false
            }
        }
    }

    /// Without it there is no sign-up.
    fn age(&mut self, sent: Option<&Vec<&str>>) -> bool {
        match sent.map_or(Ok(false), |sent| ticked(sent)) {
            Ok(true) => return true,
            Ok(false) => self.problem("age_confirmed", FieldProblemCode::Missing),
            Err(code) => self.problem("age_confirmed", code),
        }
        false
    }
}

/// Whether a box was ticked, in the words that forms send.
fn ticked(sent: &[&str]) -> Result<bool, FieldProblemCode> {
    match sent {
        [value] => match value.trim().to_ascii_lowercase().as_str() {
            "1" | "true" | "on" | "yes" => Ok(true),
            "" | "0" | "false" | "off" | "no" => Ok(false),
            _ => Err(FieldProblemCode::Invalid),
        },
        _ => Err(FieldProblemCode::TooMany),
    }
}

/// Whether a value suits its field's type.
pub fn fits_type(field_type: FieldType, text: &PersonalText) -> bool {
    match field_type {
        FieldType::Text => true,
        FieldType::Number => text.reveal().parse::<i64>().is_ok(),
        FieldType::Date => {
            text.reveal().len() == 10 && text.reveal().parse::<jiff::civil::Date>().is_ok()
        }
        // In a leap year: the 29th of February is a birthday.
        FieldType::Birthday => {
            let date = format!("2000-{}", text.reveal());
            date.len() == 10 && date.parse::<jiff::civil::Date>().is_ok()
        }
        FieldType::Boolean => matches!(text.reveal(), "true" | "false"),
    }
}

/// Whether a value is a date after that day.
fn is_after(value: &FieldValue, day: Date) -> bool {
    match value {
        FieldValue::One(text) => text.reveal().parse().is_ok_and(|date: Date| date > day),
        FieldValue::Many(_) => false,
    }
}

/// The same where no setup says more: a date of birth may come without its year (T-08).
pub fn fits_field(key: &str, field_type: FieldType, text: &PersonalText) -> bool {
    fits_type(field_type, text) || (key == "date_of_birth" && fits_type(FieldType::Birthday, text))
}
