//! What is known of a person: profile, withdrawal, tombstone, and the standing they add up to.
//!
//! Standing is derived by comparing times, never stored: a stale profile can re-subscribe nobody
//! (T-10). What may change it is decided in `consent`.

mod purpose;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::address::EmailAddress;
use crate::evidence::{Digest, Entry};
use crate::form::FieldValue;
use crate::hold::Hold;
use crate::id::{
    CampaignId, EventId, FieldKey, ImportId, InterestId, ListId, PersonKey, RecordId, SetupId,
    UnsubscribeSetupId,
};
use crate::import::Provenance;
use crate::key::{AccountScope, Key};
use crate::page_language::Language;
use crate::record::{Due, DueWork, Stored};
use crate::unsubscribe_setup::Reason;

pub use self::purpose::Purpose;

/// A subscriber's data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// Who; also the subscriber's identifier in the API.
    pub person: PersonKey,
    /// Grows with each write.
    pub rev: u64,
    /// The address in the spelling of the last confirmed sign-up.
    pub address: EmailAddress,
    /// Every spelling ever mailed, this one included.
    pub spellings: Vec<EmailAddress>,
    /// Built-in and declared fields.
    #[serde(default)]
    pub values: BTreeMap<FieldKey, FieldValue>,
    /// Consents by list.
    #[serde(default)]
    pub lists: BTreeMap<ListId, ListConsent>,
    /// Where imported consents come from, in the order they came: nothing is ever taken out or
    /// changed, so that a record of the person says it all, in an archive too (T-15).
    #[serde(default)]
    pub provenance: Vec<ImportedConsent>,
    /// Interests ticked.
    #[serde(default)]
    pub interests: Vec<InterestId>,
    /// When the person last agreed that opens and clicks are tied to them (L-23); whether that
    /// stands, [`Profile::agrees_since`] says.
    #[serde(default)]
    pub tracking_since: Option<Timestamp>,
    /// When the person last agreed that contents are chosen by what is known of them (L-10); as
    /// above.
    #[serde(default)]
    pub profiling_since: Option<Timestamp>,
    /// The language mails are written in.
    #[serde(default)]
    pub language: Language,
    /// Marked a customer: the relationship outlives the last list.
    #[serde(default)]
    pub customer: bool,
    /// When the person became a subscriber.
    pub created_at: Timestamp,
    /// The last day of the relationship, once it has ended.
    #[serde(default)]
    pub ended_on: Option<Date>,
    /// When it counts as absent: one calendar month after the end (S-08).
    #[serde(default)]
    pub gone_at: Option<Timestamp>,
}

/// What an import said of a consent to a list, or of data that it changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportedConsent {
    /// Which import.
    pub import: ImportId,
    /// When it was taken.
    pub at: Timestamp,
    /// For which list.
    pub list: ListId,
    /// Whether it only changed data: the consent was there before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub data_only: bool,
    /// In the controller's words.
    #[serde(flatten)]
    pub provenance: Provenance,
}

/// Why a list may write to a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListConsent {
    /// Since when.
    pub since: Timestamp,
    /// On which ground (L-01).
    pub basis: LegalBasis,
    /// What proves it.
    pub proof: Proof,
}

/// The legal ground of mailing a person (L-01).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum LegalBasis {
    /// Art. 6(1)(a) GDPR.
    #[serde(rename = "consent")]
    Consent,
    /// § 174(4) TKG 2021 (Austria).
    #[serde(rename = "soft_opt_in_AT_174_4")]
    SoftOptInAt,
    /// § 7(3) UWG (Germany).
    #[serde(rename = "soft_opt_in_DE_7_3")]
    SoftOptInDe,
    /// Needed for a contract; no list mail.
    #[serde(rename = "transactional")]
    Transactional,
}

impl LegalBasis {
    /// The names used on the wire.
    pub const NAMES: [&str; 4] = [
        "consent",
        "soft_opt_in_AT_174_4",
        "soft_opt_in_DE_7_3",
        "transactional",
    ];

