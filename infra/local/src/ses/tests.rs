//! SES with its real client over HTTP: what is taken, refused, kept and told. Not the inbox's routes.

use aws_sdk_sesv2::Client;
use aws_sdk_sesv2::types::{
    Body, BulkEmailContent, BulkEmailEntry, Content, Destination, EmailContent,
    EmailTemplateContent, Message, MessageHeader, MessageTag, ReplacementEmailContent,
    ReplacementTemplate, SuppressionListReason, Template,
};
use serde_json::Value;

use super::{Mail, Query, Ses, SesOptions, raw};
use crate::clock::Clock;
use crate::events::{Events, InputTransformer, RuleSpec};
use crate::queues::{QueueSpec, Queues};
use crate::state::State;
use crate::trial;

pub(crate) struct World {
    pub(crate) ses: Ses,
    pub(crate) client: Client,
    state: State,
    _folder: trial::Folder,
}

pub(crate) async fn world(options: SesOptions) -> World {
    let folder = trial::Folder::new("ses");
    let state = State::open(&folder.path().join("state.sqlite")).unwrap();
    let clock = Clock::open(&state).unwrap();
    let spec = QueueSpec {
        name: "feedback".to_owned(),
        visibility_timeout: std::time::Duration::from_secs(30),
        redrive: None,
    };
    let queues = Queues::open(&state, &clock, "eu-central-1", vec![spec]).unwrap();
    let paths = [
        ("type", "$.detail.eventType"),
        ("tags", "$.detail.mail.tags"),
        ("sub", "$.detail.bounce.bounceSubType"),
    ];
    let rule = RuleSpec {
        pattern: serde_json::json!({
            "source": ["aws.ses"],
            "detail": { "mail": { "tags": { "ses:configuration-set": ["main"] } } },
        }),
        input_transformer: Some(InputTransformer {
            paths: paths
                .into_iter()
                .map(|(name, path)| (name.to_owned(), path.to_owned()))
                .collect(),
            template: r#"{"type":"<type>","tags":<tags>,"sub":"<sub>"}"#.to_owned(),
        }),
        target_queue: "feedback".to_owned(),
    };
    let events = Events::open(&queues, vec![rule]).unwrap();
    let ses = Ses::open(&state, &clock, &events, options).unwrap();
    let (listener, origin) = trial::listener().await;
    tokio::spawn(ses.clone().serve(listener));
    let config = aws_sdk_sesv2::Config::builder()
        .behavior_version(aws_sdk_sesv2::config::BehaviorVersion::latest())
        .region(aws_sdk_sesv2::config::Region::new("eu-central-1"))
        .credentials_provider(trial::credentials())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .retry_config(aws_sdk_sesv2::config::retry::RetryConfig::disabled())
        .endpoint_url(origin)
        .build();
    World {
        ses,
        client: Client::from_conf(config),
        state,
        _folder: folder,
    }
}

impl World {
    pub(crate) fn mails(&self) -> Vec<Mail> {
        self.ses
            .inner()
            .mails
            .list(&Query {
                limit: 1_000,
                ..Query::default()
            })
            .unwrap()
    }

    /// The bodies in the feedback queue, which is emptied.
    pub(crate) fn told(&self) -> Vec<Value> {
        self.state.with(|db| {
            let bodies: Vec<String> = db
                .prepare("SELECT body FROM queue_message ORDER BY seq")
                .unwrap()
                .query_map([], |row| row.get(0))
                .unwrap()
                .collect::<Result<_, _>>()
                .unwrap();
            db.execute("DELETE FROM queue_message", []).unwrap();
            bodies
                .iter()
                .map(|body| serde_json::from_str(body).unwrap())
                .collect()
        })
    }
}

fn to(address: &str) -> Destination {
    Destination::builder().to_addresses(address).build()
}

fn text(data: &str) -> Content {
    Content::builder().data(data).build().unwrap()
}

fn header(name: &str, value: &str) -> MessageHeader {
    MessageHeader::builder()
        .name(name)
        .value(value)
        .build()
        .unwrap()
}

