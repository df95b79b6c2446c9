//! A changed address (Art. 16 GDPR, L-18): the new one is a new person, who confirms as everybody
//! does, and takes over from the old one in the same transaction.
//!
//! Until then nothing changes: the old address stays subscribed, the new one gets one question,
//! and what waits holds nothing of the old one but whose it was and which lists it was on. What is
//! taken over is what is there, and still agreed to, when the button is pressed.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{
    ConfirmRefusal, Confirmation, Leaving, Press, complete, confirmable, has_withdrawn_since,
    leave, subscribed,
};
use crate::address_change::AddressChange;
use crate::id::{ListId, PersonKey};
use crate::key::AccountScope;
use crate::page_language::Language;
use crate::person::{Person, Profile, Purpose, UnsubscribedVia, Unsubscription};
use crate::record::{Expect, Record, Step, Transaction};
use crate::setup::FormDefinition;
use crate::sign_up::{SignUp, SignUpState};

/// What somebody agrees to who confirms the change; it stands beside the button.
pub fn change_wording(form: &FormDefinition) -> String {
    let lists: Vec<&str> = form.lists.iter().map(|list| list.name.as_str()).collect();
    let (controller, lists) = (&form.controller, lists.join(", "));
    match form.setup.language {
        Language::De => format!(
            "Diese Adresse soll bei {controller} an die Stelle meiner bisherigen treten. Was dort \
             über mich gespeichert ist, und meine Einwilligungen und Abonnements ({lists}) gehen \
             auf sie über, soweit ich sie bis dahin nicht beendet habe. Ich kann sie jederzeit mit \
             Wirkung für die Zukunft widerrufen, am einfachsten über den Abmeldelink in jeder \
             E-Mail."
        ),
        Language::En => format!(
            "With {controller}, this address is to replace the one I had before. What is stored \
             about me there, and my consents and subscriptions ({lists}), pass to it, as far as I \
             have not ended them by then. I can withdraw them at any time with effect for the \
             future, most easily through the unsubscribe link in every e-mail."
        ),
    }
}

/// Marks the sign-up in a transaction as the change of an address from `former`, and lets `former`
/// point to it; whether there is somebody who may change it.
///
/// Whoever is erased at the same moment is asked no more: the transaction depends on the profile.
#[must_use]
pub fn follow(transaction: &mut Transaction, scope: &AccountScope, former: &Person) -> bool {
    let mut change = None;
    for step in &mut transaction.0 {
        if let Step::Put(Record::SignUp(sign_up), _) = step
            && taken(former, sign_up).is_ok()
        {
            sign_up.former = Some(former.key);
            change = Some(AddressChange::to(sign_up, former.key));
        }
    }
    let Some(change) = change else {
        return false;
    };
    transaction
        .put(Record::AddressChange(change), Expect::Absent)
        .check(
            scope.profile(former.key),
            Expect::unchanged(former.profile.as_ref()),
        );
    true
}

/// The lists that the change of an address from `former` takes over now: those that were asked
/// for and are still agreed to.
///
/// # Errors
/// When there is nobody to take over from any more: erased, gone, or ended since; or held,
/// restricted or suppressed, and not to be brought out of that by another address.
pub fn taken(former: &Person, sign_up: &SignUp) -> Result<BTreeSet<ListId>, ConfirmRefusal> {
    let asked_at = sign_up.signed_up_at;
    // Who came back after their data were gone has not asked for this. An end that is set, also
    // one to come, is the data's: under another address there would be none.
    let goes_on = |profile: &Profile| profile.created_at <= asked_at && profile.ended_on.is_none();
    if !former.profile.as_ref().is_some_and(goes_on) {
        return Err(ConfirmRefusal::Withdrawn);
    }
    // Nor does a restriction that was lifted since let go on what was asked for before it.
    let withdrawal = former.withdrawal.as_ref();
    let restricted_at = withdrawal.and_then(|withdrawal| withdrawal.restricted_at);
    if former.is_restricted() || restricted_at.is_some_and(|at| at >= asked_at) {
        return Err(ConfirmRefusal::Restricted);
    }
    if former.is_suppressed() || has_withdrawn_since(former, asked_at) {
        return Err(ConfirmRefusal::Withdrawn);
    }
    let active = former.active_lists();
    let asked = sign_up.lists.iter().map(|list| &list.id);
    let lists: BTreeSet<ListId> = asked
        .filter(|list| active.contains(*list))
        .cloned()
        .collect();
    if lists.is_empty() {
        return Err(ConfirmRefusal::NothingToConfirm);
    }
    Ok(lists)
}

