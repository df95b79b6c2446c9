//! `GET` and `POST /confirm/{token}`: completes a double opt-in.
//!
//! A POST, because mail scanners follow every link in a message: a GET would consent on people's
//! behalf (T-09).

mod change;

use std::sync::Arc;

use jiff::Timestamp;
use lambda_http::http::{HeaderValue, StatusCode, header};
use lambda_http::{Body, Request, Response};
use rundbrief::consent::{self, Confirmation, Press};
use rundbrief::evidence::Entry;
use rundbrief::page_language::Language;
use rundbrief::setup::Setup;
use rundbrief::sign_up::SignUpState;
use rundbrief::token::Token;
use serde_json::Value;

use crate::app::{App, Trouble};
use crate::function::{self, Failure};
use crate::page::{Controller, Form, Page};
use crate::person_link::{self, LinkedSignUp};
use crate::store::WriteError;
use crate::visitor;

/// How often a decision is made again after somebody else changed the person meanwhile.
const ATTEMPTS: usize = 5;

/// Handles an API Gateway event.
///
/// # Errors
/// When the event is none.
pub async fn handle(app: Arc<App>, event: Value) -> Result<Value, Failure> {
    function::http(&app, event, respond).await
}

/// Answers one request.
pub async fn respond(app: &App, request: Request) -> Response<Body> {
    let now = app.now();
    let (look, press) = (
        Box::pin(look(app, &request, now)),
        Box::pin(press(app, &request, now)),
    );
    person_link::respond(&request, look, press).await
}

async fn find(
    app: &App,
    request: &Request,
    now: Timestamp,
) -> Result<Option<LinkedSignUp>, Trouble> {
    let Some(Token::Confirm {
        account,
        person,
        sign_up: event,
    }) = person_link::token(app, request).await?
    else {
        return Ok(None);
    };
    let found = person_link::sign_up(app, &account, person, &event, now).await?;
    Ok(found.filter(|found| found.linked.account.is_open(now)))
}

async fn look(
    app: &App,
    request: &Request,
    now: Timestamp,
) -> Result<Option<Response<Body>>, Trouble> {
    let Some(mut found) = find(app, request, now).await? else {
        return Ok(None);
    };
    let person = app
        .store
        .person(&found.linked.scope, found.sign_up.person, now)
        .await?;
    if consent::confirmable(&person, Some(&found.sign_up)).is_err() {
        return Ok(None);
    }
    if let Some(former) = found.sign_up.former {
        return change::look(app, &found, former, now).await;
    }
    found.sign_up = consent::as_shown(&person, &found.sign_up);
    Ok(Some(match found.sign_up.state {
        SignUpState::Pending => {
            let leads_to = redirect(app, &found, now).await?;
            button(&found, leads_to.as_deref())
        }
        _ => done(&found),
    }))
}

async fn press(
    app: &App,
    request: &Request,
    now: Timestamp,
) -> Result<Option<Response<Body>>, Trouble> {
    // API Gateway always says where a request came from; without it there is no evidence.
    let Some(ip) = visitor::client_ip(request) else {
        return Err(Trouble::Damaged);
    };
    let entry = Entry::generate(now, app.entropy.as_ref());
    for _ in 0..ATTEMPTS {
        let Some(mut found) = find(app, request, now).await? else {
            return Ok(None);
        };
        let scope = &found.linked.scope;
        let person = app.store.person(scope, found.sign_up.person, now).await?;
        let by = Press { ip, entry, now };
        let decided = match found.sign_up.former {
            Some(former) => change::decide(app, &found, &person, former, by).await?,
            None => consent::confirm(scope, &person, Some(&found.sign_up), &found.others, by),
        };
        found.sign_up = consent::as_shown(&person, &found.sign_up);
        let scope = &found.linked.scope;
        match decided {
            Err(_) => return Ok(None),
            Ok(Confirmation::AlreadyComplete) => return Ok(Some(done(&found))),
            Ok(Confirmation::Complete(transaction)) => {
                match app.store.commit(scope, &transaction, now).await {
                    Ok(()) => return confirmed(app, &found, now).await.map(Some),
                    Err(WriteError::Conflict) => {}
                    Err(WriteError::Trouble(trouble)) => return Err(trouble),
                }
            }
        }
    }
    Err(Trouble::Contended)
}

/// The setup's own page after the first confirmation.
async fn redirect(
    app: &App,
    found: &LinkedSignUp,
    now: Timestamp,
) -> Result<Option<String>, Trouble> {
    let key = found
        .linked
        .scope
        .configuration("setup", found.sign_up.setup.as_str());
    let setup: Option<Setup> = app.store.get(&key, now).await?;
    Ok(setup.and_then(|setup| setup.redirects.confirmed))
}

/// The setup's page after the first confirmation, or our own.
async fn confirmed(
    app: &App,
    found: &LinkedSignUp,
    now: Timestamp,
) -> Result<Response<Body>, Trouble> {
    // That page thanks for a sign-up.
    let target = match found.sign_up.former {
        Some(_) => None,
        None => redirect(app, found, now).await?,
    };
    let Some(location) = target.and_then(|target| HeaderValue::from_str(&target).ok()) else {
        return Ok(done(found));
    };
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::SEE_OTHER;
    response.headers_mut().insert(header::LOCATION, location);
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.headers_mut().insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    );
    Ok(response)
}

fn lists(found: &LinkedSignUp) -> String {
    found
        .sign_up
        .lists
        .iter()
        .map(|list| list.name.as_str())
        .collect::<Vec<_>>()
        .join(", ")
}

fn button(found: &LinkedSignUp, leads_to: Option<&str>) -> Response<Body> {
    let language = found.sign_up.language;
    let (title, text, button) = match language {
        Language::De => (
            "Bitte bestätigen Sie Ihre Anmeldung",
            format!(
                "Mit einem Klick auf die Schaltfläche bestätigen Sie Ihre Anmeldung zu: {}.",
                lists(found)
            ),
            "Anmeldung bestätigen",
        ),
        Language::En => (
            "Please confirm your sign-up",
            format!(
                "By pressing the button you confirm your sign-up for: {}.",
                lists(found)
            ),
            "Confirm sign-up",
        ),
    };
    Page {
        language,
        title: title.to_owned(),
        texts: vec![text, found.sign_up.consent_wording.clone()],
        form: Some(Form {
            button,
            leads_to,
            ..Form::default()
        }),
        controller: Some(Controller::of(&found.linked.account, language)),
        ..Page::default()
    }
    .respond(StatusCode::OK)
}

fn done(found: &LinkedSignUp) -> Response<Body> {
    let language = found.sign_up.language;
    let (title, text) = match language {
        _ if found.sign_up.former.is_some() => change::done(language),
        Language::De => (
            "Ihre Anmeldung ist bestätigt",
            format!(
                "Bestätigt ist die Anmeldung zu: {}. In jeder E-Mail steht ein Link, mit dem Sie sich wieder abmelden können.",
                lists(found)
            ),
        ),
        Language::En => (
            "Your sign-up is confirmed",
            format!(
                "Confirmed is the sign-up for: {}. Every e-mail contains a link to unsubscribe again.",
                lists(found)
            ),
        ),
    };
    Page {
        language,
        title: title.to_owned(),
        texts: vec![text],
        controller: Some(Controller::of(&found.linked.account, language)),
        ..Page::default()
    }
    .respond(StatusCode::OK)
}
