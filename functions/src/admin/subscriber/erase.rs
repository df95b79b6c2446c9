//! `DELETE subscribers/{id}` and `DELETE subscribers?email=`: erasing a person (Art. 17 GDPR).
//!
//! Answered once the person is gone for every reader; what is left to clean up is done at once as
//! far as the request's time allows, and hourly until it is done. Asking again changes nothing. Also
//! in a closed account, whose data are there for a month still.

use axum::response::Response;
use lambda_http::http::{HeaderValue, StatusCode, Uri, header};
use rundbrief::account::Scope;
use rundbrief::erasure::AskedBy;
use rundbrief::id::PersonKey;
use tokio::time::Instant;

use super::super::access::{Access, Desk};
use super::super::answer::{Answer, Refused, json as answer};
use super::super::erasure::{PATH, show};
use super::super::listing::Parameters;
use super::super::sign_up::Asked;
use crate::erasure::{self, AT_ONCE, Erased};
use crate::problem::Problem;

pub(super) async fn erase(access: Access) -> Answer {
    let desk = access.even_closed(Scope::Erase)?;
    let key: PersonKey = desk.id()?;
    Box::pin(gone(&desk, key)).await
}

/// Who has only asked to sign up is no subscriber, but can be erased all the same.
pub(super) async fn erase_by_email(access: Access, uri: Uri) -> Answer {
    let desk = access.even_closed(Scope::Erase)?;
    match Asked::of(&Parameters::of(&uri), &desk.scope) {
        Asked::Everybody => Err(Refused::field("email", "missing")),
        Asked::Nobody => Err(Problem::NOT_FOUND.into()),
        Asked::One(key) => Box::pin(gone(&desk, key)).await,
    }
}

async fn gone(desk: &Desk, key: PersonKey) -> Answer {
    let (app, scope) = (&desk.app, &desk.scope);
    let erased = Box::pin(erasure::erase(
        app,
        scope,
        key,
        AskedBy::Controller,
        desk.now,
    ))
    .await?;
    let begun = match erased {
        Erased::Nobody => return Err(Problem::NOT_FOUND.into()),
        Erased::Held(hold) => return Err(super::hold::refused(&hold)),
        Erased::Begun(erasure) => *erasure,
    };
    let erasure = if begun.is_complete() {
        begun
    } else {
        let stop_at = Instant::now() + AT_ONCE;
        match erasure::clean_up(app, &desk.account, scope, begun.clone(), stop_at).await {
            Ok(erasure) => erasure,
            // The person is gone for every reader; the next hour goes on with the rest.
            Err(trouble) => {
                tracing::warn!(account = %desk.account.id, %trouble, "an erasure's clean-up waits");
                begun
            }
        }
    };
    let mut response: Response = answer(StatusCode::ACCEPTED, &show(&erasure));
    let path = desk.path(PATH, &erasure.id().to_string());
    if let Ok(location) = HeaderValue::from_str(&path) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}
