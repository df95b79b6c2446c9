//! The record as a tree: headed sections with entries, and a flag on each that is to be completed.
//!
//! Knows nothing of HTML; JSON is this tree itself, Markdown is made of it beside.

use jiff::civil::Date;
use serde::Serialize;

use super::Basis;
use super::controller::{Appointment, Contact, StaffRole};
use crate::id::AccountId;
use crate::page_language::Language;
use crate::time::ShownInstant;

/// Whose record it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Art. 30(1).
    #[default]
    Controller,
    /// Art. 30(2).
    Processor,
}

/// Who has to complete something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// The account's owner, with `PUT /accounts/{a}/processing` or `…/dpia`.
    Controller,
    /// The platform's, with `PUT /operator`.
    Operator,
}

/// A record of processing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Document {
    /// Whose account.
    pub account: AccountId,
    /// Whose record.
    pub role: Role,
    /// What it is written in.
    pub language: Language,
    /// When it was made.
    pub made_at: ShownInstant,
    /// The day of that where the controller is.
    pub made_on: Date,
    /// Its title.
    pub title: String,
    /// That it is a template and who has to complete it (S-01).
    pub notice: String,
    /// Whether nothing is missing.
    pub complete: bool,
    /// What is missing, in the order of the document.
    pub missing: Vec<Missing>,
    /// Its parts.
    pub sections: Vec<Section>,
}

/// Something that is to be completed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// The member of the statement, `office.phone`; `operator.…` and `dpia` for those.
    pub path: String,
    /// Who has to.
    pub by: By,
    /// What it is called in the document.
    pub label: String,
}

/// A headed part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Section {
    /// Its name, the same in both languages.
    pub id: &'static str,
    /// Its heading.
    pub heading: String,
    /// What is in it.
    pub entries: Vec<Entry>,
}

/// One statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// What is stated.
    pub label: String,
    /// The statement; several are a list.
    pub values: Vec<String>,
    /// A table in place of values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<Table>,
    /// Who has to complete it.
    pub to_complete: Option<By>,
}

/// Rows under a head.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Table {
    /// What the columns are.
    pub head: Vec<String>,
    /// The rows, each as long as the head.
    pub rows: Vec<Vec<String>>,
}

impl By {
    /// What stands in place of what is missing.
    pub const fn flag(self, language: Language) -> &'static str {
        match self {
            Self::Controller => language.pick(
                "vom Verantwortlichen zu vervollständigen",
                "to be completed by the controller",
            ),
            Self::Operator => language.pick(
                "vom Auftragsverarbeiter zu vervollständigen",
                "to be completed by the processor",
            ),
        }
    }
}

/// Both languages of a wording.
pub(super) type Both = (&'static str, &'static str);

/// Writes a document section by section.
pub(super) struct Writer {
    pub(super) language: Language,
    sections: Vec<Section>,
    missing: Vec<Missing>,
}

impl Writer {
    pub(super) fn new(language: Language) -> Self {
        Self {
            language,
            sections: Vec::new(),
            missing: Vec::new(),
        }
    }

    /// The wording in the document's language.
    pub(super) fn say(&self, (de, en): Both) -> String {
        self.language.pick(de, en).to_owned()
    }

    pub(super) fn section(&mut self, id: &'static str, heading: Both) {
        let heading = self.say(heading);
        self.sections.push(Section {
            id,
            heading,
            entries: Vec::new(),
        });
    }

    fn push(&mut self, label: String, values: Vec<String>, table: Option<Table>, by: Option<By>) {
        if let Some(section) = self.sections.last_mut() {
            section.entries.push(Entry {
                label,
                values,
                table,
                to_complete: by,
            });
        }
    }

    /// A statement of Rundbrief's own.
    pub(super) fn text(&mut self, label: Both, value: impl Into<String>) {
        let label = self.say(label);
        self.push(label, vec![value.into()], None, None);
    }

    /// A fixed statement of Rundbrief's own.
    pub(super) fn fixed(&mut self, label: Both, value: Both) {
        let value = self.say(value);
        self.text(label, value);
    }

    /// Several statements; nothing where there are none.
    pub(super) fn list(&mut self, label: Both, values: Vec<String>) {
        if !values.is_empty() {
            let label = self.say(label);
            self.push(label, values, None, None);
        }
    }

    pub(super) fn table(&mut self, label: Both, head: &[Both], rows: Vec<Vec<String>>) {
        let label = self.say(label);
        let head = head.iter().map(|both| self.say(*both)).collect();
        self.push(label, Vec::new(), Some(Table { head, rows }), None);
    }

    /// Notes that something is missing, and flags it where it belongs.
    pub(super) fn open(&mut self, label: Both, path: impl Into<String>, by: By) {
        let label = self.say(label);
        self.note(&label, path.into(), by);
        self.push(label, Vec::new(), None, Some(by));
    }

    fn note(&mut self, label: &str, path: String, by: By) {
        self.missing.push(Missing {
            path,
            by,
            label: label.to_owned(),
        });
    }

    /// A statement that somebody has to make.
    pub(super) fn stated(&mut self, label: Both, path: impl Into<String>, by: By, value: &str) {
        if value.is_empty() {
            self.open(label, path, by);
        } else {
            self.text(label, value);
        }
    }

