//! Erasing a person (Art. 17 GDPR): gone for every reader at once, from every place soon, and
//! what is kept of them opens for the legal role only.

mod afterwards;
mod during_backup;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_sesv2::types::SuppressionListReason;
use jiff::{SignedDuration, Timestamp};
use local::faults::{Fault, Service};
use serde_json::{Value, json};
use tests::{Person, World};

/// Everything by which somebody could be found.
fn traces(person: &Person) -> Vec<String> {
    let local = person.email.split('@').next().expect("an address");
    let mut all = vec![
        local.to_owned(),
        local.to_uppercase(),
        person.first_name.clone(),
        person.last_name.clone(),
        person.customer_number.clone(),
    ];
    // As JSON in a text attribute would have them.
    all.push(json!(person.first_name).to_string().replace('"', ""));
    all
}

/// Where in tables and objects somebody is found in the clear; archives apart.
async fn found(world: &World, traces: &[String]) -> Vec<String> {
    let mut places = Vec::new();
    let stored = world.scan_table().await;
    for trace in traces {
        for item in stored.holding(trace) {
            places.push(format!("{} holds {trace}", item["kind"]));
        }
    }
    let clients = world.clients();
    let bucket = world.endpoint("bucket");
    let listed = clients.s3().list_objects_v2().bucket(bucket).send().await;
    for object in listed.expect("the bucket").contents() {
        let key = object.key().expect("a key");
        if key.starts_with("archives/") {
            continue;
        }
        let got = clients
            .s3()
            .get_object()
            .bucket(bucket)
            .key(key)
            .send()
            .await;
        let bytes = got.expect("an object").body.collect().await.expect("bytes");
        let text = String::from_utf8_lossy(&bytes.into_bytes()).into_owned();
        for trace in traces.iter().filter(|trace| text.contains(*trace)) {
            places.push(format!("an object under {key} holds {trace}"));
        }
    }
    places
}

async fn id_of(world: &World, person: &Person) -> String {
    let subscriber = world.subscriber(&person.email).await.expect("a subscriber");
    subscriber["id"].as_str().expect("an id").to_owned()
}

async fn erase(world: &World, id: &str) -> Value {
    let path = format!("/accounts/demo/subscribers/{id}");
    world.api().delete(&path).await.expect(202).json()
}

/// What the legal role reads of somebody.
async fn opened(world: &World, person: &str) -> Vec<Value> {
    let event = json!({
        "action": "open",
        "account": "demo",
        "person": person,
        "reason": "Klage 7 Cg 12/27",
        "operator": "J. Muster",
    });
    let answer = world.local("POST", "run/legal", Some(event)).await;
    let answer = answer.expect(200).json();
    answer["evidence"].as_array().expect("evidence").clone()
}

/// Every answer about somebody who is gone.
async fn expect_gone(world: &World, person: &Person, id: &str, sign_up: &str) {
    assert!(world.subscriber(&person.email).await.is_none());
    assert!(world.evidence(&person.email).await.is_empty());
    let api = world.api();
    for path in [
        format!("subscribers/{id}"),
        format!("subscribers/{id}/evidence"),
        format!("signups/{sign_up}"),
        format!("signups/{sign_up}/certificate"),
    ] {
        let path = format!("/accounts/demo/{path}");
        api.get(&path).await.expect_problem(404, "not_found");
    }
    let email: String = form_urlencoded::byte_serialize(person.email.as_bytes()).collect();
    for list in ["subscribers", "signups", "unsubscriptions"] {
        let path = format!("/accounts/demo/{list}?email={email}");
        let answer = api.get(&path).await.expect(200).json();
        assert_eq!(answer["items"], json!([]), "{list}");
    }
    for left in api.all("/accounts/demo/unsubscriptions").await {
        assert_ne!(left["subscriber"], id);
    }
}

async fn suppress(world: &World, address: &str) {
    let put = world
        .clients()
        .ses()
        .put_suppressed_destination()
        .email_address(address)
        .reason(SuppressionListReason::Complaint)
        .send()
        .await;
    assert!(put.is_ok());
}

async fn suppressed(world: &World) -> usize {
    let list = world.clients().ses().list_suppressed_destinations().send();
    list.await
        .expect("the list")
        .suppressed_destination_summaries()
        .len()
}

