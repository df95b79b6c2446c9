//! SDK clients: one HTTP client, one TLS stack (rustls on ring), credentials from the runtime.
//!
//! Clients are made when first used, so that a function pays for those it needs.

mod meter;

use std::sync::OnceLock;
use std::time::Duration;

use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;

pub use self::meter::Meter;
use crate::settings::Settings;
use crate::webhook::call;

/// How long a call to a service may take; well below the functions' own limits.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);

/// The clients of one function.
pub struct Clients {
    settings: Settings,
    http: OnceLock<SharedHttpClient>,
    dynamodb: OnceLock<aws_sdk_dynamodb::Client>,
    s3: OnceLock<aws_sdk_s3::Client>,
    secrets: OnceLock<aws_sdk_secretsmanager::Client>,
    ses: OnceLock<aws_sdk_sesv2::Client>,
    sqs: OnceLock<aws_sdk_sqs::Client>,
    recipients: OnceLock<Connector>,
    meter: Option<Meter>,
}

macro_rules! client {
    ($(#[$doc:meta])* $name:ident, $sdk:ident, $endpoint:ident, $retries:expr) => {
        $(#[$doc])*
        pub fn $name(&self) -> &$sdk::Client {
            self.$name.get_or_init(|| {
                let config = $sdk::Config::builder()
                    .behavior_version($sdk::config::BehaviorVersion::v2026_01_12())
                    .region($sdk::config::Region::new(self.settings.region.clone()))
                    .credentials_provider(self.settings.credentials.clone())
                    .retry_config($retries)
                    .timeout_config(
                        TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT_TIMEOUT).build(),
                    )
                    .http_client(self.http());
                let config = match &self.settings.endpoints.$endpoint {
                    Some(url) => config.endpoint_url(url),
                    None => config,
                };
                let config = match &self.meter {
                    Some(meter) => config.interceptor(meter.clone()),
                    None => config,
                };
                $sdk::Client::from_conf(config.build())
            })
        }
    };
}

impl Clients {
    /// Clients for these settings; connects to nothing yet.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            http: OnceLock::new(),
            dynamodb: OnceLock::new(),
            s3: OnceLock::new(),
            secrets: OnceLock::new(),
            ses: OnceLock::new(),
            sqs: OnceLock::new(),
            recipients: OnceLock::new(),
            meter: None,
        }
    }

    /// The same, and `meter` counts their requests and what those take.
    #[must_use]
    pub fn metered(self, meter: Meter) -> Self {
        Self {
            meter: Some(meter),
            ..self
        }
    }

    /// What calls the endpoints that accounts name: never used for a service of ours.
    pub(crate) fn recipients(&self) -> &Connector {
        self.recipients
            .get_or_init(|| call::connector(call::local(&self.settings)))
    }

    fn http(&self) -> SharedHttpClient {
        self.http
            .get_or_init(|| {
                aws_smithy_http_client::Builder::new()
                    .tls_provider(tls::Provider::Rustls(CryptoMode::Ring))
                    .build_https()
            })
            .clone()
    }

    client!(
        /// The tables. Retried by the SDK: every write is conditional or idempotent.
        dynamodb, aws_sdk_dynamodb, dynamodb, RetryConfig::standard().with_max_attempts(4)
    );
    client!(
        /// Secrets, read once per process.
        secrets, aws_sdk_secretsmanager, secrets_manager, RetryConfig::standard()
    );
    client!(
        /// Mail. Never retried here: SES has no idempotency token, and a hidden second attempt
        /// would be a second mail.
        ses, aws_sdk_sesv2, sesv2, RetryConfig::disabled()
    );
    client!(
        /// Queues; a message that is sent twice is normal.
        sqs, aws_sdk_sqs, sqs, RetryConfig::standard()
    );

    /// Archives, imports and exports.
    pub fn s3(&self) -> &aws_sdk_s3::Client {
        self.s3.get_or_init(|| {
            let config = aws_sdk_s3::Config::builder()
                .behavior_version(aws_sdk_s3::config::BehaviorVersion::v2026_01_12())
                .region(aws_sdk_s3::config::Region::new(
                    self.settings.region.clone(),
                ))
                .credentials_provider(self.settings.credentials.clone())
                .retry_config(RetryConfig::standard())
                .http_client(self.http());
            let config = match &self.settings.endpoints.s3 {
                // Another engine than AWS has no host per bucket.
                Some(url) => config.endpoint_url(url).force_path_style(true),
                None => config,
            };
            aws_sdk_s3::Client::from_conf(config.build())
        })
    }
}
