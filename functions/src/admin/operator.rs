//! `operator`: who runs the platform, read and replaced with the platform key; and whom it has
//! process data on its behalf, as each account is told of it.
//!
//! The same for all accounts; each account's record shows it as the processor.

use axum::Router;
use axum::routing::get;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use rundbrief::account::Scope;
use rundbrief::processing::{
    Announced, NOTICE_DAYS, Operator, SubProcessor, SubProcessorProblem, announce, keep,
};
use rundbrief::record::Expect;
use rundbrief::time::{ShownInstant, day_in};
use serde_json::{Value, json};

use super::access::{Access, Context, PlatformAccess, Sent};
use super::answer::{Answer, etag, found, found_at, if_match, lost_race};
use super::body::{MAX_BODY_OCTETS, Object, date, line, line_or_empty, lines};
use super::processing::{
    MAX_LINE_CHARACTERS, appointment, office, show_appointment, show_contact, show_staff, staff,
};
use super::resource::ATTEMPTS;
use crate::record_of_processing::operator;
use crate::store::WriteError;

/// Sub-processors at most (engineering).
const MAX_SUB_PROCESSORS: usize = 50;

pub(super) fn routes() -> Router {
    Router::new()
        .route("/operator", get(read).put(replace))
        .route("/accounts/{account}/sub-processors", get(sub_processors))
}

fn show(operator: &Operator) -> Value {
    json!({
        "office": show_contact(&operator.office),
        "dpo": show_appointment(&operator.dpo),
        "staff": show_staff(&operator.staff),
        "sub_processors": show_sub_processors(operator),
    })
}

fn show_sub_processors(operator: &Operator) -> Value {
    let others = operator.sub_processors.iter();
    others
        .map(|one| {
            json!({
                "name": one.name,
                "address": one.address,
                "purpose": one.purpose,
                "transfer": one.transfer,
                "from": one.from,
            })
        })
        .collect()
}

/// Whom the operator has process data beside the cloud provider, and what was announced of it
/// (Art. 28(2), L-21).
async fn sub_processors(access: Access) -> Answer {
    let desk = access.with(Scope::Read)?;
    let operator = operator(&desk.app, desk.now).await?.unwrap_or_default();
    let notices = operator.sub_processor_notices.iter();
    let notices = notices.map(|notice| {
        json!({
            "at": ShownInstant(notice.at),
            "change": notice.change,
            "name": notice.name,
            "from": notice.from,
        })
    });
    Ok(found(&json!({
        "items": show_sub_processors(&operator),
        "next": null,
        "notices": notices.collect::<Value>(),
        "notice_days": NOTICE_DAYS,
    })))
}

fn take(body: &mut Object, before: Option<&Operator>, now: Timestamp) -> Operator {
    let others = body.objects("sub_processors", MAX_SUB_PROCESSORS, |one| {
        let name = one.required("name", line(MAX_LINE_CHARACTERS));
        let address = one.optional("address", lines(MAX_LINE_CHARACTERS));
        let purpose = one.optional("purpose", line_or_empty(MAX_LINE_CHARACTERS));
        let transfer = one.optional("transfer", line(MAX_LINE_CHARACTERS));
        let from = one.optional("from", date);
        Some(SubProcessor {
            name: name?,
            address: address.unwrap_or_default(),
            purpose: purpose.unwrap_or_default(),
            transfer,
            from,
        })
    });
    let known = before.map(|before| before.sub_processors.as_slice());
    let today = day_in(now, &TimeZone::UTC);
    let announced =
        announce(known, others.unwrap_or_default(), today, now).unwrap_or_else(|found| {
            for (index, problem) in found {
                let (member, code) = match problem {
                    SubProcessorProblem::Repeated => ("name", "repeated"),
                    SubProcessorProblem::TooSoon => ("from", "too_soon"),
                    SubProcessorProblem::NewTransfer => ("transfer", "new_transfer"),
                };
                body.problem(&format!("sub_processors.{index}.{member}"), code);
            }
            Announced::default()
        });
    let told = before.map_or(&[][..], |before| &before.sub_processor_notices);
    Operator {
        rev: before.map_or(0, |before| before.rev) + 1,
        office: office(body),
        dpo: appointment(body, "dpo"),
        staff: staff(body),
        sub_processors: announced.list,
        sub_processor_notices: keep(announced.notices, told),
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
        let stated = take(&mut body, before.as_ref(), now);
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
