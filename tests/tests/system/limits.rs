//! How often one may sign up: repeats, limits per client and address, bots (M-28 to M-31).
//!
//! What a single sign-up leads to is in `sign_up`; what limits withstand altogether is simulated
//! in `rundbrief::guard::simulation`.

mod budget;

use serde_json::json;
use tests::World;

#[tokio::test]
async fn a_repeat_within_ten_minutes_writes_nothing() {
    let world = World::start().await;
    // Ten minutes in which no hour ends: evidence is sealed hourly.
    let hour = world.now().await.as_second().div_euclid(3_600) + 1;
    let begin = jiff::Timestamp::from_second(hour * 3_600 + 60).expect("a time");
    world.set_clock(&begin.to_string()).await;
    let anna = world.person("anna");
    let sign_up = async |client: u8| {
        world
            .sign_up("double")
            .email(&anna.email)
            .field("last_name", &anna.last_name)
            .from(world.client(client))
            .send()
            .await
            .expect_accepted();
        world.drain().await;
    };
    sign_up(10).await;
    let before = world.stored().await;
    for step in ["PT1S", "PT5M", "PT4M"] {
        world.advance(step).await;
        sign_up(11).await;
    }
    // Also in another spelling: it is the same person (M-21).
    world
        .sign_up("double")
        .email(&anna.email.to_uppercase())
        .from(world.client(12))
        .send()
        .await
        .expect_accepted();
    world.drain().await;
    world.stored().await.expect_same(&before, "this");
    assert_eq!(world.mail_count().await, 1);
    world.finish().await;
}

#[tokio::test]
async fn a_later_repeat_is_a_sign_up_of_its_own_and_confirming_one_supersedes_the_other() {
    let world = World::start().await;
    for confirmed in [0, 1] {
        let anna = world.person(&format!("anna{confirmed}"));
        for _ in 0..2 {
            world
                .sign_up("double")
                .email(&anna.email)
                .from(world.fresh_client())
                .send()
                .await
                .expect_accepted();
            world.drain().await;
            world.advance("PT10M1S").await;
        }
        let mails = world.inbox(&anna.email).await;
        assert_eq!(mails.len(), 2);
        assert_ne!(mails[0].token("confirm"), mails[1].token("confirm"));
        for mail in &mails {
            let page = world
                .get(&mail.path("confirm"))
                .send()
                .await
                .expect_page(200);
            assert!(page.text().contains("<button"), "both links work");
        }
        world
            .confirm(&mails[confirmed])
            .from(world.client(20))
            .send()
            .await
            .expect_page(200);
        let evidence = world.evidence(&anna.email).await;
        let states: Vec<_> = evidence.iter().map(|e| e["state"].clone()).collect();
        let mut expected = vec![json!("superseded"); 2];
        expected[confirmed] = json!("confirmed");
        assert_eq!(states, expected);
        // The other link shows the result, and adds nothing.
        let other = &mails[1 - confirmed];
        let before = world.stored().await;
        world
            .confirm(other)
            .from(world.client(21))
            .send()
            .await
            .expect_page(200);
        world.stored().await.expect_same(&before, "this");
    }
    world.finish().await;
}

#[tokio::test]
async fn the_sixth_sign_up_of_a_client_within_ten_minutes_is_too_many() {
    let world = World::start().await;
    for number in 1..=5 {
        let person = world.person(&format!("nr{number}"));
        world
            .sign_up("double")
            .email(&person.email)
            .send()
            .await
            .expect_accepted();
    }
    world.drain().await;
    let sixth = world.person("nr6");
    let before = world.stored().await;
    let page = world
        .sign_up("double")
        .email(&sixth.email)
        .send()
        .await
        .expect_page(429);
    let problem = world
        .sign_up("double")
        .email(&sixth.email)
        .accept_json()
        .send()
        .await
        .expect_problem(429, "too_many_requests");
    for answer in [page, problem] {
        let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=600).contains(&seconds), "{seconds}");
    }
    world.stored().await.expect_same(&before, "this");
    // Others go on, and so does this one later.
    world
        .sign_up("double")
        .email(&sixth.email)
        .from(world.client(30))
        .send()
        .await
        .expect_accepted();
    world.advance("PT10M1S").await;
    world
        .sign_up("double")
        .email(&world.person("nr7").email)
        .send()
        .await
        .expect_accepted();
    world.drain().await;
    world.finish().await;
}

