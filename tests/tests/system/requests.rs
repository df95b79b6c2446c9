//! Requests of data subjects: entered or answered at once, due, extended, closed (L-15).

use serde_json::{Value, json};
use tests::World;

const ALL: &str = "/accounts/demo/requests";

async fn due(world: &World) -> Vec<Value> {
    let answer = world.api().get(&format!("{ALL}?state=due")).await;
    answer.expect(200).json()["items"]
        .as_array()
        .cloned()
        .unwrap_or_default()
}

/// As on a machine that was off meanwhile.
fn later(world: &World, instant: &str) {
    world.hold_clock(instant.parse().unwrap_or_default());
    world.release_clock();
}

#[tokio::test]
async fn a_request_is_due_in_a_month_and_may_be_extended_once() {
    let world = World::start().await;
    later(&world, "2027-01-31T12:00:00Z");
    let anna = world.person("anna");
    world.subscribe(&anna).await;
    let id = world.subscriber(&anna.email).await.unwrap()["id"].clone();
    let api = world.api();
    let body = json!({"kind": "access", "subscriber": id, "received_on": "2027-01-31"});
    let made = api.post(ALL, &body).await.expect(201).json();
    assert_eq!(made["due_on"], "2027-02-28");
    assert_eq!(
        (&made["state"], &made["overdue"]),
        (&json!("open"), &json!(false))
    );
    let asked = json!({"kind": "erasure", "subscriber": id});
    let second = api.post(ALL, &asked).await.expect(201).json();
    assert_eq!(second["received_on"], "2027-01-31");
    for (body, field, code) in [
        (json!({"subscriber": id}), "kind", "missing"),
        (json!({"kind": "access"}), "subscriber", "missing"),
        (
            json!({"kind": "nonsense", "subscriber": id}),
            "kind",
            "unknown",
        ),
        (
            json!({"kind": "access", "subscriber": anna.email}),
            "subscriber",
            "invalid_id",
        ),
        (
            json!({"kind": "access", "subscriber": "0".repeat(32)}),
            "subscriber",
            "unknown",
        ),
        (
            json!({"kind": "access", "subscriber": id, "received_on": "2027-02-01"}),
            "received_on",
            "in_the_future",
        ),
        (
            json!({"kind": "access", "subscriber": id, "received_on": "31.1.27"}),
            "received_on",
            "invalid_date",
        ),
    ] {
        let refused = api
            .post(ALL, &body)
            .await
            .expect_problem(422, "invalid")
            .json();
        assert_eq!(refused["errors"][0]["field"], field, "{refused}");
        assert_eq!(refused["errors"][0]["code"], code, "{refused}");
        assert!(!refused.to_string().contains(&anna.email));
    }
    let waiting: Vec<Value> = due(&world).await;
    assert_eq!(waiting.len(), 2);
    // In pages, whatever else stands between them.
    assert_eq!(api.all(&format!("{ALL}?state=due&limit=1")).await.len(), 2);
    let page = format!("{ALL}?state=due&limit=1");
    let page = api.get(&page).await.expect(200).json();
    assert_eq!(page["items"].as_array().map(Vec::len), Some(1));
    let cursor = page["next"].as_str().unwrap();
    let elsewhere = format!("{ALL}?cursor={cursor}");
    api.get(&elsewhere).await.expect_problem(422, "invalid");

    let one = format!("{ALL}/{}", made["id"].as_str().unwrap());
    let reason = json!({"reason": "viele Anfragen"});
    let extend = format!("{one}/extend");
    api.post(&extend, &json!({})).await.expect(422);
    let extended = api.post(&extend, &reason).await.expect(200).json();
    assert_eq!(extended["due_on"], "2027-04-30");
    api.post(&extend, &reason)
        .await
        .expect_problem(409, "request_extended");
    later(&world, "2027-03-01T00:00:00Z");
    let other = format!("{ALL}/{}", second["id"].as_str().unwrap());
    assert_eq!(api.get(&other).await.expect(200).json()["overdue"], true);
    let late = api.post(&format!("{other}/extend"), &reason).await;
    late.expect_problem(409, "month_is_over");
    assert_eq!(
        due(&world).await[0]["id"],
        second["id"],
        "the most urgent first"
    );

    let close = format!("{one}/close");
    api.post(&close, &json!({"outcome": "refused"}))
        .await
        .expect(422);
    api.post(&close, &json!({"outcome": "open"}))
        .await
        .expect(422);
    let closed = api.post(&close, &json!({"outcome": "answered"})).await;
    assert_eq!(closed.expect(200).json()["state"], "answered");
    let again = json!({"outcome": "refused", "reason": "x"});
    api.post(&close, &again)
        .await
        .expect_problem(409, "request_closed");
    api.post(&extend, &reason)
        .await
        .expect_problem(409, "request_closed");
    let left = api.all(&format!("{ALL}?state=due&limit=1")).await;
    assert_eq!((left.len(), &left[0]["id"]), (1, &second["id"]));
    let unknown = format!("{ALL}/00000000000000000000000000000000-01M85BANTZ6RZMX3KR3CWX5N09");
    api.get(&unknown).await.expect_problem(404, "not_found");
    api.get(&format!("{ALL}?state=x")).await.expect(422);
    let export = format!("/accounts/demo/subscribers/{}/export", id.as_str().unwrap());
    let export = api.get(&export).await.expect(200).json();
    assert_eq!(export["data"]["requests"].as_array().map(Vec::len), Some(2));

    // An open one is never deleted; a closed one after three years.
    later(&world, "2030-03-02T00:00:00Z");
    world.run("retention").await;
    let left = api.all(ALL).await;
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(left[0]["id"], second["id"]);
    world.finish().await;
}
