//! Objecting to direct marketing (Art. 21(2) and (3) GDPR): absolute, whatever the legal ground.

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
    let now = to_millisecond(leaving.now);
    let news = News {
        topic: Topic::Objected,
        person: person.key,
        at: now,
        record: None,
    };
    if let Some(mut transaction) = leave(scope, person, &leaving, zone) {
        for step in &mut transaction.0 {
            if let Step::Put(Record::Tombstone(tombstone), _) = step {
                tombstone.at.insert(TombstoneKind::Objected, now);
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
    tombstone.at.insert(TombstoneKind::Objected, now);
    let before = person.withdrawal.clone();
    let before = before.unwrap_or_else(|| Withdrawal::none(person.key));
    let withdrawal = Withdrawal {
        rev: before.rev + 1,
        all_at: Some(now),
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
    transaction.tell(news);
    transaction
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::crypto::{AccountKeyMaterial, PlatformSecrets};
    use crate::entropy::SeededEntropy;
    use crate::evidence::Entry;
    use crate::id::{AccountId, EventId, PersonKey};
    use crate::person::UnsubscribedVia;

    #[test]
    fn who_is_not_subscribed_may_object_too_and_only_a_double_opt_in_lifts_it() {
        let now: Timestamp = "2027-03-01T10:00:00Z".parse().unwrap();
        let secrets = PlatformSecrets::parse(r#"{"1":"0123456789abcdef0123456789abcdef"}"#);
        let secrets = secrets.unwrap();
        let entropy = SeededEntropy::new(1);
        let key = AccountKeyMaterial::generate(&secrets, &entropy);
        let account = AccountId::parse("demo").unwrap();
        let scope = AccountScope::new(account, key.key(&secrets).unwrap());
        let leaving = Leaving {
            list: None,
            via: UnsubscribedVia::Preferences,
            campaign: None,
            event: EventId::from_bytes([2; 16]),
            entry: Entry::generate(now, &entropy),
            now,
        };
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
                    other => panic!("{other:?}"),
                }
            }
            let tombstone = person.tombstone.as_ref().unwrap();
            assert_eq!(tombstone.rev, rev);
            assert_eq!(tombstone.at[&TombstoneKind::Objected], now);
            assert!(person.is_blocked());
        }
    }
}