    /// Reads the name used on the wire.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "consent" => Some(Self::Consent),
            "soft_opt_in_AT_174_4" => Some(Self::SoftOptInAt),
            "soft_opt_in_DE_7_3" => Some(Self::SoftOptInDe),
            "transactional" => Some(Self::Transactional),
            _ => None,
        }
    }

    /// Whether it carries advertising: transactional mail does not.
    pub fn carries_list_mail(self) -> bool {
        match self {
            Self::Consent | Self::SoftOptInAt | Self::SoftOptInDe => true,
            Self::Transactional => false,
        }
    }
}

/// What proves a consent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// A sign-up of the person.
    SignUp(EventId),
    /// An import; [`Profile::provenance`] has what it said (T-15).
    Import(ImportId),
}

/// What a person withdrew, and what bars them from mail. Times only ever move forward.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withdrawal {
    /// Who.
    pub person: PersonKey,
    /// Grows with each write.
    pub rev: u64,
    /// The last withdrawal of everything.
    #[serde(default)]
    pub all_at: Option<Timestamp>,
    /// The last withdrawal of a list.
    #[serde(default)]
    pub lists: BTreeMap<ListId, Timestamp>,
    /// The last permanent bounce.
    #[serde(default)]
    pub bounced_at: Option<Timestamp>,
    /// The last complaint.
    #[serde(default)]
    pub complained_at: Option<Timestamp>,
    /// Since when processing is restricted (Art. 18 GDPR).
    #[serde(default)]
    pub restricted_at: Option<Timestamp>,
    /// When a restriction was lifted.
    #[serde(default)]
    pub restriction_lifted_at: Option<Timestamp>,
    /// Since when the controller writes to this address no more (P-13).
    #[serde(default)]
    pub suppressed_at: Option<Timestamp>,
    /// The last withdrawal of the consent to tie opens and clicks to the person (L-24).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracking_withdrawn_at: Option<Timestamp>,
    /// The last withdrawal of the consent to profiles (L-10).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profiling_withdrawn_at: Option<Timestamp>,
    /// Why the data are kept although they were to go (S-10).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
}

impl Withdrawal {
    /// Nothing withdrawn yet; not to be stored as it is.
    pub fn none(person: PersonKey) -> Self {
        Self {
            person,
            rev: 0,
            all_at: None,
            lists: BTreeMap::new(),
            bounced_at: None,
            complained_at: None,
            restricted_at: None,
            restriction_lifted_at: None,
            suppressed_at: None,
            tracking_withdrawn_at: None,
            profiling_withdrawn_at: None,
            hold: None,
        }
    }

    /// Whether it leaves consent given at `since` for `list` standing.
    ///
    /// At the same instant the withdrawal wins.
    pub(crate) fn leaves(&self, list: &ListId, since: Timestamp) -> bool {
        let barred = [
            self.all_at,
            self.bounced_at,
            self.complained_at,
            self.lists.get(list).copied(),
        ];
        barred.into_iter().flatten().all(|at| at < since)
    }

    /// Whether processing is restricted: because somebody asked for it, or because the data are
    /// kept for a legal duty and nothing else.
    pub fn is_restricted(&self) -> bool {
        self.is_restricted_on_request() || self.hold.is_some()
    }

    /// Whether somebody asked for a restriction that was not lifted.
    pub fn is_restricted_on_request(&self) -> bool {
        self.restricted_at > self.restriction_lifted_at
    }
}

/// What must be remembered of a person when nothing else is (T-02, T-12): no address, only times.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tombstone {
    /// Who.
    pub person: PersonKey,
    /// Grows with each write.
    pub rev: u64,
    /// When the person was last erased, left all lists, objected, bounced, or complained.
    #[serde(default)]
    pub at: BTreeMap<TombstoneKind, Timestamp>,
    /// When the person last left single lists.
    #[serde(default)]
    pub lists: BTreeMap<ListId, Timestamp>,
    /// When a completed double opt-in last lifted it (T-11); it is never deleted.
    #[serde(default)]
    pub lifted_at: Option<Timestamp>,
    /// Since when the controller writes to this address no more: here too, because the person
    /// may be erased. No opt-in lifts it.
    #[serde(default)]
    pub suppressed_at: Option<Timestamp>,
    /// The last withdrawal of the consent to tie opens and clicks to the person (L-24).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracking_withdrawn_at: Option<Timestamp>,
    /// The last withdrawal of the consent to profiles (L-10).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profiling_withdrawn_at: Option<Timestamp>,
    /// By which setups the mailbox's owner wants to hear nothing: somebody else had filled them in
    /// (M-32). No opt-in lifts it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub not_me: BTreeMap<SetupId, Timestamp>,
}

