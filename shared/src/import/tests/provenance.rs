//! What an import must say of where its people come from, and whom it may write to.

use super::*;

#[test]
fn a_soft_opt_in_writes_to_nobody_unless_each_of_its_five_conditions_is_stated() {
    let file = "email\nerika@x.example\n";
    let news = ListId::parse("news").unwrap();
    let unknown = Person::unknown(scope().person(&EmailAddress::parse("erika@x.example").unwrap()));
    let unproven = subscriber("erika@x.example", |person| {
        person.profile.as_mut().unwrap().provenance = vec![said("old", "news", false)];
    });
    for basis in [LegalBasis::SoftOptInAt, LegalBasis::SoftOptInDe] {
        for subset in 0_u32..32 {
            let (mut import, chunks) = import_of(file, basis, None);
            import.provenance.conditions = (0..)
                .zip(SoftOptInCondition::ALL)
                .filter(|(bit, _)| subset & (1 << bit) != 0)
                .map(|(_, condition)| condition)
                .collect();
            let all = subset == 31;
            assert_eq!(import.provenance.is_sendable(), all, "{subset:05b}");
            let (_, row) = &rows(&import, &chunks[0], file)[0];
            for person in [&unknown, &unproven] {
                let decision = decide(person, row.as_ref().unwrap(), &import, Language::De);
                let Decision::Write { profile, .. } = decision else {
                    panic!("{subset:05b} is written");
                };
                assert!(profile.active_lists(None).contains(&news));
                assert_eq!(
                    profile.sendable_lists(None).contains(&news),
                    all,
                    "{subset:05b}"
                );
            }
        }
    }
}

#[test]
fn provenance_needs_a_source_and_a_known_basis() {
    let good = ClaimedProvenance {
        source: Some("Messe Wien"),
        legal_basis: Some("consent"),
        ..ClaimedProvenance::default()
    };
    let today = date(2027, 1, 31);
    let long = "x".repeat(MAX_SOURCE_CHARACTERS + 1);
    for (claimed, problems) in [
        (good, &[][..]),
        (
            ClaimedProvenance {
                consented_on: Some("2027-01-31"),
                proof: Some("Formular 7"),
                ..good
            },
            &[],
        ),
        (
            ClaimedProvenance::default(),
            &[("source", "missing"), ("legal_basis", "missing")],
        ),
        (
            ClaimedProvenance {
                source: Some(" "),
                ..good
            },
            &[("source", "empty")],
        ),
        (
            ClaimedProvenance {
                source: Some("a\r\nb"),
                ..good
            },
            &[("source", "control_character")],
        ),
        (
            ClaimedProvenance {
                source: Some(&long),
                ..good
            },
            &[("source", "too_long")],
        ),
        (
            ClaimedProvenance {
                legal_basis: Some("COI"),
                ..good
            },
            &[("legal_basis", "unknown")],
        ),
        (
            ClaimedProvenance {
                proof: Some("COI"),
                ..good
            },
            &[("proof", "ambiguous_opt_in")],
        ),
        (
            ClaimedProvenance {
                source: Some("Confirmed Opt-In"),
                ..good
            },
            &[("source", "ambiguous_opt_in")],
        ),
        (
            ClaimedProvenance {
                consented_on: Some("2027-02-01"),
                ..good
            },
            &[("consented_on", "in_the_future")],
        ),
        (
            ClaimedProvenance {
                consented_on: Some("31.01.2027"),
                ..good
            },
            &[("consented_on", "invalid")],
        ),
        (
            ClaimedProvenance {
                consented_on: Some("20270131"),
                ..good
            },
            &[("consented_on", "invalid")],
        ),
        (
            ClaimedProvenance {
                conditions: Some("not_refused"),
                ..good
            },
            &[("conditions", "not_of_this_basis")],
        ),
        (
            ClaimedProvenance {
                legal_basis: Some("soft_opt_in_DE_7_3"),
                conditions: Some("not_refused, own_similar_products"),
                ..good
            },
            &[],
        ),
        (
            ClaimedProvenance {
                legal_basis: Some("soft_opt_in_DE_7_3"),
                conditions: Some("not_refused,not_refused"),
                ..good
            },
            &[("conditions", "repeated")],
        ),
        (
            ClaimedProvenance {
                legal_basis: Some("soft_opt_in_DE_7_3"),
                conditions: Some("all"),
                ..good
            },
            &[("conditions", "unknown")],
        ),
        (
            ClaimedProvenance {
                consented_on: Some(""),
                ..good
            },
            &[("consented_on", "invalid")],
        ),
    ] {
        let found = Provenance::parse(claimed, today).err().unwrap_or_default();
        assert_eq!(found, problems, "{claimed:?}");
    }
}

