//! A sign-up: the evidence of who asked for what, when, from where, and what they were shown.
//!
//! Written once; completing a double opt-in is the only change it ever sees (T-13).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::address::EmailAddress;
use crate::evidence::{Digest, Entry};
use crate::form::FieldValue;
use crate::id::{EventId, FieldKey, InterestId, ListId, PersonKey, RecordId, SetupId};
use crate::key::{AccountScope, Key};
use crate::page_language::Language;
use crate::personal::ClientIp;
use crate::record::{Due, DueWork, Stored};
use crate::setup::Mode;
use crate::web_address::ClaimedAddress;

/// How far a sign-up has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignUpState {
    /// Double: nobody has pressed the button yet.
    Pending,
    /// Double: completed.
    Confirmed,
    /// Single or Confirmed: active from the form post on.
    Active,
    /// Double: another sign-up of the same person was confirmed instead.
    Superseded,
    /// The address was suppressed, so nothing came of it (T-11).
    Suppressed,
}

/// By which way a consent lets somebody be written to. There is no other: that a mailbox confirmed
/// proves nothing for a telephone (L-06; BGH 10.2.2011, I ZR 164/09).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// E-mail.
    Email,
}

/// The consent evidence (S-12), with what the visitor was shown (L-09).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignUp {
    /// Which sign-up.
    pub event: EventId,
    /// Whose.
    pub person: PersonKey,
    /// 1, and 2 once completed or superseded.
    pub rev: u64,
    /// (b) the setup.
    pub setup: SetupId,
    /// (c) the mode, as it was (S-13).
    pub mode: Mode,
    /// For which channel; not stated by sign-ups from before it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<Channel>,
    /// How far it has come.
    pub state: SignUpState,
    /// (a) the address, as typed.
    pub email: EmailAddress,
    /// (d) the form's registered URL.
    pub form_url: String,
    /// (d) what the browser claimed; the visitor controls it (S-15).
    #[serde(default)]
    pub form_url_claimed: Option<ClaimedAddress>,
    /// (e) the address of the form post.
    pub form_ip: ClientIp,
    /// (f) the address of the confirming POST.
    #[serde(default)]
    pub confirm_ip: Option<ClientIp>,
    /// (g) when the form was sent, by our clock (S-16).
    pub signed_up_at: Timestamp,
    /// (h) when it was confirmed.
    #[serde(default)]
    pub confirmed_at: Option<Timestamp>,
    /// (i) the fields that were asked, as they were (S-14).
    pub fields: Vec<FieldAnswer>,
    /// (i) the lists that were asked for, as they were called.
    pub lists: Vec<ListSnapshot>,
    /// Interests ticked.
    #[serde(default)]
    pub interests: Vec<InterestId>,
    /// Whether tracking was agreed to, where the form asked.
    #[serde(default)]
    pub tracking_consent: Option<bool>,
    /// Whether profiling was agreed to, where the form asked.
    #[serde(default)]
    pub profiling_consent: Option<bool>,
    /// That the age was confirmed, where the form asked (L-27).
    #[serde(default)]
    pub age_confirmed: Option<bool>,
    /// (j) the subscriber, once there is one (O-06).
    #[serde(default)]
    pub subscriber: Option<PersonKey>,
    /// Names the form's words exactly.
    pub form_version: String,
    /// What the visitor agreed to.
    pub consent_wording: String,
    /// The privacy notice's version.
    #[serde(default)]
    pub notice_version: Option<String>,
    /// The language of what was shown.
    pub language: Language,
    /// When it counts as absent: only what led to nothing expires (O-07).
    #[serde(default)]
    pub gone_at: Option<Timestamp>,
    /// Where the form post stands in the evidence ledger.
    #[serde(default)]
    pub entry: Option<Entry>,
    /// Where the confirmation does.
    #[serde(default)]
    pub confirmed_entry: Option<Entry>,
    /// Whose address this one is to replace: the person is the same (L-18).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub former: Option<PersonKey>,
    /// The mails that were sent about it.
    #[serde(default)]
    pub mails: Vec<MailEvidence>,
}

/// A mail about a sign-up, by the digests of its words (L-05).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailEvidence {
    /// What kind of mail: `confirmation`, `information`, ...
    pub mail: String,
    /// When SES took it.
    pub mailed_at: Timestamp,
    /// What SES called it.
    #[serde(default)]
    pub message_id: Option<String>,
    /// The document with its words, the person's own link left out.
    pub document: Digest,
    /// The SHA-256 of subject, text and HTML as they were handed over, each followed by a NUL.
    pub sha256: Digest,
    /// Where it stands in the evidence ledger.
    pub entry: Entry,
}

/// A field that was asked, and what was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldAnswer {
    /// The field.
    pub key: FieldKey,
    /// What the visitor read.
    pub label: String,
    /// Whether it had to be filled in.
    pub required: bool,
    /// The answer, if there was one.
    pub value: Option<FieldValue>,
}

/// A list as it was called at the time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListSnapshot {
    /// The list.
    pub id: ListId,
    /// Its name then.
    pub name: String,
}

impl SignUp {
    /// The kind of record in keys.
    pub const RECORD: &'static str = "signup";

    /// Its identifier in the API.
    pub fn id(&self) -> RecordId {
        RecordId {
            person: self.person,
            event: self.event,
        }
    }
}

impl Stored for SignUp {
    const KIND: &'static str = "sign_up";

    fn key(&self, scope: &AccountScope) -> Key {
        scope.record(self.person, Self::RECORD, self.event)
    }

    fn revision(&self) -> u64 {
        self.rev
    }

    fn expires_at(&self) -> Option<Timestamp> {
        self.gone_at
    }

    fn due(&self) -> Option<Due> {
        self.gone_at.map(|at| Due {
            work: DueWork::Expire,
            at,
        })
    }
}
