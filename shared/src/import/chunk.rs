//! A chunk of an import: which rows have their outcome, and the next step.
//!
//! Progress is written in the same transaction as the people it is about. So a row is done
//! exactly once however often its message comes, and a second delivery finds the outcome of the
//! first. Nothing of a person is kept here: numbers and codes only.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Decision, Import, Provenance, Tally, decide};
use crate::id::{ImportId, PersonKey};
use crate::key::{AccountScope, Key};
use crate::page_language::Language;
use crate::person::Person;
use crate::policy::Store;
use crate::record::{Due, DueWork, Expect, Record, Stored, Transaction};
use crate::subscriber_file::{Chunk, ImportRow, Outcome, ReportRow, RowError};

/// Readable rows of one transaction: 3 steps each and one for the chunk, of the 100 that a
/// transaction may have; their 75 keys fit into one batch read of 100, too.
pub const LIVE_ROWS_PER_BATCH: usize = 25;
/// Text of one transaction in octets; it may have 4 MB, keys and evidence of consent included.
const MAX_BATCH_OCTETS: usize = 1024 * 1024;

/// A row of a file with its number.
pub type Row = (u32, Result<ImportRow, RowError>);

/// Neighbouring rows with one outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// How many rows.
    pub rows: u32,
    /// What became of each.
    pub outcome: Outcome,
    /// Why, for those skipped and failed; what is missing, for the others.
    #[serde(default)]
    pub code: Option<String>,
}

/// A chunk and what became of its rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportChunk {
    /// Whose.
    pub import: ImportId,
    /// Its number, from 0.
    pub number: u32,
    /// Grows with each write.
    pub rev: u64,
    /// Where its rows stand in the file.
    pub place: Chunk,
    /// The rows whose person stands in an earlier row.
    pub repeated: Vec<u32>,
    /// What became of the rows done, in order.
    pub runs: Vec<Run>,
    /// Whether the import has counted them.
    pub closed: bool,
    /// From when on the report is gone.
    pub gone_at: Timestamp,
}

/// One step of a chunk.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// What to write.
    pub transaction: Transaction,
    /// The chunk after it.
    pub chunk: ImportChunk,
}

impl ImportChunk {
    pub(super) fn new(
        import: ImportId,
        number: u32,
        place: Chunk,
        repeated: Vec<u32>,
        now: Timestamp,
    ) -> Self {
        Self {
            import,
            number,
            rev: 1,
            place,
            repeated,
            runs: Vec::new(),
            closed: false,
            gone_at: Self::gone_at(now),
        }
    }

    /// From when on the report of an import taken at `created_at` is gone; the import's own counts
    /// stay.
    pub fn gone_at(created_at: Timestamp) -> Timestamp {
        Store::ImportReport
            .kept()
            .until(created_at)
            .unwrap_or(Timestamp::MAX)
    }

    /// Where the chunk is kept.
    pub fn key_of(scope: &AccountScope, import: &ImportId, number: u32) -> Key {
        // Numbers sort as text.
        scope.import(import, format!("chunk#{number:06}"))
    }

    /// How many rows have their outcome.
    pub fn done(&self) -> u32 {
        self.runs.iter().map(|run| run.rows).sum()
    }

    /// Whether all have.
    pub fn is_complete(&self) -> bool {
        self.done() >= self.place.rows
    }