#[tokio::test]
async fn twenty_spellings_of_one_gmail_mailbox_get_three_mails_a_day_at_most() {
    let world = World::start().await;
    let local: Vec<char> = format!("quellwolke{}", world.person("x").customer_number)
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect();
    let spellings: Vec<String> = (0..20)
        .map(|number| {
            let mut spelled = String::new();
            for (at, letter) in local.iter().enumerate() {
                spelled.push(*letter);
                if at < 5 && number >> at & 1 == 1 {
                    spelled.push('.');
                }
            }
            format!("{spelled}@gmail.com")
        })
        .collect();
    for spelling in &spellings {
        world
            .sign_up("double")
            .email(spelling)
            .from(world.fresh_client())
            .send()
            .await
            .expect_accepted();
    }
    world.drain().await;
    assert_eq!(world.mail_count().await, 1, "at once");
    let mut before = 1;
    for _ in 0..12 {
        world.advance("PT10M").await;
        crate::notice::next_minute(&world).await;
        let now = world.mail_count().await;
        assert!(
            now - before <= 1,
            "{} mails within ten minutes",
            now - before
        );
        before = now;
    }
    assert!((1..=3).contains(&before), "{before} mails within a day");
    // Folding is for counting only: each spelling is a person of its own.
    // Each has its evidence, mailed or not (S-11).
    for spelling in &spellings {
        let evidence = world.evidence(spelling).await;
        assert_eq!(evidence.len(), 1);
        assert_eq!(evidence[0]["state"], "pending");
    }
    world.finish().await;
}

/// A setup of its own for a list of its own.
async fn setup(world: &World, mode: &str, number: usize) -> String {
    let api = world.api();
    let id = format!("{mode}-{number}");
    let list = json!({"id": id, "name": format!("Liste {id}")});
    api.post("/accounts/demo/lists", &list).await.expect(201);
    let mut setup = api
        .get("/accounts/demo/setups/double")
        .await
        .expect(200)
        .json();
    setup["id"] = json!(id);
    setup["mode"] = json!(mode);
    setup["lists"] = json!([id]);
    if mode != "double" {
        setup["justification"] = json!("Bestandskunden");
    }
    api.post("/accounts/demo/setups", &setup).await.expect(201);
    id
}

#[tokio::test]
async fn over_the_limit_of_an_address_every_sign_up_has_its_evidence_and_nobody_stays_untold() {
    let world = World::start().await;
    let anna = world.person("anna");
    let sign_up = async |setup: &str| {
        world
            .sign_up(setup)
            .email(&anna.email)
            .from(world.fresh_client())
            .send()
            .await
            .expect_accepted();
        world.drain().await;
    };
    // Hour by hour, each mail at its first chance.
    let wait = async |hours: usize| {
        for _ in 0..hours {
            world.advance("PT1H").await;
            crate::notice::next_minute(&world).await;
        }
        world.inbox(&anna.email).await.len()
    };
    let mut lists = Vec::new();
    for number in 0..5 {
        let id = setup(&world, "confirmed", number).await;
        sign_up(&id).await;
        lists.push(id);
    }
    let subscriber = world.subscriber(&anna.email).await.expect("active at once");
    assert_eq!(subscriber["lists"], json!(lists));
    assert_eq!(world.evidence(&anna.email).await.len(), 5);
    assert_eq!(world.inbox(&anna.email).await.len(), 1);
    assert_eq!(wait(12).await, 3, "three a day");

    // Double: pending, and not mailed tomorrow either.
    let asked = setup(&world, "double", 0).await;
    sign_up(&asked).await;
    let evidence = world.evidence(&anna.email).await;
    assert_eq!(evidence.len(), 6);
    assert_eq!(evidence[5]["state"], "pending");
    assert!(evidence[5]["expires_at"].is_string());
    assert_eq!(wait(11).await, 3, "three a day");
    assert_eq!(wait(6).await, 5, "the others the next day");
    assert_eq!(wait(30).await, 5, "and nothing of the pending one");
    for mail in world.inbox(&anna.email).await {
        assert!(
            mail.text().contains("unsubscribe/"),
            "told, with the way out"
        );
    }
    // With room again, asking again is answered.
    sign_up(&asked).await;
    assert_eq!(world.inbox(&anna.email).await.len(), 6);
    world.finish().await;
}

