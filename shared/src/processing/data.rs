//! Whose data, which data, and on what basis: the record's sections on data subjects, categories
//! and legal bases.

use super::controller_record::localised;
use super::document::{Both, By, Writer};
use super::{Basis, DEFAULT_DATA_SUBJECT, Dpia, Question};
use crate::setup::Setup;

pub(super) fn data_subjects(w: &mut Writer, basis: &Basis<'_>) {
    w.section("data_subjects", ("Betroffene Personen", "Data subjects"));
    let subjects = basis.controller.data_subjects.iter();
    let subjects = subjects
        .map(|subject| localised(subject, DEFAULT_DATA_SUBJECT, basis.language))
        .collect();
    w.all_stated(
        ("Kategorien", "Categories"),
        "data_subjects",
        By::Controller,
        subjects,
    );
}

/// The nine fields of S-05, those that setups ask for, the declared ones, and what arises.
pub(super) fn data(w: &mut Writer, basis: &Basis<'_>) {
    w.section("data", ("Datenkategorien", "Categories of data"));
    let fields = || basis.setups.iter().flat_map(|setup| &setup.fields);
    let asked = |keys: &[&str]| fields().any(|field| keys.contains(&field.key.as_str()));
    let required =
        |keys: &[&str]| fields().any(|field| field.required && keys.contains(&field.key.as_str()));
    let others_are_required = fields().any(|field| field.required && field.key.as_str() != "email");
    let rows = NINE_FIELDS
        .iter()
        .map(|(name, keys)| {
            let use_of = if keys.contains(&"email") && others_are_required {
                ("immer, als Pflichtfeld", "always, mandatory")
            } else if keys.contains(&"email") {
                (
                    "immer, als einziges Pflichtfeld",
                    "always, the only mandatory one",
                )
            } else if required(keys) {
                (
                    "von einem Anmeldeverfahren als Pflichtfeld abgefragt",
                    "asked for by a setup, mandatory there",
                )
            } else if asked(keys) {
                (
                    "von einem Anmeldeverfahren abgefragt",
                    "asked for by a setup",
                )
            } else {
                (
                    "möglich, von keinem Anmeldeverfahren abgefragt",
                    "possible, asked for by no setup",
                )
            };
            vec![w.say(*name), w.say(use_of)]
        })
        .collect();
    w.table(
        ("Stammdaten", "Master data"),
        &[("Feld", "Field"), ("Verwendung", "Use")],
        rows,
    );
    let declared = basis
        .fields
        .iter()
        .map(|field| {
            let in_use = asked(&[field.key.as_str()]);
            let note = if in_use {
                (" (abgefragt)", " (asked for)")
            } else {
                (" (nicht abgefragt)", " (not asked for)")
            };
            format!("{}{}", field.label.text(w.language), w.say(note))
        })
        .collect();
    w.list(("Eigene Felder", "Declared fields"), declared);
    further(w, basis);
    let arising = [
        (
            "Nachweis der Einwilligung (siehe eigener Abschnitt)",
            "Consent evidence (see its own section)",
        ),
        (
            "Abmeldungen, Widersprüche, Einschränkungen, Löschungen mit Zeit und Weg",
            "Unsubscriptions, objections, restrictions, erasures with time and way",
        ),
        (
            "Versandprotokoll: wem welche Aussendung geschickt wurde, Zustellung, Rückläufer, Beschwerde",
            "Send ledger: who was sent what, delivery, bounce, complaint",
        ),
    ];
    let mut arising: Vec<String> = arising.into_iter().map(|both| w.say(both)).collect();
    arising.push(w.say(if open_tracking_possible(basis) {
        (
            "Öffnungen und Klicks nur mit eigener Einwilligung der Person",
            "Openings and clicks only with the person's separate consent",
        )
    } else {
        (
            "Öffnungen und Klicks einer Person werden nicht erfasst",
            "Openings and clicks of a person are not recorded",
        )
    }));
    w.list(("Daten aus dem Betrieb", "Data that arise"), arising);
    w.fixed(
        (
            "Besondere Kategorien (Art. 9, 10)",
            "Special categories (Art. 9, 10)",
        ),
        match basis
            .dpia
            .map(|dpia| dpia.yes.contains(&Question::SpecialCategories))
        {
            Some(true) => (
                "ja, laut Fragebogen zur Datenschutz-Folgenabschätzung",
                "yes, by the DPIA questionnaire",
            ),
            Some(false) => (
                "nein, laut Fragebogen zur Datenschutz-Folgenabschätzung",
                "no, by the DPIA questionnaire",
            ),
            None => (
                "nicht vorgesehen; der Fragebogen ist noch nicht beantwortet",
                "not intended; the questionnaire is not answered yet",
            ),
        },
    );
}

