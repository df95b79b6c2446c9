//! `keys`: making, listing and revoking an account's keys.
//!
//! Not authentication, which is `access`. A key's text is in the answer that makes it and
//! nowhere else; what is stored is a hash.

use axum::Router;
use axum::response::Response;
use axum::routing::get;
use jiff::Timestamp;
use rundbrief::account::{ApiKey, Scope};
use rundbrief::crypto::KeySecret;
use rundbrief::entropy::Entropy;
use rundbrief::id::KeyId;
use rundbrief::record::Expect;
use rundbrief::time::ShownInstant;
use serde_json::{Value, json};

use super::access::{Access, Desk, Sent, key_text};
use super::answer::{Answer, Refused, created, etag};
use super::body::{MAX_NAME_CHARACTERS, Object, line, word};
use super::idempotency::Keep;
use super::resource::{self, Resource};
use crate::problem::Problem;

pub(super) fn routes() -> Router {
    Router::new()
        .route(
            &resource::collection::<ApiKey>(),
            get(resource::list::<ApiKey>).post(create),
        )
        .route(&resource::element::<ApiKey>(), resource::one::<ApiKey>())
}

/// Adds a key's text to the one answer that shows it.
pub(super) fn shown_once(mut response: Response, id: &str) -> Response {
    response
        .extensions_mut()
        .insert(Keep::Never { id: id.to_owned() });
    response
}

async fn create(access: Access, sent: Sent) -> Answer {
    let desk = access.with(ApiKey::WRITE)?;
    let secret = KeySecret::generate(desk.app.entropy.as_ref());
    let mut key: ApiKey = resource::new_from(&desk, &sent).await?;
    key.secret_hash = secret.hash();
    desk.app
        .store
        .put(&desk.scope, &key, Expect::Absent, desk.now)
        .await?;
    let mut shown = key.show(&desk);
    shown["key"] = key_text(&desk.account.id, &key.id, &secret).into();
    let location = desk.path(ApiKey::PATH, key.id.as_str());
    Ok(shown_once(
        created(&location, &etag(key.rev), &shown),
        key.id.as_str(),
    ))
}

impl Resource for ApiKey {
    const PATH: &'static str = "keys";
    const READ: Scope = Scope::Admin;
    const WRITE: Scope = Scope::Admin;
    type Id = KeyId;

    fn new_id(now: Timestamp, entropy: &dyn Entropy) -> KeyId {
        KeyId::generate(now, entropy)
    }

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn read(
        id: KeyId,
        rev: u64,
        before: Option<&Self>,
        now: Timestamp,
        body: &mut Object,
    ) -> Option<Self> {
        body.ignore(&["created_at"]);
        let name = body.required("name", line(MAX_NAME_CHARACTERS));
        let mut scopes = body.filled_array("scopes", Scope::ALL.len() * 2, word::<Scope>);
        scopes.sort();
        scopes.dedup();
        Some(Self {
            id,
            rev,
            name: name?,
            scopes,
            secret_hash: before.map_or_else(String::new, |before| before.secret_hash.clone()),
            created_at: before.map_or(now, |before| before.created_at),
        })
    }

    fn show(&self, _: &Desk) -> Value {
        json!({
            "id": self.id,
            "name": self.name,
            "scopes": self.scopes,
            "created_at": ShownInstant(self.created_at),
        })
    }

    /// Nobody hands out more than they have.
    async fn check(&self, desk: &Desk) -> Result<(), Refused> {
        if self.scopes.iter().all(|scope| desk.caller.has(*scope)) {
            Ok(())
        } else {
            Err(Problem::FORBIDDEN.into())
        }
    }
}
