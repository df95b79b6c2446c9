//! Queues and mappings, with the real SQS client over HTTP. Not the functions behind them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{MessageAttributeValue, SendMessageBatchRequestEntry};
use serde_json::{Value, json};

use super::{Delivery, MappingSpec, NewMessage, QueueSpec, Queues, mapping};
use crate::clock::Clock;
use crate::lambda::Invoke;
use crate::state::State;
use crate::trial;

fn open(folder: &trial::Folder) -> Queues {
    let state = State::open(&folder.path().join("state.sqlite")).unwrap();
    let clock = Clock::open(&state).unwrap();
    let spec = |name: &str, redrive| QueueSpec {
        name: name.to_owned(),
        visibility_timeout: Duration::from_secs(30),
        redrive,
    };
    Queues::open(
        &state,
        &clock,
        "eu-central-1",
        vec![
            spec("notice", Some(("notice-dead".to_owned(), 2))),
            spec("notice-dead", None),
        ],
    )
    .unwrap()
}

async fn client(queues: &Queues) -> (Client, String) {
    let (listener, origin) = trial::listener().await;
    tokio::spawn(queues.clone().serve(listener));
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(aws_sdk_sqs::config::BehaviorVersion::latest())
        .region(aws_sdk_sqs::config::Region::new("eu-central-1"))
        .credentials_provider(trial::credentials())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(&origin)
        .build();
    (Client::from_conf(config), Queues::url(&origin, "notice"))
}

fn mapping(batch_size: usize) -> MappingSpec {
    MappingSpec {
        queue: "notice".to_owned(),
        function: "notice".to_owned(),
        batch_size,
        batching_window: Duration::ZERO,
        report_batch_item_failures: true,
        parallel: None,
    }
}

/// A function that keeps the bodies it got and answers what `answer` says.
fn recording(
    answer: impl Fn(&Value) -> Result<Value, String> + Send + Sync + 'static,
) -> (Invoke, Arc<Mutex<Vec<Value>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let records = Arc::clone(&seen);
    let invoke: Invoke = Arc::new(move |_name, event| {
        records
            .lock()
            .unwrap()
            .extend(event["Records"].as_array().unwrap().iter().cloned());
        let answer = answer(&event);
        Box::pin(async move { answer })
    });
    (invoke, seen)
}

fn message(body: &str) -> NewMessage {
    NewMessage {
        body: body.to_owned(),
        ..NewMessage::default()
    }
}

#[tokio::test]
async fn a_message_is_sent_received_hidden_and_deleted() {
    let folder = trial::Folder::new("queues-basic");
    let queues = open(&folder);
    let (sqs, url) = client(&queues).await;
    let attribute = MessageAttributeValue::builder()
        .data_type("String")
        .string_value("é")
        .build()
        .unwrap();
    let sent = sqs
        .send_message()
        .queue_url(&url)
        .message_body("grün")
        .message_attributes("kind", attribute)
        .send()
        .await
        .unwrap();
    assert_eq!(
        sent.md5_of_message_body(),
        Some("7b934a60ddc07b8f5b1134c03430bba6")
    );
    let got = sqs
        .receive_message()
        .queue_url(&url)
        .message_attribute_names("All")
        .send()
        .await
        .unwrap();
    let got = &got.messages()[0];
    assert_eq!(
        (got.body(), got.message_id()),
        (Some("grün"), sent.message_id())
    );
    assert_eq!(
        got.md5_of_message_attributes(),
        sent.md5_of_message_attributes()
    );
    assert!(
        sqs.receive_message()
            .queue_url(&url)
            .send()
            .await
            .unwrap()
            .messages()
            .is_empty(),
        "it is hidden"
    );
    assert_eq!(
        queues.waiting().unwrap(),
        BTreeMap::from([("notice".to_owned(), 1)])
    );
    let receipt = got.receipt_handle().unwrap();
    sqs.change_message_visibility()
        .queue_url(&url)
        .receipt_handle(receipt)
        .visibility_timeout(0)
        .send()
        .await
        .unwrap();
    let again = sqs
        .receive_message()
        .queue_url(&url)
        .wait_time_seconds(1)
        .send()
        .await
        .unwrap();
    sqs.delete_message()
        .queue_url(&url)
        .receipt_handle(receipt)
        .send()
        .await
        .unwrap();
    assert!(
        !queues.idle().unwrap(),
        "a stale receipt handle deletes nothing"
    );
    let receipt = again.messages()[0].receipt_handle().unwrap();
    sqs.delete_message()
        .queue_url(&url)
        .receipt_handle(receipt)
        .send()
        .await
        .unwrap();
    assert!(queues.idle().unwrap());
}

