"""What people lay down for a queue, checked where it comes in."""

import re
from collections.abc import Mapping
from typing import Final

from fcs.domain.errors import InvalidInput, Problem

LIMIT_MAX: Final = 1_000_000
RATE_MIN: Final = 1e-6

BY_MAX: Final = 200
WHY_MAX: Final = 1_000

_RATES: Final = ("rate", "key_rate")

_RATE: Final = re.compile(r"(\d+(?:\.\d+)?)/(s|m|h|d)")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def rate_of(text: str, *, name: str = "rate") -> float:
    """Starts in a second, from text such as 50/s, 10/m or 0.5. Raises `InvalidInput`."""
    stripped = text.strip()
    if found := _RATE.fullmatch(stripped):
        return float(found[1]) / _SECONDS[found[2]]
    try:
        return float(stripped)
    except ValueError:
        raise _invalid(
            name, f"{text[:100]!r} is not a rate", "Write it as 50/s, 10/m, 100/h or 5/d."
        ) from None


def check_limits(changes: Mapping[str, float | str | None]) -> dict[str, float | None]:
    """Limits by name, as rows have them; `None` is no limit. Raises `InvalidInput`."""
    return {name: _check(name, value) for name, value in changes.items()}


def _check(name: str, value: float | str | None) -> float | None:
    if value is None:
        return None
    if name in _RATES:
        rate = rate_of(value, name=name) if isinstance(value, str) else value
        if RATE_MIN <= rate <= LIMIT_MAX:
            return rate
        raise _invalid(
            name,
            f"the rate {value} is out of range",
            f"Choose something up to {LIMIT_MAX:,} starts in a second; a pause stops all.",
        )
    if isinstance(value, int) and 1 <= value <= LIMIT_MAX:
        return value
    raise _invalid(
        name,
        f"the limit {name} cannot be {value}",
        f"Choose 1 to {LIMIT_MAX:,}, or none for no limit; a pause stops all.",
    )


def _invalid(name: str, message: str, hint: str) -> InvalidInput:
    text = f"{message[0].upper()}{message[1:]}."
    return InvalidInput(text, hint=hint, problems=[Problem(f"/{name}", message)])
