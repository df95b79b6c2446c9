//! Ways out of an account (P-14): what the button leads to, what is asked and told, and how long
//! it is known who left. One-click acts at once under each of them.

use serde_json::{Value, json};
use tests::answer::Answer;
use tests::{Mail, Person, World};

const SETUPS: &str = "/accounts/demo/unsubscribe-setups";

fn errors(answer: &Answer) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let errors = answer.json()["errors"].as_array().cloned();
    let mut errors: Vec<_> = errors
        .into_iter()
        .flatten()
        .map(|error| (text(&error["field"]), text(&error["code"])))
        .collect();
    errors.sort();
    errors
}

/// Makes a setup and puts it in force.
async fn in_force(world: &World, mut setup: Value) -> String {
    setup["name"] = json!("Abmeldung");
    let made = world.api().post(SETUPS, &setup).await.expect(201).json();
    let id = made["id"].as_str().expect("an id").to_owned();
    let change = json!({"unsubscribe_setup": id});
    let account = world.api().patch("/accounts/demo", &change).await;
    assert_eq!(account.expect(200).json()["unsubscribe_setup"], id.as_str());
    id
}

/// A subscriber with the information mail in which the way out stands.
async fn subscriber(world: &World, name: &str) -> (Person, Mail) {
    let person = world.person(name);
    let form = world.sign_up("confirmed").email(&person.email);
    let sent = form.from(world.fresh_client()).send().await;
    sent.expect_accepted();
    world.drain().await;
    let mail = world.only_mail(&person.email).await;
    // The next mail to the address has its turn again (M-30).
    world.advance("PT11M").await;
    (person, mail)
}

async fn state(world: &World, person: &Person) -> String {
    let subscriber = world.subscriber(&person.email).await.expect("somebody");
    subscriber["state"].as_str().expect("a state").to_owned()
}

async fn left(world: &World) -> Vec<Value> {
    world.api().all("/accounts/demo/unsubscriptions").await
}

#[tokio::test]
async fn an_unsubscribe_setup_that_could_not_work_is_refused_and_one_in_force_stays() {
    let world = World::start().await;
    let api = world.api();
    for (change, field, code) in [
        (json!({"name": null}), "name", "missing"),
        (json!({"mode": "triple"}), "mode", "unknown"),
        (json!({"mode": 2}), "mode", "not_a_string"),
        (json!({"scope": "everything"}), "scope", "unknown"),
        (
            json!({"asks_reason": "yes"}),
            "asks_reason",
            "not_a_boolean",
        ),
        (json!({"farewell": " "}), "farewell", "empty"),
        (
            json!({"farewell": "x".repeat(1_001)}),
            "farewell",
            "too_long",
        ),
        // Without advertising, and nothing to follow (L-07).
        (
            json!({"farewell": "Schauen Sie auf https://shop.example/angebote"}),
            "farewell",
            "link_not_allowed",
        ),
        (
            json!({"farewell": "Mehr auf WWW.shop.example"}),
            "farewell",
            "link_not_allowed",
        ),
        (
            json!({"anonymise_days": 0}),
            "anonymise_days",
            "out_of_range",
        ),
        (
            json!({"anonymise_days": 1_097}),
            "anonymise_days",
            "out_of_range",
        ),
        (json!({"colour": "red"}), "colour", "unknown_member"),
    ] {
        let mut sent = json!({"name": "Abmeldung"});
        for (member, value) in change.as_object().unwrap() {
            sent[member] = value.clone();
        }
        let answer = api.post(SETUPS, &sent).await.expect_problem(422, "invalid");
        assert_eq!(
            errors(&answer),
            [(field.to_owned(), code.to_owned())],
            "{change}"
        );
    }
    for (unknown, code) in [
        (json!("nothing"), "unknown"),
        (json!("No Good"), "invalid_id"),
    ] {
        let change = json!({"unsubscribe_setup": unknown});
        let refused = api.patch("/accounts/demo", &change).await.expect(422);
        assert_eq!(
            errors(&refused),
            [("unsubscribe_setup".to_owned(), code.to_owned())]
        );
    }
    let whole = json!({
        "mode": "confirmed", "scope": "list", "asks_reason": true,
        "farewell": "Schade.\nAlles Gute!", "anonymise_days": 30,
    });
    let id = in_force(&world, whole.clone()).await;
    let one = format!("{SETUPS}/{id}");
    let known = api.get(&one).await.expect(200).json();
    for (member, value) in whole.as_object().unwrap() {
        assert_eq!(known[member], *value, "{member}");
    }
    assert_eq!(known["in_force"], true);
    api.put(&one, &known).await.expect(200);
    api.delete(&one).await.expect_problem(409, "in_use");
    let nothing = json!({"unsubscribe_setup": null});
    api.patch("/accounts/demo", &nothing).await.expect(200);
    api.delete(&one).await.expect(204);
    assert!(api.all(SETUPS).await.is_empty());
    world.finish().await;
}

