"""Strict JSON: accepts only what every reader, Postgres included, reads alike and can read back.

`json` of the standard library takes NaN, lone surrogates and equal keys; `jsonb` takes numbers
and depths that Python then cannot read. What passes here does harm nowhere.

Most texts are harmless, and a quick look is enough to see it. Only a text that the quick look
is not sure of is read a second time, slowly, by a reader that knows the place of each thing.
"""

import json
import re
from collections.abc import Iterable
from typing import Any, Final, NoReturn

import msgspec

from fcs.domain.errors import InvalidJson, PayloadTooLarge, Problem

DEPTH_MAX: Final = 64
DIGITS_MAX: Final = 4_000
BYTES_MAX: Final = 1024 * 1024

_DECODER = msgspec.json.Decoder()

# NUL, and a colon in disguise, which would upset the count of keys in `_is_harmless`.
_ESCAPES = re.compile(rb"\\u00(?:00|3[aA])")
# Looking behind keeps the search linear: it tries each run of digits once, not at every digit.
_LONG_NUMBER = re.compile(rb"(?<![0-9])[0-9]{%d}" % (DIGITS_MAX + 1))
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def parse(text: bytes, *, bytes_max: int = BYTES_MAX) -> Any:
    """Read a text, or raise `InvalidJson` (or `PayloadTooLarge`) that tells what is wrong where."""
    if len(text) > bytes_max:
        raise PayloadTooLarge(
            f"The JSON text has {len(text):,} bytes; the limit is {bytes_max:,}.",
            hint="Keep large data elsewhere and hand over its address.",
        )
    try:
        value = _DECODER.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        _inspect(text)
        raise InvalidJson(f"This is not valid JSON: {error}.") from None

    if not _is_harmless(text, value):
        _inspect(text)
    return value


def pointer(*steps: str | int) -> str:
    """A JSON pointer (RFC 6901) from the steps that lead to a place."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)


def _is_harmless(text: bytes, value: Any) -> bool:
    """Whether a decoded text is beyond doubt; `False` only means that one must look closer."""
    if b"\\u00" in text and _ESCAPES.search(text):
        return False
    if len(text) > DIGITS_MAX and _LONG_NUMBER.search(text):
        return False
    # A colon of the text either stands between a key and its value, or inside a string. The
    # value has fewer of them only if a key, given twice, has replaced its first value.
    return _count_colons([value], DEPTH_MAX + 1) == text.count(b":")


def _count_colons(value: dict[str, Any] | list[Any], depth_left: int) -> int:
    """How many colons the text of a value has; refuses what is nested too deeply on the way."""
    if depth_left == 0:
        raise _too_deep()
    colons = 0
    items: Iterable[Any] = value
    if type(value) is dict:
        colons = len(value)
        for key in value:
            if ":" in key:
                colons += key.count(":")
        items = value.values()
    for item in items:
        kind = type(item)
        if kind is str:
            if ":" in item:
                colons += item.count(":")
        elif kind is dict or kind is list:
            colons += _count_colons(item, depth_left - 1)
    return colons


class _Object(list[tuple[str, Any]]):
    """An object as the pairs that were written, equal keys included."""


class _Number(str):
    """A number as it was written."""

    __slots__ = ()


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidJson(f"{name} is not JSON.", hint="Send null, or leave the field out.")


_SLOW_DECODER = json.JSONDecoder(
    object_pairs_hook=_Object,
    parse_int=_Number,
    parse_float=_Number,
    parse_constant=_refuse_constant,
)


def _inspect(text: bytes) -> None:
    """Raise `InvalidJson` with the place of the first thing that is wrong, if any is."""
    try:
        _inspect_value(_SLOW_DECODER.decode(_decode_text(text)), ())
    except json.JSONDecodeError as error:
        what = error.msg.removesuffix(" at")
        place = f"line {error.lineno} column {error.colno}"
        raise InvalidJson(f"This is not valid JSON: {what}, {place}.") from None
    except RecursionError:
        raise _too_deep() from None


def _decode_text(text: bytes) -> str:
    if text.startswith(b"\xef\xbb\xbf"):
        raise InvalidJson(
            "The text starts with a byte order mark.", hint="Send UTF-8 without the mark."
        )
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidJson(
            f"The text is not UTF-8: {error.reason} at byte {error.start}.",
            hint="JSON is always UTF-8.",
        ) from None


def _inspect_value(value: Any, path: tuple[str | int, ...]) -> None:
    if len(path) > DEPTH_MAX or (len(path) == DEPTH_MAX and isinstance(value, list)):
        raise _too_deep()
    if isinstance(value, _Object):
        _inspect_object(value, path)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _inspect_value(item, (*path, index))
    elif isinstance(value, _Number):
        _inspect_number(value, path)
    elif isinstance(value, str):
        _inspect_text(value, path)


def _inspect_object(pairs: _Object, path: tuple[str | int, ...]) -> None:
    seen = set()
    for key, item in pairs:
        _inspect_text(key, path)  # first, so that no place is named by an unspeakable key
        if key in seen:
            raise _wrong("the key is given twice", (*path, key))
        seen.add(key)
        _inspect_value(item, (*path, key))


def _inspect_number(number: str, path: tuple[str | int, ...]) -> None:
    is_integer = number.lstrip("-").isdigit()
    if is_integer and len(number.lstrip("-")) > DIGITS_MAX:
        raise _wrong(f"the integer has more than {DIGITS_MAX:,} digits", path)
    if not is_integer and float(number) in (float("inf"), float("-inf")):
        raise _wrong("the number is too large", path)


def _inspect_text(text: str, path: tuple[str | int, ...]) -> None:
    if "\0" in text:
        raise _wrong("a string contains the character NUL, which Postgres cannot store", path)
    if _LONE_SURROGATE.search(text):
        raise _wrong("a string contains half of a surrogate pair, which is no character", path)


def _wrong(message: str, path: tuple[str | int, ...]) -> InvalidJson:
    return InvalidJson(
        f"The JSON text cannot be accepted: {message}.",
        problems=[Problem(pointer(*path), message)],
    )


def _too_deep() -> InvalidJson:
    return InvalidJson(f"The JSON text is nested more than {DEPTH_MAX} levels deep.")
