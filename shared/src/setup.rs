//! Sign-up setups: what a form asks, in which opt-in mode, and what the visitor was shown.
//!
//! Reading what a visitor sent against a setup is `form`'s part.

mod declaration;
mod wording;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::crypto::sha256_hex;
use crate::evidence::Digest;
use crate::id::{FieldKey, InterestId, ListId, SetupId};
use crate::key::{AccountScope, Key};
use crate::page_language::Language;
use crate::record::Stored;

/// The opt-in mode (O-01 to O-04). `Confirmed` here is **not** double opt-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Active at once, no mail.
    Single,
    /// Active at once, and an information mail with a way out.
    Confirmed,
    /// Nothing until the mailed link is confirmed.
    Double,
}

impl Mode {
    /// Whether a sign-up makes the person a subscriber at once.
    pub fn activates_at_once(self) -> bool {
        match self {
            Self::Single | Self::Confirmed => true,
            Self::Double => false,
        }
    }

    /// Whether a sign-up proves that the mailbox's owner agreed: a double opt-in alone (O-05).
    pub fn suits_as_proof(self) -> bool {
        !self.activates_at_once()
    }
}

/// When visitors see a setup's form. What the law demands must be there in any case.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Publication {
    /// As soon as nothing is missing.
    #[default]
    WhenComplete,
    /// Now: the controller was told what is missing and has completed it.
    Demanded,
    /// Not yet.
    HeldBack,
}

/// A sign-up setup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setup {
    /// Its identifier, part of the form's URL.
    pub id: SetupId,
    /// Grows with each write.
    pub rev: u64,
    /// What the controller calls it.
    pub name: String,
    /// The opt-in mode.
    pub mode: Mode,
    /// Why `Single` or `Confirmed` is used; they do not suit as proof (O-05).
    #[serde(default)]
    pub justification: Option<String>,
    /// The lists a sign-up is for.
    pub lists: Vec<ListId>,
    /// When visitors see it.
    #[serde(default)]
    pub publication: Publication,
    /// What the address is asked for, if the form says so.
    #[serde(default)]
    pub email_purpose: Option<String>,
    /// What the form asks besides the address.
    #[serde(default)]
    pub fields: Vec<SetupField>,
    /// Interests the form offers.
    #[serde(default)]
    pub interests: Vec<InterestId>,
    /// Whether the form asks for consent to tracking, unticked (L-10).
    #[serde(default)]
    pub asks_tracking_consent: bool,
    /// Whether the form asks for consent to profiling, unticked and apart from tracking (L-10).
    #[serde(default)]
    pub asks_profiling_consent: bool,
    /// Whether the form is meant for minors too; then it asks the age (L-27).
    #[serde(default)]
    pub addresses_minors: bool,
    /// The age that visitors confirm to have: 14 in Austria, 16 in Germany (Art. 8 GDPR, § 4(4)
    /// DSG). Only that they do is kept.
    #[serde(default)]
    pub minimum_age: Option<u8>,
    /// The page the form stands on, as the controller registered it (S-15).
    pub form_url: String,
    /// Where visitors are sent.
    #[serde(default)]
    pub redirects: Redirects,
    /// Hosts that they may be sent to besides the form's own (P-04).
    #[serde(default)]
    pub redirect_hosts: Vec<String>,
    /// The language of form, pages and mails.
    #[serde(default)]
    pub language: Language,
    /// Days until an unconfirmed sign-up expires: 1 to 14 (O-07).
    #[serde(default = "Setup::default_confirm_days")]
    pub confirm_days: u32,
    /// Days after which who has not confirmed is reminded, once; 0 is never (O-07).
    #[serde(default)]
    pub reminder_days: u32,
    /// What the visitor agrees to, in the controller's words.
    #[serde(default)]
    pub consent_wording: Option<String>,
    /// The version of the privacy notice shown; without one it follows from the account.
    #[serde(default)]
    pub notice_version: Option<String>,
    /// Sign-ups per hour before the setup answers 429 (M-30).
    #[serde(default = "Setup::default_hourly_budget")]
    pub hourly_budget: u32,
}

