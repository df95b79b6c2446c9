//! Unsubscribe setups: in which way people leave, what they are asked and told, and for how long it
//! is known who they were (P-14).
//!
//! Changes nothing about one-click (RFC 8058), which always acts at once, and about what a
//! withdrawal is: that is `consent`'s part.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::evidence::Digest;
use crate::id::{EventId, PersonKey, UnsubscribeSetupId};
use crate::key::{AccountScope, Key};
use crate::page_language::Language;
use crate::person::{UnsubscribedVia, Unsubscription};
use crate::record::Stored;

/// What the button on our page leads to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeavingMode {
    /// Out at once, no mail.
    #[default]
    Single,
    /// Out at once, and a mail that says so.
    Confirmed,
    /// Out when the mailed link is confirmed.
    Double,
}

/// What is left.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeavingScope {
    /// All list mail of the account.
    #[default]
    Account,
    /// The list through which the mail came; everything, where that is not known.
    List,
}

/// Why somebody left: a closed list, so that no text of theirs is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Too many mails.
    TooMany,
    /// Not interested any more.
    NotInterested,
    /// The contents were not what was expected.
    NotAsExpected,
    /// Never asked for it.
    NeverAsked,
    /// Something else.
    Other,
}

impl Reason {
    /// All of them, in the order in which they are offered.
    pub const ALL: [Self; 5] = [
        Self::TooMany,
        Self::NotInterested,
        Self::NotAsExpected,
        Self::NeverAsked,
        Self::Other,
    ];

    /// Its name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TooMany => "too_many",
            Self::NotInterested => "not_interested",
            Self::NotAsExpected => "not_as_expected",
            Self::NeverAsked => "never_asked",
            Self::Other => "other",
        }
    }

    /// The reason of this name; anything else is none, and nobody is refused for it.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }

    /// What people read.
    pub const fn text(self, language: Language) -> &'static str {
        let (de, en) = match self {
            Self::TooMany => ("zu viele E-Mails", "too many e-mails"),
            Self::NotInterested => ("kein Interesse mehr", "not interested any more"),
            Self::NotAsExpected => (
                "die Inhalte sind anders als erwartet",
                "the contents are not what I expected",
            ),
            Self::NeverAsked => ("ich habe mich nie angemeldet", "I never signed up"),
            Self::Other => ("etwas anderes", "something else"),
        };
        language.pick(de, en)
    }
}

/// The way out of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnsubscribeSetup {
    /// Its identifier.
    pub id: UnsubscribeSetupId,
    /// Grows with each write.
    pub rev: u64,
    /// What the controller calls it.
    pub name: String,
    /// What the button leads to.
    #[serde(default)]
    pub mode: LeavingMode,
    /// What is left.
    #[serde(default)]
    pub scope: LeavingScope,
    /// Whether people are asked why, without having to say.
    #[serde(default)]
    pub asks_reason: bool,
    /// The controller's own words in the mail of mode `confirmed`.
    #[serde(default)]
    pub farewell: Option<String>,
    /// Days after which nobody knows any more whose unsubscription it was; none: as long as the
    /// account exists.
    #[serde(default)]
    pub anonymise_days: Option<u32>,
}

impl UnsubscribeSetup {
    /// The most days: as long as a claim may still come up (three years).
    pub const MAX_ANONYMISE_DAYS: u32 = 1_096;

    /// Whether a farewell mail follows. One-click is never changed by a setup.
    pub fn says_farewell(&self, via: UnsubscribedVia) -> bool {
        self.mode == LeavingMode::Confirmed && via == UnsubscribedVia::Page
    }
}

impl Stored for UnsubscribeSetup {
    const KIND: &'static str = "unsubscribe_setup";

    fn key(&self, scope: &AccountScope) -> Key {
        scope.configuration(Self::KIND, self.id.as_str())
    }

    fn revision(&self) -> u64 {
        self.rev
    }
}

