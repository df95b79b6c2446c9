//! Staging: what a release would bring back goes into quarantine, object by object.
//!
//! Some lines and how far they are go together, so each line is counted once. Nothing that any
//! other function reads is written here.

use rundbrief::archive::{ArchiveObject, ArchiveSet};
use rundbrief::record::{Expect, Record, Transaction};
use rundbrief::restore::replay::Fate;
use rundbrief::restore::{ArchivedLine, Damage, Restore, RestoreState, Staged};

use super::archive::{Lines, Placed};
use super::decided::Archived;
use super::{OCTETS, Work};
use crate::store::WriteError;

/// The object whose lines are being staged.
pub(super) struct Open {
    /// Its place among all objects.
    number: usize,
    set: ArchiveSet,
    object: ArchiveObject,
    lines: Lines,
}

impl Work<'_> {
    /// Stages some lines of the object whose turn it is, or ends the staging.
    pub(super) async fn stage(&mut self, restore: &Restore) -> Result<(), WriteError> {
        let number = restore.place.objects;
        if self.open.as_ref().is_none_or(|open| open.number != number) {
            let manifest = match self.manifest(restore).await? {
                Ok(manifest) => manifest,
                Err(problem) => return self.refuse(restore, problem).await,
            };
            let objects = manifest.objects.iter();
            let next = objects
                .flat_map(|(set, objects)| objects.iter().map(|object| (*set, object.clone())))
                .nth(number);
            let Some((set, object)) = next else {
                let mut staged = restore.moved(RestoreState::Staged);
                staged.staged_at = Some(self.now);
                return self.put(restore, &staged).await;
            };
            let place = Placed {
                set,
                object: &object,
            };
            // It was intact when it was verified; that is some time ago.
            let lines = match place.read(self.app).await? {
                Ok(lines) => lines,
                Err(problem) => return self.refuse(restore, problem).await,
            };
            self.open = Some(Open {
                number,
                set,
                object,
                lines,
            });
        }
        let Some(open) = &self.open else {
            return Ok(());
        };
        let mut octets = 0;
        let lines: Vec<&str> = open
            .lines
            .from(restore.place.lines)
            .take(self.records)
            .take_while(|line| {
                let first = octets == 0;
                octets += line.len();
                first || octets <= OCTETS
            })
            .collect();
        let mut moved = restore.moved(RestoreState::Staging);
        if lines.is_empty() {
            moved.place.objects += 1;
            moved.place.lines = 0;
            return self.put(restore, &moved).await;
        }
        let archived: Option<Vec<Archived>> = lines
            .iter()
            .map(|line| Archived::parse(open.set, line))
            .collect();
        let Some(archived) = archived else {
            let place = Placed {
                set: open.set,
                object: &open.object,
            };
            let problem = place.problem(Damage::RecordUnreadable);
            return self.refuse(restore, problem).await;
        };
        let decided = self.decide(&archived).await?;
        let mut transaction = Transaction::default();
        for ((one, decided), line) in archived.iter().zip(&decided).zip(&lines) {
            moved
                .difference
                .entry(open.set)
                .or_default()
                .count(decided.fate);
            if decided.fate == Fate::DroppedTombstone
                && let Some(person) = one.person()
            {
                moved.name_dropped(person);
            }
            if decided.puts.is_empty() {
                continue;
            }
            let staged = Staged {
                restore: restore.id.clone(),
                rev: 1,
                set: open.set,
                partition: one.partition(),
                order: one.order(),
                line: ArchivedLine::new((*line).to_owned()),
                gone_at: restore.quarantined_until(),
            };
            transaction.put(Record::Staged(Box::new(staged)), Expect::Absent);
        }
        moved.place.lines += lines.len();
        transaction.put(
            Record::Restore(Box::new(moved)),
            Expect::Revision(restore.rev),
        );
        self.commit(&transaction).await
    }
}
