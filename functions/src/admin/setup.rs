//! `setups`: sign-up setups, checked against the account's lists, fields and interests.
//!
//! What a form made from one takes is `rundbrief::form`'s part.

use std::collections::BTreeSet;

use axum::Router;
use jiff::Timestamp;
use rundbrief::account::Account;
use rundbrief::entropy::Entropy;
use rundbrief::id::{FieldKey, InterestId, ListId, SetupId};
use rundbrief::page_language::Language;
use rundbrief::privacy_notice::{self, InForce, Missing, NoticeVersion};
use rundbrief::processing::Dpia;
use rundbrief::record::Stored;
use rundbrief::setup::{
    BUILT_IN_FIELDS, Field, Interest, List, Mode, Publication, Redirects, Setup, SetupField,
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
use crate::signup::privacy_notice::path as notice_path;

/// Lists, fields or interests of one setup at most (engineering).
const MAX_ENTRIES: usize = 50;
/// Longest justification or consent wording, in characters.
const MAX_WORDING_CHARACTERS: usize = 2_000;
/// Longest purpose of a field, in characters.
const MAX_PURPOSE_CHARACTERS: usize = 500;
/// Hosts that visitors may be sent to, at most.
const MAX_HOSTS: usize = 20;
/// Ages that a form can ask: 14 in Austria (§ 4(4) DSG), 16 in Germany (Art. 8 GDPR).
const MINIMUM_AGES: std::ops::RangeInclusive<u32> = 14..=18;
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
    desk.app.store.configured(&desk.scope, desk.now).await
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
        before: Option<&Self>,
        _: Timestamp,
        body: &mut Object,
    ) -> Option<Self> {
        body.ignore(&READ_ONLY);
        let name = body.required("name", line(MAX_NAME_CHARACTERS));
        let publication = read_publication(body, before);
        // Who asks for nothing else gets the mode that proves consent (O-05).
        let mode: Option<Mode> = if body.has("mode") {
            body.required("mode", word)
        } else {
            Some(Mode::Double)
        };
        let justification = body.optional("justification", line(MAX_WORDING_CHARACTERS));
        // Single and Confirmed do not suit as proof; whoever uses them says why (O-05).
        if mode.is_some_and(Mode::activates_at_once) && justification.is_none() {
            body.problem("justification", "missing");
        }
        let lists = read_lists(body);
        let (fields, email_purpose) = read_fields(body);
        let interests = body.array("interests", MAX_ENTRIES, body::id::<InterestId>);
        let interests = unique(body, "interests", interests.unwrap_or_default());
        let form_url = body.required("form_url", web_address);
        let redirect_hosts = body.array("redirect_hosts", MAX_HOSTS, host);
        let redirect_hosts = unique(body, "redirect_hosts", redirect_hosts.unwrap_or_default());
        let redirects = read_redirects(body, form_url.as_ref(), &redirect_hosts);
        body.optional("preticked", nothing_ticked);
        let asks_tracking_consent = body.optional("asks_tracking_consent", unticked);
        let asks_profiling_consent = body.optional("asks_profiling_consent", unticked);
        let addresses_minors = body.optional("addresses_minors", boolean).unwrap_or(false);
        let minimum_age = body.optional("minimum_age", number(MINIMUM_AGES));
        // Whoever addresses minors asks the age, and nothing but whether they have it (L-27).
        if addresses_minors && minimum_age.is_none() {
            body.problem("minimum_age", "missing");
        }
        let language: Option<Language> = body.optional("language", word);
        let confirm_days = body.optional("confirm_days", number(1..=Setup::MAX_CONFIRM_DAYS));
        let confirm_days = confirm_days.unwrap_or(Self::DEFAULT_CONFIRM_DAYS);
        let reminder_days = body.optional("reminder_days", number(0..=Setup::MAX_CONFIRM_DAYS));
        let reminder_days = reminder_days.unwrap_or(0);
        if reminder_days >= confirm_days {
            body.problem("reminder_days", "not_before_expiry");
        }
        let consent_wording = body.optional("consent_wording", lines(MAX_WORDING_CHARACTERS));
        let notice_version = body.optional("notice_version", line(MAX_NAME_CHARACTERS));
        let hourly_budget = body.optional("hourly_budget", number(1..=MAX_HOURLY_BUDGET));
        Some(Self {
            id,
            rev,
            name: name.unwrap_or_default(),
            mode: mode.unwrap_or(Mode::Double),
            justification,
            publication,
            lists,
            email_purpose,
            fields,
            interests,
            asks_tracking_consent: asks_tracking_consent.unwrap_or(false),
            asks_profiling_consent: asks_profiling_consent.unwrap_or(false),
            addresses_minors,
            minimum_age: minimum_age.and_then(|age| u8::try_from(age).ok()),
            form_url: form_url.map_or_else(String::new, |url| url.as_str().to_owned()),
            redirects,
            redirect_hosts,
            language: language.unwrap_or_default(),
            confirm_days,
            reminder_days,
            consent_wording: consent_wording.filter(|wording| !wording.is_empty()),
            notice_version,
            hourly_budget: hourly_budget.unwrap_or(Self::DEFAULT_HOURLY_BUDGET),
        })
    }

    fn show(&self, desk: &Desk) -> Value {
        // Every form asks for the address; it is shown like any field, and not stored.
        let mut fields =
            vec![json!({"key": "email", "required": true, "purpose": self.email_purpose})];
        fields.extend(self.fields.iter().map(show_field));
        let account = &desk.account;
        let at = |path: String| {
            desk.app
                .settings
                .public_url
                .as_ref()
                .map(|url| url.clone() + &path)
        };
        let missing = privacy_notice::missing(account, self).into_iter();
        let in_force = InForce::of(account, self).version();
        let is_published = privacy_notice::is_published(account, self);
        json!({
            "id": self.id,
            "name": self.name,
            "mode": self.mode,
            "suits_as_proof": self.mode.suits_as_proof(),
            "state": if is_published { PUBLISHED } else { DRAFT },
            "missing": missing.map(Missing::name).collect::<Vec<_>>(),
            "warnings": warnings(self, account),
            "justification": self.justification,
            "lists": self.lists,
            "fields": fields,
            "interests": self.interests,
            "asks_tracking_consent": self.asks_tracking_consent,
            "asks_profiling_consent": self.asks_profiling_consent,
            "addresses_minors": self.addresses_minors,
            "minimum_age": self.minimum_age,
            "form_url": self.form_url,
            "redirects": self.redirects,
            "redirect_hosts": self.redirect_hosts,
            "language": self.language,
            "confirm_days": self.confirm_days,
            "reminder_days": self.reminder_days,
            "consent_wording": self.consent_wording,
            "notice_version": self.notice_version,
            "notice_in_force": in_force,
            "hourly_budget": self.hourly_budget,
            "signup_url": at(format!("/signup/{}/{}", account.id, self.id)),
            "notice_url": at(notice_path(&account.id, in_force)),
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
        if self.notice_version.is_some()
            && let Some(code) = notice_problem(self, desk).await?
        {
            problems.push(("notice_version".to_owned(), code));
        }
        if self.publication == Publication::Demanded {
            let missing = privacy_notice::missing(&desk.account, self).into_iter();
            problems.extend(missing.map(|missing| (missing.name().to_owned(), "missing")));
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

/// What answers show and requests do not set; `missing` is looked at with the state.
const READ_ONLY: [&str; 5] = [
    "signup_url",
    "suits_as_proof",
    "notice_in_force",
    "notice_url",
    "warnings",
];
const PUBLISHED: &str = "published";
const DRAFT: &str = "draft";

/// Without a state a form is shown as soon as nothing is missing. A draft that names what is missing
/// is what an answer said: sent back it is held back no more than it was.
fn read_publication(body: &mut Object, before: Option<&Setup>) -> Publication {
    let lacks = body.optional("missing", |value| {
        Ok(value.as_array().is_some_and(|missing| !missing.is_empty()))
    });
    let state = body.optional("state", |value| match value.as_str() {
        Some(PUBLISHED) => Ok(Publication::Demanded),
        Some(DRAFT) => Ok(Publication::HeldBack),
        Some(_) => Err("unknown"),
        None => Err("not_a_string"),
    });
    match (state, before) {
        (Some(Publication::HeldBack), Some(before)) if lacks == Some(true) => before.publication,
        (state, _) => state.unwrap_or_default(),
    }
}

/// A box that asks for consent is never ticked beforehand (L-10; Planet49, C-673/17).
const PRETICKED: Code = "must_be_unticked";

#[expect(
    clippy::needless_pass_by_value,
    reason = "one of the readers, which all take the value"
)]
fn nothing_ticked(value: Value) -> Result<(), Code> {
    let is_nothing = value == json!(false) || value.as_array().is_some_and(Vec::is_empty);
    is_nothing.then_some(()).ok_or(PRETICKED)
}

fn unticked(value: Value) -> Result<bool, Code> {
    match value {
        Value::Object(asked) if asked.get("preticked") == Some(&json!(true)) => Err(PRETICKED),
        Value::String(text) if text == "preticked" => Err(PRETICKED),
        value => boolean(value),
    }
}

/// A host as addresses have it.
fn host(value: Value) -> Result<String, Code> {
    let name = string(value)?;
    match WebAddress::parse(&format!("https://{name}/")) {
        Ok(address) if !name.contains(['/', '?', '#', '@', ':', '\\']) => {
            Ok(address.host().to_owned())
        }
        _ => Err("invalid_host"),
    }
}

/// What is wrong with the version of the privacy notice that a setup names.
async fn notice_problem(setup: &Setup, desk: &Desk) -> Result<Option<Code>, Refused> {
    let Some(named) = privacy_notice::named(setup) else {
        return Ok(Some("unknown"));
    };
    let place = NoticeVersion::place(&desk.scope, named);
    let version: Option<NoticeVersion> = desk.app.store.get(&place, desk.now).await?;
    Ok(match version {
        None => Some("unknown"),
        Some(version) if version.notice.language != setup.language => Some("other_language"),
        Some(_) => None,
    })
}

/// What keeps a published form from doing what it promises, as stable codes: without a domain to
/// send from, the mails it promises wait.
fn warnings(setup: &Setup, account: &Account) -> Vec<&'static str> {
    let waits = setup.mode != Mode::Single && account.sender_domains.is_empty();
    waits.then_some("no_sender_domain").into_iter().collect()
}

fn show_field(field: &SetupField) -> Value {
    let mut shown = json!({"key": field.key, "required": field.required, "purpose": field.purpose});
    if field.without_year {
        shown["without_year"] = true.into();
    }
    shown
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

/// The fields besides the address, and what the address is asked for.
fn read_fields(body: &mut Object) -> (Vec<SetupField>, Option<String>) {
    let fields = body.objects("fields", MAX_ENTRIES, |field| {
        let key: Option<FieldKey> = field.required("key", body::id);
        let required = field.optional("required", boolean);
        let purpose = field.optional("purpose", line(MAX_PURPOSE_CHARACTERS));
        let without_year = field.optional("without_year", boolean).unwrap_or(false);
        let key = key?;
        if without_year && key.as_str() != "date_of_birth" {
            field.problem("without_year", "not_a_date_of_birth");
        }
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
            without_year,
        })
    });
    let fields = fields.unwrap_or_default();
    let keys = fields.iter().map(|field| field.key.clone()).collect();
    unique::<FieldKey>(body, "fields", keys);
    let (address, fields): (Vec<_>, Vec<_>) = fields
        .into_iter()
        .partition(|field| field.key.as_str() == "email");
    let purpose = address.into_iter().find_map(|address| address.purpose);
    (fields, purpose)
}

fn read_redirects(
    body: &mut Object,
    form_url: Option<&WebAddress>,
    allowed: &[String],
) -> Redirects {
    let to = |value: Value| -> Result<String, Code> {
        let own = form_url.map(WebAddress::host).into_iter();
        let hosts: Vec<&str> = own.chain(allowed.iter().map(String::as_str)).collect();
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
