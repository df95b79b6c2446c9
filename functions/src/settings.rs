//! What a function is told by its environment; read once, at start.
//!
//! Not secrets: those are fetched by their ARN.

use rundbrief::id::InvalidId;

/// A function's settings. What a function does not need is absent from its environment.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The AWS region.
    pub region: String,
    /// Credentials as the runtime hands them out.
    pub credentials: aws_credential_types::Credentials,
    /// The main table's name.
    pub table: Option<String>,
    /// The tombstone table's name.
    pub tombstone_table: Option<String>,
    /// The bucket for archives, imports and exports.
    pub bucket: Option<String>,
    /// URLs of queues.
    pub notice_queue_url: Option<String>,
    /// The import queue's URL.
    pub import_queue_url: Option<String>,
    /// The send queue's URL.
    pub send_queue_url: Option<String>,
    /// The backup queue's URL.
    pub backup_queue_url: Option<String>,
    /// The restore queue's URL.
    pub restore_queue_url: Option<String>,
    /// The webhook queue's URL.
    pub webhook_queue_url: Option<String>,
    /// The API's base URL without a slash at the end; it stands in every mailed link.
    pub public_url: Option<String>,
    /// The secret that all keys are derived from.
    pub platform_secret_arn: Option<String>,
    /// The key that may create accounts.
    pub platform_key_arn: Option<String>,
    /// The secret that seals are signed with; `retention` alone has it.
    pub sealing_secret_arn: Option<String>,
    /// The secret that sealed evidence opens with; `legal` alone has it.
    pub legal_secret_arn: Option<String>,
    /// The secret that webhooks' signing secrets are derived from.
    pub webhook_secret_arn: Option<String>,
    /// Whether webhooks may lead to this machine: on the one-machine platform.
    pub local_webhooks: bool,
    /// The SES configuration set.
    pub configuration_set: Option<String>,
    /// Where services are, if not at AWS (the SDKs' own variables).
    pub endpoints: Endpoints,
}

/// Endpoint URLs, as in the SDKs' `AWS_ENDPOINT_URL_*`.
#[derive(Debug, Clone, Default)]
pub struct Endpoints {
    /// `AWS_ENDPOINT_URL_DYNAMODB`
    pub dynamodb: Option<String>,
    /// `AWS_ENDPOINT_URL_S3`
    pub s3: Option<String>,
    /// `AWS_ENDPOINT_URL_SQS`
    pub sqs: Option<String>,
    /// `AWS_ENDPOINT_URL_SESV2`
    pub sesv2: Option<String>,
    /// `AWS_ENDPOINT_URL_SECRETS_MANAGER`
    pub secrets_manager: Option<String>,
}

/// A setting is missing or malformed; names it, and not its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("setting {0} is missing or malformed")]
pub struct InvalidSetting(pub &'static str);

impl From<InvalidId> for InvalidSetting {
    fn from(_: InvalidId) -> Self {
        Self("id")
    }
}

impl Settings {
    /// Reads the settings through `get`, which the binaries make of the environment.
    ///
    /// # Errors
    /// When the region or the credentials are missing: the runtime always sets them.
    pub fn read(get: &dyn Fn(&str) -> Option<String>) -> Result<Self, InvalidSetting> {
        let get = |name: &str| get(name).filter(|value| !value.is_empty());
        let need = |name: &'static str| get(name).ok_or(InvalidSetting(name));
        let url = |name: &'static str| get(name).map(|url| url.trim_end_matches('/').to_owned());
        let endpoint = |name: &'static str| get(name).or_else(|| get("AWS_ENDPOINT_URL"));
        Ok(Self {
            region: need("AWS_REGION")?,
            credentials: aws_credential_types::Credentials::new(
                need("AWS_ACCESS_KEY_ID")?,
                need("AWS_SECRET_ACCESS_KEY")?,
                get("AWS_SESSION_TOKEN"),
                None,
                "environment",
            ),
            table: get("TABLE"),
            tombstone_table: get("TOMBSTONE_TABLE"),
            bucket: get("BUCKET"),
            notice_queue_url: get("NOTICE_QUEUE_URL"),
            import_queue_url: get("IMPORT_QUEUE_URL"),
            send_queue_url: get("SEND_QUEUE_URL"),
            backup_queue_url: get("BACKUP_QUEUE_URL"),
            restore_queue_url: get("RESTORE_QUEUE_URL"),
            webhook_queue_url: get("WEBHOOK_QUEUE_URL"),
            public_url: url("PUBLIC_URL"),
            platform_secret_arn: get("PLATFORM_SECRET_ARN"),
            platform_key_arn: get("PLATFORM_KEY_ARN"),
            sealing_secret_arn: get("SEALING_SECRET_ARN"),
            legal_secret_arn: get("LEGAL_SECRET_ARN"),
            webhook_secret_arn: get("WEBHOOK_SECRET_ARN"),
            local_webhooks: get("LOCAL_WEBHOOKS").as_deref() == Some("true"),
            configuration_set: get("CONFIGURATION_SET"),
            endpoints: Endpoints {
                dynamodb: endpoint("AWS_ENDPOINT_URL_DYNAMODB"),
                s3: endpoint("AWS_ENDPOINT_URL_S3"),
                sqs: endpoint("AWS_ENDPOINT_URL_SQS"),
                sesv2: endpoint("AWS_ENDPOINT_URL_SESV2"),
                secrets_manager: endpoint("AWS_ENDPOINT_URL_SECRETS_MANAGER"),
            },
        })
    }

    /// The API's base URL.
    ///
    /// # Errors
    /// When this function was not given it.
    pub fn public_url(&self) -> Result<&str, InvalidSetting> {
        self.public_url
            .as_deref()
            .ok_or(InvalidSetting("PUBLIC_URL"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_credential_is_named_and_an_empty_one_is_missing() {
        let with = |missing: &'static str| {
            move |name: &str| match name {
                name if name == missing => Some(String::new()),
                "AWS_REGION" | "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => {
                    Some("x".to_owned())
                }
                "PUBLIC_URL" => Some("https://news.example/".to_owned()),
                _ => None,
            }
        };
        for name in ["AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
            assert_eq!(
                Settings::read(&with(name)).unwrap_err(),
                InvalidSetting(name)
            );
        }
        let settings = Settings::read(&with("")).unwrap();
        assert_eq!(settings.public_url(), Ok("https://news.example"));
        assert!(settings.table.is_none());
    }
}
