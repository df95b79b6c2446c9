//! Where things are kept: the keys of both tables.
//!
//! A key of an account can be made from its [`AccountScope`] only, and a scope comes only from an
//! account that exists and has not expired: a handler cannot form another account's key (S-18).

use serde::{Deserialize, Serialize};

use crate::address::EmailAddress;
use crate::crypto::AccountKey;
use crate::id::{
    AccountId, CampaignId, EventId, ImportId, Partition, PersonKey, RestoreId, WebhookId,
};
use crate::webhook::Topic;
use crate::webhook::delivery::Delivery;

/// The two tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Table {
    /// Everything but tombstones.
    Main,
    /// Tombstones: a full restore of the main table can never forget them.
    Tombstones,
}

/// A full primary key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Which table.
    pub table: Table,
    /// The partition key.
    pub pk: String,
    /// The sort key.
    pub sk: String,
}

impl Key {
    fn main(pk: String, sk: impl Into<String>) -> Self {
        Self {
            table: Table::Main,
            pk,
            sk: sk.into(),
        }
    }

    /// The account item itself, which is read to authorise and so needs no scope.
    pub fn account(account: &AccountId) -> Self {
        Self::main(format!("A#{account}"), "account")
    }

    /// A management API key, which is read to authorise and so needs no scope.
    pub fn api_key(account: &AccountId, key: &crate::id::KeyId) -> Self {
        Self::main(format!("A#{account}"), format!("key#{key}"))
    }

    /// Who is to be told; read by whoever tells them, which reads nothing else of an account and
    /// so needs no scope.
    pub fn webhook(account: &AccountId, webhook: &WebhookId) -> Self {
        Self::main(Places(account).webhooks(), format!("webhook#{webhook}"))
    }

    /// What a recipient is to be told of a person; as [`Key::webhook`].
    pub fn delivery(
        account: &AccountId,
        person: PersonKey,
        event: EventId,
        topic: Topic,
        webhook: &WebhookId,
    ) -> Self {
        Self::main(
            Places(account).webhooks(),
            Delivery::sort_key(person, event, topic, webhook),
        )
    }

    /// The mark of an account beside its tombstones.
    pub fn tombstone_mark(account: &AccountId) -> Self {
        Self {
            table: Table::Tombstones,
            pk: Places(account).tombstone_mark(),
            sk: "mark".to_owned(),
        }
    }

    /// The directory entry of an account, for what goes over all accounts.
    pub fn directory(account: &AccountId) -> Self {
        Self::main(Self::directory_partition(), account.as_str())
    }

    /// The partition of all accounts.
    pub fn directory_partition() -> String {
        "G#accounts".to_owned()
    }

    /// A platform-wide guard counter, under a keyed hash (T-07).
    pub fn guard(hash: &str, kind: &str) -> Self {
        Self::main(format!("G#guard#{hash}"), kind)
    }

    /// Something global: running campaigns, the SES allotment, sweep cursors.
    pub fn global(partition: &str, sk: impl Into<String>) -> Self {
        Self::main(format!("G#{partition}"), sk)
    }
}

/// The partitions of an account, and the prefixes of its objects, by its identifier alone. Two make
/// it: a scope, and what is left of an account that is gone (`retention::Remains`), which must know
/// every one of them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Places<'a>(pub(crate) &'a AccountId);

