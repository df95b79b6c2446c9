//! Leaving: by our page, and by the mailbox provider's button (RFC 8058).

use serde_json::json;
use tests::{Mail, Person, World};

/// Somebody who signed up by Confirmed opt-in, and the mail with their way out.
async fn subscriber(world: &World, name: &str) -> (Person, Mail) {
    let person = world.person(name);
    world
        .sign_up("confirmed")
        .email(&person.email)
        .field("last_name", &person.last_name)
        .from(world.fresh_client())
        .send()
        .await
        .expect_accepted();
    world.drain().await;
    let mail = world.only_mail(&person.email).await;
    (person, mail)
}

async fn state(world: &World, person: &Person) -> String {
    let subscriber = world.subscriber(&person.email).await.expect("a subscriber");
    subscriber["state"].as_str().expect("a state").to_owned()
}

#[tokio::test]
async fn one_click_works_as_every_provider_sends_it() {
    let world = World::start().await;
    for (name, content_type, body) in [
        (
            "plain",
            "application/x-www-form-urlencoded",
            "List-Unsubscribe=One-Click",
        ),
        (
            "charset",
            "application/x-www-form-urlencoded; charset=UTF-8",
            "List-Unsubscribe=One-Click",
        ),
        (
            "shouting",
            "Application/X-WWW-Form-Urlencoded",
            "List-Unsubscribe=One-Click",
        ),
        (
            "multipart",
            "multipart/form-data; boundary=\"b 1\"",
            "--b 1\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--b 1--\r\n",
        ),
    ] {
        let (person, mail) = subscriber(&world, name).await;
        assert_eq!(state(&world, &person).await, "active");
        let first = world
            .unsubscribe(&mail)
            .body(content_type, body)
            .send()
            .await
            .expect_page(200);
        assert_eq!(first.header("location"), None, "{name}");
        assert_eq!(state(&world, &person).await, "unsubscribed", "{name}");
        // Again moves the times and adds nothing.
        let times = ["withdrawal", "tombstone"];
        let before = world.stored().await.without(&times);
        let second = world
            .unsubscribe(&mail)
            .body(content_type, body)
            .send()
            .await
            .expect_page(200);
        assert_eq!(second, first, "{name}");
        let after = world.stored().await.without(&times);
        after.expect_same(&before, name);

        let left = world.api().all("/accounts/demo/unsubscriptions").await;
        let id = world.subscriber(&person.email).await.unwrap()["id"].clone();
        let own: Vec<_> = left
            .iter()
            .filter(|item| item["subscriber"] == id)
            .collect();
        assert_eq!(own.len(), 1, "{name}: {left:?}");
        assert_eq!(own[0]["via"], "one_click", "{name}");
    }
    world.finish().await;
}

#[tokio::test]
async fn looking_at_the_page_unsubscribes_nobody() {
    let world = World::start().await;
    let (anna, mail) = subscriber(&world, "anna").await;
    let path = mail.path("unsubscribe");
    let before = world.stored().await;
    for _ in 0..5 {
        let page = world.get(&path).send().await.expect_page(200);
        assert!(page.text().contains("<button"));
        world.request("HEAD", &path).send().await.expect_page(200);
        // A scanner may even put the pair into the address.
        world
            .get(&format!("{path}?List-Unsubscribe=One-Click"))
            .send()
            .await
            .expect_page(200);
    }
    world.stored().await.expect_same(&before, "this");
    assert_eq!(state(&world, &anna).await, "active");
    world.finish().await;
}

#[tokio::test]
async fn any_other_post_is_the_button_and_not_one_click() {
    let world = World::start().await;
    for (name, content_type, body) in [
        ("empty", "application/x-www-form-urlencoded", &b""[..]),
        (
            "other",
            "application/x-www-form-urlencoded",
            b"List-Unsubscribe=one-click",
        ),
        (
            "more",
            "application/x-www-form-urlencoded",
            b"List-Unsubscribe=One-Click&x=1",
        ),
        ("text", "text/plain", b"List-Unsubscribe=One-Click"),
        ("broken", "multipart/form-data", b"--x"),
        ("binary", "application/octet-stream", b"\xff\xfe\x00"),
    ] {
        let (person, mail) = subscriber(&world, name).await;
        world
            .unsubscribe(&mail)
            .body(content_type, body)
            .send()
            .await
            .expect_page(200);
        assert_eq!(state(&world, &person).await, "unsubscribed", "{name}");
        let id = world.subscriber(&person.email).await.unwrap()["id"].clone();
        let left = world.api().all("/accounts/demo/unsubscriptions").await;
        let own = left.iter().find(|item| item["subscriber"] == id).unwrap();
        assert_eq!(own["via"], "page", "{name}");
    }
    world.finish().await;
}