#[test]
fn consent_without_day_and_proof_is_on_the_list_and_unsendable_until_both_come() {
    let file = "email\nerika@x.example\n";
    let day = Some(date(2026, 3, 1));
    let news = ListId::parse("news").unwrap();
    let consent = LegalBasis::Consent;
    let missing = Some("proof_missing");
    let stated = Some("conditions_missing");
    let table: [Case; 11] = [
        (
            "new",
            None,
            (consent, None, None),
            (true, false, missing, 1),
        ),
        ("new", None, (consent, day, None), (true, false, missing, 1)),
        (
            "new",
            None,
            (consent, None, Some("Foto")),
            (true, false, missing, 1),
        ),
        (
            "new",
            None,
            (consent, day, Some("Foto")),
            (true, true, None, 1),
        ),
        (
            "new",
            None,
            (LegalBasis::SoftOptInAt, day, Some("Foto")),
            (true, false, stated, 1),
        ),
        (
            "new",
            None,
            (LegalBasis::Transactional, day, Some("Foto")),
            (false, false, None, 1),
        ),
        (
            "unproven",
            Some(false),
            (consent, None, None),
            (true, false, missing, 1),
        ),
        (
            "unproven",
            Some(false),
            (LegalBasis::Transactional, None, None),
            (true, false, missing, 1),
        ),
        (
            "unproven",
            Some(false),
            (consent, day, Some("Foto")),
            (true, true, None, 2),
        ),
        (
            "unproven",
            Some(false),
            (LegalBasis::SoftOptInDe, None, None),
            (true, false, missing, 1),
        ),
        (
            "proven",
            Some(true),
            (consent, None, None),
            (true, true, None, 1),
        ),
    ];
    for (name, proven, (basis, consented_on, proof), expected) in table {
        let (mut import, chunks) = import_of(file, basis, consented_on);
        import.provenance.proof = proof.map(str::to_owned);
        let (before, person) = match proven {
            None => (
                None,
                Person::unknown(scope().person(&EmailAddress::parse("erika@x.example").unwrap())),
            ),
            Some(proven) => {
                let before = said("old", "news", proven);
                let person = subscriber("erika@x.example", |person| {
                    person.profile.as_mut().unwrap().provenance = vec![before.clone()];
                });
                (Some(before), person)
            }
        };
        let rows = rows(&import, &chunks[0], file);
        let people = [(person.key, person.clone())].into();
        let batch = chunks[0].step(&scope(), &import, Language::De, &rows, &people);
        let Some(Step::Put(Record::Profile(profile), _)) = batch.transaction.0.first() else {
            panic!("{name} is written");
        };
        let code = batch.chunk.runs[0].code.as_deref();
        assert_eq!(
            (
                profile.active_lists(None).contains(&news),
                profile.sendable_lists(None).contains(&news),
                code,
                profile.provenance.len(),
            ),
            expected,
            "{name} {basis:?} {consented_on:?} {proof:?}"
        );
        // Nothing that was said before is lost.
        assert_eq!(
            before.as_ref(),
            before.as_ref().and(profile.provenance.first())
        );
        if profile.provenance.len() == 2 {
            assert_eq!(profile.lists[&news].since, import.created_at);
            assert_eq!(profile.lists[&news].basis, basis);
        }
    }
}
