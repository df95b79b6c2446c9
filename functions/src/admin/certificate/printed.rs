//! The consent certificate as a page to read and to print (L-05), in German and English.
//!
//! What it proves stands in the JSON; nothing is printed here that no statement proves.

use askama::Template;
use rundbrief::evidence::certificate::Certificate;
use rundbrief::page_language::Language;
use rundbrief::setup::Mode;
use rundbrief::sign_up::SignUp;
use rundbrief::time::ShownInstant;
use serde_json::{Value, json};

use super::super::access::Desk;
use super::super::answer::{Answer, written};
use crate::app::Trouble;

#[derive(Template)]
#[template(path = "certificate.html")]
struct Printed<'a> {
    language: Language,
    words: &'static Words,
    controller: &'a str,
    imprint: &'a str,
    rows: Vec<(&'static str, String)>,
    /// That the mode does not suit as proof, where it does not (O-05).
    weak: Option<&'static str>,
    fields: Vec<(String, String)>,
    wording: &'a str,
    statements: Vec<(String, String)>,
    documents: Vec<(String, &'a str)>,
}

/// The page's fixed words.
struct Words {
    title: &'static str,
    intro: &'static str,
    asked: &'static str,
    wording: &'static str,
    proof: &'static str,
    documents: &'static str,
    check: &'static str,
    rows: [&'static str; 17],
    /// Whether a box was ticked.
    yes_no: [&'static str; 2],
    not_asked: &'static str,
    numbered: &'static str,
    modes: [&'static str; 3],
    kinds: [(&'static str, &'static str); 3],
    not_yet: &'static str,
    not_sealed: &'static str,
    sealed: &'static str,
    weak: &'static str,
}

impl Words {
    /// What a statement says happened.
    fn kind<'a>(&self, kind: &'a str) -> &'a str {
        let known = self.kinds.iter().find(|(name, _)| *name == kind);
        known.map_or(kind, |(_, words)| words)
    }

    /// The answer to a box, where it was there.
    fn ticked(&self, answer: Option<bool>) -> &'static str {
        match answer {
            None => self.not_asked,
            Some(true) => self.yes_no[0],
            Some(false) => self.yes_no[1],
        }
    }

    /// The mode by its name in the API, so that nobody takes "confirmed" for double (O-04).
    fn mode(&self, mode: Mode) -> &'static str {
        match mode {
            Mode::Single => self.modes[0],
            Mode::Confirmed => self.modes[1],
            Mode::Double => self.modes[2],
        }
    }
}

const DE: Words = Words {
    title: "Nachweis der Einwilligung",
    intro: "Erzeugt aus dem versiegelten Nachweisregister des Verantwortlichen.",
    asked: "Abgefragte Felder und Angaben",
    wording: "Text der Einwilligung",
    proof: "Siegel",
    documents: "Was gezeigt und geschickt wurde",
    check: "Die JSON-Fassung dieses Nachweises lässt sich ohne Rundbrief prüfen: mit docs/verify.py und den öffentlichen Schlüsseln unter /.well-known/rundbrief-evidence.json.",
    rows: [
        "Kennung des Anmeldevorgangs",
        "E-Mail-Adresse",
        "Anmeldeprozess",
        "Verfahren",
        "Adresse des Formulars",
        "Vom Browser genannte Adresse",
        "IP-Adresse beim Absenden",
        "IP-Adresse beim Bestätigen",
        "Zeitpunkt der Anmeldung (UTC)",
        "Zeitpunkt der Bestätigung (UTC)",
        "Angefragte Listen",
        "Empfänger-ID",
        "Fassung des Datenschutzhinweises",
        "Interessen",
        "Einwilligung in die Auswertung von Öffnungen und Klicks",
        "Einwilligung in persönliche Inhalte (Profiling)",
        "Mindestalter bestätigt",
    ],
    yes_no: ["ja", "nein"],
    not_asked: "nicht gefragt",
    numbered: "Nr.",
    modes: [
        "Single-Opt-in (single): sofort aktiv, ohne Bestätigung",
        "Confirmed-Opt-in (confirmed): sofort aktiv, mit Informationsmail",
        "Double-Opt-in (double): aktiv erst nach Bestätigung über das Postfach",
    ],
    kinds: [
        ("signed_up", "Anmeldung"),
        ("mailed", "Versand der E-Mail"),
        ("confirmed", "Bestätigung"),
    ],
    not_yet: "–",
    not_sealed: "noch nicht versiegelt (stündlich)",
    sealed: "versiegelt am",
    weak: "Dieses Verfahren eignet sich nicht als Nachweis: Dass die Person hinter dem Postfach zugestimmt hat, belegt nur ein bestätigtes Double-Opt-in.",
};

