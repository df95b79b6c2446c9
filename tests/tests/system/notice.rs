//! The mails to one person: each once, although messages come twice and services fail.

use local::faults::{Fault, Service};
use tests::{Person, World};

/// What the minute's schedule does: whatever is due is sent.
pub(crate) async fn next_minute(world: &World) {
    world.run("campaign").await;
    world.drain().await;
}

async fn sign_up(world: &World, name: &str) -> Person {
    let person = world.person(name);
    world
        .sign_up("double")
        .email(&person.email)
        .from(world.fresh_client())
        .send()
        .await
        .expect_accepted();
    person
}

#[tokio::test]
async fn a_message_that_comes_twice_leads_to_one_mail() {
    let world = World::start().await;
    let mut people = Vec::new();
    for number in 0..12 {
        people.push(sign_up(&world, &format!("nr{number}")).await);
    }
    world.drain().await;
    for person in &people {
        world.only_mail(&person.email).await;
    }
    assert_eq!(world.mail_count().await, 12);
    world.finish().await;
}

#[tokio::test]
async fn a_mail_that_ses_did_not_take_is_sent_by_the_next_delivery() {
    let world = World::start().await;
    world.fail_next(Service::Ses, Fault::Before, 2);
    let anna = sign_up(&world, "anna").await;
    world.drain().await;
    world.only_mail(&anna.email).await;
    world.finish().await;
}

#[tokio::test]
async fn a_lost_answer_of_ses_costs_a_second_copy_and_never_the_mail() {
    let world = World::start().await;
    world.fail_next(Service::Ses, Fault::After, 1);
    let anna = sign_up(&world, "anna").await;
    world.drain().await;
    let mails = world.inbox(&anna.email).await;
    assert_eq!(mails.len(), 2);
    // Both are for the same sign-up, so either button completes it, and once.
    world.confirm(&mails[1]).send().await.expect_page(200);
    world.confirm(&mails[0]).send().await.expect_page(200);
    assert_eq!(world.evidence(&anna.email).await.len(), 1);
    world.finish().await;
}

#[tokio::test]
async fn a_sign_up_whose_message_was_lost_is_mailed_through_the_due_index() {
    let world = World::start().await;
    // The SDK tries three times.
    world.fail_next(Service::Sqs, Fault::Before, 3);
    let anna = sign_up(&world, "anna").await;
    world.drain().await;
    assert_eq!(world.faults_left(), 0);
    assert_eq!(world.mail_count().await, 0);
    assert_eq!(world.evidence(&anna.email).await.len(), 1);
    world.advance("PT2M").await;
    next_minute(&world).await;
    let mail = world.only_mail(&anna.email).await;
    world.confirm(&mail).send().await.expect_page(200);
    // What was mailed is not found again.
    world.advance("PT1H").await;
    next_minute(&world).await;
    assert_eq!(world.mail_count().await, 1);
    world.finish().await;
}

#[tokio::test]
async fn a_platform_that_is_killed_while_ses_is_asked_sends_the_mail_after_its_restart() {
    let mut world = World::start().await;
    world.fail_next(Service::Ses, Fault::Hang, 1);
    let anna = sign_up(&world, "anna").await;
    while world.faults_left() > 0 {
        tokio::task::yield_now().await;
    }
    world.kill_and_restart().await;
    world.drain().await;
    let mail = world.only_mail(&anna.email).await;
    world.confirm(&mail).send().await.expect_page(200);
    world.finish().await;
}

#[tokio::test]
async fn a_mail_whose_cause_is_void_by_now_is_not_sent() {
    let world = World::start().await;
    world.fail_next(Service::Sqs, Fault::Before, 3);
    let anna = sign_up(&world, "anna").await;
    world.drain().await;
    // Nobody looked for it until it was too late.
    let evidence = world.evidence(&anna.email).await.remove(0);
    let expiry = evidence["expires_at"].as_str().unwrap().parse().unwrap();
    world.hold_clock(expiry);
    next_minute(&world).await;
    assert_eq!(world.mail_count().await, 0);
    world.release_clock();
    world.finish().await;
}
