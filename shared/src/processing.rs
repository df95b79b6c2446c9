//! The record of processing (Art. 30 GDPR): what the controller and the operator state, what the
//! template promises, and the document that is made of it.
//!
//! States and words only. Reading the account is the handler's part; no legal advice is given.

pub mod breach;
mod controller;
mod controller_record;
mod data;
mod document;
mod dpia;
mod facts;
mod markdown;
mod measures;
mod operator;
mod processor_record;
mod recipients;
mod storage;
mod sub_processor;
#[cfg(test)]
mod tests;

pub use self::controller::{
    Appointment, Contact, ControllerRecord, DEFAULT_DATA_SUBJECT, DEFAULT_PURPOSE, Recipient,
    StaffRole,
};
pub use self::document::{By, Document, Entry, Missing, Role, Section, Table};
pub use self::dpia::{Dpia, DpiaProblem, DpiaResult, Question, Risk, automated_decisions};
pub use self::facts::{
    Access, BucketFacts, Disagreement, FunctionFacts, InfrastructureFacts, LogFacts, MailFacts,
    QueueFacts, Regions, ScheduleFacts, Service, TableFacts,
};
pub use self::operator::Operator;
pub use self::sub_processor::{
    Announced, NOTICE_DAYS, SubProcessor, SubProcessorChange, SubProcessorNotice,
    SubProcessorProblem, announce, keep,
};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use self::document::Writer;
use crate::account::Account;
use crate::page_language::Language;
use crate::setup::{Field, Interest, List, Setup};
use crate::webhook::Webhook;

/// Everything that a record is made of.
#[derive(Debug, Clone, Copy)]
pub struct Basis<'a> {
    /// The controller's account.
    pub account: &'a Account,
    /// What the controller has stated.
    pub controller: &'a ControllerRecord,
    /// What the operator has stated.
    pub operator: &'a Operator,
    /// The answers to the DPIA questionnaire, once there are any.
    pub dpia: Option<&'a Dpia>,
    /// What the template deploys.
    pub facts: &'a InfrastructureFacts,
    /// The region this is run in.
    pub region: &'a str,
    /// The account's sign-up setups.
    pub setups: &'a [Setup],
    /// The account's lists.
    pub lists: &'a [List],
    /// The fields that the account has declared.
    pub fields: &'a [Field],
    /// The interests that the account offers.
    pub interests: &'a [Interest],
    /// Who is told what happens to people.
    pub webhooks: &'a [Webhook],
    /// What the record is written in.
    pub language: Language,
    /// When it is made.
    pub made_at: Timestamp,
}

impl Basis<'_> {
    /// The day of an instant where the controller is.
    fn day(&self, at: Timestamp) -> Date {
        let zone = crate::time::zone(&self.account.time_zone).unwrap_or(TimeZone::UTC);
        at.to_zoned_datetime(zone).date()
    }
}

/// The record of one account: the controller's (Art. 30(1)) or the processor's (Art. 30(2)).
pub fn record_of_processing(basis: &Basis<'_>, role: Role) -> Document {
    let mut writer = Writer::new(basis.language);
    match role {
        Role::Controller => controller_record::write(&mut writer, basis),
        Role::Processor => processor_record::write(&mut writer, basis),
    }
    writer.finish(basis, role)
}
