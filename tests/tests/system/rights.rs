//! Access (Art. 15 GDPR) and portability (Art. 20): everything of one person, nothing of another.
//! Erasure has a module of its own.

use std::net::IpAddr;

use rundbrief::policy::{Exported, Store};
use serde_json::{Value, json};
use tests::{Mail, Person, Recipient, World};

use crate::preferences::{FORM, proof, reader};

async fn id_of(world: &World, person: &Person) -> String {
    let subscriber = world.subscriber(&person.email).await.expect("a subscriber");
    subscriber["id"].as_str().expect("an id").to_owned()
}

fn import(source: &str) -> String {
    format!(
        "imports?list=news&source={source}&legal_basis=consent&consented_on=2026-01-31&proof=Formular"
    )
}

/// Somebody who has left a mark of their own in every store that an export reads.
struct Marked {
    person: Person,
    id: String,
    /// Where their confirmed sign-up came from.
    client: IpAddr,
    /// In texts and names about them.
    sign: String,
    /// Their one list.
    list: String,
    /// The erasure before they came back.
    erasure: Value,
    /// The event of the sign-up they came back with.
    sign_up: String,
    /// The key of the address that was to take over from theirs.
    next: String,
}

/// The last part of a record's identifier.
fn event_of(record: &Value) -> String {
    let id = record["id"].as_str().expect("an id");
    id.rsplit('-').next().expect("an event").to_owned()
}

impl Marked {
    /// What only their part of this kind can say; nothing for what is not exported. A new kind of
    /// part does not compile until it has a mark.
    fn mark(&self, of: Exported) -> Option<String> {
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        Some(match of {
            Exported::Nothing(_) => return None,
            Exported::Profile => format!("Messe {}", self.sign),
            Exported::Withdrawal | Exported::Suppression | Exported::Unsubscriptions => {
                self.list.clone()
            }
            Exported::SignUps => self.client.to_string(),
            Exported::AddressChanges => self.next.clone(),
            Exported::SingleMails => self.sign_up.clone(),
            Exported::Campaigns => format!("Post {}", self.sign),
            Exported::Erasures | Exported::Disclosures => event_of(&self.erasure),
            Exported::SealedEvidence => text(&self.erasure["remains"]["sealed_evidence"]["until"]),
            Exported::Audit => format!("Klage {}", self.sign),
            Exported::Requests => format!("Bescheid {}", self.sign),
            Exported::SuppressedAddress => format!("Vermerk {}", self.sign),
        })
    }
}

/// A setup that asks for a list of its own.
async fn setup_of(world: &World, list: &str) -> String {
    let api = world.api();
    let body = json!({"id": list, "name": list});
    let made = api.post("/accounts/demo/lists", &body).await;
    made.expect(201);
    let setup = api.get("/accounts/demo/setups/double").await;
    let mut setup = setup.expect(200).json();
    setup["lists"] = json!([list]);
    setup.as_object_mut().expect("an object").remove("id");
    let made = api.post("/accounts/demo/setups", &setup).await.expect(201);
    made.json()["id"].as_str().expect("an id").to_owned()
}

/// A campaign to this list alone, sent.
async fn send_to(world: &World, list: &str, name: &str) {
    let api = world.api();
    let template = json!({
        "name": name,
        "subject": "Neues für {{ subscriber.first_name }}",
        "html": "<p>{{ imprint }} <a href=\"{{ preferences_url }}\">Einstellungen</a></p><p><a href=\"{{ unsubscribe_url }}\">Abmelden</a></p>",
    });
    let template = api.post("/accounts/demo/templates", &template).await;
    let campaign = json!({
        "name": name, "template": template.expect(201).json()["id"], "lists": [list],
        "sender": {"name": "Muster GmbH", "email": "news@muster.example"},
    });
    let campaign = api.post("/accounts/demo/campaigns", &campaign).await;
    let campaign = campaign.expect(201).json();
    let id = campaign["id"].as_str().expect("an id");
    let path = format!("/accounts/demo/campaigns/{id}/send");
    api.post(&path, &json!({})).await.expect(202);
    for _ in 0..2 {
        world.run("campaign").await;
        world.drain().await;
        world.advance("PT1M").await;
    }
}

/// Confirms what was mailed last.
async fn confirm_last(world: &World, person: &Person, client: IpAddr) {
    world.drain().await;
    let mail = world.inbox(&person.email).await.pop().expect("a mail");
    world
        .confirm(&mail)
        .from(client)
        .send()
        .await
        .expect_page(200);
}

