//! The privacy notice that a sign-up shows (Art. 13 GDPR): versions that never change, each named
//! by the digest of its words.
//!
//! Says which one is in force for a setup and what a setup still lacks; keeping and showing them is
//! the function's part.

mod derived;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::account::Account;
use crate::evidence::Digest;
use crate::key::{AccountScope, Key};
use crate::page_language::Language;
use crate::record::Stored;
use crate::setup::{Publication, Setup};

/// What Art. 13(1) and (2) GDPR demand (L-14).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Element {
    /// Identity and contact details of the controller: (1)(a) and (b).
    Controller,
    /// Purposes and legal bases, and what must be given: (1)(c) and (d), (2)(e).
    Purposes,
    /// Recipients: (1)(e).
    Recipients,
    /// Transfers to third countries and their safeguards: (1)(f).
    Transfers,
    /// How long the data are kept: (2)(a).
    Storage,
    /// The rights of the person, and automated decisions: (2)(b) and (f).
    Rights,
    /// That consent can be withdrawn, and how: (2)(c).
    Withdrawal,
    /// The complaint to an authority: (2)(d).
    Complaint,
}

impl Element {
    /// All of them, in the order in which they are read.
    pub const ALL: [Self; 8] = [
        Self::Controller,
        Self::Purposes,
        Self::Recipients,
        Self::Transfers,
        Self::Storage,
        Self::Rights,
        Self::Withdrawal,
        Self::Complaint,
    ];

    /// Its name in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Controller => "controller",
            Self::Purposes => "purposes",
            Self::Recipients => "recipients",
            Self::Transfers => "transfers",
            Self::Storage => "storage",
            Self::Rights => "rights",
            Self::Withdrawal => "withdrawal",
            Self::Complaint => "complaint",
        }
    }

    /// The heading above it.
    pub const fn heading(self, language: Language) -> &'static str {
        let (de, en) = match self {
            Self::Controller => ("Verantwortlicher", "Controller"),
            Self::Purposes => ("Zwecke und Rechtsgrundlagen", "Purposes and legal bases"),
            Self::Recipients => ("Empfänger", "Recipients"),
            Self::Transfers => (
                "Übermittlung in Drittländer",
                "Transfers to third countries",
            ),
            Self::Storage => ("Dauer der Speicherung", "Period of storage"),
            Self::Rights => ("Ihre Rechte", "Your rights"),
            Self::Withdrawal => ("Widerruf der Einwilligung", "Withdrawal of consent"),
            Self::Complaint => ("Beschwerde", "Complaint"),
        };
        language.pick(de, en)
    }
}

/// A notice in one language.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrivacyNotice {
    /// The format of the text.
    v: u8,
    /// The language it is in.
    pub language: Language,
    /// Its elements; a stored one has all of them.
    pub elements: BTreeMap<Element, String>,
    /// Where the controller says more.
    pub url: Option<String>,
}

/// The format that is written today.
const FORMAT: u8 = 1;

impl PrivacyNotice {
    /// A notice of these elements.
    pub fn new(
        language: Language,
        elements: BTreeMap<Element, String>,
        url: Option<String>,
    ) -> Self {
        Self {
            v: FORMAT,
            language,
            elements,
            url,
        }
    }

    /// The elements that say nothing.
    pub fn missing(&self) -> Vec<Element> {
        let says = |element: &Element| {
            self.elements
                .get(element)
                .is_some_and(|text| !text.trim().is_empty())
        };
        Element::ALL
            .into_iter()
            .filter(|element| !says(element))
            .collect()
    }

    /// All of it as canonical JSON (RFC 8785): what is kept, and what the version is the digest of.
    pub fn text(&self) -> String {
        crate::evidence::canonical(&json!(self))
    }

    /// Reads what [`PrivacyNotice::text`] wrote.
    pub fn of_text(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

/// A version that the controller wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoticeVersion {
    /// The SHA-256 of its words: its identifier.
    pub sha256: Digest,
    /// 1: it never changes.
    pub rev: u64,
    /// What the controller calls it.
    pub name: String,
    /// What it says.
    pub notice: PrivacyNotice,
    /// Since when it is there.
    pub created_at: Timestamp,
}

impl NoticeVersion {
    /// A version of these words.
    pub fn new(name: String, notice: PrivacyNotice, now: Timestamp) -> Self {
        Self {
            sha256: Digest::of(&[notice.text().as_bytes()]),
            rev: 1,
            name,
            notice,
            created_at: now,
        }
    }

