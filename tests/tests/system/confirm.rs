//! Confirming a double opt-in: by POST only, once, and not after leaving or expiry.

use tests::{Mail, World};

/// A pending sign-up's mail.
async fn pending(world: &World, name: &str) -> (tests::Person, Mail) {
    let person = world.person(name);
    world
        .sign_up("double")
        .email(&person.email)
        .from(world.fresh_client())
        .send()
        .await
        .expect_accepted();
    world.drain().await;
    let mail = world.inbox(&person.email).await.pop().expect("a mail");
    (person, mail)
}

/// What any link that leads nowhere is answered with.
async fn unknown(world: &World) -> tests::Answer {
    world
        .post("/confirm/AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
        .send()
        .await
        .expect_page(404)
}

#[tokio::test]
async fn the_evidence_holds_the_post_although_ten_scanners_looked_before() {
    let world = World::start().await;
    let (anna, mail) = pending(&world, "anna").await;
    let path = mail.path("confirm");
    let before = world.stored().await;
    for scanner in 1..=10 {
        for method in ["GET", "HEAD"] {
            let page = world
                .request(method, &path)
                .from(world.client(40 + scanner))
                .send()
                .await
                .expect_page(200);
            assert_eq!(page.text().contains("<button"), method == "GET");
        }
    }
    world
        .stored()
        .await
        .expect_same(&before, "looking changes nothing");
    assert_eq!(world.subscriber(&anna.email).await, None);

    world.advance("PT2H").await;
    let pressed_after = world.now().await;
    world
        .confirm(&mail)
        .from("127.77.66.55")
        .send()
        .await
        .expect_page(200);
    let evidence = world.evidence(&anna.email).await.remove(0);
    assert_eq!(evidence["confirm_ip"], "127.77.66.55");
    let at: jiff::Timestamp = evidence["confirmed_at"].as_str().unwrap().parse().unwrap();
    assert!(at.as_millisecond() >= pressed_after.as_millisecond());
    world.finish().await;
}

#[tokio::test]
async fn a_second_press_shows_the_result_again_and_changes_nothing() {
    let world = World::start().await;
    let (anna, mail) = pending(&world, "anna").await;
    let first = world.confirm(&mail).send().await.expect_page(200);
    assert!(!first.text().contains("<button"));
    // The hour's run seals what the first press stated.
    world.advance("PT1H").await;
    let before = world.stored().await;
    for body in ["", "x=1"] {
        let again = world
            .confirm(&mail)
            .from("127.55.44.33")
            .body("application/x-www-form-urlencoded", body)
            .send()
            .await
            .expect_page(200);
        assert_eq!(again, first);
    }
    let looked = world.get(&mail.path("confirm")).send().await;
    assert_eq!(looked, first);
    world.stored().await.expect_same(&before, "this");
    assert_eq!(world.evidence(&anna.email).await.len(), 1);
    world.finish().await;
}

#[tokio::test]
async fn a_link_of_an_expired_sign_up_is_an_unknown_one_from_the_very_instant() {
    let world = World::start().await;
    let (anna, mail) = pending(&world, "anna").await;
    let path = mail.path("confirm");
    let evidence = world.evidence(&anna.email).await.remove(0);
    let at: jiff::Timestamp = evidence["signed_up_at"].as_str().unwrap().parse().unwrap();
    let expiry = at + jiff::SignedDuration::from_hours(7 * 24);
    world.hold_clock(expiry - jiff::SignedDuration::from_millis(1));
    world.get(&path).send().await.expect_page(200);
    world.hold_clock(expiry);
    let unknown = unknown(&world).await;
    assert_eq!(world.get(&path).send().await, unknown);
    assert_eq!(world.post(&path).send().await, unknown);
    assert!(world.evidence(&anna.email).await.is_empty(), "unreadable");
    assert_eq!(world.subscriber(&anna.email).await, None);
    world.release_clock();
    // And the person may begin anew.
    let (_, mail) = pending(&world, "anna").await;
    world.confirm(&mail).send().await.expect_page(200);
    world.finish().await;
}

#[tokio::test]
async fn a_link_is_good_until_a_millisecond_before_its_expiry() {
    let world = World::start().await;
    let (anna, mail) = pending(&world, "anna").await;
    let evidence = world.evidence(&anna.email).await.remove(0);
    let at: jiff::Timestamp = evidence["signed_up_at"].as_str().unwrap().parse().unwrap();
    world.hold_clock(at + jiff::SignedDuration::from_millis(7 * 86_400_000 - 1));
    world.confirm(&mail).send().await.expect_page(200);
    world.release_clock();
    world.advance("PT1H").await;
    assert_eq!(world.evidence(&anna.email).await[0]["state"], "confirmed");
    assert!(
        world.subscriber(&anna.email).await.is_some(),
        "expiry is gone"
    );
    world.drain().await;
    world.finish().await;
}

#[tokio::test]
async fn forged_truncated_and_foreign_tokens_get_one_and_the_same_page() {
    let world = World::start().await;
    let (anna, mail) = pending(&world, "anna").await;
    let token = mail.token("confirm");
    // A token of another kind: it opens, but not here.
    let bert = world.person("bert");
    world
        .sign_up("confirmed")
        .email(&bert.email)
        .from(world.fresh_client())
        .send()
        .await
        .expect_accepted();
    world.drain().await;
    let unsubscribe = world.only_mail(&bert.email).await.token("unsubscribe");
    // A token of another platform.
    let elsewhere = World::start().await;
    let (_, foreign) = pending(&elsewhere, "carla").await;
    let foreign = foreign.token("confirm");
    world.keep_private("a token", &foreign);

    let unknown = unknown(&world).await;
    let before = world.stored().await;
    let mails = world.mail_count().await;
    let mut flipped = token.clone().into_bytes();
    let middle = flipped.len() / 2;
    flipped[middle] = if flipped[middle] == b'A' { b'B' } else { b'A' };
    for forged in [
        String::from_utf8(flipped).unwrap(),
        token[..token.len() - 1].to_owned(),
        token[..20].to_owned(),
        format!("{token}A"),
        format!("{token}%00"),
        format!("{token}%0d%0aSet-Cookie:%20a=b"),
        token.to_lowercase(),
        unsubscribe,
        foreign,
        "A".repeat(5_000),
        "%F0%9F%98%80".to_owned(),
        "..".to_owned(),
    ] {
        let path = format!("/confirm/{forged}");
        for method in ["GET", "POST"] {
            let answer = world.request(method, &path).send().await;
            assert_eq!(answer, unknown, "{method} {path}");
        }
    }
    world.stored().await.expect_same(&before, "this");
    assert_eq!(world.mail_count().await, mails);
    assert_eq!(world.subscriber(&anna.email).await, None);
    // The true one still works.
    world.confirm(&mail).send().await.expect_page(200);
    elsewhere.finish().await;
    world.finish().await;
}

#[tokio::test]
async fn who_left_after_signing_up_is_not_brought_back_by_the_old_link() {
    let world = World::start().await;
    let (anna, first) = pending(&world, "anna").await;
    world.confirm(&first).send().await.expect_page(200);
    // A second sign-up of somebody active needs a list they are not on.
    let api = world.api();
    let list = api
        .post(
            "/accounts/demo/lists",
            &serde_json::json!({"name": "Aktionen"}),
        )
        .await
        .expect(201)
        .json();
    let mut setup = api
        .get("/accounts/demo/setups/double")
        .await
        .expect(200)
        .json();
    setup["lists"] = serde_json::json!(["news", list["id"]]);
    api.put("/accounts/demo/setups/double", &setup)
        .await
        .expect(200);
    world.advance("PT11M").await;
    let (_, second) = pending(&world, "anna").await;
    assert_ne!(second.id, first.id);
    world
        .get(&second.path("confirm"))
        .send()
        .await
        .expect_page(200);

    world.advance("PT1S").await;
    let id = world.subscriber(&anna.email).await.unwrap()["id"].clone();
    let path = format!(
        "/accounts/demo/subscribers/{}/unsubscribe",
        id.as_str().unwrap()
    );
    let left = api.post(&path, &serde_json::json!({})).await;
    assert!(left.status < 300, "{left:?}");
    let unknown = unknown(&world).await;
    let before = world.stored().await;
    for method in ["GET", "POST"] {
        let answer = world.request(method, &second.path("confirm")).send().await;
        assert_eq!(answer, unknown, "{method}");
    }
    world.stored().await.expect_same(&before, "this");
    assert_eq!(
        world.subscriber(&anna.email).await.unwrap()["state"],
        "unsubscribed"
    );
    world.finish().await;
}
