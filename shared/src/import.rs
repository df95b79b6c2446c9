//! CSV imports: where the data come from, how far an import is, and what it did.
//!
//! Decides only. What one row leads to is `decision`'s part, exactly-once progress `chunk`'s;
//! reading the file is `subscriber_file`'s.

use std::collections::HashSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{ImportId, ListId, PersonKey};
use crate::key::{AccountScope, Key};
use crate::policy::Store;
use crate::record::{Due, DueWork, Expect, Record, Stored, Transaction};
use crate::subscriber_file::{Layout, Outcome};

mod chunk;
mod decision;
mod provenance;
mod upload;

#[cfg(test)]
mod tests;

pub use chunk::{Batch, ImportChunk, LIVE_ROWS_PER_BATCH, Row, Run};
pub use decision::{Decision, SkipReason, decide};
pub use provenance::{
    ClaimedProvenance, MAX_PROOF_CHARACTERS, MAX_SOURCE_CHARACTERS, Provenance, SoftOptInCondition,
};
pub use upload::Upload;

/// How far an import is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImportState {
    /// Taken, nothing read yet.
    Queued,
    /// Being read.
    Running,
    /// Each row has its outcome.
    Finished,
    /// Given up; what was written before stays, and its rows are in the report.
    Failed,
}

/// Why an import was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImportFailure {
    /// The stored file is not there (any more): files are kept for 24 hours.
    FileMissing,
    /// The stored file is not the one that was taken.
    FileDamaged,
    /// The list was deleted meanwhile.
    ListGone,
    /// Its messages could not all be queued; whoever sent it was told so.
    NotQueued,
}

/// How many rows came to what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// New subscribers.
    pub created: u32,
    /// Known ones.
    pub updated: u32,
    /// Left alone.
    pub skipped: u32,
    /// Not readable.
    pub failed: u32,
}

impl Tally {
    /// Counts rows.
    pub fn add(&mut self, outcome: Outcome, rows: u32) {
        *match outcome {
            Outcome::Created => &mut self.created,
            Outcome::Updated => &mut self.updated,
            Outcome::Skipped => &mut self.skipped,
            Outcome::Failed => &mut self.failed,
        } += rows;
    }

    /// All rows counted.
    pub fn rows(&self) -> u32 {
        self.created + self.updated + self.skipped + self.failed
    }

    fn plus(mut self, other: Self) -> Self {
        self.created += other.created;
        self.updated += other.updated;
        self.skipped += other.skipped;
        self.failed += other.failed;
        self
    }
}

/// An import. Kept as long as the account: consents name it as their proof (T-15).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Import {
    /// Which.
    pub id: ImportId,
    /// Grows with each write.
    pub rev: u64,
    /// Where the data come from.
    pub provenance: Provenance,
    /// The list that the people are subscribed to.
    pub list: ListId,
    /// Only says what would happen.
    #[serde(default)]
    pub dry_run: bool,
    /// When it was taken; the consents it brings count from then on.
    pub created_at: Timestamp,
    /// How to read the file; without the chunks, which are kept apart.
    pub layout: Layout,
    /// How many chunks there are.
    pub chunks: u32,
    /// How many of them are closed.
    pub chunks_closed: u32,
    /// What came of the rows of closed chunks.
    pub tally: Tally,
    /// How far it is.
    pub state: ImportState,
    /// Why it was given up.
    #[serde(default)]
    pub failure: Option<ImportFailure>,
    /// When it was finished or given up.
    #[serde(default)]
    pub ended_at: Option<Timestamp>,
    /// How its file comes, where it did not come with the request.
    #[serde(default)]
    pub upload: Option<Upload>,
}

/// What is asked for.
#[derive(Debug, Clone)]
pub struct ImportRequest {
    /// The new import.
    pub id: ImportId,
    /// Where the data come from.
    pub provenance: Provenance,
    /// The list that the people are subscribed to.
    pub list: ListId,
    /// Only say what would happen.
    pub dry_run: bool,
    /// Now.
    pub now: Timestamp,
}

impl Import {
    /// An import whose file of so many octets is to be uploaded, started, and read then.
    pub fn awaiting(request: ImportRequest, octets: u32) -> Self {
        Self {
            id: request.id,
            rev: 1,
            provenance: request.provenance,
            list: request.list,
            dry_run: request.dry_run,
            created_at: request.now,
            layout: Layout::none(),
            chunks: 0,
            chunks_closed: 0,
            tally: Tally::default(),
            state: ImportState::Queued,
            failure: None,
            ended_at: None,
            upload: Some(Upload::of(octets, request.now)),
        }
    }

    /// The import once its file is there and may be read: `header` is its header row's layout.
    pub fn started(&self, header: Layout, now: Timestamp) -> Option<Self> {
        let upload = self.upload.as_ref()?.started(now)?;
        Some(Self {
            rev: self.rev + 1,
            layout: header,
            upload: Some(upload),
            ..self.clone()
        })
    }

