//! `GET setups/{id}/snippet`: the form as plain HTML, to be copied into a page of the controller's.
//!
//! The same form as the hosted one, without script and without anything from elsewhere. What it has
//! no way to carry, the signed time `_form`, no plain form has.

use askama::Template;
use axum::Router;
use axum::response::Response;
use axum::routing::get;
use lambda_http::http::{HeaderValue, Uri, header};
use rundbrief::account::Scope;
use rundbrief::id::SetupId;
use rundbrief::page_language::Language;
use rundbrief::setup::Setup;

use super::access::Access;
use super::answer::{Answer, Refused};
use super::listing::Parameters;
use crate::app::Trouble;
use crate::page::{Form, Input};
use crate::problem::Problem;
use crate::signup::{form_of, form_page};

pub(super) fn routes() -> Router {
    Router::new().route("/accounts/{account}/setups/{id}/snippet", get(read))
}

#[derive(Template)]
#[template(path = "snippet.html")]
struct Snippet<'a> {
    title: String,
    form: Form<'a>,
}

async fn read(access: Access, uri: Uri) -> Answer {
    let desk = access.with(Scope::Read)?;
    let parameters = Parameters::of(&uri);
    let asked = parameters
        .get("lang")
        .map(Language::parse)
        .transpose()
        .map_err(|_| Refused::field("lang", "unknown"))?;
    let id: SetupId = desk.id()?;
    let place = desk.scope.configuration("setup", id.as_str());
    let setup: Option<Setup> = desk.app.store.get(&place, desk.now).await?;
    let setup = setup.ok_or(Problem::NOT_FOUND)?;
    let base = desk.app.settings.public_url().map_err(Trouble::from)?;
    let (account, scope) = (desk.account.clone(), desk.scope.clone());
    let shown = Box::pin(form_of(&desk.app, account, scope, setup, asked, desk.now)).await?;
    let unsent = form_page::unsent(&shown);
    let snippet = Snippet {
        title: form_page::title(&shown.definition),
        form: Form {
            action: format!("{base}/signup/{}/{id}", desk.account.id),
            notice: unsent
                .notice
                .map(|(path, label)| (format!("{base}{path}"), label)),
            ..unsent
        },
    };
    let html = snippet.render().map_err(|_| Trouble::Damaged)?;
    let mut response = Response::new(axum::body::Body::from(html));
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}