pub(crate) fn simple(subject: &str, plain: &str, html: &str) -> EmailContent {
    let body = Body::builder().text(text(plain)).html(text(html)).build();
    let message = Message::builder()
        .subject(text(subject))
        .body(body)
        .headers(header(
            "List-Unsubscribe",
            "<https://mail.muster.example/unsubscribe/AAAA_bbbb-cccc>",
        ))
        .headers(header(
            "List-Unsubscribe-Post",
            "List-Unsubscribe=One-Click",
        ))
        .build();
    EmailContent::builder().simple(message).build()
}

pub(crate) async fn send(
    world: &World,
    address: &str,
    content: EmailContent,
) -> Result<String, String> {
    world
        .client
        .send_email()
        .from_email_address("Muster-Shop <news@muster.example>")
        .destination(to(address))
        .content(content)
        .email_tags(
            MessageTag::builder()
                .name("campaign")
                .value("c1")
                .build()
                .unwrap(),
        )
        .configuration_set_name("main")
        .send()
        .await
        .map(|sent| sent.message_id().unwrap().to_owned())
        .map_err(|error| {
            error
                .into_service_error()
                .meta()
                .code()
                .unwrap_or_default()
                .to_owned()
        })
}

fn entry(address: &str, data: &str) -> BulkEmailEntry {
    let template = ReplacementTemplate::builder()
        .replacement_template_data(data)
        .build();
    BulkEmailEntry::builder()
        .destination(to(address))
        .replacement_email_content(
            ReplacementEmailContent::builder()
                .replacement_template(template)
                .build(),
        )
        .replacement_headers(header(
            "List-Unsubscribe",
            &format!("<https://x.example/u/{}>", address.len()),
        ))
        .replacement_tags(
            MessageTag::builder()
                .name("index")
                .value(address.len().to_string())
                .build()
                .unwrap(),
        )
        .build()
}

