//! The daily archive of an account: what it is made of, when it exists, what its manifest says.
//!
//! Decides only; reading the table and writing the objects is `backup`'s part, deleting them
//! `retention`'s.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{AccountId, BackupId, Partition};
use crate::key::{AccountScope, Key};
use crate::policy::Store;
use crate::record::{Due, DueWork, Stored};
use crate::time::{plus_days, to_millisecond};

/// What is in an archive, and nothing else (S-23, S-25).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ArchiveSet {
    /// One record per subscriber: the profile, and in `withdrawal` what the person withdrew, so
    /// that no restore can bring back a consent that is gone.
    Subscribers,
    /// The evidence of sign-ups, the unconfirmed ones included.
    #[serde(rename = "signups")]
    SignUps,
    /// The evidence of leaving.
    Unsubscriptions,
    /// Target groups.
    TargetGroups,
    /// Interests.
    Interests,
    /// Templates.
    Templates,
    /// Personalisation helpers.
    Helpers,
    /// Dynamic contents.
    DynamicContents,
    /// Lists, which the others refer to.
    Lists,
    /// Declared fields, which the others refer to.
    Fields,
    /// Sign-up setups, which the others refer to.
    Setups,
}

impl ArchiveSet {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Subscribers,
        Self::SignUps,
        Self::Unsubscriptions,
        Self::TargetGroups,
        Self::Interests,
        Self::Templates,
        Self::Helpers,
        Self::DynamicContents,
        Self::Lists,
        Self::Fields,
        Self::Setups,
    ];

    /// Its name in manifests and objects.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Subscribers => "subscribers",
            Self::SignUps => "signups",
            Self::Unsubscriptions => "unsubscriptions",
            Self::TargetGroups => "target_groups",
            Self::Interests => "interests",
            Self::Templates => "templates",
            Self::Helpers => "helpers",
            Self::DynamicContents => "dynamic_contents",
            Self::Lists => "lists",
            Self::Fields => "fields",
            Self::Setups => "setups",
        }
    }

    /// The store that it is read from in the account's configuration; `None` for what is read
    /// from the sixteen partitions of people.
    pub const fn configuration(self) -> Option<Store> {
        match self {
            Self::Subscribers | Self::SignUps | Self::Unsubscriptions => None,
            Self::TargetGroups => Some(Store::TargetGroup),
            Self::Interests => Some(Store::Interest),
            Self::Templates => Some(Store::Template),
            Self::Helpers => Some(Store::Helper),
            Self::DynamicContents => Some(Store::DynamicContent),
            Self::Lists => Some(Store::List),
            Self::Fields => Some(Store::Field),
            Self::Setups => Some(Store::Setup),
        }
    }
}

/// One of an archive's seventeen parts: a sixteenth of the people, or the configuration, which
/// is read last so that whatever people refer to is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartName {
    /// A sixteenth of the people.
    People(Partition),
    /// The configuration.
    Configuration,
}

impl PartName {
    /// From a queue message.
    pub fn of(partition: Option<u8>) -> Option<Self> {
        match partition {
            None => Some(Self::Configuration),
            Some(number) => Partition::new(number).map(Self::People),
        }
    }

    /// In names of objects and keys.
    pub fn text(self) -> String {
        match self {
            Self::People(partition) => partition.to_string(),
            Self::Configuration => "configuration".to_owned(),
        }
    }
}

/// An object of an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveObject {
    /// The whole key in the bucket.
    pub key: String,
    /// Records, one a line.
    pub count: u64,
    /// SHA-256 of the lines, before compression.
    pub sha256: String,
}

/// What one part has written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchivePart {
    /// Of which archive.
    pub backup: BackupId,
    /// Which part.
    pub part: PartName,
    /// 1: written once.
    pub rev: u64,
    /// Its objects by set, in order.
    pub sets: BTreeMap<ArchiveSet, Vec<ArchiveObject>>,
    /// When it counts as absent.
    pub gone_at: Timestamp,
}

impl ArchivePart {
    /// What the keys of an archive's parts begin with, in the account's partition.
    pub fn prefix(backup: &BackupId) -> String {
        format!("{}#{backup}#", Self::KIND)
    }

    /// How many records it has.
    pub fn records(&self) -> u64 {
        self.sets
            .values()
            .flatten()
            .map(|object| object.count)
            .sum()
    }