impl Setup {
    /// 7 days (O-07).
    pub const DEFAULT_CONFIRM_DAYS: u32 = 7;
    /// 14 days (O-07).
    pub const MAX_CONFIRM_DAYS: u32 = 14;
    /// Engineering: far above any form's traffic, far below what a flood brings.
    pub const DEFAULT_HOURLY_BUDGET: u32 = 2_000;

    /// Whether everything that a visitor agrees to is there in this language: the controller's own
    /// wording, and the notice that the setup names, are in the setup's language alone.
    pub fn speaks(&self, language: Language) -> bool {
        language == self.language
            || (self.consent_wording.is_none() && self.notice_version.is_none())
    }

    fn default_confirm_days() -> u32 {
        Self::DEFAULT_CONFIRM_DAYS
    }

    fn default_hourly_budget() -> u32 {
        Self::DEFAULT_HOURLY_BUDGET
    }
}

/// A field that a setup asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetupField {
    /// A built-in field's name or a declared field's key.
    pub key: FieldKey,
    /// Whether the form is refused without it.
    #[serde(default)]
    pub required: bool,
    /// What it is asked for; demanded for the date of birth (T-08).
    #[serde(default)]
    pub purpose: Option<String>,
    /// Of the date of birth: month and day are enough (T-08).
    #[serde(default)]
    pub without_year: bool,
}

/// Where visitors are sent; only to the form's own host, and those that the setup allows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Redirects {
    /// After the form was accepted.
    #[serde(default)]
    pub accepted: Option<String>,
    /// After the link was confirmed.
    #[serde(default)]
    pub confirmed: Option<String>,
}

/// A list of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct List {
    /// Its identifier.
    pub id: ListId,
    /// Grows with each write.
    pub rev: u64,
    /// What subscribers read.
    pub name: String,
}

/// A list's identifier that was used once and is never given out again: people's consents and
/// evidence name it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetiredList {
    /// The identifier.
    pub id: ListId,
    /// 1: written once.
    pub rev: u64,
    /// Since when.
    pub retired_at: Timestamp,
}

/// An interest that forms of an account can offer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interest {
    /// Its identifier.
    pub id: InterestId,
    /// Grows with each write.
    pub rev: u64,
    /// What visitors read.
    pub name: String,
}

/// A declared field of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// Its key; forms send it as `field.{key}`.
    pub key: FieldKey,
    /// Grows with each write.
    pub rev: u64,
    /// What visitors read.
    pub label: FieldLabel,
    /// What its values are.
    #[serde(default, rename = "type")]
    pub field_type: FieldType,
}

/// What visitors read at a declared field: the same in every language, or one text for each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum FieldLabel {
    /// In forms of every language.
    Same(String),
    /// One for each language.
    Each {
        /// In German forms.
        de: String,
        /// In English forms.
        en: String,
    },
}

impl FieldLabel {
    /// What a form of this language says.
    pub fn text(&self, language: Language) -> &str {
        match (self, language) {
            (Self::Same(text), _) => text,
            (Self::Each { de, .. }, Language::De) => de,
            (Self::Each { en, .. }, Language::En) => en,
        }
    }
}

/// What a declared field's values are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldType {
    /// One line of text.
    #[default]
    Text,
    /// A whole number.
    Number,
    /// `YYYY-MM-DD`.
    Date,
    /// `MM-DD` (T-08).
    Birthday,
    /// `true` or `false`.
    Boolean,
}

/// The nine built-in fields of S-05 in the form's names, the address in its four parts; the
/// e-mail address itself is apart, being the only one that is always asked.
pub const BUILT_IN_FIELDS: [&str; 11] = [
    "salutation",
    "first_name",
    "last_name",
    "street",
    "postal_code",
    "city",
    "country",
    "advertising_criteria",
    "customer_number",
    "branch_number",
    "date_of_birth",
];

