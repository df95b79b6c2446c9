//! A region switch before everything was replicated: writes of the one region lie over those of the
//! other, and `after-switch` derives everybody anew.
//!
//! In which orders that can happen is played in `shared/src/histories`; here the whole way.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_dynamodb::types::AttributeValue;
use functions::after_switch::{Options, Report, run};
use functions::app::App;
use functions::settings::Settings;
use jiff::{SignedDuration, Timestamp};
use local::platform::Wiring;
use rundbrief::entropy::SystemEntropy;
use serde_json::json;
use tests::{Person, Stored, World};

type Environment = Arc<Mutex<BTreeMap<String, String>>>;

async fn world(environment: &Environment) -> World {
    let environment = Arc::clone(environment);
    World::start_with(move |options| {
        let environment = Arc::clone(&environment);
        let real = options.functions.clone();
        options.functions = Arc::new(move |wiring: Wiring| {
            let restore = wiring.environments.get("restore").cloned();
            *environment.lock().unwrap_or_else(PoisonError::into_inner) =
                restore.unwrap_or_default();
            real(wiring)
        });
    })
    .await
}

/// The command, at `now`.
async fn after_switch(
    environment: &Environment,
    apply: bool,
    since: Timestamp,
    now: Timestamp,
) -> Report {
    let environment = environment
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    let settings = Settings::read(&|name| environment.get(name).cloned());
    let app = App::new(
        settings.expect("complete settings"),
        Arc::new(move || now),
        Arc::new(SystemEntropy::new()),
    );
    let report = run(&app, Options { apply, since }).await;
    report.expect("the tables can be read")
}

/// The items of `before` lie over those of today again, but for records of their own: those are
/// never overwritten. What was not there yet is left as the other region's write has it.
async fn overwrite(world: &World, before: &Stored, whose: &str) {
    let today = world.scan_table().await;
    let clients = world.clients();
    for ((table, pk, sk), item) in &today.0 {
        let kind = item["kind"].as_str().unwrap_or_default();
        if !sk.starts_with(whose) || !["profile", "withdrawal", "tombstone"].contains(&kind) {
            continue;
        }
        let known = before.0.get(&(table.clone(), pk.clone(), sk.clone()));
        let set = match (kind, known) {
            // The other region had read what there was then, and wrote a little more.
            ("profile", Some(known)) => {
                let names = known["lists"].clone();
                vec![("lists", names), ("ended_on", json!(null))]
            }
            ("withdrawal", _) => vec![("all_at", json!(null)), ("lists", json!({}))],
            _ => vec![("at", json!({})), ("lists", json!({}))],
        };
        for (member, value) in set {
            let done = clients
                .dynamodb()
                .update_item()
                .table_name(table)
                .key("pk", AttributeValue::S(pk.clone()))
                .key("sk", AttributeValue::S(sk.clone()))
                .update_expression("SET #member = :value REMOVE expires_at, gone_at")
                .expression_attribute_names("#member", member)
                .expression_attribute_values(":value", attribute(&value))
                .send()
                .await;
            assert!(done.is_ok(), "{kind} is overwritten");
        }
    }
}

fn attribute(value: &serde_json::Value) -> AttributeValue {
    match value {
        serde_json::Value::String(text) => AttributeValue::S(text.clone()),
        serde_json::Value::Object(members) => AttributeValue::M(
            members
                .iter()
                .map(|(name, value)| (name.clone(), attribute(value)))
                .collect(),
        ),
        _ => AttributeValue::Null(true),
    }
}

#[tokio::test]
async fn after_a_region_switch_who_left_is_out_again_and_who_confirmed_is_in() {
    let environment = Environment::default();
    let world = world(&environment).await;
    let [left, confirmed, still] = ["left", "confirmed", "still"].map(|name| world.person(name));
    world.subscribe(&left).await;
    world.subscribe(&still).await;
    let calm = world.advance("PT1H").await;
    let joined = world.scan_table().await;

    // In the one region: somebody leaves, somebody confirms.
    world.advance("PT1M").await;
    let key = |found: Option<serde_json::Value>| {
        let found = found.expect("there");
        found["id"].as_str().expect("an id").to_owned()
    };
    let gone = key(world.subscriber(&left.email).await);
    let path = format!("/accounts/demo/subscribers/{gone}/unsubscribe");
    world.api().post(&path, &json!({})).await.expect(200);
    world.subscribe(&confirmed).await;
    let came = key(world.subscriber(&confirmed.email).await);
    // In the other nobody knew; its later writes lie over them now.
    overwrite(&world, &joined, &gone).await;
    let clients = world.clients();
    for ((table, pk, sk), item) in &world.scan_table().await.0 {
        if item["kind"] == "profile" && sk.starts_with(&came) {
            let done = clients
                .dynamodb()
                .update_item()
                .table_name(table)
                .key("pk", AttributeValue::S(pk.clone()))
                .key("sk", AttributeValue::S(sk.clone()))
                .update_expression("SET lists = :none")
                .expression_attribute_values(":none", attribute(&json!({})))
                .send()
                .await;
            assert!(done.is_ok(), "overwritten");
        }
    }
    let state = async |person: &Person| {
        let found = world.subscriber(&person.email).await.expect("there");
        found["state"].as_str().expect("a state").to_owned()
    };
    assert_eq!(state(&left).await, "active", "the harm is done");
    assert_eq!(state(&confirmed).await, "unsubscribed");

    let now = world.advance("PT1M").await;
    let since = calm - SignedDuration::from_mins(5);
    let before = world.scan_table().await;
    let report = after_switch(&environment, false, since, now).await;
    assert_eq!((report.repaired, report.without_key), (2, 0));
    assert!(report.people >= 3);
    let looked = world.scan_table().await.without_counters();
    looked.expect_same(&before.without_counters(), "looking");

    let report = after_switch(&environment, true, since, now).await;
    assert_eq!(report.repaired, 2);
    assert_eq!(state(&left).await, "unsubscribed");
    assert_eq!(state(&confirmed).await, "active");
    assert_eq!(state(&still).await, "active");
    let again = after_switch(&environment, true, since, now).await;
    assert_eq!(again.repaired, 0, "a second time changes nobody");
    world.finish().await;
}
