//! The event of API Gateway's payload format 2.0, and the answer to it.
//!
//! Format: API Gateway developer guide, "Create AWS Lambda proxy integrations for HTTP APIs".

use std::collections::BTreeMap;
use std::net::IpAddr;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use serde_json::{Map, Value as Json, json};

use super::header_pair;
use super::route::Found;
use crate::queues::ACCOUNT;

/// What API Gateway knows of a request beside what the client wrote into it.
pub(super) struct Peer {
    /// The address of the TCP connection.
    pub(super) address: IpAddr,
    /// The platform's time.
    pub(super) received_at: Timestamp,
    /// An id for logs.
    pub(super) request_id: String,
}

pub(super) fn from_http(
    parts: &http::request::Parts,
    body: &[u8],
    found: &Found<'_>,
    peer: &Peer,
) -> Json {
    let query = parts.uri.query().unwrap_or_default();
    let headers = headers(&parts.headers, peer);
    let cookies = cookies(&parts.headers);
    let address = peer.address.to_string();
    let user_agent = headers.get("user-agent").cloned().unwrap_or_default();
    let domain = headers.get("host").cloned().unwrap_or_default();
    let mut event = json!({
        "version": "2.0",
        "routeKey": found.route_key,
        // As it came; parameters are decoded.
        "rawPath": parts.uri.path(),
        "rawQueryString": query,
        "headers": headers,
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": "local",
            "domainName": domain,
            "domainPrefix": "local",
            "http": {
                "method": parts.method.as_str(),
                "path": parts.uri.path(),
                "protocol": "HTTP/1.1",
                "sourceIp": address,
                "userAgent": user_agent,
            },
            "requestId": peer.request_id,
            "routeKey": found.route_key,
            "stage": "$default",
            "time": peer.received_at.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string(),
            "timeEpoch": peer.received_at.as_millisecond(),
        },
        "isBase64Encoded": false,
    });
    if !cookies.is_empty() {
        event["cookies"] = json!(cookies);
    }
    if !found.parameters.is_empty() {
        event["pathParameters"] = json!(found.parameters);
    }
    let query = query_parameters(query);
    if !query.is_empty() {
        event["queryStringParameters"] = json!(query);
    }
    if !body.is_empty() {
        match std::str::from_utf8(body) {
            Ok(text) if is_text(&parts.headers) => event["body"] = json!(text),
            _ => {
                event["body"] = json!(BASE64_STANDARD.encode(body));
                event["isBase64Encoded"] = json!(true);
            }
        }
    }
    event
}

/// Lower-case names; several of one name are one, with commas. Cookies have a place of their own.
fn headers(headers: &HeaderMap, peer: &Peer) -> BTreeMap<String, String> {
    let mut joined: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in headers {
        if name == header::COOKIE {
            continue;
        }
        let value = String::from_utf8_lossy(value.as_bytes());
        joined
            .entry(name.as_str().to_owned())
            .and_modify(|known| {
                known.push(',');
                known.push_str(&value);
            })
            .or_insert_with(|| value.into_owned());
    }
    // API Gateway appends the peer, so whoever trusts the first entry trusts the client.
    let forwarded = joined.entry("x-forwarded-for".to_owned()).or_default();
    if !forwarded.is_empty() {
        forwarded.push_str(", ");
    }
    forwarded.push_str(&peer.address.to_string());
    joined.insert("x-forwarded-proto".to_owned(), "http".to_owned());
    joined
}

fn cookies(headers: &HeaderMap) -> Vec<String> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .map(|cookie| cookie.trim().to_owned())
        .filter(|cookie| !cookie.is_empty())
        .collect()
}

fn query_parameters(query: &str) -> BTreeMap<String, String> {
    let mut joined: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        joined
            .entry(name.into_owned())
            .and_modify(|known| {
                known.push(',');
                known.push_str(&value);
            })
            .or_insert_with(|| value.into_owned());
    }
    joined
}

/// Whether the body travels as text: `text/*`, JSON, JavaScript and XML, nothing else. Forms
/// travel in base64.
fn is_text(headers: &HeaderMap) -> bool {
    let value = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let Some(value) = value else { return false };
    let kind = value
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    match kind.split_once('/') {
        Some(("text", _)) => true,
        Some(("application", kind)) => {
            matches!(kind, "json" | "javascript" | "xml")
                || kind.ends_with("+json")
                || kind.ends_with("+xml")
        }
        _ => false,
    }
}

/// The answer as HTTP; `None` when it is none.
///
/// Without `statusCode` the whole answer is the JSON body of a `200`, as API Gateway has it.
pub(super) fn into_http(answer: &Json) -> Option<Response> {
    let Some(status) = answer.get("statusCode") else {
        let mut response = Response::new(Body::from(answer.to_string()));
        let (name, value) = header_pair("content-type", "application/json")?;
        response.headers_mut().insert(name, value);
        return Some(response);
    };
    let status = StatusCode::from_u16(u16::try_from(status.as_u64()?).ok()?).ok()?;
    let body = match answer.get("body") {
        None | Some(Json::Null) => Vec::new(),
        Some(Json::String(text)) => {
            if answer.get("isBase64Encoded").and_then(Json::as_bool) == Some(true) {
                BASE64_STANDARD.decode(text).ok()?
            } else {
                text.clone().into_bytes()
            }
        }
        Some(_) => return None,
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let empty = Map::new();
    let single = answer
        .get("headers")
        .and_then(Json::as_object)
        .unwrap_or(&empty);
    let multiple = answer
        .get("multiValueHeaders")
        .and_then(Json::as_object)
        .unwrap_or(&empty);
    for (name, values) in multiple {
        for value in values.as_array()? {
            let (name, value) = header_pair(name, value.as_str()?)?;
            headers.append(name, value);
        }
    }
    for (name, value) in single {
        if multiple
            .keys()
            .any(|known| known.eq_ignore_ascii_case(name))
        {
            continue;
        }
        let text = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        let (name, value) = header_pair(name, &text)?;
        headers.append(name, value);
    }
    for cookie in answer
        .get("cookies")
        .and_then(Json::as_array)
        .into_iter()
        .flatten()
    {
        let (name, value) = header_pair("set-cookie", cookie.as_str()?)?;
        headers.append(name, value);
    }
    // The connection's business, not the function's.
    for name in [
        header::CONTENT_LENGTH,
        header::TRANSFER_ENCODING,
        header::CONNECTION,
    ] {
        headers.remove(name);
    }
    Some(response)
}
