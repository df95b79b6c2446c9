//! An account: the controller, its details, and the scope to work in it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::address::EmailAddress;
use crate::crypto::{AccountKeyMaterial, PlatformSecrets};
use crate::id::{AccountId, KeyId, UnsubscribeSetupId};
use crate::key::{AccountScope, Key};
use crate::page_language::Language;
use crate::policy::{Kept, Store};
use crate::record::{Due, DueWork, Stored};
use crate::time::{InvalidTimeZone, plus_seconds, to_millisecond, zone};

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
    /// For how many years sealed evidence of an erased person is kept: 0 to 3 (T-01).
    #[serde(default = "evidence_years")]
    pub evidence_years_after_erasure: u8,
    /// The unsubscribe setup in force; without one the button acts at once and asks nothing.
    #[serde(default)]
    pub unsubscribe_setup: Option<UnsubscribeSetupId>,
    /// What persons' keys are derived from.
    pub key: AccountKeyMaterial,
    /// Whether domains or patterns of addresses are suppressed, so that a sign-up must look.
    #[serde(default)]
    pub has_address_rules: bool,
    /// Whether its mark was put beside its tombstones: from then on a missing one means that they
    /// are missing, too, and nobody puts another.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tombstones_marked: bool,
    /// Whether its questionnaire says that there are automated decisions (Art. 22 GDPR): forms and
    /// notices tell of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub automated_decisions: bool,
    /// Calendar months that entries of its audit log are kept, where it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit_months: Option<u32>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<Timestamp>,
    /// From when on it counts as absent, and with it all that is in it (T-04).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gone_at: Option<Timestamp>,
}

/// The most years that sealed evidence may be kept, and the default: the limitation period.
pub const MAX_EVIDENCE_YEARS: u8 = 3;

