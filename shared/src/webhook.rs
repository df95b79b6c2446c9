//! Webhooks: whom an account wants told what happened to a person, and how they know it was us.
//!
//! Decides only. Where a message may go is `address`'s part, when it is tried again `delivery`'s.

pub mod address;
pub mod delivery;

use std::collections::BTreeSet;
use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use ring::hmac;
use serde::{Deserialize, Serialize};

use crate::crypto::{InvalidPlatformSecret, PlatformSecrets};
use crate::entropy::Entropy;
use crate::id::{EventId, PersonKey, WebhookId};
use crate::key::{AccountScope, Key};
use crate::page_language::Language;
use crate::record::Stored;
use crate::time::plus_seconds;
use crate::web_address::WebAddress;

/// The most webhooks of an account (engineering): each is one more write of a transaction, which
/// takes 100.
pub const MAX_WEBHOOKS: usize = 10;
/// For so long messages are signed with the secret before, too, once it was changed.
const OLD_SECRET_SECONDS: i64 = 24 * 3_600;
/// The longest that all messages to an endpoint wait after attempts that failed (engineering).
const MAX_PAUSE_SECONDS: i64 = 3_600;

/// What somebody can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    /// A person was erased: whoever got their data must erase them too (Art. 19 GDPR).
    Erasure,
    /// Somebody completed a double opt-in.
    SignUpConfirmed,
    /// Somebody left lists.
    Unsubscribed,
    /// Processing was restricted (Art. 18, 19 GDPR).
    Restricted,
    /// A restriction was lifted (Art. 18(3), 19 GDPR).
    RestrictionLifted,
    /// What is known of a person was rectified or changed (Art. 16, 19 GDPR).
    Changed,
    /// Somebody objected to advertising (Art. 21(3) GDPR).
    Objected,
    /// A mailbox bounced for good.
    Bounced,
    /// Somebody complained.
    Complained,
}

impl Topic {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Erasure,
        Self::SignUpConfirmed,
        Self::Unsubscribed,
        Self::Restricted,
        Self::RestrictionLifted,
        Self::Changed,
        Self::Objected,
        Self::Bounced,
        Self::Complained,
    ];

    /// Its name on the wire and in keys.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Erasure => "erasure",
            Self::SignUpConfirmed => "sign_up_confirmed",
            Self::Unsubscribed => "unsubscribed",
            Self::Restricted => "restricted",
            Self::RestrictionLifted => "restriction_lifted",
            Self::Changed => "changed",
            Self::Objected => "objected",
            Self::Bounced => "bounced",
            Self::Complained => "complained",
        }
    }

    /// What somebody is told, as people read it.
    pub const fn text(self, language: Language) -> &'static str {
        let (de, en) = match self {
            Self::Erasure => ("Löschung", "erasure"),
            Self::SignUpConfirmed => ("bestätigte Anmeldung", "confirmed sign-up"),
            Self::Unsubscribed => ("Abmeldung", "unsubscription"),
            Self::Restricted => ("Einschränkung", "restriction"),
            Self::RestrictionLifted => ("Ende der Einschränkung", "end of the restriction"),
            Self::Changed => ("geänderte Daten", "changed data"),
            Self::Objected => ("Widerspruch", "objection"),
            Self::Bounced => ("unzustellbare Adresse", "undeliverable address"),
            Self::Complained => ("Beschwerde", "complaint"),
        };
        language.pick(de, en)
    }

    /// The topic of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|topic| topic.name() == name)
    }
}

impl crate::message::Impersonal for Topic {}

/// Something that happened to a person, for whoever wants to be told: who by key and when, and
/// nothing else of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct News {
    /// What.
    pub topic: Topic,
    /// To whom.
    pub person: PersonKey,
    /// When.
    pub at: Timestamp,
    /// The record of it that the API shows, where there is one.
    pub record: Option<EventId>,
}

/// What signing secrets are derived from; a secret of its own, so that who talks to the outside
/// world has nothing that opens tokens or makes persons' keys.
#[derive(Debug, Clone)]
pub struct WebhookSecrets(PlatformSecrets);

impl WebhookSecrets {
    /// Reads `{"1":"..."}`.
    ///
    /// # Errors
    /// When it has another shape, or a string is too short.
    pub fn parse(json: &str) -> Result<Self, InvalidPlatformSecret> {
        PlatformSecrets::parse(json).map(Self)
    }
}

/// What a webhook keeps of its signing secret: nothing that signs without the platform's.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretMaterial {
    version: u32,
    /// 32 random bytes, in base 64.
    salt: String,
}

impl SecretMaterial {
    /// A new one, under the newest version.
    pub fn generate(secrets: &WebhookSecrets, entropy: &dyn Entropy) -> Self {
        let mut salt = [0; 32];
        entropy.fill(&mut salt);
        Self {
            version: secrets.0.newest(),
            salt: BASE64_STANDARD.encode(salt),
        }
    }

