"""The options that say what task is wanted, for `create` and `run` alike."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

import click

from fcs.cli.kinds import app_place, limit_key, moment, queue, timed

F = TypeVar("F", bound=Callable[..., Any])


class Wish(NamedTuple):
    """What was asked for on the command line; `in_` and `timeout` are in seconds."""

    ty: str
    arg: Sequence[str]
    json: str | None
    at: datetime | None
    in_: float | None
    queue: str | None
    priority: int | None
    max_attempts: int | None
    timeout: float | None
    on_interrupt: str | None
    app: str
    key: str | None = None
    limit_key: str | None = None
    after: Sequence[str] = ()
    when_needs_fail: str | None = None


def wish_options(command: F) -> F:
    """Add the options; they become the fields of a `Wish`."""
    for option in reversed([*_WHAT, *_ONCE, *_HOW]):
        command = option(command)
    return command


def draft_options(command: F) -> F:
    """Add those that make sense for tasks that are created again and again."""
    for option in reversed([*_WHAT, *_HOW]):
        command = option(command)
    return command


_WHAT: list[Callable[[Any], Any]] = [
    click.argument("ty", metavar="TYPE"),
    click.option(
        "--arg",
        multiple=True,
        metavar="NAME=VALUE",
        help="An argument; the value is JSON if it can be, else text. As often as needed.",
    ),
    click.option("--json", metavar="OBJECT", help="All arguments at once, as a JSON object."),
]
_ONCE: list[Callable[[Any], Any]] = [
    click.option(
        "--at", type=moment, metavar="MOMENT", help="Not before this moment (2031-05-17T09:00:00Z)."
    ),
    click.option(
        "--in",
        "--delay",
        "in_",
        type=timed,
        metavar="TIME",
        help="Not before so long from now (30s, 5m, 2h).",
    ),
    click.option(
        "--key", metavar="KEY", help="Idempotency key: the same under the same key is one task."
    ),
    click.option(
        "--after",
        multiple=True,
        metavar="ID",
        help="A task that has to succeed first. As often as needed.",
    ),
    click.option(
        "--when-needs-fail",
        type=click.Choice(["cancel", "run"]),
        help="What to do when one of those ends without success; usually cancel.",
    ),
]
_HOW: list[Callable[[Any], Any]] = [
    click.option("--queue", type=queue, metavar="NAME", help="The queue; else that of the type."),
    click.option(
        "--priority", type=click.IntRange(-100, 100), help="The higher the sooner; usually 0."
    ),
    click.option(
        "--limit-key",
        type=limit_key,
        metavar="KEY",
        help="What the task shares the limits with that its queue has for each key.",
    ),
    click.option(
        "--max-attempts",
        type=click.IntRange(1, 10_000),
        help="How often its body may be started; else as its type has it.",
    ),
    click.option(
        "--timeout",
        type=timed,
        metavar="TIME",
        help="How long each run may take (30s, 5m); else as its type has it.",
    ),
    click.option(
        "--on-interrupt",
        type=click.Choice(["interrupt", "retry"]),
        help="What to do when its worker dies; else as its type has it.",
    ),
    click.option(
        "--app",
        type=app_place,
        metavar="MODULE:APP",
        envvar="FCS_APP",
        show_envvar=True,
        default="fcs.demo:app",
        show_default=True,
        help="The application that knows the type and its arguments.",
    ),
]
