//! Keys, scopes and other people's accounts.
//!
//! What the key is then used for is told beside it.

use serde_json::json;
use tests::World;

use super::{DEMO, key_with, new_account};

#[tokio::test]
async fn without_a_good_key_nothing_is_said() {
    let world = World::start().await;
    let demo = world.endpoint("demo_key").to_owned();
    let changed = format!("{}x", &demo[..demo.len() - 1]);
    let (other, _) = new_account(&world, "Other").await;
    let elsewhere = demo.replace("rbk_demo.", &format!("rbk_{other}."));
    for key in [
        "",
        "x",
        "rbk_",
        "rbk_demo",
        "rbk_demo.a.b",
        "rbk_DEMO.a.b",
        changed.as_str(),
        elsewhere.as_str(),
        &demo[4..],
    ] {
        for path in [
            "/accounts/demo",
            "/accounts",
            "/nothing",
            "/accounts/demo/lists",
        ] {
            let answer = world.api_with_key(key).get(path).await;
            let answer = answer.expect_problem(401, "unauthorized");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
            assert_eq!(
                answer.header("content-type"),
                Some("application/problem+json")
            );
        }
    }
    world.finish().await;
}

#[tokio::test]
async fn a_key_does_what_its_scopes_say_until_it_is_revoked() {
    let world = World::start().await;
    let list = json!({"name": "More"});
    for (scopes, method, path, body, status) in [
        (&["read"][..], "GET", "/lists", None, 200),
        (&["read"], "GET", "/signups", None, 200),
        (&["read"], "POST", "/lists", Some(&list), 403),
        (&["read"], "GET", "/keys", None, 403),
        (&["read"], "PATCH", "", Some(&list), 403),
        (&["write"], "GET", "/lists", None, 403),
        (&["write"], "POST", "/lists", Some(&list), 201),
        (&["admin"], "GET", "/keys", None, 200),
        (&["admin"], "GET", "", None, 403),
        (&["admin"], "PATCH", "", Some(&list), 200),
        (
            &["send", "export", "erase", "restore"],
            "GET",
            "/subscribers",
            None,
            403,
        ),
    ] {
        let key = key_with(&world, scopes).await;
        let answer = world
            .api_with_key(&key)
            .call(method, &format!("{DEMO}{path}"), body)
            .await;
        let answer = answer.expect(status);
        if status == 403 {
            answer.expect_problem(403, "missing_scope");
        }
    }
    // Only the platform makes accounts and says who may send from where.
    let api = world.api();
    let account = json!({"name": "Mine"});
    api.post("/accounts", &account).await.expect(403);
    api.get("/accounts").await.expect(403);
    let domains = json!({"sender_domains": ["evil.example"]});
    api.patch(DEMO, &domains).await.expect(403);
    // Nobody hands out more than they have.
    let admin = world.api_with_key(&key_with(&world, &["admin"]).await);
    let more = json!({"name": "More", "scopes": ["admin", "read"]});
    let keys = format!("{DEMO}/keys");
    admin.post(&keys, &more).await.expect(403);

    let made = api
        .post(&keys, &json!({"name": "Short", "scopes": ["read", "read"]}))
        .await
        .expect(201)
        .json();
    let (id, key) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    let short = world.api_with_key(key);
    short.get(DEMO).await.expect(200);
    let shown = api.get(&format!("{keys}/{id}")).await.expect(200).json();
    assert_eq!(shown["scopes"], json!(["read"]));
    let secret = key.rsplit('.').next().unwrap();
    let all = api.get(&format!("{keys}?limit=100")).await.expect(200);
    assert!(!all.text().contains(secret) && !all.text().contains("hash"));
    api.delete(&format!("{keys}/{id}")).await.expect(204);
    short.get(DEMO).await.expect(401);
    api.delete(&format!("{keys}/{id}")).await.expect(404);
    world.finish().await;
}

#[tokio::test]
async fn another_accounts_anything_is_not_there() {
    let world = World::start().await;
    let (other, key) = new_account(&world, "Other").await;
    let stranger = world.api_with_key(&key);
    let sent = json!({"name": "Mine now"});
    for path in [
        "",
        "/keys",
        "/lists",
        "/lists/news",
        "/setups/double",
        "/signups",
        "/subscribers",
        "/sender-domains",
        "/fields",
        "/unsubscriptions",
    ] {
        let theirs = format!("{DEMO}{path}");
        let nowhere = format!("/accounts/nobody{path}");
        let found = stranger.get(&theirs).await.expect_problem(404, "not_found");
        let absent = stranger
            .get(&nowhere)
            .await
            .expect_problem(404, "not_found");
        assert_eq!(found, absent, "{path}");
        world.platform_api().get(&nowhere).await.expect(404);
    }
    for (method, path) in [("PATCH", ""), ("POST", "/lists"), ("PUT", "/lists/news")] {
        let theirs = format!("{DEMO}{path}");
        stranger
            .call(method, &theirs, Some(&sent))
            .await
            .expect(404);
    }
    let theirs = format!("{DEMO}/lists/news");
    stranger.delete(&theirs).await.expect(404);
    // The same id is another thing in another account.
    let mine = format!("/accounts/{other}/lists");
    stranger.get(&format!("{mine}/news")).await.expect(404);
    let news = json!({"id": "news", "name": "Our own"});
    stranger.post(&mine, &news).await.expect(201);
    let demo = world.api().get(&theirs).await.expect(200).json();
    assert_eq!(demo["name"], "Newsletter");
    // The platform may do everything.
    let platform = world.platform_api();
    platform.get(&format!("{mine}/news")).await.expect(200);
    platform.delete(&format!("{mine}/news")).await.expect(204);
    world.finish().await;
}
