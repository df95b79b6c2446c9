//! Visitors sign up: the three modes, what is kept as evidence, what the answer does not tell.
//!
//! Repeats and limits are in `limits`, confirming in `confirm`, what cannot be taken in
//! `bad_input`.

mod pending;
mod traces;

use serde_json::{Value, json};
use tests::sign_up::Encoding;
use tests::{Answer, World};

/// What the shop's page is registered as.
fn registered(world: &World) -> String {
    world.endpoint("shop").to_owned()
}

/// The evidence with what differs from run to run checked and taken out.
async fn only_evidence(world: &World, email: &str) -> Value {
    let evidence = world.evidence(email).await;
    assert_eq!(evidence.len(), 1, "one sign-up");
    evidence[0].clone()
}

#[tokio::test]
async fn a_single_sign_up_is_active_at_once_and_no_mail_is_sent() {
    let world = World::start().await;
    let anna = world.person("anna");
    let before = world.now().await;
    world
        .sign_up("single")
        .email(&anna.email)
        .field("first_name", &anna.first_name)
        .field("customer_number", &anna.customer_number)
        .from(world.client(9))
        .send()
        .await
        .expect_accepted();
    let after = world.now().await;
    world.drain().await;

    let subscriber = world.subscriber(&anna.email).await.expect("active at once");
    assert_eq!(subscriber["state"], "active");
    assert_eq!(subscriber["lists"], json!(["news"]));
    assert_eq!(subscriber["first_name"], anna.first_name);
    assert_eq!(subscriber["customer_number"], anna.customer_number);
    let evidence = only_evidence(&world, &anna.email).await;
    assert_eq!(evidence["subscriber"], subscriber["id"]);
    assert_eq!(evidence["mode"], "single");
    assert_eq!(evidence["confirm_ip"], Value::Null);
    assert_eq!(evidence["confirmed_at"], Value::Null);
    let at: jiff::Timestamp = evidence["signed_up_at"].as_str().unwrap().parse().unwrap();
    assert!(before.as_millisecond() <= at.as_millisecond() && at <= after);
    assert_eq!(world.mail_count().await, 0);
    world.finish().await;
}

#[tokio::test]
async fn a_confirmed_sign_up_is_active_at_once_and_gets_one_information_mail_with_a_way_out() {
    let world = World::start().await;
    let anna = world.person("anna");
    world
        .sign_up("confirmed")
        .email(&anna.email)
        .field("first_name", &anna.first_name)
        .send()
        .await
        .expect_accepted();
    world.drain().await;

    let subscriber = world.subscriber(&anna.email).await.expect("active at once");
    assert_eq!(subscriber["state"], "active");
    let mail = world.only_mail(&anna.email).await;
    assert!(
        !mail.raw.contains("uellwolke0q-"),
        "nothing a visitor typed"
    );
    assert!(
        !mail.text().contains(&anna.first_name),
        "nothing a visitor typed"
    );
    let evidence = only_evidence(&world, &anna.email).await;
    assert_eq!(evidence["mode"], "confirmed");
    assert_eq!(evidence["subscriber"], subscriber["id"]);
    assert_eq!(evidence["confirm_ip"], Value::Null);
    assert_eq!(evidence["confirmed_at"], Value::Null);

    world.unsubscribe(&mail).send().await.expect_page(200);
    let subscriber = world
        .subscriber(&anna.email)
        .await
        .expect("kept for a month");
    assert_eq!(subscriber["state"], "unsubscribed");
    assert_eq!(only_evidence(&world, &anna.email).await, evidence);
    world.finish().await;
}

