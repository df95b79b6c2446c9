//! A template as it is kept among an account's configuration.
//!
//! A running campaign does not read it: its content was frozen when it started.

use serde::{Deserialize, Serialize};

use super::TemplateSource;
use crate::id::TemplateId;
use crate::key::{AccountScope, Key};
use crate::record::Stored;

/// A template of an account, in the API's shape.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredTemplate {
    /// Its identifier.
    pub id: TemplateId,
    /// Grows with each write.
    pub rev: u64,
    /// What the controller calls it.
    pub name: String,
    /// `subject`, `html` and perhaps `text`.
    #[serde(flatten)]
    pub source: TemplateSource,
}

impl Stored for StoredTemplate {
    const KIND: &'static str = "template";

    fn key(&self, scope: &AccountScope) -> Key {
        scope.configuration(Self::KIND, self.id.as_str())
    }

    fn revision(&self) -> u64 {
        self.rev
    }
}
