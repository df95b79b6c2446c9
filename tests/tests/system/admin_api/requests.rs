//! Requests as such: bad ones by their kind, repeated ones by their key.
//!
//! What is wrong with single members is told in `configuration` and `people`.

use serde_json::json;
use tests::World;

use super::{DEMO, key_with};

#[tokio::test]
async fn bad_requests_are_refused_by_kind_and_nothing_is_repeated() {
    let world = World::start().await;
    let api = world.api();
    let lists = "/accounts/demo/lists";
    let json = Some("application/json");
    let big = format!("{{\"name\":\"{}\"}}", "x".repeat(256 * 1024));
    let deep = "[".repeat(5_000);
    for (method, path, content_type, body, status, code) in [
        ("POST", lists, json, &b"{\"name\":"[..], 422, "malformed"),
        ("POST", lists, json, b"", 422, "malformed"),
        (
            "POST",
            lists,
            json,
            b"{\"name\":\"\xff\"}",
            422,
            "malformed",
        ),
        ("POST", lists, json, deep.as_bytes(), 422, "malformed"),
        ("POST", lists, json, b"[]", 422, "invalid"),
        ("POST", lists, json, b"\"erika\"", 422, "invalid"),
        ("POST", lists, json, big.as_bytes(), 413, "too_large"),
        (
            "POST",
            lists,
            None,
            b"{\"name\":\"x\"}",
            415,
            "unsupported_type",
        ),
        (
            "POST",
            lists,
            Some("text/plain"),
            b"{}",
            415,
            "unsupported_type",
        ),
        (
            "POST",
            lists,
            Some("application/x-www-form-urlencoded"),
            b"name=erika",
            415,
            "unsupported_type",
        ),
        (
            "PATCH",
            "/accounts/demo",
            Some("text/plain"),
            b"{}",
            415,
            "unsupported_type",
        ),
        (
            "PUT",
            "/accounts/demo/lists/news",
            Some("text/plain"),
            b"{}",
            415,
            "unsupported_type",
        ),
        ("DELETE", lists, None, b"", 405, "method_not_allowed"),
        (
            "PATCH",
            "/accounts/demo/lists/news",
            json,
            b"{}",
            405,
            "method_not_allowed",
        ),
        (
            "POST",
            "/accounts/demo/signups",
            json,
            b"{}",
            405,
            "method_not_allowed",
        ),
        ("GET", "/nothing", None, b"", 404, "not_found"),
        ("GET", "/accounts/demo/nothing", None, b"", 404, "not_found"),
        ("GET", "/accounts/demo/helpers", None, b"", 404, "not_found"),
        ("GET", "/accounts/demo/lists/", None, b"", 404, "not_found"),
        (
            "GET",
            "/accounts/demo/lists/%ff",
            None,
            b"",
            404,
            "not_found",
        ),
        (
            "GET",
            "/accounts/demo/lists/a%23b",
            None,
            b"",
            404,
            "not_found",
        ),
        ("GET", "/accounts/%00/lists", None, b"", 404, "not_found"),
        (
            "GET",
            "/accounts/demo/signups/erika",
            None,
            b"",
            404,
            "not_found",
        ),
        (
            "GET",
            "/accounts/demo/subscribers/erika",
            None,
            b"",
            404,
            "not_found",
        ),
        (
            "GET",
            "/accounts/demo/lists?limit=0",
            None,
            b"",
            422,
            "invalid",
        ),
        (
            "GET",
            "/accounts/demo/lists?limit=101",
            None,
            b"",
            422,
            "invalid",
        ),
        (
            "GET",
            "/accounts/demo/lists?cursor=erika",
            None,
            b"",
            422,
            "invalid",
        ),
        (
            "GET",
            "/accounts/demo/signups?state=erika",
            None,
            b"",
            422,
            "invalid",
        ),
    ] {
        let answer = api
            .call_with(method, path, content_type, body.to_vec())
            .await;
        let answer = answer.expect_problem(status, code);
        assert!(!answer.text().contains("erika"), "{answer:?}");
    }
    // A cursor is good for one list of one account.
    let page = api
        .get("/accounts/demo/setups?limit=1")
        .await
        .expect(200)
        .json();
    let cursor = page["next"].as_str().unwrap();
    assert!(
        cursor
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    );
    for path in ["lists", "signups", "subscribers"] {
        let path = format!("{DEMO}/{path}?cursor={cursor}");
        api.get(&path).await.expect_problem(422, "invalid");
    }
    assert_eq!(api.all(lists).await.len(), 1);
    world.finish().await;
}

#[tokio::test]
async fn an_idempotency_key_gives_the_first_answer_again() {
    let world = World::start().await;
    let lists = format!("{DEMO}/lists");
    let api = world.api().header("idempotency-key", "first");
    let one = json!({"name": "One"});
    let first = api.post(&lists, &one).await.expect(201);
    let again = api.post(&lists, &one).await.expect(201);
    assert_eq!(first.body, again.body);
    for header in ["content-type", "etag", "location", "cache-control"] {
        assert_eq!(first.header(header), again.header(header), "{header}");
    }
    let other = api.post(&lists, &json!({"name": "Two"})).await;
    other.expect_problem(422, "idempotency_mismatch");
    let elsewhere = api.post(&format!("{DEMO}/interests"), &one).await;
    elsewhere.expect_problem(422, "idempotency_mismatch");
    // Another caller's key of the same name is another key.
    let other_key = key_with(&world, &["read", "write"]).await;
    let other = world
        .api_with_key(&other_key)
        .header("idempotency-key", "first");
    other
        .post(&lists, &json!({"name": "Three"}))
        .await
        .expect(201);
    assert_eq!(world.api().all(&lists).await.len(), 3);
    // What was refused can be sent again with a better body.
    let api = world.api().header("idempotency-key", "second");
    api.post(&lists, &json!({})).await.expect(422);
    api.post(&lists, &one).await.expect(201);
    // A key is shown once and kept nowhere.
    let keys = format!("{DEMO}/keys");
    let api = world.api().header("idempotency-key", "third");
    let body = json!({"name": "Once", "scopes": ["read"]});
    let made = api.post(&keys, &body).await.expect(201).json();
    world.keep_private("a key", made["key"].as_str().unwrap());
    let again = api
        .post(&keys, &body)
        .await
        .expect_problem(409, "already_done");
    assert_eq!(again.json()["id"], made["id"]);
    let platform = world.platform_api().header("idempotency-key", "fourth");
    let made = platform.post("/accounts", &one).await.expect(201).json();
    world.keep_private("a key", made["key"].as_str().unwrap());
    let again = platform
        .post("/accounts", &one)
        .await
        .expect_problem(409, "already_done");
    assert_eq!(again.json()["id"], made["id"]);
    let long = world.api().header("idempotency-key", &"x".repeat(256));
    long.post(&lists, &one).await.expect_problem(422, "invalid");
    // A day later it is forgotten.
    world.advance("PT25H").await;
    let api = world.api().header("idempotency-key", "first");
    let later = api.post(&lists, &json!({"name": "Later"})).await;
    later.expect(201);
    world.finish().await;
}
