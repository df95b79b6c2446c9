//! What JSON can say that a form cannot, and what a form says.

use super::*;
use crate::page_language::Language;
use crate::setup::{Field, FieldLabel, List, Mode, Redirects, Setup, SetupField};

fn text(value: &str) -> SentValue {
    SentValue::Text(value.to_owned())
}

fn number(value: &str) -> SentValue {
    SentValue::Number(value.to_owned())
}

fn many(values: &[SentValue]) -> SentValue {
    SentValue::Many(values.to_vec())
}

fn field(key: &str) -> SetupField {
    SetupField {
        key: FieldKey::parse(key).unwrap(),
        required: key == "last_name",
        purpose: None,
        without_year: false,
    }
}

/// Asks two texts, the repeatable field, and declared fields of three types.
fn form() -> FormDefinition {
    let declared = [
        ("size", FieldType::Number),
        ("vip", FieldType::Boolean),
        ("since", FieldType::Date),
    ];
    let keys = [
        "first_name",
        "last_name",
        "advertising_criteria",
        "size",
        "vip",
        "since",
    ];
    FormDefinition {
        setup: Setup {
            id: "a".to_owned().try_into().unwrap(),
            rev: 1,
            name: "A".to_owned(),
            mode: Mode::Double,
            justification: None,
            lists: vec!["news".to_owned().try_into().unwrap()],
            fields: keys.map(field).to_vec(),
            interests: vec!["hats".to_owned().try_into().unwrap()],
            publication: crate::setup::Publication::default(),
            email_purpose: None,
            asks_tracking_consent: true,
            asks_profiling_consent: false,
            addresses_minors: false,
            minimum_age: None,
            form_url: String::new(),
            redirects: Redirects::default(),
            redirect_hosts: Vec::new(),
            language: Language::De,
            confirm_days: Setup::DEFAULT_CONFIRM_DAYS,
            reminder_days: 0,
            consent_wording: None,
            notice_version: None,
            hourly_budget: Setup::DEFAULT_HOURLY_BUDGET,
        },
        lists: vec![List {
            id: "news".to_owned().try_into().unwrap(),
            rev: 1,
            name: "News".to_owned(),
        }],
        declared: declared
            .map(|(key, field_type)| Field {
                key: FieldKey::parse(key).unwrap(),
                rev: 1,
                label: FieldLabel::Same(key.to_owned()),
                field_type,
            })
            .to_vec(),
        interests: Vec::new(),
        controller: "Muster".to_owned(),
        notice_version: crate::evidence::Digest::of(&[]),
    }
}

fn parse(more: &[(&str, SentValue)]) -> Result<Submission, Vec<FieldProblem>> {
    let mut pairs = vec![
        ("email".to_owned(), text("a@x.example")),
        ("last_name".to_owned(), text("A")),
    ];
    for (name, value) in more {
        pairs.retain(|(known, _)| known != name);
        pairs.push(((*name).to_owned(), value.clone()));
    }
    Submission::parse(&pairs, &form(), jiff::civil::date(2027, 1, 15))
}

#[test]
fn a_value_of_another_type_is_one_problem_that_names_what_is_expected() {
    let file = || SentValue::Unfit;
    for (name, value, expected) in [
        ("email", number("5"), "text"),
        ("email", many(&[text("a@x.example")]), "text"),
        ("email", file(), "text"),
        ("first_name", number("42"), "text"),
        ("first_name", SentValue::Boolean(true), "text"),
        ("first_name", many(&[text("A"), text("B")]), "text"),
        ("first_name", file(), "text"),
        ("last_name", file(), "text"),
        (
            "advertising_criteria",
            number("1"),
            "text or array of texts",
        ),
        (
            "advertising_criteria",
            many(&[number("1")]),
            "text or array of texts",
        ),
        (
            "advertising_criteria",
            many(&[SentValue::Unfit]),
            "text or array of texts",
        ),
        ("list", file(), "text or array of texts"),
        ("interest", many(&[many(&[])]), "text or array of texts"),
        ("field.size", SentValue::Boolean(true), "number"),
        ("field.vip", number("1"), "boolean"),
        ("field.since", number("2027"), "text"),
        ("tracking_consent", number("1"), "boolean"),
        ("_form", number("1"), "text"),
    ] {
        let problems = parse(&[(name, value)]).unwrap_err();
        let [problem] = problems.as_slice() else {
            panic!("{name}: {problems:?}")
        };
        assert_eq!(
            (problem.field.as_str(), problem.code.code()),
            (name, "wrong_type")
        );
        let found = problem.code.expected().map(Expected::name);
        assert_eq!(found, Some(expected), "{name}");
    }
}

#[test]
fn json_s_own_types_are_taken_where_they_fit() {
    let submission = parse(&[
        ("field.size", number("42")),
        ("field.vip", SentValue::Boolean(false)),
        ("tracking_consent", SentValue::Boolean(true)),
        ("advertising_criteria", many(&[text("a"), text("b")])),
        ("list", many(&[])),
        ("interest", many(&[text("hats")])),
        ("utm_source", SentValue::Unfit),
        ("upload", SentValue::Unfit),
    ])
    .unwrap();
    let value = |key: &str| {
        let key = FieldKey::parse(key).unwrap();
        submission.values.get(&key).map(FieldValue::reveal)
    };
    assert_eq!(value("size").as_deref(), Some("42"));
    assert_eq!(value("vip").as_deref(), Some("false"));
    assert_eq!(value("advertising_criteria").as_deref(), Some("a, b"));
    assert!(submission.tracking_consent && !submission.honeypot);
    assert_eq!(submission.lists.len(), 1);
    assert_eq!(submission.interests.len(), 1);
}

#[test]
fn what_is_not_asked_stays_so_whatever_its_type() {
    for (name, value) in [
        ("street", number("1")),
        ("street", SentValue::Unfit),
        ("field.other", many(&[text("x")])),
    ] {
        let problems = parse(&[(name, value)]).unwrap_err();
        assert_eq!(problems.len(), 1, "{name}");
        assert_eq!(problems[0].code, FieldProblemCode::NotAsked, "{name}");
    }
    let honeypot = |value| parse(&[("website", value)]).unwrap().honeypot;
    assert!(honeypot(text("http://x")) && honeypot(SentValue::Unfit) && honeypot(number("0")));
    assert!(!honeypot(text(" ")) && !honeypot(many(&[])));
}

#[test]
fn nobody_is_born_later_than_it_is_anywhere() {
    let mut form = form();
    let mut field = form.setup.fields[0].clone();
    field.key = FieldKey::parse("date_of_birth").unwrap();
    field.required = false;
    form.setup.fields.push(field);
    let today = jiff::civil::date(2027, 1, 15);
    for (born, is_taken) in [
        ("1931-05-05", true),
        ("2027-01-16", true),
        ("2027-01-17", false),
        ("9999-12-31", false),
    ] {
        let pairs = [
            ("email".to_owned(), text("a@x.example")),
            ("last_name".to_owned(), text("A")),
            ("date_of_birth".to_owned(), text(born)),
        ];
        let read = Submission::parse(&pairs, &form, today);
        assert_eq!(read.is_ok(), is_taken, "{born}");
    }
}
