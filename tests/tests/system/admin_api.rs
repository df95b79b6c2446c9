//! The management API as a controller uses it: keys, configuration, subscribers, evidence.
//!
//! What visitors do is only told here as far as it makes something to read.

use serde_json::{Value, json};
use tests::World;
use tests::answer::Answer;

const DEMO: &str = "/accounts/demo";

async fn new_account(world: &World, name: &str) -> (String, String) {
    let made = world
        .platform_api()
        .post("/accounts", &json!({"name": name}))
        .await
        .expect(201)
        .json();
    let (id, key) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    world.keep_private("a key", key);
    (id.to_owned(), key.to_owned())
}

async fn key_with(world: &World, scopes: &[&str]) -> String {
    let body = json!({"name": "Some", "scopes": scopes});
    let made = world
        .api()
        .post("/accounts/demo/keys", &body)
        .await
        .expect(201);
    let key = made.json()["key"].as_str().unwrap().to_owned();
    world.keep_private("a key", &key);
    key
}

fn errors(answer: &Answer) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut errors: Vec<_> = answer.json()["errors"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|error| (text(&error["field"]), text(&error["code"])))
        .collect();
    errors.sort();
    errors
}

fn setup() -> Value {
    json!({
        "name": "Newsletter", "mode": "double", "lists": ["news"],
        "form_url": "https://shop.example/newsletter",
    })
}

fn template() -> Value {
    json!({
        "name": "March",
        "subject": "Hello {{ subscriber.first_name }}",
        "html": "<p>Hi {{ subscriber.first_name }}</p>\
                 <p><a href=\"{{ unsubscribe_url }}\">Unsubscribe</a></p><p>{{ imprint }}</p>",
    })
}

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

#[tokio::test]
async fn an_account_is_completed_and_what_it_cannot_be_is_refused() {
    let world = World::start().await;
    let platform = world.platform_api();
    let given = json!({"id": "club", "name": "Club", "time_zone": "Europe/Berlin"});
    let made = platform.post("/accounts", &given).await.expect(201);
    assert_eq!(made.header("location"), Some("/api/v1/accounts/club"));
    assert_eq!(made.header("cache-control"), Some("no-store"));
    let key = made.json()["key"].as_str().unwrap().to_owned();
    let again = platform.post("/accounts", &given).await;
    again.expect_problem(409, "conflict");
    let api = world.api_with_key(&key);
    let club = api.get("/accounts/club").await.expect(200).json();
    assert_eq!(
        (&club["name"], &club["language"]),
        (&json!("Club"), &json!("de"))
    );
    assert!(club.get("key").is_none());

    for (member, value, code) in [
        ("name", json!(""), "empty"),
        ("name", json!(null), "missing"),
        ("name", json!(["x"]), "not_a_string"),
        ("name", json!("a\r\nBcc: x"), "control_character"),
        ("name", json!("x".repeat(201)), "too_long"),
        ("imprint", json!("a\u{0}b"), "control_character"),
        ("imprint", json!("x".repeat(2_001)), "too_long"),
        (
            "privacy_url",
            json!("ftp://x.example"),
            "web_address_unknown_scheme",
        ),
        (
            "privacy_url",
            json!("javascript:alert(1)"),
            "web_address_unknown_scheme",
        ),
        ("language", json!("fr"), "unknown"),
        ("time_zone", json!("Europe/Atlantis"), "unknown"),
        ("time_zone", json!(1), "not_a_string"),
        ("id", json!("other"), "cannot_change"),
    ] {
        let answer = api.patch("/accounts/club", &json!({member: value})).await;
        let answer = answer.expect_problem(422, "invalid");
        let expected = [(member.to_owned(), code.to_owned())];
        assert_eq!(errors(&answer), expected, "{member} {value}");
    }
    for domain in ["no domain", "x@y.example", "", "a\r\nb.example"] {
        let sent = json!({"sender_domains": [domain]});
        let answer = platform.patch("/accounts/club", &sent).await.expect(422);
        assert_eq!(errors(&answer)[0].0, "sender_domains.0", "{domain:?}");
    }

    let sent = json!({
        "imprint": "Club\nGasse 1\n1010 Wien", "privacy_url": "https://club.example/privacy",
        "contact": "privacy@club.example", "language": "en", "time_zone": "Europe/Vienna",
    });
    let changed = api.patch("/accounts/club", &sent).await.expect(200);
    assert_eq!(changed.header("etag"), Some("\"2\""));
    for (member, value) in sent.as_object().unwrap() {
        assert_eq!(changed.json()[member], *value, "{member}");
    }
    let late = world.api_with_key(&key).header("if-match", "\"1\"");
    let late = late.patch("/accounts/club", &json!({"name": "Late"})).await;
    late.expect_problem(412, "precondition_failed");
    let now = world.api_with_key(&key).header("if-match", "\"2\"");
    now.patch("/accounts/club", &json!({"name": "In time"}))
        .await
        .expect(200);

    let domains = json!({"sender_domains": ["Muster.example", "bücher.example"]});
    let changed = platform.patch("/accounts/club", &domains).await.expect(200);
    assert_eq!(
        changed.json()["sender_domains"],
        json!(["muster.example", "xn--bcher-kva.example"])
    );
    let shown = api.get("/accounts/club/sender-domains").await.expect(200);
    let items = shown.json()["items"].clone();
    assert_eq!(items[0]["state"], "verified");
    assert_eq!(items[0]["dkim"]["records"].as_array().unwrap().len(), 3);
    assert_eq!(
        items[0]["dmarc"]["records"][0]["name"],
        "_dmarc.muster.example"
    );
    assert_eq!(items[1]["state"], "missing");
    let mut accounts = platform.all("/accounts?limit=1").await;
    accounts.sort_by_key(|account| account["id"].as_str().map(str::to_owned));
    let ids: Vec<_> = accounts.iter().map(|account| &account["id"]).collect();
    assert_eq!(ids, ["club", "demo"]);
    world.finish().await;
}

