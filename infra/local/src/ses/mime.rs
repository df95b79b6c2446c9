//! Writes a kept mail as SES would have sent it: 7-bit, CRLF, no line over 998 octets.
//!
//! Encoded words and transfer encodings are `mail-builder`'s; custom headers stay as given.

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use mail_builder::headers::Header as _;
use mail_builder::headers::address::{Address, EmailAddress};
use mail_builder::headers::content_type::ContentType;
use mail_builder::headers::date::Date;
use mail_builder::headers::text::Text;
use mail_builder::mime::MimePart;

use super::store::Mail;

/// The whole message.
pub(crate) fn raw(mail: &Mail) -> Vec<u8> {
    if let Some(raw) = &mail.raw {
        return raw.clone();
    }
    let mut out = Vec::with_capacity(2_048 + mail.html.as_ref().map_or(0, String::len) * 2);
    mailboxes(&mut out, "From", std::slice::from_ref(&mail.sender));
    mailboxes(&mut out, "To", &mail.to);
    mailboxes(&mut out, "Cc", &mail.cc);
    mailboxes(&mut out, "Reply-To", &mail.reply_to);
    line(&mut out, "Subject", |out, column| {
        subject(out, column, &mail.subject);
    });
    line(&mut out, "Message-ID", |out, _| {
        out.extend(format!("<{}@{}.amazonses.com>\r\n", mail.message_id, mail.region).into_bytes());
    });
    let date = Date::new(mail.received_at.as_second()).to_rfc822();
    line(&mut out, "Date", |out, _| {
        out.extend(format!("{date}\r\n").into_bytes());
    });
    for (name, value) in &mail.headers {
        // Never folded: name, colon, space and value fit into 998 octets (SES's own limit), and
        // a break inside a URL would break it (RFC 2369 section 2, M-13).
        line(&mut out, name, |out, _| {
            out.extend(value.as_bytes());
            out.extend(b"\r\n");
        });
    }
    out.extend(b"MIME-Version: 1.0\r\n");
    let text = mail
        .text
        .as_deref()
        .map(|text| MimePart::new("text/plain", unix_lines(text)));
    let html = mail
        .html
        .as_deref()
        .map(|html| MimePart::new("text/html", unix_lines(html)));
    match (text, html) {
        (Some(text), Some(html)) => {
            let boundary = format!("=_{}", mail.message_id);
            let kind = ContentType::new("multipart/alternative").attribute("boundary", boundary);
            MimePart::new(kind, vec![text, html]).write_part(&mut out);
        }
        (Some(part), None) | (None, Some(part)) => part.write_part(&mut out),
        (None, None) => out.extend(b"\r\n"),
    }
    if !out.ends_with(b"\r\n") {
        out.extend(b"\r\n");
    }
    out
}

/// A header's unfolded name and value, of the mail as written.
pub(crate) fn headers(raw: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(raw);
    let head = text.split_once("\r\n\r\n").map_or(&*text, |(head, _)| head);
    let mut out: Vec<(String, String)> = Vec::new();
    for line in head.split("\r\n") {
        if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = out.last_mut() {
                value.push_str(line);
            }
        } else if let Some((name, value)) = line.split_once(':') {
            out.push((name.to_owned(), value.trim().to_owned()));
        }
    }
    out
}

fn line(out: &mut Vec<u8>, name: &str, write: impl FnOnce(&mut Vec<u8>, usize)) {
    out.extend(name.as_bytes());
    out.extend(b": ");
    write(out, name.len() + 2);
}

/// The subject; a text that looks like an encoded word is encoded, or it would be read as one.
fn subject(out: &mut Vec<u8>, column: usize, subject: &str) {
    if subject.is_ascii() && subject.contains("=?") {
        let words = base64_words(subject);
        out.extend(words.as_bytes());
        out.extend(b"\r\n");
    } else {
        Text::new(subject).write_header(out, column);
    }
}

/// ASCII in "B" encoded words of at most 75 characters, one on a line.
fn base64_words(text: &str) -> String {
    use base64::Engine as _;
    let words: Vec<String> = text
        .as_bytes()
        .chunks(42)
        .map(|chunk| {
            format!(
                "=?utf-8?B?{}?=",
                base64::engine::general_purpose::STANDARD.encode(chunk)
            )
        })
        .collect();
    words.join("\r\n ")
}

fn mailboxes(out: &mut Vec<u8>, name: &str, boxes: &[String]) {
    if boxes.is_empty() {
        return;
    }
    if let [only] = boxes
        && only.is_ascii()
        && name.len() + 2 + only.len() <= 78
    {
        // As the caller wrote it, which may hold encoded words of its own.
        line(out, name, |out, _| {
            out.extend(format!("{only}\r\n").into_bytes());
        });
        return;
    }
    let addresses: Vec<Address<'_>> = boxes
        .iter()
        .map(|mailbox| Address::Address(parse(mailbox)))
        .collect();
    line(out, name, |out, column| {
        Address::new_list(addresses).write_header(out, column);
    });
}

/// `Name <a@b>` in its parts; a name in encoded words is read first, to be written anew.
fn parse(mailbox: &str) -> EmailAddress<'_> {
    match mailbox.rfind('<') {
        Some(at) => {
            let name = super::decode(mailbox[..at].trim());
            let name = name
                .strip_prefix('"')
                .and_then(|name| name.strip_suffix('"'))
                .map_or_else(
                    || name.clone(),
                    |quoted| quoted.replace("\\\"", "\"").replace("\\\\", "\\"),
                );
            EmailAddress {
                name: Some(name).filter(|name| !name.is_empty()).map(Into::into),
                email: mailbox[at + 1..].trim_end().trim_end_matches('>').into(),
            }
        }
        None => EmailAddress {
            name: None,
            email: mailbox.trim().into(),
        },
    }
}

/// Line ends as `mail-builder` turns them into CRLF; a lone CR would stay one.
fn unix_lines(text: &str) -> Cow<'_, str> {
    if text.contains('\r') {
        Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n"))
    } else {
        Cow::Borrowed(text)
    }
}
