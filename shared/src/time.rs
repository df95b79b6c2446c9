//! Instants, calendar months and the hours of the `due` index.
//!
//! No clock here: the time is an argument everywhere.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan};
use serde::{Deserialize, Serialize, Serializer};

/// `instant` without what is below a millisecond (S-16: evidence has millisecond precision).
pub fn to_millisecond(instant: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(instant.as_millisecond()).unwrap_or(instant)
}

/// An instant as answers show it: RFC 3339 in UTC with exactly three decimals, so that all of them
/// have one form and sort as text. What is stored keeps its own precision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShownInstant(pub Timestamp);

impl Serialize for ShownInstant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:.3}", to_millisecond(self.0)))
    }
}

/// `instant` plus `seconds`; stays at the end of time instead of overflowing.
pub fn plus_seconds(instant: Timestamp, seconds: i64) -> Timestamp {
    instant
        .checked_add(Span::new().try_seconds(seconds).unwrap_or_default())
        .unwrap_or(Timestamp::MAX)
}

/// `instant` plus `days` of 24 hours each.
pub fn plus_days(instant: Timestamp, days: u32) -> Timestamp {
    plus_seconds(instant, i64::from(days) * 86_400)
}

/// A zone by its IANA name.
///
/// # Errors
/// When the name is not in the bundled database.
pub fn zone(name: &str) -> Result<TimeZone, InvalidTimeZone> {
    // The name's own limit is EventBridge Scheduler's: 50 characters.
    if name.len() > 50 {
        return Err(InvalidTimeZone);
    }
    TimeZone::get(name).map_err(|_| InvalidTimeZone)
}

/// The name is not an IANA time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an IANA time zone")]
pub struct InvalidTimeZone;

/// When data whose relationship ended on `last_day` are due for deletion: at the end of the day
/// one calendar month later, in the account's zone (S-08).
///
/// A day that the month lacks becomes its last day (Reg. 1182/71 Art. 3(2)(c)), so 31 January
/// leads to the end of 28 or 29 February.
pub fn one_month_after(last_day: Date, zone: &TimeZone) -> Timestamp {
    let due_day = last_day
        .checked_add(1.month())
        .and_then(|day| day.checked_add(1.day()))
        .unwrap_or(Date::MAX);
    due_day
        .to_zoned_datetime(zone.clone())
        .map_or(Timestamp::MAX, |start_of_next_day| {
            start_of_next_day.timestamp()
        })
}

/// The calendar day of `instant` in `zone`.
pub fn day_in(instant: Timestamp, zone: &TimeZone) -> Date {
    instant.to_zoned_datetime(zone.clone()).date()
}

/// An hour since 1970, the unit that sign-ups of a setup are counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DueHour(pub i64);

impl DueHour {
    /// The hour that `instant` is in.
    pub fn of(instant: Timestamp) -> Self {
        Self(instant.as_second().div_euclid(3_600))
    }

    /// The hour after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relationship_ends_one_calendar_month_later_at_the_end_of_the_day() {
        let vienna = zone("Europe/Vienna").unwrap();
        for (ended, due) in [
            ("2027-01-31", "2027-03-01T00:00:00+01:00"),
            ("2028-01-31", "2028-03-01T00:00:00+01:00"),
            ("2027-02-27", "2027-03-28T00:00:00+01:00"),
            ("2027-02-28", "2027-03-29T00:00:00+02:00"),
            ("2027-12-31", "2028-02-01T00:00:00+01:00"),
        ] {
            let due: Timestamp = due.parse().unwrap();
            assert_eq!(
                one_month_after(ended.parse().unwrap(), &vienna),
                due,
                "{ended}"
            );
        }
    }

    #[test]
    fn every_instant_is_shown_with_three_decimals() {
        for (instant, shown) in [
            ("2027-01-31T12:00:00Z", "2027-01-31T12:00:00.000Z"),
            ("2027-01-31T13:00:00.5+01:00", "2027-01-31T12:00:00.500Z"),
            ("2027-01-31T12:00:00.123999999Z", "2027-01-31T12:00:00.123Z"),
        ] {
            let instant: Timestamp = instant.parse().unwrap();
            let json = serde_json::to_value(ShownInstant(instant)).unwrap();
            assert_eq!(json, shown, "{instant}");
        }
    }

    #[test]
    fn an_unknown_zone_is_refused() {
        for name in ["", "Europe/Atlantis", &"x".repeat(51)] {
            assert_eq!(zone(name).unwrap_err(), InvalidTimeZone);
        }
    }
}
