//! The audit log: who called what in the management API, on which things, and what came of it.
//!
//! Identifiers only, never personal data. Written once, never changed; what is recorded is decided
//! here, writing it is the function's part.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::account::{Account, Scope};
use crate::id::{EventId, KeyId, PersonKey, RecordId};
use crate::key::{AccountScope, Key};
use crate::policy::{Settings, Store};
use crate::record::{Due, DueWork, Stored};

/// Months that entries are kept where the account says nothing (DESIGN section 4).
pub const DEFAULT_MONTHS: u32 = 12;
/// The most an account may say (engineering): the usual period for legal claims.
pub const MAX_MONTHS: u32 = 36;

/// Who acted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Actor {
    /// The platform's operators, with the platform key.
    Platform,
    /// A key of the account.
    Key {
        /// Which.
        id: KeyId,
        /// What it could do then.
        scopes: Vec<Scope>,
    },
    /// A function that an operator started.
    Function {
        /// Its name.
        name: String,
    },
}

impl Actor {
    /// How the log names it.
    pub fn name(&self) -> &str {
        match self {
            Self::Platform => "platform",
            Self::Key { id, .. } => id.as_str(),
            Self::Function { name } => name,
        }
    }

    /// What it could do; a key alone is limited by scopes.
    pub fn scopes(&self) -> &[Scope] {
        match self {
            Self::Key { scopes, .. } => scopes,
            Self::Platform | Self::Function { .. } => &[],
        }
    }
}

/// A call: what the route's template is, and what it named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The method.
    pub method: String,
    /// The route's template, not the path.
    pub route: String,
    /// What stood in the path for the template's names.
    pub named: Vec<(String, String)>,
    /// What was answered.
    pub status: u16,
    /// The identifier of what was made.
    pub created: Option<String>,
}

/// Reads that are recorded like changes: of what proves consent, and of what leaves the platform
/// (T-01).
const WATCHED: [&str; 7] = [
    "evidence",
    "export",
    "portable",
    "certificate",
    "signups",
    "unsubscriptions",
    "backups",
];

/// Whether a call of this method and route is recorded.
pub fn is_recorded(method: &str, route: &str) -> bool {
    match method {
        "GET" | "HEAD" => route.split('/').any(|segment| WATCHED.contains(&segment)),
        "OPTIONS" => false,
        _ => true,
    }
}

/// Whether a recorded call only reads: then nothing is answered that could not be recorded.
pub fn only_reads(method: &str) -> bool {
    matches!(method, "GET" | "HEAD")
}

impl Call {
    /// What it was about. What a refused call names need not be an identifier: somebody may have
    /// put an address there. Only what the platform itself makes is kept of that.
    fn targets(self) -> BTreeMap<String, String> {
        let succeeded = (200..400).contains(&self.status);
        self.named
            .into_iter()
            .filter(|(name, value)| name != "account" && (succeeded || is_made_here(value)))
            .chain(self.created.map(|id| ("created".to_owned(), id)))
            .collect()
    }
}

/// Whether this is an identifier of the platform's own making, in which nobody's words can be.
fn is_made_here(text: &str) -> bool {
    let has_number = || {
        let (_, number) = text.split_once('_')?;
        EventId::parse(&number.to_ascii_uppercase()).ok()
    };
    PersonKey::parse(text).is_ok()
        || RecordId::parse(text).is_ok()
        || EventId::parse(text).is_ok()
        || has_number().is_some()
}

/// An entry of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Which; in the order of time.
    pub id: EventId,
    /// 1: written once.
    pub rev: u64,
    /// When the call came in.
    pub at: Timestamp,
    /// Who called.
    pub by: Actor,
    /// The method.
    pub method: String,
    /// The route's template.
    pub route: String,
    /// Identifiers by the template's names, and of what was made.
    pub targets: BTreeMap<String, String>,
    /// What was answered.
    pub status: u16,
    /// When it counts as absent.
    pub gone_at: Timestamp,
}