#[test]
fn md5_sums_are_the_known_ones() {
    assert_eq!(
        super::digest::body("hello"),
        "5d41402abc4b2a76b9719d911017c592"
    );
    let attributes = json!({ "a": { "DataType": "String", "StringValue": "b" } });
    // Computed by hand from the developer guide's scheme.
    let bytes = b"\0\0\0\x01a\0\0\0\x06String\x01\0\0\0\x01b";
    let text = std::str::from_utf8(bytes).unwrap();
    assert_eq!(
        super::digest::attributes(Some(&attributes)).unwrap(),
        super::digest::body(text)
    );
}

#[tokio::test]
async fn a_batch_answers_for_each_entry_and_refusals_have_their_types() {
    let folder = trial::Folder::new("queues-batch");
    let queues = open(&folder);
    let (sqs, url) = client(&queues).await;
    let entry = |id: &str, body: &str| {
        SendMessageBatchRequestEntry::builder()
            .id(id)
            .message_body(body)
            .build()
            .unwrap()
    };
    let answer = sqs
        .send_message_batch()
        .queue_url(&url)
        .entries(entry("good", "one"))
        .entries(entry("bad", "\u{1}"))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.successful()[0].id(), "good");
    assert_eq!(
        (answer.failed()[0].id(), answer.failed()[0].sender_fault()),
        ("bad", true)
    );
    let error = sqs
        .send_message()
        .queue_url(&url)
        .message_body("x".repeat(1_048_577))
        .send()
        .await
        .unwrap_err();
    assert_eq!(
        error.into_service_error().meta().code(),
        Some("InvalidParameterValue")
    );
    sqs.send_message()
        .queue_url(&url)
        .message_body("x".repeat(1_048_576))
        .send()
        .await
        .unwrap();
    let error = sqs
        .get_queue_url()
        .queue_name("nothing")
        .send()
        .await
        .unwrap_err()
        .into_service_error();
    assert!(error.is_queue_does_not_exist());
    assert_eq!(
        sqs.get_queue_url()
            .queue_name("notice")
            .send()
            .await
            .unwrap()
            .queue_url(),
        Some(url.as_str())
    );
}

#[tokio::test]
async fn after_its_receives_a_message_goes_to_the_dead_letter_queue() {
    let folder = trial::Folder::new("queues-dead");
    let queues = open(&folder);
    let (sqs, url) = client(&queues).await;
    queues.send("notice", &message("poison")).unwrap();
    for expected in [1, 1, 0] {
        let got = sqs
            .receive_message()
            .queue_url(&url)
            .visibility_timeout(0)
            .send()
            .await
            .unwrap();
        assert_eq!(got.messages().len(), expected);
    }
    assert!(
        queues.idle().unwrap(),
        "dead-letter queues do not count as waiting"
    );
    assert_eq!(
        queues.counts().unwrap(),
        BTreeMap::from([("notice-dead".to_owned(), 1)])
    );
}

#[tokio::test]
async fn after_a_restart_what_was_in_flight_is_visible_at_once_and_delays_stay() {
    let folder = trial::Folder::new("queues-restart");
    let first = open(&folder);
    let (sqs, url) = client(&first).await;
    first.send("notice", &message("taken")).unwrap();
    sqs.send_message()
        .queue_url(&url)
        .message_body("later")
        .delay_seconds(60)
        .send()
        .await
        .unwrap();
    assert_eq!(
        sqs.receive_message()
            .queue_url(&url)
            .send()
            .await
            .unwrap()
            .messages()
            .len(),
        1
    );
    let (sqs, url) = client(&open(&folder)).await;
    let got = sqs
        .receive_message()
        .queue_url(&url)
        .max_number_of_messages(10)
        .send()
        .await
        .unwrap();
    assert_eq!(
        got.messages()
            .iter()
            .map(|message| message.body().unwrap())
            .collect::<Vec<_>>(),
        ["taken"]
    );
}

