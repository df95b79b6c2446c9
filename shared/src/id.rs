//! Identifiers: of accounts, of what an account configures, of events, and of persons.
//!
//! None of them is personal data in clear text; only these may travel in queues, tags and logs.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::entropy::Entropy;

/// The text is not an identifier of this kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a valid identifier")]
pub struct InvalidId;

/// Longest identifier in bytes: leaves room in SES tags (256) and keys.
pub const MAX_ID_LENGTH: usize = 48;

fn is_id(text: &str) -> bool {
    // SES tag values allow [A-Za-z0-9_-] only, and `#` separates parts of keys.
    (1..=MAX_ID_LENGTH).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident, $prefix:literal;)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Takes lower-case letters, digits, `-` and `_`, 1 to 48 of them.
            ///
            /// # Errors
            /// When the text is anything else.
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                if is_id(text) { Ok(Self(text.to_owned())) } else { Err(InvalidId) }
            }

            /// A new, time-sortable identifier.
            pub fn generate(now: Timestamp, entropy: &dyn Entropy) -> Self {
                Self(format!("{}{}", $prefix, EventId::generate(now, entropy).to_string().to_ascii_lowercase()))
            }

            /// The identifier as text.
            pub fn as_str(&self) -> &str { &self.0 }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(&self.0) }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> { Self::parse(&text) }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String { id.0 }
        }

        impl crate::message::Impersonal for $name {}
    )+};
}

ids! {
    /// A controller's account.
    AccountId, "acc_";
    /// A list of an account.
    ListId, "lst_";
    /// A sign-up setup of an account.
    SetupId, "set_";
    /// A declared custom field, or one of the built-in ones; also its name in forms.
    FieldKey, "fld_";
    /// An interest of an account.
    InterestId, "int_";
    /// An unsubscribe setup of an account.
    UnsubscribeSetupId, "uns_";
    /// A template of an account.
    TemplateId, "tpl_";
    /// A target group of an account.
    TargetGroupId, "tgt_";
    /// A campaign of an account.
    CampaignId, "cmp_";
    /// An import of an account.
    ImportId, "imp_";
    /// A management API key; names it, and is not its secret.
    KeyId, "key_";
    /// A daily account archive.
    BackupId, "bak_";
    /// Something that an account writes to no more: an address, a domain, a pattern.
    SuppressionId, "sup_";
    /// A restore of an account's archive.
    RestoreId, "rst_";
    /// Somebody who wants to be told what happens to people of an account.
    WebhookId, "whk_";
}

/// A person within one account: the first 128 bits of the keyed hash of the address (M-21, T-12).
///
/// The same address in another account has another, unrelated key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PersonKey([u8; 16]);

impl PersonKey {
    /// The key made of these bytes, as [`crate::crypto::AccountKey`] computes them.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The key's bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The key as a number on the circle that campaigns cut into arcs.
    pub const fn position(self) -> u128 {
        u128::from_be_bytes(self.0)
    }

    /// The key at this position of the circle.
    pub const fn at(position: u128) -> Self {
        Self(position.to_be_bytes())
    }

    /// Which of the account's sixteen partitions the person is in: the first hex digit.
    pub fn partition(self) -> Partition {
        Partition(self.0[0] >> 4)
    }

    /// 32 lower-case hex digits.
    ///
    /// # Errors
    /// When the text is anything else.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        if text.len() != 32 || !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(InvalidId);
        }
        u128::from_str_radix(text, 16)
            .map(Self::at)
            .map_err(|_| InvalidId)
    }
}

impl fmt::Display for PersonKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.position())
    }
}

impl fmt::Debug for PersonKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PersonKey({self})")
    }
}

impl TryFrom<String> for PersonKey {
    type Error = InvalidId;
    fn try_from(text: String) -> Result<Self, InvalidId> {
        Self::parse(&text)
    }
}

impl From<PersonKey> for String {
    fn from(key: PersonKey) -> String {
        key.to_string()
    }
}

impl crate::message::Impersonal for PersonKey {}

/// One of the sixteen partitions of an account's people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Partition(u8);

impl Partition {
    /// All sixteen, in order.
    pub fn all() -> impl DoubleEndedIterator<Item = Self> {
        (0..16).map(Self)
    }

    /// The partition with this number.
    pub fn new(number: u8) -> Option<Self> {
        (number < 16).then_some(Self(number))
    }