    /// What the keys of all versions begin with, in the account's partition.
    pub fn prefix() -> String {
        format!("{}#", Self::KIND)
    }

    /// Where the version with this digest is.
    pub fn place(scope: &AccountScope, sha256: Digest) -> Key {
        scope.configuration(Self::KIND, &sha256.to_string())
    }
}

impl Stored for NoticeVersion {
    const KIND: &'static str = "notice";

    fn key(&self, scope: &AccountScope) -> Key {
        Self::place(scope, self.sha256)
    }

    fn revision(&self) -> u64 {
        self.rev
    }
}

/// The notice in force for a setup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InForce {
    /// The version that the setup names; it was kept when it was made.
    Named(Digest),
    /// The one that follows from account and setup; it is kept with the first sign-up under it.
    Derived {
        /// The digest of the text.
        version: Digest,
        /// What [`PrivacyNotice::text`] says of it.
        text: String,
    },
}

impl InForce {
    /// The notice in force for a setup of an account, without asking anybody.
    pub fn of(account: &Account, setup: &Setup) -> Self {
        if let Some(named) = named(setup) {
            return Self::Named(named);
        }
        let text = derived::notice(account, setup).text();
        Self::Derived {
            version: Digest::of(&[text.as_bytes()]),
            text,
        }
    }

    /// Its version.
    pub fn version(&self) -> Digest {
        match self {
            Self::Named(version) | Self::Derived { version, .. } => *version,
        }
    }

    /// The text that follows from account and setup, if it is this version.
    pub fn text_of(self, asked: Digest) -> Option<String> {
        match self {
            Self::Derived { version, text } if version == asked => Some(text),
            Self::Derived { .. } | Self::Named(_) => None,
        }
    }
}

/// The version that a setup names.
pub fn named(setup: &Setup) -> Option<Digest> {
    Digest::try_from(setup.notice_version.clone()?).ok()
}

/// A legal element without which no form is shown to anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Missing {
    /// Who the controller is, with a postal address: pages and mails show it.
    Imprint,
    /// Where the privacy notice of the controller is.
    PrivacyUrl,
    /// Whom people turn to about their rights.
    Contact,
}

impl Missing {
    /// The account's member that says it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Imprint => "imprint",
            Self::PrivacyUrl => "privacy_url",
            Self::Contact => "contact",
        }
    }
}

/// What keeps a setup from being published. A notice of the controller's own has all elements of
/// Art. 13; of a derived one the account must say those that only the controller knows.
pub fn missing(account: &Account, setup: &Setup) -> Vec<Missing> {
    let blank = |text: &str| text.trim().is_empty();
    let is_derived = named(setup).is_none();
    [
        (Missing::Imprint, blank(&account.imprint)),
        (
            Missing::PrivacyUrl,
            is_derived && blank(&account.privacy_url),
        ),
        (Missing::Contact, is_derived && blank(&account.contact)),
    ]
    .into_iter()
    .filter_map(|(missing, is_missing)| is_missing.then_some(missing))
    .collect()
}

/// Whether visitors see a setup's form.
pub fn is_published(account: &Account, setup: &Setup) -> bool {
    setup.publication != Publication::HeldBack && missing(account, setup).is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_reads_back_as_it_was_written_and_names_what_it_lacks() {
        let said = |elements: &[Element]| {
            let elements = elements.iter().map(|one| (*one, "x\ny".to_owned()));
            PrivacyNotice::new(Language::En, elements.collect(), None)
        };
        let whole = said(&Element::ALL);
        assert_eq!(PrivacyNotice::of_text(&whole.text()), Some(whole.clone()));
        assert!(whole.missing().is_empty());
        for left_out in Element::ALL {
            let others: Vec<Element> = Element::ALL
                .into_iter()
                .filter(|one| *one != left_out)
                .collect();
            let mut notice = said(&others);
            assert_eq!(notice.missing(), [left_out]);
            notice.elements.insert(left_out, " \n".to_owned());
            assert_eq!(notice.missing(), [left_out], "blank is nothing");
        }
        assert_eq!(PrivacyNotice::of_text("{}"), None);
        assert_eq!(PrivacyNotice::of_text(r#"{"v":3,"mode":"double"}"#), None);
    }
}
