//! `signups/{id}/certificate` and `seals`: the proof of a consent, to be checked by anybody.
//!
//! As JSON for `docs/verify.py`, or as a page to print. Reads only; sealing is `retention`'s part.

use askama::Template;
use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use lambda_http::http::{Uri, header};
use rundbrief::account::Scope;
use rundbrief::evidence::certificate::{
    Certificate, CertifiedDocument, CertifiedEntry, CertifiedSeal, FORMAT,
};
use rundbrief::evidence::document::Document;
use rundbrief::evidence::seal::{LeafPage, Seal, inclusion};
use rundbrief::evidence::{Digest, Entry, Statement};
use rundbrief::id::RecordId;
use rundbrief::key::Table;
use rundbrief::page_language::Language;
use rundbrief::person::Unsubscription;
use rundbrief::setup::Mode;
use rundbrief::sign_up::SignUp;
use rundbrief::time::ShownInstant;
use serde_json::{Value, json};

use super::access::{Access, Desk};
use super::answer::{Answer, Refused, found};
use super::listing::{Parameters, Window, page_at};
use super::sign_up::visible;
use crate::app::Trouble;
use crate::problem::Problem;
use crate::store::Range;

/// Seals that may hold a leaf: the one after it was made, or a later one where it was written
/// late.
const SEALS: usize = 4;

pub(super) fn routes() -> Router {
    Router::new()
        .route(
            "/accounts/{account}/signups/{id}/certificate",
            get(certificate),
        )
        .route(
            "/accounts/{account}/unsubscriptions/{id}/certificate",
            get(of_leaving),
        )
        .route("/accounts/{account}/seals", get(seals))
}

async fn certificate(access: Access, uri: Uri) -> Answer {
    let desk = access.with(Scope::Read)?;
    let parameters = Parameters::of(&uri);
    let as_page = match parameters.get("format") {
        None | Some("json") => false,
        Some("html") => true,
        Some(_) => return Err(Refused::field("format", "unknown")),
    };
    let id: RecordId = desk.id()?;
    let sign_up: SignUp = visible(&desk, SignUp::RECORD, id).await?;
    let language = match parameters.get("lang") {
        None => sign_up.language,
        Some(code) => Language::parse(code).map_err(|_| Refused::field("lang", "unknown"))?,
    };
    let certificate = certify(&desk, &sign_up).await?;
    if as_page {
        return page(&desk, &sign_up, &certificate, language);
    }
    shown(&certificate)
}

/// The proof of leaving, for a whole account's check. Of one that is nobody's any more there is
/// none: its leaf says nothing without the salt, which went with the name.
async fn of_leaving(access: Access) -> Answer {
    let desk = access.with(Scope::Read)?;
    let id: RecordId = desk.id()?;
    let left: Unsubscription = visible(&desk, Unsubscription::RECORD, id).await?;
    let entry = left.entry.filter(|_| left.anonymised_at.is_none());
    let entry = entry.ok_or::<Refused>(Problem::NOT_FOUND.into())?;
    let statement = Statement::left(&desk.account.id, &left);
    let proof = proof(&desk, entry).await?;
    shown(&Certificate {
        format: FORMAT,
        entries: vec![CertifiedEntry::new(&statement, entry, proof)],
        documents: Vec::new(),
    })
}

fn shown(certificate: &Certificate) -> Answer {
    let shown = serde_json::to_value(certificate);
    Ok(found(&shown.map_err(|_| Trouble::Damaged)?))
}

