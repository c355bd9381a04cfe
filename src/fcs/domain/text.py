"""Safe text: one total function from any object to text that Postgres can store.

Error messages come from everywhere: bodies raise exceptions whose `__str__` raises, or that
carry a hundred megabytes. Recording how a task ended must not fail over such a thing.
"""

from typing import Any, Final

BYTES_MAX: Final = 16 * 1024

_CUT = "… (cut)"


def safe_text(value: object) -> str:
    """Text for a value: no NUL, no lone surrogate, at most 16 KiB of UTF-8. Never raises.

    An exception becomes the name of its type and its message.
    """
    text = _text_of(value)
    head = text[: BYTES_MAX + 1]  # a character has at least one byte
    stored = head.replace("\0", "\\x00").encode("utf-8", "backslashreplace")
    if len(stored) <= BYTES_MAX:
        return stored.decode("utf-8")
    room = BYTES_MAX - len(_CUT.encode("utf-8"))
    return stored[:room].decode("utf-8", "ignore") + _CUT


def _text_of(value: object) -> str:
    try:
        if isinstance(value, BaseException):
            return _describe(value)
        return _exact(value if isinstance(value, str) else str(value))
    except BaseException:  # noqa: BLE001 - whatever the value's own code raises, a text comes out
        return f"({name_of(type(value))} that cannot be shown as text)"


def _describe(error: BaseException) -> str:
    name = name_of(type(error))
    try:
        message = _exact(str(error))
    except BaseException:  # noqa: BLE001 - the same
        return f"{name} (its message cannot be shown)"
    return f"{name}: {message}" if message else name


def _exact(text: str) -> str:
    """A plain `str`: a subclass may have overridden every method that is used above."""
    return str.__getitem__(text, slice(BYTES_MAX + 1)) if type(text) is not str else text


def name_of(cls: type[Any]) -> str:
    """The name of a class, as safe text, though its metaclass may lie or raise about it."""
    return safe_text(str(type.__dict__["__name__"].__get__(cls)))
