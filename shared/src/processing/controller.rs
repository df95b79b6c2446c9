//! What only the controller knows about its processing: who is responsible, for what, for whom.
//!
//! What Rundbrief knows itself (setups, fields, periods, functions) is not repeated here.

use std::fmt;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::address::EmailAddress;
use crate::key::{AccountScope, Key};
use crate::record::Stored;

/// Name and purpose until the controller says otherwise (S-03), in German and English.
pub const DEFAULT_PURPOSE: [&str; 2] = [
    "Kundenbindungs-, Newsletter- und Mailingprogramm",
    "Customer loyalty, newsletter and mailing programme",
];
/// The category of data subjects until the controller says otherwise (S-04).
pub const DEFAULT_DATA_SUBJECT: [&str; 2] = ["Kunden", "Customers"];

/// A person or office that can be written to and called.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// Name of the office or the person.
    #[serde(default)]
    pub name: String,
    /// Postal address.
    #[serde(default)]
    pub address: String,
    /// E-mail address.
    #[serde(default)]
    pub email: Option<EmailAddress>,
    /// Telephone number.
    #[serde(default)]
    pub phone: String,
}

impl fmt::Debug for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Contact(***)")
    }
}

/// Somebody who must be appointed under conditions: a data protection officer (Art. 37), a
/// representative (Art. 27).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Appointment {
    /// Nothing was said.
    #[default]
    NotStated,
    /// None is required and none is appointed.
    NotRequired,
    /// This one.
    Named(Contact),
}

/// People with the same task: what they reach, and whether they are bound and trained (S-27).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StaffRole {
    /// Their task; not their names.
    pub role: String,
    /// What they have access to.
    #[serde(default)]
    pub access: String,
    /// When they were last bound to confidentiality.
    #[serde(default)]
    pub confidentiality_on: Option<Date>,
    /// When they were last trained.
    #[serde(default)]
    pub trained_on: Option<Date>,
}

/// Somebody the controller passes data on to, beside the platform's own recipients.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipient {
    /// Who.
    pub name: String,
    /// What for.
    #[serde(default)]
    pub purpose: String,
    /// The third country and the safeguard, if data leave the EEA (Art. 44 ff.).
    #[serde(default)]
    pub transfer: Option<String>,
}

/// The controller's own statements of the record, one item per account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControllerRecord {
    /// Grows with each write; 0 for one that was never written.
    pub rev: u64,
    /// What the process is called.
    pub name: String,
    /// What it is, in the controller's words.
    #[serde(default)]
    pub description: String,
    /// What it is for.
    pub purposes: Vec<String>,
    /// Whose data are processed.
    pub data_subjects: Vec<String>,
    /// The responsible office; an empty name is the account's.
    #[serde(default)]
    pub office: Contact,
    /// Who is responsible together with it (Art. 26).
    #[serde(default)]
    pub joint_controllers: Vec<Contact>,
    /// The representative in the Union (Art. 27).
    #[serde(default)]
    pub representative: Appointment,
    /// The data protection officer (Art. 37).
    #[serde(default)]
    pub dpo: Appointment,
    /// Recipients beside those of the platform.
    #[serde(default)]
    pub recipients: Vec<Recipient>,
    /// Legal bases beside those that follow from the setups.
    #[serde(default)]
    pub legal_bases: Vec<String>,
    /// The controller's people.
    #[serde(default)]
    pub staff: Vec<StaffRole>,
    /// Technical and organisational measures of its own.
    #[serde(default)]
    pub measures: Vec<String>,
    /// Anything else.
    #[serde(default)]
    pub remarks: String,
}

impl Default for ControllerRecord {
    fn default() -> Self {
        let [purpose, _] = DEFAULT_PURPOSE;
        let [data_subject, _] = DEFAULT_DATA_SUBJECT;
        Self {
            rev: 0,
            name: purpose.to_owned(),
            description: String::new(),
            purposes: vec![purpose.to_owned()],
            data_subjects: vec![data_subject.to_owned()],
            office: Contact::default(),
            joint_controllers: Vec::new(),
            representative: Appointment::NotStated,
            dpo: Appointment::NotStated,
            recipients: Vec::new(),
            legal_bases: Vec::new(),
            staff: Vec::new(),
            measures: Vec::new(),
            remarks: String::new(),
        }
    }
}

impl ControllerRecord {
    /// Where an account's is.
    pub fn place(scope: &AccountScope) -> Key {
        scope.configuration(Self::KIND, "record")
    }
}

impl Stored for ControllerRecord {
    const KIND: &'static str = "processing";

    fn key(&self, scope: &AccountScope) -> Key {
        Self::place(scope)
    }

    fn revision(&self) -> u64 {
        self.rev
    }
}
