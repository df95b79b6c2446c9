"""EventBridge Scheduler's expressions: are they well formed, and does the hour exist?

Linters pass `rate(1 minutes)`, five-field crons and invented time zones; the service does not.
"""

import re
from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo, available_timezones

MONTHS = "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split()
DAYS = "SUN MON TUE WED THU FRI SAT".split()
# Name, lowest, highest, names (which count from the lowest).
FIELDS = [
    ("minutes", 0, 59, []),
    ("hours", 0, 23, []),
    ("day of month", 1, 31, []),
    ("month", 1, 12, MONTHS),
    ("day of week", 1, 7, DAYS),
    ("year", 1970, 2199, []),
]
YEARS_AHEAD = 4


def problems(expression, zone):
    """Everything wrong with a schedule, as sentences."""
    found = []
    if zone is not None and (len(zone) > 50 or zone not in available_timezones()):
        return [f"{zone!r} is no IANA time zone"]
    if rate := re.fullmatch(r"rate\((\d+) (minute|hour|day)(s?)\)", expression):
        count, plural = int(rate[1]), rate[3] == "s"
        if count == 0 or plural != (count > 1):
            found.append(f"{expression}: one is singular, more are plural, none is nothing")
    elif cron := re.fullmatch(r"cron\((.*)\)", expression):
        fields = cron[1].split()
        if len(fields) != 6:
            return [f"{expression}: {len(fields)} fields instead of six"]
        for field, (name, low, high, names) in zip(fields, FIELDS, strict=True):
            if not _valid(field, low, high, names, dated=name.startswith("day")):
                found.append(f"{expression}: {field!r} is no {name}")
        if (fields[2] == "?") == (fields[4] == "?"):
            found.append(f"{expression}: exactly one of day of month and day of week is '?'")
        if not found:
            found += _missing_hours(expression, fields, zone or "UTC")
    else:
        found.append(f"{expression}: neither rate(...) nor cron(...)")
    return found


def _valid(field, low, high, names, dated):
    def number(value):
        value = str(names.index(value) + low) if value in names else value
        return value.isdigit() and low <= int(value) <= high

    if field == "*" or (dated and (field in ("?", "L") or re.fullmatch(r"\d+(W|L|#[1-5])", field))):
        return True
    for part in field.split(","):
        span, _, step = part.partition("/")
        if "/" in part and not (step.isdigit() and int(step) > 0):
            return False
        ends = span.split("-")
        if not (span == "*" and step) and not (len(ends) <= 2 and all(map(number, ends))):
            return False
    return True


def _missing_hours(expression, fields, zone):
    """Days on which a fixed local time does not exist, or comes twice."""
    if not (fields[0].isdigit() and fields[1].isdigit()):
        return []
    first, tz = date.today(), ZoneInfo(zone)
    for offset in range(366 * YEARS_AHEAD):
        day = first + timedelta(days=offset)
        local = datetime(day.year, day.month, day.day, int(fields[1]), int(fields[0]), tzinfo=tz)
        back = local.astimezone(timezone.utc).astimezone(tz)
        if back.replace(tzinfo=None) != local.replace(tzinfo=None):
            return [f"{expression} does not happen on {day} in {zone}: the clock skips it"]
        if local.utcoffset() != local.replace(fold=1).utcoffset():
            return [f"{expression} is ambiguous on {day} in {zone}: the hour comes twice"]
    return []
