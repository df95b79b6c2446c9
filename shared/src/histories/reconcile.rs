//! After a region switch: replication catches up, and each person is derived anew.

use jiff::Timestamp;

use super::copies::Copies;
use super::premises::Premises;
use crate::erasure::Erasure;
use crate::id::PersonKey;
use crate::person::Unsubscription;
use crate::record::{Record, Transaction};
use crate::repair::{Remembered, rederive};
use crate::sign_up::SignUp;
use crate::suppression::{Rule, Suppression};

/// What the repair job would write of a person.
pub(super) fn repair(
    premises: &Premises,
    copies: &Copies,
    copy: usize,
    key: PersonKey,
    since: Timestamp,
    now: Timestamp,
) -> Option<Transaction> {
    let scope = &premises.scope;
    let person = copies.person(copy, scope, key, now);
    let pk = scope.records(key.partition());
    let mut sign_ups: Vec<SignUp> = Vec::new();
    let mut unsubscriptions: Vec<Unsubscription> = Vec::new();
    for record in copies.all(copy, &pk, &format!("{key}#"), now) {
        match record {
            Record::SignUp(one) => sign_ups.push(one.as_ref().clone()),
            Record::Unsubscription(one) => unsubscriptions.push(one.clone()),
            _ => {}
        }
    }
    let erasures: Vec<Erasure> = copies
        .all(
            copy,
            &scope.erasures_partition(),
            &scope.erasure_prefix(key),
            now,
        )
        .filter_map(|record| match record {
            Record::Erasure(one) => Some(one.as_ref().clone()),
            _ => None,
        })
        .collect();
    let rule = Rule::Address(key).id().expect("an identifier");
    let suppression = copies.get(copy, &Suppression::place(scope, &rule), now);
    let remembered = Remembered {
        person: &person,
        sign_ups: &sign_ups,
        unsubscriptions: &unsubscriptions,
        erasures: &erasures,
        suppressed_since: match suppression {
            Some(Record::Suppression(one)) => Some(one.created_at),
            _ => None,
        },
    };
    rederive(scope, remembered, since, &premises.zone)
}
