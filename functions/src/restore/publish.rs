//! Releasing: what is in quarantine goes where it belongs, if it still may.
//!
//! People leave and are erased between staging and release, so each record is decided about
//! anew, under conditions on what was read. Configuration first, each person's withdrawal with
//! the profile; the freeze is lifted last.

use std::collections::BTreeSet;

use rundbrief::id::Partition;
use rundbrief::key::{Key, Table};
use rundbrief::record::{Expect, Record, Transaction};
use rundbrief::restore::{Restore, RestoreState, Staged};

use super::decided::Archived;
use super::{Work, end};
use crate::app::Trouble;
use crate::store::{Range, WriteError};

impl Work<'_> {
    /// Releases some records, or ends the restore.
    pub(super) async fn publish(&self, restore: &Restore) -> Result<(), WriteError> {
        let partition = match restore.place.partitions {
            0 => None,
            number => match Partition::new(number - 1) {
                Some(partition) => Some(partition),
                None => {
                    let state = RestoreState::Released;
                    return end(self.app, &self.scope, restore, state, None, self.now).await;
                }
            },
        };
        let range = Range {
            table: Table::Main,
            pk: self.scope.quarantine_partition(&restore.id, partition),
            prefix: String::new(),
            after: restore.place.after.clone(),
            limit: i32::try_from(self.records).unwrap_or(1),
        };
        let page = self.app.store.page::<Staged>(&range, self.now).await?;
        let mut moved = restore.moved(RestoreState::Releasing);
        match &page.next {
            Some(next) => moved.place.after = Some(next.clone()),
            None => {
                moved.place.partitions += 1;
                moved.place.after = None;
            }
        }
        let archived = page
            .items
            .iter()
            .map(|staged| Archived::parse(staged.set, staged.line.reveal()))
            .collect::<Option<Vec<_>>>()
            .ok_or(Trouble::Damaged)?;
        let mut transaction = Transaction::default();
        let mut checked: BTreeSet<Key> = BTreeSet::new();
        for (staged, decided) in page.items.iter().zip(self.decide(&archived).await?) {
            moved
                .released
                .entry(staged.set)
                .or_default()
                .count(decided.fate);
            for (record, expect) in decided.puts {
                transaction.put(record, expect);
            }
            for (key, expect) in decided.checks {
                if checked.insert(key.clone()) {
                    transaction.check(key, expect);
                }
            }
        }
        transaction.put(
            Record::Restore(Box::new(moved)),
            Expect::Revision(restore.rev),
        );
        self.commit(&transaction).await
    }
}
