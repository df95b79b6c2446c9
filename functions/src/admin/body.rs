//! Reading JSON bodies member by member, with one stable code per field that cannot be taken.
//!
//! Paths in errors are made of names and indexes. A member that nobody asked for is named too, if
//! its name is one: what looks like data (an address, a sentence) is not repeated.

use jiff::civil::Date;
use rundbrief::id::InvalidId;
use rundbrief::web_address::WebAddress;
use serde_json::{Map, Value};

use super::access::Sent;
use super::answer::Refused;
use crate::problem::{FieldError, Problem};

/// Longest body in octets, where a resource does not need more.
pub(super) const MAX_BODY_OCTETS: usize = 256 * 1024;
/// Longest name of anything, in characters.
pub(super) const MAX_NAME_CHARACTERS: usize = 200;

/// A stable code.
pub(super) type Code = &'static str;

impl Sent {
    /// The body as an object.
    pub(super) fn object(&self, max_octets: usize) -> Result<Object, Refused> {
        if self.bytes.len() > max_octets {
            return Err(Problem::TOO_LARGE.into());
        }
        if !self.is_json() {
            return Err(Problem::UNSUPPORTED_TYPE.into());
        }
        match serde_json::from_slice(&self.bytes) {
            Ok(Value::Object(members)) => Ok(Object::new(String::new(), members)),
            Ok(_) => Err(Refused::field("body", "not_an_object")),
            Err(_) => Err(Problem::MALFORMED.into()),
        }
    }

    /// The body as an object; none is an empty one.
    pub(super) fn object_if_any(&self, max_octets: usize) -> Result<Object, Refused> {
        if self.bytes.is_empty() {
            Ok(Object::new(String::new(), Map::new()))
        } else {
            self.object(max_octets)
        }
    }

    fn is_json(&self) -> bool {
        let essence = self
            .content_type
            .as_deref()
            .and_then(|value| value.split(';').next())
            .map(|essence| essence.trim().to_ascii_lowercase());
        matches!(
            essence.as_deref(),
            Some("application/json" | "application/merge-patch+json")
        )
    }
}

/// A JSON object that is being read: what was not asked for is refused at the end.
#[derive(Debug)]
pub(super) struct Object {
    path: String,
    members: Map<String, Value>,
    problems: Vec<FieldError>,
}

impl Object {
    fn new(path: String, members: Map<String, Value>) -> Self {
        Self {
            path,
            members,
            problems: Vec::new(),
        }
    }

