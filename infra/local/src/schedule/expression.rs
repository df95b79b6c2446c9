//! `EventBridge` Scheduler's expressions: `rate(...)`, six-field `cron(...)`, `at(...)`.
//!
//! Says when something is due in a time zone; starts nothing.

use std::collections::BTreeSet;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp, ToSpan};

/// When a schedule is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expression {
    /// Every so often, counted from the epoch so that a restart does not shift it.
    Rate(SignedDuration),
    /// At matching minutes of local time.
    Cron(Cron),
    /// Once, at this local time.
    At(DateTime),
}

/// `cron(minutes hours day-of-month month day-of-week year)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cron {
    minutes: BTreeSet<i16>,
    hours: BTreeSet<i16>,
    days: Option<BTreeSet<i16>>,
    months: BTreeSet<i16>,
    /// 1 is Sunday, as in `EventBridge`.
    weekdays: Option<BTreeSet<i16>>,
    years: Option<BTreeSet<i16>>,
}

const MONTHS: &[&str] = &[
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
];
const WEEKDAYS: &[&str] = &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

impl Expression {
    /// Reads an expression.
    ///
    /// # Errors
    /// What is wrong with it; also what AWS refuses: `rate(1 minutes)`, a five-field cron.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (kind, rest) = text
            .split_once('(')
            .ok_or("expected rate(...), cron(...) or at(...)")?;
        let inner = rest.strip_suffix(')').ok_or("the closing `)` is missing")?;
        match kind {
            "rate" => Self::rate(inner),
            "cron" => Cron::parse(inner).map(Self::Cron),
            "at" => inner
                .parse()
                .map(Self::At)
                .map_err(|_| "at(...) takes yyyy-mm-ddThh:mm:ss".to_owned()),
            other => Err(format!("`{other}(...)` is no schedule expression")),
        }
    }

    fn rate(inner: &str) -> Result<Self, String> {
        let (number, unit) = inner
            .split_once(' ')
            .ok_or("rate(...) takes a number and a unit")?;
        let number: i64 = number
            .parse()
            .map_err(|_| "rate(...) takes a whole number")?;
        let unit_minutes = match (unit, number) {
            ("minute", 1) | ("minutes", 2..) => 1,
            ("hour", 1) | ("hours", 2..) => 60,
            ("day", 1) | ("days", 2..) => 24 * 60,
            _ => {
                return Err(format!(
                    "`{number} {unit}` is no rate (singular for 1, plural for more)"
                ));
            }
        };
        Ok(Self::Rate(SignedDuration::from_mins(
            number.saturating_mul(unit_minutes),
        )))
    }

    /// The last due instant after `after` and not after `until`.
    ///
    /// A local time that a clock change skips is not due; one that occurs twice is due the
    /// first time only (`EventBridge` Scheduler user guide, "Daylight savings time").
    pub fn latest(&self, zone: &TimeZone, after: Timestamp, until: Timestamp) -> Option<Timestamp> {
        let due = match self {
            Self::Rate(every) => {
                let every = i64::try_from(every.as_millis()).unwrap_or(i64::MAX).max(1);
                let due_ms = until.as_millisecond().div_euclid(every) * every;
                Timestamp::from_millisecond(due_ms).ok()
            }
            Self::At(local) => instant(zone, *local).filter(|due| *due <= until),
            Self::Cron(cron) => cron.latest(zone, after, until),
        };
        due.filter(|due| *due > after)
    }

    /// The first due instant from `from` on and not after `until`.
    fn earliest(&self, zone: &TimeZone, from: Timestamp, until: Timestamp) -> Option<Timestamp> {
        let due = match self {
            Self::Rate(every) => {
                let every = i64::try_from(every.as_millis()).unwrap_or(i64::MAX).max(1);
                let from_ms =
                    from.as_millisecond() + i64::from(from.subsec_nanosecond() % 1_000_000 > 0);
                let due_ms = (from_ms + every - 1).div_euclid(every) * every;
                Timestamp::from_millisecond(due_ms).ok()
            }
            Self::At(local) => instant(zone, *local).filter(|due| *due >= from),
            Self::Cron(cron) => cron.earliest(zone, from, until),
        };
        due.filter(|due| *due <= until)
    }

    /// One due instant of every local day within `(after, until]` that has any, in order: the
    /// first that no `awaited` instant of the day comes after, or else the last.
    pub fn one_of_each_day(
        &self,
        zone: &TimeZone,
        after: Timestamp,
        until: Timestamp,
        awaited: &[Timestamp],
    ) -> Vec<Timestamp> {
        let last_day = zone.to_datetime(until).date();
        let mut day = zone.to_datetime(after).date();
        let mut due = Vec::new();
        while day <= last_day {
            let Ok(next) = day.tomorrow() else { break };
            let midnight = |day: Date| zone.to_timestamp(day.to_datetime(Time::midnight()));
            let bounds = (midnight(day), midnight(next));
            if let (Ok(start), Ok(end)) = bounds {
                let moment = SignedDuration::from_millis(1);
                let start = start.checked_sub(moment).unwrap_or(after).max(after);
                let end = end.checked_sub(moment).unwrap_or(until).min(until);
                let awaited = awaited
                    .iter()
                    .filter(|at| **at > start && **at <= end)
                    .max();
                let served = awaited.and_then(|at| self.earliest(zone, *at, end));
                due.extend(served.or_else(|| self.latest(zone, start, end)));
            }
            day = next;
        }
        due
    }
}

