//! `EventBridge` Scheduler on one machine: starts functions when they are due.
//!
//! Follows the platform's clock, in real time and when a person moves it.

pub mod expression;

use std::sync::Arc;

use futures::future::BoxFuture;
use jiff::Timestamp;
use serde_json::{Value as Json, json};

use crate::clock::{Clock, ClockError};
use crate::lambda::Handlers;
use crate::state::State;
use crate::template::{Schedule, Stack};

/// Waits until what a firing has put into the queues is worked off.
pub type Settle = Arc<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>;

/// All schedules of the stack.
#[derive(Clone)]
pub struct Scheduler(Arc<Inner>);

struct Inner {
    clock: Clock,
    state: State,
    entries: Vec<Entry>,
    functions: Handlers,
    /// Held while firing: real time and a moved clock never fire at once.
    turn: tokio::sync::Mutex<()>,
}

struct Entry {
    function: String,
    schedule: Schedule,
}

impl Scheduler {
    /// Takes the stack's schedules; a schedule never seen before begins now.
    ///
    /// # Errors
    /// When the state file cannot be read or written.
    pub fn open(
        stack: &Stack,
        clock: Clock,
        state: State,
        functions: Handlers,
    ) -> rusqlite::Result<Self> {
        let mut entries = Vec::new();
        for (function, definition) in &stack.functions {
            for schedule in &definition.schedules {
                entries.push(Entry {
                    function: function.clone(),
                    schedule: schedule.clone(),
                });
            }
        }
        let now = clock.now().as_millisecond();
        state.with(|db| -> rusqlite::Result<()> {
            db.execute_batch(
                "CREATE TABLE IF NOT EXISTS schedules (name TEXT PRIMARY KEY, last_fired_ms INTEGER NOT NULL)",
            )?;
            for entry in &entries {
                db.execute("INSERT OR IGNORE INTO schedules VALUES (?1, ?2)", (&entry.schedule.name, now))?;
            }
            Ok(())
        })?;
        Ok(Self(Arc::new(Inner {
            clock,
            state,
            entries,
            functions,
            turn: tokio::sync::Mutex::new(()),
        })))
    }

    /// Fires every schedule that became due since it last fired, once each.
    ///
    /// # Errors
    /// When the state file cannot be read or written.
    pub async fn tick(&self) -> rusqlite::Result<()> {
        let _turn = self.0.turn.lock().await;
        let now = self.0.clock.now();
        for entry in &self.0.entries {
            let schedule = &entry.schedule;
            let last = self.last_fired(&schedule.name)?;
            if let Some(due) = schedule.expression.latest(&schedule.time_zone, last, now) {
                self.fire(entry, due).await?;
            }
        }
        Ok(())
    }

    /// Ticks every second, until the task is aborted.
    pub async fn follow_real_time(self) {
        let mut ticks = tokio::time::interval(std::time::Duration::from_secs(1));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if self.tick().await.is_err() {
                tracing::error!("the schedules could not be read from the state file");
            }
        }
    }

    /// Moves the clock to `target`, through one due instant of every schedule and day.
    ///
    /// The day's last one, so that what falls due on a day is dealt with when the day is over. But
    /// where the function is awaited at instants of that day, the first one that serves them all.
    ///
    /// The clock stands still at each instant while the functions run.
    ///
    /// # Errors
    /// When `target` is before now, or the state file cannot be written.
    pub async fn move_to(
        &self,
        target: Timestamp,
        settle: &Settle,
    ) -> Result<Timestamp, ClockError> {
        let _turn = self.0.turn.lock().await;
        let now = self.0.clock.now();
        if target.as_millisecond() < now.as_millisecond() {
            return Err(ClockError::Backwards { now });
        }
        let moved = self.step_through(now, target, settle).await;
        self.0.clock.release()?;
        moved.map(|()| target)
    }

    async fn step_through(
        &self,
        now: Timestamp,
        target: Timestamp,
        settle: &Settle,
    ) -> Result<(), ClockError> {
        let mut steps = Vec::new();
        for (index, entry) in self.0.entries.iter().enumerate() {
            let schedule = &entry.schedule;
            let after = self.last_fired(&schedule.name)?.max(now);
            let awaited = (self.0.functions.awaited)(&entry.function, target).await;
            let zone = &schedule.time_zone;
            let due = schedule
                .expression
                .one_of_each_day(zone, after, target, &awaited);
            steps.extend(due.into_iter().map(|due| (due, index)));
        }
        steps.sort_unstable();
        let mut steps = steps.into_iter().peekable();
        while let Some((due, index)) = steps.next() {
            self.0.clock.hold(due)?;
            self.fire(&self.0.entries[index], due).await?;
            if steps.peek().is_none_or(|(next, _)| *next != due) {
                settle().await;
            }
        }
        self.0.clock.hold(target)
    }

    /// Starts a scheduled function now, with its schedule's input or with this. `None`: there is
    /// no such function with a schedule.
    pub async fn run(&self, function: &str, input: Option<Json>) -> Option<Result<Json, String>> {
        let entry = self
            .0
            .entries
            .iter()
            .find(|entry| entry.function == function)?;
        let event = input.unwrap_or_else(|| event(entry, self.0.clock.now()));
        Some((self.0.functions.invoke)(function, event).await)
    }

    /// Name, function and last firing of each schedule, for people.
    pub fn overview(&self) -> Vec<(String, String)> {
        self.0
            .entries
            .iter()
            .map(|entry| (entry.schedule.name.clone(), entry.function.clone()))
            .collect()
    }

    fn last_fired(&self, name: &str) -> rusqlite::Result<Timestamp> {
        let ms = self.0.state.with(|db| {
            db.query_row(
                "SELECT last_fired_ms FROM schedules WHERE name = ?1",
                [name],
                |row| row.get::<_, i64>(0),
            )
        })?;
        Ok(Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MAX))
    }

    /// Noted before it starts: a killed platform does not fire the same instant twice.
    async fn fire(&self, entry: &Entry, due: Timestamp) -> rusqlite::Result<()> {
        let name = &entry.schedule.name;
        self.0.state.with(|db| {
            db.execute(
                "UPDATE schedules SET last_fired_ms = ?2 WHERE name = ?1",
                (name, due.as_millisecond()),
            )
        })?;
        if let Err(error) = (self.0.functions.invoke)(&entry.function, event(entry, due)).await {
            tracing::error!(
                schedule = name,
                function = entry.function,
                error,
                "a scheduled function failed"
            );
        }
        Ok(())
    }
}

/// The function's input, with the scheduler's context attributes filled in.
fn event(entry: &Entry, due: Timestamp) -> Json {
    let Some(input) = &entry.schedule.input else {
        return json!({});
    };
    let due = due.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let text = input
        .replace("<aws.scheduler.scheduled-time>", &due)
        .replace("<aws.scheduler.schedule-arn>", &entry.schedule.name)
        .replace("<aws.scheduler.attempt-number>", "1")
        .replace(
            "<aws.scheduler.execution-id>",
            &format!("{}-{due}", entry.schedule.name),
        );
    serde_json::from_str(&text).unwrap_or(Json::String(text))
}

#[cfg(test)]
mod tests;
