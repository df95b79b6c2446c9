//! A changed address (Art. 16 GDPR, L-18): the new one is a new person, who confirms as everybody
//! does, and takes over from the old one in the same transaction.
//!
//! Until then nothing changes: the old address stays subscribed, the new one gets one question.

use jiff::tz::TimeZone;

use super::{Leaving, leave};
use crate::id::PersonKey;
use crate::key::AccountScope;
use crate::person::{Person, Profile};
use crate::record::{Record, Step, Transaction};
use crate::sign_up::SignUp;

/// Marks the sign-up in a transaction as the change of an address from `former`.
pub fn follow(transaction: &mut Transaction, former: PersonKey) {
    for step in &mut transaction.0 {
        if let Step::Put(Record::SignUp(sign_up), _) = step {
            sign_up.former = Some(former);
        }
    }
}

/// Adds to a confirmation what it changes for the former address: its person leaves everything,
/// and what is stored of them is taken over where the new profile says nothing else.
pub fn succeed(
    transaction: &mut Transaction,
    scope: &AccountScope,
    former: &Person,
    leaving: &Leaving,
    zone: &TimeZone,
) {
    let Some(before) = &former.profile else {
        return;
    };
    for step in &mut transaction.0 {
        if let Step::Put(Record::Profile(profile), _) = step {
            take_over(profile, before);
        }
    }
    // Its relationship goes on under the new address.
    let mut former = former.clone();
    if let Some(profile) = &mut former.profile {
        profile.customer = false;
    }
    if let Some(left) = leave(scope, &former, leaving, zone) {
        transaction.0.extend(left.0);
    }
}

fn take_over(profile: &mut Profile, before: &Profile) {
    for (key, value) in &before.values {
        profile
            .values
            .entry(key.clone())
            .or_insert_with(|| value.clone());
    }
    for interest in &before.interests {
        if !profile.interests.contains(interest) {
            profile.interests.push(interest.clone());
        }
    }
    profile.customer |= before.customer;
}

/// The persons of the addresses that these sign-ups took over from.
pub fn formers(sign_ups: &[SignUp]) -> Vec<PersonKey> {
    let mut formers: Vec<PersonKey> = sign_ups
        .iter()
        .filter(|sign_up| sign_up.confirmed_at.is_some())
        .filter_map(|sign_up| sign_up.former)
        .collect();
    formers.sort_unstable();
    formers.dedup();
    formers
}
