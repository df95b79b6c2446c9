//! The one reminder of a sign-up that nobody has confirmed (O-07).

use serde_json::json;
use tests::{Person, World};

use super::made;
use crate::notice::next_minute;

async fn signed_up(world: &World, setup: &str, name: &str) -> Person {
    let person = world.person(name);
    let form = world.sign_up(setup).email(&person.email);
    let sent = form.from(world.fresh_client()).send().await;
    sent.expect_accepted();
    world.drain().await;
    assert_eq!(world.inbox(&person.email).await.len(), 1, "asked");
    person
}

#[tokio::test]
async fn who_has_not_confirmed_is_reminded_once_although_every_message_comes_twice() {
    let world = World::start().await;
    let setup = made(&world, &json!({"reminder_days": 2})).await;
    let anna = signed_up(&world, &setup, "anna").await;
    let other = signed_up(&world, "double", "berta").await;
    world.advance("PT47H").await;
    next_minute(&world).await;
    assert_eq!(world.inbox(&anna.email).await.len(), 1, "not yet");
    world.advance("PT2H").await;
    next_minute(&world).await;
    let mails = world.inbox(&anna.email).await;
    assert_eq!(mails.len(), 2);
    assert!(
        mails[1].subject.starts_with("Erinnerung:"),
        "{}",
        mails[1].subject
    );
    assert!(mails[1].text().contains("nur dieses eine Mal"));
    assert_eq!(
        mails[1].path("confirm"),
        mails[0].path("confirm"),
        "the same link"
    );
    assert_eq!(mails[1].tags["notice"], "reminder");
    for _ in 0..3 {
        world.advance("P1D").await;
        next_minute(&world).await;
    }
    assert_eq!(world.inbox(&anna.email).await.len(), 2, "once");
    // Who sets nothing reminds nobody.
    assert_eq!(world.inbox(&other.email).await.len(), 1);

    world.confirm(&mails[1]).send().await.expect_page(200);
    let evidence = world.evidence(&anna.email).await.remove(0);
    assert_eq!(evidence["state"], "confirmed");
    let id = evidence["id"].as_str().unwrap();
    let path = format!("/accounts/demo/signups/{id}/certificate");
    let certificate = world.api().get(&path).await.expect(200).json();
    let mailed: Vec<_> = certificate["entries"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|entry| entry["statement"]["mail"].as_str())
        .collect();
    assert_eq!(mailed, ["confirmation", "reminder"]);
    world.finish().await;
}

#[tokio::test]
async fn nobody_is_reminded_of_what_is_settled() {
    let world = World::start().await;
    let setup = made(&world, &json!({"reminder_days": 1, "confirm_days": 2})).await;
    let confirmed = signed_up(&world, &setup, "confirmed").await;
    let mail = world.only_mail(&confirmed.email).await;
    world.confirm(&mail).send().await.expect_page(200);

    // Confirmed, and left again.
    let left = signed_up(&world, &setup, "left").await;
    let mail = world.only_mail(&left.email).await;
    world.confirm(&mail).send().await.expect_page(200);
    let id = world.subscriber(&left.email).await.unwrap()["id"].clone();
    let subscriber = format!("/accounts/demo/subscribers/{}", id.as_str().unwrap());
    let api = world.api();
    api.post(&format!("{subscriber}/unsubscribe"), &json!({}))
        .await
        .expect(200);

    // Waits, and is suppressed by the controller.
    let suppressed = signed_up(&world, &setup, "suppressed").await;
    let rule = json!({"kind": "address", "value": suppressed.email});
    api.post("/accounts/demo/suppressions", &rule)
        .await
        .expect(201);

    // Asked again since: only the later one is reminded of.
    let twice = signed_up(&world, &setup, "twice").await;
    world.advance("PT1H").await;
    let form = world.sign_up(&setup).email(&twice.email);
    let sent = form.from(world.fresh_client()).send().await;
    sent.expect_accepted();
    world.drain().await;
    assert_eq!(world.inbox(&twice.email).await.len(), 2);

    // Nobody looked for it until it was too late.
    let late = signed_up(&world, &setup, "late").await;
    let mails = world.mail_count().await;
    world.advance("PT24H").await;
    next_minute(&world).await;
    next_minute(&world).await;
    for (person, expected) in [
        (&confirmed, 1),
        (&left, 1),
        (&suppressed, 1),
        (&twice, 3),
        (&late, 2),
    ] {
        assert_eq!(world.inbox(&person.email).await.len(), expected);
    }
    assert_eq!(world.mail_count().await, mails + 2);

    let expired = signed_up(&world, &setup, "expired").await;
    let evidence = world.evidence(&expired.email).await.remove(0);
    let expiry = evidence["expires_at"].as_str().unwrap().parse().unwrap();
    world.hold_clock(expiry);
    next_minute(&world).await;
    assert_eq!(world.inbox(&expired.email).await.len(), 1);
    world.release_clock();
    world.finish().await;
}
