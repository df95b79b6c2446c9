//! `operator`: who runs the platform, read and replaced with the platform key.
//!
//! The same for all accounts; each account's record shows it as the processor.

use axum::Router;
use axum::routing::get;
use rundbrief::processing::{Operator, SubProcessor};
use rundbrief::record::Expect;
use serde_json::{Value, json};

use super::access::{Context, PlatformAccess, Sent};
use super::answer::{Answer, etag, found_at, if_match, lost_race};
use super::body::{MAX_BODY_OCTETS, Object, line, line_or_empty, lines};
use super::processing::{
    MAX_LINE_CHARACTERS, appointment, office, show_appointment, show_contact, show_staff, staff,
};
use super::resource::ATTEMPTS;
use crate::record_of_processing::operator;
use crate::store::WriteError;

/// Sub-processors at most (engineering).
const MAX_SUB_PROCESSORS: usize = 50;

pub(super) fn routes() -> Router {
    Router::new().route("/operator", get(read).put(replace))
}

fn show(operator: &Operator) -> Value {
    let others = operator.sub_processors.iter();
    let others = others.map(|one| {
        json!({
            "name": one.name,
            "address": one.address,
            "purpose": one.purpose,
            "transfer": one.transfer,
        })
    });
    json!({
        "office": show_contact(&operator.office),
        "dpo": show_appointment(&operator.dpo),
        "staff": show_staff(&operator.staff),
        "sub_processors": others.collect::<Value>(),
    })
}

fn take(body: &mut Object, rev: u64) -> Operator {
    let others = body.objects("sub_processors", MAX_SUB_PROCESSORS, |one| {
        let name = one.required("name", line(MAX_LINE_CHARACTERS));
        let address = one.optional("address", lines(MAX_LINE_CHARACTERS));
        let purpose = one.optional("purpose", line_or_empty(MAX_LINE_CHARACTERS));
        let transfer = one.optional("transfer", line(MAX_LINE_CHARACTERS));
        Some(SubProcessor {
            name: name?,
            address: address.unwrap_or_default(),
            purpose: purpose.unwrap_or_default(),
            transfer,
        })
    });
    Operator {
        rev,
        office: office(body),
        dpo: appointment(body, "dpo"),
        staff: staff(body),
        sub_processors: others.unwrap_or_default(),
    }
}

async fn read(PlatformAccess(context): PlatformAccess) -> Answer {
    let known = operator(&context.app, context.now).await?;
    let known = known.unwrap_or_default();
    Ok(found_at(&etag(known.rev), &show(&known)))
}

async fn replace(
    PlatformAccess(context): PlatformAccess,
    headers: lambda_http::http::HeaderMap,
    sent: Sent,
) -> Answer {
    let Context { app, now, .. } = context;
    for _ in 0..ATTEMPTS {
        let before = operator(&app, now).await?;
        let revision = before.as_ref().map_or(0, |before| before.rev);
        if_match(&headers, &etag(revision))?;
        let mut body = sent.object(MAX_BODY_OCTETS)?;
        let stated = take(&mut body, revision + 1);
        let stated = body.finish(Some(stated))?;
        let expect = Expect::unchanged(before.as_ref());
        let place = Operator::place();
        match app.store.put_at(&place, &stated, expect, now).await {
            Ok(()) => return Ok(found_at(&etag(stated.rev), &show(&stated))),
            Err(WriteError::Conflict) => {}
            Err(WriteError::Trouble(trouble)) => return Err(trouble.into()),
        }
    }
    Err(lost_race(&headers))
}