#[tokio::test]
async fn configuration_is_listed_created_read_replaced_and_deleted() {
    let world = World::start().await;
    let api = world.api();
    for (collection, id, one, other) in [
        (
            "lists",
            "id",
            json!({"name": "One"}),
            json!({"name": "Other"}),
        ),
        (
            "interests",
            "id",
            json!({"name": "One"}),
            json!({"name": "Other"}),
        ),
        (
            "fields",
            "key",
            json!({"label": "Shoe size", "type": "number"}),
            json!({"label": "Size", "type": "text"}),
        ),
        (
            "keys",
            "id",
            json!({"name": "One", "scopes": ["read"]}),
            json!({"name": "Other", "scopes": ["read", "write"]}),
        ),
        ("setups", "id", setup(), {
            let mut other = setup();
            other["language"] = json!("en");
            other["redirects"] =
                json!({"accepted": "https://shop.example/thanks", "confirmed": null});
            other
        }),
        ("templates", "id", template(), {
            let mut other = template();
            other["name"] = json!("April");
            other
        }),
    ] {
        let path = format!("{DEMO}/{collection}");
        let before = api.all(&path).await.len();
        let made = api.post(&path, &one).await.expect(201);
        let made_id = made.json()[id].as_str().unwrap().to_owned();
        let location = format!("/api/v1{path}/{made_id}");
        assert_eq!(made.header("location"), Some(location.as_str()));
        assert_eq!(made.header("etag"), Some("\"1\""));

        let mut named = one.clone();
        named[id] = json!("my_own-1");
        api.post(&path, &named).await.expect(201);
        let again = api.post(&path, &named).await;
        again.expect_problem(409, "conflict");
        named[id] = json!("No Good");
        let answer = api.post(&path, &named).await.expect(422);
        let expected = (id.to_owned(), "invalid_id".to_owned());
        assert_eq!(errors(&answer), [expected], "{collection}");

        let mine = format!("{path}/my_own-1");
        let read = api.get(&mine).await.expect(200);
        for (member, value) in one.as_object().unwrap() {
            assert_eq!(read.json()[member], *value, "{collection} {member}");
        }
        // What was read can be sent back as it is.
        let same = api.put(&mine, &read.json()).await.expect(200);
        assert_eq!(same.json(), read.json());
        assert_eq!(same.header("etag"), Some("\"2\""));
        let late = world.api().header("if-match", "\"1\"");
        late.put(&mine, &other)
            .await
            .expect_problem(412, "precondition_failed");
        late.delete(&mine).await.expect(412);
        let now = world.api().header("if-match", "\"7\", \"2\"");
        let replaced = now.put(&mine, &other).await.expect(200).json();
        for (member, value) in other.as_object().unwrap() {
            assert_eq!(replaced[member], *value, "{collection} {member}");
        }
        let mut moved = other.clone();
        moved[id] = json!("elsewhere");
        let answer = api.put(&mine, &moved).await.expect(422);
        assert_eq!(errors(&answer)[0].1, "cannot_change", "{collection}");

        assert_eq!(api.all(&path).await.len(), before + 2, "{collection}");
        let paged = api.all(&format!("{path}?limit=1")).await;
        assert_eq!(paged, api.all(&path).await, "{collection}");
        for id in [made_id.as_str(), "my_own-1"] {
            let one = format!("{path}/{id}");
            let answer = api.delete(&one).await.expect(204);
            assert!(answer.body.is_empty());
            api.get(&one).await.expect_problem(404, "not_found");
            api.put(&one, &other).await.expect(404);
        }
        assert_eq!(api.all(&path).await.len(), before, "{collection}");
    }
    world.finish().await;
}