/// What is kept of a person beside the fields.
fn further(w: &mut Writer, basis: &Basis<'_>) {
    let mut further = vec![
        w.say((
            "Sprache von Seiten und E-Mails",
            "Language of pages and e-mails",
        )),
        w.say((
            "Vermerk des Verantwortlichen, ob jemand Kunde ist",
            "The controller's mark of who is a customer",
        )),
    ];
    if !basis.interests.is_empty() {
        let names: Vec<&str> = basis
            .interests
            .iter()
            .map(|one| one.name.as_str())
            .collect();
        let label = w.say(("Interessen", "Interests"));
        further.push(format!("{label}: {}", names.join(", ")));
    }
    let asks = |asked: fn(&Setup) -> bool| basis.setups.iter().any(asked);
    if asks(|setup| setup.asks_tracking_consent) {
        further.push(w.say((
            "Einwilligung in die Auswertung von Öffnungen und Klicks, mit Zeitpunkt",
            "Consent to evaluating openings and clicks, with its time",
        )));
    }
    if asks(|setup| setup.asks_profiling_consent) {
        further.push(w.say((
            "Einwilligung in ein Interessenprofil, mit Zeitpunkt",
            "Consent to a profile of interests, with its time",
        )));
    }
    w.list(("Weitere Angaben", "Further details"), further);
}

/// S-05, with the keys each stands for.
const NINE_FIELDS: [(Both, &[&str]); 9] = [
    (("Anrede", "Salutation"), &["salutation"]),
    (("Vorname", "First name"), &["first_name"]),
    (("Nachname", "Last name"), &["last_name"]),
    (("E-Mail-Adresse", "E-mail address"), &["email"]),
    (
        ("Postanschrift", "Postal address"),
        &["street", "postal_code", "city", "country"],
    ),
    (
        ("Werbekriterien", "Advertising criteria"),
        &["advertising_criteria"],
    ),
    (("Kundennummer", "Customer number"), &["customer_number"]),
    (("Filialnummer", "Branch number"), &["branch_number"]),
    (("Geburtsdatum", "Date of birth"), &["date_of_birth"]),
];

fn open_tracking_possible(basis: &Basis<'_>) -> bool {
    basis.dpia.is_none_or(Dpia::allows_open_tracking)
        && basis.setups.iter().any(|setup| setup.asks_tracking_consent)
}

pub(super) fn legal_bases(w: &mut Writer, basis: &Basis<'_>) {
    w.section("legal_bases", ("Rechtsgrundlagen", "Legal bases"));
    w.fixed(
        ("Versand an Angemeldete", "Mailing those who signed up"),
        (
            "Einwilligung, Art. 6 Abs. 1 lit. a DSGVO; in Österreich auch § 174 TKG 2021",
            "Consent, Art. 6(1)(a) GDPR; in Austria also section 174 TKG 2021",
        ),
    );
    w.fixed(
        ("Nachweis von Einwilligung und Abmeldung", "Proof of consent and unsubscription"),
        (
            "Art. 7 Abs. 1 und Art. 5 Abs. 2 DSGVO in Verbindung mit Art. 6 Abs. 1 lit. c und f; nach einer Löschung Art. 17 Abs. 3 lit. b und e",
            "Art. 7(1) and Art. 5(2) GDPR with Art. 6(1)(c) and (f); after an erasure Art. 17(3)(b) and (e)",
        ),
    );
    w.fixed(
        ("Importierte Empfänger", "Imported recipients"),
        (
            "die Rechtsgrundlage, die beim Import mit Quelle und Nachweis angegeben wurde",
            "the legal basis that was stated at the import, with source and proof",
        ),
    );
    let own = basis.controller.legal_bases.clone();
    w.list(
        (
            "Weitere Rechtsgrundlagen des Verantwortlichen",
            "Further legal bases of the controller",
        ),
        own,
    );
}
