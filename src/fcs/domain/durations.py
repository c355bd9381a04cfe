"""Stretches of time as people write them: 90, "90", "90s", "10m", "1h30m", "2d"."""

import re
from datetime import timedelta
from math import isfinite
from typing import Final, TypeAlias

from fcs.domain.errors import InvalidInput
from fcs.domain.given import misfit

Duration: TypeAlias = float | timedelta | str
"""A number is in seconds."""

SECONDS_MAX: Final = 365 * 1_000 * 86_400.0

_UNITS: Final = {
    "ms": 0.001,
    "s": 1.0,
    "m": 60.0,
    "min": 60.0,
    "h": 3_600.0,
    "d": 86_400.0,
    "w": 604_800.0,
}
_NUMBER: Final = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_PART: Final = re.compile(rf"({_NUMBER.pattern})(ms|min|[smhdw])")
_WHOLE: Final = re.compile(rf"(?:{_PART.pattern}\s*)+")
_HINT: Final = "Write it as 90s, 10m, 1h30m or 2d; a plain number is in seconds."


def seconds_of(duration: Duration, *, option: str = "the time") -> float:
    """A stretch of time in seconds, not below zero. Raises `InvalidInput` naming the option."""
    if isinstance(duration, timedelta):
        seconds = duration.total_seconds()
    elif isinstance(duration, str):
        seconds = _read(duration)
    else:
        seconds = _number(duration, option)
    if not (isfinite(seconds) and 0 <= seconds <= SECONDS_MAX):
        raise InvalidInput(
            f"{duration!r} is no stretch of time that fcs can wait",
            hint="Give something from 0 seconds to a thousand years.",
        )
    return seconds


def _number(given: float, option: str) -> float:
    if not isinstance(given, bool):
        try:
            return float(given)
        except (TypeError, ValueError, OverflowError):
            pass
    raise misfit(option, given, wanted="a stretch of time", hint=_HINT)


def _read(text: str) -> float:
    stripped = text.strip().lower()
    if _WHOLE.fullmatch(stripped):
        return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(stripped))
    if _NUMBER.fullmatch(stripped):
        return float(stripped)
    raise InvalidInput(
        f"{text[:100]!r} is not a stretch of time",
        hint=_HINT,
    )
