//! What a handler works with: settings, clients, the store, time and randomness.
//!
//! Made once per process; holds no state that a second process would miss.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use rundbrief::account::Account;
use rundbrief::crypto::{GuardKey, KeySecret, PlatformSecrets};
use rundbrief::entropy::Entropy;
use rundbrief::evidence::document::Document;
use rundbrief::id::AccountId;
use rundbrief::key::{AccountScope, Key};
use rundbrief::message::Message;
use rundbrief::record::{Expect, Stored};
use rundbrief::token::TokenSealer;
use rundbrief::webhook::WebhookSecrets;
use tokio::sync::OnceCell;

use crate::aws::Clients;
use crate::settings::{InvalidSetting, Settings};
use crate::store::{Store, WriteError};

/// Documents that a process remembers to have kept.
const KEPT_DOCUMENTS: usize = 1_000;

/// Where a handler's time comes from: the system's clock, or the one-machine platform's.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// What a handler works with.
pub struct App {
    /// What the environment said.
    pub settings: Settings,
    /// The SDK clients.
    pub clients: Arc<Clients>,
    /// Both tables.
    pub store: Store,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    clock: Clock,
    keys: OnceCell<Keys>,
    platform_key_hash: OnceCell<String>,
    webhook_secrets: OnceCell<WebhookSecrets>,
    kept_documents: Mutex<HashSet<Key>>,
}

/// What is derived from the platform's secret.
pub struct Keys {
    /// The secrets themselves.
    pub secrets: PlatformSecrets,
    /// Seals and opens tokens.
    pub sealer: TokenSealer,
    /// Hashes what limits count.
    pub guard: GuardKey,
}

/// A service did not do what was asked. Says which kind of trouble, never with what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// A setting is missing.
    #[error(transparent)]
    Setting(#[from] InvalidSetting),
    /// The tables did not answer, or not in time.
    #[error("the store is unavailable")]
    Store,
    /// A queue did not answer, or not in time.
    #[error("a queue is unavailable")]
    Queue,
    /// Mail could not be handed over.
    #[error("mail is unavailable")]
    Mail,
    /// The bucket did not answer, or not in time.
    #[error("the bucket is unavailable")]
    Bucket,
    /// The platform's secret could not be read.
    #[error("the platform secret is unavailable")]
    Secret,
    /// Others changed the same thing again and again.
    #[error("too many concurrent changes")]
    Contended,
    /// An item is larger than DynamoDB takes (400 KB, A-25).
    #[error("larger than an item may be")]
    TooLarge,
    /// Something stored cannot be read.
    #[error("a stored item is damaged")]
    Damaged,
}

impl App {
    /// An app for these settings; connects to nothing yet.
    pub fn new(settings: Settings, clock: Clock, entropy: Arc<dyn Entropy>) -> Self {
        Self::with_clients(Clients::new(settings.clone()), settings, clock, entropy)
    }

    /// The same with clients that somebody made otherwise, such as metered ones.
    pub fn with_clients(
        clients: Clients,
        settings: Settings,
        clock: Clock,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        let clients = Arc::new(clients);
        let store = Store::new(Arc::clone(&clients), &settings);
        Self {
            settings,
            clients,
            store,
            entropy,
            clock,
            keys: OnceCell::new(),
            platform_key_hash: OnceCell::new(),
            webhook_secrets: OnceCell::new(),
            kept_documents: Mutex::new(HashSet::new()),
        }
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// The clock itself, for what outlives a borrow.
    pub fn clock(&self) -> Clock {
        Arc::clone(&self.clock)
    }

    /// What is derived from the platform's secret; fetched at first use.
    ///
    /// # Errors
    /// When the secret cannot be fetched or is malformed.
    pub async fn keys(&self) -> Result<&Keys, Trouble> {
        self.keys
            .get_or_try_init(|| async {
                let arn = self
                    .settings
                    .platform_secret_arn
                    .as_deref()
                    .ok_or(InvalidSetting("PLATFORM_SECRET_ARN"))?;
                let secrets = PlatformSecrets::parse(&self.secret(arn).await?)
                    .map_err(|_| Trouble::Secret)?;
                let guard = GuardKey::of(&secrets).ok_or(Trouble::Secret)?;
                Ok(Keys {
                    sealer: TokenSealer::new(secrets.clone()),
                    guard,
                    secrets,
                })
            })
            .await
    }

    /// Keeps a document that evidence is about to name; once per process and document.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn keep_document(
        &self,
        scope: &AccountScope,
        document: Document,
        now: Timestamp,
    ) -> Result<(), Trouble> {
        let key = document.key(scope);
        if self.kept_documents().contains(&key) {
            return Ok(());
        }
        match self.store.put(scope, &document, Expect::Absent, now).await {
            // It was there: it is named after its words, so it is the same.
            Ok(()) | Err(WriteError::Conflict) => {}
            Err(WriteError::Trouble(trouble)) => return Err(trouble),
        }
        let mut kept = self.kept_documents();
        if kept.len() >= KEPT_DOCUMENTS {
            kept.clear();
        }
        kept.insert(key);
        Ok(())
    }