#[tokio::test]
async fn a_double_sign_up_is_nobody_until_the_button_is_pressed_and_then_proves_itself() {
    let world = World::start().await;
    let anna = world.person("anna");
    world
        .sign_up("double")
        .email(&anna.email)
        .field("salutation", "Frau")
        .field("first_name", &anna.first_name)
        .field("last_name", &anna.last_name)
        .field("customer_number", &anna.customer_number)
        .field("list", "news")
        .field("utm_source", "plakat")
        .field("absenden", "Jetzt anmelden")
        .header("referer", "https://shop.example/aktion?email=x#oben")
        .from("127.3.4.5")
        .send()
        .await
        .expect_accepted();
    world.drain().await;

    assert_eq!(world.subscriber(&anna.email).await, None);
    let pending = only_evidence(&world, &anna.email).await;
    for unknown in ["confirm_ip", "confirmed_at", "subscriber"] {
        assert_eq!(pending[unknown], Value::Null, "{unknown}");
    }
    let field = |key: &str, label: &str, required: bool, value: &str| json!({"key": key, "label": label, "required": required, "value": value});
    for (name, expected) in [
        ("setup", json!("double")),
        ("mode", json!("double")),
        ("state", json!("pending")),
        ("email", json!(anna.email)),
        ("form_url", json!(registered(&world))),
        ("form_url_claimed", json!("https://shop.example/aktion")),
        ("form_ip", json!("127.3.4.5")),
        ("lists", json!([{"id": "news", "name": "Newsletter"}])),
        (
            "fields",
            json!([
                field("email", "E-Mail-Adresse", true, &anna.email),
                field("salutation", "Anrede", false, "Frau"),
                field("first_name", "Vorname", false, &anna.first_name),
                field("last_name", "Nachname", false, &anna.last_name),
                field(
                    "customer_number",
                    "Kundennummer",
                    false,
                    &anna.customer_number
                ),
            ]),
        ),
    ] {
        assert_eq!(pending[name], expected, "{name}");
    }
    for shown in ["form_version", "consent_wording"] {
        assert!(!pending[shown].as_str().unwrap().is_empty(), "{shown}");
    }

    let mail = world.only_mail(&anna.email).await;
    world
        .confirm(&mail)
        .from("127.6.7.8")
        .send()
        .await
        .expect_page(200);
    let subscriber = world
        .subscriber(&anna.email)
        .await
        .expect("a subscriber now");
    assert_eq!(subscriber["state"], "active");
    assert_eq!(subscriber["last_name"], anna.last_name);
    assert_eq!(subscriber["lists"], json!(["news"]));
    let confirmed = only_evidence(&world, &anna.email).await;
    assert_eq!(confirmed["state"], "confirmed");
    assert_eq!(confirmed["confirm_ip"], "127.6.7.8");
    assert_eq!(confirmed["subscriber"], subscriber["id"]);
    let time =
        |name: &str| -> jiff::Timestamp { confirmed[name].as_str().unwrap().parse().unwrap() };
    assert!(time("confirmed_at") >= time("signed_up_at"));
    // Confirming set these members and touched no other.
    let mut before = pending.clone();
    for set in [
        "state",
        "confirm_ip",
        "confirmed_at",
        "subscriber",
        "expires_at",
    ] {
        before[set] = confirmed[set].clone();
    }
    assert_eq!(before, confirmed);
    world.finish().await;
}

#[tokio::test]
async fn evidence_stays_as_it_was_when_setup_and_list_change() {
    let world = World::start().await;
    let anna = world.person("anna");
    world.subscribe(&anna).await;
    let before = only_evidence(&world, &anna.email).await;

    let api = world.api();
    let mut setup = api
        .get("/accounts/demo/setups/double")
        .await
        .expect(200)
        .json();
    setup["mode"] = json!("single");
    setup["justification"] = json!("Adressen liegen schriftlich vor");
    setup["form_url"] = json!("https://muster.example/neu");
    setup["fields"] = json!([{"key": "first_name", "required": true, "purpose": "Anrede"}]);
    api.put("/accounts/demo/setups/double", &setup)
        .await
        .expect(200);
    api.put(
        "/accounts/demo/lists/news",
        &json!({"id": "news", "name": "Ganz anders"}),
    )
    .await
    .expect(200);

    assert_eq!(only_evidence(&world, &anna.email).await, before);
    // And the change is real: the next one is single, for the list by its new name.
    let bert = world.person("bert");
    world
        .sign_up("double")
        .email(&bert.email)
        .field("first_name", &bert.first_name)
        .send()
        .await
        .expect_accepted();
    world.drain().await;
    let evidence = only_evidence(&world, &bert.email).await;
    assert_eq!(evidence["mode"], "single");
    assert_eq!(evidence["lists"][0]["name"], "Ganz anders");
    assert_ne!(evidence["form_version"], before["form_version"]);
    world.finish().await;
}