#[tokio::test]
async fn every_message_is_delivered_twice_and_waits_until_then() {
    let folder = trial::Folder::new("queues-twice");
    let queues = open(&folder);
    let (invoke, seen) = recording(|_| Ok(json!({ "batchItemFailures": [] })));
    let ids: Vec<String> = (0..40)
        .map(|n| queues.send("notice", &message(&n.to_string())).unwrap())
        .collect();
    let polling = queues
        .start_mapping(mapping(10), invoke, Delivery::Twice)
        .unwrap();
    assert!(
        queues
            .drained(Duration::from_secs(10))
            .await
            .unwrap()
            .is_empty()
    );
    polling.abort();
    let seen = seen.lock().unwrap();
    for id in &ids {
        let records: Vec<_> = seen
            .iter()
            .filter(|record| record["messageId"] == id.as_str())
            .collect();
        assert_eq!(records.len(), 2);
        let at_once = mapping::mark(id).is_multiple_of(4);
        assert_eq!(
            records[0]["receiptHandle"] == records[1]["receiptHandle"],
            at_once,
            "the id decides"
        );
        assert_eq!(
            records[0]["eventSourceARN"],
            "arn:aws:sqs:eu-central-1:000000000000:notice"
        );
    }
}

#[tokio::test]
async fn delivered_once_each_record_comes_once_and_full_batches_come_together() {
    let folder = trial::Folder::new("queues-once");
    let queues = open(&folder);
    let (invoke, seen) = recording(|_| Ok(Value::Null));
    queues
        .start_mapping(
            MappingSpec {
                batching_window: Duration::from_millis(50),
                ..mapping(10)
            },
            invoke,
            Delivery::Once,
        )
        .unwrap();
    for n in 0..25 {
        queues.send("notice", &message(&n.to_string())).unwrap();
    }
    assert!(
        queues
            .drained(Duration::from_secs(10))
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(seen.lock().unwrap().len(), 25);
}

#[tokio::test]
async fn only_the_named_failures_come_again_and_a_malformed_answer_fails_all() {
    for malformed in [false, true] {
        let folder = trial::Folder::new(if malformed {
            "queues-malformed"
        } else {
            "queues-partial"
        });
        let queues = open(&folder);
        let calls = AtomicUsize::new(0);
        let (invoke, seen) = recording(move |event| {
            let first = calls.fetch_add(1, Ordering::SeqCst) == 0;
            let records = event["Records"].as_array().unwrap();
            let bad = records.iter().find(|record| record["body"] == "bad");
            Ok(match bad.filter(|_| first) {
                Some(_) if malformed => json!({ "batchItemFailures": [{ "itemIdentifier": "" }] }),
                Some(bad) => {
                    json!({ "batchItemFailures": [{ "itemIdentifier": bad["messageId"] }] })
                }
                None => json!({}),
            })
        });
        for body in ["good", "bad"] {
            queues.send("notice", &message(body)).unwrap();
        }
        queues
            .start_mapping(mapping(10), invoke, Delivery::Once)
            .unwrap();
        assert!(
            queues
                .drained(Duration::from_secs(10))
                .await
                .unwrap()
                .is_empty()
        );
        let seen = seen.lock().unwrap();
        let times = |body: &str| seen.iter().filter(|record| record["body"] == body).count();
        assert_eq!(
            (times("good"), times("bad")),
            (if malformed { 2 } else { 1 }, 2)
        );
    }
}

#[test]
fn no_more_batches_run_at_once_than_the_machine_is_good_for() {
    for (wanted, cores, at_once) in [
        (Some(20), 2, 4),
        (Some(20), 64, 20),
        (Some(1), 8, 1),
        (None, 8, 2),
        (None, 1, 2),
        (Some(0), 0, 1),
    ] {
        assert_eq!(
            mapping::batches_at_once(wanted, cores),
            at_once,
            "{wanted:?} {cores}"
        );
    }
}

#[tokio::test]
async fn a_function_that_always_fails_leaves_its_message_in_the_dead_letter_queue() {
    let folder = trial::Folder::new("queues-crash");
    let queues = open(&folder);
    let calls = AtomicUsize::new(0);
    let (invoke, seen) = recording(|_| Err("crashed".to_owned()));
    // Every other crash is a panic.
    let invoke: Invoke = Arc::new(move |name, event| {
        let answer = invoke(name, event);
        let panics = calls.fetch_add(1, Ordering::SeqCst).is_multiple_of(2);
        Box::pin(async move {
            if panics {
                panic!("crash of a test function")
            } else {
                answer.await
            }
        })
    });
    queues.send("notice", &message("poison")).unwrap();
    queues
        .start_mapping(mapping(1), invoke, Delivery::Twice)
        .unwrap();
    assert!(
        queues
            .drained(Duration::from_secs(10))
            .await
            .unwrap()
            .is_empty()
    );
    assert!(seen.lock().unwrap().len() >= 2);
    assert_eq!(
        queues.counts().unwrap(),
        BTreeMap::from([("notice-dead".to_owned(), 1)])
    );
}
