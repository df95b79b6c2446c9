//! `subscribers/{id}/export` (Art. 15 GDPR) and `…/portable` (Art. 20): what is stored of a person.
//!
//! As JSON, and as a page to read or a file to import elsewhere. What is stored where, `export`
//! knows; the information beside the copy is the record of processing's.

use askama::Template;
use axum::response::Response;
use lambda_http::http::{HeaderValue, Uri, header};
use rundbrief::account::Scope;
use rundbrief::form::{FieldValue, wire_name};
use rundbrief::id::PersonKey;
use rundbrief::page_language::Language;
use rundbrief::person::{Person, Profile};
use rundbrief::processing::Section;
use rundbrief::setup::BUILT_IN_FIELDS;
use rundbrief::subscriber_file::VALUE_SEPARATOR;
use rundbrief::time::ShownInstant;
use serde_json::{Map, Value, json};

use super::super::access::{Access, Desk};
use super::super::answer::{Answer, Refused, found};
use super::super::listing::Parameters;
use super::super::record;
use crate::app::Trouble;
use crate::export::copy;
use crate::problem::Problem;

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

async fn known(desk: &Desk) -> Result<(Person, Map<String, Value>), Refused> {
    let key: PersonKey = desk.id()?;
    let person = desk.app.store.person(&desk.scope, key, desk.now).await?;
    let data = copy(&desk.app, &desk.scope, &person, desk.now).await?;
    Ok((person, data.ok_or(Problem::NOT_FOUND)?))
}

pub(super) async fn export(access: Access, uri: Uri) -> Answer {
    let desk = access.with(Scope::Export)?;
    let parameters = Parameters::of(&uri);
    let as_page = match parameters.get("format") {
        None | Some("json") => false,
        Some("html") => true,
        Some(_) => return Err(Refused::field("format", "unknown")),
    };
    let asked = parameters
        .get("lang")
        .map(Language::parse)
        .transpose()
        .map_err(|_| Refused::field("lang", "unknown"))?;
    let (person, data) = known(&desk).await?;
    let spoken = person.profile.as_ref().map(|profile| profile.language);
    let language = asked.or(spoken).unwrap_or(desk.account.language);
    let sections = Box::pin(information(&desk, language)).await?;
    if as_page {
        return page(&desk, language, &sections, &data);
    }
    Ok(found(&json!({
        "subscriber": person.key,
        "exported_at": ShownInstant(desk.now),
        "language": language,
        "information": {
            "controller": {
                "name": desk.account.name,
                "imprint": desk.account.imprint,
                "contact": desk.account.contact,
                "privacy_url": desk.account.privacy_url,
            },
            "sections": sections,
            "source": source(&person, language),
            "automated_decisions": AUTOMATED.pick(language),
            "complaint": COMPLAINT.pick(language),
        },
        "data": data,
    })))
}

/// The record's sections, as far as they are about what the person may know.
async fn information(desk: &Desk, language: Language) -> Result<Vec<Section>, Refused> {
    let record = Box::pin(record::in_language(desk, language)).await?;
    let asked = record.sections.into_iter();
    Ok(asked
        .filter(|section| SECTIONS.contains(&section.id))
        .collect())
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

fn page(
    desk: &Desk,
    language: Language,
    sections: &[Section],
    data: &Map<String, Value>,
) -> Answer {
    let printed = Printed {
        language,
        title: language.pick("Auskunft über Ihre Daten", "Access to your data"),
        made: format!("{:.0}", desk.now),
        controller: &desk.account.name,
        imprint: &desk.account.imprint,
        contact: &desk.account.contact,
        data_heading: language.pick("Kopie Ihrer Daten", "Copy of your data"),
        data: data
            .iter()
            .map(|(name, value)| {
                let mut rows = Vec::new();
                flatten(String::new(), value, &mut rows);
                (heading(name, language), rows)
            })
            .collect(),
        sections,
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
    let html = printed.render().map_err(|_| Trouble::Damaged)?;
    Ok(text("text/html; charset=utf-8", html))
}

fn heading(name: &str, language: Language) -> &'static str {
    let (de, en) = match name {
        "profile" => ("Stammdaten und Einwilligungen", "Master data and consents"),
        "withdrawal" => ("Widerrufe", "Withdrawals"),
        "suppression" => ("Sperrvermerk", "Suppression mark"),
        "sign_ups" => ("Anmeldungen (Nachweise)", "Sign-ups (evidence)"),
        "unsubscriptions" => ("Abmeldungen", "Unsubscriptions"),
        "single_mails" => ("Einzelne E-Mails an Sie", "Single mails to you"),
        "campaigns" => ("Aussendungen an Sie", "Campaigns sent to you"),
        "erasures" => ("Löschungen", "Erasures"),
        "restricted_evidence" => ("Versiegelte Nachweise", "Sealed evidence"),
        _ => (
            "Einsicht in versiegelte Nachweise",
            "Access to sealed evidence",
        ),
    };
    language.pick(de, en)
}

/// A value as lines of a table.
fn flatten(path: String, value: &Value, rows: &mut Vec<(String, String)>) {
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
                flatten(join(name), value, rows);
            }
        }
        Value::Array(values) => {
            for (number, value) in values.iter().enumerate() {
                flatten(join(&(number + 1).to_string()), value, rows);
            }
        }
        Value::String(text) => rows.push((path, text.clone())),
        other => rows.push((path, other.to_string())),
    }
}

/// What the person gave (Art. 20(1)): nothing that was concluded from it.
pub(super) async fn portable(access: Access, uri: Uri) -> Answer {
    let desk = access.with(Scope::Export)?;
    let as_file = match Parameters::of(&uri).get("format") {
        None | Some("json") => false,
        Some("csv") => true,
        Some(_) => return Err(Refused::field("format", "unknown")),
    };
    let key: PersonKey = desk.id()?;
    let person = desk.app.store.person(&desk.scope, key, desk.now).await?;
    let profile = person.profile.as_ref().ok_or(Problem::NOT_FOUND)?;
    if as_file {
        let csv = file(profile).map_err(|_| Trouble::Damaged)?;
        return Ok(text("text/csv; charset=utf-8; header=present", csv));
    }
    let mut fields = Map::new();
    for (key, value) in &profile.values {
        fields.insert(wire_name(key.as_str()), json!(value));
    }
    Ok(found(&json!({
        "email": profile.address,
        "fields": fields,
        "lists": person.active_lists(),
        "interests": profile.interests,
        "language": profile.language,
    })))
}

/// The profile as a file that an import takes, without loss.
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

fn text(content_type: &'static str, text: String) -> Response {
    let mut response = Response::new(axum::body::Body::from(text));
    for (name, value) in [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
    ] {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}
