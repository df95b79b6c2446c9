//! `signups/{id}/certificate` and `seals`: the proof of a consent, to be checked by anybody.
//!
//! As JSON for `docs/verify.py`, or as a page to print. Reads only; sealing is `retention`'s part.

mod printed;

use axum::Router;
use axum::routing::get;
use jiff::SignedDuration;
use lambda_http::http::Uri;
use rundbrief::account::Scope;
use rundbrief::evidence::certificate::{
    Certificate, CertifiedDocument, CertifiedEntry, CertifiedSeal, FORMAT,
};
use rundbrief::evidence::document::Document;
use rundbrief::evidence::seal::{Inclusion, LeafPage, Seal, inclusion};
use rundbrief::evidence::{Digest, Entry, Statement};
use rundbrief::id::RecordId;
use rundbrief::key::Table;
use rundbrief::page_language::Language;
use rundbrief::person::Unsubscription;
use rundbrief::sign_up::SignUp;
use serde_json::json;

use super::access::{Access, Desk};
use super::answer::{Answer, Refused, found};
use super::listing::{Parameters, Window, page_at};
use super::sign_up::visible;
use crate::app::Trouble;
use crate::problem::Problem;
use crate::store::Range;

/// Seals read at a time: the one after a leaf was made holds it, or a later one where there were
/// more than one seal takes.
const SEALS: i32 = 4;
/// How much younger than its seal a leaf may be, where two clocks differ or a run took long.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_mins(10);

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
        return printed::page(&desk, &sign_up, &certificate, language);
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
async fn proof(desk: &Desk, entry: Entry) -> Result<Option<(Inclusion, CertifiedSeal)>, Trouble> {
    let mut range = Range {
        table: Table::Main,
        pk: desk.scope.evidence_partition(),
        prefix: Seal::PREFIX.to_owned(),
        // Seals sort by time: those before the leaf cannot hold it.
        after: Some(Seal::place_text(entry.leaf.made_at() - CLOCKS_DIFFER)),
        limit: SEALS,
    };
    loop {
        let page = desk.app.store.page::<Seal>(&range, desk.now).await?;
        for seal in page.items {
            if let Some(inclusion) = in_seal(desk, &seal, entry).await? {
                return Ok(Some((inclusion, certified(seal))));
            }
        }
        match page.next {
            Some(next) => range.after = Some(next),
            None => return Ok(None),
        }
    }
}

/// Where a leaf stands in a seal.
async fn in_seal(desk: &Desk, seal: &Seal, entry: Entry) -> Result<Option<Inclusion>, Trouble> {
    for (number, root) in seal.pages.iter().enumerate() {
        let place = LeafPage::place(&desk.scope, *root);
        let page: Option<LeafPage> = desk.app.store.get(&place, desk.now).await?;
        let page = page.ok_or(Trouble::Damaged)?;
        if let Some(inclusion) = inclusion(seal, number, &page, entry.leaf) {
            return Ok(Some(inclusion));
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