/// What a built-in field is called on pages and in the evidence.
pub fn built_in_label(key: &str, language: Language) -> Option<&'static str> {
    let (de, en) = match key {
        "email" => ("E-Mail-Adresse", "E-mail address"),
        "salutation" => ("Anrede", "Salutation"),
        "first_name" => ("Vorname", "First name"),
        "last_name" => ("Nachname", "Last name"),
        "street" => ("Straße und Hausnummer", "Street and number"),
        "postal_code" => ("Postleitzahl", "Postal code"),
        "city" => ("Ort", "City"),
        "country" => ("Land", "Country"),
        "advertising_criteria" => ("Werbekriterien", "Advertising criteria"),
        "customer_number" => ("Kundennummer", "Customer number"),
        "branch_number" => ("Filialnummer", "Branch number"),
        "date_of_birth" => ("Geburtsdatum", "Date of birth"),
        _ => return None,
    };
    Some(match language {
        Language::De => de,
        Language::En => en,
    })
}

pub use self::declaration::{Declaration, age_legend};

/// A setup with everything that its form shows: what evidence is frozen from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormDefinition {
    /// The setup.
    pub setup: Setup,
    /// Its lists, with the names they have now.
    pub lists: Vec<List>,
    /// The declared fields it asks.
    pub declared: Vec<Field>,
    /// The interests it offers.
    pub interests: Vec<Interest>,
    /// The controller's name.
    pub controller: String,
    /// The version of the privacy notice that it shows.
    pub notice_version: Digest,
}

impl FormDefinition {
    /// What the visitor reads at a field.
    pub fn label(&self, key: &FieldKey) -> String {
        built_in_label(key.as_str(), self.setup.language).map_or_else(
            || {
                self.declared
                    .iter()
                    .find(|field| field.key == *key)
                    .map_or_else(
                        || key.to_string(),
                        |field| field.label.text(self.setup.language).to_owned(),
                    )
            },
            str::to_owned,
        )
    }

    /// What the values of a field are.
    pub fn type_of(&self, key: &FieldKey) -> FieldType {
        if key.as_str() == "date_of_birth" {
            let mut asked = self.setup.fields.iter();
            return match asked.find(|field| field.key == *key) {
                Some(field) if field.without_year => FieldType::Birthday,
                _ => FieldType::Date,
            };
        }
        self.declared
            .iter()
            .find(|field| field.key == *key)
            .map_or(FieldType::Text, |field| field.field_type)
    }

    /// All that the form shows, as canonical JSON (RFC 8785): what evidence names by its digest.
    pub fn shown(&self) -> String {
        let setup = &self.setup;
        crate::evidence::canonical(&json!({
            "v": 4,
            "mode": setup.mode,
            "language": setup.language,
            "controller": self.controller,
            "notice_version": self.notice_version,
            "email_purpose": setup.email_purpose,
            "fields": setup.fields.iter().map(|field| json!({
                "key": field.key,
                "label": self.label(&field.key),
                "required": field.required,
                "purpose": field.purpose,
                "without_year": field.without_year,
            })).collect::<Vec<_>>(),
            "lists": self.lists.iter().map(|list| json!({
                "id": list.id,
                "name": list.name,
            })).collect::<Vec<_>>(),
            "interests": self.interests.iter().map(|interest| json!({
                "id": interest.id,
                "name": interest.name,
            })).collect::<Vec<_>>(),
            "asks_tracking_consent": setup.asks_tracking_consent,
            "asks_profiling_consent": setup.asks_profiling_consent,
            "minimum_age": setup.minimum_age,
            "declarations": self.declarations().iter().map(|declared| json!({
                "name": declared.name,
                "words": declared.words,
            })).collect::<Vec<_>>(),
            "consent_wording": self.consent_wording(),
        }))
    }

    /// Names exactly what was shown: the SHA-256 of [`FormDefinition::shown`] (L-09).
    pub fn version(&self) -> String {
        sha256_hex(self.shown().as_bytes())
    }
}

impl Stored for Setup {
    const KIND: &'static str = "setup";

    fn key(&self, scope: &AccountScope) -> Key {
        scope.configuration(Self::KIND, self.id.as_str())
    }

    fn revision(&self) -> u64 {
        self.rev
    }
}

impl Stored for List {
    const KIND: &'static str = "list";