/// Asks for another address, by a link of this mail.
async fn ask_to_move(world: &World, mail: &Mail, to: &Person, client: IpAddr) {
    let path = proof(world, mail).await;
    let body = format!("action=address&email={}", to.email.replace('@', "%40"));
    let asked = world.post(&path).body(FORM, body).from(client).send().await;
    asked.expect_page(200);
}

/// Takes over from an address of before.
async fn take_over(world: &World, before: &Person, person: &Person, client: IpAddr) {
    let mail = reader(world, before).await;
    ask_to_move(world, &mail, person, client).await;
    confirm_last(world, person, client).await;
    world.advance("PT11M").await;
}

async fn marked(world: &World, name: &str, sign: &str, client: u8, before: &[Person]) -> Marked {
    let (person, client) = (world.person(name), world.client(client));
    let api = world.api();
    let list = format!("{name}liste");
    let setup = setup_of(world, &list).await;
    // A life before, erased, and its evidence opened.
    world.subscribe(&person).await;
    let id = id_of(world, &person).await;
    let one = format!("/accounts/demo/subscribers/{id}");
    let erasure = api.delete(&one).await.expect(202).json();
    let event = json!({
        "action": "open", "account": "demo", "person": id, "reason": format!("Klage {sign}"),
        "operator": "J. Muster",
    });
    world
        .local("POST", "run/legal", Some(event))
        .await
        .expect(200);
    world.advance("PT11M").await;
    for before in before {
        take_over(world, before, &person, client).await;
    }
    world
        .sign_up(&setup)
        .email(&person.email)
        .field("first_name", &person.first_name)
        .from(client)
        .send()
        .await
        .expect_accepted();
    confirm_last(world, &person, client).await;
    let sign_ups = world.evidence(&person.email).await;
    let back = sign_ups.iter().find(|one| one["setup"] == setup.as_str());
    let sign_up = event_of(back.expect("their sign-up"));
    let csv = format!("email,last_name\n{},{}\n", person.email, person.last_name);
    let path = format!(
        "/accounts/demo/{}",
        import(&format!("Messe+{sign}")).replace("list=news", &format!("list={list}"))
    );
    api.call_with("POST", &path, Some("text/csv"), csv.into_bytes())
        .await
        .expect(202);
    world.drain().await;
    world.advance("PT5M").await;
    send_to(world, &list, &format!("Post {sign}")).await;
    // A new address that nobody confirms.
    let newsletter = world
        .inbox(&person.email)
        .await
        .pop()
        .expect("a newsletter");
    let moved = world.person(&format!("{name}next"));
    ask_to_move(world, &newsletter, &moved, client).await;
    world.drain().await;
    let asked = world.evidence(&moved.email).await.remove(0);
    let next = asked["id"].as_str().expect("an id");
    let next = next.split('-').next().expect("a key").to_owned();
    api.post(&format!("{one}/unsubscribe"), &json!({}))
        .await
        .expect(200);
    let asked = json!({"kind": "access", "subscriber": id});
    let asked = api.post("/accounts/demo/requests", &asked).await;
    let asked = asked.expect(201).json();
    let close = format!(
        "/accounts/demo/requests/{}/close",
        asked["id"].as_str().expect("an id")
    );
    let answered = json!({"outcome": "answered", "reason": format!("Bescheid {sign}")});
    api.post(&close, &answered).await.expect(200);
    let noted =
        json!({"kind": "address", "value": person.email, "note": format!("Vermerk {sign}")});
    api.post("/accounts/demo/suppressions", &noted)
        .await
        .expect(201);
    Marked {
        person,
        id,
        client,
        sign: sign.to_owned(),
        list,
        erasure,
        sign_up,
        next,
    }
}