/// Why there is a tombstone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TombstoneKind {
    /// Art. 17 GDPR.
    Erased,
    /// Art. 7(3) GDPR.
    Unsubscribed,
    /// Art. 21(3) GDPR.
    Objected,
    /// Art. 18 GDPR.
    Restricted,
    /// A permanent bounce.
    Bounced,
    /// A complaint.
    Complained,
}

impl Tombstone {
    /// No reason yet; not to be stored as it is.
    pub fn none(person: PersonKey) -> Self {
        Self {
            person,
            rev: 0,
            at: BTreeMap::new(),
            lists: BTreeMap::new(),
            lifted_at: None,
            suppressed_at: None,
            tracking_withdrawn_at: None,
            profiling_withdrawn_at: None,
            not_me: BTreeMap::new(),
        }
    }

    /// Notes when something of this kind last happened: never earlier than what is known.
    pub fn note(&mut self, kind: TombstoneKind, at: Timestamp) {
        let known = self.at.entry(kind).or_insert(at);
        *known = at.max(*known);
    }

    /// Whether only a completed double opt-in may bring the person back.
    pub fn blocks(&self) -> bool {
        self.at
            .values()
            .any(|at| self.lifted_at.is_none_or(|lifted| *at >= lifted))
    }

    /// When the person was last erased.
    pub fn erased_at(&self) -> Option<Timestamp> {
        self.at.get(&TombstoneKind::Erased).copied()
    }

    /// Whether a record of `instant` is hidden from every reader: its person was erased since,
    /// whether clean-up has come to it or not.
    pub fn hides(&self, instant: Timestamp) -> bool {
        self.erased_at().is_some_and(|at| at >= instant)
    }

    /// Whether anything in it is as new as `instant`: a sign-up from before then is void.
    pub fn voids_sign_up_of(&self, instant: Timestamp) -> bool {
        self.at.values().any(|at| *at >= instant)
    }
}

/// How somebody left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unsubscription {
    /// Which.
    pub event: EventId,
    /// Who.
    pub person: PersonKey,
    /// 1.
    pub rev: u64,
    /// When.
    pub at: Timestamp,
    /// By which way.
    pub via: UnsubscribedVia,
    /// The lists that were left.
    pub lists: Vec<ListId>,
    /// Whether all list mail was ended.
    pub all: bool,
    /// The campaign whose mail the link stood in.
    #[serde(default)]
    pub campaign: Option<CampaignId>,
    /// Where it stands in the evidence ledger.
    #[serde(default)]
    pub entry: Option<Entry>,
    /// The unsubscribe setup that was in force.
    #[serde(default)]
    pub setup: Option<UnsubscribeSetupId>,
    /// Why, if the person said so.
    #[serde(default)]
    pub reason: Option<Reason>,
    /// When it becomes nobody's, if ever.
    #[serde(default)]
    pub anonymise_at: Option<Timestamp>,
    /// Since when it is nobody's: the key is a random one.
    #[serde(default)]
    pub anonymised_at: Option<Timestamp>,
    /// Who took over, where the person left because their address changed (L-18).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub successor: Option<PersonKey>,
}

/// The way somebody left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnsubscribedVia {
    /// RFC 8058: the mailbox provider's button.
    OneClick,
    /// The button on our page.
    Page,
    /// The preference page.
    Preferences,
    /// A new address took over, once it was confirmed.
    AddressChanged,
    /// The controller, through the API.
    Controller,
}