fn bulk_content() -> BulkEmailContent {
    let inline = EmailTemplateContent::builder()
        .subject("Hallo {{name}}")
        .text("Liebe {{name}}{{extra}}")
        .html("<p>{{name}}</p>{{extra}}")
        .build();
    let template = Template::builder()
        .template_content(inline)
        .template_data(r#"{"extra":""}"#)
        .headers(header("List-Unsubscribe", "<https://x.example/default>"))
        .headers(header("List-Id", "<news.muster.example>"))
        .build();
    BulkEmailContent::builder().template(template).build()
}

#[tokio::test]
async fn a_bulk_call_personalises_each_mail_and_a_missing_variable_fails_only_its_own() {
    let world = world(SesOptions::default()).await;
    let answer = world
        .client
        .send_bulk_email()
        .from_email_address("news@muster.example")
        .configuration_set_name("main")
        .tenant_name("t1")
        .default_email_tags(
            MessageTag::builder()
                .name("campaign")
                .value("c1")
                .build()
                .unwrap(),
        )
        .default_content(bulk_content())
        .bulk_email_entries(entry("a@x.example", r#"{"name":"Änne & <b>","extra":"!"}"#))
        .bulk_email_entries(entry("bb@x.example", r#"{"extra":"no name"}"#))
        .bulk_email_entries(entry("δ@x.example", r#"{"name":"D"}"#))
        .bulk_email_entries(entry("ccc@x.example", r#"{"name":"C"}"#))
        .send()
        .await
        .unwrap();
    let statuses: Vec<_> = answer
        .bulk_email_entry_results()
        .iter()
        .map(|result| result.status().unwrap().as_str())
        .collect();
    assert_eq!(
        statuses,
        ["SUCCESS", "SUCCESS", "INVALID_PARAMETER", "SUCCESS"]
    );
    let mails = world.mails();
    let shown: Vec<_> = mails
        .iter()
        .map(|mail| (mail.subject.as_str(), mail.html.as_deref().unwrap()))
        .collect();
    assert_eq!(
        shown,
        [
            ("Hallo Änne & <b>", "<p>Änne & <b></p>!"),
            ("Hallo C", "<p>C</p>")
        ],
        "nothing is escaped"
    );
    assert_eq!(
        mails[0].message_id,
        answer.bulk_email_entry_results()[0].message_id().unwrap()
    );
    let headers = super::headers(&raw(&mails[0]));
    let unsubscribe: Vec<_> = headers
        .iter()
        .filter(|(name, _)| name == "List-Unsubscribe")
        .collect();
    assert_eq!(
        unsubscribe,
        [&(
            "List-Unsubscribe".to_owned(),
            "<https://x.example/u/11>".to_owned()
        )]
    );
    assert!(headers.contains(&("List-Id".to_owned(), "<news.muster.example>".to_owned())));
    let told = world.told();
    let kinds: Vec<_> = told
        .iter()
        .map(|event| event["type"].as_str().unwrap())
        .collect();
    assert_eq!(
        kinds,
        ["Send", "Delivery", "Rendering Failure", "Send", "Delivery"]
    );
    let tags = &told[0]["tags"];
    assert_eq!(
        (&tags["campaign"][0], &tags["index"][0]),
        (&"c1".into(), &"11".into())
    );
    assert_eq!(tags["ses:operation"][0], "SendBulkEmail");
}

#[tokio::test]
async fn calls_beyond_the_limits_are_refused_whole_with_their_types() {
    let world = world(SesOptions {
        send_rate: 60.0,
        ..SesOptions::default()
    })
    .await;
    let bulk = |count: usize| {
        let call = world
            .client
            .send_bulk_email()
            .from_email_address("news@muster.example")
            .default_content(bulk_content());
        (0..count).fold(call, |call, n| {
            call.bulk_email_entries(entry(&format!("p{n}@x.example"), r#"{"name":"N"}"#))
        })
    };
    assert!(
        bulk(51)
            .send()
            .await
            .unwrap_err()
            .into_service_error()
            .is_bad_request_exception()
    );
    assert!(
        bulk(0)
            .send()
            .await
            .unwrap_err()
            .into_service_error()
            .is_bad_request_exception()
    );
    bulk(50).send().await.unwrap();
    assert!(
        bulk(50)
            .send()
            .await
            .unwrap_err()
            .into_service_error()
            .is_too_many_requests_exception(),
        "over the rate"
    );
    assert_eq!(world.mails().len(), 50);
    let long = format!("{{\"name\":\"{}\"}}", "x".repeat(262_144));
    let call = bulk(0).bulk_email_entries(entry("a@x.example", &long));
    assert!(
        call.send()
            .await
            .unwrap_err()
            .into_service_error()
            .is_bad_request_exception()
    );

    let foreign = world
        .client
        .send_email()
        .from_email_address("a@foreign.example")
        .destination(to("b@x.example"));
    let refused = foreign
        .content(simple("S", "t", "h"))
        .send()
        .await
        .unwrap_err()
        .into_service_error();
    assert!(refused.is_message_rejected());
    for address in [
        "δοκιμή@x.example",
        "nobody",
        "a@x.example\r\nBcc: b@x.example",
    ] {
        assert_eq!(
            send(&world, address, simple("S", "t", "h"))
                .await
                .unwrap_err(),
            "BadRequestException",
            "{address}"
        );
    }
    assert_eq!(
        send(&world, "a@x.example", simple("S\r\nBcc: b", "t", "h"))
            .await
            .unwrap_err(),
        "BadRequestException"
    );
}

#[tokio::test]
async fn the_suppression_list_is_case_exact_but_sending_is_not() {
    let world = world(SesOptions::default()).await;
    let ses = &world.client;
    let put = ses
        .put_suppressed_destination()
        .email_address("Max@x.example")
        .reason(SuppressionListReason::Bounce);
    put.send().await.unwrap();
    let other = ses
        .get_suppressed_destination()
        .email_address("max@x.example")
        .send()
        .await
        .unwrap_err();
    assert!(other.into_service_error().is_not_found_exception());
    let other = ses
        .delete_suppressed_destination()
        .email_address("max@x.example")
        .send()
        .await
        .unwrap_err();
    assert!(other.into_service_error().is_not_found_exception());
    let found = ses
        .get_suppressed_destination()
        .email_address("Max@x.example")
        .send()
        .await
        .unwrap();
    assert_eq!(
        found.suppressed_destination().unwrap().reason(),
        &SuppressionListReason::Bounce
    );
    assert_eq!(
        ses.list_suppressed_destinations()
            .send()
            .await
            .unwrap()
            .suppressed_destination_summaries()
            .len(),
        1
    );

    send(&world, "mAX@x.example", simple("S", "t", "h"))
        .await
        .unwrap();
    assert!(world.mails().is_empty());
    let told = world.told();
    assert_eq!(
        (told.len(), &told[0]["type"], &told[0]["sub"]),
        (1, &"Bounce".into(), &"OnAccountSuppressionList".into())
    );

    ses.delete_suppressed_destination()
        .email_address("Max@x.example")
        .send()
        .await
        .unwrap();
    send(&world, "mAX@x.example", simple("S", "t", "h"))
        .await
        .unwrap();
    assert_eq!(world.mails()[0].recipient, "mAX@x.example");
}

#[tokio::test]
async fn the_account_and_its_identities_answer_as_typed() {
    let world = world(SesOptions {
        null: true,
        ..SesOptions::default()
    })
    .await;
    let ses = &world.client;
    send(&world, "a@x.example", simple("S", "t", "h"))
        .await
        .unwrap();
    let quota = ses
        .get_account()
        .send()
        .await
        .unwrap()
        .send_quota()
        .unwrap()
        .clone();
    assert!(
        (quota.max24_hour_send() + 1.0).abs() < 0.1
            && (quota.max_send_rate() - 100_000.0).abs() < 0.1
    );
    assert!((quota.sent_last24_hours() - 1.0).abs() < 0.1);
    assert_eq!(
        (
            world.mails().len(),
            world.ses.inner().mails.count().unwrap()
        ),
        (0, 1),
        "counted, not kept"
    );
    let muster = ses
        .get_email_identity()
        .email_identity("muster.example")
        .send()
        .await
        .unwrap();
    assert!(muster.verified_for_sending_status());
    assert_eq!(muster.dkim_attributes().unwrap().tokens().len(), 3);
    for (domain, verified) in [("shop.example", true), ("shop.com", false)] {
        let made = ses
            .create_email_identity()
            .email_identity(domain)
            .send()
            .await
            .unwrap();
        assert_eq!(made.verified_for_sending_status(), verified);
        let again = ses
            .create_email_identity()
            .email_identity(domain)
            .send()
            .await
            .unwrap_err();
        assert!(again.into_service_error().is_already_exists_exception());
    }
    ses.delete_email_identity()
        .email_identity("shop.com")
        .send()
        .await
        .unwrap();
    let gone = ses
        .get_email_identity()
        .email_identity("shop.com")
        .send()
        .await
        .unwrap_err();
    assert!(gone.into_service_error().is_not_found_exception());
}

#[tokio::test]
async fn a_raw_message_gets_ses_own_date_and_id_and_loses_bcc() {
    let world = world(SesOptions::default()).await;
    let message = "From: news@muster.example\nTo: a@x.example\nBcc: b@x.example\nDate: old\nSubject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=\n\nHallo\n";
    let data = aws_smithy_types::Blob::new(message.as_bytes());
    let content = |data| {
        EmailContent::builder()
            .raw(
                aws_sdk_sesv2::types::RawMessage::builder()
                    .data(data)
                    .build()
                    .unwrap(),
            )
            .build()
    };
    world
        .client
        .send_email()
        .content(content(data))
        .send()
        .await
        .unwrap();
    let mails = world.mails();
    assert_eq!(
        mails
            .iter()
            .map(|mail| mail.recipient.as_str())
            .collect::<Vec<_>>(),
        ["a@x.example", "b@x.example"]
    );
    assert_eq!(
        (mails[0].subject.as_str(), mails[0].text.as_deref()),
        ("Grüße", Some("Hallo\r\n"))
    );
    let kept = String::from_utf8(raw(&mails[0])).unwrap();
    assert!(
        !kept.contains("old") && !kept.contains("Bcc") && kept.starts_with("Message-ID: <0107"),
        "{kept}"
    );
    let eight_bit =
        aws_smithy_types::Blob::new("From: news@muster.example\nTo: a@x.example\n\nü".as_bytes());
    let refused = world
        .client
        .send_email()
        .content(content(eight_bit))
        .send()
        .await
        .unwrap_err();
    assert!(refused.into_service_error().is_bad_request_exception());
}
