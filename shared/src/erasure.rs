//! Erasing a person (Art. 17 GDPR): the one transaction from which on they are gone for every
//! reader, and what clean-up is left after it.
//!
//! Decides only. Clean-up is resumable: what is done of it stands in the [`Erasure`], which is due
//! until all of it is.

mod ses;

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::account::Account;
use crate::address::EmailAddress;
use crate::evidence::Statement;
use crate::hold::{self, Hold};
use crate::id::{AccountId, EventId, ListId, PersonKey, RecordId, WebhookId};
use crate::key::{AccountScope, Key};
use crate::person::{
    ImportedConsent, ListConsent, Person, Profile, Tombstone, TombstoneKind, Unsubscription,
    Withdrawal,
};
use crate::policy::Store;
use crate::record::{Due, DueWork, Expect, Record, Stored, Transaction};
use crate::sign_up::{SignUp, SignUpState};
use crate::time::{plus_seconds, to_millisecond};
use crate::webhook::{News, Topic};

pub use self::ses::{SesEntries, SesReason};

/// How long a worker that has read a person may take until it claims them: a ledger that was
/// looked through earlier is looked through again (DESIGN section 3: a call goes out within 10 s
/// of the read).
pub const LEDGER_GRACE_SECONDS: i64 = 60;

/// After so long an erasure is overdue whose live data are not gone: the hourly run had gone on
/// with it a day long.
const OVERDUE_SECONDS: i64 = 24 * 3_600;

/// Who asked for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AskedBy {
    /// The controller, through the API.
    Controller,
    /// The person, after a fresh mailbox proof (P-06).
    Person,
    /// Nobody anew: a restored copy did not know of it.
    Restore,
}

/// A part of the clean-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// Evidence sealed and deleted in clear, outbox records deleted.
    Records,
    /// What restores hold of the person in quarantine deleted.
    Quarantine,
    /// The person blanked in every campaign's ledger.
    Ledgers,
    /// The files of finished imports deleted.
    ImportFiles,
    /// SES's suppression list (T-14).
    Ses,
    /// The same for the addresses that the person had before.
    Linked,
    /// Whoever got the data told (Art. 19 GDPR).
    Recipients,
}

impl Task {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Records,
        Self::Quarantine,
        Self::Ledgers,
        Self::ImportFiles,
        Self::Ses,
        Self::Linked,
        Self::Recipients,
    ];
}

/// An erasure: pseudonymous, and kept as the proof that it was done (P-42).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erasure {
    /// Which.
    pub event: EventId,
    /// Who.
    pub person: PersonKey,
    /// Grows with each write.
    pub rev: u64,
    /// When it was asked for: from then on the person is gone for every reader.
    pub requested_at: Timestamp,
    /// By whom.
    pub by: AskedBy,
    /// What is done, and since when.
    #[serde(default)]
    pub done: BTreeMap<Task, Timestamp>,
    /// How many records were sealed.
    #[serde(default)]
    pub sealed: u32,
    /// Until when those are kept.
    #[serde(default)]
    pub sealed_until: Option<Timestamp>,
    /// Who is told (Art. 19 GDPR), and what came of it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub recipients: BTreeMap<WebhookId, Told>,
    /// The erasures of the addresses that the person had before: this one is done with them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub linked: Vec<RecordId>,
    /// What became of the person's entries in SES's own suppression list (T-14).
    #[serde(default, skip_serializing_if = "SesEntries::is_empty")]
    pub ses: SesEntries,
    /// When the last archive that may hold the person is gone; known once the live data are.
    #[serde(default)]
    pub archives_gone_by: Option<Timestamp>,
    /// What the clean-up still needs of the profile; gone with its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<Left>,
}

/// What came of telling a recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state", content = "at")]
pub enum Told {
    /// It is still tried.
    Waiting,
    /// The recipient acknowledged it.
    Acknowledged(Timestamp),
    /// It was given up: whoever this is does not know.
    NotAcknowledged(Timestamp),
}

impl Told {
    /// The later of two findings: what is settled stays settled.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        match self {
            Self::Waiting => other,
            Self::Acknowledged(_) | Self::NotAcknowledged(_) => self,
        }
    }
}

