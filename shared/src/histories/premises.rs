//! Where histories take place: an account with its forms, its lists and some people.
//!
//! Built once and never changed: what happens there is in a history.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::json;

use crate::account::Account;
use crate::address::EmailAddress;
use crate::crypto::{AccountKeyMaterial, PlatformSecrets};
use crate::entropy::SeededEntropy;
use crate::evidence::Digest;
use crate::form::{SentValue, Submission};
use crate::id::{AccountId, ImportId, ListId, PersonKey};
use crate::import::{Import, ImportChunk, ImportRequest, Provenance};
use crate::key::AccountScope;
use crate::page_language::Language;
use crate::person::LegalBasis;
use crate::setup::{FormDefinition, List, Mode, Setup};
use crate::subscriber_file::{ImportRow, Layout};
use crate::time::zone;

/// The lists, by number.
pub const LISTS: [&str; 3] = ["news", "offers", "tips"];

/// The forms, by number: identifier, mode, lists.
pub const FORMS: [(&str, Mode, &[usize]); 5] = [
    ("h-single", Mode::Single, &[0, 1]),
    ("h-confirmed", Mode::Confirmed, &[0, 2]),
    ("h-double", Mode::Double, &[0]),
    ("h-double-all", Mode::Double, &[0, 1, 2]),
    ("h-double-two", Mode::Double, &[1, 2]),
];

/// Somebody.
#[derive(Debug, Clone)]
pub struct Somebody {
    /// Their address, in two spellings.
    pub spellings: [EmailAddress; 2],
    /// Their key.
    pub key: PersonKey,
    pub(super) import: Imported,
}

/// An import that names somebody and nobody else, as it was taken.
#[derive(Debug, Clone)]
pub(super) struct Imported {
    pub(super) import: Import,
    pub(super) chunk: ImportChunk,
    pub(super) row: ImportRow,
}

impl Imported {
    fn of(scope: &AccountScope, address: &EmailAddress, now: Timestamp) -> Self {
        let file = format!("email\n{}\n", address.reveal());
        let request = ImportRequest {
            id: ImportId::generate(now, &SeededEntropy::new(1)),
            provenance: Provenance {
                source: String::new(),
                legal_basis: LegalBasis::Consent,
                consented_on: None,
                proof: None,
                conditions: std::collections::BTreeSet::new(),
            },
            list: list_id(LISTS[0]),
            dry_run: false,
            now,
        };
        let layout = Layout::of_file(b"email\na@b.example\n", &[]).expect("a file");
        let (import, mut chunks) = Import::of_file(scope, request, layout, file.as_bytes());
        let chunk = chunks.remove(0);
        let bytes = &file.as_bytes()[chunk.place.start..];
        let mut rows = import.layout.read_chunk(&chunk.place, bytes).into_iter();
        let row = rows.next().and_then(|(_, row)| row.ok()).expect("a row");
        Self { import, chunk, row }
    }
}

/// An account with its forms and people.
#[derive(Debug)]
pub struct Premises {
    pub(super) scope: AccountScope,
    pub(super) zone: TimeZone,
    pub(super) forms: Vec<FormDefinition>,
    /// Version and consent wording of each form.
    pub(super) shown: Vec<(String, String)>,
    pub(super) lists: Vec<ListId>,
    pub(super) people: Vec<Somebody>,
    pub(super) begins: Timestamp,
    /// What each of the people sends with each form, in each spelling.
    submissions: Vec<Vec<[Submission; 2]>>,
}

impl Default for Premises {
    fn default() -> Self {
        Self::new()
    }
}

impl Premises {
    /// How many people there are.
    pub const PEOPLE: usize = 3;

