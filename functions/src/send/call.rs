//! One bulk call to SES, and what its answer means.
//!
//! Exactly one attempt: SES has no idempotency token, and a hidden second one would be a second
//! mail.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_sesv2::config::timeout::TimeoutConfig;
use aws_sdk_sesv2::error::SdkError;
use aws_sdk_sesv2::operation::send_bulk_email::SendBulkEmailError;
use aws_sdk_sesv2::operation::send_bulk_email::builders::SendBulkEmailFluentBuilder;
use aws_sdk_sesv2::types::{
    BulkEmailContent, BulkEmailEntry, Destination, EmailTemplateContent, MessageHeader, MessageTag,
    ReplacementEmailContent, ReplacementTemplate, Template,
};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use rundbrief::campaign::content::Content;
use rundbrief::campaign::outcome::{CallAnswer, CallRefusal, Verdict};
use rundbrief::id::PersonKey;
use rundbrief::message::ArcMessage;

use super::mail::{DEFAULTS, HTML, Mail, SUBJECT, TEXT};
use crate::app::App;

/// How long a call may take: fifty mails at once take longer than other calls, and giving up
/// makes all of them unknown.
pub(super) const TIMEOUT: Duration = Duration::from_mins(1);

/// Hands the mails of these recipients over.
pub(super) async fn send(
    app: &App,
    message: &ArcMessage,
    content: &Content,
    entry: u32,
    recipients: &[(u16, PersonKey)],
    mails: &HashMap<PersonKey, Mail>,
) -> CallAnswer {
    let Some(request) = request(app, message, content, entry, recipients, mails) else {
        tracing::error!("a call could not be put together; nobody was mailed");
        return CallAnswer::Refused(CallRefusal::BadRequest);
    };
    let timeouts = TimeoutConfig::builder()
        .operation_attempt_timeout(TIMEOUT)
        .build();
    let result = request
        .customize()
        .config_override(aws_sdk_sesv2::Config::builder().timeout_config(timeouts))
        .send()
        .await;
    match result {
        Ok(answer) => CallAnswer::Entries(
            answer
                .bulk_email_entry_results()
                .iter()
                .map(|result| {
                    Verdict::of_status(result.status().map_or("", |status| status.as_str()))
                })
                .collect(),
        ),
        Err(error) => {
            let answer = meaning(&error);
            tracing::warn!(
                code = error.code(), campaign = %message.campaign, arc = message.arc, entry,
                refused = matches!(answer, CallAnswer::Refused(_)),
                "a bulk call did not succeed"
            );
            answer
        }
    }
}

/// The whole call; `None` if a mail is missing or a part is malformed.
fn request(
    app: &App,
    message: &ArcMessage,
    content: &Content,
    entry: u32,
    recipients: &[(u16, PersonKey)],
    mails: &HashMap<PersonKey, Mail>,
) -> Option<SendBulkEmailFluentBuilder> {
    let template = Template::builder()
        .template_content(
            EmailTemplateContent::builder()
                .subject(SUBJECT)
                .html(HTML)
                .text(TEXT)
                .build(),
        )
        .template_data(DEFAULTS)
        .build();
    let mut request = app
        .clients
        .ses()
        .send_bulk_email()
        .from_email_address(content.sender.name.mailbox(&content.sender.email))
        .default_content(BulkEmailContent::builder().template(template).build())
        .set_configuration_set_name(app.settings.configuration_set.clone());
    for (index, person) in recipients {
        request = request.bulk_email_entries(bulk_entry(
            mails.get(person)?,
            &tags(message, entry, *index),
        )?);
    }
    Some(request)
}

