//! Recipients are told (Art. 19 GDPR): signed, by key only, until they acknowledge it, and the
//! proof of an erasure says who did.

use std::process::Command;

use jiff::SignedDuration;
use serde_json::{Value, json};
use tests::{Message, Person, Recipient, Reply, World};

const HOOKS: &str = "/accounts/demo/webhooks";

async fn hook(world: &World, url: &str, events: &[&str]) -> Value {
    let body = json!({"url": url, "events": events});
    let made = world.api().post(HOOKS, &body).await.expect(201).json();
    world.keep_private("a signing secret", made["secret"].as_str().expect("once"));
    world.keep_private("a recipient's URL", url);
    made
}

/// What a minute does: puts into the queue what is due, and empties it.
async fn minute(world: &World) {
    world.run("campaign").await;
    world.drain().await;
}

async fn id_of(world: &World, person: &Person) -> String {
    let subscriber = world.subscriber(&person.email).await.expect("a subscriber");
    subscriber["id"].as_str().expect("an id").to_owned()
}

async fn erase(world: &World, id: &str) -> Value {
    let path = format!("/accounts/demo/subscribers/{id}");
    world.api().delete(&path).await.expect(202).json()
}

async fn proof(world: &World, erasure: &Value) -> Value {
    let id = erasure["id"].as_str().expect("an id");
    let path = format!("/accounts/demo/erasures/{id}");
    world.api().get(&path).await.expect(200).json()
}

/// Checks a signature as a recipient would, with nothing of ours.
fn verifies(secret: &str, message: &Message, signature: &str) -> bool {
    let script = "import base64,hashlib,hmac,sys\n\
        secret,id,time,body,given=sys.argv[1:]\n\
        key=base64.b64decode(secret.removeprefix('whsec_'))\n\
        tag=hmac.new(key,f'{id}.{time}.{body}'.encode(),hashlib.sha256).digest()\n\
        sys.exit(0 if given=='v1,'+base64.b64encode(tag).decode() else 1)";
    let run = |body: &str| {
        let answer = Command::new("python3")
            .args(["-I", "-S", "-c", script, secret])
            .args([
                message.header("webhook-id"),
                message.header("webhook-timestamp"),
            ])
            .args([body, signature])
            .status();
        answer.expect("a Python").success()
    };
    // One changed byte and it is none.
    run(&message.body) && !run(&format!("{} ", message.body))
}

fn of_type<'a>(messages: &'a [Message], kind: &str) -> Vec<&'a Message> {
    let of = |message: &&Message| message.json()["type"] == kind;
    messages.iter().filter(of).collect()
}