impl Unsubscription {
    /// The kind of record in keys.
    pub const RECORD: &'static str = "unsub";

    /// Its identifier in the API.
    pub fn id(&self) -> RecordId {
        RecordId {
            person: self.person,
            event: self.event,
        }
    }
}

/// Everything that decides about one person, read consistently; what has expired is absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Who.
    pub key: PersonKey,
    /// Their profile.
    pub profile: Option<Profile>,
    /// What they withdrew.
    pub withdrawal: Option<Withdrawal>,
    /// What is remembered of them.
    pub tombstone: Option<Tombstone>,
}

/// What a person is to the account now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// On at least one list.
    Active,
    /// On none.
    Unsubscribed,
    /// Processing is restricted: kept, not mailed, not changed.
    Restricted,
    /// The mailbox does not exist.
    Bounced,
    /// The person complained.
    Complained,
}

impl Profile {
    /// Where the revisions of a profile begin that this sign-up or import makes: another number
    /// each time. Whoever read an earlier profile of the same person, erased or over meanwhile,
    /// must not take the new one for it: the old data would be back.
    pub fn first_revision(maker: &[u8]) -> u64 {
        // 40 bits: every reader of JSON has them exactly, with room to grow.
        let digest = Digest::of(&[maker]).to_string();
        digest
            .get(..10)
            .and_then(|digits| u64::from_str_radix(digits, 16).ok())
            .unwrap_or_default()
            .max(1)
    }

    /// The lists that the person is on now: agreed to, and not left.
    pub fn active_lists(&self, withdrawal: Option<&Withdrawal>) -> BTreeSet<ListId> {
        self.lists
            .iter()
            .filter(|(_, consent)| consent.basis.carries_list_mail())
            .filter(|(list, consent)| {
                withdrawal.is_none_or(|withdrawal| withdrawal.leaves(list, consent.since))
            })
            .map(|(list, _)| list.clone())
            .collect()
    }

    /// Whether the ground to write to a list can be shown: it came by a sign-up, or by an import
    /// that said when consent was given and what proves it (Art. 7(1) GDPR), or that each
    /// condition of a soft opt-in is met (L-03).
    pub fn is_proven(&self, list: &ListId) -> bool {
        let Some(consent) = self.lists.get(list) else {
            return false;
        };
        match &consent.proof {
            Proof::SignUp(_) => true,
            Proof::Import(_) if !consent.basis.carries_list_mail() => true,
            Proof::Import(import) => self
                .provenance
                .iter()
                .filter(|said| said.import == *import && said.list == *list)
                .any(|said| said.provenance.is_sendable()),
        }
    }

    /// The lists that may write to the person now: those they are on, and whose consent can be
    /// proven (T-15).
    pub fn sendable_lists(&self, withdrawal: Option<&Withdrawal>) -> BTreeSet<ListId> {
        let mut lists = self.active_lists(withdrawal);
        lists.retain(|list| self.is_proven(list));
        lists
    }

    /// What the person is to the account now.
    pub fn standing(&self, withdrawal: Option<&Withdrawal>) -> Standing {
        if withdrawal.is_some_and(Withdrawal::is_restricted) {
            return Standing::Restricted;
        }
        if !self.active_lists(withdrawal).is_empty() {
            return Standing::Active;
        }
        let latest =
            |at: Option<Timestamp>| self.lists.values().all(|consent| at >= Some(consent.since));
        match withdrawal {
            Some(w) if w.complained_at.is_some() && latest(w.complained_at) => Standing::Complained,
            Some(w)
                if w.bounced_at.is_some() && w.bounced_at > w.all_at && latest(w.bounced_at) =>
            {
                Standing::Bounced
            }
            _ => Standing::Unsubscribed,
        }
    }
}

impl Person {
    /// Nobody yet.
    pub fn unknown(key: PersonKey) -> Self {
        Self {
            key,
            profile: None,
            withdrawal: None,
            tombstone: None,
        }
    }

