//! One POST to a recipient's endpoint: to a vetted address, signed, without redirects; of the
//! answer nothing is read but its status.
//!
//! Not when it is tried again, which `rundbrief::webhook::delivery` decides.

use std::net::IpAddr;
use std::time::Duration;

use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns, ResolveDnsError};
use aws_smithy_runtime_api::client::http::HttpConnector as _;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use jiff::Timestamp;
use rundbrief::webhook::address::{self, Local};
use rundbrief::webhook::delivery::Delivery;
use rundbrief::webhook::{Webhook, WebhookSecrets};

use crate::app::{App, Trouble};
use crate::settings::Settings;

/// How long a recipient may take, name look-up and TLS included.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What a recipient said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// A status of success.
    Acknowledged,
    /// Anything else.
    Failed {
        /// A word for the log.
        reason: &'static str,
        /// The status, if there was one.
        status: Option<u16>,
    },
}

const fn failed(reason: &'static str) -> Answer {
    Answer::Failed {
        reason,
        status: None,
    }
}

/// Whether webhooks may lead to this machine.
pub(crate) fn local(settings: &Settings) -> Local {
    if settings.local_webhooks {
        Local::Allowed
    } else {
        Local::Barred
    }
}

/// Finds a host's addresses, and none when one of them may not be connected to. What it answers
/// is what is connected to, so a name that leads elsewhere a moment later changes nothing.
#[derive(Debug, Clone)]
struct Vetted(Local);

impl ResolveDns for Vetted {
    fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
        DnsFuture::new(async move {
            let found = tokio::net::lookup_host((name, 0))
                .await
                .map_err(ResolveDnsError::new)?;
            let found: Vec<IpAddr> = found.map(|address| address.ip()).collect();
            for address in &found {
                address::connect(name, *address, self.0).map_err(ResolveDnsError::new)?;
            }
            Ok(found)
        })
    }
}

/// What connects to recipients: the same TLS as the SDK's, no proxy, no connection kept, so that
/// each attempt looks where it goes.
pub(crate) fn connector(local: Local) -> Connector {
    Connector::builder()
        .tls_provider(tls::Provider::Rustls(CryptoMode::Ring))
        .pool_max_idle_per_host(0)
        .build_with_resolver(Vetted(local))
}

/// Sends a message once.
///
/// # Errors
/// When it cannot be signed: its secret's version is gone.
pub(super) async fn post(
    app: &App,
    webhook: &Webhook,
    secrets: &WebhookSecrets,
    message: &Delivery,
    now: Timestamp,
) -> Result<Answer, Trouble> {
    // Again, and not only when it was registered: an address that is no name is not looked up.
    if address::check(&webhook.url, local(&app.settings)).is_err() {
        return Ok(failed("barred"));
    }
    let (id, body) = (message.message_id(), message.body());
    let signatures = webhook
        .signatures(secrets, &id, now, &body)
        .ok_or(Trouble::Secret)?;
    let Some(request) = request(webhook, &id, now, &signatures, body) else {
        return Ok(failed("url"));
    };
    let connector = app.clients.recipients();
    let answer = match tokio::time::timeout(TIMEOUT, connector.call(request)).await {
        Err(_) => return Ok(failed("timeout")),
        // Its text may quote the URL.
        Ok(Err(_)) => return Ok(failed("connection")),
        Ok(Ok(answer)) => answer,
    };
    // The body is dropped unread, and the connection with it.
    Ok(if answer.status().is_success() {
        Answer::Acknowledged
    } else {
        Answer::Failed {
            reason: "status",
            status: Some(answer.status().as_u16()),
        }
    })
}

fn request(
    webhook: &Webhook,
    id: &str,
    now: Timestamp,
    signatures: &str,
    body: String,
) -> Option<HttpRequest> {
    let mut request = HttpRequest::new(SdkBody::from(body));
    request.set_method("POST").ok()?;
    request.set_uri(webhook.url.as_str()).ok()?;
    let headers = request.headers_mut();
    for (name, value) in [
        ("content-type", "application/json"),
        ("user-agent", "Rundbrief-Webhooks/1"),
        ("webhook-id", id),
        ("webhook-timestamp", &now.as_second().to_string()),
        ("webhook-signature", signatures),
    ] {
        headers.try_insert(name.to_owned(), value.to_owned()).ok()?;
    }
    Some(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_that_leads_to_this_machine_is_not_connected_to() {
        for (local, found) in [(Local::Barred, false), (Local::Allowed, true)] {
            let resolver = Vetted(local);
            let answer = resolver.resolve_dns("localhost").await;
            assert_eq!(answer.is_ok(), found, "{local:?}");
        }
        // An address as a name: what the C library reads as 127.0.0.1 too.
        for name in ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "::1", "0"] {
            let resolver = Vetted(Local::Barred);
            assert!(resolver.resolve_dns(name).await.is_err(), "{name}");
        }
    }
}
