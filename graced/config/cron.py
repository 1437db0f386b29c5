"""Cron expressions: five fields, as in crontab(5), or one of the usual @names."""

from typing import Final

from msgspec import Struct

_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")

# name, lowest, highest, words for numbers (counted from the lowest)
_FIELDS: Final[tuple[tuple[str, int, int, tuple[str, ...]], ...]] = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day", 1, 31, ()),
    ("month", 1, 12, _MONTHS),
    ("weekday", 0, 7, _DAYS),
)
NAMED: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_DAYS_OF: Final = {2: 29, 4: 30, 6: 30, 9: 30, 11: 30}
_HINT: Final = "minute hour day month weekday, such as 30 4 * * mon-fri"


class Cron(Struct, frozen=True):
    """When: the numbers that each field allows. `weekdays`: 0 is Sunday.

    `any_day`, `any_weekday`: the field is `*`. Where neither is, either one is enough (crontab(5)).
    """

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    any_day: bool
    any_weekday: bool


def parse_cron(text: str) -> Cron:
    """Raises ValueError(message, hint) for what is no cron expression, or one that can never come true."""
    fields = NAMED.get(text.strip().lower(), text).split()
    if text.lstrip().startswith("@") and len(fields) == 1:
        raise ValueError(f"{text.strip()[:40]} is no schedule", "known are " + ", ".join(NAMED))
    if len(fields) != len(_FIELDS):
        raise ValueError(f"a cron expression has 5 fields, not {len(fields)}", _HINT)
    sets = [_field(text, *spec) for text, spec in zip(fields, _FIELDS, strict=True)]
    minutes, hours, days, months, weekdays = sets
    any_day, any_weekday = fields[2].startswith("*"), fields[4].startswith("*")
    if any_weekday and not any(min(days) <= _DAYS_OF.get(month, 31) for month in months):
        raise ValueError(f"there is no day {min(days)} in the months given")
    return Cron(minutes, hours, days, months, frozenset(day % 7 for day in weekdays), any_day, any_weekday)


def _field(text: str, name: str, low: int, high: int, words: tuple[str, ...]) -> frozenset[int]:
    found: set[int] = set()
    for part in text.split(","):
        span, slash, step_text = part.partition("/")
        step = _number(step_text, name, 1, high, ()) if slash else 1
        if span == "*":
            first, last = low, high
        else:
            start, dash, end = span.partition("-")
            first = _number(start, name, low, high, words)
            last = _number(end, name, low, high, words) if dash else (high if slash else first)
        if first > last:
            raise ValueError(f"{name} {span[:20]}: the first is after the last", "write two ranges, such as 22-23,0-4")
        found.update(range(first, last + 1, step))
    return frozenset(found)


def _number(text: str, name: str, low: int, high: int, words: tuple[str, ...]) -> int:
    if text.lower() in words:
        return words.index(text.lower()) + low
    if not (text.isascii() and text.isdigit() and len(text) <= 3 and low <= int(text) <= high):
        also = f", or {words[0]} to {words[-1]}" if words else ""
        raise ValueError(f"{name} {text[:20]!r} is not a number from {low} to {high}{also}", _HINT)
    return int(text)
