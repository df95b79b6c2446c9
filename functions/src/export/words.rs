//! The names of stored members as a person reads them (Art. 12(1) GDPR): German and English.
//!
//! What says nothing to a person (revisions, salts, keys of records) is left out of the page; the
//! file for programs has it all.

use rundbrief::page_language::Language;
use rundbrief::setup::built_in_label;

/// Members that a page leaves out.
const TECHNICAL: [&str; 16] = [
    "rev",
    "event",
    "entry",
    "confirmed_entry",
    "person",
    "document",
    "sha256",
    "message_id",
    "leased_until",
    "retry_at",
    "attempts",
    "not_before",
    "form_version",
    "gone_at",
    "former",
    "successor",
];

/// Members with their names, German and English.
const NAMES: [(&str, &str, &str); 63] = [
    ("address", "Adresse", "Address"),
    ("age_confirmed", "Alter bestätigt", "Age confirmed"),
    ("all", "Alles beendet", "Everything ended"),
    ("all_at", "Alles beendet am", "Everything ended at"),
    ("asked_at", "Verlangt am", "Asked for at"),
    ("at", "Zeitpunkt", "Time"),
    ("basis", "Rechtsgrundlage", "Legal basis"),
    ("bounced_at", "Unzustellbar seit", "Undeliverable since"),
    ("by_person", "Von Ihnen selbst", "By yourself"),
    ("campaign", "Aussendung", "Campaign"),
    ("closed_at", "Erledigt am", "Closed at"),
    ("closed_because", "Begründung", "Reason"),
    ("complained_at", "Beschwerde am", "Complaint at"),
    (
        "confirm_ip",
        "IP-Adresse der Bestätigung",
        "IP address of the confirmation",
    ),
    ("confirmed_at", "Bestätigt am", "Confirmed at"),
    (
        "consent_wording",
        "Text der Einwilligung",
        "Wording of the consent",
    ),
    ("consented_on", "Eingewilligt am", "Consented on"),
    ("created_at", "Gespeichert seit", "Stored since"),
    ("customer", "Kunde", "Customer"),
    ("email", "E-Mail-Adresse", "E-mail address"),
    ("ended_on", "Beziehung beendet am", "Relationship ended on"),
    ("events", "Ereignisse", "Events"),
    (
        "extended_because",
        "Grund der Verlängerung",
        "Reason of the extension",
    ),
    ("fields", "Felder", "Fields"),
    (
        "form_ip",
        "IP-Adresse der Anmeldung",
        "IP address of the sign-up",
    ),
    ("form_url", "Seite des Formulars", "Page of the form"),
    (
        "form_url_claimed",
        "Seite laut Browser",
        "Page as the browser said",
    ),
    ("given_up", "Nicht gesendet", "Not sent"),
    ("id", "Kennung", "Identifier"),
    ("import", "Import", "Import"),
    ("interests", "Interessen", "Interests"),
    ("key", "Feld", "Field"),
    ("kind", "Art", "Kind"),
    ("label", "Bezeichnung", "Label"),
    ("language", "Sprache", "Language"),
    ("legal_basis", "Rechtsgrundlage", "Legal basis"),
    ("lifted_at", "Aufgehoben am", "Lifted at"),
    ("list", "Liste", "List"),
    ("lists", "Listen", "Lists"),
    ("mail", "E-Mail", "E-mail"),
    ("mailed_at", "Gesendet am", "Sent at"),
    ("mails", "E-Mails dazu", "E-mails about it"),
    ("mode", "Verfahren", "Procedure"),
    ("name", "Name", "Name"),
    ("notice", "Inhalt", "Content"),
    (
        "notice_version",
        "Fassung der Datenschutzhinweise",
        "Version of the privacy notice",
    ),
    (
        "profiling_consent",
        "Einwilligung in Profile",
        "Consent to profiling",
    ),
    ("proof", "Nachweis", "Proof"),
    ("provenance", "Herkunft", "Source"),
    ("reason", "Grund", "Reason"),
    ("received_on", "Eingegangen am", "Received on"),
    ("request", "Antrag", "Request"),
    ("required", "Pflichtfeld", "Required"),
    ("signed_up_at", "Angemeldet am", "Signed up at"),
    ("since", "Seit", "Since"),
    ("source", "Quelle", "Source"),
    (
        "spellings",
        "Schreibweisen der Adresse",
        "Spellings of the address",
    ),
    ("state", "Stand", "State"),
    ("subject", "Betreff", "Subject"),
    (
        "tracking_consent",
        "Einwilligung in Auswertung",
        "Consent to evaluation",
    ),
    ("until", "Bis", "Until"),
    ("value", "Angabe", "Value"),
    ("values", "Angaben", "Details"),
];

/// What a member is called on the page; `None` for what it leaves out. A name that is not in the
/// list, such as a list's or a declared field's, is the controller's own.
pub(super) fn name_of(member: &str, language: Language) -> Option<String> {
    if TECHNICAL.contains(&member) {
        return None;
    }
    let known = NAMES.iter().find(|(known, ..)| *known == member);
    let built_in = || built_in_label(member, language).map(str::to_owned);
    Some(match known {
        Some((_, de, en)) => language.pick(de, en).to_owned(),
        None => built_in().unwrap_or_else(|| member.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_reads_names_and_no_revisions() {
        for (member, de, en) in [
            (
                "form_ip",
                Some("IP-Adresse der Anmeldung"),
                Some("IP address of the sign-up"),
            ),
            ("first_name", Some("Vorname"), Some("First name")),
            ("shoe_size", Some("shoe_size"), Some("shoe_size")),
            ("rev", None, None),
            ("confirmed_entry", None, None),
        ] {
            assert_eq!(name_of(member, Language::De).as_deref(), de);
            assert_eq!(name_of(member, Language::En).as_deref(), en);
        }
        assert!(NAMES.is_sorted(), "looked up by whoever adds one");
    }
}