/// What the clean-up needs of a deleted profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    /// Every spelling ever mailed: SES's list is exact.
    pub spellings: Vec<EmailAddress>,
    /// The consents, which an import may have brought without any other evidence.
    pub lists: BTreeMap<ListId, ListConsent>,
    /// What the imports said.
    pub provenance: Vec<ImportedConsent>,
}

/// What a request to erase leads to.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// Nobody with this key is known here.
    Unknown,
    /// A legal hold stands: write this, if it is not noted yet, and refuse.
    Held(Option<Transaction>, Box<Hold>),
    /// It was done before, and nothing of the person has come since.
    Done(Box<Erasure>),
    /// Write this.
    Erase(Transaction, Box<Erasure>),
}

/// Everything that says whether there is somebody to erase.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// The person as read.
    pub person: &'a Person,
    /// Their sign-ups, also those nobody confirmed.
    pub sign_ups: &'a [SignUp],
    /// Their unsubscriptions.
    pub unsubscriptions: &'a [Unsubscription],
    /// Erasures before.
    pub before: &'a [Erasure],
    /// Whether a restore holds something of them in quarantine.
    pub is_quarantined: bool,
    /// Their profile whose time is over, but which nobody has deleted yet.
    pub expired: Option<&'a Profile>,
    /// Whether ledgers of campaigns, requests or what recipients were told still name them.
    pub is_named: bool,
    /// The erasures of the addresses they had before.
    pub linked: &'a [RecordId],
}

/// What erasing changes at once: the tombstone, from which on every sign-up is void and every
/// record hidden; a withdrawal that says when and nothing else; no profile.
pub fn erase(
    scope: &AccountScope,
    known: Known<'_>,
    event: EventId,
    by: AskedBy,
    now: Timestamp,
) -> Decision {
    let person = known.person;
    let held = person.withdrawal.as_ref().and_then(|one| one.hold.as_ref());
    if let Some(held) = held.filter(|held| held.stands(now)) {
        return Decision::Held(hold::postpone(person, by, now), Box::new(held.clone()));
    }
    let hidden = |at| {
        person
            .tombstone
            .as_ref()
            .is_some_and(|tombstone| tombstone.hides(at))
    };
    let newest = known
        .sign_ups
        .iter()
        .map(|sign_up| {
            sign_up
                .confirmed_at
                .map_or(sign_up.signed_up_at, |at| at.max(sign_up.signed_up_at))
        })
        .chain(known.unsubscriptions.iter().map(|left| left.at))
        .max();
    let anything_new = person.profile.is_some()
        || known.expired.is_some()
        || known.is_quarantined
        || newest.is_some_and(|at| !hidden(at));
    let erased_before = person.tombstone.as_ref().and_then(Tombstone::erased_at);
    if !anything_new {
        if let Some(last) = known.before.iter().max_by_key(|last| last.requested_at)
            && erased_before.is_some()
        {
            return Decision::Done(Box::new(last.clone()));
        }
        if person.tombstone.is_none() && person.withdrawal.is_none() && !known.is_named {
            return Decision::Unknown;
        }
    }
    // The clock of another machine may have been ahead: whatever is known is older than this, and
    // an opt-in whose record is lost lifts it no more than others.
    let lifted = person.tombstone.as_ref().and_then(|known| known.lifted_at);
    let now = newest
        .into_iter()
        .chain(erased_before)
        .chain(lifted)
        .fold(to_millisecond(now), Timestamp::max);

    let before = person
        .tombstone
        .clone()
        .unwrap_or_else(|| Tombstone::none(person.key));
    let mut tombstone = Tombstone {
        rev: before.rev + 1,
        ..before
    };
    tombstone.at.insert(TombstoneKind::Erased, now);
    let withdrawal = Withdrawal {
        rev: person.withdrawal.as_ref().map_or(0, |known| known.rev) + 1,
        all_at: Some(now),
        suppressed_at: person
            .withdrawal
            .as_ref()
            .and_then(|known| known.suppressed_at),
        ..Withdrawal::none(person.key)
    };
    let erasure = Erasure {
        event,
        person: person.key,
        rev: 1,
        requested_at: now,
        by,
        done: BTreeMap::new(),
        sealed: 0,
        sealed_until: None,
        recipients: BTreeMap::new(),
        linked: known.linked.to_vec(),
        ses: SesEntries::default(),
        archives_gone_by: None,
        left: Some(left(person.profile.as_ref(), known.expired, known.sign_ups)),
    };
    let mut transaction = Transaction::default();
    transaction.put(
        Record::Tombstone(tombstone),
        Expect::unchanged(person.tombstone.as_ref()),
    );
    transaction.put(
        Record::Withdrawal(withdrawal),
        Expect::unchanged(person.withdrawal.as_ref()),
    );
    // Also one whose time is over: it counts as absent, and may still be there.
    transaction.delete(
        scope.profile(person.key),
        Expect::unchanged(person.profile.as_ref()),
    );
    transaction.put(Record::Erasure(Box::new(erasure.clone())), Expect::Absent);
    transaction.tell(News {
        topic: Topic::Erasure,
        person: person.key,
        at: now,
        record: Some(event),
    });
    Decision::Erase(transaction, Box::new(erasure))
}

