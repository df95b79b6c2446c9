//! The answer to Art. 15 GDPR as a page to read and to print, German and English.
//!
//! What stands in it is gathered in `answer`.

use askama::Template;
use rundbrief::page_language::Language;
use rundbrief::policy::{Exported, Store};
use rundbrief::processing::Section;
use serde_json::{Map, Value};

use super::words::{Below, Words};

/// A name and what is said under it.
type Row = (String, String);

#[derive(Template)]
#[template(path = "export.html")]
pub(super) struct Printed<'a> {
    pub(super) language: Language,
    pub(super) title: &'static str,
    pub(super) made: String,
    pub(super) controller: &'a str,
    pub(super) imprint: &'a str,
    pub(super) contact: &'a str,
    pub(super) data_heading: &'static str,
    pub(super) data: Vec<(&'a str, Vec<Row>)>,
    pub(super) sections: &'a [Section],
    /// What else Art. 15(1) asks for, a text or several under each heading.
    pub(super) more: Vec<(&'static str, Vec<String>)>,
}

/// The name of what is stored under addresses that the person had before.
pub(super) const FORMER_ADDRESSES: &str = "former_addresses";

/// The heading of a part of the copy.
fn heading(of: Exported, language: Language) -> &'static str {
    let (de, en) = match of {
        Exported::Profile => ("Stammdaten und Einwilligungen", "Master data and consents"),
        Exported::Withdrawal => ("Widerrufe", "Withdrawals"),
        Exported::Suppression => ("Sperrvermerk", "Suppression mark"),
        Exported::SignUps => ("Anmeldungen (Nachweise)", "Sign-ups (evidence)"),
        Exported::Unsubscriptions => ("Abmeldungen", "Unsubscriptions"),
        Exported::AddressChanges => (
            "Adressänderungen, die warten",
            "Changes of address that wait",
        ),
        Exported::SingleMails => ("Einzelne E-Mails an Sie", "Single mails to you"),
        Exported::Campaigns => ("Aussendungen an Sie", "Campaigns sent to you"),
        Exported::Erasures => ("Löschungen", "Erasures"),
        Exported::SealedEvidence => ("Versiegelte Nachweise", "Sealed evidence"),
        Exported::Audit => (
            "Einsicht in versiegelte Nachweise",
            "Access to sealed evidence",
        ),
        Exported::Requests => ("Ihre Anträge", "Your requests"),
        Exported::Disclosures => (
            "Mitteilungen an Empfänger Ihrer Daten",
            "What recipients of your data were told",
        ),
        Exported::SuppressedAddress => (
            "Vermerk zur Sperre Ihrer Adresse",
            "Note on the suppression of your address",
        ),
        Exported::Nothing(_) => ("Daten", "Data"),
    };
    language.pick(de, en)
}

/// What a part of the copy is called.
fn part(name: &str, language: Language) -> &str {
    if name == FORMER_ADDRESSES {
        return language.pick(
            "Unter Ihren früheren Adressen",
            "Under your former addresses",
        );
    }
    let all = Store::ALL.into_iter().map(Store::exported);
    let known = all.into_iter().find(|one| one.name() == Some(name));
    known.map_or(name, |one| heading(one, language))
}

/// The copy as tables under headings.
pub(super) fn tables<'n>(
    data: &'n Map<String, Value>,
    words: &Words<'_>,
) -> Vec<(&'n str, Vec<Row>)> {
    data.iter()
        .map(|(name, value)| {
            let mut rows = Vec::new();
            match value {
                Value::Array(before) if name == FORMER_ADDRESSES => {
                    for (number, copy) in before.iter().enumerate() {
                        for (name, value) in copy.as_object().into_iter().flatten() {
                            let path = format!("{} › {}", number + 1, part(name, words.language));
                            flatten(path, (Below::Members, name), value, words, &mut rows);
                        }
                    }
                }
                _ => flatten(
                    String::new(),
                    (Below::Members, name),
                    value,
                    words,
                    &mut rows,
                ),
            }
            (part(name, words.language), rows)
        })
        .collect()
}

