//! What holds for every route that `docs/openapi.yaml` tells of, over an account that has one of
//! everything: reading changes nothing (P-03), another account's key reaches nothing (S-18), and
//! what is over is not there although it still is (T-04).
//!
//! The management API's own test compares that file with the router.

mod account;

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use serde_json::{Value, json};
use tests::World;

const OPENAPI: &str = include_str!("../../../docs/openapi.yaml");
const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

/// Method and path of every route of the management API, with the names of its parameters.
fn routes() -> Vec<(&'static str, String)> {
    let collections = OPENAPI
        .lines()
        .find_map(|line| line.strip_prefix("    collection: "))
        .and_then(|line| line.split("enum: [").nth(1)?.split(']').next())
        .expect("the collections");
    let paths = OPENAPI.split("\npaths:\n").nth(1).expect("paths");
    let (mut routes, mut path) = (Vec::new(), "");
    for line in paths.lines().take_while(|line| *line != "components:") {
        if line.starts_with("  /") {
            path = line.trim().trim_end_matches(':');
        } else if line.starts_with("    servers:") {
            path = "";
        } else if let Some(method) = METHODS
            .into_iter()
            .find(|method| line == format!("    {}:", method.to_ascii_lowercase()))
            && !path.is_empty()
        {
            let all = collections.split(", ");
            let expanded: BTreeSet<String> =
                all.map(|one| path.replace("{collection}", one)).collect();
            routes.extend(expanded.into_iter().map(|path| (method, path)));
        }
    }
    assert!(routes.len() > 100, "{}", routes.len());
    routes
}

/// What the demo account has in each of its collections, by the collection's path.
type Things = BTreeMap<String, Vec<Value>>;

async fn things(world: &World) -> Things {
    let mut things = Things::new();
    for (method, path) in routes() {
        let Some((collection, _)) = path.split_once("/{id}") else {
            continue;
        };
        let collection = collection.replace("{account}", "demo");
        if method == "GET" && !things.contains_key(&collection) {
            let found = world.api().all(&collection).await;
            assert!(
                !found.is_empty(),
                "the account has something in {collection}"
            );
            things.insert(collection, found);
        }
    }
    assert!(things.len() > 15, "{:?}", things.keys());
    things
}

/// What a thing is called in a path.
fn id(thing: &Value) -> &str {
    let members = ["id", "version", "key"];
    let id = members.iter().find_map(|member| thing[member].as_str());
    id.expect("something with an id")
}

/// Whether a stored item is the one that is known outside by this identifier.
fn is_of(item: &Value, id: &str) -> bool {
    let key = item["sk"].as_str().unwrap_or_default();
    id.split(['-', '.']).all(|part| key.contains(part))
}

/// The paths that a route of an account leads to, by way of the demo account's things.
fn paths(things: &Things, route: &str, account: &str) -> Vec<String> {
    let Some((collection, _)) = route.split_once("/{id}") else {
        return vec![route.replace("{account}", account)];
    };
    let mut paths = Vec::new();
    for thing in &things[&collection.replace("{account}", "demo")] {
        let path = route
            .replace("{account}", account)
            .replace("{id}", id(thing));
        if path.contains("{name}") {
            let objects = thing["objects"].as_array().expect("an archive's objects");
            let names = objects
                .iter()
                .filter_map(|key| key.as_str()?.rsplit('/').next());
            paths.extend(names.map(|name| path.replace("{name}", name)));
        } else {
            paths.push(path);
        }
    }
    paths
}

#[tokio::test]
async fn reading_changes_nothing_anywhere() {
    let world = World::start().await;
    let people = account::with_one_of_everything(&world).await;
    let things = things(&world).await;
    let before = world.stored().await.without_counters();
    let mails = world.mail_count().await;
    for (_, route) in routes().iter().filter(|(method, _)| *method == "GET") {
        let of_an_account = route.contains("{account}") && !route.starts_with("/closures");
        let api = if of_an_account {
            world.api()
        } else {
            world.platform_api()
        };
        let mut found = route.starts_with("/closures/");
        for path in paths(&things, route, "demo") {
            let whole = api.get(&path).await;
            let head = api.call("HEAD", &path, None).await;
            assert_eq!(head.status, whole.status, "{path}");
            assert_eq!(head.text(), "", "{path}");
            found |= whole.status == 200;
        }
        assert!(found, "nothing answered at {route}");
    }
    for path in account::public_pages(&world, &people).await {
        for method in ["GET", "HEAD"] {
            let answer = world.request(method, &path).send().await;
            assert_eq!(answer.status, 200, "{path}");
        }
    }
    let after = world.stored().await.without_counters();
    after.expect_same(&before, "reading");
    assert_eq!(world.mail_count().await, mails);
    world.finish().await;
}

