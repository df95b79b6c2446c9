//! Restoring an account's archive: how far a restore is, what is in quarantine, what is frozen.
//!
//! Decides only. What becomes of one archived record is `replay`'s part; reading the archive and
//! writing the tables the function's.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::archive::ArchiveSet;
use crate::id::{BackupId, Partition, PersonKey, RestoreId};
use crate::key::{AccountScope, Key};
use crate::policy::Store;
use crate::record::{Due, DueWork, Expect, Record, Stored, Transaction};

pub mod full;
pub mod replay;

use replay::Fate;

/// How far a restore is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RestoreState {
    /// Asked for; sending is frozen from here on.
    Queued,
    /// The archive is read and checked; nothing is written.
    Verifying,
    /// What would be added goes into quarantine.
    Staging,
    /// Waits for a person to look at the difference.
    Staged,
    /// What is in quarantine goes where it belongs.
    Releasing,
    /// Done; sending is allowed again.
    Released,
    /// The archive cannot be restored; nothing was changed.
    Refused,
    /// A person decided against it; nothing was changed.
    Discarded,
}

impl RestoreState {
    /// Whether it is over, so that another may begin.
    pub const fn is_over(self) -> bool {
        match self {
            Self::Queued | Self::Verifying | Self::Staging | Self::Staged | Self::Releasing => {
                false
            }
            Self::Released | Self::Refused | Self::Discarded => true,
        }
    }
}

/// What is wrong with an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Damage {
    /// Its two weeks are over, or its entry is gone.
    ArchiveGone,
    /// The bucket has no manifest: an archive without one does not exist.
    ManifestMissing,
    /// The bucket's manifest is not the catalogue's.
    ManifestDamaged,
    /// It was written by another version of this program.
    UnknownFormat,
    /// It is another account's.
    ForeignAccount,
    /// It was made with another key: this stack has not got this account's tombstones, so nobody
    /// here knows who must not come back.
    ForeignKey,
    /// The account's mark is not beside its tombstones, or is another's: they are lost or were never
    /// here, and nobody here knows who must not come back.
    TombstonesMissing,
    /// An object is not there.
    ObjectMissing,
    /// An object is not what was written.
    ObjectDamaged,
    /// A set is not what was written, object by object though it seems to be.
    SetDamaged,
    /// A line is no record of its set.
    RecordUnreadable,
    /// The same record stands in it twice.
    RecordRepeated,
    /// Its first message could not be queued; whoever asked was told so.
    NotQueued,
}

/// A problem with its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// What is wrong.
    pub code: Damage,
    /// In which set.
    #[serde(default)]
    pub set: Option<ArchiveSet>,
    /// In which object.
    #[serde(default)]
    pub object: Option<String>,
}

impl From<Damage> for Problem {
    fn from(code: Damage) -> Self {
        Self {
            code,
            set: None,
            object: None,
        }
    }
}

/// What became of the records of one set, in numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Absent today: they come back.
    pub added: u64,
    /// There today: they stay as they are.
    pub present: u64,
    /// A tombstone speaks against it.
    pub dropped_tombstone: u64,
    /// Their time is over (T-05).
    pub dropped_expired: u64,
}

impl Tally {
    /// One more.
    pub fn count(&mut self, fate: Fate) {
        *match fate {
            Fate::Added => &mut self.added,
            Fate::Present => &mut self.present,
            Fate::DroppedTombstone => &mut self.dropped_tombstone,
            Fate::DroppedExpired => &mut self.dropped_expired,
        } += 1;
    }
}

/// Sets with their numbers.
pub type Difference = BTreeMap<ArchiveSet, Tally>;

/// How many persons are named at most (engineering): the record stays below 20 KB.
const MAX_NAMED: usize = 500;

/// How far the work is. Each part of it is written together with what it did, so that a restore
/// that is killed at any step goes on there, and a message that comes twice has no effect.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Sets that were verified.
    pub verified: usize,
    /// Objects whose lines are all staged.
    pub objects: usize,
    /// Lines of the next object that are staged.
    pub lines: usize,
    /// Partitions that were released; the configuration is the first.
    pub partitions: u8,
    /// The last sort key of the next partition that was released.
    #[serde(default)]
    pub after: Option<String>,
}

/// A restore of an account's archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restore {
    /// Which.
    pub id: RestoreId,
    /// Grows with each write.
    pub rev: u64,
    /// Of which archive.
    pub backup: BackupId,
    /// How far it is.
    pub state: RestoreState,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// How often the work was handed on to another message.
    pub leg: u32,
    /// How far the work is.
    pub place: Place,
    /// What a release would change, as it was when it was staged.
    pub difference: Difference,
    /// Whom tombstones hold back, by key only; the first of them.
    #[serde(default)]
    pub dropped: BTreeSet<PersonKey>,
    /// Whether there are more.
    #[serde(default)]
    pub more_dropped: bool,
    /// What the release did: people left and were erased since it was staged.
    #[serde(default)]
    pub released: Difference,
    /// What is wrong with the archive.
    #[serde(default)]
    pub problems: Vec<Problem>,
    /// When everything was staged.
    #[serde(default)]
    pub staged_at: Option<Timestamp>,
    /// When it was over.
    #[serde(default)]
    pub ended_at: Option<Timestamp>,
    /// When it counts as absent, once it is over: until then it can be decided, as it holds the
    /// account's sending.
    pub gone_at: Timestamp,
}

