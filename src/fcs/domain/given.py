"""What was given for an option, looked at by its type before it is asked anything."""

from numbers import Integral
from typing import Any

from fcs.domain.errors import InvalidInput, Problem
from fcs.domain.text import safe_text

_SHOWN_MAX = 100


def require(option: str, given: object, kind: type[Any], *, wanted: str, hint: str) -> None:
    """Raise `InvalidInput` unless what was given is of that type, `wanted` in words."""
    if not isinstance(given, kind):
        raise misfit(option, given, wanted=wanted, hint=hint)


def whole_number(option: str, given: object, *, hint: str) -> int:
    """Return a whole number as an `int`, or raise `InvalidInput`; `True` is none."""
    # What Python would compare Postgres may refuse, and end the transaction of the caller.
    if not isinstance(given, bool) and isinstance(given, Integral):
        return int(given)
    raise misfit(option, given, wanted="a whole number", hint=hint)


def misfit(option: str, given: object, *, wanted: str, hint: str) -> InvalidInput:
    """The error for an option that was given something else than is wanted."""
    message = f"{option} was given {shown(given)}, which is not {wanted}"
    return InvalidInput(message, hint=hint, problems=[Problem(f"/{option}", message)])


def shown(given: object) -> str:
    """A value as its code would be written, cut short."""
    return safe_text(repr(given))[:_SHOWN_MAX]