#[tokio::test]
async fn another_accounts_key_reaches_nothing_by_any_route() {
    let world = World::start().await;
    let people = account::with_one_of_everything(&world).await;
    let things = things(&world).await;
    let made = world
        .platform_api()
        .post("/accounts", &json!({"id": "fremd", "name": "Fremd"}))
        .await
        .expect(201)
        .json();
    let key = made["key"].as_str().expect("a key");
    world.keep_private("a key", key);
    let stranger = world.api_with_key(key);
    let of_demo = async || {
        let mut stored = world.stored().await.without_counters();
        stored.0.retain(|(_, pk, _), _| !pk.contains("fremd"));
        stored
    };
    let before = of_demo().await;
    let private: Vec<&str> = people.iter().map(|person| person.email.as_str()).collect();
    for (method, route) in routes() {
        if !route.contains("{account}") {
            let answer = stranger.call(method, &route, Some(&json!({}))).await;
            assert_eq!(answer.status, 403, "{method} {route}");
            continue;
        }
        // With the other account's name in the path, and with its own.
        let through_own = route.contains("{id}").then_some("fremd");
        for account in ["demo"].into_iter().chain(through_own) {
            for path in paths(&things, &route, account) {
                let sent = world.api().get(&path.replace("fremd", "demo")).await;
                let sent = match sent.status {
                    200 if sent.header("content-type") == Some("application/json") => sent.json(),
                    _ => json!({}),
                };
                let answer = stranger.call(method, &path, Some(&sent)).await;
                let refused: &[u16] = match account {
                    "demo" => &[403, 404],
                    _ => &[404, 422],
                };
                assert!(
                    refused.contains(&answer.status),
                    "{method} {path}: {}",
                    answer.status
                );
                let text = answer.text();
                assert!(
                    !private.iter().any(|one| text.contains(one)),
                    "{method} {path}"
                );
            }
        }
    }
    // Naming what another account has is no way to it either.
    let named = |collection: &str| id(&things[&format!("/accounts/demo/{collection}")][0]);
    for (path, body) in [
        ("restores", json!({"backup": named("backups")})),
        (
            "campaigns",
            json!({
                "name": "x", "template": named("templates"), "lists": ["news"],
                "sender": {"name": "x", "email": "news@muster.example"},
            }),
        ),
    ] {
        let answer = stranger
            .post(&format!("/accounts/fremd/{path}"), &body)
            .await;
        assert!(
            [404, 422].contains(&answer.status),
            "{path}: {}",
            answer.text()
        );
    }
    of_demo().await.expect_same(&before, "a stranger's key");
    world.finish().await;
}

#[tokio::test]
async fn what_is_over_is_not_there_although_nothing_has_deleted_it() {
    // The sweeper does not run by itself, and the table's own deletion never does.
    let world = World::start_with(|options| {
        let template = &options.template;
        options.template = template.replace("rate(1 hour)", "rate(99999 days)");
    })
    .await;
    let people = account::with_one_of_everything(&world).await;
    let anna = &people[0];
    let subscriber = world.subscriber(&anna.email).await.expect("a subscriber");
    let path = format!("/accounts/demo/subscribers/{}", id(&subscriber));
    let api = world.api();
    let today = json!({"on": world.now().await.in_tz("Europe/Vienna").expect("a zone").date()});
    api.post(&format!("{path}/end-relationship"), &today)
        .await
        .expect(200);
    let things = things(&world).await;
    let before = world.stored().await;

    // Fifty years later.
    let later = world.now().await + SignedDuration::from_hours(50 * 366 * 24);
    world.hold_clock(later);
    let expired = |item: &Value| {
        let at = item["expires_at"].as_i64();
        at.is_some_and(|at| at <= later.as_second())
    };
    let mut gone = BTreeMap::new();
    for (collection, found) in &things {
        let listed = api.all(collection).await;
        for thing in found {
            let of_it: Vec<&Value> = before
                .0
                .values()
                .filter(|item| is_of(item, id(thing)))
                .collect();
            let is_over = !of_it.is_empty() && of_it.iter().all(|item| expired(item));
            if !is_over {
                continue;
            }
            let one = format!("{collection}/{}", id(thing));
            let answer = api.get(&one).await;
            assert_eq!(answer.status, 404, "{one}");
            assert!(!listed.iter().any(|other| id(other) == id(thing)), "{one}");
            *gone.entry(collection.as_str()).or_insert(0) += 1;
        }
    }
    let kinds: Vec<&str> = gone.into_keys().collect();
    assert_eq!(
        kinds,
        ["backups", "signups"].map(|kind| format!("/accounts/demo/{kind}"))
    );
    let listed = api.all("/accounts/demo/subscribers").await;
    let listed: Vec<&str> = listed.iter().map(id).collect();
    assert!(!listed.contains(&id(&subscriber)), "{listed:?}");
    let still = world.stored().await;
    let count =
        |stored: &tests::stored::Stored| stored.0.values().filter(|item| expired(item)).count();
    assert_eq!(count(&still), count(&before), "all of it is still stored");

    // Evidence stays as long as the account, the profile does not; and the address is free.
    for what in ["", "/portable"] {
        api.get(&format!("{path}{what}")).await.expect(404);
    }
    let export = api.get(&format!("{path}/export")).await.expect(200).json();
    let exported: Vec<&String> = export["data"].as_object().expect("data").keys().collect();
    assert_eq!(exported, ["sign_ups"]);
    assert_eq!(world.subscriber(&anna.email).await, None);
    world.release_clock();
    let mails = world.inbox(&anna.email).await.len();
    // A restore that nobody has decided holds the account's sending, and so it is still there.
    let restore = id(&things["/accounts/demo/restores"][0]);
    let discard = format!("/accounts/demo/restores/{restore}/discard");
    api.post(&discard, &json!({})).await.expect(202);
    world.drain().await;
    let report = account::campaign(&world).await;
    // Emil, whose hold the sweeper has not ended, is the only one who is still counted.
    let counted = (&report["selected"], &report["skipped"], &report["sent"]);
    let expected = (&json!(1), &json!({"restricted": 1}), &json!(0));
    assert_eq!(counted, expected);
    assert_eq!(world.inbox(&anna.email).await.len(), mails);
    world.subscribe(anna).await;
    assert_eq!(world.inbox(&anna.email).await.len(), mails + 1);
    let again = world.subscriber(&anna.email).await.expect("anew");
    assert_eq!(again["state"], "active");
    world.finish().await;
}