#[tokio::test]
async fn a_recipient_is_told_by_key_only_and_the_proof_counts_it_once_it_is_acknowledged() {
    let world = World::start().await;
    let [ours, silent, theirs] = [
        Recipient::start().await,
        Recipient::start().await,
        Recipient::start().await,
    ];
    let events = [
        "erasure",
        "sign_up_confirmed",
        "unsubscribed",
        "restricted",
        "restriction_lifted",
        "changed",
        "objected",
    ];
    let made = hook(&world, &ours.url(), &events).await;
    let secret = made["secret"].as_str().unwrap();
    // Another recipient wants to know something else, another account's nothing of this one.
    hook(&world, &silent.url(), &["complained"]).await;
    let other = json!({"id": "zweitfirma", "name": "Zweitfirma"});
    let other = world.platform_api().post("/accounts", &other).await;
    let other = other.expect(201).json();
    let all = json!({"url": theirs.url(), "events": events});
    world
        .api_with_key(other["key"].as_str().unwrap())
        .post("/accounts/zweitfirma/webhooks", &all)
        .await
        .expect(201);

    let anna = world.person("anna");
    world.subscribe(&anna).await;
    let id = id_of(&world, &anna).await;
    let path = format!("/accounts/demo/subscribers/{id}");
    let api = world.api();
    // A change is told once; what is so already is none.
    for _ in 0..2 {
        let change = json!({"first_name": "Neuname"});
        api.patch(&path, &change).await.expect(200);
    }
    api.post(&format!("{path}/restrict"), &json!({}))
        .await
        .expect(200);
    api.post(&format!("{path}/object"), &json!({}))
        .await
        .expect(200);
    api.post(&format!("{path}/lift-restriction"), &json!({}))
        .await
        .expect(200);
    minute(&world).await;
    let copy = api.get(&format!("{path}/export")).await.expect(200).json();
    let told = copy["data"]["told_to_recipients"].as_array().unwrap();
    assert!(told.iter().any(|one| one["topic"] == "sign_up_confirmed"));

    let erasure = erase(&world, &id).await;
    assert_eq!(erasure["state"], "running");
    assert_eq!(erasure["outstanding"], json!(["recipients"]));
    assert!(
        erasure["live_data_gone_at"].is_string(),
        "here nothing is left"
    );
    let waiting = json!([{"id": made["id"], "state": "waiting", "at": null}]);
    assert_eq!(erasure["recipients"]["webhooks"], waiting);
    world.run("retention").await;
    assert_eq!(proof(&world, &erasure).await["recipients"]["notified"], 0);

    minute(&world).await;
    minute(&world).await;
    let messages = ours.received();
    for kind in events {
        assert_eq!(
            of_type(&messages, kind).len(),
            1,
            "{kind}, once: {messages:#?}"
        );
    }
    let told = of_type(&messages, "erasure")[0];
    assert_eq!(told.line, "POST /hook?key=geheim HTTP/1.1");
    assert_eq!(told.header("content-type"), "application/json");
    assert_eq!(
        told.json()["data"],
        json!({"account": "demo", "subscriber": id, "record": erasure["id"]})
    );
    for message in &messages {
        assert!(verifies(
            secret,
            message,
            message.header("webhook-signature")
        ));
        for private in [&anna.email, &anna.first_name, &anna.last_name] {
            assert!(!message.text().contains(private.as_str()));
        }
    }
    assert!(silent.received().is_empty() && theirs.received().is_empty());

    world.run("retention").await;
    let done = proof(&world, &erasure).await;
    assert_eq!(
        (&done["state"], &done["outstanding"]),
        (&json!("done"), &json!([]))
    );
    assert_eq!(done["recipients"]["notified"], 1);
    assert_eq!(done["recipients"]["webhooks"][0]["state"], "acknowledged");
    assert_eq!(done["live_data_gone_at"], erasure["live_data_gone_at"]);
    // What signs stands nowhere.
    let bare = secret.strip_prefix("whsec_").unwrap();
    assert!(world.scan_table().await.holding(bare).is_empty());
    world.finish().await;
}

#[tokio::test]
async fn what_is_not_acknowledged_is_tried_again_and_no_redirect_is_followed() {
    let world = World::start().await;
    let [ours, elsewhere] = [Recipient::start().await, Recipient::start().await];
    hook(&world, &ours.url(), &["erasure"]).await;
    ours.answer_next(&[
        Reply::Status(500),
        Reply::HangUp,
        Reply::Redirect(elsewhere.url()),
        Reply::Status(404),
    ]);
    let anna = world.person("anna");
    world.subscribe(&anna).await;
    let erasure = erase(&world, &id_of(&world, &anna).await).await;
    for _ in 0..12 {
        minute(&world).await;
        if ours.received().len() == 5 {
            break;
        }
        world.run("retention").await;
        let proof = proof(&world, &erasure).await;
        assert_eq!(proof["recipients"]["notified"], 0, "{proof}");
        world.advance("PT20M").await;
    }
    let messages = ours.received();
    assert_eq!(messages.len(), 5);
    assert!(elsewhere.received().is_empty());
    let ids: Vec<_> = messages
        .iter()
        .map(|one| one.header("webhook-id"))
        .collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert!(messages.iter().all(|one| one.body == messages[0].body));
    let times: Vec<i64> = messages
        .iter()
        .map(|one| one.header("webhook-timestamp").parse().unwrap())
        .collect();
    assert!(times.is_sorted() && times[0] < times[4], "{times:?}");
    world.run("retention").await;
    let proof = proof(&world, &erasure).await;
    assert_eq!(
        (&proof["state"], &proof["recipients"]["notified"]),
        (&json!("done"), &json!(1))
    );
    world.finish().await;
}

