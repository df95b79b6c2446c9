//! "That was not me" (M-32): the owner of a mailbox says that somebody else filled in the form.
//!
//! From then on the same setup sends nothing to this address; other setups are not touched.

use jiff::Timestamp;

use crate::person::{Person, Tombstone};
use crate::record::{Expect, Record, Transaction};
use crate::sign_up::{SignUp, SignUpState};
use crate::time::to_millisecond;

/// What pressing the button leads to.
#[derive(Debug, Clone, PartialEq)]
pub enum Denial {
    /// Write this.
    Complete(Transaction),
    /// It was said before; nothing changes, the result page is shown again.
    AlreadyDone,
}

/// The link leads nowhere: there is no sign-up (any more) that could be denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no sign-up waits for an answer")]
pub struct NothingToDeny;

/// Whether it was said already; what a GET shows.
///
/// Who has confirmed was it: they leave by the link in every mail.
///
/// # Errors
/// When the link leads nowhere.
pub fn deniable(person: &Person, sign_up: Option<&SignUp>) -> Result<bool, NothingToDeny> {
    let sign_up = sign_up.ok_or(NothingToDeny)?;
    let tombstone = person.tombstone.as_ref();
    if tombstone.is_some_and(|tombstone| tombstone.hides(sign_up.signed_up_at)) {
        return Err(NothingToDeny);
    }
    match sign_up.state {
        SignUpState::Pending => Ok(false),
        SignUpState::Suppressed if person.has_denied(&sign_up.setup) => Ok(true),
        SignUpState::Suppressed
        | SignUpState::Confirmed
        | SignUpState::Active
        | SignUpState::Superseded => Err(NothingToDeny),
    }
}

/// What saying it changes: the tombstone remembers the setup, beyond erasure and restore, and all
/// sign-ups of the person by this setup that still wait are void. `others` are the person's other
/// sign-ups.
///
/// # Errors
/// When the link leads nowhere.
pub fn deny(
    person: &Person,
    sign_up: Option<&SignUp>,
    others: &[SignUp],
    now: Timestamp,
) -> Result<Denial, NothingToDeny> {
    if deniable(person, sign_up)? {
        return Ok(Denial::AlreadyDone);
    }
    let sign_up = sign_up.ok_or(NothingToDeny)?;
    let before = person
        .tombstone
        .clone()
        .unwrap_or_else(|| Tombstone::none(person.key));
    let mut tombstone = Tombstone {
        rev: before.rev + 1,
        ..before
    };
    tombstone
        .not_me
        .insert(sign_up.setup.clone(), to_millisecond(now));
    let mut transaction = Transaction::default();
    transaction.put(
        Record::Tombstone(tombstone),
        Expect::unchanged(person.tombstone.as_ref()),
    );
    let of_the_setup = others
        .iter()
        .filter(|other| other.event != sign_up.event && other.setup == sign_up.setup)
        .filter(|other| other.state == SignUpState::Pending);
    // As many as fit into one transaction; the limits per address keep them few, and the
    // tombstone voids the rest too.
    for void in std::iter::once(sign_up).chain(of_the_setup).take(90) {
        let suppressed = SignUp {
            rev: void.rev + 1,
            state: SignUpState::Suppressed,
            ..void.clone()
        };
        transaction.put(
            Record::SignUp(Box::new(suppressed)),
            Expect::Revision(void.rev),
        );
    }
    Ok(Denial::Complete(transaction))
}
