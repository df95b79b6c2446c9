//! What a controller may change in its relationship with a person: end it, restrict it, say
//! that it goes on.
//!
//! Consent is never given here: that only people do.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::person::{Person, Profile, Tombstone, TombstoneKind, Withdrawal};
use crate::record::{Expect, Record, Transaction};
use crate::time::{day_in, one_month_after, to_millisecond};
use crate::webhook::{News, Topic};

/// The profile of somebody whose relationship ended on this day: due one calendar month later.
pub fn ended(profile: &Profile, on: Date, zone: &TimeZone) -> Profile {
    Profile {
        rev: profile.rev + 1,
        ended_on: Some(on),
        gone_at: Some(one_month_after(on, zone)),
        ..profile.clone()
    }
}

/// The relationship has ended already: its data are due, and no later day can put that off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the relationship has ended already")]
pub struct HasEnded;

/// The profile of somebody whose relationship the controller says ends on this day; `None` when
/// that is known already.
///
/// A planned end that is still to come may be put off: the relationship is running, and nothing is
/// due yet (S-08). Once its day has come, the month that follows is a promise to the person: the
/// end may turn out to have been earlier, never later. A relationship begins anew by a sign-up.
///
/// # Errors
/// When the day is later than an end that has come.
pub fn end(
    profile: &Profile,
    on: Date,
    zone: &TimeZone,
    now: Timestamp,
) -> Result<Option<Profile>, HasEnded> {
    match profile.ended_on {
        Some(end) if end == on => Ok(None),
        Some(end) if on > end && end <= day_in(now, zone) => Err(HasEnded),
        Some(_) | None => Ok(Some(ended(profile, on, zone))),
    }
}

/// The profile of somebody whom the controller marks a customer, or no longer: `profile` is what
/// else changes, and `person` what was read.
///
/// A customer's relationship goes on, so its end is taken back. Who is no customer any more and
/// on no list has no relationship left: it ends today.
pub fn mark_customer(
    person: &Person,
    profile: &Profile,
    customer: bool,
    zone: &TimeZone,
    now: Timestamp,
) -> Profile {
    let marked = Profile {
        customer,
        ..profile.clone()
    };
    if customer && !profile.customer {
        return Profile {
            ended_on: None,
            gone_at: None,
            ..marked
        };
    }
    let stays = marked.ended_on.is_some() || !person.active_lists().is_empty();
    if customer || !profile.customer || stays {
        return marked;
    }
    let rev = marked.rev;
    Profile {
        rev,
        ..ended(&marked, day_in(now, zone), zone)
    }
}

/// What restricting the processing of a person's data changes (Art. 18 GDPR); `None` when it is
/// restricted already.
///
/// The tombstone remembers it too: a restore must not lift it.
pub fn restrict(person: &Person, now: Timestamp) -> Option<Transaction> {
    let known = person.withdrawal.as_ref();
    if known.is_some_and(Withdrawal::is_restricted_on_request) {
        return None;
    }
    let before = person
        .withdrawal
        .clone()
        .unwrap_or_else(|| Withdrawal::none(person.key));
    // The clock of another machine may have been ahead when it was lifted.
    let now = to_millisecond(now);
    let now = match before.restriction_lifted_at {
        Some(lifted) if lifted >= now => crate::time::plus_seconds(lifted, 1),
        _ => now,
    };
    let withdrawal = Withdrawal {
        rev: before.rev + 1,
        restricted_at: Some(now),
        ..before
    };
    let before = person
        .tombstone
        .clone()
        .unwrap_or_else(|| Tombstone::none(person.key));
    let mut tombstone = Tombstone {
        rev: before.rev + 1,
        ..before
    };
    tombstone.at.insert(TombstoneKind::Restricted, now);
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
        topic: Topic::Restricted,
        person: person.key,
        at: now,
        record: None,
    });
    Some(transaction)
}

