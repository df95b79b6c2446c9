//! Limits on sign-ups, by client, setup and address (M-30).
//!
//! Says what is counted and how often it may happen; counting is the adapter's part. In which
//! order a request meets them is `screening`'s, and what they withstand `simulation`'s.

use jiff::Timestamp;

use crate::time::{DueHour, plus_seconds};

pub mod screening;
pub mod simulation;

/// Whether one more may happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuardAnswer {
    /// It was counted.
    Counted,
    /// Not before this instant.
    NotBefore(Timestamp),
}

/// A sliding log of the last `count` events: one more is allowed when the oldest of them is
/// `window_seconds` old and the newest `gap_seconds`.
///
/// Exact at every boundary, unlike a counter per fixed window, and one conditional update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlidingLimit {
    /// Names the counter's item.
    pub kind: &'static str,
    /// Events per window.
    pub count: u8,
    /// The window in seconds.
    pub window_seconds: i64,
    /// The least distance between two events in seconds.
    pub gap_seconds: i64,
}

/// Sign-ups from one client (M-30): 5 in 10 minutes.
pub const CLIENT_LIMIT: SlidingLimit = SlidingLimit {
    kind: "client",
    count: 5,
    window_seconds: 600,
    gap_seconds: 0,
};

/// Mails to one address across the whole platform (M-30): 3 in 24 hours, 10 minutes apart.
pub const ADDRESS_LIMIT: SlidingLimit = SlidingLimit {
    kind: "address",
    count: 3,
    window_seconds: 86_400,
    gap_seconds: 600,
};

/// Links to a person's data that an account mails to them: 5 in 24 hours, a minute apart
/// (engineering). A limit of its own: nobody's sign-ups keep a person from their rights.
pub const PROOF_LIMIT: SlidingLimit = SlidingLimit {
    kind: "proof",
    count: 5,
    window_seconds: 86_400,
    gap_seconds: 60,
};

impl SlidingLimit {
    /// The newest instant the oldest event may have.
    pub fn oldest_before(&self, now: Timestamp) -> Timestamp {
        plus_seconds(now, -self.window_seconds)
    }

    /// The newest instant the newest event may have.
    pub fn newest_before(&self, now: Timestamp) -> Timestamp {
        plus_seconds(now, -self.gap_seconds)
    }

    /// When the counter's item is of no more use.
    pub fn expires_at(&self, now: Timestamp) -> Timestamp {
        plus_seconds(now, self.window_seconds)
    }

    /// When an event is allowed, given the logged ones, oldest first.
    pub fn allowed_from(&self, events: &[Timestamp]) -> Timestamp {
        let oldest = (events.len() >= usize::from(self.count))
            .then(|| events[events.len() - usize::from(self.count)])
            .map(|at| plus_seconds(at, self.window_seconds));
        let newest = events.last().map(|at| plus_seconds(*at, self.gap_seconds));
        oldest.max(newest).unwrap_or(Timestamp::MIN)
    }
}

/// The events that a limit counts, as the store's log item keeps them: what the simulation counts
/// with, and what the store must agree with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SlidingLog(Vec<Timestamp>);

impl SlidingLog {
    /// Counts one more event, unless the limit forbids it.
    pub fn count(&mut self, limit: &SlidingLimit, now: Timestamp) -> GuardAnswer {
        let from = limit.allowed_from(&self.0);
        if from > now {
            return GuardAnswer::NotBefore(from);
        }
        if self.0.len() >= usize::from(limit.count) {
            self.0.remove(0);
        }
        self.0.push(now);
        GuardAnswer::Counted
    }
}

/// How many sign-ups a setup takes within one hour of the clock before it answers 429.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HourlyBudget(pub u32);

/// Counters per setup and hour: one form may take 1,000 sign-ups a second without a hot item
///
pub const SETUP_SHARDS: u8 = 4;

impl HourlyBudget {
    /// What one counter takes; together they take the budget, not one more.
    pub fn of_shard(self, shard: u8) -> u32 {
        let shards = u32::from(SETUP_SHARDS);
        self.0 / shards + u32::from(u32::from(shard) < self.0 % shards)
    }

    /// The counters in the order in which they are asked, beginning with any: a request is refused
    /// only when all of them are full.
    pub fn shards(first: u8) -> impl Iterator<Item = u8> {
        (0..SETUP_SHARDS).map(move |step| (first % SETUP_SHARDS + step) % SETUP_SHARDS)
    }

    /// When there is room again.
    pub fn from(now: Timestamp) -> Timestamp {
        Timestamp::from_second(DueHour::of(now).next().0 * 3_600).unwrap_or(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counters_of_a_budget_take_exactly_the_budget() {
        for budget in [0, 1, 2, 3, 4, 5, 7, 10, 2_000, 1_000_000, u32::MAX] {
            let shares =
                (0..SETUP_SHARDS).map(|shard| u64::from(HourlyBudget(budget).of_shard(shard)));
            assert_eq!(shares.sum::<u64>(), u64::from(budget));
        }
        for first in 0..=u8::MAX {
            let mut asked: Vec<u8> = HourlyBudget::shards(first).collect();
            asked.sort_unstable();
            assert_eq!(asked, [0, 1, 2, 3], "{first}");
        }
        let now = "2027-03-01T10:59:59.999Z".parse().unwrap();
        assert_eq!(HourlyBudget::from(now).to_string(), "2027-03-01T11:00:00Z");
    }

    #[test]
    fn a_log_allows_what_its_limit_says_to_the_second() {
        let mut log = SlidingLog::default();
        let start: Timestamp = "2027-03-01T10:00:00Z".parse().unwrap();
        // Seconds after the start, and from when one is allowed; none where it is counted.
        for (at, from) in [
            (0, None),
            (1, Some(600)),
            (599, Some(600)),
            (600, None),
            (1_200, None),
            (1_800, Some(86_400)),
            (86_399, Some(86_400)),
            (86_400, None),
            (86_401, Some(87_000)),
        ] {
            let answer = log.count(&ADDRESS_LIMIT, plus_seconds(start, at));
            let expected = match from {
                None => GuardAnswer::Counted,
                Some(from) => GuardAnswer::NotBefore(plus_seconds(start, from)),
            };
            assert_eq!(answer, expected, "{at}");
        }
    }
}