/// From whom somebody takes over, and how those leave.
#[derive(Debug, Clone, Copy)]
pub struct Succession<'a> {
    /// The person of the address before.
    pub former: &'a Person,
    /// Their leaving; that it is everything, and why, is decided here.
    pub leaving: &'a Leaving,
    /// The account's zone.
    pub zone: &'a TimeZone,
}

/// What confirming the change of an address changes: what [`super::confirm`] does for the new one,
/// and the old one leaves everything, in one transaction that depends on both as they were read.
///
/// # Errors
/// When the link leads nowhere any more, for whatever became of either address.
pub fn take_over(
    scope: &AccountScope,
    person: &Person,
    sign_up: &SignUp,
    others: &[SignUp],
    by: Press,
    from: Succession<'_>,
) -> Result<Confirmation, ConfirmRefusal> {
    confirmable(person, Some(sign_up))?;
    if sign_up.state != SignUpState::Pending {
        return Ok(Confirmation::AlreadyComplete);
    }
    if sign_up.former != Some(from.former.key) {
        return Err(ConfirmRefusal::NothingToConfirm);
    }
    let lists = taken(from.former, sign_up)?;
    let before = from.former.profile.as_ref();
    let before = before.ok_or(ConfirmRefusal::Withdrawn)?;
    let mut transaction = complete(
        scope,
        person,
        sign_up,
        others,
        by,
        |person, confirmed, now| moved(person, confirmed, (from.former, before), &lists, now),
    );
    let leaving = Leaving {
        list: None,
        via: UnsubscribedVia::AddressChanged,
        ..from.leaving.clone()
    };
    // Its relationship goes on under the new address.
    let mut former = from.former.clone();
    if let Some(profile) = &mut former.profile {
        profile.customer = false;
    }
    let left = leave(scope, &former, &leaving, from.zone).ok_or(ConfirmRefusal::Withdrawn)?;
    transaction.0.extend(left.0);
    for step in &mut transaction.0 {
        if let Step::Put(Record::Unsubscription(left), _) = step {
            left.successor = Some(person.key);
        }
    }
    Ok(Confirmation::Complete(transaction))
}

/// The profile of the new address: what is stored of the old one, where the new one says nothing
/// else.
fn moved(
    person: &Person,
    confirmed: &SignUp,
    (former, before): (&Person, &Profile),
    lists: &BTreeSet<ListId>,
    now: Timestamp,
) -> Profile {
    // Only whose it is and which lists is the sign-up's to say.
    let mut asked = confirmed.clone();
    asked.fields = Vec::new();
    asked.lists.retain(|list| lists.contains(&list.id));
    asked.interests.clone_from(&before.interests);
    asked.tracking_consent = None;
    asked.profiling_consent = None;
    let mut profile = subscribed(person, &asked, now);
    for (key, value) in &before.values {
        profile
            .values
            .entry(key.clone())
            .or_insert_with(|| value.clone());
    }
    // Who is known under the new address has said there what they agree to.
    if person.profile.is_none() {
        profile.tracking_since = former.agrees_since(Purpose::Tracking);
        profile.profiling_since = former.agrees_since(Purpose::Profiling);
    }
    profile.customer |= before.customer;
    profile
}

/// The persons of the addresses that these sign-ups took over from.
pub fn formers(sign_ups: &[SignUp]) -> Vec<PersonKey> {
    let formers = sign_ups
        .iter()
        .filter(|sign_up| sign_up.confirmed_at.is_some())
        .filter_map(|sign_up| sign_up.former);
    each_once(formers)
}

/// The persons of the addresses that took over from the one whose unsubscriptions these are.
pub fn successors(left: &[Unsubscription]) -> Vec<PersonKey> {
    each_once(left.iter().filter_map(|left| left.successor))
}

fn each_once(keys: impl Iterator<Item = PersonKey>) -> Vec<PersonKey> {
    let keys: BTreeSet<PersonKey> = keys.collect();
    keys.into_iter().collect()
}
