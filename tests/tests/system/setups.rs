//! Sign-up setups as the law wants them: shown only when complete, granular, kept word for word.
//!
//! What a form takes is told in `sign_up`, how setups are stored in `admin_api`.

mod embedding;
mod form;
mod not_me;
mod notices;
mod reminder;

use serde_json::{Value, json};
use tests::World;
use tests::answer::Answer;

const SETUPS: &str = "/accounts/demo/setups";

fn setup() -> Value {
    json!({
        "name": "Newsletter", "mode": "double", "lists": ["news"],
        "form_url": "https://shop.example/newsletter",
    })
}

fn with(change: &Value) -> Value {
    let mut setup = setup();
    for (member, value) in change.as_object().expect("an object") {
        setup[member] = value.clone();
    }
    setup
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

async fn made(world: &World, change: &Value) -> String {
    let made = world.api().post(SETUPS, &with(change)).await.expect(201);
    made.json()["id"].as_str().expect("an id").to_owned()
}

#[tokio::test]
async fn a_setup_is_shown_to_nobody_while_a_legal_element_is_missing_and_says_which() {
    let world = World::start().await;
    let platform = world.platform_api();
    let fresh = json!({"id": "fresh", "name": "Frisch GmbH", "time_zone": "Europe/Vienna"});
    let fresh = platform.post("/accounts", &fresh).await.expect(201).json();
    let api = world.api_with_key(fresh["key"].as_str().unwrap());
    let list = api
        .post(
            "/accounts/fresh/lists",
            &json!({"id": "news", "name": "Neues"}),
        )
        .await;
    list.expect(201);
    let setups = "/accounts/fresh/setups";
    let wanted = with(&json!({"id": "form"}));
    let made = api.post(setups, &wanted).await.expect(201).json();
    assert_eq!(made["state"], "draft");
    assert_eq!(
        made["missing"],
        json!(["imprint", "privacy_url", "contact"])
    );
    // Nor would its mails leave.
    assert_eq!(made["warnings"], json!(["no_sender_domain"]));

    // Asked for it in so many words, each is named.
    let demanded = with(&json!({"id": "now", "state": "published"}));
    let refused = api.post(setups, &demanded).await;
    let refused = refused.expect_problem(422, "invalid");
    let expected = ["contact", "imprint", "privacy_url"]
        .map(|member| (member.to_owned(), "missing".to_owned()));
    assert_eq!(errors(&refused), expected);
    // What was read can be sent back, and is held back no more than before.
    let one = format!("{setups}/form");
    api.put(&one, &made).await.expect(200);

    let nowhere = world.get("/signup/fresh/nothing").send().await;
    let anna = world.person("anna");
    for (member, text, missing) in [
        (
            "imprint",
            "Gasse 1, 1010 Wien",
            json!(["privacy_url", "contact"]),
        ),
        ("privacy_url", "https://frisch.example/", json!(["contact"])),
        ("contact", "datenschutz@frisch.example", json!([])),
    ] {
        let form = world.get("/signup/fresh/form").send().await;
        assert_eq!(form, nowhere, "as if there were no such form");
        let sent = world.sign_up_at("fresh", "form").email(&anna.email);
        sent.accept_json().send().await.expect(404);
        let change = json!({member: text});
        api.patch("/accounts/fresh", &change).await.expect(200);
        let known = api.get(&one).await.expect(200).json();
        assert_eq!(known["missing"], missing);
    }
    // Nobody had to publish it.
    let known = api.get(&one).await.expect(200).json();
    assert_eq!(known["state"], "published");
    world
        .get("/signup/fresh/form")
        .send()
        .await
        .expect_page(200);
    api.post(setups, &demanded).await.expect(201);

    // A draft is held back although nothing is missing.
    let mut draft = known.clone();
    draft["state"] = json!("draft");
    let held = api.put(&one, &draft).await.expect(200).json();
    assert_eq!(
        (&held["state"], &held["missing"]),
        (&json!("draft"), &json!([]))
    );
    assert_eq!(world.get("/signup/fresh/form").send().await, nowhere);
    draft["state"] = json!("published");
    api.put(&one, &draft).await.expect(200);
    let sent = world.sign_up_at("fresh", "form").email(&anna.email);
    sent.send().await.expect_accepted();
    // An element that goes takes the form with it.
    api.patch("/accounts/fresh", &json!({"imprint": ""}))
        .await
        .expect(200);
    assert_eq!(world.get("/signup/fresh/form").send().await, nowhere);
    for (state, code) in [(json!("live"), "unknown"), (json!(1), "not_a_string")] {
        let answer = api.post(setups, &with(&json!({"state": state}))).await;
        assert_eq!(errors(&answer), [("state".to_owned(), code.to_owned())]);
    }
    world.finish().await;
}

#[tokio::test]
async fn what_the_law_does_not_allow_a_setup_is_refused() {
    let world = World::start().await;
    let api = world.api();
    for (change, field, code) in [
        // L-10: never ticked beforehand, however it is asked for.
        (json!({"preticked": true}), "preticked", "must_be_unticked"),
        (
            json!({"preticked": ["tracking_consent"]}),
            "preticked",
            "must_be_unticked",
        ),
        (
            json!({"asks_tracking_consent": {"preticked": true}}),
            "asks_tracking_consent",
            "must_be_unticked",
        ),
        (
            json!({"asks_profiling_consent": "preticked"}),
            "asks_profiling_consent",
            "must_be_unticked",
        ),
        (
            json!({"asks_profiling_consent": 1}),
            "asks_profiling_consent",
            "not_a_boolean",
        ),
        // L-27
        (json!({"addresses_minors": true}), "minimum_age", "missing"),
        (
            json!({"addresses_minors": true, "minimum_age": 13}),
            "minimum_age",
            "out_of_range",
        ),
        (
            json!({"minimum_age": "14"}),
            "minimum_age",
            "not_a_whole_number",
        ),
        // O-05
        (json!({"mode": "single"}), "justification", "missing"),
        (json!({"mode": "confirmed"}), "justification", "missing"),
        // O-07
        (
            json!({"reminder_days": 7}),
            "reminder_days",
            "not_before_expiry",
        ),
        (
            json!({"reminder_days": 3, "confirm_days": 3}),
            "reminder_days",
            "not_before_expiry",
        ),
        (
            json!({"reminder_days": 15}),
            "reminder_days",
            "out_of_range",
        ),
        (
            json!({"reminder_days": -1}),
            "reminder_days",
            "out_of_range",
        ),
        // T-08
        (
            json!({"fields": [{"key": "date_of_birth"}]}),
            "fields.0.purpose",
            "missing",
        ),
        (
            json!({"fields": [{"key": "date_of_birth", "without_year": true}]}),
            "fields.0.purpose",
            "missing",
        ),
        (
            json!({"fields": [{"key": "city", "without_year": true}]}),
            "fields.0.without_year",
            "not_a_date_of_birth",
        ),
        // L-14
        (
            json!({"notice_version": "2027-03"}),
            "notice_version",
            "unknown",
        ),
        (
            json!({"notice_version": "0".repeat(64)}),
            "notice_version",
            "unknown",
        ),
        // P-04
        (
            json!({"redirects": {"accepted": "https://thanks.example/"}}),
            "redirects.accepted",
            "web_address_foreign_host",
        ),
        (
            json!({"redirect_hosts": ["thanks.example"], "redirects": {"confirmed": "https://x.thanks.example/"}}),
            "redirects.confirmed",
            "web_address_foreign_host",
        ),
        (
            json!({"redirect_hosts": ["thanks.example"], "redirects": {"confirmed": "http://thanks.example/"}}),
            "redirects.confirmed",
            "web_address_not_protected",
        ),
        (
            json!({"redirect_hosts": ["https://thanks.example/"]}),
            "redirect_hosts.0",
            "invalid_host",
        ),
        (
            json!({"redirect_hosts": ["*"]}),
            "redirect_hosts.0",
            "invalid_host",
        ),
        (
            json!({"redirect_hosts": ["a.example", "a.example"]}),
            "redirect_hosts",
            "duplicate",
        ),
    ] {
        let answer = api.post(SETUPS, &with(&change)).await;
        let found = errors(&answer.expect(422));
        assert!(
            found.contains(&(field.to_owned(), code.to_owned())),
            "{change} {found:?}"
        );
    }
    let allowed = json!({
        "redirect_hosts": ["thanks.example"],
        "redirects": {"accepted": "https://thanks.example/a", "confirmed": "https://shop.example/b"},
        "preticked": [],
    });
    let known = api.post(SETUPS, &with(&allowed)).await.expect(201).json();
    assert_eq!(known["redirects"], allowed["redirects"]);
    let path = format!("/signup/demo/{}", known["id"].as_str().unwrap());
    let form = world.get(&path).send().await.expect_page(200);
    let policy = form.header("content-security-policy").unwrap();
    assert!(policy.ends_with("form-action 'self' https://thanks.example"));
    world.finish().await;
}

#[tokio::test]
async fn the_default_mode_proves_consent_and_the_others_say_that_they_do_not() {
    let world = World::start().await;
    let api = world.api();
    let mut without_mode = setup();
    without_mode.as_object_mut().unwrap().remove("mode");
    let known = api.post(SETUPS, &without_mode).await.expect(201).json();
    assert_eq!(
        (&known["mode"], &known["suits_as_proof"]),
        (&json!("double"), &json!(true))
    );
    for mode in ["single", "confirmed"] {
        let known = api
            .get(&format!("{SETUPS}/{mode}"))
            .await
            .expect(200)
            .json();
        assert_eq!(known["suits_as_proof"], false, "{mode}");
        assert!(known["justification"].is_string(), "{mode}");
        let person = world.person(mode);
        let sent = world.sign_up(mode).email(&person.email);
        sent.from(world.fresh_client())
            .send()
            .await
            .expect_accepted();
    }
    world.drain().await;
    let anna = world.person("anna");
    world.subscribe(&anna).await;
    for (email, weak) in [
        (&world.person("single").email, true),
        (&world.person("confirmed").email, true),
        (&anna.email, false),
    ] {
        let evidence = world.evidence(email).await.remove(0);
        assert_eq!(evidence["suits_as_proof"], !weak);
        let id = evidence["id"].as_str().unwrap();
        let path = format!("/accounts/demo/signups/{id}/certificate?format=html&lang=en");
        let page = api.get(&path).await.expect(200).text();
        assert_eq!(page.contains("not suitable as proof"), weak);
    }
    world.finish().await;
}
