//! What a permanent bounce or a complaint changes: the mailbox is not written to any more.
//!
//! Unlike leaving, nobody asked for it; a later consent stands.

use jiff::Timestamp;

use crate::person::{Person, Tombstone, TombstoneKind, Withdrawal};
use crate::record::{Expect, Record, Transaction};
use crate::time::to_millisecond;
use crate::webhook::{News, Topic};

/// Why a mailbox is not to be written to any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Barred {
    /// A permanent bounce.
    Bounced,
    /// A complaint.
    Complained,
}

/// What a permanent bounce or a complaint of `at` changes; `None` when it is known.
///
/// Consent given after `at` stands.
pub fn bar(person: &Person, why: Barred, at: Timestamp) -> Option<Transaction> {
    person.profile.as_ref()?;
    let at = to_millisecond(at);
    let before = person
        .withdrawal
        .clone()
        .unwrap_or_else(|| Withdrawal::none(person.key));
    let mut withdrawal = Withdrawal {
        rev: before.rev + 1,
        ..before
    };
    let (slot, kind, topic) = match why {
        Barred::Bounced => (
            &mut withdrawal.bounced_at,
            TombstoneKind::Bounced,
            Topic::Bounced,
        ),
        Barred::Complained => (
            &mut withdrawal.complained_at,
            TombstoneKind::Complained,
            Topic::Complained,
        ),
    };
    if slot.is_some_and(|known| known >= at) {
        return None;
    }
    *slot = Some(at);
    let before = person
        .tombstone
        .clone()
        .unwrap_or_else(|| Tombstone::none(person.key));
    let mut tombstone = Tombstone {
        rev: before.rev + 1,
        ..before
    };
    tombstone.at.insert(kind, at);
    let mut transaction = Transaction::default();
    transaction.put(
        Record::Tombstone(tombstone),
        Expect::unchanged(person.tombstone.as_ref()),
    );
    transaction.put(
        Record::Withdrawal(withdrawal),
        Expect::unchanged(person.withdrawal.as_ref()),
    );
    transaction.tell(News {
        topic,
        person: person.key,
        at,
        record: None,
    });
    Some(transaction)
}
