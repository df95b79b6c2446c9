//! The notification of a personal data breach (Art. 33(2) and (3) GDPR): what the processor tells a
//! controller, and what the controller needs for its authority.
//!
//! Words and times only; reading log and counts is the handler's part. No legal advice is given.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::document::{Both, By, Writer};
use super::{Basis, Document, Role, data, measures};
use crate::audit::AuditEntry;
use crate::page_language::Language;
use crate::time::{ShownInstant, plus_seconds};

/// Art. 33(1): the controller's time from when it is aware.
pub const CONTROLLER_SECONDS: i64 = 72 * 3_600;

/// What the operator says of the breach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    /// What happened, in the operator's words.
    pub nature: String,
    /// When the operator became aware of it.
    pub aware_at: Timestamp,
    /// When it began, as far as is known.
    pub since: Timestamp,
    /// When it was over.
    pub until: Timestamp,
    /// Consequences beside the likely ones.
    pub consequences: Vec<String>,
    /// What was done or is planned about it.
    pub measures: Vec<String>,
}

/// How many records there are, as the newest archive counted them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counts {
    /// When it was begun.
    pub at: Timestamp,
    /// Subscribers.
    pub subscribers: u64,
    /// Sign-ups, the consent evidence.
    pub sign_ups: u64,
    /// Unsubscriptions.
    pub unsubscriptions: u64,
}

/// What the audit log has of the time of the incident.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trail {
    /// Calls by who, method and route: all, and those refused.
    calls: BTreeMap<(String, String, String), (u64, u64)>,
    /// What calls named that succeeded.
    targets: BTreeSet<String>,
    /// Whether there are more than were looked at.
    pub more: bool,
}

impl Trail {
    /// Adds an entry of the log.
    pub fn add(&mut self, entry: &AuditEntry) {
        let who = entry.by.name().to_owned();
        let call = (who, entry.method.clone(), entry.route.clone());
        let (all, refused) = self.calls.entry(call).or_default();
        *all += 1;
        if entry.status >= 400 {
            *refused += 1;
        } else {
            self.targets.extend(entry.targets.values().cloned());
        }
    }
}

/// The notification, complete or with what is still to be completed.
pub fn notification(
    basis: &Basis<'_>,
    incident: &Incident,
    counts: Option<&Counts>,
    trail: &Trail,
) -> Document {
    let mut writer = Writer::new(basis.language);
    let w = &mut writer;
    deadlines(w, basis, incident);
    nature(w, incident);
    affected(w, counts, trail);
    data::data_subjects(w, basis);
    data::data(w, basis);
    contact(w, basis);
    consequences(w, basis, incident);
    taken(w, incident);
    measures::write(w, basis);
    log(w, trail);
    writer.finish_as(
        basis,
        Role::Processor,
        (
            "Meldung einer Verletzung des Schutzes personenbezogener Daten (Art. 33 Abs. 2 und 3 DSGVO)",
            "Notification of a personal data breach (Art. 33(2) and (3) GDPR)",
        ),
        (
            "Vorlage, vom Auftragsverarbeiter zu prüfen und zu vervollständigen, bevor sie an den Verantwortlichen geht. Erzeugt aus Zugriffsprotokoll und Konfiguration dieses Kontos; keine Rechtsberatung. Was noch nicht bekannt ist, wird ohne weitere Verzögerung nachgereicht (Art. 33 Abs. 4).",
            "Template, to be checked and completed by the processor before it goes to the controller. Made from the audit log and the configuration of this account; no legal advice. What is not known yet follows without further delay (Art. 33(4)).",
        ),
    )
}

fn instant(at: Timestamp) -> String {
    // As every answer shows an instant.
    match serde_json::to_value(ShownInstant(at)) {
        Ok(serde_json::Value::String(text)) => text,
        _ => String::new(),
    }
}

fn deadlines(w: &mut Writer, basis: &Basis<'_>, incident: &Incident) {
    w.section("deadlines", ("Fristen", "Time limits"));
    w.text(
        (
            "Dem Auftragsverarbeiter bekannt seit",
            "Known to the processor since",
        ),
        instant(incident.aware_at),
    );
    w.fixed(
        (
            "Auftragsverarbeiter an Verantwortlichen",
            "Processor to controller",
        ),
        (
            "unverzüglich, nachdem die Verletzung bekannt wurde (Art. 33 Abs. 2)",
            "without undue delay after becoming aware of the breach (Art. 33(2))",
        ),
    );
    w.text(
        ("Verantwortlicher an Aufsichtsbehörde", "Controller to supervisory authority"),
        match w.language {
            Language::De => format!(
                "unverzüglich und möglichst binnen 72 Stunden, nachdem dem Verantwortlichen die Verletzung bekannt wurde, außer sie führt voraussichtlich zu keinem Risiko (Art. 33 Abs. 1); wird sie durch diese Meldung bekannt und geht diese zum Zeitpunkt ihrer Erstellung zu: bis {}",
                instant(plus_seconds(basis.made_at, CONTROLLER_SECONDS))
            ),
            Language::En => format!(
                "without undue delay and, where feasible, within 72 hours after the controller became aware of it, unless it is unlikely to result in a risk (Art. 33(1)); if this notification is what makes it aware, and arrives when it was made: by {}",
                instant(plus_seconds(basis.made_at, CONTROLLER_SECONDS))
            ),
        },
    );
    w.fixed(
        (
            "Verantwortlicher an betroffene Personen",
            "Controller to data subjects",
        ),
        (
            "unverzüglich, wenn ein hohes Risiko zu erwarten ist (Art. 34)",
            "without undue delay where a high risk is likely (Art. 34)",
        ),
    );
}