#[tokio::test]
async fn the_claimed_page_is_cleaned_and_the_registered_one_is_not_its_business() {
    let world = World::start().await;
    let long = format!("https://shop.example/{}", "a".repeat(8_000));
    for (number, (referer, origin, expected)) in [
        (None, None, Value::Null),
        (
            None,
            Some("https://shop.example"),
            json!("https://shop.example"),
        ),
        (None, Some("null"), Value::Null),
        (
            Some("https://shop.example/a?email=x@y.example&q=1#z"),
            Some("https://shop.example"),
            json!("https://shop.example/a"),
        ),
        (Some("javascript:alert(1)"), None, Value::Null),
        (
            Some("https://user:geheim@shop.example/a"),
            None,
            json!("https://shop.example/a"),
        ),
        (Some(long.as_str()), None, json!(long[..500])),
    ]
    .into_iter()
    .enumerate()
    {
        let person = world.person(&format!("claim{number}"));
        let mut form = world
            .sign_up("single")
            .email(&person.email)
            .from(world.fresh_client());
        if let Some(referer) = referer {
            form = form.header("referer", referer);
        }
        if let Some(origin) = origin {
            form = form.header("origin", origin);
        }
        form.send().await.expect_accepted();
        let evidence = only_evidence(&world, &person.email).await;
        let claimed = evidence["form_url_claimed"].clone();
        match (&claimed, &expected) {
            // Whether the root's slash is written is the parser's taste.
            (Value::String(claimed), Value::String(expected)) => {
                assert_eq!(
                    claimed.trim_end_matches('/'),
                    expected.trim_end_matches('/')
                );
            }
            _ => assert_eq!(claimed, expected, "{referer:?} {origin:?}"),
        }
        assert_eq!(evidence["form_url"], registered(&world));
    }
    world.finish().await;
}

#[tokio::test]
async fn a_form_means_the_same_however_it_is_encoded() {
    let world = World::start().await;
    let mut seen = Vec::new();
    for encoding in [Encoding::UrlEncoded, Encoding::Multipart, Encoding::Json] {
        let anna = world.person(&format!("{encoding:?}").to_lowercase());
        world
            .sign_up("double")
            .email(&anna.email)
            .field("first_name", "Ä&=+% „Zitat“ 😀")
            .field("last_name", "  O'Brien-Öd  ")
            .field("customer_number", "00042")
            .field("list", "news")
            .encoded(encoding)
            .from(world.fresh_client())
            .send()
            .await
            .expect_accepted();
        let evidence = only_evidence(&world, &anna.email).await;
        let mut fields = evidence["fields"].clone();
        fields.as_array_mut().unwrap().remove(0);
        seen.push((
            fields,
            evidence["lists"].clone(),
            evidence["form_version"].clone(),
        ));
    }
    world.drain().await;
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0], seen[2]);
    let text = seen[0].0.to_string();
    assert!(
        text.contains("Ä&=+% „Zitat“ 😀") && text.contains("00042"),
        "{text}"
    );
    world.finish().await;
}

#[tokio::test]
async fn the_peer_is_the_client_whatever_a_header_says() {
    let world = World::start().await;
    let anna = world.person("anna");
    world
        .sign_up("double")
        .email(&anna.email)
        .header("x-forwarded-for", "203.0.113.77")
        .header("forwarded", "for=203.0.113.77")
        .header("x-real-ip", "203.0.113.77")
        .from("127.9.8.7")
        .send()
        .await
        .expect_accepted();
    world.drain().await;
    let mail = world.only_mail(&anna.email).await;
    world
        .confirm(&mail)
        .header("x-forwarded-for", "203.0.113.78, 203.0.113.79")
        .from("127.9.8.6")
        .send()
        .await
        .expect_page(200);
    let evidence = only_evidence(&world, &anna.email).await;
    assert_eq!(evidence["form_ip"], "127.9.8.7");
    assert_eq!(evidence["confirm_ip"], "127.9.8.6");
    assert!(world.scan_table().await.holding("203.0.113").is_empty());
    world.finish().await;
}

