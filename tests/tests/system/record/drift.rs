//! The record and the infrastructure: the facts are the template's, and keep what the policy
//! promises.

use local::template::{TEMPLATE, facts};
use rundbrief::policy::Store;
use rundbrief::processing::InfrastructureFacts;

const FACTS: &str = include_str!("../../../../infra/facts.json");

fn of(template: &str) -> InfrastructureFacts {
    match facts::read(template) {
        Ok(facts) => facts,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn the_facts_are_those_of_the_template_as_it_is() {
    let text = serde_json::to_string_pretty(&of(TEMPLATE)).expect("JSON") + "\n";
    assert!(
        text == FACTS,
        "run `cargo run -p tests --bin facts` after changing the template"
    );
}

#[test]
fn what_the_template_keeps_is_what_the_policy_promises() {
    assert_eq!(of(TEMPLATE).disagreements(), []);
}

#[test]
fn changing_a_retention_value_in_the_template_fails_the_drift_test() {
    for (before, after, store) in [
        (
            "RecoveryPeriodInDays: 7 }",
            "RecoveryPeriodInDays: 8 }",
            Store::FullCopy,
        ),
        (
            "RecoveryPeriodInDays: 7 }",
            "RecoveryPeriodInDays: 6 }",
            Store::FullCopy,
        ),
        (
            "RecoveryPeriodInDays: 35",
            "RecoveryPeriodInDays: 14",
            Store::Tombstone,
        ),
        (
            "Prefix: archives/, ExpirationInDays: 14",
            "Prefix: archives/, ExpirationInDays: 15",
            Store::Archive,
        ),
        (
            "Prefix: imports/, ExpirationInDays: 1 ",
            "Prefix: imports/, ExpirationInDays: 2 ",
            Store::ImportFile,
        ),
        (
            "Prefix: exports/, ExpirationInDays: 7",
            "Prefix: exports/, ExpirationInDays: 9",
            Store::ExportFile,
        ),
        (
            "      RetentionInDays: 14\n",
            "      RetentionInDays: 30\n",
            Store::Log,
        ),
        (
            "MessageRetentionPeriod: 345600",
            "MessageRetentionPeriod: 1209600",
            Store::ArchivePart,
        ),
    ] {
        assert!(TEMPLATE.contains(before), "{before}");
        let changed = of(&TEMPLATE.replace(before, after));
        let text = serde_json::to_string_pretty(&changed).expect("JSON") + "\n";
        assert_ne!(text, FACTS, "{after}");
        let found = changed.disagreements();
        assert!(
            found.iter().any(|one| one.store == store),
            "{after}: {found:?}"
        );
    }
    // One log of many is enough.
    let one = TEMPLATE.replacen("RetentionInDays: 14", "RetentionInDays: 15", 1);
    assert_eq!(of(&one).disagreements().len(), 1);
}

#[test]
fn a_resource_that_the_record_has_no_words_for_is_refused() {
    let more = TEMPLATE.replace(
        "Resources:\n",
        "Resources:\n  Model:\n    Type: AWS::Bedrock::Flow\n    Properties: { Name: x }\n",
    );
    let error = facts::read(&more).expect_err("refused");
    assert!(error.to_string().contains("AWS::Bedrock::Flow"), "{error}");
}

#[test]
fn tracking_of_every_mail_and_a_wider_role_stand_in_the_facts() {
    let tracked = of(&TEMPLATE.replace("[send, delivery,", "[send, open, delivery,"));
    assert!(tracked.mail.opens_and_clicks && !of(TEMPLATE).mail.opens_and_clicks);
    let before = of(TEMPLATE);
    let confirm = |facts: &InfrastructureFacts| {
        let found = facts.functions.iter().find(|one| one.name == "confirm");
        found.expect("a function").access.clone()
    };
    assert!(confirm(&before).iter().all(|one| one.service != "ses"));
    let (before, role) = TEMPLATE.split_once("\n  ConfirmRole:\n").expect("a role");
    let role = role.replacen("Action: sqs:SendMessage", "Action: ses:SendEmail", 1);
    let wider = of(&format!("{before}\n  ConfirmRole:\n{role}"));
    assert!(confirm(&wider).iter().any(|one| one.service == "ses"));
}