#[tokio::test]
async fn another_list_is_no_repetition_and_who_left_is_not_told_any_more() {
    let world = World::start().await;
    let anna = world.person("anna");
    let other = setup(&world, "double", 1).await;
    let told = setup(&world, "confirmed", 1).await;
    for setup in ["double", &other, "double"] {
        world
            .sign_up(setup)
            .email(&anna.email)
            .from(world.fresh_client())
            .send()
            .await
            .expect_accepted();
        world.drain().await;
    }
    assert_eq!(world.evidence(&anna.email).await.len(), 2);
    world.advance("PT10M1S").await;
    crate::notice::next_minute(&world).await;
    let mails = world.inbox(&anna.email).await;
    assert_eq!(mails.len(), 2);
    // Each adds its list.
    for mail in &mails {
        world.confirm(mail).send().await.expect_page(200);
    }
    let subscriber = world.subscriber(&anna.email).await.expect("subscribed");
    assert_eq!(subscriber["lists"], json!([other, "news"]));

    // The information waits for its turn; meanwhile she leaves.
    world
        .sign_up(&told)
        .email(&anna.email)
        .from(world.fresh_client())
        .send()
        .await
        .expect_accepted();
    world.drain().await;
    let id = subscriber["id"].as_str().expect("an id");
    let path = format!("/accounts/demo/subscribers/{id}/unsubscribe");
    world.api().post(&path, &json!({})).await.expect(200);
    world.advance("PT1H").await;
    crate::notice::next_minute(&world).await;
    assert_eq!(world.inbox(&anna.email).await.len(), 2);
    world.finish().await;
}

#[tokio::test]
async fn a_subscriber_who_signs_up_again_and_again_is_left_in_peace() {
    let world = World::start().await;
    let anna = world.person("anna");
    world.subscribe(&anna).await;
    let profile = world.subscriber(&anna.email).await;
    for setup in ["single", "confirmed", "double"] {
        for _ in 0..5 {
            world
                .sign_up(setup)
                .email(&anna.email)
                .field("first_name", "Jemand Anders")
                .from(world.fresh_client())
                .send()
                .await
                .expect_accepted();
        }
    }
    world.drain().await;
    assert_eq!(world.inbox(&anna.email).await.len(), 1, "the first one");
    assert_eq!(world.subscriber(&anna.email).await, profile);
    world.finish().await;
}

#[tokio::test]
async fn the_hosted_form_works_and_a_form_that_is_sent_twice_or_too_fast_is_a_bots() {
    let world = World::start().await;
    let form_token = async || {
        let page = world
            .get("/signup/demo/double")
            .send()
            .await
            .expect_page(200);
        let text = page.text();
        let (_, rest) = text.split_once("name=\"_form\" value=\"").unwrap();
        rest.split('"').next().unwrap().to_owned()
    };
    let [slow, fast, again, old] = ["slow", "fast", "again", "old"].map(|name| world.person(name));
    let send = async |email: &str, token: &str| {
        world
            .sign_up("double")
            .email(email)
            .field("_form", token)
            .field("website", "")
            .from(world.fresh_client())
            .send()
            .await
            .expect_accepted()
    };
    let token = form_token().await;
    world.keep_private("a token", &token);
    let as_bot = send(&fast.email, &token).await;
    world.advance("PT3S").await;
    let as_human = send(&slow.email, &token).await;
    assert_eq!(send(&again.email, &token).await, as_human);
    assert_eq!(as_bot, as_human);
    let stale = form_token().await;
    world.skip(days(8)).await;
    assert_eq!(send(&old.email, &stale).await, as_human);
    send(&fast.email, "forged").await;
    world.drain().await;
    for (person, mails) in [(&slow, 1), (&fast, 0), (&again, 0), (&old, 0)] {
        assert_eq!(world.inbox(&person.email).await.len(), mails);
    }
    world.finish().await;
}

fn days(number: i64) -> jiff::SignedDuration {
    jiff::SignedDuration::from_hours(24 * number)
}
