//! `processing`: what the controller states for the record of processing, read and replaced.
//!
//! The record itself is `record`'s part; what the operator states is `operator`'s, with the same
//! readers.

use axum::Router;
use axum::routing::get;
use jiff::civil::Date;
use rundbrief::account::Scope;
use rundbrief::address::{EmailAddress, InvalidAddress};
use rundbrief::processing::{Appointment, Contact, ControllerRecord, Recipient, StaffRole};
use rundbrief::record::Expect;
use serde_json::{Value, json};

use super::access::{Access, Desk, Sent};
use super::answer::{Answer, Refused, etag, found_at, if_match, lost_race};
use super::body::{
    Code, MAX_BODY_OCTETS, MAX_NAME_CHARACTERS, Object, boolean, line, line_or_empty, lines, string,
};
use super::resource::ATTEMPTS;
use crate::store::WriteError;

/// Entries of one list at most (engineering).
const MAX_ENTRIES: usize = 50;
/// Longest text of several lines, in characters.
const MAX_TEXT_CHARACTERS: usize = 4_000;
/// Longest text of one line and longest postal address, in characters.
pub(super) const MAX_LINE_CHARACTERS: usize = 500;

pub(super) fn routes() -> Router {
    Router::new().route("/accounts/{account}/processing", get(read).put(replace))
}

async fn current(desk: &Desk) -> Result<Option<ControllerRecord>, Refused> {
    let key = ControllerRecord::place(&desk.scope);
    Ok(desk.app.store.get(&key, desk.now).await?)
}

async fn read(access: Access) -> Answer {
    let desk = access.with(Scope::Read)?;
    let record = current(&desk).await?.unwrap_or_default();
    Ok(found_at(&etag(record.rev), &show(&record)))
}

async fn replace(access: Access, sent: Sent) -> Answer {
    let desk = access.with(Scope::Admin)?;
    for _ in 0..ATTEMPTS {
        let before = current(&desk).await?;
        let revision = before.as_ref().map_or(0, |before| before.rev);
        if_match(&desk.headers, &etag(revision))?;
        let mut body = sent.object(MAX_BODY_OCTETS)?;
        let record = take(&mut body, revision + 1);
        let record = body.finish(Some(record))?;
        let expect = Expect::unchanged(before.as_ref());
        let written = desk
            .app
            .store
            .put(&desk.scope, &record, expect, desk.now)
            .await;
        match written {
            Ok(()) => return Ok(found_at(&etag(record.rev), &show(&record))),
            Err(WriteError::Conflict) => {}
            Err(WriteError::Trouble(trouble)) => return Err(trouble.into()),
        }
    }
    Err(lost_race(&desk.headers))
}

fn show(record: &ControllerRecord) -> Value {
    let recipients = record.recipients.iter();
    let recipients = recipients
        .map(|one| json!({"name": one.name, "purpose": one.purpose, "transfer": one.transfer}));
    json!({
        "name": record.name,
        "description": record.description,
        "purposes": record.purposes,
        "data_subjects": record.data_subjects,
        "office": show_contact(&record.office),
        "joint_controllers": record.joint_controllers.iter().map(show_contact).collect::<Value>(),
        "representative": show_appointment(&record.representative),
        "dpo": show_appointment(&record.dpo),
        "recipients": recipients.collect::<Value>(),
        "legal_bases": record.legal_bases,
        "staff": show_staff(&record.staff),
        "measures": record.measures,
        "remarks": record.remarks,
    })
}

/// What is left out is as in a new account; what is empty is flagged in the record.
fn take(body: &mut Object, rev: u64) -> ControllerRecord {
    let new = ControllerRecord::default();
    let one_line = line_or_empty(MAX_LINE_CHARACTERS);
    let recipients = body.objects("recipients", MAX_ENTRIES, |one| {
        let name = one.required("name", line(MAX_LINE_CHARACTERS));
        let purpose = one.optional("purpose", line_or_empty(MAX_LINE_CHARACTERS));
        let transfer = one.optional("transfer", line(MAX_LINE_CHARACTERS));
        Some(Recipient {
            name: name?,
            purpose: purpose.unwrap_or_default(),
            transfer,
        })
    });
    let joint = body.objects("joint_controllers", MAX_ENTRIES, |one| Some(contact(one)));
    ControllerRecord {
        rev,
        name: body.optional("name", one_line).unwrap_or(new.name),
        description: text(body, "description"),
        purposes: several(body, "purposes").unwrap_or(new.purposes),
        data_subjects: several(body, "data_subjects").unwrap_or(new.data_subjects),
        office: office(body),
        joint_controllers: joint.unwrap_or_default(),
        representative: appointment(body, "representative"),
        dpo: appointment(body, "dpo"),
        recipients: recipients.unwrap_or_default(),
        legal_bases: several(body, "legal_bases").unwrap_or_default(),
        staff: staff(body),
        measures: several(body, "measures").unwrap_or_default(),
        remarks: text(body, "remarks"),
    }
}