#[tokio::test]
async fn an_export_has_something_of_every_store_of_the_person_and_nothing_of_another() {
    let world = World::start().await;
    let told = Recipient::start().await;
    world.keep_private("a recipient's URL", &told.url());
    let api = world.api();
    let hook = json!({"url": told.url(), "events": ["erasure", "unsubscribed"]});
    let hook = api.post("/accounts/demo/webhooks", &hook).await;
    let hook = hook.expect(201).json();
    world.keep_private("a signing secret", hook["secret"].as_str().expect("once"));
    let before = world.person("annaold");
    let anna = marked(
        &world,
        "anna",
        "Annafeld",
        77,
        std::slice::from_ref(&before),
    )
    .await;
    let bert = marked(&world, "bert", "Bertheim", 87, &[]).await;

    let path = format!("/accounts/demo/subscribers/{}/export", anna.id);
    let export = api.get(&path).await.expect(200).json();
    // The information beside the data names the account's lists, hers and others'.
    let (text, copy) = (export.to_string(), export["data"].to_string());
    let data = export["data"].as_object().unwrap();
    for store in Store::ALL {
        let exported = store.exported();
        let (Some(name), Some(mark)) = (exported.name(), anna.mark(exported)) else {
            continue;
        };
        let part = data.get(name).map(Value::to_string).unwrap_or_default();
        assert!(part.contains(&mark), "{store:?}: no {mark} in {part}");
        let other = bert.mark(exported).expect("a mark");
        assert_ne!(mark, other);
        assert!(!copy.contains(&other), "{store:?}: {other}");
    }
    let former = data["former_addresses"].to_string();
    assert!(former.contains(&before.email), "{former}");
    assert_eq!(data["profile"]["address"], anna.person.email.as_str());
    assert_eq!(data["sign_ups"][0]["form_ip"], anna.client.to_string());
    assert_eq!(data["sign_ups"][0]["confirm_ip"], anna.client.to_string());
    assert_eq!(
        data["campaigns"][0]["subject"],
        "Neues für {{ subscriber.first_name }}"
    );
    assert_eq!(data["campaigns"][0]["state"], "sent");
    assert_eq!(data["unsubscriptions"][0]["via"], "controller");
    for strange in [
        &bert.person.email,
        &bert.person.first_name,
        &bert.person.last_name,
        &bert.id,
    ] {
        assert!(!text.contains(strange), "{strange}");
    }
    // What Art. 15(1) and (2) ask for, filled from the running configuration.
    let information = &export["information"];
    let sections: Vec<&Value> = information["sections"]
        .as_array()
        .unwrap()
        .iter()
        .map(|section| &section["id"])
        .collect();
    for section in [
        "process",
        "data",
        "recipients",
        "transfers",
        "storage",
        "rights",
    ] {
        assert!(sections.contains(&&json!(section)), "{sections:?}");
    }
    for member in ["complaint", "automated_decisions", "source"] {
        assert!(!information[member].is_null(), "{member}");
    }
    for (lang, title, source, told_heading, deleted) in [
        (
            "de",
            "Auskunft über Ihre Daten",
            "Herkunft der Daten",
            "Mitteilungen an Empfänger Ihrer Daten",
            "Wird gelöscht am",
        ),
        (
            "en",
            "Access to your data",
            "Source of the data",
            "What recipients of your data were told",
            "Deleted on",
        ),
    ] {
        let page = api
            .get(&format!("{path}?format=html&lang={lang}"))
            .await
            .expect(200);
        assert_eq!(page.header("cache-control"), Some("no-store"));
        let page = page.text();
        for part in [
            title,
            anna.person.email.as_str(),
            &format!("<html lang=\"{lang}\""),
            source,
            "<p>Messe Annafeld</p>",
            told_heading,
            deleted,
        ] {
            assert!(page.contains(part), "{part}");
        }
        assert!(!page.contains(&bert.person.email) && !page.contains("<script"));
        // What is stored has words, not the names of members.
        for raw in ["_at<", "_since<", "_until<", " via<", " mode<"] {
            assert!(!page.contains(raw), "{raw}");
        }
    }
    api.get(&format!("{path}?format=pdf")).await.expect(422);
    api.get(&format!("{path}?lang=fr")).await.expect(422);

    // What is said of automated decisions follows from the questionnaire.
    let said = &information["automated_decisions"];
    assert!(
        said.as_str().unwrap().starts_with("Es gibt keine"),
        "{said}"
    );
    let dpia = "/accounts/demo/dpia";
    let mut answers = api.get(dpia).await.expect(200).json();
    answers["answers"]["automated_decisions"] = json!(true);
    answers["reference"] = json!("DSFA 2027/1");
    api.put(dpia, &answers).await.expect(200);
    let now = api.get(&path).await.expect(200).json();
    let said = &now["information"]["automated_decisions"];
    assert!(
        said.as_str().unwrap().contains("fallen automatisierte"),
        "{said}"
    );

    // An erasure takes along what was written about the person; that it was, and when, stays.
    let one = format!("/accounts/demo/subscribers/{}", anna.id);
    api.delete(&one).await.expect(202);
    let stored = world.scan_table().await;
    for gone in ["Bescheid Annafeld", "Vermerk Annafeld"] {
        assert!(stored.holding(gone).is_empty(), "{gone}");
    }
    assert!(!stored.holding("Vermerk Bertheim").is_empty());
    let requests = api.all("/accounts/demo/requests").await;
    let hers = requests
        .iter()
        .find(|one| one["subscriber"] == anna.id.as_str());
    let hers = hers.expect("that she asked");
    assert_eq!(
        (&hers["state"], &hers["closed_because"]),
        (&json!("answered"), &json!(""))
    );
    assert_eq!(api.all("/accounts/demo/suppressions").await.len(), 2);
    world.finish().await;
}