#[tokio::test]
async fn leaving_writes_withdrawal_tombstone_and_record_together() {
    let world = World::start().await;
    let (anna, mail) = subscriber(&world, "anna").await;
    let before = world.scan_table().await;
    for kind in ["withdrawal", "tombstone", "unsubscription"] {
        assert!(before.of_kind(kind).is_empty(), "{kind}");
    }
    world
        .unsubscribe_one_click(&mail)
        .send()
        .await
        .expect_page(200);
    let after = world.scan_table().await;
    for kind in ["withdrawal", "tombstone", "unsubscription"] {
        assert_eq!(after.of_kind(kind).len(), 1, "{kind}");
    }
    let tombstone = after.of_kind("tombstone")[0];
    assert!(!tombstone.to_string().contains(&anna.email), "T-12");
    assert_eq!(after.of_kind("sign_up"), before.of_kind("sign_up"));
    world.finish().await;
}

#[tokio::test]
async fn only_a_completed_double_opt_in_brings_somebody_back() {
    let world = World::start().await;
    let (anna, mail) = subscriber(&world, "anna").await;
    world
        .unsubscribe_one_click(&mail)
        .send()
        .await
        .expect_page(200);
    for setup in ["single", "confirmed"] {
        world.advance("PT11M").await;
        world
            .sign_up(setup)
            .email(&anna.email.to_uppercase())
            .from(world.fresh_client())
            .send()
            .await
            .expect_accepted();
        world.drain().await;
        assert_eq!(state(&world, &anna).await, "unsubscribed", "{setup}");
        assert_eq!(world.inbox(&anna.email).await.len(), 1, "{setup}");
    }
    world.advance("PT11M").await;
    world
        .sign_up("double")
        .email(&anna.email)
        .from(world.fresh_client())
        .send()
        .await
        .expect_accepted();
    world.drain().await;
    assert_eq!(state(&world, &anna).await, "unsubscribed", "not yet");
    let mut mails = world.inbox(&anna.email).await;
    assert_eq!(mails.len(), 2);
    let confirmation = mails.pop().unwrap();
    world.confirm(&confirmation).send().await.expect_page(200);
    let subscriber = world.subscriber(&anna.email).await.unwrap();
    assert_eq!(subscriber["state"], "active");
    assert_eq!(subscriber["lists"], json!(["news"]));
    let tombstones = world.scan_table().await;
    assert_eq!(
        tombstones.of_kind("tombstone").len(),
        1,
        "lifted, not deleted"
    );
    // And leaving again works, with the old link too (M-08).
    world
        .unsubscribe_one_click(&mail)
        .send()
        .await
        .expect_page(200);
    assert_eq!(state(&world, &anna).await, "unsubscribed");
    world.finish().await;
}

#[tokio::test]
async fn leaving_again_voids_what_was_signed_up_in_between() {
    let world = World::start().await;
    let (anna, mail) = subscriber(&world, "anna").await;
    let leave = async || {
        world
            .unsubscribe_one_click(&mail)
            .send()
            .await
            .expect_page(200)
    };
    leave().await;
    world.advance("PT11M").await;
    world
        .sign_up("double")
        .email(&anna.email)
        .from(world.fresh_client())
        .send()
        .await
        .expect_accepted();
    world.drain().await;
    let confirmation = world.inbox(&anna.email).await.pop().expect("a mail");
    world.advance("PT1S").await;
    leave().await;
    world.confirm(&confirmation).send().await.expect_page(404);
    assert_eq!(state(&world, &anna).await, "unsubscribed");
    world.finish().await;
}

#[tokio::test]
async fn an_old_link_still_works_and_forged_ones_never_do() {
    let world = World::start().await;
    let (anna, mail) = subscriber(&world, "anna").await;
    let token = mail.token("unsubscribe");
    let before = world.stored().await;
    let unknown = world
        .post("/unsubscribe/AAAA")
        .send()
        .await
        .expect_page(404);
    for forged in [
        token[..token.len() - 2].to_owned(),
        format!("{token}x"),
        token.to_uppercase(),
        "%ff%fe".to_owned(),
        "..%2f..%2fconfirm".to_owned(),
    ] {
        let path = format!("/unsubscribe/{forged}");
        for method in ["GET", "POST"] {
            assert_eq!(world.request(method, &path).send().await, unknown, "{path}");
        }
    }
    world.stored().await.expect_same(&before, "this");
    world.skip(days(59)).await;
    world
        .unsubscribe_one_click(&mail)
        .send()
        .await
        .expect_page(200);
    assert_eq!(state(&world, &anna).await, "unsubscribed");
    // Long after everything of the person but the tombstone is gone: the same page.
    // The last day is lived through, so that no schedule is behind and fires in between.
    world.skip(days(59)).await;
    world.advance("P1D").await;
    world.run("retention").await;
    let before = world.stored().await;
    world
        .unsubscribe_one_click(&mail)
        .send()
        .await
        .expect_page(200);
    world.stored().await.expect_same(&before, "this");
    world.finish().await;
}

fn days(number: i64) -> jiff::SignedDuration {
    jiff::SignedDuration::from_hours(24 * number)
}