    /// 0 to 15.
    pub fn number(self) -> u8 {
        self.0
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

impl crate::message::Impersonal for Partition {}

/// What happened: a time-sortable, unguessable number (a ULID).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EventId(ulid::Ulid);

impl ImportId {
    /// When it was made, to the millisecond; `None` of one that was not made here.
    pub fn made_at(&self) -> Option<Timestamp> {
        let number = self.as_str().strip_prefix("imp_")?.to_ascii_uppercase();
        EventId::parse(&number).ok().map(EventId::made_at)
    }
}

impl EventId {
    /// A new one: 48 bits of milliseconds, 80 random bits.
    pub fn generate(now: Timestamp, entropy: &dyn Entropy) -> Self {
        let mut random = [0; 16];
        entropy.fill(&mut random[6..]);
        let milliseconds = u64::try_from(now.as_millisecond()).unwrap_or(0);
        Self(ulid::Ulid::from_parts(
            milliseconds,
            u128::from_be_bytes(random),
        ))
    }

    /// The least number of an instant: all that happened from then on follow it.
    pub fn earliest(at: Timestamp) -> Self {
        let milliseconds = u64::try_from(at.as_millisecond()).unwrap_or(0);
        Self(ulid::Ulid::from_parts(milliseconds, 0))
    }

    /// When it was made, to the millisecond.
    pub fn made_at(self) -> Timestamp {
        i64::try_from(self.0.timestamp_ms())
            .ok()
            .and_then(|at| Timestamp::from_millisecond(at).ok())
            .unwrap_or(Timestamp::MAX)
    }

    /// The 16 bytes.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_bytes()
    }

    /// The number with these bytes.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(ulid::Ulid::from_bytes(bytes))
    }

    /// 26 characters of Crockford's base 32.
    ///
    /// # Errors
    /// When the text is anything else.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        let parsed = ulid::Ulid::from_string(text).map_err(|_| InvalidId)?;
        // One spelling per number: keys are compared as text.
        if parsed.to_string() == text {
            Ok(Self(parsed))
        } else {
            Err(InvalidId)
        }
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TryFrom<String> for EventId {
    type Error = InvalidId;
    fn try_from(text: String) -> Result<Self, InvalidId> {
        Self::parse(&text)
    }
}

impl From<EventId> for String {
    fn from(id: EventId) -> String {
        id.to_string()
    }
}

impl crate::message::Impersonal for EventId {}

/// A record of a person: whose it is and which. Its text form is `{person}-{event}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RecordId {
    /// Whose record.
    pub person: PersonKey,
    /// Which one.
    pub event: EventId,
}

impl RecordId {
    /// `{person}-{event}`.
    ///
    /// # Errors
    /// When the text is anything else.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        let (person, event) = text.split_once('-').ok_or(InvalidId)?;
        Ok(Self {
            person: PersonKey::parse(person)?,
            event: EventId::parse(event)?,
        })
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.person, self.event)
    }
}

impl TryFrom<String> for RecordId {
    type Error = InvalidId;
    fn try_from(text: String) -> Result<Self, InvalidId> {
        Self::parse(&text)
    }
}

impl From<RecordId> for String {
    fn from(id: RecordId) -> String {
        id.to_string()
    }
}

impl crate::message::Impersonal for RecordId {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_take_what_keys_and_tags_can_carry_and_nothing_else() {
        for good in ["demo", "a", "lst_01j", "x-y", &"z".repeat(48)] {
            assert_eq!(ListId::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "A", "a#b", "a b", "ä", "a/b", &"z".repeat(49), "a\n"] {
            assert_eq!(ListId::parse(bad), Err(InvalidId), "{bad:?}");
        }
    }

    #[test]
    fn a_record_id_reads_back_and_takes_one_spelling_only() {
        let text = "00112233445566778899aabbccddeeff-01J8ZQ4N5Y8W3V6T7R9P2M1K0H";
        assert_eq!(RecordId::parse(text).unwrap().to_string(), text);
        for bad in [
            &text.to_lowercase(),
            &text[1..],
            "",
            "-",
            &text.replace('-', "_"),
        ] {
            assert_eq!(RecordId::parse(bad), Err(InvalidId), "{bad}");
        }
    }

    #[test]
    fn a_person_is_in_the_partition_of_the_first_digit() {
        let person = PersonKey::parse("f0112233445566778899aabbccddeeff").unwrap();
        assert_eq!(person.partition().to_string(), "f");
        assert_eq!(PersonKey::at(person.position()), person);
    }
}