#[tokio::test]
async fn a_setup_that_could_not_work_is_refused() {
    let world = World::start().await;
    let api = world.api();
    let path = format!("{DEMO}/setups");
    for (change, field, code) in [
        (json!({"name": null}), "name", "missing"),
        (json!({"mode": "triple"}), "mode", "unknown"),
        (json!({"mode": null}), "mode", "missing"),
        (json!({"mode": "single"}), "justification", "missing"),
        (
            json!({"mode": "confirmed", "justification": " "}),
            "justification",
            "empty",
        ),
        (json!({"lists": []}), "lists", "empty"),
        (json!({"lists": null}), "lists", "missing"),
        (json!({"lists": "news"}), "lists", "not_an_array"),
        (json!({"lists": ["nothing"]}), "lists.0", "unknown"),
        (json!({"lists": ["news", "news"]}), "lists", "duplicate"),
        (json!({"lists": ["news", "NEWS"]}), "lists.1", "invalid_id"),
        (
            json!({"fields": [{"key": "shoe_size"}]}),
            "fields.shoe_size",
            "unknown",
        ),
        (
            json!({"fields": [{"required": true}]}),
            "fields.0.key",
            "missing",
        ),
        (
            json!({"fields": [{"key": "city", "required": "yes"}]}),
            "fields.0.required",
            "not_a_boolean",
        ),
        (
            json!({"fields": [{"key": "city"}, {"key": "city"}]}),
            "fields",
            "duplicate",
        ),
        (
            json!({"fields": [{"key": "city", "erika": 1}]}),
            "fields.0",
            "unknown_member",
        ),
        (
            json!({"fields": [{"key": "date_of_birth"}]}),
            "fields.0.purpose",
            "missing",
        ),
        (
            json!({"fields": [{"key": "email", "required": false}]}),
            "fields.0.required",
            "always_required",
        ),
        (json!({"interests": ["golf"]}), "interests.0", "unknown"),
        (
            json!({"form_url": "shop.example"}),
            "form_url",
            "web_address_unknown_scheme",
        ),
        (json!({"form_url": null}), "form_url", "missing"),
        (
            json!({"redirects": {"accepted": "https://evil.example/"}}),
            "redirects.accepted",
            "web_address_foreign_host",
        ),
        (
            json!({"redirects": {"confirmed": "https://shop.example.evil.example/"}}),
            "redirects.confirmed",
            "web_address_foreign_host",
        ),
        (
            json!({"redirects": {"elsewhere": "x"}}),
            "redirects",
            "unknown_member",
        ),
        (json!({"language": "fr"}), "language", "unknown"),
        (json!({"confirm_days": 0}), "confirm_days", "out_of_range"),
        (json!({"confirm_days": 15}), "confirm_days", "out_of_range"),
        (
            json!({"confirm_days": 1.5}),
            "confirm_days",
            "not_a_whole_number",
        ),
        (json!({"hourly_budget": 0}), "hourly_budget", "out_of_range"),
        (
            json!({"asks_tracking_consent": 1}),
            "asks_tracking_consent",
            "not_a_boolean",
        ),
        (
            json!({"erika@mustermann.example": 1}),
            "body",
            "unknown_member",
        ),
    ] {
        let mut sent = setup();
        for (member, value) in change.as_object().unwrap() {
            sent[member] = value.clone();
        }
        let answer = api.post(&path, &sent).await;
        let found = errors(&answer);
        assert!(
            found.contains(&(field.to_owned(), code.to_owned())),
            "{change} {found:?}"
        );
        assert!(!answer.text().contains("erika"), "{answer:?}");
    }

    // The address is asked by every form, whether it is named or not.
    let mut sent = setup();
    sent["fields"] = json!([
        {"key": "email", "required": true},
        {"key": "date_of_birth", "purpose": "A present"},
    ]);
    let made = api.post(&path, &sent).await.expect(201).json();
    assert_eq!(made["fields"][0]["key"], "email");
    assert_eq!(
        made["fields"][1],
        json!({"key": "date_of_birth", "required": false, "purpose": "A present"})
    );
    let url = made["signup_url"].as_str().unwrap();
    assert!(url.starts_with(world.endpoint("api")), "{url}");
    world.finish().await;
}