impl Places<'_> {
    pub(crate) fn configuration(self) -> String {
        format!("A#{}", self.0)
    }

    pub(crate) fn profiles(self, partition: Partition) -> String {
        format!("A#{}#P#{partition}", self.0)
    }

    pub(crate) fn records(self, partition: Partition) -> String {
        format!("A#{}#R#{partition}", self.0)
    }

    pub(crate) fn tombstones(self, partition: Partition) -> String {
        format!("A#{}#T#{partition}", self.0)
    }

    pub(crate) fn tombstone_mark(self) -> String {
        format!("A#{}#T", self.0)
    }

    pub(crate) fn campaign(self, campaign: &CampaignId) -> String {
        format!("A#{}#C#{campaign}", self.0)
    }

    pub(crate) fn ledger(self, campaign: &CampaignId, round: u16, arc: u32) -> String {
        format!("A#{}#C#{campaign}#{round}#{arc}", self.0)
    }

    pub(crate) fn import(self, import: &ImportId) -> String {
        format!("A#{}#I#{import}", self.0)
    }

    pub(crate) fn evidence(self) -> String {
        format!("A#{}#L", self.0)
    }

    pub(crate) fn audit(self) -> String {
        format!("A#{}#U", self.0)
    }

    pub(crate) fn quarantine(self, restore: &RestoreId, partition: Option<Partition>) -> String {
        match partition {
            Some(partition) => format!("A#{}#Q#{restore}#{partition}", self.0),
            None => format!("A#{}#Q#{restore}", self.0),
        }
    }

    pub(crate) fn erasures(self) -> String {
        format!("A#{}#D", self.0)
    }

    pub(crate) fn sealed(self, partition: Partition) -> String {
        format!("A#{}#E#{partition}", self.0)
    }

    pub(crate) fn webhooks(self) -> String {
        format!("A#{}#W", self.0)
    }

    pub(crate) fn objects(self, kind: &str) -> String {
        format!("{kind}/{}/", self.0)
    }
}

/// An account that may be worked on: made by [`crate::account::Account::scope`] only.
#[derive(Debug, Clone)]
pub struct AccountScope {
    account: AccountId,
    key: AccountKey,
}

impl AccountScope {
    pub(crate) fn new(account: AccountId, key: AccountKey) -> Self {
        Self { account, key }
    }