/// An unsubscription that is nobody's any more: another key, the day instead of the instant, no
/// reason, no campaign, no place in the evidence ledger (its leaf stays as a digest that says
/// nothing).
///
/// Which key follows from the salt, which is gone with the record: done twice, also after a
/// restore, it is one and the same; `random` stands in where there is none.
pub fn anonymised(left: &Unsubscription, random: [u8; 32], now: Timestamp) -> Unsubscription {
    let secret = left
        .entry
        .map_or_else(|| crate::crypto::hex(&random), |entry| entry.salt.into());
    let Digest(bytes) = Digest::of(&[b"anonymous unsubscription", secret.as_bytes()]);
    let mut person = [0; 16];
    person.copy_from_slice(&bytes[..16]);
    let day = crate::time::day_in(left.at, &jiff::tz::TimeZone::UTC);
    let at = jiff::tz::TimeZone::UTC
        .to_ambiguous_timestamp(day.at(0, 0, 0, 0))
        .compatible()
        .unwrap_or(Timestamp::UNIX_EPOCH);
    let mut event = EventId::earliest(at).to_bytes();
    event[6..].copy_from_slice(&bytes[16..26]);
    Unsubscription {
        event: EventId::from_bytes(event),
        person: PersonKey::from_bytes(person),
        rev: 1,
        at,
        campaign: None,
        entry: None,
        reason: None,
        anonymise_at: None,
        anonymised_at: Some(crate::time::to_millisecond(now)),
        successor: None,
        ..left.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SeededEntropy;
    use crate::evidence::Entry;
    use crate::id::{CampaignId, ListId};

    #[test]
    fn what_was_anonymised_is_nobodys_and_the_same_when_done_again() {
        let entropy = SeededEntropy::new(5);
        let at: Timestamp = "2027-03-09T23:59:59.123Z".parse().unwrap();
        let now: Timestamp = "2027-04-09T00:30:00Z".parse().unwrap();
        let left = Unsubscription {
            event: EventId::generate(at, &entropy),
            person: PersonKey::from_bytes([7; 16]),
            rev: 1,
            at,
            via: UnsubscribedVia::Page,
            lists: vec![ListId::parse("news").unwrap()],
            all: true,
            campaign: Some(CampaignId::parse("march").unwrap()),
            entry: Some(Entry::generate(at, &entropy)),
            setup: Some(UnsubscribeSetupId::parse("polite").unwrap()),
            reason: Some(Reason::TooMany),
            anonymise_at: Some(now),
            anonymised_at: None,
            successor: None,
        };
        let nobody = anonymised(&left, [1; 32], now);
        assert_ne!(nobody.person, left.person);
        assert_eq!(nobody.at.to_string(), "2027-03-09T00:00:00Z");
        assert_eq!(nobody.event.made_at(), nobody.at);
        assert_eq!(
            (nobody.reason, &nobody.campaign, nobody.entry),
            (None, &None, None)
        );
        assert_eq!((&nobody.lists, nobody.all), (&left.lists, true));
        assert_eq!(nobody.due(), None, "once");
        assert_eq!(anonymised(&left, [2; 32], now), nobody, "the salt decides");
        let without = Unsubscription {
            entry: None,
            ..left
        };
        let (one, two) = (
            anonymised(&without, [1; 32], now),
            anonymised(&without, [2; 32], now),
        );
        assert_ne!(one.person, two.person);
    }

    #[test]
    fn only_the_names_on_the_list_are_reasons() {
        for reason in Reason::ALL {
            assert_eq!(Reason::parse(reason.name()), Some(reason));
            let json = serde_json::to_value(reason).unwrap();
            assert_eq!(json, reason.name());
        }
        for other in ["", "TOO_MANY", "weil ich nicht mag", "too_many "] {
            assert_eq!(Reason::parse(other), None, "{other}");
        }
    }
}