impl AuditEntry {
    /// The entry of a call that came in at `at`; `account` says how long it is kept.
    pub fn new(
        id: EventId,
        at: Timestamp,
        by: Actor,
        call: Call,
        account: Option<&Account>,
    ) -> Self {
        Self {
            id,
            rev: 1,
            at,
            by,
            method: call.method.clone(),
            route: call.route.clone(),
            status: call.status,
            targets: call.targets(),
            gone_at: Self::kept_until(at, account),
        }
    }

    /// Until when an entry of a call at `at` is kept.
    pub fn kept_until(at: Timestamp, account: Option<&Account>) -> Timestamp {
        let kept = Store::AuditLog.kept();
        account
            .map_or(kept, |account| kept.under(&Settings::of(account, &[])))
            .until(at)
            .unwrap_or(Timestamp::MAX)
    }

    /// Where an entry of no account is.
    pub fn place(id: EventId) -> Key {
        Key::global(Self::KIND, id.to_string())
    }
}

impl Stored for AuditEntry {
    const KIND: &'static str = "audit";

    fn key(&self, scope: &AccountScope) -> Key {
        scope.audit(self.id)
    }

    fn revision(&self) -> u64 {
        self.rev
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.gone_at)
    }

    fn due(&self) -> Option<Due> {
        Some(Due {
            work: DueWork::Expire,
            at: self.gone_at,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_and_reads_of_evidence_are_recorded_and_nothing_else() {
        for (method, route, expected) in [
            ("POST", "/api/v1/accounts/{account}/lists", true),
            ("PUT", "/api/v1/operator", true),
            ("PATCH", "/api/v1/accounts/{account}", true),
            (
                "DELETE",
                "/api/v1/accounts/{account}/subscribers/{id}",
                true,
            ),
            (
                "GET",
                "/api/v1/accounts/{account}/subscribers/{id}/evidence",
                true,
            ),
            (
                "GET",
                "/api/v1/accounts/{account}/subscribers/{id}/export",
                true,
            ),
            (
                "HEAD",
                "/api/v1/accounts/{account}/signups/{id}/certificate",
                true,
            ),
            ("GET", "/api/v1/accounts/{account}/signups", true),
            ("GET", "/api/v1/accounts/{account}/backups/{id}", true),
            ("GET", "/api/v1/accounts/{account}/lists", false),
            ("GET", "/api/v1/accounts/{account}/audit", false),
            ("GET", "/api/v1/accounts/{account}", false),
            ("OPTIONS", "/api/v1/accounts/{account}/lists", false),
        ] {
            assert_eq!(is_recorded(method, route), expected, "{method} {route}");
        }
    }

    #[test]
    fn of_a_refused_call_only_identifiers_of_our_own_making_are_kept() {
        let (person, event) = (
            "0123456789abcdef0123456789abcdef",
            "01KG0000000000000000000000",
        );
        let record = format!("{person}-{event}");
        for (named, status, kept) in [
            ("news", 200, true),
            ("news", 404, false),
            ("anna-mueller", 403, false),
            ("anna@x.example", 404, false),
            (person, 404, true),
            (event, 404, true),
            (&record, 403, true),
            ("cmp_01kg0000000000000000000000", 409, true),
            ("cmp_anna", 409, false),
            ("anna_01kg000000000000000000000", 409, false),
        ] {
            let call = Call {
                method: "GET".to_owned(),
                route: "/{account}/{id}".to_owned(),
                named: vec![
                    ("account".to_owned(), "demo".to_owned()),
                    ("id".to_owned(), named.to_owned()),
                ],
                status,
                created: None,
            };
            let targets = call.targets();
            assert!(!targets.contains_key("account"), "it is whose log it is");
            assert_eq!(targets.contains_key("id"), kept, "{named} {status}");
        }
    }

    #[test]
    fn an_entry_is_kept_for_calendar_months() {
        let at: Timestamp = "2027-01-31T10:00:00Z".parse().unwrap();
        let call = Call {
            method: "POST".to_owned(),
            route: "/".to_owned(),
            named: Vec::new(),
            status: 201,
            created: None,
        };
        let id = EventId::from_bytes([1; 16]);
        let entry = AuditEntry::new(id, at, Actor::Platform, call, None);
        assert_eq!(entry.gone_at.to_string(), "2028-01-31T10:00:00Z");
        assert_eq!(entry.expires_at(), Some(entry.gone_at));
    }
}
