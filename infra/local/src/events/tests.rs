//! Patterns and transformers against events. Not the events SES really makes: those are its tests.

use serde_json::{Value, json};

use super::{InputTransformer, check_pattern, matches};

fn event() -> Value {
    json!({
        "source": "aws.ses", "detail-type": "Email Bounced", "time": "2027-01-01T00:00:00Z",
        "detail": {
            "eventType": "Bounce",
            "mail": { "tags": { "ses:configuration-set": ["main"], "campaign": ["c1"] } },
            "bounce": { "bouncedRecipients": [{ "status": "5.1.1", "diagnosticCode": "smtp; \"no\\such\" user" }] }
        }
    })
}

#[test]
fn a_pattern_matches_exact_values_in_nested_members_and_lists() {
    let table = [
        (json!({ "source": ["aws.ses"] }), true),
        (json!({ "source": ["aws.s3"] }), false),
        (
            json!({ "source": ["aws.ses"], "detail-type": ["Email Sent", "Email Bounced"] }),
            true,
        ),
        (
            json!({ "detail": { "mail": { "tags": { "ses:configuration-set": ["main"] } } } }),
            true,
        ),
        (
            json!({ "detail": { "mail": { "tags": { "ses:configuration-set": ["other"] } } } }),
            false,
        ),
        (
            json!({ "detail": { "mail": { "tags": { "absent": ["main"] } } } }),
            false,
        ),
        (
            json!({ "detail": { "complaint": [{ "exists": false }] } }),
            true,
        ),
        (json!({ "source": [{ "prefix": "aws." }] }), true),
        (
            json!({ "source": [{ "anything-but": ["aws.ses"] }] }),
            false,
        ),
    ];
    for (pattern, expected) in table {
        check_pattern(&pattern).unwrap();
        assert_eq!(matches(&pattern, &event()), expected, "{pattern}");
    }
}

#[test]
fn what_a_pattern_cannot_say_here_is_refused_at_the_start() {
    for pattern in [
        json!({}),
        json!({ "source": "aws.ses" }),
        json!({ "source": [{ "wildcard": "a*" }] }),
        json!([]),
    ] {
        assert!(check_pattern(&pattern).is_err(), "{pattern}");
    }
}

#[test]
fn a_transformer_quotes_as_aws_does() {
    let paths = [
        ("type", "$.detail.eventType"),
        ("tags", "$.detail.mail.tags"),
        ("status", "$.detail.bounce.bouncedRecipients[0].status"),
        (
            "code",
            "$.detail.bounce.bouncedRecipients[0].diagnosticCode",
        ),
        ("none", "$.detail.complaint.complaintFeedbackType"),
    ];
    let paths: std::collections::BTreeMap<_, _> = paths
        .into_iter()
        .map(|(name, path)| (name.to_owned(), path.to_owned()))
        .collect();
    let table = [
        (r#"{"t":<type>}"#, r#"{"t":"Bounce"}"#),
        (r#"{"t":"<type>"}"#, r#"{"t":"Bounce"}"#),
        (
            r#"{"t":"is <type> \"<status>\""}"#,
            r#"{"t":"is Bounce \"5.1.1\""}"#,
        ),
        (
            r#"{"tags":<tags>}"#,
            r#"{"tags":{"campaign":["c1"],"ses:configuration-set":["main"]}}"#,
        ),
        (r#"{"c":"<code>"}"#, r#"{"c":"smtp; \"no\\such\" user"}"#),
        (r#"{"n":<none>,"m":"<none>"}"#, r#"{"n":"","m":""}"#),
        ("<type> is <unknown> <status>", "Bounce is <unknown> 5.1.1"),
    ];
    for (template, expected) in table {
        let transformer = InputTransformer {
            paths: paths.clone(),
            template: template.to_owned(),
        };
        assert_eq!(transformer.apply(&event()), expected);
    }
}
