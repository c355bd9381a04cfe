"""Cron rules: when a rule fires by the clocks of a zone, also on the nights when they change.

cronsim reads the expression and walks the calendar. What becomes of a time that the clocks skip,
or show twice, is decided here:

    a rule that names times of a day     skipped: at the first moment after the gap
    ("30 2 * * *")                       shown twice: at the first showing only
    a rule with `*` for minute or hour   whenever the clocks show such a time: not at all
    ("*/15 2 * * *")                     if it is skipped, twice if it is shown twice
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from functools import cache
from itertools import islice
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError
from cronsim.cronsim import SYMBOLIC_DAYS, SYMBOLIC_MONTHS, Field

from fcs.domain.errors import InvalidInput, Problem
from fcs.domain.given import require

LENGTH_MAX: Final = 200

_SECOND = timedelta(seconds=1)
_DAY = timedelta(days=1)

_MACROS: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}

_ALLOWED: Final = {
    Field.SECOND: "0 to 59",
    Field.MINUTE: "0 to 59",
    Field.HOUR: "0 to 23",
    Field.DAY: "1 to 31, L for the last day, LW for the last weekday",
    Field.MONTH: "1 to 12, or jan to dec",
    Field.DOW: "0 to 7 (0 and 7 are Sunday) or sun to sat, mon#2 for the second Monday, 5L for"
    " the last Friday",
}
_NAMES: Final = {
    Field.SECOND: "second",
    Field.MINUTE: "minute",
    Field.HOUR: "hour",
    Field.DAY: "day of the month",
    Field.MONTH: "month",
    Field.DOW: "day of the week",
}
_WORDS: Final = {
    Field.MONTH: [month.lower() for month in SYMBOLIC_MONTHS],
    Field.DOW: [day.lower() for day in SYMBOLIC_DAYS],
}
_EVERY: Final = re.compile(r"At ((?:[\d:, ]|and)+) (?:(every day)|on Monday through Friday)")

_ZONES: Final = "Zones have names like Europe/Warsaw, America/New_York and UTC."


class Rule:
    """A cron expression of five fields (six with seconds first), and the zone of its clocks.

    Raises `InvalidInput` that names the wrong field.
    """

    def __init__(self, cron: str, tz: str) -> None:
        self.tz = tz
        self._zone = _zone(tz)
        self.cron = _checked(cron)
        *_, minute, hour, _, _, _ = self._fields = _expanded(self.cron).split()
        self._names_times = not minute.startswith("*") and not hour.startswith("*")

    def fires_after(self, moment: datetime) -> Iterator[datetime]:
        """The moments at which it fires, in UTC, each later than the one before."""
        return self._at_times(moment) if self._names_times else self._as_shown(moment)

    def next_after(self, moment: datetime) -> datetime:
        """The first fire after a moment. Raises `InvalidInput` if there is none in 50 years."""
        for fire in self.fires_after(moment):
            return fire
        raise _invalid("/cron", f"{self.cron!r} never fires", "No such day comes in 50 years.")

    def preview(self, moment: datetime, count: int) -> list[datetime]:
        """The next fires after a moment, by the zone's own clocks."""
        return [fire.astimezone(self._zone) for fire in islice(self.fires_after(moment), count)]

    def in_words(self) -> str:
        """The rule as a person would say it."""
        said = CronSim(" ".join(self._fields), datetime(2000, 1, 1)).explain()  # noqa: DTZ001
        if found := _EVERY.fullmatch(said):
            said = f"{found[2] or 'every weekday'} at {found[1]}"
        return f"{said[0].lower()}{said[1:]} ({self.tz})"

    def _at_times(self, after: datetime) -> Iterator[datetime]:
        # Several times that are skipped come to the same moment; and who asks during the second
        # showing of an hour gets none of the first.
        for wall in self._walls(after + self._offset(after)):
            moment = self._first_showing(wall)
            if moment > after:
                yield moment
                after = moment

    def _as_shown(self, after: datetime) -> Iterator[datetime]:
        here, offset = after, self._offset(after)
        start = here + offset
        while True:
            for wall in self._walls(start):
                moment = wall.replace(tzinfo=UTC) - offset
                change = self._change_between(here, moment)
                if change is not None:
                    break
                yield moment
                here = moment
            else:
                return
            # From here on the clocks show something else. That very moment may be a fire too.
            here, offset = change, self._offset(change)
            start = here + offset - _SECOND

    def _walls(self, wall: datetime) -> Iterator[datetime]:
        """What a calendar without zones shows after a time, as far as it fits the expression."""
        return CronSim(" ".join(self._fields), wall.replace(tzinfo=None))

    def _first_showing(self, wall: datetime) -> datetime:
        """When the clocks show a time first, or what follows if they skip it."""
        late = wall.replace(tzinfo=self._zone, fold=0).astimezone(UTC)
        if late + self._offset(late) == wall.replace(tzinfo=UTC):
            return late
        # In a gap: the one reading lies before the change, the other one after it.
        early = wall.replace(tzinfo=self._zone, fold=1).astimezone(UTC)
        change = self._change_between(early, late)
        assert change is not None, f"{self.tz} neither shows nor skips {wall}"
        return change

    def _change_between(self, low: datetime, high: datetime) -> datetime | None:
        """The first moment after `low`, up to `high`, from which the zone's offset differs."""
        low = low.replace(microsecond=0)
        while low < high:
            # No zone changes its offset twice within a day.
            step = min(low + _DAY, high)
            if self._offset(step) != self._offset(low):
                return self._bisect(low, step)
            low = step
        return None

    def _bisect(self, low: datetime, high: datetime) -> datetime:
        offset = self._offset(low)
        while high - low > _SECOND:
            middle = low + (high - low) // 2
            middle = middle.replace(microsecond=0)
            if self._offset(middle) == offset:
                low = middle
            else:
                high = middle
        return high

    def _offset(self, moment: datetime) -> timedelta:
        offset = moment.astimezone(self._zone).utcoffset()
        assert offset is not None
        return offset


