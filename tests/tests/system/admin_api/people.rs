//! Subscribers, their data and their evidence, as a controller sees them.
//!
//! How they come in is told where the visitors are.

use serde_json::{Value, json};
use tests::World;

use super::{DEMO, errors};

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
        "notice_version",
    ] {
        assert!(pending[known].is_string(), "{known}");
    }
    for unknown in [
        "confirm_ip",
        "confirmed_at",
        "subscriber",
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
            json!({"fields": {"colour": "x"}}),
            "fields.colour",
            "unknown_member",
        ),
        (json!({"colour": "x"}), "colour", "unknown_member"),
        (json!({"erika@x.example": "x"}), "body", "unknown_member"),
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
    // What is due is not put off by telling a later end.
    api.post(
        &format!("{anna}/end-relationship"),
        &json!({"on": "2099-01-31"}),
    )
    .await
    .expect_problem(409, "relationship_ended");
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
    assert_eq!(far["deletion_due_at"], "2099-02-28T23:00:00.000Z");
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

#[tokio::test]
async fn nine_fields_are_built_in_and_the_address_alone_is_needed() {
    const NINE: [&str; 9] = [
        "salutation",
        "first_name",
        "last_name",
        "email",
        "street",
        "advertising_criteria",
        "customer_number",
        "branch_number",
        "date_of_birth",
    ];
    let world = World::start().await;
    let api = world.api();
    let anna = world.person("anna");
    // The address alone, and nothing else is known of her.
    let sign_up = world.sign_up("single").email(&anna.email);
    sign_up.send().await.expect_accepted();
    world.drain().await;
    let known = world.subscriber(&anna.email).await.expect("a subscriber");
    for name in NINE {
        let value = &known[name];
        let nothing = value.is_null() || value == &json!([]);
        assert_eq!(nothing, name != "email", "{name}: {value}");
    }
    // The postal address has four lines of its own; each of the nine can be said.
    let path = format!("{DEMO}/subscribers/{}", known["id"].as_str().unwrap());
    let said = json!({
        "salutation": "Frau", "first_name": "Anna", "last_name": "Muster", "street": "Gasse 1",
        "postal_code": "1010", "city": "Wien", "country": "AT",
        "advertising_criteria": ["golf"], "customer_number": "00042", "branch_number": "7",
        "date_of_birth": "1990-02-01",
    });
    let changed = api.patch(&path, &said).await.expect(200).json();
    for (name, value) in said.as_object().unwrap() {
        assert_eq!(&changed[name], value, "{name}");
    }
    // A tenth has to be declared.
    let tenth = json!({"fields": {"shoe_size": 43}});
    let refused = api.patch(&path, &tenth).await.expect(422);
    let expected = ("fields.shoe_size".to_owned(), "unknown_member".to_owned());
    assert_eq!(errors(&refused), [expected]);
    let direct = api.patch(&path, &json!({"shoe_size": 43})).await;
    assert_eq!(errors(&direct.expect(422))[0].1, "unknown_member");
    let field = json!({"key": "shoe_size", "label": "Schuhgröße", "type": "number"});
    let fields = format!("{DEMO}/fields");
    api.post(&fields, &field).await.expect(201);
    let changed = api.patch(&path, &tenth).await.expect(200).json();
    assert_eq!(changed["fields"]["shoe_size"], "43");
    // None of the nine can be declared anew, as something else.
    for name in NINE {
        let again = json!({"key": name, "label": "x", "type": "number"});
        api.post(&fields, &again).await.expect(422);
    }
    world.finish().await;
}
