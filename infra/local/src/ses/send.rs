//! `SendEmail` and `SendBulkEmail`: checks, renders, keeps the mails and queues their events.
//!
//! All of it in one transaction before the answer, so a killed process lost nothing it promised.

use std::collections::BTreeSet;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use base64::Engine as _;
use serde_json::{Map, Value, json};

use super::notify::{Happening, event};
use super::refusal::Refusal;
use super::request::{Destination, NameValue, SendBulkEmail, SendEmail, Template};
use super::store::{Mail, MailStore};
use super::template::{self, RenderingFailure};
use super::{Inner, Ses, directory, limits, mime};
use crate::queues::uuid;

const BAD_DATA: Refusal = Refusal::BadRequest("template data is no JSON object");
const NOTHING_INLINE: Refusal =
    Refusal::NotFound("no template is stored here: send its content inline");

#[derive(Clone, Default)]
struct Content {
    subject: String,
    text: Option<String>,
    html: Option<String>,
    raw: Option<Vec<u8>>,
}

/// One message that was accepted, with what became of it.
struct Draft {
    destination: Destination,
    content: Result<Content, RenderingFailure>,
    headers: Vec<NameValue>,
    tags: Vec<NameValue>,
}

/// What all messages of a call share.
struct Envelope {
    sender: String,
    reply_to: Vec<String>,
    configuration_set: Option<String>,
    operation: &'static str,
}

pub(super) async fn single(State(ses): State<Ses>, body: Bytes) -> Result<Json<Value>, Refusal> {
    let inner = ses.inner();
    let input: SendEmail =
        serde_json::from_slice(&body).map_err(|_| Refusal::BadRequest("no SendEmail request"))?;
    if input
        .list_management_options
        .is_some_and(|options| !options.is_null())
    {
        return Err(Refusal::BadRequest("contact lists are not offered here"));
    }
    limits::tags(&input.email_tags)?;
    let mut destination = input.destination;
    let mut sender = input.from_email_address;
    let (content, headers) = match (
        input.content.simple,
        input.content.template,
        input.content.raw,
    ) {
        (Some(simple), None, None) => {
            refuse_attachments(&simple.attachments)?;
            let text = simple.body.text.map(|text| text.data);
            let html = simple.body.html.map(|html| html.data);
            if text.is_none() && html.is_none() {
                return Err(Refusal::BadRequest("the body has neither text nor HTML"));
            }
            let content = Content {
                subject: one_line(simple.subject.data)?,
                text,
                html,
                raw: None,
            };
            (Ok(content), simple.headers)
        }
        (None, Some(template), None) => {
            check_template(&template)?;
            let data = template::data(template.template_data.as_deref(), None).ok_or(BAD_DATA)?;
            (render(&template, &data)?, template.headers)
        }
        (None, None, Some(raw)) => {
            let content = raw_content(&raw.data, &mut destination, &mut sender)?;
            (Ok(content), Vec::new())
        }
        _ => {
            return Err(Refusal::BadRequest(
                "the content is not exactly one of Simple, Template and Raw",
            ));
        }
    };
    limits::headers(&headers)?;
    let count = destination.all().count();
    if count == 0 || count > limits::MAX_DESTINATIONS {
        return Err(Refusal::BadRequest("a message takes 1 to 50 recipients"));
    }
    for address in destination.all() {
        limits::bare_address(address)?;
    }
    let envelope = Envelope {
        sender: sender.ok_or(Refusal::BadRequest("no sender is given"))?,
        reply_to: input.reply_to_addresses,
        configuration_set: input.configuration_set_name,
        operation: "SendEmail",
    };
    let draft = Draft {
        destination,
        content,
        headers,
        tags: input.email_tags,
    };
    let ids = inner.accept(&envelope, vec![draft], count)?;
    Ok(Json(json!({ "MessageId": ids[0] })))
}