#[tokio::test]
async fn one_click_acts_at_once_and_mails_nobody_under_every_setup() {
    let world = World::start().await;
    for mode in ["single", "confirmed", "double"] {
        in_force(&world, json!({"mode": mode, "asks_reason": true})).await;
        let (person, mail) = subscriber(&world, mode).await;
        let mails = world.mail_count().await;
        let answer = world.unsubscribe_one_click(&mail).send().await.expect(200);
        assert_eq!(
            (answer.header("location"), answer.header("set-cookie")),
            (None, None)
        );
        assert_eq!(state(&world, &person).await, "unsubscribed", "{mode}");
        world.drain().await;
        assert_eq!(world.mail_count().await, mails, "{mode}");
        let record = left(&world).await;
        let id = world.subscriber(&person.email).await.unwrap()["id"].clone();
        let record = record.iter().find(|one| one["subscriber"] == id).unwrap();
        assert_eq!(record["via"], "one_click");
        assert_eq!(record["reason"], Value::Null);
    }
    world.finish().await;
}

#[tokio::test]
async fn the_button_acts_as_the_setup_in_force_says() {
    let world = World::start().await;
    for (mode, mails, at_once) in [
        ("single", 0, true),
        ("confirmed", 1, true),
        ("double", 1, false),
    ] {
        in_force(&world, json!({"mode": mode})).await;
        let (person, mail) = subscriber(&world, mode).await;
        let before = world.stored().await;
        for method in ["GET", "HEAD"] {
            let page = world
                .request(method, &mail.path("unsubscribe"))
                .send()
                .await;
            page.expect_page(200);
        }
        world
            .stored()
            .await
            .expect_same(&before, "looking changes nothing");
        let page = world.unsubscribe(&mail).send().await.expect_page(200);
        assert_eq!(
            state(&world, &person).await == "unsubscribed",
            at_once,
            "{mode}"
        );
        assert_eq!(page.text().contains("E-Mail geschickt"), !at_once, "{mode}");
        if !at_once {
            // A link that was forwarded fills no mailbox: one question, however often it is pressed.
            for _ in 0..19 {
                assert_eq!(world.unsubscribe(&mail).send().await, page);
            }
            let stored = world.scan_table().await;
            let asked = stored.of_kind("outbox").into_iter();
            let asked = asked.filter(|one| one.to_string().contains("leave_request"));
            assert_eq!(asked.count(), 1);
        }
        world.drain().await;
        let more = world.inbox(&person.email).await.split_off(1);
        assert_eq!(more.len(), mails, "{mode}");
        let Some(second) = more.first() else { continue };
        assert_eq!(second.header("Auto-Submitted"), ["auto-generated"]);
        assert!(second.header("List-Unsubscribe").is_empty());
        let html = second.html.clone().unwrap();
        for beacon in ["<img", "src=", "url(", "<script"] {
            assert!(!html.contains(beacon), "{mode}: {beacon}");
        }
        if at_once {
            assert_eq!(second.links(), ["https://muster.example/datenschutz"]);
            continue;
        }
        // Looking at the mailed link is not pressing it.
        let link = second.path("unsubscribe");
        world.get(&link).send().await.expect_page(200);
        assert_eq!(state(&world, &person).await, "active");
        assert!(
            left(&world)
                .await
                .iter()
                .all(|one| one["setup"].is_string())
        );
        let done = world.post(&link).send().await.expect_page(200);
        assert_eq!(state(&world, &person).await, "unsubscribed");
        let before = world.stored().await;
        let again = world.post(&link).send().await;
        assert_eq!(again, done);
        assert_eq!(
            world.stored().await.of_kind("unsubscription").len(),
            before.of_kind("unsubscription").len()
        );
        world.drain().await;
        assert_eq!(
            world.inbox(&person.email).await.len(),
            2,
            "no mail after it"
        );
        // Who is out already is not mailed once more.
        world.unsubscribe(&mail).send().await.expect_page(200);
        world.drain().await;
        assert_eq!(world.inbox(&person.email).await.len(), 2);
    }
    world.finish().await;
}

