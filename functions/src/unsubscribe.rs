//! `GET` and `POST /unsubscribe/{token}`: ends list mail, by our button or by RFC 8058 one-click.
//!
//! A valid token always answers 200, also when there is nobody (any more) to unsubscribe (M-08).

use std::sync::Arc;

use jiff::Timestamp;
use lambda_http::http::{Method, StatusCode};
use lambda_http::{Body, Request, Response};
use rundbrief::consent::{self, Leaving};
use rundbrief::evidence::Entry;
use rundbrief::id::{CampaignId, EventId, PersonKey};
use rundbrief::page_language::Language;
use rundbrief::person::UnsubscribedVia;
use rundbrief::token::{MailOrigin, Token};
use serde_json::Value;

use crate::app::{App, Trouble};
use crate::function::{self, Failure};
use crate::page::{self, Controller, Form, Page};
use crate::person_link::{self, Linked};
use crate::store::WriteError;
use crate::visitor;

/// How often a decision is made again after somebody else changed the person meanwhile.
const ATTEMPTS: usize = 8;

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
    let result = match *request.method() {
        Method::GET | Method::HEAD => look(app, &request, now).await,
        Method::POST => leave(app, &request, now).await,
        _ => {
            let json = visitor::wants_json(request.headers());
            return page::method_not_allowed(json, "GET, HEAD, POST");
        }
    };
    match result {
        Ok(Some(response)) => response,
        Ok(None) => page::unknown_link(),
        // Not a 200: the mailbox provider is to try again (RFC 8058, section 3.1).
        Err(trouble) => page::problem(trouble.into(), Language::default(), Vec::new()),
    }
}

struct Link {
    person: PersonKey,
    campaign: Option<CampaignId>,
    /// `None` when the account is gone.
    linked: Option<Linked>,
}

async fn find(app: &App, request: &Request, now: Timestamp) -> Result<Option<Link>, Trouble> {
    let Some(Token::Unsubscribe {
        account,
        person,
        origin,
    }) = person_link::token(app, request).await?
    else {
        return Ok(None);
    };
    let campaign = match origin {
        MailOrigin::Campaign { campaign, .. } => Some(campaign),
        MailOrigin::SignUp(_) => None,
    };
    Ok(Some(Link {
        person,
        campaign,
        linked: person_link::account(app, &account, now).await?,
    }))
}

async fn look(
    app: &App,
    request: &Request,
    now: Timestamp,
) -> Result<Option<Response<Body>>, Trouble> {
    let Some(link) = find(app, request, now).await? else {
        return Ok(None);
    };
    let language = language(app, &link, now).await?;
    let (title, text, button) = match language {
        Language::De => (
            "Newsletter abbestellen",
            "Mit einem Klick auf die Schaltfläche erhalten Sie keine Newsletter dieses Absenders mehr.",
            "Abbestellen",
        ),
        Language::En => (
            "Unsubscribe",
            "By pressing the button you will receive no more newsletters from this sender.",
            "Unsubscribe",
        ),
    };
    Ok(Some(
        Page {
            language,
            title: title.to_owned(),
            texts: vec![text.to_owned()],
            problems: Vec::new(),
            form: Some(Form {
                button,
                ..Form::default()
            }),
            controller: link
                .linked
                .as_ref()
                .map(|linked| Controller::of(&linked.account, language)),
        }
        .respond(StatusCode::OK),
    ))
}

/// The language the person is written to in, or the account's.
async fn language(app: &App, link: &Link, now: Timestamp) -> Result<Language, Trouble> {
    let Some(linked) = &link.linked else {
        return Ok(Language::default());
    };
    let person = app.store.person(&linked.scope, link.person, now).await?;
    Ok(person
        .profile
        .map_or(linked.account.language, |profile| profile.language))
}

async fn leave(
    app: &App,
    request: &Request,
    now: Timestamp,
) -> Result<Option<Response<Body>>, Trouble> {
    let Some(link) = find(app, request, now).await? else {
        return Ok(None);
    };
    let language = language(app, &link, now).await?;
    let via = if visitor::is_one_click(request).await {
        UnsubscribedVia::OneClick
    } else {
        UnsubscribedVia::Page
    };
    if let Some(linked) = &link.linked {
        let leaving = Leaving {
            list: None,
            via,
            campaign: link.campaign.clone(),
            event: EventId::generate(now, app.entropy.as_ref()),
            entry: Entry::generate(now, app.entropy.as_ref()),
            now,
        };
        carry_out(app, linked, link.person, &leaving).await?;
    }
    let (title, text) = match language {
        Language::De => (
            "Sie sind abgemeldet",
            "Sie erhalten keine Newsletter dieses Absenders mehr.",
        ),
        Language::En => (
            "You are unsubscribed",
            "You will receive no more newsletters from this sender.",
        ),
    };
    Ok(Some(
        Page {
            language,
            title: title.to_owned(),
            texts: vec![text.to_owned()],
            problems: Vec::new(),
            form: None,
            controller: link
                .linked
                .as_ref()
                .map(|linked| Controller::of(&linked.account, language)),
        }
        .respond(StatusCode::OK),
    ))
}

/// Withdraws, and tries again while others change the same person.
async fn carry_out(
    app: &App,
    linked: &Linked,
    key: PersonKey,
    leaving: &Leaving,
) -> Result<(), Trouble> {
    let zone = rundbrief::time::zone(&linked.account.time_zone).map_err(|_| Trouble::Damaged)?;
    for _ in 0..ATTEMPTS {
        let person = app.store.person(&linked.scope, key, leaving.now).await?;
        let Some(transaction) = consent::leave(&linked.scope, &person, leaving, &zone) else {
            return Ok(());
        };
        match app
            .store
            .commit(&linked.scope, &transaction, leaving.now)
            .await
        {
            Ok(()) => return Ok(()),
            Err(WriteError::Conflict) => {}
            Err(WriteError::Trouble(trouble)) => return Err(trouble),
        }
    }
    Err(Trouble::Contended)
}