    fn places(&self) -> Places<'_> {
        Places(&self.account)
    }

    /// Whose scope it is.
    pub fn account(&self) -> &AccountId {
        &self.account
    }

    /// Names the account's key without giving it away.
    pub fn key_fingerprint(&self) -> String {
        self.key.fingerprint()
    }

    /// The person with this address in this account.
    pub fn person(&self, address: &EmailAddress) -> PersonKey {
        self.key.person(address)
    }

    /// The partition with the account's configuration.
    pub fn configuration_partition(&self) -> String {
        self.places().configuration()
    }

    /// A configured thing: `kind` is `list`, `setup`, `field`, ...
    pub fn configuration(&self, kind: &str, id: &str) -> Key {
        Key::main(self.configuration_partition(), format!("{kind}#{id}"))
    }

    /// The partition with the profiles and withdrawal items of one sixteenth of the people.
    pub fn profiles(&self, partition: Partition) -> String {
        self.places().profiles(partition)
    }

    /// A person's profile.
    pub fn profile(&self, person: PersonKey) -> Key {
        Key::main(self.profiles(person.partition()), person.to_string())
    }

    /// A person's withdrawal item, which the query for the profile returns too.
    pub fn withdrawal(&self, person: PersonKey) -> Key {
        Key::main(self.profiles(person.partition()), format!("{person}!w"))
    }

    /// The partition with the records of one sixteenth of the people.
    pub fn records(&self, partition: Partition) -> String {
        self.places().records(partition)
    }

    /// One record of a person: `kind` is `signup`, `unsub`, `outbox`, ...
    pub fn record(&self, person: PersonKey, kind: &str, event: EventId) -> Key {
        Key::main(
            self.records(person.partition()),
            format!("{person}#{kind}#{event}"),
        )
    }

    /// What all records of one kind of a person begin with.
    pub fn record_prefix(&self, person: PersonKey, kind: &str) -> String {
        format!("{person}#{kind}#")
    }

    /// The partition with the tombstones of one sixteenth of the people.
    pub fn tombstones(&self, partition: Partition) -> String {
        self.places().tombstones(partition)
    }

    /// A person's tombstone.
    pub fn tombstone(&self, person: PersonKey) -> Key {
        Key {
            table: Table::Tombstones,
            pk: self.tombstones(person.partition()),
            sk: person.to_string(),
        }
    }

    /// The partition of the account's erasures.
    pub fn erasures_partition(&self) -> String {
        self.places().erasures()
    }

    /// An erasure of a person.
    pub fn erasure(&self, person: PersonKey, event: EventId) -> Key {
        Key::main(self.erasures_partition(), format!("{person}#{event}"))
    }

    /// What the keys of all erasures of a person begin with.
    pub fn erasure_prefix(&self, person: PersonKey) -> String {
        format!("{person}#")
    }

    /// The partition with the sealed evidence of one sixteenth of the erased people.
    pub fn sealed_partition(&self, partition: Partition) -> String {
        self.places().sealed(partition)
    }

    /// A sealed record of an erased person.
    pub fn sealed(&self, person: PersonKey, event: EventId) -> Key {
        Key::main(
            self.sealed_partition(person.partition()),
            format!("{person}#{event}"),
        )
    }

    /// The partition of the account's webhooks and what is told through them.
    pub fn webhooks_partition(&self) -> String {
        self.places().webhooks()
    }

    /// The partition of the account's evidence ledger: leaves, pages and seals.
    pub fn evidence_partition(&self) -> String {
        self.places().evidence()
    }

    /// Something of the evidence ledger.
    pub fn evidence(&self, sk: impl Into<String>) -> Key {
        Key::main(self.evidence_partition(), sk)
    }

    /// The partition of the account's audit log.
    pub fn audit_partition(&self) -> String {
        self.places().audit()
    }

    /// An entry of the audit log.
    pub fn audit(&self, entry: EventId) -> Key {
        Key::main(self.audit_partition(), entry.to_string())
    }

    /// The partition of a campaign's control item and arcs.
    pub fn campaign_partition(&self, campaign: &CampaignId) -> String {
        self.places().campaign(campaign)
    }

    /// Something of a campaign: `control`, `arc#…`.
    pub fn campaign(&self, campaign: &CampaignId, sk: impl Into<String>) -> Key {
        Key::main(self.campaign_partition(campaign), sk)
    }

    /// The send ledger of one arc.
    pub fn ledger_partition(&self, campaign: &CampaignId, round: u16, arc: u32) -> String {
        self.places().ledger(campaign, round, arc)
    }

    /// Entry `number` of the send ledger of one arc; numbers sort as text.
    pub fn ledger_entry(&self, campaign: &CampaignId, round: u16, arc: u32, number: u32) -> Key {
        Key::main(
            self.ledger_partition(campaign, round, arc),
            format!("e#{number:08}"),
        )
    }

    /// The partition of an import's chunks, which hold its report rows.
    pub fn import_partition(&self, import: &ImportId) -> String {
        self.places().import(import)
    }

    /// Something of an import.
    pub fn import(&self, import: &ImportId, sk: impl Into<String>) -> Key {
        Key::main(self.import_partition(import), sk)
    }

    /// The quarantine of a restore: what one sixteenth of the people, or with `None` the
    /// configuration, will be once a person releases it. No other read goes there.
    pub fn quarantine_partition(
        &self,
        restore: &RestoreId,
        partition: Option<Partition>,
    ) -> String {
        self.places().quarantine(restore, partition)
    }

    /// Something in a restore's quarantine.
    pub fn quarantine(
        &self,
        restore: &RestoreId,
        partition: Option<Partition>,
        sk: impl Into<String>,
    ) -> Key {
        Key::main(self.quarantine_partition(restore, partition), sk)
    }

    /// The prefix of the account's objects of one kind in the bucket: `archives`, `imports`, ...
    pub fn object_prefix(&self, kind: &str) -> String {
        self.places().objects(kind)
    }
}