#[tokio::test]
async fn who_is_silent_for_a_week_is_named_as_not_told_and_works_again_once_it_answers() {
    let world = World::start().await;
    let ours = Recipient::start().await;
    let made = hook(&world, &ours.url(), &["erasure"]).await;
    let path = format!("{HOOKS}/{}", made["id"].as_str().unwrap());
    assert_eq!(made["state"], "active");
    ours.answer_next(&[Reply::Status(503)]);
    let [anna, bert] = ["anna", "bert"].map(|name| world.person(name));
    world.subscribe(&anna).await;
    world.subscribe(&bert).await;
    let erasure = erase(&world, &id_of(&world, &anna).await).await;
    minute(&world).await;
    assert_eq!(ours.received().len(), 1);
    world.skip(SignedDuration::from_hours(8 * 24)).await;
    minute(&world).await;
    world.run("retention").await;

    let gone = proof(&world, &erasure).await;
    assert_eq!(gone["state"], "done");
    assert_eq!(
        (
            &gone["recipients"]["notified"],
            &gone["recipients"]["not_acknowledged"]
        ),
        (&json!(0), &json!(1))
    );
    assert_eq!(gone["recipients"]["webhooks"][0]["id"], made["id"]);
    assert_eq!(
        gone["recipients"]["webhooks"][0]["state"],
        "not_acknowledged"
    );
    let shown = world.api().get(&path).await.expect(200).json();
    assert_eq!(shown["state"], "failing");
    assert_eq!(ours.received().len(), 1, "given up");
    assert!(world.logged().contains("a recipient was not told"));

    let erasure = erase(&world, &id_of(&world, &bert).await).await;
    minute(&world).await;
    world.run("retention").await;
    assert_eq!(proof(&world, &erasure).await["recipients"]["notified"], 1);
    let shown = world.api().get(&path).await.expect(200).json();
    assert_eq!(shown["state"], "active");
    // A message is kept for two weeks, the proof as long as the account.
    world.skip(SignedDuration::from_hours(15 * 24)).await;
    world.run("retention").await;
    assert!(world.scan_table().await.of_kind("delivery").is_empty());
    assert_eq!(proof(&world, &erasure).await["recipients"]["notified"], 1);
    world.finish().await;
}

#[tokio::test]
async fn a_slow_recipient_is_hung_up_on_and_an_endless_answer_is_not_read() {
    let world = World::start().await;
    let ours = Recipient::start().await;
    hook(&world, &ours.url(), &["erasure"]).await;
    ours.answer_next(&[Reply::Silence, Reply::Endless]);
    let anna = world.person("anna");
    world.subscribe(&anna).await;
    let erasure = erase(&world, &id_of(&world, &anna).await).await;
    minute(&world).await;
    world.run("retention").await;
    assert_eq!(proof(&world, &erasure).await["recipients"]["notified"], 0);
    world.skip(SignedDuration::from_mins(5)).await;
    minute(&world).await;
    assert_eq!(ours.received().len(), 2);
    world.run("retention").await;
    assert_eq!(proof(&world, &erasure).await["recipients"]["notified"], 1);
    world.finish().await;
}

#[tokio::test]
async fn a_changed_secret_and_the_one_before_sign_side_by_side_for_a_day() {
    let world = World::start().await;
    let ours = Recipient::start().await;
    let made = hook(&world, &ours.url(), &["sign_up_confirmed"]).await;
    let path = format!("{HOOKS}/{}", made["id"].as_str().unwrap());
    let api = world.api();
    let changed = api.post(&format!("{path}/rotate"), &json!({})).await;
    let changed = changed.expect(200).json();
    let [old, new] = [&made, &changed].map(|one| one["secret"].as_str().unwrap());
    world.keep_private("a signing secret", new);
    assert_ne!(old, new);
    assert_eq!(
        api.get(&path).await.expect(200).json()["secret"],
        Value::Null
    );

    world.subscribe(&world.person("anna")).await;
    minute(&world).await;
    world.skip(SignedDuration::from_hours(25)).await;
    world.subscribe(&world.person("bert")).await;
    minute(&world).await;
    let messages = ours.received();
    assert_eq!(messages.len(), 2);
    let both: Vec<_> = messages[0].header("webhook-signature").split(' ').collect();
    assert_eq!(both.len(), 2);
    assert!(verifies(new, &messages[0], both[0]) && verifies(old, &messages[0], both[1]));
    assert!(verifies(
        new,
        &messages[1],
        messages[1].header("webhook-signature")
    ));
    world.finish().await;
}

