//! Whoever has not confirmed is nobody: every query that selects people, named (O-03, P-02).

use serde_json::{Value, json};
use tests::World;

const ACCOUNT: &str = "/accounts/demo";

#[tokio::test]
async fn no_query_that_selects_people_finds_a_pending_sign_up() {
    let world = World::start().await;
    let [anna, bert] = ["anna", "bert"].map(|name| world.person(name));
    let asked = world
        .sign_up("double")
        .email(&anna.email)
        .from(world.fresh_client())
        .send()
        .await;
    asked.expect_accepted();
    world.drain().await;
    world.subscribe(&bert).await;
    let api = world.api();
    // By key design: a pending sign-up is a record of its own, and no profile.
    let pending = world.evidence(&anna.email).await;
    assert_eq!(pending[0]["state"], "pending");
    let stored = world.scan_table().await;
    let kinds: Vec<&Value> = stored
        .holding(&anna.email)
        .into_iter()
        .map(|item| &item["kind"])
        .collect();
    assert!(
        !kinds.is_empty() && kinds.iter().all(|kind| *kind != "profile"),
        "{kinds:?}"
    );

    // The management API's lists of people.
    let subscribers = format!("{ACCOUNT}/subscribers");
    for query in [
        subscribers.clone(),
        format!("{subscribers}?email={}", anna.email.replace('+', "%2B")),
        format!("{ACCOUNT}/unused-consents"),
        format!("{ACCOUNT}/unsubscriptions"),
    ] {
        let found = json!(api.all(&query).await).to_string();
        assert!(!found.contains(&anna.email), "{query}: {found}");
    }
    assert_eq!(api.all(&subscribers).await.len(), 1, "Bert");
    assert_eq!(world.subscriber(&anna.email).await, None);
    let person = pending[0]["id"].as_str().expect("an id");
    let person = person.split('-').next().unwrap_or_default();
    for (method, what) in [
        ("GET", ""),
        ("PATCH", ""),
        ("GET", "/portable"),
        ("POST", "/unsubscribe"),
    ] {
        let path = format!("{subscribers}/{person}{what}");
        let answer = api.call(method, &path, Some(&json!({}))).await;
        answer.expect(404);
    }
    // An archive's set of subscribers.
    let begun = api.post(&format!("{ACCOUNT}/backups"), &json!({})).await;
    let id = begun.expect(202).json()["id"].clone();
    world.drain().await;
    let archive = format!("{ACCOUNT}/backups/{}", id.as_str().expect("an id"));
    let archive = api.get(&archive).await.expect(200).json();
    let sets = &archive["manifest"]["sets"];
    assert_eq!(sets["subscribers"]["count"], 1, "{sets}");

    // A campaign: estimate, run, report and log.
    let path = crate::erasure::campaign(&world).await;
    let sent = api.post(&format!("{path}/send"), &json!({})).await;
    sent.expect(202);
    for _ in 0..4 {
        world.run("campaign").await;
        world.drain().await;
        world.advance("PT1M").await;
    }
    let report = api.get(&format!("{path}/report")).await.expect(200).json();
    assert_eq!(
        (&report["sent"], &report["selected"]),
        (&json!(1), &json!(1)),
        "{report}"
    );
    let log = json!(api.all(&format!("{path}/log")).await).to_string();
    assert!(log.len() > 2 && !log.contains(person), "{log}");
    assert_eq!(world.inbox(&anna.email).await.len(), 1, "the confirmation");
    assert_eq!(world.inbox(&bert.email).await.len(), 2);
    world.finish().await;
}
