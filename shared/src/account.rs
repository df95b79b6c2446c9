//! An account: the controller, its details, and the scope to work in it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::address::EmailAddress;
use crate::crypto::{AccountKeyMaterial, PlatformSecrets};
use crate::id::{AccountId, KeyId};
use crate::key::{AccountScope, Key};
use crate::page_language::Language;
use crate::record::Stored;

/// A controller's account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its identifier.
    pub id: AccountId,
    /// Grows with each write.
    pub rev: u64,
    /// The controller's name, as visitors read it.
    pub name: String,
    /// Name and postal address, shown on pages and in every mail.
    #[serde(default)]
    pub imprint: String,
    /// Where the privacy notice is.
    #[serde(default)]
    pub privacy_url: String,
    /// The language of what is not tied to a setup.
    #[serde(default)]
    pub language: Language,
    /// IANA time zone; calendar days and months are counted in it.
    pub time_zone: String,
    /// Whom a data subject can write to.
    #[serde(default)]
    pub contact: String,
    /// Domains the account may send from; set by the platform only.
    #[serde(default)]
    pub sender_domains: Vec<String>,
    /// What persons' keys are derived from.
    pub key: AccountKeyMaterial,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<Timestamp>,
    /// From when on it counts as absent, and with it all that is in it (T-04).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gone_at: Option<Timestamp>,
}

impl Account {
    /// The scope to work in this account, unless it is gone or its key cannot be derived.
    pub fn scope(&self, secrets: &PlatformSecrets, now: Timestamp) -> Option<AccountScope> {
        if self.gone_at.is_some_and(|gone_at| gone_at <= now) {
            return None;
        }
        Some(AccountScope::new(self.id.clone(), self.key.key(secrets)?))
    }

    /// Whether visitors are still served: not from the moment the account was closed.
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.closed_at.is_none_or(|closed_at| closed_at > now)
    }

    /// The sender of mails to one person.
    pub fn notice_sender(&self) -> Option<EmailAddress> {
        let domain = self.sender_domains.first()?;
        EmailAddress::parse(&format!("newsletter@{domain}")).ok()
    }
}

/// An account's entry in the directory, through which all accounts are found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectoryEntry {
    /// Which account; it may be gone already.
    pub id: AccountId,
    /// 1.
    pub rev: u64,
}

/// A key of the management API, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    /// Its identifier.
    pub id: KeyId,
    /// Grows with each write.
    pub rev: u64,
    /// What the controller calls it.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// SHA-256 of the secret.
    pub secret_hash: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Read everything but exports and sealed evidence.
    Read,
    /// Change configuration and subscribers.
    Write,
    /// Send campaigns.
    Send,
    /// Export data of a person.
    Export,
    /// Erase a person.
    Erase,
    /// Restore an archive.
    Restore,
    /// Manage keys and the account itself.
    Admin,
}

impl Scope {
    /// All scopes.
    pub const ALL: [Self; 7] = [
        Self::Read,
        Self::Write,
        Self::Send,
        Self::Export,
        Self::Erase,
        Self::Restore,
        Self::Admin,
    ];
}

impl Stored for Account {
    const KIND: &'static str = "account";

    fn key(&self, _: &AccountScope) -> Key {
        Key::account(&self.id)
    }

    fn revision(&self) -> u64 {
        self.rev
    }

    fn expires_at(&self) -> Option<Timestamp> {
        self.gone_at
    }
}

impl Stored for DirectoryEntry {
    const KIND: &'static str = "directory";

    fn key(&self, _: &AccountScope) -> Key {
        Key::directory(&self.id)
    }

    fn revision(&self) -> u64 {
        self.rev
    }
}

impl Stored for ApiKey {
    const KIND: &'static str = "key";

    fn key(&self, scope: &AccountScope) -> Key {
        Key::api_key(scope.account(), &self.id)
    }

    fn revision(&self) -> u64 {
        self.rev
    }
}
