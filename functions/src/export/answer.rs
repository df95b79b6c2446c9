//! What a person gets to know of their data: the answer to Art. 15 GDPR, in each form.
//!
//! What is stored where, `export` knows; the information beside the copy is the record of
//! processing's. Who may ask is the caller's part.

use askama::Template;
use jiff::Timestamp;
use rundbrief::account::Account;
use rundbrief::key::AccountScope;
use rundbrief::page_language::Language;
use rundbrief::person::Person;
use rundbrief::processing::{Role, Section, automated_decisions};
use rundbrief::setup::{Field, List};
use rundbrief::time::ShownInstant;
use serde_json::{Map, Value, json};

use super::copy;
use super::page::{FORMER_ADDRESSES, Printed, tables};
use super::words::Words;
use crate::app::{App, Trouble};
use crate::erasure;
use crate::record_of_processing::document;

/// The sections of the record of processing that answer Art. 15(1)(a) to (h) and (2).
const SECTIONS: [&str; 10] = [
    "responsible_office",
    "process",
    "data_subjects",
    "data",
    "legal_bases",
    "evidence",
    "recipients",
    "transfers",
    "storage",
    "rights",
];

/// Everything that Art. 15 asks for about one person.
pub(crate) struct Access<'a> {
    account: &'a Account,
    person: &'a Person,
    language: Language,
    sections: Vec<Section>,
    data: Map<String, Value>,
    fields: Vec<Field>,
    lists: Vec<List>,
    made_at: Timestamp,
}

impl<'a> Access<'a> {
    /// Gathers it; `None` when nothing is stored of the person. `language`: the person's own, or the
    /// account's, unless one is asked for.
    ///
    /// # Errors
    /// When the store does not answer.
    pub(crate) async fn of(
        app: &App,
        (account, scope): (&'a Account, &AccountScope),
        person: &'a Person,
        language: Option<Language>,
        now: Timestamp,
    ) -> Result<Option<Self>, Trouble> {
        let Some(mut data) = copy(app, scope, person, now).await? else {
            return Ok(None);
        };
        let mut before = Vec::new();
        for former in erasure::formers(app, scope, person.key, now).await? {
            let former = app.store.person(scope, former, now).await?;
            before.extend(copy(app, scope, &former, now).await?.map(Value::Object));
        }
        if !before.is_empty() {
            data.insert(FORMER_ADDRESSES.to_owned(), before.into());
        }
        let spoken = person.profile.as_ref().map(|profile| profile.language);
        let language = language.or(spoken).unwrap_or(account.language);
        let whole = (account, scope);
        let record = Box::pin(document(app, whole, language, Role::Controller, now)).await?;
        let (fields, lists) = futures::try_join!(
            app.store.configured::<Field>(scope, now),
            app.store.configured::<List>(scope, now),
        )?;
        // The record's sections, as far as they are about what the person may know.
        let sections = record.sections.into_iter();
        Ok(Some(Self {
            account,
            person,
            language,
            sections: sections
                .filter(|section| SECTIONS.contains(&section.id))
                .collect(),
            data,
            fields,
            lists,
            made_at: now,
        }))
    }

    /// For programs.
    pub(crate) fn json(&self) -> Value {
        json!({
            "subscriber": self.person.key,
            "exported_at": ShownInstant(self.made_at),
            "language": self.language,
            "information": {
                "controller": {
                    "name": self.account.name,
                    "imprint": self.account.imprint,
                    "contact": self.account.contact,
                    "privacy_url": self.account.privacy_url,
                },
                "sections": self.sections,
                "source": source(self.person, self.language),
                "automated_decisions": automated_decisions(self.account, self.language),
                "complaint": COMPLAINT.pick(self.language),
            },
            "data": self.data,
        })
    }

    /// To read and to print.
    ///
    /// # Errors
    /// Never: the template calls nothing that fails.
    pub(crate) fn html(&self) -> Result<String, Trouble> {
        let language = self.language;
        let words = Words {
            language,
            fields: &self.fields,
            lists: &self.lists,
        };
        let printed = Printed {
            language,
            title: language.pick("Auskunft über Ihre Daten", "Access to your data"),
            made: format!("{:.0}", self.made_at),
            controller: &self.account.name,
            imprint: &self.account.imprint,
            contact: &self.account.contact,
            data_heading: language.pick("Kopie Ihrer Daten", "Copy of your data"),
            data: tables(&self.data, &words),
            sections: &self.sections,
            more: vec![
                (
                    language.pick("Herkunft der Daten", "Source of the data"),
                    source(self.person, language),
                ),
                (
                    language.pick("Automatisierte Entscheidungen", "Automated decisions"),
                    vec![automated_decisions(self.account, language).to_owned()],
                ),
                (
                    language.pick("Beschwerde", "Complaint"),
                    vec![COMPLAINT.pick(language).to_owned()],
                ),
            ],
        };
        printed.render().map_err(|_| Trouble::Damaged)
    }
}

struct Both(&'static str, &'static str);

impl Both {
    fn pick(&self, language: Language) -> &'static str {
        language.pick(self.0, self.1)
    }
}

const COMPLAINT: Both = Both(
    "Sie können sich bei einer Datenschutz-Aufsichtsbehörde beschweren (Art. 77 DSGVO), insbesondere in dem Mitgliedstaat, in dem Sie leben oder arbeiten; in Österreich bei der Datenschutzbehörde, Barichgasse 40-42, 1030 Wien, dsb.gv.at.",
    "You may complain to a data protection authority (Art. 77 GDPR), in particular where you live or work; in Austria to the Datenschutzbehörde, Barichgasse 40-42, 1030 Wien, dsb.gv.at.",
);
const BY_PERSON: Both = Both(
    "von Ihnen selbst, über ein Anmeldeformular",
    "from you yourself, by a sign-up form",
);

/// Where the data come from (Art. 15(1)(g)).
fn source(person: &Person, language: Language) -> Vec<String> {
    let imports = person.profile.iter().flat_map(|known| &known.provenance);
    let mut sources: Vec<String> = Vec::new();
    for import in imports {
        let source = &import.provenance.source;
        if !sources.contains(source) {
            sources.push(source.clone());
        }
    }
    let signed_up = person.profile.iter().any(|profile| {
        profile
            .lists
            .values()
            .any(|consent| matches!(consent.proof, rundbrief::person::Proof::SignUp(_)))
    });
    if signed_up || sources.is_empty() {
        sources.push(BY_PERSON.pick(language).to_owned());
    }
    sources
}
