//! The inbox of everything SES took: for scripts as JSON, for people as pages.
//!
//! Reads SES's mails and makes it emit events; it takes no mail itself.

mod page;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};

use axum::body::{Body, Bytes};
use axum::extract::{Path, Query as Asked, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures::stream;
use serde_json::{Value, json};

use crate::queues::uuid;
use crate::ses::{Happening, Mail, Query, Ses, decode, event, raw};

/// How many mails are read at a time while the answer is written.
const CHUNK: usize = 100;

pub(crate) fn routes(ses: &Ses) -> Router {
    Router::new()
        .route("/inbox.json", get(list).delete(clear))
        .route("/inbox/count", get(count))
        .route("/inbox", get(page::list))
        .route("/inbox/{id}", get(page::mail))
        .route("/inbox/{id}/html", get(page::html))
        .route("/inbox/{id}/raw", get(page::raw))
        .route("/mail/{id}/event", post(emit))
        .with_state(ses.clone())
}

/// The id of a mail: fixed width, so that ids also rise as strings.
fn id(mail: &Mail) -> String {
    format!("{:012}", mail.seq)
}

fn parse_id(id: &str) -> Option<i64> {
    id.parse().ok().filter(|seq| *seq >= 0)
}

fn broken(error: &rusqlite::Error) -> Response {
    tracing::error!(%error, "the inbox cannot be read");
    (
        StatusCode::INTERNAL_SERVER_ERROR,
        Json(json!({ "error": "the state file failed" })),
    )
        .into_response()
}

async fn list(State(ses): State<Ses>, Asked(asked): Asked<HashMap<String, String>>) -> Response {
    let since = match asked.get("since").filter(|since| !since.is_empty()) {
        None => 0,
        Some(since) => match parse_id(since) {
            Some(since) => since,
            None => {
                return (
                    StatusCode::BAD_REQUEST,
                    Json(json!({ "error": "since is no id" })),
                )
                    .into_response();
            }
        },
    };
    let last = match ses.inner().mails.last_seq() {
        Ok(last) => last,
        Err(error) => return broken(&error),
    };
    let to = asked.get("to").filter(|to| !to.is_empty()).cloned();
    // Written piece by piece: ten thousand newsletters do not fit into one string.
    let pieces = stream::unfold(Some((since, true)), move |at| {
        let (ses, to) = (ses.clone(), to.clone());
        async move {
            let (after, first) = at?;
            let query = Query {
                to,
                after,
                before: Some(last + 1),
                limit: i64::try_from(CHUNK).unwrap_or(1),
                ..Query::default()
            };
            match ses.inner().mails.list(&query) {
                Err(error) => Some((Err(std::io::Error::other(error)), None)),
                Ok(mails) => {
                    let mut piece = String::from(if first { "{\"items\":[" } else { "" });
                    for (index, mail) in mails.iter().enumerate() {
                        if index > 0 || !first {
                            piece.push(',');
                        }
                        piece.push_str(&item(mail).to_string());
                    }
                    let next = mails
                        .last()
                        .map(|mail| (mail.seq, false))
                        .filter(|_| mails.len() == CHUNK);
                    if next.is_none() {
                        piece.push_str("]}");
                    }
                    Some((Ok(Bytes::from(piece)), next))
                }
            }
        }
    });
    (
        [(header::CONTENT_TYPE, "application/json")],
        Body::from_stream(pieces),
    )
        .into_response()
}

/// A mail in the shape of the interface contract.
fn item(mail: &Mail) -> Value {
    let raw = raw(mail);
    json!({
        "id": id(mail),
        "received_at": mail.received_at.to_string(),
        "from": decode(&mail.sender),
        "to": mail.recipient,
        "subject": mail.subject,
        "headers": crate::ses::headers(&raw),
        "text": mail.text,
        "html": mail.html,
        "raw": String::from_utf8_lossy(&raw),
        "tags": mail.tags,
    })
}

async fn clear(State(ses): State<Ses>) -> Response {
    match ses.inner().mails.clear() {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => broken(&error),
    }
}

async fn count(State(ses): State<Ses>) -> Response {
    match ses.inner().mails.count() {
        Ok(count) => Json(json!({ "count": count })).into_response(),
        Err(error) => broken(&error),
    }
}

/// Makes SES emit an event about a mail, as if its recipient's mailbox had answered so.
async fn emit(
    State(ses): State<Ses>,
    Path(id): Path<String>,
    Json(asked): Json<Value>,
) -> Response {
    let Some(happening) = happening(&asked) else {
        let error = "type is one of bounce, complaint, delivery, open, click";
        return (
            StatusCode::UNPROCESSABLE_ENTITY,
            Json(json!({ "error": error })),
        )
            .into_response();
    };
    let inner = ses.inner();
    let mail = match parse_id(&id).map(|seq| inner.mails.get(seq)).transpose() {
        Ok(mail) => mail.flatten(),
        Err(error) => return broken(&error),
    };
    let Some(mail) = mail else {
        return (
            StatusCode::NOT_FOUND,
            Json(json!({ "error": "no such mail" })),
        )
            .into_response();
    };
    let event = event(&mail, &happening, inner.clock.now(), &uuid(&inner.random));
    let mut touched = BTreeSet::new();
    let queued = inner.state().with(|db| {
        let tx = db.transaction()?;
        inner.events.put(&tx, &event, &mut touched)?;
        tx.commit()?;
        Ok::<_, crate::queues::QueueError>(())
    });
    if let Err(error) = queued {
        tracing::error!(%error, "an event could not be queued");
        return (
            StatusCode::INTERNAL_SERVER_ERROR,
            Json(json!({ "error": "not queued" })),
        )
            .into_response();
    }
    inner.events.wake(&touched);
    (
        StatusCode::ACCEPTED,
        Json(json!({ "event": event["id"], "detail_type": event["detail-type"] })),
    )
        .into_response()
}

/// The members are named as SES names them, or in snake case; what is not given has a default.
fn happening(asked: &Value) -> Option<Happening> {
    let text = |names: [&str; 2], default: &str| {
        let given = names.iter().find_map(|name| asked[*name].as_str());
        given.unwrap_or(default).to_owned()
    };
    Some(match asked["type"].as_str()? {
        "bounce" => Happening::Bounce {
            kind: text(["bounceType", "bounce_type"], "Permanent"),
            subtype: text(["bounceSubType", "bounce_subtype"], "General"),
            status: text(["status", "bounce_status"], "5.1.1"),
            diagnostic: text(
                ["diagnosticCode", "diagnostic_code"],
                "smtp; 550 5.1.1 user unknown",
            ),
        },
        "complaint" => Happening::Complaint {
            subtype: Some(text(["complaintSubType", "complaint_subtype"], ""))
                .filter(|subtype| !subtype.is_empty()),
            feedback: text(["complaintFeedbackType", "complaint_type"], "abuse"),
        },
        "delivery" => Happening::Delivery,
        "open" => Happening::Open,
        "click" => Happening::Click {
            link: text(["link", "url"], "https://muster.example/"),
        },
        _ => return None,
    })
}
