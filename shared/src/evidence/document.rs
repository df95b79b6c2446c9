//! Documents: the words that visitors were shown, each kept once under its own digest.
//!
//! A form's, a notice's or a mail's text holds no personal data; evidence names it by digest, and
//! it can be read years later (L-09).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Digest;
use crate::key::{AccountScope, Key};
use crate::record::Stored;

/// The words, and since when they are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// The SHA-256 of the text.
    pub sha256: Digest,
    /// 1.
    pub rev: u64,
    /// What it is.
    pub subject: Subject,
    /// The words.
    pub text: String,
    /// When they were first shown.
    pub since: Timestamp,
}

/// What a document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// All that a form showed, as canonical JSON.
    Form,
    /// A privacy notice (Art. 13 GDPR).
    Notice,
    /// A mail about a sign-up, as text, with `{link}` where the person's own link stands.
    Mail,
}

impl Document {
    /// Keeps `text`.
    pub fn new(subject: Subject, text: String, since: Timestamp) -> Self {
        Self {
            sha256: Digest::of(&[text.as_bytes()]),
            rev: 1,
            subject,
            text,
            since,
        }
    }

    /// Where the document with this digest is.
    pub fn place(scope: &AccountScope, sha256: Digest) -> Key {
        scope.configuration(Self::KIND, &sha256.to_string())
    }

    /// Whether its text is still the one that it is named after.
    pub fn is_intact(&self) -> bool {
        Digest::of(&[self.text.as_bytes()]) == self.sha256
    }
}

impl Stored for Document {
    const KIND: &'static str = "document";

    fn key(&self, scope: &AccountScope) -> Key {
        Self::place(scope, self.sha256)
    }

    fn revision(&self) -> u64 {
        self.rev
    }
}