fn evidence_years() -> u8 {
    MAX_EVIDENCE_YEARS
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

    /// The account closed at `now`: nobody is served any more from now on, and one calendar month
    /// later it is gone with all that is in it (S-09). `None` when it is closed already: the first
    /// time counts.
    ///
    /// # Errors
    /// When its time zone is none.
    pub fn closed(&self, now: Timestamp) -> Result<Option<Self>, InvalidTimeZone> {
        if self.closed_at.is_some() {
            return Ok(None);
        }
        let (now, zone) = (to_millisecond(now), zone(&self.time_zone)?);
        let gone_at = match Store::Account.kept() {
            Kept::For(_, period) => period.after(now, &zone),
            Kept::WithAccount | Kept::WithPlatform => now,
        };
        Ok(Some(Self {
            rev: self.rev + 1,
            closed_at: Some(now),
            gone_at: Some(gone_at),
            ..self.clone()
        }))
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
    /// Grows with each write.
    pub rev: u64,
    /// Since when the sweeper has not found the account that it names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing_since: Option<Timestamp>,
}

/// How long an account must have been missing until what is left under its name is deleted: one
/// that is just being made has its entry first, and one that an accident took can be brought back.
const MISSING_SECONDS: i64 = 24 * 3_600;

impl DirectoryEntry {
    /// The entry of a new account.
    pub fn new(id: AccountId) -> Self {
        Self {
            id,
            rev: 1,
            missing_since: None,
        }
    }

    /// The entry, once its account was not found at `now` for the first time.
    pub fn noted_missing(&self, now: Timestamp) -> Option<Self> {
        self.missing_since.is_none().then(|| Self {
            rev: self.rev + 1,
            missing_since: Some(now),
            ..self.clone()
        })
    }

    /// Whether its account, not found at `now` again, is lost: it is not on its way.
    pub fn is_orphan(&self, now: Timestamp) -> bool {
        self.missing_since
            .is_some_and(|since| plus_seconds(since, MISSING_SECONDS) <= now)
    }
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

    /// Never: through this item the sweeper finds what is left of the account, so it goes last,
    /// however long that takes.
    fn ttl_at(&self) -> Option<Timestamp> {
        None
    }

    fn due(&self) -> Option<Due> {
        self.gone_at.map(|at| Due {
            work: DueWork::Expire,
            at,
        })
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::consent::ended;
    use crate::entropy::SeededEntropy;
    use crate::id::PersonKey;
    use crate::person::Profile;

    fn open_account() -> Account {
        let secrets = format!(r#"{{"1":"{}"}}"#, "x".repeat(64));
        let secrets = PlatformSecrets::parse(&secrets).unwrap();
        Account {
            unsubscribe_setup: None,
            id: AccountId::parse("a").unwrap(),
            rev: 3,
            name: "A".to_owned(),
            imprint: String::new(),
            privacy_url: String::new(),
            language: Language::De,
            time_zone: "Europe/Vienna".to_owned(),
            contact: String::new(),
            sender_domains: Vec::new(),
            key: AccountKeyMaterial::generate(&secrets, &SeededEntropy::new(1)),
            has_address_rules: false,
            tombstones_marked: false,
            automated_decisions: false,
            audit_months: None,
            created_at: Timestamp::UNIX_EPOCH,
            evidence_years_after_erasure: MAX_EVIDENCE_YEARS,
            closed_at: None,
            gone_at: None,
        }
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn profile() -> Profile {
        let address = EmailAddress::parse("somebody@shop.example").unwrap();
        Profile {
            person: PersonKey::from_bytes([7; 16]),
            rev: 1,
            address: address.clone(),
            spellings: vec![address],
            values: BTreeMap::new(),
            lists: BTreeMap::new(),
            interests: Vec::new(),
            provenance: Vec::new(),
            tracking_since: None,
            profiling_since: None,
            language: Language::De,
            customer: true,
            created_at: Timestamp::UNIX_EPOCH,
            ended_on: None,
            gone_at: None,
        }
    }

    #[test]
    fn a_closed_account_is_gone_one_calendar_month_later() {
        for (closed_at, gone_at) in [
            ("2027-01-31T12:00:00Z", "2027-02-28T12:00:00Z"),
            ("2028-01-31T12:00:00Z", "2028-02-29T12:00:00Z"),
            // The clocks change in between: the same local time.
            ("2027-03-15T12:00:00Z", "2027-04-15T11:00:00Z"),
            // In Vienna it is February already.
            ("2027-01-31T23:30:00Z", "2027-02-28T23:30:00Z"),
        ] {
            let closed = open_account().closed(at(closed_at)).unwrap().unwrap();
            assert_eq!((closed.rev, closed.gone_at), (4, Some(at(gone_at))));
            assert!(!closed.is_open(at(closed_at)));
            assert_eq!(closed.due().map(|due| due.at), closed.expires_at());
            assert_eq!(closed.ttl_at(), None, "nothing but the sweeper deletes it");
            // The first time counts.
            assert_eq!(closed.closed(at("2027-12-01T00:00:00Z")), Ok(None));
        }
        assert!(open_account().is_open(at("2027-01-31T12:00:00Z")));
    }

    #[test]
    fn an_account_is_lost_that_is_missing_still_and_not_one_that_is_being_made() {
        let entry = DirectoryEntry::new(AccountId::parse("a").unwrap());
        let now = at("2027-03-01T10:00:00Z");
        assert!(!entry.is_orphan(now));
        let noted = entry.noted_missing(now).unwrap();
        assert_eq!((noted.rev, noted.noted_missing(now)), (2, None));
        assert!(!noted.is_orphan(at("2027-03-02T09:59:59Z")));
        assert!(noted.is_orphan(at("2027-03-02T10:00:00Z")));
        // As it was stored before this was noted.
        let stored = serde_json::from_str(r#"{"id":"a","rev":1}"#);
        assert_eq!(stored.ok(), Some(entry));
    }

    #[test]
    fn of_the_two_clocks_the_earlier_one_counts() {
        let secrets = format!(r#"{{"1":"{}"}}"#, "x".repeat(64));
        let secrets = PlatformSecrets::parse(&secrets).unwrap();
        let vienna = zone("Europe/Vienna").unwrap();
        for (ended_on, closed_at, readable_until) in [
            (None, None, None),
            (Some("2027-01-10"), None, Some("2027-02-10T23:00:00Z")),
            (
                None,
                Some("2027-01-20T08:00:00Z"),
                Some("2027-02-20T08:00:00Z"),
            ),
            (
                Some("2027-01-10"),
                Some("2027-01-20T08:00:00Z"),
                Some("2027-02-10T23:00:00Z"),
            ),
            (
                Some("2027-01-25"),
                Some("2027-01-20T08:00:00Z"),
                Some("2027-02-20T08:00:00Z"),
            ),
            (
                Some("2099-12-31"),
                Some("2027-01-20T08:00:00Z"),
                Some("2027-02-20T08:00:00Z"),
            ),
        ] {
            let account = match closed_at {
                Some(closed_at) => open_account().closed(at(closed_at)).unwrap().unwrap(),
                None => open_account(),
            };
            let profile = profile();
            let profile = match ended_on {
                Some(on) => ended(&profile, on.parse().unwrap(), &vienna),
                None => profile,
            };
            let readable = |now: Timestamp| {
                account.scope(&secrets, now).is_some()
                    && profile.gone_at.is_none_or(|end| end > now)
            };
            match readable_until.map(at) {
                None => assert!(readable(at("2098-01-01T00:00:00Z"))),
                Some(until) => {
                    assert!(readable(crate::time::plus_seconds(until, -1)), "{until}");
                    assert!(!readable(until), "{until}");
                }
            }
        }
    }
}