#[tokio::test]
async fn the_answer_tells_nobody_whether_an_address_is_known() {
    let world = World::start().await;
    let [new, pending, active, suppressed, listed, bot] = [
        "new",
        "pending",
        "subscribed",
        "suppressed",
        "listed",
        "bot",
    ]
    .map(|name| world.person(name));
    let on_list = json!({"kind": "address", "value": listed.email});
    let suppressions = "/accounts/demo/suppressions";
    world.api().post(suppressions, &on_list).await.expect(201);
    world
        .sign_up("double")
        .email(&pending.email)
        .from(world.fresh_client())
        .send()
        .await
        .expect_accepted();
    world.subscribe(&active).await;
    let mail = world.subscribe(&suppressed).await;
    let subscriber = world.subscriber(&suppressed.email).await.unwrap();
    let id = subscriber["id"].as_str().unwrap();
    world
        .api()
        .post(
            &format!("/accounts/demo/subscribers/{id}/unsubscribe"),
            &json!({}),
        )
        .await;
    drop(mail);
    world.drain().await;

    for as_json in [false, true] {
        for setup in ["single", "confirmed", "double"] {
            let mut answers: Vec<(String, Answer)> = Vec::new();
            for (kind, person) in [
                ("new", &new),
                ("pending", &pending),
                ("subscribed", &active),
                ("suppressed", &suppressed),
                ("on the controller's list", &listed),
                ("bot", &bot),
            ] {
                let mut form = world
                    .sign_up(setup)
                    .email(&person.email)
                    .from(world.fresh_client());
                if kind == "bot" {
                    form = form.field("website", "https://spam.example");
                }
                if as_json {
                    form = form.accept_json();
                }
                answers.push((kind.to_owned(), form.send().await.expect_accepted()));
            }
            // Status, body and all headers; the date apart, which is the time's.
            for (kind, answer) in &answers {
                assert_eq!(answer, &answers[0].1, "{kind} in {setup}");
                assert!(
                    answer
                        .headers
                        .iter()
                        .any(|(name, _)| name == "content-length")
                );
            }
        }
    }
    world.drain().await;
    assert!(world.inbox(&bot.email).await.is_empty());
    assert!(world.scan_table().await.holding(&bot.email).is_empty());
    world.finish().await;
}

#[tokio::test]
async fn addresses_are_taken_as_typed_and_known_by_what_they_mean() {
    let world = World::start().await;
    let tail = world.person("max").email;
    for (typed, mailed) in [
        (format!("Max.{tail}"), format!("Max.{tail}")),
        (
            format!(
                "Uwe@{}",
                world
                    .person("u")
                    .email
                    .rsplit('@')
                    .next()
                    .unwrap()
                    .to_uppercase()
            ),
            format!(
                "Uwe@{}",
                world.person("u").email.rsplit('@').next().unwrap()
            ),
        ),
        (
            format!("idna{}@bücher.example", world.person("i").customer_number),
            format!(
                "idna{}@xn--bcher-kva.example",
                world.person("i").customer_number
            ),
        ),
    ] {
        world
            .sign_up("double")
            .email(&typed)
            .from(world.fresh_client())
            .send()
            .await
            .expect_accepted();
        world.drain().await;
        let mail = world.only_mail(&mailed).await;
        assert_eq!(mail.to, mailed);
        world.confirm(&mail).send().await.expect_page(200);
        let other_case = typed.to_lowercase();
        assert!(world.subscriber(&other_case).await.is_some(), "M-21");
    }
    world.finish().await;
}

#[tokio::test]
async fn any_page_may_post_a_form_and_no_page_may_do_more() {
    let world = World::start().await;
    let anna = world.person("anna");
    let answer = world
        .sign_up("double")
        .email(&anna.email)
        .header("origin", "https://shop.example")
        .accept_json()
        .send()
        .await
        .expect_accepted();
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(answer.header("access-control-allow-credentials"), None);
    let preflight = world
        .request("OPTIONS", "/signup/demo/double")
        .header("origin", "https://shop.example")
        .header("access-control-request-method", "POST")
        .send()
        .await
        .expect(204);
    assert_eq!(preflight.header("access-control-allow-origin"), Some("*"));
    world.drain().await;
    let mail = world.only_mail(&anna.email).await;
    for path in [mail.path("confirm"), "/api/v1/accounts/demo".to_owned()] {
        let answer = world
            .get(&path)
            .header("origin", "https://shop.example")
            .send()
            .await;
        assert_eq!(answer.header("access-control-allow-origin"), None, "{path}");
    }
    world.finish().await;
}

