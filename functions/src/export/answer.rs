//! What a person gets of their data: the answer to Art. 15 and to Art. 20 GDPR, in each form.
//!
//! What is stored where, `export` knows; the information beside the copy is the record of
//! processing's. Who may ask is the caller's part.

use askama::Template;
use jiff::Timestamp;
use rundbrief::account::Account;
use rundbrief::form::{FieldValue, wire_name};
use rundbrief::key::AccountScope;
use rundbrief::page_language::Language;
use rundbrief::person::{Person, Profile};
use rundbrief::processing::{Role, Section};
use rundbrief::setup::BUILT_IN_FIELDS;
use rundbrief::subscriber_file::VALUE_SEPARATOR;
use rundbrief::time::ShownInstant;
use serde_json::{Map, Value, json};

use super::copy;
use super::words::name_of;
use crate::app::{App, Trouble};
use crate::erasure;
use crate::record_of_processing::document;

/// The sections of the record of processing that answer Art. 15(1)(a) to (h) and (2).
const SECTIONS: [&str; 10] = [
    "responsible_office",
    "process",
    "data_subjects",
    "data",
    "legal_bases",
    "evidence",
    "recipients",
    "transfers",
    "storage",
    "rights",
];

/// Everything that Art. 15 asks for about one person.
pub(crate) struct Access<'a> {
    account: &'a Account,
    person: &'a Person,
    language: Language,
    sections: Vec<Section>,
    data: Map<String, Value>,
    made_at: Timestamp,
}

impl<'a> Access<'a> {
    /// Gathers it; `None` when nothing is stored of the person. `language`: the person's own, or the
    /// account's, unless one is asked for.
    ///
    /// # Errors
    /// When the store does not answer.
    pub(crate) async fn of(
        app: &App,
        (account, scope): (&'a Account, &AccountScope),
        person: &'a Person,
        language: Option<Language>,
        now: Timestamp,
    ) -> Result<Option<Self>, Trouble> {
        let Some(mut data) = copy(app, scope, person, now).await? else {
            return Ok(None);
        };
        let mut before = Vec::new();
        for former in erasure::formers(app, scope, person.key, now).await? {
            let former = app.store.person(scope, former, now).await?;
            before.extend(copy(app, scope, &former, now).await?.map(Value::Object));
        }
        if !before.is_empty() {
            data.insert("former_addresses".to_owned(), before.into());
        }
        let spoken = person.profile.as_ref().map(|profile| profile.language);
        let language = language.or(spoken).unwrap_or(account.language);
        let whole = (account, scope);
        let record = Box::pin(document(app, whole, language, Role::Controller, now)).await?;
        // The record's sections, as far as they are about what the person may know.
        let sections = record.sections.into_iter();
        Ok(Some(Self {
            account,
            person,
            language,
            sections: sections
                .filter(|section| SECTIONS.contains(&section.id))
                .collect(),
            data,
            made_at: now,
        }))
    }

    /// For programs.
    pub(crate) fn json(&self) -> Value {
        json!({
            "subscriber": self.person.key,
            "exported_at": ShownInstant(self.made_at),
            "language": self.language,
            "information": {
                "controller": {
                    "name": self.account.name,
                    "imprint": self.account.imprint,
                    "contact": self.account.contact,
                    "privacy_url": self.account.privacy_url,
                },
                "sections": self.sections,
                "source": source(self.person, self.language),
                "automated_decisions": AUTOMATED.pick(self.language),
                "complaint": COMPLAINT.pick(self.language),
            },
            "data": self.data,
        })
    }

    /// To read and to print.
    ///
    /// # Errors
    /// Never: the template calls nothing that fails.
    pub(crate) fn html(&self) -> Result<String, Trouble> {
        let language = self.language;
        let printed = Printed {
            language,
            title: language.pick("Auskunft über Ihre Daten", "Access to your data"),
            made: format!("{:.0}", self.made_at),
            controller: &self.account.name,
            imprint: &self.account.imprint,
            contact: &self.account.contact,
            data_heading: language.pick("Kopie Ihrer Daten", "Copy of your data"),
            data: self
                .data
                .iter()
                .map(|(name, value)| {
                    let mut rows = Vec::new();
                    flatten(String::new(), value, language, &mut rows);
                    (heading(name, language), rows)
                })
                .collect(),
            sections: &self.sections,
            more: [
                (
                    language.pick("Automatisierte Entscheidungen", "Automated decisions"),
                    AUTOMATED.pick(language),
                ),
                (
                    language.pick("Beschwerde", "Complaint"),
                    COMPLAINT.pick(language),
                ),
            ],
        };
        printed.render().map_err(|_| Trouble::Damaged)
    }
}

struct Both(&'static str, &'static str);

impl Both {
    fn pick(&self, language: Language) -> &'static str {
        language.pick(self.0, self.1)
    }
}

const AUTOMATED: Both = Both(
    "Es findet keine automatisierte Entscheidungsfindung und kein Profiling nach Art. 22 DSGVO statt.",
    "There is no automated decision-making and no profiling within the meaning of Art. 22 GDPR.",
);
const COMPLAINT: Both = Both(
    "Sie können sich bei einer Datenschutz-Aufsichtsbehörde beschweren (Art. 77 DSGVO), insbesondere in dem Mitgliedstaat, in dem Sie leben oder arbeiten; in Österreich bei der Datenschutzbehörde, Barichgasse 40-42, 1030 Wien, dsb.gv.at.",
    "You may complain to a data protection authority (Art. 77 GDPR), in particular where you live or work; in Austria to the Datenschutzbehörde, Barichgasse 40-42, 1030 Wien, dsb.gv.at.",
);
const BY_PERSON: Both = Both(
    "von Ihnen selbst, über ein Anmeldeformular",
    "from you yourself, by a sign-up form",
);

