use std::collections::BTreeSet;
use std::net::IpAddr;

use jiff::Timestamp;

use super::address::{Barred, Local, check, connect, is_public};
use super::delivery::{Attempt, Delivery, TRIED_DAYS};
use super::*;
use crate::entropy::SeededEntropy;
use crate::id::AccountId;
use crate::record::DueWork;
use crate::time::plus_days;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn secrets() -> WebhookSecrets {
    WebhookSecrets::parse(&format!(r#"{{"1":"{}"}}"#, "w".repeat(64))).unwrap()
}

fn webhook(events: &[Topic]) -> Webhook {
    Webhook {
        id: WebhookId::parse("whk_1").unwrap(),
        rev: 1,
        url: WebAddress::parse("https://crm.example/hook").unwrap(),
        events: events.iter().copied().collect::<BTreeSet<_>>(),
        secret: SecretMaterial::generate(&secrets(), &SeededEntropy::new(1)),
        before: None,
        failures: 0,
        paused_until: None,
        failing_since: None,
        created_at: Timestamp::UNIX_EPOCH,
    }
}

fn news() -> News {
    News {
        topic: Topic::Erasure,
        person: PersonKey::from_bytes([7; 16]),
        at: at("2027-03-01T10:00:00Z"),
        record: Some(EventId::from_bytes([1; 16])),
    }
}

fn delivery(webhook: &Webhook, now: Timestamp) -> Delivery {
    let account = AccountId::parse("demo").unwrap();
    Delivery::of(&account, webhook, &news(), now).unwrap()
}

#[test]
fn only_addresses_that_everybody_reaches_are_connected_to() {
    for (address, public) in [
        ("93.184.216.34", true),
        ("1.1.1.1", true),
        ("172.15.255.255", true),
        ("172.32.0.1", true),
        ("100.63.255.255", true),
        ("100.128.0.1", true),
        ("192.0.1.1", true),
        ("198.20.0.1", true),
        ("223.255.255.255", true),
        ("2a00:1450:4001:80b::200e", true),
        ("2001:4860:4860::8888", true),
        ("0.0.0.0", false),
        ("0.1.2.3", false),
        ("10.0.0.1", false),
        ("127.0.0.1", false),
        ("127.255.255.254", false),
        ("169.254.169.254", false),
        ("169.254.170.2", false),
        ("172.16.0.1", false),
        ("172.31.255.255", false),
        ("192.168.0.1", false),
        ("100.64.0.1", false),
        ("100.127.255.255", false),
        ("192.0.0.192", false),
        ("192.0.2.1", false),
        ("192.88.99.1", false),
        ("198.18.0.1", false),
        ("198.19.255.255", false),
        ("198.51.100.1", false),
        ("203.0.113.1", false),
        ("224.0.0.1", false),
        ("240.0.0.1", false),
        ("255.255.255.255", false),
        ("::", false),
        ("::1", false),
        ("::ffff:127.0.0.1", false),
        ("::ffff:93.184.216.34", false),
        ("::7f00:1", false),
        ("64:ff9b::7f00:1", false),
        ("64:ff9b:1::a00:1", false),
        ("100::1", false),
        ("2001::1", false),
        ("2001:0:4136:e378::1", false),
        ("2001:db8::1", false),
        ("2002:7f00:1::", false),
        ("3fff::1", false),
        ("fc00::1", false),
        ("fd00:ec2::254", false),
        ("fe80::1", false),
        ("fec0::1", false),
        ("ff02::1", false),
    ] {
        let address: IpAddr = address.parse().unwrap();
        assert_eq!(is_public(address), public, "{address}");
        for host in ["crm.example", "localhost", "127.0.0.1"] {
            let expected = if public {
                Ok(())
            } else {
                Err(Barred::NotPublic)
            };
            assert_eq!(connect(host, address, Local::Barred), expected, "{address}");
        }
        // A name of somebody's that leads to this machine stays barred where local ones may be.
        let named = connect("crm.example", address, Local::Allowed);
        assert_eq!(named.is_ok(), public, "{address}");
        let local = connect("localhost", address, Local::Allowed);
        assert_eq!(local.is_ok(), public || address.is_loopback(), "{address}");
    }
}

#[test]
fn a_webhook_is_registered_by_https_at_a_sensible_port_and_a_public_host() {
    let not_public = Err(Barred::NotPublic);
    for (url, there, here) in [
        ("https://crm.example/hook?token=1", Ok(()), Ok(())),
        ("https://crm.example:8443/", Ok(()), Ok(())),
        ("https://crm.example:443/", Ok(()), Ok(())),
        ("https://93.184.216.34/", Ok(()), Ok(())),
        (
            "https://crm.example:22/",
            Err(Barred::Port),
            Err(Barred::Port),
        ),
        (
            "https://crm.example:25/",
            Err(Barred::Port),
            Err(Barred::Port),
        ),
        (
            "https://crm.example:1023/",
            Err(Barred::Port),
            Err(Barred::Port),
        ),
        (
            "http://crm.example/",
            Err(Barred::NotProtected),
            Err(Barred::NotProtected),
        ),
        ("https://10.0.0.1/", not_public, not_public),
        (
            "https://169.254.169.254/latest/meta-data/",
            not_public,
            not_public,
        ),
        ("https://[::1]/", not_public, not_public),
        ("https://[fd00:ec2::254]/", not_public, not_public),
        ("https://[::ffff:10.0.0.1]/", not_public, not_public),
        ("https://127.0.0.2/", not_public, not_public),
        ("https://metadata/", not_public, not_public),
        ("https://localhost/", not_public, Ok(())),
        (
            "http://localhost:8099/hook",
            Err(Barred::NotProtected),
            Ok(()),
        ),
        (
            "http://127.0.0.1:8099/hook",
            Err(Barred::NotProtected),
            Ok(()),
        ),
        (
            "http://127.0.0.2:8099/hook",
            Err(Barred::NotProtected),
            Err(Barred::NotProtected),
        ),
    ] {
        let url = WebAddress::parse(url).unwrap();
        assert_eq!(check(&url, Local::Barred), there, "{}", url.as_str());
        assert_eq!(check(&url, Local::Allowed), here, "{}", url.as_str());
    }
    // What browsers and resolvers take for addresses too, and what hides the host.
    for url in [
        "https://2130706433/",
        "https://0x7f.1/",
        "https://127.1/",
        "https://user:secret@crm.example/",
        "https://169.254.169.254@crm.example/",
        "ftp://crm.example/",
        "//crm.example/",
        "https://crm.example\\@10.0.0.1/",
    ] {
        assert!(WebAddress::parse(url).is_err(), "{url}");
    }
}

#[test]
fn a_secret_shows_as_the_standard_says_and_signs_for_a_day_after_it_was_changed() {
    let (secrets, entropy) = (secrets(), SeededEntropy::new(2));
    let first = webhook(&[Topic::Erasure]);
    let shown = first.secret.secret(&secrets).unwrap().reveal();
    let bytes = BASE64_STANDARD
        .decode(shown.strip_prefix("whsec_").unwrap())
        .unwrap();
    assert_eq!(bytes.len(), 32);
    assert!(!serde_json::to_string(&first).unwrap().contains(&shown[6..]));
    assert!(!format!("{first:?}").contains(&shown[6..]));

    let now = at("2027-03-01T10:00:00Z");
    let second = first.rotated(SecretMaterial::generate(&secrets, &entropy), now);
    let [old, new] = [&first, &second].map(|webhook| {
        let secret = webhook.secret.secret(&secrets).unwrap();
        secret.sign("id", plus_days(now, 1).as_second(), "{}")
    });
    assert_ne!(old, new);
    for (before_the_end, expected) in [(1, format!("{new} {old}")), (0, new.clone())] {
        let then = plus_seconds(plus_days(now, 1), -before_the_end);
        let count = second
            .signatures(&secrets, "id", then, "{}")
            .unwrap()
            .split(' ')
            .count();
        assert_eq!(count, expected.split(' ').count());
    }
    let after = second.signatures(&secrets, "id", plus_days(now, 1), "{}");
    assert_eq!(after, Some(new));
}

#[test]
fn the_signature_is_that_of_the_standards_own_example() {
    // The test vector that the Standard Webhooks libraries share.
    let mut key = [0; 32];
    let given = BASE64_STANDARD
        .decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
        .unwrap();
    // Its key has 24 bytes; an HMAC key is padded with zeroes to the block.
    key[..24].copy_from_slice(&given);
    let signature = SigningSecret(key).sign(
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1_614_265_330,
        r#"{"test": 2432232314}"#,
    );
    assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

#[test]
fn a_message_holds_identifiers_and_times_and_reads_back_from_its_key() {
    let webhook = webhook(&[Topic::Erasure]);
    let now = at("2027-03-01T10:00:01Z");
    let delivery = delivery(&webhook, now);
    let body: serde_json::Value = serde_json::from_str(&delivery.body()).unwrap();
    assert_eq!(
        body,
        serde_json::json!({
            "type": "erasure",
            "timestamp": "2027-03-01T10:00:00.000Z",
            "data": {
                "account": "demo",
                "subscriber": "07070707070707070707070707070707",
                "record": format!("07070707070707070707070707070707-{}", delivery.event),
            },
        })
    );
    let key = Key::delivery(
        &delivery.account,
        delivery.person,
        delivery.event,
        delivery.topic,
        &delivery.webhook,
    );
    let message = Delivery::message(&key).unwrap();
    assert_eq!(
        (message.account, message.person, message.event),
        (delivery.account.clone(), delivery.person, delivery.event)
    );
    assert_eq!(
        (message.topic, message.webhook),
        (delivery.topic, webhook.id)
    );
    for topic in Topic::ALL {
        assert_eq!(Topic::parse(topic.name()), Some(topic));
        assert_eq!(serde_json::json!(topic), topic.name());
    }
}

#[test]
fn who_did_not_ask_is_not_told() {
    let account = AccountId::parse("demo").unwrap();
    let webhook = webhook(&[Topic::Unsubscribed]);
    let now = at("2027-03-01T10:00:00Z");
    assert_eq!(Delivery::of(&account, &webhook, &news(), now), None);
}

#[test]
fn a_message_is_tried_less_and_less_often_for_a_week_and_then_given_up() {
    let webhook = webhook(&[Topic::Erasure]);
    let written = at("2027-03-01T10:00:00Z");
    let end = plus_days(written, TRIED_DAYS);
    let mut message = delivery(&webhook, written);
    let mut now = written;
    let mut waits = Vec::new();
    let given_up = loop {
        match message.attempt(Some(&webhook), now) {
            Attempt::Call(leased) => {
                assert_eq!(leased.attempt(Some(&webhook), now), Attempt::NotYet);
                let due = leased.due().unwrap();
                assert_eq!((due.work, due.at), (DueWork::Tell, leased.next_at));
                waits.push(leased.next_at.as_second() - now.as_second());
                now = leased.next_at;
                message = *leased;
            }
            Attempt::GiveUp(given_up) => break given_up,
            other => panic!("{other:?}"),
        }
    };
    assert!(now >= end, "{now}");
    assert!(waits.is_sorted() && waits[0] == 60 && waits.last() == Some(&21_600));
    assert!((20..60).contains(&waits.len()), "{}", waits.len());
    assert_eq!(given_up.attempt(Some(&webhook), now), Attempt::Done);
    assert_eq!(given_up.due().unwrap().work, DueWork::Expire);
    assert!(given_up.gone_at > plus_days(end, 1), "the proof reads it");
    // Nobody is there any more who could be told.
    assert!(matches!(message.attempt(None, now), Attempt::GiveUp(_)));
}

#[test]
fn a_dead_endpoint_keeps_its_own_messages_waiting_until_it_answers_again() {
    let now = at("2027-03-01T10:00:00Z");
    let mut webhook = webhook(&[Topic::Erasure]);
    let message = delivery(&webhook, now);
    assert_eq!(webhook.acknowledged(), None, "nothing to write");
    let mut pauses = Vec::new();
    for _ in 0..10 {
        webhook = webhook.failed(now);
        pauses.push(webhook.paused_until.unwrap().as_second() - now.as_second());
    }
    assert_eq!((pauses[0], pauses[1], pauses[9]), (60, 120, 3_600));
    match message.attempt(Some(&webhook), now) {
        Attempt::PutOff(later) => {
            assert_eq!(Some(later.next_at), webhook.paused_until);
            assert_eq!(later.attempts, 0, "that was no attempt");
        }
        other => panic!("{other:?}"),
    }
    let back = webhook.given_up_on(now).acknowledged().unwrap();
    assert_eq!(
        (back.failures, back.paused_until, back.failing_since),
        (0, None, None)
    );
    assert!(matches!(
        message.attempt(Some(&back), now),
        Attempt::Call(_)
    ));
}