def _expanded(cron: str) -> str:
    return _MACROS.get(cron.lower(), cron)


def _checked(cron: str) -> str:
    """The expression, its fields one blank apart."""
    require("cron", cron, str, wanted="text", hint='Write it as "0 9 * * mon-fri".')
    if len(cron) > LENGTH_MAX:
        raise _invalid("/cron", "the expression is too long", f"At most {LENGTH_MAX} characters.")
    cron = " ".join(cron.split())
    if cron.startswith("@") and cron.lower() not in _MACROS:
        raise _invalid(
            "/cron", f"{cron!r} is no rule", _near(cron.lower(), _MACROS) or _one_of(_MACROS)
        )
    fields = _expanded(cron).split()
    if len(fields) not in (5, 6):
        raise _invalid(
            "/cron",
            f"{cron!r} has {len(fields)} fields",
            "There are five: minute, hour, day of the month, month, day of the week; or six, with"
            " the second first.",
        )
    for field, text in zip(list(Field)[-len(fields) :], fields, strict=True):
        _check_field(field, text)
    try:
        walls = CronSim(" ".join(fields), datetime(2000, 1, 1))  # noqa: DTZ001 - any will do
        # A 29th of February that is to be a certain day of the week comes once in 28 years.
        if next(walls, None) is not None:
            return cron
    except CronSimError:
        pass
    raise _invalid("/cron", f"{cron!r} never fires", "No month has such a day.")


def _check_field(field: Field, text: str) -> None:
    try:
        field.parse(text.upper())
    except CronSimError:
        raise _invalid(
            "/cron",
            f"{text!r} is no {_NAMES[field]}",
            _near_word(field, text.lower())
            or f"Allowed: {_ALLOWED[field]}, lists (1,2), ranges (1-5) and steps (*/2).",
        ) from None


def _near_word(field: Field, text: str) -> str:
    """What somebody may have meant who writes out the names of days, or comes from elsewhere."""
    if text == "?":
        return "Write * for any."
    words = _WORDS.get(field, [])
    mended = re.sub(
        r"[a-z]{2,}",
        lambda found: next((word for word in words if found[0].startswith(word)), found[0]),
        text,
    )
    try:
        field.parse(mended.upper())
    except CronSimError:
        return ""
    return f"Did you mean {mended!r}?"


def _zone(tz: str) -> ZoneInfo:
    require("tz", tz, str, wanted="the name of a zone", hint=_ZONES)
    if tz in _zones():
        return ZoneInfo(tz)
    places = {name.rpartition("/")[2].lower(): name for name in sorted(_zones())}
    word = tz[:100].strip().replace(" ", "_").lower()
    near = _near(tz[:100], _zones()) or "".join(
        f"Did you mean {places[place]!r}?"
        for place in get_close_matches(word.rpartition("/")[2], places, n=1)
    )
    raise _invalid(
        "/tz",
        f"{tz[:100]!r} is no time zone",
        near or _ZONES,
    )


@cache  # the zones come with the installation, as the code does
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _near(text: str, known: "dict[str, str] | frozenset[str]") -> str:
    return "".join(f"Did you mean {near!r}?" for near in get_close_matches(text, known, n=1))


def _one_of(known: "dict[str, str]") -> str:
    return f"Known: {', '.join(known)}."


def _invalid(pointer: str, message: str, hint: str) -> InvalidInput:
    text = f"{message[0].upper()}{message[1:]}."
    return InvalidInput(text, hint=hint, problems=[Problem(pointer, message)])
