//! A setup's hourly budget and its alarm (M-30); and that the store counts as the simulation does.
//!
//! The other limits are in `limits`.

use std::sync::Arc;

use functions::app::App;
use jiff::Timestamp;
use rundbrief::entropy::SeededEntropy;
use rundbrief::guard::{ADDRESS_LIMIT, CLIENT_LIMIT, GuardAnswer, HourlyBudget, SlidingLog};
use rundbrief::time::plus_seconds;
use serde_json::json;
use tests::World;

/// The setup `double` with this budget.
async fn with_budget(world: &World, budget: u32) {
    let path = "/accounts/demo/setups/double";
    let mut setup = world.api().get(path).await.expect(200).json();
    setup["hourly_budget"] = json!(budget);
    let changed = world.api().put(path, &setup).await.expect(200).json();
    assert_eq!(changed["hourly_budget"], budget);
}

#[tokio::test]
async fn a_setup_over_its_hourly_budget_answers_429_writes_nothing_and_raises_an_alarm() {
    let world = World::start().await;
    // No multiple of the counters: together they take exactly the budget.
    with_budget(&world, 7).await;
    // The hour before the budget's own is as good as any.
    let start = world.set_clock("2027-03-01T10:20:00Z").await;
    for number in 0..7 {
        let person = world.person(&format!("nr{number}"));
        let form = world.sign_up("double").email(&person.email);
        form.from(world.fresh_client())
            .send()
            .await
            .expect_accepted();
    }
    world.drain().await;
    let late = world.person("late");
    let before = world.stored().await;
    for as_bot in [false, true] {
        let form = |client| {
            let form = world
                .sign_up("double")
                .email(&late.email)
                .from(world.client(client));
            if as_bot {
                form.field("website", "x")
            } else {
                form
            }
        };
        let page = form(10).send().await.expect_page(429);
        let problem = form(11).accept_json().send().await;
        let problem = problem.expect_problem(429, "too_many_requests");
        for answer in [page, problem] {
            let seconds: i64 = answer.header("retry-after").unwrap().parse().unwrap();
            // Until the next hour, whatever the clock did meanwhile.
            let passed = world.now().await.as_second() - start.as_second();
            assert!((2_400 - passed..=2_400).contains(&seconds), "{seconds}");
        }
    }
    world
        .stored()
        .await
        .expect_same(&before, "a refused sign-up");
    // The metric filter looks for this line; it names the setup, and nobody.
    let logged = world.logged();
    let line = logged
        .lines()
        .find(|line| line.contains(functions::signup::OVER_BUDGET));
    assert!(
        line.is_some_and(|line| line.contains("setup=double")),
        "{line:?}"
    );
    // Another setup has its own budget, and the next hour another one.
    let other = world.sign_up("single").email(&late.email);
    other.from(world.client(12)).send().await.expect_accepted();
    world.advance("PT40M").await;
    let again = world.sign_up("double").email(&late.email);
    again.from(world.client(13)).send().await.expect_accepted();
    world.drain().await;
    world.finish().await;
}

#[tokio::test]
async fn a_budget_that_is_none_is_refused() {
    let world = World::start().await;
    let path = "/accounts/demo/setups/double";
    let setup = world.api().get(path).await.expect(200).json();
    let before = world.stored().await;
    for (budget, code) in [
        (json!(0), "out_of_range"),
        (json!(-1), "out_of_range"),
        (json!(1_000_001), "out_of_range"),
        (json!(1.5), "not_a_whole_number"),
        (json!("many"), "not_a_whole_number"),
        (json!([100]), "not_a_whole_number"),
    ] {
        let mut changed = setup.clone();
        changed["hourly_budget"] = budget.clone();
        let answer = world.api().put(path, &changed).await.expect(422).json();
        let error = &answer["errors"][0];
        assert_eq!(error["field"], "hourly_budget", "{budget}: {answer}");
        assert_eq!(error["code"], code, "{budget}: {answer}");
    }
    world.stored().await.expect_same(&before, "a refused setup");
    world.finish().await;
}

#[tokio::test]
async fn the_store_counts_as_the_simulation_does() {
    let world = World::start().await;
    let start: Timestamp = "2027-03-01T10:00:00Z".parse().unwrap();
    let clock = Arc::new(move || start);
    let entropy = Arc::new(SeededEntropy::new(1));
    let app = App::new(world.settings(&[]), clock, entropy.clone());
    for (limit, longest) in [(CLIENT_LIMIT, 400), (ADDRESS_LIMIT, 20_000)] {
        for run in 0..4 {
            let (mut log, mut now) = (SlidingLog::default(), start);
            for step in 0..25 {
                // Sometimes to the very second at which there is room again.
                let wait = i64::try_from(entropy.next_u64() % longest).unwrap();
                now = plus_seconds(now, wait);
                let hash = format!("contract{run}");
                let answer = app.store.count(&limit, &hash, now).await.unwrap();
                assert_eq!(
                    answer,
                    log.count(&limit, now),
                    "{} {run} {step}",
                    limit.kind
                );
                if let GuardAnswer::NotBefore(from) = answer
                    && step % 2 == 0
                {
                    now = from;
                    let answer = app.store.count(&limit, &hash, now).await.unwrap();
                    assert_eq!(
                        answer,
                        log.count(&limit, now),
                        "{} {run} {step}",
                        limit.kind
                    );
                }
            }
        }
    }
    let (account, setup) = ("demo".to_owned(), "contract".to_owned());
    let (account, setup) = (account.try_into().unwrap(), setup.try_into().unwrap());
    for first in 0..=6 {
        let budget = HourlyBudget(6);
        let counted = app
            .store
            .count_for_setup(&account, &setup, budget, first, start);
        let expected = if first < 6 {
            GuardAnswer::Counted
        } else {
            GuardAnswer::NotBefore(HourlyBudget::from(start))
        };
        assert_eq!(counted.await.unwrap(), expected, "{first}");
    }
    world.finish().await;
}
