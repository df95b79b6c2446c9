//! Random histories of people, played on the same decisions as the handlers', against a small
//! model of the table, and judged by an oracle that knows only what happened.
//!
//! No part of the product: compiled for tests only. One seed decides everything about a history,
//! so a seed replays it exactly; `tests/tests/system/histories.rs` plays some over HTTP.
#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a simulation: whatever is not as expected ends it"
)]

pub mod command;
mod copies;
mod decide;
pub mod mistake;
pub mod oracle;
pub mod play;
pub mod premises;
mod reconcile;
mod restoring;
pub mod script;

pub use mistake::Mistake;
pub use play::Play;
pub use premises::Premises;
pub use script::{History, Kind, Step, Way, What};

use std::collections::BTreeMap;

/// How often what was met: histories that never meet what they are meant to survive prove nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen(pub BTreeMap<&'static str, u64>);

impl Seen {
    /// Once more.
    pub fn count(&mut self, what: &'static str) {
        *self.0.entry(what).or_default() += 1;
    }

    /// All of another run's.
    pub fn add(&mut self, other: &Self) {
        for (what, count) in &other.0 {
            *self.0.entry(what).or_default() += count;
        }
    }
}

/// Plays the history of a seed to its end; what went wrong otherwise.
///
/// # Errors
/// The first thing that must not be, with the step that led to it.
pub fn play(premises: &Premises, seed: u64, mistake: Option<Mistake>) -> Result<Seen, String> {
    let history = History::of(seed);
    let mut play = Play::new(premises, seed, history.kind, mistake);
    for (number, step) in history.steps.iter().enumerate() {
        play.step(step)
            .map_err(|wrong| format!("step {number} {step:?}: {wrong}"))?;
    }
    play.end()
        .map_err(|wrong| format!("at the end of a history {:?}: {wrong}", history.kind))?;
    Ok(play.seen)
}

#[cfg(test)]
mod tests;