    fn at(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        }
    }

    /// Notes that the member `name` (one of ours) cannot be taken.
    pub(super) fn problem(&mut self, name: &str, code: Code) {
        let at = self.at(name);
        self.problems.push(FieldError::new(at, code));
    }

    /// Notes that nobody asked for the member `name` of the object `member`.
    pub(super) fn unknown_member(&mut self, member: &str, name: &str) {
        let path = self.at(member);
        self.unknown_at(path, name);
    }

    /// Passes over members that answers show and requests cannot change.
    pub(super) fn ignore(&mut self, names: &[&str]) {
        for name in names {
            self.members.remove(*name);
        }
    }

    /// Refuses a member that this request cannot change.
    pub(super) fn refuse(&mut self, names: &[&str], code: Code) {
        for name in names {
            if self.members.remove(*name).is_some() {
                self.problem(name, code);
            }
        }
    }

    /// Whether the member is there.
    pub(super) fn has(&self, name: &str) -> bool {
        self.members.contains_key(name)
    }

    /// Whether the member is an object.
    pub(super) fn is_object(&self, name: &str) -> bool {
        self.members.get(name).is_some_and(Value::is_object)
    }

    /// A member that may be missing, null (taken away) or a value.
    #[expect(
        clippy::option_option,
        reason = "missing and null mean different things in a merge patch (RFC 7396)"
    )]
    pub(super) fn given<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(Value) -> Result<T, Code>,
    ) -> Option<Option<T>> {
        match self.members.remove(name)? {
            Value::Null => Some(None),
            value => match read(value) {
                Ok(value) => Some(Some(value)),
                Err(code) => {
                    self.problem(name, code);
                    None
                }
            },
        }
    }

    /// A member that may be missing or null.
    pub(super) fn optional<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(Value) -> Result<T, Code>,
    ) -> Option<T> {
        self.given(name, read).flatten()
    }

    /// A member that must be there.
    pub(super) fn required<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(Value) -> Result<T, Code>,
    ) -> Option<T> {
        match self.members.get(name) {
            None | Some(Value::Null) => {
                self.members.remove(name);
                self.problem(name, "missing");
                None
            }
            Some(_) => self.optional(name, read),
        }
    }

    /// An array whose entries are values.
    pub(super) fn array<T>(
        &mut self,
        name: &str,
        max: usize,
        read: impl Fn(Value) -> Result<T, Code>,
    ) -> Option<Vec<T>> {
        let entries = self.optional(name, |value| entries(value, max))?;
        let mut all = Vec::with_capacity(entries.len());
        for (index, entry) in entries.into_iter().enumerate() {
            match read(entry) {
                Ok(value) => all.push(value),
                Err(code) => self.problem(&format!("{name}.{index}"), code),
            }
        }
        Some(all)
    }

    /// An array of values that must be there and not be empty.
    pub(super) fn filled_array<T>(
        &mut self,
        name: &str,
        max: usize,
        read: impl Fn(Value) -> Result<T, Code>,
    ) -> Vec<T> {
        match self.members.get(name) {
            None | Some(Value::Null) => self.problem(name, "missing"),
            Some(Value::Array(entries)) if entries.is_empty() => self.problem(name, "empty"),
            Some(_) => {}
        }
        self.array(name, max, read).unwrap_or_default()
    }

    /// An array whose entries are objects.
    pub(super) fn objects<T>(
        &mut self,
        name: &str,
        max: usize,
        read: impl Fn(&mut Object) -> Option<T>,
    ) -> Option<Vec<T>> {
        let entries = self.optional(name, |value| entries(value, max))?;
        let mut all = Vec::with_capacity(entries.len());
        for (index, entry) in entries.into_iter().enumerate() {
            let name = format!("{name}.{index}");
            match object(entry) {
                Ok(members) => all.extend(self.nested(&name, members, &read)),
                Err(code) => self.problem(&name, code),
            }
        }
        Some(all)
    }

    /// A member that is an object and may be missing.
    pub(super) fn object<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&mut Object) -> Option<T>,
    ) -> Option<T> {
        let members = self.optional(name, object)?;
        self.nested(name, members, read)
    }

    fn nested<T>(
        &mut self,
        name: &str,
        members: Map<String, Value>,
        read: impl FnOnce(&mut Object) -> Option<T>,
    ) -> Option<T> {
        let mut inner = Object::new(self.at(name), members);
        let value = read(&mut inner);
        inner.close();
        self.problems.append(&mut inner.problems);
        value
    }

    fn close(&mut self) {
        let unknown: Vec<String> = self.members.keys().cloned().collect();
        for name in unknown {
            let path = self.path.clone();
            self.unknown_at(path, &name);
        }
        self.members.clear();
    }

    fn unknown_at(&mut self, path: String, name: &str) {
        let at = match (is_name(name), path.is_empty()) {
            (true, true) => name.to_owned(),
            (true, false) => format!("{path}.{name}"),
            (false, true) => "body".to_owned(),
            (false, false) => path,
        };
        let error = FieldError::new(at, "unknown_member");
        if !self.problems.contains(&error) {
            self.problems.push(error);
        }
    }

    /// What was read, if nothing was wrong and nothing is left.
    pub(super) fn finish<T>(self, value: Option<T>) -> Result<T, Refused> {
        match self.done(value) {
            (Some(value), problems) if problems.is_empty() => Ok(value),
            (_, problems) => Err(Refused::errors(problems)),
        }
    }

    /// What was read, and all that was wrong or is left: for what is checked further before all
    /// problems are named together.
    pub(super) fn done<T>(mut self, value: Option<T>) -> (Option<T>, Vec<FieldError>) {
        self.close();
        (value, self.problems)
    }
}

/// Longest name of a member that is repeated in an answer.
const MAX_MEMBER_CHARACTERS: usize = 64;

fn is_name(member: &str) -> bool {
    (1..=MAX_MEMBER_CHARACTERS).contains(&member.len())
        && member
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'$'))
}

fn entries(value: Value, max: usize) -> Result<Vec<Value>, Code> {
    match value {
        Value::Array(entries) if entries.len() <= max => Ok(entries),
        Value::Array(_) => Err("too_many"),
        _ => Err("not_an_array"),
    }
}

/// The members of an object.
pub(super) fn object(value: Value) -> Result<Map<String, Value>, Code> {
    match value {
        Value::Object(members) => Ok(members),
        _ => Err("not_an_object"),
    }
}

/// Any string.
pub(super) fn string(value: Value) -> Result<String, Code> {
    match value {
        Value::String(text) => Ok(text),
        _ => Err("not_a_string"),
    }
}

/// `true` or `false`.
#[expect(
    clippy::needless_pass_by_value,
    reason = "one of the readers, which all take the value"
)]
pub(super) fn boolean(value: Value) -> Result<bool, Code> {
    value.as_bool().ok_or("not_a_boolean")
}

