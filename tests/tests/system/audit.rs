//! The audit log: who called what in the management API, by identifiers only (P-30, S-26, T-01).
//!
//! What a single call does is tested where the call is.

use serde_json::{Value, json};
use tests::World;

/// The entries of the demo account's log since this many.
async fn entries(world: &World, since: usize) -> Vec<Value> {
    let all = world.api().all("/accounts/demo/audit").await;
    all[since..].to_vec()
}

fn told(entry: &Value) -> (&str, &str, u64) {
    let route = entry["route"].as_str().expect("a route");
    let route = route
        .strip_prefix("/api/v1/accounts/{account}")
        .unwrap_or(route);
    let method = entry["method"].as_str().expect("a method");
    (method, route, entry["status"].as_u64().expect("a status"))
}

#[tokio::test]
async fn every_change_and_every_read_of_evidence_stands_in_the_log_with_who_and_what() {
    let world = World::start().await;
    let anna = world.person("anna");
    world.subscribe(&anna).await;
    let before = entries(&world, 0).await.len();
    let api = world.api();
    let list = json!({"name": "Angebote"});
    let made = api
        .post("/accounts/demo/lists", &list)
        .await
        .expect(201)
        .json();
    let list_id = made["id"].as_str().expect("an id");
    let path = format!("/accounts/demo/lists/{list_id}");
    api.put(&path, &json!({"name": "Neues"})).await.expect(200);
    // Reads of configuration are nobody's business.
    api.get(&path).await.expect(200);
    api.get("/accounts/demo/audit").await.expect(200);
    api.delete(&path).await.expect(204);
    let subscriber = world.subscriber(&anna.email).await.expect("subscribed");
    let id = subscriber["id"].as_str().expect("an id");
    let one = format!("/accounts/demo/subscribers/{id}");
    let evidence = api.get(&format!("{one}/evidence")).await.expect(200).json();
    api.get(&format!("{one}/export")).await.expect(200);
    let sign_up = evidence["signups"][0]["id"].as_str().expect("an id");
    api.get(&format!("/accounts/demo/signups/{sign_up}/certificate"))
        .await
        .expect(200);
    api.patch(&one, &json!({"first_name": anna.first_name}))
        .await
        .expect(200);
    // What is refused was tried.
    api.patch(&one, &json!({"lists": 5})).await.expect(422);
    api.delete(&one).await.expect(202);

    let found = entries(&world, before).await;
    let calls: Vec<_> = found.iter().map(told).collect();
    assert_eq!(
        calls,
        [
            ("POST", "/lists", 201),
            ("PUT", "/lists/{id}", 200),
            ("DELETE", "/lists/{id}", 204),
            ("GET", "/subscribers/{id}/evidence", 200),
            ("GET", "/subscribers/{id}/export", 200),
            ("GET", "/signups/{id}/certificate", 200),
            ("PATCH", "/subscribers/{id}", 200),
            ("PATCH", "/subscribers/{id}", 422),
            ("DELETE", "/subscribers/{id}", 202),
        ]
    );
    let key = world.endpoint("demo_key").split('.').nth(1).expect("a key");
    for entry in &found {
        assert_eq!(entry["by"], key);
        assert!(
            entry["scopes"]
                .as_array()
                .expect("scopes")
                .contains(&json!("admin"))
        );
        assert!(entry["at"].as_str() < entry["kept_until"].as_str());
    }
    assert_eq!(found[0]["targets"], json!({"created": list_id}));
    assert_eq!(found[1]["targets"], json!({"id": list_id}));
    assert_eq!(found[3]["targets"], json!({"id": id}), "by key alone");
    assert_eq!(found[5]["targets"], json!({"id": sign_up}));
    // Nobody's data, and no key's secret.
    let text = json!(found).to_string();
    for private in [&anna.email, &anna.first_name, &anna.last_name] {
        assert!(!text.contains(private.as_str()));
    }
    assert!(!text.contains(world.endpoint("demo_key")));
    world.drain().await;
    world.finish().await;
}

