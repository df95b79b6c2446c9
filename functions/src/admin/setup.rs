//! `setups`: sign-up setups, checked against the account's lists, fields and interests.
//!
//! What a form made from one takes is `rundbrief::form`'s part.

use std::collections::BTreeSet;

use axum::Router;
use jiff::Timestamp;
use rundbrief::entropy::Entropy;
use rundbrief::id::{FieldKey, InterestId, ListId, SetupId};
use rundbrief::page_language::Language;
use rundbrief::processing::Dpia;
use rundbrief::record::Stored;
use rundbrief::setup::{
    BUILT_IN_FIELDS, Field, Interest, List, Mode, Redirects, Setup, SetupField,
};
use rundbrief::web_address::{InvalidWebAddress, WebAddress};
use serde_json::{Value, json};

use super::access::Desk;
use super::answer::Refused;
use super::body::{
    self, Code, MAX_NAME_CHARACTERS, Object, boolean, line, lines, number, string, web_address,
    word,
};
use super::resource::{self, Resource};
use crate::app::Trouble;

/// Lists, fields or interests of one setup at most (engineering).
const MAX_ENTRIES: usize = 50;
/// Longest justification or consent wording, in characters.
const MAX_WORDING_CHARACTERS: usize = 2_000;
/// Longest purpose of a field, in characters.
const MAX_PURPOSE_CHARACTERS: usize = 500;
/// Above any form's traffic.
const MAX_HOURLY_BUDGET: u32 = 1_000_000;

pub(super) fn routes() -> Router {
    resource::routes::<Setup>()
}

/// Whether the platform itself knows this field: the built-in ones and the address.
pub(super) fn is_built_in(key: &str) -> bool {
    key == "email" || BUILT_IN_FIELDS.contains(&key)
}

/// All things of one kind that the account has configured.
pub(super) async fn all<T: Stored>(desk: &Desk) -> Result<Vec<T>, Trouble> {
    let prefix = format!("{}#", T::KIND);
    desk.app
        .store
        .all(&desk.scope.configuration_partition(), &prefix, desk.now)
        .await
}

/// All setups of the account.
pub(super) async fn setups(desk: &Desk) -> Result<Vec<Setup>, Trouble> {
    all(desk).await
}

/// All fields that the account has declared.
pub(super) async fn declared_fields(desk: &Desk) -> Result<Vec<Field>, Trouble> {
    all(desk).await
}

impl Resource for Setup {
    const PATH: &'static str = "setups";
    type Id = SetupId;

    fn new_id(now: Timestamp, entropy: &dyn Entropy) -> SetupId {
        SetupId::generate(now, entropy)
    }

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn read(
        id: SetupId,
        rev: u64,
        _: Option<&Self>,
        _: Timestamp,
        body: &mut Object,
    ) -> Option<Self> {
        body.ignore(&["signup_url"]);
        let name = body.required("name", line(MAX_NAME_CHARACTERS));
        let mode: Option<Mode> = body.required("mode", word);
        let justification = body.optional("justification", line(MAX_WORDING_CHARACTERS));
        // Single and Confirmed do not suit as proof; whoever uses them says why (O-05).
        if mode.is_some_and(Mode::activates_at_once) && justification.is_none() {
            body.problem("justification", "missing");
        }
        let lists = read_lists(body);
        let fields = read_fields(body);
        let interests = body.array("interests", MAX_ENTRIES, body::id::<InterestId>);
        let interests = unique(body, "interests", interests.unwrap_or_default());
        let form_url = body.required("form_url", web_address);
        let redirects = read_redirects(body, form_url.as_ref());
        let asks_tracking_consent = body.optional("asks_tracking_consent", boolean);
        let language: Option<Language> = body.optional("language", word);
        let confirm_days = body.optional("confirm_days", number(1..=Setup::MAX_CONFIRM_DAYS));
        let consent_wording = body.optional("consent_wording", lines(MAX_WORDING_CHARACTERS));
        let notice_version = body.optional("notice_version", line(MAX_NAME_CHARACTERS));
        let hourly_budget = body.optional("hourly_budget", number(1..=MAX_HOURLY_BUDGET));
        Some(Self {
            id,
            rev,
            name: name.unwrap_or_default(),
            mode: mode.unwrap_or(Mode::Double),
            justification,
            lists,
            fields,
            interests,
            asks_tracking_consent: asks_tracking_consent.unwrap_or(false),
            form_url: form_url.map_or_else(String::new, |url| url.as_str().to_owned()),
            redirects,
            language: language.unwrap_or_default(),
            confirm_days: confirm_days.unwrap_or(Self::DEFAULT_CONFIRM_DAYS),
            consent_wording: consent_wording.filter(|wording| !wording.is_empty()),
            notice_version,
            hourly_budget: hourly_budget.unwrap_or(Self::DEFAULT_HOURLY_BUDGET),
        })
    }