#[tokio::test]
async fn what_a_setup_uses_cannot_be_deleted_and_built_in_fields_cannot_be_declared() {
    let world = World::start().await;
    let api = world.api();
    for (collection, body) in [
        ("fields", json!({"key": "shoe_size", "label": "Shoe size"})),
        ("interests", json!({"id": "golf", "name": "Golf"})),
    ] {
        let path = format!("{DEMO}/{collection}");
        api.post(&path, &body).await.expect(201);
    }
    let mut sent = setup();
    sent["id"] = json!("shoes");
    sent["fields"] = json!([{"key": "shoe_size", "required": true}]);
    sent["interests"] = json!(["golf"]);
    api.post(&format!("{DEMO}/setups"), &sent).await.expect(201);
    let used = ["lists/news", "fields/shoe_size", "interests/golf"];
    for one in used {
        let answer = api.delete(&format!("{DEMO}/{one}")).await;
        answer.expect_problem(409, "in_use");
    }
    for setup in ["shoes", "single", "confirmed", "double"] {
        let path = format!("{DEMO}/setups/{setup}");
        api.delete(&path).await.expect(204);
    }
    for one in used {
        api.delete(&format!("{DEMO}/{one}")).await.expect(204);
    }
    for key in ["email", "first_name", "date_of_birth"] {
        let sent = json!({"key": key, "label": "Mine"});
        let answer = api.post(&format!("{DEMO}/fields"), &sent).await.expect(422);
        assert_eq!(errors(&answer), [("key".to_owned(), "built_in".to_owned())]);
    }
    world.finish().await;
}

#[tokio::test]
async fn a_template_that_could_not_be_mailed_is_refused() {
    let world = World::start().await;
    let api = world.api();
    let path = format!("{DEMO}/templates");
    let html = template()["html"].as_str().unwrap().to_owned();
    for (member, value, code) in [
        (
            "html",
            json!("<p>{{ imprint }}</p>"),
            "template_html_without_unsubscribe_link",
        ),
        (
            "html",
            json!(html.replace("{{ imprint }}", "")),
            "template_html_without_imprint",
        ),
        (
            "html",
            json!(format!("{html}{{% if %}}")),
            "template_html_syntax",
        ),
        ("html", json!("x".repeat(300_001)), "template_html_too_long"),
        (
            "text",
            json!("only text"),
            "template_text_without_unsubscribe_link",
        ),
        ("subject", json!("{{ oh"), "template_subject_syntax"),
        ("subject", json!("a\r\nBcc: x"), "control_character"),
        ("subject", json!(null), "missing"),
        ("html", json!(7), "not_a_string"),
    ] {
        let mut sent = template();
        sent[member] = value;
        let answer = api.post(&path, &sent).await.expect_problem(422, "invalid");
        let found = errors(&answer);
        assert_eq!(found[0], (member.to_owned(), code.to_owned()), "{found:?}");
    }
    world.finish().await;
}

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

