//! Leaving under an unsubscribe setup: what is noted and promised besides the withdrawal itself.
//!
//! The withdrawal is the same under every setup, and at once.

use jiff::tz::TimeZone;

use super::{Leaving, leave};
use crate::id::EventId;
use crate::key::AccountScope;
use crate::outbox::{Notice, Outbox};
use crate::person::Person;
use crate::record::{Expect, Record, Step, Transaction};
use crate::time::plus_days;
use crate::unsubscribe_setup::{Reason, UnsubscribeSetup};

/// The setup in force, and what the person said.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    /// The setup; none: nothing is asked, told or forgotten.
    pub setup: Option<&'a UnsubscribeSetup>,
    /// Why, if they said so.
    pub reason: Option<Reason>,
    /// The event of a farewell mail's outbox record.
    pub outbox: EventId,
}

/// Notes on the record of leaving under which setup it was and when it becomes nobody's: whichever
/// way somebody leaves, the period that the account promises is the same. What else the setup says
/// (a reason, a farewell) belongs to the button.
pub fn note_terms(transaction: &mut Transaction, setup: Option<&UnsubscribeSetup>) {
    let Some(setup) = setup else {
        return;
    };
    for step in &mut transaction.0 {
        if let Step::Put(Record::Unsubscription(unsubscription), _) = step {
            unsubscription.setup = Some(setup.id.clone());
            unsubscription.anonymise_at = setup
                .anonymise_days
                .map(|days| plus_days(unsubscription.at, days));
        }
    }
}

/// What leaving changes, and whether a mail was promised; as [`leave`] otherwise.
pub fn leave_under(
    scope: &AccountScope,
    person: &Person,
    leaving: &Leaving,
    zone: &TimeZone,
    terms: Terms<'_>,
) -> Option<(Transaction, bool)> {
    let mut transaction = leave(scope, person, leaving, zone)?;
    let Some(setup) = terms.setup else {
        return Some((transaction, false));
    };
    note_terms(&mut transaction, Some(setup));
    let mut left_at = None;
    for step in &mut transaction.0 {
        if let Step::Put(Record::Unsubscription(unsubscription), _) = step {
            unsubscription.reason = terms.reason;
            left_at = Some(unsubscription.at);
        }
    }
    // Who was out already is told nothing.
    let is_told = left_at.is_some() && setup.says_farewell(leaving.via) && !person.is_restricted();
    if let Some(at) = left_at.filter(|_| is_told) {
        let notice = Notice::Farewell {
            unsubscription: leaving.event,
        };
        let end = Outbox::waits_until(at);
        let outbox = Outbox::new(terms.outbox, person.key, notice, at, end);
        transaction.put(Record::Outbox(Box::new(outbox)), Expect::Absent);
    }
    Some((transaction, is_told))
}
