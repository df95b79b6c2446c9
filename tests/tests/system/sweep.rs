//! Twenty thousand due items: a run that is killed, bounded runs after it, nothing else touched,
//! and reports that add up. A million is the program `sweep`'s.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use functions::app::App;
use functions::aws::{Clients, Meter};
use functions::retention::{self, Bounds};
use jiff::{SignedDuration, Timestamp};
use local::faults::{Fault, Service};
use rundbrief::entropy::SystemEntropy;
use rundbrief::policy::{DeletedBy, Kept, Store};
use rundbrief::retention::UNTOLD;
use serde_json::{Value, json};
use tests::environment::{Environment, functions_and_environment_of};
use tests::{Stored, World, due_items};

const DUE: u64 = 20_000;
/// What one run looks at here; the hourly one at a million.
const PER_RUN: usize = 7_000;
/// Requests after which the first run is killed.
const KILLED_AFTER: u64 = 5_000;
/// Deletions under way at a time: what a kill may leave uncounted besides.
const UNDER_WAY: u64 = 16;

/// The sweeper, as the template sets it up, at an instant of its own.
fn sweeper(environment: &Environment, now: Timestamp) -> (App, Meter) {
    let (settings, meter) = (environment.settings(), Meter::default());
    let clients = Clients::new(settings.clone()).metered(meter.clone());
    let entropy = Arc::new(SystemEntropy::new());
    let app = App::with_clients(clients, settings, Arc::new(move || now), entropy);
    (app, meter)
}

/// Whether an item is over. What is over and in no index is the TTL's: it says nothing of anybody.
fn is_over(item: &Value, now: Timestamp) -> bool {
    let ends = item["expires_ms"].as_i64();
    ends.is_some_and(|ends| ends <= now.as_millisecond()) && !item["due_at"].is_null()
}

/// The items that are over, by whose they are and by kind; `None` for the whole platform.
fn over(stored: &Stored, now: Timestamp) -> BTreeMap<(Option<String>, String), u64> {
    let mut found = BTreeMap::new();
    for ((_, pk, _), item) in &stored.0 {
        if !is_over(item, now) {
            continue;
        }
        let kind = item["kind"].as_str().expect("a kind").to_owned();
        let account = pk.strip_prefix("A#").and_then(|pk| pk.split('#').next());
        let mut count = |whose| *found.entry((whose, kind.clone())).or_default() += 1;
        count(None);
        if let Some(account) = account {
            count(Some(account.to_owned()));
        }
    }
    found
}

fn deleted(report: &Value, kind: &str) -> u64 {
    report["deleted"][kind].as_u64().unwrap_or_default()
}

