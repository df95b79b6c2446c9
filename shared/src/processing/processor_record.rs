//! The processor's record (Art. 30(2)): what the operator does on behalf of one controller.
//!
//! The controller's statements are not repeated but for name and contact, which the article asks.

use super::document::{By, Writer};
use super::{Basis, data, measures, recipients, storage};

pub(super) fn write(w: &mut Writer, basis: &Basis<'_>) {
    let operator = basis.operator;
    w.section("processor", ("Auftragsverarbeiter", "Processor"));
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
        (
            "nicht bestellt, eine Bestellung ist nicht erforderlich (Art. 37)",
            "not appointed, none is required (Art. 37)",
        ),
    );

    let controller = basis.controller;
    w.section(
        "controller",
        (
            "Verantwortlicher, in dessen Auftrag verarbeitet wird",
            "Controller on whose behalf data are processed",
        ),
    );
    let name = if controller.office.name.is_empty() {
        &basis.account.name
    } else {
        &controller.office.name
    };
    w.office("office", By::Controller, name, &controller.office);
    w.appointment(
        (
            "Vertreter in der Union (Art. 27)",
            "Representative in the Union (Art. 27)",
        ),
        "representative".to_owned(),
        By::Controller,
        &controller.representative,
        ("nicht erforderlich", "not required"),
    );
    w.appointment(
        ("Datenschutzbeauftragter", "Data protection officer"),
        "dpo".to_owned(),
        By::Controller,
        &controller.dpo,
        ("nicht bestellt", "not appointed"),
    );

    w.section(
        "categories",
        (
            "Kategorien der Verarbeitungen im Auftrag",
            "Categories of processing on behalf of the controller",
        ),
    );
    let categories = [
        (
            "Anmeldungen über Formulare entgegennehmen, bestätigen lassen und nachweisen",
            "Taking sign-ups by forms, having them confirmed, proving them",
        ),
        (
            "Empfänger speichern, importieren, berichtigen und exportieren",
            "Storing, importing, rectifying and exporting subscribers",
        ),
        (
            "Newsletter und Mailings per E-Mail versenden",
            "Sending newsletters and mailings by e-mail",
        ),
        (
            "Zustellung, Rückläufer und Beschwerden auswerten",
            "Evaluating deliveries, bounces and complaints",
        ),
        (
            "Abmeldungen, Widersprüche und Einschränkungen ausführen",
            "Carrying out unsubscriptions, objections and restrictions",
        ),
        (
            "sichern, wiederherstellen und fristgerecht löschen",
            "Backing up, restoring, deleting on time",
        ),
    ];
    let categories = categories.into_iter().map(|both| w.say(both)).collect();
    w.list(("Im Auftrag", "On behalf"), categories);
    w.fixed(
        ("Ende des Auftrags", "End of the order"),
        (
            "Mit der Auflösung des Kontos kann der Verantwortliche seine Daten exportieren; einen Monat danach ist alles gelöscht (Art. 28 Abs. 3 lit. g).",
            "When the account is closed the controller can export its data; a month later everything is deleted (Art. 28(3)(g)).",
        ),
    );

    w.section("recipients", ("Unterauftragsverarbeiter", "Sub-processors"));
    recipients::sub_processors(w, basis);
    data::data_subjects(w, basis);
    recipients::transfers(w, basis);
    storage::write(w, basis);
    measures::write(w, basis);
    w.section(
        "environment",
        (
            "Umgebung: Vertraulichkeit und Schulung",
            "Environment: confidentiality and training",
        ),
    );
    measures::operator_staff(w, basis);
}