    /// The import once its uploaded file was read through, with its chunks. The same file gives
    /// the same chunks however often it is read.
    pub fn planned(&self, scope: &AccountScope, file: &[u8]) -> Option<(Self, Vec<ImportChunk>)> {
        let upload = self.upload.as_ref()?.planned()?;
        let mut layout = self.layout.clone();
        layout.find_chunks(file);
        let request = ImportRequest {
            id: self.id.clone(),
            provenance: self.provenance.clone(),
            list: self.list.clone(),
            dry_run: self.dry_run,
            now: self.created_at,
        };
        let (import, chunks) = Self::of_file(scope, request, layout, file);
        let import = Self {
            rev: self.rev + 1,
            upload: Some(upload),
            ..import
        };
        Some((import, chunks))
    }

    /// An import of `file` with its chunks.
    ///
    /// Which rows repeat an address is settled here, where all rows are seen: the first readable
    /// row of a person counts, whichever chunk is worked on first, and nothing of a person needs
    /// to be remembered for it.
    pub fn of_file(
        scope: &AccountScope,
        request: ImportRequest,
        mut layout: Layout,
        file: &[u8],
    ) -> (Self, Vec<ImportChunk>) {
        let mut seen: HashSet<PersonKey> = HashSet::new();
        let chunks: Vec<ImportChunk> = (0..)
            .zip(layout.take_chunks())
            .map(|(number, place)| {
                let bytes = file.get(place.start..place.end).unwrap_or_default();
                let repeated = layout
                    .read_chunk(&place, bytes)
                    .into_iter()
                    .filter_map(|(row, read)| Some((row, scope.person(&read.ok()?.address))))
                    .filter(|(_, person)| !seen.insert(*person))
                    .map(|(row, _)| row)
                    .collect();
                ImportChunk::new(request.id.clone(), number, place, repeated, request.now)
            })
            .collect();
        let import = Self {
            id: request.id,
            rev: 1,
            provenance: request.provenance,
            list: request.list,
            dry_run: request.dry_run,
            created_at: request.now,
            layout,
            chunks: u32::try_from(chunks.len()).unwrap_or(u32::MAX),
            chunks_closed: 0,
            tally: Tally::default(),
            state: if chunks.is_empty() {
                ImportState::Finished
            } else {
                ImportState::Queued
            },
            failure: None,
            ended_at: chunks.is_empty().then_some(request.now),
            upload: None,
        };
        (import, chunks)
    }

    /// Whether there is (still) something to do.
    pub fn is_open(&self) -> bool {
        match self.state {
            ImportState::Queued | ImportState::Running => true,
            ImportState::Finished | ImportState::Failed => false,
        }
    }

    /// The import once its first chunk is worked on; `None` when it says so already.
    pub fn begun(&self) -> Option<Self> {
        (self.state == ImportState::Queued).then(|| Self {
            rev: self.rev + 1,
            state: ImportState::Running,
            ..self.clone()
        })
    }

    /// The import once it was given up; `None` when it has ended already.
    pub fn given_up(&self, why: ImportFailure, now: Timestamp) -> Option<Self> {
        self.is_open().then(|| Self {
            rev: self.rev + 1,
            state: ImportState::Failed,
            failure: Some(why),
            ended_at: Some(now),
            ..self.clone()
        })
    }

    /// Closes a chunk whose rows all have their outcome: counts them, once, and finishes the
    /// import with the last chunk. `None` when there is nothing (left) to close.
    pub fn close(&self, chunk: &ImportChunk, now: Timestamp) -> Option<Transaction> {
        if !self.is_open() || chunk.closed || !chunk.is_complete() {
            return None;
        }
        let chunks_closed = self.chunks_closed + 1;
        let last = chunks_closed == self.chunks;
        let import = Self {
            rev: self.rev + 1,
            chunks_closed,
            tally: self.tally.plus(chunk.tally()),
            state: if last {
                ImportState::Finished
            } else {
                ImportState::Running
            },
            ended_at: last.then_some(now),
            ..self.clone()
        };
        let closed = ImportChunk {
            rev: chunk.rev + 1,
            closed: true,
            ..chunk.clone()
        };
        let mut transaction = Transaction::default();
        transaction.put(Record::Import(Box::new(import)), Expect::Revision(self.rev));
        transaction.put(
            Record::ImportChunk(Box::new(closed)),
            Expect::Revision(chunk.rev),
        );
        Some(transaction)
    }
}

/// Whether the file of an import is over: 24 hours after the import was asked for, whatever has
/// become of it. A file that is uploaded later has less.
pub fn file_is_over(import: &ImportId, now: Timestamp) -> bool {
    let made_at = import.made_at();
    made_at
        .and_then(|at| Store::ImportFile.kept().until(at))
        .is_some_and(|until| until <= now)
}

impl Stored for Import {
    const KIND: &'static str = "import";

    fn key(&self, scope: &AccountScope) -> Key {
        scope.configuration(Self::KIND, self.id.as_str())
    }

    fn revision(&self) -> u64 {
        self.rev
    }

    fn expires_at(&self) -> Option<Timestamp> {
        self.upload.as_ref()?.gives_up_at()
    }

    fn due(&self) -> Option<Due> {
        self.expires_at().map(|at| Due {
            work: DueWork::Expire,
            at,
        })
    }
}
