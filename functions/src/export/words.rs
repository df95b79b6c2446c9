//! What is stored, as a person reads it (Art. 12(1) GDPR): names of members and values of closed
//! lists, German and English.
//!
//! What says nothing to a person (revisions, salts, keys of records) is left out of the page; the
//! file for programs has it all.

mod members;
#[cfg(test)]
mod tests;
mod values;

use rundbrief::page_language::Language;
use rundbrief::setup::{Field, List, built_in_label};
use rundbrief::webhook::Topic;

use self::members::{NAMES, TECHNICAL};

/// Whose words the names below a member are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Below {
    /// Ours.
    Members,
    /// Keys of fields.
    Fields,
    /// Identifiers of lists.
    Lists,
    /// Other identifiers that the controller gave.
    Identifiers,
}

/// What names are looked up in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Words<'a> {
    /// What the page is written in.
    pub(super) language: Language,
    /// The declared fields.
    pub(super) fields: &'a [Field],
    /// The lists.
    pub(super) lists: &'a [List],
}

impl Below {
    /// Whose words the names below this member are.
    pub(super) fn of(member: &str) -> Self {
        match member {
            "values" => Self::Fields,
            "list" | "lists" => Self::Lists,
            "not_me" | "recipients" => Self::Identifiers,
            _ => Self::Members,
        }
    }
}

impl Words<'_> {
    /// What a name is called on the page; `None` for what it leaves out. Fields and lists have the
    /// names that the controller gave them, as far as they are there still.
    pub(super) fn name(&self, below: Below, name: &str) -> Option<String> {
        match below {
            Below::Members if TECHNICAL.contains(&name) => None,
            Below::Members => Some(self.member(name).unwrap_or(name).to_owned()),
            Below::Fields => {
                let declared = self.fields.iter().find(|field| field.key.as_str() == name);
                let declared = declared.map(|field| field.label.text(self.language));
                let label = built_in_label(name, self.language).or(declared);
                Some(label.unwrap_or(name).to_owned())
            }
            Below::Lists => {
                let known = self.lists.iter().find(|list| list.id.as_str() == name);
                Some(known.map_or(name, |list| list.name.as_str()).to_owned())
            }
            Below::Identifiers => Some(name.to_owned()),
        }
    }

    fn member(&self, member: &str) -> Option<&'static str> {
        let (_, de, en) = NAMES.iter().find(|(known, ..)| *known == member)?;
        Some(self.language.pick(de, en))
    }

    /// A text as it is read: of a closed list in words, else as it is.
    pub(super) fn value<'t>(&self, member: &str, text: &'t str) -> &'t str {
        if member == "topic" {
            return Topic::parse(text).map_or(text, |topic| topic.text(self.language));
        }
        let known = values::of(member).iter().find(|(known, ..)| *known == text);
        match known {
            Some((_, de, en)) => self.language.pick(de, en),
            None => text,
        }
    }
}
