//! What a campaign says: frozen when it starts, so that changing a template changes no campaign.
//!
//! Rendering it for a person is `template`'s part.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Sender;
use crate::id::{CampaignId, ListId};
use crate::key::{AccountScope, Key};
use crate::page_language::Language;
use crate::record::Stored;
use crate::template::TemplateSource;

/// The frozen content of a campaign; an item of at most 400 KB.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// Whose.
    pub campaign: CampaignId,
    /// 1: it is written once.
    pub rev: u64,
    /// The template's source as it was.
    #[serde(flatten)]
    pub source: TemplateSource,
    /// In whose name.
    pub sender: Sender,
    /// To whom.
    pub lists: Vec<ListId>,
    /// Name and postal address of the controller.
    pub imprint: String,
    /// The controller's name.
    pub controller: String,
    /// Where the privacy notice is.
    pub privacy_url: String,
    /// The language of what the platform adds.
    pub language: Language,
    /// When the campaign started: consent must be older.
    pub started_at: Timestamp,
}

impl Content {
    /// The sort key of frozen contents.
    pub const SORT_KEY: &'static str = "content";
}

impl Stored for Content {
    const KIND: &'static str = "content";

    fn key(&self, scope: &AccountScope) -> Key {
        scope.campaign(&self.campaign, Self::SORT_KEY)
    }

    fn revision(&self) -> u64 {
        self.rev
    }
}
