//! What is stored, and under which condition it may be written.
//!
//! State machines answer with these; adapters turn them into items and calls.

use jiff::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::account::Account;
use crate::address_change::AddressChange;
use crate::campaign::arc::Arc;
use crate::campaign::content::Content;
use crate::campaign::control::Control;
use crate::campaign::{Campaign, Running};
use crate::erasure::Erasure;
use crate::evidence::Leaf;
use crate::evidence::seal::{Head, Seal};
use crate::import::{Import, ImportChunk};
use crate::key::{AccountScope, Key};
use crate::legal::SealedEvidence;
use crate::outbox::Outbox;
use crate::person::{Profile, Tombstone, Unsubscription, Withdrawal};
use crate::restore::{Configured, Freeze, Restore, Staged};
use crate::setup::List;
use crate::sign_up::SignUp;
use crate::suppression::Suppression;
use crate::tombstone_mark::TombstoneMark;
use crate::webhook::News;
use crate::webhook::delivery::Delivery;

/// Something with a place, a revision and perhaps an end.
pub trait Stored: Serialize + DeserializeOwned + Clone {
    /// The item's `kind` attribute.
    const KIND: &'static str;

    /// Where it is kept.
    fn key(&self, scope: &AccountScope) -> Key;

    /// Grows by one with each write; 1 for a new item.
    fn revision(&self) -> u64;

    /// From this instant on it counts as absent (T-04).
    fn expires_at(&self) -> Option<Timestamp> {
        None
    }

    /// When the table's own expiry may delete it: a backstop, never before it counts as absent,
    /// and never at all where something else must go first.
    fn ttl_at(&self) -> Option<Timestamp> {
        self.expires_at()
    }

    /// When something must happen to it other than expiry.
    fn due(&self) -> Option<Due> {
        None
    }
}

/// An entry of the `due` index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// What must happen.
    pub work: DueWork,
    /// When.
    pub at: Timestamp,
}

/// What the `due` index is asked for, each on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DueWork {
    /// Delete what has expired (the hourly sweeper).
    Expire,
    /// Try an outbox record again (every minute).
    Outbox,
    /// Start a scheduled campaign (every minute).
    Start,
    /// Go on with the clean-up after an erasure (hourly).
    Erase,
    /// Look what came of telling the recipients of an erasure (hourly).
    Settle,
    /// Make an unsubscription nobody's (hourly).
    Anonymise,
    /// Tell a recipient (every minute).
    Tell,
    /// End a legal hold (hourly).
    Hold,
}

/// Shards of each work in the index: 1,000 writes a second each.
pub const DUE_SHARDS: u8 = 4;

impl DueWork {
    /// The index partition of `shard`, in the order of due times.
    pub fn partition(self, shard: u8) -> String {
        let work = match self {
            Self::Expire => "expire",
            Self::Outbox => "outbox",
            Self::Start => "start",
            Self::Erase => "erase",
            Self::Settle => "settle",
            Self::Anonymise => "anonymise",
            Self::Tell => "tell",
            Self::Hold => "hold",
        };
        format!("{work}#{shard}")
    }
}

/// What must be so for a write to happen. An expired item counts as absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// Nothing is there.
    Absent,
    /// It is there with this revision.
    Revision(u64),
}

impl Expect {
    /// What must still be so of something that was read.
    pub fn unchanged<T: Stored>(read: Option<&T>) -> Self {
        read.map_or(Self::Absent, |record| Self::Revision(record.revision()))
    }
}