/// Chromium follows no redirect of a form to where its page's policy does not let it lead.
fn expect_to_lead_to_the_shop(world: &World, page: &Answer) {
    let shop: Vec<&str> = world.endpoint("shop").splitn(4, '/').take(3).collect();
    let allowed = format!("form-action 'self' {}", shop.join("/"));
    let policy = page.header("content-security-policy").unwrap_or_default();
    assert!(policy.ends_with(&allowed), "{policy}");
}

#[tokio::test]
async fn the_hosted_form_speaks_its_language_and_says_each_purpose_once() {
    let world = World::start().await;
    let api = world.api();
    let label = json!({"de": "Schuhgröße", "en": "Shoe size"});
    let field = json!({"key": "shoe_size", "label": label, "type": "number"});
    let made = api.post("/accounts/demo/fields", &field).await.expect(201);
    assert_eq!(made.json()["label"], label);
    let halves = json!({"key": "hat_size", "label": {"de": "Hutgröße"}});
    let refused = api.post("/accounts/demo/fields", &halves).await.expect(422);
    assert_eq!(refused.json()["errors"][0]["field"], "label.en");
    for (language, expected) in [
        (
            "de",
            [
                r#"<html lang="de">"#,
                r#"<option value="Frau">Frau</option>"#,
                r#"<option value="">keine Angabe</option>"#,
                r#"<label for="f-field.shoe_size">Schuhgröße</label>"#,
            ],
        ),
        (
            "en",
            [
                r#"<html lang="en">"#,
                r#"<option value="Ms">Ms</option>"#,
                r#"<option value="">no answer</option>"#,
                r#"<label for="f-field.shoe_size">Shoe size</label>"#,
            ],
        ),
    ] {
        let setup = json!({
            "id": format!("form-{language}"), "name": "Form", "mode": "double",
            "lists": ["news"], "form_url": registered(&world), "language": language,
            "redirects": {
                "accepted": format!("{}?thanks", registered(&world)),
                "confirmed": format!("{}?welcome", registered(&world)),
            },
            "fields": [
                {"key": "salutation", "purpose": "To address you"},
                {"key": "first_name", "purpose": "To address you"},
                {"key": "last_name", "required": true, "purpose": "To address you"},
                {"key": "shoe_size", "purpose": "To fit you"},
            ],
        });
        api.post("/accounts/demo/setups", &setup).await.expect(201);
        let path = format!("/signup/demo/form-{language}");
        let page = world.get(&path).send().await.expect_page(200);
        expect_to_lead_to_the_shop(&world, &page);
        let page = page.text();
        for part in expected {
            assert!(page.contains(part), "{part}: {page}");
        }
        for (part, times) in [
            ("To address you", 1),
            ("To fit you", 1),
            (r#"aria-describedby="hint-0""#, 3),
            (r#"id="hint-0""#, 1),
            (r#"aria-describedby="hint-1""#, 1),
            (r#"autocomplete="given-name""#, 1),
        ] {
            assert_eq!(page.matches(part).count(), times, "{part}: {page}");
        }
        // Every input that is seen has its label.
        for id in page.split("id=\"f-").skip(1) {
            let id = id.split('"').next().unwrap();
            assert!(page.contains(&format!("for=\"f-{id}\"")), "{id}");
        }
    }
    // Another form may say it otherwise.
    let anna = world.person("anna");
    world
        .sign_up("form-en")
        .email(&anna.email)
        .field("salutation", "Frau Dr.")
        .field("last_name", &anna.last_name)
        .field("field.shoe_size", "38")
        .send()
        .await
        .expect_accepted();
    world.drain().await;
    let mail = world.only_mail(&anna.email).await;
    let button = world.get(&mail.path("confirm")).send().await;
    expect_to_lead_to_the_shop(&world, &button.expect_page(200));
    let evidence = only_evidence(&world, &anna.email).await;
    let told: Vec<_> = evidence["fields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|field| (field["label"].as_str().unwrap(), field["value"].as_str()))
        .collect();
    assert!(told.contains(&("Salutation", Some("Frau Dr."))), "{told:?}");
    assert!(told.contains(&("Shoe size", Some("38"))), "{told:?}");
    world.finish().await;
}
