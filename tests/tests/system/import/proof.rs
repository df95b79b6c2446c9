//! Consent that nobody can prove: imported, and not mailed until the proof comes (T-15).

use serde_json::{Value, json};
use tests::World;

use super::{GOOD, counts, import, post, profile};

const UNPROVEN: &str = "list=news&source=Messe+Wien&legal_basis=consent";

/// A campaign for the list `news`, sent and finished; its report.
async fn campaign(world: &World, id: &str) -> Value {
    campaign_to(world, id, "news").await
}

async fn campaign_to(world: &World, id: &str, list: &str) -> Value {
    let api = world.api();
    let template = json!({
        "id": id,
        "name": id,
        "subject": "Neues",
        "html": "<p>{{ imprint }}</p><p><a href=\"{{ unsubscribe_url }}\">Abmelden</a></p>",
    });
    api.post("/accounts/demo/templates", &template)
        .await
        .expect(201);
    let campaign = json!({
        "id": id,
        "name": id,
        "template": id,
        "lists": [list],
        "sender": {"name": "Muster GmbH", "email": "news@muster.example"},
    });
    api.post("/accounts/demo/campaigns", &campaign)
        .await
        .expect(201);
    let path = format!("/accounts/demo/campaigns/{id}");
    api.post(&format!("{path}/send"), &json!({}))
        .await
        .expect(202);
    for _ in 0..40 {
        world.run("campaign").await;
        world.drain().await;
        let report = api.get(&format!("{path}/report")).await.expect(200).json();
        if report["state"] == "finished" {
            return report;
        }
        world.advance("PT1M").await;
    }
    panic!("the campaign did not finish");
}

