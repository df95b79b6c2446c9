//! Links in mails to one person: from the token in the path to the account and scope behind it.
//!
//! A token that does not open, and an account that is gone, look the same to the visitor.

use jiff::Timestamp;
use lambda_http::http::Method;
use lambda_http::{Body, Request, Response};
use rundbrief::account::Account;
use rundbrief::id::{AccountId, EventId, PersonKey};
use rundbrief::key::AccountScope;
use rundbrief::page_language::Language;
use rundbrief::sign_up::SignUp;
use rundbrief::token::Token;

use crate::app::{App, Trouble};
use crate::page;
use crate::problem::Problem;
use crate::visitor;

/// Answers a request for the page of a link: `look` for who only looks, which mail scanners do,
/// `press` for who presses its button. Only one of them runs; `None` is a link that leads nowhere.
pub(crate) async fn respond<E: Into<Problem>>(
    request: &Request,
    look: impl Future<Output = Result<Option<Response<Body>>, E>>,
    press: impl Future<Output = Result<Option<Response<Body>>, E>>,
) -> Response<Body> {
    let result = match *request.method() {
        Method::GET | Method::HEAD => look.await,
        Method::POST => press.await,
        _ => {
            let json = visitor::wants_json(request.headers());
            return page::method_not_allowed(json, "GET, HEAD, POST");
        }
    };
    match result {
        Ok(Some(response)) => response,
        Ok(None) => page::unknown_link(),
        Err(trouble) => page::problem(trouble.into(), Language::default(), Vec::new()),
    }
}

/// An account that a link leads to.
pub(crate) struct Linked {
    pub(crate) account: Account,
    pub(crate) scope: AccountScope,
}

/// The token in the path, if it opens.
pub(crate) async fn token(app: &App, request: &Request) -> Result<Option<Token>, Trouble> {
    let Some(text) = visitor::path_parameter(request, "token") else {
        return Ok(None);
    };
    Ok(app.keys().await?.sealer.open(&text).ok())
}

/// The account of a token, unless it is gone.
pub(crate) async fn account(
    app: &App,
    id: &AccountId,
    now: Timestamp,
) -> Result<Option<Linked>, Trouble> {
    let found = app.account(id, now).await?;
    Ok(found.map(|(account, scope)| Linked { account, scope }))
}

/// The sign-up that a link is about, with the person's other sign-ups.
pub(crate) struct LinkedSignUp {
    pub(crate) linked: Linked,
    pub(crate) sign_up: SignUp,
    pub(crate) others: Vec<SignUp>,
}

/// The sign-up of a token, unless it or its account is gone.
pub(crate) async fn sign_up(
    app: &App,
    account: &AccountId,
    person: PersonKey,
    event: &EventId,
    now: Timestamp,
) -> Result<Option<LinkedSignUp>, Trouble> {
    let Some(linked) = self::account(app, account, now).await? else {
        return Ok(None);
    };
    let sign_ups: Vec<SignUp> = app
        .store
        .records(&linked.scope, person, SignUp::RECORD, now)
        .await?;
    let (mut this, others): (Vec<_>, Vec<_>) = sign_ups
        .into_iter()
        .partition(|sign_up| sign_up.event == *event);
    Ok(this.pop().map(|sign_up| LinkedSignUp {
        linked,
        sign_up,
        others,
    }))
}