    /// Builds them.
    pub fn new() -> Self {
        let secrets = PlatformSecrets::parse(r#"{"1":"0123456789abcdef0123456789abcdef"}"#)
            .expect("a secret");
        let begins: Timestamp = "2026-11-23T12:00:00Z".parse().expect("a time");
        let account = Account {
            id: AccountId::parse("demo").expect("an identifier"),
            rev: 1,
            name: "Muster GmbH".to_owned(),
            imprint: String::new(),
            privacy_url: String::new(),
            language: Language::De,
            time_zone: "Europe/Vienna".to_owned(),
            contact: String::new(),
            sender_domains: Vec::new(),
            key: AccountKeyMaterial::generate(&secrets, &SeededEntropy::new(11)),
            has_address_rules: false,
            tombstones_marked: false,
            automated_decisions: false,
            audit_months: None,
            created_at: begins,
            evidence_years_after_erasure: crate::account::MAX_EVIDENCE_YEARS,
            unsubscribe_setup: None,
            closed_at: None,
            gone_at: None,
        };
        let scope = account.scope(&secrets, begins).expect("it is open");
        let forms: Vec<FormDefinition> = FORMS.iter().map(form).collect();
        let people: Vec<Somebody> = (0..Self::PEOPLE)
            .map(|number| {
                let spellings = [
                    format!("somebody{number}@muster.example"),
                    format!("SomeBody{number}@MUSTER.example"),
                ]
                .map(|text| EmailAddress::parse(&text).expect("an address"));
                let key = scope.person(&spellings[0]);
                assert_eq!(key, scope.person(&spellings[1]), "one person");
                let import = Imported::of(&scope, &spellings[0], begins);
                Somebody {
                    spellings,
                    key,
                    import,
                }
            })
            .collect();
        Self {
            zone: zone(&account.time_zone).expect("a zone"),
            shown: forms
                .iter()
                .map(|form| (form.version(), form.consent_wording()))
                .collect(),
            submissions: forms
                .iter()
                .map(|form| {
                    let filled = people.iter().enumerate().map(|(who, somebody)| {
                        let spellings = &somebody.spellings;
                        spellings.each_ref().map(|address| {
                            let pairs = [
                                ("email", address.reveal().to_owned()),
                                ("first_name", first_name(who)),
                            ]
                            .map(|(name, value)| (name.to_owned(), SentValue::Text(value)));
                            let today = jiff::civil::date(2027, 1, 15);
                            Submission::parse(&pairs, form, today).expect("a form")
                        })
                    });
                    filled.collect()
                })
                .collect(),
            forms,
            lists: LISTS.map(list_id).to_vec(),
            people,
            begins,
            scope,
        }
    }

    pub(super) fn submission(&self, form: usize, who: usize, spelling: usize) -> &Submission {
        &self.submissions[form][who][spelling]
    }

    /// The numbers of some lists.
    pub fn numbers<'a>(&self, lists: impl IntoIterator<Item = &'a ListId>) -> Vec<usize> {
        let mut numbers: Vec<usize> = lists
            .into_iter()
            .filter_map(|list| self.lists.iter().position(|known| known == list))
            .collect();
        numbers.sort_unstable();
        numbers
    }
}

pub(super) fn first_name(who: usize) -> String {
    format!("Vorname{who}")
}

fn list_id(name: &str) -> ListId {
    ListId::parse(name).expect("an identifier")
}

fn form((id, mode, lists): &(&str, Mode, &[usize])) -> FormDefinition {
    let lists: Vec<List> = lists
        .iter()
        .map(|list| List {
            id: list_id(LISTS[*list]),
            rev: 1,
            name: format!("List {}", LISTS[*list]),
        })
        .collect();
    let setup: Setup = serde_json::from_value(json!({
        "id": id,
        "rev": 1,
        "name": id,
        "mode": mode,
        "lists": lists.iter().map(|list| &list.id).collect::<Vec<_>>(),
        "fields": [{"key": "first_name", "required": false}],
        "form_url": format!("https://shop.example/{id}"),
    }))
    .expect("a setup");
    FormDefinition {
        setup,
        lists,
        declared: Vec::new(),
        interests: Vec::new(),
        notice_version: Digest::of(&[]),
        controller: "Muster GmbH".to_owned(),
    }
}