fn nature(w: &mut Writer, incident: &Incident) {
    w.section("nature", ("Art der Verletzung", "Nature of the breach"));
    w.stated(
        ("Beschreibung", "Description"),
        "nature",
        By::Operator,
        &incident.nature,
    );
    w.text(
        ("Zeitraum", "Period"),
        format!("{} – {}", instant(incident.since), instant(incident.until)),
    );
}

fn affected(w: &mut Writer, counts: Option<&Counts>, trail: &Trail) {
    w.section("affected", ("Ungefähre Zahlen", "Approximate numbers"));
    match counts {
        Some(counts) => {
            w.text(
                ("Höchstens betroffene Personen", "Data subjects at most"),
                counts.subscribers.to_string(),
            );
            w.text(
                ("Höchstens betroffene Datensätze", "Records at most"),
                match w.language {
                    Language::De => format!(
                        "{} Stammdaten, {} Einwilligungsnachweise, {} Abmeldungen",
                        counts.subscribers, counts.sign_ups, counts.unsubscriptions
                    ),
                    Language::En => format!(
                        "{} master data, {} consent evidence, {} unsubscriptions",
                        counts.subscribers, counts.sign_ups, counts.unsubscriptions
                    ),
                },
            );
            w.text(
                ("Gezählt im Kontoarchiv vom", "Counted in the archive of"),
                instant(counts.at),
            );
        }
        None => w.open(
            ("Höchstens betroffene Personen", "Data subjects at most"),
            "counts",
            By::Operator,
        ),
    }
    w.text(
        (
            "Einzeln aufgerufen laut Zugriffsprotokoll (Kennungen)",
            "Called one by one, by the audit log (identifiers)",
        ),
        trail.targets.len().to_string(),
    );
}

fn contact(w: &mut Writer, basis: &Basis<'_>) {
    w.section(
        "contact",
        (
            "Anlaufstelle für weitere Auskünfte",
            "Contact point for more information",
        ),
    );
    let operator = basis.operator;
    w.office(
        "operator.office",
        By::Operator,
        &operator.office.name,
        &operator.office,
    );
    w.appointment(
        ("Datenschutzbeauftragter", "Data protection officer"),
        "operator.dpo".to_owned(),
        By::Operator,
        &operator.dpo,
        ("nicht bestellt", "not appointed"),
    );
}

fn consequences(w: &mut Writer, basis: &Basis<'_>, incident: &Incident) {
    w.section(
        "consequences",
        ("Wahrscheinliche Folgen", "Likely consequences"),
    );
    let asks = |keys: &[&str]| {
        basis.setups.iter().any(|setup| {
            let fields = setup.fields.iter();
            fields
                .into_iter()
                .any(|field| keys.contains(&field.key.as_str()))
        })
    };
    let mut likely: Vec<Both> = vec![
        (
            "unerwünschte E-Mails und Phishing an die bekannt gewordenen Adressen, auch im Namen des Verantwortlichen",
            "unwanted mail and phishing to the addresses, also in the controller's name",
        ),
        (
            "Kenntnis davon, dass eine Person den Newsletter bezieht oder ihn abbestellt hat",
            "knowledge that a person takes the newsletter, or left it",
        ),
    ];
    if asks(&["street", "postal_code", "city"]) {
        likely.push((
            "unerwünschte Post und Rückschlüsse auf den Wohnort",
            "unwanted letters, and knowledge of where a person lives",
        ));
    }
    if asks(&["date_of_birth"]) {
        likely.push((
            "Identitätsmissbrauch mit Name, Anschrift und Geburtsdatum",
            "misuse of identity by name, address and date of birth",
        ));
    }
    let mut all: Vec<String> = likely.into_iter().map(|both| w.say(both)).collect();
    all.extend(incident.consequences.iter().cloned());
    w.list(("Für betroffene Personen", "For data subjects"), all);
}

fn taken(w: &mut Writer, incident: &Incident) {
    w.section(
        "taken",
        (
            "Ergriffene und vorgeschlagene Maßnahmen",
            "Measures taken and proposed",
        ),
    );
    w.all_stated(
        ("Gegen diese Verletzung", "Against this breach"),
        "measures",
        By::Operator,
        incident.measures.clone(),
    );
}

fn log(w: &mut Writer, trail: &Trail) {
    w.section(
        "log",
        (
            "Zugriffsprotokoll im Zeitraum",
            "The audit log of the period",
        ),
    );
    let rows = trail
        .calls
        .iter()
        .map(|((who, method, route), (all, refused))| {
            vec![
                who.clone(),
                format!("{method} {route}"),
                all.to_string(),
                refused.to_string(),
            ]
        });
    let rows: Vec<Vec<String>> = rows.collect();
    if rows.is_empty() {
        w.fixed(("Aufrufe", "Calls"), ("keine", "none"));
    } else {
        w.table(
            ("Aufrufe", "Calls"),
            &[
                ("Wer (Kennung des Schlüssels)", "Who (the key's identifier)"),
                ("Was", "What"),
                ("Anzahl", "Number"),
                ("davon abgelehnt", "of them refused"),
            ],
            rows,
        );
    }
    if trail.more {
        w.fixed(
            ("Vollständigkeit", "Completeness"),
            (
                "es gibt mehr Einträge als hier ausgewertet; der Rest steht unter `audit`",
                "there are more entries than were looked at here; the rest is under `audit`",
            ),
        );
    }
}
