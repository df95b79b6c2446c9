//! Sweeps many due items, and prints what it took: time, memory, calls and capacity units.
//!
//! `cargo run --release --workspace --bin sweep -- 100000 1000000`. The engine runs in this
//! process, the sweeper in one of its own, single-threaded as in a Lambda: its memory is its own.
//! What a call took, the engine says. Prints and judges nothing but that everything is gone.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measuring program for people: it reads its arguments, prints a table, and stops where something is not as expected"
)]

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use functions::app::App;
use functions::aws::{Clients, Meter};
use functions::retention::{self, Bounds};
use functions::settings::Settings;
use jiff::{SignedDuration, Timestamp};
use rundbrief::entropy::SystemEntropy;
use serde_json::{Value, json};
use tests::environment::functions_and_environment_of;
use tests::{World, due_items};

/// How this program calls itself for the sweeper.
const SWEEPER: &str = "--sweeper";

/// The most memory that this process ever had, in MB.
fn peak_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux says");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kb = line.map(|line| line.trim().trim_end_matches(" kB"));
    let kb: f64 = kb.and_then(|kb| kb.parse().ok()).expect("a number");
    kb / 1024.0
}

/// Seconds that this process was on a processor.
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/schedstat").expect("Linux says");
    let first = text.split_whitespace().next().expect("a number");
    first.parse::<f64>().expect("a number") / 1e9
}

#[expect(clippy::cast_precision_loss, reason = "numbers for a table")]
fn per(total: u64, count: f64) -> f64 {
    total as f64 / count
}

/// The sweeper: run after run until nothing is left, a line for each with what all took so far.
fn sweep(due: u64, now: Timestamp) {
    let settings = Settings::read(&|name| std::env::var(name).ok()).expect("complete settings");
    let meter = Meter::default();
    let clients = Clients::new(settings.clone()).metered(meter.clone());
    let entropy = Arc::new(SystemEntropy::new());
    let app = App::with_clients(clients, settings, Arc::new(move || now), entropy);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let (mut deleted, mut run) = (0, 0);
    let begun = Instant::now();
    loop {
        let report = runtime.block_on(retention::run(&app, Bounds::default()));
        let report = report.expect("the index answers");
        let numbers = report["deleted"].as_object().expect("numbers").values();
        deleted += numbers.filter_map(Value::as_u64).sum::<u64>();
        run += 1;
        let seconds = begun.elapsed().as_secs_f64();
        println!(
            "{due:>9} {run:>4} {deleted:>9} {seconds:>8.1} {:>8.0} {:>7.1} {:>9} {:>11.0} {:>10.0} {:>8} {:>8.1}",
            per(deleted, seconds),
            cpu_seconds(),
            meter.calls(),
            meter.write_units(),
            meter.read_units(),
            meter.refused_writes(),
            peak_mb(),
        );
        if report["more"] == json!(false) {
            assert_eq!(report["failed"], 0, "{report}");
            assert!(deleted >= due, "all of them are gone");
            return;
        }
    }
}

/// Fills a platform with so many due items and has them swept.
async fn measure(count: u64) {
    let (functions, environment) = functions_and_environment_of("retention");
    let world = World::start_with(move |options| {
        options.null_ses = true;
        options.functions = functions.clone();
    })
    .await;
    // The platform's own runs stay away: its clock is long before what is due here.
    let due = world.now().await + SignedDuration::from_hours(24 * 60);
    let (clients, table) = (world.clients(), world.endpoint("table"));
    due_items::write(clients.dynamodb(), table, &["demo"], count, due).await;
    let mut sweeper = Command::new(std::env::current_exe().expect("a path"));
    sweeper
        .args([SWEEPER, &count.to_string(), &due.to_string()])
        .envs(environment.variables())
        .stdin(Stdio::null());
    let ended = tokio::task::spawn_blocking(move || sweeper.status()).await;
    let ended = ended.expect("no panic").expect("it starts");
    assert!(ended.success(), "the sweeper ends well");
    world.finish().await;
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [first, count, now] = &arguments[..]
        && first == SWEEPER
    {
        sweep(
            count.parse().expect("a number"),
            now.parse().expect("a time"),
        );
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    println!(
        "{:>9} {:>4} {:>9} {:>8} {:>8} {:>7} {:>9} {:>11} {:>10} {:>8} {:>8}",
        "due",
        "run",
        "deleted",
        "seconds",
        "items/s",
        "CPU s",
        "calls",
        "write units",
        "read units",
        "refused",
        "peak MB"
    );
    for count in &arguments {
        let count = count.parse().expect("how many items");
        runtime.block_on(measure(count));
    }
}
