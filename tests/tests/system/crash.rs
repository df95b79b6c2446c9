//! `kill -9`: what was answered is done, after a restart at the latest.
//!
//! With a platform in a process of its own, so that nothing of it lives on.

use tests::World;

const PLATFORM: &str = env!("CARGO_BIN_EXE_platform");

#[tokio::test]
async fn a_platform_that_is_killed_right_after_the_202_has_evidence_and_one_mail_after_its_restart()
{
    let mut world = World::start_apart(PLATFORM).await;
    for number in 0..4 {
        let person = world.person(&format!("nr{number}"));
        world
            .sign_up("double")
            .email(&person.email)
            .field("last_name", &person.last_name)
            .accept_json()
            .from(world.client(10 + number))
            .send()
            .await
            .expect_accepted();
        world.kill_and_restart().await;
        world.drain().await;
        let mail = world.only_mail(&person.email).await;
        let evidence = world.evidence(&person.email).await;
        assert_eq!(evidence.len(), 1);
        assert_eq!(evidence[0]["state"], "pending");
        assert_eq!(
            evidence[0]["form_ip"],
            world.client(10 + number).to_string()
        );
        // The link from before the restart still works.
        world
            .confirm(&mail)
            .from(world.client(50))
            .send()
            .await
            .expect_page(200);
    }
    world.finish().await;
}

#[tokio::test]
async fn a_confirmation_and_a_withdrawal_that_were_answered_survive_a_kill() {
    let mut world = World::start_apart(PLATFORM).await;
    let anna = world.person("anna");
    world
        .sign_up("confirmed")
        .email(&anna.email)
        .send()
        .await
        .expect_accepted();
    world.drain().await;
    let information = world.only_mail(&anna.email).await;
    world
        .unsubscribe_one_click(&information)
        .send()
        .await
        .expect_page(200);
    world.kill_and_restart().await;
    let subscriber = world.subscriber(&anna.email).await.expect("kept");
    assert_eq!(subscriber["state"], "unsubscribed");

    world.advance("PT11M").await;
    world
        .sign_up("double")
        .email(&anna.email)
        .send()
        .await
        .expect_accepted();
    world.drain().await;
    let confirmation = world.inbox(&anna.email).await.pop().expect("a mail");
    world.confirm(&confirmation).send().await.expect_page(200);
    let moved = world.now().await;
    world.kill_and_restart().await;
    assert!(world.now().await >= moved, "the clock goes on where it was");
    let subscriber = world.subscriber(&anna.email).await.expect("back");
    assert_eq!(subscriber["state"], "active");
    assert_eq!(world.inbox(&anna.email).await.len(), 2, "the inbox is kept");
    world.finish().await;
}