pub(super) async fn bulk(State(ses): State<Ses>, body: Bytes) -> Result<Json<Value>, Refusal> {
    let inner = ses.inner();
    let input: SendBulkEmail = serde_json::from_slice(&body)
        .map_err(|_| Refusal::BadRequest("no SendBulkEmail request"))?;
    let template = input.default_content.template;
    check_template(&template)?;
    let destinations: usize = input
        .bulk_email_entries
        .iter()
        .map(|entry| entry.destination.all().count())
        .sum();
    if input.bulk_email_entries.is_empty() || destinations > limits::MAX_DESTINATIONS {
        return Err(Refusal::BadRequest(
            "a bulk call takes 1 to 50 destinations",
        ));
    }
    limits::tags(&input.default_email_tags)?;
    limits::headers(&template.headers)?;
    let (mut results, mut drafts) = (Vec::new(), Vec::new());
    for entry in input.bulk_email_entries {
        let own = entry
            .replacement_email_content
            .and_then(|content| content.replacement_template);
        let own = own.and_then(|template| template.replacement_template_data);
        limits::template_data(own.as_deref())?;
        let headers = overridden(&template.headers, &entry.replacement_headers);
        let tags = overridden(&input.default_email_tags, &entry.replacement_tags);
        limits::headers(&entry.replacement_headers)?;
        limits::headers(&headers)?;
        limits::tags(&tags)?;
        // What is wrong with one recipient fails this entry, not the call.
        let addressed = entry.destination.all().count() > 0
            && entry
                .destination
                .all()
                .all(|address| limits::bare_address(address).is_ok());
        let data = template::data(template.template_data.as_deref(), own.as_deref());
        let (Some(data), true) = (data, addressed) else {
            results.push(json!({ "Status": "INVALID_PARAMETER", "Error": "the recipient or the data is malformed" }));
            continue;
        };
        results.push(Value::Null);
        let content = render(&template, &data)?;
        drafts.push(Draft {
            destination: entry.destination,
            content,
            headers,
            tags,
        });
    }
    let envelope = Envelope {
        sender: input
            .from_email_address
            .ok_or(Refusal::BadRequest("no sender is given"))?,
        reply_to: input.reply_to_addresses,
        configuration_set: input.configuration_set_name,
        operation: "SendBulkEmail",
    };
    let mut ids = inner.accept(&envelope, drafts, destinations)?.into_iter();
    for result in results.iter_mut().filter(|result| result.is_null()) {
        *result = json!({ "Status": "SUCCESS", "MessageId": ids.next() });
    }
    Ok(Json(json!({ "BulkEmailEntryResults": results })))
}

impl Inner {
    /// Keeps the mails, queues their events; the message ids, one per draft.
    fn accept(
        &self,
        envelope: &Envelope,
        drafts: Vec<Draft>,
        recipients: usize,
    ) -> Result<Vec<String>, Refusal> {
        let source = limits::bare_address(&envelope.sender)?;
        for address in &envelope.reply_to {
            limits::bare_address(address)?;
        }
        let now = self.clock.now();
        if !self
            .state()
            .with(|db| directory::may_send_from(db, source))?
        {
            return Err(Refusal::MessageRejected(
                "Email address is not verified: the sender's identity",
            ));
        }
        let quota = self.options.max_24_hour_send;
        if quota >= 0.0 {
            let wanted = u32::try_from(recipients).unwrap_or(u32::MAX);
            if f64::from(self.mails.sent_last_24_hours(now)?.saturating_add(wanted)) > quota {
                return Err(Refusal::TooManyRequests("Daily message quota exceeded"));
            }
        }
        if !self.within_rate(recipients) {
            return Err(Refusal::TooManyRequests("Maximum sending rate exceeded."));
        }
        let mut touched = BTreeSet::new();
        let ids = self.state().with(|db| {
            let tx = db.transaction()?;
            let mut ids = Vec::with_capacity(drafts.len());
            let mut counted = 0;
            for draft in drafts {
                let id = format!(
                    "0107{:012x}-{}-000000",
                    now.as_millisecond(),
                    uuid(&self.random)
                );
                for mail in self.mails_of(envelope, draft, &id, now) {
                    let (mail, failed) = mail;
                    let happenings = if let Some(message) = failed {
                        vec![Happening::RenderingFailure { message }]
                    } else if directory::is_suppressed(&tx, &mail.recipient)? {
                        vec![on_suppression_list()]
                    } else {
                        if self.options.null {
                            counted += 1;
                        } else {
                            MailStore::insert(&tx, &mail)?;
                        }
                        vec![Happening::Send, Happening::Delivery]
                    };
                    if self.events.has_rules() {
                        for happening in happenings {
                            let event = event(&mail, &happening, now, &uuid(&self.random));
                            self.events.put(&tx, &event, &mut touched)?;
                        }
                    }
                }
                ids.push(id);
            }
            if counted > 0 {
                MailStore::count_only(&tx, counted)?;
            }
            MailStore::add_sent(&tx, now, recipients)?;
            tx.commit()?;
            Ok::<_, Refusal>(ids)
        })?;
        self.events.wake(&touched);
        Ok(ids)
    }

