//! `subscribers/{id}/export` (Art. 15 GDPR) and `…/portable` (Art. 20): what is stored of a person.
//!
//! As JSON, and as a page to read or a file to import elsewhere; what stands in them is
//! `export::answer`'s part.

use lambda_http::http::Uri;
use rundbrief::account::Scope;
use rundbrief::id::PersonKey;
use rundbrief::page_language::Language;

use super::super::access::Access;
use super::super::answer::{Answer, Refused, found, written};
use super::super::listing::Parameters;
use crate::export::{answer, portable as taken_along};
use crate::problem::Problem;

pub(super) async fn export(access: Access, uri: Uri) -> Answer {
    let desk = access.with(Scope::Export)?;
    let parameters = Parameters::of(&uri);
    let as_page = match parameters.get("format") {
        None | Some("json") => false,
        Some("html") => true,
        Some(_) => return Err(Refused::field("format", "unknown")),
    };
    let language = parameters
        .get("lang")
        .map(Language::parse)
        .transpose()
        .map_err(|_| Refused::field("lang", "unknown"))?;
    let key: PersonKey = desk.id()?;
    let person = desk.app.store.person(&desk.scope, key, desk.now).await?;
    let whose = (&desk.account, &desk.scope);
    let access = answer::Access::of(&desk.app, whose, &person, language, desk.now);
    let access = Box::pin(access).await?.ok_or(Problem::NOT_FOUND)?;
    if as_page {
        return Ok(written("text/html; charset=utf-8", access.html()?));
    }
    Ok(found(&access.json()))
}

/// What the person gave (Art. 20(1)).
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
        let csv = taken_along::csv(profile)?;
        return Ok(written("text/csv; charset=utf-8; header=present", csv));
    }
    Ok(found(&taken_along::json(&person, profile)?))
}
