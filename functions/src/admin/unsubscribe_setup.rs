//! `unsubscribe-setups`: the ways out of an account (P-14).
//!
//! The account says which one is in force (`unsubscribe_setup`); without one the button acts at
//! once, for all list mail, and nothing is asked.

use axum::Router;
use jiff::Timestamp;
use rundbrief::entropy::Entropy;
use rundbrief::id::UnsubscribeSetupId;
use rundbrief::unsubscribe_setup::UnsubscribeSetup;
use serde_json::{Value, json};

use super::access::Desk;
use super::answer::Refused;
use super::body::{Code, MAX_NAME_CHARACTERS, Object, boolean, line, lines, number, word};
use super::resource::{self, Resource};
use crate::app::Trouble;

/// Longest farewell, in characters.
const MAX_FAREWELL_CHARACTERS: usize = 1_000;

pub(super) fn routes() -> Router {
    resource::routes::<UnsubscribeSetup>()
}

/// Whether the account has this setup.
pub(super) async fn exists(desk: &Desk, id: &UnsubscribeSetupId) -> Result<bool, Trouble> {
    let place = desk.scope.configuration("unsubscribe_setup", id.as_str());
    let found: Option<UnsubscribeSetup> = desk.app.store.get(&place, desk.now).await?;
    Ok(found.is_some())
}

/// A farewell without advertising (L-07): words, and nothing to follow.
fn farewell(value: Value) -> Result<String, Code> {
    let text = lines(MAX_FAREWELL_CHARACTERS)(value)?;
    let folded = text.to_lowercase();
    if text.is_empty() {
        Err("empty")
    } else if folded.contains("://") || folded.contains("www.") {
        Err("link_not_allowed")
    } else {
        Ok(text)
    }
}

impl Resource for UnsubscribeSetup {
    const PATH: &'static str = "unsubscribe-setups";
    type Id = UnsubscribeSetupId;

    fn new_id(now: Timestamp, entropy: &dyn Entropy) -> UnsubscribeSetupId {
        UnsubscribeSetupId::generate(now, entropy)
    }

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn read(
        id: UnsubscribeSetupId,
        rev: u64,
        _: Option<&Self>,
        _: Timestamp,
        body: &mut Object,
    ) -> Option<Self> {
        body.ignore(&["in_force"]);
        let name = body.required("name", line(MAX_NAME_CHARACTERS));
        let mode = body.optional("mode", word);
        let scope = body.optional("scope", word);
        let asks_reason = body.optional("asks_reason", boolean);
        let farewell = body.optional("farewell", farewell);
        let days = number(1..=Self::MAX_ANONYMISE_DAYS);
        let anonymise_days = body.optional("anonymise_days", days);
        Some(Self {
            id,
            rev,
            name: name?,
            mode: mode.unwrap_or_default(),
            scope: scope.unwrap_or_default(),
            asks_reason: asks_reason.unwrap_or(false),
            farewell,
            anonymise_days,
        })
    }

    fn show(&self, desk: &Desk) -> Value {
        json!({
            "id": self.id,
            "name": self.name,
            "mode": self.mode,
            "scope": self.scope,
            "asks_reason": self.asks_reason,
            "farewell": self.farewell,
            "anonymise_days": self.anonymise_days,
            "in_force": desk.account.unsubscribe_setup.as_ref() == Some(&self.id),
        })
    }

    async fn is_used(&self, desk: &Desk) -> Result<bool, Refused> {
        Ok(desk.account.unsubscribe_setup.as_ref() == Some(&self.id))
    }
}