#[tokio::test]
async fn a_reason_is_offered_and_never_demanded() {
    let world = World::start().await;
    in_force(&world, json!({"asks_reason": true})).await;
    for (name, body, reason) in [
        ("none", "", Value::Null),
        ("said", "reason=too_many", json!("too_many")),
        ("invented", "reason=weil%20ich%20nicht%20mag", Value::Null),
        ("twice", "reason=other&reason=never_asked", json!("other")),
        ("more", "reason=other&x=1", json!("other")),
    ] {
        let (person, mail) = subscriber(&world, name).await;
        let page = world
            .get(&mail.path("unsubscribe"))
            .send()
            .await
            .expect_page(200)
            .text();
        assert_eq!(
            page.matches("type=\"radio\" name=\"reason\"").count(),
            5,
            "{page}"
        );
        assert!(
            !page.contains("checked") && !page.contains("required"),
            "{page}"
        );
        let press = world.unsubscribe(&mail);
        let press = press.body("application/x-www-form-urlencoded", body);
        press.send().await.expect_page(200);
        assert_eq!(state(&world, &person).await, "unsubscribed", "{name}");
        let id = world.subscriber(&person.email).await.unwrap()["id"].clone();
        let records = left(&world).await;
        let record = records.iter().find(|one| one["subscriber"] == id).unwrap();
        assert_eq!(record["reason"], reason, "{name}");
    }
    // Where nobody asks, nothing is kept.
    let nothing = json!({"unsubscribe_setup": null});
    world
        .api()
        .patch("/accounts/demo", &nothing)
        .await
        .expect(200);
    let (person, mail) = subscriber(&world, "unasked").await;
    let page = world
        .get(&mail.path("unsubscribe"))
        .send()
        .await
        .expect_page(200);
    assert!(!page.text().contains("reason"));
    let press = world.unsubscribe(&mail);
    let press = press.body("application/x-www-form-urlencoded", "reason=other");
    press.send().await.expect_page(200);
    let id = world.subscriber(&person.email).await.unwrap()["id"].clone();
    let records = left(&world).await;
    let record = records.iter().find(|one| one["subscriber"] == id).unwrap();
    assert_eq!(
        (&record["reason"], &record["setup"]),
        (&Value::Null, &Value::Null)
    );
    world.finish().await;
}