/// Any record that changes together with others.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// Who a subscriber is and what they agreed to.
    Profile(Box<Profile>),
    /// What a subscriber withdrew.
    Withdrawal(Withdrawal),
    /// What must outlive the profile.
    Tombstone(Tombstone),
    /// The evidence of a sign-up.
    SignUp(Box<SignUp>),
    /// The evidence of leaving.
    Unsubscription(Unsubscription),
    /// Who is to take over from a person.
    AddressChange(AddressChange),
    /// A leaf of the evidence ledger.
    Leaf(Leaf),
    /// A seal over leaves.
    Seal(Box<Seal>),
    /// Names the last seal.
    LedgerHead(Head),
    /// A mail that is to be sent to one person.
    Outbox(Box<Outbox>),
    /// A campaign as it is defined.
    Campaign(Box<Campaign>),
    /// The control item of a running campaign.
    Control(Box<Control>),
    /// The frozen content of a campaign.
    Content(Box<Content>),
    /// One arc of a campaign.
    Arc(Box<Arc>),
    /// Names a running campaign.
    Running(Running),
    /// A list that people subscribe to.
    List(Box<List>),
    /// An import of subscribers.
    Import(Box<Import>),
    /// Some rows of an import and what became of them.
    ImportChunk(Box<ImportChunk>),
    /// Whom an account writes to no more.
    Suppression(Suppression),
    /// A restore of an archive.
    Restore(Box<Restore>),
    /// Holds the account's sending.
    Freeze(Freeze),
    /// A line of an archive, in quarantine.
    Staged(Box<Staged>),
    /// A configured thing out of an archive.
    Configured(Box<Configured>),
    /// An erasure and what is done of it.
    Erasure(Box<Erasure>),
    /// A sealed record of an erased person.
    SealedEvidence(Box<SealedEvidence>),
    /// What a recipient is to be told.
    Delivery(Box<Delivery>),
    /// An account.
    Account(Box<Account>),
    /// Says that the tombstones beside it are the account's.
    TombstoneMark(TombstoneMark),
}

macro_rules! each_record {
    ($self:expr, $record:ident => $body:expr) => {
        match $self {
            Record::Profile($record) => $body,
            Record::Withdrawal($record) => $body,
            Record::Tombstone($record) => $body,
            Record::SignUp($record) => $body,
            Record::Unsubscription($record) => $body,
            Record::AddressChange($record) => $body,
            Record::Leaf($record) => $body,
            Record::Seal($record) => $body,
            Record::LedgerHead($record) => $body,
            Record::Outbox($record) => $body,
            Record::Campaign($record) => $body,
            Record::Control($record) => $body,
            Record::Content($record) => $body,
            Record::Arc($record) => $body,
            Record::Running($record) => $body,
            Record::List($record) => $body,
            Record::Import($record) => $body,
            Record::ImportChunk($record) => $body,
            Record::Suppression($record) => $body,
            Record::Restore($record) => $body,
            Record::Freeze($record) => $body,
            Record::Staged($record) => $body,
            Record::Configured($record) => $body,
            Record::Erasure($record) => $body,
            Record::SealedEvidence($record) => $body,
            Record::Delivery($record) => $body,
            Record::Account($record) => $body,
            Record::TombstoneMark($record) => $body,
        }
    };
}

impl Record {
    /// Where it is kept.
    pub fn key(&self, scope: &AccountScope) -> Key {
        each_record!(self, record => record.key(scope))
    }

    /// Its revision.
    pub fn revision(&self) -> u64 {
        each_record!(self, record => record.revision())
    }

    /// When it counts as absent.
    pub fn expires_at(&self) -> Option<Timestamp> {
        each_record!(self, record => record.expires_at())
    }
}

/// One part of a transaction.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "a transaction has a few steps, and most of them are puts"
)]
pub enum Step {
    /// Put the whole record, if the expectation holds.
    Put(Record, Expect),
    /// Change nothing, but fail the transaction unless the expectation holds.
    Check(Key, Expect),
    /// Delete what is there, if the expectation holds.
    Delete(Key, Expect),
    /// Tell whoever wants to be told: a message for each webhook of the account, written with the
    /// rest. Whoever carries out the transaction knows which there are.
    Tell(News),
}

/// Steps that happen together or not at all (at most 100, A-22).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Transaction(pub Vec<Step>);

impl Transaction {
    /// Adds a put.
    pub fn put(&mut self, record: Record, expect: Expect) -> &mut Self {
        self.0.push(Step::Put(record, expect));
        self
    }

    /// Adds a deletion.
    pub fn delete(&mut self, key: Key, expect: Expect) -> &mut Self {
        self.0.push(Step::Delete(key, expect));
        self
    }

    /// Adds something to tell.
    pub fn tell(&mut self, news: News) -> &mut Self {
        self.0.push(Step::Tell(news));
        self
    }

    /// Adds a check.
    pub fn check(&mut self, key: Key, expect: Expect) -> &mut Self {
        self.0.push(Step::Check(key, expect));
        self
    }
}
