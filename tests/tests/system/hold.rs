//! Legal holds (S-10): an erasure is put off by a record with its basis and by nothing else, and
//! what was put off is done when the hold ends. The closing of an account ends them all (S-09).

use jiff::SignedDuration;
use jiff::civil::Date;
use serde_json::{Value, json};
use tests::{Person, World};

use crate::erasure::campaign;
use crate::preferences::{FORM, proof, reader};
use crate::restore::{backup, begin, lose, release};

async fn subscribed(world: &World, name: &str) -> (Person, String) {
    let person = world.person(name);
    world.subscribe(&person).await;
    let subscriber = world.subscriber(&person.email).await.expect("a subscriber");
    let id = subscriber["id"].as_str().expect("an id");
    (person, format!("/accounts/demo/subscribers/{id}"))
}

/// The day so many days from now, in Vienna.
async fn in_days(world: &World, days: i64) -> Date {
    let then = world.now().await + SignedDuration::from_hours(24 * days);
    then.in_tz("Europe/Vienna").expect("a zone").date()
}

async fn hold(world: &World, path: &str, days: i64) -> Value {
    let body = json!({"basis": "§ 132 BAO", "until": in_days(world, days).await});
    let placed = world.api().post(&format!("{path}/hold"), &body).await;
    placed.expect(200).json()
}

async fn pass(world: &World, days: i64) -> Value {
    world.skip(SignedDuration::from_hours(24 * days)).await;
    world.run("retention").await
}

#[tokio::test]
async fn who_is_held_is_kept_past_every_end_and_erased_when_the_hold_is_over() {
    let world = World::start().await;
    let api = world.api();
    let (anna, path) = subscribed(&world, "anna").await;
    let (bert, of_bert) = subscribed(&world, "bert").await;
    world.advance("PT5M").await;
    let sending = campaign(&world).await;
    let placed = hold(&world, &path, 60).await;
    assert_eq!(
        (&placed["basis"], &placed["erasure_asked_at"]),
        (&json!("§ 132 BAO"), &Value::Null)
    );
    assert_eq!(
        api.get(&format!("{path}/hold")).await.expect(200).json(),
        placed
    );
    let shown = api.get(&path).await.expect(200).json();
    assert_eq!(shown["state"], "restricted");
    api.patch(&path, &json!({"city": "Wien"}))
        .await
        .expect_problem(409, "restricted");

    // Nobody mails them.
    api.post(&format!("{sending}/send"), &json!({}))
        .await
        .expect(202);
    for _ in 0..2 {
        world.run("campaign").await;
        world.drain().await;
        world.advance("PT1M").await;
    }
    let report = api
        .get(&format!("{sending}/report"))
        .await
        .expect(200)
        .json();
    assert_eq!(report["skipped"]["restricted"], 1, "{report}");
    assert_eq!(
        world.inbox(&anna.email).await.len(),
        1,
        "the confirmation alone"
    );
    assert_eq!(world.inbox(&bert.email).await.len(), 2);

    // The relationship ends, a month passes, and they are still there.
    api.post(&format!("{path}/unsubscribe"), &json!({}))
        .await
        .expect(200);
    api.post(&format!("{of_bert}/unsubscribe"), &json!({}))
        .await
        .expect(200);
    let shown = api.get(&path).await.expect(200).json();
    assert!(
        shown["ended_on"].is_string() && shown["deletion_due_at"].is_null(),
        "{shown}"
    );
    pass(&world, 40).await;
    assert!(
        world.subscriber(&bert.email).await.is_none(),
        "nobody holds him"
    );
    api.get(&path).await.expect(200);

    // An erasure is refused with the basis, noted once, and done when the day is over.
    let refused = api.delete(&path).await;
    let refused = refused.expect_problem(409, "legal_hold").json();
    assert_eq!(refused["hold"]["basis"], "§ 132 BAO");
    assert_eq!(refused["hold"]["until"], placed["until"]);
    let noted = api.get(&format!("{path}/hold")).await.expect(200).json();
    assert!(noted["erasure_asked_at"].is_string());
    api.delete(&path).await.expect_problem(409, "legal_hold");
    let again = api.get(&format!("{path}/hold")).await.expect(200).json();
    assert_eq!(again, noted, "the first time counts");
    assert!(api.all("/accounts/demo/erasures").await.is_empty());
    let copy = api.get(&format!("{path}/export")).await.expect(200).json();
    assert_eq!(copy["data"]["withdrawal"]["hold"]["basis"], "§ 132 BAO");

    pass(&world, 22).await;
    world.run("retention").await;
    api.get(&path).await.expect_problem(404, "not_found");
    let erasures = api.all("/accounts/demo/erasures").await;
    assert_eq!(erasures.len(), 1);
    assert_eq!(erasures[0]["state"], "done");
    assert!(world.scan_table().await.holding(&anna.email).is_empty());
    world.finish().await;
}

