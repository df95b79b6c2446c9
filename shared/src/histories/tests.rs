//! A hundred thousand histories, and mistakes that they find.
//!
//! `RUNDBRIEF_SEED=17 cargo test --workspace --lib histories::` replays one, `RUNDBRIEF_HISTORIES`
//! plays more.

use super::*;

/// Histories in the test; the command line takes more.
const HISTORIES: u64 = 100_000;
/// At so many failures a thread stops.
const TOLD: usize = 5;
/// As many as the smallest machine that runs the tests has cores.
const THREADS: usize = 2;
/// Histories in which each mistake is found.
const UNTIL_FOUND: u64 = 4_000;

#[expect(
    clippy::disallowed_methods,
    reason = "the number of histories and a seed to replay come from the command line"
)]
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn whatever_happens_nobody_is_mailed_who_must_not_be_and_whoever_confirmed_is() {
    let premises = Premises::new();
    if let Some(seed) = number("RUNDBRIEF_SEED") {
        if let Err(wrong) = play(&premises, seed, None) {
            let steps = History::of(seed).steps;
            let steps = steps.iter().enumerate();
            let steps: Vec<_> = steps.map(|(n, step)| format!("{n} {step:?}")).collect();
            panic!("{wrong}\n{}", steps.join("\n"));
        }
        return;
    }
    let histories = number("RUNDBRIEF_HISTORIES").unwrap_or(HISTORIES);
    let (seen, wrong) = std::thread::scope(|scope| {
        let premises = &premises;
        let workers: Vec<_> = (0_u64..)
            .take(THREADS)
            .map(|thread: u64| {
                scope.spawn(move || {
                    let (mut seen, mut wrong) = (Seen::default(), Vec::new());
                    for seed in (thread..histories).step_by(THREADS) {
                        match play(premises, seed, None) {
                            Ok(one) => seen.add(&one),
                            Err(what) => wrong.push((seed, what)),
                        }
                        if wrong.len() == TOLD {
                            break;
                        }
                    }
                    (seen, wrong)
                })
            })
            .collect();
        let (mut seen, mut wrong) = (Seen::default(), Vec::new());
        for worker in workers {
            let (more, wrongs) = worker.join().unwrap();
            seen.add(&more);
            wrong.extend(wrongs);
        }
        (seen, wrong)
    });
    let wrong: Vec<String> = wrong
        .iter()
        .map(|(seed, what)| format!("RUNDBRIEF_SEED={seed} replays: {what}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    // Histories that never meet what they are meant to survive prove nothing.
    for what in MET {
        let count = seen.0.get(what).copied().unwrap_or(0);
        assert!(
            count >= histories / 500,
            "{what} was met {count} times in {histories} histories"
        );
    }
}

/// What must be met often.
const MET: [&str; 33] = [
    "a sign-up",
    "a repetition",
    "a confirmation",
    "a superseded sign-up",
    "a second press",
    "an expired or deleted link",
    "a void link",
    "a leaving",
    "an objection",
    "a bounce or complaint",
    "a restriction",
    "a restriction lifted",
    "a suppression",
    "an erasure",
    "a clean-up",
    "an import with proof",
    "an import without proof",
    "an import's message twice",
    "a relationship's end",
    "something swept",
    "a conflict",
    "a death before the write",
    "two at the same moment",
    "a repetition later",
    "a backup",
    "an accident",
    "a restore staged",
    "a record restored",
    "a record that a tombstone held back",
    "a record that had expired",
    "a switch before all had arrived",
    "a write that knows not all",
    "a person repaired",
];

#[test]
fn a_seed_replays_exactly() {
    let premises = Premises::new();
    for seed in 0..8 {
        assert_eq!(History::of(seed), History::of(seed));
        assert_eq!(play(&premises, seed, None), play(&premises, seed, None));
    }
}

#[test]
fn every_mistake_is_found() {
    let premises = Premises::new();
    for mistake in Mistake::ALL {
        let found = (0..UNTIL_FOUND).find_map(|seed| play(&premises, seed, Some(mistake)).err());
        assert!(found.is_some(), "{mistake:?} is not found");
    }
}
