//! "That was not me" (M-32): by a POST only, for this form only, and whatever is tried with the
//! link.

use serde_json::json;
use tests::{Mail, Person, World};

use super::made;
use crate::notice::next_minute;

async fn asked(world: &World, setup: &str, person: &Person) -> Mail {
    let before = world.inbox(&person.email).await.len();
    let form = world.sign_up(setup).email(&person.email);
    let sent = form.from(world.fresh_client()).send().await;
    sent.expect_accepted();
    world.drain().await;
    let mut mails = world.inbox(&person.email).await;
    assert_eq!(mails.len(), before + 1, "one mail");
    mails.pop().expect("one mail")
}

#[tokio::test]
async fn who_says_it_was_not_them_hears_no_more_of_this_form_and_all_of_others() {
    let world = World::start().await;
    let (anna, other) = (world.person("anna"), made(&world, &json!({})).await);
    let first = asked(&world, "double", &anna).await;
    world.advance("PT11M").await;
    let second = asked(&world, "double", &anna).await;
    let link = first.path("not-me");
    assert_ne!(link, second.path("not-me"));

    // Scanners follow every link.
    let before = world.stored().await;
    for method in ["GET", "HEAD", "GET"] {
        let page = world.request(method, &link).send().await.expect_page(200);
        assert_eq!(page.text().contains("<button"), method == "GET");
    }
    world.request("PUT", &link).send().await.expect_page(405);
    world
        .stored()
        .await
        .expect_same(&before, "looking changes nothing");

    let done = world.post(&link).send().await.expect_page(200);
    assert!(!done.text().contains("<button"));
    let unknown = world.post("/confirm/AQAAAA").send().await.expect_page(404);
    for mail in [&first, &second] {
        let pressed = world.confirm(mail).send().await;
        assert_eq!(pressed, unknown, "void");
    }
    for evidence in world.evidence(&anna.email).await {
        assert_eq!(evidence["state"], "suppressed");
        assert_eq!(evidence["confirmed_at"], json!(null));
    }
    // Said again, also by the other link.
    let before = world.stored().await;
    for mail in [&first, &second] {
        for method in ["GET", "POST"] {
            let again = world.request(method, &mail.path("not-me")).send().await;
            assert_eq!(again, done, "{method}");
        }
    }
    world.stored().await.expect_same(&before, "saying it again");
    // What is remembered is a setup and a time, and no address.
    let stored = world.scan_table().await;
    let tombstones = stored.of_kind("tombstone");
    assert_eq!(tombstones.len(), 1);
    assert!(
        tombstones[0]["not_me"]["double"].is_string(),
        "{tombstones:?}"
    );
    assert!(!tombstones[0].to_string().contains(&anna.email));

    // The same form asks nothing more, and its answers tell nobody.
    world.advance("PT11M").await;
    let stranger = world.person("stranger");
    for as_json in [false, true] {
        let mut answers = Vec::new();
        for person in [&stranger, &anna] {
            let mut form = world.sign_up("double").email(&person.email);
            if as_json {
                form = form.accept_json();
            }
            answers.push(
                form.from(world.fresh_client())
                    .send()
                    .await
                    .expect_accepted(),
            );
        }
        assert_eq!(answers[0], answers[1]);
        world.advance("PT11M").await;
    }
    world.drain().await;
    assert_eq!(world.inbox(&anna.email).await.len(), 2, "no third mail");
    assert_eq!(world.subscriber(&anna.email).await, None);

    // Another form is another matter.
    let mail = asked(&world, &other, &anna).await;
    world.confirm(&mail).send().await.expect_page(200);
    assert_eq!(
        world.subscriber(&anna.email).await.unwrap()["state"],
        "active"
    );
    // Who has confirmed was it.
    let page = world.get(&mail.path("not-me")).send().await;
    assert_eq!(
        page,
        world.get("/not-me/AQAAAA").send().await.expect_page(404)
    );
    world
        .sign_up("double")
        .email(&anna.email)
        .from(world.fresh_client())
        .send()
        .await
        .expect_accepted();
    world.drain().await;
    assert_eq!(world.inbox(&anna.email).await.len(), 3);
    world.finish().await;
}

#[tokio::test]
async fn a_forged_foreign_or_misused_link_changes_nothing() {
    let world = World::start().await;
    let anna = world.person("anna");
    let mail = asked(&world, "double", &anna).await;
    let elsewhere = World::start().await;
    let foreign = asked(&elsewhere, "double", &elsewhere.person("berta")).await;
    let foreign = foreign.token("not-me");
    world.keep_private("a token", &foreign);
    let (token, confirm) = (mail.token("not-me"), mail.token("confirm"));
    let unknown = world.post("/not-me/AQAAAA").send().await.expect_page(404);
    let mut flipped = token.clone().into_bytes();
    let middle = flipped.len() / 2;
    flipped[middle] = if flipped[middle] == b'A' { b'B' } else { b'A' };
    let before = world.stored().await;
    for (action, text) in [
        ("not-me", String::from_utf8(flipped).unwrap()),
        ("not-me", token[..token.len() - 1].to_owned()),
        ("not-me", format!("{token}A")),
        ("not-me", format!("{token}%00")),
        ("not-me", foreign),
        // One purpose is never taken for another.
        ("not-me", confirm.clone()),
        ("confirm", token.clone()),
        ("unsubscribe", token.clone()),
    ] {
        for method in ["GET", "POST"] {
            let path = format!("/{action}/{text}");
            let answer = world.request(method, &path).send().await;
            assert_eq!(answer, unknown, "{method} {action}");
        }
    }
    world.stored().await.expect_same(&before, "this");
    world.confirm(&mail).send().await.expect_page(200);
    elsewhere.finish().await;
    world.finish().await;
}

#[tokio::test]
async fn the_link_ends_with_its_sign_up_and_no_reminder_comes_after_it() {
    let world = World::start().await;
    let setup = made(&world, &json!({"reminder_days": 1})).await;
    let (anna, berta) = (world.person("anna"), world.person("berta"));
    let mail = asked(&world, &setup, &anna).await;
    world
        .post(&mail.path("not-me"))
        .send()
        .await
        .expect_page(200);
    let late = asked(&world, "double", &berta).await;
    world.advance("P2D").await;
    next_minute(&world).await;
    assert_eq!(world.inbox(&anna.email).await.len(), 1, "not reminded");
    world.advance("P6D").await;
    for mail in [&mail, &late] {
        for method in ["GET", "POST"] {
            let answer = world.request(method, &mail.path("not-me")).send().await;
            answer.expect_page(404);
        }
    }
    // What was said outlives the sign-up.
    let form = world.sign_up(&setup).email(&anna.email);
    form.from(world.fresh_client())
        .send()
        .await
        .expect_accepted();
    world.drain().await;
    assert_eq!(world.inbox(&anna.email).await.len(), 1);
    world.finish().await;
}