impl Restore {
    /// A restore that begins now.
    pub fn begin(id: RestoreId, backup: BackupId, now: Timestamp) -> Self {
        Self {
            id,
            rev: 1,
            backup,
            state: RestoreState::Queued,
            created_at: now,
            leg: 0,
            place: Place::default(),
            difference: ArchiveSet::ALL
                .into_iter()
                .map(|set| (set, Tally::default()))
                .collect(),
            dropped: BTreeSet::new(),
            more_dropped: false,
            released: Difference::new(),
            problems: Vec::new(),
            staged_at: None,
            ended_at: None,
            gone_at: Store::Restore.kept().until(now).unwrap_or(Timestamp::MAX),
        }
    }

    /// What the keys of all restores begin with, in the account's partition.
    pub fn prefix() -> String {
        format!("{}#", Self::KIND)
    }

    /// Where a restore is kept.
    pub fn place(scope: &AccountScope, id: &RestoreId) -> Key {
        scope.configuration(Self::KIND, id.as_str())
    }

    /// The restore and the freeze, together: there is one of each at a time.
    pub fn beginning(&self) -> Transaction {
        let mut transaction = Transaction::default();
        let freeze = Freeze {
            restore: self.id.clone(),
            rev: 1,
            gone_at: None,
        };
        transaction
            .put(Record::Freeze(freeze), Expect::Absent)
            .put(Record::Restore(Box::new(self.clone())), Expect::Absent);
        transaction
    }

    /// What is in quarantine counts as absent from here on, released or not.
    pub fn quarantined_until(&self) -> Timestamp {
        Store::Quarantine
            .kept()
            .until(self.created_at)
            .unwrap_or(self.created_at)
    }

    /// The restore in another state.
    #[must_use]
    pub fn moved(&self, state: RestoreState) -> Self {
        Self {
            rev: self.rev + 1,
            state,
            ..self.clone()
        }
    }

    /// Names somebody whom a tombstone holds back.
    pub fn name_dropped(&mut self, person: PersonKey) {
        if self.dropped.contains(&person) {
            return;
        }
        if self.dropped.len() < MAX_NAMED {
            self.dropped.insert(person);
        } else {
            self.more_dropped = true;
        }
    }

    /// The end of it, and of the freeze that is its own. `self` is as it was read.
    pub fn ending(&self, ended: Self, freeze: Option<&Freeze>, now: Timestamp) -> Transaction {
        let mut transaction = Transaction::default();
        let ended = Self {
            rev: self.rev + 1,
            ended_at: Some(now),
            gone_at: Store::Restore.kept().until(now).unwrap_or(Timestamp::MAX),
            ..ended
        };
        transaction.put(Record::Restore(Box::new(ended)), Expect::Revision(self.rev));
        if let Some(freeze) = freeze.filter(|freeze| freeze.restore == self.id) {
            let lifted = Freeze {
                rev: freeze.rev + 1,
                gone_at: Some(now),
                ..freeze.clone()
            };
            transaction.put(Record::Freeze(lifted), Expect::Revision(freeze.rev));
        }
        transaction
    }
}

/// Holds all list mail of an account while a restore is under way: no campaign starts or goes on
/// while it is there. Its campaigns' logs are in no archive, and who left meanwhile is known only
/// once the tombstones are replayed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freeze {
    /// Which restore.
    pub restore: RestoreId,
    /// Grows with each write.
    pub rev: u64,
    /// When it was lifted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gone_at: Option<Timestamp>,
}

impl Freeze {
    /// Where it is kept.
    pub fn place(scope: &AccountScope) -> Key {
        scope.configuration(Self::KIND, "sending")
    }
}

/// A line of an archive: a person's data, or a part of the configuration.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ArchivedLine(String);

impl ArchivedLine {
    /// Takes a line as it was read.
    pub fn new(line: String) -> Self {
        Self(line)
    }

    /// The line itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ArchivedLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ArchivedLine(***)")
    }
}

/// A line of an archive, in quarantine: as it was in the archive, so that the release decides
/// about it anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Staged {
    /// By which restore.
    pub restore: RestoreId,
    /// 1: written once.
    pub rev: u64,
    /// Of which set.
    pub set: ArchiveSet,
    /// The sixteenth of the people; none for the configuration.
    #[serde(default)]
    pub partition: Option<Partition>,
    /// The sort key: people by person, configuration in the order of references.
    pub order: String,
    /// The line.
    pub line: ArchivedLine,
    /// When it counts as absent.
    pub gone_at: Timestamp,
}