#[tokio::test]
async fn a_webhook_leads_to_nothing_inside_and_only_who_manages_the_account_makes_one() {
    let world = World::start().await;
    let api = world.api();
    let good = "https://crm.example/hook";
    for (url, code) in [
        ("http://crm.example/", "webhook_not_https"),
        ("https://crm.example:25/", "webhook_port"),
        ("https://10.0.0.1/", "webhook_address_not_public"),
        ("https://127.0.0.2/", "webhook_address_not_public"),
        (
            "https://169.254.169.254/latest/meta-data/",
            "webhook_address_not_public",
        ),
        ("https://[::1]/", "webhook_address_not_public"),
        ("https://[::ffff:10.0.0.1]/", "webhook_address_not_public"),
        ("https://[fd00:ec2::254]/", "webhook_address_not_public"),
        ("https://intern/", "webhook_address_not_public"),
        ("https://2130706433/", "web_address_invalid_host"),
        ("https://user:pw@crm.example/", "web_address_user_info"),
        ("gopher://crm.example/", "web_address_unknown_scheme"),
        ("/hook", "web_address_unknown_scheme"),
    ] {
        let body = json!({"url": url, "events": ["erasure"]});
        let refused = api.post(HOOKS, &body).await.expect(422).json();
        let error = &refused["errors"][0];
        assert_eq!(
            (&error["field"], &error["code"]),
            (&json!("url"), &json!(code)),
            "{url}"
        );
    }
    for body in [
        json!({"url": good}),
        json!({"url": good, "events": []}),
        json!({"url": good, "events": ["everything"]}),
        json!({"url": good, "events": "erasure"}),
        json!({"events": ["erasure"]}),
        json!({"url": good, "events": ["erasure"], "secret": "whsec_mine"}),
    ] {
        api.post(HOOKS, &body).await.expect(422);
    }
    let writer = json!({"name": "Schreiber", "scopes": ["read", "write"]});
    let writer = api
        .post("/accounts/demo/keys", &writer)
        .await
        .expect(201)
        .json();
    let writer = world.api_with_key(writer["key"].as_str().unwrap());
    let body = json!({"url": good, "events": ["erasure", "erasure"]});
    writer
        .post(HOOKS, &body)
        .await
        .expect_problem(403, "missing_scope");
    assert!(api.all(HOOKS).await.is_empty());

    let made = api.post(HOOKS, &body).await.expect(201).json();
    assert_eq!(made["events"], json!(["erasure"]));
    let path = format!("{HOOKS}/{}", made["id"].as_str().unwrap());
    writer.get(&path).await.expect(200);
    writer
        .post(&format!("{path}/rotate"), &json!({}))
        .await
        .expect_problem(403, "missing_scope");
    let replaced = json!({"url": "https://crm.example/neu", "events": ["bounced", "erasure"]});
    let replaced = api.put(&path, &replaced).await.expect(200).json();
    assert_eq!(replaced["events"], json!(["erasure", "bounced"]));
    assert!(replaced["secret"].is_null());
    for _ in 1..10 {
        api.post(HOOKS, &body).await.expect(201);
    }
    api.post(HOOKS, &body)
        .await
        .expect_problem(409, "too_many_webhooks");
    assert_eq!(api.all(&format!("{HOOKS}?limit=3")).await.len(), 10);

    let other = json!({"id": "zweitfirma", "name": "Zweitfirma"});
    let other = world.platform_api().post("/accounts", &other).await;
    let other = other.expect(201).json();
    let other = world.api_with_key(other["key"].as_str().unwrap());
    other.get(&path).await.expect_problem(404, "not_found");
    let theirs = path.replace("/demo/", "/zweitfirma/");
    other.get(&theirs).await.expect_problem(404, "not_found");
    other.delete(&path).await.expect_problem(404, "not_found");
    api.delete(&path).await.expect(204);
    api.get(&path).await.expect_problem(404, "not_found");
    world.finish().await;
}

#[tokio::test]
async fn a_webhook_that_is_gone_is_not_told_and_all_goes_with_the_account() {
    let world = World::start().await;
    let ours = Recipient::start().await;
    let made = hook(&world, &ours.url(), &["erasure", "sign_up_confirmed"]).await;
    let anna = world.person("anna");
    world.subscribe(&anna).await;
    let erasure = erase(&world, &id_of(&world, &anna).await).await;
    let path = format!("{HOOKS}/{}", made["id"].as_str().unwrap());
    world.api().delete(&path).await.expect(204);
    minute(&world).await;
    world.run("retention").await;
    assert!(ours.received().is_empty());
    let gone = proof(&world, &erasure).await;
    assert_eq!(
        (&gone["state"], &gone["recipients"]["not_acknowledged"]),
        (&json!("done"), &json!(1))
    );

    hook(&world, &ours.url(), &["erasure"]).await;
    let close = world.api().post("/accounts/demo/close", &json!({})).await;
    assert!(close.status < 300, "{close:?}");
    world.skip(SignedDuration::from_hours(24 * 32)).await;
    world.run("retention").await;
    let left = world.scan_table().await;
    assert!(left.of_kind("webhook").is_empty() && left.of_kind("delivery").is_empty());
    world.finish().await;
}