    fn show(&self, desk: &Desk) -> Value {
        // Every form asks for the address; it is shown like any field, and not stored.
        let mut fields = vec![json!({"key": "email", "required": true, "purpose": null})];
        fields.extend(self.fields.iter().map(|field| json!(field)));
        let signup_url = desk
            .app
            .settings
            .public_url
            .as_ref()
            .map(|url| format!("{url}/signup/{}/{}", desk.account.id, self.id));
        json!({
            "id": self.id,
            "name": self.name,
            "mode": self.mode,
            "justification": self.justification,
            "lists": self.lists,
            "fields": fields,
            "interests": self.interests,
            "asks_tracking_consent": self.asks_tracking_consent,
            "form_url": self.form_url,
            "redirects": self.redirects,
            "language": self.language,
            "confirm_days": self.confirm_days,
            "consent_wording": self.consent_wording,
            "notice_version": self.notice_version,
            "hourly_budget": self.hourly_budget,
            "signup_url": signup_url,
        })
    }

    async fn check(&self, desk: &Desk) -> Result<(), Refused> {
        let (lists, fields, interests) = futures::try_join!(
            all::<List>(desk),
            declared_fields(desk),
            all::<Interest>(desk)
        )?;
        let mut problems = Vec::new();
        for (index, id) in self.lists.iter().enumerate() {
            if !lists.iter().any(|list| list.id == *id) {
                problems.push((format!("lists.{index}"), "unknown"));
            }
        }
        for field in &self.fields {
            let key = field.key.as_str();
            if !is_built_in(key) && !fields.iter().any(|known| known.key == field.key) {
                problems.push((format!("fields.{key}"), "unknown"));
            }
        }
        for (index, id) in self.interests.iter().enumerate() {
            if !interests.iter().any(|interest| interest.id == *id) {
                problems.push((format!("interests.{index}"), "unknown"));
            }
        }
        if self.asks_tracking_consent {
            let dpia: Option<Dpia> = desk
                .app
                .store
                .get(&Dpia::place(&desk.scope), desk.now)
                .await?;
            // Where the risk is high nobody's opening is tracked (S-28).
            if !dpia.is_none_or(|dpia| dpia.allows_open_tracking()) {
                problems.push(("asks_tracking_consent".to_owned(), "dpia_high_risk"));
            }
        }
        if problems.is_empty() {
            Ok(())
        } else {
            Err(Refused::fields(problems))
        }
    }
}

fn read_lists(body: &mut Object) -> Vec<ListId> {
    let lists = body.filled_array("lists", MAX_ENTRIES, body::id::<ListId>);
    unique(body, "lists", lists)
}

fn unique<T: Ord + Clone>(body: &mut Object, name: &str, entries: Vec<T>) -> Vec<T> {
    if entries.iter().collect::<BTreeSet<_>>().len() < entries.len() {
        body.problem(name, "duplicate");
    }
    entries
}

fn read_fields(body: &mut Object) -> Vec<SetupField> {
    let fields = body.objects("fields", MAX_ENTRIES, |field| {
        let key: Option<FieldKey> = field.required("key", body::id);
        let required = field.optional("required", boolean);
        let purpose = field.optional("purpose", line(MAX_PURPOSE_CHARACTERS));
        let key = key?;
        match key.as_str() {
            "email" if required == Some(false) => field.problem("required", "always_required"),
            // An age or birthday needs a reason (T-08).
            "date_of_birth" if purpose.is_none() => field.problem("purpose", "missing"),
            _ => {}
        }
        Some(SetupField {
            key,
            required: required.unwrap_or(false),
            purpose,
        })
    });
    let fields = fields.unwrap_or_default();
    let keys = fields.iter().map(|field| field.key.clone()).collect();
    unique::<FieldKey>(body, "fields", keys);
    fields
        .into_iter()
        .filter(|field| field.key.as_str() != "email")
        .collect()
}

fn read_redirects(body: &mut Object, form_url: Option<&WebAddress>) -> Redirects {
    let to = |value: Value| -> Result<String, Code> {
        let hosts: Vec<&str> = form_url.map(WebAddress::host).into_iter().collect();
        match WebAddress::parse_redirect(&string(value)?, &hosts) {
            Ok(address) => Ok(address.as_str().to_owned()),
            Err(InvalidWebAddress::ForeignHost) if form_url.is_none() => Ok(String::new()),
            Err(invalid) => Err(invalid.code()),
        }
    };
    body.object("redirects", |redirects| {
        Some(Redirects {
            accepted: redirects.optional("accepted", to),
            confirmed: redirects.optional("confirmed", to),
        })
    })
    .unwrap_or_default()
}
