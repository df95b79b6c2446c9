use std::collections::BTreeMap;

use super::*;
use crate::account::Account;
use crate::address::EmailAddress;
use crate::consent::{Leaving, ended, leave, restrict};
use crate::crypto::{AccountKeyMaterial, PlatformSecrets};
use crate::entropy::SeededEntropy;
use crate::erasure::{Decision, Known, erase};
use crate::evidence::Entry;
use crate::id::{AccountId, EventId, ListId, PersonKey};
use crate::page_language::Language;
use crate::person::{LegalBasis, ListConsent, Proof, Standing, UnsubscribedVia};
use crate::record::{DueWork, Step, Stored as _};
use crate::time::zone;

const KEY: PersonKey = PersonKey::from_bytes([7; 16]);

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn vienna() -> TimeZone {
    zone("Europe/Vienna").unwrap()
}

fn scope() -> AccountScope {
    let secrets = PlatformSecrets::parse(r#"{"1":"0123456789abcdef0123456789abcdef"}"#).unwrap();
    let key = AccountKeyMaterial::generate(&secrets, &SeededEntropy::new(1));
    let account = Account {
        id: AccountId::parse("demo").unwrap(),
        rev: 1,
        audit_months: None,
        unsubscribe_setup: None,
        name: "Muster".to_owned(),
        imprint: String::new(),
        privacy_url: String::new(),
        language: Language::De,
        time_zone: "Europe/Vienna".to_owned(),
        contact: String::new(),
        sender_domains: Vec::new(),
        evidence_years_after_erasure: 3,
        key,
        has_address_rules: false,
        tombstones_marked: false,
        automated_decisions: false,
        created_at: Timestamp::UNIX_EPOCH,
        closed_at: None,
        gone_at: None,
    };
    account.scope(&secrets, Timestamp::UNIX_EPOCH).unwrap()
}

fn subscriber() -> Person {
    let address = EmailAddress::parse("somebody@shop.example").unwrap();
    let consent = ListConsent {
        since: at("2027-01-01T00:00:00Z"),
        basis: LegalBasis::Consent,
        proof: Proof::SignUp(EventId::from_bytes([1; 16])),
    };
    let profile = Profile {
        person: KEY,
        rev: 1,
        address: address.clone(),
        spellings: vec![address],
        values: BTreeMap::new(),
        lists: BTreeMap::from([(ListId::parse("news").unwrap(), consent)]),
        provenance: Vec::new(),
        interests: Vec::new(),
        tracking_since: None,
        profiling_since: None,
        language: Language::De,
        customer: false,
        created_at: at("2027-01-01T00:00:00Z"),
        ended_on: None,
        gone_at: None,
    };
    Person {
        profile: Some(profile),
        ..Person::unknown(KEY)
    }
}

fn apply(person: &mut Person, transaction: Transaction) {
    for step in transaction.0 {
        match step {
            Step::Put(Record::Profile(profile), _) => person.profile = Some(*profile),
            Step::Put(Record::Withdrawal(withdrawal), _) => person.withdrawal = Some(withdrawal),
            Step::Put(Record::Tombstone(tombstone), _) => person.tombstone = Some(tombstone),
            _ => {}
        }
    }
}

fn hold(until: &str, now: &str) -> Hold {
    let until = until.parse().unwrap();
    Hold::new("§ 132 BAO".to_owned(), until, &vienna(), at(now)).unwrap()
}

fn held(mut person: Person, until: &str, now: &str) -> Person {
    let transaction = place(&scope(), &person, hold(until, now)).unwrap();
    apply(&mut person, transaction);
    person
}

fn decide(person: &Person, now: &str) -> Decision {
    let known = Known {
        person,
        sign_ups: &[],
        unsubscriptions: &[],
        before: &[],
        is_quarantined: false,
        expired: None,
        is_named: false,
        linked: &[],
    };
    let event = EventId::from_bytes([9; 16]);
    erase(&scope(), known, event, AskedBy::Controller, at(now))
}

#[test]
fn a_hold_lasts_to_the_end_of_its_last_day_and_no_longer_than_any_claim() {
    // 23:30 on the 1st in UTC is the 2nd in Vienna.
    let now = at("2027-03-01T23:30:00Z");
    for (until, expected) in [
        ("2027-03-01", Err(InvalidHold::Past)),
        ("2027-03-02", Ok("2027-03-02T23:00:00Z")),
        ("2034-12-31", Ok("2034-12-31T23:00:00Z")),
        // Summer time.
        ("2027-07-01", Ok("2027-07-01T22:00:00Z")),
        ("2057-03-02", Ok("2057-03-02T23:00:00Z")),
        ("2057-03-03", Err(InvalidHold::TooLong)),
        ("9999-12-31", Err(InvalidHold::TooLong)),
    ] {
        let made = Hold::new("x".to_owned(), until.parse().unwrap(), &vienna(), now);
        let expected = expected.map(at);
        assert_eq!(
            made.as_ref().map(|hold| hold.until).map_err(|e| *e),
            expected,
            "{until}"
        );
        if let Ok(hold) = made {
            assert!(hold.stands(crate::time::plus_seconds(hold.until, -1)));
            assert!(!hold.stands(hold.until));
        }
    }
}

#[test]
fn who_is_held_is_kept_and_not_mailed_and_what_was_due_is_due_when_it_ends() {
    let profile = subscriber().profile.unwrap();
    for (ended_on, after) in [
        (None, None),
        (Some("2027-02-20"), Some("2027-03-20T23:00:00Z")),
    ] {
        let mut person = subscriber();
        if let Some(on) = ended_on {
            let on: Date = on.parse().unwrap();
            person.profile = Some(ended(&profile, on, &vienna()));
        }
        let person = held(person, "2034-12-31", "2027-03-01T10:00:00Z");
        let now = person.profile.as_ref().unwrap();
        assert_eq!(now.gone_at, None, "nothing deletes it");
        assert_eq!(
            now.standing(person.withdrawal.as_ref()),
            Standing::Restricted
        );
        let due = person.withdrawal.as_ref().unwrap().due().unwrap();
        assert_eq!(
            (due.work, due.at),
            (DueWork::Hold, at("2034-12-31T23:00:00Z"))
        );

        let mut lifted = person.clone();
        let end = lift(&scope(), &person, &vienna(), at("2027-06-01T00:00:00Z")).unwrap();
        apply(&mut lifted, end);
        assert_eq!(lifted.profile.as_ref().unwrap().gone_at, after.map(at));
        assert!(!lifted.is_restricted());
        assert_eq!(lifted.withdrawal.as_ref().unwrap().due(), None);
        assert_eq!(
            lift(&scope(), &lifted, &vienna(), at("2027-06-01T00:00:00Z")),
            None
        );
    }
}

#[test]
fn leaving_and_restricting_count_also_while_data_are_held() {
    let person = held(subscriber(), "2034-12-31", "2027-03-01T10:00:00Z");
    let now = at("2027-03-02T10:00:00Z");
    let leaving = Leaving {
        list: None,
        via: UnsubscribedVia::OneClick,
        campaign: None,
        event: EventId::from_bytes([2; 16]),
        entry: Entry::generate(now, &SeededEntropy::new(2)),
        now,
    };
    let mut left = person.clone();
    apply(
        &mut left,
        leave(&scope(), &person, &leaving, &vienna()).unwrap(),
    );
    let profile = left.profile.as_ref().unwrap();
    assert_eq!(profile.ended_on, Some("2027-03-02".parse().unwrap()));
    assert_eq!(profile.gone_at, None, "it is still held");

    let mut restricted = left.clone();
    apply(&mut restricted, restrict(&left, now).unwrap());
    let mut lifted = restricted.clone();
    apply(
        &mut lifted,
        lift(&scope(), &restricted, &vienna(), now).unwrap(),
    );
    assert!(
        lifted.is_restricted(),
        "the person's own restriction stands"
    );
    let gone_at = lifted.profile.as_ref().unwrap().gone_at;
    assert_eq!(gone_at, Some(at("2027-04-02T22:00:00Z")));
}

#[test]
fn an_erasure_waits_for_the_end_of_a_hold_and_for_nothing_else() {
    assert!(matches!(
        decide(&subscriber(), "2027-03-02T10:00:00Z"),
        Decision::Erase(..)
    ));
    let mut person = held(subscriber(), "2027-03-31", "2027-03-01T10:00:00Z");
    let Decision::Held(Some(noted), hold) = decide(&person, "2027-03-02T10:00:00Z") else {
        panic!("held");
    };
    assert_eq!(hold.basis, "§ 132 BAO");
    apply(&mut person, noted);
    let waits = person
        .withdrawal
        .as_ref()
        .unwrap()
        .hold
        .as_ref()
        .unwrap()
        .erasure;
    assert_eq!(
        waits.map(|waits| waits.asked_at),
        Some(at("2027-03-02T10:00:00Z"))
    );
    // Asking again notes nothing more, and a longer hold does not forget it.
    assert!(matches!(
        decide(&person, "2027-03-03T10:00:00Z"),
        Decision::Held(None, _)
    ));
    let longer = held(person.clone(), "2027-04-30", "2027-03-04T10:00:00Z");
    let kept = longer.withdrawal.as_ref().unwrap().hold.as_ref().unwrap();
    assert_eq!(
        (kept.erasure, kept.since),
        (waits, at("2027-03-01T10:00:00Z"))
    );
    // By its day...
    assert!(matches!(
        decide(&person, "2027-03-31T21:59:59Z"),
        Decision::Held(..)
    ));
    let Decision::Erase(transaction, _) = decide(&person, "2027-03-31T22:00:00Z") else {
        panic!("its day is over");
    };
    let mut erased = person.clone();
    apply(&mut erased, transaction);
    assert_eq!(erased.withdrawal.as_ref().unwrap().hold, None);
    // ... or because it was lifted: still there until the erasure has all of it.
    let end = lift(&scope(), &person, &vienna(), at("2027-03-05T10:00:00Z")).unwrap();
    apply(&mut person, end);
    assert!(person.is_restricted());
    assert!(matches!(
        decide(&person, "2027-03-05T10:00:00Z"),
        Decision::Erase(..)
    ));
}

#[test]
fn the_erasure_of_a_former_address_waits_for_the_hold_of_the_one_that_took_over() {
    let now = "2027-03-01T10:00:00Z";
    let successors = hold("2027-06-30", now);
    let mut former = Person::unknown(PersonKey::from_bytes([8; 16]));
    let noted = postpone_with(&former, &successors, AskedBy::Controller, at(now)).unwrap();
    apply(&mut former, noted);
    let own = former.withdrawal.clone().unwrap().hold.unwrap();
    assert!(own.follows(&successors) && own.stands(at("2027-06-30T21:59:59Z")));
    assert!(!own.follows(&hold("2027-07-01", now)));
    assert!(
        !successors.follows(&successors),
        "that one is nobody's but its own"
    );
    // Asking again changes nothing, and what it waits for may end before its day.
    let later = at("2027-03-02T10:00:00Z");
    assert_eq!(
        postpone_with(&former, &successors, AskedBy::Person, later),
        None
    );
    let ended = lift(&scope(), &former, &vienna(), later).unwrap();
    apply(&mut former, ended);
    let over = former.withdrawal.unwrap().hold.unwrap();
    assert!(!over.stands(later) && over.erasure == own.erasure);
}

#[test]
fn whoever_got_the_data_is_told_that_they_are_held_and_that_they_are_free_again() {
    let told = |transaction: &Transaction| -> Vec<Topic> {
        let steps = transaction.0.iter();
        let news = steps.filter_map(|step| match step {
            Step::Tell(news) => Some(news.topic),
            _ => None,
        });
        news.collect()
    };
    let (until, now) = ("2027-12-31", "2027-03-01T00:00:00Z");
    let mut person = subscriber();
    let placed = place(&scope(), &person, hold(until, now)).unwrap();
    assert_eq!(told(&placed), [Topic::Restricted]);
    apply(&mut person, placed);
    let again = place(&scope(), &person, hold("2028-12-31", now)).unwrap();
    assert!(told(&again).is_empty(), "they are restricted already");
    let lifted = lift(&scope(), &person, &vienna(), at("2027-04-01T00:00:00Z")).unwrap();
    assert_eq!(told(&lifted), [Topic::RestrictionLifted]);
    // What somebody asked for stands after it, and is lifted on its own.
    let asked = restrict(&person, at("2027-03-02T00:00:00Z")).unwrap();
    apply(&mut person, asked);
    let lifted = lift(&scope(), &person, &vienna(), at("2027-04-01T00:00:00Z")).unwrap();
    assert!(told(&lifted).is_empty());
}