    /// What this part has written.
    pub fn new(
        backup: BackupId,
        part: PartName,
        sets: BTreeMap<ArchiveSet, Vec<ArchiveObject>>,
        now: Timestamp,
    ) -> Self {
        Self {
            backup,
            part,
            rev: 1,
            sets,
            gone_at: Store::ArchivePart
                .kept()
                .until(now)
                .unwrap_or(Timestamp::MAX),
        }
    }
}

/// One set in a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetSummary {
    /// Records.
    pub count: u64,
    /// SHA-256 of all its lines before compression, object after object in the manifest's order.
    pub sha256: String,
}

/// What says that an archive exists and what is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of this format.
    pub format: u8,
    /// Whose archive.
    pub account: AccountId,
    /// Which one.
    pub backup: BackupId,
    /// When it was begun: what it holds is at least as new.
    pub created_at: Timestamp,
    /// Names the key that persons' identifiers are made with.
    pub key_fingerprint: String,
    /// All eleven sets.
    pub sets: BTreeMap<ArchiveSet, SetSummary>,
    /// The objects of each set, in order.
    pub objects: BTreeMap<ArchiveSet, Vec<ArchiveObject>>,
}

/// The format that is written today.
pub const ARCHIVE_FORMAT: u8 = 1;

/// An archive and its entry in the catalogue: written before the first object, so that none can
/// be forgotten; it exists from its manifest on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Archive {
    /// Whose.
    pub account: AccountId,
    /// Which.
    pub id: BackupId,
    /// 1, and 2 once complete.
    pub rev: u64,
    /// When it was begun.
    pub created_at: Timestamp,
    /// From when on it counts as absent, to the second (T-06).
    pub gone_at: Timestamp,
    /// What is in it, once it is complete.
    #[serde(default)]
    pub manifest: Option<Manifest>,
}

/// The TTL is this much later than the end: were the entry gone first, nothing would name the
/// objects any more but the bucket's lifecycle rule.
const ENTRY_BACKSTOP_DAYS: u32 = 2;

impl Archive {
    /// A new archive of an account.
    pub fn begin(account: AccountId, id: BackupId, now: Timestamp) -> Self {
        let created_at = to_millisecond(now);
        Self {
            account,
            id,
            rev: 1,
            created_at,
            gone_at: Store::Archive
                .kept()
                .until(created_at)
                .unwrap_or(created_at),
            manifest: None,
        }
    }

    /// What the keys of the catalogue begin with, in the account's partition.
    pub fn catalogue_prefix() -> String {
        format!("{}#", Self::KIND)
    }

    /// Where an archive's entry is.
    pub fn place(scope: &AccountScope, id: &BackupId) -> Key {
        scope.configuration(Self::KIND, id.as_str())
    }

    /// What the keys of all its objects begin with.
    pub fn object_prefix(&self) -> String {
        format!("archives/{}/{}/", self.account, self.id)
    }

    /// The key of its manifest in the bucket.
    pub fn manifest_key(&self) -> String {
        format!("{}manifest.json", self.object_prefix())
    }

    /// The key of an object. Two attempts at one part may read different things; as the name
    /// says what is in it, neither can overwrite the other's.
    pub fn object_key(
        &self,
        set: ArchiveSet,
        part: PartName,
        number: usize,
        sha256: &str,
    ) -> String {
        let (prefix, set) = (self.object_prefix(), set.name());
        let hash = sha256.get(..12).unwrap_or(sha256);
        match part {
            PartName::People(partition) => {
                format!("{prefix}{set}-{partition}-{number}-{hash}.ndjson.zst")
            }
            PartName::Configuration => format!("{prefix}{set}-{number}-{hash}.ndjson.zst"),
        }
    }

    /// Whether its time is over.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.gone_at <= now
    }

    /// Its manifest, if it exists at `now`: complete, and not over.
    pub fn listed(&self, now: Timestamp) -> Option<&Manifest> {
        self.manifest.as_ref().filter(|_| !self.is_over(now))
    }

    /// The entry once all parts are there; `None` while one is missing.
    #[must_use]
    pub fn completed(&self, manifest: Manifest) -> Self {
        Self {
            rev: self.rev + 1,
            manifest: Some(manifest),
            ..self.clone()
        }
    }

    /// The objects of each set in order, from the results of all seventeen parts; `None` while
    /// one is missing.
    pub fn objects(parts: &[ArchivePart]) -> Option<BTreeMap<ArchiveSet, Vec<ArchiveObject>>> {
        let mut objects: BTreeMap<ArchiveSet, Vec<ArchiveObject>> = ArchiveSet::ALL
            .into_iter()
            .map(|set| (set, Vec::new()))
            .collect();
        let names = Partition::all()
            .map(PartName::People)
            .chain([PartName::Configuration]);
        for name in names {
            let part = parts.iter().find(|part| part.part == name)?;
            for (set, written) in &part.sets {
                objects
                    .entry(*set)
                    .or_default()
                    .extend(written.iter().cloned());
            }
        }
        Some(objects)
    }

    /// Whether all sixteen parts of the people are written: the configuration's turn.
    pub fn has_all_people(parts: &[ArchivePart]) -> bool {
        Partition::all().all(|partition| {
            parts
                .iter()
                .any(|part| part.part == PartName::People(partition))
        })
    }
}