async fn without_legal_key(world: &World) {
    let delete = world
        .clients()
        .dynamodb()
        .delete_item()
        .table_name(world.endpoint("table"))
        .key("pk", AttributeValue::S("G#legal-key".to_owned()))
        .key("sk", AttributeValue::S("public".to_owned()))
        .send()
        .await;
    assert!(delete.is_ok());
}

#[tokio::test]
async fn after_an_erasure_nothing_is_left_in_the_clear_and_the_legal_role_alone_reads_the_evidence()
{
    let world = World::start().await;
    let [anna, bert] = ["anna", "bert"].map(|name| world.person(name));
    let shouted = anna.email.split('@').next().unwrap().to_uppercase()
        + "@"
        + anna.email.split('@').nth(1).unwrap();
    world
        .sign_up("double")
        .email(&shouted)
        .field("first_name", &anna.first_name)
        .from(world.client(77))
        .send()
        .await
        .expect_accepted();
    world.drain().await;
    let confirmation = world.only_mail(&shouted).await;
    world
        .confirm(&confirmation)
        .from(world.client(78))
        .send()
        .await
        .expect_page(200);
    let old_unsubscribe = {
        world.advance("PT11M").await;
        world
            .sign_up("confirmed")
            .email(&anna.email)
            .send()
            .await
            .expect_accepted();
        world.drain().await;
        id_of(&world, &anna).await
    };
    let id = old_unsubscribe;
    world.subscribe(&bert).await;
    let csv = format!(
        "email,last_name,customer_number\n{},{},{}\n",
        anna.email, anna.last_name, anna.customer_number
    );
    world
        .api()
        .call_with(
            "POST",
            "/accounts/demo/imports?list=news&source=Messe&legal_basis=consent\
             &consented_on=2026-01-31&proof=Formular",
            Some("text/csv"),
            csv.into_bytes(),
        )
        .await
        .expect(202);
    world.drain().await;
    suppress(&world, &shouted).await;
    world.run("retention").await;
    let sign_up = world.evidence(&shouted).await[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("/accounts/demo/subscribers/{id}/unsubscribe");
    world.api().post(&path, &json!({})).await.expect(200);
    let mut searched = traces(&anna);
    searched.extend([77, 78].map(|client| world.client(client).to_string()));
    assert!(found(&world, &searched).await.len() > 5, "it can be found");

    let answer = erase(&world, &id).await;
    assert_eq!(answer["state"], "done", "{answer}");
    assert_eq!(answer["subscriber"], id.as_str());
    assert_eq!(found(&world, &searched).await, Vec::<String>::new());
    // SES's own entry went, in its exact case, and the proof says why it was there (T-14, A-13).
    assert_eq!(suppressed(&world).await, 0);
    let list = json!({
        "spellings": 2, "removed": {"complaint": 1}, "not_listed": 1, "failed_calls": 0,
    });
    assert_eq!(answer["ses_suppression_list"], list);
    expect_gone(&world, &anna, &id, &sign_up).await;
    assert!(world.subscriber(&bert.email).await.is_some());
    assert_eq!(world.evidence(&bert.email).await.len(), 1);

    // The proof, and the same proof when asked again.
    let proof = format!("/accounts/demo/erasures/{}", answer["id"].as_str().unwrap());
    let proof = world.api().get(&proof).await.expect(200).json();
    assert_eq!(proof, answer);
    assert_eq!(erase(&world, &id).await, answer);
    assert_eq!(world.api().all("/accounts/demo/erasures").await.len(), 1);
    let instant = |name: &str| -> Timestamp { proof[name].as_str().unwrap().parse().unwrap() };
    assert_eq!(
        instant("last_full_copy_gone_by"),
        instant("live_data_gone_at") + SignedDuration::from_hours(7 * 24)
    );
    let remains = &proof["remains"]["sealed_evidence"];
    assert_eq!(remains["records"], 3, "two sign-ups, one leaving: {proof}");

    // The evidence opens for the legal role, and that is written down without anybody's data.
    let evidence = opened(&world, &id).await;
    let text = json!(evidence).to_string();
    for known in [shouted.as_str(), &anna.first_name, "form_ip", "confirmed"] {
        assert!(text.contains(known), "{known}");
    }
    assert!(text.contains(&world.client(77).to_string()));
    let stored = world.scan_table().await;
    let audit = stored.of_kind("evidence_access");
    assert_eq!(audit.len(), 1);
    assert_eq!(audit[0]["reason"], "Klage 7 Cg 12/27");
    assert_eq!(found(&world, &searched).await, Vec::<String>::new());
    for refused in [
        json!({"action": "open", "account": "demo", "person": id, "operator": "x"}),
        json!({"action": "open", "account": "demo", "person": id, "reason": " ", "operator": "x"}),
        json!({"action": "open", "account": "demo", "reason": "x", "operator": "x"}),
        json!({"action": "read"}),
    ] {
        let answer = world.local("POST", "run/legal", Some(refused)).await;
        assert_eq!(answer.status, 500);
    }

    // Three years later it is gone.
    world.skip(SignedDuration::from_hours(24 * 366 * 3)).await;
    assert!(opened(&world, &id).await.is_empty());
    world.run("retention").await;
    assert!(
        world
            .scan_table()
            .await
            .of_kind("sealed_evidence")
            .is_empty()
    );
    world.finish().await;
}

#[tokio::test]
async fn somebody_who_never_confirmed_leaves_nothing_and_old_links_lead_nowhere() {
    let world = World::start().await;
    let [anna, bert] = ["anna", "bert"].map(|name| world.person(name));
    world
        .sign_up("double")
        .email(&anna.email)
        .field("first_name", &anna.first_name)
        .send()
        .await
        .expect_accepted();
    world.drain().await;
    let mail = world.only_mail(&anna.email).await;
    let email: String = form_urlencoded::byte_serialize(anna.email.as_bytes()).collect();
    let path = format!("/accounts/demo/subscribers?email={email}");
    let answer = world.api().delete(&path).await.expect(202).json();
    assert_eq!(answer["state"], "done");
    assert_eq!(answer["remains"]["sealed_evidence"]["records"], 0);
    assert_eq!(found(&world, &traces(&anna)).await, Vec::<String>::new());
    let stored = world.scan_table().await;
    for kind in ["sign_up", "outbox", "sealed_evidence"] {
        assert!(stored.of_kind(kind).is_empty(), "{kind}");
    }
    world
        .get(&mail.path("confirm"))
        .send()
        .await
        .expect_page(404);
    world.confirm(&mail).send().await.expect_page(404);
    assert!(world.subscriber(&anna.email).await.is_none());
    assert_eq!(world.api().delete(&path).await.expect(202).json(), answer);

    // Nobody: neither by key nor by address, and nothing is written.
    let before = world.stored().await;
    let api = world.api();
    for nobody in [
        "/accounts/demo/subscribers/00112233445566778899aabbccddeeff",
        "/accounts/demo/subscribers/nobody",
        "/accounts/demo/subscribers?email=nobody%40nowhere.example",
        "/accounts/demo/subscribers?email=nobody",
    ] {
        api.delete(nobody).await.expect_problem(404, "not_found");
    }
    api.delete("/accounts/demo/subscribers").await.expect(422);
    world.stored().await.expect_same(&before, "erasing nobody");

    // Leaving by an old link answers as ever, and keeps nothing (M-08).
    world
        .sign_up("confirmed")
        .email(&bert.email)
        .send()
        .await
        .expect_accepted();
    world.drain().await;
    let information = world.only_mail(&bert.email).await;
    let id = id_of(&world, &bert).await;
    erase(&world, &id).await;
    world.skip(SignedDuration::from_hours(59 * 24)).await;
    let before = world.stored().await;
    world
        .unsubscribe(&information)
        .send()
        .await
        .expect_page(200);
    world
        .unsubscribe_one_click(&information)
        .send()
        .await
        .expect_page(200);
    world.stored().await.expect_same(&before, "an old link");
    world.finish().await;
}

#[tokio::test]
async fn what_clean_up_has_not_come_to_is_hidden_and_the_hourly_run_goes_on_with_it() {
    let world = World::start().await;
    let anna = world.person("anna");
    let confirmation = world.subscribe(&anna).await;
    let id = id_of(&world, &anna).await;
    let sign_up = world.evidence(&anna.email).await[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    // As after a crash right behind the transaction: the evidence is still there in the clear.
    without_legal_key(&world).await;
    world.fail_next(Service::Suppression, Fault::Before, 1);
    let answer = erase(&world, &id).await;
    assert_eq!(answer["state"], "running");
    assert_eq!(answer["outstanding"], json!(["records", "ses"]));
    assert_eq!(answer["live_data_gone_at"], Value::Null);
    assert!(!found(&world, &traces(&anna)).await.is_empty());
    expect_gone(&world, &anna, &id, &sign_up).await;
    world.confirm(&confirmation).send().await.expect_page(404);
    assert_eq!(erase(&world, &id).await["id"], answer["id"]);

    world.run("retention").await;
    assert!(
        !found(&world, &traces(&anna)).await.is_empty(),
        "no key yet"
    );
    // After a day it is overdue, which raises an alarm.
    world.skip(SignedDuration::from_hours(24)).await;
    let report = world.run("retention").await;
    assert_eq!(report["erasures"]["overdue"], 1, "{report}");
    let published = world.run("legal").await;
    assert_eq!(published["published"], true);
    let report = world.run("retention").await;
    assert_eq!(report["erasures"]["completed"], 1, "{report}");
    assert_eq!(found(&world, &traces(&anna)).await, Vec::<String>::new());
    let proof = &world.api().all("/accounts/demo/erasures").await[0];
    assert_eq!(proof["state"], "done");
    let list = json!({"spellings": 1, "removed": {}, "not_listed": 1, "failed_calls": 1});
    assert_eq!(proof["ses_suppression_list"], list);
    assert_eq!(opened(&world, &id).await.len(), 1);
    let report = world.run("retention").await;
    assert_eq!(report["erasures"]["completed"], 0, "it is not due any more");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_erasures_at_once_are_one() {
    let world = World::start().await;
    let anna = world.person("anna");
    world.subscribe(&anna).await;
    let id = id_of(&world, &anna).await;
    let (one, two) = futures::join!(erase(&world, &id), erase(&world, &id));
    assert_eq!(one["id"], two["id"]);
    assert_eq!(world.api().all("/accounts/demo/erasures").await.len(), 1);
    world.run("retention").await;
    assert_eq!(found(&world, &traces(&anna)).await, Vec::<String>::new());
    // A later sign-up is one of its own, and only a confirmation brings her back (T-11).
    world.advance("PT11M").await;
    world
        .sign_up("single")
        .email(&anna.email)
        .send()
        .await
        .expect_accepted();
    assert!(world.subscriber(&anna.email).await.is_none());
    world.subscribe(&anna).await;
    assert!(world.subscriber(&anna.email).await.is_some());
    assert_eq!(world.evidence(&anna.email).await.len(), 2);
    world.finish().await;
}

#[tokio::test]
async fn an_account_that_keeps_no_evidence_keeps_none() {
    let world = World::start().await;
    let api = world.api();
    for (years, status) in [(json!(4), 422), (json!("1"), 422), (json!(0), 200)] {
        let change = json!({"evidence_years_after_erasure": years});
        api.patch("/accounts/demo", &change).await.expect(status);
    }
    let anna = world.person("anna");
    world.subscribe(&anna).await;
    let id = id_of(&world, &anna).await;
    let answer = erase(&world, &id).await;
    assert_eq!(answer["remains"]["sealed_evidence"]["records"], 0);
    assert!(
        world
            .scan_table()
            .await
            .of_kind("sealed_evidence")
            .is_empty()
    );
    assert_eq!(found(&world, &traces(&anna)).await, Vec::<String>::new());
    world.finish().await;
}

#[tokio::test]
async fn the_proof_names_the_day_of_the_last_archive_and_later_archives_lack_the_person() {
    let world = World::start().await;
    let [anna, bert] = ["anna", "bert"].map(|name| world.person(name));
    world.subscribe(&anna).await;
    world.subscribe(&bert).await;
    let api = world.api();
    api.post("/accounts/demo/backups", &json!({}))
        .await
        .expect(202);
    world.drain().await;
    let id = id_of(&world, &anna).await;
    let answer = erase(&world, &id).await;
    let backups = api.all("/accounts/demo/backups").await;
    assert_eq!(backups.len(), 1);
    assert_eq!(
        answer["last_archive_copy_gone_by"],
        backups[0]["expires_at"]
    );
    world.advance("PT1H").await;
    api.post("/accounts/demo/backups", &json!({}))
        .await
        .expect(202);
    world.drain().await;
    // The daily backup may have run meanwhile, too.
    let later = api.all("/accounts/demo/backups").await;
    assert!(later.len() >= 2 && later.iter().any(|backup| backup["id"] == backups[0]["id"]));
    for backup in &later {
        let people = if backup["id"] == backups[0]["id"] {
            2
        } else {
            1
        };
        for set in ["subscribers", "signups"] {
            assert_eq!(backup["manifest"]["sets"][set]["count"], people, "{set}");
        }
    }
    world.finish().await;
}

/// A campaign to the list `news`, ready to be sent; its path.
pub(crate) async fn campaign(world: &World) -> String {
    let api = world.api();
    let template = json!({
        "name": "Mai",
        "subject": "Neues für {{ subscriber.first_name }}",
        "html": "<p>{{ imprint }}</p><p><a href=\"{{ unsubscribe_url }}\">Abmelden</a></p>",
    });
    let template = api
        .post("/accounts/demo/templates", &template)
        .await
        .expect(201)
        .json();
    let campaign = json!({
        "name": "Mai",
        "template": template["id"],
        "lists": ["news"],
        "sender": {"name": "Muster GmbH", "email": "news@muster.example"},
    });
    let campaign = api
        .post("/accounts/demo/campaigns", &campaign)
        .await
        .expect(201)
        .json();
    format!(
        "/accounts/demo/campaigns/{}",
        campaign["id"].as_str().unwrap_or_default()
    )
}

#[tokio::test]
async fn somebody_erased_during_a_campaign_is_not_mailed_any_more_and_blanked_where_they_were() {
    let world = World::start().await;
    let people = ["anna", "bert", "cleo", "dora"].map(|name| world.person(name));
    for person in &people {
        world.subscribe(person).await;
    }
    let [anna, bert, ..] = &people;
    world.advance("PT5M").await;
    let api = world.api();
    let path = campaign(&world).await;
    api.post(&format!("{path}/send"), &json!({}))
        .await
        .expect(202);
    // It has started; before any worker reads her, Bert is erased.
    let bert_id = id_of(&world, bert).await;
    let during = erase(&world, &bert_id).await;
    for _ in 0..4 {
        world.run("campaign").await;
        world.drain().await;
        world.advance("PT1M").await;
    }
    world.advance("PT20M").await;
    world.run("campaign").await;
    let before = api.get(&format!("{path}/report")).await.expect(200).json();
    assert_eq!(before["sent"], 3, "{before}");
    assert_eq!(
        world.inbox(&bert.email).await.len(),
        1,
        "his confirmation only"
    );
    world.run("retention").await;
    let proof = format!("/accounts/demo/erasures/{}", during["id"].as_str().unwrap());
    let proof = api.get(&proof).await.expect(200).json();
    assert_eq!(proof["state"], "done", "{proof}");

    let anna_id = id_of(&world, anna).await;
    let log = api.all(&format!("{path}/log")).await;
    let names = |log: &[Value]| {
        log.iter()
            .filter(|line| line["subscriber"] == *anna_id)
            .count()
    };
    assert_eq!(names(&log), 1);
    let answer = erase(&world, &anna_id).await;
    assert_eq!(answer["state"], "done", "{answer}");
    let blanked = api.all(&format!("{path}/log")).await;
    assert_eq!(blanked.len(), log.len(), "counts stay");
    assert_eq!(names(&blanked), 0, "identity goes");
    assert_eq!(
        blanked
            .iter()
            .filter(|line| line["subscriber"].is_null())
            .count(),
        1
    );
    let after = api.get(&format!("{path}/report")).await.expect(200).json();
    assert_eq!(after, before);
    // The mail of before is still told of, and goes to nobody.
    let mail = world.inbox(&anna.email).await.pop().unwrap();
    let event = json!({"type": "bounce"});
    world
        .local("POST", &format!("mail/{}/event", mail.id), Some(event))
        .await;
    world.drain().await;
    assert!(world.subscriber(&anna.email).await.is_none());
    world.finish().await;
}
