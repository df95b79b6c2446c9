//! `webhooks`: whom the account wants told what happens to people, and of what.
//!
//! Telling them is `webhook`'s part. A signing secret is in the answer that makes it and nowhere
//! else; what is stored signs nothing without the platform's secret.

use axum::Router;
use axum::routing::{get, post};
use jiff::Timestamp;
use lambda_http::http::StatusCode;
use rundbrief::account::Scope;
use rundbrief::entropy::Entropy;
use rundbrief::id::WebhookId;
use rundbrief::key::{AccountScope, Key, Table};
use rundbrief::record::Expect;
use rundbrief::time::ShownInstant;
use rundbrief::webhook::{MAX_WEBHOOKS, SecretMaterial, Topic, Webhook, address};
use serde_json::{Value, json};

use super::access::{Access, Desk, Sent};
use super::answer::{Answer, Refused, created, etag, found_at, if_match, lost_race};
use super::body::{MAX_BODY_OCTETS, Object, web_address, word};
use super::key::shown_once;
use super::resource::{self, ATTEMPTS, Resource, current};
use crate::problem::Problem;
use crate::store::WriteError;
use crate::webhook::call;

const TOO_MANY: Problem = Problem {
    status: StatusCode::CONFLICT,
    code: "too_many_webhooks",
    title: "An account has at most ten webhooks",
};

pub(super) fn routes() -> Router {
    Router::new()
        .route(
            &resource::collection::<Webhook>(),
            get(resource::list::<Webhook>).post(create),
        )
        .route(&resource::element::<Webhook>(), resource::one::<Webhook>())
        .route("/accounts/{account}/webhooks/{id}/rotate", post(rotate))
}

async fn create(access: Access, sent: Sent) -> Answer {
    let desk = access.with(Webhook::WRITE)?;
    let mut webhook: Webhook = resource::new_from(&desk, &sent).await?;
    if desk.app.store.webhooks(&desk.scope, desk.now).await?.len() >= MAX_WEBHOOKS {
        return Err(TOO_MANY.into());
    }
    let secrets = desk.app.webhook_secrets().await?;
    webhook.secret = SecretMaterial::generate(secrets, desk.app.entropy.as_ref());
    webhook.store_new(&desk).await?;
    let location = desk.path(Webhook::PATH, webhook.id.as_str());
    let shown = with_secret(&desk, &webhook).await?;
    Ok(shown_once(
        created(&location, &etag(webhook.rev), &shown),
        webhook.id.as_str(),
    ))
}

/// Another signing secret; the one before signs beside it for a day.
async fn rotate(access: Access, sent: Sent) -> Answer {
    let desk = access.with(Webhook::WRITE)?;
    sent.object_if_any(MAX_BODY_OCTETS)?.finish(Some(()))?;
    let secrets = desk.app.webhook_secrets().await?;
    for _ in 0..ATTEMPTS {
        let before: Webhook = current(&desk, &desk.id()?).await?;
        if_match(&desk.headers, &etag(before.rev))?;
        let secret = SecretMaterial::generate(secrets, desk.app.entropy.as_ref());
        let webhook = before.rotated(secret, desk.now);
        let expect = Expect::Revision(before.rev);
        let put = desk.app.store.put(&desk.scope, &webhook, expect, desk.now);
        match put.await {
            Ok(()) => {
                let shown = with_secret(&desk, &webhook).await?;
                let answer = found_at(&etag(webhook.rev), &shown);
                return Ok(shown_once(answer, webhook.id.as_str()));
            }
            Err(WriteError::Conflict) => {}
            Err(WriteError::Trouble(trouble)) => return Err(trouble.into()),
        }
    }
    Err(lost_race(&desk.headers))
}

async fn with_secret(desk: &Desk, webhook: &Webhook) -> Result<Value, Refused> {
    let secrets = desk.app.webhook_secrets().await?;
    let secret = webhook.secret.secret(secrets).ok_or(Problem::INTERNAL)?;
    let mut shown = webhook.show(desk);
    shown["secret"] = secret.reveal().into();
    Ok(shown)
}

impl Resource for Webhook {
    const PATH: &'static str = "webhooks";
    // Who gets to know what happens to people is no everyday matter.
    const WRITE: Scope = Scope::Admin;
    type Id = WebhookId;

    fn new_id(now: Timestamp, entropy: &dyn Entropy) -> WebhookId {
        WebhookId::generate(now, entropy)
    }

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn place(scope: &AccountScope, id: &str) -> Key {
        Key {
            table: Table::Main,
            pk: scope.webhooks_partition(),
            sk: format!("webhook#{id}"),
        }
    }

    fn read(
        id: WebhookId,
        rev: u64,
        before: Option<&Self>,
        now: Timestamp,
        body: &mut Object,
    ) -> Option<Self> {
        body.ignore(&["state", "created_at", "failing_since"]);
        let url = body.required("url", web_address);
        let events = body.filled_array("events", Topic::ALL.len() * 2, word::<Topic>);
        let fresh = Self {
            id,
            rev,
            url: url?,
            events: events.into_iter().collect(),
            secret: SecretMaterial::none(),
            before: None,
            failures: 0,
            paused_until: None,
            failing_since: None,
            created_at: now,
        };
        let Some(before) = before else {
            return Some(fresh);
        };
        // Another endpoint begins without the failures of the one before.
        let same = before.url == fresh.url;
        Some(Self {
            secret: before.secret.clone(),
            before: before.before.clone(),
            failures: if same { before.failures } else { 0 },
            paused_until: before.paused_until.filter(|_| same),
            failing_since: before.failing_since.filter(|_| same),
            created_at: before.created_at,
            ..fresh
        })
    }

    fn show(&self, _: &Desk) -> Value {
        json!({
            "id": self.id,
            "url": self.url,
            "events": self.events,
            "state": if self.failing_since.is_some() { "failing" } else { "active" },
            "failing_since": self.failing_since.map(ShownInstant),
            "created_at": ShownInstant(self.created_at),
        })
    }

    async fn check(&self, desk: &Desk) -> Result<(), Refused> {
        address::check(&self.url, call::local(&desk.app.settings))
            .map_err(|barred| Refused::field("url", barred.code()))
    }
}
