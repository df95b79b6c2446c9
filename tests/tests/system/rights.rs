//! Access (Art. 15 GDPR) and portability (Art. 20): everything of one person, nothing of another.
//! Erasure has a module of its own.

use serde_json::{Value, json};
use tests::{Person, World};

use crate::erasure::campaign;

async fn id_of(world: &World, person: &Person) -> String {
    let subscriber = world.subscriber(&person.email).await.expect("a subscriber");
    subscriber["id"].as_str().expect("an id").to_owned()
}

fn import(source: &str) -> String {
    format!(
        "imports?list=news&source={source}&legal_basis=consent&consented_on=2026-01-31&proof=Formular"
    )
}

#[tokio::test]
async fn an_export_has_something_of_every_store_of_the_person_and_nothing_of_another() {
    let world = World::start().await;
    let [anna, bert] = ["anna", "bert"].map(|name| world.person(name));
    for (person, clients, source) in [
        (&anna, [77, 78], "Messe+Annafeld"),
        (&bert, [87, 88], "Bertheim"),
    ] {
        world
            .sign_up("double")
            .email(&person.email)
            .field("first_name", &person.first_name)
            .from(world.client(clients[0]))
            .send()
            .await
            .expect_accepted();
        world.drain().await;
        let mail = world.only_mail(&person.email).await;
        world
            .confirm(&mail)
            .from(world.client(clients[1]))
            .send()
            .await
            .expect_page(200);
        let csv = format!("email,last_name\n{},{}\n", person.email, person.last_name);
        let path = format!("/accounts/demo/{}", import(source));
        world
            .api()
            .call_with("POST", &path, Some("text/csv"), csv.into_bytes())
            .await
            .expect(202);
        world.drain().await;
    }
    world.advance("PT5M").await;
    let api = world.api();
    let path = campaign(&world).await;
    api.post(&format!("{path}/send"), &json!({}))
        .await
        .expect(202);
    for _ in 0..2 {
        world.run("campaign").await;
        world.drain().await;
        world.advance("PT1M").await;
    }
    let (anna_id, bert_id) = (id_of(&world, &anna).await, id_of(&world, &bert).await);
    for id in [&anna_id, &bert_id] {
        let path = format!("/accounts/demo/subscribers/{id}/unsubscribe");
        api.post(&path, &json!({})).await.expect(200);
    }

    let path = format!("/accounts/demo/subscribers/{anna_id}/export");
    let export = api.get(&path).await.expect(200).json();
    let data = export["data"].as_object().unwrap();
    let names: Vec<&str> = data.keys().map(String::as_str).collect();
    for name in [
        "profile",
        "withdrawal",
        "suppression",
        "sign_ups",
        "unsubscriptions",
        "single_mails",
        "campaigns",
    ] {
        assert!(names.contains(&name), "{name} is not among {names:?}");
    }
    assert_eq!(data["profile"]["address"], anna.email.as_str());
    assert_eq!(data["sign_ups"][0]["form_ip"], world.client(77).to_string());
    assert_eq!(
        data["sign_ups"][0]["confirm_ip"],
        world.client(78).to_string()
    );
    assert_eq!(
        data["campaigns"][0]["subject"],
        "Neues für {{ subscriber.first_name }}"
    );
    assert_eq!(data["campaigns"][0]["state"], "sent");
    assert_eq!(data["unsubscriptions"][0]["via"], "controller");
    let text = export.to_string();
    for known in [&anna.first_name, "Messe Annafeld"] {
        assert!(text.contains(known), "{known}");
    }
    for strange in [
        bert.email.clone(),
        bert.first_name.clone(),
        bert.last_name.clone(),
        bert_id,
        "Bertheim".to_owned(),
        world.client(87).to_string(),
        world.client(88).to_string(),
    ] {
        assert!(!text.contains(&strange), "{strange}");
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
    for (lang, title) in [
        ("de", "Auskunft über Ihre Daten"),
        ("en", "Access to your data"),
    ] {
        let page = api
            .get(&format!("{path}?format=html&lang={lang}"))
            .await
            .expect(200);
        assert_eq!(page.header("cache-control"), Some("no-store"));
        let page = page.text();
        for part in [
            title,
            anna.email.as_str(),
            &format!("<html lang=\"{lang}\""),
        ] {
            assert!(page.contains(part), "{part}");
        }
        assert!(!page.contains(&bert.email) && !page.contains("<script"));
    }
    api.get(&format!("{path}?format=pdf")).await.expect(422);
    api.get(&format!("{path}?lang=fr")).await.expect(422);
    world.finish().await;
}

#[tokio::test]
async fn what_is_portable_is_imported_elsewhere_without_loss_and_needs_its_own_scope() {
    let world = World::start().await;
    let anna = world.person("anna");
    let csv = format!(
        "email,first_name,last_name,customer_number,advertising_criteria\n\
         {},{},\"{}, geb. \"\"X\"\"\",00042,rot|blau\n",
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
    let file = api
        .get(&format!("{path}/portable?format=csv"))
        .await
        .expect(200);

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