#[tokio::test]
async fn a_farewell_is_in_the_controllers_words_once_and_to_nobody_who_is_back() {
    let world = World::start().await;
    in_force(
        &world,
        json!({"mode": "confirmed", "farewell": "Schade, dass Sie gehen.\nAlles Gute!"}),
    )
    .await;
    let (anna, mail) = subscriber(&world, "anna").await;
    for _ in 0..3 {
        world.unsubscribe(&mail).send().await.expect_page(200);
        world.drain().await;
    }
    let mails = world.inbox(&anna.email).await;
    assert_eq!(mails.len(), 2, "once");
    let farewell = &mails[1];
    assert!(
        farewell
            .text()
            .contains("Schade, dass Sie gehen.\nAlles Gute!"),
        "{}",
        farewell.text()
    );
    assert!(farewell.text().contains("Newsletter"));
    assert_eq!(farewell.tags["notice"], "farewell");
    // Erased before it was sent: nobody is there to be mailed.
    let (berta, mail) = subscriber(&world, "berta").await;
    world.fail_next(local::faults::Service::Sqs, local::faults::Fault::Before, 3);
    world.unsubscribe(&mail).send().await.expect_page(200);
    world.drain().await;
    assert_eq!(world.inbox(&berta.email).await.len(), 1, "it waits");
    let id = world.subscriber(&berta.email).await.unwrap()["id"].clone();
    let path = format!("/accounts/demo/subscribers/{}", id.as_str().unwrap());
    world.api().delete(&path).await.expect(202);
    world.advance("PT2M").await;
    crate::notice::next_minute(&world).await;
    assert_eq!(world.inbox(&berta.email).await.len(), 1);
    world.finish().await;
}

#[tokio::test]
async fn by_the_setups_word_only_the_list_of_the_mail_is_left() {
    let world = World::start().await;
    let api = world.api();
    let club = json!({"id": "club", "name": "Clubpost"});
    api.post("/accounts/demo/lists", &club).await.expect(201);
    let setup = json!({
        "id": "two", "name": "Two", "mode": "single", "lists": ["news", "club"],
        "justification": "im Laden", "form_url": "https://shop.example/",
    });
    api.post("/accounts/demo/setups", &setup).await.expect(201);
    let template = json!({
        "id": "monthly", "name": "Monatlich", "subject": "Neues",
        "html": "<p>{{ imprint }}</p><p><a href=\"{{ unsubscribe_url }}\">Ab</a></p>",
    });
    api.post("/accounts/demo/templates", &template)
        .await
        .expect(201);
    in_force(&world, json!({"scope": "list"})).await;
    let (anna, berta) = (world.person("anna"), world.person("berta"));
    for person in [&anna, &berta] {
        let form = world.sign_up("two").email(&person.email);
        let sent = form.from(world.fresh_client()).send().await;
        sent.expect_accepted();
    }
    world.drain().await;
    let campaign = json!({
        "id": "mai", "name": "Mai", "template": "monthly", "lists": ["club"],
        "sender": {"name": "Muster GmbH", "email": "news@muster.example"},
    });
    api.post("/accounts/demo/campaigns", &campaign)
        .await
        .expect(201);
    api.post("/accounts/demo/campaigns/mai/send", &json!({}))
        .await
        .expect(202);
    for _ in 0..4 {
        world.run("campaign").await;
        world.drain().await;
    }
    let page = world
        .get(&world.only_mail(&anna.email).await.path("unsubscribe"))
        .send()
        .await;
    assert!(page.expect_page(200).text().contains("Clubpost"));
    world
        .unsubscribe(&world.only_mail(&anna.email).await)
        .send()
        .await
        .expect_page(200);
    world
        .unsubscribe_one_click(&world.only_mail(&berta.email).await)
        .send()
        .await
        .expect(200);
    for person in [&anna, &berta] {
        let known = world.subscriber(&person.email).await.unwrap();
        assert_eq!(
            (&known["state"], &known["lists"]),
            (&json!("active"), &json!(["news"]))
        );
    }
    for record in left(&world).await {
        assert_eq!(
            (&record["lists"], &record["all"]),
            (&json!(["club"]), &json!(false))
        );
    }
    // A form that nobody confirms brings nobody back to it: whoever sent it (T-11).
    let form = world.sign_up("two").email(&anna.email);
    let sent = form.from(world.fresh_client()).send().await;
    sent.expect_accepted();
    let known = world.subscriber(&anna.email).await.unwrap();
    assert_eq!(known["lists"], json!(["news"]));
    world.drain().await;
    // A mail that came through no list leads out of everything.
    let (clara, mail) = subscriber(&world, "clara").await;
    world.unsubscribe(&mail).send().await.expect_page(200);
    assert_eq!(state(&world, &clara).await, "unsubscribed");
    world.finish().await;
}