/// Of a profile whose time is over only the spellings are needed: what it proved went with it.
pub(crate) fn left(
    profile: Option<&Profile>,
    expired: Option<&Profile>,
    sign_ups: &[SignUp],
) -> Left {
    let mut spellings: Vec<EmailAddress> = Vec::new();
    let known = profile
        .iter()
        .chain(&expired)
        .flat_map(|profile| std::iter::once(&profile.address).chain(&profile.spellings));
    for spelling in known.chain(sign_ups.iter().map(|sign_up| &sign_up.email)) {
        if !spellings.contains(spelling) {
            spellings.push(spelling.clone());
        }
    }
    Left {
        spellings,
        lists: profile.map(|known| known.lists.clone()).unwrap_or_default(),
        provenance: profile
            .map(|known| known.provenance.clone())
            .unwrap_or_default(),
    }
}

impl Erasure {
    /// Its identifier in the API.
    pub fn id(&self) -> RecordId {
        RecordId {
            person: self.person,
            event: self.event,
        }
    }

    /// Whether a part is done.
    pub fn has(&self, task: Task) -> bool {
        self.done.contains_key(&task) || self.has_nothing_of(task)
    }

    /// Whether there never was anything to do of a part.
    fn has_nothing_of(&self, task: Task) -> bool {
        task == Task::Linked && self.linked.is_empty()
    }

    /// Whether all is.
    pub fn is_complete(&self) -> bool {
        Task::ALL.into_iter().all(|task| self.has(task))
    }

    /// Whether all is but that somebody has not acknowledged yet what they were told.
    pub fn waits_for_recipients(&self) -> bool {
        !self.has(Task::Recipients) && self.live_gone_at().is_some()
    }

    /// Whether something of it should have been done by `now`. Others may take days to answer.
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        self.live_gone_at().is_none() && is_overdue(self.requested_at, now)
    }

    /// Notes that a part is done. What the profile left behind goes with the last that needs it.
    pub fn note(&mut self, task: Task, now: Timestamp) {
        self.done.entry(task).or_insert(to_millisecond(now));
        if self.has(Task::Records) && self.has(Task::Ses) {
            self.left = None;
        }
    }

    /// When the live data were gone. Telling others takes none of them away and may take days.
    pub fn live_gone_at(&self) -> Option<Timestamp> {
        Task::ALL
            .into_iter()
            .filter(|task| *task != Task::Recipients && !self.has_nothing_of(*task))
            .map(|task| self.done.get(&task).copied())
            .collect::<Option<Vec<_>>>()?
            .into_iter()
            .max()
    }

    /// Notes what came of telling recipients; whether nobody is left to be told.
    pub fn tell(&mut self, found: impl IntoIterator<Item = (WebhookId, Told)>) -> bool {
        for (webhook, told) in found {
            let known = self.recipients.entry(webhook).or_insert(Told::Waiting);
            *known = known.or(told);
        }
        self.recipients.values().all(|told| *told != Told::Waiting)
    }

    /// How many recipients acknowledged it.
    pub fn notified(&self) -> usize {
        let acknowledged = |told: &&Told| matches!(told, Told::Acknowledged(_));
        self.recipients.values().filter(acknowledged).count()
    }

    /// When the last full copy that may hold the person is gone.
    pub fn full_copies_gone_by(&self) -> Option<Timestamp> {
        Store::FullCopy.kept().until(self.live_gone_at()?)
    }

    /// Whether ledgers of running campaigns may still get a claim that was begun before.
    pub fn ledgers_may_move(&self, now: Timestamp) -> bool {
        now < plus_seconds(self.requested_at, LEDGER_GRACE_SECONDS)
    }
}

