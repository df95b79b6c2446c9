//! Withdrawing what somebody agreed to beside lists (Art. 7(3) GDPR), and agreeing to it anew.

use jiff::Timestamp;

use super::rectification::changed;
use crate::key::AccountScope;
use crate::person::{Person, Profile, Purpose, Tombstone, Withdrawal};
use crate::record::{Expect, Record, Transaction};
use crate::setup::Mode;
use crate::sign_up::SignUp;
use crate::time::to_millisecond;

/// What withdrawing a consent changes; `None` when none stands.
///
/// The profile keeps when it was given: until when it counted, can be shown. The tombstone
/// remembers the withdrawal where profile and withdrawal are lost (T-02).
pub fn end_purpose(
    scope: &AccountScope,
    person: &Person,
    purpose: Purpose,
    now: Timestamp,
) -> Option<Transaction> {
    let since = person.agrees_since(purpose)?;
    // The clock of another machine may have been ahead when it was given.
    let at = to_millisecond(now).max(since);
    let before = person.withdrawal.clone();
    let mut withdrawal = before.unwrap_or_else(|| Withdrawal::none(person.key));
    withdrawal.rev += 1;
    withdrawal.note_purpose(purpose, Some(at));
    let before = person.tombstone.clone();
    let mut tombstone = before.unwrap_or_else(|| Tombstone::none(person.key));
    tombstone.rev += 1;
    tombstone.note_purpose(purpose, Some(at));
    let mut transaction = Transaction::default();
    transaction.put(
        Record::Tombstone(tombstone),
        Expect::unchanged(person.tombstone.as_ref()),
    );
    transaction.put(
        Record::Withdrawal(withdrawal),
        Expect::unchanged(person.withdrawal.as_ref()),
    );
    transaction.check(
        scope.profile(person.key),
        Expect::unchanged(person.profile.as_ref()),
    );
    transaction.tell(changed(person.key, now));
    Some(transaction)
}

/// Adds to a profile what a sign-up agrees to beside lists, where nothing of it stands yet.
///
/// As for lists: what was withdrawn comes back by a completed double opt-in alone, whose form was
/// sent after it.
pub(super) fn agree(profile: &mut Profile, person: &Person, sign_up: &SignUp, now: Timestamp) {
    for purpose in Purpose::ALL {
        let said = match purpose {
            Purpose::Tracking => sign_up.tracking_consent,
            Purpose::Profiling => sign_up.profiling_consent,
        };
        let may_renew = |at: Timestamp| sign_up.mode == Mode::Double && at < sign_up.signed_up_at;
        if said == Some(true)
            && person.agrees_since(purpose).is_none()
            && person.withdrew_at(purpose).is_none_or(may_renew)
        {
            profile.agree(purpose, now);
        }
    }
}