/// What an event tells of the mail it is about: identifiers and numbers only.
fn tags(message: &ArcMessage, entry: u32, index: u16) -> [(&'static str, String); 8] {
    [
        ("account", message.account.to_string()),
        ("campaign", message.campaign.to_string()),
        ("round", message.round.to_string()),
        ("arc", message.arc.to_string()),
        ("entry", entry.to_string()),
        ("index", index.to_string()),
        // Feedback-ID: what mailbox providers count complaints by.
        ("ses:feedback-id-a", message.account.to_string()),
        ("ses:feedback-id-b", message.campaign.to_string()),
    ]
}

fn bulk_entry(mail: &Mail, tags: &[(&'static str, String)]) -> Option<BulkEmailEntry> {
    let mut entry = BulkEmailEntry::builder()
        .destination(Destination::builder().to_addresses(&mail.to).build())
        .replacement_email_content(
            ReplacementEmailContent::builder()
                .replacement_template(
                    ReplacementTemplate::builder()
                        .replacement_template_data(&mail.data)
                        .build(),
                )
                .build(),
        );
    for (name, value) in &mail.headers {
        let header = MessageHeader::builder().name(*name).value(value);
        entry = entry.replacement_headers(header.build().ok()?);
    }
    for (name, value) in tags {
        let tag = MessageTag::builder().name(*name).value(value);
        entry = entry.replacement_tags(tag.build().ok()?);
    }
    Some(entry.build())
}

/// Whether the service certainly refused the whole call, or nobody knows.
fn meaning<R>(error: &SdkError<SendBulkEmailError, R>) -> CallAnswer {
    let refused = CallAnswer::Refused;
    match error {
        SdkError::ConstructionFailure(_) => refused(CallRefusal::BadRequest),
        SdkError::DispatchFailure(failure) => {
            let refused_connection = failure
                .as_connector_error()
                .is_some_and(|error| is_refused_connection(error));
            if refused_connection {
                refused(CallRefusal::Unreachable)
            } else {
                CallAnswer::Uncertain
            }
        }
        SdkError::ServiceError(error) => match error.err() {
            SendBulkEmailError::TooManyRequestsException(exception) => {
                let daily = exception
                    .message()
                    .is_some_and(|text| text.contains("Daily"));
                refused(throttled(daily))
            }
            SendBulkEmailError::LimitExceededException(_) => refused(CallRefusal::DailyQuota),
            SendBulkEmailError::AccountSuspendedException(_) => refused(CallRefusal::Suspended),
            SendBulkEmailError::SendingPausedException(_) => refused(CallRefusal::SendingPaused),
            SendBulkEmailError::MailFromDomainNotVerifiedException(_) => {
                refused(CallRefusal::SenderNotVerified)
            }
            SendBulkEmailError::NotFoundException(_) => refused(CallRefusal::Misconfigured),
            SendBulkEmailError::BadRequestException(_) => refused(CallRefusal::BadRequest),
            // As SES words it, an unverified sender is a rejected message.
            SendBulkEmailError::MessageRejected(rejected) => {
                let unverified = rejected
                    .message()
                    .is_some_and(|text| text.contains("not verified"));
                refused(if unverified {
                    CallRefusal::SenderNotVerified
                } else {
                    CallRefusal::BadRequest
                })
            }
            other => match other.code() {
                // "Maximum sending rate exceeded", "Daily message quota exceeded".
                Some("ThrottlingException" | "Throttling") => {
                    let daily = other.message().is_some_and(|text| text.contains("Daily"));
                    refused(throttled(daily))
                }
                Some(
                    "AccessDeniedException"
                    | "UnrecognizedClientException"
                    | "InvalidClientTokenId"
                    | "ExpiredTokenException"
                    | "InvalidSignatureException",
                ) => refused(CallRefusal::Misconfigured),
                Some("ValidationException") => refused(CallRefusal::BadRequest),
                _ => CallAnswer::Uncertain,
            },
        },
        _ => CallAnswer::Uncertain,
    }
}

fn throttled(daily: bool) -> CallRefusal {
    if daily {
        CallRefusal::DailyQuota
    } else {
        CallRefusal::Throttled
    }
}

/// No connection was made, so nothing was sent over one.
fn is_refused_connection(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<std::io::Error>()
            && io.kind() == std::io::ErrorKind::ConnectionRefused
        {
            return true;
        }
        cause = error.source();
    }
    false
}