#[tokio::test]
async fn twenty_thousand_due_items_are_swept_across_a_kill_and_nothing_else_is_touched() {
    let (functions, environment) = functions_and_environment_of("retention");
    let world = World::start_with(move |options| options.functions = functions.clone()).await;
    let name = json!({"name": "Zweite"});
    let second = world.platform_api().post("/accounts", &name).await;
    let second = second.expect(201).json();
    let second_api = world.api_with_key(second["key"].as_str().expect("a key"));
    let second = second["id"].as_str().expect("an id");
    // The platform's own runs stay away: its clock is long before what is due here.
    let due = world.now().await + SignedDuration::from_hours(24 * 60);
    let (table, accounts) = (world.endpoint("table"), ["demo", second]);
    due_items::write(world.clients().dynamodb(), table, &accounts, DUE, due).await;
    let before = world.scan_table().await;
    let expected = over(&before, due);
    let written: u64 = due_items::KINDS
        .iter()
        .map(|kind| expected[&(None, (*kind).to_owned())])
        .sum();
    assert!(written >= DUE, "{expected:?}");

    // The first run is killed in the middle: whatever it was at ends with it.
    let (app, meter) = sweeper(&environment, due);
    let killed = async {
        while meter.calls() < KILLED_AFTER {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        () = killed => {}
        report = retention::run(&app, Bounds::default()) => panic!("it was too fast: {report:?}"),
    }
    drop(app);

    // The following ones go on, each within its bounds.
    let (app, meter) = sweeper(&environment, due);
    let bounds = Bounds {
        items: PER_RUN,
        ..Bounds::default()
    };
    let mut runs: Vec<Value> = Vec::new();
    loop {
        let report = retention::run(&app, bounds).await;
        let report = report.expect("the index answers");
        let examined = report["examined"].as_u64().expect("a number");
        // A page at most beyond it.
        assert!(examined <= PER_RUN as u64 + 250, "{report}");
        assert_eq!(report["failed"], 0, "{report}");
        runs.push(report);
        if runs.last().expect("a run")["more"] == json!(false) {
            break;
        }
        assert!(runs.len() < 10, "it comes to an end: {runs:?}");
    }
    assert!(runs.len() >= 2, "it was cut short: {runs:?}");
    let swept: u64 = due_items::KINDS
        .iter()
        .flat_map(|kind| runs.iter().map(|run| deleted(run, kind)))
        .sum();
    #[expect(clippy::cast_precision_loss, reason = "some ten thousand")]
    let items = swept as f64;
    // An item below 1 KB takes a unit and one above it two, the index entry one more.
    assert!(meter.write_units() >= 2.5 * items, "{meter:?} {swept}");
    assert!(meter.write_units() <= 2.6 * items, "{meter:?} {swept}");
    let last = retention::run(&app, bounds).await;
    let last = last.expect("the index answers");
    assert_eq!(last["deleted"], json!({}), "{last}");

    // Nothing that is over is left, and all that stays is as it was.
    let after = world.scan_table().await;
    assert_eq!(over(&after, due), BTreeMap::new());
    for (key, item) in &before.without_counters().0 {
        if !is_over(item, due) {
            assert_eq!(after.0.get(key), Some(item), "{key:?}");
        }
    }

    // The reports of all runs, also of the killed one, as operator and controllers read them.
    for (whose, api, path) in [
        (None, world.platform_api(), "/deletions".to_owned()),
        (
            Some("demo"),
            world.api(),
            "/accounts/demo/deletions".to_owned(),
        ),
        (
            Some(second),
            second_api,
            format!("/accounts/{second}/deletions"),
        ),
    ] {
        let mut reports = api.all(&path).await;
        reports.retain(|report| {
            let at: Timestamp = report["at"].as_str().unwrap().parse().expect("a time");
            at.as_millisecond() == due.as_millisecond()
        });
        let killed: Vec<&Value> = reports
            .iter()
            .filter(|report| report["finished"] == json!(false))
            .collect();
        assert_eq!(killed.len(), 1, "{whose:?} {reports:?}");
        assert!(killed[0]["total"].as_u64() >= Some(UNTOLD), "{killed:?}");
        let (mut all, mut told) = (0, 0);
        for ((_, kind), count) in expected
            .iter()
            .filter(|((of, _), _)| of.as_deref() == whose)
        {
            let of_kind: u64 = reports.iter().map(|report| deleted(report, kind)).sum();
            assert!(of_kind <= *count, "{whose:?} {kind}: {of_kind} of {count}");
            all += count;
            told += of_kind;
        }
        let totals = reports.iter().filter_map(|report| report["total"].as_u64());
        assert_eq!(totals.sum::<u64>(), told, "{whose:?}");
        // What the killed run had not told yet, and what was under way when it ended.
        assert!(
            all - told <= UNTOLD + UNDER_WAY,
            "{whose:?}: {told} of {all}"
        );
    }
    world.finish().await;
}

#[tokio::test]
async fn a_backlog_keeps_no_erasure_waiting() {
    let (functions, environment) = functions_and_environment_of("retention");
    let world = World::start_with(move |options| options.functions = functions.clone()).await;
    let anna = world.person("anna");
    world.subscribe(&anna).await;
    let id = world.subscriber(&anna.email).await.expect("subscribed")["id"].clone();
    world.fail_next(Service::Suppression, Fault::Before, 1);
    let path = format!("/accounts/demo/subscribers/{}", id.as_str().expect("an id"));
    let begun = world.api().delete(&path).await.expect(202).json();
    assert_eq!(begun["state"], "running", "{begun}");
    let (app, _) = sweeper(&environment, world.now().await);
    // As if what is due took all the time that sweeping has.
    let bounds = Bounds {
        sweep: Duration::ZERO,
        ..Bounds::default()
    };
    let report = retention::run(&app, bounds).await.expect("it answers");
    assert_eq!(
        (&report["examined"], &report["more"]),
        (&json!(0), &json!(true))
    );
    assert_eq!(report["erasures"]["completed"], 1, "{report}");
    world.finish().await;
}

#[test]
fn the_kinds_swept_here_are_the_sweepers_by_the_policy() {
    for kind in due_items::KINDS {
        let is_swept = |store: Store| {
            store.deleted_by() == DeletedBy::Sweeper && matches!(store.kept(), Kept::For(..))
        };
        assert!(Store::of_kind(kind).any(is_swept), "{kind}");
    }
}