impl Stored for Archive {
    const KIND: &'static str = "backup";

    fn key(&self, scope: &AccountScope) -> Key {
        Self::place(scope, &self.id)
    }

    fn revision(&self) -> u64 {
        self.rev
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(plus_days(self.gone_at, ENTRY_BACKSTOP_DAYS))
    }

    fn due(&self) -> Option<Due> {
        Some(Due {
            work: DueWork::Expire,
            at: self.gone_at,
        })
    }
}

impl Stored for ArchivePart {
    const KIND: &'static str = "backup_part";

    fn key(&self, scope: &AccountScope) -> Key {
        scope.configuration(Self::KIND, &format!("{}#{}", self.backup, self.part.text()))
    }

    fn revision(&self) -> u64 {
        self.rev
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.gone_at)
    }

    fn due(&self) -> Option<Due> {
        Some(Due {
            work: DueWork::Expire,
            at: self.gone_at,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive() -> Archive {
        Archive::begin(
            AccountId::parse("shop").unwrap(),
            BackupId::parse("bak_20270101t030000z").unwrap(),
            "2027-01-01T03:00:00.123456Z".parse().unwrap(),
        )
    }

    fn part(part: PartName, set: ArchiveSet, key: &str) -> ArchivePart {
        let object = ArchiveObject {
            key: key.to_owned(),
            count: 1,
            sha256: String::new(),
        };
        ArchivePart::new(
            archive().id,
            part,
            BTreeMap::from([(set, vec![object])]),
            archive().created_at,
        )
    }

    #[test]
    fn an_archive_exists_from_its_manifest_to_the_last_second_of_two_weeks() {
        let archive = archive();
        let manifest = Manifest {
            format: ARCHIVE_FORMAT,
            account: archive.account.clone(),
            backup: archive.id.clone(),
            created_at: archive.created_at,
            key_fingerprint: String::new(),
            sets: BTreeMap::new(),
            objects: BTreeMap::new(),
        };
        let complete = archive.completed(manifest);
        for (at, exists) in [
            ("2027-01-01T03:00:00.123Z", true),
            ("2027-01-15T03:00:00.122Z", true),
            ("2027-01-15T03:00:00.123Z", false),
            ("2027-01-15T03:00:01Z", false),
        ] {
            let at: Timestamp = at.parse().unwrap();
            assert_eq!(complete.listed(at).is_some(), exists, "{at}");
            assert_eq!(archive.listed(at), None, "no manifest, no archive");
        }
        assert_eq!(complete.due().unwrap().at, complete.gone_at);
        assert!(complete.expires_at().unwrap() > complete.gone_at);
    }

    #[test]
    fn objects_stand_in_the_order_of_partitions_and_only_when_all_parts_are_there() {
        let mut parts: Vec<_> = Partition::all()
            .rev()
            .map(|partition| {
                part(
                    PartName::People(partition),
                    ArchiveSet::SignUps,
                    &partition.to_string(),
                )
            })
            .collect();
        assert!(Archive::has_all_people(&parts));
        assert_eq!(Archive::objects(&parts), None);
        parts.push(part(PartName::Configuration, ArchiveSet::Lists, "lists"));
        let objects = Archive::objects(&parts).unwrap();
        let keys: String = objects[&ArchiveSet::SignUps]
            .iter()
            .map(|object| object.key.as_str())
            .collect();
        assert_eq!(keys, "0123456789abcdef");
        assert_eq!(objects.len(), ArchiveSet::ALL.len());
        parts.remove(3);
        assert!(!Archive::has_all_people(&parts));
        assert_eq!(Archive::objects(&parts), None);
    }

    #[test]
    fn names_of_sets_are_those_on_the_wire() {
        for set in ArchiveSet::ALL {
            assert_eq!(serde_json::to_value(set).unwrap(), set.name());
        }
    }
}
