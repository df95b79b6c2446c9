//! Files above what a request may carry: `POST imports` with a JSON body hands out a place to put
//! one, `POST imports/{id}/start` begins the import of what was put there.
//!
//! The rows are found and worked on by the function `import`.

use std::collections::BTreeMap;

use lambda_http::http::StatusCode;
use rundbrief::account::Scope;
use rundbrief::import::{Import, ImportRequest, Upload};
use rundbrief::record::Expect;
use rundbrief::subscriber_file::{HEADER_OCTETS, Layout, MAX_UPLOAD_OCTETS};
use rundbrief::time::{ShownInstant, plus_seconds};
use serde_json::{Value, json};

use super::super::access::{Access, Desk, Sent};
use super::super::answer::{Answer, Refused};
use super::super::body::{MAX_BODY_OCTETS, boolean, number};
use super::{accepted, current, declared, queue, refused};
use crate::import;
use crate::problem::Problem;

/// The file is not there, or of another length than was said.
const NOT_UPLOADED: Problem = Problem {
    status: StatusCode::CONFLICT,
    code: "not_uploaded",
    title: "The file has not been uploaded",
};

/// Whether the request brings no file but asks where to put one.
pub(super) fn is_asked_for(content_type: Option<&str>) -> bool {
    let media_type = content_type.unwrap_or_default().split(';').next();
    media_type.is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

/// How an upload stands; where to is said once, when it is promised.
pub(super) fn show(upload: &Upload) -> Value {
    json!({
        "bytes": upload.octets,
        "start_until": ShownInstant(upload.until),
        "started_at": upload.started_at.map(ShownInstant),
    })
}

/// Takes an import whose file is to come, and says where to put it.
pub(super) async fn promise(desk: &Desk, request: ImportRequest, sent: &Sent) -> Answer {
    let mut body = sent.object(MAX_BODY_OCTETS)?;
    let wanted = body.required("upload", boolean);
    let octets = body.required("bytes", number(1..=MAX_UPLOAD_OCTETS));
    if wanted == Some(false) {
        body.problem("upload", "not_true");
    }
    let octets = body.finish(octets)?;
    let import = Import::awaiting(request, octets);
    let place = import::place(&desk.app, &desk.account.id, &import.id, octets).await?;
    desk.app
        .store
        .put(&desk.scope, &import, Expect::Absent, desk.now)
        .await?;
    let mut shown = super::show(desk, &import);
    let seconds = i64::try_from(import::UPLOAD_TIME.as_secs()).unwrap_or(0);
    let headers: BTreeMap<&str, &str> = place.headers().collect();
    shown["upload"]["method"] = json!(place.method());
    shown["upload"]["url"] = json!(place.uri());
    shown["upload"]["headers"] = json!(headers);
    shown["upload"]["expires_at"] = json!(ShownInstant(plus_seconds(desk.now, seconds)));
    Ok(accepted(desk, &import, &shown))
}

/// Begins the import of an uploaded file; beginning again changes nothing.
pub(super) async fn start(access: Access, sent: Sent) -> Answer {
    let desk = access.with(Scope::Write)?;
    sent.object_if_any(MAX_BODY_OCTETS)?.finish(Some(()))?;
    let import = current(&desk).await?;
    let Some(upload) = &import.upload else {
        return Err(Problem::CONFLICT.into());
    };
    if upload.started_at.is_some() {
        return Ok(accepted(&desk, &import, &super::show(&desk, &import)));
    }
    let octets = upload.octets.min(HEADER_OCTETS);
    let beginning = import::beginning(&desk.app, &desk.account.id, &import.id, octets).await?;
    let beginning = beginning
        .filter(|read| u32::try_from(read.len()) == Ok(octets))
        .ok_or::<Refused>(NOT_UPLOADED.into())?;
    let header = Layout::of_header(&beginning, &declared(&desk).await?).map_err(refused)?;
    let started = import
        .started(header, desk.now)
        .ok_or::<Refused>(Problem::CONFLICT.into())?;
    desk.app
        .store
        .put(
            &desk.scope,
            &started,
            Expect::Revision(import.rev),
            desk.now,
        )
        .await?;
    queue(&desk, &started).await?;
    Ok(accepted(&desk, &started, &super::show(&desk, &started)))
}
