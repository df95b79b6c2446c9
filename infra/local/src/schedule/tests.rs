use std::sync::Mutex;

use super::*;
use crate::lambda::Invoke;
use crate::template::Function;

type Runs = Arc<Mutex<Vec<(String, String)>>>;

fn stack(schedules: &[(&str, &str)]) -> Stack {
    let mut stack = Stack::default();
    for (function, expression) in schedules {
        stack.functions.insert(
            (*function).to_owned(),
            Function {
                logical_id: (*function).to_owned(),
                environment: std::collections::BTreeMap::new(),
                timeout: std::time::Duration::from_secs(3),
                routes: Vec::new(),
                queues: Vec::new(),
                schedules: vec![Schedule {
                    name: format!("{function}Schedule"),
                    expression: expression::Expression::parse(expression).unwrap(),
                    time_zone: jiff::tz::TimeZone::get("Europe/Vienna").unwrap(),
                    input: None,
                }],
            },
        );
    }
    stack
}

fn scheduler(folder: &std::path::Path, schedules: &[(&str, &str)]) -> (Scheduler, Clock, Runs) {
    let state = State::open(&folder.join("state.db")).unwrap();
    let clock = Clock::open(&state).unwrap();
    let runs: Runs = Arc::default();
    let (noted, told) = (runs.clone(), clock.clone());
    let invoke: Invoke = Arc::new(move |name, _| {
        noted
            .lock()
            .unwrap()
            .push((name.to_owned(), told.now().to_string()));
        Box::pin(async { Ok(Json::Null) })
    });
    (
        Scheduler::open(&stack(schedules), clock.clone(), state, invoke.into()).unwrap(),
        clock,
        runs,
    )
}

fn at_once() -> Settle {
    Arc::new(|| Box::pin(async {}))
}

#[tokio::test]
async fn a_moved_clock_stands_at_each_due_instant_in_order() {
    let folder = crate::trial::Folder::new("platform");
    let (scheduler, clock, runs) = scheduler(
        folder.path(),
        &[
            ("retention", "rate(1 hour)"),
            ("backup", "cron(0 4 * * ? *)"),
        ],
    );
    scheduler
        .move_to("2099-01-01T10:30:00Z".parse().unwrap(), &at_once())
        .await
        .unwrap();
    runs.lock().unwrap().clear();
    // Two days and a bit: at most once per schedule and day.
    let now = scheduler
        .move_to("2099-01-03T09:15:00Z".parse().unwrap(), &at_once())
        .await
        .unwrap();
    assert_eq!(now.to_string(), "2099-01-03T09:15:00Z");
    assert!(clock.now() >= now);
    let expected = [
        ("retention", "2099-01-01T22:00:00Z"),
        ("backup", "2099-01-02T03:00:00Z"),
        ("retention", "2099-01-02T22:00:00Z"),
        ("backup", "2099-01-03T03:00:00Z"),
        ("retention", "2099-01-03T09:00:00Z"),
    ];
    let expected: Vec<(String, String)> = expected
        .iter()
        .map(|(name, at)| ((*name).to_owned(), (*at).to_owned()))
        .collect();
    assert_eq!(*runs.lock().unwrap(), expected);
}

#[tokio::test]
async fn the_clock_does_not_go_back_and_nothing_runs() {
    let folder = crate::trial::Folder::new("platform");
    let (scheduler, clock, runs) = scheduler(folder.path(), &[("retention", "rate(1 hour)")]);
    let refused = scheduler
        .move_to("2001-01-01T00:00:00Z".parse().unwrap(), &at_once())
        .await;
    assert!(matches!(refused, Err(ClockError::Backwards { .. })));
    assert!(runs.lock().unwrap().is_empty());
    assert!(clock.now() > "2020-01-01T00:00:00Z".parse().unwrap());
}

#[tokio::test]
async fn an_instant_fires_once_although_the_platform_restarts() {
    let folder = crate::trial::Folder::new("platform");
    {
        let (scheduler, clock, _) = scheduler(folder.path(), &[("retention", "rate(1 hour)")]);
        scheduler
            .move_to("2099-01-01T10:00:30Z".parse().unwrap(), &at_once())
            .await
            .unwrap();
        clock.advance(jiff::SignedDuration::from_hours(2)).unwrap();
        scheduler.tick().await.unwrap();
    }
    let (scheduler, clock, runs) = scheduler(folder.path(), &[("retention", "rate(1 hour)")]);
    assert!(
        clock.now() >= "2099-01-01T12:00:30Z".parse().unwrap(),
        "the moved clock survives"
    );
    scheduler.tick().await.unwrap();
    assert!(runs.lock().unwrap().is_empty());
    clock.advance(jiff::SignedDuration::from_hours(1)).unwrap();
    scheduler.tick().await.unwrap();
    scheduler.tick().await.unwrap();
    assert_eq!(runs.lock().unwrap().len(), 1);
}