#[tokio::test]
async fn a_lifted_hold_gives_back_the_old_end_or_does_the_erasure_at_once() {
    let world = World::start().await;
    let api = world.api();
    let (anna, path) = subscribed(&world, "anna").await;
    let (_, of_bert) = subscribed(&world, "bert").await;
    api.post(&format!("{path}/unsubscribe"), &json!({}))
        .await
        .expect(200);
    let due = api.get(&path).await.expect(200).json()["deletion_due_at"].clone();
    assert!(due.is_string());
    hold(&world, &path, 400).await;
    api.delete(&format!("{path}/hold")).await.expect(204);
    api.get(&format!("{path}/hold"))
        .await
        .expect_problem(404, "not_found");
    let shown = api.get(&path).await.expect(200).json();
    assert_eq!(
        (&shown["deletion_due_at"], &shown["state"]),
        (&due, &json!("unsubscribed"))
    );

    // What was due meanwhile goes with the next run.
    hold(&world, &path, 400).await;
    pass(&world, 60).await;
    api.get(&path).await.expect(200);
    api.delete(&format!("{path}/hold")).await.expect(204);
    api.get(&path).await.expect_problem(404, "not_found");
    world.run("retention").await;
    let profiles = world.scan_table().await;
    let profiles = profiles.of_kind("profile");
    assert!(
        profiles
            .iter()
            .all(|one| one["address"] != anna.email.as_str())
    );

    // A longer hold in its stead keeps what was asked for.
    hold(&world, &of_bert, 10).await;
    api.delete(&of_bert).await.expect_problem(409, "legal_hold");
    let longer = hold(&world, &of_bert, 20).await;
    assert!(longer["erasure_asked_at"].is_string());
    let proof = api
        .delete(&format!("{of_bert}/hold"))
        .await
        .expect(202)
        .json();
    assert_eq!(proof["state"], "done", "{proof}");
    api.get(&of_bert).await.expect_problem(404, "not_found");
    world.finish().await;
}

#[tokio::test]
async fn a_hold_needs_a_basis_a_day_and_the_right_to_erase() {
    let world = World::start().await;
    let api = world.api();
    let (_, path) = subscribed(&world, "anna").await;
    let path = format!("{path}/hold");
    let day = in_days(&world, 30).await;
    let yesterday = in_days(&world, -1).await;
    for (body, field, code) in [
        (json!({"until": day}), "basis", "missing"),
        (json!({"basis": "§ 132 BAO"}), "until", "missing"),
        (
            json!({"basis": "§ 132 BAO", "until": yesterday}),
            "until",
            "past",
        ),
        (
            json!({"basis": "§ 132 BAO", "until": "2099-01-01"}),
            "until",
            "too_far_away",
        ),
        (
            json!({"basis": "§ 132 BAO", "until": "2027-02-30"}),
            "until",
            "invalid_date",
        ),
        (
            json!({"basis": "§ 132 BAO", "until": "bald"}),
            "until",
            "invalid_date",
        ),
    ] {
        let refused = api.post(&path, &body).await.expect(422).json();
        let error = &refused["errors"][0];
        assert_eq!(
            (&error["field"], &error["code"]),
            (&json!(field), &json!(code)),
            "{body}"
        );
    }
    for body in [
        json!({"basis": "  ", "until": day}),
        json!({"basis": "x".repeat(501), "until": day}),
        json!({"basis": 132, "until": day}),
        json!({"basis": "§ 132 BAO", "until": day, "forever": true}),
    ] {
        api.post(&path, &body).await.expect(422);
    }
    api.get(&path).await.expect_problem(404, "not_found");
    api.delete(&path).await.expect_problem(404, "not_found");
    let good = json!({"basis": "§ 132 BAO", "until": day});
    let nobody = "/accounts/demo/subscribers/00112233445566778899aabbccddeeff/hold";
    api.post(nobody, &good)
        .await
        .expect_problem(404, "not_found");
    let writer = json!({"name": "Schreiber", "scopes": ["read", "write"]});
    let writer = api
        .post("/accounts/demo/keys", &writer)
        .await
        .expect(201)
        .json();
    let writer = world.api_with_key(writer["key"].as_str().unwrap());
    writer
        .post(&path, &good)
        .await
        .expect_problem(403, "missing_scope");
    api.post(&path, &good).await.expect(200);
    writer
        .delete(&path)
        .await
        .expect_problem(403, "missing_scope");
    writer.get(&path).await.expect(200);
    let other = json!({"id": "zweitfirma", "name": "Zweitfirma"});
    let other = world.platform_api().post("/accounts", &other).await;
    let other = other.expect(201).json();
    let other = world.api_with_key(other["key"].as_str().unwrap());
    other.get(&path).await.expect_problem(404, "not_found");
    other.delete(&path).await.expect_problem(404, "not_found");
    world.finish().await;
}