#[tokio::test]
async fn what_somebody_types_into_a_path_is_no_identifier_and_is_not_kept() {
    let world = World::start().await;
    let anna = world.person("anna");
    let before = entries(&world, 0).await.len();
    let typed: String = form_urlencoded::byte_serialize(anna.email.as_bytes()).collect();
    let api = world.api();
    for path in ["subscribers", "lists", "subscribers/x%2Fy"] {
        let path = format!("/accounts/demo/{path}/{typed}");
        api.delete(&path).await.expect(404);
    }
    let mistaken = format!("/accounts/{typed}/lists");
    api.post(&mistaken, &json!({"name": "x"})).await.expect(404);
    // Another's account by its name: the attempt stands in the caller's own log.
    let others = world
        .platform_api()
        .post("/accounts", &json!({"name": "Andere"}))
        .await;
    let others = others.expect(201).json();
    let theirs = format!("/accounts/{}/lists", others["id"].as_str().expect("an id"));
    api.post(&theirs, &json!({"name": "x"})).await.expect(404);
    let found = entries(&world, before).await;
    let calls: Vec<_> = found.iter().map(told).collect();
    assert!(
        calls.iter().all(|(_, _, status)| *status == 404),
        "{calls:?}"
    );
    assert_eq!(calls.last(), Some(&("POST", "/lists", 404)));
    assert!(
        found.iter().all(|entry| entry["targets"] == json!({})),
        "{found:?}"
    );
    assert!(world.scan_table().await.holding(&anna.email).is_empty());
    // Without a key there is nobody to name, and a stranger could fill the log.
    let before = entries(&world, 0).await.len();
    let stranger = world.api_with_key("rbk_demo.key_x.secret");
    stranger
        .post("/accounts/demo/lists", &json!({"name": "x"}))
        .await
        .expect(401);
    assert_eq!(entries(&world, before).await, Vec::<Value>::new());
    world.finish().await;
}

#[tokio::test]
async fn the_log_is_read_by_admins_in_pages_and_spans_and_changed_by_nobody() {
    let world = World::start().await;
    let api = world.api();
    let before = entries(&world, 0).await.len();
    for number in 0..5 {
        let list = json!({"id": format!("l{number}"), "name": "Liste"});
        api.post("/accounts/demo/lists", &list).await.expect(201);
    }
    let middle = entries(&world, before).await[2]["at"].clone();
    let middle = middle.as_str().expect("a time");
    let first = api
        .get("/accounts/demo/audit?limit=2")
        .await
        .expect(200)
        .json();
    assert_eq!(first["items"].as_array().map(Vec::len), Some(2));
    let next = first["next"].as_str().expect("more");
    let path = format!("/accounts/demo/audit?limit=2&cursor={next}");
    let second = api.get(&path).await.expect(200).json();
    assert_ne!(first["items"], second["items"]);
    let since = api
        .get(&format!("/accounts/demo/audit?since={middle}"))
        .await
        .expect(200);
    let since = since.json();
    assert_eq!(since["items"][0]["at"], middle);
    assert!(since["items"].as_array().expect("items").len() >= 3);
    let path = format!("/accounts/demo/audit?until={middle}&limit=100");
    let until = api.get(&path).await.expect(200).json();
    let items = until["items"].as_array().expect("items");
    assert!(
        items
            .iter()
            .all(|entry| entry["at"].as_str() < Some(middle))
    );
    assert_eq!(until["next"], Value::Null);
    for (query, field) in [
        ("since=yesterday", "since"),
        ("until=2027-02-30T00:00:00Z", "until"),
        ("limit=0", "limit"),
        ("cursor=x", "cursor"),
        // A cursor of another span.
        (&format!("until={middle}&cursor={next}"), "cursor"),
    ] {
        let path = format!("/accounts/demo/audit?{query}");
        let answer = api.get(&path).await.expect(422).json();
        assert_eq!(answer["errors"][0]["field"], field, "{query}");
    }
    // No scope but `admin` reads it, and no route changes it.
    let weak = json!({"name": "schwach", "scopes": ["read", "write", "send", "export", "erase", "restore"]});
    let weak = api
        .post("/accounts/demo/keys", &weak)
        .await
        .expect(201)
        .json();
    let weak = world.api_with_key(weak["key"].as_str().expect("a key"));
    weak.get("/accounts/demo/audit")
        .await
        .expect_problem(403, "missing_scope");
    weak.get("/audit").await.expect(403);
    let log = async || json!(world.scan_table().await.of_kind("audit"));
    let before = log().await;
    api.post("/accounts/demo/audit", &json!({}))
        .await
        .expect(405);
    api.delete("/accounts/demo/audit").await.expect(405);
    let id = first["items"][0]["id"].as_str().expect("an id");
    api.delete(&format!("/accounts/demo/audit/{id}"))
        .await
        .expect(404);
    assert_eq!(log().await, before);
    world.finish().await;
}

