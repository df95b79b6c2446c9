//! The events SES puts on the bus about a mail, in AWS's shapes.
//!
//! Addresses and headers are in them as on AWS; leaving them out is the rule's part.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::store::Mail;
use crate::queues::ACCOUNT;

/// What happened to a mail.
pub(crate) enum Happening {
    Send,
    Delivery,
    Bounce {
        kind: String,
        subtype: String,
        status: String,
        diagnostic: String,
    },
    Complaint {
        subtype: Option<String>,
        feedback: String,
    },
    Open,
    Click {
        link: String,
    },
    RenderingFailure {
        message: String,
    },
}

/// The event as `EventBridge` carries it. `id` is the event's own.
pub(crate) fn event(mail: &Mail, happening: &Happening, at: Timestamp, id: &str) -> Value {
    let time = at.to_string();
    let recipient = &mail.recipient;
    let (detail_type, event_type, member, object) = match happening {
        Happening::Send => ("Email Sent", "Send", "send", json!({})),
        Happening::Delivery => (
            "Email Delivered",
            "Delivery",
            "delivery",
            json!({
                "timestamp": time, "processingTimeMillis": 1, "recipients": [recipient],
                "smtpResponse": "250 2.0.0 Ok", "reportingMTA": "local.amazonses.com",
            }),
        ),
        Happening::Bounce {
            kind,
            subtype,
            status,
            diagnostic,
        } => (
            "Email Bounced",
            "Bounce",
            "bounce",
            json!({
                "feedbackId": id, "bounceType": kind, "bounceSubType": subtype, "timestamp": time,
                "bouncedRecipients": [{
                    "emailAddress": recipient, "action": "failed", "status": status, "diagnosticCode": diagnostic,
                }],
                "reportingMTA": "dns; local.amazonses.com",
            }),
        ),
        Happening::Complaint { subtype, feedback } => (
            "Email Complaint Received",
            "Complaint",
            "complaint",
            json!({
                "feedbackId": id, "complaintSubType": subtype, "timestamp": time, "arrivalDate": time,
                "complainedRecipients": [{ "emailAddress": recipient }],
                "userAgent": "Rundbrief local", "complaintFeedbackType": feedback,
            }),
        ),
        Happening::Open => (
            "Email Opened",
            "Open",
            "open",
            json!({ "timestamp": time, "ipAddress": "127.0.0.1", "userAgent": "Rundbrief local" }),
        ),
        Happening::Click { link } => (
            "Email Clicked",
            "Click",
            "click",
            json!({
                "timestamp": time, "ipAddress": "127.0.0.1", "userAgent": "Rundbrief local",
                "link": link, "linkTags": null,
            }),
        ),
        Happening::RenderingFailure { message } => (
            "Email Rendering Failed",
            "Rendering Failure",
            "failure",
            json!({ "templateName": "inline", "errorMessage": message }),
        ),
    };
    let mut detail = json!({ "eventType": event_type, "mail": about(mail) });
    detail[member] = object;
    let resources: Vec<String> = mail
        .configuration_set
        .iter()
        .map(|set| {
            format!(
                "arn:aws:ses:{}:{ACCOUNT}:configuration-set/{set}",
                mail.region
            )
        })
        .collect();
    json!({
        "version": "0", "id": id, "detail-type": detail_type, "source": "aws.ses", "account": ACCOUNT,
        "time": time, "region": mail.region, "resources": resources, "detail": detail,
    })
}

fn about(mail: &Mail) -> Value {
    let source = super::limits::bare_address(&mail.sender).unwrap_or_default();
    let domain = source.rsplit_once('@').map_or("", |(_, domain)| domain);
    let mut headers = vec![
        json!({ "name": "From", "value": mail.sender }),
        json!({ "name": "To", "value": mail.to.join(", ") }),
        json!({ "name": "Subject", "value": mail.subject }),
        json!({ "name": "MIME-Version", "value": "1.0" }),
    ];
    headers.extend(
        mail.headers
            .iter()
            .map(|(name, value)| json!({ "name": name, "value": value })),
    );
    let mut tags = json!({
        "ses:operation": [mail.operation], "ses:source-ip": ["127.0.0.1"],
        "ses:from-domain": [domain], "ses:caller-identity": ["local"],
    });
    if let Some(set) = &mail.configuration_set {
        tags["ses:configuration-set"] = json!([set]);
    }
    for (name, value) in &mail.tags {
        tags[name.as_str()] = json!([value]);
    }
    json!({
        "timestamp": mail.received_at.to_string(),
        "messageId": mail.message_id,
        "source": mail.sender,
        "sourceArn": format!("arn:aws:ses:{}:{ACCOUNT}:identity/{domain}", mail.region),
        "sendingAccountId": ACCOUNT,
        "destination": [mail.recipient],
        "headersTruncated": false,
        "headers": headers,
        "commonHeaders": {
            "from": [mail.sender], "to": mail.to, "messageId": mail.message_id, "subject": mail.subject,
        },
        "tags": tags,
    })
}