#[tokio::test]
async fn a_hold_comes_back_with_its_person_out_of_an_archive() {
    let world = World::start().await;
    let api = world.api();
    let (anna, path) = subscribed(&world, "anna").await;
    hold(&world, &path, 400).await;
    let archive = backup(&world).await;
    let id = path.rsplit('/').next().unwrap().to_owned();
    let lost = lose(&world, |item| {
        matches!(item["kind"].as_str(), Some("profile" | "withdrawal"))
            && item["sk"].as_str().is_some_and(|sk| sk.starts_with(&id))
    });
    assert_eq!(lost.await, 2);
    assert!(world.subscriber(&anna.email).await.is_none());
    let restore = begin(&world, &archive).await;
    world.drain().await;
    release(&world, &restore).await;
    let shown = api.get(&path).await.expect(200).json();
    assert_eq!(
        (&shown["state"], &shown["deletion_due_at"]),
        (&json!("restricted"), &Value::Null)
    );
    api.delete(&path).await.expect_problem(409, "legal_hold");
    pass(&world, 402).await;
    api.get(&path).await.expect_problem(404, "not_found");
    world.finish().await;
}

#[tokio::test]
async fn the_end_of_an_account_ends_every_hold_and_leaves_a_report_for_the_operator() {
    let world = World::start().await;
    let (anna, path) = subscribed(&world, "anna").await;
    hold(&world, &path, 4_000).await;
    let platform = world.platform_api();
    assert!(platform.all("/closures").await.is_empty());
    let closed = world.api().post("/accounts/demo/close", &json!({})).await;
    assert!(closed.status < 300, "{closed:?}");
    let body = json!({"basis": "§ 132 BAO", "until": in_days(&world, 30).await});
    let late = world.api().post(&format!("{path}/hold"), &body).await;
    late.expect_problem(409, "account_closed");
    pass(&world, 32).await;
    world.run("retention").await;
    let stored = world.scan_table().await;
    assert!(stored.holding(&anna.email).is_empty());
    assert!(stored.of_kind("withdrawal").is_empty());

    let report = platform.get("/closures/demo").await.expect(200).json();
    assert_eq!(
        (&report["state"], &report["nothing_left"]),
        (&json!("done"), &json!(true))
    );
    for kind in [
        "account",
        "profile",
        "sign_up",
        "list",
        "setup",
        "key",
        "withdrawal",
    ] {
        assert!(
            report["deleted"][kind].as_u64() > Some(0),
            "{kind}: {report}"
        );
    }
    assert_eq!(report["deleted"]["account"], 1);
    let instant =
        |name: &str| -> jiff::Timestamp { report[name].as_str().unwrap().parse().unwrap() };
    for (name, days) in [
        ("last_full_copy_gone_by", 7),
        ("last_suppression_copy_gone_by", 35),
    ] {
        let waits = instant(name).duration_since(instant("finished_at"));
        assert_eq!(waits, SignedDuration::from_hours(24 * days), "{name}");
    }
    assert!(!report.to_string().contains(&anna.email));
    assert_eq!(platform.all("/closures").await, vec![report]);
    platform
        .get("/closures/nobody")
        .await
        .expect_problem(404, "not_found");
    platform
        .get("/closures/No%20body")
        .await
        .expect_problem(404, "not_found");
    // Runs report in numbers too, the whole platform's to the operator alone.
    let runs = platform.all("/deletions").await;
    assert!(runs.len() > 1);
    assert!(
        runs[0]["last_full_copy_gone_by"].is_string()
            && runs[0]["last_archive_copy_gone_by"].is_string()
    );
    let other = json!({"id": "zweitfirma", "name": "Zweitfirma"});
    let other = platform.post("/accounts", &other).await.expect(201).json();
    let other = world.api_with_key(other["key"].as_str().unwrap());
    for path in ["/closures", "/closures/demo", "/deletions"] {
        let refused = other.get(path).await;
        assert_eq!(refused.status, 403, "{path}");
    }
    assert!(other.all("/accounts/zweitfirma/deletions").await.is_empty());
    world.finish().await;
}

