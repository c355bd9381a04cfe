"""What every verb can be told: which database, how to write, how much to say."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

OutputForm = Literal["table", "json", "jsonl"]


@dataclass(slots=True)
class Common:
    """The answers; they may stand before the verb and after it, where the latter count."""

    database: str | None = None
    output: OutputForm = "table"
    quiet: bool = False
    verbose: bool = False
    no_color: bool = False


def _remember(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    # A flag that is not there must not undo the same flag before the verb.
    if value:
        assert param.name is not None
        setattr(ctx.find_object(Common), param.name, value)


def _option(*names: str, **more: Any) -> Callable[[F], F]:
    return click.option(*names, expose_value=False, callback=_remember, **more)


_OUTPUT = [
    _option(
        "-o",
        "--output",
        type=click.Choice(["table", "json", "jsonl"]),
        help="How to write what was asked for.",
    ),
    _option("-q", "--quiet", is_flag=True, help="Say only what matters."),
    _option("-v", "--verbose", is_flag=True, help="Say more, tracebacks included."),
    _option("--no-color", is_flag=True, help="Write without colours, as with NO_COLOR."),
]

_DATABASE = _option(
    "-d",
    "--database",
    metavar="URL",
    help="The Postgres, as postgres://user@host/name.  [env var: FCS_DATABASE,"
    " FCS_DATABASE_FILE, DATABASE_URL]",
)


direct_option = click.option(
    "--database-direct",
    "direct",
    metavar="URL",
    envvar="FCS_DATABASE_DIRECT",
    show_envvar=True,
    help="The same database around a pooler of transactions, to hear at once of what happens.",
)


def output_options(command: F) -> F:
    """Add the options of a verb that needs no database of the caller's."""
    for option in reversed(_OUTPUT):
        command = option(command)
    return command


def common_options(command: F) -> F:
    """Add the options that nearly every verb has."""
    return _DATABASE(output_options(command))


def give_common_options(group: click.Group) -> None:
    """Let the common options stand before the verb as well."""
    for option in (_DATABASE, *_OUTPUT):
        option(group)
