//! The web inbox: a list to search by recipient, and each mail as its reader would see it.
//!
//! A mail's HTML stays in a sandbox: no script, no request to anybody else, links only by click.

use std::collections::HashMap;
use std::fmt::Write as _;

use axum::extract::{Path, Query as Asked, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::{broken, id, parse_id};
use crate::ses::{self, Mail, Query, Ses};

const PAGE: i64 = 50;

/// The page's own policy: its inline style, frames of this origin, nothing else.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// A mail's: inline styles and pictures that are in it; sandboxed also when opened by itself.
const MAIL_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation";

const STYLE: &str = "*{box-sizing:border-box}body{overflow-wrap:anywhere;font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:64rem;padding:0 1rem;color:#1a1a1a;background:#fff}\
table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.35rem .6rem;border-bottom:1px solid #ddd;vertical-align:top}th{overflow-wrap:normal}\
iframe{width:100%;height:36rem;border:1px solid #bbb}pre{white-space:pre-wrap;overflow-wrap:anywhere;background:#f5f5f5;padding:1rem}\
a{color:#0645ad}input{font:inherit;padding:.3rem}";

pub(super) async fn list(
    State(ses): State<Ses>,
    Asked(asked): Asked<HashMap<String, String>>,
) -> Response {
    let part = asked
        .get("to")
        .map(|to| to.trim().to_owned())
        .filter(|to| !to.is_empty());
    let before = asked.get("before").and_then(|before| parse_id(before));
    let query = Query {
        to_part: part.clone(),
        before,
        newest_first: true,
        limit: PAGE + 1,
        ..Query::default()
    };
    let (mails, count) = match ses
        .inner()
        .mails
        .list(&query)
        .and_then(|mails| Ok((mails, ses.inner().mails.count()?)))
    {
        Ok(found) => found,
        Err(error) => return broken(&error),
    };
    let more = mails.len() > usize::try_from(PAGE).unwrap_or(usize::MAX);
    let shown = &mails[..mails.len() - usize::from(more)];
    let searched = part.unwrap_or_default();
    let mut body = format!(
        "<h1>Inbox</h1><p>{count} mails. <a href=\"/_local/\">Start page</a></p>\
         <form action=\"/_local/inbox\"><label>Recipient <input name=\"to\" value=\"{}\"></label> <button>Search</button></form>\
         <table><tr><th>Received</th><th>To</th><th>From</th><th>Subject</th></tr>",
        escape(&searched)
    );
    for mail in shown {
        let _ = write!(
            body,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td><a href=\"/_local/inbox/{}\">{}</a></td></tr>",
            mail.received_at.strftime("%Y-%m-%d %H:%M:%S"),
            escape(&mail.recipient),
            escape(&ses::decode(&mail.sender)),
            id(mail),
            escape(if mail.subject.is_empty() {
                "(no subject)"
            } else {
                &mail.subject
            }),
        );
    }
    body.push_str("</table>");
    if let (true, Some(last)) = (more, shown.last()) {
        let to: String = form_urlencoded::byte_serialize(searched.as_bytes()).collect();
        let _ = write!(
            body,
            "<p><a href=\"/_local/inbox?to={to}&amp;before={}\">Older</a></p>",
            id(last)
        );
    }
    page("Inbox", &body)
}

pub(super) async fn mail(State(ses): State<Ses>, Path(id): Path<String>) -> Response {
    with_mail(&ses, &id, |mail| {
        let id = super::id(mail);
        let raw = ses::raw(mail);
        let mut body = format!(
            "<p><a href=\"/_local/inbox\">Inbox</a> | <a href=\"/_local/inbox/{id}/raw\">Message as sent</a></p><h1>{}</h1>\
             <p>From {}<br>To {}<br>{}</p>",
            escape(&mail.subject),
            escape(&ses::decode(&mail.sender)),
            escape(&mail.recipient),
            mail.received_at,
        );
        if mail.html.is_some() {
            let _ = write!(
                body,
                "<h2>HTML</h2><iframe title=\"HTML of the mail\" referrerpolicy=\"no-referrer\" src=\"/_local/inbox/{id}/html\" \
                 sandbox=\"allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation\"></iframe>"
            );
        }
        if let Some(text) = &mail.text {
            let _ = write!(body, "<h2>Text</h2><pre>{}</pre>", escape(text));
        }
        let links = links(mail);
        if !links.is_empty() {
            body.push_str("<h2>Links</h2><ul>");
            for link in links {
                let link = escape(&link);
                let _ = write!(
                    body,
                    "<li><a rel=\"noreferrer\" href=\"{link}\">{link}</a></li>"
                );
            }
            body.push_str("</ul>");
        }
        body.push_str("<h2>Headers</h2><table>");
        for (name, value) in ses::headers(&raw) {
            let _ = write!(
                body,
                "<tr><th>{}</th><td>{}</td></tr>",
                escape(&name),
                escape(&value)
            );
        }
        body.push_str("</table>");
        page(&mail.subject, &body)
    })
}

pub(super) async fn html(State(ses): State<Ses>, Path(id): Path<String>) -> Response {
    with_mail(&ses, &id, |mail| match &mail.html {
        None => not_found(),
        Some(html) => {
            let headers = [
                (header::CONTENT_TYPE, "text/html; charset=utf-8"),
                (header::CONTENT_SECURITY_POLICY, MAIL_POLICY),
                (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
                (header::REFERRER_POLICY, "no-referrer"),
            ];
            (headers, with_links_on_top(html)).into_response()
        }
    })
}

pub(super) async fn raw(State(ses): State<Ses>, Path(id): Path<String>) -> Response {
    with_mail(&ses, &id, |mail| {
        let headers = [
            (header::CONTENT_TYPE, "text/plain; charset=us-ascii"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        ];
        (headers, ses::raw(mail)).into_response()
    })
}

fn with_mail(ses: &Ses, id: &str, show: impl FnOnce(&Mail) -> Response) -> Response {
    match parse_id(id)
        .map(|seq| ses.inner().mails.get(seq))
        .transpose()
    {
        Ok(Some(Some(mail))) => show(&mail),
        Ok(_) => not_found(),
        Err(error) => broken(&error),
    }
}

fn not_found() -> Response {
    (
        StatusCode::NOT_FOUND,
        page(
            "Not found",
            "<h1>No such mail</h1><p><a href=\"/_local/inbox\">Inbox</a></p>",
        ),
    )
        .into_response()
}

fn page(title: &str, body: &str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, PAGE_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    let page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{}</title><style>{STYLE}</style></head><body>{body}</body></html>",
        escape(title)
    );
    (headers, page).into_response()
}

/// Links without a target open in the whole window, not inside the frame.
fn with_links_on_top(html: &str) -> String {
    const BASE: &str = "<base target=\"_top\">";
    let lower = html.to_ascii_lowercase();
    let at = ["<head", "<html", "<!doctype"].iter().find_map(|tag| {
        let start = lower.find(tag)?;
        let ends_name = !lower
            .as_bytes()
            .get(start + tag.len())
            .is_some_and(u8::is_ascii_alphanumeric);
        ends_name
            .then(|| lower[start..].find('>').map(|end| start + end + 1))
            .flatten()
    });
    let (before, after) = html.split_at(at.unwrap_or(0));
    format!("{before}{BASE}{after}")
}

/// The web links of a mail, each once, in their order.
fn links(mail: &Mail) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let texts = mail.headers.iter().map(|(_, value)| value.as_str());
    for text in texts
        .chain(mail.html.as_deref())
        .chain(mail.text.as_deref())
    {
        let mut rest = text;
        while let Some(at) = rest.find("http") {
            rest = &rest[at..];
            let end = rest
                .find(|c: char| c.is_whitespace() || "\"'<>)".contains(c))
                .unwrap_or(rest.len());
            let link = rest[..end].replace("&amp;", "&");
            if (link.starts_with("http://") || link.starts_with("https://"))
                && !found.contains(&link)
            {
                found.push(link);
            }
            rest = &rest[end.max(4)..];
        }
    }
    found.truncate(200);
    found
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}
