//! What rows lead to, by who the person is; ends. Progress and provenance have files of their own.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::{Date, date};

use super::*;
use crate::account::Account;
use crate::address::EmailAddress;
use crate::consent::{self, Barred, Leaving};
use crate::crypto::{AccountKeyMaterial, PlatformSecrets};
use crate::entropy::SeededEntropy;
use crate::id::{AccountId, EventId};
use crate::page_language::Language;
use crate::person::{
    ImportedConsent, LegalBasis, ListConsent, Person, Profile, Proof, Tombstone, TombstoneKind,
    UnsubscribedVia, Withdrawal,
};
use crate::record::{Step, Transaction};

mod progress;
mod provenance;

use self::progress::Model;

const NOW: &str = "2027-01-31T12:00:00Z";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn scope() -> AccountScope {
    let secrets = PlatformSecrets::parse(&format!("{{\"1\":\"{}\"}}", "s".repeat(64))).unwrap();
    let key = AccountKeyMaterial::generate(&secrets, &SeededEntropy::new(1));
    let account: Account = serde_json::from_value(serde_json::json!({
        "id": AccountId::parse("demo").unwrap(), "rev": 1, "name": "Muster", "time_zone": "Europe/Vienna",
        "key": key, "created_at": NOW,
    }))
    .unwrap();
    account.scope(&secrets, at(NOW)).unwrap()
}

fn import_of(
    file: &str,
    basis: LegalBasis,
    consented_on: Option<Date>,
) -> (Import, Vec<ImportChunk>) {
    let request = ImportRequest {
        id: ImportId::parse("imp_1").unwrap(),
        provenance: Provenance {
            source: "Messe".to_owned(),
            legal_basis: basis,
            consented_on,
            proof: None,
            conditions: BTreeSet::new(),
        },
        list: ListId::parse("news").unwrap(),
        dry_run: false,
        now: at(NOW),
    };
    let layout = Layout::of_file(file.as_bytes(), &[]).unwrap();
    Import::of_file(&scope(), request, layout, file.as_bytes())
}

fn rows(import: &Import, chunk: &ImportChunk, file: &str) -> Vec<Row> {
    import.layout.read_chunk(
        &chunk.place,
        &file.as_bytes()[chunk.place.start..chunk.place.end],
    )
}

/// What an import said of a consent, with its proof or without.
fn said(import: &str, list: &str, proven: bool) -> ImportedConsent {
    ImportedConsent {
        import: ImportId::parse(import).unwrap(),
        at: at("2026-01-01T00:00:00Z"),
        list: ListId::parse(list).unwrap(),
        data_only: false,
        provenance: Provenance {
            source: "Messe".to_owned(),
            legal_basis: LegalBasis::Consent,
            consented_on: proven.then(|| date(2025, 12, 31)),
            proof: proven.then(|| "Formular 1".to_owned()),
            conditions: BTreeSet::new(),
        },
    }
}

/// A person with consent for the list `news` of 2026, then changed.
fn subscriber(address: &str, change: impl FnOnce(&mut Person)) -> Person {
    let address = EmailAddress::parse(address).unwrap();
    let key = scope().person(&address);
    let since = at("2026-01-01T00:00:00Z");
    let mut person = Person::unknown(key);
    person.profile = Some(Profile {
        person: key,
        rev: 3,
        address: address.clone(),
        spellings: vec![address],
        values: BTreeMap::new(),
        lists: [(
            ListId::parse("news").unwrap(),
            ListConsent {
                since,
                basis: LegalBasis::Consent,
                proof: Proof::Import(ImportId::parse("old").unwrap()),
            },
        )]
        .into(),
        provenance: vec![said("old", "news", true)],
        interests: Vec::new(),
        tracking_since: None,
        profiling_since: None,
        language: Language::De,
        customer: false,
        created_at: since,
        ended_on: None,
        gone_at: None,
    });
    change(&mut person);
    person
}