#[tokio::test]
async fn evidence_has_every_field_before_and_after_the_confirmation() {
    let world = World::start().await;
    let anna = world.person("anna");
    let signups = format!("{DEMO}/signups");
    let email: String = form_urlencoded::byte_serialize(anna.email.as_bytes()).collect();
    world
        .sign_up("double")
        .email(&anna.email)
        .field("first_name", &anna.first_name)
        .from(world.client(9))
        .send()
        .await
        .expect_accepted();
    let api = world.api();
    let pending = api
        .get(&format!("{signups}?email={email}"))
        .await
        .expect(200)
        .json();
    let pending = &pending["items"][0];
    let id = pending["id"].as_str().unwrap();
    for known in [
        "setup",
        "mode",
        "form_url",
        "form_version",
        "consent_wording",
        "signed_up_at",
    ] {
        assert!(pending[known].is_string(), "{known}");
    }
    for unknown in [
        "confirm_ip",
        "confirmed_at",
        "subscriber",
        "notice_version",
        "form_url_claimed",
    ] {
        assert_eq!(pending.get(unknown), Some(&Value::Null), "{unknown}");
    }
    assert_eq!(pending["state"], "pending");
    assert_eq!(pending["mode"], "double");
    assert_eq!(pending["email"], anna.email.as_str());
    assert_eq!(pending["form_ip"], world.client(9).to_string());
    assert_eq!(
        pending["lists"],
        json!([{"id": "news", "name": "Newsletter"}])
    );
    let first_name = pending["fields"]
        .as_array()
        .unwrap()
        .iter()
        .find(|field| field["key"] == "first_name")
        .unwrap();
    assert_eq!(first_name["value"], anna.first_name.as_str());
    assert_eq!(first_name["label"], "Vorname");
    assert_eq!(first_name["required"], false);
    let none = api
        .get(&format!("{signups}?state=confirmed"))
        .await
        .expect(200)
        .json();
    assert_eq!(none, json!({"items": [], "next": null}));
    assert_eq!(world.subscriber(&anna.email).await, None);

    world.drain().await;
    let mail = world.only_mail(&anna.email).await;
    world
        .confirm(&mail)
        .from(world.client(11))
        .send()
        .await
        .expect_page(200);
    let confirmed = api.get(&format!("{signups}/{id}")).await.expect(200).json();
    assert_eq!(confirmed["state"], "confirmed");
    assert_eq!(confirmed["confirm_ip"], world.client(11).to_string());
    assert!(confirmed["confirmed_at"].as_str() >= confirmed["signed_up_at"].as_str());
    let subscriber = world.subscriber(&anna.email).await.unwrap();
    assert_eq!(confirmed["subscriber"], subscriber["id"]);
    for (member, value) in [
        ("state", json!("active")),
        ("email", json!(anna.email)),
        ("first_name", json!(anna.first_name)),
        ("last_name", json!(null)),
        ("advertising_criteria", json!([])),
        ("fields", json!({})),
        ("lists", json!(["news"])),
        ("customer", json!(false)),
    ] {
        assert_eq!(subscriber[member], value, "{member}");
    }
    // Nobody has an address that is none.
    for nobody in ["", "nobody", "a%0d%0ab@x.example", "nobody@x.example"] {
        for list in ["signups", "subscribers", "unsubscriptions"] {
            let path = format!("{DEMO}/{list}?email={nobody}");
            let answer = api.get(&path).await.expect(200).json();
            assert_eq!(answer, json!({"items": [], "next": null}), "{path}");
        }
    }
    world.finish().await;
}

#[tokio::test]
async fn lists_of_people_are_complete_over_all_partitions() {
    let world = World::start().await;
    let mut emails = Vec::new();
    for number in 0..40 {
        let person = world.person(&format!("p{number}"));
        world
            .sign_up("single")
            .email(&person.email)
            .from(world.fresh_client())
            .send()
            .await
            .expect_accepted();
        emails.push(person.email);
    }
    let api = world.api();
    // Some have a withdrawal item beside their profile.
    for email in emails.iter().step_by(3) {
        let id = world.subscriber(email).await.unwrap()["id"].clone();
        let path = format!("{DEMO}/subscribers/{}/unsubscribe", id.as_str().unwrap());
        api.post(&path, &json!({})).await.expect(200);
    }
    emails.sort();
    for limit in [1, 3, 50] {
        for list in ["subscribers", "signups"] {
            let all = api.all(&format!("{DEMO}/{list}?limit={limit}")).await;
            let mut found: Vec<_> = all
                .iter()
                .map(|one| one["email"].as_str().unwrap().to_owned())
                .collect();
            found.sort();
            assert_eq!(found, emails, "{list} {limit}");
            if list == "subscribers" {
                let left = all.iter().filter(|one| one["state"] == "unsubscribed");
                assert_eq!(left.count(), 14, "{limit}");
            }
        }
        let left = api
            .all(&format!("{DEMO}/unsubscriptions?limit={limit}"))
            .await;
        assert_eq!(left.len(), 14);
        assert!(
            left.iter()
                .all(|one| one["via"] == "controller" && one["all"] == true)
        );
    }
    world.finish().await;
}

