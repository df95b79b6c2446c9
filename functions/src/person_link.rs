//! Links in mails to one person: from the token in the path to the account and scope behind it.
//!
//! A token that does not open, and an account that is gone, look the same to the visitor.

use jiff::Timestamp;
use lambda_http::Request;
use rundbrief::account::Account;
use rundbrief::id::AccountId;
use rundbrief::key::AccountScope;
use rundbrief::token::Token;

use crate::app::{App, Trouble};
use crate::visitor;

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