/// Whether an erasure that was asked for then should be done by `now`.
pub fn is_overdue(requested_at: Timestamp, now: Timestamp) -> bool {
    plus_seconds(requested_at, OVERDUE_SECONDS) <= now
}

/// When sealed evidence of an erasure is gone: some years later (a setting, at most 3), never
/// later than the account. `None`: nothing is kept.
pub fn sealed_until(
    account: &Account,
    requested_at: Timestamp,
    zone: &TimeZone,
) -> Option<Timestamp> {
    let months = u32::from(account.evidence_years_after_erasure) * 12;
    if months == 0 {
        return None;
    }
    let period = crate::policy::Period::Months {
        months,
        setting: None,
    };
    let end = period.after(requested_at, zone);
    Some(account.gone_at.map_or(end, |gone_at| gone_at.min(end)))
}

/// Whether a sign-up led to a subscription: what led to nothing leaves nothing (T-01).
pub fn leaves_evidence(sign_up: &SignUp) -> bool {
    match sign_up.state {
        SignUpState::Confirmed | SignUpState::Active => true,
        SignUpState::Pending | SignUpState::Superseded | SignUpState::Suppressed => false,
    }
}

/// What is sealed of a sign-up: the record with its salts, and what was stated of it.
pub fn sealed_sign_up(account: &AccountId, sign_up: &SignUp) -> Value {
    let statements = std::iter::once(Statement::signed_up(account, sign_up))
        .chain(
            sign_up
                .mails
                .iter()
                .map(|mail| Statement::mailed(account, sign_up, mail)),
        )
        .chain(Statement::confirmed(account, sign_up));
    sealed("sign_up", json!(sign_up), statements)
}

/// What is sealed of somebody's leaving.
pub fn sealed_unsubscription(account: &AccountId, left: &Unsubscription) -> Value {
    let statement = std::iter::once(Statement::left(account, left));
    sealed("unsubscription", json!(left), statement)
}

/// What is sealed of consents that an import brought; `None` where none did.
pub fn sealed_imports(left: &Left) -> Option<Value> {
    let consents: Vec<&ImportedConsent> = left
        .provenance
        .iter()
        .filter(|said| !said.data_only)
        .collect();
    (!consents.is_empty()).then(|| {
        let record = json!({
            "addresses": left.spellings,
            "lists": left.lists,
            "provenance": consents,
        });
        sealed("imported_consents", record, std::iter::empty())
    })
}

fn sealed(kind: &str, record: Value, statements: impl Iterator<Item = Statement>) -> Value {
    let statements: Vec<String> = statements.map(|one| one.reveal().to_owned()).collect();
    json!({"kind": kind, "record": record, "statements": statements})
}

impl Stored for Erasure {
    const KIND: &'static str = "erasure";

    fn key(&self, scope: &AccountScope) -> Key {
        scope.erasure(self.person, self.event)
    }

    fn revision(&self) -> u64 {
        self.rev
    }

    fn due(&self) -> Option<Due> {
        (!self.is_complete()).then_some(Due {
            // Apart: who waits for others only takes no time from what is left to delete.
            work: if self.waits_for_recipients() {
                DueWork::Settle
            } else {
                DueWork::Erase
            },
            at: self.requested_at,
        })
    }
}

#[cfg(test)]
mod tests;