    /// One mail per recipient, each with the rendering's failure if there was one.
    fn mails_of(
        &self,
        envelope: &Envelope,
        draft: Draft,
        id: &str,
        now: jiff::Timestamp,
    ) -> Vec<(Mail, Option<String>)> {
        let (content, failed) = match draft.content {
            Ok(content) => (content, None),
            Err(RenderingFailure::Missing(name)) => (
                Content::default(),
                Some(format!(
                    "Attribute '{name}' is not present in the rendering data."
                )),
            ),
            Err(RenderingFailure::Syntax) => (
                Content::default(),
                Some("The template has more than plain substitution.".to_owned()),
            ),
        };
        let recipients: Vec<String> = draft.destination.all().cloned().collect();
        let headers: Vec<_> = draft
            .headers
            .into_iter()
            .map(|header| (header.name, header.value))
            .collect();
        let tags: Map<String, Value> = draft
            .tags
            .into_iter()
            .map(|tag| (tag.name, Value::String(tag.value)))
            .collect();
        recipients
            .into_iter()
            .map(|recipient| {
                let bare = limits::bare_address(&recipient)
                    .unwrap_or_default()
                    .to_owned();
                let mail = Mail {
                    seq: 0,
                    message_id: id.to_owned(),
                    received_at: now,
                    region: self.options.region.clone(),
                    sender: envelope.sender.clone(),
                    recipient: bare,
                    to: draft.destination.to_addresses.clone(),
                    cc: draft.destination.cc_addresses.clone(),
                    reply_to: envelope.reply_to.clone(),
                    subject: content.subject.clone(),
                    headers: headers.clone(),
                    text: content.text.clone(),
                    html: content.html.clone(),
                    raw: content
                        .raw
                        .as_ref()
                        .map(|raw| with_own_headers(raw, id, &self.options.region, now)),
                    tags: tags.clone(),
                    configuration_set: envelope.configuration_set.clone(),
                    operation: envelope.operation.to_owned(),
                };
                (mail, failed.clone())
            })
            .collect()
    }
}

fn on_suppression_list() -> Happening {
    Happening::Bounce {
        kind: "Permanent".to_owned(),
        subtype: "OnAccountSuppressionList".to_owned(),
        status: "5.1.1".to_owned(),
        diagnostic: "Amazon SES did not send the message to this address because it is on the suppression list for your account.".to_owned(),
    }
}

fn check_template(template: &Template) -> Result<(), Refusal> {
    refuse_attachments(&template.attachments)?;
    limits::template_data(template.template_data.as_deref())?;
    let content = template.template_content.as_ref().ok_or(NOTHING_INLINE)?;
    if content.text.is_none() && content.html.is_none() {
        return Err(Refusal::BadRequest(
            "the template has neither text nor HTML",
        ));
    }
    Ok(())
}

fn render(
    template: &Template,
    data: &Map<String, Value>,
) -> Result<Result<Content, RenderingFailure>, Refusal> {
    let content = template.template_content.as_ref().ok_or(NOTHING_INLINE)?;
    let part = |part: Option<&String>| part.map(|part| template::render(part, data)).transpose();
    let rendered = part(content.subject.as_ref()).and_then(|subject| {
        let (text, html) = (part(content.text.as_ref())?, part(content.html.as_ref())?);
        Ok(Content {
            subject: subject.unwrap_or_default(),
            text,
            html,
            raw: None,
        })
    });
    Ok(rendered.and_then(|content| {
        // A line break in a subject would begin another header.
        if content.subject.chars().any(char::is_control) {
            Err(RenderingFailure::Syntax)
        } else {
            Ok(content)
        }
    }))
}

