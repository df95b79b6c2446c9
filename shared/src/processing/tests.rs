//! The questionnaire's effects, and that no text of a controller can break the record's form.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::*;
use crate::account::{ApiKey, Scope};
use crate::id::{InterestId, KeyId, WebhookId};
use crate::page_language::Language;
use crate::setup::tests::{account, setup};
use crate::web_address::WebAddress;
use crate::webhook::{SecretMaterial, Topic};

fn dpia(yes: &[Question], risk: Risk, reference: Option<&str>) -> Dpia {
    let no = Question::ALL.iter().filter(|one| !yes.contains(one));
    Dpia {
        rev: 1,
        yes: yes.to_vec(),
        no: no.copied().collect(),
        risk,
        reference: reference.map(str::to_owned),
        reasons: String::new(),
        answered_by: String::new(),
        answered_at: at(1),
        high_since: (risk == Risk::High).then(|| at(1)),
    }
}

fn at(hour: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + hour * 3_600).unwrap()
}

#[test]
fn answers_come_to_a_result_and_a_needed_assessment_must_be_named() {
    use Question::*;
    let (plain, needed) = (DpiaResult::NormallyNotRequired, DpiaResult::Required);
    for (yes, risk, result, reference_needed) in [
        (&[][..], Risk::Normal, plain, false),
        (&[LargeScale], Risk::Normal, plain, false),
        (&[LargeScale, Profiling], Risk::Normal, needed, true),
        // People who need protection are one criterion, however many groups of them.
        (&[Minors, VulnerablePersons], Risk::Normal, plain, false),
        (&[Celebrities], Risk::Normal, needed, true),
        (&[AutomatedDecisions], Risk::Normal, needed, true),
        (&[], Risk::High, plain, true),
    ] {
        let without = dpia(yes, risk, None);
        assert_eq!(without.result(), result, "{yes:?}");
        assert_eq!(
            without.check().is_err(),
            reference_needed,
            "{yes:?} {risk:?}"
        );
        assert_eq!(dpia(yes, risk, Some("")).check(), without.check());
        assert_eq!(dpia(yes, risk, Some("DSFA 2027/1")).check(), Ok(()));
    }
}

#[test]
fn a_question_without_an_answer_leaves_it_unanswered() {
    let mut answers = dpia(&[Question::Minors], Risk::Normal, None);
    assert!(answers.is_answered());
    answers.no.pop();
    assert!(!answers.is_answered());
}

#[test]
fn a_high_risk_ends_tracking_and_lets_data_out_with_keys_made_for_that_alone() {
    let key = |scopes: &[Scope], hour| ApiKey {
        id: KeyId::parse("one").unwrap(),
        rev: 1,
        name: "One".to_owned(),
        scopes: scopes.to_vec(),
        secret_hash: String::new(),
        created_at: at(hour),
    };
    let (normal, high) = (
        dpia(&[], Risk::Normal, None),
        dpia(&[], Risk::High, Some("DSFA 2027/1")),
    );
    assert!(normal.allows_open_tracking());
    assert!(!high.allows_open_tracking());
    let narrow = [Scope::Read, Scope::Export];
    for (scopes, made, wanted, admitted) in [
        (&Scope::ALL[..], 0, Scope::Export, false),
        (&Scope::ALL, 2, Scope::Export, false),
        (&narrow, 0, Scope::Export, false),
        (&narrow, 1, Scope::Export, true),
        (&narrow, 2, Scope::Read, true),
        (&[Scope::Restore], 2, Scope::Restore, true),
        (&[Scope::Restore, Scope::Write], 2, Scope::Restore, false),
        (&Scope::ALL, 0, Scope::Send, true),
    ] {
        let key = key(scopes, made);
        assert_eq!(
            high.admits(&key, wanted),
            admitted,
            "{scopes:?} {made} {wanted:?}"
        );
        assert!(normal.admits(&key, wanted));
    }
}

#[test]
fn what_people_wrote_is_no_markdown() {
    let mut document = Document {
        account: crate::id::AccountId::parse("demo").unwrap(),
        role: Role::Controller,
        language: crate::page_language::Language::De,
        made_at: crate::time::ShownInstant(at(0)),
        made_on: jiff::civil::date(2027, 1, 15),
        title: "T".to_owned(),
        notice: "N".to_owned(),
        complete: true,
        missing: Vec::new(),
        sections: vec![Section {
            id: "one",
            heading: "H".to_owned(),
            entries: Vec::new(),
        }],
    };
    for (written, shown, in_item) in [
        ("a\n# b", "a, \\# b", "a, \\# b"),
        ("<script>", "\\<script\\>", "\\<script\\>"),
        (
            "*a* | [b](c)",
            "\\*a\\* \\| \\[b\\](c)",
            "\\*a\\* \\| \\[b\\](c)",
        ),
        ("- a", "- a", "\\- a"),
        ("+43", "+43", "\\+43"),
        ("1. a", "1. a", "1\\. a"),
        ("31 a", "31 a", "31 a"),
    ] {
        let values = vec![written.to_owned()];
        document.sections[0].entries = vec![Entry {
            label: "L".to_owned(),
            values,
            table: None,
            to_complete: None,
        }];
        let text = document.markdown();
        assert!(text.ends_with(&format!("\n- L: {shown}\n")), "{text}");
        document.sections[0].entries[0]
            .values
            .push(written.to_owned());
        let text = document.markdown();
        assert!(text.ends_with(&format!("\n  - {in_item}\n")), "{text}");
    }
}