#[tokio::test]
async fn what_is_portable_is_imported_elsewhere_without_loss_and_needs_its_own_scope() {
    let world = World::start().await;
    let anna = world.person("anna");
    // What a spreadsheet would calculate, and what only looks as if it had been guarded.
    let csv = format!(
        "email,first_name,last_name,customer_number,advertising_criteria,street,city\n\
         {},{},\"{}, geb. \"\"X\"\"\",00042,rot|blau,\
         \"=HYPERLINK(\"\"https://x.example\"\")\",''-Hof\n",
        anna.email, anna.first_name, anna.last_name
    );
    let path = format!("/accounts/demo/{}", import("Messe"));
    let api = world.api();
    api.call_with("POST", &path, Some("text/csv"), csv.into_bytes())
        .await
        .expect(202);
    world.drain().await;
    let id = id_of(&world, &anna).await;
    let path = format!("/accounts/demo/subscribers/{id}");
    let portable = api
        .get(&format!("{path}/portable"))
        .await
        .expect(200)
        .json();
    assert_eq!(portable["email"], anna.email.as_str());
    assert_eq!(portable["fields"]["customer_number"], "00042");
    assert_eq!(portable["lists"], json!(["news"]));
    let formula = "=HYPERLINK(\"https://x.example\")";
    assert_eq!(portable["fields"]["street"], formula);
    assert_eq!(portable["fields"]["city"], "'-Hof");
    // It says itself what it is (Art. 20: a structured, commonly used format).
    let schema = &portable["schema"];
    assert_eq!(
        schema["$schema"],
        "https://json-schema.org/draft/2020-12/schema"
    );
    for member in schema["required"].as_array().unwrap() {
        assert!(!portable[member.as_str().unwrap()].is_null(), "{member}");
    }
    for member in portable.as_object().unwrap().keys() {
        assert!(schema["properties"][member].is_object(), "{member}");
    }
    let file = api
        .get(&format!("{path}/portable?format=csv"))
        .await
        .expect(200);
    let written = file.text();
    assert!(written.contains("\"'=HYPERLINK("), "{written}");
    assert!(written.contains("''-Hof"), "{written}");

    let other = json!({"id": "zweitfirma", "name": "Zweitfirma"});
    let other = world
        .platform_api()
        .post("/accounts", &other)
        .await
        .expect(201)
        .json();
    let other = world.api_with_key(other["key"].as_str().unwrap());
    let list = json!({"id": "news", "name": "Neues"});
    other
        .post("/accounts/zweitfirma/lists", &list)
        .await
        .expect(201);
    let there = format!("/accounts/zweitfirma/{}", import("Mitgenommen"));
    other
        .call_with("POST", &there, Some("text/csv"), file.body.clone())
        .await
        .expect(202);
    world.drain().await;
    let found = other.all("/accounts/zweitfirma/subscribers").await;
    let there = format!(
        "/accounts/zweitfirma/subscribers/{}/portable",
        found[0]["id"].as_str().unwrap()
    );
    let again = other.get(&there).await.expect(200).json();
    assert_eq!(again["fields"], portable["fields"]);
    assert_eq!(again["email"], portable["email"]);

    let reader = json!({"name": "Leser", "scopes": ["read", "write"]});
    let reader = api
        .post("/accounts/demo/keys", &reader)
        .await
        .expect(201)
        .json();
    let reader = world.api_with_key(reader["key"].as_str().unwrap());
    for path in [format!("{path}/export"), format!("{path}/portable")] {
        reader.get(&path).await.expect_problem(403, "missing_scope");
        other.get(&path).await.expect_problem(404, "not_found");
    }
    reader
        .delete(&path)
        .await
        .expect_problem(403, "missing_scope");
    other.delete(&path).await.expect_problem(404, "not_found");
    assert!(world.subscriber(&anna.email).await.is_some());
    let nobody = "/accounts/demo/subscribers/00112233445566778899aabbccddeeff/export";
    api.get(nobody).await.expect_problem(404, "not_found");
    world.finish().await;
}