#[tokio::test]
async fn an_account_reads_what_each_run_deleted_of_it() {
    let world = World::start().await;
    let (_, path) = subscribed(&world, "anna").await;
    world
        .api()
        .post(&format!("{path}/unsubscribe"), &json!({}))
        .await
        .expect(200);
    pass(&world, 40).await;
    let reports = world.api().all("/accounts/demo/deletions").await;
    let profiles: u64 = reports
        .iter()
        .filter_map(|report| report["deleted"]["profile"].as_u64())
        .sum();
    assert_eq!(profiles, 1, "{reports:#?}");
    for report in &reports {
        let at: jiff::Timestamp = report["at"].as_str().unwrap().parse().unwrap();
        let gone: jiff::Timestamp = report["last_archive_copy_gone_by"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap();
        // Counted from the last deletion of the run, which may take its time.
        let after = gone.duration_since(at) - SignedDuration::from_hours(24 * 14);
        assert!(!after.is_negative() && after < SignedDuration::from_mins(10));
    }
    world.finish().await;
}

#[tokio::test]
async fn who_is_held_is_held_with_the_address_they_had_before() {
    let world = World::start().await;
    let [anna, new] = ["anna", "annanew"].map(|name| world.person(name));
    let mail = reader(&world, &anna).await;
    let link = proof(&world, &mail).await;
    let body = format!("action=address&email={}", new.email.replace('@', "%40"));
    let asked = world.post(&link).body(FORM, body).send().await;
    asked.expect_page(200);
    world.drain().await;
    let question = world.only_mail(&new.email).await;
    world.confirm(&question).send().await.expect_page(200);
    let taken = world.subscriber(&new.email).await.expect("a subscriber");
    let id = taken["id"].as_str().expect("an id");
    let path = format!("/accounts/demo/subscribers/{id}");
    hold(&world, &path, 400).await;
    let api = world.api();
    api.delete(&path).await.expect_problem(409, "legal_hold");
    // Nor is it by the address that is nobody's any more.
    let of_before = format!("/accounts/demo/subscribers?email={}", anna.email);
    let of_before = of_before.replace('@', "%40");
    for _ in 0..2 {
        api.delete(&of_before)
            .await
            .expect_problem(409, "legal_hold");
    }
    assert_eq!(world.evidence(&anna.email).await.len(), 1);
    assert!(api.all("/accounts/demo/erasures").await.is_empty());
    // The restriction is the hold's: nobody lifts it before.
    api.post(&format!("{path}/lift-restriction"), &json!({}))
        .await
        .expect(200);
    let shown = api.get(&path).await.expect(200).json();
    assert_eq!(shown["state"], "restricted");

    api.delete(&format!("{path}/hold")).await.expect(202);
    world.run("retention").await;
    let stored = world.stored().await;
    for person in [&anna, &new] {
        assert!(stored.holding(&person.email).is_empty());
    }
    world.finish().await;
}
