//! What erasing decides, and that its clean-up can be noted in any order.

use super::*;
use crate::crypto::{AccountKeyMaterial, PlatformSecrets};
use crate::entropy::SeededEntropy;
use crate::evidence::Entry;
use crate::page_language::Language;
use crate::person::UnsubscribedVia;
use crate::record::Step;
use crate::webhook::Topic;

const KEY: PersonKey = PersonKey::from_bytes([7; 16]);

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn account() -> (Account, AccountScope) {
    let secrets = PlatformSecrets::parse(r#"{"1":"0123456789abcdef0123456789abcdef"}"#).unwrap();
    let entropy = SeededEntropy::new(3);
    let now = at("2026-11-23T12:00:00Z");
    let account = Account {
        id: AccountId::parse("demo").unwrap(),
        rev: 1,
        name: "Muster GmbH".to_owned(),
        imprint: String::new(),
        privacy_url: String::new(),
        language: Language::De,
        time_zone: "Europe/Vienna".to_owned(),
        contact: String::new(),
        sender_domains: Vec::new(),
        key: AccountKeyMaterial::generate(&secrets, &entropy),
        created_at: now,
        evidence_years_after_erasure: 3,
        unsubscribe_setup: None,
        has_address_rules: false,
        tombstones_marked: false,
        automated_decisions: false,
        audit_months: None,
        closed_at: None,
        gone_at: None,
    };
    let scope = account.scope(&secrets, now).unwrap();
    (account, scope)
}

fn left_at(instant: Timestamp) -> Unsubscription {
    let entropy = SeededEntropy::new(5);
    Unsubscription {
        event: EventId::generate(instant, &entropy),
        person: KEY,
        rev: 1,
        at: instant,
        via: UnsubscribedVia::Page,
        lists: Vec::new(),
        all: true,
        campaign: None,
        entry: Some(Entry::generate(instant, &entropy)),
        setup: None,
        reason: None,
        anonymise_at: None,
        anonymised_at: None,
        successor: None,
    }
}

fn decide(
    person: &Person,
    left: &[Unsubscription],
    before: &[Erasure],
    now: Timestamp,
) -> Decision {
    let known = Known {
        person,
        sign_ups: &[],
        unsubscriptions: left,
        before,
        is_quarantined: false,
        expired: None,
        is_named: false,
        linked: &[],
    };
    let event = EventId::generate(now, &SeededEntropy::new(9));
    erase(&account().1, known, event, AskedBy::Controller, now)
}

/// The person as the transaction leaves them.
fn after(transaction: &Transaction) -> Person {
    let mut person = Person::unknown(KEY);
    for step in &transaction.0 {
        match step {
            Step::Put(Record::Tombstone(tombstone), _) => {
                person.tombstone = Some(tombstone.clone());
            }
            Step::Put(Record::Withdrawal(withdrawal), _) => {
                person.withdrawal = Some(withdrawal.clone());
            }
            _ => {}
        }
    }
    person
}

#[test]
fn nobody_is_erased_who_is_not_known_and_nobody_twice() {
    let now = at("2027-03-01T10:00:00Z");
    let nobody = Person::unknown(KEY);
    assert_eq!(decide(&nobody, &[], &[], now), Decision::Unknown);

    let left = [left_at(at("2027-02-01T10:00:00Z"))];
    let Decision::Erase(transaction, erasure) = decide(&nobody, &left, &[], now) else {
        panic!("somebody who left is known");
    };
    assert!(matches!(
        transaction.0.first(),
        Some(Step::Put(Record::Tombstone(_), Expect::Absent))
    ));
    let erased = after(&transaction);
    assert!(erased.tombstone.as_ref().unwrap().hides(left[0].at));
    assert_eq!(erased.withdrawal.as_ref().unwrap().all_at, Some(now));
    let again = decide(&erased, &left, std::slice::from_ref(&erasure), now);
    assert_eq!(again, Decision::Done(erasure.clone()));
    // Who came back since is erased again.
    let came_back = [left_at(at("2027-03-02T10:00:00Z"))];
    assert!(matches!(
        decide(&erased, &came_back, &[*erasure], at("2027-03-03T10:00:00Z")),
        Decision::Erase(..)
    ));
}

#[test]
fn an_erasure_is_never_older_than_what_it_erases() {
    let ahead = left_at(at("2027-03-01T10:00:05Z"));
    let now = at("2027-03-01T10:00:00Z");
    let Decision::Erase(transaction, erasure) = decide(
        &Person::unknown(KEY),
        std::slice::from_ref(&ahead),
        &[],
        now,
    ) else {
        panic!("known");
    };
    assert_eq!(erasure.requested_at, ahead.at);
    assert!(after(&transaction).tombstone.unwrap().hides(ahead.at));

    // The record of the opt-in that lifted the tombstone may be lost.
    let mut known = Tombstone::none(KEY);
    known.note(TombstoneKind::Unsubscribed, at("2027-01-01T10:00:00Z"));
    known.lifted_at = Some(ahead.at);
    let person = Person {
        tombstone: Some(known),
        ..Person::unknown(KEY)
    };
    let Decision::Erase(transaction, _) = decide(&person, &[], &[], now) else {
        panic!("known");
    };
    assert!(after(&transaction).is_blocked());
}

#[test]
fn it_is_due_until_all_of_it_is_done_and_then_says_when_the_copies_go() {
    let now = at("2027-03-01T10:00:00Z");
    let left = [left_at(now)];
    let Decision::Erase(_, erasure) = decide(&Person::unknown(KEY), &left, &[], now) else {
        panic!("known");
    };
    let mut erasure = *erasure;
    erasure.linked = vec![erasure.id()];
    let (hours_23, hours_24) = (at("2027-03-02T09:59:59Z"), at("2027-03-02T10:00:00Z"));
    for task in Task::ALL {
        // Whoever is still to be told does not keep the data here alive.
        let only_told = task == Task::Recipients;
        let live_gone_at = only_told.then_some(now);
        assert_eq!(erasure.live_gone_at(), live_gone_at);
        assert_eq!(erasure.is_overdue(hours_24), !only_told);
        assert!(!erasure.is_overdue(hours_23));
        let work = if only_told {
            DueWork::Settle
        } else {
            DueWork::Erase
        };
        assert_eq!(erasure.due().map(|due| due.work), Some(work));
        erasure.note(task, now);
        assert_eq!(
            erasure.left.is_some(),
            !(erasure.has(Task::Records) && erasure.has(Task::Ses))
        );
    }
    assert_eq!(erasure.due(), None);
    assert_eq!(erasure.live_gone_at(), Some(now));
    assert_eq!(
        erasure.full_copies_gone_by(),
        Some(at("2027-03-08T10:00:00Z"))
    );
}

#[test]
fn it_counts_who_acknowledged_and_names_who_did_not() {
    let now = at("2027-03-01T10:00:00Z");
    let left = [left_at(now)];
    let Decision::Erase(transaction, erasure) = decide(&Person::unknown(KEY), &left, &[], now)
    else {
        panic!("known");
    };
    let told = transaction.0.iter().any(|step| {
        matches!(step, Step::Tell(news)
            if news.topic == Topic::Erasure && news.record == Some(erasure.event))
    });
    assert!(told, "in the same transaction");
    let [a, b] = ["whk_a", "whk_b"].map(|id| crate::id::WebhookId::parse(id).unwrap());
    let mut erasure = *erasure;
    assert!(erasure.tell([]), "nobody is to be told");
    assert!(!erasure.tell([
        (a.clone(), Told::Acknowledged(now)),
        (b.clone(), Told::Waiting)
    ]));
    assert_eq!(erasure.notified(), 1);
    // What is settled stays settled, also when its message is gone.
    assert!(!erasure.tell([(a.clone(), Told::NotAcknowledged(now))]));
    assert!(erasure.tell([(b.clone(), Told::NotAcknowledged(now))]));
    assert_eq!(erasure.notified(), 1);
    assert_eq!(erasure.recipients[&b], Told::NotAcknowledged(now));
    let text = serde_json::to_string(&erasure).unwrap();
    assert_eq!(serde_json::from_str::<Erasure>(&text).unwrap(), erasure);
}

#[test]
fn sealed_evidence_is_kept_for_the_years_set_and_never_longer_than_the_account() {
    let (mut account, _) = account();
    let zone = crate::time::zone("Europe/Vienna").unwrap();
    let asked = at("2027-03-01T10:00:00Z");
    for (years, gone_at, until) in [
        (3, None, Some("2030-03-01T10:00:00Z")),
        (1, None, Some("2028-03-01T10:00:00Z")),
        (0, None, None),
        (
            3,
            Some("2027-04-01T00:00:00Z"),
            Some("2027-04-01T00:00:00Z"),
        ),
        (
            1,
            Some("2029-04-01T00:00:00Z"),
            Some("2028-03-01T10:00:00Z"),
        ),
    ] {
        account.evidence_years_after_erasure = years;
        account.gone_at = gone_at.map(at);
        assert_eq!(
            sealed_until(&account, asked, &zone),
            until.map(at),
            "{years}"
        );
    }
}

fn profile(address: &str, gone_at: Timestamp) -> Profile {
    let address = EmailAddress::parse(address).unwrap();
    Profile {
        person: KEY,
        rev: 4,
        address: address.clone(),
        spellings: vec![address],
        values: BTreeMap::new(),
        lists: BTreeMap::new(),
        interests: Vec::new(),
        provenance: Vec::new(),
        tracking_since: None,
        profiling_since: None,
        language: Language::De,
        customer: true,
        created_at: Timestamp::UNIX_EPOCH,
        ended_on: None,
        gone_at: Some(gone_at),
    }
}

#[test]
fn a_profile_whose_time_is_over_goes_with_the_transaction_and_leaves_its_spellings() {
    let now = at("2027-03-01T10:00:00Z");
    let expired = profile("Anna@shop.example", now);
    let nobody = Person::unknown(KEY);
    let known = Known {
        person: &nobody,
        sign_ups: &[],
        unsubscriptions: &[],
        before: &[],
        is_quarantined: false,
        expired: Some(&expired),
        is_named: false,
        linked: &[],
    };
    let scope = account().1;
    let event = EventId::generate(now, &SeededEntropy::new(9));
    let Decision::Erase(transaction, erasure) =
        erase(&scope, known, event, AskedBy::Controller, now)
    else {
        panic!("it is there still");
    };
    // What counts as absent is deleted if it is there, and only then.
    let deletion = Step::Delete(scope.profile(KEY), Expect::Absent);
    assert!(transaction.0.contains(&deletion));
    assert_eq!(erasure.left.unwrap().spellings, expired.spellings);
}

#[test]
fn somebody_is_erased_whom_only_ledgers_requests_or_messages_name() {
    let now = at("2027-03-01T10:00:00Z");
    let nobody = Person::unknown(KEY);
    let scope = account().1;
    let former = RecordId {
        person: PersonKey::from_bytes([8; 16]),
        event: EventId::generate(now, &SeededEntropy::new(1)),
    };
    let known = Known {
        person: &nobody,
        sign_ups: &[],
        unsubscriptions: &[],
        before: &[],
        is_quarantined: false,
        expired: None,
        is_named: true,
        linked: &[former],
    };
    let event = EventId::generate(now, &SeededEntropy::new(9));
    let Decision::Erase(transaction, erasure) =
        erase(&scope, known, event, AskedBy::Controller, now)
    else {
        panic!("something names them");
    };
    assert!(after(&transaction).tombstone.is_some());
    // It is not done before that of the address of before is.
    assert_eq!(erasure.linked, [former]);
    assert!(!erasure.has(Task::Linked));
    let stored = serde_json::to_value(&erasure).unwrap();
    assert_eq!(serde_json::from_value::<Erasure>(stored).unwrap(), *erasure);
}

#[test]
fn an_erasure_that_was_complete_before_addresses_were_linked_stays_complete() {
    let now = at("2027-03-01T10:00:00Z");
    let left = [left_at(now)];
    let Decision::Erase(_, erasure) = decide(&Person::unknown(KEY), &left, &[], now) else {
        panic!("known");
    };
    let mut erasure = *erasure;
    let others = Task::ALL.into_iter().filter(|task| *task != Task::Linked);
    others.for_each(|task| erasure.note(task, now));
    assert!(erasure.is_complete());
    assert_eq!(erasure.live_gone_at(), Some(now));
}
