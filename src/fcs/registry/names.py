"""What the names of types and queues may look like, and which priorities there are."""

import re
from typing import Final

from fcs.domain.errors import InvalidInput, Problem
from fcs.domain.given import require, whole_number
from fcs.domain.task import PRIORITY_MAX, PRIORITY_MIN

LIMIT_KEY_MAX: Final = 200

# Plain names can stand in a URL, a file name, a log line and an OpenAPI component as they are.
QUEUE_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$"
TYPE_PATTERN: Final = r"^[A-Za-z_][A-Za-z0-9_.-]{0,199}$"

_QUEUE = re.compile(QUEUE_PATTERN)
_TYPE = re.compile(TYPE_PATTERN)

_QUEUE_HINT: Final = (
    "Start with a letter or a digit; go on with letters, digits, dots, dashes and underscores;"
    " at most 100 characters."
)
_PRIORITY_HINT: Final = f"Choose {PRIORITY_MIN} (last) to {PRIORITY_MAX} (first)."
_LIMIT_KEY_HINT: Final = f"A key is printable text of at most {LIMIT_KEY_MAX} characters."


def check_queue(name: str) -> str:
    """Return the name of a queue, or raise `InvalidInput`."""
    require("queue", name, str, wanted="text", hint=_QUEUE_HINT)
    if _QUEUE.fullmatch(name):
        return name
    raise _invalid(
        "/queue",
        f"{name[:100]!r} is not the name of a queue",
        _QUEUE_HINT,
    )


def check_priority(priority: int) -> int:
    """Return a priority, or raise `InvalidInput`."""
    priority = whole_number("priority", priority, hint=_PRIORITY_HINT)
    if PRIORITY_MIN <= priority <= PRIORITY_MAX:
        return priority
    raise _invalid(
        "/priority",
        f"the priority {str(priority)[:20]} is out of range",
        _PRIORITY_HINT,
    )


def check_limit_key(key: str, *, place: str = "/limit_key") -> str:
    """Return a limit key, or raise `InvalidInput` about what stands at that JSON pointer."""
    require("limit_key", key, str, wanted="text", hint=_LIMIT_KEY_HINT)
    if len(key) <= LIMIT_KEY_MAX and key.isprintable():
        return key
    raise _invalid(
        place,
        f"{key[:50]!r} cannot be a limit key",
        _LIMIT_KEY_HINT,
    )


def is_type_name(name: object) -> bool:
    return isinstance(name, str) and _TYPE.fullmatch(name) is not None


def _invalid(pointer: str, message: str, hint: str) -> InvalidInput:
    text = f"{message[0].upper()}{message[1:]}."
    return InvalidInput(text, hint=hint, problems=[Problem(pointer, message)])