const EN: Words = Words {
    title: "Consent certificate",
    intro: "Made from the controller's sealed evidence ledger.",
    asked: "Fields asked and answers given",
    wording: "Wording of the consent",
    proof: "Seals",
    documents: "What was shown and sent",
    check: "The JSON form of this certificate can be checked without Rundbrief: with docs/verify.py and the public keys at /.well-known/rundbrief-evidence.json.",
    rows: [
        "Identifier of the sign-up",
        "E-mail address",
        "Sign-up setup",
        "Opt-in mode",
        "Address of the form",
        "Address claimed by the browser",
        "IP address of the form post",
        "IP address of the confirmation",
        "Time of the sign-up (UTC)",
        "Time of the confirmation (UTC)",
        "Lists asked for",
        "Subscriber ID",
        "Version of the privacy notice",
        "Interests",
        "Consent to evaluating opens and clicks",
        "Consent to personal contents (profiling)",
        "Minimum age confirmed",
    ],
    yes_no: ["yes", "no"],
    not_asked: "not asked",
    numbered: "no.",
    modes: [
        "Single opt-in (single): active at once, unconfirmed",
        "Confirmed opt-in (confirmed): active at once, with an information mail",
        "Double opt-in (double): active only once confirmed from the mailbox",
    ],
    kinds: [
        ("signed_up", "Sign-up"),
        ("mailed", "E-mail sent"),
        ("confirmed", "Confirmation"),
    ],
    not_yet: "–",
    not_sealed: "not sealed yet (hourly)",
    sealed: "sealed on",
    weak: "This mode is not suitable as proof: only a confirmed double opt-in shows that the person behind the mailbox agreed.",
};

/// The page of a sign-up's certificate.
pub(super) fn page(
    desk: &Desk,
    sign_up: &SignUp,
    certificate: &Certificate,
    language: Language,
) -> Answer {
    let words = match language {
        Language::De => &DE,
        Language::En => &EN,
    };
    let plain = |value: Value| match value {
        Value::Null => words.not_yet.to_owned(),
        Value::String(text) => text,
        Value::Array(items) if items.is_empty() => words.not_yet.to_owned(),
        Value::Array(items) => items
            .iter()
            .map(|item| {
                item.as_str()
                    .map_or_else(|| item.to_string(), str::to_owned)
            })
            .collect::<Vec<_>>()
            .join(", "),
        other => other.to_string(),
    };
    let lists: Vec<&str> = sign_up
        .lists
        .iter()
        .map(|list| list.name.as_str())
        .collect();
    let proven = sign_up.confirmed_entry.is_some();
    let values = [
        json!(sign_up.id()),
        json!(sign_up.email),
        json!(sign_up.setup),
        json!(words.mode(sign_up.mode)),
        json!(sign_up.form_url),
        json!(sign_up.form_url_claimed),
        json!(sign_up.form_ip),
        // Nothing is printed of a confirmation that no statement proves.
        json!(proven.then_some(sign_up.confirm_ip)),
        json!(ShownInstant(sign_up.signed_up_at)),
        json!(sign_up.confirmed_at.filter(|_| proven).map(ShownInstant)),
        json!(lists),
        json!(sign_up.subscriber),
        json!(sign_up.notice_version),
        json!(sign_up.interests),
        json!(words.ticked(sign_up.tracking_consent)),
        json!(words.ticked(sign_up.profiling_consent)),
        json!(words.ticked(sign_up.age_confirmed)),
    ];
    let statements = certificate
        .entries
        .iter()
        .map(|entry| {
            let kind = entry.statement["kind"].as_str().unwrap_or_default();
            let seal = entry.seal.as_ref().map_or_else(
                || words.not_sealed.to_owned(),
                |seal| {
                    let sealed = &seal.sealed;
                    let (at, number, root) = (sealed.sealed_at, sealed.number, sealed.root);
                    format!(
                        "{} {at}, {} {number}, {root}, Ed25519 {}",
                        words.sealed, words.numbered, sealed.key
                    )
                },
            );
            (words.kind(kind).to_owned(), seal)
        })
        .collect();
    let printed = Printed {
        language,
        words,
        controller: &desk.account.name,
        imprint: &desk.account.imprint,
        rows: words.rows.into_iter().zip(values.map(plain)).collect(),
        weak: (!sign_up.mode.suits_as_proof()).then_some(words.weak),
        fields: sign_up
            .fields
            .iter()
            .map(|field| {
                let required = if field.required { " *" } else { "" };
                (
                    format!("{}{required}", field.label),
                    plain(json!(field.value)),
                )
            })
            .collect(),
        wording: &sign_up.consent_wording,
        statements,
        documents: certificate
            .documents
            .iter()
            .map(|document| (document.sha256.to_string(), document.text.as_str()))
            .collect(),
    };
    let html = printed.render().map_err(|_| Trouble::Damaged)?;
    Ok(written("text/html; charset=utf-8", html))
}