fn carry_out(person: &mut Person, transaction: Option<Transaction>) {
    let mut model = Model::default();
    model.people.insert(person.key, person.clone());
    for step in transaction.unwrap().0 {
        model
            .commit(&Transaction(vec![match step {
                // The model knows no unsubscriptions; conditions are not what is tested here.
                Step::Put(Record::Profile(profile), _) => Step::Put(
                    Record::Profile(profile),
                    Expect::unchanged(person.profile.as_ref()),
                ),
                Step::Put(record, _) => Step::Put(record, Expect::Absent),
                other @ (Step::Check(..) | Step::Delete(..) | Step::Tell(_)) => other,
            }]))
            .unwrap();
    }
    *person = model.person(person.key);
}

fn leave(person: &mut Person, list: Option<&str>, now: &str) {
    let leaving = Leaving {
        list: list.map(|list| ListId::parse(list).unwrap()),
        via: UnsubscribedVia::OneClick,
        campaign: None,
        event: EventId::generate(at(now), &SeededEntropy::new(2)),
        entry: crate::evidence::Entry::generate(at(now), &SeededEntropy::new(3)),
        now: at(now),
    };
    let zone = crate::time::zone("Europe/Vienna").unwrap();
    let transaction = consent::leave(&scope(), person, &leaving, &zone);
    carry_out(person, transaction);
}

fn tombstoned(person: &mut Person, kind: TombstoneKind, lifted: Option<&str>) {
    let mut tombstone = Tombstone::none(person.key);
    tombstone.at.insert(kind, at("2026-06-01T00:00:00Z"));
    tombstone.lifted_at = lifted.map(at);
    person.tombstone = Some(tombstone);
    person.profile = None;
}

type Change = Box<dyn Fn(&mut Person)>;

#[test]
fn who_left_stays_out_and_everybody_else_is_created_or_updated() {
    let with_other_list = |person: &mut Person| {
        let profile = person.profile.as_mut().unwrap();
        let consent = profile.lists[&ListId::parse("news").unwrap()].clone();
        profile
            .lists
            .insert(ListId::parse("offers").unwrap(), consent);
    };
    let table: Vec<(&str, Change, &str)> = vec![
        ("nobody yet", Box::new(|p| p.profile = None), "created"),
        ("a subscriber", Box::new(|_| {}), "updated"),
        (
            "one-click",
            Box::new(|p| leave(p, None, "2026-06-01T00:00:00Z")),
            "unsubscribed",
        ),
        (
            "one-click, then the data expired",
            Box::new(|p| {
                leave(p, None, "2026-06-01T00:00:00Z");
                p.profile = None;
                p.withdrawal = None;
            }),
            "unsubscribed",
        ),
        (
            "one list of two",
            Box::new(move |p| {
                with_other_list(p);
                leave(p, Some("news"), "2026-06-01T00:00:00Z");
            }),
            "left_list",
        ),
        (
            "the other list of two",
            Box::new(move |p| {
                with_other_list(p);
                leave(p, Some("offers"), "2026-06-01T00:00:00Z");
            }),
            "updated",
        ),
        (
            "bounced",
            Box::new(|p| {
                let t = consent::bar(p, Barred::Bounced, at("2026-06-01T00:00:00Z"));
                carry_out(p, t);
            }),
            "bounced",
        ),
        (
            "complained",
            Box::new(|p| {
                let t = consent::bar(p, Barred::Complained, at("2026-06-01T00:00:00Z"));
                carry_out(p, t);
            }),
            "complained",
        ),
        (
            "erased",
            Box::new(|p| tombstoned(p, TombstoneKind::Erased, None)),
            "erased",
        ),
        (
            "objected",
            Box::new(|p| tombstoned(p, TombstoneKind::Objected, None)),
            "objected",
        ),
        (
            "erased, then lifted by a double opt-in for another list",
            Box::new(|p| {
                tombstoned(p, TombstoneKind::Erased, Some("2026-07-01T00:00:00Z"));
            }),
            "created",
        ),
        (
            "restricted",
            Box::new(|p| {
                let mut withdrawal = Withdrawal::none(p.key);
                withdrawal.restricted_at = Some(at("2026-06-01T00:00:00Z"));
                p.withdrawal = Some(withdrawal);
            }),
            "restricted",
        ),
        (
            "ended by the controller",
            Box::new(|p| p.profile.as_mut().unwrap().ended_on = Some(date(2027, 1, 30))),
            "relationship_ended",
        ),
    ];
    let file = "email,first_name\nerika@x.example,Erika\n";
    let (import, chunks) = import_of(file, LegalBasis::Consent, None);
    let (_, row) = &rows(&import, &chunks[0], file)[0];
    for (name, change, expected) in table {
        let person = subscriber("erika@x.example", |person| change(person));
        let before = person.profile.clone();
        let outcome = match decide(&person, row.as_ref().unwrap(), &import, Language::De) {
            Decision::Skip(reason) => reason.code(),
            Decision::Write { profile, outcome } => {
                assert_eq!(
                    profile.rev,
                    before.map_or_else(
                        || Profile::first_revision(import.id.as_str().as_bytes()),
                        |before| before.rev + 1
                    ),
                    "{name}"
                );
                assert!(
                    profile
                        .active_lists(person.withdrawal.as_ref())
                        .contains(&import.list),
                    "{name}"
                );
                outcome.name()
            }
        };
        assert_eq!(outcome, expected, "{name}");
    }
}