    fn key(&self, scope: &AccountScope) -> Key {
        scope.configuration(Self::KIND, self.id.as_str())
    }

    fn revision(&self) -> u64 {
        self.rev
    }
}

impl Stored for RetiredList {
    const KIND: &'static str = "retired_list";

    fn key(&self, scope: &AccountScope) -> Key {
        scope.configuration(Self::KIND, self.id.as_str())
    }

    fn revision(&self) -> u64 {
        self.rev
    }
}

impl Stored for Interest {
    const KIND: &'static str = "interest";

    fn key(&self, scope: &AccountScope) -> Key {
        scope.configuration(Self::KIND, self.id.as_str())
    }

    fn revision(&self) -> u64 {
        self.rev
    }
}

impl Stored for Field {
    const KIND: &'static str = "field";

    fn key(&self, scope: &AccountScope) -> Key {
        scope.configuration(Self::KIND, self.key.as_str())
    }

    fn revision(&self) -> u64 {
        self.rev
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::account::{Account, MAX_EVIDENCE_YEARS};
    use crate::crypto::{AccountKeyMaterial, PlatformSecrets};
    use crate::entropy::SeededEntropy;
    use crate::id::AccountId;

    #[test]
    fn the_three_modes_have_their_names_and_no_other_is_one() {
        let modes = [Mode::Single, Mode::Confirmed, Mode::Double];
        let names = ["single", "confirmed", "double"];
        for (mode, name) in modes.into_iter().zip(names) {
            assert_eq!(serde_json::to_value(mode).unwrap(), name);
            assert_eq!(serde_json::from_value::<Mode>(name.into()).unwrap(), mode);
            // Confirmed is not double opt-in, whatever English sources call so (O-04).
            assert_eq!(mode.activates_at_once(), name != "double");
        }
        for other in ["coi", "doi", "soi", "confirmed_opt_in", "Double", ""] {
            assert!(
                serde_json::from_value::<Mode>(other.into()).is_err(),
                "{other}"
            );
        }
        let told = include_str!("../../docs/openapi.yaml");
        let told = told.lines().find(|line| {
            line.contains("mode: {enum: [single, confirmed, double], default: double")
        });
        let told = told.expect("the mode of a setup");
        assert!(told.contains("Confirmed is not double opt-in"), "{told}");
    }

    /// An account with every legal element.
    pub(crate) fn account() -> Account {
        let secrets = PlatformSecrets::parse(r#"{"1":"0123456789abcdef0123456789abcdef"}"#);
        Account {
            id: AccountId::parse("demo").unwrap(),
            rev: 1,
            name: "Muster GmbH".to_owned(),
            imprint: "Mustergasse 1, 1010 Wien".to_owned(),
            privacy_url: "https://muster.example/datenschutz".to_owned(),
            language: Language::De,
            time_zone: "Europe/Vienna".to_owned(),
            contact: "datenschutz@muster.example".to_owned(),
            sender_domains: Vec::new(),
            evidence_years_after_erasure: MAX_EVIDENCE_YEARS,
            unsubscribe_setup: None,
            key: AccountKeyMaterial::generate(&secrets.unwrap(), &SeededEntropy::new(1)),
            has_address_rules: false,
            tombstones_marked: false,
            automated_decisions: false,
            audit_months: None,
            created_at: Timestamp::UNIX_EPOCH,
            closed_at: None,
            gone_at: None,
        }
    }

    /// A double opt-in to one list.
    pub(crate) fn setup() -> Setup {
        let wanted = json!({
            "id": "form", "rev": 1, "name": "Form", "mode": "double", "lists": ["news"],
            "form_url": "https://shop.example/newsletter",
        });
        serde_json::from_value(wanted).unwrap()
    }

    #[test]
    fn an_earlier_setup_is_read_with_what_it_never_had() {
        let setup = setup();
        assert_eq!(setup.publication, Publication::WhenComplete);
        assert_eq!((setup.reminder_days, setup.minimum_age), (0, None));
        assert!(!setup.asks_profiling_consent && !setup.addresses_minors);
        assert!(setup.redirect_hosts.is_empty() && setup.email_purpose.is_none());
    }
}
