//! The evidence ledger: what is stated of each consent, so that nobody can change it later unseen.
//!
//! A statement is closed text (canonical JSON); its salted digest is a leaf that says nothing by
//! itself. How leaves are sealed is `evidence::seal`'s part, how they are proven `certificate`'s.

pub mod certificate;
pub mod document;
pub mod merkle;
pub mod seal;

use std::fmt;

use jiff::Timestamp;
use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::crypto::hex;
use crate::entropy::Entropy;
use crate::id::{AccountId, EventId};
use crate::key::{AccountScope, Key};
use crate::person::Unsubscription;
use crate::record::Stored;
use crate::sign_up::{MailEvidence, SignUp};
use crate::time::ShownInstant;

/// A SHA-256, as 64 lower-case hex digits on the wire.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(pub [u8; 32]);

/// The text is not 64 lower-case hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not 64 lower-case hex digits")]
pub struct InvalidDigest;

impl Digest {
    /// The digest of `parts`, one after the other.
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut context = Context::new(&SHA256);
        for part in parts {
            context.update(part);
        }
        let mut digest = [0; 32];
        digest.copy_from_slice(context.finish().as_ref());
        Self(digest)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The bytes behind lower-case hex digits.
fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64
        || !text
            .bytes()
            .all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(&c))
    {
        return None;
    }
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(bytes)
}

impl TryFrom<String> for Digest {
    type Error = InvalidDigest;
    fn try_from(text: String) -> Result<Self, InvalidDigest> {
        unhex(&text).map(Self).ok_or(InvalidDigest)
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> String {
        digest.to_string()
    }
}

/// 32 random bytes that keep a digest from being guessed; they go with the record.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Salt([u8; 32]);

impl Salt {
    /// A new one.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        let mut salt = [0; 32];
        entropy.fill(&mut salt);
        Self(salt)
    }
}

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt(***)")
    }
}

impl TryFrom<String> for Salt {
    type Error = InvalidDigest;
    fn try_from(text: String) -> Result<Self, InvalidDigest> {
        unhex(&text).map(Self).ok_or(InvalidDigest)
    }
}

impl From<Salt> for String {
    fn from(salt: Salt) -> String {
        hex(&salt.0)
    }
}

/// Where a statement stands in the ledger; kept with the record that it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The leaf.
    pub leaf: EventId,
    /// What its digest is salted with.
    pub salt: Salt,
}

impl Entry {
    /// A new place, at `now`.
    pub fn generate(now: Timestamp, entropy: &dyn Entropy) -> Self {
        Self {
            leaf: EventId::generate(now, entropy),
            salt: Salt::generate(entropy),
        }
    }

    /// The leaf for `statement` at this place.
    pub fn leaf_of(&self, statement: &Statement) -> Leaf {
        Leaf {
            id: self.leaf,
            rev: 1,
            digest: statement.digest(&self.salt),
        }
    }
}

/// What is stated: canonical JSON (RFC 8785) of closed shape.
#[derive(Clone, PartialEq, Eq)]
pub struct Statement(String);

/// The version of the statements' shapes.
const STATEMENT_VERSION: u8 = 1;

impl Statement {
    fn of(kind: &str, account: &AccountId, mut said: Value) -> Self {
        if let Some(members) = said.as_object_mut() {
            members.insert("v".to_owned(), STATEMENT_VERSION.into());
            members.insert("kind".to_owned(), kind.into());
            members.insert("account".to_owned(), account.as_str().into());
        }
        Self(canonical(&said))
    }

    /// That somebody sent the form: everything that was asked, shown and answered (S-12, L-09).
    pub fn signed_up(account: &AccountId, sign_up: &SignUp) -> Self {
        // Who is a subscriber at once is so from the form post on; a double opt-in's subscriber
        // is stated by its confirmation.
        let subscriber = sign_up
            .subscriber
            .filter(|_| sign_up.mode.activates_at_once());
        let mut said = json!({
            "id": sign_up.id(),
            "setup": sign_up.setup,
            "mode": sign_up.mode,
            "email": sign_up.email,
            "form_url": sign_up.form_url,
            "form_url_claimed": sign_up.form_url_claimed,
            "form_ip": sign_up.form_ip,
            "signed_up_at": ShownInstant(sign_up.signed_up_at),
            "fields": sign_up.fields,
            "lists": sign_up.lists,
            "interests": sign_up.interests,
            "tracking_consent": sign_up.tracking_consent,
            "subscriber": subscriber,
            "form_version": sign_up.form_version,
            "consent_wording": sign_up.consent_wording,
            "notice_version": sign_up.notice_version,
            "language": sign_up.language,
        });
        // What was not stated before is not in what was stated before: its digests stand.
        let later = [
            ("profiling_consent", json!(sign_up.profiling_consent)),
            ("age_confirmed", json!(sign_up.age_confirmed)),
            ("channel", json!(sign_up.channel)),
        ];
        for (name, answer) in later.into_iter().filter(|(_, answer)| !answer.is_null()) {
            said[name] = answer;
        }
        Self::of("signed_up", account, said)
    }