#[test]
fn consent_from_before_a_withdrawal_is_void_and_later_consent_is_not() {
    let file = "email\nerika@x.example\n";
    // Erased on 1 June, lifted since by a double opt-in for another list.
    let person = subscriber("erika@x.example", |person| {
        tombstoned(person, TombstoneKind::Erased, Some("2026-07-01T00:00:00Z"));
    });
    for (day, skipped) in [
        (None, false),
        (Some(date(2026, 5, 31)), true),
        (Some(date(2026, 6, 1)), true),
        (Some(date(2026, 6, 2)), false),
    ] {
        let (import, chunks) = import_of(file, LegalBasis::Consent, day);
        let (_, row) = &rows(&import, &chunks[0], file)[0];
        let decision = decide(&person, row.as_ref().unwrap(), &import, Language::De);
        let expected = Decision::Skip(SkipReason::WithdrawnSince);
        assert_eq!(decision == expected, skipped, "{day:?}");
    }
}

/// Who is there, what the import says, and what comes of it: on the list, sendable, the
/// report's code, how many imports the person's record names.
type Case = (
    &'static str,
    Option<bool>,
    (LegalBasis, Option<Date>, Option<&'static str>),
    (bool, bool, Option<&'static str>, usize),
);

#[test]
fn a_late_proof_revives_nobody() {
    let file = "email\nerika@x.example\n";
    let (mut import, chunks) = import_of(file, LegalBasis::Consent, Some(date(2025, 6, 1)));
    import.provenance.proof = Some("Foto".to_owned());
    let (_, row) = &rows(&import, &chunks[0], file)[0];
    let unproven = |person: &mut Person| {
        person.profile.as_mut().unwrap().provenance = vec![said("old", "news", false)];
    };
    let leave = |list: Option<&str>| Leaving {
        list: list.map(|list| ListId::parse(list).unwrap()),
        via: UnsubscribedVia::Controller,
        campaign: None,
        event: EventId::from_bytes([1; 16]),
        entry: crate::evidence::Entry::generate(at("2026-06-01T00:00:00Z"), &SeededEntropy::new(3)),
        now: at("2026-06-01T00:00:00Z"),
    };
    let vienna = crate::time::zone("Europe/Vienna").unwrap();
    for (list, expected) in [
        (None, SkipReason::Unsubscribed),
        (Some("news"), SkipReason::Unsubscribed),
    ] {
        // Who is on a list without proof can leave it like everybody else.
        let mut person = subscriber("erika@x.example", unproven);
        let left = consent::leave(&scope(), &person, &leave(list), &vienna);
        carry_out(&mut person, left);
        let decision = decide(&person, row.as_ref().unwrap(), &import, Language::De);
        assert_eq!(decision, Decision::Skip(expected), "{list:?}");
    }
    // Erased after the day of the consent, and lifted since by a double opt-in for another list.
    let person = subscriber("erika@x.example", |person| {
        let since = at("2026-02-01T00:00:00Z");
        let mut tombstone = Tombstone::none(person.key);
        tombstone
            .at
            .insert(TombstoneKind::Erased, at("2025-07-01T00:00:00Z"));
        tombstone.lifted_at = Some(since);
        person.tombstone = Some(tombstone);
        unproven(person);
    });
    let decision = decide(&person, row.as_ref().unwrap(), &import, Language::De);
    assert_eq!(decision, Decision::Skip(SkipReason::WithdrawnSince));
}

#[test]
fn transactional_imports_get_no_list_mail_and_take_none_away() {
    let file = "email\nerika@x.example\n";
    let (import, chunks) = import_of(file, LegalBasis::Transactional, None);
    let (_, row) = &rows(&import, &chunks[0], file)[0];
    let row = row.as_ref().unwrap();
    let unknown = Person::unknown(scope().person(&row.address));
    for (person, active) in [(unknown, 0), (subscriber("erika@x.example", |_| {}), 1)] {
        let Decision::Write { profile, .. } = decide(&person, row, &import, Language::De) else {
            panic!("written");
        };
        assert_eq!(profile.active_lists(None).len(), active);
    }
}

#[test]
fn an_empty_cell_leaves_a_field_and_a_filled_one_rectifies_it() {
    let value = |profile: &Profile, key: &str| {
        profile
            .values
            .get(&crate::id::FieldKey::parse(key).unwrap())
            .map(crate::form::FieldValue::reveal)
    };
    let file = "email,first_name,last_name,customer_number\nErika@x.example,,Muster,00042\n";
    let (import, chunks) = import_of(file, LegalBasis::Consent, None);
    let (_, row) = &rows(&import, &chunks[0], file)[0];
    let person = subscriber("erika@x.example", |person| {
        let values = serde_json::from_str(r#"{"first_name":"Erika","last_name":"Alt"}"#);
        person.profile.as_mut().unwrap().values = values.unwrap();
    });
    let Decision::Write { profile, .. } =
        decide(&person, row.as_ref().unwrap(), &import, Language::De)
    else {
        panic!("written");
    };
    for (key, expected) in [
        ("first_name", "Erika"),
        ("last_name", "Muster"),
        ("customer_number", "00042"),
    ] {
        assert_eq!(value(&profile, key).as_deref(), Some(expected), "{key}");
    }
    // The consent and the spelling stay those of before.
    let before = person.profile.unwrap();
    assert_eq!(
        (profile.lists, profile.address),
        (before.lists, before.address)
    );
}

#[test]
fn a_file_without_rows_is_finished_at_once_and_an_ended_import_stays_as_it_is() {
    let (import, chunks) = import_of("email\n", LegalBasis::Consent, None);
    assert_eq!((import.state, chunks.len()), (ImportState::Finished, 0));
    assert!(import.begun().is_none());
    assert!(
        import
            .given_up(ImportFailure::FileMissing, at(NOW))
            .is_none()
    );

    let (import, mut chunks) = import_of("email\nnobody\n", LegalBasis::Consent, None);
    assert!(import.close(&chunks[0], at(NOW)).is_none(), "not complete");
    chunks[0].runs.push(Run {
        rows: 1,
        outcome: Outcome::Failed,
        code: None,
    });
    assert!(import.close(&chunks[0], at(NOW)).is_some());
    let failed = import
        .given_up(ImportFailure::FileDamaged, at(NOW))
        .unwrap();
    assert!(failed.close(&chunks[0], at(NOW)).is_none());
}
