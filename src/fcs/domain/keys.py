"""Idempotency keys: a request that is sent again under its key gets its first answer."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import Enum
from hashlib import blake2b
from typing import Any, Final

from msgspec import structs

from fcs.domain.errors import InvalidInput, Problem
from fcs.domain.given import require
from fcs.domain.task import NewTask

LENGTH_MAX: Final = 255

_HINT: Final = f"Choose 1 to {LENGTH_MAX} printable characters, such as order-17."

# What is as usual is left out, so that an option which some later fcs adds changes nothing.
_USUAL = [(field.name, field.default) for field in structs.fields(NewTask) if not field.required]


def check_key(key: str) -> str:
    """Return an idempotency key, or raise `InvalidInput`."""
    require("key", key, str, wanted="text", hint=_HINT)
    if 1 <= len(key) <= LENGTH_MAX and key.isprintable():
        return key
    message = f"{key[:50]!r} cannot be an idempotency key"
    raise InvalidInput(
        f"{message[0].upper()}{message[1:]}.",
        hint=_HINT,
        problems=[Problem("/key", message)],
    )


def fingerprint(tasks: Sequence[NewTask]) -> str:
    """A hash over what a request asks for: the same for two that ask for the same.

    The ids do not count, nor the key, nor the order of names in an object or of needed tasks.
    """
    asked = json.dumps([_asked(task) for task in tasks], sort_keys=True, separators=(",", ":"))
    return blake2b(asked.encode(), digest_size=16).hexdigest()


def _asked(task: NewTask) -> dict[str, Any]:
    options = {
        name: _plain(value)
        for name, usual in _USUAL
        if name != "key" and (value := getattr(task, name)) != usual
    }
    return {"ty": task.ty, "args": json.loads(task.args), **options}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, tuple):
        return sorted(str(id) for id in value)
    return str(value) if isinstance(value, Enum) else value
