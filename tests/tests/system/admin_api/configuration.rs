//! Accounts, lists, fields, interests, setups, templates: made, changed, refused.
//!
//! Who signs up with them is told in `people`.

use serde_json::json;
use tests::World;

use super::{DEMO, errors, setup, template};

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
        // Every notice is sent under it.
        ("name", json!("ü".repeat(101)), "too_long"),
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
            json!({"fields": [{"key": "city", "colour": 1}]}),
            "fields.0.colour",
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
            "redirects.elsewhere",
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

    // What the body lacks, what is too much and what the account lacks, in one answer.
    let sent = json!({
        "nmae": "Newsletter", "mode": "double", "lists": ["news", "geheim"], "colour": "red",
        "form_url": "https://shop.example/", "fields": [{"key": "shoe_size", "label": "x"}],
    });
    let answer = api.post(&path, &sent).await.expect_problem(422, "invalid");
    let expected = [
        ("colour", "unknown_member"),
        ("fields.0.label", "unknown_member"),
        ("fields.shoe_size", "unknown"),
        ("lists.1", "unknown"),
        ("name", "missing"),
        ("nmae", "unknown_member"),
    ]
    .map(|(field, code)| (field.to_owned(), code.to_owned()));
    assert_eq!(errors(&answer), expected);

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
async fn a_list_that_a_campaign_names_stays_and_a_deleted_ones_id_is_never_used_again() {
    let world = World::start().await;
    let api = world.api();
    let list = json!({"id": "golf", "name": "Golf"});
    let lists = format!("{DEMO}/lists");
    api.post(&lists, &list).await.expect(201);
    api.post(&lists, &list)
        .await
        .expect_problem(409, "conflict");
    let template = api
        .post(&format!("{DEMO}/templates"), &template())
        .await
        .expect(201)
        .json();
    let campaign = json!({
        "id": "mai", "name": "Mai", "template": template["id"], "lists": ["golf"],
        "sender": {"name": "Muster GmbH", "email": "news@muster.example"},
    });
    let campaigns = format!("{DEMO}/campaigns");
    api.post(&campaigns, &campaign).await.expect(201);
    let golf = format!("{lists}/golf");
    api.delete(&golf).await.expect_problem(409, "in_use");
    let plan = json!({"scheduled_at": "2099-01-01T10:00:00", "time_zone": "Europe/Vienna"});
    api.post(&format!("{campaigns}/mai/schedule"), &plan)
        .await
        .expect(202);
    api.delete(&golf).await.expect_problem(409, "in_use");
    api.post(&format!("{campaigns}/mai/cancel"), &json!({}))
        .await
        .expect(202);
    world.drain().await;
    api.delete(&golf).await.expect(204);
    api.get(&golf).await.expect(404);
    let again = api.post(&lists, &list).await;
    again.expect_problem(409, "id_was_used");
    assert_eq!(api.all(&lists).await.len(), 1);
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
        (
            "html",
            json!(format!("{html}{{{{ foo.bar }}}}")),
            "unknown_variable",
        ),
        (
            "subject",
            json!("{{ subscriber.frist_name }}"),
            "unknown_variable",
        ),
        (
            "subject",
            json!("{{ subscriber.fields.undeclared }}"),
            "unknown_variable",
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
    let mut sent = template();
    sent["subject"] = json!("{{ foo.bar }} {{ subscriber.fields.shoe_size }}");
    let answer = api.post(&path, &sent).await.expect(422).json();
    let unknown = |variable: &str| json!({"field": "subject", "code": "unknown_variable", "variable": variable});
    assert_eq!(
        answer["errors"],
        json!([unknown("foo.bar"), unknown("subscriber.fields.shoe_size")])
    );
    let field = json!({"key": "shoe_size", "label": "Shoe size"});
    let fields = format!("{DEMO}/fields");
    api.post(&fields, &field).await.expect(201);
    sent["subject"] = json!("{{ subscriber.fields.shoe_size }}");
    api.post(&path, &sent).await.expect(201);
    world.finish().await;
}
