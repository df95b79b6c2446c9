//! The controller's record (Art. 30(1)), section by section, in the order of an Austrian sample.
//!
//! Storage periods and measures are written beside, for the processor's record has them too.

use super::document::{Both, By, Writer, one_line};
use super::{
    Basis, DEFAULT_PURPOSE, Dpia, DpiaResult, Question, Risk, data, measures, recipients, storage,
};
use crate::page_language::Language;
use crate::setup::{Mode, Setup, built_in_label};

pub(super) fn write(w: &mut Writer, basis: &Basis<'_>) {
    responsible_office(w, basis);
    process(w, basis);
    data::data_subjects(w, basis);
    data::data(w, basis);
    data::legal_bases(w, basis);
    recipients::recipients(w, basis);
    recipients::transfers(w, basis);
    storage::write(w, basis);
    evidence(w);
    measures::write(w, basis);
    measures::own(w, basis);
    environment(w, basis);
    risk(w, basis);
    rights(w, basis);
}

/// A default is worded in the document's language; what a controller wrote stays as it is.
pub(super) fn localised(text: &str, default: [&'static str; 2], language: Language) -> String {
    let [de, en] = default;
    if text == de || text == en {
        language.pick(de, en).to_owned()
    } else {
        text.to_owned()
    }
}

fn responsible_office(w: &mut Writer, basis: &Basis<'_>) {
    w.section(
        "responsible_office",
        ("Verantwortlicher", "Responsible office"),
    );
    let stated = &basis.controller.office;
    let name = if stated.name.is_empty() {
        &basis.account.name
    } else {
        &stated.name
    };
    w.office("office", By::Controller, name, stated);
    for (label, value) in [
        (
            ("Impressum des Kontos", "Imprint of the account"),
            &basis.account.imprint,
        ),
        (
            (
                "Kontakt für betroffene Personen",
                "Contact for data subjects",
            ),
            &basis.account.contact,
        ),
    ] {
        if !value.is_empty() {
            w.text(label, value.as_str());
        }
    }
    let joint: Vec<String> = basis
        .controller
        .joint_controllers
        .iter()
        .map(one_line)
        .collect();
    if joint.is_empty() {
        w.fixed(
            ("Gemeinsam Verantwortliche", "Joint controllers"),
            ("keine angegeben", "none stated"),
        );
    } else {
        w.list(("Gemeinsam Verantwortliche", "Joint controllers"), joint);
    }
    appointments(w, basis);
    processor_office(w, basis);
}

fn appointments(w: &mut Writer, basis: &Basis<'_>) {
    w.appointment(
        (
            "Vertreter in der Union (Art. 27)",
            "Representative in the Union (Art. 27)",
        ),
        "representative".to_owned(),
        By::Controller,
        &basis.controller.representative,
        ("nicht erforderlich", "not required"),
    );
    w.appointment(
        ("Datenschutzbeauftragter", "Data protection officer"),
        "dpo".to_owned(),
        By::Controller,
        &basis.controller.dpo,
        (
            "nicht bestellt, eine Bestellung ist nicht erforderlich (Art. 37)",
            "not appointed, none is required (Art. 37)",
        ),
    );
}

/// The processor by name, address, e-mail and phone (S-02).
fn processor_office(w: &mut Writer, basis: &Basis<'_>) {
    let office = &basis.operator.office;
    let email = office.email.as_ref().map_or("", |email| email.reveal());
    let members: [(Both, &str, &str); 4] = [
        (
            ("Auftragsverarbeiter: Name", "Processor: name"),
            "name",
            &office.name,
        ),
        (
            (
                "Auftragsverarbeiter: Anschrift",
                "Processor: postal address",
            ),
            "address",
            &office.address,
        ),
        (
            ("Auftragsverarbeiter: E-Mail", "Processor: e-mail"),
            "email",
            email,
        ),
        (
            ("Auftragsverarbeiter: Telefon", "Processor: telephone"),
            "phone",
            &office.phone,
        ),
    ];
    for (label, member, value) in members {
        w.stated(
            label,
            format!("operator.office.{member}"),
            By::Operator,
            value,
        );
    }
}

fn process(w: &mut Writer, basis: &Basis<'_>) {
    let (controller, language) = (basis.controller, w.language);
    w.section(
        "process",
        (
            "Name, Beschreibung und Zweck der Verarbeitung",
            "Name, description and purpose of the processing",
        ),
    );
    w.stated(
        ("Name", "Name"),
        "name",
        By::Controller,
        &localised(&controller.name, DEFAULT_PURPOSE, language),
    );
    w.stated(
        ("Beschreibung", "Description"),
        "description",
        By::Controller,
        &controller.description,
    );
    let purposes = controller.purposes.iter();
    let purposes = purposes.map(|purpose| localised(purpose, DEFAULT_PURPOSE, language));
    w.all_stated(
        ("Zwecke", "Purposes"),
        "purposes",
        By::Controller,
        purposes.collect(),
    );
    w.fixed(
        ("Was Rundbrief dafür tut", "What Rundbrief does for it"),
        (
            "An- und Abmeldungen entgegennehmen und nachweisen, Empfänger verwalten, Newsletter und Mailings per E-Mail versenden, Zustellung, Rückläufer und Beschwerden auswerten, Daten fristgerecht löschen.",
            "Takes and proves sign-ups and unsubscriptions, keeps recipients, sends newsletters and mailings by e-mail, evaluates deliveries, bounces and complaints, deletes data on time.",
        ),
    );
    let lists = basis.lists.iter().map(|list| list.name.clone()).collect();
    w.list(("Listen", "Lists"), lists);
    let rows: Vec<_> = basis
        .setups
        .iter()
        .map(|setup| setup_row(w, basis, setup))
        .collect();
    if !rows.is_empty() {
        w.table(
            ("Anmeldeverfahren", "Sign-up setups"),
            &[
                ("Name", "Name"),
                ("Verfahren", "Mode"),
                ("Abgefragte Daten", "Data asked for"),
                ("Tracking-Einwilligung", "Tracking consent"),
                ("Begründung", "Justification"),
            ],
            rows,
        );
    }
    if !controller.remarks.is_empty() {
        w.text(("Anmerkungen", "Remarks"), controller.remarks.as_str());
    }
}

fn setup_row(w: &Writer, basis: &Basis<'_>, setup: &Setup) -> Vec<String> {
    let mode = match setup.mode {
        Mode::Single => ("einfaches Opt-in, ohne E-Mail", "single opt-in, no mail"),
        Mode::Confirmed => (
            "Opt-in mit Informations-E-Mail",
            "opt-in with an information mail",
        ),
        Mode::Double => ("Double-Opt-in", "double opt-in"),
    };
    let mut asked = vec![label(w, basis, "email")];
    asked.extend(
        setup
            .fields
            .iter()
            .map(|field| label(w, basis, field.key.as_str())),
    );
    let tracking = if setup.asks_tracking_consent {
        ("wird eigens erfragt", "asked for separately")
    } else {
        ("wird nicht erfragt", "not asked for")
    };
    let reason = setup.justification.as_deref().unwrap_or("–");
    vec![
        setup.name.clone(),
        w.say(mode),
        asked.join(", "),
        w.say(tracking),
        reason.to_owned(),
    ]
}

fn label(w: &Writer, basis: &Basis<'_>, key: &str) -> String {
    if let Some(label) = built_in_label(key, w.language) {
        return label.to_owned();
    }
    let declared = basis.fields.iter().find(|field| field.key.as_str() == key);
    declared.map_or_else(
        || key.to_owned(),
        |field| field.label.text(w.language).to_owned(),
    )
}

/// The ten fields of S-12 in their order, and what L-09 adds.
fn evidence(w: &mut Writer) {
    w.section(
        "evidence",
        (
            "Felder des Einwilligungsnachweises",
            "Fields of the consent evidence",
        ),
    );
    w.fixed(
        ("Wann", "When"),
        (
            "bei jeder Anmeldung über ein Anmeldeverfahren, selbsttätig, unveränderlich und nicht abschaltbar",
            "at each sign-up through a setup, by itself, unalterable, and it cannot be switched off",
        ),
    );
    let ten: [Both; 10] = [
        ("a) E-Mail-Adresse", "a) E-mail address"),
        (
            "b) Kennung des Anmeldevorgangs",
            "b) Identifier of the sign-up process",
        ),
        (
            "c) Anmeldeverfahren (Single, Confirmed oder Double Opt-in)",
            "c) Mode (single, confirmed or double opt-in)",
        ),
        ("d) URL des Formulars", "d) URL of the form"),
        (
            "e) IP-Adresse beim Absenden des Formulars",
            "e) IP address when the form was sent",
        ),
        (
            "f) IP-Adresse beim Klick auf die Bestätigung",
            "f) IP address of the click that confirmed",
        ),
        ("g) Zeitpunkt der Anmeldung", "g) Time of the sign-up"),
        (
            "h) Zeitpunkt der Bestätigung",
            "h) Time of the confirmation",
        ),
        (
            "i) Im Formular abgefragte Felder und Listen mit den gemachten Angaben",
            "i) Fields and lists that the form asked for, with what was entered",
        ),
        (
            "j) Kennung des Empfängers, sobald bestätigt",
            "j) Identifier of the subscriber, once confirmed",
        ),
    ];
    let ten = ten.into_iter().map(|both| w.say(both)).collect();
    w.list(("Die zehn Nachweisfelder", "The ten fields"), ten);
    let shown: [Both; 3] = [
        (
            "Fassung des Formulars (Prüfsumme)",
            "Version of the form (checksum)",
        ),
        ("Wortlaut der Einwilligung", "Wording of the consent"),
        (
            "Fassung der Datenschutzerklärung",
            "Version of the privacy notice",
        ),
    ];
    let shown = shown.into_iter().map(|both| w.say(both)).collect();
    w.list(
        ("Was der Person gezeigt wurde", "What the person was shown"),
        shown,
    );
}

fn environment(w: &mut Writer, basis: &Basis<'_>) {
    w.section(
        "environment",
        (
            "Umgebung: Vertraulichkeit und Schulung",
            "Environment: confidentiality and training",
        ),
    );
    w.staff(
        ("Personal des Verantwortlichen", "The controller's staff"),
        "staff",
        By::Controller,
        &basis.controller.staff,
    );
    measures::operator_staff(w, basis);
}

fn risk(w: &mut Writer, basis: &Basis<'_>) {
    w.section("risk", ("Risikobewertung", "Risk assessment"));
    let result_label = (
        "Datenschutz-Folgenabschätzung (Art. 35)",
        "Data protection impact assessment (Art. 35)",
    );
    let Some(dpia) = basis.dpia.filter(|dpia| dpia.is_answered()) else {
        w.fixed(
            ("Vermutung", "Presumption"),
            (
                "Für Newsletter an Kunden ist sie im Regelfall nicht erforderlich; der Verantwortliche muss den Fragebogen beantworten. Bis dahin wird keine Aussendung gestartet.",
                "For newsletters to customers it is normally not required; the controller must answer the questionnaire. Until then no campaign is started.",
            ),
        );
        w.open(result_label, "dpia", By::Controller);
        return;
    };
    w.fixed(
        result_label,
        match (dpia.result(), dpia.risk) {
            (DpiaResult::NormallyNotRequired, Risk::Normal) => {
                ("im Regelfall nicht erforderlich", "normally not required")
            }
            (DpiaResult::Required, _) | (_, Risk::High) => ("erforderlich", "required"),
        },
    );
    w.fixed(
        ("Risiko", "Risk"),
        match dpia.risk {
            Risk::Normal => ("normal", "normal"),
            Risk::High => (
                "hoch: Öffnungen werden nicht erfasst; Export und Wiederherstellung nur mit eigens dafür ausgestellten Schlüsseln",
                "high: openings are not tracked; export and restore only with keys made for that alone",
            ),
        },
    );
    if let Some(reference) = &dpia.reference {
        w.text(
            (
                "Dokument der Folgenabschätzung",
                "Document of the assessment",
            ),
            reference.as_str(),
        );
    }
    if !dpia.reasons.is_empty() {
        w.text(("Begründung", "Reasons"), dpia.reasons.as_str());
    }
    let rows = Question::ALL
        .iter()
        .map(|question| {
            let answer = if dpia.yes.contains(question) {
                ("ja", "yes")
            } else {
                ("nein", "no")
            };
            vec![question.text(w.language).to_owned(), w.say(answer)]
        })
        .collect();
    w.table(
        ("Fragebogen", "Questionnaire"),
        &[("Frage", "Question"), ("Antwort", "Answer")],
        rows,
    );
    contradictions(w, basis, dpia);
    let day = basis.day(dpia.answered_at);
    let by = if dpia.answered_by.is_empty() {
        day.to_string()
    } else {
        format!("{day}, {}", dpia.answered_by)
    };
    w.text(("Beantwortet", "Answered"), by);
}

/// Where a form does what an answer denies, one of them is wrong: the controller says which.
fn contradictions(w: &mut Writer, basis: &Basis<'_>, dpia: &Dpia) {
    let denied = |question| !dpia.yes.contains(&question);
    let mut setups = basis.setups.iter();
    if denied(Question::Profiling) && setups.clone().any(|setup| setup.asks_profiling_consent) {
        let label = (
            "Widerspruch: Profiling ist verneint, ein Anmeldeverfahren fragt aber die Einwilligung dazu ab",
            "Contradiction: profiling is denied, but a setup asks for consent to it",
        );
        w.open(label, "dpia", By::Controller);
    }
    if denied(Question::Minors) && setups.any(|setup| setup.addresses_minors) {
        let label = (
            "Widerspruch: Minderjährige sind verneint, ein Anmeldeverfahren richtet sich aber an sie",
            "Contradiction: minors are denied, but a setup addresses them",
        );
        w.open(label, "dpia", By::Controller);
    }
}

fn rights(w: &mut Writer, basis: &Basis<'_>) {
    w.section(
        "rights",
        ("Rechte der betroffenen Personen", "Rights of data subjects"),
    );
    let rights: [(Both, Both); 8] = [
        (
            ("Weg und Frist", "Way and deadline"),
            (
                "Die Einstellungsseite ist aus jeder E-Mail erreichbar; Daten zeigt und ändert sie erst über einen frischen Link an das Postfach, dann sofort. Anträge an den Verantwortlichen werden binnen eines Monats beantwortet, in begründeten Fällen binnen dreier (Art. 12 Abs. 3).",
                "The preference page can be reached from each e-mail; it shows and changes data only by a fresh link to the mailbox, and then at once. Requests to the controller are answered within a month, with reasons within three (Art. 12(3)).",
            ),
        ),
        (
            ("Widerruf und Abmeldung", "Withdrawal and unsubscription"),
            (
                "jederzeit über den Link und die Schaltfläche in jeder E-Mail (auch mit einem Klick nach RFC 8058); wirkt sofort",
                "at any time by the link and button in each e-mail (also one-click by RFC 8058); at once",
            ),
        ),
        (
            ("Auskunft (Art. 15)", "Access (Art. 15)"),
            (
                "auf der Einstellungsseite sofort, zum Lesen und als Datei; sonst durch den Verantwortlichen",
                "on the preference page at once, to read and as a file; otherwise by the controller",
            ),
        ),
        (
            ("Berichtigung (Art. 16)", "Rectification (Art. 16)"),
            (
                "auf der Einstellungsseite sofort, sonst durch den Verantwortlichen; eine neue Adresse gilt erst, wenn sie bestätigt ist",
                "on the preference page at once, otherwise by the controller; a new address counts only once it is confirmed",
            ),
        ),
        (
            ("Löschung (Art. 17)", "Erasure (Art. 17)"),
            (
                "auf der Einstellungsseite sofort, sonst durch den Verantwortlichen oder fristgerecht von selbst; ein Merker ohne Adresse verhindert, dass eine Wiederherstellung jemanden zurückholt",
                "on the preference page at once, otherwise by the controller, or on time by itself; a mark without address keeps a restore from bringing anybody back",
            ),
        ),
        (
            ("Einschränkung (Art. 18)", "Restriction (Art. 18)"),
            (
                "durch den Verantwortlichen; die Person wird aufbewahrt, aber weder angeschrieben noch geändert",
                "by the controller; the person is kept, but neither mailed nor changed",
            ),
        ),
        (
            ("Datenübertragbarkeit (Art. 20)", "Portability (Art. 20)"),
            (
                "auf der Einstellungsseite sofort, sonst durch den Verantwortlichen, als JSON und CSV",
                "on the preference page at once, otherwise by the controller, as JSON and CSV",
            ),
        ),
        (
            (
                "Widerspruch (Art. 21) und Beschwerde (Art. 77)",
                "Objection (Art. 21) and complaint (Art. 77)",
            ),
            (
                "Widerspruch gegen Direktwerbung beendet sie sofort; Beschwerde bei der Aufsichtsbehörde, in Österreich der Datenschutzbehörde",
                "an objection to direct marketing ends it at once; complaint to the supervisory authority, in Austria the Datenschutzbehörde",
            ),
        ),
    ];
    for (label, value) in rights {
        w.fixed(label, value);
    }
    if !basis.account.privacy_url.is_empty() {
        w.text(
            ("Datenschutzerklärung", "Privacy notice"),
            basis.account.privacy_url.as_str(),
        );
    }
}
