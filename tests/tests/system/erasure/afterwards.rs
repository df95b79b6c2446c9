//! Erased when there is no subscriber any more, and what somebody who came again keeps.

use std::fmt::Write;

use rundbrief::time::{day_in, zone};

use super::*;
use crate::preferences::{FORM, proof, reader};

/// A line of each person's record in an imported list, with consent that is proven.
async fn import(world: &World, people: &[&Person]) {
    let mut csv = "email,first_name,last_name\n".to_owned();
    for person in people {
        let name = (&person.first_name, &person.last_name);
        writeln!(csv, "{},{},{}", person.email, name.0, name.1).expect("a line");
    }
    let path = "/accounts/demo/imports?list=news&source=Messe&legal_basis=consent\
                &consented_on=2026-01-31&proof=Formular";
    let (api, csv) = (world.api(), csv.into_bytes());
    let begun = api.call_with("POST", path, Some("text/csv"), csv).await;
    begun.expect(202);
    world.drain().await;
}

#[tokio::test]
async fn who_is_no_subscriber_any_more_is_erased_from_whatever_still_names_them() {
    let world = World::start().await;
    let [anna, bert] = ["anna", "bert"].map(|name| world.person(name));
    import(&world, &[&anna, &bert]).await;
    let [anna_id, bert_id] = [id_of(&world, &anna).await, id_of(&world, &bert).await];
    let api = world.api();
    let path = campaign(&world).await;
    api.post(&format!("{path}/send"), &json!({}))
        .await
        .expect(202);
    for _ in 0..4 {
        world.run("campaign").await;
        world.drain().await;
        world.advance("PT1M").await;
    }
    let report = api.get(&format!("{path}/report")).await.expect(200).json();
    assert_eq!(report["sent"], 2, "{report}");
    suppress(&world, &anna.email).await;
    let vienna = zone("Europe/Vienna").expect("a zone");
    let today = json!({"on": day_in(world.now().await, &vienna)});
    for id in [&anna_id, &bert_id] {
        let path = format!("/accounts/demo/subscribers/{id}/end-relationship");
        api.post(&path, &today).await.expect(200);
    }

    // A month and more later both count as absent; nobody has deleted their profiles yet.
    world.skip(SignedDuration::from_hours(24 * 62)).await;
    assert!(world.subscriber(&anna.email).await.is_none());
    assert_eq!(world.scan_table().await.of_kind("profile").len(), 2);
    let begun = erase(&world, &anna_id).await;
    assert!(
        begun["ses_suppression_list_cleaned_at"].is_string(),
        "{begun}"
    );
    let profiles = world.scan_table().await;
    let mut profiles = profiles.of_kind("profile").into_iter();
    // The hourly run may have come to Bert's meanwhile.
    let of_hers = profiles.any(|profile| profile["person"] == anna_id.as_str());
    assert!(!of_hers, "hers went with the request");
    assert_eq!(suppressed(&world).await, 0);

    // Of Bert, whom the hourly run has deleted, only the campaign's ledger knows.
    world.run("retention").await;
    assert_eq!(found(&world, &traces(&bert)).await, Vec::<String>::new());
    let log = || async { json!(world.api().all(&format!("{path}/log")).await).to_string() };
    assert!(log().await.contains(&bert_id));
    erase(&world, &bert_id).await;
    world.skip(SignedDuration::from_mins(2)).await;
    world.run("retention").await;
    let log = log().await;
    assert!(!log.contains(&bert_id) && !log.contains(&anna_id));
    for erasure in world.api().all("/accounts/demo/erasures").await {
        assert_eq!(erasure["state"], "done", "{erasure}");
    }
    world.finish().await;
}

#[tokio::test]
async fn a_mail_that_was_promised_after_the_erasure_is_still_sent() {
    let world = World::start().await;
    let anna = world.person("anna");
    world.subscribe(&anna).await;
    let id = id_of(&world, &anna).await;
    // Its clean-up has to wait, and she comes again meanwhile.
    without_legal_key(&world).await;
    assert_eq!(erase(&world, &id).await["outstanding"], json!(["records"]));
    world.skip(SignedDuration::from_mins(11)).await;
    let sign_up = world.sign_up("double").email(&anna.email);
    let sent = sign_up.from(world.fresh_client()).send().await;
    sent.expect_accepted();
    world.run("legal").await;
    let report = world.run("retention").await;
    assert_eq!(report["erasures"]["completed"], 1, "{report}");
    world.drain().await;
    let mails = world.inbox(&anna.email).await;
    assert_eq!(mails.len(), 2, "the second confirmation, too");
    world.finish().await;
}

#[tokio::test]
async fn whoever_is_erased_by_a_former_address_is_erased_with_the_one_that_took_over() {
    let world = World::start().await;
    let [anna, new] = ["anna", "neu"].map(|name| world.person(name));
    let mail = reader(&world, &anna).await;
    let link = proof(&world, &mail).await;
    let body = format!("action=address&email={}", new.email.replace('@', "%40"));
    let asked = world.post(&link).body(FORM, body).send().await;
    asked.expect_page(200);
    world.drain().await;
    let question = world.only_mail(&new.email).await;
    world.confirm(&question).send().await.expect_page(200);
    assert!(world.subscriber(&new.email).await.is_some());

    let former = format!(
        "/accounts/demo/subscribers?email={}",
        anna.email.replace('@', "%40")
    );
    let erased = world.api().delete(&former).await.expect(202).json();
    assert_eq!(erased["linked"].as_array().map(Vec::len), Some(1));
    assert!(world.subscriber(&new.email).await.is_none());
    world.run("retention").await;
    let stored = world.stored().await;
    for person in [&anna, &new] {
        assert_eq!(found(&world, &traces(person)).await, Vec::<String>::new());
        assert!(stored.holding(&person.email).is_empty());
    }
    world.finish().await;
}