    /// The rows done, by outcome.
    pub fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for run in &self.runs {
            tally.add(run.outcome, run.rows);
        }
        tally
    }

    /// A line for each row that has its outcome.
    pub fn report(&self) -> impl Iterator<Item = ReportRow> {
        let outcomes = self
            .runs
            .iter()
            .flat_map(|run| std::iter::repeat_n(run, usize::try_from(run.rows).unwrap_or(0)));
        (self.place.first_row..)
            .zip(outcomes)
            .map(|(row, run)| ReportRow {
                row,
                outcome: run.outcome,
                code: run.code.clone(),
            })
    }

    /// The rows of the next step: up to `live` rows whose person must be read, with what needs
    /// nobody in between.
    pub fn next_rows<'a>(&self, rows: &'a [Row], live: usize) -> &'a [Row] {
        let done = usize::try_from(self.done()).unwrap_or(usize::MAX);
        let rest = rows.get(done..).unwrap_or_default();
        let mut left = live;
        let mut end = 0;
        for row in rest {
            if self.needs_person(row) {
                if left == 0 {
                    break;
                }
                left -= 1;
            }
            end += 1;
        }
        &rest[..end]
    }

    fn needs_person(&self, (number, row): &Row) -> bool {
        row.is_ok() && self.repeated.binary_search(number).is_err()
    }

    /// The people that these rows are about.
    pub fn people(&self, scope: &AccountScope, rows: &[Row]) -> Vec<PersonKey> {
        rows.iter()
            .filter(|row| self.needs_person(row))
            .filter_map(|(_, row)| Some(scope.person(&row.as_ref().ok()?.address)))
            .collect()
    }

    /// The next step: what becomes of `rows` (from [`ImportChunk::next_rows`]), given all their
    /// people as they were read. It may take fewer rows than given where they are long.
    pub fn step(
        &self,
        scope: &AccountScope,
        import: &Import,
        language: Language,
        rows: &[Row],
        people: &HashMap<PersonKey, Person>,
    ) -> Batch {
        let mut transaction = Transaction::default();
        let mut chunk = Self {
            rev: self.rev + 1,
            ..self.clone()
        };
        let mut octets = 0;
        for row in rows {
            let (number, read) = row;
            let row = match read {
                Err(error) => {
                    let code = import.layout.error_code(*error);
                    chunk.append(Outcome::Failed, Some(code));
                    continue;
                }
                Ok(_) if self.repeated.binary_search(number).is_ok() => {
                    chunk.append(Outcome::Skipped, Some("repeated_in_file".to_owned()));
                    continue;
                }
                Ok(row) => row,
            };
            let Some(person) = people.get(&scope.person(&row.address)) else {
                // Not read: the next step begins here.
                break;
            };
            match decide(person, row, import, language) {
                Decision::Skip(reason) => {
                    chunk.append(Outcome::Skipped, Some(reason.code().to_owned()));
                }
                Decision::Write { profile, outcome } => {
                    let size = text_octets(&profile.values);
                    if octets > 0 && octets + size > MAX_BATCH_OCTETS {
                        break;
                    }
                    octets += size;
                    let lack = (!profile.is_proven(&import.list)
                        && profile
                            .active_lists(person.withdrawal.as_ref())
                            .contains(&import.list))
                    .then(|| profile.lists.get(&import.list))
                    .flatten()
                    .map(|consent| Provenance::lack(consent.basis).to_owned());
                    chunk.append(outcome, lack);
                    if import.dry_run {
                        continue;
                    }
                    transaction.put(
                        Record::Profile(profile),
                        Expect::unchanged(person.profile.as_ref()),
                    );
                    transaction.check(
                        scope.withdrawal(person.key),
                        Expect::unchanged(person.withdrawal.as_ref()),
                    );
                    transaction.check(
                        scope.tombstone(person.key),
                        Expect::unchanged(person.tombstone.as_ref()),
                    );
                }
            }
        }
        transaction.put(
            Record::ImportChunk(Box::new(chunk.clone())),
            Expect::Revision(self.rev),
        );
        Batch { transaction, chunk }
    }

    fn append(&mut self, outcome: Outcome, code: Option<String>) {
        match self.runs.last_mut() {
            Some(run) if run.outcome == outcome && run.code == code => run.rows += 1,
            _ => self.runs.push(Run {
                rows: 1,
                outcome,
                code,
            }),
        }
    }
}

/// The octets of a profile's values, with some for what stands around them.
fn text_octets(
    values: &std::collections::BTreeMap<crate::id::FieldKey, crate::form::FieldValue>,
) -> usize {
    2_048
        + values
            .values()
            .map(|value| value.reveal().len() + 64)
            .sum::<usize>()
}

impl Stored for ImportChunk {
    const KIND: &'static str = "import_chunk";

    fn key(&self, scope: &AccountScope) -> Key {
        Self::key_of(scope, &self.import, self.number)
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