impl Cron {
    fn parse(inner: &str) -> Result<Self, String> {
        let fields: Vec<&str> = inner.split_whitespace().collect();
        let [minutes, hours, days, months, weekdays, years] = fields.as_slice() else {
            return Err(
                "cron(...) has six fields: minutes hours day month weekday year".to_owned(),
            );
        };
        if (*days == "?") == (*weekdays == "?") {
            return Err("exactly one of day-of-month and day-of-week is `?`".to_owned());
        }
        let all = |text: &str, low, high, names| {
            field(text, low, high, names).map(|set| set.unwrap_or_else(|| (low..=high).collect()))
        };
        Ok(Self {
            minutes: all(minutes, 0, 59, &[])?,
            hours: all(hours, 0, 23, &[])?,
            days: field(days, 1, 31, &[])?,
            months: all(months, 1, 12, MONTHS)?,
            weekdays: field(weekdays, 1, 7, WEEKDAYS)?,
            years: field(years, 1970, 2199, &[])?,
        })
    }

    fn matches(&self, date: Date) -> bool {
        let weekday = i16::from(date.weekday().to_sunday_one_offset());
        let holds = |set: &Option<BTreeSet<i16>>, value| {
            set.as_ref().is_none_or(|set| set.contains(&value))
        };
        self.months.contains(&i16::from(date.month()))
            && holds(&self.days, i16::from(date.day()))
            && holds(&self.weekdays, weekday)
            && holds(&self.years, date.year())
    }

    fn latest(&self, zone: &TimeZone, after: Timestamp, until: Timestamp) -> Option<Timestamp> {
        let first_day = zone.to_datetime(after).date();
        let mut day = zone.to_datetime(until).date();
        while day >= first_day {
            let due = self
                .instants_of(zone, day)
                .filter(|due| *due <= until)
                .max();
            if due.is_some() {
                return due;
            }
            day = day.checked_sub(1.day()).ok()?;
        }
        None
    }

    fn earliest(&self, zone: &TimeZone, from: Timestamp, until: Timestamp) -> Option<Timestamp> {
        let last_day = zone.to_datetime(until).date();
        let mut day = zone.to_datetime(from).date();
        while day <= last_day {
            let due = self.instants_of(zone, day).filter(|due| *due >= from).min();
            if due.is_some() {
                return due;
            }
            day = day.tomorrow().ok()?;
        }
        None
    }