    /// Statements of which somebody has to make one at least.
    pub(super) fn all_stated(&mut self, label: Both, path: &str, by: By, values: Vec<String>) {
        if values.is_empty() {
            self.open(label, path, by);
        } else {
            self.list(label, values);
        }
    }

    /// An office with all its members; `path` is what their names begin with.
    pub(super) fn office(&mut self, path: &str, by: By, name: &str, office: &Contact) {
        let email = office.email.as_ref().map_or("", |email| email.reveal());
        let at = |member: &str| format!("{path}.{member}");
        self.stated(("Name", "Name"), at("name"), by, name);
        self.stated(
            ("Anschrift", "Postal address"),
            at("address"),
            by,
            &office.address,
        );
        self.stated(("E-Mail", "E-mail"), at("email"), by, email);
        self.stated(("Telefon", "Telephone"), at("phone"), by, &office.phone);
    }

    /// Somebody who may not have to be appointed.
    pub(super) fn appointment(
        &mut self,
        label: Both,
        path: String,
        by: By,
        appointed: &Appointment,
        none: Both,
    ) {
        match appointed {
            Appointment::NotStated => self.open(label, path, by),
            Appointment::NotRequired => self.fixed(label, none),
            Appointment::Named(contact) => self.text(label, one_line(contact)),
        }
    }

    /// Who reaches what, and when they were bound and trained last (S-26, S-27).
    pub(super) fn staff(&mut self, label: Both, path: &str, by: By, staff: &[StaffRole]) {
        if staff.is_empty() {
            self.open(label, path, by);
            return;
        }
        let flag = by.flag(self.language);
        let heads: [Both; 4] = [
            ("Rolle", "Role"),
            ("Zugang", "Access"),
            (
                "Zuletzt auf Vertraulichkeit verpflichtet",
                "Last bound to confidentiality",
            ),
            ("Zuletzt geschult", "Last trained"),
        ];
        let mut rows = Vec::new();
        for (index, role) in staff.iter().enumerate() {
            let day = |day: Option<Date>| day.map(|day| day.to_string());
            let cells = [
                (
                    "access",
                    Some(role.access.clone()).filter(|text| !text.is_empty()),
                ),
                ("confidentiality_on", day(role.confidentiality_on)),
                ("trained_on", day(role.trained_on)),
            ];
            let mut row = vec![role.role.clone()];
            for ((member, cell), head) in cells.into_iter().zip(&heads[1..]) {
                row.push(if let Some(text) = cell {
                    text
                } else {
                    let label = format!("{}: {}", role.role, self.say(*head));
                    self.note(&label, format!("{path}.{index}.{member}"), by);
                    format!("[{flag}]")
                });
            }
            rows.push(row);
        }
        self.table(label, &heads, rows);
    }

    pub(super) fn finish(self, basis: &Basis<'_>, role: Role) -> Document {
        let title = match role {
            Role::Controller => (
                "Verzeichnis von Verarbeitungstätigkeiten (Art. 30 Abs. 1 DSGVO)",
                "Record of processing activities (Art. 30(1) GDPR)",
            ),
            Role::Processor => (
                "Verzeichnis von Verarbeitungstätigkeiten des Auftragsverarbeiters (Art. 30 Abs. 2 DSGVO)",
                "Record of processing activities of the processor (Art. 30(2) GDPR)",
            ),
        };
        let notice = match role {
            Role::Controller => (
                "Vorlage, vom Verantwortlichen zu vervollständigen. Erzeugt aus der laufenden Konfiguration dieses Kontos; keine Rechtsberatung. Für Richtigkeit und Vollständigkeit ist der Verantwortliche zuständig; die eigenen Pflichten des Auftragsverarbeiters (Art. 28, 30 Abs. 2, 32, 33 Abs. 2 DSGVO) bleiben davon unberührt.",
                "Template, to be completed by the controller. Made from the running configuration of this account; no legal advice. The controller answers for its being right and complete; the processor's own duties (Art. 28, 30(2), 32, 33(2) GDPR) remain.",
            ),
            Role::Processor => (
                "Vorlage, vom Auftragsverarbeiter zu vervollständigen. Erzeugt aus der laufenden Konfiguration; keine Rechtsberatung.",
                "Template, to be completed by the processor. Made from the running configuration; no legal advice.",
            ),
        };
        self.finish_as(basis, role, title, notice)
    }

    /// A document of this title, which is made like a record.
    pub(super) fn finish_as(
        self,
        basis: &Basis<'_>,
        role: Role,
        title: Both,
        notice: Both,
    ) -> Document {
        Document {
            account: basis.account.id.clone(),
            role,
            language: self.language,
            made_at: ShownInstant(basis.made_at),
            made_on: basis.day(basis.made_at),
            title: self.say(title),
            notice: self.say(notice),
            complete: self.missing.is_empty(),
            missing: self.missing,
            sections: self.sections,
        }
    }
}

/// All that is known of a contact.
pub(super) fn one_line(contact: &Contact) -> String {
    let email = contact.email.as_ref().map_or("", |email| email.reveal());
    [&contact.name, &contact.address, email, &contact.phone]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(", ")
        .replace('\n', ", ")
}
