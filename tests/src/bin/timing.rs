//! The table of what a sign-up costs, by whom it is about: does the time tell who is known (M-28)?
//!
//! `cargo run --release --workspace --bin timing [ROUNDS]`. Posts of all classes take turns; the
//! CPU time of the thread that answers is counted, not the wall clock. Prints and judges nothing.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a measuring program for people: it prints a table and stops where something is not as expected"
)]

use serde_json::json;
use tests::World;
use tests::measured::{Used, functions};

const CLASSES: [&str; 6] = [
    "new",
    "pending (repeated)",
    "subscribed",
    "unsubscribed",
    "on the controller's list",
    "bot (honeypot)",
];
/// Rounds before the measuring.
const WARM: usize = 50;

/// Prepares people of every class but the new and the bots, who need nothing.
async fn people(world: &World, rounds: usize) {
    for setup in ["single", "double"] {
        let path = format!("/accounts/demo/setups/{setup}");
        let mut changed = world.api().get(&path).await.expect(200).json();
        changed["hourly_budget"] = json!(1_000_000);
        let put = world.api().put(&path, &changed).await;
        put.expect(200);
    }
    for number in 0..rounds + WARM {
        for class in ["subscribed", "unsubscribed"] {
            post(world, "single", &address(class, number), number, false).await;
        }
        post(world, "double", &address(CLASSES[1], number), number, false).await;
        let pattern = json!({"kind": "address", "value": address(CLASSES[4], number)});
        let path = "/accounts/demo/suppressions";
        world.api().post(path, &pattern).await.expect(201);
        let email = address("unsubscribed", number);
        let found = world.subscriber(&email).await.expect("subscribed");
        let id = found["id"].as_str().expect("an id");
        let path = format!("/accounts/demo/subscribers/{id}/unsubscribe");
        world.api().post(&path, &json!({})).await.expect(200);
    }
    world.drain().await;
}

fn address(class: &str, number: usize) -> String {
    let class: String = class.chars().filter(char::is_ascii_alphanumeric).collect();
    format!("{class}{number}@timing.example")
}

async fn post(world: &World, setup: &str, email: &str, number: usize, is_bot: bool) {
    let form = world
        .sign_up(setup)
        .email(email)
        .field("first_name", "Vorname")
        .from(
            format!(
                "127.{}.{}.{}",
                20 + number / 60_000 % 20,
                number / 240 % 250,
                number % 240 + 1
            )
            .as_str(),
        )
        .accept_json();
    let form = if is_bot {
        form.field("website", "https://spam.example")
    } else {
        form
    };
    form.send().await.expect_accepted();
}

/// CPU microseconds of each post of a class.
async fn measure(world: &World, used: &Used, rounds: usize) -> Vec<Vec<f64>> {
    let mut found = vec![Vec::new(); CLASSES.len()];
    for round in 0..rounds + WARM {
        for at in 0..CLASSES.len() {
            // Each round begins with another class, so that none always follows the same.
            let class = (at + round) % CLASSES.len();
            let number = 100_000 + round * CLASSES.len() + class;
            let before = used.cpu_ns();
            let email = address(CLASSES[class], round);
            post(world, "double", &email, number, class == 5).await;
            #[expect(clippy::cast_precision_loss, reason = "microseconds for a table")]
            let spent = (used.cpu_ns() - before) as f64 / 1e3;
            if round >= WARM {
                found[class].push(spent);
            }
        }
    }
    for class in &mut found {
        class.sort_by(f64::total_cmp);
    }
    found
}

fn percentile(sorted: &[f64], percent: usize) -> f64 {
    sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)]
}

/// Bins that two distributions are compared in.
const BINS: usize = 40;

/// The share that two distributions have in common, in bins from the least to the 99th percentile
/// of both: 1 when they are the same, 0 when any post could be told apart.
fn overlap(one: &[f64], other: &[f64]) -> f64 {
    let least = f64::min(one[0], other[0]);
    let most = f64::max(percentile(one, 99), percentile(other, 99));
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "bins of a table"
    )]
    let bins = |sorted: &[f64]| {
        let mut bins = vec![0.0; BINS];
        for spent in sorted {
            let bin = (spent - least) / (most - least).max(1.0) * BINS as f64;
            bins[(bin as usize).min(BINS - 1)] += 1.0 / sorted.len() as f64;
        }
        bins
    };
    bins(one)
        .iter()
        .zip(bins(other))
        .map(|(one, other)| f64::min(*one, other))
        .sum()
}

fn main() {
    let rounds = std::env::args()
        .nth(1)
        .map_or(500, |rounds| rounds.parse().expect("a number of rounds"));
    let used = Used::default();
    let measured = used.clone();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let found = runtime.block_on(async move {
        let handlers = functions([("signup", measured)].into());
        let world = World::start_with(move |options| {
            options.functions = handlers.clone();
            options.null_ses = true;
            options.deliver_once = true;
        })
        .await;
        people(&world, rounds).await;
        let found = measure(&world, &used, rounds).await;
        world.drain().await;
        world.finish().await;
        found
    });
    println!(
        "CPU microseconds of `signup` per post, {rounds} of each class, in turns\n\n\
         {:<26} {:>7} {:>7} {:>7} {:>7}  {:>18}",
        "", "p50", "p90", "p95", "p99", "overlap with new"
    );
    for (class, spent) in CLASSES.iter().zip(&found) {
        println!(
            "{class:<26} {:>7.0} {:>7.0} {:>7.0} {:>7.0}  {:>17.0}%",
            percentile(spent, 50),
            percentile(spent, 90),
            percentile(spent, 95),
            percentile(spent, 99),
            100.0 * overlap(spent, &found[0]),
        );
    }
    println!(
        "\noverlap: the share of the two distributions in common, in {BINS} bins up to the 99th percentile."
    );
}
