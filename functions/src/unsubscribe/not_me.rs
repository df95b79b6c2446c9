//! `GET` and `POST /not-me/{token}`: the owner of a mailbox says that somebody else signed up.
//!
//! A POST, because mail scanners follow every link in a message (T-09).

use jiff::Timestamp;
use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, Response};
use rundbrief::consent::{Denial, deniable, deny};
use rundbrief::token::Token;

use crate::app::{App, Trouble};
use crate::page::{Controller, Form, Page};
use crate::person_link::{self, LinkedSignUp};
use crate::store::WriteError;

/// What the path begins with.
pub(super) const PATH: &str = "/not-me/";
/// How often a decision is made again after somebody else changed the person meanwhile.
const ATTEMPTS: usize = 5;

/// Answers one request.
pub(super) async fn respond(app: &App, request: &Request, now: Timestamp) -> Response<Body> {
    let (look, press) = (
        Box::pin(look(app, request, now)),
        Box::pin(press(app, request, now)),
    );
    person_link::respond(request, look, press).await
}

async fn find(
    app: &App,
    request: &Request,
    now: Timestamp,
) -> Result<Option<LinkedSignUp>, Trouble> {
    let Some(Token::NotMe {
        account,
        person,
        sign_up: event,
    }) = person_link::token(app, request).await?
    else {
        return Ok(None);
    };
    let found = person_link::sign_up(app, &account, person, &event, now).await?;
    Ok(found)
}

async fn look(
    app: &App,
    request: &Request,
    now: Timestamp,
) -> Result<Option<Response<Body>>, Trouble> {
    let Some(found) = find(app, request, now).await? else {
        return Ok(None);
    };
    let key = found.sign_up.person;
    let person = app.store.person(&found.linked.scope, key, now).await?;
    Ok(match deniable(&person, Some(&found.sign_up)) {
        Ok(true) => Some(done(&found)),
        Ok(false) => Some(button(&found)),
        Err(_) => None,
    })
}

async fn press(
    app: &App,
    request: &Request,
    now: Timestamp,
) -> Result<Option<Response<Body>>, Trouble> {
    for _ in 0..ATTEMPTS {
        let Some(found) = find(app, request, now).await? else {
            return Ok(None);
        };
        let scope = &found.linked.scope;
        let person = app.store.person(scope, found.sign_up.person, now).await?;
        match deny(&person, Some(&found.sign_up), &found.others, now) {
            Err(_) => return Ok(None),
            Ok(Denial::AlreadyDone) => return Ok(Some(done(&found))),
            Ok(Denial::Complete(transaction)) => {
                match app.store.commit(scope, &transaction, now).await {
                    Ok(()) => return Ok(Some(done(&found))),
                    Err(WriteError::Conflict) => {}
                    Err(WriteError::Trouble(trouble)) => return Err(trouble),
                }
            }
        }
    }
    Err(Trouble::Contended)
}

fn button(found: &LinkedSignUp) -> Response<Body> {
    let language = found.sign_up.language;
    let title = language.pick("Das waren nicht Sie?", "That was not you?");
    let text = if found.sign_up.former.is_some() {
        language.pick(
            "Mit einem Klick auf die Schaltfläche wird die Änderung der Adresse verworfen, und über dieses Formular schicken wir Ihnen nichts mehr.",
            "By pressing the button the change of address is discarded, and nothing more is sent to you through this form.",
        )
    } else {
        language.pick(
            "Mit einem Klick auf die Schaltfläche wird die Anmeldung verworfen, und über dieses Formular schicken wir Ihnen nichts mehr.",
            "By pressing the button the sign-up is discarded, and nothing more is sent to you through this form.",
        )
    };
    let form = Form {
        button: language.pick("Das war ich nicht", "That was not me"),
        ..Form::default()
    };
    shown(found, title, text, Some(form))
}

fn done(found: &LinkedSignUp) -> Response<Body> {
    let language = found.sign_up.language;
    let title = if found.sign_up.former.is_some() {
        language.pick("Die Änderung ist verworfen", "The change is discarded")
    } else {
        language.pick("Die Anmeldung ist verworfen", "The sign-up is discarded")
    };
    let text = language.pick(
        "Über dieses Formular schicken wir Ihnen nichts mehr, auch wenn jemand Ihre Adresse noch einmal einträgt.",
        "Nothing more is sent to you through this form, also if somebody enters your address again.",
    );
    shown(found, title, text, None)
}

fn shown(found: &LinkedSignUp, title: &str, text: &str, form: Option<Form<'_>>) -> Response<Body> {
    let language = found.sign_up.language;
    Page {
        language,
        title: title.to_owned(),
        texts: vec![text.to_owned()],
        form,
        controller: Some(Controller::of(&found.linked.account, language)),
        ..Page::default()
    }
    .respond(StatusCode::OK)
}