    fn kept_documents(&self) -> std::sync::MutexGuard<'_, HashSet<Key>> {
        self.kept_documents
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The hash of the key that may create accounts; fetched at first use.
    ///
    /// # Errors
    /// When the secret cannot be fetched or is malformed.
    pub async fn platform_key_hash(&self) -> Result<&str, Trouble> {
        #[derive(serde::Deserialize)]
        struct PlatformKey {
            key: String,
        }
        self.platform_key_hash
            .get_or_try_init(|| async {
                let arn = self
                    .settings
                    .platform_key_arn
                    .as_deref()
                    .ok_or(InvalidSetting("PLATFORM_KEY_ARN"))?;
                let secret: PlatformKey =
                    serde_json::from_str(&self.secret(arn).await?).map_err(|_| Trouble::Secret)?;
                // An empty or guessable key would open every account.
                if secret.key.len() < 16 {
                    return Err(Trouble::Secret);
                }
                Ok(KeySecret::presented(&secret.key).hash())
            })
            .await
            .map(String::as_str)
    }

    /// What webhooks' signing secrets are derived from; fetched at first use.
    ///
    /// # Errors
    /// When the secret cannot be fetched or is malformed.
    pub async fn webhook_secrets(&self) -> Result<&WebhookSecrets, Trouble> {
        self.webhook_secrets
            .get_or_try_init(|| async {
                let arn = self
                    .settings
                    .webhook_secret_arn
                    .as_deref()
                    .ok_or(InvalidSetting("WEBHOOK_SECRET_ARN"))?;
                WebhookSecrets::parse(&self.secret(arn).await?).map_err(|_| Trouble::Secret)
            })
            .await
    }

    /// An account, closed or not, and the scope to work in it; `None` when it is gone.
    ///
    /// # Errors
    /// When the store or the secret cannot be read.
    pub async fn account(
        &self,
        id: &AccountId,
        now: Timestamp,
    ) -> Result<Option<(Account, AccountScope)>, Trouble> {
        let Some(account) = self.store.account(id, now).await? else {
            return Ok(None);
        };
        let scope = account.scope(&self.keys().await?.secrets, now);
        Ok(scope.map(|scope| (account, scope)))
    }

    /// The same of an account that is open: nothing is done for a closed one any more.
    ///
    /// # Errors
    /// As [`App::account`].
    pub async fn open_account(
        &self,
        id: &AccountId,
        now: Timestamp,
    ) -> Result<Option<(Account, AccountScope)>, Trouble> {
        let found = self.account(id, now).await?;
        Ok(found.filter(|(account, _)| account.is_open(now)))
    }

    /// A secret's text.
    ///
    /// # Errors
    /// When it cannot be fetched.
    pub async fn secret(&self, arn: &str) -> Result<String, Trouble> {
        let answer = self
            .clients
            .secrets()
            .get_secret_value()
            .secret_id(arn)
            .send()
            .await
            .map_err(|error| {
                tracing::error!(
                    code = aws_smithy_types::error::metadata::ProvideErrorMetadata::code(&error),
                    "a secret could not be read"
                );
                Trouble::Secret
            })?;
        answer
            .secret_string()
            .map(str::to_owned)
            .ok_or(Trouble::Secret)
    }

    /// Puts a message into a queue.
    ///
    /// # Errors
    /// When the queue does not take it.
    pub async fn enqueue(&self, queue_url: &str, message: &impl Message) -> Result<(), Trouble> {
        self.enqueue_in(queue_url, message, Duration::ZERO).await
    }

    /// Puts a message into a queue, to be seen after `delay` (at most 15 minutes).
    ///
    /// # Errors
    /// When the queue does not take it.
    pub async fn enqueue_in(
        &self,
        queue_url: &str,
        message: &impl Message,
        delay: Duration,
    ) -> Result<(), Trouble> {
        let body = serde_json::to_string(message).map_err(|_| Trouble::Queue)?;
        let delay = i32::try_from(delay.as_secs().min(900)).unwrap_or(900);
        let send = self
            .clients
            .sqs()
            .send_message()
            .queue_url(queue_url)
            .message_body(body);
        let send = if delay == 0 {
            send
        } else {
            send.delay_seconds(delay)
        };
        send.send().await.map_err(|error| {
            tracing::error!(
                code = aws_smithy_types::error::metadata::ProvideErrorMetadata::code(&error),
                "a message could not be sent"
            );
            Trouble::Queue
        })?;
        Ok(())
    }
}