/// Where the data come from (Art. 15(1)(g)).
fn source(person: &Person, language: Language) -> Vec<String> {
    let imports = person.profile.iter().flat_map(|known| &known.provenance);
    let mut sources: Vec<String> = Vec::new();
    for import in imports {
        let source = &import.provenance.source;
        if !sources.contains(source) {
            sources.push(source.clone());
        }
    }
    let signed_up = person.profile.iter().any(|profile| {
        profile
            .lists
            .values()
            .any(|consent| matches!(consent.proof, rundbrief::person::Proof::SignUp(_)))
    });
    if signed_up || sources.is_empty() {
        sources.push(BY_PERSON.pick(language).to_owned());
    }
    sources
}

#[derive(Template)]
#[template(path = "export.html")]
struct Printed<'a> {
    language: Language,
    title: &'static str,
    made: String,
    controller: &'a str,
    imprint: &'a str,
    contact: &'a str,
    data_heading: &'static str,
    data: Vec<(&'static str, Vec<(String, String)>)>,
    sections: &'a [Section],
    more: [(&'static str, &'static str); 2],
}

fn heading(name: &str, language: Language) -> &'static str {
    let (de, en) = match name {
        "profile" => ("Stammdaten und Einwilligungen", "Master data and consents"),
        "withdrawal" => ("Widerrufe", "Withdrawals"),
        "suppression" => ("Sperrvermerk", "Suppression mark"),
        "sign_ups" => ("Anmeldungen (Nachweise)", "Sign-ups (evidence)"),
        "unsubscriptions" => ("Abmeldungen", "Unsubscriptions"),
        "address_changes" => (
            "Adressänderungen, die warten",
            "Changes of address that wait",
        ),
        "single_mails" => ("Einzelne E-Mails an Sie", "Single mails to you"),
        "campaigns" => ("Aussendungen an Sie", "Campaigns sent to you"),
        "erasures" => ("Löschungen", "Erasures"),
        "requests" => ("Ihre Anträge", "Your requests"),
        "former_addresses" => (
            "Unter Ihren früheren Adressen",
            "Under your former addresses",
        ),
        "restricted_evidence" => ("Versiegelte Nachweise", "Sealed evidence"),
        _ => (
            "Einsicht in versiegelte Nachweise",
            "Access to sealed evidence",
        ),
    };
    language.pick(de, en)
}

/// A value as lines of a table.
fn flatten(path: String, value: &Value, language: Language, rows: &mut Vec<(String, String)>) {
    let join = |name: &str| {
        if path.is_empty() {
            name.to_owned()
        } else {
            format!("{path} › {name}")
        }
    };
    match value {
        Value::Null => {}
        Value::Object(members) => {
            for (name, value) in members {
                if let Some(name) = name_of(name, language) {
                    flatten(join(&name), value, language, rows);
                }
            }
        }
        Value::Array(values) => {
            for (number, value) in values.iter().enumerate() {
                flatten(join(&(number + 1).to_string()), value, language, rows);
            }
        }
        Value::String(text) => rows.push((path, text.clone())),
        Value::Bool(flag) => {
            let said = if *flag {
                language.pick("ja", "yes")
            } else {
                language.pick("nein", "no")
            };
            rows.push((path, said.to_owned()));
        }
        Value::Number(number) => rows.push((path, number.to_string())),
    }
}

/// What the person gave (Art. 20(1)): nothing that was concluded from it.
pub(crate) fn portable_json(person: &Person, profile: &Profile) -> Value {
    let mut fields = Map::new();
    for (key, value) in &profile.values {
        fields.insert(wire_name(key.as_str()), json!(value));
    }
    json!({
        "email": profile.address,
        "fields": fields,
        "lists": person.active_lists(),
        "interests": profile.interests,
        "language": profile.language,
    })
}

/// The profile as a file that an import takes, without loss.
///
/// # Errors
/// Never: it is written into memory.
pub(crate) fn portable_csv(profile: &Profile) -> Result<String, Trouble> {
    file(profile).map_err(|_| Trouble::Damaged)
}

fn file(profile: &Profile) -> Result<String, csv::Error> {
    let mut header = vec!["email".to_owned()];
    let mut row = vec![profile.address.reveal().to_owned()];
    let built_in = |key: &str| BUILT_IN_FIELDS.contains(&key);
    let mut values: Vec<_> = profile.values.iter().collect();
    values.sort_by_key(|(key, _)| !built_in(key.as_str()));
    for (key, value) in values {
        header.push(wire_name(key.as_str()));
        row.push(match value {
            FieldValue::One(text) => text.reveal().to_owned(),
            FieldValue::Many(texts) => texts
                .iter()
                .map(rundbrief::personal::PersonalText::reveal)
                .collect::<Vec<_>>()
                .join(&VALUE_SEPARATOR.to_string()),
        });
    }
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(&header)?;
    writer.write_record(&row)?;
    let bytes = writer
        .into_inner()
        .map_err(csv::IntoInnerError::into_error)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
