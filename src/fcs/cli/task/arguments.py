"""A task's arguments from the command line, as one JSON object."""

from collections.abc import Sequence
from typing import Any

import msgspec

from fcs.domain import json
from fcs.domain.errors import FcsError, InvalidArguments, InvalidInput
from fcs.registry import TaskType

# Bytes of the command line that are no UTF-8 come back as they were, to be refused as such.
_RAW = "surrogateescape"


def read_arguments(arg: Sequence[str], text: str | None) -> bytes:
    """The object, either given whole or put together from NAME=VALUE.

    Raises `InvalidInput` when it is not one that every reader reads alike.
    """
    if arg and text is not None:
        raise InvalidInput(
            "--arg and --json were both given", hint="Say all arguments in one of the two ways."
        )
    args = _put_together(arg) if text is None else text.encode("utf-8", _RAW)
    value = json.parse(args)
    if not isinstance(value, dict):
        raise InvalidInput(
            "the arguments are not an object", hint='They look like --json \'{"name": "value"}\'.'
        )
    if "ty" in value:
        raise InvalidInput(
            "'ty' cannot be the name of an argument", hint="The type stands before the arguments."
        )
    return args


def check_arguments(args: bytes, task_type: TaskType, arg: Sequence[str]) -> bytes:
    """Hold arguments against the signature of their function."""
    try:
        return task_type.check(args)
    except InvalidArguments as error:
        problem = error.problems[0] if error.problems else None
        if arg and problem and problem.message.startswith("expected `str`"):
            name = problem.pointer[1:]
            error.hint = f"In quotes it is text:  --arg '{name}=\"…\"'"
        raise


def _put_together(arg: Sequence[str]) -> bytes:
    values: dict[str, Any] = {}
    for part in arg:
        name, equals, text = part.partition("=")
        if not equals or not name:
            raise InvalidInput(f"--arg {part[:100]!r} has no name", hint="Say --arg NAME=VALUE.")
        if name in values:
            raise InvalidInput(f"argument {name[:100]!r} was given twice", hint="Give it once.")
        values[name] = _value(text)
    try:
        return msgspec.json.encode(values)
    except UnicodeEncodeError:
        raise InvalidInput("an argument is not UTF-8 text", hint="JSON is always UTF-8.") from None


def _value(text: str) -> Any:
    """JSON if it can be, digit by digit as it was written; else text."""
    raw = text.encode("utf-8", _RAW)
    try:
        json.parse(raw)
    except FcsError:
        return text
    return msgspec.Raw(raw)