/// What lifting a restriction changes (Art. 18(3) GDPR); `None` when there is none.
///
/// What else bars the person from mail stays as it is.
pub fn lift_restriction(person: &Person, now: Timestamp) -> Option<Transaction> {
    let known = person.withdrawal.as_ref();
    // What a legal hold restricts ends with it, and not before.
    if !known.is_some_and(Withdrawal::is_restricted_on_request) {
        return None;
    }
    let before = person.withdrawal.clone()?;
    // The clock of another machine may have been ahead when it was restricted.
    let now = before.restricted_at.map_or(now, |since| since.max(now));
    let withdrawal = Withdrawal {
        rev: before.rev + 1,
        restriction_lifted_at: Some(to_millisecond(now)),
        ..before
    };
    let mut transaction = Transaction::default();
    // A legal hold restricts all the same.
    if !withdrawal.is_restricted() {
        transaction.tell(News {
            topic: Topic::RestrictionLifted,
            person: person.key,
            at: to_millisecond(now),
            record: None,
        });
    }
    transaction.put(
        Record::Withdrawal(withdrawal),
        Expect::unchanged(person.withdrawal.as_ref()),
    );
    if let Some(tombstone) = &person.tombstone {
        let mut lifted = Tombstone {
            rev: tombstone.rev + 1,
            ..tombstone.clone()
        };
        lifted.at.remove(&TombstoneKind::Restricted);
        transaction.put(Record::Tombstone(lifted), Expect::Revision(tombstone.rev));
    }
    Some(transaction)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::address::EmailAddress;
    use crate::crypto::{AccountKeyMaterial, PlatformSecrets};
    use crate::entropy::SeededEntropy;
    use crate::evidence::Entry;
    use crate::id::{EventId, ListId, PersonKey};
    use crate::key::AccountScope;
    use crate::page_language::Language;
    use crate::person::{LegalBasis, ListConsent, Proof, Standing};
    use crate::record::Step;
    use crate::time::zone;

    const KEY: PersonKey = PersonKey::from_bytes([7; 16]);

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn subscriber(customer: bool, lists: bool) -> Person {
        let address = EmailAddress::parse("somebody@shop.example").unwrap();
        let consent = ListConsent {
            since: at("2027-01-01T00:00:00Z"),
            basis: LegalBasis::Consent,
            proof: Proof::SignUp(EventId::from_bytes([1; 16])),
        };
        let lists = if lists {
            BTreeMap::from([(ListId::parse("news").unwrap(), consent)])
        } else {
            BTreeMap::new()
        };
        let profile = Profile {
            person: KEY,
            rev: 4,
            address: address.clone(),
            spellings: vec![address],
            values: BTreeMap::new(),
            lists,
            provenance: Vec::new(),
            interests: Vec::new(),
            tracking_since: None,
            profiling_since: None,
            language: Language::De,
            customer,
            created_at: at("2027-01-01T00:00:00Z"),
            ended_on: None,
            gone_at: None,
        };
        Person {
            profile: Some(profile),
            ..Person::unknown(KEY)
        }
    }

    #[test]
    fn who_is_no_customer_and_on_no_list_has_no_relationship_left() {
        let vienna = zone("Europe/Vienna").unwrap();
        // 23:30 on the 31st in UTC is the 1st in Vienna.
        let now = at("2027-01-31T23:30:00Z");
        for (was, lists, becomes, ended_on) in [
            (true, false, false, Some("2027-02-01")),
            (true, true, false, None),
            (true, false, true, None),
            (false, false, false, None),
            (false, false, true, None),
        ] {
            let person = subscriber(was, lists);
            let profile = person.profile.clone().unwrap();
            let marked = mark_customer(&person, &profile, becomes, &vienna, now);
            assert_eq!(marked.customer, becomes);
            assert_eq!(marked.rev, profile.rev);
            assert_eq!(
                marked.ended_on,
                ended_on.map(|day| day.parse().unwrap()),
                "{was} {lists} {becomes}"
            );
            assert_eq!(marked.gone_at.is_some(), ended_on.is_some());
        }
    }

    #[test]
    fn a_customer_who_left_all_lists_is_kept_on() {
        let vienna = zone("Europe/Vienna").unwrap();
        let person = subscriber(false, false);
        let profile = ended(
            person.profile.as_ref().unwrap(),
            "2027-01-31".parse().unwrap(),
            &vienna,
        );
        assert_eq!(profile.gone_at, Some(at("2027-02-28T23:00:00Z")));
        let now = at("2027-02-01T00:00:00Z");
        let marked = mark_customer(&person, &profile, true, &vienna, now);
        assert_eq!((marked.ended_on, marked.gone_at), (None, None));
    }

    #[test]
    fn an_end_that_has_come_may_be_earlier_but_not_later() {
        let vienna = zone("Europe/Vienna").unwrap();
        // 23:30 on 9 March in UTC is the 10th in Vienna: that day has come.
        let now = at("2027-03-09T23:30:00Z");
        let day = |text: &str| -> Date { text.parse().unwrap() };
        let running = subscriber(true, true).profile.unwrap();
        for (known, on, expected) in [
            (None, "2027-01-01", Ok(Some("2027-01-01"))),
            (None, "2027-12-31", Ok(Some("2027-12-31"))),
            (Some("2027-02-20"), "2027-02-19", Ok(Some("2027-02-19"))),
            (Some("2027-02-20"), "2027-02-20", Ok(None)),
            (Some("2027-02-20"), "2027-02-21", Err(HasEnded)),
            (Some("2027-02-20"), "2099-01-01", Err(HasEnded)),
            (Some("2027-03-10"), "2027-03-11", Err(HasEnded)),
            (Some("2027-03-11"), "2027-03-12", Ok(Some("2027-03-12"))),
            (Some("2027-12-31"), "2028-12-31", Ok(Some("2028-12-31"))),
            (Some("2027-12-31"), "2027-03-01", Ok(Some("2027-03-01"))),
        ] {
            let profile = match known {
                Some(known) => ended(&running, day(known), &vienna),
                None => running.clone(),
            };
            let after = end(&profile, day(on), &vienna, now);
            let expected = expected.map(|on| on.map(|on| ended(&profile, day(on), &vienna)));
            assert_eq!(after, expected, "{known:?} {on}");
        }
    }

    #[test]
    fn who_leaves_everything_does_not_wait_for_a_planned_end() {
        let vienna = zone("Europe/Vienna").unwrap();
        let now = at("2027-03-09T12:00:00Z");
        let secrets = PlatformSecrets::parse(r#"{"1":"0123456789abcdef0123456789abcdef"}"#);
        let secrets = secrets.unwrap();
        let key = AccountKeyMaterial::generate(&secrets, &SeededEntropy::new(1));
        let account = crate::id::AccountId::parse("demo").unwrap();
        let scope = AccountScope::new(account, key.key(&secrets).unwrap());
        for (planned, ended_on) in [("2099-12-31", "2027-03-09"), ("2027-03-01", "2027-03-01")] {
            let mut person = subscriber(false, true);
            let profile = person.profile.take().unwrap();
            person.profile = Some(ended(&profile, planned.parse().unwrap(), &vienna));
            let leaving = crate::consent::Leaving {
                list: None,
                via: crate::person::UnsubscribedVia::Page,
                campaign: None,
                event: EventId::from_bytes([2; 16]),
                entry: Entry::generate(now, &SeededEntropy::new(2)),
                now,
            };
            let steps = crate::consent::leave(&scope, &person, &leaving, &vienna)
                .unwrap()
                .0;
            let left = steps.into_iter().find_map(|step| match step {
                Step::Put(Record::Profile(profile), _) => profile.ended_on,
                _ => None,
            });
            assert_eq!(left, Some(ended_on.parse().unwrap()), "{planned}");
        }
    }

    #[test]
    fn restriction_stops_mail_at_once_and_is_remembered_beyond_the_profile() {
        let mut person = subscriber(false, true);
        let now = at("2027-03-01T10:00:00Z");
        let transaction = restrict(&person, now).unwrap();
        for step in transaction.0 {
            match step {
                Step::Put(Record::Withdrawal(withdrawal), Expect::Absent) => {
                    person.withdrawal = Some(withdrawal);
                }
                Step::Put(Record::Tombstone(tombstone), Expect::Absent) => {
                    assert_eq!(tombstone.at[&TombstoneKind::Restricted], now);
                    person.tombstone = Some(tombstone);
                }
                Step::Tell(news) => assert_eq!((news.topic, news.at), (Topic::Restricted, now)),
                other => panic!("{other:?}"),
            }
        }
        let profile = person.profile.as_ref().unwrap();
        assert_eq!(
            profile.standing(person.withdrawal.as_ref()),
            Standing::Restricted
        );
        assert_eq!(
            restrict(&person, now),
            None,
            "a second time changes nothing"
        );
        let lifted = lift_restriction(&person, now).unwrap();
        for step in lifted.0 {
            match step {
                Step::Put(Record::Withdrawal(withdrawal), Expect::Revision(1)) => {
                    person.withdrawal = Some(withdrawal);
                }
                Step::Put(Record::Tombstone(tombstone), Expect::Revision(1)) => {
                    person.tombstone = Some(tombstone);
                }
                Step::Tell(news) => {
                    assert_eq!((news.topic, news.at), (Topic::RestrictionLifted, now));
                }
                other => panic!("{other:?}"),
            }
        }
        assert!(!person.is_restricted() && !person.is_blocked());
        assert_eq!(lift_restriction(&person, now), None);
        assert!(restrict(&person, now).is_some(), "it may come back");
    }
}
