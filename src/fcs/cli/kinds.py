"""Kinds of values on the command line: each reads a text, or says what a right one looks like."""

import re
from collections.abc import Sequence
from datetime import datetime

import click


def address(text: str) -> tuple[str, int]:
    """HOST:PORT, or a port alone, which is one of 127.0.0.1."""
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > 65_535:
        raise click.BadParameter(f"{text!r} is not like 127.0.0.1:5000 or [::1]:5000.")
    return host or "127.0.0.1", int(port)


def stretch(text: str) -> float:
    """A stretch of time, in seconds."""
    from fcs.domain.durations import seconds_of
    from fcs.domain.errors import InvalidInput

    try:
        return seconds_of(text)
    except InvalidInput:
        raise click.BadParameter(f"{text!r} is not like 30s, 5m, 1h30m or 2d.") from None


def timed(text: str) -> float:
    """A stretch of time with its unit: of a bare 5 nobody knows whether it means minutes."""
    if re.fullmatch(r"[0-9.]*[1-9][0-9.]*", text):
        raise click.BadParameter(f"{text!r} lacks a unit: {text}s, {text}m, {text}h or {text}d.")
    return stretch(text)


def moment(text: str) -> datetime:
    """A moment, in UTC whatever the offset it was given with."""
    from fcs.domain.errors import InvalidInput
    from fcs.domain.moments import checked_moment

    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is not like 2031-05-17T09:00:00+02:00.") from None
    if found.tzinfo is None:
        raise click.BadParameter(f"{text!r} lacks an offset: end it with Z for UTC, or +02:00.")
    try:
        return checked_moment(found)
    except InvalidInput:
        raise click.BadParameter(f"{text!r} is not between the years 1970 and 9000.") from None


def queue(text: str) -> str:
    """The name of a queue."""
    from fcs.domain.errors import InvalidInput
    from fcs.registry import check_queue

    try:
        return check_queue(text)
    except InvalidInput as error:
        raise click.BadParameter(f"{error} {error.hint}") from None


def count_or_none(text: str) -> int | str:
    """A limit that is a number, or the word `none`."""
    if text == "none" or re.fullmatch(r"[0-9]{1,9}", text):
        return text if text == "none" else int(text)
    raise click.BadParameter(f"{text!r} is neither a number nor none.")


def rate_or_none(text: str) -> float | str:
    """Starts in a second, or the word `none`."""
    from fcs.domain.errors import InvalidInput
    from fcs.domain.queues import rate_of

    if text == "none":
        return text
    try:
        return rate_of(text)
    except InvalidInput as error:
        raise click.BadParameter(f"{error} {error.hint}") from None


def limit_key(text: str) -> str:
    """What tasks share a limit by."""
    from fcs.domain.errors import InvalidInput
    from fcs.registry import check_limit_key

    try:
        return check_limit_key(text)
    except InvalidInput as error:
        raise click.BadParameter(f"{error} {error.hint}") from None


def queues(_: click.Context, __: click.Parameter, texts: Sequence[str]) -> list[str]:
    """Several queues, given one by one or with commas between them."""
    return sorted({queue(name.strip()) for text in texts for name in text.split(",")})


def variables(_: click.Context, __: click.Parameter, texts: Sequence[str]) -> list[str]:
    """Names of variables, given one by one or with commas between them."""
    names = {name.strip() for text in texts for name in text.split(",")}
    for name in names:
        if not re.fullmatch(r"\w+\*?", name):
            raise click.BadParameter(f"{name!r} is not like SHOP_REGION or SHOP_*.")
    return sorted(names)


def app_place(text: str) -> str:
    """Where an App is: module:attribute."""
    module, _, attribute = text.partition(":")
    if not all(part.isidentifier() for part in [*module.split("."), *attribute.split(".")]):
        raise click.BadParameter(f"{text!r} is not like tasks:app (tasks.py, and its variable).")
    return text
