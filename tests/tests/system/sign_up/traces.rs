//! What the server writes down of a request, and nothing that a client says of itself: times
//! (S-16), and addresses on the internet (T-07).

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tests::World;
use tests::sign_up::Encoding;

/// When clients say that it is.
const CLAIMED: &str = "2001-02-03T04:05:06Z";

fn instant(value: &Value) -> Timestamp {
    value.as_str().expect("a time").parse().expect("a time")
}

#[tokio::test]
async fn times_are_the_servers_whatever_a_client_claims() {
    let world = World::start().await;
    let names = ["signed_up_at", "timestamp", "confirmed_at", "date", "_time"];
    for (number, encoding) in [Encoding::UrlEncoded, Encoding::Json, Encoding::Multipart]
        .into_iter()
        .enumerate()
    {
        let person = world.person(["anna", "bert", "cleo"][number]);
        let before = world.now().await;
        let mut sign_up = world
            .sign_up("double")
            .email(&person.email)
            .encoded(encoding)
            .from(world.fresh_client());
        for name in names {
            sign_up = sign_up.field(name, CLAIMED);
        }
        for header in ["date", "x-amz-date", "x-request-start", "if-modified-since"] {
            sign_up = sign_up.header(header, "Sat, 03 Feb 2001 04:05:06 GMT");
        }
        sign_up.send().await.expect_accepted();
        world.drain().await;
        let mail = world.only_mail(&person.email).await;
        world
            .confirm(&mail)
            .header("date", "Sat, 03 Feb 2001 04:05:06 GMT")
            .send()
            .await
            .expect_page(200);
        let after = world.now().await;
        let evidence = world.evidence(&person.email).await.remove(0);
        let (signed_up, confirmed) = (
            instant(&evidence["signed_up_at"]),
            instant(&evidence["confirmed_at"]),
        );
        assert!(before - SignedDuration::from_millis(1) <= signed_up);
        assert!(signed_up <= confirmed && confirmed <= after);
        // Milliseconds, always.
        for name in ["signed_up_at", "confirmed_at"] {
            let text = evidence[name].as_str().unwrap_or_default();
            assert_eq!(text.len(), "2026-01-01T00:00:00.000Z".len(), "{text}");
        }
        let stored = world.scan_table().await;
        assert!(
            stored.holding("2001-02-03").is_empty() && stored.holding("03 Feb 2001").is_empty()
        );
    }
    world.finish().await;
}

#[tokio::test]
async fn an_ip_address_stands_in_evidence_alone_and_goes_with_it() {
    let world = World::start().await;
    let anna = world.person("anna");
    let [form, confirmed, left, preferences] = [71, 72, 73, 74].map(|number| world.client(number));
    let sign_up = world.sign_up("double").email(&anna.email).from(form);
    sign_up.send().await.expect_accepted();
    world.drain().await;
    let mail = world.only_mail(&anna.email).await;
    let shown = world
        .request("GET", &mail.path("confirm"))
        .from(preferences);
    shown.send().await.expect_page(200);
    let pressed = world.confirm(&mail).from(confirmed).send().await;
    pressed.expect_page(200);
    let campaign = crate::erasure::campaign(&world).await;
    let api = world.api();
    let sent = api.post(&format!("{campaign}/send"), &json!({})).await;
    sent.expect(202);
    for _ in 0..3 {
        world.run("campaign").await;
        world.drain().await;
        world.advance("PT1M").await;
    }
    let newsletter = world
        .inbox(&anna.email)
        .await
        .pop()
        .expect("the newsletter");
    let out = world.unsubscribe(&newsletter).from(left).send().await;
    out.expect_page(200);
    world.drain().await;

    // The tables: evidence of the sign-up alone; a counter has a keyed hash, for a day.
    let stored = world.scan_table().await;
    for (ip, kinds) in [
        (form, &["sign_up"][..]),
        (confirmed, &["sign_up"]),
        (left, &[]),
        (preferences, &[]),
    ] {
        let found: Vec<&Value> = stored.holding(&ip.to_string());
        let found: Vec<&Value> = found.iter().map(|item| &item["kind"]).collect();
        assert_eq!(found, kinds, "{ip}");
    }
    let now = world.now().await.as_second();
    let mut counters = 0;
    for ((_, pk, sk), counter) in &stored.0 {
        if pk.starts_with("G#guard#") {
            let end = counter["expires_at"].as_i64().expect("an end");
            assert!(end - now <= 24 * 3_600, "{sk}");
            counters += 1;
        }
    }
    assert!(counters > 0, "the form's post was counted");
    // Logs, metrics and what reaches a queue are searched for each of them when a world finishes.
    assert!(world.leaks().is_empty() && world.logged().len() > 1_000);

    // It goes with the evidence.
    let id = world.subscriber(&anna.email).await.expect("a subscriber")["id"].clone();
    let path = format!("/accounts/demo/subscribers/{}", id.as_str().expect("an id"));
    api.delete(&path).await.expect(202);
    world.run("retention").await;
    world.drain().await;
    let stored = world.scan_table().await;
    for ip in [form, confirmed, left] {
        assert!(stored.holding(&ip.to_string()).is_empty(), "{ip}");
    }
    world.finish().await;
}