#[tokio::test]
async fn after_its_period_nobody_knows_whose_unsubscription_it_was_and_nobody_is_mailed() {
    let world = World::start().await;
    let setup = in_force(&world, json!({"asks_reason": true, "anonymise_days": 10})).await;
    let (anna, mail) = subscriber(&world, "anna").await;
    let id = world.subscriber(&anna.email).await.unwrap()["id"].clone();
    let press = world.unsubscribe(&mail);
    let press = press.body("application/x-www-form-urlencoded", "reason=other");
    press.send().await.expect_page(200);
    let before = left(&world).await.remove(0);
    assert_eq!(before["subscriber"], id);
    let archive = crate::restore::backup(&world).await;
    world.advance("P9D").await;
    assert_eq!(left(&world).await, std::slice::from_ref(&before));
    world.advance("P2D").await;
    world.run("retention").await;
    let after = left(&world).await;
    assert_eq!(after.len(), 1, "it counts");
    let after = &after[0];
    for (member, value) in [
        ("subscriber", Value::Null),
        ("reason", Value::Null),
        ("campaign", Value::Null),
        ("setup", json!(setup)),
        ("lists", before["lists"].clone()),
        ("all", json!(true)),
        ("via", json!("page")),
    ] {
        assert_eq!(after[member], value, "{member}");
    }
    assert!(after["anonymised_at"].is_string());
    assert_eq!(after["at"].as_str().unwrap()[10..], *"T00:00:00.000Z");
    assert_eq!(
        after["at"].as_str().unwrap()[..10],
        before["at"].as_str().unwrap()[..10]
    );
    let stored = world.scan_table().await;
    let key = id.as_str().unwrap();
    for record in stored.of_kind("unsubscription") {
        assert!(!record.to_string().contains(key), "{record}");
    }
    let path = format!("/accounts/demo/subscribers/{key}/evidence");
    let evidence = world.api().get(&path).await.expect(200).json();
    assert_eq!(evidence["unsubscriptions"], json!([]));
    // Who left stays out.
    assert_eq!(state(&world, &anna).await, "unsubscribed");
    // Once: another run finds nothing.
    let again = world.run("retention").await;
    assert_eq!(again["anonymised"], json!({"done": 0, "failed": 0}));
    assert_eq!(left(&world).await, std::slice::from_ref(after));
    // An archive from before brings it back as it is by now, which is there already (T-05).
    let restore = crate::restore::begin(&world, &archive).await;
    world.drain().await;
    let staged = world.api().get(&restore).await.expect(200).json();
    let unsubscriptions = &staged["difference"]["unsubscriptions"];
    assert_eq!(unsubscriptions["added"], 0, "{unsubscriptions}");
    assert_eq!(unsubscriptions["present"], 1, "{unsubscriptions}");
    crate::restore::release(&world, &restore).await;
    assert_eq!(left(&world).await, std::slice::from_ref(after));

    // Whichever way they leave: here the controller says so.
    for action in ["unsubscribe", "object"] {
        let (person, _) = subscriber(&world, action).await;
        let id = world.subscriber(&person.email).await.unwrap()["id"].clone();
        let path = format!(
            "/accounts/demo/subscribers/{}/{action}",
            id.as_str().unwrap()
        );
        world.api().post(&path, &json!({})).await.expect(200);
        let stored = world.scan_table().await;
        let record = stored.of_kind("unsubscription");
        let record = record.into_iter().find(|one| one["person"] == id).unwrap();
        assert_eq!(record["setup"], json!(setup), "{action}");
        assert!(record["anonymise_at"].is_string(), "{action}: {record}");
    }
    world.finish().await;
}
