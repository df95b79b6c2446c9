//! Values of closed lists, German and English: what was chosen, not what somebody wrote.

/// A value with its words, German and English.
type Word = (&'static str, &'static str, &'static str);

/// The words of a member's values; none where people write them.
pub(super) fn of(member: &str) -> &'static [Word] {
    match member {
        "action" => &ACTION,
        "basis" | "legal_basis" => &LEGAL_BASIS,
        "by" => &BY,
        "channel" => &CHANNEL,
        "conditions" => &CONDITIONS,
        "events" => &EVENTS,
        "kind" | "mail" => &MAIL,
        "language" => &LANGUAGE,
        "mode" => &MODE,
        "reason" => &REASON,
        "request" => &REQUEST,
        "state" => &STATE,
        "via" => &VIA,
        _ => &[],
    }
}

const ACTION: [Word; 1] = [(
    "opened_sealed_evidence",
    "versiegelte Nachweise geöffnet",
    "sealed evidence opened",
)];
const LEGAL_BASIS: [Word; 4] = [
    ("consent", "Einwilligung", "consent"),
    (
        "soft_opt_in_AT_174_4",
        "bestehende Kundenbeziehung (§ 174 Abs. 4 TKG 2021)",
        "existing customer (section 174(4) TKG 2021)",
    ),
    (
        "soft_opt_in_DE_7_3",
        "bestehende Kundenbeziehung (§ 7 Abs. 3 UWG)",
        "existing customer (section 7(3) UWG)",
    ),
    (
        "transactional",
        "für einen Vertrag nötig",
        "needed for a contract",
    ),
];
const BY: [Word; 3] = [
    ("controller", "Verantwortlicher", "the controller"),
    ("person", "Ihnen selbst", "yourself"),
    ("restore", "Wiederherstellung", "a restore"),
];
const CHANNEL: [Word; 1] = [("email", "E-Mail", "e-mail")];
const CONDITIONS: [Word; 5] = [
    ("not_refused", "nicht widersprochen", "not refused before"),
    (
        "obtained_in_sale",
        "beim Verkauf erhalten",
        "obtained in a sale",
    ),
    (
        "opt_out_at_collection",
        "Ablehnung bei der Erhebung möglich",
        "opt-out at collection",
    ),
    (
        "opt_out_in_every_mail",
        "Ablehnung in jeder E-Mail möglich",
        "opt-out in every mail",
    ),
    (
        "own_similar_products",
        "eigene ähnliche Waren oder Leistungen",
        "own similar products",
    ),
];
const EVENTS: [Word; 3] = [
    ("bounced", "unzustellbar", "bounced"),
    ("complained", "Beschwerde", "complained"),
    ("delivered", "zugestellt", "delivered"),
];
const MAIL: [Word; 6] = [
    ("confirmation", "Bitte um Bestätigung", "request to confirm"),
    (
        "farewell",
        "Bestätigung der Abmeldung",
        "confirmation of the unsubscription",
    ),
    (
        "information",
        "Mitteilung über die Anmeldung",
        "notice of the sign-up",
    ),
    (
        "leave_request",
        "Bitte um Bestätigung der Abmeldung",
        "request to confirm the unsubscription",
    ),
    ("mailbox_proof", "Link zu Ihren Daten", "link to your data"),
    (
        "reminder",
        "Erinnerung an die Bestätigung",
        "reminder to confirm",
    ),
];
const LANGUAGE: [Word; 2] = [("de", "Deutsch", "German"), ("en", "Englisch", "English")];
const MODE: [Word; 3] = [
    (
        "confirmed",
        "Opt-in mit Informations-E-Mail",
        "opt-in with an information mail",
    ),
    ("double", "Double-Opt-in", "double opt-in"),
    ("single", "einfaches Opt-in", "single opt-in"),
];
const REASON: [Word; 19] = [
    ("bounced", "unzustellbar", "bounced"),
    ("cancelled", "Aussendung abgebrochen", "campaign cancelled"),
    ("complained", "Beschwerde", "complained"),
    (
        "consent_after_start",
        "Einwilligung erst nach dem Beginn",
        "agreed after the start",
    ),
    (
        "invalid_parameter",
        "vom Versanddienst abgelehnt",
        "refused by the mail service",
    ),
    ("never_asked", "nie bestellt", "never asked for it"),
    (
        "no_proof",
        "Einwilligung ohne Nachweis",
        "consent without proof",
    ),
    ("not_as_expected", "nicht wie erwartet", "not as expected"),
    ("not_in_list", "nicht auf der Liste", "not on the list"),
    (
        "not_interested",
        "kein Interesse mehr",
        "not interested any more",
    ),
    ("other", "anderer Grund", "other reason"),
    (
        "refused",
        "vom Versanddienst abgelehnt",
        "refused by the mail service",
    ),
    (
        "rejected",
        "vom Versanddienst zurückgewiesen",
        "rejected by the mail service",
    ),
    (
        "restricted",
        "Verarbeitung eingeschränkt",
        "processing restricted",
    ),
    ("suppressed", "gesperrt", "suppressed"),
    (
        "template_failed",
        "Inhalt nicht darstellbar",
        "content could not be rendered",
    ),
    ("too_many", "zu viele E-Mails", "too many e-mails"),
    ("transient", "vorübergehende Störung", "passing failure"),
    ("unsubscribed", "abgemeldet", "unsubscribed"),
];
const REQUEST: [Word; 6] = [
    ("access", "Auskunft", "access"),
    ("erasure", "Löschung", "erasure"),
    ("objection", "Widerspruch", "objection"),
    ("portability", "Datenübertragbarkeit", "portability"),
    ("rectification", "Berichtigung", "rectification"),
    ("restriction", "Einschränkung", "restriction"),
];
const STATE: [Word; 16] = [
    (
        "acknowledged",
        "vom Empfänger bestätigt",
        "acknowledged by the recipient",
    ),
    ("active", "aktiv", "active"),
    ("answered", "beantwortet", "answered"),
    ("confirmed", "bestätigt", "confirmed"),
    ("extended", "Frist verlängert", "period extended"),
    ("failed", "fehlgeschlagen", "failed"),
    (
        "not_acknowledged",
        "vom Empfänger nicht bestätigt",
        "not acknowledged by the recipient",
    ),
    ("open", "offen", "open"),
    ("pending", "ausstehend", "pending"),
    ("refused", "abgelehnt", "refused"),
    ("sent", "gesendet", "sent"),
    ("skipped", "ausgelassen", "skipped"),
    ("superseded", "durch eine andere ersetzt", "superseded"),
    ("suppressed", "gesperrt", "suppressed"),
    ("unknown", "nicht feststellbar", "not known"),
    ("waiting", "ausstehend", "waiting"),
];
const VIA: [Word; 5] = [
    (
        "address_changed",
        "Wechsel der Adresse",
        "change of address",
    ),
    (
        "controller",
        "durch den Verantwortlichen",
        "by the controller",
    ),
    (
        "one_click",
        "Schaltfläche im E-Mail-Programm",
        "button of the mail program",
    ),
    ("page", "Abmeldeseite", "unsubscribe page"),
    ("preferences", "Einstellungsseite", "preference page"),
];