    /// That a double opt-in was completed; `None` where it was not.
    pub fn confirmed(account: &AccountId, sign_up: &SignUp) -> Option<Self> {
        let confirmed_at = sign_up.confirmed_at?;
        Some(Self::of(
            "confirmed",
            account,
            json!({
                "id": sign_up.id(),
                "confirm_ip": sign_up.confirm_ip,
                "confirmed_at": ShownInstant(confirmed_at),
                "subscriber": sign_up.subscriber,
            }),
        ))
    }

    /// That a mail about a sign-up was handed over, by the digests of its words.
    pub fn mailed(account: &AccountId, sign_up: &SignUp, mail: &MailEvidence) -> Self {
        Self::of(
            "mailed",
            account,
            json!({
                "id": sign_up.id(),
                "mail": mail.mail,
                "mailed_at": ShownInstant(mail.mailed_at),
                "message_id": mail.message_id,
                "document": mail.document,
                "sha256": mail.sha256,
            }),
        )
    }

    /// That somebody left.
    pub fn left(account: &AccountId, unsubscription: &Unsubscription) -> Self {
        Self::of(
            "left",
            account,
            json!({
                "id": unsubscription.id(),
                "subscriber": unsubscription.person,
                "at": ShownInstant(unsubscription.at),
                "via": unsubscription.via,
                "lists": unsubscription.lists,
                "all": unsubscription.all,
                "campaign": unsubscription.campaign,
            }),
        )
    }

    /// The salted digest.
    pub fn digest(&self, salt: &Salt) -> Digest {
        Digest::of(&[&salt.0, self.0.as_bytes()])
    }

    /// The text, for the certificate.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Statement(***)")
    }
}

/// Canonical JSON (RFC 8785): no white space, members in the order of their names' UTF-16.
///
/// `serde_json` escapes what and as the standard says. What is stated has whole numbers only: how
/// fractions are written is the one thing that this leaves out.
pub(crate) fn canonical(value: &Value) -> String {
    let mut text = String::new();
    write_canonical(value, &mut text);
    text
}

fn write_canonical(value: &Value, text: &mut String) {
    let separate = |text: &mut String, index: usize| {
        if index > 0 {
            text.push(',');
        }
    };
    match value {
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                separate(text, index);
                write_canonical(item, text);
            }
            text.push(']');
        }
        Value::Object(members) => {
            let mut names: Vec<&String> = members.keys().collect();
            names.sort_by(|a, b| a.encode_utf16().cmp(b.encode_utf16()));
            text.push('{');
            for (index, name) in names.into_iter().enumerate() {
                separate(text, index);
                write_canonical(&Value::from(name.as_str()), text);
                text.push(':');
                write_canonical(&members[name.as_str()], text);
            }
            text.push('}');
        }
        other => text.push_str(&other.to_string()),
    }
}

/// A leaf that waits to be sealed: a digest that says nothing about anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Leaf {
    /// Which.
    pub id: EventId,
    /// 1.
    pub rev: u64,
    /// The statement's salted digest.
    pub digest: Digest,
}

impl Leaf {
    /// What the keys of waiting leaves begin with, in the account's ledger.
    pub const PREFIX: &'static str = "leaf#";
}

impl Stored for Leaf {
    const KIND: &'static str = "leaf";

    fn key(&self, scope: &AccountScope) -> Key {
        scope.evidence(format!("{}{}", Self::PREFIX, self.id))
    }

    fn revision(&self) -> u64 {
        self.rev
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_json_is_what_rfc_8785_says() {
        for (json, canonical_form) in [
            (
                r#"{ "b": 1, "a": [ true, null ] }"#,
                r#"{"a":[true,null],"b":1}"#,
            ),
            // Section 3.2.3: by UTF-16, so the emoji (a surrogate pair) stands before U+FB33.
            (
                "{\"\\ufb33\":1,\"\\ud83d\\ude00\":2,\"\\u20ac\":3,\"1\":4}",
                "{\"1\":4,\"\u{20ac}\":3,\"\u{1f600}\":2,\"\u{fb33}\":1}",
            ),
            // Section 3.2.2.2: short escapes, else lower-case \u00xx, and nothing else escaped.
            (
                r#""\u000f\u000a\u0041\u0022\/\u007f""#,
                "\"\\u000f\\nA\\\"/\u{7f}\"",
            ),
        ] {
            let value: Value = serde_json::from_str(json).unwrap();
            assert_eq!(canonical(&value), canonical_form, "{json}");
        }
    }

    #[test]
    fn another_salt_makes_another_digest_and_neither_shows_in_debug() {
        let entropy = crate::entropy::SeededEntropy::new(1);
        let statement = Statement("{}".to_owned());
        let (one, two) = (Salt::generate(&entropy), Salt::generate(&entropy));
        assert_ne!(statement.digest(&one), statement.digest(&two));
        assert_eq!(format!("{one:?} {statement:?}"), "Salt(***) Statement(***)");
        assert_eq!(
            Salt::try_from(String::from(one)).map(|again| again == one),
            Ok(true)
        );
        for bad in ["", "00", &"A".repeat(64), &"g".repeat(64)] {
            assert!(Salt::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }
}