/// The controller's record of an account with these setups, interests and webhooks.
fn record(
    account: &Account,
    configured: (&[Setup], &[Interest], &[Webhook]),
    language: Language,
) -> String {
    document(account, configured, None, language).markdown()
}

fn document(
    account: &Account,
    (setups, interests, webhooks): (&[Setup], &[Interest], &[Webhook]),
    dpia: Option<&Dpia>,
    language: Language,
) -> Document {
    let facts = include_str!("../../../infra/facts.json");
    let basis = Basis {
        account,
        controller: &ControllerRecord::default(),
        operator: &Operator::default(),
        dpia,
        facts: &InfrastructureFacts::parse(facts).unwrap(),
        region: "eu-central-1",
        setups,
        lists: &[],
        fields: &[],
        interests,
        webhooks,
        language,
        made_at: at(0),
    };
    record_of_processing(&basis, Role::Controller)
}

#[test]
fn what_a_form_does_and_an_answer_denies_is_flagged_and_so_is_each_mandatory_field() {
    let account = account();
    let flags = |setup: &Setup, yes: &[Question]| {
        let dpia = dpia(yes, Risk::Normal, None);
        let configured = (std::slice::from_ref(setup), &[][..], &[][..]);
        let document = document(&account, configured, Some(&dpia), Language::De);
        let labels = document.missing.into_iter().map(|missing| missing.label);
        labels
            .filter(|label| label.starts_with("Widerspruch"))
            .count()
    };
    let mut asking = setup();
    assert_eq!(flags(&asking, &[]), 0);
    asking.asks_profiling_consent = true;
    asking.addresses_minors = true;
    assert_eq!(flags(&asking, &[]), 2);
    assert_eq!(flags(&asking, &[Question::Profiling]), 1);
    assert_eq!(flags(&asking, &[Question::Profiling, Question::Minors]), 0);

    let only = "immer, als einziges Pflichtfeld";
    let plain = record(&account, (&[setup()], &[], &[]), Language::De);
    assert!(plain.contains(only));
    asking.fields.push(crate::setup::SetupField {
        key: crate::id::FieldKey::parse("city").unwrap(),
        required: true,
        purpose: None,
        without_year: false,
    });
    let text = record(&account, (&[asking], &[], &[]), Language::De);
    assert!(!text.contains(only));
    assert!(text.contains("als Pflichtfeld abgefragt"));
}

#[test]
fn the_periods_in_the_record_are_those_that_the_account_has_set() {
    let (mut account, mut long) = (account(), setup());
    let said = |account: &Account, setups: &[Setup], store: &str, period: &str| {
        let text = record(account, (setups, &[], &[]), Language::En);
        let row = text.lines().find(|line| line.starts_with(store)).unwrap();
        assert!(row.contains(&format!("| {period} |")), "{row}");
    };
    let (pending, sealed, audit) = ("| Unconfirmed", "| Sealed evidence of", "| Audit log");
    let days = "(may be set up to 14) from the sign-up";
    said(&account, &[], pending, &format!("7 days {days}"));
    long.confirm_days = 14;
    let setups = [setup(), long];
    said(&account, &setups, pending, "14 days from the sign-up");
    let erased = "from the person's erasure";
    said(
        &account,
        &[],
        sealed,
        &format!("36 calendar months {erased}"),
    );
    account.evidence_years_after_erasure = 1;
    let year = format!("12 calendar months (may be set up to 36) {erased}");
    said(&account, &[], sealed, &year);
    account.evidence_years_after_erasure = 0;
    said(&account, &[], sealed, "not kept");
    let written = "from when it was written";
    let default = format!("12 calendar months (may be set up to 36) {written}");
    said(&account, &[], audit, &default);
    account.audit_months = Some(36);
    said(
        &account,
        &[],
        audit,
        &format!("36 calendar months {written}"),
    );
}

#[test]
fn who_is_told_and_what_is_kept_beside_the_fields_stands_in_the_record() {
    let account = account();
    let mut asking = setup();
    let plain = record(&account, (&[setup()], &[], &[]), Language::De);
    for not_so in [
        "Selbsttätig benachrichtigte",
        "Interessen:",
        "Interessenprofil",
    ] {
        assert!(!plain.contains(not_so), "{not_so}");
    }
    asking.asks_profiling_consent = true;
    let interest = Interest {
        id: InterestId::parse("garden").unwrap(),
        rev: 1,
        name: "Garten".to_owned(),
    };
    let webhook = Webhook {
        id: WebhookId::parse("wh_1").unwrap(),
        rev: 1,
        url: WebAddress::parse("https://crm.example/hook?key=geheim").unwrap(),
        events: BTreeSet::from([Topic::Erasure, Topic::Unsubscribed]),
        secret: SecretMaterial::none(),
        before: None,
        failures: 0,
        paused_until: None,
        failing_since: None,
        created_at: at(0),
    };
    let told = (&[asking][..], &[interest][..], &[webhook][..]);
    let text = record(&account, told, Language::De);
    for so in [
        "| crm.example | Löschung, Abmeldung |",
        "Interessen: Garten",
        "Einwilligung in ein Interessenprofil, mit Zeitpunkt",
    ] {
        assert!(text.contains(so), "{so}");
    }
    assert!(!text.contains("geheim"), "the host alone");
}