fn one_line(subject: String) -> Result<String, Refusal> {
    if subject.chars().any(char::is_control) {
        Err(Refusal::BadRequest("the subject has control characters"))
    } else {
        Ok(subject)
    }
}

fn refuse_attachments(attachments: &[Value]) -> Result<(), Refusal> {
    if attachments.is_empty() {
        Ok(())
    } else {
        Err(Refusal::BadRequest("attachments are not offered here"))
    }
}

/// The defaults with those of the same name replaced, and the others after them.
fn overridden(defaults: &[NameValue], own: &[NameValue]) -> Vec<NameValue> {
    let kept = |default: &&NameValue| {
        !own.iter()
            .any(|own| own.name.eq_ignore_ascii_case(&default.name))
    };
    defaults.iter().filter(kept).chain(own).cloned().collect()
}

/// A message the caller wrote: checked against `RawMessage`'s rules (7-bit, lines of at most 998).
fn raw_content(
    data: &str,
    destination: &mut Destination,
    sender: &mut Option<String>,
) -> Result<Content, Refusal> {
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(data)
        .map_err(|_| Refusal::BadRequest("the raw message is no base64"))?;
    let text = String::from_utf8(bytes).ok().filter(|text| text.is_ascii());
    let text = text.ok_or(Refusal::BadRequest("the raw message is not 7-bit"))?;
    let text = text.replace("\r\n", "\n").replace('\n', "\r\n");
    if text.split("\r\n").any(|line| line.len() > 998) {
        return Err(Refusal::BadRequest(
            "the raw message has a line of more than 998 octets",
        ));
    }
    let headers = mime::headers(text.as_bytes());
    let named = |wanted: &'static str| {
        let values = headers
            .iter()
            .filter(move |(name, _)| name.eq_ignore_ascii_case(wanted));
        values.map(|(_, value)| value.clone())
    };
    if destination.all().next().is_none() {
        let list = |name| {
            named(name)
                .flat_map(|value| {
                    value
                        .split(',')
                        .map(|one| one.trim().to_owned())
                        .collect::<Vec<_>>()
                })
                .collect()
        };
        *destination = Destination {
            to_addresses: list("To"),
            cc_addresses: list("Cc"),
            bcc_addresses: list("Bcc"),
        };
    }
    if sender.is_none() {
        *sender = named("From").next();
    }
    let subject = named("Subject")
        .next()
        .map(|subject| super::decode(&subject))
        .unwrap_or_default();
    let body = text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
    let simple = named("Content-Type")
        .next()
        .is_none_or(|kind| kind.to_ascii_lowercase().starts_with("text/plain"))
        && named("Content-Transfer-Encoding")
            .next()
            .is_none_or(|encoding| encoding.eq_ignore_ascii_case("7bit"));
    Ok(Content {
        subject,
        text: body.filter(|_| simple),
        html: None,
        raw: Some(text.into_bytes()),
    })
}

/// SES writes Date and Message-ID itself, and takes Bcc and Return-Path out.
fn with_own_headers(raw: &[u8], id: &str, region: &str, now: jiff::Timestamp) -> Vec<u8> {
    let text = String::from_utf8_lossy(raw);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let date = mail_builder::headers::date::Date::new(now.as_second()).to_rfc822();
    let mut out = format!("Message-ID: <{id}@{region}.amazonses.com>\r\nDate: {date}\r\n");
    let mut dropping = false;
    for line in head.split("\r\n") {
        if !line.starts_with([' ', '\t']) {
            let name = line.split(':').next().unwrap_or_default();
            dropping = ["date", "message-id", "bcc", "return-path"]
                .iter()
                .any(|own| name.eq_ignore_ascii_case(own));
        }
        if !dropping {
            out.push_str(line);
            out.push_str("\r\n");
        }
    }
    out.push_str("\r\n");
    out.push_str(body);
    if !out.ends_with("\r\n") {
        out.push_str("\r\n");
    }
    out.into_bytes()
}