/// A whole number within bounds.
pub(super) fn number(bounds: std::ops::RangeInclusive<u32>) -> impl Fn(Value) -> Result<u32, Code> {
    move |value| {
        let number = value.as_i64().ok_or("not_a_whole_number")?;
        u32::try_from(number)
            .ok()
            .filter(|number| bounds.contains(number))
            .ok_or("out_of_range")
    }
}

/// An identifier.
pub(super) fn id<T: TryFrom<String, Error = InvalidId>>(value: Value) -> Result<T, Code> {
    T::try_from(string(value)?).map_err(|_| "invalid_id")
}

/// One of the words that a type is written as.
pub(super) fn word<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, Code> {
    if !value.is_string() {
        return Err("not_a_string");
    }
    serde_json::from_value(value).map_err(|_| "unknown")
}

/// One line that says something; space around it goes.
pub(super) fn line(max_characters: usize) -> impl Fn(Value) -> Result<String, Code> {
    move |value| {
        let text = line_or_empty(max_characters)(value)?;
        if text.is_empty() {
            Err("empty")
        } else {
            Ok(text)
        }
    }
}

/// One line, or nothing.
pub(super) fn line_or_empty(max_characters: usize) -> impl Fn(Value) -> Result<String, Code> {
    move |value| {
        let text = string(value)?.trim().to_owned();
        if text.chars().any(is_forbidden) {
            Err("control_character")
        } else if text.chars().count() > max_characters {
            Err("too_long")
        } else {
            Ok(text)
        }
    }
}

/// Several lines, or nothing. It never stands in a header, so line ends are safe.
pub(super) fn lines(max_characters: usize) -> impl Fn(Value) -> Result<String, Code> {
    move |value| {
        let text = string(value)?.replace("\r\n", "\n").trim().to_owned();
        if text.chars().any(|c| c != '\n' && is_forbidden(c)) {
            Err("control_character")
        } else if text.chars().count() > max_characters {
            Err("too_long")
        } else {
            Ok(text)
        }
    }
}

fn is_forbidden(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

/// An absolute address of the web.
pub(super) fn web_address(value: Value) -> Result<WebAddress, Code> {
    WebAddress::parse(&string(value)?).map_err(rundbrief::web_address::InvalidWebAddress::code)
}

/// A calendar day, `YYYY-MM-DD`.
pub(super) fn date(value: Value) -> Result<Date, Code> {
    let text = string(value)?;
    if text.len() != 10 {
        return Err("invalid_date");
    }
    text.parse().map_err(|_| "invalid_date")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: &Value) -> Result<(String, Vec<bool>), Refused> {
        let sent = Sent {
            bytes: value.to_string().into(),
            content_type: Some("application/json; charset=utf-8".to_owned()),
        };
        let mut body = sent.object(1_000)?;
        let name = body.required("name", line(5));
        let flags = body.objects("fields", 3, |field| field.required("flag", boolean));
        body.finish(name.zip(flags))
    }

    #[test]
    fn every_problem_is_named_by_our_own_words() {
        for (body, problems) in [
            (json!({}), &[("name", "missing"), ("body", "")][..1]),
            (json!({"name": 1}), &[("name", "not_a_string")]),
            (json!({"name": " "}), &[("name", "empty")]),
            (json!({"name": "a\nb"}), &[("name", "control_character")]),
            (json!({"name": "abcdef"}), &[("name", "too_long")]),
            (
                json!({"name": "a", "erika@x.example": 1}),
                &[("body", "unknown_member")],
            ),
            (
                json!({"nmae": "a", "colour": 1, "fields": 5}),
                &[
                    ("name", "missing"),
                    ("fields", "not_an_array"),
                    ("nmae", "unknown_member"),
                    ("colour", "unknown_member"),
                ],
            ),
            (
                json!({"name": "a", "fields": [{"flag": true}, {"flag": "x"}, 1]}),
                &[
                    ("fields.1.flag", "not_a_boolean"),
                    ("fields.2", "not_an_object"),
                ],
            ),
            (
                json!({"name": "a", "fields": [{"flag": true, "b": 1}]}),
                &[("fields.0.b", "unknown_member")],
            ),
            (
                json!({"name": "a", "fields": [1, 2, 3, 4]}),
                &[("fields", "too_many")],
            ),
        ] {
            let refused = format!("{:?}", read(&body).unwrap_err());
            for (field, code) in problems {
                assert!(
                    refused.contains(&format!("field: {field:?}, code: {code:?}")),
                    "{body} {refused}"
                );
            }
            assert!(!refused.contains("erika"), "{refused}");
        }
    }

    #[test]
    fn a_good_body_is_read() {
        let read = read(&json!({"name": " Erik ", "fields": [{"flag": true}]})).unwrap();
        assert_eq!(read, ("Erik".to_owned(), vec![true]));
    }
}
