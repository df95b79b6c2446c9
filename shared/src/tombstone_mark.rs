//! The mark that an account leaves beside its tombstones: where it is missing, this stack's table is
//! not the one that remembers who left and who was erased (T-02).
//!
//! An empty table says nothing of an account whose people all stayed, and the same of one whose
//! tombstones are lost. Put when the account is made, gone with its end; a restore only looks.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::account::Account;
use crate::id::AccountId;
use crate::key::{AccountScope, Key};
use crate::record::{Expect, Record, Stored, Transaction};

/// Says that this table has an account's tombstones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TombstoneMark {
    /// Whose.
    pub account: AccountId,
    /// 1: it is never changed.
    pub rev: u64,
    /// Names the key that the tombstones are hashed with, and gives nothing of it away: another
    /// account of the same identifier has another one.
    pub key_fingerprint: String,
    /// When it was put.
    pub at: Timestamp,
}

impl TombstoneMark {
    /// The mark of this account.
    pub fn new(scope: &AccountScope, now: Timestamp) -> Self {
        Self {
            account: scope.account().clone(),
            rev: 1,
            key_fingerprint: scope.key_fingerprint(),
            at: now,
        }
    }

    /// Whether it says that the tombstones beside it are this account's.
    pub fn vouches_for(&self, scope: &AccountScope) -> bool {
        self.account == *scope.account() && self.key_fingerprint == scope.key_fingerprint()
    }
}

/// What puts the mark of an account that was made before there were marks; `None` for every other.
/// `known` is what stands in its place.
///
/// The account itself remembers that it had one: a copy of it that comes back beside an empty table
/// is given no new one by the next run.
pub fn backfill(
    account: &Account,
    known: Option<&TombstoneMark>,
    scope: &AccountScope,
    now: Timestamp,
) -> Option<Transaction> {
    let is_anothers = known.is_some_and(|known| !known.vouches_for(scope));
    if account.tombstones_marked || is_anothers {
        return None;
    }
    let mut transaction = Transaction::default();
    let marked = Account {
        rev: account.rev + 1,
        tombstones_marked: true,
        ..account.clone()
    };
    transaction.put(
        Record::Account(Box::new(marked)),
        Expect::Revision(account.rev),
    );
    if known.is_none() {
        let mark = TombstoneMark::new(scope, now);
        transaction.put(Record::TombstoneMark(mark), Expect::Absent);
    }
    Some(transaction)
}

impl Stored for TombstoneMark {
    const KIND: &'static str = "tombstone_mark";

    fn key(&self, _: &AccountScope) -> Key {
        Key::tombstone_mark(&self.account)
    }

    fn revision(&self) -> u64 {
        self.rev
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{AccountKeyMaterial, PlatformSecrets};
    use crate::entropy::SeededEntropy;

    fn scope(seed: u64) -> AccountScope {
        let secrets = PlatformSecrets::parse(r#"{"1":"0123456789abcdef0123456789abcdef"}"#);
        let secrets = secrets.unwrap();
        let key = AccountKeyMaterial::generate(&secrets, &SeededEntropy::new(seed));
        AccountScope::new(
            AccountId::parse("demo").unwrap(),
            key.key(&secrets).unwrap(),
        )
    }

    #[test]
    fn a_mark_speaks_for_its_own_account_and_key_only() {
        let now: Timestamp = "2027-03-01T10:00:00Z".parse().unwrap();
        let mark = TombstoneMark::new(&scope(1), now);
        assert!(mark.vouches_for(&scope(1)));
        assert!(
            !mark.vouches_for(&scope(2)),
            "made anew under the same name"
        );
        let other = TombstoneMark {
            account: AccountId::parse("other").unwrap(),
            ..mark
        };
        assert!(!other.vouches_for(&scope(1)));
    }
}