/// A value as lines of a table; `below` and `member` say what it stands under.
fn flatten(
    path: String,
    (below, member): (Below, &str),
    value: &Value,
    words: &Words<'_>,
    rows: &mut Vec<Row>,
) {
    let join = |name: &str| {
        if path.is_empty() {
            name.to_owned()
        } else {
            format!("{path} › {name}")
        }
    };
    match value {
        Value::Null => {}
        Value::Object(members) => {
            for (key, value) in members {
                if let Some(name) = words.name(below, key) {
                    // What stands under a name of the controller's is ours again.
                    let next = match below {
                        Below::Members => Below::of(key),
                        Below::Fields | Below::Lists | Below::Identifiers => Below::Members,
                    };
                    let member = if below == Below::Fields { "" } else { key };
                    flatten(join(&name), (next, member), value, words, rows);
                }
            }
        }
        Value::Array(values) => {
            for (number, value) in values.iter().enumerate() {
                let of = match value {
                    // Of objects in a list the members are ours.
                    Value::Object(_) => (Below::Members, member),
                    _ => (below, member),
                };
                flatten(join(&(number + 1).to_string()), of, value, words, rows);
            }
        }
        Value::String(text) if below == Below::Lists => {
            let name = words.name(below, text);
            rows.push((path, name.unwrap_or_else(|| text.clone())));
        }
        Value::String(text) => rows.push((path, words.value(member, text).to_owned())),
        Value::Bool(flag) => {
            let said = if *flag {
                words.language.pick("ja", "yes")
            } else {
                words.language.pick("nein", "no")
            };
            rows.push((path, said.to_owned()));
        }
        Value::Number(number) => rows.push((path, number.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use rundbrief::setup::{Field, List};
    use serde_json::json;

    use super::*;

    fn rows(of: &[(&str, Vec<Row>)], heading: &str) -> Vec<Row> {
        let found = of.iter().find(|(known, _)| *known == heading);
        found.expect("a heading").1.clone()
    }

    #[test]
    fn a_page_has_words_for_what_is_ours_and_leaves_what_the_controller_named() {
        let field = json!({"key": "event", "rev": 1, "label": "Anlass", "type": "text"});
        let fields: Vec<Field> = vec![serde_json::from_value(field).expect("a field")];
        let list = json!({"id": "document", "rev": 1, "name": "Post"});
        let lists: Vec<List> = vec![serde_json::from_value(list).expect("a list")];
        let words = Words {
            language: Language::De,
            fields: &fields,
            lists: &lists,
        };
        let consent = json!({"basis": "consent", "since": "2027-01-01T00:00:00.000Z"});
        let data = json!({
            "profile": {
                "rev": 4,
                "values": {"event": "Hochzeit", "state": "open", "rev": "B"},
                "lists": {"document": consent},
                "gone_at": "2027-02-01T00:00:00.000Z",
            },
            "told_to_recipients": [{"topic": "unsubscribed", "webhook": "wh_1"}],
            "former_addresses": [{"sign_ups": [{"mode": "double"}]}],
        });
        let tables = tables(data.as_object().expect("an object"), &words);
        let row = |label: &str, said: &str| (label.to_owned(), said.to_owned());
        let profile = rows(&tables, "Stammdaten und Einwilligungen");
        for known in [
            row("Angaben › Anlass", "Hochzeit"),
            row("Angaben › state", "open"),
            row("Angaben › rev", "B"),
            row("Listen › Post › Rechtsgrundlage", "Einwilligung"),
            row("Wird gelöscht am", "2027-02-01T00:00:00.000Z"),
        ] {
            assert!(profile.contains(&known), "{known:?} {profile:?}");
        }
        assert_eq!(profile.len(), 6);
        let told = rows(&tables, "Mitteilungen an Empfänger Ihrer Daten");
        assert_eq!(
            told,
            [
                row("1 › Mitgeteilt", "Abmeldung"),
                row("1 › Empfänger", "wh_1")
            ]
        );
        let before = rows(&tables, "Unter Ihren früheren Adressen");
        assert_eq!(
            before,
            [row(
                "1 › Anmeldungen (Nachweise) › 1 › Verfahren",
                "Double-Opt-in"
            )]
        );
    }

    #[test]
    fn every_part_of_a_copy_has_a_heading_of_its_own() {
        let mut all: Vec<_> = Store::ALL
            .into_iter()
            .filter_map(|store| store.exported().name())
            .map(|name| part(name, Language::En))
            .collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}