    /// No secret yet; not to be stored as it is.
    pub const fn none() -> Self {
        Self {
            version: 0,
            salt: String::new(),
        }
    }

    /// The secret, if its version is still there.
    pub fn secret(&self, secrets: &WebhookSecrets) -> Option<SigningSecret> {
        let salt = BASE64_STANDARD.decode(&self.salt).ok()?;
        let key = secrets
            .0
            .derive(self.version, &salt, b"rundbrief webhook secret v1")?;
        Some(SigningSecret(key))
    }
}

impl fmt::Debug for SecretMaterial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretMaterial(***)")
    }
}

/// What messages to one endpoint are signed with (Standard Webhooks 1.0, "symmetric").
#[derive(Clone)]
pub struct SigningSecret([u8; 32]);

impl SigningSecret {
    /// As it is shown once, to whoever made the webhook.
    pub fn reveal(&self) -> String {
        format!("whsec_{}", BASE64_STANDARD.encode(self.0))
    }

    /// The signature of a message: HMAC-SHA256 over identifier, time and body.
    pub fn sign(&self, id: &str, timestamp: i64, body: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        let tag = hmac::sign(&key, format!("{id}.{timestamp}.{body}").as_bytes());
        format!("v1,{}", BASE64_STANDARD.encode(tag))
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecret(***)")
    }
}

/// Who is to be told, and of what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Webhook {
    /// Its identifier.
    pub id: WebhookId,
    /// Grows with each write.
    pub rev: u64,
    /// Where messages go. May hold a token of the recipient's: never logged.
    pub url: WebAddress,
    /// Of what.
    pub events: BTreeSet<Topic>,
    /// What messages are signed with.
    pub secret: SecretMaterial,
    /// What they were signed with before, and until when they still are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<OldSecret>,
    /// Attempts that failed since one was acknowledged.
    #[serde(default)]
    pub failures: u32,
    /// Until when nothing is tried after a failure: a dead endpoint must not keep others waiting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused_until: Option<Timestamp>,
    /// Since when a message was given up on and none acknowledged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A signing secret that was replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OldSecret {
    /// What it was.
    pub secret: SecretMaterial,
    /// From when on it signs nothing any more.
    pub until: Timestamp,
}

impl Webhook {
    /// The webhook with another secret. The old one signs for a day beside it, so that nobody has
    /// to change both sides in the same second.
    #[must_use]
    pub fn rotated(&self, secret: SecretMaterial, now: Timestamp) -> Self {
        Self {
            rev: self.rev + 1,
            secret,
            before: Some(OldSecret {
                secret: self.secret.clone(),
                until: plus_seconds(now, OLD_SECRET_SECONDS),
            }),
            ..self.clone()
        }
    }

    /// The signatures of a message at `now`, the newest secret's first, separated by spaces.
    pub fn signatures(
        &self,
        secrets: &WebhookSecrets,
        id: &str,
        now: Timestamp,
        body: &str,
    ) -> Option<String> {
        let mut all = self.secret.secret(secrets)?.sign(id, now.as_second(), body);
        let before = self.before.as_ref().filter(|before| now < before.until);
        if let Some(before) = before.and_then(|before| before.secret.secret(secrets)) {
            all.push(' ');
            all.push_str(&before.sign(id, now.as_second(), body));
        }
        Some(all)
    }

    /// After a message was acknowledged; `None` when nothing changes.
    #[must_use]
    pub fn acknowledged(&self) -> Option<Self> {
        let changes =
            self.failures > 0 || self.paused_until.is_some() || self.failing_since.is_some();
        changes.then(|| Self {
            rev: self.rev + 1,
            failures: 0,
            paused_until: None,
            failing_since: None,
            ..self.clone()
        })
    }

    /// After an attempt failed: the others wait too, longer each time.
    #[must_use]
    pub fn failed(&self, now: Timestamp) -> Self {
        let pause = delivery::back_off(self.failures).min(MAX_PAUSE_SECONDS);
        Self {
            rev: self.rev + 1,
            failures: self.failures.saturating_add(1),
            paused_until: Some(plus_seconds(now, pause)),
            ..self.clone()
        }
    }

    /// After a message was given up on.
    #[must_use]
    pub fn given_up_on(&self, now: Timestamp) -> Self {
        Self {
            rev: self.rev + 1,
            failing_since: self.failing_since.or(Some(now)),
            ..self.clone()
        }
    }
}

impl Stored for Webhook {
    const KIND: &'static str = "webhook";

    fn key(&self, scope: &AccountScope) -> Key {
        Key::webhook(scope.account(), &self.id)
    }

    fn revision(&self) -> u64 {
        self.rev
    }
}

#[cfg(test)]
mod tests;