    /// The lists that the person is on now.
    pub fn active_lists(&self) -> BTreeSet<ListId> {
        self.profile
            .as_ref()
            .map(|profile| profile.active_lists(self.withdrawal.as_ref()))
            .unwrap_or_default()
    }

    /// The lists that may write to the person now.
    pub fn sendable_lists(&self) -> BTreeSet<ListId> {
        self.profile
            .as_ref()
            .map(|profile| profile.sendable_lists(self.withdrawal.as_ref()))
            .unwrap_or_default()
    }

    /// Whether a legal hold stands at `now`.
    pub fn is_held(&self, now: Timestamp) -> bool {
        self.held(now).is_some()
    }

    /// The legal hold that stands at `now`.
    pub fn held(&self, now: Timestamp) -> Option<&Hold> {
        let hold = self.withdrawal.as_ref().and_then(|one| one.hold.as_ref());
        hold.filter(|hold| hold.stands(now))
    }

    /// Whether processing is restricted.
    pub fn is_restricted(&self) -> bool {
        self.withdrawal
            .as_ref()
            .is_some_and(Withdrawal::is_restricted)
    }

    /// Whether the controller writes to this address no more.
    pub fn is_suppressed(&self) -> bool {
        let withdrawal = self.withdrawal.as_ref();
        let tombstone = self.tombstone.as_ref();
        withdrawal.is_some_and(|withdrawal| withdrawal.suppressed_at.is_some())
            || tombstone.is_some_and(|tombstone| tombstone.suppressed_at.is_some())
    }

    /// Whether the mailbox's owner said that a sign-up by this setup was not theirs (M-32).
    pub fn has_denied(&self, setup: &SetupId) -> bool {
        let tombstone = self.tombstone.as_ref();
        tombstone.is_some_and(|tombstone| tombstone.not_me.contains_key(setup))
    }

    /// When the person last left this list, by name or with all, as far as anything remembers it.
    pub fn left_list_at(&self, list: &ListId) -> Option<Timestamp> {
        let withdrawn = self
            .withdrawal
            .as_ref()
            .and_then(|known| known.lists.get(list));
        let buried = self
            .tombstone
            .as_ref()
            .and_then(|known| known.lists.get(list));
        withdrawn.max(buried).copied()
    }

    /// Whether the person left this list and is not known to have come back to it since: only a
    /// completed double opt-in for that list brings them back (T-11).
    pub fn has_left(&self, list: &ListId) -> bool {
        let profile = self.profile.as_ref();
        let agreed = profile.and_then(|profile| profile.lists.get(list));
        self.left_list_at(list)
            .is_some_and(|left| agreed.is_none_or(|consent| consent.since <= left))
    }

    /// Whether only a completed double opt-in may bring the person back (T-11).
    pub fn is_blocked(&self) -> bool {
        self.tombstone.as_ref().is_some_and(Tombstone::blocks)
    }
}

impl Stored for Profile {
    const KIND: &'static str = "profile";

    fn key(&self, scope: &AccountScope) -> Key {
        scope.profile(self.person)
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

impl Stored for Withdrawal {
    const KIND: &'static str = "withdrawal";

    fn key(&self, scope: &AccountScope) -> Key {
        scope.withdrawal(self.person)
    }

    fn revision(&self) -> u64 {
        self.rev
    }

    fn due(&self) -> Option<Due> {
        self.hold.as_ref().map(|hold| Due {
            work: DueWork::Hold,
            at: hold.until,
        })
    }
}

impl Stored for Tombstone {
    const KIND: &'static str = "tombstone";

    fn key(&self, scope: &AccountScope) -> Key {
        scope.tombstone(self.person)
    }

    fn revision(&self) -> u64 {
        self.rev
    }
}

impl Stored for Unsubscription {
    const KIND: &'static str = "unsubscription";

    fn key(&self, scope: &AccountScope) -> Key {
        scope.record(self.person, Self::RECORD, self.event)
    }

    fn revision(&self) -> u64 {
        self.rev
    }

    fn due(&self) -> Option<Due> {
        self.anonymise_at.map(|at| Due {
            work: DueWork::Anonymise,
            at,
        })
    }
}
