//! Reading a sign-up form: the names and values a visitor sent, against the setup.
//!
//! Names and values come from strangers; errors name the contract's fields and never a value.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::address::{EmailAddress, InvalidAddress};
use crate::id::{FieldKey, InterestId, ListId};
use crate::personal::{InvalidText, PersonalText};
use crate::setup::{BUILT_IN_FIELDS, FieldType, FormDefinition};

/// Values one repeatable field may have (engineering).
const MAX_VALUES: usize = 50;

/// What a visitor sent, complete and valid for its setup.
#[derive(Debug, Clone, PartialEq, Eq)]
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
            Self::Address(invalid) => invalid.code(),
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
    /// # Errors
    /// One problem per field that could not be taken.
    pub fn parse(
        pairs: &[(String, String)],
        form: &FormDefinition,
    ) -> Result<Self, Vec<FieldProblem>> {
        let mut reader = Reader {
            form,
            problems: BTreeMap::new(),
        };
        let mut given: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (name, value) in pairs {
            given.entry(name).or_default().push(value);
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
            if let Some(value) = value {
                values.insert(field.key.clone(), value);
            }
        }
        reader.refuse_what_is_not_asked(&given);
        let lists = reader.lists(given.get("list"));
        let interests = reader.interests(given.get("interest"));
        let tracking_consent = reader.tracking_consent(given.get("tracking_consent"));
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

struct Reader<'a> {
    form: &'a FormDefinition,
    /// One per field: the first is enough to mend it.
    problems: BTreeMap<String, FieldProblemCode>,
}

impl Reader<'_> {
    fn problem(&mut self, field: &str, code: FieldProblemCode) {
        self.problems.entry(field.to_owned()).or_insert(code);
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
        let repeatable = key.as_str() == "advertising_criteria";
        if sent.len() > if repeatable { MAX_VALUES } else { 1 } {
            self.problem(name, FieldProblemCode::TooMany);
            return None;
        }
        let mut texts = Vec::new();
        for value in sent {
            match PersonalText::parse(value) {
                Ok(text) if text.is_empty() => {}
                Ok(text) if self.fits(key, &text) => texts.push(text),
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

    fn fits(&self, key: &FieldKey, text: &PersonalText) -> bool {
        let field_type = match key.as_str() {
            "date_of_birth" => FieldType::Date,
            _ => self
                .form
                .declared
                .iter()
                .find(|field| field.key == *key)
                .map_or(FieldType::Text, |field| field.field_type),
        };
        fits_type(field_type, text)
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
        if sent
            .iter()
            .any(|value| !known.iter().any(|list| list.as_str() == value.trim()))
        {
            self.problem("list", FieldProblemCode::Unknown);
        }
        known
            .iter()
            .filter(|list| sent.iter().any(|value| value.trim() == list.as_str()))
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

    fn tracking_consent(&mut self, sent: Option<&Vec<&str>>) -> bool {
        let Some(sent) = sent else { return false };
        if !self.form.setup.asks_tracking_consent {
            self.problem("tracking_consent", FieldProblemCode::NotAsked);
            return false;
        }
        match sent.as_slice() {
            [value] => match value.trim().to_ascii_lowercase().as_str() {
                "1" | "true" | "on" | "yes" => true,
                "" | "0" | "false" | "off" | "no" => false,
                _ => {
                    self.problem("tracking_consent", FieldProblemCode::Invalid);
                    false
                }
            },
            _ => {
                self.problem("tracking_consent", FieldProblemCode::TooMany);
                false
            }
        }
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
        FieldType::Boolean => matches!(text.reveal(), "true" | "false"),
    }
}