#[tokio::test]
async fn the_platforms_calls_stand_where_they_belong() {
    let world = World::start().await;
    let platform = world.platform_api();
    let account = platform
        .post("/accounts", &json!({"name": "Neu"}))
        .await
        .expect(201)
        .json();
    let id = account["id"].as_str().expect("an id");
    let path = format!("/accounts/{id}");
    platform
        .patch(&path, &json!({"contact": "Stube 1"}))
        .await
        .expect(200);
    let own = world.api_with_key(account["key"].as_str().expect("a key"));
    let log = own.all(&format!("{path}/audit")).await;
    assert_eq!(log.len(), 2, "{log:?}");
    assert_eq!(told(&log[0]), ("POST", "/api/v1/accounts", 201));
    assert_eq!(log[0]["targets"], json!({"created": id}));
    assert_eq!(told(&log[1]), ("PATCH", "", 200));
    assert_eq!(log[1]["by"], "platform");
    // What names no account stands in the platform's own log.
    let operator = platform.get("/operator").await.expect(200).json();
    platform.put("/operator", &operator).await.expect(200);
    let log = platform.all("/audit").await;
    let last = log.last().expect("an entry");
    assert_eq!(told(last), ("PUT", "/api/v1/operator", 200));
    assert_eq!(last["by"], "platform");
    world.finish().await;
}

#[tokio::test]
async fn an_entry_is_kept_for_the_accounts_months_and_then_swept() {
    let world = World::start().await;
    let api = world.api();
    for (months, code) in [
        (json!(0), "out_of_range"),
        (json!(37), "out_of_range"),
        (json!("x"), "not_a_whole_number"),
    ] {
        let answer = api
            .patch("/accounts/demo", &json!({"audit_months": months}))
            .await;
        let answer = answer.expect(422).json();
        assert_eq!(answer["errors"][0]["field"], "audit_months");
        assert_eq!(answer["errors"][0]["code"], code);
    }
    let account = api.get("/accounts/demo").await.expect(200).json();
    assert_eq!(account["audit_months"], 12);
    let changed = api
        .patch("/accounts/demo", &json!({"audit_months": 2}))
        .await;
    assert_eq!(changed.expect(200).json()["audit_months"], 2);
    let list = json!({"id": "kurz", "name": "Kurz"});
    api.post("/accounts/demo/lists", &list).await.expect(201);
    let short = |entry: &Value| entry["targets"]["created"] == "kurz";
    let log = entries(&world, 0).await;
    let entry = log
        .iter()
        .find(|entry| short(entry))
        .expect("recorded")
        .clone();
    let until: jiff::Timestamp = entry["kept_until"].as_str().unwrap().parse().unwrap();
    let wait = until.duration_since(world.now().await);
    // Past its time it is absent at once, and gone with the next run.
    world.skip(wait).await;
    let left = entries(&world, 0).await;
    assert!(!left.iter().any(short));
    assert!(
        left.len() >= 2,
        "those from before are kept for twelve months"
    );
    let id = entry["id"].as_str().expect("an id");
    let is_stored = async || {
        let items = world.scan_table().await;
        items.of_kind("audit").iter().any(|item| item["id"] == id)
    };
    assert!(is_stored().await);
    let report = world.run("retention").await;
    assert!(report["deleted"]["audit"].as_u64() >= Some(1), "{report}");
    assert!(!is_stored().await);
    world.drain().await;
    world.finish().await;
}
