//! Seeded runs of a whole campaign against a model store and a model mail service.
//!
//! Workers and releases interleave step by step; every command may fail before or after its
//! effect, time out, or be the last thing a process does. A seed replays exactly:
//! `RUNDBRIEF_SEED=17 cargo test -p shared simulation` runs one and tells its steps.

mod model;
mod process;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

use world::World;

/// Runs in the test; the command line takes more (`RUNDBRIEF_RUNS`).
const RUNS: u64 = 10_000;

#[expect(
    clippy::disallowed_methods,
    reason = "the number of runs and a seed to replay come from the command line"
)]
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn whatever_fails_nobody_is_mailed_twice_and_everybody_is_accounted_for() {
    if let Some(seed) = number("RUNDBRIEF_SEED") {
        World::new(seed).telling().run();
        return;
    }
    let runs = number("RUNDBRIEF_RUNS").unwrap_or(RUNS);
    let threads = 2;
    let mut seen = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|thread| {
                scope.spawn(move || {
                    let mut seen = world::Seen::default();
                    for seed in (thread..runs).step_by(2) {
                        let run = catch_unwind(AssertUnwindSafe(|| World::new(seed).run()));
                        let Ok(run) = run else {
                            panic!("seed {seed} failed: RUNDBRIEF_SEED={seed} replays it");
                        };
                        seen.add(&run);
                    }
                    seen
                })
            })
            .collect();
        let mut seen = world::Seen::default();
        for worker in workers {
            seen.add(&worker.join().unwrap());
        }
        seen
    });
    // Runs that never meet what they are meant to survive prove nothing.
    if runs >= RUNS {
        for (what, count) in seen.counts() {
            assert!(
                *count > runs / 100,
                "{what} happened {count} times in {runs} runs"
            );
        }
    }
}

#[test]
fn a_seed_replays_exactly() {
    for seed in [3, 1_000_003] {
        assert_eq!(World::new(seed).run(), World::new(seed).run());
    }
}