#[tokio::test]
async fn a_subscribers_data_are_completed_and_what_does_not_fit_is_refused() {
    let world = World::start().await;
    let api = world.api();
    for field in [
        json!({"key": "shoe_size", "label": "Shoe size", "type": "number"}),
        json!({"key": "vip", "label": "VIP", "type": "boolean"}),
    ] {
        api.post(&format!("{DEMO}/fields"), &field)
            .await
            .expect(201);
    }
    let anna = world.person("anna");
    world.subscribe(&anna).await;
    let known = world.subscriber(&anna.email).await.unwrap();
    let path = format!("{DEMO}/subscribers/{}", known["id"].as_str().unwrap());

    for (sent, field, code) in [
        (json!({"first_name": 1}), "first_name", "not_a_string"),
        (
            json!({"first_name": "a\r\nb"}),
            "first_name",
            "control_character",
        ),
        (
            json!({"first_name": "x".repeat(501)}),
            "first_name",
            "too_long",
        ),
        (
            json!({"customer_number": 42}),
            "customer_number",
            "not_a_string",
        ),
        (
            json!({"date_of_birth": "1.2.1990"}),
            "date_of_birth",
            "invalid",
        ),
        (
            json!({"advertising_criteria": "a"}),
            "advertising_criteria",
            "not_an_array",
        ),
        (
            json!({"fields": {"shoe_size": "big"}}),
            "fields.shoe_size",
            "invalid",
        ),
        (
            json!({"fields": {"erika": "x"}}),
            "fields",
            "unknown_member",
        ),
        (json!({"erika": "x"}), "body", "unknown_member"),
        (json!({"state": "active"}), "state", "read_only"),
        (json!({"lists": ["news"]}), "lists", "read_only"),
        (json!({"customer": "yes"}), "customer", "not_a_boolean"),
    ] {
        let answer = api.patch(&path, &sent).await.expect_problem(422, "invalid");
        let expected = [(field.to_owned(), code.to_owned())];
        assert_eq!(errors(&answer), expected, "{sent}");
        assert!(!answer.text().contains("erika"));
    }
    let moved = json!({"email": "elsewhere@x.example"});
    let answer = api.patch(&path, &moved).await;
    answer.expect_problem(422, "email_cannot_change");

    let sent = json!({
        "email": anna.email, "first_name": null, "street": " Gasse 1 ", "customer_number": "00042",
        "date_of_birth": "1990-02-01", "advertising_criteria": ["golf", "wine"],
        "fields": {"shoe_size": 43, "vip": true}, "customer": true,
    });
    let read = api.get(&path).await.expect(200);
    let tag = read.header("etag").unwrap();
    let in_time = world.api().header("if-match", tag);
    let changed = in_time.patch(&path, &sent).await.expect(200);
    for (member, value) in [
        ("first_name", json!(null)),
        ("last_name", json!(anna.last_name)),
        ("street", json!("Gasse 1")),
        ("customer_number", json!("00042")),
        ("date_of_birth", json!("1990-02-01")),
        ("advertising_criteria", json!(["golf", "wine"])),
        ("fields", json!({"shoe_size": "43", "vip": "true"})),
        ("customer", json!(true)),
        ("state", json!("active")),
    ] {
        assert_eq!(changed.json()[member], value, "{member}");
    }
    assert_eq!(api.get(&path).await.expect(200), changed);
    in_time
        .patch(&path, &sent)
        .await
        .expect_problem(412, "precondition_failed");
    world.finish().await;
}

