//! An account with one of everything.

use serde_json::{Value, json};
use tests::{Person, World};

use crate::restore;

/// Five people: Anna and Bert subscribe, Cleo never confirms, Dora is erased, Emil is held.
pub(super) async fn with_one_of_everything(world: &World) -> Vec<Person> {
    let people = ["anna", "bert", "cleo", "dora", "emil"].map(|name| world.person(name));
    let [anna, bert, cleo, dora, emil] = &people;
    for person in [anna, bert, dora, emil] {
        world.subscribe(person).await;
    }
    let pending = world.sign_up("double").email(&cleo.email);
    let sent = pending.from(world.fresh_client()).send().await;
    sent.expect_accepted();
    world.drain().await;
    configure(world).await;
    let api = world.api();
    let ids = [id_of(world, bert).await, id_of(world, dora).await];
    let [bert_id, dora_id] = &ids;
    let emil_id = id_of(world, emil).await;

    let csv = format!("email,last_name\n{},{}\n", anna.email, anna.last_name);
    let import = "/accounts/demo/imports?list=news&source=Messe&legal_basis=consent&consented_on=2026-01-31&proof=Formular";
    api.call_with("POST", import, Some("text/csv"), csv.into_bytes())
        .await
        .expect(202);
    world.drain().await;
    campaign(world).await;

    let of = |id: &str, what: &str| format!("/accounts/demo/subscribers/{id}{what}");
    let request = json!({"kind": "access", "subscriber": bert_id});
    let all = "/accounts/demo/requests";
    api.post(all, &request).await.expect(201);
    let left = of(bert_id, "/unsubscribe");
    api.post(&left, &json!({})).await.expect(200);
    let until = world.now().await + jiff::SignedDuration::from_hours(24 * 30);
    let until = until.in_tz("Europe/Vienna").expect("a zone").date();
    let basis = json!({"basis": "§ 132 BAO", "until": until});
    let held = of(&emil_id, "/hold");
    api.post(&held, &basis).await.expect(200);
    api.delete(&of(dora_id, "")).await.expect(202);
    // What erasing leads to, and the hour's seal and report.
    world.advance("PT1H").await;
    world.run("retention").await;
    world.drain().await;

    let archive = restore::backup(world).await;
    restore::begin(world, &archive).await;
    world.drain().await;
    people.into()
}

async fn configure(world: &World) {
    let api = world.api();
    let elements = [
        "controller",
        "purposes",
        "recipients",
        "transfers",
        "storage",
        "rights",
        "withdrawal",
        "complaint",
    ];
    let mut notice = json!({"name": "Fassung 1", "language": "de"});
    for element in elements {
        notice[element] = json!("Steht hier.");
    }
    for (collection, body) in [
        ("notices", notice),
        (
            "fields",
            json!({"key": "shoe", "label": "Schuh", "type": "number"}),
        ),
        ("interests", json!({"id": "golf", "name": "Golf"})),
        ("unsubscribe-setups", json!({"name": "Abmeldung"})),
        (
            "suppressions",
            json!({"kind": "domain", "value": "gesperrt.example"}),
        ),
        (
            "webhooks",
            json!({"url": "https://recipient.example/hook", "events": ["bounced"]}),
        ),
    ] {
        let path = format!("/accounts/demo/{collection}");
        let made = api.post(&path, &body).await.expect(201).json();
        if let Some(secret) = made["secret"].as_str() {
            world.keep_private("a signing secret", secret);
        }
    }
    let digests = vec![7; 20];
    let path = "/accounts/demo/suppressions/ecg";
    let media = Some("application/octet-stream");
    api.call_with("POST", path, media, digests)
        .await
        .expect(202);
}

/// The report of a campaign that is over.
pub(super) async fn campaign(world: &World) -> Value {
    let api = world.api();
    let template = json!({
        "name": "Mai", "subject": "Neues",
        "html": "<p>{{ imprint }}</p><p><a href=\"{{ unsubscribe_url }}\">Abmelden</a></p>\
            <p><a href=\"{{ preferences_url }}\">Einstellungen</a></p>",
    });
    let template = api.post("/accounts/demo/templates", &template).await;
    let campaign = json!({
        "name": "Mai", "template": template.expect(201).json()["id"], "lists": ["news"],
        "sender": {"name": "Muster GmbH", "email": "news@muster.example"},
    });
    let made = api.post("/accounts/demo/campaigns", &campaign).await;
    let id = made.expect(201).json()["id"].clone();
    let path = format!("/accounts/demo/campaigns/{}", id.as_str().expect("an id"));
    api.post(&format!("{path}/send"), &json!({}))
        .await
        .expect(202);
    for _ in 0..4 {
        world.advance("PT5M").await;
        world.run("campaign").await;
        world.drain().await;
    }
    let report = api.get(&format!("{path}/report")).await.expect(200).json();
    assert_eq!(report["state"], "finished", "{report}");
    report
}

/// The public pages that these people's mails lead to, and those that everybody sees.
pub(super) async fn public_pages(world: &World, people: &[Person]) -> Vec<String> {
    let mut pages = vec![
        "/signup/demo/double".to_owned(),
        "/signup/demo/double?lang=en".to_owned(),
    ];
    let setup = world.api().get("/accounts/demo/setups/double").await;
    let setup = setup.expect(200).json();
    let version = setup["notice_in_force"].as_str().expect("a version");
    pages.push(format!("/notice/demo/{version}"));
    let mut kinds = std::collections::BTreeSet::new();
    for person in people {
        for mail in world.inbox(&person.email).await {
            for link in mail.links() {
                let kinds_of = ["confirm", "not-me", "unsubscribe", "preferences"];
                for kind in kinds_of {
                    let Some((_, token)) = link.split_once(&format!("/{kind}/")) else {
                        continue;
                    };
                    let path = format!("/{kind}/{token}");
                    if world.get(&path).send().await.status == 200 && kinds.insert(kind) {
                        pages.push(path);
                    }
                }
            }
        }
    }
    assert_eq!(kinds.len(), 4, "{kinds:?}");
    pages
}

async fn id_of(world: &World, person: &Person) -> String {
    let subscriber: Value = world.subscriber(&person.email).await.expect("a subscriber");
    subscriber["id"].as_str().expect("an id").to_owned()
}
