//! SES v2 on the wire: takes mails, keeps them in the inbox, tells the event bus about them.
//!
//! Nothing leaves this machine, and no template is stored: inline ones only, as Rundbrief sends.

mod directory;
mod encoded_word;
mod limits;
mod mime;
mod notify;
mod refusal;
mod request;
mod send;
mod store;
mod template;
#[cfg(test)]
pub(crate) mod tests;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use ring::rand::SystemRandom;

use crate::clock::Clock;
use crate::events::Events;
use crate::state::State;

pub(crate) use encoded_word::decode;
pub(crate) use mime::{headers, raw};
pub(crate) use notify::{Happening, event};
pub(crate) use store::{Mail, MailStore, Query};

/// The largest request: 40 MB of message, in base64.
const MAX_REQUEST_BYTES: usize = 56 * 1024 * 1024;

/// How this SES behaves.
#[derive(Clone, Debug)]
pub struct SesOptions {
    /// The region in ARNs and events.
    pub region: String,
    /// `--null-ses`: mails are counted, not kept.
    pub null: bool,
    /// `MaxSendRate`: recipients a second.
    pub send_rate: f64,
    /// `Max24HourSend`; -1 is no limit.
    pub max_24_hour_send: f64,
    /// A domain that is verified from the start (`muster.example`).
    pub verified_domains: Vec<String>,
}

impl Default for SesOptions {
    fn default() -> Self {
        Self {
            region: "eu-central-1".to_owned(),
            null: false,
            send_rate: 100_000.0,
            max_24_hour_send: -1.0,
            verified_domains: vec!["muster.example".to_owned()],
        }
    }
}

/// Local SES and its inbox; cheap to clone.
#[derive(Clone)]
pub struct Ses(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) options: SesOptions,
    pub(crate) mails: MailStore,
    pub(crate) clock: Clock,
    pub(crate) events: Events,
    pub(crate) random: SystemRandom,
    state: State,
    allowance: Mutex<(f64, Instant)>,
}

impl Ses {
    /// Opens SES with the mails, identities and suppressions the last run left behind.
    ///
    /// # Errors
    /// When the state file cannot be read or written.
    pub fn open(
        state: &State,
        clock: &Clock,
        events: &Events,
        options: SesOptions,
    ) -> rusqlite::Result<Self> {
        directory::prepare(state, &options.verified_domains, clock.now())?;
        let mails = MailStore::open(state)?;
        let allowance = Mutex::new((options.send_rate.max(1.0), Instant::now()));
        Ok(Self(Arc::new(Inner {
            options,
            mails,
            clock: clock.clone(),
            events: events.clone(),
            random: SystemRandom::new(),
            state: state.clone(),
            allowance,
        })))
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.0
    }

    /// The SES endpoint.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/v2/email/outbound-emails", post(send::single))
            .route("/v2/email/outbound-bulk-emails", post(send::bulk))
            .route("/v2/email/account", get(directory::account))
            .route(
                "/v2/email/identities",
                post(directory::create_identity).get(directory::list_identities),
            )
            .route(
                "/v2/email/identities/{identity}",
                get(directory::identity).delete(directory::delete_identity),
            )
            .route(
                "/v2/email/suppression/addresses",
                get(directory::list_suppressed).put(directory::suppress),
            )
            .route(
                "/v2/email/suppression/addresses/{address}",
                get(directory::suppressed).delete(directory::unsuppress),
            )
            .layer(DefaultBodyLimit::max(MAX_REQUEST_BYTES))
            .with_state(self.clone())
    }

    /// The inbox for scripts and people, relative to `/_local`.
    pub fn local_routes(&self) -> Router {
        crate::inbox::routes(self)
    }

    /// Speaks SES to whoever connects, until the listener fails.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn serve(self, listener: tokio::net::TcpListener) -> std::io::Result<()> {
        axum::serve(listener, self.router()).await
    }
}

impl Inner {
    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    /// Takes `recipients` from the allowance, which fills at the send rate and holds one second
    /// of it (real time: the rate is the engine's, not the platform's).
    fn within_rate(&self, recipients: usize) -> bool {
        let rate = self.options.send_rate;
        let wanted = f64::from(u32::try_from(recipients).unwrap_or(u32::MAX));
        let mut allowance = self
            .allowance
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let filled = allowance.0 + now.duration_since(allowance.1).as_secs_f64() * rate;
        *allowance = (filled.min(rate.max(1.0)), now);
        if allowance.0 < wanted {
            return false;
        }
        allowance.0 -= wanted;
        true
    }
}