#[tokio::test]
async fn a_controller_unsubscribes_restricts_and_ends_relationships() {
    let world = World::start().await;
    let api = world.api();
    let mut paths = Vec::new();
    for name in ["anna", "berta", "clara"] {
        let person = world.person(name);
        world.subscribe(&person).await;
        let known = world.subscriber(&person.email).await.unwrap();
        paths.push(format!(
            "{DEMO}/subscribers/{}",
            known["id"].as_str().unwrap()
        ));
    }
    let [anna, berta, clara] = &paths[..] else {
        panic!("three people")
    };

    // Unsubscribing ends the relationship: a calendar month is left.
    let once = world.api().header("idempotency-key", "leave");
    let left = once
        .post(&format!("{anna}/unsubscribe"), &json!({}))
        .await
        .expect(200);
    assert_eq!(left.json()["state"], "unsubscribed");
    assert_eq!(left.json()["lists"], json!([]));
    assert!(left.json()["deletion_due_at"].is_string());
    let again = once
        .post(&format!("{anna}/unsubscribe"), &json!({}))
        .await
        .expect(200);
    assert_eq!(again.json(), left.json());
    api.post(&format!("{anna}/unsubscribe"), &json!({"list": "news"}))
        .await
        .expect(200);
    let evidence = api
        .get(&format!("{anna}/evidence"))
        .await
        .expect(200)
        .json();
    assert_eq!(evidence["signups"].as_array().unwrap().len(), 1);
    assert_eq!(evidence["unsubscriptions"].as_array().unwrap().len(), 1);
    assert_eq!(evidence["unsubscriptions"][0]["via"], "controller");
    let customer = api
        .patch(anna, &json!({"customer": true}))
        .await
        .expect(200)
        .json();
    assert_eq!(customer["deletion_due_at"], Value::Null);

    // Restricted: kept, not mailed, not changed.
    let body = json!({"on": "2026-01-31"});
    for _ in 0..2 {
        let restricted = api
            .post(&format!("{berta}/restrict"), &json!({}))
            .await
            .expect(200);
        assert_eq!(restricted.json()["state"], "restricted");
    }
    let change = json!({"first_name": "X"});
    api.patch(berta, &change)
        .await
        .expect_problem(409, "restricted");
    let end = format!("{berta}/end-relationship");
    api.post(&end, &body)
        .await
        .expect_problem(409, "restricted");

    // Ended long ago: gone at once, evidence stays.
    let end = format!("{clara}/end-relationship");
    for (sent, code) in [
        (json!({}), "missing"),
        (json!({"on": "31.1.2026"}), "invalid_date"),
        (json!({"on": "2026-02-30"}), "invalid_date"),
        (json!({"on": 7}), "not_a_string"),
    ] {
        let answer = api.post(&end, &sent).await.expect(422);
        assert_eq!(
            errors(&answer),
            [("on".to_owned(), code.to_owned())],
            "{sent}"
        );
    }
    let far = api
        .post(&end, &json!({"on": "2099-01-31"}))
        .await
        .expect(200)
        .json();
    assert_eq!(far["deletion_due_at"], "2099-02-28T23:00:00Z");
    api.post(&end, &json!({"on": "2020-01-31"}))
        .await
        .expect(200);
    api.get(clara).await.expect_problem(404, "not_found");
    api.post(&end, &body).await.expect(404);
    let evidence = api
        .get(&format!("{clara}/evidence"))
        .await
        .expect(200)
        .json();
    assert_eq!(evidence["signups"].as_array().unwrap().len(), 1);
    let unknown = format!("{DEMO}/subscribers/{}", "0".repeat(32));
    for (method, path) in [
        ("GET", ""),
        ("GET", "/evidence"),
        ("PATCH", ""),
        ("POST", "/unsubscribe"),
        ("POST", "/restrict"),
        ("POST", "/end-relationship"),
    ] {
        let sent = (method != "GET").then_some(if path.ends_with("ship") {
            &body
        } else {
            &Value::Null
        });
        let sent = sent.map(|sent| {
            if sent.is_null() {
                json!({})
            } else {
                sent.clone()
            }
        });
        let path = format!("{unknown}{path}");
        api.call(method, &path, sent.as_ref())
            .await
            .expect_problem(404, "not_found");
    }
    world.finish().await;
}