    /// When it is due on this local day, in no order.
    fn instants_of(&self, zone: &TimeZone, day: Date) -> impl Iterator<Item = Timestamp> {
        let hours = self.hours.iter().filter(move |_| self.matches(day));
        let times = hours.flat_map(|hour| self.minutes.iter().map(move |minute| (*hour, *minute)));
        times.filter_map(move |(hour, minute)| {
            let hour = i8::try_from(hour).ok()?;
            let time = Time::new(hour, i8::try_from(minute).ok()?, 0, 0).ok()?;
            instant(zone, day.to_datetime(time))
        })
    }
}

/// The instant of a local time; `None` where a clock change skips it.
fn instant(zone: &TimeZone, local: DateTime) -> Option<Timestamp> {
    let ambiguous = zone.to_ambiguous_timestamp(local);
    match ambiguous.offset() {
        AmbiguousOffset::Gap { .. } => None,
        AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Fold { .. } => {
            ambiguous.compatible().ok()
        }
    }
}

/// One field; `None` is "any".
fn field(text: &str, low: i16, high: i16, names: &[&str]) -> Result<Option<BTreeSet<i16>>, String> {
    if text == "*" || text == "?" {
        return Ok(None);
    }
    let value = |text: &str| -> Result<i16, String> {
        let position = names
            .iter()
            .position(|name| name.eq_ignore_ascii_case(text));
        let number = match position {
            Some(index) => i16::try_from(index).ok().map(|index| index + 1),
            None => text.parse().ok(),
        };
        number
            .filter(|number| (low..=high).contains(number))
            .ok_or_else(|| format!("`{text}` is not between {low} and {high} in a cron field"))
    };
    let mut set = BTreeSet::new();
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            None => (part, None),
            Some((range, step)) => {
                let step: usize = step.parse().map_err(|_| format!("`{step}` is no step"))?;
                (range, Some(step.max(1)))
            }
        };
        let (from, to) = match range.split_once('-') {
            Some((from, to)) => (value(from)?, value(to)?),
            None if range == "*" => (low, high),
            None => (
                value(range)?,
                if step.is_some() { high } else { value(range)? },
            ),
        };
        set.extend((from..=to).step_by(step.unwrap_or(1)));
    }
    Ok(Some(set))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn latest(expression: &str, zone: &str, after: &str, until: &str) -> Option<String> {
        let zone = TimeZone::get(zone).unwrap();
        let expression = Expression::parse(expression).unwrap();
        expression
            .latest(&zone, after.parse().unwrap(), until.parse().unwrap())
            .map(|due| due.to_string())
    }

    #[test]
    fn due_instants_follow_the_zone_and_its_clock_changes() {
        let vienna = "Europe/Vienna";
        let half_past_two = "cron(30 2 * * ? *)";
        for (expression, after, until, expected) in [
            (
                "rate(1 hour)",
                "2027-01-01T10:10:00Z",
                "2027-01-01T12:20:00Z",
                Some("2027-01-01T12:00:00Z"),
            ),
            (
                "rate(1 hour)",
                "2027-01-01T12:00:00Z",
                "2027-01-01T12:59:59Z",
                None,
            ),
            (
                "rate(1 minute)",
                "2027-01-01T12:00:00Z",
                "2027-01-01T12:01:00Z",
                Some("2027-01-01T12:01:00Z"),
            ),
            (
                "cron(0 4 * * ? *)",
                "2027-01-01T00:00:00Z",
                "2027-01-01T12:00:00Z",
                Some("2027-01-01T03:00:00Z"),
            ),
            (
                "cron(0 4 * * ? *)",
                "2027-07-01T00:00:00Z",
                "2027-07-01T12:00:00Z",
                Some("2027-07-01T02:00:00Z"),
            ),
            // Spring: 02:30 does not exist on 28 March 2027.
            (
                half_past_two,
                "2027-03-27T12:00:00Z",
                "2027-03-28T12:00:00Z",
                None,
            ),
            (
                half_past_two,
                "2027-03-27T12:00:00Z",
                "2027-03-29T12:00:00Z",
                Some("2027-03-29T00:30:00Z"),
            ),
            // Autumn: 02:30 occurs at 00:30Z and 01:30Z on 31 October 2027; the first counts.
            (
                half_past_two,
                "2027-10-30T12:00:00Z",
                "2027-10-31T12:00:00Z",
                Some("2027-10-31T00:30:00Z"),
            ),
            (
                half_past_two,
                "2027-10-31T00:30:00Z",
                "2027-10-31T12:00:00Z",
                None,
            ),
            (
                "cron(0 9 ? * MON-FRI *)",
                "2027-01-01T12:00:00Z",
                "2027-01-03T12:00:00Z",
                None,
            ),
            (
                "cron(0 9 ? * MON-FRI *)",
                "2027-01-01T12:00:00Z",
                "2027-01-04T12:00:00Z",
                Some("2027-01-04T08:00:00Z"),
            ),
            (
                "cron(0/15 8 1 1,JUL ? 2027)",
                "2027-01-01T00:00:00Z",
                "2027-06-30T00:00:00Z",
                Some("2027-01-01T07:45:00Z"),
            ),
            (
                "at(2027-02-01T08:00:00)",
                "2027-01-01T00:00:00Z",
                "2027-06-30T00:00:00Z",
                Some("2027-02-01T07:00:00Z"),
            ),
        ] {
            assert_eq!(
                latest(expression, vienna, after, until).as_deref(),
                expected,
                "{expression} {after} {until}"
            );
        }
    }

    #[test]
    fn what_aws_refuses_is_refused() {
        for expression in [
            "rate(1 minutes)",
            "rate(2 minute)",
            "rate(0 minutes)",
            "rate(soon)",
            "cron(0 4 * * *)",
            "cron(0 4 * * * *)",
            "cron(0 24 * * ? *)",
            "cron(0 4 L * ? *)",
            "every(1 hour)",
            "rate(1 hour",
        ] {
            assert!(Expression::parse(expression).is_err(), "{expression}");
        }
    }

    #[test]
    fn each_day_counts_once_with_its_last_instant_or_the_one_that_is_awaited() {
        let (minutes, hours, daily) = ("rate(1 minute)", "rate(1 hour)", "cron(0/5 4-6 * * ? *)");
        for (expression, awaited, expected) in [
            (
                hours,
                &[][..],
                ["01T22:00:00Z", "02T22:00:00Z", "03T09:00:00Z"],
            ),
            (
                minutes,
                &[][..],
                ["01T22:59:00Z", "02T22:59:00Z", "03T09:15:00Z"],
            ),
            // On time, or within a minute; of two the last one, so that none waits for a day.
            (
                minutes,
                &["02T09:00:00Z", "03T07:00:30Z", "03T05:00:00Z"],
                ["01T22:59:00Z", "02T09:00:00Z", "03T07:01:00Z"],
            ),
            // What was awaited before, or is behind the end, moves nothing; nor does what no
            // instant of the day can serve.
            (
                minutes,
                &["01T10:30:00Z", "03T09:15:01Z", "02T22:59:30Z"],
                ["01T22:59:00Z", "02T22:59:00Z", "03T09:15:00Z"],
            ),
            (
                hours,
                &["02T09:00:00Z", "02T00:00:01Z"],
                ["01T22:00:00Z", "02T09:00:00Z", "03T09:00:00Z"],
            ),
            (
                daily,
                &["02T03:01:00Z", "03T03:00:00Z"],
                ["", "02T03:05:00Z", "03T03:00:00Z"],
            ),
        ] {
            let at = |text: &str| -> Timestamp { format!("2027-01-{text}").parse().unwrap() };
            let awaited: Vec<Timestamp> = awaited.iter().map(|text| at(text)).collect();
            let due = Expression::parse(expression).unwrap().one_of_each_day(
                &TimeZone::get("Europe/Vienna").unwrap(),
                at("01T10:30:00Z"),
                at("03T09:15:00Z"),
                &awaited,
            );
            let expected: Vec<Timestamp> = expected
                .into_iter()
                .filter(|text| !text.is_empty())
                .map(at)
                .collect();
            assert_eq!(due, expected, "{expression} {awaited:?}");
        }
    }
}