/// All that is stated of a sign-up, in the order in which it happened, with its proofs.
async fn certify(desk: &Desk, sign_up: &SignUp) -> Result<Certificate, Trouble> {
    let account = &desk.account.id;
    let mut stated: Vec<(Statement, Entry)> = Vec::new();
    if let Some(entry) = sign_up.entry {
        stated.push((Statement::signed_up(account, sign_up), entry));
    }
    for mail in &sign_up.mails {
        stated.push((Statement::mailed(account, sign_up, mail), mail.entry));
    }
    if let (Some(entry), Some(statement)) = (
        sign_up.confirmed_entry,
        Statement::confirmed(account, sign_up),
    ) {
        stated.push((statement, entry));
    }
    let mut entries = Vec::new();
    for (statement, entry) in &stated {
        let proof = proof(desk, *entry).await?;
        entries.push(CertifiedEntry::new(statement, *entry, proof));
    }
    let named = [&sign_up.form_version]
        .into_iter()
        .chain(&sign_up.notice_version)
        .filter_map(|name| Digest::try_from(name.clone()).ok())
        .chain(sign_up.mails.iter().map(|mail| mail.document));
    let mut documents: Vec<CertifiedDocument> = Vec::new();
    for name in named {
        if documents.iter().any(|known| known.sha256 == name) {
            continue;
        }
        let place = Document::place(&desk.scope, name);
        if let Some(document) = desk.app.store.get::<Document>(&place, desk.now).await? {
            documents.push(document.into());
        }
    }
    Ok(Certificate {
        format: FORMAT,
        entries,
        documents,
    })
}

/// Where a leaf stands; nothing until its hour is sealed.
async fn proof(
    desk: &Desk,
    entry: Entry,
) -> Result<Option<(rundbrief::evidence::seal::Inclusion, CertifiedSeal)>, Trouble> {
    let range = Range {
        table: Table::Main,
        pk: desk.scope.evidence_partition(),
        prefix: Seal::PREFIX.to_owned(),
        // Seals sort by time: those before the leaf cannot hold it.
        after: Some(Seal::place_text(entry.leaf.made_at())),
        limit: i32::try_from(SEALS).unwrap_or(i32::MAX),
    };
    for seal in desk.app.store.page::<Seal>(&range, desk.now).await?.items {
        for (number, root) in seal.pages.iter().enumerate() {
            let place = LeafPage::place(&desk.scope, *root);
            let page: LeafPage = desk
                .app
                .store
                .get(&place, desk.now)
                .await?
                .ok_or(Trouble::Damaged)?;
            if let Some(inclusion) = inclusion(&seal, number, &page, entry.leaf) {
                return Ok(Some((inclusion, certified(seal))));
            }
        }
    }
    Ok(None)
}

fn certified(seal: Seal) -> CertifiedSeal {
    CertifiedSeal {
        sealed: seal.sealed,
        signature: seal.signature,
    }
}

/// The account's seals, oldest first: a chain that shows whether one is missing.
async fn seals(access: Access, uri: Uri) -> Answer {
    let desk = access.with(Scope::Read)?;
    let window = Window::of(&Parameters::of(&uri), desk.account.id.as_str(), "seals")?;
    let place = (desk.scope.evidence_partition(), Seal::PREFIX.to_owned());
    page_at(&desk.app, &window, place, desk.now, |seal: &Seal| {
        json!(certified(seal.clone()))
    })
    .await
}

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
    rows: [&'static str; 12],
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
    ],
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
    ],
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

fn page(desk: &Desk, sign_up: &SignUp, certificate: &Certificate, language: Language) -> Answer {
    let words = match language {
        Language::De => &DE,
        Language::En => &EN,
    };
    let plain = |value: Value| match value {
        Value::Null => words.not_yet.to_owned(),
        Value::String(text) => text,
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
    let values = [
        json!(sign_up.email),
        json!(sign_up.setup),
        json!(words.mode(sign_up.mode)),
        json!(sign_up.form_url),
        json!(sign_up.form_url_claimed),
        json!(sign_up.form_ip),
        json!(sign_up.confirm_ip),
        json!(ShownInstant(sign_up.signed_up_at)),
        json!(sign_up.confirmed_at.map(ShownInstant)),
        json!(lists),
        json!(sign_up.subscriber),
        json!(sign_up.notice_version),
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
                        "{} {at}, Nr. {number}, {root}, Ed25519 {}",
                        words.sealed, sealed.key
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
    let mut response: Response = html.into_response();
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'",
        ),
    ] {
        headers.insert(name, lambda_http::http::HeaderValue::from_static(value));
    }
    Ok(response)
}
