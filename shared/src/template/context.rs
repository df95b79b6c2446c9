//! What a template can say about one person.
//!
//! Borrows from the profile and lives for one render. A value that is missing is undefined
//! in the template, so `default(...)` and `{% if %}` work as their manual says.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::{fmt, iter};

use minijinja::value::Value;

use crate::address::EmailAddress;
use crate::form::FieldValue;
use crate::id::FieldKey;
use crate::setup::BUILT_IN_FIELDS;

/// The values of one mail.
pub struct Context<'a> {
    subscriber: Subscriber<'a>,
    unsubscribe_url: &'a str,
    preferences_url: &'a str,
    imprint: &'a str,
}

/// `subscriber.*` in a template; filled by name, because a profile stores it that way.
#[derive(Default)]
pub struct Subscriber<'a> {
    values: Vec<(&'static str, Cow<'a, str>)>,
    fields: Vec<(&'a str, Cow<'a, str>)>,
}

impl<'a> Subscriber<'a> {
    /// What a profile knows of a person.
    pub fn of_profile(
        address: &'a EmailAddress,
        values: &'a BTreeMap<FieldKey, FieldValue>,
    ) -> Self {
        let subscriber = Self::default().with("email", address.reveal());
        values.iter().fold(subscriber, |subscriber, (key, value)| {
            let shown = match value {
                FieldValue::One(text) => Cow::Borrowed(text.reveal()),
                FieldValue::Many(_) => Cow::Owned(value.reveal()),
            };
            if BUILT_IN_FIELDS.contains(&key.as_str()) {
                subscriber.with(key.as_str(), shown)
            } else {
                subscriber.with_field(key.as_str(), shown)
            }
        })
    }

    /// Sets `subscriber.email` or a built-in field of [`BUILT_IN_FIELDS`]. An empty value is
    /// left out, any other name is ignored.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Cow<'a, str>>) -> Self {
        let value = value.into();
        let known = iter::once("email")
            .chain(BUILT_IN_FIELDS)
            .find(|known| *known == name);
        if let Some(known) = known
            && !value.is_empty()
        {
            self.values.push((known, value));
        }
        self
    }

    /// Sets a declared field: `subscriber.fields.KEY`. An empty value is left out.
    #[must_use]
    pub fn with_field(mut self, key: &'a str, value: impl Into<Cow<'a, str>>) -> Self {
        let value = value.into();
        if !value.is_empty() {
            self.fields.push((key, value));
        }
        self
    }
}

impl fmt::Debug for Subscriber<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Subscriber(***)")
    }
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Context(***)")
    }
}

impl<'a> Context<'a> {
    /// A mail to `subscriber`, with this person's links and the controller's imprint.
    ///
    /// The imprint is plain text; its line ends become `<br>` in HTML.
    pub fn new(
        subscriber: Subscriber<'a>,
        unsubscribe_url: &'a str,
        preferences_url: &'a str,
        imprint: &'a str,
    ) -> Self {
        Self {
            subscriber,
            unsubscribe_url,
            preferences_url,
            imprint,
        }
    }

    /// The person, made once for the three parts.
    pub(super) fn subscriber_value(&self) -> Value {
        let of = |(name, text): &(&str, Cow<'_, str>)| (Value::from(*name), Value::from(&**text));
        let values = self.subscriber.values.iter().map(of);
        let fields = Value::from_pairs(self.subscriber.fields.iter().map(of));
        Value::from_pairs(values.chain(iter::once((Value::from("fields"), fields))))
    }

    /// For subject and text: everything as it is.
    pub(super) fn plain_values(&self, subscriber: &Value) -> Value {
        minijinja::context! {
            subscriber => subscriber,
            unsubscribe_url => self.unsubscribe_url,
            preferences_url => self.preferences_url,
            imprint => self.imprint,
        }
    }

    /// For HTML: what we make is escaped here. The engine would write every slash of a URL
    /// as a character reference, which is correct, and unreadable to half the link checkers.
    pub(super) fn html_values(&self, subscriber: &Value) -> Value {
        minijinja::context! {
            subscriber => subscriber,
            unsubscribe_url => Value::from_safe_string(escape(self.unsubscribe_url)),
            preferences_url => Value::from_safe_string(escape(self.preferences_url)),
            imprint => Value::from_safe_string(
                escape(self.imprint).replace("\r\n", "\n").replace('\n', "<br>\n"),
            ),
        }
    }
}

/// Escapes for HTML text and quoted attributes.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}