/// A configured thing out of an archive, as it was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Configured {
    /// Its members, kind and identifier among them.
    #[serde(flatten)]
    members: Map<String, Value>,
}

impl Configured {
    /// Reads a line; `None` when it is no thing of this set.
    pub fn parse(set: ArchiveSet, line: &str) -> Option<Self> {
        let kinds = set.configuration()?.kinds();
        let Ok(Value::Object(members)) = serde_json::from_str(line) else {
            return None;
        };
        let configured = Self { members };
        let is_whole = kinds.contains(&configured.kind())
            && crate::id::ListId::parse(configured.id()).is_ok()
            && configured.revision() > 0;
        is_whole.then_some(configured)
    }

    /// The item's kind.
    pub fn kind(&self) -> &str {
        self.text("kind")
    }

    /// Its identifier; fields call it their key.
    pub fn id(&self) -> &str {
        match self.text("id") {
            "" => self.text("key"),
            id => id,
        }
    }

    fn text(&self, name: &str) -> &str {
        self.members
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }
}

impl Stored for Restore {
    const KIND: &'static str = "restore";

    fn key(&self, scope: &AccountScope) -> Key {
        Self::place(scope, &self.id)
    }

    fn revision(&self) -> u64 {
        self.rev
    }

    fn expires_at(&self) -> Option<Timestamp> {
        self.ended_at.map(|_| self.gone_at)
    }

    fn due(&self) -> Option<Due> {
        self.expires_at().map(|at| Due {
            work: DueWork::Expire,
            at,
        })
    }
}

impl Stored for Freeze {
    const KIND: &'static str = "freeze";

    fn key(&self, scope: &AccountScope) -> Key {
        Self::place(scope)
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

impl Stored for Staged {
    const KIND: &'static str = "staged";

    fn key(&self, scope: &AccountScope) -> Key {
        scope.quarantine(&self.restore, self.partition, self.order.clone())
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

impl Stored for Configured {
    // One of them; the store puts the thing's own kind in its place.
    const KIND: &'static str = "list";

    fn key(&self, scope: &AccountScope) -> Key {
        scope.configuration(self.kind(), self.id())
    }

    fn revision(&self) -> u64 {
        self.members
            .get("rev")
            .and_then(Value::as_u64)
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Step;

    #[test]
    fn a_line_of_the_configuration_is_taken_for_what_its_set_holds_and_for_nothing_else() {
        let list = r#"{"id":"news","kind":"list","name":"Neues","rev":3}"#;
        let field = r#"{"key":"size","kind":"field","rev":1}"#;
        let read = |set, line| Configured::parse(set, line);
        let found = read(ArchiveSet::Lists, list).unwrap();
        assert_eq!(
            (found.kind(), found.id(), found.revision()),
            ("list", "news", 3)
        );
        assert_eq!(read(ArchiveSet::Fields, field).unwrap().id(), "size");
        for (set, line) in [
            (ArchiveSet::Setups, list),
            (ArchiveSet::Subscribers, list),
            (ArchiveSet::Lists, r#"{"id":"news","kind":"key","rev":1}"#),
            (ArchiveSet::Lists, r#"{"id":"a#b","kind":"list","rev":1}"#),
            (ArchiveSet::Lists, r#"{"id":"news","kind":"list"}"#),
            (ArchiveSet::Lists, r#"["news"]"#),
            (ArchiveSet::Lists, "{"),
        ] {
            assert_eq!(read(set, line), None, "{line}");
        }
    }

    #[test]
    fn an_end_lifts_the_freeze_that_is_its_own_and_no_other() {
        let now: Timestamp = "2027-01-01T00:00:00Z".parse().unwrap();
        let id = |text| RestoreId::parse(text).unwrap();
        let backup = BackupId::parse("bak_1").unwrap();
        let restore = Restore::begin(id("rst_1"), backup, now);
        for (freeze, steps) in [("rst_1", 2), ("rst_2", 1)] {
            let freeze = Freeze {
                restore: id(freeze),
                rev: 1,
                gone_at: None,
            };
            let ended = restore.moved(RestoreState::Discarded);
            let later = now + jiff::SignedDuration::from_hours(24 * 1_000);
            let transaction = restore.ending(ended, Some(&freeze), later);
            assert_eq!(transaction.0.len(), steps);
            // Until then it is there to be decided; from then on for twelve months.
            assert_eq!((restore.expires_at(), restore.due()), (None, None));
            let Step::Put(Record::Restore(ended), _) = &transaction.0[0] else {
                panic!("the restore");
            };
            assert!(ended.expires_at() > Some(later) && ended.due().is_some());
        }
        assert!(format!("{:?}", ArchivedLine::new("geheim".to_owned())).contains("***"));
    }
}