fn text(body: &mut Object, name: &str) -> String {
    body.optional(name, lines(MAX_TEXT_CHARACTERS))
        .unwrap_or_default()
}

fn several(body: &mut Object, name: &str) -> Option<Vec<String>> {
    body.array(name, MAX_ENTRIES, line(MAX_LINE_CHARACTERS))
}

/// `office`, the member that names who is responsible.
pub(super) fn office(body: &mut Object) -> Contact {
    body.object("office", |office| Some(contact(office)))
        .unwrap_or_default()
}

/// Members of somebody who can be written to; any may be missing.
fn contact(body: &mut Object) -> Contact {
    let name = body.optional("name", line_or_empty(MAX_NAME_CHARACTERS));
    let address = body.optional("address", lines(MAX_LINE_CHARACTERS));
    let email = body.optional("email", |value| {
        let text = string(value)?;
        if text.trim().is_empty() {
            return Ok(None);
        }
        EmailAddress::parse(&text)
            .map(Some)
            .map_err(InvalidAddress::code)
    });
    let phone = body.optional("phone", line_or_empty(MAX_NAME_CHARACTERS));
    Contact {
        name: name.unwrap_or_default(),
        address: address.unwrap_or_default(),
        email: email.flatten(),
        phone: phone.unwrap_or_default(),
    }
}

/// Null for nothing said, `{"required": false}`, or a contact.
pub(super) fn appointment(body: &mut Object, name: &str) -> Appointment {
    body.object(name, |one| {
        let required = one.optional("required", boolean);
        let contact = contact(one);
        Some(match required {
            Some(false) if contact != Contact::default() => {
                one.problem("required", "contradicts_contact");
                Appointment::NotStated
            }
            Some(false) => Appointment::NotRequired,
            _ => {
                if contact.name.is_empty() {
                    one.problem("name", "missing");
                }
                Appointment::Named(contact)
            }
        })
    })
    .unwrap_or_default()
}

/// `staff`: roles, not people.
pub(super) fn staff(body: &mut Object) -> Vec<StaffRole> {
    let day =
        |value: Value| -> Result<Date, Code> { string(value)?.parse().map_err(|_| "not_a_date") };
    body.objects("staff", MAX_ENTRIES, |one| {
        let role = one.required("role", line(MAX_NAME_CHARACTERS));
        let access = one.optional("access", line_or_empty(MAX_LINE_CHARACTERS));
        let confidentiality_on = one.optional("confidentiality_on", day);
        let trained_on = one.optional("trained_on", day);
        Some(StaffRole {
            role: role?,
            access: access.unwrap_or_default(),
            confidentiality_on,
            trained_on,
        })
    })
    .unwrap_or_default()
}

pub(super) fn show_contact(contact: &Contact) -> Value {
    json!({
        "name": contact.name,
        "address": contact.address,
        "email": contact.email.as_ref().map(EmailAddress::reveal),
        "phone": contact.phone,
    })
}

pub(super) fn show_appointment(appointment: &Appointment) -> Value {
    match appointment {
        Appointment::NotStated => Value::Null,
        Appointment::NotRequired => json!({"required": false}),
        Appointment::Named(contact) => show_contact(contact),
    }
}

pub(super) fn show_staff(staff: &[StaffRole]) -> Value {
    staff
        .iter()
        .map(|one| {
            json!({
                "role": one.role,
                "access": one.access,
                "confidentiality_on": one.confidentiality_on,
                "trained_on": one.trained_on,
            })
        })
        .collect()
}