async fn evidence_of(world: &World, subscriber: &Value) -> Value {
    let id = subscriber["id"].as_str().expect("an id");
    let path = format!("/accounts/demo/subscribers/{id}/evidence");
    world.api().get(&path).await.expect(200).json()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consent_without_proof_is_imported_and_mailed_only_once_the_proof_has_come() {
    let world = World::start().await;
    let [anna, bert, cleo] = ["anna", "bert", "cleo"].map(|name| world.person(name));
    let file = format!("email\n{}\n{}\n", anna.email, bert.email);
    for query in [
        UNPROVEN.to_owned(),
        format!("{UNPROVEN}&consented_on=2026-03-01"),
        format!("{UNPROVEN}&proof=Formular+17"),
    ] {
        let taken = post(&world, &query, file.clone()).await.expect(202).json();
        world.drain().await;
        let (ended, report) = super::ended(&world, taken["id"].as_str().expect("an id")).await;
        for import in [&taken, &ended] {
            assert_eq!(import["sendable"], json!(false));
            assert_eq!(import["warnings"], json!(["proof_missing"]));
        }
        assert!(report.lines().all(|line| line.ends_with(",proof_missing")));
        assert_eq!(report.lines().count(), 2);
    }
    // A soft opt-in needs no proof of consent, but each of its conditions (L-03).
    let query = "list=news&source=Kasse&legal_basis=soft_opt_in_AT_174_4";
    let file_of_cleo = format!("email\n{}\n", cleo.email);
    let (soft, report) = import(&world, query, file_of_cleo.clone()).await;
    assert_eq!(
        (&soft["sendable"], &soft["warnings"]),
        (&json!(false), &json!(["conditions_missing"]))
    );
    assert_eq!(report, "2,created,conditions_missing\r\n");
    let conditions = "obtained_in_sale,own_similar_products,opt_out_at_collection,\
                      opt_out_in_every_mail,not_refused";
    let query = format!("{query}&conditions={conditions}");
    let (soft, _) = import(&world, &query, file_of_cleo).await;
    assert_eq!(
        (&soft["sendable"], &soft["warnings"]),
        (&json!(true), &json!([]))
    );

    let subscriber = world.subscriber(&anna.email).await.expect("imported");
    assert_eq!(subscriber["state"], "active");
    assert_eq!(subscriber["lists"], json!(["news"]));
    assert_eq!(subscriber["sendable_lists"], json!([]));
    let report = campaign(&world, "first").await;
    assert_eq!(report["sent"], 1);
    assert_eq!(report["skipped"], json!({"no_proof": 2}));
    assert_eq!(world.inbox(&anna.email).await.len(), 0);
    assert_eq!(world.inbox(&cleo.email).await.len(), 1);

    // Bert leaves in between: his proof comes too late.
    let id = world.subscriber(&bert.email).await.expect("imported")["id"].clone();
    let path = format!(
        "/accounts/demo/subscribers/{}/unsubscribe",
        id.as_str().expect("an id")
    );
    world
        .api()
        .post(&path, &json!({"list": "news"}))
        .await
        .expect(200);
    let (proven, report) = import(&world, GOOD, file).await;
    assert_eq!(counts(&proven), ("finished", [2, 0, 1, 1, 0]));
    assert_eq!(report, "2,updated,\r\n3,skipped,unsubscribed\r\n");
    let subscriber = world.subscriber(&anna.email).await.expect("imported");
    assert_eq!(subscriber["sendable_lists"], json!(["news"]));

    let evidence = evidence_of(&world, &subscriber).await;
    let consent = json!({
        "list": "news",
        "since": proven["created_at"],
        "legal_basis": "consent",
        "proof": {"import": proven["id"]},
        "proven": true,
    });
    assert_eq!(evidence["consents"], json!([consent]));
    let imports = evidence["imports"].as_array().expect("imports");
    assert_eq!(imports.len(), 2, "the first and the proof");
    assert_eq!(imports[0]["proof"], Value::Null);
    let said = json!({
        "import": proven["id"],
        "at": proven["created_at"],
        "list": "news",
        "source": "Messe Wien",
        "legal_basis": "consent",
        "consented_on": "2026-03-01",
        "proof": "Formular 17",
    });
    assert_eq!(imports[1], said);
    // The record itself says it, without the import: an archive holds the record only.
    let stored = profile(&world, &anna.email).await.expect("stored");
    for name in [
        "import",
        "list",
        "source",
        "legal_basis",
        "consented_on",
        "proof",
    ] {
        assert_eq!(stored["provenance"][1][name], said[name], "{name}");
    }

    let report = campaign(&world, "second").await;
    assert_eq!(report["sent"], 2);
    assert_eq!(report["skipped"], json!({"unsubscribed": 1}));
    assert_eq!(world.inbox(&anna.email).await.len(), 1);
    assert_eq!(world.inbox(&bert.email).await.len(), 0);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_confirmed_double_opt_in_makes_good_for_a_missing_proof() {
    let world = World::start().await;
    let anna = world.person("anna");
    import(&world, UNPROVEN, format!("email\n{}\n", anna.email)).await;
    world
        .sign_up("double")
        .email(&anna.email)
        .send()
        .await
        .expect_accepted();
    world.drain().await;
    let mail = world.only_mail(&anna.email).await;
    world.confirm(&mail).send().await.expect_page(200);
    let subscriber = world.subscriber(&anna.email).await.expect("imported");
    assert_eq!(subscriber["sendable_lists"], json!(["news"]));
    let evidence = evidence_of(&world, &subscriber).await;
    assert!(evidence["consents"][0]["proof"]["sign_up"].is_string());
    assert_eq!(evidence["imports"].as_array().map(Vec::len), Some(1));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mailing_to_two_needs_proof_like_one_to_sixty() {
    let world = World::start().await;
    // Austria once asked for consent from the fifty-first recipient on; it does not any more (L-02).
    for (list, count) in [("wenige", 2), ("viele", 60)] {
        let made = json!({"id": list, "name": list});
        let made = world.api().post("/accounts/demo/lists", &made).await;
        made.expect(201);
        let mut file = "email\n".to_owned();
        for number in 0..count {
            file += &world.person(&format!("{list}{number}")).email;
            file.push('\n');
        }
        let query = format!("list={list}&source=Messe+Wien&legal_basis=consent");
        let (ended, _) = import(&world, &query, file).await;
        assert_eq!(counts(&ended), ("finished", [count, count, 0, 0, 0]));
        let report = campaign_to(&world, list, list).await;
        assert_eq!(report["sent"], 0, "{report}");
        assert_eq!(report["skipped"], json!({"no_proof": count}), "{report}");
    }
    assert_eq!(world.mail_count().await, 0);
    world.finish().await;
}
