//! Objecting to direct marketing (Art. 21(2) and (3) GDPR): absolute, whatever the legal ground.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{Leaving, leave};
use crate::key::AccountScope;
use crate::person::{Person, Tombstone, TombstoneKind, Withdrawal};
use crate::record::{Expect, Record, Step, Transaction};
use crate::time::to_millisecond;
use crate::webhook::{News, Topic};

/// What objecting changes: the person leaves everything, and the tombstone says why. Objecting
/// again moves the times only. Who is on no list may object too.
pub fn object(
    scope: &AccountScope,
    person: &Person,
    leaving: &Leaving,
    zone: &TimeZone,
) -> Transaction {
    let leaving = Leaving {
        list: None,
        ..leaving.clone()
    };
    // The clock of another machine may have been ahead when an opt-in lifted the tombstone.
    let lifted = person.tombstone.as_ref().and_then(|known| known.lifted_at);
    let now = lifted
        .into_iter()
        .fold(to_millisecond(leaving.now), Timestamp::max);
    let news = News {
        topic: Topic::Objected,
        person: person.key,
        at: now,
        record: None,
    };
    if let Some(mut transaction) = leave(scope, person, &leaving, zone) {
        for step in &mut transaction.0 {
            if let Step::Put(Record::Tombstone(tombstone), _) = step {
                let left = tombstone.at.get(&TombstoneKind::Unsubscribed).copied();
                tombstone.note(
                    TombstoneKind::Objected,
                    left.map_or(now, |left| left.max(now)),
                );
            }
        }
        transaction.tell(news);
        return transaction;
    }
    // Nobody is subscribed: what is remembered is the objection alone.
    let before = person.tombstone.clone();
    let before = before.unwrap_or_else(|| Tombstone::none(person.key));
    let mut tombstone = Tombstone {
        rev: before.rev + 1,
        ..before
    };
    tombstone.note(TombstoneKind::Objected, now);
    let before = person.withdrawal.clone();
    let before = before.unwrap_or_else(|| Withdrawal::none(person.key));
    let withdrawal = Withdrawal {
        rev: before.rev + 1,
        all_at: before.all_at.max(Some(now)),
        ..before
    };
    let mut transaction = Transaction::default();
    transaction.put(
        Record::Tombstone(tombstone),
        Expect::unchanged(person.tombstone.as_ref()),
    );
    transaction.put(
        Record::Withdrawal(withdrawal),
        Expect::unchanged(person.withdrawal.as_ref()),
    );
    // Whoever is confirmed at the same moment objects to that too: then this is decided anew.
    transaction.check(scope.profile(person.key), Expect::Absent);
    transaction.tell(news);
    transaction
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::address::EmailAddress;
    use crate::crypto::{AccountKeyMaterial, PlatformSecrets};
    use crate::entropy::SeededEntropy;
    use crate::evidence::Entry;
    use crate::id::{AccountId, EventId, ListId, PersonKey};
    use crate::page_language::Language;
    use crate::person::{LegalBasis, ListConsent, Profile, Proof, UnsubscribedVia};

    fn scope() -> AccountScope {
        let secrets = PlatformSecrets::parse(r#"{"1":"0123456789abcdef0123456789abcdef"}"#);
        let secrets = secrets.unwrap();
        let key = AccountKeyMaterial::generate(&secrets, &SeededEntropy::new(1));
        AccountScope::new(
            AccountId::parse("demo").unwrap(),
            key.key(&secrets).unwrap(),
        )
    }

    fn leaving(now: Timestamp) -> Leaving {
        Leaving {
            list: None,
            via: UnsubscribedVia::Preferences,
            campaign: None,
            event: EventId::from_bytes([2; 16]),
            entry: Entry::generate(now, &SeededEntropy::new(1)),
            now,
        }
    }

    fn subscriber(list: &ListId, since: Timestamp) -> Person {
        let address = EmailAddress::parse("somebody@shop.example").unwrap();
        let consent = ListConsent {
            since,
            basis: LegalBasis::Consent,
            proof: Proof::SignUp(EventId::from_bytes([1; 16])),
        };
        let key = PersonKey::from_bytes([7; 16]);
        Person {
            profile: Some(Profile {
                person: key,
                rev: 1,
                address: address.clone(),
                spellings: vec![address],
                values: BTreeMap::new(),
                lists: BTreeMap::from([(list.clone(), consent)]),
                provenance: Vec::new(),
                interests: Vec::new(),
                tracking_since: None,
                profiling_since: None,
                language: Language::De,
                customer: true,
                created_at: since,
                ended_on: None,
                gone_at: None,
            }),
            ..Person::unknown(key)
        }
    }

    fn apply(person: &mut Person, transaction: Transaction) {
        for step in transaction.0 {
            match step {
                Step::Put(Record::Tombstone(tombstone), _) => person.tombstone = Some(tombstone),
                Step::Put(Record::Withdrawal(withdrawal), _) => {
                    person.withdrawal = Some(withdrawal);
                }
                Step::Put(Record::Profile(profile), _) => person.profile = Some(*profile),
                _ => {}
            }
        }
    }

    #[test]
    fn who_is_not_subscribed_may_object_too_and_only_a_double_opt_in_lifts_it() {
        let now: Timestamp = "2027-03-01T10:00:00Z".parse().unwrap();
        let scope = scope();
        let leaving = leaving(now);
        let mut person = Person::unknown(PersonKey::from_bytes([7; 16]));
        let zone = crate::time::zone("Europe/Vienna").unwrap();
        for rev in [1, 2] {
            for step in object(&scope, &person, &leaving, &zone).0 {
                match step {
                    Step::Put(Record::Tombstone(tombstone), _) => {
                        person.tombstone = Some(tombstone);
                    }
                    Step::Put(Record::Withdrawal(withdrawal), _) => {
                        person.withdrawal = Some(withdrawal);
                    }
                    Step::Tell(news) => assert_eq!((news.topic, news.at), (Topic::Objected, now)),
                    // Who is confirmed meanwhile has objected to that too.
                    Step::Check(place, Expect::Absent) => {
                        assert_eq!(place, scope.profile(person.key));
                    }
                    other => panic!("{other:?}"),
                }
            }
            let tombstone = person.tombstone.as_ref().unwrap();
            assert_eq!(tombstone.rev, rev);
            assert_eq!(tombstone.at[&TombstoneKind::Objected], now);
            assert!(person.is_blocked());
        }
    }

    #[test]
    fn whoever_leaves_or_objects_where_a_clock_is_behind_has_left_all_the_same() {
        let at = |text: &str| -> Timestamp { text.parse().unwrap() };
        let scope = scope();
        let zone = crate::time::zone("Europe/Vienna").unwrap();
        let news = ListId::parse("news").unwrap();
        let (given, behind) = (at("2027-03-01T10:00:05Z"), at("2027-03-01T10:00:00Z"));
        for (list, objects) in [(None, false), (None, true), (Some(news.clone()), false)] {
            let mut person = subscriber(&news, given);
            let request = Leaving {
                list,
                ..leaving(behind)
            };
            let transaction = if objects {
                object(&scope, &person, &request, &zone)
            } else {
                leave(&scope, &person, &request, &zone).unwrap()
            };
            apply(&mut person, transaction);
            assert!(person.sendable_lists().is_empty(), "{request:?}");
            assert!(person.is_blocked());
        }
        // A request that was long on its way takes no later one back.
        let later = at("2027-03-03T10:00:00Z");
        for objects in [false, true] {
            let mut person = subscriber(&news, given);
            for now in [later, behind] {
                let request = leaving(now);
                let transaction = if objects {
                    object(&scope, &person, &request, &zone)
                } else {
                    leave(&scope, &person, &request, &zone).unwrap()
                };
                apply(&mut person, transaction);
            }
            let withdrawal = person.withdrawal.as_ref().unwrap();
            assert_eq!(withdrawal.all_at, Some(later));
            let at = &person.tombstone.as_ref().unwrap().at;
            assert_eq!(at[&TombstoneKind::Unsubscribed], later);
            assert_eq!(
                at.get(&TombstoneKind::Objected).copied(),
                objects.then_some(later)
            );
        }
    }
}
